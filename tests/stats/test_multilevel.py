"""A share between places that was planted is found, and a place that does not matter is told so."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from scipy import integrate, optimize, stats
from scipy.special import expit, log_expit, logit

from citylab.errors import DataError, RefusalError, SchemaError
from citylab.stats.multilevel import loglikelihood, multilevel, restricted_loglikelihood
from citylab.stats.survey import NO_DESIGN, Design, surveyed


def people(seed: int, *, places: int = 40, each: int = 15, spread: float = 0.8, binary: bool = False) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    place = np.repeat(np.arange(places), each)
    age = rng.normal(50, 15, places * each)
    eta = 0.4 - 0.04 * (age - 50) + spread * rng.normal(size=places)[place]
    y = (rng.random(len(eta)) < 1 / (1 + np.exp(-eta))).astype(float) if binary else eta + rng.normal(size=len(eta))
    return pl.DataFrame({"y": y, "age": age, "place": [f"p{i}" for i in place]})


def of(told: pl.DataFrame, term: str, column: str = "value") -> float:
    return told.filter(term=term)[column].item()


def test_the_variance_between_places_of_a_balanced_table_is_that_of_the_analysis_of_variance():
    # Balanced, no covariates: REML is the ANOVA estimator, (MSB - MSW)/m and MSW.
    rows = people(1).with_columns(pl.col("y") + 0.04 * pl.col("age"))
    told = multilevel(rows, "y", place="place", design=NO_DESIGN)
    table = rows["y"].to_numpy().reshape(40, 15)
    msb = 15 * table.mean(axis=1).var(ddof=1)
    msw = table.var(axis=1, ddof=1).mean()
    assert of(told, "within_variance") == pytest.approx(msw, rel=1e-6)
    assert of(told, "between_variance") == pytest.approx((msb - msw) / 15, rel=1e-6)
    assert of(told, "constant", "se") == pytest.approx(np.sqrt(msb / 600), rel=1e-6)
    # 39 degrees of freedom between places: t = 2.0227; 560 within, where MSW has a chi-square distribution.
    assert of(told, "constant", "upper") - of(told, "constant") == pytest.approx(2.0227 * np.sqrt(msb / 600), rel=1e-3)
    ends = 560 * msw / stats.chi2(560).ppf([0.975, 0.025])
    assert told.filter(term="within_variance").select("lower", "upper").row(0) == pytest.approx(ends, rel=1e-4)


def test_what_is_the_same_throughout_a_place_has_the_freedom_of_places():
    # One row to tell places apart: as in a regression on the 40 means of places.
    rows = people(8).with_columns(pl.col("place").str.slice(1).cast(pl.Float64).alias("size"))
    told = multilevel(rows, "y", ["size", "age"], place="place", design=NO_DESIGN)
    reach = {t: (of(told, t, "upper") - of(told, t)) / of(told, t, "se") for t in ("constant", "size", "age")}
    assert reach == pytest.approx({"constant": 2.0244, "size": 2.0244, "age": 1.9642}, abs=1e-4)  # t of 38, 38, 559


def test_the_profile_of_a_balanced_table_has_its_top_at_the_estimate():
    rows = people(2)
    y, x = rows["y"].to_numpy(), np.column_stack([np.ones(600), rows["age"]])
    code = np.repeat(np.arange(40), 15)
    told = multilevel(rows, "y", "age", place="place", design=NO_DESIGN)
    ratio = of(told, "between_variance") / of(told, "within_variance")
    at = [restricted_loglikelihood(y, x, code, r) for r in (ratio * 0.98, ratio, ratio * 1.02)]
    assert at[1] == max(at)
    assert of(told, "between_share", "lower") < of(told, "between_share") < of(told, "between_share", "upper")


def test_unbalanced_places_have_the_fit_of_statsmodels_where_its_search_ends_at_the_top():
    rows = people(10).sample(400, seed=1).sort("place")
    told = multilevel(rows, "y", "age", place="place", design=NO_DESIGN)
    x = sm.add_constant(rows["age"].to_numpy())
    peer = sm.MixedLM(rows["y"].to_numpy(), x, groups=rows["place"].to_numpy()).fit(reml=True)
    found = {c: [of(told, t, c) for t in ("constant", "age")] for c in ("value", "se")}
    assert found["value"] == pytest.approx(peer.fe_params.tolist(), rel=1e-3)
    # The peer's errors are from a matrix of second derivatives that the variance between places is in too.
    assert found["se"] == pytest.approx(peer.bse_fe.tolist(), rel=5e-3)
    assert of(told, "between_variance") == pytest.approx(peer.cov_re.item(), rel=1e-2)
    assert of(told, "within_variance") == pytest.approx(peer.scale, rel=1e-3)


def test_no_ratio_of_variances_is_likelier_than_the_one_found():
    # On this table statsmodels 0.15 ends at a ratio of 0.0502 and says that it converged.
    rng = np.random.default_rng(0)
    rng.choice(["a", "b"], 300)
    x = rng.normal(size=300)
    rng.choice(["u", "v"], 300)
    y = rng.normal(size=300)
    rng.random(300), rng.uniform(0.5, 2, 300), rng.integers(0, 5, 300)
    code = rng.integers(0, 30, 300)
    told = multilevel(pl.DataFrame({"y": y, "x": x, "p": code}), "y", "x", place="p", design=NO_DESIGN)
    ratio = of(told, "between_variance") / of(told, "within_variance")
    columns = np.column_stack([np.ones(300), x])
    top = restricted_loglikelihood(y, columns, code, ratio)
    assert top >= max(restricted_loglikelihood(y, columns, code, r) for r in (0, *np.geomspace(1e-5, 10, 200)))
    assert top - restricted_loglikelihood(y, columns, code, 0.0502) > 0.5


def test_intervals_of_a_planted_share_hold_it_as_often_as_they_say():
    # 0.64 of 1.64 lies between places. 60 tables: at .95 fewer than 51 hits has a chance below 1 in 5,000.
    truth = 0.64 / 1.64
    hits = 0
    for seed in range(60):
        told = multilevel(people(seed, places=30, each=8), "y", "age", place="place", design=NO_DESIGN)
        row = told.filter(term="between_share").row(0, named=True)
        hits += row["lower"] <= truth <= row["upper"]
    assert hits >= 51


def test_places_that_do_not_matter_may_have_no_variance():
    told = multilevel(people(3, spread=0.0), "y", "age", place="place", design=NO_DESIGN)
    assert of(told, "between_share", "lower") == 0
    assert of(told, "between_share", "upper") < 0.1


def test_the_gradient_of_the_logit_is_its_slope_and_without_spread_it_is_a_plain_logit():
    rows = people(4, binary=True)
    y, x = rows["y"].to_numpy(), np.column_stack([np.ones(600), (rows["age"].to_numpy() - 50) / 15])
    code = np.repeat(np.arange(40), 15)
    theta = np.array([0.2, -0.4, -0.3])
    _, slope = loglikelihood(theta, y, x, code)
    for i in range(3):
        step = np.eye(3)[i] * 1e-6
        rise = (loglikelihood(theta + step, y, x, code)[0] - loglikelihood(theta - step, y, x, code)[0]) / 2e-6
        assert slope[i] == pytest.approx(rise, rel=1e-6, abs=1e-5)
    plain = sm.Logit(y, x).fit(disp=0)
    assert loglikelihood(np.append(plain.params, -20), y, x, code)[0] == pytest.approx(plain.llf)


def test_the_likelihood_of_a_large_place_is_its_integral():
    # 900 of 3,000 in one place, 20 of 40 in another: by adaptive integration, scaled so that it does not underflow.
    y = np.repeat([1.0, 0.0, 1.0, 0.0], [900, 2100, 20, 20])
    code = np.repeat([0, 1], [3000, 40])
    total = 0.0
    for yes, no in ((900, 2100), (20, 20)):
        peak = log_expit(logit(yes / (yes + no))) * yes + log_expit(-logit(yes / (yes + no))) * no

        def density(u: float, yes: int = yes, no: int = no, peak: float = peak) -> float:
            eta = 0.3 + 0.7 * u
            return float(np.exp(yes * log_expit(eta) + no * log_expit(-eta) - peak) * stats.norm.pdf(u))

        middle = (logit(yes / (yes + no)) - 0.3) / 0.7
        value, _ = integrate.quad(density, middle - 4, middle + 4, points=[middle], epsabs=0, epsrel=1e-11, limit=200)
        total += np.log(value) + peak
    found, _ = loglikelihood(np.array([0.3, np.log(0.7)]), y, np.ones((3040, 1)), code)
    assert found == pytest.approx(total, abs=1e-8)


def test_large_places_leave_the_mean_and_spread_of_their_own_logits():
    # With 2,000 rows a place its logit is known to 0.05: what is left is a sample of 30 logits, of mean m and variance
    # v, so that the constant is m with error sqrt(v / 30), and the variance v with error v sqrt(2 / 30).
    rng = np.random.default_rng(11)
    yes = rng.binomial(2000, expit(rng.normal(-0.2, 0.8, 30)))
    rows = pl.DataFrame({"y": np.concatenate([np.repeat([1.0, 0.0], [k, 2000 - k]) for k in yes]),
                         "place": np.repeat(np.arange(30), 2000)})  # fmt: skip
    told = multilevel(rows, "y", place="place", model="logit", design=NO_DESIGN)
    logits = logit(yes / 2000)
    m, v = logits.mean(), logits.var()
    assert of(told, "constant") == pytest.approx(m, abs=0.01)
    assert of(told, "constant", "se") == pytest.approx(np.sqrt(v / 30), rel=0.01)
    assert of(told, "between_variance") == pytest.approx(v, rel=0.01)
    assert of(told, "between_variance", "se") == pytest.approx(v * np.sqrt(2 / 30), rel=0.02)


def test_places_that_do_not_matter_leave_an_upper_end_where_the_likelihood_has_fallen():
    # Ten of twenty in every place: less apart than chance alone would put them.
    rows = pl.DataFrame({"y": [1.0, 0.0] * 120, "place": np.repeat(np.arange(12), 20)})
    told = multilevel(rows, "y", place="place", model="logit", design=NO_DESIGN)
    row = told.filter(term="between_variance").row(0, named=True)
    assert (row["value"], row["lower"], row["note"]) == (0.0, 0.0, "variance_at_zero")
    y, code = rows["y"].to_numpy(), np.repeat(np.arange(12), 20)
    heights = []
    for log_spread in (-6.0, np.log(row["upper"]) / 2):
        top = optimize.minimize_scalar(
            lambda b, s=log_spread: -loglikelihood(np.array([b, s]), y, np.ones((240, 1)), code)[0]
        )
        heights.append(-top.fun)
    assert heights[0] - heights[1] == pytest.approx(3.841459 / 2, abs=1e-3)


def test_a_planted_logit_is_found_within_its_errors():
    told = [
        multilevel(
            people(s, places=60, each=20, binary=True), "y", "age", place="place", model="logit", design=NO_DESIGN
        )
        for s in range(12)
    ]
    for term, truth in (("age", -0.04), ("constant", 0.4 + 0.04 * 50)):
        z = [(of(t, term) - truth) / of(t, term, "se") for t in told]
        # Twelve standard scores: their mean within 3.3/sqrt(12), none beyond 4.5.
        assert abs(np.mean(z)) < 0.96
        assert max(map(abs, z)) < 4.5
    assert sum(of(t, "between_share", "lower") < 0.64 / (0.64 + np.pi**2 / 3) < of(t, "between_share", "upper")
               for t in told) >= 9  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "options", "error", "said"),
    [
        (people(5), {"design": Design(weight="w")}, RefusalError, r"no weights that differ.*survey\.regression"),
        (people(5), {"design": Design(psu="y")}, RefusalError, r"no PSUs \('y'\) other than the places \('place'\)"),
        (people(5), {"design": Design(strata="place")}, RefusalError, "no strata or a finite population"),
        (people(5), {"design": Design(weight="w", replicates=("w", "age"))}, RefusalError, "no replicate weights"),
        (people(5), {"design": NO_DESIGN, "place": "y"}, SchemaError, "cannot be outcome"),
        (people(5, places=4), {"design": NO_DESIGN}, DataError, "4 places"),
        (people(5, each=1), {"design": NO_DESIGN}, DataError, "has one row"),
        (people(5), {"design": NO_DESIGN, "model": "logit"}, DataError, "0 or 1"),
        (people(5).cast({"y": pl.String}), {"design": NO_DESIGN}, SchemaError, "needs numbers, but 'y' is String"),
        (people(5).with_columns(y=pl.lit(float("inf"))), {"design": NO_DESIGN}, DataError, "holds infinite values"),
        (
            people(5).with_columns(y=(pl.col("place") > "p20").cast(pl.Float64)),
            {"design": NO_DESIGN, "model": "logit"},
            DataError,
            "the same throughout most places",
        ),
    ],
)
def test_what_a_multilevel_model_cannot_answer_is_refused(rows, options, error, said):
    with pytest.raises(error, match=said):
        multilevel(rows.with_columns(w=pl.col("age").abs()), "y", "age", **{"place": "place", **options})


def test_units_do_not_matter():
    rows = people(9)
    plain = multilevel(rows, "y", "age", place="place", design=NO_DESIGN)
    other = rows.with_columns(pl.col("y") * 1e6 + 1e9, pl.col("age") * 1e-6 + 3)
    told = multilevel(other, "y", "age", place="place", design=NO_DESIGN)
    assert of(told, "age") == pytest.approx(of(plain, "age") * 1e12, rel=1e-6)
    assert of(told, "age", "se") == pytest.approx(of(plain, "age", "se") * 1e12, rel=1e-6)
    assert of(told, "between_variance") == pytest.approx(of(plain, "between_variance") * 1e12, rel=1e-4)
    shares = [of(t, "between_share", c) for t in (told, plain) for c in ("value", "lower", "upper")]
    assert shares[:3] == pytest.approx(shares[3:], rel=1e-4)


def test_more_coefficients_than_rows_can_tell_are_refused():
    rows = people(1, places=10, each=1)
    rows = pl.concat([rows, rows.head(1)])
    rng = np.random.default_rng(0)
    rows = rows.with_columns(pl.Series(c, rng.normal(size=11)) for c in "ab")
    with pytest.raises(DataError, match=r"11 rows in 10 places leave 9 degrees .* and -1 within them for 3"):
        multilevel(rows, "y", ["a", "b"], place="place", design=NO_DESIGN)


def test_a_design_that_the_model_knows_anyhow_is_no_obstacle():
    rows = people(6).with_columns(w=pl.lit(250.0))
    plain = multilevel(rows, "y", "age", place="place", design=NO_DESIGN)
    told = multilevel(rows, "y", "age", place="place", design=Design(weight="w", psu="place"))
    assert told.equals(plain)


def test_a_domain_is_the_rows_of_the_domain():
    rows = people(7)
    part = rows.filter(pl.col("age") > 45)
    told = multilevel(surveyed(rows, NO_DESIGN, what="test").where(pl.col("age") > 45), "y", "age", place="place")
    assert told["n"][0] == part.height
    assert told["n_missing"][0] == 0
    plain = multilevel(part, "y", "age", place="place", design=NO_DESIGN)
    assert told["value"].to_list() == pytest.approx(plain["value"].to_list())
