"""Several rows: a city's concentrations from its stations, the mean of an index, and rows of one edition only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import polars as pl

from citylab import tables
from citylab.errors import EditionError, RangeError, SchemaError
from citylab.frames import Frame, keys_of, lazily, need_columns, need_numbers


def _raise_if_mixed(values: pl.Series) -> pl.Series:
    found = values.drop_nulls().unique().sort().to_list()
    if len(found) > 1:
        raise EditionError(
            f"The rows stand under {len(found)} editions ({', '.join(found)}), whose values do not compare. Compute "
            "them under one edition for the whole span (edition=...), or say allow_mixed=True."
        )
    return values


def check_one_edition(frame: Frame, *, column: str = "aqi_edition", allow_mixed: bool = False) -> Frame:
    """Return a frame unchanged if all its rows stand under one edition.

    Parameters
    ----------
    frame
        A frame with the edition of each row.
    column
        Column of the edition: ``aqi_edition`` or ``limit_standard``.
    allow_mixed
        Let rows of several editions through.

    Raises
    ------
    SchemaError
        The column is missing.
    EditionError
        Rows of several editions (of a LazyFrame: on collecting).

    Examples
    --------
    >>> check_one_edition(pl.DataFrame({"aqi": [100, 114], "aqi_edition": ["hj633-2012", "hj633-2026"]}))
    Traceback (most recent call last):
    ...
    citylab.errors.EditionError: The rows stand under 2 editions (hj633-2012, hj633-2026), ...
    """
    lf, back = lazily(frame)
    need_columns(lf, [column], what="check_one_edition")
    if allow_mixed:
        return frame
    return back(lf.with_columns(pl.col(column).map_batches(_raise_if_mixed, return_dtype=pl.String())))


def mean_aqi(
    frame: Frame, *, by: str | Sequence[str] | None = None, value: str = "aqi", allow_mixed: bool = False
) -> Frame:
    """Return the mean of an index, and refuse to mix editions.

    Parameters
    ----------
    frame
        What :func:`aqi` gives.
    by
        Grouping columns; ``None`` takes the whole frame.
    value
        The index or a sub-index.
    allow_mixed
        Mix editions all the same; ``aqi_edition`` then names them all.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group, sorted: ``by``, ``value`` (mean), ``n`` (rows with an index), ``aqi_edition``.

    Raises
    ------
    SchemaError
        A column is missing.
    EditionError
        Rows of several editions anywhere in the frame, as two groups would be compared (of a LazyFrame: on collecting).

    Examples
    --------
    >>> days = pl.DataFrame({"aqi": [50, 60, None], "aqi_edition": ["hj633-2026"] * 3})
    >>> mean_aqi(days).row(0)
    (55.0, 2, 'hj633-2026')
    """
    lf, back = lazily(frame)
    keys: list[str] = keys_of(by)
    need_columns(lf, [*keys, value, "aqi_edition"], what="mean_aqi")
    lf = check_one_edition(lf, allow_mixed=allow_mixed)
    number = pl.col(value).cast(pl.Float64)
    parts = [number.mean(), number.count().cast(pl.Int64).alias("n"),
             pl.col("aqi_edition").drop_nulls().unique().sort().str.join("+")]  # fmt: skip
    done: pl.LazyFrame = lf.group_by(keys).agg(parts).sort(keys) if keys else lf.select(parts)
    return back(done)


def city_concentrations(
    frame: Frame,
    *,
    by: str | Sequence[str] = "date_local",
    min_stations: int,
    values: Iterable[str] | None = None,
) -> Frame:
    """Return the city's concentrations: the mean over its stations, from which its index is computed.

    Stations have equal weight. Which stations belong to the city is the caller's to say: background stations are
    usually left out of it.

    Parameters
    ----------
    frame
        One row per station and day (or hour).
    by
        Column or columns of the time.
    min_stations
        Least number of stations with a value; with fewer, the city's value is null.
    values
        Columns to average; by default every concentration that the indices know and the frame has.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per time, sorted: ``by``, the means, and ``<column>_station_count`` without its unit
        (``pm25_station_count``).

    Raises
    ------
    SchemaError
        A column is missing, or there is no concentration.
    RangeError
        ``min_stations`` is below 1.

    Examples
    --------
    >>> import datetime as dt
    >>> stations = pl.DataFrame({"station_id": ["a", "b"], "date_local": [dt.date(2026, 3, 1)] * 2,
    ...                          "pm25_ugm3": [60.0, 120.0]})
    >>> city_concentrations(stations, min_stations=2).row(0)
    (datetime.date(2026, 3, 1), 90.0, 2)

    References
    ----------
    HJ 663-2013 (city = mean of its stations' concentrations; clause from memory); HJ 633-2026, clause 5.
    """
    if min_stations < 1:
        raise RangeError(f"min_stations is {min_stations}; a city's mean needs at least 1 station.")
    lf, back = lazily(frame)
    keys: list[str] = keys_of(by)
    schema = need_columns(lf, ["station_id", *keys], what="city_concentrations")
    table: pl.DataFrame = tables.read("air_aqi_indicators")
    known = {*table["column"], *table["mixing_column"].drop_nulls()}
    columns: list[str] = [c for c in schema.names() if c in known] if values is None else list(values)
    need_columns(lf, columns, what="city_concentrations")
    if not columns:
        raise SchemaError(f"city_concentrations found no concentration among {schema.names()}; name them in values=.")
    need_numbers(schema, columns, what="city_concentrations")
    parts = []
    for c in columns:
        value = pl.col(c).cast(pl.Float64)
        good = value.filter(value.is_finite())
        stem = c.rpartition("_")[0]
        parts += [
            pl.when(good.count() >= min_stations).then(good.mean()).alias(c),
            good.count().cast(pl.Int64).alias(f"{stem}_station_count"),
        ]
    return back(lf.group_by(keys).agg(parts).sort(keys))
