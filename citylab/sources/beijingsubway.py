"""Beijing's subway by those who collect what its operators post: lengths between stations, passengers of each day."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from citylab.errors import DataError

TRIPS_PER_UNIT = 1e4
"""The posts count in ten-thousands (from memory; a working day of some 9.5 million fits)."""


def parse_segments(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read the lengths between neighbouring stations.

    Names are those of the collector: 大钟寺 and 木樨地 carry their line in brackets, and some stations are not in other
    tables by that name. The two ring lines close with a segment of their own.

    Returns
    -------
    polars.LazyFrame
        One row per segment, in the order of the line [m].
    """
    (path,) = paths
    return pl.read_csv(path).lazy().select(
        pl.col("line").alias("line_name_zh"),
        pl.col("seq").alias("segment_rank"),
        pl.col("from_station").alias("from_station_zh"),
        pl.col("to_station").alias("to_station_zh"),
        pl.col("distance_m").cast(pl.Float64).alias("length_m"),
        pl.col("data_as_of").str.to_date("%Y/%m/%d").alias("known_date"),
    )  # fmt: skip


def parse_ridership(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read the passengers of each day, January 2017 to February 2018.

    Returns
    -------
    polars.LazyFrame
        One row per day that was posted; two days are missing and are not filled.

    Raises
    ------
    DataError
        A line is no pair of a day and a number.
    """
    (path,) = paths
    raw = pl.read_csv(path, has_header=False, new_columns=["day", "value"], infer_schema_length=0)
    # Days are written without leading zeros.
    parts = pl.col("day").str.extract_groups(r"^(\d{4})\.(\d{1,2})\.(\d{1,2})$")
    made = raw.select(
        pl.col("day"),
        pl.date(*(parts.struct.field(str(i)).cast(pl.Int32) for i in (1, 2, 3))).alias("date_local"),
        (pl.col("value").str.strip_chars().cast(pl.Float64, strict=False) * TRIPS_PER_UNIT).round(0)
        .alias("ridership_trips"),
    )  # fmt: skip
    bad = made.filter(pl.any_horizontal(pl.col("date_local", "ridership_trips").is_null()))
    if bad.height:
        raise DataError(f"{path.name}: {bad['day'][0]!r} and its number cannot be read; expected 2017.1.8,553.57.")
    return made.lazy().select("date_local", "ridership_trips")
