from __future__ import annotations

import polars as pl
import pytest

from citylab.carbon.buildings import cost_curve, eui_quantiles
from citylab.errors import DataError, SchemaError
from citylab.viz import buildings


def types() -> pl.DataFrame:
    rows = {"building_type": ["hotel"] * 5 + ["school"] * 5, "eui": [10.0, 20, 30, 40, 50, 1, 2, 3, 4, 5]}
    return pl.DataFrame(rows).group_by("building_type").agg(*eui_quantiles(pl.col("eui")))


def curve() -> pl.DataFrame:
    rows = pl.DataFrame({"building_id": ["A", "B", "C"], "cost": [6e6, 5e6, 5e6], "co2e_saved_t_yr": [7.0, 5.0, 5.0]})
    return cost_curve(rows, [6e6, 1e7])


def data_of(plot, name="data"):
    return plot.select_one({"name": name}).data


def test_the_thirstiest_type_stands_on_top_with_its_own_quantiles():
    plot = buildings.intensity_plot(types(), lang="en")
    assert plot.y_range.factors == ["school", "hotel"]
    # five values in order: the quartiles are the second and the fourth
    assert data_of(plot)["site_eui_p25_kwh_m2"] == [2, 20] and data_of(plot)["site_eui_p75_kwh_m2"] == [4, 40]


def test_the_marked_building_stands_at_its_type_by_the_name_shown():
    plot = buildings.intensity_plot(types(), marked={"hotel": 44.0}, names={"hotel": "旅馆"}, lang="zh")
    assert data_of(plot, "marked") == {"x": [44.0], "type": ["旅馆"]}
    assert "本建筑" in [i.label.value for i in plot.legend[0].items]


def test_both_pictures_speak_both_languages_to_those_who_cannot_see_them():
    for lang, said, best in (("zh", "中位数", "最优组合"), ("en", "median", "best portfolio")):
        plot = buildings.intensity_plot(types(), lang=lang)
        assert said in plot.html_attributes["aria-label"] and "30.0" in plot.html_attributes["aria-label"]
        assert best in buildings.budget_plot(curve(), currency="CNY", lang=lang).html_attributes["aria-label"]


def test_the_budget_picture_shows_portfolio_and_ranking_in_millions():
    plot = buildings.budget_plot(curve(), currency="USD", lang="en")
    assert data_of(plot)["x"] == [6, 10]
    # with 10 the ranking takes A and stops, the best are B and C
    assert data_of(plot)["co2e_saved_t_yr"] == [7, 10] and data_of(plot)["ranking_t_yr"] == [7, 7]
    assert plot.xaxis.axis_label == "Budget (million USD)"


def test_without_draws_no_band_is_drawn():
    labels = [i.label.value for i in buildings.budget_plot(curve(), currency="USD", lang="en").legend[0].items]
    assert labels == ["by cost per tonne", "best portfolio"]


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(SchemaError, match="site_eui_p90"):
        buildings.intensity_plot(types().drop("site_eui_p90_kwh_m2"))
    with pytest.raises(DataError, match="castle"):
        buildings.intensity_plot(types(), marked={"castle": 1.0})
    with pytest.raises(DataError, match="nothing to draw"):
        buildings.intensity_plot(types().with_columns(site_eui_p50_kwh_m2=pl.lit(None, dtype=pl.Float64)))
