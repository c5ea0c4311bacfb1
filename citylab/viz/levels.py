"""Bokeh figures of days by the level of an index: a calendar of years, bars that compare rules, a strip of alerts.

The colours of levels are the edition's own, from the frame, and always stand beside the level's name
(:func:`level_key`). As in :mod:`citylab.viz.charts` a figure keeps what it draws in its ``tags``, and :func:`update`
puts another frame into it.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from citylab import settings, vocabulary
from citylab.errors import SchemaError
from citylab.settings import Language
from citylab.viz import charts, figures, numbers, theme

if TYPE_CHECKING:
    from bokeh.plotting import figure

    Columns = dict[str, Any]

ALERT_COLOURS = {"blue": "#2F6BD8", "yellow": "#F2C500", "orange": "#F07800", "red": "#D0021B"}
"""Colours of Beijing's alert levels, which are named after them; the shades are citylab's."""
_DAYS_OF_MONTH = 31
_MONTHS = 12
_ROWS_WITH_LABELS = 14
_CELL = 0.94
_TICKS_OF_STRIP = 3  # the names of plans leave a phone little room
_BAR = 0.74
_NAME_LETTERS = 20
_DIGIT_PX = 8
_DAYS_TICKS = 4


def level_key(levels: pl.DataFrame, *, no_data: str, lang: Language | None = None) -> str:
    """Return the legend of an edition's levels as HTML: colour, name and range of the index.

    Parameters
    ----------
    levels
        Rows of ``index_low``, ``index_high``, ``name_zh``, ``name_en``, ``color``, mildest first.
    no_data
        Words for days without an index.
    lang
        Language; default: the ``CITYLAB_LANG`` setting.

    Examples
    --------
    >>> rows = pl.DataFrame({"index_low": [0], "index_high": [50], "name_zh": ["优"], "name_en": ["Excellent"],
    ...                      "color": ["#00E400"]})
    >>> "Excellent 0–50" in level_key(rows, no_data="missing", lang="en")
    True
    """
    lang = lang or settings.language()
    marks = []
    for row in levels.iter_rows(named=True):
        low, high = row["index_low"], row["index_high"]
        span = f"≥ {low}" if high is None else f"{low}" if low == high else f"{low}–{high}"
        marks.append(("area", row["color"], f"{row[f'name_{lang}']} {span}"))
    return charts.key([*marks, ("area", theme.colour("no_data"), no_data)])


# a calendar of days


def day_calendar(
    frame: pl.DataFrame,
    value: str,
    *,
    colour: str,
    label: str,
    alt: str,
    selected: dt.date | None = None,
    date: str = "date_local",
    lang: Language | None = None,
    height: int = 350,
    large: bool = False,
) -> figure:
    """Return a calendar: a row per month, a cell per day in the colour of its level; days without a value are grey.

    Parameters
    ----------
    frame
        One row per day, in any order.
    value
        Column of the number shown on hovering.
    colour, label
        Columns of the cell's colour (#RRGGBB) and of the name of its level; null where there is none.
    alt
        Text for people who cannot see the picture.
    selected
        Day to outline.
    date
        Column of the day.
    lang, height, large
        As in :func:`citylab.viz.charts.line`.

    Raises
    ------
    SchemaError
        A column is missing.

    Examples
    --------
    >>> days = pl.DataFrame({"date_local": [dt.date(2016, 12, 20)], "aqi": [430], "aqi_color": ["#7E0023"],
    ...                      "aqi_level_name_en": ["Severely polluted"]})
    >>> plot = day_calendar(days, "aqi", colour="aqi_color", label="aqi_level_name_en", alt="One day", lang="en")
    >>> day_at(plot, 20.2, plot.tags[0]["first"])
    datetime.date(2016, 12, 20)
    """
    from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, Range1d

    lang = lang or settings.language()
    spec: dict[str, Any] = {"chart": "calendar", "value": value, "colour": colour, "label": label, "date": date,
                            "lang": lang}  # fmt: skip
    plot = figures.base(
        alt=alt,
        height=height,
        large=large,
        save_as=f"citylab_calendar_{value}",
        x_range=Range1d(0.5, _DAYS_OF_MONTH + 0.5),
        y_range=Range1d(0, 1),
        tags=spec,
    )
    days = ColumnDataSource(name="data")
    chosen = ColumnDataSource(name="selected")
    cells = plot.rect("day", "row", _CELL, _CELL, fill_color="colour", line_width=0, source=days)
    plot.rect("day", "row", 1.0, 1.0, fill_alpha=0, line_color=theme.INK, line_width=2.5, source=chosen)
    plot.xaxis.ticker = FixedTicker(ticks=[1, 5, 10, 15, 20, 25, 30])
    plot.xaxis.axis_label = "日" if lang == "zh" else "Day of the month"
    plot.grid.grid_line_color = None
    plot.yaxis.major_tick_line_color = None
    plot.add_tools(HoverTool(renderers=[cells], tooltips=[("", "@text")]))
    _put_calendar(plot, frame, selected)
    return plot


def _put_calendar(plot: figure, frame: pl.DataFrame, selected: dt.date | None) -> None:
    from bokeh.models import FixedTicker

    spec = plot.tags[0]
    date, value, colour, label = (spec[k] for k in ("date", "value", "colour", "label"))
    figures.need(frame, (date, value, colour, label), "The calendar")
    rows = frame.select(date, value, colour, label).sort(date)
    days = rows[date].to_list()
    months = [_month(d) for d in days]
    first, last = (min(months), max(months)) if months else (0, 0)
    none = vocabulary.say("no_data", spec["lang"])
    figures.source(plot, "data").data = {
        "day": [d.day for d in days],
        "row": months,
        "colour": rows[colour].fill_null(theme.colour("no_data")).to_list(),
        "text": [f"{d}: {none}" if v is None else f"{d}: {v:g} · {name}"
                 for d, v, name in rows.select(date, value, label).iter_rows()],
    }  # fmt: skip
    outlined = selected is not None and first <= _month(selected) <= last
    figures.source(plot, "selected").data = (
        {"day": [selected.day], "row": [_month(selected)]} if outlined and selected else {"day": [], "row": []}
    )
    plot.tags = [{**spec, "first": first, "last": last}]
    plot.y_range.start, plot.y_range.end = last + 0.5, first - 0.5
    every = 1 if last - first < _ROWS_WITH_LABELS else 3 if last - first < 3 * _MONTHS else 6
    ticks = [m for m in range(first, last + 1) if (m % _MONTHS) % every == 0 or every == 1]
    plot.yaxis.ticker = FixedTicker(ticks=ticks)
    plot.yaxis.major_label_overrides = {m: f"{m // _MONTHS}-{m % _MONTHS + 1:02d}" for m in ticks}


def _month(day: dt.date) -> int:
    return day.year * _MONTHS + day.month - 1


def day_at(plot: figure, x: float, y: float) -> dt.date | None:
    """Return the day of a calendar at a point of its axes, such as a tap; ``None`` where there is none.

    Parameters
    ----------
    plot
        What :func:`day_calendar` returned.
    x, y
        Place on the axes.
    """
    day, month = math.floor(x + 0.5), math.floor(y + 0.5)
    spec = plot.tags[0]
    if not spec["first"] <= month <= spec["last"]:
        return None
    try:
        return dt.date(month // _MONTHS, month % _MONTHS + 1, day)
    except ValueError:
        return None


# bars of levels


def level_bars(
    frame: pl.DataFrame,
    category: str,
    count: str,
    *,
    colour: str,
    label: str,
    order: Sequence[str],
    alt: str,
    axis: str,
    lang: Language | None = None,
    height: int = 260,
    large: bool = False,
) -> figure:
    """Return a bar per category, parted into the days of each level, numbers written where there is room.

    Parameters
    ----------
    frame
        One row per category and level, the levels of a category mildest first; days without an index as a row whose
        ``colour`` is null, last.
    category, count
        Columns of the name and of the number of days.
    colour, label
        Columns of the level's colour and name.
    order
        Categories from top to bottom.
    alt
        Text for people who cannot see the picture.
    axis
        Title of the axis.
    lang, height, large
        As in :func:`citylab.viz.charts.line`.

    Raises
    ------
    SchemaError
        A column is missing, or a category is not in ``order``.

    Examples
    --------
    >>> rows = pl.DataFrame({"rule": ["A", "A"], "day_count": [3, 1], "color": ["#00E400", None],
    ...                      "name": ["Good", None]})
    >>> plot = level_bars(rows, "rule", "day_count", colour="color", label="name", order=["A"], alt="", axis="Days",
    ...                   lang="en")
    >>> [float(v) for v in plot.select_one({"name": "data"}).data["right"]]
    [3.0, 4.0]
    """
    from bokeh.models import ColumnDataSource, CustomJS, HoverTool

    lang = lang or settings.language()
    spec = {"chart": "levels", "category": category, "count": count, "colour": colour, "label": label, "lang": lang,
            "order": list(order)}  # fmt: skip
    plot = figures.base(
        alt=alt, height=height, large=large, save_as="citylab_levels", y_range=list(reversed(order)), tags=spec
    )
    source = ColumnDataSource(_levels_data(frame, spec), name="data")
    bars = figures.parted_bars(plot, y="category", height=_BAR, source=source, text="text", large=large)
    plot.xaxis.axis_label = axis
    figures.rows_axis(plot)
    plot.x_range.start = 0
    plot.x_range.range_padding = 0.02
    plot.xaxis.ticker.desired_num_ticks = _DAYS_TICKS
    plot.add_tools(HoverTool(renderers=[bars], tooltips=[("", "@category · @label: @days (@share)")]))
    # How wide a bar is, only the browser knows; on a phone most numbers do not fit.
    fit = CustomJS(args={"source": source, "plot": plot, "px": _DIGIT_PX * (theme.LARGE_PX if large else theme.TEXT_PX)
                         / theme.TEXT_PX}, code=_FIT_TEXT)  # fmt: skip
    plot.js_on_change("inner_width", fit)
    plot.x_range.js_on_change("end", fit)
    source.js_on_change("data", fit)
    return plot


_FIT_TEXT = """
if (plot.properties.inner_width.is_unset) { return; }  // not laid out yet
const {left, right, days, text} = source.data, span = plot.x_range.end - plot.x_range.start;
const shown = days.map((d, i) => (right[i] - left[i]) / span * plot.inner_width >= px * (d.length + 0.5) ? d : "");
if (span > 0 && shown.some((t, i) => t !== text[i])) { source.data = {...source.data, text: shown}; }
"""


def _levels_data(frame: pl.DataFrame, spec: Mapping[str, Any]) -> Columns:
    category, count, colour, label = (spec[k] for k in ("category", "count", "colour", "label"))
    figures.need(frame, (category, count, colour, label), "The bars of levels")
    unknown = sorted(set(frame[category].unique().to_list()) - set(spec["order"]))
    if unknown:
        raise SchemaError(f"The bars of levels have no place for {unknown}; order is {spec['order']}.")
    rows = frame.with_columns(
        __right=pl.col(count).cum_sum().over(category), __all=pl.col(count).sum().over(category)
    ).filter(pl.col(count) > 0)
    right, days = rows["__right"].cast(pl.Float64), rows[count].cast(pl.Float64)
    share = [d / a for d, a in zip(days, rows["__all"], strict=True)]
    colours = rows[colour].fill_null(theme.colour("no_data")).to_list()
    return {
        "category": rows[category].to_list(),
        "left": (right - days).to_list(),
        "right": right.to_list(),
        "middle": (right - days / 2).to_list(),
        "colour": colours,
        "ink": [theme.ink_on(c) for c in colours],
        "days": [numbers.count(int(d)) for d in days],
        "share": [numbers.percent(s) for s in share],
        "label": rows[label].fill_null(vocabulary.say("no_data", spec["lang"])).to_list(),
        "text": [""] * rows.height,
    }


# a strip of alerts


def alert_strip(
    frame: pl.DataFrame,
    category: str,
    *,
    order: Sequence[str],
    start: dt.date,
    end: dt.date,
    alt: str,
    level: str = "alert_level",
    date: str = "date_local",
    value: str = "aqi",
    lang: Language | None = None,
    height: int = 200,
    large: bool = False,
) -> figure:
    """Return a line of days per category, each day that an alert covers as a mark in the alert's colour.

    Parameters
    ----------
    frame
        One row per category and day; days without an alert (null) draw nothing.
    category
        Column of the name, of the plan for example.
    order
        Categories from top to bottom.
    start, end
        First and last day of the axis.
    alt
        Text for people who cannot see the picture.
    level, date, value
        Columns of the alert level, of the day, and of the index shown on hovering.
    lang, height, large
        As in :func:`citylab.viz.charts.line`.

    Raises
    ------
    SchemaError
        A column is missing, or a category is not in ``order``.

    Examples
    --------
    >>> days = pl.DataFrame({"plan": ["2023"] * 2, "date_local": [dt.date(2016, 12, d) for d in (17, 18)],
    ...                      "alert_level": ["red", None], "aqi": [250, 90]})
    >>> plot = alert_strip(days, "plan", order=["2023"], start=dt.date(2016, 12, 1), end=dt.date(2016, 12, 31), alt="",
    ...                    lang="en")
    >>> len(plot.select_one({"name": "data"}).data["left"])
    1
    """
    from bokeh.models import ColumnDataSource, HoverTool, Range1d

    lang = lang or settings.language()
    spec = {"chart": "alerts", "category": category, "level": level, "date": date, "value": value, "lang": lang,
            "order": [figures.folded(name, _NAME_LETTERS) for name in order]}  # fmt: skip
    plot = figures.base(
        alt=alt,
        height=height,
        large=large,
        save_as="citylab_alerts",
        x_axis_type="datetime",
        x_range=Range1d(0, 1),
        y_range=list(reversed(spec["order"])),
        tags=spec,
    )
    source = ColumnDataSource(name="data")
    marks = plot.hbar(y="category", left="left", right="right", height=_BAR, fill_color="colour", line_color="colour",
                      line_width=1, source=source)  # fmt: skip
    figures.date_axis(plot, lang)
    plot.xaxis.ticker.desired_num_ticks = _TICKS_OF_STRIP
    plot.xaxis.formatter.years = "%Y"
    figures.rows_axis(plot)
    plot.add_tools(HoverTool(renderers=[marks], tooltips=[("", "@category · @day: @label · AQI @aqi")]))
    _put_alerts(plot, frame, start, end)
    return plot


def _put_alerts(plot: figure, frame: pl.DataFrame, start: dt.date, end: dt.date) -> None:
    spec = plot.tags[0]
    category, level, date, value = (spec[k] for k in ("category", "level", "date", "value"))
    figures.need(frame, (category, level, date, value), "The strip of alerts")
    names = {name: figures.folded(name, _NAME_LETTERS) for name in frame[category].unique()}
    unknown = sorted(name for name, folded in names.items() if folded not in spec["order"])
    if unknown:
        raise SchemaError(f"The strip of alerts has no place for {unknown}; order is {spec['order']}.")
    rows = frame.filter(pl.col(level).is_not_null(), pl.col(date).is_between(start, end))
    at = figures.ms(rows[date])
    figures.source(plot, "data").data = {
        "category": [names[name] for name in rows[category]],
        "left": at,
        "right": at + figures.MS_PER_DAY,
        "colour": [ALERT_COLOURS[v] for v in rows[level]],
        "label": [vocabulary.say(f"alert_{v}", spec["lang"]) for v in rows[level]],
        "day": rows[date].cast(pl.String).to_list(),
        "aqi": rows[value].to_list(),
    }
    edges = figures.ms(pl.Series([start, end]))
    plot.x_range.start, plot.x_range.end = float(edges[0]), float(edges[1]) + figures.MS_PER_DAY


def update(
    plot: figure,
    frame: pl.DataFrame,
    *,
    selected: dt.date | None = None,
    start: dt.date | None = None,
    end: dt.date | None = None,
) -> None:
    """Put another frame with the same columns into a figure of this module.

    Parameters
    ----------
    plot
        What :func:`day_calendar`, :func:`level_bars` or :func:`alert_strip` returned.
    frame
        Table with the same columns.
    selected
        Day to outline in a calendar.
    start, end
        First and last day of a strip; by default those of the frame.
    """
    spec = plot.tags[0]
    if spec["chart"] == "calendar":
        _put_calendar(plot, frame, selected)
    elif spec["chart"] == "levels":
        figures.source(plot, "data").data = _levels_data(frame, spec)
    else:
        days = frame[spec["date"]]
        _put_alerts(plot, frame, start or days.min(), end or days.max())
