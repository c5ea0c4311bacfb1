"""What all benchmarks share: rows of the table, turns, fresh interpreters, and the check that results agree."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

RUNS = 7
"""Rounds of a comparison; the median counts."""
TOLERANCE = 1e-9
"""Largest difference between two results, relative to values above 1."""
PATIENCE_S = 60
"""Seconds after which a fresh interpreter or a server counts as hung."""


class Skipped(Exception):
    """A benchmark cannot run here; the text says why."""


class Disagreement(Exception):
    """Two contestants did not do the same work; their times mean nothing."""


@dataclass(frozen=True)
class Row:
    """One line of the table.

    ``ratio`` and ``cpu_ratio`` are our time over that of this line; ``budget`` is what was decided, in words.
    """

    work: str
    who: str
    value: str
    cpu: str = ""
    ratio: float | None = None
    cpu_ratio: float | None = None
    budget: str = ""
    is_within: bool | None = None


@dataclass(frozen=True)
class Timing:
    """Each round's seconds on the clock and seconds of all cores."""

    wall_s: tuple[float, ...]
    cpu_s: tuple[float, ...]


def take_turns(contestants: Mapping[str, Callable[[], object]], *, runs: int = RUNS) -> dict[str, Timing]:
    """Time each contestant ``runs`` times after one run to warm up, in turns, so that a busy minute hits all alike."""
    clocks: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
    for work in contestants.values():
        work()
    order = list(contestants)
    for _ in range(runs):
        for name in order:
            wall, cpu = time.perf_counter(), time.process_time()
            contestants[name]()
            clocks[name].append((time.perf_counter() - wall, time.process_time() - cpu))
        order.append(order.pop(0))
    return {name: Timing(*zip(*clock, strict=True)) for name, clock in clocks.items()}


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median over the rounds of our time over theirs."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def compared(
    work: str, timings: Mapping[str, Timing], *, ours: str = "citylab", budgets: Mapping[str, float] | None = None
) -> list[Row]:
    """Return one row per contestant with our time over theirs; ``budgets`` bound the ratio on the clock."""
    mine = timings[ours]
    rows = []
    for name, its in timings.items():
        limit = (budgets or {}).get(name)
        by_clock = None if name == ours else ratio(mine.wall_s, its.wall_s)
        rows.append(
            Row(
                work,
                name,
                f"{statistics.median(its.wall_s):.4f} s",
                f"{statistics.median(its.cpu_s):.4f} s",
                by_clock,
                None if name == ours else ratio(mine.cpu_s, its.cpu_s),
                f"≤ {limit:g} ×" if limit else "",
                by_clock <= limit if limit and by_clock else None,
            )
        )
    return rows


def fresh(code: str, *arguments: str, patience_s: float = PATIENCE_S) -> Any:
    """Run code in a fresh interpreter and return what it printed as JSON on its last line."""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=patience_s, check=False)
    if done.returncode:
        raise Skipped(done.stderr.strip().splitlines()[-1])
    return json.loads(done.stdout.splitlines()[-1])


def agree(left: pl.DataFrame, right: pl.DataFrame, *, key: Sequence[str]) -> None:
    """Raise :class:`Disagreement` unless two tables hold the same rows, empty in the same places, equal to 1e-9."""
    import polars as pl

    if sorted(left.columns) != sorted(right.columns):
        raise Disagreement(f"columns differ: {left.columns} and {right.columns}")
    left, right = left.sort(key), right.select(left.columns).sort(key)
    if not left.select(key).equals(right.select(key)):
        raise Disagreement(f"rows differ: {left.height:,} and {right.height:,}, or other keys {list(key)}")
    for name in left.columns:
        if name in key:
            continue
        a, b = left[name].cast(pl.Float64), right[name].cast(pl.Float64)
        if not a.is_null().equals(b.is_null()):
            raise Disagreement(f"{name} is empty in different rows")
        off = ((a - b).abs() / pl.select(pl.max_horizontal(pl.lit(1.0), b.abs())).to_series()).drop_nulls()
        if not (off <= TOLERANCE).all() or off.is_nan().any():  # Polars holds NaN above every number
            raise Disagreement(f"{name} differs by up to {off.max()}; {TOLERANCE:g} is allowed")
