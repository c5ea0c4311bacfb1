"""Who emits within a sub-sector: facilities of a user's table by actor, reconciled to the inventory's total.

What the facilities do not explain is printed as a residual. Facilities that exceed the total are a contradiction
between two sources, and are shown as one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from citylab import settings, sheets, vocabulary
from citylab.carbon.inventory import Inventory, gpc_table, with_sectors
from citylab.errors import DataError, EditionError, OverlapError, suggest
from citylab.frames import Frame
from citylab.settings import Language

if TYPE_CHECKING:
    import polars as pl

Level = Literal["sub_sector", "gpc_ref"]
ROUNDING = 1e-6
"""Share of a total by which facilities may exceed it before that is a contradiction: tonnes are printed rounded."""

_PERCENT = 100.0
_CO2_ONLY = ("none", "none (CO2 only)")


@dataclass(frozen=True, slots=True, eq=False)
class Actors:
    """Facilities of actors against the totals of an inventory.

    Attributes
    ----------
    rows
        Per place, year, GPC reference and scope: one row per actor (``row_kind`` actor), one ``residual`` and one
        ``total``: ``actor``, ``facility_count``, ``co2e_t``, ``co2e_lower_t``, ``co2e_upper_t`` (null where a facility
        gives no uncertainty), ``share`` of the total, ``flag`` (``contradiction`` where facilities exceed the total,
        ``not_estimated`` where the inventory has no such row).
    level
        ``"sub_sector"`` or ``"gpc_ref"``.
    """

    rows: pl.DataFrame
    level: Level

    def tidy(self) -> pl.DataFrame:
        """Return the rows."""
        return self.rows

    @property
    def contradictions(self) -> pl.DataFrame:
        """Residuals below 0, and totals that the inventory lacks although facilities report there."""
        import polars as pl

        return self.rows.filter(pl.col("row_kind") == "residual", pl.col("flag").is_not_null())

    def text(self, lang: Language | None = None) -> str:
        """Return the reconciliation in words, one line an actor, the residual printed as such.

        Parameters
        ----------
        lang
            ``"en"`` or ``"zh"``; by default the language of the settings.
        """
        chosen: Language = lang or settings.language()

        def say(code: str) -> str:
            return vocabulary.say(_SAID.get(code, code), chosen)

        lines = []
        for (place, year, ref, scope), part in self.rows.group_by(
            "place", "year", "gpc_ref", "scope", maintain_order=True
        ):
            lines.append(f"{place} {year} {ref} ({say('gpc_scope')} {scope})")
            for r in part.iter_rows(named=True):
                name = r["actor"] if r["row_kind"] == "actor" else say(r["row_kind"])
                share = "" if r["share"] is None else f" ({r['share']:.1%})"
                amount = (
                    vocabulary.say("not_estimated", chosen) if r["co2e_t"] is None else f"{r['co2e_t']:,.1f} t CO2e"
                )
                told = f" [{say(r['flag'])}]" if r["flag"] else ""
                lines.append(f"  {name}: {amount}{share}{told}")
        return "\n".join(lines)


# Words of the vocabulary for kinds of rows and flags.
_SAID = {
    "residual": "facility_residual", "total": "inventory_total", "contradiction": "facility_contradiction",
    "not_estimated": "no_inventory_row",
}  # fmt: skip


def reconcile(inventory: Inventory, facilities: Frame, *, level: Level = "sub_sector") -> Actors:
    """Return the actors of a sub-sector with what is left of the inventory's total.

    Parameters
    ----------
    inventory
        The inventory whose totals count.
    facilities
        One facility a row, in the columns of the template ``facilities``.
    level
        Compare by ``"sub_sector"`` (I.4) or by ``"gpc_ref"`` (I.4.1), each by scope.

    Returns
    -------
    Actors
        Only sub-sectors in which a facility stands.

    Raises
    ------
    DataError
        Negative emissions, a facility twice, a place or year that the inventory does not have, a row whose level is
        coarser than the comparison.
    OverlapError
        Facilities at two levels at once (I.4 and I.4.1).
    EditionError
        Warming potentials other than the inventory's.
    UnknownNameError
        An unknown GPC reference or level.

    Notes
    -----
    Bounds of an actor join the half-widths of its facilities by the root of the sum of squares (IPCC approach 1), taken
    as independent.

    Examples
    --------
    >>> import polars as pl
    >>> from citylab.carbon.inventory import inventory
    >>> sheet = pl.DataFrame({"place": ["北京"], "year": [2022], "gpc_ref": ["I.4.1"], "fuel": ["天然气"],
    ...                       "activity": [1.0], "unit": ["kt"], "source": ["made up"]})
    >>> plants = pl.DataFrame({"place": ["北京"], "year": [2022], "gpc_ref": ["I.4.1"], "actor": ["甲公司"],
    ...                        "facility": ["一号"], "co2e_t": [2000.0], "source": ["made up"]})
    >>> print(reconcile(inventory(sheet), plants).text("en"))
    北京 2022 I.4 (scope 1)
      甲公司: 2,000.0 t CO2e (74.2%)
      residual, not explained by facilities: 695.4 t CO2e (25.8%)
      total of the inventory: 2,695.4 t CO2e (100.0%)
    """
    import polars as pl

    if level not in get_args(Level):
        raise suggest(str(level), get_args(Level), what="level", see="citylab.carbon.actors.reconcile")
    rows = _facilities(facilities, inventory, level)
    keys = ["place", "year", "gpc_ref", "scope"]
    own = with_sectors(inventory.rows).filter(pl.col("co2e_t").is_not_null())
    if level == "sub_sector":
        own = own.with_columns(gpc_ref=pl.col("sub_sector"))
        rows = with_sectors(rows).with_columns(gpc_ref=pl.col("sub_sector"))
    totals = {r[:4]: r[4] for r in own.group_by(keys).agg(pl.col("co2e_t").sum()).select(*keys, "co2e_t").iter_rows()}
    out: list[dict[str, Any]] = []
    for key, part in rows.group_by(keys, maintain_order=True):
        head = dict(zip(keys, key, strict=True))
        whole: float | None = totals.get(key)
        told = part.group_by("actor", maintain_order=True).agg(
            facility_count=pl.len().cast(pl.Int64), co2e_t=pl.col("co2e_t").sum(),
            half=pl.when(pl.col("uncertainty_pct").null_count() == 0)
            .then((pl.col("co2e_t") * pl.col("uncertainty_pct") / _PERCENT).pow(2).sum().sqrt()),
        ).sort("co2e_t", descending=True, maintain_order=True)  # fmt: skip
        for r in told.iter_rows(named=True):
            bounds = (None, None) if r["half"] is None else (max(r["co2e_t"] - r["half"], 0.0), r["co2e_t"] + r["half"])
            out.append(
                head | {"row_kind": "actor", "actor": r["actor"], "facility_count": r["facility_count"],
                        "co2e_t": r["co2e_t"], "co2e_lower_t": bounds[0], "co2e_upper_t": bounds[1],
                        "share": r["co2e_t"] / whole if whole else None}
            )  # fmt: skip
        explained = float(told["co2e_t"].sum())
        rest = None if whole is None else whole - explained
        flag = None
        if whole is None or rest is None:
            flag = "not_estimated"
        elif rest < -ROUNDING * max(whole, explained):
            flag = "contradiction"
        out.append(head | {"row_kind": "residual", "co2e_t": rest, "share": rest / whole if whole and rest is not None
                           else None, "flag": flag})  # fmt: skip
        out.append(
            head
            | {"row_kind": "total", "facility_count": part.height, "co2e_t": whole, "share": 1.0 if whole else None}
        )
    return Actors(pl.DataFrame(out, schema=_schema()), level)


def _schema() -> dict[str, Any]:
    import polars as pl

    return {
        "place": pl.String, "year": pl.Int64, "gpc_ref": pl.String, "scope": pl.Int64, "row_kind": pl.String,
        "actor": pl.String, "facility_count": pl.Int64, "co2e_t": pl.Float64, "co2e_lower_t": pl.Float64,
        "co2e_upper_t": pl.Float64, "share": pl.Float64, "flag": pl.String,
    }  # fmt: skip


def _facilities(frame: Frame, inventory: Inventory, level: Level) -> pl.DataFrame:
    import polars as pl

    rows = sheets.checked(frame, "facilities", what="reconcile")
    gpc = gpc_table()
    scopes: dict[str, list[int]] = {}
    for ref, scope in gpc.select("gpc_ref", "scope").iter_rows():
        scopes.setdefault(ref, []).append(int(scope))
    levels = dict(gpc.select("gpc_ref", "level").iter_rows())
    known = set(inventory.rows.select("place", "year").iter_rows())
    wrong: list[str] = []
    of_row: list[int] = []
    for r in rows.iter_rows(named=True):
        at = f"row {r[sheets.LINE]}"
        if r["gpc_ref"] not in scopes:
            raise suggest(
                r["gpc_ref"], scopes, what=f"GPC reference ({at})", see="the table datasets/codes/carbon_gpc.csv"
            )
        allowed = scopes[r["gpc_ref"]]
        scope = r["scope"] if r["scope"] is not None else allowed[0]
        of_row.append(scope)
        if r["scope"] is None and len(allowed) > 1:
            wrong.append(f"{at}: {r['gpc_ref']} stands for rows of scopes {allowed}; fill in scope")
        elif scope not in allowed:
            wrong.append(f"{at}: {r['gpc_ref']} has scope {', '.join(map(str, allowed))}, not {scope}")
        if levels[r["gpc_ref"]] == "sector" or (level == "gpc_ref" and levels[r["gpc_ref"]] != "row"):
            wrong.append(f"{at}: {r['gpc_ref']} is coarser than the comparison by {level}")
        if r["co2e_t"] < 0:
            wrong.append(f"{at}: co2e_t is {r['co2e_t']}, but cannot be negative (removals: citylab.carbon.sinks)")
        if r["uncertainty_pct"] is not None and r["uncertainty_pct"] < 0:
            wrong.append(f"{at}: uncertainty_pct is {r['uncertainty_pct']}, but cannot be negative")
        if (r["place"], r["year"]) not in known:
            wrong.append(f"{at}: the inventory has no {r['place']} {r['year']}")
        both_co2 = r["gwp_set"] in _CO2_ONLY and inventory.gwp in _CO2_ONLY
        if r["gwp_set"] not in (None, inventory.gwp) and not both_co2:
            raise EditionError(
                f"{at} is in {r['gwp_set']}, the inventory in {inventory.gwp}: methane and nitrous oxide weigh "
                "differently. Bring both to one set of warming potentials."
            )
    if wrong:
        raise sheets.bad_rows(wrong, "reconcile cannot use these rows")
    rows = rows.with_columns(scope=pl.Series(of_row, dtype=pl.Int64))
    keys = ["place", "year", "gpc_ref", "scope", "facility"]
    if (twice := rows.filter(rows.select(keys).is_duplicated())).height:
        raise DataError(f"The facility {twice.select(keys).row(0)} stands twice. Keep one row for each.")
    for group, part in rows.group_by("place", "year", "scope", maintain_order=True):
        refs = set(part["gpc_ref"])
        both = sorted((a, b) for a in refs for b in refs if b.startswith(f"{a}."))
        if both:
            raise OverlapError(
                f"{group[0]} {group[1]} has facilities in {both[0][0]} and in {both[0][1]}, which it holds. "
                "Use one level."
            )
    return rows
