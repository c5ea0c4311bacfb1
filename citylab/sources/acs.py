"""American Community Survey of the US Census Bureau: counties, as the Opioid Environment Policy Scan compiled them.

Only columns that are estimates of the survey are read; the compilers' own indices are left out. The survey's margins of
error are not in these files.

References
----------
US Census Bureau, American Community Survey, 5-year estimates 2014-2018 and 2015-2019 (table B28002 for the internet).
Healthy Regions & Policies Lab, Opioid Environment Policy Scan v2, https://github.com/healthyregions/oeps.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from citylab import units

FIPS_DIGITS = 5
PERCENT_PER_SHARE = 100.0
SAME_UNIT = {
    "TotPop": "population_persons",
    "Ovr65P": "age_65plus_pct",
    "DisbP": "disability_pct",
    "BlackP": "black_pct",
    "HispP": "hispanic_pct",
    "AmIndP": "native_american_pct",
    "EduNoHsP": "no_high_school_pct",
    "BachelorsP": "bachelor_degree_pct",
    "GradSclP": "graduate_degree_pct",
    "PovP": "poverty_pct",
    "UnempP": "unemployment_pct",
    "GiniCoeff": "income_gini",
    "MedInc": "median_personal_income_usd2018",
    "PciE": "per_capita_income_usd2018",
}
"""Columns that keep their unit, and our names for them."""


def county_fips(column: str) -> pl.Expr:
    """Return the code of a county with its leading zero, which number-minded files lose for the states 01 to 09.

    Examples
    --------
    >>> pl.DataFrame({"id": ["1001", "48269"]}).select(county_fips("id"))["county_fips"].to_list()
    ['01001', '48269']
    """
    return pl.col(column).str.zfill(FIPS_DIGITS).alias("county_fips")


def parse_counties(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read households without internet (2015-2019) and the people of the counties (2014-2018).

    The two tables stand in different orders and are joined by code. Children are a share in the file and per cent here,
    square miles become square kilometres; nothing is filled.

    Parameters
    ----------
    paths
        The table of 2019, then that of 2018.

    Returns
    -------
    polars.LazyFrame
        One row per county of the table of 2019; what the table of 2018 lacks is null.
    """
    internet, people = (pl.scan_csv(path, infer_schema=False) for path in paths)
    people = people.select(
        county_fips("FIPS"),
        *(pl.col(theirs).cast(pl.Float64).alias(ours) for theirs, ours in SAME_UNIT.items()),
        (pl.col("ChildrenP").cast(pl.Float64) * PERCENT_PER_SHARE).round(1).alias("children_pct"),
        units.convert(pl.col("AreaSqMi").cast(pl.Float64), "mi²", "km²").round(2).alias("land_area_km2"),
    )
    return internet.select(
        county_fips("FIPS"), pl.col("NoIntP").cast(pl.Float64).alias("households_no_internet_pct")
    ).join(people, on="county_fips", how="left", validate="1:1")
