"""Lengths and daily passengers of Beijing's subway: what the provenance records print, and their traps."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from citylab.errors import DataError
from citylab.sources import beijingsubway


@pytest.fixture(scope="module")
def segments(raw: Callable[[str], Path]) -> pl.DataFrame:
    return beijingsubway.parse_segments([raw("transit-beijing-subway/segments_compiled.csv.gz")]).collect()


@pytest.fixture(scope="module")
def days(raw: Callable[[str], Path]) -> pl.DataFrame:
    return beijingsubway.parse_ridership([raw("transit-beijing-subway-flows/sub_flows.txt")]).collect()


def test_segments_are_as_many_and_as_long_as_printed(segments: pl.DataFrame):
    names = pl.concat([segments["from_station_zh"], segments["to_station_zh"]])
    assert (segments.height, segments["line_name_zh"].n_unique(), names.n_unique()) == (514, 28, 425)
    assert segments["length_m"].sum() == 887_426


def test_each_line_is_a_chain_and_the_two_rings_close(segments: pl.DataFrame):
    for (line,), rows in segments.group_by("line_name_zh"):
        rows = rows.sort("segment_rank")
        assert rows["segment_rank"].to_list() == list(range(1, rows.height + 1)), line
        assert rows["to_station_zh"][:-1].to_list() == rows["from_station_zh"][1:].to_list(), line
        closes = rows["to_station_zh"][-1] == rows["from_station_zh"][0]
        assert closes == (line in {"2号线", "10号线"}), line


def test_two_stations_carry_their_line_in_brackets(segments: pl.DataFrame):
    names = set(segments["from_station_zh"]) | set(segments["to_station_zh"])
    assert {n.split("(")[0].split("（")[0] for n in names if "(" in n or "（" in n} == {"大钟寺", "木樨地"}


def test_days_written_without_zeros_and_out_of_order_become_dates(days: pl.DataFrame, raw: Callable[[str], Path]):
    first = raw("transit-beijing-subway-flows/sub_flows.txt").read_text().splitlines()[:2]
    assert first == ["2017.1.8,553.57", "2017.1.7,569.60"]
    assert days.filter(date_local=dt.date(2017, 1, 8))["ridership_trips"].item() == 5_535_700
    assert days["date_local"].is_unique().all()


def test_two_of_416_days_are_missing_and_stay_missing(days: pl.DataFrame):
    first, last = days["date_local"].min(), days["date_local"].max()
    assert (first, last) == (dt.date(2017, 1, 3), dt.date(2018, 2, 22))
    assert ((last - first).days + 1, days.height) == (416, 414)


def test_the_unit_fits_a_working_day_of_some_nine_and_a_half_million(days: pl.DataFrame):
    assert (days["ridership_trips"].min(), days["ridership_trips"].max()) == (1_483_400, 10_547_600)
    assert days["ridership_trips"].median() == pytest.approx(9_465_000, rel=1e-3)


def test_the_lowest_days_are_those_of_the_spring_festival(days: pl.DataFrame):
    lowest = days.sort("ridership_trips").head(7)["date_local"]
    # New Year's Days: 2017-01-28 and 2018-02-16
    near = [min(abs((d - dt.date(2017, 1, 28)).days), abs((d - dt.date(2018, 2, 16)).days)) for d in lowest]
    assert max(near) <= 6


def test_a_line_that_is_no_day_and_number_is_refused(tmp_path: Path):
    broken = tmp_path / "flows.txt"
    broken.write_text("2017.1.8,553.57\n2017-1-9,900\n")
    with pytest.raises(DataError, match="2017-1-9"):
        beijingsubway.parse_ridership([broken])
