"""Bokeh figures: a frame in, a figure out, and :func:`update` to put another frame into a figure that is on a page.

Values come in the units of the vocabulary and are drawn in the units people use. Missing values are gaps. A figure
keeps what it draws in its ``tags``, so that new data need only the figure and a frame with the same columns.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from citylab import settings, vocabulary
from citylab.errors import SchemaError
from citylab.settings import Language
from citylab.viz import figures, numbers, theme
from citylab.viz.figures import MS_PER_DAY

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from bokeh.plotting import figure

    Columns = dict[str, Any]

_BAR_SHARE = 0.82
_MONTH_BAR_DAYS = 25
_HEAD_ROOM, _LARGE_HEAD_ROOM = 1.2, 1.4


def key(marks: Sequence[tuple[str, str, str]]) -> str:
    """Return a legend as HTML, which wraps on a narrow page where one inside the picture would be cut.

    Parameters
    ----------
    marks
        Kind (``"line"``, ``"level"`` or ``"area"``), colour and text of each.

    Examples
    --------
    >>> "Power" in key([("area", "#E69F00", "Power")])
    True
    """
    shapes = {
        "line": "width:1.6em;height:2px;vertical-align:.3em",
        "level": "width:1.6em;height:4px;vertical-align:.2em",
        "area": "width:1.1em;height:.9em;vertical-align:-.1em",
    }
    parts = (
        f"<span><span style='display:inline-block;{shapes[kind]};background:{colour}'></span> "
        f"{html.escape(text)}</span>"
        for kind, colour, text in marks
    )
    return f"<div class='key'>{''.join(parts)}</div>"


MARKS = {
    "circle": "<circle cx='6' cy='6' r='5' {}/>",
    "square": "<rect x='1' y='1' width='10' height='10' {}/>",
    "diamond": "<polygon points='6,0.5 10.5,6 6,11.5 1.5,6' {}/>",
    "triangle": "<polygon points='6,1 11,11 1,11' {}/>",
    "inverted_triangle": "<polygon points='6,11 11,1 1,1' {}/>",
}
"""Bokeh's markers as SVG of 12 by 12, each with a place for its paint."""


def mark(shape: str, fill: str, line: str, width: float = 1.0) -> str:
    """Return a marker as SVG for :func:`drawn_key`.

    Parameters
    ----------
    shape
        One of :data:`MARKS`.
    fill, line, width
        Colour within, colour and width [px] of the outline.
    """
    return MARKS[shape].format(f"fill='{fill}' stroke='{line}' stroke-width='{width:g}'")


def drawn_key(marks: Sequence[tuple[str, str]], *, width: int = 12) -> str:
    """Return a legend of drawn marks as HTML, which wraps on a narrow page; none without marks.

    Parameters
    ----------
    marks
        SVG (:func:`mark`) and text of each.
    width
        Width of the drawings [px]; they are 12 high.

    Examples
    --------
    >>> "hot spot" in drawn_key([(mark("triangle", "#D55E00", "#000000"), "hot spot")]), drawn_key([])
    (True, '')
    """
    parts = (
        f"<span><svg width='{width}' height='12' aria-hidden='true'>{svg}</svg> {html.escape(text)}</span>"
        for svg, text in marks
    )
    return f"<div class='key'>{''.join(parts)}</div>" if marks else ""


# a line with a band and levels


def line(
    frame: pl.DataFrame | pl.LazyFrame,
    x: str,
    y: str,
    *,
    low: str | None = None,
    high: str | None = None,
    n: str | None = None,
    levels: pl.DataFrame | None = None,
    names: Mapping[str, str],
    alt: str,
    unit: str | None = None,
    colour: str | None = None,
    lang: Language | None = None,
    height: int = 260,
    large: bool = False,
    legend: bool = True,
) -> figure:
    """Return a line over dates, with an optional band and optional levels; missing values are gaps.

    Parameters
    ----------
    frame
        One row per date, missing dates as rows with nulls.
    x, y
        Columns of the date and of the value.
    low, high
        Columns of the band's edges, both or neither.
    n
        Column of the number behind each value, for the hover text.
    levels
        Rows ``start``, ``end`` (dates), ``value`` (unit of ``y``) and ``label``: horizontal lines such as yearly means.
    names
        What the parts are called in the legend: ``line``, and ``band``, ``levels``, ``n`` where they are used.
    alt
        Text for people who cannot see the picture.
    unit
        Unit of ``y``; default: the vocabulary's unit of the column.
    colour
        Colour; default: that of the column in the theme.
    lang
        Language; default: the ``CITYLAB_LANG`` setting.
    height
        Height [px].
    large
        Larger type.
    legend
        Draw the legend above the picture; a page that has its own (:func:`key`) goes without.

    Raises
    ------
    SchemaError
        A column is missing, or only one edge of the band is named.

    Examples
    --------
    >>> import datetime as dt
    >>> days = pl.DataFrame({"date_local": [dt.date(2014, 1, d) for d in (1, 2)], "pm25_ugm3": [80.0, None]})
    >>> plot = line(days, "date_local", "pm25_ugm3", names={"line": "City mean"}, alt="PM2.5 by day", lang="en")
    >>> plot.yaxis.axis_label
    'PM2.5 (µg/m³)'
    """
    from bokeh.models import ColumnDataSource, HoverTool

    if (low is None) != (high is None):
        raise SchemaError("A band has two edges: name both low and high, or neither.")
    lang = lang or settings.language()
    unit = vocabulary.column(y).unit if unit is None else unit
    colour = colour or theme.colour(y)
    spec = {"chart": "line", "x": x, "y": y, "low": low, "high": high, "n": n, "unit": unit, "lang": lang}
    parts = _line_data(figures.collected(frame), spec, levels)
    plot = figures.base(alt=alt, height=height, large=large, save_as=f"citylab_{y}", x_axis_type="datetime", tags=spec)
    plot.yaxis.axis_label = figures.axis_title(y, unit, lang, names.get("axis"))
    figures.date_axis(plot, lang)
    sources = {k: ColumnDataSource(v, name=k) for k, v in parts.items()}
    if low is not None:
        plot.patch("x", "y", source=sources["band"], color=colour, alpha=0.22, line_width=0, legend_label=names["band"])
    drawn = plot.line("x", "y", source=sources["data"], color=colour, line_width=1, alpha=0.6,
                      legend_label=names["line"])  # fmt: skip
    if levels is not None:
        plot.segment("x0", "y", "x1", "y", source=sources["levels"], color=theme.INK, line_width=3,
                     legend_label=names["levels"])  # fmt: skip
        figures.write(plot, x="x", y="y", text="text", source=sources["levels"], text_align="center",
                      text_baseline="bottom", text_font_style="bold", y_offset=-3, background_fill_color=theme.PAPER,
                      background_fill_alpha=0.75, padding=2, large=large, more=1)  # fmt: skip
    tips = [("", "@x{%F}"), (names["line"], "@y{0,0.0} " + numbers.reading(unit, lang).unit)]
    if low is not None:
        tips.append((names["band"], "@low{0,0.0} – @high{0,0.0}"))
    if n is not None:
        tips.append((names["n"], "@n"))
    plot.add_tools(HoverTool(renderers=[drawn], tooltips=tips, formatters={"@x": "datetime"}, mode="vline"))
    plot.y_range.start = 0
    figures.legend_above(plot, large, legend)
    return plot


def _line_data(frame: pl.DataFrame, spec: Mapping[str, Any], levels: pl.DataFrame | None) -> dict[str, Columns]:
    x, y, low, high, n = (spec[k] for k in ("x", "y", "low", "high", "n"))
    unit, lang = spec["unit"], spec["lang"]
    figures.need(frame, (x, y, low, high, n), "The line")
    at = figures.ms(frame[x])
    data: Columns = {"x": at, "y": figures.scaled(frame[y], unit, lang)}
    parts = {"data": data}
    if n is not None:
        data["n"] = frame[n].cast(pl.Float64).to_numpy()
    if low is not None:
        data |= {"low": figures.scaled(frame[low], unit, lang), "high": figures.scaled(frame[high], unit, lang)}
        parts["band"] = band_outline(at, data["low"], data["high"])
    if levels is not None:
        figures.need(levels, ("start", "end", "value", "label"), "The levels")
        first, last = figures.ms(levels["start"]), figures.ms(levels["end"])
        parts["levels"] = {
            "x0": first,
            "x1": last,
            "x": (first + last) / 2,
            "y": figures.scaled(levels["value"], unit, lang),
            "text": levels["label"].to_list(),
        }
    return parts


def band_outline(x: npt.NDArray[np.float64], low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]) -> Columns:
    """Return one outline per run of complete points, runs parted by NaN: Bokeh's own area draws across gaps.

    A lone point gets the width of a day.

    Examples
    --------
    >>> import numpy as np
    >>> nan = float("nan")
    >>> out = band_outline(np.array([0.0, 1, 2, 3]), np.array([1, 1, nan, 1]), np.array([2, 2, nan, 2]))
    >>> int(np.isnan(out["x"]).sum())
    2
    """
    import numpy as np

    whole = np.isfinite(low) & np.isfinite(high)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], whole.astype(np.int8), [0]])))
    xs: list[npt.NDArray[np.float64]] = []
    ys: list[npt.NDArray[np.float64]] = []
    gap = np.array([np.nan])
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        run, bottom, top = x[start:stop], low[start:stop], high[start:stop]
        if stop - start == 1:
            run = np.array([run[0] - MS_PER_DAY / 2, run[0] + MS_PER_DAY / 2])
            bottom, top = np.repeat(bottom, 2), np.repeat(top, 2)
        xs += [run, run[::-1], gap]
        ys += [top, bottom[::-1], gap]
    return {"x": np.concatenate(xs) if xs else gap, "y": np.concatenate(ys) if ys else gap}


# ranked bars


def ranked(
    frame: pl.DataFrame | pl.LazyFrame,
    category: str,
    value: str,
    *,
    alt: str,
    highlight: str | None = None,
    names: Mapping[str, str] | None = None,
    unit: str | None = None,
    colour: str | None = None,
    lang: Language | None = None,
    height: int = 340,
    large: bool = False,
) -> figure:
    """Return horizontal bars, the greatest on top, each with its value written at its end.

    Parameters
    ----------
    frame
        One row per category; rows without a value are left out.
    category, value
        Columns of the name and of the value.
    alt
        Text for people who cannot see the picture.
    highlight
        Boolean column of the bars to stand out.
    names
        ``axis`` for the axis title without unit; default: the vocabulary's label.
    unit, colour, lang, height, large
        As in :func:`line`.

    Examples
    --------
    >>> rows = pl.DataFrame({"station_name_en": ["A", "B"], "pm25_ugm3": [70.0, 90.0]})
    >>> ranked(rows, "station_name_en", "pm25_ugm3", alt="Two stations", lang="en").y_range.factors
    ['A', 'B']
    """
    from bokeh.models import ColumnDataSource

    lang = lang or settings.language()
    unit = vocabulary.column(value).unit if unit is None else unit
    spec = {"chart": "ranked", "category": category, "value": value, "highlight": highlight, "unit": unit,
            "lang": lang, "colour": colour or theme.colour(value), "large": large}  # fmt: skip
    data = _ranked_data(figures.collected(frame), spec)
    plot = figures.base(
        alt=alt, height=height, large=large, save_as=f"citylab_ranked_{value}", y_range=data["category"], tags=spec
    )
    source = ColumnDataSource(data, name="data")
    plot.hbar(y="category", right="value", height=_BAR_SHARE, fill_color="colour", line_width=0, source=source)
    figures.write(plot, x="value", y="category", text="text", source=source, x_offset=4, large=large)
    title = figures.axis_title(value, unit, lang, (names or {}).get("axis"))
    plot.xaxis.axis_label = figures.folded(title) if large else title
    plot.xaxis.ticker.desired_num_ticks = 4
    figures.rows_axis(plot)
    plot.x_range.start = 0
    plot.x_range.end = _room(data["value"], large=large)
    return plot


def _room(values: Sequence[float], *, large: bool) -> float:
    """Return an axis end that leaves room for the value written beside the longest bar."""
    return max(values, default=1.0) * (_LARGE_HEAD_ROOM if large else _HEAD_ROOM) or 1.0


def _ranked_data(frame: pl.DataFrame, spec: Mapping[str, Any]) -> Columns:
    category, value, highlight = spec["category"], spec["value"], spec["highlight"]
    figures.need(frame, (category, value, highlight), "The ranked bars")
    rows = frame.filter(pl.col(value).is_not_null()).sort(value, category)
    marked = rows[highlight].to_list() if highlight else [False] * rows.height
    return {
        "category": rows[category].to_list(),
        "value": figures.scaled(rows[value], spec["unit"], spec["lang"]).tolist(),
        "text": [numbers.quantity(v, spec["unit"], spec["lang"])[0] for v in rows[value]],
        "colour": [theme.colour("selected") if m else spec["colour"] for m in marked],
    }


# stacked bars


def stacked(
    frame: pl.DataFrame | pl.LazyFrame,
    month: str,
    by: str,
    value: str,
    *,
    order: Sequence[str],
    alt: str,
    names: Mapping[str, str] | None = None,
    unit: str | None = None,
    lang: Language | None = None,
    height: int = 260,
    large: bool = False,
    legend: bool = True,
) -> figure:
    """Return monthly bars stacked by a category, whose words come from the vocabulary and colours from the theme.

    Parameters
    ----------
    frame
        One row per month and category.
    month, by, value
        Columns of the month's first day, the category and the value (≥ 0).
    order
        Categories from the bottom up.
    alt
        Text for people who cannot see the picture.
    names, unit, lang, height, large, legend
        As in :func:`line`.

    Raises
    ------
    SchemaError
        A column is missing, a category is not in ``order``, or a value is negative and cannot be stacked.

    Examples
    --------
    >>> import datetime as dt
    >>> rows = pl.DataFrame({"month_start": [dt.date(2019, 1, 1)], "sector": ["power"], "co2_t": [3e6]})
    >>> plot = stacked(rows, "month_start", "sector", "co2_t", order=["power"], alt="CO2 by month", lang="zh")
    >>> plot.yaxis.axis_label
    '二氧化碳排放 (万吨)'
    """
    from bokeh.models import ColumnDataSource, HoverTool

    lang = lang or settings.language()
    unit = vocabulary.column(value).unit if unit is None else unit
    spec = {"chart": "stacked", "x": month, "by": by, "value": value, "order": list(order), "unit": unit, "lang": lang}
    plot = figures.base(
        alt=alt, height=height, large=large, save_as=f"citylab_{value}", x_axis_type="datetime", tags=spec
    )
    source = ColumnDataSource(_stacked_data(figures.collected(frame), spec), name="data")
    bars = plot.vbar(x="x", width=_MONTH_BAR_DAYS * MS_PER_DAY, bottom="bottom", top="top", color="colour",
                     legend_group="label", line_width=0, source=source)  # fmt: skip
    plot.yaxis.axis_label = figures.axis_title(value, unit, lang, (names or {}).get("axis"))
    figures.date_axis(plot, lang)
    plot.y_range.start = 0
    tips = [("", "@x{%Y-%m}"), ("", "@label: @text " + numbers.reading(unit, lang).unit)]
    plot.add_tools(HoverTool(renderers=[bars], tooltips=tips, formatters={"@x": "datetime"}))
    figures.legend_above(plot, large, legend)
    return plot


def _stacked_data(frame: pl.DataFrame, spec: Mapping[str, Any]) -> Columns:
    month, by, value, order = spec["x"], spec["by"], spec["value"], spec["order"]
    figures.need(frame, (month, by, value), "The stacked bars")
    unknown = sorted(set(frame[by].unique().to_list()) - set(order))
    if unknown:
        raise SchemaError(f"The stacked bars have no place for {unknown}; order is {order}. Add or filter them.")
    if frame.filter(pl.col(value) < 0).height:
        raise SchemaError(f"Column {value!r} has negative values; bars that are stacked would hide them.")
    rows = (
        frame.with_columns(pl.col(by).cast(pl.Enum(order)))
        .sort(month, by)
        .with_columns(pl.col(value).cum_sum().over(month).alias("_top"))
    )
    top = figures.scaled(rows["_top"], spec["unit"], spec["lang"])
    height = figures.scaled(rows[value], spec["unit"], spec["lang"])
    categories = rows[by].cast(pl.String).to_list()
    return {
        "x": figures.ms(rows[month]),
        "bottom": top - height,
        "top": top,
        "colour": [theme.colour(c) for c in categories],
        "label": [vocabulary.say(c, spec["lang"]) for c in categories],
        "text": [numbers.quantity(v, spec["unit"], spec["lang"])[0] for v in rows[value]],
    }


def update(plot: figure, frame: pl.DataFrame | pl.LazyFrame, *, levels: pl.DataFrame | None = None) -> None:
    """Put another frame into a figure of this module; only the data go to the browser.

    Parameters
    ----------
    plot
        What :func:`line`, :func:`ranked` or :func:`stacked` returned.
    frame
        Table with the same columns.
    levels
        As in :func:`line`; where the line had levels they are replaced, by none if this is ``None``.

    Raises
    ------
    SchemaError
        A column is missing.
    """
    table = figures.collected(frame)
    spec: Mapping[str, Any] = plot.tags[0]
    if spec["chart"] == "line":
        had_levels = plot.select_one({"name": "levels"}) is not None
        none = pl.DataFrame(schema={"start": pl.Date, "end": pl.Date, "value": pl.Float64, "label": pl.String})
        parts = _line_data(table, spec, (levels if levels is not None else none) if had_levels else None)
        for name, columns in parts.items():
            figures.source(plot, name).data = columns
    elif spec["chart"] == "ranked":
        data = _ranked_data(table, spec)
        figures.source(plot, "data").data = data
        plot.y_range.factors = data["category"]
        plot.x_range.end = _room(data["value"], large=spec["large"])
    else:
        figures.source(plot, "data").data = _stacked_data(table, spec)


def on_choose(plot: figure, choose: Callable[[str], None]) -> None:
    """Call a function with the category of the bar that a reader clicks, on its bar, its name or its value.

    Parameters
    ----------
    plot
        What :func:`ranked` returned, or another figure whose vertical axis is one of names.
    choose
        Called with the name as it stands on the axis.

    Examples
    --------
    >>> from bokeh.events import Tap
    >>> rows = pl.DataFrame({"station_name_en": ["A", "B"], "pm25_ugm3": [70.0, 90.0]})
    >>> plot = ranked(rows, "station_name_en", "pm25_ugm3", alt="Two stations", lang="en")
    >>> on_choose(plot, print)
    >>> plot._trigger_event(Tap(plot, x=10.0, y=1.5))
    B
    """

    def tapped(event: Any) -> None:
        factors = plot.y_range.factors
        if event.y is not None and 0 <= event.y < len(factors):
            choose(factors[int(event.y)])

    plot.on_event("tap", tapped)
