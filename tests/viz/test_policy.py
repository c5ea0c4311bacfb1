from __future__ import annotations

import datetime as dt
import math

import polars as pl
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from citylab.errors import DataError, SchemaError
from citylab.policy.scenario import Change, Phase, Scenario
from citylab.policy.simulate import simulate
from citylab.viz import figures, maps
from citylab.viz import policy as drawn
from tests.policy.conftest import DISTRICTS, made_up_persons

ENDS = ("reference", "reference_lower", "reference_upper", "scenario", "difference", "lower", "upper")
PLAN = Scenario("甲", "A", [Change("building_pv", 1.0, 2026), Change("transit_fare", 0.8, 2028)])


def data(plot, name="data"):
    return figures.source(plot, name).data


def everything(plot):
    return {r.data_source.name: dict(r.data_source.data) for r in plot.renderers if r.data_source.name}


def same(a, b):
    """Tell whether two columns hold the same, NaN included."""
    return repr(list(a)) == repr(list(b))


@pytest.fixture(scope="module")
def results():
    from citylab.policy.world import World

    world = World.from_persons(made_up_persons(300))
    other = Scenario("乙", "B", [Change("carbon_price", 100.0, 2026)])
    return simulate(world, PLAN, draws=16), simulate(world, other, draws=16)


@pytest.fixture(scope="module")
def shapes():
    boxes = [shapely.box(116 + 0.1 * i, 40, 116.1 + 0.1 * i, 40.1).wkb for i in range(len(DISTRICTS) + 1)]
    codes = [*map(str, DISTRICTS), "999999"]
    return maps.features(
        pl.DataFrame({"adcode": codes, "district_name_zh": codes, "district_name_en": codes,
                      "area_km2": [100.0] * len(codes), "geometry_wkb": boxes})
    )  # fmt: skip


# words


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["t", "CNY", "person", "1", "µg/m³", "CNY/person/year"]), st.floats(-1e9, 1e9))
def test_a_difference_carries_its_sign_its_interval_and_its_unit(unit, value):
    said = drawn.told(value, value - 1e9, value + 1e9, unit, "en")
    number = said.split(" (")[0]
    assert number[0] == {True: "+", False: "−"}[value > 0] or number.startswith("0")
    assert " to " in said
    assert said.endswith(drawn._reading(unit, "en").unit)


def test_a_share_is_told_in_percentage_points_and_not_as_percent_of_itself():
    # 0.02 of all persons more are online: 2 points, whatever the share was
    assert drawn.told(0.02, 0.01, 0.03, "1", "en") == "+2.00 (+1.00 to +3.00) percentage points"


def test_codes_become_words_and_districts_names_in_a_table():
    rows = pl.DataFrame({"group": ["adcode", "has_smartphone"], "level": ["110101", "false"],
                         "outcome": ["gaining_share", "online_share"]})  # fmt: skip
    told = drawn.in_words(rows, "en", {"110101": "Dongcheng"})
    assert told["level"].to_list() == ["Dongcheng", "without a smartphone"]
    assert told["outcome"].to_list() == ["Share who gain", "Change of the share online"]


# what is drawn of a run


def test_the_band_of_a_difference_is_its_interval_and_that_of_the_levels_is_the_references(results):
    years = results[0].yearly()
    rows = years.filter(pl.col("quantity") == "co2_t", pl.col("sector") == "total").sort("year")
    fan = drawn.fan(years, alt="CO2", lang="en")
    assert data(fan, "line0")["low"] == pytest.approx((rows["lower"] / 1e6).to_list())
    assert data(fan, "line0")["high"] == pytest.approx((rows["upper"] / 1e6).to_list())
    levels = drawn.fan(years, levels=True, alt="CO2", lang="en")
    assert data(levels, "reference")["high"] == pytest.approx((rows["reference_upper"] / 1e6).to_list())
    gap = [a - b for a, b in zip(data(levels, "line0")["y"], data(levels, "reference")["y"], strict=True)]
    assert gap == pytest.approx(data(fan, "line0")["y"], abs=1e-9)


def test_an_interval_that_holds_zero_is_hollow_and_one_that_does_not_is_filled():
    frame = pl.DataFrame({"quantity": ["co2_t", "budget_cny"], "sector": "total", "unit": ["t", "CNY"],
                          "difference": [-1.0, 1.0], "lower": [-2.0, -1.0], "upper": [-0.5, 3.0]})  # fmt: skip
    held = data(drawn.outcomes(frame, [("co2_t", "total"), ("budget_cny", "total")], alt="", lang="en"))
    assert held["fill"] == [held["colour"][0], "#FFFFFF"]
    # each row on its own scale: the widest end of each is at 1
    assert held["low"] == pytest.approx([-1.0, -1 / 3])
    assert held["high"] == pytest.approx([-0.25, 1.0])


def test_two_scenarios_share_the_scale_of_a_row():
    frame = pl.DataFrame({"quantity": ["co2_t"], "sector": "total", "unit": "t", "difference": [-1.0], "lower": [-2.0],
                          "upper": [-0.5]})  # fmt: skip
    twice = frame.with_columns(pl.col("difference", "lower", "upper") * 2)
    held = data(drawn.outcomes({"A": frame, "B": twice}, [("co2_t", "total")], alt="", lang="en"))
    assert held["x"] == pytest.approx([-0.25, -0.5])


def test_sectors_show_reference_and_scenario_and_leave_out_the_total(results):
    totals = results[0].totals()
    held = data(drawn.sectors(totals, alt="CO2", lang="zh"))
    own = totals.filter(pl.col("quantity") == "co2_t", pl.col("sector") != "total")
    assert held["reference"] == pytest.approx((own["reference"] / 1e4).to_list())  # 万吨
    assert held["right"] == pytest.approx((own["scenario"] / 1e4).to_list())
    assert "合计" not in held["label"]


def test_the_parts_of_an_uncertainty_fill_its_bar_or_say_that_nothing_changes(results):
    totals = results[0].totals()
    plot = drawn.uncertainty(totals, alt="Parts", lang="en")
    held = [data(plot, part) for part in drawn.PARTS]
    heads = data(plot, "heads")["text"]
    for k, head in enumerate(heads):
        assert held[0]["left"][k] == 0
        assert held[0]["right"][k] == pytest.approx(held[1]["left"][k])
        assert held[1]["right"][k] == pytest.approx(held[2]["left"][k])
        whole = 0.0 if head.endswith("no change") else 100.0
        assert held[2]["right"][k] == pytest.approx(whole)


def test_those_who_lose_stand_left_of_nought_and_those_who_gain_right(results):
    rows = results[1].by_group("income_decile")
    plot = drawn.gain_and_lose(rows, alt="Sides", lang="en")
    assert max(data(plot, "losing_share")["x"]) <= 0 <= min(data(plot, "gaining_share")["x"])
    assert data(plot, "losing_share")["label"][0] == "1 (poorest)"


def test_the_map_is_as_dark_for_a_fall_as_for_a_rise_and_hatches_a_district_without_people(results, shapes):
    rows = results[1].by_group("adcode")
    plot = drawn.change_map(rows, shapes, alt="Map", lang="en")
    colours = plot.renderers[-1].glyph.fill_color.transform
    assert colours.low == -colours.high
    held = data(plot)
    assert [h.strip() for h in held["hatch"]] == [""] * len(DISTRICTS) + ["/"]
    assert math.isnan(held["value"][-1])
    assert held["text"][-1] == "no data"


# when


def test_a_ramp_grows_from_what_held_before_and_a_change_ends_with_its_last_day():
    plan = Scenario("甲", "A", [Change("building_pv", 1, 2026, 2030, 5), Change("building_pv", 2, 2031, None, 4),
                                Change("transit_fare", 0.5, 2027, 2028)])  # fmt: skip
    held = data(drawn.timeline(plan, alt="Time", lang="en"), "changes")
    by = {text: (xs, ys) for text, xs, ys in zip(held["text"], held["xs"], held["ys"], strict=True)}
    xs, ys = by["2 GW"]
    assert xs[0] == 2031
    assert xs[2] == 2035
    assert (ys[1] - ys[0]) / (ys[2] - ys[0]) == pytest.approx(1 / 2)  # 1 of 2 GW stand already
    xs, ys = by["0.5"]
    assert (xs[0], xs[-1]) == (2027, 2029)
    assert ys[1] == ys[2]


def test_a_past_phase_is_hatched_and_phases_are_named_in_the_page_language():
    phases = [Phase("起步", "First", 2023, 2025), Phase("深化", "Broad", 2026, 2030)]
    plan = Scenario("甲", "A", [Change("building_pv", 1, 2026)], phases=tuple(phases))
    held = data(drawn.timeline(plan, alt="Time", lang="zh"), "phases")
    assert held["label"] == ["起步", "深化"]
    assert [h.strip() for h in held["hatch"]] == ["/", ""]
    assert held["right"] == [2026, 2031]


def test_a_scenario_without_changes_has_an_empty_timeline():
    assert data(drawn.timeline(Scenario("", ""), alt="Time", lang="en"), "changes")["text"] == []


# in common


def test_new_data_make_the_same_picture_as_drawing_it_anew(results, shapes):
    a, b = results
    longer = Scenario("乙", "B", [*PLAN.changes, Change("carbon_price", 50, 2030)])
    draws = [
        (lambda r: drawn.fan(r, alt="", lang="en"), a.yearly(), b.yearly()),
        (lambda r: drawn.fan(r, "online_persons", levels=True, alt="", lang="en"), a.yearly(), b.yearly()),
        (lambda r: drawn.outcomes(r, alt="", lang="en"), a.totals(), b.totals()),
        (lambda r: drawn.sectors(r, alt="", lang="en"), a.totals(), b.totals()),
        (lambda r: drawn.uncertainty(r, alt="", lang="en"), a.totals(), b.totals()),
        (lambda r: drawn.winners(r, alt="", lang="en"), a.by_group("age_band"), b.by_group("age_band")),
        (lambda r: drawn.gain_and_lose(r, alt="", lang="en"), a.by_group("age_band"), b.by_group("age_band")),
        (lambda r: drawn.change_map(r, shapes, alt="", lang="en"), a.by_group("adcode"), b.by_group("adcode")),
        (lambda r: drawn.timeline(r, alt="", lang="en"), PLAN, longer),
    ]
    for draw, before, after in draws:
        plot, anew = draw(before), draw(after)
        drawn.update(plot, after)
        for name, columns in everything(anew).items():
            for column, values in columns.items():
                assert same(everything(plot)[name][column], values), (plot.tags[0]["chart"], name, column)
        for axis in ("x_range", "y_range"):
            for end in ("start", "end"):
                assert same([getattr(getattr(plot, axis), end, 0)], [getattr(getattr(anew, axis), end, 0)])
        assert plot.height == anew.height


@pytest.mark.parametrize(("lang", "word"), [("zh", "合成数据"), ("en", "synthetic")])
def test_every_picture_of_synthetic_people_says_so_inside(results, shapes, lang, word):
    run = results[0]
    how = {"alt": "x", "lang": lang}
    for plot in (
        drawn.fan(run.yearly(), **how), drawn.outcomes(run.totals(), **how), drawn.sectors(run.totals(), **how),
        drawn.uncertainty(run.totals(), **how), drawn.winners(run.by_group("age_band"), **how),
        drawn.gain_and_lose(run.by_group("age_band"), **how), drawn.change_map(run.by_group("adcode"), shapes, **how),
    ):  # fmt: skip
        assert any(getattr(item, "text", "") == word for item in plot.above)


def test_too_many_scenarios_and_what_is_not_there_are_refused(results):
    years, totals = results[0].yearly(), results[0].totals()
    with pytest.raises(DataError, match="can show 2 scenarios, got 3"):
        drawn.sectors(dict.fromkeys("abc", totals), alt="")
    with pytest.raises(SchemaError, match="no 'steel' of 'total'"):
        drawn.fan(years, "steel", alt="")
    with pytest.raises(SchemaError, match="no row for"):
        drawn.outcomes(totals, [("steel", "total")], alt="")
    with pytest.raises(SchemaError, match="no outcome 'happiness'"):
        drawn.winners(results[0].by_group("age_band"), "happiness", alt="")
    with pytest.raises(DataError, match="one or two scenarios"):
        drawn.timeline([PLAN] * 3, alt="")
    with pytest.raises(DataError, match="by sector"):
        drawn.sectors(totals.filter(pl.col("quantity") == "budget_cny"), alt="")


def test_a_line_can_stand_at_another_day_than_the_first_of_the_levers():
    plot = drawn.timeline(PLAN, alt="Time", lang="en", today=dt.date(2027, 7, 2))
    (line,) = (item.location for item in plot.center if hasattr(item, "location"))
    # 182 of 365 days of 2027 are over on 2 July
    assert line == pytest.approx(2027 + 182 / 365)


# large type


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_large_type_puts_the_interval_below_the_difference_and_always_takes_two_lines(lang):
    known = {"quantity": "co2_t", "sector": "total", "unit": "t", "difference": -2e6, "lower": -3e6, "upper": -1e6}
    none = {**known, "difference": 0.0, "lower": 0.0, "upper": 0.0}
    plots = [
        drawn.outcomes({"A": pl.DataFrame([known]), "B": pl.DataFrame([none])}, [("co2_t", "total")], alt="CO2",
                       lang=lang, large=large)
        for large in (False, True)
    ]  # fmt: skip
    small, large = (data(p, "told")["text"] for p in plots)
    if lang == "en":
        assert small == ["A: −2.00 (−3.00 to −1.00) Mt", "B: 0 Mt"]
        assert large == ["A: −2.00 Mt\n(−3.00 to −1.00)", "B: 0 Mt\n"]
    # whatever the type, the same is said
    assert [sorted(t.replace("\n", " ").split()) for t in large] == [
        sorted(t.replace("（", " （").replace("）", "） ").split()) for t in small
    ]
    # one head and, for each scenario, one line or two; a bar and a gap each
    lines = [-p.y_range.start for p in plots]
    assert lines[1] - lines[0] == 2
    ys = [*data(plots[1], "told")["y"], *data(plots[1])["y"]]
    assert len(set(ys)) == len(ys)


def test_large_type_writes_the_last_phase_from_its_end_and_folds_long_levers():
    phases = tuple(Phase("段", f"Phase {y}", y, y + 3) for y in (2023, 2027, 2032))
    plan = Scenario("甲", "A", [Change("digital_training", 0.3, 2026)], phases=phases)
    small, large = (drawn.timeline(plan, alt="When", lang="en", large=size) for size in (False, True))
    assert data(small, "phases")["align"] == ["left"] * 3
    assert data(large, "phases")["align"] == ["left", "left", "right"]
    # runs end with 2035
    assert data(large, "phases")["text_x"] == [2023.0, 2027.0, 2036.0]
    (head,) = data(large, "heads")["text"]
    assert head == "Digital-skills training\nfor older people"
    assert small.y_range.start - large.y_range.start == 1
