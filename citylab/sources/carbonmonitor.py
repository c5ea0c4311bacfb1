"""Carbon Monitor: near-real-time CO2 of provinces of China and of cities worldwide.

References
----------
Cui, D. et al. (2021). Daily CO2 emission for China's provinces in 2019 and 2020. doi:10.5281/zenodo.4730175.
Huo, D. et al. (2022). Carbon Monitor Cities near-real-time daily estimates of CO2 emissions from 1500 cities
worldwide. Scientific Data 9, 533. doi:10.1038/s41597-022-01657-z.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from citylab import tables

T_PER_MT = 1e6
KG_PER_T = 1e3


def parse_province_months(paths: Sequence[Path]) -> pl.LazyFrame:
    """Add the daily figures of 31 provinces up to months, the finest step that is provincial at all.

    Within a month every province has the same daily shares in each sector: the days are a national pattern and would
    show no event of a province.

    Returns
    -------
    polars.LazyFrame
        One row per province, sector and month [t CO2].
    """
    (path,) = paths
    return (
        _province_days(path)
        .group_by(
            pl.col("province").alias("province_name_en"),
            "sector",
            pl.col("date").dt.truncate("1mo").alias("month_start"),
        )
        .agg((pl.col("co2_mt").sum() * T_PER_MT).alias("co2_t"))
    )


def parse_country_days(paths: Sequence[Path]) -> pl.LazyFrame:
    """Add the daily figures of 31 provinces up to the country: the only place whose days the source knows.

    Holiday labels are dropped: those of one sheet follow the calendar of another year, and
    :func:`citylab.periods.calendar` has them by date.

    Returns
    -------
    polars.LazyFrame
        One row per day and sector [t CO2], by day and sector.
    """
    (path,) = paths
    return (
        _province_days(path)
        .group_by(pl.col("date").alias("date_local"), "sector")
        .agg((pl.col("co2_mt").sum() * T_PER_MT).alias("co2_t"))
        .sort("date_local", "sector")
    )


def _province_days(path: Path) -> pl.LazyFrame:
    schema = {"date": pl.Date, "province": pl.String, "sector": pl.String, "co2_mt": pl.Float64, "holiday": pl.String}
    return pl.scan_csv(path, schema=schema)


def parse_city_years(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read annual CO2 of functional urban areas by sector.

    Returns
    -------
    polars.LazyFrame
        One row per city (UN/LOCODE), sector and year [t CO2].
    """
    (path,) = paths
    sectors = tables.read("sectors")
    codes = dict(zip(sectors["sector_at_source"], sectors["sector"], strict=True))
    return pl.scan_csv(path, infer_schema_length=None).select(
        pl.col("locode").alias("city_locode"),
        pl.col("city_name").alias("city_name_en"),
        "year",
        pl.col("sector").replace_strict(codes).alias("sector"),
        pl.col("GPC_refno").alias("gpc_ref"),
        (pl.col("emissions_value") / KG_PER_T).alias("co2_t"),
    )
