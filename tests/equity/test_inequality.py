from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citylab.equity import inequality as eq
from citylab.equity import measures as formulas
from citylab.equity import poverty
from citylab.equity.inequality import MEASURES, inequality, lorenz
from citylab.equity.sampling import Errors
from citylab.errors import DataError, RangeError, SchemaError, UnknownNameError

few = settings(max_examples=25)
ALL = [*MEASURES, "ge(-1)", "ge(0.3)", "atkinson(2)", "quantile_ratio(0.5,0.25)", "share_ratio(0.9,0.5)"]
FIVE = [10.0, 20.0, 30.0, 40.0, 50.0]
# R package ineq 0.2-13, help page of ineq().
TEN = [541, 1463, 2445, 3438, 4437, 5401, 6392, 8304, 11904, 22261]

incomes = st.lists(st.integers(1, 60), min_size=2, max_size=30)


@st.composite
def weighted(draw: st.DrawFn) -> tuple[list[float], list[int]]:
    values = draw(incomes)
    weights = draw(st.lists(st.integers(0, 4), min_size=len(values), max_size=len(values)).filter(any))
    return [float(v) for v in values], weights


def values_of(frame: pl.DataFrame | pl.LazyFrame, **kwargs: object) -> dict[str, float | None]:
    told = inequality(frame.lazy().collect(), "y", measures=ALL, errors=None, **kwargs)
    return dict(zip(told["measure"], told["value"], strict=True))


# what must hold whatever the values


@few
@given(weighted())
def test_a_row_of_weight_3_is_three_equal_rows(given: tuple[list[float], list[int]]):
    values, weights = given
    by_weight = values_of(pl.DataFrame({"y": values, "w": weights}), weight="w")
    copies = [v for v, w in zip(values, weights, strict=True) for _ in range(w)]
    by_copies = values_of(pl.DataFrame({"y": copies}))
    assert by_weight == pytest.approx(by_copies, rel=1e-9, abs=1e-12)


@few
@given(incomes, st.sampled_from([1e-200, 0.01, 7.0, 1e200]), st.randoms())
def test_neither_unit_nor_order_nor_scale_of_the_weights_matters(values: list[int], unit: float, random):
    plain = values_of(pl.DataFrame({"y": [float(v) for v in values]}))
    mixed = [v * unit for v in values]
    random.shuffle(mixed)
    again = values_of(pl.DataFrame({"y": mixed, "w": [0.1] * len(mixed)}), weight="w")
    assert again == pytest.approx(plain, rel=1e-8, abs=1e-12)


@few
@given(incomes, st.data())
def test_a_gift_from_a_richer_to_a_poorer_never_raises_inequality(values: list[int], data: st.DataObject):
    ordered = sorted(float(v) for v in values)
    poor = data.draw(st.integers(0, len(ordered) - 2))
    rich = data.draw(st.integers(poor + 1, len(ordered) - 1))
    gift = (ordered[rich] - ordered[poor]) * data.draw(st.floats(0, 0.5))
    after = list(ordered)
    after[poor], after[rich] = after[poor] + gift, after[rich] - gift
    names = [
        "gini",
        "theil_t",
        "mld",
        "ge(2)",
        "ge(-1)",
        "ge(0.3)",
        "atkinson(0.5)",
        "atkinson(1)",
        "atkinson(2)",
        "hoover",
    ]
    one, two = (inequality(pl.DataFrame({"y": v}), "y", measures=names, errors=None)["value"] for v in (ordered, after))
    assert (two <= one + 1e-12).all()


@few
@given(st.floats(0.1, 1e6), st.integers(1, 40))
def test_where_all_have_the_same_nothing_is_unequal(value: float, n: int):
    told = values_of(pl.DataFrame({"y": [value] * n}))
    ratios = {
        "s80_s20": 1.0,
        "p90_p10": 1.0,
        "quantile_ratio(0.5,0.25)": 1.0,
        "palma": 0.25,
        "share_ratio(0.9,0.5)": 0.2,
    }
    assert told == pytest.approx({m: ratios.get(m, 0.0) for m in ALL}, abs=1e-12)


@few
@given(weighted())
def test_the_gini_coefficient_is_half_the_mean_difference_over_the_mean(given: tuple[list[float], list[int]]):
    values, weights = given
    total = sum(weights)
    mean = Fraction(sum(int(v) * w for v, w in zip(values, weights, strict=True)), total)
    apart = sum(
        a * b * abs(int(x) - int(y))
        for x, a in zip(values, weights, strict=True)
        for y, b in zip(values, weights, strict=True)
    )
    assert eq.gini(values, weight=weights) == pytest.approx(float(Fraction(apart, total**2) / (2 * mean)), abs=1e-12)


@few
@given(incomes)
def test_atkinson_and_generalised_entropy_say_the_same_of_one_another(values: list[int]):
    # A(1) = 1 - exp(-GE(0)); A(e) = 1 - (1 + a(a-1) GE(a))^(1/a) with a = 1 - e.
    y = [float(v) for v in values]
    assert eq.atkinson(y, 1) == pytest.approx(1 - np.exp(-eq.mean_log_deviation(y)), abs=1e-12)
    for e in (0.5, 2.0, 3.0):
        a = 1 - e
        entropy = eq.generalised_entropy(y, a)
        assert eq.atkinson(y, e) == pytest.approx(1 - (1 + a * (a - 1) * entropy) ** (1 / a), abs=1e-9)


@few
@given(incomes)
def test_orders_beside_0_and_1_lead_smoothly_to_the_limits(values: list[int]):
    y = [float(v) for v in values]
    for limit, near in ((eq.mean_log_deviation(y), 1e-9), (eq.theil_t(y), 1 + 1e-9), (eq.theil_t(y), 1 - 1e-9)):
        assert eq.generalised_entropy(y, near) == pytest.approx(limit, rel=1e-6, abs=1e-12)


# hand values, the standard's own examples, peers


def test_five_incomes_by_hand():
    # Gini: mean difference of all pairs 16, over twice the mean 60 = 4/15. Hoover: (20 + 10) / 150. GE(2): variance 200
    # over twice 30² = 1/9. Palma: the top tenth holds half of the richest's 50, the poorest
    # four tenths 10 + 20. S80/S20 50/10.
    told = values_of(pl.DataFrame({"y": FIVE}))
    assert told["gini"] == pytest.approx(4 / 15)
    assert told["hoover"] == pytest.approx(0.2)
    assert told["ge(2)"] == pytest.approx(1 / 9)
    assert told["palma"] == pytest.approx(25 / 30)
    assert told["s80_s20"] == pytest.approx(5)
    # Theil T = mean of r ln r, MLD = -mean ln r for r = 1/3, 2/3, 1, 4/3, 5/3.
    r = np.array([1, 2, 3, 4, 5]) / 3
    assert told["theil_t"] == pytest.approx((r * np.log(r)).sum() / 5)
    assert told["mld"] == pytest.approx(-np.log(r).sum() / 5)
    # PySAL's test_atkinson: equally distributed equivalents of 30 are 28.105398 and 26.0517108.
    assert 30 * (1 - told["atkinson(0.5)"]) == pytest.approx(28.105398, abs=1e-5)
    assert 30 * (1 - told["atkinson(1)"]) == pytest.approx(26.0517108, abs=1e-5)
    assert eq.atkinson(FIVE, 0) == 0


def test_the_ten_incomes_of_rs_ineq():
    assert eq.gini(TEN) == pytest.approx(0.4620911303, abs=1e-10)
    assert eq.atkinson(TEN, 0.5) == pytest.approx(0.1796590980, abs=1e-10)
    assert eq.theil_t(TEN) == pytest.approx(0.3623412423, abs=1e-10)
    assert eq.hoover(TEN) == pytest.approx(0.3378067, abs=1e-7)


def test_the_households_of_ilocos(mirror: Path):
    # R ineq 0.2-13 on its own data set; "exact" means to the printed digits.
    rows = pl.read_csv(mirror / "reference/inequality/Ilocos.csv")
    asked = ["gini", "gini_corrected", "theil_t", "atkinson(0.5)", "atkinson(1)", "hoover", "ge(2)"]
    told = inequality(rows, "income", measures=asked)
    value = dict(zip(told["measure"], told["value"], strict=True))
    assert set(told["n"]) == {632}
    assert value["gini"] == pytest.approx(0.4269507702, abs=1e-10)
    assert value["gini_corrected"] == pytest.approx(0.4276273958, abs=1e-10)
    assert value["theil_t"] == pytest.approx(0.3199158522, abs=1e-10)
    assert value["atkinson(0.5)"] == pytest.approx(0.1446864673, abs=1e-10)
    assert value["atkinson(1)"] == pytest.approx(0.2605399389, abs=1e-10)
    assert value["hoover"] == pytest.approx(0.3149805601, abs=1e-10)
    # R's coefficient of variation is that of a population, with n in the denominator: GE(2) is half its square.
    assert value["ge(2)"] == pytest.approx(0.9464690154**2 / 2, abs=1e-9)
    provinces = inequality(rows, "income", by="province", measures=["gini"])
    assert provinces["province"].to_list() == ["Ilocos Norte", "Ilocos Sur", "La Union", "Pangasinan"]
    assert provinces["value"].to_list() == pytest.approx([0.4496271, 0.4595246, 0.4626395, 0.4016569], abs=1e-7)
    assert provinces["n"].to_list() == [65, 68, 116, 383]


def test_the_states_of_mexico(mirror: Path):
    # PySAL inequality 1.1.2; Rey and Sastre Gutierrez (2010).
    rows = pl.read_csv(mirror / "reference/inequality/mexico.csv")
    gini = [0.3537237117, 0.2964461344, 0.2537183286, 0.2551335650, 0.2450533805, 0.2518182588, 0.2581130825]
    theil = [0.20894344, 0.15222451, 0.10472941, 0.10194725, 0.09560113, 0.10511256, 0.10660832]
    years = range(1940, 2001, 10)
    assert [eq.gini(rows[f"pcgdp{y}"]) for y in years] == pytest.approx(gini, abs=1e-7)
    assert [eq.theil_t(rows[f"pcgdp{y}"]) for y in years] == pytest.approx(theil, abs=1e-7)


def test_quantiles_without_weights_are_hazens():
    y = np.random.default_rng(3).normal(size=37)
    for q in (0.01, 0.1, 0.25, 0.5, 0.77, 0.9, 0.99):
        assert eq.quantile(y, q) == pytest.approx(np.quantile(y, q, method="hazen"), abs=1e-12)


def test_a_million_rows_and_a_high_aversion_do_not_run_under():
    # Half have 1, half 3: mean 2, geometric mean sqrt(3). For e = 60, the equivalent tends to the lowest income, 1.
    y = np.tile([1.0, 3.0], 500_000)
    assert eq.atkinson(y, 1) == pytest.approx(1 - np.sqrt(3) / 2, abs=1e-12)
    assert eq.atkinson(y * 1e-300, 1) == pytest.approx(1 - np.sqrt(3) / 2, abs=1e-12)
    assert eq.atkinson(y * 1e6, 3000) == pytest.approx(1 - 0.5 * 2 ** (1 / 2999), abs=1e-9)


def test_poverty_by_hand():
    # Line 25: two of five below; shortfalls 15/25 and 5/25.
    told = poverty.poverty(pl.DataFrame({"y": FIVE}), "y", line=25)
    assert told["value"].to_list() == pytest.approx([2 / 5, (0.6 + 0.2) / 5, (0.36 + 0.04) / 5])
    assert poverty.fgt(FIVE, 0, line=20) == pytest.approx(0.2), "who has the line itself is not below it"
    assert poverty.relative_line(FIVE, 0.6) == pytest.approx(18)
    # Headcount of a simple random sample: variance p(1 - p)/(n - 1).
    assert told["se"][0] == pytest.approx(np.sqrt(0.4 * 0.6 / 4))


# curves


@few
@given(weighted())
def test_a_lorenz_curve_rises_from_0_to_1_below_the_diagonal_and_bends_upward(given: tuple[list[float], list[int]]):
    values, weights = given
    curve = lorenz(pl.DataFrame({"y": values, "w": weights}), "y", weight="w", points=41)
    p, share = curve["population_share"].to_numpy(), curve["value_share"].to_numpy()
    assert share[0] == 0
    assert share[-1] == 1
    assert (share <= p + 1e-12).all()
    assert (np.diff(share, 2) >= -1e-9).all()


def test_the_area_under_the_lorenz_curve_gives_the_gini_coefficient():
    # With points at the corners of the curve the trapezoids are exact.
    curve = lorenz(pl.DataFrame({"y": FIVE}), "y", points=6)
    area = np.trapezoid(curve["value_share"], curve["population_share"])
    assert 1 - 2 * area == pytest.approx(4 / 15)
    assert curve["generalised"].to_list() == pytest.approx([0, 2, 6, 12, 20, 30])


def test_curves_by_group_carry_their_group_and_errors():
    rows = pl.DataFrame({"y": [*FIVE, 1.0, 1.0], "g": ["a"] * 5 + ["b"] * 2})
    told = lorenz(rows.lazy(), "y", by="g", points=[0, 0.5, 1], errors=Errors()).collect()
    assert told["g"].to_list() == ["a"] * 3 + ["b"] * 3
    assert told.filter(g="b")["value_share"].to_list() == pytest.approx([0, 0.5, 1])
    assert told.filter(g="b")["se"].to_list() == pytest.approx([0, 0, 0], abs=1e-12)
    assert told.filter(g="a")["se"][1] > 0
    assert told.filter(g="a")["generalised"][2] == pytest.approx(30)


# frames, groups and what is not there


def test_a_lazy_frame_stays_lazy_and_equals_the_table():
    rows = pl.DataFrame({"y": TEN, "g": [1, 2] * 5}, schema={"y": pl.Int64, "g": pl.Int8})
    lazy = inequality(rows.lazy(), "y", by="g")
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect().equals(inequality(rows, "y", by="g"))
    assert lazy.collect_schema() == lazy.collect().schema


def test_each_group_gets_what_it_would_get_alone():
    rng = np.random.default_rng(0)
    rows = pl.DataFrame(
        {"y": rng.lognormal(size=60), "w": rng.uniform(size=60), "a": [0, 1, 2] * 20, "b": ["x", "y"] * 30}
    )
    told = inequality(rows, "y", weight="w", by=["a", "b"])
    for (a, b), part in rows.partition_by("a", "b", as_dict=True).items():
        alone = inequality(part, "y", weight="w")
        assert told.filter(a=a, b=b).drop("a", "b").equals(alone)


@pytest.mark.parametrize(
    ("groups", "order"),
    [
        (["b", None, "a", "b"], ["a", "b", None]),
        ([1.5, float("nan"), 0.5, 1.5], [0.5, 1.5, float("nan")]),
        (pl.Series(["x", "y", "y", "x"], dtype=pl.Enum(["y", "x"])), ["y", "x"]),
    ],
)
def test_groups_of_any_kind_come_in_their_order_each_with_its_own_rows(groups: object, order: list[object]):
    rows = pl.DataFrame({"y": [1.0, 2.0, 3.0, 4.0], "g": groups})
    told = inequality(rows, "y", by="g", measures=["mean"])
    assert [str(g) for g in told["g"]] == [str(g) for g in order]
    own = rows.group_by("g").agg(pl.col("y").mean()).join(told, on="g", nulls_equal=True)
    assert own["y"].to_list() == own["value"].to_list()


def test_rows_with_gaps_are_left_out_and_counted_and_rows_of_weight_0_are_left_out():
    rows = pl.DataFrame({"y": [*FIVE, None, float("nan"), 1e9, 3.0], "w": [1.0] * 7 + [0.0, None]})
    told = inequality(rows, "y", weight="w", measures=["gini"]).row(0, named=True)
    assert (told["n"], told["n_missing"], told["value"]) == (5, 3, pytest.approx(4 / 15))


def test_the_effective_number_of_rows_is_kishs():
    told = inequality(pl.DataFrame({"y": [1.0, 2.0, 3.0], "w": [1.0, 1.0, 2.0]}), "y", weight="w", measures=["gini"])
    assert told["n_effective"].item() == pytest.approx(16 / 6)


def test_a_group_of_one_has_a_value_and_no_error():
    told = inequality(
        pl.DataFrame({"y": [5.0, 1.0, 2.0], "g": ["a", "b", "b"]}), "y", by="g", measures=["gini", "palma"]
    )
    assert told.filter(g="a").select("value", "se", "note").rows() == [
        (0.0, None, "one_unit"),
        (0.25, None, "one_unit"),
    ]
    assert told.filter(g="b")["se"].null_count() == 0


def test_a_group_without_weight_has_no_value_and_a_reason():
    rows = pl.DataFrame({"y": [1.0, 2.0, 3.0], "w": [0.0, 1.0, 1.0], "g": ["a", "b", "b"]})
    told = inequality(rows, "y", weight="w", by="g", measures=["gini"])
    assert told.select("g", "value", "n", "note").rows()[0] == ("a", None, 0, "no_rows")


def test_zeros_count_as_nothing_in_theil_and_leave_logarithms_without_value():
    # r = 0, 1.5, 1.5: T = 2/3 · 1.5 ln 1.5 = ln 1.5.
    told = inequality(
        pl.DataFrame({"y": [0.0, 3.0, 3.0]}),
        "y",
        measures=["theil_t", "mld", "atkinson(1)", "atkinson(0.5)", "ge(-1)", "p90_p10"],
    )
    by = {r["measure"]: r for r in told.iter_rows(named=True)}
    assert by["theil_t"]["value"] == pytest.approx(np.log(1.5))
    assert by["theil_t"]["se"] > 0
    # A(0.5) = 1 - (2/3 · sqrt(1.5))² = 1 - 2/3.
    assert by["atkinson(0.5)"]["value"] == pytest.approx(1 / 3)
    assert [by[m]["note"] for m in ("mld", "atkinson(1)", "ge(-1)", "p90_p10")] == ["zero_values"] * 3 + [
        "zero_denominator"
    ]
    assert by["mld"]["value"] is None


def test_negative_values_are_flagged_under_gini_and_refused_under_entropies():
    rows = pl.DataFrame({"y": [-1.0, 2.0, 5.0]})
    told = inequality(rows, "y", measures=["gini", "hoover"])
    # Mean difference of all pairs (3 + 6 + 3) · 2 / 9 over twice the mean 2.
    assert told["value"][0] == pytest.approx(24 / 9 / 4)
    assert set(told["note"]) == {"negative_values"}
    for measure in ("theil_t", "mld", "ge(2)", "atkinson(0.5)", "palma"):
        with pytest.raises(DataError, match="negative values"):
            inequality(rows, "y", measures=[measure])


def test_a_mean_that_is_not_above_0_leaves_relative_measures_without_value():
    told = inequality(pl.DataFrame({"y": [-3.0, 1.0, 2.0]}), "y", measures=["gini", "mean"])
    assert told.select("value", "note").rows() == [(None, "mean_not_positive"), (0.0, None)]


def test_the_size_of_the_weights_does_not_matter_and_rows_that_weigh_nothing_beside_others_change_nothing():
    rows = pl.DataFrame({"y": FIVE})
    plain = values_of(rows)
    for size in (1e-12, 1e12, 1e90):
        assert values_of(rows.with_columns(w=pl.lit(size)), weight="w") == pytest.approx(plain)
    light = pl.DataFrame({"y": [*FIVE, 1.0, 90.0, 35.0], "w": [1e12] * 5 + [1e-12] * 3})
    told = values_of(light, weight="w")
    # Quantiles are read off between the middles of steps, of which a light row has one too.
    assert {m: v for m, v in told.items() if "quantile" not in m and m != "p90_p10"} == pytest.approx(
        {m: v for m, v in plain.items() if "quantile" not in m and m != "p90_p10"}, rel=1e-12
    )


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"y": [1.0, 2.0], "w": [1e300, 1e300]}, "largest weight in 'w' is 1e\\+300"),
        ({"y": [1.0, 2.0], "w": [1e-300, 1e-300]}, "largest weight in 'w' is 1e-300"),
        ({"y": [1e308, 1e308], "w": [1.0, 1.0]}, "sum of 'y' is too large"),
    ],
)
def test_sums_that_are_no_numbers_are_refused(columns: dict[str, list[float]], says: str):
    with pytest.raises(DataError, match=says):
        inequality(pl.DataFrame(columns), "y", weight="w")


def test_a_value_that_is_its_own_weight_is_weighted_and_not_below_0():
    # 1, 2, 3 of which the weight is 1, 2, 3: mean 14/6.
    told = inequality(pl.DataFrame({"y": [3.0, 1.0, 2.0]}), "y", weight="y", measures=["mean"])
    assert told["value"].item() == pytest.approx(14 / 6)
    with pytest.raises(DataError, match="go down to -2"):
        inequality(pl.DataFrame({"y": [1.0, -2.0]}), "y", weight="y", measures=["mean"])


def test_no_measure_of_equal_values_is_minus_0():
    told = inequality(pl.DataFrame({"y": [2.0] * 3}), "y", measures=ALL, errors=None)
    assert not np.signbit(told["value"].to_numpy()).any()
    assert not np.signbit(eq.mean_log_deviation([2.0, 2.0]))


def test_a_scanned_file_under_the_streaming_engine_gives_the_same(tmp_path: Path):
    rng = np.random.default_rng(8)
    rows = pl.DataFrame({"y": rng.lognormal(size=300), "w": rng.uniform(size=300), "g": rng.integers(0, 3, 300)})
    rows = rows.with_columns(pl.when(pl.col("g") < 2).then("g"), y=pl.when(pl.col("w") > 0.1).then("y"))
    rows.write_parquet(tmp_path / "rows.parquet")
    lazy = inequality(pl.scan_parquet(tmp_path / "rows.parquet"), "y", weight="w", by="g")
    assert lazy.collect(engine="streaming").equals(inequality(rows, "y", weight="w", by="g"))
    # What is asked of the result is not asked of the rows before it.
    assert lazy.filter(pl.col("g") == 1).head(1).collect(engine="streaming").select("g", "measure", "n").row(0) == (
        1, "gini", rows.filter(pl.col("g") == 1, pl.col("y").is_not_null()).height,
    )  # fmt: skip


def test_an_order_of_poverty_is_taken_to_its_last_digit():
    told = poverty.poverty(pl.DataFrame({"y": FIVE}), "y", line=25, orders=[1.23456789, 2])
    assert told["measure"].to_list() == ["fgt(1.23456789)", "fgt(2)"]
    assert told["value"][0] == pytest.approx((0.6**1.23456789 + 0.2**1.23456789) / 5, rel=1e-12)


def test_a_share_may_pass_1_by_rounding():
    rows = pl.DataFrame({"online_share": [0.5, 1.0000000000000002]})
    assert inequality(rows, "online_share", measures=["mean"])["value"].item() == pytest.approx(0.75)


# bad input


@pytest.mark.parametrize(
    ("columns", "weight", "says"),
    [
        ({"y": [1.0, 2.0], "w": [1.0, -0.5]}, "w", "'w' go down to -0.5"),
        ({"y": [1.0, 2.0], "w": [0.0, 0.0]}, "w", "no row has 'y' and a weight above 0"),
        ({"y": [1.0, float("inf")]}, None, "infinite"),
        ({"y": [None, None]}, None, "no row has 'y'"),
        ({"y": []}, None, "no rows"),
    ],
)
def test_values_that_cannot_be_are_refused_on_collecting(
    columns: dict[str, list[float]], weight: str | None, says: str
):
    rows = pl.LazyFrame(columns, schema=dict.fromkeys(columns, pl.Float64))
    lazy = inequality(rows, "y", weight=weight)
    with pytest.raises(DataError, match=says):
        lazy.collect()


def test_a_share_in_percent_is_refused_with_the_remedy():
    with pytest.raises(DataError, match=r"reaches 55.*divide it by 100, or name it 'online_pct'"):
        inequality(pl.DataFrame({"online_share": [40.0, 55.0]}), "online_share")


@pytest.mark.parametrize(
    ("kwargs", "error", "says"),
    [
        ({"measures": ["ginny"]}, UnknownNameError, "Nearest: 'gini'"),
        ({"measures": []}, RangeError, "No measure"),
        ({"measures": ["atkinson"]}, RangeError, "takes 1"),
        ({"measures": ["atkinson(-1)"]}, RangeError, "aversion is -1"),
        ({"measures": ["ge(x)"]}, RangeError, "no numbers"),
        ({"measures": ["quantile_ratio(0.1,0.9)"]}, RangeError, "higher first"),
        ({"measures": ["fgt(1)"]}, RangeError, "needs line="),
        ({"weight": "x"}, SchemaError, "needs column 'x'"),
        ({"weight": "t"}, SchemaError, "needs numbers"),
        ({"by": "measure"}, SchemaError, "rename it"),
        ({"by": ["t", "t"]}, SchemaError, "names a column twice"),
        ({"errors": Errors("replicates", replicates=["y", "y2"])}, SchemaError, "name it with weight="),
    ],
)
def test_what_the_call_itself_gets_wrong_is_told_at_the_call(kwargs: dict, error: type[Exception], says: str):
    rows = pl.LazyFrame({"y": [1.0, 2.0], "y2": [1.0, 2.0], "t": ["a", "b"], "measure": ["a", "b"]})
    with pytest.raises(error, match=says):
        inequality(rows, "y", **kwargs)


def test_single_numbers_refuse_what_has_none():
    for call in (
        lambda: eq.mean_log_deviation([0.0, 1.0]), lambda: eq.gini([-1.0, 1.0]), lambda: eq.gini([1.0], corrected=True),
        lambda: eq.gini([1.0, 2.0], weight=[1.0]), lambda: eq.quantile_ratio([0.0] * 5 + [1.0], 0.9, 0.1),
        lambda: eq.generalised_entropy([1.0, 1e-300], -5), lambda: eq.gini(["a"]), lambda: eq.gini([[1.0], [1.0, 2.0]]),
    ):  # fmt: skip
        with pytest.raises((DataError, RangeError)):
            call()
    for call in (
        lambda: eq.atkinson([1.0], -1),
        lambda: eq.quantile([1.0], 2),
        lambda: lorenz(pl.DataFrame({"y": [1.0]}), "y", points=1),
    ):
        with pytest.raises(RangeError):
            call()


def test_names_of_the_table_are_formulas_with_the_parameters_that_they_are_known_by():
    assert formulas.measure("palma").parameters == (0.9, 0.4)
    assert formulas.measure("theil_t").parameters == (1.0,)
    assert formulas.measure("mld").parameters == (0.0,)


@few
@given(st.integers(1, 3 * formulas.CHUNK), st.floats(0, 1))
def test_pieces_make_no_difference(n: int, share: float):
    rng = np.random.default_rng(n)
    y, w = np.sort(rng.lognormal(size=n)), rng.uniform(0.1, 1, n)
    d = formulas.Ordered(y, w, is_sorted=True)
    people, amount = np.cumsum(w) / w.sum(), np.cumsum(w * y) / w.sum()
    at = min(int(np.searchsorted(people, share)), n - 1)
    assert abs(d.position(share) - at) <= 1, "a step on the border may fall on either side by rounding"
    assert d.before(at)[1] == pytest.approx(amount[at] - w[at] * y[at] / w.sum(), abs=1e-9)
    assert d.mean == pytest.approx(amount[-1])
