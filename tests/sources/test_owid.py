from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import citylab as cl
from citylab.sources import owid


@pytest.fixture(scope="module")
def countries() -> pl.DataFrame:
    return cl.load("owid__yearly_country_co2").collect()


def test_china_in_2019_is_as_another_reader_printed_it(countries: pl.DataFrame):
    china = countries.filter(country_code="CHN", year=2019).row(0, named=True)
    assert china["co2_t"] == pytest.approx(10_713.984e6, rel=1e-12)
    assert china["co2_per_capita_t"] == pytest.approx(7.526)
    assert china["population_persons"] == 1_423_520_354
    assert china["primary_energy_twh"] == pytest.approx(40_188.543)


def test_countries_only_so_that_a_sum_is_no_double_count(countries: pl.DataFrame):
    assert countries["country_code"].str.contains("^[A-Z]{3}$").all()
    assert not set(countries["country_name_en"]) & {"World", "Asia", "European Union (27)", "High-income countries"}
    # the world of 2023 is 37,791.57 Mt; countries lack international bunkers only
    world = countries.filter(year=2023)["co2_t"].sum() / 37_791.57e6
    assert 0.95 < world < 1


def test_years_begin_in_1990_and_gdp_ends_in_2022(countries: pl.DataFrame):
    assert (countries["year"].min(), countries["year"].max()) == (1990, 2023)
    assert countries.drop_nulls("gdp_usd2011")["year"].max() == 2022


def test_tonnes_and_people_give_tonnes_per_person(countries: pl.DataFrame):
    # the publisher rounds to thousandths of a million tonnes, which shows in the smallest countries
    given = countries.drop_nulls(["co2_t", "co2_per_capita_t", "population_persons"])
    given = given.filter(pl.col("co2_per_capita_t") > 1, pl.col("co2_t") > 1e6)
    ratio = given["co2_t"] / given["population_persons"] / given["co2_per_capita_t"]
    assert given.height > 3_000
    assert (ratio - 1).abs().max() < 0.002  # type: ignore[operator]


def test_units_are_those_of_the_publishers_codebook(mirror: Path):
    book = pl.read_csv(mirror / "owid-co2" / "owid-co2-codebook.csv")
    units = dict(book.select("column", "unit").iter_rows())
    assert {units[c] for c in owid.IN_MT} == {"million tonnes"} | {units["total_ghg"]}
    assert "million tonnes" in units["total_ghg"]
    assert units["primary_energy_consumption"] == "terawatt-hours"
