"""Electric cars: how fast they spread, against the reference (Bass)."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np

from citylab.policy.levers.base import Draw, Lever

if TYPE_CHECKING:
    from citylab.policy.state import State


MEAN_OF_YEAR = 0.5
"""Part of a year that has passed on the mean of its days."""


def apply(state: State, value: float, draw: Draw, years_in_force: float) -> None:
    """Let the spread run at ``value`` times its pace: innovation p and imitation q are both multiplied by it.

    On Bass's curve that is the reference moved forward in time by the years gained: ``value - 1`` in each year before,
    and half of it in this one, whose kilometres are driven around its middle. With ``r = q / p`` and
    ``g = exp((p + q) x years gained)`` a share F becomes

        F + (1 + r F) (g - 1) (1 - F) / (g (1 + r F) + r (1 - F)),

    which is F at g = 1 and never above 1. An electric kilometre saves petrol and its taxes, and carries a part of the
    dearer car; the public purse pays a share of that.
    """
    *before, this = state.path(value, years_in_force)
    gained_years = sum(v - 1 for v in before) + (this - 1) * MEAN_OF_YEAR
    p, q = draw["innovation"], draw["imitation"]
    growth, ratio, share = np.expm1((p + q) * gained_years), q / p, state["ev_share"]
    known = 1 + ratio * share
    more = known * growth * (1 - share) / ((1 + growth) * known + ratio * (1 - share))
    km = state["car_km"] * more
    tax = state["petrol_tax_cny_km"]
    charged = state["ev_kwh_km"] * state["electricity_cny_kwh"]
    state.spend(km * (draw["premium_cny_km"] + charged - (state["petrol_cny_km"] - tax)), "household")
    state.transfer(km * tax, "budget", "household")
    state.transfer(km * draw["premium_cny_km"] * draw["public_share"], "budget", "household")
    state["ev_share"] = share + more


LEVER = Lever(
    id="ev_adoption",
    title_zh="电动汽车推广",
    title_en="Spread of electric cars",
    unit="1",
    low=1.0,
    high=3.0,
    step=0.1,
    default=1.0,
    stage="switch",
    touches=("ev_share", "household_cny", "budget_cny", "resource_cny"),
    first_date=dt.date(2026, 1, 1),
    apply=apply,
    note_zh="普及速度相对参考情景的倍数；小汽车总里程不变，充电桩与电网投资未计；无车家庭不受影响。",
    note_en="Pace of the spread as a multiple of the reference's. Kilometres stay, charging posts and cables are "
    "left out; households without a car are not touched.",
)
