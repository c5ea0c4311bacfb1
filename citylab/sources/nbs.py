"""National Bureau of Statistics: codes of towns and sub-districts, from the list Administrative-divisions-of-China.

References
----------
国家统计局《统计用区划代码和城乡划分代码》, through https://github.com/modood/Administrative-divisions-of-China.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from citylab.errors import DataError

TOWN_KINDS = {
    "subdistrict": range(0, 100),
    "town": range(100, 200),
    "township": range(200, 400),
    "zone": range(400, 600),
}
"""Meaning of the last three digits of a town's code: 街道, 镇, 乡, and units that are like a town but are none."""
TOWN_DIGITS = 3


def parse_towns(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read the towns and sub-districts of Beijing with the kind that their code says.

    Returns
    -------
    polars.LazyFrame
        One row per unit. Development zones have codes too: they lie across towns and are none (``town_kind`` is zone).

    Raises
    ------
    DataError
        A code whose last digits are of no known kind.
    """
    (path,) = paths
    raw = pl.read_csv(path, infer_schema=False)
    number = pl.col("code").str.tail(TOWN_DIGITS).cast(pl.Int64)
    kinds = {n: kind for kind, numbers in TOWN_KINDS.items() for n in numbers}
    towns = raw.select(
        pl.col("code").alias("town_code"),
        pl.col("name").alias("town_name_zh"),
        number.replace_strict(kinds, default=None, return_dtype=pl.String).alias("town_kind"),
        pl.col("areaCode").alias("adcode"),
        pl.col("areaName").alias("district_name_zh"),
    )
    if (odd := towns.filter(pl.col("town_kind").is_null())).height:
        raise DataError(
            f"{path.name}: codes {odd['town_code'].to_list()[:5]} are of no known kind; expected 001 to 599."
        )
    return towns.lazy()
