"""A charge for driving into the centre on working days."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np

from citylab.policy.levers.base import Draw, Lever
from citylab.policy.travel import TOUCHES, drive, ride_instead

if TYPE_CHECKING:
    from citylab.policy.state import State

MIDDLE_DECILE = 5.5
"""Mean of the deciles 1 to 10."""
HALF_SPAN = 4.5
"""From the mean of the deciles to either end."""


def apply(state: State, value: float, draw: Draw, years_in_force: float) -> None:
    """Charge ``value`` CNY for a trip by car into the cordon; those that go on pay, the others ride or stay away.

    Kilometres of trips into the cordon fall with a constant elasticity to the whole cost of the trip (time, fuel,
    parking, charge). Only those who drive pay, and the better-off drive into the centre more often. Who gives up a
    trip is the poorer by something between nothing and the charge, half of it on average, **after** counting the fuel
    saved and the fares paid instead: that much comfort is lost beyond what the purse gains by it. Running the cordon
    takes a share of what it brings.
    """
    tilt = draw["decile_tilt"]
    share = np.minimum(draw["cordon_share"], 1 / (1 + tilt))
    inside = state["car_km"] * (share + share * tilt * ((state.cells["income_decile"] - MIDDLE_DECILE) / HALF_SPAN))
    saved = inside * (1 - (1 + value / draw["trip_cost_cny"]) ** draw["elasticity"])
    paid = (inside - saved) / draw["trip_km"] * value
    spent = drive(state, -saved)
    spent = spent + ride_instead(state, saved, trip_km=draw["trip_km"], share=draw["transit_share"])
    state.transfer(paid, "household", "budget")
    state.enjoy(spent - saved / draw["trip_km"] * value * draw["triangle_share"], "household")
    state.spend(state.sum(paid) * draw["running_share"], "budget")


LEVER = Lever(
    id="congestion_charge",
    title_zh="拥堵费",
    title_en="Congestion charge",
    unit="CNY/trip",
    low=0.0,
    high=100.0,
    step=1.0,
    default=0.0,
    stage="demand",
    touches=TOUCHES,
    first_date=dt.date(2026, 1, 1),
    apply=apply,
    note_zh="每次驾车进入中心区的收费；省下的拥堵时间未计为收益；按收入的差别是假设。",
    note_en="Charge for a trip by car into the centre. Time that others gain is not counted; how use differs by "
    "income is an assumption.",
)
