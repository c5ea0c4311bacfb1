from __future__ import annotations

import itertools
import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from polars.testing import assert_frame_equal

import benchmarks.raking
from citylab.errors import DataError, RangeError, RefusalError, SchemaError
from citylab.stats import raking

N = "population_persons"
positive = st.floats(0.1, 10)


def sums(table, axes):
    return table.sum(axis=tuple(i for i in range(table.ndim) if i not in axes))


def test_a_two_way_table_is_fitted_as_the_peers_fit_it():
    # R mipfp 3.2.1 and Python ipfn 1.4.4 agree on these.
    seed = [[8, 4, 6, 7], [3, 6, 5, 2], [9, 11, 3, 1]]
    fit = raking.ipf(seed, {0: [20, 18, 22], 1: [18, 16, 12, 14]})
    expected = [
        [5.579361394, 2.162466942, 3.891873715, 8.366297949],
        [3.433199676, 5.322602556, 5.321827530, 3.922370237],
        [8.987438930, 8.514930502, 2.786298755, 1.711331813],
    ]
    np.testing.assert_allclose(fit.table, expected, atol=1e-8)


def test_a_three_way_table_with_two_way_margins_is_fitted_as_the_peer_fits_it():
    # R mipfp 3.2.1, margins of the tests of ipfn.
    seed = np.array(
        [[[1, 2, 1], [3, 5, 5], [6, 2, 2], [1, 7, 2]], [[5, 4, 2], [5, 5, 5], [3, 8, 7], [2, 7, 6]]], dtype=float
    )
    later = [[7, 9, 4], [8, 12, 10], [15, 12, 8], [5, 7, 3]]
    margins = {
        "dma": [52, 48],
        "size": [20, 30, 35, 15],
        "age": [35, 40, 25],
        ("dma", "size"): [[9, 17, 19, 7], [11, 13, 16, 8]],
        ("size", "age"): later,
    }
    fit = raking.ipf(seed, margins, axes=["dma", "size", "age"])
    expected = [
        [2.155122054, 4.738761655, 2.106116291],
        [3.792360098, 7.204167219, 6.003472683],
        [12.03141598, 4.035121187, 2.933462833],
        [2.026014823, 4.037026427, 0.9369587501],
    ]
    np.testing.assert_allclose(fit.table[0], expected, atol=1e-6)
    np.testing.assert_allclose(fit.table[1], np.array(later) - expected, atol=1e-6)


def test_rows_are_raked_to_the_weights_that_the_survey_package_prints():
    # R survey, rakecheck.Rout.save: 183 schools of apiclus1 with one weight before, two margins.
    cells = {("E", "No"): 12, ("H", "No"): 3, ("M", "No"): 8, ("E", "Yes"): 132, ("H", "Yes"): 11, ("M", "Yes"): 17}
    expected = (39.83923625, 67.12552924, 49.06907216, 29.87067549, 50.32940112, 36.79102486)
    rows = pl.DataFrame([k for k, n in cells.items() for _ in range(n)], schema=["stype", "wide"], orient="row")
    margins = [
        pl.DataFrame({"stype": ["E", "H", "M"], N: [4421, 755, 1018]}),
        pl.DataFrame({"wide": ["No", "Yes"], N: [1072, 5122]}),
    ]
    found = raking.rake(rows.with_columns(pw=33.847), margins, weight="pw").unique(["stype", "wide"])
    for (stype, wide), weight in zip(cells, expected, strict=True):
        assert found.filter(stype=stype, wide=wide)["weight_raked"].item() == pytest.approx(weight, abs=1e-5)


@settings(max_examples=30, deadline=None)
@given(arrays(float, (3, 2, 4), elements=positive), arrays(float, (3, 2, 4), elements=positive))
def test_margins_are_met_and_what_they_do_not_cover_stays_as_in_the_seed(seed, truth):
    keys = [(0, 1), (1, 2), (0, 2)]
    fit = raking.ipf(seed, {k: sums(truth, k) for k in keys})
    for k in keys:
        np.testing.assert_allclose(sums(fit.table, k), sums(truth, k), rtol=1e-9)
    # No margin covers all three axes: each three-way odds ratio is the seed's.
    for a, b, c in itertools.product((1, 2), (1,), (1, 2, 3)):
        box = np.ix_([0, a], [0, b], [0, c])
        sign = np.array([[[1, -1], [-1, 1]], [[-1, 1], [1, -1]]])
        assert (sign * np.log(fit.table[box])).sum() == pytest.approx((sign * np.log(seed[box])).sum(), abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(arrays(float, (3, 4), elements=positive), arrays(float, (3, 4), elements=positive), st.permutations([0, 1]))
def test_neither_the_order_of_margins_nor_of_a_margins_axes_nor_the_scale_of_the_seed_matters(seed, truth, order):
    one = raking.ipf(seed, {0: truth.sum(axis=1), 1: truth.sum(axis=0)}).table
    other = raking.ipf(7 * seed, {k: sums(truth, (k,)) for k in order}).table
    np.testing.assert_allclose(one, other, rtol=1e-7)
    np.testing.assert_allclose(raking.ipf(seed, {(1, 0): truth.T}).table, truth, rtol=1e-9)


def test_a_zero_of_the_seed_stays_and_a_target_of_zero_empties_its_cells():
    fit = raking.ipf([[1.0, 0.0], [1.0, 1.0], [1.0, 1.0]], {0: [2, 3, 0], 1: [4, 1]})
    assert fit.table[0].tolist() == pytest.approx([2, 0])
    assert fit.table[2].tolist() == [0, 0]
    assert fit.error <= raking.TOLERANCE


def test_margins_that_contradict_each_other_are_named_with_the_place_and_the_amount():
    labels = [["north", "south"], ["f", "m"]]
    with pytest.raises(DataError, match=r"margins zone × sex and zone .* zone=south they add up to 7 and 9, 2 apart"):
        raking.ipf(
            np.ones((2, 2)), {("zone", "sex"): [[1, 2], [3, 4]], "zone": [3, 9]}, axes=["zone", "sex"], labels=labels
        )
    with pytest.raises(DataError, match=r"for the total they add up to 10 and 11, 1 apart"):
        raking.ipf(np.ones((2, 2)), {0: [4, 6], 1: [5, 6]})


def test_margins_that_differ_by_rounding_are_fitted_as_near_as_they_agree():
    fit = raking.ipf([[1.0, 2.0], [3.0, 4.0]], {0: [300_000, 700_000], 1: [400_000, 600_000.3]})
    assert fit.table.sum(axis=0) == pytest.approx([400_000, 600_000.3])
    assert fit.table.sum(axis=1) == pytest.approx([300_000, 700_000], rel=1e-6)


def test_a_small_cell_that_was_rounded_apart_leaves_all_other_cells_as_if_it_had_not_been():
    # Zone 0 has 1 person in one margin and 3 in the other: 2 of 2 million, which is rounding. By itself, each zone is a
    # table of two margins with the odds ratio of its seed, (5 · 1) / (1 · 1) = 5: for the margins (400, 600) and
    # (500, 500) its first cell x solves x (100 + x) = 5 (400 − x) (500 − x), so 4 x² − 4600 x + 1 000 000 = 0.
    seed = np.ones((2, 2, 2))
    seed[:, 0, 0] = 5
    by_sex, by_age = (
        np.array([[0.4, 0.6], [400, 600]]) * [[1], [2000]],
        np.array([[1.5, 1.5], [500, 500]]) * [[1], [2000]],
    )
    fit = raking.ipf(seed, {(0, 1): by_sex, (0, 2): by_age})
    x = 2000 * (4600 - np.sqrt(4600**2 - 16 * 1e6)) / 8
    assert fit.table[1, 0, 0] == pytest.approx(x, rel=1e-9)
    np.testing.assert_allclose(fit.table[1].sum(axis=1), by_sex[1], rtol=1e-9)
    np.testing.assert_allclose(fit.table.sum(axis=1), by_age, rtol=1e-9)
    rows = pl.DataFrame(np.argwhere(seed), schema=["zone", "sex", "age"]).with_columns(w=pl.Series(seed.ravel()))
    tables = [
        pl.DataFrame({"zone": [0, 0, 1, 1], other: [0, 1, 0, 1], N: targets.ravel()})
        for other, targets in (("sex", by_sex), ("age", by_age))
    ]
    np.testing.assert_allclose(raking.rake(rows, tables, weight="w")["weight_raked"], fit.table.ravel(), rtol=1e-9)


def test_margins_that_the_zeros_of_the_seed_rule_out_are_refused_also_where_they_differ_by_rounding():
    # On the diagonal a row is its column: 1 and 3 million cannot be 3 and 1, though both margins add up to 4 but for 1.
    with pytest.raises(RefusalError, match="after 50 rounds"):
        raking.ipf([[1.0, 0.0], [0.0, 1.0]], {0: [1e6, 3e6], 1: [3e6, 1e6 + 1]}, rounds=50)


def test_a_margin_in_per_cent_beside_one_of_counts_is_told_to_look_like_it():
    counts = {"zone": [300, 700]}
    with pytest.raises(DataError, match=r"add up to 1000 and 100, 900 apart.*looks like per cent: give counts"):
        raking.ipf(np.ones((2, 2)), {**counts, "sex": [52, 48]}, axes=["zone", "sex"])
    with pytest.raises(DataError, match="looks like shares: give counts"):
        raking.ipf(np.ones((2, 2)), {**counts, "sex": [0.52, 0.48]}, axes=["zone", "sex"])
    # Per cent alone is a unit like another: the table then adds up to 100.
    fit = raking.ipf(np.ones((2, 2)), {"zone": [30, 70], "sex": [52, 48]}, axes=["zone", "sex"])
    assert fit.table.tolist() == [pytest.approx([15.6, 14.4]), pytest.approx([36.4, 33.6])]


def test_a_tolerance_or_a_number_of_rounds_that_cannot_be_is_told():
    with pytest.raises(RangeError, match="tolerance is 0, rounds 2000; expected above 0, and 1 or more"):
        raking.ipf([[1.0]], {0: [1]}, tolerance=0)
    with pytest.raises(RangeError, match="rounds 0"):
        raking.ipf([[1.0]], {0: [1]}, rounds=0)


def test_a_zone_without_seed_persons_is_told_for_rows_and_gets_none_from_the_zone_beside_it():
    rows = pl.DataFrame({"zone": ["n", "n"], "sex": ["f", "m"]})
    zones = pl.DataFrame({"zone": ["n", "s"], N: [10, 5]})
    sexes = pl.DataFrame({"sex": ["f", "m"], N: [9, 6]})
    with pytest.raises(
        DataError, match=r"1 cells of the margin zone cannot be reached.*: zone=s\. Nothing is borrowed"
    ):
        raking.rake(rows, [zones, sexes])
    # With nobody to be placed there it is no fault.
    found = raking.rake(rows, [zones.with_columns(pl.Series(N, [15, 0])), sexes])
    assert found["weight_raked"].to_list() == pytest.approx([9, 6])


def test_a_margin_that_the_seed_cannot_reach_is_named_and_nothing_is_borrowed():
    labels = [["north", "south"], ["car", "none"]]
    with pytest.raises(DataError, match=r"1 cells of the margin zone × car cannot be reached.*zone=south, car=car"):
        raking.ipf(
            [[1.0, 1.0], [0.0, 1.0]], {("zone", "car"): [[5, 5], [2, 8]]}, axes=["zone", "car"], labels=labels
        )  # fmt: skip
    rows = pl.DataFrame({"zone": [1, 1, 2], "car": [True, False, False]})
    margin = pl.DataFrame({"zone": [1, 1, 2, 2], "car": [True, False] * 2, N: [5, 5, 2, 8]})
    with pytest.raises(DataError, match=r"zone=2, car=True"):
        raking.rake(rows, [margin])


def test_zeros_that_leave_no_table_end_in_a_refusal_that_says_how_far_off_each_margin_is():
    with pytest.raises(RefusalError, match=r"after 2000 rounds .* axis 0 \S+ \(axis 0=\d\), axis 1"):
        raking.ipf([[1.0, 0.0], [0.0, 1.0]], {0: [1, 3], 1: [3, 1]})


@pytest.mark.parametrize(
    ("given_", "error", "told"),
    [
        (({}), SchemaError, "needs margins="),
        ({"colour": [1, 1]}, SchemaError, "names the axis 'colour'; the table has"),
        ({("row", "row"): [[1, 1], [1, 1]]}, SchemaError, "names an axis twice"),
        ({"row": [1, 1, 1]}, SchemaError, r"has the shape \(3,\); these axes of the table have \(2,\)"),
        ({"row": [1, -1]}, DataError, "holds -1.0 for row=1"),
        ({"row": [1, np.nan]}, DataError, "holds no number for row=1.*What was not published is no target"),
        ({"row": [1, np.inf]}, DataError, "holds inf for row=1"),
    ],
)
def test_a_margin_that_cannot_be_is_told(given_, error, told):
    with pytest.raises(error, match=told):
        raking.ipf(np.ones((2, 2)), given_, axes=["row", "column"])


def test_a_seed_that_cannot_be_is_told():
    with pytest.raises(DataError, match="the seed holds a value that is negative"):
        raking.ipf([[1.0, -1.0]], {0: [1]})
    with pytest.raises(SchemaError, match="expected one name for each"):
        raking.ipf([[1.0, 1.0]], {0: [1]}, axes=["row"])
    with pytest.raises(SchemaError, match="labels count"):
        raking.ipf([[1.0, 1.0]], {0: [1]}, labels=[["a"], ["b"]])


def people(seed: int = 0, n: int = 400) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "zone": pl.Series(rng.choice(["n", "s", "e"], n)),
            "band": pl.Series(rng.integers(-2, 3, n), dtype=pl.Int8),
            "car": pl.Series(rng.random(n) < 0.4),
            "level": pl.Series(rng.choice(["low", "mid", "top"], n), dtype=pl.Enum(["low", "mid", "top", "none"])),
            "w": rng.uniform(0.5, 2, n),
        }
    )


def margins_of(frame: pl.DataFrame, *keys: list[str], weight: str = "target") -> list[pl.DataFrame]:
    return [frame.group_by(k).agg(pl.col(weight).sum().alias(N)) for k in keys]


KEYS = (["zone", "band"], ["band", "car"], ["car", "level"])


def test_raking_rows_is_raking_each_row_by_itself_for_every_kind_of_column():
    rng = np.random.default_rng(1)
    rows = people().with_columns(target=pl.col("w") * rng.uniform(0.5, 2, 400))
    margins = margins_of(rows, *KEYS)
    found = raking.rake(rows, margins, weight="w")
    # The same, row by row, with nothing collapsed.
    own = rows["w"].to_numpy().copy()
    for _ in range(200):
        for keys, margin in zip(KEYS, margins, strict=True):
            now = rows.with_columns(s=pl.Series(own)).with_columns(pl.col("s").sum().over(keys))
            ratio = now.join(margin, on=keys, how="left", maintain_order="left").select(pl.col(N) / pl.col("s"))
            own = own * ratio.to_series().to_numpy()
    np.testing.assert_allclose(found["weight_raked"].to_numpy(), own, rtol=1e-8)
    assert_frame_equal(found.drop("weight_raked"), rows)


def test_a_lazy_frame_stays_lazy_and_large_codes_give_the_same_weights(monkeypatch):
    rows = people(2).with_columns(target=pl.col("w") * 3)
    margins = margins_of(rows, *KEYS)
    eager = raking.rake(rows, margins, weight="w", name="w3")
    lazy = raking.rake(rows.lazy(), [m.lazy() for m in margins], weight="w", name="w3")
    assert isinstance(lazy, pl.LazyFrame)
    assert_frame_equal(lazy.collect(), eager)
    np.testing.assert_allclose(eager["w3"], 3 * rows["w"], rtol=1e-9)
    monkeypatch.setattr(raking, "_DENSE", 1)
    assert_frame_equal(raking.rake(rows, margins, weight="w", name="w3"), eager)


def test_without_weights_each_row_counts_one():
    rows = people(3)
    found = raking.rake(rows, {"cars": pl.DataFrame({"car": [False, True], N: [10, 20]})})
    share = rows["car"].mean()
    assert found.filter("car")["weight_raked"].unique().to_list() == pytest.approx([20 / (400 * share)])


def test_a_total_may_stand_beside_other_margins_but_not_alone():
    rows, total = people(5), pl.DataFrame({N: [30]})
    zones = pl.DataFrame({"zone": ["n", "s", "e"], N: [5, 10, 15]})
    assert_frame_equal(raking.rake(rows, [zones, total]), raking.rake(rows, [zones]))
    with pytest.raises(DataError, match="for the total they add up to 30 and 31"):
        raking.rake(rows, [zones, total + 1])
    with pytest.raises(SchemaError, match="A total alone is a factor"):
        raking.rake(rows, [total])


def test_a_category_without_a_target_or_without_a_value_is_told():
    rows = pl.DataFrame({"zone": [1, 2, 4], "sex": ["f", None, "m"]})
    zones = pl.DataFrame({"zone": [1, 4], N: [1, 1]})
    with pytest.raises(DataError, match=r"rows have 2 in 'zone', for which the margins have no target"):
        raking.rake(rows, [zones])
    with pytest.raises(DataError, match=r"rows have \['4'\] in 'zone'"):
        raking.rake(rows, [pl.DataFrame({"zone": [1, 2], N: [1, 1]})])
    with pytest.raises(DataError, match="some rows have no 'sex'"):
        raking.rake(rows, [pl.DataFrame({"sex": ["f", "m"], N: [1, 1]})])
    with pytest.raises(DataError, match=r"rows have \['m'\] in 'sex'"):
        raking.rake(rows.drop_nulls(), [pl.DataFrame({"sex": ["f"], N: [1]})])


@pytest.mark.parametrize(
    ("column", "categories", "told"),
    [
        (pl.Series([1, 2]), ["a", "b"], r"'c' is Int64 in the rows, and a margin has 'a' \(String\) in it"),
        (pl.Series([1, 2]), [1.0, 2.5], r"'c' is Int64 in the rows, and a margin has 2\.5 \(Float64\)"),
        (pl.Series([True, False]), ["yes", "no"], r"'c' is Boolean in the rows, and a margin has 'yes'"),
        (pl.Series([True, False]), [0, 2], r"'c' is Boolean in the rows, and a margin has 2 \(Int64\)"),
        (pl.Series([1, 2]), ["1", "01"], r"the margin c has the cell \(1,\) twice"),
    ],
)
def test_categories_of_a_margin_that_are_not_the_rows_are_told(column, categories, told):
    with pytest.raises(DataError, match=told):
        raking.rake(pl.DataFrame({"c": column}), [pl.DataFrame({"c": categories, N: [1, 2]})])


@pytest.mark.parametrize(
    ("column", "categories"),
    [
        (pl.Series([1, 10, 2]), ["1", "2", "10"]),
        (pl.Series(["1", "10", "2"]), [1, 2, 10]),
        (pl.Series([1, 10, 2], dtype=pl.UInt8), [1.0, 2.0, 10.0]),
        (pl.Series([1.0, 10.0, 2.0], dtype=pl.Float32), [1.0, 2.0, 10.0]),
        (pl.Series(["1", "10", "2"], dtype=pl.Categorical), ["1", "2", "10"]),
        (pl.Series(["1", "10", "2"], dtype=pl.Enum(["10", "2", "1"])), ["1", "2", "10"]),
    ],
)
def test_codes_are_the_same_as_numbers_text_and_categories(column, categories):
    found = raking.rake(pl.DataFrame({"c": column}), [pl.DataFrame({"c": categories, N: [3, 4, 5]})])
    assert found["weight_raked"].to_list() == [3, 5, 4]


def test_margins_of_rows_that_cannot_be_are_told():
    rows = pl.DataFrame({"zone": [1, 2], "sex": ["f", "m"], "w": [1.0, -1.0]})
    zones = pl.DataFrame({"zone": [1, 2], N: [1, 1]})
    with pytest.raises(DataError, match=r"margins 1 and 2 list different categories of 'zone'; \['3'\]"):
        raking.rake(rows, [zones, pl.DataFrame({"zone": [1, 2, 3], N: [1, 1, 1]})])
    with pytest.raises(DataError, match=r"margin 1 has the cell \(1,\) twice"):
        raking.rake(rows, [pl.concat([zones, zones.head(1)])])
    with pytest.raises(DataError, match=r"'w' has 0 empty or infinite values and a least value of -1"):
        raking.rake(rows, [zones], weight="w")
    with pytest.raises(SchemaError, match=re.escape(f"margin 1 needs column '{N}'")):
        raking.rake(rows, [zones.rename({N: "n"})])
    with pytest.raises(SchemaError, match=r"margins= is one table; .* Write \[table\]"):
        raking.rake(rows, zones)
    with pytest.raises(DataError, match="the margin zone holds no number for zone=2"):
        raking.rake(rows, [zones.with_columns(pl.Series(N, [1, None]))])
    with pytest.raises(SchemaError, match="rake needs column 'colour'"):
        raking.rake(rows, [pl.DataFrame({"colour": [1], N: [1]})])
    with pytest.raises(SchemaError, match="has a column 'w' already"):
        raking.rake(rows, [zones], name="w")
    with pytest.raises(DataError, match="contradict each other"):
        raking.rake(rows, [zones, pl.DataFrame({"sex": ["f", "m"], N: [1, 2]})])
    many = pl.DataFrame({f"c{i}": [0, 4000] for i in range(6)})
    with pytest.raises(RangeError, match="span"):
        raking.rake(many, [many.with_columns(pl.lit(1).alias(N))])


@settings(max_examples=40, deadline=None)
@given(arrays(float, (4, 5), elements=st.floats(0, 20).map(lambda x: round(x, 2))), st.integers(0, 3))
def test_a_rounded_table_keeps_the_total_and_both_margins_and_moves_no_cell_by_one(table, seed):
    whole = raking.integerise(table, [0, 1], seed=seed)
    assert np.abs(whole.table - table).max() < 1
    for axis in (0, 1):
        assert np.abs(whole.table.sum(axis=axis) - table.sum(axis=axis)).max() < 1
    assert abs(whole.table.sum() - table.sum()) < 1
    assert whole.report["is_kept"].all()


@settings(max_examples=25, deadline=None)
@given(arrays(int, (3, 2, 4, 3), elements=st.integers(0, 9)), st.integers(0, 3))
def test_whole_margins_in_two_chains_are_met_exactly(truth, seed):
    # Fractions with the margins of a table of whole numbers, by fitting a flat seed.
    keys = [(0,), (0, 1, 2), (0, 1, 3)]
    chains = [k for k in keys if len(k) > 1]
    support = (sums(truth, (0, 1, 2))[..., None] > 0) * (sums(truth, (0, 1, 3))[:, :, None, :] > 0)
    fractions = raking.ipf(support.astype(float), {k: sums(truth, k) for k in chains}).table if truth.any() else truth
    whole = raking.integerise(fractions, keys, seed=seed)
    for k in keys:
        np.testing.assert_array_equal(sums(whole.table, k), sums(truth, k))
    assert whole.report["is_kept"].all()


def test_the_report_says_how_far_each_margin_is_and_a_whole_table_stays():
    rng = np.random.default_rng(4)
    table = rng.uniform(0, 3, (3, 4, 2, 3))
    keys = [(0, 1), (0, 2), (1, 3), (2, 3)]
    whole = raking.integerise(table, keys)
    for k, row in zip([(), *keys], whole.report.iter_rows(named=True), strict=True):
        off = np.abs(sums(whole.table, k) - sums(table, k))
        assert row["largest_difference"] == pytest.approx(off.max())
        assert row["sum_of_differences"] == pytest.approx(off.sum())
        assert row["is_kept"] == (off.max() < 1)
    assert whole.report["is_kept"].to_list()[:3] == [True] * 3
    again = raking.integerise(whole.table, keys)
    np.testing.assert_array_equal(again.table, whole.table)
    with pytest.raises(DataError, match="expected 0 or more"):
        raking.integerise([[-1.0]], [0])


@settings(max_examples=25, deadline=None)
@given(
    arrays(float, (3, 2, 3), elements=st.floats(0, 8).map(lambda x: round(x, 3))), st.integers(0, 5),
    st.permutations([(0,), (0, 1), (0, 2), (2,), (1, 2)]),
)  # fmt: skip
def test_the_report_of_rounding_is_right_about_every_margin_and_two_chains_are_always_kept(table, seed, keys):
    whole = raking.integerise(table, keys, seed=seed)
    assert np.abs(whole.table - table).max() < 1
    kept = dict(zip(keys, whole.report["is_kept"].to_list()[1:], strict=True))
    for k in keys:
        exact = sums(table, k)
        off = np.abs(sums(whole.table, k) - exact)
        is_whole = np.abs(exact - np.rint(exact)) < 1e-3
        assert kept[k] == bool((off < 1).all() and (off[is_whole] < 0.5).all())
    # By the rule of the docstring: the first margin, then each that is nested in one of two chains.
    chains: list[list[set[int]]] = [[], []]
    for k in map(set, keys):
        fits = [c for c in chains if all(k <= other or other <= k for other in c)]
        if fits:
            fits[0].append(k)
            assert kept[tuple(sorted(k))]
    np.testing.assert_array_equal(raking.integerise(table, keys, seed=seed).table, whole.table)


def test_rounding_is_hardly_biased_against_small_cells():
    # 400 cells a row: half of 0.02, half of 0.48. In 60 roundings a cell goes up as often as its fraction says, on
    # average: the binomial error of the small half is √(0.02 · 0.98 / 12 000) = 0.0013.
    table = np.tile(np.repeat([0.02, 0.48], 200), (1, 1)).reshape(1, 400)
    up = np.array([raking.integerise(table, [0], seed=k).table[0] for k in range(60)])
    assert up.sum(axis=1).tolist() == [100] * 60
    assert up[:, :200].mean() == pytest.approx(0.02, abs=4 * 0.0013)


@pytest.mark.parametrize(
    ("table", "margins", "seed", "error", "told"),
    [
        ([[1.5]], ["colour"], 0, SchemaError, "integerise: a margin names the axis 'colour'; the table has"),
        ([[1.5]], [7], 0, SchemaError, "names the axis 7"),
        ([[1.5]], [(0, 0)], 0, SchemaError, "names an axis twice"),
        ([[1.5]], [0], -1, RangeError, "seed is -1"),
        (np.zeros((0, 2)), [0], 0, DataError, r"the table of shape \(0, 2\) has no cells"),
        ([[np.nan]], [0], 0, DataError, "negative or no number"),
    ],
)
def test_a_rounding_that_cannot_be_is_told(table, margins, seed, error, told):
    with pytest.raises(error, match=told):
        raking.integerise(table, margins, seed=seed)


def test_a_comparison_names_what_it_cannot_count():
    rows = pl.DataFrame({"sex": ["f", None], "w": [1.0, None]})
    table = pl.DataFrame({"sex": ["f", "m"], N: [1, 1]})
    assert raking.comparison(rows, [table])["cell"].to_list() == ["sex=f", "sex=m", "sex=?"]
    with pytest.raises(DataError, match="1 rows have no 'w'"):
        raking.comparison(rows, [table], weight="w")
    with pytest.raises(SchemaError, match="comparison needs column 'weight'"):
        raking.comparison(rows, [table], weight="weight")
    with pytest.raises(SchemaError, match="comparison needs numbers, but 'sex' is String"):
        raking.comparison(rows, [table], weight="sex")


def test_a_comparison_counts_what_is_missing_and_what_is_not_listed():
    rows = pl.DataFrame({"sex": ["f", "f", "x"], "w": [1.0, 2.0, 4.0]})
    table = pl.DataFrame({"sex": ["f", "m"], N: [4, 1]})
    found = raking.comparison(rows, {"sex": table}, weight="w", slack=1)
    assert found.select("cell", "target", "result", "is_met").rows() == [
        ("sex=f", 4.0, 3.0, True), ("sex=m", 1.0, 0.0, True), ("sex=x", None, 4.0, False),
    ]  # fmt: skip
    assert raking.comparison(rows, [pl.DataFrame({N: [3]})])["difference"].item() == 0


def test_the_benchmark_compares_equal_results():
    benchmarks.raking.check(cells=(3, 4, 2, 2, 2), persons=500)
