"""Throughput of the Chinese index by the hour, in both editions, on synthetic concentrations."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from benchmarks.measure import Disagreement, Row, take_turns
from citylab.air.indices import aqi, aqi_of, needed_columns

ROWS, RUNS, SEED = 5_000_000, 3, 0
EDITIONS = ("hj633-2012", "hj633-2026")
BUDGET_PER_S = 5e6
"""Rows a second that were asked for."""
SPREADS = {"pm25": 60.0, "pm10": 80.0, "so2": 20.0, "no2": 40.0, "co": 1.0, "o3": 60.0}
"""Means of the gamma distributions from which concentrations are drawn, in the unit of their column."""
MISSING_SHARE = 0.02
LOOKED_AT = (0, 1, 2, 1_000_003, ROWS - 1)
"""Rows at which the frame is compared with the index of one row."""


def hours(edition: str, rows: int = ROWS) -> pl.DataFrame:
    """Return synthetic concentrations in the columns that an edition asks for, two of a hundred missing."""
    rng = np.random.default_rng(SEED)
    made = {}
    for column in needed_columns(edition, period="hour"):
        drawn = rng.gamma(2.0, SPREADS[column.split("_")[0]] / 2.0, rows).round(3 if column.startswith("co") else 1)
        drawn[rng.random(rows) < MISSING_SHARE] = np.nan
        made[column] = pl.Series(drawn).fill_nan(None)
    return pl.DataFrame(made)


def check(frame: pl.DataFrame, found: pl.DataFrame, edition: str) -> None:
    """Raise :class:`~benchmarks.measure.Disagreement` unless rows of a frame have the index they have alone."""
    for at in LOOKED_AT:
        alone = aqi_of(edition=edition, period="hour", **frame.row(at, named=True)).value
        if found["aqi"][at] != alone:
            raise Disagreement(f"row {at} of {edition} has {found['aqi'][at]} among others and {alone} alone")


def rows() -> Iterator[Row]:
    """Compare some rows with the index of one row, then time all columns of the result."""
    for edition in EDITIONS:
        frame = hours(edition)
        check(frame, aqi(frame, edition=edition, period="hour"), edition)
        timing = take_turns({"citylab": lambda f=frame, e=edition: aqi(f, edition=e, period="hour")}, runs=RUNS)  # type: ignore[misc]
        wall, cpu = (float(np.median(s)) for s in (timing["citylab"].wall_s, timing["citylab"].cpu_s))
        yield Row(
            f"AQI by the hour, {edition}, synthetic, {ROWS:,} rows, all columns",
            "citylab",
            f"{ROWS / wall / 1e6:.1f} M rows/s",
            f"{cpu:.3f} s",
            budget=f"≥ {BUDGET_PER_S / 1e6:g} M rows/s",
            is_within=ROWS / wall >= BUDGET_PER_S,
        )
