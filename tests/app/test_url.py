from __future__ import annotations

import datetime as dt
from typing import ClassVar
from urllib.parse import parse_qsl

import param
from hypothesis import given
from hypothesis import strategies as st

from citylab.app import url
from citylab.app.state import PageState

FIRST, LAST = dt.date(2013, 3, 1), dt.date(2017, 2, 28)


class Choices(PageState):
    what = param.Selector(default="a", objects=["a", "b c&d"])
    start = param.CalendarDate(default=FIRST, bounds=(FIRST, LAST))

    in_url: ClassVar[tuple[str, ...]] = ("what", "start", "lang", "large")


@given(st.sampled_from(["a", "b c&d"]), st.dates(FIRST, LAST), st.sampled_from(["zh", "en"]), st.booleans())
def test_a_link_restores_every_choice(what, start, lang, large):
    sent = Choices(what=what, start=start, lang=lang, large=large)
    received = Choices()
    assert url.read(received, dict(parse_qsl(url.query(sent)))) == []
    assert (received.what, received.start, received.lang, received.large) == (what, start, lang, large)


@given(st.dictionaries(st.sampled_from(["what", "start", "lang", "large", "other"]), st.text(max_size=12)))
def test_no_link_can_break_a_page(asked):
    state = Choices(lang="en")
    refused = url.read(state, asked)
    assert FIRST <= state.start <= LAST
    assert state.what in {"a", "b c&d"}
    assert all(line.split("=", 1)[0] in asked for line in refused)


def test_a_date_outside_the_data_is_refused_and_named():
    state = Choices()
    assert url.read(state, {"start": "1999-01-01"}) == ["start=1999-01-01"]
    assert state.start == FIRST


def test_reset_keeps_the_language_and_the_type_size():
    state = Choices(what="b c&d", lang="zh", large=True)
    state.reset()
    assert (state.what, state.lang, state.large) == ("a", "zh", True)
