from __future__ import annotations

import pytest

from citylab.policy.levers import lever
from citylab.policy.levers.ets_cap import LEVER

DRAW = {
    "slope_cny_t": 2000.0,
    "triangle_share": 0.5,
    "auction_share": 0.05,
    "floor_cny_t": 20.0,
    "ceiling_cny_t": 150.0,
}


def test_the_last_tonne_sets_the_price_and_the_ceiling_what_is_paid_for_allowances(act) -> None:
    # 10 to 8 Mt is a fifth: 2000 x 0.2 = 400 CNY/t at the margin, 200 on average; 5 % of 8 Mt sold at the ceiling of
    # 150.
    state = act(LEVER, 8.0, **DRAW)
    assert state["industry_co2_t"].item() == 8e6
    assert state["resource_cny"].item() == pytest.approx(2e6 * 200)
    assert state["budget_cny"].item() == pytest.approx(8e6 * 0.05 * 150)
    assert state["firm_cny"].item() == pytest.approx(-4e8 - 6e7)


def test_a_small_cut_still_pays_the_floor(act) -> None:
    # 10 to 9.99 Mt: 2 CNY/t at the margin, 20 for an allowance.
    assert act(LEVER, 9.99, **DRAW)["budget_cny"].item() == pytest.approx(9.99e6 * 0.05 * 20)


def test_a_cap_above_what_is_emitted_costs_and_saves_nothing(act) -> None:
    state = act(LEVER, 12.0, **DRAW)
    assert (state["industry_co2_t"].item(), state["firm_cny"].item(), state["budget_cny"].item()) == (1e7, 0.0, 0.0)


def test_a_cap_of_half_a_year_caps_half_of_the_emissions(act, tiny) -> None:
    # 10 Mt a year: 5 Mt freely, 4 Mt in the half under a cap of 8 Mt a year. Half the cost and half the allowances.
    state = tiny()
    state.days_share = 0.5
    act(LEVER, 8.0, state=state, **DRAW)
    assert state["industry_co2_t"].item() == pytest.approx(9e6)
    assert state["resource_cny"].item() == pytest.approx(1e6 * 200)
    assert state["budget_cny"].item() == pytest.approx(4e6 * 0.05 * 150)


def test_half_way_to_a_cap_half_of_the_cut_is_made_at_half_the_price(act, tiny) -> None:
    state = tiny()
    state.way_share = 0.5
    act(LEVER, 8.0, state=state, **DRAW)
    assert state["industry_co2_t"].item() == pytest.approx(9e6)
    assert state["resource_cny"].item() == pytest.approx(1e6 * 100)


def test_under_a_carbon_price_a_cut_begins_at_that_price_and_no_longer_pays_it(act, tiny) -> None:
    # 10 Mt under a price of 100 to which nobody answers; a cap of 8 cuts a fifth: 100 to 500 CNY/t, 300 on average. The
    # allowances, 5 % of 8 Mt, cost what is beyond the price, up to the ceiling of 150.
    still = {f"{name}_elasticity": 0.0 for name in ("electricity", "petrol", "heat")}
    passed = {f"{name}_pass_share": 1.0 for name in ("electricity", "petrol", "heat")}
    state, price_alone = tiny(), tiny()
    for one in (state, price_alone):
        act(lever("carbon_price"), 100.0, state=one, industry_response=0.0, triangle_share=0.5, **still, **passed)
    act(LEVER, 8.0, state=state, **DRAW)
    assert (state["resource_cny"] - price_alone["resource_cny"]).item() == pytest.approx(2e6 * 300)
    gained = (state["budget_cny"] - price_alone["budget_cny"]).item()
    assert gained == pytest.approx(8e6 * 0.05 * 150 - 2e6 * 100)
    # Industry pays 100 CNY for each tonne that it still emits, no more
    assert (state["firm_cny"] - price_alone["firm_cny"]).item() == pytest.approx(-2e6 * 300 - gained)
