"""The fares of metro and bus, against today's."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np

from citylab.policy.comfort import worth
from citylab.policy.levers.base import Draw, Lever
from citylab.policy.travel import arc_change, drive

if TYPE_CHECKING:
    from citylab.policy.state import State


def apply(state: State, value: float, draw: Draw, years_in_force: float) -> None:
    """Multiply fares by ``value``: trips follow with their own elasticity, car kilometres with the cross elasticity.

    Both in the arc form, relative change = elasticity x 2 (v - 1) / (v + 1), which stays finite at a fare of nothing.
    Most added riders find room: only the share ``served_share`` of them makes more trains and buses run, which takes
    energy and is paid for by the public purse. A ride added or given up is worth the fare half-way between old and new;
    a kilometre by car swapped for it is worth what it costs, whose price stays.
    """
    change = arc_change(np.array([[value]]))
    ridden = 1 + draw["elasticity"] * change
    run = (1 + draw["served_share"] * draw["elasticity"] * change) / ridden
    for trips, fare, energy, cost in (
        ("metro_trips", "metro_fare_cny", "metro_kwh_trip", "metro_cost_cny_trip"),
        ("bus_trips", "bus_fare_cny", "bus_kgco2_trip", "bus_cost_cny_trip"),
    ):
        before, price = state[trips], state[fare]
        after = before * ridden
        state.transfer((after * value - before) * price, "household", "budget")
        state.enjoy(worth(after - before, price, price * (value - 1)), "household")
        state.spend(state.sum(before) * (ridden * run - 1) * draw[cost], "budget")
        state[trips] = after
        state[fare] = price * value
        state[energy] = state[energy] * run
    state.enjoy(drive(state, state["car_km"] * (draw["car_cross_elasticity"] * change)), "household")


LEVER = Lever(
    id="transit_fare",
    title_zh="公交地铁票价",
    title_en="Transit fares",
    unit="1",
    low=0.0,
    high=2.0,
    step=0.05,
    default=1.0,
    stage="demand",
    touches=(
        "metro_trips",
        "bus_trips",
        "metro_fare_cny",
        "bus_fare_cny",
        "metro_kwh_trip",
        "bus_kgco2_trip",
        "car_km",
        "household_cny",
        "budget_cny",
        "resource_cny",
        "comfort_cny",
    ),
    first_date=dt.date(2026, 1, 1),
    apply=apply,
    note_zh="票价相对现行的倍数；未含拥挤的影响，也不含走路骑行改乘的影响。",
    note_en="Fares as a multiple of today's; crowding and what becomes of walking and cycling are left out.",
)
