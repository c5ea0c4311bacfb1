"""Public services online that older people can use: large print, few steps, a person to ask (适老化改造)."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from citylab.policy.levers.base import Draw, Lever

if TYPE_CHECKING:
    from citylab.policy.state import State


def apply(state: State, value: float, draw: Draw, years_in_force: float) -> None:
    """Make the share ``value`` of services fit for older people: some of those online who use none begin to.

    Nobody who is offline is reached. The public purse pays for each older person served each year.
    Services cost no fee, so that nothing tells what time and trouble spared are worth: no gain in kind is booked.
    """
    older = state.cells["is_60_plus"]
    unserved = (state["online_persons"] - state["service_persons"]) * older
    state["service_persons"] = state["service_persons"] + unserved * draw["begin_share"] * value
    served = (state["persons"] * older).sum(axis=1, keepdims=True)
    state.spend(served * draw["cost_cny_person"] * value, "budget")


LEVER = Lever(
    id="age_friendly_services",
    title_zh="政务服务适老化改造",
    title_en="Age-friendly public services",
    unit="share",
    low=0.0,
    high=1.0,
    step=0.05,
    default=0.0,
    stage="digital",
    touches=("service_persons", "budget_cny", "resource_cny"),
    first_date=dt.date(2026, 1, 1),
    apply=apply,
    note_zh="在参考情景之外新改造的服务比例；不上网的人够不着，需与培训、设备同用；省下的时间未计为收益。",
    note_en="Share of services made fit beyond the reference. Those offline are not reached, time saved is left out.",
)
