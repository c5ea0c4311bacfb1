from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citylab.viz import figures


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_picture_that_cannot_be_says_why_aloud_in_lines_that_a_phone_can_show(lang):
    said = (
        "只有一期调查，无从判断变化，也不能说差距在扩大还是缩小。"
        if lang == "zh"
        else "One survey only, so that nothing can be said of change."
    )
    plot = figures.unavailable(said, lang=lang)
    assert plot.html_attributes["aria-label"] == said
    (text,) = (r.data_source.data["text"][0] for r in plot.renderers)
    assert "\n" in text
    assert text.replace("\n", "").replace(" ", "") == said.replace(" ", "")


@given(st.lists(st.text(st.characters(codec="ascii", categories=["L"]), min_size=1), min_size=1), st.integers(5, 40))
def test_a_folded_name_keeps_its_words_and_no_line_of_several_words_is_too_long(words: list[str], letters: int):
    name = " ".join(words)
    lines = figures.folded(name, letters).split("\n")
    assert " ".join(lines) == name
    assert all(len(line) <= letters or " " not in line for line in lines)


@pytest.mark.parametrize(
    ("marks", "made_up"), [([True], True), ([False, True], True), ([False], False), ([None], False), ([], False)]
)
def test_one_synthetic_row_makes_a_frame_synthetic_and_an_unknown_one_does_not(marks, made_up):
    assert figures.is_synthetic(pl.DataFrame({"is_synthetic": pl.Series(marks, dtype=pl.Boolean)})) is made_up


def test_words_written_into_a_picture_have_the_houses_type_and_any_other_look_that_is_asked_for():
    plot = figures.base(alt="", height=100, large=False, save_as="citylab_test")
    usual = figures.write(plot, x=[0.0], y=[0.0], text=["a"], large=False).glyph
    other = figures.write(plot, x=[0.0], y=[0.0], text=["a"], large=True, text_baseline="top").glyph
    assert (usual.text_baseline, other.text_baseline) == ("middle", "top")
    assert usual.text_font == other.text_font == figures.fonts()
    assert (usual.text_font_size, other.text_font_size) == (figures.px(False), figures.px(True))
