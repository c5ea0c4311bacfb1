"""Segregation of 2,000 units tested against chance by 500 draws: dissimilarity of two groups, H of four.

PySAL's segregation is a peer of this file only, and is left out where it is not installed. Values are compared exactly;
draws are each contestant's own, so that means by chance are compared within their Monte Carlo error. The peer starts
its processes in a run that is not timed. Of the nulls only the systematic one is compared: the peer's evenness (2.5.4)
wants a geometry and then fails on it. Counts are synthetic.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from benchmarks.measure import TOLERANCE, Disagreement, Row, compared, take_turns
from citylab.equity.segregation import Null, segregation, segregation_interval, segregation_test

if TYPE_CHECKING:
    import pandas as pd

UNITS, GROUPS, DRAWS = 2_000, 4, 500
PERSONS = 300
SEED = 0
PEER_BUDGET = 0.2
"""Our time over the peer's, for D. What is left of ours for H is mostly the drawing, which both do alike."""
ERRORS_APART = 5.0
"""Monte Carlo errors that means by chance may lie apart."""
MULTIGROUP = {
    "theil_h": "MultiInfoTheory", "dissimilarity": "MultiDissim", "gini": "MultiGini",
    "normalised_exposure": "MultiNormExposure", "relative_diversity": "MultiRelativeDiversity",
    "squared_variation": "MultiSquaredCoefVar",
}  # fmt: skip
TWO_GROUP = {
    "dissimilarity": "Dissim", "gini": "Gini", "theil_h": "Entropy", "atkinson": "Atkinson",
    "correlation_ratio": "CorrelationR", "isolation": "Isolation", "interaction": "Interaction",
}  # fmt: skip


def wide(units: int = UNITS) -> pl.DataFrame:
    """Synthetic counts, one row per unit and one column per group, unlike from unit to unit."""
    rng = np.random.default_rng(SEED)
    shares = rng.dirichlet([2.0, 4.0, 1.0, 3.0], units)
    counts = rng.multinomial(rng.poisson(PERSONS, units), shares)
    return pl.DataFrame(counts, schema=[f"g{i}" for i in range(GROUPS)]).with_row_index("unit")


def long(held: pl.DataFrame) -> pl.DataFrame:
    """The same, one row per unit and group."""
    return held.unpivot(index="unit", variable_name="group", value_name="persons")


def in_pandas(held: pl.DataFrame) -> pd.DataFrame:
    """The same as the peer takes it, with a total."""
    return held.drop("unit").with_columns(total=pl.sum_horizontal(pl.exclude("unit"))).to_pandas()


def values(held: pl.DataFrame) -> dict[str, float]:
    """All indices that the peer has too, by its names."""
    rows = long(held)
    found: dict[str, float] = {}
    for names, focal in ((MULTIGROUP, None), (TWO_GROUP, "g0")):
        told = segregation(rows, unit="unit", group="group", focal=focal, measures=list(names))
        found |= {names[m]: v for m, v in told.select("measure", "value").rows()}
    return found


def pysal_values(held: pl.DataFrame) -> dict[str, float]:
    """The same of the peer."""
    from segregation import multigroup, singlegroup

    frame, groups = in_pandas(held), [f"g{i}" for i in range(GROUPS)]
    found = {name: float(getattr(multigroup, name)(frame, groups).statistic) for name in MULTIGROUP.values()}
    return found | {
        name: float(getattr(singlegroup, name)(frame, "g0", "total").statistic) for name in TWO_GROUP.values()
    }


def ours(rows: pl.DataFrame, null: Null, focal: str | None, draws: int = DRAWS) -> tuple[float, float]:
    """Mean and standard deviation by chance."""
    measure = "theil_h" if focal is None else "dissimilarity"
    found = segregation_test(
        rows, unit="unit", group="group", focal=focal, measures=measure, null=null, draws=draws, seed=SEED
    )
    return found.select("expected", "sd").row(0)


def pysal(frame: pd.DataFrame, null: Null, focal: str | None, draws: int = DRAWS) -> tuple[float, float]:
    """The same of the peer."""
    from segregation.inference import SingleValueTest
    from segregation.multigroup import MultiInfoTheory
    from segregation.singlegroup import Dissim

    groups = [c for c in frame.columns if c != "total"]
    index = MultiInfoTheory(frame, groups) if focal is None else Dissim(frame, focal, "total")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.random.seed(SEED)
        drawn = SingleValueTest(index, iterations_under_null=draws, null_approach=null).est_sim
    return float(np.mean(drawn)), float(np.std(drawn, ddof=1))


def check(mine: tuple[float, float], theirs: tuple[float, float], draws: int = DRAWS) -> None:
    """Raise unless two means by chance lie within their Monte Carlo errors."""
    error = ((mine[1] ** 2 + theirs[1] ** 2) / draws) ** 0.5
    if not abs(mine[0] - theirs[0]) <= ERRORS_APART * error:
        raise Disagreement(f"means by chance {mine[0]:g} and {theirs[0]:g} lie more than {ERRORS_APART} errors apart")


def check_values(mine: dict[str, float], theirs: dict[str, float]) -> None:
    """Raise unless all indices are equal."""
    off = {name: abs(mine[name] - theirs[name]) for name in theirs}
    if not all(o <= TOLERANCE for o in off.values()):
        raise Disagreement(f"indices differ: { {n: o for n, o in off.items() if not o <= TOLERANCE} }")


def rows() -> Iterator[Row]:
    """Compare results, then time."""
    held = wide()
    table, size = long(held), f"{UNITS:,} units × {DRAWS} draws"
    frame = in_pandas(held)
    try:
        check_values(values(held), pysal_values(held))
        has_peer = True
    except ImportError:
        has_peer = False
    asked: list[tuple[str, Null, str | None]] = [
        ("D, 2 groups, systematic", "systematic", "g0"),
        ("H, 4 groups, systematic", "systematic", None),
    ]
    for what, null, focal in asked:
        contestants: dict[str, Callable[[], object]] = {"citylab": partial(ours, table, null, focal)}
        if has_peer:
            few = DRAWS // 5
            check(ours(table, null, focal, few), pysal(frame, null, focal, few), few)
            contestants["segregation (PySAL)"] = partial(pysal, frame, null, focal)
        timings = take_turns(contestants, runs=1)
        budgets = {"segregation (PySAL)": PEER_BUDGET} if focal else None
        yield from compared(f"{what}, {size}", timings, budgets=budgets)
    alone: dict[str, Callable[[], object]] = {
        "citylab": lambda: segregation_interval(table, unit="unit", group="group", seed=SEED)
    }
    yield from compared(f"intervals of 5 indices, 4 groups, {size}", take_turns(alone, runs=1))
