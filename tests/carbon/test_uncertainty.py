from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from citylab.carbon.inventory import Inventory, from_published, inventory
from citylab.carbon.uncertainty import bounds, contributions, draw_numbers, monte_carlo, propagate, simulate
from citylab.errors import DataError, RangeError, SchemaError, UnknownNameError

Z = 1.959963984540054


def made(*rows: dict[str, Any], factors: dict[str, tuple[float, float, float]] | None = None) -> Inventory:
    """An inventory of activities of own factors of 1 t CO2 per t unless given; row: place, year, fuel, amount, pct."""
    names = {r.get("fuel", "a") for r in rows}
    given_factors = {n: (1.0, 0.9, 1.1) for n in names} | (factors or {})
    own = pl.DataFrame(
        {
            "fuel": n,
            "gas": "CO2",
            "value": v,
            "low": lo,
            "high": hi,
            "unit": "t/t",
            "valid_from": 1990,
            "source": "made up",
        }
        for n, (v, lo, hi) in given_factors.items()
    )
    base = {"place": "A", "year": 2020, "gpc_ref": "I.3.1", "fuel": "a", "activity": 100.0, "unit": "t", "source": "s",
            "uncertainty_pct": 5.0}  # fmt: skip
    sheet = pl.DataFrame([base | r for r in rows])
    return inventory(sheet, factors=own)


def districts(n: int = 16, rows: int = 10) -> Inventory:
    fuels = ["natural_gas", "diesel", "bituminous_coal", "lpg", "coke"]
    refs = ["I.1.1", "I.2.1", "I.3.1", "I.4.1", "I.5.1"]
    sheet = pl.DataFrame(
        {"place": f"D{d}", "year": 2022, "gpc_ref": refs[k % 5], "fuel": fuels[(k + k // 5) % 5],
         "activity": 1.0 + d + k, "unit": "kt", "source": f"s{k}", "uncertainty_pct": 4.0}
        for d in range(n) for k in range(rows)
    )  # fmt: skip
    return inventory(sheet)


# -- approach 1


def test_a_product_joins_its_half_widths_in_square():
    # √(5² + 10²)
    row = propagate(made({})).row(0, named=True)
    assert row["uncertainty_pct"] == pytest.approx(math.sqrt(125))
    assert row["co2e_upper_t"] == pytest.approx(100 + math.sqrt(125))
    assert row["is_within_range"]


def test_independent_rows_join_in_square_and_a_shared_factor_adds_up():
    done = made({"gpc_ref": "I.3.1"}, {"gpc_ref": "I.2.1"})
    # IPCC equations 3.1 and 3.2: each row 100 ± √125; the sum 200 ± √(125 + 125)
    assert propagate(done, correlated=())["uncertainty_pct"].item() == pytest.approx(100 * math.sqrt(250) / 200)
    # one factor for both: amounts √(5² + 5²) = √50, factor 10 % of 200 = 20
    assert propagate(done)["uncertainty_pct"].item() == pytest.approx(100 * math.sqrt(50 + 400) / 200)


def test_gases_of_one_amount_share_its_error():
    sheet = pl.DataFrame({"place": ["A"], "year": [2020], "gpc_ref": ["I.3.1"], "fuel": ["a"], "activity": [100.0],
                          "unit": ["t"], "source": ["s"], "uncertainty_pct": [5.0]})  # fmt: skip
    own = pl.DataFrame({"fuel": ["a", "a"], "gas": ["CO2", "CO2_x"], "value": [1.0, 1.0], "low": [1.0, 1.0],
                        "high": [1.0, 1.0], "unit": ["t/t"] * 2, "year": [2020] * 2, "source": ["m"] * 2})  # fmt: skip
    done = inventory(sheet, factors=own, gwp={"CO2": 1.0, "CO2_x": 1.0})
    assert propagate(done)["uncertainty_pct"].item() == pytest.approx(5.0)


def test_another_level_widens_by_the_ratio_of_normal_quantiles():
    done = made({})
    ratio = propagate(done, level=0.99)["uncertainty_pct"].item() / propagate(done)["uncertainty_pct"].item()
    assert ratio == pytest.approx(2.5758293 / Z)


def test_a_wide_or_skewed_input_is_marked_as_beyond_approach_1():
    assert not propagate(made({}, factors={"a": (1.0, 0.3, 3.0)}))["is_within_range"].item()
    assert not propagate(made({"uncertainty_pct": 40.0}))["is_within_range"].item()


# -- approach 2


def test_both_approaches_agree_within_2_percent_where_both_are_valid():
    where = [("I.1.1", "a"), ("I.2.1", "b"), ("I.3.1", "a"), ("II.1.1", "c")]
    rows = [
        {"gpc_ref": ref, "fuel": f, "activity": 50.0 + 10 * i, "uncertainty_pct": 3.0 + i}
        for i, (ref, f) in enumerate(where)
    ]
    done = made(*rows, factors={"b": (2.0, 1.8, 2.2), "c": (1.0, 0.85, 1.15)})
    for by in ((), "sector", "scope"):
        one, two = propagate(done, by=by), monte_carlo(done, n=100_000, seed=7, by=by)
        assert one["is_within_range"].all()
        for name in ("uncertainty_pct", "co2e_lower_t", "co2e_upper_t"):
            assert two[name].to_list() == pytest.approx(one[name].to_list(), rel=0.02)
    # and with independent rows
    one, two = propagate(done, correlated=()), monte_carlo(done, n=100_000, seed=7, correlated=())
    assert two["uncertainty_pct"].item() == pytest.approx(one["uncertainty_pct"].item(), rel=0.02)


def test_a_skewed_factor_is_lognormal_with_its_value_as_mean():
    done = made({"uncertainty_pct": 0.0}, factors={"a": (10.0, 3.0, 30.0)})
    row = monte_carlo(done, n=100_000, seed=3).row(0, named=True)
    sigma = math.log(10) / (2 * Z)
    assert row["co2e_mean_t"] == pytest.approx(1000, rel=0.02)
    assert row["co2e_median_t"] == pytest.approx(1000 * math.exp(-(sigma**2) / 2), rel=0.02)
    assert row["co2e_upper_t"] / row["co2e_lower_t"] == pytest.approx(10, rel=0.05)


def test_no_draw_lies_below_zero_however_wide_the_interval():
    _, draws = simulate(made({"uncertainty_pct": 200.0}), n=20_000, seed=1)
    assert draws.min() >= 0
    assert draws.mean() == pytest.approx(100, rel=0.05)


@pytest.mark.parametrize("block", [1, 17, 999, 1000])
def test_the_same_seed_gives_the_same_answer_whatever_the_block(block: int):
    done = districts(3, 5)
    whole = simulate(done, n=1000, seed=5, by="sector")[1]
    assert np.array_equal(simulate(done, n=1000, seed=5, by="sector", block=block)[1], whole)


def test_another_seed_gives_another_answer_close_by():
    done = districts(2, 5)
    one, two = (monte_carlo(done, n=20_000, seed=s) for s in (1, 2))
    assert one["co2e_lower_t"].to_list() != two["co2e_lower_t"].to_list()
    assert one["uncertainty_pct"].to_list() == pytest.approx(two["uncertainty_pct"].to_list(), rel=0.05)


def test_draws_depend_neither_on_the_order_of_rows_nor_on_what_else_is_drawn():
    rows = [{"gpc_ref": r, "fuel": f} for r, f in (("I.1.1", "a"), ("I.2.1", "b"), ("I.3.1", "c"))]
    one = simulate(made(*rows), n=500, seed=9)[1]
    assert simulate(made(*reversed(rows)), n=500, seed=9)[1] == pytest.approx(one, rel=1e-12)
    alone = simulate(made(rows[1]), n=500, seed=9)[1]
    assert simulate(made(*rows), n=500, seed=9, by="fuel")[1][1] == pytest.approx(alone[0], rel=1e-12)


def test_sectors_add_up_draw_by_draw():
    done = districts(2, 10)
    by_sector, draws = simulate(done, n=300, seed=2, by="sub_sector")
    places, whole = simulate(done, n=300, seed=2)
    for i, place in enumerate(places["place"]):
        is_here = (by_sector["place"] == place).to_numpy()
        assert draws[is_here].sum(axis=0) == pytest.approx(whole[i], rel=1e-12)


def test_a_shared_factor_makes_districts_err_together():
    done = made(*({"place": p} for p in "ABCD"), factors={"a": (1.0, 0.8, 1.2)})
    shared = simulate(done, n=20_000, seed=4)[1].sum(axis=0).std()
    apart = simulate(done, n=20_000, seed=4, correlated=())[1].sum(axis=0).std()
    # sd of the sum of four rows of 100: together 400·20 %/z and 100·5 %/z four times, apart √4·100·√(20² + 5²) %/z
    assert shared == pytest.approx(math.hypot(80, 10) / Z, rel=0.02)
    assert apart == pytest.approx(2 * math.hypot(20, 5) / Z, rel=0.02)


def test_a_series_that_errs_in_all_years_alike_leaves_the_trend_surer():
    done = made({"year": 2015, "activity": 100.0}, {"year": 2020, "activity": 90.0})
    change = {}
    for shared in (("factor", "link"), ("factor", "link", "activity")):
        draws = simulate(done, n=20_000, seed=6, correlated=shared)[1]
        change[shared] = (draws[1] / draws[0]).std()
    assert change["factor", "link", "activity"] == pytest.approx(0, abs=1e-12)
    # two independent amounts of ± 5 %: 0.9 · √2 · 5 %/z
    assert change["factor", "link"] == pytest.approx(0.9 * math.sqrt(2) * 0.05 / Z, rel=0.03)


# -- contributions


@given(
    pcts=st.lists(st.floats(0.5, 120), min_size=1, max_size=5),
    fuels=st.lists(st.sampled_from("ab"), min_size=5, max_size=5),
)
@hypothesis_settings(max_examples=25, deadline=None)
def test_shares_of_the_variance_add_up_to_one_and_none_is_negative(pcts: list[float], fuels: list[str]):
    refs = ["I.1.1", "I.2.1", "I.3.1", "I.5.1", "II.1.1"]
    done = made(*({"gpc_ref": refs[i], "fuel": fuels[i], "uncertainty_pct": p} for i, p in enumerate(pcts)))
    shares = contributions(done)["variance_share"]
    assert shares.sum() == pytest.approx(1)
    assert shares.min() >= 0


def test_the_share_of_each_input_of_a_product_is_exact():
    # multipliers with cv a and b: variance (1 + a²)(1 + b²) - 1 = a² + b² + a²b²
    a, b = (0.05 / Z) ** 2, (0.10 / Z) ** 2
    out = dict(contributions(made({})).select("input_kind", "variance_share").iter_rows())
    assert out["factor"] == pytest.approx(b / (a + b + a * b))
    assert out["activity"] == pytest.approx(a / (a + b + a * b))
    assert out["interaction"] == pytest.approx(a * b / (a + b + a * b))


def test_the_exact_variance_is_that_of_the_draws():
    done = districts(1, 10)
    out = contributions(done)
    first = out.row(0, named=True)
    draws = simulate(done, n=100_000, seed=8)[1]
    sd = math.log(30.5 / 19.9) / (2 * Z)
    held = math.sqrt(math.exp(sd**2) - 1) * first["co2e_t"]
    assert first["input"].startswith("ipcc-2006|bituminous_coal|ncv")
    assert held**2 / first["variance_share"] == pytest.approx(draws.var(), rel=0.03)


# -- bad input


def test_nothing_counts_as_exact_by_silence():
    sheet = pl.DataFrame({"place": ["中国"], "year": [2022], "gpc_ref": ["I.1.2"], "fuel": ["电力"], "activity": [1.0],
                          "unit": ["GWh"], "source": ["made up"]})  # fmt: skip
    done = inventory(sheet)
    for call in (propagate, contributions):
        with pytest.raises(DataError, match=r"1 amounts .* have no uncertainty_pct"):
            call(done, factor_pct=5)
        with pytest.raises(DataError, match="mee-nbs-2024-12"):
            call(done, activity_pct=5)
    assert propagate(done, activity_pct=3, factor_pct=4)["uncertainty_pct"].item() == pytest.approx(5)


def test_a_published_inventory_has_nothing_to_propagate():
    frame = pl.DataFrame({"year": [2019], "sector": ["Urban"], "fuel": ["LPG"], "co2_t": [1.0]})
    done = from_published(frame, place="北京", sector="sector", fuel="fuel")
    with pytest.raises(SchemaError, match="published emissions"):
        propagate(done)


def test_impossible_options_are_told():
    done = made({})
    with pytest.raises(RangeError, match="100 draws"):
        monte_carlo(done, n=10, seed=1)
    with pytest.raises(RangeError, match="level is 95"):
        monte_carlo(done, seed=1, level=95)
    with pytest.raises(RangeError, match="seed is -1"):
        monte_carlo(done, seed=-1)
    with pytest.raises(RangeError, match="block is 0"):
        monte_carlo(done, seed=1, block=0)
    with pytest.raises(RangeError, match="activity_pct is -1"):
        propagate(done, activity_pct=-1)
    with pytest.raises(UnknownNameError, match="'factors'"):
        propagate(done, correlated=("factors",))  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="grouping column 'sectr'"):
        propagate(done, by="sectr")


def test_one_factor_with_two_intervals_is_refused():
    done = made({}, {"gpc_ref": "I.2.1"})
    rows = done.rows.with_columns(factor_high=pl.col("factor_high") + pl.int_range(pl.len()) * 0.1)
    with pytest.raises(DataError, match="different intervals"):
        propagate(Inventory(rows, done.gaps, "BASIC", "AR5", "location", "own"))


def test_results_name_method_draws_seed_and_edition():
    row = monte_carlo(districts(1, 3), n=200, seed=11).row(0, named=True)
    assert {k: row[k] for k in ("method", "draw_count", "seed", "gwp_set", "boundary", "edition", "level")} == {
        "method": "IPCC approach 2", "draw_count": 200, "seed": 11, "gwp_set": "AR5", "boundary": "BASIC",
        "edition": "ipcc-2006", "level": 0.95,
    }  # fmt: skip


# -- numbers of one's own


def test_numbers_are_drawn_by_the_rule_of_the_inventory():
    rows = draw_numbers([10.0, 10.0, 0.0], [9.0, 3.0, 0.0], [11.0, 30.0, 0.0], keys=["a", "b", "c"], n=50_000, seed=1)
    assert rows.mean(axis=1) == pytest.approx([10, 10, 0], rel=0.02)
    low, high = np.percentile(rows, [2.5, 97.5], axis=1)
    assert (low[0], high[0]) == pytest.approx((9, 11), rel=0.01)  # even and narrow: normal
    assert high[1] / low[1] == pytest.approx(10, rel=0.05)  # skewed: lognormal with the ratio of its bounds
    assert (rows >= 0).all() and not rows[2].any()


def test_equal_keys_err_together_and_others_apart():
    a, b, c = draw_numbers([1.0, 5.0, 1.0], [0.9, 4.5, 0.9], [1.1, 5.5, 1.1], keys=["x", "x", "y"], n=20_000, seed=2)
    assert np.corrcoef(a, b)[0, 1] == pytest.approx(1)
    assert abs(np.corrcoef(a, c)[0, 1]) < 0.03
    assert a == pytest.approx(draw_numbers([1.0], [0.9], [1.1], keys=["x"], n=20_000, seed=2)[0])


def test_a_number_whose_interval_crosses_zero_is_not_cut_there():
    rows = draw_numbers([0.5], [-0.5], [1.5], keys=["soil"], n=50_000, seed=3, can_be_negative=True)
    assert (rows < 0).mean() == pytest.approx(0.1635, abs=0.01)  # normal: P(z < -0.5 x 1.96)
    assert rows.mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ((1.0, 1.2, 1.5), "around the value"),
        ((float("nan"), 0.0, 1.0), "finite bounds"),
        ((0.0, 0.0, 1.0), "a share of 0 is no interval"),
        ((0.5, -0.5, 1.5), "cannot be negative"),
    ],
)
def test_a_number_outside_its_own_interval_is_refused(number: tuple[float, float, float], message: str):
    with pytest.raises(DataError, match=message):
        draw_numbers(*([x] for x in number), keys=["k"], n=100, seed=1)


def test_a_level_that_is_none_is_refused():
    for level in (0.0, 1.0, 95.0):
        with pytest.raises(RangeError, match="a level lies between 0 and 1"):
            bounds(np.ones((1, 100)), level=level)
