"""Coverage of the bootstrap of persons for segregation, size of its tests by chance and of its comparison of two years.

100 units of equal size, two groups of 20 and 80 percent, persons drawn by lot. Where there is segregation, the share of
the first group varies from unit to unit by a beta distribution drawn once (H about .045, D about .22). Dissimilarity
takes absolute differences, and cannot be below 0: where units are all alike its interval is no interval of 0, and where
they are not it covers less often than it says, the more so the smaller the units. H does better. The test by chance
keeps its size however small the units are, and is what answers whether there is any segregation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from calibration import Row, share
from citylab.equity.segregation import segregation, segregation_difference, segregation_interval, segregation_test

UNITS, FIRST_SHARE, SPREAD = 100, 0.2, 20.0
LEVEL, DRAWS = 0.95, 199
INTERVAL_SIZES, TEST_SIZES, COMPARED = (30, 100, 500), (10, 100), 100
MEASURES = ["dissimilarity", "theil_h"]
ASK: dict[str, Any] = {"unit": "unit", "group": "group"}


def long(counts: np.ndarray, **columns: pl.Expr) -> pl.DataFrame:
    """One row per unit and group."""
    wide = pl.DataFrame(counts, schema=["a", "b"]).with_row_index("unit")
    return wide.unpivot(index="unit", variable_name="group", value_name="persons").with_columns(**columns)


def probabilities(rng: np.random.Generator, *, is_even: bool) -> np.ndarray:
    """Return the probability of each unit and group."""
    even = np.full(UNITS, FIRST_SHARE)
    first = even if is_even else rng.beta(FIRST_SHARE * SPREAD, (1 - FIRST_SHARE) * SPREAD, UNITS)
    return np.stack([first, 1 - first], axis=-1) / UNITS


def drawn(rng: np.random.Generator, p: np.ndarray, size: int) -> np.ndarray:
    """Return counts of persons drawn by lot."""
    return rng.multinomial(size * UNITS, p.ravel()).reshape(p.shape)


def run(n: int, seed: int) -> list[Row]:
    """Return coverage of intervals, and size of tests, over ``n`` samples each."""
    rng = np.random.default_rng(seed)
    uneven, even = probabilities(rng, is_even=False), probabilities(rng, is_even=True)
    true = segregation(long(uneven), **ASK, focal="a", measures=MEASURES)["value"]
    rows = []
    for size in INTERVAL_SIZES:
        held = []
        for i in range(n):
            found = segregation_interval(
                long(drawn(rng, uneven, size)), **ASK, focal="a", measures=MEASURES, draws=DRAWS, level=LEVEL, seed=i
            )
            held.append(((found["lower"] <= true) & (true <= found["upper"])).to_list())
        for name, hits in zip("DH", np.transpose(held), strict=True):
            rows.append(share(f"{name}, interval, {UNITS} units of {size}", LEVEL, hits))
    for size in TEST_SIZES:
        rejected = [
            segregation_test(
                long(drawn(rng, even, size)), **ASK, focal="a", measures="dissimilarity", draws=DRAWS, seed=i
            )["p"].item()
            <= 1 - LEVEL
            for i in range(n)
        ]
        rows.append(share(f"D, test by chance (permutation), {UNITS} units of {size}, all alike", 1 - LEVEL, rejected))
    for method in ("bootstrap", "random_label"):
        rejected = []
        for i in range(n):
            # Units that stay what they are, or units of both years drawn from one kind.
            kinds = [uneven if method == "bootstrap" else probabilities(rng, is_even=False) for _ in range(2)]
            years = [long(drawn(rng, p, COMPARED), year=pl.lit(at)) for at, p in enumerate(kinds)]
            found = segregation_difference(
                pl.concat(years), **ASK, of="year", between=(0, 1), focal="a", measures="theil_h", method=method,
                draws=DRAWS, seed=i,
            )  # fmt: skip
            rejected.append(found["p"].item() <= 1 - LEVEL)
        rows.append(share(f"H, two years alike, {method}, {UNITS} units of {COMPARED}", 1 - LEVEL, rejected))
    return rows
