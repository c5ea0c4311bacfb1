from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citylab.errors import DataError, RangeError, RefusalError, SchemaError, UnknownNameError
from citylab.stats import survey as sv
from citylab.stats.survey import NO_DESIGN, Design, Designed, designed

few = settings(max_examples=25, deadline=None)
MARGINS = {"stype": {"E": 4421, "H": 755, "M": 1018}, "sch.wide": {"No": 1072, "Yes": 5122}}


@pytest.fixture(scope="module")
def schools(mirror: Path) -> Designed:
    """183 schools in 15 districts of California, drawn by district (R package survey, apiclus1)."""
    path = mirror / "reference/survey_api/apiclus1.csv"
    rows = pl.read_csv(path, null_values="NA", infer_schema_length=None)
    return designed(rows, Design(weight="pw", psu="dnum", fpc="fpc"))


def one(table: pl.DataFrame, *columns: str) -> tuple:
    return table.select(columns).row(0)


def clustered(seed: int = 0, strata: int = 4, psus: int = 5, size: int = 6) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    n = strata * psus * size
    village = np.repeat(np.arange(strata * psus), size)
    return pl.DataFrame({
        "region": village // psus, "village": village, "w": rng.uniform(0.5, 3, n), "x": rng.normal(size=n),
        "y": rng.normal(size=n) + rng.normal(size=strata * psus)[village],
        "area": rng.choice(["town", "rural", "edge"], n), "online": rng.integers(0, 2, n).astype(bool),
    })  # fmt: skip


FULL = Design(weight="w", strata="region", psu="village")

# published results


def test_the_unraked_mean_of_the_schools(schools: Designed):
    # R survey, tests/rakecheck.Rout.save: 644.1693989, SE 23.542241.
    assert one(sv.mean(schools, "api00"), "value", "se") == pytest.approx((644.1693989, 23.542241), abs=1e-5)


def test_raking_meets_the_published_weights_mean_and_total(schools: Designed):
    raked = sv.calibrate(schools, MARGINS)
    cells = raked.frame.group_by("stype", "sch.wide").agg(pl.col("weight_calibrated").first(), n=pl.len()).collect()
    told = {(s, w): (v, n) for s, w, v, n in cells.rows()}
    published = {
        ("E", "No"): (39.83923625, 12), ("H", "No"): (67.12552924, 3), ("M", "No"): (49.06907216, 8),
        ("E", "Yes"): (29.87067549, 132), ("H", "Yes"): (50.32940112, 11), ("M", "Yes"): (36.79102486, 17),
    }  # fmt: skip
    for cell, (weight, n) in published.items():
        assert told[cell] == (pytest.approx(weight, abs=1e-5), n)
    assert one(sv.mean(raked, "api00"), "value", "se") == pytest.approx((641.230320927, 23.70361689), abs=1e-5)
    total, se = one(sv.total(raked, "enroll"), "value", "se")
    assert total == pytest.approx(3647280.148, abs=1e-2)
    assert se == pytest.approx(400603, abs=1)


def test_raked_jackknife_replicates_meet_the_published_error(schools: Designed):
    raked = sv.calibrate(sv.replicated(schools, "jk1"), MARGINS)
    assert one(sv.mean(raked, "api00"), "value", "se") == pytest.approx((641.2303209, 26.874), abs=1e-3)


def test_independence_meets_the_published_test_of_rao_and_scott(schools: Designed):
    # r-survey.r-forge.r-project.org/survey/example-chisq.html: F = 5.1934, ndf = 1.495, ddf = 20.925, p = 0.02175.
    told = sv.independence(schools, "sch.wide", "stype")
    assert (told.statistic, told.df1, told.df2, told.p_value) == pytest.approx(
        (5.1934, 1.495, 20.925, 0.02175), rel=3e-4
    )
    assert told.pearson == pytest.approx(11.9409, abs=1e-4)


# by hand


def test_a_stratified_cluster_mean_by_hand():
    # Equal weights, ȳ = 3. u = (sum of y - 3) / 8 by village: region 1: (1+3-6)/8 = -1/4, (2+2-6)/8 = -1/4;
    # region 2: (4+6-6)/8 = 1/2, (3+3-6)/8 = 0. V = 2 · [0 + 2 · (1/4)²] = 1/4, df = 4 - 2.
    rows = pl.DataFrame({
        "r": [1, 1, 1, 1, 2, 2, 2, 2], "v": [1, 1, 2, 2, 1, 1, 2, 2], "y": [1.0, 3, 2, 2, 4, 6, 3, 3]
    })  # fmt: skip
    told = sv.mean(designed(rows, Design(strata="r", psu="v")), "y")
    assert one(told, "value", "se", "df", "n") == (3.0, 0.5, 2, 8)
    # With 4 villages in each region's population, half of it is known: V · (1 - 2/4).
    known = designed(rows.with_columns(big=4), Design(strata="r", psu="v", fpc="big"))
    assert sv.mean(known, "y").item(0, "se") == pytest.approx(np.sqrt(0.125))


def test_a_ratio_and_its_error_by_hand():
    # r = 6/12; u = (x - r z)/12 = (0, 1, -1)/12; V = 3/2 · 2/144.
    rows = pl.DataFrame({"x": [1.0, 3, 2], "z": [2.0, 4, 6]})
    told = sv.ratio(rows, "x", "z", design=NO_DESIGN)
    assert one(told, "value", "se") == pytest.approx((0.5, np.sqrt(3 / 144)))


def test_independent_rows_have_the_textbook_error_and_no_design_effect():
    y = np.random.default_rng(1).normal(size=50)
    told = sv.mean(pl.DataFrame({"y": y}), "y", design=NO_DESIGN)
    assert one(told, "value", "se") == pytest.approx((y.mean(), y.std(ddof=1) / np.sqrt(50)))
    assert one(told, "design_effect", "n_effective") == pytest.approx((1, 50))


def test_copies_of_rows_within_a_village_add_no_knowledge():
    rows = clustered()
    thrice = pl.concat([rows] * 3)
    a, b = (one(sv.mean(designed(r, FULL), "y"), "value", "se") for r in (rows, thrice))
    assert a == pytest.approx(b)
    assert sv.mean(designed(thrice, FULL), "y").item(0, "n") == 3 * rows.height


def test_a_design_effect_is_the_number_of_copies_when_villages_are_of_one_mind():
    # 10 villages whose 4 rows say the same: V = s_v²/10 with divisor 9; independent rows: s²/40 with divisor 39.
    v = np.random.default_rng(2).normal(size=10)
    rows = pl.DataFrame({"v": np.repeat(np.arange(10), 4), "y": np.repeat(v, 4)})
    expected = (v.var() / 9) / (v.var() / 39)
    assert sv.mean(designed(rows, Design(psu="v")), "y").item(0, "design_effect") == pytest.approx(expected)


# what must hold whatever the values


@few
@given(st.integers(0, 10**6), st.floats(0.01, 1e6))
def test_the_scale_of_the_weights_matters_to_totals_only(seed: int, scale: float):
    rows = clustered(seed)
    more = rows.with_columns(pl.col("w") * scale)
    a, b = (sv.mean(designed(r, FULL), "y", by="area") for r in (rows, more))
    assert a["se"].to_list() == pytest.approx(b["se"].to_list(), rel=1e-9)
    a, b = (sv.total(designed(r, FULL), "y") for r in (rows, more))
    assert b.item(0, "se") == pytest.approx(scale * a.item(0, "se"), rel=1e-9)


@few
@given(st.integers(0, 10**6), st.randoms())
def test_the_order_of_the_rows_and_the_engine_do_not_matter(seed: int, random):
    rows = clustered(seed)
    at = list(range(rows.height))
    random.shuffle(at)
    a = sv.mean(designed(rows, FULL), ["y", "online"], by="area")
    b = sv.mean(designed(rows[at].lazy(), FULL), ["y", "online"], by="area")
    assert a.select("area", "variable", "n", "df").equals(b.select("area", "variable", "n", "df"))
    for c in ("value", "se", "design_effect"):
        assert a[c].to_list() == pytest.approx(b[c].to_list(), rel=1e-9)


@few
@given(st.integers(0, 10**6))
def test_the_mean_is_the_regression_on_nothing_and_the_jackknife_of_a_total_is_exact(seed: int):
    s = designed(clustered(seed), FULL)
    flat = s.with_columns(one=pl.lit(1.0))
    by_ratio = one(sv.ratio(flat, "y", "one"), "value", "se")
    assert one(sv.mean(s, "y"), "value", "se") == pytest.approx(by_ratio)
    # A total is linear, so leaving out one PSU at a time gives the linearised variance itself.
    linear, jack = (one(sv.total(q, "y"), "value", "se") for q in (s, sv.replicated(s, "jkn")))
    assert jack == pytest.approx(linear)


@few
@given(st.integers(0, 10**6))
def test_half_samples_of_a_total_give_the_linearised_variance(seed: int):
    # Full orthogonal balance: BRR and Fay's method are exact for what is linear.
    s = designed(clustered(seed, strata=5, psus=2), FULL)
    linear = one(sv.total(s, "y"), "value", "se")
    assert one(sv.total(sv.replicated(s, "brr"), "y"), "value", "se") == pytest.approx(linear)
    assert one(sv.total(sv.replicated(s, "fay", rho=0.3), "y"), "value", "se") == pytest.approx(linear)


def test_rescaled_bootstrap_weights_are_unbiased_for_the_linearised_variance():
    s = designed(clustered(3), FULL)
    linear = sv.mean(s, "y").item(0, "se")
    drawn = sv.mean(sv.replicated(s, "bootstrap", count=2000, seed=1), "y").item(0, "se")
    assert drawn == pytest.approx(linear, rel=0.06)  # 1/sqrt(2 · 2000) = 1.6 % of Monte Carlo, four times that


def test_a_domain_keeps_the_villages_that_have_no_one_in_it():
    rows = clustered(4)
    old = designed(rows, FULL).where(pl.col("village") % 5 < 3)
    filtered = designed(rows.filter(pl.col("village") % 5 < 3), FULL)
    assert one(sv.mean(old, "y"), "value", "n") == pytest.approx(one(sv.mean(filtered, "y"), "value", "n"))
    # By hand: influences are 0 in the villages outside, which still count among the 5 of their region.
    inside = rows.filter(pl.col("village") % 5 < 3)
    mean, whole = (inside["w"] * inside["y"]).sum() / inside["w"].sum(), inside["w"].sum()
    u = rows.with_columns(
        z=pl.when(pl.col("village") % 5 < 3).then(pl.col("w") * (pl.col("y") - mean) / whole).otherwise(0)
    )
    t = u.group_by("region", "village").agg(pl.col("z").sum())
    v = t.group_by("region").agg(v=5 / 4 * ((pl.col("z") - pl.col("z").mean()) ** 2).sum())["v"].sum()
    assert sv.mean(old, "y").item(0, "se") == pytest.approx(np.sqrt(v))
    assert sv.mean(filtered, "y").item(0, "se") != pytest.approx(np.sqrt(v), rel=1e-3)


def test_shares_of_categories_add_up_and_mirror_each_other():
    told = sv.proportion(designed(clustered(5), FULL), "area", by="region")
    assert told.group_by("region").agg(pl.col("value").sum())["value"].to_list() == pytest.approx([1.0] * 4)
    two = sv.proportion(designed(clustered(5), FULL), "online")
    assert two["se"][0] == pytest.approx(two["se"][1])
    assert two["lower"][0] == pytest.approx(1 - two["upper"][1])
    table = sv.crosstab(designed(clustered(5), FULL), "region", "area")
    assert table.select("region", "area").rows() == told.select("region", "category").rows()
    assert table["value"].to_list() == pytest.approx(told["value"].to_list())


def test_a_regression_without_design_has_the_sandwich_error_of_statsmodels():
    import statsmodels.api as sm

    rows = clustered(6)
    for model, outcome in (("ols", "y"), ("logit", "online"), ("probit", "online")):
        told = sv.regression(rows, outcome, ["x", "area"], model=model, design=NO_DESIGN)
        x = np.column_stack([np.ones(rows.height), rows["x"], rows["area"] == "rural", rows["area"] == "town"])
        y = rows[outcome].cast(float).to_numpy()
        links = {"logit": sm.families.links.Logit(), "probit": sm.families.links.Probit()}
        if model == "ols":
            peer = sm.OLS(y, x).fit(cov_type="HC0")
        else:
            peer = sm.GLM(y, x, family=sm.families.Binomial(links[model])).fit(cov_type="HC0", tol=1e-12)
        n = rows.height
        assert told["term"].to_list() == ["constant", "x", "area: rural", "area: town"]
        assert told["value"].to_list() == pytest.approx(list(peer.params), rel=1e-6)
        assert told["se"].to_list() == pytest.approx(list(peer.bse * np.sqrt(n / (n - 1))), rel=1e-6)


def test_a_regression_on_clusters_has_the_error_of_statsmodels_clusters():
    import statsmodels.api as sm

    rows = clustered(7)
    told = sv.regression(designed(rows, Design(weight="w", psu="village")), "y", "x")
    x = sm.add_constant(rows["x"].to_numpy())
    peer = sm.WLS(rows["y"].to_numpy(), x, weights=rows["w"].to_numpy()).fit(
        cov_type="cluster", cov_kwds={"groups": rows["village"].to_numpy(), "use_correction": False}
    )
    assert told["se"].to_list() == pytest.approx(list(peer.bse * np.sqrt(20 / 19)))
    assert told["df"].to_list() == [18, 18]  # 20 villages - 1 stratum + 1 - 2 terms


def test_means_of_groups_are_the_regression_on_the_groups():
    s = designed(clustered(8), FULL)
    by = sv.mean(s, "y", by="area").sort("area")["value"].to_list()
    told = sv.regression(s, "y", "area")["value"].to_list()
    assert [told[0], told[0] + told[1], told[0] + told[2]] == pytest.approx(by)


def test_a_quantile_is_a_value_of_the_sample_and_its_interval_that_of_the_share():
    rows = pl.DataFrame({"y": np.arange(1.0, 101)})
    told = sv.quantile(rows, "y", [0.25, 0.5], design=NO_DESIGN)
    assert told["value"].to_list() == [25.0, 50.0]
    # Woodruff: se of the share at the median = sqrt(0.25/99), t(99) = 1.98422: 0.5 ± 0.09971 -> 41st and 60th value.
    assert one(told.filter(probability=0.5), "lower", "upper") == (41.0, 60.0)


def test_weights_weigh_in_a_quantile():
    rows = pl.DataFrame({"y": [1.0, 2.0, 3.0], "w": [1.0, 1.0, 6.0]})
    assert sv.quantile(designed(rows, Design(weight="w")), "y").item(0, "value") == 3.0


def test_intervals_of_shares_stay_between_0_and_1_and_hold_at_the_bound():
    # Clopper and Pearson for 0 of 20: upper = 1 - 0.025^(1/20) = 0.16843.
    rows = pl.DataFrame({"y": [0] * 20})
    for interval in ("korn-graubard", "logit"):
        told = sv.mean(rows, "y", design=NO_DESIGN, interval=interval)
        assert one(told, "lower", "upper") == pytest.approx((0.0, 1 - 0.025 ** (1 / 20)))
    assert "share_at_bound" in told.item(0, "note")
    # Logit by hand: p = 0.1, se² = 0.09/99: logit(0.1) ± t(99) · se/0.09.
    rows = pl.DataFrame({"y": [1] * 10 + [0] * 90})
    half = 1.9842169515 * np.sqrt(0.09 / 99) / 0.09
    expected = [1 / (1 + np.exp(-(np.log(1 / 9) + s * half))) for s in (-1, 1)]
    told = sv.mean(rows, "y", design=NO_DESIGN, interval="logit")
    assert one(told, "lower", "upper") == pytest.approx(expected)


def test_calibration_meets_its_margins_and_leaves_a_calibrated_count_no_error():
    s = designed(clustered(9), FULL)
    margins = {"area": {"town": 500, "rural": 300, "edge": 200}, "region": {0: 250, 1: 250, 2: 300, 3: 200}}
    for method in ("raking", "linear"):
        fit = sv.calibrate(s, margins, method=method)
        for c, wanted in margins.items():
            got = fit.frame.group_by(c).agg(pl.col("weight_calibrated").sum()).collect()
            assert dict(got.rows()) == pytest.approx(wanted)
        counted = sv.total(fit.with_columns(town=(pl.col("area") == "town").cast(float)), "town")
        assert one(counted, "value", "se") == pytest.approx((500, 0), abs=1e-6)


def test_raking_to_margins_that_hold_already_changes_no_weight():
    s = designed(clustered(10), FULL)
    now = dict(s.frame.group_by("area").agg(pl.col("w").sum()).collect().rows())
    fit = sv.calibrate(s, {"area": now})
    assert fit.frame.select((pl.col("weight_calibrated") - pl.col("w")).abs().max()).collect().item() < 1e-9


def test_linear_calibration_to_one_margin_is_poststratification_as_raking_is():
    s = designed(clustered(11), FULL)
    margins = {"area": {"town": 500, "rural": 300, "edge": 200}}
    a, b = (one(sv.mean(sv.calibrate(s, margins, method=m), "y"), "value", "se") for m in ("raking", "linear"))
    assert a == pytest.approx(b)


# missing, empty, odd


def test_a_missing_value_leaves_its_own_estimate_and_is_counted():
    rows = pl.DataFrame({"y": [1.0, None, 3.0, float("nan")], "z": [1.0, 2.0, 3.0, 6.0]})
    told = sv.mean(rows, ["y", "z"], design=NO_DESIGN)
    assert told.select("value", "n", "n_missing").rows() == [(2.0, 2, 2), (3.0, 4, 0)]


def test_a_group_without_rows_or_with_one_village_gets_no_error_and_says_why():
    rows = pl.DataFrame({"v": [1, 1, 2, 3], "g": ["a", "a", "b", "b"], "y": [1.0, 2.0, 3.0, None]})
    told = sv.mean(designed(rows, Design(psu="v")), "y", by="g")
    assert told["se"].to_list() == [None, None]
    assert all("one_unit" in n for n in told["note"])
    empty = sv.mean(designed(rows, Design(psu="v")).where(pl.col("y") > 9), "y")
    assert one(empty, "value", "n") == (None, 0)
    assert empty.item(0, "note").startswith("no_rows")


def test_groups_without_a_name_are_a_group():
    rows = pl.DataFrame({"g": [None, "a", "a", None], "y": [1.0, 2.0, 4.0, 3.0]})
    assert sv.mean(rows, "y", by="g", design=NO_DESIGN).select("g", "value").rows() == [("a", 3.0), (None, 2.0)]


def test_a_ratio_to_nothing_has_no_value_and_says_so():
    rows = pl.DataFrame({"x": [1.0, 3, 2], "z": [0.0, 0, 0]})
    assert one(sv.ratio(rows, "x", "z", design=NO_DESIGN), "value", "n", "note") == (
        None, 3, "zero_denominator; no_design",
    )  # fmt: skip


def test_a_sample_of_one_unit_has_a_value_and_no_error():
    rows = pl.DataFrame({"v": [1, 1], "y": [2.0, 4.0]})
    for told in (sv.mean(designed(rows, Design(psu="v")), "y"), sv.mean(rows[:1], "y", design=NO_DESIGN)):
        assert (told.item(0, "se"), told.item(0, "df")) == (None, 0)
        assert told.item(0, "note").startswith("one_unit")


def test_gaps_are_counted_among_the_rows_that_weigh_something():
    rows = pl.DataFrame({"y": [None, None, 1.0, 2.0], "w": [0.0, 1.0, 1.0, 1.0]})
    s = designed(rows, Design(weight="w"))
    assert one(sv.mean(s, "y"), "n", "n_missing") == one(sv.quantile(s, "y"), "n", "n_missing") == (2, 1)


def test_replicates_stay_with_their_rows_though_a_frame_comes_in_another_order_each_time():
    rows, turned = clustered(15), iter([False, True] * 50)
    restless = rows.lazy().map_batches(lambda f: f.reverse() if next(turned) else f)
    a, b = (one(sv.mean(sv.replicated(designed(f, FULL), "jkn"), "y"), "value", "se") for f in (rows, restless))
    assert b == pytest.approx(a)


def test_a_group_of_which_a_replicate_leaves_no_one_has_no_error_and_a_regression_on_it_is_refused():
    # The one village of a is out in the first replicate of the jackknife; a quantile of nobody is no quantile.
    rows = pl.DataFrame({
        "v": np.repeat(np.arange(6), 4), "w": 1.0, "y": np.random.default_rng(1).normal(size=24),
        "g": ["a"] * 4 + ["b", "c"] * 10,
    })  # fmt: skip
    s = sv.replicated(designed(rows, Design(weight="w", psu="v")), "jk1")
    for told in (sv.quantile(s, "y", by="g"), sv.mean(s, "y", by="g")):
        assert told["se"].is_null().to_list() == [True, False, False]
        assert told.item(0, "note") == "draw_without_value; few_rows"
    for model, outcome in (("ols", "y"), ("logit", "yes")):
        with pytest.raises(DataError, match=r"rows that 'replicate_0001' weighs: .*'g: c'.*sum of the"):
            sv.regression(s.with_columns(yes=(pl.col("y") > 0)), outcome, "g", model=model)


def test_few_rows_and_loose_estimates_are_noted():
    rows = pl.DataFrame({"y": [0.0] * 9 + [1.0]})
    assert sv.mean(rows, "y", design=NO_DESIGN).item(0, "note") == "no_design; few_rows; large_cv"


def test_a_frame_without_a_design_is_refused_unless_told():
    rows = pl.DataFrame({"y": [1.0, 2.0]})
    with pytest.raises(RefusalError, match=r"declares no survey design.*design='none, I know'"):
        sv.mean(rows, "y")
    with pytest.raises(SchemaError, match="neither a Design nor"):
        sv.mean(rows, "y", design="none")
    with pytest.raises(SchemaError, match="carries its design already"):
        sv.mean(designed(rows, Design()), "y", design=NO_DESIGN)
    with pytest.raises(RefusalError, match="rows stand for themselves"):
        sv.total(rows, "y", design=NO_DESIGN)


def test_a_stratum_of_one_village_is_refused_or_follows_the_declared_rule():
    rows = pl.DataFrame({"r": [1, 1, 2], "v": [1, 2, 3], "y": [1.0, 3.0, 5.0]})
    with pytest.raises(DataError, match="1 of 2 strata have a single primary sampling unit"):
        sv.mean(designed(rows, Design(strata="r", psu="v")), "y")
    # u = (y - 3)/3 = (-2/3, 0, 2/3). certainty: 2 · 2 · (1/3)² = 4/9; centre adds the square of 2/3, mean of all 0.
    for rule, variance in (("certainty", 4 / 9), ("centre", 8 / 9)):
        told = sv.mean(designed(rows, Design(strata="r", psu="v", singletons=rule)), "y")
        assert told.item(0, "se") == pytest.approx(np.sqrt(variance))
    # A stratum drawn whole has no error, whatever the rule.
    whole = designed(rows.with_columns(N=pl.Series([4, 4, 1])), Design(strata="r", psu="v", fpc="N"))
    assert sv.mean(whole, "y").item(0, "se") == pytest.approx(np.sqrt(4 / 9 / 2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"w": [1.0, -1.0, 1.0]}, "1 rows have a weight below 0 in 'w'"),
        ({"w": [1.0, None, 1.0]}, "1 rows have no finite weight in 'w'"),
        ({"w": [1.0, float("inf"), 1.0]}, "1 rows have no finite weight"),
        ({"v": [1, None, 3]}, "1 rows lack 'v'"),
        ({"v": [1.0, float("nan"), 3.0]}, "1 rows lack 'v'"),
        ({"y": [1.0, float("inf"), 2.0]}, "infinite values"),
        ({"y": [float("-inf"), float("inf"), 2.0]}, "infinite values"),
        ({"N": [1, 1, 1]}, "says 1 PSUs for a stratum of which 3 were drawn"),
        ({"N": [9, 9, 8]}, "'N' differs within a stratum"),
    ],
)
def test_a_design_that_cannot_be_is_told(change: dict, message: str):
    rows = pl.DataFrame({"w": [1.0, 1.0, 1.0], "v": [1, 2, 3], "y": [1.0, 2.0, 3.0], "N": [9, 9, 9]} | change)
    with pytest.raises(DataError, match=message):
        sv.mean(designed(rows, Design(weight="w", psu="v", fpc="N")), "y")


def test_a_unit_of_which_two_sizes_of_its_stratum_are_stated_is_refused():
    rows = pl.DataFrame({"v": [1, 1, 2, 3], "y": [1.0, 2.0, 3.0, 4.0], "N": [8, 9, 9, 9]})
    for estimator in (sv.mean, sv.quantile):
        with pytest.raises(DataError, match="'N' differs within a stratum"):
            estimator(designed(rows, Design(psu="v", fpc="N")), "y")


def test_the_sample_of_pisa_is_refused_as_a_survey_until_its_faults_are_owned(mirror: Path):
    # 50 students per country and year were taken at random from it, with no replicate weights.
    rows = pl.read_csv(mirror / "pisa-ict-subset/pisa_student_subset_2000_2022.csv.gz", null_values="NA",
                       infer_schema_length=None)  # fmt: skip
    home = rows.with_columns(pl.when(pl.col("internet").is_not_null()).then(pl.col("internet") == "yes"))
    with pytest.raises(RefusalError, match="declares no survey design"):
        sv.mean(home, "internet", by="year")
    told = sv.mean(home, "internet", by="year", design=NO_DESIGN)
    # Shares that the note beside the file prints, without weights.
    printed = {2000: 0.448, 2003: 0.638, 2006: 0.733, 2009: 0.863, 2012: 0.93, 2015: 0.95, 2018: 0.955, 2022: 0.967}
    assert dict(told.select("year", "value").rows()) == pytest.approx(printed, abs=5.1e-4)
    assert set(told["note"]) == {"no_design"}


def test_covariates_far_from_0_are_not_taken_for_constant():
    rng = np.random.default_rng(0)
    rows = pl.DataFrame({"t": 1.7e9 + rng.uniform(0, 100, 50), "y": rng.normal(size=50)})
    # The slope is the same from any origin.
    near = sv.regression(rows.with_columns(pl.col("t") - 1.7e9), "y", "t", design=NO_DESIGN)
    far = sv.regression(rows, "y", "t", design=NO_DESIGN)
    assert far.row(1)[1:4] == pytest.approx(near.row(1)[1:4], rel=1e-6)


def test_weights_that_are_all_0_give_no_estimate():
    rows = pl.DataFrame({"w": [0.0, 0.0], "y": [1.0, 2.0]})
    assert one(sv.mean(designed(rows, Design(weight="w")), "y"), "value", "note") == (None, "no_rows")


def test_margins_that_cannot_be_met_are_told():
    s = designed(clustered(12), FULL)
    with pytest.raises(DataError, match="no population for"):
        sv.calibrate(s, {"area": {"town": 1, "rural": 1}})
    with pytest.raises(DataError, match="no row of the sample is"):
        sv.calibrate(s, {"area": {"town": 1, "rural": 1, "edge": 1, "island": 1}})
    with pytest.raises(DataError, match="add up to different populations"):
        sv.calibrate(s, {"area": {"town": 1, "rural": 1, "edge": 1}, "region": {0: 1, 1: 1, 2: 1, 3: 1}})
    with pytest.raises(DataError, match="expected numbers above 0"):
        sv.calibrate(s, {"area": {"town": 0, "rural": 1, "edge": 1}})
    sparse = designed(pl.DataFrame({"w": [1.0, 1], "a": [0, 1], "b": [0, 1]}), Design(weight="w"))
    with pytest.raises(RefusalError, match="after 2000 rounds a margin is still"):
        sv.calibrate(sparse, {"a": {0: 1, 1: 3}, "b": {0: 3, 1: 1}})


def test_collinear_constant_or_separating_covariates_are_named():
    rows = clustered(13).with_columns(twice=2 * pl.col("x"), same=pl.lit(3.0))
    with pytest.raises(DataError, match="'twice' is constant, or a sum"):
        sv.regression(rows, "y", ["x", "twice"], design=NO_DESIGN)
    with pytest.raises(DataError, match="'same' is constant"):
        sv.regression(rows, "y", ["same"], design=NO_DESIGN)
    with pytest.raises(DataError, match="without error"):
        sv.regression(rows.with_columns(yes=pl.col("x") > 0), "yes", "x", model="logit", design=NO_DESIGN)
    with pytest.raises(DataError, match="leave -1 degrees of freedom"):
        two = Design(psu="half")
        sv.regression(designed(rows.with_columns(half=pl.col("village") % 2), two), "y", ["x", "w"])


def test_replicates_that_were_not_declared_rightly_are_told():
    with pytest.raises(RangeError, match="needs scales="):
        Design(weight="w", replicates=("a", "b"), replication="jkn")
    with pytest.raises(RangeError, match="rho= from 0 to below 1"):
        Design(weight="w", replicates=("a", "b"), replication="fay")
    with pytest.raises(UnknownNameError, match="Unknown replication 'jack'"):
        Design(replication="jack")  # type: ignore[arg-type]
    with pytest.raises(RangeError, match="exactly two PSUs"):
        sv.replicated(designed(clustered(14), FULL), "brr")
    with pytest.raises(RangeError, match="without strata"):
        sv.replicated(designed(clustered(14), FULL), "jk1")
