"""A price of carbon that reaches the users of electricity, petrol and heat, and industry."""

from __future__ import annotations

import datetime as dt
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from citylab.policy.comfort import worth
from citylab.policy.levers.base import Array, Draw, Lever
from citylab.policy.state import KG_PER_TONNE

if TYPE_CHECKING:
    from citylab.policy.state import State


def _answer(dearer: Array, price: Array, elasticity: Array) -> Array:
    """Return what is left of a demand of constant elasticity when its price rises by ``dearer`` (1 at no rise)."""
    return (1 + dearer / price) ** elasticity


def apply(state: State, value: float, draw: Draw, years_in_force: float) -> None:
    """Charge ``value`` CNY for a tonne of CO2: users pay the part that is passed through, firms the rest.

    Each energy gets dearer by price x factor x pass-through, and its demand follows with a constant elasticity. What is
    not bought is saved in money and lost in kind: it was worth its old price and half the rise. To firms the same goes
    for the electricity that offices use less.
    Industry gives up what is cheaper to abate than to pay, at half the price on average. The public purse takes the
    price of what is still emitted; what it does with it is not part of the lever.
    """
    price = value / KG_PER_TONNE
    kwh_cny, services_cny = state["electricity_cny_kwh"], state["services_electricity_cny_kwh"]
    carbon_kwh, passed = price * state["grid_kgco2_kwh"], draw["electricity_pass_share"]

    dearer = carbon_kwh * passed
    before = state["electricity_kwh"]
    after = before * _answer(dearer, kwh_cny, draw["electricity_elasticity"])
    state.spend((after - before) * kwh_cny, "household")
    state.enjoy(worth(after - before, kwh_cny, dearer), "household")
    state["electricity_kwh"] = after
    before = state["services_electricity_kwh"]
    offices = before * _answer(dearer, services_cny, draw["electricity_elasticity"])
    state.spend((offices - before) * services_cny, "firm")
    state.enjoy(worth(offices - before, services_cny, dearer), "firm")
    state["services_electricity_kwh"] = offices

    electric = state["ev_share"]
    petrol_before, electric_km = state["car_km"] * (1 - electric), state["car_km"] * electric
    carbon_km, tax = price * state["petrol_kgco2_km"], state["petrol_tax_cny_km"]
    dearer = carbon_km * draw["petrol_pass_share"]
    kept = _answer(dearer, state["petrol_cny_km"], draw["petrol_elasticity"])
    petrol_km = petrol_before * kept
    state.spend((petrol_km - petrol_before) * (state["petrol_cny_km"] - tax), "household")
    state.transfer((petrol_km - petrol_before) * tax, "household", "budget")
    state.enjoy(worth(petrol_km - petrol_before, state["petrol_cny_km"], dearer), "household")
    state["car_km"] = state["car_km"] + (petrol_km - petrol_before)
    state["ev_share"] = electric / (kept + electric * (1 - kept))

    by_pump = state["heat_pump_share"]
    burnt_before, pumped = state["heat_gj"] * (1 - by_pump), state["heat_gj"] * by_pump
    carbon_gj = price * state["heat_kgco2_gj"]
    dearer = carbon_gj * draw["heat_pass_share"]
    kept = _answer(dearer, state["heat_cny_gj"], draw["heat_elasticity"])
    burnt = burnt_before * kept
    state.spend((burnt - burnt_before) * state["heat_cny_gj"], "household")
    state.enjoy(worth(burnt - burnt_before, state["heat_cny_gj"], dearer), "household")
    state["heat_gj"] = state["heat_gj"] + (burnt - burnt_before)
    state["heat_pump_share"] = by_pump / (kept + by_pump * (1 - kept))

    homes_kwh = after + electric_km * state["ev_kwh_km"] + pumped * state["heat_pump_kwh_gj"]
    for amount, carbon, share in (
        (homes_kwh, carbon_kwh, passed),
        (petrol_km, carbon_km, draw["petrol_pass_share"]),
        (burnt, carbon_gj, draw["heat_pass_share"]),
    ):
        state.transfer(amount * carbon * share, "household", "budget")
        state.transfer(state.sum(amount) * carbon * (1 - share), "firm", "budget")

    emitted = state["industry_co2_t"]
    left = emitted * np.exp(-draw["industry_response"] * value)
    state.spend((emitted - left) * value * draw["triangle_share"], "firm")
    state["industry_co2_t"] = left
    state.industry_carbon_cny_t = value
    state.transfer(left * value + offices * carbon_kwh, "firm", "budget")


LEVER = Lever(
    id="carbon_price",
    title_zh="碳价传导",
    title_en="Carbon price passed through",
    unit="CNY/t",
    low=0.0,
    high=500.0,
    step=10.0,
    default=0.0,
    stage="price",
    touches=(
        *("electricity_kwh", "services_electricity_kwh", "car_km", "ev_share", "heat_gj", "heat_pump_share"),
        *("industry_co2_t", "household_cny", "budget_cny", "firm_cny", "resource_cny"),
        *("comfort_cny", "firm_comfort_cny"),
    ),
    first_date=dt.date(2026, 1, 1),
    apply=apply,
    note_zh="在现有碳市场之外另加的碳价；不含货运、公交、工业与数据中心用电，也不含收入返还；有约束力的总量内工业不会因此多减一吨。",
    note_en="On top of what markets charge now; freight, buses, the electricity of industry and data centres and "
    "any rebate are left out; inside a cap that binds, "
    "industry abates not a tonne more for it.",
    joint=MappingProxyType(
        {
            "building_pv": (
                "碳价按全部用电计收，包括新增光伏发的电：两者同用时碳价收入偏高",
                "charged on all kWh used, those from added panels too: with both, the receipts are too high",
            ),
            "ets_cap": (
                "总量上限在碳价之后起作用：上限有约束力时，无论价格多少，工业都排放到上限",
                "the cap acts after the price: where it binds, industry emits the cap at any price",
            ),
        }
    ),
)
