"""Traps of the tables on digital access that no reader of a file sees: each is declared, and still there."""

from __future__ import annotations

import polars as pl
import pytest

import citylab as cl
from citylab import tables
from citylab.catalog.registry import declaration

EUROPE, CHINA = "eurostat__yearly_region_internet", "cnnic__halfyearly_country_internet"
WITHOUT_LEVEL_2 = {"DE": "Germany", "EL": "Greece", "PL": "Poland", "TR": "Turkey", "UK": "the United Kingdom"}
ENDED = {"HU10", "IE01", "IE02", "LT00", "PL1", "PL3"}
REDRAWN = 2018


@pytest.fixture(scope="module")
def regions() -> pl.DataFrame:
    return cl.load(EUROPE).collect()


def warning(dataset: str, code: str) -> str:
    return " ".join(w.text.en for w in declaration(dataset).warnings if w.code == code)


def test_five_countries_of_europe_have_no_region_of_level_2_and_the_declaration_names_them(
    regions: pl.DataFrame,
) -> None:
    of_level = regions.group_by("nuts_country").agg(
        *((pl.col("nuts_level") == level).any().alias(str(level)) for level in (1, 2))
    )
    assert set(of_level.filter(pl.col("1"), ~pl.col("2"))["nuts_country"]) == set(WITHOUT_LEVEL_2)
    told = warning(EUROPE, "incomplete_coverage")
    assert [name for name in WITHOUT_LEVEL_2.values() if name not in told] == []


def test_codes_that_a_redrawing_ended_have_no_year_after_it(regions: pl.DataFrame) -> None:
    last = regions.group_by("nuts_code", "nuts_country").agg(pl.max("year"), pl.min("year").alias("first"))
    # Greece renamed its regions from EL1, EL2 to EL5, EL6 in 2012; the others end in the year before the redrawing
    ended = last.filter(pl.col("year") == REDRAWN - 1)
    assert set(ended["nuts_code"]) == ENDED
    follow = last.filter(pl.col("first") == REDRAWN, pl.col("nuts_country").is_in(["HU", "IE", "LT", "PL"]))
    assert set(follow["nuts_country"]) == {"HU", "IE", "LT", "PL"}
    told = warning(EUROPE, "boundary_differs")
    assert [code for code in ENDED if code not in told] == []


def test_urban_and_rural_shares_of_china_imply_a_base_that_moved_between_two_surveys() -> None:
    """All = u x urban + (1 - u) x rural gives u = (all - rural) / (urban - rural), the share of people in towns.

    2020-12: (70.4 - 55.9) / (79.8 - 55.9) = 14.5 / 23.9 = 0.6067; 2021-12: (73.0 - 57.6) / (81.3 - 57.6) = 15.4 / 23.7
    = 0.6498. Three printed digits, each off by 0.05 at most, move u by at most 0.05 (1 + (1 - u) + u) / 23.7 = 0.0042,
    and a difference of two by twice that, so that rounding cannot make the step of 0.043.
    """
    both = tables.read("equity_urban_rural")
    whole = cl.load(CHINA).select("month_start", "internet_use_pct").collect()
    joined = both.join(whole, left_on="figure_date", right_on="month_start")
    rural = pl.col("internet_use_rural_pct")
    implied = joined.select(
        pl.col("figure_date").dt.year().alias("year"),
        towns=(pl.col("internet_use_pct") - rural) / (pl.col("internet_use_urban_pct") - rural),
    )
    found = dict(implied.iter_rows())
    assert found == {2020: pytest.approx(0.6067, abs=5e-5), 2021: pytest.approx(0.6498, abs=5e-5)}
    assert found[2021] - found[2020] > 5 * 2 * 0.0042
    breaks = tables.read("series_breaks").filter(series="internet_use_pct", adcode="CHN")
    assert breaks.select("year_before", "year_after").rows() == [(2020, 2021)]
    assert all(f"{share:.3f}" in warning(CHINA, "series_break") for share in found.values())


def test_zambias_fall_of_a_year_is_no_fall_in_use_and_is_declared() -> None:
    online = cl.load("gapminder__yearly_country_internet").filter(country_code="ZMB").collect()
    share = dict(online.select("year", "internet_use_itu_pct").iter_rows())
    assert (round(share[2022] - share[2021], 1), round(share[2023] - share[2022], 1)) == (-17.5, 18.0)
    assert "Zambia -17.5 in 2022" in warning("gapminder__yearly_country_internet", "series_break")


def test_no_claim_of_a_plan_shares_a_column_with_a_published_figure() -> None:
    beside = tables.read("equity_index_claims")
    assert not set(beside["claim_column"]) & set(beside["figure_column"])
    assert {"smart_device_use_60plus_pct", "rural_5g_coverage_pct"} == set(beside["claim_column"])
