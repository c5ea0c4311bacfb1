"""Raking: a table of 14,400 cells and 22 million persons to five two-way margins, and 2.2 million synthetic residents.

The peer is ipfn, where it is installed (it is in no group of the project). For the table it gets the same array; its
own way with persons, a pandas frame, grows with the rows, so that it is timed on 50,000 and the ratio is one of times
per row: our whole raking against a single round of ipfn, which with pandas 3 goes on to its last round without coming
any nearer. The persons are synthetic.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from statistics import median

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.measure import Disagreement, Row, compared, take_turns
from citylab.population import synthetic
from citylab.stats import raking

CELLS = (16, 18, 2, 5, 5)
KEYS = ((0, 1), (0, 2), (1, 3), (3, 4), (0, 4))
PERSONS, PEER_PERSONS, RESIDENTS = 22_000_000, 50_000, 2_200_000
SEED = 0
TABLE_S, PERSONS_S, RESIDENTS_S = 0.006, 0.5, 60
PEER_TIMES = 100
TOLERANCE = 1e-6
"""Where both stop: ipfn's own measure is the largest relative distance of a margin."""
SAME = 1e-4
"""Largest relative difference of results, which both stop short of."""

Floats = npt.NDArray[np.float64]
N = "population_persons"
NAMES = "abcde"


def tables(cells: tuple[int, ...] = CELLS, persons: float = PERSONS) -> tuple[Floats, dict[tuple[int, int], Floats]]:
    """A seed, and five two-way margins of another table of the same total."""
    rng = np.random.default_rng(SEED)
    seed = rng.uniform(0.2, 1.2, cells)
    truth = seed * np.exp(0.3 * rng.standard_normal(cells))
    truth *= persons / truth.sum()
    return seed, {k: truth.sum(axis=tuple(i for i in range(5) if i not in k)) for k in KEYS}


def rows_of(persons: int, cells: tuple[int, ...] = CELLS) -> pl.DataFrame:
    """Persons with a weight each."""
    rng = np.random.default_rng(SEED)
    columns = {c: rng.integers(0, k, persons, dtype=np.uint8) for c, k in zip(NAMES, cells, strict=True)}
    return pl.DataFrame(columns).with_columns(w=pl.Series(rng.uniform(0.5, 1.5, persons)))


def frames(margins: dict[tuple[int, int], Floats]) -> list[pl.DataFrame]:
    """The margins as tables."""
    made = []
    for (a, b), values in margins.items():
        at = np.indices(values.shape).reshape(2, -1)
        made.append(pl.DataFrame({NAMES[a]: at[0], NAMES[b]: at[1], N: values.ravel()}))
    return made


def plain(seed: Floats, margins: dict[tuple[int, int], Floats], rounds: int = 50) -> Floats:
    """The textbook: ratios of sums, margin by margin."""
    table = seed.copy()
    for _, (k, target) in itertools.product(range(rounds), margins.items()):
        other = tuple(i for i in range(5) if i not in k)
        table *= np.expand_dims(target / table.sum(axis=other), other)
    return table


def check(cells: tuple[int, ...] = CELLS, persons: int = PEER_PERSONS) -> None:
    """Make sure that our two ways and the textbook agree; with the peer, where it is."""
    seed, margins = tables(cells, persons)
    expected = plain(seed, margins)
    found = raking.ipf(seed, margins).table
    if not np.allclose(found, expected, rtol=SAME):
        raise Disagreement(f"the table differs from the textbook's by up to {np.abs(found / expected - 1).max():g}")
    people = rows_of(persons, cells)
    raked = raking.rake(people, frames(margins), weight="w")
    off = raking.comparison(raked, frames(margins), weight="weight_raked")["difference_share"].abs().max()
    if not isinstance(off, float) or off > SAME:
        raise Disagreement(f"raked persons miss a margin by {off}")
    peer = _ipfn()
    if peer is not None:
        theirs = peer.ipfn(seed.copy(), list(margins.values()), [list(k) for k in margins], convergence_rate=TOLERANCE)
        if not np.allclose(theirs.iteration(), expected, rtol=SAME):
            raise Disagreement("ipfn's table is not ours")


def _ipfn():
    try:
        from ipfn import ipfn
    except ImportError:
        return None
    return ipfn


def _best(work, runs: int = 3) -> float:
    took = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        took.append(time.perf_counter() - start)
    return median(took)


def rows() -> Iterator[Row]:
    """Compare results, then time."""
    check()
    peer = _ipfn()
    seed, margins = tables()
    keys = [list(k) for k in margins]
    contestants = {
        "citylab": lambda: raking.ipf(seed, margins, tolerance=TOLERANCE),
        "textbook": lambda: plain(seed, margins, raking.ipf(seed, margins, tolerance=TOLERANCE).rounds),
    }
    if peer is not None:
        contestants["ipfn, array"] = lambda: peer.ipfn(
            seed.copy(), list(margins.values()), keys, convergence_rate=TOLERANCE
        ).iteration()  # fmt: skip
    work = "raking a table, 14,400 cells"
    timings = take_turns(contestants)
    for row in compared(work, timings):
        if row.who == "citylab":
            took = median(timings["citylab"].wall_s)
            row = Row(work, row.who, row.value, row.cpu, budget=f"≤ {TABLE_S:g} s", is_within=took <= TABLE_S)
        yield row
    people, targets = rows_of(PERSONS), frames(margins)
    took = _best(lambda: raking.rake(people, targets, weight="w", tolerance=TOLERANCE))
    work = "raking 22,000,000 persons to five two-way margins"
    yield Row(work, "citylab", f"{took:.3f} s", budget=f"≤ {PERSONS_S:g} s", is_within=took <= PERSONS_S)
    yield ipfn_row(work, took, peer)
    start = time.perf_counter()
    made = synthetic.synthesise(RESIDENTS, seed=SEED, workers=2).collect()
    took = time.perf_counter() - start
    if made.height != RESIDENTS:
        raise Disagreement(f"{made.height} residents came where {RESIDENTS} were asked for")
    work = "2,200,000 synthetic residents in households"
    yield Row(work, "citylab, 2 threads", f"{took:.1f} s", budget=f"≤ {RESIDENTS_S} s", is_within=took <= RESIDENTS_S)


def ipfn_row(work: str, ours_s: float, peer) -> Row:
    """Return the line of ipfn on a frame of persons, or the line that says why there is none."""
    who = f"ipfn, frame of {PEER_PERSONS:,}, 1 round"
    if peer is None:
        return Row(work, who, "not present: ipfn is not installed")
    _, margins = tables(persons=PEER_PERSONS)
    people = rows_of(PEER_PERSONS).to_pandas().rename(columns={"w": "total"})
    targets = [m.to_pandas().set_index(m.columns[:2])[N] for m in frames(margins)]
    names = [m.columns[:2] for m in frames(margins)]
    took = _best(
        lambda: peer.ipfn(people.copy(), targets, names, convergence_rate=TOLERANCE, max_iteration=1).iteration(),
        runs=1,
    )
    ratio = (ours_s / PERSONS) / (took / PEER_PERSONS)
    return Row(
        work,
        who,
        f"{took:.3f} s",
        ratio=ratio,
        budget=f"≤ {1 / PEER_TIMES:g} × a row",
        is_within=ratio <= 1 / PEER_TIMES,
    )
