"""Speedtest by Ookla: mean speeds of volunteers' tests by Web-Mercator tile.

The data are under CC BY-NC-SA 4.0: not for commercial use, and nothing made from them may be shared under other terms.

References
----------
Speedtest by Ookla Global Fixed and Mobile Network Performance Maps, https://github.com/teamookla/ookla-open-data.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl


def parse_tiles(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read the tiles of one quarter.

    Returns
    -------
    polars.LazyFrame
        One row per network and tile; longitude and latitude [WGS-84] are of the tile's centre. ``quadkey`` stays text:
        as a number it would lose its leading zeros and with them its place.
    """
    (path,) = paths
    whole = ("avg_d_kbps", "avg_u_kbps", "avg_lat_ms", "lon", "lat")
    return pl.scan_csv(path, infer_schema=False).select(
        "network",
        "quadkey",
        *(
            pl.col(theirs).cast(pl.Float64).alias(ours)
            for theirs, ours in zip(
                whole, ("download_kbps", "upload_kbps", "latency_msec", "longitude_deg", "latitude_deg"), strict=True
            )
        ),
        pl.col("tests").cast(pl.Int64).alias("speedtest_count"),
        pl.col("devices").cast(pl.Int64).alias("device_count"),
    )
