from __future__ import annotations

import numpy as np
import pytest

from citylab.policy.levers import lever
from citylab.policy.levers.base import central_of

FARE = lever("transit_fare")


def test_half_a_fare_by_hand(world):
    # Arc change 2 (0.5 - 1) / 1.5 = -2/3; trips x (1 + 0.3 x 2/3) = 1.2; car kilometres x (1 - 0.05 x 2/3)
    state = world.state(2030)
    before = {n: state.total(n).item() for n in ("metro_trips", "bus_trips", "car_km")}
    price, kwh = state["metro_fare_cny"].item(), state["metro_kwh_trip"].item()
    FARE.apply(state, 0.5, central_of(FARE.priors), 0.0)
    assert state.total("metro_trips").item() == pytest.approx(1.2 * before["metro_trips"])
    assert state.total("car_km").item() == pytest.approx(before["car_km"] * (1 - 0.05 * 2 / 3))
    # 0.4 of the 20 % added riders make trains run
    used = state.total("metro_trips").item() * state["metro_kwh_trip"].item()
    assert used == pytest.approx(before["metro_trips"] * kwh * 1.08)
    # Takings fall from 1 to 1.2 x 0.5 of the old; running trains for 8 % more costs 5 CNY a trip; fuel taxes are lost
    trips = before["metro_trips"] + before["bus_trips"]
    fares = 0.4 * (before["metro_trips"] * price + before["bus_trips"] * world.reference.level("bus_fare_cny", 2030))
    petrol = before["car_km"] * 0.05 * 2 / 3 * (1 - world.reference.level("ev_share", 2030))
    assert state["budget_cny"].item() == pytest.approx(-fares - 0.08 * trips * 5 - petrol * 0.18)
    # Money and comfort together: half a fare on each ride there was, half of that on each of the 20 % added. Driving
    # saved leaves nothing over: those kilometres were worth what they cost.
    gained = (0.5 + 0.2 * 0.25) * fares / 0.4
    assert state.total("household_cny").item() + state.total("comfort_cny").item() == pytest.approx(gained)


def test_more_costs_the_traveller_more_and_saves_no_one_trips_beyond_all(world):
    for value in (0.0, 0.7, 1.3, 2.0):
        state = world.state(2030)
        FARE.apply(state, value, central_of(FARE.priors), 0.0)
        assert np.sign(state.total("household_cny").item()) == np.sign(1 - value)
        assert state.total("metro_trips").item() > 0
