"""Pictures of a policy run: what changes in tonnes, air, money and access, how sure that is, who gains, and when.

Frames are those of :class:`citylab.policy.simulate.Result`, as they come. Each picture takes one frame, or two of them
by the names of their scenarios to be compared; :func:`update` puts other frames of the same kind into a picture.
Whatever stands on synthetic persons says so inside the picture, so that a saved image says it too.
"""

from __future__ import annotations

import datetime as dt
import html
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from citylab import settings, vocabulary
from citylab.errors import DataError, SchemaError
from citylab.settings import Language
from citylab.viz import charts, figures, numbers, theme
from citylab.viz.numbers import Reading

if TYPE_CHECKING:
    from bokeh.plotting import figure

    from citylab.policy.scenario import Change, Scenario

    Columns = dict[str, Any]

Frames = pl.DataFrame | Mapping[str, pl.DataFrame]
"""One frame, or frames by the name of their scenario."""

SERIES = (theme.OKABE_ITO["blue"], theme.OKABE_ITO["vermilion"], theme.INK)
"""Colours of the first and the second scenario, and of what they differ in."""
_TWO = 2
PARTS = {
    "sampling": theme.OKABE_ITO["sky"],
    "parameter": theme.OKABE_ITO["orange"],
    "model": theme.OKABE_ITO["purple"],
}
"""Colours of what an uncertainty is made of, from left to right."""
SIDES = {"losing_share": theme.OKABE_ITO["vermilion"], "gaining_share": theme.OKABE_ITO["blue"]}
"""Colours of those who lose and those who gain."""
DIVERGING = (
    "#7A3F00",
    "#A05C16",
    "#C57A2B",
    "#D8A064",
    "#EBC79E",
    "#EEDCC8",
    "#F2F2F2",
    "#CEE0ED",
    "#A9CEE8",
    "#7AB0D6",
    "#4A93C4",
    "#296F9E",
    "#084B78",
)
"""Steps from a fall (brown) over no change (grey) to a rise (blue); told apart without red and green."""
OUTPUTS = (
    ("co2_t", "total"),
    ("pm25_ugm3", "total"),
    ("household_cny", "total"),
    ("comfort_cny", "total"),
    ("budget_cny", "total"),
    ("firm_cny", "total"),
    ("society_cny", "total"),
    ("online_persons", "total"),
    ("covered_persons", "total"),
    ("service_persons", "total"),
)
"""Quantity and sector of what a run tells of the city, the tonnes first."""
PAST_YEARS = 3
"""Years before the first day of any lever that a timeline shows, where the scenario names no earlier phase."""

_READINGS: dict[str, dict[Language, Reading]] = {
    "1": {"zh": Reading(0.01, "百分点"), "en": Reading(0.01, "percentage points")},
    "CNY/person/year": {"zh": Reading(1.0, "元/人·年"), "en": Reading(1.0, "CNY a person and year")},
}
_ALIASES = {"person": "persons"}
_PERCENT = 100.0
_LINE_PX, _LARGE_LINE_PX = 17, 23
"""Height of a line of text in a picture of rows [px]; bars and gaps are parts of it."""
_ROW_PX, _AXIS_PX, _ABOVE_PX = 36, 46, 34
_MANY_LEVELS, _DENSE = 8, 0.75
_BAR, _THIN, _GAP = 0.7, 0.4, 0.35
_DODGE = 0.17
_MARK_PX, _PHASE_GAP_PX = 9, 4
_WRITTEN_SHARE = 0.14
_BAND_ALPHA = 0.2
_ROOM = 0.05


# words


def quantity_label(quantity: str, sector: str = "total", lang: Language | None = None) -> str:
    """Return what a quantity of a run is called.

    Examples
    --------
    >>> quantity_label("co2_t", "data_centres", "en"), quantity_label("budget_cny", lang="zh")
    ('CO2 emissions: Data centres', '公共财政变化')
    """
    lang = lang or settings.language()
    said = vocabulary.say(f"policy_{quantity}", lang)
    if sector == "total":
        return said
    return f"{said}{'：' if lang == 'zh' else ': '}{vocabulary.say(f'policy_sector_{sector}', lang)}"


def level_label(group: str, level: str, lang: Language | None = None, names: Mapping[str, str] | None = None) -> str:
    """Return what a group of people is called.

    Parameters
    ----------
    group, level
        As :meth:`citylab.policy.simulate.Result.by_group` gives them.
    lang
        Language; default: the ``CITYLAB_LANG`` setting.
    names
        Names of districts by ``adcode``; without them a district keeps its code.

    Examples
    --------
    >>> level_label("age_band", "2", "en"), level_label("income_decile", "1", "en")
    ('60 and over', '1 (poorest)')
    """
    lang = lang or settings.language()
    if names is not None and level in names:
        return names[level]
    word = f"policy_{group}_{level}"
    return vocabulary.say(word, lang) if word in vocabulary.WORDS else level


def _reading(unit: str, lang: Language) -> Reading:
    """Return how a language reads a unit of a run."""
    return _READINGS[unit][lang] if unit in _READINGS else numbers.reading(_ALIASES.get(unit, unit), lang)


def told(value: float | None, low: float | None, high: float | None, unit: str, lang: Language | None = None) -> str:
    """Return a difference with its interval and its unit in people's words.

    Examples
    --------
    >>> told(-2e6, -3e6, -1e6, "t", "en")
    '−2.00 (−3.00 to −1.00) Mt'
    >>> told(0.0, 0.0, 0.0, "person", "zh")
    '0 万人'
    """
    said, ends, shown = _told_apart(value, low, high, unit, lang or settings.language())
    return f"{said}{ends} {shown}".strip()


def _told_apart(
    value: float | None, low: float | None, high: float | None, unit: str, lang: Language
) -> tuple[str, str, str]:
    """Return a difference, its interval in brackets if it has one, and its unit, each in people's words."""
    how = _reading(unit, lang)

    def one(number: float | None) -> str:
        return numbers.figures(None if number is None else number / how.divisor, sign=True)

    ends = ""
    if low is not None and high is not None and (low, high) != (value, value):
        between = " 至 " if lang == "zh" else " to "
        ends = f"（{one(low)}{between}{one(high)}）" if lang == "zh" else f" ({one(low)}{between}{one(high)})"
    return one(value), ends, how.unit


def in_words(frame: pl.DataFrame, lang: Language | None = None, names: Mapping[str, str] | None = None) -> pl.DataFrame:
    """Return a frame of a run with its codes in words, for a table that people read.

    Parameters
    ----------
    frame
        From ``yearly``, ``totals``, ``by_group`` or ``per_tonne`` of a result. Persons are rounded.
    lang, names
        As in :func:`level_label`.

    Examples
    --------
    >>> in_words(pl.DataFrame({"quantity": ["co2_t"], "sector": ["transit"]}), "en").row(0)
    ('CO2 emissions', 'Bus and metro')
    """
    lang = lang or settings.language()
    made: list[pl.Expr | pl.Series] = []
    prefixes = {
        "quantity": "policy_", "sector": "policy_sector_", "outcome": "policy_", "over": "policy_over_",
        "cost_kind": "policy_cost_", "why_not_told": "policy_", "group": "policy_group_", "unit": "unit_",
        "gain_measure": "policy_",
    }  # fmt: skip
    for column, prefix in prefixes.items():
        if column in frame.columns:
            codes = frame[column].drop_nulls().unique().to_list()
            known = {c: vocabulary.say(prefix + c, lang) for c in codes if prefix + c in vocabulary.WORDS}
            made.append(pl.col(column).replace(known))
    if {"group", "level"} <= set(frame.columns):
        levels = [level_label(g, v, lang, names) for g, v in frame.select("group", "level").iter_rows()]
        made += [pl.Series("level", levels, dtype=pl.String)]
    if "persons" in frame.columns:  # sums of weights, which are no whole numbers
        made.append(pl.col("persons").round(0).cast(pl.Int64))
    return frame.with_columns(*made)


def key(names: Sequence[str], lang: Language | None = None, *, reference: bool = False) -> str:
    """Return the legend of scenarios as HTML, the grey of the reference first where it is drawn.

    Examples
    --------
    >>> "Plan A" in key(["Plan A"], "en")
    True
    """
    lang = lang or settings.language()
    marks = [("area", theme.colour("reference"), vocabulary.say("policy_reference", lang))] if reference else []
    return charts.key([*marks, *(("area", SERIES[i], name) for i, name in enumerate(names))])


def parts_key(lang: Language | None = None) -> str:
    """Return the legend of :func:`uncertainty` as HTML.

    Examples
    --------
    >>> "rival models" in parts_key("en")
    True
    """
    lang = lang or settings.language()
    return charts.key([("area", colour, vocabulary.say(f"policy_{name}", lang)) for name, colour in PARTS.items()])


def sides_key(lang: Language | None = None) -> str:
    """Return the legend of :func:`gain_and_lose` as HTML.

    Examples
    --------
    >>> "Share who gain" in sides_key("en")
    True
    """
    lang = lang or settings.language()
    return charts.key([("area", colour, vocabulary.say(f"policy_{name}", lang)) for name, colour in SIDES.items()])


# frames and figures


def _named(frames: Frames, columns: Sequence[str], what: str, most: int = _TWO) -> dict[str, pl.DataFrame]:
    """Return frames by the name of their scenario, each with the columns that a picture draws."""
    found = {"": frames} if isinstance(frames, pl.DataFrame) else dict(frames)
    if not 1 <= len(found) <= most:
        raise DataError(f"{what} can show {most} scenarios, got {len(found)}: {list(found)}. Draw another picture.")
    return {name: figures.rows_of(frame, columns, what) for name, frame in found.items()}


def _rows_of(frame: pl.DataFrame, wanted: Sequence[tuple[str, str]], what: str) -> list[dict[str, Any]]:
    """Return the row of each quantity and sector, in that order."""
    at = {(r["quantity"], r["sector"]): r for r in frame.iter_rows(named=True)}
    lost = [w for w in wanted if w not in at]
    if lost:
        raise SchemaError(f"{what} finds no row for {lost}; the frame has {sorted({q for q, _ in at})}.")
    return [at[w] for w in wanted]


def _synthetic(plot: Any, frames: Mapping[str, pl.DataFrame], lang: Language, large: bool) -> None:
    if any("is_synthetic" in f.columns and f["is_synthetic"].fill_null(False).any() for f in frames.values()):
        figures.text_line(plot, vocabulary.say("synthetic", lang), "above", large, bold=True, align="left")


class _Rows:
    """Places of the lines and bars of a picture of rows, from the top down, in lines of text."""

    def __init__(self) -> None:
        self.y = 0.0

    def line(self) -> float:
        """Return the middle of the next line of text."""
        self.y -= 1.0
        return self.y + 0.5

    def text(self, said: str) -> float:
        """Return the middle of the next lines, as many as a text has."""
        lines = said.count("\n") + 1
        self.y -= lines
        return self.y + lines / 2

    def bar(self) -> float:
        """Return the middle of the next bar."""
        self.y -= _BAR + _GAP
        return self.y + _GAP + _BAR / 2


def _sheet(lines: float, *, alt: str, spec: dict[str, Any], large: bool, height: int | None, save_as: str,
           axis: bool = False) -> Any:  # fmt: skip
    """Return a figure of so many lines; text stands above its marks, so that a phone has room for both."""
    from bokeh.models import Range1d

    high = height or _sheet_height(lines, large=large, axis=axis)
    plot = figures.base(alt=alt, height=high, large=large, save_as=save_as, tags=spec, x_range=Range1d(0, 1),
                        y_range=Range1d(-lines, 0))  # fmt: skip
    plot.yaxis.visible = False
    plot.ygrid.grid_line_color = None
    plot.xaxis.visible = axis
    plot.xaxis.ticker.desired_num_ticks = 5
    if not axis:
        plot.xgrid.grid_line_color = None
    return plot


def _sheet_height(lines: float, *, large: bool, axis: bool) -> int:
    return int(lines * (_LARGE_LINE_PX if large else _LINE_PX)) + _ABOVE_PX + (_AXIS_PX if axis else 0)


def _row_text(plot: Any, source: Any, *, large: bool, **how: Any) -> None:
    plot.text(x="x", y="y", text="text", source=source, text_baseline="middle", text_color=theme.INK,
              text_font=figures.fonts(), text_font_size=figures.px(large), background_fill_color=theme.PAPER,
              background_fill_alpha=0.8, **how)  # fmt: skip


def _zero(plot: Any) -> None:
    from bokeh.models import Span

    plot.add_layout(Span(location=0, dimension="height", line_color=theme.colour("reference"), line_dash="dashed"))


# by year


def fan(
    frames: Frames, quantity: str = "co2_t", sector: str = "total", *, levels: bool = False, alt: str,
    lang: Language | None = None, height: int = 300, large: bool = False,
) -> figure:  # fmt: skip
    """Return a quantity by year: the difference from the reference with its interval, or the levels of both.

    Parameters
    ----------
    frames
        From :meth:`citylab.policy.simulate.Result.yearly`.
    quantity, sector
        Which rows.
    levels
        Draw levels: the reference in grey with its own interval, each scenario in its colour. That interval is much
        wider than that of the difference, because both run on the same draws; draw the two side by side.
    alt
        Text for people who cannot see the picture.
    lang, height, large
        As in :func:`citylab.viz.charts.line`.

    Raises
    ------
    SchemaError, DataError
        A column or the quantity is missing; no rows, or more than two scenarios.

    Examples
    --------
    >>> rows = pl.DataFrame({"year": [2026, 2027], "quantity": "co2_t", "sector": "total", "unit": "t",
    ...     "reference": [8e7, 8e7], "reference_lower": [7e7, 7e7], "reference_upper": [9e7, 9e7],
    ...     "scenario": [8e7, 7.8e7], "difference": [0.0, -2e6], "lower": [0.0, -3e6], "upper": [0.0, -1e6]})
    >>> plot = fan(rows, alt="CO2", lang="en")
    >>> figures.source(plot, "line0").data["y"]
    [0.0, -2.0]
    """
    from bokeh.models import ColumnDataSource, HoverTool, NumeralTickFormatter

    lang = lang or settings.language()
    spec = {"chart": "fan", "quantity": quantity, "sector": sector, "levels": levels, "lang": lang}
    data = _fan_data(frames, spec)
    plot = figures.base(alt=alt, height=height, large=large, save_as=f"citylab_{quantity}", tags=spec)
    sources = {name: ColumnDataSource(columns, name=name) for name, columns in data.items()}
    if levels:
        plot.varea("x", "low", "high", source=sources["reference"], fill_color=theme.colour("reference"),
                   fill_alpha=_BAND_ALPHA)  # fmt: skip
        plot.line("x", "y", source=sources["reference"], line_color=theme.colour("reference"), line_width=2,
                  line_dash="dashed")  # fmt: skip
    drawn = []
    for i, colour in enumerate(SERIES[:_TWO]):
        own = sources[f"line{i}"]
        if not levels:
            plot.varea("x", "low", "high", source=own, fill_color=colour, fill_alpha=_BAND_ALPHA)
        plot.line("x", "y", source=own, line_color=colour, line_width=2.5)
        drawn.append(plot.scatter("x", "y", source=own, fill_color=colour, line_color=theme.PAPER, size=7))
    plot.add_tools(HoverTool(renderers=drawn, tooltips=[("", "@x{0} · @name"), ("", "@text")]))
    if not levels:
        _zero(plot)
    unit = _of_quantity(next(iter(_named(frames, ("quantity",), "The course").values())), spec)["unit"][0]
    shown = _reading(unit, lang).unit
    plot.yaxis.axis_label = quantity_label(quantity, sector, lang) + (f" ({shown})" if shown else "")
    plot.yaxis.formatter = NumeralTickFormatter(format="0,0.[0000]")
    plot.xaxis.ticker.min_interval = 1
    plot.xaxis.ticker.desired_num_ticks = 5
    plot.xaxis.formatter = NumeralTickFormatter(format="0")
    plot.xgrid.grid_line_color = None
    _synthetic(plot, _named(frames, ("quantity",), "The course"), lang, large)
    return plot


def _of_quantity(frame: pl.DataFrame, spec: Mapping[str, Any]) -> pl.DataFrame:
    rows = frame.filter((pl.col("quantity") == spec["quantity"]) & (pl.col("sector") == spec["sector"]))
    if rows.is_empty():
        known = frame.select("quantity", "sector").unique().sort("quantity", "sector").rows()
        raise SchemaError(f"There is no {spec['quantity']!r} of {spec['sector']!r}; the frame has {known}.")
    return rows.sort("year")


def _fan_data(frames: Frames, spec: Mapping[str, Any]) -> dict[str, Columns]:
    lang = spec["lang"]
    ends = ("reference", "reference_lower", "reference_upper", "scenario", "difference", "lower", "upper")
    named = _named(frames, ("year", "quantity", "sector", "unit", *ends), "The course")
    found: dict[str, Columns] = {}
    for i, (name, frame) in enumerate(named.items()):
        rows = _of_quantity(frame, spec)
        unit = rows["unit"][0]
        divisor = _reading(unit, lang).divisor
        at = {column: (rows[column] / divisor).to_list() for column in ends}
        years = rows["year"].to_list()
        if i == 0:
            found["reference"] = {"x": years, "y": at["reference"], "low": at["reference_lower"],
                                  "high": at["reference_upper"]}  # fmt: skip
        says = [told(v, lo, hi, unit, lang) for v, lo, hi in rows.select("difference", "lower", "upper").iter_rows()]
        found[f"line{i}"] = {
            "x": years, "y": at["scenario" if spec["levels"] else "difference"], "low": at["lower"],
            "high": at["upper"], "name": [name] * len(years), "text": says,
        }  # fmt: skip
    none: Columns = {c: [] for c in ("x", "y", "low", "high", "name", "text")}
    return {**found, **{f"line{i}": none for i in range(len(named), _TWO)}}


# all outputs of the city


def outcomes(
    frames: Frames, rows: Sequence[tuple[str, str]] = OUTPUTS, *, alt: str, lang: Language | None = None,
    height: int | None = None, large: bool = False,
) -> figure:  # fmt: skip
    """Return the difference of each output with its interval, a row each on its own scale; hollow where 0 is inside.

    Parameters
    ----------
    frames
        From :meth:`citylab.policy.simulate.Result.totals`; a third may be what two differ in, from ``minus``.
    rows
        Quantity and sector of each row, from the top down.
    alt, lang, height, large
        As in :func:`citylab.viz.charts.line`; the height follows from the rows unless given.

    Raises
    ------
    SchemaError, DataError
        A column or a quantity is missing; no rows, or more than two scenarios.

    Examples
    --------
    >>> frame = pl.DataFrame({"quantity": ["co2_t"], "sector": ["total"], "unit": ["t"], "difference": [-2e6],
    ...                       "lower": [-3e6], "upper": [-1e6]})
    >>> figures.source(outcomes(frame, [("co2_t", "total")], alt="CO2", lang="en"), "told").data["text"]
    ['−2.00 (−3.00 to −1.00) Mt']
    """
    from bokeh.models import ColumnDataSource, HoverTool

    lang = lang or settings.language()
    spec = {"chart": "outcomes", "rows": [list(r) for r in rows], "lang": lang, "large": large}
    data = _outcomes_data(frames, spec)
    plot = _sheet(data["size"]["lines"][0], alt=alt, spec=spec, large=large, height=height, save_as="citylab_outcomes")
    plot.x_range.start, plot.x_range.end = -1 - _ROOM, 1 + _ROOM
    source = ColumnDataSource(data["data"], name="data")
    _zero(plot)
    plot.segment("low", "y", "high", "y", source=source, line_color="colour", line_width=4, line_alpha=0.5)
    marks = plot.scatter("x", "y", source=source, size=_MARK_PX, line_color="colour", fill_color="fill", line_width=2)
    _row_text(plot, ColumnDataSource(data["heads"], name="heads"), large=large)
    _row_text(plot, ColumnDataSource(data["told"], name="told"), large=large, text_font_style="bold")
    plot.add_tools(HoverTool(renderers=[marks], tooltips=[("", "@label"), ("", "@text")]))
    _synthetic(plot, _named(frames, ("quantity",), "The outputs", len(SERIES)), lang, large)
    return plot


def _outcomes_data(frames: Frames, spec: Mapping[str, Any]) -> dict[str, Columns]:
    lang, what = spec["lang"], "The outputs"
    named = _named(frames, ("quantity", "sector", "unit", "difference", "lower", "upper"), what, len(SERIES))
    wanted = [(q, s) for q, s in spec["rows"]]
    of = {name: _rows_of(frame, wanted, what) for name, frame in named.items()}
    places, left = _Rows(), -1 - _ROOM
    heads: list[Columns] = []
    says: list[Columns] = []
    made: list[Columns] = []
    for k, (quantity, sector) in enumerate(wanted):
        group = [rows[k] for rows in of.values()]
        scale = max(abs(r[c]) for r in group for c in ("difference", "lower", "upper")) or 1.0
        label = quantity_label(quantity, sector, lang)
        heads.append({"x": left, "y": places.line(), "text": label})
        for i, (name, r) in enumerate(zip(of, group, strict=True)):
            said = _led(name, r, r["unit"], lang, large=spec["large"])
            says.append({"x": left, "y": places.text(said), "text": said})
            made.append({
                "label": label, "text": said, "y": places.bar(), "x": r["difference"] / scale,
                "low": r["lower"] / scale, "high": r["upper"] / scale, "colour": SERIES[i],
                "fill": theme.PAPER if r["lower"] <= 0 <= r["upper"] else SERIES[i],
            })  # fmt: skip
    parts = {"heads": _columns(heads), "told": _columns(says), "data": _columns(made)}
    return {**parts, "size": {"lines": [-places.y]}}


def _led(name: str, row: Mapping[str, Any], unit: str, lang: Language, *, large: bool) -> str:
    """Return a difference behind the name of its scenario, if it has one; in large type its interval in a second line.

    There are always two lines then, so that other data in the same picture leave the rows where they are.
    """
    head = f"{name}{'：' if lang == 'zh' else ': '}" if name else ""
    said, ends, shown = _told_apart(row["difference"], row["lower"], row["upper"], unit, lang)
    if large:
        return f"{head}{said} {shown}".strip() + f"\n{ends.strip()}"
    return f"{head}{said}{ends} {shown}".strip()


def _columns(rows: Sequence[Mapping[str, Any]]) -> Columns:
    return {name: [r[name] for r in rows] for name in rows[0]} if rows else {}


def sectors(
    frames: Frames, *, alt: str, lang: Language | None = None, height: int | None = None, large: bool = False
) -> figure:
    """Return CO2 by sector over all years: the reference in grey, the scenario in its colour, and the difference.

    Parameters
    ----------
    frames
        From :meth:`citylab.policy.simulate.Result.totals`.
    alt, lang, height, large
        As in :func:`outcomes`.

    Raises
    ------
    SchemaError, DataError
        A column is missing; no rows, or more than two scenarios.

    Examples
    --------
    >>> frame = pl.DataFrame({"quantity": ["co2_t"], "sector": ["transit"], "unit": ["t"], "reference": [9e6],
    ...                       "scenario": [8e6], "difference": [-1e6], "lower": [-2e6], "upper": [-5e5]})
    >>> figures.source(sectors(frame, alt="CO2", lang="en"), "data").data["right"]
    [8.0]
    """
    from bokeh.models import ColumnDataSource, HoverTool

    lang = lang or settings.language()
    spec = {"chart": "sectors", "lang": lang, "large": large}
    data = _sectors_data(frames, spec)
    plot = _sheet(data["size"]["lines"][0], alt=alt, spec=spec, large=large, height=height, save_as="citylab_sectors",
                  axis=True)  # fmt: skip
    source = ColumnDataSource(data["data"], name="data")
    plot.hbar(y="y", left=0, right="reference", height=_BAR, source=source, fill_color=theme.colour("no_data"),
              line_color=theme.colour("reference"))  # fmt: skip
    bars = plot.hbar(y="y", left=0, right="right", height=_THIN, source=source, fill_color="colour", line_width=0)
    _row_text(plot, ColumnDataSource(data["heads"], name="heads"), large=large)
    _row_text(plot, ColumnDataSource(data["told"], name="told"), large=large, text_font_style="bold")
    plot.add_tools(HoverTool(renderers=[bars], tooltips=[("", "@label: @right{0,0.00}"), ("", "@text")]))
    plot.x_range.start, plot.x_range.end = 0, data["size"]["end"][0]
    plot.xaxis.axis_label = figures.axis_title("co2_t", "t", lang, quantity_label("co2_t", lang=lang))
    _synthetic(plot, _named(frames, ("quantity",), "The sectors"), lang, large)
    return plot


def _sectors_data(frames: Frames, spec: Mapping[str, Any]) -> dict[str, Columns]:
    lang, what = spec["lang"], "The sectors"
    ends = ("reference", "scenario", "difference", "lower", "upper")
    named = _named(frames, ("quantity", "sector", "unit", *ends), what)
    first = next(iter(named.values())).filter((pl.col("quantity") == "co2_t") & (pl.col("sector") != "total"))
    wanted = [("co2_t", s) for s in first["sector"]]
    if not wanted:
        raise DataError(f"{what} finds no row of 'co2_t' by sector. Give the table of Result.totals().")
    of = {name: _rows_of(frame, wanted, what) for name, frame in named.items()}
    divisor = numbers.reading("t", lang).divisor
    end = max(max(r["reference"], r["scenario"]) for rows in of.values() for r in rows) / divisor * (1 + _ROOM)
    places = _Rows()
    heads: list[Columns] = []
    says: list[Columns] = []
    made: list[Columns] = []
    for k, (_, sector) in enumerate(wanted):
        label = vocabulary.say(f"policy_sector_{sector}", lang)
        heads.append({"x": 0.0, "y": places.line(), "text": label})
        for i, (name, rows) in enumerate(of.items()):
            r = rows[k]
            said = _led(name, r, "t", lang, large=spec["large"])
            says.append({"x": 0.0, "y": places.text(said), "text": said})
            made.append({"label": label, "text": said, "y": places.bar(), "reference": r["reference"] / divisor,
                         "right": r["scenario"] / divisor, "colour": SERIES[i]})  # fmt: skip
    parts = {"heads": _columns(heads), "told": _columns(says), "data": _columns(made)}
    return {**parts, "size": {"lines": [-places.y], "end": [end]}}


# who gains


def winners(
    frames: Frames, outcome: str = "household_cny_person", *, names: Mapping[str, str] | None = None, alt: str,
    lang: Language | None = None, height: int | None = None, large: bool = False,
) -> figure:  # fmt: skip
    """Return the change of each group with its interval, in the order of the frame; hollow where 0 is inside.

    Parameters
    ----------
    frames
        From :meth:`citylab.policy.simulate.Result.by_group`.
    outcome
        One of :data:`citylab.policy.simulate.OUTCOMES`.
    names
        Names of districts by ``adcode``.
    alt, lang, height, large
        As in :func:`outcomes`.

    Raises
    ------
    SchemaError, DataError
        A column or the outcome is missing; no rows, or more than two scenarios.

    Examples
    --------
    >>> frame = pl.DataFrame({"group": ["age_band"] * 2, "level": ["1", "2"], "outcome": "online_share", "unit": "1",
    ...                       "difference": [0.0, 0.02], "lower": [0.0, 0.01], "upper": [0.0, 0.03]})
    >>> figures.source(winners(frame, "online_share", alt="Online", lang="en"), "data0").data["x"]
    [0.0, 2.0]
    """
    from bokeh.models import ColumnDataSource, HoverTool

    lang = lang or settings.language()
    spec = {"chart": "winners", "outcome": outcome, "names": dict(names or {}), "lang": lang}
    data = _winners_data(frames, spec)
    plot = _levels_plot(frames, spec, alt=alt, large=large, height=height, save_as="citylab_winners")
    _zero(plot)
    plot.scatter([0.0], [data["data0"]["label"][0]], size=0, alpha=0)  # keeps 0 in sight
    drawn = []
    for name, columns in data.items():
        source = ColumnDataSource(columns, name=name)
        plot.segment("low", "y", "high", "y", source=source, line_color="colour", line_width=4, line_alpha=0.5)
        drawn.append(plot.scatter("x", "y", source=source, size=_MARK_PX, line_color="colour", fill_color="fill",
                                  line_width=2))  # fmt: skip
    plot.add_tools(HoverTool(renderers=drawn, tooltips=[("", "@label · @name"), ("", "@text")]))
    frame = next(iter(_named(frames, ("outcome", "unit"), "The groups").values()))
    unit = frame.filter(pl.col("outcome") == outcome)["unit"][0]
    shown = _reading(unit, lang).unit
    plot.xaxis.axis_label = shown
    return plot


def _levels_plot(
    frames: Frames, spec: Mapping[str, Any], *, alt: str, large: bool, height: int | None, save_as: str
) -> Any:
    """Return an empty figure with a line for each group, the first on top."""
    from bokeh.models import FactorRange

    named = _named(frames, ("group", "level", "outcome"), "The groups")
    labels = _labels(next(iter(named.values())), spec)
    row = _ROW_PX * (_LARGE_LINE_PX / _LINE_PX if large else 1.0) * (_DENSE if len(labels) > _MANY_LEVELS else 1.0)
    high = height or int(len(labels) * row + _AXIS_PX + _ABOVE_PX)
    plot = figures.base(alt=alt, height=high, large=large, save_as=save_as, tags=dict(spec),
                        y_range=FactorRange(*labels[::-1]))  # fmt: skip
    plot.xaxis.ticker.desired_num_ticks = 5
    figures.rows_axis(plot)
    _synthetic(plot, named, spec["lang"], large)
    return plot


def _labels(frame: pl.DataFrame, spec: Mapping[str, Any]) -> list[str]:
    rows = frame.select("group", "level").unique(maintain_order=True)
    return [level_label(g, v, spec["lang"], spec["names"]) for g, v in rows.iter_rows()]


def _outcome_rows(frame: pl.DataFrame, outcome: str) -> pl.DataFrame:
    rows = frame.filter(pl.col("outcome") == outcome)
    if rows.is_empty():
        raise SchemaError(f"There is no outcome {outcome!r}; the frame has {frame['outcome'].unique().to_list()}.")
    return rows


def _winners_data(frames: Frames, spec: Mapping[str, Any]) -> dict[str, Columns]:
    lang = spec["lang"]
    named = _named(frames, ("group", "level", "outcome", "unit", "difference", "lower", "upper"), "The groups")
    found: dict[str, Columns] = {}
    for i, (name, frame) in enumerate(named.items()):
        rows = _outcome_rows(frame, spec["outcome"])
        unit = rows["unit"][0]
        divisor = _reading(unit, lang).divisor
        labels = _labels(rows, spec)
        aside = 0.0 if len(named) == 1 else _DODGE * (1 - 2 * i)
        is_open = ((rows["lower"] <= 0) & (rows["upper"] >= 0)).to_list()
        found[f"data{i}"] = {
            "label": labels, "y": [(label, aside) for label in labels], "name": [name] * rows.height,
            "x": (rows["difference"] / divisor).to_list(), "low": (rows["lower"] / divisor).to_list(),
            "high": (rows["upper"] / divisor).to_list(), "colour": [SERIES[i]] * rows.height,
            "fill": [theme.PAPER if o else SERIES[i] for o in is_open],
            "text": [told(v, lo, hi, unit, lang)
                     for v, lo, hi in rows.select("difference", "lower", "upper").iter_rows()],
        }  # fmt: skip
    none: Columns = {c: [] for c in ("label", "y", "name", "x", "low", "high", "colour", "fill", "text")}
    return {**found, **{f"data{i}": none for i in range(len(named), _TWO)}}


def gain_and_lose(
    frame: pl.DataFrame, *, names: Mapping[str, str] | None = None, alt: str, lang: Language | None = None,
    height: int | None = None, large: bool = False,
) -> figure:  # fmt: skip
    """Return the shares of each group that lose (to the left) and gain (to the right); the rest sees no change.

    Parameters
    ----------
    frame
        From :meth:`citylab.policy.simulate.Result.by_group`.
    names, alt, lang, height, large
        As in :func:`winners`.

    Raises
    ------
    SchemaError, DataError
        A column or one of the two shares is missing; no rows.

    Examples
    --------
    >>> rows = pl.DataFrame({"group": ["age_band"] * 2, "level": ["2"] * 2, "outcome": list(SIDES), "unit": "1",
    ...                      "difference": [0.25, 0.5], "lower": [0.2, 0.4], "upper": [0.3, 0.6]})
    >>> plot = gain_and_lose(rows, alt="Who gains", lang="en")
    >>> [figures.source(plot, name).data["x"] for name in SIDES]
    [[-25.0], [50.0]]
    """
    from bokeh.models import ColumnDataSource, HoverTool, NumeralTickFormatter, Range1d

    lang = lang or settings.language()
    spec = {"chart": "sides", "names": dict(names or {}), "lang": lang}
    data = _sides_data(frame, spec)
    plot = _levels_plot(frame, spec, alt=alt, large=large, height=height, save_as="citylab_gain_and_lose")
    drawn = []
    for name, columns in data.items():
        source = ColumnDataSource(columns, name=name)
        drawn.append(plot.hbar(y="label", left=0, right="x", height=0.62, source=source, fill_color=SIDES[name],
                               line_width=0))  # fmt: skip
        plot.segment("low", "label", "high", "label", source=source, line_color=theme.INK, line_width=1.5)
    plot.add_tools(HoverTool(renderers=drawn, tooltips=[("", "@label"), ("", "@text")]))
    plot.x_range = Range1d(-_PERCENT, _PERCENT)
    plot.xaxis.formatter = NumeralTickFormatter(format="0")
    plot.xaxis.ticker.desired_num_ticks = 5
    plot.xaxis.axis_label = vocabulary.say("policy_sides", lang) + " (%)"
    return plot


def _sides_data(frame: Frames, spec: Mapping[str, Any]) -> dict[str, Columns]:
    (own,) = _named(frame, ("group", "level", "outcome", "difference", "lower", "upper"), "The shares").values()
    found: dict[str, Columns] = {}
    for name in SIDES:
        rows = _outcome_rows(own, name)
        sign = -_PERCENT if name == "losing_share" else _PERCENT
        says = [
            f"{vocabulary.say(f'policy_{name}', spec['lang'])}: {numbers.percent(v)} "
            f"({numbers.percent(lo)} – {numbers.percent(hi)})"
            for v, lo, hi in rows.select("difference", "lower", "upper").iter_rows()
        ]
        found[name] = {
            "label": _labels(rows, spec), "x": (rows["difference"] * sign).to_list(),
            "low": (rows["lower"] * sign).to_list(), "high": (rows["upper"] * sign).to_list(), "text": says,
        }  # fmt: skip
    return found


def change_map(
    frame: pl.DataFrame, shapes: Sequence[Mapping[str, Any]], outcome: str = "household_cny_person", *, alt: str,
    lang: Language | None = None, height: int = 380, large: bool = False,
) -> figure:  # fmt: skip
    """Return the districts coloured by their change: brown a fall, grey none, blue a rise, as far to either side.

    Parameters
    ----------
    frame
        From :meth:`citylab.policy.simulate.Result.by_group` with ``"adcode"``.
    shapes
        From :func:`citylab.viz.maps.features`; a district without a row is hatched.
    outcome
        One of :data:`citylab.policy.simulate.OUTCOMES`.
    alt, lang, height, large
        As in :func:`citylab.viz.charts.line`.

    Raises
    ------
    SchemaError, DataError
        A column or the outcome is missing; no rows.
    """
    from bokeh.models import ColumnDataSource, HoverTool, LinearColorMapper

    lang = lang or settings.language()
    codes = [s["properties"]["adcode"] for s in shapes]
    spec = {"chart": "map", "outcome": outcome, "codes": codes, "lang": lang}
    xs, ys = _outlines(shapes)
    data = {
        **_map_data(frame, spec)["data"],
        "xs": xs,
        "ys": ys,
        "name": [s["properties"][f"name_{lang}"] for s in shapes],
    }
    flat = [(x, y) for px, py in zip(xs, ys, strict=True) for rx, ry in zip(px, py, strict=True)
            for x, y in zip(rx[0], ry[0], strict=True)]  # fmt: skip
    (left, right), (bottom, top) = ((min(a), max(a)) for a in zip(*flat, strict=True))
    room = _ROOM * (top - bottom)
    plot = figures.square(alt=alt, height=height, large=large, save_as="citylab_change_map", tags=spec,
                          box=(left - room, right + room, bottom - room, top + room))  # fmt: skip
    most = _most(data["value"])
    mapper = LinearColorMapper(palette=list(DIVERGING), low=-most, high=most, nan_color=theme.PAPER, name="mapper")
    source = ColumnDataSource(data, name="data")
    drawn = plot.multi_polygons("xs", "ys", source=source, fill_color={"field": "value", "transform": mapper},
                                line_color=theme.MUTED, line_width=1, hatch_pattern="hatch", hatch_alpha=0.4,
                                hatch_color=theme.MUTED)  # fmt: skip
    plot.add_tools(HoverTool(renderers=[drawn], tooltips=[("", "@name"), ("", "@text")]))
    unit = _outcome_rows(frame, outcome)["unit"][0]
    figures.colour_bar(plot, mapper, _reading(unit, lang).unit, large)
    _synthetic(plot, {"": frame}, lang, large)
    return plot


def _most(values: Sequence[float]) -> float:
    return max((abs(v) for v in values if math.isfinite(v)), default=1.0) or 1.0


def _outlines(shapes: Sequence[Mapping[str, Any]]) -> tuple[list[Any], list[Any]]:
    """Return outlines on a plane, longitudes shrunk by the cosine of the middle latitude."""
    polygons = [
        g["coordinates"] if g["type"] == "MultiPolygon" else [g["coordinates"]] for g in (s["geometry"] for s in shapes)
    ]
    heights = [y for shape in polygons for p in shape for _, y in p[0]]
    shrink = math.cos(math.radians((min(heights) + max(heights)) / 2))
    xs = [[[[x * shrink for x, _ in ring] for ring in p] for p in shape] for shape in polygons]
    ys = [[[[y for _, y in ring] for ring in p] for p in shape] for shape in polygons]
    return xs, ys


def _map_data(frame: Frames, spec: Mapping[str, Any]) -> dict[str, Columns]:
    lang = spec["lang"]
    (own,) = _named(frame, ("level", "outcome", "unit", "difference", "lower", "upper"), "The map").values()
    rows = {r["level"]: r for r in _outcome_rows(own, spec["outcome"]).iter_rows(named=True)}
    value, text, hatch = [], [], []
    for code in spec["codes"]:
        r = rows.get(code)
        value.append(math.nan if r is None else r["difference"] / _reading(r["unit"], lang).divisor)
        text.append(vocabulary.say("no_data", lang) if r is None
                    else told(r["difference"], r["lower"], r["upper"], r["unit"], lang))  # fmt: skip
        hatch.append("/" if r is None else " ")
    return {"data": {"value": value, "text": text, "hatch": hatch}}


# how sure


def uncertainty(
    frames: Frames, rows: Sequence[tuple[str, str]] = OUTPUTS, *, alt: str, lang: Language | None = None,
    height: int | None = None, large: bool = False,
) -> figure:  # fmt: skip
    """Return what the variance of each difference is made of: which households, which parameters, which model.

    Parameters
    ----------
    frames
        From :meth:`citylab.policy.simulate.Result.totals`.
    rows, alt, lang, height, large
        As in :func:`outcomes`.

    Raises
    ------
    SchemaError, DataError
        A column or a quantity is missing; no rows, or more than two scenarios.

    Examples
    --------
    >>> frame = pl.DataFrame({"quantity": ["co2_t"], "sector": ["total"], "sd": [5.0], "sd_sampling": [0.0],
    ...                       "sd_parameter": [3.0], "sd_model": [4.0]})
    >>> plot = uncertainty(frame, [("co2_t", "total")], alt="Parts", lang="en")
    >>> figures.source(plot, "parameter").data["right"], figures.source(plot, "model").data["right"]
    ([36.0], [100.0])
    """
    from bokeh.models import ColumnDataSource, HoverTool

    lang = lang or settings.language()
    spec = {"chart": "uncertainty", "rows": [list(r) for r in rows], "lang": lang}
    data = _uncertainty_data(frames, spec)
    plot = _sheet(data["size"]["lines"][0], alt=alt, spec=spec, large=large, height=height,
                  save_as="citylab_uncertainty", axis=True)  # fmt: skip
    drawn = []
    for name, colour in PARTS.items():
        source = ColumnDataSource(data[name], name=name)
        drawn.append(plot.hbar(y="y", left="left", right="right", height=_BAR, source=source, fill_color=colour,
                               line_color=theme.PAPER))  # fmt: skip
        plot.text(x="middle", y="y", text="text", source=source, text_align="center", text_baseline="middle",
                  text_color=theme.ink_on(colour), text_font=figures.fonts(),
                  text_font_size=figures.px(large))  # fmt: skip
    _row_text(plot, ColumnDataSource(data["heads"], name="heads"), large=large)
    plot.add_tools(HoverTool(renderers=drawn, tooltips=[("", "@told")]))
    plot.x_range.start, plot.x_range.end = 0, _PERCENT
    plot.xaxis.axis_label = vocabulary.say("policy_variance_share", lang) + " (%)"
    _synthetic(plot, _named(frames, ("quantity",), "The uncertainty"), lang, large)
    return plot


def _uncertainty_data(frames: Frames, spec: Mapping[str, Any]) -> dict[str, Columns]:
    lang, what = spec["lang"], "The uncertainty"
    named = _named(frames, ("quantity", "sector", "sd", *(f"sd_{p}" for p in PARTS)), what)
    wanted = [(q, s) for q, s in spec["rows"]]
    of = {name: _rows_of(frame, wanted, what) for name, frame in named.items()}
    places = _Rows()
    heads: list[Columns] = []
    parts: dict[str, list[Columns]] = {name: [] for name in PARTS}
    for k, (quantity, sector) in enumerate(wanted):
        for name, rows in of.items():
            whole = sum(rows[k][f"sd_{p}"] ** 2 for p in PARTS)
            label = quantity_label(quantity, sector, lang) + (f" · {name}" if name else "")
            none = "" if whole else f" · {vocabulary.say('policy_no_change', lang)}"
            heads.append({"x": 0.0, "y": places.line(), "text": label + none})
            y = places.bar()
            left = 0.0
            for part in PARTS:
                share = rows[k][f"sd_{part}"] ** 2 / whole if whole else 0.0
                right = left + share * _PERCENT
                said = numbers.percent(share)
                parts[part].append({
                    "y": y, "left": left, "right": right, "middle": (left + right) / 2,
                    "text": said if share >= _WRITTEN_SHARE else "",
                    "told": f"{label} · {vocabulary.say(f'policy_{part}', lang)}: {said}",
                })  # fmt: skip
                left = right
    bars = {name: _columns(rows) for name, rows in parts.items()}
    return {"heads": _columns(heads), **bars, "size": {"lines": [-places.y]}}


# when


def timeline(
    scenarios: Scenario | Sequence[Scenario], *, alt: str, lang: Language | None = None, height: int | None = None,
    large: bool = False, today: dt.date | None = None,
) -> figure:  # fmt: skip
    """Return when each change starts, how it grows to its value and when it ends, over the phases of the plan.

    Parameters
    ----------
    scenarios
        One scenario or two.
    alt, lang, height, large
        As in :func:`outcomes`.
    today
        Day of the line between what is past and what can be decided; default: the first day on which any lever may
        begin.

    Raises
    ------
    DataError
        More than two scenarios, or none.

    Examples
    --------
    >>> from citylab.policy.scenario import Change, Scenario
    >>> plan = Scenario("甲", "A", [Change("building_pv", 2, 2026, 2030, ramp_years=4)])
    >>> plot = timeline(plan, alt="One change", lang="en")
    >>> figures.source(plot, "changes").data["text"]
    ['2 GW']
    """
    from bokeh.models import ColumnDataSource, HoverTool, NumeralTickFormatter, Span

    lang = lang or settings.language()
    spec = {"chart": "timeline", "lang": lang, "large": large}
    data = _timeline_data(scenarios, spec)
    size = data["size"]
    plot = _sheet(size["lines"][0], alt=alt, spec=spec, large=large, height=height, save_as="citylab_timeline",
                  axis=True)  # fmt: skip
    sources = {name: ColumnDataSource(columns, name=name) for name, columns in data.items()}
    plot.quad("left", "right", "top", "bottom", source=sources["phases"], fill_color="fill", fill_alpha=0.6,
              line_color=theme.PAPER, hatch_pattern="hatch", hatch_color=theme.colour("reference"), hatch_alpha=0.35,
              hatch_scale=10)  # fmt: skip
    plot.text("text_x", "text_y", "label", source=sources["phases"], x_offset="shift", text_align="align",
              text_baseline="middle",
              text_color=theme.MUTED, text_font=figures.fonts(), text_font_size=figures.px(large),
              background_fill_color=theme.PAPER, background_fill_alpha=0.8)  # fmt: skip
    drawn = plot.patches("xs", "ys", source=sources["changes"], fill_color="colour", fill_alpha=0.75,
                         line_color="colour")  # fmt: skip
    _row_text(plot, sources["heads"], large=large)
    plot.text("x", "y", "text", source=sources["changes"], x_offset=-4, text_align="right", text_baseline="middle",
              text_color=theme.INK, text_font=figures.fonts(), text_font_size=figures.px(large),
              background_fill_color=theme.PAPER, background_fill_alpha=0.75, padding=2)  # fmt: skip
    plot.add_tools(HoverTool(renderers=[drawn], tooltips=[("", "@said")]))
    now = _decimal(today) if today is not None else _first_day()
    plot.add_layout(Span(location=now, dimension="height", line_color=theme.INK, line_dash="dashed"))
    plot.x_range.start, plot.x_range.end = size["left"][0], size["right"][0]
    plot.xaxis.formatter = NumeralTickFormatter(format="0")
    plot.xaxis.ticker.min_interval = 1
    plot.xgrid.grid_line_color = None
    return plot


def _first_day() -> float:
    from citylab.policy.levers import levers

    return min(_decimal(one.first_date) for one in levers().values())


def _decimal(day: dt.date) -> float:
    """Return a day as a year and a part of one."""
    first = dt.date(day.year, 1, 1)
    return day.year + (day - first).days / (dt.date(day.year + 1, 1, 1) - first).days


def _last_day() -> float:
    from citylab.policy.reference import Reference

    return float(Reference.load().years[-1] + 1)


def _after(day: dt.date | None) -> float:
    """Return the end of a last day in force, at most the end of the last year that is run."""
    return _last_day() if day is None else min(_decimal(day + dt.timedelta(days=1)), _last_day())


def _wedge(change: Change, from_part: float, y: float) -> tuple[list[float], list[float]]:
    """Return the outline of a change: it grows from what held before over its ramp, then stays."""
    start, end = _decimal(change.start), _after(change.end)
    full = min(start + change.ramp_years, end)
    reached = 1.0 if change.ramp_years == 0 else from_part + (1 - from_part) * (full - start) / change.ramp_years
    first = 1.0 if change.ramp_years == 0 else from_part
    bottom = y - _BAR / 2
    top = [bottom + part * _BAR for part in (first, reached, reached)]
    return [start, start, full, end, end], [bottom, *top, bottom]


def _timeline_data(scenarios: Scenario | Sequence[Scenario], spec: Mapping[str, Any]) -> dict[str, Columns]:
    from citylab.policy.levers import lever
    from citylab.policy.scenario import amount

    lang = spec["lang"]
    plans = list(scenarios) if isinstance(scenarios, Sequence) else [scenarios]
    if not 1 <= len(plans) <= _TWO:
        raise DataError(f"The timeline holds one or two scenarios, got {len(plans)}. Draw two pictures.")
    first = next((p.phases for p in plans if p.phases), ())
    spans = [(_decimal(p.start), _after(p.end), p.name_zh if lang == "zh" else p.name_en) for p in first]
    start = _first_day()
    spans = spans or [(start - PAST_YEARS, start, vocabulary.say("policy_past", lang))]
    left = min(start, *(s for s, _, _ in spans))
    places = _Rows()
    at = [places.line() for _ in spans]
    places.y -= _GAP
    heads: list[Columns] = []
    bars: list[Columns] = []
    for i, plan in enumerate(plans):
        for name in plan.levers():
            one = lever(name)
            label = one.title(lang) + (f" · {plan.title(lang)}" if len(plans) > 1 else "")
            label = figures.folded(label) if spec["large"] else label
            heads.append({"x": left + _ROOM, "y": places.text(label), "text": label})
            y = places.bar()
            before: Change | None = None
            for change in (c for c in plan.changes if c.lever == name):
                follows = before is not None and before.end == change.start - dt.timedelta(days=1)
                grown = change.value - one.default
                part = 0.0
                if follows and before is not None and grown:
                    part = min(max((before.value - one.default) / grown, 0.0), 1.0)
                xs, ys = _wedge(change, part, y)
                bars.append({"xs": xs, "ys": ys, "x": xs[-1], "y": y, "colour": SERIES[i],
                             "text": amount(change.value, one.unit, lang), "said": change.sentence(lang)})  # fmt: skip
                before = change
    middle = (left + _last_day()) / 2
    phases = [
        {"left": since, "right": right, "top": 0.0, "bottom": places.y, "text_y": y, "label": name,
         "fill": theme.GRID if k % 2 == 0 else theme.PAPER, "hatch": "/" if right <= start else " ",
         **_phase_text(since, right, at_right=bool(spec["large"]) and since > middle)}
        for k, ((since, right, name), y) in enumerate(zip(spans, at, strict=True))
    ]  # fmt: skip
    none: Columns = {c: [] for c in ("xs", "ys", "x", "y", "colour", "text", "said")}
    return {
        "size": {"lines": [-places.y], "left": [left], "right": [_last_day()]},
        "phases": _columns(phases),
        "heads": _columns(heads) or {c: none[c] for c in ("x", "y", "text")},
        "changes": _columns(bars) or none,
    }


def _phase_text(since: float, until: float, *, at_right: bool) -> Columns:
    """Return where the name of a phase stands: at its beginning, or at its end where large type would be cut."""
    if at_right:
        return {"text_x": until, "shift": -_PHASE_GAP_PX, "align": "right"}
    return {"text_x": since, "shift": _PHASE_GAP_PX, "align": "left"}


def sentences(said: Sequence[str], lang: Language | None = None) -> str:
    """Return sentences, such as those of :func:`citylab.policy.scenario.diff`, as an HTML list.

    Examples
    --------
    >>> sentences(["One."], "en")
    '<ul><li>One.</li></ul>'
    """
    lang = lang or settings.language()
    lines = said or [vocabulary.say("policy_no_change", lang)]
    return "<ul>" + "".join(f"<li>{html.escape(line)}</li>" for line in lines) + "</ul>"


_DATA: dict[str, Callable[[Any, Mapping[str, Any]], dict[str, Columns]]] = {
    "fan": _fan_data,
    "outcomes": _outcomes_data,
    "sectors": _sectors_data,
    "winners": _winners_data,
    "sides": _sides_data,
    "uncertainty": _uncertainty_data,
    "timeline": _timeline_data,
}


def update(plot: figure, frames: Any) -> None:
    """Put other frames, or other scenarios into a timeline, into a picture of this module; only data go to the browser.

    Parameters
    ----------
    plot
        What a function of this module returned.
    frames
        As that function takes it, with as many scenarios as the picture was drawn for.

    Raises
    ------
    SchemaError
        A column is missing.
    """
    spec: Mapping[str, Any] = plot.tags[0]
    sources = _sources(plot)
    if spec["chart"] == "map":
        data = _map_data(frames, spec)["data"]
        sources["data"].patch({name: [(slice(0, len(values)), values)] for name, values in data.items()})
        most = _most(data["value"])
        plot.renderers[-1].glyph.fill_color.transform.update(low=-most, high=most)
        return
    parts = _DATA[spec["chart"]](frames, spec)
    size = parts.pop("size", {})
    for name, columns in parts.items():
        if name in sources:
            sources[name].data = columns
    if spec["chart"] == "sectors":
        plot.x_range.end = size["end"][0]
    if spec["chart"] == "timeline":
        _fit(plot, size, spec["large"])


def _sources(plot: figure) -> dict[str, Any]:
    """Return the data sources of a figure by name."""
    return {r.data_source.name: r.data_source for r in plot.renderers if r.data_source.name}


def _fit(plot: figure, size: Columns, large: bool) -> None:
    """Give a timeline room for as many lines as it has now."""
    lines, before = size["lines"][0], -plot.y_range.start
    if lines != before:
        added = _sheet_height(lines, large=large, axis=True) - _sheet_height(before, large=large, axis=True)
        plot.height += added
        plot.y_range.start = -lines
    plot.x_range.start = size["left"][0]
