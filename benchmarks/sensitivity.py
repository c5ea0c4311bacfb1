"""Sobol indices with bootstrap intervals of 256 outputs at once, and SALib output by output on the same runs.

The estimators are the same and so are the resamples, so that indices and the spread of every resample are compared
before anything is timed. The model is synthetic: what is timed is what comes after it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.measure import Row, Skipped, agree, compared, take_turns
from citylab.policy import explore

YEARS, GROUPS = 16, 16
RESAMPLES = 100
SEED = 1
BUDGET = 1 / 15
"""Our time over that of the SALib loop."""
Z_95 = 1.959963984540054
"""Quantile of the normal by which SALib multiplies a standard error."""

Floats = npt.NDArray[np.float64]


def runs(parameters: int, n: int, *, second_order: bool) -> Floats:
    """Synthetic outputs by year and group: sums, products and squares of the parameters."""
    bounds = {f"p{i}": (0.0, 1.0) for i in range(parameters)}
    x = explore.sobol_cases(bounds, n, second_order=second_order, seed=SEED).to_numpy()
    rng = np.random.default_rng(SEED)
    straight, bent = rng.normal(size=(2, parameters, YEARS * GROUPS))
    y = x @ straight + (x * np.roll(x, 1, axis=1)) @ bent
    return y.reshape(len(x), YEARS, GROUPS)


def names(parameters: int) -> list[str]:
    return [f"p{i}" for i in range(parameters)]


def ours(values: Floats, parameters: int, *, second_order: bool) -> pl.DataFrame:
    found = explore.sobol_indices(values, names(parameters), second_order=second_order, n_boot=RESAMPLES, seed=SEED)
    shown = ["s1", "s1_se", "st", "st_se"]
    table = {name: found[name].values.reshape(parameters, -1).T.ravel() for name in shown}
    return pl.DataFrame(table).with_row_index("index")


def salib_loop(values: Floats, parameters: int, *, second_order: bool) -> pl.DataFrame:
    from SALib.analyze import sobol

    problem = {"num_vars": parameters, "names": names(parameters), "bounds": [[0.0, 1.0]] * parameters}
    flat = values.reshape(len(values), -1)
    each = [
        sobol.analyze(problem, y, calc_second_order=second_order, num_resamples=RESAMPLES, seed=SEED) for y in flat.T
    ]
    table = {
        "s1": np.concatenate([one["S1"] for one in each]),
        "s1_se": np.concatenate([one["S1_conf"] for one in each]) / Z_95,
        "st": np.concatenate([one["ST"] for one in each]),
        "st_se": np.concatenate([one["ST_conf"] for one in each]) / Z_95,
    }
    return pl.DataFrame(table).with_row_index("index")


def _compared(parameters: int, n: int, *, second_order: bool) -> Iterator[Row]:
    try:
        import SALib  # noqa: F401
    except ImportError:
        raise Skipped("SALib is not installed") from None
    values = runs(parameters, n, second_order=second_order)
    few = values[:, :1, :3]
    agree(
        salib_loop(few, parameters, second_order=second_order),
        ours(few, parameters, second_order=second_order),
        key=["index"],
    )
    # One round: the loop takes from five to fifty seconds
    timings = take_turns(
        {
            "citylab": lambda: ours(values, parameters, second_order=second_order),
            "SALib loop": lambda: salib_loop(values, parameters, second_order=second_order),
        },
        runs=1,
    )
    order = "first, second, total" if second_order else "first, total"
    work = f"Sobol ({order}), {len(values):,} runs × {parameters} parameters × {YEARS * GROUPS} outputs"
    yield from compared(work, timings, budgets={"SALib loop": BUDGET})


def rows() -> Iterator[Row]:
    """Four parameters with second order; sixteen without."""
    yield from _compared(4, 1024, second_order=True)
    yield from _compared(16, 512, second_order=False)


def large_rows() -> Iterator[Row]:
    """Sixteen parameters with their 120 pairs."""
    yield from _compared(16, 512, second_order=True)
