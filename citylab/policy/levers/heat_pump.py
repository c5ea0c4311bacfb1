"""Heat pumps in place of boilers for coal or gas in homes and public buildings."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from citylab.policy.levers.base import Draw, Lever
from citylab.stats.money import annuity

if TYPE_CHECKING:
    from citylab.policy.state import State


def apply(state: State, value: float, draw: Draw, years_in_force: float) -> None:
    """Let pumps deliver the share ``value`` of the heat that they do not deliver yet.

    What a pump takes is the state's ``heat_pump_kwh_gj``, uncertain in the reference already. Capital is an annuity;
    the public purse grants a share of it in the year of building. Offices pay the price of heat that homes pay.
    """
    yearly = annuity(draw["discount_rate"], draw["life_years"])
    built = max(value - state.previous_value, 0.0)
    for heat, share, price, owner in (
        ("heat_gj", "heat_pump_share", "electricity_cny_kwh", "household"),
        ("public_heat_gj", "public_heat_pump_share", "services_electricity_cny_kwh", "firm"),
    ):
        left = state[heat] * (1 - state[share])
        saved = state["heat_cny_gj"] - state["heat_pump_kwh_gj"] * state[price]
        state.spend(value * left * (draw["capex_cny_gj"] * yearly - saved), owner)
        state.transfer(built * left * draw["capex_cny_gj"] * draw["public_share"], "budget", owner)
        state[share] = state[share] + (1 - state[share]) * value


LEVER = Lever(
    id="heat_pump",
    title_zh="热泵替代燃煤燃气",
    title_en="Heat pumps for coal and gas",
    unit="share",
    low=0.0,
    high=1.0,
    step=0.01,
    default=0.0,
    stage="switch",
    touches=(
        *("heat_pump_share", "public_heat_pump_share"),
        *("household_cny", "firm_cny", "budget_cny", "resource_cny"),
    ),
    first_date=dt.date(2026, 1, 1),
    apply=apply,
    note_zh="尚未用热泵的用热中改用热泵的比例；未计配电网扩容，也未计严寒日效率下降。",
    note_en="Share of the heat that pumps do not deliver yet. Stronger cables and the coldest days are left out.",
)
