"""Photovoltaics on roofs and façades beyond what the reference builds."""

from __future__ import annotations

import datetime as dt
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from citylab.policy.levers.base import Draw, Lever, vintages
from citylab.stats.money import annuity

if TYPE_CHECKING:
    from citylab.policy.state import State

KW_PER_GW = 1e6
"""Definition."""
W_PER_GW = 1e9
"""Definition."""


def apply(state: State, value: float, draw: Draw, years_in_force: float) -> None:
    """Let ``value`` GW generate, owned by firms, with a public grant in the year in which modules are built.

    Modules yield less with each year of age; what is taken down is the oldest. Capital is spread over its life as an
    annuity, so that the cost of a year stands beside the tonnes of that year.
    What the owners save on bills the grid company loses but for the cost of the displaced generation: both are firms.
    """
    standing = vintages(state.path(value, years_in_force), 0.0)
    as_new = sum((gw * (1 - draw["degradation_share"]) ** age for gw, age in standing), np.zeros((1, 1)))
    generated = as_new * KW_PER_GW * draw["yield_kwh_kwp"]
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
    joint=MappingProxyType(
        {
            "carbon_price": (
                "碳价仍按全部用电计收，包括光伏顶替的部分：两者同用时碳价收入偏高，减排不受影响",
                "the price is charged on all kWh used, those from the panels too: with both, its receipts are too "
                "high; tonnes are not touched by that",
            )
        }
    ),
)
