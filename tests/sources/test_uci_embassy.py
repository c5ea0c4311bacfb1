from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from citylab.catalog import load
from citylab.errors import DataError
from citylab.sources import uci

Raw = Callable[[str], Path]
FIVE_CITIES = "air-beijing-fivecities-2010-2015/BeijingPM20100101_20151231.csv.gz"


@pytest.fixture(scope="module")
def embassy(raw: Raw) -> pl.DataFrame:
    return uci.parse_embassy_hourly([raw("air-beijing-pm25-2010-2014/PRSA_data_2010.1.1-2014.12.31.csv.gz")]).collect()


@pytest.fixture(scope="module")
def four_sites(raw: Raw) -> pl.DataFrame:
    return uci.parse_five_cities([raw(FIVE_CITIES)]).collect()


def test_missing_as_na_and_missing_as_nothing_give_one_table(embassy: pl.DataFrame, raw: Raw) -> None:
    other = raw("air-beijing-pm25-2010-2014/PRSA_data_2010.1.1-2014.12.31.empty-missing.csv.gz")
    assert_frame_equal(uci.parse_embassy_hourly([other]).collect(), embassy)


# Counts and means found with another tool when the file was first described.
def test_the_embassy_set_has_the_counted_hours_and_yearly_means(embassy: pl.DataFrame) -> None:
    assert embassy.height == 43_824
    assert embassy["pm25_ugm3"].null_count() == 2_067
    means = embassy.group_by(pl.col("datetime_local").dt.year().alias("y")).agg(pl.col("pm25_ugm3").mean()).sort("y")
    assert means["pm25_ugm3"].to_list() == pytest.approx([104.05, 99.07, 90.55, 101.71, 97.73], abs=0.005)
    sectors = dict(embassy["wind_sector"].value_counts().rows())
    assert sectors == {"NE": 4_997, "NW": 14_150, "SE": 15_290, "cv": 9_387}


def test_a_wind_sector_is_never_turned_into_degrees(embassy: pl.DataFrame, four_sites: pl.DataFrame) -> None:
    assert "wind_direction_deg" not in embassy.columns
    assert "wind_direction_deg" not in four_sites.columns


def test_pressure_with_a_fraction_far_down_the_file_is_read_as_a_number(embassy: pl.DataFrame) -> None:
    assert embassy.filter(pl.col("pressure_hpa") % 1 != 0).height > 0


def test_the_embedded_days_are_the_means_of_their_hours(embassy: pl.DataFrame) -> None:
    days = load("uci__daily_station_pm25").collect()
    assert days.height == 1_826
    assert days["hour_count"].unique().to_list() == [24]
    one = days.filter(date_local=dt.date(2013, 1, 12)).row(0, named=True)
    hours = [
        v
        for t, v in embassy.select("datetime_local", "pm25_ugm3").iter_rows()
        if t.date() == dt.date(2013, 1, 12) and v is not None
    ]
    assert one["pm25_ugm3"] == pytest.approx(sum(hours) / len(hours))
    assert one["pm25_capture_share"] == len(hours) / 24


def test_a_day_of_20_hours_reaches_the_share_of_20_hours() -> None:
    shares = load("uci__daily_station_pm25").collect()["pm25_capture_share"]
    assert (shares >= 20 / 24).sum() == ((shares * 24).round() >= 20).sum()


def test_a_day_without_hours_has_no_mean_and_a_capture_of_zero() -> None:
    first = load("uci__daily_station_pm25", where={"date_local": "2010-01-01"}).collect().row(0, named=True)
    assert first["pm25_ugm3"] is None
    assert first["pm25_capture_share"] == 0.0


def test_four_sites_make_four_times_the_hours_and_lack_what_was_counted(four_sites: pl.DataFrame) -> None:
    assert four_sites.height == 4 * 52_584
    empty = four_sites.group_by("station_id").agg(pl.col("pm25_ugm3").null_count()).sort("station_id").rows()
    assert empty == [("dongsi", 27_532), ("dongsihuan", 32_076), ("nongzhanguan", 27_653), ("usembassy", 2_197)]


def test_precipitation_999990_becomes_missing_in_one_hour_and_rain_is_not_19_mm_an_hour(
    four_sites: pl.DataFrame,
) -> None:
    one = four_sites.filter(station_id="usembassy")
    assert one["rain_mm"].null_count() == 484 + 1
    assert one["rain_mm"].mean() < 1.0  # type: ignore[operator]
    hour = one.filter(datetime_local=dt.datetime(2015, 11, 7, 13)).row(0, named=True)
    assert (hour["rain_mm"], hour["rain_spell_mm"]) == (None, None)


def test_the_precipitation_repair_refuses_a_file_without_the_fault() -> None:
    with pytest.raises(DataError, match=r"0 rows \(hours with 999990 mm\); its evidence is of 1"):
        uci.repair_precipitation_code(pl.DataFrame({"precipitation": [0.0], "Iprec": [0.0]}))


def test_chinese_sites_of_the_five_cities_set_are_stamped_one_hour_before_the_multi_site_set(
    four_sites: pl.DataFrame, raw: Raw
) -> None:
    name = "air-beijing-multisite/PRSA_Data_Dongsi_20130301-20170228.csv.gz"
    twelve = uci.parse_hourly([raw(name)]).select("station_id", "datetime_local", "pm25_ugm3").collect()
    share = {}
    for shift in ("-1h", "0h", "1h"):
        moved = twelve.with_columns(pl.col("datetime_local").dt.offset_by(shift))
        both = four_sites.join(moved, on=["station_id", "datetime_local"], suffix="_501").drop_nulls(
            ["pm25_ugm3", "pm25_ugm3_501"]
        )
        share[shift] = both.select((pl.col("pm25_ugm3") == pl.col("pm25_ugm3_501")).mean()).item()
    assert share["-1h"] > 0.95
    assert max(share["0h"], share["1h"]) < 0.1
