"""The curve shows what was measured, its intervals, and nothing where nothing was found."""

from __future__ import annotations

import math

import polars as pl
import pytest

from citylab.errors import SchemaError
from citylab.viz import duplicates, figures

ROWS = pl.DataFrame(
    {
        "alteration": [2.0, 1.0, 1.0],
        "search": ["token", "token", "blind"],
        "precision_share": [None, 0.99, 0.6],
        "precision_share_low": [None, 0.98, 0.5],
        "precision_share_high": [None, 1.0, 0.7],
        "recall_share": [0.01, 1.0, 0.7],
        "recall_share_low": [0.0, 0.99, 0.6],
        "recall_share_high": [0.02, 1.0, 0.8],
    }
)


def test_each_search_has_a_line_of_precision_and_one_of_recall_in_the_order_of_the_alteration() -> None:
    plot = duplicates.quality_curve(ROWS, search="search", alt="Curve", lang="en")
    recall = figures.source(plot, "token recall").data
    assert (recall["x"], recall["y"]) == ([1.0, 2.0], [1.0, 0.01])
    assert (recall["low"], recall["high"]) == ([0.99, 0.0], [1.0, 0.02])
    assert figures.source(plot, "blind precision").data["y"] == [0.6]
    labels = {item.label.value for item in plot.legend[0].items}
    assert labels == {"Precision: token", "Recall: token", "Precision: blind", "Recall: blind"}


def test_where_nothing_was_found_precision_is_a_gap() -> None:
    plot = duplicates.quality_curve(ROWS, search="search", alt="Curve", lang="en")
    assert math.isnan(figures.source(plot, "token precision").data["y"][1])


def test_the_picture_speaks_both_languages_and_shows_the_goal() -> None:
    plot = duplicates.quality_curve(ROWS, search="search", alt="曲线", goal=0.99, lang="zh")
    assert plot.yaxis.axis_label == "占全部配对的比例" and plot.select_one({"name": "goal"}).location == 0.99
    assert {item.label.value[:3] for item in plot.legend[0].items} == {"查准率", "查全率"}
    assert plot.html_attributes["aria-label"] == "曲线"


def test_a_missing_column_is_named() -> None:
    with pytest.raises(SchemaError, match="recall_share"):
        duplicates.quality_curve(ROWS.drop("recall_share"), search="search", alt="Curve")


def test_a_fourth_search_could_not_be_told_apart_and_is_refused() -> None:
    four = pl.concat([ROWS.head(1).with_columns(search=pl.lit(name)) for name in "abcd"])
    with pytest.raises(SchemaError, match="4 searches"):
        duplicates.quality_curve(four, search="search", alt="Curve")


def test_the_key_names_each_line_once_in_its_dash_and_escapes_names() -> None:
    key = duplicates.quality_key(["token", "<b>"], "en")
    assert key.count("<svg") == 4 and key.count("stroke-dasharray") == 2
    assert "Recall: &lt;b&gt;" in key and "<b>" not in key
