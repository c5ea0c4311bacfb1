from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def raw(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that gives a file of the mirror as the publisher's reader wants it: unpacked."""
    folder = tmp_path_factory.mktemp("raw")

    def unpacked(name: str) -> Path:
        source = mirror / name
        if source.suffix == ".gz":
            target = folder / source.stem
            target.write_bytes(gzip.decompress(source.read_bytes()))
            return target
        if source.suffix == ".zip":
            with zipfile.ZipFile(source) as archive:
                (member,) = archive.namelist()
                return Path(archive.extract(member, folder))
        return source

    return unpacked
