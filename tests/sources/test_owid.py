from __future__ import annotations

import math
from pathlib import Path

import polars as pl
import pytest

import citylab as cl
from citylab.carbon.drivers import KAYA, kaya
from citylab.sources import owid

CONTINENTS = ["Africa", "Asia", "Europe", "North America", "Oceania", "South America"]


@pytest.fixture(scope="module")
def countries() -> pl.DataFrame:
    return cl.load("owid__yearly_country_co2").collect()


@pytest.fixture(scope="module")
def regions() -> pl.DataFrame:
    return cl.load("owid__yearly_region_co2").collect()


@pytest.fixture(scope="module")
def energy() -> pl.DataFrame:
    return cl.load("owid__yearly_country_energy").collect()


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


def test_the_world_is_the_continents_and_international_transport(regions: pl.DataFrame, countries: pl.DataFrame):
    world = regions.filter(area_name_en="World").sort("year")
    parts = regions.filter(pl.col("area_name_en").is_in(CONTINENTS)).group_by("year").agg(
        pl.col("co2_t", "population_persons").sum()
    ).sort("year")  # fmt: skip
    assert (parts["population_persons"] / world["population_persons"] - 1).abs().max() < 1e-6  # type: ignore[operator]
    # bunkers of the Global Carbon Budget 2022: 1,249.6 of 37,082.6 Mt in 2019, and 2 to 4 % in any year since 1990
    share = 1 - parts["co2_t"] / world["co2_t"]
    assert share.is_between(0.02, 0.04).all()
    assert world.filter(year=2023)["co2_t"].item() == pytest.approx(37_791.57e6, rel=1e-9)
    own = countries.filter(year=2023)["co2_t"].sum()
    assert own < world.filter(year=2023)["co2_t"].item()


def test_regions_overlap_so_that_their_sum_is_no_world(regions: pl.DataFrame):
    assert set(regions["area_name_en"]) == set(owid.REGIONS)
    one = regions.filter(year=2019)
    assert one["co2_t"].sum() > 2 * one.filter(area_name_en="World")["co2_t"].item()


def test_energy_of_china_in_2023_is_as_another_reader_printed_it(energy: pl.DataFrame):
    china = energy.filter(country_code="CHN", year=2023).row(0, named=True)
    assert china["primary_energy_twh"] == 47_072.012
    assert china["coal_energy_twh"] == 25_181.209
    assert china["electricity_twh"] == 9_456.45
    assert china["renewables_energy_share"] == pytest.approx(0.15505, rel=1e-12)


def test_energy_holds_countries_only(energy: pl.DataFrame):
    assert energy["country_code"].str.contains("^[A-Z]{3}$").all()
    marked = energy.filter(pl.col("country_name_en").str.contains(r"\(|World|Europe$|Union|income|OECD|OPEC"))
    assert set(marked["country_name_en"]) == {"Micronesia (country)"}, "no aggregate of an agency, such as Africa (EI)"
    assert energy.n_unique(["country_code", "year"]) == energy.height


def test_the_fossil_share_is_coal_oil_and_gas_over_primary_energy(energy: pl.DataFrame):
    given = energy.drop_nulls(["fossil_energy_share", "coal_energy_twh"]).filter(pl.col("primary_energy_twh") > 0)
    fossil = given["coal_energy_twh"] + given["oil_energy_twh"] + given["gas_energy_twh"]
    # the publisher's share and its parts come from sources that differ by a point or so; a per cent would be off by 99
    off = (fossil / given["primary_energy_twh"] - given["fossil_energy_share"]).abs()
    assert off.max() < 0.02  # type: ignore[operator]
    assert given.height > 2_500


def test_the_releases_of_2020_and_2026_are_different_vintages(energy: pl.DataFrame, mirror: Path):
    old = cl.load("owid__yearly_country_energy_2020").collect()
    assert old["year"].max() == 2019
    here = {"country_code": "CHN", "year": 2019}
    then, now = (f.filter(**here)["primary_energy_twh"].item() for f in (old, energy))
    assert (then, now) == (39_360.925, 40_188.723)
    assert not {"MMR", "CIV"} & set(old["country_code"]), "these have no code in the older release"
    assert {"MMR", "CIV"} <= set(energy["country_code"])
    assert set(old.filter(country_code="CZE")["country_name_en"]) == {"Czech Republic"}, "it is there as Czechia too"


def test_the_energy_of_the_emissions_table_is_a_third_vintage(energy: pl.DataFrame, countries: pl.DataFrame):
    both = energy.join(countries, on=["country_code", "year"], suffix="_co2")
    italy = both.filter(country_code="ITA", year=1990).row(0, named=True)
    assert (italy["primary_energy_twh"], italy["primary_energy_twh_co2"]) == (2_152.229, 1_854.886)
    large = both.filter(pl.col("primary_energy_twh_co2") > 1_000)
    off = (large["primary_energy_twh"] / large["primary_energy_twh_co2"] - 1).abs()
    assert off.median() < 1e-4  # type: ignore[operator]


def test_years_without_primary_energy_are_empty_and_not_zero(energy: pl.DataFrame):
    assert energy.filter(year=2025)["primary_energy_twh"].null_count() == energy.filter(year=2025).height
    assert energy.filter(year=2025)["electricity_twh"].count() > 0
    assert energy.filter(year=2024)["primary_energy_twh"].count() == 79


def kaya_of(rows: pl.DataFrame, **options: object) -> pl.DataFrame:
    quantities = ["population_persons", "gdp_usd2011", "primary_energy_twh", "co2_t"]
    whole = rows.drop_nulls(quantities).filter(pl.all_horizontal(pl.col(quantities) > 0))
    return kaya(whole, gdp="gdp_usd2011", prices="constant-2011", **options)  # type: ignore[arg-type]


def test_kayas_identity_closes_for_china_year_by_year(countries: pl.DataFrame):
    china = countries.filter(country_code="CHN")
    told = kaya_of(china)
    steps = told.group_by("from", "to").agg(pl.col("effect").sum(), pl.col("total_change").first()).sort("from")
    assert steps["from"].to_list() == list(range(1990, 2022)), "GDP ends in 2022"
    assert (steps["effect"] - steps["total_change"]).abs().max() < 1e-9 * china["co2_t"].max()  # type: ignore[operator]
    whole = told.filter(to=2022)["cumulative"].sum()
    ends = {y: china.filter(year=y)["co2_t"].item() for y in (1990, 2022)}
    assert whole == pytest.approx(ends[2022] - ends[1990], rel=1e-9)
    assert told["crosses_break"].is_null().all(), "no breaks were looked for"


def test_kayas_factors_of_china_are_those_of_plain_arithmetic(countries: pl.DataFrame):
    first, last = (countries.filter(country_code="CHN", year=y).row(0, named=True) for y in (1990, 2022))
    told = dict(kaya_of(countries.filter(country_code="CHN"), chained=False).select("factor", "effect").iter_rows())

    def ratio(over: str, under: str | None) -> float:
        return math.log((last[over] / (last[under] if under else 1)) / (first[over] / (first[under] if under else 1)))

    weight = (last["co2_t"] - first["co2_t"]) / math.log(last["co2_t"] / first["co2_t"])
    chain = [None, "population_persons", "gdp_usd2011", "primary_energy_twh", "co2_t"]
    by_hand = {k: weight * ratio(str(b), a) for k, a, b in zip(KAYA, chain[:-1], chain[1:], strict=True)}
    assert told == pytest.approx(by_hand, rel=1e-9)
    assert told["gdp_per_head"] > 0 > told["energy_per_gdp"], "growth drove, efficiency held back"


def test_kayas_identity_closes_for_every_country_at_once(countries: pl.DataFrame):
    told = kaya_of(countries, group="country_code")
    assert told["country_code"].n_unique() > 150
    steps = told.group_by("country_code", "from").agg(pl.col("effect").sum(), pl.col("total_change").first())
    most = countries.group_by("country_code").agg(pl.col("co2_t").max())
    residual = (pl.col("effect") - pl.col("total_change")).abs() / pl.col("co2_t")
    assert steps.join(most, on="country_code").select(residual.max()).item() < 1e-9


def test_kaya_of_the_world_uses_the_years_that_have_gdp_and_says_nothing_of_others(regions: pl.DataFrame):
    told = kaya_of(regions.filter(area_name_en="World"))
    assert told["from"].unique().sort().to_list() == [1990, 2000, 2010, *range(2015, 2022)]
    whole = told.filter(to=2022)["cumulative"].sum()
    co2 = {y: regions.filter(area_name_en="World", year=y)["co2_t"].item() for y in (1990, 2022)}
    assert whole == pytest.approx(co2[2022] - co2[1990], rel=1e-9)
