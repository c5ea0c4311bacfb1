from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from citylab.catalog import load


def test_the_highest_eight_hours_of_ozone_are_those_counted_by_hand() -> None:
    days = load("uci__daily_station_ozone").collect()
    assert days.height == 12 * 1_461
    hours = (
        load("uci__hourly_station_air_december2016", where={"station_id": "dongsi"}).sort("datetime_local").collect()
    )
    of_day = [v for t, v in hours.select("datetime_local", "o3_ugm3").iter_rows() if t.date() == dt.date(2016, 12, 8)]
    windows = [[v for v in of_day[i : i + 8] if v is not None] for i in range(17)]
    means = [sum(w) / len(w) for w in windows if len(w) >= 6]
    one = days.filter(station_id="dongsi", date_local=dt.date(2016, 12, 8)).row(0, named=True)
    assert one["o3_mda8_ugm3"] == pytest.approx(max(means))
    assert one["o3_mda8_n"] == len(means)
    assert one["o3_max1h_ugm3"] == max(v for v in of_day if v is not None)


def test_an_eight_hour_maximum_needs_14_windows_or_lies_above_the_limit() -> None:
    days = load("uci__daily_station_ozone").collect()
    few = days.filter(pl.col("o3_mda8_n") < 14)
    assert few.filter(pl.col("o3_mda8_ugm3").is_not_null())["o3_mda8_ugm3"].min() > 160
    assert days.filter(pl.col("o3_mda8_n") >= 14)["o3_mda8_ugm3"].null_count() == 0
    assert days.filter(pl.col("o3_mda8_ugm3") > pl.col("o3_max1h_ugm3") + 1e-9).height == 0
