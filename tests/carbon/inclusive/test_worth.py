"""What a credit is worth, and whether published totals add up."""

from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citylab import tables
from citylab.carbon.inclusive import worth
from citylab.errors import RangeError, SchemaError, UnknownNameError

M = "beijing-travel-2024"
SHARES = {"walk": 31.2, "cycle": 15.5, "bus": 11.7, "metro": 14.7}
KM = {"walk": 1.0, "cycle": 2.0, "bus": 6.0, "metro": 12.0}


def test_a_metro_trip_of_six_and_a_half_kilometres_is_worth_less_than_five_fen_at_a_hundred_yuan() -> None:
    trips = worth.expected_co2_kg({"metro": 1}, {"metro": 6.5}, methodology=M)
    assert trips["reduction_co2_kg"].item() == pytest.approx(0.468, abs=1e-9)
    paid = worth.value(trips.lazy(), price_cny_t=100, credit="reduction_co2_kg").collect()
    assert paid["value_cny"].item() == pytest.approx(0.0468, abs=1e-9)


def test_the_mean_trip_is_the_sum_of_what_its_modes_bring() -> None:
    told = worth.expected_co2_kg(SHARES, KM, methodology=M)
    # (31.2 x 0.104 x 1 + 15.5 x 0.0953 x 2 + 11.7 x 0.052 x 6 + 14.7 x 0.072 x 12) / 73.1
    by_hand = (31.2 * 0.104 + 15.5 * 0.1906 + 11.7 * 0.312 + 14.7 * 0.864) / 73.1
    assert told["contribution_co2_kg"].sum() == pytest.approx(by_hand, abs=1e-12)
    assert told["trip_share"].sum() == pytest.approx(1)
    assert set(told["mark"]) == {"secondary"}


def test_the_published_total_is_more_than_a_kilogram_a_trip() -> None:
    facts = tables.read("inclusive_published")
    tonnes = facts.filter(quantity="reduction", bound="more than")["value"].item()
    trips = math.prod(facts.filter(pl.col("quantity").is_in(["green_trips_per_year", "years"]))["value"])
    assert worth.per_trip_co2_kg(tonnes, trips) == pytest.approx(1.2308, abs=1e-4)


def test_each_explanation_alone_reproduces_the_total() -> None:
    tonnes, trips, mean = 400_000.0, 325e6, 0.4
    needed = dict(worth.explanations(tonnes, trips, mean, methodology=M).select("code", "needed").iter_rows())
    kg = tonnes * 1000
    assert trips * mean * needed["longer_trips"] == pytest.approx(kg)
    assert trips * needed["all_metro"] * (0.104 - 0.032) == pytest.approx(kg)
    assert trips * needed["car_baseline"] * (0.216 - 0.032) == pytest.approx(kg)
    assert needed["more_trips"] * mean == pytest.approx(kg)
    assert trips * mean + needed["other_acts"] * kg == pytest.approx(kg)


def test_a_total_that_the_factors_explain_needs_no_other_acts() -> None:
    needed = dict(worth.explanations(100, 1e6, 0.5, methodology=M).select("code", "needed").iter_rows())
    assert needed["other_acts"] is None
    assert needed["longer_trips"] == pytest.approx(0.2)


@given(st.floats(0.001, 100), st.floats(0.001, 100))
def test_at_the_breakeven_price_the_credit_pays_the_incentive(incentive: float, kg: float) -> None:
    price = worth.breakeven_price_cny_t(incentive, kg)
    paid = worth.value(pl.DataFrame({"credit_co2_kg": [kg]}), price_cny_t=price)
    assert paid["value_cny"].item() == pytest.approx(incentive)


def test_no_declared_price_is_one_of_carbon_inclusive_credits() -> None:
    assert worth.prices().filter(pl.col("price_id") != "round")["mark"].eq("verified").all()
    assert worth.prices()["price_cny_t"].is_between(20, 150).all()


@pytest.mark.parametrize("bad", [0, -1, float("nan"), float("inf"), True, "1"])
def test_a_number_that_cannot_be_is_refused(bad: object) -> None:
    with pytest.raises(RangeError, match="above 0"):
        worth.per_trip_co2_kg(bad, 1)  # type: ignore[arg-type]
    with pytest.raises(RangeError, match="above 0"):
        worth.breakeven_price_cny_t(1, bad)  # type: ignore[arg-type]


def test_what_is_missing_is_told() -> None:
    with pytest.raises(UnknownNameError, match="Unknown act of beijing-travel-2024 'metr'"):
        worth.expected_co2_kg({"metr": 1}, {"metr": 1}, methodology=M)
    with pytest.raises(SchemaError, match="No distance"):
        worth.expected_co2_kg({"metro": 1}, {}, methodology=M)
    with pytest.raises(SchemaError, match="not known"):
        worth.expected_co2_kg({"carpool": 1}, {"carpool": 5}, methodology=M)
    with pytest.raises(RangeError, match="Shares are"):
        worth.expected_co2_kg({"metro": -1}, {"metro": 5}, methodology=M)
    with pytest.raises(UnknownNameError, match="no act 'metro'"):
        worth.explanations(1, 1, 1, methodology="beijing-ev-2025")
    with pytest.raises(RangeError, match="price"):
        worth.value(pl.DataFrame({"credit_co2_kg": [1.0]}), price_cny_t=-1)
    with pytest.raises(SchemaError, match="credit_co2_kg"):
        worth.value(pl.DataFrame({"x": [1.0]}), price_cny_t=1)
