"""Air-quality indices by their dated editions: sub-indices, primary pollutants, levels and colours.

China's index changed on 2026-03-01: a series that crosses that day has a step that is not in the air. :func:`aqi`
takes the edition from the date unless told otherwise and writes it beside every row; :func:`mean_aqi` and
:func:`check_one_edition` refuse rows of two editions unless told. The constants stand in the declared tables
``air_editions``, ``air_aqi_indicators``, ``air_aqi_breakpoints`` and ``air_aqi_levels``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, reduce
from itertools import pairwise
from operator import add, or_
from typing import Any, Literal

import polars as pl

from citylab import tables, units
from citylab.errors import DataError, EditionError, RangeError, SchemaError, UnitError, suggest
from citylab.frames import Frame, keys_of, lazily, need_columns, need_numbers, need_wall_clock
from citylab.vocabulary import COLUMNS

Period = Literal["day", "hour"]
HourlyPm = Literal["24h", "1h"]
Beyond = Literal["cap", "extrapolate"]

BY_DATE = "by-date"
POLLUTANTS = ("pm25", "pm10", "so2", "no2", "co", "o3")
"""The pollutants of the indices, in the order in which ties and missing ones are listed."""

NOWCAST_HOURS = 12
"""Hours that NowCast looks back: US EPA, EPA-454/B-24-002, NowCast of particles; verified."""
NOWCAST_RECENT_HOURS = 3
"""Latest hours of which NowCast needs :data:`NOWCAST_RECENT_VALID`; same source."""
NOWCAST_RECENT_VALID = 2
"""Valid values that NowCast needs among the latest :data:`NOWCAST_RECENT_HOURS`; same source."""
NOWCAST_LEAST_WEIGHT = 0.5
"""Least weight factor of NowCast for particles; same source."""

_GASES = {"so2": "SO2", "no2": "NO2", "co": "CO", "o3": "O3"}
_SUFFIX_UNITS = {"ugm3": "µg/m³", "mgm3": "mg/m³", "ppb": "ppb", "ppm": "ppm"}
_SECONDS_PER_HOUR = 3600
_PPB_PER = {"ppb": 1.0, "ppm": 1000.0}
# A double carries 53 bits: adding 1.5 * 2**52 and taking it away rounds to integers, halves to even, and the same
# with 1.5 * 2**22 rounds to a grid of 2**-30. On that grid 0.35 is not a hair below itself, and halves are halves:
# what follows rounds as one would on paper. Good for numbers below 2**21.
_TO_INTEGER = 1.5 * 2.0**52
_TO_GRID = 1.5 * 2.0**22
# A sub-index that is an integer on paper may come out a hair above it.
_HAIR = 1e-9
_NONE_LABEL = ""


# What is declared -----------------------------------------------------------------------------------------------------


def _rows(name: str, table: pl.DataFrame | None = None, **where: str) -> list[dict[str, Any]]:
    found = tables.read(name) if table is None else table
    return found.filter(**where).rows(named=True)


def _edition_rows() -> dict[str, dict[str, Any]]:
    return {row["edition"]: row for row in _rows("air_editions", kind="index")}


def _edition(edition: str) -> dict[str, Any]:
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
    _edition(edition)
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
    for row in _chinese():
        if row["applied_from"] <= day <= (row["effective_to"] or day):
            return str(row["edition"])
    first = min(row["applied_from"] for row in _chinese())
    raise RangeError(
        f"No edition of China's AQI applies on {day}: the first is {_chinese()[0]['edition']} from {first}. "
        "Name an edition to compute it nevertheless."
    )


def _chinese() -> list[dict[str, Any]]:
    return [row for row in _edition_rows().values() if row["region"] == "CN"]


# The formula ----------------------------------------------------------------------------------------------------------


def _snapped(value: pl.Expr, scale: float) -> pl.Expr:
    return (value if scale == 1 else value * scale) + _TO_GRID - _TO_GRID


def _rounded(value: pl.Expr, how: str, decimals: int) -> tuple[pl.Expr, float]:
    """Return a concentration as an integer number of its last decimal, and how many of those make a unit."""
    scale = 10.0**decimals
    if how == "half-even":
        return _snapped(value, scale) + _TO_INTEGER - _TO_INTEGER, scale
    if how == "truncate":
        return _snapped(value, scale).floor(), scale
    if how == "half-up":
        return (_snapped(value, scale) + 0.5).floor(), scale
    return value, 1.0


def round_half_even(value: pl.Expr, decimals: int = 0) -> pl.Expr:
    """Return a value rounded as GB/T 8170 does: halves go to the even neighbour, on decimal grounds.

    ``0.25`` becomes ``0.2`` and ``0.35`` becomes ``0.4`` although its binary number lies below 0.35.

    Parameters
    ----------
    value
        Numbers below 2 million units of the last decimal.
    decimals
        Decimals to keep.

    Examples
    --------
    >>> pl.select(round_half_even(pl.Series([0.25, 0.35, 2.25, 2.35]), 1)).to_series().to_list()
    [0.2, 0.4, 2.2, 2.4]

    References
    ----------
    GB/T 8170-2008 clause 3.2 (数值修约规则).
    """
    if isinstance(value, pl.Series):
        value = pl.lit(value)
    whole, scale = _rounded(value, "half-even", decimals)
    return (whole / scale).round(decimals)  # Polars divides by a number as it multiplies by its inverse


def _points(edition: str, indicator: str, table: pl.DataFrame | None) -> list[tuple[float, float]]:
    """Return (concentration, index) of the breakpoints, ascending."""
    rows = _rows("air_aqi_breakpoints", table, edition=edition, indicator=indicator)
    if not rows:
        known = {r["indicator"] for r in _rows("air_aqi_breakpoints", table, edition=edition)}
        raise suggest(indicator, known, what=f"indicator of {edition}", see="the table air_aqi_breakpoints")
    return sorted((float(r["concentration"]), float(r["index"])) for r in rows)


def _indicator_rule(edition: str, indicator: str) -> dict[str, Any]:
    rows = _rows("air_aqi_indicators", edition=edition, indicator=indicator)
    if not rows:
        known = {r["indicator"] for r in _rows("air_aqi_indicators", edition=edition)}
        raise suggest(indicator, known, what=f"indicator of {edition}", see="the table air_aqi_indicators")
    return rows[0]


def iaqi_expr(
    indicator: str,
    column: str | pl.Expr,
    table: pl.DataFrame | None = None,
    *,
    edition: str,
    beyond: Beyond = "cap",
) -> pl.Expr:
    """Return the sub-index of a concentration: the one place where the formula stands.

    The concentration is rounded as the edition says (GB/T 8170, truncation, or not at all), the sub-index
    interpolated between the breakpoints and rounded up (HJ 633) or to the nearest integer (US EPA); the bands of the
    EEA and the UK count the upper bounds that are exceeded. Negative values, NaN and null give null.

    Parameters
    ----------
    indicator
        Pollutant and averaging time of the breakpoints, for example ``"pm25_24h"`` or ``"o3_1h"``.
    column
        Column or expression with the concentration in the unit of the breakpoints.
    table
        Breakpoints to use in place of the declared table ``air_aqi_breakpoints``.
    edition
        Id of an edition.
    beyond
        ``"extrapolate"`` continues the last line above the last breakpoint (US EPA allows it); ``"cap"`` does not.

    Returns
    -------
    polars.Expr
        Integers; null also where the edition gives the indicator no sub-index (HJ 633-2012: 1-hour SO2 and 8-hour O3
        above 800 µg/m³).

    Raises
    ------
    UnknownNameError
        No such edition or indicator.
    EditionError
        ``"extrapolate"`` for an edition whose index ends.

    Notes
    -----
    The interpolation is written as a sum over breakpoints of (change of slope) × max(concentration, breakpoint),
    which is the same broken line and needs no branches.

    Examples
    --------
    >>> pm = pl.DataFrame({"pm25_ugm3": [35.0, 35.5, 60.5, 61.5, 75.0]})
    >>> pm.select(iaqi_expr("pm25_24h", "pm25_ugm3", edition=e).alias(e) for e in ("hj633-2012", "hj633-2026")).rows()
    [(50, 50), (51, 52), (82, 100), (84, 102), (100, 114)]

    References
    ----------
    HJ 633-2012 clause 4, HJ 633-2026 clause 4.2; US EPA, EPA-454/B-24-002 (2024), equation 1.
    """
    rules = _edition(edition)
    rule = _indicator_rule(edition, indicator)
    points = _points(edition, indicator, table)
    value = (pl.col(column) if isinstance(column, str) else column).cast(pl.Float64)
    if beyond == "extrapolate" and rules["index_rule"] != "nearest":
        raise EditionError(
            f"The index of {edition} ends at {rules['index_max']}; only us-epa-2024 can be extrapolated."
        )
    q, scale = _rounded(value, rules["concentration_rounding"], rule["decimals"])
    q = pl.when(value >= 0).then(q)
    at = [round(c * scale, 6) for c, _ in points]
    if rules["index_rule"] == "bands":
        return 1 + reduce(add, ((q > bound).cast(pl.Int64) for bound in at))
    index = _broken_line(q, list(zip(at, (i for _, i in points), strict=True)), open_end=beyond == "extrapolate")
    whole = (index - _HAIR).ceil() if rules["index_rule"] == "ceiling" else (index + (0.5 + _HAIR)).floor()
    allowed = pl.lit(True)
    if rule["below"] == "none":
        allowed = allowed & (q >= at[0])
    if rule["beyond"] == "none":
        allowed = allowed & (q <= at[-1])
    ends = "none" in (rule["below"], rule["beyond"])
    return (pl.when(allowed).then(whole) if ends else whole).cast(pl.Int64)


def _broken_line(q: pl.Expr, points: Sequence[tuple[float, float]], *, open_end: bool) -> pl.Expr:
    slopes = [(i2 - i1) / (c2 - c1) for (c1, i1), (c2, i2) in pairwise(points)]
    changes = [b - a for a, b in zip([0.0, *slopes], [*slopes, 0.0], strict=True)]
    if open_end:
        changes[-1] = 0.0
    # Left of the first breakpoint every term rests on its breakpoint: the line is level there.
    constant = points[0][1] - sum(change * c for change, (c, _) in zip(changes, points, strict=True))
    terms = [q.clip(lower_bound=c) * change for change, (c, _) in zip(changes, points, strict=True) if change]
    return reduce(add, terms) + constant


# NowCast --------------------------------------------------------------------------------------------------------------


def nowcast_expr(
    column: str, *, by: str | Sequence[str] | None = "station_id", time: str = "datetime_local"
) -> pl.Expr:
    r"""Return US EPA's NowCast of hourly particle concentrations.

    Hours that are absent drop out and keep their place, whether their row is missing or its value null.

    Parameters
    ----------
    column
        Hourly means of PM2.5 or PM10 [µg/m³].
    by
        Grouping columns; ``None`` takes the whole frame as one series.
    time
        Column of naive local datetimes, one row per group and hour, in any order.

    Returns
    -------
    polars.Expr
        Concentration [µg/m³], not yet truncated; null unless two of the latest three hours are there.

    Raises
    ------
    DataError
        On collecting: two rows of one series in one hour.

    Notes
    -----
    :math:`w = \max(c_{min}/c_{max},\ 0.5)` over the 12 hours and :math:`\sum w^i c_i / \sum w^i`, i hours ago.

    Examples
    --------
    >>> hours = [dt.datetime(2024, 6, 1, h) for h in range(12)]
    >>> newest_last = [10.0, 12.0, 15.0, 15.0, 18.0, 20.0, 20.0, 25.0, 30.0, 40.0, 45.0, 50.0]
    >>> frame = pl.DataFrame({"datetime_local": hours, "pm25_ugm3": newest_last})
    >>> frame.select(nowcast_expr("pm25_ugm3", by=None).round(3)).to_series()[-1]
    44.508

    References
    ----------
    US EPA, Technical Assistance Document for the Reporting of Daily Air Quality, EPA-454/B-24-002 (2024).
    """
    keys = keys_of(by)
    told = pl.struct(*(pl.col(k).alias(f"key_{i}") for i, k in enumerate(keys)), hour=time, value=column)
    return told.map_batches(partial(_nowcast, keys=len(keys)), return_dtype=pl.Float64())


def _nowcast(told: pl.Series, *, keys: int) -> pl.Series:
    import numpy as np

    names = [f"key_{i}" for i in range(keys)]
    rows = told.struct.unnest().with_row_index("row").sort([*names, "hour"])
    one = np.zeros(rows.height, dtype=np.uint32)
    group = rows.select(pl.struct(names).rle_id()).to_series().to_numpy() if names else one
    seconds = rows["hour"].dt.epoch("s").to_numpy()
    value = rows["value"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    value = np.where(np.isfinite(value) & (value >= 0), value, np.nan)
    n = rows.height
    seen = np.full((NOWCAST_HOURS, n), np.nan)
    age = np.zeros((NOWCAST_HOURS, n))
    for k in range(min(NOWCAST_HOURS, n)):
        age[k, k:] = (seconds[k:] - seconds[: n - k]) / _SECONDS_PER_HOUR
        same = group[k:] == group[: n - k]
        if k == 1 and (same & (age[1, 1:] == 0)).any():
            at = rows["hour"][1 + int(np.argmax(same & (age[1, 1:] == 0)))]
            raise DataError(f"NowCast needs one row per series and hour; {at} is there twice. Drop one of the rows.")
        seen[k, k:] = np.where(same & (age[k, k:] < NOWCAST_HOURS), value[: n - k], np.nan)
    there = ~np.isnan(seen)
    highest = np.where(there, seen, -np.inf).max(axis=0)
    lowest = np.where(there, seen, np.inf).min(axis=0)
    ratio = np.divide(lowest, highest, out=np.ones(n), where=highest > 0)
    power = np.where(there, np.maximum(ratio, NOWCAST_LEAST_WEIGHT) ** age, 0.0)
    recent = (there & (age < NOWCAST_RECENT_HOURS)).sum(axis=0) >= NOWCAST_RECENT_VALID
    total, weight = (power * np.where(there, seen, 0.0)).sum(axis=0), power.sum(axis=0)
    mean = np.divide(total, weight, out=np.full(n, np.nan), where=recent)
    found = np.empty(n)
    found[rows["row"].to_numpy()] = mean
    return pl.Series(told.name, found).fill_nan(None)


# Frames ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Input:
    """One indicator of an edition and where its concentration comes from."""

    rule: Mapping[str, Any]
    column: str
    value: pl.Expr

    @property
    def pollutant(self) -> str:
        return str(self.rule["pollutant"])


@dataclass(frozen=True, slots=True)
class _Plan:
    """One edition applied to one frame."""

    edition: str
    label: str
    rules: Mapping[str, Any]
    inputs: list[_Input]
    sub_indices: Mapping[str, pl.Expr]
    levels: list[dict[str, Any]]


def aqi(
    frame: Frame,
    *,
    edition: str = BY_DATE,
    period: Period = "day",
    date: str = "date_local",
    not_monitored: Iterable[str] = (),
    hourly_pm: HourlyPm = "24h",
    reference: str | float | None = None,
    beyond: Beyond = "cap",
    by: str | Sequence[str] | None = "station_id",
    time: str = "datetime_local",
    table: pl.DataFrame | None = None,
    levels_table: pl.DataFrame | None = None,
) -> Frame:
    """Return a frame with its air-quality index, sub-indices, primary pollutants and level.

    Every row is taken by itself. A city's index is that of its mean concentrations (:func:`city_concentrations`
    first), never the mean or the maximum of its stations' indices.

    Parameters
    ----------
    frame
        One row per place and day, or per place and hour, with the columns that edition and period ask for
        (:func:`needed_columns` lists them).
    edition
        ``"by-date"`` takes China's edition of the row's day; otherwise ``"hj633-2012"``, ``"hj633-2026"``,
        ``"us-epa-2024"``, ``"eea-2025"``, ``"eea-2017"`` or ``"uk-daqi"`` for all rows.
    period
        ``"day"`` (日报) or ``"hour"`` (实时报). The European index knows hours only.
    date
        Column with the day of each row, for ``"by-date"``. Make it from hours with
        :func:`citylab.periods.date_of_hour`.
    not_monitored
        Pollutants or indicators that are not in the monitoring plan (``"o3"``, ``"o3_1h"``, ``"so2"``): their columns
        are not asked for, and they do not count as missing (HJ 633-2026 clause 5.3.2).
    hourly_pm
        For hours under HJ 633-2012: ``"24h"`` is the standard (running 24-hour mean), ``"1h"`` the practice of public
        portals; the latter is written into ``aqi_edition``.
    reference
        State to which gases in µg/m³ or mg/m³ refer, where the edition's unit is ppm or ppb (US EPA): ``"CN-2012"``
        (Chinese data before 2018-09), ``"CN-2018"``, ``"EU"``, ``"US"`` (25 °C), or a temperature [K]. It has no
        default.
    beyond
        US EPA above 500: ``"cap"``, or ``"extrapolate"`` along the last line.
    by, time
        Series and hours, for NowCast (US EPA, hours) only.
    table, levels_table
        Breakpoints and levels to use in place of the declared tables ``air_aqi_breakpoints`` and ``air_aqi_levels``.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        The frame with, added: ``<pollutant>_iaqi`` (integer), ``aqi`` (integer), ``aqi_primary`` (pollutants with the
        largest sub-index, ties joined by ``+``; China names none up to 50), ``aqi_level``, ``aqi_level_name_zh``,
        ``aqi_level_name_en``, ``aqi_color``, ``aqi_edition``, ``aqi_missing`` (pollutants without sub-index),
        ``aqi_invalid`` (those whose value was negative or beyond what can be; it is not used), ``aqi_reason`` (why
        there is no index: ``no_edition``, ``no_data``, ``missing_pollutant``, ``not_qualified``).

    Raises
    ------
    UnknownNameError
        No such edition or pollutant.
    SchemaError
        A column is missing or holds no numbers, the day is not a date, or ``reference`` is needed and not given.
    EditionError
        The edition has no index for such a period.
    UnitError
        On collecting: CO above 200 mg/m³ was surely given in µg/m³.
    DataError
        On collecting, NowCast: two rows of one series in one hour.

    Notes
    -----
    - HJ 633-2012 takes concentrations as reported; HJ 633-2026 rounds them first (GB/T 8170: integers, CO to 0.1).
      Both round the sub-index up. The index ends at 500.
    - HJ 633-2012 gives 1-hour SO2 above 800 no sub-index (that of ``so2_24h_ugm3`` stands in, if there is one) and
      8-hour O3 above 800 none; HJ 633-2026 gives 200 and 300.
    - HJ 633-2026 clause 5.3.1: with a pollutant missing, the index is published only if the others give more than 100.
    - US EPA truncates, then rounds the index half up. Its own document prints 148 for 1-hour ozone of 0.162 ppm; its
      formula gives 147.487, hence 147. For hours, particles are NowCast means, and ozone is the running 8-hour mean
      in place of EPA's NowCast of ozone.
    - EEA: a place with ``station_type`` ``"traffic"`` needs NO2 and a particle size, others O3 too; with less, only
      classes from 4 are shown. The 2017 edition is that of the index's first page, five classes.
    - A day before the first Chinese edition gets ``no_edition``.

    Examples
    --------
    >>> days = pl.DataFrame({"date_local": [dt.date(2026, 2, 28), dt.date(2026, 3, 1)], "pm25_ugm3": 75.0,
    ...     "pm10_ugm3": 90.0, "so2_ugm3": 8.0, "no2_ugm3": 40.0, "co_mgm3": 1.0, "o3_mda8_ugm3": 60.0})
    >>> aqi(days, not_monitored=["o3_1h"]).select("aqi", "aqi_primary", "aqi_level_name_en", "aqi_edition").rows()
    [(100, 'pm25', 'Good', 'hj633-2012'), (114, 'pm25', 'Lightly polluted', 'hj633-2026')]

    References
    ----------
    HJ 633-2012; HJ 633-2026; US EPA, EPA-454/B-24-002 (2024); European Environment Agency, European Air Quality Index;
    Defra, UK Daily Air Quality Index.
    """
    lf, back = lazily(frame)
    schema = lf.collect_schema()
    chosen = _chosen(frame, schema, edition, date)
    left_out = _left_out(not_monitored)
    plans = [
        _plan(name, lf, schema, table, levels_table, period=period, left_out=left_out, hourly_pm=hourly_pm,
              reference=reference, beyond=beyond)
        for name in chosen
    ]  # fmt: skip
    if period == "hour" and any(i.rule["variant"] == "nowcast" for p in plans for i in p.inputs):
        need_wall_clock(need_columns(lf, [*keys_of(by), time], what="aqi (NowCast)"), time, what="aqi")
        plans = [_with_nowcast(p, by, time) for p in plans]
    pick = _picker(plans, date, by_date=edition == BY_DATE)
    return back(_indexed(lf, plans, pick, "station_type" in schema))


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
    rules = _indicator_rules(edition, period, hourly_pm, _left_out(not_monitored))
    return {r["column"]: r["averaging"] for r in rules if r["is_required"]}


def _left_out(not_monitored: Iterable[str]) -> frozenset[str]:
    names = frozenset([not_monitored] if isinstance(not_monitored, str) else not_monitored)
    known = {*POLLUTANTS, *tables.read("air_aqi_indicators")["indicator"].unique()}
    for name in names - known:
        raise suggest(name, known, what="pollutant", see="citylab.air.indices.POLLUTANTS")
    return names


def _chosen(frame: pl.DataFrame | pl.LazyFrame, schema: pl.Schema, edition: str, date: str) -> list[str]:
    if edition != BY_DATE:
        return [_edition(edition)["edition"]]
    if date not in schema:
        raise SchemaError(
            f"aqi by date needs the column {date!r} (day in Asia/Shanghai); the frame has {schema.names()}. Make it "
            "from hours with citylab.periods.date_of_hour, which asks what the stamps mark, or name an edition."
        )
    need_wall_clock(schema, date, what="aqi", dates=True)
    if schema[date] != pl.Date:
        raise SchemaError(
            f"aqi by date needs dates in {date!r}, which is {schema[date]}; citylab.periods.date_of_hour makes them."
        )
    editions_cn = _chinese()
    if isinstance(frame, pl.DataFrame):  # what no row needs is not asked for
        first, last = frame[date].min(), frame[date].max()
        if first is not None:
            inside = [
                r
                for r in editions_cn
                if r["applied_from"] <= last and (r["effective_to"] or last) >= first  # type: ignore[operator]
            ]
            editions_cn = inside or editions_cn[:1]
    return [r["edition"] for r in editions_cn]


def _indicator_rules(edition: str, period: str, hourly_pm: str, left_out: frozenset[str]) -> list[dict[str, Any]]:
    _edition(edition)
    every = _rows("air_aqi_indicators", edition=edition)
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


def _plan(
    edition: str,
    lf: pl.LazyFrame,
    schema: pl.Schema,
    table: pl.DataFrame | None,
    levels_table: pl.DataFrame | None,
    *,
    period: str,
    left_out: frozenset[str],
    hourly_pm: str,
    reference: str | float | None,
    beyond: Beyond,
) -> _Plan:
    rules = _edition(edition)
    wanted = _indicator_rules(edition, period, hourly_pm, left_out)
    present = [r for r in wanted if r["column"] in schema or (r["mixing_column"] or "") in schema]
    absent = {r["column"]: r["averaging"] for r in wanted if r["is_required"] and r not in present}
    if absent:
        need_columns(lf, absent, what=f"aqi ({edition}, {period})")
    inputs = [_input(r, edition, schema, reference, table) for r in present]
    need_numbers(schema, [i.column for i in inputs], what="aqi")
    if not inputs:
        raise SchemaError(f"aqi has no pollutant left: not_monitored names all of {edition}.")
    sub = {}
    for pollutant in POLLUTANTS:
        own = [i for i in inputs if i.pollutant == pollutant]
        if own:
            sub[pollutant] = _sub_index(own, edition, table, beyond)
    used_1h = any(i.rule["variant"] == "1h" for i in inputs)
    label = f"{edition}+pm-1h" if used_1h else edition
    return _Plan(edition, label, rules, inputs, sub, levels(edition, table=levels_table).rows(named=True))


def _unit_of(column: str) -> str:
    return _SUFFIX_UNITS[column.rpartition("_")[2]]


def _input(
    rule: Mapping[str, Any], edition: str, schema: pl.Schema, reference: str | float | None, table: pl.DataFrame | None
) -> _Input:
    mixing = rule["mixing_column"]
    column = mixing if mixing and mixing in schema else rule["column"]
    value = _clean(column)
    unit = _rows("air_aqi_breakpoints", table, edition=edition, indicator=rule["indicator"])[0]["unit"]
    have = _unit_of(column)
    if unit in _PPB_PER and have not in _PPB_PER:
        if reference is None:
            raise SchemaError(
                f"{edition} wants {rule['indicator']} in {unit}, and column {column!r} is in {have}. Say the state to "
                "which the gas refers: reference='CN-2012' (Chinese data before 2018-09), 'CN-2018', 'EU' or 'US' "
                f"(25 °C), or give {mixing!r}."
            )
        mass = units.convert(value, have, "µg/m³")
        value = units.ugm3_to_ppb(mass, _GASES[rule["pollutant"]], temperature_k=reference) / _PPB_PER[unit]
    return _Input(rule, column, value)


def _upper(column: str) -> float | None:
    return COLUMNS[column].upper if column in COLUMNS else None


def _clean(column: str) -> pl.Expr:
    """Return the values that can be concentrations, else null."""
    value, upper = pl.col(column).cast(pl.Float64), _upper(column)
    if _unit_of(column) == "mg/m³" and upper is not None:
        value = value.map_batches(_unit_guard(column, upper), return_dtype=pl.Float64(), is_elementwise=True)
        return pl.when(value >= 0).then(value).fill_nan(None)
    return pl.when(value.is_between(0, upper) if upper is not None else value.is_finite() & (value >= 0)).then(value)


def _unit_guard(column: str, upper: float) -> Callable[[pl.Series], pl.Series]:
    def check(values: pl.Series) -> pl.Series:
        top = values.max()
        if isinstance(top, float) and top > upper:
            raise UnitError(
                f"Column {column!r} holds {top:g}; no air has {upper:g} mg/m³ of CO, so the values look like µg/m³. "
                "Divide them by 1000 (citylab.units.convert), or flag the outlier with citylab.air.quality."
            )
        return values

    return check


def _is_invalid(column: str) -> pl.Expr:
    value, upper = pl.col(column), _upper(column)
    beyond = value.is_not_nan() & (value > (upper if upper is not None else float("inf")))
    return ((value < 0) | beyond).fill_null(False)


def _sub_index(own: list[_Input], edition: str, table: pl.DataFrame | None, beyond: Beyond) -> pl.Expr:
    def index(i: _Input) -> pl.Expr:
        return iaqi_expr(i.rule["indicator"], i.value, table, edition=edition, beyond=beyond)

    direct = [i for i in own if i.rule["role"] != "fallback"]
    stand_in = [i for i in own if i.rule["role"] == "fallback"]
    found = pl.max_horizontal([index(i) for i in direct]) if len(direct) > 1 else index(direct[0] if direct else own[0])
    if direct and stand_in:
        top = _points(edition, direct[0].rule["indicator"], table)[-1][0]
        found = pl.when(direct[0].value > top).then(index(stand_in[0])).otherwise(found)
    return found


def _with_nowcast(plan: _Plan, by: str | Sequence[str] | None, time: str) -> _Plan:
    sub = dict(plan.sub_indices)
    for i in plan.inputs:
        if i.rule["variant"] == "nowcast":
            sub[i.pollutant] = iaqi_expr(
                i.rule["indicator"], nowcast_expr(i.column, by=by, time=time), edition=plan.edition
            )
    return _Plan(plan.edition, plan.label, plan.rules, plan.inputs, sub, plan.levels)


Picker = Callable[[Callable[[_Plan], pl.Expr]], pl.Expr]


def _picker(plans: list[_Plan], date: str, *, by_date: bool) -> Picker:
    """Return a function that gives each row the expression of its edition."""
    if not by_date:
        return lambda of: of(plans[0])

    def pick(of: Callable[[_Plan], pl.Expr]) -> pl.Expr:
        chain: Any = pl
        for p in plans:
            first, last = p.rules["applied_from"], p.rules["effective_to"]
            day = pl.col(date)
            chain = chain.when((day >= first) & (day <= last) if last else day >= first).then(of(p))
        found: pl.Expr = chain
        return found

    return pick


def _set_of(pollutants: Sequence[str], marks: Sequence[pl.Expr]) -> pl.Expr:
    """Return the names of the marked pollutants joined by +, null where none is marked."""
    labels = [
        "+".join(p for j, p in enumerate(pollutants) if mask >> j & 1) or _NONE_LABEL
        for mask in range(2 ** len(pollutants))
    ]
    mask = reduce(add, [m.cast(pl.UInt8) * (1 << j) for j, m in enumerate(marks)])
    named = mask.cat.to(pl.Enum(labels)).cast(pl.String)
    return pl.when(mask > 0).then(named)


def _indexed(lf: pl.LazyFrame, plans: list[_Plan], pick: Picker, has_type: bool) -> pl.LazyFrame:
    stems = [p for p in POLLUTANTS if any(p in plan.sub_indices for plan in plans)]
    name = {s: f"{s}_iaqi" for s in stems}
    nothing = pl.lit(None, dtype=pl.Int64)
    lf = lf.with_columns(pick(lambda p, s=s: p.sub_indices.get(s, nothing)).alias(name[s]) for s in stems)  # type: ignore[misc]
    lf = lf.with_columns(__largest=pl.max_horizontal(list(name.values())), __edition=pick(lambda p: pl.lit(p.label)))
    absent = {s: pl.col(name[s]).is_null() for s in stems}
    lf = lf.with_columns(
        pick(lambda p: _reason(p, absent, has_type)).alias("aqi_reason"),
        _set_of(stems, list(absent.values())).alias("aqi_missing"),
        _set_of(stems, [_any_invalid(plans, s) for s in stems]).alias("aqi_invalid"),
    )
    edition_reason = pl.when(pl.col("__edition").is_null()).then(pl.lit("no_edition")).otherwise(pl.col("aqi_reason"))
    lf = lf.with_columns(aqi_reason=edition_reason)
    published = pl.when(pl.col("aqi_reason").is_null())
    lf = lf.with_columns(aqi=published.then(pick(_clamped)))
    is_primary = [pl.col(name[s]).eq(pl.col("__largest")).fill_null(False) & pl.col("aqi").is_not_null() for s in stems]
    above = pick(lambda p: pl.col("__largest") > p.rules["primary_above"])
    lf = lf.with_columns(
        pl.when(above).then(_set_of(stems, is_primary)).alias("aqi_primary"),
        pick(_place_of_level).alias("__place"),
    )
    level = pl.col("__place")
    lf = lf.with_columns(
        pick(lambda p: _of_level(p, "level", level)).alias("aqi_level"),
        pick(lambda p: _of_level(p, "name_zh", level)).alias("aqi_level_name_zh"),
        pick(lambda p: _of_level(p, "name_en", level)).alias("aqi_level_name_en"),
        pick(lambda p: _of_level(p, "color", level)).alias("aqi_color"),
        pl.col("__edition").alias("aqi_edition"),
    )
    tail = ["aqi", "aqi_primary", "aqi_level", "aqi_level_name_zh", "aqi_level_name_en", "aqi_color", "aqi_edition",
            "aqi_missing", "aqi_invalid", "aqi_reason"]  # fmt: skip
    return lf.drop("__largest", "__edition", "__place").select(pl.exclude(tail), *tail)


def _any_invalid(plans: list[_Plan], stem: str) -> pl.Expr:
    columns = {i.column for p in plans for i in p.inputs if i.pollutant == stem}
    return reduce(or_, [_is_invalid(c) for c in sorted(columns)])


def _clamped(plan: _Plan) -> pl.Expr:
    least, largest = plan.rules["index_min"], pl.col("__largest")
    return largest.clip(lower_bound=least) if least else largest


def _reason(plan: _Plan, absent: Mapping[str, pl.Expr], has_type: bool) -> pl.Expr:
    """Return why a row has no index under an edition, else null."""
    said = pl.when(pl.col("__largest").is_null()).then(pl.lit("no_data"))
    own = {s: absent[s] for s in plan.sub_indices}
    rule = plan.rules["missing_rule"]
    if rule == "above-100":
        any_absent = reduce(or_, own.values())
        last_good = plan.levels[1]["index_high"]
        return said.when(any_absent & (pl.col("__largest") <= last_good)).then(pl.lit("missing_pollutant"))
    if rule == "station-type":
        gone = {s: own.get(s, pl.lit(True)) for s in ("pm25", "pm10", "no2", "o3")}
        unfit = gone["no2"] | (gone["pm25"] & gone["pm10"])
        off_traffic = (pl.col("station_type") != "traffic").fill_null(True) if has_type else pl.lit(True)
        unfit = unfit | (gone["o3"] & off_traffic)
        shown_from = plan.levels[EEA_SHOWN_FROM - 1]["index_low"]
        return said.when(unfit & (pl.col("__largest") < shown_from)).then(pl.lit("not_qualified"))
    return said.otherwise(pl.lit(None, dtype=pl.String))


EEA_SHOWN_FROM = 4
"""Lowest class that the EEA shows for a station with too few pollutants: European Air Quality Index; verified."""


def _place_of_level(plan: _Plan) -> pl.Expr:
    """Return the position of the index's row among the levels."""
    highs = [row["index_high"] for row in plan.levels[:-1]]
    return reduce(add, [(pl.col("aqi") > high).cast(pl.UInt8) for high in highs])


def _of_level(plan: _Plan, what: str, place: pl.Expr) -> pl.Expr:
    values = [row[what] for row in plan.levels]
    if values == list(range(1, len(values) + 1)):
        return place.cast(pl.Int64) + 1
    labels = [f"{k} {v}" for k, v in enumerate(values)]  # names repeat (UK), the labels of an Enum may not
    if len(set(map(str, values))) == len(values):
        return place.cat.to(pl.Enum(list(map(str, values)))).cast(pl.String)
    picked = place.cat.to(pl.Enum(labels)).cast(pl.String).str.splitn(" ", 2).struct.field("field_1")
    return picked.cast(pl.Int64) if isinstance(values[0], int) else picked


# One value ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Aqi:
    """The air-quality index of one place and time.

    Attributes
    ----------
    value
        The index; ``None`` where there is none (``reason`` says why).
    level, level_name_zh, level_name_en, color
        Level, its names and the edition's colour.
    primary
        Pollutants with the largest sub-index; China names none up to 50.
    sub_indices
        Sub-index by pollutant.
    missing, invalid
        Pollutants that were asked for and have no value, or one that cannot be.
    reason
        Why there is no index.
    edition, period
        The rules that were applied.
    """

    value: int | None
    level: int | None
    level_name_zh: str | None
    level_name_en: str | None
    color: str | None
    primary: tuple[str, ...]
    sub_indices: Mapping[str, int | None] = field(hash=False)
    missing: tuple[str, ...]
    invalid: tuple[str, ...]
    reason: str | None
    edition: str
    period: str

    def tidy(self) -> pl.DataFrame:
        """Return one row per pollutant with its sub-index and whether it is primary."""
        return pl.DataFrame(
            {
                "pollutant": list(self.sub_indices),
                "iaqi": list(self.sub_indices.values()),
                "is_primary": [s in self.primary for s in self.sub_indices],
            },
            schema_overrides={"iaqi": pl.Int64},
        )


def aqi_of(
    *,
    edition: str = BY_DATE,
    period: Period = "day",
    date: dt.date | str | None = None,
    hourly_pm: HourlyPm = "24h",
    reference: str | float | None = None,
    beyond: Beyond = "cap",
    table: pl.DataFrame | None = None,
    **concentrations: float | None,
) -> Aqi:
    """Return the air-quality index of given concentrations.

    Parameters
    ----------
    edition, period, hourly_pm, reference, beyond, table
        As in :func:`aqi`. For US EPA hours, ``pm25_ugm3`` and ``pm10_ugm3`` are taken to be NowCast means already.
    date
        Day that chooses the edition, for ``"by-date"``.
    **concentrations
        Values by column name, for example ``pm25_ugm3=60`` or ``o3_mda8_ugm3=150``. A pollutant that is not passed
        counts as not monitored; pass ``None`` for one that was monitored and is missing.

    Raises
    ------
    UnknownNameError
        No such edition, or a name that the edition does not ask for.
    SchemaError
        No concentration was given, or ``reference`` is needed.
    RangeError
        By date, and none was given or it lies before the first edition.
    UnitError
        CO was surely given in µg/m³.

    Examples
    --------
    >>> found = aqi_of(pm25_ugm3=75, pm10_ugm3=150, edition="hj633-2026")
    >>> found.value, found.primary, found.level_name_en, dict(found.sub_indices)
    (114, ('pm25',), 'Lightly polluted', {'pm25': 114, 'pm10': 112})
    >>> aqi_of(pm25_ugm3=75, pm10_ugm3=150, edition="hj633-2012").value
    100
    """
    if edition == BY_DATE:
        if date is None:
            raise RangeError("aqi_of by date needs date=, for example date='2026-03-01'; or name an edition.")
        edition = edition_on(dt.date.fromisoformat(date) if isinstance(date, str) else date)
    rules = _indicator_rules(edition, period, hourly_pm, frozenset())
    known = {c for r in rules for c in (r["column"], r["mixing_column"]) if c}
    for column in concentrations.keys() - known:
        raise suggest(column, known, what=f"column of {edition} ({period})", see="citylab.air.indices.needed_columns")
    if not concentrations:
        raise SchemaError(f"aqi_of needs at least one concentration, for example {sorted(known)[0]}=…")
    row = pl.LazyFrame({c: [v] for c, v in concentrations.items()}, schema=dict.fromkeys(concentrations, pl.Float64()))
    left_out = frozenset(r["indicator"] for r in rules if not {r["column"], r["mixing_column"]} & concentrations.keys())
    plan = _plan(edition, row, row.collect_schema(), table, None, period=period, left_out=left_out,
                 hourly_pm=hourly_pm, reference=reference, beyond=beyond)  # fmt: skip
    found = _indexed(row, [plan], _picker([plan], "", by_date=False), has_type=False).collect().row(0, named=True)

    def split(text: str | None) -> tuple[str, ...]:
        return tuple(text.split("+")) if text else ()

    return Aqi(
        found["aqi"],
        found["aqi_level"],
        found["aqi_level_name_zh"],
        found["aqi_level_name_en"],
        found["aqi_color"],
        split(found["aqi_primary"]),
        {s: found[f"{s}_iaqi"] for s in plan.sub_indices},
        split(found["aqi_missing"]),
        split(found["aqi_invalid"]),
        found["aqi_reason"],
        found["aqi_edition"],
        period,
    )


def concentration_at(
    indicator: str, index: float, *, edition: str, period: Period = "day", table: pl.DataFrame | None = None
) -> float:
    """Return the concentration at which a sub-index is reached: the inverse of the broken line.

    Rounding is left aside: it is the exact concentration on the line. For the bands of the EEA and the UK it is the
    upper bound of the band.

    Parameters
    ----------
    indicator
        Pollutant (``"pm25"``; the indicator of ``period`` is taken) or indicator (``"o3_1h"``).
    index
        The sub-index.
    edition, period, table
        As in :func:`aqi`.

    Returns
    -------
    float
        Concentration in the unit of the edition's breakpoints (China: µg/m³, CO mg/m³; US gases: ppm or ppb).

    Raises
    ------
    UnknownNameError
        No such edition or indicator.
    RangeError
        The edition has no such sub-index for this pollutant.

    Examples
    --------
    >>> [concentration_at("pm25", 100, edition=e) for e in ("hj633-2012", "hj633-2026")]
    [75.0, 60.0]
    >>> concentration_at("pm25", 150, edition="hj633-2026")
    115.0
    """
    name = indicator
    if indicator in POLLUTANTS:
        own = [r for r in _indicator_rules(edition, period, "24h", frozenset()) if r["pollutant"] == indicator]
        if not own:
            raise suggest(indicator, [r["pollutant"] for r in _rows("air_aqi_indicators", edition=edition)],
                          what=f"pollutant of {edition}", see="the table air_aqi_indicators")  # fmt: skip
        name = own[0]["indicator"]
    points = _points(edition, name, table)
    bands = _edition(edition)["index_rule"] == "bands"
    for (c1, i1), (c2, i2) in pairwise(points):
        if i1 <= index <= i2 and not bands:
            return c1 + (c2 - c1) * (index - i1) / (i2 - i1)
    for c, i in points:
        if bands and i == index:
            return c
    raise RangeError(
        f"{name} has no sub-index {index:g} under {edition}: its breakpoints go from {points[0][1]:g} to "
        f"{points[-1][1]:g}" + (" in whole bands." if bands else ".")
    )


# Several rows ---------------------------------------------------------------------------------------------------------


def _raise_if_mixed(values: pl.Series) -> pl.Series:
    found = values.drop_nulls().unique().sort().to_list()
    if len(found) > 1:
        raise EditionError(
            f"The rows stand under {len(found)} editions ({', '.join(found)}), whose values do not compare. Compute "
            "them under one edition for the whole span (edition=...), or say allow_mixed=True."
        )
    return values


def check_one_edition(frame: Frame, *, column: str = "aqi_edition", allow_mixed: bool = False) -> Frame:
    """Return a frame unchanged if all its rows stand under one edition.

    Parameters
    ----------
    frame
        A frame with the edition of each row.
    column
        Column of the edition: ``aqi_edition`` or ``limit_standard``.
    allow_mixed
        Let rows of several editions through.

    Raises
    ------
    SchemaError
        The column is missing.
    EditionError
        Rows of several editions (of a LazyFrame: on collecting).

    Examples
    --------
    >>> check_one_edition(pl.DataFrame({"aqi": [100, 114], "aqi_edition": ["hj633-2012", "hj633-2026"]}))
    Traceback (most recent call last):
    ...
    citylab.errors.EditionError: The rows stand under 2 editions (hj633-2012, hj633-2026), ...
    """
    lf, back = lazily(frame)
    need_columns(lf, [column], what="check_one_edition")
    if allow_mixed:
        return frame
    return back(lf.with_columns(pl.col(column).map_batches(_raise_if_mixed, return_dtype=pl.String())))


def mean_aqi(
    frame: Frame, *, by: str | Sequence[str] | None = None, value: str = "aqi", allow_mixed: bool = False
) -> Frame:
    """Return the mean of an index, and refuse to mix editions.

    Parameters
    ----------
    frame
        What :func:`aqi` gives.
    by
        Grouping columns; ``None`` takes the whole frame.
    value
        The index or a sub-index.
    allow_mixed
        Mix editions all the same; ``aqi_edition`` then names them all.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group, sorted: ``by``, ``value`` (mean), ``n`` (rows with an index), ``aqi_edition``.

    Raises
    ------
    SchemaError
        A column is missing.
    EditionError
        Rows of several editions anywhere in the frame, as two groups would be compared (of a LazyFrame: on collecting).

    Examples
    --------
    >>> days = pl.DataFrame({"aqi": [50, 60, None], "aqi_edition": ["hj633-2026"] * 3})
    >>> mean_aqi(days).row(0)
    (55.0, 2, 'hj633-2026')
    """
    lf, back = lazily(frame)
    keys: list[str] = keys_of(by)
    need_columns(lf, [*keys, value, "aqi_edition"], what="mean_aqi")
    lf = check_one_edition(lf, allow_mixed=allow_mixed)
    number = pl.col(value).cast(pl.Float64)
    parts = [number.mean(), number.count().cast(pl.Int64).alias("n"),
             pl.col("aqi_edition").drop_nulls().unique().sort().str.join("+")]  # fmt: skip
    done: pl.LazyFrame = lf.group_by(keys).agg(parts).sort(keys) if keys else lf.select(parts)
    return back(done)


def city_concentrations(
    frame: Frame,
    *,
    by: str | Sequence[str] = "date_local",
    min_stations: int,
    values: Iterable[str] | None = None,
) -> Frame:
    """Return the city's concentrations: the mean over its stations, from which its index is computed.

    Stations have equal weight. Which stations belong to the city is the caller's to say: background stations are
    usually left out of it.

    Parameters
    ----------
    frame
        One row per station and day (or hour).
    by
        Column or columns of the time.
    min_stations
        Least number of stations with a value; with fewer, the city's value is null.
    values
        Columns to average; by default every concentration that the indices know and the frame has.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per time, sorted: ``by``, the means, and ``<column>_station_count`` without its unit
        (``pm25_station_count``).

    Raises
    ------
    SchemaError
        A column is missing, or there is no concentration.
    RangeError
        ``min_stations`` is below 1.

    Examples
    --------
    >>> stations = pl.DataFrame({"station_id": ["a", "b"], "date_local": [dt.date(2026, 3, 1)] * 2,
    ...                          "pm25_ugm3": [60.0, 120.0]})
    >>> city_concentrations(stations, min_stations=2).row(0)
    (datetime.date(2026, 3, 1), 90.0, 2)

    References
    ----------
    HJ 663-2013 (city = mean of its stations' concentrations; clause from memory); HJ 633-2026, clause 5.
    """
    if min_stations < 1:
        raise RangeError(f"min_stations is {min_stations}; a city's mean needs at least 1 station.")
    lf, back = lazily(frame)
    keys: list[str] = keys_of(by)
    schema = need_columns(lf, ["station_id", *keys], what="city_concentrations")
    table: pl.DataFrame = tables.read("air_aqi_indicators")
    known = {*table["column"], *table["mixing_column"].drop_nulls()}
    columns: list[str] = [c for c in schema.names() if c in known] if values is None else list(values)
    need_columns(lf, columns, what="city_concentrations")
    if not columns:
        raise SchemaError(f"city_concentrations found no concentration among {schema.names()}; name them in values=.")
    need_numbers(schema, columns, what="city_concentrations")
    parts = []
    for c in columns:
        value = pl.col(c).cast(pl.Float64)
        good = value.filter(value.is_finite())
        stem = c.rpartition("_")[0]
        parts += [
            pl.when(good.count() >= min_stations).then(good.mean()).alias(c),
            good.count().cast(pl.Int64).alias(f"{stem}_station_count"),
        ]
    return back(lf.group_by(keys).agg(parts).sort(keys))
