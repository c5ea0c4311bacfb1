"""Cost curves, and what firms abate together at a price."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citylab.errors import DataError, RangeError, SchemaError
from citylab.policy.market import firms as module
from citylab.policy.market.firms import Maccs, Supply, cost_cny, drawn, kinks, maccs, synthetic


def table(**columns: object) -> pl.DataFrame:
    return pl.DataFrame(
        {"firm_id": ["a", "b"], "baseline_co2_t": [100.0, 50.0], "macc_slope_cny_t2": [1.0, 2.0], **columns}
    )


@st.composite
def mixed(draw: st.DrawFn) -> Maccs:
    """Firms of both kinds; a firm's steps cut at most what it emits."""
    count = draw(st.integers(1, 5))
    baseline = np.array(draw(st.lists(st.floats(1, 1000), min_size=count, max_size=count)))
    slope = np.array(draw(st.lists(st.floats(0.01, 10), min_size=count, max_size=count)))
    stepwise = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    owner, price, width = [], [], []
    for i in np.flatnonzero(stepwise):
        slope[i] = np.nan
        n = draw(st.integers(1, 3))
        owner += [i] * n
        price += draw(st.lists(st.integers(0, 60).map(float), min_size=n, max_size=n))
        width += [baseline[i] / n * draw(st.floats(0.1, 1))] * n
    return Maccs(baseline, slope, np.array(owner, int), np.array([price]), np.array([width]))


@given(mixed(), st.floats(0, 200))
@settings(max_examples=50, deadline=None)
def test_what_is_abated_at_a_price_is_the_sum_of_what_each_firm_gains_by(curves: Maccs, price: float) -> None:
    # A smooth firm abates until c·a = p or nothing is left; a stepwise one uses every measure that costs p at most
    by_hand = 0.0
    for i in range(curves.n_firms):
        if curves.is_stepwise[i]:
            mine = curves.step_owner == i
            by_hand += curves.step_t[0, mine & (curves.step_price[0] <= price)].sum()
        else:
            by_hand += min(price / curves.slope[0, i], curves.baseline_t[0, i])
    assert Supply.of(*kinks(curves)).at(np.array([price])).item() == pytest.approx(by_hand, rel=1e-9, abs=1e-9)


@given(mixed(), st.floats(0.001, 1))
@settings(max_examples=50, deadline=None)
def test_the_crossing_is_the_lowest_price_that_reaches_the_amount(curves: Maccs, share: float) -> None:
    supply = Supply.of(*kinks(curves))
    amount = share * curves.most_t.sum()
    price = supply.crossing(np.array([amount]))
    assert np.isfinite(price).all()
    assert supply.at(price).item() >= amount * (1 - 1e-9)
    assert price.item() == 0 or supply.at(price * (1 - 1e-6)).item() < amount * (1 + 1e-9)


def test_an_amount_that_nobody_can_abate_has_an_infinite_price() -> None:
    assert Supply.of(*kinks(Maccs.quadratic([10.0], [1.0]))).crossing(np.array([10.1])).tolist() == [np.inf]


def test_a_firm_of_slope_far_above_the_others_still_counts() -> None:
    # 1/c of the second is 1e-9 of the first's; past 10 CNY/t only it is left, with 1e-8 t a yuan
    curves = Maccs.quadratic([100.0, 1.0], [0.1, 1e8])
    assert Supply.of(*kinks(curves)).crossing(np.array([100.5])).item() == pytest.approx(0.5e8, rel=1e-5)


def test_the_cost_of_steps_takes_the_cheapest_first_whatever_their_order() -> None:
    # 10 t at 5 and 5 t at 20 = 150; more than 30 t cannot be
    curves = Maccs([[40.0]], [[np.nan]], [0, 0], [[20.0, 5.0]], [[20.0, 10.0]])
    cost = cost_cny(curves, np.array([[15.0], [30.0], [31.0]]))
    assert cost[:2, 0].tolist() == [150.0, 450.0]
    assert np.isnan(cost[2, 0])


def test_the_cost_of_a_smooth_curve_is_the_area_under_it() -> None:
    assert cost_cny(Maccs.quadratic([100.0], [2.0]), np.array([[10.0]])).item() == 100.0  # ½·2·10²


def test_draws_of_a_firm_hang_on_its_name_and_not_on_the_others() -> None:
    two = drawn(Maccs.quadratic([1.0, 1.0], [1.0, 1.0]), ["a", "b"], 7, seed=3)
    one = drawn(Maccs.quadratic([1.0], [1.0]), ["b"], 20, seed=3)
    assert (two.slope[:, 1] == one.slope[:7, 0]).all()
    assert (two.slope[:, 0] != two.slope[:, 1]).all()


def test_draws_multiply_slopes_and_steps_of_a_firm_by_one_factor_within_the_priors() -> None:
    curves = Maccs([[10.0, 10.0]], [[1.0, np.nan]], [1, 1], [[5.0, 10.0]], [[1.0, 1.0]])
    many = drawn(curves, ["a", "b"], 500)
    assert np.allclose(many.step_price[:, 0] / 5, many.step_price[:, 1] / 10)
    # 0.5·0.7 to 2·1.4, from the rules of the simulator
    assert many.slope[:, 0].min() > 0.35
    assert many.slope[:, 0].max() < 2.8


def test_every_row_of_the_synthetic_firms_says_that_it_is_synthetic() -> None:
    firms, steps = synthetic()
    assert firms["is_synthetic"].all()
    assert steps["is_synthetic"].all()
    assert firms["label_en"].str.contains("Synthetic").all()
    assert firms["label_zh"].str.contains("合成").all()
    assert maccs(firms, steps).most_t.sum() < firms["baseline_co2_t"].sum()


def test_a_lazy_frame_gives_the_same_curves() -> None:
    firms, steps = synthetic()
    lazy = maccs(firms.lazy(), steps.lazy())
    assert np.array_equal(lazy.slope, maccs(firms, steps).slope, equal_nan=True)


@pytest.mark.parametrize(
    ("columns", "error", "says"),
    [
        ({"macc_slope_cny_t2": [1.0, float("nan")]}, RangeError, "slope of firm 'b' is NaN"),
        ({"macc_slope_cny_t2": [1.0, -2.0]}, RangeError, "above 0"),
        ({"macc_slope_cny_t2": [1.0, 0.0]}, RangeError, "above 0"),
        ({"macc_slope_cny_t2": [1.0, None]}, DataError, "neither a slope"),
        ({"baseline_co2_t": [100.0, -1.0]}, RangeError, "-1.0"),
        ({"baseline_co2_t": [100.0, None]}, RangeError, "baseline"),
        ({"firm_id": ["a", "a"]}, DataError, "more than once"),
        ({"baseline_co2_t": ["x", "y"]}, SchemaError, "numbers"),
    ],
)
def test_a_table_that_cannot_be_firms_is_refused(columns: dict, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        maccs(table(**columns))


def test_no_firm_is_told() -> None:
    with pytest.raises(SchemaError, match="no firm"):
        maccs(table().clear())
    with pytest.raises(SchemaError, match="no firm"):
        Maccs.quadratic(np.empty((1, 0)), np.empty((1, 0)))


def test_a_missing_column_is_named_with_its_unit() -> None:
    with pytest.raises(SchemaError, match=r"macc_slope_cny_t2.*CNY/t²"):
        maccs(table().drop("macc_slope_cny_t2"))


@pytest.mark.parametrize(
    ("steps", "error", "says"),
    [
        ({"firm_id": ["z"], "step_price_cny_t": [1.0], "step_co2_t": [1.0]}, DataError, "no firm"),
        ({"firm_id": ["a"], "step_price_cny_t": [1.0], "step_co2_t": [1.0]}, DataError, "one or the other"),
        ({"firm_id": ["b"], "step_price_cny_t": [-1.0], "step_co2_t": [1.0]}, RangeError, "-1.0"),
        ({"firm_id": ["b"], "step_price_cny_t": [1.0], "step_co2_t": [51.0]}, DataError, "more than it emits"),
    ],
)
def test_steps_that_cannot_be_are_refused(steps: dict, error: type[Exception], says: str) -> None:
    slopes = [1.0, None] if steps["firm_id"] != ["a"] else [1.0, 2.0]
    with pytest.raises(error, match=says):
        maccs(table(macc_slope_cny_t2=slopes), pl.DataFrame(steps))


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(SchemaError, match="don't fit"):
        Maccs.quadratic([1.0, 2.0], [1.0, 1.0, 1.0])
    with pytest.raises(SchemaError, match="firm number 3"):
        Maccs([[1.0]], [[1.0]], [3], [[1.0]], [[1.0]])


def test_a_price_that_is_no_frame_is_told() -> None:
    with pytest.raises(SchemaError, match="polars"):
        module.checked({"firm_id": ["a"]}, what="x")  # type: ignore[arg-type]
