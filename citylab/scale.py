"""The one door to Dask: the same function on more rows than one machine holds.

Polars does the work inside each partition; Dask only carries paths and small results between processes. A function that
works on a ``pl.LazyFrame`` works here unchanged. Draws of a simulation go out in blocks of fixed size, and long runs of
cases are kept chunk by chunk, so that they go on where they were stopped.
"""

from __future__ import annotations

import functools
import itertools
import operator
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from citylab.errors import CitylabError, DataError, RangeError, SchemaError
from citylab.files import sha256, written_whole

if TYPE_CHECKING:
    import polars as pl
    from distributed import Client

HERE = "127.0.0.1"
"""The only interface on which a local cluster listens."""
CONNECT_TIMEOUT = "10s"
"""How long a scheduler may take to answer."""
BLOCK_DRAWS = 64
"""Draws in a block of a simulation: a few megabytes of state for some thousand cells."""
CHUNK_CASES = 1000
"""Cases in a chunk that is kept on disk."""
IN_FLIGHT = 64
"""Chunks handed to a cluster at once; bounds what waits in the scheduler's memory."""
RUN, SUMS = "run.json", "parts.sha256"
"""Beside the chunks: what makes the run this run, and the hash of each chunk as ``sha256sum`` writes it."""


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
    RangeError
        Fewer than one worker.

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

    if workers is not None and _whole(workers, "workers") < 1:
        raise RangeError(f"workers is {workers}; a cluster needs at least 1 worker, or None for one per core.")
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
    done = _done(functools.partial(_on_one, function), [(part,) for part in given], client, what="partition")
    stacked = pl.concat(done)
    return stacked if combine is None else combine(stacked.lazy()).collect()


def _on_one(function: Callable[[pl.LazyFrame], pl.LazyFrame], part: Any) -> pl.DataFrame:
    """Run the function on one partition; this is what a worker does."""
    import polars as pl

    frame = part if isinstance(part, pl.LazyFrame) else pl.scan_parquet(part)
    return function(frame).collect(engine="streaming")


def map_draws(
    function: Callable[[int, int], Any],
    n_draws: int,
    *,
    block: int = BLOCK_DRAWS,
    client: Client | None = None,
    combine: Callable[[Any], Any] | None = None,
) -> Any:
    """Run a simulation on blocks of draws and put the draws together in their order.

    Parameters
    ----------
    function
        Takes the number of the first draw and of the one after the last; returns an array with one entry a draw along
        its first axis, or a dict of such arrays. It must take its random numbers by draw number, as
        :func:`citylab.stats.draws.draws` gives them.
    n_draws
        Number of draws, at least 1.
    block
        Draws in a block. The cuts depend on it alone and never on the number of workers; the last block may be short.
    client
        From :func:`connect`; default: here, one block after the other.
    combine
        Takes what was put together, returns the final result; for example means and quantiles.

    Returns
    -------
    numpy.ndarray or dict of numpy.ndarray
        All draws along the first axis, or what ``combine`` returns. The same with any number of workers, also when one
        dies on the way: Dask then gives its block to another.

    Raises
    ------
    RangeError
        Zero draws, or a block of none.
    DataError
        Blocks do not fit together: other names, other shapes, or not one entry a draw.
    CitylabError
        The scheduler is gone, or workers died repeatedly on one block; the message says what to do.

    Examples
    --------
    >>> from citylab.stats.draws import draws
    >>> saving = lambda start, stop: 100 * draws(7, "saving_share", start, stop, low=0.1, high=0.3)
    >>> whole = map_draws(saving, 1000)
    >>> whole.shape, bool((whole == map_draws(saving, 1000, block=17)).all())
    ((1000,), True)
    """
    import numpy as np

    n_draws, block = _whole(n_draws, "n_draws"), _whole(block, "block")
    if n_draws < 1:
        raise RangeError(f"n_draws is {n_draws}; a simulation needs at least 1 draw, and an interval many.")
    if block < 1:
        raise RangeError(f"block is {block}; a block holds at least 1 draw, for example {BLOCK_DRAWS}.")
    cuts = [(start, min(start + block, n_draws)) for start in range(0, n_draws, block)]
    done = _done(function, cuts, client, what="block of draws")
    first = _shapes(done[0], *cuts[0])
    for given, (start, stop) in zip(done[1:], cuts[1:], strict=True):
        if (found := _shapes(given, start, stop)) != first:
            raise DataError(
                f"Draws {start} to {stop} came as {found}, draws 0 to {cuts[0][1]} as {first} (shape of one draw). "
                "Return the same names and shapes from every block."
            )
    stacked: Any
    if isinstance(done[0], Mapping):
        stacked = {name: np.concatenate([np.asarray(given[name]) for given in done]) for name in done[0]}
    else:
        stacked = np.concatenate([np.asarray(given) for given in done])
    return stacked if combine is None else combine(stacked)


def _whole(value: Any, name: str) -> int:
    """Return a whole number as such, whatever library it comes from."""
    try:
        return operator.index(value)
    except TypeError:
        raise RangeError(f"{name} is {value!r}; expected a whole number, such as 1000 and not 1e3.") from None


def _shapes(given: Any, start: int, stop: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of one draw by name; refuse a block that does not hold one entry a draw."""
    import numpy as np

    arrays = given if isinstance(given, Mapping) else {"result": given}
    shapes = {str(name): np.shape(array) for name, array in arrays.items()}
    for name, shape in shapes.items():
        if not shape or shape[0] != stop - start:
            raise DataError(
                f"{name!r} has shape {shape} for draws {start} to {stop}; expected {stop - start} entries along the "
                "first axis, one a draw. Sums over draws belong in combine=."
            )
    return {name: shape[1:] for name, shape in sorted(shapes.items())}


def run_cases(
    function: Callable[..., pl.DataFrame | pl.LazyFrame],
    cases: pl.DataFrame | pl.LazyFrame,
    folder: Path | str,
    *,
    seed: int | None = None,
    about: str | None = None,
    chunk: int = CHUNK_CASES,
    client: Client | None = None,
) -> pl.LazyFrame:
    """Run a function on a table of cases, keep each chunk on disk, and go on from there if it was interrupted.

    Parameters
    ----------
    function
        Takes some of the cases as a ``pl.DataFrame``, and ``seed=`` if one is given; returns a frame with the same
        columns and types for every chunk. A row's result must not depend on the rows that come with it: random numbers
        go by a number that stands in the cases (:func:`citylab.stats.draws.draws`), not by the place in the chunk.
    cases
        One row a case; columns of numbers, text, dates or true/false.
    folder
        Where the chunks go; made if it is not there. One run has one folder.
    seed
        Passed on to the function, and written down with the run.
    about
        What else the results depend on, in words: the edition of the data, the version of a model. A run goes on only
        under the same words. Needed for a function that carries values along from where it was defined.
    chunk
        Cases in a chunk: what is lost at most of each worker's work when it is stopped.
    client
        From :func:`connect`; default: here, one chunk after the other. Only this process writes to the folder.

    Returns
    -------
    polars.LazyFrame
        The rows of all chunks in the order of the cases, read from the folder when collected: the same table whether
        or not the run was stopped on the way, for any number of workers.

    Raises
    ------
    SchemaError
        There are no cases, a column of theirs holds lists or bytes, or the function cannot be known again: it has
        no name, or carries values along and ``about`` is not given.
    DataError
        The folder holds a run of other cases, of another function, seed, ``about`` or chunk: results are not mixed. Or
        chunks came with different columns.
    CitylabError
        The scheduler is gone, or workers died repeatedly on one chunk. What is done stays; call again to go on.

    Notes
    -----
    ``run.json`` in the folder holds the hash of the cases, the function's name and the hash of its own text. What the
    function calls is not watched: after a change there, take a new folder. ``parts.sha256`` holds the hash of each
    chunk; one that is damaged is made again. Two processes that run the same at once do its work twice, and either
    ends with the whole table.

    Examples
    --------
    >>> import polars as pl, tempfile
    >>> def cost(cases: pl.DataFrame) -> pl.DataFrame:
    ...     return cases.with_columns(cost_cny=pl.col("pv_mw") * pl.col("cny_per_mw"))
    >>> cases = pl.DataFrame({"pv_mw": [1.0, 2.0, 3.0], "cny_per_mw": [4e6, 3e6, 2e6]})
    >>> folder = tempfile.mkdtemp()
    >>> run_cases(cost, cases, folder, chunk=2).collect()["cost_cny"].to_list()
    [4000000.0, 6000000.0, 6000000.0]
    >>> try:
    ...     run_cases(cost, cases.head(2), folder, chunk=2)
    ... except DataError as error:
    ...     print(str(error).split(" (")[0])
    The folder holds a run of other cases
    """
    import polars as pl

    table = cases.lazy().collect()
    if not table.height:
        raise SchemaError("There are no cases to run; give a table with at least one row.")
    if odd := [n for n, kind in table.schema.items() if kind.is_nested() or kind in (pl.Binary, pl.Object)]:
        raise SchemaError(f"Cases hold lists, structures or bytes in {', '.join(odd)}; give each value its own column.")
    chunk, seed = _whole(chunk, "chunk"), None if seed is None else _whole(seed, "seed")
    if chunk < 1:
        raise RangeError(f"chunk is {chunk}; a chunk holds at least 1 case, for example {CHUNK_CASES}.")
    place = Path(folder)
    if place.exists() and not place.is_dir():
        raise DataError(f"{place} is a file; expected a folder, or a name that is free.")
    _same_run(place / RUN, _described(function, table, seed, about, chunk))
    paths = [place / f"part-{i:06d}.parquet" for i in range(-(-table.height // chunk))]
    known = _sums(place / SUMS)
    schema, missing = None, []
    for i, path in enumerate(paths):
        found = _schema_of(path, known.get(path.name))
        if found is None:
            missing.append(i)
        else:
            schema = schema or found
    work = ((i, (table[i * chunk : (i + 1) * chunk],)) for i in missing)
    run = functools.partial(_on_cases, function, seed=seed)
    for i, result in _as_they_end(run, work, client, what="chunk of cases"):
        schema = schema or result.schema
        if result.schema != schema:
            raise DataError(
                f"Cases {i * chunk} to {min((i + 1) * chunk, table.height)} came with columns {dict(result.schema)}, "
                f"others with {dict(schema)}. Return the same columns and types for every chunk: select() and cast()."
            )
        with written_whole(paths[i]) as part:
            result.write_parquet(part)
            # Before the chunk gets its name: what has one has its hash
            with (place / SUMS).open("a", encoding="utf-8") as sums:
                sums.write(f"{sha256(part)}  {paths[i].name}\n")
    return pl.scan_parquet(paths)


def _on_cases(function: Callable[..., pl.DataFrame | pl.LazyFrame], cases: pl.DataFrame, *, seed: int | None) -> Any:
    """Run the function on one chunk; this is what a worker does."""
    import polars as pl

    result = function(cases) if seed is None else function(cases, seed=seed)
    if not isinstance(result, pl.DataFrame | pl.LazyFrame):
        raise SchemaError(f"The function returned {type(result).__name__}; expected a Polars DataFrame or LazyFrame.")
    return result.lazy().collect()


def _described(
    function: Callable[..., Any], cases: pl.DataFrame, seed: int | None, about: str | None, chunk: int
) -> dict[str, str | int | None]:
    """Return what makes a run this run and no other."""
    import hashlib
    import inspect

    digest = hashlib.sha256(repr(dict(cases.schema)).encode())
    digest.update(cases.write_csv().encode())
    if not (hasattr(function, "__module__") and hasattr(function, "__qualname__")):
        raise SchemaError(
            f"{function!r} has no name by which a later run could know it again. Define a function with def; what it "
            "takes besides the cases goes into columns of the cases."
        )
    carried = list(inspect.getclosurevars(function).nonlocals) if inspect.isfunction(function) else []
    if about is None and (carried or inspect.ismethod(function)):
        raise SchemaError(
            f"{function.__qualname__} carries {', '.join(carried) or 'its object'} along; a later run could not tell "
            "whether that is still the same. Put it into columns of the cases, or say in about= what it is."
        )
    try:
        text: str | None = hashlib.sha256(inspect.getsource(function).encode()).hexdigest()
    except (OSError, TypeError):  # typed in a console, or compiled
        text = None
    return {
        "cases_sha256": digest.hexdigest(),
        "cases": cases.height,
        "chunk": chunk,
        "seed": seed,
        "about": about,
        "function": f"{function.__module__}.{function.__qualname__}",
        "function_sha256": text,
    }


def _same_run(path: Path, described: dict[str, str | int | None]) -> None:
    """Write down a run, or make sure that it is the one that was written down."""
    import json

    if not path.exists():
        strangers = sorted(p.name for p in path.parent.glob("part-*.parquet"))
        if strangers:
            raise DataError(f"{path.parent} holds chunks ({strangers[0]}) and no {RUN}. Take an empty folder.")
        if _is_first(path, json.dumps(described, indent=1) + "\n"):
            return
    try:
        before = dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        raise DataError(f"{path} cannot be read. Take an empty folder.") from None
    words = {
        "cases_sha256": "of other cases",
        "function": "of another function",
        "function_sha256": "of another version of the function",
        "seed": "with another seed",
        "about": "about something else",
        "chunk": "in other chunks",
    }
    for key, word in words.items():
        if before.get(key) != described[key]:
            raise DataError(
                f"The folder holds a run {word} ({key} is {before.get(key)}, now {described[key]}); results would mix. "
                f"Take another folder, delete {path.parent} to start anew, or call as before to go on."
            )


def _is_first(path: Path, text: str) -> bool:
    """Write a file unless another process just did; nobody sees a part of it, and none is written over."""
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}.draft")
    try:
        with written_whole(draft) as part:
            part.write_text(text, encoding="utf-8")
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        if path.exists():
            return False
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return True


def _sums(path: Path) -> dict[str, set[str]]:
    """Return the hashes that were written down for each chunk; a line that a crash cut off counts for nothing."""
    found: dict[str, set[str]] = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            digest, _, name = line.partition("  ")
            found.setdefault(name, set()).add(digest)
    return found


def _schema_of(path: Path, known: set[str] | None) -> pl.Schema | None:
    """Return the columns of a chunk, or None where there is none that can be read and is as it was written."""
    import polars as pl

    try:
        if known is not None and sha256(path) not in known:
            return None
        return pl.Schema(pl.read_parquet_schema(path))
    except (OSError, pl.exceptions.PolarsError):
        return None


def _itself(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


def _done(
    function: Callable[..., Any], work: Sequence[tuple[Any, ...]], client: Client | None, *, what: str
) -> list[Any]:
    """Return the results of all pieces of work, in order."""
    results = dict(_as_they_end(function, enumerate(work), client, what=what, at_once=len(work)))
    return [results[i] for i in range(len(work))]


def _as_they_end(
    function: Callable[..., Any],
    work: Iterable[tuple[int, tuple[Any, ...]]],
    client: Client | None,
    *,
    what: str,
    at_once: int = IN_FLIGHT,
) -> Iterator[tuple[int, Any]]:
    """Yield the number and the result of each piece of work as it ends; here in order, on a cluster in any."""
    if client is None:
        for i, arguments in work:
            yield i, function(*arguments)
        return
    from distributed import KilledWorker, as_completed
    from distributed.client import FutureCancelledError

    gone = (
        "The Dask scheduler is gone{why}. Start it again (`dask scheduler`), join it with "
        'citylab.scale.connect("tcp://host:port"), and call again; without client= the work is done here.'
    )
    if client.status != "running":
        raise CitylabError(gone.format(why=f" (the client is {client.status})"))
    # What a function carries along travels once, not with every piece; as a task of its own it outlives a worker
    held = client.submit(_itself, function, pure=False)
    waiting = iter(work)
    number: dict[Any, int] = {}

    def submit(count: int) -> list[Any]:
        new = []
        for i, arguments in itertools.islice(waiting, count):
            future = client.submit(_call, held, *arguments, pure=False)
            number[future.key] = i
            new.append(future)
        return new

    try:
        running = as_completed(submit(at_once), loop=client.loop)
        for future in running:
            result = future.result()
            yield number.pop(future.key), result
            del result
            future.release()
            running.update(submit(1))
    except KilledWorker as error:
        raise CitylabError(
            f"A worker died repeatedly on one {what} ({error}). It probably ran out of memory: give smaller pieces, or "
            "fewer workers with more memory each."
        ) from None
    except Exception as error:
        # A lost connection shows as cancelled futures or closed streams; an error of the function stays what it is
        if client.status == "running" and not isinstance(error, FutureCancelledError):
            raise
        raise CitylabError(gone.format(why=f" ({type(error).__name__})")) from None
