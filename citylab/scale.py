"""The one door to Dask: the same function on more rows than one machine holds.

Polars does the work inside each partition; Dask only carries paths and small results between processes. A function that
works on a ``pl.LazyFrame`` works here unchanged.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from citylab.errors import CitylabError, SchemaError

if TYPE_CHECKING:
    import polars as pl
    from distributed import Client

HERE = "127.0.0.1"
"""The only interface on which a local cluster listens."""
CONNECT_TIMEOUT = "10s"
"""How long a scheduler may take to answer."""


def connect(address: str | None = None, *, workers: int | None = None, processes: bool = True) -> Client:
    """Join a running Dask scheduler, or start a cluster on this machine.

    Parameters
    ----------
    address
        ``"tcp://host:port"`` of a scheduler. Default: start a local cluster bound to 127.0.0.1, without a dashboard.
    workers
        Local workers; default: one per core.
    processes
        Local workers as processes (each with one Polars thread) or as threads of this process.

    Returns
    -------
    distributed.Client
        Use it as a context manager: leaving it also ends a local cluster.

    Raises
    ------
    CitylabError
        No scheduler answers at the address.

    Notes
    -----
    A script that starts processes needs ``if __name__ == "__main__":`` around its own work.

    Examples
    --------
    >>> with connect(workers=1, processes=False) as client:
    ...     client.submit(sum, [1, 2]).result()
    3
    """
    import dask
    from distributed import Client

    if address is not None:
        try:
            return Client(address, timeout=CONNECT_TIMEOUT, set_as_default=False)
        except (OSError, ValueError) as error:
            raise CitylabError(
                f"No Dask scheduler answers at {address!r} ({error}). Start one with `dask scheduler`, or call "
                "citylab.scale.connect() without an address for a local cluster."
            ) from None
    # Dask sets the thread counts of BLAS in its workers, but not that of Polars
    threads = {"distributed.nanny.pre-spawn-environ.POLARS_MAX_THREADS": "1"}
    with dask.config.set(threads):
        return Client(
            n_workers=workers or os.cpu_count() or 1,
            threads_per_worker=1,
            processes=processes,
            host=HERE if processes else None,  # threads talk in memory and take no address
            # Dask serves its state over HTTP also where no dashboard is asked for, and then on every interface
            dashboard_address=f"{HERE}:0",
            worker_dashboard_address=f"{HERE}:0",
            scheduler_kwargs={"dashboard": False},
            set_as_default=False,
        )


def map_partitions(
    function: Callable[[pl.LazyFrame], pl.LazyFrame],
    partitions: Iterable[Path | str | pl.LazyFrame],
    *,
    client: Client | None = None,
    combine: Callable[[pl.LazyFrame], pl.LazyFrame] | None = None,
) -> pl.DataFrame:
    """Run a Polars function on each partition and put the results together.

    Parameters
    ----------
    function
        Takes one partition as a ``pl.LazyFrame``, returns a ``pl.LazyFrame`` with the same columns for every partition.
        For a mean over partitions return sums and counts, and divide in ``combine``.
    partitions
        Parquet paths that every worker can read, or lazy frames (plans travel, rows do not).
    client
        From :func:`connect`; default: here, one partition after the other.
    combine
        Takes all results stacked, returns the final table; for example a second ``group_by``.

    Returns
    -------
    polars.DataFrame
        The rows of all partitions in the order of ``partitions``, after ``combine``; the same with any number of
        workers.

    Raises
    ------
    SchemaError
        No partitions were given.
    CitylabError
        A worker ran out of memory; the message says what to do.

    Examples
    --------
    >>> import polars as pl
    >>> parts = [pl.LazyFrame({"x": [1, 2]}), pl.LazyFrame({"x": [3]})]
    >>> total = lambda f: f.select(pl.col("x").sum(), pl.len().alias("n"))
    >>> map_partitions(total, parts, combine=lambda f: f.select(pl.all().sum())).row(0)
    (6, 3)
    """
    import polars as pl

    given = list(partitions)
    if not given:
        raise SchemaError("map_partitions got no partitions; expected Parquet paths or lazy frames.")
    if client is None:
        done: Sequence[pl.DataFrame] = [_on_one(function, part) for part in given]
    else:
        from distributed import KilledWorker

        futures = client.map(_on_one, [function] * len(given), given, pure=False)
        try:
            done = client.gather(futures)
        except KilledWorker as error:
            raise CitylabError(
                f"A worker died repeatedly on one partition ({error}). It probably ran out of memory: give smaller "
                "partitions, or fewer workers with more memory each."
            ) from None
    stacked = pl.concat(done)
    return stacked if combine is None else combine(stacked.lazy()).collect()


def _on_one(function: Callable[[pl.LazyFrame], pl.LazyFrame], part: Any) -> pl.DataFrame:
    """Run the function on one partition; this is what a worker does."""
    import polars as pl

    frame = part if isinstance(part, pl.LazyFrame) else pl.scan_parquet(part)
    return function(frame).collect(engine="streaming")
