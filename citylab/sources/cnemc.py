"""China National Environmental Monitoring Centre: the hourly payload of all national stations, archived in CSV.

A stamp marks the end of its hour (16:00 is 15:00 to 16:00). The ozone columns of the archive are named the wrong way
round: ``o3`` holds the highest hour of the last 24 and ``o3_24h`` the last hour; ``o3_8h`` holds the highest running
mean of the calendar day so far and ``o3_8h_24h`` the latest one, which until 07:00 covers the hours of the day only.

References
----------
Real-time publishing platform of the national urban air quality, air.cnemc.cn:18007; archive and notes on its columns:
github.com/HeQinWill/CNEMC.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from citylab.errors import DataError

VARIABLE_MAP = {
    "timepoint": "datetime_local",
    "stationcode": "station_id",
    "longitude": "longitude_deg",
    "latitude": "latitude_deg",
    "positionname": "station_name_zh",
    "aqi": "aqi",
    "pm2_5": "pm25_ugm3",
    "pm2_5_24h": "pm25_24h_ugm3",
    "pm10": "pm10_ugm3",
    "pm10_24h": "pm10_24h_ugm3",
    "so2": "so2_ugm3",
    "so2_24h": "so2_24h_ugm3",
    "no2": "no2_ugm3",
    "no2_24h": "no2_24h_ugm3",
    "co": "co_mgm3",
    "co_24h": "co_24h_mgm3",
    "o3": "o3_ugm3",
    "o3_24h": "o3_24hmax1h_ugm3",
    "o3_8h": "o3_8h_ugm3",
    "o3_8h_24h": "o3_daymax8h_ugm3",
}
"""Names of the payload as they are meant, and ours; the archive swaps the two columns of each of :data:`SWAPPED`."""
SWAPPED = (("o3", "o3_24h"), ("o3_8h", "o3_8h_24h"))
"""Pairs of ozone columns: a mean that ends now, and the highest of such means. The archive has them exchanged."""
PRIMARY = {
    "颗粒物(PM10)": "pm10",
    "细颗粒物(PM2.5)": "pm25",
    "臭氧1小时": "o3",
    "臭氧8小时": "o3",
    "二氧化氮": "no2",
    "二氧化硫": "so2",
    "一氧化碳": "co",
}
"""Names of primary pollutants in the payload; particles and the hour of ozone were seen in it, the others not."""
_TEXT = ("timepoint", "stationcode", "area", "positionname", "primarypollutant")


def repair_swapped_o3(frame: pl.DataFrame) -> pl.DataFrame:
    """Give the ozone columns their names: last hour and highest of 24, last 8-hour mean and the highest of the day.

    Publisher: the archive of CNEMC payloads, whose README says what the columns hold. Evidence: no mean can be above
    the highest of the means that end with it, but ``o3`` is at or above ``o3_24h`` and ``o3_8h`` at or above
    ``o3_8h_24h`` in every row. The repair renames all rows or none: no row may contradict it, and one at least must
    prove the hours.

    Raises
    ------
    DataError
        A row has the order that the names promise: then the file is not swapped; or no row tells.

    Examples
    --------
    >>> row = pl.DataFrame({"o3": [34], "o3_24h": [0], "o3_8h": [23], "o3_8h_24h": [3]})
    >>> repair_swapped_o3(row).rows()
    [(0, 34, 3, 23)]
    """
    against = sum(frame.select((pl.col(now) < pl.col(highest)).sum()).item() for now, highest in SWAPPED)
    now, highest = SWAPPED[0]
    proving = frame.select((pl.col(now) > pl.col(highest)).sum()).item()
    if against or not proving:
        raise DataError(
            f"repair_swapped_o3: {proving} rows show that o3 and o3_24h are swapped; in {against} a pair "
            "of columns is as its names promise. A swapped file has none of these. Look at it before you use its ozone."
        )
    names = {a: b for pair in SWAPPED for a, b in (pair, pair[::-1])}
    return frame.rename(names).select(frame.columns)


def parse_hourly(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read archived payloads, with ozone repaired.

    Parameters
    ----------
    paths
        CSV files, one per hour.

    Returns
    -------
    polars.LazyFrame
        One row per station and hour. ``station_id`` is the national code (``"1001A"``). A running mean may stand
        beside an empty hour. ``aqi_primary`` as in :mod:`citylab.air`; two pollutants at a tie are joined by +.

    Raises
    ------
    DataError
        Ozone is not swapped (see :func:`repair_swapped_o3`), or a primary pollutant has an unknown name.
    """
    numbers = [n for n in VARIABLE_MAP if n not in _TEXT]
    kinds = {**dict.fromkeys(_TEXT, pl.String), **dict.fromkeys(numbers, pl.Float64)}
    frames = [pl.read_csv(path, schema_overrides=kinds, null_values=["", "—"]) for path in paths]
    raw = pl.concat([repair_swapped_o3(frame) for frame in frames])
    names = raw["primarypollutant"].str.split(",").explode(keep_nulls=False, empty_as_null=False).unique().to_list()
    if unknown := sorted(set(names) - set(PRIMARY)):
        raise DataError(
            f"Primary pollutants {unknown} are not known; known are {list(PRIMARY)}. Add them to citylab.sources.cnemc."
        )
    stems = (
        pl.col("primarypollutant")
        .str.split(",")
        .list.eval(pl.element().replace_strict(PRIMARY, return_dtype=pl.String))
    )
    stamp = pl.col("timepoint").str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="ms")
    same = [n for n in VARIABLE_MAP if n not in {"timepoint", "aqi"}]
    return raw.lazy().select(
        stamp.alias("datetime_local"),
        *(pl.col(n).alias(VARIABLE_MAP[n]) for n in same),
        pl.col("aqi").cast(pl.Int64),
        stems.list.unique(maintain_order=True).list.join("+").alias("aqi_primary"),
    )
