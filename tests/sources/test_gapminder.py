from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import citylab as cl
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
