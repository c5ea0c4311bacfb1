from __future__ import annotations

import math

import pytest

from citylab.policy.levers.driving_restriction import LEVER

DRAW = {"effect_share": 0.21, "weekday_share": 0.75, "lasting_share": 0.2, "fade_years": 1.0, "trip_km": 12.0,
        "transit_share": 0.5, "hardship_cny_km": 0.0}  # fmt: skip
LASTING = DRAW | {"lasting_share": 1.0}


def test_a_day_more_takes_no_more_than_a_days_kilometres_and_fades(act) -> None:
    # Published 0.21, but a working day carries 0.75 / 5 = 0.15 of the week. Of that 0.2 lasts and the rest fades as
    # e^-t, on the mean of the first year 1 - 1/e, of the second (1 - 1/e) / e.
    fresh = 1 - math.exp(-1)
    first = 0.15 * (0.2 + 0.8 * fresh)
    assert act(LEVER, 2.0, **DRAW)["car_km"][0] == pytest.approx([6e6 * (1 - first), 0, 3e6 * (1 - first)])
    year = act(LEVER, 2.0, 1.0, **DRAW)["car_km"][0, 0]
    assert year == pytest.approx(6e6 * (1 - 0.15 * (0.2 + 0.8 * fresh / math.e)))
    assert act(LEVER, 2.0, 60.0, **DRAW)["car_km"][0, 0] == pytest.approx(6e6 * 0.97)


def test_the_years_of_a_restriction_add_up_to_its_fading(act) -> None:
    # Without a part that lasts, all years together hold the integral of 0.15 e^(-t / 0.8) over time: 0.15 x 0.8.
    draw = DRAW | {"lasting_share": 0.0, "fade_years": 0.8}
    lost = [1 - act(LEVER, 2.0, float(k), **draw)["car_km"][0, 0] / 6e6 for k in range(40)]
    assert sum(lost) == pytest.approx(0.15 * 0.8, rel=1e-9)


def test_a_day_that_comes_later_is_fresh_when_it_comes(act, tiny) -> None:
    # One day more for two years, then half a day on top of it: the day is in its third year, the half in its first.
    state = tiny()
    state.history = (2.0, 2.0, 2.5)
    fresh = [math.exp(-k) - math.exp(-k - 1) for k in range(3)]
    km = act(LEVER, 2.5, 2.0, state=state, **DRAW)["car_km"][0, 0]
    assert km == pytest.approx(6e6 * (1 - 0.15 * (0.2 * 1.5 + 0.8 * (fresh[2] + 0.5 * fresh[0]))))


def test_the_draft_of_the_study_gives_less(act) -> None:
    assert act(LEVER, 2.0, **(LASTING | {"effect_share": 0.09}))["car_km"][0, 0] == pytest.approx(6e6 * 0.91)


def test_drivers_ride_metro_where_there_is_one_and_pay_while_others_are_not_touched(act) -> None:
    state = act(LEVER, 2.0, **(LASTING | {"hardship_cny_km": 0.4}))
    # 9e5 and 4.5e5 km not driven: 37 500 trips by metro at 5 CNY, 18 750 by bus at 1 CNY.
    assert state["metro_trips"][0] == pytest.approx([237_500, 0, 0])
    assert state["bus_trips"][0] == pytest.approx([50_000, 100_000, 38_750])
    assert state["household_cny"][0, 1] == 0.0
    # Third cell, petrol only: 0.6 saved a km, fares paid; in kind as much is lost, and 0.4 of hardship a km.
    assert state["household_cny"][0, 2] == pytest.approx(4.5e5 * 0.6 - 18_750)
    assert state["comfort_cny"][0] + state["household_cny"][0] == pytest.approx([-3.6e5, 0.0, -1.8e5])
    # Taxes of 0.8 x 9e5 + 4.5e5 km of petrol are lost, fares are won.
    assert state["budget_cny"].item() == pytest.approx(-1.17e6 * 0.2 + 37_500 * 5 + 18_750)


def test_to_end_the_restriction_takes_back_rides_only_as_long_as_there_are_some(act) -> None:
    state = act(LEVER, 0.0, **LASTING)
    assert state["car_km"][0, 0] == pytest.approx(6e6 * 1.15)
    assert state["bus_trips"][0] == pytest.approx([50_000, 100_000, 20_000 - 18_750])
    none = act(LEVER, 0.0, **(LASTING | {"trip_km": 1.0}))
    assert none["bus_trips"][0, 2] == 0.0
    # 20 000 bus fares of 1 CNY saved for 4.5e5 km at 0.6 CNY, which are worth just that where there is no hardship.
    assert none["household_cny"][0, 2] == pytest.approx(20_000 - 2.7e5)
    assert none["comfort_cny"][0, 2] == pytest.approx(2.7e5 - 20_000)
