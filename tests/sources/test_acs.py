"""US counties without internet: lost zeros, shares among percentages, a median that is not of households."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import citylab as cl
from citylab.sources import acs

pytestmark = pytest.mark.filterwarnings("ignore::citylab.errors.UsageWarning")
OLD, NEW = "us-county-internet/county-2018.csv.gz", "us-county-internet/county-2019.csv.gz"


@pytest.fixture(scope="module")
def counties() -> pl.DataFrame:
    return cl.load("acs__static_county_internet").collect()


@pytest.fixture(scope="module")
def people(raw: Callable[[str], Path]) -> dict[str, dict[str, str]]:
    with open(raw(OLD), encoding="utf-8", newline="") as file:
        return {row["HEROP_ID"]: row for row in csv.DictReader(file)}


def test_a_county_code_keeps_its_leading_zero(counties: pl.DataFrame):
    assert counties["county_fips"].str.contains(r"^\d{5}$").all()
    # Alabama is state 01; the fifty states and the District of Columbia are 51 first pairs of digits
    assert "01001" in counties["county_fips"]
    assert counties["county_fips"].str.slice(0, 2).n_unique() == 51


def test_two_tables_in_different_orders_are_joined_by_the_publishers_own_key(
    counties: pl.DataFrame, people: dict[str, dict[str, str]], raw: Callable[[str], Path]
):
    ours = {row["county_fips"]: row for row in counties.iter_rows(named=True)}
    with open(raw(NEW), encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            mine = ours[row["HEROP_ID"].removeprefix("050US")]
            assert mine["households_no_internet_pct"] == float(row["NoIntP"])
            theirs = people.get(row["HEROP_ID"])
            assert mine["population_persons"] == (float(theirs["TotPop"]) if theirs else None)


def test_children_are_per_cent_like_the_other_columns_although_the_file_gives_shares(
    counties: pl.DataFrame, people: dict[str, dict[str, str]]
):
    assert max(float(row["ChildrenP"]) for row in people.values()) < 1
    autauga = counties.filter(county_fips="01001")
    assert autauga["children_pct"].item() == pytest.approx(100 * float(people["050US01001"]["ChildrenP"]))
    both = counties.drop_nulls("children_pct")
    # children and people over 65 are parts of the same whole
    assert (both["children_pct"] + both["age_65plus_pct"]).max() < 100  # type: ignore[operator]


def test_the_median_income_is_that_of_persons_because_a_households_would_lie_above_the_mean_per_head(
    counties: pl.DataFrame,
):
    both = counties.drop_nulls(["median_personal_income_usd2018", "per_capita_income_usd2018"])
    ratio = both["median_personal_income_usd2018"] / both["per_capita_income_usd2018"]
    # a household holds two or three people: its median is some twice the income per head, that of persons about it
    assert 0.9 < ratio.median() < 1.1  # type: ignore[operator]


def test_renamed_counties_and_a_county_with_a_failed_estimate_are_empty_and_not_zero(counties: pl.DataFrame):
    empty = counties.filter(pl.col("population_persons").is_null())
    assert sorted(empty["county_fips"]) == ["02158", "46102"]
    assert counties.filter(pl.col("poverty_pct").is_null())["county_fips"].sort().to_list() == [
        "02158",
        "35039",
        "46102",
    ]


def test_square_miles_become_square_kilometres(counties: pl.DataFrame, people: dict[str, dict[str, str]]):
    # 1 mi = 1.609344 km exactly
    theirs = float(people["050US01001"]["AreaSqMi"])
    assert counties.filter(county_fips="01001")["land_area_km2"].item() == pytest.approx(theirs * 1.609344**2, abs=0.01)


def test_mean_and_correlation_are_as_another_reader_printed_them(counties: pl.DataFrame):
    both = counties.drop_nulls(["median_personal_income_usd2018", "age_65plus_pct"])
    assert both.height == pytest.approx(3140, abs=2)
    assert round(counties["households_no_internet_pct"].mean(), 2) in {20.55, 20.56}  # type: ignore[arg-type, call-overload]
    income = both.select(pl.corr("households_no_internet_pct", "median_personal_income_usd2018")).item()
    age = both.select(pl.corr("households_no_internet_pct", "age_65plus_pct")).item()
    assert (round(income, 2), round(age, 2)) == (-0.68, 0.22)


def test_only_columns_of_the_survey_are_read_and_none_of_the_compilers_indices():
    assert not {name for name in acs.SAME_UNIT if name.startswith(("Svi", "Rca", "Hlt", "Ndvi"))}
