from __future__ import annotations

import pytest

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
