"""Open-Meteo: daily temperature of the grid cell over the centre of Beijing, from ECMWF reanalyses.

A reanalysis cell is no station: it is a mean over kilometres, its extremes are milder, and the models behind it change
with the years.

References
----------
Zippenfenig, P. (2023). Open-Meteo.com Weather API. doi:10.5281/zenodo.7970649. Contains modified Copernicus
information.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

VARIABLE_MAP = {"temperature_2m_max_c": "temperature_max_c", "temperature_2m_min_c": "temperature_min_c"}


def parse_daily(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read highest and lowest temperature by day of Beijing time.

    Returns
    -------
    polars.LazyFrame
        One row per day [°C].
    """
    kinds: dict[str, pl.DataType] = {"date": pl.Date(), **dict.fromkeys(VARIABLE_MAP, pl.Float64())}
    raw = pl.scan_csv(list(paths), schema=kinds)
    return raw.select(
        pl.col("date").alias("date_local"), *(pl.col(theirs).alias(ours) for theirs, ours in VARIABLE_MAP.items())
    )
