"""Slow work, failures, undo, simple mode and images of pages, on a small page made for it."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.conftest import READY_S, until

pytestmark = pytest.mark.browser

PAGE = """
import time

import param
import polars as pl

from citylab.app import city
from citylab.app.parts import Number, Picture, text
from citylab.app.state import PageState
from citylab.errors import DataError
from citylab.viz import charts, maps

TITLE = ("试页", "Trial page")
QUESTION = ("何为真？", "What is so?")
SOURCES = ("echarts__static_district_boundary",)
ROWS = pl.DataFrame({"name": ["a", "b"], "pm25_ugm3": [10.0, 20.0]})


class State(PageState):
    what = param.Selector(default="fine", objects=["fine", "other", "slow", "refused", "broken"])
    district = param.Selector(default="", objects=["", *city.boundaries()["adcode"]])
    height = param.Number(default=1.0, bounds=(0.0, 2.0))
    in_url = ("what", "district", "height")
    result = ""


def prepare(state):
    if state.what == "slow":
        for i in range(20_000):  # half an hour: it never ends by itself
            time.sleep(0.1)
            state.step(i / 20_000)
    state.result = state.what


def big_numbers(state, lang):
    return [Number("Result", state.result, "", "n = 1")]


def controls(state, lang):
    from citylab.app import controls as widgets

    return widgets.column(
        state, lang, widgets.choice(state, "what", "What", {v: v for v in state.param.what.objects}),
        more=[widgets.slider(state, "height", "Height", unit="m")],
    )


def pictures(state):
    def draw():
        if state.what == "refused":
            raise DataError("There is nothing to draw for 'refused'. Choose 'fine'.")
        if state.what == "broken":
            raise RuntimeError("out of luck")
        return charts.ranked(ROWS, "name", "pm25_ugm3", alt=f"drawn for {state.what}", lang=state.lang)

    def districts():
        rows = city.boundaries().select("adcode", pm25_ugm3=pl.lit(50.0))
        return maps.district_map(rows, "pm25_ugm3", city.shapes(), selected=state.district or None, lang=state.lang)

    return [
        Picture("bars", title=text("条", "Bars"), draw=draw, table=lambda: ROWS, redraw_on=("what",),
                note=lambda lang: charts.key([("area", "#D55E00", "orange mark")]) + "A note."),
        Picture("map", title=text("图", "Map"), draw=districts, height=300, on_click=lambda lon, lat: None,
                table=lambda: city.boundaries().select("adcode", "district_name_zh", "district_name_en"),
                on_row=lambda row: setattr(state, "district", row["adcode"]), simple=False),
    ]


def cannot_show(state, lang):
    return "Anything."


def message(state, lang):
    return ""


def code(state):
    return "pass"


def build():
    from citylab.app import shell

    return shell.dashboard(State(), globals())
"""


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory, serve_folder: Any) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("dashboards")
    (folder / "trial.py").write_text(textwrap.dedent(PAGE), encoding="utf-8")
    with serve_folder(folder) as address:
        yield address


def opened(visit: Any, address: str, query: str = "") -> Any:
    seen = visit(f"{address}/trial?lang=en{query}")
    seen.page.wait_for_selector("body.ready", timeout=READY_S * 1000)
    return seen


def choose(page: Any, what: str) -> None:
    page.get_by_label("What").select_option(label=what)


def result(page: Any) -> str:
    return str(page.locator(".number .value b").first.inner_text())


def said(page: Any) -> str:
    return " ".join(page.locator(".message-slot .message").all_inner_texts()).strip()


def drawn_for(page: Any) -> str:
    found = page.locator("[role=img]").first.get_attribute("aria-label")
    return str(found).removeprefix("drawn for ")


def test_slow_work_shows_a_bar_and_later_a_way_out(trial, visit):
    page = opened(visit, trial).page
    choose(page, "other")
    until(page, lambda: drawn_for(page) == "other", "another picture")
    until(page, lambda: not page.get_by_text("Working…").is_visible(), "no sign when all is done")
    choose(page, "slow")
    until(page, lambda: page.get_by_text("Working…").is_visible(), "the sign of work")
    assert not page.get_by_role("button", name="Stop").is_visible()
    until(page, lambda: page.get_by_role("button", name="Stop").is_visible(), "the button to stop")
    page.get_by_role("button", name="Stop").click()
    until(page, lambda: "Stopped: the pictures still show" in said(page), "the word")
    assert not page.get_by_text("Working…").is_visible()
    assert (result(page), drawn_for(page)) == ("other", "other")
    choose(page, "fine")
    until(page, lambda: (result(page), drawn_for(page)) == ("fine", "fine"), "work goes on after a stop")
    until(page, lambda: "Stopped" not in said(page), "the word goes")


def test_another_choice_ends_slow_work_that_nobody_waits_for(trial, visit):
    page = opened(visit, trial).page
    choose(page, "slow")
    until(page, lambda: page.get_by_text("Working…").is_visible(), "the sign of work")
    choose(page, "other")
    until(page, lambda: result(page) == "other", "the later choice")
    page.wait_for_timeout(1500)
    assert (result(page), drawn_for(page)) == ("other", "other")


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("refused", "nothing to draw for 'refused'. Choose 'fine'."),
        ("broken", "RuntimeError: out of luck; not renewed"),
    ],
)
def test_a_picture_that_fails_says_why_and_keeps_the_last_good_one(trial, visit, what, sentence):
    page = opened(visit, trial).page
    assert drawn_for(page) == "fine"
    choose(page, what)
    until(page, lambda: sentence in said(page), "the sentence")
    assert drawn_for(page) == "fine"
    choose(page, "other")
    until(page, lambda: drawn_for(page) == "other", "the next good picture")
    until(page, lambda: said(page).strip() == "", "the sentence goes")


def test_a_page_whose_first_picture_fails_still_opens(trial, visit):
    page = opened(visit, trial, "&what=broken").page
    assert "out of luck" in said(page)
    assert page.get_by_text("nothing to show yet").is_visible()
    choose(page, "fine")
    until(page, lambda: drawn_for(page) == "fine", "the picture")


def test_undo_takes_back_one_choice_after_another_and_no_more(trial, visit):
    seen = opened(visit, trial, "&what=other")
    page = seen.page
    undo = page.get_by_role("button", name="Undo")
    assert undo.is_disabled()
    choose(page, "fine")
    until(page, lambda: drawn_for(page) == "fine" and undo.is_enabled(), "the choice")
    undo.click()
    until(page, lambda: drawn_for(page) == "other" and undo.is_disabled(), "the choice of the link")
    until(page, lambda: "what=other" in page.url, "the choice in the address")
    seen.assert_clean()


def test_simple_mode_has_larger_type_and_fewer_things_and_is_in_the_link(trial, visit):
    seen = opened(visit, trial)
    page = seen.page
    size = "parseFloat(getComputedStyle(document.documentElement).fontSize)"
    before = page.evaluate(size)
    assert page.get_by_text("More choices and assumptions").is_visible()
    page.get_by_role("button", name="简洁 Simple").click()
    until(page, lambda: page.evaluate(size) > before, "larger type")
    until(page, lambda: "simple=1" in page.url, "the mode in the address")
    until(page, lambda: not page.get_by_text("More choices and assumptions").is_visible(), "fewer controls")
    assert page.locator(".card.detail").evaluate("e => getComputedStyle(e).display") == "none"
    page.reload()
    page.wait_for_selector("body.ready", timeout=READY_S * 1000)
    assert page.evaluate(size) > before
    seen.assert_clean()


def test_a_row_of_a_table_chooses_its_district(trial, visit):
    seen = opened(visit, trial)
    page = seen.page
    page.get_by_role("button", name="Table").nth(1).click()
    page.locator(".tabulator-cell", has_text="Haidian").click()
    until(page, lambda: "district=110108" in page.url, "the district in the address")
    seen.assert_clean()


@pytest.mark.parametrize(("card", "name"), [(0, "citylab_bars.png"), (1, "citylab_map.png")])
def test_chart_and_map_can_be_saved_as_an_image_with_heading_and_legend(trial, visit, card, name):
    from PIL import Image

    seen = opened(visit, trial)
    page = seen.page
    page.get_by_role("button", name="Download").nth(card).click()
    button = page.get_by_role("button", name="Save image PNG")
    button.wait_for()
    page.wait_for_timeout(1500)
    with page.expect_download() as download:
        button.click()
    assert download.value.suggested_filename == name
    image = Image.open(io.BytesIO(Path(download.value.path()).read_bytes())).convert("RGB")
    colours = {c for _, c in image.getcolors(image.width * image.height) or []}
    assert len(colours) > 20
    drawn = (0x00, 0x72, 0xB2) if card == 0 else None  # bars of PM2.5
    if drawn:
        assert drawn in colours
        assert (0xD5, 0x5E, 0x00) in colours  # the mark of the legend
    middle = image.crop((0, image.height // 3, image.width, 2 * image.height // 3))
    assert len(middle.getcolors(middle.width * middle.height) or []) > 3
    seen.assert_clean()
