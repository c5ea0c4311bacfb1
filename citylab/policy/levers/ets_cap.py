"""A cap on the direct CO2 of industry, shared out as allowances that firms trade."""

from __future__ import annotations

import datetime as dt
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from citylab.policy.levers.base import Draw, Lever

if TYPE_CHECKING:
    from citylab.policy.state import State

T_PER_MT = 1e6
"""Definition."""
HIGH_MT = 50.0
"""Upper end of the lever, which stands for no cap at all."""


def apply(state: State, value: float, draw: Draw, years_in_force: float) -> None:
    """Let industry emit at most ``value`` Mt: trade makes the marginal cost of what is cut the price of an allowance.

    Marginal cost rises in proportion to the share that is cut, so cutting costs half the price on average. Allowances
    that are auctioned cost that price within the floor and the ceiling of the market; the others are given.
    """
    if value >= HIGH_MT:
        return
    before = state["industry_co2_t"]
    after = np.minimum(before, value * T_PER_MT)
    cut = before - after
    price = draw["slope_cny_t"] * np.divide(cut, before, out=np.zeros_like(cut), where=before > 0)
    state.spend(cut * price * draw["triangle_share"], "firm")
    sold = np.where(after < before, np.clip(price, draw["floor_cny_t"], draw["ceiling_cny_t"]), 0.0)
    state.transfer(after * draw["auction_share"] * sold, "firm", "budget")
    state["industry_co2_t"] = after


LEVER = Lever(
    id="ets_cap",
    title_zh="碳市场总量",
    title_en="Emission-trading cap",
    unit="Mt",
    low=0.0,
    high=HIGH_MT,
    step=0.5,
    default=HIGH_MT,
    stage="cap",
    touches=("industry_co2_t", "firm_cny", "budget_cny", "resource_cny"),
    first_date=dt.date(2026, 1, 1),
    apply=apply,
    note_zh="工业直接排放的上限，最高值表示不设上限；是硬上限，价格触及上限时政府不会增发；"
    "企业之间的细节见 citylab.policy.market。",
    note_en="Cap on direct emissions of industry, its upper end is no cap. The cap is hard: no allowances are "
    "added at the ceiling of the price. Firms stand in citylab.policy.market.",
    joint=MappingProxyType(
        {
            "carbon_price": (
                "碳价先起作用：上限有约束力时，无论价格多少，工业都排放到上限；此时上限的额外成本偏低，因为其边际成本从零重新算起",
                "acts before: where the cap binds, industry emits the cap at any price. What the cap costs on top of a "
                "price is then too low, since its marginal cost starts anew at nothing",
            )
        }
    ),
)
