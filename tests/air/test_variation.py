from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from citylab import catalog
from citylab.air.variation import calendar, time_variation
from citylab.errors import DataError, SchemaError, UnknownNameError

START = dt.datetime(2016, 1, 4)  # a Monday


def hourly(values, start=START) -> pl.DataFrame:
    times = [start + dt.timedelta(hours=i) for i in range(len(values))]
    return pl.DataFrame({"datetime_local": times, "pm25_ugm3": list(values)}, strict=False).with_columns(
        pl.col("pm25_ugm3").cast(pl.Float64)
    )


def test_the_mean_of_an_hour_is_that_of_its_values():
    out = time_variation(hourly([h + 100 * d for d in range(3) for h in range(24)]), "pm25_ugm3", stamp="starting")
    assert out["mean"].to_list() == [100.0 + h for h in range(24)]
    assert set(out["n"]) == {3} and set(out["n_days"]) == {3}


def test_an_hour_stamped_at_its_end_counts_as_the_hour_before():
    frame = hourly(range(48))
    starting = time_variation(frame, "pm25_ugm3", stamp="starting")
    moved = frame.with_columns(pl.col("datetime_local").dt.offset_by("1h"))
    assert time_variation(moved, "pm25_ugm3", stamp="ending").equals(starting)
    midnight = hourly([7.0], dt.datetime(2016, 1, 11))  # the end of Sunday's last hour
    assert (
        time_variation(midnight, "pm25_ugm3", over="weekday", stamp="ending").filter(pl.col("n") > 0)["weekday"][0] == 7
    )


def test_weekdays_and_months_are_those_of_the_calendar():
    days = pl.DataFrame({"date_local": [dt.date(2016, 2, 28), dt.date(2016, 2, 29)], "pm25_ugm3": [1.0, 2.0]})
    week = time_variation(days, "pm25_ugm3", over="weekday").filter(pl.col("n") > 0)
    assert week.select("weekday", "mean").rows() == [(1, 2.0), (7, 1.0)]  # a Monday and a Sunday
    assert time_variation(days, "pm25_ugm3", over="month").filter(pl.col("n") > 0)["month"].to_list() == [2]


def test_two_cycles_give_every_combination_and_what_is_missing_is_null():
    out = time_variation(hourly(range(24)), "pm25_ugm3", over=["weekday", "hour"], stamp="starting")
    assert out.height == 7 * 24
    assert out.filter(pl.col("weekday") == 1)["mean"].to_list() == list(range(24))
    assert out.filter(pl.col("weekday") == 2)["mean"].null_count() == 24
    assert out["low"].null_count() == out.height, "one day has no interval"


def test_intervals_hold_the_mean_widen_with_noise_and_repeat_with_the_seed():
    rng = np.random.default_rng(1)
    calm, wild = (hourly(50 + sd * rng.standard_normal(24 * 60)) for sd in (1.0, 10.0))
    a, b = (time_variation(f, "pm25_ugm3", stamp="starting", seed=3) for f in (calm, wild))
    for out in (a, b):
        assert ((out["low"] <= out["mean"]) & (out["mean"] <= out["high"])).all()
    assert (b["high"] - b["low"]).mean() > 5 * (a["high"] - a["low"]).mean()
    assert a.equals(time_variation(calm, "pm25_ugm3", stamp="starting", seed=3))
    assert not a.equals(time_variation(calm, "pm25_ugm3", stamp="starting", seed=4))


def test_intervals_of_independent_days_hold_the_true_mean_about_as_often_as_they_say():
    rng = np.random.default_rng(7)
    days = [dt.date(2016, 1, 1) + dt.timedelta(days=i) for i in range(140)]
    held = total = 0
    for _ in range(40):
        frame = pl.DataFrame({"date_local": days, "pm25_ugm3": rng.normal(50, 10, 140)})
        out = time_variation(frame, "pm25_ugm3", over="weekday", n_boot=199, block=1)
        held += int(((out["low"] <= 50) & (out["high"] >= 50)).sum())
        total += 7
    assert 0.88 < held / total < 0.99  # 95 % nominal less what percentiles of 20 days lose


def test_blocks_make_the_interval_of_autocorrelated_days_wider():
    rng = np.random.default_rng(2)
    noise = np.zeros(1400)
    for i in range(1, 1400):
        noise[i] = 0.97 * noise[i - 1] + rng.standard_normal()
    days = [dt.date(2016, 1, 1) + dt.timedelta(days=i) for i in range(1400)]
    frame = pl.DataFrame({"date_local": days, "pm25_ugm3": 50 + 10 * noise})
    single, block = (time_variation(frame, "pm25_ugm3", over="weekday", block=b) for b in (1, None))
    assert (block["high"] - block["low"]).mean() > 1.5 * (single["high"] - single["low"]).mean()


def test_stations_that_are_not_apart_are_pooled_by_day():
    a = hourly(range(48)).with_columns(station_id=pl.lit("a"))
    b = a.with_columns(pl.col("pm25_ugm3") + 10, station_id=pl.lit("b"))
    pooled = time_variation(pl.concat([a, b]), "pm25_ugm3", stamp="starting")
    apart = time_variation(pl.concat([a, b]), "pm25_ugm3", by="station_id", stamp="starting")
    assert pooled["mean"].to_list() == [h + 12 + 5 for h in range(24)]
    assert set(pooled["n"]) == {4} and set(pooled["n_days"]) == {2}
    assert apart.height == 48 and apart.columns[0] == "station_id"
    assert apart.filter(pl.col("station_id") == "b")["mean"][0] == 22


def test_an_all_null_series_has_rows_without_means():
    out = time_variation(hourly([None] * 48), "pm25_ugm3", stamp="starting")
    assert out["mean"].null_count() == 24 and out["n"].sum() == 0


def test_what_a_frame_must_say_is_asked_for():
    frame = hourly(range(4))
    with pytest.raises(SchemaError, match="stamp="):
        time_variation(frame, "pm25_ugm3")
    with pytest.raises(SchemaError, match="dates"):
        time_variation(pl.DataFrame({"date_local": [dt.date(2016, 1, 1)], "o3_ugm3": [1.0]}), "o3_ugm3", over="hour")
    with pytest.raises(UnknownNameError, match="weekday"):
        time_variation(frame, "pm25_ugm3", over="weekdays", stamp="starting")
    with pytest.raises(DataError, match="share"):
        time_variation(pl.concat([frame, frame]), "pm25_ugm3", stamp="starting")
    with pytest.raises(SchemaError, match="to_local"):
        zoned = frame.with_columns(pl.col("datetime_local").dt.replace_time_zone("UTC"))
        time_variation(zoned, "pm25_ugm3", stamp="starting")
    with pytest.raises(DataError, match="without rows"):
        time_variation(frame.clear(), "pm25_ugm3", stamp="starting")


def test_a_calendar_holds_every_day_of_its_months_in_its_place():
    days = pl.DataFrame({"date_local": [dt.date(2016, 2, 10), dt.date(2016, 4, 1)], "pm25_ugm3": [5.0, 6.0]})
    out = calendar(days, "pm25_ugm3")
    assert out.height == 29 + 31 + 30
    assert out["is_missing"].sum() == 88
    first = out.row(0, named=True)  # 1 February 2016 was a Monday
    assert (first["weekday"], first["week"]) == (1, 1)
    last = out.filter(pl.col("month") == 2).row(-1, named=True)  # and the 29th one as well
    assert (last["weekday"], last["week"]) == (1, 5)
    assert out.select("year", "month", "weekday", "week").is_duplicated().sum() == 0


def test_a_calendar_of_groups_spans_each_group_and_keeps_what_it_is_told_to():
    days = pl.DataFrame({"station_id": ["a", "b"], "date_local": [dt.date(2016, 1, 1), dt.date(2016, 3, 1)],
                         "aqi": [10, 20], "aqi_color": ["#00E400", "#FFFF00"]})  # fmt: skip
    out = calendar(days.lazy(), "aqi", by="station_id", keep="aqi_color").collect()
    assert out["month"].unique().sort().to_list() == [1, 3]
    assert out.drop_nulls("aqi")["aqi_color"].to_list() == ["#00E400", "#FFFF00"]


def test_a_calendar_refuses_hours_and_two_rows_of_a_day():
    with pytest.raises(SchemaError, match="daily_means"):
        calendar(hourly([1.0]), "pm25_ugm3", time="datetime_local")
    day = pl.DataFrame({"date_local": [dt.date(2016, 1, 1)] * 2, "pm25_ugm3": [1.0, 2.0]})
    with pytest.raises(DataError, match="by="):
        calendar(day, "pm25_ugm3")


def test_beijings_ozone_of_december_2016_peaks_in_the_afternoon():
    hours = catalog.load("uci__hourly_station_air_december2016")
    out = time_variation(hours, "o3_ugm3", stamp="starting").collect()
    assert 12 <= out.sort("mean")["hour"][-1] <= 16
