"""The one page that all dashboards share: header, question, big numbers, controls, pictures, limits, sources.

The text of a page is in its HTML before any script runs; widgets and pictures take their places when they are ready.
"""

from __future__ import annotations

import html
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import panel as pn
from panel.io.state import set_curdoc

from citylab import vocabulary
from citylab.app import provenance, styles, url
from citylab.app.parts import Both, Number, Picture, Said
from citylab.app.state import LOOKS, PageState, Stopped
from citylab.app.styles import css
from citylab.errors import CitylabError
from citylab.settings import Language
from citylab.viz import tables, theme
from citylab.viz.maps import offline_spec
from citylab.viz.notebook import deck_pane

__all__ = ["Both", "Number", "Picture", "Said", "apology", "css", "dashboard", "numbers_html", "page"]

EXTENSIONS = ("deckgl", "tabulator")
VIEWS = ("chart", "table", "download")
_SIMPLE = "简洁 Simple"
_LANGUAGE_NAMES: dict[str, Language] = {"中文": "zh", "English": "en"}

PARTS = ("TITLE", "QUESTION", "SOURCES", "big_numbers", "controls", "pictures", "cannot_show", "message", "code")
"""Names that a dashboard's module defines, for :func:`dashboard`."""
_TELL_EVERY_S = 0.2
_FILE_BUTTON = {"margin": (8, 0, 0, 0), "width": 170, "height": 34}
_log = logging.getLogger(__name__)


class _Card:
    """One picture on the page: heading, choice of view, and the view."""

    def __init__(self, picture: Picture, state: PageState, name: str) -> None:
        self.picture, self.state, self.name = picture, state, name
        self.drawn: Any = None
        self.problem = ""
        self.view: Literal["chart", "table", "download"] = "chart"
        # A reader may choose a view while the page's worker draws: the later of the two must find the card at rest
        self.lock = threading.RLock()
        self.head = _pane(styles={"flex": "1 1 12rem"})
        self.choice = pn.widgets.RadioButtonGroup(value="chart", options=self._options(), margin=0, align="end",
                                                  button_style="outline", stylesheets=[css("inside")])  # fmt: skip
        self.body = pn.Column(sizing_mode="stretch_width", margin=0)
        self.note = _pane()
        self.whole = pn.Column(
            # Beside each other where there is room, else one below the other
            pn.FlexBox(
                self.head,
                self.choice,
                flex_wrap="wrap",
                justify_content="space-between",
                gap="0 8px",
                sizing_mode="stretch_width",
                margin=0,
            ),
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
        self.attempt(self.show)

    def relabel(self) -> None:
        """Say everything in the page's language, and draw anew."""
        self.choice.options = self._options()
        self.attempt(self.show)

    def attempt(self, work: Callable[[], None]) -> None:
        """Work; if that fails, keep the last good picture and say in one sentence what happened and what to do."""
        with self.lock:
            try:
                work()
            except Stopped:
                raise
            except CitylabError as error:
                self._failed(str(error))
            except Exception as error:  # one picture that fails must not take the page with it
                _log.exception("The picture %r cannot be drawn", self.picture.key)
                self._failed(_unforeseen(error, self.state.lang))
            else:
                if self.problem:
                    self.problem = ""
                    self._say()

    def _failed(self, sentence: str) -> None:
        self.problem = sentence
        if not len(self.body):
            self.body[:] = [_pane(f"<p class='note'>{vocabulary.say('nothing_drawn', self.state.lang)}</p>")]
        self.note.object = _alert(sentence)

    def refresh(self, changed: set[str]) -> None:
        """Show the data of the present choices."""
        if self.view != "chart" or self.drawn is None or self.problem or changed & set(self.picture.redraw_on):
            self.show()
            return
        self._say()
        if isinstance(self.drawn, pn.pane.DeckGL):
            self.drawn.object = offline_spec(self.picture.draw())
        elif self.picture.refresh is not None:
            # A Bokeh model may only change under the document's lock, and callbacks run in threads.
            pn.state.execute(partial(self.attempt, partial(self.picture.refresh, self.drawn.object)))

    def _say(self) -> None:
        lang = self.state.lang
        self.head.object = f"<h2>{html.escape(self.picture.title(lang))}</h2>"
        hint = ""
        if self.view == "table" and self.picture.on_row is not None:
            hint = vocabulary.say("choose_in_table", lang) + " "
        self.note.object = f"<div class='note'>{hint}{self.picture.note(lang)}</div>"

    def show(self) -> None:
        """Put the chosen view into the card."""
        lang = self.state.lang
        self._say()
        if self.view == "table":
            table = self.picture.table()
            shown = tables.table(table, lang=lang, height=self.picture.height)
            if (on_row := self.picture.on_row) is not None:
                shown.on_click(lambda event: on_row(table.row(event.row, named=True)))
            self.body[:] = [shown]
        elif self.view == "download":
            files = (self._download(k) for k in tables.FORMATS)
            self._draw(pn.FlexBox(*files, self._save_image(), margin=0, gap="8px"))
        else:
            self._draw()

    def _draw(self, *below: pn.viewable.Viewable) -> None:
        """Draw anew, in the same pane where there is one."""
        drawn = self.picture.draw()
        is_map = type(drawn).__module__.startswith("pydeck")
        if self.drawn is None:
            self.drawn = (
                deck_pane(drawn, height=self.picture.height)
                if is_map
                else pn.pane.Bokeh(drawn, sizing_mode="stretch_width", margin=0)
            )
            if is_map:
                self.drawn.stylesheets = [css("inside")]
            if is_map and self.picture.on_click is not None:
                self.drawn.param.watch(self._clicked, "click_state")
        else:
            self.drawn.object = offline_spec(drawn) if is_map else drawn
        if list(self.body) != [self.drawn, *below]:
            self.body[:] = [self.drawn, *below]

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
            **_FILE_BUTTON,
        )

    def _save_image(self) -> pn.widgets.Button:
        """Return a button that saves what the browser drew, map or chart, with heading and legend."""
        lang = self.state.lang
        button = pn.widgets.Button(name=vocabulary.say("save_image", lang), button_style="outline",
                                   stylesheets=[css("inside")], **_FILE_BUTTON)  # fmt: skip
        told = [self.name, f"citylab_{self.picture.key}.png", self.picture.title(lang), self.picture.note(lang)]
        button.js_on_click(code=f"window.citylabSaveImage(...{json.dumps(told)})")
        return button


class _Worker:
    """Renews a page after each choice, one renewal at a time, away from the callback that made the choice.

    Were the work done in that callback, a reader's next choice would be lost: Panel passes nothing on from a widget
    whose last change is still being worked on.
    """

    def __init__(self, renew: Callable[[set[str], Callable[[], bool]], bool]) -> None:
        self.renew = renew
        self.pending: set[str] = set()
        self.newest = 0
        self.is_running = False
        self.lock = threading.Lock()

    def ask(self, *events: Any) -> None:
        """Ask for a renewal; one that runs for an earlier choice ends at its next step."""
        with self.lock:
            self.pending.update(e.name for e in events)
            self.newest += 1
            if self.is_running:
                return
            self.is_running = True
        doc = pn.state.curdoc
        if doc is None or doc.session_context is None:  # a page that is not served: in a test, in a notebook
            self._run()
        else:
            threading.Thread(target=self._run_in, args=(doc,), daemon=True).start()

    def _run_in(self, doc: Any) -> None:
        with set_curdoc(doc):
            self._run()

    def _run(self) -> None:
        while True:
            with self.lock:
                turn, changed = self.newest, self.pending
                self.pending = set()
            is_done = False
            try:
                is_done = self.renew(changed, lambda turn=turn: self.newest == turn)  # type: ignore[misc]
            except Exception:  # the next choice must find a worker that works
                _log.exception("The page cannot say that it was not renewed")
            with self.lock:
                if not is_done:
                    self.pending |= changed
                if self.newest == turn:
                    self.is_running = False
                    return


def _alert(sentence: str) -> str:
    return f"<p class='message' role='alert'>{html.escape(sentence)}</p>"


def _unforeseen(error: Exception, lang: Language) -> str:
    """Return what to say of an error that is none of the house's own."""
    return f"{type(error).__name__}: {error}; {vocabulary.say('not_drawn', lang)}."


def _pane(text: str = "", **options: Any) -> pn.pane.HTML:
    return pn.pane.HTML(text, sizing_mode="stretch_width", margin=0, stylesheets=[css("inside")], **options)


class _Busy:
    """The sign that the page works: a bar after half a second, a button to stop after three, both by style sheet."""

    def __init__(self, state: PageState) -> None:
        self.state = state
        self.bar = _pane()
        self.stop = pn.widgets.Button(margin=0, button_style="outline", stylesheets=[css("inside"), css("stop")])
        self.stop.on_click(lambda _: self._ask())
        self.whole = pn.Row(self.bar, self.stop, visible=False, sizing_mode="stretch_width", margin=0,
                            stylesheets=[css("busy")])  # fmt: skip
        self.is_stopped = False
        self.last = 0.0

    def _ask(self) -> None:
        self.is_stopped = True

    def tell(self, share: float | None = None) -> None:
        """Show how far the work is, now and then."""
        now = time.monotonic()
        if now - self.last < _TELL_EVERY_S:
            return
        self.last = now
        width = "" if share is None else f" style='width:{100 * min(1.0, max(0.0, share)):.0f}%;animation:none'"
        said = html.escape(vocabulary.say("working", self.state.lang))
        self.bar.object = (
            f"<div class='working' role='status'><div class='track'><div class='bar'{width}></div></div>{said}</div>"
        )

    def __enter__(self) -> None:
        self.is_stopped, self.last = False, 0.0
        self.stop.name = vocabulary.say("stop", self.state.lang)
        self.tell()
        self.whole.visible = True

    def __exit__(self, *_: object) -> None:
        self.whole.visible = False


class _Page(pn.Template):
    """A template that does not describe all its parts anew whenever one is added: that took a third of a session."""

    def __repr__(self, depth: int = 0) -> str:
        return "citylab page"

    def server_doc(self, doc: Any = None, title: str | None = None, location: Any = True) -> Any:
        """Fill the document; Bokeh looks for its models once at the end, and not after each root."""
        doc = doc or pn.state.curdoc
        with doc.models.freeze():
            return super().server_doc(doc, title, location)


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


def dashboard(state: PageState, names: Mapping[str, Any]) -> pn.Template:
    """Return the page of a dashboard's module from the names that it defines.

    Parameters
    ----------
    state
        Choices of the page; those that ``in_url`` names change data and stand in the address.
    names
        ``globals()`` of the module. It defines ``TITLE``, ``QUESTION`` (Chinese, English), ``SOURCES`` (ids of data
        sets) and the functions ``big_numbers(state, lang)``, ``controls(state, lang)``, ``pictures(state)``,
        ``cannot_show(state, lang)``, ``message(state, lang)``, ``code(state)``; :func:`page` says what each returns.
        ``prepare(state)`` may stand beside them.

    Returns
    -------
    panel.Template
        As :func:`page`.

    Raises
    ------
    CitylabError
        A name is missing.
    """
    if lost := [n for n in PARTS if n not in names]:
        raise CitylabError(f"A dashboard's module needs {', '.join(lost)}; see docs/how-to/make-a-dashboard.md.")
    prepare = names.get("prepare")
    return page(
        state,
        title=names["TITLE"],
        question=names["QUESTION"],
        numbers=partial(names["big_numbers"], state),
        controls=partial(names["controls"], state),
        pictures=names["pictures"](state),
        cannot_show=partial(names["cannot_show"], state),
        message=partial(names["message"], state),
        sources=names["SOURCES"],
        code=partial(names["code"], state),
        watched=state.choices,
        prepare=None if prepare is None else partial(prepare, state),
    )


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
    prepare: Callable[[], None] | None = None,
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
    prepare
        Slow work for the present choices, done before numbers and pictures, which find its result in the state. It
        calls :meth:`~citylab.app.state.PageState.step` now and then, which shows a bar and lets the reader stop it.

    Returns
    -------
    panel.Template
        Give it to the server, or call ``.servable()``.
    """
    pn.extension(*EXTENSIONS)
    if pn.state.curdoc is not None:  # else a page that is not served: in a test, in a notebook
        theme.name_controls(pn.state.curdoc)
    refused = url.read(state, _asked())
    state.forget()
    if prepare is not None:
        prepare()
    cards = [_Card(p, state, f"picture_{i}") for i, p in enumerate(pictures)]
    busy = _Busy(state)
    stopped: list[str] = []

    def warning() -> str:
        zh = state.lang == "zh"
        parts = [message(state.lang)]
        if refused:
            listed = ", ".join(refused)
            parts.append(f"链接中的 {listed} 无法识别，已用默认值。" if zh
                         else f"The link says {listed}, which is not possible here; the default is shown.")  # fmt: skip
        parts += [vocabulary.say(word, state.lang) for word in stopped]
        said = " ".join(p for p in parts if p)
        told = f"<p class='message' role='status'>{html.escape(said)}</p>" if said else ""
        problems = dict.fromkeys(c.problem for c in cards if c.problem)
        return told + "".join(map(_alert, problems))

    top = _pane(numbers_html(numbers(state.lang)))
    note = _pane(warning())
    limits, foot = _pane(), _pane()
    left = pn.Column(controls(state.lang), sizing_mode="stretch_width", margin=0)

    def say() -> None:
        lang = state.lang
        limits.object = f"<h2>{vocabulary.say('limits', lang)}</h2><p>{html.escape(cannot_show(lang))}</p>"
        foot.object = provenance.footer(sources, lang, code())

    def work(changed: set[str], go_on: Callable[[], None]) -> None:
        if prepare is not None:
            prepare()
        top.object = numbers_html(numbers(state.lang))
        note.object = warning()
        in_new_words = bool(changed & set(LOOKS))
        if in_new_words:
            left[:] = [controls(state.lang)]
        # A map takes the browser longest: it comes last.
        for card in sorted(cards, key=lambda c: c.picture.on_click is not None):
            go_on()
            if in_new_words:
                card.relabel()
            else:
                card.attempt(partial(card.refresh, changed))

    def renew(changed: set[str], is_newest: Callable[[], bool]) -> bool:
        """Bring the page up to the state, and return whether that was done to the end."""

        def go_on(share: float | None = None) -> None:
            if busy.is_stopped or not is_newest():
                raise Stopped(vocabulary.say("stopped", state.lang))
            busy.tell(share)

        refused.clear()
        stopped.clear()
        try:
            with busy, state.watched_steps(go_on):
                work(changed, go_on)
        except Stopped:
            if is_newest():
                stopped.append("stopped")
                note.object = warning()
            return False
        except CitylabError as error:
            note.object = _alert(str(error))
            return False
        except Exception as error:
            _log.exception("The page cannot be renewed")
            note.object = _alert(_unforeseen(error, state.lang))
            return False
        note.object = warning()
        say()
        return True

    say()
    state.param.watch(_Worker(renew).ask, [*watched, *LOOKS])
    url.connect(state)

    template = _Page(styles.read("page.html"), location=True)
    template.add_panel("language", _language(state))
    template.add_panel("type_size", _toggle(state, "large", "A⁺"))
    template.add_panel("simple_mode", _toggle(state, "simple", _SIMPLE))
    for name, item in (("numbers", top), ("message", note), ("controls", left), ("limits", limits), ("footer", foot),
                       ("busy", busy.whole)):  # fmt: skip
        template.add_panel(name, item)
    for card in cards:
        template.add_panel(card.name, card.whole)
    variables = {
        "lang": state.lang,
        "large": state.large,
        "simple": state.simple,
        "page_title": title,
        "question": question,
        "early_numbers": top.object,
        "style": css("page"),
        "inside_style": css("inside"),
        "cards": [
            {"name": c.name, "wide": c.picture.wide, "height": c.picture.height, "simple": c.picture.simple}
            for c in cards
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


def _toggle(state: PageState, name: str, shown: str) -> pn.widgets.Toggle:
    widget = pn.widgets.Toggle(name=shown, value=getattr(state, name), margin=0, button_style="outline",
                               stylesheets=[css("inside")])  # fmt: skip
    widget.link(state, value=name, bidirectional=True)
    widget.jscallback(value=f"document.documentElement.classList.toggle('{name}', cb_obj.active)")
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
