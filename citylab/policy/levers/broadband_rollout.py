"""Fibre at gigabit speed or 5G for homes that have neither."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np

from citylab.policy.levers.base import Draw, Lever
from citylab.stats.money import annuity

if TYPE_CHECKING:
    from citylab.policy.state import State


def apply(state: State, value: float, draw: Draw, years_in_force: float) -> None:
    """Cover the share ``value`` of the persons not covered yet; some of those offline among them go online.

    Firms build and own the network and carry it as an annuity, at another cost in the country than in town; the public
    purse grants a share in the year of building. The network's electricity is added to that of services.
    What those who join pay for a line is left out, and with it what the line is worth to them, which is no less.
    """
    left = state["persons"] - state["covered_persons"]
    covered = left * value
    joined = covered * (1 - state["online_persons"] / state["persons"]) * draw["join_share"]
    homes = state["households"] / state["persons"]
    cost = np.where(state.cells["is_rural"], draw["rural_cny_home"], draw["urban_cny_home"])
    capital = (left * homes * cost).sum(axis=1, keepdims=True)
    state["covered_persons"] = state["covered_persons"] + covered
    state["online_persons"] = state["online_persons"] + joined
    state["service_persons"] = state["service_persons"] + joined * draw["service_share"]
    added_kwh = covered.sum(axis=1, keepdims=True) * draw["kwh_person"]
    state["services_electricity_kwh"] = state["services_electricity_kwh"] + added_kwh
    yearly = annuity(draw["discount_rate"], draw["life_years"])
    state.spend(value * capital * yearly + added_kwh * state["services_electricity_cny_kwh"], "firm")
    built = max(value - state.previous_value, 0.0)
    state.transfer(built * capital * draw["public_share"], "budget", "firm")


LEVER = Lever(
    id="broadband_rollout",
    title_zh="千兆光纤与5G覆盖",
    title_en="Gigabit fibre and 5G for all",
    unit="share",
    low=0.0,
    high=1.0,
    step=0.05,
    default=0.0,
    stage="digital",
    touches=(
        *("covered_persons", "online_persons", "service_persons", "services_electricity_kwh"),
        *("firm_cny", "budget_cny", "resource_cny"),
    ),
    first_date=dt.date(2026, 1, 1),
    apply=apply,
    note_zh="尚未覆盖的人口中新覆盖的比例；覆盖不等于会用：只有少数未上网者因此上网；资费由用户原有支出承担。",
    note_en="Share of persons not covered yet. Cover is not use: few who are offline come online for it. What "
    "users pay for a line is left out.",
)
