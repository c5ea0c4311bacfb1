from __future__ import annotations

import pytest

from citylab.policy.levers.storage import LEVER


def test_what_is_moved_leaves_the_peak_and_costs_its_losses(act) -> None:
    # A fifth of the peak: 2e5 of 1e6 kWh in the first cell; at 0.8 there and back 5e4 kWh are lost. All: 4.5e5 kWh
    # moved, 1232.9 a day. Battery 1000 CNY/kWh over 10 years: 100 a year each; 4 hours at 400 CNY/kW spare 100 each.
    # What is left is the energy lost, 1.125e5 kWh at 0.4.
    state = act(LEVER, 0.2, round_trip_share=0.8, battery_cny_kwh=1000.0, life_years=10.0, discount_rate=0.0,
                peak_hours=4.0, capacity_cny_kw=400.0, avoided_cny_kwh=0.4, public_share=0.0)  # fmt: skip
    assert state["electricity_kwh"][0] == pytest.approx([2.05e6, 1.025e6, 1.5375e6])
    assert state["peak_share"][0] == pytest.approx([0.8 / 2.05] * 3)
    assert state["firm_cny"].item() == pytest.approx(-45_000)


def test_the_grant_is_a_share_of_the_batteries(act) -> None:
    state = act(LEVER, 0.2, round_trip_share=1.0, battery_cny_kwh=730.0, life_years=10.0, discount_rate=0.0,
                peak_hours=4.0, capacity_cny_kw=0.0, avoided_cny_kwh=0.4, public_share=0.5)  # fmt: skip
    assert state["budget_cny"].item() == pytest.approx(-4.5e5 / 365 * 730 * 0.5)
