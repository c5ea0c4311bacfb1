"""Synthetic samples that citylab makes itself: seeded, and said to be synthetic wherever they stand."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from citylab.population import travel

SAMPLE_TRIPS = 18_000
SAMPLE_SEED = 2025


def beijing_trips(inputs: Sequence[pl.LazyFrame]) -> pl.LazyFrame:
    """Make the sample of synthetic trips of Beijing: the first rows of the table of one seed.

    Parameters
    ----------
    inputs
        Published figures, residents by district, outlines of the districts, metro stations, in this order.

    Returns
    -------
    polars.LazyFrame
        One row per synthetic trip, see :func:`citylab.population.travel.synthesise`.
    """
    anchors, people, boundaries, stations = inputs
    return travel.synthesise(
        SAMPLE_TRIPS, seed=SAMPLE_SEED, anchors=anchors, people=people, boundaries=boundaries, stations=stations
    )
