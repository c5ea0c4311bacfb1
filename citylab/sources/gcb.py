"""Global Carbon Project: fossil CO2 of countries in the Global Carbon Budget, territorial and by consumption.

References
----------
Friedlingstein, P. et al. (2022). Global Carbon Budget 2022. Earth System Science Data 14, 4811-4900.
doi:10.5194/essd-14-4811-2022; data: doi:10.18160/gcp-2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from citylab.sources.measurements import must_touch

T_PER_MT = 1e6
CO2_PER_CARBON = 3.664
"""Mass of CO2 per mass of carbon as the Global Carbon Project uses it, not the 44/12 of the IPCC (0.07 % more)."""
NO_COUNTRIES = (
    "World", "Bunkers", "Statistical Difference", "KP Annex B", "Non KP Annex B", "OECD", "Non-OECD", "EU27",
    "Africa", "Asia", "Central America", "Europe", "Middle East", "North America", "Oceania", "South America",
)  # fmt: skip
"""Rows that are no country: the world, groups of countries, international transport and the balancing item."""
NEGATIVE_CONSUMPTION = 8
"""Country-years whose emissions by consumption are below zero in the release of 2022."""
ACCOUNTS = {"territorial": "co2_t", "consumption": "consumption_co2_t"}


def parse_countries(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read fossil CO2 of countries and groups, both accounts beside each other.

    The file gives carbon with six decimals and CO2 rounded to four; CO2 is taken from the carbon. The accounts of 2021
    differ in kind: by consumption there is only the world.

    Returns
    -------
    polars.LazyFrame
        One row per country or group and year: ``co2_t`` (territorial) and ``consumption_co2_t`` [t CO2], null where
        an account has no figure. ``is_country`` is false for :data:`NO_COUNTRIES`. Names are the publisher's.
    """
    (path,) = paths
    schema = {"account": pl.String, "country": pl.String, "year": pl.Int64, "mtc": pl.Float64, "mtco2": pl.Float64}
    mass = pl.col("mtc") * CO2_PER_CARBON * T_PER_MT
    made = (
        pl.scan_csv(path, schema=schema)
        .group_by(pl.col("country").alias("country_name_en"), "year")
        .agg(
            mass.filter(pl.col("account") == theirs).item(allow_empty=True).alias(ours)
            for theirs, ours in ACCOUNTS.items()
        )
        .with_columns((~pl.col("country_name_en").is_in(NO_COUNTRIES)).alias("is_country"))
    )
    return repair_negative_consumption(made.collect()).lazy()


def repair_negative_consumption(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the table with emissions by consumption that are below zero made null.

    Publisher: Global Carbon Project. Period: Panama 2003-2006 and 2011-2013, Venezuela 2018. Evidence: nobody consumes
    less than nothing; territorial emissions plus imports less exports went below 0 where exports are overestimated.

    Raises
    ------
    DataError
        Another number of rows than :data:`NEGATIVE_CONSUMPTION` is negative.
    """
    negative = pl.col("consumption_co2_t") < 0
    found = frame.filter(negative).height
    must_touch(found, NEGATIVE_CONSUMPTION, repair="repair_negative_consumption", what="below zero")
    return frame.with_columns(pl.when(~negative).then("consumption_co2_t").alias("consumption_co2_t"))
