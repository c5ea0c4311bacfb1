from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

import polars as pl
import pytest

from tests.app.conftest import READY_S, TEXT, until

MS = 1000.0
DRAWN = """(name) => {
  for (const m of Bokeh.documents[0]._all_models.values())
    if (m.type === "ColumnDataSource" && m.name === name) return JSON.stringify(m.data, (k, v) =>
      ArrayBuffer.isView(v) ? Array.from(v) : v);
  return null;
}"""


@pytest.fixture(scope="module")
def scheme(load_page: Callable[[str], ModuleType]) -> ModuleType:
    return load_page("carbon_inclusive")


@pytest.fixture
def state(scheme):
    return scheme.State(lang="en")


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_number_says_synthetic_and_the_booked_one_how_sure_its_factors_are(scheme, lang):
    word = {"zh": "合成数据", "en": "synthetic"}[lang]
    for choices in ({}, {"card": "everyone", "baseline": "replacement"}, {"whose": "phones"}):
        cards = scheme.big_numbers(scheme.State(lang=lang, **choices), lang)
        assert len(cards) == 4
        assert all(c.label and c.value and word in c.detail for c in cards)
        assert "secondary" in cards[2].detail
        assert all("95%" in c.detail for c in cards)


def test_both_languages_show_the_same_digits(scheme, state):
    zh, en = (scheme.big_numbers(state, lang) for lang in ("zh", "en"))
    assert [c.value for c in zh] == [c.value for c in en]
    digits = [[sorted(re.findall(r"\d[\d,.]*\d|\d", c.detail)) for c in cards] for cards in (zh, en)]
    assert digits[0] == digits[1]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_picture_draws_with_a_table_and_says_synthetic_in_its_title(scheme, lang):
    word = {"zh": "合成数据", "en": "synthetic"}[lang]
    state = scheme.State(lang=lang, card="everyone", ledger="altered", monitor="start_adcode")
    for picture in scheme.pictures(state):
        assert word in picture.title(lang)
        assert picture.draw().html_attributes["aria-label"]
        assert picture.table().height > 0
        assert picture.note(lang)


def test_each_grouping_holds_everybody_and_the_elders_are_always_a_row(scheme, state):
    for by in scheme.GROUPINGS:
        state.by = by
        rows = state.chosen_gains()
        own = rows.filter(~pl.col("is_overlapping"))
        assert own["person_count"].sum() == rows["person_count"][0]
        assert set(state.gains()["baseline_kind"]) == {"mean", "replacement"}
    state.by = "age_group"
    assert "60+" in state.gains()["group"].to_list()


def test_the_baseline_changes_the_numbers_and_keeps_who_is_counted(scheme, state):
    before = scheme.big_numbers(state, "en")
    state.baseline = "replacement"
    after = scheme.big_numbers(state, "en")
    assert before[2].value != after[2].value
    counts = [s.total()["activity_count"] for s in (state, scheme.State(lang="en"))]
    assert counts[0] == counts[1]


def test_a_card_takes_nothing_from_anybody_and_helps_people_without_a_phone(scheme, state):
    state.param.update(by="has_smartphone", card="everyone")
    rows = {r["group"]: r for r in state.chosen_gains().iter_rows(named=True)}
    assert rows["true"]["change_co2_kg"] == 0
    assert rows["false"]["credit_per_head_co2_kg"] == 0
    assert rows["false"]["change_co2_kg_low"] > 0
    state.card = "same"
    same = {r["group"]: r for r in state.chosen_gains().iter_rows(named=True)}
    # the same people at a lower take-up: the change is in proportion
    share = same["false"]["take_up_share"]
    assert same["false"]["change_co2_kg"] == pytest.approx(share * rows["false"]["change_co2_kg"])
    assert "with the card" in scheme.big_numbers(state, "en")[0].detail


def test_the_price_moves_money_and_no_credit(scheme, state):
    before = state.gains()
    state.price = 2 * 51.0  # within the declared prices
    state.price = 51.0
    after = state.gains()
    assert after["credit_per_head_co2_kg"].equals(before["credit_per_head_co2_kg"])
    ratio = (after["value_per_head_cny"] / before["value_per_head_cny"]).drop_nulls().drop_nans()
    assert ratio.to_list() == pytest.approx([51.0 / scheme.PRICE_CNY_T] * ratio.len())


def test_what_was_claimed_is_credited_or_refused_with_a_reason(state):
    total = state.total()
    assert state.refused()["activity_count"].sum() == total["activity_count"] - total["eligible_count"]
    for monitor in ("act", "start_adcode"):
        state.monitor = monitor
        assert state.monitored()["credit_co2_kg"].sum() == pytest.approx(total["credit_co2_kg"])


def test_a_dearer_payment_costs_more_and_adds_more(state):
    rows = state.designed()
    for quantity in ("budget", "extra_trips", "extra_replacement_t"):
        values = rows.filter(pl.col("quantity") == quantity).sort("amount_cny")["value"].to_list()
        assert values == sorted(values)
        assert values[0] < values[-1]


def test_the_check_locates_what_was_done_to_the_ledger_and_passes_the_one_as_written(scheme, state):
    entries, faults, sums = state.entries()
    assert set(entries["ledger_mark"]) == {"verified"}
    assert faults.is_empty()
    assert sums["issued"] == pytest.approx(sums["held"] + sums["retired"] + sums["cancelled"], abs=1e-9)
    at = scheme.LEDGER_ROWS // 2
    state.ledger = "altered"
    marked = state.entries()[0].filter(pl.col("ledger_mark") != "verified")
    assert marked.select("seq", "ledger_mark").rows() == [(at, "altered")]
    state.ledger = "deleted"
    marks = dict(state.entries()[0].select("seq", "ledger_mark").iter_rows())
    assert at not in marks
    assert marks[at + 1] == "missing"
    assert f"entry {at}" in scheme.pictures(state)[6].note("en")


def test_the_ledger_holds_what_the_scheme_credited_to_the_gram(scheme, state):
    issued = state.entries()[0].filter(pl.col("op") == "issue")["amount"].cast(pl.Float64)
    earned = (
        scheme._credited("registered", "mean").group_by("account").agg(pl.col("credit_co2_kg").sum())["credit_co2_kg"]
    )
    top = earned.sort(descending=True).head(scheme.LEDGER_ROWS)
    assert ((top - issued) >= 0).all()
    assert ((top - issued) < 0.001).all()


def test_the_code_in_the_footer_computes_the_big_numbers(scheme, state):
    state.param.update(by="has_smartphone", baseline="replacement", card="everyone", price=80.0, rule="old")
    found: dict[str, Any] = {}
    exec(scheme.code(state), found)
    old = found["ages"].row(by_predicate=pl.col("group") == "60+", named=True)
    mine = state.row_of("age_group", "60+")
    assert old["participation_share_high"] == mine["participation_share_high"]
    assert found["total"]["credit_co2_kg"].item() == pytest.approx(state.total()["credit_co2_kg"])
    index = found["index"].row(by_predicate=pl.col("measure") == "after", named=True)
    assert index["value"] == pytest.approx(state.index_change()["after"]["value"])
    groups = state.chosen_gains()
    assert found["groups"]["value_per_head_cny"].to_list() == pytest.approx(groups["value_per_head_cny"].to_list())
    cost = "cny_per_extra_replacement_t"
    assert found["outcome"].value(cost) == pytest.approx(state.outcome()[cost]["value"])


def test_what_the_page_cannot_show_says_that_nobody_was_observed(scheme, state):
    assert "nobody was observed" in scheme.cannot_show(state, "en")
    assert "没有任何人被观测" in scheme.cannot_show(state, "zh")


def test_the_page_builds(scheme):
    assert scheme.build() is not None


# in a browser


@pytest.mark.browser
def test_a_reader_admits_the_card_tampers_with_the_ledger_and_the_link_holds_both(site, visit):
    seen = visit(site + "/carbon_inclusive?lang=en")
    page = seen.page
    page.wait_for_selector("body.ready", timeout=READY_S * MS)
    assert page.evaluate(DRAWN, "mean after") is None
    index = page.locator(".number .value b").nth(1).inner_text()
    page.get_by_role("button", name="all", exact=True).click()
    until(page, lambda: "card=everyone" in page.url, "the card in the address")
    until(page, lambda: page.evaluate(DRAWN, "mean after") is not None, "diamonds of the card")
    until(page, lambda: page.locator(".number .value b").nth(1).inner_text() != index, "another index")
    assert "The chain is sound" in page.evaluate(TEXT, "main")
    page.get_by_role("button", name="alter one", exact=True).click()
    until(page, lambda: "entry 4: altered" in page.evaluate(TEXT, "main"), "the entry that was altered")
    page.get_by_label("Groups of people").select_option("smartphone")
    until(page, lambda: "by=has_smartphone" in page.url, "the grouping in the address")
    page.get_by_role("button", name="Table").first.click()
    until(page, lambda: page.locator(".tabulator-row").count() >= 6, "rows of the table")
    page.get_by_role("button", name="中文").click()
    until(page, lambda: "第 4 条内容与摘要不符" in page.evaluate(TEXT, "main"), "the fault in Chinese")
    until(page, lambda: "本页不能说明什么" in page.evaluate(TEXT, "main"), "the limits in Chinese, which come last")
    assert page.locator("header h1").inner_text() == "碳普惠（合成数据）"
    english = re.compile(
        r"What this page cannot show|Groups of people|with the card|few participants|behaviour of London"
    )
    until(page, lambda: not english.search(page.evaluate(TEXT, "body")), "a page without English labels")
    shown = page.locator(".number .value b").nth(1).inner_text()
    page.reload()
    page.wait_for_selector("body.ready", timeout=READY_S * MS)
    until(page, lambda: page.locator(".number .value b").nth(1).inner_text() == shown, "the same number after a reload")
    seen.assert_clean()


@pytest.mark.browser
def test_the_controls_answer_to_the_keyboard_and_a_phone_needs_no_sideways_scrolling(site, visit):
    seen = visit(site + "/carbon_inclusive?lang=zh", viewport={"width": 390, "height": 844})
    page = seen.page
    page.wait_for_selector("body.ready", timeout=READY_S * MS)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_label("人群分组").focus()
    page.keyboard.press("ArrowDown")
    until(page, lambda: "by=income_decile" in page.url, "the next grouping by the arrow key")
    button = page.get_by_role("button", name="替代法", exact=True)
    button.focus()
    page.keyboard.press("Enter")
    until(page, lambda: "baseline=replacement" in page.url, "the other baseline by the keyboard")
    seen.assert_clean()
