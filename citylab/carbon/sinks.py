"""Removals of CO2 by biomass, soil and engineered storage: negative lines with their own intervals, beside the gross.

A sink never lowers a gross total: reversible storage, other errors and other years of effect would hide in the net.
citylab declares no removal rates: they depend on species, age, climate and treatment, and come from the city's own
survey.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from citylab import sheets, tables
from citylab.carbon.factors import unit_factor, unit_of
from citylab.carbon.inventory import Inventory, check_one_sum
from citylab.carbon.uncertainty import bounds, draw_numbers, simulate
from citylab.errors import DataError, OverlapError, suggest
from citylab.frames import Frame

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

    _Array = npt.NDArray[np.float64]

_HUNDRED = 100.0


@dataclass(frozen=True, slots=True, eq=False)
class Sinks:
    """Sinks of one place and year.

    Attributes
    ----------
    lines
        One row per sink: ``place``, ``year``, ``sink``, ``label_zh``, ``label_en``, ``gpc_ref``, ``name``, ``amount``,
        ``unit``, ``removal_t_per_unit``, ``co2e_t`` (0 or below), ``co2e_lower_t``, ``co2e_upper_t``,
        ``is_reversible``, ``may_be_source`` (the interval reaches above 0), ``flag``, ``source``.
    totals
        One row per kind of sink, with ``n`` lines, ``level``, ``draw_count``, ``seed``.
    draws
        One row per line, one column per draw [t CO2e], in the order of ``lines``.
    seed, level
        Of the simulation.
    """

    lines: pl.DataFrame
    totals: pl.DataFrame
    draws: _Array
    seed: int
    level: float

    def tidy(self) -> pl.DataFrame:
        """Return the lines."""
        return self.lines


def removals(
    frame: Frame, *, n: int = 10_000, seed: int, level: float = 0.95, table: pl.DataFrame | None = None
) -> Sinks:
    """Return the removals of a city's sinks as negative lines with intervals.

    Parameters
    ----------
    frame
        One sink a row, in the columns of the template ``sinks``: amount (area, mass stored), removal per unit of it in
        the year with its 95 % interval, half-width of the amount in percent. Rows with one removal, unit and source
        share its error.
    n, seed, level
        Draws, seed, level of the interval.
    table
        Kinds of sinks to use in place of the declared table ``carbon_sinks``.

    Returns
    -------
    Sinks

    Raises
    ------
    DataError
        A removal below 0 (a loss of carbon is an emission: row V.2 of the inventory), an amount below 0, bounds that
        do not hold the value, a sink that already lowered the inventory's emissions, or one twice.
    OverlapError
        Several years or places.
    UnknownNameError
        An unknown kind of sink or unit.

    Examples
    --------
    >>> import polars as pl
    >>> trees = pl.DataFrame({"place": ["示例市"], "year": [2022], "sink": ["biomass"], "name": ["plantations"],
    ...     "amount": [15.0], "unit": ["万亩"], "removal_t_per_unit": [3000.0], "removal_low_t_per_unit": [2000.0],
    ...     "removal_high_t_per_unit": [4000.0], "uncertainty_pct": [5.0], "is_in_inventory": [False],
    ...     "source": ["made up"]})
    >>> removals(trees, seed=1).lines.select("co2e_t", "is_reversible", "flag").row(0)
    (-45000.0, True, None)
    """
    import numpy as np
    import polars as pl

    kinds = {r["sink"]: r for r in (tables.read("carbon_sinks") if table is None else table).iter_rows(named=True)}
    rows = sheets.checked(frame, "sinks", what="removals")
    wrong: list[str] = []
    for r in rows.iter_rows(named=True):
        at = f"row {r[sheets.LINE]}"
        if r["sink"] not in kinds:
            raise suggest(r["sink"], kinds, what=f"sink ({at})", see="the table datasets/codes/carbon_sinks.csv")
        unit_of(r["unit"])
        low, rate, high = (r[f"removal_{x}t_per_unit"] for x in ("low_", "", "high_"))
        if r["amount"] < 0:
            wrong.append(f"{at}: amount is {r['amount']}, but cannot be negative")
        if rate < 0:
            wrong.append(f"{at}: removal is {rate}; a loss of carbon is an emission, row V.2 of the inventory")
        elif not low <= rate <= high:
            wrong.append(f"{at}: removal {rate} does not lie between its bounds {low} and {high}")
        if not 0 <= r["uncertainty_pct"] < _HUNDRED:
            wrong.append(f"{at}: uncertainty_pct is {r['uncertainty_pct']}; give a half-width from 0 to below 100")
        if r["is_in_inventory"]:
            wrong.append(f"{at}: {r['name']} already lowered the emissions of the inventory and would count twice")
    if wrong:
        raise sheets.bad_rows(wrong, "removals cannot use these rows")
    check_one_sum(rows)
    if rows["place"].n_unique() > 1:
        raise OverlapError(f"Sinks of {rows['place'].n_unique()} places. Reckon place by place.")
    if rows.select("sink", "name").is_duplicated().any():
        twice = rows.filter(rows.select("sink", "name").is_duplicated()).row(0, named=True)
        raise DataError(
            f"The {twice['sink']} sink {twice['name']!r} stands twice. Add the two, or tell them apart by name."
        )
    amount, rate = rows["amount"].to_numpy(), rows["removal_t_per_unit"].to_numpy()
    share = rows["uncertainty_pct"].to_numpy() / _HUNDRED
    amounts = draw_numbers(
        amount, amount * (1 - share), amount * (1 + share), keys=[f"sink amount|{s}|{m}" for s, m in
        rows.select("sink", "name").iter_rows()], n=n, seed=seed,
    )  # fmt: skip
    rates = draw_numbers(
        rate, rows["removal_low_t_per_unit"].to_numpy(), rows["removal_high_t_per_unit"].to_numpy(),
        keys=[f"sink removal|{s}|{v}|{u}|{src}" for s, v, u, src in
              rows.select("sink", "removal_t_per_unit", "unit", "source").iter_rows()],
        n=n, seed=seed, can_be_negative=True,
    )  # fmt: skip
    draws = -(amounts * rates)
    low, high = bounds(draws, level=level)
    # 0 x a removal is minus zero, which prints as -0.
    value = -(amount * rate) + 0.0
    flags = [_flag(r, kinds[r["sink"]]) for r in rows.iter_rows(named=True)]
    told = {
        name: [kinds[s][name] for s in rows["sink"]] for name in ("label_zh", "label_en", "gpc_ref", "is_reversible")
    }
    lines = rows.select("place", "year", "sink", "name", "amount", "unit", "removal_t_per_unit", "source").with_columns(
        **{k: pl.Series(v) for k, v in told.items()}, co2e_t=pl.Series(value), co2e_lower_t=pl.Series(low),
        co2e_upper_t=pl.Series(high), may_be_source=pl.Series(high > 0), flag=pl.Series(flags, dtype=pl.String),
    )  # fmt: skip
    lines = lines.select(
        "place", "year", "sink", "label_zh", "label_en", "gpc_ref", "name", "amount", "unit", "removal_t_per_unit",
        "co2e_t", "co2e_lower_t", "co2e_upper_t", "is_reversible", "may_be_source", "flag", "source",
    )  # fmt: skip
    sums: list[dict[str, Any]] = []
    for kind in dict.fromkeys(rows["sink"]):
        here = np.array([s == kind for s in rows["sink"]])
        (down,), (up,) = bounds(draws[here].sum(axis=0, keepdims=True), level=level)
        sums.append(
            {"place": rows["place"][0], "year": rows["year"][0], "sink": kind, "co2e_t": float(value[here].sum()),
             "co2e_lower_t": float(down), "co2e_upper_t": float(up), "n": int(here.sum()), "level": level,
             "draw_count": n, "seed": seed}
        )  # fmt: skip
    return Sinks(lines, pl.DataFrame(sums), draws, seed, level)


def _flag(r: dict[str, Any], kind: dict[str, Any]) -> str | None:
    if kind["plausible_max"] is None or unit_of(r["unit"]).dimension != "area":
        return None
    per_ha = r["removal_t_per_unit"] * unit_factor("ha", r["unit"])
    if per_ha <= kind["plausible_max"]:
        return None
    return f"{per_ha:.3g} t CO2/ha a year is more than {kind['plausible_max']:g}: check unit and years"


def beside_gross(
    inventory: Inventory, sinks: Sinks, *, activity_pct: float | None = None, factor_pct: float | None = None
) -> pl.DataFrame:
    """Return an inventory's gross total, its sinks as negative lines, and their sum as a memo, each with its interval.

    Parameters
    ----------
    inventory
        An inventory made from activity, of the sinks' place and year.
    sinks
        What :func:`removals` gives; draws, seed and level are taken from it.
    activity_pct, factor_pct
        As in :func:`citylab.carbon.uncertainty.monte_carlo`.

    Returns
    -------
    polars.DataFrame
        Rows ``gross``, one per kind of sink, ``net_memo``: ``line``, ``place``, ``year``, ``co2e_t``,
        ``co2e_lower_t``, ``co2e_upper_t``, ``is_memo``, ``boundary``, ``gwp_set``, ``level``, ``draw_count``, ``seed``.
        The gross total is that of the inventory, unchanged. Targets and drivers are reckoned from it; a net total has
        no logarithm where it reaches 0.

    Raises
    ------
    DataError
        Another place or year, or inputs of the inventory without an interval.
    """
    import polars as pl

    rows = inventory.rows
    check_one_sum(rows)
    place, year = sinks.lines["place"][0], sinks.lines["year"][0]
    if set(rows["place"]) != {place} or set(rows["year"]) != {year}:
        raise DataError(
            f"Sinks of {place} {year} stand beside an inventory of {rows['place'][0]} {rows['year'][0]}. Give one "
            "place and year."
        )
    n = sinks.draws.shape[1]
    groups, gross = simulate(inventory, n=n, seed=sinks.seed, activity_pct=activity_pct, factor_pct=factor_pct)
    named = {"gross": gross.sum(axis=0)}
    for kind in dict.fromkeys(sinks.lines["sink"]):
        named[kind] = sinks.draws[(sinks.lines["sink"] == kind).to_numpy()].sum(axis=0)
    whole = float(groups["co2e_t"].sum())
    values = {"gross": whole, **dict(sinks.totals.select("sink", "co2e_t").iter_rows())}
    named["net_memo"] = sum(named.values())
    values["net_memo"] = sum(values.values())
    out = []
    for line, drawn in named.items():
        (down,), (up,) = bounds(drawn[None, :], level=sinks.level)
        out.append(
            {"line": line, "place": place, "year": year, "co2e_t": values[line], "co2e_lower_t": float(down),
             "co2e_upper_t": float(up), "is_memo": line == "net_memo", "boundary": inventory.boundary,
             "gwp_set": inventory.gwp, "level": sinks.level, "draw_count": n, "seed": sinks.seed}
        )  # fmt: skip
    return pl.DataFrame(out)
