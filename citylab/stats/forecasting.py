"""Scores of forecasts that several domains share: how far off, better than a naive one or not, do intervals cover.

All work on arrays with one element per day of issue, in the order of time. Neighbouring days of issue share their
weather and their errors, so intervals come from resampled blocks of days (:mod:`citylab.stats.bootstrap`), not from
single days.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from citylab.errors import DataError, RangeError
from citylab.stats import bootstrap

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Indices = npt.NDArray[np.int64]

SkillVerdict = Literal["worse", "not distinguishable", "better"]
CoverageVerdict = Literal["too narrow", "calibrated", "too wide"]


class Skill(NamedTuple):
    """1 minus our mean loss over a reference's, its interval, and whether that lies above or below zero."""

    value: float
    low: float
    high: float
    verdict: SkillVerdict


class Coverage(NamedTuple):
    """Share of outcomes inside their intervals, its own interval, and whether that holds the nominal share."""

    share: float
    low: float
    high: float
    verdict: CoverageVerdict


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the searches of statsmodels silent (check their results) and on one thread (matrices are tiny).

    Examples
    --------
    >>> import warnings
    >>> with quiet():
    ...     warnings.warn("no convergence")
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def wape(observed: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Return the weighted absolute percentage error: the sum of absolute errors over the sum of absolute outcomes.

    Parameters
    ----------
    observed, predicted
        Outcomes and forecasts of the same days, in one unit.

    Returns
    -------
    float
        A share; 0.05 is 5 %.

    Raises
    ------
    DataError
        Lengths differ, a value is missing, or all outcomes are zero.

    Examples
    --------
    >>> wape([10.0, 30.0], [11.0, 29.0])
    0.05
    """
    came, told = _pair(observed, predicted, "observed", "predicted")
    size = float(np.abs(came).sum())
    if size == 0:
        raise DataError("All outcomes are zero, and an error has no share of nothing. Take another measure.")
    return float(np.abs(told - came).sum()) / size


def resamples(n: int, *, block: int = 1, n_boot: int = 999, seed: int = 0) -> Indices:
    """Return positions of resampled days of issue in blocks of neighbours.

    Parameters
    ----------
    n
        Days of issue.
    block
        Least length of a block: days of issue whose forecasts overlap. The usual length (cube root of ``n``) is taken
        where it is longer.
    n_boot, seed
        As in :func:`citylab.stats.bootstrap.block_indices`.

    Examples
    --------
    >>> resamples(100, block=7, n_boot=20).shape
    (20, 100)
    """
    return bootstrap.block_indices(n, n_boot, block=min(n, max(block, bootstrap.block_length(n))), seed=seed)


def skill(own: npt.ArrayLike, reference: npt.ArrayLike, indices: Indices, *, level: float = 0.95) -> Skill | None:
    """Return the skill of losses against a reference's on the same days.

    Parameters
    ----------
    own, reference
        Losses, zero or more.
    indices
        What :func:`resamples` gives.
    level
        Level of the interval.

    Returns
    -------
    Skill or None
        ``None`` where the reference was never wrong: nothing can have skill then, and there is nothing to divide by.

    Raises
    ------
    DataError
        Lengths differ or a loss is missing.

    Notes
    -----
    ``better`` means that the whole interval lies above zero; of forty verdicts on equal forecasts one does by chance.

    Examples
    --------
    >>> ours, theirs = np.tile([1.0, 2.0], 50), np.tile([2.0, 4.0], 50)
    >>> skill(ours, theirs, resamples(100))
    Skill(value=0.5, low=0.5, high=0.5, verdict='better')
    """
    mine, theirs = _pair(own, reference, "own", "reference")
    below = theirs.mean()
    if below == 0:
        return None
    top, bottom = mine[indices].mean(axis=1), theirs[indices].mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        draws = np.where(bottom > 0, 1 - top / bottom, np.where(top > 0, -np.inf, 0.0))
    low, high = (float(bound) for bound in bootstrap.interval(draws, level=level))
    verdict: SkillVerdict = "better" if low > 0 else "worse" if high < 0 else "not distinguishable"
    return Skill(float(1 - mine.mean() / below), low, high, verdict)


def coverage(inside: npt.ArrayLike, nominal: float, indices: Indices, *, level: float = 0.95) -> Coverage:
    """Return the share of outcomes that lay inside their intervals, and whether it is the nominal one.

    Parameters
    ----------
    inside
        Whether each outcome lay inside.
    nominal
        Level that the intervals claim, between 0 and 1.
    indices
        What :func:`resamples` gives.
    level
        Level of the interval of the share itself.

    Raises
    ------
    RangeError
        ``nominal`` is no level.

    Examples
    --------
    >>> coverage(np.arange(100) % 10 != 0, 0.9, resamples(100)).verdict
    'calibrated'
    """
    if not 0 < nominal < 1:
        raise RangeError(f"nominal is {nominal}; a level lies between 0 and 1, for example 0.9.")
    hits = np.asarray(inside, np.float64)
    low, high = (float(bound) for bound in bootstrap.interval(hits[indices].mean(axis=1), level=level))
    verdict: CoverageVerdict = "too narrow" if high < nominal else "too wide" if low > nominal else "calibrated"
    return Coverage(float(hits.mean()), low, high, verdict)


def _pair(a: npt.ArrayLike, b: npt.ArrayLike, name_a: str, name_b: str) -> tuple[Floats, Floats]:
    left, right = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if left.shape != right.shape or left.ndim != 1 or not len(left):
        raise DataError(
            f"{name_a} has shape {left.shape} and {name_b} {right.shape}; expected two rows of equal length, not empty."
        )
    missing = ~(np.isfinite(left) & np.isfinite(right))
    if missing.any():
        raise DataError(
            f"{int(missing.sum())} of {len(left)} pairs of {name_a} and {name_b} are missing or infinite; score the "
            "days on which both are known."
        )
    return left, right
