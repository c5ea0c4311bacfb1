from __future__ import annotations

import math

import pytest

from citylab.policy.levers.driving_restriction import LEVER

DRAW = {"effect_share": 0.21, "weekday_share": 0.75, "lasting_share": 0.2, "fade_years": 1.0, "trip_km": 12.0,
        "transit_share": 0.5, "hardship_cny_km": 0.0}  # fmt: skip


def test_a_day_more_takes_no_more_than_a_days_kilometres_and_fades(act) -> None:
    # Published 0.21, but a working day carries 0.75 / 5 = 0.15 of the week; later 0.15 x (0.2 + 0.8 e^-t).
    assert act(LEVER, 2.0, **DRAW)["car_km"][0] == pytest.approx([6e6 * 0.85, 0, 3e6 * 0.85])
    year = act(LEVER, 2.0, 1.0, **DRAW)["car_km"][0, 0]
    assert year == pytest.approx(6e6 * (1 - 0.15 * (0.2 + 0.8 * math.exp(-1))))
    assert act(LEVER, 2.0, 60.0, **DRAW)["car_km"][0, 0] == pytest.approx(6e6 * 0.97)


def test_the_draft_of_the_study_gives_less(act) -> None:
    assert act(LEVER, 2.0, **(DRAW | {"effect_share": 0.09}))["car_km"][0, 0] == pytest.approx(6e6 * 0.91)


def test_drivers_ride_metro_where_there_is_one_and_pay_while_others_are_not_touched(act) -> None:
    state = act(LEVER, 2.0, **(DRAW | {"hardship_cny_km": 0.4}))
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
    state = act(LEVER, 0.0, **DRAW)
    assert state["car_km"][0, 0] == pytest.approx(6e6 * 1.15)
    assert state["bus_trips"][0] == pytest.approx([50_000, 100_000, 20_000 - 18_750])
    none = act(LEVER, 0.0, **(DRAW | {"trip_km": 1.0}))
    assert none["bus_trips"][0, 2] == 0.0
    # 20 000 bus fares of 1 CNY saved for 4.5e5 km at 0.6 CNY, which are worth just that where there is no hardship.
    assert none["household_cny"][0, 2] == pytest.approx(20_000 - 2.7e5)
    assert none["comfort_cny"][0, 2] == pytest.approx(2.7e5 - 20_000)
