"""The index of given concentrations: one place, one time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from citylab.air.indices.declared import BY_DATE, Beyond, HourlyPm, Period, edition_on, indicator_rules
from citylab.air.indices.frame import indexed
from citylab.air.indices.plan import picker, plan_of
from citylab.errors import RangeError, SchemaError, suggest


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
    rules = indicator_rules(edition, period, hourly_pm, frozenset())
    known = {c for r in rules for c in (r["column"], r["mixing_column"]) if c}
    for column in concentrations.keys() - known:
        raise suggest(column, known, what=f"column of {edition} ({period})", see="citylab.air.indices.needed_columns")
    if not concentrations:
        raise SchemaError(f"aqi_of needs at least one concentration, for example {sorted(known)[0]}=…")
    row = pl.LazyFrame({c: [v] for c, v in concentrations.items()}, schema=dict.fromkeys(concentrations, pl.Float64()))
    left_out = frozenset(r["indicator"] for r in rules if not {r["column"], r["mixing_column"]} & concentrations.keys())
    plan = plan_of(edition, row, row.collect_schema(), table, None, period=period, left_out=left_out,
                 hourly_pm=hourly_pm, reference=reference, beyond=beyond)  # fmt: skip
    found = indexed(row, [plan], picker([plan], "", by_date=False), has_type=False).collect().row(0, named=True)

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
