from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from citylab.errors import UnknownNameError
from citylab.viz import tables

FRAME = pl.DataFrame({"month_start": [dt.date(2019, 1, 1)], "sector": ["power"], "co2_t": [1.23456]})


def test_files_keep_codes_and_full_precision_and_the_screen_shows_words_and_few_decimals():
    assert pl.read_csv(tables.to_bytes(FRAME, "csv"), try_parse_dates=True).equals(FRAME)
    assert pl.read_parquet(tables.to_bytes(FRAME, "parquet")).equals(FRAME)
    assert tables.pretty(FRAME, "zh").row(0) == ("2019-01-01", "电力", 1.235)


def test_heads_carry_the_unit_and_the_language():
    frame = pl.DataFrame(schema={"pm25_ugm3": pl.Float64, "pm25_ugm3_max": pl.Float64, "odd": pl.Int64})
    assert tables.heads(frame, "en") == {
        "pm25_ugm3": "PM2.5 (µg/m³)",
        "pm25_ugm3_max": "PM2.5 (µg/m³), highest station",
        "odd": "odd",
    }
    assert "站点最高" in tables.heads(frame, "zh")["pm25_ugm3_max"]


def test_an_unknown_file_format_is_refused():
    with pytest.raises(UnknownNameError, match="xlsx"):
        tables.to_bytes(FRAME, "xlsx")  # type: ignore[arg-type]


def test_a_missing_truth_value_stays_missing():
    frame = pl.DataFrame({"is_position_disputed": [True, None]})
    assert tables.pretty(frame, "en").to_series().to_list() == ["yes", None]
