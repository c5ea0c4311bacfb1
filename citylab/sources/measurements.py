"""What publishers of the whole world have in common: long tables of single measurements, and repairs that count.

OpenAQ, the US EPA and the EEA give one row per measurement, with pollutant and unit in words. The readers of those
publishers return one long table (:data:`LONG`), and :func:`wide` turns it into the columns that :mod:`citylab.air`
takes.
"""

from __future__ import annotations

import unicodedata
from typing import TypeVar

import polars as pl

from citylab import units
from citylab.errors import DataError, UnitError

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)

LONG: dict[str, pl.DataType] = {
    "station_id": pl.String(),
    "datetime_utc": pl.Datetime("ms"),
    "utc_offset_h": pl.Float64(),
    "duration_h": pl.Float64(),
    "indicator": pl.String(),
    "value": pl.Float64(),
    "is_valid": pl.Boolean(),
    "flag": pl.String(),
    "instrument_id": pl.String(),
}
"""Columns of a long table. ``datetime_utc`` is the end of the measured period; ``indicator`` is the column of the
vocabulary whose unit ``value`` has, empty where citylab has none for the quantity."""

POLLUTANTS = {
    "pm25": ("pm25", "pm2.5", "pm2.5 - local conditions", "acceptable pm2.5 aqi & speciation mass"),
    "pm10": ("pm10", "pm10 total 0-10um stp", "pm10 - lc"),
    "so2": ("so2", "sulfur dioxide"),
    "no2": ("no2", "nitrogen dioxide (no2)"),
    "no": ("no", "nitric oxide (no)"),
    "nox": ("nox", "oxides of nitrogen (nox)", "nox as no2"),
    "co": ("co", "carbon monoxide"),
    "o3": ("o3", "ozone"),
}
"""Stem of our column, and names that publishers give the pollutant (lower case)."""

PPB_PER_PPM = 1000.0
_PPM_SPELLINGS = {"ppm": PPB_PER_PPM, "parts per million": PPB_PER_PPM, "ppb": 1.0, "parts per billion": 1.0}
_IN_PPM = frozenset({"co", "o3"})
"""Gases whose mixing ratio citylab gives in ppm, as the American index does; the others are in ppb."""
_MASS_SPELLINGS = {"micrograms/cubic meter": "µg/m³", "milligrams/cubic meter": "mg/m³"}
SENTINELS = (-999.0, -9999.0)
"""Numbers by which instruments and files say that there is no measurement."""

_STEMS = {name: stem for stem, names in POLLUTANTS.items() for name in names}
_H_PER_US = 1 / 3_600_000_000


def column_of(pollutant: str, unit: str) -> tuple[str, float] | None:
    """Return the column for a pollutant in a unit, and the factor that leads to the column's unit.

    A mixing ratio stays one: to make µg/m³ of it, the temperature has to be known
    (:func:`citylab.units.ppb_to_ugm3`), and no publisher here says it.

    Parameters
    ----------
    pollutant, unit
        As the publisher writes them. Remarks in brackets behind the unit, such as ``(LC)`` for local conditions, are
        ignored.

    Returns
    -------
    tuple of str and float, or None
        ``None`` if citylab has no column for the pollutant.

    Raises
    ------
    UnitError
        The pollutant is known, but its unit is neither a mass concentration nor a mixing ratio.

    Examples
    --------
    >>> column_of("co", "µg/m³"), column_of("Ozone", "Parts per million"), column_of("no2", "ppm")
    (('co_mgm3', 0.001), ('o3_ppm', 1.0), ('no2_ppb', 1000.0))
    >>> column_of("um003", "particles/cm³")
    """
    stem = _STEMS.get(pollutant.strip().lower())
    if stem is None:
        return None
    plain = unicodedata.normalize("NFKC", unit).split("(")[0].strip()
    mixing = _PPM_SPELLINGS.get(plain.lower())
    if mixing is not None:
        if stem in {"pm25", "pm10"}:
            raise UnitError(
                f"{pollutant!r} is in {unit!r}; particles have no mixing ratio. The unit at the source is wrong."
            )
        return (f"{stem}_ppm", mixing / PPB_PER_PPM) if stem in _IN_PPM else (f"{stem}_ppb", mixing)
    mass = _MASS_SPELLINGS.get(plain.lower(), plain)
    target, suffix = ("mg/m³", "mgm3") if stem == "co" else ("µg/m³", "ugm3")
    try:
        return f"{stem}_{suffix}", units.factor(mass, target)
    except (KeyError, UnitError):
        raise UnitError(
            f"{pollutant!r} is in {unit!r}; expected a mass concentration such as µg/m³ or a mixing ratio such as ppm. "
            "Add the spelling to citylab.sources.measurements or to the table units."
        ) from None


def long_table(raw: pl.LazyFrame) -> pl.LazyFrame:
    """Return a long table in canonical columns and units.

    Parameters
    ----------
    raw
        The columns of :data:`LONG`, but ``pollutant`` and ``unit`` in the publisher's words in place of ``indicator``.

    Returns
    -------
    polars.LazyFrame
        One row per measurement, in the order of the source. A measurement of a quantity without a column keeps its
        value and says in ``flag`` what it is; a sentinel (-999) is no value and is not valid.
    """
    frame = raw.collect()
    pairs = frame.select("pollutant", "unit").unique().rows()
    found = {pair: column_of(*pair) for pair in pairs}
    known = pl.DataFrame(
        [(*pair, *(to or (None, 1.0))) for pair, to in found.items()],
        schema={"pollutant": pl.String, "unit": pl.String, "indicator": pl.String, "_factor": pl.Float64},
        orient="row",
    )
    sentinel = pl.col("value").is_in(SENTINELS)
    no_column = pl.when(pl.col("indicator").is_null()).then(pl.format("no column for {} [{}]", "pollutant", "unit"))
    said = [pl.col("flag"), no_column, pl.when(sentinel).then(pl.format("sentinel {}", "value"))]
    flag = pl.concat_str(said, separator="; ", ignore_nulls=True)
    return (
        frame.join(known, on=["pollutant", "unit"], how="left", maintain_order="left", nulls_equal=True)
        .with_columns(
            pl.when(flag != "").then(flag).alias("flag"),
            (pl.col("is_valid") & pl.col("value").is_not_null() & ~sentinel.fill_null(False)).alias("is_valid"),
            (pl.when(~sentinel).then(pl.col("value")) * pl.col("_factor")).alias("value"),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in LONG.items())
        .lazy()
    )


def wide(frame: Frame, *, duration_h: float | None = 1.0) -> Frame:
    """Return one row per station and time with a column per quantity, from a long table.

    Parameters
    ----------
    frame
        A table of :func:`long_table`.
    duration_h
        Averaging time to keep [h]; measurements whose averaging time is unknown are kept too. ``None`` keeps all.

    Returns
    -------
    same type as ``frame``
        ``station_id``, ``datetime_utc`` (end of the period), then the columns of the vocabulary, sorted. What is not
        valid, and what has no column, is left out.

    Raises
    ------
    DataError
        A station has two valid values of one quantity at one time: parallel instruments, or an hour delivered twice.

    Examples
    --------
    >>> import datetime as dt
    >>> hour = dt.datetime(2023, 2, 22, 8)
    >>> row = {"station_id": "2178", "datetime_utc": hour, "utc_offset_h": -7.0, "duration_h": None, "is_valid": True}
    >>> row |= {"pollutant": "pm10", "unit": "µg/m³", "value": 14.0, "flag": None, "instrument_id": "3919"}
    >>> raw = pl.LazyFrame([row],
    ...                    schema_overrides={"duration_h": pl.Float64, "flag": pl.String})
    >>> wide(long_table(raw)).collect().rows()
    [('2178', datetime.datetime(2023, 2, 22, 8, 0), 14.0)]
    """
    rows = frame.lazy().collect()
    right_length = (
        pl.lit(True) if duration_h is None else pl.col("duration_h").is_null() | (pl.col("duration_h") == duration_h)
    )
    kept = rows.filter("is_valid", pl.col("indicator").is_not_null(), right_length)
    key = ["station_id", "datetime_utc"]
    twice = kept.filter(pl.struct(*key, "indicator").is_duplicated()).sort(*key, "indicator")
    if twice.height:
        station, when, indicator = twice.select(*key, "indicator").row(0)
        beside = twice.filter(station_id=station, datetime_utc=when, indicator=indicator)["instrument_id"].to_list()
        raise DataError(
            f"{twice.height:,} of {kept.height:,} measurements share station, time and quantity with "
            f"another; the first is {indicator} of {station} at {when} UTC, by the instruments {beside}. Keep one "
            "instrument_id, or remove an hour that was delivered twice with citylab.sources.eea.repair_repeated_hours."
        )
    table = kept.pivot(on="indicator", index=key, values="value").sort(key)
    return table if isinstance(frame, pl.DataFrame) else table.lazy()


def moment_utc(text: pl.Expr) -> pl.Expr:
    """Return the moment in UTC, without a zone, of ISO 8601 text with an offset (``...-07:00``, ``...Z``).

    Examples
    --------
    >>> pl.select(moment_utc(pl.lit("2023-02-22T01:00:00-07:00"))).item()
    datetime.datetime(2023, 2, 22, 8, 0)
    """
    local = text.str.replace("T", " ").str.slice(0, 19).str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="ms")
    return local - pl.duration(minutes=(offset_h(text) * 60).round().cast(pl.Int64), time_unit="ms")


def offset_h(text: pl.Expr) -> pl.Expr:
    """Return the offset from UTC [h] at the end of ISO 8601 text; ``Z`` is 0, text without an offset has none.

    Examples
    --------
    >>> pl.select(offset_h(pl.lit("2013-01-30 02:00:00 +05:30"))).item()
    5.5
    """
    parts = text.str.extract_groups(r"([+-])(\d{2}):?(\d{2})$")
    size = parts.struct.field("2").cast(pl.Float64) + parts.struct.field("3").cast(pl.Float64) / 60
    signed = pl.when(parts.struct.field("1") == "-").then(-size).otherwise(size)
    return pl.when(text.str.ends_with("Z")).then(0.0).otherwise(signed)


def hours_between(start: pl.Expr, end: pl.Expr) -> pl.Expr:
    """Return the hours from one moment to another."""
    return (end - start).dt.total_microseconds() * _H_PER_US


def must_touch(touched: int, expected: int, *, repair: str, what: str) -> None:
    """Raise unless a repair touches exactly as many rows as its evidence says.

    Raises
    ------
    DataError
        The file is another edition than the one whose fault is known.

    Examples
    --------
    >>> must_touch(4, 5, repair="repair_stamps", what="repeated hours")
    Traceback (most recent call last):
    ...
    citylab.errors.DataError: repair_stamps found 4 rows (repeated hours); its evidence is of 5. ...
    """
    if touched != expected:
        raise DataError(
            f"{repair} found {touched:,} rows ({what}); its evidence is of {expected:,}. The file is another edition: "
            "look at it anew and state the new number before you use it."
        )
