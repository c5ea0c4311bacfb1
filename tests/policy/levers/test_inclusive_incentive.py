from __future__ import annotations

import pytest

from citylab.policy.levers.inclusive_incentive import LEVER

DRAW = {"enrolled_share": 0.2, "recorded_share": 0.7, "car_cross_elasticity": 0.05, "trip_km": 10.0,
        "transit_share": 1.0, "running_share": 0.1}  # fmt: skip


def test_a_reward_of_the_fare_works_like_a_free_ride(act) -> None:
    # Third cell: bus at 1 CNY, reward 1: arc change 2; 0.95 have a phone, a fifth take part: 3e6 x 0.19 x 0.05 x 2 km.
    state = act(LEVER, 1.0, **DRAW)
    assert state["car_km"][0, 2] == pytest.approx(3e6 - 57_000)
    assert state["bus_trips"][0, 2] == pytest.approx(25_700)
    # First cell: metro at 5 CNY: 2 x 0.2 / 1.8.
    assert state["car_km"][0, 0] == pytest.approx(6e6 * (1 - 0.2 * 0.05 * 0.4 / 1.8))


def test_nearly_all_is_paid_for_trips_made_anyway(act) -> None:
    state = act(LEVER, 1.0, **DRAW)
    # 0.19 of the 120 000 green trips there were, and the 5700 new ones, all of people who take part.
    paid = (120_000 * 0.19 + 5700) * 0.7
    # Fuel of 57 000 km saved, 5700 fares paid.
    assert state["household_cny"][0, 2] == pytest.approx(paid + 57_000 * 0.6 - 5700)
    # The new trips took the car's place for a reward of 0.7 on average: half of it makes up for what they lack.
    assert state["comfort_cny"][0, 2] == pytest.approx(-57_000 * 0.6 + 5700 - 5700 * 0.35)
    assert state["household_cny"][0, 2] + state["comfort_cny"][0, 2] == pytest.approx((120_000 * 0.19 + 2850) * 0.7)


def test_who_has_no_smartphone_gets_nothing(act, tiny) -> None:
    state = act(LEVER, 1.0, state=tiny(smartphone_persons=[1000, 0, 0]), **DRAW)
    assert state["household_cny"][0, 1:].tolist() == [0.0, 0.0]
    assert state["household_cny"][0, 0] > 0.0
