"""Raking: a table or a sample is set to known margins, and a table of fractions becomes whole numbers that keep them.

Iterative proportional fitting (IPF) multiplies a seed by one factor per cell of each margin in turn until all margins
hold. What the margins do not say stays as in the seed: every odds ratio of the seed that no margin covers is kept, and
a zero of the seed stays zero. So a zone never takes people from another zone: a margin that the seed cannot reach is an
error that names the cell.

:func:`ipf` fits an array, :func:`rake` the weights of rows, :func:`integerise` makes whole numbers,
:func:`comparison` holds rows against margins.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import optimize, sparse

from citylab.errors import DataError, RangeError, RefusalError, SchemaError
from citylab.frames import Frame, lazily, need_columns, need_numbers, refuse

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Axes = str | int | tuple[str | int, ...]

TOLERANCE = 1e-10
"""Largest distance of a fitted margin from its target, as a share of it, at which fitting ends."""
AGREEMENT = 1e-6
"""Largest distance of two margins on the axes they share, as a share of their total, that counts as rounding."""
ROUNDS = 2000
"""Rounds of fitting after which it counts as not converging."""

_DENSE = 1 << 24  # cells up to which rows are counted in an array of all cells rather than of those that occur
_SPAN = 1 << 12  # values of a whole number that are coded by subtraction
_BATCH = 1 << 18  # rows of a batch: what fits a cache
_LIKE_SHARES = {1.0: "shares", 100.0: "per cent"}
_NEAR = 0.01  # of 1 or of 100: a sum of shares
_EPSILON = 1e-12  # of a sum: what is lost in adding up
_WHOLE = 1e-6  # distance of a cell from a whole number that counts as none
_WHOLE_SUM = 1e-3  # the same for a sum of cells
_SHOWN = 3  # cells that a message names
_CODES: tuple[tuple[int, pl.DataType], ...] = ((1 << 16, pl.UInt16()), (1 << 32, pl.UInt32()), (1 << 62, pl.Int64()))
_NODES = 2000  # of branch and bound
_GAP = 0.02  # of the objective at which the search ends; a missed unit of a margin weighs more than that


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A table after raking.

    Attributes
    ----------
    table
        The fitted table, of the seed's shape.
    rounds
        Rounds it took; one round adjusts to every margin once.
    error
        Largest distance of a margin from its target as a share of the target, before the last round's adjustment.
    """

    table: Floats
    rounds: int
    error: float


@dataclass(frozen=True, slots=True, eq=False)
class Whole:
    """A table of whole numbers.

    Attributes
    ----------
    table
        Each cell is the fraction rounded down or up.
    report
        One row per margin: ``margin``, ``cells``, ``is_kept`` (every cell of it within less than 1, and exact where
        the target is whole), ``largest_difference`` and ``sum_of_differences`` (absolute), in the table's unit.
    """

    table: Ints
    report: pl.DataFrame


@dataclass(frozen=True, slots=True, eq=False)
class _Margin:
    axes: tuple[int, ...]
    target: Floats
    name: str


def _told(names: Sequence[str], labels: Sequence[Sequence[Any]] | None, axes: Sequence[int], at: Sequence[int]) -> str:
    """Return a cell in words: ``district=110101, sex=female``."""
    values = [at[i] if labels is None else labels[a][at[i]] for i, a in enumerate(axes)]
    return ", ".join(f"{names[a]}={v}" for a, v in zip(axes, values, strict=True)) or "the total"


def _asked(key: Axes, names: Sequence[str], what: str) -> tuple[tuple[str | int, ...], list[int]]:
    """Return the axes that a margin names, as they were given and by number."""
    asked = key if isinstance(key, tuple) else (key,)
    axes = []
    for a in asked:
        if a not in names and not (isinstance(a, int) and 0 <= a < len(names)):
            raise SchemaError(f"{what}: a margin names the axis {a!r}; the table has {list(names)}.")
        axes.append(names.index(a) if isinstance(a, str) else int(a))
    if len(set(axes)) < len(axes):
        raise SchemaError(f"{what}: the margin {asked!r} names an axis twice.")
    return asked, axes


def _margins(
    shape: tuple[int, ...], margins: Mapping[Any, npt.ArrayLike], names: Sequence[str],
    labels: Sequence[Sequence[Any]] | None, what: str,
) -> list[_Margin]:  # fmt: skip
    """Return the margins with axes in rising order, checked by themselves."""
    if not margins:
        raise SchemaError(f"{what} needs margins=, for each set of axes the array of its targets.")
    made = []
    for key, values in margins.items():
        asked, axes = _asked(key, names, what)
        target = np.asarray(values, dtype=np.float64)
        if target.shape != tuple(shape[a] for a in axes):
            raise SchemaError(
                f"{what}: the margin {asked!r} has the shape {target.shape}; these axes of the table have "
                f"{tuple(shape[a] for a in axes)}."
            )
        order = np.argsort(axes)
        axes_sorted = tuple(axes[i] for i in order)
        target = np.array(target.transpose(order), order="C")
        name = " × ".join(names[a] for a in axes_sorted) or "total"
        if not np.isfinite(target).all() or (target < 0).any():
            at = np.argwhere(~(np.isfinite(target) & (target >= 0)))[0]
            held = "no number" if np.isnan(target[tuple(at)]) else str(target[tuple(at)])
            raise DataError(
                f"{what}: the margin {name} holds {held} for {_told(names, labels, axes_sorted, at)}; expected a "
                "number of 0 or more. What was not published is no target: leave the margin out, or join categories."
            )
        made.append(_Margin(axes_sorted, target, name))
    return made


def _agree(
    margins: Sequence[_Margin], names: Sequence[str], labels: Sequence[Sequence[Any]] | None, agreement: float,
    what: str,
) -> float:  # fmt: skip
    """Return by how much margins differ in all on the axes that they share, in their unit; too much is an error."""
    apart = 0.0
    for one, other in itertools.combinations(margins, 2):
        shared = tuple(a for a in one.axes if a in other.axes)
        left, right = (
            np.asarray(m.target.sum(axis=tuple(i for i, a in enumerate(m.axes) if a not in shared)))
            for m in (one, other)
        )
        off = np.abs(left - right)
        totals = float(one.target.sum()), float(other.target.sum())
        if off.max() > agreement * max(totals):
            at = tuple(int(i) for i in np.unravel_index(int(off.argmax()), off.shape))
            like = next(
                (n for t, n in _LIKE_SHARES.items() if any(math.isclose(x, t, rel_tol=_NEAR) for x in totals)), ""
            )
            hint = f" One of them looks like {like}: give counts, as in the other." if like else ""
            raise DataError(
                f"{what}: the margins {one.name} and {other.name} contradict each other: for "
                f"{_told(names, labels, shared, at)} they add up to {left[at]:.10g} and {right[at]:.10g}, "
                f"{off.max():g} apart ({int((off > agreement * max(totals)).sum())} of {off.size} such sums differ)."
                f"{hint} Take margins from one source and one date, or scale one to the other."
            )
        # Sums of the same numbers in another order differ in their last digits.
        apart += float(np.where(off > _EPSILON * np.maximum(left, right), off, 0.0).sum())
    return apart


def _fit(
    now: Floats, margins: Sequence[_Margin], sums: Sequence[Callable[[Floats], Floats]],
    spread: Sequence[Callable[[Floats], Floats]], tell: Callable[[_Margin, Sequence[int]], str],
    tolerance: float, rounds: int, what: str, apart: float = 0.0,
) -> Fitted:  # fmt: skip
    """Fit by turns; ``now`` is changed in place. How cells are summed and factors spread is the caller's.

    Margins that are ``apart`` are never met all at once: fitting then ends as soon as each round does what the round
    before it did, if no margin is further off than they are.
    """
    if not tolerance > 0 or rounds < 1:
        raise RangeError(f"{what}: tolerance is {tolerance}, rounds {rounds}; expected above 0, and 1 or more.")
    off = np.inf
    before: list[Floats] = []
    scales = [np.where(m.target > 0, m.target, 1.0) for m in margins]
    for done in range(1, rounds + 1):
        off = amiss = 0.0
        factors: list[Floats] = []
        for margin, add, back, scale in zip(margins, sums, spread, scales, strict=True):
            found = add(now)
            miss = np.abs(found - margin.target)
            off = max(off, float((miss / scale).max()))
            amiss = max(amiss, float(miss.max()))
            if found.min() <= 0:
                lost = (found <= 0) & (margin.target > 0)
                if lost.any():
                    cells = [tell(margin, at) for at in np.argwhere(lost)[:_SHOWN]]
                    raise DataError(
                        f"{what}: {int(lost.sum())} cells of the margin {margin.name} cannot be reached, because the "
                        f"seed has nothing there (or another margin's 0 removed it): {'; '.join(cells)}. Nothing is "
                        "borrowed from other cells: join sparse categories, or give these cells a seed of their own."
                    )
                found = np.where(found > 0, found, 1.0)
            factors.append(margin.target / found)
            now *= back(factors[-1])
        if off <= tolerance:
            return Fitted(now, done, off)
        if apart and amiss <= apart:
            if before and all(np.allclose(a, b, rtol=tolerance, atol=0) for a, b in zip(factors, before, strict=True)):
                return Fitted(now, done, off)
            before = factors
    worst = []
    for margin, add, scale in zip(margins, sums, scales, strict=True):
        miss = np.abs(add(now) - margin.target) / scale
        at = np.unravel_index(int(miss.argmax()), miss.shape)
        worst.append(f"{margin.name} {miss.max():.1e} ({tell(margin, [int(i) for i in at])})")
    raise RefusalError(
        f"{what}: after {rounds} rounds a margin is still {off:.1e} off; largest distance by margin: "
        f"{', '.join(worst)}. The margins contradict the seed's empty cells; join sparse categories."
    )


def ipf(
    seed: npt.ArrayLike, margins: Mapping[Any, npt.ArrayLike], *, axes: Sequence[str] | None = None,
    labels: Sequence[Sequence[Any]] | None = None, tolerance: float = TOLERANCE, agreement: float = AGREEMENT,
    rounds: int = ROUNDS,
) -> Fitted:  # fmt: skip
    """Fit a table of any dimension to margins on any sets of axes.

    Parameters
    ----------
    seed
        Array of numbers of 0 or more. Ones where nothing is known of how the axes hang together.
    margins
        For each axis or tuple of axes (numbers, or names of ``axes``), the array of targets, its dimensions in the
        order of the tuple.
    axes, labels
        Names of the axes and of the places on each, for messages.
    tolerance
        Fitting ends when every margin is this near its target, as a share of it.
    agreement
        How far two margins may be apart on the axes they share, as a share of the total: rounding of what was
        published. Fitting then ends when nothing changes any more from round to round, with the last margin met exactly
        and no cell of another further off, in its unit, than the margins are apart in all.
    rounds
        Rounds after which it is given up.

    Returns
    -------
    Fitted
        The table, the rounds it took and what is left.

    Raises
    ------
    SchemaError
        A margin names an axis that is none, or is of another shape.
    DataError
        Margins that contradict each other (which, where, by how much), or a target above 0 where the seed has only
        zeros.
    RangeError
        A tolerance of 0 or less, or no rounds.
    RefusalError
        Rounds are used up: the zeros of the seed and the margins hold no table.

    Examples
    --------
    >>> fit = ipf([[1.0, 1.0], [1.0, 1.0]], {"row": [30, 70], "column": [40, 60]}, axes=["row", "column"])
    >>> fit.table.round(6).tolist(), fit.rounds
    ([[12.0, 18.0], [28.0, 42.0]], 2)

    References
    ----------
    Deming, W. E. and Stephan, F. F. (1940), On a least squares adjustment of a sampled frequency table when the
    expected marginal totals are known, Annals of Mathematical Statistics 11, 427-444. doi:10.1214/aoms/1177731829.
    That fitted odds ratios are the seed's: Bishop, Fienberg and Holland (1975), Discrete Multivariate Analysis.
    """
    table = np.array(seed, dtype=np.float64)
    names = _axes_of(table, axes, labels, "ipf")
    if not np.isfinite(table).all() or (table < 0).any():
        raise DataError("ipf: the seed holds a value that is negative or no number; expected numbers of 0 or more.")
    made = _margins(table.shape, margins, names, labels, "ipf")
    apart = _agree(made, names, labels, agreement, "ipf")
    every = list(range(table.ndim))

    def add(m: _Margin) -> Callable[[Floats], Floats]:
        return lambda now: np.asarray(np.einsum(now, every, list(m.axes)))  # type: ignore[arg-type]

    def back(m: _Margin) -> Callable[[Floats], Floats]:
        wide = tuple(table.shape[a] if a in m.axes else 1 for a in every)
        return lambda factor: factor.reshape(wide)

    return _fit(
        table, made, [add(m) for m in made], [back(m) for m in made],
        lambda m, at: _told(names, labels, m.axes, at), tolerance, rounds, "ipf", apart,
    )  # fmt: skip


def _axes_of(
    table: npt.NDArray[Any], axes: Sequence[str] | None, labels: Sequence[Sequence[Any]] | None, what: str
) -> list[str]:
    names = [f"axis {i}" for i in range(table.ndim)] if axes is None else list(axes)
    if len(names) != table.ndim or len(set(names)) < len(names):
        raise SchemaError(f"{what}: axes={names} name {table.ndim} axes; expected one name for each, no name twice.")
    if labels is not None and [len(x) for x in labels] != list(table.shape):
        raise SchemaError(f"{what}: labels count {[len(x) for x in labels]}; the table has {list(table.shape)}.")
    return names


def listed(
    weight: Floats, positions: Sequence[Ints], targets: Sequence[Floats], *, names: Sequence[str],
    labels: Sequence[Sequence[Any]] | None = None, tolerance: float = TOLERANCE, rounds: int = ROUNDS,
    what: str = "raking", apart: float = 0.0,
) -> Fitted:  # fmt: skip
    """Fit listed cells to margins of which each cell is in one category.

    Parameters
    ----------
    weight
        Sum of weights of each cell.
    positions, targets
        For each margin, the category of every cell and the target of every category.
    names, labels
        Of the margins and of their categories, for messages.
    tolerance, rounds
        As in :func:`ipf`.
    what
        Who asks, for messages.
    apart
        How far the margins differ among themselves, in their unit; 0 where they agree.

    Returns
    -------
    Fitted
        ``table`` holds the fitted weight of each cell.

    Examples
    --------
    >>> fit = listed(np.array([1.0, 2.0]), [np.array([0, 1])], [np.array([30.0, 40.0])], names=["area"])
    >>> fit.table.tolist()
    [30.0, 40.0]
    """
    made = [
        _Margin((i,), np.asarray(t, dtype=np.float64), n) for i, (t, n) in enumerate(zip(targets, names, strict=True))
    ]

    def add(at: Ints, n: int) -> Callable[[Floats], Floats]:
        return lambda now: np.asarray(np.bincount(at, now, n), dtype=np.float64)

    def back(at: Ints) -> Callable[[Floats], Floats]:
        return lambda factor: factor.take(at)

    sums = [add(at, t.size) for at, t in zip(positions, targets, strict=True)]
    spread = [back(at) for at in positions]

    def tell(m: _Margin, at: Sequence[int]) -> str:
        return str(at[0]) if labels is None else str(labels[m.axes[0]][at[0]])

    return _fit(np.array(weight, dtype=np.float64), made, sums, spread, tell, tolerance, rounds, what, apart)


@dataclass(frozen=True, slots=True, eq=False)
class _Coded:
    """How values of columns become the number of a cell."""

    columns: list[str]
    levels: list[list[Any]]  # what each step of an axis stands for; None where no margin has that value
    code: pl.Expr


def _levels(margins: Sequence[pl.DataFrame], value: str, what: str) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    first: dict[str, int] = {}
    for i, margin in enumerate(margins):
        for c in (c for c in margin.columns if c != value):
            levels = margin[c].unique().sort().to_list()
            if None in levels:
                raise DataError(f"{what}: margin {i + 1} has an empty {c!r}; every target needs its category.")
            if c not in found:
                found[c], first[c] = levels, i
            elif set(found[c]) != set(levels):
                apart = sorted(map(str, set(found[c]) ^ set(levels)))[:_SHOWN]
                raise DataError(
                    f"{what}: margins {first[c] + 1} and {i + 1} list different categories of {c!r}; {apart} are in "
                    "one of them only. Give every margin all categories, with 0 where there is nobody."
                )
    return found


def _frames(margins: Mapping[str, Any] | Sequence[Any], value: str, what: str) -> tuple[list[str], list[pl.DataFrame]]:
    """Return names and tables of margins, checked for their columns."""
    if isinstance(margins, pl.DataFrame | pl.LazyFrame):
        raise SchemaError(
            f"{what}: margins= is one table; expected a list of tables, or tables by name. Write [table]."
        )
    named = dict(margins) if isinstance(margins, Mapping) else {}
    tables = list(named.values()) if named else list(margins)
    if not tables:
        raise SchemaError(f"{what} needs margins=, tables of categories with a column {value!r} of targets.")
    collected = []
    for i, table in enumerate(tables):
        lf, _ = lazily(table)
        schema = need_columns(lf, {value: "target of the margin"}, what=f"{what}, margin {i + 1}")
        need_numbers(schema, [value], what=f"{what}, margin {i + 1}")
        frame = lf.collect()
        _refuse_twice(frame, value, f"margin {i + 1}", what)
        collected.append(frame.with_columns(pl.col(value).cast(pl.Float64)))
    names = list(named) or [" × ".join(c for c in t.columns if c != value) or "total" for t in collected]
    return names, collected


def _like_rows(table: pl.DataFrame, schema: pl.Schema, what: str) -> pl.DataFrame:
    """Return a margin whose categories are whole numbers, or true and false, where those of the rows are."""
    for c in table.columns:
        kind, own = schema.get(c, pl.Null()), table.schema[c]
        if not (kind.is_integer() or kind == pl.Boolean) or own == kind or (kind.is_integer() and own.is_integer()):
            continue
        given = table[c].cast(pl.Int8) if own == pl.Boolean else table[c]
        number = given.cast(pl.String).cast(pl.Float64, strict=False)
        wrong = (number.is_null() | (number != number.round())) & given.is_not_null()
        if kind == pl.Boolean:
            wrong |= ~number.is_in([0.0, 1.0]) & given.is_not_null()
        if wrong.any():
            raise DataError(
                f"{what}: {c!r} is {kind} in the rows, and a margin has {table[c].filter(wrong)[0]!r} ({own}) in it. "
                "Recode the margin as the rows are."
            )
        table = table.with_columns(number.cast(pl.Int64).cast(kind).alias(c))
    return table


def _refuse_twice(table: pl.DataFrame, value: str, title: str, what: str) -> None:
    keys = [c for c in table.columns if c != value]
    if keys and (twice := table.select(keys).is_duplicated()).any():
        at = table.filter(twice).select(keys).row(0)
        raise DataError(f"{what}: {title} has the cell {at} twice; expected one target for each.")


def _coded(lf: pl.LazyFrame, schema: pl.Schema, levels: dict[str, list[Any]], what: str) -> _Coded:
    """Return the expression that numbers the cell of a row, after a look at the values of its columns."""
    spans: list[list[Any]] = []
    steps: list[pl.Expr] = []
    looked: list[pl.Expr] = []
    for c, known in levels.items():
        dtype = schema[c]
        if (dtype.is_integer() or dtype == pl.Boolean) and int(known[-1]) - int(known[0]) < _SPAN:
            low, high = int(known[0]), int(known[-1])
            whole = {int(v): v for v in known}
            spans.append([whole.get(v) for v in range(low, high + 1)])
            number = pl.col(c).cast(pl.UInt8) if dtype == pl.Boolean else pl.col(c)
            looked += [
                number.min().alias(f"{c}\tmin"),
                number.max().alias(f"{c}\tmax"),
                number.null_count().alias(f"{c}\tnull"),
            ]
            steps.append(number if low == 0 else number.cast(pl.Int64 if low > 0 else pl.Int32) - low)
        elif isinstance(dtype, pl.Enum) and set(known) <= set(dtype.categories):
            spans.append([v if v in known else None for v in dtype.categories])
            steps.append(pl.col(c).to_physical())
            looked.append(pl.col(c).null_count().alias(f"{c}\tnull"))
        else:
            spans.append(list(known))
            steps.append(
                pl.col(c)
                .cast(pl.String)
                .replace_strict([str(v) for v in known], range(len(known)), default=None, return_dtype=pl.UInt32)
                if not dtype.is_float()
                else pl.col(c).replace_strict(known, range(len(known)), default=None, return_dtype=pl.UInt32)
            )
            looked.append(steps[-1].null_count().alias(f"{c}\tnull"))
    seen = lf.select(looked).collect(engine="streaming").row(0, named=True)
    for c, known in levels.items():
        least, most = seen.get(f"{c}\tmin"), seen.get(f"{c}\tmax")
        outside = None not in (least, most) and (least < int(known[0]) or most > int(known[-1]))  # type: ignore[operator]
        if seen[f"{c}\tnull"] or outside:
            _refuse_unknown(lf, c, known, what)
    total = math.prod(len(s) for s in spans)
    if total > _CODES[-1][0]:
        raise RangeError(f"{what}: the margins' columns span {total:.1e} cells. Give fewer columns or categories.")
    kind = next(t for top, t in _CODES if total <= top)
    code = pl.lit(0, dtype=kind)
    for step, span in zip(steps, spans, strict=True):
        code = code * pl.lit(len(span), dtype=kind) + step.cast(kind)
    return _Coded(list(levels), spans, code)


def _refuse_unknown(lf: pl.LazyFrame, column: str, known: Sequence[Any], what: str) -> None:
    found = lf.select(pl.col(column).unique()).collect().to_series().to_list()
    unknown = [v for v in found if v not in set(known)]
    if None in unknown:
        raise DataError(
            f"{what}: some rows have no {column!r}; every row needs a category. Give them one of their own."
        )
    if unknown:
        raise DataError(
            f"{what}: rows have {sorted(map(str, unknown))[:_SHOWN]} in {column!r}, for which the margins have no "
            f"target; they know {[str(v) for v in known][:_SHOWN]} and so on. Add a target (0 removes the rows), or "
            "recode them."
        )


def _counted(lf: pl.LazyFrame, coded: _Coded, weight: str | None, what: str) -> tuple[Ints, Floats]:
    """Return the cells that occur, by their number, and the sum of weights in each."""
    size = math.prod(len(s) for s in coded.levels)
    columns = [coded.code.alias("code"), *([] if weight is None else [pl.col(weight).cast(pl.Float64).alias("weight")])]
    if size > _DENSE:
        agg = pl.len().cast(pl.Float64).alias("weight") if weight is None else pl.col("weight").sum()
        cells = lf.select(columns).group_by("code").agg(agg).sort("code").collect(engine="streaming")
        return cells["code"].cast(pl.Int64).to_numpy(), cells["weight"].to_numpy()
    rows, sums = np.zeros(size), np.zeros(size)
    for batch in lf.select(columns).collect_batches(chunk_size=_BATCH):
        code = batch["code"].to_numpy().astype(np.intp)
        if weight is None:
            rows += np.bincount(code, minlength=size)
        else:
            sums += np.bincount(code, batch["weight"].to_numpy(), size)
    found = rows if weight is None else sums
    at = np.flatnonzero(found)
    return at, found[at]


def rake(
    frame: Frame, margins: Mapping[str, Any] | Sequence[Any], *, weight: str | None = None, name: str = "weight_raked",
    value: str = "population_persons", tolerance: float = TOLERANCE, agreement: float = AGREEMENT, rounds: int = ROUNDS,
) -> Frame:  # fmt: skip
    """Return rows with weights that meet margins.

    Rows with equal categories share a factor, so the rows are counted into cells, the cells are fitted, and each row
    takes its cell's factor. That is raking row by row, exactly.

    Parameters
    ----------
    frame
        One row per person (or household). Whole numbers, booleans and Enums of few categories are fastest.
    margins
        Tables, or tables by name: columns of ``frame`` and the target in ``value``; one row per cell. Every table
        that uses a column lists the same categories of it.
    weight
        Column of the weights before; all 1 without one.
    name
        Column of the new weights.
    value
        Column of the targets.
    tolerance, agreement, rounds
        As in :func:`ipf`.

    Returns
    -------
    DataFrame or LazyFrame
        The rows as they came, with the new weight. Rows are read at the call (values, then cells) and again on
        collecting.

    Raises
    ------
    SchemaError
        A column is missing.
    DataError
        Rows whose category has no target or is empty, weights that are negative or empty, margins that contradict
        each other, a target above 0 that no row can stand for.
    RefusalError
        It does not converge.

    Examples
    --------
    >>> rows = pl.DataFrame({"sex": ["f", "f", "m"], "area": [1, 2, 1]})
    >>> margins = [pl.DataFrame({"sex": ["f", "m"], "population_persons": [6, 4]}),
    ...            pl.DataFrame({"area": [1, 2], "population_persons": [7, 3]})]
    >>> rake(rows, margins)["weight_raked"].round(6).to_list()
    [3.0, 3.0, 4.0]

    References
    ----------
    Deville, J.-C., Särndal, C.-E. and Sautory, O. (1993), Generalized raking procedures in survey sampling, Journal of
    the American Statistical Association 88, 1013-1020. doi:10.1080/01621459.1993.10476369
    """
    what = "rake"
    lf, back = lazily(frame)
    names, tables = _frames(margins, value, what)
    categories: list[str] = list(dict.fromkeys(c for t in tables for c in t.columns if c != value))
    if not categories:
        raise SchemaError("rake: the margins have no column of categories. A total alone is a factor: multiply by it.")
    schema = need_columns(lf, [*categories, *([] if weight is None else [weight])], what=what)
    tables = [_like_rows(t, schema, what) for t in tables]
    for title, table in zip(names, tables, strict=True):
        _refuse_twice(table, value, f"the margin {title}", what)
    levels: dict[str, list[Any]] = _levels(tables, value, what)
    if name in schema and name != weight:
        raise SchemaError(f"rake: the frame has a column {name!r} already; pass another name=.")
    if weight is not None:
        need_numbers(schema, [weight], what=what)
        w = pl.col(weight).cast(pl.Float64)
        least, empty = lf.select(w.min(), (w.is_null() | ~w.is_finite()).sum().alias("n")).collect().row(0)
        if empty or (least is not None and least < 0):
            raise DataError(f"rake: {weight!r} has {empty} empty or infinite values and a least value of {least}; "
                            "weights are numbers of 0 or more.")  # fmt: skip
    coded = _coded(lf, schema, levels, what)
    cells, before = _counted(lf, coded, weight, what)
    shape = tuple(len(s) for s in coded.levels)
    places = dict(zip(coded.columns, np.unravel_index(cells, shape), strict=True))
    _refuse_holes(coded, places, what)
    made, positions, labels = [], [], []
    for title, table in zip(names, tables, strict=True):
        keys = [c for c in coded.columns if c in table.columns]
        axes = tuple(coded.columns.index(c) for c in keys)
        wide = np.zeros([shape[a] for a in axes])
        index = {
            c: {v: i for i, v in enumerate(s) if v is not None}
            for c, s in zip(coded.columns, coded.levels, strict=True)
        }
        at = tuple(np.array([index[c][v] for v in table[c]], dtype=np.int64) for c in keys)
        wide[at] = table[value].to_numpy() if keys else table[value].sum()
        checked = _margins(shape, {axes: wide}, coded.columns, coded.levels, what)[0]
        made.append(_Margin(checked.axes, checked.target, title))
        positions.append(
            np.ravel_multi_index([places[c] for c in keys], wide.shape) if keys else np.zeros(cells.size, np.int64)
        )
        labels.append([_told(coded.columns, coded.levels, axes, at) for at in np.ndindex(*wide.shape)])
    apart = _agree(made, coded.columns, coded.levels, agreement, what)
    targets = [m.target.ravel() for m in made]
    fitted = listed(
        before, positions, targets, names=names, labels=labels, tolerance=tolerance, rounds=rounds, what=what,
        apart=apart,
    )  # fmt: skip
    factor = np.ones(cells.size)
    np.divide(fitted.table, before, out=factor, where=before > 0)
    size = math.prod(shape)
    if size <= _DENSE:
        dense = np.zeros(size)
        dense[cells] = factor

        def look(code: pl.Series) -> pl.Series:
            return pl.Series(dense.take(code.to_numpy()))
    else:

        def look(code: pl.Series) -> pl.Series:
            return pl.Series(factor.take(np.searchsorted(cells, code.to_numpy())))

    spread = coded.code.map_batches(look, return_dtype=pl.Float64(), is_elementwise=True)
    new = spread if weight is None else pl.col(weight).cast(pl.Float64) * spread
    return back(lf.with_columns(new.alias(name)))


def _refuse_holes(coded: _Coded, places: Mapping[str, Ints], what: str) -> None:
    """Refuse whole numbers between two categories that are no category."""
    for c, span in zip(coded.columns, coded.levels, strict=True):
        holes = np.array([v is None for v in span])
        if holes.any() and holes[places[c]].any():
            low = next(int(v) for v in span if v is not None)
            at = int(places[c][holes[places[c]]][0]) + low
            raise DataError(
                f"{what}: rows have {at} in {c!r}, for which the margins have no target. Add one, or recode them."
            )


def _group(shape: tuple[int, ...], axes: tuple[int, ...], at: Ints) -> tuple[Ints, int]:
    """Return the cell of a margin in which each listed cell is, and how many the margin has."""
    sizes = tuple(shape[a] for a in axes)
    if not axes:
        return np.zeros(at.size, dtype=np.int64), 1
    place = np.unravel_index(at, shape)
    return np.asarray(np.ravel_multi_index([place[a] for a in axes], sizes)), math.prod(sizes)


def integerise(
    table: npt.ArrayLike, margins: Sequence[Axes], *, axes: Sequence[str] | None = None, seed: int = 0,
) -> Whole:  # fmt: skip
    """Round a table of fractions to whole numbers that keep margins.

    Every cell is rounded down or up, never further. The total and the margins are kept in this sense: a margin's cell
    that is whole is met exactly, any other becomes one of its two neighbours. Always kept are the total, the first
    margin, and each further one that refines or sums the first (one chain), or that refines or sums the first which
    does neither (another chain): rounding with two such chains is a flow problem, which has a solution in whole
    numbers. A margin that falls in no chain is kept if a search finds a way and is else missed by as little as it
    found; the report says by how much.

    Parameters
    ----------
    table
        Numbers of 0 or more.
    margins
        Axes or tuples of axes to keep, the most important first.
    axes
        Names of the axes.
    seed
        Decides, with the size of the fraction, which cells are rounded up.

    Returns
    -------
    Whole
        The whole numbers, and how far each margin is from the fractions' sum.

    Raises
    ------
    SchemaError
        A margin names an axis that is none.
    DataError
        Negative or missing numbers, or no cells.
    RangeError
        A negative seed.
    RefusalError
        The solver finds no rounding.

    Examples
    --------
    >>> whole = integerise([[1.5, 2.5], [0.5, 1.5]], [0, 1])
    >>> whole.table.sum(axis=0).tolist(), whole.table.sum(axis=1).tolist(), whole.report["is_kept"].all()
    ([2, 4], [4, 2], True)

    References
    ----------
    Cox, L. H. (1987), A constructive procedure for unbiased controlled rounding, Journal of the American Statistical
    Association 82, 520-524. doi:10.1080/01621459.1987.10478456
    """
    fractions = np.asarray(table, dtype=np.float64)
    names = _axes_of(fractions, axes, None, "integerise")
    if not np.isfinite(fractions).all() or (fractions < 0).any():
        raise DataError("integerise: the table holds a value that is negative or no number; expected 0 or more.")
    if not fractions.size:
        raise DataError(f"integerise: the table of shape {fractions.shape} has no cells; expected one at least.")
    if seed < 0:
        raise RangeError(f"integerise: seed is {seed}; expected a whole number of 0 or more.")
    shape = fractions.shape
    wanted = [_Margin((), np.zeros(()), "total")]
    for key in margins:
        axes_of = tuple(sorted(_asked(key, names, "integerise")[1]))
        wanted.append(_Margin(axes_of, np.zeros(()), " × ".join(names[a] for a in axes_of) or "total"))
    flat = fractions.ravel()
    near = np.rint(flat)
    flat = np.where(np.abs(flat - near) < _WHOLE, near, flat)
    down = np.floor(flat)
    open_ = np.flatnonzero(flat > down)
    up = np.zeros(flat.size)
    if open_.size:
        groups = [_group(shape, m.axes, open_) for m in wanted]
        up[open_] = _rounded_up(flat[open_] - down[open_], groups, _bound(wanted), np.random.default_rng(seed))
    whole = (down + up).astype(np.int64)
    rows = []
    for m in wanted:
        at, cells = _group(shape, m.axes, np.arange(flat.size))
        sums = np.bincount(at, flat, cells)
        off = np.abs(np.bincount(at, whole, cells) - sums)
        exact = np.abs(sums - np.rint(sums)) < _WHOLE_SUM
        kept = bool((off[exact] < 1 / 2).all() and (off < 1).all())
        rows.append((m.name, cells, kept, float(off.max()), float(off.sum())))
    report = pl.DataFrame(
        rows, orient="row",
        schema={"margin": pl.String, "cells": pl.Int64, "is_kept": pl.Boolean, "largest_difference": pl.Float64,
                "sum_of_differences": pl.Float64},
    )  # fmt: skip
    return Whole(whole.reshape(shape), report)


def _bound(margins: Sequence[_Margin]) -> list[bool]:
    """Return which margins fall into two chains, in each of which one refines the next: a flow keeps these together."""
    chains: tuple[list[set[int]], list[set[int]]] = ([], [])
    found = []
    for m in margins:
        axes = set(m.axes)
        fits = [chain for chain in chains if all(axes <= other or other <= axes for other in chain)]
        found.append(bool(fits))
        if fits:
            fits[0].append(axes)
    return found


def _rounded_up(
    part: Floats, groups: Sequence[tuple[Ints, int]], bound: Sequence[bool], rng: np.random.Generator
) -> Floats:
    """Return 1 for each fraction to round up, 0 for the others.

    Variables are the cells; the constraints of a margin say that its cell's sum becomes a neighbour of the sum of
    fractions. Margins that are not bound may be missed at a cost.
    """
    n = part.size
    hard: list[tuple[Any, Floats, Floats]] = []
    soft: list[tuple[Any, Floats, Floats]] = []
    for (at, cells), is_bound in zip(groups, bound, strict=True):
        sums = np.asarray(np.bincount(at, part, cells), dtype=np.float64)
        near = np.rint(sums)
        sums = np.where(np.abs(sums - near) < _WHOLE_SUM, near, sums)
        adds = sparse.csr_array((np.ones(n), (at, np.arange(n))), shape=(cells, n))
        (hard if is_bound else soft).append((adds, np.floor(sums), np.ceil(sums)))
    # The larger the fraction, the likelier it goes up.
    cost = rng.random(n) - part
    every = sparse.vstack([r[0] for r in hard]).tocsr()
    low, high = (np.concatenate([r[i] for r in hard]) for i in (1, 2))
    top = kinds = np.ones(n)
    if soft:
        more = sparse.vstack([r[0] for r in soft])
        k = more.shape[0]
        price = np.full(2 * k, 2.0 + n)
        every = sparse.block_array([[every, None, None], [more, -sparse.eye_array(k), sparse.eye_array(k)]]).tocsr()
        low = np.concatenate([low, *(r[1] for r in soft)])
        high = np.concatenate([high, *(r[2] for r in soft)])
        cost, top = np.concatenate([cost, price]), np.concatenate([np.ones(n), np.full(2 * k, np.inf)])
        kinds = np.concatenate([np.ones(n), np.zeros(2 * k)])
    found = optimize.milp(
        cost, constraints=optimize.LinearConstraint(every, low, high), bounds=optimize.Bounds(np.zeros(cost.size), top)
    )
    # A vertex of a flow is whole. What is not, because of margins in no chain, is few cells. Only these are searched,
    # among which what binds is a flow again; all cells are, if that misses a margin.
    x = found.x
    scopes: list[npt.NDArray[np.bool_]] = []
    if x is not None and (loose := np.abs(x[:n] - np.rint(x[:n])) > _WHOLE).any():
        scopes = [loose, np.ones(n, dtype=np.bool_)]
    for free in scopes:
        left = np.concatenate([free, np.ones(cost.size - n, dtype=np.bool_)])
        whole = np.rint(found.x[:n][~free])
        done = every[:, ~left] @ whole
        tried = optimize.milp(
            cost[left], constraints=optimize.LinearConstraint(every[:, left], low - done, high - done),
            bounds=optimize.Bounds(np.zeros(left.sum()), top[left]), integrality=kinds[left],
            options={"node_limit": _NODES, "mip_rel_gap": _GAP},
        )  # fmt: skip
        if tried.x is None:
            continue
        x = np.empty(n)
        x[~free], x[free] = whole, tried.x[: free.sum()]
        if tried.x[free.sum() :].sum() < _WHOLE_SUM:
            break
    if x is None or np.abs(x[:n] - np.rint(x[:n])).max() > _WHOLE_SUM:
        raise RefusalError(f"integerise: the solver found no rounding ({found.message}). Give fewer margins.")
    return np.asarray(np.rint(x[:n]), dtype=np.float64)


def comparison(
    frame: pl.DataFrame | pl.LazyFrame, margins: Mapping[str, Any] | Sequence[Any], *, weight: str | None = None,
    value: str = "population_persons", tolerance: float = 0.01, slack: float = 0.0,
) -> pl.DataFrame:  # fmt: skip
    """Hold rows against margins, cell by cell.

    Parameters
    ----------
    frame
        Rows, as in :func:`rake`.
    margins, weight, value
        As in :func:`rake`. A category without rows counts 0.
    tolerance
        Largest difference that counts as met, as a share of the target.
    slack
        Difference that counts as met whatever the target, in its unit.

    Returns
    -------
    polars.DataFrame
        One row per cell of a margin: ``margin``, ``cell`` (its categories in words), ``target``, ``result``,
        ``difference``, ``difference_share`` (of the target; empty where that is 0), ``is_met``. Rows of categories
        that the margin does not list come with an empty target and are not met; ``?`` stands for an empty category.

    Raises
    ------
    SchemaError
        A column is missing, or weights or targets are no numbers.
    DataError
        A margin has a cell twice; a row has no weight.

    Examples
    --------
    >>> rows = pl.DataFrame({"sex": ["f", "f", "m"]})
    >>> table = pl.DataFrame({"sex": ["f", "m"], "population_persons": [2, 2]})
    >>> comparison(rows, {"sex": table}).select("cell", "target", "result", "is_met").rows()
    [('sex=f', 2.0, 2.0, True), ('sex=m', 2.0, 1.0, False)]
    """
    lf, _ = lazily(frame)  # type: ignore[type-var]
    names, tables = _frames(margins, value, "comparison")
    needed = sorted({c for t in tables for c in t.columns} - {value})
    schema = need_columns(lf, [*needed, *([] if weight is None else [weight])], what="comparison")
    if weight is None:
        counted = pl.len().cast(pl.Float64)
    else:
        need_numbers(schema, [weight], what="comparison")
        empty = refuse(
            pl.col(weight).is_null(), weight,
            message=lambda rows: f"comparison: {rows.height} rows have no {weight!r}; expected a number in each.",
        )  # fmt: skip
        lf, counted = lf.filter(empty), pl.col(weight).cast(pl.Float64).sum()
    parts = []
    for title, table in zip(names, tables, strict=True):
        keys = [c for c in table.columns if c != value]
        same = [pl.col(k).cast(pl.String) for k in keys]
        told = pl.lit("the total")
        wanted = table.lazy().select(*same, pl.col(value).alias("target"))
        if keys:
            told = pl.concat_str(
                *(pl.format("{}={}", pl.lit(k), pl.col(k).fill_null("?")) for k in keys), separator=", "
            )
            rows = lf.group_by(keys).agg(counted.alias("result")).with_columns(same)
            both = wanted.join(rows, on=keys, how="full", coalesce=True, maintain_order="left_right", nulls_equal=True)
        else:
            both = wanted.with_columns(lf.select(counted.alias("result")).collect()["result"])
        parts.append(
            both.select(pl.lit(title).alias("margin"), told.alias("cell"), "target", pl.col("result").fill_null(0))
        )
    off = pl.col("result") - pl.col("target")
    return pl.concat(pl.collect_all(parts, engine="streaming")).with_columns(
        off.alias("difference"),
        pl.when(pl.col("target") > 0).then(off / pl.col("target")).alias("difference_share"),
        (off.abs() <= pl.max_horizontal(tolerance * pl.col("target"), pl.lit(slack))).fill_null(False).alias("is_met"),
    )
