"""Data that come with openair: ``mydata`` (London Marylebone Road 1998-2005) and a year of the British network (AURN).

``mydata`` has gases as mixing ratios (ppb, CO in ppm), AURN as mass (µg/m³, CO in mg/m³). Both are in GMT all year.

References
----------
Carslaw, D. C., Ropkins, K. (2012). openair: An R package for air quality data analysis. Environmental Modelling &
Software 27-28, 52-61. doi:10.1016/j.envsoft.2011.09.008.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from citylab.sources.measurements import must_touch

STATION_ID = "my1"
VARIABLE_MAP = {
    "ws": "wind_speed_ms",
    "wd": "wind_direction_deg",
    "nox": "nox_ppb",
    "no2": "no2_ppb",
    "o3": "o3_ppb",
    "so2": "so2_ppb",
    "co": "co_ppm",
    "pm10": "pm10_ugm3",
    "pm25": "pm25_ugm3",
}
"""Columns of ``mydata`` and ours: gases are mixing ratios there."""
AURN_MAP = {
    "co": "co_mgm3",
    "nox": "nox_ugm3",
    "no2": "no2_ugm3",
    "no": "no_ugm3",
    "o3": "o3_ugm3",
    "so2": "so2_ugm3",
    "pm10": "pm10_ugm3",
    "pm2.5": "pm25_ugm3",
    "ws": "wind_speed_ms",
    "wd": "wind_direction_deg",
    "air_temp": "temperature_c",
    "dew_point": "dew_point_c",
    "atmos_pres": "pressure_hpa",
    "RH": "relative_humidity_pct",
}
"""Columns of an AURN year and ours: gases are mass concentrations there."""
BELOW_ZERO = {"no_ugm3": 2, "o3_ugm3": 9, "so2_ugm3": 47, "pm10_ugm3": 2, "pm25_ugm3": 2}
"""Readings below zero at Marylebone Road in 2022, by column."""
_STAMP = "%Y-%m-%dT%H:%M:%SZ"


def parse_mydata(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read ``mydata``, written as CSV with ISO stamps.

    Returns
    -------
    polars.LazyFrame
        One row per hour: ``station_id``, ``datetime_gmt``, wind, mixing ratios [ppb; CO ppm], PM [µg/m³].
    """
    kinds: dict[str, pl.DataType] = {"date": pl.String(), **dict.fromkeys(VARIABLE_MAP, pl.Float64())}
    raw = pl.scan_csv(list(paths), schema=kinds, null_values=["NA"])
    return raw.select(
        pl.lit(STATION_ID).alias("station_id"),
        pl.col("date").str.to_datetime(_STAMP, time_unit="ms").dt.replace_time_zone(None).alias("datetime_gmt"),
        *(pl.col(theirs).alias(ours) for theirs, ours in VARIABLE_MAP.items()),
    )


def read_aurn(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read years of AURN stations as openair serves them (with weather), readings untouched.

    The station is ``code.x``. ``code.y``, ``station``, ``latitude`` and ``longitude`` belong to the weather station
    (Heathrow for Marylebone Road, 20 km away) and are left out. Instruments near zero read a little below it; such
    readings are kept, since leaving them out biases a mean.

    Returns
    -------
    polars.LazyFrame
        One row per station and hour: ``station_id`` (lower case), ``datetime_gmt``, concentrations [µg/m³; CO mg/m³],
        weather of the weather station.
    """
    raw = pl.scan_csv(list(paths), infer_schema=False, null_values=["NA"])
    return raw.select(
        pl.col("code.x").str.to_lowercase().alias("station_id"),
        pl.col("date").str.to_datetime(_STAMP, time_unit="ms").dt.replace_time_zone(None).alias("datetime_gmt"),
        *(pl.col(theirs).cast(pl.Float64).alias(ours) for theirs, ours in AURN_MAP.items()),
    )


def repair_below_zero(frame: pl.DataFrame, *, expected: dict[str, int] | None = None) -> pl.DataFrame:
    """Empty readings below zero, counted by column.

    Publisher: AURN. Evidence: a concentration is not negative; these are the noise of instruments near zero, to -1
    µg/m³. The annual means of 2022 rise by 0.1 % (SO₂) or less.

    Parameters
    ----------
    frame
        A table of :func:`read_aurn`.
    expected
        Readings that must be touched, by column; default: :data:`BELOW_ZERO`.
    """
    due = BELOW_ZERO if expected is None else expected
    names = [n for n in frame.columns if n in set(AURN_MAP.values()) and n.endswith(("_ugm3", "_mgm3"))]
    for name in names:
        found = frame.select((pl.col(name) < 0).sum()).item()
        must_touch(found, due.get(name, 0), repair="repair_below_zero", what=f"{name} below zero")
    return frame.with_columns(pl.when(pl.col(n) >= 0).then(pl.col(n)).alias(n) for n in names)


def parse_marylebone_2022(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read the year 2022 of Marylebone Road, readings below zero emptied.

    Returns
    -------
    polars.LazyFrame
        As :func:`read_aurn`.
    """
    return repair_below_zero(read_aurn(paths).collect()).lazy()
