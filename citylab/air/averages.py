"""Averages that say how much lies behind them: means, extremes and percentiles with data capture and validity.

Beside every value ``<stem>`` stand four columns: ``<stem>_n`` (values behind it), ``<stem>_capture_share`` (as a share
of what the calendar period could hold, not of the rows that happen to be there), ``<stem>_is_valid`` and
``<stem>_reason`` (why it is not valid). A value that is not valid is null, never a quiet mean. NaN and infinity count
as missing. Two rows of one group in one hour are refused when the result is collected; the order of rows never matters.

:func:`time_average` and :func:`rolling_mean` follow the caller's ``min_capture``; :func:`daily_means`, :func:`mda8`,
:func:`monthly_mean`, :func:`annual_mean` and :func:`annual_percentile` follow an edition of the assessment rules,
declared in the table ``air_validity``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import polars as pl

from citylab import periods, tables
from citylab.air.days import (
    BIT,
    HOURS,
    LARGEST,
    ROWS,
    SLOT,
    WINDOW_HOURS,
    bits_column,
    count_column,
    day_sums,
    hour_columns,
    largest_windows,
    top_column,
)
from citylab.errors import DeclarationError, RangeError, SchemaError, suggest
from citylab.frames import (
    Frame,
    columns_of,
    keys_of,
    lazily,
    need_columns,
    need_numbers,
    need_stamp,
    need_wall_clock,
    refuse,
    stem,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Statistic = Literal["mean", "max", "min", "median", "sum", "count", "percentile"]
Stamp = Literal["ending", "starting"]
Align = Literal["right", "center", "left"]

POLLUTANTS = ("pm25_ugm3", "pm10_ugm3", "so2_ugm3", "no2_ugm3", "co_mgm3", "o3_ugm3")
"""The six pollutants of the Chinese index, by their columns."""
WIND = ("wind_speed_ms", "wind_direction_deg")
"""Columns of wind speed and of the direction that is averaged as a vector."""
BY_DATE = "by-date"

_HOURS = HOURS
_MONTHS = 12
_FEBRUARY = 2
_DAYS_BASE = 32  # no month has as many days: the counts of twelve are the digits of one 64-bit integer
_CALM = 1e-9  # a mean vector shorter than this share of the mean speed has no direction
_ROUNDING = 1e-9  # a share of 20 hours in 24 is a binary fraction with noise
_PERIOD_NAMES = {"1d": "date_local", "1mo": "month_start", "1y": "year"}
_LOCAL_TIMES = ("datetime_local", "date_local")
_STATISTICS = ("mean", "max", "min", "median", "sum", "count", "percentile")
_START, _ROWS, _DISTINCT, _FIRST, _LAST = "__start", ROWS, "__distinct", "__first", "__last"
_BIT, _SLOT = BIT, SLOT


def percentile(values: pl.Expr, percent: float) -> pl.Expr:
    """Return a percentile as the Chinese assessment rules compute it.

    With the n values sorted upwards and counted from one, the percentile stands at ``k = 1 + (n - 1) p`` and is read
    off linearly between its two neighbours. NumPy calls the same rule ``linear``, Hyndman and Fan call it type 7.

    Parameters
    ----------
    values
        Numbers; null and NaN are left out.
    percent
        Which percentile [0..100].

    Returns
    -------
    polars.Expr
        One number, null where there are no values.

    Raises
    ------
    RangeError
        ``percent`` lies outside 0 to 100.

    Examples
    --------
    >>> days = pl.DataFrame({"o3_mda8_ugm3": [100.0, 200.0, 150.0, None]})
    >>> days.select(percentile(pl.col("o3_mda8_ugm3"), 90)).item()
    190.0

    References
    ----------
    HJ 663-2013, annex A (百分位数计算方法). Hyndman, R. J., Fan, Y. (1996), doi:10.1080/00031305.1996.10473566.
    """
    if not 0 <= percent <= 100:
        raise RangeError(f"percent is {percent}; expected 0 to 100, for example 90 for the 90th percentile.")
    return _finite(values).quantile(percent / 100, interpolation="linear")


def time_average(
    frame: Frame,
    values: str | Iterable[str],
    *,
    every: str,
    by: str | Sequence[str] | None = "station_id",
    time: str = "datetime_local",
    statistic: Statistic = "mean",
    percentile: float | None = None,
    min_capture: float = 0.0,
    stamp: Stamp | None = None,
    step: str | None = None,
    span: Literal["calendar", "data"] = "calendar",
    wind: tuple[str, str] | None = WIND,
) -> Frame:
    """Return averages (or other statistics) over calendar periods, with the capture behind each.

    Parameters
    ----------
    frame
        One row per group and hour (or per day), in any order; hours may be absent.
    values
        Columns to average.
    every
        Length of the periods as Polars writes it: ``"1d"``, ``"1mo"``, ``"1y"``, ``"8h"``. Periods begin where
        ``dt.truncate`` begins them: days at midnight, weeks on Monday.
    by
        Grouping columns; ``None`` takes the whole frame as one.
    time
        Column of wall-clock datetimes or of dates.
    statistic
        What to compute. ``"sum"`` adds the values that are there: ask for ``min_capture`` with it.
    percentile
        Which percentile [0..100], with ``statistic="percentile"``.
    min_capture
        Least share of the period's values [0..1]; below it the result is null and not valid.
    stamp
        What datetimes mark: the ``"ending"`` or the ``"starting"`` of their hour. There is no default, the declaration
        of a data set says it. Dates need none.
    step
        Distance between rows, ``"1h"`` for datetimes and ``"1d"`` for dates if not given.
    span
        ``"calendar"`` measures capture against the whole period. ``"data"`` counts, in the first and the last period of
        a group, only the time from its first to its last row, as R's openair does.
    wind
        Columns of wind speed and direction. The direction is that of the mean of the vectors ``(ws sin wd, ws cos wd)``
        over hours with both; where the frame has no speed, all hours weigh the same.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group and period that has any row, sorted: the columns of ``by``; the start of the period as
        ``date_local`` (``"1d"``), ``month_start`` (``"1mo"``), ``year`` (``"1y"``), otherwise under the name of
        ``time``; for each value the statistic, ``_n``, ``_capture_share``, ``_is_valid`` and ``_reason``
        (``no_values``, ``low_capture``, ``no_resultant_wind``).

    Raises
    ------
    SchemaError
        A column is missing, is not numeric, is not wall-clock time; ``stamp`` is not said; a statistic other than mean
        and count is asked of a direction.
    RangeError
        A share or percentile out of range, or ``every`` shorter than ``step``.
    DataError
        On collecting: two rows of one group in one step, or a row without time.

    Examples
    --------
    >>> hours = [dt.datetime(2017, 1, 1, h) for h in range(18)]
    >>> frame = pl.DataFrame({"datetime_local": hours, "pm25_ugm3": [60.0] * 12 + [None] * 6})
    >>> day = time_average(frame, "pm25_ugm3", every="1d", by=None, stamp="starting")
    >>> day.select("date_local", "pm25_ugm3", "pm25_n", "pm25_capture_share").row(0)
    (datetime.date(2017, 1, 1), 60.0, 12, 0.5)
    >>> time_average(frame, "pm25_ugm3", every="1d", by=None, stamp="starting", min_capture=0.75)["pm25_reason"].item()
    'low_capture'

    References
    ----------
    Carslaw, D. C., Ropkins, K. (2012). openair. doi:10.1016/j.envsoft.2011.09.008 (data capture and vector-averaged
    wind).
    """
    if statistic not in _STATISTICS:
        raise suggest(statistic, _STATISTICS, what="statistic", see="citylab.air.averages.time_average")
    if (statistic == "percentile") != (percentile is not None):
        raise RangeError('Give percentile= (0 to 100) with statistic="percentile", and only with it.')
    if span not in ("calendar", "data"):
        raise suggest(span, ["calendar", "data"], what="span", see="citylab.air.averages.time_average")
    _check_share(min_capture)
    lf, back = lazily(frame)
    names, keys = columns_of(values), keys_of(by)
    clock = _clock(lf, names, keys, time=time, stamp=stamp, step=step, what="time_average", dates=True)
    if _length(every) < clock.step:
        raise RangeError(
            f"every is {every!r}, shorter than the step of {clock.step} between rows. Take a longer period."
        )
    out = _aggregate(
        lf, names, keys, clock, every=every, how=statistic, percent=percentile, wind=wind, edges=span == "data"
    )
    start, end = pl.col(_START), pl.col(_START).dt.offset_by(every)
    if span == "data":
        first, last = pl.col("__low").min(), pl.col(_LAST).max() + clock.step
        start = pl.max_horizontal(start.cast(_US), _within(first, keys).cast(_US))
        end = pl.min_horizontal(end.cast(_US), _within(last, keys).cast(_US))
    room = (end - start).dt.total_seconds() // int(clock.step.total_seconds())
    shares = [(pl.col(_n(c)) / room).alias(_capture(c)) for c in names]

    def reason(c: str) -> pl.Expr:
        return _first_of(
            no_values=pl.col(_n(c)) == 0,
            low_capture=pl.col(_capture(c)) < min_capture - _ROUNDING,
            no_resultant_wind=pl.col(c).is_null(),
        )

    out = _judged(out.with_columns(shares), names, reason, hide=statistic != "count")
    label = _PERIOD_NAMES.get(every, time) if time in _LOCAL_TIMES else time
    return back(_dressed(out, names, keys, label))


def rolling_mean(
    frame: Frame,
    values: str | Iterable[str],
    *,
    hours: int = 8,
    min_capture: float = 0.75,
    align: Align = "right",
    by: str | Sequence[str] | None = "station_id",
    time: str = "datetime_local",
) -> Frame:
    """Return running means over a fixed number of hours, in which hours without a row count as missing.

    Parameters
    ----------
    frame
        One row per group and hour; any order.
    values
        Columns to average.
    hours
        Length of the window [h].
    min_capture
        Least share of the window's hours [0..1]; 0.75 asks for 6 of 8, as the rules for ozone do.
    align
        Where the row's hour stands in its window: last (``"right"``), first (``"left"``) or in the middle
        (``"center"``; with an even number one hour more lies before than after).
    by
        Grouping columns; ``None`` takes the whole frame as one.
    time
        Column of wall-clock datetimes.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        The rows of ``frame``, sorted by group and time, with, for a value ``o3_ugm3`` and eight hours, ``o3_8h_ugm3``,
        ``o3_8h_n``, ``o3_8h_capture_share``, ``o3_8h_is_valid`` and ``o3_8h_reason`` (``no_values``, ``low_capture``).

    Raises
    ------
    SchemaError
        A column is missing, is not numeric or is not wall-clock time.
    RangeError
        ``hours`` below one, or a share out of range.
    DataError
        On collecting: two rows of one group in one hour, or a row without time.

    Examples
    --------
    >>> hours = [dt.datetime(2017, 6, 1, h) for h in (0, 1, 2, 6, 7)]
    >>> frame = pl.DataFrame({"datetime_local": hours, "o3_ugm3": [10.0, 20.0, 30.0, 70.0, 80.0]})
    >>> rolling_mean(frame, "o3_ugm3", hours=3, min_capture=0.6, by=None)["o3_3h_ugm3"].to_list()
    [None, 15.0, 20.0, None, 75.0]
    """
    if hours < 1 or int(hours) != hours:
        raise RangeError(f"hours is {hours}; expected a whole number of at least 1, for example 8.")
    if align not in ("right", "center", "left"):
        raise suggest(align, ["right", "center", "left"], what="align", see="citylab.air.averages.rolling_mean")
    _check_share(min_capture)
    lf, back = lazily(frame)
    names, keys = columns_of(values), keys_of(by)
    what = "rolling_mean"
    schema = need_columns(lf, {**dict.fromkeys(keys, "group"), time: "time of the row", **_hourly(names)}, what=what)
    need_numbers(schema, names, what=what)
    need_wall_clock(schema, time, what=what)
    ahead = {"right": 0, "center": (hours - 1) // 2, "left": hours - 1}[align]
    out = on_the_hour(lf, keys, time, longest_gap=hours)
    results = [_rolled(c, hours) for c in names]
    windows = (
        pl.struct(pl.col(_POSITION), _finite(pl.col(c)).alias(_VALUE))
        .map_batches(
            lambda packed: _window_means(packed, int(hours), ahead),
            return_dtype=pl.Struct({_VALUE: pl.Float64(), "n": pl.UInt32()}),
        )
        .alias(f"__{r}")
        for c, r in zip(names, results, strict=True)
    )
    out = out.with_columns(windows).with_columns(
        *(pl.col(f"__{r}").struct.field(_VALUE).alias(r) for r in results),
        *(pl.col(f"__{r}").struct.field("n").alias(_n(r)) for r in results),
        *(_share(pl.col(f"__{r}").struct.field("n"), hours).alias(_capture(r)) for r in results),
    )

    def reason(r: str) -> pl.Expr:
        few = pl.col(_capture(r)) < min_capture - _ROUNDING
        return _first_of(no_values=pl.col(_n(r)) == 0, low_capture=few)

    beside = [c for r in results for c in (r, _n(r), _capture(r), _valid(r), _reason(r))]
    kept = [c for c in schema.names() if c not in beside]
    return back(_judged(out, results, reason).select(*kept, *beside))


def daily_means(
    frame: Frame,
    values: str | Iterable[str] | None = None,
    *,
    stamp: Stamp,
    by: str | Sequence[str] | None = "station_id",
    time: str = "datetime_local",
    edition: str = BY_DATE,
    wind: tuple[str, str] | None = WIND,
    table: pl.DataFrame | None = None,
) -> Frame:
    """Return daily means that are valid by an edition of the assessment rules (in China: 20 of 24 hours).

    Parameters
    ----------
    frame
        One row per group and hour; any order.
    values
        Columns to average; the six pollutants that the frame has, if not given.
    stamp
        What datetimes mark: the ``"ending"`` (as the Chinese standards do: 00:00 is the last hour of the day before) or
        the ``"starting"`` of their hour. The declaration of a data set says it.
    by, time, wind
        As in :func:`time_average`.
    edition
        ``"by-date"`` takes the Chinese edition in force on the day; or ``"hj663-2013"``, ``"hj663-2026"``, ``"epa"``,
        ``"eu"``.
    table
        Rules to use in place of the declared table ``air_validity``.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group and day that has any row, sorted: the columns of ``by``, ``date_local``, ``validity_edition``;
        for each value the mean, ``_n``, ``_capture_share``, ``_is_valid`` and ``_reason`` (``no_values``,
        ``few_hours``, ``no_edition``).

    Raises
    ------
    SchemaError
        A column is missing, is not numeric or is not wall-clock time.
    UnknownNameError
        No such edition.
    DataError
        On collecting: two rows of one group in one hour, or a row without time.

    Examples
    --------
    >>> hours = [dt.datetime(2017, 1, 1, h) for h in range(1, 24)]
    >>> frame = pl.DataFrame({"datetime_local": hours, "pm25_ugm3": [60.0] * 19 + [None] * 4})
    >>> daily_means(frame, by=None, stamp="ending").select("validity_edition", "pm25_n", "pm25_reason").row(0)
    ('hj663-2013', 19, 'few_hours')

    References
    ----------
    GB 3095-2012 and GB 3095-2026, table 4 (数据统计的有效性规定); HJ 663-2013, HJ 663-2026.
    """
    lf, back = lazily(frame)
    names = _pollutants(lf, "daily_means") if values is None else columns_of(values)
    return back(
        _days(lf, names, {}, by, stamp=stamp, time=time, edition=edition, wind=wind, table=table, what="daily_means")
    )


def mda8(
    frame: Frame,
    values: str | Iterable[str] = "o3_ugm3",
    *,
    stamp: Stamp,
    by: str | Sequence[str] | None = "station_id",
    time: str = "datetime_local",
    edition: str = BY_DATE,
    limit: float | None = None,
    table: pl.DataFrame | None = None,
) -> Frame:
    """Return the largest 8-hour mean of each day (日最大8小时平均), valid by an edition of the assessment rules.

    In China the windows are those that end at 08:00 to 24:00 of the day, so that all their hours belong to it. A window
    needs 6 of its 8 hours, a day 14 windows; with fewer the day is valid all the same if its largest window lies above
    the limit, because no window that is missing could bring it under.

    Parameters
    ----------
    frame
        One row per group and hour; any order; hours may be absent.
    values
        Column, or columns, of hourly ozone.
    stamp
        What datetimes mark: the ``"ending"`` or the ``"starting"`` of their hour; the declaration of a data set says
        it.
    by, time
        As in :func:`time_average`.
    edition
        ``"by-date"`` takes the Chinese edition in force on the day; or ``"hj663-2013"``, ``"hj663-2026"``, ``"epa"``,
        ``"eu"``. The windows of the last two reach into the neighbouring days.
    limit
        Limit of the exception, in the unit of the values; that of the edition if not given [µg/m³; class 2].
    table
        Rules to use in place of the declared table ``air_validity``.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group and day that has any row, sorted: the columns of ``by``, ``date_local``, ``validity_edition``;
        for a value ``o3_ugm3``: ``o3_mda8_ugm3``, ``o3_mda8_n`` (valid windows), ``o3_mda8_capture_share`` (of the
        windows of a day), ``o3_mda8_is_valid`` and ``o3_mda8_reason``: ``no_values``, ``few_windows``, ``no_edition``,
        and ``few_windows_above_limit`` where the exception made a day valid.

    Raises
    ------
    SchemaError
        A column is missing, is not numeric or is not wall-clock time.
    UnknownNameError
        No such edition.
    DataError
        On collecting: two rows of one group in one hour, or a row without time.

    Examples
    --------
    >>> hours = [dt.datetime(2017, 6, 1, h) for h in range(24)]
    >>> frame = pl.DataFrame({"datetime_local": hours, "o3_ugm3": [20.0] * 12 + [180.0] * 8 + [60.0] * 4})
    >>> mda8(frame, by=None, stamp="starting").select("o3_mda8_ugm3", "o3_mda8_n").row(0)
    (180.0, 17)

    References
    ----------
    HJ 663-2013 and HJ 663-2026, clause 6.1.2; GB 3095-2012 and GB 3095-2026, clause 3 and table 4.
    """
    lf, back = lazily(frame)
    asked = {"mda8": columns_of(values)}
    return back(
        _days(lf, [], asked, by, stamp=stamp, time=time, edition=edition, limit=limit, table=table, what="mda8")
    )


def daily_values(
    frame: Frame,
    values: str | Iterable[str] | None = None,
    *,
    mda8: str | Iterable[str] = "o3_ugm3",
    max8h: str | Iterable[str] = (),
    max1h: str | Iterable[str] = (),
    stamp: Stamp,
    by: str | Sequence[str] | None = "station_id",
    time: str = "datetime_local",
    edition: str = BY_DATE,
    limit: float | None = None,
    wind: tuple[str, str] | None = WIND,
    table: pl.DataFrame | None = None,
) -> Frame:
    """Return daily means and daily maxima side by side, from hours that are grouped once.

    The values are those of :func:`daily_means` and :func:`mda8`, in about the time of the slower of the two.

    Parameters
    ----------
    frame
        One row per group and hour; any order; hours may be absent.
    values
        Columns whose daily means are wanted; the six pollutants that the frame has, if not given; ``()`` for none.
    mda8
        Columns of ozone, for the largest 8-hour mean of the day as :func:`mda8` has it; ``()`` for none.
    max8h
        Other gases (CO) for the largest 8-hour mean whose window ends within the day. Only the editions ``"epa"`` and
        ``"eu"`` know such a value.
    max1h
        Columns whose largest hour is wanted. That a maximum needs as many hours as a daily mean is citylab's reading.
    stamp, by, time, edition, limit, wind, table
        As in :func:`daily_means` and :func:`mda8`.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group and day that has any row, sorted: the columns of ``by``, ``date_local``, ``validity_edition``;
        for each mean, then each ``<stem>_mda8``, ``<stem>_max8h`` and ``<stem>_max1h``, the value, ``_n`` (hours or
        windows), ``_capture_share``, ``_is_valid`` and ``_reason``.

    Raises
    ------
    SchemaError
        A column is missing, is not numeric or is not wall-clock time; nothing is asked for.
    UnknownNameError
        No such edition.
    DeclarationError
        The edition has no rule for ``max8h``.
    DataError
        On collecting: two rows of one group in one hour, or a row without time.

    Examples
    --------
    >>> hours = [dt.datetime(2017, 6, 1, h) for h in range(24)]
    >>> frame = pl.DataFrame({"datetime_local": hours, "o3_ugm3": [20.0] * 12 + [180.0] * 8 + [60.0] * 4})
    >>> day = daily_values(frame, by=None, stamp="starting", max1h="o3_ugm3")
    >>> day.select("o3_ugm3", "o3_mda8_ugm3", "o3_max1h_ugm3", "o3_mda8_n").row(0)
    (80.0, 180.0, 180.0, 17)

    References
    ----------
    As for :func:`daily_means` and :func:`mda8`; 40 CFR 50.8 (CO, 8 hours); Directive 2008/50/EC, annexes VII and XI.
    """
    lf, back = lazily(frame)
    maxima = {"mda8": mda8, "max8h": max8h, "max1h": max1h}
    asked = {kind: columns_of(told) if told else [] for kind, told in maxima.items()}
    names = _pollutants(lf, "daily_values") if values is None else columns_of(values) if values else []
    return back(
        _days(
            lf, names, asked, by,
            stamp=stamp, time=time, edition=edition, limit=limit, wind=wind, table=table, what="daily_values",
        )
    )  # fmt: skip


def monthly_mean(
    frame: Frame,
    values: str | Iterable[str] | None = None,
    *,
    by: str | Sequence[str] | None = "station_id",
    time: str = "date_local",
    edition: str = BY_DATE,
    table: pl.DataFrame | None = None,
) -> Frame:
    """Return means of a month's daily values, valid by an edition of the rules (in China: 27 days, 25 in February).

    Parameters and the treatment of daily values are those of :func:`annual_mean`.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group and month that has any row, sorted: the columns of ``by``, ``month_start``,
        ``validity_edition``; for each value the mean, ``_n`` (days), ``_capture_share``, ``_is_valid`` and ``_reason``
        (``no_values``, ``few_days``, ``no_edition``).

    Examples
    --------
    >>> days = [dt.date(2017, 1, d) for d in range(1, 28)]
    >>> frame = pl.DataFrame({"date_local": days, "pm25_ugm3": [40.0] * 27})
    >>> monthly_mean(frame, by=None).select("month_start", "pm25_ugm3", "pm25_n", "pm25_is_valid").row(0)
    (datetime.date(2017, 1, 1), 40.0, 27, True)

    References
    ----------
    GB 3095-2012 and GB 3095-2026, table 4.
    """
    return _assessed(frame, values, by, time, edition, table, every="1mo", percent=None, what="monthly_mean")


def annual_mean(
    frame: Frame,
    values: str | Iterable[str] | None = None,
    *,
    by: str | Sequence[str] | None = "station_id",
    time: str = "date_local",
    edition: str = BY_DATE,
    table: pl.DataFrame | None = None,
) -> Frame:
    """Return means of a calendar year's daily values, valid by an edition of the assessment rules.

    In China a year needs 324 daily means and every month 27 of them (February 25). A part of a year is not valid; for a
    mean over it, with its capture, use :func:`time_average`.

    Parameters
    ----------
    frame
        One row per group and day; any order. A daily value counts where its ``_is_valid`` is true; without such a
        column, where its ``_capture_share`` reaches the hours that the edition asks of a day; without either, where it
        is there.
    values
        Columns of daily values; the six pollutants that the frame has, if not given.
    by
        Grouping columns; ``None`` takes the whole frame as one.
    time
        Column of dates.
    edition
        ``"by-date"`` takes the Chinese edition in force in the period, and where it changes within, both: their names
        are joined by ``+`` and the larger of two minima counts. Or ``"hj663-2013"``, ``"hj663-2026"``, ``"epa"``,
        ``"eu"``.
    table
        Rules to use in place of the declared table ``air_validity``.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group and year that has any row, sorted: the columns of ``by``, ``year``, ``validity_edition``; for
        each value the mean, ``_n`` (days), ``_capture_share`` (of the days of the year), ``_is_valid`` and ``_reason``
        (``no_values``, ``few_days``, ``few_days_in_month``, ``no_edition``).

    Raises
    ------
    SchemaError
        A column is missing or is not numeric, ``time`` holds no dates.
    UnknownNameError
        No such edition.
    DataError
        On collecting: two rows of one group on one day, or a row without date.

    Examples
    --------
    >>> year = pl.date_range(dt.date(2014, 1, 1), dt.date(2014, 12, 31), eager=True)
    >>> frame = pl.DataFrame({"date_local": year, "pm25_ugm3": [80.0] * 365})
    >>> annual_mean(frame, by=None).select("year", "pm25_ugm3", "pm25_is_valid").row(0)
    (2014, 80.0, True)
    >>> annual_mean(frame.head(330), by=None).select("pm25_ugm3", "pm25_n", "pm25_reason").row(0)
    (None, 330, 'few_days_in_month')

    References
    ----------
    GB 3095-2012 and GB 3095-2026, table 4 (数据统计的有效性规定).
    """
    return _assessed(frame, values, by, time, edition, table, every="1y", percent=None, what="annual_mean")


def annual_percentile(
    frame: Frame,
    values: str | Iterable[str],
    *,
    percent: float,
    by: str | Sequence[str] | None = "station_id",
    time: str = "date_local",
    edition: str = BY_DATE,
    table: pl.DataFrame | None = None,
) -> Frame:
    """Return a percentile of a calendar year's daily values, valid as :func:`annual_mean` is.

    The Chinese assessment takes the 98th percentile for SO2 and NO2, the 95th for PM10, PM2.5 and CO, the 90th for the
    daily 8-hour maximum of ozone. That the minima of the annual mean hold for percentiles too is our reading.

    Parameters
    ----------
    percent
        Which percentile [0..100]; see :func:`percentile` for the rule.
    frame, values, by, time, edition, table
        As in :func:`annual_mean`.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        As :func:`annual_mean`, with the percentile under the name of the value.

    Examples
    --------
    >>> year = pl.date_range(dt.date(2014, 1, 1), dt.date(2014, 12, 31), eager=True)
    >>> frame = pl.DataFrame({"date_local": year, "o3_mda8_ugm3": [float(d) for d in range(365)]})
    >>> annual_percentile(frame, "o3_mda8_ugm3", percent=90, by=None)["o3_mda8_ugm3"].item()
    327.6

    References
    ----------
    HJ 663-2013, annex A; HJ 663-2026, table 1.
    """
    return _assessed(frame, values, by, time, edition, table, every="1y", percent=percent, what="annual_percentile")


# What the functions share -------------------------------------------------------------------------------------------

_US = pl.Datetime("us")
_POSITION, _VALUE = "__position", "__value"
_EXCEPTION = "few_windows_above_limit"


def _finite(values: pl.Expr) -> pl.Expr:
    number = values.cast(pl.Float64)
    return pl.when(number.is_finite()).then(number)


def _share(n: pl.Expr, whole: pl.Expr | float) -> pl.Expr:
    """Return a share to its last bit: a column over a number may be computed as the column times a rounded inverse."""
    return n / (n * 0.0 + whole)


def _first_of(**reasons: pl.Expr) -> pl.Expr:
    """Return the name of the first reason that holds; one that cannot be told (null) does not hold."""
    return pl.coalesce(pl.when(holds).then(pl.lit(name)) for name, holds in reasons.items())


def _n(column: str) -> str:
    return f"{stem(column)}_n"


def _capture(column: str) -> str:
    return f"{stem(column)}_capture_share"


def _valid(column: str) -> str:
    return f"{stem(column)}_is_valid"


def _reason(column: str) -> str:
    return f"{stem(column)}_reason"


def _with_part(column: str, part: str) -> str:
    root = stem(column)
    return f"{root}_{part}{column[len(root) :]}"


def _rolled(column: str, hours: int) -> str:
    return _with_part(column, f"{hours}h")


def _bits(column: str) -> str:
    return f"__bits_{column}"


def _hour_of_day(start: pl.Expr) -> pl.Expr:
    """Return the hour of a wall-clock time: division is faster than taking a calendar apart."""
    return (start.dt.epoch("s") // 3600 % _HOURS).cast(pl.Int8)


def _bit(slot: pl.Expr) -> pl.Expr:
    """Return a power of two for an hour of the day; a sum of n of them has n bits only if all hours differ."""
    return pl.lit(2, dtype=pl.Int64).pow(slot)


def _hourly(names: Iterable[str]) -> dict[str, str]:
    return dict.fromkeys(names, "value to average")


def _pollutants(lf: pl.LazyFrame, what: str) -> list[str]:
    have = lf.collect_schema()
    found = [c for c in POLLUTANTS if c in have]
    if not found:
        need_columns(lf, {POLLUTANTS[0]: "or another of the six pollutants"}, what=what)
    return found


def _check_share(share: float) -> None:
    if not 0 <= share <= 1:
        raise RangeError(f"min_capture is {share}; expected a share between 0 and 1, for example 0.75.")


def _length(every: str) -> dt.timedelta:
    origin = dt.datetime(2001, 1, 1)
    try:
        end = pl.select(pl.lit(origin).dt.offset_by(every)).item()
    except pl.exceptions.PolarsError as cause:
        raise RangeError(
            f"{every!r} is no length of time. Write it as Polars does: '1h', '1d', '1mo', '1y'."
        ) from cause
    if end <= origin:
        raise RangeError(f"{every!r} is no length of time: it does not go forward. Write '1h', '1d', '1mo' or '1y'.")
    return end - origin


@dataclass(frozen=True, slots=True)
class _Clock:
    """When each row begins, the length of a step, and the step to which a row that began at ``__first`` belongs."""

    start: pl.Expr
    step: dt.timedelta
    grid: pl.Expr


def _clock(
    lf: pl.LazyFrame,
    names: list[str],
    keys: list[str],
    *,
    time: str,
    stamp: str | None,
    step: str | None,
    what: str,
    dates: bool = False,
    results: list[str] | None = None,
) -> _Clock:
    """Check the columns and say when each row's step begins."""
    schema = need_columns(lf, {**dict.fromkeys(keys, "group"), time: "time of the row", **_hourly(names)}, what=what)
    need_numbers(schema, names, what=what)
    need_wall_clock(schema, time, what=what, dates=dates)
    made = results or names
    beside = [new for c in made for new in (_n(c), _capture(c), _valid(c), _reason(c))]
    if len(set(beside)) < len(beside):
        raise SchemaError(f"{what}: two of {made} have one stem, so that their results would share names. Rename one.")
    is_date = schema[time] == pl.Date
    length = _length(step or ("1d" if is_date else "1h"))
    if is_date:
        return _Clock(pl.col(time), length, pl.col(_FIRST))
    need_stamp(stamp, time, what=what)
    start = pl.col(time)
    if stamp == "ending":
        start = periods.hour_ending_to_starting(start) if length == dt.timedelta(hours=1) else start - length
    return _Clock(start, length, pl.col(_FIRST).dt.truncate(f"{int(length.total_seconds())}s"))


def _period(start: pl.Expr, every: str) -> pl.Expr:
    if every == "1d":
        return start.dt.date()
    truncated = start.dt.truncate(every)
    return truncated.dt.date() if every in _PERIOD_NAMES else truncated


def _statistic(values: pl.Expr, how: Statistic, percent: float | None) -> pl.Expr:
    if how == "percentile":
        return percentile(values, float(percent or 0.0))
    kinds: dict[str, Callable[[pl.Expr], pl.Expr]] = {
        "mean": pl.Expr.mean,
        "max": pl.Expr.max,
        "min": pl.Expr.min,
        "median": pl.Expr.median,
        "sum": pl.Expr.sum,
        "count": pl.Expr.count,
    }
    return kinds[how](values)


def _aggregate(
    lf: pl.LazyFrame,
    names: list[str],
    keys: list[str],
    clock: _Clock,
    *,
    every: str,
    how: Statistic,
    percent: float | None,
    wind: tuple[str, str] | None,
    edges: bool = False,
) -> pl.LazyFrame:
    """Return statistics and numbers of values by group and period, having looked for repeated steps."""
    in_bits = every == "1d" and clock.step == dt.timedelta(hours=1)
    plain, direction, numbers = _numbers_of(lf.collect_schema(), names, how, wind)
    computed = [clock.start.alias(_FIRST), _period(clock.start, every).alias(_START), *numbers]
    if in_bits:
        computed.append(_bit(_hour_of_day(clock.start)).alias(_BIT))
    distinct = pl.col(_BIT).bitwise_count_ones() if in_bits else None
    out = (
        lf.select(*keys, *computed)
        .group_by(*keys, _START)
        .agg(
            pl.len().alias(_ROWS),
            pl.col(_BIT).sum() if in_bits else clock.grid.n_unique().alias(_DISTINCT),
            *((pl.col(_FIRST).min().alias("__low"), pl.col(_FIRST).max().alias(_LAST)) if edges else ()),
            *((pl.col(c).sum() if how == "mean" else _statistic(pl.col(c), how, percent)).alias(c) for c in plain),
            *(pl.col(c).count().alias(_n(c)) for c in plain),
            *(
                ()
                if direction is None
                else (pl.col("__u", "__v", "__speed").mean(), pl.col("__u").count().alias(_n(direction)))
            ),
        )
        .filter(_one_row_a_step(keys, clock.step, distinct))
    )
    if how == "mean":  # the number of values is needed anyhow, and a sum is the cheaper half of a mean
        counts = {c: pl.col(_n(c)) for c in plain}
        out = out.with_columns(pl.when(n > 0).then(pl.col(c) / n).alias(c) for c, n in counts.items())
    if direction is None:
        return out
    return out.with_columns((pl.col(_n(direction)) if how == "count" else _resultant()).alias(direction))


def _numbers_of(
    schema: pl.Schema, names: list[str], how: Statistic, wind: tuple[str, str] | None
) -> tuple[list[str], str | None, list[pl.Expr]]:
    """Return the columns that are plain numbers, the one that is a direction, and what is averaged of all of them."""
    plain, direction, computed = [], None, []
    for c in names:
        if c != WIND[1] and (wind is None or c != wind[1]):
            plain.append(c)
            computed.append(_finite(pl.col(c)).alias(c))
            continue
        if how not in ("mean", "count") or wind is None or c != wind[1]:
            raise SchemaError(
                f"{c!r} is a direction: 350° and 10° lie around 0°, not 180°. It has a vector mean and a count, "
                f"no {how} as a plain number. Name its columns in wind=(speed, direction) and take statistic='mean'."
            )
        direction = c
        speed = _finite(pl.col(wind[0])) if wind[0] in schema else pl.lit(1.0)
        angle = _finite(pl.col(c)).radians()
        computed += [(speed * angle.sin()).alias("__u"), (speed * angle.cos()).alias("__v")]
        computed.append(pl.when(angle.is_not_null()).then(speed).alias("__speed"))
    return plain, direction, computed


def _resultant() -> pl.Expr:
    """Return the direction of the mean wind vector, of sums or means alike; null where it has none."""
    moving = (pl.col("__u").pow(2) + pl.col("__v").pow(2)).sqrt() > _CALM * pl.col("__speed")
    return pl.when(moving).then(pl.arctan2(pl.col("__u"), pl.col("__v")).degrees() % 360.0)


def _one_row_a_step(keys: list[str], step: dt.timedelta, distinct: pl.Expr | None = None) -> pl.Expr:
    """Return a filter that refuses periods with more rows than different steps."""
    unit = "day" if step == dt.timedelta(days=1) else "hour" if step == dt.timedelta(hours=1) else f"step of {step}"

    def message(rows: pl.DataFrame) -> str:
        row = rows.sort(*keys, _START, nulls_last=False).row(0, named=True)
        where = ", ".join(f"{k} {row[k]!r}" for k in keys) or "the frame"
        if row[_START] is None:
            return f"{row[_ROWS]} rows of {where} carry no time. Drop them or repair their stamps."
        return (
            f"{rows.height} periods hold two rows of one group in one {unit}, first {where} in the period from "
            f"{row[_START]} with {row[_ROWS]} rows. Look at them with "
            "citylab.air.quality.quality_flags(checks=['duplicate']) and keep one, or name the grouping columns in by=."
        )

    steps = pl.col(_DISTINCT) if distinct is None else distinct
    wrong = (pl.col(_ROWS) != steps) | pl.col(_START).is_null()
    return refuse(wrong, *keys, _START, _ROWS, message=message)


def _within(aggregate: pl.Expr, keys: list[str]) -> pl.Expr:
    return aggregate.over(keys) if keys else aggregate


def _days(
    lf: pl.LazyFrame,
    names: list[str],
    asked: Mapping[str, list[str]],
    by: str | Sequence[str] | None,
    *,
    stamp: Stamp,
    time: str,
    edition: str,
    limit: float | None = None,
    wind: tuple[str, str] | None = None,
    table: pl.DataFrame | None,
    what: str,
) -> pl.LazyFrame:
    """Return the daily means of columns and the maxima of others, grouped once and judged by an edition."""
    keys = keys_of(by)
    results = {kind: {_with_part(c, kind): c for c in told} for kind, told in asked.items()}
    highest = results.pop("max1h", {})
    listed = list(dict.fromkeys(c for told in results.values() for c in told.values()))
    wanted = [*names, *(r for told in (*results.values(), highest) for r in told)]
    if not wanted:
        raise SchemaError(f"{what}: nothing is asked for. Name columns for means or for maxima.")
    sources = list(dict.fromkeys([*names, *listed, *highest.values()]))
    clock = _clock(lf, sources, keys, time=time, stamp=stamp, step="1h", what=what, results=wanted)
    rules = _Rules.of(edition, table)
    day = pl.col(_START)
    out = _summed(lf, names, keys, clock, wind, listed, highest)
    for kind, told in results.items():
        if told:
            out = _with_windows(out, told, keys, rules, kind)
    # Sorted while it is narrow: no hours any more, no texts yet.
    measured = [_bits(r) for told in results.values() for r in told]
    out = out.select(*keys, _START, *wanted, *map(_n, wanted), *measured).sort(*keys, _START)
    out = out.with_columns(rules.name(day, day).alias("validity_edition"))
    reasons: dict[str, pl.Expr] = {}
    no_edition = pl.col("validity_edition").is_null()
    shares = []
    for c in (*names, *highest):
        n, no_wind = pl.col(_n(c)), pl.col(c).is_null()
        few = n < rules.need("daily_mean_hours", day, day)
        reasons[c] = _first_of(no_values=n == 0, no_edition=no_edition, few_hours=few, no_resultant_wind=no_wind)
        shares.append(_share(n, _HOURS).alias(_capture(c)))
    for kind, told in results.items():
        first, last = (rules.need(f"{kind}_{side}_label", day, day) for side in ("first", "last"))
        bound = pl.lit(float(limit)) if limit is not None else rules.need(f"{kind}_limit", day, day)
        for r in told:
            n, hours = pl.col(_n(r)), pl.col(_bits(r))
            few = n < rules.need(f"{kind}_windows", day, day)
            above = few & (pl.col(r) > bound)
            reasons[r] = _first_of(
                no_values=hours == 0, no_edition=no_edition, few_windows_above_limit=above, few_windows=few
            )
            shares.append(_share(n, last - first + 1).alias(_capture(r)))
    out = _judged(out.with_columns(shares), wanted, reasons.__getitem__)
    return _dressed(out, wanted, keys, "date_local", "validity_edition", is_sorted=True)


def _summed(
    lf: pl.LazyFrame,
    names: list[str],
    keys: list[str],
    clock: _Clock,
    wind: tuple[str, str] | None,
    hourly: Sequence[str],
    highest: Mapping[str, str],
) -> pl.LazyFrame:
    """Return daily means, maxima and hours, having looked for repeated hours."""
    plain, direction, numbers = _numbers_of(lf.collect_schema(), names, "mean", wind)
    beside = [c for c in dict.fromkeys([*hourly, *highest.values()]) if c not in plain]
    vector = [] if direction is None else ["__u", "__v", "__speed"]
    hours = lf.select(
        *keys,
        clock.start.dt.date().alias(_START),
        _hour_of_day(clock.start).fill_null(0).alias(_SLOT),
        *numbers,
        *(pl.col(c).cast(pl.Float64) for c in beside),
    )
    top = list(dict.fromkeys(highest.values()))
    out = day_sums(hours, [*keys, _START], [*plain, *beside, *vector], hourly=hourly, top=top)
    out = out.filter(_one_row_a_step(keys, clock.step, pl.col(_BIT).bitwise_count_ones()))
    n = {c: pl.col(count_column(c)) for c in (*plain, *beside)}
    if direction is not None:
        n[direction] = pl.col(count_column("__u"))
    return out.with_columns(
        *(pl.when(n[c] > 0).then(pl.col(c) / n[c]).alias(c) for c in plain),
        *(pl.when(n[c] > 0).then(pl.col(top_column(c))).alias(r) for r, c in highest.items()),
        *(n[c].cast(pl.UInt32).alias(_n(c)) for c in names),
        *(n[c].cast(pl.UInt32).alias(_n(r)) for r, c in highest.items()),
        *([] if direction is None else [_resultant().alias(direction)]),
    )


def _with_windows(
    out: pl.LazyFrame, results: Mapping[str, str], keys: list[str], rules: _Rules, kind: str
) -> pl.LazyFrame:
    """Add the largest 8-hour mean of each day, the number of its valid windows, and of the hours that have a value."""
    first, last = (int(rules.edge(f"{kind}_{side}_label", pick)) for side, pick in (("first", min), ("last", max)))
    reaches = first < WINDOW_HOURS or last > _HOURS
    day = pl.col(_START)
    beside = {
        "needed": rules.need(f"{kind}_window_hours", day, day),
        "first": rules.need(f"{kind}_first_label", day, day),
        "last": rules.need(f"{kind}_last_label", day, day),
    }
    if reaches:
        out = out.sort(*keys, _START)
        same = [pl.col(k).eq_missing(pl.col(k).shift()) for k in keys]
        beside["follows"] = pl.all_horizontal(*same, (day - day.shift()).dt.total_days() == 1).fill_null(False)
    found = [
        pl.struct(*hour_columns(c), bits_column(c), *(e.alias(name) for name, e in beside.items()))
        .map_batches(
            partial(largest_windows, column=c, first=first, last=last),
            return_dtype=LARGEST,
            is_elementwise=not reaches,
        )
        .alias(f"__{r}")
        for r, c in results.items()
    ]
    return out.with_columns(found).with_columns(
        pl.col(f"__{r}").struct.field(part).alias(name)
        for r in results
        for part, name in (("largest", r), ("windows", _n(r)), ("hours", _bits(r)))
    )


def _judged(
    out: pl.LazyFrame, names: list[str], reason: Callable[[str], pl.Expr], *, hide: bool = True
) -> pl.LazyFrame:
    """Add why a value is not valid and whether it is, and hide values that are not."""
    out = out.with_columns(reason(c).alias(_reason(c)) for c in names)
    valid = {c: pl.col(_reason(c)).is_null() | (pl.col(_reason(c)) == _EXCEPTION) for c in names}
    hidden = [pl.when(ok).then(pl.col(c)).alias(c) for c, ok in valid.items() if hide]
    return out.with_columns(*(ok.alias(_valid(c)) for c, ok in valid.items()), *hidden)


def _dressed(
    out: pl.LazyFrame, names: list[str], keys: list[str], label: str, *beside: str, is_sorted: bool = False
) -> pl.LazyFrame:
    """Return the columns that a reader is promised, in their order, sorted."""
    start = pl.col(_START).dt.year().cast(pl.Int64) if label == "year" else pl.col(_START)
    columns = [new for c in names for new in (c, _n(c), _capture(c), _valid(c), _reason(c))]
    out = out if is_sorted else out.sort(*keys, _START)
    return out.select(*keys, start.alias(label), *beside, *columns)


def _assessed(
    frame: Frame,
    values: str | Iterable[str] | None,
    by: str | Sequence[str] | None,
    time: str,
    edition: str,
    table: pl.DataFrame | None,
    *,
    every: Literal["1mo", "1y"],
    percent: float | None,
    what: str,
) -> Frame:
    """Return a mean or percentile of the valid daily values of months or years, judged by an edition."""
    lf, back = lazily(frame)
    keys = keys_of(by)
    names = _pollutants(lf, what) if values is None else columns_of(values)
    schema = need_columns(
        lf, {**dict.fromkeys(keys, "group"), time: "day", **dict.fromkeys(names, "daily value")}, what=what
    )
    if schema[time] != pl.Date:
        raise SchemaError(
            f"{what} needs one row per day with dates in {time!r}, which is {schema[time]}. Make daily values first, "
            "with citylab.air.averages.daily_means or mda8."
        )
    clock = _clock(lf, names, keys, time=time, stamp=None, step="1d", what=what, dates=True)
    rules = _Rules.of(edition, table)
    day = pl.col(time)
    hours_needed = rules.need("daily_mean_hours", day, day)

    def counting(c: str) -> pl.Expr:
        if _valid(c) in schema:
            return pl.when(pl.col(_valid(c))).then(_finite(pl.col(c)))
        if _capture(c) in schema:
            enough = (pl.col(_capture(c)) * _HOURS >= hours_needed - _ROUNDING).fill_null(True)
            return pl.when(enough).then(_finite(pl.col(c)))
        return _finite(pl.col(c))

    months = range(1, _MONTHS + 1) if every == "1y" else ()
    how: Statistic = "mean" if percent is None else "percentile"
    out = (
        lf.select(
            *keys,
            day.alias(_FIRST),
            _period(day, every).alias(_START),
            *([pl.lit(_DAYS_BASE, dtype=pl.Int64).pow(day.dt.month() - 1).alias(_SLOT)] if months else []),
            *(counting(c).alias(c) for c in names),
        )
        .group_by(*keys, _START)
        .agg(
            pl.len().alias(_ROWS),
            clock.grid.n_unique().alias(_DISTINCT),
            *(_statistic(pl.col(c), how, percent).alias(c) for c in names),
            *(pl.col(c).count().alias(_n(c)) for c in names),
            *(pl.when(pl.col(c).is_not_null()).then(pl.col(_SLOT)).sum().alias(_bits(c)) for c in names if months),
        )
        .filter(_one_row_a_step(keys, clock.step))
    )
    start, end = pl.col(_START), pl.col(_START).dt.offset_by(every)
    span = (start, end.dt.offset_by("-1d"))
    room = (end - start).dt.total_days()
    out = out.with_columns(
        rules.name(*span).alias("validity_edition"), *((pl.col(_n(c)) / room).alias(_capture(c)) for c in names)
    )
    days, days_february = rules.need("month_days", *span), rules.need("february_days", *span)

    def reason(c: str) -> pl.Expr:
        n, share = pl.col(_n(c)), pl.col(_capture(c))
        always = {"no_values": n == 0, "no_edition": pl.col("validity_edition").is_null()}
        if every == "1mo":
            needed = pl.when(start.dt.month() == _FEBRUARY).then(days_february).otherwise(days)
            few = pl.any_horizontal(n < needed, share < rules.need("month_share", *span) - _ROUNDING)
            return _first_of(**always, few_days=few)
        few = pl.any_horizontal(n < rules.need("year_days", *span), share < rules.need("year_share", *span) - _ROUNDING)
        in_month = {m: pl.col(_bits(c)) // _DAYS_BASE ** (m - 1) % _DAYS_BASE for m in months}
        thin = (in_month.pop(_FEBRUARY) < days_february) | (pl.min_horizontal(in_month.values()) < days)
        return _first_of(**always, few_days=few, few_days_in_month=thin)

    label = _PERIOD_NAMES[every]
    return back(_dressed(_judged(out, names, reason), names, keys, label, "validity_edition"))


@dataclass(frozen=True, slots=True)
class _Rules:
    """Minima of one edition, or of the Chinese editions by date."""

    edition: str
    dates: dict[str, tuple[dt.date | None, dt.date | None]]
    minima: dict[tuple[str, str], float]

    @classmethod
    def of(cls, edition: str, table: pl.DataFrame | None) -> _Rules:
        rows = tables.read("air_validity") if table is None else table
        dates = {r["edition"]: (r["effective_from"], r["effective_to"]) for r in rows.iter_rows(named=True)}
        if edition == BY_DATE:
            dates = {name: span for name, span in dates.items() if span[0] is not None}
        elif edition in dates:
            dates = {edition: (None, None)}
        else:
            raise suggest(edition, [BY_DATE, *dates], what="edition", see="the table datasets/codes/air_validity.csv")
        minima = {(r["edition"], r["rule"]): float(r["minimum"]) for r in rows.iter_rows(named=True)}
        return cls(edition, dates, minima)

    def _in_force(self, name: str, start: pl.Expr, end: pl.Expr) -> pl.Expr:
        first, last = self.dates[name]
        begun = pl.lit(True) if first is None else end >= pl.lit(first)
        return begun if last is None else begun & (start <= pl.lit(last))

    def name(self, start: pl.Expr, end: pl.Expr) -> pl.Expr:
        """Return the edition in force in a period; ``a+b`` where it changes within, null where there is none."""
        if self.edition != BY_DATE:
            return pl.lit(self.edition)
        names = [pl.when(self._in_force(n, start, end)).then(pl.lit(n)) for n in sorted(self.dates)]
        joined = pl.concat_str(names, separator="+", ignore_nulls=True)
        return pl.when(joined != "").then(joined)

    def need(self, rule: str, start: pl.Expr, end: pl.Expr) -> pl.Expr:
        """Return what a rule asks in a period; null where the edition has no such rule."""
        found = {n: self.minima[n, rule] for n in sorted(self.dates) if (n, rule) in self.minima}
        if self.edition != BY_DATE or not found:
            return pl.lit(next(iter(found.values()), None), dtype=pl.Float64)
        return pl.max_horizontal(pl.when(self._in_force(n, start, end)).then(pl.lit(v)) for n, v in found.items())

    def edge(self, rule: str, pick: Callable[[Iterable[float]], float]) -> float:
        """Return the smallest or largest value of a rule over the editions that may apply."""
        found = [self.minima[n, rule] for n in self.dates if (n, rule) in self.minima]
        if not found:
            raise DeclarationError(
                f"The validity table has no rule {rule!r} for {sorted(self.dates)}. Add a row for it."
            )
        return pick(found)


def on_the_hour(
    lf: pl.LazyFrame, keys: Sequence[str], time: str, *, longest_gap: int, refuse_repeats: bool = True
) -> pl.LazyFrame:
    """Sort a frame by group and time and number its hours, so that hours without a row keep their place.

    Parameters
    ----------
    lf
        One row per group and hour.
    keys
        Grouping columns.
    time
        Column of wall-clock datetimes.
    longest_gap
        Longer gaps, and the step from one group to the next, are cut to this number of hours.
    refuse_repeats
        Whether two rows of one group in one hour are an error on collecting.

    Returns
    -------
    polars.LazyFrame
        The rows with ``__position``, an integer that grows by one an hour, and ``__passed``, the hours since the row
        before.
    """
    hour = pl.col(time).dt.epoch("s") // 3600
    same = pl.all_horizontal(pl.lit(True), *(pl.col(k).eq_missing(pl.col(k).shift()) for k in keys))
    passed = pl.when(same).then(hour.diff()).alias("__passed")
    out = lf.sort(*keys, time, maintain_order=True).with_columns(passed)
    if refuse_repeats:

        def message(rows: pl.DataFrame) -> str:
            row = rows.row(0, named=True)
            where = ", ".join(f"{k} {row[k]!r}" for k in keys) or "the frame"
            return (
                f"{rows.height} rows stand in an hour that already has one or carry no time, first {where} "
                f"at {row[time]}. Look at them with citylab.air.quality.quality_flags(checks=['duplicate']) and keep "
                "one, or name the grouping columns in by=."
            )

        out = out.filter(refuse((pl.col("__passed") == 0) | pl.col(time).is_null(), *keys, time, message=message))
    step = pl.col("__passed").clip(upper_bound=longest_gap).fill_null(longest_gap)
    return out.with_columns(step.cum_sum().alias(_POSITION))


def on_grid(packed: pl.Series) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return positions, and the values put at them on a grid of hours with NaN where there is none."""
    import numpy as np

    position = packed.struct.field(_POSITION).to_numpy()
    grid = np.full(int(position[-1]) + 1 if len(position) else 1, np.nan)
    grid[position] = packed.struct.field(_VALUE).cast(pl.Float64).to_numpy()
    return position, grid


def window_sums(numbers: npt.NDArray[np.float64], length: int) -> npt.NDArray[np.float64]:
    """Return the sum of each element and the ``length - 1`` before it, by doubling so that nothing drifts.

    Examples
    --------
    >>> import numpy as np
    >>> window_sums(np.array([1.0, 2.0, 3.0, 4.0]), 3).tolist()
    [1.0, 3.0, 6.0, 9.0]
    """
    import numpy as np

    def later(block: npt.NDArray[np.float64], by: int) -> npt.NDArray[np.float64]:
        moved = np.zeros_like(block)
        if by < len(block):
            moved[by:] = block[: len(block) - by]
        return moved

    total, covered, block, size = np.zeros_like(numbers), 0, numbers, 1
    while length:
        if length % 2:
            total, covered = total + later(block, covered), covered + size
        length //= 2
        if length:
            block, size = block + later(block, size), size * 2
    return total


def _window_means(packed: pl.Series, hours: int, ahead: int) -> pl.Series:
    import numpy as np

    position, grid = on_grid(packed)
    grid = np.concatenate([grid, np.full(ahead, np.nan)])
    there = np.isfinite(grid)
    sums = window_sums(np.where(there, grid, 0.0), hours)[position + ahead]
    n = window_sums(there.astype(np.float64), hours)[position + ahead]
    mean = pl.Series(_VALUE, np.divide(sums, n, out=np.full(len(n), np.nan), where=n > 0)).fill_nan(None)
    return pl.DataFrame([mean, pl.Series("n", n.astype(np.uint32))]).to_struct(packed.name)
