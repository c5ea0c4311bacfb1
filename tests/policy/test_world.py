from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from citylab.errors import DataError, RangeError, SchemaError
from citylab.policy.levers import levers
from citylab.policy.levers.base import draw_of
from citylab.policy.reference import Reference
from citylab.policy.state import NAMES, emissions
from citylab.policy.world import AMOUNTS, World
from tests.policy.conftest import made_up_persons

SUMS = [n for n, side in NAMES.items() if side in ("money", "kind") or (side == "people" and not n.endswith("_share"))]


def test_amounts_sum_to_the_totals_of_the_reference(world):
    reference = world.reference
    for name in ("persons", "households", *AMOUNTS):
        assert world.table[name].sum() == pytest.approx(reference.level(name, 2025), rel=1e-12)
        assert world.state(2031).total(name).item() == pytest.approx(reference.level(name, 2031), rel=1e-12)


def test_groups_of_each_kind_sum_to_the_city(world):
    whole = world.groups["persons"][0]
    for _, part in world.groups.filter(pl.col("group") != "all").partition_by("group", as_dict=True).items():
        assert part["persons"].sum() == pytest.approx(whole, rel=1e-12)
    np.testing.assert_allclose(world.members.T @ world.table["persons"].to_numpy(), world.groups["persons"], rtol=1e-12)


@pytest.fixture(scope="module")
def three(persons):
    """The same people as cells in factored form, as cells in ordinary arrays, and one by one."""
    cells, single = World.from_persons(persons), World.from_persons(persons, collapse=False)
    assert cells.size < single.size == persons.height
    return [(cells, True), (cells, False), (single, False)]


@pytest.mark.parametrize("name", sorted(levers()))
def test_cells_give_the_sums_that_persons_give_under_every_lever(name, three):
    one = levers()[name]
    value = one.low + 0.3 * (one.high - one.low)
    draw, _ = draw_of(one.priors, 5, 0, 3)
    found = []
    for world, factored in three:
        factors = {n: f for n, f in world.reference.factors(5, 0, 3).items() if n != "pm25_ugm3"}
        state = world.state(2030, factors=factors, draws=3, factored=factored)
        state.previous_value, state.history = one.default, (value, value)
        one.apply(state, value, draw, 1.0)
        tonnes = {("co2", sector): x for sector, x in emissions(state).items()}
        found.append({n: np.broadcast_to(state.total(n), (3, 1)) for n in SUMS} | tonnes)
    for other in found[1:]:
        for key, values in found[0].items():
            scale = max(np.abs(other["budget_cny"]).max(), 1.0) if str(key).endswith("_cny") else np.abs(values).max()
            np.testing.assert_allclose(values, other[key], rtol=1e-9, atol=1e-9 * scale, err_msg=str(key))


def test_a_saved_table_of_cells_makes_the_same_world(world):
    again = World.from_cells(world.table)
    np.testing.assert_allclose(again.state(2030).total("car_km"), world.state(2030).total("car_km"), rtol=1e-12)
    assert again.table.columns == world.table.columns


def test_a_row_that_stands_for_several_persons_counts_as_several(persons):
    twice = pl.concat([persons, persons.with_columns(person_id=pl.col("person_id") + persons.height)])
    weighted = persons.with_columns(weight_persons=pl.lit(2.0))
    a, b = World.from_persons(twice), World.from_persons(weighted)
    np.testing.assert_allclose(a.table["car_km"], b.table["car_km"], rtol=1e-9)
    np.testing.assert_allclose(a.table["persons"], b.table["persons"], rtol=1e-9)


def test_replicates_keep_the_population_and_spread_as_households_do(world):
    weights = world.replicates(0)
    persons = world.table["persons"].to_numpy()
    np.testing.assert_allclose(weights @ persons, persons.sum(), rtol=1e-12)
    assert (weights >= 0).all() and weights.mean() == pytest.approx(1.0, abs=0.05)
    assert (weights == World.from_cells(world.table).replicates(0)).all()


def test_persons_that_cannot_be_are_refused(persons):
    with pytest.raises(SchemaError, match="'metro_distance_km'"):
        World.from_persons(persons.drop("metro_distance_km"))
    with pytest.raises(DataError, match="without persons"):
        World.from_persons(persons.head(0))
    with pytest.raises(DataError, match="household_size_persons is below 1"):
        World.from_persons(persons.with_columns(household_size_persons=pl.lit(0)))
    with pytest.raises(DataError, match="'age_years'"):
        World.from_persons(persons.with_columns(age_years=pl.lit(None, pl.Int8)))
    with pytest.raises(DataError, match="income_decile runs from 0"):
        World.from_persons(persons.with_columns(income_decile=pl.lit(0)))


def test_a_year_outside_the_reference_is_refused(world):
    with pytest.raises(RangeError, match="from 2026 to 2035; asked was 2040"):
        world.state(2040)


def test_a_group_without_a_weight_is_told(persons):
    people = Reference.load().people.filter(~((pl.col("amount") == "bus_trips") & (pl.col("level") == 2)))
    with pytest.raises(SchemaError, match=r"no weight of 'bus_trips' for age_band = \[2\]"):
        World.from_persons(persons, Reference.load(people=people))


def test_persons_by_group_are_the_same_to_the_last_bit_in_every_run():
    # Enough rows for Polars to share a sum among its threads
    rng = np.random.default_rng(5)
    cells = World.from_persons(made_up_persons(20_000, seed=2), collapse=False).table
    cells = cells.with_columns(persons=pl.Series(rng.lognormal(0, 3, cells.height)))
    first = World.from_cells(cells).groups
    for _ in range(5):
        assert World.from_cells(cells).groups["persons"].to_list() == first["persons"].to_list()
