"""Search for double claims: ours, a merge in pandas, a ball tree of scikit-learn and a k-d tree of SciPy, same claims.

All return the pairs within the declared thresholds, and are compared pair by pair before they are timed. With the token
of the person the peer is a plain merge on the token; without, trees over the places. ``--large`` searches one million
claims, where the ball tree, which knows no time, would hold too many neighbours at a station.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import numpy as np
import polars as pl

from benchmarks.measure import Row, agree, compared, fresh, take_turns
from citylab import places, tables
from citylab.carbon.inclusive.duplicates import GAP_COLUMNS, claim_pairs, duplicates
from citylab.carbon.inclusive.planted import synthetic_claims

CLAIMS = 20_000
MANY = 1_000_000
SECONDS = 60.0
TOKEN = "person_id"
KEY = ["first", "second"]
COLUMNS = [*KEY, *GAP_COLUMNS]
EARTH_M = float(places.distance_m(0.0, 0.0, 0.0, 1.0)) * 180 / np.pi


def _limits() -> dict[str, float]:
    return dict(tables.read("inclusive_duplicate_thresholds").select("rule", "value").iter_rows())


def _compatible() -> set[tuple[str, str]]:
    told = tables.read("inclusive_duplicate_modes").select("act", "other_act").rows()
    return {*told, *((b, a) for a, b in told)}


def _numbered(pairs: pl.DataFrame) -> pl.DataFrame:
    """Name each claim by the number in its synthetic id, the smaller one first."""
    a, b = (pl.col(c).str.slice(1).cast(pl.Int64) for c in ("activity_id", "other_activity_id"))
    return pairs.select(pl.min_horizontal(a, b).alias("first"), pl.max_horizontal(a, b).alias("second"), *GAP_COLUMNS)


def ours(claims: pl.DataFrame, token: str | None) -> pl.DataFrame:
    """Return all pairs by our search."""
    return _numbered(claim_pairs(claims, token=token))


def _kept(df: pl.DataFrame, i: object, j: object, *, across: bool) -> pl.DataFrame:
    """Apply the rule to candidate pairs, column by column, as a user of NumPy would."""
    limits = _limits()
    ends = {c: df[c].to_numpy() for c in df.columns}
    a, b = ({c: v[k] for c, v in ends.items()} for k in (i, j))
    gaps = {
        **{
            f"{e}_gap_s": np.abs((a[f"{e}_local"] - b[f"{e}_local"]) / np.timedelta64(1, "s")) for e in ("start", "end")
        },
        **{
            f"{e}_gap_m": places.distance_m(
                a[f"{e}_longitude_deg"], a[f"{e}_latitude_deg"], b[f"{e}_longitude_deg"], b[f"{e}_latitude_deg"]
            )
            for e in ("start", "end")
        },
        "distance_gap_share": np.abs(a["distance_km"] - b["distance_km"])
        / np.maximum(a["distance_km"], b["distance_km"]),
    }
    near = np.logical_and.reduce([gaps[g] <= limits[g] for g in GAP_COLUMNS])
    modes = [f"{x}|{y}" for x, y in _compatible()]
    near &= np.isin(a["act"].astype(str) + np.array("|") + b["act"].astype(str), modes)
    if across:
        near &= a["platform"] != b["platform"]
    ids = [np.char.lstrip(side["activity_id"][near].astype(str), "s").astype(np.int64) for side in (a, b)]
    return pl.DataFrame(
        {"first": np.minimum(*ids), "second": np.maximum(*ids), **{g: v[near] for g, v in gaps.items()}}
    )


def pandas_merge(claims: pl.DataFrame) -> pl.DataFrame:
    """Merge each person's claims of a day with each other, then filter: days before and after for those at midnight."""
    import pandas as pd

    df = claims.select(TOKEN, "start_local").to_pandas()
    df["row"] = np.arange(len(df))
    df["day"] = df["start_local"].dt.floor("D")
    found = []
    for shift in (0, 1):
        other = df.assign(day=df["day"] - pd.Timedelta(days=shift))
        both = df.merge(other, on=[TOKEN, "day"], suffixes=("", "_other"))
        if shift == 0:
            both = both[both["row"] < both["row_other"]]
        gap = (both["start_local"] - both["start_local_other"]).abs().dt.total_seconds()
        found.append(both.loc[gap <= _limits()["start_gap_s"], ["row", "row_other"]])
    pairs = pd.concat(found)
    return _kept(claims, pairs["row"].to_numpy(), pairs["row_other"].to_numpy(), across=False)


def ball_tree(claims: pl.DataFrame) -> pl.DataFrame:
    """Ask a ball tree for all starts within the threshold, then filter."""
    from sklearn.neighbors import BallTree

    places_rad = np.radians(claims.select("start_latitude_deg", "start_longitude_deg").to_numpy())
    tree = BallTree(places_rad, metric="haversine")
    found = tree.query_radius(places_rad, r=_limits()["start_gap_m"] * (1 + 1e-9) / EARTH_M)
    i = np.repeat(np.arange(len(found)), [len(f) for f in found])
    j = np.concatenate(found)
    once = i < j
    return _kept(claims, i[once], j[once], across=True)


def kd_tree(claims: pl.DataFrame) -> pl.DataFrame:
    """Ask a k-d tree over both places and both times, each in units of its threshold, then filter."""
    from scipy.spatial import KDTree

    limits = _limits()
    highest = np.radians(max(claims["start_latitude_deg"].max(), claims["end_latitude_deg"].max()))  # type: ignore[type-var]
    columns = []
    for end in ("start", "end"):
        unit = np.degrees(limits[f"{end}_gap_m"] * (1 + 1e-9) / EARTH_M)
        columns.append(claims[f"{end}_latitude_deg"].to_numpy() / unit)
        # The widest circle of that radius, at the latitude farthest north.
        wide = np.degrees(np.arcsin(np.sin(np.radians(unit)) / np.cos(highest)))
        columns.append(claims[f"{end}_longitude_deg"].to_numpy() / wide)
        columns.append(claims[f"{end}_local"].dt.epoch("ms").to_numpy() / 1000 / limits[f"{end}_gap_s"])
    tree = KDTree(np.column_stack(columns) - np.array([c.min() for c in columns]))
    pairs = tree.query_pairs(1.0 + 1e-9, p=np.inf, output_type="ndarray")
    return _kept(claims, pairs[:, 0], pairs[:, 1], across=True)


def rows() -> Iterator[Row]:
    """Compare pairs, then time."""
    claims = synthetic_claims(CLAIMS, seed=0)
    mine = ours(claims, TOKEN)
    agree(pandas_merge(claims), mine, key=KEY)
    timings = take_turns({"citylab": lambda: ours(claims, TOKEN), "pandas merge": lambda: pandas_merge(claims)}, runs=5)
    yield from compared(f"pairs of claims by token, synthetic, {CLAIMS:,} claims", timings)
    mine = ours(claims, None)
    peers = {"scikit-learn BallTree": ball_tree, "SciPy KDTree in 6 dimensions": kd_tree}
    for peer in peers.values():
        agree(peer(claims), mine, key=KEY)
    timings = take_turns(
        {"citylab": lambda: ours(claims, None), **{n: (lambda p=p: p(claims)) for n, p in peers.items()}}, runs=3
    )
    yield from compared(f"pairs of claims without a token, synthetic, {CLAIMS:,} claims", timings)


_LARGE = """
import json, os, sys, time
from pathlib import Path
import polars as pl
from citylab.carbon.inclusive.duplicates import duplicates
claims = pl.read_parquet(sys.argv[1])
# The peak that getrusage tells is inherited from the parent; that in /proc begins with this program.
status = Path("/proc/self/status")
def peak():
    lines = status.read_text().splitlines() if status.is_file() else []
    return next((int(line.split()[1]) / 1e6 for line in lines if line.startswith("VmHWM")), None)
before = peak()
start, cpu = time.perf_counter(), sum(os.times()[:2])
found = duplicates(claims, token=sys.argv[2] or None)
wall, cpu = time.perf_counter() - start, sum(os.times()[:2]) - cpu
print(json.dumps([wall, cpu, peak(), before, found.height]))
"""


def large_rows() -> Iterator[Row]:
    """Search one million claims for clusters in a fresh interpreter; then the peers that can, in one go each."""
    import tempfile
    from pathlib import Path

    claims = synthetic_claims(MANY, seed=0)
    for token, how, peer, who in (
        (TOKEN, "by token", pandas_merge, "pandas merge, pairs only"),
        (None, "without a token", kd_tree, "SciPy KDTree in 6 dimensions, pairs only"),
    ):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "claims.parquet"
            claims.write_parquet(path)
            wall, cpu, peak, before, height = fresh(_LARGE, str(path), token or "", patience_s=1800)
        assert height == duplicates(claims, token=token).height
        work = f"clusters of claims {how}, synthetic, {MANY:,} claims"
        kept = wall <= SECONDS
        yield Row(work, "citylab", f"{wall:.1f} s", f"{cpu:.1f} s", budget=f"≤ {SECONDS:g} s", is_within=kept)
        if peak is not None:
            yield Row(f"{work}: peak memory (before: {before:.2f} GB)", "citylab", f"{peak:.2f} GB")
        clocks = []
        for search in (lambda: ours(claims, token), lambda: peer(claims)):  # noqa: B023
            start, of_cores = time.perf_counter(), sum(os.times()[:2])
            pairs = search()
            clocks.append((time.perf_counter() - start, sum(os.times()[:2]) - of_cores, pairs))
        agree(clocks[1][2], clocks[0][2], key=KEY)
        (mine_s, mine_cpu, _), (its_s, its_cpu, _) = clocks
        work = f"pairs of claims {how}, synthetic, {MANY:,} claims, one run"
        yield Row(work, "citylab", f"{mine_s:.1f} s", f"{mine_cpu:.1f} s")
        yield Row(work, who, f"{its_s:.1f} s", f"{its_cpu:.1f} s", mine_s / its_s, mine_cpu / its_cpu)
