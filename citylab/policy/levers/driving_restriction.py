"""Days of the working week on which a car may not be driven, by the last digit of its plate (尾号限行)."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np

from citylab.policy.levers.base import Draw, Lever, vintages
from citylab.policy.travel import TOUCHES, drive, ride_instead

if TYPE_CHECKING:
    from citylab.policy.state import State

WORKING_DAYS = 5.0
"""Days of the week on which a plate can be restricted."""
TODAY_DAYS = 1.0
"""Days of the reference, in force since 2008 (``lever_enacted``)."""


def apply(state: State, value: float, draw: Draw, years_in_force: float) -> None:
    """Restrict each car on ``value`` working days a week instead of one.

    A day takes its published effect off the kilometres, never more than a working day's own share of the week. The
    effect of each day that comes or goes fades from its own year on, as people shift trips to other days or buy a
    second car, down to the part that lasts; a year has the mean of its fading. Two versions of the same study are rival
    models. A trip that may not be driven was worth what it cost more than the ride instead,
    and the time and comfort that the ride lacks (hardship) on top: both are lost in kind, the fuel is saved in money.
    """
    day = np.minimum(draw["effect_share"], draw["weekday_share"] / WORKING_DAYS)
    lasting, fade = draw["lasting_share"], draw["fade_years"]
    days = np.zeros((1, 1))
    for more, age in vintages(state.path(value, years_in_force), TODAY_DAYS):
        # Mean of exp(-t / fade) over the year from age to age + 1
        fresh = fade * (np.exp(-age / fade) - np.exp(-(age + 1) / fade))
        days = days + more * (lasting + (1 - lasting) * fresh)
    saved = state["car_km"] * (days * day)
    spent = drive(state, -saved)
    spent = spent + ride_instead(
        state, saved, trip_km=draw["trip_km"], share=draw["transit_share"], taken_back=value < TODAY_DAYS
    )
    state.enjoy(spent - saved * draw["hardship_cny_km"], "household")


LEVER = Lever(
    id="driving_restriction",
    title_zh="机动车尾号限行",
    title_en="Driving restriction by plate",
    unit="day/week",
    low=0.0,
    high=2.5,
    step=0.5,
    default=TODAY_DAYS,
    stage="demand",
    touches=TOUCHES,
    first_date=dt.date(2026, 1, 1),
    apply=apply,
    note_zh="每车每周限行的工作日数，现行为 1 天，单双号为 2.5 天；研究测的是污染，这里当作里程，偏高；"
    "电动车豁免未计。",
    note_en="Working days a week on which a car is restricted: one today, 2.5 with odd and even days. The studies"
    " measured pollution, taken here for kilometres, which is generous; that electric cars are exempt is "
    "left out.",
)
