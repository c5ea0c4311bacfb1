from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from citylab.catalog import load
from citylab.errors import DataError
from citylab.sources import cnemc

HEADER = (
    "timepoint,stationcode,longitude,latitude,area,positionname,primarypollutant,aqi,pm10,pm10_24h,pm2_5,pm2_5_24h,\
o3,o3_24h,o3_8h,o3_8h_24h,no2,no2_24h,so2,so2_24h,co,co_24h\n"
)


@pytest.fixture(scope="module")
def sample(mirror: Path) -> pl.DataFrame:
    return cnemc.parse_hourly([mirror / "air-cnemc-hourly-sample/2022-01-01T00.head21.csv"]).collect()


def payload(folder: Path, *, primary: str = "", ozone: str = "214,159,138,120") -> Path:
    path = folder / "hour.csv"
    place = "1001A,116.3621,39.8784,北京市,万寿西宫"
    row = f'2022-06-01T16:00:00,{place},"{primary}",50,23,50,11,20,{ozone},8,21,1,3,0.3,—\n'
    path.write_text(HEADER + row, encoding="utf-8")
    return path


def test_ozone_of_the_hour_is_what_the_archive_calls_24h(tmp_path: Path) -> None:
    row = cnemc.parse_hourly([payload(tmp_path)]).collect().row(0, named=True)
    assert (row["o3_ugm3"], row["o3_24hmax1h_ugm3"]) == (159.0, 214.0)
    assert (row["o3_8h_ugm3"], row["o3_daymax8h_ugm3"]) == (120.0, 138.0)


def test_no_mean_is_above_the_highest_of_the_means_that_end_with_it(sample: pl.DataFrame) -> None:
    assert sample.filter(pl.col("o3_ugm3") > pl.col("o3_24hmax1h_ugm3")).height == 0
    assert sample.filter(pl.col("o3_8h_ugm3") > pl.col("o3_daymax8h_ugm3")).height == 0
    assert sample["o3_ugm3"].mean() == pytest.approx(2.8, abs=0.05)  # a winter midnight; the other column has 43.4


def test_a_file_whose_ozone_is_named_rightly_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="0 rows show that o3 and o3_24h are swapped; in 2"):
        cnemc.parse_hourly([payload(tmp_path, ozone="159,214,120,138")])


def test_a_file_that_does_not_tell_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="0 rows show"):
        cnemc.parse_hourly([payload(tmp_path, ozone=",,,")])


def test_two_primary_pollutants_in_one_field_are_joined(sample: pl.DataFrame) -> None:
    assert sample.filter(station_id="1011A")["aqi_primary"].item() == "pm10+pm25"
    assert sample.filter(station_id="1010A")["aqi_primary"].item() is None


def test_an_unknown_primary_pollutant_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="花粉"):
        cnemc.parse_hourly([payload(tmp_path, primary="花粉")])


def test_chinese_names_and_a_dash_for_missing_are_read(tmp_path: Path) -> None:
    row = cnemc.parse_hourly([payload(tmp_path, primary="臭氧1小时")]).collect().row(0, named=True)
    assert row["station_name_zh"] == "万寿西宫"
    assert row["aqi_primary"] == "o3"
    assert row["co_24h_mgm3"] is None
    assert row["datetime_local"] == dt.datetime(2022, 6, 1, 16)


def test_a_running_mean_may_stand_beside_an_empty_hour(sample: pl.DataFrame) -> None:
    gaps = sample.filter(pl.col("aqi").is_null())
    assert gaps["station_id"].to_list() == ["1002A", "1007A", "1008A", "1009A"]
    assert gaps["pm25_ugm3"].null_count() == 4
    assert gaps["pm25_24h_ugm3"].null_count() == 0


def test_units_are_micrograms_and_co_milligrams(sample: pl.DataFrame) -> None:
    assert sample["pm25_ugm3"].mean() == pytest.approx(52.7, abs=0.05)
    assert sample["no2_ugm3"].mean() == pytest.approx(74.9, abs=0.05)
    assert sample["co_mgm3"].max() < 5.0  # type: ignore[operator]


def test_beijing_codes_join_the_table_of_positions(sample: pl.DataFrame) -> None:
    known = load("bjmemc__static_station_location").collect()["station_id_cnemc"].drop_nulls().to_list()
    beijing = sample.filter(pl.col("latitude_deg") > 39.5)["station_id"].to_list()
    assert len(beijing) == 12
    assert set(beijing) <= set(known)
