from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from citylab.catalog import load
from citylab.sources import kdd

Raw = Callable[[str], Path]


@pytest.fixture(scope="module")
def beijing(raw: Raw) -> pl.DataFrame:
    return kdd.parse_beijing([raw("air-beijing-kddcup2018/bj_aq_online.csv.gz")]).collect()


@pytest.fixture(scope="module")
def london(raw: Raw) -> pl.DataFrame:
    return kdd.read_feed(raw("air-beijing-kddcup2018/ld_aq_online.csv.gz"))


def test_utc_becomes_beijing_time_across_midnight(tmp_path: Path) -> None:
    path = tmp_path / "feed.csv"
    header = ",".join(["id", "station_id", "time", *kdd.VARIABLE_MAP])
    path.write_bytes(f"{header}\r\r\n1,yanqin_aq,2018-03-31 16:00:00,105.0,172.0,53.0,0.8,127.0,14.0\r\r\n".encode())
    assert kdd.parse_beijing([path]).collect().rows() == [
        ("yanqing", dt.datetime(2018, 4, 1, 0), 105.0, 172.0, 53.0, 0.8, 127.0, 14.0)
    ]


def test_ozone_peaks_in_the_afternoon_of_beijing(beijing: pl.DataFrame) -> None:
    by_hour = beijing.group_by(pl.col("datetime_local").dt.hour().alias("hour")).agg(pl.col("o3_ugm3").mean())
    assert by_hour.sort("o3_ugm3")["hour"][-1] in {15, 16, 17}


def test_the_last_column_is_a_number_in_spite_of_two_carriage_returns(beijing: pl.DataFrame) -> None:
    assert beijing["so2_ugm3"].dtype == pl.Float64
    assert beijing["so2_ugm3"].null_count() == 2_286


def test_co_is_in_milligrams(beijing: pl.DataFrame) -> None:
    assert beijing["co_mgm3"].mean() == pytest.approx(0.715, abs=0.001)


# Counted with another tool when the file was first described.
def test_35_stations_of_1388_hours_lack_what_was_counted(beijing: pl.DataFrame) -> None:
    assert beijing.height == 35 * 1_388
    assert beijing.select("station_id", "datetime_local").is_unique().all()
    counts = beijing.select("pm25_ugm3", "pm10_ugm3", "no2_ugm3", "co_mgm3", "o3_ugm3").null_count().row(0)
    assert counts == (2_796, 10_078, 2_266, 2_173, 2_453)


def test_botanical_garden_has_no_pm25(beijing: pl.DataFrame) -> None:
    assert beijing.filter(station_id="zhiwuyuan")["pm25_ugm3"].null_count() == 1_388


def test_every_station_joins_the_table_of_positions(beijing: pl.DataFrame) -> None:
    known = set(load("bjmemc__static_station_location").collect()["station_id"])
    assert set(beijing["station_id"]) == known


def test_london_keeps_its_negative_values_and_repeated_hours_for_quality_control(london: pl.DataFrame) -> None:
    assert london["no2_ugm3"].min() == -7.4
    assert int(london.select("station_id", "datetime_utc").is_duplicated().sum()) == 391
    assert london.select("co_mgm3", "o3_ugm3", "so2_ugm3").null_count().row(0) == (28_022,) * 3
