"""Time in citylab: the clock of Beijing, hours and their stamps, heating seasons, working days and holidays.

Tables carry ``datetime_local`` (wall clock of Asia/Shanghai without a zone: UTC+8, no daylight saving since
1991) and ``date_local``. The functions are expressions; only :func:`calendar` makes a table.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Literal

import polars as pl

from citylab import tables
from citylab.errors import RangeError, SchemaError, suggest

ASIA_SHANGHAI = "Asia/Shanghai"
"""Time zone of every Chinese wall clock, with the summer times of 1986-1991 (IANA time zone database)."""

_HOUR = "1h"
_WEEKDAYS = 5
_MONTH_SHIFT = 100  # month * 100 + day orders the days of a year


def to_local(moment: pl.Expr) -> pl.Expr:
    """Return the wall-clock time of Beijing.

    Parameters
    ----------
    moment
        Datetimes: in UTC if they carry no zone, otherwise in the zone they carry.

    Returns
    -------
    polars.Expr
        Datetimes without a zone, as ``datetime_local``.

    Examples
    --------
    >>> frame = pl.DataFrame({"datetime_utc": [datetime(2017, 1, 1, 16)]})
    >>> frame.select(to_local(pl.col("datetime_utc"))).item()
    datetime.datetime(2017, 1, 2, 0, 0)
    """
    return moment.dt.convert_time_zone(ASIA_SHANGHAI).dt.replace_time_zone(None)


def _without_zone(values: pl.Series) -> pl.Series:
    zone = getattr(values.dtype, "time_zone", None)
    if not isinstance(values.dtype, pl.Datetime) or zone is not None:
        raise SchemaError(
            f"Column {values.name!r} is {values.dtype}; expected wall-clock datetimes without a zone. "
            + ("Apply citylab.periods.to_local first." if zone else "Parse it to Datetime first.")
        )
    return values


def to_utc(local: pl.Expr) -> pl.Expr:
    """Return the moment in UTC of a wall-clock time in Beijing.

    Parameters
    ----------
    local
        Datetimes without a zone, as ``datetime_local``.

    Returns
    -------
    polars.Expr
        Datetimes that carry the zone UTC, so that they cannot be mistaken for local ones.

    Raises
    ------
    SchemaError
        On collecting: the datetimes carry a zone already.
    polars.exceptions.ComputeError
        On collecting: a time that a summer time of 1986-1991 skipped or repeated.

    Examples
    --------
    >>> frame = pl.DataFrame({"datetime_local": [datetime(2017, 1, 1)]})
    >>> print(frame.select(to_utc(pl.col("datetime_local"))).item())
    2016-12-31 16:00:00+00:00
    """
    checked = local.map_batches(_without_zone, return_dtype=pl.self_dtype(), is_elementwise=True)
    return checked.dt.replace_time_zone(ASIA_SHANGHAI).dt.convert_time_zone("UTC")


def hour_ending_to_starting(stamp: pl.Expr) -> pl.Expr:
    """Return the start of an hour from its end.

    Examples
    --------
    >>> frame = pl.DataFrame({"datetime_local": [datetime(2017, 1, 2, 0)]})
    >>> frame.select(hour_ending_to_starting(pl.col("datetime_local"))).item()
    datetime.datetime(2017, 1, 1, 23, 0)
    """
    return stamp.dt.offset_by(f"-{_HOUR}")


def hour_starting_to_ending(stamp: pl.Expr) -> pl.Expr:
    """Return the end of an hour from its start.

    Examples
    --------
    >>> frame = pl.DataFrame({"datetime_local": [datetime(2017, 1, 1, 23)]})
    >>> frame.select(hour_starting_to_ending(pl.col("datetime_local"))).item()
    datetime.datetime(2017, 1, 2, 0, 0)
    """
    return stamp.dt.offset_by(_HOUR)


def date_of_hour(moment: pl.Expr, *, stamp: Literal["ending", "starting"]) -> pl.Expr:
    """Return the day to which an hour belongs.

    Parameters
    ----------
    moment
        Local datetimes that mark hours.
    stamp
        What the datetimes mark. There is no default: the declaration of a data set says it. An ``"ending"``
        stamp of 00:00 is the last hour of the day before.

    Returns
    -------
    polars.Expr
        Dates, as ``date_local``.

    Raises
    ------
    UnknownNameError
        ``stamp`` is neither ``"ending"`` nor ``"starting"``.

    Examples
    --------
    >>> frame = pl.DataFrame({"datetime_local": [datetime(2017, 1, 2, 0)]})
    >>> for stamp in ("ending", "starting"):
    ...     print(frame.select(date_of_hour(pl.col("datetime_local"), stamp=stamp)).item())
    2017-01-01
    2017-01-02
    """
    if stamp not in ("ending", "starting"):
        raise suggest(stamp, ["ending", "starting"], what="kind of hour stamp", see="citylab.periods.date_of_hour")
    return (hour_ending_to_starting(moment) if stamp == "ending" else moment).dt.date()


def _season(adcode: str, table: pl.DataFrame | None) -> tuple[int, int]:
    rows = tables.read("heating_seasons") if table is None else table
    row = next((r for r in rows.iter_rows(named=True) if r["adcode"] == adcode), None)
    if row is None:
        raise suggest(adcode, rows["adcode"], what="heating season", see="the table datasets/codes/heating_seasons.csv")
    first = row["first_month"] * _MONTH_SHIFT + row["first_day"]
    return first, row["last_month"] * _MONTH_SHIFT + row["last_day"]


def _day_of_year_order(day: pl.Expr) -> pl.Expr:
    return day.dt.month().cast(pl.Int32) * _MONTH_SHIFT + day.dt.day()


def heating_season(day: pl.Expr, *, adcode: str = "110000", table: pl.DataFrame | None = None) -> pl.Expr:
    """Return whether a day lies in the statutory heating season.

    In Beijing that is 15 November to 15 March, both included. In cold years the municipality began earlier
    or ended later; this function does not know of it.

    Parameters
    ----------
    day
        Dates or local datetimes.
    adcode
        City of the declared table ``heating_seasons``.
    table
        Seasons to use in its place.

    Returns
    -------
    polars.Expr
        Booleans; null where the date is.

    Raises
    ------
    UnknownNameError
        No season is declared for the city.

    Examples
    --------
    >>> days = [date(2016, 11, 14), date(2016, 11, 15), date(2017, 3, 15), date(2017, 3, 16)]
    >>> frame = pl.DataFrame({"date_local": days})
    >>> frame.select(heating_season(pl.col("date_local"))).to_series().to_list()
    [False, True, True, False]

    References
    ----------
    北京市供热采暖管理办法 (municipal order 216 of 2009).
    """
    first, last = _season(adcode, table)
    order = _day_of_year_order(day)
    return (order >= first) | (order <= last)


def heating_season_label(day: pl.Expr, *, adcode: str = "110000", table: pl.DataFrame | None = None) -> pl.Expr:
    """Return the heating season of a day as ``"2016/17"``, and null outside the seasons.

    Parameters are those of :func:`heating_season`.

    Examples
    --------
    >>> frame = pl.DataFrame({"date_local": [date(2016, 11, 15), date(2017, 3, 15), date(2017, 7, 1)]})
    >>> frame.select(heating_season_label(pl.col("date_local"))).to_series().to_list()
    ['2016/17', '2016/17', None]
    """
    first, _ = _season(adcode, table)
    begun = day.dt.year() - (_day_of_year_order(day) < first).cast(pl.Int32)
    two_digits = ((begun + 1) % 100).cast(pl.String).str.zfill(2)
    label = pl.concat_str([begun.cast(pl.String), two_digits], separator="/")
    return pl.when(heating_season(day, adcode=adcode, table=table)).then(label)


def _as_date(day: date | str) -> date:
    if isinstance(day, str):
        return date.fromisoformat(day)
    return day.date() if isinstance(day, datetime) else day


def calendar(start: date | str, end: date | str) -> pl.LazyFrame:
    """Return the days from ``start`` to ``end`` (both included) with China's working days and public holidays.

    Parameters
    ----------
    start, end
        First and last day, as dates or as text (``"2013-01-01"``).

    Returns
    -------
    polars.LazyFrame
        One row per day: ``date_local``; ``weekday`` (1 Monday to 7 Sunday); ``is_workday``;
        ``is_public_holiday`` (a day of a holiday as the State Council announced it: statutory days, weekends
        within it and days in lieu); ``is_adjusted_workday`` (a weekend day worked instead);
        ``is_adjusted_rest`` (a Monday to Friday given free in return for an adjusted workday or for a
        holiday that fell on a weekend); ``holiday_name_zh``, ``holiday_name_en`` (null on other days);
        ``is_heating_season`` (statutory, Beijing).

    Raises
    ------
    RangeError
        A day for which no arrangement is known (the library covers whole years, from 2004), or ``end``
        before ``start``.

    Notes
    -----
    From the package ``chinesecalendar``, which copies the yearly notices of the General Office of the State
    Council. The Spring Festival of 2020 is the extended one, to 2 February; Hubei's longer one is not in it.

    Examples
    --------
    >>> calendar("2015-09-03", "2015-09-06").select("weekday", "is_workday", "holiday_name_en").collect().rows()
    [(4, False, 'Anti-Fascist 70th Day'), (5, False, 'Anti-Fascist 70th Day'), (6, False, None), (7, True, None)]

    References
    ----------
    国务院办公厅关于部分节假日安排的通知, yearly; 国办发明电〔2020〕1号.
    """
    import chinese_calendar

    first, last = _as_date(start), _as_date(end)
    known = sorted({day.year for day in chinese_calendar.holidays})
    if last < first:
        raise RangeError(f"calendar ends on {last}, before it starts on {first}. Swap the two dates.")
    if first.year < known[0] or last.year > known[-1]:
        raise RangeError(
            f"calendar was asked for {first} to {last}, but public holidays are known for {known[0]} to "
            f"{known[-1]} only. Ask for days within these years; for later ones install a newer chinesecalendar "
            "(the State Council announces a year in the autumn before)."
        )
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    english = [chinese_calendar.holidays.get(day) for day in days]
    frame = pl.LazyFrame(
        {
            "date_local": pl.Series(days, dtype=pl.Date),
            "is_public_holiday": [name is not None for name in english],
            "is_adjusted_workday": [day in chinese_calendar.workdays for day in days],
            "is_adjusted_rest": [day in chinese_calendar.in_lieu_days for day in days],
            "holiday_name_zh": pl.Series(
                [name and chinese_calendar.Holiday(name).chinese for name in english], dtype=pl.String
            ),
            "holiday_name_en": pl.Series(english, dtype=pl.String),
        }
    )
    day = pl.col("date_local")
    ordinary = (day.dt.weekday() <= _WEEKDAYS) & ~pl.col("is_public_holiday")
    return frame.select(
        day,
        day.dt.weekday().alias("weekday"),
        (ordinary | pl.col("is_adjusted_workday")).alias("is_workday"),
        "is_public_holiday",
        "is_adjusted_workday",
        "is_adjusted_rest",
        "holiday_name_zh",
        "holiday_name_en",
        heating_season(day).alias("is_heating_season"),
    )
