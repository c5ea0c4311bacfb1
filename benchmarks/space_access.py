"""Access by a floating catchment with steps (E2SFCA): 5,000 places by 500 supplies, every way known.

PySAL's access is a peer of this file only, and is left out where it is not installed. It is asked for the same steps;
places are whole numbers for both. Places, supplies and costs are synthetic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from benchmarks.measure import Row, agree, compared, take_turns
from citylab.equity.access import Decay, Method, access

if TYPE_CHECKING:
    import pandas as pd

PLACES, SUPPLIES, MINUTES = 5_000, 500, 180
SEED = 0
PEER_BUDGET = 1.1
"""Our time over the peer's."""
STEPS = Decay.steps({10: 1, 20: 0.68, 30: 0.22}, unit="min")

Tables = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]


def tables(places: int = PLACES, supplies: int = SUPPLIES) -> Tables:
    """Synthetic persons, beds and minutes; there and back take different times."""
    rng = np.random.default_rng(SEED)
    demand = pl.DataFrame({"place": np.arange(places), "demand": rng.integers(1, 5_000, places)})
    supply = pl.DataFrame({"place": np.arange(supplies), "supply": rng.integers(1, 300, supplies)})
    ways = {"from": np.repeat(np.arange(places), supplies), "to": np.tile(np.arange(supplies), places),
            "cost": rng.uniform(1, MINUTES, places * supplies)}  # fmt: skip
    return demand, supply, pl.DataFrame(ways)


def ours(
    held: Tables, decay: Decay = STEPS, *, method: Method = "2sfca", selection: Decay | None = None
) -> pl.DataFrame:
    """Access of the places that have anything in reach."""
    found = access(*held, method=method, decay=decay, selection=selection)
    return found.filter(pl.col("n_in_reach") > 0).select("place", "access")


def in_pandas(held: Tables) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The tables as the peer takes them."""
    demand, supply, ways = (table.to_pandas() for table in held)
    return demand.set_index("place"), supply.set_index("place"), ways


def pysal(
    held: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame],
    weight: Callable[[float], float] | None = None,
    *,
    upper: float = STEPS.upper[-1],
    is_three: bool = False,
) -> pl.DataFrame:
    """The peer."""
    from access import fca, weights

    steps = weights.step_fn(dict(zip(STEPS.upper, STEPS.weights, strict=True)))
    found = (fca.three_stage_fca if is_three else fca.two_stage_fca)(
        *held, max_cost=upper, weight_fn=weight or steps, demand_index=True, demand_name="demand",
        supply_name="supply", cost_origin="from", cost_dest="to",
    )  # fmt: skip
    return pl.DataFrame({"place": found.index.to_numpy(), "access": found.to_numpy()})


def rows() -> Iterator[Row]:
    """Compare results, then time."""
    held = tables()
    contestants: dict[str, Callable[[], object]] = {"citylab": lambda: ours(held)}
    try:
        frames = in_pandas(held)
        agree(pysal(frames), ours(held), key=["place"])
        contestants["access (PySAL)"] = lambda: pysal(frames)
    except ImportError:
        pass
    work = f"E2SFCA, {PLACES:,} × {SUPPLIES:,}"
    yield from compared(work, take_turns(contestants, runs=3), budgets={"access (PySAL)": PEER_BUDGET})
