from __future__ import annotations

import datetime as dt

import param
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citylab.app import controls, parts, shell, url
from citylab.app.state import STEPS_KEPT, PeriodState, Stopped
from citylab.errors import CitylabError

FIRST, LAST = dt.date(2014, 1, 1), dt.date(2016, 12, 31)


class State(PeriodState):
    what = param.Selector(default="a", objects=["a", "b", "c"])
    height = param.Number(default=1.0, bounds=(0.0, 2.0))
    boundless = param.Number(default=1.0)
    start = param.CalendarDate(default=FIRST, bounds=(FIRST, LAST))
    end = param.CalendarDate(default=LAST, bounds=(FIRST, LAST))
    in_url = ("what", "height", "start", "end")


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=12))
def test_undo_retraces_every_choice_to_the_beginning(chosen):
    state = State(lang="en")
    seen = ["a"]
    for what in chosen:
        if what != state.what:
            seen.append(what)
        state.what = what
    for before in reversed(seen[:-1]):
        assert state.undo()
        assert state.what == before
    assert not state.undo()
    assert not state.can_undo


def test_choices_made_at_once_are_taken_back_at_once_and_looks_are_no_choices():
    state = State(lang="en")
    state.param.update(start=dt.date(2015, 1, 1), end=dt.date(2015, 12, 31))
    state.lang, state.large, state.simple = "zh", True, True
    state.undo()
    assert (state.start, state.end) == (FIRST, LAST)
    assert (state.lang, state.large, state.simple) == ("zh", True, True)
    assert not state.can_undo


def test_a_reset_can_be_taken_back_and_only_so_many_choices_are_kept():
    state = State(lang="en", what="b")
    state.reset()
    assert state.what == "a"
    state.undo()
    assert state.what == "b"
    for i in range(3 * STEPS_KEPT):
        state.height = (i % 7) / 7
    undone = 0
    while state.undo():
        undone += 1
    assert undone == STEPS_KEPT


def test_a_link_says_simple_mode_only_where_it_is_on_and_reads_it_back():
    state = State(lang="en")
    assert "simple" not in url.query(state)
    state.simple = True
    other = State(lang="zh")
    assert url.read(other, dict(p.split("=") for p in url.query(state).split("&"))) == []
    assert other.simple
    assert other.is_large
    assert not other.large


def test_steps_reach_the_page_while_it_listens_and_the_wish_to_stop_reaches_the_work():
    state = State(lang="en")
    heard: list[float | None] = []

    def tell(share: float | None) -> None:
        heard.append(share)
        if share == 0.5:
            raise Stopped("enough")

    state.step(0.1)  # nobody listens
    with pytest.raises(Stopped), state.watched_steps(tell):
        for share in (0.25, 0.5, 0.75):
            state.step(share)
    state.step(0.9)
    assert heard == [0.25, 0.5]


@given(st.dates(FIRST, LAST), st.dates(FIRST, LAST))
def test_the_days_and_whole_years_of_a_period_are_those_that_lie_in_it(start, end):
    state = State(lang="en", start=start, end=end)
    days = pl.DataFrame({"date_local": pl.date_range(FIRST, LAST, eager=True)})
    assert state.days_n == state.inside(days).height
    for year in (2014, 2015, 2016):
        whole = state.inside(days).filter(pl.col("date_local").dt.year() == year).height >= 365 + (year == 2016)
        assert (year in state.whole_years((2014, 2015, 2016))) == whole


def test_a_period_that_ends_before_it_starts_is_told_in_both_languages():
    for lang, word in (("zh", "对调"), ("en", "exchange")):
        assert word in parts.period_message(LAST, FIRST, lang)  # type: ignore[arg-type]
        assert parts.period_message(FIRST, FIRST, lang) == ""  # type: ignore[arg-type]


def test_widgets_follow_the_state_and_the_state_follows_widgets():
    state = State(lang="en")
    choice = controls.choice(state, "what", "What", {"A": "a", "B": "b", "C": "c"})
    span, quick = controls.period(state, "en", years=[2014, 2015])
    height = controls.slider(state, "height", "Height", unit="m")
    choice.value = "b"
    quick.value = quick.options["2015"]
    assert (state.what, state.start, state.end) == ("b", dt.date(2015, 1, 1), dt.date(2015, 12, 31))
    state.param.update(what="c", start=FIRST, end=LAST, height=1.5)
    assert choice.value == "c"
    assert span.value == (FIRST, LAST)
    assert quick.value == quick.options["All"]
    assert height.value == 1.5
    assert (height.start, height.end, height.name) == (0.0, 2.0, "Height (m)")


def test_a_slider_without_bounds_is_refused():
    with pytest.raises(ValueError, match="boundless has no bounds"):
        controls.slider(State(lang="en"), "boundless", "Anything")


def test_a_module_that_lacks_a_part_is_told_which():
    with pytest.raises(CitylabError, match=r"SOURCES, big_numbers.*make-a-dashboard"):
        shell.dashboard(State(lang="en"), {"TITLE": ("一", "One"), "QUESTION": ("?", "?")})
