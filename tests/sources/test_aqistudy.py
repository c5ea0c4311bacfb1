from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from citylab.catalog import load
from citylab.errors import DataError
from citylab.sources import aqistudy

Raw = Callable[[str], Path]
NAME = "air-beijing-aqistudy-2013-2017/beijing_daily_aqi_2013-12_2017-01.csv"
HIGHEST = {"优": 50, "良": 100, "轻度污染": 150, "中度污染": 200, "重度污染": 300, "严重污染": 500}
"""Highest AQI of each level, HJ 633-2012 table 2."""


@pytest.fixture(scope="module")
def days(raw: Raw) -> pl.DataFrame:
    return aqistudy.parse_daily([raw(NAME)]).collect()


def test_every_day_stands_once_without_a_gap(days: pl.DataFrame) -> None:
    assert days.height == (dt.date(2017, 1, 31) - dt.date(2013, 12, 2)).days + 1 == 1_157
    assert days["date_local"].is_unique().all()
    assert days["aqi"].mean() == pytest.approx(112.6, abs=0.05)
    assert days["pm25_ugm3"].mean() == pytest.approx(79.9, abs=0.05)


def test_the_byte_order_mark_does_not_stay_in_the_first_city(raw: Raw) -> None:
    assert aqistudy.read_days(raw(NAME))["city"].unique().to_list() == ["北京"]


# HJ 633-2012 rounds an index up; this site rounds it to the nearest, so that 50 may stand for 50.3, which is 良.
def test_the_level_of_each_day_is_that_of_its_aqi_or_the_next_where_the_site_rounded_down(days: pl.DataFrame) -> None:
    next_level = dict(zip(HIGHEST, [*list(HIGHEST)[1:], ""], strict=True))
    rounded_down = 0
    for aqi, level in days.select("aqi", "aqi_level_name_zh").iter_rows():
        of_aqi = next(name for name, highest in HIGHEST.items() if aqi <= highest)
        if level != of_aqi:
            assert (aqi, level) == (HIGHEST[of_aqi], next_level[of_aqi])
            rounded_down += 1
    assert rounded_down == 14


def test_pm10_of_zero_is_missing_on_one_day(days: pl.DataFrame) -> None:
    assert days["pm10_ugm3"].null_count() == 1
    assert days["pm10_ugm3"].min() > 0  # type: ignore[operator]


def test_the_zero_repair_refuses_a_file_without_the_fault() -> None:
    with pytest.raises(DataError, match=r"0 rows .*its evidence is of 1"):
        aqistudy.repair_zero_pm10(pl.DataFrame({"pm10": [80.0], "pm25": [40.0]}))


@pytest.fixture(scope="module")
def twelve() -> pl.DataFrame:
    """Return daily city values of the twelve stations of UCI: means, and three kinds of daily ozone."""
    city = (
        load("uci__hourly_station_air")
        .group_by("datetime_local")
        .agg(pl.col("pm25_ugm3", "pm10_ugm3", "co_mgm3", "o3_ugm3").mean())
        .sort("datetime_local")
        .with_columns(eight=pl.col("o3_ugm3").rolling_mean(8, min_samples=6))
    )
    return (
        city.group_by(pl.col("datetime_local").dt.date().alias("date_local"))
        .agg(
            pl.col("pm25_ugm3", "pm10_ugm3", "co_mgm3").mean(),
            pl.col("o3_ugm3").max().alias("max1h"),
            pl.col("eight").max().alias("max8h"),
            pl.col("o3_ugm3").mean().alias("mean24h"),
        )
        .collect()
    )


def test_columns_hold_what_they_are_read_as(days: pl.DataFrame, twelve: pl.DataFrame, mirror: Path) -> None:
    both = days.join(twelve, on="date_local", suffix="_uci")
    assert both.height == 1_157
    for name in ("pm25_ugm3", "pm10_ugm3", "co_mgm3"):
        ratio = both.select((pl.col(name) / pl.col(f"{name}_uci")).median()).item()
        assert ratio == pytest.approx(1.0, abs=0.05), name


def test_daily_ozone_is_the_highest_hour(days: pl.DataFrame, twelve: pl.DataFrame, mirror: Path) -> None:
    both = days.join(twelve, on="date_local", suffix="_uci")
    apart = {
        k: both.select((pl.col("o3_max1h_ugm3") - pl.col(k)).abs().median()).item()
        for k in ("max1h", "max8h", "mean24h")
    }
    assert apart["max1h"] < 1.0
    assert min(apart["max8h"], apart["mean24h"]) > 10.0
