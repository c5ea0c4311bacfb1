"""Crediting of trips: ours, a row-by-row calculator in Python, and a plain pandas version, on the same synthetic trips.

All three apply the same declared limits: area, dates, times, distance, speed, proof, replays, overlaps, daily caps.
``--large`` credits ten million trips from Parquet to Parquet, here and on two Dask workers.
"""

from __future__ import annotations

import datetime as dt
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.measure import Row, agree, compared, fresh, take_turns
from citylab.carbon.inclusive.crediting import credit
from citylab.carbon.inclusive.methodologies import Methodology, methodology

METHODOLOGY = "beijing-travel-2024"
ASOF = dt.date(2024, 12, 31)
TRIPS = 100_000
MANY = 10_000_000
MEMORY_GB = 4.0
SECONDS = 30.0


def trips(n: int, *, seed: int = 0, trips_each: int = 4) -> pl.DataFrame:
    """Return synthetic trips of October 2024, some of them with faults of every kind."""
    rng = np.random.default_rng(seed)
    act = rng.choice(["walk", "cycle", "bus", "metro"], n, p=[0.4, 0.2, 0.2, 0.2])
    speed = np.select([act == "walk", act == "cycle", act == "bus"], [4.5, 13.0, 18.0], 32.0)
    start = np.datetime64("2024-10-02", "ms") + rng.integers(0, 29 * 86_400, n) * np.timedelta64(1000, "ms")
    km = np.round(rng.lognormal(1, 0.8, n), 3)
    hours = km / (speed * rng.lognormal(0, 0.2, n))
    codes, shares = ["110101", "110105", "110108", "120101", "130102", "310101"], [0.4, 0.3, 0.2, 0.05, 0.04, 0.01]
    ends = [rng.choice(codes, n, p=shares) for _ in range(2)]
    frame = pl.DataFrame(
        {
            "activity_id": rng.permutation(n),
            "account": rng.integers(0, max(1, n // trips_each), n),
            "act": act,
            "start_local": start,
            "end_local": start + (hours * 3.6e6).astype("timedelta64[ms]"),
            "distance_km": km,
            "proof": np.where(np.isin(act, ["bus", "metro"]), "transit_card", "nav_trace"),
            "start_adcode": ends[0],
            "end_adcode": ends[1],
        }
    ).with_columns(pl.col("activity_id", "account").cast(pl.String))
    fault = rng.integers(0, 200, n)
    again = pl.Series(fault == 1)
    return frame.with_columns(
        *(
            pl.when(again).then(pl.col(c).shift(1, fill_value="0")).otherwise(c).alias(c)
            for c in ("activity_id", "account")
        ),
        act=pl.when(pl.Series(fault == 2)).then(pl.lit("scooter")).otherwise("act"),
        start_local=pl.when(pl.Series(fault == 3))
        .then(pl.col("start_local") - pl.duration(days=40))
        .otherwise("start_local"),
        end_local=pl.when(pl.Series(fault == 4)).then("start_local").otherwise("end_local"),
        distance_km=pl.when(pl.Series(fault == 7))
        .then(pl.col("distance_km") * 20)
        .when(pl.Series(fault == 5))
        .then(-pl.col("distance_km"))
        .otherwise("distance_km"),
        proof=pl.when(pl.Series(fault == 6)).then(pl.lit("word")).otherwise("proof"),
    )


def ours(frame: pl.DataFrame) -> pl.DataFrame:
    """Credit, and keep what is compared."""
    done = credit(frame, methodology=METHODOLOGY, asof=ASOF)
    return done.select("credit_co2_kg", "reason").with_row_index("row")


def _limits(m: Methodology) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "base": act.baseline.factor,
            "project": act.project.factor,
            "min": act.min_distance_km.value if act.min_distance_km else None,
            "max": act.max_distance_km.value if act.max_distance_km else None,
            "speed": act.max_speed_kmh.value if act.max_speed_kmh else None,
            "proof": set(act.proof),
        }
        for name, act in m.acts.items()
    }


def _alone(trip: dict[str, Any], limit: dict[str, Any] | None, m: Methodology, asof: dt.date) -> str | None:
    """Return what speaks against a trip by itself, in the order of the declared table."""
    if any(
        trip[c] is None for c in ("activity_id", "account", "act", "start_local", "end_local", "distance_km")
    ) or not np.isfinite(trip["distance_km"]):
        return "missing_value"
    if limit is None:
        return "unknown_act"
    if limit["base"] is None or limit["project"] is None:
        return "no_factor"
    day = trip["start_local"].date()
    if day > asof:
        return "future"
    if day < m.valid_from or (m.valid_to is not None and day > m.valid_to):
        return "outside_validity"
    if any((trip[c] or "")[:2] not in m.geography.adcode_prefixes for c in ("start_adcode", "end_adcode")):
        return "outside_geography"
    if trip["end_local"] <= trip["start_local"]:
        return "bad_times"
    km = trip["distance_km"]
    if km <= 0:
        return "negative_quantity"
    if limit["max"] is not None and km > limit["max"]:
        return "absurd_quantity"
    if limit["min"] is not None and km < limit["min"]:
        return "too_short"
    if limit["speed"] is not None and km > limit["speed"] * (
        (trip["end_local"] - trip["start_local"]).total_seconds() / 3600
    ):
        return "too_fast"
    return None if trip["proof"] in limit["proof"] else "no_proof"


def row_by_row(frame: pl.DataFrame, *, name: str = METHODOLOGY, asof: dt.date = ASOF) -> pl.DataFrame:
    """Credit trip by trip, as a calculator would: the peer, and the reference of the tests."""
    m = methodology(name)
    limits = _limits(m)
    rows = frame.to_dicts()
    reasons = [_alone(trip, limits.get(trip["act"]), m, asof) for trip in rows]
    order = sorted(
        (i for i, reason in enumerate(reasons) if reason is None),
        key=lambda i: (rows[i]["account"], rows[i]["start_local"], i),
    )
    sent: set[tuple[str, str]] = set()
    busy: dict[str, dt.datetime] = {}
    metres: dict[tuple[str, dt.date], int] = defaultdict(int)
    count: dict[tuple[str, dt.date], int] = defaultdict(int)
    for i in order:
        trip = rows[i]
        who, key = trip["account"], (trip["account"], trip["start_local"].date())
        if (who, trip["activity_id"]) in sent:
            reasons[i] = "replay"
            continue
        sent.add((who, trip["activity_id"]))
        until = busy.get(who)
        busy[who] = trip["end_local"] if until is None else max(until, trip["end_local"])
        if until is not None and until.replace(microsecond=0) > trip["start_local"].replace(microsecond=0):
            reasons[i] = "overlap"
            continue
        metres[key] += round(trip["distance_km"] * 1000)
        count[key] += 1
        caps = m.caps
        if (caps.distance_km_per_day and metres[key] > caps.distance_km_per_day.value * 1000) or (
            caps.trips_per_day and count[key] > caps.trips_per_day.value
        ):
            reasons[i] = "daily_cap"
    earned = []
    for i, trip in enumerate(rows):
        saved = 0.0
        if reasons[i] is None:
            limit = limits[trip["act"]]
            saved = (limit["base"] * trip["distance_km"] - limit["project"] * trip["distance_km"]) * (
                (1 - m.leakage_share) * (1 - m.discount.share)
            )
            if saved <= 0:
                reasons[i], saved = "no_reduction", 0.0
        earned.append(saved)
    return pl.DataFrame(
        {"credit_co2_kg": earned, "reason": reasons}, schema={"credit_co2_kg": pl.Float64, "reason": pl.String}
    ).with_row_index("row")


def pandas_plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Credit as a user of pandas would write it: the same rules, column by column."""
    import pandas as pd

    m = methodology(METHODOLOGY)
    limits = pd.DataFrame(_limits(m)).T.drop(columns="proof").astype(float)
    df = (
        frame.to_pandas()
        .reset_index(names="row")
        .merge(limits, left_on="act", right_index=True, how="left")
        .sort_values("row")
    )
    df["reason"] = None
    day = df.start_local.dt.date
    known = df.act.isin(limits.index)
    inside = df.start_adcode.str[:2].isin(m.geography.adcode_prefixes) & df.end_adcode.str[:2].isin(
        m.geography.adcode_prefixes
    )
    proof = pd.Series(False, index=df.index)
    for name, act in m.acts.items():
        proof |= (df.act == name) & df.proof.isin(act.proof)
    hours = (df.end_local - df.start_local).dt.total_seconds() / 3600
    for reason, wrong in (
        ("unknown_act", ~known),
        ("no_factor", df.base.isna() | df.project.isna()),
        ("future", day > ASOF),
        ("outside_validity", day < m.valid_from),
        ("outside_geography", ~inside),
        ("bad_times", df.end_local <= df.start_local),
        ("negative_quantity", df.distance_km <= 0),
        ("absurd_quantity", df.distance_km > df["max"]),
        ("too_short", df.distance_km < df["min"]),
        ("too_fast", df.distance_km > df.speed * hours),
        ("no_proof", ~proof),
    ):
        df.loc[wrong & df.reason.isna(), "reason"] = reason
    df = df.sort_values(["account", "start_local", "row"])
    ok = df[df.reason.isna()]
    df.loc[ok.index[ok.duplicated(["account", "activity_id"])], "reason"] = "replay"
    ok = df[df.reason.isna()]
    until = ok.groupby("account").end_local.transform(lambda s: s.cummax().shift())
    df.loc[ok.index[until.dt.floor("s") > ok.start_local.dt.floor("s")], "reason"] = "overlap"
    ok = df[df.reason.isna()]
    by_day = [ok.account, ok.start_local.dt.date]
    metres = (ok.distance_km * 1000).round().groupby(by_day).cumsum()
    trips_of_day = ok.groupby(by_day).cumcount() + 1
    over = (metres > m.caps.distance_km_per_day.value * 1000) | (trips_of_day > m.caps.trips_per_day.value)  # type: ignore[union-attr]
    df.loc[ok.index[over], "reason"] = "daily_cap"
    saved = df.base * df.distance_km - df.project * df.distance_km
    df["credit_co2_kg"] = saved.where(df.reason.isna(), 0.0)
    done = df.sort_values("row")
    return pl.DataFrame(
        {"row": done.row.to_numpy(), "credit_co2_kg": done.credit_co2_kg.to_numpy(), "reason": done.reason.to_list()},
        schema={"row": pl.UInt32, "credit_co2_kg": pl.Float64, "reason": pl.String},
    )


def coded(done: pl.DataFrame) -> pl.DataFrame:
    """Return a result with its reasons as numbers, for a comparison to the last row."""
    from citylab import tables

    rank = dict(tables.read("inclusive_reasons").select("code", "rank").iter_rows())
    return done.with_columns(pl.col("reason").replace_strict(rank, return_dtype=pl.Int64, default=None))


def rows() -> Iterator[Row]:
    """Compare results, then time."""
    frame = trips(TRIPS)
    mine = coded(ours(frame))
    agree(coded(row_by_row(frame)), mine, key=["row"])
    agree(coded(pandas_plain(frame)), mine, key=["row"])
    timings = take_turns(
        {
            "citylab": lambda: ours(frame),
            "row by row": lambda: row_by_row(frame),
            "plain pandas": lambda: pandas_plain(frame),
        },
        runs=3,
    )
    yield from compared(f"crediting trips, synthetic, {TRIPS:,} rows", timings)


_LARGE = """
import json, os, re, sys, time
from pathlib import Path
import polars as pl
from citylab.carbon.inclusive.crediting import credit_to
from benchmarks.crediting import METHODOLOGY, ASOF
source, target = sys.argv[1:]
start = time.perf_counter()
credit_to(pl.scan_parquet(source), target, methodology=METHODOLOGY, asof=ASOF)
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1e6
print(json.dumps([time.perf_counter() - start, sum(os.times()[:2]), peak]))
"""


def summed(part: pl.LazyFrame) -> pl.LazyFrame:
    """Credit one part and return sums: what a worker does."""
    done = credit(part, methodology=METHODOLOGY, asof=ASOF)
    return done.group_by("reason").agg(pl.len().cast(pl.Int64).alias("n"), pl.col("credit_co2_kg").sum())


def added(stacked: pl.LazyFrame) -> pl.LazyFrame:
    """Add the sums of all parts."""
    return stacked.group_by("reason").agg(pl.col("n", "credit_co2_kg").sum())


def large_rows() -> Iterator[Row]:
    """Credit ten million trips from Parquet to Parquet; then their sums on two Dask workers."""
    from citylab import scale
    from citylab.carbon.inclusive.crediting import parts_by_account

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "trips.parquet", Path(folder) / "credits.parquet"
        # Account by account and week by week does not matter: what is made here is in any order.
        pl.concat(trips(MANY // 10, seed=s).with_columns(pl.format("{}-{}", pl.lit(s), "account").alias("account"))
                  for s in range(10)).write_parquet(source)  # fmt: skip
        wall, cpu, peak = fresh(_LARGE, str(source), str(target), patience_s=3600)
        work = f"crediting trips, Parquet to Parquet, synthetic, {MANY:,} rows"
        yield Row(
            work, "citylab", f"{wall:.1f} s", f"{cpu:.1f} s", budget=f"≤ {SECONDS:g} s", is_within=wall <= SECONDS
        )
        yield Row(
            f"{work}: peak memory",
            "citylab",
            f"{peak:.2f} GB",
            budget=f"≤ {MEMORY_GB:g} GB",
            is_within=peak <= MEMORY_GB,
        )
        whole = added(pl.scan_parquet(target).select("reason", "credit_co2_kg", n=pl.lit(1, dtype=pl.Int64))).collect()
        with scale.connect(workers=2) as client:
            start = time.perf_counter()
            parts = parts_by_account(pl.scan_parquet(source), parts=8)
            done = scale.map_partitions(summed, parts, client=client, combine=added)
            wall = time.perf_counter() - start
        agree(coded(done), coded(whole), key=["reason"])
        yield Row(f"{work}: sums by reason", "two Dask workers", f"{wall:.1f} s")
