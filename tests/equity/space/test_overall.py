from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import citylab as cl
from citylab.equity import space
from citylab.equity.inequality import gini
from citylab.equity.space.placed import pseudo_p
from citylab.errors import DataError, RangeError, SchemaError

LINE = space.pairs(pl.DataFrame({"a": range(6), "b": range(1, 7)}), "a", "b")
RING = space.pairs(pl.DataFrame({"a": range(7), "b": [*range(1, 7), 0]}), "a", "b")
X = np.array([1.0, 2.0, 2.0, 7.0, 5.0, 9.0, 4.0])
MEASURES = (space.moran, space.geary, space.getis_ord_g)


def table(x: np.ndarray = X) -> pl.DataFrame:
    return pl.DataFrame({"id": range(len(x)), "use": x})


def by_hand(name: str, x: np.ndarray, w: np.ndarray) -> float:
    z, n = x - x.mean(), len(x)
    if name == "moran":
        return n / w.sum() * (z @ w @ z) / (z @ z)
    if name == "geary":
        return (n - 1) / (2 * w.sum()) * (w * (x[:, None] - x) ** 2).sum() / (z @ z)
    return float(x @ w @ x / (x.sum() ** 2 - x @ x))


def line(n: int) -> np.ndarray:
    w = np.zeros((n, n))
    w[np.arange(n - 1), np.arange(1, n)] = 1
    return w + w.T


@pytest.mark.parametrize("measure", MEASURES)
def test_moments_and_pseudo_p_are_those_of_all_5040_deals(measure):
    w = line(7)
    if measure is not space.getis_ord_g:
        w = w / w.sum(axis=1, keepdims=True)
    name = measure.__name__
    every = np.array([by_hand(name, X[list(order)], w) for order in itertools.permutations(range(7))])
    row = measure(table(), "use", "id", LINE, permutations=9999).row(0, named=True)
    assert row["value"] == pytest.approx(by_hand(name, X, w))
    assert row["expected"] == pytest.approx(every.mean())
    assert row["sd"] == pytest.approx(every.std())
    exact = 2 * min(np.mean(every >= row["value"] - 1e-12), np.mean(every <= row["value"] + 1e-12))
    assert row["p_sim"] == pytest.approx(exact, abs=5 * np.sqrt(exact / 9999) * 2 + 2e-4)
    low, high = np.quantile(every, [0.025, 0.975])
    assert row["chance_lower"] == pytest.approx(low, abs=0.1 * every.std())
    assert row["chance_upper"] == pytest.approx(high, abs=0.1 * every.std())


@given(st.lists(st.floats(0, 100), min_size=7, max_size=7), st.floats(0.5, 50), st.floats(-50, 50))
@settings(max_examples=25, deadline=None)
def test_moran_and_geary_do_not_depend_on_unit_and_zero(x, scale, shift):
    x = np.array(x)
    if np.ptp(x) < 1e-3:
        return
    for measure in (space.moran, space.geary):
        one = measure(table(x), "use", "id", LINE, permutations=0)["value"].item()
        other = measure(table(scale * x + shift), "use", "id", LINE, permutations=0)["value"].item()
        assert other == pytest.approx(one, abs=1e-6)


def test_styles_are_what_they_say():
    w = line(7)
    given = space.moran(table(), "use", "id", LINE.with_columns(weight=3.0), style="given", permutations=0)
    binary = space.moran(table(), "use", "id", LINE.with_columns(weight=3.0), style="binary", permutations=0)
    rows = space.moran(table(), "use", "id", LINE, permutations=0)
    assert binary["value"].item() == pytest.approx(by_hand("moran", X, w))
    assert given["value"].item() == pytest.approx(by_hand("moran", X, 3 * w))
    assert rows["value"].item() == pytest.approx(by_hand("moran", X, w / w.sum(axis=1, keepdims=True)))


def test_join_counts_add_up_and_have_the_moments_of_all_deals():
    ones = np.array([1, 1, 0, 1, 0, 0, 1])
    told = space.join_counts(table(ones), "use", "id", RING, permutations=9999)
    assert told["value"].sum() == told["expected"].sum() == pytest.approx(7)
    neighbour = np.roll(np.arange(7), 1)
    every = [np.array(p) for p in set(itertools.permutations(ones))]
    counts = np.array([[(d * d[neighbour]).sum(), (d != d[neighbour]).sum(), ((1 - d) * (1 - d[neighbour])).sum()]
                       for d in every])  # fmt: skip
    assert told["expected"].to_list() == pytest.approx(counts.mean(axis=0).tolist())
    assert told["sd"].to_list() == pytest.approx(counts.std(axis=0).tolist(), rel=0.05)
    share = np.minimum(1, 2 * np.minimum((counts >= told["value"].to_numpy()).mean(axis=0),
                                         (counts <= told["value"].to_numpy()).mean(axis=0)))  # fmt: skip
    assert told["p_sim"].to_list() == pytest.approx(share.tolist(), abs=0.03)


@given(st.lists(st.floats(0, 1000), min_size=7, max_size=7))
@settings(max_examples=25, deadline=None)
def test_near_and_far_inequality_add_up_to_the_gini(x):
    x = np.array(x)
    if np.ptp(x) < 1e-3:
        return
    rows = space.gini_spatial(table(x), "use", "id", RING, permutations=0)
    told = dict(rows.select("statistic", "value").iter_rows())
    assert told["gini"] == pytest.approx(gini(x))
    assert told["gini_near"] + told["gini_far"] == pytest.approx(told["gini"])
    assert told["gini_near"] >= 0


def test_near_inequality_expects_the_share_of_pairs_that_are_near():
    told = space.gini_spatial(table(), "use", "id", RING, permutations=999)
    near = told.filter(statistic="gini_near").row(0, named=True)
    assert near["expected"] == pytest.approx(gini(X) * 7 / 21)  # 7 of 21 pairs touch
    assert near["chance_lower"] < near["expected"] < near["chance_upper"]
    assert near["p_sim"] == told.filter(statistic="gini_far")["p_sim"].item()
    assert told.filter(statistic="gini")["p_sim"].item() is None


def test_rates_of_small_places_make_no_pattern():
    # One rate everywhere; the small places lie together, so that their chance is a pattern of spread, not of level.
    rng = np.random.default_rng(0)
    people = np.repeat([20, 20_000], 20)
    events = rng.binomial(people, 0.1)
    links = space.pairs(pl.DataFrame({"a": range(39), "b": range(1, 40)}), "a", "b")
    rows = pl.DataFrame({"id": range(40), "offline": events, "people": people})
    told = space.moran_rates(rows, "offline", "people", "id", links, permutations=999)
    assert told["p_sim"].item() > 0.05
    empty = rows.with_columns(people=pl.when(pl.col("id") == 5).then(0).otherwise("people"),
                              offline=pl.when(pl.col("id") == 5).then(0).otherwise("offline"))  # fmt: skip
    assert space.moran_rates(empty, "offline", "people", "id", links, permutations=0)["n_missing"].item() == 1


@pytest.mark.parametrize(
    ("offline", "people", "message"), [(-1, 5, "below 0"), (1, 0, "among nobody"), (1, -5, "below 0")]
)
def test_counts_that_cannot_be_are_refused(offline, people, message):
    rows = pl.DataFrame({"id": range(7), "offline": [1, 2, 1, 2, 1, 2, offline], "people": [9, 9, 9, 9, 9, 9, people]})
    with pytest.raises(DataError, match=message):
        space.moran_rates(rows, "offline", "people", "id", LINE)


@pytest.mark.parametrize("style", ["row", "binary", "given"])
def test_bivariate_moran_of_a_value_with_itself_is_moran_whatever_the_weights(style):
    both, links = table().with_columns(same=pl.col("use")), LINE.with_columns(weight=pl.col("from_id") + 2.0)
    ask = {"style": style, "permutations": 99, "seed": 1}
    told = space.moran_bivariate(both, "use", "same", "id", links, **ask).row(0, named=True)
    alone = space.moran(table(), "use", "id", links, **ask).row(0, named=True)
    assert told["value"] == pytest.approx(alone["value"])
    # Its deals leave the value itself where it is: on average its product with the dealt ones is near 0.
    assert told["chance_lower"] < 0 < told["chance_upper"]


def test_islands_and_gaps_are_counted_and_change_nothing_else():
    more = pl.concat([table(), pl.DataFrame({"id": [7, 8], "use": [100.0, None]})])
    row = space.moran(more, "use", "id", LINE, permutations=99).row(0, named=True)
    plain = space.moran(table(), "use", "id", LINE, permutations=99).row(0, named=True)
    assert (row["n_islands"], row["n_missing"]) == (1, 1)
    assert {**row, "n_islands": 0, "n_missing": 0} == plain
    with pytest.raises(DataError, match="no neighbour with a value: 7"):
        space.moran(more, "use", "id", LINE, islands="refuse")


@pytest.mark.parametrize("measure", [*MEASURES, space.gini_spatial])
def test_places_that_are_all_equal_or_too_few_have_no_value_and_a_reason(measure):
    told = measure(table(np.full(7, 0.3)), "use", "id", LINE)
    assert set(told["note"]) == {"no_variation"}
    assert told["value"].null_count() == told.height
    assert set(measure(table(X[:3]), "use", "id", LINE)["note"]) == {"few_places"}
    assert set(measure(table(X[:1]), "use", "id", LINE)["note"]) == {"no_rows"}
    nothing = table().with_columns(use=pl.lit(None, pl.Float64))
    assert measure(nothing, "use", "id", LINE).select("note", "n", "n_missing").row(0) == ("no_rows", 0, 7)


def test_all_or_none_make_no_join_counts():
    told = space.join_counts(table(np.ones(7)), "use", "id", LINE)
    assert told["note"].to_list() == ["all_one_class"] * 3


def test_groups_are_those_of_each_alone():
    both = pl.concat([table().with_columns(year=2020), table(X[::-1] ** 2).with_columns(year=2010)])
    told = space.moran(both, "use", "id", LINE, by="year", permutations=99)
    assert told["year"].to_list() == [2010, 2020]
    assert told.filter(year=2020).drop("year").equals(space.moran(table(), "use", "id", LINE, permutations=99))


def test_the_same_seed_gives_the_same_answer_in_any_order_of_rows():
    a = space.moran(table(), "use", "id", LINE, permutations=199, seed=4)
    assert a.equals(space.moran(table().reverse(), "use", "id", LINE.reverse(), permutations=199, seed=4))
    assert not a.equals(space.moran(table(), "use", "id", LINE, permutations=199, seed=5))


def test_two_sided_is_twice_the_smaller_side_and_ties_are_on_both():
    assert pseudo_p(0, 999, 999, "greater") == pytest.approx(0.001)
    assert pseudo_p(0, 999, 999, "less") == 1
    assert pseudo_p(0, 999, 999) == pytest.approx(0.002)
    assert pseudo_p(999, 999, 999) == 1


def test_bad_options_and_values_are_refused():
    with pytest.raises(DataError, match="goes down to -1"):
        space.getis_ord_g(table(X - 2), "use", "id", LINE)
    with pytest.raises(DataError, match="holds 2"):
        space.join_counts(table(np.array([0, 1, 2, 1, 0, 1, 0])), "use", "id", LINE)
    to_the_left = LINE.filter((pl.col("from_id") > pl.col("to_id")) | (pl.col("from_id") == 0))
    with pytest.raises(DataError, match="run both ways"):
        space.join_counts(table(X > 3), "use", "id", to_the_left)
    with pytest.raises(DataError, match="6 is a neighbour of 5 but has none itself"):
        space.moran(table(), "use", "id", LINE.filter(pl.col("from_id") < pl.col("to_id")))
    for draws in (-5, 99.5):
        with pytest.raises(RangeError, match=f"permutations is {draws}; expected a whole number"):
            space.moran(table(), "use", "id", LINE, permutations=draws)  # type: ignore[arg-type]
        with pytest.raises(RangeError, match=f"{draws} permutations; local statistics"):
            space.local_moran(table(), "use", "id", LINE, permutations=draws)  # type: ignore[arg-type]
    with pytest.raises(RangeError, match="take 39 at least"):
        space.moran(table(), "use", "id", LINE, permutations=9)
    # 19 draws and the data are twenty: the level 0.9 leaves one out at each end.
    assert space.moran(table(), "use", "id", LINE, permutations=19, level=0.9).height == 1
    with pytest.raises(RangeError, match="take 19 at least"):
        space.moran(table(), "use", "id", LINE, permutations=18, level=0.9)
    with pytest.raises(DataError, match=r"goes down to -0\.1.*difference"):
        space.moran(table(X / 10 - 0.2).rename({"use": "use_share"}), "use_share", "id", LINE)
    with pytest.raises(RangeError, match="style is 'w'"):
        space.moran(table(), "use", "id", LINE, style="w")  # type: ignore[arg-type]
    with pytest.raises(RangeError, match="alternative"):
        space.moran(table(), "use", "id", LINE, alternative="both")  # type: ignore[arg-type]
    with pytest.raises(SchemaError, match="to_id"):
        space.moran(table(), "use", "id", LINE.drop("to_id"))
    with pytest.raises(DataError, match="no rows"):
        space.moran(table().clear(), "use", "id", LINE)


def test_schooling_in_chinas_provinces_lies_together_and_the_same_is_told_lazily():
    census = cl.scan("nbs__census_province_structure")
    links = space.pairs(cl.scan("naturalearth__static_provincepair_border"), "adcode_a", "adcode_b")
    lazy = space.moran(census, "schooling_6plus_years", "adcode", links, by="year", permutations=999)
    assert isinstance(lazy, pl.LazyFrame)
    told = lazy.collect()
    assert told.schema == lazy.collect_schema()
    assert told.select("year", "n", "n_islands", "n_links").rows() == [(2010, 31, 0, 138), (2020, 31, 0, 138)]
    assert (told["value"] > told["chance_upper"]).all()


def test_car_ownership_in_beijings_districts_is_told_with_its_sixteen_places():
    outlines = cl.scan("echarts__static_district_boundary")
    cars = cl.scan("nbs__census_district_structure")
    told = space.moran(cars, "household_car_share", "adcode", space.touching(outlines, "adcode"), permutations=999)
    row = told.collect().row(0, named=True)
    assert (row["n"], row["n_islands"], row["note"]) == (16, 0, None)
    assert -1 < row["value"] < 1
