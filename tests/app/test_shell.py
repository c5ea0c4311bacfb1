"""The page that all dashboards share, without a browser."""

from __future__ import annotations

import threading

import panel as pn
import polars as pl

from citylab.app import shell
from citylab.app.parts import Picture, text
from citylab.app.state import PageState
from citylab.viz import charts

ROWS = pl.DataFrame({"name": ["a", "b"], "pm25_ugm3": [10.0, 20.0]})


def test_a_view_chosen_while_the_picture_is_drawn_is_the_one_that_stays():
    begun, go_on = threading.Event(), threading.Event()

    def draw():
        begun.set()
        assert go_on.wait(60)
        return charts.ranked(ROWS, "name", "pm25_ugm3", alt="drawn")

    go_on.set()
    picture = Picture("bars", title=text("条", "Bars"), draw=draw, table=lambda: ROWS, note=lambda lang: "")
    card = shell._Card(picture, PageState(lang="en"), "picture_0")
    assert isinstance(card.body[0], pn.pane.Bokeh)
    begun.clear()
    go_on.clear()
    worker = threading.Thread(target=card.attempt, args=(card.show,))
    reader = threading.Thread(target=setattr, args=(card.choice, "value", "table"))
    worker.start()
    assert begun.wait(60)
    reader.start()
    reader.join(1)  # time enough to be overtaken, were the card not held
    go_on.set()
    for thread in (worker, reader):
        thread.join(60)
    assert [type(part) for part in card.body] == [pn.widgets.Tabulator]
