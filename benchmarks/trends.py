"""Trends of 72 monthly series of four years: Theil-Sen with 599 resamples, and Hamed and Rao's Mann-Kendall test.

The peers are a loop over SciPy's Theil-Sen slopes on the same resamples, pyMannKendall series by series where it is
installed (the development group has it), and openair's `TheilSen` where R and openair are (R draws resamples of its
own, so that slopes are compared and intervals are not). The series are synthetic.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.stats import theilslopes

from benchmarks.measure import Disagreement, Row, Skipped, agree, compared, take_turns
from citylab.stats import bootstrap, trends

MONTHS, SERIES, RESAMPLES = 48, 72, 599
SEED = 0
SCIPY_BUDGET = 1 / 60
"""Our time over that of the SciPy loop."""

PATIENCE_R_S = 600
SLOPE_TOLERANCE = 1e-6
"""Relative difference that openair's slopes may have, which are printed."""
DAYS_PER_YEAR = 365
OPENAIR = """
arguments <- commandArgs(TRUE)
if (!requireNamespace("openair", quietly = TRUE)) { cat("null"); quit(status = 0) }
table <- read.csv(arguments[1]); table$date <- as.POSIXct(table$date, tz = "GMT")
names <- setdiff(names(table), "date"); slopes <- c()
took <- system.time(for (name in names) {
  found <- openair::TheilSen(table, pollutant = name, deseason = FALSE, autocor = FALSE, plot = FALSE, silent = TRUE)
  slopes <- c(slopes, found$data$res2$slope[1])
})
cat(sprintf("[%.17g, [%s]]", took[["elapsed"]], paste(sprintf("%.17g", slopes), collapse = ", ")))
"""

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


def openair_row(work: str, days: Floats, values: Floats) -> Row:
    """Return the line of R's openair, or the line that says why there is none."""
    who = "openair (R)"
    r = shutil.which("Rscript")
    if r is None:
        return Row(work, who, "not present: no Rscript on this machine")
    with tempfile.TemporaryDirectory() as folder:
        path, script = Path(folder) / "series.csv", Path(folder) / "openair.R"
        stamps = pl.Series("date", np.datetime64("2013-01-01") + days.astype("timedelta64[D]"))
        pl.DataFrame({f"s{i}": y for i, y in enumerate(values.T)}).insert_column(0, stamps).write_csv(path)
        script.write_text(OPENAIR, encoding="utf-8")
        command = [r, str(script), str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_R_S, check=False)
    if done.returncode:
        return Row(work, who, f"not measured: {(done.stderr.strip() or 'R failed').splitlines()[-1]}")
    found = json.loads(done.stdout.splitlines()[-1])
    if found is None:
        return Row(work, who, "not present: R has no package openair")
    elapsed, slopes = found
    mine = trends.theil_sen(days, values, n_boot=RESAMPLES, seed=SEED).slope * DAYS_PER_YEAR
    if not np.allclose(slopes, mine, rtol=SLOPE_TOLERANCE):
        raise Disagreement(f"openair's slopes differ from ours by up to {np.abs(slopes - mine).max():g} a year")
    return Row(work, who, f"{elapsed:.4f} s")


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
    work = f"Theil-Sen, {RESAMPLES} resamples, {size}"
    yield from compared(work, timings, budgets={"SciPy loop": SCIPY_BUDGET})
    yield openair_row(work, days, values)
    try:
        agree(pymannkendall_loop(values), ours_mann_kendall(values), key=["series"])
    except ImportError:
        raise Skipped("pymannkendall is not installed; its line is missing") from None
    timings = take_turns(
        {"citylab": lambda: ours_mann_kendall(values), "pyMannKendall": lambda: pymannkendall_loop(values)}
    )
    yield from compared(f"Mann-Kendall, Hamed-Rao, {size}", timings)
