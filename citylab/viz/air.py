"""Pictures of the air: roses, polar plots, cycles, calendars, trends and Taylor diagrams as Bokeh figures.

Each takes the frame of one function of :mod:`citylab.air` and returns a figure with unit, legend and text in one of two
languages. A frame with several groups is filtered to one first; the error says so. Missing values are gaps or grey.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from citylab import settings
from citylab.errors import DataError, SchemaError
from citylab.settings import Language
from citylab.viz import charts, figures, numbers, theme
from citylab.vocabulary import say

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr
    from bokeh.plotting import figure

    Floats = npt.NDArray[np.float64]

COMPASS = (("compass_n", 0.0), ("compass_e", 90.0), ("compass_s", 180.0), ("compass_w", 270.0))
LINES = (
    *(theme.OKABE_ITO[c] for c in ("blue", "vermilion", "green", "orange", "purple", "sky", "black")),
    theme.MUTED,
)
"""Colours of lines that are no pollutants."""
PETAL_SHARE = 0.9
CORRELATIONS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.99)
"""Rays of a Taylor diagram."""
MONTH_COLUMNS = 4
_WEEK, _WEEKS = 7, 6
_ROOM = 1.16  # of the radius, for the letters of the compass
_LABEL_ANGLE = 337.5
_DAYS_PER_YEAR = 365  # as in citylab.air.trends, whose slopes are drawn here
_ARC = np.linspace(0, 2 * np.pi, 181)
_SMALL_PX = 10
_VEIL = 0.55  # opacity of what fades the cells beyond the stations
_LABEL_PX, _PICTURE_SHARE = (24, 13), 1.35  # of a value on a map; the picture's height over that of the map within


def _colour(column: str) -> str:
    return theme.COLOURS.get(column, LINES[0])


def _steps(count: int) -> list[str]:
    """Return colours from light to dark, as many as classes."""
    return [theme.SEQUENTIAL[round(i)] for i in np.linspace(0, len(theme.SEQUENTIAL) - 1, max(count, 2))][:count]


# round pictures


def _text(plot: Any, x: Any, y: Any, text: Any, *, large: bool, small: bool = False, **how: Any) -> None:
    if isinstance(text, str):
        x, y, text = [x], [y], [text]
    size = {"text_font_size": f"{_SMALL_PX}px"} if small and not large else {}
    figures.write(plot, x=x, y=y, text=list(text), large=large, **({"text_align": "center"} | size | how))


def _compass(plot: Any, top: float, rings: Sequence[float], labels: Sequence[str], lang: Language, large: bool) -> None:
    """Draw rings with their labels, and the four winds around them."""
    for radius in rings:
        plot.line(radius * np.sin(_ARC), radius * np.cos(_ARC), color=theme.MUTED, line_alpha=0.5, line_width=1)
    for _, turn in COMPASS[:2]:
        x, y = top * math.sin(math.radians(turn)), top * math.cos(math.radians(turn))
        plot.line([-x, x], [-y, y], color=theme.MUTED, line_alpha=0.5, line_width=1)
    at = math.radians(_LABEL_ANGLE)
    _text(plot, [r * math.sin(at) for r in rings], [r * math.cos(at) for r in rings], labels, large=large, small=True,
          background_fill_color=theme.PAPER, background_fill_alpha=0.85, padding=1)  # fmt: skip
    middle = (1 + _ROOM) / 2 * top
    for word, turn in COMPASS:
        a = math.radians(turn)
        _text(plot, middle * math.sin(a), middle * math.cos(a), say(word, lang), large=large, text_font_style="bold")


def _rings(top: float, count: int = 5) -> list[float]:
    """Return rising round numbers, the last at or above ``top``."""
    if not top > 0:
        return [1.0]
    rough = top / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * (1 - 1e-9))
    return [step * i for i in range(1, math.ceil(top / step - 1e-9) + 1)]


def _clockwise(middle: Floats, width: Floats | float) -> tuple[Floats, Floats]:
    """Return start and end angle of sectors in Bokeh's sense, counter-clockwise from east [radians]."""
    return np.pi / 2 - np.radians(middle + np.asarray(width) / 2), np.pi / 2 - np.radians(
        middle - np.asarray(width) / 2
    )


def _bearing(degrees: float) -> str:
    return f"{degrees:g}°"


def rose(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    alt: str | None = None,
    lang: Language | None = None,
    height: int = 460,
    large: bool = False,
    legend: bool = True,
) -> figure:
    """Return a wind rose: spokes as long as the wind's share, pointing to where it comes from.

    Parameters
    ----------
    frame
        What :func:`citylab.air.roses.wind_rose` gives, one group.
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
        No rows, or several groups.

    Examples
    --------
    >>> from citylab.air.roses import wind_rose
    >>> wind = pl.DataFrame({"wind_speed_ms": [1.0, 3.0], "wind_direction_deg": [0.0, 90.0]})
    >>> plot = rose(wind_rose(wind), lang="en")
    >>> [item.label.value for item in plot.legend[0].items]
    ['0–2 m/s', '2–4 m/s']
    """
    from bokeh.models import ColumnDataSource, HoverTool

    what = "The rose"
    lang = lang or settings.language()
    cell = ["sector_deg", "speed_from_ms"]
    rows = figures.rows_of(
        frame, [*cell, "sector_width_deg", "speed_to_ms", "share", "n", "calm_share", "n_total"], what
    )
    figures.need_one_group(rows, cell, what)
    rows = rows.sort(cell).with_columns(pl.col("share").fill_null(0.0))
    rows = rows.with_columns(pl.col("share").cum_sum().over("sector_deg").alias("outer"))
    spokes = rows.group_by("sector_deg", maintain_order=True).agg(pl.col("share").sum())
    first = rows.row(0, named=True)
    most = spokes.sort("share").row(-1, named=True)
    notes = [
        f"{say('calm', lang)} {numbers.percent(first['calm_share'])}",
        f"{numbers.count(first['n_total'])} {say('record_count', lang)}",
    ]
    if first.get("is_corrected"):
        notes.append(say("corrected_for_rounding", lang))
    told = f"{say('most_from', lang)} {_bearing(most['sector_deg'])} ({numbers.percent(most['share'])})"
    rings = _rings(most["share"])
    top = rings[-1]
    span = top * _ROOM
    plot = figures.square(
        alt=alt or "; ".join([say("wind_rose", lang), told, *notes]),
        height=height,
        large=large,
        save_as="citylab_wind_rose",
        box=(-span, span, -span, span),
        tags={"chart": "rose", "lang": lang},
    )
    classes = rows["speed_from_ms"].unique().sort().to_list()
    drawn = []
    for start, colour in zip(classes, _steps(len(classes)), strict=True):
        part = rows.filter((pl.col("speed_from_ms") == start) & (pl.col("share") > 0))
        if part.is_empty():
            continue
        stop = part["speed_to_ms"][0]
        label = f"> {start:g} m/s" if stop is None else f"{start:g}–{stop:g} m/s"
        turn = _clockwise(part["sector_deg"].to_numpy(), part["sector_width_deg"].to_numpy() * PETAL_SHARE)
        source = ColumnDataSource(
            {
                "inner": (part["outer"] - part["share"]).to_numpy(),
                "outer": part["outer"].to_numpy(),
                "start": turn[0],
                "end": turn[1],
                "from": [_bearing(d) for d in part["sector_deg"]],
                "speed": [label] * part.height,
                "share": [numbers.percent(s) for s in part["share"]],
                "n": part["n"].to_numpy(),
            },
            name=f"class_{start:g}",
        )
        drawn.append(
            plot.annular_wedge(
                x=0,
                y=0,
                inner_radius="inner",
                outer_radius="outer",
                start_angle="start",
                end_angle="end",
                source=source,
                fill_color=colour,
                line_color=theme.PAPER,
                line_width=0.5,
                legend_label=label,
            )
        )
    _compass(plot, top, rings, [f"{100 * r:g}%" for r in rings], lang, large)
    plot.add_tools(
        HoverTool(renderers=drawn, tooltips=[("", "@from · @speed"), ("", f"@share {say('of_records', lang)}")])
    )
    figures.text_line(plot, " · ".join(notes), "below", large)
    figures.legend_above(plot, large, legend and bool(drawn), narrow=True)
    return plot


def polar(
    frame: pl.DataFrame | pl.LazyFrame,
    value: str,
    *,
    unit: str | None = None,
    limits: tuple[float, float] | None = None,
    alt: str | None = None,
    lang: Language | None = None,
    height: int = 460,
    large: bool = False,
) -> figure:
    """Return a bivariate polar plot: colour by direction (where the wind comes from) and speed (from the middle out).

    Parameters
    ----------
    frame
        What :func:`citylab.air.roses.bivariate_polar` gives, one group, any method.
    value
        Column drawn: the concentration, ``"cpf_share"``, or ``"low"``, ``"high"``, ``"n"``.
    unit
        Unit of the value; default: the vocabulary's.
    limits
        Ends of the colours; default: least and greatest value. Give the same to pictures that are to be compared.
    alt, lang, height, large
        As in :func:`rose`.

    Raises
    ------
    SchemaError
        A column is missing.
    DataError
        No rows, several groups, or no value at all.

    Examples
    --------
    >>> from citylab.air.roses import bivariate_polar
    >>> hours = pl.DataFrame({"wind_speed_ms": [1.0, 3.0], "wind_direction_deg": [0.0, 90.0], "pm25_ugm3": [9.0, 80.0]})
    >>> plot = polar(bivariate_polar(hours, "pm25_ugm3", method="bins"), "pm25_ugm3", lang="en")
    >>> plot.select_one({"name": "colours"}).title
    'PM2.5 (µg/m³)'
    """
    from bokeh.models import ColumnDataSource, HoverTool

    what = "The polar plot"
    lang = lang or settings.language()
    place = ["u_ms", "v_ms"]
    needed = [*place, "method", "wind_speed_ms", "wind_direction_deg", "speed_width_ms", "direction_width_deg", "n"]
    rows = figures.rows_of(frame, [*needed, value], what)
    figures.need_one_group(rows, ["wind_speed_ms", "wind_direction_deg"] if rows["method"][0] != "gam" else place, what)
    told = rows.filter(pl.col(value).is_not_null())
    if told.is_empty():
        raise DataError(f"{what} has nothing to draw: every {value!r} is null. Look at n, or widen exclude_share.")
    unit = figures.unit_of(value, unit)
    title = say("conditional_probability", lang) if value == "cpf_share" else figures.axis_title(value, unit, lang)
    peak = told.sort(value).row(-1, named=True)
    at = f"{_bearing(round(peak['wind_direction_deg']))}, {numbers.figures(peak['wind_speed_ms'], digits=2)} m/s"
    note = f"{say('highest_at', lang)} {at}: {numbers.figures(peak[value])}"
    caution = say("not_a_place", lang)
    is_image = rows["method"][0] == "gam"
    far = rows["u_ms"].max() if is_image else (rows["wind_speed_ms"] + rows["speed_width_ms"] / 2).max()
    reach = float(far)  # type: ignore[arg-type]
    rings = [r for r in _rings(reach) if r <= reach * (1 + 1e-9)]
    span = reach * _ROOM
    plot = figures.square(
        alt=alt or f"{say('polar_plot', lang)}: {title}; {note}; {caution}",
        height=height,
        large=large,
        save_as=f"citylab_polar_{value}",
        box=(-span, span, -span, span),
        tags={"chart": "polar", "value": value, "lang": lang},
    )
    low, high = limits or (float(told[value].min()), float(told[value].max()))  # type: ignore[arg-type]
    mapper = figures.colours_between(low, high)
    if is_image:
        grid = rows.sort("v_ms", "u_ms")
        side = grid["u_ms"].n_unique()
        source = ColumnDataSource(
            {k: [grid[c].cast(pl.Float64).fill_null(math.nan).to_numpy().reshape(side, side)]
             for k, c in (("value", value), ("speed", "wind_speed_ms"), ("from", "wind_direction_deg"), ("n", "n"))},
            name="data",
        )  # fmt: skip
        half = reach / (side - 1)
        drawn = plot.image(image="value", x=-reach - half, y=-reach - half, dw=2 * (reach + half),
                           dh=2 * (reach + half), color_mapper=mapper, source=source)  # fmt: skip
    else:
        shade = {"field": "value", "transform": mapper}
        start, end = _clockwise(told["wind_direction_deg"].to_numpy(), told["direction_width_deg"].to_numpy())
        width = told["speed_width_ms"] / 2
        source = ColumnDataSource(
            {
                "inner": (told["wind_speed_ms"] - width).clip(lower_bound=0).to_numpy(),
                "outer": (told["wind_speed_ms"] + width).to_numpy(),
                "start": start,
                "end": end,
                "value": told[value].to_numpy(),
                "speed": told["wind_speed_ms"].to_numpy(),
                "from": told["wind_direction_deg"].to_numpy(),
                "n": told["n"].to_numpy(),
            },
            name="data",
        )
        drawn = plot.annular_wedge(x=0, y=0, inner_radius="inner", outer_radius="outer", start_angle="start",
                                   end_angle="end", source=source, line_width=0.7, line_color=shade,
                                   fill_color=shade)  # fmt: skip
    _compass(plot, reach, rings, [f"{r:g}" for r in rings[:-1]] + [f"{rings[-1]:g} m/s"], lang, large)
    shown = numbers.reading(unit, lang).unit
    plot.add_tools(HoverTool(renderers=[drawn], tooltips=[
        ("", "@from{0}° · @speed{0.0} m/s"), ("", f"@value{{0,0.00}} {shown}"), ("n", "@n{0}")]))  # fmt: skip
    figures.colour_bar(plot, mapper, title, large)
    for line in (caution, note):
        figures.text_line(plot, line, "below", large)
    return plot


def percentile_rose_plot(
    frame: pl.DataFrame | pl.LazyFrame,
    value: str,
    *,
    unit: str | None = None,
    alt: str | None = None,
    lang: Language | None = None,
    height: int = 460,
    large: bool = False,
    legend: bool = True,
) -> figure:
    """Return a percentile rose: for each sector the concentration that so many per cent of its records stay below.

    Parameters
    ----------
    frame
        What :func:`citylab.air.roses.percentile_rose` gives, one group. Scarce sectors are drawn as gaps.
    value
        Column of the concentration.
    unit, alt, lang, height, large, legend
        As in :func:`rose` and :func:`polar`.

    Raises
    ------
    SchemaError
        A column is missing.
    DataError
        No rows, several groups, negative values, or no sector with enough records.

    Examples
    --------
    >>> from citylab.air.roses import percentile_rose
    >>> hours = pl.DataFrame({"wind_speed_ms": 2.0, "wind_direction_deg": [0.0, 5.0], "o3_ugm3": [10.0, 20.0]})
    >>> plot = percentile_rose_plot(percentile_rose(hours, "o3_ugm3", percentiles=[50], min_n=2), "o3_ugm3", lang="en")
    >>> plot.legend[0].items[0].label.value
    'percentile 50'
    """
    from bokeh.models import ColumnDataSource, HoverTool

    what = "The percentile rose"
    lang = lang or settings.language()
    cell = ["sector_deg", "percentile"]
    rows = figures.rows_of(frame, [*cell, "sector_width_deg", "is_scarce", "n", value], what)
    figures.need_one_group(rows, cell, what)
    told = rows.filter(pl.col(value).is_not_null() & ~pl.col("is_scarce"))
    if told.is_empty():
        raise DataError(f"{what} has no sector with enough records. Lower min_n of percentile_rose, or add data.")
    if (told[value] < 0).any():
        raise DataError(f"{what} draws values as lengths, and some of {value!r} are negative.")
    unit = figures.unit_of(value, unit)
    wanted = rows["percentile"].unique().sort().to_list()
    peak = told.filter(pl.col("percentile") == wanted[-1]).sort(value).row(-1, named=True)
    rings = _rings(peak[value])
    top = rings[-1]
    span = top * _ROOM
    title = figures.axis_title(value, unit, lang)
    note = (f"{say('percentile_word', lang)} {wanted[-1]:g}: {say('highest_at', lang)} "
            f"{_bearing(peak['sector_deg'])}, {numbers.figures(peak[value])}")  # fmt: skip
    plot = figures.square(
        alt=alt or f"{say('percentile_rose', lang)}: {title}; {note}",
        height=height,
        large=large,
        save_as=f"citylab_percentile_rose_{value}",
        box=(-span, span, -span, span),
        tags={"chart": "percentile_rose", "value": value, "lang": lang},
    )
    drawn = []
    for percentile, colour in reversed(list(zip(wanted, _steps(len(wanted)), strict=True))):
        part = told.filter(pl.col("percentile") == percentile)
        start, end = _clockwise(part["sector_deg"].to_numpy(), part["sector_width_deg"].to_numpy())
        source = ColumnDataSource(
            {"outer": part[value].to_numpy(), "start": start, "end": end, "n": part["n"].to_numpy(),
             "from": [_bearing(d) for d in part["sector_deg"]], "p": [percentile] * part.height},
            name=f"percentile_{percentile:g}",
        )  # fmt: skip
        drawn.append(plot.annular_wedge(x=0, y=0, inner_radius=0, outer_radius="outer", start_angle="start",
                                        end_angle="end", source=source, fill_color=colour, line_color=theme.PAPER,
                                        line_width=0.5,
                                        legend_label=f"{say('percentile_word', lang)} {percentile:g}"))  # fmt: skip
    _compass(plot, top, rings, [f"{r:g}" for r in rings], lang, large)
    plot.add_tools(HoverTool(renderers=drawn, tooltips=[
        ("", "@from"), (say("percentile_word", lang), "@p"),
        ("", f"@outer{{0,0.0}} {numbers.reading(unit, lang).unit}"), ("n", "@n")]))  # fmt: skip
    figures.text_line(plot, title, "below", large)
    figures.legend_above(plot, large, legend, narrow=True)
    return plot


# cycles


_CYCLES = {"hour": "hour_of_day", "weekday": "day_of_week", "month": "month_of_year"}


def variation(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    names: Mapping[object, str] | None = None,
    unit: str | None = None,
    alt: str | None = None,
    lang: Language | None = None,
    height: int = 300,
    large: bool = False,
    legend: bool = True,
) -> figure:
    """Return means by hour, weekday or month as lines with their interval bands.

    Parameters
    ----------
    frame
        What :func:`citylab.air.variation.time_variation` gives: a line per group and variable, and per value of the
        first cycle where there are two; at most eight.
    names
        What groups are called, by their value in the frame; default: as they are there.
    unit
        Unit of the values; default: the vocabulary's.
    alt, lang, height, large, legend
        As in :func:`rose`.

    Raises
    ------
    SchemaError
        A column is missing, or variables have different units.
    DataError
        No rows, or more than eight lines.

    Examples
    --------
    >>> from citylab.air.variation import time_variation
    >>> from datetime import date
    >>> days = pl.DataFrame({"date_local": [date(2016, 1, d) for d in range(1, 15)], "o3_ugm3": list(range(14))})
    >>> variation(time_variation(days, "o3_ugm3", over="weekday"), lang="en").yaxis.axis_label
    'O₃ (µg/m³)'
    """
    from bokeh.models import ColumnDataSource, CustomJSTickFormatter, FixedTicker, HoverTool, Range1d

    what = "The variation"
    lang = lang or settings.language()
    rows = figures.rows_of(frame, ["variable", "mean", "low", "high", "n", "n_days", "level"], what)
    cycles = [c for c in rows.columns if c in _CYCLES]
    if not cycles:
        raise SchemaError(f"{what} needs one of the columns {list(_CYCLES)}; the frame has {rows.columns}.")
    x, apart = cycles[-1], [*rows.columns[: rows.columns.index("variable")], "variable", *cycles[:-1]]
    variables = rows["variable"].unique(maintain_order=True).to_list()
    units = {figures.unit_of(v, unit) for v in variables}
    if len(units) > 1:
        raise SchemaError(f"{what} has one axis, and {variables} have units {sorted(units)}. Draw them apart.")
    shown = units.pop()
    title = (
        figures.axis_title(variables[0], shown, lang)
        if len(variables) == 1
        else f"{say('concentration', lang)} ({shown})"
    )
    lines = rows.partition_by(apart, as_dict=True, maintain_order=True)
    if len(lines) > len(LINES):
        raise DataError(f"{what} would have {len(lines)} lines; eight are the most that can be told apart. Filter.")
    level = rows["level"][0]
    band = f"{100 * level:g}% {say('interval_of_level', lang)}"
    ticks = rows[x].unique().sort().to_list()
    said = {t: say(f"{x}_{t}", lang) if x in ("weekday", "month") else str(t) for t in ticks}
    spoken = []
    ends = Range1d(ticks[0] - 0.5, ticks[-1] + 0.5)
    plot = figures.base(
        alt=alt or "",
        height=height,
        large=large,
        save_as=f"citylab_{x}_{variables[0]}",
        x_range=ends,
        tags={"chart": "variation", "x": x, "lang": lang},
    )
    drawn: list[Any] = []
    several = len(variables) > 1
    for (key, part), spare in zip(lines.items(), LINES, strict=False):
        told = part.sort(x)
        label = _line_label(dict(zip(apart, key, strict=True)), several, names or {}, lang)
        colour = _colour(str(told["variable"][0])) if several and len(lines) == len(variables) else spare
        if len(lines) == 1:
            colour = _colour(variables[0])
        at, mean, low, high = (
            told[c].cast(pl.Float64).fill_null(math.nan).to_numpy() for c in (x, "mean", "low", "high")
        )
        outline = charts.band_outline(at * figures.MS_PER_DAY, low, high)
        edge = {"x": outline["x"] / figures.MS_PER_DAY, "y": outline["y"]}
        plot.patch("x", "y", source=ColumnDataSource(edge), color=colour, alpha=0.18, line_width=0)
        data = {"x": at, "y": mean, "low": low, "high": high, "n": told["n"].to_numpy(),
                "days": told["n_days"].to_numpy(),
                "label": [label] * told.height, "at": [said[t] for t in told[x]]}  # fmt: skip
        source = ColumnDataSource(data, name=f"line_{len(drawn)}")
        plot.line("x", "y", source=source, color=colour, line_width=2, legend_label=label)
        drawn.append(plot.scatter("x", "y", source=source, color=colour, size=5, legend_label=label))
        if np.isfinite(mean).any():
            most = int(np.nanargmax(mean))
            spoken.append(
                f"{label}: {say('highest_at', lang)} {said[told[x][most]]}, {numbers.figures(float(mean[most]))}"
            )
    figures.say_aloud(plot, alt or f"{say('time_variation', lang)}: {title}; " + "; ".join(spoken))
    plot.yaxis.axis_label = title
    plot.xaxis.axis_label = say(_CYCLES[x], lang)
    plot.xaxis.ticker = FixedTicker(ticks=ticks if x != "hour" else [t for t in ticks if t % 3 == 0])
    plot.xaxis.formatter = CustomJSTickFormatter(args={"said": {str(t): s for t, s in said.items()}},
                                                 code="return said[String(tick)] ?? ''")  # fmt: skip
    plot.xgrid.grid_line_color = None
    plot.y_range.start = 0 if not (rows["low"].fill_null(0) < 0).any() else None
    unit_word = numbers.reading(shown, lang).unit
    plot.add_tools(HoverTool(renderers=drawn, tooltips=[
        ("", "@label · @at"), ("", f"@y{{0,0.0}} {unit_word}"), (band, "@low{0,0.0} – @high{0,0.0}"),
        ("n", "@n"), (say("day_count", lang), "@days")]))  # fmt: skip
    plot.patch([math.nan], [math.nan], color=theme.MUTED, alpha=0.3, line_width=0, legend_label=band)
    figures.legend_above(plot, large, legend, narrow=True)
    return plot


def _line_label(key: Mapping[str, object], several: bool, names: Mapping[object, str], lang: Language) -> str:
    parts = []
    for column, given in key.items():
        if column == "variable":
            if several or len(key) == 1:
                parts.append(names.get(given) or figures.label_of(str(given), lang))
        elif column in ("weekday", "month"):
            parts.append(say(f"{column}_{given}", lang))
        else:
            parts.append(names.get(given) or str(given))
    return " · ".join(parts)


# calendars


def calendar_plot(
    frame: pl.DataFrame | pl.LazyFrame,
    value: str,
    *,
    year: int | None = None,
    unit: str | None = None,
    limits: tuple[float, float] | None = None,
    columns: int = MONTH_COLUMNS,
    alt: str | None = None,
    lang: Language | None = None,
    height: int = 560,
    large: bool = False,
    legend: bool = True,
) -> figure:
    """Return the days of a year in their months, coloured by a value; days without one are grey.

    Parameters
    ----------
    frame
        What :func:`citylab.air.variation.calendar` gives, one group.
    value
        Column that colours the days.
    year
        Which year; needed where the frame has several.
    unit, limits
        As in :func:`polar`.
    columns
        Months side by side; 2 on a narrow page, where the numbers of the days would touch.
    alt, lang, height, large, legend
        As in :func:`rose`.

    Raises
    ------
    SchemaError
        A column is missing.
    DataError
        No rows, several groups, several years and none named, or a year without days.

    Examples
    --------
    >>> from citylab.air.variation import calendar
    >>> from datetime import date
    >>> days = pl.DataFrame({"date_local": [date(2016, 12, 16)], "pm25_ugm3": [150.0]})
    >>> plot = calendar_plot(calendar(days, "pm25_ugm3"), "pm25_ugm3", lang="en")
    >>> len(plot.select_one({"name": "data"}).data["text"])
    31
    """
    lang = lang or settings.language()
    days = _year(frame, [value], year, "The calendar")
    unit = figures.unit_of(value, unit)
    title = figures.axis_title(value, unit, lang)
    told = days.drop_nulls(value)
    ends = (float(told[value].min()), float(told[value].max())) if told.height else (0.0, 1.0)  # type: ignore[arg-type]
    low, high = limits or ends
    none = theme.colour("no_data")
    colours = [none if v is None else theme.step(v, low, high) for v in days[value]]
    hover = [numbers.figures(v) if v is None else f"{numbers.figures(v)} {unit}" for v in days[value]]
    spoken = f"{say('calendar_of_days', lang)} {days['year'][0]}: {title}"
    spoken += f"; {say('missing_day', lang)} {days.height - told.height}"
    if told.height:
        worst = told.sort(value).row(-1, named=True)
        spoken += f"; {say('highest_at', lang)} {worst['_date']}: {numbers.figures(worst[value])}"
    plot = _calendar(days, colours, hover, columns, alt or spoken, lang, height, large, f"citylab_calendar_{value}")
    mapper = figures.colours_between(low, high)
    figures.colour_bar(plot, mapper, title, large)
    if told.height < days.height:
        _swatches(plot, [(say("missing_day", lang), none)])
        figures.legend_above(plot, large, legend, narrow=True)
    return plot


def aqi_calendar(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    year: int | None = None,
    columns: int = MONTH_COLUMNS,
    alt: str | None = None,
    lang: Language | None = None,
    height: int = 560,
    large: bool = False,
    legend: bool = True,
) -> figure:
    """Return the days of a year in their months, in the official colours of the index's levels, with their names.

    Parameters
    ----------
    frame
        Days with the columns that :func:`citylab.air.indices.aqi` adds, one group, put in place by
        ``calendar(days, "aqi", keep=("aqi_level", "aqi_level_name_zh", "aqi_level_name_en", "aqi_color",
        "aqi_edition"))``. Days without an index are grey.
    year, columns, alt, lang, height, large, legend
        As in :func:`calendar_plot`. The edition of the index stands above the months.

    Raises
    ------
    SchemaError
        A column is missing.
    DataError
        As in :func:`calendar_plot`.

    Examples
    --------
    >>> from citylab.air.variation import calendar
    >>> from datetime import date
    >>> days = pl.DataFrame({"date_local": [date(2016, 12, 16)], "aqi": [201], "aqi_level": [5],
    ...     "aqi_level_name_zh": ["重度污染"], "aqi_level_name_en": ["Heavily polluted"], "aqi_color": ["#99004C"],
    ...     "aqi_edition": ["hj633-2012"]})
    >>> plot = aqi_calendar(calendar(days, "aqi", keep=days.columns[2:]), lang="en")
    >>> [item.label.value for item in plot.legend[0].items]
    ['Heavily polluted', 'no index']
    """
    lang = lang or settings.language()
    name = f"aqi_level_name_{lang}"
    days = _year(frame, ["aqi", "aqi_level", name, "aqi_color", "aqi_edition"], year, "The AQI calendar")
    none = theme.colour("no_data")
    colours = [c or none for c in days["aqi_color"]]
    hover = [
        say("without_index", lang) if a is None else f"AQI {a} · {level}"
        for a, level in days.select("aqi", name).rows()
    ]
    editions = " / ".join(days["aqi_edition"].drop_nulls().unique(maintain_order=True))
    levels = days.drop_nulls("aqi_level").group_by("aqi_level", name, "aqi_color").len().sort("aqi_level")
    counts = [f"{n} {k}" for n, k in levels.select(name, "len").rows()]
    lost = days["aqi_level"].null_count()
    spoken = f"{say('calendar_of_days', lang)} {days['year'][0]}, AQI {editions}: " + "; ".join(
        [*counts, *([f"{say('without_index', lang)} {lost}"] if lost else [])]
    )
    plot = _calendar(
        days, colours, hover, columns, alt or spoken, lang, height, large, "citylab_aqi_calendar", editions
    )
    marks = levels.select(name, "aqi_color").rows()
    _swatches(plot, [*marks, *([(say("without_index", lang), none)] if lost else [])])
    figures.legend_above(plot, large, legend, narrow=True)
    return plot


def _year(frame: pl.DataFrame | pl.LazyFrame, columns: Sequence[str], year: int | None, what: str) -> pl.DataFrame:
    rows = figures.rows_of(frame, ["year", "month", "day", "weekday", "week", *columns], what)
    figures.need_one_group(rows, ["year", "month", "day"], what)
    years = rows["year"].unique().sort().to_list()
    if year is None and len(years) > 1:
        raise DataError(f"{what} draws one year, and the frame has {years}. Say which with year=.")
    days = rows if year is None else rows.filter(pl.col("year") == year)
    if days.is_empty():
        raise DataError(f"{what} has no days of {year}; the frame has {years}.")
    return days.with_columns(pl.date("year", "month", "day").alias("_date")).sort("_date")


def _calendar(
    days: pl.DataFrame,
    colours: list[str],
    hover: list[str],
    columns: int,
    alt: str,
    lang: Language,
    height: int,
    large: bool,
    save_as: str,
    edition: str = "",
) -> Any:
    from bokeh.core.properties import value
    from bokeh.models import ColumnDataSource, HoverTool

    months = days["month"].unique().sort().to_list()
    columns = min(columns, len(months))
    wide, tall = _WEEK + 1, _WEEKS + 3
    at = {m: (i % columns * wide, -(i // columns) * tall) for i, m in enumerate(months)}
    lines = math.ceil(len(months) / columns)
    box = (-0.7, columns * wide - 1.3, -lines * tall + 1.3, 2.2)
    plot = figures.square(
        alt=alt,
        height=height,
        large=large,
        save_as=save_as,
        box=box,
        tags={"chart": "calendar", "year": days["year"][0], "lang": lang},
    )
    places = days.select("month", "weekday", "week").rows()
    source = ColumnDataSource(
        {
            "x": [at[m][0] + w - 1 for m, w, _ in places],
            "y": [at[m][1] - row + 1 for m, _, row in places],
            "colour": colours,
            "ink": [theme.ink_on(c) for c in colours],
            "text": [str(d) for d in days["day"]],
            "date": [d.isoformat() for d in days["_date"]],
            "hover": hover,
        },
        name="data",
    )
    cells = plot.rect("x", "y", 0.94, 0.94, fill_color="colour", line_width=0, source=source)
    plot.text(
        "x",
        "y",
        "text",
        source=source,
        text_align="center",
        text_baseline="middle",
        text_color="ink",
        text_font=figures.fonts(),
        text_font_size=value(f"{_SMALL_PX}px"),
    )
    initials = [say(f"weekday_{d}", lang)[-1 if lang == "zh" else 0] for d in range(1, _WEEK + 1)]
    for month, (x, y) in at.items():
        _text(plot, x + (_WEEK - 1) / 2, y + 1.75, say(f"month_{month}", lang), large=large, text_font_style="bold")
        _text(plot, [x + i for i in range(_WEEK)], [y + 0.85] * _WEEK, initials, large=large, small=True,
              text_color=theme.MUTED)  # fmt: skip
    plot.add_tools(HoverTool(renderers=[cells], tooltips=[("", "@date"), ("", "@hover")]))
    heading = " · ".join(filter(None, (str(days["year"][0]), edition)))
    figures.text_line(plot, heading, "above", large, bold=True)
    return plot


def _swatches(plot: Any, marks: Sequence[tuple[str, str]]) -> None:
    """Put colours into the legend that no glyph of their own has."""
    for text, colour in marks:
        plot.rect(
            [math.nan], [math.nan], 1, 1, fill_color=colour, line_color=theme.MUTED, line_width=0.5, legend_label=text
        )


# space


def grid_plot(
    grid: xr.Dataset,
    boundaries: pl.DataFrame | Sequence[dict[str, Any]] | None = None,
    *,
    unit: str | None = None,
    limits: tuple[float, float] | None = None,
    names: Mapping[str, str] | None = None,
    period: str = "",
    margin_deg: float | None = None,
    alt: str | None = None,
    lang: Language | None = None,
    height: int = 460,
    large: bool = False,
) -> figure:
    """Return an interpolated map with its stations, their values, and the error that cross-validation found.

    Cells beyond the stations' hull are a guess; they are faded, and a line below says so. Where leaving out stations
    shows the map to be no better than one number for the city, a line says that too.

    Parameters
    ----------
    grid
        What :func:`citylab.air.space.to_grid` gives.
    boundaries
        Outlines to draw over it: rows as in :func:`citylab.viz.maps.features`, or what that function returned.
    unit
        Unit of the value; default: the vocabulary's.
    limits
        Ends of the colours; default: least and greatest of cells and stations. Give the same to maps to be compared.
    names
        What stations are called, by their id; default: their ids.
    period
        Day or years of the values, written above the picture.
    margin_deg
        How far beyond the stations the picture reaches [°]; default: the whole grid.
    alt, lang, height, large
        As in :func:`rose`.

    Raises
    ------
    SchemaError
        The grid is not one of ``to_grid``.
    DataError
        No cell has a value.

    Examples
    --------
    >>> from citylab.air.space import to_grid
    >>> line = pl.DataFrame({"station_id": list("abcd"), "longitude_deg": [116.0, 116.1, 116.2, 116.3],
    ...                      "latitude_deg": [40.0, 40.1, 40.0, 40.1], "pm25_ugm3": [60.0, 70.0, 80.0, 90.0]})
    >>> plot = grid_plot(to_grid(line, "pm25_ugm3", cell_deg=0.1), lang="en")
    >>> plot.html_attributes["aria-label"][:46]
    'Interpolated map: PM2.5 (µg/m³); a 60.0 to d 9'
    """
    from bokeh.models import ColumnDataSource, HoverTool

    what = "The interpolated map"
    lang = lang or settings.language()
    value = _value_of(grid, what)
    unit = figures.unit_of(value, unit)
    title = figures.axis_title(value, unit, lang)
    lon, lat = grid["longitude_deg"].to_numpy(), grid["latitude_deg"].to_numpy()
    cells = grid[value].to_numpy()
    if not np.isfinite(cells).any():
        raise DataError(f"{what} has nothing to draw: every cell of {value!r} is missing. Look at outline.")
    stations = grid_stations(grid, names=names).sort(value)
    every = np.concatenate([cells[np.isfinite(cells)], stations[value].to_numpy()])
    low, high = limits or (float(every.min()), float(every.max()))
    first, last = stations.row(0, named=True), stations.row(-1, named=True)
    ends = f" {say('range_to', lang)} ".join(f"{row['station']} {numbers.figures(row[value])}" for row in (first, last))
    notes = grid_notes(grid, lang=lang)
    shrink = math.cos(math.radians(float(lat.mean())))  # a degree of longitude is shorter than one of latitude
    step_x, step_y = _cell_size(lon) * shrink, _cell_size(lat)
    left, bottom = lon[0] * shrink - step_x / 2, lat[0] - step_y / 2
    whole = (left, left + step_x * len(lon), bottom, bottom + step_y * len(lat))
    at_x, at_y = stations["station_longitude_deg"].to_numpy() * shrink, stations["station_latitude_deg"].to_numpy()
    box = whole
    if margin_deg is not None:
        more = margin_deg * shrink
        box = (max(left, at_x.min() - more), min(whole[1], at_x.max() + more),
               max(bottom, at_y.min() - margin_deg), min(whole[3], at_y.max() + margin_deg))  # fmt: skip
    spoken = [f"{say('interpolated_map', lang)}: {title}", period, ends, *notes]
    plot = figures.square(
        alt=alt or "; ".join(filter(None, spoken)), height=height, large=large,
        save_as=f"citylab_grid_{value}", box=box, tags={"chart": "grid", "value": value, "lang": lang},
    )  # fmt: skip
    mapper = figures.colours_between(low, high)
    place = {"x": left, "y": bottom, "dw": whole[1] - left, "dh": whole[3] - bottom}
    inside = grid["is_inside_hull"].to_numpy()
    data = {k: [v] for k, v in place.items()} | {
        "value": [cells],
        "km": [np.where(np.isfinite(cells), grid["nearest_station_km"].to_numpy(), np.nan)],
        "veil": [np.where(inside | ~np.isfinite(cells), np.nan, 1.0)],
    }
    source = ColumnDataSource(data, name="cells")
    drawn = plot.image("value", x="x", y="y", dw="dw", dh="dh", source=source, color_mapper=mapper)
    plot.image("veil", x="x", y="y", dw="dw", dh="dh", source=source, alpha=_VEIL,
               color_mapper=figures.colours_between(0, 1).clone(palette=[theme.PAPER]))  # fmt: skip
    if boundaries is not None:
        xs, ys = _outlines(boundaries, shrink)
        plot.multi_line(xs, ys, line_color=theme.MUTED, line_width=0.8, line_alpha=0.9)
    points = ColumnDataSource(
        {"x": at_x, "y": at_y, "name": stations["station"].to_list(),
         "text": [numbers.figures(v, digits=2) if fits else ""
                  for v, fits in zip(stations[value], _with_room(at_x, at_y, (box[3] - box[2]) / height), strict=True)],
         "value": [numbers.figures(v) for v in stations[value]],
         "colour": [theme.step(v, low, high) for v in stations[value]]},
        name="stations",
    )  # fmt: skip
    dots = plot.scatter("x", "y", source=points, size=9, fill_color="colour", line_color=theme.INK, line_width=1.5)
    plot.text("x", "y", "text", source=points, text_font=figures.fonts(), text_font_size=f"{_SMALL_PX}px",
              text_color=theme.INK, text_align="center", text_baseline="bottom", y_offset=-7, padding=1,
              background_fill_color=theme.PAPER, background_fill_alpha=0.75)  # fmt: skip
    shown = numbers.reading(unit, lang).unit
    plot.add_tools(
        HoverTool(renderers=[drawn], tooltips=[
            ("", f"@value{{0,0.0}} {shown}"), (say("nearest_station", lang), "@km{0.0} km")]),
        HoverTool(renderers=[dots], tooltips=[("", f"@name: @value {shown}")]),
    )  # fmt: skip
    figures.colour_bar(plot, mapper, title, large)
    if period:
        figures.text_line(plot, period, "above", large, bold=True)
    for line in notes:
        figures.text_line(plot, line, "below", large)
    return plot


def grid_notes(grid: xr.Dataset, *, lang: Language | None = None) -> list[str]:
    """Return what is printed on an interpolated map: method, stations and errors; then what must not be overlooked.

    Parameters
    ----------
    grid
        What :func:`citylab.air.space.to_grid` gives.
    lang
        Language; default: the ``CITYLAB_LANG`` setting.

    Raises
    ------
    SchemaError
        The grid is not one of ``to_grid``.
    """
    lang = lang or settings.language()
    _value_of(grid, "The interpolated map")
    attrs = grid.attrs
    unit = numbers.reading(attrs["units"], lang).unit

    def figure_of(key: str) -> str:
        return numbers.figures(attrs[key]) if math.isfinite(attrs[key]) else say("too_few_stations", lang)

    def with_unit(text: str) -> str:
        return f"{text} {unit}" if text[-1].isdigit() else text

    method = say(f"method_{attrs['method']}", lang)
    notes = [f"{method}, n = {attrs['n_stations']} {say('stations_word', lang)}"]
    notes += [f"{say(f'error_{s}_out', lang)}: {with_unit(figure_of(f'cv_{s}_rmse'))}" for s in ("station", "block")]
    means = [m for s in ("station", "block") if math.isfinite(m := attrs[f"cv_{s}_rmse_of_mean"])]
    if means:
        told = f" {say('and', lang)} ".join(numbers.figures(m) for m in means)
        notes.append(f"{say('of_plain_mean', lang)}: {told} {unit}")
    if any(attrs[f"cv_{s}_skill"] <= 0 for s in ("station", "block")):
        notes.append(say("map_no_better", lang))
    if bool((~grid["is_inside_hull"] & grid[attrs["value"]].notnull()).any()):
        notes.append(say("beyond_hull", lang))
    return notes


def grid_stations(grid: xr.Dataset, *, names: Mapping[str, str] | None = None) -> pl.DataFrame:
    """Return the stations behind an interpolated map: id, name, position and value, one row per station."""
    value = _value_of(grid, "The interpolated map")
    ids = [str(i) for i in grid["station_id"].to_numpy()]
    return pl.DataFrame(
        {
            "station_id": ids,
            "station": [(names or {}).get(i, i) for i in ids],
            "station_longitude_deg": grid["station_longitude_deg"].to_numpy(),
            "station_latitude_deg": grid["station_latitude_deg"].to_numpy(),
            value: grid["station_value"].to_numpy(),
        }
    )


def grid_table(grid: xr.Dataset) -> pl.DataFrame:
    """Return the table behind an interpolated map: one row per cell that has a value, from south to north.

    Columns: ``longitude_deg``, ``latitude_deg`` (centre of the cell), the value, ``is_inside_hull``,
    ``nearest_station_km``.
    """
    value = _value_of(grid, "The interpolated map")
    lat, lon = np.meshgrid(grid["latitude_deg"].to_numpy(), grid["longitude_deg"].to_numpy(), indexing="ij")
    columns = {"longitude_deg": lon, "latitude_deg": lat} | {
        c: grid[c].to_numpy() for c in (value, "is_inside_hull", "nearest_station_km")
    }
    return pl.DataFrame({k: v.ravel() for k, v in columns.items()}).filter(pl.col(value).is_not_nan())


def _value_of(grid: xr.Dataset, what: str) -> str:
    value = grid.attrs.get("value")
    needed = [value, "is_inside_hull", "nearest_station_km", "station_value"]
    if value is None or any(n not in grid for n in needed) or "cv_block_rmse" not in grid.attrs:
        raise SchemaError(f"{what} needs what citylab.air.space.to_grid gives; the grid has {list(grid.data_vars)}.")
    return str(value)


def _with_room(x: Floats, y: Floats, unit_per_px: float) -> list[bool]:
    """Return which labels can be written without covering another: the outermost values first, as they are sorted."""
    wide, tall = (px * unit_per_px * _PICTURE_SHARE for px in _LABEL_PX)
    n = len(x)
    order = [i for pair in zip(range(n - 1, -1, -1), range(n), strict=True) for i in pair]
    taken: list[int] = []
    for i in dict.fromkeys(order):
        if all(abs(x[i] - x[j]) >= wide or abs(y[i] - y[j]) >= tall for j in taken):
            taken.append(i)
    return [i in taken for i in range(n)]


def _cell_size(centres: Floats) -> float:
    return float(centres[1] - centres[0]) if len(centres) > 1 else 1.0


def _outlines(
    boundaries: pl.DataFrame | Sequence[dict[str, Any]], shrink: float
) -> tuple[list[list[float]], list[list[float]]]:
    """Return the rings of polygons as lines, longitudes shrunk."""
    from citylab.viz import maps

    shapes = maps.features(boundaries) if isinstance(boundaries, pl.DataFrame) else boundaries
    xs, ys = [], []
    for shape in shapes:
        parts = shape["geometry"]["coordinates"]
        polygons = parts if shape["geometry"]["type"] == "MultiPolygon" else [parts]
        for ring in (ring for polygon in polygons for ring in polygon):
            xs.append([x * shrink for x, _ in ring])
            ys.append([y for _, y in ring])
    return xs, ys


# trends


def trend_plot(
    months: pl.DataFrame | pl.LazyFrame,
    trend: pl.DataFrame | pl.LazyFrame,
    *,
    unit: str | None = None,
    alt: str | None = None,
    lang: Language | None = None,
    height: int = 320,
    large: bool = False,
    legend: bool = True,
) -> figure:
    """Return monthly values with their trend line and its interval band; filled months are hollow.

    Parameters
    ----------
    months
        What :func:`citylab.air.trends.deseasonalised` gives, one series.
    trend
        The row of the same series that :func:`citylab.air.trends.trend` gives. A series without a slope is drawn
        without a line, and its reason stands below.
    unit
        Unit of the values; default: the vocabulary's.
    alt, lang, height, large, legend
        As in :func:`rose`.

    Raises
    ------
    SchemaError
        A column is missing.
    DataError
        No rows, several series, or two that are not the same.

    Notes
    -----
    The line of each slope, the two ends of the interval too, runs so that half of the months lie above it; the band
    between the ends is therefore narrowest in the middle. The season is out of the values where it was out of the
    trend.

    Examples
    --------
    >>> from citylab.air import trends
    >>> from datetime import date
    >>> starts = pl.date_range(date(2013, 1, 1), date(2016, 12, 1), "1mo", eager=True)
    >>> fall = pl.DataFrame({"month_start": starts, "pm25_ugm3": [90.0 - i + (3 * i) % 7 for i in range(48)]})
    >>> plot = trend_plot(trends.deseasonalised(fall, "pm25_ugm3", by=None), trends.trend(fall, "pm25_ugm3", by=None),
    ...                   lang="en")
    >>> plot.yaxis.axis_label
    'PM2.5 (µg/m³)'
    """
    from bokeh.models import ColumnDataSource, HoverTool

    what = "The trend"
    lang = lang or settings.language()
    rows = figures.rows_of(months, ["variable", "month_start", "mean", "deseasonalised", "is_filled"], what).sort(
        "month_start"
    )
    line = figures.rows_of(
        trend, ["variable", "slope_per_year", "slope_low", "slope_high", "recipe", "stars", "level", "reason"], what
    )
    figures.need_one_group(rows, ["month_start"], what)
    if line.height != 1 or line["variable"][0] != rows["variable"][0]:
        raise DataError(
            f"{what} needs one row for the series of {rows['variable'][0]!r}; got {line.height} of "
            f"{line['variable'].unique().to_list()}. Filter both frames to one series."
        )
    fit = line.row(0, named=True)
    variable = fit["variable"]
    unit = figures.unit_of(variable, unit)
    shown = numbers.reading(unit, lang).unit
    season_out = fit["recipe"] is not None
    values = rows["deseasonalised" if season_out else "mean"].cast(pl.Float64).fill_null(math.nan).to_numpy()
    at = figures.ms(rows["month_start"])
    days = at / figures.MS_PER_DAY
    colour = _colour(variable)
    title = figures.axis_title(variable, unit, lang)
    has_line = fit["slope_per_year"] is not None
    if has_line:
        slope = numbers.figures(fit["slope_per_year"], sign=True)
        span = numbers.span(fit["slope_low"], fit["slope_high"], "", lang, sign=True)
        stars = f" {fit['stars']}" if fit["stars"] else ""
        note = f"{slope} [{span}] {shown}/{say('per_year', lang)}{stars}"
    else:
        note = fit["reason"] or say("too_little_data", lang)
    plot = figures.base(
        alt=alt or f"{say('trend_of_months', lang)}: {title}; {note}",
        height=height,
        large=large,
        save_as=f"citylab_trend_{variable}",
        x_axis_type="datetime",
        tags={"chart": "trend", "variable": variable, "lang": lang},
    )
    name = say("deseasonalised_mean" if season_out else "monthly_mean", lang)
    if has_line:
        draw = {k: _through_the_median(days, values, fit[k]) for k in ("slope_low", "slope_per_year", "slope_high")}
        ends = draw["slope_low"], draw["slope_high"]
        outline = charts.band_outline(at, np.minimum(*ends), np.maximum(*ends))
        level = f"{100 * fit['level']:g}% {say('interval_of_level', lang)}"
        plot.patch("x", "y", source=ColumnDataSource(outline, name="band"), color=theme.MUTED, alpha=0.25, line_width=0,
                   legend_label=level)  # fmt: skip
    filled = rows["is_filled"].fill_null(False).to_list()
    source = ColumnDataSource(
        {"x": at, "y": values, "month": rows["month_start"].dt.strftime("%Y-%m").to_list(),
         "fill": [theme.PAPER if f and season_out else colour for f in filled]}, name="data",
    )  # fmt: skip
    plot.line("x", "y", source=source, color=colour, line_width=1, alpha=0.6, legend_label=name)
    dots = plot.scatter("x", "y", source=source, line_color=colour, fill_color="fill", size=6, legend_label=name)
    if season_out and any(filled):
        plot.scatter([math.nan], [math.nan], line_color=colour, fill_color=theme.PAPER, size=6,
                     legend_label=say("filled_month", lang))  # fmt: skip
    if has_line:
        plot.line(at, draw["slope_per_year"], color=theme.INK, line_width=2.5, line_dash="dashed", name="line",
                  legend_label=say("trend_line", lang))  # fmt: skip
    plot.yaxis.axis_label = title
    figures.date_axis(plot, lang)
    plot.add_tools(HoverTool(renderers=[dots], tooltips=[("", "@month"), (name, f"@y{{0,0.0}} {shown}")]))
    figures.text_line(plot, note, "above", large, bold=True, align="left")
    figures.legend_above(plot, large, legend, narrow=True)
    return plot


def _through_the_median(days: Floats, values: Floats, slope_per_year: float) -> Floats:
    slope = slope_per_year / _DAYS_PER_YEAR
    return slope * days + float(np.nanmedian(values - slope * days))


# models


def taylor_plot(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    names: Mapping[object, str] | None = None,
    alt: str | None = None,
    lang: Language | None = None,
    height: int = 420,
    large: bool = False,
) -> figure:
    """Return a Taylor diagram: angle for correlation, radius for spread, distance from the observed for the error.

    Parameters
    ----------
    frame
        What :func:`citylab.air.evaluation.taylor` gives; each row is a point. Rows without a correlation are left out
        and told below the picture.
    names
        What models or groups are called, by their value in the frame; default: as they are there.
    alt, lang, height, large
        As in :func:`rose`.

    Raises
    ------
    SchemaError
        A column is missing.
    DataError
        No rows.

    Examples
    --------
    >>> from citylab.air.evaluation import taylor
    >>> pairs = pl.DataFrame({"observed": [1.0, 2.0, 3.0], "forecast": [2.0, 2.0, 4.0]})
    >>> plot = taylor_plot(taylor(pairs, "observed", "forecast"), lang="en")
    >>> plot.select_one({"name": "data"}).data["label"]
    ['forecast']
    """
    from bokeh.models import ColumnDataSource, HoverTool

    what = "The Taylor diagram"
    lang = lang or settings.language()
    rows = figures.rows_of(frame, ["model", "n", "sd_ratio", "r", "centred_rmse_ratio"], what)
    keys = rows.columns[: rows.columns.index("model")]
    several = rows["model"].n_unique() > 1
    called = [
        " · ".join(
            (names or {}).get(v) or figures.label_of(str(v), lang) for v in (row if several or not keys else row[:-1])
        )
        for row in rows.select(*keys, "model").rows()
    ]
    rows = rows.with_columns(pl.Series("label", called))
    told = rows.drop_nulls(["sd_ratio", "r"])
    lost = rows.filter(pl.col("sd_ratio").is_null() | pl.col("r").is_null())["label"].to_list()
    ring = _rings(max([1.25, *told["sd_ratio"].to_list()]))
    top = ring[-1]
    low = -top if (told["r"] < 0).any() else 0.0
    spoken = [
        f"{label}: {say('correlation', lang)} {numbers.figures(r, digits=2)}, "
        f"{say('spread_ratio', lang)} {numbers.figures(spread, digits=2)}"
        for label, r, spread in told.select("label", "r", "sd_ratio").rows()
    ]
    box = (low * 1.12 - 0.06 * top, top * 1.3, -0.16 * top, top * 1.12)
    plot = figures.square(
        alt=alt or f"{say('taylor_diagram', lang)}: " + "; ".join(spoken),
        height=height,
        large=large,
        save_as="citylab_taylor",
        box=box,
        tags={"chart": "taylor", "lang": lang},
    )
    half = np.linspace(0, np.pi if low < 0 else np.pi / 2, 181)
    for radius in ring:
        plot.line(radius * np.cos(half), radius * np.sin(half), color=theme.MUTED, line_alpha=0.5,
                  line_width=1.5 if radius == top else 1)  # fmt: skip
    _text(plot, ring, [-0.04 * top] * len(ring), [f"{r:g}" for r in ring], large=large, small=True, text_baseline="top")
    notes = [say("spread_ratio", lang)]
    rays = [*CORRELATIONS, *(-r for r in CORRELATIONS[1:] if low < 0)]
    for r in rays:
        end = top * r, top * math.sqrt(1 - r * r)
        plot.line([0, end[0]], [0, end[1]], color=theme.GRID, line_width=1)
        _text(plot, end[0] * 1.05, end[1] * 1.05, f"{r:g}".replace("-", "−"), large=large, small=True)
    _text(plot, top * 0.84, top * 0.84, say("correlation", lang), large=large, angle=-math.pi / 4)
    plot.line([low, top], [0, 0], color=theme.MUTED)
    for error in ring:
        across, up = 1 + error * np.cos(_ARC), error * np.sin(_ARC)
        inside = (up >= 0) & (np.hypot(across, up) <= top) & (across >= low)
        plot.line(np.where(inside, across, np.nan), np.where(inside, up, np.nan), color=theme.OKABE_ITO["green"],
                  line_dash="dotted", line_width=1.5, legend_label=say("centred_error", lang))  # fmt: skip
    plot.scatter([1], [0], marker="diamond", size=13, color=theme.INK, legend_label=say("observed", lang))
    turn = told["r"].clip(-1, 1).to_numpy()
    spread = told["sd_ratio"].to_numpy()
    source = ColumnDataSource(
        {"x": spread * turn, "y": spread * np.sqrt(1 - turn**2), "label": told["label"].to_list(),
         "colour": [LINES[i % len(LINES)] for i in range(told.height)], "r": told["r"].to_list(),
         "sd": told["sd_ratio"].to_list(), "e": told["centred_rmse_ratio"].to_list(), "n": told["n"].to_list()},
        name="data",
    )  # fmt: skip
    dots = plot.scatter("x", "y", source=source, size=10, color="colour")
    for right, above, label in zip(source.data["x"], source.data["y"], source.data["label"], strict=True):
        _text(plot, right, above, label, large=large, text_align="left", x_offset=8, y_offset=-6,
              background_fill_color=theme.PAPER, background_fill_alpha=0.7)  # fmt: skip
    plot.add_tools(HoverTool(renderers=[dots], tooltips=[
        ("", "@label"), (say("correlation", lang), "@r{0.00}"), (say("spread_ratio", lang), "@sd{0.00}"),
        (say("centred_error", lang), "@e{0.00}"), ("n", "@n")]))  # fmt: skip
    if lost:
        notes.insert(0, f"{say('too_little_data', lang)}: {', '.join(lost)}")
    for note in notes:
        figures.text_line(plot, note, "below", large)
    figures.legend_above(plot, large, True, narrow=True)
    return plot
