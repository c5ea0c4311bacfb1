from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import calibration.gap
import citylab as cl
from citylab.equity import trend
from citylab.equity.trend import (
    beta_convergence,
    declared_breaks,
    jumps,
    sigma_convergence,
    time_distance,
    trend_of_gap,
)
from citylab.errors import DataError, RangeError, RefusalError, SchemaError, UnknownNameError
from citylab.stats import survey as sv
from citylab.stats.survey import Design, designed

few = settings(max_examples=25, deadline=None)
shares = st.floats(0.05, 0.95)

# Internet use in towns and villages of China: CNNIC reports 46 (June 2020), 47 (December 2020) and 49 (December 2021;
# rural 57.6, urban 81.3).
CNNIC = pl.DataFrame({
    "month": [dt.date(2020, 6, 1), dt.date(2020, 12, 1), dt.date(2021, 12, 1)] * 2,
    "area": ["urban"] * 3 + ["rural"] * 3,
    "internet_use_pct": [76.4, 79.8, 81.3, 52.3, 55.9, 57.6],
})  # fmt: skip
USE = {"value": "internet_use_pct", "group": "area", "time": "month"}


def two(a: list[float], b: list[float], **more: object) -> pl.DataFrame:
    k = len(a)
    return pl.DataFrame({"year": [*range(2000, 2000 + k)] * 2, "g": ["a"] * k + ["b"] * k, "y": [*a, *b], **more})


OF = {"value": "y", "group": "g", "time": "year"}

# a claim and the figures


def test_published_figures_contradict_that_the_urban_rural_divide_keeps_widening():
    told = trend_of_gap(CNNIC, rounding=0.1, bound=100, **USE)
    # 24.1 -> 23.7 points: -0.4, and four figures rounded to 0.1 are off by 0.2 together at most. The printed figures
    # say no more: CNNIC's base moved in between (series_breaks); within one base only widening is ruled out (next).
    row = told.tidy().filter(measure="absolute").row(0, named=True)
    assert (row["change"], row["lower"], row["upper"]) == pytest.approx((-0.4, -0.6, -0.2))
    assert told.verdict("absolute") == "narrowing"
    assert told.contradicts("widening")
    # 76.4/52.3 = 1.461 -> 81.3/57.6 = 1.411.
    assert told.verdict("relative") == "narrowing"
    assert told.contradicts("widening", "relative")
    assert told.groups == ("urban", "rural")
    assert all("rounding_only" in n for n in told.tidy()["note"])


def test_from_one_december_to_the_next_widening_is_ruled_out_though_narrowing_is_not_shown():
    # 23.9 -> 23.7: -0.2 with 0.2 of rounding: from -0.4 to 0.
    told = trend_of_gap(CNNIC.filter(pl.col("month").dt.month() == 12), rounding=0.1, **USE)
    assert told.verdict("absolute") == "undecidable"
    assert told.contradicts("widening")
    assert not told.contradicts("narrowing")


def test_what_villages_lack_compares_worse_while_what_they_have_compares_better():
    # Lacking: 47.7/23.6 = 2.02 -> 42.4/18.7 = 2.27; having: 1.461 -> 1.411. Both are true.
    told = trend_of_gap(CNNIC, rounding=0.1, bound=100, **USE)
    assert told.verdict("relative_shortfall") == "widening"
    first, last = told.tidy().filter(measure="relative_shortfall").select("first_gap", "last_gap").row(0)
    assert (first, last) == pytest.approx((47.7 / 23.6, 42.4 / 18.7))


def test_the_embedded_figures_refuse_a_verdict_because_an_urban_figure_is_missing():
    wide = cl.load("cnnic__halfyearly_country_internet").collect()
    names = {"internet_use_urban_pct": "urban", "internet_use_rural_pct": "rural"}
    wide = wide.select("month_start", *names)
    rows = wide.unpivot(index="month_start", variable_name="area", value_name="internet_use_pct")
    rows = rows.with_columns(pl.col("area").replace(names))
    with pytest.raises(RefusalError, match=r"1 times have both groups.*'urban': .'2020-12-01'.*not filled in"):
        trend_of_gap(rows, value="internet_use_pct", group="area", time="month_start", rounding=0.1)


def test_the_jump_of_china_in_2023_is_flagged_and_no_growth_is_read_across_it(mirror: Path):
    path = mirror / "gapminder-indicators/gapminder_selected_indicators.csv.gz"
    rows = pl.read_csv(path, schema_overrides={"value": pl.Float64})
    use = rows.filter(pl.col("indicator") == "internet_users")
    china = use.filter(pl.col("geo") == "chn", pl.col("time").is_between(2005, 2024))
    told = jumps(china, value="value", time="time").filter("is_jump")
    assert (2022, 2023) in told.select("from", "to").rows()
    first = declared_breaks("internet_use_itu_pct", place="CHN")["year_after"].to_list()
    assert first == [2023]
    world = use.filter(pl.col("geo").is_in(["chn", "usa"]), pl.col("time").is_between(2015, 2023))
    of = {"value": "value", "group": "geo", "time": "time"}
    parted = trend_of_gap(world, rounding=0.1, breaks=first, **of)
    assert parted.tidy()["to"].max() == 2023
    regimes = parted.tidy().filter(measure="absolute")
    assert regimes["from"].to_list() == [2015, 2023]
    assert regimes.item(1, "note").startswith("one_time")
    plain = trend_of_gap(world, rounding=0.1, **of).tidy().filter(measure="absolute")
    # Across the break China seems to have gained 15 points on the USA in one year.
    assert plain.item(0, "change") < regimes.item(0, "change") - 10


# by hand


def test_a_change_and_its_error_by_hand():
    # Gap 0.2 -> 0.3, se 0.01 each: 0.1 ± 1.959964 · 0.02; ratio 1.5 -> 2: log change by the delta method.
    rows = two([0.6, 0.6], [0.4, 0.3], se=[0.01] * 4)
    told = trend_of_gap(rows, se="se", **OF)
    row = told.tidy().filter(measure="absolute").row(0, named=True)
    assert (row["change"], row["se"], row["lower"]) == pytest.approx((0.1, 0.02, 0.1 - 1.959964 * 0.02))
    relative = told.tidy().filter(measure="relative").row(0, named=True)
    se = 0.01 * np.sqrt(2 / 0.36 + 1 / 0.16 + 1 / 0.09)
    assert relative["change"] == pytest.approx(2 / 1.5 - 1)
    assert relative["upper"] == pytest.approx(np.exp(np.log(2 / 1.5) + 1.959964 * se) - 1)
    assert (told.verdict("absolute"), told.verdict("relative")) == ("widening", "widening")


def test_sizes_give_binomial_errors_that_a_design_effect_widens():
    rows = two([0.5, 0.5], [0.2, 0.2], n=[400, 400, 100, 100])
    # 2 · (0.25/400 + 0.16/100), times 4.
    one, four = (trend_of_gap(rows, n="n", bound=1, design_effect=d, **OF).tidy().item(0, "se") for d in (1.0, 4.0))
    assert one == pytest.approx(np.sqrt(2 * (0.25 / 400 + 0.16 / 100)))
    assert four == pytest.approx(2 * one)
    assert "design_effect_1_assumed" in trend_of_gap(rows, n="n", bound=1, **OF).tidy().item(0, "note")


def test_a_line_through_known_errors_by_hand():
    # Gaps 0.1, 0.2, 0.3 on a line: slope 0.1 a year; sum of squared years 2; se = sqrt(2 · 0.01²/2) = 0.01.
    rows = two([0.5, 0.6, 0.7], [0.4, 0.4, 0.4], se=[0.01] * 6)
    row = trend_of_gap(rows, se="se", estimate="slope", **OF).tidy().row(0, named=True)
    assert (row["change"], row["se"]) == pytest.approx((0.1, 0.01))
    assert row["verdict"] == "widening"


def test_times_that_scatter_more_than_their_errors_widen_the_slope():
    rows = two([0.5, 0.7, 0.5, 0.7, 0.6], [0.4] * 5, se=[0.001] * 10)
    row = trend_of_gap(rows, se="se", estimate="slope", **OF).tidy().row(0, named=True)
    # OLS of 0.1, 0.3, 0.1, 0.3, 0.2: slope 0.02; residuals' sum of squares 0.036: se = sqrt(0.036/3/10).
    assert (row["change"], row["se"]) == pytest.approx((0.02, np.sqrt(0.036 / 30)))
    assert row["verdict"] == "undecidable"


def test_a_gap_that_grows_in_points_may_shrink_as_a_ratio():
    told = trend_of_gap(two([0.2, 0.6], [0.1, 0.4]), rounding=0.01, **OF)
    assert (told.verdict("absolute"), told.verdict("relative")) == ("widening", "narrowing")


# what must hold whatever the values


@few
@given(
    st.lists(st.tuples(shares, shares), min_size=2, max_size=5), st.floats(0.001, 0.05), st.sampled_from(["se", "r"])
)
def test_names_units_and_the_direction_of_time_do_not_matter(pairs, size: float, kind: str):
    a, b = [p for p, _ in pairs], [q for _, q in pairs]
    of = {"se": "se"} if kind == "se" else {"rounding": size}
    plain = trend_of_gap(two(a, b, se=[size] * (2 * len(a))), bound=1.0, **of, **OF)
    swapped = trend_of_gap(two(a, b, se=[size] * (2 * len(a))), bound=1.0, groups=("b", "a"), **of, **OF)
    of = {"se": "se"} if kind == "se" else {"rounding": 100 * size}
    percent = two([100 * v for v in a], [100 * v for v in b], se=[100 * size] * (2 * len(a)))
    scaled = trend_of_gap(percent, bound=100.0, **of, **OF)
    if not np.isclose(np.mean(a), np.mean(b), rtol=1e-9):
        assert plain.tidy()["verdict"].equals(swapped.tidy()["verdict"])
        assert plain.tidy()["verdict"].equals(scaled.tidy()["verdict"])
        back = trend_of_gap(two(a[::-1], b[::-1], se=[size] * (2 * len(a))), bound=1.0,
                            **({"se": "se"} if kind == "se" else {"rounding": size}), **OF)  # fmt: skip
        turn = {"widening": "narrowing", "narrowing": "widening", "undecidable": "undecidable"}
        assert [turn[v] for v in plain.tidy()["verdict"]] == back.tidy()["verdict"].to_list()


@few
@given(st.tuples(shares, shares), st.integers(2, 6))
def test_a_gap_that_stays_is_never_called_otherwise(pair: tuple[float, float], k: int):
    a, b = pair
    for estimate in ("ends", "slope") if k > 2 else ("ends",):
        told = trend_of_gap(two([a] * k, [b] * k, se=[0.01] * (2 * k)), se="se", bound=1.0, estimate=estimate, **OF)
        assert set(told.tidy()["verdict"]) == {"undecidable"}
        assert told.tidy()["change"].to_list() == pytest.approx([0.0] * 3, abs=1e-12)


def test_a_bootstrap_agrees_with_the_delta_method_on_large_samples():
    rows = two([0.6, 0.65, 0.7], [0.4, 0.42, 0.4], n=[2000] * 6)
    for estimate in ("ends", "slope"):
        a, b = (
            trend_of_gap(rows, n="n", bound=1, design_effect=1.0, estimate=estimate, errors=e, **OF).tidy()
            for e in ("delta", "bootstrap")
        )
        assert b["lower"].to_list() == pytest.approx(a["lower"].to_list(), abs=0.02)
        assert b["verdict"].equals(a["verdict"])


def test_a_survey_goes_in_with_its_errors():
    rng = np.random.default_rng(0)
    n = 2000
    rows = pl.DataFrame({
        "year": rng.choice([2018, 2022], n), "area": rng.choice(["town", "rural"], n),
        "village": rng.integers(0, 40, n), "w": rng.uniform(0.5, 2, n),
    })  # fmt: skip
    p = pl.when(area="town").then(pl.when(year=2022).then(0.95).otherwise(0.7)).otherwise(0.5)
    rows = rows.with_columns(online=pl.lit(pl.Series(rng.random(n))) < p)
    means = sv.mean(designed(rows, Design(weight="w", psu="village")), "online", by=["year", "area"])
    told = trend_of_gap(means, value="value", group="area", time="year", se="se", bound=1)
    assert told.verdict("absolute") == "widening"


def test_no_verdict_crosses_a_break():
    rows = two([0.5, 0.5, 0.9, 0.9], [0.4, 0.4, 0.4, 0.4])
    assert trend_of_gap(rows, rounding=0.01, **OF).verdict() == "widening"
    parted = trend_of_gap(rows, rounding=0.01, breaks=[2002], **OF)
    assert parted.verdict() == "undecidable"
    assert parted.tidy().filter(measure="absolute")["regime"].to_list() == [1, 2]
    agreeing = trend_of_gap(two([0.5, 0.6, 0.7, 0.8], [0.4] * 4), rounding=0.01, breaks=[2002], **OF)
    assert agreeing.verdict() == "widening"


def test_groups_that_change_places_get_no_verdict():
    told = trend_of_gap(two([0.5, 0.4], [0.3, 0.5]), rounding=0.01, **OF)
    assert told.verdict() == "undecidable"
    assert "groups_change_places" in told.tidy().item(0, "note")


def test_verdicts_have_their_size_in_a_small_calibration():
    rows = {r.what: r for r in calibration.gap.trends(100, 3)}
    for what, row in rows.items():
        if "ends" in what or "Power" in what:
            assert row.verdict == "within", row
        else:
            assert row.measured <= row.band[1], row


# jumps, convergence, distance


def test_a_steady_series_has_no_jump_and_a_short_one_no_opinion():
    steady = pl.DataFrame({"year": range(10), "y": [1.0, 2.1, 2.9, 4.0, 5.2, 6.0, 6.9, 8.1, 9.0, 10.1]})
    assert not jumps(steady, value="y", time="year")["is_jump"].any()
    assert jumps(steady.head(4), value="y", time="year")["is_jump"].null_count() == 3
    flat = pl.DataFrame({"year": range(8), "y": [1.0, 1, 1, 1, 5, 5, 5, 5]})
    assert jumps(flat, value="y", time="year").filter("is_jump")["to"].to_list() == [4]


def test_where_most_changes_are_alike_the_scale_is_held_to_the_mean_deviation():
    y = np.cumsum([0.0, 0.01, 0.01, 0.02, 0.01, 0.01, 0.03, 0.01, 0.01, 0.04, 0.01])
    told = jumps(pl.DataFrame({"year": range(11), "y": y}), value="y", time="year")
    # Off the median: 0.01, 0.02, 0.03 in three of ten; mean 0.006; scale 0.5 * 1.253314 * 0.006 = 0.00376.
    assert told["score"].max() == pytest.approx(0.03 / (0.5 * 1.253314 * 0.006))


def test_jumps_are_per_year_so_that_a_gap_in_the_series_is_no_jump():
    rows = pl.DataFrame({"year": [0, 1, 2, 3, 4, 10], "y": [0.0, 1.0, 2.1, 3.0, 4.1, 10.0]})
    assert not jumps(rows, value="y", time="year")["is_jump"].any()


def test_places_that_close_the_same_share_of_the_way_converge_at_the_speed_they_were_given():
    # ln y_T = (1 - e^(-λT)) ln y* + e^(-λT) ln y_0 exactly: β = -(1 - e^(-λT))/T.
    rate, span = 0.03, 20
    start = np.exp(np.linspace(1, 4, 12))
    end = np.exp(np.exp(-rate * span) * np.log(start) + (1 - np.exp(-rate * span)) * 4)
    rows = pl.DataFrame({"p": [*range(12)] * 2, "t": [2000] * 12 + [2020] * 12, "y": [*start, *end]})
    told = beta_convergence(rows, value="y", place="p", time="t").row(0, named=True)
    assert told["beta"] == pytest.approx(-(1 - np.exp(-rate * span)) / span)
    assert told["speed_per_year"] == pytest.approx(rate)
    assert told["half_life_years"] == pytest.approx(np.log(2) / rate)
    assert told["verdict"] == "converging"


def test_noise_about_equal_growth_is_no_convergence():
    rng = np.random.default_rng(1)
    start = np.exp(rng.normal(3, 1, 60))
    rows = pl.DataFrame({"p": [*range(60)] * 2, "t": [0] * 60 + [10] * 60,
                         "y": [*start, *(start * np.exp(rng.normal(0.2, 0.1, 60)))]})  # fmt: skip
    assert beta_convergence(rows, value="y", place="p", time="t").item(0, "verdict") == "undecidable"
    assert sigma_convergence(rows, value="y", place="p", time="t").item(1, "verdict") == "undecidable"


def test_the_spread_counts_places_with_all_times_only():
    rows = pl.DataFrame({
        "p": list("abcd") * 2 + ["new"], "t": [0] * 4 + [1] * 4 + [1],
        "y": [1.0, 2, 4, 8, 4, 5, 6, 8, 1000.0],
    })  # fmt: skip
    told = sigma_convergence(rows, value="y", place="p", time="t")
    assert told.item(0, "sd_log") == pytest.approx(np.log(2) * np.std([0, 1, 2, 3], ddof=1))
    assert told["n"].to_list() == [4, 4]
    assert told["n_left_out"].to_list() == [1, 1]
    assert told["verdict"].to_list() == [None, "converging"]


def test_years_behind_by_hand_and_none_where_the_series_does_not_reach():
    rows = pl.DataFrame({
        "t": [2000, 2010, 2020, 2005, 2012, 2020], "g": ["lead"] * 3 + ["lag"] * 3, "y": [20.0, 40, 80, 10, 30, 60],
    })  # fmt: skip
    told = time_distance(rows, value="y", group="g", time="t", groups=("lead", "lag"), rounding=2.0)
    # 30 stood in 2005, 60 in 2015.
    assert told["years_behind"].to_list() == [None, 7.0, 5.0]
    assert told["note"].to_list() == ["before_series", None, None]
    # 30 ± 1 against a curve ± 1 rising 2 a year: a year earlier or later; 60 at 4 a year: half a year.
    assert told.select("lower", "upper").rows()[1:] == [pytest.approx((6.0, 8.0)), pytest.approx((4.5, 5.5))]
    turned = time_distance(rows, value="y", group="g", time="t", groups=("lag", "lead"))
    assert turned["note"].to_list() == [None, None, "beyond_series"]


# shares of none and of all, and few people behind a share


def test_a_share_of_none_leaves_the_difference_its_verdict_and_the_ratio_none():
    # 60 + years: 0 % at first. The difference 0.5 -> 0.3 is told, 0.5/0 is not.
    told = trend_of_gap(two([0.5, 0.6], [0.0, 0.3]), rounding=0.01, **OF)
    assert (told.verdict("absolute"), told.verdict("relative")) == ("narrowing", "undecidable")
    row = told.tidy().filter(measure="relative").row(0, named=True)
    assert [row[c] for c in ("first_gap", "change", "lower", "upper")] == [None] * 4
    assert row["note"] == "value_at_zero; rounding_only"
    assert not told.contradicts("widening", "relative")
    assert told.gaps["relative"].to_list() == [None, 2.0]
    # Between the ends a 0 says nothing about them.
    between = trend_of_gap(two([0.5, 0.5, 0.6], [0.2, 0.0, 0.3]), rounding=0.01, **OF)
    assert between.verdict("relative") == "narrowing"  # 2.5 -> 2


def test_a_share_of_all_leaves_nothing_lacking_to_compare():
    told = trend_of_gap(two([0.9, 1.0], [0.4, 0.5]), rounding=0.01, bound=1, **OF)
    assert told.tidy().filter(measure="relative_shortfall").item(0, "note") == "value_at_bound; rounding_only"
    assert told.verdict("relative") == "narrowing"  # 2.25 -> 2


@pytest.mark.parametrize(
    ("one", "other", "lower", "upper"),
    [((5, 56), (0, 29), -0.0381, 0.1926), ((0, 10), (0, 20), -0.1611, 0.2775), ((0, 10), (0, 10), -0.2775, 0.2775),
     ((10, 10), (0, 20), 0.6791, 1.0)],
)  # fmt: skip
def test_few_cases_have_the_interval_of_newcombes_table(one, other, lower: float, upper: float):
    # Newcombe (1998), Statistics in Medicine 17, 873-890, table II, method 10: with group a known to 1 in a million the
    # change of the gap is the share of b at first less that at last.
    rows = two([0.5, 0.5], [one[0] / one[1], other[0] / other[1]], n=[10**12, 10**12, one[1], other[1]])
    row = trend_of_gap(rows, n="n", bound=1, design_effect=1.0, groups=("a", "b"), **OF).tidy().row(0, named=True)
    change = one[0] / one[1] - other[0] / other[1]
    sign = 1 if rows.filter(g="b")["y"].mean() <= 0.5 else -1
    assert sign * row["change"] == pytest.approx(change, abs=1e-12)
    ends = sorted([sign * row["lower"], sign * row["upper"]])
    assert ends == pytest.approx([lower, upper], abs=5e-5)
    assert "few_cases" in row["note"]


def test_few_cases_scaled_by_a_design_effect_and_in_percent_are_the_same_few():
    share = two([0.5, 0.5], [0.02, 0.04], n=[400] * 4)
    percent = share.with_columns(pl.col("y") * 100).rename({"y": "use_pct"})
    a = trend_of_gap(share, n="n", bound=1, design_effect=2.0, **OF).tidy().row(0, named=True)
    b = trend_of_gap(percent, n="n", bound=100, design_effect=2.0, value="use_pct", group="g", time="year").tidy()
    assert "few_cases" in a["note"]  # 400 / 2 · 0.02 = 4
    assert b.select("change", "se", "lower", "upper").row(0) == pytest.approx(
        [100 * a[c] for c in ("change", "se", "lower", "upper")]
    )
    assert "few_cases" not in trend_of_gap(share, n="n", bound=1, design_effect=1.0, **OF).tidy().item(0, "note")


def test_an_error_of_nothing_beside_a_share_of_none_is_no_certainty():
    rows = two([0.5, 0.6], [0.0, 0.3], se=[0.01, 0.01, 0.0, 0.01])
    told = trend_of_gap(rows, se="se", **OF)
    row = told.tidy().filter(measure="absolute").row(0, named=True)
    assert (row["verdict"], row["change"]) == ("undecidable", None)
    assert row["note"].startswith("share_at_bound")
    with pytest.raises(RefusalError, match="a bootstrap draws nothing else"):
        trend_of_gap(rows, se="se", errors="bootstrap", **OF)


def test_breaks_may_be_dates_or_clocks_whatever_the_times_are():
    days = [dt.date(2000, 1, 1), dt.date(2001, 1, 1), dt.date(2002, 1, 1), dt.date(2003, 1, 1)] * 2
    rows = two([0.5, 0.6, 0.7, 0.9], [0.4] * 4).with_columns(year=pl.Series(days))
    clocks = rows.with_columns(pl.col("year").cast(pl.Datetime("us")))
    for frame in (rows, clocks, clocks.with_columns(pl.col("year").dt.replace_time_zone("Asia/Shanghai"))):
        for first in (dt.date(2002, 1, 1), dt.datetime(2001, 7, 1, 12)):
            table = trend_of_gap(frame, rounding=0.01, breaks=[first], **OF).tidy().filter(measure="absolute")
            assert table["n_times"].to_list() == [2, 2]


def test_a_declared_break_goes_in_beside_dates_too():
    # CNNIC's base moved between December 2020 and December 2021: within either base nothing is left to decide.
    first = declared_breaks("internet_use_pct", place="CHN")["year_after"].to_list()
    assert first == [2021]
    told = trend_of_gap(CNNIC, rounding=0.1, breaks=first, **USE).tidy().filter(measure="absolute")
    assert told["to"].to_list() == [dt.date(2020, 12, 1), dt.date(2021, 12, 1)]
    assert told["n_times"].to_list() == [2, 1]


# how far behind, and how surely


LINE = {"value": "y", "group": "g", "time": "t", "groups": ("lead", "lag")}


def line(lead: dict[float, float], lag: dict[float, float], **more: object) -> pl.DataFrame:
    g = ["lead"] * len(lead) + ["lag"] * len(lag)
    return pl.DataFrame({"t": [*lead, *lag], "g": g, "y": [*lead.values(), *lag.values()], **more})


def test_the_interval_of_years_behind_by_hand():
    # Leader 20 -> 60 in ten years, se 1; 40 stood in 2005. s years off, the line is 4 s off and its variance
    # (1-w)² + w² = 1/2 + 2 (s/10)²: 16 s² = z² (3/2 + s²/50).
    rows = line({2000: 20.0, 2010: 60.0}, {2015: 40.0}, se=[1.0] * 3)
    told = time_distance(rows, se="se", **LINE).row(0, named=True)
    z = 1.959963984540054
    s = np.sqrt(1.5 * z**2 / (16 - z**2 / 50))
    assert (told["years_behind"], told["lower"], told["upper"]) == pytest.approx((10.0, 10 - s, 10 + s))
    # With rounding of 0.2 both values may be 0.1 off: 4 s = 0.2 + z sqrt(...), solved here by bisection.
    low, high = 0.0, 5.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if 4 * middle < 0.2 + z * np.sqrt(1.5 + middle**2 / 50) else (low, middle)
    told = time_distance(rows, se="se", rounding=0.2, **LINE).row(0, named=True)
    assert (told["lower"], told["upper"]) == pytest.approx((10 - low, 10 + low))


def test_errors_that_vanish_leave_the_interval_of_rounding():
    rows = line({2000: 20.0, 2010: 40.0, 2020: 80.0}, {2005: 10.0, 2012: 30.0, 2020: 60.0}, se=[0.0] * 6)
    plain, both = (time_distance(rows, rounding=2.0, **LINE, **of) for of in ({}, {"se": "se"}))
    assert both.select("lower", "upper").rows() == plain.select("lower", "upper").rows()


def test_a_side_that_the_series_does_not_close_stays_open():
    rows = line({2000: 20.0, 2010: 60.0}, {2011: 20.5, 2012: 59.5, 2013: 10.0, 2014: 90.0}, se=[1.0] * 6)
    told = time_distance(rows, se="se", **LINE)
    # 20.5 may have stood before 2000, 59.5 may never have been reached; 10 stood before 2000 for sure, so more than 13
    # years ago; 90 was not there in 2010 yet, so that whoever is ahead is so by 4 years at least.
    assert [v is None for v in told["upper"]] == [True, False, True, False]
    assert [v is None for v in told["lower"]] == [False, True, False, True]
    assert (told.item(2, "lower"), told.item(3, "upper")) == (13.0, 4.0)
    assert told["note"].to_list() == [None, None, "before_series", "beyond_series"]


def test_levels_that_lie_apart_in_time_are_all_held_and_noted():
    # Up to 60, down to 20, up again to 80: 40 stood in 2005, 2015 and 2023.3.
    rows = line({2000: 20.0, 2010: 60.0, 2020: 20.0, 2030: 80.0}, {2031: 40.0}, se=[0.5] * 5)
    told = time_distance(rows, se="se", **LINE).row(0, named=True)
    assert told["years_behind"] == 26.0
    assert told["note"] == "several_times"
    assert told["lower"] < 31 - 23.33 < 26 < told["upper"] < 26.5
    # Known to their rounding, the first crossing is the one, and the later ones do not matter.
    told = time_distance(rows, rounding=1.0, **LINE).row(0, named=True)
    assert (told["lower"], told["upper"], told["note"]) == (25.75, 26.25, None)


def test_years_behind_are_held_as_often_as_the_interval_says():
    # A line that rises by 2 a year, read each 2 years with an error of 3; the level 50 stood at 2010. 300 draws: at .95
    # fewer than 272 hits have a chance below 1 in 1,000, and more than 297 as well.
    rng = np.random.default_rng(8)
    years_of, hits = np.arange(2000, 2022, 2), 0
    truth = 2015 - 2010
    for _ in range(300):
        lead = dict(zip(years_of.tolist(), 30 + 2 * (years_of - 2000) + rng.normal(0, 3, 11), strict=True))
        rows = line(lead, {2015: 50 + rng.normal(0, 3)}, se=[3.0] * 12)
        row = time_distance(rows, se="se", **LINE).row(0, named=True)
        low, high = (o if row[c] is None else row[c] for c, o in (("lower", -np.inf), ("upper", np.inf)))
        hits += low <= truth <= high
    assert hits >= 272


def test_sizes_of_samples_give_the_errors_of_shares():
    rows = line({2000: 0.2, 2010: 0.6}, {2015: 0.4}, n=[400, 400, 100])
    a = time_distance(rows, n="n", bound=1, design_effect=4.0, **LINE)
    se = [np.sqrt(4 * p * (1 - p) / n) for p, n in ((0.2, 400), (0.6, 400), (0.4, 100))]
    b = time_distance(rows.with_columns(se=pl.Series(se)), se="se", **LINE)
    assert a.select("lower", "upper").row(0) == pytest.approx(b.select("lower", "upper").row(0))
    few = time_distance(rows.with_columns(n=10), n="n", bound=1, **LINE)
    assert "few_cases" in few.item(0, "note")


def test_a_level_is_not_looked_for_across_a_break():
    rows = line({2000: 20.0, 2010: 60.0, 2020: 90.0}, {2008: 30.0, 2015: 50.0})
    assert time_distance(rows, **LINE)["years_behind"].to_list() == [5.5, 7.5]
    parted = time_distance(rows, breaks=[2012], **LINE)
    assert parted["years_behind"].to_list() == [5.5, None]
    assert parted["note"].to_list() == [None, "before_series"]
    assert time_distance(rows, breaks=[2005, 2009], **LINE)["note"].to_list() == ["no_series", "before_series"]


def test_a_distance_that_cannot_be_told_is_refused():
    rows = line({2000: 20.0, 2010: 60.0}, {2015: 40.0}, se=[1.0, None, 1.0])
    with pytest.raises(DataError, match="1 values of 'se' are missing"):
        time_distance(rows, se="se", **LINE)
    with pytest.raises(DataError, match="'lead' has 1 value; the group ahead needs two"):
        time_distance(rows.tail(2), **LINE)
    with pytest.raises(DataError, match="are not two different values of 'g'"):
        time_distance(rows, **LINE | {"groups": ("lead", "behind")})
    with pytest.raises(DataError, match="several rows at one 't'"):
        time_distance(pl.concat([rows] * 2), **LINE)
    with pytest.raises(SchemaError, match="'note' has the name of a column of the result"):
        time_distance(rows.rename({"y": "note"}), **LINE | {"value": "note"})
    with pytest.raises(SchemaError, match="name se= or n=, not both"):
        time_distance(rows, se="se", n="t", bound=1, **LINE)


# what is refused


@pytest.mark.parametrize(
    ("of", "error", "message"),
    [
        ({}, RefusalError, "nothing says how sure these values are"),
        ({"rounding": 0}, RangeError, "rounding is 0"),
        ({"n": "n"}, SchemaError, "bound=1, or bound=100"),
        ({"n": "n", "se": "se"}, SchemaError, "name se= or n=, not both"),
        ({"rounding": 0.1, "errors": "bootstrap"}, RefusalError, "rounding alone has no distribution"),
        ({"rounding": 0.1, "bound": 0.5}, DataError, r"reaches 0\.6, the bound is 0\.5"),
        ({"rounding": 0.1, "breaks": [dt.date(2001, 1, 1)]}, SchemaError, "is not of the kind of the times"),
        ({"rounding": 0.1, "breaks": ["2001"]}, SchemaError, "is not of the kind of the times"),
        ({"rounding": 0.1, "breaks": [float("nan")]}, SchemaError, "is not of the kind of the times"),
        ({"rounding": 0.1, "breaks": 2001}, SchemaError, r"breaks is 2001; expected a list .* \[2001\]"),
        ({"rounding": "0.1"}, RangeError, "rounding is '0.1'; expected a number"),
        ({"rounding": 0.1, "bound": float("inf")}, RangeError, "bound is inf"),
        ({"rounding": 0.01, "bound": 100}, DataError, r"reaches 0\.6 only, the bound is 100. Shares have bound=1"),
        ({"rounding": 0.1, "groups": ("a", "c")}, DataError, "are not two different values"),
        ({"rounding": 2.0}, DataError, r"no value of 'y' is larger than its rounding, 2\.0"),
        ({"se": "se", "estimate": "trend"}, UnknownNameError, "Unknown estimate 'trend'"),
    ],
)
def test_a_question_that_cannot_be_answered_is_told(of: dict, error: type[Exception], message: str):
    rows = two([0.6, 0.6], [0.4, 0.3], se=[0.01] * 4, n=[100] * 4)
    with pytest.raises(error, match=message):
        trend_of_gap(rows, **of, **OF)


def test_values_that_cannot_be_are_told():
    with pytest.raises(DataError, match=r"goes from -0\.1 to 0\.6; expected 0 or more"):
        trend_of_gap(two([0.6, 0.6], [-0.1, 0.3]), rounding=0.01, **OF)
    with pytest.raises(DataError, match=r"reaches 60\.0, the bound is 1\. Percent have bound=100"):
        trend_of_gap(two([60.0, 60.0], [40.0, 30.0]), rounding=0.1, bound=1, **OF)
    with pytest.raises(DataError, match="1 values of 'se' are missing, infinite or below 0, the first inf"):
        trend_of_gap(two([0.6, 0.6], [0.4, 0.3], se=[0.1, 0.1, 0.1, float("inf")]), se="se", **OF)
    with pytest.raises(DataError, match="2 rows have no 'year'"):
        trend_of_gap(two([0.6, 0.6], [0.4, 0.3]).with_columns(year=pl.Series([0.0, np.nan] * 2)), rounding=0.01, **OF)
    with pytest.raises(SchemaError, match="'y' is named twice"):
        trend_of_gap(two([0.6, 0.6], [0.4, 0.3]), rounding=0.01, value="y", group="g", time="y")
    for of in (jumps, beta_convergence, sigma_convergence):
        rows = pl.DataFrame({"p": [*"abcd"] * 2, "year": [0] * 4 + [1] * 4, "y": [1.0, 2, 3, 4, 5, 6, 7, np.inf]})
        with pytest.raises(DataError, match="holds infinite values"):
            of(rows, value="y", time="year", **({"by": "p"} if of is jumps else {"place": "p"}))
    with pytest.raises(DataError, match="has 2 rows at 2000"):
        trend_of_gap(pl.concat([two([0.6, 0.6], [0.1, 0.3])] * 2), rounding=0.01, **OF)
    percent = two([60.0, 61.0], [40.0, 41.0]).rename({"y": "use_share"})
    with pytest.raises(DataError, match=r"is a share by its name, but reaches 61\.0"):
        trend_of_gap(percent, value="use_share", group="g", time="year", rounding=0.1)
    with pytest.raises(SchemaError, match="Times are String"):
        trend_of_gap(two([0.6, 0.6], [0.1, 0.3]).cast({"year": pl.String}), rounding=0.01, **OF)
    with pytest.raises(RefusalError, match="3 places have both times"):
        beta_convergence(pl.DataFrame({"p": [1, 2, 3] * 2, "t": [0] * 3 + [1] * 3, "y": [1.0] * 6}), value="y",
                         place="p", time="t")  # fmt: skip
    with pytest.raises(UnknownNameError, match="Unknown measure of the gap 'ratio'"):
        trend_of_gap(two([0.6, 0.6], [0.1, 0.3]), rounding=0.01, **OF).verdict("ratio")
    with pytest.raises(UnknownNameError, match="Unknown series with declared breaks 'x'"):
        declared_breaks("x")


def test_every_break_is_declared_with_its_source():
    table = trend.tables.read(trend.BREAKS)
    assert (table["year_before"] < table["year_after"]).all()
    assert table.select(pl.col("note_en", "source").is_null().any()).row(0) == (False, False)
