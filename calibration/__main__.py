"""Run the slow proofs and write what they measured: ``python -m calibration [module ...] [--n 2000] [--seed 0]``."""

from __future__ import annotations

import argparse
import datetime as dt
import importlib
import pkgutil
import platform
import re
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import calibration
from calibration import Row

PAGE = Path(__file__).resolve().parent.parent / "docs" / "calibration.md"
PACKAGES = ("citylab", "numpy", "scipy", "statsmodels", "polars", "scikit-learn")
MIN_RUNS = 1000
HEAD = """# Calibration

Do intervals cover, and tests reject, as often as they say? Written by `python -m calibration`; not edited by hand.
The band is where 95 of 100 such measurements fall if the nominal share is true; a share outside it is a fault of the
method under the stated conditions, and is left here to be read.
"""


def modules(names: list[str] | None = None) -> dict[str, ModuleType]:
    """Return the modules of this package that have a ``run``."""
    known = sorted(m.name for m in pkgutil.iter_modules(calibration.__path__) if not m.name.startswith("_"))
    unknown = set(names or ()) - set(known)
    if unknown:
        raise SystemExit(f"Unknown: {sorted(unknown)}. There are: {known}.")
    loaded = {name: importlib.import_module(f"calibration.{name}") for name in names or known}
    return {name: module for name, module in loaded.items() if hasattr(module, "run")}


def section(name: str, module: ModuleType, rows: list[Row], seed: int, today: dt.date) -> str:
    """Return the section of a module."""
    first, _, rest = (module.__doc__ or name).strip().partition("\n")
    versions = ", ".join([f"Python {platform.python_version()}", *(f"{p} {version(p)}" for p in PACKAGES)])
    lines = [
        f"## {name}: {first.rstrip('.')}",
        "",
        *([rest.strip(), ""] if rest.strip() else []),
        f"{today}, seed {seed}; {versions}.",
        "",
        "| what | nominal | measured | runs | band | verdict |",
        "| --- | --- | --- | --- | --- | --- |",
        *(
            f"| {r.what} | {r.nominal:.3f} | {r.measured:.3f} | {r.n:,} | "
            f"{r.band[0]:.3f} to {r.band[1]:.3f} | {r.verdict} |"
            for r in rows
        ),
    ]
    return "\n".join(lines) + "\n"


def merged(page: str, sections: dict[str, str]) -> str:
    """Return the page with some sections written anew and the others kept."""
    kept = {m[1]: m[0].strip() + "\n" for m in re.finditer(r"^## (\w+): .*?(?=^## |\Z)", page, flags=re.M | re.S)}
    return "\n".join([HEAD, *(text for _, text in sorted({**kept, **sections}.items()))])


def main() -> None:
    """Run, print and write."""
    parser = argparse.ArgumentParser(prog="python -m calibration", description=__doc__)
    parser.add_argument("names", nargs="*", help="modules to run; default: all")
    parser.add_argument("--n", type=int, default=2000, help=f"runs a row; from {MIN_RUNS} they are written down")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    sections = {}
    for name, module in modules(given.names or None).items():
        sections[name] = section(name, module, module.run(given.n, given.seed), given.seed, dt.date.today())
        print(sections[name], flush=True)
    if given.n < MIN_RUNS:
        print(f"{given.n} runs prove little: {PAGE.name} was left as it is.")
        return
    page = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
    scratch = PAGE.with_suffix(".tmp")
    scratch.write_text(merged(page, sections), encoding="utf-8")
    scratch.replace(PAGE)
    print(f"Written to {PAGE}.")


if __name__ == "__main__":
    main()
