from __future__ import annotations

import pytest

from citylab.policy.levers.building_pv import LEVER

DRAW = {"yield_kwh_kwp": 1200.0, "capex_cny_w": 4.0, "degradation_share": 0.01, "upkeep_share": 0.02,
        "life_years": 20.0, "discount_rate": 0.0, "avoided_cny_kwh": 0.4, "public_share": 0.25}  # fmt: skip


def test_a_gigawatt_by_hand(act) -> None:
    # 1e6 kW x 1200 kWh; 4e9 CNY over 20 years and 2 % upkeep are 2.8e8 a year; 1.2e9 kWh x 0.4 are spared.
    state = act(LEVER, 1.0, **DRAW)
    assert state["pv_kwh"].item() == pytest.approx(1.2e9)
    assert state["resource_cny"].item() == pytest.approx(2.8e8 - 4.8e8)
    assert state["budget_cny"].item() == pytest.approx(-1e9)
    assert state["firm_cny"].item() == pytest.approx(2e8 + 1e9)


def test_modules_age_from_the_year_in_which_they_are_built(act, tiny) -> None:
    # 1 GW two years old, 2 GW one year old, 0.5 GW new: 0.9801 + 2 x 0.99 + 0.5; the grant is for the new ones.
    state = tiny()
    state.history = (1.0, 3.0, 3.5)
    state.previous_value = 3.0
    given = {name: state["pv_kwh"] + number for name, number in DRAW.items()}
    LEVER.apply(state, 3.5, given, 2.0)
    assert state["pv_kwh"].item() == pytest.approx(1.2e9 * (0.9801 + 1.98 + 0.5))
    assert state["budget_cny"].item() == pytest.approx(-0.5e9)


def test_what_is_taken_down_is_the_oldest(act, tiny) -> None:
    state = tiny()
    state.history = (1.0, 3.0, 1.5)
    act(LEVER, 1.5, 2.0, state=state, **DRAW)
    assert state["pv_kwh"].item() == pytest.approx(1.2e9 * 1.5 * 0.99)
