"""Tables of people by unit and group turned into counts, checked, and what is asked of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from citylab.equity.segregation.formulas import MULTIGROUP, TWO_GROUP, Measure, measure_named, rule
from citylab.errors import DataError, RangeError, SchemaError
from citylab.frames import keys_of, need_columns, need_numbers

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

ONE_GROUP, ONE_UNIT, SMALL_UNITS = "one_group", "one_unit", "small_units"
BIASED, MORE_EVEN = "biased", "more_even"
GRAVEST = (ONE_GROUP, ONE_UNIT, MORE_EVEN, SMALL_UNITS, BIASED)
"""Notes, of which the first that holds is told."""

SIZES = {
    "persons": pl.Float64(), "n_units": pl.Int64(), "n_groups": pl.Int64(), "n_empty_units": pl.Int64(),
    "n_small_units": pl.Int64(), "n_singleton_units": pl.Int64(), "note": pl.String(),
}  # fmt: skip
_RESERVED = frozenset(SIZES) | {
    "measure", "value", "component", "cluster", "mutual_m", "theil_h", "share", "local", "contribution",
    "contribution_share", "exposure", "other", "corrected", "bias", "se", "lower", "upper", "level", "draws", "method",
    "expected", "excess", "sd", "z", "p", "modified", "first", "second",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Table:
    """Counts of one part of a frame, without units that are empty and groups that nobody belongs to."""

    key: tuple[Any, ...]
    counts: Floats
    units: pl.Series
    groups: pl.Series
    n_empty: int

    def sizes(self, counts: Floats | None = None) -> dict[str, Any]:
        """Return the sizes and flags of a table, or of some columns of it."""
        c = self.counts if counts is None else counts
        held = c[c.sum(-1) > 0]
        t, n = held.sum(-1), held.sum()
        present = held.sum(0) > 0
        rarest = float(held.sum(0)[present].min()) if present.any() else 0.0
        small = int((t * (rarest / n) < rule("least_expected")).sum())
        note = None
        if present.sum() < 2:
            note = ONE_GROUP
        elif len(held) < 2:
            note = ONE_UNIT
        elif small > rule("small_share") * len(held):
            note = SMALL_UNITS
        return {
            "persons": float(n), "n_units": len(held), "n_groups": int(present.sum()),
            "n_empty_units": self.n_empty + len(c) - len(held), "n_small_units": small,
            "n_singleton_units": int((t == 1).sum()), "note": note,
        }  # fmt: skip

    def columns(self, focal: Any, against: Any) -> Floats:
        """Return counts of the focal group, of the one it is held against, and of all others if it is one group."""
        t = self.counts.sum(-1)

        def of(name: Any) -> Floats:
            return self.counts[:, (self.groups == name).to_numpy()].sum(-1)

        x = of(focal)
        if against is None:
            return np.stack([x, t - x], axis=-1)
        y = of(against)
        return np.stack([x, y, np.maximum(t - x - y, 0)], axis=-1)


Work = Callable[[list[Measure], "Floats"], list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a frame: whose segregation, by which measures."""

    unit: str
    group: str
    count: str
    keys: list[str]
    focal: Any
    against: Any
    measures: list[Measure]

    def tables(self, rows: pl.DataFrame, what: str) -> list[Table]:
        """Return the counts of each part of a frame, some of which have the groups that are asked for."""
        found = tables_of(rows, self.unit, self.group, self.count, self.keys, what)
        everyone = {g for t in found for g in t.groups.to_list()}
        for name in (self.focal, self.against):
            if name is not None and name not in everyone:
                raise DataError(
                    f"{what}: nobody belongs to {name!r}. The groups are {', '.join(map(repr, sorted(everyone)[:9]))}."
                )
        return found

    def parts(self, table: Table) -> list[tuple[list[Measure], Floats, dict[str, Any]]]:
        """Return measures with the counts that they are of, and their sizes: of the pair, or of everyone."""
        if self.focal is None:
            return [(self.measures, table.counts, table.sizes())]
        whole = table.columns(self.focal, self.against)
        pair = whole[whole[:, :2].sum(-1) > 0][:, :2]
        told = {True: table.sizes(whole[:, :2]), False: table.sizes(whole)}
        if not whole[:, 0].any():
            told[False]["note"] = ONE_GROUP
        of_pair = [m for m in self.measures if m.is_pair]
        of_all = [m for m in self.measures if not m.is_pair]
        return [(m, c, s) for m, c, s in ((of_pair, pair, told[True]), (of_all, whole, told[False])) if m]

    def rows(self, table: Table, work: Work, **others: Any) -> list[dict[str, Any]]:
        """Return the rows of a table in the order of the measures; ``work`` gives the values of each measure."""
        told: dict[str, dict[str, Any]] = {}
        for held, counts, sizes in self.parts(table):
            values = work(held, counts) if has_value(sizes) else [{} for _ in held]
            for m, row in zip(held, values, strict=True):
                notes = {sizes["note"], row.get("note")}
                told[m.name] = {**dict(zip(self.keys, table.key, strict=True)), "measure": m.name, **others, **sizes,
                                **row, "note": gravest(notes)}  # fmt: skip
        return [told[m.name] for m in self.measures]


def question(
    lf: pl.LazyFrame,
    unit: str,
    group: str,
    count: str,
    focal: Any,
    against: Any,
    measures: str | Sequence[str] | None,
    by: str | Sequence[str] | None,
    what: str,
) -> tuple[Question, pl.Schema]:
    """Return what is asked of a frame, and its schema, after making sure of all that a call can tell.

    Raises
    ------
    SchemaError, UnknownNameError, RangeError
        As :func:`citylab.equity.segregation.segregation`.
    """
    schema = checked_columns(lf, unit, group, count, by, what)
    if focal is None and against is not None:
        raise RangeError(f"{what}: against={against!r} without focal=; name the group whose segregation is asked for.")
    if focal is not None and focal == against:
        raise RangeError(f"{what}: focal and against are both {focal!r}; name two groups, or one against all others.")
    kind = "multigroup" if focal is None else "two_group"
    default = MULTIGROUP if focal is None else TWO_GROUP
    named = [measures] if isinstance(measures, str) else list(dict.fromkeys(default if measures is None else measures))
    if not named:
        raise RangeError(f"{what}: no measure was named. Name at least one, for example {default[0]!r}.")
    held = [measure_named(m, kind) for m in named]
    return Question(unit, group, count, keys_of(by), focal, against, held), schema


def checked_columns(
    lf: pl.LazyFrame, unit: str, group: str, count: str, by: str | Sequence[str] | None, what: str, *others: str
) -> pl.Schema:
    """Return the schema of a frame that has the columns named, each for one thing.

    Raises
    ------
    SchemaError
        It has not.
    """
    keys = keys_of(by)
    named = [*keys, unit, group, *others]
    schema = need_columns(lf, dict.fromkeys([*named, count], ""), what=what)
    need_numbers(schema, [count], what=what)
    if len(set(named)) < len(named):
        raise SchemaError(f"{what}: one column stands for two things among {named}; name different columns.")
    clash = sorted(_RESERVED & {*keys, *((unit, group) if what in {"local_segregation", "exposure"} else ())})
    if clash:
        raise SchemaError(f"{what}: column {clash[0]!r} has the name of a column of the result; rename it.")
    return schema


def tables_of(rows: pl.DataFrame, unit: str, group: str, count: str, keys: list[str], what: str) -> list[Table]:
    """Return the counts of each part of a frame in order of its key, whatever the order of the rows."""
    if rows.is_empty():
        raise DataError(f"{what}: the frame has no rows. Check the filter before it.")
    amount = pl.col(count).cast(pl.Float64)
    bad = rows.filter(~(amount.is_finite() & (amount >= 0)).fill_null(False))
    if bad.height:
        raise DataError(
            f"{what}: {bad.height} rows have a count that is missing, negative or infinite, the first "
            f"{bad.row(0, named=True)}. Put 0 where nobody is, and leave out units whose counts are not known."
        )
    named = [*keys, unit, group]
    unnamed = rows.filter(pl.any_horizontal(pl.col(named).is_null()))
    if unnamed.height:
        raise DataError(
            f"{what}: {unnamed.height} rows lack a name, the first {unnamed.row(0, named=True)}. Persons of an unknown "
            "group can be given a group of their own."
        )
    summed = rows.select(*named, amount).group_by(named).agg(pl.col(count).sum()).sort(named)
    parts = summed.partition_by(keys, as_dict=True, maintain_order=True) if keys else {(): summed}
    found = []
    for key, part in parts.items():
        units, groups = part[unit].unique().sort(), part[group].unique().sort()
        counts = np.zeros((len(units), len(groups)))
        at = part.join(pl.DataFrame({unit: units}).with_row_index("_u"), on=unit).join(
            pl.DataFrame({group: groups}).with_row_index("_g"), on=group
        )
        counts[at["_u"].to_numpy(), at["_g"].to_numpy()] = at[count].to_numpy()
        if not counts.sum() > 0:
            where = f" in {dict(zip(keys, key, strict=True))}" if keys else ""
            raise DataError(f"{what}: all counts{where} are 0; there is nobody to be segregated. Check the column.")
        full, held = counts.sum(1) > 0, counts.sum(0) > 0
        found.append(Table(key, counts[full][:, held], units.filter(full), groups.filter(held), int((~full).sum())))
    return found


def schema_of(schema: pl.Schema, keys: list[str], columns: Mapping[str, pl.DataType]) -> pl.Schema:
    """Return the schema of a result: the keys, then its columns."""
    return pl.Schema({**{k: schema[k] for k in keys}, **columns})


def gravest(notes: Iterable[str | None]) -> str | None:
    """Return the note that matters most; ``None`` if there is none."""
    held = set(notes)
    return next((note for note in GRAVEST if note in held), None)


def row_of(table: Table, keys: list[str], **row: Any) -> dict[str, Any]:
    """Return a row of a result, with the key of its part."""
    return {**dict(zip(keys, table.key, strict=True)), **row}


def has_value(sizes: Mapping[str, Any]) -> bool:
    """Return whether a table of such sizes has anything to compare."""
    return sizes["note"] not in {ONE_GROUP, ONE_UNIT}
