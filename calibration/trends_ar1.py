"""Coverage of Theil-Sen intervals that allow for AR(1) noise.

As *trends* above, for the 95 % interval of `theil_sen_ar1` (`noise="ar1"` of `citylab.air.trends.trend`), a studentised
bootstrap of an AR(1) process (599 resamples). Rows with a season add a yearly cycle and take it out again by robust STL
(recipe openair-2); the interval is told what STL without robust weights leaves of noise. The planted noise is AR(1),
which shows these intervals at their best; rows "ARMA" plant noise of another kind (φ 0.6, moving average -0.3), whose
autocorrelation begins at 0.34 and decays as that of φ 0.6 does. 1,000 runs at most.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from calibration import Row, share
from calibration.trends import LEVEL, PERIOD, SEASON, SLOPE, WARM_UP, ar1
from citylab.air.trends import RECIPES
from citylab.stats import trends

MAX_RUNS = 1000
PHIS = (0.0, 0.3, 0.6)
ARMA = (0.6, -0.3)
"""Coefficients of the autoregression and the moving average."""


def arma(rng: np.random.Generator, months: int, runs: int, phi: float, theta: float) -> npt.NDArray[np.float64]:
    """Return ARMA(1, 1) noise, (months, runs), after a warm-up."""
    shocks = rng.normal(size=(months + WARM_UP, runs))
    noise = shocks.copy()
    for t in range(1, len(noise)):
        noise[t] += phi * noise[t - 1] + theta * shocks[t - 1]
    return noise[WARM_UP:]


def coverage(
    what: str,
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    seed: int,
    operator: npt.NDArray[np.float64] | None = None,
) -> Row:
    """Return how often the interval holds the slope; each run draws its own resamples."""
    lines = [trends.theil_sen_ar1(x, y[:, i], operator=operator, seed=seed + i, level=LEVEL) for i in range(y.shape[1])]
    return share(what, LEVEL, [line.slope_low <= SLOPE <= line.slope_high for line in lines])


def seasonal(rng: np.random.Generator, months: int, runs: int, phi: float, seed: int) -> Row:
    """Return how often the interval holds the slope where a season was taken out."""
    x = np.arange(months, dtype=float)
    recipe = RECIPES["openair-2"]
    cycle = SEASON * np.cos(2 * np.pi * x / PERIOD)
    y = (SLOPE * x + cycle)[:, None] + ar1(rng, months, runs, phi)
    parts = trends.stl(y, period=PERIOD, seasonal=recipe.seasonal, seasonal_degree=recipe.seasonal_degree)
    left = trends.deseasonalising(
        months, period=PERIOD, seasonal=recipe.seasonal, seasonal_degree=recipe.seasonal_degree
    )
    return coverage(f"coverage, {months} months with a season, φ {phi}", x, parts.deseasonalised, seed, left)


def run(n: int, seed: int) -> list[Row]:
    """Return coverage over ``n`` runs a row, :data:`MAX_RUNS` at most."""
    runs = min(n, MAX_RUNS)
    rng = np.random.default_rng(seed)
    rows = [seasonal(rng, 48, runs, phi, seed) for phi in PHIS]
    for months in (48, 120):
        x = np.arange(months, dtype=float)
        for phi in PHIS:
            y = SLOPE * x[:, None] + ar1(rng, months, runs, phi)
            rows.append(coverage(f"coverage, {months} months, φ {phi}", x, y, seed))
        y = SLOPE * x[:, None] + arma(rng, months, runs, *ARMA)
        rows.append(coverage(f"coverage, {months} months, ARMA", x, y, seed))
    return rows
