"""Courses in digital skills for people of 60 and over."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np

from citylab.policy.comfort import worth
from citylab.policy.levers.base import Draw, Lever

if TYPE_CHECKING:
    from citylab.policy.state import State


def apply(state: State, value: float, draw: Draw, years_in_force: float) -> None:
    """Offer courses each year to the share ``value`` of those of 60 and over who are not online yet.

    Of those offered some come, some of these finish, and some of these still use it; the others stay eligible. So the
    share left offline after years with values v is the product of 1 - v k, and the pupils of a year come from those
    left at its beginning. A pupil who comes to a free course and would not pay its cost values it at half of that on
    average; what being online is worth beyond is not counted.
    """
    success = draw["take_up_share"] * draw["completion_share"] * draw["retention_share"]
    path = state.path(value, years_in_force)
    left = np.ones((1, 1))
    for past in path[:-1]:
        left = left * (1 - past * success)
    offline = (state["persons"] - state["online_persons"]) * state.cells["is_60_plus"]
    pupils = offline * (left * value * draw["take_up_share"])
    gained = offline * (1 - left * (1 - value * success))
    state["online_persons"] = state["online_persons"] + gained
    state["service_persons"] = state["service_persons"] + gained * draw["service_share"]
    state.enjoy(worth(pupils, draw["cost_cny_person"], -draw["cost_cny_person"]), "household")
    state.spend(state.sum(pupils) * draw["cost_cny_person"], "budget")


LEVER = Lever(
    id="digital_training",
    title_zh="老年人数字技能培训",
    title_en="Digital-skills training for older people",
    unit="share",
    low=0.0,
    high=1.0,
    step=0.05,
    default=0.0,
    stage="digital",
    touches=("online_persons", "service_persons", "budget_cny", "resource_cny", "comfort_cny"),
    first_date=dt.date(2026, 1, 1),
    apply=apply,
    note_zh="每年向未上网的60岁及以上居民提供培训的比例；未计家人帮助与自发上网。",
    note_en="Share of those of 60 and over and offline who are offered a course each year; help by family is left out.",
)
