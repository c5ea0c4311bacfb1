"""Inequality of weighted rows in groups: all measures, and Theil indices parted, against a sort and two peers.

The yardstick is a Polars sort of the same rows by group and value, the least that a grouped Gini coefficient seems to
need; a sort by the value alone stands beside it. ineqpy 0.4 gives Gini, Theil and Atkinson with weights, PySAL's
inequality gives them without; both are peers of this file only, and are left out where they are not installed.
ineqpy's Atkinson index with aversion 1 is a product that runs under at this size, so it is asked for aversion 0.5; its
Gini coefficient is off by about one part in the number of rows, and is compared to 1e-4 only. Rows are synthetic.

With a row per resident, more than a third of our time is the kernel's, which hands out fresh memory for the rows of the
groups and for the sorted ones. Of the rest, gathering rows by group takes a quarter, finding their order a third,
gathering them in it a sixth, all sums together a quarter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import polars as pl

from benchmarks.measure import Disagreement, Row, agree, compared, take_turns
from citylab.equity.decomposition import between_within
from citylab.equity.inequality import inequality

ROWS, LARGE, GROUPS = 500_000, 21_900_000, 16
SEED = 0
SORT_BUDGET, PEER_BUDGET = 1.3, 0.5
INEQPY_GINI = 1e-4
"""How far ineqpy's Gini coefficient may be off."""
ALIKE = ["gini", "theil_t", "atkinson(0.5)"]


def frame(n: int) -> pl.DataFrame:
    """Synthetic incomes with weights."""
    rng = np.random.default_rng(SEED)
    return pl.DataFrame(
        {
            "district": rng.integers(0, GROUPS, n).astype(np.int32),
            "income_cny": rng.lognormal(10.0, 0.8, n),
            "weight": rng.uniform(0.5, 2.0, n),
        }
    )


def everything(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """All default measures by group, and two indices parted between and within."""
    table = inequality(rows, "income_cny", weight="weight", by="district", errors=None)
    return table, between_within(
        rows, "income_cny", weight="weight", by="district", measure=["theil_t", "mld"], errors=None
    )


def with_errors(rows: pl.DataFrame) -> pl.DataFrame:
    """All default measures by group with linearised errors."""
    return inequality(rows, "income_cny", weight="weight", by="district")


def ours(rows: pl.DataFrame, *, weighted: bool = True) -> pl.DataFrame:
    """What the peers give too, in their form."""
    told = inequality(
        rows, "income_cny", weight="weight" if weighted else None, by="district", measures=ALIKE, errors=None
    )
    return told.select("district", "measure", "value")


def _peer(rows: pl.DataFrame, of: Callable[[np.ndarray, np.ndarray], list[float]]) -> pl.DataFrame:
    told = []
    for (district,), part in sorted(rows.partition_by("district", as_dict=True).items()):
        values = of(part["income_cny"].to_numpy(), part["weight"].to_numpy())
        told += [(district, m, float(v)) for m, v in zip(ALIKE, values, strict=True)]
    return pl.DataFrame(told, schema={"district": pl.Int32, "measure": pl.String, "value": pl.Float64}, orient="row")


def ineqpy(rows: pl.DataFrame) -> pl.DataFrame:
    """The weighted peer, group by group."""
    from ineqpy import inequality as peer

    return _peer(
        rows, lambda y, w: [peer.gini(y, weights=w), peer.theil(y, weights=w), peer.atkinson(y, weights=w, e=0.5)]
    )


def pysal(rows: pl.DataFrame) -> pl.DataFrame:
    """The peer without weights, group by group."""
    from inequality.atkinson import Atkinson
    from inequality.gini import Gini
    from inequality.theil import Theil

    return _peer(rows, lambda y, _: [Gini(y).g, Theil(y).T, Atkinson(y, 0.5).A])


def check(peer: pl.DataFrame, mine: pl.DataFrame, *, gini: float | None = None) -> None:
    """Raise unless a peer's results are ours; its Gini coefficient within ``gini`` if that is given."""
    exact = pl.lit(True) if gini is None else pl.col("measure") != "gini"
    agree(peer.filter(exact), mine.filter(exact), key=["district", "measure"])
    both = peer.join(mine, on=["district", "measure"])
    off = both.select((pl.col("value") - pl.col("value_right")).abs().max()).item()
    if gini is not None and off > gini:
        raise Disagreement(f"Gini coefficients differ by up to {off}; {gini:g} is allowed")


def _rows(n: int, runs: int) -> Iterator[Row]:
    rows, size = frame(n), f"{n / 1e6:g} M weighted rows × {GROUPS}"
    contestants: dict[str, Callable[[], object]] = {
        "citylab": lambda: everything(rows),
        "Polars sort, group and value": lambda: rows.sort("district", "income_cny"),
        "Polars sort, value": lambda: rows.sort("income_cny"),
    }
    budgets = {"Polars sort, group and value": SORT_BUDGET}
    yield from compared(f"10 measures, 2 parted, {size}", take_turns(contestants, runs=runs), budgets=budgets)
    errors: dict[str, Callable[[], object]] = {
        "citylab": lambda: with_errors(rows),
        "Polars sort, group and value": contestants["Polars sort, group and value"],
    }
    yield from compared(f"10 measures with errors, {size}", take_turns(errors, runs=runs))
    for name, peer, weighted, gini in (
        ("ineqpy", ineqpy, True, INEQPY_GINI),
        ("inequality (no weights)", pysal, False, None),
    ):
        try:
            check(peer(rows), ours(rows, weighted=weighted), gini=gini)
        except ImportError:
            continue
        pair: dict[str, Callable[[], object]] = {
            "citylab": lambda w=weighted: ours(rows, weighted=w),  # type: ignore[misc]
            name: lambda p=peer: p(rows),  # type: ignore[misc]
        }
        yield from compared(f"Gini, Theil, Atkinson, {size}", take_turns(pair, runs=runs), budgets={name: PEER_BUDGET})


def rows() -> Iterator[Row]:
    """Compare results, then time."""
    yield from _rows(ROWS, 3)


def large_rows() -> Iterator[Row]:
    """The size of a city, a row per resident."""
    yield from _rows(LARGE, 1)
