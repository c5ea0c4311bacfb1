from __future__ import annotations

import datetime as dt
import math

import polars as pl
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from citylab.equity.decomposition import between_within
from citylab.equity.space import local_moran, pairs
from citylab.errors import DataError, SchemaError
from citylab.viz import equity as drawn
from citylab.viz import figures

COLUMN = [shapely.box(116 + 0.1 * i, 40, 116.1 + 0.1 * i, 40.1).wkb for i in range(4)]
PLACES = pl.DataFrame({"id": list("abcd"), "geometry_wkb": COLUMN})
ROWS = pl.DataFrame({"id": list("abcd"), "name": ["A", "B", "C", "D"], "use_pct": [10.0, 20.0, None, 40.0],
                     "cluster": ["cold_spot", "not_significant", None, "hot_spot"]})  # fmt: skip
MAP = {"place": "id", "value": "use_pct", "name": "name", "title": "Use", "unit": "%", "alt": "Places", "lang": "en"}


def data(plot, name="data"):
    return figures.source(plot, name).data


# curves and estimates


def test_a_curve_is_read_in_percent_and_its_axes_say_who_is_ranked_and_what_they_hold():
    points = pl.DataFrame({"population_share": [0.0, 0.5, 1.0], "value_share": [0.0, 0.2, 1.0]})
    plot = drawn.curve(points, ranked_by="Counties", held="Homes", name="Internet", alt="A curve", lang="en")
    assert data(plot, "Internet")["y"] == [0, 20, 100]
    assert (plot.xaxis.axis_label, plot.yaxis.axis_label) == ("Counties (%)", "Homes (%)")


def test_an_estimate_without_a_value_is_left_out_and_one_without_an_interval_has_no_bar():
    rows = pl.DataFrame({"m": ["a", "b", "c"], "value": [1.0, None, -2.0], "lower": [0.5, None, None],
                         "upper": [1.5, None, None]})  # fmt: skip
    held = data(drawn.estimates(rows, label="m", title="Index", alt="Three", lang="en"))
    assert held["value"] == [1, -2]
    assert held["low"] == [0.5, -2]
    assert held["high"] == [1.5, -2]
    with pytest.raises(DataError, match="no value"):
        drawn.estimates(rows.filter(m="b"), label="m", title="Index", alt="None")


def test_a_strong_row_has_another_mark_than_the_rest():
    rows = pl.DataFrame({"m": ["a", "b"], "value": [1.0, 2.0], "lower": [0.5, 1.0], "upper": [1.5, 3.0],
                         "total": [True, False]})  # fmt: skip
    shapes = data(drawn.estimates(rows, label="m", strong="total", title="Index", alt="Two", lang="en"))["shape"]
    assert shapes[0] != shapes[1]


# parts


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(1, 100), min_size=6, max_size=12))
def test_the_parts_of_an_index_fill_its_bar_from_nought_to_a_hundred(values):
    rows = pl.DataFrame({"v": values, "g": [str(i % 3) for i in range(len(values))]})
    told = between_within(rows, "v", by="g", measure=["theil_t", "gini"], errors=None)
    if not told.filter(component="total")["contribution"].min() > 1e-6:
        return  # all alike: there is nothing to part
    held = pl.DataFrame({k: v for k, v in data(drawn.parts(told, label="measure", alt="Parts", lang="en")).items()})
    for name in ("theil_t", "gini"):
        own = held.filter(label=name)
        assert own["left"][0] == pytest.approx(0, abs=1e-6)
        assert own["right"][-1] == pytest.approx(100, abs=1e-6)
        assert own["right"][:-1].to_list() == pytest.approx(own["left"][1:].to_list(), abs=1e-6)


def test_parts_that_no_bar_can_show_are_refused():
    rows = pl.DataFrame({"measure": ["x"] * 2, "component": ["within", "between"], "contribution_share": [1.2, -0.2]})
    with pytest.raises(DataError, match="negative"):
        drawn.parts(rows, label="measure", alt="")
    with pytest.raises(DataError, match="several"):
        drawn.parts(pl.concat([rows, rows]), label="measure", alt="")
    with pytest.raises(DataError, match="none"):
        drawn.parts(rows.with_columns(component=pl.lit("total")), label="measure", alt="")
    with pytest.raises(SchemaError, match="measure"):
        drawn.parts(rows, label="mesure", alt="")


# gaps over time


def test_a_time_that_a_group_lacks_is_a_gap_and_a_break_is_a_labelled_line():
    rows = pl.DataFrame({"day": [dt.date(2020, 12, 1), dt.date(2021, 6, 1), dt.date(2021, 12, 1)] * 2,
                         "g": ["all"] * 3 + ["rural"] * 3, "v": [70.4, 71.6, 73.0, 55.9, None, 57.6]})  # fmt: skip
    plot = drawn.gap_lines(rows, time="day", value="v", group="g", order=["all", "rural"], unit="%", title="Use",
                           breaks=[(dt.date(2021, 6, 1), "new source")], alt="Two groups", lang="en")  # fmt: skip
    rural = data(plot, "rural")["y"]
    assert (rural[0], rural[2]) == (55.9, 57.6)
    assert math.isnan(rural[1])
    assert [item.text for item in plot.center if hasattr(item, "text")] == ["new source"]


def test_more_groups_than_colours_half_an_interval_and_double_rows_are_refused():
    rows = pl.DataFrame({"year": [1, 1], "g": ["a", "a"], "v": [1.0, 2.0]})
    how = {"time": "year", "value": "v", "group": "g", "title": "", "alt": ""}
    with pytest.raises(SchemaError, match="hold 4 groups"):
        drawn.gap_lines(rows, order=list("abcde"), **how)
    with pytest.raises(SchemaError, match="two ends"):
        drawn.gap_lines(rows, order=["a"], low="v", **how)
    with pytest.raises(DataError, match="several"):
        drawn.gap_lines(rows, order=["a"], **how)


# clusters


def test_marks_stand_on_the_places_that_cluster_and_a_place_without_a_value_is_grey():
    plot = drawn.cluster_map(ROWS, PLACES, **MAP)
    assert (data(plot, "cold_spot")["name"], data(plot, "hot_spot")["name"]) == (["A"], ["D"])
    assert data(plot, "high_outlier")["name"] == []
    held = data(plot)
    assert math.isnan(held["value"][2])
    assert held["told"][1] == held["told"][2] == "cannot be told from chance"
    (colours,) = {r.glyph.fill_color.transform for r in plot.renderers if getattr(r.glyph, "xs", None) == "xs"}
    assert (colours.low, colours.high) == (10, 40)


def test_links_are_drawn_between_neighbours_and_no_border_is():
    links = pl.DataFrame({"a": ["a", "b", "x"], "b": ["b", "d", "a"]})
    plot = drawn.cluster_map(ROWS, PLACES, links=links, **MAP)
    assert len(data(plot, "links")["x0"]) == 2  # x has no place
    assert "xs" not in data(plot)
    # 0.1 degrees at 40.05 N: the squares' middles lie 0.1 cos(40.05) apart
    middles = data(plot)["x"]
    assert middles[1] - middles[0] == pytest.approx(0.1 * math.cos(math.radians(40.05)))


def test_the_clusters_of_local_moran_are_those_that_the_map_marks():
    values = pl.DataFrame(
        {"id": [f"{i:02d}" for i in range(12)], "use_pct": [9.0, 8, 10, 9, 30, 31, 29, 30, 90, 91, 90, 92]}
    )
    line = pairs(pl.DataFrame({"a": values["id"][:-1], "b": values["id"][1:]}), "a", "b")
    told = local_moran(values, "use_pct", "id", line, correction="none").with_columns(name=pl.col("id"))
    found = set(told["cluster"]) - {"not_significant"}
    assert found
    assert found <= set(drawn.CLUSTERS)
    places = values.select("id", geometry_wkb=pl.Series([shapely.box(i, 0, i + 1, 1).wkb for i in range(12)]))
    plot = drawn.cluster_map(told.rename({"value": "use"}), places, **{**MAP, "value": "use"})
    for cluster in drawn.CLUSTERS:
        assert data(plot, cluster)["name"] == told.filter(cluster=cluster)["id"].to_list()


def test_a_place_that_stands_twice_is_refused():
    with pytest.raises(DataError, match="several"):
        drawn.cluster_map(pl.concat([ROWS, ROWS]), PLACES, **MAP)
    with pytest.raises(SchemaError, match="geometry_wkb"):
        drawn.cluster_map(ROWS, PLACES.drop("geometry_wkb"), **MAP)


# who is not counted


@pytest.mark.parametrize(("lang", "word"), [("zh", "无数据"), ("en", "no data")])
def test_a_group_of_which_nothing_is_published_says_so_in_its_cell(lang, word):
    rows = pl.DataFrame({"g": ["a", "a", "b", "b"], "level": ["x", "y"] * 2, "value": [None, 43.2, None, 0.0]})
    held = data(drawn.counted(rows, group="g", level="level", alt="Cells", lang=lang))
    assert held["text"] == [word, "43.2 %", word, "0 %"]  # nought is a figure
    assert held["colour"][0] == held["colour"][2] != held["colour"][3]


def test_large_type_folds_the_names_of_groups_and_axes_so_that_a_phone_has_room():
    rows = pl.DataFrame(
        {"g": ["With a disability"], "level": ["use"], "value": [None]}, schema_overrides={"value": float}
    )
    small, large = (
        drawn.counted(rows, group="g", level="level", alt="Cells", lang="en", large=s) for s in (False, True)
    )
    assert small.y_range.factors == ["With a disability"]
    assert large.y_range.factors == ["With a\ndisability"]
    assert data(large)["group"] == large.y_range.factors
    line = pl.DataFrame({"population_share": [0.0, 1.0], "value_share": [0.0, 1.0]})
    held = "Share: households without internet"
    plots = [
        drawn.curve(line, ranked_by="People", held=held, name="x", alt="c", lang="en", large=s) for s in (False, True)
    ]
    assert [p.yaxis[0].axis_label for p in plots] == [f"{held} (%)", "Share: households without\ninternet (%)"]
