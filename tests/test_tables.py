"""The declared tables, each of them, and how they are read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from citylab import settings, tables
from citylab.errors import DeclarationError, UnknownNameError

ALL = sorted(p.stem for p in (settings.datasets_dir() / "codes").glob("*.csv"))
MARKS = {"verified", "secondary", "from memory"}


@pytest.fixture
def own_tables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "codes"
    folder.mkdir()
    monkeypatch.setattr(settings, "datasets_dir", lambda: tmp_path)
    tables._load.cache_clear()
    yield folder
    tables._load.cache_clear()


@pytest.mark.parametrize("name", ALL)
def test_every_table_says_at_its_head_what_it_is(name: str) -> None:
    text = (settings.datasets_dir() / "codes" / f"{name}.csv").read_text(encoding="utf-8")
    assert text.startswith("# ")


@pytest.mark.parametrize("name", ALL)
def test_every_table_has_rows_and_no_row_twice(name: str) -> None:
    table = tables.read(name)
    assert table.height > 0
    assert table.is_duplicated().sum() == 0


@pytest.mark.parametrize("name", ALL)
def test_every_row_that_has_a_mark_says_how_sure_we_are_and_where_it_comes_from(name: str) -> None:
    table = tables.read(name)
    if "mark" in table.columns:
        assert set(table["mark"]) <= MARKS
        assert table["source"].null_count() == 0


@pytest.mark.parametrize("name", ALL)
def test_no_period_in_a_table_ends_before_it_begins(name: str) -> None:
    table = tables.read(name)
    if {"valid_from", "valid_to"} <= set(table.columns):
        assert table.filter(pl.col("valid_to") < pl.col("valid_from")).is_empty()


def test_codes_stay_text_and_dates_become_dates(own_tables: Path) -> None:
    (own_tables / "t.csv").write_text("# head\nadcode,fuel_code,valid_from,x\n011,007,2020-02-29,1\n012,008,,2\n")
    table = tables.read("t")
    assert table["adcode"].to_list() == ["011", "012"]
    assert table["fuel_code"].to_list() == ["007", "008"]
    assert table["valid_from"].to_list() == [date(2020, 2, 29), None]
    assert table["x"].to_list() == [1, 2]


def test_only_the_head_is_comment_so_that_a_colour_in_the_first_column_is_kept(own_tables: Path) -> None:
    (own_tables / "t.csv").write_text("# head\ncolour,level\n#00e400,1\n#ffff00,2\n")
    assert tables.read("t")["colour"].to_list() == ["#00e400", "#ffff00"]


def test_a_column_of_decimals_that_begins_with_whole_numbers_keeps_its_decimals(own_tables: Path) -> None:
    (own_tables / "t.csv").write_text("# head\nx\n" + "1\n" * 500 + "1.5\n")
    assert tables.read("t")["x"][-1] == 1.5


def test_changing_a_table_that_was_read_changes_nobody_elses(own_tables: Path) -> None:
    (own_tables / "t.csv").write_text("# head\nx\n1\n2\n")
    mine = tables.read("t")
    mine[0, "x"] = 99
    assert tables.read("t")["x"].to_list() == [1, 2]


def test_an_unknown_table_is_answered_with_near_ones() -> None:
    with pytest.raises(UnknownNameError, match="'districts'"):
        tables.read("district")


@pytest.mark.parametrize("text", ["# only a head\n", "# head\nvalid_from\n31.12.2020\n", "# head\na,b\n1,2,3\n"])
def test_a_broken_table_is_an_error_that_names_the_file(own_tables: Path, text: str) -> None:
    (own_tables / "broken.csv").write_text(text)
    with pytest.raises(DeclarationError, match=r"broken\.csv"):
        tables.read("broken")
