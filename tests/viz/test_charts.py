from __future__ import annotations

import datetime as dt
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citylab.errors import SchemaError
from citylab.viz import charts, theme

DAYS = [dt.date(2014, 1, d) for d in range(1, 6)]


def daily(values: list[float | None]) -> pl.DataFrame:
    low = [None if v is None else v - 1 for v in values]
    high = [None if v is None else v + 1 for v in values]
    return pl.DataFrame({"date_local": DAYS[: len(values)], "pm25_ugm3": values, "low": low, "high": high})


def a_line(frame: pl.DataFrame, **options: object):
    names = {"line": "mean", "band": "range", "levels": "year"}
    given = {"low": "low", "high": "high", "names": names, "alt": "x", "lang": "en", **options}
    return charts.line(frame, "date_local", "pm25_ugm3", **given)


def data_of(plot, name="data"):
    return plot.select_one({"name": name}).data


def test_a_missing_day_is_nan_in_the_line_and_parts_the_band():
    plot = a_line(daily([1.0, 2.0, None, 4.0, 5.0]))
    assert math.isnan(data_of(plot)["y"][2])
    assert int(np.isnan(data_of(plot, "band")["x"]).sum()) == 2


def test_the_band_of_a_lone_day_is_one_day_wide():
    out = charts.band_outline(np.array([0.0]), np.array([1.0]), np.array([2.0]))
    finite = out["x"][np.isfinite(out["x"])]
    assert finite.max() - finite.min() == charts.MS_PER_DAY


@settings(max_examples=40)
@given(st.lists(st.one_of(st.none(), st.floats(2, 99)), min_size=1, max_size=5))
def test_the_band_has_one_outline_per_run_of_days_and_both_edges_of_each(values):
    band = data_of(a_line(daily(values)), "band")
    runs = sum(v is not None and (i == 0 or values[i - 1] is None) for i, v in enumerate(values))
    assert int(np.isnan(band["y"]).sum()) == max(runs, 1)
    present = {v for v in values if v is not None}
    assert set(band["y"][np.isfinite(band["y"])]) == {v + s for v in present for s in (-1, 1)}


def test_an_update_changes_the_data_and_keeps_the_models():
    plot = a_line(daily([1.0, 2.0]))
    source = plot.select_one({"name": "data"})
    charts.update(plot, daily([7.0, 8.0, 9.0]))
    assert plot.select_one({"name": "data"}) is source
    assert list(source.data["y"]) == [7, 8, 9]


def test_levels_follow_an_update_and_vanish_without_any():
    levels = pl.DataFrame({"start": [DAYS[0]], "end": [DAYS[1]], "value": [1.5], "label": ["1.5"]})
    plot = a_line(daily([1.0, 2.0]), levels=levels)
    assert data_of(plot, "levels")["text"] == ["1.5"]
    charts.update(plot, daily([1.0]))
    assert data_of(plot, "levels")["text"] == []


def test_one_edge_makes_no_band():
    with pytest.raises(SchemaError, match="both low and high"):
        a_line(daily([1.0]), high=None)


def test_a_missing_column_is_named():
    with pytest.raises(SchemaError, match="low"):
        a_line(daily([1.0]).drop("low"))


def test_bars_stand_from_least_to_greatest_and_leave_out_the_missing():
    frame = pl.DataFrame({"name": ["a", "b", "c"], "pm25_ugm3": [3.0, None, 1.0], "mark": [True, False, False]})
    plot = charts.ranked(frame, "name", "pm25_ugm3", highlight="mark", alt="x", lang="en")
    assert plot.y_range.factors == ["c", "a"]
    assert data_of(plot)["colour"] == [theme.colour("pm25_ugm3"), theme.colour("selected")]
    assert data_of(plot)["text"] == ["1.00", "3.00"]


def test_ranked_bars_of_nothing_can_be_drawn_and_filled_later():
    frame = pl.DataFrame({"name": ["a"], "pm25_ugm3": [3.0]})
    plot = charts.ranked(frame.clear(), "name", "pm25_ugm3", alt="x", lang="en")
    charts.update(plot, frame)
    assert plot.y_range.factors == ["a"]


def monthly() -> pl.DataFrame:
    rows = [(dt.date(2019, 1, 1), s, t) for s, t in (("industry", 1e6), ("power", 3e6), ("ground_transport", 2e6))]
    return pl.DataFrame(rows, schema=["month_start", "sector", "co2_t"], orient="row")


def stack(frame: pl.DataFrame, lang: str = "en"):
    order = ["power", "industry", "ground_transport"]
    return charts.stacked(frame, "month_start", "sector", "co2_t", order=order, alt="x", lang=lang)


def test_stacked_bars_start_where_the_one_below_ends_and_reach_the_total():
    data = data_of(stack(monthly()))
    assert data["bottom"].tolist() == [0, 3, 4]
    assert data["top"].tolist() == [3, 4, 6]


def test_the_same_bars_are_in_mt_in_english_and_in_wan_tons_in_chinese():
    assert data_of(stack(monthly(), "zh"))["top"][-1] == 100 * data_of(stack(monthly(), "en"))["top"][-1]
    assert "万吨" in stack(monthly(), "zh").yaxis.axis_label


@pytest.mark.parametrize(("change", "said"), [({"co2_t": -1.0}, "negative"), ({"sector": "aviation"}, "aviation")])
def test_what_cannot_be_stacked_is_refused(change, said):
    frame = monthly().with_columns(**{k: pl.lit(v) for k, v in change.items()})
    with pytest.raises(SchemaError, match=said):
        stack(frame)


def test_every_picture_has_a_text_for_people_who_cannot_see_it():
    assert a_line(daily([1.0]), alt="PM2.5 by day").html_attributes["aria-label"] == "PM2.5 by day"


def test_large_type_leaves_more_room_for_the_value_beside_the_longest_bar():
    rows = pl.DataFrame({"name": ["A"], "pm25_ugm3": [10.0]})
    small, large = (charts.ranked(rows, "name", "pm25_ugm3", alt="x", lang="en", large=s) for s in (False, True))
    assert (small.x_range.end, large.x_range.end) == pytest.approx((12.0, 14.0))
    charts.update(large, rows.with_columns(pl.lit(20.0).alias("pm25_ugm3")))
    assert large.x_range.end == pytest.approx(28.0)
