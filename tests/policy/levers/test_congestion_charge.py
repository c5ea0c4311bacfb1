from __future__ import annotations

import pytest

from citylab.policy.levers.congestion_charge import LEVER

DRAW = {"elasticity": -1.0, "trip_cost_cny": 50.0, "cordon_share": 0.1, "decile_tilt": 0.5, "trip_km": 15.0,
        "transit_share": 0.6, "triangle_share": 0.5, "running_share": 0.2}  # fmt: skip


def test_a_charge_that_doubles_the_cost_of_a_trip_halves_the_trips_into_the_centre(act) -> None:
    # Decile 10: 0.1 x 1.5 of 6e6 km lead into the centre, 9e5; decile 5: 0.1 x (1 - 0.5 x 0.5/4.5) of 3e6.
    fifth = 3e5 * (1 - 0.25 / 4.5)
    state = act(LEVER, 50.0, **DRAW)
    assert state["car_km"][0] == pytest.approx([6e6 - 4.5e5, 0, 3e6 - fifth / 2])
    trips = (4.5e5 + fifth / 2) / 15
    # Those who go on pay 50 each, a fifth is spent on the cordon.
    fuel_tax = -(4.5e5 * 0.8 + fifth / 2) * 0.2
    fares = 4.5e5 / 15 * 0.6 * 5 + fifth / 2 / 15 * 0.6 * 1
    assert state["budget_cny"].item() == pytest.approx(trips * 50 * 0.8 + fuel_tax + fares)
    in_place = fifth / 2 * 0.6 - fifth / 2 / 15 * 0.6
    assert state["household_cny"][0, 2] == pytest.approx(-fifth / 2 / 15 * 50 + in_place)
    # Those who stay away lose 25 each, after all: fuel saved and fares paid are part of it already.
    assert state["comfort_cny"][0, 2] == pytest.approx(-fifth / 2 / 15 * 25 - in_place)


def test_who_has_no_car_pays_nothing(act) -> None:
    assert act(LEVER, 50.0, **DRAW)["household_cny"][0, 1] == 0.0


def test_stockholm_is_met_where_its_charge_adds_a_third_to_the_cost(act) -> None:
    # Traffic over the cordon -22 % (Eliasson 2014) follows from the elasticity -0.85 (Börjesson et al. 2012) if the
    # charge adds 34 % to the cost of a trip: 1.34 ** -0.85 = 0.78.
    state = act(LEVER, 17.0, **(DRAW | {"elasticity": -0.85, "cordon_share": 1.0, "decile_tilt": 0.0}))
    assert state["car_km"][0, 0] / 6e6 == pytest.approx(0.78, abs=0.002)
