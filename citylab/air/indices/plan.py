"""One edition applied to the columns of one frame: which enter, in which unit, and the sub-index of each pollutant."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from citylab import units
from citylab.air.indices.declared import (
    BY_DATE,
    POLLUTANTS,
    Beyond,
    breakpoints,
    chinese_editions,
    declared_rows,
    edition_rules,
    indicator_rules,
    levels,
)
from citylab.air.indices.formula import iaqi_expr
from citylab.air.indices.nowcast import nowcast_expr
from citylab.errors import SchemaError, UnitError
from citylab.frames import need_columns, need_numbers, need_wall_clock
from citylab.vocabulary import COLUMNS

_GASES = {"so2": "SO2", "no2": "NO2", "co": "CO", "o3": "O3"}
_SUFFIX_UNITS = {"ugm3": "µg/m³", "mgm3": "mg/m³", "ppb": "ppb", "ppm": "ppm"}
_PPB_PER = {"ppb": 1.0, "ppm": 1000.0}


@dataclass(frozen=True, slots=True)
class Input:
    """One indicator of an edition and where its concentration comes from."""

    rule: Mapping[str, Any]
    column: str
    value: pl.Expr

    @property
    def pollutant(self) -> str:
        """Pollutant of the indicator."""
        return str(self.rule["pollutant"])


@dataclass(frozen=True, slots=True)
class Plan:
    """One edition applied to one frame."""

    edition: str
    label: str
    rules: Mapping[str, Any]
    inputs: list[Input]
    sub_indices: Mapping[str, pl.Expr]
    levels: list[dict[str, Any]]


def chosen_editions(frame: pl.DataFrame | pl.LazyFrame, schema: pl.Schema, edition: str, date: str) -> list[str]:
    """Return the editions that rows of a frame may stand under."""
    if edition != BY_DATE:
        return [edition_rules(edition)["edition"]]
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
    editions_cn = chinese_editions()
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


def plan_of(
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
) -> Plan:
    """Return an edition applied to a frame, having made sure that the columns it asks for are there."""
    rules = edition_rules(edition)
    wanted = indicator_rules(edition, period, hourly_pm, left_out)
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
    return Plan(edition, label, rules, inputs, sub, levels(edition, table=levels_table).rows(named=True))


def _unit_of(column: str) -> str:
    return _SUFFIX_UNITS[column.rpartition("_")[2]]


def _input(
    rule: Mapping[str, Any], edition: str, schema: pl.Schema, reference: str | float | None, table: pl.DataFrame | None
) -> Input:
    mixing = rule["mixing_column"]
    column = mixing if mixing and mixing in schema else rule["column"]
    value = _clean(column)
    unit = declared_rows("air_aqi_breakpoints", table, edition=edition, indicator=rule["indicator"])[0]["unit"]
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
    return Input(rule, column, value)


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


def is_invalid(column: str) -> pl.Expr:
    """Return whether a value is no concentration: negative, or above what can be."""
    value, upper = pl.col(column), _upper(column)
    beyond = value.is_not_nan() & (value > (upper if upper is not None else float("inf")))
    return ((value < 0) | beyond).fill_null(False)


def _sub_index(own: list[Input], edition: str, table: pl.DataFrame | None, beyond: Beyond) -> pl.Expr:
    def index(i: Input) -> pl.Expr:
        return iaqi_expr(i.rule["indicator"], i.value, table, edition=edition, beyond=beyond)

    direct = [i for i in own if i.rule["role"] != "fallback"]
    stand_in = [i for i in own if i.rule["role"] == "fallback"]
    found = pl.max_horizontal([index(i) for i in direct]) if len(direct) > 1 else index(direct[0] if direct else own[0])
    if direct and stand_in:
        top = breakpoints(edition, direct[0].rule["indicator"], table)[-1][0]
        found = pl.when(direct[0].value > top).then(index(stand_in[0])).otherwise(found)
    return found


def with_nowcast(plan: Plan, by: str | Sequence[str] | None, time: str) -> Plan:
    """Return a plan in which the particles that an edition takes as NowCast are NowCast means."""
    sub = dict(plan.sub_indices)
    for i in plan.inputs:
        if i.rule["variant"] == "nowcast":
            sub[i.pollutant] = iaqi_expr(
                i.rule["indicator"], nowcast_expr(i.column, by=by, time=time), edition=plan.edition
            )
    return Plan(plan.edition, plan.label, plan.rules, plan.inputs, sub, plan.levels)


Picker = Callable[[Callable[[Plan], pl.Expr]], pl.Expr]


def picker(plans: list[Plan], date: str, *, by_date: bool) -> Picker:
    """Return a function that gives each row the expression of its edition."""
    if not by_date:
        return lambda of: of(plans[0])

    def pick(of: Callable[[Plan], pl.Expr]) -> pl.Expr:
        chain: Any = pl
        for p in plans:
            first, last = p.rules["applied_from"], p.rules["effective_to"]
            day = pl.col(date)
            chain = chain.when((day >= first) & (day <= last) if last else day >= first).then(of(p))
        found: pl.Expr = chain
        return found

    return pick
