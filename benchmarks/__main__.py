"""Run benchmarks and print one table: ``python -m benchmarks [part ...] [--large]``.

The network stays off. A part that cannot run here (no copy of the data, no browser) says why, the others run.
``--large`` runs the slow work of the parts that have any, in place of the rest.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version

PARTS = (
    "starting",
    "daily_means",
    "dashboards",
    "policy_sandbox",
    "trends",
    "air_pipeline",
    "aqi",
    "weather",
    "ledger",
    "crediting",
    "duplicates",
    "carbon",
    "pulse",
    "choice",
    "gridding",
    "inequality",
    "survey",
    "lisa",
    "raking",
    "microsimulation",
    "permits",
    "space_access",
    "segregation",
    "sensitivity",
    "simulate",
    "workers",
)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def main() -> int:
    """Print the circumstances and the table; 1 if two contestants disagreed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"parts to run; default: all of {', '.join(PARTS)}")
    parser.add_argument("--large", action="store_true", help="run the large work of the parts instead (minutes)")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    os.environ["CITYLAB_OFFLINE"] = "1"
    # Before Polars is imported: it reads its thread count once.
    threads = os.environ.setdefault("POLARS_MAX_THREADS", str(os.cpu_count() or 1))
    from benchmarks.measure import Disagreement, Skipped

    start = time.perf_counter()
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(
        f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores{load}; POLARS_MAX_THREADS {threads}; "
        + ", ".join(f"{name} {version(name)}" for name in ("polars", "pandas", "numpy", "pyarrow")),
        flush=True,
    )
    table: list[tuple[str, ...]] = [("work", "who", "median", "CPU", "ours ÷ it", "by CPU", "budget", "kept")]
    skipped, failed = [], False
    for part in given.parts or PARTS:
        module = importlib.import_module(f"benchmarks.{part}")
        work = getattr(module, "large_rows", None) if given.large else module.rows
        if work is None:
            continue
        print(f"… {part}", file=sys.stderr, flush=True)
        try:
            for row in work():
                ratios = ("" if r is None else f"{r:.2f}" for r in (row.ratio, row.cpu_ratio))
                kept = {None: "", True: "yes", False: "NO"}[row.is_within]
                table.append((row.work, row.who, row.value, row.cpu, *ratios, row.budget, kept))
        except Skipped as reason:
            skipped.append(f"{part} left out: {reason}")
        except Disagreement as reason:
            skipped.append(f"{part} is void, the results differ: {reason}")
            failed = True
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    print("\n".join(_line(cells, widths) for cells in table))
    print("\n".join([*skipped, f"{time.perf_counter() - start:.0f} s in all"]))
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
