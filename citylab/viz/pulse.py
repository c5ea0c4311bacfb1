"""Pictures of the daily pulse of carbon: days observed and estimated, errors of the back-test, a spring's anomaly.

Each takes the frame of one function of :mod:`citylab.carbon.pulse`. What was observed is solid, what a model made is
dashed and says so, a gap is a gap. Days that were spread from months carry a line that says whose shape they have.
"""

from __future__ import annotations

import datetime as dt
import math
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from citylab import periods, settings
from citylab.errors import DataError, RangeError, SchemaError
from citylab.settings import Language
from citylab.viz import charts, figures, numbers, theme
from citylab.vocabulary import say, say_code

if TYPE_CHECKING:
    from bokeh.plotting import figure

METHOD_COLOURS = {
    "model": theme.colour("selected"),
    "lunar": theme.OKABE_ITO["blue"],
    "calendar": theme.colour("reference"),
    "last_day": theme.OKABE_ITO["blue"],
    "same_weekday_last_week": theme.OKABE_ITO["green"],
    "same_weekday_last_year": theme.colour("reference"),
    "share": theme.colour("selected"),
    "share_of_same_month": theme.OKABE_ITO["orange"],
    "last_month": theme.OKABE_ITO["blue"],
    "same_month_last_year": theme.colour("reference"),
}
"""Colours of methods: the model stands out, naive ones do not."""
MARKERS = ("circle", "square", "triangle", "diamond")
"""Marks of methods, in the order in which they come, so that colour is not all that tells them apart."""

_SECTORS = ("total", "power", "industry", "ground_transport", "residential", "aviation")
_BAND_ALPHA = 0.22
_HOLIDAY_ALPHA = 0.6
_MARK_PX = 9
_ROW_PX, _EDGE_PX, _LINE_PX = 30, 90, 25
_DODGE = 0.22
_GROUP_PAD = 0.7
_LINE_LETTERS = 46
_ROWS_UPRIGHT = 3  # as many rows as a name written upwards is long
_ROOM = 1.5
_HALF_DAY = figures.MS_PER_DAY / 2


def _colour(sector: str, place: int) -> str:
    if sector == "total":
        return theme.INK
    spare = (theme.OKABE_ITO["blue"], theme.OKABE_ITO["vermilion"], theme.MUTED)
    return theme.COLOURS.get(sector, spare[place % len(spare)])


def _ordered(codes: Sequence[str]) -> list[str]:
    return sorted(codes, key=lambda c: (_SECTORS.index(c) if c in _SECTORS else len(_SECTORS), c))


# days


def pulse_chart(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    by: str = "sector",
    value: str = "co2_t",
    date: str = "date_local",
    last_days: int | None = None,
    holidays: bool = True,
    alt: str | None = None,
    lang: Language | None = None,
    height: int = 360,
    large: bool = False,
    legend: bool = True,
) -> figure:
    """Return daily CO2 by sector: observed solid, estimated dashed with its interval, public holidays shaded.

    Parameters
    ----------
    frame
        What :func:`citylab.carbon.pulse.nowcast` or :func:`citylab.carbon.pulse.disaggregate` gives.
    by, value, date
        Columns of sector, CO2 and day. The bounds stand in ``<value>_low`` and ``<value>_high``.
    last_days
        Draw so many days up to the last one; ``None`` for all.
    holidays
        Shade China's public holidays.
    alt
        Text for people who cannot see the picture; default: made from the numbers.
    lang
        Language; default: the ``CITYLAB_LANG`` setting.
    height
        Height [px].
    large
        Larger type.
    legend
        Draw the legend above the picture.

    Raises
    ------
    SchemaError
        A column is missing.
    DataError
        No rows, or a day of a sector twice.
    RangeError
        ``last_days`` is below 1.

    Examples
    --------
    >>> days = [dt.date(2020, 6, d) for d in (1, 2, 3)]
    >>> told = pl.DataFrame({"date_local": days, "sector": "power", "co2_t": [1.2e7, 1.3e7, 1.25e7],
    ...     "co2_t_low": [None, None, 1.1e7], "co2_t_high": [None, None, 1.4e7], "is_modelled": [False, False, True],
    ...     "level": [None, None, 0.9]})
    >>> plot = pulse_chart(told, lang="en")
    >>> [item.label.value for item in plot.legend[0].items]
    ['Power', 'modelled', '90% interval']
    >>> plot.yaxis.axis_label
    'CO2 emissions (Mt)'
    """
    from bokeh.models import ColumnDataSource, HoverTool

    lang = lang or settings.language()
    if last_days is not None and last_days < 1:
        raise RangeError(f"last_days is {last_days}; expected at least 1 day.")
    spec: dict[str, Any] = {"chart": "pulse", "by": by, "value": value, "date": date, "last_days": last_days,
                            "holidays": holidays, "lang": lang}  # fmt: skip
    rows = _pulse_rows(frame, spec)
    spec["sectors"] = _ordered(rows[by].unique().to_list())
    shown = numbers.reading("t", lang).unit
    notes = _notes(rows, lang)
    plot = figures.base(
        alt=alt or "; ".join([f"{say('pulse', lang)} ({shown})", *_told(rows, spec), *notes]), height=height,
        large=large, save_as="citylab_pulse", tags=spec, x_axis_type="datetime",
    )  # fmt: skip
    sources = {name: ColumnDataSource(columns, name=name) for name, columns in _pulse_data(rows, spec).items()}
    if holidays:
        named = {"legend_label": say("public_holiday", lang)} if len(sources["holidays"].data["x0"]) else {}
        plot.vstrip("x0", "x1", source=sources["holidays"], fill_color=theme.GRID, fill_alpha=_HOLIDAY_ALPHA,
                    line_width=0, level="underlay", **named)  # fmt: skip
    drawn = []
    for place, sector in enumerate(spec["sectors"]):
        colour = _colour(sector, place)
        plot.patch("x", "y", source=sources[f"band_{sector}"], color=colour, alpha=_BAND_ALPHA, line_width=0)
        label = {"legend_label": say_code(sector, lang)}
        drawn.append(plot.line("x", "y", source=sources[f"seen_{sector}"], color=colour, line_width=1.5, **label))
        drawn.append(plot.line("x", "y", source=sources[f"made_{sector}"], color=colour, line_width=1.5,
                               line_dash="dashed"))  # fmt: skip
        # A day between two gaps is no line.
        plot.scatter("x", "y", source=sources[f"lone_{sector}"], color=colour, size=4)
    nothing = [math.nan]
    if rows["is_modelled"].any():
        plot.line(nothing, nothing, color=theme.INK, line_dash="dashed", legend_label=say("pulse_estimate", lang))
    if band := _band_name(rows, lang):
        plot.patch(nothing, nothing, color=theme.INK, alpha=_BAND_ALPHA, legend_label=band)
    tips = [("", "@x{%F} · @sector"), ("", f"@y{{0,0.00}} {shown}"), ("", "@text")]
    plot.add_tools(HoverTool(renderers=drawn, tooltips=tips, formatters={"@x": "datetime"}))
    plot.yaxis.axis_label = figures.axis_title("co2_t", "t", lang)
    figures.date_axis(plot, lang)
    plot.y_range.start = 0
    _lines_below(plot, notes, large)
    figures.legend_above(plot, large, legend, narrow=True)
    return plot


def _lines_below(plot: Any, lines: Sequence[str], large: bool) -> None:
    """Write lines under a picture, broken where a phone would cut them."""
    for line in lines:
        for part in _broken(line):
            figures.text_line(plot, part, "below", large, align="left")


def _broken(line: str) -> list[str]:
    """Return a line in parts that a phone holds; a Chinese letter is as wide as two others."""
    if line.isascii():
        return textwrap.wrap(line, _LINE_LETTERS)
    parts, width = [""], 0
    for letter in line:
        wide = 1 if letter.isascii() else 2
        if width + wide > _LINE_LETTERS:
            parts.append("")
            width = 0
        parts[-1] += letter
        width += wide
    return parts


def update(plot: figure, frame: pl.DataFrame | pl.LazyFrame) -> None:
    """Put another frame into a figure of :func:`pulse_chart`; only the data go to the browser.

    Parameters
    ----------
    plot
        What :func:`pulse_chart` returned.
    frame
        Table with the same columns and no further sector; a sector that it lacks becomes empty.

    Raises
    ------
    SchemaError
        A column is missing, or a sector is new: draw a new figure then.
    """
    spec: Mapping[str, Any] = plot.tags[0]
    rows = _pulse_rows(frame, spec)
    if new := sorted(set(rows[spec["by"]].to_list()) - set(spec["sectors"])):
        raise SchemaError(f"The figure has no line for {new}; it has {spec['sectors']}. Draw it anew with pulse_chart.")
    for name, columns in _pulse_data(rows, spec).items():
        figures.source(plot, name).data = columns
    lang = spec["lang"]
    shown = numbers.reading("t", lang).unit
    figures.say_aloud(plot, "; ".join([f"{say('pulse', lang)} ({shown})", *_told(rows, spec), *_notes(rows, lang)]))


def _pulse_rows(frame: pl.DataFrame | pl.LazyFrame, spec: Mapping[str, Any]) -> pl.DataFrame:
    what, by, value, date = "The pulse", spec["by"], spec["value"], spec["date"]
    rows = figures.rows_of(frame, [date, by, value, f"{value}_low", f"{value}_high", "is_modelled"], what)
    if rows.select(pl.struct(by, date).is_duplicated().any()).item():
        raise DataError(f"{what} has a day of a {by} twice. Filter the frame to one place first.")
    if spec["last_days"] is not None:
        rows = rows.filter(pl.col(date) > rows[date].max() - dt.timedelta(spec["last_days"]))
    return rows.sort(by, date)


def _notes(rows: pl.DataFrame, lang: Language) -> list[str]:
    if "shape_source" not in rows.columns:
        return []
    whose = ", ".join(rows["shape_source"].unique().sort().to_list())
    return [say("pulse_not_observed", lang), f"{say('pulse_shape_of', lang)}: {whose}"]


def _band_name(rows: pl.DataFrame, lang: Language) -> str | None:
    if "level" in rows.columns and (level := rows["level"].max()) is not None:
        return _level(level, lang)
    if "interval" in rows.columns and (rows["interval"] == "range_of_shapes").any():
        return say("range_of_shapes", lang)
    return None


def _level(level: Any, lang: Language) -> str:
    return f"{100 * level:g}% {say('interval_of_level', lang)}"


def _told(rows: pl.DataFrame, spec: Mapping[str, Any]) -> list[str]:
    """Return the last day of each sector in words."""
    lang, value = spec["lang"], spec["value"]
    told = []
    for sector in _ordered(rows[spec["by"]].unique().to_list()):
        known = rows.filter((pl.col(spec["by"]) == sector) & pl.col(value).is_not_null())
        if not known.height:
            continue
        last = known.row(-1, named=True)
        text = numbers.quantity(last[value], "t", lang)[0]
        if last[f"{value}_low"] is not None:
            text += f" [{numbers.span(last[f'{value}_low'], last[f'{value}_high'], 't', lang)}]"
        made = f", {say('pulse_estimate', lang)}" if last["is_modelled"] else ""
        told.append(f"{say_code(sector, lang)} {last[spec['date']]}: {text}{made}")
    return told


def _pulse_data(rows: pl.DataFrame, spec: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    by, value, date, lang = spec["by"], spec["value"], spec["date"], spec["lang"]
    parts: dict[str, dict[str, Any]] = {}
    if spec["holidays"]:
        parts["holidays"] = _holidays(rows[date].min(), rows[date].max())
    empty = rows.clear()
    grouped = {key[0]: own for key, own in rows.partition_by(by, as_dict=True).items()}
    for sector in spec["sectors"]:
        own = grouped.get(sector, empty)
        if own.height:
            days = pl.DataFrame(pl.date_range(own[date].min(), own[date].max(), eager=True).alias(date))
            own = days.join(own, on=date, how="left", maintain_order="left")
        x = figures.ms(own[date])
        y, low, high = (figures.scaled(own[c], "t", lang) for c in (value, f"{value}_low", f"{value}_high"))
        made = own["is_modelled"].fill_null(False).to_numpy()
        seen = np.where(made, math.nan, y)
        # The dashed line begins where the solid one ends.
        joined = np.where(made | np.append(made[1:], False), y, math.nan) if len(y) else y
        about = {
            "x": x, "sector": [say_code(sector, lang)] * len(x),
            "text": [_hover(own, i, value, lang) for i in range(own.height)],
        }  # fmt: skip
        parts[f"seen_{sector}"] = about | {"y": seen}
        parts[f"made_{sector}"] = about | {"y": joined}
        parts[f"band_{sector}"] = charts.band_outline(x, low, high)
        gone = np.isnan(np.concatenate([[math.nan], seen, [math.nan]]))
        lone = ~gone[1:-1] & gone[:-2] & gone[2:]
        parts[f"lone_{sector}"] = {"x": x[lone], "y": seen[lone]}
    return parts


def _hover(rows: pl.DataFrame, i: int, value: str, lang: Language) -> str:
    row = rows.row(i, named=True)
    if row[value] is None:
        return say("missing_day", lang)
    if not row["is_modelled"]:
        return say("observed", lang)
    return f"{say('pulse_estimate', lang)}: {numbers.span(row[f'{value}_low'], row[f'{value}_high'], 't', lang)}"


def _holidays(first: dt.date, last: dt.date) -> dict[str, Any]:
    """Return the runs of public holidays, as far as they are known."""
    try:
        days = periods.calendar(first, last).collect()
    except RangeError:  # days for which no holidays have been announced yet are drawn without
        return {"x0": [], "x1": []}
    ms = figures.ms(days["date_local"])
    is_free = days["is_public_holiday"].to_numpy().astype(np.int8)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_free, [0]])))
    return {"x0": ms[edges[::2]] - _HALF_DAY, "x1": ms[edges[1::2] - 1] + _HALF_DAY}


# the back-test


def backtest_chart(
    scores: pl.DataFrame | pl.LazyFrame,
    *,
    by: str = "sector",
    alt: str | None = None,
    lang: Language | None = None,
    height: int | None = None,
    large: bool = False,
    legend: bool = True,
) -> figure:
    """Return the errors of a back-test: one row per sector and lead, one mark per method, coverage written beside.

    Parameters
    ----------
    scores
        ``scores`` of :func:`citylab.carbon.pulse.backtest` or :func:`citylab.carbon.pulse.backtest_months`.
    by
        Column of the sector.
    alt, lang, large, legend
        As in :func:`pulse_chart`.
    height
        Height [px]; default: by the number of rows.

    Raises
    ------
    SchemaError
        A column is missing.
    DataError
        No rows, or a method twice in a row of the picture.

    Examples
    --------
    >>> rows = pl.DataFrame({"sector": "power", "lead_days": 1, "method": ["model", "last_day"], "wape": [0.03, 0.033],
    ...                      "coverage": [0.83, None], "level": [0.9, None]})
    >>> plot = backtest_chart(rows, lang="en")
    >>> plot.y_range.factors
    [('Power', '1 d ahead')]
    """
    from bokeh.models import ColumnDataSource, FactorRange, HoverTool

    lang = lang or settings.language()
    what = "The back-test"
    rows = figures.rows_of(scores, [by, "lead_days", "method", "wape", "coverage", "level"], what)
    figures.need_one_group(rows, [by, "lead_days", "method"], what)
    untold: list[str] = []
    if "remark" in rows.columns:
        untold = [
            say_code(s, lang) for s in rows.filter(pl.col("remark").is_not_null())[by].unique(maintain_order=True)
        ]
        rows = rows.filter(pl.col("remark").is_null())
        if rows.is_empty():
            raise DataError(f"{what} has nothing to draw: {', '.join(untold)}: {say('pulse_constant_share', lang)}.")
    has_leads = rows["lead_days"].n_unique() > 1 or not rows["method"].is_in(["share"]).any()
    sectors = _ordered(rows[by].unique().to_list())
    leads = rows["lead_days"].unique().sort().to_list()

    def factor(sector: str, lead: int) -> Any:
        return (say_code(sector, lang), f"{lead} {say('days_ahead', lang)}") if has_leads else say_code(sector, lang)

    places = [factor(s, h) for s in sectors for h in leads if rows.filter(**{by: s, "lead_days": h}).height][::-1]
    methods = rows["method"].unique(maintain_order=True).to_list()
    best = rows.sort("wape").unique([by, "lead_days"], keep="first", maintain_order=True)
    told = [
        f"{' '.join(np.atleast_1d(factor(r[by], r['lead_days'])))}: {say_code(r['method'], lang, 'pulse_')} "
        f"{numbers.percent(r['wape'])}"
        for r in best.sort(by, "lead_days").iter_rows(named=True)
    ]
    plot = figures.base(
        alt=alt or f"{say('pulse_backtest', lang)}; " + "; ".join(told), large=large, save_as="citylab_pulse_backtest",
        height=height or _tall(_ROW_PX * len(places), len(methods) + len(untold) * 2 + 1),
        tags={"chart": "pulse_backtest", "lang": lang},
        y_range=FactorRange(*places, group_padding=_GROUP_PAD),
    )  # fmt: skip
    drawn = []
    for k, method in enumerate(methods):
        own = rows.filter(method=method)
        source = ColumnDataSource(
            {
                "place": [factor(r[by], r["lead_days"]) for r in own.iter_rows(named=True)],
                "wape": own["wape"].to_numpy() * 100,
                "name": [say_code(method, lang, "pulse_")] * own.height,
                "text": [_covered(r, lang) for r in own.iter_rows(named=True)],
            },
            name=method,
        )
        drawn.append(
            plot.scatter(
                "wape",
                "place",
                source=source,
                size=_MARK_PX,
                marker=MARKERS[k % len(MARKERS)],
                color=METHOD_COLOURS.get(method, theme.MUTED),
                fill_alpha=1.0 if k == 0 else 0.35,
                legend_label=say_code(method, lang, "pulse_"),
            )
        )
    most = float(rows["wape"].max()) * 100  # type: ignore[arg-type]
    plot.x_range.start, plot.x_range.end = 0, max(most, 1.0) * _ROOM
    covered = rows.filter(pl.col("coverage").is_not_null())
    texts = ColumnDataSource(
        {"place": [factor(r[by], r["lead_days"]) for r in covered.iter_rows(named=True)],
         "x": [most * _ROOM] * covered.height, "text": [_covered(r, lang) for r in covered.iter_rows(named=True)]},
        name="covered",
    )  # fmt: skip
    figures.write(plot, x="x", y="place", text="text", source=texts, text_align="right", large=large)
    plot.add_tools(HoverTool(renderers=drawn, tooltips=[("", "@name"), ("", "@wape{0.0} %"), ("", "@text")]))
    plot.xaxis.axis_label = f"{say('wape', lang)}, %"
    _named_rows(plot, large)
    lines = [f"{sector}: {say('pulse_constant_share', lang)}" for sector in untold]
    _lines_below(plot, ([f"% / %: {say('covered', lang)}"] if covered.height else []) + lines, large)
    figures.legend_above(plot, large, legend, narrow=True)
    return plot


def _covered(row: Mapping[str, Any], lang: Language) -> str:
    if row["coverage"] is None:
        return ""
    return f"{100 * row['coverage']:.0f}% / {100 * row['level']:g}%"


def _tall(rows_px: int, lines: int) -> int:
    """Return a height that leaves the rows their room beside a legend and lines of text."""
    return _EDGE_PX + rows_px + _LINE_PX * lines


def _named_rows(plot: Any, large: bool) -> None:
    from bokeh.models import FactorRange

    figures.rows_axis(plot)
    if isinstance(plot.y_range, FactorRange) and isinstance(plot.y_range.factors[0], tuple | list):
        for axis in plot.yaxis:
            axis.group_text_font = theme.font_stack()
            axis.group_text_font_size = figures.px(large)
            axis.group_text_color = theme.INK
            few = min(Counter(group for group, _ in plot.y_range.factors).values()) < _ROWS_UPRIGHT
            axis.group_label_orientation = "horizontal" if few else "parallel"
            axis.separator_line_color = theme.GRID


# what was to be expected


def anomaly_chart(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    by: str = "sector",
    names: Mapping[str, str] | None = None,
    alt: str | None = None,
    lang: Language | None = None,
    height: int | None = None,
    large: bool = False,
    legend: bool = True,
) -> figure:
    """Return how far periods lay from what was to be expected, in per cent, by each measure with its spread.

    Parameters
    ----------
    frame
        What :func:`citylab.carbon.pulse.anomaly` gives, filtered to what is to be drawn.
    by
        Column of the sector.
    names
        What periods are called, by their codes; default: the labels of the declared table.
    alt, lang, large, legend
        As in :func:`pulse_chart`.
    height
        Height [px]; default: by the number of rows.

    Raises
    ------
    SchemaError
        A column is missing.
    DataError
        No rows, or a measure twice in a row of the picture.

    Examples
    --------
    >>> rows = pl.DataFrame({"sector": "power", "period": "march", "method": ["model", "lunar"], "level": [0.9, None],
    ...     "difference_share": [-0.1, -0.06], "difference_share_low": [-0.16, -0.14],
    ...     "difference_share_high": [-0.02, 0.0], "interval": ["model", "placebo_range"]})
    >>> plot = anomaly_chart(rows, lang="en")
    >>> plot.y_range.factors
    [('Power', 'March')]
    """
    from bokeh.models import ColumnDataSource, FactorRange, HoverTool, Span
    from bokeh.transform import dodge

    from citylab import tables

    lang = lang or settings.language()
    what = "The anomaly"
    share = "difference_share"
    rows = figures.rows_of(frame, [by, "period", "method", share, f"{share}_low", f"{share}_high", "interval"], what)
    figures.need_one_group(rows, [by, "period", "method"], what)
    declared = tables.read("carbon_pulse_periods").select("period", f"label_{lang}").iter_rows()
    called = dict(declared) | dict(names or {})
    sectors = _ordered(rows[by].unique().to_list())
    order = rows["period"].unique(maintain_order=True).to_list()

    def factor(sector: str, period: str) -> tuple[str, str]:
        return (say_code(sector, lang), called.get(period, period))

    places = [factor(s, p) for s in sectors for p in order if rows.filter(**{by: s, "period": p}).height][::-1]
    methods = rows["method"].unique(maintain_order=True).to_list()
    told = [
        f"{' '.join(factor(r[by], r['period']))}, {say_code(r['method'], lang, 'pulse_expected_')}: "
        f"{numbers.percent(r[share], sign=True)}"
        for r in rows.iter_rows(named=True)
    ]
    plot = figures.base(
        alt=alt or f"{say('difference_share', lang)}; " + "; ".join(told), large=large,
        save_as="citylab_pulse_anomaly", height=height or _tall(2 * _ROW_PX * len(places), 3 * len(methods)),
        tags={"chart": "pulse_anomaly", "lang": lang}, y_range=FactorRange(*places, group_padding=_GROUP_PAD),
    )  # fmt: skip
    plot.add_layout(Span(location=0, dimension="height", line_color=theme.MUTED, line_width=1))
    drawn = []
    for k, method in enumerate(methods):
        own = rows.filter(method=method)
        source = ColumnDataSource(
            {
                "place": [factor(r[by], r["period"]) for r in own.iter_rows(named=True)],
                "x": _percent(own[share]), "low": _percent(own[f"{share}_low"]), "high": _percent(own[f"{share}_high"]),
                "name": [say_code(method, lang, "pulse_expected_")] * own.height,
                "spread": [_spread_name(r, lang) for r in own.iter_rows(named=True)],
            },
            name=method,
        )  # fmt: skip
        colour = METHOD_COLOURS.get(method, theme.MUTED)
        y = dodge("place", _DODGE * ((len(methods) - 1) / 2 - k), range=plot.y_range)
        plot.segment("low", y, "high", y, source=source, color=colour, line_width=3, line_alpha=0.5)
        drawn.append(plot.scatter("x", y, source=source, size=_MARK_PX, marker=MARKERS[k % len(MARKERS)], color=colour,
                                  legend_label=say_code(method, lang, "pulse_expected_")))  # fmt: skip
    tips = [("", "@name"), ("", "@x{+0.0} %"), ("@spread", "@low{+0.0} … @high{+0.0} %")]
    plot.add_tools(HoverTool(renderers=drawn, tooltips=tips))
    plot.xaxis.axis_label = f"{say('difference_share', lang)}, %"
    _named_rows(plot, large)
    spreads = dict.fromkeys(_spread_name(r, lang) for r in rows.iter_rows(named=True))
    _lines_below(plot, [said for said in spreads if said], large)
    figures.legend_above(plot, large, legend, narrow=True)
    return plot


def _percent(values: pl.Series) -> Any:
    return values.cast(pl.Float64).fill_null(math.nan).to_numpy() * 100


def _spread_name(row: Mapping[str, Any], lang: Language) -> str:
    """Say what the bar of a measure is: the level of a model's interval, or the spread of quiet days."""
    measure = say_code(row["method"], lang, "pulse_expected_")
    if row["interval"] == "placebo_range":
        return f"{measure}: {say('spread_of_quiet_days', lang)}"
    level = row.get("level")
    return f"{measure}: {_level(level, lang)}" if level is not None else ""
