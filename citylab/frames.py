"""How the functions of the domains take and give tables: a DataFrame in gives a DataFrame out, a LazyFrame stays lazy.

A public function begins with :func:`lazily` and :func:`need_columns`, so that a missing column, a clock
that is not the wall clock of Beijing or a column of text is told at the call, before anything is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import polars as pl

from citylab.errors import DataError, SchemaError
from citylab.vocabulary import COLUMNS

if TYPE_CHECKING:
    from polars import DataFrame, LazyFrame

Frame = TypeVar("Frame", "DataFrame", "LazyFrame")

UNIT_SUFFIXES = frozenset({"ugm3", "mgm3", "ngm3", "ppm", "ppb", "c", "hpa", "mm", "deg", "ms", "pct", "share"})
"""Last parts of column names that are units; without one, a column's stem is its whole name."""

_SOURCES = "citylab.sources.*.VARIABLE_MAP"


def lazily(frame: Frame) -> tuple[pl.LazyFrame, Callable[[pl.LazyFrame], Frame]]:
    """Return a frame as a LazyFrame, and the way back to what it was.

    Parameters
    ----------
    frame
        A DataFrame or a LazyFrame.

    Returns
    -------
    tuple
        The LazyFrame, and a function that collects its argument if ``frame`` was a DataFrame and leaves it lazy if not.

    Raises
    ------
    SchemaError
        ``frame`` is neither.

    Examples
    --------
    >>> lf, back = lazily(pl.DataFrame({"pm25_ugm3": [35.0, 75.0]}))
    >>> back(lf.select(pl.col("pm25_ugm3").max())).item()
    75.0
    """
    if isinstance(frame, pl.LazyFrame):
        return frame, lambda lf: lf
    if isinstance(frame, pl.DataFrame):
        return frame.lazy(), lambda lf: lf.collect()
    raise SchemaError(
        f"Expected a Polars DataFrame or LazyFrame, got {type(frame).__module__}.{type(frame).__name__}. "
        "Convert a pandas table with polars.from_pandas."
    )


def columns_of(values: str | Iterable[str]) -> list[str]:
    """Return the names of value columns as a list without repeats.

    Examples
    --------
    >>> columns_of("pm25_ugm3"), columns_of(["o3_ugm3", "co_mgm3"])
    (['pm25_ugm3'], ['o3_ugm3', 'co_mgm3'])
    """
    names = [values] if isinstance(values, str) else list(dict.fromkeys(values))
    if not names:
        raise SchemaError("No value column was named. Name at least one, for example 'pm25_ugm3'.")
    return names


def keys_of(by: str | Sequence[str] | None) -> list[str]:
    """Return the names of grouping columns as a list; ``None`` groups the whole frame.

    Examples
    --------
    >>> keys_of("station_id"), keys_of(None)
    (['station_id'], [])
    """
    return [] if by is None else [by] if isinstance(by, str) else list(by)


def stem(column: str) -> str:
    """Return a column name without its unit, the root of the names of what stands beside it.

    Examples
    --------
    >>> stem("pm25_ugm3"), stem("wind_direction_deg"), stem("nox")
    ('pm25', 'wind_direction', 'nox')
    """
    root, _, unit = column.rpartition("_")
    return root if root and unit in UNIT_SUFFIXES else column


def need_columns(lf: pl.LazyFrame, needed: Mapping[str, str] | Iterable[str], *, what: str) -> pl.Schema:
    """Return the schema of a frame after making sure that it has the columns a function needs.

    Parameters
    ----------
    lf
        Any LazyFrame.
    needed
        Names of columns, or names with what each must hold (``{"pm25_ugm3": "24-hour mean"}``).
    what
        Name of the function that needs them, for the message.

    Raises
    ------
    SchemaError
        A column is missing; the message says which, what it must hold and in which unit, and what the frame has.

    Examples
    --------
    >>> need_columns(pl.LazyFrame({"PM2.5": [1.0]}), {"pm25_ugm3": "24-hour mean"}, what="aqi")
    Traceback (most recent call last):
    ...
    citylab.errors.SchemaError: aqi needs column 'pm25_ugm3' (24-hour mean, µg/m³); the frame has 'PM2.5'. ...
    """
    wanted = dict(needed) if isinstance(needed, Mapping) else dict.fromkeys(needed, "")
    schema = lf.collect_schema()
    missing = [name for name in wanted if name not in schema]
    if missing:
        units = {name: COLUMNS[name].unit if name in COLUMNS else "" for name in missing}
        told = [", ".join(filter(None, (wanted[name], units[name]))) for name in missing]
        asked = ", ".join(f"{n!r} ({note})" if note else f"{n!r}" for n, note in zip(missing, told, strict=True))
        raise SchemaError(
            f"{what} needs column{'s' * (len(missing) > 1)} {asked}; the frame has "
            f"{', '.join(map(repr, schema.names())) or 'no columns'}. If this comes straight from a file, load it "
            f"through the catalogue or rename it with a source's map ({_SOURCES})."
        )
    return schema


def need_numbers(schema: pl.Schema, columns: Iterable[str], *, what: str) -> None:
    """Make sure that columns hold numbers.

    Raises
    ------
    SchemaError
        A column holds something else, text for example.

    Examples
    --------
    >>> need_numbers(pl.Schema({"pm25_ugm3": pl.Float64()}), ["pm25_ugm3"], what="time_average")
    """
    wrong = {c: schema[c] for c in columns if not (schema[c].is_numeric() or schema[c] == pl.Null)}
    if wrong:
        found = ", ".join(f"{name!r} is {dtype}" for name, dtype in wrong.items())
        raise SchemaError(
            f"{what} needs numbers, but {found}. Read the file with its null values declared, or cast the column."
        )


def need_wall_clock(schema: pl.Schema, time: str, *, what: str, dates: bool = False) -> None:
    """Make sure that a column holds wall-clock datetimes without a zone (or, where allowed, dates).

    Raises
    ------
    SchemaError
        The column carries a zone, is named as UTC, or holds no time at all.

    Examples
    --------
    >>> need_wall_clock(pl.Schema({"datetime_utc": pl.Datetime("ms")}), "datetime_utc", what="mda8")
    Traceback (most recent call last):
    ...
    citylab.errors.SchemaError: mda8 needs wall-clock times, but 'datetime_utc' is in UTC by its name. ...
    """
    dtype = schema[time]
    remedy = f"Apply citylab.periods.to_local(pl.col({time!r})) first: a day of Beijing is not a day of UTC."
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        raise SchemaError(f"{what} needs wall-clock times, but {time!r} carries the zone {dtype.time_zone}. {remedy}")
    if time.endswith("_utc"):
        raise SchemaError(f"{what} needs wall-clock times, but {time!r} is in UTC by its name. {remedy}")
    if not (isinstance(dtype, pl.Datetime) or (dates and dtype == pl.Date)):
        kinds = "datetimes or dates" if dates else "datetimes"
        raise SchemaError(f"{what} needs {kinds} in {time!r}, which is {dtype}. Parse it, or name another column.")


def need_stamp(stamp: str | None, time: str, *, what: str) -> None:
    """Raise unless it is said which end of its hour a time marks.

    Parameters
    ----------
    stamp
        ``"ending"`` or ``"starting"``.
    time
        Column of the times.
    what
        What asks, for the message.

    Raises
    ------
    SchemaError
        Anything else was given.

    Examples
    --------
    >>> need_stamp("ending", "datetime_local", what="The daily mean")
    """
    if stamp not in ("ending", "starting"):
        raise SchemaError(
            f"{what} must know whether {time!r} marks the end or the start of its hour, and got stamp={stamp!r}. "
            "Give stamp='ending' or stamp='starting'; the declaration of the data set says which."
        )


def refuse(wrong: pl.Expr, *shown: str, message: Callable[[pl.DataFrame], str]) -> pl.Expr:
    """Return a filter that keeps every row, and raises :class:`DataError` on collecting where ``wrong`` is true.

    A lazy frame has no values to look at when a function is called; this looks at them when they come by.

    Parameters
    ----------
    wrong
        Boolean expression, true in rows that must not be.
    shown
        Columns that ``message`` is given beside it.
    message
        Makes the message from the wrong rows.

    Examples
    --------
    >>> odd = refuse(pl.col("n") > 24, "n", message=lambda rows: f"{rows.height} days longer than a day.")
    >>> pl.DataFrame({"n": [23, 24]}).filter(odd).height
    2
    """
    names = [f"_{i}" for i in range(len(shown))]

    def look(packed: pl.Series) -> pl.Series:
        bad = packed.struct.field("_wrong").fill_null(False)
        if bad.any():
            rows = packed.struct.unnest().filter(bad).rename(dict(zip(names, shown, strict=True)))
            raise DataError(message(rows))
        return ~bad

    packed = pl.struct(wrong.alias("_wrong"), *(pl.col(s).alias(n) for n, s in zip(names, shown, strict=True)))
    return packed.map_batches(look, return_dtype=pl.Boolean(), is_elementwise=True)
