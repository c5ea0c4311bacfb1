"""A small made-up city for the tests of policy: 900 households whose persons follow no census."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import strategies as st

from citylab.policy.levers import levers
from citylab.policy.scenario import Change, Scenario
from citylab.policy.simulate import Result, simulate
from citylab.policy.world import World

DISTRICTS = [110101, 110102, 110105, 110106, 110108, 110112, 110116, 110119]


def made_up_persons(households: int = 900, seed: int = 1) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 6, households)
    district = rng.choice(DISTRICTS, households)
    income = rng.lognormal(12, 0.7, households)
    cars = rng.binomial(2, 0.35, households) * (income > np.median(income) / 2)
    decile = np.argsort(np.argsort(income)) * 10 // households + 1
    distance = rng.exponential(np.where(np.isin(district, DISTRICTS[:5]), 0.9, 4.0))
    home = np.repeat(np.arange(households), size)
    n = len(home)
    age = rng.integers(0, 95, n)
    phone = rng.random(n) < np.where(age >= 60, 0.7, 0.97)
    return pl.DataFrame(
        {
            "person_id": np.arange(n, dtype=np.uint32),
            "household_id": home.astype(np.uint32),
            "adcode": district[home].astype(str),
            "age_years": age.astype(np.uint8),
            "household_size_persons": size[home],
            "income_decile": decile[home],
            "household_income_cny": income[home],
            "household_car_count": cars[home],
            "has_smartphone": phone,
            "is_online": phone & (rng.random(n) < 0.9),
            "metro_distance_km": distance[home],
            "is_synthetic": np.ones(n, dtype=bool),
        }
    )


@st.composite
def some_changes(draw: st.DrawFn) -> list[Change]:
    """Return changes of two to six levers, of any values, years and ramps."""
    names = draw(st.lists(st.sampled_from(sorted(levers())), unique=True, min_size=2, max_size=6))
    found = []
    for name in names:
        one = levers()[name]
        start = draw(st.integers(2026, 2034))
        end = draw(st.none() | st.integers(start, 2035))
        found.append(
            Change(name, draw(st.floats(one.low, one.high)), start, end, draw(st.sampled_from([0.0, 1.5, 4.0])))
        )
    return found


@pytest.fixture(scope="session")
def persons() -> pl.DataFrame:
    return made_up_persons()


@pytest.fixture(scope="session")
def world(persons: pl.DataFrame) -> World:
    return World.from_persons(persons)


MIX = Scenario(
    "混合",
    "Mix",
    [
        Change("building_pv", 2, 2026, ramp_years=4),
        Change("transit_fare", 0.5, "2027-07-01"),
        Change("digital_training", 0.5, 2026, 2030),
    ],
)


@pytest.fixture(scope="session")
def result(world: World) -> Result:
    return simulate(world, MIX, draws=40, seed=2)
