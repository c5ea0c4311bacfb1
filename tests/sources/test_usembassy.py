from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from citylab.errors import DataError
from citylab.sources import uci, usembassy

Raw = Callable[[str], Path]
FOLDER = "air-beijing-usembassy-2008-2016"
HEADER = (
    "A fact sheet,,,,,,,,,,\r\nA statement,,,,,,,,,,\r\n,,,,,,,,,,\r\n"
    "Site,Parameter,Date (LST),Year,Month,Day,Hour,Value,Unit,Duration,QC Name\r\n"
)


@pytest.fixture(scope="module")
def paths(mirror: Path, raw: Raw) -> list[Path]:
    return [raw(f"{FOLDER}/{p.name}") for p in sorted((mirror / FOLDER).glob("*.csv.gz"))]


@pytest.fixture(scope="module")
def hours(paths: list[Path]) -> pl.DataFrame:
    return usembassy.parse_hourly(paths).collect()


def a_year(folder: Path, *rows: str) -> Path:
    path = folder / "year.csv"
    path.write_text(HEADER + "".join(r + "\r\n" for r in rows), encoding="utf-8")
    return path


def test_three_lines_before_the_header_are_skipped_and_units_read_as_text(tmp_path: Path) -> None:
    path = a_year(tmp_path, "Beijing,PM2.5,2009-01-01 00:00,2009,1,1,0,-999,µg/m³,1 Hr,Missing")
    assert usembassy.read_hours([path]).rows() == [(dt.datetime(2009, 1, 1), -999.0, "µg/m³", "Missing")]


def test_a_file_of_another_city_is_refused(tmp_path: Path) -> None:
    path = a_year(tmp_path, "Shanghai,PM2.5,2012-01-01 00:00,2012,1,1,0,30,µg/m³,1 Hr,Valid")
    with pytest.raises(DataError, match=r"Shanghai.*expected one hour of PM2\.5 in Beijing"):
        usembassy.read_hours([path])


# Rows per year and rows marked missing, as counted with another tool when the files were first described.
def test_every_hour_stands_once_and_years_have_the_counted_rows(hours: pl.DataFrame) -> None:
    by_year = hours.group_by(pl.col("datetime_local").dt.year().alias("year")).len().sort("year").rows()
    assert by_year == [
        *((2008, 5087), (2009, 8760), (2010, 8760), (2011, 8760), (2012, 8784)),
        *((2013, 8760), (2014, 8760), (2015, 8760), (2016, 5856)),
    ]
    assert hours["datetime_local"].is_unique().all()


def test_no_value_is_a_sentinel_or_negative(hours: pl.DataFrame) -> None:
    assert hours["pm25_ugm3"].min() >= 0.0  # type: ignore[operator]
    missing = 266 + 1981 + 669 + 727 + 489 + 82 + 99 + 89 + 17
    assert hours["pm25_ugm3"].null_count() == missing + 8 + 16


# Rows marked valid, the 24 negative ones among them; emptying sixteen of 5,839 raises the mean of 2016 by 0.2.
def test_yearly_means_are_those_of_rows_marked_valid(hours: pl.DataFrame) -> None:
    means = (
        hours.group_by(pl.col("datetime_local").dt.year().alias("year")).agg(pl.col("pm25_ugm3").mean()).sort("year")
    )
    assert means["pm25_ugm3"].to_list() == pytest.approx(
        [85.1, 101.8, 104.0, 99.1, 90.5, 101.7, 97.7, 82.6, 61.1], abs=0.2
    )


def test_stamps_put_back_agree_with_the_uci_set_in_every_hour_one_hour_later(hours: pl.DataFrame, raw: Raw) -> None:
    theirs = uci.parse_embassy_hourly([raw("air-beijing-pm25-2010-2014/PRSA_data_2010.1.1-2014.12.31.csv.gz")])
    later = hours.lazy().with_columns(pl.col("datetime_local").dt.offset_by("1h"))
    both = theirs.join(later, on=["station_id", "datetime_local"], how="left", suffix="_embassy").collect()
    assert both.height == 43_824
    assert both.select(pl.col("pm25_ugm3").eq_missing(pl.col("pm25_ugm3_embassy")).all()).item()


def test_the_repeated_hours_lie_on_american_not_chinese_clock_changes(paths: list[Path]) -> None:
    stamps = usembassy.read_hours(paths)["datetime_local"]
    twice = stamps.filter(stamps.is_duplicated()).unique().sort().to_list()
    assert [t.hour for t in twice] == [3] * 5
    second_sundays = [dt.date(2009, 3, 8), dt.date(2010, 3, 14), dt.date(2011, 3, 13), dt.date(2014, 3, 9)]
    assert [t.date() for t in twice] == [*second_sundays, dt.date(2015, 3, 9)]


REPAIRS: list[tuple[Callable[..., pl.DataFrame], str]] = [
    (usembassy.repair_unit_spelling, "0 rows .*13,871"),
    (usembassy.repair_summer_time_stamps, "0 rows .*5"),
    (usembassy.repair_missing_code, "0 rows .*4,419"),
    (usembassy.repair_below_zero, "0 rows .*24"),
]


@pytest.mark.parametrize(("repair", "said"), REPAIRS)
def test_a_repair_that_does_not_find_its_rows_refuses(repair: Callable[..., pl.DataFrame], said: str) -> None:
    sound = pl.DataFrame(
        {"datetime_local": [dt.datetime(2017, 1, 1)], "pm25_ugm3": [9.0], "unit": ["µg/m³"], "flag": ["Valid"]}
    )
    with pytest.raises(DataError, match=said):
        repair(sound)


def test_a_sentinel_that_is_not_marked_missing_refuses() -> None:
    frame = pl.DataFrame({"pm25_ugm3": [-999.0], "flag": ["Valid"]})
    with pytest.raises(DataError, match="do not stand in the same rows"):
        usembassy.repair_missing_code(frame)
