"""Quality control of hourly measurements: what looks wrong and why. Nothing is deleted, nothing is altered.

:func:`quality_flags` puts two columns beside each pollutant: ``<stem>_flag``, the gravest remark, and
``<stem>_reasons``, all of them joined by ``+``; both are null where there is no remark. Whether a remark disqualifies a
value is the reader's decision. The thresholds are citylab's choice and stand in the declared table
``air_plausibility``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from citylab import tables
from citylab.air.averages import POLLUTANTS, on_grid, on_the_hour, window_sums
from citylab.errors import SchemaError, suggest
from citylab.frames import Frame, columns_of, keys_of, lazily, need_columns, need_numbers, need_wall_clock, stem

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

CHECKS = (
    "duplicate",
    "sentinel",
    "unit_swap",
    "negative",
    "out_of_range",
    "at_cap",
    "stuck",
    "spike",
    "drift",
    "pm25_above_pm10",
    "gap",
)
"""All checks, the gravest first; ``gap`` speaks of rows and not of values."""
BASIC = ("sentinel", "negative", "out_of_range", "at_cap", "pm25_above_pm10")
"""Checks that look at one row only: no sorting, any order, any engine."""

_CODES = (*CHECKS[:-1], "pm10_below_pm25")
_TEXTS = ["", *("+".join(c for i, c in enumerate(_CODES) if mask >> i & 1) for mask in range(1, 2 ** len(_CODES)))]
_REASONS = pl.Enum(_TEXTS)
_FLAGS = pl.Enum(["", *_CODES])
_SPIKE_HOURS = 7  # three before, three after
_SWAP_HOURS = 7
_MAD_TO_SIGMA = 1.4826  # of a normal distribution
_LONGEST_GAP = 24
_PM25, _PM10 = "pm25_ugm3", "pm10_ugm3"
_CONTRADICTION = "pm25_above_pm10"
_OF_ROWS = ("duplicate", "gap")
_POSITION, _PASSED, _VALUE, _DAY = "__position", "__passed", "__value", "__day"


def quality_flags(
    frame: Frame,
    *,
    values: str | Iterable[str] | None = None,
    by: str | Sequence[str] | None = "station_id",
    time: str = "datetime_local",
    checks: str | Sequence[str] = CHECKS,
    table: pl.DataFrame | None = None,
) -> Frame:
    """Return the frame with remarks on each value that looks wrong.

    Parameters
    ----------
    frame
        One row per group and hour: concentrations [µg/m³; CO mg/m³].
    values
        Pollutant columns to look at; those of the table that the frame has, if not given.
    by
        Grouping columns (the station); ``None`` takes the whole frame as one.
    time
        Column of wall-clock datetimes.
    checks
        Names out of :data:`CHECKS`, one of them, ``"all"``, or ``"basic"`` for :data:`BASIC`.
    table
        Thresholds to use in place of the declared table ``air_plausibility``.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        The rows of ``frame``, every column unchanged, with ``<stem>_flag`` and ``<stem>_reasons`` for each value, and,
        if ``duplicate`` or ``gap`` is asked, ``row_flag`` and ``gap_hours`` (hours without a row before this one).
        Sorted by group and time if a check needs the order, otherwise as they came.

    Raises
    ------
    SchemaError
        A column is missing, is not numeric or is not wall-clock time; no value column is known to the table.
    UnknownNameError
        No such check.

    Notes
    -----
    ========================  ==========================================================================================
    ``duplicate``             another row of the group stands in the same hour
    ``sentinel``              a code for missing or saturated (-999, 999, 9999, ...)
    ``unit_swap``             CO nearer to a thousand times, or a thousandth of, its typical level, in a run of hours
    ``negative``              below zero (a drifting zero, or noise about it)
    ``out_of_range``          outside the plausible range
    ``at_cap``                equal to the largest value that the publisher prints: the true one is higher
    ``stuck``                 the same value, above the detection limit, for many hours in a row
    ``spike``                 far from the median of the seven hours around it (Hampel)
    ``drift``                 the station's ratio to the network's daily median has left its usual level
    ``pm25_above_pm10``       on PM2.5, and ``pm10_below_pm25`` on PM10: a part exceeds the whole
    ``gap``                   (``row_flag``) hours without a row lie before this one
    ========================  ==========================================================================================

    Missing hours break a run. Sentinels are left out of the checks that look along time. ``drift`` needs several
    stations in the frame and compares each with its own whole record, so that a station wrong from first to last is not
    found.

    Examples
    --------
    >>> frame = pl.DataFrame({"pm25_ugm3": [35.0, -999.0, 80.0], "pm10_ugm3": [60.0, 70.0, 75.0]})
    >>> quality_flags(frame, by=None, checks="basic")["pm25_flag"].to_list()
    [None, 'sentinel', 'pm25_above_pm10']

    References
    ----------
    Hampel, F. R. (1974), doi:10.1080/01621459.1974.10482962 (median absolute deviation).
    """
    asked = _checks(checks)
    lf, back = lazily(frame)
    keys = keys_of(by)
    limits = {
        r["column"]: r for r in (tables.read("air_plausibility") if table is None else table).iter_rows(named=True)
    }
    have = lf.collect_schema()
    names = [c for c in limits if c in have] if values is None else columns_of(values)
    unknown = [c for c in names if c not in limits]
    if unknown or not names:
        raise SchemaError(
            f"quality_flags knows no thresholds for {unknown or have.names()}; the table has {list(limits)}. "
            "Rename the columns, or give a table with rows for them."
        )
    ordered = bool(set(asked) - set(BASIC))
    wanted = {**(dict.fromkeys(keys, "group") if ordered else {}), **({time: "hour"} if ordered else {})}
    need_columns(lf, {**wanted, **dict.fromkeys(names, "hourly mean")}, what="quality_flags")
    need_numbers(have, names, what="quality_flags")
    if ordered:
        need_wall_clock(have, time, what="quality_flags")
        lf = on_the_hour(lf, keys, time, longest_gap=_LONGEST_GAP, refuse_repeats=False)
    if "drift" in asked and keys:
        lf = _with_drift(lf, names, keys, time, limits)
    repeated = (pl.col(_PASSED) == 0) | ((pl.col(_PASSED).shift(-1) == 0).fill_null(False))
    masks, beside = [], []
    for c in names:
        found = _remarks(c, limits[c], have, asked)
        if "duplicate" in asked:
            found["duplicate"] = repeated & pl.col(c).is_not_null()
        if "drift" in asked and keys:
            found["drift"] = pl.col(f"__drift_{c}") & pl.col(c).is_not_null()
        bits = [
            pl.when(found[code]).then(2**i).otherwise(0).cast(pl.UInt16)
            for i, code in enumerate(_CODES)
            if code in found
        ]
        mask = pl.sum_horizontal(bits, ignore_nulls=True) if bits else pl.lit(0)
        masks.append(mask.cast(pl.UInt16).alias(f"__mask_{c}"))
        beside += [_text(c, gravest=True), _text(c, gravest=False)]
    if {"duplicate", "gap"} & set(asked):
        gap = (pl.col(_PASSED) - 1).clip(lower_bound=0).fill_null(0).cast(pl.UInt32)
        remark = pl.when(repeated & ("duplicate" in asked)).then(pl.lit("duplicate"))
        beside += [
            remark.when((gap > 0) & ("gap" in asked)).then(pl.lit("gap")).alias("row_flag"),
            gap.alias("gap_hours"),
        ]
    made = {e.meta.output_name() for e in beside}
    kept = [c for c in have.names() if c not in made]
    return back(lf.with_columns(masks).select(*kept, *beside))


def quality_summary(frame: Frame, *, by: str | Sequence[str] | None = "station_id") -> Frame:
    """Return how many values each check remarked on, by station and pollutant.

    Parameters
    ----------
    frame
        Result of :func:`quality_flags`.
    by
        Grouping columns; ``None`` counts the whole frame.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group, column and check that found any, sorted: the columns of ``by``, ``column`` (``row`` for
        remarks on whole rows), ``check`` (``missing`` for values that are not there), ``n``, ``row_count`` and
        ``share`` of the rows.

    Raises
    ------
    SchemaError
        The frame has no column of reasons: it does not come from :func:`quality_flags`.

    Examples
    --------
    >>> frame = pl.DataFrame({"pm25_ugm3": [35.0, -999.0, 80.0], "pm10_ugm3": [60.0, 70.0, 75.0]})
    >>> found = quality_summary(quality_flags(frame, by=None, checks="basic"), by=None)
    >>> found.select("column", "check", "n").rows()
    [('pm10_ugm3', 'pm10_below_pm25', 1), ('pm25_ugm3', 'pm25_above_pm10', 1), ('pm25_ugm3', 'sentinel', 1)]
    """
    lf, back = lazily(frame)
    keys = keys_of(by)
    have = need_columns(lf, dict.fromkeys(keys, "group"), what="quality_summary")
    remarked = _remarked(have)
    group: list[str] = keys or ["__all"]
    lf = lf if keys else lf.with_columns(pl.lit(0).alias("__all"))
    counted = lf.group_by(group).agg(pl.len().alias("row_count"))
    parts = []
    for column, reasons in remarked.items():
        told = lf.group_by(*group, pl.col(reasons).alias("check")).agg(pl.len().alias("n")).drop_nulls("check")
        parts.append(told.with_columns(pl.col("check").str.split("+"), pl.lit(column).alias("column")).explode("check"))
        if column in have:
            gone = lf.group_by(group).agg(pl.col(column).is_null().sum().alias("n"), pl.lit("missing").alias("check"))
            parts.append(gone.filter(pl.col("n") > 0).with_columns(pl.lit(column).alias("column")))
    shape = [*group, "column", "check", pl.col("n").cast(pl.Int64)]
    total = pl.concat([p.select(shape) for p in parts]).group_by(*group, "column", "check").agg(pl.col("n").sum())
    out = total.join(counted.with_columns(pl.col("row_count").cast(pl.Int64)), on=group, how="left", nulls_equal=True)
    out = out.with_columns((pl.col("n") / pl.col("row_count")).alias("share")).sort(*group, "column", "check")
    return back(out.select(*keys, "column", "check", "n", "row_count", "share"))


def fault_scores(
    truth: pl.DataFrame,
    flags: pl.DataFrame,
    *,
    by: str | Sequence[str] | None = "station_id",
    time: str = "datetime_local",
) -> pl.DataFrame:
    """Return precision and recall of each check against faults that are known because they were planted.

    Parameters
    ----------
    truth
        One row per planted fault and hour: the columns of ``by``, ``time``, ``column`` (``row`` for whole rows) and
        ``fault``, a name out of :data:`CHECKS`, as :func:`citylab.air.faults.plant_faults` returns it.
    flags
        Result of :func:`quality_flags` on the frame in which they were planted.
    by, time
        Columns that name a row.

    Returns
    -------
    polars.DataFrame
        One row per check, sorted: ``check``, ``planted`` (hours), ``flagged`` (by that check), ``hit`` (both),
        ``precision``
        (hit / flagged), ``precision_any`` (flags in hours with any planted fault / flagged: a drifting PM2.5 exceeds
        PM10 too), ``recall`` (hit / planted), ``recall_any`` (planted hours with any remark / planted). In real series
        there are faults that no one planted, so that precision there is a lower bound.

    Raises
    ------
    SchemaError
        A column is missing.

    Examples
    --------
    >>> frame = pl.DataFrame({"datetime_local": [1, 2], "pm25_ugm3": [35.0, -999.0]})
    >>> truth = pl.DataFrame({"datetime_local": [2], "column": ["pm25_ugm3"], "fault": ["sentinel"]})
    >>> fault_scores(truth, quality_flags(frame, by=None, checks="basic"), by=None).row(0)
    ('sentinel', 1, 1, 1, 1.0, 1.0, 1.0, 1.0)
    """
    keys = [*keys_of(by), time]
    need_columns(truth.lazy(), {**dict.fromkeys(keys, "row"), "column": "", "fault": ""}, what="fault_scores")
    have = need_columns(flags.lazy(), dict.fromkeys(keys, "row"), what="fault_scores")
    told = [
        flags.select(*keys, pl.lit(column).alias("column"), pl.col(reasons).str.split("+").alias("check"))
        .drop_nulls("check")
        .explode("check")
        for column, reasons in _remarked(have).items()
    ]
    # One contradiction marks two columns, one repeated row marks all: each counts once, as it was planted once.
    pair = pl.col("check") == "pm10_below_pm25"
    of_rows = pl.col("check").is_in(_OF_ROWS)
    found = (
        pl.concat(told)
        .with_columns(pl.when(pair).then(pl.lit(_PM25)).otherwise(pl.col("column")).alias("column"))
        .with_columns(pl.when(pair).then(pl.lit(_CONTRADICTION)).otherwise(pl.col("check")).alias("check"))
        .filter(of_rows == (pl.col("column") == "row"))
    )
    at = [*keys, "column"]
    found, truth = found.unique(), truth.select(*at, pl.col("fault").alias("check")).unique()
    hits = truth.join(found, on=[*at, "check"], how="semi", nulls_equal=True)
    anyhow = truth.join(found, on=at, how="semi", nulls_equal=True)
    meant = found.join(truth, on=keys, how="semi", nulls_equal=True)
    sizes = {"planted": truth, "flagged": found, "hit": hits, "__any": anyhow, "__meant": meant}
    out = truth.select("check").unique()
    for name, rows in sizes.items():
        out = out.join(rows.group_by("check").agg(pl.len().cast(pl.Int64).alias(name)), on="check", how="left")
    out = out.with_columns(pl.col(*sizes).fill_null(0)).sort("check")
    flagged = pl.when(pl.col("flagged") > 0).then(pl.col("flagged"))
    return out.select(
        "check",
        "planted",
        "flagged",
        "hit",
        (pl.col("hit") / flagged).alias("precision"),
        (pl.col("__meant") / flagged).alias("precision_any"),
        (pl.col("hit") / pl.col("planted")).alias("recall"),
        (pl.col("__any") / pl.col("planted")).alias("recall_any"),
    )


# The checks -----------------------------------------------------------------------------------------------------------


def _checks(checks: str | Sequence[str]) -> list[str]:
    sets: dict[str, Sequence[str]] = {"all": CHECKS, "basic": BASIC}
    asked = list(sets.get(checks, [checks])) if isinstance(checks, str) else list(checks)
    for name in asked:
        if name not in CHECKS:
            raise suggest(name, [*CHECKS, *sets], what="check", see="citylab.air.quality.CHECKS")
    return asked


def _remarked(have: Mapping[str, Any]) -> dict[str, str]:
    """Return the columns of reasons by the column on which they remark."""
    stems = {stem(c): c for c in have if c in POLLUTANTS or f"{stem(c)}_reasons" in have}
    found = {
        stems.get(r.removesuffix("_reasons"), r.removesuffix("_reasons")): r for r in have if r.endswith("_reasons")
    }
    if not found:
        raise SchemaError("The frame has no column of reasons. Give the result of citylab.air.quality.quality_flags.")
    return found | ({"row": "row_flag"} if "row_flag" in have else {})


def _text(column: str, *, gravest: bool) -> pl.Expr:
    mask = pl.col(f"__mask_{column}")
    if not gravest:
        text = pl.when(mask > 0).then(mask.cat.to(_REASONS)).cast(pl.String)
        return text.alias(f"{stem(column)}_reasons")
    # The lowest bit is the gravest remark: its index plus one, zero where there is none.
    lowest = pl.when(mask > 0).then(mask.bitwise_trailing_zeros() + 1)
    return lowest.cast(pl.UInt8).cat.to(_FLAGS).cast(pl.String).alias(f"{stem(column)}_flag")


def _coded(value: pl.Expr, limits: Mapping[str, Any]) -> pl.Expr:
    sentinels = [float(s) for s in str(limits["sentinels"] or "").split("|") if s]
    return value.is_in(sentinels)


def _numbers(column: str, limits: Mapping[str, Any]) -> pl.Expr:
    """Return the values without sentinels, NaN and infinities."""
    value = pl.col(column).cast(pl.Float64)
    return pl.when(value.is_finite() & ~_coded(value, limits)).then(value)


def _remarks(column: str, limits: Mapping[str, Any], have: pl.Schema, asked: Sequence[str]) -> dict[str, pl.Expr]:
    value = pl.col(column).cast(pl.Float64)
    found: dict[str, pl.Expr] = {}
    coded = _coded(value, limits)
    if "sentinel" in asked:
        found["sentinel"] = coded
    if "negative" in asked:
        found["negative"] = (value < 0) & ~coded
    if "out_of_range" in asked:
        outside = (value < limits["lower"]) | (value > limits["upper"]) | value.is_nan()
        found["out_of_range"] = outside & (value.is_nan() | (value >= 0)) & ~coded
    if "at_cap" in asked and limits["cap"] is not None:
        found["at_cap"] = value == limits["cap"]
    if "pm25_above_pm10" in asked and {_PM25, _PM10} <= set(have) and column in (_PM25, _PM10):
        code = "pm25_above_pm10" if column == _PM25 else "pm10_below_pm25"
        found[code] = (pl.col(_PM25) > pl.col(_PM10)) & (pl.col(_PM10) >= 0)
    along = {
        "stuck": (_stuck, limits["stuck_hours"]),
        "spike": (_spike, limits["spike_score"]),
        "unit_swap": (_swapped, limits["swap_factor"]),
    }
    for check, (look, threshold) in along.items():
        if check in asked and threshold is not None:
            packed = pl.struct(pl.col(_POSITION), _numbers(column, limits).alias(_VALUE))
            found[check] = packed.map_batches(_on_hours(look, limits), return_dtype=pl.Boolean())
    return found


def _on_hours(look: Any, limits: Mapping[str, Any]) -> Any:
    def apply(packed: pl.Series) -> pl.Series:
        if not len(packed):
            return pl.Series(packed.name, [], dtype=pl.Boolean)
        position, grid = on_grid(packed)
        return pl.Series(packed.name, look(grid, limits)[position]) & packed.struct.field(_VALUE).is_not_null()

    return apply


def _stuck(grid: npt.NDArray[np.float64], limits: Mapping[str, Any]) -> npt.NDArray[np.bool_]:
    """Return where a value above the detection limit repeats for too many hours."""
    import numpy as np

    run = np.cumsum(np.r_[True, grid[1:] != grid[:-1]])  # NaN differs from all, so that a missing hour ends a run
    long = np.bincount(run)[run] >= limits["stuck_hours"]
    return np.asarray(long & (grid > limits["stuck_floor"]))


def _spike(grid: npt.NDArray[np.float64], limits: Mapping[str, Any]) -> npt.NDArray[np.bool_]:
    """Return where a value is far from the median of the hours around it, in their own spread."""
    import numpy as np

    def median(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        series = pl.Series(values).fill_nan(None)
        middle = series.rolling_median(_SPIKE_HOURS, center=True, min_samples=_SPIKE_HOURS // 2 + 1)
        return middle.fill_null(np.nan).to_numpy()

    level = median(grid)
    apart = np.abs(grid - level)
    scale = np.maximum(_MAD_TO_SIGMA * median(apart), np.maximum(limits["spike_floor"], limits["spike_share"] * level))
    return np.asarray(apart > limits["spike_score"] * scale)


def _swapped(grid: npt.NDArray[np.float64], limits: Mapping[str, Any]) -> npt.NDArray[np.bool_]:
    """Return where values lie a power of ten away that a unit explains, in most of the hours around."""
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        decades = np.log(grid / limits["swap_typical"]) / np.log(limits["swap_factor"])
    wrong = np.zeros(len(grid), dtype=bool)
    half = _SWAP_HOURS // 2
    for side in (1, -1):
        away = (side * decades > 0.5) & (grid > 0)
        near = window_sums(np.r_[away, np.zeros(half)].astype(np.float64), _SWAP_HOURS)[half:]
        wrong |= away & (near >= limits["swap_hours"])
    return wrong


def _with_drift(
    lf: pl.LazyFrame, names: Sequence[str], keys: Sequence[str], time: str, limits: Mapping[str, Mapping[str, Any]]
) -> pl.LazyFrame:
    """Add, for each value, whether the station's ratio to the network's daily median has left its usual level."""
    day = pl.col(time).dt.date().alias(_DAY)
    daily = (
        lf.with_columns(day)
        .group_by(*keys, _DAY)
        .agg(_numbers(c, limits[c]).filter(_numbers(c, limits[c]) >= 0).median().alias(c) for c in names)
        .sort(*keys, _DAY)
    )
    # In steps: a window inside a window would be computed within the outer one's groups.
    network = {c: pl.col(c).median().over(_DAY) for c in names}
    enough = {c: (pl.col(c).count().over(_DAY) >= limits[c]["drift_stations"]) & (pl.col(c) > 0) for c in names}
    daily = daily.with_columns(
        *(network[c].alias(f"__network_{c}") for c in names),
        *(
            pl.when(enough[c] & (network[c] > 0)).then((pl.col(c) / network[c]).log()).alias(f"__ratio_{c}")
            for c in names
        ),
    )
    usual = {c: pl.col(f"__ratio_{c}").median().over(*keys) for c in names}

    def running(values: pl.Expr, days: int) -> pl.Expr:
        return values.rolling_median(days, center=True, min_samples=days // 2 + 1).over(*keys)

    daily = daily.with_columns(
        (running(pl.col(f"__ratio_{c}"), int(limits[c]["drift_days"])) - usual[c]).alias(f"__apart_{c}") for c in names
    ).with_columns(
        (pl.col(f"__network_{c}") * usual[c].exp() * (pl.col(f"__apart_{c}").exp() - 1)).abs().alias(f"__by_{c}")
        for c in names
    )
    flags = [
        (
            (pl.col(f"__apart_{c}").abs() > pl.lit(float(limits[c]["drift_ratio"])).log())
            & (running(pl.col(f"__by_{c}"), int(limits[c]["drift_days"])) > limits[c]["drift_floor"])
        )
        .fill_null(False)
        .alias(f"__drift_{c}")
        for c in names
    ]
    found = daily.select(*keys, _DAY, *flags)
    joined = lf.with_columns(day).join(found, on=[*keys, _DAY], how="left", nulls_equal=True, maintain_order="left")
    return joined.drop(_DAY)
