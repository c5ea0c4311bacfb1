"""Coverage of forecast intervals on days that the models have not seen.

Synthetic days: a season and AR(1) noise (standard deviation 0.5, φ 0.6) on logarithms, 800 days known; the next three
are foretold by `citylab.air.forecast.forecast` and compared with what comes. Each run is a series of its own, so runs
are independent. The order of "sarimax" is (1, 0, 0). Rows "of the season" take past errors from 60 days of the year
before and after (the default), the others all.
"""

from __future__ import annotations

import datetime as dt
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import polars as pl

from calibration import Row, share
from citylab.air.forecast import SEASON_DAYS, forecast

METHODS = ("climatology", "regression", "sarimax")
LEVELS = (0.8, 0.95)
LEADS = (1, 3)
DAYS = 800
PHI, SPREAD = 0.6, 0.5
START = dt.date(2001, 1, 1)


def synthetic(seed: int) -> pl.DataFrame:
    """Return synthetic days, three more than are known."""
    n = DAYS + max(LEADS)
    noise = np.random.default_rng(seed).normal(size=n)
    for i in range(1, n):
        noise[i] = PHI * noise[i - 1] + np.sqrt(1 - PHI**2) * noise[i]
    season = 0.3 * np.cos(2 * np.pi * np.arange(n) / 365.25)
    dates = pl.date_range(START, START + dt.timedelta(n - 1), eager=True).alias("date_local")
    return pl.DataFrame({"pm25_ugm3": np.exp(4 + season + SPREAD * noise)}).with_columns(dates)


def hits(seed: int) -> list[bool]:
    """Return whether outcomes lie inside, by pool of errors, level, method and lead."""
    made = synthetic(seed)
    origin = START + dt.timedelta(DAYS - 1)
    found = []
    for season_days in (SEASON_DAYS, None):
        for level in LEVELS:
            told = forecast(
                made, "pm25_ugm3", method=METHODS, level=level, origin=origin, order=(1, 0, 0), season_days=season_days
            ).join(made, on="date_local")
            for method in METHODS:
                for lead in LEADS:
                    row = told.row(
                        by_predicate=(pl.col("method") == method) & (pl.col("lead_days") == lead), named=True
                    )
                    found.append(row["lower"] <= row["pm25_ugm3"] <= row["upper"])
    return found


def run(n: int, seed: int) -> list[Row]:
    """Return coverage over ``n`` series."""
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        found = np.array(list(pool.map(hits, range(seed * n, seed * n + n), chunksize=10)))
    names = [
        (level, f"forecast coverage, {method}, {lead} d ahead, errors {pool}")
        for pool in ("of the season", "of all days")
        for level in LEVELS
        for method in METHODS
        for lead in LEADS
    ]
    return [share(name, level, found[:, k]) for k, (level, name) in enumerate(names)]
