"""Servers of pages for browser tests, and what a test asks of a page."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

READY_S = 120.0
"""Patience with a page on a crowded machine; nothing is proved by how long it takes."""
TEXT = """(selector) => {
  const read = (node) => {
    if (node.nodeType === Node.TEXT_NODE) return node.data;
    if (["STYLE", "SCRIPT", "OPTION"].includes(node.tagName)) return "";
    if (node.nodeType === Node.ELEMENT_NODE && getComputedStyle(node).display === "none") return "";
    return [...(node.shadowRoot || node).childNodes].map(read).join(" ");
  };
  return read(document.querySelector(selector));
}"""
"""What a reader sees: the text of shadow roots too, without what is hidden."""
_SERVE_FOLDER = """
import sys
from pathlib import Path
from citylab.app import server
found = server.make_server(port=int(sys.argv[1]), folder=Path(sys.argv[2]))
found.start()
print("citylab serving at", flush=True)
found.io_loop.start()
"""


@contextmanager
def serving(command: list[str], **environment: str) -> Iterator[None]:
    """Run a server until the block ends; fail if it ends before it says that it serves."""
    env = {**os.environ, "CITYLAB_LANG": "en", "CITYLAB_OFFLINE": "1", "PYTHONUNBUFFERED": "1", **environment}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "citylab serving at" in line:
                break
        else:
            pytest.fail("the server ended: " + "".join(said))
        # Read on: a server whose log fills an unread pipe stands still
        reading = threading.Thread(target=deque, args=(process.stdout, 0), daemon=True)
        reading.start()
        try:
            yield
        finally:
            process.terminate()
            reading.join()


@pytest.fixture(scope="session")
def site(free_port: Callable[[], int]) -> Iterator[str]:
    """Address of a server of the project's own pages."""
    port = free_port()
    with serving([sys.executable, "-m", "citylab", "serve", "--port", str(port)]):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def serve_folder(free_port: Callable[[], int]) -> Callable[..., Any]:
    """Return a context manager that serves the dashboards of a folder and gives the address."""

    @contextmanager
    def serve(folder: Path, **environment: str) -> Iterator[str]:
        port = free_port()
        with serving([sys.executable, "-c", _SERVE_FOLDER, str(port), str(folder)], **environment):
            yield f"http://127.0.0.1:{port}"

    return serve


def until(page: Any, condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition of a page holds."""
    end = time.monotonic() + READY_S
    while not condition():
        assert time.monotonic() < end, f"never came: {what}"
        page.wait_for_timeout(50)
