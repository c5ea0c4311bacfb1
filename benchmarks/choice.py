"""Mode choice of 26,320 trips among four modes: a conditional logit, against other ways to its one optimum.

The trips are synthetic, as many as London's (``lpmc__yearly_trip_modechoice``), chosen by London's coefficients. The
peers are SciPy's minimise with a numeric gradient on the same vectorised likelihood, and statsmodels' ConditionalLogit,
which goes through the trips in Python and is given a sample of 2,000. All must reach one optimum first. Clustered
errors are ours alone and count in our time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
from scipy.optimize import minimize

from benchmarks.measure import Disagreement, Row, compared, take_turns
from calibration.incentive import synthetic_trips
from citylab.policy.inclusive import choice

TRIPS, SAMPLE = 26_320, 2_000
EACH = 5
RUNS = 3
CLOSE = 0.01
"""Largest difference of a coefficient, in standard errors: a search by BFGS ends a little short of the optimum."""

Floats = Any


def ours(trips: pl.DataFrame) -> choice.ModeChoice:
    """Coefficients, covariances by household, likelihoods."""
    return choice.mode_choice(trips)


def _arrays(trips: pl.DataFrame) -> tuple[Floats, Floats]:
    model = choice.london()
    built = choice.design_array(trips, model.terms, model.modes)
    picked = trips["mode"].replace_strict(model.modes, range(len(model.modes)), return_dtype=pl.Int64).to_numpy()
    return built, picked


def scipy_numeric(trips: pl.DataFrame) -> Floats:
    """Coefficients by BFGS with differences for a gradient."""
    built, picked = _arrays(trips)
    rows = np.arange(len(picked))

    def loss(beta: Floats) -> float:
        v = built @ beta
        top = v.max(axis=1)
        return float((top + np.log(np.exp(v - top[:, None]).sum(axis=1)) - v[rows, picked]).mean())

    return minimize(loss, np.zeros(built.shape[2]), method="BFGS", options={"gtol": 1e-7, "maxiter": 500}).x


def conditional_logit(trips: pl.DataFrame) -> Floats:
    """Coefficients by statsmodels' model, trip by trip."""
    from statsmodels.discrete.conditional_models import ConditionalLogit

    built, picked = _arrays(trips)
    taken = np.eye(built.shape[1])[picked]
    groups = np.repeat(np.arange(len(picked)), built.shape[1])
    model = ConditionalLogit(taken.ravel(), built.reshape(-1, built.shape[2]), groups=groups)
    return np.asarray(model.fit(method="BFGS", maxiter=500, gtol=1e-8, disp=False, skip_hessian=True).params)


def same_optimum(mine: choice.ModeChoice, theirs: Floats, who: str) -> None:
    """Raise unless both ended in one place, by the standard errors."""
    off = np.abs(mine.values - theirs) / mine.se_classical
    if off.max() > CLOSE:
        raise Disagreement(f"{who} ends {off.max():.2g} standard errors from ours in {mine.names[int(off.argmax())]}")


def rows() -> Iterator[Row]:
    """Compare optima, then time."""
    trips = synthetic_trips(TRIPS // EACH, seed=0, each=EACH)
    sample = trips.head(SAMPLE)
    same_optimum(ours(trips), scipy_numeric(trips), "SciPy")
    timings = take_turns(
        {"citylab": lambda: ours(trips), "SciPy, numeric gradient": lambda: scipy_numeric(trips)}, runs=RUNS
    )
    yield from compared(f"conditional logit, {trips.height:,} trips × 4 modes", timings)
    same_optimum(ours(sample), conditional_logit(sample), "ConditionalLogit")
    timings = take_turns(
        {"citylab": lambda: ours(sample), "statsmodels ConditionalLogit": lambda: conditional_logit(sample)}, runs=1
    )
    yield from compared(f"conditional logit, {SAMPLE:,} trips × 4 modes", timings)
