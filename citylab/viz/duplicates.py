"""Pictures of the search for trips claimed twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from citylab import settings, vocabulary
from citylab.errors import SchemaError
from citylab.settings import Language
from citylab.viz import charts, figures, theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bokeh.plotting import figure

MEASURES = {"precision": (theme.OKABE_ITO["blue"], "circle"), "recall": (theme.OKABE_ITO["vermilion"], "square")}
"""Colour and shape of each measure."""

_DASHES = ("solid", "dashed", "dotted")
_STROKES = ("", "stroke-dasharray='6 4'", "stroke-dasharray='2 3'")
_SHAPES = {
    "circle": "<circle cx='17' cy='6' r='4' {paint}/>",
    "square": "<rect x='13' y='2' width='8' height='8' {paint}/>",
}
_TOP = 1.04
_MARK_PX = 8


def quality_key(searches: Sequence[str], lang: Language | None = None) -> str:
    """Return the legend of :func:`quality_curve` as HTML, which wraps on a narrow page.

    Parameters
    ----------
    searches
        Names of the searches, in the order in which they come in the frame.
    lang
        Language; default: the ``CITYLAB_LANG`` setting.

    Examples
    --------
    >>> "Recall: token" in quality_key(["token"], "en")
    True
    """
    marks = []
    for i, name in enumerate(searches):
        for measure, (colour, shape) in MEASURES.items():
            line = f"<line x1='0' y1='6' x2='34' y2='6' stroke='{colour}' stroke-width='2' {_STROKES[i]}/>"
            mark = _SHAPES[shape].format(paint=f"fill='{theme.PAPER if i else colour}' stroke='{colour}'")
            marks.append((line + mark, _label(measure, name, lang or settings.language())))
    return charts.drawn_key(marks, width=34)


def _label(measure: str, search: str, lang: Language) -> str:
    return f"{vocabulary.say(f'double_{measure}', lang)}: {search}"


def quality_curve(
    frame: pl.DataFrame, *, search: str, alt: str, goal: float | None = None, lang: Language | None = None,
    height: int = 340, large: bool = False, legend: bool = True,
) -> figure:  # fmt: skip
    """Return precision and recall of searches as the alteration of copies grows, with their intervals.

    Parameters
    ----------
    frame
        One row per search and alteration, as :func:`citylab.carbon.inclusive.planted.search_quality` gives them, with
        ``alteration`` (multiple) and the column ``search``. A share that is empty is a gap.
    search
        Column of the search's name: up to three, told apart by the dash of the line.
    alt
        Text for people who cannot see the picture.
    goal
        A share to draw as a line.
    lang, height, large, legend
        As in :func:`citylab.viz.charts.line`; :func:`quality_key` is a legend of a page's own.

    Raises
    ------
    SchemaError
        A column is missing, or there are more than three searches.

    Examples
    --------
    >>> row = {f"{m}_share{e}": [0.99] for m in MEASURES for e in ("", "_low", "_high")}
    >>> plot = quality_curve(pl.DataFrame({"alteration": [1.0], "search": ["token"], **row}), search="search",
    ...                      alt="One point", lang="en")
    >>> plot.yaxis.axis_label
    'Share of pairs'
    """
    from bokeh.models import ColumnDataSource, HoverTool, NumeralTickFormatter, Range1d, Span

    lang = lang or settings.language()
    shares = [f"{m}_share{end}" for m in MEASURES for end in ("", "_low", "_high")]
    figures.need(frame, ("alteration", search, *shares), "The curve of precision and recall")
    if frame.height and frame[search].n_unique() > len(_DASHES):
        raise SchemaError(
            f"{frame[search].n_unique()} searches in one picture; it can tell {len(_DASHES)} apart. Draw two."
        )
    plot = figures.base(alt=alt, height=height, large=large, save_as="citylab_double_claims", y_range=Range1d(0, _TOP))
    if goal is not None:
        plot.add_layout(
            Span(name="goal", location=goal, dimension="width", line_color=theme.MUTED, line_dash="dotdash")
        )
    drawn = []
    for i, (name, rows) in enumerate(frame.sort("alteration").group_by(search, maintain_order=True)):
        for measure, (colour, shape) in MEASURES.items():
            text = _label(measure, name[0], lang)
            share = f"{measure}_share"
            values = rows.select(
                pl.col(share, f"{share}_low", f"{share}_high").cast(pl.Float64).fill_null(float("nan"))
            )
            data = {
                "x": rows["alteration"].to_list(),
                **dict(zip(("y", "low", "high"), (values[c].to_list() for c in values.columns), strict=True)),
                "text": [text] * rows.height,
            }
            source = ColumnDataSource(data, name=f"{name[0]} {measure}")
            plot.segment("x", "low", "x", "high", source=source, line_color=colour, line_width=1.5)
            plot.line("x", "y", source=source, line_color=colour, line_width=2, legend_label=text,
                      line_dash=_DASHES[i % len(_DASHES)])  # fmt: skip
            drawn.append(
                plot.scatter("x", "y", source=source, marker=shape, size=_MARK_PX, line_color=colour, legend_label=text,
                             fill_color=theme.PAPER if i else colour)
            )  # fmt: skip
    tips = [("", "@text"), ("", "@y{0.0%} (@low{0.0%} – @high{0.0%})")]
    plot.add_tools(HoverTool(renderers=drawn, tooltips=tips))
    plot.xaxis.axis_label = vocabulary.say("double_alteration", lang)
    plot.yaxis.axis_label = vocabulary.say("double_share", lang)
    plot.yaxis.formatter = NumeralTickFormatter(format="0%")
    figures.legend_above(plot, large, legend, narrow=True)
    return plot
