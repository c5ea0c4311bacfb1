"""The bootstrap of time series: resampled positions, percentile intervals and p-values.

Blocks keep neighbours together, so that an interval knows of autocorrelation up to about the length of a block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from citylab.errors import DataError

if TYPE_CHECKING:
    import numpy.typing as npt

_BLOCK_EXPONENT = 1 / 3
"""Power of n by which the length of a block grows: Bühlmann and Künsch (1994), as openair uses it; secondary."""


def block_length(n: int) -> int:
    """Return the usual length of a block for ``n`` autocorrelated values: the cube root of ``n``, rounded.

    Parameters
    ----------
    n
        Number of values, at least 1.

    Examples
    --------
    >>> [block_length(n) for n in (6, 48, 90)]
    [2, 4, 4]

    References
    ----------
    Künsch (1989), The jackknife and the bootstrap for general stationary observations, Annals of Statistics 17(3),
    1217-1241. doi:10.1214/aos/1176347265
    """
    if n < 1:
        raise DataError(f"n is {n}; a block needs at least one value.")
    return max(1, round(n**_BLOCK_EXPONENT))


def block_indices(n: int, n_boot: int, *, block: int = 1, seed: int | np.random.SeedSequence) -> npt.NDArray[np.int64]:
    """Return positions of moving-block resamples of a series.

    Blocks overlap, start anywhere and do not wrap around; the last one is cut so that a resample is as long as the
    series. With ``block=1`` the values are drawn independently. A resample that is one single value repeated has no
    slope and is drawn again.

    Parameters
    ----------
    n
        Length of the series, at least 2.
    n_boot
        Number of resamples.
    block
        Values in a block, 1 to ``n``.
    seed
        The same seed gives the same positions.

    Returns
    -------
    numpy.ndarray
        Shape (n_boot, n): positions 0 to n - 1, one resample a row.

    Raises
    ------
    DataError
        A size that cannot be.

    Examples
    --------
    >>> indices = block_indices(6, 3, block=2, seed=0)
    >>> indices.shape, bool((indices[:, 1::2] - indices[:, ::2] == 1).all())
    ((3, 6), True)
    """
    if n < 2:
        raise DataError(f"A series of {n} values cannot be resampled; expected at least 2.")
    if n_boot < 1:
        raise DataError(f"n_boot is {n_boot}; expected at least 1 resample.")
    if not 1 <= block <= n:
        raise DataError(f"block is {block}; expected 1 to {n}, the length of the series.")
    draw = np.random.default_rng(seed)
    per_resample = -(-n // block)

    def resamples(count: int) -> npt.NDArray[np.int64]:
        starts = draw.integers(0, n - block + 1, (count, per_resample))
        return (starts[:, :, None] + np.arange(block)).reshape(count, -1)[:, :n]

    indices = resamples(n_boot)
    while (single := (indices == indices[:, :1]).all(axis=1)).any():
        indices[single] = resamples(int(single.sum()))
    return indices


def multiplicities(indices: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.int64]:
    """Return how often each of ``n`` positions occurs in each resample.

    Examples
    --------
    >>> multiplicities(np.array([[0, 0, 2], [1, 2, 0]]), 3).tolist()
    [[2, 0, 1], [1, 1, 1]]
    """
    rows = len(indices)
    flat = indices + n * np.arange(rows)[:, None]
    return np.bincount(flat.ravel(), minlength=rows * n).reshape(rows, n)


def interval(draws: npt.ArrayLike, *, level: float = 0.95) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the percentile interval of resampled estimates.

    With B draws sorted and α = 1 - ``level``, the bounds are draws number round(α/2 · B) + 1 and B - round(α/2 · B),
    as R's ``regci`` of Wilcox and openair take them: for B = 599 and 95 % numbers 16 and 584. They are draws
    themselves, nothing is interpolated.

    Parameters
    ----------
    draws
        Resampled estimates along the first axis.
    level
        Level of the interval, between 0 and 1.

    Returns
    -------
    tuple of numpy.ndarray
        Lower and upper bound [unit of ``draws``], without the first axis.

    Raises
    ------
    DataError
        The level is none, so few draws that no draw lies outside the interval, or draws that are NaN.

    Examples
    --------
    >>> low, high = interval(range(1, 600))
    >>> float(low), float(high)
    (16.0, 584.0)

    References
    ----------
    Wilcox (2012), Introduction to Robust Estimation and Hypothesis Testing, 3rd edition, section 10.1 (from memory).
    """
    ordered = np.sort(_numbers(draws), axis=0)
    cut = need_draws(len(ordered), level)
    return ordered[cut], ordered[len(ordered) - cut - 1]


def need_draws(n_boot: int, level: float) -> int:
    """Return how many draws an interval leaves out at each end.

    Raises
    ------
    DataError
        The level is not between 0 and 1, or there are too few draws for it.

    Examples
    --------
    >>> need_draws(599, 0.95)
    15
    """
    if not 0 < level < 1:
        raise DataError(f"level is {level}; expected a number between 0 and 1, for example 0.95.")
    tail = (1 - level) / 2 * n_boot
    if tail < 1 - 1e-9:
        least = int(np.ceil(2 / (1 - level) - 1e-9))
        raise DataError(f"{n_boot} resamples are too few for an interval of {level:.10g}; take at least {least}.")
    return round(tail)


def two_sided_p(draws: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the two-sided bootstrap p-value of estimates against zero.

    Twice the smaller share of draws on one side of zero, draws of exactly zero counting half on each. The smallest
    value above 0 is 2 / B; a value of 0 means less than that.

    Parameters
    ----------
    draws
        Resampled estimates along the first axis.

    Returns
    -------
    numpy.ndarray
        p-values [0..1], without the first axis.

    Raises
    ------
    DataError
        Draws that are NaN.

    Examples
    --------
    >>> float(two_sided_p([-1.0, 1.0, 2.0, 3.0]))
    0.5
    """
    values = _numbers(draws)
    below = ((values < 0).sum(axis=0) + 0.5 * (values == 0).sum(axis=0)) / len(values)
    return np.asarray(2 * np.minimum(below, 1 - below))


def _numbers(draws: npt.ArrayLike) -> npt.NDArray[np.float64]:
    values = np.asarray(draws, dtype=np.float64)
    if lost := int(np.isnan(values).sum()):
        # Sorted, they would stand above all others and shift both bounds.
        raise DataError(
            f"{lost} of {values.size} resampled estimates are NaN: the estimate could not be made of these resamples. "
            "Find out why (a group that was not drawn, a division by 0), or report no interval."
        )
    return values
