"""A catalogue of a test's own, a cache of its own, and a publisher on 127.0.0.1 that can misbehave."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from citylab import settings

RAW = (
    b"date,netizens_100m,penetration_pct,urban_pct,rural_pct,age60plus_pct,report,seen_at\n"
    b"2031-06,1.25,70.5,80.0,60.0,,no. 1,test\n"
    b"2031-12,1.50,71.5,,61.0,40.0,no. 2,test\n"
)
"""A file in the form of the CNNIC transcription; the figures are synthetic."""
ENDLESS_BYTES = 1 << 28


@dataclass
class Publisher:
    """What the server offers by path, and what was asked of it.

    A path holds bytes, or the word ``endless``, or a tuple of bytes and the share of them after which the line goes
    dead (``cut``), or after which the server waits for :attr:`go_on` (``stall``).
    """

    url: str = ""
    offers: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    sent: int = 0
    half_sent: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    state = Publisher()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def _write(self, data: bytes) -> None:
            self.wfile.write(data)
            self.wfile.flush()
            state.sent += len(data)

        def do_GET(self) -> None:
            state.asked.append(self.path)
            offer = state.offers.get(self.path)
            if offer is None:
                self.send_error(404)
                return
            body, way = (b"", "endless") if offer == "endless" else (offer, "") if isinstance(offer, bytes) else offer
            self.send_response(200)
            if way not in {"endless", "cut without a length"}:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                if way == "endless":
                    while state.sent < ENDLESS_BYTES:
                        self._write(bytes(1 << 16))
                    return
                self._write(body[: len(body) // 2] if way else body)
                if way == "stall":
                    state.half_sent.set()
                    state.go_on.wait(60)
                    self._write(body[len(body) // 2 :])
            except OSError:
                pass  # the reader has left
            self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield state
    state.go_on.set()
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; no mirror; the network allowed (tests reach 127.0.0.1 only)."""
    monkeypatch.setenv("CITYLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CITYLAB_MIRROR", raising=False)
    monkeypatch.delenv("CITYLAB_OFFLINE", raising=False)
    return tmp_path / "cache"


def _internet(**changes: Any) -> dict[str, Any]:
    """A declaration of a small remote table that the CNNIC recipe can read; ``None`` removes a key."""
    text = {"zh": "试验", "en": "trial"}
    whole = {
        "id": "toy__halfyearly_country_internet",
        "version": "1",
        "subject": "equity",
        "title": text,
        "description": text,
        "publisher": {"name": text},
        "published": "2031",
        "accessed": "2031-12-31",
        "licence": {"id": "CC0-1.0"},
        "citation": "A synthetic table for tests.",
        "storage": "remote",
        "recipe": "citylab.sources.cnnic:parse_internet_use",
        "files": [{"name": "raw.csv", "sha256": hashlib.sha256(RAW).hexdigest(), "size_bytes": len(RAW)}],
        "key": ["month_start"],
        "row": text,
        "frequency": "halfyearly",
        "stamp": "starting",
        "coverage": {"place": text, "start": "2031-06-01", "end": "2031-12-31", "rows": 2},
        "grade": "D",
        "grade_reason": text,
        "duty": {"owner": "nobody", "level": "unknown"},
        "columns": [
            {"name": "month_start", "unit": ""},
            {"name": "internet_users_persons", "unit": "persons"},
            {"name": "internet_use_pct", "unit": "%", "nullable": True},
            {"name": "internet_use_urban_pct", "unit": "%", "nullable": True},
            {"name": "internet_use_rural_pct", "unit": "%", "nullable": True},
            {"name": "internet_use_60plus_pct", "unit": "%", "nullable": True},
            {"name": "source", "unit": ""},
        ],
    }
    return {k: v for k, v in {**whole, **changes}.items() if v is not None}


def _embedded(**changes: Any) -> dict[str, Any]:
    return _internet(**{"storage": "embedded", "table": "t.csv", "recipe": "authored", "files": None, **changes})


@pytest.fixture
def internet() -> Callable[..., dict[str, Any]]:
    """Return a function that makes the declaration of a small remote table."""
    return _internet


@pytest.fixture
def embedded() -> Callable[..., dict[str, Any]]:
    """Return a function that makes the same declaration with an embedded table that nobody compiles."""
    return _embedded


@pytest.fixture
def raw() -> bytes:
    """The file behind the small remote table."""
    return RAW


Declare = Callable[..., str]


@pytest.fixture
def declare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Declare:
    """Return a function that writes a declaration, with tables by name, into a catalogue of the test's own."""
    folder = tmp_path / "datasets"
    folder.mkdir()
    monkeypatch.setattr(settings, "datasets_dir", lambda: folder)

    def write(content: dict[str, Any], **tables: str | bytes) -> str:
        own = folder / content["id"]
        own.mkdir(exist_ok=True)
        (own / "dataset.yml").write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
        for name, text in tables.items():
            data = text if isinstance(text, bytes) else text.encode()
            (own / name.replace("__", ".")).write_bytes(data)
        return str(content["id"])

    return write


@pytest.fixture
def toy(declare: Declare, publisher: Publisher, cache: Path) -> Callable[..., str]:
    """Return a function that declares the small remote table with the given ``origin``, ``archive`` and ``mirror``."""

    def make(origin: str | None = None, archive: str | None = None, **keys: Any) -> str:
        content = _internet(**keys.pop("changes", {}))
        member = keys.pop("member", None)
        packed = {} if member is None else {"member": member}
        content["files"][0] |= keys
        if origin is not None:
            content["files"][0]["origin"] = {"url": publisher.url + origin, **packed}
        if archive is not None:
            content["files"][0]["archive"] = {"url": publisher.url + archive}
        return declare(content)

    return make
