from __future__ import annotations

import numpy as np
import pytest

from citylab.policy.levers.building_retrofit import LEVER


def test_half_the_buildings_save_their_share_and_the_grant_comes_with_the_building(act) -> None:
    # Saved 0.5 x 0.3 x (1 - 0.1) = 0.135. First cell: 10 000 GJ / 0.25 = 40 000 m2 at 300 = 1.2e7 CNY; half of it
    # over 20 years without interest is 3e5 a year; 1350 GJ x 90 CNY saved; grant 0.5 x 1.2e7 x 0.4 = 2.4e6 in the
    # first year.
    state = act(LEVER, 0.5, saving_share=0.3, rebound_share=0.1, heat_gj_m2=0.25, cost_cny_m2=300.0, discount_rate=0.0,
                life_years=20.0, public_share=0.4)  # fmt: skip
    assert state["heat_gj"][0] == pytest.approx([8650, 6920, 10_380])
    assert state["public_heat_gj"].item() == pytest.approx(4325)
    assert state["household_cny"][0, 0] == pytest.approx(-3e5 + 121_500 + 2.4e6)
    assert state["budget_cny"].item() == pytest.approx(-(30_000 + 5000) / 0.25 * 300 * 0.5 * 0.4)
    # A tenth of what is saved goes into warmth: 150 GJ at the old walls' 150 / 0.7 of warmth. A GJ of it cost 90 and
    # costs 63 now, 76.5 half-way. Public buildings take half as much as the first cell, a tenth of it by pumps, where a
    # GJ costs 100 kWh x 0.8 = 80: the mean of 89 is 75.65 half-way.
    assert state["comfort_cny"][0, 0] == pytest.approx(150 / 0.7 * 76.5)
    assert state["firm_comfort_cny"].item() == pytest.approx(75 / 0.7 * 75.65)
    assert state["comfort_cny"][0, 0] > 150 * 90, "more than the heat for it costs"


def test_the_grant_is_paid_once(act, tiny) -> None:
    later = tiny()
    later.previous_value = 0.5
    draw = {"saving_share": 0.3, "rebound_share": 0.1, "heat_gj_m2": 0.25, "cost_cny_m2": 300.0, "discount_rate": 0.0,
            "life_years": 20.0, "public_share": 0.4}  # fmt: skip
    LEVER.apply(later, 0.5, {k: np.array([[v]]) for k, v in draw.items()}, 1.0)
    assert later["budget_cny"].item() == 0.0


def test_heat_that_pumps_deliver_spares_what_their_electricity_costs(act, tiny) -> None:
    # All by pump: a GJ takes 100 kWh x 0.5 = 50 CNY, not 90. First cell: 0.3 x 0.5 x 10 000 = 1500 GJ saved.
    draw = {"saving_share": 0.3, "rebound_share": 0.0, "heat_gj_m2": 0.25, "cost_cny_m2": 0.0, "discount_rate": 0.0,
            "life_years": 20.0, "public_share": 0.0}  # fmt: skip
    state = act(LEVER, 0.5, state=tiny(heat_pump_share=[1.0, 1.0, 1.0]), **draw)
    assert state["household_cny"][0, 0] == pytest.approx(1500 * 50)
    # 0.3 x 0.5 x 5000 GJ of public buildings, a tenth by pump: 0.9 x 90 + 0.1 x 80 CNY each
    assert state["firm_cny"].item() == pytest.approx(750 * 89)
