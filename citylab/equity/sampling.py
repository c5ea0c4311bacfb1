"""The rows that count, parted by group, and how sure an estimate from them is.

A function of this package reads its frame once, here: rows with a missing value, rank or weight are left out and
counted, what cannot be is refused. Errors are declared, never guessed: without strata and primary sampling units the
rows count as drawn independently, which a survey with clusters is not.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

import numpy as np
import polars as pl

from citylab.equity.measures import EMPTY_DRAW, NO_ROWS, NOT_POSITIVE, ONE_UNIT, Estimate, Ordered, rule
from citylab.errors import DataError, RangeError, SchemaError, need_level, suggest
from citylab.frames import keys_of, need_columns, need_numbers
from citylab.stats import bootstrap
from citylab.stats.survey import (
    Design,
    Replication,
    Singletons,
    Units,
    rao_wu,
    replicate_factors,
    stratum_population,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from citylab.equity.measures import Influence

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

Method = Literal["linearised", "replicates", "bootstrap"]
Scale = Literal["plain", "log"]

_CELL, _GROUP = "_cell", "_group"
_SHARE_SUFFIX = "_share"
_LARGEST_WEIGHT = 1e100
"""Weights beyond this, or all below its inverse, could not be squared and added."""
RESULT = {
    "value": pl.Float64(), "se": pl.Float64(), "lower": pl.Float64(), "upper": pl.Float64(), "level": pl.Float64(),
    "n": pl.Int64(), "n_missing": pl.Int64(), "n_effective": pl.Float64(), "method": pl.String(), "note": pl.String(),
}  # fmt: skip
"""Columns of an estimate, in their order."""
RESERVED = frozenset(RESULT) | {
    "measure", "component", "source", "population_share", "value_share", "generalised", "mean", "index", "gini",
    "correlation", "contribution", "contribution_share", "marginal_share", "first", "last",
}  # fmt: skip
"""Names that a grouping column must not have, because results have columns of these names."""


@dataclass(frozen=True, slots=True)
class Errors:
    """How standard errors and intervals are made.

    Attributes
    ----------
    method
        ``linearised``: from the influence of each row, summed over primary sampling units (PSUs) within strata.
        ``replicates``: from weights that the survey's publisher made. ``bootstrap``: PSUs drawn anew within strata,
        one fewer than there are, weights scaled up for it (Rao and Wu); percentile interval.
    strata, psu
        Columns of the design. Without ``psu`` each row is its own; without either, the rows of a group count as drawn
        independently within it. With either, groups are domains: PSUs that have no row in a group count there too.
    singletons
        A stratum of a single PSU has no variance of its own: ``refuse`` says so, ``centre`` takes the PSU's distance
        from the mean of all PSUs (cautious), ``certainty`` declares that it was bound to be drawn and adds nothing. The
        bootstrap keeps such a PSU in each draw.
    replicates
        Columns of replicate weights.
    replication
        How they were made. ``brr`` and ``bootstrap`` divide the sum of squares by their number R, ``fay`` by R(1 - ρ)²,
        ``jk1`` multiplies by (R - 1)/R; ``jkn`` takes ``scales``.
    rho
        Fay's ρ, 0 to below 1.
    scales
        One factor per replicate, for ``jkn``.
    n_boot, seed
        Draws of the bootstrap; the same seed gives the same draws.
    level
        Level of the interval.
    scale
        Scale on which an interval is symmetric. ``log`` suits measures above 0: it never reaches below 0, and covers
        more often where the tail is heavy (``docs/calibration.md``). A value that is not above 0 has no such interval.
        The bootstrap takes its bounds from its draws, whatever the scale.

    fpc
        Column with the number of PSUs in the population of the row's stratum (finite population correction); without
        it PSUs count as drawn with replacement, which is cautious. The bootstrap knows none.

    Examples
    --------
    >>> Errors(strata="region", psu="village").method
    'linearised'

    References
    ----------
    Deville (1999), Variance estimation for complex statistics and estimators, Survey Methodology 25(2), 193-203.
    Rao and Wu (1988), Resampling inference with complex survey data, Journal of the American Statistical Association
    83, 231-241. doi:10.1080/01621459.1988.10478591
    """

    method: Method = "linearised"
    strata: str | None = None
    psu: str | None = None
    singletons: Singletons = "refuse"
    replicates: Sequence[str] = ()
    replication: Replication = "bootstrap"
    rho: float | None = None
    scales: Sequence[float] | None = None
    n_boot: int = 599
    seed: int = 0
    level: float = 0.95
    scale: Scale = "plain"
    fpc: str | None = None

    @classmethod
    def of(cls, design: Design, **how: Any) -> Errors:
        """Return the errors that the declared design of a survey makes.

        Parameters
        ----------
        design
            As it travels with a :class:`citylab.stats.survey.Designed`. Its weight is named apart, with ``weight=``; a
            part of the sample is a group (``by=``), so that PSUs without a row in it count.
        how
            More of :class:`Errors`, such as ``level``, or ``method="bootstrap"``.

        Examples
        --------
        >>> Errors.of(Design(weight="w", strata="region", psu="village"), level=0.9).psu
        'village'
        """
        made: dict[str, Any] = {"strata": design.strata, "psu": design.psu, "fpc": design.fpc,
                                "singletons": design.singletons}  # fmt: skip
        if design.replicates and how.get("method", "replicates") == "replicates":
            made = {"method": "replicates", "replicates": design.replicates, "replication": design.replication,
                    "rho": design.rho}  # fmt: skip
            if design.scales is not None:
                made |= {"replication": "jkn", "scales": design.scales}
        return cls(**(made | how))

    def __post_init__(self) -> None:
        where = "citylab.equity.sampling.Errors"
        for name, given, known in (
            ("method", self.method, get_args(Method)),
            ("replication", self.replication, get_args(Replication)),
            ("singletons", self.singletons, get_args(Singletons)),
            ("scale", self.scale, get_args(Scale)),
        ):
            if given not in known:
                raise suggest(str(given), known, what=f"{name} of errors", see=where)
        need_level(self.level)
        if self.method == "bootstrap":
            bootstrap.need_draws(self.n_boot, self.level)
            if self.fpc is not None:
                raise RangeError("The bootstrap knows no finite population correction; leave out fpc=, or linearise.")
        if self.method == "replicates":
            self._check_replicates()
        elif self.replicates:
            raise RangeError(f"Replicate weights were named, but method is {self.method!r}; ask for 'replicates'.")

    def _check_replicates(self) -> None:
        if isinstance(self.replicates, str) or len(self.replicates) < 2:
            raise RangeError("method='replicates' needs replicates=, at least two columns of replicate weights.")
        if self.replication == "fay" and (self.rho is None or not 0 <= self.rho < 1):
            raise RangeError(
                f"replication='fay' needs rho= from 0 to below 1, as the publisher states it; got {self.rho}."
            )
        if self.replication == "jkn" and (self.scales is None or len(self.scales) != len(self.replicates)):
            raise RangeError("replication='jkn' needs scales=, one factor per replicate, (n_h - 1)/n_h of its stratum.")

    @property
    def columns(self) -> list[str]:
        """Columns of the design."""
        return [c for c in (self.strata, self.psu, self.fpc) if c is not None]

    def factors(self) -> Floats:
        """Return the factor of each replicate's squared distance."""
        scales = self.scales if self.replication == "jkn" else None
        return replicate_factors(self.replication, len(self.replicates), rho=self.rho, scales=scales)


DEFAULT = Errors()
"""Rows of a group drawn independently, linearised, 95 %."""


@dataclass(frozen=True)
class Group:
    """The rows of one group that count, in the order of their key."""

    name: tuple[object, ...]
    rows: Ordered
    n_missing: int
    design: Units | None
    cell: Ints | None
    replicates: Floats | None
    others: dict[str, Floats] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Rows of positive weight."""
        return len(self.rows.key)

    @cached_property
    def df(self) -> int:
        """Degrees of freedom of a variance: rows less 1, or PSUs less strata of those with a row here."""
        if self.design is None or self.cell is None:
            return self.n - 1
        present = np.bincount(self.cell, minlength=len(self.design.stratum)) > 0
        return int(present.sum()) - len(np.unique(self.design.stratum[present]))

    def variance(self, influence: Influence) -> float:
        """Return the linearised variance of an estimate from the influence of the rows on it."""
        d = self.rows
        if self.design is None or self.cell is None:
            total = squares = 0.0
            for s in d.slices():
                moved = d.weight[s] / d.total * influence(s)
                total, squares = total + float(moved.sum()), squares + float(moved @ moved)
            return max(self.n / (self.n - 1) * (squares - total**2 / self.n), 0.0)
        totals = np.zeros(len(self.design.stratum))
        for s in d.slices():
            # Adds at a PSU as often as it occurs.
            np.add.at(totals, self.cell[s], d.weight[s] * influence(s) / d.total)
        return float(self.design.covariance(totals[:, None])[0, 0])

    def draws(self, n_boot: int, seed: np.random.SeedSequence) -> Iterator[Floats]:
        """Yield the rows' weights in each draw of the bootstrap."""
        if self.design is not None and self.cell is not None:
            for factor in rao_wu(self.design.stratum, n_boot, seed):
                yield self.rows.weight * factor[self.cell]
            return
        rng, n = np.random.default_rng(seed), self.n
        for _ in range(n_boot):
            yield self.rows.weight * rng.multinomial(n - 1, np.full(n, 1 / n)) * (n / (n - 1))


@dataclass(frozen=True)
class Sample:
    """A frame that was read: its groups in order, and those that have no row of any weight."""

    groups: list[Group]
    empty: list[tuple[tuple[object, ...], int]]
    by: list[str]
    schema: pl.Schema


def check(
    lf: pl.LazyFrame,
    numbers: Sequence[str],
    *,
    by: str | Sequence[str] | None,
    weight: str | None,
    errors: Errors | None,
    what: str,
    others: Sequence[str] = (),
) -> pl.Schema:
    """Return the schema of a frame after making sure of the columns that an estimate needs."""
    keys = keys_of(by)
    design = [] if errors is None else errors.columns
    replicates = [] if errors is None else list(errors.replicates)
    weights = [] if weight is None else [weight]
    schema = need_columns(lf, dict.fromkeys([*keys, *numbers, *weights, *design, *replicates, *others]), what=what)
    fpc = [] if errors is None or errors.fpc is None else [errors.fpc]
    need_numbers(schema, [*numbers, *weights, *replicates, *fpc], what=what)
    if len(set(keys)) < len(keys):
        raise SchemaError(f"{what}: by= names a column twice: {keys}. Name each once.")
    clash = sorted(RESERVED & set(keys))
    if clash:
        raise SchemaError(
            f"{what}: the grouping column {clash[0]!r} has the name of a column of the result; rename it."
        )
    if errors is not None and errors.method == "replicates" and weight is None:
        raise SchemaError(f"{what}: replicate weights replicate a weight; name it with weight=.")
    return schema


def needed(numbers: Sequence[str], *, by: str | Sequence[str] | None, weight: str | None, errors: Errors | None,
           others: Sequence[str] = ()) -> list[str]:  # fmt: skip
    """Return the columns that :func:`read` looks at, each once."""
    design = [] if errors is None else [*errors.columns, *errors.replicates]
    return list(dict.fromkeys([*keys_of(by), *numbers, *([] if weight is None else [weight]), *design, *others]))


def read(
    table: pl.DataFrame,
    key: str,
    *,
    value: str | None = None,
    weight: str | None = None,
    by: str | Sequence[str] | None = None,
    errors: Errors | None = None,
    others: Sequence[str] = (),
    what: str,
    is_ordered: bool = True,
) -> Sample:
    """Return the rows of a table that count, parted by group and ordered by ``key``.

    Parameters
    ----------
    table
        One row per observation.
    key
        Column that orders the rows.
    value
        Column that is shared out; ``None``: the key.
    weight, by, errors
        As in :func:`citylab.equity.inequality.inequality`.
    others
        More columns of numbers, in the order of the key beside it; a row that lacks one is left out.
    what
        Name of the function that asks, for messages.
    is_ordered
        False leaves the rows as they stand, for what needs no order (sums of powers).

    Raises
    ------
    DataError
        An infinite value, a negative weight, a share given in percent, no row of any weight, or a design with gaps.
    """
    keys = keys_of(by)
    errors = DEFAULT if errors is None else errors
    numbers = list(dict.fromkeys([key, *([] if value is None else [value]), *others]))
    every = [*numbers, *([] if weight is None else [weight]), *errors.replicates]
    if table.is_empty():
        raise DataError(f"{what}: the frame has no rows. Check the filter before it.")
    if errors.replicates and weight is not None:
        lacking = "replicate weight: a unit that a replicate leaves out weighs 0 there"
        _refuse_gaps(table.filter(pl.col(weight) > 0), errors.replicates, lacking, what)
    design, cells = _cells(table, errors, what)
    frame = table.select(
        *(pl.col(c).alias(f"_key_{i}") for i, c in enumerate(keys)),
        *(pl.col(c).cast(pl.Float64).alias(f"_number_{i}") for i, c in enumerate(every)),
        *([] if cells is None else [cells]),
    )
    labels = [f"_number_{i}" for i in range(len(every))]
    _refuse_values(frame, every, numbers, weight, what)
    parts = _parts(frame, len(keys))
    # One room for all groups: fresh memory costs as much as the sorting, and less in large pieces.
    ends = np.cumsum([len(rows[labels[0]]) for _, rows in parts])
    room = {c: np.empty(table.height) for c in (key, weight) if c is not None and is_ordered and len(labels) > 1}

    def laid_out(column: str, a: Floats, order: npt.NDArray[np.intp], at: int) -> Floats:
        if column not in room:
            return a[order]
        start = ends[at - 1] if at else 0
        return np.take(a, order, out=room[column][start : start + len(a)], mode="clip")

    def one(at: int) -> Group | int:
        """Return a group, or how many rows with a gap one has in which none counts."""
        name, rows = parts[at]
        arrays = {c: rows[label].to_numpy() for c, label in zip(every, labels, strict=True)}
        keep, n_missing = _counting(list(arrays.values()), None if weight is None else arrays[weight])
        if not keep.all():
            arrays = {c: a[keep] for c, a in arrays.items()}
        if not len(arrays[key]):
            return n_missing
        own = value is None or value == key
        order = None
        if is_ordered and len(arrays) == 1 and cells is None:
            # Nothing goes along with the key: sorting it takes a quarter of the time of finding its order.
            arrays = {key: np.sort(arrays[key])}
        elif is_ordered:
            # The order is not kept; it would take eight bytes a row.
            order = np.argsort(arrays[key])
            arrays = {c: laid_out(c, a, order, at) for c, a in arrays.items()}
        d = Ordered(
            arrays[key],
            None if weight is None else arrays[weight],
            # A value of its own makes no use of the order of the key.
            None if is_ordered and own else arrays[value or key],
            is_sorted=True,
        )
        _need_finite(d, value or key, what)
        cell = None if cells is None else rows[_CELL].to_numpy()[keep]
        if cell is not None and order is not None:
            cell = cell[order]
        replicates = np.column_stack([arrays[c] for c in errors.replicates]) if errors.replicates else None
        return Group(name, d, n_missing, design, cell, replicates, {c: arrays[c] for c in others})

    read_in = list(zip((name for name, _ in parts), _in_turns(one, len(parts)), strict=True))
    groups = [g for _, g in read_in if isinstance(g, Group)]
    empty = [(name, lost) for name, lost in read_in if isinstance(lost, int)]
    if not groups:
        raise DataError(
            f"{what}: no row has {', '.join(map(repr, numbers))} and a weight above 0"
            f"{'' if weight is None else f' in {weight!r}'}. Check the weights and the filter before it."
        )
    return Sample(groups, empty, keys, table.schema)


def _counting(columns: list[Floats], weight: Floats | None) -> tuple[npt.NDArray[np.bool_], int]:
    """Return which rows count, and how many have a gap."""
    missing = np.zeros(len(columns[0]), dtype=bool)
    for a in columns:
        with np.errstate(over="ignore"):
            has_gaps = np.isnan(a.sum())
        if has_gaps:
            missing |= np.isnan(a)
    keep = ~missing if weight is None else ~missing & (weight > 0)
    return keep, int(missing.sum())


def _need_finite(d: Ordered, column: str, what: str) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        mean = d.mean
    if not np.isfinite(mean):
        raise DataError(
            f"{what}: the sum of {column!r} is too large for a number (values up to {d.largest:.3g}). Take a larger "
            "unit."
        )


def _parts(frame: pl.DataFrame, n_keys: int) -> list[tuple[tuple[object, ...], dict[str, pl.Series]]]:
    """Return the columns of each group, in the order of the groups; rows keep theirs."""
    if not n_keys:
        return [((), frame.to_dict())]
    keys = [f"_key_{i}" for i in range(n_keys)]
    gathered = frame.group_by(keys).agg(pl.all())
    names = gathered.select(keys).with_row_index(_GROUP).sort(keys, nulls_last=True)
    columns = [c for c in gathered.columns if c not in keys]
    # A group's rows lie side by side in the column of lists: to take them out copies nothing.
    return [(tuple(name), {c: gathered[c][at] for c in columns}) for at, *name in names.rows()]


def _cells(table: pl.DataFrame, errors: Errors, what: str) -> tuple[Units | None, pl.Series | None]:
    """Return the PSUs of the frame, and the PSU of every row."""
    if not errors.columns or errors.method == "replicates":
        return None, None
    lacking = f"stratum or primary sampling unit ({', '.join(errors.columns)}); a design needs both in every row"
    _refuse_gaps(table, errors.columns, lacking, what)
    strata = pl.col(errors.strata) if errors.strata else pl.lit(0)
    units = pl.col(errors.psu) if errors.psu else pl.int_range(pl.len())
    stated = pl.lit(0.0) if errors.fpc is None else pl.col(errors.fpc).cast(pl.Float64)
    named = table.select(strata.alias("s"), units.alias("u"), stated.alias("f"))
    # A unit of which two numbers are stated comes twice, and is refused below.
    found = named.unique(maintain_order=True).with_row_index(_CELL)
    cells = named.join(found, on=["s", "u", "f"], how="left", maintain_order="left")[_CELL].cast(pl.Int64)
    stratum = found["s"].rank("dense").cast(pl.Int64).to_numpy() - 1
    known = None if errors.fpc is None else stratum_population(stratum, found["f"].to_numpy(), errors.fpc)
    return Units(stratum, known, errors.singletons), cells


def _refuse_gaps(table: pl.DataFrame, columns: Sequence[str], lacking: str, what: str) -> None:
    if not columns:
        return
    gaps = table.select(pl.any_horizontal(_is_gap(table.schema, c) for c in columns).sum()).item()
    if gaps:
        raise DataError(f"{what}: {gaps:,} rows lack their {lacking}. Complete them from the survey's documentation.")


def _is_gap(schema: pl.Schema, column: str) -> pl.Expr:
    of = pl.col(column)
    return of.is_null() | of.is_nan() if schema[column].is_float() else of.is_null()


def _refuse_values(frame: pl.DataFrame, every: list[str], numbers: list[str], weight: str | None, what: str) -> None:
    ends = frame.select(
        *(pl.col(f"_number_{i}").fill_nan(None).min().alias(f"low{i}") for i in range(len(every))),
        *(pl.col(f"_number_{i}").fill_nan(None).max().alias(f"high{i}") for i in range(len(every))),
    ).row(0, named=True)
    for i, c in enumerate(every):
        low, high = ends[f"low{i}"], ends[f"high{i}"]
        if low is None:
            continue
        is_weight = c not in numbers or c == weight
        if np.isinf(low) or np.isinf(high):
            raise DataError(f"{what}: column {c!r} holds infinite values. Find the division by 0 that made them.")
        if is_weight and low < 0:
            raise DataError(
                f"{what}: weights in {c!r} go down to {low:g}; a weight is 0 or more. Negative weights come from some "
                "calibrations: ask for bounded ones, or treat these rows first."
            )
        if is_weight and high > 0 and not 1 / _LARGEST_WEIGHT < high < _LARGEST_WEIGHT:
            raise DataError(
                f"{what}: the largest weight in {c!r} is {high:g}; squares of such weights are no numbers any more. "
                "Only their proportions count here: divide them all by one number."
            )
        if not is_weight and c.endswith(_SHARE_SUFFIX) and high > 1 + rule("bounds_tolerance"):
            raise DataError(
                f"{what}: {c!r} is a share by its name, 0 to 1, but reaches {high:g}. If it is given in percent, "
                f"divide it by 100, or name it {c.removesuffix(_SHARE_SUFFIX) + '_pct'!r}."
            )


Functional = Callable[[Ordered], list[Estimate]]
Result = TypeVar("Result")


def estimated(
    sample: Sample,
    functional: Functional,
    names: Sequence[str],
    errors: Errors | None,
    *,
    column: str = "measure",
    stream: int = 0,
) -> pl.DataFrame:
    """Return one row per group and estimate, with errors.

    Parameters
    ----------
    sample
        From :func:`read`.
    functional
        Gives the estimates of a distribution, as many as there are names, in their order.
    names
        What stands in ``column``.
    errors
        How errors are made; ``None``: none.
    column
        Its name.
    stream
        Random numbers of the first group, for those who come with one group at a time: each has its own.
    """

    def work(at: int) -> list[dict[str, Any]]:
        group = sample.groups[at]
        head = {f"_key_{i}": k for i, k in enumerate(group.name)}
        rows = _with_errors(group, functional, errors, stream + at)
        tail = {"n": group.n, "n_missing": group.n_missing, "n_effective": group.rows.n_effective}
        return [{**head, column: name, **row, **tail} for name, row in zip(names, rows, strict=True)]

    done = _in_turns(work, len(sample.groups))
    nothing = {"n": 0, "n_missing": 0, "n_effective": 0.0, "note": NO_ROWS}
    rows = [row for part in done for row in part]
    for name, n_missing in sample.empty:
        head = {f"_key_{i}": k for i, k in enumerate(name)}
        rows += [{**head, column: n, **nothing, "n_missing": n_missing} for n in names]
    keys = {f"_key_{i}": sample.schema[c] for i, c in enumerate(sample.by)}
    table = pl.DataFrame(rows, schema={**keys, column: pl.String(), **RESULT})
    table = table.rename(dict(zip(keys, sample.by, strict=True)))
    return table.sort(sample.by, nulls_last=True, maintain_order=True) if sample.empty else table


def result_schema(schema: pl.Schema, by: str | Sequence[str] | None, column: str = "measure") -> pl.Schema:
    """Return the schema of what :func:`estimated` gives."""
    return pl.Schema({**{c: schema[c] for c in keys_of(by)}, column: pl.String(), **RESULT})


def _in_turns(work: Callable[[int], Result], count: int) -> list[Result]:
    # NumPy sorts and adds without the interpreter's lock, so groups go side by side; results keep their order.
    if count == 1:
        return [work(0)]
    with ThreadPoolExecutor(max_workers=min(count, os.cpu_count() or 1)) as pool:
        return list(pool.map(work, range(count)))


def _with_errors(group: Group, functional: Functional, errors: Errors | None, at: int) -> list[dict[str, Any]]:
    estimates = functional(group.rows)
    rows: list[dict[str, Any]] = [
        {"value": None if e.value is None else float(e.value) + 0.0, "note": e.note}
        for e in estimates  # no minus 0
    ]
    if errors is None:
        return rows
    method, df, lacking = errors.method, group.df, ONE_UNIT
    spread: list[float | None]
    intervals: list[tuple[float, float] | None]
    if method == "linearised":
        spread = [None if e.influence is None else _linearised(group, e.influence, errors) for e in estimates]
        intervals = [_student(r["value"], s, df, errors) for s, r in zip(spread, rows, strict=True)]
    elif method == "replicates":
        assert group.replicates is not None
        lacking, factors = EMPTY_DRAW, errors.factors()
        again = _again(group, functional, iter(group.replicates.T), estimates)
        squares = ((a, r["value"]) for a, r in zip(again, rows, strict=True))
        spread = [None if a is None else float(np.sqrt((factors * (a - v) ** 2).sum())) for a, v in squares]
        intervals = [_student(r["value"], s, len(factors) - 1, errors) for s, r in zip(spread, rows, strict=True)]
    elif df < 1:
        spread, intervals = [None] * len(rows), [None] * len(rows)
    else:
        lacking = EMPTY_DRAW
        # Groups of one design share its draws, so that they stay comparable; without a design each has its own.
        seed = np.random.SeedSequence([errors.seed, at] if group.cell is None else [errors.seed])
        again = _again(group, functional, group.draws(errors.n_boot, seed), estimates)
        spread = [None if a is None else float(a.std(ddof=1)) for a in again]
        intervals = [None if a is None else _percentile(a, errors) for a in again]
    for row, s, bounds in zip(rows, spread, intervals, strict=True):
        row["method"] = method
        if row["value"] is None:
            continue
        if s is None:
            row["note"] = row["note"] or lacking
        elif bounds is None:
            row.update(se=s, note=row["note"] or (NOT_POSITIVE if df > 0 else lacking))
        else:
            row.update(se=s, lower=bounds[0], upper=bounds[1], level=errors.level)
    return rows


def _linearised(group: Group, influence: Influence, errors: Errors) -> float | None:
    return float(np.sqrt(group.variance(influence))) if group.df > 0 else None


def _student(value: float | None, se: float | None, df: int, errors: Errors) -> tuple[float, float] | None:
    from scipy.special import stdtrit

    if value is None or se is None or df < 1:
        return None
    half = float(stdtrit(df, (1 + errors.level) / 2)) * se
    if errors.scale == "plain":
        return value - half, value + half
    return (value * math.exp(-half / value), value * math.exp(half / value)) if value > 0 else None


def _percentile(draws: Floats, errors: Errors) -> tuple[float, float]:
    low, high = bootstrap.interval(draws, level=errors.level)
    return float(low), float(high)


def _again(
    group: Group, functional: Functional, weights: Iterator[Floats], estimates: list[Estimate]
) -> list[Floats | None]:
    """Return the estimates under other weights; ``None`` where the estimate itself is none, or some draw gives none."""
    drawn = []
    for w in weights:
        if not w.any():
            # Too few units for resampling: no error can be told for this group, and others keep theirs.
            return [None] * len(estimates)
        drawn.append([e.value for e in functional(group.rows.reweighted(w))])
    columns: list[Floats | None] = []
    for i, e in enumerate(estimates):
        values = [row[i] for row in drawn]
        usable = e.value is not None and all(v is not None for v in values)
        columns.append(np.array(values, dtype=np.float64) if usable else None)
    return columns
