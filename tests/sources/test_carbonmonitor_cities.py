"""What Carbon Monitor's cities lack: a sum over years compares like with like only where every sector is there."""

from __future__ import annotations

import polars as pl
import pytest

import citylab as cl

pytestmark = pytest.mark.filterwarnings("ignore::citylab.errors.UsageWarning")


@pytest.fixture(scope="module")
def cities() -> pl.DataFrame:
    return cl.load("carbonmonitor__yearly_city_co2").collect()


def test_the_file_holds_half_of_the_cities_of_the_paper(cities: pl.DataFrame):
    assert cities["city_locode"].n_unique() == 806, "the paper has 1,500"
    assert cities.filter(city_name_en="Beijing")["sector"].n_unique() == 5


def test_a_hundred_cities_gain_aviation_in_2021_which_is_no_growth(cities: pl.DataFrame):
    flown = {y: set(cities.filter(year=y, sector="aviation")["city_locode"]) for y in (2019, 2020, 2021)}
    assert flown[2019] == flown[2020] < flown[2021]
    assert (len(flown[2020]), len(flown[2021])) == (698, 801)
    # comparing all rows counts the newcomers as growth; comparing the same cities and sectors does not
    everything = cities.filter(pl.col("year") > 2019)
    same = everything.filter(pl.len().over("city_locode", "sector") == 2)
    rise = [f.filter(year=2021)["co2_t"].sum() / f.filter(year=2020)["co2_t"].sum() for f in (everything, same)]
    assert rise[0] > rise[1] > 1


def test_power_is_missing_for_a_fifth_and_no_zero_stands_for_it(cities: pl.DataFrame):
    assert cities.filter(sector="power")["city_locode"].n_unique() == 653
    assert cities.filter(pl.col("co2_t") == 0).is_empty()


def test_the_mapping_calls_power_plants_auxiliary_use(cities: pl.DataFrame):
    mapped = dict(cities.select("sector", "gpc_ref").unique().iter_rows())
    assert mapped["power"] == "I.4.1", "so that a sum by gpc_ref would count it in BASIC beside scope 2"
    assert mapped["industry"] == "IV.1", "fuel burnt in industry belongs to I.3.1"
