from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

import polars as pl
import pytest

from citylab.app import url
from citylab.errors import CitylabError, RangeError, SchemaError, UnknownNameError
from citylab.policy.levers import levers
from citylab.policy.scenario import Change, Scenario
from citylab.viz import tables
from citylab.vocabulary import say_unit
from tests.app.conftest import READY_S, TEXT, until

MS = 1000.0
PV = "building_pv"


@pytest.fixture(scope="module")
def sandbox(load_page: Callable[[str], ModuleType]) -> ModuleType:
    return load_page("policy_sandbox")


@pytest.fixture
def state(sandbox):
    return sandbox.State(lang="en")


def total(state, quantity="co2_t", side=None):
    return state.run(side).totals.filter(quantity=quantity, sector="total").row(0, named=True)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_number_says_synthetic_and_carries_an_interval(sandbox, lang):
    word, between = {"zh": ("合成数据", " 至 "), "en": ("synthetic", " to ")}[lang]
    cards = sandbox.big_numbers(sandbox.State(lang=lang), lang)
    assert len(cards) == 4
    for card in cards:
        assert word in card.detail
        assert between in card.detail
        assert "90%" in card.detail
        assert "64" in card.detail
        assert "100,000" in card.detail


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("compare", [False, True])
def test_every_picture_has_a_table_a_note_and_says_synthetic(sandbox, lang, compare):
    word = {"zh": "合成数据", "en": "synthetic"}[lang]
    state = sandbox.State(lang=lang, compare=compare, group="adcode", outcome="online_share", quantity="co2_t:transit")
    for picture in sandbox.pictures(state):
        assert word in picture.title(lang)
        assert picture.draw().html_attributes["aria-label"] == picture.title(lang)
        assert picture.table().height > 0
        assert picture.note(lang)
        # what has an interval says of what level, and from how many draws and persons
        assert (picture.key in {"timeline", "uncertainty"}) != ("100,000" in picture.note(lang)), picture.key


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("compare", [False, True])
def test_a_moved_lever_renews_each_picture_as_if_it_were_drawn_anew(sandbox, state, compare, large):
    def held(plot):
        found = {r.data_source.name: r.data_source.data for r in plot.renderers if r.data_source.name}
        return repr({n: {c: list(v) for c, v in sorted(d.items())} for n, d in sorted(found.items())})

    state.param.update(compare=compare, large=large)
    pictures = sandbox.pictures(state)
    plots = [p.draw() for p in pictures]
    before = [held(p) for p in plots]
    state.move("carbon_price", 200.0)
    for picture, plot, old in zip(pictures, plots, before, strict=True):
        picture.refresh(plot)
        assert held(plot) == held(picture.draw()) != old, picture.key


def test_a_lever_back_at_the_references_value_is_no_change_and_the_page_says_so(sandbox, state):
    state.put(sandbox.EMPTY)
    assert "is the reference" in sandbox.message(state, "en")
    assert total(state)["difference"] == 0
    assert sandbox.big_numbers(state, "en")[1].value == "–"
    assert "nothing is saved" in sandbox.big_numbers(state, "en")[1].detail
    state.move(PV, 2.0)
    assert total(state)["upper"] < 0
    assert sandbox.message(state, "en") == ""
    state.move(PV, levers()[PV].default)
    assert state.scenario().changes == ()


def test_an_edited_example_no_longer_bears_its_name_and_undo_brings_it_back(sandbox, state):
    before = state.a
    state.move(PV, 3.0)
    assert state.scenario().title("zh").endswith("（已改）")
    assert state.scenario().title("en").endswith("(edited)")
    assert state.lever == PV
    assert state.undo()
    assert state.a == before


def test_a_lever_takes_another_value_from_the_last_phase_on_and_dates_can_be_moved(sandbox, state):
    state.put(sandbox.EMPTY)
    state.move(PV, 1.0)
    state.split(PV)
    state.move(PV, 3.0, 1)
    own = state.changes_of(PV)
    assert [(c.value, c.start.year, c.end and c.end.year) for c in own] == [(1.0, 2026, 2030), (3.0, 2031, None)]
    state.date(PV, 0, ramp_years=4.0)
    assert state.changes_of(PV)[0].ramp_years == 4
    kept = state.a
    with pytest.raises(RangeError, match="before it starts"):
        state.date(PV, 0, start=own[1].start)
    assert state.a == kept


def test_what_b_has_more_than_a_is_the_difference_of_the_two_on_the_same_draws(state):
    state.compare = True
    frames = state.totals()
    assert list(frames) == ["A", "B", "B − A"]
    a, b, more = (frames[n]["difference"].to_numpy() for n in frames)
    assert more == pytest.approx(b - a, rel=1e-9, abs=1e-6)
    state.b = state.a
    assert state.totals()["B − A"]["sd"].max() == pytest.approx(0, abs=1e-9)


def test_the_levers_move_the_scenario_that_is_edited_and_only_that(state):
    state.param.update(compare=True, editing="b")
    a = state.a
    state.move(PV, 4.0)
    assert state.a == a
    assert [c.value for c in state.scenario("b").changes if c.lever == PV] == [4.0]
    state.compare = False  # a page with one scenario edits that one
    assert state.side == "a"


@pytest.mark.parametrize(("lang", "word"), [("zh", "由官方公布"), ("en", "official intensity")])
def test_tonnes_by_sector_stand_beside_the_level_that_official_figures_imply(sandbox, state, lang, word):
    (sectors,) = (p for p in sandbox.pictures(state) if p.key == "sectors")
    assert word in sectors.note(lang)


def test_a_link_carries_both_scenarios_and_a_damaged_one_is_told(sandbox, state):
    state.param.update(compare=True, editing="b", group="age_band")
    state.move(PV, 4.5)
    asked = {n: url._text(getattr(state, n)) for n in state.choices}
    again = sandbox.State(lang="en")
    assert url.read(again, asked) == []
    assert again.scenario("b") == state.scenario("b")
    assert total(again)["difference"] == total(state)["difference"]
    again.b = again.b[:-9]
    assert "cannot be read" in sandbox.message(again, "en")
    assert "读不出来" in sandbox.message(again, "zh")
    assert sandbox.big_numbers(again, "en")


def test_a_file_brings_the_same_scenario_back_and_a_bad_one_says_what_is_wrong(sandbox, state):
    plan = state.scenario()
    assert sandbox.read_file(plan.to_yaml().encode()) == plan
    assert sandbox.read_file(b"\xef\xbb\xbf" + plan.to_yaml().encode()) == plan  # as Windows writes it
    head = "name_zh: a\nname_en: b\nchanges:\n"
    with pytest.raises(SchemaError, match="no YAML"):
        sandbox.read_file(b"a: [1, 2")
    with pytest.raises(UnknownNameError, match="building_pv"):
        sandbox.read_file((head + "- {lever: bulding_pv, value: 1, start: 2026}").encode())
    with pytest.raises(RangeError, match="from 0 to 10 GW"):
        sandbox.read_file((head + "- {lever: building_pv, value: 11, start: 2026}").encode())
    with pytest.raises(SchemaError, match="mapping"):
        sandbox.read_file(b"- 1\n- 2\n")
    with pytest.raises(CitylabError, match="no text in UTF-8"):
        sandbox.read_file(b"\xff\xfe\x00")
    with pytest.raises(CitylabError, match="at most 200,000"):
        sandbox.read_file(b" " * 200_001)


def test_the_code_in_the_footer_computes_what_the_page_shows(sandbox, state):
    state.move(PV, 2.2)
    state.group = "age_band"
    found: dict[str, Any] = {}
    exec(sandbox.code(state), found)
    assert found["plan"] == state.scenario()
    assert found["totals"].equals(state.run().totals)
    mine = state.run().by_group("age_band")
    assert found["groups"].drop("persons").equals(mine.drop("persons"))
    assert found["groups"]["persons"].to_list() == pytest.approx(mine["persons"].to_list())  # sums of floats


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_each_lever_is_explained_with_its_bounds_its_history_and_every_belief_with_its_mark(sandbox, lang):
    import html

    for one in levers().values():
        said = sandbox.about(one, lang)
        assert f"{one.low:g}" in said
        assert f"{one.high:g}" in said
        assert all(html.escape(e.source) in said for e in one.enacted)
        folded = sandbox.beliefs(one, lang)
        assert folded.startswith("<details><summary>")
        assert folded.count("<li>") == len(one.priors)
        assert all(html.escape(p.source) in folded for p in one.priors)
        assert all(html.escape(rule[lang == "en"]) in said for rule in one.joint.values())
        unit = say_unit(one.unit, "zh")
        assert unit in ("", "GW") or not unit.isascii(), f"{one.unit} has no Chinese word"


def test_many_changes_of_one_lever_are_kept_though_only_two_have_sliders(sandbox, state):
    steps = [Change("transit_fare", 0.9 - 0.1 * i, 2026 + i, 2026 + i) for i in range(4)]
    state.put(Scenario("多", "Many", steps))
    state.move("transit_fare", 0.5, 1)
    assert [c.value for c in state.changes_of("transit_fare")] == pytest.approx([0.9, 0.5, 0.7, 0.6])
    assert sandbox.controls(state, "en") is not None


def test_a_page_tells_that_nobody_was_observed_and_that_nobody_is_charged_for_the_budget(sandbox, state):
    assert "nobody was observed" in sandbox.cannot_show(state, "en")
    assert "没有任何人被观测" in sandbox.cannot_show(state, "zh")
    assert "is not shared out" in sandbox.cannot_show(state, "en")


def test_the_page_builds(sandbox):
    assert sandbox.build() is not None


def test_a_table_of_two_scenarios_names_the_scenario_of_each_row(sandbox, state):
    state.compare = True
    table = next(p for p in sandbox.pictures(state) if p.key == "sectors").table()
    assert set(table["scenario_name"]) == {"A", "B"}
    assert "industry" not in table["sector"].to_list()
    assert table.filter(pl.col("is_synthetic").not_()).is_empty()


def test_a_chinese_table_has_chinese_heads_and_no_code_in_its_cells(sandbox):
    for group in sandbox.GROUPS:
        state = sandbox.State(lang="zh", compare=True, group=group)
        for picture in sandbox.pictures(state):
            table = tables.pretty(picture.table(), "zh")
            heads = tables.heads(table, "zh")
            assert all(re.search("[\u4e00-\u9fff]", h) for h in heads.values()), (picture.key, heads)
            assert not any("(by " in h for h in heads.values()), (picture.key, heads)
            words = {w for c in table.select(pl.col(pl.String)).iter_columns() for w in c.drop_nulls()}
            assert not [w for w in words if re.search("[a-z_]{4,}", w)], picture.key
            if "persons" in picture.table().columns:
                assert picture.table().schema["persons"].is_integer()


# in a browser

HANDLES = """() => {
  const found = [];
  const deep = (root) => { for (const n of root.querySelectorAll("*")) {
    if (n.role === "slider") found.push([n.ariaLabel, n.ariaValueText]);
    if (n.shadowRoot) deep(n.shadowRoot);
  } };
  deep(document);
  return found;
}"""


@pytest.mark.browser
def test_each_slider_tells_a_screen_reader_its_lever_and_its_value_in_either_language(site, visit):
    seen = visit(site + "/policy_sandbox?lang=en")
    page = seen.page
    page.wait_for_selector("body.ready", timeout=READY_S * MS)
    until(page, lambda: len(page.evaluate(HANDLES)) > len(levers()), "a slider for each lever")
    until(page, lambda: all(name for name, _ in page.evaluate(HANDLES)), "a name for each")
    said = dict(page.evaluate(HANDLES))
    assert len(said) == len(page.evaluate(HANDLES))  # no two are called the same
    for one in levers().values():
        assert any(one.title("en") in name for name in said), one.title("en")
    assert said["● Photovoltaics on buildings (GW), from 2031"] == "2.50"
    page.get_by_role("slider", name="Congestion charge (CNY/trip)").press("ArrowRight")
    until(page, lambda: dict(page.evaluate(HANDLES)).get("● Congestion charge (CNY/trip)") == "1", "mark and value")
    page.get_by_role("button", name="中文").click()
    until(page, lambda: any("拥堵费" in str(name) for name, _ in page.evaluate(HANDLES)), "Chinese names")
    assert all(name for name, _ in page.evaluate(HANDLES))
    seen.assert_clean()


@pytest.mark.browser
def test_a_reader_moves_a_lever_by_key_loads_files_compares_and_finds_it_all_in_the_link(site, visit, tmp_path):
    seen = visit(site + "/policy_sandbox?lang=en")
    page = seen.page
    page.wait_for_selector("body.ready", timeout=READY_S * MS)
    number = page.locator(".number .value b").first
    until(page, lambda: page.locator(".noUi-handle").count() > len(levers()), "a slider for each lever")
    before, address = number.inner_text(), page.url
    page.get_by_role("slider", name="Congestion charge (CNY/trip)").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    until(page, lambda: number.inner_text() != before, "another number")
    until(page, lambda: page.url != address, "the scenario in the address")
    until(page, lambda: "Congestion charge: 3 CNY/trip" in page.evaluate(TEXT, "main"), "the sentence of the change")
    bad = tmp_path / "bad.yml"
    bad.write_text("name_zh: a\nname_en: b\nchanges:\n- {lever: building_pv, value: 99, start: 2026}", "utf-8")
    page.locator("input[type=file]").set_input_files(str(bad))
    until(page, lambda: "from 0 to 10 GW" in page.evaluate(TEXT, "aside"), "what is wrong with the file")
    assert "the scenario is as before" in page.evaluate(TEXT, "aside")
    good = tmp_path / "good.yml"
    good.write_text(Scenario("好", "A good file", [Change(PV, 7.0, 2026)]).to_yaml(), "utf-8")
    page.locator("input[type=file]").set_input_files(str(good))
    until(page, lambda: "New in A good file" in page.evaluate(TEXT, "main"), "the scenario of the file")
    until(page, lambda: "from 0 to 10 GW" not in page.evaluate(TEXT, "aside").split("Dates and beliefs")[0],
          "the old complaint gone")  # fmt: skip
    page.get_by_role("checkbox", name="Compare with a scenario B").press("Space")
    until(page, lambda: "B against A" in page.evaluate(TEXT, "main"), "two scenarios")
    until(page, lambda: "compare=1" in page.url, "the comparison in the address")
    page.get_by_role("button", name="中文").click()
    until(page, lambda: "B 与 A 之差" in page.evaluate(TEXT, "main"), "the difference in Chinese")
    until(page, lambda: "公共财政最终由谁负担" in page.evaluate(TEXT, "main")
          or "公共资金最终由谁负担" in page.evaluate(TEXT, "main"), "the limits, which come last")  # fmt: skip
    shown = number.inner_text()
    page.reload()
    page.wait_for_selector("body.ready", timeout=READY_S * MS)
    until(page, lambda: number.inner_text() == shown, "the same number after a reload")
    seen.assert_clean()


@pytest.mark.browser
def test_a_phone_needs_no_sideways_scrolling_and_a_fold_opens_by_key(site, visit):
    seen = visit(site + "/policy_sandbox?lang=zh", viewport={"width": 390, "height": 844})
    page = seen.page
    page.wait_for_selector("body.ready", timeout=READY_S * MS)
    until(page, lambda: page.locator(".noUi-handle").count() > len(levers()), "a slider for each lever")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_label("说明和日期：哪个杠杆").select_option("建筑光伏")
    fold = page.locator("summary", has_text="我们相信什么")
    until(page, lambda: "8 个参数" in fold.inner_text(), "the beliefs of the lever")
    fold.focus()
    page.keyboard.press("Enter")
    until(page, lambda: "yield_kwh_kwp" in page.locator("details[open]").last.inner_text(), "the opened fold")
    seen.assert_clean()
