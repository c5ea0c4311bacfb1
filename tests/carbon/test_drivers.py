"""LMDI, Kaya and Tapio against papers, peers' tests and the properties that define them."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citylab import tables
from citylab.carbon import drivers
from citylab.carbon.drivers import kaya, lmdi, ratios, structure, tapio
from citylab.errors import DataError, RangeError, SchemaError, UnknownNameError

POSITIVE = st.floats(1e-3, 1e3)


def effects(told: pl.DataFrame) -> dict[str, float]:
    return dict(told.select("factor", "effect").iter_rows())


@pytest.fixture(scope="module")
def simple(mirror: Path) -> pl.DataFrame:
    raw = pl.read_csv(mirror / "reference" / "lmdi" / "lmdir_simple.csv")
    return raw.with_columns((pl.col("factor1") * pl.col("factor2") * pl.col("factor3")).alias("v"))


THREE = ["factor1", "factor2", "factor3"]


# --- published figures ------------------------------------------------------------------------------------------------


def test_additive_effects_of_lmdir_are_met(simple: pl.DataFrame):
    """Package LMDIR (R), its own tests."""
    told = lmdi(simple, "v", THREE, by="category")
    expected = [
        (69.79006598, -9.455125793, 39.66505981), (42.96021467, -34.31902656, 50.3588119),
        (54.01064234, -9.021284671, 54.01064234),
    ]  # fmt: skip
    for year, three in zip((1971, 1972, 1973), expected, strict=True):
        found = told.filter(pl.col("from") == year)
        assert found["effect"].to_list() == pytest.approx(list(three), abs=1e-8)
    last = told.filter(pl.col("to") == 1974)
    assert last["cumulative"].sum() == pytest.approx(258, abs=1e-9)
    assert told.filter(pl.col("to") == 1973)["cumulative"].sum() == pytest.approx(159, abs=1e-9)


def test_multiplicative_effects_of_lmdir_are_met(simple: pl.DataFrame):
    told = lmdi(simple, "v", THREE, by="category", form="multiplicative")
    expected = [
        (1.761117821, 0.926191306, 1.379410116), (1.229284572, 0.847970248, 1.273773912),
        (1.208140223, 0.968911503, 1.208140223),
    ]  # fmt: skip
    for year, three, ratio in zip((1971, 1972, 1973), expected, (2.25, 239 / 180, 338 / 239), strict=True):
        found = told.filter(pl.col("from") == year)
        assert found["effect"].to_list() == pytest.approx(list(three), abs=1e-8)
        assert math.prod(found["effect"]) == pytest.approx(ratio, abs=1e-12)
        assert found["share"].sum() == pytest.approx(1)
    assert math.prod(told.filter(pl.col("to") == 1974)["cumulative"]) == pytest.approx(338 / 80)


def test_effects_by_category_of_lmdir_are_met_and_add_up_to_those_of_the_factors(simple: pl.DataFrame):
    told = lmdi(simple, "v", THREE, by="category", detail=True).filter(pl.col("to") == 1972)
    expected = {1: (50.47438029, -25.23719014, 14.76280986), 2: (19.31568569, 15.78206435, 24.90224996)}
    for category, three in expected.items():
        assert told.filter(category=category)["effect"].to_list() == pytest.approx(list(three), abs=1e-8)


def test_the_commercial_buildings_of_china_of_pylmdi_are_met(mirror: Path):
    """Package PyLMDI; Xiang et al. The inputs are rounded, so the identity holds to 1e-6 only."""
    wide = pl.read_csv(mirror / "reference" / "lmdi" / "pylmdi_china_commercial_buildings.csv")
    frame = wide.transpose(include_header=False, column_names="quantity").with_columns(year=pl.Series([2017, 2018]))
    told = lmdi(frame, "C", ["P", "g", "s", "i", "e", "K"])
    expected = [2.9613642210, 69.0321817076, 3.9527028782, -36.8538787690, 12.5627582855, -19.0274544174]
    assert told["effect"].to_list() == pytest.approx(expected, abs=1e-7)
    assert told["total_change"][0] == pytest.approx(32.62767390578, abs=1e-9)
    assert told["effect"].sum() == pytest.approx(32.62767390578, abs=1e-5)


@pytest.mark.parametrize(("form", "each", "total"), [("additive", 175.0, 525.0), ("multiplicative", 2.0, 8.0)])
def test_three_factors_that_all_double_share_alike(form: drivers.Form, each: float, total: float):
    """Package PyLMDI, demonstration: (37.5, 37.5) becomes (300, 300)."""
    rows = [(t, c, 37.5 * f**3, f, f, 37.5 * f) for t, f in ((0, 1.0), (1, 2.0)) for c in "ab"]
    frame = pl.DataFrame(rows, schema=["year", "c", "v", "x", "y", "z"], orient="row")
    told = lmdi(frame, "v", ["x", "y", "z"], by="c", form=form)
    assert told["effect"].to_list() == pytest.approx([each] * 3)
    assert told["total_change"].unique().to_list() == pytest.approx([total])


def test_activity_structure_and_intensity_of_two_sectors_are_as_ang_has_them():
    """Inputs of Ang 2005 (from memory), worked by hand from the formula."""
    frame = pl.DataFrame({"year": [0, 0, 1, 1], "s": ["a", "b"] * 2, "q": [10, 40, 40, 40], "e": [30, 20, 80, 16]})
    frame = frame.with_columns(pl.col("q").sum().over("year").alias("all"))
    told = ratios(frame, ["all", "q", "e"], names=["activity", "structure", "intensity"])
    added = lmdi(told, "e", ["activity", "structure", "intensity"], by="s")
    assert added["effect"].to_list() == pytest.approx([32.384638, 38.284867, -24.669505], abs=1e-6)
    assert added["total_change"][0] == 46
    multiplied = lmdi(told, "e", ["activity", "structure", "intensity"], by="s", form="multiplicative")
    assert multiplied["effect"].to_list() == pytest.approx([1.582880, 1.721020, 0.704802], abs=1e-6)
    assert multiplied["total_change"][0] == pytest.approx(1.92)


@pytest.mark.parametrize("form", ["additive", "multiplicative"])
def test_kaya_is_the_worked_example(form: drivers.Form):
    frame = pl.DataFrame({
        "year": [0, 1], "population_persons": [2000, 2100], "gdp_cny": [20000.0, 25200.0],
        "primary_energy_twh": [10000.0, 10584.0], "co2_t": [24000.0, 22226.4],
    })  # fmt: skip
    expected = {"additive": [1127.1433, 4211.9660, -4027.8865, -3084.8227], "multiplicative": [1.05, 1.20, 0.84, 0.875]}
    told = kaya(frame, form=form)
    assert told["factor"].to_list() == list(drivers.KAYA)
    assert told["effect"].to_list() == pytest.approx(expected[form], abs=5e-5)
    assert told["prices"].unique().to_list() == ["current"]
    assert told["crosses_break"].null_count() == 4, "no place was named, so no break was looked for"
    three = kaya(frame, energy=None, form=form)
    assert three["factor"].to_list() == ["population", "gdp_per_head", "co2_per_gdp"]


# --- zeros ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((0.0, 5.0, 0.0), (10.0, 5.0, 2.0), {"x": 0.0, "y": 10.0}),  # the factor rose from 0: all of it
        ((10.0, 5.0, 2.0), (0.0, 5.0, 0.0), {"x": 0.0, "y": -10.0}),  # fell to 0
        ((0.0, 0.0, 0.0), (10.0, 5.0, 2.0), {"x": 5.0, "y": 5.0}),  # both rose: equal parts (Ang and Liu's limit)
        ((0.0, 0.0, 3.0), (0.0, 0.0, 2.0), {"x": 0.0, "y": 0.0}),  # nothing in either year
        ((0.0, 0.0, None), (10.0, 5.0, 2.0), {"x": 10.0, "y": 0.0}),  # a share of what is not there has not moved
    ],
)
def test_zeros_follow_the_limits(before, after, expected):
    """Ang, Zhang and Choi 1998, table 2."""
    rows = [(0, "new", *before), (1, "new", *after), (0, "old", 6.0, 2.0, 3.0), (1, "old", 6.0, 2.0, 3.0)]
    frame = pl.DataFrame(rows, schema=["year", "c", "v", "x", "y"], orient="row", strict=False)
    assert effects(lmdi(frame, "v", ["x", "y"], by="c")) == pytest.approx(expected)


@given(st.floats(0.1, 100), st.floats(0.1, 100), st.floats(0.1, 100))
@settings(max_examples=20)
def test_the_limits_are_where_a_very_small_number_tends(x: float, y0: float, y1: float):
    def frame(tiny: float) -> pl.DataFrame:
        return pl.DataFrame({"year": [0, 1], "v": [x * tiny, x * y1], "x": [x, x], "y": [tiny, y1]})

    limit = effects(lmdi(frame(0.0), "v", ["x", "y"]))
    near = effects(lmdi(frame(1e-250), "v", ["x", "y"]))
    assert near["x"] == pytest.approx(limit["x"], abs=1e-9)
    assert near["y"] == pytest.approx(limit["y"], rel=1e-9)


# --- properties -------------------------------------------------------------------------------------------------------


@given(st.data(), st.integers(1, 4), st.integers(1, 3), st.integers(2, 4), st.booleans())
@settings(max_examples=30)
def test_there_is_no_residual(data: st.DataObject, factors: int, categories: int, years: int, chained: bool):
    names = [f"x{i}" for i in range(factors)]
    rows = []
    for year, category in itertools.product(range(years), range(categories)):
        values = data.draw(st.lists(POSITIVE | st.just(0.0), min_size=factors, max_size=factors))
        rows.append((year, category, math.prod(values), *values))
    frame = pl.DataFrame(rows, schema=["year", "c", "v", *names], orient="row")
    totals = [sum(r[2] for r in rows if r[0] == y) for y in range(years)]
    told = lmdi(frame, "v", names, by="c", chained=chained)
    top = max(totals)
    for (_, _), step in told.group_by("from", "to"):
        assert step["effect"].sum() == pytest.approx(step["total_change"][0], rel=1e-9, abs=1e-9 * max(top, 1))
    final = told.filter(pl.col("to") == years - 1)["cumulative"].sum()
    assert final == pytest.approx(totals[-1] - totals[0], rel=1e-9, abs=1e-9 * max(top, 1))
    if min(totals) > 0:
        ratio = lmdi(frame, "v", names, by="c", chained=chained, form="multiplicative")
        product = math.prod(ratio.filter(pl.col("to") == years - 1)["cumulative"])
        assert product == pytest.approx(totals[-1] / totals[0], rel=1e-7)


@given(POSITIVE, POSITIVE, POSITIVE, POSITIVE)
@settings(max_examples=20)
def test_looking_back_in_time_turns_the_sign(a: float, b: float, c: float, d: float):
    forth = pl.DataFrame({"year": [0, 1], "v": [a * b, c * d], "x": [a, c], "y": [b, d]})
    back = forth.with_columns(year=1 - pl.col("year"))
    one, other = effects(lmdi(forth, "v", ["x", "y"])), effects(lmdi(back, "v", ["x", "y"]))
    scale = max(a * b, c * d)
    assert all(one[k] == pytest.approx(-other[k], rel=1e-9, abs=1e-12 * scale) for k in one)


@given(st.floats(-1e-6, 1e-6))
@settings(max_examples=20)
def test_a_change_that_is_hardly_one_is_still_parted_exactly(tiny: float):
    frame = pl.DataFrame({"year": [0, 1], "v": [6.0, 6.0 * (1 + tiny)], "x": [2.0, 2.0 * (1 + tiny)], "y": [3.0, 3.0]})
    assert effects(lmdi(frame, "v", ["x", "y"]))["x"] == pytest.approx(6.0 * tiny, abs=1e-14)


def test_groups_are_decomposed_one_by_one_whatever_the_order_of_rows(simple: pl.DataFrame):
    doubled = simple.with_columns(pl.col("v", "factor1") * 2)
    both = pl.concat([simple.with_columns(city=pl.lit("a")), doubled.with_columns(city=pl.lit("b"))])
    told = lmdi(both.sample(fraction=1, shuffle=True, seed=3).lazy(), "v", THREE, by="category", group="city")
    assert isinstance(told, pl.LazyFrame)
    one, two = (told.collect().filter(city=c).drop("city") for c in "ab")
    alone = lmdi(simple, "v", THREE, by="category")
    assert one["effect"].to_list() == pytest.approx(alone["effect"].to_list())
    assert two["effect"].to_list() == pytest.approx((alone["effect"] * 2).to_list())


EF = {"x": 90.0, "y": 70.0, "z": 56.0}
LEVELS = ["sector", "fuel"]
FOUR = ["tj_total", "sector_share", "fuel_share", "ef"]


def energy(rows: list[tuple[int, str, str, float]]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=["year", *LEVELS, "tj"], orient="row")
    frame = frame.with_columns(pl.col("fuel").replace_strict(EF, return_dtype=pl.Float64).alias("ef"))
    return structure(frame.with_columns(co2_t=pl.col("tj") * pl.col("ef")), "tj", levels=LEVELS)


def test_levels_nest_so_that_their_shares_multiply_to_the_part():
    pairs = list(enumerate(itertools.product("ab", "xyz")))
    told = energy([(y, s, f, float(1 + y * 2 + i * i)) for y in (0, 1) for i, (s, f) in pairs])
    product = told["tj_total"] * told["sector_share"] * told["fuel_share"]
    assert product.to_list() == pytest.approx(told["tj"].to_list())
    effect = effects(lmdi(told, "co2_t", FOUR, by=LEVELS))
    totals = dict(told.group_by("year").agg(pl.col("co2_t").sum()).iter_rows())
    assert sum(effect.values()) == pytest.approx(totals[1] - totals[0])
    assert effect["ef"] == 0


DEEP = ["district", "sector", "fuel"]
FIVE = ["tj_total", "district_share", "sector_share", "fuel_share", "ef"]


@given(st.lists(POSITIVE | st.just(0.0), min_size=24, max_size=24), st.booleans(), st.sampled_from(["x", "y"]))
@settings(max_examples=25, deadline=None)
def test_three_levels_leave_no_residual_in_either_form_chained_or_not(amounts: list[float], chained: bool, worst: str):
    cells = list(itertools.product((0, 1, 2), "pq", "ab", "xy"))
    rows = [(*cell, v) for cell, v in zip(cells, amounts, strict=True)]
    rows = [(*r[:4], r[4] + 1.0) if r[1:4] == ("p", "a", worst) else r for r in rows]  # some energy in every year
    frame = pl.DataFrame(rows, schema=["year", *DEEP, "tj"], orient="row").with_columns(
        pl.col("fuel").replace_strict(EF, return_dtype=pl.Float64).alias("ef")
    )
    told = structure(frame.with_columns(co2_t=pl.col("tj") * pl.col("ef")), "tj", levels=DEEP)
    totals = dict(told.group_by("year").agg(pl.col("co2_t").sum()).iter_rows())
    added = lmdi(told, "co2_t", FIVE, by=DEEP, chained=chained).filter(pl.col("to") == 2)
    assert added["factor"].to_list() == FIVE
    assert added["cumulative"].sum() == pytest.approx(totals[2] - totals[0], rel=1e-9, abs=1e-9 * max(totals.values()))
    times = lmdi(told, "co2_t", FIVE, by=DEEP, chained=chained, form="multiplicative").filter(pl.col("to") == 2)
    assert math.prod(times["cumulative"]) == pytest.approx(totals[2] / totals[0], rel=1e-7)


def test_the_chain_and_the_ends_part_a_return_differently_though_both_add_up():
    # Out and back: the ends see no change at all, the chain sees what happened on the way.
    there = pl.DataFrame({"year": [0, 1, 2], "v": [6.0, 8.0, 6.0], "x": [2.0, 4.0, 3.0], "y": [3.0, 2.0, 2.0]})
    chain = lmdi(there, "v", ["x", "y"]).filter(pl.col("to") == 2)
    ends = lmdi(there, "v", ["x", "y"], chained=False)
    assert chain["cumulative"].sum() == pytest.approx(0, abs=1e-12)
    assert ends["effect"].sum() == pytest.approx(0, abs=1e-12)
    # ends: L(6, 6) ln(3/2) = 6 ln 1.5; chain: L(8, 6) (ln 2 + ln(3/4)) = 2 / ln(4/3) x ln 1.5
    assert effects(ends)["x"] == pytest.approx(6 * math.log(1.5))
    assert dict(chain.select("factor", "cumulative").iter_rows())["x"] == pytest.approx(
        2 / math.log(4 / 3) * math.log(1.5)
    )


def test_a_sector_that_appears_puts_all_of_it_on_the_shift_between_sectors():
    rows = [(0, "a", "x", 4.0), (0, "b", "x", 0.0), (0, "b", "y", 0.0)]
    told = energy([*rows, (1, "a", "x", 4.0), (1, "b", "x", 1.0), (1, "b", "y", 3.0)])
    effect = lmdi(told, "co2_t", FOUR, by=LEVELS, detail=True)
    new = effect.filter(sector="b").group_by("factor").agg(pl.col("effect").sum())
    assert effects(new) == pytest.approx({"tj_total": 0.0, "sector_share": 300.0, "fuel_share": 0.0, "ef": 0.0})


def test_shares_of_the_total_itself_are_refused_as_drivers():
    """They add up to 1 in every year, so that they cannot move it; the formula would give them effects all the same."""
    told = structure(energy([(y, "a", f, 1.0 + y * i) for y in (0, 1) for i, f in enumerate("xyz")]).select(
        "year", *LEVELS, "co2_t"), "co2_t", levels=LEVELS)  # fmt: skip
    with pytest.raises(DataError, match="artefact"):
        lmdi(told, "co2_t", ["co2_t_total", "sector_share", "fuel_share"], by=LEVELS)


# --- bad input --------------------------------------------------------------------------------------------------------

GOOD = pl.DataFrame(
    {"year": [0, 0, 1, 1], "c": ["a", "b"] * 2, "v": [6.0, 8.0, 6.0, 8.0], "x": [2.0] * 4, "y": [3.0, 4.0] * 2}
)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (GOOD.with_columns(y=pl.lit(-3.0)), "negative or not finite"),
        (GOOD.with_columns(v=pl.lit(math.nan)), "negative or not finite"),
        (GOOD.with_columns(y=pl.lit(None, pl.Float64)), "without a number"),
        (GOOD.with_columns(v=pl.lit(7.0)), "do not multiply"),
        (GOOD.head(3), "missing in some period"),
        (GOOD.filter(year=0), "at least two periods"),
        (GOOD.head(0), "at least two periods"),
        (pl.concat([GOOD, GOOD]), "twice"),
        (GOOD.with_columns(year=pl.lit(None, pl.Int64)), "without a value"),
    ],
)
def test_bad_values_are_told_on_collecting(frame: pl.DataFrame, message: str):
    lazy = lmdi(frame.lazy(), "v", ["x", "y"], by="c")
    with pytest.raises(DataError, match=message):
        lazy.collect()


def test_wrong_calls_are_told_at_the_call():
    with pytest.raises(SchemaError, match="'z'"):
        lmdi(GOOD.lazy(), "v", ["x", "z"], by="c")
    with pytest.raises(SchemaError, match="numbers"):
        lmdi(GOOD.lazy(), "v", ["x", "c"])
    with pytest.raises(SchemaError, match="each one once"):
        lmdi(GOOD.lazy(), "v", ["x", "x"])
    with pytest.raises(UnknownNameError, match="'additive'"):
        lmdi(GOOD.lazy(), "v", ["x", "y"], form="additiv")  # type: ignore[arg-type]
    with pytest.raises(SchemaError, match="detail"):
        lmdi(GOOD.lazy(), "v", ["x", "y"], detail=True)
    with pytest.raises(DataError, match="twice"):
        lmdi(GOOD, "v", ["x", "y"])
    with pytest.raises(SchemaError, match="one name per column"):
        ratios(GOOD, ["x", "y"], names=["one"])
    with pytest.raises(SchemaError, match="at least one level"):
        structure(GOOD, "v", levels=[])


def test_a_ratio_to_a_total_of_nothing_is_refused():
    frame = pl.DataFrame({"year": [0, 1], "v": [0.0, 6.0], "x": [0.0, 2.0], "y": [3.0, 3.0]})
    with pytest.raises(DataError, match="form='additive'"):
        lmdi(frame, "v", ["x", "y"], form="multiplicative")


# --- Tapio ------------------------------------------------------------------------------------------------------------

EIGHT = [
    (-2, 5, "strong_decoupling"), (2, 5, "weak_decoupling"), (5, 5, "expansive_coupling"),
    (10, 5, "expansive_negative_decoupling"), (2, -5, "strong_negative_decoupling"),
    (-2, -5, "weak_negative_decoupling"), (-5, -5, "recessive_coupling"), (-10, -5, "recessive_decoupling"),
]  # fmt: skip


def two_years(dc: float, dg: float) -> pl.DataFrame:
    return pl.DataFrame({"year": [0, 1], "co2_t": [100.0, 100.0 + dc], "gdp_cny": [100.0, 100.0 + dg]})


@pytest.mark.parametrize(("dc", "dg", "state"), EIGHT)
def test_the_eight_states_are_tapios(dc: float, dg: float, state: str):
    assert tapio(two_years(dc, dg))["state"].to_list() == [state]


@pytest.mark.parametrize(
    ("dc", "dg", "state"),
    [
        (0, 5, "weak_decoupling"), (4, 5, "expansive_coupling"), (6, 5, "expansive_coupling"),
        (0, -5, "weak_negative_decoupling"), (-4, -5, "recessive_coupling"), (-6, -5, "recessive_coupling"),
    ],
)  # fmt: skip
def test_an_elasticity_on_a_bound_has_a_state(dc: float, dg: float, state: str):
    assert tapio(two_years(dc, dg))["state"].to_list() == [state]


@given(st.floats(-99, 300), st.floats(-99, 300).filter(lambda x: abs(x) > 1e-3))
@settings(max_examples=40)
def test_every_change_has_one_state_and_it_is_on_the_side_of_its_gdp(dc: float, dg: float):
    row = tapio(two_years(dc, dg)).row(0, named=True)
    assert row["state"] in set(tables.read("carbon_tapio")["state"])
    assert row["reason"] is None
    assert row["elasticity"] == pytest.approx(dc / dg, rel=1e-6, abs=1e-9)
    direction = tables.read("carbon_tapio").filter(state=row["state"])["gdp_direction"].item()
    assert direction * dg > 0


def test_gdp_that_hardly_moves_is_flagged_and_one_that_does_not_has_no_state():
    assert tapio(two_years(1, 0.4))["is_unstable"].to_list() == [True]
    assert tapio(two_years(1, -0.4))["is_unstable"].to_list() == [True]
    assert tapio(two_years(1, 0.6))["is_unstable"].to_list() == [False]
    still = tapio(two_years(1, 0)).row(0, named=True)
    assert (still["elasticity"], still["state"], still["reason"]) == (None, None, "gdp_unchanged")
    empty = tapio(pl.DataFrame({"year": [0, 1], "co2_t": [0.0, 1.0], "gdp_cny": [None, 2.0]})).row(0, named=True)
    assert empty["reason"] == "no_value"
    zero = tapio(pl.DataFrame({"year": [0, 1], "co2_t": [0.0, 1.0], "gdp_cny": [1.0, 2.0]})).row(0, named=True)
    assert zero["reason"] == "base_is_zero"


def test_an_interval_across_an_economic_census_is_marked():
    years = list(range(2017, 2026))
    frame = pl.DataFrame({"year": years, "co2_t": [float(y) for y in years], "gdp_cny": [float(y * 2) for y in years]})
    told = tapio(frame, place="110000")
    assert told.filter("crosses_break").select("from", "to").rows() == [(2018, 2019), (2023, 2024)]
    five = tapio(frame, place="110000", span=5)
    assert five.select("from", "to", "crosses_break").rows() == [
        (2017, 2022, True),
        (2018, 2023, True),
        (2019, 2024, True),
        (2020, 2025, True),
    ]
    assert tapio(frame, place="110000", span=None).select("from", "to").rows() == [(2017, 2025)]
    assert tapio(frame)["crosses_break"].null_count() == 8
    chained = kaya(frame.with_columns(population_persons=pl.lit(5.0)), energy=None, place="110000")
    assert set(chained.filter("crosses_break")["from"]) == {2018, 2023}


def test_tapio_refuses_what_is_no_series():
    with pytest.raises(RangeError, match="span=0"):
        tapio(two_years(1, 1), span=0)
    with pytest.raises(DataError, match="twice"):
        tapio(pl.concat([two_years(1, 1)] * 2))
    with pytest.raises(DataError, match="negative"):
        tapio(two_years(-101, 1))


# --- Beijing ----------------------------------------------------------------------------------------------------------


# kg CO2 per GJ, IPCC 2006 defaults (GHG Protocol cross-sector tools); any set of them leaves no residual.
IPCC = {
    "Raw Coal": 94.6, "Cleaned Coal": 94.6, "Other Washed Coal": 94.6, "Briquettes": 97.5, "Coke": 107.0,
    "Coke Oven Gas": 44.4, "Other Gas": 44.4, "Other Coking Products": 80.7, "Crude Oil": 73.3, "Gasoline": 69.3,
    "Kerosene": 71.5, "Diesel Oil": 74.1, "Fuel Oil": 77.4, "LPG": 63.1, "Refinery Gas": 57.6,
    "Other Petroleum Products": 73.3, "Natural Gas": 56.1,
}  # fmt: skip


def test_beijings_sectors_and_fuels_are_decomposed_without_residual(mirror: Path):
    raw = pl.read_csv(mirror / "ceads-china-co2" / "beijing_sector_fuel_co2_1997_2019.csv.gz")
    burnt = raw.filter(pl.col("fuel").is_in(list(IPCC)), pl.col("sector") != "Total").with_columns(
        pl.col("fuel").replace_strict(IPCC, return_dtype=pl.Float64).alias("ef")
    )
    told = structure(burnt.with_columns(pj=pl.col("co2_mt") / pl.col("ef")), "pj", levels=LEVELS)
    factors = ["pj_total", "sector_share", "fuel_share", "ef"]
    change = (89.184484 - 1.029047) - (61.918078 - 2.0366701)  # totals less processes, as the publisher has them
    for chained in (True, False):
        effect = lmdi(told, "co2_mt", factors, by=LEVELS, chained=chained).filter(pl.col("to") == 2019)
        assert effect["cumulative"].sum() == pytest.approx(change, abs=1e-5)
        assert effect["n"].unique().to_list() == [47 * 17]
    chain = dict(
        lmdi(told, "co2_mt", factors, by=LEVELS).filter(pl.col("to") == 2019).select("factor", "cumulative").rows()
    )
    assert chain["pj_total"] > 0 > chain["fuel_share"], "more energy, and gas in place of coal"
