"""Outlines of provinces and countries: who touches whom, islands, codes that are not of ISO, what is not on the map."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import shapely

import citylab as cl
from citylab import tables
from citylab.catalog.registry import declaration
from citylab.errors import DataError
from citylab.sources import naturalearth

pytestmark = pytest.mark.filterwarnings("ignore::citylab.errors.UsageWarning")
FILE = "geo-china-provinces-open/china_provinces_ne50m.geojson"


@pytest.fixture(scope="module")
def provinces() -> pl.DataFrame:
    return cl.load("naturalearth__static_province_boundary").collect().sort("adcode")


@pytest.fixture(scope="module")
def shapes(provinces: pl.DataFrame) -> Any:
    return shapely.from_wkb(provinces["geometry_wkb"].to_list())


@pytest.fixture(scope="module")
def borders() -> pl.DataFrame:
    return cl.load("naturalearth__static_provincepair_border").collect()


def test_outlines_of_provinces_tile_without_overlap(shapes: Any):
    assert shapely.is_valid(shapes).all()
    assert shapely.coverage_is_valid(shapes)


def test_the_provinces_are_those_of_the_census_and_no_others(provinces: pl.DataFrame):
    census = cl.load("nbs__census_province_structure").collect()
    assert provinces["adcode"].to_list() == sorted(census["adcode"].unique())
    missing = set(tables.read("provinces")["adcode"].cast(pl.String)) - set(provinces["adcode"])
    assert missing == {"710000", "810000", "820000"}
    # what is missing must be said to whoever loads the table
    warned = [w for w in declaration("naturalearth__static_province_boundary").warnings if w.code == "legal_map"]
    assert all(name in warned[0].text.zh for name in ("台湾", "香港", "澳门", "南海"))


def test_neighbours_equal_those_of_another_set_of_outlines(borders: pl.DataFrame, mirror: Path):
    path = mirror / "geo-china-provinces-open" / "china_province_adjacency.csv"
    with open(path, encoding="utf-8", newline="") as file:
        theirs = {(row["adcode_a"], row["adcode_b"]) for row in csv.DictReader(file)}
    mainland = {pair for pair in theirs if not set(pair) & {"810000", "820000"}}
    ours = set(borders.filter("is_land_border").select("adcode_a", "adcode_b").iter_rows())
    assert ours == mainland
    assert len(ours) == 68


def test_each_pair_stands_once_with_the_smaller_code_first(borders: pl.DataFrame):
    assert (borders["adcode_a"] < borders["adcode_b"]).all()
    assert borders.n_unique(["adcode_a", "adcode_b"]) == borders.height


def test_hainan_has_no_neighbour_on_land_and_one_declared_link(borders: pl.DataFrame):
    hainan = borders.filter((pl.col("adcode_a") == "460000") | (pl.col("adcode_b") == "460000"))
    assert hainan.rows() == [("440000", "460000", False, None)]
    on_land = borders.filter("is_land_border")
    touched = set(on_land["adcode_a"]) | set(on_land["adcode_b"])
    assert len(touched) == 30


def test_with_the_declared_link_every_province_is_reached_from_every_other(borders: pl.DataFrame):
    reached, grown = {"110000"}, True
    while grown:
        near = borders.filter(pl.col("adcode_a").is_in(reached) | pl.col("adcode_b").is_in(reached))
        more = reached | set(near["adcode_a"]) | set(near["adcode_b"])
        grown, reached = more != reached, more
    assert len(reached) == 31


def test_lengths_of_borders_add_up_to_the_outline_where_a_province_lies_inland(borders: pl.DataFrame, shapes: Any):
    # Henan (410000) touches neither sea nor another country: its whole outline is common borders
    mine = borders.filter((pl.col("adcode_a") == "410000") | (pl.col("adcode_b") == "410000"))
    codes = sorted(cl.load("naturalearth__static_province_boundary").collect()["adcode"])
    outline = shapely.boundary(shapes[codes.index("410000")])
    # km per degree on the sphere of 6371 km, scaled east-west by the cosine of the latitude at each edge
    import numpy as np

    points = np.concatenate([shapely.get_coordinates(part) for part in shapely.get_parts(outline)])
    steps = np.diff(points, axis=0)
    middle = np.radians((points[1:, 1] + points[:-1, 1]) / 2)
    length = np.hypot(steps[:, 0] * np.cos(middle), steps[:, 1]).sum() * 2 * np.pi * 6371 / 360
    assert mine["border_km"].sum() == pytest.approx(length, rel=0.005)


def test_areas_are_near_the_published_ones_except_where_the_border_is_drawn_as_held(provinces: pl.DataFrame):
    # published areas in 1000 km2, statistical yearbook, from memory
    published = {"110000": 16.4, "130000": 188.8, "410000": 167.0, "510000": 486.0, "150000": 1183.0}
    for code, area in published.items():
        assert provinces.filter(adcode=code)["area_km2"].item() / 1e3 == pytest.approx(area, rel=0.05), code


def test_outlines_that_overlap_are_an_error(tmp_path: Path, raw: Callable[[str], Path]):
    content = json.loads(raw(FILE).read_text(encoding="utf-8"))
    content["features"][1]["geometry"] = content["features"][0]["geometry"]
    path = tmp_path / "odd.geojson"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(DataError, match="neighbours cannot be told"):
        naturalearth.parse_provinces([path])


@pytest.fixture(scope="module")
def countries(raw: Callable[[str], Path]) -> pl.DataFrame:
    return naturalearth.parse_countries([raw("geo-natural-earth/ne_110m_admin_0_countries.json.gz")]).collect()


def test_france_and_norway_have_a_code_although_the_column_of_iso_codes_has_none(countries: pl.DataFrame):
    assert {"FRA", "NOR"} <= set(countries["country_code"])
    assert "-99" not in countries["country_code"]
    assert countries["country_code"].n_unique() == countries.height == 177


def test_codes_of_countries_that_are_not_of_iso_are_those_that_the_declaration_names(countries: pl.DataFrame):
    known = set(cl.load("worldbank__yearly_country_gdp").collect()["country_code"])
    known |= set(cl.load("gapminder__yearly_country_internet").collect()["country_code"])
    (note,) = [w.text.en for w in declaration("naturalearth__static_country_boundary").warnings if "-99" in w.text.en]
    not_listed_there = {"ATA", "ATF", "FLK", "TWN"}
    odd = set(countries["country_code"]) - known - not_listed_there
    assert all(code in note for code in odd), odd
