"""Bytes on disk: atomic writing, unpacking, hashing."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from citylab.errors import IntegrityError

_CHUNK = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_UNREADABLE = (EOFError, gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError)
"""What unpacking raises on damaged, encrypted or unknown packing."""


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``target`` that becomes ``target`` only if the block ends well.

    A reader sees the old file or the whole new one, never a part; an interrupted write leaves no file behind.

    Examples
    --------
    >>> import tempfile; folder = Path(tempfile.mkdtemp())
    >>> with written_whole(folder / "a.txt") as part:
    ...     _ = part.write_text("whole")
    >>> [p.name for p in folder.iterdir()]
    ['a.txt']
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.chmod(0o666 & ~_umask())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _umask() -> int:
    """Return the process's umask; temporary files are made private, results should not stay so."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _content(path: Path, member: str | None) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """Open the uncompressed content of a plain file, a ``.gz`` or a zip member (``outer.zip!inner`` for two levels)."""
    if member is not None:
        with ExitStack() as stack:
            reader: IO[bytes] = stack.enter_context(path.open("rb"))
            for name in member.split("!"):
                try:
                    archive = stack.enter_context(zipfile.ZipFile(reader))
                    reader = stack.enter_context(archive.open(name))
                except (*_UNREADABLE, KeyError, OSError, ValueError) as error:  # damaged offsets seek nowhere
                    raise IntegrityError(f"{path.name} has no readable member {member!r}: {error}") from None
            yield reader
        return
    with path.open("rb") as file:
        magic = file.read(2)
    if magic == _GZIP_MAGIC:
        with gzip.open(path, "rb") as unpacked:
            yield unpacked
    else:
        with path.open("rb") as plain:
            yield plain


def unpack(source: Path, target: Path, *, sha256: str, size_bytes: int, member: str | None = None) -> None:
    """Write the uncompressed content of ``source`` to ``target`` if it is what was promised.

    Parameters
    ----------
    source
        A plain file, a ``.gz``, or a zip with ``member``.
    target
        Where the content goes; written whole or not at all.
    sha256, size_bytes
        Hash and length that the uncompressed content must have. Reading stops at the promised length, so that
        a hostile archive cannot fill the disk.

    Raises
    ------
    IntegrityError
        The content is not what was promised; ``target`` is untouched.
    """
    digest = hashlib.sha256()
    count = 0
    try:
        with written_whole(target) as part:
            with _content(source, member) as reader, part.open("wb") as writer:
                while chunk := reader.read(_CHUNK):
                    count += len(chunk)
                    if count > size_bytes:
                        break
                    digest.update(chunk)
                    writer.write(chunk)
            if count > size_bytes:
                raise IntegrityError(f"{source.name}: content is longer than the declared {size_bytes:,} bytes.")
            if digest.hexdigest() != sha256:
                raise IntegrityError(
                    f"{source.name}: content has SHA-256 {digest.hexdigest()} ({count:,} bytes); the declaration says "
                    f"{sha256} ({size_bytes:,} bytes). The file is damaged or another edition; do not use it."
                )
    except _UNREADABLE as error:
        raise IntegrityError(f"{source.name} cannot be unpacked: {error}.") from None
