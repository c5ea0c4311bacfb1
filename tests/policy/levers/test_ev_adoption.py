from __future__ import annotations

import math

import pytest

from citylab.policy.levers.ev_adoption import LEVER


def bass(years: float, p: float, q: float) -> float:
    """Return Bass's closed form (1969): share of adopters after a time."""
    fallen = math.exp(-(p + q) * years)
    return (1 - fallen) / (1 + q / p * fallen)


@pytest.mark.parametrize(("p", "q"), [(0.03, 0.38), (0.005, 0.5)])
@pytest.mark.parametrize(("pace", "years", "ahead"), [(2.0, 0.0, 0.5), (1.5, 2.0, 1.25), (3.0, 9.0, 19.0)])
def test_a_faster_pace_is_the_reference_some_years_later(act, tiny, p, q, pace, years, ahead) -> None:
    # Each year gains pace - 1 years; the middle of the present one has gained half of that.
    now = bass(5.0, p, q)
    state = tiny(ev_share=[now, 0.0, now])
    act(LEVER, pace, years, state=state, innovation=p, imitation=q, premium_cny_km=0.0, public_share=0.0)
    assert state["ev_share"][0] == pytest.approx([bass(5.0 + ahead, p, q), bass(ahead, p, q), bass(5.0 + ahead, p, q)])


def test_an_electric_kilometre_saves_petrol_and_costs_the_car_and_the_tax(act, tiny) -> None:
    state = tiny()
    act(LEVER, 2.0, state=state, innovation=0.03, imitation=0.38, premium_cny_km=0.1, public_share=0.3)
    km = (state["ev_share"][0, 2] - 0.0) * 3e6
    # 0.6 of petrol less 0.15 x 0.5 of electricity less seven tenths of the premium
    assert state["household_cny"][0, 2] == pytest.approx(km * (0.6 - 0.075 - 0.07))
    assert state["household_cny"][0, 1] == 0.0, "no car, no gain"
    every = km + (state["ev_share"][0, 0] - 0.2) * 6e6
    assert state["budget_cny"].item() == pytest.approx(-every * (0.2 + 0.03))


def test_what_is_all_electric_stays_so(act, tiny) -> None:
    state = tiny(ev_share=[1.0, 1.0, 1.0])
    act(LEVER, 3.0, 5.0, state=state, innovation=0.03, imitation=0.38, premium_cny_km=0.1, public_share=0.3)
    assert state["ev_share"].tolist() == [[1.0, 1.0, 1.0]]


def test_what_was_gained_stays_when_the_pace_is_the_references_again(act, tiny) -> None:
    # Twofold in the first year, as usual in the two after it: one year ahead.
    state = tiny(ev_share=[bass(5.0, 0.03, 0.38)] * 3)
    state.history = (2.0, 1.0, 1.0)
    act(LEVER, 1.0, 2.0, state=state, innovation=0.03, imitation=0.38, premium_cny_km=0.0, public_share=0.0)
    assert state["ev_share"][0] == pytest.approx([bass(6.0, 0.03, 0.38)] * 3)
