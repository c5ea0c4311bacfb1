from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from citylab.catalog import load
from citylab.sources import uci


def hours(**columns: list[float | None]) -> pl.LazyFrame:
    """Return one station's hours from midnight of 1 January 2014 on."""
    n = len(next(iter(columns.values())))
    start = dt.datetime(2014, 1, 1)
    base = {"station_id": ["dongsi"] * n, "datetime_local": [start + dt.timedelta(hours=i) for i in range(n)]}
    none = {c: pl.Series([None] * n, dtype=pl.Float64) for c in ("so2_ugm3", "no2_ugm3", "co_mgm3")}
    return pl.LazyFrame(base | none | columns)


def test_the_maxima_are_those_counted_by_hand():
    days = load("uci__daily_station_maxima").collect()
    assert days.height == 12 * 1_461
    table = (
        load("uci__hourly_station_air_december2016", where={"station_id": "dongsi"}).sort("datetime_local").collect()
    )
    rows = table.select("datetime_local", "so2_ugm3", "no2_ugm3", "co_mgm3").rows()
    day = dt.date(2016, 12, 20)
    at = [i for i, row in enumerate(rows) if row[0].date() == day]
    one = days.filter(station_id="dongsi", date_local=day).row(0, named=True)
    for column, name in ((1, "so2_max1h_ugm3"), (2, "no2_max1h_ugm3")):
        assert one[name] == max(rows[i][column] for i in at if rows[i][column] is not None)
    windows = [[v for v in (rows[j][3] for j in range(i - 7, i + 1)) if v is not None] for i in at]
    valid = [sum(w) / len(w) for w in windows if len(w) >= 6]
    assert one["co_max8h_n"] == len(valid)
    assert one["co_max8h_mgm3"] == pytest.approx(max(valid))


def test_a_peak_across_midnight_belongs_to_the_day_in_which_its_window_ends():
    # 8 mg/m3 from 20:00 to 03:59, else 1: the window of all eight ends at 03 of the second day; the best of the first
    # day holds four of them, (4 * 8 + 4 * 1) / 8 = 4.5
    co = [1.0] * 20 + [8.0] * 8 + [1.0] * 20
    found = uci.daily_maxima([hours(co_mgm3=co)]).sort("date_local").collect()
    assert found["co_max8h_mgm3"].to_list() == pytest.approx([4.5, 8.0])
    # windows of the first day with six hours or more end at 05 to 23, those of the second all do
    assert found["co_max8h_n"].to_list() == [19, 24]


@pytest.mark.parametrize(("missing", "windows"), [(0, 24), (8, 18), (9, 17), (24, 2)])
def test_a_day_with_fewer_than_18_windows_has_no_eight_hour_maximum(missing, windows):
    # a whole day, then one whose last hours are missing: its hours end at 23 - missing, and windows that end up to two
    # hours later still hold six: 24 - missing + 2 windows of 24
    co: list[float | None] = [2.0] * (48 - missing) + [None] * missing
    found = uci.daily_maxima([hours(co_mgm3=co)]).sort("date_local").collect().row(1, named=True)
    assert found["co_max8h_n"] == windows
    assert (found["co_max8h_mgm3"] is not None) == (windows >= 18)


def test_the_shares_are_those_of_the_daily_means_and_no_maximum_lies_below_a_mean():
    both = load("uci__daily_station_maxima").join(load("uci__daily_station_air"), on=["station_id", "date_local"])
    table = both.collect()
    for p in ("so2", "no2"):
        assert (table[f"{p}_capture_share"] == table[f"{p}_capture_share_right"]).all()
        assert table.filter(pl.col(f"{p}_max1h_ugm3") < pl.col(f"{p}_ugm3") - 1e-9).height == 0
        assert (table[f"{p}_max1h_ugm3"].is_null() == table[f"{p}_ugm3"].is_null()).all()
