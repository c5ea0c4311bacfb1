"""When the air is bad: means by hour, weekday and month with intervals, and the days of a year in their calendar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from citylab import periods
from citylab.errors import DataError, SchemaError, suggest
from citylab.frames import Frame, columns_of, keys_of, lazily, need_columns, need_numbers, need_stamp, need_wall_clock
from citylab.stats import bootstrap

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

Stamp = Literal["ending", "starting"]

CYCLES: dict[str, tuple[int, ...]] = {
    "hour": tuple(range(24)),
    "weekday": tuple(range(1, 8)),
    "month": tuple(range(1, 13)),
}
"""What :func:`time_variation` goes over: hours by their start, weekdays from Monday (1) to Sunday (7), months."""
_STATION = "station_id"
_LOCAL_TIMES = ("datetime_local", "date_local")


def time_variation(
    frame: Frame,
    value: str | Sequence[str],
    *,
    over: str | Sequence[str] = "hour",
    by: str | Sequence[str] | None = None,
    time: str | None = None,
    stamp: Stamp | None = None,
    n_boot: int = 599,
    block: int | None = None,
    seed: int = 0,
    level: float = 0.95,
) -> Frame:
    """Return means by hour of the day, day of the week or month of the year, with bootstrap intervals.

    The bootstrap of each row draws blocks of its own days (all Mondays, all days of Januaries), since days that follow
    each other, and all stations in a day, share their weather. It speaks of the days that were measured: of four
    Januaries it does not know how Januaries differ, and from one month of days it is too narrow.

    Parameters
    ----------
    frame
        One row per group and hour, or day; stations that are not in ``by`` are pooled.
    value
        Column or columns of the concentration.
    over
        One or more of ``"hour"``, ``"weekday"`` and ``"month"``; two give every combination.
    by
        Columns that name groups; ``None`` takes the frame as one.
    time
        Column of wall-clock time. Default: ``datetime_local`` or ``date_local``, the first that is there.
    stamp
        Whether a datetime marks the start or the end of its hour; the declaration of the data set says it. Dates need
        none.
    n_boot, seed, level
        Resamples, their seed, and the level of the intervals.
    block
        Days in a block, counted among the row's own days; default: the cube root of their number.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group, value column and hour, weekday or month, those without data too: the columns of ``by``;
        ``variable`` (name of the value column); ``hour`` (0 to 23, the start of the hour whatever was stamped),
        ``weekday`` (1 Monday to 7 Sunday) or ``month``; ``mean``, ``low``, ``high`` [unit of the value]; ``n`` (values)
        and ``n_days`` (days that have any); ``block``, ``n_boot``, ``seed``, ``level``. Intervals need two days.

    Raises
    ------
    SchemaError
        A column is missing or carries a time zone, hours are asked of dates, or ``stamp`` is not said.
    DataError
        Two rows of one time of a group and station, infinite values, no rows, too few resamples for the level.
    UnknownNameError
        No such cycle.

    Examples
    --------
    >>> from datetime import date
    >>> dates = [date(2016, 1, d) for d in (1, 2, 8, 9)]
    >>> days = pl.DataFrame({"date_local": dates, "pm25_ugm3": [10.0, 40.0, 20.0, 60.0]})
    >>> week = time_variation(days, "pm25_ugm3", over="weekday")
    >>> week.filter(pl.col("n") > 0).select("weekday", "mean", "n").rows()
    [(5, 15.0, 2), (6, 50.0, 2)]

    References
    ----------
    Künsch (1989), Annals of Statistics 17(3), 1217-1241. doi:10.1214/aos/1176347265
    """
    what = "time_variation"
    lf, back = lazily(frame)
    cycles: list[str] = columns_of(over)
    names: list[str] = columns_of(value)
    keys: list[str] = keys_of(by)
    if lost := [c for c in cycles if c not in CYCLES]:
        raise suggest(lost[0], CYCLES, what="cycle", see="citylab.air.variation.CYCLES")
    known: list[str] = lf.collect_schema().names()
    time = time or next((t for t in _LOCAL_TIMES if t in known), _LOCAL_TIMES[0])
    notes = {time: "time", **dict.fromkeys(keys, "group"), **dict.fromkeys(names, "value")}
    schema = need_columns(lf, notes, what=what)
    need_numbers(schema, names, what=what)
    need_wall_clock(schema, time, what=what, dates=True)
    if taken := {"variable", *cycles} & set(keys):
        raise SchemaError(f"{what} gives columns of the names {sorted(taken)} itself. Rename them in the frame.")
    start = _start_of_hour(schema, time, stamp, cycles, what)
    bootstrap.need_draws(n_boot, level)
    apart = [*keys, *([_STATION] if _STATION in known and _STATION not in keys else []), time]
    table = lf.select(*apart, *(pl.col(n).cast(pl.Float64).fill_nan(None) for n in names)).collect()
    _refuse(table, apart, names, what)
    table = table.with_columns(start.alias("__start")).with_columns(
        pl.col("__start").cast(pl.Date).alias("__day"), _place(cycles).alias("__place")
    )
    groups = table.partition_by(keys, as_dict=True, maintain_order=True) if keys else {(): table}
    combinations = _combinations(cycles)
    parts = []
    for key in sorted(groups, key=str):
        for name in names:
            told = _cycle(groups[key], name, len(combinations[cycles[0]]), n_boot, block, seed, level)
            rows = pl.DataFrame({"variable": [name] * len(combinations[cycles[0]]), **combinations, **told})
            parts.append(rows.select(*(pl.lit(k).alias(c) for c, k in zip(keys, key, strict=True)), pl.all()))
    whole = pl.concat(parts).with_columns(n_boot=pl.lit(n_boot), seed=pl.lit(seed), level=pl.lit(level))
    return back(whole.with_columns(pl.col(k).cast(schema[k]) for k in keys).lazy())


def _start_of_hour(schema: pl.Schema, time: str, stamp: str | None, cycles: list[str], what: str) -> pl.Expr:
    if schema[time] == pl.Date:
        if "hour" in cycles:
            raise SchemaError(f"{what} over hours needs datetimes; {time!r} holds dates. Give hourly rows.")
        return pl.col(time)
    need_stamp(stamp, time, what=what)
    return periods.hour_ending_to_starting(pl.col(time)) if stamp == "ending" else pl.col(time)


def _refuse(table: pl.DataFrame, apart: list[str], names: list[str], what: str) -> None:
    if table.is_empty():
        raise DataError(f"{what} was given a frame without rows.")
    if lost := {c: n for c in apart if (n := table[c].null_count())}:
        raise DataError(f"{what} found rows without {lost}; expected a group and a time in each. Drop or repair them.")
    if infinite := {n: int(c) for n in names if (c := table[n].is_infinite().sum())}:
        raise DataError(f"{what} found infinite values: {infinite}. Set them to null.")
    if twice := int(table.select(apart).is_duplicated().sum()):
        raise DataError(
            f"{what} found {twice} rows that share {' and '.join(apart)} with another. Keep one row of each; name the "
            "groups with by= if the frame holds several series."
        )


def _place(cycles: list[str]) -> pl.Expr:
    """Return the number of the combination of hour, weekday and month in which a row lies."""
    start = pl.col("__start")
    of = {"hour": start.dt.hour, "weekday": start.dt.weekday, "month": start.dt.month}
    place = pl.lit(0, pl.Int64)
    for cycle in cycles:
        place = place * len(CYCLES[cycle]) + of[cycle]().cast(pl.Int64) - CYCLES[cycle][0]
    return place


def _combinations(cycles: list[str]) -> dict[str, list[int]]:
    grid = np.meshgrid(*(CYCLES[c] for c in cycles), indexing="ij")
    return {c: g.ravel().tolist() for c, g in zip(cycles, grid, strict=True)}


def _cycle(
    table: pl.DataFrame, name: str, places: int, n_boot: int, block: int | None, seed: int, level: float
) -> dict[str, Any]:
    told = table.drop_nulls(name)
    nothing: list[None] = [None] * places
    out: dict[str, Any] = {"mean": nothing, "low": nothing, "high": nothing, "n": [0] * places, "n_days": [0] * places,
                           "block": nothing}  # fmt: skip
    if told.is_empty():
        return {k: pl.Series(v, dtype=_DTYPES[k]) for k, v in out.items()}
    ordinal = told["__day"].to_physical().to_numpy().astype(np.int64)
    day = ordinal - ordinal.min()
    days = int(day.max()) + 1
    cell = day * places + told["__place"].to_numpy()
    sums = np.bincount(cell, weights=told[name].to_numpy(), minlength=days * places).reshape(days, places)
    counts = np.bincount(cell, minlength=days * places).reshape(days, places).astype(float)
    n = counts.sum(axis=0)
    out |= {"mean": _ratio(sums.sum(axis=0), n), "n": n.astype(np.int64), "n_days": (counts > 0).sum(axis=0)}
    low, high, blocks = np.full((3, places), np.nan)
    drawn: dict[tuple[int, int], Floats] = {}
    for place in np.flatnonzero((counts > 0).sum(axis=0) > 1):
        own = counts[:, place] > 0  # drawing from the place's own days, no resample can miss it
        size = int(own.sum())
        length = min(bootstrap.block_length(size) if block is None else block, size)
        if (size, length) not in drawn:
            indices = bootstrap.block_indices(size, n_boot, block=length, seed=seed)
            drawn[size, length] = bootstrap.multiplicities(indices, size).astype(float)
        times = drawn[size, length]
        draws = (times @ sums[own, place]) / (times @ counts[own, place])
        low[place], high[place] = bootstrap.interval(draws, level=level)
        blocks[place] = length
    out |= {"low": low, "high": high, "block": pl.Series(blocks, nan_to_null=True).cast(pl.Int64)}
    return {k: pl.Series(v, dtype=_DTYPES[k], nan_to_null=True) for k, v in out.items()}


_DTYPES = {"mean": pl.Float64(), "low": pl.Float64(), "high": pl.Float64(), "n": pl.Int64(), "n_days": pl.Int64(),
           "block": pl.Int64()}  # fmt: skip


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)


def calendar(
    frame: Frame,
    value: str,
    *,
    by: str | Sequence[str] | None = None,
    time: str = "date_local",
    keep: str | Sequence[str] | None = None,
) -> Frame:
    """Return the days of every month that a daily series touches, each in its place of the calendar.

    Parameters
    ----------
    frame
        One row per group and day; daily means of hours come from :func:`citylab.air.averages.daily_means`.
    value
        Column of the value.
    by
        Columns that name a series; ``None`` takes the frame as one.
    time
        Column of dates.
    keep
        Columns to carry along, such as the level of the index and its colour.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group and day from the first of its first month to the last of its last: the columns of ``by``,
        ``date_local`` (or the name given by ``time``), ``year``, ``month``, ``day``, ``weekday`` (from Monday, 1),
        ``week`` (row within the month, from 1), the value (null on days without any), ``is_missing`` and what ``keep``
        names.

    Raises
    ------
    SchemaError
        A column is missing, or ``time`` holds no dates.
    DataError
        Two rows of one day, or no rows.

    Examples
    --------
    >>> from datetime import date
    >>> days = pl.DataFrame({"date_local": [date(2016, 12, 16)], "pm25_ugm3": [150.0]})
    >>> month = calendar(days, "pm25_ugm3")
    >>> month.height, month["is_missing"].sum(), month.row(15, named=True)["week"]
    (31, 30, 3)
    """
    what = "calendar"
    lf, back = lazily(frame)
    keys: list[str] = keys_of(by)
    kept = [c for c in keys_of(keep) if c != value]
    notes = {time: "day", value: "value", **dict.fromkeys(keys, "group"), **dict.fromkeys(kept, "kept")}
    schema = need_columns(lf, notes, what=what)
    need_numbers(schema, [value], what=what)
    if schema[time] != pl.Date:
        raise SchemaError(
            f"{what} needs dates in {time!r}, which is {schema[time]}. Take daily means first: "
            "citylab.air.averages.daily_means knows to which day an hour belongs."
        )
    table = lf.select(*keys, time, pl.col(value), *kept).collect()
    _refuse(table, [*keys, time], [], what)
    if schema[value].is_float():
        table = table.with_columns(pl.when(pl.col(value).is_finite()).then(pl.col(value)).alias(value))
    first, last = pl.col(time).min().dt.month_start(), pl.col(time).max().dt.month_end()
    span = pl.date_range(first, last, "1d").alias(time)
    days = table.group_by(keys, maintain_order=True).agg(span).explode(time) if keys else table.select(span)
    date = pl.col(time)
    whole = days.join(table, on=[*keys, time], how="left", maintain_order="left").sort(*keys, time)
    before = date.dt.month_start().dt.weekday() - 1
    return back(
        whole.select(
            *keys,
            time,
            date.dt.year().alias("year"),
            date.dt.month().alias("month"),
            date.dt.day().alias("day"),
            date.dt.weekday().alias("weekday"),
            ((date.dt.day() - 1 + before) // len(CYCLES["weekday"]) + 1).cast(pl.Int8).alias("week"),
            value,
            pl.col(value).is_null().alias("is_missing"),
            *kept,
        ).lazy()
    )
