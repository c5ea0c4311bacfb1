"""The workbench door: two servers on this machine that start and end together."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from citylab import lab
from citylab.errors import CitylabError

ROOT = Path(__file__).resolve().parent.parent


def get(url: str) -> int:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        return connection.getresponse().status
    finally:
        connection.close()


def listens(url: str) -> bool:
    parts = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname, parts.port)) == 0


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc to read the command lines")
def test_the_token_stands_in_no_command_line(workbench: Any) -> None:
    token = parse_qs(urlsplit(workbench.lab).query)["token"][0].encode()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert token not in entry.read_bytes()
        except OSError:
            continue  # that process has ended
    assert workbench.process.poll() is None, "it ran while the command lines were read"


def test_both_servers_answer_with_the_token_only_and_end_on_sigterm(workbench: Any) -> None:
    assert get(workbench.lab) == 200
    assert get(workbench.dashboards) in {200, 302}
    parts = urlsplit(workbench.lab)
    token = parse_qs(parts.query)["token"][0]
    api = f"http://{parts.netloc}/api/contents"
    assert get(f"{api}?token={token}") == 200
    assert get(api) == 403
    assert get(f"{api}?token={token[:-1]}") == 403

    workbench.process.send_signal(signal.SIGTERM)  # the last test of this workbench
    assert workbench.process.wait(60) == 128 + signal.SIGTERM
    assert not listens(workbench.lab)
    assert not listens(workbench.dashboards)


def test_a_taken_port_is_an_error_that_says_so() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CitylabError, match=f"Port {port} is taken"):
            lab.run(port=port, browser=False)


def test_lab_opens_on_the_first_notebook_where_there_is_one(tmp_path: Path) -> None:
    assert lab.first_page(tmp_path) == "/lab"
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "00_start_here.ipynb").touch()
    assert lab.first_page(tmp_path) == "/lab/tree/notebooks/00_start_here.ipynb"


@pytest.mark.parametrize("root_user", [True, False])
def test_root_is_allowed_only_where_the_user_is_root(root_user: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root_user else 1000)
    assert ("--allow-root" in lab.lab_command(1, ROOT, browser=False)) is root_user


def test_settings_of_the_run_stand_before_the_users_own_and_replace_none(tmp_path: Path) -> None:
    run, own = tmp_path / "run", tmp_path / "own"
    run.mkdir()
    (own / "labconfig").mkdir(parents=True)
    (own / "labconfig" / "page_config.json").write_text('{"disabledExtensions": {"their-own": true}}')
    lab.write_lab_settings(run, "secret")
    script = "from jupyterlab_server.config import get_static_page_config as g; print(g()['disabledExtensions'])"
    printed = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "JUPYTER_CONFIG_PATH": str(run), "JUPYTER_CONFIG_DIR": str(own)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "their-own" in printed
    assert lab.NEWS in printed
