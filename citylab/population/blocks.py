"""Tables that are made block by block: each block from a random stream of its own, so that workers change no row."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import polars as pl

from citylab.errors import RangeError


def whole(value: object, what: str, least: int) -> int:
    """Return a whole number that a caller gave.

    Raises
    ------
    RangeError
        It is none, or less than ``least``.

    Examples
    --------
    >>> whole(3, "workers", 1)
    3
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise RangeError(f"{what} is {value!r}; expected a whole number of {least} or more.")
    return int(value)


def in_order(
    make: Callable[..., pl.DataFrame], places: Iterable[tuple[Any, ...]], *, rows: int, workers: int
) -> Iterator[pl.DataFrame]:
    """Yield ``make(*place)`` for one place after the other, cut to so many rows in all; workers only work ahead.

    Examples
    --------
    >>> blocks = in_order(lambda k: pl.DataFrame({"k": [k, k]}), ((k,) for k in range(9)), rows=3, workers=2)
    >>> [block["k"].to_list() for block in blocks]
    [[0, 0], [1]]
    """
    todo = iter(places)
    ahead: deque[Future[pl.DataFrame]] = deque()

    def send() -> None:
        if (place := next(todo, None)) is not None:
            # A thread a block, ending with it: an engine that drops a table half read may never close this generator.
            once = ThreadPoolExecutor(max_workers=1)
            ahead.append(once.submit(make, *place))
            once.shutdown(wait=False)

    for _ in range(workers):
        send()
    left = rows
    while left > 0 and ahead:
        block = ahead.popleft().result().head(left)
        left -= block.height
        if left > 0:
            send()
        yield block


def made_in_blocks(
    make: Callable[..., pl.DataFrame], places: Callable[[], Iterable[tuple[Any, ...]]], *, rows: int, workers: int,
    schema: Mapping[str, Any], name: str,
) -> pl.LazyFrame:  # fmt: skip
    """Return the blocks as a table that is made as it is collected.

    Parameters
    ----------
    make
        Gives the rows of a block.
    places
        Gives, each time anew, what ``make`` is called with for the first block, the second, and so on.
    rows
        Rows of the table at most.
    workers
        Threads that work ahead.
    schema
        Columns and their types.
    name
        What a query plan calls the table.

    Returns
    -------
    polars.LazyFrame
        The rows of the blocks in their order.

    Examples
    --------
    >>> made = made_in_blocks(lambda k: pl.DataFrame({"k": [k]}), lambda: ((k,) for k in range(9)), rows=5, workers=1,
    ...                       schema={"k": pl.Int64()}, name="numbers")
    >>> made.filter(pl.col("k") > 2).collect()["k"].to_list()
    [3, 4]
    """

    def made(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        wanted = rows if n_rows is None else min(rows, n_rows)
        if wanted == 0:
            yield pl.DataFrame(schema=schema).select(with_columns or list(schema))
        for block in in_order(make, places(), rows=wanted, workers=workers):
            kept = block if predicate is None else block.filter(predicate)
            yield kept.select(with_columns) if with_columns is not None else kept

    return pl.io.plugins.register_io_source(made, schema=dict(schema), is_pure=True, explain_name=name)
