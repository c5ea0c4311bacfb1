from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citylab import files
from citylab.errors import IntegrityError


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


PACKED = {
    "plain": (lambda c: c, None),
    "gzip": (gzip.compress, None),
    "zip": (lambda c: zipped(inner=c, other=b"x"), "inner"),
    "zip in zip": (lambda c: zipped(outer=zipped(inner=c)), "outer!inner"),
}


def unpack(source: Path, target: Path, content: bytes, member: str | None = None, **changed: object) -> None:
    promised = {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content), **changed}
    files.unpack(source, target, member=member, **promised)  # type: ignore[arg-type]


@given(content=st.binary(max_size=5000).filter(lambda c: not c.startswith(b"\x1f\x8b")))
@pytest.mark.parametrize("way", PACKED)
def test_the_content_is_the_same_whatever_it_was_packed_in(content: bytes, way: str, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed")
    pack, member = PACKED[way]
    (folder / "source").write_bytes(pack(content))
    unpack(folder / "source", folder / "target", content, member)
    assert (folder / "target").read_bytes() == content


@given(data=st.data())
@pytest.mark.parametrize("way", PACKED)
def test_one_changed_byte_gives_an_integrity_error_or_the_promised_content_never_another(
    way: str, data, tmp_path_factory
):
    folder = tmp_path_factory.mktemp("damaged")
    content = b"station,value\n" + b"".join(b"%d,%d\n" % (i, i * i % 97) for i in range(200))
    pack, member = PACKED[way]
    whole = bytearray(pack(content))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    (folder / "source").write_bytes(whole)
    try:
        unpack(folder / "source", folder / "target", content, member)
    except IntegrityError:
        assert [p.name for p in folder.iterdir()] == ["source"]
    else:
        assert (folder / "target").read_bytes() == content


@pytest.mark.parametrize("way", PACKED)
def test_a_cut_file_leaves_the_old_target_untouched(way: str, tmp_path: Path):
    pack, member = PACKED[way]
    content = os.urandom(5000)
    (tmp_path / "source").write_bytes(pack(content)[:2500])
    (tmp_path / "target").write_bytes(b"old")
    with pytest.raises(IntegrityError):
        unpack(tmp_path / "source", tmp_path / "target", content, member)
    assert (tmp_path / "target").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 2


def test_content_beyond_the_declared_size_is_refused_before_it_is_written(tmp_path: Path):
    (tmp_path / "source").write_bytes(gzip.compress(bytes(50_000_000)))
    with pytest.raises(IntegrityError, match="longer than the declared 1,000 bytes"):
        unpack(tmp_path / "source", tmp_path / "target", bytes(50_000_000), size_bytes=1000)
    assert not (tmp_path / "target").exists()


def test_a_missing_member_is_named(tmp_path: Path):
    (tmp_path / "source.zip").write_bytes(zipped(a=b"1"))
    with pytest.raises(IntegrityError, match=r"source\.zip has no readable member 'b'"):
        unpack(tmp_path / "source.zip", tmp_path / "target", b"1", "b")


def test_an_error_while_writing_leaves_the_old_file_and_no_part(tmp_path: Path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(RuntimeError, match="half"), files.written_whole(tmp_path / "a") as part:
        part.write_text("new, but not all of")
        raise RuntimeError("half-way")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a", "old")]


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_a_written_file_has_the_permissions_of_any_other_new_file(tmp_path: Path):
    with files.written_whole(tmp_path / "a") as part:
        part.write_text("x")
    (tmp_path / "b").write_text("x")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == stat.S_IMODE((tmp_path / "b").stat().st_mode)


def test_sha256_is_that_of_the_published_example(tmp_path: Path):
    # FIPS 180-2, appendix B.1: the message "abc"
    (tmp_path / "abc").write_bytes(b"abc")
    assert files.sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
