"""The pictures of an incentive: parts stack to the budget, bands are the intervals, and both languages are spoken."""

from __future__ import annotations

import polars as pl
import pytest

from citylab.errors import DataError, SchemaError
from citylab.viz import figures, incentive


def rows_of(amount: float, *, per: str = "trip") -> pl.DataFrame:
    """An amount that pays 100 trips made anyway and 4 extra ones a yuan."""
    extra = 4 * amount
    values = {
        "budget": amount * (100 + extra), "budget_anyway": amount * 100, "budget_extra": amount * extra,
        "extra_mean_t": extra / 1000, "extra_replacement_t": extra / 500,
    }  # fmt: skip
    return pl.DataFrame(
        [{"amount_cny": amount, "per": per, "quantity": q, "value": v, "low": v / 2, "high": v * 2, "level": 0.95}
         for q, v in values.items()]
    )  # fmt: skip


ROWS = pl.concat([rows_of(1.0), rows_of(0.0), rows_of(0.5)])


def test_the_parts_of_the_budget_stack_up_to_it_and_the_extra_share_is_written() -> None:
    plot = incentive.budget_split(ROWS, alt="Budget", lang="en")
    anyway, extra = (figures.source(plot, part).data for part in ("budget_anyway", "budget_extra"))
    assert anyway["x"] == ["0", "0.5", "1"]
    assert extra["bottom"] == anyway["top"] == [0, 50, 100]
    assert extra["top"] == [0, 0.5 * 102, 104]
    # 1 of 51 and 4 of 104; nothing is written where nothing is paid
    assert figures.source(plot, "shares").data["text"] == ["", "2.0 %", "3.8 %"]
    assert plot.yaxis.axis_label == "Budget (CNY)"
    assert {i.label.value for i in plot.legend[0].items} == {
        "Paid to extra trips", "Paid to trips that would have happened anyway"
    }  # fmt: skip


def test_tonnes_are_drawn_in_kilograms_with_the_band_of_each_baseline() -> None:
    plot = incentive.tonnes_curve(ROWS.lazy(), alt="新增减排", lang="zh", source="合成数据")
    mean = figures.source(plot, "extra_mean_t").data
    assert mean["x"] == [0, 0.5, 1] and mean["y"] == pytest.approx([0, 2, 4])
    assert mean["high"] == pytest.approx([0, 4, 8])
    assert max(figures.source(plot, "extra_replacement_t band").data["y"][:-1]) == pytest.approx(16)
    assert plot.xaxis.axis_label == "每次出行补贴（元）" and plot.yaxis.axis_label == "新增减排（千克）"
    assert any("合成数据" in t.text and "95 %" in t.text for t in plot.below if hasattr(t, "text"))
    assert plot.html_attributes["aria-label"] == "新增减排"


def test_a_payment_a_kilogram_says_so() -> None:
    assert incentive.tonnes_curve(rows_of(1.0, per="kg"), alt="a", lang="en").xaxis.axis_label == "Incentive a kg (CNY)"


def test_two_units_an_amount_twice_missing_parts_and_columns_are_refused() -> None:
    with pytest.raises(DataError, match="both"):
        incentive.budget_split(pl.concat([rows_of(1.0), rows_of(2.0, per="kg")]), alt="a")
    with pytest.raises(DataError, match="several"):
        incentive.budget_split(pl.concat([ROWS, rows_of(1.0)]), alt="a")
    with pytest.raises(DataError, match="budget_extra"):
        incentive.budget_split(ROWS.filter(pl.col("quantity") != "budget_extra"), alt="a")
    with pytest.raises(SchemaError, match="high"):
        incentive.tonnes_curve(ROWS.drop("high"), alt="a")
    with pytest.raises(DataError, match="without rows"):
        incentive.tonnes_curve(ROWS.clear(), alt="a")
