"""A city's greenhouse-gas inventory: activity x factor x warming potential, every total of which unfolds into its rows.

An activity table (place, year, GPC row, fuel, amount, unit, source) becomes one row per gas. What is not estimated is
listed beside it, and electricity or heat made in the city (I.4.4) is never added to what the city buys (scope 2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isclose, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from citylab import places, settings, sheets, tables, vocabulary
from citylab.carbon.factors import (
    FUEL_EDITION,
    Basis,
    Factor,
    FactorBook,
    Link,
    fuel_key,
    grid_of,
    gwp_set,
    kind_of,
    missing_gwp,
    parts_of,
    unit_factor,
    unit_of,
)
from citylab.errors import CitylabError, DataError, OverlapError, UnknownNameError, suggest
from citylab.frames import Frame, lazily, need_columns
from citylab.settings import Language

if TYPE_CHECKING:
    import polars as pl

Boundary = Literal["BASIC", "BASIC+", "territorial"]
Row = dict[str, Any]

BOUNDARIES: dict[str, str] = {"BASIC": "in_basic", "BASIC+": "in_basic_plus", "territorial": "in_territorial"}
NOTATION = {
    "NO": "not occurring",
    "NE": "not estimated",
    "IE": "included elsewhere",
    "C": "confidential",
}
GRID_SUPPLY = "I.4.4"
_EXACT = 1e-9
# Rounding of a publisher who prints tonnes: what cells and their printed total may differ by.
_PUBLISHED = 1e-6

_ACTIVITY = ("place", "year", "gpc_ref")
_GPC_KEY = ["place", "year", "gpc_ref", "scope"]


# Columns of an inventory in order; what is no number or count is text.
_COLUMNS = (
    ("place", "year", "gpc_ref", "scope", "fuel", "gas", "activity", "unit", "conversion", "converted_unit"),
    ("factor_value", "factor_unit", "emission_t", "gwp", "co2e_t", "in_total", "notation_key", "included_in"),
    ("uncertainty_pct", "factor_low", "factor_high", "factor_year", "factor_edition", "factor_series", "factor_place"),
    ("factor_mark", "factor_source", "links", "link_value", "link_low", "link_high", "link_source", "source"),
    ("warning", "activity_row", "factor_id"),
)
_INTEGERS = {"year", "scope", "factor_year", "activity_row"}
_NUMBERS = {"activity", "conversion", "factor_value", "emission_t", "gwp", "co2e_t", "uncertainty_pct", "factor_low"}
_NUMBERS |= {"factor_high", "link_value", "link_low", "link_high"}


def _schema() -> dict[str, Any]:
    import polars as pl

    def kind(name: str) -> Any:
        if name == "in_total":
            return pl.Boolean
        return pl.Int64 if name in _INTEGERS else pl.Float64 if name in _NUMBERS else pl.String

    return {name: kind(name) for line in _COLUMNS for name in line}


@dataclass(frozen=True, slots=True)
class Inventory:
    """An inventory of one or more places and years.

    Attributes
    ----------
    rows
        One row per place, year, GPC row, fuel and gas: ``activity`` [``unit``], ``conversion`` [``converted_unit`` per
        ``unit``], ``factor_value`` [``factor_unit``], ``emission_t`` (of the gas), ``gwp``, ``co2e_t``, whether it is
        ``in_total`` of the boundary, and where each number comes from. ``co2e_t`` is activity x conversion x factor x
        gwp. ``activity_row`` is the row of the activity table, the first is 1.
    gaps
        What the total does not hold: ``place``, ``year``, ``gpc_ref``, ``gas`` (empty: all), ``notation_key``,
        ``included_in``, ``reason``.
    boundary
        ``"BASIC"``, ``"BASIC+"`` or ``"territorial"``.
    gwp
        Set of warming potentials.
    basis
        How electricity was counted: ``"location"`` or ``"market"``.
    edition
        Edition of the fuel factors, or the publication of a published inventory.
    warnings
        What is doubtful, each once.
    """

    rows: pl.DataFrame
    gaps: pl.DataFrame
    boundary: Boundary
    gwp: str
    basis: str
    edition: str
    warnings: tuple[str, ...] = ()

    def tidy(self) -> pl.DataFrame:
        """Return the rows."""
        return self.rows

    def totals(self, by: str | Sequence[str] = (), *, boundary: Boundary | None = None) -> pl.DataFrame:
        """Return totals by place, year and further columns.

        Parameters
        ----------
        by
            ``"sector"`` (I to V), ``"sub_sector"``, ``"scope"``, ``"gas"``, ``"fuel"``, ``"gpc_ref"``.
        boundary
            Another boundary than the inventory's own.

        Returns
        -------
        polars.DataFrame
            ``place``, ``year``, the columns of ``by``, ``co2e_t``, ``n`` (rows added), ``ne_count`` (GPC rows of the
            whole boundary that nobody estimated; for gases missing from the others see :meth:`not_estimated`),
            ``boundary``, ``gwp_set``, ``basis``, ``edition``. No interval: see :mod:`citylab.carbon.uncertainty`.
        """
        import polars as pl

        where = self.boundary if boundary is None else boundary
        groups = ["place", "year", *([by] if isinstance(by, str) else by)]
        rows = with_sectors(self.rows.with_columns(in_total=in_total(where)))
        unknown = [g for g in groups if g not in rows.columns]
        if unknown:
            raise suggest(unknown[0], rows.columns, what="grouping column", see="Inventory.rows")
        whole_rows = self.not_estimated(boundary=where).filter(pl.col("gas").is_null())
        missing = whole_rows.group_by("place", "year").len("ne_count")
        # A place with nothing but notation keys has a total too: zero, with all that is missing beside it.
        sums = (
            rows.filter(pl.col("co2e_t").is_not_null() if len(groups) > 2 else pl.lit(True))
            .group_by(groups, maintain_order=True)
            .agg(
                co2e_t=pl.col("co2e_t").filter(pl.col("in_total")).sum(),
                n=(pl.col("in_total") & pl.col("co2e_t").is_not_null()).sum().cast(pl.Int64),
            )
        )
        if len(groups) > 2:
            sums = sums.filter(pl.col("n") > 0)
        return (
            sums.join(missing, on=["place", "year"], how="left")
            .with_columns(
                pl.col("ne_count").fill_null(0).cast(pl.Int64),
                boundary=pl.lit(where),
                gwp_set=pl.lit(self.gwp),
                basis=pl.lit(self.basis),
                edition=pl.lit(self.edition),
            )
            .sort(groups)
        )

    def total(self, *, boundary: Boundary | None = None) -> float:
        """Return the total of an inventory [t CO2e] of one year and of places that do not overlap.

        Raises
        ------
        OverlapError
            Several years, or places that share territory.
        """
        check_one_sum(self.rows)
        return float(self.totals(boundary=boundary)["co2e_t"].sum())

    def text(self, lang: Language | None = None) -> str:
        """Return totals by sector in words, with what is missing named, so that a part never reads as the whole.

        Parameters
        ----------
        lang
            ``"en"`` or ``"zh"``; by default the language of the settings.

        Examples
        --------
        >>> print(inventory(template(place="北京", year=2022)).text("en").splitlines()[0])
        北京 2022, BASIC: 0 t CO2e (AR5, location), 32 rows not estimated (NE)
        """
        import polars as pl

        chosen: Language = lang or settings.language()
        names = {(r["gpc_ref"], r["scope"]): r[f"label_{chosen}"] for r in gpc_table().iter_rows(named=True)}
        missing = self.not_estimated().filter(pl.col("gas").is_null())
        lines = []
        by_sector = self.totals("sector")
        for r in self.totals().iter_rows(named=True):
            here = (pl.col("place") == r["place"]) & (pl.col("year") == r["year"])
            told = vocabulary.say("not_estimated", chosen)
            count = f"{r['ne_count']} {'rows ' if chosen == 'en' else '项'}{told}"
            head = f"{r['place']} {r['year']}, {self.boundary}: {r['co2e_t']:,.0f} t CO2e"
            lines.append(f"{head} ({self.gwp}, {self.basis}), {count}")
            lines += [f"  {s}: {t:,.0f} t" for s, t in by_sector.filter(here).select("sector", "co2e_t").iter_rows()]
            lines += [
                f"  {told}: {ref} {names[ref, scope]}"
                for ref, scope in missing.filter(here).select("gpc_ref", "scope").iter_rows()
            ]
        return "\n".join(lines)

    def not_estimated(self, *, boundary: Boundary | None = None) -> pl.DataFrame:
        """Return what the boundary asks for and nobody has estimated (NE)."""
        import polars as pl

        where = BOUNDARIES[self.boundary if boundary is None else _boundary(boundary)]
        asked = gpc_table().filter(pl.col(where)).select("gpc_ref").unique()
        return self.gaps.filter(pl.col("notation_key") == "NE").join(asked, on="gpc_ref", how="semi")


# ------------------------------------------------------------------------------------------------------ tables


def gpc_table() -> pl.DataFrame:
    """Return the reference numbers of the GPC with scope and the totals in which they count.

    Examples
    --------
    >>> import polars as pl
    >>> gpc_table().filter(pl.col("gpc_ref") == "I.4.4").select("in_basic", "in_basic_plus", "in_territorial").row(0)
    (False, False, True)
    """
    return tables.read("carbon_gpc")


def _gpc() -> dict[tuple[str, int], Row]:
    return {(r["gpc_ref"], int(r["scope"])): r for r in gpc_table().iter_rows(named=True)}


def _boundary(name: str) -> Boundary:
    if name not in get_args(Boundary):
        raise suggest(name, get_args(Boundary), what="boundary", see="BASIC, BASIC+ and territorial")
    return name  # type: ignore[return-value]


def in_total(boundary: str) -> pl.Expr:
    """Return whether a row counts in a boundary's total."""
    import polars as pl

    flag = BOUNDARIES[_boundary(boundary)]
    keys = [f"{ref}/{scope}" for (ref, scope), r in _gpc().items() if r[flag]]
    return pl.concat_str("gpc_ref", pl.lit("/"), "scope").is_in(keys)


def with_sectors(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows with ``sector`` (I to VI) and ``sub_sector`` (I.1) read from ``gpc_ref``.

    Examples
    --------
    >>> import polars as pl
    >>> with_sectors(pl.DataFrame({"gpc_ref": ["I.4.4", "II"]})).rows()
    [('I.4.4', 'I', 'I.4'), ('II', 'II', 'II')]
    """
    import polars as pl

    parts = pl.col("gpc_ref").str.split(".")
    return rows.with_columns(sector=parts.list.first(), sub_sector=parts.list.head(2).list.join("."))


# ------------------------------------------------------------------------------------------------- user's table


def template(*, place: str | None = None, year: int | None = None) -> pl.DataFrame:
    """Return an empty activity table: every GPC row once, each marked NE until it is filled.

    The same stands as a file with explanations in ``datasets/templates/city_activity.csv``.

    Parameters
    ----------
    place, year
        Written into every row, if given.

    Returns
    -------
    polars.DataFrame
        Columns of the template ``city_activity`` (:func:`citylab.sheets.columns`).

    Examples
    --------
    >>> sheet = template(place="北京", year=2022)
    >>> inventory(sheet).totals().select("co2e_t", "ne_count").row(0)
    (0.0, 32)
    """
    import polars as pl

    sheet = read_activity(settings.datasets_dir() / "templates" / "city_activity.csv")
    return sheet.drop(sheets.LINE).with_columns(place=pl.lit(place, dtype=pl.String), year=pl.lit(year, dtype=pl.Int64))


def read_activity(path: str | Path, *, sheet: str | None = None) -> pl.DataFrame:
    """Read a city's activity table from a file.

    Parameters
    ----------
    path
        CSV in UTF-8 or GB 18030, or an Excel workbook; headings in English or Chinese as in the template, lines that
        begin with ``#`` left out. :func:`citylab.sheets.write` writes the template as either.
    sheet
        Sheet of a workbook; the first if not given.

    Returns
    -------
    polars.DataFrame
        The table, checked, with ``activity_row``: the line of the file (of a sheet: its row).

    Raises
    ------
    SchemaError
        A heading is missing or unknown, or the workbook or its sheet cannot be read.
    DataError
        Rows that cannot be; the message names their lines.
    """
    return sheets.read(path, "city_activity", sheet=sheet)


def example_city() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the activity of a real small city, Lincoln in England in 2021, and factors for it: to see totals unfold.

    Stationary energy from the publisher's statistics (Open Government Licence v3.0), read second-hand; transport, waste
    and the rest are NE. The heads of the files ``datasets/templates/example_city_lincoln_2021*.csv`` say what was
    assumed.

    Returns
    -------
    tuple
        Activity table, and own factors per kWh of gross heat value (UK Government conversion factors 2021); they are
        made for ``gwp="AR4"``.

    Examples
    --------
    >>> activity, factors = example_city()
    >>> done = inventory(activity, factors=factors, gwp="AR4")
    >>> unfold(done).select("gpc_ref", "fuel", "gas", "formula").row(0)
    ('I.1.1', 'natural_gas', 'CO2', '41.2069647 ktoe x 11630000 kWh/ktoe x 0.18282 kg/kWh x 1 CO2e = 87614.10825 t')
    """
    import polars as pl

    folder = settings.datasets_dir() / "templates"
    factors = pl.read_csv(folder / "example_city_lincoln_2021_factors.csv", comment_prefix="#")
    return read_activity(folder / "example_city_lincoln_2021.csv"), factors


# ------------------------------------------------------------------------------------------------------- checks


@dataclass(frozen=True, slots=True)
class _Entry:
    """One checked row of an activity table."""

    row: int
    place: str
    year: int
    ref: str
    scope: int
    kind: str
    activity: float | None
    unit: str
    key: str
    included_in: str
    source: str
    uncertainty_pct: float | None


def _entries(activity: pl.DataFrame, own_kinds: set[str]) -> list[_Entry]:
    import polars as pl

    gpc = _gpc()
    refs = {ref for ref, _ in gpc}
    table = activity if "activity_row" in activity.columns else activity.with_row_index("activity_row", offset=1)
    table = table.with_columns(pl.col("activity_row").cast(pl.Int64))
    entries: list[_Entry] = []
    wrong: list[str] = []
    strange: UnknownNameError | None = None
    for r in table.iter_rows(named=True):
        try:
            entries.append(_entry(r, gpc, refs, own_kinds))
        except UnknownNameError as error:
            strange = strange or error
            wrong.append(f"row {r['activity_row']}: {str(error).rstrip('.')}")
        except CitylabError as error:
            wrong.append(f"row {r['activity_row']}: {str(error).rstrip('.')}")
    if len(wrong) == 1 and strange is not None:
        raise UnknownNameError(wrong[0] + ".")
    if wrong:
        raise sheets.bad_rows(wrong, f"{len(wrong)} of {table.height} rows of the activity table cannot be used")
    _check_twice(entries)
    _check_levels(entries)
    _check_elsewhere(entries)
    return entries


def _finite(value: Any, name: str) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise DataError(f"{name} is {value!r}, not a number") from None
    if not isfinite(number):
        raise DataError(f"{name} is {number}; leave it empty and give a notation key if it is not known")
    if number < 0:
        raise DataError(
            f"{name} is {number}, but cannot be negative (removals are lines of their own: citylab.carbon.sinks)"
        )
    return number


def _entry(r: Row, gpc: Mapping[tuple[str, int], Row], refs: set[str], own_kinds: set[str]) -> _Entry:
    place = str(r["place"]).strip() if r["place"] is not None else ""
    if not place:
        raise DataError("place is empty")
    if r["year"] is None:
        raise DataError("year is empty: activity without a year finds no factor")
    ref = (r["gpc_ref"] or "").strip()
    if ref not in refs:
        raise suggest(ref, refs, what="GPC reference", see="the table datasets/codes/carbon_gpc.csv")
    scopes = sorted(s for one, s in gpc if one == ref)
    scope = r.get("scope")
    if scope is None and len(scopes) > 1:
        raise DataError(f"{ref} stands for rows of scopes {scopes}; fill in scope")
    scope = scopes[0] if scope is None else int(scope)
    if scope not in scopes:
        raise DataError(f"{ref} has scope {', '.join(map(str, scopes))}, not {scope}")
    key = (r.get("notation_key") or "").strip().upper()
    activity = _finite(r.get("activity"), "activity")
    spread = _finite(r.get("uncertainty_pct"), "uncertainty_pct")
    elsewhere = (r.get("included_in") or "").strip()
    if key and key not in NOTATION:
        raise suggest(key, NOTATION, what="notation key", see="NO, NE, IE, C")
    if key and activity is not None:
        raise DataError(f"gives both an amount ({activity}) and the notation key {key}; keep one")
    if key == "IE" and elsewhere not in refs:
        raise DataError(f"IE needs included_in: the GPC reference that holds it (it is {elsewhere!r})")
    if not key and activity is None:
        raise DataError("activity is empty and no notation key says why; give an amount, or NO, NE, IE or C")
    source = (r.get("source") or "").strip()
    if key:
        return _Entry(r["activity_row"], place, int(r["year"]), ref, scope, "", None, "", key, elsewhere, source, None)
    if not source:
        raise DataError("source is empty; say where the amount comes from")
    name = r.get("fuel")
    if not name:
        raise DataError("fuel is empty; name the fuel or activity")
    kind = fuel_key(name, own=own_kinds)
    unit = (r.get("unit") or "").strip()
    if not unit:
        raise DataError("unit is empty")
    unit_of(unit)
    if kind not in own_kinds:
        _check_scope(kind, ref, scope)
    return _Entry(r["activity_row"], place, int(r["year"]), ref, scope, kind, activity, unit, "", "", source, spread)


def _check_scope(kind: str, ref: str, scope: int) -> None:
    carrier = kind_of(kind)
    if carrier in {"electricity", "heat"} and scope == 1:
        raise DataError(f"{kind} is bought energy (scope 2), but {ref} has scope 1")
    if carrier and carrier not in {"electricity", "heat"} and scope == 2:
        raise DataError(f"{kind} is burnt (scope 1), but {ref} has scope 2")


def _check_twice(entries: Sequence[_Entry]) -> None:
    seen: dict[tuple[Any, ...], int] = {}
    for e in entries:
        same = (e.place, e.year, e.ref, e.scope, e.kind, e.activity, e.unit, e.source, e.key)
        if same in seen:
            raise DataError(
                f"Rows {seen[same]} and {e.row} of the activity table are the same ({e.place} {e.year} {e.ref} "
                f"{e.kind or e.key}). Keep one, or tell them apart by their source."
            )
        seen[same] = e.row
    keyed = {(e.place, e.year, e.ref, e.scope): e for e in entries if e.key}
    for e in entries:
        other = keyed.get((e.place, e.year, e.ref, e.scope))
        if not e.key and other is not None:
            raise DataError(
                f"{e.place} {e.year} {e.ref} has an amount (row {e.row}) and the notation key {other.key} "
                f"(row {other.row}). Drop the key."
            )


def _check_levels(entries: Iterable[_Entry]) -> None:
    """Refuse a sub-sector beside its own rows: it would count twice."""
    groups: dict[tuple[str, int, int], dict[str, int]] = {}
    for e in entries:
        if not e.key:
            groups.setdefault((e.place, e.year, e.scope), {})[e.ref] = e.row
    for (place, year, scope), found in groups.items():
        for ref, row in found.items():
            parts = ref.split(".")
            for above in (".".join(parts[:i]) for i in range(1, len(parts))):
                if above in found:
                    raise OverlapError(
                        f"{place} {year} has amounts in {above} (row {found[above]}) and in {ref} (row {row}), both of "
                        f"scope {scope}: {above} holds {ref}, and it would be counted twice. Keep one level, and mark "
                        "the other IE."
                    )


def _check_elsewhere(entries: Sequence[_Entry]) -> None:
    held = {(e.place, e.year, e.ref) for e in entries if not e.key}
    for e in entries:
        if e.key == "IE" and (e.place, e.year, e.included_in) not in held:
            raise DataError(
                f"Row {e.row} says that {e.ref} is included in {e.included_in}, but {e.place} {e.year} has no amount "
                "there. Give the amount, or mark the row NE."
            )


def check_additive(rows: pl.DataFrame) -> None:
    """Make sure that rows may be added: I.4.4 not beside scope 2, no sub-sector beside its own rows, one sum.

    Parameters
    ----------
    rows
        Rows of an inventory, ``place``, ``year``, ``gpc_ref``, ``scope`` and ``co2e_t`` among them.

    Raises
    ------
    OverlapError
        They hold something twice.

    Examples
    --------
    >>> import polars as pl
    >>> check_additive(pl.DataFrame({"place": ["北京"] * 2, "year": [2019] * 2, "gpc_ref": ["I.4.4", "I.1.2"],
    ...                              "scope": [1, 2], "co2e_t": [1.0, 2.0]}))
    Traceback (most recent call last):
    ...
    citylab.errors.OverlapError: 北京 2019: I.4.4 (generation supplied to the grid) and scope 2 (I.1.2) hold ...
    """
    import polars as pl

    lf, _ = lazily(rows)
    need_columns(lf, ["place", "year", "gpc_ref", "scope", "co2e_t"], what="check_additive")
    valued = rows.filter(pl.col("co2e_t").is_not_null())
    for (place, year), part in valued.group_by("place", "year", maintain_order=True):
        second = part.filter(pl.col("scope") == 2)["gpc_ref"]
        if GRID_SUPPLY in part["gpc_ref"] and second.len():
            raise OverlapError(
                f"{place} {year}: {GRID_SUPPLY} (generation supplied to the grid) and scope 2 ({second[0]}) hold the "
                "same electricity and heat. Add one of them: scope 2 in BASIC, I.4.4 in the territorial total."
            )
    _check_levels(
        _Entry(i, r["place"], r["year"], r["gpc_ref"], r["scope"], "", 0.0, "", "", "", "", None)
        for i, r in enumerate(valued.unique(_GPC_KEY, maintain_order=True).iter_rows(named=True), 1)
    )  # fmt: skip
    check_one_sum(valued)


def check_one_sum(rows: pl.DataFrame) -> None:
    """Make sure that rows with ``place`` and ``year`` are of one year and of places that do not overlap.

    Raises
    ------
    OverlapError
        Several years, or places that share territory.
    """
    years = rows["year"].unique().sort().to_list()
    if len(years) > 1:
        raise OverlapError(f"One total over {len(years)} years ({years[0]} to {years[-1]}). Choose a year.")
    names = rows["place"].unique(maintain_order=True).to_list()
    if len(names) > 1:
        try:
            places.check_additive(names)
        except UnknownNameError:
            # Places outside the register: nothing is known of their territory.
            return


# ---------------------------------------------------------------------------------------------------- inventory


def inventory(
    activity: Frame, *, factors: pl.DataFrame | pl.LazyFrame | None = None,
    gwp: str | Mapping[str, float] | pl.DataFrame = "AR5", boundary: Boundary = "BASIC", edition: str = FUEL_EDITION,
    grid: pl.DataFrame | pl.LazyFrame | None = None, grid_place: str | Mapping[str, str] | None = None,
    series: str | None = None, basis: Basis = "location", allow_other_year: bool = False,
) -> Inventory:  # fmt: skip
    """Return the inventory of an activity table.

    Parameters
    ----------
    activity
        One row per place, year, GPC row and fuel: ``place``, ``year``, ``gpc_ref``, ``fuel``, ``activity``, ``unit``,
        ``source``, or a ``notation_key`` (NO, NE, IE with ``included_in``, C) in place of the amount; optional
        ``scope`` (needed where ``gpc_ref`` is a sub-sector), ``uncertainty_pct`` (half-width of the 95 % interval),
        ``note``. See :func:`template` and :func:`read_activity`.
    factors
        Own factors, which stand before declared ones of the same fuel (:func:`citylab.carbon.factors.own_table`).
    gwp
        ``"AR4"``, ``"AR5"``, ``"AR6"`` or values by gas.
    boundary
        ``"BASIC"``, ``"BASIC+"`` or ``"territorial"`` (scope 1 by place, with I.4.4, without scope 2).
    edition
        Fuel factors: ``"ipcc-2006"`` or ``"cn-provincial-2011"`` (CO2 only: CH4 and N2O are then listed as NE).
    grid
        Electricity factors of provinces and regions: ``citylab.load("mee__yearly_grid_co2factor")``.
    grid_place
        Province, region or 中国 whose electricity factor stands for all places, or for each place by name.
    series, basis
        Electricity series; ``"location"`` or ``"market"`` (see :func:`citylab.carbon.factors.factor`).
    allow_other_year
        Take the nearest year where a factor is not declared for the year; warned of and recorded in ``warning``.

    Returns
    -------
    Inventory
        Rows per gas, gaps, and methods for totals.

    Raises
    ------
    SchemaError
        A column is missing.
    DataError
        Rows that cannot be: negative or not a number, amount and notation key both, no source; with row numbers.
    UnknownNameError
        Unknown fuel, unit, GPC row, place or gas without GWP; near names are offered.
    OverlapError
        A sub-sector beside its own rows.
    FactorYearError
        An electricity or other factor is not declared for the year.
    UnitError
        No heat value joins the amount's unit to the factor's.

    Warns
    -----
    UsageWarning
        The factor of another year is used.

    Examples
    --------
    >>> import polars as pl
    >>> sheet = pl.DataFrame({"place": ["北京"], "year": [2022], "gpc_ref": ["I.1.1"], "fuel": ["天然气"],
    ...                       "activity": [1.0], "unit": ["kt"], "source": ["made up"]})
    >>> done = inventory(sheet)
    >>> done.rows.select("gas", "gwp", pl.col("co2e_t").round(3)).rows()
    [('CO2', 1.0, 2692.8), ('CH4', 28.0, 6.72), ('N2O', 265.0, 1.272)]
    >>> round(done.total(), 3)
    2700.792

    References
    ----------
    GHG Protocol, Global Protocol for Community-Scale GHG Inventories v1.1, 2021.
    IPCC 2006 Guidelines for National Greenhouse Gas Inventories.
    """
    import polars as pl

    lf, _ = lazily(activity)
    need_columns(lf, _ACTIVITY, what="inventory")
    table = lf.collect()
    if not table.height:
        raise DataError("The activity table has no rows. Begin from citylab.carbon.inventory.template().")
    _boundary(boundary)
    gwp_name, potentials = gwp_set(gwp)
    book = FactorBook(own=factors, grid=grid)
    entries = _entries(table, book.own_kinds)
    gpc = _gpc()
    flag = BOUNDARIES[boundary]
    found: dict[tuple[Any, ...], Factor] = {}
    rows: list[Row] = []
    gaps: list[Row] = []
    for e in entries:
        head: Row = {"place": e.place, "year": e.year, "gpc_ref": e.ref, "scope": e.scope, "activity_row": e.row}
        if e.key:
            head |= {"notation_key": e.key, "included_in": e.included_in or None, "in_total": False}
            rows.append(head | {"source": e.source or None})
            gaps.append(head | {"gas": None, "reason": f"{NOTATION[e.key]}, by the activity table"})
            continue
        use = gpc[e.ref, e.scope]["combustion_use"] or "any"
        gases = book.gases(e.kind, edition=edition, use=use)
        carrier = kind_of(e.kind)
        lacking: tuple[str, ...] = ()
        why = ""
        if carrier in {"electricity", "heat"}:
            lacking, why = (("CH4", "N2O"), f"the factor of {e.kind} is CO2 only")
        elif carrier:
            lacking, why = (("CO2", "CH4", "N2O"), f"no factor of {e.kind} ({use}) for this gas in {edition}")
        if e.kind in book.own_kinds:
            why = f"the own factors of {e.kind} leave this gas out"
        gaps += [
            head | {"gas": gas, "notation_key": "NE", "reason": why}
            for gas in lacking
            if gas not in gases and f"{gas}_biogenic" not in gases
        ]
        for gas in gases or ["CO2"]:
            where = grid_place if isinstance(grid_place, str) else (grid_place or {}).get(e.place, e.place)
            # Only electricity depends on the place of a declared factor.
            there = grid_of(where) if carrier == "electricity" and e.kind not in book.own_kinds else e.place
            ask = (e.kind, gas, use, there, e.year)
            if ask not in found:
                found[ask] = book.factor(
                    e.kind, year=e.year, place=there, gas=gas, use=use, series=series, edition=None
                    if carrier == "electricity" else edition, basis=basis, allow_other_year=allow_other_year,
                )  # fmt: skip
            one = found[ask]
            if gas not in potentials:
                raise missing_gwp(gas, gwp_name, potentials)
            counts = {"in_total": bool(gpc[e.ref, e.scope][flag])}
            rows.append(head | counts | _calculated(e, one, book, edition, potentials[gas]))
    gaps += _unmentioned(entries, flag)
    frame = pl.DataFrame(rows, schema=_schema())
    doubts = frame["warning"].drop_nulls().unique(maintain_order=True).to_list()
    return Inventory(frame, _gap_frame(gaps), boundary, gwp_name, basis, edition, tuple(doubts))


def _calculated(e: _Entry, one: Factor, book: FactorBook, edition: str, potential: float) -> Row:
    assert e.activity is not None
    mass, per = parts_of(one.unit)
    times, links = book.conversion(e.kind, e.unit, per, edition=edition)
    emission = e.activity * times * one.value * unit_factor(mass, "t")
    doubts = [*one.warnings, *(f"{x.quantity} from memory" for x in links if x.mark == "from memory")]
    return {
        "fuel": e.kind, "gas": one.gas, "activity": e.activity, "unit": e.unit, "conversion": times,
        "converted_unit": per, "factor_value": one.value, "factor_unit": one.unit, "emission_t": emission,
        "gwp": potential, "co2e_t": emission * potential, "uncertainty_pct": e.uncertainty_pct,
        "factor_low": one.low, "factor_high": one.high,
        "factor_year": e.year if (one.valid_from or e.year) <= e.year <= (one.valid_to or e.year) else one.valid_from,
        "factor_edition": one.edition, "factor_series": one.series, "factor_place": one.place, "factor_mark": one.mark,
        "factor_source": one.source, **_linked(links), "source": e.source,
        "warning": "; ".join(f"{e.kind} {one.gas}: {d}" for d in doubts) or None, "factor_id": one.key,
    }  # fmt: skip


def _linked(links: tuple[Link, ...]) -> Row:
    """Return heat values as columns: their names, product of values, and product's interval."""
    if not links:
        return {"links": None, "link_value": None, "link_low": None, "link_high": None, "link_source": None}
    value, down, up = 1.0, 0.0, 0.0
    known = True
    for x in links:
        value *= x.value
        known = known and x.low is not None and x.high is not None
        if x.low is not None and x.high is not None:
            down += ((x.value - x.low) / x.value) ** 2
            up += ((x.high - x.value) / x.value) ** 2
    return {
        "links": "+".join(f"{x.key} = {x.value:g} {x.unit}" for x in links), "link_value": value,
        "link_low": value * max(0.0, 1 - down**0.5) if known else None,
        "link_high": value * (1 + up**0.5) if known else None,
        "link_source": "; ".join(dict.fromkeys(x.source for x in links)),
    }  # fmt: skip


def _unmentioned(entries: Sequence[_Entry], flag: str, where: str = "the activity table") -> list[Row]:
    """Return the rows of a boundary of which the activity table or publication says nothing."""
    said: dict[tuple[str, int], set[tuple[str, int]]] = {}
    for e in entries:
        said.setdefault((e.place, e.year), set()).add((e.ref, e.scope))
    rows = []
    for (place, year), refs in said.items():
        for (ref, scope), r in _gpc().items():
            parts = ref.split(".")
            above = {(".".join(parts[:i]), scope) for i in range(1, len(parts) + 1)}
            if r["level"] == "row" and r[flag] and not above & refs:
                rows.append(
                    {"place": place, "year": year, "gpc_ref": ref, "scope": scope, "gas": None, "notation_key": "NE",
                     "included_in": None, "reason": f"{where} says nothing of it"}
                )  # fmt: skip
    return rows


def _gap_frame(gaps: Sequence[Row]) -> pl.DataFrame:
    import polars as pl

    names = ("place", "year", "gpc_ref", "scope", "gas", "notation_key", "included_in", "reason")
    kinds = {n: pl.Int64 if n in {"year", "scope"} else pl.String for n in names}
    return pl.DataFrame([{n: g.get(n) for n in names} for g in gaps], schema=kinds).unique(maintain_order=True)


# ------------------------------------------------------------------------------------------------------- unfold


def selection(result: Inventory, total: str | Mapping[str, Any]) -> pl.DataFrame:
    """Return the rows that make up a total.

    Parameters
    ----------
    result
        An inventory.
    total
        A boundary (``"BASIC"``), a GPC reference (``"I"``, ``"I.1"``, ``"I.4.4"``: its rows in the boundary of the
        inventory, or the row itself if it lies outside), or values by column of rows in the boundary
        (``{"sector": "I", "gas": "CH4"}``).

    Raises
    ------
    UnknownNameError
        No such boundary, reference or column.
    OverlapError
        The rows may not be added.
    """
    import polars as pl

    rows = with_sectors(result.rows).filter(pl.col("co2e_t").is_not_null())
    if isinstance(total, str):
        if total in BOUNDARIES:
            rows = rows.filter(in_total(total))
        else:
            refs = gpc_table()["gpc_ref"].unique().to_list()
            if total not in refs:
                raise suggest(total, [*BOUNDARIES, *refs], what="total", see="BASIC, BASIC+, territorial, carbon_gpc")
            here = rows.filter((pl.col("gpc_ref") == total) | pl.col("gpc_ref").str.starts_with(f"{total}."))
            rows = here.filter("in_total") if here["in_total"].any() else here.filter(pl.col("gpc_ref") == total)
    else:
        rows = rows.filter("in_total")
        for name, value in total.items():
            if name not in rows.columns:
                raise suggest(name, rows.columns, what="column", see="Inventory.rows")
            rows = rows.filter(pl.col(name) == value)
    check_additive(rows)
    return rows


def unfold(result: Inventory, total: str | Mapping[str, Any] = "BASIC") -> pl.DataFrame:
    """Return the rows of a total: activity x conversion x factor x GWP, each with its source.

    Parameters
    ----------
    result
        An inventory of one year (choose one by ``{"year": 2019}`` otherwise).
    total
        See :func:`selection`.

    Returns
    -------
    polars.DataFrame
        The rows, largest first, with ``share`` of the total and ``formula`` written out. The sum of ``co2e_t`` is the
        total, and each row is the product that it shows, both to 1e-9.

    Raises
    ------
    DataError
        A row is not the product that it shows (someone edited it), or nothing is selected.
    UnknownNameError, OverlapError
        As in :func:`selection`.

    Examples
    --------
    >>> import polars as pl
    >>> sheet = pl.DataFrame({"place": ["北京"], "year": [2022], "gpc_ref": ["II.1.1"], "fuel": ["汽油"],
    ...                       "activity": [2.0], "unit": ["万吨"], "source": ["made up"]})
    >>> unfold(inventory(sheet)).select("gas", "formula").row(0)
    ('CO2', '2 万吨 x 443 TJ/万吨 x 69300 kg/TJ x 1 CO2e = 61399.8 t')
    """
    import polars as pl

    rows = selection(result, total)
    if not rows.height:
        raise DataError(f"No row with a value belongs to {total!r}: its total is zero, and there is nothing to unfold.")
    for r in rows.iter_rows(named=True):
        if r["factor_value"] is None:
            continue
        mass = r["factor_unit"].split("/")[0].strip()
        product = r["activity"] * r["conversion"] * r["factor_value"] * unit_factor(mass, "t") * r["gwp"]
        if not isclose(product, r["co2e_t"], rel_tol=_EXACT, abs_tol=_EXACT):
            raise DataError(
                f"{r['place']} {r['year']} {r['gpc_ref']} {r['fuel']} {r['gas']} shows {r['co2e_t']} t CO2e, but its "
                f"activity, factor and GWP make {product}. Calculate the inventory anew."
            )
    whole = rows["co2e_t"].sum()

    def number(name: str) -> pl.Expr:
        return pl.col(name).map_elements(lambda v: f"{v:.10g}", return_dtype=pl.String)

    product = pl.format(
        "{} {} x {} {}/{} x {} {} x {} CO2e = {} t", number("activity"), "unit", number("conversion"),
        "converted_unit", "unit", number("factor_value"), "factor_unit", number("gwp"), number("co2e_t"),
    )  # fmt: skip
    same = pl.format(
        "{} {} x {} {} x {} CO2e = {} t", number("activity"), "unit", number("factor_value"), "factor_unit",
        number("gwp"), number("co2e_t"),
    )  # fmt: skip
    given = pl.format("{} t as published x {} CO2e = {} t", number("emission_t"), number("gwp"), number("co2e_t"))
    return rows.with_columns(
        share=pl.col("co2e_t") / whole if whole else pl.lit(None, dtype=pl.Float64),
        formula=pl.when(pl.col("factor_value").is_null())
        .then(given)
        .when(pl.col("unit") == pl.col("converted_unit"))
        .then(same)
        .otherwise(product),
    ).sort("co2e_t", descending=True, maintain_order=True)


# ---------------------------------------------------------------------------------------------------- published


def from_published(
    frame: Frame, mapping: pl.DataFrame | None = None, *, columns: pl.DataFrame | None = None,
    value: str = "co2_t", unit: str = "t", sector: str = "sector_at_source", fuel: str = "fuel_at_source",
    place: str | None = None, boundary: Boundary = "territorial",
    source: str = "CEADs",
) -> Inventory:  # fmt: skip
    """Return a published inventory (emissions by sector and fuel, not activity) in the rows of the GPC.

    Parameters
    ----------
    frame
        Year, sector, fuel or column of the publication, emissions, and ``place`` unless given: for example the data set
        ``ceads__yearly_sector_fuel_co2``.
    mapping
        ``sector``, ``gpc_ref_combustion``, ``gpc_ref_process``, ``gpc_ref_scope2`` (empty: the sector is a sum of
        others); the declared table ``carbon_ceads_gpc`` by default.
    columns
        ``fuel`` and ``column_kind`` (combustion, process, scope2, total); ``carbon_ceads_columns`` by default.
    value, unit
        Name and unit of the emissions column.
    sector, fuel
        Names of the columns with the publication's own sectors and fuels.
    place
        Place of all rows.
    boundary
        ``"territorial"`` (scope 1). BASIC takes scope 2 in place of I.4.4.
    source
        What the rows are called in ``source``.

    Returns
    -------
    Inventory
        One row per year, GPC row, sector and fuel; ``fuel`` keeps the source's name, ``source`` the sector. Sums are
        those of the source's cells to 1e-9; scope 2 lies outside the scope 1 total. CH4 and N2O are NE, and so is
        scope 2 where it holds nothing but zeros: no city buys not one kilowatt-hour, so the column is empty.

    Raises
    ------
    SchemaError
        A column is missing.
    UnknownNameError
        A sector or fuel that the mapping does not know.
    DataError
        Empty, negative or non-finite emissions, or cells of a sector that do not add up to the source's own total.
    """
    import polars as pl

    lf, _ = lazily(frame)
    need_columns(lf, ["year", sector, fuel, value, *([] if place else ["place"])], what="from_published")
    _boundary(boundary)
    table = lf.select(
        "year",
        pl.col(sector).alias("sector"),
        pl.col(fuel).alias("fuel"),
        pl.col(value).cast(pl.Float64).alias("printed"),
        *([] if place else ["place"]),
    ).collect()
    if place:
        table = table.with_columns(place=pl.lit(place))
    to_gpc = tables.read("carbon_ceads_gpc") if mapping is None else mapping
    kinds = tables.read("carbon_ceads_columns") if columns is None else columns
    for name, known in (("sector", to_gpc["sector"].to_list()), ("fuel", kinds["fuel"].to_list())):
        strange = sorted(set(table[name].to_list()) - set(known), key=str)
        if strange:
            raise suggest(
                str(strange[0]), known, what=f"{name} of the publication", see="the mapping given or declared"
            )
    bad = table.filter(~pl.col("printed").is_finite().fill_null(False) | (pl.col("printed") < 0))
    if bad.height:
        r = bad.row(0, named=True)
        raise DataError(
            f"{bad.height} rows have no usable {value}; the first is {r['place']} {r['year']} {r['sector']!r} "
            f"{r['fuel']!r}: {r['printed']}. Emissions are finite and not negative."
        )
    if table.select("place", "year", "sector", "fuel").is_duplicated().any():
        raise DataError("The publication names a place, year, sector and fuel twice. Keep one row for each.")
    table = (
        table.with_columns(emission_t=pl.col("printed") * unit_factor(unit, "t"))
        .join(to_gpc, on="sector", how="left")
        .join(kinds.select("fuel", "column_kind"), on="fuel", how="left")
    )
    ref = (
        pl.when(pl.col("column_kind") == "combustion").then("gpc_ref_combustion")
        .when(pl.col("column_kind") == "process").then("gpc_ref_process")
        .when(pl.col("column_kind") == "scope2").then("gpc_ref_scope2")
    )  # fmt: skip
    cells = table.with_columns(
        gpc_ref=ref, scope=pl.when(pl.col("column_kind") == "scope2").then(2).otherwise(1).cast(pl.Int64)
    ).filter(pl.col("gpc_ref").is_not_null())
    is_second = pl.col("scope") == 2
    whole = cells.height
    cells = cells.filter(~is_second | (pl.col("emission_t").filter(is_second).sum().over("place", "year") > 0))
    notes = ["sectors were assigned to GPC rows by citylab's declared table"] if mapping is None else []
    if cells.height < whole:
        notes.append("scope 2 holds nothing but zeros at the source: taken as not estimated (NE)")
    unknown = sorted(set(cells["gpc_ref"].to_list()) - set(gpc_table()["gpc_ref"].to_list()))
    if unknown:
        raise suggest(unknown[0], gpc_table()["gpc_ref"].to_list(), what="GPC reference", see="carbon_gpc.csv")
    _check_totals(table, cells)
    text = f"{source}: "
    rows = cells.with_columns(
        gas=pl.lit("CO2"), gwp=pl.lit(1.0), co2e_t=pl.col("emission_t"), in_total=in_total(boundary),
        source=pl.lit(text) + pl.col("sector"),
    ).with_row_index("activity_row", offset=1)  # fmt: skip
    have = [pl.col(c).cast(t) if c in rows.columns else pl.lit(None, dtype=t).alias(c) for c, t in _schema().items()]
    frame_out = rows.select(have)
    entries = [
        _Entry(0, r["place"], r["year"], r["gpc_ref"], r["scope"], "", 0.0, "", "", "", "", None)
        for r in frame_out.unique(_GPC_KEY, maintain_order=True).iter_rows(named=True)
    ]
    _check_levels(entries)
    gaps = _unmentioned(entries, BOUNDARIES[boundary], source)
    for e in entries:
        gaps += [
            {"place": e.place, "year": e.year, "gpc_ref": e.ref, "scope": e.scope, "gas": gas, "notation_key": "NE",
             "reason": f"{source} counts CO2 only"}
            for gas in ("CH4", "N2O")
        ]  # fmt: skip
    return Inventory(
        frame_out, _gap_frame(gaps), boundary, "none (CO2 only)", "as published", source, tuple(notes)
    )  # fmt: skip


def _check_totals(table: pl.DataFrame, cells: pl.DataFrame) -> None:
    """Compare the cells with the totals that the publisher prints, where it prints some."""
    import polars as pl

    keys = ["place", "year"]
    printed = table.filter((pl.col("column_kind") == "total") & pl.col("gpc_ref_combustion").is_not_null())
    if not printed.height:
        return
    told = printed.group_by(keys).agg(printed=pl.col("emission_t").sum())
    made = cells.filter(pl.col("scope") == 1).group_by(keys).agg(made=pl.col("emission_t").sum())
    off = told.join(made, on=keys, how="left").with_columns(pl.col("made").fill_null(0.0)).filter(
        (pl.col("made") - pl.col("printed")).abs() > _PUBLISHED * pl.col("printed").abs() + _PUBLISHED
    ).sort(keys)  # fmt: skip
    if off.height:
        r = off.row(0, named=True)
        raise DataError(
            f"The cells of {r['place']} {r['year']} add up to {r['made']} t, the publisher's own totals to "
            f"{r['printed']} t. Cells are missing, or the mapping drops some."
        )
