"""A subsidy on smartphones for older people and poorer households that have none."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np

from citylab.policy.comfort import worth
from citylab.policy.levers.base import Draw, Lever

if TYPE_CHECKING:
    from citylab.policy.state import State


LOWEST_DECILES = 3
"""Income deciles of which everybody of full age is eligible: what this lever is, not what it does."""


def apply(state: State, value: float, draw: Draw, years_in_force: float) -> None:
    """Pay the share ``value`` of a smartphone for eligible persons without one: 60 and over, or of the lowest deciles.

    Of these the share ``full_share x (1 - (1 - value) ** elasticity)`` takes one; the poor answer more strongly. Some
    who take it would have bought one anyway: they cost the same and add nothing. Phones are paid for over their life.
    Who takes one for the subsidy alone values it between what is left to pay and the price: half-way on average.
    """
    poor = state.cells["income_decile"] <= LOWEST_DECILES
    eligible = (poor | state.cells["is_60_plus"]) & ~state.cells["is_under_18"]
    takers, poor_takers = (
        draw["full_share"] * (1 - (1 - value) ** draw[name]) for name in ("elasticity", "elasticity_poor")
    )
    without = (state["persons"] - state["smartphone_persons"]) * eligible
    taken = without * np.where(poor, poor_takers, takers)
    new = taken * (1 - draw["anyway_share"])
    offline_share = 1 - state["online_persons"] / state["persons"]
    joined = new * offline_share * draw["use_share"]
    state["smartphone_persons"] = state["smartphone_persons"] + new
    state["online_persons"] = state["online_persons"] + joined
    state["service_persons"] = state["service_persons"] + joined * draw["service_share"]
    yearly = draw["device_cny"] / draw["life_years"]
    state.spend(new * yearly, "household")
    state.enjoy(worth(new, yearly, -value * yearly), "household")
    state.transfer(taken * yearly * value, "budget", "household")


LEVER = Lever(
    id="device_subsidy",
    title_zh="智能终端补贴",
    title_en="Subsidy on devices",
    unit="share",
    low=0.0,
    high=1.0,
    step=0.05,
    default=0.0,
    stage="digital",
    touches=(
        *("smartphone_persons", "online_persons", "service_persons"),
        *("household_cny", "budget_cny", "resource_cny", "comfort_cny"),
    ),
    first_date=dt.date(2026, 1, 1),
    apply=apply,
    note_zh="为没有智能手机的老年人与低收入者补贴购机款的比例；流量费未计；有手机不等于会用。",
    note_en="Share of the price paid for older and poorer people without a smartphone. Data plans are left out; "
    "to have a phone is not to use it.",
)
