"""Levers two by two: a tonne that both could save is saved once."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citylab.policy.levers import levers
from citylab.policy.levers.base import draw_of
from citylab.policy.scenario import Change, Scenario
from citylab.policy.simulate import evaluate, simulate
from citylab.policy.state import SECTORS, State, electricity, emissions
from tests.policy.conftest import some_changes

DRAWS = 32
ALL = tuple(levers())
PAIRS = list(combinations(ALL, 2))

# Where to each lever is moved: the end at which it saves tonnes, or connects people; storage and networks add some.
SAVING = {name: one.high if one.default != one.high else one.low for name, one in levers().items()}
SAVING |= {
    "transit_fare": 0.5,  # dearer fares save the energy of transit and add kilometres by car
    "ets_cap": 5.0,  # half of the small city's industry
    "building_pv": 0.01,  # a third of the small city's electricity
}


def moved(state: State, *names: str) -> State:
    """Apply levers in the order in which they act, at the end at which they save tonnes."""
    for name in ALL:
        if name in names:
            one = levers()[name]
            state.previous_value, state.history = one.default, None
            one.apply(state, SAVING[name], draw_of(one.priors, 11, 0, DRAWS)[0], 1.0)
    return state


def saved(tiny, kwh, *names: str) -> dict[str, np.ndarray]:
    """Return what levers save by sector, with changed kWh at the margin; shape (draws, 1)."""
    before, after = emissions(tiny(DRAWS)), emissions(moved(tiny(DRAWS), *names), kwh)
    return {s: np.broadcast_to(before[s] - after[s], (DRAWS, 1)) for s in SECTORS}


@pytest.mark.parametrize("margin", [0.5, 0.8])
def test_no_pair_of_levers_saves_more_than_the_two_alone(tiny, margin) -> None:
    def city(*args):
        return tiny(*args, margin_kgco2_kwh=margin)

    kwh = electricity(city(DRAWS))
    alone = {name: saved(city, kwh, name) for name in ALL}
    compared, beyond = 0, {}
    for first, second in PAIRS:
        ours, theirs, both = alone[first], alone[second], saved(city, kwh, first, second)
        # Panels are shared out among sectors by what these take, so that only all sectors together can be compared
        parts = [SECTORS] if "building_pv" in (first, second) else [(sector,) for sector in SECTORS]
        for part in parts:
            a, b, joint = (sum(one[sector] for sector in part) for one in (ours, theirs, both))
            # Where one adds tonnes, a smaller or cleaner addition is no tonne counted twice
            if (a >= 0).all() and (b >= 0).all():
                compared += bool((a > 0).any() and (b > 0).any())
                if (joint > (a + b) * (1 + 1e-9) + 1e-9).any():
                    beyond[first, second, part] = float((joint - a - b).max())
            # What only one of them touches it touches as if it were alone
            if not a.any() or not b.any():
                np.testing.assert_allclose(joint, a + b, rtol=1e-9, atol=1e-7, err_msg=f"{first}, {second}, {part}")
    assert beyond == {}
    assert compared > 20, "pairs that touch the same activity"


@pytest.mark.parametrize(
    "pair",
    [
        ("building_retrofit", "heat_pump"),
        ("congestion_charge", "ev_adoption"),
        ("carbon_price", "ets_cap"),
        ("carbon_price", "tiered_tariff"),
        ("congestion_charge", "driving_restriction"),
    ],
)
def test_two_levers_on_one_activity_save_less_than_the_two_alone(tiny, pair) -> None:
    def city(*args):
        return tiny(*args, margin_kgco2_kwh=0.5)

    kwh = electricity(city(DRAWS))
    one, two, both = (sum(saved(city, kwh, *names).values()) for names in ((pair[0],), (pair[1],), pair))
    assert (both < one + two).all() and (both > np.maximum(one, two)).all()


def test_no_pair_of_levers_connects_a_person_twice(tiny) -> None:
    before = tiny(DRAWS)
    digital = [name for name in ALL if levers()[name].stage == "digital"]
    assert len(digital) >= 4
    for first, second in combinations(digital, 2):
        one, two, both = (moved(tiny(DRAWS), *names) for names in ((first,), (second,), (first, second)))
        for name in ("online_persons", "smartphone_persons", "covered_persons", "service_persons"):
            a, b, joint = (state[name] - before[name] for state in (one, two, both))
            assert np.all(joint <= a + b + 1e-9), (first, second, name)
            assert np.all(joint >= np.maximum(a, b) - 1e-9), (first, second, name)
            assert np.all(both[name] <= before["persons"] * (1 + 1e-12))


@settings(max_examples=12, deadline=None)
@given(some_changes(), st.randoms(use_true_random=False))
def test_the_order_of_changes_in_a_file_and_levers_at_their_reference_change_no_bit(world, changes, random) -> None:
    plan = Scenario("", "", changes)
    mixed = list(changes)
    random.shuffle(mixed)
    named = {change.lever for change in changes}
    idle = [Change(name, one.default, 2026) for name, one in levers().items() if name not in named]
    first = simulate(world, plan, draws=4)._drawn
    text = Scenario("", "", [*idle, *mixed]).to_yaml()
    second = simulate(world, Scenario.from_yaml(text), draws=4)._drawn
    for name, values in first.items():
        assert np.array_equal(values, second[name]), name


def test_a_lever_at_its_reference_changes_no_bit_in_any_year(world) -> None:
    for name, one in levers().items():
        drawn = simulate(world, Scenario("", "", [Change(name, one.default, 2026, ramp_years=3)]), draws=2)._drawn
        for end in ("co2", "pm25", "access"):
            assert np.array_equal(drawn[end], drawn[f"{end}_after"]), (name, end)
        assert not drawn["money"].any() and not drawn["kind"].any() and not drawn["group"].any(), name


def test_what_a_lever_did_before_it_went_back_to_its_reference_is_all_that_stays(world) -> None:
    # Levers that leave something behind: people trained, cars bought. Of the others nothing is left in 2035.
    stay = {"digital_training": "online_persons", "ev_adoption": "co2_t"}
    for name in ALL:
        plan = Scenario("", "", [Change(name, SAVING[name], 2026, 2030)])
        row = evaluate(world, plan, {"grid_variant": [0]}, 2035).row(0, named=True)
        left = {quantity for quantity, value in row.items() if abs(value) > 1e-6}
        assert (stay[name] in left) if name in stay else not left, (name, left)
