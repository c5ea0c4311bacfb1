"""Open the workbench: JupyterLab on the first notebook, and the dashboards beside it.

``python -m citylab.lab`` (or ``make lab``) starts both on 127.0.0.1, prints their addresses and ends both
together. The user's own Jupyter settings stay in force; only the news pop-up and the extension store, which
both ask the network, are off.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from citylab.errors import CitylabError

HOST = "127.0.0.1"
START = Path("notebooks") / "00_start_here.ipynb"
NEWS = "@jupyterlab/apputils-extension:announcements"
#: Seconds to wait for a server to answer, to wait for it to end, and between two looks.
PATIENCE_START, PATIENCE_END, PAUSE = 120.0, 15.0, 0.1


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Return whether a server could listen on a port of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def workspace() -> Path:
    """Return the folder that JupyterLab shows: the checkout, or for a wheel the current folder."""
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / START).is_file() else Path.cwd()


def first_page(root: Path) -> str:
    """Return the path on which JupyterLab opens: the first notebook, where there is one."""
    return f"/lab/tree/{START.as_posix()}" if (root / START).is_file() else "/lab"


def dashboards_command(port: int) -> list[str]:
    """Return the command that serves the dashboards on a port."""
    return [sys.executable, "-m", "citylab", "serve", "--port", str(port)]


def lab_command(port: int, root: Path, *, browser: bool) -> list[str]:
    """Return the command that starts JupyterLab on a port.

    The token is not part of it: other users of a machine can read the commands that run on it.
    """
    command = [
        *(sys.executable, "-m", "jupyterlab"),
        f"--ServerApp.ip={HOST}",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={root}",
        f"--LabApp.default_url={first_page(root)}",
        "--LabApp.extension_manager=readonly",
        "--ServerApp.log_level=WARN",
        "--LabApp.log_level=WARN",
    ]
    if not browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    return command


def write_lab_settings(folder: Path, token: str) -> None:
    """Write the Jupyter settings of one run into a folder that stands before the user's own settings."""
    (folder / "labconfig").mkdir()
    page = {"disabledExtensions": {NEWS: True}}
    (folder / "labconfig" / "page_config.json").write_text(json.dumps(page), encoding="utf-8")
    server = {"IdentityProvider": {"token": token}}
    (folder / "jupyter_server_config.json").write_text(json.dumps(server), encoding="utf-8")


def wait_for(process: subprocess.Popen[bytes], port: int, path: str) -> bool:
    """Return whether a server answers a request before its process ends or patience does."""
    end = time.monotonic() + PATIENCE_START
    while process.poll() is None and time.monotonic() < end:
        connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE_END)
        try:
            connection.request("GET", path)
            connection.getresponse()
            return True
        except OSError:
            time.sleep(PAUSE)
        finally:
            connection.close()
    return False


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server: ask first, then insist."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(PATIENCE_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def run(*, port: int, browser: bool) -> int:
    """Run JupyterLab and the dashboards until JupyterLab ends, and return its exit code.

    Parameters
    ----------
    port
        Port of JupyterLab; 0 takes a free one. The dashboards always take a free one.
    browser
        Whether JupyterLab opens a page in the user's browser.

    Raises
    ------
    CitylabError
        The port is taken, or JupyterLab did not start.
    """
    if port and not is_free(port):
        raise CitylabError(
            f"Port {port} is taken. Choose another with --port, or leave --port away to take a free one."
        )
    port, dashboards_port = port or free_port(), free_port()
    root, token = workspace(), secrets.token_urlsafe(24)
    dashboards_url = f"http://{HOST}:{dashboards_port}/"
    with tempfile.TemporaryDirectory(prefix="citylab-lab-") as folder:
        write_lab_settings(Path(folder), token)
        known = os.environ.get("JUPYTER_CONFIG_PATH")
        environment = {
            **os.environ,
            "JUPYTER_CONFIG_PATH": os.pathsep.join([folder, known] if known else [folder]),
            "CITYLAB_SERVE_URL": dashboards_url,
        }
        # A session of its own: JupyterLab asks back about a first Ctrl-C, which must not end the dashboards.
        dashboards = subprocess.Popen(
            dashboards_command(dashboards_port),
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            lab = subprocess.Popen(lab_command(port, root, browser=browser), cwd=root, env=environment)
            try:
                if not wait_for(lab, port, "/api"):
                    raise CitylabError(
                        f"JupyterLab did not answer on port {port} within {PATIENCE_START:.0f} s; the lines "
                        "above say why. `sh setup.sh` repairs a broken installation."
                    )
                print(f"JupyterLab: http://{HOST}:{port}{first_page(root)}?token={token}", flush=True)
                if wait_for(dashboards, dashboards_port, "/"):
                    print(f"Dashboards: {dashboards_url}", flush=True)
                else:
                    print("Dashboards: not running; `citylab serve` says why.", flush=True)
                while True:
                    try:
                        return lab.wait()
                    except KeyboardInterrupt:
                        continue  # JupyterLab got it too and decides
            finally:
                stop(lab)
        finally:
            stop(dashboards)


def main(argv: Sequence[str] | None = None) -> int:
    """Read the command line and run the workbench."""
    parser = argparse.ArgumentParser(
        prog="python -m citylab.lab", description="Open JupyterLab and the dashboards on this machine."
    )
    parser.add_argument("--no-browser", action="store_true", help="print the addresses, open no page")
    parser.add_argument("--port", type=int, default=0, help="port of JupyterLab (default: a free one)")
    options = parser.parse_args(argv)

    def end(signum: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + signum)

    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), end)
    try:
        return run(port=options.port, browser=not options.no_browser)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except CitylabError as error:
        print(f"citylab.lab: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
