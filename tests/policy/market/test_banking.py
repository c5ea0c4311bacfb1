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


MAKER = pl.DataFrame(
    {"firm_id": ["a"], "baseline_co2_t": [1000.0], "macc_slope_cny_t2": [0.1], "output": [1000.0],
     "benchmark_t_unit": [0.9], "marginal_cost_slope_cny_unit2": [0.1]}
)  # fmt: skip
TWO = pl.DataFrame({"year": [2026, 2027], "cap_co2_t": [950.0, 850.0]})


@pytest.mark.parametrize(
    ("basis", "rate", "prices", "emitted"),
    [
        # Emissions fall by 10 t a CNY/t through abatement, and through output by I·(I - B)/m = 1, or I·I/m = 10 where
        # allowances do not follow it. Two years need 50 + 150 t: 200/22 and 200/40
        ("output", 0.0, [200 / 22] * 2, [900, 900]),
        ("lump_sum", 0.0, [5, 5], [900, 900]),
        # With interest p + 1.1·p = 200/11
        ("output", 0.1, [200 / 23.1, 220 / 23.1], [1000 - 2200 / 23.1, 1000 - 2420 / 23.1]),
        # At 300 % nobody keeps anything, as 150/11 is less than four times 50/11
        ("output", 3.0, [50 / 11, 150 / 11], [950, 850]),
    ],
)
def test_two_years_of_makers_share_one_discounted_price_while_they_keep_something(basis, rate, prices, emitted):
    found = banking.output_path(MAKER, TWO, rate=rate, basis=basis)
    assert found["price_cny_t"].to_list() == pytest.approx(prices)
    assert found["co2_t"].to_list() == pytest.approx(emitted)
    assert found["bank_co2_t"].to_list() == pytest.approx([950 - emitted[0], 0], abs=1e-9)
    assert found["output_change"].to_list() == pytest.approx([-p * (1 if basis == "output" else 10) for p in prices])
    given = 0.9 * found["output"] if basis == "output" else pl.Series([900.0, 900.0])
    assert found["allocation_co2_t"].to_list() == pytest.approx(given.to_list())


def test_a_benchmark_that_is_tightened_is_met_ahead() -> None:
    # B = 0.95 and 0.855: 50 and 145 t lack; a CNY/t brings (I - B)²/m + 1/c = 10.025 and 10.21025
    years = pl.DataFrame({"year": [2026, 2027], "benchmark_factor": [1.0, 0.9]})
    found = banking.output_path(MAKER.with_columns(benchmark_t_unit=pl.lit(0.95)), years, rate=0.0)
    assert found["price_cny_t"].to_list() == pytest.approx([195 / 20.23525] * 2)
    assert found["bank_co2_t"].to_list() == pytest.approx([195 / 20.23525 * 10.025 - 50, 0], abs=1e-9)
    earned = (found["allocation_co2_t"] - found["co2_t"]).to_list()
    assert earned == pytest.approx([found["bank_co2_t"][0], -found["bank_co2_t"][0]])


@given(st.data(), st.sampled_from(["output", "lump_sum"]), st.booleans(), st.sampled_from([0.0, 0.05, 0.5]))
@settings(max_examples=30, deadline=None)
def test_on_a_path_of_makers_each_chooses_best_and_none_would_keep_more_or_less(data, basis, is_capped, rate) -> None:
    from scipy.optimize import minimize_scalar

    count, years = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 5))

    def some(low: float, high: float, n: int = count) -> np.ndarray:
        return np.array(data.draw(st.lists(st.floats(low, high), min_size=n, max_size=n)))

    made, slope, rise, intensity = some(100, 1000), some(0.01, 1), some(0.01, 1), some(0.1, 2)
    benchmark, factor, cut = intensity * some(0.3, 1), some(0.7, 1, years), some(0.1, 1.1, years)
    table = pl.DataFrame(
        {"firm_id": [f"f{i}" for i in range(count)], "baseline_co2_t": made * intensity, "macc_slope_cny_t2": slope,
         "output": made, "benchmark_t_unit": benchmark, "marginal_cost_slope_cny_unit2": rise}
    )  # fmt: skip
    when = pl.DataFrame({"year": range(2026, 2026 + years), "benchmark_factor": factor})
    if is_capped:
        when = when.with_columns(cap_co2_t=(made * intensity).sum() * cut)
    found = banking.output_path(table, when, rate=rate, basis=basis, bank_t=10.0)
    scale = float((made * intensity).sum())
    kept = 10.0
    for (_, year), f in zip(found.group_by("year", maintain_order=True), factor, strict=True):
        p = year["price_cny_t"][0]
        for i, (q, a) in enumerate(year.select("output", "abatement_co2_t").iter_rows()):
            rebate = benchmark[i] * f if basis == "output" else 0.0

            def loss(output: float, i: int = i, rebate: float = rebate, p: float = p) -> float:
                abated = min(p / slope[i], intensity[i] * output)
                emitted = intensity[i] * output - abated
                return (
                    rise[i] / 2 * (output - made[i]) ** 2 + slope[i] / 2 * abated**2 + p * (emitted - rebate * output)
                )

            best = minimize_scalar(loss, bounds=(0, 10 * made[i]), method="bounded").fun
            assert loss(q) <= best + 1e-6 * (1 + abs(best))
            assert a == pytest.approx(min(p / slope[i], intensity[i] * q), rel=1e-9, abs=1e-9)
        issued = year["allocation_co2_t"].sum() if not is_capped else float(when["cap_co2_t"][year["year"][0] - 2026])
        kept += issued - year["co2_t"].sum()
        assert year["bank_co2_t"][0] == pytest.approx(kept, abs=1e-6 * scale)
    market = found.group_by("year", maintain_order=True).agg(pl.col("price_cny_t", "bank_co2_t").first())
    worth = market["price_cny_t"].to_numpy() * banking.discounts(rate, years)
    bank = market["bank_co2_t"].to_numpy()
    assert (bank >= 0).all() and (np.diff(worth) <= 1e-9 * (1 + worth[:-1])).all()
    assert np.allclose(np.diff(worth)[bank[:-1] > 1e-6 * scale], 0, atol=1e-9 * (1 + worth.max()))
    assert bank[-1] <= 1e-6 * scale or worth[-1] == 0


def test_one_year_of_makers_is_the_market_of_that_year() -> None:
    alone = equilibrium.output_based(MAKER, cap_t=850)
    assert banking.output_path(MAKER, TWO.tail(1), rate=0.05).drop("year", "bank_co2_t").equals(alone)
    free = banking.output_path(MAKER, TWO.select("year").head(1), rate=0.05, basis="lump_sum")
    assert free["price_cny_t"].item() == equilibrium.output_based(MAKER, basis="lump_sum")["price_cny_t"].item()


def test_makers_whose_caps_cannot_be_met_or_that_emit_more_at_a_price_are_refused() -> None:
    with pytest.raises(DataError, match="gaps"):
        banking.output_path(MAKER, TWO.with_columns(pl.col("year") * 2), rate=0.0)
    with pytest.raises(RangeError, match="benchmark_factor of 2026 is 0"):
        banking.output_path(MAKER, TWO.with_columns(benchmark_factor=pl.lit(0.0)), rate=0.0)
    generous = MAKER.with_columns(benchmark_t_unit=pl.lit(3.0), marginal_cost_slope_cny_unit2=pl.lit(0.01))
    with pytest.raises(RefusalError, match="'a'"):
        banking.output_path(generous, TWO, rate=0.0)


def test_offsets_beyond_what_a_firm_emits_do_not_become_allowances() -> None:
    # Free offsets for all that is given: a firm that has cut most of it would turn the rest into a bank
    firm = pl.DataFrame(
        {"firm_id": ["a", "b"], "baseline_co2_t": [100.0, 100.0], "macc_slope_cny_t2": [0.01, 9.0],
         "allocation_co2_t": [90.0, 10.0]}
    )  # fmt: skip
    years = pl.DataFrame({"year": [2026, 2027], "cap_co2_t": [100.0, 20.0]})
    with pytest.raises(RefusalError, match="more offsets than it emits"):
        banking.path(firm, years, rate=0.0, draws=FEW, offsets=Offsets(1e3, 0.0, 0.0, 0.0, 1.0, 0.0))


@pytest.mark.parametrize(
    "how",
    [{"floor_cny_t": 20, "ceiling_cny_t": 60}, {"floor_cny_t": 110}, {"ceiling_cny_t": 30, "bank_t": 1e5}, {}],
)
def test_keeping_allowances_is_never_a_loss_whatever_the_collar(market: tuple, how: dict) -> None:
    firms, steps = market
    path = banking.path(firms, YEARS, rate=0.05, steps=steps, draws=FEW, **how)
    assert path.totals.filter(measure="saving_by_banking")["value"].item() >= -1e-3


def test_a_tonne_bought_at_the_ceiling_is_not_taken_for_one_saved() -> None:
    # c = 1, no interest, ceiling 20. Alone the years cost 10 (50 CNY) and 20, where 20 t are abated (200) and 10 bought
    # (200). Together 10 + 30 t: both at 20, all abated: 400. So 50 CNY are saved, and 10 t less emitted.
    firm = pl.DataFrame(
        {"firm_id": ["a"], "baseline_co2_t": [100.0], "macc_slope_cny_t2": [1.0], "allocation_co2_t": [0.0]}
    )
    years = pl.DataFrame({"year": [2026, 2027], "cap_co2_t": [90.0, 70.0]})
    path = banking.path(firm, years, rate=0.0, draws=FEW, ceiling_cny_t=20.0)
    assert path.periods["price_cny_t"].to_list() == pytest.approx([20, 20])
    assert path.periods["sold_at_ceiling_co2_t"].to_list() == pytest.approx([0, 0], abs=1e-9)
    assert path.totals.filter(measure="saving_by_banking")["value"].item() == pytest.approx(50)


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
