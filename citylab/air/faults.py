"""Synthetic faults and synthetic stations, to measure what quality control finds. Nothing here is an observation.

:func:`plant_faults` puts known faults into a series, real or synthetic, and says where;
:func:`citylab.air.quality.fault_scores` compares that with the flags.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import polars as pl

from citylab.air.averages import POLLUTANTS
from citylab.errors import RangeError, suggest
from citylab.frames import need_columns

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# Length in hours, and how many per station and pollutant in a year; the sizes are those of faults seen in practice.
_HOURS_PER_YEAR = 8760
_LENGTHS = {"stuck": 30, "drift": 1440, "unit_swap": 48, "negative": 3}
_PER_YEAR = {
    **{"sentinel": 12, "negative": 12, "out_of_range": 6, "stuck": 8, "spike": 24},
    **{"drift": 1, "unit_swap": 4, "pm25_above_pm10": 24, "duplicate": 12, "gap": 12},
}
_CODES = (-999.0, 9999.0, 99999.0)
_ONE_POLLUTANT = {"unit_swap": "co_mgm3", "pm25_above_pm10": "pm25_ugm3"}
_OF_ROWS = ("duplicate", "gap")
_TYPICAL = {"pm25_ugm3": 60.0, "pm10_ugm3": 100.0, "so2_ugm3": 15.0, "no2_ugm3": 45.0, "co_mgm3": 1.0, "o3_ugm3": 60.0}


def synthetic_stations(*, stations: int = 6, days: int = 365, seed: int = 0) -> pl.DataFrame:
    """Return hourly concentrations of a synthetic network, free of faults.

    A lognormal first-order autoregression that all stations share, times each station's level, times a smaller one of
    its own, with a daily course; PM10 is PM2.5 and a coarse part. Values are rounded to 0.1 (CO 0.01).

    Parameters
    ----------
    stations, days
        Size of the network.
    seed
        Seed of the generator; the same seed gives the same frame.

    Returns
    -------
    polars.DataFrame
        One row per station and hour, sorted: ``station_id`` (``synthetic_00``...), ``datetime_local``, six pollutants.

    Examples
    --------
    >>> synthetic_stations(stations=2, days=3).shape
    (144, 8)
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    hours = days * 24

    def wander(memory: float, spread: float) -> npt.NDArray[np.float64]:
        steps = rng.normal(0.0, spread * np.sqrt(1 - memory**2), hours)
        out = np.empty(hours)
        out[0] = rng.normal(0.0, spread)
        for i in range(1, hours):
            out[i] = memory * out[i - 1] + steps[i]
        return out

    shared = {c: wander(0.985, 0.5) for c in POLLUTANTS}
    clock = np.arange(hours) % 24
    start = dt.datetime(2015, 1, 1)
    stamps = pl.datetime_range(start, start + dt.timedelta(hours=hours - 1), "1h", time_unit="ms", eager=True)
    frames = []
    for i in range(stations):
        columns: dict[str, object] = {"station_id": [f"synthetic_{i:02d}"] * hours, "datetime_local": stamps}
        for c in POLLUTANTS:
            course = 1 + 0.3 * np.sin(2 * np.pi * (clock - 9) / 24) * (1 if c == "o3_ugm3" else -0.5)
            level = _TYPICAL[c] * np.exp(rng.normal(0.0, 0.15))
            values = level * course * np.exp(shared[c] + wander(0.9, 0.12) + rng.normal(0.0, 0.04, hours))
            columns[c] = np.round(values, 2 if c == "co_mgm3" else 1)
        coarse = np.exp(wander(0.95, 0.3)) * 40
        columns["pm10_ugm3"] = np.round(np.asarray(columns["pm25_ugm3"]) + coarse, 1)
        frames.append(pl.DataFrame(columns))
    return pl.concat(frames)


def plant_faults(
    frame: pl.DataFrame, *, seed: int, kinds: Sequence[str] = tuple(_PER_YEAR), rate: float = 1.0
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return a copy of a frame with synthetic faults, and the list of what was planted where.

    Parameters
    ----------
    frame
        One row per ``station_id`` and ``datetime_local``, hourly, with pollutant columns.
    seed
        Seed of the generator; the same seed plants the same faults.
    kinds
        Which faults, names out of :data:`citylab.air.quality.CHECKS`.
    rate
        Multiple of the usual number of faults a year.

    Returns
    -------
    tuple of polars.DataFrame
        The frame with faults, sorted; and the truth, one row per station, hour and column with a planted fault:
        ``station_id``, ``datetime_local``, ``column`` (``row`` for duplicates and gaps, a gap at the row after it),
        ``fault``. Faults do not overlap. A drift is ramped up to threefold within 20 days and held for 40; only hours
        at more than twice the level are in the truth. A spike is one hour at two to
        eight times its value plus one to five typical levels.

    Raises
    ------
    UnknownNameError
        No such kind, or one that cannot be planted.
    RangeError
        ``rate`` is not positive.

    Examples
    --------
    >>> faulty, truth = plant_faults(synthetic_stations(stations=1, days=30), seed=1, kinds=["sentinel"])
    >>> truth["fault"].unique().to_list()
    ['sentinel']
    """
    import numpy as np

    for kind in kinds:
        if kind not in _PER_YEAR:
            raise suggest(kind, _PER_YEAR, what="fault to plant", see="citylab.air.faults.plant_faults")
    if not rate > 0:
        raise RangeError(f"rate is {rate}; expected a positive multiple, for example 1.0.")
    need_columns(frame.lazy(), {"station_id": "station", "datetime_local": "hour"}, what="plant_faults")
    rng = np.random.default_rng(seed)
    frame = frame.sort("station_id", "datetime_local")
    names = [c for c in POLLUTANTS if c in frame.columns]
    columns = {c: frame[c].cast(pl.Float64).fill_null(np.nan).to_numpy().copy() for c in names}
    taken = {c: ~np.isfinite(v) for c, v in columns.items()}
    changes = frame["station_id"].ne_missing(frame["station_id"].shift()).to_numpy()[1:]
    bounds = [int(b) for b in np.flatnonzero(np.r_[True, changes, True])]
    copies, dropped, truth = [], np.zeros(frame.height, dtype=bool), []
    # The longest first, so that the short ones find room beside them.
    order = sorted(kinds, key=lambda k: -_LENGTHS.get(k, 1))
    for first, last in pairwise(bounds):
        for kind in order:
            targets = ["row"] if kind in _OF_ROWS else [_ONE_POLLUTANT[kind]] if kind in _ONE_POLLUTANT else names
            for c in targets:
                if c != "row" and c not in names:
                    continue
                usual = _PER_YEAR[kind] * rate * (last - first) / _HOURS_PER_YEAR
                length = min(_LENGTHS.get(kind, 1), (last - first) // 3)
                margin = 30 if kind == "drift" else 12
                for _ in range(max(1, round(usual))):
                    among = names if c == "row" else [c]
                    at = _room(rng, taken, among, first, last, length, margin, alone=kind != "drift")
                    if at is None:
                        continue
                    span = slice(at, at + length)
                    if c == "row":
                        gone = int(rng.integers(1, 6)) if kind == "gap" else 0
                        dropped[at - gone : at] = True
                        copies += [at] if kind == "duplicate" else []
                        truth.append((at, "row", kind))
                    else:
                        hit = _spoil(rng, kind, columns, c, span)
                        truth += [(i, c, kind) for i in np.arange(at, at + length)[hit]]
                        for partner in names if kind == "pm25_above_pm10" else [c]:
                            taken[partner][at - 2 : at + length + 2] = True
                    if c == "row":
                        for name in names:
                            taken[name][at - 8 : at + 3] = True
    rows = frame.with_columns(pl.Series(c, v).fill_nan(None) for c, v in columns.items())
    where = pl.DataFrame(truth, schema={"__row": pl.Int64, "column": pl.String, "fault": pl.String}, orient="row")
    stamps = rows.select("station_id", "datetime_local").with_row_index("__row").cast({"__row": pl.Int64})
    found = where.join(stamps, on="__row", how="left").select("station_id", "datetime_local", "column", "fault")
    faulty = pl.concat([rows.filter(~pl.Series(dropped)), rows[copies]]) if copies else rows.filter(~pl.Series(dropped))
    return faulty.sort("station_id", "datetime_local", maintain_order=True), found


def _room(
    rng: np.random.Generator,
    taken: dict[str, npt.NDArray[np.bool_]],
    names: Sequence[str],
    first: int,
    last: int,
    length: int,
    margin: int,
    *,
    alone: bool,
) -> int | None:
    """Return where a fault of some hours finds only untouched values, or nothing after many tries."""
    for _ in range(200):
        if last - first <= length + 2 * margin:
            return None
        at = int(rng.integers(first + margin, last - length - margin))
        share = max(float(taken[c][at - 8 : at + length + 3].mean()) for c in names)
        if share == 0 or (not alone and share < 0.1):
            return at
    return None


def _spoil(
    rng: np.random.Generator, kind: str, columns: dict[str, npt.NDArray[np.float64]], c: str, span: slice
) -> npt.NDArray[np.bool_]:
    """Write a fault into a column and return which of its hours carry it."""
    import numpy as np

    values = columns[c]
    part = values[span]
    hit = np.isfinite(part)
    if kind == "sentinel":
        values[span] = rng.choice(_CODES)
    elif kind == "negative":
        values[span] = -np.round(rng.uniform(1, 10, len(part)) * _TYPICAL[c] / 50, 3)
    elif kind == "out_of_range":
        values[span] = 400 * _TYPICAL[c] * rng.uniform(1, 2)
    elif kind == "stuck":
        values[span] = max(part[0], _TYPICAL[c])
    elif kind == "spike":
        values[span] = np.round(part * rng.uniform(2, 8, len(part)) + rng.uniform(1, 5) * _TYPICAL[c], 1)
    elif kind == "drift":
        ramp = np.exp(np.log(3.0) * np.minimum(1, np.arange(len(part)) / (len(part) / 3)))
        values[span] = part * ramp
        return hit & (ramp > 2.0)
    elif kind == "unit_swap":
        values[span] = part * (1000.0 if rng.random() < 0.5 else 0.001)
    elif kind == "pm25_above_pm10":
        values[span] = np.round(columns["pm10_ugm3"][span] * rng.uniform(1.05, 1.5, len(part)) + 1, 1)
    return hit
