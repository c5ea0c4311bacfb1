"""Limits for concentrations: which days exceed them, how a year is judged, the composite index, when a year is lost.

China's limits changed on 2026-03-01 and change again on 2031-01-01. Every function takes the standard from the date
unless told otherwise, writes it beside the result, and refuses a year or a count that two standards share. The
constants stand in the declared tables ``air_limits``, ``air_assessment``, ``air_composite_weights`` and
``air_editions``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any, Literal

import polars as pl

from citylab import tables
from citylab.air.averages import annual_mean, annual_percentile, percentile
from citylab.air.indices import BY_DATE, POLLUTANTS, round_half_even
from citylab.errors import EditionError, RangeError, SchemaError, suggest
from citylab.frames import Frame, keys_of, lazily, need_columns, need_numbers, need_wall_clock, refuse

Averaging = Literal["24h", "1h"]

GRADES = {"一级": "class1", "二级": "class2", "class1": "class1", "class2": "class2"}
"""Grades of GB 3095 and their Chinese names: class1 for nature, class2 for where people live and work."""

_MEANING = {"24h": "daily mean", "8h": "highest 8-hour mean of the day", "1h": "1-hour mean", "annual": "daily mean"}
_DAILY = ("24h", "8h")
_ALL_PLACES = "all"
_HAIR = 1e-9
_PERCENT = 100
_COMPOSITE_DECIMALS = 3  # 城市环境空气质量排名技术规定 (2018)


# What is declared -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit and where it stands.

    Attributes
    ----------
    value, unit
        The limit [``unit``].
    pollutant, averaging, grade, standard
        What it is a limit of: ``averaging`` is ``annual``, ``24h``, ``8h``, ``1h`` and others of the table.
    decimals
        Decimals to which the statistic is rounded before it is compared; ``None`` = it is not.
    percentile
        Share of days that must meet the limit, where it is meant so (WHO 0.99).
    mark, source
        How sure the number is, and its standard.
    """

    value: float
    unit: str
    pollutant: str
    averaging: str
    grade: str
    standard: str
    decimals: int | None
    percentile: float | None
    mark: str
    source: str


def limit_of(
    pollutant: str,
    averaging: str,
    *,
    standard: str,
    grade: str = "class2",
    table: pl.DataFrame | None = None,
) -> Limit:
    """Return a limit.

    Parameters
    ----------
    pollutant
        ``"pm25"``, ``"pm10"``, ``"so2"``, ``"no2"``, ``"co"``, ``"o3"``; in GB 3095-2026 also ``"tsp"``, ``"nox"``,
        ``"pb"``, ``"bap"``.
    averaging
        ``"annual"``, ``"24h"``, ``"1h"``, ``"8h"`` (ozone: highest of the day), ``"peak_season"``, ``"10min"``,
        ``"15min"``, ``"quarter"``.
    standard
        ``"gb3095-2012"``, ``"gb3095-2026-transition"``, ``"gb3095-2026"`` (from 2031), ``"who-2021-aqg"``,
        ``"who-2021-it1"`` to ``"who-2021-it4"``.
    grade
        ``"class1"`` (一级) or ``"class2"`` (二级); the WHO's hold everywhere.
    table
        Limits to use in place of the declared table ``air_limits``.

    Raises
    ------
    UnknownNameError
        No such standard or grade, or a limit that the standard does not have.

    Examples
    --------
    >>> [limit_of("pm25", "24h", standard=s).value for s in ("gb3095-2012", "gb3095-2026-transition", "gb3095-2026")]
    [75.0, 60.0, 50.0]

    References
    ----------
    GB 3095-2012 and GB 3095-2026, table 1; WHO global air quality guidelines 2021.
    """
    rows = _limits(standard, grade, table)
    if (pollutant, averaging) not in rows:
        times = [a for p, a in rows if p == pollutant]
        if not times:
            raise suggest(pollutant, {p for p, _ in rows}, what=f"pollutant of {standard}", see="the table air_limits")
        raise suggest(averaging, times, what=f"averaging time of {pollutant} in {standard}", see="the table air_limits")
    return rows[pollutant, averaging]


def _limits(standard: str, grade: str, table: pl.DataFrame | None) -> dict[tuple[str, str], Limit]:
    every = tables.read("air_limits") if table is None else table
    known = every["standard"].unique().to_list()
    if standard not in known:
        raise suggest(standard, [BY_DATE, *known], what="standard of limits", see="the table air_limits")
    if grade not in GRADES:
        raise suggest(grade, GRADES, what="grade", see="citylab.air.limits.GRADES")
    rows = every.filter(pl.col("standard") == standard, pl.col("grade").is_in([GRADES[grade], _ALL_PLACES]))
    return {
        (r["pollutant"], r["averaging"]): Limit(
            r["limit"], r["unit"], r["pollutant"], r["averaging"], r["grade"], standard, r["decimals"], r["percentile"],
            r["mark"], r["source"],
        )
        for r in rows.iter_rows(named=True)
    }  # fmt: skip


def column_of(pollutant: str, averaging: str) -> str:
    """Return citylab's column for a pollutant under an averaging time.

    Examples
    --------
    >>> column_of("pm25", "24h"), column_of("o3", "8h"), column_of("co", "1h")
    ('pm25_ugm3', 'o3_mda8_ugm3', 'co_mgm3')
    """
    unit = "mgm3" if pollutant == "co" else "ugm3"
    part = {"o3": "_mda8", "co": "_max8h"}.get(pollutant, "") if averaging == "8h" else ""
    return f"{pollutant}{part}_{unit}"


def _periods() -> list[dict[str, Any]]:
    every = tables.read("air_editions").filter(kind="limits", region="CN")
    return every.sort("applied_from").rows(named=True)


def _standards(standard: str) -> list[str]:
    return [r["edition"] for r in _periods()] if standard == BY_DATE else [standard]


def _by_day(standard: str, date: str, of: Mapping[str, Any]) -> pl.Expr:
    """Return per row what belongs to its standard; null before the first one."""
    if standard != BY_DATE:
        return pl.lit(of[standard])
    chain: Any = pl
    for r in _periods():
        day, last = pl.col(date), r["effective_to"]
        inside = day >= r["applied_from"]
        chain = chain.when(inside & (day <= last) if last else inside).then(pl.lit(of[r["edition"]]))
    found: pl.Expr = chain
    return found


def _finite(column: str) -> pl.Expr:
    value = pl.col(column).cast(pl.Float64)
    return pl.when(value.is_finite() & (value >= 0)).then(value)


def _compared(value: pl.Expr, limit: Limit, round_first: bool) -> pl.Expr:
    return round_half_even(value, limit.decimals) if round_first and limit.decimals is not None else value


# Days and hours -------------------------------------------------------------------------------------------------------


def exceedance(
    frame: Frame,
    *,
    standard: str = BY_DATE,
    grade: str = "class2",
    averaging: Averaging = "24h",
    pollutants: Iterable[str] | None = None,
    date: str = "date_local",
    round_first: bool = True,
    table: pl.DataFrame | None = None,
) -> Frame:
    """Return a frame with what exceeds its limit, and by how much.

    Parameters
    ----------
    frame
        One row per place and day (or hour). A missing, negative or not finite value is neither above nor below.
    standard
        ``"by-date"`` takes the Chinese limits in force on the row's day; otherwise one of those in :func:`limit_of`.
    grade
        ``"class2"`` (二级) or ``"class1"`` (一级).
    averaging
        ``"24h"``: daily means, and ozone by its highest 8-hour mean of the day; ``"1h"``: hours.
    pollutants
        Which to compare. By default all of the six that the standard limits, so that ozone cannot be forgotten quietly.
    date
        Column of the row's day, for ``"by-date"``.
    round_first
        Round the value as the standard says before it is compared (GB/T 8170: integers, CO to 0.1; from memory). The
        WHO's limits are compared unrounded.
    table
        Limits to use in place of the declared table ``air_limits``.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        The frame with, per pollutant, ``<pollutant>_limit``, ``is_<pollutant>_exceeded`` and
        ``<pollutant>_over_limit_multiple`` ((C - S)/S, 0 where the limit is met), and with ``limit_standard``. Days
        before the first standard have nulls.

    Raises
    ------
    UnknownNameError
        No such standard, grade or pollutant.
    SchemaError
        A column is missing or holds no numbers, or ``date`` no dates.

    Examples
    --------
    >>> days = pl.DataFrame({"date_local": [dt.date(2026, 2, 28), dt.date(2026, 3, 1)], "pm25_ugm3": [72.0, 72.0]})
    >>> exceedance(days, pollutants=["pm25"]).select(pl.exclude("date_local", "pm25_ugm3")).rows()
    [(75.0, False, 0.0, 'gb3095-2012'), (60.0, True, 0.2, 'gb3095-2026-transition')]

    References
    ----------
    GB 3095-2012 and GB 3095-2026, table 1; HJ 663-2013, over-limit multiple (clause from memory).
    """
    lf, back = lazily(frame)
    if averaging not in ("24h", "1h"):
        raise suggest(averaging, ["24h", "1h"], what="averaging", see="citylab.air.limits.exceedance")
    kinds = _DAILY if averaging == "24h" else ("1h",)
    by_standard = {s: _limits(s, grade, table) for s in _standards(standard)}
    chosen = _limited(by_standard, kinds, pollutants)
    columns = {p: column_of(p, a) for p, a in chosen.items()}
    schema = need_columns(lf, {c: _MEANING[chosen[p]] for p, c in columns.items()}, what="exceedance")
    need_numbers(schema, columns.values(), what="exceedance")
    if standard == BY_DATE:
        _need_dates(lf, date, what="exceedance")
    added: list[pl.Expr] = []
    for p, c in columns.items():
        limits = {s: rows[p, chosen[p]] for s, rows in by_standard.items()}
        limit = _by_day(standard, date, {s: x.value for s, x in limits.items()})
        value = _compared(_finite(c), next(iter(limits.values())), round_first)
        above = value > limit + _HAIR
        multiple = pl.when(above).then((value - limit) / limit).when(above.not_()).then(pl.lit(0.0))
        added += [
            limit.alias(f"{p}_limit"),
            above.alias(f"is_{p}_exceeded"),
            multiple.alias(f"{p}_over_limit_multiple"),
        ]
    added.append(_by_day(standard, date, {s: s for s in by_standard}).alias("limit_standard"))
    return back(lf.with_columns(added))


def _limited(
    by_standard: Mapping[str, Mapping[tuple[str, str], Limit]], kinds: Sequence[str], pollutants: Iterable[str] | None
) -> dict[str, str]:
    """Return the averaging time of every pollutant that all the standards limit so."""
    common = set.intersection(*(set(rows) for rows in by_standard.values()))
    able = {p: a for p in POLLUTANTS for a in kinds if (p, a) in common and not (p == "co" and a == "8h")}
    if pollutants is None:
        return able
    names = [pollutants] if isinstance(pollutants, str) else list(pollutants)
    for p in names:
        if p not in able:
            raise suggest(p, able, what=f"pollutant limited by {', '.join(by_standard)}", see="the table air_limits")
    return {p: able[p] for p in names}


def _need_dates(lf: pl.LazyFrame, date: str, *, what: str) -> None:
    schema = need_columns(lf, {date: "day in Asia/Shanghai"}, what=what)
    need_wall_clock(schema, date, what=what, dates=True)
    if schema[date] != pl.Date:
        raise SchemaError(
            f"{what} needs dates in {date!r}, which is {schema[date]}. Make them with citylab.periods.date_of_hour."
        )


def exceedance_summary(
    frame: Frame,
    *,
    by: str | Sequence[str] | None = "station_id",
    every_year: bool = True,
    date: str = "date_local",
    allow_mixed: bool = False,
) -> Frame:
    """Return how many days exceed, the share that comply, and the worst excess.

    Parameters
    ----------
    frame
        What :func:`exceedance` gives.
    by
        Grouping columns; ``None`` takes the whole frame.
    every_year
        Group by calendar year too.
    date
        Column of the day.
    allow_mixed
        Count days under two standards together all the same.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group and pollutant, and one with ``pollutant`` ``"any"``, sorted: the grouping columns (and
        ``year``), ``pollutant``, ``n`` (rows with a value; for ``any`` those with an excess or with all values),
        ``exceedance_n``, ``compliance_share`` (达标率: rows that meet the limit as a share of n), ``worst_multiple``
        and ``limit_standard``.

    Raises
    ------
    SchemaError
        The frame does not come from :func:`exceedance`.
    EditionError
        On collecting: rows of a group stand under two standards.

    Examples
    --------
    >>> days = pl.DataFrame({"date_local": [dt.date(2014, 1, d) for d in (1, 2, 3)], "pm25_ugm3": [74.0, 150.0, None]})
    >>> told = exceedance_summary(exceedance(days, pollutants=["pm25"]), by=None)
    >>> told.filter(pollutant="pm25").rows()
    [(2014, 'pm25', 2, 1, 0.5, 1.0, 'gb3095-2012')]

    References
    ----------
    HJ 663-2013 and HJ 663-2026, compliance rate (clause from memory).
    """
    lf, back = lazily(frame)
    names = lf.collect_schema().names()
    found: list[str] = [p for p in POLLUTANTS if f"is_{p}_exceeded" in names]
    keys: list[str] = keys_of(by)
    need_columns(lf, [*keys, "limit_standard", date], what="exceedance_summary")
    if not found:
        raise SchemaError(f"exceedance_summary needs what exceedance gives; the frame has {names}.")
    if every_year:
        lf, keys = lf.with_columns(pl.col(date).dt.year().cast(pl.Int64).alias("year")), [*keys, "year"]
    flags = [pl.col(f"is_{p}_exceeded") for p in found]
    lf = lf.with_columns(
        is_any_exceeded=reduce(or_, flags),
        any_over_limit_multiple=pl.max_horizontal([f"{p}_over_limit_multiple" for p in found]),
    )
    parts = []
    for order, p in enumerate([*found, "any"]):
        flag, multiple = pl.col(f"is_{p}_exceeded"), pl.col(f"{p}_over_limit_multiple")
        n, above = flag.count().cast(pl.Int64), flag.sum().cast(pl.Int64)
        figures = [
            pl.lit(p).alias("pollutant"), n.alias("n"), above.alias("exceedance_n"),
            pl.when(n > 0).then((n - above) / n).alias("compliance_share"),
            pl.when(n > 0).then(multiple.filter(flag.is_not_null()).max()).alias("worst_multiple"),
            pl.col("limit_standard").drop_nulls().unique().sort().str.join("+"), pl.lit(order).alias("__order"),
        ]  # fmt: skip
        parts.append(lf.group_by(keys).agg(figures) if keys else lf.select(figures))
    told = pl.concat(parts).sort([*keys, "__order"]).drop("__order")
    if not allow_mixed:
        told = told.with_columns(pl.col("limit_standard").map_batches(_refuse_joined, return_dtype=pl.String()))
    return back(told)


def _refuse_joined(values: pl.Series) -> pl.Series:
    mixed = values.filter(values.str.contains("+", literal=True).fill_null(False)).unique()
    if mixed.len():
        raise EditionError(
            f"A group holds days under {mixed[0].replace('+', ' and ')}; their counts cannot be added up. Compare the "
            "days with one standard (standard=...), group them so that no group crosses the change, or say "
            "allow_mixed=True."
        )
    return values


# A year ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Item:
    """One figure by which a year is judged."""

    pollutant: str
    averaging: str
    share: float | None

    @property
    def column(self) -> str:
        return column_of(self.pollutant, "8h" if self.pollutant == "o3" else "24h")

    @property
    def statistic(self) -> str:
        return "mean" if self.share is None else f"p{self.share * _PERCENT:g}"


def _items(standard: str, limits: Mapping[tuple[str, str], Limit], assessment: pl.DataFrame | None) -> list[_Item]:
    if standard.startswith("who"):
        return [
            _Item(x.pollutant, x.averaging, None if x.averaging == "annual" else x.percentile)
            for x in limits.values()
            if x.averaging == "annual" or x.percentile is not None
        ]
    every = tables.read("air_assessment") if assessment is None else assessment
    last = every["edition"].unique().sort()
    edition = last[0] if standard == "gb3095-2012" else last[-1]
    return [
        _Item(r["pollutant"], r["averaging"], r["share"]) for r in every.filter(edition=edition).iter_rows(named=True)
    ]


def annual_assessment(
    frame: Frame,
    *,
    standard: str = BY_DATE,
    grade: str = "class2",
    by: str | Sequence[str] | None = "station_id",
    date: str = "date_local",
    pollutants: Iterable[str] | None = None,
    validity: str = BY_DATE,
    round_first: bool = True,
    table: pl.DataFrame | None = None,
    assessment: pl.DataFrame | None = None,
) -> Frame:
    """Return how a year's daily values stand against the limits: annual means and percentiles.

    China judges SO2 and NO2 by the annual mean and the 98th percentile of daily means, PM10 and PM2.5 by the annual
    mean and the 95th, CO by the 95th, ozone by the 90th of its daily 8-hour maxima. The WHO's limits are compared
    with the annual mean and the 99th percentile.

    Parameters
    ----------
    frame
        One row per group and day, with daily means and ``o3_mda8_ugm3``.
    standard, grade, date, round_first, table
        As in :func:`exceedance`. 2026 stands under two sets of limits: by date it is refused, name one.
    by
        Grouping columns; ``None`` takes the whole frame.
    pollutants
        Which to judge; by default all six, so that none is forgotten quietly.
    validity
        Edition of the rules how many days a year needs; see :func:`citylab.air.averages.annual_mean`.
    assessment
        What a year is judged by, in place of the declared table ``air_assessment``.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group, year, pollutant and statistic, sorted: ``pollutant``, ``statistic`` (``mean``, ``p98``
        ...), ``averaging`` of the limit, ``value`` (null where not valid), ``limit``, ``is_met``,
        ``over_limit_multiple``, ``n`` (days), ``capture_share``, ``is_valid``, ``reason``, ``limit_standard``,
        ``validity_edition``.

    Raises
    ------
    UnknownNameError
        No such standard, grade or pollutant.
    SchemaError
        A column is missing.
    EditionError
        By date, on collecting: a year that two standards share (2026).

    Examples
    --------
    >>> year = pl.date_range(dt.date(2014, 1, 1), dt.date(2014, 12, 31), eager=True)
    >>> frame = pl.DataFrame({"date_local": year, "pm25_ugm3": [80.0] * 365})
    >>> annual_assessment(frame, by=None, pollutants=["pm25"]).select("statistic", "value", "limit", "is_met").rows()
    [('mean', 80.0, 35.0, False), ('p95', 80.0, 75.0, False)]

    References
    ----------
    HJ 663-2013 and HJ 663-2026, table 1; GB 3095, tables 1 and 4; WHO global air quality guidelines 2021.
    """
    lf, back = lazily(frame)
    keys: list[str] = keys_of(by)
    _need_dates(lf, date, what="annual_assessment")
    by_standard = {s: _limits(s, grade, table) for s in _standards(standard)}
    items = list(dict.fromkeys(i for s, rows in by_standard.items() for i in _items(s, rows, assessment)))
    if pollutants is not None:
        wanted = [pollutants] if isinstance(pollutants, str) else list(pollutants)
        for p in wanted:
            if p not in {i.pollutant for i in items}:
                raise suggest(p, {i.pollutant for i in items}, what="pollutant", see="the table air_assessment")
        items = [i for i in items if i.pollutant in wanted]
    needed = {i.column: _MEANING["8h" if i.pollutant == "o3" else "24h"] for i in items}
    need_columns(lf, {**dict.fromkeys(keys, ""), **needed}, what="annual_assessment")
    parts = []
    for share in dict.fromkeys(i.share for i in items):
        own = [i for i in items if i.share == share]
        columns = [i.column for i in own]
        if share is None:
            made = annual_mean(lf, columns, by=by, time=date, edition=validity)
        else:
            made = annual_percentile(lf, columns, percent=share * _PERCENT, by=by, time=date, edition=validity)
        parts += [_long(made, i, keys, standard, by_standard, round_first, items.index(i)) for i in own]
    done = pl.concat(parts).sort([*keys, "year", "__order"]).drop("__order")
    return back(done)


def _long(
    made: pl.LazyFrame,
    item: _Item,
    keys: Sequence[str],
    standard: str,
    by_standard: Mapping[str, Mapping[tuple[str, str], Limit]],
    round_first: bool,
    order: int,
) -> pl.LazyFrame:
    stem = item.column.rpartition("_")[0]
    limits = {s: rows[item.pollutant, item.averaging] for s, rows in by_standard.items()}
    year = pl.col("year").cast(pl.Int64)
    if standard == BY_DATE:
        year = year.map_batches(_refuse_split, return_dtype=pl.Int64(), is_elementwise=True)
    made = made.with_columns(year.alias("year"), pl.date("year", 12, 31).alias("__day"))
    value = pl.col(item.column)
    limit = _by_day(standard, "__day", {s: x.value for s, x in limits.items()})
    stated = _compared(value, next(iter(limits.values())), round_first)
    met = stated <= limit + _HAIR
    return made.select(
        *keys,
        "year",
        pl.lit(item.pollutant).alias("pollutant"),
        pl.lit(item.statistic).alias("statistic"),
        pl.lit(item.averaging).alias("averaging"),
        value.alias("value"),
        limit.alias("limit"),
        met.alias("is_met"),
        pl.when(met).then(pl.lit(0.0)).otherwise((stated - limit) / limit).alias("over_limit_multiple"),
        pl.col(f"{stem}_n").cast(pl.Int64).alias("n"),
        pl.col(f"{stem}_capture_share").alias("capture_share"),
        pl.col(f"{stem}_is_valid").alias("is_valid"),
        pl.col(f"{stem}_reason").alias("reason"),
        _by_day(standard, "__day", {s: s for s in by_standard}).alias("limit_standard"),
        "validity_edition",
        pl.lit(order).alias("__order"),
    )


def _refuse_split(years: pl.Series) -> pl.Series:
    for year in years.drop_nulls().unique().sort():
        first, last = dt.date(int(year), 1, 1), dt.date(int(year), 12, 31)
        inside = [
            r["edition"] for r in _periods() if r["applied_from"] <= last and (r["effective_to"] or last) >= first
        ]
        if len(inside) > 1:
            raise EditionError(
                f"{year} stands under {' and '.join(inside)}: a year cannot be judged by two sets of limits. Name one, "
                f"for example standard={inside[-1]!r}, and say so."
            )
    return years


# The composite index --------------------------------------------------------------------------------------------------


def composite_index(
    frame: Frame,
    *,
    weights: str = "2013",
    by: str | Sequence[str] | None = None,
    table: pl.DataFrame | None = None,
) -> Frame:
    r"""Return the composite index of air quality (环境空气质量综合指数) of the days of each group.

    Parameters
    ----------
    frame
        One row per day, of a city or a station, with daily means and ``o3_mda8_ugm3``.
    weights
        ``"2013"``: every weight 1, limits of GB 3095-2012, as cities have been ranked. ``"2026-code"``: weights 3 for
        PM2.5, 2 for NO2 and O3, limits of the transition; found in public code only, not in the text of a standard.
    by
        Grouping columns, a month or a station for example; ``None`` takes the whole frame.
    table
        Weights to use in place of the declared table ``air_composite_weights``.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group, sorted: ``composite_index`` (3 decimals; null if a pollutant has no value),
        ``composite_main`` (pollutants with the largest term, ties joined by ``+``), ``<pollutant>_composite_term``,
        ``composite_n`` (days of the pollutant that has fewest), ``composite_weights``.

    Raises
    ------
    UnknownNameError
        No such weights.
    SchemaError
        A column is missing.

    Notes
    -----
    :math:`I = \sum_i w_i C_i / S_i`, not divided by the sum of weights; C is the mean of SO2, NO2, PM10 and PM2.5,
    the 95th percentile of CO, the 90th of ozone. Values under different ``weights`` do not compare.

    Examples
    --------
    >>> day = pl.DataFrame({"so2_ugm3": 30.0, "no2_ugm3": 40.0, "pm10_ugm3": 70.0, "pm25_ugm3": 70.0, "co_mgm3": 2.0,
    ...                     "o3_mda8_ugm3": 80.0})
    >>> composite_index(day).select("composite_index", "composite_main").row(0)
    (5.5, 'pm25')

    References
    ----------
    城市环境空气质量排名技术规定 (环办监测〔2018〕19 号).
    """
    lf, back = lazily(frame)
    every = tables.read("air_composite_weights").cast({"edition": pl.String}) if table is None else table
    known = every["edition"].cast(pl.String).unique().to_list()
    if weights not in known:
        raise suggest(weights, known, what="set of weights", see="the table air_composite_weights")
    rows = every.filter(pl.col("edition").cast(pl.String) == weights).rows(named=True)
    keys: list[str] = keys_of(by)
    columns = {r["pollutant"]: column_of(r["pollutant"], "8h" if r["pollutant"] == "o3" else "24h") for r in rows}
    meaning = {c: _MEANING["8h" if p == "o3" else "24h"] for p, c in columns.items()}
    schema = need_columns(lf, {**dict.fromkeys(keys, ""), **meaning}, what="composite_index")
    need_numbers(schema, columns.values(), what="composite_index")
    terms, counts = [], []
    for r in rows:
        value = _finite(columns[r["pollutant"]])
        figure = value.mean() if r["share"] is None else percentile(value, r["share"] * _PERCENT)
        terms.append((figure / r["standard_value"] * r["weight"]).alias(f"{r['pollutant']}_composite_term"))
        counts.append(value.count().cast(pl.Int64).alias(f"__n_{r['pollutant']}"))
    told: pl.LazyFrame = lf.group_by(keys).agg(*terms, *counts) if keys else lf.select(*terms, *counts)
    names = [f"{r['pollutant']}_composite_term" for r in rows]
    total = pl.sum_horizontal(names, ignore_nulls=False)
    largest = pl.max_horizontal(names)
    main = pl.concat_str(
        [pl.when(pl.col(n) >= largest - _HAIR).then(pl.lit(n.removesuffix("_composite_term"))) for n in names],
        separator="+", ignore_nulls=True,
    )  # fmt: skip
    told = told.select(
        *keys,
        round_half_even(total, _COMPOSITE_DECIMALS).alias("composite_index"),
        pl.when(total.is_not_null()).then(main).alias("composite_main"),
        *names,
        pl.min_horizontal([f"__n_{r['pollutant']}" for r in rows]).alias("composite_n"),
        pl.lit(weights).alias("composite_weights"),
    )
    return back(told.sort(keys) if keys else told)


# When a year is lost --------------------------------------------------------------------------------------------------


def first_day_annual_limit_lost(
    frame: Frame,
    limit: float,
    *,
    value: str = "pm25_ugm3",
    by: str | Sequence[str] | None = None,
    date: str = "date_local",
    missing: Literal["excluded", "zero"] = "excluded",
) -> Frame:
    """Return the first day after which the annual mean cannot meet the limit, even if all later days were zero.

    Parameters
    ----------
    frame
        One row per group and day, in any order.
    limit
        Limit of the annual mean [unit of ``value``], for example ``limit_of("pm25", "annual", standard=...).value``.
        It is compared unrounded.
    value
        Column of daily means.
    by
        Grouping columns; ``None`` takes the whole frame.
    date
        Column of the day.
    missing
        What days up to then without a value count for: ``"excluded"`` leaves them out of the mean, as the annual mean
        does; ``"zero"`` takes them as zero, the most lenient reading. Later days always count, with zero.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group and calendar year, sorted: ``by``, ``year``, ``first_day_lost`` (null if it never is), ``n``
        (days with a value), ``day_count`` (days of the year), ``mean`` (of the days with a value), ``limit``,
        ``missing``.

    Raises
    ------
    SchemaError
        A column is missing, or ``date`` holds no dates.
    RangeError
        The limit is not above zero.
    DataError
        On collecting: two rows of one group on one day.

    Notes
    -----
    With S the sum of the daily means so far and N the days that will be in the mean (all days of the year, less those
    already missing), the year is lost as soon as S > limit × N.

    Examples
    --------
    >>> first_days = [dt.date(2015, 1, d) for d in (1, 2, 3)]
    >>> days = pl.DataFrame({"date_local": first_days, "pm25_ugm3": [10000.0, 2775.0, 1.0]})
    >>> first_day_annual_limit_lost(days, 35.0)["first_day_lost"].item()  # 35 * 365 = 12775
    datetime.date(2015, 1, 3)
    """
    if not limit > 0:
        raise RangeError(f"limit is {limit}; expected a positive annual mean, for example 35 µg/m³ of PM2.5.")
    if missing not in ("excluded", "zero"):
        raise suggest(missing, ["excluded", "zero"], what="reading of missing days", see="first_day_annual_limit_lost")
    lf, back = lazily(frame)
    keys: list[str] = keys_of(by)
    what = "first_day_annual_limit_lost"
    need_columns(lf, {**dict.fromkeys(keys, ""), date: "day", value: "daily mean"}, what=what)
    _need_dates(lf, date, what=what)
    groups = [*keys, "year"]

    def twice(rows: pl.DataFrame) -> str:
        return f"{what} needs one row per group and day; {rows[date][0]} is there twice. Average or drop the repeats."

    lf = lf.select(*keys, date, pl.col(date).dt.year().cast(pl.Int64).alias("year"), _finite(value).alias("__value"))
    lf = lf.with_columns(__twice=pl.struct([*keys, date]).is_duplicated())
    lf = lf.filter(refuse(pl.col("__twice"), date, message=twice)).sort([*keys, date])
    so_far = pl.col("__value").fill_null(0).cum_sum().over(groups)
    seen = pl.col("__value").is_not_null().cum_sum().over(groups)
    length = pl.when(pl.col(date).dt.is_leap_year()).then(366).otherwise(365)
    counted = length - (pl.col(date).dt.ordinal_day() - seen) if missing == "excluded" else length
    lf = lf.with_columns(__lost=so_far > limit * counted + _HAIR, __length=length)
    told = lf.group_by(groups).agg(
        pl.col(date).filter("__lost").min().alias("first_day_lost"),
        pl.col("__value").count().cast(pl.Int64).alias("n"),
        pl.col("__length").first().cast(pl.Int64).alias("day_count"),
        pl.col("__value").mean().alias("mean"),
        pl.lit(float(limit)).alias("limit"),
        pl.lit(missing).alias("missing"),
    )
    return back(told.sort(groups))
