"""Photovoltaics on roofs and façades beyond what the reference builds."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from citylab.policy.levers.base import Draw, Lever, annuity

if TYPE_CHECKING:
    from citylab.policy.state import State

KW_PER_GW = 1e6
"""Definition."""
W_PER_GW = 1e9
"""Definition."""


def apply(state: State, value: float, draw: Draw, years_in_force: float) -> None:
    """Let ``value`` GW generate, owned by firms, with a public grant in the year in which modules are built.

    Capital is spread over its life as an annuity, so that the cost of a year stands beside the tonnes of that year.
    What the owners save on bills the grid company loses but for the cost of the displaced generation: both are firms.
    """
    age = (1 - draw["degradation_share"]) ** years_in_force
    generated = value * KW_PER_GW * draw["yield_kwh_kwp"] * age
    state["pv_kwh"] = state["pv_kwh"] + generated
    capital = value * W_PER_GW * draw["capex_cny_w"]
    yearly = annuity(draw["discount_rate"], draw["life_years"]) + draw["upkeep_share"]
    state.spend(capital * yearly - generated * draw["avoided_cny_kwh"], "firm")
    built = max(value - state.previous_value, 0.0) * W_PER_GW
    state.transfer(built * draw["capex_cny_w"] * draw["public_share"], "budget", "firm")


LEVER = Lever(
    id="building_pv",
    title_zh="建筑光伏",
    title_en="Photovoltaics on buildings",
    unit="GW",
    low=0.0,
    high=10.0,
    step=0.1,
    default=0.0,
    stage="supply",
    touches=("pv_kwh", "firm_cny", "budget_cny", "resource_cny"),
    first_date=dt.date(2026, 1, 1),
    apply=apply,
    note_zh="参考情景之外新增的装机；按平均或边际电网因子计减排，两者是不同的模型。",
    note_en="Capacity beyond the reference; it displaces kWh at the average or the marginal factor, two rival models.",
)
