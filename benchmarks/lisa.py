"""Local Moran statistics of 3,000 areas, each judged by 999 draws, from tables to a table.

The peer is bare esda: its weights stand ready, and it neither corrects for the number of places nor names clusters. The
map is synthetic.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from benchmarks.measure import Disagreement, Row, Skipped, agree, compared, take_turns
from citylab.equity import space

ROWS, COLUMNS, DRAWS = 60, 50, 999
SEED = 0
BUDGET = 1.10
"""Our time over esda's."""
BAND = 6
"""Standard errors by which pseudo p-values of two sets of draws may differ."""


def areas(rows: int = ROWS, columns: int = COLUMNS) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Synthetic areas on a lattice whose values drift across it, and their neighbours by common sides."""
    rng = np.random.default_rng(SEED)
    at = np.arange(rows * columns).reshape(rows, columns)
    drift = np.sin(np.linspace(0, 6, rows))[:, None] + np.cos(np.linspace(0, 9, columns))
    one = np.concatenate([at[:, :-1].ravel(), at[:-1].ravel()])
    other = np.concatenate([at[:, 1:].ravel(), at[1:].ravel()])
    table = pl.DataFrame({"area": at.ravel(), "use": (drift + rng.normal(size=drift.shape)).ravel()})
    return table, space.pairs(pl.DataFrame({"one": one, "other": other}), "one", "other")


def ours(table: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """Local statistics, two-sided pseudo p-values, FDR and clusters."""
    return space.local_moran(table, "use", "area", links, permutations=DRAWS, seed=SEED)


def bare_esda(table: pl.DataFrame, weights: Any, *, keep: bool) -> Any:
    """The peer; with ``keep`` all draws stay in memory, as is its default."""
    from esda.moran import Moran_Local

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Moran_Local(table["use"].to_numpy(), weights, permutations=DRAWS, seed=SEED, keep_simulations=keep)


def check(found: pl.DataFrame, peer: Any) -> None:
    """Statistics and quadrants must be the same, pseudo p-values within the error of two sets of draws."""
    names = {1: "HH", 2: "LH", 3: "LL", 4: "HL"}
    agree(found.select("area", statistic=pl.Series(peer.Is)), found.select("area", "statistic"), key=["area"])
    if found["quadrant"].to_list() != [names[q] for q in peer.q]:
        raise Disagreement("quadrants differ")
    p = np.asarray(peer.p_sim, dtype=np.float64)
    # Theirs is one-sided, on the side that the data chose.
    off = np.abs(found["p_sim"].to_numpy() / 2 - p)
    allowed = BAND * np.sqrt(2 * p * (1 - p) / DRAWS) + 2 / DRAWS
    if (off > allowed).any():
        raise Disagreement(f"pseudo p-values differ by up to {off.max():g}")


def rows() -> Iterator[Row]:
    """Compare results, then time."""
    try:
        from libpysal.weights import lat2W
    except ImportError:
        raise Skipped("esda and libpysal are not installed") from None
    table, links = areas()
    weights = lat2W(ROWS, COLUMNS)
    check(ours(table, links), bare_esda(table, weights, keep=True))
    timings = take_turns(
        {
            "citylab": lambda: ours(table, links),
            "esda, draws kept": lambda: bare_esda(table, weights, keep=True),
            "esda": lambda: bare_esda(table, weights, keep=False),
        }
    )
    budgets = {"esda, draws kept": BUDGET, "esda": BUDGET}
    yield from compared(f"LISA, {ROWS * COLUMNS:,} areas × {DRAWS} draws", timings, budgets=budgets)
