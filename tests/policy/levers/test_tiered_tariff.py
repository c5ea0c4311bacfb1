from __future__ import annotations

import pytest

from citylab.policy.levers.tiered_tariff import LEVER

DRAW = {"tier_1_cny_kwh": 0.5, "tier_2_cny_kwh": 0.1, "tier_3_cny_kwh": 0.3, "above_share": 0.25, "elasticity": -1.0}


def test_the_lowest_tier_is_left_alone_and_the_others_pay_on_what_lies_above(act) -> None:
    # Threefold: tier 3 pays 0.8 + 0.6 for its last kWh, so 2e6 fall to 2e6 x 0.8/1.4 = 8e6/7; 6e6/7 kWh x 0.8 saved,
    # a quarter of what is used pays 0.6 more. Tier 2: 0.6 + 0.2, 1.5e6 x 0.6/0.8.
    state = act(LEVER, 3.0, perceived_share=1.0, **DRAW)
    assert state["electricity_kwh"][0] == pytest.approx([8e6 / 7, 1e6, 1.125e6])
    more = [8e6 / 7 * 0.25 * 0.6, 0.0, 1.125e6 * 0.25 * 0.2]
    assert state["household_cny"][0] == pytest.approx([6e6 / 7 * 0.8 - more[0], 0.0, 0.375e6 * 0.6 - more[2]])
    assert state["firm_cny"].item() == pytest.approx(sum(more))


def test_who_looks_at_the_mean_price_answers_less(act) -> None:
    # The mean rises by a quarter of 0.6: 2e6 x 0.8 / 0.95.
    assert act(LEVER, 3.0, perceived_share=0.25, **DRAW)["electricity_kwh"][0, 0] == pytest.approx(2e6 * 0.8 / 0.95)


def test_without_surcharges_the_upper_tiers_use_more(act) -> None:
    assert act(LEVER, 0.0, perceived_share=1.0, **DRAW)["electricity_kwh"][0, 0] == pytest.approx(2e6 * 0.8 / 0.5)
