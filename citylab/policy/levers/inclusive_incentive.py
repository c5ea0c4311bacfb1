"""A reward for trips by metro, by bus, on foot and by bicycle that an app records (碳普惠)."""

from __future__ import annotations

import datetime as dt
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from citylab.policy.comfort import worth
from citylab.policy.levers.base import Draw, Lever
from citylab.policy.travel import TOUCHES, arc_change, drive, ride_instead

if TYPE_CHECKING:
    from citylab.policy.state import State

GREEN = ("metro_trips", "bus_trips", "active_trips")
"""Trips that earn a reward."""


def apply(state: State, value: float, draw: Draw, years_in_force: float) -> None:
    """Pay ``value`` CNY for a green trip of those who take part, which needs a smartphone.

    Trips by car follow as if fares were that much lower, by the cross elasticity in the arc form of the fare lever;
    more than the fare works like a free ride. Every green trip of those who take part is paid for, nearly all of which
    were made before: that is where most of the money goes. Who leaves the car for a reward is the poorer by something
    between nothing and the reward, half of it on average, after counting fuel and fares: so much comfort is lost.
    Tonnes fall through kilometres only; credits written for the trips are no further tonnes.
    """
    reach = state["smartphone_persons"] / state["persons"] * draw["enrolled_share"]
    by_metro, by_bus = (
        -draw["car_cross_elasticity"] * arc_change(np.maximum(1 - value / state[fare], 0.0))
        for fare in ("metro_fare_cny", "bus_fare_cny")
    )
    saved = state["car_km"] * np.where(state.cells["near_metro"], by_metro, by_bus) * reach
    made_before = sum((state[name] for name in GREEN), np.zeros((1, 1)))
    spent = drive(state, -saved)
    spent = spent + ride_instead(state, saved, trip_km=draw["trip_km"], share=draw["transit_share"])
    new = saved / draw["trip_km"] * draw["transit_share"]
    paid_trip = draw["recorded_share"] * value
    paid = (made_before * reach + new) * paid_trip
    state.transfer(paid, "budget", "household")
    state.enjoy(spent + worth(-new, 0.0, paid_trip), "household")
    state.spend(state.sum(paid) * draw["running_share"], "budget")


LEVER = Lever(
    id="inclusive_incentive",
    title_zh="碳普惠激励",
    title_en="Carbon-inclusive incentive",
    unit="CNY/trip",
    low=0.0,
    high=2.0,
    step=0.05,
    default=0.0,
    stage="demand",
    touches=TOUCHES,
    first_date=dt.date(2026, 1, 1),
    apply=apply,
    note_zh="每次绿色出行的奖励；没有智能手机的人得不到；积分不再另算减排。",
    joint=MappingProxyType(
        {"transit_fare": ("票价在其后起作用：奖励按现行票价计", "acts after: the reward is set against today's fares")}
    ),
    note_en="Reward of a green trip. People without a smartphone get none; credits are no further tonnes.",
)
