from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citylab.equity import decomposition as parts
from citylab.equity.inequality import inequality
from citylab.equity.sampling import Errors
from citylab.errors import DataError, RangeError, RefusalError, SchemaError, UnknownNameError

few = settings(max_examples=25)
ENTROPIES = ["theil_t", "mld", "ge(2)", "ge(-1)", "ge(0.3)"]


@st.composite
def grouped(draw: st.DrawFn) -> pl.DataFrame:
    n = draw(st.integers(2, 30))
    column = lambda low, high: draw(st.lists(st.integers(low, high), min_size=n, max_size=n))  # noqa: E731
    return pl.DataFrame({"y": column(1, 50), "w": column(1, 4), "g": column(0, 3)})


def summary(told: pl.DataFrame, measure: str) -> dict[str, float]:
    rows = told.filter((pl.col("measure") == measure) & (pl.col("component") != "group"))
    return dict(zip(rows["component"], rows["contribution"], strict=True))


@few
@given(grouped(), st.booleans())
def test_within_and_between_add_up_to_the_index_of_all(rows: pl.DataFrame, errors: bool):
    told = parts.between_within(rows, "y", by="g", weight="w", measure=ENTROPIES, errors=Errors() if errors else None)
    whole = inequality(rows, "y", weight="w", measures=ENTROPIES, errors=None)
    for measure, value in whole.select("measure", "value").rows():
        part = summary(told, measure)
        assert part["within"] + part["between"] == pytest.approx(value, abs=1e-10)
        assert part["total"] == pytest.approx(value, abs=1e-10)
        groups = told.filter((pl.col("measure") == measure) & (pl.col("component") == "group"))
        assert groups["contribution"].sum() == pytest.approx(part["within"], abs=1e-10)
        assert groups["population_share"].sum() == pytest.approx(1)
        assert groups["value_share"].sum() == pytest.approx(1)


@few
@given(grouped())
def test_between_is_the_index_if_everyone_had_the_mean_of_their_group(rows: pl.DataFrame):
    asked = [*ENTROPIES, "gini"]
    told = parts.between_within(rows, "y", by="g", weight="w", measure=asked, errors=None)
    mean = (pl.col("y") * pl.col("w")).sum().over("g") / pl.col("w").sum().over("g")
    flat = inequality(rows.with_columns(mean.alias("y")), "y", weight="w", measures=asked, errors=None)
    assert [summary(told, m)["between"] for m in asked] == pytest.approx(flat["value"].to_list(), abs=1e-10)


@few
@given(grouped())
def test_gini_leaves_an_overlap_that_is_0_where_groups_lie_apart(rows: pl.DataFrame):
    told = summary(parts.between_within(rows, "y", by="g", weight="w", measure="gini", errors=None), "gini")
    assert told["overlap"] >= -1e-12
    assert sum(told[c] for c in ("within", "between", "overlap")) == pytest.approx(told["total"], abs=1e-12)
    apart = rows.with_columns(pl.col("y") + 100 * pl.col("g"))
    told = summary(parts.between_within(apart, "y", by="g", weight="w", measure="gini", errors=None), "gini")
    assert told["overlap"] == pytest.approx(0, abs=1e-12)


def test_five_incomes_in_two_groups_by_hand():
    # a: 10, 20, 30 (mean 20), b: 40, 50 (mean 45); mean 30. Between: 0.4 ln(2/3) + 0.6 ln(3/2), with shares of income.
    rows = pl.DataFrame({"y": [10.0, 20.0, 30.0, 40.0, 50.0], "g": ["a", "a", "a", "b", "b"]})
    told = parts.between_within(rows, "y", by="g", measure=["theil_t", "gini"], errors=None)
    theil = summary(told, "theil_t")
    assert theil["between"] == pytest.approx(0.2 * np.log(1.5))
    assert theil["within"] == pytest.approx(0.038595, abs=5e-7)
    # Gini: of a 2/9 with weight .6 × .4, of b 1/18 with .4 × .6; of the means .6 - .4 = .2; apart, so no overlap: 4/15.
    gini = summary(told, "gini")
    assert gini == pytest.approx(
        {"within": 0.24 * (2 / 9 + 1 / 18), "between": 0.2, "overlap": 0, "total": 4 / 15}, abs=1e-12
    )


def test_the_regions_of_mexico(mirror: Path):
    # PySAL inequality 1.1.2: between-group Theil by the regions of Hanson (1998), to 1e-7.
    rows = pl.read_csv(mirror / "reference/inequality/mexico.csv")
    between = [0.0345889, 0.02816853, 0.05260921, 0.05931219, 0.03205257, 0.02963731, 0.03635872]
    found = [
        summary(parts.between_within(rows, f"pcgdp{y}", by="hanson98", errors=None), "theil_t")["between"]
        for y in range(1940, 2001, 10)
    ]
    assert found == pytest.approx(between, abs=1e-7)


def test_parts_have_errors_that_resampling_confirms():
    rng = np.random.default_rng(5)
    rows = pl.DataFrame({"g": rng.integers(0, 3, 500)}).with_columns(
        pl.Series("y", rng.lognormal(sigma=0.5, size=500)) * (1 + pl.col("g"))
    )
    for measure in ("theil_t", "mld", "ge(2)"):
        one, two = (
            parts.between_within(rows, "y", by="g", measure=measure, errors=e).filter(pl.col("component") != "group")
            for e in (Errors(), Errors("bootstrap", n_boot=400))
        )
        # 400 draws know a standard error to 3.5 %; the part between is skewed.
        assert one["se"].to_list() == pytest.approx(two["se"].to_list(), rel=0.12)


def test_a_group_of_rows_that_do_not_count_is_left_out_and_its_gaps_are_counted():
    rows = pl.DataFrame({"y": [1.0, 2.0, 4.0, None], "g": ["a", "a", "b", "c"]})
    told = parts.between_within(rows, "y", by="g", errors=None)
    assert told.filter(component="group")["g"].to_list() == ["a", "b"]
    assert told.filter(component="total").select("n", "n_missing").row(0) == (3, 1)


def test_a_group_that_has_nothing_adds_nothing_within():
    # One of three has all: T = ln 3, and all of it lies between the group of two without and the group of one.
    rows = pl.DataFrame({"y": [0.0, 0.0, 3.0], "g": ["a", "a", "b"]})
    told = parts.between_within(rows, "y", by="g", measure=["theil_t", "ge(0.5)", "ge(2)", "gini"])
    assert summary(told, "theil_t") == pytest.approx({"within": 0, "between": np.log(3), "total": np.log(3)}, abs=1e-12)
    # GE(0.5) = -4 (3^-0.5 - 1); GE(2) = (3 - 1) / 2; Gini 2/3.
    wanted = {"ge(0.5)": 4 * (1 - 3**-0.5), "ge(2)": 1.0, "gini": 2 / 3}
    assert {m: summary(told, m)["between"] for m in wanted} == pytest.approx(wanted)
    first = told.filter(component="group", g="a")
    assert first.select("index", "contribution", "value_share").unique().rows() == [(None, 0.0, 0.0)]
    assert told.filter(component="total")["se"].is_not_null().all()
    with pytest.raises(DataError, match="has no value in group"):
        parts.between_within(rows, "y", by="g", measure="mld")
    with pytest.raises(DataError, match="nobody has anything"):
        parts.between_within(rows.with_columns(y=pl.lit(0.0)), "y", by="g")


# sources


@st.composite
def sourced(draw: st.DrawFn) -> pl.DataFrame:
    n = draw(st.integers(2, 20))
    column = lambda low, high: draw(st.lists(st.integers(low, high), min_size=n, max_size=n))  # noqa: E731
    return pl.DataFrame(
        {"wage": column(1, 40), "rent": column(0, 40), "tax": column(0, 3), "w": column(1, 3)}
    ).with_columns(pl.col("wage") + 10, -pl.col("tax"))


@few
@given(sourced())
def test_sources_add_up_to_the_gini_coefficient_of_their_sum(rows: pl.DataFrame):
    named = ["wage", "rent", "tax"]
    told = parts.sources(rows, named, weight="w")
    total = inequality(rows.select("w", y=pl.sum_horizontal(named)), "y", weight="w", measures=["gini"], errors=None)[
        "value"
    ].item()
    assert told["contribution"][:-1].sum() == pytest.approx(total, abs=1e-12)
    assert told["contribution"][-1] == pytest.approx(total, abs=1e-12)
    assert told["value_share"][:-1].sum() == pytest.approx(1)
    for r in told[:-1].iter_rows(named=True):
        if r["correlation"] is not None:
            assert abs(r["correlation"]) <= 1 + 1e-9
            assert r["value_share"] * r["gini"] * r["correlation"] == pytest.approx(r["contribution"], abs=1e-12)


def test_contributions_of_sources_have_errors_that_resampling_confirms():
    rng = np.random.default_rng(7)
    rows = pl.DataFrame({
        "wage": rng.lognormal(sigma=0.6, size=500), "rent": rng.gamma(0.5, size=500), "w": rng.uniform(0.5, 2, 500),
        "village": np.repeat(np.arange(50), 10), "g": rng.integers(0, 2, 500),
    })  # fmt: skip
    one, two = (
        parts.sources(rows, ["wage", "rent"], weight="w", by="g", errors=e)
        for e in (Errors(psu="village"), Errors("bootstrap", psu="village", n_boot=400))
    )
    # 400 draws know a standard error to 3.5 %; three times that.
    assert one["se"].to_list() == pytest.approx(two["se"].to_list(), rel=0.11)
    assert ((one["lower"] < one["contribution"]) & (one["contribution"] < one["upper"])).all()
    # The total is the Gini coefficient of the sum, and so is its error; a source alone is that too.
    whole = inequality(rows.with_columns(y=pl.col("wage") + pl.col("rent")), "y", weight="w", by="g",
                       measures=["gini"], errors=Errors(psu="village"))  # fmt: skip
    total = one.filter(source="total")
    assert total["se"].to_list() == pytest.approx(whole["se"].to_list())
    flat = parts.sources(rows.with_columns(none=pl.lit(0.0)), ["wage", "none"], weight="w")
    alone = inequality(rows, "wage", weight="w", measures=["gini"])
    assert flat["se"].to_list() == pytest.approx([alone["se"].item(), 0.0, alone["se"].item()], abs=1e-12)
    # Groups that are copies of one another draw each for itself.
    twice = pl.concat([rows.with_columns(g=pl.lit(g)) for g in (0, 1)])
    drawn = parts.sources(twice, ["wage", "rent"], by="g", errors=Errors("bootstrap", n_boot=50))
    assert drawn.filter(g=0)["se"].to_list() != drawn.filter(g=1)["se"].to_list()
    without = parts.sources(rows, ["wage", "rent"], weight="w", by="g", errors=None)
    assert without["se"].is_null().all()
    assert without.drop("se", "lower", "upper", "level", "method").equals(
        one.drop("se", "lower", "upper", "level", "method")
    )


@few
@given(sourced())
def test_the_marginal_share_is_the_change_per_growth_of_a_source(rows: pl.DataFrame):
    told = parts.sources(rows, ["wage", "rent"])
    total = told["gini"][-1]
    # Growth changes ranks where totals tie, and the Gini coefficient has a corner there.
    if total < 1e-3 or rows.select(pl.col("wage") + pl.col("rent")).is_duplicated().any():
        return
    step = 1e-6
    more, less = (
        parts.sources(rows.with_columns(pl.col("wage") * (1 + s)), ["wage", "rent"])["gini"][-1] for s in (step, -step)
    )
    assert (more - less) / (2 * step) / total == pytest.approx(told["marginal_share"][0], rel=1e-3, abs=1e-5)


@few
@given(sourced(), st.sampled_from(["gini", "theil_t", "atkinson(1)"]))
def test_shapley_values_of_sources_add_up_and_do_not_depend_on_their_order(rows: pl.DataFrame, measure: str):
    told = parts.shapley_sources(rows, ["wage", "rent", "tax"], measure=measure, weight="w")
    total = inequality(
        rows.select("w", y=pl.sum_horizontal("wage", "rent", "tax")), "y", weight="w", measures=[measure], errors=None
    )["value"].item()
    assert told["contribution"][:-1].sum() == pytest.approx(total, abs=1e-12)
    assert told["contribution"][-1] == pytest.approx(total, abs=1e-12)
    turned = parts.shapley_sources(rows, ["tax", "rent", "wage"], measure=measure, weight="w")
    assert turned["contribution"][:-1].reverse().to_list() == pytest.approx(
        told["contribution"][:-1].to_list(), abs=1e-12
    )


def test_two_sources_share_what_they_do_together():
    # Worth of wage: Gini of (10, 20, 60) + 10; of rent: of (0, 0, 30) + 30; a value is half of first and last.
    rows = pl.DataFrame({"wage": [10.0, 20.0, 60.0], "rent": [0.0, 0.0, 30.0]})
    told = parts.shapley_sources(rows, ["wage", "rent"])
    # Gini of three ascending a, b, c: 2 (c - a) · 2 / 9 / (2 mean) = 2 (c - a) / (9 mean); mean 40 throughout.
    wage, rent, both = 2 * 50 / 360, 2 * 30 / 360, 2 * 80 / 360
    assert told["first"].to_list()[:2] == pytest.approx([wage, rent])
    assert told["last"].to_list()[:2] == pytest.approx([both - rent, both - wage])
    assert told["contribution"].to_list() == pytest.approx([(wage + both - rent) / 2, (rent + both - wage) / 2, both])
    # Taken away instead of levelled, the wage alone has the mean 30 and rent alone the mean 10, and nothing is 0.
    removed = parts.shapley_sources(rows, ["wage", "rent"], elimination="remove")
    assert removed["first"].to_list()[:2] == pytest.approx([2 * 50 / 270, 2 * 30 / 90])


@few
@given(grouped(), st.sampled_from(["gini", "theil_t", "mld", "hoover", "atkinson(0.5)"]))
def test_shapley_values_of_groups_leave_nothing_over(rows: pl.DataFrame, measure: str):
    told = parts.shapley_groups(rows, "y", by="g", weight="w", measure=measure)
    whole = inequality(rows, "y", weight="w", measures=[measure], errors=None)["value"].item()
    assert told["contribution"][:2].sum() == pytest.approx(whole, abs=1e-12)
    if measure == "mld":
        # The shares of population do not change when groups are levelled: Shapley agrees with the plain parts.
        plain = summary(parts.between_within(rows, "y", by="g", weight="w", measure="mld", errors=None), "mld")
        assert told["contribution"].to_list()[:2] == pytest.approx([plain["within"], plain["between"]], abs=1e-10)


def test_players_who_add_nothing_get_nothing_and_equals_get_the_same():
    worth = {frozenset(s): float("a" in s and "b" in s) for s in ("", "a", "b", "c", "ab", "ac", "bc", "abc")}
    assert [r["contribution"] for r in parts.shapley("abc", worth)] == pytest.approx([0.5, 0.5, 0, 1])
    with pytest.raises(RangeError, match="all 8 combinations"):
        parts.shapley("abc", {frozenset(): 0.0})


def test_lazy_frames_and_groups():
    rows = pl.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "b": [2.0, 2.0, 5.0, 1.0], "g": ["x", "x", "y", "y"]})
    for call in (parts.sources, parts.shapley_sources):
        told = call(rows.lazy(), ["a", "b"], by="g")
        assert told.collect_schema() == told.collect().schema
        assert told.collect()["g"].to_list() == ["x"] * 3 + ["y"] * 3
    told = parts.between_within(rows.lazy(), "a", by="g")
    assert told.collect_schema() == told.collect().schema


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda r: parts.between_within(r, "a", by="g", measure="hoover"), UnknownNameError, "parts any measure"),
        (lambda r: parts.between_within(r, "a", by=[]), SchemaError, "needs by="),
        (lambda r: parts.between_within(r, "z", by="g", measure="mld").collect(), DataError, "has no value in group"),
        (lambda r: parts.sources(r, ["a"]), SchemaError, "at least two"),
        (lambda r: parts.sources(r, ["a", "m"]).collect(), DataError, "expected one above 0"),
        (lambda r: parts.shapley_sources(r, ["a", "z"], elimination="drop"), UnknownNameError, "elimination"),
        (lambda r: parts.shapley_sources(r, [f"c{i}" for i in range(13)]), RefusalError, "12 the most"),
        (lambda r: parts.shapley_sources(r, ["a", "z"], measure="mld", elimination="remove").collect(), DataError,
         "equalise"),
        (lambda r: parts.shapley_groups(r, "m", by="g").collect(), DataError, "cannot be scaled"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(call, error: type[Exception], says: str):
    rows = pl.LazyFrame({"a": [1.0, 2.0], "z": [0.0, 1.0], "m": [-5.0, -6.0], "g": ["x", "y"]})
    with pytest.raises(error, match=says):
        call(rows)
