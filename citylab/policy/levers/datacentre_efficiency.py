"""An upper limit on the PUE of data centres: total electricity over that of the computers."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np

from citylab.policy.levers.base import Draw, Lever

if TYPE_CHECKING:
    from citylab.policy.state import State


def apply(state: State, value: float, draw: Draw, years_in_force: float) -> None:
    """Bring the mean PUE down towards ``value`` as far as operators comply; a limit above today's mean does nothing.

    Operators pay for the refit by the kWh that it saves a year, and save what these cost. A limit that holds for a part
    of the year, or that is being reached, works for that part.
    """
    before = state["datacentre_pue"]
    works = draw["compliance_share"] * (state.days_share * state.way_share)
    after = before - works * np.maximum(before - value, 0.0)
    saved = state["datacentre_it_kwh"] * (before - after)
    state.spend(saved * (draw["cost_cny_kwh"] - state["services_electricity_cny_kwh"]), "firm")
    state["datacentre_pue"] = after


LEVER = Lever(
    id="datacentre_efficiency",
    title_zh="数据中心能效",
    title_en="Efficiency of data centres",
    unit="1",
    low=1.05,
    high=2.0,
    step=0.01,
    default=2.0,
    stage="efficiency",
    touches=("datacentre_pue", "firm_cny", "resource_cny"),
    first_date=dt.date(2026, 1, 1),
    apply=apply,
    is_limit=True,
    note_zh="平均 PUE 的上限，最高值表示不设限；IT 用电本身不变，也未计余热利用。",
    note_en="Limit on the mean PUE, its upper end is none. The computers' electricity stays, waste heat is left out.",
)
