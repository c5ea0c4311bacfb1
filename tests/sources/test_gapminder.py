from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import citylab as cl
from citylab import tables
from citylab.sources import gapminder

pytestmark = pytest.mark.filterwarnings("ignore::citylab.errors.UsageWarning")
INDICATORS = "gapminder-indicators/gapminder_selected_indicators.csv.gz"


@pytest.fixture(scope="module")
def gdp() -> pl.DataFrame:
    return cl.load("gapminder__yearly_country_gdp").collect()


def test_prices_are_those_of_2015_because_nominal_and_real_meet_there(gdp: pl.DataFrame):
    nominal = cl.load("worldbank__yearly_country_gdp").collect()
    both = gdp.join(nominal, on=["country_code", "year"]).drop_nulls("gdp_usd")
    same = pl.col("gdp_usd2015") / pl.col("gdp_usd") - 1
    met = both.group_by("year").agg((same.abs() < 1e-6).mean().alias("met")).sort("met")
    # the table is newer than the nominal one: where a country was revised since, they do not meet
    assert met["year"][-1] == 2015
    assert met["met"][-1] > 0.5
    assert met["met"][-2] < 0.05


def test_gdp_per_head_of_the_same_source_times_its_people_is_gdp(gdp: pl.DataFrame, raw: Callable[[str], Path]):
    stacked = pl.read_csv(raw(INDICATORS), schema_overrides={"value": pl.Float64})
    per_head = stacked.filter(indicator="gdppercapita_us_inflation_adjusted", geo="chn").select(
        pl.col("time").alias("year"), "value"
    )
    people = cl.load("worldbank__yearly_country_gdp").filter(country_code="CHN").collect()
    china = gdp.filter(country_code="CHN").join(per_head, on="year").join(people, on="year")
    ratio = china["gdp_usd2015"] / china["value"] / china["population_persons"]
    assert china.height > 60
    assert (ratio - 1).abs().max() < 0.001  # type: ignore[operator]


def test_codes_are_iso_codes_and_not_the_publishers_own(gdp: pl.DataFrame):
    assert gdp["country_code"].str.contains("^[A-Z]{3}$").all()
    assert gdp.n_unique(["country_code", "year"]) == gdp.height
    assert not set(gdp["country_name_en"]) & {"Kosovo", "Channel Islands", "World"}


def test_only_one_indicator_of_the_stack_is_read(gdp: pl.DataFrame, raw: Callable[[str], Path]):
    stacked = pl.scan_csv(raw(INDICATORS)).filter(pl.col("indicator") == gapminder.REAL_GDP)
    counted = stacked.filter(~pl.col("geo").is_in(["kos", "chanisl"])).select(pl.len()).collect().item()
    assert gdp.height == counted


@pytest.fixture(scope="module")
def internet() -> pl.DataFrame:
    return cl.load("gapminder__yearly_country_internet").collect()


def test_every_value_of_the_three_indicators_is_kept_and_no_gap_is_filled(
    internet: pl.DataFrame, raw: Callable[[str], Path]
):
    stacked = pl.scan_csv(raw(INDICATORS)).filter(pl.col("geo") != "kos")  # Kosovo has no ISO code
    for theirs, ours in gapminder.INTERNET.items():
        counted = stacked.filter(pl.col("indicator") == theirs).select(pl.len()).collect().item()
        assert internet[ours].count() == counted, theirs


def test_chinas_jump_of_2023_is_a_declared_break_and_not_growth(internet: pl.DataFrame):
    china = dict(internet.filter(country_code="CHN").select("year", "internet_use_itu_pct").iter_rows())
    assert (round(china[2020], 4), china[2023]) == (70.0528, 90.6)
    steps = {year: china[year] - china[year - 1] for year in range(2011, 2024)}
    assert steps[2023] > 2 * max(step for year, step in steps.items() if year != 2023)
    breaks = tables.read("series_breaks").filter(series="internet_use_itu_pct", adcode="CHN")
    assert breaks.select("year_before", "year_after").rows() == [(2022, 2023)]
    # an earlier vintage and CNNIC both say 77.5 for the year in which this one says 90.6
    earlier = cl.load("worldbank__yearly_country_digital").filter(country_code="CHN", year=2023).collect()
    assert earlier["internet_use_itu_pct"].item() == 77.5


def test_china_is_not_the_only_country_that_jumps(internet: pl.DataFrame):
    ghana = dict(internet.filter(country_code="GHA").select("year", "internet_use_itu_pct").iter_rows())
    assert (round(ghana[2019] - ghana[2018], 1), round(ghana[2020] - ghana[2019], 1)) == (-20.9, 40.4)


def test_subscriptions_are_no_people_and_exceed_one_a_head(internet: pl.DataFrame):
    assert internet["mobile_subscriptions_per_100"].max() > 100  # type: ignore[operator]
    assert internet["internet_use_itu_pct"].max() <= 100  # type: ignore[operator]


def test_a_share_by_the_itu_and_one_by_cnnic_do_not_share_a_name():
    cnnic = cl.load("cnnic__halfyearly_country_internet").collect_schema().names()
    assert "internet_use_pct" in cnnic
    assert "internet_use_itu_pct" not in cnnic
