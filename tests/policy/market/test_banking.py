"""A cap over years: the price path of pooling is that of the least cost."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import measure, permits
from citylab.errors import DataError, RangeError, RefusalError, SchemaError
from citylab.policy.market import banking, equilibrium, programme
from citylab.policy.market.banking import pooled
from citylab.policy.market.equilibrium import Offsets
from citylab.policy.market.firms import Maccs, cost_cny, synthetic

FEW = 20  # as many as an interval of 90 % needs


class Case(NamedTuple):
    curves: Maccs
    cap: np.ndarray
    rate: float
    bank: float
    tails: list
    held: np.ndarray | float


@st.composite
def paths(draw: st.DrawFn, *, smooth: bool) -> Case:
    """Firms, caps that can be met, sometimes a bank from before, a collar, and offsets."""
    count, years = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    baseline = np.array(draw(st.lists(st.floats(10, 1000), min_size=count, max_size=count)))
    if smooth:
        curves = Maccs.quadratic(
            baseline, np.array(draw(st.lists(st.floats(0.01, 10), min_size=count, max_size=count)))
        )
    else:
        owner = np.repeat(np.arange(count), 3)
        price = np.array([draw(st.lists(st.integers(0, 40).map(float), min_size=3 * count, max_size=3 * count))])
        width = (
            np.array([draw(st.lists(st.floats(0.05, 0.3), min_size=3 * count, max_size=3 * count))]) * baseline[owner]
        )
        curves = Maccs(baseline, np.full(count, np.nan), owner, price, width)
    cuts = np.array(draw(st.lists(st.floats(-0.3, 0.95), min_size=years, max_size=years)))
    cap = baseline.sum() - cuts * curves.most_t.sum()
    tails, held = [], 0.0
    if draw(st.booleans()):
        floor = float(draw(st.integers(0, 30)))
        tails = equilibrium.government(floor, floor + draw(st.integers(0, 30)), cap, np.full(years, baseline.sum()))
        held = tails[0][1][:, 0]
        if draw(st.booleans()):
            tails = [*Offsets(9.0, 12.0, 9.0, 8.0, 0.05, 0.025).tails(float(cap[0])), *tails]
    rate = draw(st.sampled_from([0.0, 0.05, 0.3]))
    return Case(curves, cap, rate, draw(st.sampled_from([0.0, 25.0])), tails, held)


def run(case: Case) -> banking.Banked:
    return pooled(case.curves, case.cap, rate=case.rate, bank_t=case.bank, tails=case.tails, held_t=case.held)


def holds(case: Case, path: banking.Banked) -> None:
    """The bank is never short; the price rises with interest while it holds something, and never faster."""
    scale = 1e-7 * case.curves.baseline_t.sum() * len(case.cap)
    assert (path.bank_t >= 0).all()
    worth = path.price * banking.discounts(case.rate, len(case.cap))
    assert (np.diff(worth) <= 1e-9 * (1 + worth[:-1])).all()
    kept = path.bank_t[:-1] > scale
    assert np.allclose(np.diff(worth)[kept], 0, atol=1e-9 * (1 + worth.max()))
    assert path.bank_t[-1] <= scale or worth[-1] == 0
    # What is kept is what was issued and not used
    used = case.curves.baseline_t.sum(-1) - path.abated_t.sum(-1) - path.tails_t.sum(-1)
    assert np.allclose(np.cumsum(case.cap - case.held - used) + case.bank, path.bank_t, atol=scale)


@given(paths(smooth=True))
@settings(max_examples=40, deadline=None)
def test_a_path_of_smooth_curves_meets_the_conditions_of_an_optimum(case: Case) -> None:
    # The problem is convex, so these are sufficient: with the abatement of each firm at its own optimum for the price
    path = run(case)
    holds(case, path)
    best = np.minimum(path.price[:, None] / case.curves.slope, case.curves.baseline_t)
    assert np.allclose(path.abated_t, best, rtol=1e-9)


@given(paths(smooth=False))
@settings(max_examples=40, deadline=None)
def test_highs_finds_the_same_least_cost_with_collar_and_offsets(case: Case) -> None:
    path = run(case)
    holds(case, path)
    worth = banking.discounts(case.rate, len(case.cap))
    of_tails = sum((q * w[:, None]).sum(-1) for (q, _), w in zip(case.tails, path.tails_t.T, strict=True))
    mine = float((cost_cny(case.curves, path.abated_t).sum(-1) + of_tails) @ worth)
    least = programme.optimum(
        case.curves, case.cap, rate=case.rate, bank_t=case.bank, tails=case.tails, held_t=case.held
    )
    assert mine == pytest.approx(least.cost_cny, rel=1e-6, abs=1e-6 * case.curves.baseline_t.sum())


@given(paths(smooth=True), st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_a_lower_cap_in_one_year_never_lowers_the_price_of_any(case: Case, year: int) -> None:
    lower = case.cap.copy()
    lower[year % len(lower)] *= 0.9
    kept = case._replace(tails=[], held=0.0)
    before, after = run(kept), run(kept._replace(cap=lower))
    assert (after.price >= before.price * (1 - 1e-9)).all()


def test_a_smooth_path_is_that_of_a_general_solver() -> None:
    from scipy.optimize import minimize

    curves = Maccs.quadratic([100.0, 60.0], [1.0, 0.5])
    cap, rate = np.array([150.0, 140.0, 90.0, 110.0]), 0.1
    worth = banking.discounts(rate, 4)
    needed = 160 - cap

    def cost(a: np.ndarray) -> float:
        return float(worth @ (0.5 * np.array([1.0, 0.5]) * a.reshape(4, 2) ** 2).sum(-1))

    bank = [
        {"type": "ineq", "fun": lambda a, t=t: a.reshape(4, 2)[: t + 1].sum() - needed[: t + 1].sum()} for t in range(4)
    ]
    bounds = [(0, 100), (0, 60)] * 4
    found = minimize(cost, np.full(8, 20.0), method="SLSQP", bounds=bounds, constraints=bank, options={"ftol": 1e-12})
    path = pooled(curves, cap, rate=rate)
    assert cost(path.abated_t.ravel()) == pytest.approx(found.fun, rel=1e-6)
    assert path.abated_t.ravel().tolist() == pytest.approx(found.x.tolist(), abs=1e-2)


def test_two_years_share_one_discounted_price() -> None:
    # c = 1: λ + λ·1.5 = 10 + 30 gives 16 and 24; the first year abates 16 and keeps 6
    path = pooled(Maccs.quadratic([100.0], [1.0]), [90.0, 70.0], rate=0.5)
    assert path.price.tolist() == pytest.approx([16, 24])
    assert path.bank_t.tolist() == pytest.approx([6, 0])


def test_nothing_is_kept_where_the_cap_loosens_and_nothing_is_borrowed() -> None:
    path = pooled(Maccs.quadratic([100.0], [1.0]), [70.0, 90.0], rate=0.05)
    assert path.price.tolist() == pytest.approx([30, 10])
    assert path.bank_t.tolist() == [0, 0]


def test_a_bank_from_before_lowers_prices_until_it_is_used_up() -> None:
    # 10 + 30 - 20 = 20 over two years at no interest
    path = pooled(Maccs.quadratic([100.0], [1.0]), [90.0, 70.0], rate=0.0, bank_t=20.0)
    assert path.price.tolist() == pytest.approx([10, 10])
    assert path.bank_t.tolist() == pytest.approx([20, 0])


def test_a_year_that_cannot_be_met_alone_lives_on_what_was_kept() -> None:
    curves = Maccs([[100.0]], [[np.nan]], [0, 0], [[10.0, 40.0]], [[20.0, 20.0]])
    path = pooled(curves, [90.0, 50.0], rate=0.0)  # 10 + 50 of 2·40
    assert path.price.tolist() == [40, 40]
    assert path.bank_t[0] >= 10
    with pytest.raises(RangeError, match=r"years 1 to 2 cannot be met"):
        pooled(curves, [70.0, 40.0], rate=0.0)
    # Kept for later it helps; what lies later does not
    with pytest.raises(RangeError, match="cannot be met"):
        pooled(curves, [50.0, 90.0], rate=0.0)


def test_measures_that_cost_nothing_are_used_where_a_bank_would_run_short_before_later_plenty() -> None:
    # 20 t kept, 30 t needed, then 40 t more than needed: the price is 0, and 10 t of the free measure are used
    curves = Maccs([[100.0]], [[np.nan]], [0, 0], [[0.0, 40.0]], [[20.0, 20.0]])
    path = pooled(curves, [120.0, 70.0, 140.0], rate=0.05)
    assert path.price.tolist() == [0, 0, 0]
    assert path.abated_t.sum() == pytest.approx(10)
    assert path.bank_t.tolist() == pytest.approx([30, 0, 40])


def test_one_year_is_the_market_without_banking() -> None:
    curves = Maccs.quadratic([1000.0, 800.0, 600.0], [0.02, 0.05, 0.10])
    assert pooled(curves, [2000.0], rate=0.05).price.tolist() == equilibrium.price(2000.0, curves).tolist()


def test_the_benchmark_compares_equal_work() -> None:
    few = permits.market(20, 6)
    measure.agree(permits.highs(*few), permits.ours(*few), key=["market"])


# tables

YEARS = pl.DataFrame({"year": [2026, 2027, 2028, 2029], "cap_co2_t": [3.3e6, 3.2e6, 3.0e6, 2.9e6]})


@pytest.fixture(scope="module")
def market() -> tuple[pl.DataFrame, pl.DataFrame]:
    firms, steps = synthetic()
    return firms.with_columns(allocation_co2_t=pl.col("baseline_co2_t") * 0.9), steps


@pytest.fixture(scope="module")
def found(market: tuple) -> banking.Path:
    firms, steps = market
    return banking.path(firms, YEARS, rate=0.05, steps=steps, draws=FEW)


def test_the_books_of_a_path_close(found: banking.Path) -> None:
    years = found.periods
    kept = years["bank_co2_t"].diff(null_behavior="ignore").fill_null(years["bank_co2_t"][0])
    assert (years["cap_co2_t"] - years["co2_t"]).to_list() == pytest.approx(kept.to_list(), abs=1e-3)
    total = dict(found.totals.select("measure", "value").iter_rows())
    assert found.firms["net_cost_cny"].sum() == pytest.approx(total["net_cost"])
    assert total["saving_by_banking"] > 0
    # Discounted, what firms pay the government over the path is what it takes in: the bank ends empty
    assert total["net_cost"] == pytest.approx(total["market_cost"] + total["revenue"], rel=1e-9)


def test_a_path_says_that_it_is_synthetic_and_how_sure_it_is(found: banking.Path) -> None:
    assert found.is_synthetic
    assert "assume_synthetic_firms" in found.assumptions
    assert found.periods["is_synthetic"].all()
    assert (found.periods["price_cny_t_low"] <= found.periods["price_cny_t"]).all()
    assert (found.periods["price_cny_t"] <= found.periods["price_cny_t_high"]).all()
    assert found.n_draws == FEW


def test_growing_firms_pay_more_and_cheaper_measures_less(market: tuple, found: banking.Path) -> None:
    firms, steps = market
    how = {"rate": 0.05, "steps": steps, "draws": FEW}
    grown = banking.path(firms, YEARS.with_columns(baseline_factor=pl.Series([1.0, 1.01, 1.02, 1.03])), **how)
    cheap = banking.path(firms, YEARS.with_columns(cost_factor=pl.Series([1.0, 0.9, 0.8, 0.7])), **how)
    price = found.periods["price_cny_t"]
    assert (grown.periods["price_cny_t"] > price).all()
    assert (cheap.periods["price_cny_t"] < price).all()


def test_a_path_keeps_to_its_collar(market: tuple) -> None:
    firms, steps = market
    path = banking.path(firms, YEARS, rate=0.05, steps=steps, draws=FEW, floor_cny_t=20, ceiling_cny_t=60,
                        offsets=Offsets(2e4, 30.0, 2e4, 25.0, 0.05, 0.025))  # fmt: skip
    assert path.periods["price_cny_t"].is_between(20, 60).all()
    assert path.periods["sold_at_ceiling_co2_t"].sum() > 0
    assert path.periods["offset_co2_t"].to_list() == pytest.approx([4e4] * 4)


@pytest.mark.parametrize(
    ("years", "how", "error", "says"),
    [
        (YEARS.reverse(), {}, DataError, "in order"),
        (YEARS.filter(pl.col("year") != 2027), {}, DataError, "gaps"),
        (YEARS.clear(), {}, DataError, "no year"),
        (YEARS.drop("cap_co2_t"), {}, SchemaError, "cap_co2_t"),
        (YEARS.with_columns(cap_co2_t=pl.lit(-1.0)), {}, RangeError, "-1.0"),
        (YEARS.with_columns(cap_co2_t=pl.lit(None, pl.Float64)), {}, RangeError, "nan"),
        (YEARS.with_columns(cap_co2_t=pl.lit(1e6)), {}, RangeError, "more than its cap"),
        (YEARS.with_columns(cost_factor=pl.lit(0.0)), {}, RangeError, "cost_factor"),
        (YEARS, {"rate": -2.0}, RangeError, "rate"),
        (YEARS, {"bank_t": -1.0}, RangeError, "bank"),
        (YEARS, {"floor_cny_t": 9, "ceiling_cny_t": 3}, RangeError, "ceiling"),
    ],
)
def test_a_path_that_cannot_be_is_refused(
    market: tuple, years: pl.DataFrame, how: dict, error: type, says: str
) -> None:
    firms, steps = market
    with pytest.raises(error, match=says):
        banking.path(firms, years, **{"rate": 0.05, "steps": steps, "draws": FEW, **how})


def test_a_linear_programme_refuses_smooth_curves_and_caps_that_cannot_be_met() -> None:
    with pytest.raises(RefusalError, match="smooth"):
        programme.optimum(Maccs.quadratic([1.0], [1.0]), [1.0])
    with pytest.raises(RangeError, match="HiGHS"):
        programme.optimum(Maccs([[10.0]], [[np.nan]], [0], [[1.0]], [[2.0]]), [7.0])
