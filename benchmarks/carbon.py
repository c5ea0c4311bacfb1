"""Carbon: the uncertainty of an inventory by simulation, and the drivers of many cities.

Monte Carlo: 10,000 draws of 16 districts x 30 rows with shared factors and heat values, against NumPy loops (draw by
draw, row by row) and the vectorised limit (all rows at once, block by block, nothing kept but totals). The peers get
our very multipliers, so that totals can be compared draw by draw to 1e-9; drawing them is part of everyone's time.
LMDI: 290 cities x 22 years x 4 factors, chained, against a loop over cities and years in NumPy and in pandas. All data
are synthetic.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from benchmarks.measure import TOLERANCE, Disagreement, Row, agree, compared, take_turns
from citylab.carbon import uncertainty
from citylab.carbon.drivers import lmdi
from citylab.carbon.inventory import Inventory, inventory

DRAWS, DISTRICTS, ROWS_EACH, SEED = 10_000, 16, 30, 0
LIMIT_S = 5.0
"""Seconds that were asked for on two cores."""
BLOCK = 1_000
CITIES, YEARS, FACTORS = 290, 22, ("population", "gdp_per_head", "energy_per_gdp", "co2_per_energy")
RUNS = 5

Floats = npt.NDArray[np.float64]


# Monte Carlo ----------------------------------------------------------------------------------------------------------


def city(districts: int = DISTRICTS, rows: int = ROWS_EACH) -> Inventory:
    """A synthetic inventory of CO2: ``rows`` fuels and sub-sectors in each district, with factors that they share."""
    fuels = ["natural_gas", "diesel", "bituminous_coal", "lpg", "coke", "gasoline"]
    refs = ["I.1.1", "I.2.1", "I.3.1", "I.4.1", "I.5.1"]
    sheet = pl.DataFrame(
        {"place": f"D{d}", "year": 2022, "gpc_ref": refs[k % 5], "fuel": fuels[k // 5], "activity": 1.0 + d + k,
         "unit": "kt", "source": "synthetic", "uncertainty_pct": 2.0 + k % 7}
        for d in range(districts) for k in range(rows)
    )  # fmt: skip
    made = inventory(sheet)
    return Inventory(
        made.rows.filter(gas="CO2"), made.gaps, made.boundary, made.gwp, made.basis, made.edition, made.warnings
    )  # fmt: skip


class Model:
    """The same model as plain arrays, as a person would set it up by hand."""

    def __init__(self, made: Inventory) -> None:
        told = uncertainty._model(
            uncertainty._selected(made, None), activity_pct=None, factor_pct=None, correlated=uncertainty.SHARED
        )
        self.groups, self.of_row = uncertainty._groups(told, ())
        self.value, self.index, self.inputs = told.value, told.of_row, told.inputs
        self.streams = lambda: [uncertainty._stream(SEED, x.key) for x in told.inputs]

    def drawn(self, streams: list[np.random.Generator], size: int) -> Floats:
        """Return multipliers of all inputs, and a last line of ones for rows without a heat value."""
        made = uncertainty._multipliers(self.inputs, streams, size)
        return np.vstack([made, np.ones(size)])


def numpy_loop(model: Model, draws: int = DRAWS) -> Floats:
    """Draw by draw: the product of each row, added to its district."""
    all_draws = model.drawn(model.streams(), draws)
    out = np.zeros((model.groups.height, draws))
    for i in range(draws):
        for row, group in enumerate(model.of_row):
            a, f, link = model.index[row]
            out[group, i] += model.value[row] * all_draws[a, i] * all_draws[f, i] * all_draws[link, i]
    return out


def numpy_rows(model: Model, draws: int = DRAWS) -> Floats:
    """Row by row over all draws."""
    all_draws = model.drawn(model.streams(), draws)
    out = np.zeros((model.groups.height, draws))
    for row, group in enumerate(model.of_row):
        a, f, link = model.index[row]
        out[group] += model.value[row] * all_draws[a] * all_draws[f] * all_draws[link]
    return out


def vectorised(model: Model, draws: int = DRAWS) -> Floats:
    """All rows at once, in blocks of draws: one gather, two products, one sum by district."""
    streams = model.streams()
    order = np.argsort(model.of_row, kind="stable")
    starts = np.flatnonzero(np.diff(model.of_row[order], prepend=-1))
    a, f, link = model.index[order].T
    value = model.value[order][:, None]
    out = np.empty((model.groups.height, draws))
    for start in range(0, draws, BLOCK):
        size = min(BLOCK, draws - start)
        some = model.drawn(streams, size)
        out[:, start : start + size] = np.add.reduceat(value * some[a] * some[f] * some[link], starts, axis=0)
    return out


def same_draws(left: Floats, right: Floats) -> None:
    """Raise :class:`~benchmarks.measure.Disagreement` unless all totals of all draws are equal to 1e-9."""
    off = np.abs(left - right).max() / np.abs(right).max()
    if left.shape != right.shape or not off <= TOLERANCE:
        raise Disagreement(f"totals of draws differ by up to {off:.1e} of the largest; {TOLERANCE:g} is allowed")


# LMDI -----------------------------------------------------------------------------------------------------------------


def panel(cities: int = CITIES, years: int = YEARS) -> pl.DataFrame:
    """A synthetic panel of cities whose four factors grow at random rates."""
    rng = np.random.default_rng(SEED)
    steps = rng.normal([0.01, 0.07, -0.03, -0.01], 0.03, size=(cities, years, len(FACTORS)))
    levels = np.exp(np.cumsum(steps, axis=1)) * [3e6, 4e4, 1e-4, 2.2]
    frame = pl.DataFrame(levels.reshape(-1, len(FACTORS)), schema=list(FACTORS))
    return frame.with_columns(
        city=pl.Series(np.repeat(np.arange(cities), years)),
        year=pl.Series(np.tile(np.arange(1997, 1997 + years), cities)),
        co2_t=pl.reduce(lambda a, b: a * b, [pl.col(f) for f in FACTORS]),
    )  # fmt: skip


def ours(frame: pl.DataFrame) -> pl.DataFrame:
    """All cities in one call, with checks, shares and cumulative effects."""
    return lmdi(frame, "co2_t", FACTORS, group="city")


def _step(before: Floats, after: Floats) -> Floats:
    v0, v1 = before.prod(), after.prod()
    weight = v0 if v0 == v1 else (v1 - v0) / np.log(v1 / v0)
    return weight * np.log(after / before)


def numpy_cities(frame: pl.DataFrame) -> pl.DataFrame:
    """City by city and year by year; effects only."""
    rows = []
    for (name,), part in frame.group_by("city", maintain_order=True):
        values, years = part.select(FACTORS).to_numpy(), part["year"].to_list()
        for i, (first, last) in enumerate(pairwise(years)):
            for factor, effect in zip(FACTORS, _step(values[i], values[i + 1]), strict=True):
                rows.append((name, first, last, factor, effect))
    return pl.DataFrame(rows, schema=["city", "from", "to", "factor", "effect"], orient="row")


def pandas_cities(frame: pd.DataFrame) -> pd.DataFrame:
    """``groupby`` and ``shift`` over each city; effects only."""
    parts = []
    for name, part in frame.sort_values("year").groupby("city"):
        before = part.shift(1)
        ratio = np.log(part["co2_t"] / before["co2_t"])
        weight = (part["co2_t"] - before["co2_t"]) / ratio
        for factor in FACTORS:
            effect = weight * np.log(part[factor] / before[factor])
            told = pd.DataFrame({"city": name, "from": before["year"], "to": part["year"], "factor": factor,
                                 "effect": effect})  # fmt: skip
            parts.append(told.iloc[1:])
    return pd.concat(parts)


def effects(table: pl.DataFrame | pd.DataFrame) -> pl.DataFrame:
    """Return the columns that all contestants have, in one set of types."""
    frame = table if isinstance(table, pl.DataFrame) else pl.from_pandas(table.reset_index(drop=True))
    whole = pl.col("city", "from", "to").cast(pl.Int64)
    return frame.select(whole, pl.col("factor").cast(pl.String), pl.col("effect").cast(pl.Float64))


# Rows -----------------------------------------------------------------------------------------------------------------


def rows() -> Iterator[Row]:
    """Compare all results, then time."""
    made = city()
    model = Model(made)
    _, told = uncertainty.simulate(made, n=DRAWS, seed=SEED)
    for other in (numpy_rows, vectorised):
        same_draws(other(model), told)
    few = DRAWS // 100
    same_draws(numpy_loop(model, few), uncertainty.simulate(made, n=few, seed=SEED)[1])
    work = f"Monte Carlo, {DRAWS:,} draws x {DISTRICTS} districts x {ROWS_EACH} rows, synthetic"
    timings = take_turns(
        {
            "citylab": lambda: uncertainty.simulate(made, n=DRAWS, seed=SEED),
            "NumPy, row by row": lambda: numpy_rows(model),
            "NumPy, vectorised": lambda: vectorised(model),
        },
        runs=RUNS,
    )
    yield from compared(work, timings)
    slow = take_turns(
        {
            "citylab": lambda: uncertainty.simulate(made, n=few, seed=SEED),
            "NumPy, draw by draw": lambda: numpy_loop(model, few),
        },
        runs=3,
    )
    yield from compared(f"the same, {few} draws (a plain loop does no more in this time)", slow)
    whole = take_turns({"citylab": lambda: uncertainty.monte_carlo(made, n=DRAWS, seed=SEED)}, runs=RUNS)["citylab"]
    wall, cpu = (float(np.median(s)) for s in (whole.wall_s, whole.cpu_s))
    yield Row(
        work, "citylab, totals with intervals", f"{wall:.3f} s", f"{cpu:.3f} s", budget=f"≤ {LIMIT_S:g} s",
        is_within=wall <= LIMIT_S,
    )  # fmt: skip
    frame = panel()
    in_pandas = frame.to_pandas()
    key = ["city", "from", "to", "factor"]
    for peer in (effects(numpy_cities(frame)), effects(pandas_cities(in_pandas))):
        agree(peer, effects(ours(frame)), key=key)
    yield from compared(
        f"LMDI, {CITIES} cities x {YEARS} years x {len(FACTORS)} factors, chained, synthetic",
        take_turns(
            {
                "citylab": lambda: ours(frame),
                "NumPy loop": lambda: numpy_cities(frame),
                "pandas by city": lambda: pandas_cities(in_pandas),
            },
            runs=RUNS,
        ),
    )
