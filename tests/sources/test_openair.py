from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from citylab.errors import DataError
from citylab.sources import openair
from citylab.units import ppb_to_ugm3

Raw = Callable[[str], Path]


@pytest.fixture(scope="module")
def mydata(raw: Raw) -> pl.DataFrame:
    return openair.parse_mydata([raw("air-format-samples/openair_mydata.csv.gz")]).collect()


@pytest.fixture(scope="module")
def aurn(raw: Raw) -> pl.DataFrame:
    return openair.read_aurn([raw("air-format-samples/openair_my1_2022.csv.gz")]).collect()


def test_mydata_has_the_means_and_gaps_of_r(mydata: pl.DataFrame) -> None:
    assert mydata.height == 65_533
    assert mydata["nox_ppb"].mean() == pytest.approx(178.8, abs=0.05)
    assert mydata["no2_ppb"].mean() == pytest.approx(49.13, abs=0.005)
    assert mydata["pm25_ugm3"].mean() == pytest.approx(21.70, abs=0.005)
    assert mydata["pm25_ugm3"].null_count() == 8_775


def test_mydata_runs_hour_by_hour_in_gmt_without_a_summer_time(mydata: pl.DataFrame) -> None:
    assert mydata["datetime_gmt"][0] == dt.datetime(1998, 1, 1)
    assert mydata["datetime_gmt"][-1] == dt.datetime(2005, 6, 23, 12)
    assert mydata["datetime_gmt"].diff().drop_nulls().unique().to_list() == [dt.timedelta(hours=1)]


def test_gases_of_the_two_files_never_share_a_column(mydata: pl.DataFrame, aurn: pl.DataFrame) -> None:
    shared = set(mydata.columns) & set(aurn.columns)
    assert shared == {"station_id", "datetime_gmt", "pm10_ugm3", "pm25_ugm3", "wind_speed_ms", "wind_direction_deg"}


# NOx is counted as NO2: with NO and NO2 in µg/m³, NOx - NO2 is NO times the ratio of the molar masses, 46.0055/30.0061.
def test_aurn_gases_are_mass_and_nox_is_counted_as_no2(aurn: pl.DataFrame) -> None:
    assert aurn["no2_ugm3"].mean() == pytest.approx(44.58, abs=0.005)
    pairs = aurn.drop_nulls(["nox_ugm3", "no2_ugm3", "no_ugm3"]).filter(pl.col("no_ugm3") > 20)
    ratio = pairs.select(((pl.col("nox_ugm3") - pl.col("no2_ugm3")) / pl.col("no_ugm3")).median()).item()
    assert ratio == pytest.approx(46.0055 / 30.0061, rel=0.005)


def test_a_ppb_read_as_a_microgram_would_be_wrong_by_nine_tenths() -> None:
    assert ppb_to_ugm3(1.0, "NO2", temperature_k="EU") == pytest.approx(1.913, abs=0.001)


def test_readings_below_zero_are_kept_by_the_reader(aurn: pl.DataFrame) -> None:
    below = {c: int((aurn[c] < 0).sum()) for c in aurn.columns if c.endswith(("ugm3", "mgm3")) and (aurn[c] < 0).any()}
    assert below == openair.BELOW_ZERO
    assert aurn["pm25_ugm3"].min() == -1.0
    assert aurn["pm10_ugm3"].mean() == pytest.approx(21.06, abs=0.005)


def test_readings_below_zero_are_emptied_and_counted_by_the_declared_recipe(raw: Raw, aurn: pl.DataFrame) -> None:
    table = openair.parse_marylebone_2022([raw("air-format-samples/openair_my1_2022.csv.gz")]).collect()
    for name, count in openair.BELOW_ZERO.items():
        assert table[name].null_count() == aurn[name].null_count() + count
        assert table[name].min() >= 0.0  # type: ignore[operator]


def test_another_number_of_readings_below_zero_is_refused() -> None:
    frame = pl.DataFrame({"pm25_ugm3": [-1.0, -2.0, -3.0]})
    with pytest.raises(DataError, match=r"found 3 rows .pm25_ugm3 below zero.; its evidence is of 2"):
        openair.repair_below_zero(frame)


def test_the_station_is_marylebone_road_and_heathrows_coordinates_are_left_out(aurn: pl.DataFrame) -> None:
    assert aurn["station_id"].unique().to_list() == ["my1"]
    assert not {"longitude_deg", "latitude_deg"} & set(aurn.columns)
    assert aurn.height == 8_760
