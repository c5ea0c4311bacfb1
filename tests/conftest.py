"""Fixtures for the data mirror, for servers on this machine and for pages in a real browser."""

from __future__ import annotations

import os
import queue
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route

BROWSER_NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
PATIENCE_MS = 120_000
ROOT = Path(__file__).resolve().parent.parent
LOCAL_HOSTS = {"127.0.0.1", "localhost", "::1"}
LOCAL_SCHEMES = {"data", "blob", "about"}
# Chromium asks for addresses of its own whatever its flags say; with this rule no such query leaves.
RESOLVE_NOTHING_OUTSIDE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"


def _missing(need: str) -> NoReturn:
    """Skip by name on a person's machine; fail in CI, where a skip would hide that nothing was tested."""
    if os.environ.get("CI", "").lower() in {"1", "true", "yes"}:
        pytest.fail(f"CI must have {need}")
    pytest.skip(f"needs {need}")


@pytest.fixture(scope="session")
def mirror() -> Path:
    """Folder with the copies of publishers' files."""
    given = os.environ.get("CITYLAB_MIRROR")
    if not given or not Path(given).is_dir():
        _missing("the mirror of publishers' files: set CITYLAB_MIRROR to its folder")
    return Path(given)


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Return a function that gives a port of 127.0.0.1 on which nothing listens."""

    def port() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return port


@pytest.fixture(scope="session")
def chromium_path() -> str | None:
    """Return the system's Chromium, or ``None`` for the one that Playwright installed."""
    found = next(filter(None, map(shutil.which, BROWSER_NAMES)), None)
    if found is not None:
        return found
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        if Path(playwright.chromium.executable_path).is_file():
            return None
    _missing("a browser: `sh setup.sh test` brings one")


@pytest.fixture(scope="session")
def browser(chromium_path: str | None) -> Iterator[Browser]:
    """One Chromium for the session; each page opens in a context of its own."""
    from playwright.sync_api import sync_playwright

    flags = [RESOLVE_NOTHING_OUTSIDE]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        flags.append("--no-sandbox")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=chromium_path, args=flags)
        yield chromium
        chromium.close()


@dataclass
class Visit:
    """A page and what it did: requests that would leave this machine, and errors.

    Errors are console errors, uncaught exceptions and failed requests for the page's own icon, which shows
    nowhere else.
    """

    page: Page
    outside: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def assert_clean(self) -> None:
        """Fail unless the page stayed on this machine and raised nothing."""
        assert not self.outside, f"the page asked for {self.outside}"
        assert not self.errors, f"the page reported {self.errors}"


def is_local(url: str) -> bool:
    """Return whether a URL stays on this machine."""
    parts = urlsplit(url)
    return parts.scheme in LOCAL_SCHEMES or parts.hostname in LOCAL_HOSTS or parts.scheme == "file"


def _watch(page: Page, visit: Visit) -> None:
    def report(message: str, url: str = "") -> None:
        if url and not is_local(url):
            visit.outside.append(url)
        visit.errors.append(f"{message} ({url})" if url else message)

    def console(message: ConsoleMessage) -> None:
        if message.type == "error":
            report(message.text, message.location.get("url", ""))

    page.on("console", console)
    page.on("pageerror", lambda error: report(f"{error.name}: {error.message}"))
    page.on("websocket", lambda ws: None if is_local(ws.url) else visit.outside.append(ws.url))


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Return a function that opens a URL in a fresh context and returns its :class:`Visit`.

    Keyword arguments go to ``browser.new_context`` (``viewport``, ``locale``, ``offline``, ...).
    Requests to the outside are refused and recorded.
    """
    contexts: list[BrowserContext] = []

    def open_page(url: str, **options: object) -> Visit:
        context = browser.new_context(**{"service_workers": "block", **options})  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        seen = Visit(context.new_page())

        def gate(route: Route) -> None:
            if is_local(route.request.url):
                route.continue_()
            else:
                seen.outside.append(route.request.url)
                route.abort()

        context.route("**/*", gate)
        _watch(seen.page, seen)
        context.on("page", lambda page: _watch(page, seen))
        seen.page.goto(url)
        return seen

    yield open_page
    for context in contexts:
        context.close()


class Workbench:
    """A running ``python -m citylab.lab`` and the addresses it printed."""

    def __init__(self, process: subprocess.Popen[str], patience: float = 180) -> None:
        self.process = process
        lines: queue.Queue[str] = queue.Queue()
        assert process.stdout is not None
        stream = process.stdout
        threading.Thread(target=lambda: [lines.put(line) for line in stream], daemon=True).start()
        self.lab = self._address(lines, "JupyterLab: ", patience)
        self.dashboards = self._address(lines, "Dashboards: ", patience)

    def _address(self, lines: queue.Queue[str], label: str, patience: float) -> str:
        line = lines.get(timeout=patience)
        assert line.startswith(f"{label}http://127.0.0.1:"), f"expected an address of {label!r}, got {line!r}"
        return line.removeprefix(label).strip()


@pytest.fixture(scope="module")
def workbench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """The running workbench; ``window.jupyterapp`` lets a browser test drive JupyterLab."""
    folder = tmp_path_factory.mktemp("jupyter")
    (folder / "jupyter_lab_config.json").write_text('{"LabApp": {"expose_app_in_browser": true}}')
    environment = {**os.environ, "JUPYTER_CONFIG_DIR": str(folder), "JUPYTER_RUNTIME_DIR": str(folder)}
    process = subprocess.Popen(
        [sys.executable, "-m", "citylab.lab", "--no-browser"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Workbench(process)
    finally:
        process.terminate()
        process.wait(60)
