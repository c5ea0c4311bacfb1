from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bokeh.document import Document

from citylab.viz import theme
from tests.app.conftest import serve_folder, until

__all__ = ["serve_folder"]

PAGE = """
import datetime as dt

import panel as pn

from citylab.viz import theme

TITLE = QUESTION = ("滑块", "Sliders")


def build():
    days = dt.date(2016, 1, 1), dt.date(2016, 12, 31)
    more = pn.Column()
    button = pn.widgets.Button(name="More")
    button.on_click(lambda _: more.append(pn.widgets.FloatSlider(name="Later", start=0, end=1, value=0.25)))
    first = pn.widgets.IntSlider(name="Years", start=0, end=10, value=4)
    theme.name_controls(pn.state.curdoc)
    theme.name_controls(pn.state.curdoc)
    span = pn.widgets.DateRangeSlider(name="Period", start=days[0], end=days[1], value=days, format="%Y-%m-%d")
    rename = pn.widgets.Button(name="Rename")
    rename.on_click(lambda _: first.param.update(name="Years of age"))
    return pn.Column(first, span, button, rename, more, pn.widgets.Checkbox(name="Compare"))
"""


def test_a_document_asks_for_names_when_it_is_ready():
    document = Document()
    theme.name_controls(document)
    ((event, callbacks),) = document.callbacks._js_event_callbacks.items()
    assert event == "document_ready"
    assert callbacks[0].args["ends"] == {"zh": ["起", "止"], "en": ["from", "to"]}


@pytest.mark.browser
def test_each_handle_has_a_name_and_a_value_in_words_those_that_come_later_too(
    serve_folder: Callable[..., Any], visit: Callable[..., Any], tmp_path: Path
):
    (tmp_path / "sliders.py").write_text(PAGE, "utf-8")
    with serve_folder(tmp_path) as address:
        page = visit(address + "/sliders").page
        until(page, lambda: page.get_by_role("slider", name="Years", exact=True).count() == 1, "a named handle")

        def said(name: str) -> str | None:
            return page.get_by_role("slider", name=name, exact=True).get_attribute("aria-valuetext")

        assert said("Years") == "4"
        # noUiSlider itself would say 1451606400000.00
        assert (said("Period, from"), said("Period, to")) == ("2016-01-01", "2016-12-31")
        page.get_by_role("slider", name="Years", exact=True).focus()
        page.keyboard.press("ArrowRight")
        until(page, lambda: said("Years") == "5", "the value after an arrow key")
        page.get_by_role("slider", name="Period, to", exact=True).press("ArrowLeft")
        until(page, lambda: said("Period, to") == "2016-12-30", "the day after an arrow key")
        page.get_by_role("button", name="More").click()
        until(page, lambda: page.get_by_role("slider", name="Later", exact=True).count() == 1, "a later slider's name")
        page.get_by_role("button", name="Rename").click()
        until(page, lambda: page.get_by_role("slider", name="Years of age").count() == 1, "the new name")
        assert page.get_by_role("slider").count() == 4
        box = page.get_by_role("checkbox", name="Compare", exact=True)
        box.press("Space")
        assert box.is_checked()
