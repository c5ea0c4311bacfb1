"""A share between places that was planted is found, and a place that does not matter is told so."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm

from citylab.errors import DataError, RefusalError, SchemaError
from citylab.stats.multilevel import loglikelihood, multilevel, restricted_loglikelihood
from citylab.stats.survey import NO_DESIGN, Design


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
    assert of(told, "within_variance") == pytest.approx(msw, rel=1e-4)
    assert of(told, "between_variance") == pytest.approx((msb - msw) / 15, rel=1e-3)
    assert of(told, "constant", "se") == pytest.approx(np.sqrt(msb / 600), rel=1e-3)


def test_the_profile_of_a_balanced_table_has_its_top_at_the_estimate():
    rows = people(2)
    y, x = rows["y"].to_numpy(), np.column_stack([np.ones(600), rows["age"]])
    code = np.repeat(np.arange(40), 15)
    told = multilevel(rows, "y", "age", place="place", design=NO_DESIGN)
    ratio = of(told, "between_variance") / of(told, "within_variance")
    at = [restricted_loglikelihood(y, x, code, r) for r in (ratio * 0.98, ratio, ratio * 1.02)]
    assert at[1] == max(at)
    assert of(told, "between_share", "lower") < of(told, "between_share") < of(told, "between_share", "upper")


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
        (people(5), {"design": Design(weight="age")}, RefusalError, "takes no survey weights"),
        (people(5), {"design": NO_DESIGN, "place": "y"}, SchemaError, "cannot be outcome"),
        (people(5, places=4), {"design": NO_DESIGN}, DataError, "4 places"),
        (people(5, each=1), {"design": NO_DESIGN}, DataError, "has one row"),
        (people(5), {"design": NO_DESIGN, "model": "logit"}, DataError, "0 or 1"),
    ],
)
def test_what_a_multilevel_model_cannot_answer_is_refused(rows, options, error, said):
    with pytest.raises(error, match=said):
        multilevel(rows, "y", "age", **{"place": "place", **options})
