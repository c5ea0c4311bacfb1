"""Widgets of a page, bound to its state in both directions, in the house's look and in the page's language.

A dashboard's ``controls`` names the choices in the order what, where, when, by whom; :func:`column` puts them one
under another and adds *reset* and *undo*.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import panel as pn
import param

from citylab import vocabulary
from citylab.app.state import PageState, PeriodState
from citylab.app.styles import css
from citylab.settings import Language

_GAP_PX = 12


def _look(**more: Any) -> dict[str, Any]:
    return {"stylesheets": [css("inside")], "sizing_mode": "stretch_width", "margin": (0, 0, _GAP_PX, 0), **more}


def choice(state: PageState, name: str, label: str, options: Mapping[str, Any]) -> pn.widgets.Select:
    """Return a drop-down list.

    Parameters
    ----------
    state, name
        The state and the name of the choice in it.
    label
        Label in the page's language, with the unit where there is one.
    options
        What a reader sees, and the value that the state takes.
    """
    widget = pn.widgets.Select(name=label, value=getattr(state, name), options=dict(options), **_look())
    widget.link(state, value=name, bidirectional=True)
    return widget


def buttons(state: PageState, name: str, options: Mapping[str, Any], label: str = "") -> pn.viewable.Viewable:
    """Return a row of buttons of which one is chosen, for two to four options; arguments as in :func:`choice`."""
    widget = pn.widgets.RadioButtonGroup(
        name=label, value=getattr(state, name), options=dict(options), button_style="outline", **_look()
    )
    widget.link(state, value=name, bidirectional=True)
    if not label:
        return widget
    head = pn.pane.HTML(f"<label>{label}</label>", **_look(margin=(0, 0, 2, 0)))
    return pn.Column(head, widget, sizing_mode="stretch_width", margin=0)


def yes_no(state: PageState, name: str, label: str) -> pn.widgets.Checkbox:
    """Return a box to tick."""
    widget = pn.widgets.Checkbox(name=label, value=getattr(state, name), **_look())
    widget.link(state, value=name, bidirectional=True)
    return widget


def slider(
    state: PageState, name: str, label: str, *, unit: str = "", step: float | None = None, text: str = "0[.]0"
) -> pn.viewable.Viewable:
    """Return a slider for a number whose bounds are those that the state declares.

    Parameters
    ----------
    state, name, label
        As in :func:`choice`.
    unit
        Unit, shown behind the label.
    step
        Step of an arrow key; default: one, or a hundredth of the range.
    text
        How the number is written (numbro format).

    Raises
    ------
    ValueError
        The state declares no bounds for this choice.
    """
    declared = state.param[name]
    low, high = declared.bounds or (None, None)
    if low is None or high is None:
        raise ValueError(
            f"{type(state).__name__}.{name} has no bounds; a slider needs both. Declare them in the state."
        )
    whole = isinstance(declared, param.Integer)
    kind = pn.widgets.IntSlider if whole else pn.widgets.FloatSlider
    how = {} if whole else {"format": text}
    widget = kind(
        name=f"{label} ({unit})" if unit else label, start=low, end=high, value=getattr(state, name),
        step=step or (1 if whole else (high - low) / 100), **how, **_look(),
    )  # fmt: skip
    widget.param.watch(lambda e: state.param.update({name: e.new}), "value_throttled")
    _follow(state, [name], lambda: widget.param.update(value=getattr(state, name)))
    return widget


def period(
    state: PeriodState, lang: Language, *, years: Sequence[int] = (), label: str = ""
) -> tuple[pn.viewable.Viewable, ...]:
    """Return a slider for first and last day, and buttons for the whole record and for years where any are named.

    Parameters
    ----------
    state
        Its ``start`` and ``end`` declare the bounds.
    lang
        Language.
    years
        Calendar years to choose at once.
    label
        Label; default: "Period".
    """
    first, last = state.param["start"].bounds
    span = pn.widgets.DateRangeSlider(
        name=label or ("时段" if lang == "zh" else "Period"), start=first, end=last,
        value=(state.start, max(state.start, state.end)), format="%Y-%m-%d", **_look(),
    )  # fmt: skip
    presets = {"全部" if lang == "zh" else "All": (first, last)} | {
        str(y): (dt.date(y, 1, 1), dt.date(y, 12, 31)) for y in years
    }
    quick = pn.widgets.RadioButtonGroup(options=presets, value=None, button_style="outline", **_look())

    def put(ends: tuple[Any, Any] | None) -> None:
        if ends:
            state.param.update(start=_as_date(ends[0]), end=_as_date(ends[1]))

    def follow() -> None:
        if state.start <= state.end:
            span.value = (state.start, state.end)
        quick.value = next((v for v in presets.values() if v == (state.start, state.end)), None)

    span.param.watch(lambda e: put(e.new), "value_throttled")
    quick.param.watch(lambda e: put(e.new), "value")
    follow()
    _follow(state, ["start", "end"], follow)
    return (span, quick) if years else (span,)


def day(state: PageState, name: str, label: str) -> pn.widgets.DateSlider:
    """Return a slider for a day; its bounds are those that the state declares."""
    first, last = state.param[name].bounds
    widget = pn.widgets.DateSlider(
        name=label, start=first, end=last, value=getattr(state, name), format="%Y-%m-%d", **_look()
    )
    widget.param.watch(lambda e: state.param.update({name: _as_date(e.new)}), "value_throttled")
    _follow(state, [name], lambda: widget.param.update(value=getattr(state, name)))
    return widget


def column(
    state: PageState,
    lang: Language,
    *widgets: pn.viewable.Viewable,
    detail: Sequence[pn.viewable.Viewable] = (),
    more: Sequence[pn.viewable.Viewable] = (),
) -> pn.Column:
    """Return the widgets one under another, with *reset* and *undo* below.

    Parameters
    ----------
    state, lang
        State and language of the page.
    widgets
        In the order what, where, when, by whom.
    detail
        Choices that simple mode goes without.
    more
        Assumptions and rarer choices: folded, and left out in simple mode.
    """
    again = pn.widgets.Button(name=vocabulary.say("reset", lang), button_style="outline", **_look())
    back = pn.widgets.Button(
        name=vocabulary.say("undo", lang), button_style="outline", disabled=not state.can_undo, **_look()
    )
    again.on_click(lambda _: state.reset())
    back.on_click(lambda _: state.undo())
    if state.choices:
        _follow(state, list(state.choices), lambda: back.param.update(disabled=not state.can_undo))
    folded = []
    if more and not state.simple:
        look = {"collapsed": True, "sizing_mode": "stretch_width", "margin": (0, 0, _GAP_PX, 0)}
        head = pn.pane.HTML(vocabulary.say("more_choices", lang), margin=0, stylesheets=[css("inside")])
        folded = [pn.Card(*more, header=head, stylesheets=[css("inside")], **look)]
    row = pn.Row(again, pn.Spacer(width=8), back, sizing_mode="stretch_width", margin=0)
    wider = () if state.simple else detail
    return pn.Column(*widgets, *wider, *folded, row, sizing_mode="stretch_width", margin=0)


def _follow(state: PageState, names: list[str], put: Callable[[], Any]) -> None:
    """Let a widget show what the state says after any change."""
    state.param.watch(lambda *_: put(), names)


def _as_date(value: Any) -> dt.date:
    return value.date() if isinstance(value, dt.datetime) else value
