"""Pictures of what an incentive would do: where the money goes, and what each amount brings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import polars as pl

from citylab import settings, vocabulary
from citylab.errors import DataError
from citylab.settings import Language
from citylab.viz import figures, numbers, theme
from citylab.viz.charts import band_outline

if TYPE_CHECKING:
    from bokeh.plotting import figure

PARTS = {"budget_anyway": theme.MUTED, "budget_extra": theme.OKABE_ITO["green"]}
"""Colour of each part of the budget, from the bottom up."""
LINES = {
    "extra_mean_t": (theme.OKABE_ITO["blue"], "solid"),
    "extra_replacement_t": (theme.OKABE_ITO["vermilion"], "dashed"),
}
"""Colour and dash of the tonnes under each baseline."""

_NEEDED = ("amount_cny", "per", "quantity", "value", "low", "high", "level")
_KG_PER_T = 1000
_BAR_SHARE = 0.7
_HEAD_ROOM = 1.15


def _amounts(frame: pl.DataFrame | pl.LazyFrame, what: str) -> pl.DataFrame:
    table = figures.rows_of(frame, _NEEDED, what)
    figures.need_one_group(table, ("amount_cny", "quantity"), what)
    if table["per"].n_unique() > 1:
        raise DataError(f"{what} draws amounts a trip or a kg, and the frame has both. Filter it to one first.")
    return table.sort("amount_cny")


def _finish(plot: figure, table: pl.DataFrame, lang: Language, source: str, large: bool) -> None:
    plot.xaxis.axis_label = vocabulary.say(f"incentive_amount_{table['per'][0]}", lang)
    if source:
        figures.text_line(plot, source, "below", large, align="left")


def budget_split(
    frame: pl.DataFrame | pl.LazyFrame, *, alt: str, source: str = "", lang: Language | None = None, height: int = 320,
    large: bool = False, legend: bool = True,
) -> figure:  # fmt: skip
    """Return bars of the budget by amount, parted into what extra trips get and what trips made anyway get.

    Parameters
    ----------
    frame
        Rows of :func:`citylab.policy.inclusive.incentive.curve`.
    alt
        Text for people who cannot see the picture.
    source
        A line below the picture, such as the trips it rests on: say *synthetic* where they are.
    lang, height, large, legend
        As in :func:`citylab.viz.charts.line`.

    Raises
    ------
    SchemaError
        A column is missing.
    DataError
        No rows, or an amount twice.

    Examples
    --------
    >>> rows = [{"amount_cny": 0.5, "per": "trip", "quantity": q, "value": v, "low": v, "high": v, "level": 0.95}
    ...         for q, v in (("budget", 10.0), ("budget_anyway", 9.0), ("budget_extra", 1.0))]
    >>> plot = budget_split(pl.DataFrame(rows), alt="One amount", lang="en")
    >>> plot.xaxis.axis_label
    'Incentive a trip (CNY)'
    """
    from bokeh.models import ColumnDataSource, HoverTool

    lang = lang or settings.language()
    table = _amounts(frame, "The budget")
    amounts = [f"{a:g}" for a in table["amount_cny"].unique().sort()]
    plot = figures.base(alt=alt, height=height, large=large, save_as="citylab_incentive_budget", x_range=amounts)
    bottom, money = [0.0] * len(amounts), vocabulary.say("incentive_money", lang)
    extra = _values(table, "budget_extra", "value")
    whole = _values(table, "budget", "value")
    for part, colour in PARTS.items():
        values = _values(table, part, "value")
        top = [b + v for b, v in zip(bottom, values, strict=True)]
        ends = [f"{numbers.figures(lo)} – {numbers.figures(hi)}"
                for lo, hi in zip(_values(table, part, "low"), _values(table, part, "high"), strict=True)]  # fmt: skip
        text = vocabulary.say(f"incentive_{part}", lang)
        data = {
            "x": amounts,
            "bottom": bottom,
            "top": top,
            "value": values,
            "ends": ends,
            "text": [text] * len(amounts),
        }
        source_of = ColumnDataSource(data, name=part)
        bars = plot.vbar("x", _BAR_SHARE, "top", "bottom", source=source_of, fill_color=colour, line_width=0,
                         legend_label=text)  # fmt: skip
        plot.add_tools(HoverTool(renderers=[bars], tooltips=[(text, f"@value{{0,0.0}} {money} (@ends)")]))
        bottom = top
    told = {
        "x": amounts,
        "y": bottom,
        "text": [f"{100 * e / w:.1f} %" if w else "" for e, w in zip(extra, whole, strict=True)],
    }
    figures.write(plot, x="x", y="y", text="text", source=ColumnDataSource(told, name="shares"), text_align="center",
                  y_offset=-4, text_baseline="bottom", text_color=PARTS["budget_extra"], large=large)  # fmt: skip
    plot.y_range.start, plot.y_range.end = 0, max([*bottom, 0.0]) * _HEAD_ROOM or 1.0
    plot.yaxis.axis_label = f"{vocabulary.say('incentive_budget', lang)} ({money})"
    plot.xgrid.grid_line_color = None
    _finish(plot, table, lang, source, large)
    figures.legend_above(plot, large, legend, narrow=True)
    return plot


def _values(table: pl.DataFrame, quantity: str, column: str) -> list[float]:
    found = table.filter(quantity=quantity)[column].cast(pl.Float64).fill_null(math.nan).to_list()
    if not found:
        raise DataError(f"The frame has no {quantity!r}. Take it from citylab.policy.inclusive.incentive.curve.")
    return found


def tonnes_curve(
    frame: pl.DataFrame | pl.LazyFrame, *, alt: str, source: str = "", lang: Language | None = None, height: int = 320,
    large: bool = False, legend: bool = True,
) -> figure:  # fmt: skip
    """Return the extra reduction by amount under both baselines, each with the band of its interval.

    Parameters
    ----------
    frame, alt, source, lang, height, large, legend
        As in :func:`budget_split`.

    Raises
    ------
    SchemaError
        A column is missing.
    DataError
        No rows, or an amount twice.
    """
    from bokeh.models import ColumnDataSource, HoverTool

    lang = lang or settings.language()
    table = _amounts(frame, "The curve of tonnes")
    plot = figures.base(alt=alt, height=height, large=large, save_as="citylab_incentive_tonnes")
    top = 0.0
    for quantity, (colour, dash) in LINES.items():
        rows = table.filter(quantity=quantity)
        text = vocabulary.say(f"incentive_{quantity}", lang)
        data: dict[str, Any] = {"x": rows["amount_cny"].to_list()}
        for name, column in (("y", "value"), ("low", "low"), ("high", "high")):
            data[name] = [_KG_PER_T * v for v in _values(table, quantity, column)]
        arrays = [pl.Series(data[c], dtype=pl.Float64).to_numpy() for c in ("x", "low", "high")]
        band = ColumnDataSource(band_outline(*arrays), name=f"{quantity} band")
        plot.patch("x", "y", source=band, color=colour, alpha=0.18, line_width=0)
        drawn = ColumnDataSource(data, name=quantity)
        plot.line("x", "y", source=drawn, line_color=colour, line_width=2, line_dash=dash, legend_label=text)
        marks = plot.scatter("x", "y", source=drawn, size=7, color=colour, legend_label=text)
        tips = [("", text), ("", "@x{0.00}: @y{0,0.00} kg (@low{0,0.00} – @high{0,0.00})")]
        plot.add_tools(HoverTool(renderers=[marks], tooltips=tips))
        top = max([top, *(v for v in data["high"] if math.isfinite(v))])
    level = f"{100 * table['level'][0]:g} %"
    plot.yaxis.axis_label = vocabulary.say("incentive_tonnes_kg", lang)
    _finish(plot, table, lang, f"{vocabulary.say('incentive_interval', lang).format(level)}. {source}".strip(), large)
    figures.legend_above(plot, large, legend, narrow=True)
    return plot
