"""Twelve rules of Beijing under two laws, by income decile and district, against policyengine-core.

The peer pins old releases of what citylab uses, so it lives in an environment of its own: name its interpreter in
``CITYLAB_PEER_PYTHON``. Persons are synthetic: drawn here from plain distributions, in households. The peer computes
in single precision, so that sums are compared to 1e-4 of the largest. Reading and drawing count for neither.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.measure import Disagreement, Row, take_turns
from citylab.policy import beijing_rules
from citylab.policy.rules import Scale, amended, compare, in_force

PERSONS, LARGE = 2_000_000, 21_900_000
SEED = 0
WHEN = date(2025, 1, 1)
WANTED = [
    "income_tax_cny",
    "old_age_allowance_cny",
    "minimum_living_cny",
    "electricity_bill_cny",
    "disposable_income_cny",
]
DISTRICTS = 16
BUDGET = 0.4
"""Our time over the peer's: 2.5 times as fast."""
SINGLE = 1e-4
PATIENCE_S = 900


def city(n: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return about ``n`` synthetic persons in households of one to five."""
    rng = np.random.default_rng(SEED)
    size = rng.integers(1, 6, n // 3)
    total, homes = int(size.sum()), len(size)
    age = rng.integers(0, 95, total).astype(np.uint8)
    wage = np.where((age >= 18) & (age < 60) & (rng.random(total) < 0.8), rng.lognormal(11.5, 0.8, total), 0.0)
    starts = np.concatenate([[0], np.cumsum(size)[:-1]])
    earners = np.add.reduceat((wage > 0).astype(np.int64), starts)
    ids = np.repeat(np.arange(homes, dtype=np.int32), size)
    persons = pl.DataFrame(
        {
            "household_id": ids, "wage_cny": wage, "age_years": age, "pension_cny": np.where(age >= 60, 48_000.0, 0.0),
            "is_under_18": age < 18, "is_60_plus": age >= 60,
            "income_decile": rng.integers(1, 11, homes).astype(np.uint8)[ids],
            "district": rng.integers(0, DISTRICTS, homes).astype(np.uint8)[ids],
        }
    )  # fmt: skip
    households = pl.DataFrame(
        {"household_id": np.arange(homes, dtype=np.int32), "household_size_persons": size, "earner_count": earners,
         "electricity_kwh": rng.gamma(2.0, 1200.0, homes)}
    )  # fmt: skip
    return persons, households


def reform() -> pl.DataFrame:
    """Return the law with other income tax brackets and a higher minimum income."""
    law = amended(beijing_rules.parameters(), "income_tax", {0: 0.02, 50_000: 0.12, 300_000: 0.3}, start=WHEN)
    return amended(law, "minimum_income_cny", 20_000, start=WHEN)


def ours(persons: pl.DataFrame, households: pl.DataFrame) -> pl.DataFrame:
    """Both laws in one pass."""
    return compare(
        persons, households, beijing_rules.book(), parameters=beijing_rules.parameters(), when=WHEN,
        reform_parameters=reform(), wanted=WANTED, by=["income_decile", "district"],
    )  # fmt: skip


def peer(persons: pl.DataFrame, households: pl.DataFrame, python: str) -> dict[str, Any]:
    """Run the peer in its own interpreter."""
    laws = []
    for table in (beijing_rules.parameters(), reform()):
        law = in_force(table, WHEN)
        laws.append(
            {k: dict(zip(v.thresholds, v.rates, strict=True)) if isinstance(v, Scale) else v for k, v in law.items()}
        )
    with tempfile.TemporaryDirectory() as folder:
        group = (pl.col("income_decile").cast(pl.Int64) - 1) * DISTRICTS + pl.col("district")
        persons.with_columns(pl.col("household_id").alias("household_row"), group.alias("group")).write_parquet(
            Path(folder) / "persons.parquet"
        )
        households.write_parquet(Path(folder) / "households.parquet")
        told = {"laws": laws, "wanted": WANTED, "groups": 10 * DISTRICTS}
        (Path(folder) / "law.json").write_text(json.dumps(told), encoding="utf-8")
        script = Path(__file__).with_name("microsimulation_peer.py")
        done = subprocess.run(
            [python, str(script), folder], capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    if done.returncode:
        raise RuntimeError((done.stderr.strip() or "the peer failed").splitlines()[-1])
    return dict(json.loads(done.stdout.splitlines()[-1]))


def check(mine: pl.DataFrame, sums: Sequence[Sequence[float]]) -> None:
    """Raise unless the peer's sums are ours, to its single precision."""
    for i, name in enumerate(WANTED):
        rows = mine.filter(rule=name).sort("income_decile", "district")
        for j, column in enumerate(("reference", "reform")):
            theirs = np.array(sums[j * len(WANTED) + i])
            off = np.abs(rows[column].to_numpy() - theirs).max() / np.abs(theirs).max()
            if not off <= SINGLE:
                raise Disagreement(f"{name} under the {column} differs by up to {off:.1e} of the largest group")


def _rows(n: int, runs: int) -> Iterator[Row]:
    persons, households = city(n)
    work = f"12 rules, 2 laws, {persons.height / 1e6:.3g} M persons, {10 * DISTRICTS} groups"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    timing = take_turns({"citylab": lambda: ours(persons, households)}, runs=runs)["citylab"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    wall, cpu = sorted(timing.wall_s)[runs // 2], sorted(timing.cpu_s)[runs // 2]
    yield Row(work, "citylab", f"{wall:.4f} s", f"{cpu:.4f} s", budget=f"peak {peak:.2f} GB, {before:.2f} before")
    python = os.environ.get("CITYLAB_PEER_PYTHON")
    if python is None:
        yield Row(work, "policyengine-core", "not present: name its interpreter in CITYLAB_PEER_PYTHON")
        return
    try:
        told = peer(persons, households, python)
    except RuntimeError as reason:
        yield Row(work, "policyengine-core", f"not measured: {reason}")
        return
    check(ours(persons, households), told["sums"])
    yield Row(
        work, f"policyengine-core, peak {told['peak_gb']:.1f} GB", f"{told['wall_s']:.4f} s", f"{told['cpu_s']:.4f} s",
        wall / told["wall_s"], cpu / told["cpu_s"], f"≤ {BUDGET:g} ×", wall / told["wall_s"] <= BUDGET,
    )  # fmt: skip


def rows() -> Iterator[Row]:
    """Compare results, then time."""
    yield from _rows(PERSONS, 3)


def large_rows() -> Iterator[Row]:
    """The size of a city, a row per resident."""
    yield from _rows(LARGE, 1)
