from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

import polars as pl
import pytest

from citylab.studies import claims as register
from tests.app.conftest import READY_S, TEXT, until

MS = 1000.0
MARKS = """() => {
  for (const m of Bokeh.documents[0]._all_models.values())
    if (m.type === "ColumnDataSource" && m.name === "data" && m.data.claim)
      return Array.from(m.data.fill).join();
  return null;
}"""


@pytest.fixture(scope="module")
def tracker(load_page: Callable[[str], ModuleType]) -> ModuleType:
    return load_page("plan_tracker")


@pytest.fixture
def state(tracker):
    return tracker.State(lang="en")


def test_the_page_begins_on_the_day_the_evidence_was_read_and_with_every_claim(state):
    assert state.asof == dt.date(2026, 11, 28)
    assert state.shown().height == 83
    assert state.shown().equals(register.claims(state.asof))


def test_the_big_numbers_are_those_of_the_register(tracker, state):
    # 20 targets past their day: 2 met, 18 without data; 6 contradicted and 1 inconsistent claims of all kinds
    assert [c.value for c in tracker.big_numbers(state, "en")] == ["20", "2", "7", "18"]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_choice_gives_four_numbers_with_a_detail_in_both_languages(tracker, lang):
    for plan in ("", "000", "002", "004"):
        for kind in ("", *tracker.KINDS):
            cards = tracker.big_numbers(tracker.State(plan=plan, kind=kind, lang=lang), lang)
            assert len(cards) == 4
            assert all(c.label and c.value and c.detail for c in cards)


def test_both_languages_show_the_same_digits(tracker, state):
    zh, en = (tracker.big_numbers(state, lang) for lang in ("zh", "en"))
    assert [c.value for c in zh] == [c.value for c in en]
    assert [sorted(re.findall("[0-9]+", c.detail)) for c in zh] == [sorted(re.findall("[0-9]+", c.detail)) for c in en]


def test_a_later_day_never_lowers_what_is_due(tracker, state):
    due = []
    for day in (dt.date(2020, 1, 1), dt.date(2022, 12, 30), dt.date(2022, 12, 31), dt.date(2030, 12, 31), tracker.LAST):
        state.asof = day
        due.append(int(tracker.big_numbers(state, "en")[0].value))
    assert due == sorted(due)
    # c07 falls due on the last day of 2022, and all 26 dated targets by the end of 2035
    assert (due[0], due[2] - due[1], due[-1]) == (0, 1, 26)


def test_filters_narrow_the_claims_and_a_status_leaves_the_big_numbers(tracker, state):
    before = [c.value for c in tracker.big_numbers(state, "en")]
    state.status = "contradicted"
    assert set(state.shown()["status"]) == {"contradicted"}
    assert [c.value for c in tracker.big_numbers(state, "en")] == before
    state.param.update(plan="003", kind="target", status="")
    assert set(state.shown()["plan"]) == {"003"}
    assert set(state.shown()["kind"]) == {"target"}


def test_the_table_holds_every_claim_that_the_picture_leaves_out(state):
    listed = state.listed()
    assert listed["claim_id"].to_list() == state.shown()["claim_id"].to_list()
    assert listed["due_date"].null_count() > 0
    assert not {"due_no_data", "not_due"} & set(listed["status"])  # in words


def test_the_bars_hold_every_claim_once(state):
    rows = state.by_plan()
    assert rows["claim_count"].sum() == 83
    by_text = dict(rows.group_by("plan").agg(pl.col("claim_count").sum()).iter_rows())
    assert by_text == {"000": 9, "001": 18, "002": 3, "003": 46, "004": 7}


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_claim_has_an_evidence_panel_that_says_claim_status_and_publisher(tracker, lang):
    state = tracker.State(lang=lang)
    (panel,) = (p for p in tracker.pictures(state) if p.key == "evidence")
    for row in state.shown().iter_rows(named=True):
        state.claim = row["claim_id"]
        told = panel.note(lang)
        assert row["claim_id"] in told
        assert ("sha256" in told) == row["is_recomputable"]
        assert (panel.table().height > 0) == row["is_recomputable"]
        assert panel.draw() is not None


def test_an_empty_choice_says_what_to_change(tracker, state):
    state.param.update(plan="004", kind="advert")
    assert state.shown().height == 0
    assert "choose all texts" in tracker.message(state, "en")
    assert "放宽" in tracker.message(state, "zh")
    assert all(p.draw() is not None and p.table().height == 0 for p in tracker.pictures(state) if p.key != "evidence")


def test_the_code_in_the_footer_computes_the_big_numbers(tracker, state):
    state.param.update(plan="003", kind="observation", asof=dt.date(2024, 1, 1), claim="c31")
    found: dict[str, Any] = {}
    exec(tracker.code(state), found)
    values = [found["counts"]["due_targets"], found["counts"]["met"], found["against"], found["counts"]["due_no_data"]]
    assert [str(v) for v in values] == [c.value for c in tracker.big_numbers(state, "en")]
    assert found["found"].finding == "contradicted"


def test_what_the_page_cannot_show_says_that_claims_are_no_data(tracker, state):
    assert "never data" in tracker.cannot_show(state, "en")
    assert "不是观测值" in tracker.cannot_show(state, "zh")


def test_every_embedded_source_of_a_recomputation_is_in_the_footer(tracker):
    read = {i for c in register.recomputable() for i, *_ in register.recompute(c).sources if not i.startswith("codes/")}
    assert read == set(tracker.SOURCES)


def test_the_page_builds(tracker):
    assert tracker.build() is not None


# in a browser


@pytest.mark.browser
def test_a_reader_moves_the_day_chooses_a_claim_and_the_link_holds_both(site, visit):
    seen = visit(site + "/plan_tracker?lang=en")
    page = seen.page
    page.wait_for_selector("body.ready", timeout=READY_S * MS)
    marks, due = page.evaluate(MARKS), page.locator(".number .value b").first.inner_text()
    page.get_by_role("button", name="2030", exact=True).click()
    until(page, lambda: "asof=2030-12-31" in page.url, "the day in the address")
    until(page, lambda: page.locator(".number .value b").first.inner_text() != due, "another number of due targets")
    until(page, lambda: page.evaluate(MARKS) != marks, "other marks")
    page.get_by_label("Claim to look into").select_option("c51 Learning paths are tailored to 5 million school pupils")
    until(page, lambda: "1.9 times as many" in page.evaluate(TEXT, "main"), "the recomputation of the claim")
    assert "claim=c51" in page.url
    page.get_by_role("button", name="Table").first.click()
    until(page, lambda: page.locator(".tabulator-row").count() > 10, "rows of the table")
    page.locator(".tabulator-cell", has_text="c03").first.click()
    until(page, lambda: "claim=c03" in page.url, "the claim of the row")
    page.get_by_role("button", name="中文").click()
    until(page, lambda: "本页不能说明什么" in page.evaluate(TEXT, "main"), "Chinese text")
    assert page.locator("header h1").inner_text() == "规划追踪"
    english = re.compile(r"What this page cannot show|Targets due|Claim to look into|due, no data|not due")
    until(page, lambda: not english.search(page.evaluate(TEXT, "body")), "a page without English labels")
    shown = page.locator(".number .value b").first.inner_text()
    page.reload()
    page.wait_for_selector("body.ready", timeout=READY_S * MS)
    until(page, lambda: page.locator(".number .value b").first.inner_text() == shown, "the same number after a reload")
    seen.assert_clean()


@pytest.mark.browser
def test_the_controls_answer_to_the_keyboard_and_a_phone_needs_no_sideways_scrolling(site, visit):
    seen = visit(site + "/plan_tracker?lang=zh", viewport={"width": 390, "height": 844})
    page = seen.page
    page.wait_for_selector("body.ready", timeout=READY_S * MS)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    handle = page.locator(".noUi-handle").last
    handle.focus()
    handle.press("ArrowLeft")
    until(page, lambda: "asof=2026-11-27" in page.url, "the day before by the arrow key")
    page.get_by_label("文本编号").focus()
    page.keyboard.press("ArrowDown")
    until(page, lambda: "plan=000" in page.url, "the first text by the arrow key")
    seen.assert_clean()


@pytest.mark.browser
def test_a_link_that_cannot_be_gets_a_sentence_and_a_working_page(site, visit):
    seen = visit(site + "/plan_tracker?lang=en&asof=yesterday&claim=c99")
    page = seen.page
    page.wait_for_selector("body.ready", timeout=READY_S * MS)
    until(page, lambda: "asof=yesterday" in page.evaluate(TEXT, ".message-slot"), "what was refused")
    assert page.locator(".number .value b").first.inner_text() == "20"
    seen.assert_clean()
