from __future__ import annotations

import gzip
import hashlib
import io
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import citylab as cl
from citylab import settings
from citylab.catalog.fetching import cached_table, fingerprint, is_at_hand, is_ready, raw_files
from citylab.catalog.registry import declaration
from citylab.errors import DataError, IntegrityError, OfflineError

SCRIPT = """
import sys
from pathlib import Path
from citylab import settings
settings.datasets_dir = lambda: Path(sys.argv[1])
import citylab as cl
print(cl.fetch(sys.argv[2], progress=sys.argv[3] == "True"))
"""


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def left(cache: Path) -> list[str]:
    """Names of all files in the cache."""
    return sorted(p.name for p in cache.rglob("*") if p.is_file())


def users(path: Path) -> list[float]:
    return pl.read_parquet(path)["internet_users_persons"].to_list()


def start(dataset: str, *, progress: bool = True) -> subprocess.Popen[str]:
    """Start a process that fetches a data set of the test's catalogue into the test's cache."""
    command = [sys.executable, "-c", SCRIPT, str(settings.datasets_dir()), dataset, str(progress)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


PACKINGS = {
    "plain": (lambda raw: raw, None),
    "gzip": (gzip.compress, None),
    "zip": (lambda raw: zipped(inner=raw, readme=b"x"), "inner"),
    "zip in zip": (lambda raw: zipped(outer=zipped(inner=raw)), "outer!inner"),
}


@pytest.mark.parametrize("way", PACKINGS)
def test_the_cached_file_is_the_same_whatever_it_came_packed_in(way: str, toy, publisher, cache: Path, raw: bytes):
    pack, member = PACKINGS[way]
    publisher.offers["/file"] = pack(raw)
    dataset = toy("/file", member=member)
    path = cl.fetch(dataset)
    assert users(path) == [125e6, 150e6]
    (kept,) = raw_files(declaration(dataset))
    assert kept.read_bytes() == raw
    assert left(cache) == sorted([path.name, kept.name])


def test_what_is_cached_is_not_asked_for_again(toy, publisher, raw: bytes):
    publisher.offers["/file"] = raw
    dataset = toy("/file")
    assert not is_ready(declaration(dataset))
    first = cl.fetch(dataset)
    assert is_ready(declaration(dataset))
    assert cl.fetch(dataset) == first
    assert publisher.asked == ["/file"]


def test_the_mirror_comes_before_the_network(toy, publisher, tmp_path: Path, monkeypatch, raw: bytes):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "raw.csv.gz").write_bytes(gzip.compress(raw))
    monkeypatch.setenv("CITYLAB_MIRROR", str(tmp_path / "mirror"))
    publisher.offers["/file"] = raw
    dataset = toy("/file", mirror={"path": "raw.csv.gz", "form": "original"})
    assert is_at_hand(declaration(dataset))
    cl.fetch(dataset)
    assert publisher.asked == []


def test_a_set_without_copy_in_the_mirror_is_at_hand_once_it_was_fetched(toy, publisher, tmp_path, monkeypatch, raw):
    monkeypatch.setenv("CITYLAB_MIRROR", str(tmp_path))
    publisher.offers["/file"] = raw
    dataset = toy("/file", mirror={"path": "raw.csv.gz", "form": "original"})
    assert not is_at_hand(declaration(dataset))
    cl.fetch(dataset)
    assert is_at_hand(declaration(dataset))


@pytest.mark.parametrize("damage", [lambda raw: raw[:-5], lambda raw: gzip.compress(raw)[:60], lambda raw: b"<html>"])
def test_a_damaged_mirror_falls_through_to_the_publisher(damage, toy, publisher, tmp_path, monkeypatch, raw: bytes):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "raw.csv").write_bytes(damage(raw))
    monkeypatch.setenv("CITYLAB_MIRROR", str(tmp_path / "mirror"))
    publisher.offers["/file"] = raw
    assert users(cl.fetch(toy("/file", mirror={"path": "raw.csv", "form": "original"}))) == [125e6, 150e6]
    assert publisher.asked == ["/file"]


@pytest.mark.parametrize("bad", [b"another file", None, (b"x" * 1000, "cut")], ids=["wrong", "absent", "cut"])
def test_a_publisher_that_fails_is_followed_by_the_archive(bad: Any, toy, publisher, raw: bytes):
    publisher.offers |= {"/new": bad, "/old": raw} if bad else {"/old": raw}
    assert users(cl.fetch(toy("/new", "/old"))) == [125e6, 150e6]
    assert publisher.asked == ["/new", "/old"]


def test_a_wrong_hash_everywhere_is_an_integrity_error_that_names_each_attempt(toy, publisher, cache: Path, raw: bytes):
    publisher.offers |= {"/new": raw.replace(b"1.25", b"1.26"), "/old": b"<html>moved</html>"}
    with pytest.raises(IntegrityError) as caught:
        cl.fetch(toy("/new", "/old"))
    assert hashlib.sha256(raw).hexdigest() in str(caught.value)
    assert str(caught.value).count("\n  - ") == 2
    assert left(cache) == []


def test_a_declared_hash_of_the_download_is_checked_too(toy, declare, internet, publisher, raw: bytes):
    content = internet()
    wrong = {"url": publisher.url + "/file", "sha256": "0" * 64}
    content["files"][0] |= {"origin": wrong}
    publisher.offers["/file"] = raw
    with pytest.raises(IntegrityError, match="another file than declared"):
        cl.fetch(declare(content))


@pytest.mark.parametrize("way", ["cut", "cut without a length"])
def test_a_line_that_dies_half_way_leaves_no_file_and_the_next_fetch_succeeds(way, toy, publisher, cache, raw: bytes):
    publisher.offers["/file"] = (raw, way)
    dataset = toy("/file")
    with pytest.raises((IntegrityError, OfflineError)):
        cl.fetch(dataset)
    assert left(cache) == []
    publisher.offers["/file"] = raw
    assert users(cl.fetch(dataset)) == [125e6, 150e6]


def test_a_part_in_the_cache_is_never_served(toy, publisher, raw: bytes):
    publisher.offers["/file"] = raw
    dataset = toy("/file")
    (kept,) = raw_files(declaration(dataset), progress=False)
    kept.write_bytes(raw[:-30])
    assert users(cl.fetch(dataset)) == [125e6, 150e6]


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of POSIX")
def test_a_fetch_killed_in_the_middle_does_not_harm_the_next(toy, publisher, cache: Path, raw: bytes):
    publisher.offers["/file"] = (raw, "stall")
    dataset = toy("/file")
    with start(dataset) as process:
        assert publisher.half_sent.wait(60)
        process.send_signal(signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
    publisher.go_on.set()
    assert not is_ready(declaration(dataset))
    publisher.offers["/file"] = raw
    path = cl.fetch(dataset)
    assert users(path) == [125e6, 150e6]
    assert [p.read_bytes() for p in (cache / "raw").iterdir() if p.is_file()] == [raw]


def test_two_processes_that_fetch_at_once_both_succeed(toy, publisher, cache: Path, raw: bytes):
    publisher.offers["/file"] = (raw, "stall")
    dataset = toy("/file")
    with start(dataset) as one, start(dataset) as two:
        while len(publisher.asked) < 2 and one.poll() is None and two.poll() is None:
            publisher.half_sent.wait(0.1)
            two.poll()
        publisher.go_on.set()
        said = [process.communicate(timeout=300) for process in (one, two)]
    assert (one.returncode, two.returncode) == (0, 0), said
    assert publisher.asked == ["/file", "/file"]
    paths = {Path(out.strip()) for out, _ in said}
    assert paths == {cached_table(declaration(dataset))}
    assert users(paths.pop()) == [125e6, 150e6]
    assert len(left(cache)) == 2


def test_offline_makes_no_request_and_says_size_command_and_mirror_setting(toy, publisher, monkeypatch, raw: bytes):
    publisher.offers["/file"] = raw
    dataset = toy("/file", mirror={"path": "a/raw.csv", "form": "original"}, changes={})
    monkeypatch.setenv("CITYLAB_OFFLINE", "1")
    for call in (cl.fetch, cl.load, cl.scan):
        with pytest.raises(OfflineError) as caught:
            call(dataset)
        size, command = "0.0 MB", f"`citylab fetch {dataset}`"
        for said in (size, command, "CITYLAB_MIRROR is not set", "'a/raw.csv'", "CITYLAB_OFFLINE"):
            assert said in str(caught.value)
    assert publisher.asked == []


def test_the_size_that_is_missing_is_told_in_megabytes(toy, monkeypatch):
    monkeypatch.setenv("CITYLAB_OFFLINE", "1")
    with pytest.raises(OfflineError, match=r"12\.3 MB are missing"):
        cl.fetch(toy("/file", size_bytes=12_345_678))


def test_what_is_cached_loads_offline(toy, publisher, monkeypatch, raw: bytes):
    publisher.offers["/file"] = raw
    dataset = toy("/file")
    cl.fetch(dataset)
    monkeypatch.setenv("CITYLAB_OFFLINE", "1")
    assert cl.load(dataset).collect().height == 2


def test_a_converted_copy_comes_from_the_mirror_only(toy, publisher, raw: bytes):
    publisher.offers["/file"] = raw
    with pytest.raises(OfflineError, match="in another form only"):
        cl.fetch(toy("/file", mirror={"path": "a/raw.csv", "form": "converted"}))
    assert publisher.asked == []


def test_a_publisher_that_sends_without_end_is_stopped(toy, publisher, cache: Path):
    publisher.offers["/file"] = "endless"
    with pytest.raises(IntegrityError, match="more than the declared size"):
        cl.fetch(toy("/file"))
    assert publisher.sent < 1 << 25
    assert left(cache) == []


@pytest.mark.parametrize("progress", [True, False])
def test_a_fetch_shows_a_bar_or_nothing_and_no_news_about_hashes(progress: bool, toy, publisher, raw: bytes):
    publisher.offers["/file"] = raw
    with start(toy("/file"), progress=progress) as process:
        out, err = process.communicate(timeout=300)
    assert process.returncode == 0
    assert len(out.splitlines()) == 1
    assert ("100%" in err) is progress
    assert "SHA256" not in err
    assert progress or err == ""


def test_a_file_whose_rows_contradict_the_declaration_is_not_cached_as_a_table(toy, publisher, cache: Path, raw: bytes):
    publisher.offers["/file"] = raw
    changes = {"coverage": {"place": {"zh": "x", "en": "x"}, "start": "2031-06-01", "end": "2031-12-31", "rows": 3}}
    with pytest.raises(DataError, match="2 rows; the declaration says 3"):
        cl.fetch(toy("/file", changes=changes))
    assert not (cache / "tables").exists() or left(cache / "tables") == []


@pytest.mark.parametrize(
    "change",
    [
        {"version": "2"}, {"recipe_version": 2}, {"recipe": "citylab.sources.mee:parse_grid_factors"},
        {"columns": [{"name": "month_start", "unit": ""}]},
        {"files": [{"name": "r", "sha256": "0" * 64, "size_bytes": 1, "mirror": {"path": "a", "form": "original"}}]},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_a_cached_table_is_made_anew_when_anything_that_decides_it_changes(change, toy, declare, internet):
    before = fingerprint(declaration(toy("/file")))
    content = internet()
    content["files"][0] |= {"origin": {"url": "https://example.org/x"}}
    assert fingerprint(declaration(declare(content))) == before, "the address decides nothing"
    assert fingerprint(declaration(declare(content | change))) != before


def test_an_embedded_set_is_its_own_table_and_never_sought_elsewhere(declare, embedded, publisher, cache: Path):
    dataset = declare(embedded())
    assert not is_ready(declaration(dataset))
    for call in (cl.fetch, cl.load):
        with pytest.raises(DataError, match=r"t\.csv of toy__halfyearly_country_internet is missing .* restore it"):
            call(dataset)
    declare(embedded(), t__csv="month_start\n")
    assert cl.fetch(dataset) == settings.datasets_dir() / dataset / "t.csv"
    assert publisher.asked == []
    assert left(cache) == []


def test_the_hourly_file_of_the_publisher_comes_whole_from_the_mirror(mirror: Path, monkeypatch):
    monkeypatch.setenv("CITYLAB_OFFLINE", "1")
    declared = declaration("uci__hourly_station_air")
    paths = raw_files(declared, progress=False)
    assert [p.stat().st_size for p in paths] == [f.size_bytes for f in declared.files]
    packed = gzip.decompress((mirror / declared.files[0].mirror.path).read_bytes())  # type: ignore[union-attr]
    assert paths[0].read_bytes() == packed
