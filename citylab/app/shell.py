"""The one page that all dashboards share: header, question, big numbers, controls, pictures, limits, sources.

The text of a page is in its HTML before any script runs; widgets and pictures take their places when they are ready.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import panel as pn

from citylab import vocabulary
from citylab.app import provenance, url
from citylab.app.state import PageState
from citylab.errors import CitylabError
from citylab.settings import Language
from citylab.viz import tables, theme
from citylab.viz.maps import offline_spec
from citylab.viz.notebook import deck_pane

if TYPE_CHECKING:
    import polars as pl

_HERE = Path(__file__).parent
EXTENSIONS = ("deckgl", "tabulator")
VIEWS = ("chart", "table", "download")
_LANGUAGE_NAMES: dict[str, Language] = {"中文": "zh", "English": "en"}

Said = Callable[[Language], str]
Both = tuple[str, str]


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
    table
        Returns the table behind the picture.
    height
        Height [px].
    wide
        Takes the whole width of the page.
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


@lru_cache(maxsize=8)
def _file(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def css(name: str) -> str:
    """Return one of the style sheets of the pages."""
    return _file(f"{name}.css").replace("FONT_STACK", theme.font_stack())


class _Card:
    """One picture on the page: heading, choice of view, and the view."""

    def __init__(self, picture: Picture, state: PageState) -> None:
        self.picture, self.state = picture, state
        self.drawn: Any = None
        self.view: Literal["chart", "table", "download"] = "chart"
        self.head = pn.pane.HTML(sizing_mode="stretch_width", margin=0, stylesheets=[css("inside")])
        self.choice = pn.widgets.RadioButtonGroup(value="chart", options=self._options(), margin=0, align="end",
                                                  button_style="outline", stylesheets=[css("inside")])  # fmt: skip
        self.body = pn.Column(sizing_mode="stretch_width", margin=0)
        self.note = pn.pane.HTML(sizing_mode="stretch_width", margin=0, stylesheets=[css("inside")])
        self.whole = pn.Column(
            pn.Row(self.head, self.choice, sizing_mode="stretch_width", margin=0),
            self.body,
            self.note,
            sizing_mode="stretch_width",
            margin=0,
        )
        self.choice.param.watch(self._choose, "value")
        self.relabel()

    def _options(self) -> dict[str, str]:
        first = "map" if self.picture.on_click is not None else "chart"
        return {vocabulary.say(first if v == "chart" else v, self.state.lang): v for v in VIEWS}

    def _choose(self, event: Any) -> None:
        self.view = event.new
        self.show()

    def relabel(self) -> None:
        """Say everything in the page's language, and draw anew."""
        self.choice.options = self._options()
        self.show()

    def refresh(self, changed: set[str]) -> None:
        """Show the data of the present choices."""
        if self.view != "chart" or changed & set(self.picture.redraw_on):
            self.show()
            return
        self._say()
        if isinstance(self.drawn, pn.pane.DeckGL):
            self.drawn.object = offline_spec(self.picture.draw())
        elif self.picture.refresh is not None:
            # A Bokeh model may only change under the document's lock, and callbacks run in threads.
            pn.state.execute(partial(self.picture.refresh, self.drawn.object))

    def _say(self) -> None:
        lang = self.state.lang
        self.head.object = f"<h2>{html.escape(self.picture.title(lang))}</h2>"
        self.note.object = f"<div class='note'>{self.picture.note(lang)}</div>"

    def show(self) -> None:
        """Put the chosen view into the card."""
        lang = self.state.lang
        self._say()
        if self.view == "chart":
            self._draw()
        elif self.view == "table":
            self.body[:] = [tables.table(self.picture.table(), lang=lang, height=self.picture.height)]
        else:
            self.body[:] = [pn.Row(*(self._download(k) for k in tables.FORMATS), margin=0)]

    def _draw(self) -> None:
        """Draw anew, in the same pane where there is one."""
        drawn = self.picture.draw()
        is_map = type(drawn).__module__.startswith("pydeck")
        if self.drawn is None:
            self.drawn = (
                deck_pane(drawn, height=self.picture.height)
                if is_map
                else pn.pane.Bokeh(drawn, sizing_mode="stretch_width", margin=0)
            )
            if is_map and self.picture.on_click is not None:
                self.drawn.param.watch(self._clicked, "click_state")
        else:
            self.drawn.object = offline_spec(drawn) if is_map else drawn
        if list(self.body) != [self.drawn]:
            self.body[:] = [self.drawn]

    def _clicked(self, event: Any) -> None:
        where = (event.new or {}).get("coordinate")
        if where and self.picture.on_click is not None:
            self.picture.on_click(float(where[0]), float(where[1]))

    def _download(self, kind: Any) -> pn.widgets.FileDownload:
        return pn.widgets.FileDownload(
            callback=lambda: tables.to_bytes(self.picture.table(), kind),
            filename=f"citylab_{self.picture.key}.{kind}",
            label=f"{vocabulary.say('download', self.state.lang)} {kind.upper()}",
            button_style="outline",
            stylesheets=[css("inside")],
            width=170,
        )


class _Page(pn.Template):
    """A template that does not describe all its parts anew whenever one is added: that took a third of a session."""

    def __repr__(self, depth: int = 0) -> str:
        return "citylab page"


def numbers_html(numbers: Sequence[Number]) -> str:
    """Return big numbers as HTML.

    Examples
    --------
    >>> "<b>85.9</b>" in numbers_html([Number("PM2.5", "85.9", "µg/m³", "n = 12")])
    True
    """
    esc = html.escape
    cards = (
        f"<div class='number'><span class='label'>{esc(n.label)}</span>"
        f"<span class='value'><b>{esc(n.value)}</b> <span class='unit'>{esc(n.unit)}</span></span>"
        f"<span class='detail'>{esc(n.detail)}</span></div>"
        for n in numbers
    )
    return f"<div class='numbers'>{''.join(cards)}</div>"


def page(
    state: PageState,
    *,
    title: Both,
    question: Both,
    numbers: Callable[[Language], Sequence[Number]],
    controls: Callable[[Language], pn.viewable.Viewable],
    pictures: Sequence[Picture],
    cannot_show: Said,
    message: Said,
    sources: Sequence[str],
    code: Callable[[], str],
    watched: Sequence[str],
) -> pn.Template:
    """Return a page: everything follows the state, and the state is in the page's address.

    Parameters
    ----------
    state
        Choices of the page. Those of the address are read into it here.
    title, question
        In Chinese and English.
    numbers
        Up to four big numbers in a language; they answer the question before anyone touches a control.
    controls
        Widgets in a language, bound to the state.
    pictures
        The pictures, the most telling first.
    cannot_show
        One or two sentences on what the page does not say.
    message
        Why there is nothing to show and what to change; empty if all is well.
    sources
        Ids of the data sets behind the page.
    code
        Lines of Python that compute the numbers of the present choices from the sources.
    watched
        Names of the choices that change data.

    Returns
    -------
    panel.Template
        Give it to the server, or call ``.servable()``.
    """
    pn.extension(*EXTENSIONS)
    refused = url.read(state, _asked())
    cards = [_Card(p, state) for p in pictures]
    inside = [css("inside")]

    def pane(text: str) -> pn.pane.HTML:
        return pn.pane.HTML(text, sizing_mode="stretch_width", margin=0, stylesheets=inside)

    def warning() -> str:
        zh = state.lang == "zh"
        parts = [message(state.lang)]
        if refused:
            listed = ", ".join(refused)
            parts.append(f"链接中的 {listed} 无法识别，已用默认值。" if zh
                         else f"The link says {listed}, which is not possible here; the default is shown.")  # fmt: skip
        said = " ".join(p for p in parts if p)
        return f"<p class='message' role='status'>{html.escape(said)}</p>" if said else ""

    top = pane(numbers_html(numbers(state.lang)))
    note = pane(warning())
    limits, foot = pane(""), pane("")
    left = pn.Column(controls(state.lang), sizing_mode="stretch_width", margin=0)

    def say() -> None:
        lang = state.lang
        limits.object = f"<h2>{vocabulary.say('limits', lang)}</h2><p>{html.escape(cannot_show(lang))}</p>"
        foot.object = provenance.footer(sources, lang, code())

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except CitylabError as error:  # the last good picture stays, and the reader learns why
            note.object = f"<p class='message' role='alert'>{html.escape(str(error))}</p>"

    def refresh(*events: Any) -> None:
        refused.clear()
        changed = {e.name for e in events}
        top.object = numbers_html(numbers(state.lang))
        note.object = warning()
        # A map takes the browser longest: it comes last.
        for card in sorted(cards, key=lambda c: c.picture.on_click is not None):
            guarded(partial(card.refresh, changed))
        say()

    def relabel(*_: object) -> None:
        top.object = numbers_html(numbers(state.lang))
        note.object = warning()
        left[:] = [controls(state.lang)]
        for card in cards:
            guarded(card.relabel)
        say()

    say()
    state.param.watch(refresh, list(watched))
    state.param.watch(relabel, ["lang", "large"])
    url.connect(state)

    template = _Page(_file("page.html"), location=True)
    template.add_panel("language", _language(state))
    template.add_panel("type_size", _type_size(state))
    for name, item in (("numbers", top), ("message", note), ("controls", left), ("limits", limits), ("footer", foot)):
        template.add_panel(name, item)
    for i, card in enumerate(cards):
        template.add_panel(f"picture_{i}", card.whole)
    variables = {
        "lang": state.lang,
        "large": state.large,
        "page_title": title,
        "question": question,
        "early_numbers": top.object,
        "style": css("page"),
        "inside_style": css("inside"),
        "cards": [
            {"name": f"picture_{i}", "wide": c.picture.wide, "height": c.picture.height} for i, c in enumerate(cards)
        ],
        "words": vocabulary.WORDS,
    }
    for name, value in variables.items():
        template.add_variable(name, value)
    return template


def _asked() -> dict[str, str]:
    """Return the query of the page that is being asked for."""
    return {k: v[0].decode("utf-8", "replace") for k, v in (pn.state.session_args or {}).items() if v}


def _language(state: PageState) -> pn.widgets.RadioButtonGroup:
    widget = pn.widgets.RadioButtonGroup(options=_LANGUAGE_NAMES, value=state.lang, margin=0, button_style="outline",
                                         stylesheets=[css("inside")])  # fmt: skip
    widget.link(state, value="lang", bidirectional=True)
    widget.jscallback(value="document.documentElement.lang = cb_obj.active === 0 ? 'zh' : 'en'")
    return widget


def _type_size(state: PageState) -> pn.widgets.Toggle:
    widget = pn.widgets.Toggle(name="A⁺", value=state.large, margin=0, width=44, button_style="outline",
                               stylesheets=[css("inside")])  # fmt: skip
    widget.link(state, value="large", bidirectional=True)
    widget.jscallback(value="document.documentElement.classList.toggle('large', cb_obj.active)")
    return widget


def apology(title: str, reason: str) -> pn.Template:
    """Return a page that says why a dashboard cannot be shown and what to do."""
    body = "<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'><title>{{ title }}</title>{{ bokeh_css }}"
    body += "{{ bokeh_js }}</head><body><h1>{{ said_title|e }}</h1><p role='alert'>{{ reason|e }}</p>"
    body += "<p><a href='./'>citylab</a></p>{{ plot_script }}</body></html>"
    template = pn.Template(body)
    template.add_variable("said_title", title)
    template.add_variable("reason", reason)
    return template
