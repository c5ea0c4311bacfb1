"""Carbon Emission Accounts and Datasets (CEADs): CO2 of Chinese cities and provinces by sector and fuel, 1997-2019.

The accounts are territorial (scope 1): fuels burnt and processes inside the boundary. Each recipe keeps the publisher's
finest rows and leaves its totals out, after making sure that they are the sums of what is kept, so that adding up a
column is safe.

References
----------
Shan, Y. et al. (2022). City-level emission peak and drivers in China. Science Bulletin 67, 1910-1920.
Shan, Y. et al. (2018). China CO2 emission accounts 1997-2015. Scientific Data 5, 170201. doi:10.1038/sdata.2017.201.
Guan, Y. et al. (2021). Assessment to China's recent emission pattern shifts. Earth's Future 9, e2021EF002241.
doi:10.1029/2021EF002241.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from citylab.errors import DataError

T_PER_MT = 1e6
FIRST_YEAR = 1997
"""First year of the accounts, by the titles of the publisher's workbooks."""
TOTAL_TOLERANCE_MT = 1e-6
"""The files carry six to nine decimals of a million tonnes; their totals are met to 1.1e-8."""

_TOTALS = ("Total", "Total Emissions")
_SCOPE_1 = "Scope 1 Total"
_SCOPE_2 = ("Scope 2 Heat", "Scope 2 Electricity")
_PROVINCE_NAMES = {"InnerMongolia": "Inner Mongolia"}


def parse_city_years(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read territorial CO2 of 290 cities.

    One row is left out: Guiyang 1995, before the accounts begin (the title says 1997 to 2019, no other city has it,
    and it stands at a third of Guiyang's next value, of 1999).

    Returns
    -------
    polars.LazyFrame
        One row per city and year [t CO2]; most cities have gaps. The name joins province and city, without 市.

    Raises
    ------
    DataError
        The file holds another number of rows before 1997 than the one that is known.
    """
    (path,) = paths
    raw = pl.read_csv(path, schema={"city_zh": pl.String, "year": pl.Int64, "co2_mt": pl.Float64})
    early = raw.filter(pl.col("year") < FIRST_YEAR)
    if early.select("city_zh", "year").rows() != [("贵州贵阳", 1995)]:
        raise DataError(
            f"{path.name}: rows before {FIRST_YEAR} are {early.rows()}, expected the one of Guiyang in 1995. The file "
            "is another edition: look at it before this repair is used on it."
        )
    kept = raw.lazy().filter(pl.col("year") >= FIRST_YEAR)
    return kept.select(pl.col("city_zh").alias("city_name_zh"), "year", (pl.col("co2_mt") * T_PER_MT).alias("co2_t"))


def parse_province_sectors(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read territorial CO2 of 30 provinces by 47 sectors.

    Returns
    -------
    polars.LazyFrame
        One row per province, year and sector [t CO2], without the publisher's totals.

    Raises
    ------
    DataError
        A total is not the sum of its sectors, or is missing.
    """
    (path,) = paths
    raw = pl.read_csv(path).with_columns(pl.col("province").replace(_PROVINCE_NAMES))
    keys, value = ["province", "year"], "scope1_co2_mt"
    is_total = pl.col("sector").is_in(_TOTALS)
    _check_totals(raw.filter(~is_total), raw.filter(is_total), keys, value, path.name)
    return (
        raw.lazy()
        .filter(~is_total)
        .select(
            pl.col("province").alias("province_name_en"),
            "year",
            pl.col("sector").alias("sector_at_source"),
            (pl.col(value) * T_PER_MT).alias("co2_t"),
        )
    )


def parse_beijing_sector_fuels(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read territorial CO2 of Beijing by 47 sectors and 18 fuels (processes among them).

    The publisher's columns for scope 2 (purchased heat and electricity) hold nothing but zeros for Beijing, in every
    sector and year, although the city buys most of its electricity: a zero there means *not estimated*. They are left
    out, and if they ever hold something this recipe refuses.

    Returns
    -------
    polars.LazyFrame
        One row per year, sector and fuel [t CO2], without the publisher's totals.

    Raises
    ------
    DataError
        A total is not the sum of its parts, or a column of scope 2 is not empty.
    """
    (path,) = paths
    raw = pl.read_csv(path)
    keys, value = ["year", "sector"], "co2_mt"
    scope_2 = raw.filter(pl.col("fuel").is_in(_SCOPE_2))
    if scope_2[value].max() != 0:
        raise DataError(f"{path.name}: scope 2 is no longer empty. Give it a data set of its own, beside scope 1.")
    parts = raw.filter(~pl.col("fuel").is_in([*_SCOPE_2, _SCOPE_1]))
    _check_totals(parts, raw.filter(fuel=_SCOPE_1), keys, value, path.name)
    is_total = pl.col("sector").is_in(_TOTALS)
    _check_totals(parts.filter(~is_total), parts.filter(is_total), ["year", "fuel"], value, path.name)
    return (
        parts.lazy()
        .filter(~is_total)
        .select(
            "year",
            pl.col("sector").alias("sector_at_source"),
            pl.col("fuel").alias("fuel_at_source"),
            (pl.col(value) * T_PER_MT).alias("co2_t"),
        )
    )


def _check_totals(parts: pl.DataFrame, totals: pl.DataFrame, keys: list[str], value: str, name: str) -> None:
    sums = parts.group_by(keys).agg(pl.col(value).sum().alias("_sum"))
    both = sums.join(totals.select(*keys, value), on=keys, how="full", coalesce=True)
    wrong = both.filter(((pl.col("_sum") - pl.col(value)).abs() > TOTAL_TOLERANCE_MT).fill_null(True))
    if wrong.height:
        raise DataError(
            f"{name}: {wrong.height} totals are missing or are not the sum of their parts; the first: {wrong.row(0)}."
        )
