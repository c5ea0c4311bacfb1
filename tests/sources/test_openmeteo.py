from __future__ import annotations

import datetime as dt

import polars as pl

from citylab.catalog import declaration, load


def test_every_day_stands_once_and_the_highest_is_never_below_the_lowest() -> None:
    days = load("openmeteo__daily_cell_temperature").collect()
    assert days.height == (dt.date(2026, 3, 10) - dt.date(1940, 1, 1)).days + 1 == 31_481
    assert days["date_local"].diff().drop_nulls().unique().to_list() == [dt.timedelta(days=1)]
    assert days.filter(pl.col("temperature_max_c") < pl.col("temperature_min_c")).height == 0


def test_the_cell_is_not_the_observatory_and_says_so() -> None:
    days = load("openmeteo__daily_cell_temperature").collect()
    # The observatory measured 41.1 °C on 2023-06-22 (China Meteorological Administration, from memory).
    assert days.filter(date_local=dt.date(2023, 6, 22))["temperature_max_c"].item() == 40.7
    assert days.filter(date_local=dt.date(2021, 1, 7))["temperature_min_c"].item() == -20.0
    said = " ".join(w.text.en for w in declaration("openmeteo__daily_cell_temperature").warnings)
    assert "no station record" in said
