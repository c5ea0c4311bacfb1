"""Coverage of intervals for measures of inequality.

Synthetic independent rows: lognormal (σ of the logarithm 0.5 and 0.8) and Pareto (exponent 2.5: a variance, but a heavy
tail). Coverage counts how often the 95 % interval holds the measure of the distribution, which is known in closed form.
Rows are linearised (Student's t), on the log scale where they say so, unless they say bootstrap (399 draws,
percentile). The clustered rows draw 40 villages of 10 with a shared factor and weights, and declare the villages.
With a heavy tail every such interval covers too little, the more so the more a measure heeds the top: a row below its
band is what to expect of a published interval of that kind, too.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.special import erf, ndtr, ndtri

from calibration import Row, share
from citylab.equity.concentration import concentration
from citylab.equity.inequality import inequality
from citylab.equity.sampling import Errors

LEVEL = 0.95
MEASURES = {
    "gini": "Gini", "theil_t": "Theil T", "mld": "MLD", "atkinson(1)": "Atkinson(1)", "hoover": "Hoover",
    "palma": "Palma", "p90_p10": "P90/P10",
}  # fmt: skip
SIZES = (100, 400)
SIGMAS = (0.5, 0.8)
PARETO = 2.5
DRAWS = 399
VILLAGES, HOUSEHOLDS, VILLAGE_SIGMA = 40, 10, 0.3

Floats = npt.NDArray[np.float64]


def lognormal_truth(sigma: float) -> dict[str, float]:
    """Closed forms; the Lorenz curve of a lognormal is Φ(Φ⁻¹(p) - σ)."""
    half = sigma**2 / 2

    def below(p: float) -> float:
        return float(ndtr(ndtri(p) - sigma))

    return {
        "gini": float(erf(sigma / 2)), "theil_t": half, "mld": half, "atkinson(1)": 1 - np.exp(-half),
        "hoover": float(2 * ndtr(sigma / 2) - 1), "palma": (1 - below(0.9)) / below(0.4),
        "p90_p10": float(np.exp(sigma * (ndtri(0.9) - ndtri(0.1)))),
    }  # fmt: skip


def pareto_truth(a: float) -> dict[str, float]:
    """Closed forms; the Lorenz curve of a Pareto is 1 - (1 - p)^(1 - 1/a)."""
    mean = a / (a - 1)
    power = 1 - 1 / a
    poor = 1 - mean ** (-a)
    return {
        "gini": 1 / (2 * a - 1), "theil_t": 1 / (a - 1) - np.log(mean), "mld": np.log(mean) - 1 / a,
        "atkinson(1)": 1 - np.exp(1 / a) / mean, "hoover": poor - (1 - (1 - poor) ** power),
        "palma": 0.1**power / (1 - 0.6**power), "p90_p10": (0.1 / 0.9) ** (-1 / a),
    }  # fmt: skip


def coverage(samples: Floats, truth: dict[str, float], errors: Errors, name: str) -> list[Row]:
    """Return how often the intervals hold the truth; one sample a row."""
    runs, n = samples.shape
    frame = pl.DataFrame({"run": np.repeat(np.arange(runs), n), "y": samples.ravel()})
    told = inequality(frame, "y", by="run", measures=list(truth), errors=errors)
    return _held(told, truth, name)


def _held(told: pl.DataFrame, truth: dict[str, float], name: str) -> list[Row]:
    rows = []
    for measure, exact in truth.items():
        value = float(exact)
        part = told.filter(pl.col("measure") == measure)
        held = (part["lower"] <= value) & (value <= part["upper"])
        rows.append(share(f"{MEASURES.get(measure, measure)}, {name}", LEVEL, held.to_numpy()))
    return rows


def clustered(rng: np.random.Generator, runs: int, sigma: float) -> tuple[list[Row], list[Row]]:
    """Return coverage where villages share a factor, with villages declared and with rows taken as independent."""
    within = np.sqrt(sigma**2 - VILLAGE_SIGMA**2)
    log = VILLAGE_SIGMA * rng.normal(size=(runs, VILLAGES, 1)) + within * rng.normal(size=(runs, VILLAGES, HOUSEHOLDS))
    size = VILLAGES * HOUSEHOLDS
    frame = pl.DataFrame(
        {
            "run": np.repeat(np.arange(runs), size),
            "village": np.repeat(np.arange(runs * VILLAGES), HOUSEHOLDS),
            "y": np.exp(log).ravel(),
            "w": rng.uniform(0.5, 2, runs * size),
        }
    )
    truth = {m: v for m, v in lognormal_truth(sigma).items() if m in {"gini", "mld"}}
    told = []
    for part in frame.partition_by("run"):  # a design is that of one survey
        told.append([
            inequality(part, "y", weight="w", measures=list(truth), errors=e) for e in (Errors(psu="village"), Errors())
        ])  # fmt: skip
    declared, ignored = (pl.concat(side) for side in zip(*told, strict=True))
    return _held(declared, truth, "villages declared"), _held(ignored, truth, "villages not declared")


def rank_coverage(rng: np.random.Generator, runs: int, n: int) -> Row:
    """Return coverage of a concentration index: yes with probability 0.2 + 0.6 r, r the rank."""
    x = rng.uniform(size=(runs, n))
    h = rng.uniform(size=(runs, n)) < 0.2 + 0.6 * x
    frame = pl.DataFrame({"run": np.repeat(np.arange(runs), n), "x": x.ravel(), "h": h.ravel().astype(float)})
    told = concentration(frame, "h", rank="x", by="run", kind="erreygers", bounds=(0, 1))
    # 4 · 2 cov(0.2 + 0.6 r, r) = 8 · 0.6 / 12 = 0.4.
    return _held(told, {"erreygers": 0.4}, f"yes or no along a rank, n {n}")[0]


def run(n: int, seed: int) -> list[Row]:
    """Return coverage over ``n`` runs each."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for size in SIZES:
        for sigma in SIGMAS:
            samples = rng.lognormal(sigma=sigma, size=(n, size))
            rows += coverage(samples, lognormal_truth(sigma), Errors(), f"lognormal {sigma}, n {size}")
        samples = 1 + rng.pareto(PARETO, size=(n, size))
        rows += coverage(samples, pareto_truth(PARETO), Errors(), f"Pareto {PARETO}, n {size}")
        rows.append(rank_coverage(rng, n, size))
        rows += coverage(samples, pareto_truth(PARETO), Errors(scale="log"), f"Pareto {PARETO}, n {size}, log scale")
    samples = rng.lognormal(sigma=SIGMAS[1], size=(n, SIZES[0]))
    name = f"lognormal {SIGMAS[1]}, n {SIZES[0]}, log scale"
    rows += coverage(samples, lognormal_truth(SIGMAS[1]), Errors(scale="log"), name)
    samples = rng.lognormal(sigma=SIGMAS[0], size=(n, SIZES[0]))
    truth = {m: v for m, v in lognormal_truth(SIGMAS[0]).items() if m in {"gini", "mld"}}
    boot = Errors("bootstrap", n_boot=DRAWS, seed=seed)
    rows += coverage(samples, truth, boot, f"lognormal {SIGMAS[0]}, n {SIZES[0]}, bootstrap")
    declared, ignored = clustered(rng, n, SIGMAS[1])
    return rows + declared + ignored
