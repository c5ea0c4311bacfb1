"""Bringing a remote data set here: cache, then mirror folder, then publisher, then archive.

A file counts by the SHA-256 of its uncompressed content, whatever it was packed in. Everything is written whole or not
at all, so an interrupted fetch starts clean and the cache never holds a part.
"""

from __future__ import annotations

import hashlib
import importlib
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from citylab import files, settings
from citylab.catalog.declaration import Declaration, Origin, RawFile
from citylab.catalog.registry import declaration, table_file
from citylab.errors import DataError, IntegrityError, OfflineError

ROW_GROUP_ROWS = 65_536
"""Rows per Parquet row group: the grain of Dask partitions of a cached table."""
CONNECT_TIMEOUT_S = 30
"""Seconds without an answer after which a publisher counts as unreachable."""
PACKING_BYTES = 1 << 16
"""What the packing of one file may add to the declared size of its content."""


def raw_target(file: RawFile) -> Path:
    """Return where the cache keeps a raw file; the name holds the content's hash."""
    return settings.cache_dir() / "raw" / f"{file.sha256[:16]}-{file.name}"


def is_cached(file: RawFile) -> bool:
    """Return whether the cache holds the file (it was checked when it was written)."""
    target = raw_target(file)
    return target.is_file() and target.stat().st_size == file.size_bytes


def fingerprint(declared: Declaration) -> str:
    """Return a short hash of all that decides a cached table's content: files, recipe, columns, inputs."""
    parts = [declared.id, declared.version, declared.recipe, str(declared.recipe_version)]
    parts += [f.sha256 for f in declared.files]
    parts += [c.model_dump_json() for c in declared.columns]
    parts += [fingerprint(declaration(i)) for i in declared.inputs]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def cached_table(declared: Declaration) -> Path:
    """Return where the cache keeps the Parquet of a remote table."""
    return settings.cache_dir() / "tables" / f"{declared.id}-{fingerprint(declared)}.parquet"


def is_ready(declared: Declaration) -> bool:
    """Return whether a set can be loaded now with neither network nor mirror."""
    if declared.storage == "embedded":
        return table_file(declared).is_file()
    if declared.form == "grid":
        return all(map(is_cached, declared.files))
    return cached_table(declared).is_file()


def is_at_hand(declared: Declaration) -> bool:
    """Return whether a set can be loaded now without a network: it is ready, or all its files are in the mirror."""
    mirror = settings.mirror_dir()
    copies = [mirror / f.mirror.path if mirror and f.mirror else None for f in declared.files]
    has_copies = bool(copies) and all(copy is not None and copy.is_file() for copy in copies)
    return has_copies or is_ready(declared)


def recipe(declared: Declaration) -> Callable[[list[Any]], Any]:
    """Return the function that the declaration names."""
    module, _, name = declared.recipe.partition(":")
    function: Callable[[list[Any]], Any] = getattr(importlib.import_module(module), name)
    return function


def raw_files(declared: Declaration, *, progress: bool = True) -> list[Path]:
    """Return the raw files of a data set, fetched where they are not in the cache.

    Raises
    ------
    OfflineError
        Some file is neither in the cache nor in the mirror, and the network is off or does not answer.
    IntegrityError
        What arrived is not what the declaration promises.
    """
    if all(map(is_cached, declared.files)):
        return [raw_target(f) for f in declared.files]
    folder = settings.cache_dir() / "raw"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as downloads:
        return [_raw_file(declared, f, Path(downloads), progress=progress) for f in declared.files]


def _raw_file(declared: Declaration, file: RawFile, downloads: Path, *, progress: bool) -> Path:
    target = raw_target(file)
    if is_cached(file):
        return target
    refused: list[Exception] = []
    mirror = settings.mirror_dir()
    if file.mirror and mirror and (mirror / file.mirror.path).is_file():
        try:
            _keep(mirror / file.mirror.path, file, target, file.mirror.member)
            return target
        except IntegrityError as error:
            refused.append(error)
    for origin in () if settings.offline() else file.downloads:
        try:
            got = _download(origin, downloads, limit=_most_bytes(declared, origin), progress=progress)
            _keep(got, file, target, origin.member)
            return target
        except (IntegrityError, OfflineError) as error:
            refused.append(error)
    raise _unavailable(declared, file, refused)


def _keep(source: Path, file: RawFile, target: Path, member: str | None) -> None:
    """Put the checked content of a packed or plain file into the cache."""
    files.unpack(source, target, sha256=file.sha256, size_bytes=file.size_bytes, member=member)


def _most_bytes(declared: Declaration, origin: Origin) -> int | None:
    """Return how long a download can be at most; an archive may hold files that nobody declared, so it has no limit."""
    if origin.member is not None:
        return None
    return max(f.size_bytes for f in declared.files if origin in f.downloads) + PACKING_BYTES


class _Bounded:
    """A file that refuses to grow beyond what was promised."""

    def __init__(self, file: IO[bytes], limit: int | None, url: str) -> None:
        self._file, self._limit, self._url = file, limit, url

    def write(self, chunk: bytes) -> int:
        if self._limit is not None and self._file.tell() + len(chunk) > self._limit:
            raise IntegrityError(f"{self._url} delivers more than the declared size allows ({self._limit:,} bytes).")
        return self._file.write(chunk)

    def flush(self) -> None:
        self._file.flush()


def _download(origin: Origin, folder: Path, *, limit: int | None, progress: bool) -> Path:
    """Download an address into a folder, once for all files that are packed in it."""
    import pooch
    import requests

    http = pooch.HTTPDownloader(progressbar=progress, timeout=CONNECT_TIMEOUT_S)

    def bounded(url: str, target: str, asking: Any) -> None:
        with Path(target).open("wb") as file:
            http(url, _Bounded(file, limit, url), asking)

    pooch.get_logger().setLevel(logging.WARNING)  # else it tells the hash of every file as news
    try:
        got = pooch.retrieve(
            origin.url,
            known_hash=None if origin.sha256 == "unknown" else f"sha256:{origin.sha256}",
            fname=hashlib.sha256(origin.url.encode()).hexdigest(),
            path=folder,
            downloader=bounded,
        )
    except requests.exceptions.RequestException as error:
        raise OfflineError(f"{origin.url} could not be read ({type(error).__name__}).") from None
    except ValueError as error:  # pooch's complaint about the hash
        raise IntegrityError(f"{origin.url} delivered another file than declared: {error}") from None
    return Path(got)


def _unavailable(declared: Declaration, file: RawFile, refused: list[Exception]) -> Exception:
    """Return the error that says what is missing and how to bring it."""
    mirror = settings.mirror_dir()
    place = f"CITYLAB_MIRROR is {mirror}" if mirror else "CITYLAB_MIRROR is not set"
    network = "the network is off (CITYLAB_OFFLINE)" if settings.offline() else "the network did not deliver it"
    if not file.downloads:
        network = "the publisher offers it in another form only" if file.origin else "it has no known address"
    size = sum(f.size_bytes for f in declared.files if not is_cached(f)) / 1e6
    where = f" under {file.mirror.path!r}" if file.mirror else ""
    reasons = "".join(f"\n  - {error}" for error in refused)
    message = (
        f"{declared.id} is not in the cache and {file.name} could not be had: {network}; {place}. "
        f"{size:.1f} MB are missing. On a machine with a network run `citylab fetch {declared.id}`, "
        f"or set CITYLAB_MIRROR to a folder that holds the file{where}.{reasons}"
    )
    damaged = any(isinstance(error, IntegrityError) for error in refused)
    return IntegrityError(message) if damaged else OfflineError(message)


def fetch(dataset: str, *, progress: bool = True) -> Path:
    """Make a data set available on this machine and return the path of its file.

    Parameters
    ----------
    dataset
        Id of a data set.
    progress
        Show a progress bar while downloading.

    Returns
    -------
    pathlib.Path
        The Parquet file of a remote table (in the cache, validated), the raw file of a grid, or the embedded table.

    Raises
    ------
    UnknownNameError
        No such data set.
    OfflineError
        It is not in the cache or the mirror and the network is off or does not answer.
    IntegrityError, DataError
        What arrived is not what the declaration promises.
    """
    declared = declaration(dataset)
    if declared.storage == "embedded":
        path = table_file(declared)
        if not path.is_file():
            how = "restore it" if declared.recipe == "authored" else f"run `citylab build {dataset}`"
            raise DataError(f"The embedded table {declared.table} of {dataset} is missing from {path.parent}; {how}.")
        return path
    if declared.form == "grid":
        return raw_files(declared, progress=progress)[0]
    target = cached_table(declared)
    if not target.is_file():
        from citylab.catalog.building import compile_table

        frame = compile_table(declared, progress=progress)
        with files.written_whole(target) as part:
            frame.write_parquet(part, compression="zstd", row_group_size=ROW_GROUP_ROWS)
    return target
