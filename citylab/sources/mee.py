"""Ministry of Ecology and Environment with the National Bureau of Statistics: average grid emission factors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from citylab import tables


def parse_grid_factors(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read average electricity factors of provinces and regional grids.

    Returns
    -------
    polars.LazyFrame
        One row per province or regional grid and year [kg CO2/kWh]. English names come from the declared table
        ``grids``.
    """
    (path,) = paths
    return (
        pl.scan_csv(path)
        .join(tables.read("grids").lazy(), on=["level", "name_zh"], how="left", validate="m:1")
        .select(
            pl.col("level").alias("grid_level"),
            pl.col("name_zh").alias("grid_name_zh"),
            pl.col("name_en").alias("grid_name_en"),
            "year",
            pl.col("kgco2_per_kwh").alias("grid_factor_kgco2_kwh"),
        )
    )
