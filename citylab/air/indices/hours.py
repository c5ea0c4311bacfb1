"""From hourly measurements to the means and maxima that an edition's index asks for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from citylab.air import averages
from citylab.air.averages import Stamp
from citylab.air.indices.declared import (
    BY_DATE,
    HourlyPm,
    Period,
    chinese_editions,
    edition_rules,
    indicator_rules,
    left_out_of,
)
from citylab.errors import SchemaError
from citylab.frames import Frame, keys_of, lazily, need_columns, stem

VALIDITY = {"CN": averages.BY_DATE, "US": "epa", "EU": "eu", "UK": "eu"}
"""Rules of ``air_validity`` for the editions of a region; those of the EU stand for the UK's own (from memory)."""
RUNNING_HOURS = {"24h": 24, "8h": 8}
MIN_CAPTURE = 0.75
"""Share of the hours that a running mean needs: 6 of 8 as GB 3095 asks, 18 of 24; the latter from memory."""
_MAXIMA = ("mda8", "max8h", "max1h")


def index_concentrations(
    frame: Frame,
    *,
    edition: str = BY_DATE,
    period: Period = "day",
    stamp: Stamp,
    not_monitored: Iterable[str] = (),
    hourly_pm: HourlyPm = "24h",
    by: str | Sequence[str] | None = "station_id",
    time: str = "datetime_local",
    validity: str | None = None,
) -> Frame:
    """Return the concentrations from which :func:`aqi` makes an edition's index, made of hourly means.

    Each edition asks for means of its own: a day of HJ 633 for daily means and two maxima of ozone, of US EPA for the
    highest hour of SO2 and NO2 and the highest 8 hours of CO and ozone. Values that are not valid are null.

    Parameters
    ----------
    frame
        One row per group and hour, in any order, with one column per pollutant: ``pm25_ugm3``, ``so2_ugm3`` or
        ``so2_ppb``, ``co_mgm3`` or ``co_ppm``, ...
    edition, period, not_monitored, hourly_pm
        As in :func:`aqi`; ``"by-date"`` makes what any of China's editions asks for.
    stamp
        What datetimes mark: the ``"ending"`` or the ``"starting"`` of their hour.
    by, time
        Grouping columns and wall-clock time.
    validity
        Rules of the daily values, an edition of ``air_validity``; those of the edition's region if not given
        (:data:`VALIDITY`).

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        For days one row per group and day: the columns of ``by``, ``date_local``, and the columns of
        :func:`needed_columns`. For hours the rows of ``frame``, sorted, with the running means beside their columns.

    Raises
    ------
    SchemaError
        A pollutant that the edition asks for is missing, or wants a mean that hours cannot give (15 minutes of SO2 in
        the UK): measure it, or name it in ``not_monitored``.
    UnknownNameError
        No such edition or pollutant.
    EditionError
        The edition has no index for such a period.
    DataError
        On collecting: two rows of one group in one hour.

    Examples
    --------
    >>> import datetime as dt
    >>> import polars as pl
    >>> hours = pl.DataFrame({"datetime_local": [dt.datetime(2024, 6, 1, h) for h in range(24)],
    ...     "no2_ppb": [20.0] * 23 + [120.0], "co_ppm": [1.0] * 16 + [9.0] * 8})
    >>> absent = ["pm25", "pm10", "so2", "o3"]
    >>> day = index_concentrations(hours, edition="us-epa-2024", stamp="starting", not_monitored=absent, by=None)
    >>> day.select("no2_max1h_ppb", "co_max8h_ppm").row(0)
    (120.0, 9.0)

    Notes
    -----
    The exception by which few windows are enough above the limit (:func:`citylab.air.averages.mda8`) holds for ozone in
    µg/m³ only, the unit of the declared limit; a day of ozone in ppm with few windows is null.

    References
    ----------
    HJ 633-2012, HJ 633-2026; US EPA, EPA-454/B-24-002 (2024); Defra, UK Daily Air Quality Index.
    """
    lf, back = lazily(frame)
    schema = lf.collect_schema()
    left_out = left_out_of(not_monitored)
    names = [r["edition"] for r in chinese_editions()] if edition == BY_DATE else [edition]
    rules = [r for name in names for r in indicator_rules(name, period, hourly_pm, left_out)]
    wanted: dict[str, str] = {}
    absent: dict[str, str] = {}
    for rule in rules:
        sources = {c: _source(c) for c in (rule["mixing_column"], rule["column"]) if c}
        found = next((c for c, source in sources.items() if source in schema), None)
        if found is not None and _kind(found) not in ("max15min", "15min"):
            wanted[found] = sources[found]
        elif found is not None and rule["is_required"]:
            raise SchemaError(
                f"{rule['edition']} asks for {found!r} ({rule['averaging']}), which hourly means cannot give. Join it "
                f"from shorter measurements, or name {rule['pollutant']!r} in not_monitored."
            )
        elif rule["is_required"]:
            absent[sources[rule["column"]]] = "1-hour mean"
    if absent:
        need_columns(lf, absent, what=f"index_concentrations ({edition}, {period})")
    if period == "hour":
        for part, hours in RUNNING_HOURS.items():
            columns = [source for column, source in wanted.items() if _kind(column) == part]
            if columns:
                kept = lf.collect_schema().names()
                lf = averages.rolling_mean(lf, columns, hours=hours, min_capture=MIN_CAPTURE, by=by, time=time)
                lf = lf.select(*kept, *(c for c in wanted if _kind(c) == part))
        return back(lf)
    kinds = {kind: [s for c, s in wanted.items() if _kind(c) == kind] for kind in ("", *_MAXIMA)}
    region = str(edition_rules(names[0])["region"])
    days = averages.daily_values(
        lf,
        kinds[""],
        mda8=kinds["mda8"],
        max8h=kinds["max8h"],
        max1h=kinds["max1h"],
        stamp=stamp,
        by=by,
        time=time,
        edition=VALIDITY[region] if validity is None else validity,
        wind=None,
    )
    return back(days.select(*keys_of(by), "date_local", *wanted))


def _kind(column: str) -> str:
    """Return the statistic of a column by its name: ``o3_mda8_ugm3`` is an ``mda8``, ``pm25_ugm3`` a plain mean."""
    return stem(column).partition("_")[2]


def _source(column: str) -> str:
    """Return the column of the hourly means behind a statistic."""
    kind = _kind(column)
    return column.replace(f"_{kind}", "", 1) if kind else column
