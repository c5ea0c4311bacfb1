from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citylab.errors import SchemaError, UnknownNameError
from citylab.viz import carbon, theme

amounts = st.floats(-1e8, 1e8, allow_nan=False)


def data_of(plot, name):
    return plot.select_one({"name": name}).data


# --- the waterfall ----------------------------------------------------------------------------------------------------


@given(st.floats(1, 1e9), st.lists(amounts, min_size=1, max_size=6), amounts)
@settings(max_examples=40, deadline=None)
def test_start_steps_and_what_is_left_over_add_up_to_the_end(start, steps, end):
    told = {f"step {i}": v for i, v in enumerate(steps)}
    rows = carbon.waterfall_rows(("from", start), told, ("to", end), residual="left over")
    inside = rows.filter(pl.col("kind") != "total")["co2_t"].sum()
    assert start + inside == pytest.approx(end, abs=1e-8 * max(abs(start), abs(end), 1))


@given(st.floats(1e6, 1e9), st.lists(st.floats(1e3, 1e8), min_size=1, max_size=6))
@settings(max_examples=20, deadline=None)
def test_each_bar_begins_where_the_last_ended_and_the_steps_meet_the_end(start, steps):
    told = {f"step {i}": v * (-1) ** i for i, v in enumerate(steps)}
    end = start + sum(told.values())
    plot = carbon.waterfall(carbon.waterfall_rows(("from", start), told, ("to", end), residual="r"), alt="x", lang="en")
    bars, joints = data_of(plot, "bars"), data_of(plot, "joints")
    assert joints["x0"][-1] * 1e6 == pytest.approx(end, rel=1e-9, abs=1)
    for i, step in enumerate(told.values(), start=1):
        begin, stop = (bars["left"][i], bars["right"][i])[:: 1 if step > 0 else -1]
        assert begin == pytest.approx(joints["x0"][i - 1])
        assert stop - begin == pytest.approx(step / 1e6)


def test_a_residual_is_drawn_where_it_is_zero_and_rounding_is_no_residual():
    rows = carbon.waterfall_rows(("a", 61.9e6), {"s": 27.3e6 + 1e-4}, ("b", 89.2e6), residual="Residual")
    assert rows.filter(kind="residual")["co2_t"].item() == 0
    assert data_of(carbon.waterfall(rows, alt="x", lang="en"), "bars")["text"] == ["61.9", "+27.3", "0", "89.2"]


def test_steps_that_do_not_add_up_need_a_name_for_the_rest():
    with pytest.raises(SchemaError, match="leave 3 t over"):
        carbon.waterfall_rows(("a", 1.0), {"s": 1.0}, ("b", 5.0))
    with pytest.raises(SchemaError, match="label of its own"):
        carbon.waterfall_rows(("a", 1.0), {"s": 1.0}, ("a", 2.0))


def test_a_step_that_nobody_can_quantify_is_a_question_mark_of_no_length():
    rows = carbon.waterfall_rows(("a", 84e6), {"boundary": None, "sectors": -20e6}, ("b", 63e6), residual="unexplained")
    bars = data_of(carbon.waterfall(rows, alt="x", lang="en"), "bars")
    assert bars["text"][1] == "?"
    assert bars["left"][1] == bars["right"][1] == 84
    assert bars["text"][3] == "−1.00"


def test_a_rise_and_a_fall_have_the_two_colours_and_totals_are_grey():
    rows = carbon.waterfall_rows(("a", 5.0), {"up": 2.0, "down": -1.0}, ("b", 6.0))
    colours = data_of(carbon.waterfall(rows, alt="x", lang="en"), "bars")["colour"]
    assert colours == [theme.colour("reference"), carbon.COLOURS["rise"], carbon.COLOURS["fall"],
                       theme.colour("reference")]  # fmt: skip


def test_an_unknown_kind_and_a_total_without_value_are_refused():
    rows = carbon.waterfall_rows(("a", 5.0), {"up": 1.0}, ("b", 6.0))
    with pytest.raises(UnknownNameError, match="total"):
        carbon.waterfall(rows.with_columns(kind=pl.lit("totl")), alt="x")
    with pytest.raises(SchemaError, match="no value"):
        carbon.waterfall(rows.with_columns(pl.lit(None, pl.Float64).alias("co2_t")), alt="x")


def test_people_read_the_same_bar_in_the_unit_of_their_language():
    rows = carbon.waterfall_rows(("a", 5e6), {"up": 1e6}, ("b", 6e6))
    zh, en = (carbon.waterfall(rows, alt="x", lang=lang) for lang in ("zh", "en"))
    assert (zh.xaxis.axis_label, data_of(zh, "bars")["right"][0]) == ("二氧化碳排放 (万吨)", 500)
    assert (en.xaxis.axis_label, data_of(en, "bars")["right"][0]) == ("CO2 emissions (Mt)", 5)


# --- sources ----------------------------------------------------------------------------------------------------------

SOURCES = pl.DataFrame(
    {
        "name": ["inside", "with purchases", "not here"], "co2_t": [84e6, 152e6, None], "low": [None, 148e6, None],
        "high": [None, 152e6, None], "scopes": ["1", "1+2", "1"], "counts": ["one; two", "all", ""],
        "how": ["", "", "citylab fetch it"],
    }
)  # fmt: skip


def sources(frame=SOURCES, **more):
    given = {"label": "name", "value": "co2_t", "low": "low", "high": "high", "detail": "counts", "group": "scopes",
             "missing": "how", "alt": "x", "lang": "en"}  # fmt: skip
    return carbon.ranges(frame, **{**given, **more})


def test_no_line_joins_one_source_to_another():
    plot = sources()
    glyphs = {type(r.glyph).__name__ for r in plot.renderers}
    assert glyphs == {"Segment", "Scatter", "Text"}
    rows = data_of(plot, "rows")
    assert len(set(rows["y"])) == SOURCES.height, "each on a line of its own"


def test_a_source_without_a_range_has_none_and_one_that_is_not_here_says_how_to_get_it():
    rows = data_of(sources(), "rows")
    assert rows["text"] == ["84.0", "152 (148 to 152)", "–"]
    assert [d.count("citylab fetch it") for d in rows["detail"]] == [0, 0, 1]
    assert math.isnan(rows["low"][0])
    assert math.isnan(rows["value"][2])
    assert rows["label"] == SOURCES["name"].to_list()


def test_words_at_the_right_edge_stand_before_their_dot():
    rows = data_of(sources(SOURCES.head(2)), "rows")
    assert rows["side"] == ["left", "right"]
    assert (rows["at"][0], rows["at"][1]) == (84, 148)


def test_scopes_have_colours_of_their_own():
    colours = data_of(sources(), "rows")["colour"]
    assert colours[0] == colours[2] != colours[1]


def test_a_range_has_two_ends():
    with pytest.raises(SchemaError, match="two ends"):
        sources(high=None)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_what_a_source_counts_stands_in_lines_that_a_phone_can_show(lang):
    long = "2020 · 范围 1 · 城市功能区 · 电力、工业、地面交通、航空、建筑（居民与服务业）"
    rows = data_of(sources(SOURCES.with_columns(counts=pl.lit(long)), lang=lang), "rows")
    lines = rows["detail"][0].split("\n")
    assert len(lines) > 1
    assert "".join(lines).replace(" ", "") == long.replace(" ", ""), "nothing is lost"
    assert not any(line.startswith("·") for line in lines)
    assert max(carbon._width(line) for line in lines) <= carbon._WRAP


def test_a_label_names_year_scope_boundary_and_sectors():
    row = {"label_zh": ["甲"], "label_en": ["A"], "year": [2020], "scopes": ["1+2"], "sectors": ["all"],
           "area_boundary": ["functional_urban_area"]}  # fmt: skip
    frame = pl.DataFrame(row)
    assert (
        carbon.source_rows(frame, "en")["counts"].item() == "2020 · scope 1 + 2 · functional urban area · all sectors"
    )
    assert carbon.source_rows(frame, "zh")["counts"].item() == "2020 · 范围 1 + 2 · 城市功能区 · 全部部门"


# --- years ------------------------------------------------------------------------------------------------------------

ORDER = ["power", "buildings"]


def years(values, **more):
    rows = [(y, s, v) for y, per in values.items() for s, v in zip(ORDER, per, strict=True)]
    frame = pl.DataFrame(rows, schema={"year": pl.Int64, "sector": pl.String, "co2_t": pl.Float64}, orient="row")
    return carbon.sector_years(frame, order=ORDER, alt="x", lang="en", **more)


def test_bars_of_a_year_stand_on_each_other_and_a_missing_year_is_a_gap():
    bars = data_of(years({2019: (30e6, 20e6), 2021: (31e6, 19e6)}), "bars")
    assert sorted(set(bars["x"])) == [2019, 2021]
    first = [i for i, x in enumerate(bars["x"]) if x == 2019]
    assert [(bars["bottom"][i], bars["top"][i]) for i in first] == [(0, 30), (30, 50)]


def test_a_line_breaks_where_a_year_is_missing():
    lines = data_of(years({2019: (30e6, 20e6), 2021: (31e6, 19e6)}, form="lines"), "lines")
    assert lines["xs"][0] == [2019, 2020, 2021]
    assert math.isnan(lines["ys"][0][1])


def test_the_colour_of_a_sector_is_the_same_in_both_forms_and_that_of_the_theme():
    given = {2019: (30e6, 20e6)}
    bars, lines = data_of(years(given), "bars"), data_of(years(given, form="lines"), "lines")
    assert bars["colour"] == lines["colour"] == [theme.colour("power"), theme.colour("residential")]


def test_a_break_is_a_labelled_line_between_its_years():
    breaks = pl.DataFrame({"year_before": [2017], "year_after": [2018], "label": ["recount"]})
    plot = years({2017: (1e6, 1e6), 2018: (2e6, 1e6)}, breaks=breaks)
    (span,) = [a for a in plot.center if type(a).__name__ == "Span"]
    (label,) = [a for a in plot.center if type(a).__name__ == "Label"]
    assert (span.location, label.text) == (2017.5, "recount")


def test_two_sources_in_one_stack_and_negative_values_are_refused():
    twice = pl.DataFrame({"year": [2019, 2019], "sector": ["power"] * 2, "co2_t": [1.0, 2.0]})
    with pytest.raises(SchemaError, match="keep one source"):
        carbon.sector_years(twice, order=ORDER, alt="x")
    with pytest.raises(SchemaError, match="sinks"):
        years({2019: (-1.0, 1.0)})
    with pytest.raises(SchemaError, match="no place"):
        carbon.sector_years(twice, order=["buildings"], alt="x")


# --- flows ------------------------------------------------------------------------------------------------------------

FLOWS = pl.DataFrame(
    [("coal", "power", "scope_1", 2e6), ("gas", "power", "scope_1", 30e6), ("gas", "buildings", "scope_1", 15e6),
     ("oil", "aviation", "scope_1", 21e6), ("coal", "aviation", "scope_1", 0.0)],
    schema={"fuel_group": pl.String, "sector": pl.String, "scope": pl.String, "co2_t": pl.Float64}, orient="row",
)  # fmt: skip
STAGES = ["fuel_group", "sector", "scope"]


def test_nothing_is_lost_on_the_way_and_heights_are_in_proportion():
    plot = carbon.sankey(FLOWS, STAGES, alt="x", lang="en")
    nodes = data_of(plot, "nodes")
    told = {t.rsplit(" ", 1)[0]: float(t.rsplit(" ", 1)[1]) for t in nodes["text"]}
    assert told == {"Coal": 2, "Gas": 45, "Oil": 21, "Power": 32, "Buildings (homes and services)": 15, "Aviation": 21,
                    "Scope 1: inside": 68}  # fmt: skip
    height = dict(zip(nodes["text"], (t - b for t, b in zip(nodes["top"], nodes["bottom"], strict=True)), strict=True))
    assert height["Gas 45.0"] / height["Oil 21.0"] == pytest.approx(45 / 21, rel=1e-6)
    assert height["Scope 1: inside 68.0"] / height["Power 32.0"] == pytest.approx(68 / 32, rel=1e-6)


def test_a_flow_keeps_the_colour_of_its_fuel_to_the_end():
    flows = data_of(carbon.sankey(FLOWS, STAGES, alt="x", lang="en"), "flows")
    to_scope = [c for c, w in zip(flows["colour"], flows["way"], strict=True) if w.startswith("Power →")]
    assert sorted(to_scope) == sorted([carbon.COLOURS["coal"], carbon.COLOURS["gas"]])


def test_rows_in_another_order_draw_the_same_flows():
    one, other = (data_of(carbon.sankey(f, STAGES, alt="x", lang="zh"), "nodes") for f in (FLOWS, FLOWS.reverse()))
    assert one["text"] == other["text"]
    assert one["top"] == other["top"]


@pytest.mark.parametrize(
    ("frame", "words"),
    [(FLOWS.with_columns(pl.col("co2_t") * 0), "Nothing flows"), (FLOWS.with_columns(-pl.col("co2_t")), "sinks"),
     (FLOWS.with_columns(pl.lit(None, pl.String).alias("sector")), "no code")],
)  # fmt: skip
def test_flows_that_cannot_be_drawn_say_why(frame, words):
    with pytest.raises(SchemaError, match=words):
        carbon.sankey(frame, STAGES, alt="x")


# --- factors, districts, update ---------------------------------------------------------------------------------------

FACTORS = pl.DataFrame(
    {"label": ["China 2022", "China 2022"], "series": ["average", "trading"], "grid_factor_kgco2_kwh": [0.5366, 0.5703],
     "holds": [True, False], "in_use": [False, True]}
)  # fmt: skip


def test_factors_of_one_place_and_year_keep_their_digits_and_rows_and_are_joined_to_no_other():
    plot = carbon.factor_editions(FACTORS, holds="holds", selected="in_use", alt="x", lang="en")
    data = data_of(plot, "factors")
    assert data["text"] == ["0.5366", "0.5703"]
    assert len(set(data["y"])) == 2
    assert list(plot.yaxis.major_label_overrides.values()) == ["China 2022"] * 2
    assert data["colour"][0] != data["colour"][1]
    assert data["ring"][0] == 0 < data["ring"][1]
    assert not {type(r.glyph).__name__ for r in plot.renderers} & {"Line", "MultiLine", "Step"}


def test_a_factor_that_is_not_of_the_year_is_hollow():
    data = data_of(carbon.factor_editions(FACTORS, holds="holds", alt="x", lang="en"), "factors")
    assert data["fill"] == [data["colour"][0], theme.PAPER]


def test_another_choice_moves_the_ring():
    plot = carbon.factor_editions(FACTORS, selected="in_use", alt="x", lang="en")
    carbon.update(plot, FACTORS.with_columns(in_use=~pl.col("in_use")))
    ring = data_of(plot, "factors")["ring"]
    assert ring[0] > 0 == ring[1]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_district_of_an_allocated_map_says_modelled(lang):
    square = [[[116, 39], [117, 39], [117, 40], [116, 39]]]
    shape = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": square},
             "properties": {"adcode": "110101", "name_zh": "东城区", "name_en": "Dongcheng", "label_lon": 116.4,
                            "label_lat": 39.9, "area_km2": 42.0}}  # fmt: skip
    other = {**shape, "properties": {**shape["properties"], "adcode": "110102"}}
    rows = pl.DataFrame({"adcode": ["110101"], "co2_t": [3e6]})
    deck = carbon.allocated_map(rows, [shape, other], proxy="people", year=2020, lang=lang)
    tips = [f["tip"] for f in deck.layers[0].data["features"]]
    assert len(tips) == 2
    assert all({"zh": "模型分配", "en": "modelled"}[lang] in t and "2020" in t for t in tips)


def test_an_update_changes_the_data_and_keeps_the_figure():
    plot = carbon.waterfall(carbon.waterfall_rows(("a", 5e6), {"up": 1e6}, ("b", 6e6)), alt="x", lang="en")
    carbon.update(plot, carbon.waterfall_rows(("a", 5e6), {"down": -1e6, "more": 3e6}, ("c", 7e6)))
    assert plot.y_range.factors == ["c", "more", "down", "a"]
    assert data_of(plot, "bars")["text"] == ["5.00", "−1.00", "+3.00", "7.00"]
    plot = sources()
    carbon.update(plot, SOURCES.head(1))
    assert data_of(plot, "rows")["text"] == ["84.0"]
    plot = years({2019: (30e6, 20e6)})
    carbon.update(plot, pl.DataFrame({"year": [2020], "sector": ["power"], "co2_t": [9e6]}))
    assert (list(data_of(plot, "bars")["x"]), plot.x_range.start < 2020 < plot.x_range.end) == ([2020], True)
    with pytest.raises(SchemaError, match="anew"):
        carbon.update(carbon.sankey(FLOWS, STAGES, alt="x"), FLOWS)


@pytest.mark.parametrize(
    "draw",
    [lambda **k: carbon.waterfall(carbon.waterfall_rows(("a", 5e6), {"up": 1e6}, ("b", 6e6)), **k),
     lambda **k: sources(**k), lambda **k: years({2019: (1e6, 1e6)}, **k),
     lambda **k: carbon.sankey(FLOWS, STAGES, **k), lambda **k: carbon.factor_editions(FACTORS, **k)],
)  # fmt: skip
def test_every_picture_speaks_to_people_who_cannot_see_it(draw):
    try:
        plot = draw(alt="what it says")
    except TypeError:  # the helpers above bring an alt of their own
        plot = draw()
    assert plot.html_attributes["role"] == "img"
    assert plot.html_attributes["aria-label"] in ("what it says", "x")
