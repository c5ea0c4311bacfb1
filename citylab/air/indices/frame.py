"""The index of every row of a frame: largest sub-index, primary pollutants, level, colour, and why there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import add, or_

import polars as pl

from citylab.air.indices.declared import BY_DATE, POLLUTANTS, Beyond, HourlyPm, Period, left_out_of
from citylab.air.indices.plan import Picker, Plan, chosen_editions, is_invalid, picker, plan_of, with_nowcast
from citylab.frames import Frame, keys_of, lazily, need_columns, need_wall_clock

EEA_SHOWN_FROM = 4
"""Lowest class that the EEA shows for a station with too few pollutants: European Air Quality Index; verified."""

_NONE_LABEL = ""


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
    >>> import datetime as dt
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
    chosen = chosen_editions(frame, schema, edition, date)
    left_out = left_out_of(not_monitored)
    plans = [
        plan_of(name, lf, schema, table, levels_table, period=period, left_out=left_out, hourly_pm=hourly_pm,
              reference=reference, beyond=beyond)
        for name in chosen
    ]  # fmt: skip
    if period == "hour" and any(i.rule["variant"] == "nowcast" for p in plans for i in p.inputs):
        need_wall_clock(need_columns(lf, [*keys_of(by), time], what="aqi (NowCast)"), time, what="aqi")
        plans = [with_nowcast(p, by, time) for p in plans]
    pick = picker(plans, date, by_date=edition == BY_DATE)
    return back(indexed(lf, plans, pick, "station_type" in schema))


def _set_of(pollutants: Sequence[str], marks: Sequence[pl.Expr]) -> pl.Expr:
    """Return the names of the marked pollutants joined by +, null where none is marked."""
    labels = [
        "+".join(p for j, p in enumerate(pollutants) if mask >> j & 1) or _NONE_LABEL
        for mask in range(2 ** len(pollutants))
    ]
    mask = reduce(add, [m.cast(pl.UInt8) * (1 << j) for j, m in enumerate(marks)])
    named = mask.cat.to(pl.Enum(labels)).cast(pl.String)
    return pl.when(mask > 0).then(named)


def indexed(lf: pl.LazyFrame, plans: list[Plan], pick: Picker, has_type: bool) -> pl.LazyFrame:
    """Return a frame with what :func:`aqi` adds, given the plans and which of them a row stands under."""
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


def _any_invalid(plans: list[Plan], stem: str) -> pl.Expr:
    columns = {i.column for p in plans for i in p.inputs if i.pollutant == stem}
    return reduce(or_, [is_invalid(c) for c in sorted(columns)])


def _clamped(plan: Plan) -> pl.Expr:
    least, largest = plan.rules["index_min"], pl.col("__largest")
    return largest.clip(lower_bound=least) if least else largest


def _reason(plan: Plan, absent: Mapping[str, pl.Expr], has_type: bool) -> pl.Expr:
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


def _place_of_level(plan: Plan) -> pl.Expr:
    """Return the position of the index's row among the levels."""
    highs = [row["index_high"] for row in plan.levels[:-1]]
    return reduce(add, [(pl.col("aqi") > high).cast(pl.UInt8) for high in highs])


def _of_level(plan: Plan, what: str, place: pl.Expr) -> pl.Expr:
    values = [row[what] for row in plan.levels]
    if values == list(range(1, len(values) + 1)):
        return place.cast(pl.Int64) + 1
    labels = [f"{k} {v}" for k, v in enumerate(values)]  # names repeat (UK), the labels of an Enum may not
    if len(set(map(str, values))) == len(values):
        return place.cat.to(pl.Enum(list(map(str, values)))).cast(pl.String)
    picked = place.cat.to(pl.Enum(labels)).cast(pl.String).str.splitn(" ", 2).struct.field("field_1")
    return picked.cast(pl.Int64) if isinstance(values[0], int) else picked
