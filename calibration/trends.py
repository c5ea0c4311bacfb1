"""Coverage of Theil-Sen intervals and size of Mann-Kendall tests.

Synthetic months: a straight line, and noise that follows an AR(1) process with coefficient φ and normal innovations.
Coverage counts how often the 95 % bootstrap interval (599 resamples) holds the planted slope; size how often a test at
5 % rejects where there is no trend. Rows with a season add a yearly cycle and take it out again by STL (recipe
openair-2). "Blocks" are moving blocks of the cube root of n months (`autocor=True`), else months are drawn
independently.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from calibration import Row, share
from citylab.air.trends import RECIPES
from citylab.stats import trends

LEVEL = 0.95
SLOPE = -0.04  # per month, in standard deviations of an innovation
SEASON = 2.0
PERIOD = 12
WARM_UP = 50
TESTS: tuple[tuple[trends.Method, int | None], ...] = (
    ("original", None),
    ("hamed-rao", None),
    ("hamed-rao", 3),
    ("yue-wang", None),
    ("yue-wang", 1),
    ("pre-whitening", None),
    ("trend-free-pre-whitening", None),
)


def ar1(rng: np.random.Generator, months: int, runs: int, phi: float) -> npt.NDArray[np.float64]:
    """Return AR(1) noise, (months, runs), after a warm-up."""
    noise = rng.normal(size=(months + WARM_UP, runs))
    for t in range(1, len(noise)):
        noise[t] += phi * noise[t - 1]
    return noise[WARM_UP:]


def coverage(what: str, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], block: int | None, seed: int) -> Row:
    """Return how often the interval holds the slope."""
    # Each run draws its own resamples, or the runs would not be independent.
    lines = [trends.theil_sen(x, y[:, [i]], block=block, seed=seed + i, level=LEVEL) for i in range(y.shape[1])]
    low, high = (np.concatenate([getattr(line, f"slope_{end}") for line in lines]) for end in ("low", "high"))
    return share(what, LEVEL, (low <= SLOPE) & (high >= SLOPE))


def run(n: int, seed: int) -> list[Row]:
    """Return coverage and size over ``n`` runs each."""
    rng = np.random.default_rng(seed)
    rows = []
    blocks: tuple[tuple[str, Literal[1] | None], ...] = (("", 1), (", blocks", None))
    for months in (48, 120):
        x = np.arange(months, dtype=float)
        for phi in (0.0, 0.3, 0.6):
            y = SLOPE * x[:, None] + ar1(rng, months, n, phi)
            for name, block in blocks:
                rows.append(coverage(f"Theil-Sen coverage, {months} months, φ {phi}{name}", x, y, block, seed))
    x = np.arange(48, dtype=float)
    recipe = RECIPES["openair-2"]
    cycle = SEASON * np.cos(2 * np.pi * x / PERIOD)
    for phi in (0.0, 0.3):
        y = (SLOPE * x + cycle)[:, None] + ar1(rng, len(x), n, phi)
        parts = trends.stl(y, period=PERIOD, seasonal=recipe.seasonal, seasonal_degree=recipe.seasonal_degree)
        for name, block in blocks:
            what = f"Theil-Sen coverage, 48 months with a season, φ {phi}{name}"
            rows.append(coverage(what, x, parts.deseasonalised, block, seed))
    for phi in (0.0, 0.3):
        noise = ar1(rng, 48, n, phi)
        for method, max_lag in TESTS:
            p = trends.mann_kendall(noise, method=method, max_lag=max_lag).p
            name = method if max_lag is None else f"{method} to lag {max_lag}"
            rows.append(share(f"Mann-Kendall size, {name}, 48 months, φ {phi}", 1 - LEVEL, p < 1 - LEVEL))
    return rows
