"""Eurostat: people who use the internet every day, by country and region.

References
----------
Eurostat, isoc_r_iuse_i, indicator I_IDAY, unit PC_IND: individuals aged 16 to 74 who used the internet daily.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

COUNTRY_LETTERS = 2


def nuts_level(code: str = "nuts_code") -> pl.Expr:
    """Return the level of a NUTS code: 0 for a country, one more for each further character.

    Examples
    --------
    >>> pl.DataFrame({"nuts_code": ["DE", "DE1", "DE11"]}).select(nuts_level())["nuts_level"].to_list()
    [0, 1, 2]
    """
    return (pl.col(code).str.len_chars().cast(pl.Int64) - COUNTRY_LETTERS).alias("nuts_level")


def parse_daily_internet(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read daily internet users by country and region, 2006 to 2019.

    Returns
    -------
    polars.LazyFrame
        One row per region and year. Countries and their regions stand in one column at the publisher; ``nuts_level``
        tells them apart, so that nobody is counted twice.
    """
    (path,) = paths
    schema = {"geo": pl.String, "time": pl.Int64, "pct_daily_users": pl.Float64}
    return pl.scan_csv(path, schema=schema).select(
        pl.col("geo").alias("nuts_code"),
        nuts_level("geo"),
        pl.col("geo").str.slice(0, COUNTRY_LETTERS).alias("nuts_country"),
        pl.col("time").alias("year"),
        pl.col("pct_daily_users").alias("internet_daily_use_pct"),
    )
