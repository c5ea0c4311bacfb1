"""The consumption footprint of a city from an input-output table: emissions wherever they arise for what is used here.

The table is yours, of one region or of several, and is checked before anything is reckoned. citylab ships none: no open
input-output table of Beijing was at hand (where one would stand: a file after the template ``io_table``), only the
template and a small table that is labelled synthetic.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from citylab import settings, sheets
from citylab.carbon.factors import unit_factor, unit_of
from citylab.carbon.uncertainty import bounds, draw_numbers
from citylab.errors import DataError, SchemaError, UnitError, UnknownNameError, UsageWarning, suggest
from citylab.frames import Frame

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

    _Array = npt.NDArray[np.float64]

FLOWS = ("intermediate", "final_demand", "export", "import", "output")
STOCK_CHANGES = "stock_changes"
"""The one category of final demand that may be negative."""

BALANCE_TOLERANCE = 1e-3
"""How far, as a share of a sector's output, its uses may be off: tables are printed rounded."""

OUTSIDE = "outside"
_Key = tuple[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class InputOutput:
    """A checked input-output table.

    Attributes
    ----------
    sectors
        Pairs of region and sector, in the order of all arrays.
    flows
        Intermediate use [``unit``]: row what is sold, column who uses it.
    final
        Final demand by (region, category): one number per producing sector [``unit``].
    exports, imports
        To and from outside the table, per sector [``unit``]. Imports only in a table of one region, where uses hold
        what is imported.
    output
        Output per sector [``unit``].
    year, unit, source
        Year of the table and of its prices, unit of money, publisher and title.
    is_synthetic
        True where the source says so.
    """

    sectors: tuple[_Key, ...]
    flows: _Array
    final: dict[_Key, _Array]
    exports: _Array
    imports: _Array
    output: _Array
    year: int
    unit: str
    source: str
    is_synthetic: bool

    @property
    def regions(self) -> list[str]:
        """Regions, in order of appearance."""
        return list(dict.fromkeys(r for r, _ in self.sectors))

    @property
    def coefficients(self) -> _Array:
        """Technical coefficients A: input per unit of output."""
        return self.flows / self.output

    @property
    def leontief(self) -> _Array:
        """Leontief inverse (I - A)⁻¹: output needed everywhere for one unit of final demand."""
        import numpy as np

        n = len(self.sectors)
        return np.linalg.solve(np.eye(n) - self.coefficients, np.eye(n)).astype(np.float64)


def read_table(path: str | Path, *, sheet: str | None = None) -> InputOutput:
    """Read and check an input-output table from a file after the template ``io_table``.

    Raises
    ------
    SchemaError, DataError, UnitError
        As :func:`table` and :func:`citylab.sheets.read`.
    """
    return table(sheets.read(path, "io_table", sheet=sheet))


def table(frame: Frame, *, tolerance: float = BALANCE_TOLERANCE) -> InputOutput:
    """Check an input-output table in long form.

    Parameters
    ----------
    frame
        One flow a row, in the columns of the template ``io_table``: ``year``, ``flow`` (intermediate, final_demand,
        export, import, output), ``from_region``, ``from_sector``, ``to_region``, ``to_sector``, ``value``, ``unit``,
        ``source``. Flows that are not there are 0; every sector needs its output.
    tolerance
        How far uses may miss the output of their sector, as a share of it.

    Returns
    -------
    InputOutput

    Raises
    ------
    SchemaError
        A column is missing; imports in a table of several regions.
    DataError
        A negative flow (stock changes apart), an output that is not above 0, a flow twice, several years, uses that do
        not add up to output, or a sector whose inputs reach its output (column sum of A not below 1).
    UnitError
        Units of different kinds.
    UnknownNameError
        A flow, region or sector that the table does not know.

    Examples
    --------
    >>> made = example()[0]
    >>> made.coefficients.round(3).tolist(), made.leontief.round(4).tolist()
    ([[0.15, 0.25], [0.2, 0.05]], [[1.2541, 0.33], [0.264, 1.1221]])

    References
    ----------
    Miller, R. E., Blair, P. D. (2009). Input-Output Analysis: Foundations and Extensions, 2nd edition. Cambridge
    University Press, chapters 2 and 10 (from memory).
    """
    import numpy as np

    rows = sheets.checked(frame, "io_table", what="table")
    years = rows["year"].unique().to_list()
    if len(years) > 1:
        raise DataError(f"The table holds flows of {sorted(years)}. Prices and technology are of one year: choose one.")
    unit = rows["unit"][0]
    factors = _factors(rows["unit"].unique(maintain_order=True).to_list(), unit)
    entries = list(rows.iter_rows(named=True))
    for r in entries:
        if r["flow"] not in FLOWS:
            raise suggest(r["flow"], FLOWS, what=f"flow (row {r[sheets.LINE]})", see="citylab.carbon.footprint.FLOWS")
    of_sector = {(r["from_region"], r["from_sector"]): i for i, r in enumerate(
        [r for r in entries if r["flow"] == "output"])}  # fmt: skip
    if not of_sector:
        raise DataError("The table has no row of flow 'output'. Give the output of every sector.")
    sectors, n = tuple(of_sector), len(of_sector)
    regions = {region for region, _ in sectors}
    flows = np.zeros((n, n))
    final: dict[_Key, _Array] = {}
    per_sector = {name: np.zeros(n) for name in ("export", "import", "output")}
    seen: set[tuple[Any, ...]] = set()
    for r in entries:
        told = f"row {r[sheets.LINE]} ({r['flow']} of {r['from_region']} {r['from_sector']})"
        key, amount = (r["from_region"], r["from_sector"]), r["value"] * factors[r["unit"]]
        if key not in of_sector:
            names = [" ".join(k) for k in of_sector]
            raise suggest(" ".join(key), names, what=f"sector with an output, {told}", see="the rows of flow 'output'")
        i = of_sector[key]
        to: Any = (r["to_region"], r["to_sector"]) if r["flow"] in ("intermediate", "final_demand") else None
        if (r["flow"], key, to) in seen:
            raise DataError(f"{told} stands twice. Add the two, or tell their users apart.")
        seen.add((r["flow"], key, to))
        if amount < 0 and not (r["flow"] == "final_demand" and r["to_sector"] == STOCK_CHANGES):
            raise DataError(
                f"{told} is {r['value']}, but a flow is not negative (only final demand of category {STOCK_CHANGES!r})."
            )
        if to is None:
            per_sector[r["flow"]][i] = amount
            continue
        if to[0] is None or to[1] is None:
            raise DataError(f"{told} names no user. Fill in to_region and to_sector.")
        if to[0] not in regions:
            raise suggest(to[0], regions, what=f"region that uses it, {told}", see="from_region of the table")
        if r["flow"] == "final_demand":
            final.setdefault(to, np.zeros(n))[i] = amount
        elif to in of_sector:
            flows[i, of_sector[to]] = amount
        else:
            names = [s for region, s in sectors if region == to[0]]
            raise suggest(to[1], names, what=f"using sector, {told}", see="the rows of flow 'output'")
    if len(regions) > 1 and per_sector["import"].any():
        raise SchemaError(
            "The table has several regions and imports from outside them. Give the rest of the world as a region: only "
            "then is it known with which technology that was made."
        )
    source = rows["source"][0]
    made = InputOutput(
        sectors, flows, final, per_sector["export"], per_sector["import"], per_sector["output"], int(years[0]), unit,
        source, "synthetic" in source.casefold() or "合成" in source,
    )  # fmt: skip
    _check(made, tolerance)
    return made


def _factors(names: Sequence[str], unit: str) -> dict[str, float]:
    if len(names) == 1:
        return {unit: 1.0}
    for name in names:
        if unit_of(name).dimension != "money_cny":
            raise UnitError(
                f"The table has the units {', '.join(map(repr, names))}; several units must all be of money."
            )
    return {name: unit_factor(name, unit) for name in names}


def _check(made: InputOutput, tolerance: float) -> None:
    import numpy as np

    names = [" ".join(k) for k in made.sectors]
    if (bad := np.flatnonzero(made.output <= 0)).size:
        raise DataError(
            f"The output of {names[bad[0]]} is {made.output[bad[0]]:g}; an output is above 0. Leave the sector out."
        )
    uses = made.flows.sum(axis=1) + sum(made.final.values(), np.zeros(len(names))) + made.exports - made.imports
    off = np.abs(uses - made.output) / made.output
    if (worst := int(off.argmax())) is not None and off[worst] > tolerance:
        raise DataError(
            f"The uses of {names[worst]} add up to {uses[worst]:g} {made.unit}, its output is {made.output[worst]:g} "
            f"({off[worst]:.2%} apart; {tolerance:.2%} is allowed). Intermediate + final demand + exports - imports is "
            "output. Find what is missing, or widen tolerance= for a table printed with an error column."
        )
    sums = made.coefficients.sum(axis=0)
    if (over := np.flatnonzero(sums >= 1)).size:
        raise DataError(
            f"The inputs of {names[over[0]]} are {sums[over[0]]:.3f} of its output; below 1 is possible, the rest is "
            "value added. Check the units and whether rows and columns are swapped."
        )


# -------------------------------------------------------------------------------------------------- footprint


@dataclass(frozen=True, slots=True, eq=False)
class Footprint:
    """A consumption footprint, with intervals from the errors of the sectors' emissions.

    Attributes
    ----------
    summary
        One row per ``line``: ``production`` (of the region's sectors), ``embodied_in_exports``,
        ``embodied_in_imports``, ``consumption`` (= production - exports + imports, with ``households_direct`` where
        that is given), ``households_direct``;
        ``co2e_t``, ``co2e_lower_t``, ``co2e_upper_t``, ``n`` (sectors with emissions), ``level``, ``draw_count``,
        ``seed``. Lines are not to be added.
    by_product, by_origin
        The footprint by what is bought and by where it is emitted: ``region``, ``sector``, ``co2e_t`` and bounds.
    rows
        Who emits for which product: ``origin_region``, ``origin_sector``, ``product_region``, ``product_sector``,
        ``co2e_t``, largest first.
    region, year
        Whose consumption, and when.
    imports
        How imports are treated: ``"same_technology"`` (table of one region: made abroad as here), ``"table"`` (made as
        the table says, region by region).
    source
        Source of table and emissions; begins with *synthetic* where the table is.
    warnings
        What is doubtful.
    """

    summary: pl.DataFrame
    by_product: pl.DataFrame
    by_origin: pl.DataFrame
    rows: pl.DataFrame
    region: str
    year: int
    imports: str
    source: str
    warnings: tuple[str, ...] = ()

    def tidy(self) -> pl.DataFrame:
        """Return the summary."""
        return self.summary

    def value(self, line: str) -> float:
        """Return one line of the summary [t CO2e]."""
        names = self.summary["line"].to_list()
        if line not in names:
            raise suggest(line, names, what="line of the footprint", see="Footprint.summary")
        return float(self.summary.filter(line=line)["co2e_t"].item())


def footprint(
    io: InputOutput, emissions: Frame, *, region: str | None = None, n: int = 10_000, seed: int, level: float = 0.95,
    households_direct: tuple[float, float, float] | None = None, allow_other_year: bool = False,
) -> Footprint:  # fmt: skip
    """Return the emissions embodied in what a region consumes, by an environmentally extended input-output table.

    Parameters
    ----------
    io
        The table, checked by :func:`table`.
    emissions
        Direct emissions of every region and sector of the table, in the columns of the template ``io_emissions``.
    region
        Whose final demand; needed where the table has several.
    n, seed, level
        Draws and seed of the simulation, level of the interval.
    households_direct
        Emissions of households themselves (heating, private cars) with the bounds of their 95 % interval [t CO2e]:
        they are no sector of the table. Shown apart and held in ``consumption``.
    allow_other_year
        Take emissions of another year than the table's; warned of and recorded. Prices and technology then differ.

    Returns
    -------
    Footprint

    Raises
    ------
    DataError
        A sector without emissions or with two, negative or not finite numbers, another year.
    UnknownNameError
        A region or sector that the table does not have.

    Warns
    -----
    UsageWarning
        Emissions of another year.

    Notes
    -----
    With emissions per output f, technical coefficients A and final demand y of the region, the footprint is
    f (I - A)⁻¹ y. In a table of one region the uses hold imports, which are thus reckoned as made with the region's
    own technology: a strong assumption for a city that imports most of what it uses; a table of two regions lifts it.
    Draws vary f sector by sector, independently; A and y are taken as exact, so the interval is too narrow.

    Examples
    --------
    >>> import polars as pl
    >>> done = footprint(*example(), seed=1)
    >>> done.summary.select("line", pl.col("co2e_t").round(3)).rows()
    [('production', 700.0), ('embodied_in_exports', 0.0), ('embodied_in_imports', 0.0), ('consumption', 700.0)]
    >>> done.source.startswith("synthetic")
    True

    References
    ----------
    Miller, R. E., Blair, P. D. (2009). Input-Output Analysis, 2nd edition, chapter 10 (from memory).
    Wiedmann, T. (2009). A review of recent multi-region input-output models used for consumption-based emission and
    resource accounting. Ecological Economics 69, 211-222. doi:10.1016/j.ecolecon.2009.08.026.
    """
    import numpy as np
    import polars as pl

    where = _region(io, region)
    value, low, high, source, notes = _emissions(io, emissions, allow_other_year)
    keys = [f"emissions|{r}|{s}" for r, s in io.sectors]
    drawn = draw_numbers(value, low, high, keys=keys, n=n, seed=seed)
    count, here = len(io.sectors), np.array([r == where for r, _ in io.sectors])
    inverse = io.leontief
    demand = sum((y for (r, _), y in io.final.items() if r == where), np.zeros(count))
    # What each sector puts out, anywhere, for what is used here; over its output that is the share of its emissions.
    made_for = inverse * demand
    weight = made_for.sum(axis=1) / io.output
    whole = here.astype(np.float64)
    if len(io.regions) == 1:
        parts = {
            "production": whole,
            "embodied_in_exports": inverse @ io.exports / io.output,
            "embodied_in_imports": inverse @ io.imports / io.output,
            "consumption": weight,
        }
    else:
        home = np.where(here, weight, 0.0)
        parts = {
            "production": whole, "embodied_in_exports": whole - home, "embodied_in_imports": weight - home,
            "consumption": weight,
        }  # fmt: skip
    values = {name: float(w @ value) for name, w in parts.items()}
    draws = {name: w @ drawn for name, w in parts.items()}
    if households_direct is not None:
        one = draw_numbers(*([x] for x in households_direct), keys=["households_direct"], n=n, seed=seed)[0]
        values["consumption"] += households_direct[0]
        draws["consumption"] = draws["consumption"] + one
        values["households_direct"], draws["households_direct"] = households_direct[0], one
    counted = int((value > 0).sum())
    summary = _bounded(
        pl.DataFrame({"line": list(values)}), list(values.values()), np.array(list(draws.values())), level
    )
    summary = summary.with_columns(
        n=pl.lit(counted, dtype=pl.Int64), level=pl.lit(level), draw_count=pl.lit(n, dtype=pl.Int64),
        seed=pl.lit(seed, dtype=pl.Int64),
    )  # fmt: skip
    labels = pl.DataFrame(io.sectors, schema={"region": pl.String, "sector": pl.String}, orient="row")
    # By product: emissions along the whole chain of each product.
    per_product = (made_for / io.output[:, None]).T
    by_product = _bounded(labels, (per_product @ value).tolist(), per_product @ drawn, level)
    by_origin = _bounded(labels, (weight * value).tolist(), weight[:, None] * drawn, level)
    cells = value[:, None] / io.output[:, None] * made_for
    at_origin, of_product = np.nonzero(cells)
    told = [io.sectors[i] for i in at_origin], [io.sectors[j] for j in of_product]
    rows = pl.DataFrame(
        {
            "origin_region": [k[0] for k in told[0]], "origin_sector": [k[1] for k in told[0]],
            "product_region": [k[0] for k in told[1]], "product_sector": [k[1] for k in told[1]],
            "co2e_t": cells[at_origin, of_product],
        },
        schema_overrides=dict.fromkeys(
            ("origin_region", "origin_sector", "product_region", "product_sector"), pl.String),
    ).sort("co2e_t", descending=True, maintain_order=True)  # fmt: skip
    if len(io.regions) == 1 and io.imports.any():
        notes.append("imports are reckoned as made with the region's own technology")
    if len(io.regions) > 1:
        notes.append("what comes from outside the regions of the table is not held")
    label = f"{'synthetic: ' if io.is_synthetic else ''}{io.source}; {source}"
    treated = "same_technology" if len(io.regions) == 1 else "table"
    return Footprint(summary, by_product, by_origin, rows, where, io.year, treated, label, tuple(notes))


def _bounded(labels: pl.DataFrame, values: Sequence[float], draws: _Array, level: float) -> pl.DataFrame:
    import polars as pl

    low, high = bounds(draws, level=level)
    return labels.with_columns(
        co2e_t=pl.Series(values, dtype=pl.Float64), co2e_lower_t=pl.Series(low), co2e_upper_t=pl.Series(high)
    )


def _region(io: InputOutput, region: str | None) -> str:
    if region is None:
        if len(io.regions) > 1:
            raise UnknownNameError(f"The table has the regions {', '.join(io.regions)}: name one with region=.")
        return io.regions[0]
    if region not in io.regions:
        raise suggest(region, io.regions, what="region", see="InputOutput.regions")
    return region


def _emissions(io: InputOutput, frame: Frame, allow_other_year: bool) -> tuple[_Array, _Array, _Array, str, list[str]]:
    import numpy as np

    rows = sheets.checked(frame, "io_emissions", what="footprint")
    index = {key: i for i, key in enumerate(io.sectors)}
    names = ("co2e_t", "co2e_lower_t", "co2e_upper_t")
    out = np.full((3, len(index)), np.nan)
    for r in rows.iter_rows(named=True):
        key = (r["region"], r["sector"])
        if key not in index:
            known = [" ".join(k) for k in index]
            raise suggest(
                " ".join(key), known, what=f"sector of the table (row {r[sheets.LINE]})", see="InputOutput.sectors"
            )
        if not np.isnan(out[0, index[key]]):
            raise DataError(f"The emissions of {' '.join(key)} stand twice (row {r[sheets.LINE]}). Keep one.")
        if not 0 <= r["co2e_lower_t"] <= r["co2e_t"] <= r["co2e_upper_t"]:
            raise DataError(
                f"The emissions of {' '.join(key)} are {r['co2e_t']} t from {r['co2e_lower_t']} to "
                f"{r['co2e_upper_t']}. Give bounds of 0 or more around the value; net sinks are lines of their own "
                "(citylab.carbon.sinks)."
            )
        out[:, index[key]] = [r[c] for c in names]
    if lost := [" ".join(k) for k, i in index.items() if np.isnan(out[0, i])]:
        raise DataError(
            f"{len(lost)} sectors have no emissions, the first is {lost[0]}. Give 0 where there are none: what is "
            "missing would count as clean."
        )
    notes = []
    if other := sorted(set(rows["year"].to_list()) - {io.year}):
        text = f"emissions of {other[0]} with a table of {io.year}"
        if not allow_other_year:
            raise DataError(f"{text}: prices and technology differ. Give those of {io.year}, or allow_other_year=True.")
        warnings.warn(f"{text.capitalize()}.", UsageWarning, stacklevel=3)
        notes.append(text)
    return out[0], out[1], out[2], rows["source"][0], notes


def multipliers(io: InputOutput, emissions: Frame, *, allow_other_year: bool = False) -> pl.DataFrame:
    """Return emissions per unit of money: of the sector itself, and along the whole chain of its product.

    Parameters
    ----------
    io, emissions, allow_other_year
        As in :func:`footprint`.

    Returns
    -------
    polars.DataFrame
        One row per sector: ``region``, ``sector``, ``direct_t_per_unit``, ``total_t_per_unit`` (f (I - A)⁻¹),
        ``unit`` (of money). The total is never below the direct one.

    Examples
    --------
    >>> import polars as pl
    >>> multipliers(*example()).select(pl.col("direct_t_per_unit", "total_t_per_unit").round(4)).rows()
    [(0.5, 0.6535), (0.1, 0.2772)]
    """
    import polars as pl

    value, _, _, _, _ = _emissions(io, emissions, allow_other_year)
    direct = value / io.output
    return pl.DataFrame(io.sectors, schema={"region": pl.String, "sector": pl.String}, orient="row").with_columns(
        direct_t_per_unit=pl.Series(direct), total_t_per_unit=pl.Series(direct @ io.leontief), unit=pl.lit(io.unit)
    )


def example() -> tuple[InputOutput, pl.DataFrame]:
    """Return a synthetic table of two sectors, and synthetic emissions, to try the functions on. No city is like this.

    Examples
    --------
    >>> made, emissions = example()
    >>> made.is_synthetic, emissions["source"].unique().to_list()
    (True, ['synthetic: made up for the example'])
    """
    folder = settings.datasets_dir() / "templates"
    return (
        read_table(folder / "example_io_table_synthetic.csv"),
        sheets.read(folder / "example_io_emissions_synthetic.csv", "io_emissions"),
    )
