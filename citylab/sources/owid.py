"""Our World in Data: CO2, greenhouse gases and energy by country.

References
----------
Ritchie, H., Rosado, P., Roser, M. CO2 and Greenhouse Gas Emissions. OurWorldInData.org; Global Carbon Project (2024).
Ritchie, H., Rosado, P., Roser, M. Energy. OurWorldInData.org; Energy Institute, Ember, EIA.
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
REGIONS = (
    "World", "Africa", "Asia", "Europe", "North America", "Oceania", "South America", "European Union (27)",
    "High-income countries", "Upper-middle-income countries", "Lower-middle-income countries", "Low-income countries",
)  # fmt: skip
"""Groups of countries that are embedded: the world, continents, the European Union and incomes. They overlap."""
IN_TWH = {
    "primary_energy_consumption": "primary_energy_twh",
    "coal_consumption": "coal_energy_twh",
    "oil_consumption": "oil_energy_twh",
    "gas_consumption": "gas_energy_twh",
    "nuclear_consumption": "nuclear_energy_twh",
    "hydro_consumption": "hydro_energy_twh",
    "solar_consumption": "solar_energy_twh",
    "wind_consumption": "wind_energy_twh",
    "electricity_generation": "electricity_twh",
}
"""Columns of the energy file that the publisher gives in terawatt-hours, as we do."""
IN_PERCENT = {
    "fossil_share_energy": "fossil_energy_share",
    "renewables_share_energy": "renewables_energy_share",
}
PERCENT = 100.0
_ISO = r"^[A-Z]{3}$"


def parse_countries(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read countries from 1990 on; aggregates (World, continents, income groups) are left out.

    Returns
    -------
    polars.LazyFrame
        One row per country and year.
    """
    (path,) = paths
    return _emissions(pl.scan_parquet(path).filter(pl.col("iso_code").str.contains(_ISO)), "country_name_en")


def parse_regions(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read the world and the groups of countries in :data:`REGIONS` from 1990 on.

    The world holds international transport, which no country's total does. GDP is given for the world alone, and not
    for every year.

    Returns
    -------
    polars.LazyFrame
        One row per group and year.
    """
    (path,) = paths
    return _emissions(pl.scan_parquet(path).filter(pl.col("country").is_in(REGIONS)), "area_name_en")


def _emissions(rows: pl.LazyFrame, name: str) -> pl.LazyFrame:
    kept = {**AS_IS, "country": name}
    return rows.filter(pl.col("year") >= FIRST_YEAR).select(
        *(pl.col(theirs).alias(ours) for theirs, ours in kept.items()),
        *((pl.col(theirs) * T_PER_MT).alias(ours) for theirs, ours in IN_MT.items()),
    )


def parse_energy(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read the energy of countries from 1990 on, from either release (their columns stand in another order).

    The releases are different vintages and revise the past: never join them in one series. The older one has a few
    countries (Myanmar, Ivory Coast, Kosovo) without a code; they are left out with the aggregates.

    Returns
    -------
    polars.LazyFrame
        One row per country and year [TWh, shares]. Primary energy counts nuclear power and renewables by substitution:
        the fuel that would have been burnt for them.
    """
    (path,) = paths
    raw = pl.scan_csv(path, infer_schema=False)
    numbers = {n: pl.col(n).cast(pl.Float64) for n in (*IN_TWH, *IN_PERCENT)}
    return (
        raw.filter(pl.col("iso_code").str.contains(_ISO))
        .with_columns(pl.col("year").cast(pl.Int64))
        .filter(pl.col("year") >= FIRST_YEAR)
        .select(
            pl.col("country").alias("country_name_en"),
            pl.col("iso_code").alias("country_code"),
            "year",
            *(numbers[theirs].alias(ours) for theirs, ours in IN_TWH.items()),
            *((numbers[theirs] / PERCENT).alias(ours) for theirs, ours in IN_PERCENT.items()),
        )
    )
