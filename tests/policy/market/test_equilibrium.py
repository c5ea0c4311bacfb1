"""One market clears: who abates, trades and pays."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from citylab.errors import RangeError, RefusalError, SchemaError, UnknownNameError
from citylab.policy.market import equilibrium, programme
from citylab.policy.market.equilibrium import Offsets, beijing_offsets, clear, output_based, price
from citylab.policy.market.firms import Maccs, synthetic

THREE = pl.DataFrame(
    {
        "firm_id": ["a", "b", "c"],
        "sector": ["power", "power", "heat"],
        "baseline_co2_t": [1000.0, 800.0, 600.0],
        "macc_slope_cny_t2": [0.02, 0.05, 0.10],
        "allocation_co2_t": [800.0, 700.0, 300.0],
    }
)
CURVES = Maccs.quadratic([1000.0, 800.0, 600.0], [0.02, 0.05, 0.10])
FEW = 20  # as many as an interval of 90 % needs


@st.composite
def markets(draw: st.DrawFn) -> tuple[pl.DataFrame, pl.DataFrame, float]:
    """Firms of both kinds, their steps, and a cap that can be met; some is given and the rest auctioned."""
    count = draw(st.integers(1, 4))
    baseline = np.array(draw(st.lists(st.floats(10, 1000), min_size=count, max_size=count)))
    kinds = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    slopes = [None if stepwise else draw(st.floats(0.01, 10)) for stepwise in kinds]
    steps = []
    for i in np.flatnonzero(kinds):
        for _ in range(draw(st.integers(1, 3))):
            steps.append((f"f{i}", float(draw(st.integers(0, 60))), baseline[i] / 3 * draw(st.floats(0.2, 1))))
    can = sum(b for b, stepwise in zip(baseline, kinds, strict=True) if not stepwise) + sum(s[2] for s in steps)
    cap = baseline.sum() - can * draw(st.floats(-0.2, 0.99))
    weights = np.array(draw(st.lists(st.floats(0, 1), min_size=count, max_size=count)))
    free = cap * draw(st.floats(0, 1)) * (weights / weights.sum() if weights.sum() > 0 else weights)
    table = pl.DataFrame(
        {"firm_id": [f"f{i}" for i in range(count)], "baseline_co2_t": baseline, "allocation_co2_t": free},
    ).with_columns(macc_slope_cny_t2=pl.Series(slopes, dtype=pl.Float64))
    kind = {"firm_id": pl.String, "step_price_cny_t": pl.Float64, "step_co2_t": pl.Float64}
    return table, pl.DataFrame(steps, kind, orient="row"), float(cap)


def books_close(market: equilibrium.Equilibrium, cap: float, *, fee: float = 0.0) -> None:
    """What must hold whatever the market: see the names of the sums."""
    firm, total = market.firms, market.value
    scale = 1e-8 * max(cap, firm["baseline_co2_t"].sum(), 1)
    # surrendered allowances and offsets are emissions
    assert total("surrendered") + total("offsets") == pytest.approx(firm["co2_t"].sum(), abs=scale)
    # what firms buy is what the government sells
    assert firm["traded_co2_t"].sum() == pytest.approx(total("government_sales"), abs=scale)
    # issued, less what is left over, is surrendered
    assert cap - total("withheld") + total("sold_at_ceiling") - total("left_over") == pytest.approx(
        total("surrendered"), abs=scale
    )
    assert total("revenue") == pytest.approx(total("government_sales") * total("price"), rel=1e-9, abs=1e-6)
    assert total("net_cost") == pytest.approx(total("market_cost") + total("revenue"), rel=1e-6, abs=scale * 100)
    assert (firm["co2_t"] >= -scale).all()
    # At a price nothing is left over, but with a fee what spares less than it stays with its holder
    assert total("left_over") <= scale or total("price") == 0 or fee > 0


@given(markets())
@settings(max_examples=25, deadline=None)
def test_books_close_and_nobody_abates_at_more_than_the_price(case: tuple) -> None:
    table, steps, cap = case
    market = clear(table, steps=steps, cap_t=cap, draws=FEW)
    books_close(market, cap)
    found = market.value("price")
    for row, c in zip(market.firms.iter_rows(named=True), table["macc_slope_cny_t2"], strict=True):
        if c is not None:
            assert c * row["abatement_co2_t"] <= found * (1 + 1e-9)
        else:
            dearest = steps.filter((pl.col("firm_id") == row["firm_id"]) & (pl.col("step_price_cny_t") <= found))
            assert row["abatement_co2_t"] <= dearest["step_co2_t"].sum() * (1 + 1e-9) + 1e-9
    # Emissions are the cap, or less where it does not bind
    assert market.value("emissions") == pytest.approx(min(cap, table["baseline_co2_t"].sum()), rel=1e-8)


@given(markets(), st.floats(0, 40), st.floats(0, 40))
@settings(max_examples=25, deadline=None)
def test_a_collar_holds_the_price_and_books_close(case: tuple, floor: float, width: float) -> None:
    table, steps, cap = case
    market = clear(table, steps=steps, cap_t=cap, floor_cny_t=floor, ceiling_cny_t=floor + width, draws=FEW)
    books_close(market, cap)
    assert floor <= market.value("price") <= floor + width
    assert market.value("withheld") == pytest.approx(0, abs=1e-6) or market.value("price") == floor
    assert market.value("sold_at_ceiling") == pytest.approx(0, abs=1e-6) or market.value("price") == floor + width


@given(markets(), st.floats(0, 20))
@settings(max_examples=25, deadline=None)
def test_with_a_fee_books_close_and_only_firms_that_gain_more_than_it_trade(case: tuple, fee: float) -> None:
    table, steps, cap = case
    market = clear(table, steps=steps, cap_t=cap, transaction_cost_cny_t=fee, ceiling_cny_t=1000.0, draws=FEW)
    books_close(market, cap, fee=fee)
    found = market.value("price")
    for row, c in zip(market.firms.iter_rows(named=True), table["macc_slope_cny_t2"], strict=True):
        if c is None or row["baseline_co2_t"] < row["allocation_co2_t"]:
            continue
        own = c * (row["baseline_co2_t"] - row["allocation_co2_t"])  # marginal cost without any trade
        if row["traded_co2_t"] > 1e-6 * row["baseline_co2_t"]:
            assert own > found + fee - 1e-6
        elif row["traded_co2_t"] < -1e-6 * row["baseline_co2_t"]:
            assert own < found - fee + 1e-6


@given(markets(), st.floats(0.5, 1))
@settings(max_examples=25, deadline=None)
def test_a_lower_cap_never_lowers_the_price(case: tuple, share: float) -> None:
    table, steps, cap = case
    free = table.with_columns(allocation_co2_t=0.0)
    high = clear(free, steps=steps, cap_t=cap, ceiling_cny_t=1e4, draws=FEW).value("price")
    low = clear(free, steps=steps, cap_t=cap * share, ceiling_cny_t=1e4, draws=FEW).value("price")
    assert low >= high * (1 - 1e-9)


@given(markets(), st.integers(0, 10))
@settings(max_examples=20, deadline=None)
def test_who_is_given_what_changes_who_pays_and_neither_price_nor_abatement(case: tuple, shift: int) -> None:
    table, steps, cap = case
    other = table.with_columns(pl.col("allocation_co2_t").reverse() * shift / 10)
    one, two = (clear(t, steps=steps, cap_t=cap, draws=FEW) for t in (table, other))
    assert one.value("price") == pytest.approx(two.value("price"), rel=1e-9, abs=1e-12)
    assert one.firms["abatement_co2_t"].to_list() == pytest.approx(two.firms["abatement_co2_t"].to_list(), abs=1e-6)
    given_less = one.firms["allocation_co2_t"] - two.firms["allocation_co2_t"]
    dearer = two.firms["net_cost_cny"] - one.firms["net_cost_cny"]
    assert dearer.to_list() == pytest.approx((given_less * one.value("price")).to_list(), rel=1e-6, abs=1e-4)


@given(markets())
@settings(max_examples=20, deadline=None)
def test_the_market_never_costs_more_than_the_uniform_standard(case: tuple) -> None:
    table, steps, cap = case
    market = clear(table, steps=steps, cap_t=cap, draws=FEW)
    if market.value("standard_cost") is not None:
        assert market.value("saving") >= -1e-6 * max(market.value("standard_cost"), 1)


@given(markets())
@settings(max_examples=20, deadline=None)
def test_highs_finds_the_same_least_cost_of_stepwise_firms(case: tuple) -> None:
    table, steps, cap = case
    stepwise = table.filter(pl.col("macc_slope_cny_t2").is_null())
    assume(stepwise.height)
    can = steps["step_co2_t"].sum()
    cap = stepwise["baseline_co2_t"].sum() - 0.7 * can
    bare = stepwise.with_columns(allocation_co2_t=0.0)
    market = clear(bare, steps=steps, cap_t=cap, draws=FEW)
    curves = equilibrium.maccs(bare, steps)
    least = programme.optimum(curves, [cap])
    assert market.value("market_cost") == pytest.approx(least.cost_cny, rel=1e-6, abs=1e-6)


def least_cost(table: pl.DataFrame, steps: pl.DataFrame, cap: float, *, fee: float, floor: float, ceiling: float,
               offsets: Offsets | None) -> float:  # fmt: skip
    """Return the least that a planner pays who may do what firms may, written down anew as a linear programme.

    Columns: measures; of each firm what it buys, sells and keeps; then what the government sells, buys back and sells
    at the ceiling, and local and outside offsets, which firms hold as they were given allowances.
    """
    count, measures = table.height, steps.height
    given = table["allocation_co2_t"].to_numpy()
    total = float(given.sum())
    owner = steps["firm_id"].str.slice(1).cast(pl.Int64).to_numpy()
    share = given / total if total > 0 else np.zeros(count)
    width = measures + 3 * count + 5
    sold, back, more, local, outside = range(width - 5, width)
    balance = np.zeros((count + 1, width))
    for i in range(count):
        at = measures + i
        balance[i, :measures] = owner == i
        balance[i, [at, at + count, at + 2 * count]] = 1, -1, -1
        balance[i, [local, outside]] = share[i]
        balance[count, [at, at + count]] = 1, -1
    balance[count, [sold, back, more]] = -1, 1, -1
    need = [*(table["baseline_co2_t"].to_numpy() - given), 0.0]
    price = np.zeros(width)
    price[:measures] = steps["step_price_cny_t"]
    price[measures : measures + 2 * count] = fee
    # An allowance sold is worth the floor to the government, one bought back costs it as much
    price[[sold, back, more]] = floor, -floor, ceiling
    limits = (0.0, 0.0)
    if offsets is not None:
        price[[local, outside]] = offsets.local_price_cny_t, offsets.outside_price_cny_t
        limits = (
            min(offsets.local_t, offsets.limit_share * total),
            min(offsets.outside_t, offsets.outside_share * total),
        )
    both = np.zeros((1, width))
    both[0, [local, outside]] = 1
    bounds = [(0, w) for w in steps["step_co2_t"]] + [(0, None)] * (3 * count)
    bounds += [(0, max(cap - total, 0)), (0, None if floor else 0), (0, None), (0, limits[0]), (0, limits[1])]
    room = 0.0 if offsets is None else offsets.limit_share * total
    done = linprog(price, A_eq=balance, b_eq=need, A_ub=both, b_ub=[room], bounds=bounds)
    assert done.success
    return float(done.fun)


@given(markets(), st.sampled_from([0.0, 0.5, 3.0]), st.sampled_from([0.0, 4.0, 20.0]), st.sampled_from([0.0, 10.0]),
       st.none() | st.tuples(*[st.sampled_from([0.0, 5.0, 1e4]), st.integers(0, 60)] * 2))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_no_planner_pays_less_with_fee_collar_and_offsets(case, fee, floor, wide, offer) -> None:
    table, steps, _ = case
    stepwise = table.filter(pl.col("macc_slope_cny_t2").is_null()).with_columns(
        pl.col("allocation_co2_t").clip(upper_bound=pl.col("baseline_co2_t"))
    )
    assume(stepwise.height)
    names = {old: f"f{i}" for i, old in enumerate(stepwise["firm_id"])}
    stepwise, steps = (t.with_columns(pl.col("firm_id").replace(names)) for t in (stepwise, steps))
    cap = max(stepwise["baseline_co2_t"].sum() * 0.8, stepwise["allocation_co2_t"].sum())
    offsets = Offsets(*offer, 0.1, 0.05) if offer is not None and not fee else None
    how = {"fee": fee, "floor": floor, "ceiling": floor + wide}
    market = clear(
        stepwise, steps=steps, cap_t=cap, transaction_cost_cny_t=fee, floor_cny_t=floor, ceiling_cny_t=floor + wide,
        offsets=offsets, draws=FEW,
    )  # fmt: skip
    sold = market.value("sold_at_ceiling")
    mine = market.value("market_cost") + sold * (floor + wide) + floor * (market.value("government_sales") - sold)
    least = least_cost(stepwise, steps, cap, **how, offsets=offsets)
    assert mine == pytest.approx(least, rel=1e-6, abs=1e-6 * cap)


def test_three_firms_clear_at_the_price_of_the_closed_form() -> None:
    # p = (2400 - 2000) / (50 + 20 + 10) = 5; a = p/c; cost ½·c·a²: 625 + 250 + 125 = 1000.
    # A uniform standard cuts each by 1/6: ½·0.02·(1000/6)² + ½·0.05·(800/6)² + ½·0.1·100² = 277.78 + 444.44 + 500.
    market = clear(THREE, cap_t=2000)
    assert market.value("price") == pytest.approx(5)
    assert market.firms["abatement_co2_t"].to_list() == pytest.approx([250, 100, 50])
    assert market.firms["traded_co2_t"].to_list() == pytest.approx([-50, 0, 250])
    assert market.value("government_sales") == pytest.approx(200)
    assert market.value("revenue") == pytest.approx(1000)
    assert market.value("market_cost") == pytest.approx(1000)
    assert market.value("standard_cost") == pytest.approx(1222.2222, abs=1e-4)
    assert market.value("saving_share") == pytest.approx(2 / 11)
    assert market.firms["net_cost_cny"].to_list() == pytest.approx([625 - 250, 250, 125 + 1250])


def test_a_firm_that_has_nothing_left_to_abate_is_left_out_of_the_slope() -> None:
    # The first has abated its 100 t from 2 CNY/t on; the other abates 200 t at 0.05·200 = 10
    assert price(600.0, Maccs.quadratic([100.0, 800.0], [0.02, 0.05])).tolist() == pytest.approx([10.0])


def test_a_cap_above_the_baseline_costs_nothing() -> None:
    market = clear(THREE, cap_t=3000)
    assert market.value("price") == 0
    assert market.value("left_over") == pytest.approx(600)
    assert market.firms["net_cost_cny"].to_list() == [0, 0, 0]


def test_many_draws_are_cleared_at_once_as_one_by_one() -> None:
    rng = np.random.default_rng(0)
    slope = rng.uniform(0.01, 0.2, (50, 3))
    cap = rng.uniform(0.0, 2600.0, 50)
    together = price(cap, Maccs.quadratic([1000.0, 800.0, 600.0], slope), floor_cny_t=1.0, ceiling_cny_t=60.0)
    alone = [
        price(k, Maccs.quadratic([1000.0, 800.0, 600.0], c), floor_cny_t=1.0, ceiling_cny_t=60.0).item()
        for k, c in zip(cap, slope, strict=True)
    ]
    assert together.tolist() == pytest.approx(alone, rel=1e-12)
    assert together.min() == 1.0
    assert together.max() == 60.0


def test_at_the_ceiling_the_government_sells_what_is_lacking_and_at_the_floor_it_holds_back() -> None:
    # At 4 CNY/t firms abate 4·80 = 320, so 2080 are emitted: 80 more than the cap. At 6: 480, so 1920: 80 less.
    high = clear(THREE, cap_t=2000, ceiling_cny_t=4)
    assert (high.value("price"), high.value("sold_at_ceiling")) == pytest.approx((4, 80))
    low = clear(THREE, cap_t=2000, floor_cny_t=6)
    assert (low.value("price"), low.value("withheld")) == pytest.approx((6, 80))
    assert low.value("revenue") == pytest.approx((200 - 80) * 6)


def test_a_ceiling_makes_any_cap_possible() -> None:
    kinds = {"macc_slope_cny_t2": pl.Float64}
    row = {"firm_id": ["a"], "baseline_co2_t": [100.0], "macc_slope_cny_t2": [None], "allocation_co2_t": [0.0]}
    stuck = pl.DataFrame(row, schema_overrides=kinds)
    step = pl.DataFrame({"firm_id": ["a"], "step_price_cny_t": [10.0], "step_co2_t": [20.0]})
    with pytest.raises(RangeError, match=r"cannot be met: of 100 t at least 80 t stay"):
        clear(stuck, steps=step, cap_t=70)
    assert clear(stuck, steps=step, cap_t=70, ceiling_cny_t=50).value("sold_at_ceiling") == pytest.approx(10)


def test_offsets_are_used_where_cheaper_up_to_both_limits() -> None:
    # Given 1800: limit 90 t in all, 45 t from outside. Outside at 1 is used up to 45, local at 2 up to 90 - 45 = 45.
    # Then 310 t are abated at 310/80 = 3.875.
    offer = beijing_offsets(
        local_t=1e4, local_price_cny_t=2, outside_t=1e4, outside_price_cny_t=1, on=dt.date(2024, 6, 1)
    )
    market = clear(THREE, cap_t=2000, offsets=offer)
    books_close(market, 2000)
    assert market.value("offsets") == pytest.approx(90)
    assert market.value("price") == pytest.approx(3.875)
    assert market.firms["offset_cost_cny"].sum() == pytest.approx(45 * 1 + 45 * 2)
    assert (market.firms["offset_co2_t"] <= 0.05 * market.firms["allocation_co2_t"] + 1e-9).all()


def test_offsets_dearer_than_an_allowance_are_left() -> None:
    offer = Offsets(1e4, 7.0, 1e4, 6.0, 0.05, 0.025)
    assert clear(THREE, cap_t=2000, offsets=offer).value("offsets") == 0


def test_local_offsets_may_fill_the_whole_limit_when_cheaper() -> None:
    offer = Offsets(1e4, 1.0, 1e4, 2.0, 0.05, 0.025)
    market = clear(THREE, cap_t=2000, offsets=offer)
    assert market.firms["offset_cost_cny"].sum() == pytest.approx(90)  # 90 t at 1


def test_an_offset_that_sets_the_price_is_used_for_what_is_needed() -> None:
    # At 4.5 firms abate 360; 40 t of offsets at 4.5 fill the rest, of 90 allowed
    market = clear(THREE, cap_t=2000, offsets=Offsets(1e4, 4.5, 0.0, 9.0, 0.05, 0.025))
    assert (market.value("price"), market.value("offsets")) == pytest.approx((4.5, 40))


def test_a_fee_keeps_a_firm_from_trading_that_would_gain_less_than_it() -> None:
    # b's own marginal cost is 0.05·(800-700) = 5; the others, 0.02·200 = 4 and 0.1·300 = 30, trade through it
    market = clear(THREE, cap_t=2000, transaction_cost_cny_t=1.0)
    trade = dict(market.firms.select("firm_id", "traded_co2_t").iter_rows())
    assert trade["b"] == 0
    # By hand: c abates (p+1)/0.1, a cannot sell unless p-1 > 4 nor buys below p+1 < 4. If both a and b hold, c buys all
    # 200 on auction: it abates 100 t, so p + 1 = 10 and p = 9; then a and b would sell. So a and b sell at p - 1:
    # 1800 - ... emissions: a: 1000 - (p-1)/0.02, b: 800 - max(100, (p-1)/0.05), c: 600 - (p+1)/0.1, sum 2000.
    # With b at 100: 50(p-1) + 100 + 10(p+1) = 400 gives p = 5.6667, (p-1)/0.05 = 93 < 100 < (p+1)/0.05: b holds.
    assert market.value("price") == pytest.approx(17 / 3)
    assert market.firms["transaction_cost_cny"].sum() == pytest.approx(market.firms["traded_co2_t"].abs().sum())


def test_a_measure_cheaper_than_the_fee_pays_even_where_allowances_cost_nothing() -> None:
    # All 100 t are on auction and nobody lacks any: the price is 0, and a tonne bought costs the fee of 1. The 40 t at
    # 0.5 are cheaper than that and the 30 t at 2 are not, so 60 t are bought: 40·0.5 + 60·1.
    firm = {"firm_id": ["a"], "baseline_co2_t": [100.0], "macc_slope_cny_t2": [None], "allocation_co2_t": [0.0]}
    steps = pl.DataFrame({"firm_id": ["a", "a"], "step_price_cny_t": [0.5, 2.0], "step_co2_t": [40.0, 30.0]})
    table = pl.DataFrame(firm, schema_overrides={"macc_slope_cny_t2": pl.Float64})
    market = clear(table, steps=steps, cap_t=100, transaction_cost_cny_t=1.0)
    row = market.firms.row(0, named=True)
    assert (market.value("price"), row["abatement_co2_t"], row["traded_co2_t"]) == pytest.approx((0, 40, 60))
    assert row["net_cost_cny"] == pytest.approx(80)


def test_without_a_fee_the_costly_market_is_the_free_one() -> None:
    done, _ = equilibrium._costly(
        CURVES, THREE["allocation_co2_t"].to_numpy()[None, :], 200.0, 0.0,
        equilibrium.government(0.0, np.inf, np.array([2000.0]), np.array([2400.0])), np.zeros(1),
    )  # fmt: skip
    assert done.price.tolist() == pytest.approx([5.0])


def test_intervals_hold_the_central_value_and_the_rows_say_what_they_rest_on() -> None:
    firms, steps = synthetic()
    market = clear(firms.with_columns(allocation_co2_t=pl.col("baseline_co2_t") * 0.9), steps=steps, cap_t=3.2e6)
    found = market.tidy().filter(pl.col("measure").is_in(["price", "market_cost", "revenue"]))
    assert (found["value_low"] < found["value"]).all()
    assert (found["value"] < found["value_high"]).all()
    assert found["is_synthetic"].all()
    assert market.firms["is_synthetic"].all()
    assert any("synthetic" in line for line in market.assumed("en"))
    assert any("合成" in line for line in market.assumed("zh"))
    again = clear(firms.with_columns(allocation_co2_t=pl.col("baseline_co2_t") * 0.9), steps=steps, cap_t=3.2e6)
    assert again.totals.equals(market.totals)


def test_sectors_add_up_to_the_market_and_their_intervals_are_of_sums() -> None:
    market = clear(THREE, cap_t=2000)
    sectors = market.who_pays("sector")
    assert sectors["sector"].to_list() == ["power", "heat"]
    assert sectors["net_cost_cny"].sum() == pytest.approx(market.value("net_cost"))
    heat = market.firms.filter(pl.col("sector") == "heat")
    assert sectors.row(1, named=True)["net_cost_cny_low"] == pytest.approx(heat["net_cost_cny_low"].item())
    with pytest.raises(UnknownNameError, match="sector"):
        market.who_pays("sectors")


def test_a_standard_that_a_firm_cannot_meet_has_no_cost_and_no_saving() -> None:
    firms, steps = synthetic()
    market = clear(firms.with_columns(allocation_co2_t=0.0), steps=steps, cap_t=2.2e6)
    # More than a third off everybody; the synthetic cement works can cut 110,000 of 400,000 t
    assert market.value("standard_cost") is None
    assert market.value("saving") is None
    assert market.value("saving_share") is None
    # Where nothing is cut, nothing is saved
    assert clear(THREE, cap_t=2400).value("saving_share") == 0


@pytest.mark.parametrize(
    ("how", "error", "says"),
    [
        ({"cap_t": -1.0}, RangeError, "-1.0"),
        ({"cap_t": float("nan")}, RangeError, "nan"),
        ({"cap_t": 1000.0}, RangeError, "more than the cap"),
        ({"cap_t": 2000.0, "floor_cny_t": 9.0, "ceiling_cny_t": 3.0}, RangeError, "lies above the ceiling"),
        ({"cap_t": 2000.0, "floor_cny_t": -9.0}, RangeError, "0 or more"),
        ({"cap_t": 2000.0, "transaction_cost_cny_t": -1.0}, RangeError, "transaction_cost"),
        (
            {"cap_t": 2000.0, "transaction_cost_cny_t": 1.0, "offsets": Offsets(1, 1, 1, 1, 0.05, 0.02)},
            RefusalError,
            "Offsets",
        ),
    ],
)
def test_a_market_that_cannot_be_is_refused(how: dict, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        clear(THREE, **how)


def test_a_missing_allocation_is_told_with_where_it_comes_from() -> None:
    with pytest.raises(SchemaError, match=r"allocation\.allocated"):
        clear(THREE.drop("allocation_co2_t"), cap_t=2000)
    with pytest.raises(RangeError, match="missing or negative"):
        clear(THREE.with_columns(allocation_co2_t=pl.Series([1.0, None, 1.0])), cap_t=2000)


def test_offsets_that_contradict_their_limits_are_refused() -> None:
    with pytest.raises(RangeError, match="outside_share"):
        Offsets(1, 1, 1, 1, 0.05, 0.06)
    with pytest.raises(RangeError, match="local_t"):
        Offsets(-1, 1, 1, 1, 0.05, 0.02)


# output


def makers(**columns: object) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "firm_id": ["a", "b"], "baseline_co2_t": [1000.0, 800.0], "macc_slope_cny_t2": [0.1, 0.05],
            "output": [1000.0, 1000.0], "benchmark_t_unit": [0.85, 0.75], "marginal_cost_slope_cny_unit2": [0.1, 0.2],
            **columns,
        }
    )  # fmt: skip


def test_allowances_for_output_subsidise_it_so_that_the_same_cap_costs_more_a_tonne() -> None:
    out, lump = (output_based(makers(), cap_t=1500, basis=b) for b in ("output", "lump_sum"))
    assert out["price_cny_t"][0] > lump["price_cny_t"][0]
    assert (out["output_change"] > lump["output_change"]).all()
    assert out["co2_t"].sum() == pytest.approx(1500)
    assert lump["co2_t"].sum() == pytest.approx(1500)
    # mc rises by what output falls: Q0 - Q = p·(I - B)/m for the first firm, I = 1
    assert -out["output_change"][0] == pytest.approx(out["price_cny_t"][0] * 0.15 / 0.1)


def test_under_a_performance_standard_firms_emit_just_what_they_earn() -> None:
    found = output_based(makers())
    assert found["co2_t"].sum() == pytest.approx(found["allocation_co2_t"].sum())
    assert found["price_cny_t"][0] > 0


def test_with_fixed_output_both_bases_are_the_plain_market() -> None:
    fixed = makers(marginal_cost_slope_cny_unit2=pl.Series([None, None], dtype=pl.Float64))
    plain = price(1500.0, Maccs.quadratic([1000.0, 800.0], [0.1, 0.05])).item()
    for basis in ("output", "lump_sum"):
        assert output_based(fixed, cap_t=1500, basis=basis)["price_cny_t"].to_list() == pytest.approx([plain] * 2)


@given(st.floats(0.05, 1), st.floats(0.001, 1), st.floats(0, 1), st.floats(0.05, 0.95))
@settings(max_examples=25, deadline=None)
def test_a_maker_s_choice_is_the_best_there_is(c: float, m: float, benchmark: float, cut: float) -> None:
    one = (
        makers(benchmark_t_unit=[benchmark] * 2)
        .head(1)
        .with_columns(macc_slope_cny_t2=pl.lit(c), marginal_cost_slope_cny_unit2=pl.lit(m))
    )
    row = output_based(one, cap_t=1000 * cut).row(0, named=True)
    assert row["co2_t"] == pytest.approx(1000 * cut, rel=1e-6)
    p, q, a = row["price_cny_t"], row["output"], row["abatement_co2_t"]

    def gain(output: float, abated: float) -> float:
        # P - mc at today's output is 0; I = 1
        return -m / 2 * (output - 1000) ** 2 - c / 2 * abated**2 - p * (output - abated) + p * benchmark * output

    best = gain(q, a)
    for dq, da in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1)):
        if 0 <= a + da <= q + dq:
            assert gain(q + dq, a + da) <= best + 1e-6 * abs(best) + 1e-6


def test_a_maker_who_has_abated_all_stops_there() -> None:
    # c = 0.05: at no emission a = Q; the best output is (m·Q0 + B·p)/(m + c), see the notes. That begins at
    # p = 1000/(1/0.05 + 0.5/0.1) = 40, where the other firm still emits 0.8·(1000 - 40·0.8/0.2) - 40/50 = 671.
    row = output_based(makers(macc_slope_cny_t2=[0.05, 50.0], benchmark_t_unit=[0.5, 0.0]), cap_t=600).row(
        0, named=True
    )
    assert row["co2_t"] == pytest.approx(0, abs=1e-9)
    assert row["output"] == pytest.approx((0.1 * 1000 + 0.5 * row["price_cny_t"]) / 0.15)


def test_a_maker_without_emissions_abates_nothing() -> None:
    # The other firm alone emits: 800 - p·(0.8·(0.8 - 0.75)/0.2 + 1/0.05) = 700 gives p = 100/20.2
    clean = output_based(makers(baseline_co2_t=[0.0, 800.0]), cap_t=700)
    assert clean["co2_t"].to_list() == pytest.approx([0, 700])
    assert clean["abatement_co2_t"][0] == 0
    assert clean["price_cny_t"][0] == pytest.approx(100 / 20.2)


def test_several_prices_for_one_cap_are_refused() -> None:
    generous = makers(benchmark_t_unit=[2.0, 0.75], marginal_cost_slope_cny_unit2=[0.01, 0.2])
    with pytest.raises(RefusalError, match="'a'"):
        output_based(generous, cap_t=1500)
    assert output_based(generous, cap_t=None)["price_cny_t"][0] >= 0


@pytest.mark.parametrize(
    "columns",
    [{"output": [0.0, 1.0]}, {"benchmark_t_unit": [-1.0, 1.0]}, {"marginal_cost_slope_cny_unit2": [0.0, 1.0]}],
)
def test_makers_that_cannot_be_are_refused(columns: dict) -> None:
    with pytest.raises(RangeError):
        output_based(makers(**columns), cap_t=1500)
