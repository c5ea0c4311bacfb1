"""Emission factors and warming potentials, each with range, unit, edition, years, source and how sure we are of it.

A factor has years. Outside them nothing is returned unless another year is allowed for, and then the result says so.
Series are different quantities: 0.5703 (``ets-reporting``) and 0.5366 (``mee-nbs``) t/MWh are both
China's electricity of 2022, and nothing lies between them.

The values stand in the declared tables ``carbon_fuels``, ``carbon_fuel_factors``, ``carbon_electricity``,
``carbon_heat``, ``carbon_gwp`` and ``carbon_units``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from math import isfinite, sqrt
from typing import TYPE_CHECKING, Any, Literal

from citylab import places, tables, units
from citylab.errors import (
    DataError,
    FactorYearError,
    SchemaError,
    UnitError,
    UnknownNameError,
    UsageWarning,
    suggest,
)

if TYPE_CHECKING:
    from polars import DataFrame, LazyFrame

Basis = Literal["location", "market"]
Row = dict[str, Any]

NATION = "中国"
FUEL_EDITION = "ipcc-2006"
ELECTRICITY_SERIES = "mee-nbs"
GRID_DATA = "mee__yearly_grid_co2factor"
GRID_COLUMNS = ("grid_name_zh", "year", "grid_factor_kgco2_kwh")
OWN_COLUMNS = ("fuel", "gas", "value", "unit", "source")

_NATION_NAMES = {NATION, "CN", "China", "全国"}
_SUFFIXES = ("维吾尔自治区", "壮族自治区", "回族自治区", "自治区", "区域电网", "电网", "省", "市")
_BEIJING_CODE = "11"
# Relative molecular mass of CO2 over that of carbon, as the IPCC and the Chinese guideline write it.
_CO2_PER_CARBON = 44 / 12
_MARKS = ("verified", "secondary", "from memory")


@dataclass(frozen=True, slots=True)
class Link:
    """A quantity that joins two units of one fuel: heat value, density, carbon content or share oxidised.

    Attributes
    ----------
    quantity
        ``"ncv"``, ``"density"``, ``"carbon_content"`` or ``"oxidation"``.
    fuel
        Key of the table ``carbon_fuels``.
    value, low, high
        Value and 95 % interval; ``None`` where no interval is known.
    unit, edition, source, mark
        As in :class:`Factor`.
    """

    quantity: str
    fuel: str
    value: float
    low: float | None
    high: float | None
    unit: str
    edition: str
    source: str
    mark: str

    @property
    def key(self) -> str:
        """What is the same number wherever it is used."""
        return f"{self.edition}|{self.fuel}|{self.quantity}"


@dataclass(frozen=True, slots=True)
class Factor:
    """An emission factor for one kind of activity, gas, place and year.

    Attributes
    ----------
    kind
        Fuel, ``"electricity"``, ``"green_electricity"``, ``"heat"``, or an activity of an own table.
    gas
        Gas whose mass the factor gives, a name of the table ``carbon_gwp``.
    value, low, high
        Value and 95 % interval [``unit``]; ``None`` where the source gives no interval.
    unit
        Mass of gas per unit of activity (``"kg/TJ"``, ``"t/MWh"``).
    edition, series
        Edition of the guideline or publication; series of the statistic (electricity and heat).
    place
        Grid or country for which it holds; empty where it holds everywhere.
    year
        Year that was asked for.
    valid_from, valid_to
        First and last year for which it is declared; ``None`` for no end.
    source
        Publisher, publication and year.
    mark, range_mark
        How sure we are of value and interval: verified, secondary or from memory.
    note
        What a reader must know.
    warnings
        What is doubtful about using it here; empty if nothing.
    links
        Heat values, carbon contents and shares that went into the value.
    """

    kind: str
    gas: str
    value: float
    low: float | None
    high: float | None
    unit: str
    edition: str
    series: str
    place: str
    year: int
    valid_from: int | None
    valid_to: int | None
    source: str
    mark: str
    range_mark: str
    note: str = ""
    warnings: tuple[str, ...] = ()
    links: tuple[Link, ...] = field(default=())
    use: str = "any"

    @property
    def key(self) -> str:
        """What is the same number wherever it is used: two rows with one key err together."""
        return "|".join((self.edition, self.series, self.kind, self.use, self.gas, self.place, str(self.valid_from)))

    def tidy(self) -> DataFrame:
        """Return the factor as a table of one row.

        Examples
        --------
        >>> factor("heat", year=2022).tidy().select("value", "unit").row(0)
        (0.11, 't/GJ')
        """
        import polars as pl

        row = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in {"warnings", "links"}}
        texts = {"warnings": "; ".join(self.warnings), "links": "; ".join(f"{x.key} {x.value}" for x in self.links)}
        return pl.DataFrame([row | texts], schema_overrides={"low": pl.Float64, "high": pl.Float64})


# ------------------------------------------------------------------------------------------------------ units


@cache
def _unit_table() -> DataFrame:
    import polars as pl

    text = pl.col("factor").cast(pl.String)
    both = [tables.read(name).with_columns(text) for name in ("units", "carbon_units")]
    return pl.concat(both, how="vertical")


@cache
def unit_of(name: str) -> units.Unit:
    """Return a unit of the tables ``units`` and ``carbon_units``.

    Examples
    --------
    >>> unit_of("万立方米").symbol
    '万m³'
    """
    return units.unit(name, table=_unit_table())


@cache
def unit_factor(source: str, target: str) -> float:
    """Return how many ``target`` units make one ``source`` unit, volumes and counted activity included.

    Examples
    --------
    >>> unit_factor("亿m³", "万m³")
    10000.0
    """
    return units.factor(source, target, table=_unit_table())


def parts_of(unit: str) -> tuple[str, str]:
    """Return mass and activity of a factor's unit.

    Examples
    --------
    >>> parts_of("kg/TJ")
    ('kg', 'TJ')
    """
    mass, slash, activity = unit.partition("/")
    if not slash or not activity.strip():
        raise UnitError(f"{unit!r} is no unit of a factor. Write mass per activity, for example 'kg/TJ' or 't/MWh'.")
    if unit_of(mass.strip()).dimension != "mass":
        raise UnitError(f"{unit!r} gives {unit_of(mass.strip()).dimension}, not mass, per activity.")
    unit_of(activity.strip())
    return mass.strip(), activity.strip()


# ------------------------------------------------------------------------------------------------ names, places


@cache
def _fuels() -> dict[str, Row]:
    return {row["fuel"]: row for row in tables.read("carbon_fuels").iter_rows(named=True)}


@cache
def _fuel_names() -> dict[str, str]:
    names: dict[str, str] = {}
    for key, row in _fuels().items():
        for name in (key, row["label_zh"], row["label_en"], *(row["aliases"] or "").split("|")):
            if name:
                names.setdefault(name.casefold(), key)
    return names


def fuel_key(name: str, *, own: Iterable[str] = ()) -> str:
    """Return citylab's key of a fuel, of electricity, of heat, or of an activity of an own table.

    Parameters
    ----------
    name
        Key, Chinese or English name, or another spelling of the table ``carbon_fuels``.
    own
        Further names that are known and stay as they are.

    Raises
    ------
    UnknownNameError
        No such name; near ones are offered.

    Examples
    --------
    >>> fuel_key("天然气"), fuel_key("Gas/diesel oil")
    ('natural_gas', 'diesel')
    """
    given = name.strip()
    known = {one: one for one in own}
    if given in known:
        return given
    try:
        return _fuel_names()[given.casefold()]
    except KeyError:
        raise suggest(
            given, {*known, *_fuels(), *_fuel_names()}, what="fuel or activity",
            see="the table datasets/codes/carbon_fuels.csv; give other activities with factors=",
        ) from None  # fmt: skip


def kind_of(key: str) -> str:
    """Return what a carrier is: coal, oil, gas, waste, electricity or heat; empty for an activity of an own table.

    Examples
    --------
    >>> kind_of("diesel"), kind_of("heat"), kind_of("cement")
    ('oil', 'heat', '')
    """
    return _fuels()[key]["kind"] if key in _fuels() else ""


@cache
def _grids() -> dict[str, str]:
    names = {name: NATION for name in _NATION_NAMES}
    for row in tables.read("grids").iter_rows(named=True):
        names |= {row["name_zh"]: row["name_zh"], row["name_en"]: row["name_zh"]}
    return {name.casefold(): zh for name, zh in names.items()}


@cache
def grid_of(place: str) -> str:
    """Return the grid (province, region or 中国) whose factor stands for a place.

    Districts and functional areas of Beijing lie in the grid of Beijing.

    Raises
    ------
    UnknownNameError
        The place is no province or regional grid of China and no place of Beijing.

    Examples
    --------
    >>> grid_of("北京市"), grid_of("Haidian"), grid_of("华北电网"), grid_of("China")
    ('北京', '北京', '华北', '中国')
    """
    given = place.strip()
    for name in (given, *(given.removesuffix(s) for s in _SUFFIXES if given.endswith(s))):
        if name.casefold() in _grids():
            return _grids()[name.casefold()]
    try:
        found = places.resolve(given)
    except UnknownNameError:
        found = None
    if found is not None and (found.adcode.startswith(_BEIJING_CODE) or found.parent.startswith(_BEIJING_CODE)):
        return _grids()["北京"]
    raise suggest(
        given, set(_grids().values()) | {r["name_en"] for r in tables.read("grids").iter_rows(named=True)},
        what="place of an electricity factor",
        see="the table datasets/codes/grids.csv; name the grid of another place with grid_place=",
    )  # fmt: skip


# -------------------------------------------------------------------------------------------------------- rows


def _year(when: Any) -> int | None:
    return None if when is None else when.year if hasattr(when, "year") else int(when)


def _row(kind: str, gas: str, row: Row, **more: Any) -> Row:
    base = {
        "kind": kind, "gas": gas, "use": "any", "series": "", "basis": "", "place": "", "range_mark": "", "note": "",
        "low": None, "high": None,
    }  # fmt: skip
    taken = {k: v for k, v in row.items() if v is not None}
    years = {"year_from": _year(row.get("valid_from")), "year_to": _year(row.get("valid_to"))}
    return base | taken | years | more


@cache
def _declared() -> dict[tuple[str, str], list[Row]]:
    found: dict[tuple[str, str], list[Row]] = {}
    for row in tables.read("carbon_fuel_factors").iter_rows(named=True):
        found.setdefault((row["fuel"], row["quantity"]), []).append(_row(row["fuel"], row["quantity"], row))
    for row in tables.read("carbon_electricity").iter_rows(named=True):
        found.setdefault(("electricity", "CO2"), []).append(_row("electricity", "CO2", row))
    for row in tables.read("carbon_heat").iter_rows(named=True):
        found.setdefault(("heat", "CO2"), []).append(_row("heat", "CO2", row, place=""))
    return found


def _collect(frame: DataFrame | LazyFrame, what: str) -> DataFrame:
    import polars as pl

    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    if isinstance(frame, pl.DataFrame):
        return frame
    raise SchemaError(
        f"{what} must be a Polars DataFrame or LazyFrame, got {type(frame).__module__}.{type(frame).__name__}."
    )


def _need(frame: DataFrame, needed: Iterable[str], what: str, remedy: str) -> None:
    missing = [c for c in needed if c not in frame.columns]
    if missing:
        raise SchemaError(
            f"{what} needs column{'s' * (len(missing) > 1)} {', '.join(map(repr, missing))}; the frame has "
            f"{', '.join(map(repr, frame.columns)) or 'none'}. {remedy}"
        )


def _number(value: Any, what: str, *, empty: bool = False) -> float | None:
    if value is None and empty:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise DataError(f"{what} is {value!r}, not a number.") from None
    if not isfinite(number) or number < 0:
        raise DataError(f"{what} is {number}: a factor is a finite number, zero or more.")
    return number


def _grid_rows(grid: DataFrame | LazyFrame) -> list[Row]:
    frame = _collect(grid, "grid")
    _need(frame, GRID_COLUMNS, "grid", f"Give the data set {GRID_DATA} or a frame with its columns.")
    rows = []
    for i, one in enumerate(frame.iter_rows(named=True), 1):
        if one["year"] is None:
            raise DataError(f"Row {i} of grid ({one['grid_name_zh']}) is a factor without a year. Fill in 'year'.")
        value = _number(one["grid_factor_kgco2_kwh"], f"The factor of {one['grid_name_zh']} {one['year']} in grid")
        rows.append(
            _row(
                "electricity", "CO2", {}, value=value, unit="kg/kWh", place=grid_of(one["grid_name_zh"]),
                series=one.get("series") or ELECTRICITY_SERIES, basis="location", edition=f"grid-{one['year']}",
                year_from=int(one["year"]), year_to=int(one["year"]), mark=one.get("mark") or "secondary",
                source=one.get("source")
                or f"grid factors given to the calculation ({GRID_DATA}: Ministry of Ecology and Environment with "
                "National Bureau of Statistics), second-hand transcription",
            )
        )  # fmt: skip
    return rows


def own_table(frame: DataFrame | LazyFrame) -> dict[tuple[str, str], list[Row]]:
    """Check a table of one's own factors and index it by fuel and gas.

    Parameters
    ----------
    frame
        One factor a row: ``fuel`` (fuel or activity), ``gas``, ``value``, ``unit`` (``"kg/t"``), ``source`` and either
        ``year`` or ``valid_from`` (and ``valid_to``), as years or dates. Optional: ``low``, ``high``, ``place``,
        ``use``, ``edition``, ``mark``, ``note``.

    Returns
    -------
    dict
        Rows by (fuel, gas).

    Raises
    ------
    SchemaError
        A column is missing.
    DataError
        A factor without a year or source, a negative factor, not-a-number, or the same factor twice.
    UnknownNameError
        An unknown unit.
    """
    table = _collect(frame, "factors")
    _need(table, OWN_COLUMNS, "factors", "One factor a row; see citylab.carbon.factors.own_table.")
    if "year" not in table.columns and "valid_from" not in table.columns:
        raise SchemaError("factors needs 'year' or 'valid_from' (and 'valid_to'): a factor without a year has no use.")
    found: dict[tuple[str, str], list[Row]] = {}
    for i, one in enumerate(table.iter_rows(named=True), 1):
        told = f"Row {i} of factors ({one['fuel']!r}, {one['gas']!r})"
        for name in ("fuel", "gas", "unit", "source"):
            if not one[name]:
                raise DataError(f"{told} has no {name}. Every factor needs one.")
        first = _year(one.get("year")) if one.get("year") is not None else _year(one.get("valid_from"))
        last = _year(one.get("year")) if one.get("year") is not None else _year(one.get("valid_to"))
        if first is None:
            raise DataError(f"{told} is a factor without a year. Fill in 'year', or 'valid_from' and 'valid_to'.")
        value = _number(one["value"], f"{told}: value")
        low, high = (_number(one.get(c), f"{told}: {c}", empty=True) for c in ("low", "high"))
        if (low is None) != (high is None) or (low is not None and not low <= value <= high):  # type: ignore[operator]
            raise DataError(f"{told}: low {low}, value {value}, high {high}. Give both bounds, around the value.")
        parts_of(one["unit"])
        mark = one.get("mark") or "secondary"
        if mark not in _MARKS:
            raise suggest(mark, _MARKS, what="mark", see="verified, secondary, from memory")
        try:
            key = fuel_key(one["fuel"])
        except UnknownNameError:
            key = one["fuel"].strip()
        place = one.get("place") or ""
        row = _row(
            key, one["gas"], {}, value=value, low=low, high=high, unit=one["unit"], year_from=first, year_to=last,
            source=one["source"], mark=mark, range_mark=mark if low is not None else "", place=place,
            edition=one.get("edition") or "own", use=one.get("use") or "any", note=one.get("note") or "", series="own",
        )  # fmt: skip
        for other in found.get((key, one["gas"]), []):
            same = all(other[k] == row[k] for k in ("place", "use", "edition"))
            if same and first <= (other["year_to"] or first) and other["year_from"] <= (last or other["year_from"]):
                raise DataError(f"{told} stands twice for overlapping years. Keep one, or part the years.")
        found.setdefault((key, one["gas"]), []).append(row)
    return found


class FactorBook:
    """All factors that a calculation may use: the declared ones, grid factors given as a frame, and own factors.

    An own factor stands before a declared one of the same fuel.

    Parameters
    ----------
    own
        Table of own factors, see :func:`own_table`.
    grid
        Electricity factors of provinces and regions, with the columns of the data set ``mee__yearly_grid_co2factor``.
    """

    def __init__(self, *, own: DataFrame | LazyFrame | None = None, grid: DataFrame | LazyFrame | None = None) -> None:
        self.own = {} if own is None else own_table(own)
        self.rows = dict(_declared())
        if grid is not None:
            more = _grid_rows(grid)
            known = {(r["series"], r["place"], r["year_from"]): r["value"] for r in self.rows["electricity", "CO2"]}
            for row in more:
                # t/MWh and kg/kWh are the same number
                other = known.get((row["series"], row["place"], row["year_from"]))
                if other is not None and abs(other - row["value"]) > 1e-12:
                    raise DataError(
                        f"grid says {row['value']} kg/kWh for {row['place']} in {row['year_from']}, the declared table "
                        f"{other} (series {row['series']}). Name another series in a column 'series', or mend the row."
                    )
            self.rows["electricity", "CO2"] = [*self.rows["electricity", "CO2"], *more]

    @property
    def own_kinds(self) -> set[str]:
        """Names of fuels and activities with own factors."""
        return {fuel for fuel, _ in self.own}

    def gases(self, kind: str, *, edition: str, use: str) -> list[str]:
        """Return the gases for which a fuel has a factor."""
        if kind in self.own_kinds:
            return [gas for fuel, gas in self.own if fuel == kind]
        if kind_of(kind) in {"electricity", "heat"}:
            return ["CO2"]
        links = {"ncv", "density", "carbon_content", "oxidation"}
        found = [
            gas
            for (fuel, gas), rows in self.rows.items()
            if fuel == kind
            and gas not in links
            and any(r["edition"] == edition and r["use"] in {use, "any"} for r in rows)
        ]
        has_carbon = any(r["edition"] == edition for r in self.rows.get((kind, "carbon_content"), []))
        return ["CO2", *found] if has_carbon and "CO2" not in found else found

    def link(self, fuel: str, quantity: str, *, edition: str) -> Link | None:
        """Return a heat value, density, carbon content or share oxidised; densities are taken from any edition."""
        rows = self.rows.get((fuel, quantity), [])
        rows = [r for r in rows if r["edition"] == edition] or (rows if quantity == "density" else [])
        if not rows:
            return None
        r = rows[0]
        return Link(quantity, fuel, r["value"], r["low"], r["high"], r["unit"], r["edition"], r["source"], r["mark"])

    def conversion(self, fuel: str, source: str, target: str, *, edition: str) -> tuple[float, tuple[Link, ...]]:
        """Return how many ``target`` units one ``source`` unit of a fuel is, and the heat values used for it.

        Raises
        ------
        UnknownNameError
            An unknown unit.
        UnitError
            No heat value or density joins the two.
        """
        start, goal = unit_of(source).dimension, unit_of(target).dimension
        if start == goal:
            return unit_factor(source, target), ()
        links = [x for q in ("ncv", "density") if (x := self.link(fuel, q, edition=edition)) is not None]
        # Breadth first: one link, then two (a volume by its density and its heat value).
        paths: list[tuple[float, str, tuple[Link, ...]]] = [(1.0, source, ())]
        for _ in links:
            longer = []
            for value, unit, used in paths:
                for x in links:
                    if x in used:
                        continue
                    above, below = x.unit.split("/")
                    if unit_of(unit).dimension == unit_of(below).dimension:
                        longer.append((value * unit_factor(unit, below) * x.value, above, (*used, x)))
                    elif unit_of(unit).dimension == unit_of(above).dimension:
                        longer.append((value * unit_factor(unit, above) / x.value, below, (*used, x)))
            for value, unit, used in longer:
                if unit_of(unit).dimension == goal:
                    return value * unit_factor(unit, target), used
            paths = longer
        raise UnitError(
            f"{source!r} measures {start}, {target!r} measures {goal}, and no heat value or density of {fuel!r} in "
            f"edition {edition!r} joins them. Give the amount in a unit of {goal}, or a factor per unit of {start}."
        )

    def factor(
        self, kind: str, *, year: int, place: str | None = None, gas: str = "CO2", use: str = "any",
        series: str | None = None, edition: str | None = None, basis: Basis = "location",
        allow_other_year: bool = False,
    ) -> Factor:  # fmt: skip
        """Return a factor as :func:`factor` does, without a change of units."""
        if basis not in {"location", "market"}:
            raise suggest(basis, ["location", "market"], what="basis", see="location and market")
        if kind in self.own_kinds:
            rows = self.own.get((kind, gas), [])
            here = [r for r in rows if r["place"] and r["place"] == place]
            rows = here or [r for r in rows if not r["place"]]
            rows = [r for r in rows if r["use"] == use] or [r for r in rows if r["use"] == "any"]
            told = f"own factor of {kind!r} ({gas})" + (f" in {place}" if place else "")
        elif kind_of(kind) == "electricity":
            return self._electricity(kind, year, place, series, edition, basis, allow_other_year)
        elif kind_of(kind) == "heat":
            rows = self.rows["heat", "CO2"] if gas == "CO2" else []
            told = "factor of purchased heat"
        else:
            edition = edition or FUEL_EDITION
            editions = {r["edition"] for rows in self.rows.values() for r in rows if kind_of(r["kind"]) == "coal"}
            if edition not in editions:
                raise suggest(edition, editions, what="edition of fuel factors", see="carbon_fuel_factors.csv")
            rows = [r for r in self.rows.get((kind, gas), []) if r["edition"] == edition]
            rows = [r for r in rows if r["use"] == use] or [r for r in rows if r["use"] == "any"]
            if not rows and gas == "CO2":
                rows = self._from_carbon(kind, edition)
            told = f"factor of {kind!r} ({gas}, use {use!r}) in edition {edition!r}"
        if not rows:
            raise UnknownNameError(
                f"There is no {told}. See citylab.carbon.factors.available({kind!r}), or give your own with factors=."
            )
        return self._of_year(rows, year, told, allow_other_year)

    def _from_carbon(self, fuel: str, edition: str) -> list[Row]:
        carbon = self.link(fuel, "carbon_content", edition=edition)
        share = self.link(fuel, "oxidation", edition=edition)
        if carbon is None or share is None:
            return []
        row = self.rows[fuel, "carbon_content"][0]
        above, below = carbon.unit.split("/")
        value = units.convert(carbon.value, above, "kg") * share.value * _CO2_PER_CARBON
        worst = max((carbon.mark, share.mark), key=_MARKS.index)
        note = f"{carbon.value} {carbon.unit} of carbon x {share.value} oxidised x 44/12"
        return [
            row
            | {"gas": "CO2", "value": value, "low": None, "high": None, "unit": f"kg/{below}", "mark": worst}
            | {"note": note, "links": (carbon, share), "source": f"{carbon.source}; oxidation: {share.source}"}
        ]

    def _electricity(
        self, kind: str, year: int, place: str | None, series: str | None, edition: str | None, basis: Basis,
        allow_other_year: bool,
    ) -> Factor:  # fmt: skip
        if not place:
            raise FactorYearError(
                "An electricity factor belongs to a place: name a province, a regional grid or 中国 (place=)."
            )
        grid = grid_of(place)
        rows = self.rows["electricity", "CO2"]
        if basis == "market" and series is None:
            # What no contract covers bears the residual mix, which is published for the country only.
            series, grid = ("contract" if kind == "green_electricity" else f"{ELECTRICITY_SERIES}-residual"), NATION
        series = series or ELECTRICITY_SERIES
        known = {r["series"] for r in rows}
        if series not in known:
            raise suggest(series, known, what="series of electricity factors", see="carbon_electricity.csv")
        there = [r for r in rows if r["series"] == series and r["place"] == grid and edition in (None, r["edition"])]
        told = f"electricity factor of {grid} in series {series!r}" + (f", edition {edition!r}" if edition else "")
        has_grid = any(r["unit"] == "kg/kWh" for r in rows)
        remedy = "" if has_grid else (
            " Provinces and regions of 2021 and 2022 stand in a data set: give it with "
            f"grid=citylab.load({GRID_DATA!r})."
        )  # fmt: skip
        if series == f"{ELECTRICITY_SERIES}-residual":
            remedy = (
                " No residual mix of that year was found: give your own (factors= with fuel 'electricity', the year "
                "and its source), or count by place (basis='location')."
            )
        elif series == "contract":
            remedy = " Before green electricity was traded, count by place (basis='location')."
        nation = [r for r in rows if r["series"] == series and r["place"] == NATION and r["year_from"] == year]
        if nation and grid != NATION:
            remedy += f" The country's factor of {year} is another quantity: ask for it with {NATION!r} as the place."
        found = self._of_year(there, year, told, allow_other_year, remedy)
        return found if found.kind == kind else _replaced(found, kind=kind)

    def _of_year(self, rows: list[Row], year: int, told: str, allow_other_year: bool, remedy: str = "") -> Factor:
        fits = [r for r in rows if (r["year_from"] or year) <= year <= (r["year_to"] or year)]
        doubts: list[str] = []
        if not fits:
            years = sorted({(r["year_from"], r["year_to"] or r["year_from"]) for r in rows})
            spans = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in years) or "no year"
            if not (allow_other_year and rows):
                raise FactorYearError(
                    f"There is no {told} for {year}; declared is {spans}.{remedy}"
                    + (" To use the nearest year, and have it recorded, pass allow_other_year=True." if rows else "")
                )
            fits = [min(rows, key=lambda r: (_gap(r, year), r["year_from"]))]
            doubts.append(f"factor of {fits[0]['year_from']} used for {year}")
            warnings.warn(
                f"The {told} of {fits[0]['year_from']} stands for {year}, for which none is declared.",
                UsageWarning,
                stacklevel=4,
            )
        if len(fits) > 1:
            names = ", ".join(sorted({f"{r['edition']} ({r['value']} {r['unit']})" for r in fits}))
            raise DataError(f"There is more than one {told} for {year}: {names}. Name the edition.")
        row = fits[0]
        if row["mark"] == "from memory":
            doubts.append("value from memory")
        return Factor(
            kind=row["kind"], gas=row["gas"], value=row["value"], low=row["low"], high=row["high"], unit=row["unit"],
            edition=row["edition"], series=row["series"], place=row["place"], year=year, valid_from=row["year_from"],
            valid_to=row["year_to"], source=row["source"], mark=row["mark"], range_mark=row["range_mark"],
            note=row["note"], warnings=tuple(doubts), links=row.get("links", ()), use=row["use"],
        )  # fmt: skip


def _gap(row: Row, year: int) -> int:
    first, last = row["year_from"] or year, row["year_to"] or year
    return max(first - year, year - last, 0)


def _replaced(one: Factor, **changes: Any) -> Factor:
    from dataclasses import replace

    return replace(one, **changes)


def factor(
    kind: str, *, year: int, place: str | None = None, gas: str = "CO2", use: str = "any", unit: str | None = None,
    series: str | None = None, edition: str | None = None, basis: Basis = "location", allow_other_year: bool = False,
    grid: DataFrame | LazyFrame | None = None, table: DataFrame | LazyFrame | None = None,
) -> Factor:  # fmt: skip
    """Return the emission factor of a fuel, of electricity or of heat for a year.

    Parameters
    ----------
    kind
        Fuel (``"diesel"``, ``"柴油"``), ``"electricity"``, ``"green_electricity"`` (under a contract), ``"heat"``, or
        an activity of ``table``.
    year
        Year of the activity.
    place
        Place of the activity; electricity needs one. Districts of Beijing take the grid of Beijing.
    gas
        ``"CO2"``, ``"CH4"``, ``"N2O"`` or ``"CO2_biogenic"``; electricity and heat are declared for CO2 only.
    use
        What a fuel burns in: ``commercial``, ``energy_industries``, ``manufacturing``, ``residential``, ``road``,
        ``rail``, ``water``, ``aviation``, ``offroad``, ``waste``; CO2 is the same in all (``any``).
    unit
        Activity for which the factor shall be (``"t"``, ``"万m³"``, ``"kWh"``); without it, as it is declared. A change
        from energy to mass or volume uses the edition's heat value.
    series
        Electricity: ``mee-nbs`` (default), ``ets-reporting``, ``mee-nbs-residual``, ``mee-nbs-fossil``,
        ``beijing-pilot-ets``. Series are never mixed.
    edition
        Fuels: ``ipcc-2006`` (default) or ``cn-provincial-2011``. Electricity: edition of the publication.
    basis
        ``"location"`` (average of the grid) or ``"market"`` (residual mix without traded non-fossil electricity;
        zero under a green contract).
    allow_other_year
        Take the nearest declared year if there is none; warned of and recorded in ``warnings``.
    grid
        Electricity factors of provinces and regions: the data set ``mee__yearly_grid_co2factor`` or its like.
    table
        Own factors, which stand before declared ones of the same fuel; see :func:`own_table`.

    Returns
    -------
    Factor
        Value with interval, unit, edition, years, source, mark and warnings.

    Raises
    ------
    FactorYearError
        None is declared for the year, and ``allow_other_year`` is not set.
    UnknownNameError
        Unknown fuel, place, series, edition, gas or unit; near ones are offered.
    UnitError
        No heat value joins the unit to the declared one.

    Warns
    -----
    UsageWarning
        The factor of another year is used.

    Examples
    --------
    >>> one = factor("electricity", year=2022, place="中国")
    >>> one.value, one.unit, one.edition, one.mark
    (0.5366, 't/MWh', 'mee-nbs-2024-12', 'verified')
    >>> factor("electricity", year=2022, place="中国", series="ets-reporting").value
    0.5703
    >>> round(factor("natural_gas", year=2019, edition="cn-provincial-2011", unit="万m³").value / 1000, 3)
    21.622

    Notes
    -----
    Edition ``cn-provincial-2011`` gives CO2 as NCV x carbon content x share oxidised x 44/12. The interval of a product
    of heat value and factor joins the relative half-widths by the root of the sum of squares.

    References
    ----------
    IPCC 2006 Guidelines for National Greenhouse Gas Inventories, Vol 2. NDRC, 省级温室气体清单编制指南（试行）, 2011.
    Ministry of Ecology and Environment and National Bureau of Statistics, 电力二氧化碳排放因子, 2024 and 2026.
    """
    book = FactorBook(own=table, grid=grid)
    key = fuel_key(kind, own=book.own_kinds)
    one = book.factor(
        key, year=year, place=place, gas=gas, use=use, series=series, edition=edition, basis=basis,
        allow_other_year=allow_other_year,
    )  # fmt: skip
    if unit is None:
        return one
    mass, per = parts_of(one.unit)
    times, links = book.conversion(key, unit, per, edition=edition or FUEL_EDITION)
    spread = [_relative(one.value, one.low, one.high), *(_relative(x.value, x.low, x.high) for x in links)]
    value = one.value * times
    low = high = None
    if all(s is not None for s in spread):
        down, up = (sqrt(sum(s[i] ** 2 for s in spread if s)) for i in (0, 1))
        low, high = value * max(0.0, 1 - down), value * (1 + up)
    worst = max((one.mark, *(x.mark for x in links)), key=_MARKS.index)
    doubts = one.warnings + tuple(f"{x.quantity} from memory" for x in links if x.mark == "from memory")
    return _replaced(
        one, value=value, low=low, high=high, unit=f"{mass}/{unit}", mark=worst, links=(*one.links, *links),
        warnings=doubts,
    )  # fmt: skip


def _relative(value: float, low: float | None, high: float | None) -> tuple[float, float] | None:
    if low is None or high is None:
        return None
    return ((value - low) / value, (high - value) / value) if value else (0.0, 0.0)


def available(kind: str | None = None) -> DataFrame:
    """Return the declared factors, for a list on a page or to see which years and editions there are.

    Parameters
    ----------
    kind
        A fuel, ``"electricity"`` or ``"heat"``; all if ``None``.

    Returns
    -------
    polars.DataFrame
        One row per declared value: ``kind``, ``gas`` (or heat value, density, carbon content, oxidation), ``use``,
        ``series``, ``place``, ``value``, ``low``, ``high``, ``unit``, ``edition``, ``year_from``, ``year_to``,
        ``source``, ``mark``, ``range_mark``, ``note``.

    Examples
    --------
    >>> import polars as pl
    >>> both = available("electricity").filter(pl.col("place") == "中国", pl.col("year_from") == 2022)
    >>> sorted(both["value"].to_list())
    [0.5366, 0.5703]
    """
    import polars as pl

    wanted = None if kind is None else fuel_key(kind)
    names = (
        "kind", "gas", "use", "series", "place", "value", "low", "high", "unit", "edition", "year_from", "year_to",
        "source", "mark", "range_mark", "note",
    )  # fmt: skip
    rows = [{n: r[n] for n in names} for group in _declared().values() for r in group if wanted in (None, r["kind"])]
    numbers = {"value": pl.Float64, "low": pl.Float64, "high": pl.Float64, "year_from": pl.Int64, "year_to": pl.Int64}
    return pl.DataFrame(rows, schema={n: numbers.get(n, pl.String) for n in names})


# --------------------------------------------------------------------------------------------------------- GWP


def gwp_set(gwp: str | Mapping[str, float] | DataFrame = "AR5") -> tuple[str, dict[str, float]]:
    """Return the name of a set of 100-year global warming potentials, and its values by gas.

    Parameters
    ----------
    gwp
        ``"AR4"``, ``"AR5"``, ``"AR6"``; or values of one's own by gas, or a frame with ``gas`` and ``value``.

    Raises
    ------
    UnknownNameError
        No such assessment report.
    DataError
        A value is negative, empty or not a number.

    Examples
    --------
    >>> name, values = gwp_set("AR6")
    >>> name, values["CH4"], values["CH4_fossil"], values["N2O"]
    ('AR6', 27.0, 29.8, 273.0)

    References
    ----------
    IPCC AR4 WG1 table 2.14; AR5 WG1 table 8.A.1; AR6 WG1 table 7.15.
    """
    if isinstance(gwp, str):
        table = tables.read("carbon_gwp")
        editions = table["edition"].unique().to_list()
        if gwp not in editions:
            raise suggest(gwp, editions, what="set of GWPs", see="the table datasets/codes/carbon_gwp.csv")
        return gwp, {r["gas"]: float(r["value"]) for r in table.iter_rows(named=True) if r["edition"] == gwp}
    if isinstance(gwp, Mapping):
        pairs = list(gwp.items())
    else:
        frame = _collect(gwp, "gwp")
        _need(frame, ("gas", "value"), "gwp", "Give a frame with one gas a row, or 'AR5'.")
        pairs = list(zip(frame["gas"].to_list(), frame["value"].to_list(), strict=True))
    values = {str(gas): _number(value, f"The GWP of {gas}") for gas, value in pairs}
    return "own", {gas: value for gas, value in values.items() if value is not None}


def gwp_of(gas: str, gwp: str | Mapping[str, float] | DataFrame = "AR5") -> float:
    """Return the 100-year global warming potential of a gas.

    Raises
    ------
    UnknownNameError
        The set has none for this gas.

    Examples
    --------
    >>> gwp_of("N2O", "AR4")
    298.0
    """
    name, values = gwp_set(gwp)
    if gas not in values:
        raise missing_gwp(gas, name, values)
    return values[gas]


def missing_gwp(gas: str, name: str, values: Mapping[str, float]) -> UnknownNameError:
    """Return the error for a gas without a warming potential."""
    return suggest(gas, values, what=f"gas in GWP set {name!r}", see="the table datasets/codes/carbon_gwp.csv, or gwp=")
