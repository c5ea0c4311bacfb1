"""China Internet Network Information Center: statistical reports on internet development."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

PERSONS_PER_100M = 1e8


def parse_internet_use(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read internet users and penetration of China: total, urban, rural, aged 60 and over.

    Empty cells are figures that were not found, not zeros.

    Returns
    -------
    polars.LazyFrame
        One row per survey; ``month_start`` is the survey month.
    """
    (path,) = paths
    raw = pl.read_csv(path, schema_overrides={"urban_pct": pl.Float64, "age60plus_pct": pl.Float64})
    return raw.lazy().select(
        (pl.col("date") + "-01").str.to_date().alias("month_start"),
        (pl.col("netizens_100m") * PERSONS_PER_100M).round(0).alias("internet_users_persons"),
        pl.col("penetration_pct").alias("internet_use_pct"),
        pl.col("urban_pct").alias("internet_use_urban_pct"),
        pl.col("rural_pct").alias("internet_use_rural_pct"),
        pl.col("age60plus_pct").alias("internet_use_60plus_pct"),
        pl.col("report").alias("source"),
    )
