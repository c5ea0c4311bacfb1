"""US EPA's NowCast of particles: the weighted mean of the latest hours that stands for the present one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import polars as pl

from citylab.errors import DataError
from citylab.frames import keys_of

NOWCAST_HOURS = 12
"""Hours that NowCast looks back: US EPA, EPA-454/B-24-002, NowCast of particles; verified."""
NOWCAST_RECENT_HOURS = 3
"""Latest hours of which NowCast needs :data:`NOWCAST_RECENT_VALID`; same source."""
NOWCAST_RECENT_VALID = 2
"""Valid values that NowCast needs among the latest :data:`NOWCAST_RECENT_HOURS`; same source."""
NOWCAST_LEAST_WEIGHT = 0.5
"""Least weight factor of NowCast for particles; same source."""
_SECONDS_PER_HOUR = 3600


def nowcast_expr(
    column: str, *, by: str | Sequence[str] | None = "station_id", time: str = "datetime_local"
) -> pl.Expr:
    r"""Return US EPA's NowCast of hourly particle concentrations.

    Hours that are absent drop out and keep their place, whether their row is missing or its value null.

    Parameters
    ----------
    column
        Hourly means of PM2.5 or PM10 [µg/m³].
    by
        Grouping columns; ``None`` takes the whole frame as one series.
    time
        Column of naive local datetimes, one row per group and hour, in any order.

    Returns
    -------
    polars.Expr
        Concentration [µg/m³], not yet truncated; null unless two of the latest three hours are there.

    Raises
    ------
    DataError
        On collecting: two rows of one series in one hour.

    Notes
    -----
    :math:`w = \max(c_{min}/c_{max},\ 0.5)` over the 12 hours and :math:`\sum w^i c_i / \sum w^i`, i hours ago.

    Examples
    --------
    >>> import datetime as dt
    >>> hours = [dt.datetime(2024, 6, 1, h) for h in range(12)]
    >>> newest_last = [10.0, 12.0, 15.0, 15.0, 18.0, 20.0, 20.0, 25.0, 30.0, 40.0, 45.0, 50.0]
    >>> frame = pl.DataFrame({"datetime_local": hours, "pm25_ugm3": newest_last})
    >>> frame.select(nowcast_expr("pm25_ugm3", by=None).round(3)).to_series()[-1]
    44.508

    References
    ----------
    US EPA, Technical Assistance Document for the Reporting of Daily Air Quality, EPA-454/B-24-002 (2024).
    """
    keys = keys_of(by)
    told = pl.struct(*(pl.col(k).alias(f"key_{i}") for i, k in enumerate(keys)), hour=time, value=column)
    return told.map_batches(partial(_nowcast, keys=len(keys)), return_dtype=pl.Float64())


def _nowcast(told: pl.Series, *, keys: int) -> pl.Series:
    import numpy as np

    names = [f"key_{i}" for i in range(keys)]
    rows = told.struct.unnest().with_row_index("row").sort([*names, "hour"])
    one = np.zeros(rows.height, dtype=np.uint32)
    group = rows.select(pl.struct(names).rle_id()).to_series().to_numpy() if names else one
    seconds = rows["hour"].dt.epoch("s").to_numpy()
    value = rows["value"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    value = np.where(np.isfinite(value) & (value >= 0), value, np.nan)
    n = rows.height
    seen = np.full((NOWCAST_HOURS, n), np.nan)
    age = np.zeros((NOWCAST_HOURS, n))
    for k in range(min(NOWCAST_HOURS, n)):
        age[k, k:] = (seconds[k:] - seconds[: n - k]) / _SECONDS_PER_HOUR
        same = group[k:] == group[: n - k]
        if k == 1 and (same & (age[1, 1:] == 0)).any():
            at = rows["hour"][1 + int(np.argmax(same & (age[1, 1:] == 0)))]
            raise DataError(f"NowCast needs one row per series and hour; {at} is there twice. Drop one of the rows.")
        seen[k, k:] = np.where(same & (age[k, k:] < NOWCAST_HOURS), value[: n - k], np.nan)
    there = ~np.isnan(seen)
    highest = np.where(there, seen, -np.inf).max(axis=0)
    lowest = np.where(there, seen, np.inf).min(axis=0)
    ratio = np.divide(lowest, highest, out=np.ones(n), where=highest > 0)
    power = np.where(there, np.maximum(ratio, NOWCAST_LEAST_WEIGHT) ** age, 0.0)
    recent = (there & (age < NOWCAST_RECENT_HOURS)).sum(axis=0) >= NOWCAST_RECENT_VALID
    total, weight = (power * np.where(there, seen, 0.0)).sum(axis=0), power.sum(axis=0)
    mean = np.divide(total, weight, out=np.full(n, np.nan), where=recent)
    found = np.empty(n)
    found[rows["row"].to_numpy()] = mean
    return pl.Series(told.name, found).fill_nan(None)
