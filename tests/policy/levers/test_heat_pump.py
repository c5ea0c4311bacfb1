from __future__ import annotations

import pytest

from citylab.policy.levers.heat_pump import LEVER


def test_half_of_what_is_left_is_switched_and_bills_are_those_of_heat_and_electricity(act) -> None:
    # A GJ costs 90 CNY burnt and 100 kWh x 0.5 = 50 by pump: 40 saved; capital 800 over 16 years is 50 a year. The
    # first cell switches 5000 GJ and loses 10 CNY on each.
    state = act(LEVER, 0.5, capex_cny_gj=800.0, discount_rate=0.0, life_years=16.0, public_share=0.0)
    assert state["heat_pump_share"][0] == pytest.approx([0.5, 0.75, 0.625])
    assert state["household_cny"][0, 0] == pytest.approx(-50_000)
    # Offices: 5000 GJ x 0.9 x 0.5 = 2250 GJ; 90 - 100 x 0.8 = 10 saved against 50.
    assert state["firm_cny"].item() == pytest.approx(-2250 * 40)


def test_the_public_purse_pays_its_share_of_the_capital(act) -> None:
    state = act(LEVER, 1.0, capex_cny_gj=800.0, discount_rate=0.0, life_years=16.0, public_share=0.5)
    # 10 000 + 4000 + 9000 GJ of homes and 4500 of offices
    assert state["budget_cny"].item() == pytest.approx(-27_500 * 800 * 0.5)
