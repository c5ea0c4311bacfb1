"""Pictures of villages on a plane: what each has, how many live there, and where the sites stand.

Places here are points in kilometres, without a map behind them: made-up villages, or a planner's own coordinates.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import polars as pl

from citylab import settings
from citylab.errors import DataError
from citylab.settings import Language
from citylab.viz import charts, figures, numbers, theme
from citylab.vocabulary import column, say

if TYPE_CHECKING:
    from bokeh.plotting import figure

SMALLEST_PX, LARGEST_PX = 9, 30
"""Diameters of the discs of the fewest and of the most persons."""
_SITE_PX, _SITE_LINE_PX, _LABEL_PX = 8, 2.5, 6
_ROOM = 0.08
_LEAST_BAR_KM = 0.1
_ROUND, _BAR_SHARE = (5.0, 2.0, 1.0), 0.25


def bar_km(width_km: float) -> float:
    """Return the length of a scale bar [km]: the largest round one up to a quarter of the picture's width.

    Examples
    --------
    >>> bar_km(19.5), bar_km(0.9), bar_km(0.0)
    (2.0, 0.2, 0.1)
    """
    most = max(width_km * _BAR_SHARE, _LEAST_BAR_KM)
    power = 10.0 ** math.floor(math.log10(most))
    return next(step * power for step in _ROUND if step * power <= most or step == _ROUND[-1])


def discs(persons: pl.Series) -> list[float]:
    """Return diameters [px] whose areas rise with persons; the most get :data:`LARGEST_PX`, none under the smallest.

    Raises
    ------
    DataError
        Persons that are missing, infinite or below 0.

    Examples
    --------
    >>> discs(pl.Series([100.0, 25.0, 0.0]))
    [30.0, 15.0, 9.0]
    """
    if persons.null_count() or not persons.is_finite().all() or persons.lt(0).any():
        raise DataError("Discs are drawn by persons, 0 or more; expected no missing, infinite or negative number.")
    most = max(float(persons.max()), 1.0)  # type: ignore[arg-type]
    return [max(float(SMALLEST_PX), LARGEST_PX * (float(n) / most) ** 0.5) for n in persons]


def villages_key(*, has_sites: str = "", has_missing: str = "") -> str:
    """Return the legend of :func:`villages` as HTML: the mark of a site, and what a grey disc means.

    Parameters
    ----------
    has_sites
        What a mark within a disc stands for; empty: there are none.
    has_missing
        Words for a place without a value; empty: there are none.

    Examples
    --------
    >>> "a site" in villages_key(has_sites="a site"), villages_key()
    (True, '')
    """
    ring = f"fill='{theme.PAPER}' stroke='{theme.OKABE_ITO['black']}' stroke-width='2'"
    marks = [(f"<rect x='2' y='2' width='8' height='8' {ring}/>", has_sites),
             (charts.MARKS["circle"].format(f"fill='{theme.colour('no_data')}'"), has_missing)]  # fmt: skip
    return charts.drawn_key([(svg, said) for svg, said in marks if said])


def villages(
    frame: pl.DataFrame | pl.LazyFrame, *, value: str, place: str = "area_id", x: str = "x_km", y: str = "y_km",
    persons: str = "persons", site: str | None = None, tip: str | None = None, unit: str = "", title: str, alt: str,
    lang: Language | None = None, height: int = 380, large: bool = False,
) -> figure:  # fmt: skip
    """Return places on a plane, as discs coloured by a value and sized by who lives there, over a scale bar.

    Parameters
    ----------
    frame
        One row per place; ``is_synthetic`` where it is made up: the picture then says so.
    value
        Column of numbers for the colour, light (low) to dark (high); a place without one is grey.
    place, x, y
        Columns of the name, and of the coordinates [km].
    persons
        Column of persons, 0 or more.
    site
        Boolean column of the places with a site, which get a white square; default: none.
    tip
        Column of further hover text.
    unit, title
        Unit and name of the value, for the colour bar.
    alt, lang, height, large
        As in :func:`citylab.viz.charts.line`.

    Raises
    ------
    SchemaError, DataError
        A column is missing; no rows, a place twice, or persons or coordinates that cannot be drawn.

    Examples
    --------
    >>> rows = pl.DataFrame({"area_id": ["V1", "V2"], "x_km": [0.0, 3.0], "y_km": [0.0, 1.0], "persons": [400, 100],
    ...                      "seats": [2.0, None], "is_synthetic": True})
    >>> plot = villages(rows, value="seats", title="Seats", alt="Two villages", lang="en")
    >>> figures.source(plot, "data").data["size"]
    [30.0, 15.0]
    """
    from bokeh.models import ColumnDataSource, HoverTool, Label

    lang = lang or settings.language()
    rows = figures.rows_of(frame, [c for c in (place, value, x, y, persons, site, tip) if c], "The places")
    figures.need_one_group(rows, [place], "The places")
    if rows.schema[value].is_float():
        rows = rows.with_columns(pl.col(value).fill_nan(None))
    if rows.select((~pl.col(x, y).cast(pl.Float64).is_finite()).fill_null(True)).to_numpy().any():
        raise DataError(f"Places need finite coordinates {x!r} and {y!r} [km]; some are missing or infinite.")
    known = figures.scaled(rows[value].drop_nulls(), unit, lang)
    mapper = figures.colours_between(float(known.min()) if known.size else 0.0,
                                     float(known.max()) if known.size else 1.0,
                                     missing=theme.colour("no_data"))  # fmt: skip
    shown = numbers.reading(unit, lang).unit
    data: dict[str, Any] = {
        "x": rows[x].to_list(), "y": rows[y].to_list(), "name": rows[place].cast(pl.String).to_list(),
        "value": figures.scaled(rows[value], unit, lang).tolist(), "size": discs(rows[persons].cast(pl.Float64)),
        "persons": rows[persons].to_list(), "tip": [""] * rows.height if tip is None else rows[tip].to_list(),
        "text": [say("no_data", lang) if v is None else f"{numbers.quantity(v, unit, lang)[0]} {shown}".strip()
                 for v in rows[value]],
    }  # fmt: skip
    (west, east), (south, north) = ((float(min(data[k])), float(max(data[k]))) for k in ("x", "y"))
    room = _ROOM * max(east - west, north - south, 1.0)
    plot = figures.square(alt=alt, height=height, large=large, save_as="citylab_villages",
                          box=(west - room, east + room, south - 2 * room, north + room))  # fmt: skip
    length = bar_km(east - west)
    ends = ColumnDataSource({"x": [west, west + length], "y": [south - room] * 2}, name="bar")
    plot.line("x", "y", source=ends, line_color=theme.INK, line_width=_SITE_LINE_PX)
    plot.add_layout(Label(x=west + length, y=south - room, x_offset=_LABEL_PX, text=f"{length:g} km",
                          text_baseline="middle", text_font=theme.font_stack(), text_font_size=figures.px(large),
                          text_color=theme.INK))  # fmt: skip
    drawn = plot.scatter("x", "y", size="size", source=ColumnDataSource(data, name="data"), line_color=theme.MUTED,
                         fill_color={"field": "value", "transform": mapper})  # fmt: skip
    plot.add_tools(HoverTool(renderers=[drawn], tooltips=[
        ("", "@name: @text"), (column("persons").label(lang), "@persons{0,0}"), ("", "@tip"),
    ]))  # fmt: skip
    if site is not None:
        at = [i for i, s in enumerate(rows[site]) if s]
        marks = ColumnDataSource({k: [data[k][i] for i in at] for k in ("x", "y", "name")}, name="sites")
        plot.scatter("x", "y", source=marks, marker="square", size=_SITE_PX, fill_color=theme.PAPER,
                     line_color=theme.OKABE_ITO["black"], line_width=_SITE_LINE_PX)  # fmt: skip
    figures.colour_bar(plot, mapper, f"{title} ({shown})" if shown else title, large)
    if figures.is_synthetic(rows):
        figures.say_synthetic(plot, lang, large, align="right")
    return plot
