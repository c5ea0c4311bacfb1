"""How hours become days quickly: rows that follow each other within a day are added up first, days grouped after.

Hours mostly come in order. Grouping a row a day in place of a row an hour is a fraction of the work and of the memory,
and the result does not depend on it: a day whose hours lie apart is put together by the grouping that follows. Piece by
piece of a large frame, in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

HOURS = 24
WINDOW_HOURS = 8
ROWS, BIT, SLOT = "__rows", "__bit", "__slot"
_LEAST_RUN = 4  # rows; pieces whose runs are shorter are sorted first


def hour_columns(column: str) -> list[str]:
    """Return the names of the 24 columns that hold a column's hours of a day."""
    return [f"__{column}_{slot}" for slot in range(HOURS)]


def bits_column(column: str) -> str:
    """Return the name of the column whose bits say which hours of a day have a value."""
    return f"__bits_{column}"


def count_column(column: str) -> str:
    """Return the name of the column with the number of values behind a sum."""
    return f"__count_{column}"


def top_column(column: str) -> str:
    """Return the name of the column with the largest value of a day, minus infinity where there is none."""
    return f"__top_{column}"


def day_sums(
    lf: pl.LazyFrame, days: Sequence[str], values: Sequence[str], *, hourly: Sequence[str] = (), top: Sequence[str] = ()
) -> pl.LazyFrame:
    """Return sums and numbers of values by day, and where asked the hours themselves and their maximum.

    Parameters
    ----------
    lf
        One row per group and hour in any order: the columns of ``days``, the hour of the day as ``__slot`` (0 to 23)
        and the values as floats.
    days
        Columns that name a day: those of the group and of the date.
    values
        Columns to sum. Null, NaN and infinity count as missing.
    hourly
        Columns of ``values`` whose 24 hours are wanted.
    top
        Columns of ``values`` whose maximum is wanted.

    Returns
    -------
    polars.LazyFrame
        One row per day that has any row, in no order: ``days``; ``__rows``; ``__bit``, in which a bit is set for each
        hour that has a row, if no hour has two; each value's sum and, under :func:`count_column`, number; for
        ``hourly`` :func:`hour_columns` (0 where there is no value) and :func:`bits_column`; for ``top``
        :func:`top_column`.
    """
    schema = lf.collect_schema()
    counts = [count_column(c) for c in values]
    hours = [h for c in hourly for h in hour_columns(c)]
    bits = [bits_column(c) for c in hourly]
    tops = [top_column(c) for c in top]
    # The 24 bits of a day in which an hour stands twice may overflow: no number of bits equals that many rows.
    whole = dict.fromkeys([ROWS, BIT, *counts, *bits], pl.UInt32())
    made = whole | dict.fromkeys([*values, *hours, *tops], pl.Float64())

    def add_up(rows: pl.DataFrame) -> pl.DataFrame:
        rows, at = _runs(rows, days)
        found = _added_up(rows, at, values, hourly, top)
        # Series by series: a frame's own verbs plan a query each, which costs as much as the work on a small piece.
        return pl.DataFrame(
            [*(rows[d].gather(at) for d in days), *(pl.Series(c, found[c], dtype=t) for c, t in made.items())]
        )

    by_run = lf.map_batches(add_up, schema={**{d: schema[d] for d in days}, **made}, streamable=True)
    return by_run.group_by(days).agg(pl.col(*whole, *values, *hours).sum(), *(pl.col(c).max() for c in tops))


def _runs(rows: pl.DataFrame, days: Sequence[str]) -> tuple[pl.DataFrame, npt.NDArray[np.int64]]:
    """Return rows, sorted if they were in disorder, and where rows of another day begin."""
    import numpy as np

    other = pl.any_horizontal(pl.int_range(pl.len()) == 0, *(pl.col(d).ne_missing(pl.col(d).shift()) for d in days))
    at = np.flatnonzero(rows.select(other).to_series().to_numpy())
    if len(at) * _LEAST_RUN > rows.height:
        rows = rows.sort(days)
        at = np.flatnonzero(rows.select(other).to_series().to_numpy())
    return rows, at


def _added_up(
    rows: pl.DataFrame,
    at: npt.NDArray[np.int64],
    values: Sequence[str],
    hourly: Sequence[str],
    top: Sequence[str],
) -> dict[str, npt.NDArray[Any]]:
    """Return sums, numbers, hours and maxima of the runs of rows that begin ``at`` some."""
    import numpy as np

    length = np.diff(at, append=rows.height)
    slot = rows[SLOT].to_numpy()
    bit = np.left_shift(np.uint32(1), slot.astype(np.uint32))
    made: dict[str, npt.NDArray[Any]] = {ROWS: length.astype(np.uint32), BIT: np.add.reduceat(bit, at)}
    run = np.repeat(np.arange(len(at)), length) if hourly else None
    for c in values:
        number = rows[c].to_numpy()
        there = np.isfinite(number)
        known = np.where(there, number, 0.0)
        made[c] = np.add.reduceat(known, at)
        made[count_column(c)] = np.add.reduceat(there, at, dtype=np.uint32)
        if c in top:
            made[top_column(c)] = np.maximum.reduceat(np.where(there, number, -np.inf), at)
        if c in hourly:
            grid = np.zeros((HOURS, len(at)))
            grid[slot, run] = known
            made |= dict(zip(hour_columns(c), grid, strict=True))
            made[bits_column(c)] = np.add.reduceat(np.where(there, bit, np.uint32(0)), at)
    return made


def largest_windows(packed: pl.Series, column: str, first: int, last: int) -> pl.Series:
    """Return the largest mean of the 8-hour windows that end at the hours ``first`` to ``last`` of each day.

    Parameters
    ----------
    packed
        Structs of a day: :func:`hour_columns` and :func:`bits_column` of ``column``, ``needed`` (hours that a window
        needs), ``first`` and ``last`` (labels between which windows count; null: none does) and, where windows reach
        into neighbouring days, ``follows``: whether the row before is the day before.
    column
        Column whose hours they are.
    first, last
        Least and greatest hour at which a window may end: below 8 it begins on the day before, above 24 it reaches into
        the next.

    Returns
    -------
    polars.Series
        Structs of ``largest`` (null where no window is valid), ``windows`` (their number) and ``hours`` with a value.
    """
    import numpy as np

    fields = packed.struct.unnest()
    bits = fields[bits_column(column)].to_numpy()
    there = (bits >> np.arange(HOURS, dtype=np.uint32)[:, None] & np.uint32(1)).astype(np.uint8)
    grid = np.stack([fields[h].to_numpy() for h in hour_columns(column)])
    hours = there.sum(axis=0, dtype=np.uint32)
    before, after = max(0, WINDOW_HOURS - first), max(0, last - HOURS)
    if before or after:
        follows = fields["follows"].to_numpy()
        there, grid = (_lengthened(a, follows, before, after) for a in (there, grid))
    windows = slice(first + before - WINDOW_HOURS, last + before - WINDOW_HOURS + 1)
    counts, sums = (_sums_of_eight(a)[windows] for a in (there, grid))
    label = np.arange(first, last + 1)[:, None]
    needed, from_label, to_label = (
        fields[name].cast(pl.Float64).fill_null(float("nan")).to_numpy() for name in ("needed", "first", "last")
    )
    valid = (counts >= needed) & (counts > 0) & (label >= from_label) & (label <= to_label)
    means = np.divide(sums, counts, out=np.full(sums.shape, -np.inf), where=valid)
    largest = means.max(axis=0)
    found = {"largest": np.where(np.isneginf(largest), np.nan, largest), "windows": valid.sum(axis=0, dtype=np.uint32)}
    frame = pl.DataFrame({**found, "hours": hours}).with_columns(pl.col("largest").fill_nan(None))
    return frame.to_struct(packed.name)


LARGEST = pl.Struct({"largest": pl.Float64(), "windows": pl.UInt32(), "hours": pl.UInt32()})
"""What :func:`largest_windows` gives."""


def _lengthened(hours: npt.NDArray[Any], follows: npt.NDArray[np.bool_], before: int, after: int) -> npt.NDArray[Any]:
    """Return the hours of days (down) with the last of the day before and the first of the day after, else 0."""
    import numpy as np

    eve = np.zeros((before, hours.shape[1]), dtype=hours.dtype)
    morrow = np.zeros((after, hours.shape[1]), dtype=hours.dtype)
    eve[:, 1:] = np.where(follows[1:], hours[HOURS - before :, :-1], 0)
    morrow[:, :-1] = np.where(follows[1:], hours[:after, 1:], 0)
    return np.concatenate([eve, hours, morrow])


def _sums_of_eight(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the sums of each row and the seven after it, by doubling: pairs, fours, eights."""
    reach = 1
    while reach < WINDOW_HOURS:
        rows, reach = rows[:-reach] + rows[reach:], 2 * reach
    return rows
