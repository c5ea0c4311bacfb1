"""UCI Machine Learning Repository: the Beijing multi-site air-quality data (data set 501).

Twelve national stations, hourly, March 2013 to February 2017: six pollutants from the municipal monitoring centre,
weather from the nearest station of the China Meteorological Administration.

References
----------
Zhang, S., Guo, B., Dong, A., He, J., Xu, Z., Chen, S. X. (2017). Cautionary tales on air-quality improvement in
Beijing. Proc. R. Soc. A 473:20170457. doi:10.1098/rspa.2017.0457. Data: doi:10.24432/C5RK5G.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import polars as pl

VARIABLE_MAP = {
    "PM2.5": "pm25_ugm3",
    "PM10": "pm10_ugm3",
    "SO2": "so2_ugm3",
    "NO2": "no2_ugm3",
    "CO": "co_mgm3",
    "O3": "o3_ugm3",
    "TEMP": "temperature_c",
    "PRES": "pressure_hpa",
    "DEWP": "dew_point_c",
    "RAIN": "rain_mm",
    "WSPM": "wind_speed_ms",
}
"""Publisher's names and ours; CO is µg/m³ at the publisher and mg/m³ here."""

POLLUTANTS = ("pm25_ugm3", "pm10_ugm3", "so2_ugm3", "no2_ugm3", "co_mgm3", "o3_ugm3")
_WEATHER_MEANS = ("temperature_c", "pressure_hpa", "dew_point_c", "wind_speed_ms")
_POINTS = [
    *("N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE"),
    *("S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW"),
]
WIND_POINTS_DEG = {point: i * 360.0 / len(_POINTS) for i, point in enumerate(_POINTS)}
"""Centre of each of the sixteen compass points, degrees clockwise from north."""
_UG_PER_MG = 1000.0
_HOURS_PER_DAY = 24
EPISODE = (dt.date(2016, 12, 1), dt.date(2016, 12, 31))
"""The month of the red alert of 16-21 December 2016."""

_SCHEMA: dict[str, pl.DataType] = {
    "No": pl.Int64(),
    **{name: pl.Int32() for name in ("year", "month", "day", "hour")},
    **{name: pl.Float64() for name in ("PM2.5", "PM10", "SO2", "NO2", "CO", "O3", "TEMP", "PRES", "DEWP", "RAIN")},
    "wd": pl.String(),
    "WSPM": pl.Float64(),
    "station": pl.String(),
}


def parse_hourly(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read the station files into one table with canonical names and units.

    The publisher says only "hour of data": whether hour 0 covers 00-01 or 23-24 is not known. The stamp is
    kept as printed.

    Parameters
    ----------
    paths
        The CSV files of the stations.

    Returns
    -------
    polars.LazyFrame
        One row per station and hour. Concentrations [µg/m³; CO mg/m³], weather, wind direction [°] at the centre of
        its compass point.
    """
    raw = pl.scan_csv(list(paths), schema=_SCHEMA, null_values=["NA"])
    named = [pl.col(theirs).alias(ours) for theirs, ours in VARIABLE_MAP.items() if theirs != "CO"]
    return raw.select(
        pl.col("station").str.to_lowercase().alias("station_id"),
        pl.datetime("year", "month", "day", "hour", time_unit="ms").alias("datetime_local"),
        *named,
        (pl.col("CO") / _UG_PER_MG).alias("co_mgm3"),
        pl.col("wd").replace_strict(WIND_POINTS_DEG, return_dtype=pl.Float64).alias("wind_direction_deg"),
    )


def daily_means(tables: Sequence[pl.LazyFrame]) -> pl.LazyFrame:
    """Compile daily means with the share of valid hours from the hourly table.

    A day is the 24 hours whose printed stamps carry its date. No day is dropped or filled: the capture share
    stands beside each mean, so that the reader applies the rule of the standard in force (20 of 24 hours in China).

    Parameters
    ----------
    tables
        One hourly table of :func:`parse_hourly`.

    Returns
    -------
    polars.LazyFrame
        One row per station and day. Rain is the day's sum, missing unless all hours are there; wind direction is
        the direction of the speed-weighted mean wind vector over hours with both speed and direction.
    """
    (hourly,) = tables
    value = pl.col
    toward = pl.col("wind_direction_deg").radians()
    east = (value("wind_speed_ms") * toward.sin()).mean()
    north = (value("wind_speed_ms") * toward.cos()).mean()
    complete_rain = pl.when(value("rain_mm").count() == _HOURS_PER_DAY).then(value("rain_mm").sum())
    return hourly.group_by("station_id", pl.col("datetime_local").dt.date().alias("date_local")).agg(
        pl.len().cast(pl.Int64).alias("hour_count"),
        *(value(p).mean() for p in POLLUTANTS),
        *((value(p).count() / _HOURS_PER_DAY).alias(f"{p.split('_')[0]}_capture_share") for p in POLLUTANTS),
        *(value(w).mean() for w in _WEATHER_MEANS),
        complete_rain.alias("rain_mm"),
        (pl.arctan2(east, north).degrees() % 360.0).alias("wind_direction_deg"),
    )


def december_2016(tables: Sequence[pl.LazyFrame]) -> pl.LazyFrame:
    """Cut the hourly table to December 2016, the month of Beijing's longest red alert.

    Returns
    -------
    polars.LazyFrame
        One row per station and hour, unchanged.
    """
    (hourly,) = tables
    return hourly.filter(pl.col("datetime_local").dt.date().is_between(*EPISODE))
