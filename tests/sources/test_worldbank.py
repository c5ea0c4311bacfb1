from __future__ import annotations

import csv
from pathlib import Path

import polars as pl
import pytest

import citylab as cl
from citylab import tables

pytestmark = pytest.mark.filterwarnings("ignore::citylab.errors.UsageWarning")


@pytest.fixture(scope="module")
def countries() -> pl.DataFrame:
    return cl.load("worldbank__yearly_country_gdp").collect()


def test_china_is_as_another_reader_printed_it(countries: pl.DataFrame):
    assert countries.filter(country_code="CHN", year=2023)["gdp_usd"].item() == 17_794_781_986_104.457
    assert countries.filter(country_code="CHN", year=2020)["population_persons"].item() == 1_411_100_000


def test_people_of_countries_add_up_to_the_publishers_world(countries: pl.DataFrame, mirror: Path):
    with open(mirror / "worldbank-gdp-population" / "population.csv", encoding="utf-8-sig", newline="") as file:
        world = {int(r["Year"]): float(r["Value"]) for r in csv.DictReader(file) if r["Country Code"] == "WLD"}
    own = dict(countries.group_by("year").agg(pl.col("population_persons").sum()).iter_rows())
    assert set(own) == set(world)
    for year, persons in world.items():
        assert own[year] == pytest.approx(persons, rel=0.005), year


def test_groups_of_countries_are_left_out_and_nothing_else(countries: pl.DataFrame, mirror: Path):
    groups = set(tables.read("worldbank_aggregates")["group_code"])
    found: set[str] = set()
    for name in ("gdp_current_usd", "population"):
        with open(mirror / "worldbank-gdp-population" / f"{name}.csv", encoding="utf-8-sig", newline="") as file:
            found |= {r["Country Code"] for r in csv.DictReader(file)}
    assert groups <= found
    assert set(countries["country_code"]) == found - groups
    # every code that is kept is a country of another source, or one of these territories that it lacks
    others = set(cl.load("owid__yearly_country_co2").collect()["country_code"])
    apart = {"ASM", "CHI", "CYM", "GIB", "GUM", "IMN", "MAF", "MNP", "PRI", "VIR", "XKX"}
    assert set(countries["country_code"]) - others <= apart


def test_a_code_has_one_name_although_the_files_differ(countries: pl.DataFrame):
    assert countries.group_by("country_code").agg(pl.col("country_name_en").n_unique())["country_name_en"].max() == 1
    assert set(countries.filter(country_code="PRI")["country_name_en"]) == {"Puerto Rico (US)"}


def test_gdp_ends_a_year_before_the_people_and_is_empty_there(countries: pl.DataFrame):
    assert countries.drop_nulls("gdp_usd")["year"].max() == 2023
    assert countries.drop_nulls("population_persons")["year"].max() == 2024
    assert countries.filter(year=2024)["gdp_usd"].null_count() == countries.filter(year=2024).height


def test_current_dollars_are_no_measure_of_growth(countries: pl.DataFrame):
    def growth(frame: pl.DataFrame, column: str) -> float:
        first, last = (frame.filter(country_code="CHN", year=y)[column].item() for y in (2021, 2023))
        return float(last / first - 1)

    real = cl.load("gapminder__yearly_country_gdp").collect()
    # published real growth of China: 2022 some 3 %, 2023 some 5 %, while the yuan fell against the dollar
    assert growth(countries, "gdp_usd") < 0
    assert 0.06 < growth(real, "gdp_usd2015") < 0.10


@pytest.fixture(scope="module")
def digital() -> pl.DataFrame:
    return cl.load("worldbank__yearly_country_digital").collect()


def test_regions_among_the_digital_indicators_are_left_out_and_all_that_is_left_is_a_country(
    digital: pl.DataFrame, countries: pl.DataFrame, mirror: Path
):
    with open(mirror / "worldbank-digital" / "worldbank_digital_2010_2024.csv", encoding="utf-8", newline="") as file:
        found = {row["country"] for row in csv.DictReader(file)}
    assert found - set(digital["country_code"]) == found & set(tables.read("worldbank_aggregates")["group_code"])
    assert set(digital["country_code"]) <= set(countries["country_code"])


def test_china_online_is_as_another_reader_printed_it(digital: pl.DataFrame):
    china = dict(digital.filter(country_code="CHN").select("year", "internet_use_itu_pct").iter_rows())
    assert {year: china[year] for year in range(2020, 2024)} == {2020: 70.1, 2021: 73.1, 2022: 75.6, 2023: 77.5}
    last = digital.filter(country_code="CHN", year=2023).row(0, named=True)
    assert round(last["fixed_broadband_per_100"], 1) == 44.7


def test_two_vintages_of_internet_use_agree_to_rounding_before_the_revisions_and_not_after(digital: pl.DataFrame):
    newer = cl.load("gapminder__yearly_country_internet").collect()
    both = digital.join(newer, on=["country_code", "year"], suffix="_new").drop_nulls(
        ["internet_use_itu_pct", "internet_use_itu_pct_new"]
    )
    apart = (pl.col("internet_use_itu_pct") - pl.col("internet_use_itu_pct_new")).abs()
    # the older table is rounded to one decimal: half of 0.1
    assert both.filter(pl.col("year") <= 2021).select(apart.max()).item() <= 0.05 + 1e-9
    assert both.filter(pl.col("year") > 2021).select(apart.max()).item() > 10


def test_the_last_year_of_the_digital_indicators_is_no_year_of_the_world(digital: pl.DataFrame):
    assert sorted(digital.filter(year=2024)["country_code"]) == ["AUT", "LUX", "TUR"]
