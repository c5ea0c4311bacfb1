"""Coverage of the intervals of the daily pulse on days that the models have not seen.

Synthetic days of the models' own kind: a week and either a random walk (standard deviation 0.02 a day) or AR(1) noise
(standard deviation 0.04, φ 0.8) on logarithms. `nowcast` knows 252 days and tells seven; `anomaly` knows 387 days
(2019 and 22 days of 2020, one Spring Festival) and tells the three months after, of which nothing fell. Each run is a
series of its own. On real days intervals cover less often: `citylab.carbon.pulse.backtest` measures it.
"""

from __future__ import annotations

import datetime as dt
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import polars as pl

from calibration import Row, share
from citylab.carbon import pulse

LEVELS = (0.8, 0.9)
LEADS = (1, 7)
KNOWN, FIRST = 252, dt.date(2021, 3, 7)
YEARS = 731
STEP, SPREAD, PHI = 0.02, 0.04, 0.8


def _frame(first: dt.date, noise: np.ndarray) -> pl.DataFrame:
    dates = [first + dt.timedelta(i) for i in range(len(noise))]
    week = np.array([0.05 if d.isoweekday() < 6 else -0.125 for d in dates])
    return pl.DataFrame({"date_local": dates, "co2_t": 1e6 * np.exp(week + noise)})


def nowcast_hits(seed: int) -> list[bool]:
    """Return whether outcomes lie inside, by level and lead."""
    noise = np.random.default_rng(seed).normal(scale=STEP, size=KNOWN + max(LEADS)).cumsum()
    frame = _frame(FIRST, noise)
    as_of = FIRST + dt.timedelta(KNOWN - 1)
    found = []
    for level in LEVELS:
        told = pulse.nowcast(frame, by=None, horizon_days=max(LEADS), as_of=as_of, level=level).filter("is_forecast")
        for lead in LEADS:
            row, truth = told.row(lead - 1, named=True), frame["co2_t"][KNOWN - 1 + lead]
            found.append(row["co2_t_low"] <= truth <= row["co2_t_high"])
    return found


def anomaly_hits(seed: int) -> list[bool]:
    """Return whether no difference lies inside, for February and for the whole spring."""
    noise = np.random.default_rng(seed).normal(size=YEARS)
    for i in range(1, YEARS):
        noise[i] = PHI * noise[i - 1] + np.sqrt(1 - PHI**2) * noise[i]
    found = pulse.anomaly(_frame(dt.date(2019, 1, 1), SPREAD * noise), by=None, compare=["model"], n_draws=1000)
    inside = (found["difference_share_low"] <= 0) & (found["difference_share_high"] >= 0)
    return [bool(inside[0]), bool(inside[3])]


def run(n: int, seed: int) -> list[Row]:
    """Return coverage over ``n`` series of each kind."""
    seeds = range(seed * n, seed * n + n)
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        told = np.array(list(pool.map(nowcast_hits, seeds, chunksize=10)))
        nothing = np.array(list(pool.map(anomaly_hits, seeds, chunksize=10)))
    names = [(level, f"nowcast coverage, random walk, {lead} d ahead") for level in LEVELS for lead in LEADS]
    rows = [share(name, level, told[:, k]) for k, (level, name) in enumerate(names)]
    periods = ("23 January to 29 February", "23 January to 30 April")
    return rows + [share(f"anomaly coverage, model, {p}", 0.9, nothing[:, k]) for k, p in enumerate(periods)]
