"""The set-up: one declaration of dependencies, a lock without addresses, a script that repairs itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
# Names on conda-forge that differ from those on the Python index.
CONDA_NAMES = {"playwright-python": "playwright"}
PYTHONS = ("3.11.7", "3.12.1", "3.13.0")
PLATFORMS = {"linux": ("posix", "Linux"), "darwin": ("posix", "Darwin"), "win32": ("nt", "Windows")}
HEAVY = (
    *("polars", "numpy", "pandas", "pyarrow", "xarray", "scipy", "sklearn", "statsmodels", "pandera"),
    *("dask", "distributed", "panel", "bokeh", "pydeck", "shapely", "pooch", "yaml", "pydantic"),
)


def declared() -> list[Requirement]:
    """Every dependency in pyproject.toml: of the library, of its extras and of its development."""
    project = PYPROJECT["project"]
    lists = [
        project["dependencies"],
        *project["optional-dependencies"].values(),
        *PYPROJECT["dependency-groups"].values(),
    ]
    return [Requirement(text) for texts in lists for text in texts]


def pins() -> list[Requirement]:
    return [Requirement(line.rstrip(" \\")) for line in LOCK.splitlines() if re.match(r"[a-zA-Z0-9]", line)]


def environments() -> Iterator[dict[str, str]]:
    for python in PYTHONS:
        for platform, (os_name, system) in PLATFORMS.items():
            yield {
                "python_version": python.rpartition(".")[0],
                "python_full_version": python,
                "sys_platform": platform,
                "os_name": os_name,
                "platform_system": system,
                "platform_machine": "x86_64",
                "platform_python_implementation": "CPython",
                "implementation_name": "cpython",
                "extra": "",
            }


def run(*command: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]


# ---- one declaration of dependencies -------------------------------------------------------------------------


def conda() -> tuple[str, dict[str, SpecifierSet], list[str]]:
    """Return the Python range, the packages from conda-forge and the lines for pip."""
    content = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    lines = [d for d in content["dependencies"] if isinstance(d, str)]
    pip = next(d["pip"] for d in content["dependencies"] if isinstance(d, dict))
    ranges = dict([*line.split(), ""][:2] for line in lines)
    python = ranges.pop("python")
    assert ranges.pop("pip") == ""
    return python, {CONDA_NAMES.get(n, n): SpecifierSet(r) for n, r in ranges.items()}, pip


def test_environment_yml_names_the_same_packages_and_ranges_as_pyproject() -> None:
    _, from_conda, pip = conda()
    from_pip = {r.name: r.specifier for r in map(Requirement, pip[:-1])}
    assert pip[-1] == "-e ."
    assert not from_conda.keys() & from_pip.keys()
    found = {canonicalize_name(n): s for n, s in {**from_conda, **from_pip}.items()}
    assert found == {canonicalize_name(r.name): r.specifier for r in declared()}


def test_environment_yml_has_the_python_range_of_pyproject() -> None:
    python, _, _ = conda()
    assert SpecifierSet(python) == SpecifierSet(PYPROJECT["project"]["requires-python"])


def test_setup_accepts_exactly_the_minor_versions_that_pyproject_allows() -> None:
    script = (ROOT / "setup.sh").read_text(encoding="utf-8")
    accepted = re.findall(r"(3\.\d+)\.\*", script)
    allowed = SpecifierSet(PYPROJECT["project"]["requires-python"])
    assert accepted == [f"3.{minor}" for minor in range(30) if f"3.{minor}.0" in allowed]


# ---- the lock ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "environment", list(environments()), ids=lambda e: f"{e['sys_platform']}-{e['python_version']}"
)
def test_lock_pins_every_dependency_once_and_inside_its_range(environment: dict[str, str]) -> None:
    wanted = [p for p in pins() if p.marker is None or p.marker.evaluate(environment)]
    names = [canonicalize_name(p.name) for p in wanted]
    assert len(names) == len(set(names))
    versions = dict(zip(names, (next(iter(p.specifier)) for p in wanted), strict=True))
    for need in declared():
        pin = versions[canonicalize_name(need.name)]
        assert pin.operator == "=="
        assert need.specifier.contains(pin.version, prereleases=True), f"{need} is not met by {pin.version}"


def test_every_pin_of_the_lock_carries_a_hash() -> None:
    blocks = re.split(r"\n(?=[a-zA-Z0-9])", LOCK)
    assert len(blocks) == len(pins()) > 100
    assert [b.split()[0] for b in blocks if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", b)] == []


def test_lock_names_no_host_and_no_file() -> None:
    assert "://" not in LOCK
    assert not re.search(r"^\s*(-i|-f|-e|--(extra-)?index-url|--find-links|--trusted-host)\b", LOCK, re.MULTILINE)
    assert " @ " not in LOCK


# ---- what files may not hold ---------------------------------------------------------------------------------


def repository_files() -> Iterable[Path]:
    """Files that are, or would be, committed."""
    if shutil.which("git") and (ROOT / ".git").exists():
        listed = run("git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        if listed.returncode == 0:
            yield from (p for name in listed.stdout.split("\0") if name and (p := ROOT / name).is_file())
            return
    passed_over = {".venv", ".uv", ".git", "build", "dist", "__pycache__", "uv.lock"}
    for path in ROOT.rglob("*"):
        inside = path.relative_to(ROOT).parts
        if path.is_file() and not passed_over & set(inside) and not any(p.endswith("_cache") for p in inside):
            yield path


def test_no_file_names_a_folder_of_somebodys_machine_or_a_package_registry() -> None:
    folders = "|".join(("wo" + "rk", "ro" + "ot", "t" + "mp", "ho" + "me", "Us" + "ers"))
    hosts = "|".join(("py" + r"pi\.org", "python" + r"hosted\.org", "pypi" + r"\.tuna", "mirrors" + r"\.aliyun"))
    needle = re.compile(rf"(?<![\w.:/~%-])/(?:{folders})/\w|{hosts}")
    found = []
    for path in repository_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {m.group()}" for m in needle.finditer(text)]
    assert found == []


# ---- import and wheel ----------------------------------------------------------------------------------------


def test_import_citylab_brings_in_no_data_library() -> None:
    script = f"import sys, citylab; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = run(sys.executable, "-c", script)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_wheel_carries_declarations_and_tables_and_finds_them_inside_itself(tmp_path: Path) -> None:
    done = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path), cwd=ROOT)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "site")
    for folder in ("datasets", "dashboards"):
        shipped = {
            f"citylab/_{folder}/{path.relative_to(ROOT / folder).as_posix()}"
            for path in repository_files()
            if path.is_relative_to(ROOT / folder)
        }
        assert shipped <= names
    assert not any("__pycache__" in n or n.startswith(("tests/", "datasets/", "dashboards/")) for n in names)
    script = "from citylab import settings, tables; print(settings.datasets_dir()); tables.read('districts')"
    done = run(sys.executable, "-c", script, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path / "site")})
    assert done.stdout.strip() == str(tmp_path / "site" / "citylab" / "_datasets"), done.stderr


# ---- make ----------------------------------------------------------------------------------------------------


def test_make_help_lists_every_target() -> None:
    if not shutil.which("make"):
        pytest.skip("needs make")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    listed = re.findall(r"^make (\w+)", run("make", cwd=ROOT).stdout, re.MULTILINE)
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    assert sorted(listed) == sorted(targets) == sorted(phony.group(1).split())
    assert {"help", "lab", "test", "check", "format", "notebooks", "serve", "bench", "docs", "lock", "clean"} <= targets


# ---- setup.sh ------------------------------------------------------------------------------------------------

FAKE_UV = """#!/bin/sh
printf '%s' "uv" >>"$LOG"; printf ' %s' "$@" >>"$LOG"; printf '\\n' >>"$LOG"
env | grep -E '^(UV_|SSL_CERT_FILE)' | LC_ALL=C sort >"$LOG.env"
case "$*" in
  venv*) mkdir -p .venv/bin && ln -sf "$REAL_PYTHON" .venv/bin/python ;;
  "pip sync"*) exit "${SYNC_FAILS:-0}" ;;
esac
"""
FAKE_PYTHON = """#!/bin/sh
case "$*" in
  *"-m pip"*) printf '%s\\n' "$PIP_SAYS"; exit 0 ;;
  *ensurepip*) exit "${NO_ENSUREPIP:-0}" ;;
  *version_info*) [ -z "${SAYS_VERSION:-}" ] || { echo "$SAYS_VERSION"; exit 0; } ;;
esac
exec "$REAL_PYTHON" "$@"
"""
TOOLS = ("sh", "cat", "cmp", "dirname", "env", "grep", "id", "ln", "mkdir", "mv", "rm", "sed", "sort", "tail", "tr")


class Checkout:
    """A small checkout whose ``uv`` and ``python3`` write down what they are asked."""

    def __init__(self, folder: Path, *, with_uv: bool = True) -> None:
        self.folder = folder / "checkout"
        self.bin = folder / "bin"
        self.log = folder / "log"
        self.folder.mkdir()
        self.bin.mkdir()
        for name in TOOLS:
            found = shutil.which(name)
            assert found is not None
            (self.bin / name).symlink_to(found)
        self._tool("python3", FAKE_PYTHON)
        if with_uv:
            self._tool("uv", FAKE_UV)
        shutil.copy(ROOT / "setup.sh", self.folder)
        (self.folder / "pyproject.toml").write_text("[project]\n")
        (self.folder / "requirements.lock").write_text("one==1\n")

    def _tool(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def setup(self, *words: str, **environment: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
        """Run setup.sh; return how it ended and what uv was asked."""
        self.log.write_text("")
        done = run(
            *(shutil.which("dash") or "sh", "setup.sh", *words),
            cwd=self.folder,
            env={
                "PATH": str(self.bin),
                "HOME": str(self.folder),
                "LOG": str(self.log),
                "REAL_PYTHON": sys.executable,
                "PIP_SAYS": "",
                **environment,
            },
        )
        asked = [line for line in self.log.read_text().splitlines() if line != "uv --version"]
        return done, [" ".join(line.split()[1:3]) for line in asked]

    def uv_environment(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in Path(f"{self.log}.env").read_text().splitlines())


ALL_STEPS = ["venv --quiet", "pip sync", "pip install"]

needs_posix = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


@needs_posix
@pytest.mark.parametrize("shell", ["sh", "dash", "bash"])
@pytest.mark.parametrize("script", ["setup.sh"])
def test_scripts_are_read_without_fault_by_every_shell(shell: str, script: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"needs {shell}")
    assert run(shell, "-n", str(ROOT / script)).stderr == ""


@needs_posix
def test_setup_does_nothing_when_nothing_changed(checkout: Checkout) -> None:
    done, steps = checkout.setup()
    assert (done.returncode, steps) == (0, ALL_STEPS)
    done, steps = checkout.setup()
    assert (done.returncode, steps, done.stdout, done.stderr) == (0, [], "", "")


@needs_posix
@pytest.mark.parametrize("changed", ["requirements.lock", "pyproject.toml", "setup.sh"])
def test_setup_follows_a_changed_file_without_making_the_environment_anew(checkout: Checkout, changed: str) -> None:
    checkout.setup()
    with (checkout.folder / changed).open("a") as file:
        file.write("# more\n")
    _, steps = checkout.setup()
    assert steps == ["pip sync", "pip install"]


@needs_posix
def test_setup_makes_the_environment_anew_after_a_run_that_was_broken_off(checkout: Checkout) -> None:
    done, steps = checkout.setup(SYNC_FAILS="1")
    assert done.returncode == 1
    assert "mirror" in done.stderr
    assert steps == ["venv --quiet", "pip sync"]
    assert checkout.setup()[1] == ALL_STEPS
    (checkout.folder / "requirements.lock").write_text("one==2\n")
    assert checkout.setup(SYNC_FAILS="1")[1] == ["pip sync"]
    assert checkout.setup()[1] == ALL_STEPS


@needs_posix
def test_setup_makes_the_environment_anew_when_its_python_is_gone(checkout: Checkout) -> None:
    checkout.setup()
    (checkout.folder / ".venv" / "bin" / "python").unlink()
    assert checkout.setup()[1] == ALL_STEPS


@needs_posix
def test_setup_follows_a_checkout_that_was_moved(checkout: Checkout) -> None:
    checkout.setup()
    checkout.folder = checkout.folder.rename(checkout.folder.with_name("elsewhere"))
    assert checkout.setup()[1] != []


@needs_posix
def test_setup_asks_for_the_locked_bytes_and_downloads_no_interpreter(checkout: Checkout) -> None:
    checkout.setup()
    (sync,) = (line for line in checkout.log.read_text().splitlines() if line.startswith("uv pip sync"))
    assert "--require-hashes requirements.lock" in sync
    assert checkout.uv_environment()["UV_PYTHON_DOWNLOADS"] == "never"


@needs_posix
def test_setup_says_which_python_is_too_old(checkout: Checkout) -> None:
    done, steps = checkout.setup(SAYS_VERSION="3.9.2")
    assert done.returncode == 1
    assert steps == ["python find"], "uv may know another Python, but nothing is made"
    assert "needs Python 3.11 to 3.14" in done.stderr
    assert "python3 is 3.9.2" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@needs_posix
def test_setup_says_what_to_install_when_python_cannot_make_environments(tmp_path: Path) -> None:
    done, _ = Checkout(tmp_path, with_uv=False).setup(NO_ENSUREPIP="1")
    assert done.returncode == 1
    assert "apt install python3-venv" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@needs_posix
def test_setup_tells_uv_what_pip_was_told_about_mirrors(checkout: Checkout) -> None:
    told = (
        "global.index-url='https://mirror.example/simple'\n"
        "global.extra-index-url='https://a.example/simple\\nhttps://b.example/simple'\n"
        "install.trusted-host='mirror.example'"
    )
    checkout.setup(PIP_SAYS=told, PIP_CERT="ca.pem")
    assert checkout.uv_environment() == {
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
        "UV_EXTRA_INDEX_URL": "https://a.example/simple https://b.example/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_INSECURE_HOST": "mirror.example",
        "UV_PYTHON_DOWNLOADS": "never",
        "SSL_CERT_FILE": "ca.pem",
    }


@needs_posix
def test_what_uv_was_told_itself_comes_before_what_pip_was_told(checkout: Checkout) -> None:
    checkout.setup(PIP_SAYS="global.index-url='https://pip.example'", UV_DEFAULT_INDEX="https://uv.example")
    assert checkout.uv_environment()["UV_DEFAULT_INDEX"] == "https://uv.example"


@needs_posix
def test_setup_run_hands_on_words_and_exit_code(checkout: Checkout) -> None:
    done, _ = checkout.setup("run", "sh", "-c", 'echo "$1"; exit 7', "-", "two  words")
    assert (done.returncode, done.stdout) == (7, "two  words\n")


@needs_posix
def test_setup_refuses_an_unknown_word(checkout: Checkout) -> None:
    done, _ = checkout.setup("laab")
    assert done.returncode == 1
    assert "unknown: laab. One of: lab, test, run" in done.stderr


# ---- the rules of import -------------------------------------------------------------------------------------

LAYERS = "An import points down the house"
EDGE = "Below sources nothing fetches, draws or shows"
DASK = "Dask is used in scale, sources and catalog only"
HALVES = "Simulation (before) and evaluation (after)"


def broken_contracts(folder: Path, modules: dict[str, str]) -> set[str]:
    """Lint a package that consists of the given modules by the rules of pyproject.toml."""
    for name, text in {"": "", **modules}.items():
        parts = ["citylab", *filter(None, name.split("."))]
        package = folder.joinpath(*parts)
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").write_text(text)
    shutil.copy(ROOT / "pyproject.toml", folder)
    done = run(
        *(sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"),
        "--no-cache",
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )
    assert "Contracts:" in done.stdout, done.stdout + done.stderr
    return {n for n in (LAYERS, EDGE, DASK, HALVES) if re.search(re.escape(n) + r".* BROKEN", done.stdout)}


@pytest.mark.parametrize(
    ("modules", "broken"),
    [
        ({"errors": "", "air": "from citylab import errors", "app": "import panel\nfrom citylab import air"}, set()),
        ({"scale": "import dask", "viz": "import bokeh", "sources": "import pooch, dask"}, set()),
        ({"catalog": "", "air": "from citylab import catalog"}, {LAYERS}),
        ({"air": "", "carbon": "from citylab import air"}, {LAYERS}),
        ({"viz": "", "catalog": "def f():\n    from citylab import viz"}, {LAYERS}),
        ({"somewhere": ""}, {LAYERS}),
        ({"policy": "", "policy.simulate": "", "policy.evaluate": "import citylab.policy.simulate"}, {HALVES}),
        ({"air": "def f():\n    import matplotlib.pyplot"}, {EDGE}),
        ({"stats": "", "stats.trends": "import requests"}, {EDGE}),
        ({"viz": "import dask.dataframe", "air": "from distributed import Client"}, {DASK}),
    ],
    ids=lambda case: ",".join(case) if isinstance(case, dict) else "",
)
def test_import_rules_hold_the_house(tmp_path: Path, modules: dict[str, str], broken: set[str]) -> None:
    assert broken_contracts(tmp_path, modules) == broken


# ---- the test harness itself ---------------------------------------------------------------------------------


def run_tests(folder: Path, text: str, *options: str) -> str:
    shutil.copy(ROOT / "conftest.py", folder)
    (folder / "test_it.py").write_text(text)
    done = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, "test_it.py", cwd=folder)
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "attempt",
    [
        "socket.create_connection(('203.0.113.1', 80), timeout=1)",
        "socket.getaddrinfo('data.example', 80)",
        "socket.socket().connect_ex(('203.0.113.1', 80))",
    ],
)
def test_a_test_that_leaves_the_machine_fails_even_if_the_error_is_swallowed(tmp_path: Path, attempt: str) -> None:
    text = f"import socket\n\ndef test_it():\n    try:\n        {attempt}\n    except OSError:\n        pass\n"
    printed = run_tests(tmp_path, text)
    assert "tried to leave this machine" in printed
    assert "1 failed" in printed


def test_a_test_may_reach_servers_on_this_machine(tmp_path: Path) -> None:
    text = (
        "import socket\n\ndef test_it():\n"
        "    with socket.create_server(('127.0.0.1', 0)) as server:\n"
        "        socket.create_connection(('localhost', server.getsockname()[1])).close()\n"
        "    a, b = socket.socketpair()\n    a.close(); b.close()\n"
    )
    assert "1 passed" in run_tests(tmp_path, text)


def test_tests_never_see_the_users_cache_or_language(tmp_path: Path) -> None:
    text = (
        "import os\n\ndef test_it():\n"
        "    assert 'citylab-test-' in os.environ['CITYLAB_CACHE']\n"
        "    assert not {'CITYLAB_LANG', 'CITYLAB_OFFLINE'} & os.environ.keys()\n"
    )
    assert "1 passed" in run_tests(tmp_path, text)


def test_the_tests_of_a_file_run_in_one_process_unless_it_says_by_what_to_part_them(tmp_path: Path) -> None:
    text = (
        "import pytest\n\nseen = []\n\n@pytest.mark.parametrize('i', range(8))\ndef test_it(i):\n"
        "    seen.append(i)\n    assert len(seen) == i + 1\n"
    )
    together = ("-n", "2", "--dist", "loadgroup", "--no-loadscope-reorder")  # as setup.sh says
    assert "8 passed" in run_tests(tmp_path, text, *together)
    assert "8 passed" not in run_tests(tmp_path, text + "\nSPREAD_BY = 'i'\n", *together)
