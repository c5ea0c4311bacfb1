from __future__ import annotations

import datetime as dt
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from citylab.air import trends
from citylab.air.evaluation import taylor
from citylab.air.roses import bivariate_polar, percentile_rose, wind_rose
from citylab.air.variation import calendar, time_variation
from citylab.errors import DataError, SchemaError
from citylab.viz import air, theme

HAN = re.compile(r"[\u4e00-\u9fff]")
LEVELS = {1: ("优", "Excellent", "#00E400"), 5: ("重度污染", "Heavily polluted", "#99004C")}


def hours(n=800) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    times = [dt.datetime(2016, 1, 1) + dt.timedelta(hours=i) for i in range(n)]
    return pl.DataFrame(
        {
            "datetime_local": times,
            "wind_speed_ms": rng.gamma(2, 1.5, n),
            "wind_direction_deg": rng.uniform(0, 360, n),
            "pm25_ugm3": rng.gamma(4, 20, n),
            "model": rng.gamma(4, 20, n),
        }
    )


def days() -> pl.DataFrame:
    dates = [dt.date(2016, 1, d) for d in (1, 2, 3)]
    levels = [1, 5, None]
    return pl.DataFrame(
        {
            "date_local": dates,
            "aqi": [40, 250, None],
            "aqi_level": levels,
            "aqi_level_name_zh": [LEVELS[v][0] if v else None for v in levels],
            "aqi_level_name_en": [LEVELS[v][1] if v else None for v in levels],
            "aqi_color": [LEVELS[v][2] if v else None for v in levels],
            "aqi_edition": ["hj633-2012"] * 3,
        }
    )


def months() -> pl.DataFrame:
    starts = pl.date_range(dt.date(2013, 1, 1), dt.date(2016, 12, 1), "1mo", eager=True)
    values = [90.0 - 0.5 * i + 15 * math.cos(i * math.pi / 6) + (7 * i) % 5 for i in range(48)]
    return pl.DataFrame({"month_start": starts, "pm25_ugm3": values}).with_columns(
        pl.when(pl.col("month_start") != dt.date(2014, 5, 1)).then("pm25_ugm3").alias("pm25_ugm3")
    )


def a_trend(lang="en", frame=None):
    frame = months() if frame is None else frame
    parts = trends.deseasonalised(frame, "pm25_ugm3", by=None)
    return air.trend_plot(parts, trends.trend(frame, "pm25_ugm3", by=None), lang=lang)


def an_aqi_calendar(lang="en", **options):
    return air.aqi_calendar(calendar(days(), "aqi", keep=days().columns[2:]), lang=lang, **options)


PICTURES = {
    "rose": lambda lang: air.rose(wind_rose(hours()), lang=lang),
    "polar": lambda lang: air.polar(bivariate_polar(hours(), "pm25_ugm3", grid=31), "pm25_ugm3", lang=lang),
    "kernel": lambda lang: air.polar(bivariate_polar(hours(), "pm25_ugm3", method="kernel"), "pm25_ugm3", lang=lang),
    "cpf": lambda lang: air.polar(
        bivariate_polar(hours(), "pm25_ugm3", method="bins", statistic="cpf"), "cpf_share", lang=lang
    ),
    "percentile_rose": lambda lang: air.percentile_rose_plot(
        percentile_rose(hours(), "pm25_ugm3"), "pm25_ugm3", lang=lang
    ),
    "variation": lambda lang: air.variation(time_variation(hours(), "pm25_ugm3", stamp="starting"), lang=lang),
    "calendar": lambda lang: air.calendar_plot(calendar(days(), "aqi"), "aqi", lang=lang),
    "aqi_calendar": an_aqi_calendar,
    "trend": a_trend,
    "taylor": lambda lang: air.taylor_plot(taylor(hours(), "pm25_ugm3", "model"), lang=lang),
}  # fmt: skip


def source(plot, name="data"):
    return plot.select_one({"name": name}).data


def labels(plot) -> list[str]:
    return [item.label.value for item in plot.legend[0].items] if plot.legend else []


def words(plot) -> list[str]:
    from bokeh.models import Axis, ColorBar, Text, Title

    told = [t.text for t in plot.select(Title)] + [b.title or "" for b in plot.select(ColorBar)] + labels(plot)
    told += [a.axis_label or "" for a in plot.select(Axis)]
    for renderer in plot.renderers:
        if isinstance(renderer.glyph, Text):
            data = renderer.data_source.data
            told += [str(t) for t in data.get(renderer.glyph.text, [])] if isinstance(renderer.glyph.text, str) else []
    return told


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_speaks_the_language_it_is_asked_for_and_has_an_alternative_text(name):
    zh, en = (PICTURES[name](lang) for lang in ("zh", "en"))
    assert HAN.search(zh.html_attributes["aria-label"])
    assert not HAN.search(en.html_attributes["aria-label"])
    assert len(en.html_attributes["aria-label"]) > 15
    assert not any(HAN.search(w) for w in words(en))
    assert any(HAN.search(w) for w in words(zh))


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_can_be_sent_to_a_browser_and_uses_fonts_with_chinese(name):
    from bokeh.document import Document
    from bokeh.models import Title

    plot = PICTURES[name]("zh")
    Document().add_root(plot)
    plot.document.to_json()
    fonts = [t.text_font for t in plot.select(Title) if t.text] + [leg.label_text_font for leg in plot.legend]
    assert all("CJK" in f for f in fonts if f)


def test_a_petal_points_to_where_the_wind_comes_from_and_is_as_long_as_its_share():
    frame = pl.DataFrame({"wind_speed_ms": [1.0, 1.0, 1.0, 1.0], "wind_direction_deg": [90.0, 90.0, 90.0, 0.0]})
    data = source(air.rose(wind_rose(frame), lang="en"), "class_0")
    east = data["from"].index("90°")
    assert data["outer"][east] == 0.75
    middle = (data["start"][east] + data["end"][east]) / 2
    assert (math.cos(middle), math.sin(middle)) == (pytest.approx(1), pytest.approx(0, abs=1e-12))


def test_the_classes_of_a_petal_are_stacked_without_gap():
    plot = air.rose(wind_rose(hours(), speed_step_ms=1.0), lang="en")
    inner = {d: v for d, v in zip(source(plot, "class_1")["from"], source(plot, "class_1")["inner"], strict=True)}
    outer = {d: v for d, v in zip(source(plot, "class_0")["from"], source(plot, "class_0")["outer"], strict=True)}
    assert all(inner[d] == pytest.approx(outer[d]) for d in inner.keys() & outer.keys())


def test_a_rose_tells_its_calms_records_and_correction():
    rounded = hours().with_columns((pl.col("wind_direction_deg") / 10).round() * 10 % 360)
    told = words(air.rose(wind_rose(rounded, sector_deg=22.5, calm_ms=0.5), lang="en"))
    assert any("calm" in t and "800 records" in t and "corrected" in t for t in told)


def test_the_surface_lies_with_north_up_and_east_to_the_right():
    cells = bivariate_polar(hours(), "pm25_ugm3", grid=31).with_columns(pl.col("v_ms").alias("pm25_ugm3"))
    image = source(air.polar(cells, "pm25_ugm3", lang="en"))["value"][0]
    assert image[-1, 15] > 0 > image[0, 15]
    east = air.polar(cells.with_columns(pl.col("u_ms").alias("pm25_ugm3")), "pm25_ugm3", lang="en")
    assert source(east)["value"][0][15, -1] > 0


def test_missing_cells_are_not_drawn():
    cells = bivariate_polar(hours(50), "pm25_ugm3", method="bins")
    drawn = source(air.polar(cells, "pm25_ugm3", lang="en"))["value"]
    assert len(drawn) == cells["pm25_ugm3"].count() < cells.height


def test_pictures_to_compare_share_their_colours():
    cells = bivariate_polar(hours(), "pm25_ugm3", method="bins")
    bar = air.polar(cells, "pm25_ugm3", limits=(0, 300), lang="en").select_one({"name": "colours"})
    assert (bar.color_mapper.low, bar.color_mapper.high) == (0, 300)


def test_scarce_sectors_are_gaps_of_a_percentile_rose():
    frame = percentile_rose(hours(200), "pm25_ugm3", min_n=18)
    kept = frame.filter(~pl.col("is_scarce"), pl.col("percentile") == 90).height
    assert len(source(air.percentile_rose_plot(frame, "pm25_ugm3", lang="en"), "percentile_90")["outer"]) == kept < 12


def test_each_group_has_a_line_with_its_name_and_missing_hours_are_gaps():
    two = pl.concat([hours(20).with_columns(station_id=pl.lit(s)) for s in ("a", "b")])
    frame = time_variation(two, "pm25_ugm3", by="station_id", stamp="starting")
    plot = air.variation(frame, names={"a": "Alpha"}, lang="en")
    assert labels(plot) == ["Alpha", "b", "95% interval"]
    assert np.isnan(source(plot, "line_0")["y"][20:]).all()


def test_variables_of_different_units_are_not_drawn_on_one_axis():
    both = hours().with_columns(co_mgm3=pl.lit(1.0))
    frame = time_variation(both, ["pm25_ugm3", "co_mgm3"], stamp="starting")
    with pytest.raises(SchemaError, match="units"):
        air.variation(frame, lang="en")


def test_a_pollutant_has_its_own_colour():
    both = hours().with_columns(pm10_ugm3=pl.col("pm25_ugm3") * 2)
    plot = air.variation(time_variation(both, ["pm25_ugm3", "pm10_ugm3"], stamp="starting"), lang="en")
    colours = [r.glyph.line_color for r in plot.renderers if type(r.glyph).__name__ == "Line"]
    assert colours == [theme.colour("pm25_ugm3"), theme.colour("pm10_ugm3")]


def test_days_stand_in_rows_of_weeks_and_missing_ones_are_grey():
    data = source(air.calendar_plot(calendar(days(), "aqi"), "aqi", lang="en"))
    assert len(data["text"]) == 31
    assert data["x"][:4] == [4, 5, 6, 0]  # 1 January 2016 was a Friday
    assert data["y"][3] == data["y"][2] - 1
    assert data["colour"][2] == theme.colour("no_data")
    assert data["colour"][0] != data["colour"][1]


def test_days_of_the_index_have_the_official_colours_and_the_names_of_their_levels():
    plot = an_aqi_calendar("zh")
    data = source(plot)
    assert data["colour"][:3] == ["#00E400", "#99004C", theme.colour("no_data")]
    assert data["ink"][0] != data["ink"][1], "dark figures on green, light ones on purple"
    assert labels(plot) == ["优", "重度污染", "无指数"]
    assert data["hover"][1] == "AQI 250 · 重度污染"
    assert any("hj633-2012" in w for w in words(plot))


def test_a_calendar_of_several_years_asks_which():
    long = pl.concat([days(), days().with_columns(pl.col("date_local").dt.offset_by("1y"))])
    frame = calendar(long, "aqi")
    with pytest.raises(DataError, match=r"2016, 2017"):
        air.calendar_plot(frame, "aqi", lang="en")
    assert source(air.calendar_plot(frame, "aqi", year=2017, lang="en"))["date"][0] == "2017-01-01"
    with pytest.raises(DataError, match="no days of 2010"):
        air.calendar_plot(frame, "aqi", year=2010, lang="en")


def test_the_trend_line_falls_as_its_slope_says_within_its_band():
    plot = a_trend()
    line = plot.select_one({"name": "line"}).data_source.data
    years = (line["x"][-1] - line["x"][0]) / (365 * 86_400_000)
    row = trends.trend(months(), "pm25_ugm3", by=None).row(0, named=True)
    assert (line["y"][-1] - line["y"][0]) / years == pytest.approx(row["slope_per_year"])
    band = source(plot, "band")
    finite = np.isfinite(band["y"])
    assert band["y"][finite].min() <= line["y"].min() and band["y"][finite].max() >= line["y"].max()
    data = source(plot)
    assert data["fill"][16] == theme.PAPER, "the month that was filled in is hollow"
    assert "filled in" in labels(plot)


def test_a_series_without_a_slope_is_drawn_with_its_reason_and_no_line():
    short = months().head(4)
    plot = a_trend(frame=short)
    assert plot.select_one({"name": "line"}) is None
    reason = trends.trend(short, "pm25_ugm3", by=None)["reason"][0]
    assert reason in words(plot)


def test_a_trend_of_another_series_is_refused():
    parts = trends.deseasonalised(months(), "pm25_ugm3", by=None)
    other = trends.trend(months().rename({"pm25_ugm3": "o3_ugm3"}), "o3_ugm3", by=None)
    with pytest.raises(DataError, match="one series"):
        air.trend_plot(parts, other, lang="en")


def test_a_model_stands_at_its_spread_and_correlation_and_its_distance_is_its_error():
    frame = taylor(hours(), "pm25_ugm3", "model")
    row = frame.row(0, named=True)
    data = source(air.taylor_plot(frame, lang="en"))
    x, y = data["x"][0], data["y"][0]
    assert math.hypot(x, y) == pytest.approx(row["sd_ratio"])
    assert math.hypot(x - 1, y) == pytest.approx(row["centred_rmse_ratio"])


def test_a_model_without_correlation_is_told_not_drawn():
    frame = taylor(hours().with_columns(flat=pl.lit(1.0)), "pm25_ugm3", ["model", "flat"])
    plot = air.taylor_plot(frame, lang="en")
    assert source(plot)["label"] == ["model"]
    assert any("flat" in w for w in words(plot))


def test_several_groups_in_one_frame_are_refused():
    two = pl.concat([hours().with_columns(station_id=pl.lit(s)) for s in ("a", "b")])
    for picture in (
        lambda: air.rose(wind_rose(two, by="station_id")),
        lambda: air.polar(bivariate_polar(two, "pm25_ugm3", method="bins", by="station_id"), "pm25_ugm3"),
        lambda: air.percentile_rose_plot(percentile_rose(two, "pm25_ugm3", by="station_id"), "pm25_ugm3"),
    ):
        with pytest.raises(DataError, match="several"):
            picture()


def test_a_frame_of_another_function_is_refused_by_name():
    with pytest.raises(SchemaError, match="calm_share"):
        air.rose(percentile_rose(hours(), "pm25_ugm3"))


def write_page(path: str) -> None:
    """Write every picture into one page; Panel, once imported, adds its own scripts to Bokeh's pages."""
    from bokeh.embed import file_html
    from bokeh.layouts import column
    from bokeh.resources import INLINE

    Path(path).write_text(file_html(column(*(p("zh") for p in PICTURES.values())), INLINE, "x"), encoding="utf-8")


@pytest.mark.browser
def test_every_picture_is_drawn_in_a_browser_without_error_or_outside_request(visit, tmp_path):
    page = tmp_path / "pictures.html"
    fresh = "import runpy, sys; runpy.run_path(sys.argv[1])['write_page'](sys.argv[2])"
    subprocess.run([sys.executable, "-c", fresh, __file__, str(page)], check=True)
    seen = visit(page.as_uri(), viewport={"width": 900, "height": 700})
    seen.page.locator(".bk-Figure").nth(len(PICTURES) - 1).wait_for()
    seen.page.wait_for_timeout(500)
    seen.assert_clean()
