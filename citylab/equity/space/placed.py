"""Values and neighbours brought together: which places count, which are islands, and the matrix of weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from citylab.equity.space import neighbours as table_of
from citylab.equity.space.rules import rule
from citylab.errors import DataError, RangeError, SchemaError
from citylab.frames import keys_of, need_columns, need_numbers

if TYPE_CHECKING:
    import numpy.typing as npt
    from scipy.sparse import csr_array

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

Style = Literal["row", "binary", "given"]
Islands = Literal["exclude", "refuse"]
Alternative = Literal["two-sided", "greater", "less"]
STYLES, ISLANDS, ALTERNATIVES = ("row", "binary", "given"), ("exclude", "refuse"), ("two-sided", "greater", "less")

PERMUTATIONS = 9_999
"""Draws unless told otherwise. Of 999 the least two-sided pseudo p is 0.002: too large for 1 of 31 places under FDR."""
SEED = 0

ISLAND, MISSING = "island", "missing"
NO_ROWS, FEW_PLACES, NO_VARIATION = "no_rows", "few_places", "no_variation"

_SHARE = "_share"
_CELLS = 1 << 22
"""Numbers that one batch of draws holds at a time."""
_SHOWN = 5
_TRACE = 1e-9


@dataclass(frozen=True)
class Placed:
    """The places of one group that count, sorted by id.

    Attributes
    ----------
    name
        The group's key.
    ids, values
        One per place; values by column.
    weights
        Matrix in which row i holds the weights of the neighbours of place i.
    islands, missing
        Ids of the places that were left out.
    """

    name: tuple[object, ...]
    ids: pl.Series
    values: dict[str, Floats]
    weights: csr_array
    islands: pl.Series
    missing: pl.Series
    dtype: pl.DataType

    @property
    def n(self) -> int:
        """Places that count."""
        return len(self.ids)

    def note(self, *columns: str) -> str | None:
        """Return why nothing can be told about these places, if so."""
        if not self.n:
            return NO_ROWS
        if self.n < rule("least_places"):
            return FEW_PLACES
        return NO_VARIATION if any(is_constant(self.values[c]) for c in columns) else None


def is_constant(values: Floats) -> bool:
    """Return whether values differ by no more than rounding.

    Examples
    --------
    >>> is_constant(np.array([0.3, 0.1 + 0.2])), is_constant(np.array([0.3, 0.4]))
    (True, False)
    """
    return bool(np.ptp(values) <= rule("no_variation") * np.abs(values).max())


def check(
    lf: pl.LazyFrame,
    numbers: Sequence[str],
    place: str,
    neighbours: pl.DataFrame | pl.LazyFrame,
    *,
    by: str | Sequence[str] | None,
    style: str,
    islands: str,
    reserved: Sequence[str],
    what: str,
    others: Sequence[str] = (),
) -> tuple[pl.Schema, Callable[[], pl.DataFrame]]:
    """Return the frame's schema and what collects the neighbours, after making sure of all that a call can tell.

    Raises
    ------
    SchemaError, RangeError
        A column is missing, holds no numbers or has the name of one of the result; or an option there is not.
    """
    keys: list[str] = keys_of(by)
    schema = need_columns(lf, dict.fromkeys([*keys, place, *numbers, *others]), what=what)
    need_numbers(schema, numbers, what=what)
    clash = sorted(set(reserved) & {*keys, place})
    if clash:
        raise SchemaError(f"{what}: column {clash[0]!r} has the name of a column of the result; rename it.")
    if style not in STYLES:
        raise RangeError(f"{what}: style is {style!r}; expected one of {', '.join(map(repr, STYLES))}.")
    if islands not in ISLANDS:
        raise RangeError(f"{what}: islands is {islands!r}; expected one of {', '.join(map(repr, ISLANDS))}.")
    return schema, table_of.links(neighbours, schema[place], what=what)


def check_draws(permutations: int, level: float, alternative: str, what: str) -> None:
    """Make sure that draws can be made and judged.

    Raises
    ------
    RangeError
        They cannot.
    """
    if alternative not in ALTERNATIVES:
        raise RangeError(
            f"{what}: alternative is {alternative!r}; expected one of {', '.join(map(repr, ALTERNATIVES))}."
        )
    if not 0 < level < 1:
        raise RangeError(f"{what}: level is {level}; expected a share between 0 and 1, such as 0.95.")
    if permutations < 0 or permutations != int(permutations):
        raise RangeError(f"{what}: permutations is {permutations}; expected a whole number, or 0 for none.")
    # 2 / (1 - 0.9) is a trace above 20.
    least = int(np.ceil(2 / (1 - level) - _TRACE)) - 1
    if permutations and permutations < least:
        raise RangeError(
            f"{what}: {permutations} permutations cannot tell a level of {level:g}; take {least} at least, or 0."
        )


def read(
    table: pl.DataFrame,
    numbers: Sequence[str],
    place: str,
    held: pl.DataFrame,
    *,
    by: str | Sequence[str] | None,
    style: Style,
    islands: Islands,
    what: str,
) -> Iterator[Placed]:
    """Yield the places of each group, groups sorted.

    Raises
    ------
    DataError
        No rows; a place twice in a group; infinite values, or a share in percent; neighbours of other places only;
        islands, if they are refused.
    """
    keys: list[str] = keys_of(by)
    if table.is_empty():
        raise DataError(f"{what}: the frame has no rows. Check the filter before it.")
    refuse_values(table, numbers, what)
    if not held.is_empty() and not held[table_of.FROM].is_in(table[place].implode()).any():
        raise DataError(
            f"{what}: no place of the frame is in the table of neighbours. Places look like {table[place][0]!r}, "
            f"neighbours like {held[table_of.FROM][0]!r}."
        )
    whole = pl.all_horizontal(pl.col(c).cast(pl.Float64).is_not_nan().fill_null(False) for c in numbers)
    parts = table.partition_by(keys, as_dict=True) if keys else {(): table}
    ordered = sorted(parts.items(), key=lambda part: tuple((k is None, k) for k in part[0]))
    for name, part in ordered:
        table_of.one_row_each(part, place, what)
        held_rows = part.filter(whole).sort(place)
        missing = part.filter(~whole)[place].sort()
        yield _placed(name, held_rows, missing, numbers, place, held, style, islands, what)


def refuse_values(table: pl.DataFrame, numbers: Sequence[str], what: str) -> None:
    """Make sure that values are finite, and shares no percentages.

    Raises
    ------
    DataError
        They are not.
    """
    for column in numbers:
        values = table[column].cast(pl.Float64).fill_nan(None).drop_nulls()
        if values.is_infinite().any():
            raise DataError(f"{what}: column {column!r} holds infinite values. Find the division by 0 that made them.")
        if not column.endswith(_SHARE):
            continue
        smallest, largest = values.to_numpy().min(initial=0.0), values.to_numpy().max(initial=0.0)
        if largest > 1:
            raise DataError(
                f"{what}: {column!r} is a share by its name, 0 to 1, but reaches {largest:g}. If it is given in "
                f"percent, divide it by 100, or name it {column.removesuffix(_SHARE) + '_pct'!r}."
            )
        if smallest < 0:
            raise DataError(
                f"{what}: {column!r} is a share by its name, 0 to 1, but goes down to {smallest:g}. If it is a "
                f"difference of shares, name it {column.removesuffix(_SHARE) + '_difference'!r}."
            )


def _placed(
    name: tuple[object, ...],
    rows: pl.DataFrame,
    missing: pl.Series,
    numbers: Sequence[str],
    place: str,
    held: pl.DataFrame,
    style: Style,
    islands: Islands,
    what: str,
) -> Placed:
    ids, lonely = rows[place], rows[place].clear()
    while True:
        # A place that goes can leave another without neighbours.
        inside = held.filter(pl.col(table_of.FROM).is_in(ids.implode()) & pl.col(table_of.TO).is_in(ids.implode()))
        is_island = ~ids.is_in(inside[table_of.FROM].unique().implode())
        if not is_island.any():
            break
        lonely = lonely.append(ids.filter(is_island))
        ids = ids.filter(~is_island)
    if len(lonely) and islands == "refuse":
        shown = ", ".join(repr(i) for i in lonely.sort()[:_SHOWN])
        more = f" and {len(lonely) - _SHOWN} more" if len(lonely) > _SHOWN else ""
        raise DataError(
            f"{what}: no neighbour with a value: {shown}{more}. Add a link, take neighbours by distance, or leave "
            "them out of the estimate with islands='exclude'."
        )
    kept = rows.filter(pl.col(place).is_in(ids.implode()))
    values = {c: kept[c].cast(pl.Float64).to_numpy().copy() for c in numbers}
    return Placed(name, ids, values, matrix(ids, inside, style), lonely.sort(), missing, ids.dtype)


def matrix(ids: pl.Series, inside: pl.DataFrame, style: Style) -> csr_array:
    """Return the weights of links among places as a sparse matrix in the order of ``ids``.

    Examples
    --------
    >>> held = pl.DataFrame({"from_id": [1, 1, 2, 3], "to_id": [2, 3, 1, 1], "weight": [3.0, 1.0, 2.0, 2.0]})
    >>> matrix(pl.Series([1, 2, 3]), held, "row").toarray().tolist()
    [[0.0, 0.75, 0.25], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    """
    from scipy.sparse import csr_array

    at = pl.DataFrame({"_id": ids}).with_row_index("_at")
    linked = (
        inside.join(at, left_on=table_of.FROM, right_on="_id")
        .rename({"_at": "_i"})
        .join(at, left_on=table_of.TO, right_on="_id")
        .rename({"_at": "_j"})
        .sort("_i", "_j")
    )
    i, j = linked["_i"].to_numpy().astype(np.int64), linked["_j"].to_numpy().astype(np.int64)
    weight = linked[table_of.WEIGHT].to_numpy().copy()
    if style == "binary":
        weight = np.ones(len(weight))
    elif style == "row" and len(weight):
        weight = weight / np.bincount(i, weights=weight, minlength=len(ids))[i]
    return csr_array((weight, (i, j)), shape=(len(ids), len(ids)))


def shuffled(values: Floats, permutations: int, seed: int) -> Iterator[Floats]:
    """Yield values dealt out anew, one draw a row, a batch of draws at a time.

    Examples
    --------
    >>> (batch,) = shuffled(np.array([1.0, 2.0, 3.0]), 5, seed=0)
    >>> batch.shape, sorted(set(batch.sum(axis=1)))
    ((5, 3), [np.float64(6.0)])
    """
    rng, n = np.random.default_rng(seed), len(values)
    each = max(1, _CELLS // max(n, 1))
    for start in range(0, permutations, each):
        yield rng.permuted(np.tile(values, (min(each, permutations - start), 1)), axis=1)


def pseudo_p(at_least: Any, at_most: Any, permutations: int, alternative: Alternative = "two-sided") -> Floats:
    """Return pseudo p-values from how many draws reach the data from above and from below, ties in both counts.

    The data count as one of the draws. The two-sided value is twice the smaller one-sided value, at most 1.

    Examples
    --------
    >>> pseudo_p(4, 995, 999).tolist(), pseudo_p(999, 999, 999).tolist()
    (0.01, 1.0)

    References
    ----------
    Davison and Hinkley (1997), Bootstrap Methods and their Application, section 4.2. doi:10.1017/CBO9780511802843
    """
    up, down = (np.asarray(at_least) + 1) / (permutations + 1), (np.asarray(at_most) + 1) / (permutations + 1)
    if alternative == "greater":
        return np.asarray(up, dtype=np.float64)
    if alternative == "less":
        return np.asarray(down, dtype=np.float64)
    return np.asarray(np.minimum(1.0, 2 * np.minimum(up, down)), dtype=np.float64)
