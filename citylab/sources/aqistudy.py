"""aqistudy.cn, a private site that shows releases of the national monitoring centre: daily values of Beijing.

The files have no header. What each column holds was settled against the twelve stations of the UCI set 501: CO is in
mg/m³, and ozone is the highest 1-hour mean of the day (median difference 0.7 µg/m³; to the highest 8-hour mean it is
11).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from citylab.sources.measurements import must_touch

COLUMNS = ("city", "date", "aqi", "range", "level", "pm25", "pm10", "so2", "co", "no2", "o3", "rank")
"""Our names for the columns of the file, in their order; ``range`` and ``rank`` are of the site's own making."""
VARIABLE_MAP = {
    "date": "date_local",
    "aqi": "aqi",
    "level": "aqi_level_name_zh",
    "pm25": "pm25_ugm3",
    "pm10": "pm10_ugm3",
    "so2": "so2_ugm3",
    "co": "co_mgm3",
    "no2": "no2_ugm3",
    "o3": "o3_max1h_ugm3",
}
ZERO_PM10_DAYS = 1
_TEXT = ("city", "date", "range", "level")


def read_days(path: Path) -> pl.DataFrame:
    """Read one file as it is, with the names of :data:`COLUMNS`, without the byte order mark before the first city."""
    kinds: dict[str, pl.DataType] = {n: pl.String() if n in _TEXT else pl.Float64() for n in COLUMNS}
    raw = pl.read_csv(path, has_header=False, schema=kinds)
    return raw.with_columns(pl.col("city").str.strip_chars_start("\ufeff"))


def repair_zero_pm10(frame: pl.DataFrame, *, expected: int = ZERO_PM10_DAYS) -> pl.DataFrame:
    """Empty a daily mean of PM10 of zero.

    Publisher: aqistudy.cn. Evidence: PM2.5 of such a day is above zero, and PM10 holds PM2.5; the lowest other value of
    1,156 days is far from zero. (The site writes zero for a missing rank, too.)
    """
    zero = (pl.col("pm10") == 0) & (pl.col("pm25") > 0)
    must_touch(frame.select(zero.sum()).item(), expected, repair="repair_zero_pm10", what="days with PM10 of zero")
    return frame.with_columns(pl.when(~zero).then("pm10").alias("pm10"))


def parse_daily(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read the daily values of the city.

    Returns
    -------
    polars.LazyFrame
        One row per day: AQI and its level as published, concentrations [µg/m³; CO mg/m³], ozone as the highest hour.
    """
    raw = repair_zero_pm10(pl.concat([read_days(path) for path in paths]))
    return raw.lazy().select(
        pl.col("date").str.to_date("%Y-%m-%d").alias("date_local"),
        pl.col("aqi").cast(pl.Int64),
        *(pl.col(theirs).alias(ours) for theirs, ours in VARIABLE_MAP.items() if theirs not in {"date", "aqi"}),
    )
