"""Fitting a nowcast of 300 days: citylab's model against a plain statsmodels call with the same columns.

The peer is ``UnobservedComponents`` as a user writes it: the effects as regression coefficients that the search has to
find (``mle_regression=True``, the default) with the covariance of the parameters. The limit is the same call with what
ours tells it: effects as states, values scaled, no covariance. That all give the same fortnight is checked before times
are told. Ours reads the calendar, checks gaps and writes the table in its time. The days are synthetic.
"""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.measure import Disagreement, Row, compared, take_turns
from citylab import periods
from citylab.carbon import pulse

START, DAYS, HORIZON = dt.date(2021, 3, 8), 300, 14
SEED = 0
AGREE = 0.002
"""Largest relative difference of the two fortnights: the peer's coefficients are searched, ours are filtered."""
PLAIN_BUDGET = 1.0
"""Our time over that of the plain call."""

Floats = npt.NDArray[np.float64]


def days() -> pl.DataFrame:
    """Synthetic days with a week, holidays and a random walk, away from any Spring Festival's window."""
    dates = [START + dt.timedelta(i) for i in range(DAYS)]
    rng = np.random.default_rng(SEED)
    week = [0.05 if d.isoweekday() < 6 else -0.1 for d in dates]
    walk = rng.normal(scale=0.02, size=DAYS).cumsum()
    return pl.DataFrame({"date_local": dates, "co2_t": 1e6 * np.exp(np.array(week) + walk)})


def ours(frame: pl.DataFrame) -> Floats:
    """One call."""
    told = pulse.nowcast(frame, by=None, horizon_days=HORIZON)
    return told.filter("is_forecast")["co2_t"].to_numpy()


def columns() -> Floats:
    """Weekdays against Sunday, holidays and worked weekends, written by hand; outside the peer's time."""
    rows = periods.calendar(START, START + dt.timedelta(DAYS + HORIZON - 1)).collect()
    weekday = rows["weekday"].to_numpy()
    week = [(weekday == k).astype(float) - (weekday == 7) for k in range(1, 7)]
    flags = [rows[c].to_numpy().astype(float) for c in ("is_public_holiday", "is_adjusted_workday")]
    return np.column_stack([*week, *flags])


def plain(frame: pl.DataFrame, x: Floats) -> Floats:
    """Statsmodels as a user calls it."""
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    y = np.log(frame["co2_t"].to_numpy())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = UnobservedComponents(y, level="random walk", exog=x[:DAYS]).fit(disp=0, maxiter=200)
        return np.exp(np.asarray(fitted.get_forecast(HORIZON, exog=x[DAYS:]).predicted_mean))


def limit(frame: pl.DataFrame, x: Floats) -> Floats:
    """Statsmodels as ours calls it, without calendar, checks and table."""
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    y = np.log(frame["co2_t"].to_numpy())
    unit = np.diff(y).std()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = UnobservedComponents(y / unit, level="random walk", exog=x[:DAYS], mle_regression=False)
        fitted = model.fit(disp=0, maxiter=200, cov_type="none")
        return np.exp(np.asarray(fitted.get_forecast(HORIZON, exog=x[DAYS:]).predicted_mean) * unit)


def rows() -> Iterator[Row]:
    """Give the lines of this part."""
    frame, x = days(), columns()
    told = ours(frame)
    for name, theirs in (("plain", plain(frame, x)), ("limit", limit(frame, x))):
        if (apart := float(np.abs(told / theirs - 1).max())) > AGREE:
            raise Disagreement(f"our fortnight and that of {name} differ by up to {apart:.3%}")
    timings = take_turns(
        {
            "citylab": lambda: ours(frame),
            "plain statsmodels": lambda: plain(frame, x),
            "statsmodels, effects as states (limit)": lambda: limit(frame, x),
        }
    )
    work = f"nowcast, {DAYS} days, {HORIZON} ahead"
    yield from compared(work, timings, budgets={"plain statsmodels": PLAIN_BUDGET})
