"""The thresholds of ``space`` and ``speedtests``, read from the declared table ``space_rules``."""

from __future__ import annotations

from functools import cache

import polars as pl

from citylab import tables

TABLE = "space_rules"


@cache
def rule(name: str) -> float:
    """Return a threshold from the declared table ``space_rules``.

    Examples
    --------
    >>> rule("least_places")
    4.0
    """
    return float(tables.read(TABLE).row(by_predicate=pl.col("rule") == name, named=True)["value"])
