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
    values, names = paths
    schema = {"geo": pl.String, "time": pl.Int64, "indicator": pl.String, "value": pl.Float64}
    countries = (
        pl.scan_csv(names, infer_schema=False)
        .select("country", "iso3166_1_alpha3", "name")
        .filter(pl.col("iso3166_1_alpha3").str.len_chars() == 3)
    )
    return (
        pl.scan_csv(values, schema=schema)
        .filter(pl.col("indicator") == REAL_GDP)
        .join(countries, left_on="geo", right_on="country", validate="m:1")
        .select(
            pl.col("name").alias("country_name_en"),
            pl.col("iso3166_1_alpha3").alias("country_code"),
            pl.col("time").alias("year"),
            pl.col("value").alias("gdp_usd2015"),
        )
    )
