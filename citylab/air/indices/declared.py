"""What the dated editions of air-quality indices declare: when each holds, its levels, breakpoints and columns."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from functools import cache
from typing import Any, Literal

import polars as pl

from citylab import tables
from citylab.errors import EditionError, RangeError, suggest

Period = Literal["day", "hour"]
HourlyPm = Literal["24h", "1h"]
Beyond = Literal["cap", "extrapolate"]

BY_DATE = "by-date"
POLLUTANTS = ("pm25", "pm10", "so2", "no2", "co", "o3")
"""The pollutants of the indices, in the order in which ties and missing ones are listed."""


def declared_rows(name: str, table: pl.DataFrame | None = None, **where: str) -> list[dict[str, Any]]:
    """Return the rows of a declared table, or of one given in its place, where columns have given values."""
    rows = _all_rows(name) if table is None else table.rows(named=True)
    return [row for row in rows if all(row[column] == value for column, value in where.items())]


@cache
def _all_rows(name: str) -> tuple[dict[str, Any], ...]:
    return tuple(tables.read(name).rows(named=True))


def _edition_rows() -> dict[str, dict[str, Any]]:
    return {row["edition"]: row for row in declared_rows("air_editions", kind="index")}


def edition_rules(edition: str) -> dict[str, Any]:
    """Return the row of ``air_editions`` of an edition: how it rounds, its ends, what it does without a pollutant."""
    known = _edition_rows()
    if edition not in known:
        raise suggest(
            edition, [BY_DATE, *known], what="edition of an air-quality index", see="citylab.air.indices.editions()"
        )
    return known[edition]


def editions() -> pl.DataFrame:
    """Return the editions of air-quality indices that citylab knows.

    Returns
    -------
    polars.DataFrame
        One row per edition: its id, region, the days between which it applies, how it rounds, and its source.

    Examples
    --------
    >>> editions()["edition"].to_list()
    ['hj633-2012', 'hj633-2026', 'us-epa-2024', 'eea-2025', 'eea-2017', 'uk-daqi']
    """
    return tables.read("air_editions").filter(kind="index")


def levels(edition: str, *, table: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return the levels of an edition: ranges of the index, names and colours.

    Parameters
    ----------
    edition
        Id of an edition, for example ``"hj633-2026"``.
    table
        Levels to use in place of the declared table ``air_aqi_levels``.

    Raises
    ------
    UnknownNameError
        No such edition.

    Examples
    --------
    >>> levels("hj633-2026").select("index_low", "index_high", "name_en", "color").row(4)
    (201, 300, 'Heavily polluted', '#99004C')
    """
    edition_rules(edition)
    return (tables.read("air_aqi_levels") if table is None else table).filter(edition=edition)


def edition_on(day: dt.date) -> str:
    """Return China's edition of the air-quality index on a day.

    Raises
    ------
    RangeError
        The day lies before the first edition; until then Beijing published the API, which knows no PM2.5.

    Examples
    --------
    >>> edition_on(dt.date(2026, 2, 28)), edition_on(dt.date(2026, 3, 1))
    ('hj633-2012', 'hj633-2026')
    """
    for row in chinese_editions():
        if row["applied_from"] <= day <= (row["effective_to"] or day):
            return str(row["edition"])
    first = min(row["applied_from"] for row in chinese_editions())
    raise RangeError(
        f"No edition of China's AQI applies on {day}: the first is {chinese_editions()[0]['edition']} from {first}. "
        "Name an edition to compute it nevertheless."
    )


def chinese_editions() -> list[dict[str, Any]]:
    """Return the rows of China's editions, the earliest first."""
    return [row for row in _edition_rows().values() if row["region"] == "CN"]


def breakpoints(edition: str, indicator: str, table: pl.DataFrame | None) -> list[tuple[float, float]]:
    """Return (concentration, index) of the breakpoints, ascending."""
    rows = declared_rows("air_aqi_breakpoints", table, edition=edition, indicator=indicator)
    if not rows:
        known = {r["indicator"] for r in declared_rows("air_aqi_breakpoints", table, edition=edition)}
        raise suggest(indicator, known, what=f"indicator of {edition}", see="the table air_aqi_breakpoints")
    return sorted((float(r["concentration"]), float(r["index"])) for r in rows)


def indicator_rule(edition: str, indicator: str) -> dict[str, Any]:
    """Return how an edition treats one indicator: its decimals, and what lies beyond its breakpoints."""
    rows = declared_rows("air_aqi_indicators", edition=edition, indicator=indicator)
    if not rows:
        known = {r["indicator"] for r in declared_rows("air_aqi_indicators", edition=edition)}
        raise suggest(indicator, known, what=f"indicator of {edition}", see="the table air_aqi_indicators")
    return rows[0]


def indicator_rules(edition: str, period: str, hourly_pm: str, left_out: frozenset[str]) -> list[dict[str, Any]]:
    """Return the indicators that enter an edition's index of a period, without those left out."""
    edition_rules(edition)
    every = declared_rows("air_aqi_indicators", edition=edition)
    periods_known = sorted({r["period"] for r in every})
    if period not in periods_known:
        if period not in ("day", "hour"):
            raise suggest(period, ["day", "hour"], what="period", see="citylab.air.indices.aqi")
        raise EditionError(f"{edition} defines an index for {' and '.join(periods_known)} only; period is {period!r}.")
    if hourly_pm not in ("24h", "1h"):
        raise suggest(hourly_pm, ["24h", "1h"], what="hourly_pm", see="citylab.air.indices.aqi")
    return [
        r
        for r in every
        if r["period"] == period
        and r["variant"] in (None, "nowcast", hourly_pm)
        and not left_out & {r["pollutant"], r["indicator"]}
    ]


def needed_columns(
    edition: str, *, period: Period = "day", hourly_pm: HourlyPm = "24h", not_monitored: Iterable[str] = ()
) -> dict[str, str]:
    """Return the columns that an edition asks for, with the mean that each must hold.

    Raises
    ------
    UnknownNameError
        No such edition.
    EditionError
        The edition has no index for such a period.

    Examples
    --------
    >>> needed_columns("hj633-2026")["o3_mda8_ugm3"]
    'highest 8-hour mean of the day'
    >>> [c for c in needed_columns("hj633-2012", period="hour") if c.startswith("pm")]
    ['pm25_24h_ugm3', 'pm10_24h_ugm3']
    """
    rules = indicator_rules(edition, period, hourly_pm, left_out_of(not_monitored))
    return {r["column"]: r["averaging"] for r in rules if r["is_required"]}


def left_out_of(not_monitored: Iterable[str]) -> frozenset[str]:
    """Return the pollutants and indicators not monitored, each a known name."""
    names = frozenset([not_monitored] if isinstance(not_monitored, str) else not_monitored)
    known = {*POLLUTANTS, *tables.read("air_aqi_indicators")["indicator"].unique()}
    for name in names - known:
        raise suggest(name, known, what="pollutant", see="citylab.air.indices.POLLUTANTS")
    return names
