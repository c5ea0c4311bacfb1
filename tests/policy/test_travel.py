from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citylab.policy.state import State
from citylab.policy.travel import arc_change, drive, ride_instead


def city() -> State:
    people = {"car_km": [1000.0, 500.0], "ev_share": [0.25, 0.0], "metro_trips": [10.0, 0.0], "bus_trips": [5.0, 2.0]}
    factors = {
        "petrol_cny_km": 0.6, "petrol_tax_cny_km": 0.2, "ev_kwh_km": 0.2, "electricity_cny_kwh": 0.5,
        "metro_fare_cny": 4.0, "bus_fare_cny": 1.0,
    }  # fmt: skip
    cells = {"near_metro": np.array([[True, False]])}
    return State(2030, cells, {n: np.array([v]) for n, v in people.items()}, factors)


def test_a_kilometre_not_driven_spares_its_energy_and_costs_the_purse_its_tax() -> None:
    state = city()
    spent = drive(state, np.array([[-100.0, -10.0]]))
    assert (spent == -state["household_cny"]).all()
    # First: 75 km of petrol at 0.6 and 25 km x 0.2 kWh x 0.5; second: 10 km of petrol.
    assert state["car_km"].tolist() == [[900.0, 490.0]]
    assert state["household_cny"][0] == pytest.approx([47.5, 6.0])
    assert state["budget_cny"].item() == pytest.approx(-85 * 0.2)
    assert state["resource_cny"].item() == pytest.approx(-85 * 0.4 - 2.5)


def test_who_lives_near_a_station_rides_the_metro_and_others_the_bus() -> None:
    state = city()
    paid = ride_instead(state, np.array([[100.0, 20.0]]), trip_km=np.array([[10.0]]), share=np.array([[0.5]]))
    assert state["metro_trips"].tolist() == [[15.0, 0.0]]
    assert state["bus_trips"].tolist() == [[5.0, 3.0]]
    assert state["household_cny"].tolist() == [[-20.0, -1.0]]
    assert paid.tolist() == [[20.0, 1.0]]
    assert state["budget_cny"].item() == 21.0


def test_rides_taken_back_end_at_none_and_no_fare_is_given_back_for_more() -> None:
    state = city()
    ride_instead(state, np.array([[0.0, -100.0]]), trip_km=np.array([[10.0]]), share=np.array([[1.0]]), taken_back=True)
    assert state["bus_trips"].tolist() == [[5.0, 0.0]]
    assert state["household_cny"].tolist() == [[0.0, 2.0]]


@given(st.floats(0.001, 1000))
def test_the_arc_change_of_the_way_back_is_the_opposite(ratio: float) -> None:
    assert arc_change(np.array(1 / ratio)) == pytest.approx(-arc_change(np.array(ratio)), abs=1e-12)
