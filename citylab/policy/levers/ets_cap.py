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
    """Let industry emit at most ``value`` Mt a year: trade makes the marginal cost of a cut the price of an allowance.

    Marginal cost rises in proportion to the share that is cut, so cutting costs half the price on average. Allowances
    that are auctioned cost that price within the floor and the ceiling of the market; the others are given. A cap that
    holds for a part of the year caps that part of the emissions, and a cap that is being reached has cut as much of
    what it will cut as of its way is gone.

    Where a carbon price acts before, a further cut begins at that price, which is no longer due for it: an allowance is
    worth what a tonne costs beyond the price.
    """
    if value >= HIGH_MT:
        return
    before = state["industry_co2_t"]
    held = before - state.way_share * np.maximum(before - value * T_PER_MT, 0.0)  # at the pace of days under the cap
    cut = before - held
    price = draw["slope_cny_t"] * np.divide(cut, before, out=np.zeros_like(cut), where=before > 0)
    priced = state.industry_carbon_cny_t
    state.spend(state.days_share * cut * (priced + price * draw["triangle_share"]), "firm")
    if priced:
        state.transfer(state.days_share * cut * priced, "budget", "firm")
    sold = np.where(held < before, np.clip(price, draw["floor_cny_t"], draw["ceiling_cny_t"]), 0.0)
    state.transfer(state.days_share * held * draw["auction_share"] * sold, "firm", "budget")
    state["industry_co2_t"] = before - state.days_share * cut


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
    is_limit=True,
    note_zh="工业直接排放的上限，最高值表示不设上限；是硬上限，价格触及上限时政府不会增发；"
    "企业之间的细节见 citylab.policy.market。",
    note_en="Cap on direct emissions of industry, its upper end is no cap. The cap is hard: no allowances are "
    "added at the ceiling of the price. Firms stand in citylab.policy.market.",
    joint=MappingProxyType(
        {
            "carbon_price": (
                "碳价先起作用：上限有约束力时，无论价格多少，工业都排放到上限；再减的成本从碳价算起，减掉的不再交碳价",
                "acts before: where the cap binds, industry emits the cap at any price. What is cut on top costs the "
                "price at least, and no longer pays it",
            )
        }
    ),
)
