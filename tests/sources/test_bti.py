"""Beijing's travel figures: what the provenance record says of them, and what must not be made of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from citylab import tables
from citylab.errors import DataError
from citylab.sources import bti

FILE = "travel-beijing-mode-share/beijing_travel_facts.csv"


@pytest.fixture(scope="module")
def file(raw: Callable[[str], Path]) -> Path:
    return raw(FILE)


@pytest.fixture(scope="module")
def facts(file: Path) -> pl.DataFrame:
    return bti.parse_facts([file]).collect()


def value(facts: pl.DataFrame, indicator: str, year: int) -> float:
    return facts.filter(indicator=indicator, year=year)["value"].item()


@pytest.mark.parametrize(("year", "green"), [(2020, 0.731), (2019, 0.741)])
def test_the_four_modes_add_up_to_the_green_share(facts: pl.DataFrame, year: int, green: float):
    parts = [value(facts, f"{m}_trip_share", year) for m in ("metro", "bus", "cycle", "walk")]
    assert sum(parts) == pytest.approx(green, abs=1e-9)
    assert value(facts, "green_trip_share", year) == pytest.approx(green, abs=1e-9)


def test_walking_and_cycling_add_up_to_their_published_sum(facts: pl.DataFrame):
    assert value(facts, "walk_trip_share", 2020) + value(facts, "cycle_trip_share", 2020) == pytest.approx(0.467)
    assert value(facts, "walk_cycle_trip_share", 2020) == pytest.approx(0.467)


def test_no_share_of_cars_or_taxis_was_filled_in(facts: pl.DataFrame):
    assert facts.filter(pl.col("indicator").str.contains("car|taxi")).is_empty()


def test_the_five_figures_of_2019_are_marked_as_derived_and_no_other_is(facts: pl.DataFrame):
    assert facts["is_derived"].sum() == 5
    assert set(facts.filter("is_derived")["year"]) == {2019}
    assert facts.filter("is_derived")["note"].is_not_null().all()


def test_counts_come_in_full_and_shares_as_parts_of_one(facts: pl.DataFrame):
    assert value(facts, "trips_per_working_day", 2020) == 36_190_000
    assert value(facts, "metro_passengers", 2020) == 2_294_000_000
    assert value(facts, "commute_within_45min_share", 2022) == 0.54
    assert facts.filter(pl.col("indicator").str.ends_with("_share"))["value"].is_between(0, 1).all()


def test_every_source_is_secondary_and_graded_as_such(facts: pl.DataFrame):
    assert facts.height == 29
    assert set(facts["source_grade"]) == {"C"}
    assert set(tables.read("travel_sources")["mark"]) == {"secondary"}


def test_each_figure_has_one_line_in_the_table_of_anchors(facts: pl.DataFrame):
    anchors = tables.read("travel_anchors")
    assert facts.join(anchors, on=["indicator", "year"], how="anti").is_empty()
    assert anchors.join(facts, on=["indicator", "year"], how="anti").is_empty()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [("green_share", "greenish", "greenish"), (",%,", ",promille,", "promille"), (",stated,", ",guessed,", "guessed")],
)
def test_an_undeclared_indicator_unit_or_statement_is_refused(
    file: Path, tmp_path: Path, old: str, new: str, message: str
):
    head, first = file.read_text(encoding="utf-8").splitlines()[:2]
    broken = tmp_path / "facts.csv"
    broken.write_text(f"{head}\n{first.replace(old, new)}\n", encoding="utf-8")
    with pytest.raises(DataError, match=message):
        bti.parse_facts([broken])
