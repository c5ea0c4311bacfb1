from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from citylab.equity.concentration import concentration, concentration_curve, concentration_decomposition, kakwani
from citylab.equity.inequality import gini, inequality
from citylab.equity.sampling import Errors
from citylab.errors import DataError, RangeError, SchemaError, UnknownNameError

few = settings(max_examples=25)
KINDS = ["standard", "generalised", "erreygers", "wagstaff"]


@pytest.fixture(scope="module")
def housing(mirror: Path) -> pl.DataFrame:
    """Wholly artificial data of the R package rineq, 10,000 people."""
    rows = pl.read_csv(mirror / "reference/concentration_index/housing.csv", schema_overrides={"high.bmi": pl.String})
    return rows.with_columns((pl.col("high.bmi") == "True").cast(pl.Float64).alias("is_high"))


@st.composite
def people(draw: st.DrawFn) -> pl.DataFrame:
    n = draw(st.integers(2, 25))
    column = st.lists(st.integers(0, 8), min_size=n, max_size=n)
    h, x = draw(column.filter(any)), draw(column)
    w = draw(st.lists(st.integers(1, 4), min_size=n, max_size=n))
    return pl.DataFrame({"h": h, "x": x, "w": w}).cast(pl.Float64)


def indices(rows: pl.DataFrame, **kwargs: object) -> list[float | None]:
    return concentration(rows, "h", rank="x", kind=KINDS, bounds=(0, 9), errors=None, **kwargs)["value"].to_list()


@few
@given(people())
def test_a_row_of_weight_3_is_three_equal_rows(rows: pl.DataFrame):
    copies = rows.select(pl.all().repeat_by(pl.col("w").cast(pl.Int64)).explode())
    assert indices(rows, weight="w") == pytest.approx(indices(copies), abs=1e-12)
    for v in (1.5, 3.0):
        one = concentration(rows, "h", rank="x", weight="w", aversion=v, errors=None)["value"].item()
        assert one == pytest.approx(
            concentration(copies, "h", rank="x", aversion=v, errors=None)["value"].item(), abs=1e-12
        )


@few
@given(people())
def test_it_is_the_covariance_with_the_mean_rank_of_ties(rows: pl.DataFrame):
    # r of a row: weight of all below and half the weight of its equals, as shares; C = 2 cov(h, r) / mean.
    h, x, w = (rows[c].to_numpy() for c in ("h", "x", "w"))
    share = w / w.sum()
    r = np.array([share[x < v].sum() + share[x == v].sum() / 2 for v in x])
    mean = share @ h
    expected = 2 * (share @ ((h - mean) * (r - 0.5)))
    assert indices(rows, weight="w")[:2] == pytest.approx([expected / mean, expected], abs=1e-12)


@few
@given(people())
def test_the_order_of_the_file_does_not_matter_and_a_turned_rank_turns_the_sign(rows: pl.DataFrame):
    plain = indices(rows)
    assert indices(rows.reverse()) == pytest.approx(plain, abs=1e-12)
    assert indices(rows.with_columns(-pl.col("x"))) == pytest.approx([-v for v in plain], abs=1e-12)


@few
@given(people())
def test_attainment_and_shortfall_mirror_each_other_in_the_indices_for_bounded_values(rows: pl.DataFrame):
    other = indices(rows.with_columns((9 - pl.col("h")).alias("h")))
    assert [-v for v in indices(rows)[1:]] == pytest.approx(other[1:], abs=1e-12)


@few
@given(people())
def test_along_its_own_rank_it_is_the_gini_coefficient(rows: pl.DataFrame):
    own = concentration(rows, "h", rank="h", weight="w")
    told = inequality(rows, "h", weight="w", measures=["gini"])
    assert own["value"].item() == pytest.approx(told["value"].item(), abs=1e-12)
    assert own["se"].item() == pytest.approx(told["se"].item(), abs=1e-9)


@few
@given(people(), st.sampled_from([1.3, 2.0, 3.5]))
def test_the_extended_index_is_the_area_under_the_curve(rows: pl.DataFrame, v: float):
    # C(v) = 1 - v(v - 1) ∫ (1 - p)^(v - 2) L(p) dp; by parts 1 - v ∫ (1 - p)^(v - 1) dL, exact on each straight piece.
    p = np.unique(np.concatenate([[0, 1], rows.sort("x")["w"].cum_sum().to_numpy() / rows["w"].sum()]))
    curve = concentration_curve(rows, "h", rank="x", weight="w", points=p)["value_share"].to_numpy()
    pieces = ((1 - p[:-1]) ** v - (1 - p[1:]) ** v) / np.diff(p)
    told = concentration(rows, "h", rank="x", weight="w", aversion=v, errors=None)["value"].item()
    assert told == pytest.approx(1 - pieces @ np.diff(curve), abs=1e-9)


def test_the_indices_of_rineq(housing: pl.DataFrame):
    # R rineq 0.2.3, exact to 1e-9; its Erreygers takes the observed extremes as bounds.
    ends = (housing["bmi"].min(), housing["bmi"].max())
    told = concentration(housing, "bmi", rank="income", kind=["standard", "generalised", "erreygers"], bounds=ends)
    assert told["value"].to_list() == pytest.approx([0.1210040457, 3.118508776, 0.1777831659], abs=1e-9)
    binary = concentration(housing, "is_high", rank="income", kind=KINDS, bounds=(0, 1))
    assert binary["value"].to_list() == pytest.approx([0.34530408, 0.17265204, 0.69060816, 0.69060816], abs=1e-9)


def test_the_error_is_that_of_kakwani_wagstaff_and_van_doorslaer_and_rineqs_takes_ranks_as_fixed(housing: pl.DataFrame):
    rows = housing.sort("income")
    h, n = rows["bmi"].to_numpy(), rows.height
    rank = (np.arange(n) + 0.5) / n
    told = concentration(rows, "bmi", rank="income").row(0, named=True)
    # Their equation 14 for individual data: a = h/µ (2r - 1 - C) + 2 - q(before) - q(with).
    q = np.cumsum(h) / h.sum()
    a = h / h.mean() * (2 * rank - 1 - told["value"]) + 2 - np.concatenate([[0], q[:-1]]) - q
    theirs = np.sqrt((np.mean(a**2) - (1 + told["value"]) ** 2) / n)
    assert told["se"] == pytest.approx(theirs * np.sqrt(n / (n - 1)), rel=1e-6)
    # rineq prints .00144131, the delta method on a regression on the rank; that leaves out what sampling does to ranks.
    fit = sm.OLS(h, sm.add_constant(rank)).fit()
    level, slope = fit.params
    middle = level + slope / 2
    gradient = 2 * rank.var(ddof=1) * np.array([-slope / middle**2, level / middle**2])
    assert np.sqrt(gradient @ fit.cov_params() @ gradient) == pytest.approx(0.00144131, abs=5e-9)
    assert told["se"] > 1.05 * 0.00144131


def test_what_lies_behind_the_index_of_rineq(housing: pl.DataFrame):
    told = concentration_decomposition(housing, "bmi", rank="income", factors=["sex", "tenure", "place", "age"])
    expected = {
        ("sex", "male"): 0.0850699016, ("tenure", "irregular"): -0.0203817810,
        ("tenure", "own_apartment"): 0.0000909904,
        ("tenure", "own_house"): 0.0016322380, ("tenure", "rent"): 0.0081058809, ("place", "urban"): 0.0000812426,
        ("age", None): 0.0001277108, ("residual", None): 0.0462778625, ("total", None): 0.1210040457,
    }  # fmt: skip
    found = {(r["factor"], r["level"]): r["contribution"] for r in told.iter_rows(named=True)}
    assert found == pytest.approx(expected, abs=1e-8)
    share = {r["level"]: r["contribution_share"] for r in told.iter_rows(named=True) if r["level"]}
    assert share["male"] == pytest.approx(0.70303, abs=5e-6)
    assert share["irregular"] == pytest.approx(-0.16844, abs=5e-6)


def test_another_level_of_reference_leaves_the_sum_of_a_factor(housing: pl.DataFrame):
    some = housing[:400].with_columns((pl.col("sex") == "male").alias("is_male"))
    one = concentration_decomposition(some, "bmi", rank="income", factors=["tenure", "is_male"])
    two = concentration_decomposition(
        some.lazy(), "bmi", rank="income", factors=["tenure", "is_male"], reference={"tenure": "rent", "is_male": True}
    ).collect()
    assert "rent" in one["level"].to_list()
    assert "rent" not in two["level"].to_list()
    sums = [t.group_by("factor").agg(pl.col("contribution").sum()).sort("factor")["contribution"] for t in (one, two)]
    assert sums[0].to_list() == pytest.approx(sums[1].to_list(), abs=1e-12)


def test_weights_count_as_copies_in_the_decomposition():
    rng = np.random.default_rng(1)
    rows = pl.DataFrame(
        {"h": rng.uniform(1, 2, 40), "x": rng.normal(size=40), "z": rng.normal(size=40), "w": rng.integers(1, 4, 40)}
    )
    copies = rows.select(pl.all().repeat_by("w").explode())
    one = concentration_decomposition(rows, "h", rank="x", factors=["z"], weight="w")
    two = concentration_decomposition(copies, "h", rank="x", factors=["z"])
    for c in ("coefficient", "mean", "index", "contribution"):
        assert one[c].to_list() == pytest.approx(two[c].to_list(), abs=1e-12, nan_ok=False)


def test_rows_with_a_gap_in_a_factor_are_left_out_of_the_decomposition_and_counted():
    rows = pl.DataFrame({
        "h": [1.0, 2.0, 4.0, 3.0, 9.0, None], "x": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        "sex": ["f", "m", "m", "f", None, "f"], "w": [1.0, 2.0, 1.0, float("nan"), 1.0, 1.0],
    })  # fmt: skip
    told = concentration_decomposition(rows, "h", rank="x", factors=["sex"], weight="w")
    assert told.select("n", "n_missing").unique().rows() == [(3, 3)]
    whole = concentration_decomposition(rows[:3], "h", rank="x", factors=["sex"], weight="w")
    assert told.drop("n_missing").equals(whole.drop("n_missing"))


def test_a_proportional_charge_has_a_kakwani_index_of_0_and_no_error():
    income = np.random.default_rng(2).lognormal(size=50)
    told = kakwani(pl.DataFrame({"fee": 0.1 * income, "income": income}), "fee", income="income")
    assert told["measure"].to_list() == ["kakwani", "concentration", "gini"]
    assert told["value"].to_list() == pytest.approx([0, gini(income), gini(income)], abs=1e-12)
    assert told["se"][0] == pytest.approx(0, abs=1e-12)


def test_a_charge_on_the_richest_alone_has_the_highest_kakwani_index():
    # Three people with 1, 2, 3: C of (0, 0, h) is 2/µ · cov = 2/3; Gini is 2/9.
    told = kakwani(pl.DataFrame({"fee": [0.0, 0.0, 9.0], "income": [1.0, 2.0, 3.0]}), "fee", income="income")
    assert told["value"].to_list() == pytest.approx([2 / 3 - 2 / 9, 2 / 3, 2 / 9])


@pytest.mark.parametrize("kind", KINDS)
def test_linearised_and_resampled_errors_agree(kind: str):
    rng = np.random.default_rng(4)
    x = rng.integers(0, 6, 400).astype(float)
    rows = pl.DataFrame(
        {"h": (rng.uniform(size=400) < 0.2 + 0.1 * x).astype(float), "x": x, "w": rng.uniform(0.5, 2, 400)}
    )
    told = [
        concentration(rows, "h", rank="x", weight="w", kind=kind, bounds=(0, 1), errors=e)["se"].item()
        for e in (Errors(), Errors("bootstrap", n_boot=400))
    ]
    # 400 draws know a standard error to 1 / sqrt(800) = 3.5 %; three times that.
    assert told[0] == pytest.approx(told[1], rel=0.11)


def test_a_curve_of_equal_ranks_is_the_diagonal():
    rows = pl.DataFrame({"h": [5.0, 1.0, 0.0, 2.0], "x": [1.0] * 4})
    told = concentration_curve(rows, "h", rank="x", points=9)
    assert told["value_share"].to_list() == pytest.approx(told["population_share"].to_list())
    assert concentration(rows, "h", rank="x")["value"].item() == pytest.approx(0)


@pytest.mark.parametrize(
    ("kwargs", "error", "says"),
    [
        ({"kind": "wagstaf", "bounds": (0, 1)}, UnknownNameError, "Nearest: 'wagstaff'"),
        ({"kind": "erreygers"}, RangeError, "needs bounds="),
        ({"kind": "erreygers", "bounds": (1, 0)}, RangeError, "lower and then the higher"),
        ({"aversion": 1}, RangeError, "above 1"),
        ({"aversion": 3, "kind": "wagstaff", "bounds": (0, 1)}, RangeError, "aversion of 2 only"),
        ({"kind": []}, RangeError, "No kind"),
        ({"weight": "none"}, SchemaError, "needs column 'none'"),
    ],
)
def test_what_the_call_gets_wrong_is_told_at_the_call(kwargs: dict, error: type[Exception], says: str):
    with pytest.raises(error, match=says):
        concentration(pl.LazyFrame({"h": [1.0, 0.0], "x": [1.0, 2.0]}), "h", rank="x", **kwargs)


def test_values_outside_their_bounds_are_refused_with_the_remedy_for_percent():
    rows = pl.DataFrame({"h": [10.0, 80.0], "x": [1.0, 2.0]})
    with pytest.raises(DataError, match=r"from 10 to 80, outside its bounds 0 to 1. If it is given in percent"):
        concentration(rows, "h", rank="x", kind="erreygers", bounds=(0, 1))
    assert concentration(rows, "h", rank="x", kind="erreygers", bounds=(0, 100))["value"].item() == pytest.approx(0.7)


def test_means_that_leave_no_value_give_a_reason():
    zero = concentration(pl.DataFrame({"h": [0.0, 0.0], "x": [1.0, 2.0]}), "h", rank="x", kind=KINDS, bounds=(0, 1))
    assert zero["note"].to_list() == ["mean_not_positive", None, None, "mean_at_bound"]
    assert zero["value"].to_list() == [None, 0, 0, None]


def test_factors_that_cannot_be_told_apart_are_refused():
    rows = pl.DataFrame(
        {"h": [1.0, 2.0, 4.0], "x": [1.0, 2.0, 3.0], "a": [1.0, 2.0, 3.5], "b": [2.0, 4.0, 7.0], "t": [[1]] * 3}
    )
    with pytest.raises(DataError, match="cannot be told apart"):
        concentration_decomposition(rows, "h", rank="x", factors=["a", "b"])
    for factors, error in ((["t"], SchemaError), ([], SchemaError), (["h"], SchemaError), (["a", "a"], SchemaError)):
        with pytest.raises(error):
            concentration_decomposition(rows, "h", rank="x", factors=factors)
    with pytest.raises(DataError, match="does not occur"):
        concentration_decomposition(
            rows.with_columns(c=pl.Series(["u", "v", "v"])), "h", rank="x", factors=["c"], reference={"c": "w"}
        )
