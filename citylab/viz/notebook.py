"""Pictures in JupyterLab with no network: everything the browser needs travels inside the notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import panel as pn
    import polars as pl
    import pydeck as pdk

    from citylab.settings import Language

EXTENSIONS = ("deckgl", "tabulator")
KEY_STYLE = "<style>.key { display: flex; flex-wrap: wrap; gap: .2em 1.2em; }</style>"
"""Puts the entries of a legend side by side, as the pages' own style does."""
HEAD_PX, ROW_PX = 36, 32
"""Heights of a table's head and of one row."""


def init(*, inline: bool = True) -> None:
    """Make Panel and Bokeh ready in a notebook; call it once, in the first cell.

    Parameters
    ----------
    inline
        Put the JavaScript into the notebook (about 17 MB in a saved copy; works with no network). ``False`` takes it
        from the publisher's servers and keeps saved copies small.
    """
    import panel as pn

    pn.extension(*EXTENSIONS, inline=inline)


def show(picture: Any, *, legend: str = "", height: int = 420) -> pn.viewable.Viewable:
    """Return a deck, a Bokeh figure or a table as something a notebook cell shows.

    Parameters
    ----------
    picture
        What a function of ``citylab.viz`` returned, or any pydeck deck.
    legend
        HTML under the picture, such as :func:`citylab.viz.maps.legend` gives.
    height
        Height of a map [px].
    """
    import panel as pn
    import pydeck as pdk

    is_map = isinstance(picture, pdk.Deck)
    pane = deck_pane(picture, height=height) if is_map else pn.panel(picture, sizing_mode="stretch_width")
    return pn.Column(pane, pn.pane.HTML(KEY_STYLE + legend, sizing_mode="stretch_width")) if legend else pane


def table(frame: pl.DataFrame, *, lang: Language | None = None, rows: int = 20) -> pn.viewable.Viewable:
    """Return a frame as a table that a notebook cell shows: heads from the vocabulary, numbers rounded for reading.

    Parameters
    ----------
    frame
        Rows to show.
    lang
        Language of the heads; default: the ``CITYLAB_LANG`` setting.
    rows
        Rows to show before the table scrolls.
    """
    from citylab.viz import tables

    return show(tables.table(frame, lang=lang, height=HEAD_PX + ROW_PX * min(frame.height, rows)))


def deck_pane(deck: pdk.Deck, *, height: int = 420) -> pn.pane.DeckGL:
    """Return a deck as a Panel pane that asks for nothing outside.

    Parameters
    ----------
    deck
        A pydeck deck, such as :func:`citylab.viz.maps.district_map` gives.
    height
        Height [px].
    """
    import panel as pn

    from citylab.viz.maps import offline_spec

    tooltip: Any = getattr(deck, "_tooltip", None) or True
    return pn.pane.DeckGL(offline_spec(deck), height=height, sizing_mode="stretch_width", tooltips=tooltip)
