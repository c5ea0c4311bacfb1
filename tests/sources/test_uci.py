"""Figures of the publisher's files as an independent reader measured them, and days worked out in plain Python."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import math
import statistics
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import citylab as cl
from citylab.sources import uci

HOURS = 35_064


@pytest.fixture(scope="module")
def hourly(mirror: Path) -> pl.DataFrame:
    return cl.load("uci__hourly_station_air").collect()


@pytest.fixture(scope="module")
def daily() -> pl.DataFrame:
    return cl.load("uci__daily_station_air").collect()


def test_every_station_has_every_hour_once(hourly: pl.DataFrame):
    assert hourly.height == 420_768
    per_station = hourly.group_by("station_id").agg(
        pl.col("datetime_local").n_unique().alias("n"), pl.len().alias("rows")
    )
    assert per_station.height == 12
    assert per_station["n"].unique().to_list() == per_station["rows"].unique().to_list() == [HOURS]
    assert hourly["datetime_local"].min() == dt.datetime(2013, 3, 1, 0)
    assert hourly["datetime_local"].max() == dt.datetime(2017, 2, 28, 23)


def test_means_are_those_measured_by_another_reader(hourly: pl.DataFrame):
    found = hourly.select(pl.col("pm25_ugm3", "pm10_ugm3", "so2_ugm3").mean().round(2)).row(0)
    assert found == (79.79, 104.60, 15.83)


def test_missing_values_are_as_many_as_another_reader_counted(hourly: pl.DataFrame):
    expected = {
        "pm25_ugm3": 8_739, "pm10_ugm3": 6_449, "so2_ugm3": 9_021, "no2_ugm3": 12_116, "co_mgm3": 20_701,
        "o3_ugm3": 13_277, "temperature_c": 398, "pressure_hpa": 393, "dew_point_c": 403, "rain_mm": 390,
        "wind_direction_deg": 1_822, "wind_speed_ms": 318,
    }  # fmt: skip
    assert hourly.select(list(expected)).null_count().row(0, named=True) == expected


def test_years_and_stations_rank_as_measured(hourly: pl.DataFrame):
    year = pl.col("datetime_local").dt.year().alias("year")
    years = hourly.group_by(year).agg(pl.col("pm25_ugm3").mean().round(2)).sort("year")
    assert dict(years.iter_rows()) == {2013: 80.04, 2014: 85.58, 2015: 79.63, 2016: 71.93, 2017: 92.68}
    stations = hourly.group_by("station_id").agg(pl.col("pm25_ugm3").mean().round(2)).sort("pm25_ugm3").rows()
    assert (stations[0], stations[-1]) == (("dingling", 65.99), ("dongsi", 86.19))


def test_known_faults_are_kept_and_counted(hourly: pl.DataFrame):
    pm25, so2, co = pl.col("pm25_ugm3"), pl.col("so2_ugm3"), pl.col("co_mgm3")
    found = hourly.select(
        odd=(pm25 > pl.col("pm10_ugm3")).sum(),
        capped=(co == 10).sum(),
        above=(co > 10).sum(),
        converted=(so2 % 1 != 0).sum(),
    )
    assert found.row(0) == (21_312, 56, 0, 7_464)
    # not all of them are multiples of 0.2856, as the record of the copy has it: those of 2013 are, later ones are not
    steps = so2 / 0.2856
    multiples = hourly.filter(so2 % 1 != 0, (steps - steps.round()).abs() < 1e-6)
    assert multiples.height == 7_321
    assert multiples["datetime_local"].dt.year().unique().to_list() == [2013]
    assert hourly.select(pl.col("pm25_ugm3", "pm10_ugm3").max(), so2.max(), pl.col("o3_ugm3").max()).row(0) == (
        999, 999, 500, 1071,
    )  # fmt: skip
    peak = hourly.filter(pm25 == 999)
    assert peak.select("station_id", "datetime_local").row(0) == ("wanshouxigong", dt.datetime(2016, 2, 8, 2))


def test_what_the_december_table_warns_of_is_true_of_december():
    december = cl.load("uci__hourly_station_air_december2016").collect()
    odd = december.filter(pl.col("pm25_ugm3") > pl.col("pm10_ugm3")).height
    capped = december.filter(pl.col("co_mgm3") == 10).height
    said = {w.code: w.text.en for w in cl.describe("uci__hourly_station_air_december2016").declared.warnings}
    assert f"In {odd} hours of this month" in said["physically_odd"]
    assert f"({capped} hours of this month)" in said["capped_values"]
    assert december.select((pl.col("pm25_ugm3", "pm10_ugm3") < 999).all()).row(0) == (True, True)
    assert (december["so2_ugm3"].drop_nulls() < 500).all()


def test_december_is_cut_from_the_hourly_table_unchanged(hourly: pl.DataFrame):
    month = pl.col("datetime_local").dt.strftime("%Y-%m") == "2016-12"
    december = cl.load("uci__hourly_station_air_december2016").collect()
    assert december.equals(hourly.filter(month).sort("station_id", "datetime_local"))


def plain_days(mirror: Path, station: str) -> dict[dt.date, list[dict[str, str]]]:
    path = mirror / "air-beijing-multisite" / f"PRSA_Data_{station}_20130301-20170228.csv.gz"
    days: dict[dt.date, list[dict[str, str]]] = {}
    with gzip.open(path, "rt", newline="") as file:
        for row in csv.DictReader(file):
            days.setdefault(dt.date(int(row["year"]), int(row["month"]), int(row["day"])), []).append(row)
    return days


@pytest.mark.parametrize("station", ["Dongsi", "Wanshouxigong", "Dingling"])
def test_daily_means_are_those_of_plain_python(station: str, mirror: Path, daily: pl.DataFrame):
    days = plain_days(mirror, station)
    table = {r["date_local"]: r for r in daily.filter(station_id=station.lower()).iter_rows(named=True)}
    assert set(days) == set(table)
    for day in [
        dt.date(2013, 3, 1),
        dt.date(2016, 2, 8),
        dt.date(2016, 12, 20),
        dt.date(2017, 2, 28),
        *sorted(days)[::97],
    ]:
        for theirs, ours in {**uci.VARIABLE_MAP, "wd": ""}.items():
            values = [float(r[theirs]) for r in days[day] if r[theirs] != "NA"] if ours else []
            if ours == "rain_mm":
                expected = math.fsum(values) if len(values) == 24 else None
            else:
                expected = statistics.mean(values) / (1000 if theirs == "CO" else 1) if values else None
            if ours:
                assert table[day][ours] == (None if expected is None else pytest.approx(expected, rel=1e-12, abs=1e-12))
            if theirs in {"PM2.5", "PM10", "SO2", "NO2", "CO", "O3"}:
                assert table[day][f"{ours.split('_')[0]}_capture_share"] == len(values) / 24
        assert table[day]["hour_count"] == 24


def hours(**columns: list[object]) -> pl.LazyFrame:
    """A day of one station: the given columns, and empty ones for the rest."""
    length = len(next(iter(columns.values())))
    start = dt.datetime(2015, 7, 1)
    stamps = [start + dt.timedelta(hours=h) for h in range(length)]
    numbers = [*uci.VARIABLE_MAP.values(), "wind_direction_deg"]
    frame = pl.DataFrame(
        {"station_id": ["a"] * length, "datetime_local": stamps, **columns},
        schema_overrides={n: pl.Float64 for n in numbers if n in columns},
    )
    return frame.with_columns(pl.lit(None, pl.Float64).alias(n) for n in numbers if n not in columns).lazy()


def direction(degrees: list[float | None], speeds: list[float | None]) -> float | None:
    day = hours(wind_direction_deg=degrees, wind_speed_ms=speeds)
    return uci.daily_means([day]).collect()["wind_direction_deg"].item()


def test_the_mean_of_350_and_10_degrees_is_north():
    found = direction([350.0, 10.0], [2.0, 2.0])
    assert found is not None
    assert math.cos(math.radians(found)) == pytest.approx(1)


def test_wind_is_averaged_as_a_vector_weighted_by_speed():
    # 3 m/s from the east and 4 m/s from the south: the vector comes from atan2(3, -4) = 143.13 degrees
    assert direction([90.0, 180.0], [3.0, 4.0]) == pytest.approx(143.130102)


def test_hours_that_lack_speed_or_direction_do_not_turn_the_wind():
    assert direction([90.0, 270.0, None], [1.0, None, 9.0]) == pytest.approx(90)


@pytest.mark.parametrize(
    ("degrees", "speeds"), [([0.0, 180.0], [2.0, 2.0]), ([45.0, 90.0], [0.0, 0.0]), ([None], [1.0])]
)
def test_wind_that_cancels_out_comes_from_nowhere(degrees, speeds):
    assert direction(degrees, speeds) is None


@given(st.lists(st.tuples(st.integers(0, 15), st.floats(0.1, 20)), min_size=1, max_size=24), st.integers(0, 15))
def test_turning_every_wind_turns_their_mean(winds, turn):
    step = 22.5
    plain = direction([step * d for d, _ in winds], [s for _, s in winds])
    turned = direction([step * ((d + turn) % 16) for d, _ in winds], [s for _, s in winds])
    east = sum(s * math.sin(math.radians(step * d)) for d, s in winds)
    north = sum(s * math.cos(math.radians(step * d)) for d, s in winds)
    if math.hypot(east, north) > 1e-3 * len(winds):
        assert plain is not None
        assert turned is not None
        apart = math.radians(turned - plain - step * turn)
        assert math.cos(apart) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("valid", range(25))
def test_the_capture_share_is_the_exact_quotient_that_a_rule_compares_with(valid: int):
    values: list[object] = [1.0] * valid + [None] * (24 - valid)
    assert uci.daily_means([hours(o3_ugm3=values)]).collect()["o3_capture_share"].item() == valid / 24


def test_the_embedded_days_with_twenty_hours_pass_the_rule_of_twenty_hours(daily: pl.DataFrame):
    shares = set(daily["pm25_capture_share"])
    assert shares <= {hours / 24 for hours in range(25)}
    assert 20 / 24 in shares


def test_carbon_monoxide_is_printed_with_the_digits_of_the_source(hourly: pl.DataFrame):
    printed = hourly["co_mgm3"].drop_nulls().unique()
    assert all(value == round(value * 1000) / 1000 for value in printed)


@pytest.mark.parametrize(("hours_with_rain", "expected"), [(24, 12.0), (23, None)])
def test_rain_is_a_sum_of_all_hours_or_missing(hours_with_rain: int, expected: float | None):
    rain: list[object] = [0.5] * hours_with_rain + [None] * (24 - hours_with_rain)
    assert uci.daily_means([hours(rain_mm=rain)]).collect()["rain_mm"].item() == expected


def test_a_short_day_counts_its_hours_against_24():
    found = uci.daily_means([hours(pm25_ugm3=[10.0, None, 20.0])]).collect().row(0, named=True)
    assert (found["hour_count"], found["pm25_ugm3"], found["pm25_capture_share"]) == (3, 15.0, 2 / 24)
    assert (found["o3_ugm3"], found["o3_capture_share"]) == (None, 0.0)


def test_a_word_that_is_no_compass_point_is_refused(tmp_path: Path):
    header = "No,year,month,day,hour,PM2.5,PM10,SO2,NO2,CO,O3,TEMP,PRES,DEWP,RAIN,wd,WSPM,station\n"
    (tmp_path / "a.csv").write_text(header + "1,2013,3,1,0,4,4,4,7,300,77,-0.7,1023,-18.8,0,NNX,4.4,Dongsi\n")
    with pytest.raises(pl.exceptions.InvalidOperationError):
        uci.parse_hourly([tmp_path / "a.csv"]).collect()


def test_compass_points_stand_sixteen_to_the_circle():
    assert uci.WIND_POINTS_DEG["N"] == 0
    assert uci.WIND_POINTS_DEG["ENE"] == 67.5
    assert uci.WIND_POINTS_DEG["S"] == 180
    assert uci.WIND_POINTS_DEG["NNW"] == 337.5
    assert len(uci.WIND_POINTS_DEG) == 16
