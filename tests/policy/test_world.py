from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from citylab.errors import DataError, RangeError, SchemaError
from citylab.policy.levers import levers
from citylab.policy.levers.base import draw_of
from citylab.policy.reference import RATES, Reference
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


def with_gap(name):
    return pl.when(pl.int_range(pl.len()) != 3).then(pl.col(name)).alias(name)


@pytest.mark.parametrize(
    ("column", "error", "told"),
    [
        (pl.lit(0).alias("household_size_persons"), DataError, "household_size_persons is below 1"),
        (pl.lit(None, pl.Int8).alias("age_years"), DataError, "'age_years'"),
        (pl.lit(-5).alias("age_years"), DataError, "age_years is below 0"),
        (pl.lit("old").alias("age_years"), SchemaError, "'age_years' is String"),
        (pl.lit(0).alias("income_decile"), DataError, "income_decile runs from 0"),
        (pl.lit(2.5).alias("income_decile"), DataError, "whole numbers from 1"),
        (pl.lit(0.0).alias("household_income_cny"), DataError, "household_income_cny is 0 in all rows"),
        (pl.lit(-1).alias("household_car_count"), DataError, "household_car_count is below 0"),
        (pl.lit(0).alias("household_car_count"), DataError, "'car_km' sums to 0.0"),
        (with_gap("is_online"), DataError, "'is_online' of the persons is Boolean with 1 gaps"),
        (with_gap("has_smartphone"), DataError, "'has_smartphone' of the persons is Boolean with 1 gaps"),
        (pl.lit(2).alias("has_smartphone"), DataError, "expected true or false"),
        (with_gap("adcode"), DataError, "adcode is no code of a district in 1 rows, for example None"),
        (pl.lit("海淀").alias("adcode"), DataError, "for example '海淀'"),
        (with_gap("household_id"), DataError, "household_id is no whole number"),
        ((pl.col("household_id") + 10**12).alias("household_id"), DataError, "Number households from 0 upwards"),
        (pl.lit(1).alias("person_id"), DataError, "person_id has 1 different values"),
        (pl.lit(0.0).alias("weight_persons"), DataError, "weight_persons is 0"),
        (pl.lit(-1.0).alias("weight_persons"), DataError, "weight_persons is below 0"),
    ],
)
def test_values_of_persons_that_cannot_be_are_told_by_column(persons, column, error, told):
    with pytest.raises(error, match=told):
        World.from_persons(persons.with_columns(column))


@pytest.mark.parametrize(
    ("column", "told"),
    [
        (with_gap("online_persons"), "online_persons is no finite number of 0 or more in 1 cells, for example None"),
        (pl.lit(float("nan")).alias("smartphone_persons"), "for example nan"),
        (with_gap("car_km"), "car_km is no finite number"),
        ((pl.col("persons") * 2).alias("online_persons"), "more online_persons than persons"),
        (pl.lit(11).alias("income_decile"), "income_decile runs from 11"),
        (with_gap("metro_band"), "'metro_band' of the cells has 1 gaps"),
        (with_gap("persons").fill_null(0.0), "1 cells have no persons"),
    ],
)
def test_cells_that_cannot_be_are_told(world, column, told):
    with pytest.raises(DataError, match=told):
        World.from_cells(world.table.with_columns(column))


def test_persons_of_any_number_type_and_lazy_make_the_same_world(persons, world):
    other = persons.lazy().with_columns(
        pl.col("adcode").cast(pl.Categorical),
        pl.col("household_income_cny").cast(pl.Float64),
        pl.col("has_smartphone").cast(pl.Int8),
        pl.col("age_years").cast(pl.Float32),
    )
    assert World.from_persons(other).table.equals(world.table)


def test_a_table_with_some_synthetic_persons_says_so(persons):
    some = persons.with_columns(is_synthetic=pl.col("person_id") < 5)
    none = persons.with_columns(is_synthetic=pl.lit(False))
    assert World.from_persons(some).is_synthetic and not World.from_persons(none).is_synthetic


def test_a_sample_of_one_household_has_no_sampling_error_to_tell(persons):
    one = persons.filter(pl.col("household_id") == persons.filter(pl.col("household_car_count") > 0)["household_id"][0])
    with pytest.raises(DataError, match="has 1 households, too few"):
        World.from_persons(one).replicates(0)


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
    cells = cells.with_columns(pl.lit(0.0).alias(n) for n in RATES)
    cells = cells.with_columns(persons=pl.Series(rng.lognormal(0, 3, cells.height)))
    first = World.from_cells(cells).groups
    for _ in range(5):
        assert World.from_cells(cells).groups["persons"].to_list() == first["persons"].to_list()
