"""Trends of 72 monthly series of four years: Theil-Sen with 599 resamples, and Hamed and Rao's Mann-Kendall test.

The peers are a loop over SciPy's Theil-Sen slopes on the same resamples, and pyMannKendall series by series where it is
installed (it is no dependency of citylab). The series are synthetic.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.stats import theilslopes

from benchmarks.measure import Row, Skipped, agree, compared, take_turns
from citylab.stats import bootstrap, trends

MONTHS, SERIES, RESAMPLES = 48, 72, 599
SEED = 0
SCIPY_BUDGET = 1 / 60
"""Our time over that of the SciPy loop."""

Floats = npt.NDArray[np.float64]


def series(count: int = SERIES) -> tuple[Floats, Floats]:
    """Synthetic months: days of their starts, and autocorrelated values around falling lines."""
    rng = np.random.default_rng(SEED)
    days = np.cumsum(np.resize([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], MONTHS)).astype(float)
    noise = rng.normal(size=(MONTHS, count))
    for t in range(1, MONTHS):
        noise[t] += 0.3 * noise[t - 1]
    return days, 80 - 0.01 * days[:, None] + 5 * noise


def _frame(**columns: object) -> pl.DataFrame:
    return pl.DataFrame(columns).with_row_index("series")


def ours(days: Floats, values: Floats) -> pl.DataFrame:
    """All series in one call; intercepts, their intervals and p-values are made too."""
    line = trends.theil_sen(days, values, n_boot=RESAMPLES, seed=SEED)
    return _frame(slope=line.slope, low=line.slope_low, high=line.slope_high)


def scipy_loop(days: Floats, values: Floats) -> pl.DataFrame:
    """Slopes only, one resample after the other."""
    indices = bootstrap.block_indices(len(days), RESAMPLES, seed=SEED)
    slope = [theilslopes(y, days).slope for y in values.T]
    drawn = np.array([[theilslopes(y[b], days[b]).slope for y in values.T] for b in indices])
    low, high = bootstrap.interval(drawn)
    return _frame(slope=slope, low=low, high=high)


def ours_mann_kendall(values: Floats) -> pl.DataFrame:
    """All series in one call."""
    test = trends.mann_kendall(values, method="hamed-rao")
    return _frame(z=test.z, p=test.p, slope=test.slope)


def pymannkendall_loop(values: Floats) -> pl.DataFrame:
    """The peer, series by series."""
    import pymannkendall

    tests = [pymannkendall.hamed_rao_modification_test(y) for y in values.T]
    return _frame(z=[t.z for t in tests], p=[t.p for t in tests], slope=[t.slope for t in tests])


def rows() -> Iterator[Row]:
    """Compare results, then time."""
    days, values = series()
    size = f"{SERIES} series × {MONTHS} months"
    agree(scipy_loop(days, values[:, :3]), ours(days, values[:, :3]), key=["series"])
    # One round: the loop takes about ten seconds.
    timings = take_turns(
        {"citylab": lambda: ours(days, values), "SciPy loop": lambda: scipy_loop(days, values)}, runs=1
    )
    yield from compared(f"Theil-Sen, {RESAMPLES} resamples, {size}", timings, budgets={"SciPy loop": SCIPY_BUDGET})
    try:
        agree(pymannkendall_loop(values), ours_mann_kendall(values), key=["series"])
    except ImportError:
        raise Skipped("pymannkendall is not installed; its line is missing") from None
    timings = take_turns(
        {"citylab": lambda: ours_mann_kendall(values), "pyMannKendall": lambda: pymannkendall_loop(values)}
    )
    yield from compared(f"Mann-Kendall, Hamed-Rao, {size}", timings)
