"""Picture of the price of closing a gap: whom each budget reaches, of all and of the group reached least."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import polars as pl

from citylab import settings
from citylab.errors import DataError
from citylab.settings import Language
from citylab.viz import figures, numbers, theme
from citylab.vocabulary import column, say

if TYPE_CHECKING:
    from bokeh.plotting import figure

OBJECTIVES = {"efficiency": ("blue", "circle"), "need": ("vermilion", "square"), "maxmin": ("green", "triangle")}
"""Colour and marker of each objective, so that lines differ without colour too."""


def frontier_plot(
    points: pl.DataFrame | pl.LazyFrame,
    *,
    currency: str,
    alt: str | None = None,
    lang: Language | None = None,
    height: int = 320,
    large: bool = False,
) -> figure:
    """Return the share of people reached by budget, one line per objective; dashed for the group reached least.

    Parameters
    ----------
    points
        ``points`` of :class:`citylab.equity.frontier.Frontier` with a column ``objective``, one frontier or several
        below each other: ``budget``, ``reached_persons``, ``persons``, ``least_share`` [0..1], ``gap`` [0..1], and
        ``is_synthetic``: where it is true the picture says "synthetic". Budgets for which no plan was found in time
        (null ``reached_persons``) are left out.
    currency
        Currency of the budgets, for the axis.
    alt
        Text for people who cannot see the picture; default: made from the figures.
    lang, height, large
        As in :func:`citylab.viz.charts.line`.

    Raises
    ------
    SchemaError
        A column is missing.
    DataError
        No rows, no plan at all, an objective that there is not, or a budget twice under one objective.

    Examples
    --------
    >>> rows = pl.DataFrame({"objective": ["efficiency"] * 2, "budget": [1e6, 2e6], "reached_persons": [10.0, 18.0],
    ...                      "persons": [20.0, 20.0], "least_share": [0.2, 0.5], "gap": [0.0, 0.0],
    ...                      "is_synthetic": True})
    >>> frontier_plot(rows, currency="CNY", lang="en").xaxis.axis_label
    'Budget (million CNY)'
    """
    from bokeh.models import ColumnDataSource, HoverTool

    lang = lang or settings.language()
    needed = ["objective", "budget", "reached_persons", "persons", "least_share", "gap", "is_synthetic"]
    rows = figures.rows_of(points, needed, "The frontier").sort("budget")
    is_synthetic = figures.is_synthetic(rows)
    if strange := sorted(set(rows["objective"]) - set(OBJECTIVES)):
        raise DataError(f"The frontier has objectives {strange}; expected {list(OBJECTIVES)}.")
    figures.need_one_group(rows, ["objective", "budget"], "The frontier")
    rows = rows.drop_nulls("reached_persons")
    if rows.is_empty():
        raise DataError("The frontier has no plan to show: none was found in time. Give it a longer time_limit_s.")
    rows = rows.with_columns((100 * pl.col("reached_persons") / pl.col("persons")).alias("share"))
    money = numbers.millions_of(currency, lang)
    drawn = [o for o in OBJECTIVES if o in set(rows["objective"])]
    names = {o: say(f"objective_{o}", lang) for o in drawn}
    last = {o: rows.filter(objective=o).row(-1, named=True) for o in drawn}
    least = say("least_reached_group", lang)
    spoken = "; ".join(
        f"{names[o]}: {numbers.figures(r['budget'] / numbers.MILLION)} {money}, {numbers.figures(r['share'])}%"
        f" ({least} {numbers.figures(100 * r['least_share'])}%)"
        for o, r in last.items()
    )
    title = say("reached_by_budget", lang) + (f" ({say('synthetic', lang)})" if is_synthetic else "")
    plot = figures.base(
        alt=alt or f"{title}. {spoken}", height=height, large=large, save_as="citylab_frontier",
        tags={"chart": "frontier", "lang": lang},
    )  # fmt: skip
    lines = []
    for o in drawn:
        colour, marker = OBJECTIVES[o]
        part = rows.filter(objective=o)
        data = {"x": (part["budget"] / numbers.MILLION).to_list(), "share": part["share"].to_list(),
                "n": part["reached_persons"].to_list(), "gap": (100 * part["gap"]).to_list(),
                "least": (100 * part["least_share"]).to_list()}  # fmt: skip
        held = ColumnDataSource(data, name=f"data_{o}")
        look = {"source": held, "color": theme.OKABE_ITO[colour]}
        plot.line("x", "share", line_width=2.5, legend_label=names[o], **look)
        marks = plot.scatter("x", "share", size=7, marker=marker, legend_label=names[o], **look)
        plot.line("x", "least", line_width=1.5, line_dash="dashed", **look)
        plot.scatter("x", "least", size=5, marker=marker, **look)
        tips = [("", names[o]), (money, "@x{0,0.[00]}"), ("%", "@share{0.0}"), (f"{least} (%)", "@least{0.0}"),
                (say("gap_to_bound", lang), "@gap{0.00}%")]  # fmt: skip
        lines.append(HoverTool(renderers=[marks], tooltips=tips))
    # The key of the dashes is one for all colours.
    plot.line([math.nan], [math.nan], color=theme.MUTED, line_width=1.5, line_dash="dashed", legend_label=least)
    plot.add_tools(*lines)
    plot.xaxis.axis_label = f"{column('budget').label(lang)} ({money})"
    plot.yaxis.axis_label = f"{say('reached_share_of_lacking', lang)} (%)"
    plot.x_range.start = 0
    plot.y_range.start, plot.y_range.end = 0, 100
    figures.legend_above(plot, large, narrow=True)
    if is_synthetic:
        figures.say_synthetic(plot, lang, large, align="right")
    return plot
