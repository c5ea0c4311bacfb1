"""Coverage of intervals for the parts of a gap, and size and power of the verdict on its trend.

Synthetic samples. Decompositions: 300 people in two groups with a normal covariate and three categories; the parts of
the population are known in closed form. Clustered rows draw 30 villages of 10 with a shared factor and weights, and
declare the villages. Trends: shares of two groups from samples of 1,000 (400 for the slope) at each time; size is how
often a gap that stays is called widening or narrowing. A slope's interval takes the wider of the error that the samples
give and that of the scatter about the line, so its size lies below the nominal one, as it should.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy.special import expit, ndtr, ndtri

from calibration import Row, share
from citylab.equity.gap import oaxaca, yun
from citylab.equity.trend import Estimate, trend_of_gap
from citylab.stats.survey import NO_DESIGN, Design, Designed, designed

LEVEL = 0.95
PEOPLE, VILLAGES, PER_VILLAGE = 300, 30, 10
SAMPLE, SLOPE_SAMPLE = 1000, 400
MEANS = {"a": 1.0, "b": 0.4}
SHARES = {"a": np.array([0.3, 0.3, 0.4]), "b": np.array([0.5, 0.3, 0.2])}
SLOPE, EFFECTS, HEAD_START = 1.0, np.array([0.0, 0.5, 1.2]), 0.3
"""Coefficients of both groups alike, and what group a has beyond them."""
LOGIT_SHIFT = 1.0
EXPLAINED = SLOPE * (MEANS["a"] - MEANS["b"]) + float(EFFECTS @ (SHARES["a"] - SHARES["b"]))
KINDS = ["low", "middle", "high"]


def sample(rng: np.random.Generator, *, is_clustered: bool) -> pl.DataFrame:
    """People of two groups, or villages whose people share a factor."""
    n = VILLAGES * PER_VILLAGE if is_clustered else PEOPLE
    village = np.repeat(np.arange(VILLAGES), PER_VILLAGE) if is_clustered else np.arange(n)
    in_a = rng.random(n) < 0.5
    x = np.where(in_a, MEANS["a"], MEANS["b"]) + rng.normal(size=n)
    u = rng.random(n)
    kind = np.where(in_a, np.searchsorted(SHARES["a"].cumsum(), u), np.searchsorted(SHARES["b"].cumsum(), u))
    noise = rng.normal(size=n)
    if is_clustered:
        # What a village shares, and its people's groups and weights do not depend on it.
        noise += rng.normal(size=VILLAGES)[village]
    y = SLOPE * x + EFFECTS[kind] + HEAD_START * in_a + noise
    return pl.DataFrame({
        "group": np.where(in_a, "a", "b"), "x": x, "kind": np.array(KINDS)[kind], "y": y, "village": village,
        "w": rng.uniform(0.5, 2.0, n),
    }).with_columns(pl.col("kind").cast(pl.Enum(KINDS)))  # fmt: skip


def decompositions(n: int, seed: int) -> list[Row]:
    """Return coverage of explained and unexplained parts."""
    rng = np.random.default_rng(seed)
    truth = {"gap": EXPLAINED + HEAD_START, "explained": EXPLAINED, "unexplained": HEAD_START}
    held: dict[str, list[bool]] = {}
    for _ in range(n):
        plain, villages = sample(rng, is_clustered=False), sample(rng, is_clustered=True)
        cases: dict[str, pl.DataFrame | Designed] = {
            f"{PEOPLE} people": plain,
            f"{VILLAGES} villages declared": designed(villages, Design(weight="w", psu="village")),
        }
        for name, frame in cases.items():
            design = NO_DESIGN if isinstance(frame, pl.DataFrame) else None
            told = oaxaca(frame, "y", "group", ["x", "kind"], design=design, level=LEVEL).tidy()
            for part, value in truth.items():
                row = told.filter((pl.col("component") == part) & (pl.col("variable") == "(all)")).row(0, named=True)
                held.setdefault(f"Oaxaca coverage, {part}, {name}", []).append(row["lower"] <= value <= row["upper"])
        chance = expit(plain["y"].to_numpy() - LOGIT_SHIFT)
        yes = plain.with_columns(y=pl.Series(rng.random(PEOPLE) < chance))
        told = yun(yes, "y", "group", ["x", "kind"], design=NO_DESIGN, level=LEVEL).tidy()
        row = told.filter(pl.col("component") == "gap").row(0, named=True)
        held.setdefault(f"Yun coverage, gap, {PEOPLE} people", []).append(row["lower"] <= LOGIT_GAP <= row["upper"])
    return [share(what, LEVEL, flags) for what, flags in held.items()]


def _logit_gap() -> float:
    """Difference of mean probabilities, integrated over the noise, the covariate and the categories."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()
    means = {}
    for g in ("a", "b"):
        # Covariate and noise are normal and independent, so their sum is normal of variance SLOPE² + 1.
        z = nodes * np.sqrt(SLOPE**2 + 1) + SLOPE * MEANS[g] + HEAD_START * (g == "a") - LOGIT_SHIFT
        means[g] = sum(p * (weights @ expit(z + e)) for p, e in zip(SHARES[g], EFFECTS, strict=True))
    return float(means["a"] - means["b"])


LOGIT_GAP = _logit_gap()


def verdicts(rng: np.random.Generator, n: int, a: list[float], b: list[float], size: int, estimate: Estimate,
             measure: str) -> list[str]:  # fmt: skip
    """Return the verdicts on a gap between two groups of which ``size`` people answer at each time."""
    k = len(a)
    out = []
    for _ in range(n):
        rows = pl.DataFrame({
            "year": [*range(k)] * 2, "group": ["a"] * k + ["b"] * k, "n": [size] * (2 * k),
            "online_share": rng.binomial(size, [*a, *b]) / size,
        })  # fmt: skip
        told = trend_of_gap(rows, value="online_share", group="group", time="year", n="n", bound=1.0, design_effect=1.0,
                            estimate=estimate, level=LEVEL)  # fmt: skip
        out.append(told.verdict(measure))
    return out


def trends(n: int, seed: int) -> list[Row]:
    """Return how often a verdict is given where nothing changes, and how often "widening" where the gap doubles."""
    rng = np.random.default_rng(seed)
    rows = []
    for estimate, size in (("ends", SAMPLE), ("slope", SLOPE_SAMPLE)):
        for measure in ("absolute", "relative", "relative_shortfall"):
            told = verdicts(rng, n, [0.8] * 6, [0.6] * 6, size, estimate, measure)  # type: ignore[arg-type]
            what = f"Size of the verdict, {measure} gap, {estimate}, 6 times of {size}"
            rows.append(share(what, 1 - LEVEL, [v != "undecidable" for v in told]))
    # A gap of 10 points becomes one of 20: change 0.1 over its error, less the quantile of the interval.
    a, b = [0.7, 0.8], [0.6, 0.6]
    error = np.sqrt(sum(p * (1 - p) for p in [*a, *b]) / SAMPLE)
    nominal = float(ndtr(((a[1] - b[1]) - (a[0] - b[0])) / error - ndtri((1 + LEVEL) / 2)))
    told = verdicts(rng, n, a, b, SAMPLE, "ends", "absolute")
    rows.append(share(f"Power, a gap of 10 points becomes 20, samples of {SAMPLE}", nominal,
                      [v == "widening" for v in told]))  # fmt: skip
    return rows


def run(n: int, seed: int) -> list[Row]:
    """Return coverage of decompositions, and size and power of verdicts, over ``n`` runs each."""
    return [*decompositions(n, seed), *trends(n, seed + 1)]
