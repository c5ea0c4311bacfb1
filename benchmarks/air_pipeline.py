"""The work of an air office: twelve stations' CSV files to remarks, daily values, indices, months and years.

The peers are one Polars query by hand and pandas as its users write it. Both know what citylab has to find out: that
the files are in order and hold every hour once, which edition holds, which remarks can meet. All reach the same six
tables, number by number and reason by reason, before anything is timed.

:func:`large_rows` tiles the hours a hundred times (synthetic: the same days under other station ids) and runs the
pipeline on the streaming engine in a fresh interpreter, whose peak memory it reports.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import polars as pl

from benchmarks import measure
from benchmarks.daily_means import inputs
from benchmarks.measure import Disagreement, Row, compared, fresh, take_turns
from citylab import tables
from citylab.air import averages
from citylab.air.indices import aqi
from citylab.air.quality import quality_flags
from citylab.sources import uci

POLLUTANTS = uci.POLLUTANTS
BY_HAND_BUDGET = 1.3
"""Our time over that of the query by hand."""
TILES = 100
LARGE_BUDGET_GB = 2.0
PATIENCE_LARGE_S = 1800
DISQUALIFYING = ("sentinel", "negative", "out_of_range")
"""Remarks after which this pipeline leaves a value out; a value at the cap or a contradiction stays."""
INDEX = "hj633-2012"
_INDEXED = [*(f"{p.split('_')[0]}_iaqi" for p in POLLUTANTS), "aqi", "aqi_primary", "aqi_level", "aqi_missing"]
_DAY, _MONTH, _YEAR = ["station_id", "date_local"], ["station_id", "month_start"], ["station_id", "year"]
KEYS = {
    "hours": ["station_id", "datetime_local"],
    "days": _DAY,
    "ozone": _DAY,
    "index": _DAY,
    "months": _MONTH,
    "years": _YEAR,
}
"""The tables that every contestant makes, and the columns that name a row of each."""

Tables = dict[str, pl.DataFrame]


# citylab --------------------------------------------------------------------------------------------------------------


def clean() -> list[pl.Expr]:
    """Return the pollutants without the values that carry a disqualifying remark."""
    flags = {p: pl.col(f"{p.split('_')[0]}_flag") for p in POLLUTANTS}
    return [pl.when(flag.is_null() | ~flag.is_in(DISQUALIFYING)).then(pl.col(p)).alias(p) for p, flag in flags.items()]


def assessed(kept: pl.LazyFrame, *, engine: Literal["auto", "streaming"] = "auto") -> Tables:
    """Return what follows from clean hours, as a user of citylab writes it."""
    found = averages.daily_values(kept, stamp="starting", wind=None).collect(engine=engine)
    of_ozone = [c for c in found.columns if c.startswith("o3_mda8_")]
    days = found.drop(of_ozone)
    index = aqi(found.lazy(), edition=INDEX, not_monitored=["o3_1h"]).select(*_DAY, *_INDEXED)
    return {
        "days": days,
        "ozone": found.select(*_DAY, "validity_edition", *of_ozone),
        "index": index.collect(engine=engine),
        "months": averages.monthly_mean(days),
        "years": averages.annual_mean(days),
    }


def ours(paths: Sequence[Path]) -> Tables:
    """From the publisher's files to all tables."""
    hours = quality_flags(uci.parse_hourly(paths), checks="basic").collect()
    return {"hours": hours, **assessed(hours.lazy().with_columns(clean()))}


# By hand --------------------------------------------------------------------------------------------------------------


def _limits() -> dict[str, dict[str, Any]]:
    return {row["column"]: row for row in tables.read("air_plausibility").iter_rows(named=True)}


def _breakpoints() -> dict[str, tuple[list[float], list[float]]]:
    """Return concentrations and sub-indices by column of the day."""
    table = tables.read("air_aqi_breakpoints").filter(edition=INDEX).sort("index")
    found = {}
    for p in POLLUTANTS:
        stem = p.split("_")[0]
        own = table.filter(indicator="o3_8h" if stem == "o3" else f"{stem}_24h")
        found[p] = (own["concentration"].cast(pl.Float64).to_list(), own["index"].cast(pl.Float64).to_list())
    return found


LIMITS, BREAKPOINTS = _limits(), _breakpoints()
SENTINELS = [-9999.0, -999.0, -99.0, 999.0, 9999.0, 99999.0]
EDITION = "hj663-2013"
STEMS = {p: p.split("_")[0] for p in POLLUTANTS}


def _judged(
    value: str, n: pl.Expr, whole: pl.Expr | float, reason: pl.Expr, valid: pl.Expr | None = None
) -> list[pl.Expr]:
    stem = "o3_mda8" if "mda8" in value else value.split("_")[0]
    ok = reason.is_null() if valid is None else valid
    return [
        pl.when(ok).then(pl.col(value)).alias(value),
        n.alias(f"{stem}_n"),
        (n / whole).alias(f"{stem}_capture_share"),
        ok.alias(f"{stem}_is_valid"),
        reason.alias(f"{stem}_reason"),
    ]


def _sub_index_by_hand(value: pl.Expr, points: tuple[list[float], list[float]]) -> pl.Expr:
    found: Any = pl.when(value.is_null()).then(None)
    for c1, c2, i1, i2 in zip(points[0], points[0][1:], points[1], points[1][1:], strict=False):
        found = found.when(value <= c2).then(i1 + (value - c1) * ((i2 - i1) / (c2 - c1)))
    whole: pl.Expr = (found.otherwise(points[1][-1]) - 1e-9).ceil()
    return whole


def polars_by_hand(paths: Sequence[Path]) -> Tables:
    """The same by one query that relies on what its author knows of these files."""
    remarks, bad = [], []
    odd = pl.col("pm25_ugm3") > pl.col("pm10_ugm3")
    for p, stem in STEMS.items():
        v, limit = pl.col(p), LIMITS[p]
        coded = v.is_in(SENTINELS)
        own: Any = pl.when(coded).then(pl.lit("sentinel")).when(v < 0).then(pl.lit("negative"))
        own = own.when(v > limit["upper"]).then(pl.lit("out_of_range"))
        if limit["cap"] is not None:
            own = own.when(v == limit["cap"]).then(pl.lit("at_cap"))
        if stem in ("pm25", "pm10"):
            name = "pm25_above_pm10" if stem == "pm25" else "pm10_below_pm25"
            crossed = odd & (pl.col("pm10_ugm3") >= 0)
            alone = pl.when(crossed).then(pl.lit(name))
            both = pl.concat_str([own, pl.lit("+" + name)])
            remarks += [
                pl.coalesce(own, alone).alias(f"{stem}_flag"),
                pl.when(crossed).then(pl.coalesce(both, pl.lit(name))).otherwise(own).alias(f"{stem}_reasons"),
            ]
        else:
            remarks += [own.alias(f"{stem}_flag"), own.alias(f"{stem}_reasons")]
        bad.append(pl.when(~(coded | (v < 0) | (v > limit["upper"]))).then(v).alias(p))
    hours = uci.parse_hourly(paths).with_columns(remarks).collect()
    hour = pl.col("datetime_local").dt.hour()
    running = pl.col("o3_ugm3").rolling_mean(8, min_samples=6).over("station_id")
    counted = (
        hours.lazy()
        .select("station_id", pl.col("datetime_local"), *bad)
        .with_columns(
            pl.when(hour >= 7).then(running).alias("o3_mda8_ugm3"),
            pl.col("datetime_local").dt.date().alias("date_local"),
        )
        .group_by(_DAY)
        .agg(
            pl.col(POLLUTANTS).mean(),
            pl.col(POLLUTANTS).count().name.suffix("_n"),
            pl.col("o3_mda8_ugm3").max(),
            pl.col("o3_mda8_ugm3").count().alias("windows"),
        )
        .sort(_DAY)
        .collect()
    )
    edition = pl.lit(EDITION).alias("validity_edition")
    daily: list[pl.Expr] = []
    for p in POLLUTANTS:
        n = pl.col(f"{p}_n")
        why = pl.when(n == 0).then(pl.lit("no_values")).when(n < 20).then(pl.lit("few_hours"))
        daily += _judged(p, n, 24, why)
    days = counted.lazy().select(*_DAY, edition, *daily).collect()
    n, top = pl.col("windows"), pl.col("o3_mda8_ugm3")
    why = (
        pl.when(pl.col("o3_ugm3_n") == 0)
        .then(pl.lit("no_values"))
        .when((n < 14) & (top > 160))
        .then(pl.lit("few_windows_above_limit"))
        .when(n < 14)
        .then(pl.lit("few_windows"))
    )
    ok = (n >= 14) | (top > 160).fill_null(False)
    ozone = counted.lazy().select(*_DAY, edition, *_judged("o3_mda8_ugm3", n, 17, why, ok)).collect()
    sub = {p: f"{stem}_iaqi" for p, stem in STEMS.items()}
    concentrations = {**{p: pl.col(p) for p in POLLUTANTS}, "o3_ugm3": pl.col("o3_mda8_ugm3")}
    index = (
        days.lazy()
        .with_columns(ozone["o3_mda8_ugm3"])
        .select(*_DAY, *(_sub_index_by_hand(concentrations[p], BREAKPOINTS[p]).alias(sub[p]) for p in POLLUTANTS))
        .with_columns(aqi=pl.max_horizontal(list(sub.values())))
    )
    names = list(STEMS.values())
    told = [pl.when(pl.col(f"{s}_iaqi") == pl.col("aqi")).then(pl.lit(s)) for s in names]
    gone = [pl.when(pl.col(f"{s}_iaqi").is_null()).then(pl.lit(s)) for s in names]
    index = index.with_columns(
        pl.when(pl.col("aqi") > 50).then(pl.concat_str(told, separator="+", ignore_nulls=True)).alias("aqi_primary"),
        pl.when(pl.any_horizontal(pl.col(c).is_null() for c in sub.values()))
        .then(pl.concat_str(gone, separator="+", ignore_nulls=True))
        .alias("aqi_missing"),
        sum((pl.col("aqi") > bound).cast(pl.Int64) for bound in (50, 100, 150, 200, 300)).add(1).alias("aqi_level"),  # type: ignore[union-attr]
    )
    month = pl.col("date_local").dt.truncate("1mo")
    parts = [pl.col(POLLUTANTS).mean(), pl.col(POLLUTANTS).count().name.suffix("_n")]
    by_month = days.lazy().group_by("station_id", month.alias("month_start")).agg(parts).sort(_MONTH).collect()
    length = pl.col("month_start").dt.month_end().dt.day()
    needed = pl.when(pl.col("month_start").dt.month() == 2).then(25).otherwise(27)
    monthly: list[pl.Expr] = []
    for p in POLLUTANTS:
        n = pl.col(f"{p}_n")
        why = pl.when(n == 0).then(pl.lit("no_values")).when(n < needed).then(pl.lit("few_days"))
        monthly += _judged(p, n, length, why)
    year = pl.col("month_start").dt.year().cast(pl.Int64).alias("year")
    full = (
        by_month.lazy()
        .group_by("station_id", year)
        .agg(((pl.col(f"{p}_n") >= needed).sum() == 12).alias(f"{p}_full") for p in POLLUTANTS)
    )
    yearly: list[pl.Expr] = []
    for p in POLLUTANTS:
        n = pl.col(f"{p}_n")
        why = (
            pl.when(n == 0)
            .then(pl.lit("no_values"))
            .when(n < 324)
            .then(pl.lit("few_days"))
            .when(~pl.col(f"{p}_full"))
            .then(pl.lit("few_days_in_month"))
        )
        yearly += _judged(p, n, pl.when(pl.col("year") % 4 == 0).then(366).otherwise(365), why)
    by_year = days.lazy().group_by("station_id", pl.col("date_local").dt.year().cast(pl.Int64).alias("year")).agg(parts)
    return {
        "hours": hours,
        "days": days,
        "ozone": ozone,
        "index": index.collect(),
        "months": by_month.lazy().select(*_MONTH, edition, *monthly).collect(),
        "years": by_year.join(full, on=_YEAR).sort(_YEAR).select(*_YEAR, edition, *yearly).collect(),
    }


# pandas ---------------------------------------------------------------------------------------------------------------


def _first_true(marks: Mapping[str, pd.Series]) -> pd.Series:
    told = pd.Series(None, index=next(iter(marks.values())).index, dtype=object)
    for name, where in reversed(list(marks.items())):
        told[where] = name
    return told


def _judge_pandas(
    out: pd.DataFrame, value: str, numbers: pd.Series, n: pd.Series, whole: Any, marks: Mapping[str, pd.Series]
) -> None:
    stem = "o3_mda8" if "mda8" in value else value.split("_")[0]
    reason = _first_true(marks)
    ok = reason.isna() | (reason == "few_windows_above_limit")
    out[value] = numbers.where(ok)
    out[f"{stem}_n"], out[f"{stem}_capture_share"] = n, n / whole
    out[f"{stem}_is_valid"], out[f"{stem}_reason"] = ok, reason


def pandas_users(paths: Sequence[Path]) -> dict[str, pd.DataFrame]:
    """The same in pandas."""
    raw = pd.concat([pd.read_csv(p) for p in paths], ignore_index=True)
    hours = raw.rename(columns={**uci.VARIABLE_MAP, "station": "station_id"})
    hours["station_id"] = hours["station_id"].str.lower()
    hours["co_mgm3"] = (hours["co_mgm3"] / 1000.0).round(3)
    hours["datetime_local"] = pd.to_datetime(raw[["year", "month", "day", "hour"]])
    hours["wind_direction_deg"] = raw["wd"].map(uci.WIND_POINTS_DEG)
    kept = hours[["station_id", "datetime_local"]].copy()
    crossed = (hours["pm25_ugm3"] > hours["pm10_ugm3"]) & (hours["pm10_ugm3"] >= 0)
    for p, stem in STEMS.items():
        v, limit = hours[p], LIMITS[p]
        coded = v.isin(SENTINELS)
        outside = (v > limit["upper"]) & ~coded
        marks = {"sentinel": coded, "negative": (v < 0) & ~coded, "out_of_range": outside}
        if limit["cap"] is not None:
            marks["at_cap"] = v == limit["cap"]
        own = _first_true(marks)
        kept[p] = v.mask(own.isin(DISQUALIFYING))
        hours[f"{stem}_flag"], hours[f"{stem}_reasons"] = own, own
        if stem in ("pm25", "pm10"):
            name = "pm25_above_pm10" if stem == "pm25" else "pm10_below_pm25"
            alone, both = crossed & own.isna(), crossed & own.notna()
            hours.loc[alone, [f"{stem}_flag", f"{stem}_reasons"]] = name
            hours.loc[both, f"{stem}_reasons"] = own[both] + "+" + name
    kept["date_local"] = kept["datetime_local"].dt.floor("D")
    by_day = kept.groupby(_DAY)
    means, counts = by_day[list(POLLUTANTS)].mean(), by_day[list(POLLUTANTS)].count()
    running = kept.groupby("station_id")["o3_ugm3"].rolling(8, min_periods=6).mean().reset_index(level=0, drop=True)
    windows = running.where(kept["datetime_local"].dt.hour >= 7).groupby([kept[k] for k in _DAY])
    days, ozone = pd.DataFrame(index=means.index), pd.DataFrame(index=means.index)
    for p in POLLUTANTS:
        n = counts[p]
        _judge_pandas(days, p, means[p], n, 24, {"no_values": n == 0, "few_hours": n < 20})
    top, n = windows.max(), windows.count()
    marks = {
        "no_values": counts["o3_ugm3"] == 0,
        "few_windows_above_limit": (n < 14) & (top > 160),
        "few_windows": n < 14,
    }
    _judge_pandas(ozone, "o3_mda8_ugm3", top, n, 17, marks)
    index = pd.DataFrame(index=means.index)
    for p, stem in STEMS.items():
        value = ozone["o3_mda8_ugm3"] if stem == "o3" else days[p]
        index[f"{stem}_iaqi"] = np.ceil(np.interp(value, *BREAKPOINTS[p]) - 1e-9)
    names = list(STEMS.values())
    sub = index[[f"{s}_iaqi" for s in names]]
    index["aqi"] = sub.max(axis=1)
    for column, marks_of in (("aqi_primary", sub.eq(index["aqi"], axis=0)), ("aqi_missing", sub.isna())):
        joined = pd.Series("", index=index.index)
        for s in names:
            joined += np.where(marks_of[f"{s}_iaqi"], f"+{s}", "")
        index[column] = joined.str[1:].replace("", None)
    index["aqi_primary"] = index["aqi_primary"].where(index["aqi"] > 50)
    level = np.searchsorted([50, 100, 150, 200, 300], index["aqi"]) + 1
    index["aqi_level"] = pd.Series(level, index=index.index).where(index["aqi"].notna())
    flat = days.reset_index()
    flat["month_start"] = flat["date_local"].dt.to_period("M").dt.to_timestamp()
    flat["year"] = flat["date_local"].dt.year
    tables_of = {}
    enough = pd.DataFrame()
    for name, keys in (("months", _MONTH), ("years", _YEAR)):
        grouped = flat.groupby(keys)[list(POLLUTANTS)]
        means, counts = grouped.mean(), grouped.count()
        start: Any = counts.index.get_level_values(1)
        needed: Any
        out = pd.DataFrame(index=means.index)
        if name == "months":
            needed = np.where(start.month == 2, 25, 27)
            length: Any = start.days_in_month
            enough = counts.ge(needed, axis=0).groupby([counts.index.get_level_values(0), start.year]).sum() == 12
            enough.index.names = _YEAR
        else:
            needed, length = 324, np.where(start % 4 == 0, 366, 365)
        for p in POLLUTANTS:
            n = counts[p]
            marks = {"no_values": n == 0, "few_days": n < needed}
            if name == "years":
                marks["few_days_in_month"] = ~enough[p]
            _judge_pandas(out, p, means[p], n, length, marks)
        tables_of[name] = out
    found = {"days": days, "ozone": ozone, "index": index, **tables_of}
    return {"hours": hours, **{name: frame.reset_index() for name, frame in found.items()}}


def as_polars(found: Mapping[str, pd.DataFrame], like: Tables) -> Tables:
    """Return a pandas result as ours is: dates, empty as null, the edition that its author knows."""
    done = {}
    for name, frame in found.items():
        known = {"validity_edition": EDITION} if "validity_edition" in like[name].columns else {}
        wanted = like[name].schema
        out = pl.from_pandas(frame.assign(**known)[wanted.names()], nan_to_null=True)
        done[name] = out.with_columns(pl.col(c).cast(t) for c, t in wanted.items() if t.is_temporal() or t == pl.String)
    return done


# What is compared -----------------------------------------------------------------------------------------------------


def agree(left: Tables, right: Tables) -> None:
    """Raise :class:`~benchmarks.measure.Disagreement` unless all tables are equal: texts exactly, numbers to 1e-9."""
    if left.keys() != right.keys():
        raise Disagreement(f"tables differ: {list(left)} and {list(right)}")
    for name, key in KEYS.items():
        a, b = left[name].sort(key), right[name].sort(key)
        texts = [c for c, t in b.schema.items() if t == pl.String and c not in key]
        try:
            measure.agree(a.drop(texts), b.drop(texts), key=key)
        except Disagreement as reason:
            raise Disagreement(f"{name}: {reason}") from None
        for c in texts:
            if not a[c].equals(b[c], null_equal=True):
                raise Disagreement(f"{name}: {c} differs in {a[c].ne_missing(b[c]).sum():,} rows")


def rows() -> Iterator[Row]:
    """Compare results, then time."""
    _, paths = inputs()
    result = ours(paths)
    agree(polars_by_hand(paths), result)
    agree(as_polars(pandas_users(paths), result), result)
    work = f"{len(paths)} CSV files to remarks, days, AQI, months, years, {result['hours'].height:,} rows"
    contestants: dict[str, Callable[[], object]] = {
        "citylab": lambda: ours(paths),
        "Polars by hand": lambda: polars_by_hand(paths),
        "pandas": lambda: pandas_users(paths),
    }
    yield from compared(work, take_turns(contestants), budgets={"Polars by hand": BY_HAND_BUDGET})


# The large run --------------------------------------------------------------------------------------------------------

_TILE = """
import json, sys
from pathlib import Path
import polars as pl
hours = pl.read_parquet(sys.argv[1])
for i in range(int(sys.argv[3])):
    hours.with_columns(pl.col("station_id") + f"_{i:03d}").write_parquet(Path(sys.argv[2]) / f"{i:03d}.parquet")
print(json.dumps(hours.height * int(sys.argv[3])))
"""
_RUN = """
import json, resource, sys, time
import polars as pl
from benchmarks.air_pipeline import assessed, clean
from citylab.air.quality import quality_flags
wall, cpu = time.perf_counter(), time.process_time()
flagged = quality_flags(pl.scan_parquet(sys.argv[1] + "/*.parquet"), checks="basic")
found = assessed(flagged.with_columns(clean()), engine="streaming")
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
# The peak that getrusage gives may be that of the parent before exec.
try:
    status = open("/proc/self/status").read()
    peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
except OSError:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps([wall, cpu, peak, {name: table.height for name, table in found.items()}]))
"""


def large_rows() -> Iterator[Row]:
    """Make the tiles in a folder that is deleted afterwards, run once, and tell time and peak memory."""
    parquet, _ = inputs()
    with tempfile.TemporaryDirectory() as folder:
        n = fresh(_TILE, str(parquet), folder, str(TILES), patience_s=PATIENCE_LARGE_S)
        wall, cpu, peak, heights = fresh(_RUN, folder, patience_s=PATIENCE_LARGE_S)
    if heights["days"] != heights["ozone"] or not heights["years"]:
        raise Disagreement(f"tables of unequal heights: {heights}")
    work = f"synthetic: the hours {TILES} times over, Parquet to days, AQI, months, years, streaming, {n:,} rows"
    yield Row(work, "citylab", f"{wall:.1f} s", f"{cpu:.1f} s")
    gigabytes = peak / 1e9
    yield Row(
        f"{work}: peak memory",
        "citylab",
        f"{gigabytes:.2f} GB",
        budget=f"≤ {LARGE_BUDGET_GB:g} GB",
        is_within=gigabytes <= LARGE_BUDGET_GB,
    )
