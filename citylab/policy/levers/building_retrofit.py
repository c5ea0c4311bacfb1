"""Insulation, windows and controls of existing homes and public buildings."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from citylab.policy.comfort import worth
from citylab.policy.levers.base import Draw, Lever
from citylab.stats.money import annuity

if TYPE_CHECKING:
    from citylab.policy.state import State


def apply(state: State, value: float, draw: Draw, years_in_force: float) -> None:
    """Retrofit the buildings that take the share ``value`` of heat; warmer rooms take back some of the saving.

    A GJ saved spares what it costs as the homes are heated then, in part by pumps. A degree of warmth costs less heat
    than before: what is taken as warmer rooms is worth its price half-way between before and after. Capital is an
    annuity over the life of the measures. The public purse grants a share of it in the year of building: to households
    for homes, to firms for offices and public buildings.
    """
    better, back = draw["saving_share"], draw["rebound_share"]
    saved = value * better * (1 - back)
    # Warmth in GJ that it would have taken before: s r of heat, made with 1 - s of it
    warmer = value * better * back / (1 - better)
    yearly = annuity(draw["discount_rate"], draw["life_years"])
    built = max(value - state.previous_value, 0.0)
    for name, pumps, electricity, owner in (
        ("heat_gj", "heat_pump_share", "electricity_cny_kwh", "household"),
        ("public_heat_gj", "public_heat_pump_share", "services_electricity_cny_kwh", "firm"),
    ):
        before, by_pump = state[name], state[pumps]
        price = state["heat_cny_gj"] * (1 - by_pump) + state["heat_pump_kwh_gj"] * state[electricity] * by_pump
        capital = before / draw["heat_gj_m2"] * draw["cost_cny_m2"]
        state.spend(value * capital * yearly - before * saved * price, owner)
        state.transfer(built * capital * draw["public_share"], "budget", owner)
        state.enjoy(worth(before * warmer, price, -better * price), owner)
        state[name] = before * (1 - saved)


LEVER = Lever(
    id="building_retrofit",
    title_zh="既有建筑节能改造",
    title_en="Retrofit of existing buildings",
    unit="share",
    low=0.0,
    high=1.0,
    step=0.01,
    default=0.0,
    stage="efficiency",
    touches=(
        *("heat_gj", "public_heat_gj", "household_cny", "firm_cny", "budget_cny", "resource_cny"),
        *("comfort_cny", "firm_comfort_cny"),
    ),
    first_date=dt.date(2026, 1, 1),
    apply=apply,
    note_zh="改造面积按用热占比计；设热费随用热量变化，按面积收费的住户要在分户计量后才能少付。",
    note_en="Share of buildings by their heat. Bills are taken to follow the heat used; homes that pay by floor "
    "area save only once they are metered.",
)
