"""OpenAQ: measurements of official and low-cost instruments of the whole world, in three formats.

A time stamp of OpenAQ marks the end of its hour ("exclusive time-ending": 03:00 is 02:00 to 02:59). Units differ
between networks; gases come in ppm as well as in µg/m³.

References
----------
OpenAQ documentation, "Dates, times and timezones" and "About Open Data on AWS", docs.openaq.org.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from citylab.errors import DataError
from citylab.sources.measurements import hours_between, long_table, moment_utc, offset_h

VARIABLE_MAP = {"location": "station_id", "location_id": "station_id", "sensors_id": "instrument_id", "value": "value"}
"""Names of the files and ours."""
_S3_SCHEMA: dict[str, pl.DataType] = {
    **{name: pl.String() for name in ("location_id", "sensors_id", "location", "datetime")},
    **{name: pl.Float64() for name in ("lat", "lon")},
    **{name: pl.String() for name in ("parameter", "units")},
    "value": pl.Float64(),
}
_V1_SCHEMA: dict[str, pl.DataType] = {
    **{name: pl.String() for name in ("city", "country", "date.utc", "location", "parameter")},
    "value": pl.Float64(),
    "unit": pl.String(),
}
_NOTHING = pl.lit(None, dtype=pl.String)
_UNKNOWN_H = pl.lit(None, dtype=pl.Float64)


def parse_v1(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read tables of API version 1 (columns ``date.utc``, ``location``, ``parameter``, ``value``, ``unit``).

    Parameters
    ----------
    paths
        CSV files.

    Returns
    -------
    polars.LazyFrame
        Long table (:data:`citylab.sources.measurements.LONG`), one row per measurement. ``station_id`` is the
        publisher's name of the location; averaging time and instrument are not given.
    """
    raw = pl.scan_csv(list(paths), schema=_V1_SCHEMA)
    return long_table(
        raw.select(
            pl.col("location").alias("station_id"),
            moment_utc(pl.col("date.utc")).alias("datetime_utc"),
            _UNKNOWN_H.alias("utc_offset_h"),
            _UNKNOWN_H.alias("duration_h"),
            pl.col("parameter").alias("pollutant"),
            "unit",
            "value",
            pl.lit(True).alias("is_valid"),
            _NOTHING.alias("flag"),
            _NOTHING.alias("instrument_id"),
        )
    )


def parse_archive(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read day files of the archive on S3 (``location-2178-20230222.csv``, packed with gzip or not).

    Parameters
    ----------
    paths
        CSV or CSV.GZ files.

    Returns
    -------
    polars.LazyFrame
        Long table, one row per measurement. ``station_id`` is the location's number as text, ``instrument_id`` the
        sensor's. The files print local time with its offset, summer time included; ``datetime_utc`` is free of it.
    """
    raw = pl.scan_csv(list(paths), schema=_S3_SCHEMA)
    return long_table(
        raw.select(
            pl.col("location_id").alias("station_id"),
            moment_utc(pl.col("datetime")).alias("datetime_utc"),
            offset_h(pl.col("datetime")).alias("utc_offset_h"),
            _UNKNOWN_H.alias("duration_h"),
            pl.col("parameter").alias("pollutant"),
            pl.col("units").alias("unit"),
            "value",
            pl.lit(True).alias("is_valid"),
            _NOTHING.alias("flag"),
            pl.col("sensors_id").alias("instrument_id"),
        )
    )


def read_results(path: Path) -> list[dict[str, Any]]:
    """Return the ``results`` of a body of API version 3.

    Raises
    ------
    DataError
        The file is no such body, for example an error message of the API.
    """
    body = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(body, dict) or not isinstance(body.get("results"), list):
        shown = json.dumps(body, ensure_ascii=False)[:200]
        raise DataError(
            f"{path.name} is no answer of OpenAQ version 3: it has no list 'results' but {shown}. Ask again."
        )
    return body["results"]


def parse_measurements(paths: Sequence[Path], *, station_id: str, instrument_id: str | None = None) -> pl.LazyFrame:
    """Read bodies of ``/v3/sensors/{id}/measurements`` or ``/hours``.

    The body does not say whose measurements it holds, only the address that was asked: so name the station.

    Parameters
    ----------
    paths
        JSON files.
    station_id
        Location number, as text.
    instrument_id
        Sensor number, as text.

    Returns
    -------
    polars.LazyFrame
        Long table, one row per measurement. Coordinates may be null in the body and are not read;
        :func:`parse_locations` has them.
    """
    rows = [
        {
            "pollutant": r["parameter"]["name"],
            "unit": r["parameter"]["units"],
            "value": r["value"],
            "start": r["period"]["datetimeFrom"]["utc"],
            "end": r["period"]["datetimeTo"]["utc"],
            "local": r["period"]["datetimeTo"]["local"],
        }
        for path in paths
        for r in read_results(path)
    ]
    text = dict.fromkeys(("pollutant", "unit", "start", "end", "local"), pl.String)
    raw = pl.LazyFrame(rows, schema={**text, "value": pl.Float64})
    start, end = moment_utc(pl.col("start")), moment_utc(pl.col("end"))
    return long_table(
        raw.with_columns(
            pl.lit(station_id).alias("station_id"),
            end.alias("datetime_utc"),
            offset_h(pl.col("local")).alias("utc_offset_h"),
            hours_between(start, end).alias("duration_h"),
            pl.lit(True).alias("is_valid"),
            _NOTHING.alias("flag"),
            pl.lit(instrument_id, dtype=pl.String).alias("instrument_id"),
        )
    )


def parse_locations(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read bodies of ``/v3/locations``.

    Returns
    -------
    polars.LazyFrame
        One row per location: ``station_id``, ``station_name_en`` (in the publisher's script), ``longitude_deg``,
        ``latitude_deg`` (WGS-84; empty for moving or undisclosed stations), ``note`` with the
        provider and the time zone. A location that several files hold is listed once.
    """
    rows = [
        {
            "station_id": str(r["id"]),
            "station_name_en": r["name"],
            "longitude_deg": (r.get("coordinates") or {}).get("longitude"),
            "latitude_deg": (r.get("coordinates") or {}).get("latitude"),
            "note": f"{(r.get('provider') or {}).get('name')}, {r.get('timezone')}",
        }
        for path in paths
        for r in read_results(path)
    ]
    schema = {"station_id": pl.String, "station_name_en": pl.String, "longitude_deg": pl.Float64}
    table = pl.LazyFrame(rows, schema={**schema, "latitude_deg": pl.Float64, "note": pl.String})
    return table.unique("station_id", keep="first", maintain_order=True)
