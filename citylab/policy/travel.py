"""What fewer or more kilometres by car, and trips by metro and bus instead, do to the state and to its money.

Levers on driving share these bookings, so that a kilometre saved costs and spares the same whatever saved it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from citylab.policy.levers.base import Array

if TYPE_CHECKING:
    from citylab.policy.state import State

TOUCHES = ("car_km", "metro_trips", "bus_trips", "household_cny", "budget_cny", "resource_cny", "comfort_cny")
"""Names of the state that a lever on driving changes, with the comfort that it books for trips given up."""


def drive(state: State, more_km: Array) -> Array:
    """Add kilometres by car, at each cell's share of electric ones; book energy as used up and its taxes as given.

    Parameters
    ----------
    state
        Changed in place.
    more_km
        Kilometres of the year, shape (draws or 1, cells); negative are fewer. Never more than a cell drives.

    Returns
    -------
    numpy.ndarray
        What households pay more for energy with its taxes, CNY; negative is saved. It is no gain yet: what the driving
        given up was worth is for the lever to book, since that hangs on why it is given up.
    """
    petrol = more_km * (1 - state["ev_share"])
    charged = more_km * state["ev_share"] * state["ev_kwh_km"] * state["electricity_cny_kwh"]
    tax = state["petrol_tax_cny_km"]
    state.spend(petrol * (state["petrol_cny_km"] - tax) + charged, "household")
    state.transfer(petrol * tax, "household", "budget")
    state["car_km"] = state["car_km"] + more_km
    return petrol * state["petrol_cny_km"] + charged


def ride_instead(state: State, saved_km: Array, *, trip_km: Array, share: Array, taken_back: bool = False) -> Array:
    """Turn ``share`` of the trips no longer driven into trips by metro (near a station) or bus (elsewhere).

    Fares go from household to budget; what carrying them costs is taken as nothing, as long as there is room.

    Parameters
    ----------
    state
        Changed in place.
    saved_km
        Kilometres no longer driven, shape (draws or 1, cells), 0 or more.
    trip_km, share
        Length of a trip [km] and share of trips made by metro or bus instead; the rest are not made, shared or walked.
    taken_back
        That ``saved_km`` are negative: driven in place of rides, as long as there are rides to give up.

    Returns
    -------
    numpy.ndarray
        What households pay more in fares, CNY.
    """
    trips = saved_km / trip_km * share
    paid = np.zeros((1, 1))
    near = state.cells["near_metro"]
    for name, fare, here in (("metro_trips", "metro_fare_cny", near), ("bus_trips", "bus_fare_cny", ~near)):
        before = state[name]
        after = before + trips * here
        if taken_back:
            after = np.maximum(after, 0.0)
        fares = (after - before) * state[fare]
        state.transfer(fares, "household", "budget")
        paid = paid + fares
        state[name] = after
    return paid


def arc_change(ratio: Array) -> Array:
    """Return the relative change of a price that becomes ``ratio`` of itself, over the mean of before and after.

    It stays finite at a price of nothing: -2 there, 0 at no change.

    Examples
    --------
    >>> arc_change(np.array([0.0, 1.0, 3.0])).tolist()
    [-2.0, 0.0, 1.0]
    """
    return 2 * (ratio - 1) / (ratio + 1)
