"""KDD Cup 2018: the live feed of 35 stations of Beijing and 19 of London, spring 2018.

The feed's ``time`` is UTC (mean ozone peaks at 08-09, 16-17 in Beijing). CO is in mg/m³. Lines end in CR CR LF.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from citylab.periods import to_local
from citylab.sources.bjmemc import SPELLING

VARIABLE_MAP = {
    "PM25_Concentration": "pm25_ugm3",
    "PM10_Concentration": "pm10_ugm3",
    "NO2_Concentration": "no2_ugm3",
    "CO_Concentration": "co_mgm3",
    "O3_Concentration": "o3_ugm3",
    "SO2_Concentration": "so2_ugm3",
}
"""Publisher's names and ours; CO is mg/m³ on both sides, unlike the UCI set."""


def read_feed(path: Path) -> pl.DataFrame:
    """Read one file of the feed, of either city, as it is.

    The extra carriage return at the end of each line, which makes the last column a text, is left out. Values below
    zero (London) and repeated rows (391 in London) are kept.

    Parameters
    ----------
    path
        CSV file.

    Returns
    -------
    polars.DataFrame
        One row per row of the file: ``station_id`` as the feed spells it, ``datetime_utc``, concentrations [µg/m³; CO
        mg/m³].
    """
    content = path.read_bytes().replace(b"\r\r\n", b"\n")
    kinds: dict[str, pl.DataType] = {"id": pl.Int64(), "station_id": pl.String(), "time": pl.String()}
    raw = pl.read_csv(content, schema={**kinds, **dict.fromkeys(VARIABLE_MAP, pl.Float64())})
    return raw.select(
        "station_id",
        pl.col("time").str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="ms").alias("datetime_utc"),
        *(pl.col(theirs).alias(ours) for theirs, ours in VARIABLE_MAP.items()),
    )


def parse_beijing(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read the feed of Beijing into Beijing's time and the station ids of the table of positions.

    Parameters
    ----------
    paths
        The file ``bj_aq_online.csv``.

    Returns
    -------
    polars.LazyFrame
        One row per station and hour. ``station_id`` without ``_aq`` and with the two misspelt names put right, so
        that it joins ``bjmemc__static_station_location``.
    """
    raw = pl.concat([read_feed(path) for path in paths]).lazy()
    return raw.select(
        pl.col("station_id").str.strip_suffix("_aq").replace(SPELLING),
        to_local(pl.col("datetime_utc").dt.replace_time_zone("UTC")).alias("datetime_local"),
        *VARIABLE_MAP.values(),
    )
