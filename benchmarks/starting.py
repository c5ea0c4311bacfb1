"""What a user waits for first: ``import citylab``, the first table, and how much data the package carries."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from benchmarks.measure import Row, fresh
from citylab import settings

IMPORTS = 9
"""Fresh interpreters per import."""
OPENINGS = 5
"""Fresh interpreters per opening of a data set."""
IMPORT_BUDGET_S = 0.15
OPEN_BUDGET_S = 0.2
BYTES_BUDGET = 12_000_000
HEAVY = ("polars", "numpy", "pandas", "panel", "statsmodels", "dask", "xarray")
"""Libraries that ``import citylab`` must not bring in."""
EMBEDDED = "uci__daily_station_air"
"""The largest embedded table."""

_IMPORT = """
import json, sys, time
start = time.perf_counter()
import {module}
took = time.perf_counter() - start
print(json.dumps([took, [m for m in {heavy} if m in sys.modules]]))
"""
_OPEN = """
import json, time
import citylab as cl
{before}
start = time.perf_counter()
height = cl.load({dataset!r}).collect().height
print(json.dumps(time.perf_counter() - start))
"""


def rows() -> Iterator[Row]:
    """Time fresh interpreters in turns."""
    took: dict[str, list[float]] = {"citylab": [], "polars": []}
    heavy: list[str] = []
    for _ in range(IMPORTS):
        for module, seconds in took.items():
            second, loaded = fresh(_IMPORT.format(module=module, heavy=HEAVY))
            seconds.append(second)
            if module == "citylab":
                heavy = loaded
    medians = {module: statistics.median(seconds) for module, seconds in took.items()}
    mine, theirs = medians["citylab"], medians["polars"]
    yield Row(
        "import in a fresh interpreter", "citylab", f"{mine:.4f} s",
        budget=f"≤ {IMPORT_BUDGET_S:g} s", is_within=mine <= IMPORT_BUDGET_S,
    )  # fmt: skip
    yield Row("import in a fresh interpreter", "polars", f"{theirs:.4f} s", ratio=mine / theirs)
    said = ", ".join(heavy) or "none"
    yield Row(f"loaded of {', '.join(HEAVY)}", "citylab", said, budget="none", is_within=not heavy)

    for what, before, limit in (
        ("first table after all imports", "import polars\nfrom citylab import catalog", OPEN_BUDGET_S),
        ("first table with what it imports", "", None),
    ):
        code = _OPEN.format(before=before, dataset=EMBEDDED)
        second = statistics.median(fresh(code) for _ in range(OPENINGS))
        yield Row(
            f"{what} ({EMBEDDED})", "citylab", f"{second:.4f} s",
            budget=f"≤ {limit:g} s" if limit else "", is_within=second <= limit if limit else None,
        )  # fmt: skip

    size = sum(p.stat().st_size for p in settings.datasets_dir().rglob("*") if p.is_file())
    yield Row(
        "embedded data, codes and declarations", "citylab", f"{size / 1e6:.2f} MB",
        budget=f"≤ {BYTES_BUDGET / 1e6:g} MB", is_within=size <= BYTES_BUDGET,
    )  # fmt: skip
