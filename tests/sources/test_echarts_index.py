from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from citylab.catalog import load
from citylab.errors import DataError
from citylab.sources import echarts

Raw = Callable[[str], Path]


@pytest.fixture(scope="module")
def index() -> pl.DataFrame:
    return load("echarts__daily_city_aqi").collect()


def write(folder: Path, pairs: list[tuple[str, int]]) -> Path:
    path = folder / "aqi.json"
    path.write_text(json.dumps(pairs), encoding="utf-8")
    return path


def test_no_day_has_both_an_api_and_an_aqi(index: pl.DataFrame) -> None:
    assert index.filter(pl.col("api").is_not_null() & pl.col("aqi").is_not_null()).height == 0
    assert index.filter(pl.col("api").is_not_null())["date_local"].max() == dt.date(2013, 1, 14)
    assert index.filter(pl.col("aqi").is_not_null())["date_local"].min() == dt.date(2014, 1, 1)


def test_days_stand_once_and_the_one_with_two_values_has_none(index: pl.DataFrame) -> None:
    assert index.height == 4_922
    empty = index.filter(pl.col("api").is_null() & pl.col("aqi").is_null())
    assert empty["date_local"].to_list() == [dt.date(2008, 8, 16)]
    assert index.filter(date_local=dt.date(2001, 5, 17))["api"].item() == 189


def test_a_gap_of_352_days_lies_between_the_two_indices(index: pl.DataFrame) -> None:
    steps = index.sort("date_local").select(pl.col("date_local").diff().dt.total_days().max()).item()
    assert steps == 352


# Means of the years as found with another tool when the file was first described, with repeated days in them.
def test_yearly_means_are_those_first_described(index: pl.DataFrame) -> None:
    means = dict(
        index.group_by(pl.col("date_local").dt.year())
        .agg(pl.coalesce("api", "aqi").mean())
        .select(pl.first(), pl.last())
        .rows()
    )
    for year, mean in {2001: 112.8, 2008: 87.5, 2012: 78.5, 2014: 134.0}.items():
        assert means[year] == pytest.approx(mean, abs=0.5), year


def test_indices_end_at_500(index: pl.DataFrame) -> None:
    assert index.select(pl.coalesce("api", "aqi").max()).item() == 500


def test_days_that_contradict_each_other_more_often_than_known_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, [("2008-08-16", 23), ("2008-08-16", 84), ("2008-08-17", 1), ("2008-08-17", 2)])
    with pytest.raises(DataError, match=r"found 2 rows .days with two values.; its evidence is of 1"):
        echarts.repair_repeated_days(echarts.read_index(path), expected_rows=0)


def test_january_2013_is_still_the_api_because_pm25_alone_would_make_more(index: pl.DataFrame, mirror: Path) -> None:
    pm25 = (
        load("usembassy__hourly_station_pm25", where={"datetime_local": slice("2013-01-12", "2013-01-12")})
        .select(pl.col("pm25_ugm3").mean())
        .collect()
        .item()
    )
    assert pm25 > 500.0  # where HJ 633-2012 ends, at 500
    assert index.filter(date_local=dt.date(2013, 1, 12))["api"].item() == 174
