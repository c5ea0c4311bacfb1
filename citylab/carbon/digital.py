"""The digital city's own carbon: base stations, data centres and terminals, by what they draw.

Emissions are count x power x share of it drawn x overhead of the site x hours x the grid factor of the year, each with
a range. They are electricity bought (scope 2) and lie inside a city's scope 2 total already: nothing is added to it.
"""

from __future__ import annotations

from calendar import isleap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from citylab import sheets, tables
from citylab.carbon.factors import Basis, FactorBook, grid_of, unit_factor
from citylab.carbon.indicators import MARKS
from citylab.carbon.uncertainty import bounds, draw_numbers
from citylab.errors import DataError, SchemaError, suggest
from citylab.frames import Frame

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

    _Array = npt.NDArray[np.float64]

Coverage = Literal["with_scope_2", "scope_1_only"]

QUANTITIES = ("power_w", "load_share", "pue", "hours_per_day")
"""What is declared of each component, in the table ``carbon_digital``."""

_W_PER_MW = 1e6
_GRID, _HALF_WIDTH = "grid", "factor_half_width_share"
_DAYS = (365, 366)
# A share and an hour of the day have an upper bound that no draw passes; an overhead is not below 1.
_UPPER = {"load_share": 1.0, "hours_per_day": 24.0}
_LOWER = {"pue": 1.0}


@dataclass(frozen=True, slots=True, eq=False)
class Digital:
    """Emissions of a city's digital equipment in one year.

    Attributes
    ----------
    rows
        One row per place, year and component: ``count``, ``counted_at``, ``power_w``, ``load_share``, ``pue``,
        ``hours_per_day``, ``electricity_mwh``, ``grid_factor_t_mwh``, ``grid_factor_year``, ``grid_factor_place``,
        ``co2_t`` with ``co2_lower_t`` and ``co2_upper_t`` (interval of the draws), ``n`` (draws), ``level``, ``seed``,
        ``basis``, ``mark`` (of the least sure input), ``source``, ``warning``.
    total
        One row: the sum, with its interval (components share the grid factor).
    draws
        One row per row, one column per draw [t CO2].
    """

    rows: pl.DataFrame
    total: pl.DataFrame
    draws: _Array

    def tidy(self) -> pl.DataFrame:
        """Return the rows."""
        return self.rows

    def share_of(self, city_t: float, *, coverage: Coverage, source: str, city_year: int | None = None) -> pl.DataFrame:
        """Return the digital city's emissions over those of the whole city.

        Parameters
        ----------
        city_t
            Emissions of the city [t].
        coverage
            ``"with_scope_2"``: the total holds bought electricity, and the digital city is a part of it.
            ``"scope_1_only"`` (CEADs, Carbon Monitor): it does not, and the result is a ratio of two unlike things, not
            a part.
        source
            What the total is.
        city_year
            Its year, where it is another than that of the equipment.

        Returns
        -------
        polars.DataFrame
            ``share``, ``share_lower``, ``share_upper``, ``is_part``, ``city_t``, ``city_year``, ``source``,
            ``note_zh``, ``note_en``.

        Raises
        ------
        DataError
            The total is not above 0, or a part larger than its whole.
        UnknownNameError
            Another coverage.
        """
        import polars as pl

        if coverage not in _NOTES:
            raise suggest(str(coverage), _NOTES, what="coverage", see="with_scope_2 and scope_1_only")
        if not 0 < city_t < float("inf"):
            raise DataError(f"The city's total is {city_t} t; a share needs a total above 0.")
        row = self.total.row(0, named=True)
        is_part = coverage == "with_scope_2"
        if is_part and row["co2_t"] > city_t:
            raise DataError(
                f"The digital equipment emits {row['co2_t']:.4g} t, the city {city_t:.4g} t of which it is to be a "
                "part. Check units and year of the total."
            )
        zh, en = _NOTES[coverage]
        year = row["year"] if city_year is None else city_year
        if year != row["year"]:
            zh, en = (
                f"{zh}；年份不同（{row['year']} 对 {year}）",
                f"{en}; of different years ({row['year']} and {year})",
            )
        return pl.DataFrame(
            [
                {"share": row["co2_t"] / city_t, "share_lower": row["co2_lower_t"] / city_t,
                 "share_upper": row["co2_upper_t"] / city_t, "is_part": is_part, "city_t": float(city_t),
                 "city_year": year, "source": source, "note_zh": zh, "note_en": en}
            ]
        )  # fmt: skip


_NOTES: Mapping[str, tuple[str, str]] = {
    "with_scope_2": (
        "合计含购入电力，数字设施用电是其一部分",
        "the total holds bought electricity, of which this is a part",
    ),
    "scope_1_only": (
        "合计只含范围一，不含购入电力：两者口径不同，只是比值而非占比",
        "the total is scope 1 and holds no bought electricity: a ratio of unlike things, not a part",
    ),
}


def counts(place: str = "北京", *, year: int, table: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return the published counts of a place that were taken in a year, the latest of each component.

    Parameters
    ----------
    place
        Name in the table.
    year
        Year of the count; its hours and grid factor are taken too.
    table
        Counts to use in place of the declared table ``carbon_digital_counts``.

    Returns
    -------
    polars.DataFrame
        In the columns of the template ``digital_counts``. What has no published count is not there, and is not zero.

    Raises
    ------
    DataError
        None was published for the place and year.

    Examples
    --------
    >>> counts(year=2023).select("component", "count", "counted_at").rows()
    [('base_station_5g', 106000.0, '2023-11'), ('smartphone', 16301000.0, '2023-05')]
    """
    import polars as pl

    known = tables.read("carbon_digital_counts") if table is None else table
    here = known.filter(pl.col("place") == place, pl.col("counted_at").cast(pl.String).str.starts_with(f"{year}-"))
    if not here.height:
        spans = sorted(set(known.filter(pl.col("place") == place)["counted_at"].to_list()))
        raise DataError(
            f"No count of {place} in {year} is declared; there are {', '.join(spans) or 'none of this place'}. Give "
            "your own after the template 'digital_counts'."
        )
    latest = here.sort("counted_at").unique("component", keep="last", maintain_order=True)
    return latest.select(
        "place", "component", pl.col("count", "count_low", "count_high").cast(pl.Float64), "counted_at", "source",
        year=pl.lit(year, dtype=pl.Int64), note=pl.lit(None, dtype=pl.String),
    ).sort("component")  # fmt: skip


def emissions(
    frame: Frame, *, n: int = 10_000, seed: int, level: float = 0.95, grid: pl.DataFrame | pl.LazyFrame | None = None,
    grid_place: str | None = None, series: str | None = None, basis: Basis = "location",
    allow_other_year: bool = False, table: pl.DataFrame | None = None,
) -> Digital:  # fmt: skip
    """Return what base stations, data centres and terminals emit by the electricity they draw.

    Parameters
    ----------
    frame
        One row per place, year and component, in the columns of the template ``digital_counts``: how many, counted
        when. A count stands for the whole year: what these would emit in a year.
    n, seed, level
        Draws, seed, level of the interval.
    grid, grid_place, series, basis, allow_other_year
        Grid factor, as in :func:`citylab.carbon.inventory.inventory`.
    table
        Power, load, overhead and hours to use in place of the declared table ``carbon_digital``.

    Returns
    -------
    Digital

    Raises
    ------
    DataError
        A count below 0 or outside its own bounds, a component twice, several years or places.
    UnknownNameError
        An unknown component.
    FactorYearError
        No grid factor is declared for the year.

    Warns
    -----
    UsageWarning
        The grid factor of another year is used.

    Notes
    -----
    ``co2_t`` is the product of the declared middles. Draws are normal or lognormal as in
    :func:`citylab.carbon.uncertainty.monte_carlo`, cut where a share would pass 1, a day 24 hours or an overhead fall
    below 1. What is declared of one component is one number with one error, and so is the grid factor in all rows.

    Examples
    --------
    >>> import polars as pl
    >>> racks = pl.DataFrame({"place": ["示例市"], "year": [2023], "component": ["data_centre_rack"], "count": [1000.0],
    ...                       "counted_at": ["2023-12"], "source": ["made up"]})
    >>> done = emissions(racks, seed=1, grid_place="中国")
    >>> done.rows.select(pl.col("electricity_mwh", "co2_t").round(1), "mark").row(0)  # 1000 x 4 kW x 0.5 x 1.4 x 8760 h
    (24528.0, 13014.6, 'from memory')
    """
    import numpy as np
    import polars as pl

    declared = _declared(tables.read("carbon_digital") if table is None else table)
    rows = _counted(frame, declared)
    place, year = rows["place"][0], int(rows["year"][0])
    book = FactorBook(grid=grid)
    where = grid_of(grid_place or place)
    one = book.factor(
        "electricity", year=year, place=where, series=series, basis=basis, allow_other_year=allow_other_year
    )  # fmt: skip
    mass, per = one.unit.split("/")
    factor = one.value * unit_factor(mass, "t") / unit_factor(per, "MWh")
    width = declared[_GRID][_HALF_WIDTH]["value"]
    days = _DAYS[isleap(year)]
    value: list[float] = []
    drawn: list[_Array] = []
    out: list[dict[str, Any]] = []
    factor_draws = draw_numbers(
        [factor], [factor * (1 - width)], [factor * (1 + width)], keys=[f"factor|{one.key}"], n=n, seed=seed
    )[0]  # fmt: skip
    for r in rows.iter_rows(named=True):
        parts = declared[r["component"]]
        low = r["count"] if r["count_low"] is None else r["count_low"]
        high = r["count"] if r["count_high"] is None else r["count_high"]
        many = draw_numbers([r["count"]], [low], [high], keys=[f"count|{place}|{r['component']}"], n=n, seed=seed)[0]
        worlds = many * factor_draws
        product = r["count"] * days / _W_PER_MW
        for name in QUANTITIES:
            q = parts[name]
            made = draw_numbers(
                [q["value"]], [q["low"]], [q["high"]], keys=[f"{r['component']}|{name}"], n=n, seed=seed
            )[0]  # fmt: skip
            worlds = worlds * np.clip(made, _LOWER.get(name, 0.0), _UPPER.get(name, np.inf))
            product *= q["value"]
        worlds = worlds * days / _W_PER_MW
        marks = [parts[q]["mark"] for q in QUANTITIES] + [one.mark, declared[_GRID][_HALF_WIDTH]["mark"]]
        value.append(product * factor)
        drawn.append(worlds)
        out.append(
            {"place": place, "year": year, "component": r["component"], "count": r["count"],
             "counted_at": r["counted_at"], **{q: parts[q]["value"] for q in QUANTITIES}, "electricity_mwh": product,
             "grid_factor_t_mwh": factor, "grid_factor_year": one.valid_from, "grid_factor_place": one.place,
             "basis": basis, "mark": max(marks, key=MARKS.index), "source": r["source"],
             "warning": "; ".join(one.warnings) or None}
        )  # fmt: skip
    stack = np.array(drawn)
    down, up = bounds(stack, level=level)
    (low_all,), (high_all,) = bounds(stack.sum(axis=0, keepdims=True), level=level)
    frame_out = pl.DataFrame(out, schema_overrides={"warning": pl.String, "grid_factor_year": pl.Int64}).with_columns(
        co2_t=pl.Series(value), co2_lower_t=pl.Series(down), co2_upper_t=pl.Series(up), n=pl.lit(n, dtype=pl.Int64),
        level=pl.lit(level), seed=pl.lit(seed, dtype=pl.Int64),
    )  # fmt: skip
    total = pl.DataFrame(
        [
            {"place": place, "year": year, "co2_t": float(sum(value)), "co2_lower_t": float(low_all),
             "co2_upper_t": float(high_all), "components": ", ".join(rows["component"]),
             "not_counted": ", ".join(c for c in declared if c != _GRID and c not in set(rows["component"])) or None,
             "n": n, "level": level, "seed": seed}
        ],
        schema_overrides={"not_counted": pl.String},
    )  # fmt: skip
    return Digital(frame_out, total, stack)


def contributions(done: Digital, *, table: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return how far each input's declared range alone moves a component's emissions, largest first.

    Parameters
    ----------
    done
        What :func:`emissions` gives.
    table
        As in :func:`emissions`.

    Returns
    -------
    polars.DataFrame
        One row per component and quantity: ``component``, ``quantity``, ``value``, ``low``, ``high``,
        ``co2_at_low_t``, ``co2_at_high_t``, ``mark``, ``source``.
    """
    import polars as pl

    declared = _declared(tables.read("carbon_digital") if table is None else table)
    rows = []
    for r in done.rows.iter_rows(named=True):
        for name in QUANTITIES:
            q = declared[r["component"]][name]
            rows.append(
                {"component": r["component"], "quantity": name, "value": q["value"], "low": q["low"], "high": q["high"],
                 "co2_at_low_t": r["co2_t"] * q["low"] / q["value"],
                 "co2_at_high_t": r["co2_t"] * q["high"] / q["value"], "mark": q["mark"], "source": q["source"]}
            )  # fmt: skip
    span = pl.col("co2_at_high_t") - pl.col("co2_at_low_t")
    return pl.DataFrame(rows).sort(span, descending=True, maintain_order=True)


def _declared(table: pl.DataFrame) -> dict[str, dict[str, dict[str, Any]]]:
    need = ["component", "quantity", "value", "low", "high", "mark", "source"]
    missing = [c for c in need if c not in table.columns]
    if missing:
        raise SchemaError(f"The table of equipment lacks {', '.join(map(repr, missing))}; see carbon_digital.csv.")
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for r in table.iter_rows(named=True):
        if not 0 <= r["low"] <= r["value"] <= r["high"] or r["value"] <= 0:
            raise DataError(
                f"The {r['quantity']} of {r['component']} is {r['value']} from {r['low']} to {r['high']}. Give a value "
                "above 0 between its bounds."
            )
        found.setdefault(r["component"], {})[r["quantity"]] = {
            k: float(r[k]) if k in {"value", "low", "high"} else r[k] for k in need[2:]
        }
    for component, parts in found.items():
        asked = (_HALF_WIDTH,) if component == _GRID else QUANTITIES
        if lost := [q for q in asked if q not in parts]:
            raise SchemaError(f"The table of equipment lacks {', '.join(lost)} of {component}.")
    if _GRID not in found:
        raise SchemaError(f"The table of equipment lacks the row of component {_GRID!r}, {_HALF_WIDTH}.")
    return found


def _counted(frame: Frame, declared: Mapping[str, Any]) -> pl.DataFrame:
    rows = sheets.checked(frame, "digital_counts", what="emissions")
    known = [c for c in declared if c != _GRID]
    wrong: list[str] = []
    for r in rows.iter_rows(named=True):
        at = f"row {r[sheets.LINE]}"
        if r["component"] not in known:
            raise suggest(
                r["component"], known, what=f"component ({at})", see="the table datasets/codes/carbon_digital.csv"
            )
        if r["count"] < 0:
            wrong.append(f"{at}: count is {r['count']}, but cannot be negative")
        low, high = r["count_low"], r["count_high"]
        if (low is None) != (high is None) or (low is not None and not 0 <= low <= r["count"] <= high):
            wrong.append(f"{at}: count {r['count']} from {low} to {high}; give both bounds, around the count")
    if wrong:
        raise sheets.bad_rows(wrong, "emissions cannot use these rows")
    for name in ("place", "year"):
        if rows[name].n_unique() > 1:
            raise DataError(f"The counts are of {rows[name].n_unique()} {name}s. Reckon one place and year at a time.")
    if rows["component"].is_duplicated().any():
        raise DataError("A component stands twice: add counts of the same kind, or keep the latest.")
    return rows
