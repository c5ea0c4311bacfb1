"""Pictures in JupyterLab with no network: everything the browser needs travels inside the notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import panel as pn
    import pydeck as pdk

EXTENSIONS = ("deckgl", "tabulator")


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
    return pn.Column(pane, pn.pane.HTML(legend, sizing_mode="stretch_width")) if legend else pane


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
