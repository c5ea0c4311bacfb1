"""Coverage of the change of a weather-normalised mean.

Synthetic days: temperature, wind and humidity with seasons and day-to-day memory; a log concentration that depends on
them, on the weekday and the season, with AR(1) noise (standard deviation 0.35, φ 0.5); in the middle a step of -10 %
in the concentration. The first half is compared with the second by `citylab.air.weather.change`; coverage counts how
often the 95 % interval holds -10 %. "Left-out" adds the errors in rows that the forest had not seen (the default);
"none" compares the normalised series as it stands. "Share of the step found" is the mean estimate (as a logarithm)
over the planted one, with the band of chance around 1. The forests are small (100 trees; 30 in folds; 20 refits of 10
trees), no run is refused for lack of skill, and there are 1,000 runs at most.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np
import numpy.typing as npt
import polars as pl

from calibration import Row, share
from citylab.air.weather import change, weather_normalised

LEVEL = 0.95
STEP = -0.10
MOST_RUNS = 1000
YEARS = (2, 4)
START = dt.date(2001, 1, 1)
WEATHER = ("temperature_c", "wind_speed_ms", "wind_direction_deg", "humidity_pct")
SMALL = {"n_trees": 100, "fold_trees": 30, "n_refits": 20, "refit_trees": 10, "n_jobs": 1, "min_r2": -np.inf}
CORRECTIONS = ("left-out", "none")


def memory(rng: np.random.Generator, n: int, phi: float) -> npt.NDArray[np.float64]:
    """Return AR(1) values of unit variance."""
    values = rng.normal(size=n)
    values[1:] *= np.sqrt(1 - phi**2)
    for i in range(1, n):
        values[i] += phi * values[i - 1]
    return values


def synthetic(seed: int, days: int, *, step: float = STEP, phi: float = 0.5, noise: float = 0.35) -> pl.DataFrame:
    """Return synthetic days with weather and, from the middle on, a concentration changed by ``step``."""
    rng = np.random.default_rng(seed)
    day = np.arange(days)
    year = 2 * np.pi * (day % 365) / 365
    temperature = 13 - 15 * np.cos(year - 0.26) + 4 * memory(rng, days, 0.7)
    wind = np.exp(0.7 + 0.4 * memory(rng, days, 0.4))
    direction = (180 + 80 * memory(rng, days, 0.6)) % 360
    humidity = 55 + 15 * np.sin(year - 2.07) + 15 * memory(rng, days, 0.6)
    log = 4 + 0.6 * np.cos(year - 0.26) - 0.7 * np.log(wind) + 0.012 * (humidity - 55) - 0.01 * (temperature - 13)
    log += 0.25 * np.cos(np.radians(direction - 180)) + 0.05 * (day % 7 < 5) + noise * memory(rng, days, phi)
    log += np.where(day >= days // 2, np.log1p(step), 0.0)
    columns = dict(zip(WEATHER, (temperature, wind, direction, humidity), strict=True))
    dates = pl.date_range(START, START + dt.timedelta(days - 1), eager=True).alias("date_local")
    return pl.DataFrame({"pm25_ugm3": np.exp(log)} | columns).with_columns(dates)


def estimates(seed: int, days: int) -> list[tuple[float, float, float]]:
    """Return the change and its interval [%] by each correction."""
    made = synthetic(seed, days)
    result = weather_normalised(
        made, "pm25_ugm3", by=None, time="date_local", predictors=WEATHER, seed=seed, level=LEVEL, **SMALL
    )
    middle = START + dt.timedelta(days // 2)
    before, after = (START, middle - dt.timedelta(1)), (middle, START + dt.timedelta(days - 1))
    ends = ("change_pct", "lower_pct", "upper_pct")
    return [
        change(result, before=before, after=after, correction=c).select(ends).row(0)  # type: ignore[arg-type]
        for c in CORRECTIONS
    ]


def rows_of(found: npt.NDArray[np.float64], what: str) -> Iterable[Row]:
    """Return coverage and share of the step found, for each correction; ``found`` is (run, correction, number)."""
    for k, correction in enumerate(CORRECTIONS):
        change_pct, lower, upper = found[:, k].T
        yield share(f"coverage, {what}, {correction}", LEVEL, (lower <= 100 * STEP) & (upper >= 100 * STEP))
        ratio = np.log1p(change_pct / 100) / np.log1p(STEP)
        chance = 1.96 * float(ratio.std(ddof=1)) / np.sqrt(len(ratio))
        yield Row(
            f"share of the step found, {what}, {correction}", 1.0, ratio.mean(), len(ratio), (1 - chance, 1 + chance)
        )


def run(n: int, seed: int) -> list[Row]:
    """Return coverage over ``n`` runs (1,000 at most) of each length."""
    rows: list[Row] = []
    seeds = range(seed * MOST_RUNS, seed * MOST_RUNS + min(n, MOST_RUNS))
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for years in YEARS:
            found = np.array(list(pool.map(partial(estimates, days=365 * years), seeds, chunksize=5)))
            rows += rows_of(found, f"{years} years of days, step {100 * STEP:+.0f} %")
    return rows
