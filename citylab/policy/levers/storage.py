"""Batteries and clocks that move household electricity out of the peak hours."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from citylab.policy.levers.base import Draw, Lever
from citylab.stats.money import annuity

if TYPE_CHECKING:
    from citylab.policy.state import State

DAYS_PER_YEAR = 365.0
"""Of a common year."""


def apply(state: State, value: float, draw: Draw, years_in_force: float) -> None:
    """Move the share ``value`` of what homes use at peak to other hours, through batteries that firms own.

    What goes through a battery comes out less: electricity **rises** by the losses, so tonnes rise unless the grid is
    cleaner at night. The gain is capacity that nobody has to build; the battery is worked once a day.
    """
    moved = state["electricity_kwh"] * state["peak_share"] * value
    loss = 1 / draw["round_trip_share"] - 1
    lost = moved * loss
    state["electricity_kwh"] = state["electricity_kwh"] + lost
    peak = state["peak_share"]
    state["peak_share"] = peak * (1 - value) / (1 + peak * (value * loss))
    in_a_day = moved.sum(axis=1, keepdims=True) / DAYS_PER_YEAR
    capital = in_a_day * draw["battery_cny_kwh"]
    spared = in_a_day / draw["peak_hours"] * draw["capacity_cny_kw"]
    yearly = annuity(draw["discount_rate"], draw["life_years"])
    energy = lost.sum(axis=1, keepdims=True) * draw["avoided_cny_kwh"]
    state.spend(capital * yearly + energy - spared, "firm")
    built = max(value - state.previous_value, 0.0)
    if value > 0:
        state.transfer(capital * (built / value) * draw["public_share"], "budget", "firm")


LEVER = Lever(
    id="storage",
    title_zh="储能与削峰填谷",
    title_en="Storage and peak shifting",
    unit="share",
    low=0.0,
    high=0.5,
    step=0.01,
    default=0.0,
    stage="efficiency",
    touches=("electricity_kwh", "peak_share", "firm_cny", "budget_cny", "resource_cny"),
    first_date=dt.date(2026, 1, 1),
    apply=apply,
    note_zh="居民峰段用电移到其他时段的比例；充放电有损耗，按全天同一排放因子计会略增碳排放；"
    "逐时计算见 citylab.policy.load。",
    note_en="Share of household electricity at peak that is moved. Losses raise tonnes a little at one factor for"
    " all hours; citylab.policy.load reckons by the hour.",
)
