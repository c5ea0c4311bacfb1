"""A cap over twenty periods with banking: 1,000 synthetic firms of ten measures, pooled, and as a linear programme.

The peer is the linear programme of the same market (200,000 measures), solved by HiGHS through SciPy.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from benchmarks.measure import Row, agree, compared, take_turns
from citylab.policy.market import banking, firms, programme

FIRMS, STEPS, PERIODS = 1000, 10, 20
RATE = 0.05
SEED = 0
BUDGET = 1 / 100
"""Our time over that of HiGHS."""


def market(count: int = FIRMS, periods: int = PERIODS) -> tuple[firms.Maccs, np.ndarray]:
    """Synthetic firms whose measures cut up to 60 % of what they emit, and caps that fall to half."""
    rng = np.random.default_rng(SEED)
    baseline = rng.lognormal(10.0, 1.0, count)
    owner = np.repeat(np.arange(count), STEPS)
    cuts = rng.dirichlet(np.ones(STEPS), count) * 0.6 * baseline[:, None]
    prices = rng.lognormal(4.5, 0.8, (1, count * STEPS))
    curves = firms.Maccs(baseline, np.full(count, np.nan), owner, prices, cuts.reshape(1, -1))
    return curves, baseline.sum() * np.linspace(0.98, 0.5, periods)


def ours(curves: firms.Maccs, cap: np.ndarray) -> pl.DataFrame:
    """Least cost and the bank of each period, by pooling."""
    path = banking.pooled(curves, cap, rate=RATE)
    worth = banking.discounts(RATE, len(cap))
    cost = firms.cost_cny(curves, path.abated_t).sum(-1) @ worth
    return pl.DataFrame({"market": ["synthetic"], "cost_share": [cost / _scale(curves)], "price": [path.price[0]]})


def highs(curves: firms.Maccs, cap: np.ndarray) -> pl.DataFrame:
    """The same by HiGHS."""
    found = programme.optimum(curves, cap, rate=RATE)
    return pl.DataFrame(
        {"market": ["synthetic"], "cost_share": [found.cost_cny / _scale(curves)], "price": [found.price[0]]}
    )


def _scale(curves: firms.Maccs) -> float:
    """What all measures of one period cost."""
    return float((curves.step_price * curves.step_t).sum())


def rows() -> Iterator[Row]:
    """Compare results, then time."""
    curves, cap = market()
    agree(highs(*market(50)), ours(*market(50)), key=["market"])
    # One round: HiGHS takes half a minute.
    found: dict[str, pl.DataFrame] = {}
    timings = take_turns(
        {
            "citylab": lambda: found.update(citylab=ours(curves, cap)),
            "HiGHS (SciPy)": lambda: found.update(highs=highs(curves, cap)),
        },
        runs=1,
    )
    agree(found["highs"], found["citylab"], key=["market"])
    work = f"permit banking, {FIRMS:,} firms × {STEPS} measures × {PERIODS} periods"
    yield from compared(work, timings, budgets={"HiGHS (SciPy)": BUDGET})
