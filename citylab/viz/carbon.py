"""Pictures of carbon: what moved a total, where it flows, what sources say, how certain a map of districts is not.

A source is never joined to another by a line: sources differ in boundary, scope and sectors, which stand in the label.
What is allocated by a proxy says *modelled*. As in :mod:`citylab.viz.charts` a figure keeps what it draws in its
``tags``, and :func:`update` puts another frame into it.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from citylab import settings, vocabulary
from citylab.errors import SchemaError, suggest
from citylab.settings import Language
from citylab.viz import figures, maps, numbers, theme

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pydeck as pdk
    from bokeh.plotting import figure

    Columns = dict[str, Any]

COLOURS = {
    # sectors that the theme does not have
    "buildings": theme.colour("residential"),
    "agriculture": theme.OKABE_ITO["vermilion"],
    # groups of fuels
    "coal": "#4D4D4D",
    "oil": theme.OKABE_ITO["vermilion"],
    "gas": theme.OKABE_ITO["sky"],
    "other_energy": theme.OKABE_ITO["green"],
    "process": theme.OKABE_ITO["purple"],
    # scopes
    "1": theme.OKABE_ITO["blue"],
    "2": theme.OKABE_ITO["orange"],
    "1+2": theme.OKABE_ITO["orange"],
    # directions of a change
    "rise": theme.OKABE_ITO["vermilion"],
    "fall": theme.OKABE_ITO["blue"],
}
"""Colours of sectors, fuels, scopes and directions, beside those of :data:`citylab.viz.theme.COLOURS`."""

KINDS = ("total", "step", "residual")
"""What a bar of a waterfall is: a total from zero, a signed step from where the last ended, or what is left over."""
RESIDUAL_HAIR = 1e-9
"""Share of the total below which what is left over is a rounding error, and 0."""
SERIES_COLOURS = tuple(theme.OKABE_ITO[c] for c in ("blue", "orange", "green", "purple", "vermilion", "sky", "black"))
"""Colours of series of electricity factors, in the order in which they come."""

_TICKS = 3  # of an axis that a phone can hold
_PLAIN = "0,0[.]00"  # numbers of an axis in full, thousands separated
_BAR = 0.62
_ROOM, _ROOM_LARGE = 1.34, 1.7  # of an axis, beyond the longest bar, for the number beside it
_BAR_PX, _BETWEEN_PX = 34, 12
_LABEL, _LABEL_LARGE = 22, 16  # letters of a bar's label in one line
_LINE = 1.4  # height of a line of text, in heights of a letter
_ROW_GAP_PX = 38
_RANGES_ROOM = 1.06
_BELOW = 0.3  # room under the last row, in rows
_BOLD = 0.88  # letters of bold that fit where one of plain does
_TURN = 0.7  # part of the axis behind which words stand before their dot
_BESIDE_PX = 9
_AXIS_PX = 60
_WRAP, _WRAP_LARGE = 48, 36  # letters that fit beside an axis on a phone; a Chinese one counts twice
_FLOW_ALPHA = 0.55
_NODE_WIDTH = 15  # of HoloViews' layout, whose links begin and end at its edges
_TEXT_ROOM = 0.09
_PITCH = 1.75  # of a row of factors, in heights of a letter
_YEAR_BAR = 0.82
_YEAR_ROOM = 0.6
_BREAK_ROOM = 0.08


def colour(name: str) -> str:
    """Return the colour of a sector, group of fuels, scope or direction.

    Examples
    --------
    >>> colour("power") == theme.colour("power"), colour("coal")
    (True, '#4D4D4D')
    """
    return COLOURS[name] if name in COLOURS else theme.colour(name)


def _px(large: bool) -> int:
    return theme.LARGE_PX if large else theme.TEXT_PX


def _cells(frame: pl.DataFrame, value: str, unit: str, lang: Language) -> list[float]:
    return [float(v) for v in figures.scaled(frame[value], unit, lang)]


# a waterfall


def waterfall_rows(
    start: tuple[str, float], steps: Mapping[str, float | None], end: tuple[str, float], *, residual: str | None = None
) -> pl.DataFrame:
    """Return the rows of a waterfall: start, signed steps, what the steps leave over, end.

    Parameters
    ----------
    start, end
        Label and total [t].
    steps
        Signed amounts by label [t]; ``None`` for a step that is known to be there but not how great.
    residual
        Label of what is left over; without it there is no such row, and steps that do not add up are an error.

    Returns
    -------
    polars.DataFrame
        ``label``, ``co2_t`` and ``kind`` (of :data:`KINDS`), ready for :func:`waterfall`. What is left over is 0 where
        it is below a rounding error.

    Raises
    ------
    SchemaError
        The steps do not add up and no label of a residual is given, or a label stands twice.

    Examples
    --------
    >>> waterfall_rows(("2000", 10.0), {"energy": 4.0, "fuels": -1.0}, ("2010", 13.0), residual="residual").rows()
    [('2000', 10.0, 'total'), ('energy', 4.0, 'step'), ('fuels', -1.0, 'step'), ('residual', 0.0, 'residual'),
     ('2010', 13.0, 'total')]
    """
    left = end[1] - start[1] - sum(v or 0.0 for v in steps.values())
    if abs(left) <= RESIDUAL_HAIR * max(abs(start[1]), abs(end[1])):
        left = 0.0
    rows: list[tuple[str, float | None, str]] = [(*start, "total"), *((k, v, "step") for k, v in steps.items())]
    if residual is not None:
        rows.append((residual, left, "residual"))
    elif left:
        raise SchemaError(
            f"The steps from {start[1]:g} to {end[1]:g} leave {left:g} t over. Name it: give residual= a label."
        )
    rows.append((*end, "total"))
    labels = [r[0] for r in rows]
    if len(set(labels)) != len(labels):
        raise SchemaError(f"Each bar of a waterfall needs a label of its own; given are {labels}.")
    return pl.DataFrame(rows, schema={"label": pl.String, "co2_t": pl.Float64, "kind": pl.String}, orient="row")


def waterfall(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    label: str = "label",
    value: str = "co2_t",
    kind: str = "kind",
    alt: str,
    names: Mapping[str, str] | None = None,
    unit: str | None = None,
    lang: Language | None = None,
    height: int | None = None,
    large: bool = False,
) -> figure:
    """Return a waterfall from one total to another: bars lie, so that long labels fit on a phone.

    Totals are grey and begin at 0; a step that raises is vermilion, one that lowers is blue; a step of unknown size is
    a question mark; what is left over is drawn even where it is 0.

    Parameters
    ----------
    frame
        One row per bar from the top down: label, value (signed; null: not quantified) and kind (of :data:`KINDS`).
    label, value, kind
        Columns.
    alt
        Text for people who cannot see the picture.
    names
        ``axis`` for the axis title without unit; default: the vocabulary's label.
    unit, lang, height, large
        As in :func:`citylab.viz.charts.line`; the height follows from the bars unless given.

    Raises
    ------
    SchemaError
        A column is missing, a kind is unknown, or a total has no value.

    Examples
    --------
    >>> rows = waterfall_rows(("2000", 10e6), {"energy": 4e6}, ("2010", 14e6), residual="left over")
    >>> plot = waterfall(rows, alt="From 10 to 14 Mt", lang="zh")
    >>> plot.xaxis.axis_label, plot.y_range.factors
    ('二氧化碳排放 (万吨)', ['2010', 'left over', 'energy', '2000'])
    """
    from bokeh.models import ColumnDataSource, NumeralTickFormatter

    lang = lang or settings.language()
    unit = figures.unit_of(value, unit)
    spec = {"chart": "waterfall", "label": label, "value": value, "kind": kind, "unit": unit, "lang": lang,
            "large": large}  # fmt: skip
    bars, joints = _waterfall_data(figures.collected(frame), spec)
    lines = max((n.count("\n") + 1 for n in bars["label"]), default=1)
    pitch = max(_BAR_PX, lines * _px(large) * _LINE + _BETWEEN_PX)
    height = height or int(pitch * len(bars["label"]) + _AXIS_PX)
    plot = figures.base(alt=alt, height=height, large=large, save_as=f"citylab_waterfall_{value}", tags=spec,
                        y_range=bars["label"][::-1])  # fmt: skip
    source = ColumnDataSource(bars, name="bars")
    plot.segment("x0", "y0", "x1", "y1", source=ColumnDataSource(joints, name="joints"), line_color=theme.MUTED,
                 line_dash="dotted")  # fmt: skip
    plot.hbar(y="label", left="left", right="right", height=_BAR, fill_color="colour", line_color="edge",
              source=source)  # fmt: skip
    figures.write(plot, source=source, x="right", y="label", text="text", x_offset=5, large=large)
    plot.xaxis.axis_label = figures.axis_title(value, unit, lang, (names or {}).get("axis"))
    plot.xaxis.ticker.desired_num_ticks = _TICKS
    plot.xaxis.formatter = NumeralTickFormatter(format=_PLAIN)
    figures.rows_axis(plot)
    _waterfall_range(plot, bars, large)
    return plot


def _waterfall_range(plot: figure, bars: Columns, large: bool) -> None:
    plot.x_range.start = min([0.0, *bars["left"]])
    plot.x_range.end = max([0.0, *bars["right"]]) * (_ROOM_LARGE if large else _ROOM) or 1.0


def _waterfall_data(frame: pl.DataFrame, spec: Mapping[str, Any]) -> tuple[Columns, Columns]:
    label, value, kind = spec["label"], spec["value"], spec["kind"]
    figures.need(frame, (label, value, kind), "The waterfall")
    for told in frame[kind].unique().to_list():
        if told not in KINDS:
            raise suggest(str(told), KINDS, what="kind of bar", see="citylab.viz.carbon.KINDS")
    if frame.filter(pl.col(kind) == "total", pl.col(value).is_null()).height:
        raise SchemaError("A total of the waterfall has no value; only a step may be unknown.")
    width = _LABEL_LARGE if spec["large"] else _LABEL
    labels = [_wrapped(n, width) for n in frame[label]]
    level, left, right, colours, edges, texts, levels = 0.0, [], [], [], [], [], []
    for told, amount, shown in zip(frame[kind], frame[value], _cells(frame, value, spec["unit"], spec["lang"]),
                                   strict=True):  # fmt: skip
        step = 0.0 if amount is None else shown
        start, end = (0.0, step) if told == "total" else (level, level + step)
        left.append(min(start, end))
        right.append(max(start, end))
        level = end
        levels.append(end)
        tone = "reference" if told == "total" else "rise" if step > 0 else "fall"
        colours.append(colour(tone) if told != "residual" else theme.PAPER)
        edges.append(theme.INK if told == "residual" else colour(tone))
        texts.append("?" if amount is None else
                     numbers.quantity(amount, spec["unit"], spec["lang"], sign=told != "total")[0])  # fmt: skip
    joints = {
        "x0": levels[:-1], "x1": levels[:-1], "y0": [(n, -_BAR / 2) for n in labels[:-1]],
        "y1": [(n, _BAR / 2) for n in labels[1:]],
    }  # fmt: skip
    bars = {"label": labels, "left": left, "right": right, "colour": colours, "edge": edges, "text": texts}
    return bars, joints


# sources or editions side by side


def ranges(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    label: str,
    value: str,
    low: str | None = None,
    high: str | None = None,
    detail: str | None = None,
    group: str | None = None,
    missing: str | None = None,
    alt: str,
    names: Mapping[str, str] | None = None,
    unit: str | None = None,
    lang: Language | None = None,
    height: int | None = None,
    large: bool = False,
) -> figure:
    """Return one line per source with a dot and, where it is known, a range: never a line from source to source.

    Parameters
    ----------
    frame
        One row per source, from the top down.
    label, detail
        Columns of its name, and of what it counts (boundary, scope, sectors, year), which is written under the name.
    value, low, high
        Columns of the figure and of the ends of its range; null where there is none.
    group
        Column of codes that give the colour (:func:`colour`), such as the scope.
    missing
        Column of the words that stand under the name of a row without a value, for example how to get it.
    alt
        Text for people who cannot see the picture.
    names
        ``axis`` for the axis title without unit.
    unit, lang, height, large
        As in :func:`citylab.viz.charts.line`; the height follows from the rows unless given.

    Raises
    ------
    SchemaError
        A column is missing, or only one end of the range is named.

    Examples
    --------
    >>> rows = pl.DataFrame({"name": ["A", "B"], "co2_t": [84e6, 152e6], "low": [None, 148e6], "high": [None, 152e6]})
    >>> plot = ranges(rows, label="name", value="co2_t", low="low", high="high", alt="Two sources", lang="en")
    >>> plot.select_one({"name": "rows"}).data["text"]
    ['84.0', '152 (148 to 152)']
    """
    from bokeh.models import ColumnDataSource, NumeralTickFormatter

    if (low is None) != (high is None):
        raise SchemaError("A range has two ends: name both low and high, or neither.")
    lang = lang or settings.language()
    unit = figures.unit_of(value, unit)
    spec = {"chart": "ranges", "label": label, "value": value, "low": low, "high": high, "detail": detail,
            "group": group, "missing": missing, "unit": unit, "lang": lang, "large": large}  # fmt: skip
    data = _ranges_data(figures.collected(frame), spec)
    pitch = (max(data["lines"], default=0) + 1) * _px(large) * _LINE + _ROW_GAP_PX
    height = height or int(pitch * (max(1, len(data["y"])) + _BELOW) + _AXIS_PX)
    plot = figures.base(alt=alt, height=height, large=large, save_as=f"citylab_sources_{value}", tags=spec)
    source = ColumnDataSource(data, name="rows")
    plot.segment("low", "y", "high", "y", source=source, line_width=9, line_color="colour", line_alpha=0.35)
    plot.scatter("value", "y", source=source, size=11, marker="circle", color="colour")
    figures.write(plot, source=source, x="at", y="y", text="text", x_offset="beside", text_align="side", large=large,
                  text_font_style="bold")  # fmt: skip
    figures.write(plot, source=source, x="zero", y="y", text="detail", y_offset="lift", text_baseline="bottom",
                  large=large, text_color=theme.MUTED)  # fmt: skip
    figures.write(plot, source=source, x="zero", y="y", text="label", y_offset="name_lift", text_baseline="bottom",
                  large=large, text_font_style="bold")  # fmt: skip
    plot.xaxis.axis_label = figures.axis_title(value, unit, lang, (names or {}).get("axis"))
    plot.xaxis.ticker.desired_num_ticks = _TICKS
    plot.xaxis.formatter = NumeralTickFormatter(format=_PLAIN)
    plot.yaxis.visible = False
    plot.ygrid.grid_line_color = None
    _ranges_range(plot, data)
    return plot


def _ranges_range(plot: figure, data: Columns) -> None:
    present = [v for c in ("value", "high") for v in data[c] if math.isfinite(v)]
    plot.x_range.start = 0
    plot.x_range.end = max(present, default=1.0) * _RANGES_ROOM or 1.0
    plot.y_range.start, plot.y_range.end = -(len(data["y"]) - 1) - _BELOW, 1


def _wrapped(text: str | None, width: int) -> str:
    """Return a text in lines that fit, broken behind a space or a separator: Chinese has no spaces to break at."""
    lines = [""]
    for part in re.findall(r"[^、，,;；\s]+(?:\s·)?[、，,;；]?\s*", text or ""):
        if lines[-1] and _width(lines[-1] + part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _ranges_data(frame: pl.DataFrame, spec: Mapping[str, Any]) -> Columns:
    label, value, low, high = (spec[k] for k in ("label", "value", "low", "high"))
    figures.need(frame, (label, value, low, high, spec["detail"], spec["group"], spec["missing"]), "The ranges")
    unit, lang = spec["unit"], spec["lang"]
    shown = _cells(frame, value, unit, lang)
    nothing = [math.nan] * frame.height
    lows, highs = (nothing, nothing) if low is None else (_cells(frame, c, unit, lang) for c in (low, high))
    texts = []
    for row in frame.iter_rows(named=True):
        told = numbers.quantity(row[value], unit, lang)[0]
        if low is not None and row[low] is not None and row[high] is not None and row[low] != row[high]:
            ends = numbers.span(row[low], row[high], unit, lang)
            told += f"（{ends}）" if lang == "zh" else f" ({ends})"
        texts.append(told)
    reach = [(lo if math.isfinite(lo) else v, hi if math.isfinite(hi) else v)
            for v, lo, hi in zip(shown, lows, highs, strict=True)]  # fmt: skip
    most = max((hi for _, hi in reach if math.isfinite(hi)), default=1.0)
    # The words stand where there is room: behind the dot, before it in the right half.
    is_left = [lo > most / 2 and hi > most * _TURN for lo, hi in reach]
    at = [(lo if left else hi) if math.isfinite(hi) else 0.0 for (lo, hi), left in zip(reach, is_left, strict=True)]
    codes = frame[spec["group"]].cast(pl.String).to_list() if spec["group"] else ["reference"] * frame.height
    details = frame[spec["detail"]].to_list() if spec["detail"] else [""] * frame.height
    width = _WRAP_LARGE if spec["large"] else _WRAP
    wrapped = [_wrapped(d, width) for d in details]
    labels = [_wrapped(n, int(width * _BOLD)) for n in frame[label]]
    if spec["missing"]:
        for i, (words, known) in enumerate(zip(frame[spec["missing"]], frame[value].is_not_null(), strict=True)):
            if words and not known:
                wrapped[i] = "\n".join(filter(None, [wrapped[i], _wrapped(words, width)]))
    lines = [d.count("\n") + 1 if d else 0 for d in wrapped]
    px, lift = _px(spec["large"]), -(_px(spec["large"]) * 0.5 + 5)
    return {
        "lines": [n + name.count("\n") for n, name in zip(lines, labels, strict=True)],
        "lift": [lift] * frame.height,
        "name_lift": [lift - n * px * _LINE for n in lines],
        "y": [-float(i) for i in range(frame.height)],
        "zero": [0.0] * frame.height,
        "value": shown,
        "low": list(lows),
        "high": list(highs),
        "at": at,
        "side": ["right" if left else "left" for left in is_left],
        "beside": [-_BESIDE_PX if left else _BESIDE_PX for left in is_left],
        "label": labels,
        "detail": wrapped,
        "text": texts,
        "colour": [colour(c) for c in codes],
    }


def source_rows(sources: pl.DataFrame, lang: Language | None = None) -> pl.DataFrame:
    """Return the sources of a reconciliation with one line each on what it counts, for :func:`ranges`.

    Parameters
    ----------
    sources
        ``sources`` of a :class:`citylab.carbon.reconcile.Reconciliation`.
    lang
        Language; default: the ``CITYLAB_LANG`` setting.

    Returns
    -------
    polars.DataFrame
        The rows with ``label`` and ``counts``: year, scope, boundary, sectors.

    Examples
    --------
    >>> rows = pl.DataFrame({"label_en": ["A"], "label_zh": ["甲"], "year": [2019], "scopes": ["1"],
    ...                      "area_boundary": ["administrative"], "sectors": ["power+industry"]})
    >>> source_rows(rows, "en")["counts"].item()
    '2019 · scope 1 · administrative city · Power, Industry'
    """
    lang = lang or settings.language()
    figures.need(sources, (f"label_{lang}", "year", "scopes", "area_boundary", "sectors"), "source_rows")

    told = [
        " · ".join((
            str(r["year"]), vocabulary.say("scope_word", lang) + " " + r["scopes"].replace("+", " + "),
            vocabulary.say_code(r["area_boundary"], lang),
            vocabulary.say("all_sectors", lang) if r["sectors"] == "all" else
            ("、" if lang == "zh" else ", ").join(vocabulary.say_code(s, lang) for s in r["sectors"].split("+")),
        ))
        for r in sources.iter_rows(named=True)
    ]  # fmt: skip
    return sources.with_columns(pl.col(f"label_{lang}").alias("label"), pl.Series("counts", told, dtype=pl.String))


# sectors by year


def sector_years(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    by: str = "sector",
    value: str = "co2_t",
    period: str = "year",
    order: Sequence[str],
    breaks: pl.DataFrame | None = None,
    form: Literal["stacked", "lines"] = "stacked",
    alt: str,
    names: Mapping[str, str] | None = None,
    unit: str | None = None,
    lang: Language | None = None,
    height: int = 320,
    large: bool = False,
    legend: bool = True,
) -> figure:
    """Return yearly bars stacked by category, or a line per category; breaks of the series are labelled lines.

    Parameters
    ----------
    frame
        One row per year and category of ONE source; a year that is missing is a gap.
    by, value, period
        Columns of the category, the value (≥ 0) and the year.
    order
        Categories from the bottom up; words come from the vocabulary, colours from :func:`colour`.
    breaks
        ``year_before``, ``year_after`` and ``label``: where the counting changed.
    form
        ``"stacked"`` shows the total, ``"lines"`` the course of each.
    alt
        Text for people who cannot see the picture.
    names, unit, lang, height, large, legend
        As in :func:`citylab.viz.charts.line`.

    Raises
    ------
    SchemaError
        A column is missing, a category is not in ``order``, stands twice in a year, or a value is negative.

    Examples
    --------
    >>> rows = pl.DataFrame({"year": [2019, 2021], "sector": ["power"] * 2, "co2_t": [3e6, 4e6]})
    >>> plot = sector_years(rows, order=["power"], alt="CO2 by year", form="lines", lang="en")
    >>> [len(y) for y in plot.select_one({"name": "lines"}).data["ys"]]
    [3]
    """
    from bokeh.models import ColumnDataSource, HoverTool, NumeralTickFormatter

    lang = lang or settings.language()
    unit = figures.unit_of(value, unit)
    if form not in ("stacked", "lines"):
        raise suggest(str(form), ("stacked", "lines"), what="form", see="citylab.viz.carbon.sector_years")
    spec = {"chart": "years", "by": by, "value": value, "period": period, "order": list(order), "form": form,
            "unit": unit, "lang": lang}  # fmt: skip
    table = figures.collected(frame)
    plot = figures.base(alt=alt, height=height, large=large, save_as=f"citylab_sectors_{value}", tags=spec)
    name, data = _years_data(table, spec)
    source = ColumnDataSource(data, name=name)
    shown_unit = numbers.reading(unit, lang).unit
    if form == "stacked":
        drawn = plot.vbar(x="x", width=_YEAR_BAR, bottom="bottom", top="top", color="colour", line_width=0,
                          source=source, legend_group="label")  # fmt: skip
        plot.add_tools(HoverTool(renderers=[drawn], tooltips=[("", "@x"), ("", "@label: @text " + shown_unit)]))
    else:
        drawn = plot.multi_line("xs", "ys", color="colour", line_width=2.5, source=source, legend_group="label")
        plot.add_tools(HoverTool(renderers=[drawn], tooltips=[("", "@label")]))
    plot.yaxis.axis_label = figures.axis_title(value, unit, lang, (names or {}).get("axis"))
    plot.xgrid.grid_line_color = None
    plot.xaxis.ticker.min_interval = 1
    plot.xaxis.formatter = NumeralTickFormatter(format="0")
    plot.yaxis.formatter = NumeralTickFormatter(format=_PLAIN)
    _years_range(plot, table, spec)
    if breaks is not None:
        _breaks(plot, breaks, large)
    figures.legend_above(plot, large, legend)
    return plot


def _years_range(plot: figure, table: pl.DataFrame, spec: Mapping[str, Any]) -> None:
    years = table[spec["period"]]
    plot.y_range.start = 0
    if len(years):
        plot.x_range.start, plot.x_range.end = float(years.min()) - _YEAR_ROOM, float(years.max()) + _YEAR_ROOM
        sums = table.group_by(spec["period"]).agg(pl.col(spec["value"]).sum())[spec["value"]]
        top = sums.max() if spec["form"] == "stacked" else table[spec["value"]].max()
        plot.y_range.end = float(top or 0.0) / numbers.reading(spec["unit"], spec["lang"]).divisor * 1.12 or 1.0


def _breaks(plot: figure, breaks: pl.DataFrame, large: bool) -> None:
    """Draw the breaks; their words stand above the bars, on the side with more room."""
    from bokeh.models import Label, Span

    figures.need(breaks, ("year_before", "year_after", "label"), "The breaks")
    plot.y_range.end *= 1 + _BREAK_ROOM * breaks.height
    middle = (plot.x_range.start + plot.x_range.end) / 2
    for i, (before, after, label) in enumerate(breaks.select("year_before", "year_after", "label").iter_rows()):
        at = (before + after) / 2
        side = ("left", 4) if at < middle else ("right", -4)
        plot.add_layout(Span(location=at, dimension="height", line_color=theme.INK, line_dash="dashed", line_width=1.5))
        plot.add_layout(
            Label(x=at, y=plot.y_range.end, text=label, text_align=side[0], text_baseline="top", x_offset=side[1],
                  y_offset=-2 - i * _px(large) * _LINE, text_font=theme.font_stack(), text_font_size=figures.px(large),
                  text_color=theme.INK, background_fill_color=theme.PAPER, background_fill_alpha=0.8)
        )  # fmt: skip


def _years_data(frame: pl.DataFrame, spec: Mapping[str, Any]) -> tuple[str, Columns]:
    by, value, period, order = spec["by"], spec["value"], spec["period"], spec["order"]
    figures.need(frame, (by, value, period), "The years")
    if unknown := sorted(set(frame[by].unique().to_list()) - set(order)):
        raise SchemaError(f"The years have no place for {unknown}; order is {order}. Add or filter them.")
    if frame.filter(pl.col(value) < 0).height:
        raise SchemaError(f"Column {value!r} has negative values: draw sinks apart, stacked bars would hide them.")
    if frame.select(by, period).is_duplicated().any():
        raise SchemaError(f"A {by} stands twice in one {period}: sum the rows, or keep one source.")
    unit, lang = spec["unit"], spec["lang"]
    if spec["form"] == "lines":
        years = range(int(frame[period].min()), int(frame[period].max()) + 1) if frame.height else range(0)
        parts = {c: dict(frame.filter(pl.col(by) == c).select(period, value).iter_rows()) for c in order}
        present = [c for c in order if parts[c]]
        scaled = [figures.scaled(pl.Series([parts[c].get(y) for y in years], dtype=pl.Float64), unit, lang).tolist()
                  for c in present]  # fmt: skip
        return "lines", {"xs": [list(years)] * len(present), "ys": scaled, "colour": [colour(c) for c in present],
                         "label": [vocabulary.say(c, lang) for c in present]}  # fmt: skip
    rows = (
        frame.filter(pl.col(value).is_not_null())
        .with_columns(pl.col(by).cast(pl.Enum(order)))
        .sort(period, by)
        .with_columns(pl.col(value).cum_sum().over(period).alias("_top"))
    )
    top, height = (figures.scaled(rows[c], unit, lang) for c in ("_top", value))
    codes = rows[by].cast(pl.String).to_list()
    return "bars", {
        "x": rows[period].to_list(), "bottom": top - height, "top": top, "colour": [colour(c) for c in codes],
        "label": [vocabulary.say(c, lang) for c in codes],
        "text": [numbers.quantity(v, unit, lang)[0] for v in rows[value]],
    }  # fmt: skip


# flows


def sankey(
    frame: pl.DataFrame | pl.LazyFrame,
    stages: Sequence[str],
    *,
    value: str = "co2_t",
    colour_by: str | None = None,
    words: Mapping[str, str] | None = None,
    alt: str,
    unit: str | None = None,
    lang: Language | None = None,
    height: int = 420,
    large: bool = False,
) -> figure:
    """Return flows from stage to stage, from fuels through sectors to scopes for example; HoloViews lays them out.

    Parameters
    ----------
    frame
        One row per way through all stages; rows with the same way are added up.
    stages
        Two or more columns of codes, from left to right.
    value
        Column of the amount (≥ 0); it is conserved from stage to stage.
    colour_by
        Stage whose codes give the colour of the flows (:func:`colour`); the first by default.
    words
        Words for codes that the vocabulary does not have.
    alt
        Text for people who cannot see the picture.
    unit, lang, height, large
        As in :func:`citylab.viz.charts.line`.

    Raises
    ------
    SchemaError
        A column is missing, a stage has no code, an amount is negative or not finite, or nothing flows.

    Examples
    --------
    >>> rows = pl.DataFrame({"fuel_group": ["coal", "gas"], "sector": ["power"] * 2, "co2_t": [1e6, 3e6]})
    >>> plot = sankey(rows, ["fuel_group", "sector"], alt="Fuels to sectors", lang="en")
    >>> sorted(plot.select_one({"name": "nodes"}).data["text"])
    ['Coal 1.00', 'Gas 3.00', 'Power 4.00']
    """
    from bokeh.models import ColumnDataSource, HoverTool

    lang = lang or settings.language()
    unit = figures.unit_of(value, unit)
    links = _links(figures.collected(frame), list(stages), value, colour_by or stages[0])
    nodes, flows, width = _flows(links, len(stages) - 1, words or {}, unit, lang)
    spec = {"chart": "sankey", "stages": list(stages), "value": value, "unit": unit, "lang": lang}
    plot = figures.base(alt=alt, height=height, large=large, save_as=f"citylab_flows_{value}", tags=spec)
    plot.axis.visible = False
    plot.grid.visible = False
    ribbons = plot.patches("xs", "ys", source=ColumnDataSource(flows, name="flows"), fill_color="colour",
                           fill_alpha=_FLOW_ALPHA, line_width=0, hover_fill_alpha=0.9)  # fmt: skip
    source = ColumnDataSource(nodes, name="nodes")
    plot.quad("left", "right", "bottom", "top", source=source, fill_color=theme.INK, line_width=0)
    figures.write(plot, source=source, x="at", y="height", text="text", x_offset="offset", text_align="align",
                  text_baseline="baseline", large=large, background_fill_color=theme.PAPER,
                  background_fill_alpha=0.72)  # fmt: skip
    shown = numbers.reading(unit, lang).unit
    plot.add_tools(HoverTool(renderers=[ribbons], tooltips=[("", "@way"), ("", "@text " + shown)]))
    plot.x_range.start, plot.x_range.end = 0, width
    low, high = min(nodes["bottom"]), max(nodes["top"])
    plot.y_range.start, plot.y_range.end = low - (high - low) * 0.02, high + (high - low) * _TEXT_ROOM
    return plot


_Link = tuple[str, str, float, str]
"""Node, node, amount and code of the colour; a node is ``<stage>|<code>``."""


def _links(table: pl.DataFrame, stages: list[str], value: str, colour_by: str) -> list[_Link]:
    if len(stages) < 2 or colour_by not in stages:
        raise SchemaError(f"A flow needs two stages or more and the colour of one; given {stages} and {colour_by!r}.")
    figures.need(table, [*stages, value], "The flows")
    if table.select(pl.any_horizontal(pl.col(stages).is_null()).any()).item():
        raise SchemaError(f"A row has no code in one of {stages}. Name it, or leave the row out.")
    bad = table.filter(~pl.col(value).is_finite().fill_null(False) | (pl.col(value) < 0))
    if bad.height:
        raise SchemaError(f"A flow is a finite amount of 0 or more; found {bad.row(0, named=True)}. Draw sinks apart.")
    flowing = table.filter(pl.col(value) > 0)
    if flowing.is_empty():
        raise SchemaError("Nothing flows: every amount is 0. Choose another year or place.")
    found: list[_Link] = []
    for i, (one, other) in enumerate(pairwise(stages)):
        # Ribbons of one pair that differ in colour stay apart, so that a colour can be followed to the end.
        keys = list(dict.fromkeys([colour_by, one, other]))
        for row in flowing.group_by(keys).agg(pl.col(value).sum()).sort(keys).iter_rows(named=True):
            found.append((f"{i}|{row[one]}", f"{i + 1}|{row[other]}", float(row[value]), row[colour_by]))
    return found


def _laid_out(links: list[_Link], names: list[str]) -> list[npt.NDArray[np.float64]]:
    """Return the outline of each link, as HoloViews (its port of d3-sankey) lays them out."""
    import holoviews as hv
    import numpy as np

    at = {n: i for i, n in enumerate(names)}
    edges = [(at[one], at[other], amount, code) for one, other, amount, code in links]
    nodes = hv.Dataset(list(enumerate(names)), "index", "name")
    told = hv.Sankey((edges, nodes), vdims=["value", "colour"])
    outlines = (np.asarray(path.array()[:, :2], dtype=float) for path in told.edgepaths.split())
    return [path[np.isfinite(path[:, 0])] for path in outlines]


def _flows(
    links: list[_Link], last: int, words: Mapping[str, str], unit: str, lang: Language
) -> tuple[Columns, Columns, float]:
    """Return nodes and ribbons as columns, and how wide the picture is."""
    import numpy as np

    def word(node: str) -> str:
        code = node.split("|", 1)[1]
        return words.get(code) or vocabulary.say_code(code, lang)

    names = list(dict.fromkeys(n for link in links for n in link[:2]))
    outlines = _laid_out(links, names)
    # A node is as high as the ends of its links, left of those that leave it, right of those that reach it.
    x_of: dict[str, float] = {}
    ends: dict[str, list[float]] = {n: [] for n in names}
    amounts: dict[str, float] = dict.fromkeys(names, 0.0)
    for (one, other, amount, _), path in zip(links, outlines, strict=True):
        x, y = path[:, 0], path[:, 1]
        for node, edge in ((one, x.min()), (other, x.max())):
            ends[node] += y[np.isclose(x, edge)].tolist()
        x_of[one], x_of[other] = float(x.min()) - _NODE_WIDTH, float(x.max())
        amounts[one] += amount if one.startswith("0|") else 0.0
        amounts[other] += amount
    low, high = {n: min(v) for n, v in ends.items()}, {n: max(v) for n, v in ends.items()}
    right = [x_of[n] + _NODE_WIDTH for n in names]
    is_last = [n.startswith(f"{last}|") for n in names]
    # The last stage is named above its bars, a single bar above the picture: beside them a phone has no room.
    roof = {n: max(high.values()) if sum(is_last) == 1 else high[n] for n in names}
    nodes = {
        "left": [x_of[n] for n in names], "right": right, "at": right,
        "bottom": [low[n] for n in names], "top": [high[n] for n in names],
        "height": [roof[n] if over else (low[n] + high[n]) / 2 for n, over in zip(names, is_last, strict=True)],
        "offset": [0 if over else 5 for over in is_last], "align": ["right" if over else "left" for over in is_last],
        "baseline": ["bottom" if over else "middle" for over in is_last],
        "text": [f"{word(n)} {numbers.quantity(amounts[n], unit, lang)[0]}" for n in names],
    }  # fmt: skip
    flows = {
        "xs": [p[:, 0].tolist() for p in outlines], "ys": [p[:, 1].tolist() for p in outlines],
        "colour": [colour(code) for *_, code in links],
        "way": [f"{word(one)} → {word(other)}" for one, other, *_ in links],
        "text": [numbers.quantity(amount, unit, lang)[0] for _, _, amount, _ in links],
    }  # fmt: skip
    return nodes, flows, max(right)


# electricity factors


def factor_editions(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    value: str = "grid_factor_kgco2_kwh",
    label: str = "label",
    series: str = "series",
    holds: str | None = None,
    selected: str | None = None,
    alt: str,
    unit: str | None = None,
    lang: Language | None = None,
    height: int | None = None,
    large: bool = False,
) -> figure:
    """Return electricity factors under one another, each a dot of its own: series and years are never joined.

    Parameters
    ----------
    frame
        One row per factor: ``label`` (place and years), its series and value.
    value, label, series
        Columns; the series gives the colour (:func:`series_colours`).
    holds
        Boolean column: whether the factor is one of the year in question; others are hollow.
    selected
        Boolean column of the factor in use, which is ringed.
    alt
        Text for people who cannot see the picture.
    unit, lang, height, large
        As in :func:`citylab.viz.charts.line`; the height follows from the rows unless given.

    Raises
    ------
    SchemaError
        A column is missing.

    Examples
    --------
    >>> rows = pl.DataFrame({"label": ["Beijing 2022"], "series": ["average"], "grid_factor_kgco2_kwh": [0.558]})
    >>> factor_editions(rows, alt="One factor", lang="en").xaxis.axis_label
    'Grid emission factor (kg CO2/kWh)'
    """
    from bokeh.models import ColumnDataSource, HoverTool

    lang = lang or settings.language()
    unit = figures.unit_of(value, unit)
    spec = {"chart": "factors", "value": value, "label": label, "series": series, "holds": holds, "selected": selected,
            "unit": unit, "lang": lang}  # fmt: skip
    data = _factors_data(figures.collected(frame), spec)
    rows = max(1, len(data["y"]))
    plot = figures.base(alt=alt, height=height or int(rows * _px(large) * _PITCH + _AXIS_PX), large=large,
                        save_as="citylab_factors", tags=spec)  # fmt: skip
    source = ColumnDataSource(data, name="factors")
    plot.segment(0, "y", "value", "y", source=source, line_color=theme.GRID, line_width=2)
    plot.scatter("value", "y", source=source, size="ring", color=theme.colour("selected"), fill_alpha=0, line_width=2)
    dots = plot.scatter("value", "y", source=source, size=10, line_color="colour", fill_color="fill", line_width=2)
    figures.write(plot, source=source, x="value", y="y", text="text", x_offset=13, large=large)
    plot.add_tools(HoverTool(renderers=[dots], tooltips=[("", "@label · @series"), ("", "@text " + unit)]))
    plot.xaxis.axis_label = figures.axis_title(value, unit, lang)
    plot.xaxis.ticker.desired_num_ticks = _TICKS
    figures.rows_axis(plot)
    _factors_range(plot, data)
    return plot


def _factors_range(plot: figure, data: Columns) -> None:
    plot.x_range.start, plot.x_range.end = 0, max(data["value"], default=1.0) * _ROOM
    plot.y_range.start, plot.y_range.end = -len(data["y"]) + 0.4, 0.6
    plot.yaxis.ticker = data["y"]
    # Two series can have a factor of the same place and year: the axis counts rows, and says their names.
    plot.yaxis.major_label_overrides = dict(zip(data["y"], data["label"], strict=True))


def series_colours(labels: Sequence[str]) -> dict[str, str]:
    """Return a colour for each series, in the order in which they first come.

    Examples
    --------
    >>> series_colours(["a", "b", "a"]) == {"a": SERIES_COLOURS[0], "b": SERIES_COLOURS[1]}
    True
    """
    order = list(dict.fromkeys(labels))
    return {name: SERIES_COLOURS[i % len(SERIES_COLOURS)] for i, name in enumerate(order)}


def _factors_data(frame: pl.DataFrame, spec: Mapping[str, Any]) -> Columns:
    value, label, series, holds, selected = (spec[k] for k in ("value", "label", "series", "holds", "selected"))
    figures.need(frame, (value, label, series, holds, selected), "The factors")
    rows = frame.filter(pl.col(value).is_not_null())
    hues = series_colours(rows[series].to_list())
    colours = [hues[n] for n in rows[series]]
    of_year = rows[holds].to_list() if holds else [True] * rows.height
    return {
        "y": [-i for i in range(rows.height)], "value": rows[value].cast(pl.Float64).to_list(),
        "label": rows[label].to_list(), "series": rows[series].to_list(), "colour": colours,
        "fill": [c if known else theme.PAPER for c, known in zip(colours, of_year, strict=True)],
        # A factor is quoted as it is published: its digits are not citylab's to round.
        "text": [f"{v:g}" for v in rows[value]],
        "ring": [20 if s else 0 for s in (rows[selected] if selected else [False] * rows.height)],
    }  # fmt: skip


# districts


def allocated_map(
    frame: pl.DataFrame,
    boundaries: pl.DataFrame | Sequence[maps.Feature],
    *,
    value: str = "co2_t",
    proxy: str,
    year: int,
    selected: str | None = None,
    no_value: str = "",
    lang: Language | None = None,
    large: bool = False,
) -> pdk.Deck:
    """Return a map of a city's emissions allocated to districts by a proxy, *modelled* in every hover text.

    Parameters
    ----------
    frame
        One row per district: ``adcode`` and the allocated amount; null where the proxy has no figure.
    boundaries
        As in :func:`citylab.viz.maps.district_map`.
    value
        Column of the amount.
    proxy
        By what it was allocated, in words.
    year
        Year of the total.
    selected, no_value, lang, large
        As in :func:`citylab.viz.maps.district_map`.

    Raises
    ------
    SchemaError
        A column is missing.
    """
    lang = lang or settings.language()
    period = f"{year} · {vocabulary.say('modelled', lang)}: {proxy}"
    return maps.district_map(
        frame, value, boundaries, period=period, selected=selected, no_value=no_value, lang=lang, large=large
    )


def update(plot: figure, frame: pl.DataFrame | pl.LazyFrame) -> None:
    """Put another frame into a figure of this module, flows apart; only the data go to the browser.

    Parameters
    ----------
    plot
        What :func:`waterfall`, :func:`ranges`, :func:`sector_years` or :func:`factor_editions` returned.
    frame
        Table with the same columns.

    Raises
    ------
    SchemaError
        A column is missing, or the figure is of another kind.
    """
    table = figures.collected(frame)
    spec: Mapping[str, Any] = plot.tags[0] if plot.tags else {}
    chart = spec.get("chart")
    if chart == "waterfall":
        bars, joints = _waterfall_data(table, spec)
        plot.y_range.factors = bars["label"][::-1]
        figures.source(plot, "joints").data = joints
        figures.source(plot, "bars").data = bars
        _waterfall_range(plot, bars, spec["large"])
    elif chart == "ranges":
        data = _ranges_data(table, spec)
        figures.source(plot, "rows").data = data
        _ranges_range(plot, data)
    elif chart == "years":
        name, data = _years_data(table, spec)
        figures.source(plot, name).data = data
        _years_range(plot, table, spec)
    elif chart == "factors":
        data = _factors_data(table, spec)
        figures.source(plot, "factors").data = data
        _factors_range(plot, data)
    else:
        raise SchemaError(f"A figure of kind {chart!r} is drawn anew, not updated.")
