from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest
from esda.moran import Moran_Local
from hypothesis import given, settings
from hypothesis import strategies as st
from libpysal.weights import lat2W
from scipy.sparse import csr_array
from scipy.stats import binom, binomtest

import citylab as cl
from benchmarks import lisa
from benchmarks.measure import Disagreement
from citylab.equity import space, speedtests
from citylab.equity.space import overall, placed, rates
from citylab.equity.space.local import CLUSTERS, NOT_SIGNIFICANT, adjusted, standardised_lag, tails
from citylab.errors import DataError, RangeError, SchemaError
from citylab.vocabulary import WORDS


def lattice(rows: int, columns: int) -> pl.DataFrame:
    at = np.arange(rows * columns).reshape(rows, columns)
    right = np.column_stack([at[:, :-1].ravel(), at[:, 1:].ravel()])
    down = np.column_stack([at[:-1].ravel(), at[1:].ravel()])
    return space.pairs(pl.DataFrame(np.concatenate([right, down]), schema=["a", "b"]), "a", "b")


def cells(values: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame({"cell": np.arange(values.size), "use": values.ravel().astype(float)})


@st.composite
def small_maps(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Values with ties, and weights of which every place has some."""
    n = draw(st.integers(4, 6))
    x = np.array(draw(st.lists(st.integers(-3, 3), min_size=n, max_size=n)), dtype=float)
    w = np.array(draw(st.lists(st.sampled_from([0.0, 0.0, 1.0, 2.5]), min_size=n * n, max_size=n * n))).reshape(n, n)
    np.fill_diagonal(w, 0.0)
    lonely = w.sum(axis=1) == 0
    w[lonely, (np.flatnonzero(lonely) + 1) % n] = 1.0
    return x, w


def dealt(x: np.ndarray, w: np.ndarray, i: int) -> np.ndarray:
    """Sums over the neighbours of i in every possible deal of the others' values."""
    others = np.delete(np.arange(len(x)), i)
    return np.array([x[list(order)] @ w[i, others] for order in itertools.permutations(others)])


@given(small_maps())
@settings(max_examples=25, deadline=None)
def test_draws_reach_the_true_sum_as_often_as_all_possible_deals_do(case):
    x, w = case
    draws = 4000
    up, down = tails(x, csr_array(w), draws, seed=3)
    for i in range(len(x)):
        every = dealt(x, w, i)
        for found, share in ((up[i], np.mean(every >= w[i] @ x - 1e-9)), (down[i], np.mean(every <= w[i] @ x + 1e-9))):
            low, high = binom.interval(1 - 1e-7, draws, share) if 0 < share < 1 else (share * draws, share * draws)
            assert low <= found <= high


@given(small_maps())
@settings(max_examples=25, deadline=None)
def test_standardised_sums_have_the_mean_and_spread_of_all_possible_deals(case):
    x, w = case
    z = standardised_lag(x, csr_array(w))
    for i in range(len(x)):
        every = dealt(x, w, i)
        if every.std() > 1e-9:
            assert z[i] == pytest.approx((w[i] @ x - every.mean()) / every.std(), abs=1e-8)
        else:
            assert z[i] == 0


def test_a_sum_that_cannot_be_otherwise_is_not_told_as_a_deviation():
    # All others alike, about a large mean; and all others neighbours.
    alone = np.array([1e6 + 7.7] + [1e6 + 0.1] * 6)
    ring = np.roll(np.eye(7), 1, axis=1) + np.roll(np.eye(7), -1, axis=1)
    assert standardised_lag(alone, csr_array(ring))[0] == 0
    up, down = tails(alone, csr_array(ring), 99, seed=0)
    assert (up[0], down[0]) == (99, 99)
    everyone = np.ones((7, 7)) - np.eye(7)
    assert standardised_lag(np.random.default_rng(0).normal(size=7) / 3, csr_array(everyone)).tolist() == [0.0] * 7


@pytest.mark.filterwarnings("ignore:The alternative hypothesis:DeprecationWarning")
def test_statistics_and_quadrants_are_esdas_and_p_values_agree_with_its_draws():
    rng = np.random.default_rng(11)
    x = rng.normal(size=(9, 8)) + np.linspace(0, 2, 9)[:, None]
    draws = 2999
    ours = space.local_moran(cells(x), "use", "cell", lattice(9, 8), permutations=draws, seed=5)
    theirs = Moran_Local(x.ravel(), lat2W(9, 8), permutations=draws, seed=5)
    assert ours["statistic"].to_list() == pytest.approx(theirs.Is.tolist(), abs=1e-12)
    names = {1: "HH", 2: "LH", 3: "LL", 4: "HL"}
    assert ours["quadrant"].to_list() == [names[q] for q in theirs.q]
    # Its p-values are one-sided, on the side that the data chose.
    off = ours["p_sim"].to_numpy() / 2 - theirs.p_sim
    error = np.sqrt(2 * theirs.p_sim * (1 - theirs.p_sim) / draws)
    assert (np.abs(off) <= 5 * error + 2 / draws).all()
    # esda scales its statistics by n-1 and the moments of Sokal et al. beside them by n.
    exact = (theirs.Is * 72 / 71 - theirs.EIc) / np.sqrt(theirs.VIc)
    assert ours["z"].to_list() == pytest.approx(exact.tolist(), abs=1e-9)


def test_local_statistics_add_up_to_the_global_one():
    x = np.random.default_rng(2).normal(size=(6, 7))
    local = space.local_moran(cells(x), "use", "cell", lattice(6, 7), permutations=99)
    whole = space.moran(cells(x), "use", "cell", lattice(6, 7), permutations=0)["value"].item()
    assert local["statistic"].sum() / (42 - 1) == pytest.approx(whole)


def test_a_place_at_the_mean_is_never_significant():
    # Its statistic is 0 in every draw; esda gives it the smallest p-value there is.
    x = np.random.default_rng(0).permutation(np.arange(49.0) - 24).reshape(7, 7)
    found = space.local_moran(cells(x), "use", "cell", lattice(7, 7), correction="none").filter(pl.col("value") == 0)
    assert found.select("statistic", "p_sim", "quadrant", "cluster").row(0) == (0.0, 1.0, None, "not_significant")


def test_a_name_of_a_cluster_tells_of_the_side_on_which_the_neighbours_are_beyond_chance():
    # Place 0 is at 1000 and its three neighbours are the three highest of 39 others: of their C(39, 3) = 9139 threes
    # one has so high a sum. All lie below the mean of all, (1000 + 0 + ... + 38) / 40 = 43.525: the quadrant is HL, but
    # nothing is lower about the neighbours than chance makes it.
    values = pl.DataFrame({"place": range(40), "use": [1000.0, *range(39)]})
    star = [(0, 37), (0, 38), (0, 39)]
    ring = space.pairs(pl.DataFrame([*star, *((i, i + 1) for i in range(1, 39))], schema=["a", "b"], orient="row"),
                       "a", "b")  # fmt: skip
    told = space.local_moran(values, "use", "place", ring, correction="none", permutations=1999).row(0, named=True)
    assert told["quadrant"] == "HL" and told["p_sim"] < 0.01 and told["cluster"] == "not_significant"
    # Gi* of a place far below its high neighbours: the sum of the four is low, that of the three is not.
    low = pl.DataFrame({"place": range(40), "use": [-1000.0, *range(39)]})
    told = space.local_getis_ord(low, "use", "place", ring, correction="none", permutations=1999).row(0, named=True)
    assert told["z"] < 0 and told["p_sim"] < 0.01 and told["cluster"] == "not_significant"
    # Without itself (Gi) the neighbours alone are told, and they are a hot spot.
    told = space.local_getis_ord(low, "use", "place", ring, star=False, correction="none").row(0, named=True)
    assert told["z"] > 0 and told["cluster"] == "hot_spot"
    # As a low place among high ones it is an outlier, by the test and by its quadrant.
    assert space.local_moran(low, "use", "place", ring, correction="none")["cluster"][0] == "low_outlier"


def test_without_a_pattern_five_places_in_a_hundred_are_below_five_percent():
    rng = np.random.default_rng(8)
    links, low = lattice(7, 7), []
    for _ in range(40):
        x = rng.normal(size=(7, 7))
        low.append(space.local_moran(cells(x), "use", "cell", links, permutations=199)["p_sim"].to_numpy()[24] <= 0.05)
    # One place per map, so that the 40 are independent: a rate of 0.05 gives 8 or more with probability 0.001.
    assert sum(low) <= 7
    assert binomtest(7, 40, 0.05, alternative="greater").pvalue > 0.001


def test_a_planted_hot_and_cold_corner_are_found_and_nothing_between_them():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(12, 12))
    x[:4, :4] += 6
    x[-4:, -4:] -= 6
    for found in (
        space.local_moran(cells(x), "use", "cell", lattice(12, 12)),
        space.local_getis_ord(cells(x), "use", "cell", lattice(12, 12)),
    ):
        map_of = found["cluster"].to_numpy().reshape(12, 12)
        assert (map_of[1:3, 1:3] == "hot_spot").all()
        assert (map_of[-3:-1, -3:-1] == "cold_spot").all()
        assert not np.isin(map_of[5:7, 5:7], ["hot_spot", "cold_spot"]).any()


def test_corrections_only_raise_p_values_and_bonferroni_most():
    x = np.random.default_rng(6).normal(size=(6, 6)).cumsum(axis=0)
    told = {
        c: space.local_moran(cells(x), "use", "cell", lattice(6, 6), correction=c)["p_adjusted"].to_numpy()
        for c in ("none", "fdr", "fdr_dependent", "bonferroni")
    }
    assert (told["none"] <= told["fdr"]).all()
    assert (told["fdr"] <= told["fdr_dependent"]).all()
    assert (told["fdr"] <= told["bonferroni"] + 1e-12).all()
    # By hand: p in order 0.01 0.02 0.03 0.5, times 4/1 4/2 4/3 4/4, then the least of what follows.
    assert adjusted(np.array([0.03, 0.5, 0.01, 0.02]), "fdr") == pytest.approx([0.04, 0.5, 0.04, 0.04])


def test_the_same_seed_gives_the_same_answer_whatever_the_order_of_rows_and_numpys_own_generator():
    x = np.random.default_rng(1).normal(size=(6, 6))
    table, links = cells(x), lattice(6, 6)
    first = space.local_moran(table, "use", "cell", links, permutations=199, seed=7)
    np.random.seed(99)
    before = np.random.get_state()[1].copy()  # type: ignore[index]
    again = space.local_moran(table.reverse(), "use", "cell", links.sample(fraction=1, shuffle=True, seed=1),
                              permutations=199, seed=7)  # fmt: skip
    assert first.equals(again)
    assert (np.random.get_state()[1] == before).all()  # type: ignore[index]
    other = space.local_moran(table, "use", "cell", links, permutations=199, seed=8)
    assert not first["p_sim"].equals(other["p_sim"])


def test_islands_and_places_without_a_value_keep_a_row_that_says_so():
    places = pl.DataFrame({"id": list("abcdefg"), "use_share": [0.1, 0.4, 0.2, 0.9, 0.3, None, float("nan")]})
    links = space.pairs(pl.DataFrame({"a": list("abcf"), "b": list("bcde")}), "a", "b")
    # e has only f as a neighbour, and f has no value.
    told = space.local_moran(places, "use_share", "id", links, permutations=99)
    assert told.height == 7
    notes = dict(told.select("id", "note").iter_rows())
    assert notes == {**dict.fromkeys("abcd"), "e": "island", "f": "missing", "g": "missing"}
    assert told.filter(pl.col("note").is_not_null())["cluster"].null_count() == 3
    assert set(told["n"]) == {4}
    with pytest.raises(DataError, match="no neighbour with a value: 'e'"):
        space.local_moran(places, "use_share", "id", links, islands="refuse")


@pytest.mark.parametrize("correction", ["fdr", "bonferroni"])
def test_places_that_do_not_count_are_not_among_the_tests_that_are_corrected_for(correction):
    x = np.random.default_rng(6).normal(size=(6, 6)).cumsum(axis=0)
    more = pl.concat([cells(x), pl.DataFrame({"cell": [36, 37, 38], "use": [float("nan"), None, 50.0]})])
    ask = {"correction": correction, "permutations": 1999, "seed": 3}
    alone = space.local_moran(cells(x), "use", "cell", lattice(6, 6), **ask)
    among = space.local_moran(more, "use", "cell", lattice(6, 6), **ask)
    assert among.head(36).equals(alone)
    assert among.tail(3).select("p_sim", "p_adjusted", "cluster").null_count().row(0) == (3, 3, 3)


def test_a_place_of_one_neighbour_is_judged_by_that_one_alone():
    # Nine places; the first has the last as its only neighbour, and that is the highest of the eight others: one deal
    # in eight puts it there, so that the two-sided p is 2/8, and nothing of one neighbour among eight can be rarer.
    values = pl.DataFrame({"place": range(9), "use": [5.0, 1.0, 2.0, 3.0, 4.0, 6.0, 7.0, 8.0, 9.0]})
    links = space.pairs(pl.DataFrame({"a": [0, *range(1, 8)], "b": [8, *range(2, 9)]}), "a", "b")
    told = space.local_getis_ord(values, "use", "place", links, star=False, permutations=9999, correction="none")
    assert told["n_neighbours"][0] == 1
    assert told["p_sim"][0] == pytest.approx(2 / 8, abs=0.03)


def test_groups_are_told_apart_and_degenerate_ones_say_why():
    x = np.random.default_rng(3).normal(size=16)
    year = lambda y, v: pl.DataFrame({"cell": range(16), "year": y, "use": v})  # noqa: E731
    both = pl.concat([year(2010, x), year(2020, np.ones(16)), year(2021, np.ones(16)).head(2)])
    told = space.local_moran(both, "use", "cell", lattice(4, 4), by="year", permutations=99)
    alone = space.local_moran(year(2010, x), "use", "cell", lattice(4, 4), permutations=99)
    assert told.filter(year=2010).drop("year").equals(alone)
    assert set(told.filter(year=2020)["note"]) == {"no_variation"}
    assert set(told.filter(year=2021)["note"]) == {"few_places"}


def test_bad_input_is_refused_with_what_to_do():
    table, links = cells(np.arange(16.0)), lattice(4, 4)
    with pytest.raises(RangeError, match="Take at least 640 permutations"):
        space.local_moran(table, "use", "cell", links, permutations=99, correction="bonferroni")
    with pytest.raises(RangeError, match="correction is 'holm'"):
        space.local_moran(table, "use", "cell", links, correction="holm")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="infinite"):
        space.local_moran(table.with_columns(use=pl.lit(float("inf"))), "use", "cell", links)
    with pytest.raises(DataError, match="stands 2 times"):
        space.local_moran(pl.concat([table, table]), "use", "cell", links)
    with pytest.raises(DataError, match="reaches 15"):
        space.local_moran(table.rename({"use": "use_share"}), "use_share", "cell", links)
    with pytest.raises(DataError, match="no place of the frame is in the table of neighbours"):
        space.local_moran(table.with_columns(pl.col("cell") + 100), "use", "cell", links)
    with pytest.raises(SchemaError, match="rename it"):
        space.local_moran(table.rename({"cell": "n"}), "use", "n", links)
    with pytest.raises(SchemaError, match="'use'"):
        space.local_moran(table.drop("use"), "use", "cell", links)


def test_a_lazy_frame_stays_lazy_and_its_schema_is_told_before():
    lazy = space.local_moran(cells(np.arange(16.0)).lazy(), "use", "cell", lattice(4, 4).lazy(), permutations=99)
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect_schema() == lazy.collect().schema


def test_old_people_live_together_in_chinas_north_east():
    census = cl.scan("nbs__census_province_structure").filter(year=2020)
    old = census.select("adcode", old_share=pl.col("age_60plus_persons") / pl.col("population_persons"))
    links = space.pairs(cl.scan("naturalearth__static_provincepair_border"), "adcode_a", "adcode_b")
    found = space.local_moran(old, "old_share", "adcode", links).collect()
    assert found.height == 31
    assert found["note"].null_count() == 31  # no island: Hainan has its conventional link
    jilin = found.filter(adcode="220000").row(0, named=True)
    # Bulletin 5 of the census of 2020: 23.06 % in Jilin; Liaoning 25.72, Heilongjiang 23.22, Inner Mongolia 19.78.
    assert jilin["value"] == pytest.approx(0.2306, abs=5e-5)
    assert jilin["lag"] == pytest.approx((0.2572 + 0.2322 + 0.1978) / 3, abs=5e-5)
    assert jilin["quadrant"] == "HH"
    # One in 31 places by itself, but not under the correction for 31 of them.
    assert jilin["p_sim"] < 0.05 < jilin["p_adjusted"]
    assert jilin["cluster"] == "not_significant"


@pytest.mark.filterwarnings("ignore:The alternative hypothesis:DeprecationWarning")
def test_what_the_benchmark_times_is_the_same_work():
    table, links = lisa.areas(12, 10)
    peer = lisa.bare_esda(table, lat2W(12, 10), keep=True)
    found = lisa.ours(table, links)
    lisa.check(found, peer)
    for other in (found.with_columns(pl.col("statistic") * 1.001), found.with_columns(p_sim=pl.lit(0.5))):
        with pytest.raises(Disagreement):
            lisa.check(other, peer)


def test_every_code_of_a_result_has_words_in_both_languages():
    notes = {
        placed.ISLAND, placed.MISSING, placed.NO_ROWS, placed.FEW_PLACES, placed.NO_VARIATION, overall.ALL_ONE_CLASS,
        rates.NO_EXCESS, rates.NO_POPULATION, rates.ONE_PLACE, rates.NO_EVENTS, rates.ALL_EVENTS, speedtests.FEW_TILES,
        speedtests.FEW_COUNTS, speedtests.COUNT_TELLS, speedtests.OUTSIDE, speedtests.NO_SPREAD,
    }  # fmt: skip
    assert {f"note_{n}" for n in notes} <= set(WORDS)
    assert {f"cluster_{c}" for c in (*CLUSTERS.values(), NOT_SIGNIFICANT)} <= set(WORDS)
    assert {f"quadrant_{q}" for q in CLUSTERS} <= set(WORDS)
    assert f"caveat_{speedtests.SELF_SELECTED}" in WORDS
