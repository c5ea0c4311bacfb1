from __future__ import annotations

import datetime as dt
import math

import numpy as np
import polars as pl
import pytest

from citylab.errors import DataError, RangeError, SchemaError
from citylab.viz import figures, pulse

FIRST = dt.date(2020, 9, 25)


def told(values: list[float | None], *, modelled: int = 2, sector: str = "power") -> pl.DataFrame:
    """Days of which the last are estimates."""
    n = len(values)
    made = [i >= n - modelled for i in range(n)]
    return pl.DataFrame(
        {
            "date_local": [FIRST + dt.timedelta(i) for i in range(n)],
            "sector": sector,
            "co2_t": values,
            "co2_t_low": [v * 0.9 if m and v is not None else None for v, m in zip(values, made, strict=True)],
            "co2_t_high": [v * 1.1 if m and v is not None else None for v, m in zip(values, made, strict=True)],
            "is_modelled": made,
            "level": [0.9 if m else None for m in made],
        },
        schema_overrides={"co2_t": pl.Float64, "co2_t_low": pl.Float64, "co2_t_high": pl.Float64, "level": pl.Float64},
    )


TEN = [1e6 * v for v in (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0)]


def data(plot, name: str):
    return figures.source(plot, name).data


def lines(plot) -> dict[str, str]:
    """How the line of each source is drawn."""
    from bokeh.models import GlyphRenderer, Line

    drawn = [r for r in plot.renderers if isinstance(r, GlyphRenderer) and isinstance(r.glyph, Line)]
    return {r.data_source.name: "dashed" if r.glyph.line_dash else "solid" for r in drawn if r.data_source.name}


def test_what_was_observed_is_solid_and_what_a_model_made_is_dashed():
    plot = pulse.pulse_chart(told(TEN), lang="en")
    assert lines(plot) == {"seen_power": "solid", "made_power": "dashed"}
    seen, made = data(plot, "seen_power")["y"], data(plot, "made_power")["y"]
    assert np.isfinite(seen).tolist() == [True] * 8 + [False] * 2
    # The dashed line begins at the last observed day.
    assert np.isfinite(made).tolist() == [False] * 7 + [True] * 3
    assert made[-1] == 10.0, "in Mt"


def test_a_missing_day_is_a_gap_whether_as_a_null_or_as_no_row():
    hole = [*TEN[:3], None, *TEN[4:]]
    for frame in (told(hole), told(hole).filter(pl.col("co2_t").is_not_null())):
        seen = data(pulse.pulse_chart(frame, lang="en"), "seen_power")["y"]
        assert math.isnan(seen[3]) and len(seen) == 10


def test_a_day_between_two_gaps_is_a_dot():
    plot = pulse.pulse_chart(told([*TEN[:2], None, TEN[3], None, *TEN[5:]]), lang="en")
    assert data(plot, "lone_power")["y"].tolist() == [4.0]


def test_the_band_spans_the_estimates_only():
    band = data(pulse.pulse_chart(told(TEN), lang="en"), "band_power")
    assert np.nanmax(band["y"]) == pytest.approx(11.0)
    assert np.nanmin(band["y"]) == pytest.approx(8.1)


def test_public_holidays_are_shaded_from_the_first_to_the_last_day():
    # National Day and the Mid-autumn Festival of 2020: 1 to 8 October.
    plot = pulse.pulse_chart(told([1e6] * 20), lang="en")
    strip = data(plot, "holidays")
    day = figures.MS_PER_DAY
    first, last = figures.ms(pl.Series([dt.date(2020, 10, 1), dt.date(2020, 10, 8)]))
    assert (strip["x0"].tolist(), strip["x1"].tolist()) == ([first - day / 2], [last + day / 2])
    assert plot.select_one({"name": "holidays"}) is not None
    without = pulse.pulse_chart(told([1e6] * 20), lang="en", holidays=False)
    assert without.select_one({"name": "holidays"}) is None


@pytest.mark.parametrize(
    ("lang", "unit", "word", "power"), [("en", "Mt", "modelled", "Power"), ("zh", "万吨", "模型估计", "电力")]
)
def test_axis_legend_and_text_speak_the_language(lang, unit, word, power):
    plot = pulse.pulse_chart(told(TEN), lang=lang)
    assert unit in plot.yaxis.axis_label
    labels = [item.label.value for item in plot.legend[0].items]
    assert {word, power} <= set(labels)
    alt = plot.html_attributes["aria-label"]
    assert word in alt and power in alt and unit in alt and "2020-10-04" in alt


def test_days_spread_from_months_say_whose_shape_they_have():
    frame = told(TEN, modelled=10).with_columns(
        pl.lit("days of China").alias("shape_source"), pl.lit("range_of_shapes").alias("interval"), level=None
    )
    plot = pulse.pulse_chart(frame, lang="en")
    from bokeh.models import Title

    said = " ".join(t.text for t in plot.below if isinstance(t, Title))
    assert "no day of the place was observed" in said and "days of China" in said
    assert "no day of the place was observed" in plot.html_attributes["aria-label"]
    assert not np.isfinite(data(plot, "seen_power")["y"]).any(), "nothing of it is drawn as observed"
    assert "range of three spreads" in [item.label.value for item in plot.legend[0].items]


def test_the_last_days_can_be_drawn_alone():
    plot = pulse.pulse_chart(told(TEN), lang="en", last_days=4)
    assert len(data(plot, "seen_power")["x"]) == 4
    with pytest.raises(RangeError, match="last_days is 0"):
        pulse.pulse_chart(told(TEN), last_days=0)


def test_an_update_changes_data_and_text_and_a_lost_sector_becomes_empty():
    both = pl.concat([told(TEN), told([v / 2 for v in TEN], sector="industry")])
    plot = pulse.pulse_chart(both, lang="en")
    source = figures.source(plot, "seen_power")
    pulse.update(plot, told([v * 2 for v in TEN]))
    assert figures.source(plot, "seen_power") is source
    assert source.data["y"][0] == 2.0
    assert len(data(plot, "seen_industry")["x"]) == 0
    assert "20.0" in plot.html_attributes["aria-label"]
    with pytest.raises(SchemaError, match="no line for \\['aviation'\\]"):
        pulse.update(plot, told(TEN, sector="aviation"))


def test_a_frame_of_several_places_is_refused():
    with pytest.raises(DataError, match="twice"):
        pulse.pulse_chart(pl.concat([told(TEN), told(TEN)]))
    with pytest.raises(SchemaError, match="co2_t_low"):
        pulse.pulse_chart(told(TEN).drop("co2_t_low"))


SCORES = pl.DataFrame(
    {
        "sector": ["power"] * 4 + ["industry"] * 2,
        "lead_days": [1, 1, 7, 7, 1, 1],
        "method": ["model", "last_day"] * 3,
        "wape": [0.03, 0.04, 0.06, 0.05, 0.1, 0.2],
        "coverage": [0.83, None, 0.9, None, 0.7, None],
        "level": [0.9, None] * 3,
    }
)


def test_the_back_test_has_a_row_per_sector_and_lead_and_a_mark_per_method():
    plot = pulse.backtest_chart(SCORES, lang="en")
    assert plot.y_range.factors == [("Industry", "1 d ahead"), ("Power", "7 d ahead"), ("Power", "1 d ahead")]
    assert data(plot, "model")["wape"].tolist() == pytest.approx([3, 6, 10])
    assert data(plot, "covered")["text"] == ["83% / 90%", "90% / 90%", "70% / 90%"]
    alt = plot.html_attributes["aria-label"]
    assert "Power 7 d ahead: as on the last day 5.00%" in alt, "it says which was best, the model or not"


def test_what_was_not_tested_is_told_and_not_drawn():
    remarked = SCORES.with_columns(
        pl.when(pl.col("sector") == "industry").then(pl.lit("constant_share")).alias("remark")
    )
    plot = pulse.backtest_chart(remarked, lang="en")
    assert all(group == "Power" for group, _ in plot.y_range.factors)
    from bokeh.models import Title

    assert "not tested" in " ".join(t.text for t in plot.below if isinstance(t, Title))
    with pytest.raises(DataError, match="nothing to draw"):
        pulse.backtest_chart(remarked.filter(sector="industry"))


ANOMALY = pl.DataFrame(
    {
        "sector": "power", "period": ["march", "march", "april"], "method": ["model", "calendar", "model"],
        "difference_share": [-0.1, -0.08, 0.05], "difference_share_low": [-0.15, None, 0.0],
        "difference_share_high": [-0.05, None, 0.1], "interval": ["model", None, "model"], "level": [0.9, None, 0.9],
    }
)  # fmt: skip


def test_the_anomaly_has_its_interval_and_a_measure_without_one_has_none():
    plot = pulse.anomaly_chart(ANOMALY, lang="en")
    assert plot.y_range.factors == [("Power", "April"), ("Power", "March")]
    model, calendar = data(plot, "model"), data(plot, "calendar")
    assert model["low"].tolist() == pytest.approx([-15, 0]) and model["high"].tolist() == pytest.approx([-5, 10])
    assert np.isnan(calendar["low"]).all() and calendar["x"].tolist() == pytest.approx([-8])
    assert "Power March, model of the days before: −10.0%" in plot.html_attributes["aria-label"]


def test_the_bar_of_a_measure_says_what_it_is():
    from bokeh.models import Title

    quiet = ANOMALY.with_columns(
        pl.when(pl.col("method") == "calendar").then(pl.lit("placebo_range")).otherwise("interval").alias("interval")
    )
    said = " ".join(t.text for t in pulse.anomaly_chart(quiet, lang="en").below if isinstance(t, Title))
    assert "90% interval" in said and "spread of quiet days" in said


def test_figures_can_be_serialised_in_both_languages():
    from bokeh.embed import json_item

    for lang in ("zh", "en"):
        for plot in (pulse.pulse_chart(told(TEN), lang=lang), pulse.backtest_chart(SCORES, lang=lang),
                     pulse.anomaly_chart(ANOMALY, lang=lang)):  # fmt: skip
            assert json_item(plot)
