from __future__ import annotations

import pytest

from citylab.policy.levers.broadband_rollout import LEVER

DRAW = {"join_share": 0.1, "service_share": 0.5, "urban_cny_home": 1000.0, "rural_cny_home": 3000.0, "kwh_person": 30.0,
        "discount_rate": 0.0, "life_years": 20.0, "public_share": 0.3}  # fmt: skip


def test_half_of_those_left_are_covered_and_few_of_them_go_online(act) -> None:
    # Left 0, 600, 200. Offline 0.8 and 0.1 of them: 300 x 0.8 x 0.1 and 100 x 0.1 x 0.1 join, half of these do
    # services.
    state = act(LEVER, 0.5, **DRAW)
    assert state["covered_persons"][0] == pytest.approx([1000, 700, 900])
    assert state["online_persons"][0] == pytest.approx([1000, 224, 901])
    assert state["service_persons"][0] == pytest.approx([800, 62, 600.5])


def test_homes_in_the_country_cost_more_and_the_network_draws_electricity(act) -> None:
    # All left live in the country: 600 x 0.5 + 200 x 0.3 homes at 3000 = 1.08e6 CNY. Half over 20 years: 27 000 a year;
    # 400 persons x 30 kWh at 0.8; grant 0.3 of half.
    state = act(LEVER, 0.5, **DRAW)
    assert state["services_electricity_kwh"].item() == pytest.approx(1e7 + 12_000)
    assert state["budget_cny"].item() == pytest.approx(-162_000)
    assert state["firm_cny"].item() == pytest.approx(162_000 - 27_000 - 9600)
