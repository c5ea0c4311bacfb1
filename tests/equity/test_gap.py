from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import t

import calibration.gap
from citylab.equity import gap
from citylab.equity.gap import TOTAL, GapDecomposition, fairlie, influenced, oaxaca, rif_oaxaca, rif_regression, yun
from citylab.errors import DataError, RangeError, RefusalError, SchemaError, UnknownNameError
from citylab.stats import survey as sv
from citylab.stats.survey import NO_DESIGN, Design, designed

few = settings(max_examples=8, deadline=None)
LEVELS = ["high.school", "LTHS", "some.college", "college", "advanced.degree"]
WORKERS = ["age", "female", "education"]


@pytest.fixture(scope="module")
def chicago(mirror: Path) -> pl.DataFrame:
    """Hispanic workers of Chicago, 2013 (R package oaxaca); group 0 born in the USA, 1 abroad."""
    rows = pl.read_csv(mirror / "reference/oaxaca_chicago/chicago.csv", null_values="NA")
    education = pl.coalesce(pl.when(pl.col(c) == 1).then(pl.lit(c)) for c in LEVELS).cast(pl.Enum(LEVELS))
    return rows.with_columns(wage=pl.col("ln.real.wage").exp(), education=education)


def people(seed: int = 0, n: int = 200) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    rural = rng.integers(0, 2, n).astype(bool)
    age = rng.normal(45 + 8 * rural, 12, n)
    school = rng.choice(["low", "middle", "high"], n, p=[0.4, 0.35, 0.25])
    z = 3 - 0.06 * age + 0.8 * (school == "high") - 0.5 * rural + rng.logistic(size=n)
    return pl.DataFrame({
        "area": np.where(rural, "rural", "town"), "age": age, "school": school, "village": rng.integers(0, 25, n),
        "w": rng.uniform(0.5, 2.0, n), "online": z > 0, "mbps": np.exp(3 + 0.3 * z),
    })  # fmt: skip


SIDES = {"groups": ("town", "rural")}

# published results: R package oaxaca 0.1.5, vignette of Hlavac


def test_the_threefold_decomposition_of_the_vignette(chicago: pl.DataFrame):
    told = oaxaca(chicago, "wage", "foreign.born", WORKERS, design=NO_DESIGN)
    assert (told.n, told.n_missing) == ((287, 379), 46)
    published = {"mean_a": 17.58282, "mean_b": 14.56725}
    assert {c: told.value(c) for c in published} == pytest.approx(published, abs=5e-6)
    published = {"gap": 3.015574, "endowments": 1.6165339, "coefficients": 2.8333261, "interaction": -1.4342857}
    assert {c: told.value(c) for c in published} == pytest.approx(published, abs=1e-6)


@pytest.mark.parametrize(
    ("reference", "explained", "unexplained"),
    [
        ("b", 1.6165339, 1.399040), (0.0, 1.6165339, 1.399040), ("a", 0.1822482, 2.833326),
        ("half", 0.8993911, 2.116183), ("n_share", 0.9984559, 2.017118), (0.4309309, 0.9984559, 2.017118),
        ("neumark", 1.3557222, 1.659852), ("pooled", 0.9525717, 2.063003),
    ],
)  # fmt: skip
def test_the_twofold_decomposition_of_the_vignette(chicago, reference, explained: float, unexplained: float):
    told = oaxaca(chicago, "wage", "foreign.born", WORKERS, reference=reference, design=NO_DESIGN, errors="none")
    assert (told.value("explained"), told.value("unexplained")) == pytest.approx((explained, unexplained), abs=1e-6)


def test_the_detail_of_the_vignette(chicago: pl.DataFrame):
    told = oaxaca(chicago, "wage", "foreign.born", WORKERS, reference="neumark", design=NO_DESIGN, errors="none")
    sides = {
        ("age", None): (4.3191008, 2.3980443), ("female", None): (-0.8285489, -0.4832824),
        ("education", "college"): (0.3777076, 0.3428246),
    }  # fmt: skip
    for (v, c), both in sides.items():
        found = tuple(told.value(f"unexplained_{s}", v, category=c) for s in "ab")
        assert found == pytest.approx(both, abs=1e-6)
    endowments = {
        ("age", None): -0.5167753, ("female", None): -0.2726517, ("education", "LTHS"): 2.1764467,
        ("education", "some.college"): -0.7853352, ("education", "college"): -0.0790759,
        ("education", "advanced.degree"): 0.7063144, ("education", "high.school"): 0.3876108,
    }  # fmt: skip
    for (v, c), value in endowments.items():
        assert told.value("endowments", v, category=c) == pytest.approx(value, abs=1e-6)
    # Part of the coefficients of age: their difference times the mean age of group b.
    b = chicago.drop_nulls("wage").filter(pl.col("foreign.born") == 1)
    assert told.value("coefficients", "age") / b["age"].mean() == pytest.approx(0.1860063, abs=1e-7)


def test_linearised_errors_agree_with_a_bootstrap_on_the_workers(chicago: pl.DataFrame):
    of = {"reference": "neumark", "design": NO_DESIGN}
    delta = oaxaca(chicago, "wage", "foreign.born", WORKERS, **of).tidy()
    drawn = oaxaca(chicago, "wage", "foreign.born", WORKERS, errors="bootstrap", n_boot=299, **of).tidy()
    both = delta.join(drawn, on=["component", "variable", "category"], nulls_equal=True, suffix="_drawn")
    big = both.filter(pl.col("se") > 1e-9)
    assert big.height > 50
    # 299 draws know a standard error to 1/sqrt(598) = 4 %; the rest is what small categories make of linearising.
    assert big.select((pl.col("se_drawn") / pl.col("se") - 1).abs().median()).item() < 0.08


# what must hold whatever the values


@few
@given(st.integers(0, 10**6), st.sampled_from(["a", "b", "half", "n_share", "neumark", "pooled", 0.3]))
def test_parts_add_up_to_the_gap_and_covariates_to_the_parts(seed: int, reference):
    rows = people(seed)
    for of, outcome in ((oaxaca, "mbps"), (yun, "online")):
        told = of(rows, outcome, "area", ["age", "school"], reference=reference, weight="w", errors="none", **SIDES)
        town, rural = (
            (g["w"] * g[outcome]).sum() / g["w"].sum() for g in (rows.filter(area=a) for a in ("town", "rural"))
        )
        assert told.value("gap") == pytest.approx(town - rural, abs=1e-8)
        assert told.value("explained") + told.value("unexplained") == pytest.approx(told.value("gap"), abs=1e-9)
        assert_adds_up(told)
    three = sum(oaxaca(rows, "mbps", "area", "age", weight="w", errors="none", **SIDES).value(c)
                for c in ("endowments", "coefficients", "interaction"))  # fmt: skip
    town, rural = ((g["w"] * g["mbps"]).sum() / g["w"].sum() for g in (rows.filter(area=a) for a in ("town", "rural")))
    assert three == pytest.approx(town - rural, abs=1e-8)


def assert_adds_up(told: GapDecomposition) -> None:
    table = told.tidy().filter(pl.col("fold") != "gap")
    for (component,), part in table.partition_by("component", as_dict=True).items():
        variables = part.filter(pl.col("category").is_null() & (pl.col("variable") != TOTAL))
        assert variables["value"].sum() == pytest.approx(told.value(component), abs=1e-9), component
        for v in part.filter(pl.col("category").is_not_null())["variable"].unique():
            categories = part.filter((pl.col("variable") == v) & pl.col("category").is_not_null())
            assert categories["value"].sum() == pytest.approx(told.value(component, v), abs=1e-9)


@few
@given(st.integers(0, 10**6))
def test_groups_that_change_places_change_the_sign_and_nothing_else(seed: int):
    rows = people(seed)
    for of, outcome in ((oaxaca, "mbps"), (yun, "online")):
        there = of(rows, outcome, "area", ["age", "school"], design=NO_DESIGN, groups=("town", "rural"))
        back = of(rows, outcome, "area", ["age", "school"], design=NO_DESIGN, groups=("rural", "town"))
        for c in ("gap", "explained", "unexplained"):
            assert there.value(c) == pytest.approx(-back.value(c), abs=1e-7)
        assert there.value("unexplained_a") == pytest.approx(-back.value("unexplained_b"), abs=1e-7)
        se = [t.tidy().filter(component="explained", variable=TOTAL).item(0, "se") for t in (there, back)]
        assert se[0] == pytest.approx(se[1], rel=1e-5)


@few
@given(st.integers(0, 10**6))
def test_the_base_category_does_not_matter_to_normalised_detail(seed: int):
    rows = people(seed)
    orders = (["low", "middle", "high"], ["high", "low", "middle"])
    for of, outcome in ((oaxaca, "mbps"), (yun, "online")):
        one, other = (
            of(rows.with_columns(pl.col("school").cast(pl.Enum(o))), outcome, "area", ["age", "school"],
               design=NO_DESIGN, errors="none", **SIDES).tidy().sort("component", "variable", "category")
            for o in orders
        )  # fmt: skip
        assert one["value"].to_list() == pytest.approx(other["value"].to_list(), abs=1e-6)
    plain = [
        oaxaca(rows.with_columns(pl.col("school").cast(pl.Enum(o))), "mbps", "area", ["age", "school"],
               design=NO_DESIGN, normalise=False, errors="none", **SIDES).value("unexplained", "school")
        for o in orders
    ]  # fmt: skip
    assert plain[0] != pytest.approx(plain[1], abs=1e-6)


@few
@given(st.integers(0, 10**6))
def test_a_row_of_weight_2_has_the_estimate_of_two_rows(seed: int):
    rows = people(seed, 120)
    twice = rows.with_columns(w=pl.when(pl.int_range(pl.len()) % 3 == 0).then(2.0).otherwise(1.0))
    copies = pl.concat([rows, rows.filter(pl.int_range(pl.len()) % 3 == 0)])
    for of, outcome in ((oaxaca, "mbps"), (yun, "online")):
        a = of(twice, outcome, "area", ["age", "school"], weight="w", errors="none", **SIDES).tidy()
        b = of(copies, outcome, "area", ["age", "school"], design=NO_DESIGN, errors="none", **SIDES).tidy()
        assert a["value"].to_list() == pytest.approx(b["value"].to_list(), abs=1e-6)


@few
@given(st.integers(0, 10**6))
def test_equal_groups_leave_nothing_unexplained(seed: int):
    # The same people on both sides: no gap, and none of its parts.
    one = people(seed, 80).with_columns(area=pl.lit("town"))
    both = pl.concat([one, one.with_columns(area=pl.lit("rural"))])
    for of, outcome in ((oaxaca, "mbps"), (yun, "online")):
        table = of(both, outcome, "area", ["age", "school"], design=NO_DESIGN, errors="none", **SIDES).tidy()
        parts = table.filter(~pl.col("component").is_in(["mean_a", "mean_b"]))
        assert parts["value"].abs().max() < 1e-7


def test_the_error_of_the_gap_is_that_of_a_difference_of_two_means():
    rows = people(1)
    told = oaxaca(rows, "mbps", "area", ["age", "school"], design=NO_DESIGN, **SIDES)
    found = told.tidy().filter(component="gap").item(0, "se")
    # Both parts centred: n/(n-1) of the sum of squares over n_g², by group.
    squares = sum(g.var(ddof=0) / len(g) for g in (rows.filter(area=a)["mbps"].to_numpy() for a in ("town", "rural")))
    assert found == pytest.approx(np.sqrt(squares * 200 / 199), rel=1e-9)


def test_the_interval_in_a_domain_counts_only_the_villages_that_are_in_it():
    s = designed(people(2), Design(weight="w", psu="village")).where(pl.col("village") < 12)
    told = oaxaca(s, "mbps", "area", "age", **SIDES).tidy().filter(component="gap")
    value, se, upper = told.select("value", "se", "upper").row(0)
    assert (upper - value) / se == pytest.approx(t.ppf(0.975, 12 - 1))


def test_the_gap_of_a_survey_has_the_error_of_the_regression_on_its_group():
    s = designed(people(2), Design(weight="w", psu="village"))
    told = oaxaca(s, "mbps", "area", "age", **SIDES).tidy().filter(component="gap")
    peer = sv.regression(s, "mbps", "area").filter(term="area: town")
    assert told.item(0, "value") == pytest.approx(peer.item(0, "value"))
    assert told.item(0, "se") == pytest.approx(peer.item(0, "se"))


def test_clusters_replicates_and_calibration_reach_the_errors():
    rows = people(3)
    s = designed(rows, Design(weight="w", psu="village"))
    linear = oaxaca(s, "mbps", "area", ["age", "school"], **SIDES)
    jack = oaxaca(sv.replicated(s, "jk1"), "mbps", "area", ["age", "school"], **SIDES)
    plain = oaxaca(rows, "mbps", "area", ["age", "school"], weight="w", **SIDES)
    assert jack.errors == "replicates"
    se = [t.tidy().filter(component="explained", variable=TOTAL).item(0, "se") for t in (linear, jack, plain)]
    assert se[1] == pytest.approx(se[0], rel=0.15)  # the jackknife of 25 villages, second order apart
    assert se[2] != pytest.approx(se[0], rel=1e-3)
    fixed = sv.calibrate(s, {"area": {"town": 500, "rural": 500}})
    with pytest.raises(RefusalError, match="calibrate each draw anew"):
        oaxaca(fixed, "mbps", "area", "age", errors="bootstrap", **SIDES)
    assert oaxaca(fixed, "mbps", "area", "age", **SIDES).value("gap") == pytest.approx(
        oaxaca(s, "mbps", "area", "age", **SIDES).value("gap")
    )


def test_the_same_seed_draws_the_same_errors():
    rows = people(4, 80)
    a, b, c = (
        oaxaca(rows, "mbps", "area", "age", design=NO_DESIGN, errors="bootstrap", n_boot=49, seed=s, **SIDES).tidy()
        for s in (1, 1, 2)
    )
    assert a.equals(b)
    assert not a.equals(c)


def effects(values: pl.Series, levels: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Columns of effect coding (last level -1 throughout), and one of 0 and 1 for each level."""
    each = np.column_stack([(values == level).to_numpy() for level in levels]).astype(float)
    return each[:, :-1] - each[:, [-1]], each


@pytest.mark.parametrize("model", ["ols", "logit"])
def test_normalised_detail_with_weights_is_that_of_effects_that_add_up_to_0(model: str):
    # Another way to the same numbers: coefficients of categories held to add up to 0 from the start (effect coding),
    # weighted, by statsmodels; each part by its definition, Yun's (2004) shares of the logit's.
    rows = people(16, 300).with_columns(region=pl.Series(np.random.default_rng(1).choice(list("nsew"), 300)))
    levels = {"school": ["high", "low", "middle"], "region": ["e", "n", "s", "w"]}
    coded = [effects(rows[c], names) for c, names in levels.items()]
    one = np.ones(300)
    x = np.column_stack([one, rows["age"], *(e for e, _ in coded)])
    full = np.column_stack([one, rows["age"], *(d for _, d in coded)])
    outcome = "mbps" if model == "ols" else "online"
    y, w = rows[outcome].cast(pl.Float64).to_numpy(), rows["w"].to_numpy()
    a, b = ((rows["area"] == g).to_numpy() for g in ("town", "rural"))

    def fitted(here: np.ndarray, z: np.ndarray) -> np.ndarray:
        if model == "ols":
            return np.asarray(sm.WLS(y[here], z[here], weights=w[here]).fit().params)
        family = sm.families.Binomial()
        return np.asarray(sm.GLM(y[here], z[here], family=family, freq_weights=w[here]).fit(tol=1e-12).params)

    def spread(beta: np.ndarray) -> np.ndarray:
        return np.r_[beta[:2], beta[2:4], -beta[2:4].sum(), beta[4:7], -beta[4:7].sum()]

    def mean(here: np.ndarray, beta: np.ndarray) -> float:
        return float(np.average(expit(x[here] @ beta), weights=w[here]))

    raw_a, raw_b = fitted(a, x), fitted(b, x)
    raw_star = fitted(a | b, np.column_stack([x, a]))[:-1]
    beta_a, beta_b, star = map(spread, (raw_a, raw_b, raw_star))
    if model == "ols":
        # The dummy of the group is centred among the pooled rows: the constant moves by its coefficient's share.
        star[0] += fitted(a | b, np.column_stack([x, a]))[-1] * np.average(a, weights=w)
    else:
        raw_star[0] += fitted(a | b, np.column_stack([x, a]))[-1] * np.average(a, weights=w)
        star = spread(raw_star)
    x_a, x_b = (np.average(full[g], axis=0, weights=w[g]) for g in (a, b))
    parts = {"explained": (x_a - x_b) * star, "unexplained_a": x_a * (beta_a - star),
             "unexplained_b": x_b * (star - beta_b)}  # fmt: skip
    if model == "logit":
        totals = {"explained": mean(a, raw_star) - mean(b, raw_star), "unexplained_a": mean(a, raw_a) -
                  mean(a, raw_star), "unexplained_b": mean(b, raw_star) - mean(b, raw_b)}  # fmt: skip
        parts = {c: totals[c] * each / each.sum() for c, each in parts.items()}
    of = oaxaca if model == "ols" else yun
    told = of(rows, outcome, "area", ["age", "school", "region"], weight="w", errors="none", **SIDES)
    names = [("(constant)", None), ("age", None), *((c, v) for c, vs in levels.items() for v in vs)]
    for component, each in parts.items():
        found = [told.value(component, v, category=c) for v, c in names]
        assert found == pytest.approx(each.tolist(), abs=1e-9), component


def test_no_base_category_changes_weighted_values_or_their_errors():
    rows = people(17)
    tables = []
    for order in (["low", "middle", "high"], ["high", "low", "middle"]):
        s = designed(rows.with_columns(pl.col("school").cast(pl.Enum(order))), Design(weight="w", psu="village"))
        told = [of(s, y, "area", ["age", "school"], **SIDES) for of, y in ((oaxaca, "mbps"), (yun, "online"))]
        told.append(fairlie(s, "online", "area", ["age", "school"], draws=20, **SIDES))
        tables.append(pl.concat([t.tidy().sort("component", "variable", "category") for t in told]))
    for column in ("value", "se"):
        one, other = (t[column].fill_null(0).to_list() for t in tables)
        assert one == pytest.approx(other, abs=1e-7), column


def test_contributions_that_cancel_are_not_shared_out():
    # One group's line index moves by as much up as down, yet its mean probability moves: no share of it can be told.
    each = gap._shared(0.2, np.array([1.0, -1.0]))
    assert np.isnan(each).all()
    assert gap._shared(0.0, np.array([1.0, -1.0])).tolist() == [0.0, 0.0]


def test_a_gap_of_rounding_has_no_shares():
    one = people(18, 80).with_columns(area=pl.lit("town"))
    both = pl.concat([one, one.reverse().with_columns(area=pl.lit("rural"))])
    told = oaxaca(both, "mbps", "area", "age", design=NO_DESIGN, errors="none", **SIDES).tidy()
    assert told["share"].null_count() == told.height


# yes and no


def test_fairlie_and_yun_agree_on_the_totals():
    rows = people(5)
    a = yun(rows, "online", "area", ["age", "school"], weight="w", errors="none", **SIDES)
    b = fairlie(rows, "online", "area", ["age", "school"], weight="w", draws=20, **SIDES)
    for c in ("gap", "explained", "unexplained"):
        assert a.value(c) == pytest.approx(b.value(c), abs=1e-10)


def test_pairs_that_swap_everything_have_swapped_the_whole_explained_part():
    # Groups of one size without weights: nothing is drawn, so the detail adds up without a remainder.
    rows = people(6)
    town, rural = (rows.filter(area=a).head(70) for a in ("town", "rural"))
    told = fairlie(pl.concat([town, rural]), "online", "area", ["age", "school"], design=NO_DESIGN, draws=5, **SIDES)
    assert told.value("explained", "(matching)") == pytest.approx(0, abs=1e-12)
    detail = told.value("explained", "age") + told.value("explained", "school")
    assert detail == pytest.approx(told.value("explained"), abs=1e-12)
    uneven = fairlie(rows, "online", "area", ["age", "school"], design=NO_DESIGN, draws=300, **SIDES)
    assert abs(uneven.value("explained", "(matching)")) < 0.02


def test_two_covariates_swap_as_both_orders_do():
    # Groups of one size, no ties: pairs by the rank of the pooled prediction, and two orders of swapping. The detail is
    # somewhere between what the two give, as near the middle as 400 throws of a coin: 0.35 to 0.65 by far.
    rows = pl.concat([people(19, 300).filter(area=g).head(120) for g in ("town", "rural")])
    rows = rows.with_columns(pl.col("mbps").log().alias("z") + pl.Series(np.random.default_rng(2).normal(0, 3, 240)))
    told = fairlie(rows, "online", "area", ["age", "z"], design=NO_DESIGN, draws=400, **SIDES)
    x = np.column_stack([np.ones(240), rows["age"], rows["z"]])
    y, town = rows["online"].cast(pl.Float64).to_numpy(), (rows["area"] == "town").to_numpy()
    fit = sm.Logit(y, np.column_stack([x, town - 0.5])).fit(disp=0, method="newton", tol=1e-12)
    beta = fit.params[:3]
    a, b = (x[g][np.argsort(x[g] @ beta)] for g in (town, ~town))

    def mean(rows_of: np.ndarray) -> float:
        return float(expit(rows_of @ beta).mean())

    age_first = np.column_stack([a[:, 0], b[:, 1], a[:, 2]])
    z_first = np.column_stack([a[:, 0], a[:, 1], b[:, 2]])
    by_order = np.array([[mean(a) - mean(age_first), mean(age_first) - mean(b)],
                         [mean(z_first) - mean(b), mean(a) - mean(z_first)]])  # fmt: skip
    found = np.array([told.value("explained", "age"), told.value("explained", "z")])
    at = (found - by_order[1]) / (by_order[0] - by_order[1])
    assert at[0] == pytest.approx(at[1], abs=1e-6)
    assert 0.35 < at[0] < 0.65
    assert found.sum() == pytest.approx(mean(a) - mean(b), abs=1e-9)


def test_a_single_covariate_takes_the_whole_explained_part_in_yun():
    told = yun(people(7), "online", "area", "age", design=NO_DESIGN, reference="a", **SIDES)
    assert told.value("explained", "age") == pytest.approx(told.value("explained"))
    assert told.value("unexplained_a") == pytest.approx(0, abs=1e-12)


def test_linearised_errors_of_yun_agree_with_a_bootstrap():
    rows = people(8, 400)
    of = {"design": NO_DESIGN, **SIDES}
    delta = yun(rows, "online", "area", ["age", "school"], **of).tidy()
    drawn = yun(rows, "online", "area", ["age", "school"], errors="bootstrap", n_boot=199, **of).tidy()
    at = pl.col("component").is_in(["gap", "explained", "unexplained"]) & (pl.col("variable") == TOTAL)
    ratio = drawn.filter(at)["se"] / delta.filter(at)["se"]
    assert ratio.to_list() == pytest.approx([1.0, 1.0, 1.0], abs=0.2)  # 199 draws: 5 %, four times that


def test_a_bootstrap_of_fairlie_gives_every_part_an_interval():
    told = fairlie(people(9), "online", "area", ["age", "school"], design=NO_DESIGN, draws=20, errors="bootstrap",
                   n_boot=49, draws_per_boot=3, **SIDES).tidy()  # fmt: skip
    assert told["se"].null_count() == 0
    assert (told["lower"] <= told["upper"]).all()


# recentred influence


@few
@given(st.lists(st.integers(1, 60), min_size=5, max_size=40).filter(lambda v: len(set(v)) > 2), st.randoms())
def test_the_mean_of_the_influence_is_the_statistic(values: list[int], random):
    y = np.array(values, dtype=float)
    w = np.array([random.choice([1.0, 2.0, 3.0]) for _ in values])
    mean = w @ y / w.sum()
    assert w @ influenced(y, "mean", weight=w) / w.sum() == pytest.approx(mean)
    assert w @ influenced(y, "variance", weight=w) / w.sum() == pytest.approx(w @ (y - mean) ** 2 / w.sum())
    # Gini by its definition, half the mean absolute difference over the mean.
    gini = float((np.abs(y[:, None] - y[None, :]) * np.outer(w, w)).sum() / (2 * mean * w.sum() ** 2))
    assert w @ influenced(y, "gini", weight=w) / w.sum() == pytest.approx(gini, abs=1e-9)


def test_the_influence_on_a_quantile_by_hand():
    # y = 0, 1, ..., 100: median 50, two values: q + (0.5 - 1)/f below and at it, q + 0.5/f above; f near 1/101 there.
    rif = influenced(np.arange(101.0), "quantile(0.5)")
    below, above = rif[0], rif[-1]
    assert set(rif.round(9)) == {below.round(9), above.round(9)}
    assert (below + above) / 2 == pytest.approx(50)
    assert 1 / (above - below) == pytest.approx(1 / 101, rel=0.02)


def test_a_regression_on_the_influence_of_the_mean_is_that_on_the_values():
    rows = people(10)
    a = rif_regression(rows, "mbps", ["age", "school"], statistic="mean", weight="w")
    b = sv.regression(designed(rows, Design(weight="w")), "mbps", ["age", "school"])
    assert a["value"].to_list() == pytest.approx(b["value"].to_list())
    assert a["se"].to_list() == pytest.approx(b["se"].to_list())


def test_the_gap_of_a_spread_is_parted_without_rest():
    rows = people(11)
    for statistic in ("variance", "gini", "quantile(0.25)"):
        told = rif_oaxaca(rows, "mbps", "area", ["age", "school"], statistic=statistic, weight="w", n_boot=49, **SIDES)
        assert_adds_up(told)
        assert told.value("explained") + told.value("unexplained") == pytest.approx(told.value("gap"))
        assert told.tidy()["se"].null_count() == 0
    mean = rif_oaxaca(rows, "mbps", "area", "age", statistic="mean", weight="w", errors="none", **SIDES)
    assert mean.value("explained") == pytest.approx(
        oaxaca(rows, "mbps", "area", "age", weight="w", errors="none", **SIDES).value("explained")
    )


# what is refused


def test_a_group_of_one_is_refused():
    rows = pl.DataFrame({"g": ["a"] + ["b"] * 9, "y": np.arange(10.0), "x": np.arange(10.0)[::-1]})
    with pytest.raises(RefusalError, match="group 'a' has 1 complete rows, for 2 coefficients"):
        oaxaca(rows, "y", "g", "x", design=NO_DESIGN)


def test_a_draw_that_loses_a_category_is_refused_rather_than_fitted_without_it():
    rows = people(15, 60).with_columns(
        school=pl.when(pl.int_range(pl.len()).over("area") == 0).then(pl.lit("high")).otherwise(pl.lit("low"))
    )
    with pytest.raises(RefusalError, match="none of a category"):
        oaxaca(rows, "mbps", "area", "school", design=NO_DESIGN, errors="bootstrap", **SIDES)


def test_groups_that_share_no_values_are_refused_with_what_overlaps():
    rng = np.random.default_rng(0)
    rows = pl.DataFrame({"g": ["a"] * 20 + ["b"] * 20, "x": [*rng.uniform(0, 1, 20), *rng.uniform(2, 3, 20)],
                         "y": rng.normal(size=40)})  # fmt: skip
    with pytest.raises(RefusalError, match=r"no common support in 'x'.*0% and 0% lie within"):
        oaxaca(rows, "y", "g", "x", design=NO_DESIGN)
    told = oaxaca(people(12), "mbps", "area", "age", design=NO_DESIGN, **SIDES)
    assert told.overlap.row(0, named=True)["inside_a_share"] > 0.9


def test_a_category_that_one_group_lacks_is_refused():
    rows = people(13).filter((pl.col("area") == "rural") | (pl.col("school") != "high"))
    with pytest.raises(DataError, match=r"group 'town'.*'school: .*constant, or a sum"):
        oaxaca(rows, "mbps", "area", "school", design=NO_DESIGN, **SIDES)


@pytest.mark.parametrize(
    ("change", "covariates", "message"),
    [
        ({"y": [1.0] * 12}, ["x"], "constant in group 'a'"),
        ({"z": [2.0] * 12}, ["x", "z"], "'z' is constant, or a sum"),
        ({"z": [2.0 * v for v in (0, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 6)]}, ["x", "z"], "'z' is constant, or a sum"),
        ({"y": [float("inf")] + [1.0] * 11}, ["x"], "holds infinite values"),
        ({"g": ["a"] * 4 + ["b"] * 4 + ["c"] * 4}, ["x"], r"name two of them with groups=\(a, b\)"),
        ({"g": ["a"] * 12}, ["x"], "has the values"),
    ],
)
def test_what_cannot_be_parted_is_told(change: dict, covariates: list[str], message: str):
    rows = {"g": ["a"] * 6 + ["b"] * 6, "x": [0.0, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 6], "y": [1.0, 2, 4, 3, 5, 7] * 2}
    with pytest.raises(DataError, match=message):
        oaxaca(pl.DataFrame(rows | change), "y", "g", covariates, design=NO_DESIGN)


def test_a_call_that_cannot_be_is_told():
    rows = people(14)
    with pytest.raises(RefusalError, match="declares no survey design"):
        oaxaca(rows, "mbps", "area", "age")
    with pytest.raises(SchemaError, match="weight belongs into the design"):
        oaxaca(rows, "mbps", "area", "age", weight="w", design=NO_DESIGN)
    with pytest.raises(SchemaError, match="'mbps' is named twice"):
        oaxaca(rows, "mbps", "area", ["age", "mbps"], design=NO_DESIGN)
    with pytest.raises(UnknownNameError, match="Unknown reference 'cotton'"):
        oaxaca(rows, "mbps", "area", "age", reference="cotton", design=NO_DESIGN)  # type: ignore[arg-type]
    with pytest.raises(RangeError, match=r"reference is 1\.5"):
        oaxaca(rows, "mbps", "area", "age", reference=1.5, design=NO_DESIGN)
    with pytest.raises(DataError, match="outcome of a logit is 0 or 1"):
        yun(rows, "mbps", "area", "age", design=NO_DESIGN)
    with pytest.raises(UnknownNameError, match="Unknown statistic 'median'"):
        rif_oaxaca(rows, "mbps", "area", "age", statistic="median", design=NO_DESIGN)
    with pytest.raises(DataError, match="no influence function"):
        influenced([2.0, 2.0], "gini")
    told = oaxaca(rows, "mbps", "area", "age", design=NO_DESIGN, errors="none")
    assert told.note == "no_design"
    with pytest.raises(UnknownNameError, match="Unknown part of the gap 'explained/size'"):
        told.value("explained", "size")


def test_every_threshold_of_a_gap_is_declared_with_its_source():
    table = gap.tables.read(gap.RULES)
    assert table["source"].null_count() == 0
    assert set(table["mark"]) <= {"verified", "secondary", "from memory"}


def test_intervals_of_a_decomposition_cover_in_a_small_calibration():
    rows = {r.what: r for r in calibration.gap.decompositions(60, 1)}
    for row in rows.values():
        assert row.verdict != "below", row
