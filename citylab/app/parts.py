"""Parts of which a dashboard is made, without a widget: big numbers, pictures, text in two languages.

A dashboard's module imports these at its head; widgets are in :mod:`citylab.app.controls`, the page that holds them all
in :mod:`citylab.app.shell`.
"""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from citylab import vocabulary
from citylab.errors import UsageWarning
from citylab.settings import Language
from citylab.viz import numbers

if TYPE_CHECKING:
    import polars as pl

    from citylab.app.state import PageState

Both = tuple[str, str]
"""Chinese and English."""
Said = Callable[[Language], str]


@dataclass(frozen=True, slots=True)
class Number:
    """A big number of a page, in the page's language.

    Attributes
    ----------
    label
        What is measured, where and when.
    value, unit
        The number and its unit.
    detail
        Interval or range, n, and what a reader must not overlook.
    """

    label: str
    value: str
    unit: str
    detail: str


@dataclass
class Picture:
    """A picture with its table twin and its downloads.

    Attributes
    ----------
    key
        Short name, also of the downloaded file.
    title, note
        Heading, and the line under the picture (legend, caution), in a language; HTML is allowed in ``note``.
    draw
        Returns the picture anew: a Bokeh figure or a pydeck deck.
    refresh
        Puts new data into a figure; without it the picture stays as it is. A deck is always drawn anew.
    redraw_on
        Choices after which a figure must be drawn anew, because its columns or words change.
    on_click
        Called with longitude and latitude of a click on a map [°].
    on_row
        Called with a row of the table that a reader clicked, by column: to choose the district or station it is of.
    table
        Returns the table behind the picture.
    height
        Height [px].
    wide
        Takes the whole width of the page.
    simple
        Is shown in simple mode too.
    """

    key: str
    title: Said
    draw: Callable[[], Any]
    table: Callable[[], pl.DataFrame]
    note: Said = field(default=lambda _lang: "")
    refresh: Callable[[Any], None] | None = None
    redraw_on: tuple[str, ...] = ()
    on_click: Callable[[float, float], None] | None = None
    height: int = 260
    wide: bool = False
    on_row: Callable[[dict[str, Any]], None] | None = None
    simple: bool = True


# text


def pick(both: Both, lang: Language) -> str:
    """Return one of two texts, Chinese or English.

    Examples
    --------
    >>> pick(("空气", "Air"), "zh")
    '空气'
    """
    return both[0 if lang == "zh" else 1]


def text(zh: str, en: str) -> Said:
    """Return a text in two languages as what :class:`Picture` takes for a title or a note.

    Examples
    --------
    >>> text("空气", "Air")("en")
    'Air'
    """
    return lambda lang: pick((zh, en), lang)


def no_number(label: str, lang: Language, why: str = "") -> Number:
    """Return the big number that is not known: a dash, and why.

    Examples
    --------
    >>> no_number("PM2.5, 2014", "en")
    Number(label='PM2.5, 2014', value='–', unit='', detail='no data')
    """
    return Number(label, numbers.MISSING, "", why or vocabulary.say("no_data", lang))


def period_message(start: dt.date, end: dt.date, lang: Language) -> str:
    """Return what to say of a period that ends before it starts, or nothing.

    Examples
    --------
    >>> period_message(dt.date(2016, 1, 1), dt.date(2015, 1, 1), "en")
    'The period ends (2015-01-01) before it starts (2016-01-01): exchange the two.'
    """
    if start <= end:
        return ""
    return pick(
        (
            f"起始日（{start}）晚于结束日（{end}）：请对调。",
            f"The period ends ({end}) before it starts ({start}): exchange the two.",
        ),
        lang,
    )


def date_code(day: dt.date) -> str:
    """Return a day as Python writes it, for the code in the footer.

    Examples
    --------
    >>> date_code(dt.date(2016, 12, 20))
    'dt.date(2016, 12, 20)'
    """
    return f"dt.date({day.year}, {day.month}, {day.day})"


def whole_years(first: dt.date, last: dt.date) -> tuple[int, ...]:
    """Return the calendar years that lie wholly between two days.

    Examples
    --------
    >>> whole_years(dt.date(2013, 3, 1), dt.date(2016, 12, 31))
    (2014, 2015, 2016)
    """
    return tuple(
        y for y in range(first.year, last.year + 1) if dt.date(y, 1, 1) >= first and dt.date(y, 12, 31) <= last
    )


@contextmanager
def cautions_on_page() -> Iterator[None]:
    """Load data without their warnings at the console: the page itself says what they warn of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UsageWarning)
        yield


class Changed:
    """Tells whether the choices on which a picture rests have changed since it was last asked: ask when drawing too.

    Examples
    --------
    >>> from citylab.app.state import PageState
    >>> page = PageState(lang="en")
    >>> changed = Changed(page, "lang")
    >>> page.lang = "zh"
    >>> changed(), changed()
    (True, False)
    """

    def __init__(self, state: PageState, *names: str) -> None:
        self.state, self.names = state, names
        self.last = self._now()

    def _now(self) -> tuple[Any, ...]:
        return tuple(getattr(self.state, n) for n in self.names)

    def __call__(self) -> bool:
        """Return whether any of the choices differs from what it was at the last call."""
        now, before = self._now(), self.last
        self.last = now
        return now != before
