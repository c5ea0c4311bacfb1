"""A page's choices as the query of its address, so that a link is the state."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import param

from citylab.app.state import LOOKS, PageState

_FLAGS = {"1": True, "0": False}


def query(state: PageState) -> str:
    """Return the choices that a link carries, ready for an address.

    Examples
    --------
    >>> query(PageState(lang="zh"))
    'lang=zh&large=0'
    """
    names = [*state.choices, "lang", "large", *(["simple"] if state.simple else [])]
    return urlencode({name: _text(getattr(state, name)) for name in names})


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def read(state: PageState, asked: Mapping[str, str]) -> list[str]:
    """Put the choices of an address into a state.

    Parameters
    ----------
    state
        Changed in place; a choice that cannot be is left as it is.
    asked
        Names and values of the query; names that are no choices are ignored.

    Returns
    -------
    list of str
        ``name=value`` of each choice that could not be taken.

    Examples
    --------
    >>> page = PageState(lang="en")
    >>> read(page, {"lang": "zh", "large": "perhaps"}), page.lang
    (['large=perhaps'], 'zh')
    """
    refused = []
    for name in (*state.choices, *LOOKS):
        if name not in asked:
            continue
        try:
            setattr(state, name, _value(state.param[name], asked[name]))
        except (ValueError, KeyError):
            refused.append(f"{name}={asked[name]}")
    return refused


def _value(choice: param.Parameter, text: str) -> Any:
    if isinstance(choice, param.Boolean):
        return _FLAGS[text]
    if isinstance(choice, param.CalendarDate):
        return dt.date.fromisoformat(text)
    if isinstance(choice, param.Integer):
        return int(text)
    if isinstance(choice, param.Number) and not isinstance(choice, param.Date):
        number = float(text)
        if not math.isfinite(number):
            raise ValueError(text)
        return number
    return text


def connect(state: PageState) -> None:
    """Write a state into the address of the page that is being served whenever a choice changes."""
    import panel as pn

    location = pn.state.location
    if location is None:
        return

    def write(*_: object) -> None:
        location.search = "?" + query(state)

    state.param.watch(write, [*state.choices, *LOOKS])
