"""US Environmental Protection Agency: bodies of the Air Quality System (AQS) interface.

AQS stamps a sample with the beginning of its period, in local standard time (no summer time) and in GMT; citylab's long
tables hold its end. Gases are in ppm or ppb; PM2.5 is at local conditions (LC), PM10 mostly at 25 °C and 1013 hPa.

References
----------
US EPA, Air Quality System (AQS) API, https://aqs.epa.gov/aqsweb/documents/data_api.html.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from citylab.errors import DataError
from citylab.sources.measurements import column_of, hours_between, long_table

VARIABLE_MAP = {"sample_measurement": "value", "qualifier": "flag", "arithmetic_mean": "value"}
_SAMPLE = (
    *("state_code", "county_code", "site_number", "parameter_code", "parameter", "units_of_measure", "sample_duration"),
    *("qualifier", "date_local", "time_local", "date_gmt", "time_gmt", "poc", "sample_measurement"),
)
_DAY = (
    *(
        "state_code",
        "county_code",
        "site_number",
        "parameter_code",
        "parameter",
        "units_of_measure",
        "date_local",
        "poc",
    ),
    *("arithmetic_mean", "observation_count", "aqi", "pollutant_standard", "sample_duration", "validity_indicator"),
)
_MONITOR = ("state_code", "county_code", "site_number", "local_site_name", "longitude", "latitude", "datum")
_NUMBERS = ("sample_measurement", "arithmetic_mean", "latitude", "longitude", "aqi")
_COUNTS = ("poc", "observation_count")
_H_PER_MINUTE = 1 / 60


def read_data(path: Path, *, fields: Sequence[str]) -> pl.DataFrame:
    """Read the ``Data`` of one body.

    Parameters
    ----------
    path
        JSON file.
    fields
        Fields to keep; all must be there if there is any row.

    Raises
    ------
    DataError
        The service did not answer "Success", the number of rows differs from its header, or a field is missing.
    """
    body = json.loads(path.read_text(encoding="utf-8"))
    head: dict[str, Any] = (body.get("Header") or [{}])[0]
    rows: list[dict[str, Any]] = body.get("Data") or []
    if head.get("status") not in {"Success", "No data matched your selection"}:
        raise DataError(
            f"{path.name}: AQS answered {head.get('status')!r} {head.get('error', '')}; expected 'Success'. Ask again."
        )
    if "rows" in head and head["rows"] != len(rows):
        raise DataError(
            f"{path.name}: AQS announced {head['rows']} rows and the file has {len(rows)}. It was cut; fetch it again."
        )
    if rows and (missing := [f for f in fields if f not in rows[0]]):
        raise DataError(
            f"{path.name} has no field {missing}; it has {list(rows[0])}. Is it the body of another service?"
        )
    kinds = {f: pl.Float64 if f in _NUMBERS else pl.Int64 if f in _COUNTS else pl.String for f in fields}
    return pl.DataFrame([{f: r[f] for f in fields} for r in rows], schema=kinds)


def _station() -> pl.Expr:
    return pl.concat_str("state_code", "county_code", "site_number", separator="-").alias("station_id")


def _instrument() -> pl.Expr:
    return pl.format("{}-{}", "parameter_code", "poc").alias("instrument_id")


def parse_samples(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read bodies of the ``sampleData`` services.

    Parameters
    ----------
    paths
        JSON files.

    Returns
    -------
    polars.LazyFrame
        Long table (:data:`citylab.sources.measurements.LONG`), one row per sample. ``station_id`` is state, county
        and site (``"37-183-0014"``), ``instrument_id`` parameter code and occurrence (POC). A sample without a value
        is not valid, and ``flag`` says why; a flag beside a value is a remark. One site may hold hourly and 24-hour
        instruments: :func:`citylab.sources.measurements.wide` takes one averaging time.
    """
    raw = pl.concat([read_data(path, fields=_SAMPLE) for path in paths]).lazy()
    local = (pl.col("date_local") + " " + pl.col("time_local")).str.to_datetime("%Y-%m-%d %H:%M", time_unit="ms")
    begin = (pl.col("date_gmt") + " " + pl.col("time_gmt")).str.to_datetime("%Y-%m-%d %H:%M", time_unit="ms")
    length = pl.col("sample_duration").str.extract_groups(r"^(\d+) (HOUR|MINUTE)")
    count = length.struct.field("1").cast(pl.Float64)
    hours = pl.when(length.struct.field("2") == "MINUTE").then(count * _H_PER_MINUTE).otherwise(count)
    return long_table(
        raw.select(
            _station(),
            (begin + pl.duration(minutes=(hours / _H_PER_MINUTE).round().cast(pl.Int64), time_unit="ms")).alias(
                "datetime_utc"
            ),
            hours_between(begin, local).alias("utc_offset_h"),
            hours.alias("duration_h"),
            pl.col("parameter").alias("pollutant"),
            pl.col("units_of_measure").alias("unit"),
            pl.col("sample_measurement").alias("value"),
            pl.lit(True).alias("is_valid"),
            pl.col("qualifier").alias("flag"),
            _instrument(),
        )
    )


def parse_daily(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read bodies of the ``dailyData`` services: means by day of local standard time.

    Returns
    -------
    polars.LazyFrame
        One row per station, day, instrument and **pollutant standard**: AQS repeats a day for every standard under
        which it is judged, with other averaging (``note`` says which), so choose one before adding up. ``indicator``
        and ``value`` as in a long table; ``hour_count`` observations; ``aqi`` the American index, where that standard
        has one.
    """
    raw = pl.concat([read_data(path, fields=_DAY) for path in paths])
    found = {pair: column_of(*pair) for pair in raw.select("parameter", "units_of_measure").unique().rows()}
    column = {pair: to[0] if to else None for pair, to in found.items()}
    factor = {pair: to[1] if to else 1.0 for pair, to in found.items()}
    pairs = raw.select("parameter", "units_of_measure").rows()
    return (
        raw.lazy()
        .with_columns(
            pl.Series("indicator", [column[p] for p in pairs], dtype=pl.String),
            pl.Series("_factor", [factor[p] for p in pairs], dtype=pl.Float64),
        )
        .select(
            _station(),
            pl.col("date_local").str.to_date("%Y-%m-%d").alias("date_standard"),
            _instrument(),
            "indicator",
            (pl.col("arithmetic_mean") * pl.col("_factor")).alias("value"),
            pl.col("observation_count").alias("hour_count"),
            (pl.col("validity_indicator") == "Y").alias("is_valid"),
            pl.col("aqi").cast(pl.Int64),
            pl.format("{}; {}", "pollutant_standard", "sample_duration").alias("note"),
        )
    )


def parse_monitors(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read bodies of the ``monitors`` services: where the sites are.

    Returns
    -------
    polars.LazyFrame
        One row per site (AQS has one per instrument): ``station_id``, ``station_name_en``, ``longitude_deg``,
        ``latitude_deg``; ``note`` says the datum, because NAD83 and WGS-84 stand side by side (they differ by about a
        metre).
    """
    raw = pl.concat([read_data(path, fields=_MONITOR) for path in paths]).lazy()
    return raw.select(
        _station(),
        pl.col("local_site_name").alias("station_name_en"),
        pl.col("longitude").alias("longitude_deg"),
        pl.col("latitude").alias("latitude_deg"),
        pl.format("datum {}", "datum").alias("note"),
    ).unique("station_id", keep="first", maintain_order=True)
