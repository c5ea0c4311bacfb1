"""Where the wind comes from and what it brings: wind roses, CPF, percentile roses, bivariate polar surfaces.

Directions are where the wind comes from, clockwise from north. Instruments and archives round them (16 points in many
Chinese records, 10° elsewhere), and sectors that do not fit that rounding hold more of it in some directions than in
others; every function here looks at the rounding first. A record that lies on the edge of two sectors counts half in
each. Hours follow each other, so that intervals which take them as independent, as those here do, are too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from citylab.errors import DataError, RangeError, SchemaError, need_level, suggest
from citylab.frames import Frame, keys_of, lazily, need_columns, need_numbers

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

Method = Literal["gam", "kernel", "bins"]
Statistic = Literal["mean", "median", "max", "count", "cpf"]

SPEED, DIRECTION = "wind_speed_ms", "wind_direction_deg"
CIRCLE = 360.0
ROUNDINGS = (45.0, 30.0, 22.5, 20.0, 15.0, 10.0, 5.0)
"""Steps in which archives record directions [degrees]; finer ones do not trouble a rose."""
SECTOR_DEG = 30.0
"""Width of a sector where the data allow it: openair's ``windRose``; secondary."""
SPEED_CLASSES = 4
"""Number of speed breaks, one ``speed_step_ms`` apart: openair's ``windRose``; secondary."""
DIRECTION_BIN_DEG = 10.0
SPEED_BINS = 30
"""Bins of a bivariate polar plot: openair's ``polarPlot``; secondary."""
KERNEL_SPEEDS, KERNEL_STEP_DEG = 40, 5.0
SPEED_SPREAD_MS, DIRECTION_SPREAD_DEG = 0.5, 4.0
"""Levels of speed, step of direction and standard deviations of the kernels of nonparametric wind regression: openair's
``polarPlot`` with ``statistic = "nwr"``; secondary."""
BIN_WEIGHTS = (0.25, 0.5, 0.75)
"""Weights of bins with one, two and three records in the smooth surface, 1 from four on: openair; secondary."""
EXCLUDE_SHARE = 0.05
"""Distance from the nearest bin beyond which the surface is not drawn, as a share of the grid's width: openair."""
BASIS = 100
GRID = 201
"""Dimension of the spline and cells along each side of its grid: openair's ``polarPlot``; secondary."""
MIN_N = 10
"""Records below which a sector is called scarce; citylab's choice within the usual 5 to 10."""
_ON_EDGE = 1e-9
_SEEN_SHARE = 0.5  # of a rounding's directions; with fewer, a rounding is not told from chance
_FEWEST_BINS = 10
_MIN_PER_SECTOR = 2
_GRID_OF_LAMBDA = np.logspace(-10, 6, 81)


# reading


@dataclass(frozen=True)
class _Group:
    key: tuple[object, ...]
    speed: Floats
    direction: Floats
    value: Floats  # all zero where no value was asked for
    missing: int


def _groups(
    frame: Frame,
    value: str | None,
    keys: list[str],
    speed: str,
    direction: str,
    calm_ms: float,
    what: str,
) -> Iterator[_Group]:
    """Read the columns and yield the complete records of each group; a calm needs no direction."""
    lf, _ = lazily(frame)
    notes = {speed: "wind speed", direction: "where the wind comes from", **dict.fromkeys(keys, "group")}
    schema = need_columns(lf, notes | ({value: "value"} if value else {}), what=what)
    numbers = [speed, direction, *([value] if value else [])]
    need_numbers(schema, numbers, what=what)
    table = lf.select(*keys, *(pl.col(c).cast(pl.Float64).fill_nan(None) for c in numbers)).collect()
    if table.is_empty():
        raise DataError(f"{what} was given a frame without rows.")
    _refuse_wind(table, speed, direction, value, what)
    parts = table.sort(keys, maintain_order=True).partition_by(keys, maintain_order=True) if keys else [table]
    whole = pl.col(speed).is_not_null() & (pl.col(direction).is_not_null() | (pl.col(speed) <= calm_ms))
    for part in parts:
        told = part.filter(whole & pl.col(value).is_not_null() if value else whole)
        yield _Group(
            part.select(keys).row(0) if keys else (),
            told[speed].to_numpy(),
            told[direction].fill_null(math.nan).to_numpy() % CIRCLE,
            told[value].to_numpy() if value else np.zeros(told.height),
            part.height - told.height,
        )


def _refuse_wind(table: pl.DataFrame, speed: str, direction: str, value: str | None, what: str) -> None:
    wrong = {
        f"{direction!r} outside 0 to 360": table.filter(~pl.col(direction).is_between(0, CIRCLE)).height,
        f"{speed!r} below zero or infinite": table.filter((pl.col(speed) < 0) | pl.col(speed).is_infinite()).height,
    }
    if value:
        wrong[f"{value!r} infinite"] = table.filter(pl.col(value).is_infinite()).height
    if told := "; ".join(f"{n} rows with {where}" for where, n in wrong.items() if n):
        raise DataError(f"{what} found {told}. Set sentinels such as 999 to null first (citylab.air.quality).")


def _recorded(groups: Sequence[_Group], given: float | None) -> float | None:
    """Return the step in which directions are recorded, ``None`` where it is fine or cannot be told."""
    if given is not None:
        if not 0 < given <= CIRCLE:
            raise RangeError(f"recorded_deg is {given}; expected the step of the recorded directions, such as 10.")
        return given
    seen = np.unique(np.concatenate([g.direction[np.isfinite(g.direction)] for g in groups]))
    if not seen.size:
        return None
    for step in ROUNDINGS:
        in_steps = seen / step
        if np.abs(in_steps - np.round(in_steps)).max() < 1e-6 and seen.size >= _SEEN_SHARE * CIRCLE / step:
            return step
    return None


# sectors


def _sums(place: npt.NDArray[np.int64], weight: Floats, places: int) -> Floats:
    """Return the sum of weights in each place."""
    return np.bincount(place, weights=weight, minlength=places).astype(np.float64)


@dataclass(frozen=True)
class _Sectors:
    width: float
    recorded: float | None

    @property
    def count(self) -> int:
        return round(CIRCLE / self.width)

    @property
    def centres(self) -> Floats:
        return np.arange(self.count, dtype=np.float64) * self.width

    def share(self, direction: Floats) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:
        """Return which record counts in which sector with which weight; one on an edge counts half in both."""
        place = direction / self.width + 0.5
        upper = np.floor(place + _ON_EDGE).astype(np.int64)
        edge = np.abs(place - np.round(place)) < _ON_EDGE
        record = np.concatenate([np.arange(direction.size), np.flatnonzero(edge)])
        sector = np.concatenate([upper, upper[edge] - 1]) % self.count
        weight = np.concatenate([np.where(edge, 0.5, 1.0), np.full(int(edge.sum()), 0.5)])
        return record, sector, weight

    def recordable(self) -> Floats:
        """Return how many of the recorded directions each sector holds."""
        assert self.recorded is not None
        _, sector, weight = self.share(np.arange(0, CIRCLE, self.recorded))
        return _sums(sector, weight, self.count)


def _sectors(groups: Sequence[_Group], sector_deg: float | None, recorded_deg: float | None, what: str) -> _Sectors:
    recorded = _recorded(groups, recorded_deg)
    if sector_deg is None:
        sector_deg = recorded if recorded and not _fits(SECTOR_DEG, recorded) else SECTOR_DEG
    if not (0 < sector_deg <= CIRCLE / 2 and abs(CIRCLE / sector_deg - round(CIRCLE / sector_deg)) < _ON_EDGE):
        raise RangeError(f"sector_deg is {sector_deg}; expected a width that divides 360, such as 30 or 22.5.")
    if recorded and not _fits(sector_deg, recorded):
        good = [w for k in (1, 2, 3, 4) if _fits(w := k * recorded, recorded) and (CIRCLE / w).is_integer()]
        raise DataError(
            f"{what}: sectors of {sector_deg:g}° do not fit directions recorded in steps of {recorded:g}°: some "
            f"would hold twice as many as others in any wind. Take {' or '.join(f'{w:g}' for w in good)} degrees."
        )
    return _Sectors(float(sector_deg), recorded)


def _fits(width: float, recorded: float) -> bool:
    """Return whether sectors hold the recorded directions evenly, or two at least, so that counts can be mended."""
    if not (CIRCLE / recorded).is_integer() or not (CIRCLE / width).is_integer():
        return True
    held = _Sectors(width, recorded).recordable()
    return bool(np.ptp(held) < _ON_EDGE and held[0] > 0) or held.min() >= _MIN_PER_SECTOR


def _named(keys: list[str], rows: list[dict[str, Any]], schema: dict[str, Any], what: str) -> pl.LazyFrame:
    if taken := set(keys) & set(schema):
        raise SchemaError(f"{what} gives columns of the names {sorted(taken)} itself. Rename them in the frame.")
    groups = pl.DataFrame([r.pop("_key") for r in rows], schema=keys, orient="row") if keys else None
    for row in rows:
        row.pop("_key", None)
    parts = [pl.DataFrame(row, schema_overrides=schema).cast(schema) for row in rows]  # type: ignore[arg-type]
    if groups is not None:
        parts = [pl.concat([groups[i].select(pl.all().repeat_by(p.height).explode()), p], how="horizontal")
                 for i, p in enumerate(parts)]  # fmt: skip
    return pl.concat(parts).lazy()


def wind_rose(
    frame: Frame,
    *,
    by: str | Sequence[str] | None = None,
    sector_deg: float | None = None,
    speed_step_ms: float = 2.0,
    breaks: Sequence[float] | None = None,
    calm_ms: float = 0.0,
    bias_correction: bool = True,
    recorded_deg: float | None = None,
    speed: str = SPEED,
    direction: str = DIRECTION,
) -> Frame:
    """Return how often the wind blew from each sector in each class of speed.

    Parameters
    ----------
    frame
        One row per record of the wind.
    by
        Columns that name groups, one rose each; ``None`` takes the frame as one.
    sector_deg
        Width of the sectors, the first centred on north [degrees]. Default: 30, or the rounding of the data where 30
        does not fit it (22.5 for directions on 16 points).
    speed_step_ms
        Width of the first four classes of speed; the fifth is open [m/s].
    breaks
        Upper bounds of the classes in place of equal steps [m/s]; the last class is open.
    calm_ms
        Speeds up to this one are calms, with no direction [m/s].
    bias_correction
        Mend counts where sectors hold unequal numbers of the recorded directions (22.5° sectors of directions in tens
        hold two or three).
    recorded_deg
        Step in which directions are recorded [degrees]; default: found in the data.
    speed, direction
        Columns of the wind speed [m/s] and of where the wind comes from [degrees].

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group, sector and class, empty ones too: the columns of ``by``; ``sector_deg`` (its middle) and
        ``sector_width_deg``; ``speed_from_ms`` (not included) and ``speed_to_ms`` (included; null in the open class);
        ``n`` (records; halves where a direction lies between two sectors); ``share`` of all records of known wind; and
        repeated in each row ``calm_share``, ``n_total`` (known wind, calms included), ``n_missing``,
        ``recorded_deg`` and ``is_corrected``. Shares and ``calm_share`` add to one.

    Raises
    ------
    SchemaError
        A column is missing or holds no numbers.
    DataError
        Directions outside 0 to 360, negative speeds, no rows, or sectors that the data's rounding cannot fill evenly.
    RangeError
        A width that does not divide 360, or classes that do not rise.

    Notes
    -----
    The correction is Applequist's: counts times the mean number of recorded directions in a sector over that in
    theirs, here scaled so that spokes and calms still add to one, which openair's ``windRose`` leaves out. It mends
    counts, not directions: the share of a sector stays an estimate.

    Examples
    --------
    >>> wind = pl.DataFrame({"wind_speed_ms": [1.0, 3.0, 0.0, 1.5], "wind_direction_deg": [0.0, 90.0, None, 350.0]})
    >>> wind_rose(wind).filter(pl.col("n") > 0).select("sector_deg", "speed_to_ms", "share", "calm_share").rows()
    [(0.0, 2.0, 0.5, 0.25), (90.0, 4.0, 0.25, 0.25)]

    References
    ----------
    Applequist (2012), Wind Rose Bias Correction, Journal of Applied Meteorology and Climatology 51(7), 1305-1309.
    doi:10.1175/JAMC-D-11-0193.1
    """
    what = "wind_rose"
    _, back = lazily(frame)
    keys = keys_of(by)
    steps = [speed_step_ms * i for i in range(1, SPEED_CLASSES + 1)]
    bounds: Floats = np.array(steps if breaks is None else list(breaks), dtype=np.float64)
    if not (bounds.size and np.isfinite(bounds).all() and (np.diff([calm_ms, *bounds]) > 0).all() and calm_ms >= 0):
        raise RangeError(
            f"Classes end at {bounds.tolist()} m/s and calms at {calm_ms}; expected rising bounds above the calms."
        )
    groups = list(_groups(frame, None, keys, speed, direction, calm_ms, what))
    sectors = _sectors([_moving(g, calm_ms) for g in groups], sector_deg, recorded_deg, what)
    uneven = bool(sectors.recorded) and bool(np.ptp(sectors.recordable()) > _ON_EDGE)
    mend = sectors.recordable().mean() / sectors.recordable() if uneven and bias_correction else None
    rows = [_rose(g, sectors, bounds, calm_ms, mend) for g in groups]
    schema = {
        "sector_deg": pl.Float64, "sector_width_deg": pl.Float64, "speed_from_ms": pl.Float64,
        "speed_to_ms": pl.Float64, "n": pl.Float64, "share": pl.Float64, "calm_share": pl.Float64,
        "n_total": pl.Int64, "n_missing": pl.Int64, "recorded_deg": pl.Float64, "is_corrected": pl.Boolean,
    }  # fmt: skip
    return back(_named(keys, rows, schema, what))


def _moving(group: _Group, calm_ms: float) -> _Group:
    moves = group.speed > calm_ms
    return _Group(group.key, group.speed[moves], group.direction[moves], group.value[moves], group.missing)


def _rose(group: _Group, sectors: _Sectors, bounds: Floats, calm_ms: float, mend: Floats | None) -> dict[str, Any]:
    moving = _moving(group, calm_ms)
    record, sector, weight = sectors.share(moving.direction)
    classes = bounds.size + 1
    of_speed = np.searchsorted(bounds, moving.speed, side="left")[record]
    cells = sectors.count * classes
    n = _sums(sector * classes + of_speed, weight, cells).reshape(-1, classes)
    total, moved = group.speed.size, moving.speed.size
    mended = n if mend is None else n * mend[:, None]
    scale = moved / mended.sum() if moved else 1.0
    share = (mended * scale / total).ravel() if total else [None] * cells
    return {
        "_key": group.key,
        "sector_deg": np.repeat(sectors.centres, classes),
        "sector_width_deg": [sectors.width] * cells,
        "speed_from_ms": np.tile([calm_ms, *bounds], sectors.count),
        "speed_to_ms": [*bounds.tolist(), None] * sectors.count,
        "n": n.ravel(),
        "share": share,
        "calm_share": [(total - moved) / total if total else None] * cells,
        "n_total": [total] * cells,
        "n_missing": [group.missing] * cells,
        "recorded_deg": [sectors.recorded] * cells,
        "is_corrected": [mend is not None] * cells,
    }


# sectors and concentrations


def cpf(
    frame: Frame,
    value: str,
    *,
    percentile: float | tuple[float, float] = 90.0,
    by: str | Sequence[str] | None = None,
    sector_deg: float | None = None,
    calm_ms: float = 0.0,
    min_n: int = MIN_N,
    level: float = 0.95,
    recorded_deg: float | None = None,
    speed: str = SPEED,
    direction: str = DIRECTION,
) -> Frame:
    """Return the conditional probability function: how often high values come with wind from each sector.

    Parameters
    ----------
    frame
        One row per record.
    value
        Column of the concentration.
    percentile
        Percentile of all values above which a value is high [0..100]; two give an interval, its upper end included.
    by, sector_deg, calm_ms, recorded_deg, speed, direction
        As in :func:`wind_rose`; calms count for the percentile, not for a sector.
    min_n
        Records below which a sector is marked as scarce.
    level
        Level of the interval.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group and sector: the columns of ``by``, ``sector_deg``, ``sector_width_deg``, ``n``, ``n_above``,
        ``cpf_share`` = ``n_above`` / ``n`` (null without records), ``low``, ``high`` (Wilson's interval as if records
        were independent), ``is_scarce``, ``threshold_low`` and ``threshold_high`` [unit of the value; null if open].

    Raises
    ------
    SchemaError, DataError, RangeError
        As :func:`wind_rose`; percentiles outside 0 to 100 or falling.

    Examples
    --------
    >>> hours = pl.DataFrame({"wind_speed_ms": 2.0, "wind_direction_deg": [0.0, 0.0, 180.0, 180.0],
    ...                       "pm25_ugm3": [10.0, 20.0, 30.0, 90.0]})
    >>> cpf(hours, "pm25_ugm3", percentile=75).filter(pl.col("n") > 0).select("sector_deg", "cpf_share").rows()
    [(0.0, 0.0), (180.0, 0.5)]

    References
    ----------
    Ashbaugh, Malm, Sadeh (1985), Atmospheric Environment 19(8), 1263-1270. doi:10.1016/0004-6981(85)90256-2.
    Uria-Tellaetxe, Carslaw (2014), Conditional bivariate probability function for source identification,
    Environmental Modelling & Software 59, 1-9. doi:10.1016/j.envsoft.2014.05.002
    """
    what = "cpf"
    _, back = lazily(frame)
    keys = keys_of(by)
    span = _percentiles(percentile)
    z = _z(level)
    groups = list(_groups(frame, value, keys, speed, direction, calm_ms, what))
    sectors = _sectors([_moving(g, calm_ms) for g in groups], sector_deg, recorded_deg, what)
    rows = []
    for group in groups:
        low, high = _thresholds(group.value, span)
        moving = _moving(group, calm_ms)
        record, sector, weight = sectors.share(moving.direction)
        is_high = ((moving.value > low) & (moving.value <= high))[record]
        n = _sums(sector, weight, sectors.count)
        above = _sums(sector, weight * is_high, sectors.count)
        share, lower, upper = _wilson(above, n, z)
        rows.append(
            {
                "_key": group.key,
                "sector_deg": sectors.centres,
                "sector_width_deg": [sectors.width] * sectors.count,
                "n": n,
                "n_above": above,
                "cpf_share": _nulls(share),
                "low": _nulls(lower),
                "high": _nulls(upper),
                "is_scarce": n < min_n,
                "threshold_low": [_finite_or_none(low)] * sectors.count,
                "threshold_high": [_finite_or_none(high)] * sectors.count,
            }
        )
    schema = dict.fromkeys(rows[0], pl.Float64) | {"is_scarce": pl.Boolean}
    schema.pop("_key")
    return back(_named(keys, rows, schema, what))


def _z(level: float) -> float:
    need_level(level)
    return NormalDist().inv_cdf(0.5 + level / 2)


def _percentiles(percentile: float | tuple[float, float]) -> tuple[float, float | None]:
    low, high = percentile if isinstance(percentile, tuple) else (percentile, None)
    if not 0 <= low <= 100 or (high is not None and not low < high <= 100):
        raise RangeError(f"percentile is {percentile}; expected 0 to 100, or two that rise, such as (75, 90).")
    return low, high


def _thresholds(values: Floats, span: tuple[float, float | None]) -> tuple[float, float]:
    if not values.size:
        return math.nan, math.nan
    low, high = span
    return float(np.percentile(values, low)), math.inf if high is None else float(np.percentile(values, high))


def _wilson(hits: Floats, n: Floats, z: float) -> tuple[Floats, Floats, Floats]:
    """Return a share with Wilson's interval; NaN where there is nothing to share."""
    whole = np.where(n > 0, n, np.nan)
    share = hits / whole
    middle = (share + z**2 / (2 * whole)) / (1 + z**2 / whole)
    half = z / (1 + z**2 / whole) * np.sqrt(share * (1 - share) / whole + z**2 / (4 * whole**2))
    return share, np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)


def _nulls(values: Floats) -> pl.Series:
    return pl.Series(np.asarray(values, dtype=np.float64), nan_to_null=True)


def _finite_or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def percentile_rose(
    frame: Frame,
    value: str,
    *,
    percentiles: Sequence[float] = (25.0, 50.0, 75.0, 90.0),
    by: str | Sequence[str] | None = None,
    sector_deg: float | None = None,
    calm_ms: float = 0.0,
    min_n: int = MIN_N,
    recorded_deg: float | None = None,
    speed: str = SPEED,
    direction: str = DIRECTION,
) -> Frame:
    """Return percentiles of the concentration by where the wind came from.

    Parameters
    ----------
    frame, value, by, sector_deg, calm_ms, recorded_deg, speed, direction
        As in :func:`cpf`.
    percentiles
        Which percentiles [0..100].
    min_n
        Records below which a sector is marked as scarce.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group, sector and percentile: the columns of ``by``, ``sector_deg``, ``sector_width_deg``,
        ``percentile``, the value (null without records; ranks as in :func:`citylab.air.averages.percentile`), ``n``
        and ``is_scarce``. A record on the edge of two sectors stands in both.

    Raises
    ------
    SchemaError, DataError, RangeError
        As :func:`wind_rose`.

    Examples
    --------
    >>> hours = pl.DataFrame({"wind_speed_ms": 2.0, "wind_direction_deg": [0.0, 5.0, 3.0],
    ...                       "o3_ugm3": [10.0, 20.0, 60.0]})
    >>> rose = percentile_rose(hours, "o3_ugm3", percentiles=[50])
    >>> rose.filter(pl.col("n") > 0).select("sector_deg", "o3_ugm3", "n").rows()
    [(0.0, 20.0, 3)]
    """
    what = "percentile_rose"
    _, back = lazily(frame)
    keys = keys_of(by)
    wanted = [float(p) for p in percentiles]
    if not wanted or not all(0 <= p <= 100 for p in wanted):
        raise RangeError(f"percentiles are {wanted}; expected numbers from 0 to 100.")
    nothing = np.full(len(wanted), np.nan)
    groups = list(_groups(frame, value, keys, speed, direction, calm_ms, what))
    sectors = _sectors([_moving(g, calm_ms) for g in groups], sector_deg, recorded_deg, what)
    rows = []
    for group in groups:
        moving = _moving(group, calm_ms)
        record, sector, _ = sectors.share(moving.direction)
        inside = [moving.value[record[sector == k]] for k in range(sectors.count)]
        rows.append(
            {
                "_key": group.key,
                "sector_deg": np.repeat(sectors.centres, len(wanted)),
                "sector_width_deg": [sectors.width] * (sectors.count * len(wanted)),
                "percentile": wanted * sectors.count,
                value: _nulls(np.concatenate([np.percentile(x, wanted) if x.size else nothing for x in inside])),
                "n": [x.size for x in inside for _ in wanted],
                "is_scarce": [x.size < min_n for x in inside for _ in wanted],
            }
        )
    schema: dict[str, Any] = dict.fromkeys(rows[0], pl.Float64) | {"n": pl.Int64, "is_scarce": pl.Boolean}
    schema.pop("_key")
    return back(_named(keys, rows, schema, what))


# direction and speed together


def bivariate_polar(
    frame: Frame,
    value: str,
    *,
    method: Method = "gam",
    statistic: Statistic = "mean",
    percentile: float | tuple[float, float] = 90.0,
    by: str | Sequence[str] | None = None,
    max_speed_ms: float | None = None,
    speed_bins: int = SPEED_BINS,
    direction_bin_deg: float | None = None,
    min_n: int = 1,
    basis: int = BASIS,
    grid: int = GRID,
    exclude_share: float | None = None,
    speed_spread_ms: float = SPEED_SPREAD_MS,
    direction_spread_deg: float = DIRECTION_SPREAD_DEG,
    level: float = 0.95,
    speed: str = SPEED,
    direction: str = DIRECTION,
) -> Frame:
    """Return how a concentration depends on wind direction and speed together.

    A high spot says under which wind values are high, not where a source stands; the surface has no scale of distance.

    Parameters
    ----------
    frame
        One row per record.
    value
        Column of the concentration.
    method
        ``"gam"``: a smooth surface through the statistic of bins. ``"kernel"``: nonparametric wind regression, a mean
        weighted by nearness in direction and speed. ``"bins"``: the statistic of each bin as it is.
    statistic
        Of the records of a bin: ``"mean"``, ``"median"``, ``"max"``, ``"count"``, or ``"cpf"``, the share above a
        percentile of all values. The kernel knows mean and CPF.
    percentile
        For CPF, as in :func:`cpf`.
    by
        Columns that name groups, one surface each; ``None`` takes the frame as one.
    max_speed_ms
        Speeds above are left out [m/s]; default: the greatest, of all groups.
    speed_bins, direction_bin_deg
        Number of bins of speed, and width of bins of direction [degrees]. Default: 30 and 10°, or the data's rounding
        where that is coarser (22.5 for 16 points). For the kernel, 40 levels and 5° are fixed.
    min_n
        Bins with fewer records are left out.
    basis, grid, exclude_share
        For the surface: dimension of the spline (at most half the number of bins), cells along a side of its grid, and
        the distance from the nearest bin, as a share of the grid's width, beyond which it is null. Default: 0.05, or
        half the arc between neighbouring directions at the rim where that is more.
    speed_spread_ms, direction_spread_deg
        Standard deviations of the kernels.
    level
        Level of the interval.
    speed, direction
        Columns of the wind.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group and cell: the columns of ``by``; ``method``, ``statistic``; ``u_ms``, ``v_ms`` (position east
        and north of the centre, on the side that the wind comes from); ``wind_speed_ms``, ``wind_direction_deg`` of
        the middle, ``speed_width_ms``, ``direction_width_deg`` (null in the square grid of the surface); the value, or
        ``cpf_share``, null where there is too little data; ``low``, ``high``; and ``n``, the records of the bin, or
        the kernel's effective number (Σw)²/Σw².

    Raises
    ------
    SchemaError, DataError, RangeError
        As :func:`wind_rose`; fewer than 10 bins for a surface; negative values for a surface (it smooths square roots).
    UnknownNameError
        No such method or statistic.

    Notes
    -----
    Surface: thin plate regression spline of the square root of the bins' values, penalty by generalised
    cross-validation, squared back, the same model as openair's ``sqrt(c) ~ s(u, v, k = 100)``; bins with one, two and
    three records weigh 0.25, 0.5 and 0.75. Its interval is that of the spline given the bins; intervals of bins and
    kernel take records as independent. Hours are not, so all are too narrow.

    Examples
    --------
    >>> hours = pl.DataFrame({"wind_speed_ms": [1.0, 1.0, 3.0], "wind_direction_deg": [0.0, 0.0, 90.0],
    ...                       "pm25_ugm3": [10.0, 30.0, 80.0]})
    >>> cells = bivariate_polar(hours, "pm25_ugm3", method="bins", speed_bins=2, max_speed_ms=4)
    >>> cells.filter(pl.col("n") > 0).select("wind_direction_deg", "wind_speed_ms", "pm25_ugm3", "n").rows()
    [(0.0, 1.0, 20.0, 2.0), (90.0, 3.0, 80.0, 1.0)]

    References
    ----------
    Carslaw, Beevers (2013), Environmental Modelling & Software 40, 325-329. doi:10.1016/j.envsoft.2012.09.005.
    Henry, Norris, Vedantham, Turner (2009), Environmental Science & Technology 43(11), 4090-4097.
    doi:10.1021/es8032202. Wood (2003), Thin plate regression splines, JRSS B 65(1), 95-114.
    doi:10.1111/1467-9868.00374
    """
    what = "bivariate_polar"
    for given, known, kind in ((method, Method, "method"), (statistic, Statistic, "statistic")):
        if given not in known.__args__:  # type: ignore[attr-defined]
            raise suggest(given, known.__args__, what=kind, see="citylab.air.roses.bivariate_polar")  # type: ignore[attr-defined]
    if method == "kernel" and statistic not in ("mean", "cpf"):
        raise RangeError(f"The kernel gives a mean or CPF, not {statistic!r}. Take method='bins' or 'gam'.")
    if min(speed_bins, min_n) < 1 or grid < 2 or min(speed_spread_ms, direction_spread_deg) <= 0:
        raise RangeError("Bins, min_n and spreads must be positive, and the grid at least 2 cells wide.")
    _, back = lazily(frame)
    keys = keys_of(by)
    span, z = _percentiles(percentile), _z(level)
    groups = [_moving(g, -1.0) for g in _groups(frame, value, keys, speed, direction, -1.0, what)]
    recorded = _recorded(groups, None)
    width = direction_bin_deg or max(DIRECTION_BIN_DEG, recorded or 0.0)
    sectors = _sectors(groups, width, recorded, what)
    top = max_speed_ms or max((float(g.speed.max()) for g in groups if g.speed.size), default=0.0)
    if not top > 0:
        raise DataError(f"{what} found no moving air: no row has value, speed above zero and direction.")
    if exclude_share is None:
        exclude_share = max(EXCLUDE_SHARE, 1.05 * math.sin(math.radians(sectors.width / 2)) / 2)
    name = "cpf_share" if statistic == "cpf" else value
    rows = []
    for group in groups:
        low, high = _thresholds(group.value, span)
        kept = group.speed <= top
        told = _Group(group.key, group.speed[kept], group.direction[kept], group.value[kept], group.missing)
        if statistic == "cpf":
            is_high = ((told.value > low) & (told.value <= high)).astype(float)
            told = _Group(told.key, told.speed, told.direction, is_high, told.missing)
        if method == "kernel":
            cells = _kernel(told, top, speed_spread_ms, direction_spread_deg, z)
        else:
            cells = _bins(told, sectors, top, speed_bins, statistic, min_n, z)
            if method == "gam":
                cells = _surface(cells, top, basis, grid, exclude_share, z, statistic, what)
        size = cells["u_ms"].size
        said = {"_key": group.key, "method": [method] * size, "statistic": [statistic] * size}
        rows.append(said | {name if k == "value" else k: _nulls(v) for k, v in cells.items()})
    schema: dict[str, Any] = dict.fromkeys(rows[0], pl.Float64) | {"method": pl.String, "statistic": pl.String}
    schema.pop("_key")
    return back(_named(keys, rows, schema, what))


def _place(speed: Floats, direction: Floats) -> tuple[Floats, Floats]:
    angle = np.radians(direction)
    return speed * np.sin(angle), speed * np.cos(angle)


def _bins(
    group: _Group, sectors: _Sectors, top: float, count: int, statistic: str, min_n: int, z: float
) -> dict[str, Floats]:
    wide = top / count
    of_speed = np.clip(np.ceil(group.speed / wide).astype(np.int64) - 1, 0, count - 1)
    record, sector, weight = sectors.share(group.direction)
    cell = sector * count + of_speed[record]
    size = sectors.count * count
    value = group.value[record]
    n = _sums(cell, weight, size)
    some = np.where(n > 0, n, np.nan)
    mean = _sums(cell, weight * value, size) / some
    if statistic == "cpf":
        answer, low, high = _wilson(mean * some, n, z)
    elif statistic == "mean":
        spread = _sums(cell, weight * (value - mean[cell]) ** 2, size)
        half = z * np.sqrt(spread / np.where(n > 1, n - 1, np.nan) / some)
        answer, low, high = mean, mean - half, mean + half
    else:
        answer, low, high = _by_cell(cell, value, size, statistic, n), *np.full((2, size), np.nan)
    too_few = n < min_n
    answer, low, high = (np.where(too_few, np.nan, x) for x in (answer, low, high))
    speeds = np.tile((np.arange(count) + 0.5) * wide, sectors.count)
    directions = np.repeat(sectors.centres, count)
    u, v = _place(speeds, directions)
    return {
        "u_ms": u, "v_ms": v, "wind_speed_ms": speeds, "wind_direction_deg": directions,
        "speed_width_ms": np.full(size, wide), "direction_width_deg": np.full(size, sectors.width),
        "value": answer, "low": low, "high": high, "n": n,
    }  # fmt: skip


def _by_cell(cell: npt.NDArray[np.int64], value: Floats, size: int, statistic: str, n: Floats) -> Floats:
    if statistic == "count":
        return np.where(n > 0, n, np.nan)
    how = pl.col("v").median() if statistic == "median" else pl.col("v").max()
    table = pl.DataFrame({"cell": cell, "v": value}).group_by("cell").agg(how)
    out = np.full(size, np.nan)
    out[table["cell"].to_numpy()] = table["v"].to_numpy()
    return out


def _kernel(group: _Group, top: float, speed_spread: float, direction_spread: float, z: float) -> dict[str, Floats]:
    """Return the kernel means on a polar grid; the weights part into one of speed and one of direction."""
    wide = top / KERNEL_SPEEDS
    speeds = (np.arange(KERNEL_SPEEDS) + 0.5) * wide
    directions = np.arange(0, CIRCLE, KERNEL_STEP_DEG)
    shape = (speeds.size, directions.size)
    weight, square, total, square_moment, square_second = (np.zeros(shape) for _ in range(5))
    chunk = 200_000
    for start in range(0, group.speed.size, chunk):
        part = slice(start, start + chunk)
        c = group.value[part]
        by_speed = np.exp(-0.5 * ((speeds[:, None] - group.speed[part]) / speed_spread) ** 2)
        turn = (directions[:, None] - group.direction[part] + CIRCLE / 2) % CIRCLE - CIRCLE / 2
        by_turn = np.exp(-0.5 * (turn / direction_spread) ** 2).T
        weight += by_speed @ by_turn
        total += (by_speed * c) @ by_turn
        square += by_speed**2 @ by_turn**2
        square_moment += (by_speed**2 * c) @ by_turn**2
        square_second += (by_speed**2 * c**2) @ by_turn**2
    near = weight >= 1.0  # less than one record's full weight is no neighbourhood
    whole = np.where(near, weight, np.nan)
    mean = total / whole
    variance = np.maximum(square_second - 2 * mean * square_moment + mean**2 * square, 0) / whole**2
    effective = np.where(near, whole**2 / np.where(square > 0, square, np.nan), 0.0)
    half = np.where(effective > 1, z * np.sqrt(variance * effective / np.maximum(effective - 1, 1e-9)), np.nan)
    where = np.repeat(speeds[:, None], directions.size, axis=1), np.repeat(directions[None], speeds.size, axis=0)
    u, v = _place(*where)
    cells = {
        "u_ms": u, "v_ms": v, "wind_speed_ms": where[0], "wind_direction_deg": where[1],
        "speed_width_ms": np.full(shape, wide), "direction_width_deg": np.full(shape, KERNEL_STEP_DEG),
        "value": mean, "low": mean - half, "high": mean + half, "n": effective,
    }  # fmt: skip
    return {k: a.T.ravel() for k, a in cells.items()}


def _surface(
    bins: dict[str, Floats], top: float, basis: int, grid: int, exclude: float, z: float, statistic: str, what: str
) -> dict[str, Floats]:
    from scipy.spatial import cKDTree

    has = np.isfinite(bins["value"])
    line = np.linspace(-top, top, grid)
    u, v = (a.ravel() for a in np.meshgrid(line, line))
    speed, direction = np.hypot(u, v), np.degrees(np.arctan2(u, v)) % CIRCLE
    nothing = np.full(u.size, np.nan)
    cells = {
        "u_ms": u, "v_ms": v, "wind_speed_ms": speed, "wind_direction_deg": direction, "speed_width_ms": nothing,
        "direction_width_deg": nothing, "value": nothing.copy(), "low": nothing.copy(), "high": nothing.copy(),
        "n": np.zeros(u.size),
    }  # fmt: skip
    if not has.any():
        return cells
    if has.sum() < _FEWEST_BINS:
        raise DataError(f"{what}: {has.sum()} bins have data; a surface needs {_FEWEST_BINS}. Take method='bins'.")
    if (bins["value"][has] < 0).any():
        raise DataError(f"{what}: the surface smooths square roots, and some bins are negative. Take method='kernel'.")
    points = np.column_stack([bins["u_ms"], bins["v_ms"]])[has] / top
    n = bins["n"][has]
    weights = np.interp(n, np.arange(1, len(BIN_WEIGHTS) + 2), [*BIN_WEIGHTS, 1.0])
    spline = fit_thin_plate(points, np.sqrt(bins["value"][has]), weights, basis=min(basis, int(has.sum()) // 2))
    wanted = np.column_stack([u, v]) / top
    # openair measures the distance in a square of side one around the grid, which is two of ours
    near = cKDTree(points).query(wanted)[0] <= 2 * exclude
    drawn = np.flatnonzero((speed <= top * (1 + _ON_EDGE)) & near)
    root, error = spline.predict(wanted[drawn])
    cap = 1.0 if statistic == "cpf" else np.inf
    for name, roots in (("value", root), ("low", root - z * error), ("high", root + z * error)):
        cells[name][drawn] = np.minimum(np.maximum(roots, 0.0) ** 2, cap)
    per_turn = np.count_nonzero(bins["wind_direction_deg"] == bins["wind_direction_deg"][0])
    of_speed = np.clip(np.ceil(speed / bins["speed_width_ms"][0]).astype(int) - 1, 0, per_turn - 1)
    turns = len(bins["n"]) // per_turn
    of_turn = np.floor(direction / bins["direction_width_deg"][0] + 0.5).astype(int) % turns
    inside = speed <= top
    cells["n"][inside] = bins["n"].reshape(turns, per_turn)[of_turn, of_speed][inside]
    return cells


@dataclass(frozen=True)
class ThinPlate:
    """A fitted thin plate regression spline of two coordinates.

    Attributes
    ----------
    penalty
        Weight of the bending penalty.
    freedom
        Effective degrees of freedom.
    """

    penalty: float
    freedom: float
    _points: Floats
    _coefficients: tuple[Floats, Floats]
    _to_basis: Floats
    _spread: Floats  # prediction basis times this, squared and summed, is the variance

    def predict(self, points: Floats) -> tuple[Floats, Floats]:
        """Return the surface at points and its standard error."""
        bent = _thin_plate(points, self._points) @ self._to_basis
        basis = np.column_stack([bent, np.ones(len(points)), points])
        return basis @ np.concatenate(self._coefficients), np.sqrt(((basis @ self._spread) ** 2).sum(axis=1))


def _thin_plate(a: Floats, b: Floats) -> Floats:
    square = ((a[:, None, 0] - b[None, :, 0]) ** 2) + ((a[:, None, 1] - b[None, :, 1]) ** 2)
    return 0.5 * square * np.log(np.where(square > 0, square, 1.0))


def fit_thin_plate(
    points: Floats, values: Floats, weights: Floats, *, basis: int = BASIS, penalty: float | None = None
) -> ThinPlate:
    """Return a thin plate regression spline through weighted values at points of a plane.

    Parameters
    ----------
    points
        Shape (n, 2): coordinates, of the order of 1.
    values, weights
        Shape (n,).
    basis
        Dimension of the spline, the plane included: 4 to n.
    penalty
        Weight of the bending penalty; default: the one of least generalised cross-validation.

    Examples
    --------
    >>> points = np.array([(x, y) for x in (0.0, 0.5, 1.0) for y in (0.0, 0.5, 1.0)])
    >>> flat = fit_thin_plate(points, 1 + points @ [2.0, -1.0], np.ones(9), basis=6)
    >>> [round(float(v), 6) for v in flat.predict(np.array([[0.25, 2.0]]))[0]]
    [-0.5]

    References
    ----------
    Wood (2003), Thin plate regression splines, JRSS B 65(1), 95-114. doi:10.1111/1467-9868.00374
    """
    from scipy.linalg import eigh, null_space, qr, solve_triangular

    n = len(points)
    basis = min(max(basis, 4), n)
    plane = np.column_stack([np.ones(n), points])
    size, vectors = eigh(_thin_plate(points, points))
    strongest = np.argsort(-np.abs(size))[:basis]
    size, vectors = size[strongest], vectors[:, strongest]
    free = null_space((vectors.T @ plane).T)  # wiggles that no plane could make
    to_basis = vectors @ free
    bent = (vectors * size) @ free
    bend = np.zeros((bent.shape[1] + 3,) * 2)
    bend[:-3, :-3] = free.T @ (size[:, None] * free)
    root = np.sqrt(weights)
    q, r = qr(root[:, None] * np.column_stack([bent, plane]), mode="economic")
    inverse = solve_triangular(r, np.eye(len(r)))
    stiffness, turn = eigh(inverse.T @ bend @ inverse)
    stiffness = np.maximum(stiffness, 0.0)
    target = root * values
    projected = turn.T @ (q.T @ target)
    outside = max(float(target @ target - projected @ projected), 0.0)

    def losses(at: Floats) -> tuple[Floats, Floats]:
        kept = 1 / (1 + np.outer(at, stiffness))
        residual = outside + (((1 - kept) * projected) ** 2).sum(axis=1)
        return residual, kept.sum(axis=1)

    if penalty is None:
        scale = 1 / max(float(np.median(stiffness)), 1e-300)
        tried = _GRID_OF_LAMBDA * scale
        for _ in range(2):
            residual, freedom = losses(tried)
            best = int(np.argmin(np.where(freedom < n - 1e-6, residual / np.maximum(n - freedom, 1e-9) ** 2, np.inf)))
            penalty = float(tried[best])
            tried = np.geomspace(tried[max(best - 1, 0)], tried[min(best + 1, len(tried) - 1)], 41)
    assert penalty is not None
    residual, freedom = losses(np.array([penalty]))
    kept = 1 / (1 + penalty * stiffness)
    coefficients = inverse @ (turn @ (kept * projected))
    noise = math.sqrt(float(residual[0]) / max(n - float(freedom[0]), 1.0))
    spread = noise * (inverse @ turn) * np.sqrt(kept)
    return ThinPlate(penalty, float(freedom[0]), points, (coefficients[:-3], coefficients[-3:]), to_basis, spread)
