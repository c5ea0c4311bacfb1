"""What every test and doctest stands on: a cache of its own, the mirror if any, no outside network."""

from __future__ import annotations

import functools
import ipaddress
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent
MIRROR = ROOT.parent / "shared" / "data"

# On a crowded machine making an example is slow; that says nothing of the code.
_PATIENT = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("citylab", **_PATIENT)
hypothesis.settings.register_profile("citylab-ci", derandomize=True, print_blob=True, **_PATIENT)

_outside: list[str] = []
_scratch = pytest.StashKey[Path]()
_RUN = "citylab_run"
_GROUPS = "groups.json"


class OutsideConnectionError(ConnectionRefusedError):
    """A test tried to leave this machine."""


def _is_here(host: object) -> bool:
    """Return whether a host is this machine (or none at all, as when a server binds)."""
    if isinstance(host, bytes):
        host = host.decode()
    if host in (None, "", "localhost", socket.gethostname()):
        return True
    try:
        address = ipaddress.ip_address(str(host).split("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _refuse(what: str) -> OutsideConnectionError:
    _outside.append(what)
    return OutsideConnectionError(
        f"{what}: tests reach servers on 127.0.0.1 only. Start one in the test, or give the data as a file."
    )


def _guard_sockets() -> None:
    """Let connections through to this machine only.

    Connecting a datagram socket sends nothing (Dask does it to learn its own address), so that stays allowed.
    """

    def guarded(connect: Callable[..., Any]) -> Callable[..., Any]:
        def checked(self: socket.socket, address: Any) -> Any:
            stream = self.family in (socket.AF_INET, socket.AF_INET6) and self.type & socket.SOCK_STREAM
            if stream and not _is_here(address[0]):
                raise _refuse(f"connection to {address[0]}:{address[1]}")
            return connect(self, address)

        return checked

    resolve = socket.getaddrinfo

    def resolved(host: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            ipaddress.ip_address(str(host).split("%")[0])
        except ValueError:
            if not _is_here(host):
                raise _refuse(f"name look-up of {host}") from None
        return resolve(host, *args, **kwargs)

    # socket.socket has no connect of its own: these shadow the methods of its C base class.
    socket.socket.connect = guarded(socket.socket.connect)  # type: ignore[method-assign]
    socket.socket.connect_ex = guarded(socket.socket.connect_ex)  # type: ignore[method-assign]
    socket.getaddrinfo = resolved


def _folder_of_the_run(config: pytest.Config) -> Path:
    """Return the folder that the processes of pytest-xdist share; without it, this process's own."""
    return Path(getattr(config, "workerinput", {}).get(_RUN, config.stash[_scratch]))


def pytest_configure(config: pytest.Config) -> None:
    """Point citylab at a cache of its own before any test module is imported.

    The processes of one run share it, so that a remote set is unpacked and compiled once: names in the cache tell the
    content, and writes are atomic.
    """
    scratch = Path(tempfile.mkdtemp(prefix="citylab-test-"))
    config.stash[_scratch] = scratch
    os.environ["CITYLAB_CACHE"] = str(_folder_of_the_run(config) / "cache")
    os.environ["IPYTHONDIR"] = str(scratch / "ipython")
    # Threads of OpenMP wait by running: with more of them than cores, scikit-learn's boosting took sixty times as long.
    if processes := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // int(processes))))
    for name in ("CITYLAB_OFFLINE", "CITYLAB_LANG", "CITYLAB_SERVE_URL"):
        os.environ.pop(name, None)
    if "CITYLAB_MIRROR" not in os.environ and MIRROR.is_dir():
        os.environ["CITYLAB_MIRROR"] = str(MIRROR)
    elif os.environ.get("CITYLAB_MIRROR"):
        os.environ["CITYLAB_MIRROR"] = str(Path(os.environ["CITYLAB_MIRROR"]).expanduser().absolute())
    hypothesis.settings.load_profile("citylab-ci" if os.environ.get("CI") else "citylab")
    _guard_sockets()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process of pytest-xdist the folder of the run, which the controlling process removes at the end."""
    node.workerinput[_RUN] = str(node.config.stash[_scratch])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the groups of :func:`pytest_collection_modifyitems` together under ``--dist loadgroup``.

    The plugin's own way, a suffix of a test's id, has no effect in pytest 9.2, which keeps ids elsewhere.
    """
    if config.getvalue("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        @functools.cached_property
        def groups(self) -> dict[str, str]:
            """Group by id of a test, as the first process that had collected wrote them."""
            return dict(json.loads((config.stash[_scratch] / _GROUPS).read_text(encoding="utf-8")))

        def _split_scope(self, nodeid: str) -> str:
            return self.groups[nodeid]

    return ByGroup(config, log)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what the tests left in the scratch folder."""
    shutil.rmtree(config.stash[_scratch], ignore_errors=True)


def _group(item: pytest.Item) -> str:
    """Return the name of the group in which a test runs."""
    file = item.nodeid.split("::")[0]
    if "site" in getattr(item, "fixturenames", ()):
        return f"{file.rpartition('/')[0]}-site"
    parts = [file, "browser" if item.get_closest_marker("browser") else ""]
    if spread := getattr(getattr(item, "module", None), "SPREAD_BY", None):
        parts.append(str(item.callspec.params.get(spread, "")) if hasattr(item, "callspec") else "")
    return "-".join(filter(None, parts))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run browser tests last, and keep in one process what shares fixtures: a file's tests.

    Playwright's event loop would be found running by the tests after it. A module that names a parameter in
    ``SPREAD_BY`` is parted by its values. The server of all pages takes long to start: its tests of a folder stay
    together.
    """
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
    if hasattr(config, "workerinput"):
        part = config.stash[_scratch] / _GROUPS
        part.write_text(json.dumps({item.nodeid: _group(item) for item in items}), encoding="utf-8")
        part.replace(_folder_of_the_run(config) / _GROUPS)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail a test that tried to leave this machine, also when the code swallowed the error."""
    _outside.clear()
    result = yield
    if _outside:
        pytest.fail(f"{item.name} tried to leave this machine: {'; '.join(_outside)}")
    return result


@pytest.fixture
def outside_attempts() -> list[str]:
    """What the running test tried to reach outside; a test that means to try asserts on it and clears it."""
    return _outside
