from __future__ import annotations

import pytest

from citylab.policy.levers.tiered_tariff import LEVER

DRAW = {"tier_1_cny_kwh": 0.5, "tier_2_cny_kwh": 0.1, "tier_3_cny_kwh": 0.3, "above_share": 0.25, "elasticity": -1.0}


def test_the_lowest_tier_is_left_alone_and_the_others_pay_on_what_lies_above(act) -> None:
    # Surcharges by half: tier 3 pays 0.8 + 0.15 for its last kWh, so 2e6 fall by 3/19; 0.8 each is saved. A quarter was
    # above the limit, and what is saved comes off it: the rest pays 0.15 more. Tier 2: 0.6 + 0.05, 1.5e6 fall by 1/13.
    state = act(LEVER, 1.5, perceived_share=1.0, **DRAW)
    assert state["electricity_kwh"][0] == pytest.approx([2e6 * 16 / 19, 1e6, 1.5e6 * 12 / 13])
    more = [2e6 * (1 / 4 - 3 / 19) * 0.15, 0.0, 1.5e6 * (1 / 4 - 1 / 13) * 0.05]
    saved = [2e6 * 3 / 19 * 0.8, 0.0, 1.5e6 / 13 * 0.6]
    assert state["household_cny"][0] == pytest.approx([s - m for s, m in zip(saved, more, strict=True)])
    assert state["firm_cny"].item() == pytest.approx(sum(more))
    # A kWh given up was worth 0.8 and half of 0.15, or 0.6 and half of 0.05.
    assert state["comfort_cny"][0] == pytest.approx([-2e6 * 3 / 19 * 0.875, 0.0, -1.5e6 / 13 * 0.625])


def test_who_saves_all_that_lay_above_the_limit_pays_no_surcharge_more(act) -> None:
    # Threefold: 0.8 + 0.6, 2e6 x 0.8/1.4 are left; three sevenths are given up, a quarter was above.
    state = act(LEVER, 3.0, perceived_share=1.0, **DRAW)
    assert state["electricity_kwh"][0] == pytest.approx([8e6 / 7, 1e6, 1.125e6])
    assert state["firm_cny"].item() == 0.0


def test_who_looks_at_the_mean_price_answers_less(act) -> None:
    # The mean rises by a quarter of 0.6: 2e6 x 0.8 / 0.95.
    state = act(LEVER, 3.0, perceived_share=0.25, **DRAW)
    assert state["electricity_kwh"][0, 0] == pytest.approx(2e6 * 0.8 / 0.95)
    # What they answer to is a rise of 0.15, and so much they show their last kWh to be worth more.
    assert state["comfort_cny"][0, 0] == pytest.approx(-2e6 * 0.15 / 0.95 * 0.875)


def test_without_surcharges_the_upper_tiers_use_more(act) -> None:
    assert act(LEVER, 0.0, perceived_share=1.0, **DRAW)["electricity_kwh"][0, 0] == pytest.approx(2e6 * 0.8 / 0.5)
