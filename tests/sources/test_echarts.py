from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

import citylab as cl
from citylab.sources import echarts

pytestmark = pytest.mark.filterwarnings("ignore::citylab.errors.UsageWarning")
KM2_PER_M2 = 1e-6
ADCODES = [*range(110101, 110103), *range(110105, 110110), *range(110111, 110120)]


@pytest.fixture(scope="module")
def districts() -> pl.DataFrame:
    return cl.load("echarts__static_district_boundary").collect().sort("adcode")


@pytest.fixture(scope="module")
def shapes(districts: pl.DataFrame) -> Any:
    return shapely.from_wkb(districts["geometry_wkb"].to_list())


@pytest.fixture(scope="module")
def derived(mirror: Path) -> dict[str, Any]:
    """Another reader's outlines: decoded and converted, neither simplified nor made to tile."""
    text = (mirror / "geo-beijing-districts" / "beijing_districts_wgs84_derived.geojson").read_text(encoding="utf-8")
    return {f["properties"]["name"]: f for f in json.loads(text)["features"]}


def equal_area_m2(shape: Any) -> Any:
    """Areas on the ellipsoid of WGS-84, by the authalic cylinder (Snyder 1987, eq. 3-12 and 10-16)."""
    a, e = 6_378_137.0, 0.0818191908426

    def project(lonlat: np.ndarray) -> np.ndarray:
        s = np.sin(np.radians(lonlat[:, 1]))
        q = (1 - e**2) * (s / (1 - (e * s) ** 2) - np.log((1 - e * s) / (1 + e * s)) / (2 * e))
        return np.column_stack([a * np.radians(lonlat[:, 0]), a * q / 2])

    return shapely.area(shapely.transform(shape, project))


def test_the_sixteen_districts_are_there_each_valid_and_none_empty(districts: pl.DataFrame, shapes: Any):
    assert districts["adcode"].to_list() == [str(code) for code in ADCODES]
    assert shapely.is_valid(shapes).all()
    assert not shapely.is_empty(shapes).any()
    assert set(shapely.get_type_id(shapes)) <= {3, 6}


def test_neighbours_share_one_border_with_neither_overlap_nor_gap(shapes: Any):
    assert shapely.coverage_is_valid(shapes)
    whole = shapely.union_all(shapes)
    assert shapely.area(whole) == pytest.approx(shapely.area(shapes).sum(), rel=1e-9)
    holes = [hole for part in shapely.get_parts(whole) for hole in part.interiors]
    assert holes == []


def test_areas_are_those_of_another_reader(districts: pl.DataFrame, shapes: Any, derived: dict[str, Any]):
    stated = dict(districts.select("district_name_zh", "area_km2").iter_rows())
    measured = dict(zip(districts["district_name_zh"], equal_area_m2(shapes) * KM2_PER_M2, strict=True))
    assert set(stated) == set(derived)
    for name, feature in derived.items():
        geodesic = feature["properties"]["area_km2_geodesic"]
        assert measured[name] == pytest.approx(geodesic, rel=0.01), name
        assert stated[name] == pytest.approx(measured[name], rel=0.001, abs=0.1), name


def test_the_city_covers_what_the_unsimplified_outlines_cover(shapes: Any, derived: dict[str, Any]):
    other = shapely.union_all([shapely.make_valid(shapely.geometry.shape(f["geometry"])) for f in derived.values()])
    ours = shapely.union_all(shapes)
    overlap = shapely.area(shapely.intersection(ours, other)) / shapely.area(shapely.union(ours, other))
    assert overlap > 0.99


def test_each_district_covers_its_own_outline(districts: pl.DataFrame, shapes: Any, derived: dict[str, Any]):
    for name, ours in zip(districts["district_name_zh"], shapes, strict=True):
        other = shapely.make_valid(shapely.geometry.shape(derived[name]["geometry"]))
        overlap = shapely.area(shapely.intersection(ours, other)) / shapely.area(shapely.union(ours, other))
        assert overlap > 0.97, name


def test_every_station_with_an_undisputed_position_lies_in_its_district(districts: pl.DataFrame, shapes: Any):
    outline = dict(zip(districts["adcode"], shapes, strict=True))
    stations = cl.load("bjmemc__static_station_location", where={"is_position_disputed": False}).collect()
    assert stations.height == 30
    for row in stations.iter_rows(named=True):
        point = shapely.Point(row["longitude_deg"], row["latitude_deg"])
        assert outline[row["adcode"]].contains(point), row["station_id"]


def test_the_airport_belongs_to_chaoyang_and_lies_apart_within_shunyi(districts: pl.DataFrame, shapes: Any):
    outline = dict(zip(districts["district_name_en"], shapes, strict=True))
    terminal = shapely.Point(116.593, 40.058)  # Capital Airport, between terminals 2 and 3
    assert outline["Chaoyang"].contains(terminal)
    assert not outline["Shunyi"].contains(terminal)
    assert shapely.get_num_geometries(outline["Chaoyang"]) == 2


def test_coordinates_are_not_those_of_the_shifted_datum(shapes: Any, mirror: Path):
    osm = json.loads((mirror / "geo-beijing-districts" / "osm_beijing_outline.geojson").read_text(encoding="utf-8"))
    geometry = (osm["features"][0] if "features" in osm else osm).get("geometry", osm)
    outline = shapely.make_valid(shapely.geometry.shape(geometry))
    main = max(shapely.get_parts(outline), key=shapely.area)
    ours = shapely.union_all(shapes)
    overlap = shapely.area(shapely.intersection(ours, main)) / shapely.area(shapely.union(ours, main))
    assert overlap > 0.99, "the raw GCJ-02 outline reaches 0.979"


@given(st.lists(st.tuples(st.integers(-3000, 3000), st.integers(-3000, 3000)), min_size=1, max_size=30))
def test_decoding_undoes_the_zigzag_encoding(steps: list[tuple[int, int]]):
    def encode(step: int) -> str:
        return chr(((step << 1) ^ (step >> 63)) + 64)

    text = "".join(encode(x) + encode(y) for x, y in steps)
    expected = (np.cumsum(np.array(steps), axis=0) + np.array([119_000, 40_900])) / 1024
    assert np.array_equal(echarts.decode_ring(text, [119_000, 40_900]), expected)
