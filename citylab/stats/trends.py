"""Trends of many series at once: Theil-Sen with a block bootstrap, the Mann-Kendall family, STL and the KZ filter.

Every function takes ``y`` with time along the first axis, (n_time,) or (n_time, n_series), and ``nan`` where a value is
missing; each series is worked as if it were alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from citylab.errors import DataError, RangeError, suggest
from citylab.stats import bootstrap

if TYPE_CHECKING:
    import numpy.typing as npt
    import polars as pl

    Floats = npt.NDArray[np.float64]
    Integers = npt.NDArray[np.int64]

MIN_POINTS = 6
"""Values that a Theil-Sen slope needs: openair's ``TheilSen``; secondary."""
MIN_RANKS = 4
"""Values that a Mann-Kendall test needs here; citylab's choice. The normal approximation is good from about 10."""
MAX_POINTS = 10_000
"""Longest series whose slopes of all pairs are held in memory (0.4 GB)."""
KZ_WINDOWS = (3, 13, 107, 721, 8761)
"""Windows of the KZ filter for hourly values [h]: openair's ``kzFilter``; secondary."""
KZ_PASSES = 5
KZ_COMPONENTS = ("sub_day", "diurnal", "synoptic", "intermediate", "seasonal", "trend")

_WORKING_SIZE = 4_000_000  # elements of a working array
_WEIGHTS = 8_000_000  # weights of pairs held at once (32 MB)
_EXACT_IN_FLOAT32 = 2**24  # a count beyond it needs float64
_PHIS = np.linspace(-0.9, 0.98, 95)  # coefficients at which the moments of AR(1) noise are tabulated
_WARM_UP = 60  # steps in which single shocks become AR(1) noise of their own distribution
_FLAT = 1e-12  # a range below this share of the values' size is rounding, not variation

Method = Literal[
    "original", "hamed-rao", "yue-wang", "pre-whitening", "trend-free-pre-whitening", "seasonal", "correlated-seasonal"
]


def _columns(y: npt.ArrayLike) -> tuple[Floats, bool]:
    """Return values as (n_time, n_series), and whether they came as one series."""
    values = np.asarray(y, dtype=np.float64)
    if values.ndim not in (1, 2):
        raise DataError(f"y has {values.ndim} axes; expected (n_time,) or (n_time, n_series).")
    if np.isinf(values).any():
        raise DataError(
            f"y has {int(np.isinf(values).sum())} infinite values; expected numbers, or nan where one is missing."
        )
    return (values[:, None], True) if values.ndim == 1 else (values, False)


def _need_length(n: int) -> None:
    if n > MAX_POINTS:
        raise RangeError(
            f"A series of {n:,} values has {n * (n - 1) // 2:,} pairwise slopes; up to {MAX_POINTS:,} values are "
            "taken. Average to days or months first."
        )


def _lag_slopes(y: Floats, x: Floats) -> Floats:
    """Return the slopes of all pairs of times, (n_pairs, n_series), in the order of their lag."""
    n, m = y.shape
    slopes = np.empty((n * (n - 1) // 2, m))
    at = 0
    for lag in range(1, n):
        size = n - lag
        np.subtract(y[lag:], y[:-lag], out=slopes[at : at + size])
        slopes[at : at + size] /= (x[lag:] - x[:-lag])[:, None]
        at += size
    return slopes


def _medians(rows: Floats) -> Floats:
    """Return the medians of rows without their missing values. The rows are sorted in place."""
    rows.sort(axis=1)
    count = rows.shape[1] - np.isnan(rows).sum(axis=1)
    if rows.shape[1] == 0:
        return np.full(len(rows), np.nan)
    at = np.arange(len(rows))
    medians = (rows[at, np.maximum(count - 1, 0) // 2] + rows[at, np.minimum(count // 2, rows.shape[1] - 1)]) / 2
    return np.where(count > 0, medians, np.nan)


def _pieces(m: int, each: int) -> Iterator[slice]:
    """Yield slices of ``m`` series so that arrays of ``each`` elements a series stay of working size."""
    size = max(1, _WORKING_SIZE // max(each, 1))
    for start in range(0, m, size):
        yield slice(start, min(start + size, m))


def sen_slope(y: npt.ArrayLike, *, x: npt.ArrayLike | None = None) -> tuple[Floats, Floats]:
    """Return Sen's slope and Conover's intercept: the median of the slopes of all pairs.

    Parameters
    ----------
    y
        Values, (n_time,) or (n_time, n_series); ``nan`` where missing.
    x
        Times, strictly increasing. Default: 0, 1, 2, ... (a missing value keeps its place).

    Returns
    -------
    tuple of numpy.ndarray
        Slope [unit of y per unit of x] and intercept, median(y) - slope · median(x) over the values present [unit of
        y]; ``nan`` for a series with fewer than 2 values.

    Raises
    ------
    DataError
        Infinite values, or times that do not increase.
    RangeError
        A series longer than :data:`MAX_POINTS`.

    Examples
    --------
    >>> slope, intercept = sen_slope([1.0, 3.0, 100.0, 7.0])
    >>> float(slope), float(intercept)
    (2.0, 2.0)

    References
    ----------
    Sen (1968), Estimates of the regression coefficient based on Kendall's tau, Journal of the American Statistical
    Association 63(324), 1379-1389. doi:10.1080/01621459.1968.10480934
    Conover (1980), Practical Nonparametric Statistics, 2nd edition, section 5.5 (intercept).
    """
    values, single = _columns(y)
    times = _times(x, len(values))
    _need_length(len(values))
    slope = np.empty(values.shape[1])
    for piece in _pieces(values.shape[1], len(values) ** 2 // 2):
        slope[piece] = _medians(np.ascontiguousarray(_lag_slopes(values[:, piece], times).T))
    at = np.where(np.isnan(values), np.nan, times[:, None])
    intercept = _medians(values.T.copy()) - slope * _medians(at.T.copy())
    return (slope[0], intercept[0]) if single else (slope, intercept)


def _times(x: npt.ArrayLike | None, n: int) -> Floats:
    times = np.arange(n, dtype=np.float64) if x is None else np.asarray(x, dtype=np.float64)
    if times.shape != (n,):
        raise DataError(f"x has the shape {times.shape}; expected ({n},), one time for each value of a series.")
    if not (np.isfinite(times).all() and (np.diff(times) > 0).all()):
        raise DataError("x does not increase from value to value. Sort by time, and keep one value per time.")
    return times


@dataclass(frozen=True, slots=True, eq=False)
class TheilSen:
    """Theil-Sen lines of one or many series with their bootstrap intervals.

    Attributes
    ----------
    slope, slope_low, slope_high
        Median of the slopes of all pairs, and its interval [unit of y per unit of x].
    intercept, intercept_low, intercept_high
        Median of y - slope · x, and its interval [unit of y].
    p
        Two-sided bootstrap p-value of the slope [0..1]; 0 means below 2 / ``n_boot``.
    n
        Values present. Below :data:`MIN_POINTS` all estimates are ``nan``.
    x_first, x_last
        Times of the first and last value present [unit of x].
    block
        Values in a block of the resamples; 1 where they were drawn independently.
    phi
        Coefficient of the AR(1) process that the interval allows for; ``nan`` where it allows for none.
    n_boot, level, seed
        Resamples, level of the intervals, and seed.
    """

    slope: Floats
    slope_low: Floats
    slope_high: Floats
    intercept: Floats
    intercept_low: Floats
    intercept_high: Floats
    p: Floats
    n: Integers
    x_first: Floats
    x_last: Floats
    block: Integers
    phi: Floats
    n_boot: int
    level: float
    seed: int

    def percent(self, *, per: float) -> tuple[Floats, Floats, Floats]:
        """Return the change along the fitted line in percent of its start, and its bounds.

        100 · (C_end / C_start - 1) / (x_last - x_first) · ``per``, as openair gives it: the lower bound goes along the
        line of the lower slope and the upper intercept, the upper along the upper slope and the lower intercept.

        Parameters
        ----------
        per
            Length of time to which the change refers [unit of x], 365 for a year if x is in days.

        Returns
        -------
        tuple of numpy.ndarray
            Percent, lower and upper [% per ``per``]; ``nan`` where a line does not start above zero.

        Examples
        --------
        >>> line = theil_sen(range(10), [100.0 - i for i in range(10)], seed=0)
        >>> [round(float(v), 6) for v in line.percent(per=1)]
        [-1.0, -1.0, -1.0]
        """
        lines = (
            (self.slope, self.intercept),
            (self.slope_low, self.intercept_high),
            (self.slope_high, self.intercept_low),
        )
        return tuple(self._percent(s, i, per) for s, i in lines)  # type: ignore[return-value]

    def _percent(self, slope: Floats, intercept: Floats, per: float) -> Floats:
        start = slope * self.x_first + intercept
        end = slope * self.x_last + intercept
        positive = np.where(np.asarray(start) > 0, start, np.nan)
        return 100 * per * (end / positive - 1) / (self.x_last - self.x_first)

    def tidy(self) -> pl.DataFrame:
        """Return one row per series.

        Examples
        --------
        >>> theil_sen(range(10), [2.0 * i for i in range(10)], seed=0).tidy().item(0, "slope")
        2.0
        """
        import polars as pl

        names = [f for f in self.__slots__ if f not in ("n_boot", "level", "seed")]
        frame = pl.DataFrame({f: np.atleast_1d(getattr(self, f)) for f in names})
        frame = frame.with_columns(pl.col("phi").fill_nan(None))
        return frame.with_columns(n_boot=pl.lit(self.n_boot), level=pl.lit(self.level), seed=pl.lit(self.seed))


def theil_sen(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    n_boot: int = 599,
    block: int | None = 1,
    seed: int = 0,
    level: float = 0.95,
) -> TheilSen:
    """Return Theil-Sen slopes with bootstrap intervals and p-values.

    Pairs of times and values are resampled, each series with the seed afresh, so that a series has the same result
    alone or among others, and series with the same gaps share their resamples. Without blocks the interval holds for
    independent values around the line; positively autocorrelated values make it too narrow, and blocks mend only part.

    Parameters
    ----------
    x
        Times, strictly increasing, for example days.
    y
        Values, (n_time,) or (n_time, n_series); ``nan`` where missing. A series is resampled from its values present.
    n_boot
        Number of resamples.
    block
        Values in a moving block; ``None`` takes the cube root of the number of values, rounded, for autocorrelated
        series.
    seed
        Seed of the resamples.
    level
        Level of the intervals, between 0 and 1.

    Returns
    -------
    TheilSen
        Arrays of shape () or (n_series,).

    Raises
    ------
    DataError
        Infinite values, times that do not increase, too few resamples for the level.
    RangeError
        A series longer than :data:`MAX_POINTS`.

    Notes
    -----
    The slopes of a resample are slopes of the series, that of the pair (i, j) taken mᵢmⱼ times, where m counts how
    often a value was drawn. So the slopes are sorted once, and each resample asks for a weighted median.

    Examples
    --------
    >>> months = np.arange(48)
    >>> line = theil_sen(months, 80 - 0.5 * months + np.where(months % 2, 3.0, -3.0), seed=1)
    >>> round(float(line.slope), 3), bool(line.slope_low <= line.slope <= line.slope_high), float(line.p)
    (-0.5, True, 0.0)

    References
    ----------
    Theil (1950), A rank-invariant method of linear and polynomial regression analysis, Proceedings of the KNAW 53.
    Sen (1968), Journal of the American Statistical Association 63(324), 1379-1389. doi:10.1080/01621459.1968.10480934
    Wilcox (2012), Introduction to Robust Estimation and Hypothesis Testing, 3rd edition (interval and p-value).
    Carslaw and Ropkins (2012), openair - An R package for air quality data analysis, Environmental Modelling &
    Software 27-28, 52-61. doi:10.1016/j.envsoft.2011.09.008
    """
    values, single = _columns(y)
    times = _times(x, len(values))
    _need_length(len(values))
    bootstrap.need_draws(n_boot, level)
    m = values.shape[1]
    present = ~np.isnan(values)
    n = present.sum(axis=0)
    results = np.full((9, m), np.nan)
    blocks = np.ones(m, dtype=np.int64)
    patterns, which = np.unique(present, axis=1, return_inverse=True) if m else (present, np.empty(0, dtype=np.int64))
    for number, pattern in enumerate(patterns.T):
        size = int(pattern.sum())
        members = np.flatnonzero(which.ravel() == number)
        if size:
            results[7:, members] = times[pattern][[0, -1], None]
        if size < MIN_POINTS:
            continue
        length = bootstrap.block_length(size) if block is None else block
        if length > size:
            raise DataError(f"block is {length}, but a series has only {size} values. Take a shorter block, or None.")
        blocks[members] = length
        indices = bootstrap.block_indices(size, n_boot, block=length, seed=seed)
        for piece in _pieces(len(members), n_boot * max(size, _buckets(size * (size - 1) // 2)[1])):
            chosen = members[piece]
            results[:7, chosen] = _fit(times[pattern], values[np.ix_(pattern, chosen)], indices, level)
    shaped = [row[0] if single else row for row in (*results, n, blocks)]
    slope, slope_low, slope_high, intercept, intercept_low, intercept_high, p, first, last, count, length = shaped
    return TheilSen(
        slope, slope_low, slope_high, intercept, intercept_low, intercept_high, p, count, first, last, length,
        np.full_like(slope, np.nan), n_boot, level, seed,
    )  # fmt: skip


def theil_sen_ar1(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    operator: npt.ArrayLike | None = None,
    n_boot: int = 599,
    seed: int = 0,
    level: float = 0.95,
) -> TheilSen:
    """Return Theil-Sen slopes with intervals that allow for autocorrelation of the first order.

    The noise around the line is taken as an AR(1) process. Its coefficient and its size are those under which
    residuals would have the autocorrelation at lag one and the variance that they have: fitting a line, and taking a
    season out before, makes both smaller than those of the noise. The interval is a studentised bootstrap of that
    process, so that it knows how uncertain coefficient and size are themselves.

    Parameters
    ----------
    x
        Times, strictly increasing, for example days.
    y
        Values at equal steps, (n_time,) or (n_time, n_series); ``nan`` where missing (a missing value keeps its place
        in the process).
    operator
        What was done to the values before, (n_time, n_time): a matrix that gives, of noise, what is left of it, such as
        :func:`deseasonalising`. Series with missing values cannot have one.
    n_boot, seed, level
        As in :func:`theil_sen`. Each series is drawn with the seed afresh.

    Returns
    -------
    TheilSen
        As :func:`theil_sen`, with ``phi`` and ``block`` 1. Bounds of the intercept are those of lines of the slope's
        bounds through the middle of the series.

    Raises
    ------
    DataError
        As :func:`theil_sen`; an operator of another shape, or with missing values.
    RangeError
        A series longer than :data:`MAX_POINTS`.

    Notes
    -----
    Of 1,000 synthetic series of 48 or 120 months with φ of 0 to 0.6, the 95 % interval held the slope in 92 to 95 %,
    with a season taken out of 48 months in 92 to 94 %, and where the noise was ARMA(1, 1) in 88 and 91 %
    (``docs/calibration.md``): rather too narrow, much less so than the other intervals. Noise that remembers longer
    than AR(1) does, a bend in the trend, or a season that changes is not allowed for. Least squares stands for
    Theil-Sen where moments of residuals and the scale of the slope are worked out; the bootstrap takes Theil-Sen
    slopes, so that what that leaves out cancels in the ratio of slope and scale.

    Examples
    --------
    >>> rng = np.random.default_rng(3)
    >>> noise = rng.normal(size=60)
    >>> for t in range(1, 60):
    ...     noise[t] += 0.5 * noise[t - 1]
    >>> months = np.arange(60)
    >>> plain, wider = theil_sen(months, noise), theil_sen_ar1(months, noise)
    >>> bool(plain.slope == wider.slope), bool(wider.slope_high - wider.slope_low > plain.slope_high - plain.slope_low)
    (True, True)

    References
    ----------
    Bühlmann (1997), Sieve bootstrap for time series, Bernoulli 3(2), 123-148. doi:10.2307/3318584
    Hall (1988), Theoretical comparison of bootstrap confidence intervals, Annals of Statistics 16(3), 927-953
    (symmetric bootstrap-t). doi:10.1214/aos/1176350933
    Kilian (1998), Small-sample confidence intervals for impulse response functions, Review of Economics and Statistics
    80(2), 218-230 (correcting the coefficient before resampling). doi:10.1162/003465398557465
    """
    values, single = _columns(y)
    times = _times(x, len(values))
    _need_length(len(values))
    bootstrap.need_draws(n_boot, level)
    m = values.shape[1]
    present = ~np.isnan(values)
    n = present.sum(axis=0)
    left = None if operator is None else np.asarray(operator, dtype=np.float64)
    if left is not None and (left.shape != (len(values),) * 2 or not present.all()):
        raise DataError(
            f"operator has the shape {left.shape} for {len(values)} values, {int((~present).sum())} of them missing; "
            "expected a square matrix of that length and none missing. Fill gaps first."
        )
    results = np.full((10, m), np.nan)
    slope, intercept = sen_slope(values, x=times)
    for pattern in np.unique(present, axis=1).T if m else ():
        members = np.flatnonzero((present == pattern[:, None]).all(axis=0))
        size = int(pattern.sum())
        if size:
            results[7:9, members] = times[pattern][[0, -1], None]
        if size < MIN_POINTS:
            continue
        noise = _Ar1.of(times[pattern], np.flatnonzero(pattern), np.eye(size) if left is None else left)
        for i in members:
            y_i = values[pattern, i]
            half, *told = noise.half_width(y_i, float(slope[i]), n_boot, seed, level)
            tilt = half * float(np.median(times[pattern]))
            at = (slope[i], slope[i] - half, slope[i] + half)
            results[:6, i] = (*at, intercept[i], intercept[i] - abs(tilt), intercept[i] + abs(tilt))
            results[[6, 9], i] = told
    shaped = [row[0] if single else row for row in (*results, n, np.ones(m, dtype=np.int64))]
    slopes, slope_low, slope_high, crossing, intercept_low, intercept_high, p, first, last, phi, count, one = shaped
    return TheilSen(
        slopes, slope_low, slope_high, crossing, intercept_low, intercept_high, p, count, first, last, one, phi,
        n_boot, level, seed,
    )  # fmt: skip


def deseasonalising(n: int, *, period: int, seasonal: int, seasonal_degree: Literal[0, 1] = 0) -> Floats:
    """Return the matrix by which STL takes a season out of a series, as far as STL is linear: without robust weights.

    Parameters
    ----------
    n
        Length of the series, more than two cycles.
    period, seasonal, seasonal_degree
        As in :func:`stl`.

    Examples
    --------
    >>> left = deseasonalising(36, period=12, seasonal=35)
    >>> cycle = np.tile(np.arange(12.0), 3)
    >>> left.shape, bool(np.abs(left @ (cycle - cycle.mean())).max() < 0.1)
    ((36, 36), True)
    """
    parts = stl(np.eye(n), period=period, seasonal=seasonal, seasonal_degree=seasonal_degree, robust=False)
    return np.asarray(np.eye(n) - parts.seasonal)


@dataclass(frozen=True, slots=True, eq=False)
class _Ar1:
    """What AR(1) noise of unit variance does to residuals and slope, tabulated over its coefficient."""

    x: Floats
    steps: Integers
    left: Floats  # noise to what is left of it
    residual: Floats  # noise to residuals
    autocorrelation: Floats  # of residuals, expected
    variance: Floats  # of residuals, expected
    slope_variance: Floats

    @classmethod
    def of(cls, x: Floats, steps: Integers, left: Floats) -> _Ar1:
        return cls._tabulated(*(np.ascontiguousarray(a, dtype=np.float64).tobytes() for a in (x, steps, left)))

    @classmethod
    @lru_cache(maxsize=16)
    def _tabulated(cls, *packed: bytes) -> _Ar1:
        x, steps, left = (np.frombuffer(b) for b in packed)
        n = len(x)
        left = left.reshape(n, n)
        line = np.stack((np.ones(n), x - x.mean()), axis=1)
        fit = np.linalg.pinv(line)
        residual = (np.eye(n) - line @ fit) @ left
        slope = fit[1] @ left
        lag = np.abs(steps[:, None] - steps)
        moments = []
        for phi in _PHIS:
            process = np.where(lag % 2 == 1, np.sign(phi), 1.0) * np.abs(phi) ** lag
            spread = residual @ process @ residual.T
            total = np.trace(spread)
            moments.append((np.trace(spread, 1) / total, total / n, slope @ process @ slope))
        r, variance, slope_variance = np.array(moments).T
        return cls(x, steps.astype(np.int64), left, residual, np.maximum.accumulate(r), variance, slope_variance)

    def scale(self, residuals: Floats) -> tuple[Floats, Floats]:
        """Return coefficient and standard error of the slope that residuals, (n_time, ...), speak of."""
        squares = (residuals**2).sum(axis=0)
        r = np.divide(
            (residuals[1:] * residuals[:-1]).sum(axis=0), squares, out=np.zeros_like(squares), where=squares > 0
        )
        phi = np.interp(r, self.autocorrelation, _PHIS)
        unit = np.interp(phi, _PHIS, self.slope_variance) / np.interp(phi, _PHIS, self.variance)
        return phi, np.sqrt(unit * squares / len(residuals))

    def half_width(self, y: Floats, slope: float, n_boot: int, seed: int, level: float) -> tuple[float, float, float]:
        """Return half the width of a slope's interval, its p-value and the coefficient of the noise."""
        line = np.stack((np.ones(len(y)), self.x - self.x.mean()), axis=1)
        residuals = y - line @ np.linalg.lstsq(line, y, rcond=None)[0]
        if np.ptp(residuals) <= _FLAT * max(np.abs(y).max(), 1e-300):
            return 0.0, float(slope == 0), 0.0
        coefficient, error = self.scale(residuals)
        phi = float(coefficient)
        shocks = residuals[1:] - phi * residuals[:-1]
        shocks -= shocks.mean()
        draw = np.random.default_rng(seed)
        noise = draw.choice(shocks, (_WARM_UP + int(self.steps[-1]) + 1, n_boot))
        noise[0] /= np.sqrt(1 - phi**2)
        for t in range(1, len(noise)):
            noise[t] += phi * noise[t - 1]
        noise = noise[_WARM_UP + self.steps]
        left = self.left @ noise
        slopes = np.empty(n_boot)
        pairs = len(y) * (len(y) - 1) // 2
        for piece in _pieces(n_boot, pairs):
            drawn = np.ascontiguousarray(_lag_slopes(left[:, piece], self.x).T)
            drawn.partition((pairs - 1) // 2, axis=1)  # of an even number of slopes the lower: 1 in a thousand of them
            slopes[piece] = drawn[:, (pairs - 1) // 2]
        ratios = np.sort(np.abs(slopes / self.scale(self.residual @ noise)[1]))
        beyond = bootstrap.need_draws(n_boot, level) * 2
        p = float((ratios >= abs(slope) / float(error)).mean())
        return float(ratios[n_boot - beyond - 1] * error), p, phi


def _fit(x: Floats, y: Floats, indices: Integers, level: float) -> Floats:
    """Return slope, its bounds, intercept, its bounds and p, (7, n_series), of series without gaps."""
    slopes = np.ascontiguousarray(_pair_slopes(x, y).T)
    order = np.argsort(slopes, axis=1)
    slopes = np.take_along_axis(slopes, order, axis=1)
    pairs = slopes.shape[1]
    slope = (slopes[:, (pairs - 1) // 2] + slopes[:, pairs // 2]) / 2
    intercept = _medians(np.ascontiguousarray((y - slope * x[:, None]).T))
    drawn = _resampled_slopes(slopes, order, bootstrap.multiplicities(indices, len(x)))
    residuals = np.ascontiguousarray(y.T)[:, indices]
    residuals -= drawn[:, :, None] * x[indices]
    crossings = _medians(residuals.reshape(-1, len(x))).reshape(drawn.shape)
    return np.stack(
        (
            slope,
            *bootstrap.interval(drawn.T, level=level),
            intercept,
            *bootstrap.interval(crossings.T, level=level),
            bootstrap.two_sided_p(drawn.T),
        )
    )


def _pair_slopes(x: Floats, y: Floats) -> Floats:
    """Return the slopes of all pairs, (n_pairs, n_series), first of a pair before second."""
    n = len(x)
    slopes = np.empty((n * (n - 1) // 2, y.shape[1]))
    at = 0
    for first in range(n - 1):
        size = n - 1 - first
        np.subtract(y[first + 1 :], y[first], out=slopes[at : at + size])
        slopes[at : at + size] /= (x[first + 1 :] - x[first])[:, None]
        at += size
    return slopes


def _buckets(pairs: int) -> tuple[int, int]:
    """Return number and size of the buckets into which the sorted slopes are parted."""
    size = max(1, round(pairs**0.5))
    return -(-pairs // size), size


def _resampled_slopes(slopes: Floats, order: Integers, counts: Integers) -> Floats:
    """Return the median slope of each series in each resample, (n_series, n_boot).

    ``slopes`` are sorted, (n_series, n_pairs); ``order`` says which pair each was; ``counts``, (n_boot, n_time), how
    often a value was drawn. Weights are summed by buckets of neighbouring slopes first, which finds the bucket of the
    median; only that bucket is then looked into.
    """
    m, pairs = slopes.shape
    n_boot, n = counts.shape
    dtype = np.float32 if n * n / 2 < _EXACT_IN_FLOAT32 else np.float64
    drawn = np.empty((m, n_boot))
    step = max(1, _WEIGHTS // pairs)
    for start in range(0, n_boot, step):
        part = counts[start : start + step]
        weights = _pair_weights(np.ascontiguousarray(part.T, dtype=dtype))
        total = (n * n - (part**2).sum(axis=1)) // 2
        for piece in _pieces(m, pairs):
            drawn[piece, start : start + step] = _weighted_medians(slopes[piece], order[piece], weights, total)
    return drawn


def _pair_weights(counts: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return how often each pair occurs in each resample, (n_pairs + 1, n_boot); the last row is empty."""
    n, n_boot = counts.shape
    weights = np.empty((n * (n - 1) // 2 + 1, n_boot), dtype=counts.dtype)
    at = 0
    for first in range(n - 1):
        size = n - 1 - first
        np.multiply(counts[first + 1 :], counts[first], out=weights[at : at + size])
        at += size
    weights[at] = 0
    return weights


def _weighted_medians(slopes: Floats, order: Integers, weights: npt.NDArray[np.floating], total: Integers) -> Floats:
    from scipy.sparse import csr_array

    m, pairs = slopes.shape
    n_boot = weights.shape[1]
    number, size = _buckets(pairs)
    starts = np.arange(number) * size
    bounds = np.append((np.arange(m)[:, None] * pairs + starts).ravel(), m * pairs)
    members = csr_array((np.ones(m * pairs, dtype=weights.dtype), order.ravel(), bounds), shape=(m * number, pairs + 1))
    sums = (members @ weights).reshape(m, number, n_boot)
    below = np.cumsum(sums, axis=1)

    padded = np.full((m, number * size), pairs)
    padded[:, :pairs] = order
    rows = padded.reshape(-1, size) * n_boot  # where a pair's weights begin; one row per series and bucket
    flat = weights.ravel()

    def run(bucket: Integers, series: Integers, resample: Integers) -> npt.NDArray[np.floating]:
        """Return the running weight within a bucket; the arguments have one shape, the result an axis more."""
        taken = flat.take(rows[series * number + bucket] + resample[..., None])
        np.cumsum(taken, axis=-1, out=taken)
        taken += np.where(bucket > 0, below[series, np.maximum(bucket - 1, 0), resample], 0)[..., None]
        return taken

    series, resample = np.broadcast_arrays(*np.ogrid[:m, :n_boot])
    lower, upper = (np.broadcast_to(rank.astype(weights.dtype), (m, n_boot)) for rank in ((total - 1) // 2, total // 2))
    bucket = np.count_nonzero(below <= lower[:, None, :], axis=1)
    within = run(bucket, series, resample)
    first = bucket * size + np.count_nonzero(within <= lower[..., None], axis=-1)
    second = bucket * size + np.count_nonzero(within <= upper[..., None], axis=-1)
    # An even number of slopes has two middle ones; rarely the upper lies in another bucket.
    other = np.nonzero(within[..., -1] <= upper)
    if other[0].size:
        bucket = np.count_nonzero(below[other[0], :, other[1]] <= upper[other][:, None], axis=1)
        within = run(bucket, *other)
        second[other] = bucket * size + np.count_nonzero(within <= upper[other][:, None], axis=-1)
    at = np.arange(m)[:, None]
    return (slopes[at, first] + slopes[at, second]) / 2


@dataclass(frozen=True, slots=True, eq=False)
class MannKendall:
    """Mann-Kendall tests of one or many series.

    Attributes
    ----------
    s, var_s
        Kendall's score and its variance, corrected as the method says.
    z, p
        Standardised score and two-sided p-value; ``nan`` where ``reason`` says why.
    tau
        Kendall's tau, the score over the number of pairs [-1..1].
    slope, intercept
        Sen's slope [unit of y per step, per cycle for the seasonal methods] and Conover's intercept [unit of y].
    n
        Values present.
    reason
        Why there is no p-value, or "".
    method, level
        Method, and the level at which :attr:`direction` is told (and at which Hamed and Rao's lags count).
    """

    s: Floats
    var_s: Floats
    z: Floats
    p: Floats
    tau: Floats
    slope: Floats
    intercept: Floats
    n: Integers
    reason: npt.NDArray[np.str_]
    method: str
    level: float

    @property
    def direction(self) -> npt.NDArray[np.str_]:
        """``"increasing"``, ``"decreasing"`` or ``"no trend"`` at the level, ``""`` where there is no p-value."""
        told = np.where(np.asarray(self.z) > 0, "increasing", "decreasing")
        told = np.where(np.asarray(self.p) < 1 - self.level, told, "no trend")
        return np.where(np.isnan(self.p), "", told)

    def tidy(self) -> pl.DataFrame:
        """Return one row per series.

        Examples
        --------
        >>> mann_kendall([1.0, 2.0, 3.0, 4.0, 5.0]).tidy().item(0, "s")
        10.0
        """
        import polars as pl

        names = [f for f in self.__slots__ if f not in ("method", "level", "reason")]
        frame = pl.DataFrame({f: np.atleast_1d(getattr(self, f)) for f in names})
        return frame.with_columns(
            direction=pl.Series(np.atleast_1d(self.direction).tolist(), dtype=pl.String),
            reason=pl.Series([r or None for r in np.atleast_1d(self.reason).tolist()], dtype=pl.String),
            method=pl.lit(self.method),
            level=pl.lit(self.level),
        )


def mann_kendall(
    y: npt.ArrayLike,
    *,
    method: Method = "original",
    period: int = 12,
    max_lag: int | None = None,
    level: float = 0.95,
) -> MannKendall:
    """Return Mann-Kendall tests for a monotonic trend, with Sen's slope.

    Missing values are left out; lags then count values present, while Sen's slope keeps their true places. The normal
    approximation is good from about 10 values.

    Parameters
    ----------
    y
        Values at equal steps of time, (n_time,) or (n_time, n_series); ``nan`` where missing.
    method
        ``"original"`` for independent values. For autocorrelated ones: ``"hamed-rao"`` and ``"yue-wang"`` correct the
        variance, ``"pre-whitening"`` and ``"trend-free-pre-whitening"`` take lag 1 out first. For seasonal ones:
        ``"seasonal"`` adds up the scores of the seasons, ``"correlated-seasonal"`` lets them be correlated and leaves
        out every cycle that is not complete.
    period
        Steps in a cycle, for the seasonal methods.
    max_lag
        Largest lag that corrects the variance (Hamed and Rao, Yue and Wang). Default: all, as pyMannKendall; far lags
        are noise that can make the variance smaller than that of independent values. With all lags Yue and Wang's test
        rejects far too often even for independent values (``docs/calibration.md``): take 1 there, 3 for Hamed and Rao.
    level
        1 - level is the significance of :attr:`MannKendall.direction` and of the lags of Hamed and Rao.

    Returns
    -------
    MannKendall
        Arrays of shape () or (n_series,).

    Raises
    ------
    UnknownNameError
        No such method.
    DataError
        Infinite values, a level that is none, a period or a lag below 1.
    RangeError
        A series longer than :data:`MAX_POINTS`.

    Notes
    -----
    S = Σ sgn(x_j - x_k) over k < j; Var S = [n(n-1)(2n+5) - Σ t(t-1)(2t+5)] / 18 with ties of t; Z = (S ∓ 1) / √Var S,
    and 0 where S is. ``"correlated-seasonal"`` has no correction for continuity. A corrected variance that is not
    positive gives no p-value, with the reason.

    Examples
    --------
    >>> test = mann_kendall([1.0, 3.0, 2.0, 5.0, 6.0, 8.0])
    >>> float(test.s), round(float(test.var_s), 4), round(float(test.p), 4), str(test.direction)
    (13.0, 28.3333, 0.0242, 'increasing')

    References
    ----------
    Mann (1945), Econometrica 13(3), 245-259. doi:10.2307/1907187
    Hirsch and Slack (1984), Water Resources Research 20(6), 727-732. doi:10.1029/WR020i006p00727
    Hamed and Rao (1998), Journal of Hydrology 204(1-4), 182-196. doi:10.1016/S0022-1694(97)00125-X
    Yue and Wang (2002), Water Resources Research 38(6). doi:10.1029/2001WR000861
    Yue and Wang (2004), Water Resources Management 18, 201-218. doi:10.1023/B:WARM.0000043140.61082.60
    Hussain and Mahmud (2019), pyMannKendall, Journal of Open Source Software 4(39), 1556. doi:10.21105/joss.01556
    """
    if method not in get_args(Method):
        raise suggest(method, get_args(Method), what="Mann-Kendall method", see="citylab.stats.trends.mann_kendall")
    if not 0 < level < 1:
        raise DataError(f"level is {level}; expected a number between 0 and 1, for example 0.95.")
    if period < 1 or (max_lag is not None and max_lag < 1):
        raise DataError(f"period is {period} and max_lag {max_lag}; expected at least 1.")
    values, single = _columns(y)
    _need_length(len(values))
    n = (~np.isnan(values)).sum(axis=0)
    if method in ("seasonal", "correlated-seasonal"):
        s, var_s, pairs, slope, intercept = _seasonal(values, period, correlated=method == "correlated-seasonal")
    else:
        slope, intercept = sen_slope(values)
        s, var_s, pairs = _serial(values, slope, method, max_lag, level)
    continuity = 0.0 if method == "correlated-seasonal" else np.sign(s)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(s == 0, 0.0, (s - continuity) / np.sqrt(np.where(var_s > 0, var_s, np.nan)))
        tau = s / pairs
    few = (n < MIN_RANKS) | (pairs < 1)
    reason = np.where(np.isnan(z), "the corrected variance is not positive", "")
    reason = np.where(few, f"fewer than {MIN_RANKS} values, or none to compare", reason)
    from scipy.special import ndtr

    z = np.where(few, np.nan, z)
    p = 2 * ndtr(-np.abs(z))
    told = {
        "s": s, "var_s": var_s, "z": z, "p": p, "tau": tau,
        "slope": slope, "intercept": intercept, "n": n, "reason": reason,
    }  # fmt: skip
    shaped: dict[str, Any] = {name: a[0] if single else a for name, a in told.items()}
    return MannKendall(**shaped, method=method, level=level)


def _score(y: Floats) -> Floats:
    """Return Kendall's score of each series."""
    score = np.zeros(y.shape[1])
    for lag in range(1, len(y)):
        score += np.count_nonzero(y[lag:] > y[:-lag], axis=0)
        score -= np.count_nonzero(y[lag:] < y[:-lag], axis=0)
    return score


def _runs(ordered: Floats) -> tuple[Integers, Integers]:
    """Return start and length of the runs of equal values in sorted rows, seen as one long row."""
    new = np.ones(ordered.shape, dtype=bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    starts = np.flatnonzero(new)
    return starts, np.diff(np.append(starts, ordered.size))


def _variance(y: Floats, n: Integers) -> Floats:
    """Return the variance of the score of independent values, with ties."""
    ordered = np.sort(np.ascontiguousarray(y.T), axis=1)  # missing values stand at the end, each by itself
    starts, size = _runs(ordered)
    ties = np.bincount(starts // ordered.shape[1], weights=size * (size - 1.0) * (2 * size + 5), minlength=y.shape[1])
    return (n * (n - 1.0) * (2 * n + 5) - ties) / 18


def _ranks(y: Floats) -> Floats:
    """Return ranks from 1, ties sharing their mean; missing values rank last."""
    rows = np.ascontiguousarray(y.T)
    order = np.argsort(rows, axis=1, kind="stable")
    starts, size = _runs(np.take_along_axis(rows, order, axis=1))
    ranks = np.empty(rows.shape)
    shared = np.repeat(starts % rows.shape[1] + (size - 1) / 2 + 1, size).reshape(rows.shape)
    np.put_along_axis(ranks, order, shared, axis=1)
    return ranks.T


def _autocorrelation(y: Floats, n: Integers) -> Floats:
    """Return the autocorrelation of packed series at the lags 0 to n_time - 1; 0 where a series does not vary."""
    here = np.arange(len(y))[:, None] < n
    filled = np.where(here, y, 0.0)
    mean = filled.sum(axis=0) / np.maximum(n, 1)
    around = np.where(here, filled - mean, 0.0)
    size = np.abs(filled).max(axis=0, initial=0.0)
    around[:, np.abs(around).max(axis=0, initial=0.0) <= _FLAT * size] = 0.0
    spectrum = np.fft.rfft(around, 2 * len(y), axis=0)
    products = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, 2 * len(y), axis=0)[: len(y)]
    variance = (around**2).sum(axis=0)
    return np.where(variance > 0, products / np.where(variance > 0, variance, 1.0), 0.0)


def _serial(
    values: Floats, slope: Floats, method: str, max_lag: int | None, level: float
) -> tuple[Floats, Floats, Floats]:
    """Return score, variance and number of pairs for the methods without seasons."""
    missing = np.isnan(values)
    n = (~missing).sum(axis=0)
    packed = np.take_along_axis(values, np.argsort(missing, axis=0, kind="stable"), axis=0)
    steps = np.arange(1, len(packed) + 1)[:, None]
    if method in ("pre-whitening", "trend-free-pre-whitening"):
        line = steps * slope if method == "trend-free-pre-whitening" else np.zeros((1, 1))
        flat = packed - line
        flat = flat[1:] - flat[:-1] * _autocorrelation(flat, n)[1:2]
        packed = flat + line[: len(flat)]
        n = np.maximum(n - 1, 0)
    s, var_s = _score(packed), _variance(packed, n)
    if method in ("hamed-rao", "yue-wang"):
        from scipy.special import ndtri

        flat = packed - steps * slope
        lags = np.arange(len(packed), dtype=np.float64)[:, None]
        counted = (lags > 0) & (lags < n) & (lags <= (max_lag or len(packed)))
        size = np.maximum(n, 3).astype(np.float64)
        if method == "hamed-rao":
            rho = _autocorrelation(np.where(np.isnan(flat), np.nan, _ranks(_rounded(flat))), n)
            counted &= np.abs(rho) > ndtri((1 + level) / 2) / np.sqrt(size)
            weight = (size - lags) * (size - lags - 1) * (size - lags - 2)
            factor = 2 / (size * (size - 1) * (size - 2))
        else:
            rho, weight, factor = _autocorrelation(flat, n), 1 - lags / size, 2.0
        var_s = var_s * (1 + factor * np.where(counted, weight * rho, 0.0).sum(axis=0))
    return s, var_s, n * (n - 1) / 2


def _rounded(flat: Floats) -> Floats:
    """Return values with those series made constant that vary by rounding only, so that noise gets no ranks."""
    size = np.nanmax(np.abs(flat), axis=0, initial=0.0)
    spread = np.nanmax(flat, axis=0, initial=-np.inf) - np.nanmin(flat, axis=0, initial=np.inf)
    return np.where((spread <= _FLAT * size) & ~np.isnan(flat), 0.0, flat)


def _seasonal(values: Floats, period: int, *, correlated: bool) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return score, variance, number of pairs, slope per cycle and intercept of the seasonal methods."""
    length, m = values.shape
    cycles = -(-length // period)
    padded = np.full((cycles * period, m), np.nan)
    padded[:length] = values
    seasons = padded.reshape(cycles, period * m)
    slope = np.empty(m)
    for piece in _pieces(m, cycles**2 * period // 2):
        chosen = padded.reshape(cycles, period, m)[:, :, piece]
        pairs = _lag_slopes(chosen.reshape(cycles, -1), np.arange(cycles, dtype=np.float64))
        rows = pairs.reshape(len(pairs), period, chosen.shape[2]).transpose(2, 0, 1)
        slope[piece] = _medians(rows.reshape(len(rows), len(pairs) * period).copy())
    at = np.where(np.isnan(values), np.nan, np.arange(length)[:, None] / period)
    intercept = _medians(values.T.copy()) - slope * _medians(at.T.copy())
    if not correlated:
        n = (~np.isnan(seasons)).sum(axis=0)
        parts = _score(seasons), _variance(seasons, n), n * (n - 1) / 2
        s, var_s, pair_count = (part.reshape(period, m).sum(axis=0) for part in parts)
        return s, var_s, pair_count, slope, intercept
    told = np.array([_correlated(padded[:, i].reshape(cycles, period)) for i in range(m)]).reshape(m, 3)
    return told[:, 0], told[:, 1], told[:, 2], slope, intercept


def _correlated(seasons: Floats) -> tuple[float, float, float]:
    """Return score, variance and number of pairs of one series, (n_cycles, period), from its complete cycles."""
    whole = seasons[~np.isnan(seasons).any(axis=1)]
    n, period = whole.shape
    if n < 2:
        return 0.0, 0.0, 0.0
    signs = np.sign(whole[None, :, :] - whole[:, None, :])  # [k, j, season] is the sign of x_j - x_k
    later = signs[np.triu_indices(n, 1)]
    ranks = (n + 1 + signs.sum(axis=0)) / 2
    covariance = (later.T @ later + 4 * ranks.T @ ranks - n * (n + 1) ** 2) / 3
    return float(later.sum()), float(covariance.sum()), period * n * (n - 1) / 2


@dataclass(frozen=True, slots=True, eq=False)
class Stl:
    """Seasonal, trend and remainder of one or many series; they add up to the series.

    Attributes
    ----------
    seasonal, trend, remainder
        Components [unit of y].
    weights
        Robustness weights [0..1], 1 where none were asked for.
    """

    seasonal: Floats
    trend: Floats
    remainder: Floats
    weights: Floats

    @property
    def deseasonalised(self) -> Floats:
        """Trend and remainder [unit of y]."""
        return self.trend + self.remainder


def _odd(value: float) -> int:
    whole = int(np.ceil(value - 1e-9))
    return whole + (whole % 2 == 0)


def stl(
    y: npt.ArrayLike,
    *,
    period: int,
    seasonal: int,
    seasonal_degree: Literal[0, 1] = 0,
    robust: bool = True,
    trend: int | None = None,
    low_pass: int | None = None,
    low_pass_degree: Literal[0, 1] = 1,
    inner: int | None = None,
    outer: int | None = None,
) -> Stl:
    """Return the decomposition of series into season, trend and remainder by loess (STL).

    The computation is that of statsmodels; what is not said is taken as R's ``stl`` takes it (windows, jumps of a tenth
    of a window, passes), so that both agree.

    Parameters
    ----------
    y
        Values at equal steps, (n_time,) or (n_time, n_series), none missing.
    period
        Steps in a cycle.
    seasonal
        Window of the seasonal smoother [cycles], odd, at least 7.
    seasonal_degree
        Degree of the seasonal smoother.
    robust
        Whether outliers are weighted down.
    trend
        Window of the trend [steps], odd. Default: the next odd number from 1.5 · period / (1 - 1.5 / seasonal).
    low_pass
        Window of the low-pass filter [steps], odd. Default: the next odd number from ``period``.
    low_pass_degree
        Degree of the low-pass filter.
    inner, outer
        Passes of the inner and outer loop. Default: 1 and 15 if robust, 2 and 0 if not.

    Raises
    ------
    DataError
        A missing value, fewer values than two cycles and one step, or a window that is not odd.

    Examples
    --------
    >>> t = np.arange(48)
    >>> parts = stl(50 + t + 10 * np.sin(2 * np.pi * t / 12), period=12, seasonal=35)
    >>> bool(np.abs(parts.deseasonalised - (50 + t)).max() < 0.5)
    True

    References
    ----------
    Cleveland, Cleveland, McRae and Terpenning (1990), STL: A Seasonal-Trend Decomposition Procedure Based on Loess,
    Journal of Official Statistics 6(1), 3-73.
    """
    values, single = _columns(y)
    n, m = values.shape
    if np.isnan(values).any():
        raise DataError(f"y has {int(np.isnan(values).sum())} missing values; STL takes none. Fill them first.")
    if n <= 2 * period:
        raise DataError(
            f"{n} values are too few for STL with a period of {period}; expected at least {2 * period + 1}."
        )
    trend = _odd(1.5 * period / (1 - 1.5 / seasonal)) if trend is None else trend
    low_pass = _odd(period) if low_pass is None else low_pass
    windows = {"seasonal": seasonal, "trend": trend, "low_pass": low_pass}
    for name, window in windows.items():
        if window % 2 == 0 or window < 3 or (name == "seasonal" and window < 7):
            raise DataError(f"The window {name} is {window}; expected an odd number, at least 3 (seasonal: 7).")
    # Imported here because it takes more than a second.
    from statsmodels.tsa.seasonal import STL

    jumps = {f"{name}_jump": -(-window // 10) for name, window in windows.items()}
    inner = (1 if robust else 2) if inner is None else inner
    outer = (15 if robust else 0) if outer is None else outer
    parts = np.empty((4, n, m))
    for i in range(m):
        fit = STL(
            values[:, i],
            period=period,
            seasonal_deg=seasonal_degree,
            low_pass_deg=low_pass_degree,
            robust=robust,
            **windows,
            **jumps,
        ).fit(inner_iter=inner, outer_iter=outer)
        parts[:, :, i] = fit.seasonal, fit.trend, fit.resid, fit.weights
    return Stl(*(part[:, 0] if single else part for part in parts))


def kz(y: npt.ArrayLike, *, window: int, passes: int = KZ_PASSES, min_share: float = 0.25) -> Floats:
    """Return the Kolmogorov-Zurbenko filter: a centred moving mean, passed over the series several times.

    Where the window reaches over an end of the series it is cut, so that values there rest on less;
    :func:`kz_edge` says how far that goes.

    Parameters
    ----------
    y
        Values at equal steps, (n_time,) or (n_time, n_series); ``nan`` where missing.
    window
        Steps in the window, odd, at least 3.
    passes
        Number of passes.
    min_share
        Share of the (cut) window that must be present in each pass [0..1]; below it the value is ``nan``.

    Returns
    -------
    numpy.ndarray
        Shape of ``y`` [unit of ``y``].

    Raises
    ------
    DataError
        A window that is even or below 3, no pass, or a share that is none.

    Examples
    --------
    >>> kz([0.0, 0.0, 9.0, 0.0, 0.0], window=3, passes=1).tolist()
    [0.0, 3.0, 3.0, 3.0, 0.0]

    References
    ----------
    Rao and Zurbenko (1994), Detecting and tracking changes in ozone air quality, Air & Waste 44(9), 1089-1092.
    doi:10.1080/10473289.1994.10467303
    """
    values, single = _columns(y)
    if window < 3 or window % 2 == 0:
        raise DataError(f"window is {window}; expected an odd number of steps, at least 3, so that it has a middle.")
    if passes < 1 or not 0 <= min_share <= 1:
        raise DataError(f"passes is {passes} and min_share {min_share}; expected at least 1, and a share of 0 to 1.")
    at = np.arange(len(values))
    low, high = np.maximum(at - window // 2, 0), np.minimum(at + window // 2 + 1, len(values))
    present = ~np.isnan(values)
    # Sums of deviations lose no digits to the level of the series.
    level = np.where(present, values, 0.0).sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    current = values - level
    for _ in range(passes):
        present = ~np.isnan(current)
        count = _running(present.astype(np.float64), low, high)
        total = _running(np.where(present, current, 0.0), low, high)
        enough = (count > 0) & (count >= min_share * (high - low)[:, None])
        current = np.where(enough, total / np.where(enough, count, 1.0), np.nan)
    smooth = current + level
    return smooth[:, 0] if single else smooth


def _running(values: Floats, low: Integers, high: Integers) -> Floats:
    sums = np.zeros((len(values) + 1, values.shape[1]))
    np.cumsum(values, axis=0, out=sums[1:])
    return sums[high] - sums[low]


def kz_edge(window: int, *, passes: int = KZ_PASSES) -> int:
    """Return how many values at each end of a series a KZ filter takes from cut windows.

    Examples
    --------
    >>> kz_edge(8761)  # two and a half years of hours
    21900
    """
    return passes * (window // 2)


def kz_components(
    y: npt.ArrayLike,
    *,
    windows: Sequence[int] = KZ_WINDOWS,
    passes: int = KZ_PASSES,
    min_share: float = 0.25,
    names: Sequence[str] = KZ_COMPONENTS,
) -> dict[str, Floats]:
    """Return a series parted by time scale: differences of KZ filters with ever wider windows.

    Parameters
    ----------
    y
        Values at equal steps, (n_time,) or (n_time, n_series); ``nan`` where missing.
    windows
        Windows [steps], increasing. The default is for hours.
    passes, min_share
        As in :func:`kz`.
    names
        Names of the components, one more than windows, the finest first.

    Returns
    -------
    dict
        Arrays of the shape of ``y``; where ``y`` is present they add up to it.

    Raises
    ------
    DataError
        Windows that do not increase, or names that are not one more.

    Examples
    --------
    >>> y = np.sin(np.arange(200) / 5)
    >>> parts = kz_components(y, windows=(3, 31), names=("fast", "middle", "slow"))
    >>> bool(np.allclose(sum(parts.values()), y))
    True
    """
    values = np.asarray(y, dtype=np.float64)
    if list(windows) != sorted(set(windows)) or not windows:
        raise DataError(f"windows are {list(windows)}; expected increasing numbers of steps.")
    if len(names) != len(windows) + 1 or len(set(names)) != len(names):
        raise DataError(
            f"{len(names)} names {list(names)} for {len(windows)} windows; expected one more, all different."
        )
    smooth = [values, *(kz(values, window=w, passes=passes, min_share=min_share) for w in windows)]
    parts = [finer - coarser for finer, coarser in pairwise(smooth)]
    return dict(zip(names, [*parts, smooth[-1]], strict=True))
