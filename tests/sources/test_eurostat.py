"""Daily internet users of Europe: three levels in one column, two letters that are not ISO."""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl
import pytest

import citylab as cl

pytestmark = pytest.mark.filterwarnings("ignore::citylab.errors.UsageWarning")


@pytest.fixture(scope="module")
def regions() -> pl.DataFrame:
    return cl.load("eurostat__yearly_region_internet").collect()


def test_figures_are_as_another_reader_printed_them(regions: pl.DataFrame):
    assert regions["nuts_code"].n_unique() == 359
    assert regions.filter(nuts_code="DE", year=2019)["internet_daily_use_pct"].item() == 85.0
    assert regions.filter(nuts_code="RO", year=2019)["internet_daily_use_pct"].item() == 57.0


def test_the_level_of_every_row_is_that_of_its_code_and_no_row_is_lost(regions: pl.DataFrame, mirror: Path):
    path = mirror / "eurostat-daily-internet-nuts" / "eurostat_daily_internet_users_nuts.csv"
    with open(path, encoding="utf-8", newline="") as file:
        theirs = {(r["geo"], int(r["time"])): len(r["geo"]) - 2 for r in csv.DictReader(file)}
    ours = {(r["nuts_code"], r["year"]): r["nuts_level"] for r in regions.iter_rows(named=True)}
    assert ours == theirs
    assert set(ours.values()) == {0, 1, 2}


def test_countries_and_their_regions_stand_in_one_column_so_that_a_plain_mean_counts_people_twice(
    regions: pl.DataFrame,
):
    levels = regions.filter(nuts_country="AT").select(pl.col("nuts_level").n_unique()).item()
    assert levels > 1


def test_a_country_lies_between_its_lowest_and_highest_region_up_to_rounding(regions: pl.DataFrame):
    fine = regions.filter(pl.col("nuts_level") > 0)
    spread = fine.group_by("nuts_country", "year", "nuts_level").agg(
        pl.col("internet_daily_use_pct").min().alias("low"),
        pl.col("internet_daily_use_pct").max().alias("high"),
        pl.len().alias("regions"),
    )
    both = regions.filter(nuts_level=0).join(spread, on=["nuts_country", "year"], suffix="_region")
    value = pl.col("internet_daily_use_pct")
    # a weighted mean of regions lies between them; both are whole numbers, each half a point off at most
    assert both.height > 400
    assert both.filter((value < pl.col("low") - 1) | (value > pl.col("high") + 1)).is_empty()


def test_greece_and_the_united_kingdom_have_codes_that_are_not_of_iso(regions: pl.DataFrame):
    codes = set(regions["nuts_country"])
    assert {"EL", "UK"} <= codes
    assert not {"GR", "GB"} & codes
