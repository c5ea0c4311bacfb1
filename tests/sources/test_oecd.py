"""Students of PISA: few a country, empty columns that are not no, ids with leading zeros."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from citylab.catalog.registry import declaration
from citylab.errors import DataError
from citylab.sources import oecd

FILE = "pisa-ict-subset/pisa_student_subset_2000_2022.csv.gz"


@pytest.fixture(scope="module")
def file(raw: Callable[[str], Path]) -> Path:
    return raw(FILE)


@pytest.fixture(scope="module")
def students(file: Path) -> pl.DataFrame:
    return oecd.parse_students([file]).collect()


def test_shares_with_internet_at_home_are_as_another_reader_printed_them(students: pl.DataFrame):
    printed = {2000: 0.448, 2003: 0.638, 2006: 0.733, 2009: 0.863, 2012: 0.93, 2015: 0.95, 2018: 0.955, 2022: 0.967}
    found = dict(students.group_by("year").agg(pl.col("has_home_internet").mean()).iter_rows())
    assert {year: round(share, 3) for year, share in found.items()} == printed


def test_every_country_and_round_has_fifty_students_so_that_no_country_can_be_estimated(students: pl.DataFrame):
    assert set(students.group_by("year", "country_code").len()["len"]) == {50}
    assert "CHN" not in students["country_code"]
    assert students["country_code"].n_unique() == 38


def test_an_empty_answer_is_neither_yes_nor_no(students: pl.DataFrame, file: Path):
    with open(file, encoding="utf-8", newline="") as lines:
        answers = Counter(row["computer"] for row in csv.DictReader(lines))
    found = students["has_home_computer"]
    assert (found.sum(), (~found).sum(), found.null_count()) == (answers["yes"], answers["no"], answers[""])


@pytest.mark.parametrize(
    ("year", "column"),
    [(2000, "has_home_computer"), (2000, "mother_schooling"), (2003, "wealth_index"), (2003, "home_computers"),
     (2022, "wealth_index")],
)  # fmt: skip
def test_columns_that_a_round_did_not_ask_are_wholly_empty(students: pl.DataFrame, year: int, column: str):
    assert students.filter(year=year)[column].is_null().all()


def test_an_id_keeps_its_leading_zeros_and_only_with_the_school_is_it_unique(students: pl.DataFrame):
    assert students["school_id"].str.starts_with("0").any()
    key = ["year", "country_code", "school_id", "student_id"]
    assert students.n_unique(key) == students.height
    assert students.n_unique(["year", "country_code", "student_id"]) < students.height


def test_an_answer_that_the_file_does_not_know_is_an_error(tmp_path: Path, file: Path):
    lines = file.read_text(encoding="utf-8").splitlines()[:2]
    odd = tmp_path / "odd.csv"
    odd.write_text("\n".join([lines[0], lines[1].replace(",male,", ",unknown,")]), encoding="utf-8")
    with pytest.raises(DataError, match=r"gender is 'unknown'; expected one of"):
        oecd.parse_students([odd])


def test_students_are_not_embedded_as_long_as_the_licence_is_known_from_memory_only():
    declared = declaration("oecd__yearly_student_ict")
    assert (declared.storage, declared.licence.id) == ("remote", "unknown")
