"""Gapminder, Systema Globalis: indicators of countries, compiled from the World Development Indicators and others.

References
----------
Free data from Gapminder.org, CC BY 4.0, https://github.com/open-numbers/ddf--gapminder--systema_globalis.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

REAL_GDP = "total_gdp_us_inflation_adjusted"
"""GDP at constant prices of 2015: WDI NY.GDP.MKTP.KD. The publisher's text also says 2010, of the exchange rates."""
INTERNET = {
    "internet_users": "internet_use_itu_pct",
    "cell_phones_per_100_people": "mobile_subscriptions_per_100",
    "broadband_subscribers_per_100_people": "fixed_broadband_per_100",
}
"""Access and use: WDI IT.NET.USER.ZS, IT.CEL.SETS.P2, IT.NET.BBND.P2, and our names for them."""


def parse_real_gdp(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read GDP at prices of 2015, the World Bank's constant-price series as Gapminder hands it on.

    Parameters
    ----------
    paths
        The stacked indicators, then the list of countries.

    Returns
    -------
    polars.LazyFrame
        One row per country and year [US$ 2015]. Codes are ISO 3166-1; Gapminder's own, lower-case ids are turned into
        them by its list, which leaves out what has no code (Kosovo, the Channel Islands).
    """
    return (
        _by_country(paths)
        .filter(pl.col("indicator") == REAL_GDP)
        .select("country_name_en", "country_code", "year", pl.col("value").alias("gdp_usd2015"))
    )


def parse_internet(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read internet users, mobile and fixed broadband subscriptions of countries, as Gapminder hands them on.

    Parameters
    ----------
    paths
        The stacked indicators, then the list of countries.

    Returns
    -------
    polars.LazyFrame
        One row per country and year for which any of the three is given; the others are null. A subscription is no
        person: there are countries with four mobile subscriptions a head.
    """
    values = [
        pl.col("value").filter(pl.col("indicator") == theirs).first().alias(ours) for theirs, ours in INTERNET.items()
    ]
    return (
        _by_country(paths)
        .filter(pl.col("indicator").is_in(list(INTERNET)))
        .group_by("country_name_en", "country_code", "year")
        .agg(values)
    )


def _by_country(paths: Sequence[Path]) -> pl.LazyFrame:
    """Return all indicators of the stack in long form, by ISO code; places without one are left out."""
    values, names = paths
    schema = {"geo": pl.String, "time": pl.Int64, "indicator": pl.String, "value": pl.Float64}
    countries = (
        pl.scan_csv(names, infer_schema=False)
        .select("country", "iso3166_1_alpha3", "name")
        .filter(pl.col("iso3166_1_alpha3").str.len_chars() == 3)
    )
    return (
        pl.scan_csv(values, schema=schema)
        .join(countries, left_on="geo", right_on="country", validate="m:1")
        .select(
            pl.col("name").alias("country_name_en"),
            pl.col("iso3166_1_alpha3").alias("country_code"),
            pl.col("time").alias("year"),
            "indicator",
            "value",
        )
    )
