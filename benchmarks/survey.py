"""A design-based table of a survey, means and errors by group, against samplics and a plain pandas version.

samplics 0.6 (MIT, archived by its authors in 2026) takes one column at a time and is a peer of this file only; it is
left out where it is not installed. The pandas version is what one would write by hand: sums of influences by group,
stratum and primary sampling unit. Results must agree first. Rows are synthetic.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import polars as pl

from benchmarks.measure import Row, agree, compared, take_turns
from citylab.stats import survey as sv

ROWS, LARGE = 1_000_000, 10_000_000
STRATA, PSUS, GROUPS = 50, 5_000, 16
SEED = 0
PANDAS_BUDGET, SAMPLICS_BUDGET = 1.0, 0.5
VALUES = ["online", "hours"]
DESIGN = sv.Design(weight="w", strata="stratum", psu="village")


def frame(n: int) -> pl.DataFrame:
    """Synthetic answers of people in villages of strata."""
    rng = np.random.default_rng(SEED)
    village = rng.integers(0, PSUS, n)
    shared = rng.normal(size=PSUS)[village]
    return pl.DataFrame({
        "stratum": (village % STRATA).astype(np.int32), "village": village.astype(np.int32),
        "group": rng.integers(0, GROUPS, n).astype(np.int32), "w": rng.uniform(0.5, 2.0, n),
        "online": (rng.normal(size=n) + shared > 0).astype(np.float64), "hours": rng.gamma(2.0, 1.0, n) + 0.2 * shared,
    })  # fmt: skip


def ours(rows: pl.DataFrame) -> pl.DataFrame:
    """Means of two columns by group with errors, design effects and intervals."""
    told = sv.mean(sv.designed(rows, DESIGN), VALUES, by="group")
    return told.select("group", "variable", "value", "se")


def by_pandas(rows: pl.DataFrame) -> pl.DataFrame:
    """The same in pandas, without missing values, intervals or design effects."""
    table = rows.to_pandas()
    strata = table.groupby("stratum")["village"].nunique()
    told = []
    for c in VALUES:
        table["wy"] = table["w"] * table[c]
        by = table.groupby("group")[["w", "wy"]].sum()
        mean = by["wy"] / by["w"]
        z = table["w"] * (table[c] - table["group"].map(mean)) / table["group"].map(by["w"])
        totals = z.groupby([table["group"], table["stratum"], table["village"]]).sum()
        spread = totals.groupby(level=[0, 1]).agg(["sum", lambda x: (x**2).sum()])
        spread.columns = ["s", "ss"]
        n = spread.index.get_level_values(1).map(strata)
        squares = (n / (n - 1)) * (spread["ss"] - spread["s"] ** 2 / n)
        se = np.sqrt(squares.groupby(level=0).sum())
        told.append(pl.DataFrame({"group": mean.index.to_numpy(), "variable": c, "value": mean.to_numpy(),
                                  "se": se.to_numpy()}))  # fmt: skip
    return pl.concat(told).cast({"group": pl.Int32})


def by_samplics(rows: pl.DataFrame) -> pl.DataFrame:
    """The peer, column by column."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        from samplics import PopParam, TaylorEstimator
    told = []
    for c in VALUES:
        estimator = TaylorEstimator(PopParam.mean)
        estimator.estimate(y=rows[c], samp_weight=rows["w"], stratum=rows["stratum"], psu=rows["village"],
                           domain=rows["group"])  # fmt: skip
        told += [(int(g), c, float(estimator.point_est[g]), float(estimator.stderror[g])) for g in estimator.point_est]
    schema = {"group": pl.Int32(), "variable": pl.String(), "value": pl.Float64(), "se": pl.Float64()}
    return pl.DataFrame(told, schema=schema, orient="row")


def _rows(n: int, runs: int) -> Iterator[Row]:
    rows = frame(n)
    size = f"{n / 1e6:g} M rows × {GROUPS} groups, {PSUS:,} PSUs"
    mine = ours(rows)
    peers: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], float]] = {
        "plain pandas": (by_pandas, PANDAS_BUDGET), "samplics": (by_samplics, SAMPLICS_BUDGET),
    }  # fmt: skip
    contestants: dict[str, Callable[[], object]] = {"citylab": lambda: ours(rows)}
    budgets = {}
    for name, (peer, budget) in peers.items():
        try:
            agree(peer(rows), mine, key=["group", "variable"])
        except ImportError:
            continue
        contestants[name] = lambda p=peer: p(rows)  # type: ignore[misc]
        budgets[name] = budget
    yield from compared(f"design-based means of 2 columns, {size}", take_turns(contestants, runs=runs), budgets=budgets)


def rows() -> Iterator[Row]:
    """Compare results, then time."""
    yield from _rows(ROWS, 3)


def large_rows() -> Iterator[Row]:
    """Ten times the rows."""
    yield from _rows(LARGE, 1)
