"""The same draws here, and on one and on two Dask worker processes of this machine.

Workers are started before the clock. What is timed is a synthetic simulation: draws by people's cells by years, in
blocks, reduced to yearly sums. Results must be equal to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from benchmarks.measure import Disagreement, Row, compared, take_turns
from citylab import scale
from citylab.stats.draws import draws

DRAWS, BLOCK, CELLS, YEARS = 4096, 64, 5_000, 10
SEED = 1
ROUNDS = 3

Floats = npt.NDArray[np.float64]


def simulated(start: int, stop: int) -> Floats:
    """Return tonnes by draw and year."""
    cells = np.linspace(0.2, 3.0, CELLS)
    share = draws(SEED, "share", start, stop, low=0.1, high=0.4)[:, None]
    elasticity = draws(SEED, "elasticity", start, stop, distribution="normal", central=-0.3, sd=0.1)[:, None]
    price = cells**elasticity
    return np.stack([(price * (1 - share) ** year * cells).sum(axis=1) for year in range(YEARS)], axis=1)


def rows() -> Iterator[Row]:
    """Compare results, then time."""
    with scale.connect(workers=1) as one, scale.connect(workers=2) as two:
        contestants = {
            "citylab": lambda: scale.map_draws(simulated, DRAWS, block=BLOCK, client=two),
            "1 worker": lambda: scale.map_draws(simulated, DRAWS, block=BLOCK, client=one),
            "no cluster": lambda: scale.map_draws(simulated, DRAWS, block=BLOCK),
        }
        results = [work() for work in contestants.values()]
        if not all(np.array_equal(results[0], other) for other in results[1:]):
            raise Disagreement("draws differ with the number of workers")
        timings = take_turns(contestants, runs=ROUNDS)
    work = f"{DRAWS:,} draws × {CELLS:,} cells × {YEARS} years, 2 Dask workers"
    # Seconds of all cores are those of this process, not of the workers
    for row in compared(work, timings):
        yield Row(row.work, row.who, row.value, ratio=row.ratio)
