from __future__ import annotations

import csv
from pathlib import Path

import polars as pl
import pytest

import citylab as cl
from citylab import places

DISPUTED = {"万柳", "顺义", "万寿西宫", "前门", "永定门内"}


@pytest.fixture(scope="module")
def stations() -> pl.DataFrame:
    return cl.load("bjmemc__static_station_location").collect()


def test_there_are_35_stations_of_four_kinds(stations: pl.DataFrame):
    kinds = stations.group_by("station_type").len().sort("len", descending=True)
    assert stations.height == 35
    assert dict(kinds.iter_rows()) == {"urban": 12, "suburban": 11, "background_regional": 7, "traffic": 5}


def test_the_three_large_disagreements_are_those_measured(stations: pl.DataFrame):
    large = stations.filter(pl.col("position_spread_m") > 500)
    assert dict(large.select("station_name_zh", "position_spread_m").iter_rows()) == {
        "万寿西宫": 865, "顺义": 1152, "万柳": 2877,
    }  # fmt: skip
    small = stations.filter(pl.col("position_spread_m") <= 500)["position_spread_m"]
    assert (small.len(), small.min(), small.max()) == (9, 34, 102)


def test_disputed_are_the_far_apart_and_those_whose_district_hangs_on_the_datum(stations: pl.DataFrame):
    assert set(stations.filter("is_position_disputed")["station_name_zh"]) == DISPUTED


def test_the_stated_distances_agree_with_the_great_circle(mirror: Path):
    path = mirror / "air-beijing-stations" / "beijing_35_stations_crosswalk_derived.csv"
    with path.open(encoding="utf-8", newline="") as file:
        both = [row for row in csv.DictReader(file) if row["cnemc_lon"]]
    assert len(both) == 12
    for row in both:
        here, there = (float(row["kdd_lon"]), float(row["kdd_lat"])), (float(row["cnemc_lon"]), float(row["cnemc_lat"]))
        # the sphere differs from the ellipsoid by up to half a per cent; the table is in whole metres
        assert places.distance_m(*here, *there) == pytest.approx(float(row["kdd_to_cnemc_m"]), rel=0.005, abs=1)


def test_stations_of_the_air_table_all_have_a_place_and_a_national_code(stations: pl.DataFrame):
    air = set(cl.load("uci__daily_station_air").collect()["station_id"])
    assert set(stations.filter(pl.col("station_id_cnemc").is_not_null())["station_id"]) == air


def test_misspelt_ids_are_put_right_and_the_old_spelling_is_kept(stations: pl.DataFrame):
    spelt = dict(stations.select("station_id", "station_id_kdd").iter_rows())
    assert (spelt["changping"], spelt["yanqing"]) == ("pingchang_aq", "yanqin_aq")
    assert {"changping": "昌平", "yanqing": "延庆"}.items() <= dict(
        stations.select("station_id", "station_name_zh").iter_rows()
    ).items()


def test_every_station_lies_in_beijing_and_its_adcode_is_a_district(stations: pl.DataFrame):
    places.guard_inside(stations["longitude_deg"].to_numpy(), stations["latitude_deg"].to_numpy())
    assert set(stations["adcode"]) <= set(places.districts().collect()["adcode"])
