"""The city's people as cells, so that a policy runs at once and offline: synthetic, seeded, and said to be so."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from citylab.policy.reference import RATES
from citylab.policy.world import AMOUNTS, ATTRIBUTES, SAMPLE, World
from citylab.population import synthetic

SAMPLE_PERSONS = 100_000
SAMPLE_SEED = 2025
DIGITS = 6
"""Significant digits that are kept: far more than is known, and few enough to pack."""


def beijing_cells(inputs: Sequence[pl.LazyFrame]) -> pl.LazyFrame:
    """Collapse a sample of synthetic residents of Beijing to the cells of a policy run.

    Parameters
    ----------
    inputs
        Outlines of the districts and metro stations, in this order.

    Returns
    -------
    polars.LazyFrame
        One row per cell, see :class:`citylab.policy.world.World`; ``is_synthetic`` is true in every row.
    """
    boundaries, stations = inputs
    persons = synthetic.synthesise(SAMPLE_PERSONS, seed=SAMPLE_SEED, boundaries=boundaries, stations=stations)
    amounts = ("persons", "households", *AMOUNTS, *RATES, *SAMPLE)
    return (
        World.from_persons(persons)
        .table.lazy()
        .select(
            *ATTRIBUTES,
            *(pl.col(name).round_sig_figs(DIGITS) for name in amounts),
            is_synthetic=pl.lit(True),
        )
        .with_columns(pl.col("adcode").cast(pl.String))
        .sort(ATTRIBUTES)
    )
