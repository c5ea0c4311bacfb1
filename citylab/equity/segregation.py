"""Segregation: how unlike the composition of schools, districts or networks is, and how much of that chance would make.

A table of counts says how many persons of each group are in each unit. :func:`segregation` measures it;
:func:`between_within` parts it among clusters of units, :func:`local_segregation` among units or groups,
:func:`exposure` says who meets whom. Small units look segregated even if people are placed by lot:
:func:`segregation_test` compares a value with what chance alone makes, :func:`segregation_interval` gives its interval
and its bias, :func:`segregation_difference` compares two cities or years.

All draws are held as one array of counts and measured at once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import polars as pl
from scipy.special import xlogy
from scipy.stats import random_table

from citylab import tables
from citylab.errors import DataError, RangeError, SchemaError, suggest
from citylab.frames import Frame, keys_of, lazily, need_columns, need_numbers
from citylab.stats.bootstrap import interval, need_draws

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Counts = npt.NDArray[Any]
    Draws = Callable[[np.random.Generator, int], Counts]

Null = Literal["evenness", "systematic", "permutation"]
Resample = Literal["persons", "units"]
Comparison = Literal["bootstrap", "random_label"]
Of = Literal["unit", "group"]

MEASURES, RULES = "segregation_measures", "segregation_rules"
MULTIGROUP = ("mutual_m", "theil_h", "dissimilarity", "gini", "normalised_exposure")
TWO_GROUP = ("dissimilarity", "gini", "theil_h", "atkinson", "correlation_ratio", "isolation", "interaction")
ONE_GROUP, ONE_UNIT, SMALL_UNITS, BIASED = "one_group", "one_unit", "small_units", "biased"
_GRAVEST = (ONE_GROUP, ONE_UNIT, SMALL_UNITS)

_SIZES = {
    "persons": pl.Float64(), "n_units": pl.Int64(), "n_groups": pl.Int64(), "n_empty_units": pl.Int64(),
    "n_small_units": pl.Int64(), "n_singleton_units": pl.Int64(), "note": pl.String(),
}  # fmt: skip
_RESERVED = frozenset(_SIZES) | {
    "measure", "value", "component", "cluster", "mutual_m", "theil_h", "share", "local", "contribution",
    "contribution_share", "exposure", "other", "corrected", "bias", "se", "lower", "upper", "level", "draws", "method",
    "expected", "excess", "sd", "z", "p", "modified", "first", "second",
}  # fmt: skip


@cache
def rule(name: str) -> float:
    """Return a setting from the declared table ``segregation_rules``.

    Examples
    --------
    >>> rule("least_expected")
    5.0
    """
    return float(tables.read(RULES).row(by_predicate=pl.col("rule") == name, named=True)["value"])


# ------------------------------------------------------------------------------------------------------ the formulas
# Counts stand on the last two axes, units by groups; axes before them are draws. A unit without persons adds nothing.


def _over(a: Counts, b: Counts) -> Floats:
    """Return a / b, 0 where b is 0."""
    a, b = np.broadcast_arrays(np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64))
    return np.divide(a, b, out=np.zeros(a.shape), where=b > 0)


def _shares(c: Counts) -> Floats:
    """Return the share of each group in the whole."""
    return _over(c.sum(-2), c.sum((-2, -1))[..., None])


def _entropy(c: Counts) -> Floats:
    p = _shares(c)
    return np.asarray(-xlogy(p, p).sum(-1))


def _mutual_m(c: Counts) -> Floats:
    t, g, n = c.sum(-1), c.sum(-2), c.sum((-2, -1))
    held = xlogy(c, c).sum((-2, -1)) - xlogy(t, t).sum(-1) - xlogy(g, g).sum(-1) + xlogy(n, n)
    # Rounding may leave an even table a trace below 0, or at -0.
    return np.maximum(_over(held, n), 0.0) + 0.0


def _theil_h(c: Counts) -> Floats:
    return _over(_mutual_m(c), _entropy(c))


def _pairs(c: Counts) -> Iterator[tuple[Counts, Counts, Floats]]:
    """Return for each group its counts, those of all others, and the weight P(1 - P) of the pair, over their sum."""
    p, t = _shares(c), c.sum(-1)
    weight = p * (1 - p)
    weight = _over(weight, weight.sum(-1, keepdims=True))
    for g in range(c.shape[-1]):
        yield c[..., g], t - c[..., g], weight[..., g]


def _multigroup_dissimilarity(c: Counts) -> Floats:
    return np.asarray(sum(w * _dissimilarity(x, y) for x, y, w in _pairs(c)))


def _multigroup_gini(c: Counts) -> Floats:
    return np.asarray(sum(w * _gini(x, y) for x, y, w in _pairs(c)))


def _squares(c: Counts) -> tuple[Floats, Floats]:
    """Return for each group the mean square of its share in a unit about that in the whole, and the latter."""
    p, t = _shares(c), c.sum(-1)
    mean_square = _over((_over(c * c, t[..., None])).sum(-2), t.sum(-1)[..., None])
    return mean_square - p * p, p


def _normalised_exposure(c: Counts) -> Floats:
    square, p = _squares(c)
    return np.asarray(_over(square, 1 - p).sum(-1))


def _relative_diversity(c: Counts) -> Floats:
    square, p = _squares(c)
    return _over(square.sum(-1), (p * (1 - p)).sum(-1))


def _squared_variation(c: Counts) -> Floats:
    square, p = _squares(c)
    return _over(_over(square, p).sum(-1), (p > 0).sum(-1) - 1)


def _dissimilarity(x: Counts, y: Counts) -> Floats:
    return np.abs(_over(x, x.sum(-1)[..., None]) - _over(y, y.sum(-1)[..., None])).sum(-1) / 2


def _gini(x: Counts, y: Counts) -> Floats:
    order = np.argsort(_over(x, x + y), axis=-1)
    xs, ys = (np.take_along_axis(_over(v, v.sum(-1)[..., None]), order, -1) for v in (x, y))
    upto = np.cumsum(xs, axis=-1)
    return np.asarray(ys.sum(-1) - (ys * (2 * upto - xs)).sum(-1))


def _atkinson(x: Counts, y: Counts, shape: float) -> Floats:
    held = _over(x, x.sum(-1)[..., None]) ** shape * _over(y, y.sum(-1)[..., None]) ** (1 - shape)
    return np.asarray(1 - held.sum(-1) ** (1 / (1 - shape)))


def _exposure(x: Counts, y: Counts, t: Counts) -> Floats:
    """Return the mean share of y in the units of persons of x."""
    return _over((_over(x * y, t)).sum(-1), x.sum(-1))


def _correlation_ratio(x: Counts, y: Counts) -> Floats:
    share = _over(x.sum(-1), (x + y).sum(-1))
    return _over(_exposure(x, x, x + y) - share, 1 - share)


_MULTIGROUP: Mapping[str, Callable[[Counts], Floats]] = {
    "mutual_m": _mutual_m, "theil_h": _theil_h, "dissimilarity": _multigroup_dissimilarity, "gini": _multigroup_gini,
    "normalised_exposure": _normalised_exposure, "relative_diversity": _relative_diversity,
    "squared_variation": _squared_variation,
}  # fmt: skip
# Counts of the first group, of the second, and of all others, if there are any, are three columns.
_TWO_GROUP: Mapping[str, Callable[[Counts, float], Floats]] = {
    "dissimilarity": lambda c, _: _dissimilarity(c[..., 0], c[..., 1]),
    "gini": lambda c, _: _gini(c[..., 0], c[..., 1]),
    "theil_h": lambda c, _: _theil_h(c[..., :2]),
    "mutual_m": lambda c, _: _mutual_m(c[..., :2]),
    "atkinson": lambda c, shape: _atkinson(c[..., 0], c[..., 1], shape),
    "correlation_ratio": lambda c, _: _correlation_ratio(c[..., 0], c[..., 1]),
    "isolation": lambda c, _: _exposure(c[..., 0], c[..., 0], c.sum(-1)),
    "interaction": lambda c, _: _exposure(c[..., 0], c[..., 1], c.sum(-1)),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Measure:
    """A measure by name, and of whom it is."""

    name: str
    is_pair: bool
    highest: float | None
    of: Callable[[Counts], Floats]

    def value(self, counts: Counts) -> Floats:
        return self.of(counts)


def _measure(name: str, kind: str) -> _Measure:
    held = tables.read(MEASURES).filter(kind=kind)
    match = re.fullmatch(r"(\w+?)(?:\(([^()]*)\))?", name)
    stem = match[1] if match else name
    if not match or stem not in held["measure"] or (match[2] is not None and stem != "atkinson"):
        raise suggest(name, held["measure"], what=f"{kind} measure", see="citylab.equity.segregation.measures")
    row = held.row(by_predicate=pl.col("measure") == stem, named=True)
    shape = rule("atkinson_shape")
    if match[2] is not None:
        try:
            shape = float(match[2])
        except ValueError:
            raise RangeError(f"{name!r}: {match[2]!r} is no number. Write for example 'atkinson(0.5)'.") from None
    if not 0 < shape < 1:
        raise RangeError(f"{name!r}: the parameter must lie between 0 and 1.")
    plain, paired = _MULTIGROUP.get(stem), _TWO_GROUP.get(stem)

    def of(counts: Counts) -> Floats:
        if kind == "multigroup":
            assert plain is not None
            return plain(counts)
        assert paired is not None
        return paired(counts, shape)

    return _Measure(name, row["population"] == "pair", row["highest"], of)


# ------------------------------------------------------------------------------------------------ tables into counts


@dataclass(frozen=True, slots=True)
class _Table:
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


_Work = Callable[[list[_Measure], "Floats"], list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked of a frame: whose segregation, by which measures."""

    unit: str
    group: str
    count: str
    keys: list[str]
    focal: Any
    against: Any
    measures: list[_Measure]

    def tables(self, rows: pl.DataFrame, what: str) -> list[_Table]:
        """Return the counts of each part of a frame, some of which have the groups that are asked for."""
        found = _tables(rows, self.unit, self.group, self.count, self.keys, what)
        everyone = {g for t in found for g in t.groups.to_list()}
        for name in (self.focal, self.against):
            if name is not None and name not in everyone:
                raise DataError(
                    f"{what}: nobody belongs to {name!r}. The groups are {', '.join(map(repr, sorted(everyone)[:9]))}."
                )
        return found

    def parts(self, table: _Table) -> list[tuple[list[_Measure], Floats, dict[str, Any]]]:
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

    def rows(self, table: _Table, work: _Work, **others: Any) -> list[dict[str, Any]]:
        """Return the rows of a table in the order of the measures; ``work`` gives the values of each measure."""
        told: dict[str, dict[str, Any]] = {}
        for held, counts, sizes in self.parts(table):
            values = work(held, counts) if _is_number(sizes) else [{} for _ in held]
            for m, row in zip(held, values, strict=True):
                told[m.name] = {**dict(zip(self.keys, table.key, strict=True)), "measure": m.name, **others, **sizes,
                                **row, "note": sizes["note"] or row.get("note")}  # fmt: skip
        return [told[m.name] for m in self.measures]


def _question(
    lf: pl.LazyFrame,
    unit: str,
    group: str,
    count: str,
    focal: Any,
    against: Any,
    measures: str | Sequence[str] | None,
    by: str | Sequence[str] | None,
    what: str,
) -> tuple[_Question, pl.Schema]:
    schema = _columns(lf, unit, group, count, by, what)
    if focal is None and against is not None:
        raise RangeError(f"{what}: against={against!r} without focal=; name the group whose segregation is asked for.")
    if focal is not None and focal == against:
        raise RangeError(f"{what}: focal and against are both {focal!r}; name two groups, or one against all others.")
    kind = "multigroup" if focal is None else "two_group"
    default = MULTIGROUP if focal is None else TWO_GROUP
    named = [measures] if isinstance(measures, str) else list(dict.fromkeys(default if measures is None else measures))
    if not named:
        raise RangeError(f"{what}: no measure was named. Name at least one, for example {default[0]!r}.")
    held = [_measure(m, kind) for m in named]
    return _Question(unit, group, count, keys_of(by), focal, against, held), schema


def _columns(
    lf: pl.LazyFrame, unit: str, group: str, count: str, by: str | Sequence[str] | None, what: str, *others: str
) -> pl.Schema:
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


def _tables(rows: pl.DataFrame, unit: str, group: str, count: str, keys: list[str], what: str) -> list[_Table]:
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
        found.append(_Table(key, counts[full][:, held], units.filter(full), groups.filter(held), int((~full).sum())))
    return found


def _out(schema: pl.Schema, keys: list[str], columns: Mapping[str, pl.DataType]) -> pl.Schema:
    return pl.Schema({**{k: schema[k] for k in keys}, **columns})


def _told(table: _Table, keys: list[str], **row: Any) -> dict[str, Any]:
    return {**dict(zip(keys, table.key, strict=True)), **row}


def _is_number(sizes: Mapping[str, Any]) -> bool:
    return sizes["note"] not in {ONE_GROUP, ONE_UNIT}


# ------------------------------------------------------------------------------------------------------------ values


def segregation(
    frame: Frame,
    *,
    unit: str,
    group: str,
    count: str = "persons",
    focal: Any = None,
    against: Any = None,
    measures: str | Sequence[str] | None = None,
    by: str | Sequence[str] | None = None,
) -> Frame:
    """Return how segregated groups are among units.

    Parameters
    ----------
    frame
        One row per unit and group: how many persons of the group are in the unit. Rows of one unit and group are added
        up, so that a table by school also gives the segregation among districts; a pair without a row counts 0.
    unit, group, count
        Columns of the unit (school, district), of the group, and of persons (0 or more; weighted counts may be broken).
    focal, against
        A group, and the one it is held against (default: all others), for measures of two groups. Without ``focal``
        the measures are of all groups at once.
    measures
        One or several names of the declared table (:func:`measures`); ``"atkinson(0.3)"`` gives its parameter. Default
        the usual ones.
    by
        Columns that part the frame: city, year.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per part and measure: the columns of ``by``, ``measure``, ``value`` (M in nats, others 0 to 1),
        ``persons``, ``n_units``, ``n_groups``, ``n_empty_units`` (left out), ``n_small_units``, ``n_singleton_units``
        (of a single person, alike whatever the segregation), ``note``:

        - ``one_group``, ``one_unit``: nothing to compare; the value is null
        - ``small_units``: many units would hold fewer than five of some group if all were spread evenly; chance alone
          then makes a high value. See :func:`segregation_test`

        Measures of a pair are of its persons only, ``isolation`` and ``interaction`` of everyone in the unit.

    Raises
    ------
    SchemaError
        A column is missing, holds no numbers, or has the name of a result.
    UnknownNameError, RangeError
        A measure or parameter that there is not, ``against`` without ``focal``.
    DataError
        On collecting: a missing, negative or infinite count, a missing name, all counts 0, a group nobody belongs to.

    Notes
    -----
    With counts n, of units t, of groups g, of all T: ``M = Σ n/T ln(n T/(t g))``, ``H = M / E``, E the entropy of the
    groups. Two groups x and y: ``D = ½ Σ |x/X - y/Y|``; the Gini index is twice the area between its segregation curve
    and the diagonal; ``xPy = Σ x/X · y/t``. The multigroup D and Gini index are the means of those of each group
    against all others, weighted with P(1 - P). Parting or joining units of equal composition changes none of them.

    Examples
    --------
    >>> schools = pl.DataFrame({"school": ["a", "a", "b", "b"], "group": ["local", "migrant"] * 2,
    ...                         "persons": [90, 10, 30, 70]})
    >>> segregation(schools, unit="school", group="group", focal="migrant", measures="dissimilarity")["value"].item()
    0.625

    References
    ----------
    Massey and Denton (1988), doi:10.2307/2579183. Reardon and Firebaugh (2002), doi:10.1111/1467-9531.00110. Mora and
    Ruiz-Castillo (2011), doi:10.1111/j.1467-9531.2011.01237.x
    """
    lf, back = lazily(frame)
    q, schema = _question(lf, unit, group, count, focal, against, measures, by, "segregation")

    out = _out(schema, q.keys, {"measure": pl.String(), "value": pl.Float64(), **_SIZES})

    def work(rows: pl.DataFrame) -> pl.DataFrame:
        found = q.tables(rows, "segregation")
        told = [row for t in found for row in q.rows(t, lambda m, c: [{"value": float(v)} for v in _values(m, c)])]
        return pl.DataFrame(told, schema=out, orient="row")

    return back(lf.select(*q.keys, unit, group, count).map_batches(work, schema=out))


def measures(kind: Literal["multigroup", "two_group"] | None = None) -> pl.DataFrame:
    """Return the declared table of measures, with labels in both languages and sources.

    Examples
    --------
    >>> measures("two_group")["measure"].to_list()[:2]
    ['dissimilarity', 'gini']
    """
    held = tables.read(MEASURES)
    return held if kind is None else held.filter(kind=kind)


def exposure(
    frame: Frame, *, unit: str, group: str, count: str = "persons", by: str | Sequence[str] | None = None
) -> Frame:
    """Return who meets whom: the share of each group in the unit of the average person of a group.

    Parameters
    ----------
    frame, unit, group, count, by
        As in :func:`segregation`.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per part, group and other group: the columns of ``by``, the group, ``other``, ``exposure`` (xPy; a group
        with itself: isolation xPx), ``persons`` (of the group). The exposures of a group add up to 1.

    Raises
    ------
    SchemaError, DataError
        As :func:`segregation`.

    Examples
    --------
    >>> schools = pl.DataFrame({"school": ["a", "a", "b"], "group": ["local", "migrant", "migrant"],
    ...                         "persons": [60, 20, 20]})
    >>> exposure(schools, unit="school", group="group").rows()[2:]
    [('migrant', 'local', 0.375, 40.0), ('migrant', 'migrant', 0.625, 40.0)]

    References
    ----------
    Lieberson (1981), An asymmetrical approach to segregation; Massey and Denton (1988), doi:10.2307/2579183
    """
    lf, back = lazily(frame)
    schema, keys = _columns(lf, unit, group, count, by, "exposure"), keys_of(by)

    out = _out(schema, keys, {group: schema[group], "other": schema[group], "exposure": pl.Float64(),
                              "persons": pl.Float64()})  # fmt: skip

    def work(rows: pl.DataFrame) -> pl.DataFrame:
        told = []
        for t in _tables(rows, unit, group, count, keys, "exposure"):
            held = _over(t.counts, t.counts.sum(0)).T @ _over(t.counts, t.counts.sum(1)[:, None])
            for i, one in enumerate(t.groups):
                persons = float(t.counts[:, i].sum())
                told += [
                    _told(t, keys, **{group: one, "other": other, "exposure": float(held[i, j]), "persons": persons})
                    for j, other in enumerate(t.groups)
                ]
        return pl.DataFrame(told, schema=out, orient="row")

    return back(lf.select(*keys, unit, group, count).map_batches(work, schema=out))


def local_segregation(
    frame: Frame,
    *,
    unit: str,
    group: str,
    count: str = "persons",
    of: Of = "unit",
    by: str | Sequence[str] | None = None,
) -> Frame:
    """Return what each unit, or each group, adds to the segregation M.

    Parameters
    ----------
    frame, unit, group, count, by
        As in :func:`segregation`.
    of
        ``unit``: how unlike the whole the composition of a unit is. ``group``: how unlike all others a group is spread.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per part and unit (or group): the columns of ``by``, the unit (or group), ``local`` (its local
        segregation, nats, 0 or more), ``share`` (of all persons), ``contribution`` (their product; the sum is M),
        ``contribution_share`` (of M; null if M is 0), ``persons``. Small units have high values by chance.

    Raises
    ------
    SchemaError, UnknownNameError, DataError
        As :func:`segregation`; an ``of`` that there is not.

    Notes
    -----
    Of a unit ``ls = Σ_g p(g|u) ln(p(g|u) / p(g))``; of a group the same with the two changed over.

    Examples
    --------
    >>> schools = pl.DataFrame({"school": ["a", "b", "b"], "group": ["local", "local", "migrant"],
    ...                         "persons": [50, 25, 25]})
    >>> local_segregation(schools, unit="school", group="group")["local"].round(4).to_list()
    [0.2877, 0.1438]

    References
    ----------
    Alonso-Villar and Del Río (2010), Local versus overall segregation measures, Mathematical Social Sciences 60, 30-38.
    Mora and Ruiz-Castillo (2011), doi:10.1111/j.1467-9531.2011.01237.x
    """
    if of not in get_args(Of):
        raise suggest(str(of), get_args(Of), what="thing to part by", see="citylab.equity.segregation.Of")
    lf, back = lazily(frame)
    schema, keys = _columns(lf, unit, group, count, by, "local_segregation"), keys_of(by)
    column = unit if of == "unit" else group

    out = _out(schema, keys, {column: schema[column], "local": pl.Float64(), "share": pl.Float64(),
                              "contribution": pl.Float64(), "contribution_share": pl.Float64(),
                              "persons": pl.Float64()})  # fmt: skip

    def work(rows: pl.DataFrame) -> pl.DataFrame:
        told = []
        for t in _tables(rows, unit, group, count, keys, "local_segregation"):
            c, names = (t.counts, t.units) if of == "unit" else (t.counts.T, t.groups)
            inside, n = _over(c, c.sum(1)[:, None]), c.sum()
            local = (xlogy(inside, inside) - xlogy(inside, c.sum(0) / n)).sum(1)
            share = c.sum(1) / n
            part = share * local
            whole = _over(part, part.sum()) if part.sum() > 0 else np.full(len(part), np.nan)
            values = zip(names, local, share, part, whole, c.sum(1), strict=True)
            told += [
                _told(t, keys, **{column: name, "local": a, "share": b, "contribution": d, "contribution_share": e,
                                  "persons": f})
                for name, a, b, d, e, f in values
            ]  # fmt: skip
        return pl.DataFrame(told, schema=out, orient="row").with_columns(pl.col("contribution_share").fill_nan(None))

    return back(lf.select(*keys, unit, group, count).map_batches(work, schema=out))


def between_within(
    frame: Frame,
    *,
    unit: str,
    group: str,
    cluster: str,
    count: str = "persons",
    by: str | Sequence[str] | None = None,
) -> Frame:
    """Return how much of M and H lies between clusters of units (cities, districts) and how much within each.

    Parameters
    ----------
    frame, unit, group, count, by
        As in :func:`segregation`.
    cluster
        Column of the cluster; a unit lies in one only.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        Rows ``total``, ``between``, ``within``, then one ``cluster`` row per cluster: the columns of ``by``,
        ``component``, ``cluster`` (null in the first three), ``mutual_m``, ``theil_h`` (of the first three: M and H of
        the whole and its parts; of a cluster: its own), ``contribution`` (to M; of a cluster its M times its share of
        persons, which add up to within), ``contribution_share`` (of M; null if M is 0), ``persons``, ``n_units``. H of
        the whole is null if there is one group only, that of a cluster if it holds one group only.

    Raises
    ------
    SchemaError, DataError
        As :func:`segregation`; a unit in two clusters.

    Notes
    -----
    ``M = M_between + Σ_c p_c M_c`` exactly; H is M over the entropy of the whole, in its parts too.

    Examples
    --------
    >>> schools = pl.DataFrame({"town": ["x", "x", "y", "y"], "school": ["a", "b", "c", "d"],
    ...                         "group": ["local", "migrant"] * 2, "persons": [50, 50, 50, 50]})
    >>> parts = between_within(schools, unit="school", group="group", cluster="town")
    >>> parts["component"].to_list()[:3], parts["contribution_share"].round(6).to_list()[:3]
    (['total', 'between', 'within'], [1.0, 0.0, 1.0])

    References
    ----------
    Mora and Ruiz-Castillo (2011), doi:10.1111/j.1467-9531.2011.01237.x
    """
    lf, back = lazily(frame)
    schema, keys = _columns(lf, unit, group, count, by, "between_within", cluster), keys_of(by)

    out = _out(schema, keys, {"component": pl.String(), "cluster": schema[cluster], "mutual_m": pl.Float64(),
                              "theil_h": pl.Float64(), "contribution": pl.Float64(), "contribution_share": pl.Float64(),
                              "persons": pl.Float64(), "n_units": pl.Int64()})  # fmt: skip

    def work(rows: pl.DataFrame) -> pl.DataFrame:
        lost = rows.filter(pl.col(cluster).is_null())
        if lost.height:
            raise DataError(f"between_within: {lost.height} rows lack their {cluster!r}. Name it or leave them out.")
        at = rows.select(*keys, unit, cluster).unique()
        twice = at.filter(pl.struct(*keys, unit).is_duplicated()).sort(*keys, unit, cluster)
        if twice.height:
            raise DataError(
                f"between_within: unit {twice[unit][0]!r} lies in {twice[cluster][0]!r} and in {twice[cluster][1]!r}. "
                "If names of units repeat in each cluster, join both into one name first."
            )
        told = []
        for t in _tables(rows, unit, group, count, keys, "between_within"):
            here = at.filter(*(pl.col(k) == v for k, v in zip(keys, t.key, strict=True)))
            home = t.units.to_frame().join(here.select(unit, cluster), on=unit, how="left", maintain_order="left")
            names = home[cluster].unique().sort()
            code = home[cluster].rank("dense").to_numpy() - 1
            told += _parted(t, keys, names, code.astype(np.int64))
        return pl.DataFrame(told, schema=out, orient="row")

    return back(lf.select(*keys, cluster, unit, group, count).map_batches(work, schema=out))


def _parted(t: _Table, keys: list[str], names: pl.Series, code: npt.NDArray[np.int64]) -> list[dict[str, Any]]:
    n, entropy, whole = t.counts.sum(), float(_entropy(t.counts)), float(_mutual_m(t.counts))
    joined = np.zeros((len(names), t.counts.shape[1]))
    np.add.at(joined, code, t.counts)
    own = [t.counts[code == i] for i in range(len(names))]
    inside = [float(_mutual_m(c)) for c in own]
    parts = [float(c.sum() / n) * m for c, m in zip(own, inside, strict=True)]

    def row(component: str, name: Any, m: float, e: float, part: float, persons: float, units: int) -> dict[str, Any]:
        return _told(
            t, keys, component=component, cluster=name, mutual_m=m, theil_h=m / e if e > 0 else None, contribution=part,
            contribution_share=part / whole if whole > 0 else None, persons=persons, n_units=units,
        )  # fmt: skip

    three = {"total": whole, "between": float(_mutual_m(joined)), "within": sum(parts)}
    told = [row(name, None, m, entropy, m, float(n), len(t.counts)) for name, m in three.items()]
    for name, c, m, part in zip(names, own, inside, parts, strict=True):
        told.append(row("cluster", name, m, float(_entropy(c)), part, float(c.sum()), len(c)))
    return told


# --------------------------------------------------------------------------------------------------------- inference


def _values(measures: Sequence[_Measure], counts: Counts) -> Floats:
    """Return the value of each measure, in a row of its own if there are draws."""
    return np.stack([m.value(counts) for m in measures])


def _in_chunks(
    of: Callable[[Counts], Floats], cells: int, draw: Draws, draws: int, seed: np.random.SeedSequence
) -> Floats:
    """Return what ``of`` makes of draws, some of them held at a time; NumPy draws without the interpreter's lock."""
    most = max(1, int(rule("chunk_cells") // max(1, cells)))
    sizes = [min(most, draws - at) for at in range(0, draws, most)]

    def work(size: int, seed: np.random.SeedSequence) -> Floats:
        return of(draw(np.random.default_rng(seed), size))

    seeds = seed.spawn(len(sizes))
    with ThreadPoolExecutor(max_workers=min(len(sizes), os.cpu_count() or 1)) as pool:
        return np.concatenate(list(pool.map(work, sizes, seeds)), axis=-1)


def _whole(counts: Floats, what: str, instead: str) -> npt.NDArray[np.int64]:
    if (np.abs(counts - np.rint(counts)) > rule("whole_tolerance")).any():
        worst = counts[np.abs(counts - np.rint(counts)) > rule("whole_tolerance")][0]
        raise DataError(f"{what}: a count is {worst:g}; persons are drawn, and only whole ones can be. {instead}")
    return np.rint(counts).astype(np.int64)


def _by_chance(counts: npt.NDArray[np.int64], null: Null) -> Draws:
    """Return what draws tables in which units and groups have nothing to do with each other."""
    t, g = counts.sum(1), counts.sum(0)
    if null == "evenness":
        return lambda rng, b: rng.multinomial(t, g / g.sum(), size=(b, len(t)))
    if null == "systematic":
        return lambda rng, b: np.swapaxes(rng.multinomial(g, t / t.sum(), size=(b, len(g))), -1, -2)
    both = random_table(t, g)
    return lambda rng, b: both.rvs(size=b, random_state=rng).reshape(b, *counts.shape)


def _again(counts: Floats, resample: Resample, what: str) -> Draws:
    """Return what draws persons, or units with all their persons, anew."""
    if resample == "persons":
        held = _whole(counts, what, 'Take resample="units".')
        p = held.ravel() / held.sum()
        return lambda rng, b: rng.multinomial(held.sum(), p, size=b).reshape(b, *counts.shape)
    n = len(counts)
    return lambda rng, b: rng.multinomial(n, np.full(n, 1 / n), size=b)[..., None] * counts


def _settings(draws: int | None, level: float | None, what: str) -> tuple[int, float]:
    n = int(rule("draws")) if draws is None else draws
    if n < 1:
        raise RangeError(f"{what}: draws is {n}; expected at least 1.")
    at = rule("level") if level is None else float(level)
    return n, at


def _choice(given: str, known: Any, what: str) -> None:
    if given not in get_args(known):
        raise suggest(str(given), get_args(known), what=what, see="citylab.equity.segregation")


def segregation_test(
    frame: Frame,
    *,
    unit: str,
    group: str,
    count: str = "persons",
    focal: Any = None,
    against: Any = None,
    measures: str | Sequence[str] | None = None,
    by: str | Sequence[str] | None = None,
    null: Null = "permutation",
    draws: int | None = None,
    seed: int = 0,
) -> Frame:
    """Return whether groups are more segregated than if chance had placed them, and by how much.

    Parameters
    ----------
    frame, unit, group, count, focal, against, measures, by
        As in :func:`segregation`; counts are whole persons.
    null
        What chance does. ``permutation`` (complete randomness): places persons at random, each unit keeps its size and
        each group too. ``evenness``: each unit keeps its size, and each of its persons is of a group with the
        probability of the whole. ``systematic``: each group keeps its size, and each of its persons is in a unit with
        the probability of the whole.
    draws
        Number of draws; default in ``segregation_rules``.
    seed
        The same seed gives the same result, whatever the order of rows.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per part and measure: the columns of ``by``, ``measure``, ``value``; ``expected`` and ``sd`` (mean and
        standard deviation by chance), ``excess`` (value - expected), ``z`` (excess / sd), ``p`` (share of tables by
        chance with at least the value, the one seen counted in: never 0), ``modified`` (excess over what there can be
        beyond chance, (value - expected) / (1 - expected); null for measures without a highest value of 1), ``draws``,
        ``method`` (the null); then ``persons`` to ``note`` as in :func:`segregation`. For ``interaction`` low values
        are segregation: its ``p`` is the share of tables with at most the value.

    Raises
    ------
    SchemaError, UnknownNameError, RangeError, DataError
        As :func:`segregation`; counts that are not whole, which are no persons (estimates of a sample).

    Notes
    -----
    Under the nulls persons come one by one. Families, classes or villages that move together make more segregation than
    that without any preference; a small p then says less. ``excess`` is near 0 without segregation however small the
    units, and understates segregation that there is by up to ``expected``; the bias falls as the true value rises.

    Examples
    --------
    >>> pairs = pl.DataFrame({"desk": [1, 1, 2, 2, 3, 4], "group": ["a", "b", "a", "b", "a", "b"],
    ...                       "persons": [1, 1, 1, 1, 2, 2]})
    >>> found = segregation_test(pairs, unit="desk", group="group", measures="dissimilarity", draws=200)
    >>> found["value"].item(), found["p"].item() > 0.2, found["note"].item()
    (0.5, True, 'small_units')

    References
    ----------
    Boisso, Hayes, Hirschberg and Silber (1994), Occupational segregation in the multidimensional case, Journal of
    Econometrics 61, 161-171. Carrington and Troske (1997), doi:10.1080/07350015.1997.10524718 (modified index). Allen,
    Burgess, Davidson and Windmeijer (2015), doi:10.1111/ectj.12039. Phipson and Smyth (2010),
    doi:10.2202/1544-6115.1585 (p-values)
    """
    _choice(null, Null, "null hypothesis")
    lf, back = lazily(frame)
    q, schema = _question(lf, unit, group, count, focal, against, measures, by, "segregation_test")
    n, _ = _settings(draws, None, "segregation_test")
    numbers = ["value", "expected", "sd", "excess", "z", "p", "modified"]

    def row(m: _Measure, value: float, chance: Floats) -> dict[str, Any]:
        expected, sd = float(chance.mean()), float(chance.std(ddof=1)) if n > 1 else None
        # Equal tables may differ in the last digits.
        slack = rule("equal_tolerance")
        as_far = (chance <= value + slack) if m.name == "interaction" else (chance >= value - slack)
        return {
            "value": value, "expected": expected, "sd": sd, "excess": value - expected,
            "z": (value - expected) / sd if sd else None, "p": (1 + int(as_far.sum())) / (1 + n),
            "modified": (value - expected) / (m.highest - expected) if m.highest and expected < m.highest else None,
        }  # fmt: skip

    def tested(held: list[_Measure], counts: Floats, seed: np.random.SeedSequence) -> list[dict[str, Any]]:
        persons = _whole(counts, "segregation_test", "Weighted counts of a sample need segregation_interval.")
        chance = _in_chunks(lambda c: _values(held, c), persons.size, _by_chance(persons, null), n, seed)
        return [row(m, float(m.value(persons)), c) for m, c in zip(held, chance, strict=True)]

    out = _out(schema, q.keys, {"measure": pl.String(), **dict.fromkeys(numbers, pl.Float64()), "draws": pl.Int64(),
                                "method": pl.String(), **_SIZES})  # fmt: skip

    def work(rows: pl.DataFrame) -> pl.DataFrame:
        found = q.tables(rows, "segregation_test")
        seeds = np.random.SeedSequence(seed).spawn(len(found))
        told = [q.rows(t, partial(tested, seed=s), draws=n, method=null) for t, s in zip(found, seeds, strict=True)]
        return pl.DataFrame([row for part in told for row in part], schema=out, orient="row")

    return back(lf.select(*q.keys, unit, group, count).map_batches(work, schema=out))


def segregation_interval(
    frame: Frame,
    *,
    unit: str,
    group: str,
    count: str = "persons",
    focal: Any = None,
    against: Any = None,
    measures: str | Sequence[str] | None = None,
    by: str | Sequence[str] | None = None,
    resample: Resample = "persons",
    draws: int | None = None,
    level: float | None = None,
    seed: int = 0,
) -> Frame:
    """Return segregation with its interval and its bias, by the bootstrap.

    Parameters
    ----------
    frame, unit, group, count, focal, against, measures, by
        As in :func:`segregation`.
    resample
        ``persons``: the persons of the table are a sample of more (a survey, one intake of many); counts are whole.
        ``units``: the units are a sample of more (some schools of many), each with all its persons.
    draws, level
        Number of draws and level; defaults in ``segregation_rules``.
    seed
        The same seed gives the same result, whatever the order of rows.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per part and measure: the columns of ``by``, ``measure``, ``value``; ``bias`` (mean of the draws less
        the value), ``corrected`` (value - bias), ``se``, ``lower``, ``upper`` (twice the value less the upper and lower
        quantile of the draws, so that the bias is taken out of the interval as well), ``level``, ``draws``, ``method``;
        then ``persons`` to ``note`` as in :func:`segregation`, with ``biased`` where the bias is larger than the
        standard error, so that the interval rests on its correction. A corrected value or bound below 0 is left as it
        is: read it as 0.

    Raises
    ------
    SchemaError, UnknownNameError, RangeError, DataError
        As :func:`segregation`; counts that are not whole with ``resample="persons"``; too few draws for the level.

    Notes
    -----
    Measures of segregation come out too high from few persons; the draws are again too high by about as much, which
    the correction takes off. That holds for M and H where no unit is small and there is some segregation; their
    intervals then cover about as often as they say. It holds less for D, which is made of absolute differences: its
    interval covers less often than it says, the less the smaller the units, and where people are placed by lot the
    correction leaves more than half of the bias and the interval lies above 0. Where a row is noted ``small_units`` the
    draws lose members of small groups for good, the bias is found too small for every measure, and ``corrected`` stays
    too high. Whether there is any segregation is a question for :func:`segregation_test`. The slow proofs of the
    project, ``calibration/segregation.py``, measure this.

    A table of everybody (a census) has no error of sampling: its interval says what another intake could have brought.
    ``units`` finds little of the bias that small units have.

    Examples
    --------
    >>> schools = pl.DataFrame({"school": ["a", "a", "b", "b"], "group": ["local", "migrant"] * 2,
    ...                         "persons": [900, 100, 300, 700]})
    >>> found = segregation_interval(schools, unit="school", group="group", measures="theil_h", draws=200)
    >>> found.select(pl.col("corrected").is_between("lower", "upper")).item(), found["n_units"].item()
    (True, 2)

    References
    ----------
    Efron and Tibshirani (1993), An introduction to the bootstrap, chapters 10 and 13. Allen, Burgess, Davidson and
    Windmeijer (2015), doi:10.1111/ectj.12039. Elbers (2023), doi:10.1177/0049124121986204
    """
    _choice(resample, Resample, "thing to resample")
    lf, back = lazily(frame)
    q, schema = _question(lf, unit, group, count, focal, against, measures, by, "segregation_interval")
    n, at = _settings(draws, level, "segregation_interval")
    need_draws(n, at)
    numbers: list[str] = ["value", "corrected", "bias", "se", "lower", "upper"]

    def row(value: float, drawn: Floats) -> dict[str, Any]:
        bias = float(drawn.mean()) - value
        low, high = interval(drawn, level=at)
        se = float(drawn.std(ddof=1))
        note = BIASED if bias > rule("bias_over_se") * se else None
        return {"value": value, "corrected": value - bias, "bias": bias, "se": se, "lower": 2 * value - float(high),
                "upper": 2 * value - float(low), "note": note}  # fmt: skip

    def estimated(held: list[_Measure], counts: Floats, seed: np.random.SeedSequence) -> list[dict[str, Any]]:
        again = _again(counts, resample, "segregation_interval")
        drawn = _in_chunks(lambda c: _values(held, c), counts.size, again, n, seed)
        return [row(float(m.value(counts)), d) for m, d in zip(held, drawn, strict=True)]

    out = _out(schema, q.keys, {"measure": pl.String(), **dict.fromkeys([*numbers, "level"], pl.Float64()),
                                "draws": pl.Int64(), "method": pl.String(), **_SIZES})  # fmt: skip

    def work(rows: pl.DataFrame) -> pl.DataFrame:
        found = q.tables(rows, "segregation_interval")
        others = {"level": at, "draws": n, "method": resample}
        seeds = np.random.SeedSequence(seed).spawn(len(found))
        told = [q.rows(t, partial(estimated, seed=s), **others) for t, s in zip(found, seeds, strict=True)]
        return pl.DataFrame([row for part in told for row in part], schema=out, orient="row")

    return back(lf.select(*q.keys, unit, group, count).map_batches(work, schema=out))


def segregation_difference(
    frame: Frame,
    *,
    unit: str,
    group: str,
    of: str,
    between: tuple[Any, Any],
    count: str = "persons",
    focal: Any = None,
    against: Any = None,
    measures: str | Sequence[str] | None = None,
    by: str | Sequence[str] | None = None,
    method: Comparison = "bootstrap",
    resample: Resample = "persons",
    draws: int | None = None,
    level: float | None = None,
    seed: int = 0,
) -> Frame:
    """Return how segregation differs between two cities or two years, and whether chance could make the difference.

    Parameters
    ----------
    frame, unit, group, count, focal, against, measures, by, resample, draws, level, seed
        As in :func:`segregation_interval`.
    of, between
        Column that tells the two apart, and its two values: the first is taken from the second.
    method
        ``bootstrap``: both are drawn anew, each by itself; gives an interval. ``random_label``: units are dealt out to
        the two anew, each keeping its number of units; tests whether their units could be of one kind, gives no
        interval.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per part and measure: the columns of ``by``, ``measure``, ``first``, ``second`` (values of the two),
        ``value`` (second - first), ``corrected`` (less the bias of the draws), ``se``, ``lower``, ``upper``, ``p``
        (two-sided), ``level``, ``draws``, ``method``, ``note`` (of either, the graver one). Null under
        ``random_label``: corrected, se and interval.

    Raises
    ------
    SchemaError, UnknownNameError, RangeError, DataError
        As :func:`segregation_interval`; a value of ``between`` that no row has.

    Notes
    -----
    The bootstrap takes the two as independent. The same schools in two years are not, and the interval is then too
    wide. Biases of like-sized units fall out of the difference, those of unlike ones do not.
    The p of ``bootstrap`` is the share of draws at least as far from their mean as the corrected difference is from 0,
    the one seen counted in.

    Examples
    --------
    >>> years = pl.DataFrame({"year": [2010] * 4 + [2020] * 4, "school": ["a", "a", "b", "b"] * 2,
    ...                       "group": ["local", "migrant"] * 4, "persons": [900, 100, 100, 900] + [500] * 4})
    >>> found = segregation_difference(years, unit="school", group="group", of="year", between=(2010, 2020),
    ...                                measures="dissimilarity", draws=200).row(0, named=True)
    >>> round(found["value"], 6), found["upper"] < 0, round(found["p"], 4)
    (-0.8, True, 0.005)

    References
    ----------
    Efron and Tibshirani (1993), An introduction to the bootstrap, chapter 16. Rey and Sastré-Gutiérrez (2010),
    Interregional inequality dynamics in Mexico, Spatial Economic Analysis 5, 277-298 (random labels)
    """
    _choice(method, Comparison, "comparison")
    _choice(resample, Resample, "thing to resample")
    what = "segregation_difference"
    lf, back = lazily(frame)
    keys: list[str] = keys_of(by)
    q, schema = _question(lf, unit, group, count, focal, against, measures, [*keys, of], what)
    n, at = _settings(draws, level, what)
    need_draws(n, at)
    first, second = between
    if first == second:
        raise RangeError(f"{what}: between= names {first!r} twice; name two values of {of!r}.")

    def bootstrapped(held: list[_Measure], a: Floats, b: Floats, seed: np.random.SeedSequence) -> list[dict[str, Any]]:
        one, other = (
            _in_chunks(lambda c: _values(held, c), table.size, _again(table, resample, what), n, s)
            for table, s in zip((a, b), seed.spawn(2), strict=True)
        )
        told = []
        for value, drawn in zip(_values(held, b) - _values(held, a), other - one, strict=True):
            corrected = 2 * value - drawn.mean()
            low, high = interval(drawn, level=at)
            as_far = np.abs(drawn - drawn.mean()) >= abs(corrected)
            told.append({"corrected": float(corrected), "se": float(drawn.std(ddof=1)),
                         "lower": float(2 * value - high), "upper": float(2 * value - low),
                         "p": (1 + int(as_far.sum())) / (1 + n)})  # fmt: skip
        return told

    def relabelled(held: list[_Measure], a: Floats, b: Floats, seed: np.random.SeedSequence) -> list[dict[str, Any]]:
        pool, dealt = np.concatenate([a, b]), np.arange(len(a) + len(b)) < len(a)

        def apart(rng: np.random.Generator, size: int) -> Counts:
            chosen = rng.permuted(np.broadcast_to(dealt, (size, len(pool))), axis=1)[..., None]
            return np.stack([np.where(chosen, pool, 0), np.where(chosen, 0, pool)])

        drawn = _in_chunks(lambda c: _values(held, c[1]) - _values(held, c[0]), 2 * pool.size, apart, n, seed)
        seen = np.abs(_values(held, b) - _values(held, a))[:, None] - rule("equal_tolerance")
        return [{"p": (1 + int(k)) / (1 + n)} for k in (np.abs(drawn) >= seen).sum(-1)]

    compare = bootstrapped if method == "bootstrap" else relabelled

    numbers = ["first", "second", "value", "corrected", "se", "lower", "upper", "p", "level"]
    out = _out(schema, keys, {"measure": pl.String(), **dict.fromkeys(numbers, pl.Float64()), "draws": pl.Int64(),
                              "method": pl.String(), "note": pl.String()})  # fmt: skip

    def work(rows: pl.DataFrame) -> pl.DataFrame:
        found = q.tables(rows, what)
        held: dict[tuple[Any, ...], dict[Any, _Table]] = {}
        for t in found:
            if t.key[-1] in between:
                held.setdefault(t.key[:-1], {})[t.key[-1]] = t
        lost = [(k, v) for k, has in (held or {(): {}}).items() for v in between if v not in has]
        if lost:
            where = f" for {dict(zip(keys, lost[0][0], strict=True))}" if keys else ""
            known = sorted({t.key[-1] for t in found})[:9]
            raise DataError(f"{what}: no row has {of} {lost[0][1]!r}{where}. There are {', '.join(map(repr, known))}.")
        pairs = [_aligned(has[first], has[second]) for has in held.values()]
        told = []
        for (a, b), of_pair in zip(pairs, np.random.SeedSequence(seed).spawn(len(pairs)), strict=True):
            of_measure: dict[str, dict[str, Any]] = {}
            for (ms, ca, sa), (_, cb, sb) in zip(q.parts(a), q.parts(b), strict=True):
                notes = {sa["note"], sb["note"]}
                one, other = (_values(ms, c) if _is_number(sizes) else None for c, sizes in ((ca, sa), (cb, sb)))
                is_number = one is not None and other is not None
                more = compare(ms, ca, cb, of_pair) if is_number else [{} for _ in ms]
                for k, m in enumerate(ms):
                    x, y = (None if v is None else float(v[k]) for v in (one, other))
                    of_measure[m.name] = {
                        **dict(zip(keys, a.key, strict=False)), "measure": m.name, "first": x, "second": y,
                        "value": None if x is None or y is None else y - x, **more[k], "level": at, "draws": n,
                        "method": method, "note": next((note for note in _GRAVEST if note in notes), None),
                    }  # fmt: skip
            told += [of_measure[m.name] for m in q.measures]
        return pl.DataFrame(told, schema=out, orient="row")

    return back(lf.select(*q.keys, unit, group, count).map_batches(work, schema=out))


def _aligned(a: _Table, b: _Table) -> tuple[_Table, _Table]:
    """Return both tables with the groups of both, so that their units can be dealt out anew."""
    groups = pl.concat([a.groups, b.groups]).unique().sort()
    names = groups.to_list()

    def wide(t: _Table) -> _Table:
        counts = np.zeros((len(t.counts), len(names)))
        counts[:, [names.index(g) for g in t.groups.to_list()]] = t.counts
        return _Table(t.key, counts, t.units, groups, t.n_empty)

    return wide(a), wide(b)
