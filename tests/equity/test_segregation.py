from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import random_table

import calibration.segregation
from benchmarks import segregation as bench
from citylab.equity.segregation import (
    MULTIGROUP,
    TWO_GROUP,
    between_within,
    exposure,
    local_segregation,
    measures,
    rule,
    segregation,
    segregation_difference,
    segregation_interval,
    segregation_test,
    strength,
)
from citylab.equity.segregation.formulas import measure_named
from citylab.equity.segregation.strength import at_strength
from citylab.errors import DataError, RangeError, SchemaError, UnknownNameError
from citylab.vocabulary import WORDS

ALL_MULTIGROUP = measures("multigroup")["measure"].to_list()
ALL_TWO_GROUP = measures("two_group")["measure"].to_list()
ASK: dict[str, Any] = {"unit": "unit", "group": "group"}


def table(counts: Any, **columns: Any) -> pl.DataFrame:
    """One row per unit and group of a matrix of counts."""
    held = np.asarray(counts)
    names = [f"g{i}" for i in range(held.shape[1])]
    wide = pl.DataFrame(held, schema=names).with_row_index("unit").with_columns(pl.col("unit").cast(pl.Int64))
    return wide.unpivot(index="unit", variable_name="group", value_name="persons").with_columns(**columns)


def values(rows: pl.DataFrame, **options: Any) -> dict[str, float]:
    told = segregation(rows, **ASK, **options)
    return dict(told.select("measure", "value").iter_rows())


def everything(rows: pl.DataFrame) -> dict[str, float]:
    two = values(rows, focal="g0", measures=ALL_TWO_GROUP)
    return {**values(rows, measures=ALL_MULTIGROUP), **{f"two {m}": v for m, v in two.items()}}


# ------------------------------------------------------------------------------------------------ published results


@pytest.fixture(scope="module")
def schools(mirror: Path) -> pl.DataFrame:
    return pl.read_csv(mirror / "reference" / "segregation_schools" / "schools00.csv")


SCHOOL: dict[str, Any] = {"unit": "school", "group": "race", "count": "n"}


def test_schools_have_the_published_m_and_h_and_their_parts_between_and_within_states(schools: pl.DataFrame) -> None:
    # R package segregation on its data schools00, and plain recomputation.
    found = between_within(schools, **SCHOOL, cluster="state")
    told = {r["component"]: (r["mutual_m"], r["theil_h"]) for r in found.head(3).iter_rows(named=True)}
    assert told["total"] == pytest.approx((0.4255389759, 0.4188083146), abs=1e-10)
    assert told["between"] == pytest.approx((0.0992437013, 0.0976739844), abs=1e-10)
    assert told["within"] == pytest.approx((0.3262952746, 0.3211343303), abs=1e-10)
    whole = segregation(schools, **SCHOOL, measures=["mutual_m", "theil_h"])["value"].to_list()
    assert whole == pytest.approx(told["total"], rel=1e-12)
    assert whole[0] / whole[1] == pytest.approx(1.0160709828, abs=1e-9)  # the entropy of race


def test_schools_have_the_published_local_segregation_of_each_race(schools: pl.DataFrame) -> None:
    found = local_segregation(schools, **SCHOOL, of="group").sort("race")
    assert found["race"].to_list() == ["asian", "black", "hisp", "native", "white"]
    assert found["local"].to_list() == pytest.approx(
        [0.62876725, 0.88054131, 0.77663274, 1.43426439, 0.18363929], abs=1e-8
    )
    assert found["share"].to_list() == pytest.approx([0.0225534, 0.1901499, 0.1516966, 0.0075079, 0.6280922], abs=5e-8)
    assert found["contribution"].sum() == pytest.approx(0.4255389759, abs=1e-10)


def test_schools_and_states_have_the_published_dissimilarity_of_black_and_white(schools: pl.DataFrame) -> None:
    ask: dict[str, Any] = {"group": "race", "count": "n", "focal": "black", "against": "white",
                           "measures": "dissimilarity"}  # fmt: skip
    assert segregation(schools, unit="school", **ask)["value"].item() == pytest.approx(0.7283878849, abs=1e-10)
    # Rows of one state and race are added up. Printed to eight digits.
    assert segregation(schools, unit="state", **ask)["value"].item() == pytest.approx(0.37889477, abs=5e-9)


def test_schools_have_the_published_isolation_of_each_race(schools: pl.DataFrame) -> None:
    found = exposure(schools, **SCHOOL).filter(pl.col("race") == pl.col("other")).sort("race")
    expected = [0.0560886, 0.6119596, 0.4426203, 0.0891945, 0.7943007]
    assert found["exposure"].to_list() == pytest.approx(expected, abs=5e-8)
    for race, value in zip(found["race"], expected, strict=True):
        one = segregation(schools, **SCHOOL, focal=race, measures="isolation")
        assert one["value"].item() == pytest.approx(value, abs=5e-8)


def test_the_rarest_race_of_the_schools_makes_a_note_of_small_units(schools: pl.DataFrame) -> None:
    # 0.75 % of a mean unit of some 400 pupils are three.
    row = segregation(schools, **SCHOOL, measures="theil_h").row(0, named=True)
    assert row["note"] == "small_units" and row["n_groups"] == 5
    assert row["n_units"] == schools["school"].n_unique()


# -------------------------------------------------------------------------------------------------------- by hand


def test_two_units_by_hand() -> None:
    # x = 90, 30 of 120; y = 10, 70 of 80.
    found = values(table([[90, 10], [30, 70]]), focal="g0", measures=ALL_TWO_GROUP)
    assert found["dissimilarity"] == pytest.approx((90 / 120 - 10 / 80), abs=1e-12)
    # With two units the segregation curve has one corner, and the Gini index is D.
    assert found["gini"] == pytest.approx(found["dissimilarity"])
    isolation = 90 / 120 * 0.9 + 30 / 120 * 0.3
    assert found["isolation"] == pytest.approx(isolation)
    assert found["interaction"] == pytest.approx(1 - isolation)
    assert found["correlation_ratio"] == pytest.approx((isolation - 0.6) / 0.4)
    # 1 - (sum of sqrt(x/X y/Y))^2
    assert found["atkinson"] == pytest.approx(1 - (math.sqrt(0.75 * 0.125) + math.sqrt(0.25 * 0.875)) ** 2)

    def entropy(p: float) -> float:
        return -p * math.log(p) - (1 - p) * math.log(1 - p)

    assert found["mutual_m"] == pytest.approx(entropy(0.6) - (entropy(0.9) + entropy(0.3)) / 2)
    assert found["theil_h"] == pytest.approx(found["mutual_m"] / entropy(0.6))


def test_the_gini_index_is_the_mean_difference_of_shares() -> None:
    counts = np.array([[5, 20], [30, 3], [8, 8], [0, 12], [7, 0]])
    t, p = counts.sum(1), counts[:, 0] / counts.sum(1)
    share = counts[:, 0].sum() / t.sum()
    pairs = (t[:, None] * t * np.abs(p[:, None] - p)).sum()
    expected = pairs / (2 * t.sum() ** 2 * share * (1 - share))
    assert values(table(counts), focal="g0")["gini"] == pytest.approx(expected)


@pytest.mark.parametrize("shape", [0.1, 0.5, 0.9])
def test_the_atkinson_index_weighs_units_as_its_formula_says(shape: float) -> None:
    counts = np.array([[5, 20], [30, 3], [8, 8]])
    t, p = counts.sum(1), counts[:, 0] / counts.sum(1)
    share = counts[:, 0].sum() / t.sum()
    inner = ((1 - p) ** (1 - shape) * p**shape * t).sum() / (share * t.sum())
    expected = 1 - share / (1 - share) * inner ** (1 / (1 - shape))
    found = segregation(table(counts), **ASK, focal="g0", measures=f"atkinson({shape})")
    assert found.select("measure", "value").row(0) == (f"atkinson({shape})", pytest.approx(expected))


# ------------------------------------------------------------------------------------------------------- invariants

MATRIX = st.integers(2, 6).flatmap(
    lambda n: st.integers(2, 4).flatmap(
        lambda g: st.lists(st.lists(st.integers(0, 60), min_size=g, max_size=g), min_size=n, max_size=n)
    )
).filter(lambda m: sum(map(any, m)) > 1 and any(r[0] for r in m) and any(any(r[1:]) for r in m))  # fmt: skip


@given(MATRIX)
@settings(max_examples=50, deadline=None)
def test_values_lie_between_0_and_1_and_m_below_the_entropy(matrix: list[list[int]]) -> None:
    found = everything(table(matrix))
    assert all(-1e-12 <= v <= 1 + 1e-9 for m, v in found.items() if "mutual_m" not in m)
    assert 0 <= found["mutual_m"] <= math.log(len(matrix[0])) + 1e-12
    assert found["two isolation"] + found["two interaction"] == pytest.approx(1)


@given(MATRIX)
@settings(max_examples=30, deadline=None)
def test_doubling_everybody_parting_a_unit_and_empty_units_change_nothing(matrix: list[list[int]]) -> None:
    expected = everything(table(matrix))
    halves = [[2 * v for v in row] for row in matrix[1:]] + [matrix[0], matrix[0], [0] * len(matrix[0])]
    assert everything(table(halves)) == pytest.approx(expected, abs=1e-9)
    assert segregation(table(halves), **ASK)["n_empty_units"].min() >= 1


def test_an_even_table_has_none_and_a_table_of_one_group_a_unit_has_all() -> None:
    even, full = table([[10, 20, 30], [20, 40, 60]]), table([[9, 0, 0], [0, 4, 0], [0, 0, 7], [2, 0, 0]])
    assert {m: round(v, 12) for m, v in values(even, measures=ALL_MULTIGROUP).items()} == dict.fromkeys(
        ALL_MULTIGROUP, 0
    )
    for m, highest in measures("multigroup").select("measure", "highest").iter_rows():
        if highest:
            assert values(full, measures=m)[m] == pytest.approx(highest)
    for m, highest in measures("two_group").select("measure", "highest").iter_rows():
        if highest:
            assert values(full, focal="g0", measures=m)[m] == pytest.approx(highest)
            assert values(even, focal="g0", measures=m)[m] == pytest.approx(0, abs=1e-12)


@given(MATRIX)
@settings(max_examples=30, deadline=None)
def test_with_two_groups_the_measures_of_all_groups_are_those_of_the_pair(matrix: list[list[int]]) -> None:
    two = table([[row[0], sum(row[1:])] for row in matrix])
    many, pair = values(two, measures=ALL_MULTIGROUP), values(two, focal="g0", measures=ALL_TWO_GROUP)
    for m in ("dissimilarity", "gini", "theil_h", "mutual_m"):
        assert many[m] == pytest.approx(pair[m], abs=1e-9)
    for m in ("normalised_exposure", "relative_diversity", "squared_variation"):
        assert many[m] == pytest.approx(pair["correlation_ratio"], abs=1e-9)


@given(MATRIX, st.data())
@settings(max_examples=30, deadline=None)
def test_between_and_within_add_up_and_joining_clusters_gives_the_part_between(
    matrix: list[list[int]], data: st.DataObject
) -> None:
    town = data.draw(st.lists(st.sampled_from("xyz"), min_size=len(matrix), max_size=len(matrix)))
    rows = table(matrix).join(pl.DataFrame({"unit": range(len(matrix)), "town": town}), on="unit")
    found = between_within(rows, **ASK, cluster="town")
    total, between, within = found["contribution"].head(3)
    assert between + within == pytest.approx(total, abs=1e-12)
    assert found.filter(component="cluster")["contribution"].sum() == pytest.approx(within, abs=1e-12)
    joined = segregation(rows, unit="town", group="group", measures="mutual_m")["value"].item()
    assert between == pytest.approx(joined if joined is not None else 0, abs=1e-12)
    for name, m in found.filter(component="cluster").select("cluster", "mutual_m").iter_rows():
        own = segregation(rows.filter(town=name), **ASK, measures="mutual_m")["value"].item()
        assert m == pytest.approx(own if own is not None else 0, abs=1e-12)


@given(MATRIX)
@settings(max_examples=30, deadline=None)
def test_local_parts_of_units_and_of_groups_add_up_to_m_and_exposures_to_1(matrix: list[list[int]]) -> None:
    rows = table(matrix)
    m = values(rows, measures="mutual_m")["mutual_m"]
    for of in ("unit", "group"):
        found = local_segregation(rows, **ASK, of=of)  # type: ignore[arg-type]
        assert found["contribution"].sum() == pytest.approx(m, abs=1e-12)
        assert found["share"].sum() == pytest.approx(1)
        assert found["local"].min() >= -1e-12  # type: ignore[operator]
    sums = exposure(rows, **ASK).group_by("group").agg(pl.col("exposure").sum())
    assert sums["exposure"].to_list() == pytest.approx([1] * sums.height)


def test_the_peer_gives_the_same_indices_and_the_same_mean_by_chance_where_it_is_installed() -> None:
    held = bench.wide(60)
    mine, rows = bench.values(held), bench.long(held)
    assert all(0 < v < 1 for v in mine.values())
    try:
        bench.check_values(mine, bench.pysal_values(held))
        for focal in ("g0", None):
            mean = bench.ours(rows, "systematic", focal, 50)
            bench.check(mean, bench.pysal(bench.in_pandas(held), "systematic", focal, 50), 50)
    except ImportError:
        return  # no dependency of citylab


# ------------------------------------------------------------------------------------------------------ parts, laziness


def test_parts_are_those_of_each_part_alone_and_a_lazy_frame_stays_lazy() -> None:
    a, b = table([[9, 1], [2, 8]], year=pl.lit(2010)), table([[5, 5], [6, 4], [1, 9]], year=pl.lit(2020))
    rows = pl.concat([b, a])
    lazy = segregation(rows.lazy(), **ASK, by="year")
    assert isinstance(lazy, pl.LazyFrame)
    found = lazy.collect()
    assert found.schema == lazy.collect_schema()
    for year, part in ((2010, a), (2020, b)):
        assert found.filter(year=year).drop("year").equals(segregation(part, **ASK))
    for work in (segregation_test, segregation_interval):
        told = work(rows.lazy(), **ASK, by="year", draws=50)
        assert told.collect().schema == told.collect_schema()
    assert exposure(rows, **ASK, by="year").height == 8
    assert local_segregation(rows.lazy(), **ASK, by="year").collect().height == 5
    parted = between_within(rows.with_columns(town=pl.col("unit") // 2), **ASK, cluster="town", by="year")
    # Three rows a year, and one per town: one of 2010, two of 2020.
    assert parted.group_by("year").len().sort("year")["len"].to_list() == [4, 5]


def test_the_order_of_rows_changes_no_value_and_no_draw() -> None:
    rows = table([[9, 1, 4], [2, 8, 3], [5, 5, 5]])
    mixed = rows.sample(fraction=1, shuffle=True, seed=3)
    assert segregation_test(mixed, **ASK, draws=50).equals(segregation_test(rows, **ASK, draws=50))
    assert segregation_interval(mixed, **ASK, draws=50).equals(segregation_interval(rows, **ASK, draws=50))
    other = segregation_interval(rows, **ASK, draws=50, seed=1)
    assert not other["se"].equals(segregation_interval(rows, **ASK, draws=50)["se"])


# ------------------------------------------------------------------------------------------------------- inference


def tables_by_chance(rows: list[int], columns: list[int]) -> list[tuple[np.ndarray, float]]:
    """All tables with two columns and these margins, with their probabilities."""
    law = random_table(rows, columns)

    def fill(at: int, left: int) -> list[list[int]]:
        if at == len(rows):
            return [[]] if left == 0 else []
        return [[x, *more] for x in range(min(rows[at], left) + 1) for more in fill(at + 1, left - x)]

    every = [np.array([[x, n - x] for x, n in zip(f, rows, strict=True)]) for f in fill(0, columns[0])]
    return [(t, float(law.pmf(t))) for t in every]


def test_complete_randomness_is_that_of_all_tables_with_both_margins() -> None:
    seen = np.array([[3, 1], [0, 4], [2, 2]])
    every = tables_by_chance([4, 4, 4], [5, 7])
    d = [np.abs(t[:, 0] / 5 - t[:, 1] / 7).sum() / 2 for t, _ in every]
    weight = [p for _, p in every]
    assert sum(weight) == pytest.approx(1)
    value = float(np.abs(seen[:, 0] / 5 - seen[:, 1] / 7).sum() / 2)
    exact = sum(p for x, p in zip(d, weight, strict=True) if x >= value - 1e-12)
    mean = float(np.dot(d, weight))
    sd = math.sqrt(float(np.dot(np.square(d), weight)) - mean**2)
    n = 4000
    row = segregation_test(table(seen), **ASK, focal="g0", measures="dissimilarity", draws=n).row(0, named=True)
    assert row["value"] == pytest.approx(value)
    # Five Monte Carlo errors.
    assert abs(row["expected"] - mean) < 5 * sd / math.sqrt(n)
    assert abs(row["p"] - exact) < 5 * math.sqrt(exact * (1 - exact) / n) + 1 / n
    assert row["sd"] == pytest.approx(sd, rel=0.1)
    assert row["excess"] == row["value"] - row["expected"]
    assert row["z"] == pytest.approx(row["excess"] / row["sd"])
    assert row["modified"] == pytest.approx(row["excess"] / (1 - row["expected"]))


def test_chance_under_evenness_is_the_one_of_theory() -> None:
    # 2 n M is about chi-squared with (units - 1)(groups - 1) degrees of freedom where counts are large.
    counts = np.full((20, 3), 200)
    row = segregation_test(table(counts), **ASK, measures="mutual_m", null="evenness", draws=400).row(0, named=True)
    assert row["value"] == 0 and row["p"] == 1
    theory, n = 19 * 2, 2 * counts.sum()
    assert abs(row["expected"] * n - theory) < 5 * math.sqrt(2 * theory / 400) + 0.5
    assert row["sd"] * n == pytest.approx(math.sqrt(2 * theory), rel=0.2)
    assert row["modified"] is None  # M has no highest value


@pytest.mark.parametrize("null", ["evenness", "systematic", "permutation"])
def test_people_placed_by_lot_in_small_units_look_segregated_and_the_test_sees_through_it(null: Any) -> None:
    rng = np.random.default_rng(1)
    rows = table(rng.multinomial(10, [0.3, 0.7], size=100))
    row = segregation_test(rows, **ASK, focal="g0", measures="dissimilarity", null=null, draws=200).row(0, named=True)
    assert row["value"] > 0.2 and row["note"] == "small_units"
    assert abs(row["z"]) < 4 and row["p"] > 0.001


@pytest.mark.parametrize("null", ["evenness", "systematic", "permutation"])
def test_people_apart_are_found_to_be_apart(null: Any) -> None:
    rows = table([[90, 10], [10, 90], [50, 50]])
    found = segregation_test(rows, **ASK, focal="g0", measures=ALL_TWO_GROUP, null=null, draws=99)
    assert found["p"].to_list() == [0.01] * len(ALL_TWO_GROUP)  # of 99 draws none is as far, for interaction too


def test_a_pair_is_tested_among_its_own_persons() -> None:
    rows = table([[30, 30, 500], [30, 30, 0]])
    row = segregation_test(
        rows, **ASK, focal="g0", against="g1", measures=["dissimilarity", "isolation"], draws=99
    ).to_dicts()
    assert row[0]["persons"] == 120 and row[0]["value"] == 0 and row[0]["p"] == 1
    assert row[1]["persons"] == 620 and row[1]["p"] == 0.01  # alone in the second unit, half of it


def test_the_bootstrap_of_persons_has_the_error_and_the_bias_of_theory() -> None:
    # Two units of 500, shares .4 and .6: D = |x1/X - y1/Y|, each a share of 500 persons.
    row = segregation_interval(
        table([[200, 300], [300, 200]]), **ASK, focal="g0", measures="dissimilarity", draws=1000
    ).row(0, named=True)
    assert row["value"] == pytest.approx(0.2)
    assert row["se"] == pytest.approx(math.sqrt(0.4 * 0.6 / 500 * 2), rel=0.1)
    assert row["lower"] == pytest.approx(0.2 - 1.96 * row["se"], abs=0.01)
    assert row["upper"] == pytest.approx(0.2 + 1.96 * row["se"], abs=0.01)
    # The bias of M is about (units - 1)(groups - 1) / 2n.
    rng = np.random.default_rng(0)
    counts = rng.multinomial(400, [0.2, 0.3, 0.5], size=50)
    m = segregation_interval(table(counts), **ASK, measures="mutual_m", draws=300).row(0, named=True)
    assert m["bias"] == pytest.approx(49 * 2 / (2 * counts.sum()), rel=0.1)
    assert m["corrected"] == pytest.approx(m["value"] - m["bias"])
    # Nobody is segregated: of the value all is bias, several errors of it.
    assert (row["note"], m["note"]) == (None, "biased")


@given(MATRIX, st.floats(0, 3))
@settings(max_examples=40, deadline=None)
def test_strength_keeps_the_sizes_of_units_and_goes_from_all_alike_through_what_was_seen(
    matrix: list[list[int]], strength: float
) -> None:
    counts = np.array([row for row in matrix if sum(row)], dtype=float)
    moved = at_strength(counts, strength)
    assert moved.sum(1) == pytest.approx(counts.sum(1)) and (moved >= 0).all()
    assert at_strength(counts, 1.0) == pytest.approx(counts)
    # All alike: each unit has the composition of the whole.
    assert at_strength(counts, 0.0) == pytest.approx(np.outer(counts.sum(1), counts.sum(0)) / counts.sum())
    if strength <= 1:
        # D is a sum of distances from the whole, which strength multiplies.
        d = measure_named("dissimilarity", "multigroup")
        assert float(d.value(moved)) == pytest.approx(strength * float(d.value(counts)), abs=1e-12)


def test_samples_of_the_corrected_segregation_have_the_value_seen_and_those_of_the_ends_reach_it_in_one_tail() -> None:
    rng = np.random.default_rng(5)
    shares = rng.beta(4, 16, 80)
    counts = rng.binomial(25, shares)[:, None] * [1, -1] + [0, 25]
    row = segregation_interval(table(counts), **ASK, focal="g0", measures="dissimilarity", draws=4000).row(
        0, named=True
    )
    d = measure_named("dissimilarity", "two_group")

    def drawn(at: float) -> np.ndarray:
        # D is proportional to strength, so that a D tells its table.
        p = at_strength(counts.astype(float), at / row["value"]).ravel() / counts.sum()
        return d.value(rng.multinomial(counts.sum(), p, size=4000).reshape(-1, *counts.shape))

    middle = drawn(row["corrected"])
    assert middle.mean() == pytest.approx(row["value"], abs=0.1 * middle.std())
    assert row["se"] == pytest.approx(middle.std(), rel=0.1)
    assert row["bias"] == pytest.approx(row["value"] - row["corrected"])
    assert np.mean(drawn(row["lower"]) >= row["value"]) == pytest.approx(0.025, abs=0.012)
    assert np.mean(drawn(row["upper"]) <= row["value"]) == pytest.approx(0.025, abs=0.012)


def test_units_of_one_group_each_have_an_interval_that_ends_at_1() -> None:
    row = segregation_interval(table([[100, 0], [0, 100]]), **ASK, focal="g0", measures="dissimilarity").row(
        0, named=True
    )
    assert (row["value"], row["corrected"], row["upper"]) == pytest.approx((1, 1, 1))
    # At strength s a person is in the unit of the others with probability (1 - s) / 2; of 200 none is, with
    # probability 0.025, if ((1 + s) / 2) ** 200 = 0.025. The ends come from moments of the draws, not from counting.
    assert row["lower"] == pytest.approx(2 * 0.025 ** (1 / 200) - 1, abs=0.02)


def test_people_placed_by_lot_have_an_interval_that_begins_at_0_and_units_more_even_than_chance_say_so() -> None:
    rng = np.random.default_rng(3)
    lot = table(rng.multinomial(30, [0.2, 0.8], size=100))
    found = segregation_interval(lot, **ASK, focal="g0", measures=["dissimilarity", "gini", "theil_h"], draws=300)
    assert found["lower"].to_list() == [0, 0, 0] and (found["upper"] > 0).all() and (found["value"] > 0.01).all()
    alike = segregation_interval(table([[20, 80]] * 50), **ASK, focal="g0", measures="dissimilarity", draws=300)
    assert alike.select("value", "corrected", "lower", "upper", "note").row(0) == (0, 0, 0, 0, "more_even")
    nearly = table([[19, 81], [21, 79]] * 25)
    row = segregation_interval(nearly, **ASK, focal="g0", measures="dissimilarity", draws=300).row(0, named=True)
    assert row["value"] > 0 and (row["lower"], row["upper"], row["note"]) == (0, 0, "more_even")
    assert "more_even" in WORDS


def test_four_people_who_happen_to_be_even_leave_almost_everything_open() -> None:
    # Of two pairs placed by lot (each of the four in either unit and group) many are even: no reason to say 0 alone.
    row = segregation_interval(table([[1, 1], [1, 1]]), **ASK, focal="g0", measures="dissimilarity").row(0, named=True)
    assert (row["value"], row["lower"], row["note"]) == (0, 0, "small_units") and row["upper"] > 0.5


def test_a_table_too_large_to_hold_at_all_strengths_has_the_same_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = table(np.random.default_rng(2).multinomial(40, [0.3, 0.7], size=30) + np.arange(30)[:, None] % 3 * [20, 0])
    ask = {**ASK, "focal": "g0", "measures": "dissimilarity", "draws": 2000}
    held = segregation_interval(rows, **ask).row(0, named=True)
    few = {"chunk_cells": 100.0}
    monkeypatch.setattr(strength, "rule", lambda name: few.get(name, rule(name)))
    apart = segregation_interval(rows, **ask).row(0, named=True)
    for end in ("lower", "corrected", "upper"):
        assert apart[end] == pytest.approx(held[end], abs=0.25 * held["se"])


def test_exposures_are_shares_of_a_group_where_nobody_is_apart_and_have_the_plain_bootstrap() -> None:
    # Isolation of a group that is placed by lot is its share, 0.4 here, less or more by chance: not 0.
    rows = table([[200, 300], [210, 290], [190, 310]])
    row = segregation_interval(rows, **ASK, focal="g0", measures="isolation").row(0, named=True)
    assert row["lower"] < 0.4 < row["upper"] and row["upper"] - row["lower"] < 0.15
    assert row["corrected"] == pytest.approx(row["value"] - row["bias"])


def test_the_bootstrap_of_units_keeps_units_whole() -> None:
    # Units of one kind can be drawn anew in any number without a change.
    row = segregation_interval(table([[2, 6]] * 5), **ASK, measures="theil_h", resample="units", draws=50)
    assert row.select("value", "se", "lower", "upper").row(0) == pytest.approx((0, 0, 0, 0), abs=1e-12)
    broken = table(np.array([[2.5, 6.0], [7.0, 1.5], [3.0, 3.5]]))
    assert segregation_interval(broken, **ASK, resample="units", draws=50)["se"].min() > 0  # type: ignore[operator]
    with pytest.raises(DataError, match=r'a count is 2.5; persons are drawn.*resample="units"'):
        segregation_interval(broken, **ASK, draws=50)
    with pytest.raises(DataError, match="segregation_interval"):
        segregation_test(broken, **ASK, draws=50)


def years(first: Any, second: Any) -> pl.DataFrame:
    return pl.concat([table(first, year=pl.lit(2010)), table(second, year=pl.lit(2020))])


BETWEEN: dict[str, Any] = {**ASK, "of": "year", "between": (2010, 2020)}


@pytest.mark.parametrize("method", ["bootstrap", "random_label"])
def test_two_like_tables_do_not_differ(method: Any) -> None:
    same = [[60, 40], [30, 70], [50, 50], [55, 45]]
    found = segregation_difference(years(same, same), **BETWEEN, method=method, draws=99)
    assert found["value"].to_list() == [0] * len(MULTIGROUP)
    assert found["p"].min() > 0.3  # type: ignore[operator]


def test_turning_the_two_round_turns_the_sign() -> None:
    rows = years([[90, 10], [10, 90]] * 4, [[60, 40], [40, 60]] * 4)
    there = segregation_difference(rows, **BETWEEN, draws=100)
    back = segregation_difference(rows, **{**BETWEEN, "between": (2020, 2010)}, draws=100)
    assert back["value"].to_list() == pytest.approx((-there["value"]).to_list())
    assert there["first"].equals(back["second"])
    assert (there["upper"] < 0).all() and (back["lower"] > 0).all()
    assert (there["p"] <= 0.02).all()
    own = [segregation_interval(rows.filter(year=y), **ASK, draws=400)["se"] for y in (2010, 2020)]
    both = segregation_difference(rows, **BETWEEN, draws=400)["se"]
    # Errors of independent tables add up in squares.
    assert both.to_list() == pytest.approx((own[0] ** 2 + own[1] ** 2).sqrt().to_list(), rel=0.25)


def test_years_that_are_alike_do_not_differ_where_the_units_of_one_are_small() -> None:
    rng = np.random.default_rng(6)
    shares = rng.beta(4, 16, 80)
    small, large = (rng.binomial(size, shares)[:, None] * [1, -1] + [0, size] for size in (15, 300))
    ask = {"focal": "g0", "measures": "dissimilarity", "draws": 2000}
    row = segregation_difference(years(small, large), **BETWEEN, **ask).row(0, named=True)
    # Small units look more segregated by chance: the difference of the two values is that, and nothing else.
    assert row["value"] < -0.05 < row["corrected"] and row["lower"] < 0 < row["upper"] and row["p"] > 0.05
    # Zou and Donner: from c = c2 - c1 down to c - sqrt((c2 - l2)² + (u1 - c1)²); draws differ, hence the tolerance.
    a, b = (segregation_interval(table(t), **ASK, **ask).row(0, named=True) for t in (small, large))
    down = math.hypot(b["corrected"] - b["lower"], a["upper"] - a["corrected"])
    up = math.hypot(b["upper"] - b["corrected"], a["corrected"] - a["lower"])
    assert row["lower"] == pytest.approx(b["corrected"] - a["corrected"] - down, abs=0.015)
    assert row["upper"] == pytest.approx(b["corrected"] - a["corrected"] + up, abs=0.015)


def test_the_p_of_a_difference_is_at_the_level_where_its_interval_ends_at_0() -> None:
    first, second = [[70, 30], [30, 70], [50, 50]], [[60, 40], [40, 60], [50, 50]]
    ask = {"focal": "g0", "measures": "dissimilarity", "draws": 4000}
    p = segregation_difference(years(first, second), **BETWEEN, **ask)["p"].item()
    assert 0.01 < p < 0.5
    row = segregation_difference(years(first, second), **BETWEEN, **ask, level=1 - p).row(0, named=True)
    assert row["value"] < 0 and row["upper"] == pytest.approx(0, abs=0.02)


def test_random_labels_are_those_of_all_ways_to_deal_units_out() -> None:
    # Units a, b, c, d; the first two are 2010. Of the six ways to deal, {ab} and {cd} are alike up to sign.
    counts = np.array([[9, 1], [1, 9], [6, 4], [4, 6]])
    rows = years(counts[:2], counts[2:])

    def d(part: np.ndarray) -> float:
        return float(np.abs(part[:, 0] / part[:, 0].sum() - part[:, 1] / part[:, 1].sum()).sum() / 2)

    ways = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    gaps = [d(counts[[i for i in range(4) if i not in w]]) - d(counts[list(w)]) for w in ways]
    exact = np.mean([abs(g) >= abs(gaps[0]) - 1e-12 for g in gaps])
    n = 2000
    row = segregation_difference(
        rows, **BETWEEN, focal="g0", measures="dissimilarity", method="random_label", draws=n
    ).row(0, named=True)
    assert row["value"] == pytest.approx(gaps[0])
    assert abs(row["p"] - exact) < 5 * math.sqrt(exact * (1 - exact) / n) + 1 / n
    assert row["se"] is None and row["lower"] is None


def test_a_group_that_one_year_lacks_counts_as_nobody_there() -> None:
    rows = years([[90, 10, 5], [10, 90, 5]], [[60, 40, 0], [40, 60, 0]])
    found = segregation_difference(rows, **BETWEEN, measures=ALL_MULTIGROUP, draws=50)
    alone = segregation(rows.filter(year=2020), **ASK, measures=ALL_MULTIGROUP)
    assert found["second"].to_list() == pytest.approx(alone["value"].to_list())


# --------------------------------------------------------------------------------------------------------- bad input


def test_one_group_or_one_unit_is_noted_and_has_no_value() -> None:
    one_group, one_unit = table([[5, 0], [7, 0]]), table([[5, 6]])
    for rows, note in ((one_group, "one_group"), (one_unit, "one_unit")):
        for work in (segregation, segregation_test, segregation_interval):
            found = work(rows, **ASK)  # type: ignore[operator]
            assert found["note"].to_list() == [note] * len(MULTIGROUP)
            assert found["value"].null_count() == found.height
    alone = segregation(one_group, **ASK, focal="g0")
    assert alone["note"].to_list() == ["one_group"] * len(TWO_GROUP)
    rows = pl.concat([one_group.with_columns(year=2010), table([[5, 5], [9, 1]]).with_columns(year=2020)])
    found = segregation_difference(rows, **BETWEEN, measures="theil_h", draws=50).row(0, named=True)
    assert found["note"] == "one_group" and found["value"] is None and found["second"] > 0
    clusters = between_within(one_group.with_columns(town=pl.lit("x")), **ASK, cluster="town")
    assert clusters["mutual_m"].to_list() == [0] * 4 and clusters["theil_h"].null_count() == 4


def test_units_of_one_person_are_counted() -> None:
    row = segregation(table([[1, 0], [0, 1], [0, 0], [30, 30]]), **ASK, measures="theil_h").row(0, named=True)
    assert (row["n_units"], row["n_empty_units"], row["n_singleton_units"], row["n_small_units"]) == (3, 1, 2, 2)
    assert row["note"] == "small_units" and row["persons"] == 62


def test_units_are_small_from_fewer_than_five_expected_of_some_group_on() -> None:
    # Shares .1 and .9: a unit of 50 would hold 5 of the first, one of 49 fewer.
    large, small = table([[5, 45]] * 4), table([[5, 45]] * 3 + [[4, 36]])
    assert segregation(large, **ASK)["n_small_units"].unique().to_list() == [0]
    found = segregation(small, **ASK)
    assert found["n_small_units"].unique().to_list() == [1]
    assert found["note"].unique().to_list() == ["small_units"]  # a quarter is more than a fifth


@pytest.mark.parametrize("bad", [-1.0, None, math.nan, math.inf])
@pytest.mark.parametrize(
    "work",
    [segregation, segregation_test, segregation_interval, exposure, local_segregation],
)
def test_counts_that_cannot_be_are_refused(work: Any, bad: float | None) -> None:
    rows = pl.DataFrame({"unit": [1, 1, 2], "group": ["a", "b", "a"], "persons": [1.0, bad, 3.0]})
    with pytest.raises(DataError, match="1 rows have a count that is missing, negative or infinite"):
        work(rows, **ASK)


def test_tables_of_nobody_and_rows_without_a_name_are_refused() -> None:
    with pytest.raises(DataError, match="all counts are 0"):
        segregation(table([[0, 0], [0, 0]]), **ASK)
    rows = pl.concat([table([[1, 2], [3, 4]], year=pl.lit(1)), table([[0, 0]], year=pl.lit(2))])
    with pytest.raises(DataError, match=r"all counts in {'year': 2} are 0"):
        segregation(rows, **ASK, by="year")
    with pytest.raises(DataError, match="no rows"):
        segregation(rows.clear(), **ASK)
    with pytest.raises(DataError, match="4 rows lack a name"):
        segregation(rows.with_columns(group=pl.when(pl.col("year") == 2).then("group")), **ASK)


def test_columns_groups_and_measures_that_there_are_not_are_told() -> None:
    rows = table([[5, 5], [9, 1]])
    with pytest.raises(SchemaError, match="needs column 'pupils'"):
        segregation(rows, **ASK, count="pupils")
    with pytest.raises(SchemaError, match="needs numbers"):
        segregation(rows.with_columns(persons=pl.lit("many")), **ASK)
    with pytest.raises(SchemaError, match="name of a column of the result"):
        segregation(rows.with_columns(value=1), **ASK, by="value")
    with pytest.raises(SchemaError, match="two things"):
        segregation(rows, unit="unit", group="unit")
    with pytest.raises(DataError, match=r"nobody belongs to 'g7'. The groups are 'g0', 'g1'"):
        segregation(rows, **ASK, focal="g7")
    with pytest.raises(RangeError, match="without focal"):
        segregation(rows, **ASK, against="g0")
    with pytest.raises(RangeError, match="both 'g0'"):
        segregation(rows, **ASK, focal="g0", against="g0")
    with pytest.raises(UnknownNameError, match="two_group measure"):
        segregation(rows, **ASK, focal="g0", measures="isolaton")
    with pytest.raises(UnknownNameError):
        segregation(rows, **ASK, measures="isolation")
    for name in ("atkinson(1)", "atkinson(0)", "atkinson(x)"):
        with pytest.raises(RangeError, match=r"parameter|no number"):
            segregation(rows, **ASK, focal="g0", measures=name)
    with pytest.raises(RangeError, match="no measure"):
        segregation(rows, **ASK, measures=[])
    with pytest.raises(UnknownNameError, match="'evenness'"):
        segregation_test(rows, **ASK, null="even")  # type: ignore[arg-type]
    with pytest.raises(RangeError, match="draws is 0"):
        segregation_test(rows, **ASK, draws=0)
    with pytest.raises(DataError, match="too few"):
        segregation_interval(rows, **ASK, draws=20)
    with pytest.raises(UnknownNameError, match="'unit'"):
        local_segregation(rows, **ASK, of="units")  # type: ignore[arg-type]


def test_a_comparison_without_its_second_half_is_refused() -> None:
    rows = table([[5, 5], [9, 1]], year=pl.lit(2010))
    with pytest.raises(DataError, match=r"no row has year 2020. There are 2010"):
        segregation_difference(rows, **BETWEEN)
    with pytest.raises(RangeError, match="twice"):
        segregation_difference(rows, **{**BETWEEN, "between": (2010, 2010)})


def test_draws_levels_and_pairs_that_cannot_be_are_refused() -> None:
    rows = table([[60, 40], [30, 70]])
    for draws in (0, 99.5):
        with pytest.raises(RangeError, match=f"draws is {draws}; expected a whole number"):
            segregation_interval(rows, **ASK, draws=draws)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"level is 95\.0; expected a number between 0 and 1"):
        segregation_interval(rows, **ASK, level=95)
    with pytest.raises(DataError, match=r"500 resamples are too few for an interval of 0\.999; take at least 2000"):
        segregation_interval(rows, **ASK, level=0.999)
    with pytest.raises(RangeError, match=r"between= is \(1, 2, 3\); expected the two values of 'year'"):
        segregation_difference(rows.with_columns(year=1), **ASK, of="year", between=(1, 2, 3))  # type: ignore[arg-type]


def test_a_unit_in_two_clusters_is_refused() -> None:
    rows = table([[5, 5], [9, 1]]).with_columns(town=pl.lit("x"))
    twice = pl.concat([rows, rows.filter(unit=1).with_columns(town=pl.lit("y"))])
    with pytest.raises(DataError, match="unit 1 lies in 'x' and in 'y'"):
        between_within(twice, **ASK, cluster="town")
    with pytest.raises(DataError, match="lack their 'town'"):
        between_within(rows.with_columns(town=pl.lit(None, pl.String)), **ASK, cluster="town")


# what the slow proof says


@pytest.mark.parametrize(("kind", "size"), [("slight segregation", 30), ("some segregation", 10)])
def test_intervals_hold_the_true_segregation_of_units_that_are_drawn_anew(kind: str, size: int) -> None:
    rng = np.random.default_rng(4)
    held = np.array([calibration.segregation.covered(rng, kind, size, i) for i in range(50)])
    # Of 50 intervals of 95 percent 42 or fewer hold with probability 0.004. The plain bootstrap of D holds about 6 and
    # 23 of them.
    assert (held.sum(axis=0) > 42).all()


def test_the_test_by_chance_keeps_its_size_in_small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration.segregation, "INTERVALS", {"some segregation": (100,)})
    told = {r.what: r for r in calibration.segregation.run(40, 1)}
    assert told["D, test by chance (permutation), 100 units of 10, all alike"].verdict == "within"
    assert told["H, interval, some segregation, 100 units of 100"].verdict == "within"
