from __future__ import annotations

import polars as pl
import pytest

from citylab.errors import DataError, SchemaError
from citylab.viz.frontier import frontier_plot

ROWS = pl.DataFrame(
    {"objective": ["need", "efficiency", "efficiency"], "budget": [2e6, 2e6, 1e6],
     "reached_persons": [15.0, 18.0, 10.0], "persons": [20.0] * 3, "least_share": [0.5, 0.25, 0.0],
     "gap": [0.0, 0.01, 0.0], "is_synthetic": True}
)  # fmt: skip


def test_each_objective_is_a_line_of_shares_over_millions_in_the_order_of_budgets():
    plot = frontier_plot(ROWS, currency="CNY", lang="en")
    data = plot.select_one({"name": "data_efficiency"}).data
    assert (data["x"], data["share"], data["gap"]) == ([1, 2], [50, 90], [0, 1])
    assert data["least"] == [0, 25]
    assert plot.select_one({"name": "data_need"}).data["share"] == [75]
    assert [i.label.value for i in plot.legend[0].items] == [
        "most persons",
        "greatest need",
        "group reached least",
    ]


@pytest.mark.parametrize(("lang", "word"), [("zh", "合成"), ("en", "synthetic")])
def test_synthetic_villages_are_called_so_in_the_picture_and_to_those_who_cannot_see_it(lang, word):
    plot = frontier_plot(ROWS, currency="CNY", lang=lang)
    assert word in plot.html_attributes["aria-label"]
    assert any(word in getattr(item, "text", "") for item in plot.above)
    real = frontier_plot(ROWS.with_columns(is_synthetic=False), currency="CNY", lang=lang)
    assert word not in real.html_attributes["aria-label"]
    assert not any(word in getattr(item, "text", "") for item in real.above)


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(SchemaError, match="gap"):
        frontier_plot(ROWS.drop("gap"), currency="CNY")
    with pytest.raises(DataError, match="objectives"):
        frontier_plot(ROWS.with_columns(objective=pl.lit("luck")), currency="CNY")
    with pytest.raises(DataError, match="several"):
        frontier_plot(pl.concat([ROWS, ROWS]), currency="CNY")
    with pytest.raises(DataError, match="without rows"):
        frontier_plot(ROWS.clear(), currency="CNY")
    none = pl.lit(None, dtype=pl.Float64)
    with pytest.raises(DataError, match="no plan to show"):
        frontier_plot(ROWS.with_columns(none.alias("reached_persons")), currency="CNY")


def test_a_budget_without_a_plan_is_no_point_at_0():
    lost = pl.when(budget=1e6).then(None).otherwise(pl.col("reached_persons", "least_share", "gap")).name.keep()
    plot = frontier_plot(ROWS.with_columns(lost), currency="CNY", lang="en")
    assert plot.select_one({"name": "data_efficiency"}).data["x"] == [2]
