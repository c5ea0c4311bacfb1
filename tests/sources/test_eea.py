from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from citylab.errors import DataError
from citylab.sources import eea
from citylab.sources.measurements import wide

Raw = Callable[[str], Path]
COLUMNS = (
    "AirQualityStationEoICode,SamplingProcess,AirPollutant,Concentration,UnitOfMeasurement,DatetimeBegin,DatetimeEnd,\
Validity,Verification"
)


@pytest.fixture(scope="module")
def delivered(raw: Raw) -> pl.DataFrame:
    return eea.parse_measurements([raw("air-format-samples/eea/eea_e1a_BE_PM10_2013_csv_response.csv.gz")]).collect()


def a_file(folder: Path, *rows: str) -> Path:
    path = folder / "response.csv"
    path.write_text("\n".join([COLUMNS, *rows]) + "\n", encoding="utf-8")
    return path


def test_every_hour_stands_twice_until_it_is_repaired(delivered: pl.DataFrame) -> None:
    assert delivered.height == 15_368
    with pytest.raises(DataError, match=r"15,368 of 15,368 measurements share .*repair_repeated_hours"):
        wide(delivered)
    once = eea.repair_repeated_hours(delivered, expected=7_684)
    assert once.height == wide(once).height == 7_684
    assert once["datetime_utc"].is_sorted()


def test_a_mean_is_the_same_before_and_after_the_repair(delivered: pl.DataFrame) -> None:
    once = eea.repair_repeated_hours(delivered, expected=7_684)
    assert once["value"].mean() == pytest.approx(delivered["value"].mean())


def test_the_repair_asks_for_its_number(delivered: pl.DataFrame) -> None:
    with pytest.raises(DataError, match=r"found 7,684 rows .*its evidence is of 7,000"):
        eea.repair_repeated_hours(delivered, expected=7_000)


def test_plus_one_hour_is_taken_off_and_the_end_of_the_hour_counts(delivered: pl.DataFrame) -> None:
    assert delivered["datetime_utc"].min() == dt.datetime(2013, 1, 1, 1)  # 01:00-02:00 at +01:00 ends at 01:00 UTC
    assert delivered["datetime_utc"].max() == dt.datetime(2013, 12, 31, 23)
    assert delivered.select("utc_offset_h", "duration_h", "indicator").unique().rows() == [(1.0, 1.0, "pm10_ugm3")]


HOUR = "2013-01-30 01:00:00 +01:00,2013-01-30 02:00:00 +01:00"


def test_two_instruments_that_differ_are_not_one_hour_delivered_twice(tmp_path: Path) -> None:
    path = a_file(tmp_path, f"X,p1,NO2,5,µg/m3,{HOUR},1,1", f"X,p2,NO2,7,µg/m3,{HOUR},1,1")
    with pytest.raises(DataError, match=r"1 hours have two different values, the first is no2_ugm3 of X"):
        eea.repair_repeated_hours(eea.parse_measurements([path]), expected=1)


@pytest.mark.parametrize(("code", "valid"), [(1, True), (2, True), (3, True), (-1, False), (-99, False)])
def test_validity_of_the_publisher_is_kept(tmp_path: Path, code: int, valid: bool) -> None:
    path = a_file(tmp_path, f"X,p1,CO,0.4,mg/m3,{HOUR},{code},1")
    row = eea.parse_measurements([path]).collect().row(0, named=True)
    assert row["is_valid"] is valid
    assert (row["indicator"], row["value"]) == ("co_mgm3", 0.4)
    assert row["flag"] == f"validity {code}, verification 1"


def test_stations_are_listed_once_and_two_positions_are_told(raw: Raw) -> None:
    stations = eea.parse_stations([raw("air-format-samples/eea/MT_metadata.csv.zip")]).collect()
    assert stations.height == 7
    assert stations.filter("is_position_disputed")["station_id"].to_list() == ["MT00007"]
    kordin = stations.filter(station_id="MT00003").row(0, named=True)
    assert (kordin["station_name_en"], kordin["longitude_deg"]) == ("Kordin Station", 14.5111)
