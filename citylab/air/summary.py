"""What several stations say of a city: its days, its stations' means, and how they changed.

A day of a station counts when enough of its hours were measured; a day of the city, when enough stations have such
a day.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import polars as pl

from citylab import tables
from citylab.errors import DataError, SchemaError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)

EDITION = "hj663-2013"
"""Rules that the summaries follow; those of 2026 are the same figures."""


def _minimum(rule: str) -> float:
    """Return what a rule of :data:`EDITION` asks for, from the declared table ``air_validity``."""
    found = tables.read("air_validity").filter(edition=EDITION, rule=rule)
    return float(found["minimum"].item())


HOURS_PER_DAY = 24
MIN_HOURS_OF_DAY = int(_minimum("daily_mean_hours"))
"""Hourly means that a daily mean of PM2.5, PM10, SO2, NO2 or CO needs."""
MIN_CAPTURE = MIN_HOURS_OF_DAY / HOURS_PER_DAY
MIN_DAYS_OF_YEAR = int(_minimum("year_days"))
"""Daily means that an annual mean needs. The standard also asks for 27 a month (25 in February), which
:func:`station_means` does not."""
MIN_STATION_SHARE = _minimum("city_station_share")
"""Share of a city's stations that a city mean needs."""
MIN_DAY_SHARE = 0.75
"""Share of a period's days that a station's mean needs: citylab's choice, the 75 % that is often asked."""
_ROUNDING = 1e-9


def valid_value(value: str, capture: str, *, min_capture: float = MIN_CAPTURE) -> pl.Expr:
    """Return a daily value where enough of its hours were measured, else null.

    Parameters
    ----------
    value
        Column of the daily mean.
    capture
        Column of the share of the day's hours behind it [0..1].
    min_capture
        Least share that counts; equality counts.

    Examples
    --------
    >>> days = pl.DataFrame({"pm25_ugm3": [80.0, 90.0], "pm25_capture_share": [20 / 24, 19 / 24]})
    >>> days.select(valid_value("pm25_ugm3", "pm25_capture_share")).to_series().to_list()
    [80.0, None]
    """
    if not 0 <= min_capture <= 1:
        raise DataError(f"min_capture is {min_capture}; expected a share between 0 and 1, for example 20 / 24.")
    measured = pl.col(value).is_not_null() & pl.col(value).is_not_nan()
    return pl.when(measured & (pl.col(capture) >= min_capture - _ROUNDING)).then(pl.col(value)).alias(value)


def _need(frame: pl.DataFrame | pl.LazyFrame, columns: tuple[str, ...], what: str) -> None:
    have = frame.collect_schema().names()
    lost = [c for c in columns if c not in have]
    if lost:
        raise SchemaError(
            f"{what} needs {list(columns)} (one row per station and day); the frame lacks {lost} and has {have}. "
            "Load daily data through citylab.load, or rename the columns."
        )


def city_daily(
    frame: Frame,
    value: str,
    capture: str,
    *,
    min_capture: float = MIN_CAPTURE,
    min_stations: int,
    day: str = "date_local",
) -> Frame:
    """Return the city's daily mean over stations, with the range across them.

    Every day from the first to the last of the frame has a row. A day on which fewer than ``min_stations`` have a valid
    day has nulls, so that a chart shows a gap. The stations have equal weight; the range is the spread of places within
    the city, not an uncertainty.

    Parameters
    ----------
    frame
        One row per station and day.
    value, capture
        Columns of the daily mean and of the share of hours behind it [0..1].
    min_capture
        Least share of hours of a valid station-day.
    min_stations
        Least number of valid stations of a valid city-day.
    day
        Column of the calendar day.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per day: the day, ``value`` (mean), ``value_min``, ``value_max`` [unit of ``value``] and
        ``station_count``, the stations with a valid day.

    Raises
    ------
    SchemaError
        A column is missing.
    DataError
        ``min_stations`` is below 1 or ``min_capture`` no share.

    Examples
    --------
    >>> import datetime as dt
    >>> days = pl.DataFrame({"date_local": [dt.date(2014, 1, 1)] * 2, "station_id": ["a", "b"],
    ...                      "pm25_ugm3": [60.0, 80.0], "pm25_capture_share": [1.0, 1.0]})
    >>> city_daily(days, "pm25_ugm3", "pm25_capture_share", min_stations=2).row(0)[1:]
    (70.0, 60.0, 80.0, 2)

    References
    ----------
    GB 3095-2012, table 4 (hours of a valid day); HJ 663-2013 (stations of a valid city mean; city concentration as the
    mean of its stations).
    """
    _need(frame, (day, "station_id", value, capture), "city_daily")
    if min_stations < 1:
        raise DataError(f"min_stations is {min_stations}; expected at least 1.")
    enough = pl.col("station_count") >= min_stations
    names = (value, f"{value}_min", f"{value}_max")
    lazy = frame.lazy().with_columns(valid_value(value, capture, min_capture=min_capture))
    calendar = lazy.select(pl.date_range(pl.col(day).min(), pl.col(day).max(), "1d").alias(day))
    days = lazy.group_by(day).agg(
        pl.col(value).mean(),
        pl.col(value).min().alias(names[1]),
        pl.col(value).max().alias(names[2]),
        pl.col(value).count().cast(pl.Int64).alias("station_count"),
    )
    joined = (
        calendar.join(days, on=day, how="left", maintain_order="left")
        .with_columns(pl.col("station_count").fill_null(0))
        .with_columns(pl.when(enough).then(pl.col(n)).alias(n) for n in names)
    )
    return joined.collect() if isinstance(frame, pl.DataFrame) else joined


def station_means(
    frame: Frame,
    value: str,
    capture: str,
    *,
    start: dt.date,
    end: dt.date,
    min_capture: float = MIN_CAPTURE,
    min_days: int | None = None,
    day: str = "date_local",
) -> Frame:
    """Return each station's mean of its valid days in a period.

    Parameters
    ----------
    frame
        One row per station and day.
    value, capture
        Columns of the daily mean and of the share of hours behind it [0..1].
    start, end
        First and last day of the period, both included.
    min_capture
        Least share of hours of a valid day.
    min_days
        Least number of valid days of a valid mean. Default: :data:`MIN_DAY_SHARE` of the period's days, rounded up.
    day
        Column of the calendar day.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per station of the frame, sorted: ``station_id``, ``value`` (mean; null for too few valid days),
        ``day_count`` (valid days).

    Raises
    ------
    SchemaError
        A column is missing.
    DataError
        The period ends before it starts.

    Examples
    --------
    >>> days = pl.DataFrame({"date_local": [dt.date(2014, 1, d) for d in (1, 2)], "station_id": ["a", "a"],
    ...                      "pm25_ugm3": [60.0, 80.0], "pm25_capture_share": [1.0, 1.0]})
    >>> station_means(days, "pm25_ugm3", "pm25_capture_share",
    ...               start=dt.date(2014, 1, 1), end=dt.date(2014, 1, 2)).row(0)
    ('a', 70.0, 2)

    References
    ----------
    GB 3095-2012, table 4 (hours of a valid day, days of a valid year).
    """
    _need(frame, (day, "station_id", value, capture), "station_means")
    if end < start:
        raise DataError(f"The period ends ({end}) before it starts ({start}); exchange the two.")
    length = (end - start).days + 1
    least = max(1, -int(-length * MIN_DAY_SHARE // 1)) if min_days is None else min_days
    inside = pl.col(day).is_between(start, end)
    means = (
        frame.lazy()
        .with_columns(pl.when(inside).then(valid_value(value, capture, min_capture=min_capture)).alias(value))
        .group_by("station_id")
        .agg(pl.col(value).mean(), pl.col(value).count().cast(pl.Int64).alias("day_count"))
        .with_columns(pl.when(pl.col("day_count") >= least).then(pl.col(value)).alias(value))
        .sort("station_id")
    )
    return means.collect() if isinstance(frame, pl.DataFrame) else means


@dataclass(frozen=True, slots=True)
class PairedChange:
    """Mean change of the same stations between two periods, with its interval.

    Attributes
    ----------
    before, after
        Means over the stations that have both [unit of the input].
    change, low, high
        Mean difference (after − before) and its interval [unit of the input].
    level
        Level of the interval [0..1].
    n
        Stations with both values.
    """

    before: float
    after: float
    change: float
    low: float
    high: float
    level: float
    n: int

    @property
    def change_share(self) -> float:
        """Change as a share of ``before``."""
        return self.change / self.before


def paired_change(
    before: npt.ArrayLike | pl.Series, after: npt.ArrayLike | pl.Series, *, level: float = 0.95
) -> PairedChange:
    """Return the mean change of paired station means with Student's t interval.

    The interval speaks of the spread among stations as if each were drawn independently. Stations of one city share
    their weather, so it is not an interval for what policy did, and it is
    narrower than one that knew of the correlation.

    Parameters
    ----------
    before, after
        Means of the same stations in the same order; a pair with a missing value is left out.
    level
        Level of the interval, between 0 and 1.

    Raises
    ------
    DataError
        The lengths differ, fewer than two complete pairs, or a level that is not between 0 and 1.

    Examples
    --------
    >>> c = paired_change([80.0, 90.0, 100.0], [70.0, 82.0, 88.0])
    >>> c.change, round(c.low, 2), round(c.high, 2), c.n
    (-10.0, -14.97, -5.03, 3)

    References
    ----------
    Student (1908), The probable error of a mean, Biometrika 6(1), 1-25. doi:10.1093/biomet/6.1.1
    """
    import numpy as np
    from scipy.special import stdtrit

    if not 0 < level < 1:
        raise DataError(f"level is {level}; expected a number between 0 and 1, for example 0.95.")
    first, second = _numbers(before), _numbers(after)
    if first.shape != second.shape:
        raise DataError(f"before has {first.size} values and after {second.size}; expected the same stations in both.")
    both = np.isfinite(first) & np.isfinite(second)
    n = int(both.sum())
    if n < 2:
        raise DataError(f"Only {n} of {first.size} stations have both values; an interval needs at least 2.")
    first, second = first[both], second[both]
    difference = second - first
    centre = float(difference.mean())
    half = float(stdtrit(n - 1, (1 + level) / 2) * difference.std(ddof=1) / np.sqrt(n))
    return PairedChange(float(first.mean()), float(second.mean()), centre, centre - half, centre + half, level, n)


def _numbers(values: npt.ArrayLike | pl.Series) -> npt.NDArray[np.float64]:
    import numpy as np

    if isinstance(values, pl.Series):
        return values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return np.asarray(values, dtype=np.float64)
