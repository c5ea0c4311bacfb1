from __future__ import annotations

import math

import polars as pl
import pytest

import citylab as cl
from citylab.catalog import validate
from citylab.catalog.declaration import Declaration
from citylab.catalog.registry import declaration
from citylab.catalog.validation import SHOWN_FAULTS, check, check_grid
from citylab.errors import DataError

HEAD = (
    "month_start,internet_users_persons,internet_use_pct,internet_use_urban_pct,"
    "internet_use_rural_pct,internet_use_60plus_pct,source\n"
)
TABLE = HEAD + "2031-06-01,1.0,70.5,80.0,60.0,,a\n2031-12-01,2.0,71.5,,61.0,40.0,b\n"


def test_a_true_table_passes_and_its_rows_are_counted(declare, embedded):
    assert validate(declare(embedded(), t__csv=TABLE)) == 2


# What the table says instead of what is declared, and how the complaint reads.
LIES = {
    "an empty value": ("b\n", "\n", r"column 'source', row 1 \(month_start=2031-12-01\): None fails"),
    "a value beyond the bounds": ("71.5", "171.5", r"column 'internet_use_pct', row 1 .*: '171.5' fails"),
    "a negative count": (",2.0,", ",-2.0,", r"column 'internet_users_persons', row 1 .*: '-2.0' fails"),
    "a word among numbers": ("60.0", "sixty", r"column 'internet_use_rural_pct', row 0 .*: 'sixty' is no number"),
    "a day that is none": ("2031-06-01", "2031-06-31", r"column 'month_start', row 0 .*: '2031-06-31' is no date"),
    "not a number": ("60.0", "NaN", r"column 'internet_use_rural_pct', row 0 .*: not a number"),
    "a key that stands twice": ("2031-12-01", "2031-06-01", r"2 rows share a key, first row 0 \(month_start=2031-06"),
    "a period that begins earlier": ("2031-06-01", "2030-06-01", r"runs from 2030-06-01 to 2031-12-01"),
    "a row too many": ("b\n", "b\n2031-07-01,1,1,1,1,1,c\n", "3 rows; the declaration says 2"),
    "a column under another name": ("source\n", "report\n", r"lacks \['source'\] and has \['report'\]"),
    "a column too many": ("source\n", "source,extra\n", r"has \['extra'\]"),
    "columns in another order": (
        "month_start,internet_users_persons", "internet_users_persons,month_start", "another order",
    ),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_declaration_that_lies_about_a_file_is_told_with_column_and_row(lie: str, declare, embedded):
    true, false, said = LIES[lie]
    assert TABLE.count(true) == 1
    dataset = declare(embedded(), t__csv=TABLE.replace(true, false))
    with pytest.raises(DataError, match=said) as caught:
        validate(dataset)
    assert str(caught.value).startswith(dataset)


def test_a_code_that_is_not_allowed_is_told_with_its_row(declare, embedded):
    content = embedded()
    content["columns"][-1]["allowed"] = ["a", "c"]
    with pytest.raises(DataError, match=r"column 'source', row 1 \(month_start=2031-12-01\): 'b'"):
        validate(declare(content, t__csv=TABLE))


def test_a_parquet_column_of_another_type_is_named(declare, embedded):
    frame = pl.read_csv(TABLE.encode(), try_parse_dates=True).with_columns(pl.col("internet_use_pct").cast(pl.String))
    dataset = declare(embedded(table="t.parquet"))
    frame.write_parquet(cl.settings.datasets_dir() / dataset / "t.parquet")
    with pytest.raises(DataError, match=r"column 'internet_use_pct'.*Float64"):
        validate(dataset)


@pytest.fixture
def december() -> Declaration:
    return declaration("uci__hourly_station_air_december2016")


@pytest.fixture
def hours(december: Declaration) -> pl.DataFrame:
    return cl.scan(december.id).collect()


def test_every_fault_is_told_at_once_and_a_long_list_is_counted(december: Declaration, hours: pl.DataFrame):
    with pytest.raises(DataError) as caught:
        check(december, hours.with_columns(pl.lit(-1.0).alias("pm25_ugm3"), pl.lit(math.nan).alias("co_mgm3")))
    assert str(caught.value).count("\n  - ") == SHOWN_FAULTS
    assert "more" in str(caught.value)


def test_a_missing_column_is_named(december: Declaration, hours: pl.DataFrame):
    with pytest.raises(DataError, match="o3_ugm3"):
        check(december, hours.drop("o3_ugm3"))


def test_an_empty_table_is_no_true_table(december: Declaration, hours: pl.DataFrame):
    with pytest.raises(DataError, match="0 rows; the declaration says 8,928"):
        check(december, hours.clear())


def test_a_grid_beyond_the_bounds_or_with_holes_is_told(mirror):
    declared = declaration("ecmwf__monthly_grid_wind")
    grid = cl.open(declared.id)
    check_grid(declared, grid)
    with pytest.raises(DataError, match=r"'wind_u_ms' runs from .*; bounds are -200\.0, 200\.0"):
        check_grid(declared, grid.assign(wind_u_ms=grid["wind_u_ms"] * 100))
    with pytest.raises(DataError, match="'wind_v_ms' has empty values"):
        check_grid(declared, grid.assign(wind_v_ms=grid["wind_v_ms"].where(grid["month"] == 1)))
    with pytest.raises(DataError, match="dimensions"):
        check_grid(declared, grid.isel(month=0))
