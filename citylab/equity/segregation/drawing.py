"""Tables drawn by chance, held as one array of counts and measured at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.stats import random_table

from citylab.equity.segregation.formulas import rule
from citylab.errors import DataError

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Counts = npt.NDArray[Any]
    Draws = Callable[[np.random.Generator, int], Counts]

Null = Literal["evenness", "systematic", "permutation"]
Resample = Literal["persons", "units"]


def in_chunks(
    of: Callable[[Counts], Floats], cells: int, draw: Draws, draws: int, seed: np.random.SeedSequence
) -> Floats:
    """Return what ``of`` makes of draws, some of them held at a time; NumPy draws without the interpreter's lock.

    The first axis of the result is that of measures, the second that of draws.
    """
    most = max(1, int(rule("chunk_cells") // max(1, cells)))
    sizes = [min(most, draws - at) for at in range(0, draws, most)]

    def work(size: int, seed: np.random.SeedSequence) -> Floats:
        return of(draw(np.random.default_rng(seed), size))

    seeds = seed.spawn(len(sizes))
    with ThreadPoolExecutor(max_workers=min(len(sizes), os.cpu_count() or 1)) as pool:
        return np.concatenate(list(pool.map(work, sizes, seeds)), axis=1)


def whole(counts: Floats, what: str, instead: str) -> npt.NDArray[np.int64]:
    """Return counts as whole numbers.

    Raises
    ------
    DataError
        One of them is not whole.
    """
    if (np.abs(counts - np.rint(counts)) > rule("whole_tolerance")).any():
        worst = counts[np.abs(counts - np.rint(counts)) > rule("whole_tolerance")][0]
        raise DataError(f"{what}: a count is {worst:g}; persons are drawn, and only whole ones can be. {instead}")
    return np.rint(counts).astype(np.int64)


def by_chance(counts: npt.NDArray[np.int64], null: Null) -> Draws:
    """Return what draws tables in which units and groups have nothing to do with each other."""
    t, g = counts.sum(1), counts.sum(0)
    if null == "evenness":
        return lambda rng, b: rng.multinomial(t, g / g.sum(), size=(b, len(t)))
    if null == "systematic":
        return lambda rng, b: np.swapaxes(rng.multinomial(g, t / t.sum(), size=(b, len(g))), -1, -2)
    both = random_table(t, g)
    return lambda rng, b: both.rvs(size=b, random_state=rng).reshape(b, *counts.shape)


def again(counts: Floats, resample: Resample, what: str) -> Draws:
    """Return what draws persons, or units with all their persons, anew."""
    if resample == "persons":
        held = whole(counts, what, 'Take resample="units".')
        p = held.ravel() / held.sum()
        return lambda rng, b: rng.multinomial(held.sum(), p, size=b).reshape(b, *counts.shape)
    n = len(counts)
    return lambda rng, b: rng.multinomial(n, np.full(n, 1 / n), size=b)[..., None] * counts
