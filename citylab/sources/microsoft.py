"""Microsoft, US broadband usage percentages: what providers say they offer beside what is seen in use.

References
----------
Kahan, J. & Lavista Ferres, J. (2020). United States Broadband Usage Percentages Data Set,
https://github.com/microsoft/USBroadbandUsagePercentages.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from citylab.sources.acs import county_fips

MISSING = "-"
"""What the county files print where they have no value, padded with blanks."""
MONTHS = (dt.date(2019, 11, 1), dt.date(2020, 10, 1))
"""Months of use of the two county files, in the order of the declaration."""
AVAILABLE, USED = " BROADBAND AVAILABILITY PER FCC ", " BROADBAND USAGE "
ZIP_DIGITS = 5


def _share(column: str) -> pl.Expr:
    """Return a share as a number, null where the file prints its mark."""
    text = pl.col(column).str.strip_chars()
    return pl.when(text != MISSING).then(text).cast(pl.Float64)


def parse_counties(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read broadband by county, as offered and as used, in November 2019 and in October 2020.

    Parameters
    ----------
    paths
        The file of 2019, then that of 2020.

    Returns
    -------
    polars.LazyFrame
        One row per county and month. Codes have five digits; a share is null where the publisher prints a dash.
    """
    frames = [
        pl.scan_csv(path, infer_schema=False, encoding="utf8").select(
            county_fips("COUNTY ID"),
            pl.lit(month).alias("month_start"),
            pl.col("ST").alias("state_code"),
            pl.col("COUNTY NAME").str.strip_chars().alias("county_name_en"),
            _share(AVAILABLE).alias("broadband_available_share"),
            _share(USED).alias("broadband_use_share"),
        )
        for path, month in zip(paths, MONTHS, strict=True)
    ]
    return pl.concat(frames)


def parse_postal_areas(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read broadband in use by ZIP code in 2020, with the errors that the publisher's noise for privacy adds.

    Returns
    -------
    polars.LazyFrame
        One row per ZIP code and county: some codes lie in two counties.
    """
    (path,) = paths
    return pl.scan_csv(path, infer_schema=False).select(
        pl.col("POSTAL CODE").str.zfill(ZIP_DIGITS).alias("postal_code"),
        county_fips("COUNTY ID"),
        pl.col("ST").alias("state_code"),
        pl.col("COUNTY NAME").alias("county_name_en"),
        pl.col("BROADBAND USAGE").cast(pl.Float64).alias("broadband_use_share"),
        pl.col("ERROR RANGE (MAE)(+/-)").cast(pl.Float64).alias("broadband_use_mae_share"),
        pl.col("ERROR RANGE (95%)(+/-)").cast(pl.Float64).alias("broadband_use_error95_share"),
        pl.col("MSD").cast(pl.Float64).alias("broadband_use_bias"),
    )
