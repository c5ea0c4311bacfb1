from __future__ import annotations

import csv
import gzip
from pathlib import Path

import polars as pl
import pytest

import citylab as cl
from citylab.errors import DataError
from citylab.sources import gcb

pytestmark = pytest.mark.filterwarnings("ignore::citylab.errors.UsageWarning")
HEAD = "account,country,year,mtc,mtco2\n"


@pytest.fixture(scope="module")
def budget(mirror: Path) -> pl.DataFrame:
    return cl.load("gcb__yearly_country_co2").collect()


def test_china_and_the_world_are_as_another_reader_printed_them(budget: pl.DataFrame):
    china = budget.filter(country_name_en="China", year=2019).row(0, named=True)
    assert china["co2_t"] == pytest.approx(10_740.9961e6, abs=60)
    assert china["consumption_co2_t"] == pytest.approx(9_959.1695e6, abs=60)
    world = budget.filter(country_name_en="World", year=2021)["co2_t"].item()
    assert world == pytest.approx(37_123.8504e6, abs=60)


def test_carbon_becomes_co2_by_the_publishers_own_factor(budget: pl.DataFrame):
    # 10,120.785745 Mt C of the world in 2019: 3.664 gives 37,082.559, 44/12 would give 37,109.548
    world = budget.filter(country_name_en="World", year=2019)["co2_t"].item()
    assert world == pytest.approx(37_082.559e6, rel=1e-8)


def test_only_countries_bunkers_and_the_balance_make_the_world(budget: pl.DataFrame):
    def of(name: str) -> pl.DataFrame:
        return budget.filter(country_name_en=name).sort("year")["co2_t"].fill_null(0.0)

    parts = budget.filter("is_country").group_by("year").agg(pl.col("co2_t").sum()).sort("year")
    missing = of("World") - parts["co2_t"] - of("Bunkers") - of("Statistical Difference")
    since = parts["year"] >= 1980
    assert missing.filter(since).abs().max() < 0.1e6 * 3.664  # type: ignore[operator]
    everything = budget.filter(year=2019)["co2_t"].sum()
    assert everything > 3 * budget.filter(year=2019, country_name_en="World")["co2_t"].item(), "groups overlap"


def test_names_that_are_no_country_stand_beside_countries_every_year(budget: pl.DataFrame):
    others = budget.filter(~pl.col("is_country"), year=2019)
    assert set(others["country_name_en"]) == set(gcb.NO_COUNTRIES)
    assert {"China", "Hong Kong", "Macao", "Taiwan", "USA"} <= set(budget.filter("is_country")["country_name_en"])


def test_emissions_by_consumption_end_a_year_earlier_for_countries(budget: pl.DataFrame):
    given = budget.drop_nulls("consumption_co2_t")
    assert (given["year"].min(), given.filter("is_country")["year"].max()) == (1990, 2020)
    assert set(given.filter(year=2021)["country_name_en"]) == {"World", "Bunkers"}


def test_what_nobody_can_consume_is_made_empty(budget: pl.DataFrame, mirror: Path):
    path = mirror / "global-carbon-budget" / "gcb2022_national_fossil_co2.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        below = {(r["country"], int(r["year"])) for r in csv.DictReader(file) if float(r["mtc"]) < 0}
    assert below == {("Panama", y) for y in (2003, 2004, 2005, 2006, 2011, 2012, 2013)} | {("Venezuela", 2018)}
    for country, year in below:
        row = budget.filter(country_name_en=country, year=year).row(0, named=True)
        assert row["consumption_co2_t"] is None
        assert row["co2_t"] > 0


def test_another_release_is_refused_rather_than_repaired(tmp_path: Path):
    file = tmp_path / "gcb.csv"
    file.write_text(HEAD + "territorial,Panama,2003,1.0,3.664\nconsumption,Panama,2003,-0.1,-0.3664\n")
    with pytest.raises(DataError, match="another edition"):
        gcb.parse_countries([file])


def test_a_country_that_stands_twice_in_an_account_is_refused(tmp_path: Path):
    file = tmp_path / "gcb.csv"
    file.write_text(HEAD + "territorial,Panama,2003,1.0,3.664\nterritorial,Panama,2003,2.0,7.328\n")
    with pytest.raises(pl.exceptions.PolarsError):
        gcb.parse_countries([file]).collect()


def test_this_vintage_is_not_that_of_our_world_in_data(budget: pl.DataFrame):
    other = cl.load("owid__yearly_country_co2").filter(country_code="CHN", year=2019).collect()["co2_t"].item()
    here = budget.filter(country_name_en="China", year=2019)["co2_t"].item()
    assert round(here / 1e6) == 10_741
    assert round(other / 1e6) == 10_714
