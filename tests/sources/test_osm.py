"""Subway stations of OpenStreetMap: their datum, their known gaps, and two independent tables beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import shapely
import yaml

from citylab import places, settings
from citylab.errors import DataError
from citylab.sources import beijingsubway, osm

FOLDER = "transit-beijing-subway"


@pytest.fixture(scope="module")
def files(raw: Callable[[str], Path]) -> list[Path]:
    return [raw(f"{FOLDER}/gtfs_{name}.txt.gz") for name in ("stops", "stop_areas")]


@pytest.fixture(scope="module")
def stations(files: list[Path]) -> pl.DataFrame:
    return osm.parse_subway_stations(files).collect()


@pytest.fixture(scope="module")
def segments(raw: Callable[[str], Path]) -> pl.DataFrame:
    return beijingsubway.parse_segments([raw(f"{FOLDER}/segments_compiled.csv.gz")]).collect()


def test_two_of_513_stations_are_shells_and_the_others_have_402_names(stations: pl.DataFrame):
    assert stations.height == 513 - osm.SHELLS
    assert stations["station_name_zh"].n_unique() == 402
    assert stations.drop("adcode").null_count().sum_horizontal().item() == 0
    assert not stations.select("station_name_zh", "line_name_zh").is_duplicated().any()


def test_coordinates_are_wgs84_and_not_shifted(stations: pl.DataFrame):
    # Tiananmen East lies at 116.3949, 39.9064; on GCJ-02 it would stand about 0.006 degrees further east.
    east, north = stations.filter(station_name_zh="天安门东").select("longitude_deg", "latitude_deg").row(0)
    assert east == pytest.approx(116.3949, abs=0.0005)
    assert north == pytest.approx(39.9064, abs=0.0005)
    places.guard_inside(stations["longitude_deg"].to_numpy(), stations["latitude_deg"].to_numpy())


def test_the_line_of_a_station_is_that_of_the_table_of_segments(stations: pl.DataFrame, segments: pl.DataFrame):
    name = "station_name_zh"
    ends = pl.concat(
        segments.select("line_name_zh", pl.col(c).str.replace(r"\(.+\)$", "").alias(name))
        for c in ("from_station_zh", "to_station_zh")
    ).unique()
    apart = stations.join(ends, on=["line_name_zh", "station_name_zh"], how="anti")
    # Opened since, closed, or written otherwise: a handful.
    assert apart.height <= 0.03 * stations.height, apart.select("line_name_zh", "station_name_zh").rows()


def test_the_ring_has_both_halves(stations: pl.DataFrame):
    assert stations.filter(line_name_zh="10号线").height in (44, 45)


def test_what_is_known_to_be_missing_is_missing(stations: pl.DataFrame, segments: pl.DataFrame):
    have = dict(stations["line_name_zh"].value_counts().iter_rows())
    assert have["亦庄T1线"] == 1  # 13 of 14 are not in the file
    assert have["18号线"] == 6  # 5 of 11 are not
    assert segments.filter(line_name_zh="18号线").height == 10


def test_districts_agree_with_an_independent_outline_of_the_city(stations: pl.DataFrame):
    outlines = pl.read_parquet(settings.datasets_dir() / "echarts__static_district_boundary" / "districts.parquet")
    inside = dict(zip(outlines["adcode"], shapely.from_wkb(outlines["geometry_wkb"].to_numpy()), strict=True))
    told = stations.filter(pl.col("adcode").is_in(list(inside)))
    agree = [
        shapely.contains_xy(inside[a], x, y)
        for a, x, y in told.select("adcode", "longitude_deg", "latitude_deg").iter_rows()
    ]
    assert sum(agree) / len(agree) > 0.95  # stations under a border road fall on either side of a simplified line
    assert stations.filter(adcode="131003")["station_name_zh"].to_list() == ["大兴机场"]


def test_the_two_stations_whose_code_does_not_tell_the_line_have_one(stations: pl.DataFrame):
    assert stations.filter(station_name_zh="北宫门")["line_name_zh"].to_list() == ["4号线"]
    assert sorted(stations.filter(station_name_zh="朱辛庄")["line_name_zh"]) == ["8号线", "昌平线"]


def test_another_edition_is_told_by_its_shells(files: list[Path], tmp_path: Path):
    lines = files[0].read_text(encoding="utf-8").splitlines(keepends=True)
    mended = tmp_path / "stops.txt"
    mended.write_text("".join(line for line in lines if not line.startswith("r12154788")), encoding="utf-8")
    with pytest.raises(DataError, match="edition"):
        osm.parse_subway_stations([mended, files[1]])


def test_the_declaration_keeps_the_notice_and_the_licence_of_the_map():
    text = (settings.datasets_dir() / "osm__static_station_subway" / "dataset.yml").read_text(encoding="utf-8")
    told = yaml.safe_load(text)
    assert told["licence"]["id"] == "ODbL-1.0"
    assert "OpenStreetMap contributors" in told["licence"]["note"]
    assert "OpenStreetMap" in told["citation"]
