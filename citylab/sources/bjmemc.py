"""Beijing Municipal Ecological and Environmental Monitoring Center: where the stations stand.

Two lists circulate, of the national centre (24 stations, four decimals) and of the KDD Cup 2018 organisers (35
stations, three decimals). They disagree by up to 2.9 km, and neither names its datum. The table keeps one position per
station and says how far the sources are apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

DISPUTED_M = 500.0
"""Spread [m] above which a position counts as disputed: several times the rounding of three decimals (about 55 m)."""
SPELLING = {"pingchang": "changping", "yanqin": "yanqing"}
"""Misspelt station ids of the KDD list and the places that they mean (昌平, 延庆)."""
NAMES_EN = {
    "aotizhongxin": "Aotizhongxin (Olympic Sports Center)",
    "nongzhanguan": "Nongzhanguan (Agricultural Exhibition)",
}
"""English names that are more than the capitalised id."""


def parse_stations(paths: Sequence[Path]) -> pl.LazyFrame:
    """Compile one checked table of positions from the cross-walk of the two lists.

    The national list wins where it has the station (more decimals, the operator's own). A station is disputed where
    the lists differ by more than :data:`DISPUTED_M`, or where its district depends on whether the coordinates are
    read as WGS-84 or GCJ-02. ``position_spread_m`` is the geodesic distance that the cross-walk states.

    Returns
    -------
    polars.LazyFrame
        One row per station of the municipal network of 2018; ``adcode`` is the district of the position read as WGS-84.
    """
    (path,) = paths
    text = ["cnemc_code", "district_adcode_if_wgs84", "district_adcode_if_gcj02"]
    raw = pl.read_csv(path, schema_overrides={c: pl.String for c in text})
    stem = pl.col("kdd_station_id").str.strip_suffix("_aq").replace(SPELLING)
    far_apart = (pl.col("position_spread_m") > DISPUTED_M).fill_null(False)
    other_district = pl.col("district_adcode_if_wgs84") != pl.col("district_adcode_if_gcj02")
    return (
        raw.lazy()
        .with_columns(stem.alias("station_id"))
        .with_columns(pl.col("kdd_to_cnemc_m").cast(pl.Float64).alias("position_spread_m"))
        .select(
            "station_id",
            pl.col("name_zh").alias("station_name_zh"),
            pl.col("station_id").replace_strict(NAMES_EN, default=pl.col("station_id").str.to_titlecase())
            .alias("station_name_en"),
            pl.col("cnemc_code").alias("station_id_cnemc"),
            pl.col("kdd_station_id").alias("station_id_kdd"),
            pl.col("kdd_type").alias("station_type"),
            pl.coalesce("cnemc_lon", "kdd_lon").alias("longitude_deg"),
            pl.coalesce("cnemc_lat", "kdd_lat").alias("latitude_deg"),
            "position_spread_m",
            (far_apart | other_district).alias("is_position_disputed"),
            pl.col("district_adcode_if_wgs84").alias("adcode"),
        )
    )  # fmt: skip
