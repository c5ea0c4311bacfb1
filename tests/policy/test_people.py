from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from citylab.policy.runs import Plan, moves_of
from citylab.policy.scenario import Scenario
from citylab.policy.simulate import (
    PERSON_STATE,
    person_state,
    simulate,
)
from citylab.policy.world import World
from tests.policy.conftest import MIX


def test_persons_one_by_one_sum_to_the_run_of_cells(persons, world):
    state = person_state(persons, MIX)
    assert state.height == persons.height * 10 and set(PERSON_STATE) <= set(state.columns)
    each = world.reference.level("persons", 2025) / persons.height
    sums = state.group_by("year").agg(pl.col("household_cny", "car_km", "online_persons").sum() * each).sort("year")
    weightless = World(world.table.with_columns(sample_households=pl.lit(1e15)), world.reference)
    central = Plan(weightless, moves_of(MIX, world.reference.years), 0).replicates()
    np.testing.assert_allclose(sums["household_cny"], central["money"][0, :, 0], rtol=1e-6)
    by_year = [world.state(y, factored=False) for y in world.reference.years]
    reference = person_state(persons, Scenario("", ""), columns=["car_km"])
    totals = reference.group_by("year").agg(pl.col("car_km").sum() * each).sort("year")["car_km"]
    np.testing.assert_allclose(totals, [s.total("car_km").item() for s in by_year], rtol=1e-9)


def test_a_person_of_a_draw_is_the_person_of_that_draw_in_a_run(persons, world):
    each = world.reference.level("persons", 2025) / persons.height
    run = simulate(world, MIX, draws=6, seed=2)
    asked = {"draw": 4, "seed": 2, "years": [2030], "columns": ["household_cny", "service_persons"]}
    state = person_state(persons, MIX, **asked)
    again = person_state(World.from_persons(persons, collapse=False), MIX, **asked)
    assert again.drop("person_id").equals(state.drop("person_id"))
    k = world.reference.years.index(2030)
    assert state["household_cny"].sum() * each == pytest.approx(run._drawn["money"][4, k, 0], rel=1e-9)
    assert state["service_persons"].sum() * each == pytest.approx(run._drawn["access_after"][4, k, 3], rel=1e-9)
