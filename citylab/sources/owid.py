"""Our World in Data: CO2 and greenhouse gases by country.

References
----------
Ritchie, H., Rosado, P., Roser, M. CO2 and Greenhouse Gas Emissions. OurWorldInData.org; Global Carbon Project (2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

T_PER_MT = 1e6
FIRST_YEAR = 1990
"""First year that is embedded; earlier years are sparse and seldom wanted beside a city."""
IN_MT = {
    "co2": "co2_t",
    "consumption_co2": "consumption_co2_t",
    "coal_co2": "coal_co2_t",
    "oil_co2": "oil_co2_t",
    "gas_co2": "gas_co2_t",
    "cement_co2": "cement_co2_t",
    "total_ghg": "ghg_co2e_t",
}
"""Columns that the publisher gives in million tonnes, and ours in tonnes."""
AS_IS = {
    "country": "country_name_en",
    "iso_code": "country_code",
    "year": "year",
    "population": "population_persons",
    "gdp": "gdp_usd2011",
    "co2_per_capita": "co2_per_capita_t",
    "primary_energy_consumption": "primary_energy_twh",
}


def parse_countries(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read countries from 1990 on; aggregates (World, continents, income groups) are left out.

    Returns
    -------
    polars.LazyFrame
        One row per country and year.
    """
    (path,) = paths
    is_country = pl.col("iso_code").str.contains(r"^[A-Z]{3}$")
    return (
        pl.scan_parquet(path)
        .filter(is_country, pl.col("year") >= FIRST_YEAR)
        .select(
            *(pl.col(theirs).alias(ours) for theirs, ours in AS_IS.items()),
            *((pl.col(theirs) * T_PER_MT).alias(ours) for theirs, ours in IN_MT.items()),
        )
    )
