"""Three cuts of one city's emissions side by side: production, transport, consumption. They are never added.

Production counts what is emitted inside the boundary; transport is a lens on a part of it; consumption counts what is
emitted anywhere for what the city uses. They overlap, so a sum of cuts is no quantity: adding them is an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from citylab.carbon.footprint import Footprint
from citylab.carbon.inventory import Inventory, check_one_sum, in_total, with_sectors
from citylab.carbon.uncertainty import monte_carlo
from citylab.errors import DataError, OverlapError, SchemaError
from citylab.frames import Frame, lazily, need_columns

if TYPE_CHECKING:
    import polars as pl

Name = Literal["production", "transport", "consumption"]

OVERLAPS: Mapping[str, tuple[str, str]] = {
    "production": ("含交通视角的直接排放", "holds what transport burns inside the boundary"),
    "transport": ("直接排放部分包含在生产视角之内", "its fuel is part of production"),
    "consumption": (
        "等于生产视角减去隐含流出加上隐含流入",
        "production less what is embodied in exports, plus imports",
    ),
}
"""How each cut overlaps the others, in Chinese and English."""

_TRANSPORT = "II"
_MORE_SCOPES = {(1,): "fuel burnt inside the boundary", (1, 2): "fuel burnt and electricity bought"}


@dataclass(frozen=True, slots=True)
class Cut:
    """One cut of a city's emissions of one year. Adding two is an error.

    Attributes
    ----------
    cut
        ``"production"``, ``"transport"`` or ``"consumption"``.
    place, year
        Whose emissions, and when.
    co2e_t, co2e_lower_t, co2e_upper_t
        Emissions with the bounds of their interval [t CO2e]; bounds are ``None`` where the publication has none.
    level
        Level of the interval.
    n
        Rows (consumption: sectors) behind the number.
    ne_count
        Rows of the cut that nobody estimated; ``None`` where the notion has no meaning (consumption).
    counts
        What is counted, in words.
    gwp_set, method, source
        Warming potentials, how value and interval were made, where the data come from.
    note_zh, note_en
        How it overlaps the others.
    warnings
        What is doubtful.
    """

    cut: Name
    place: str
    year: int
    co2e_t: float
    co2e_lower_t: float | None
    co2e_upper_t: float | None
    level: float | None
    n: int
    ne_count: int | None
    counts: str
    gwp_set: str
    method: str
    source: str
    note_zh: str
    note_en: str
    warnings: tuple[str, ...] = ()

    def __add__(self, other: object) -> NoReturn:
        raise OverlapError(
            f"{self.cut} and {getattr(other, 'cut', other)!s} of a city overlap; their sum is no quantity. Show cuts "
            "side by side (citylab.carbon.cuts.side_by_side)."
        )

    __radd__ = __add__

    def tidy(self) -> pl.DataFrame:
        """Return the cut as a table of one row."""
        return side_by_side(self)


def production(
    inventory: Inventory, *, seed: int, n: int = 10_000, activity_pct: float | None = None,
    factor_pct: float | None = None, level: float = 0.95,
) -> Cut:  # fmt: skip
    """Return what is emitted inside the boundary: scope 1 by place (the GPC's territorial total).

    Parameters
    ----------
    inventory
        An inventory of one place and year, of whatever boundary.
    seed, n, activity_pct, factor_pct, level
        As in :func:`citylab.carbon.uncertainty.monte_carlo`.

    Returns
    -------
    Cut
        Without bounds where the inventory is a published one, which has no inputs to vary.

    Raises
    ------
    OverlapError
        Several years or places.
    DataError
        Nothing is estimated, or inputs have no interval.

    Examples
    --------
    >>> import polars as pl
    >>> from citylab.carbon.inventory import inventory
    >>> sheet = pl.DataFrame({"place": ["北京"] * 2, "year": [2022] * 2, "gpc_ref": ["I.1.1", "II.1.1"],
    ...                       "fuel": ["天然气", "汽油"], "activity": [100.0, 10.0], "unit": ["kt"] * 2,
    ...                       "source": ["made up"] * 2, "uncertainty_pct": [5.0, 5.0]})
    >>> whole, part = (cut(inventory(sheet), seed=1, n=1000) for cut in (production, transport))
    >>> round(whole.co2e_t), round(part.co2e_t)
    (302028, 31949)
    >>> whole + part
    Traceback (most recent call last):
    ...
    citylab.errors.OverlapError: production and transport of a city overlap; their sum is no quantity. ...
    """
    import polars as pl

    cut = _of(inventory, "territorial", pl.lit(True))
    counts = "everything emitted inside the boundary (scope 1)"
    return _cut(cut, "production", counts, seed, n, activity_pct, factor_pct, level)


def transport(
    inventory: Inventory, *, seed: int, scopes: Sequence[int] = (1,), n: int = 10_000,
    activity_pct: float | None = None, factor_pct: float | None = None, level: float = 0.95,
) -> Cut:  # fmt: skip
    """Return the territorial transport lens: what vehicles, trains, ships and aircraft emit inside the boundary.

    Parameters
    ----------
    inventory
        An inventory of one place and year with rows of the GPC's sector II.
    scopes
        ``(1,)``: fuel burnt inside, which is part of production. ``(1, 2)`` adds the electricity bought for transport,
        which is not.
    seed, n, activity_pct, factor_pct, level
        As in :func:`citylab.carbon.uncertainty.monte_carlo`.

    Returns
    -------
    Cut

    Raises
    ------
    DataError
        Other scopes (journeys across the boundary are scope 3 and not territorial), or no row of transport.
    OverlapError
        Several years or places.
    """
    import polars as pl

    wanted = tuple(sorted(set(scopes)))
    if wanted not in _MORE_SCOPES:
        raise DataError(
            f"scopes is {tuple(scopes)}; the territorial lens has (1,) or (1, 2). Scope 3 lies outside the boundary."
        )
    inside = pl.col("scope").is_in(wanted)
    cut = _of(inventory, "territorial" if wanted == (1,) else "BASIC", (pl.col("sector") == _TRANSPORT) & inside)
    return _cut(cut, "transport", f"transport: {_MORE_SCOPES[wanted]}", seed, n, activity_pct, factor_pct, level)


def consumption(footprint: Footprint, *, place: str | None = None, gwp_set: str = "as the emissions given") -> Cut:
    """Return what is emitted anywhere for what the city uses, from a footprint.

    Parameters
    ----------
    footprint
        Of :func:`citylab.carbon.footprint.footprint`.
    place
        Name of the place, if it is not that of the table's region.
    gwp_set
        Warming potentials of the emissions.

    Returns
    -------
    Cut
    """
    row = footprint.summary.filter(line="consumption").row(0, named=True)
    note = OVERLAPS["consumption"]
    return Cut(
        "consumption", place or footprint.region, footprint.year, row["co2e_t"], row["co2e_lower_t"],
        row["co2e_upper_t"], row["level"], row["n"], None, "everything emitted anywhere for what is used here", gwp_set,
        f"environmentally extended input-output, imports: {footprint.imports}", footprint.source, *note,
        footprint.warnings,
    )  # fmt: skip


def _of(inventory: Inventory, boundary: Any, keep: pl.Expr) -> Inventory:
    """Return the inventory with another boundary and only the kept rows in its total."""
    import polars as pl

    rows = with_sectors(inventory.rows).with_columns(in_total=in_total(boundary) & keep)
    gaps = with_sectors(inventory.gaps).filter(keep)
    names = inventory.rows.columns
    return replace(
        inventory, rows=rows.select(names).with_columns(pl.col("in_total").fill_null(False)),
        gaps=gaps.select(inventory.gaps.columns), boundary=boundary,
    )  # fmt: skip


def _cut(
    part: Inventory, name: Name, counts: str, seed: int, n: int, activity_pct: float | None, factor_pct: float | None,
    level: float,
) -> Cut:  # fmt: skip
    import polars as pl

    check_one_sum(part.rows)
    places = part.rows["place"].unique().to_list()
    if len(places) > 1:
        raise OverlapError(f"A cut is of one place; the inventory has {len(places)}. Make one inventory per place.")
    counted = part.rows.filter("in_total", pl.col("co2e_t").is_not_null())
    if not counted.height:
        raise DataError(
            f"No row of the inventory belongs to {name}: it is not estimated (NE), which is not zero. Give its "
            "activity."
        )
    whole_rows = part.not_estimated().filter(pl.col("gas").is_null())
    low = high = shown = None
    method = "as published, no interval"
    if not counted["factor_value"].null_count():
        row = monte_carlo(
            part, n=n, seed=seed, activity_pct=activity_pct, factor_pct=factor_pct, level=level
        ).row(0, named=True)  # fmt: skip
        low, high, shown, method = row["co2e_lower_t"], row["co2e_upper_t"], level, row["method"]
    sources = counted["source"].drop_nulls().unique(maintain_order=True).to_list()
    return Cut(
        name, places[0], int(part.rows["year"][0]), float(counted["co2e_t"].sum()), low, high, shown, counted.height,
        whole_rows["gpc_ref"].n_unique(), counts, part.gwp, f"inventory ({part.edition}), {method}",
        "; ".join(sources), *OVERLAPS[name], part.warnings,
    )  # fmt: skip


def side_by_side(*cuts: Cut) -> pl.DataFrame:
    """Return cuts as a table of one row each, with how they overlap. The rows are not to be added.

    Parameters
    ----------
    *cuts
        Of one place and year, each cut once.

    Returns
    -------
    polars.DataFrame
        Columns of :class:`Cut`; ``warnings`` joined. No total.

    Raises
    ------
    DataError
        Cuts of different places or years, or one cut twice.
    """
    import polars as pl

    if len({(c.place, c.year) for c in cuts}) > 1:
        told = ", ".join(f"{c.cut} {c.place} {c.year}" for c in cuts)
        raise DataError(f"Cuts of different places or years do not stand side by side: {told}.")
    if len({c.cut for c in cuts}) < len(cuts):
        raise DataError(f"A cut stands twice: {', '.join(c.cut for c in cuts)}.")
    rows = [{f.name: getattr(c, f.name) for f in fields(c)} | {"warnings": "; ".join(c.warnings) or None} for c in cuts]
    numbers = {"co2e_t", "co2e_lower_t", "co2e_upper_t", "level"}
    whole = {"year", "n", "ne_count"}
    kinds = {
        f.name: pl.Float64 if f.name in numbers else pl.Int64 if f.name in whole else pl.String for f in fields(Cut)
    }
    return pl.DataFrame(rows, schema=kinds)


def check_additive(frame: Frame) -> Frame:
    """Return a frame whose numbers may be added, or raise where it holds more than one cut of a place and year.

    Parameters
    ----------
    frame
        Rows with ``cut``, ``place``, ``year``, as :func:`side_by_side` gives.

    Raises
    ------
    OverlapError
        Two cuts of one place and year.
    SchemaError
        A column is missing.

    Examples
    --------
    >>> import polars as pl
    >>> check_additive(pl.DataFrame({"cut": ["production", "consumption"], "place": ["A"] * 2, "year": [2020] * 2}))
    Traceback (most recent call last):
    ...
    citylab.errors.OverlapError: A 2020 stands with the cuts consumption, production, which overlap. ...
    """
    import polars as pl

    lf, _ = lazily(frame)
    need_columns(lf, ["cut", "place", "year"], what="check_additive")
    named = lf.group_by("place", "year").agg(pl.col("cut").unique().sort()).sort("place", "year").collect()
    if not named.height:
        raise SchemaError("The frame has no rows, so there is nothing to add.")
    for place, year, found in named.iter_rows():
        if len(found) > 1:
            raise OverlapError(
                f"{place} {year} stands with the cuts {', '.join(found)}, which overlap. Choose one cut before adding."
            )
    return frame
