"""World Bank, World Development Indicators: GDP at current prices and population of countries.

References
----------
World Bank. World Development Indicators, NY.GDP.MKTP.CD and SP.POP.TOTL, https://data.worldbank.org.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from citylab import tables


def parse_countries(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read GDP at current prices and population; regions and groups of countries are left out.

    Which codes are groups stands in the table ``worldbank_aggregates``. A code has the name of its newest row, because
    names change between the files.

    Parameters
    ----------
    paths
        The file of GDP, then that of population.

    Returns
    -------
    polars.LazyFrame
        One row per country and year; ``gdp_usd`` [current US$] is null where only the population is given, and the
        other way round.
    """
    gdp, population = paths
    groups = tables.read("worldbank_aggregates")["group_code"].to_list()
    schema = {"Country Name": pl.String, "Country Code": pl.String, "Year": pl.Int64, "Value": pl.Float64}

    def values(path: Path, name: str) -> pl.LazyFrame:
        rows = pl.scan_csv(path, schema=schema).rename({"Country Code": "country_code", "Year": "year", "Value": name})
        return rows.filter(~pl.col("country_code").is_in(groups))

    both = [values(gdp, "gdp_usd"), values(population, "population_persons")]
    names = (
        pl.concat([frame.select("country_code", "year", "Country Name") for frame in both])
        .group_by("country_code")
        .agg(pl.col("Country Name").sort_by("year").last().alias("country_name_en"))
    )
    money, people = (frame.drop("Country Name") for frame in both)
    joined = money.join(people, on=["country_code", "year"], how="full", coalesce=True, validate="1:1")
    return joined.join(names, on="country_code", how="left", validate="m:1")


DIGITAL = {
    "Individuals using the Internet (% of population)": "internet_use_itu_pct",
    "Mobile cellular subscriptions (per 100 people)": "mobile_subscriptions_per_100",
    "Fixed broadband subscriptions (per 100 people)": "fixed_broadband_per_100",
    "Secure Internet servers (per 1 million people)": "secure_servers_per_million",
    "Research and development expenditure (% of GDP)": "rd_gdp_pct",
    "ICT service exports (% of service exports, BoP)": "ict_service_exports_pct",
    "GDP per capita (current US$)": "gdp_per_capita_usd",
}
"""Digital indicators by the publisher's heads, and our names for them."""


def parse_digital(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read internet, phones, broadband, servers, R&D and income by country; regions and groups are left out.

    Returns
    -------
    polars.LazyFrame
        One row per country and year, null where the country has no figure. Which codes are groups stands in the table
        ``worldbank_aggregates``.
    """
    (path,) = paths
    groups = tables.read("worldbank_aggregates")["group_code"].to_list()
    return (
        pl.scan_csv(path, infer_schema=False)
        .filter(~pl.col("country").is_in(groups))
        .select(
            pl.col("country").alias("country_code"),
            pl.col("year").cast(pl.Int64),
            *(pl.col(theirs).cast(pl.Float64).alias(ours) for theirs, ours in DIGITAL.items()),
        )
    )
