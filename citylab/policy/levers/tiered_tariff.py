"""The surcharges of the upper tiers of the household tariff (阶梯电价), against today's."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np

from citylab.policy.comfort import worth
from citylab.policy.levers.base import Draw, Lever

if TYPE_CHECKING:
    from citylab.policy.state import State

TIERS = {2: "tier_2_cny_kwh", 3: "tier_3_cny_kwh"}
"""Upper tiers, as in ``state.cells["electricity_tier"]``, and the priors that hold their surcharges."""


def apply(state: State, value: float, draw: Draw, years_in_force: float) -> None:
    """Multiply the surcharges of tiers 2 and 3 by ``value``; homes of tier 1 pay and use what they did.

    Households answer the price of their last kWh, or the mean price that their bill shows: two rival models. The dearer
    price is paid on the part above the tier's limit only, from which the saving comes off first, and goes to the grid
    company. A kWh given up was worth what it cost and half the rise that the household answers to.
    """
    before = state["electricity_kwh"]
    after, saved, paid, lost = before, np.zeros((1, 1)), np.zeros((1, 1)), np.zeros((1, 1))
    for tier, name in TIERS.items():
        here, surcharge = before * (state.cells["electricity_tier"] == tier), draw[name]
        price, rise = draw["tier_1_cny_kwh"] + surcharge, (value - 1) * surcharge
        felt = rise * draw["perceived_share"]
        given_up = 1 - (1 + felt / price) ** draw["elasticity"]
        after = after - here * given_up
        saved = saved + here * (given_up * price)
        paid = paid + here * (np.maximum(draw["above_share"] - given_up, 0.0) * rise)
        lost = lost + here * worth(given_up, price, felt)
    state.spend(-saved, "household")
    state.transfer(paid, "household", "firm")
    state.enjoy(-lost, "household")
    state["electricity_kwh"] = after


LEVER = Lever(
    id="tiered_tariff",
    title_zh="阶梯电价",
    title_en="Tiered electricity tariff",
    unit="1",
    low=0.0,
    high=5.0,
    step=0.1,
    default=1.0,
    stage="price",
    touches=("electricity_kwh", "household_cny", "firm_cny", "resource_cny", "comfort_cny"),
    first_date=dt.date(2026, 1, 1),
    apply=apply,
    note_zh="二、三档加价相对现行的倍数；换档的住户按原档计；大家庭未单独优惠。",
    note_en="Surcharges of tiers 2 and 3 as a multiple of today's. Homes that change tier are kept in theirs; large "
    "families get no allowance.",
)
