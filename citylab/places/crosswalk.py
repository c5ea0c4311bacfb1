"""Figures of one division of the land told for another, with nothing lost and nothing added.

A crosswalk is a table of three columns: an old code, a new code, and the share of the old unit that became part of the
new one. The shares of an old unit add up to one, so that a total stays what it was, whatever is merged or split.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TypeVar

import polars as pl

from citylab import tables
from citylab.errors import DataError, RangeError, SchemaError
from citylab.places.register import day_of, districts

F = TypeVar("F", pl.DataFrame, pl.LazyFrame)

FROM, TO, SHARE = "from_adcode", "to_adcode", "share"
_TO, _SHARE = "_to_adcode", "_share"  # beside the columns of any frame
_SUM = 1e-9  # by which shares may miss 1
_SHOWN = 5


def crosswalk(*, before: date | str, after: date | str | None = None) -> pl.DataFrame:
    """Return how Beijing's districts of one day became those of another.

    Since 1987 units of Beijing were merged, renamed and raised in rank, and none was split, so that every share is 1.
    For a division that was split make a table of your own: the same columns, shares from land, people or dwellings.

    Parameters
    ----------
    before, after
        Days of the two divisions; ``after`` without one is the division in force.

    Returns
    -------
    polars.DataFrame
        One row per unit of the first day: ``from_adcode``, ``to_adcode``, ``share``.

    Raises
    ------
    RangeError
        A day before 1987, or ``after`` is earlier than ``before``.

    Examples
    --------
    >>> walk = crosswalk(before="2010-06-27", after="2010-06-28")
    >>> walk.filter(pl.col("from_adcode").is_in(["110101", "110103"])).rows()
    [('110101', '110101', 1.0), ('110103', '110101', 1.0)]
    """
    first, last = day_of(before), day_of(after)
    if first is None:
        raise RangeError("crosswalk: before is None; name the day of the first division, such as '2010-06-27'.")
    if last is not None and last < first:
        raise RangeError(f"The division after is of {last}, before that of {first}. Swap the two days.")
    rows = tables.read("districts")
    start, end = pl.col("valid_from"), pl.col("valid_to")
    then = districts(first).select("adcode", "valid_to", "successor_adcode").collect()
    out = []
    for row in then.iter_rows(named=True):
        code, until, successor = row["adcode"], row["valid_to"], row["successor_adcode"]
        while until is not None and (last is None or until < last):
            # The successor's row is the one in force on the day after.
            following = rows.filter(
                (pl.col("adcode") == successor) & (start > until) | (pl.col("adcode") == successor) & start.is_null()
            ).filter(end.is_null() | (end > until))
            held = following.sort("valid_from", nulls_last=False).row(0, named=True)
            code, until, successor = held["adcode"], held["valid_to"], held["successor_adcode"]
        out.append((row["adcode"], code, 1.0))
    return pl.DataFrame(out, schema=[FROM, TO, SHARE], orient="row").sort(FROM)


def _need(schema: pl.Schema, names: Sequence[str], numbers: Sequence[str], *, what: str) -> None:
    if missing := [c for c in (*names, *numbers) if c not in schema]:
        raise SchemaError(f"{what} needs the columns {missing}; the table has {schema.names()}.")
    if wrong := {c: schema[c] for c in numbers if not (schema[c].is_numeric() or schema[c] == pl.Null)}:
        raise SchemaError(f"{what} needs numbers, but holds {wrong}. Read the file with its null values declared.")


def _checked(walk: pl.DataFrame) -> pl.DataFrame:
    _need(walk.schema, [FROM, TO], [SHARE], what="A crosswalk")
    table = walk.select(pl.col(FROM).cast(pl.String), pl.col(TO).cast(pl.String), pl.col(SHARE).cast(pl.Float64))
    if not table.height:
        raise DataError("The crosswalk has no rows. Give one row per pair of an old and a new unit.")
    odd = table.filter(
        pl.any_horizontal(pl.col(FROM, TO, SHARE).is_null()) | ~((pl.col(SHARE) > 0) & pl.col(SHARE).is_finite())
    )
    if odd.height:
        raise DataError(
            f"{odd.height} rows of the crosswalk lack a code, or a share above 0, first {odd.row(0)}. A pair "
            "that shares nothing has no row."
        )
    twice = table.filter(pl.struct(FROM, TO).is_duplicated())
    if twice.height:
        raise DataError(f"The crosswalk holds the pair {twice.row(0)[:2]} more than once. Add its shares up first.")
    sums = table.group_by(FROM, maintain_order=True).agg(pl.col(SHARE).sum())
    off = sums.filter((pl.col(SHARE) - 1).abs() > _SUM)
    if off.height:
        shown = ", ".join(f"{code}: {share:g}" for code, share in off.head(_SHOWN).iter_rows())
        raise DataError(
            f"Shares of {off.height} old units do not add up to 1 ({shown}), so that a total would not be kept. "
            "If shares are in per cent divide by 100; if a part left the area, give it a unit of its own."
        )
    return table


def _total(value: str) -> pl.Expr:
    """Return the sum of parts; a sum with a gap in it (null or NaN) is a gap."""
    amount = pl.col(value).cast(pl.Float64).fill_nan(None)
    return pl.when(amount.is_null().any()).then(None).otherwise((amount * pl.col(_SHARE)).sum()).alias(value)


def carry_over(
    frame: F, walk: pl.DataFrame, values: str | Sequence[str], *, place: str = "adcode", keys: str | Sequence[str] = ()
) -> F:
    """Return counts or amounts of one division told for another; every total is kept.

    Only what adds up may be carried over: people, tonnes, yuan. A mean, a share or a density is not an amount; carry
    its numerator and its denominator and divide.

    Parameters
    ----------
    frame
        One row per place and ``keys``.
    walk
        ``from_adcode``, ``to_adcode``, ``share``: from :func:`crosswalk`, or your own.
    values
        Columns of amounts.
    place
        Column of the old codes; the result holds the new ones there.
    keys
        Further columns that tell rows apart, for example the year and the age group.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per new place and ``keys``, in the order of both, with ``values`` as floats. The sum over places is that
        of the frame, to 1e-9 of it. A new unit with a part whose value is missing (null or NaN) is null.

    Raises
    ------
    SchemaError
        A column is not there, or a value is no number.
    DataError
        Shares do not add up to 1. On collecting: a place that is missing or that the crosswalk does not know, one that
        stands twice, or an infinite value.

    Examples
    --------
    A town of 900 is split by dwellings, 2 to 1, and its smaller part joins a neighbour of 400.

    >>> walk = pl.DataFrame(
    ...     {"from_adcode": ["a", "a", "b"], "to_adcode": ["n", "m", "m"], "share": [2 / 3, 1 / 3, 1.0]})
    >>> people = pl.DataFrame({"adcode": ["a", "b"], "population_persons": [900, 400]})
    >>> carry_over(people, walk, "population_persons").rows()
    [('m', 700.0), ('n', 600.0)]
    """
    table = _checked(walk)
    names: list[str] = [values] if isinstance(values, str) else list(values)
    others: list[str] = [keys] if isinstance(keys, str) else list(keys)
    if not names:
        raise SchemaError("carry_over got no values. Name the columns of amounts.")
    if len({place, *others, *names}) < len([place, *others, *names]):
        raise SchemaError(f"carry_over: one column stands for two things among {[place, *others, *names]}.")
    lf = frame.lazy()
    schema = lf.collect_schema()
    _need(schema, [place, *others], names, what="carry_over")
    known = set(table[FROM].to_list())

    def carried(rows: pl.DataFrame) -> pl.DataFrame:
        if rows[place].null_count():
            raise DataError(f"Column {place!r} is empty in {rows[place].null_count()} rows. Name the place.")
        odd = rows.filter(pl.any_horizontal(pl.col(c).cast(pl.Float64).is_infinite() for c in names).fill_null(False))
        if odd.height:
            raise DataError(f"carry_over: {odd.row(0, named=True)} has an infinite amount. Find the division by 0.")
        unknown = sorted(set(rows[place].cast(pl.String).to_list()) - known, key=str)
        if unknown:
            raise DataError(
                f"The crosswalk does not know {len(unknown)} places, first {unknown[0]!r}; figures would be lost. "
                "Add them (a unit that stayed as it was has itself and a share of 1)."
            )
        twice = rows.filter(pl.struct(place, *others).is_duplicated())
        if twice.height:
            told = twice.select(place, *others).row(0)
            raise DataError(f"{told} stands more than once. Add its rows up, or name what tells them apart in keys=.")
        held = table.rename({TO: _TO, SHARE: _SHARE})
        joined = rows.with_columns(pl.col(place).cast(pl.String)).join(held, left_on=place, right_on=FROM)
        every = joined.group_by(_TO, *others, maintain_order=True).agg(map(_total, names))
        return every.rename({_TO: place}).sort(place, *others).select(place, *others, *names)

    out_schema = pl.Schema({place: pl.String(), **{k: schema[k] for k in others}, **{c: pl.Float64() for c in names}})
    told = lf.select(place, *others, *names).map_batches(
        carried, schema=out_schema, predicate_pushdown=False, projection_pushdown=False, slice_pushdown=False
    )
    return told.collect() if isinstance(frame, pl.DataFrame) else told
