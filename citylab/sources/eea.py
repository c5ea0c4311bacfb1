"""European Environment Agency: measurements of the member states in the older CSV format, and the list of stations.

The files print begin and end of each period with the offset of the network's clock (no summer time). Rows are in no
order. Validity: 1 valid; 2 and 3 valid, below the detection limit; 4 valid, ozone by the revised cross-section; -1
and -99 void (EEA vocabulary ``aq/observationvalidity``, from memory).

References
----------
EEA, Air quality e-reporting, data flows E1a and E2a, https://eeadmz1-downloads-webapp.azurewebsites.net/.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import polars as pl

from citylab.errors import DataError
from citylab.sources.measurements import hours_between, long_table, moment_utc, must_touch, offset_h

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)

VARIABLE_MAP = {
    "AirQualityStationEoICode": "station_id",
    "SamplingProcess": "instrument_id",
    "Concentration": "value",
}
LOWEST_VALID = 1
"""Validity codes from here on mark valid measurements; void ones are negative."""


def parse_measurements(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read CSV files of data flow E1a or E2a.

    Parameters
    ----------
    paths
        CSV files.

    Returns
    -------
    polars.LazyFrame
        Long table (:data:`citylab.sources.measurements.LONG`), one row per row of the file. ``station_id`` is the EoI
        code, ``instrument_id`` the sampling process; ``flag`` keeps validity and verification. Where a process was
        renamed, every hour may stand twice: :func:`repair_repeated_hours`.
    """
    raw = pl.scan_csv(list(paths), infer_schema=False)
    begin, end = moment_utc(pl.col("DatetimeBegin")), moment_utc(pl.col("DatetimeEnd"))
    return long_table(
        raw.select(
            pl.col("AirQualityStationEoICode").alias("station_id"),
            end.alias("datetime_utc"),
            offset_h(pl.col("DatetimeEnd")).alias("utc_offset_h"),
            hours_between(begin, end).alias("duration_h"),
            pl.col("AirPollutant").alias("pollutant"),
            pl.col("UnitOfMeasurement").alias("unit"),
            pl.col("Concentration").cast(pl.Float64).alias("value"),
            (pl.col("Validity").cast(pl.Int64) >= LOWEST_VALID).alias("is_valid"),
            pl.format("validity {}, verification {}", "Validity", "Verification").alias("flag"),
            pl.col("SamplingProcess").alias("instrument_id"),
        )
    )


def repair_repeated_hours(frame: Frame, *, expected: int) -> Frame:
    """Remove the second delivery of hours that stand twice under two sampling processes with equal values.

    Publisher: EEA. Evidence: the file of BETR740, PM10, 2013, has 7,684 hours and 15,368 rows, each hour once under
    SPP-BETR740_00005 and once under SPP-BETR740_00005_1, with equal values throughout.

    Parameters
    ----------
    frame
        A table of :func:`parse_measurements`.
    expected
        Number of rows that must go; another number means another fault.

    Returns
    -------
    same type as ``frame``
        One row per station, time and quantity, that of the process whose id comes first.

    Raises
    ------
    DataError
        Two processes give different values for one hour (then they are two instruments), or the number differs.
    """
    rows = frame.lazy().collect()
    key = ["station_id", "indicator", "datetime_utc", "duration_h"]
    told = pl.struct("value", "is_valid").n_unique() > 1
    differing = rows.group_by(key).agg(told.alias("differ")).filter("differ")
    if differing.height:
        station, indicator, when, _ = differing.sort(key).select(key).row(0)
        raise DataError(
            f"repair_repeated_hours: {differing.height:,} hours have two different values, the first is {indicator} of "
            f"{station} at {when} UTC. These are two instruments, not one delivered twice: keep one instrument_id."
        )
    once = rows.sort("instrument_id", maintain_order=True).unique(key, keep="first", maintain_order=True).sort(key)
    must_touch(rows.height - once.height, expected, repair="repair_repeated_hours", what="hours delivered twice")
    return once if isinstance(frame, pl.DataFrame) else once.lazy()


def parse_stations(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read the list of stations (``DataExtract.csv``, one row per sampling point, process and year).

    Returns
    -------
    polars.LazyFrame
        One row per station: ``station_id`` (EoI code), ``station_name_en`` (in the publisher's script),
        ``station_type`` (``"urban background"``), ``longitude_deg``, ``latitude_deg`` of the latest year, and
        ``is_position_disputed`` where its rows give more than one position.
    """
    raw = pl.scan_csv(list(paths), infer_schema=False)
    place = pl.struct(
        longitude_deg=pl.col("Longitude").cast(pl.Float64), latitude_deg=pl.col("Latitude").cast(pl.Float64)
    )
    return (
        raw.with_columns(place.alias("_place"))
        .sort("Year", descending=True, maintain_order=True)
        .group_by(pl.col("Air Quality Station EoI Code").alias("station_id"), maintain_order=True)
        .agg(
            pl.col("Air Quality Station Name").first().alias("station_name_en"),
            pl.concat_str("Air Quality Station Area", "Air Quality Station Type", separator=" ")
            .first()
            .alias("station_type"),
            pl.col("_place").first().struct.field("longitude_deg"),
            pl.col("_place").first().struct.field("latitude_deg"),
            (pl.col("_place").n_unique() > 1).alias("is_position_disputed"),
        )
        .sort("station_id")
    )
