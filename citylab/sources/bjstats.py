"""Beijing Municipal Bureau of Statistics, and other offices of the city: census, district GDP, yearly figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from citylab import places, tables
from citylab.errors import DataError

CENSUS_YEARS = (2010, 2020)
PERSONS_PER_ROUNDED_UNIT = 1000
"""The 2010 table prints ten-thousands to one decimal: persons are known to the nearest thousand."""
CNY_PER_100M = 1e8
_ZONES = {"核心区": "core", "中心城区": "central", "其他十区": "outer"}


def parse_population(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read residents by district at the censuses of 2010 and 2020, on the sixteen districts of today.

    Returns
    -------
    polars.LazyFrame
        One row per district and census. The registered population is known for 2010 only.
    """
    (path,) = paths
    raw = pl.read_csv(path, schema_overrides={"adcode": pl.String})
    if unknown := set(raw["zone"]) - set(_ZONES):
        raise DataError(f"{path.name}: zone {sorted(unknown)} is not one of {sorted(_ZONES)}.")
    place = (
        "adcode",
        (pl.col("district_zh").str.strip_suffix("区") + "区").alias("district_name_zh"),
        pl.col("district_en").alias("district_name_en"),
        pl.col("zone").replace_strict(_ZONES).alias("zone"),
    )
    per_census = [
        raw.lazy().select(
            *place,
            pl.lit(year).alias("year"),
            pl.col(f"pop_resident_{year}").alias("population_persons"),
            (pl.col("pop_hukou_2010").cast(pl.Float64) if year == CENSUS_YEARS[0] else pl.lit(None, pl.Float64))
            .alias("registered_population_persons"),
            (pl.col(f"pop_resident_{year}") % PERSONS_PER_ROUNDED_UNIT == 0).alias("is_rounded"),
        )
        for year in CENSUS_YEARS
    ]  # fmt: skip
    return pl.concat(per_census)


def parse_gdp(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read GDP at current prices of the city, its districts and the development area.

    Returns
    -------
    polars.LazyFrame
        One row per area and year [CNY]. The development area lies in Daxing and Tongzhou: do not add it to them.
    """
    (path,) = paths
    raw = pl.read_csv(path)
    found = {name: places.resolve(name) for name in raw["area_zh"].unique()}
    columns: dict[str, dict[str, str]] = {
        "area_id": {name: place.adcode for name, place in found.items()},
        "area_level": {name: place.level for name, place in found.items()},
        "area_name_zh": {name: place.name_zh for name, place in found.items()},
        "area_name_en": {name: place.name_en for name, place in found.items()},
    }
    return raw.lazy().select(
        *(pl.col("area_zh").replace_strict(names).alias(column) for column, names in columns.items()),
        "year",
        (pl.col("gdp_100m_yuan") * CNY_PER_100M).round(0).alias("gdp_cny"),
    )


def parse_city_indicators(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read the yearly figures of the city that could be verified on a public page, in a long table.

    Rows that were derived by arithmetic are left out; a conflict between two publications is noted.

    Returns
    -------
    polars.LazyFrame
        One row per indicator and point in time. Indicators, labels, units and publishers are those of the declared
        table ``city_indicators``; a fraction of a year becomes a month by the declared table ``point_months``.
    """
    (path,) = paths
    raw = pl.read_csv(path)
    codes = tables.read("city_indicators")
    if unknown := set(raw["indicator"]) - set(codes["indicator_at_source"]):
        raise DataError(f"{path.name}: unknown indicator {sorted(unknown)}; add it to codes/city_indicators.csv.")
    whole = pl.col("year_point").floor()
    return (
        raw.lazy()
        .filter(pl.col("status").str.starts_with("verified"))
        .rename({"year": "year_point", "indicator": "indicator_at_source", "unit": "unit_at_source"})
        .join(codes.lazy(), on="indicator_at_source", how="left", validate="m:1")
        .join(tables.read("point_months").lazy(), on="year_point", how="left", validate="m:1")
        .select(
            "indicator", "indicator_label_zh", "indicator_label_en", "month", "value", "unit", "source",
            whole.cast(pl.Int64).alias("year"),
            pl.col("status").str.extract(r"\((.+)\)").alias("note"),
        )
    )  # fmt: skip
