"""Daily means of twelve stations over four years, from Parquet and from the publisher's CSV files.

The peers are pandas as its users write it, and one Polars query by hand that knows where the file is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

import citylab as cl
from benchmarks.measure import Row, Skipped, agree, compared, take_turns
from citylab.catalog.fetching import raw_files
from citylab.errors import OfflineError
from citylab.sources import uci

HOURLY = "uci__hourly_station_air"
KEY = ("station_id", "date_local")
BY_HAND_BUDGET = 1.3
"""Our time over that of the query by hand."""
_WEATHER = ("temperature_c", "pressure_hpa", "dew_point_c", "wind_speed_ms")


def ours() -> pl.DataFrame:
    """From the id to daily means of six pollutants, as a user of citylab writes it."""
    day = pl.col("datetime_local").dt.date().alias("date_local")
    return cl.load(HOURLY).group_by("station_id", day).agg(pl.col(uci.POLLUTANTS).mean()).collect()


def polars_by_hand(parquet: Path) -> pl.DataFrame:
    """The same by one query on a known file."""
    day = pl.col("datetime_local").dt.date().alias("date_local")
    return pl.scan_parquet(parquet).group_by("station_id", day).agg(pl.col(uci.POLLUTANTS).mean()).collect()


def pandas_parquet(parquet: Path) -> pd.DataFrame:
    """The same in pandas."""
    frame = pd.read_parquet(parquet, columns=["station_id", "datetime_local", *uci.POLLUTANTS])
    frame["date_local"] = frame["datetime_local"].dt.floor("D")
    return frame.groupby([*KEY], as_index=False)[list(uci.POLLUTANTS)].mean()


def ours_csv(paths: Sequence[Path]) -> pl.DataFrame:
    """From the publisher's twelve files to the whole daily table: means, captures, weather, wind vector."""
    return uci.daily_means([uci.parse_hourly(paths)]).collect()


def pandas_csv(paths: Sequence[Path]) -> pd.DataFrame:
    """The same in pandas."""
    hourly = pd.concat([pd.read_csv(p) for p in paths], ignore_index=True)
    hourly = hourly.rename(columns={**uci.VARIABLE_MAP, "station": "station_id"})
    hourly["station_id"] = hourly["station_id"].str.lower()
    hourly["co_mgm3"] /= 1000.0
    hourly["date_local"] = pd.to_datetime(hourly[["year", "month", "day"]])
    toward = np.radians(hourly["wd"].map(uci.WIND_POINTS_DEG))
    hourly["east"] = hourly["wind_speed_ms"] * np.sin(toward)
    hourly["north"] = hourly["wind_speed_ms"] * np.cos(toward)
    days = hourly.groupby([*KEY])
    daily = days[[*uci.POLLUTANTS, *_WEATHER]].mean()
    counts = days[[*uci.POLLUTANTS, "rain_mm"]].count()
    for name in uci.POLLUTANTS:
        daily[f"{name.split('_')[0]}_capture_share"] = counts[name] / 24
    daily["hour_count"] = days.size()
    daily["rain_mm"] = days["rain_mm"].sum().where(counts["rain_mm"] == 24)
    wind = days[["east", "north"]].mean()
    daily["wind_direction_deg"] = np.degrees(np.arctan2(wind["east"], wind["north"])) % 360.0
    return daily.reset_index()


def as_polars(frame: pd.DataFrame) -> pl.DataFrame:
    """Return a pandas result as ours is: days as dates, missing as null."""
    return pl.from_pandas(frame, nan_to_null=True).with_columns(pl.col("date_local").cast(pl.Date))


def inputs() -> tuple[Path, list[Path]]:
    """Return the Parquet file and the CSV files of the hourly set, from the cache or the mirror."""
    try:
        return cl.fetch(HOURLY, progress=False), raw_files(cl.catalog.declaration(HOURLY), progress=False)
    except OfflineError as error:
        raise Skipped(str(error)) from None


def rows() -> Iterator[Row]:
    """Compare results, then time."""
    parquet, csvs = inputs()
    n = f"{pl.scan_parquet(parquet).select(pl.len()).collect().item():,} rows"
    result = ours()
    agree(polars_by_hand(parquet), result, key=KEY)
    agree(as_polars(pandas_parquet(parquet)), result, key=KEY)
    timings = take_turns(
        {
            "citylab": ours,
            "Polars by hand": lambda: polars_by_hand(parquet),
            "pandas": lambda: pandas_parquet(parquet),
        }
    )
    yield from compared(f"daily means, Parquet, {n}", timings, budgets={"Polars by hand": BY_HAND_BUDGET})
    agree(as_polars(pandas_csv(csvs)), ours_csv(csvs), key=KEY)
    timings = take_turns({"citylab": lambda: ours_csv(csvs), "pandas": lambda: pandas_csv(csvs)})
    yield from compared(f"whole daily table, {len(csvs)} CSV files, {n}", timings)
