"""What the carbon benchmark times is the same work, and its checks would notice if it were not."""

from __future__ import annotations

import polars as pl
import pytest

from benchmarks import carbon, measure
from citylab.carbon import uncertainty

DRAWS = 200


def test_loops_and_the_vectorised_limit_reach_our_totals_of_every_draw() -> None:
    made = carbon.city(districts=3, rows=30)
    model = carbon.Model(made)
    groups, told = uncertainty.simulate(made, n=DRAWS, seed=carbon.SEED)
    assert groups["n"].to_list() == [30] * 3
    for other in (carbon.numpy_loop, carbon.numpy_rows, carbon.vectorised):
        carbon.same_draws(other(model, DRAWS), told)
    with pytest.raises(measure.Disagreement):
        carbon.same_draws(told * (1 + 1e-8), told)


def test_loops_over_cities_reach_our_effects() -> None:
    frame = carbon.panel(cities=4, years=5)
    ours = carbon.effects(carbon.ours(frame))
    assert ours.height == 4 * 4 * len(carbon.FACTORS)
    key = ["city", "from", "to", "factor"]
    for peer in (carbon.numpy_cities(frame), carbon.pandas_cities(frame.to_pandas())):
        measure.agree(carbon.effects(peer), ours, key=key)
    with pytest.raises(measure.Disagreement):
        measure.agree(ours.with_columns(pl.col("effect") + 1.0), ours, key=key)
