"""Pictures of buildings: intensities by type with one building marked, and what a budget saves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

from citylab import settings
from citylab.errors import DataError
from citylab.settings import Language
from citylab.viz import figures, numbers, theme
from citylab.vocabulary import column, say

if TYPE_CHECKING:
    from bokeh.plotting import figure

ROW_PX, FRAME_PX = 24, 110
"""Height of one type, and of axis and legend."""
_BOX, _MARK_PX = 0.6, 13
_EUI = "site_eui_kwh_m2"


def _p(quantile: int) -> str:
    return f"site_eui_p{quantile}_kwh_m2"


def intensity_plot(
    types: pl.DataFrame | pl.LazyFrame,
    *,
    marked: Mapping[str, float] | None = None,
    names: Mapping[str, str] | None = None,
    alt: str | None = None,
    lang: Language | None = None,
    height: int | None = None,
    large: bool = False,
) -> figure:
    """Return the spread of intensities by type, the thirstiest on top: middle half, tenth to ninetieth, median.

    Parameters
    ----------
    types
        One type a row: ``building_type`` and the quantiles of :func:`citylab.carbon.buildings.eui_quantiles` (10, 25,
        50, 75, 90) [kWh/m²]. Types without a median are left out.
    marked
        Intensity [kWh/m²] of a building to be marked, by its type.
    names
        What types are called, by their value in the frame; default: as they are there.
    alt
        Text for people who cannot see the picture; default: made from the figures.
    lang, height, large
        As in :func:`citylab.viz.charts.line`; the default height fits the types.

    Raises
    ------
    SchemaError
        A column is missing.
    DataError
        No type has quantiles, a type stands twice, or a building of an absent type is to be marked.

    Examples
    --------
    >>> quantiles = {f"site_eui_p{q}_kwh_m2": [float(q)] for q in (10, 25, 50, 75, 90)}
    >>> rows = pl.DataFrame({"building_type": ["hotel"], **quantiles})
    >>> intensity_plot(rows, marked={"hotel": 80.0}, lang="en").xaxis.axis_label
    'Energy use intensity (kWh/m²)'
    """
    from bokeh.models import ColumnDataSource, HoverTool

    what = "The intensities"
    lang = lang or settings.language()
    columns = [_p(q) for q in (10, 25, 50, 75, 90)]
    rows = figures.rows_of(types, ["building_type", *columns], what).drop_nulls(_p(50)).sort(_p(50), "building_type")
    figures.need_one_group(rows, ["building_type"], what)
    if not rows.height:
        raise DataError("No type of building has quantiles, so that there is nothing to draw.")
    given = dict(marked or {})
    if lost := sorted(set(given) - set(rows["building_type"])):
        raise DataError(f"Buildings of {lost} are to be marked, but these types are not in the frame.")
    called = [(names or {}).get(t, t) for t in rows["building_type"]]
    top, least = rows.row(-1, named=True), rows.row(0, named=True)
    spoken = [
        f"{label} {numbers.figures(row[_p(50)])}" for label, row in ((called[-1], top), (called[0], least))
    ]  # fmt: skip
    unit = column(_EUI).unit
    text = alt or f"{say('buildings_by_type', lang)} ({say('median_value', lang)}, {unit}): {spoken[0]} – {spoken[1]}"
    plot = figures.base(
        alt=text, height=height or FRAME_PX + ROW_PX * rows.height, large=large, save_as="citylab_intensity",
        tags={"chart": "intensity", "lang": lang}, y_range=called,
    )  # fmt: skip
    source = ColumnDataSource({"type": called, **{c: rows[c].to_list() for c in columns}}, name="data")
    plot.segment(_p(10), "type", _p(90), "type", source=source, color=theme.MUTED, line_width=2,
                 legend_label=say("tenth_to_ninetieth", lang))  # fmt: skip
    boxes = plot.hbar(y="type", left=_p(25), right=_p(75), height=_BOX, source=source, line_width=0,
                      fill_color=theme.OKABE_ITO["sky"], legend_label=say("middle_half", lang))  # fmt: skip
    plot.scatter(_p(50), "type", source=source, marker="dash", angle=math.pi / 2, size=_MARK_PX, color=theme.INK,
                 line_width=2, legend_label=say("median_value", lang))  # fmt: skip
    if given:
        at = {t: c for t, c in zip(rows["building_type"], called, strict=True)}
        mark = ColumnDataSource({"x": list(given.values()), "type": [at[t] for t in given]}, name="marked")
        plot.scatter("x", "type", source=mark, marker="diamond", size=_MARK_PX, color=theme.colour("selected"),
                     line_color=theme.INK, legend_label=say("this_building", lang))  # fmt: skip
    tips = [("", "@type")] + [(f"{q}%", f"@{_p(q)}{{0}} {unit}") for q in (10, 25, 50, 75, 90)]
    plot.add_tools(HoverTool(renderers=[boxes], tooltips=tips))
    plot.xaxis.axis_label = figures.axis_title(_EUI, unit, lang)
    plot.x_range.start = 0
    figures.rows_axis(plot)
    figures.legend_above(plot, large, narrow=True)
    return plot


def budget_plot(
    curve: pl.DataFrame | pl.LazyFrame,
    *,
    currency: str,
    alt: str | None = None,
    lang: Language | None = None,
    height: int = 320,
    large: bool = False,
) -> figure:
    """Return what budgets save, by the best portfolio with its interval and by following the cost per tonne.

    Parameters
    ----------
    curve
        What :func:`citylab.carbon.buildings.cost_curve` gives.
    currency
        Currency of the budgets, for the axis.
    alt, lang, height, large
        As in :func:`intensity_plot`.

    Raises
    ------
    SchemaError
        A column is missing.
    DataError
        No rows.

    Examples
    --------
    >>> rows = pl.DataFrame({"budget": [1e6, 2e6], "co2e_saved_t_yr": [10.0, 18.0], "ranking_t_yr": [10.0, 17.0],
    ...                      "co2e_saved_lower_t_yr": [6.0, 9.0], "co2e_saved_upper_t_yr": [14.0, 25.0],
    ...                      "level": [0.95, 0.95]})
    >>> budget_plot(rows, currency="CNY", lang="zh").xaxis.axis_label
    '预算 (百万CNY)'
    """
    from bokeh.models import ColumnDataSource, HoverTool, NumeralTickFormatter

    lang = lang or settings.language()
    value, low, high, ranked = "co2e_saved_t_yr", "co2e_saved_lower_t_yr", "co2e_saved_upper_t_yr", "ranking_t_yr"
    rows = figures.rows_of(curve, ["budget", value, low, high, ranked, "level"], "The budgets").sort("budget")
    unit = say("tonnes_a_year", lang)
    last = rows.row(-1, named=True)
    money = numbers.millions_of(currency, lang)
    best, rank = say("best_portfolio", lang), say("by_cost_per_tonne", lang)
    spoken = (
        f"{numbers.figures(last['budget'] / numbers.MILLION)} {money}: {best} {numbers.figures(last[value])} {unit}, "
        f"{rank} {numbers.figures(last[ranked])} {unit}"
    )
    plot = figures.base(
        alt=alt or f"{say('saved_by_budget', lang)}. {spoken}", height=height, large=large, save_as="citylab_budget",
        tags={"chart": "budget", "lang": lang},
    )  # fmt: skip
    data = {c: rows[c].cast(pl.Float64).fill_null(math.nan).to_list() for c in (value, low, high, ranked)}
    source = ColumnDataSource({"x": (rows["budget"] / numbers.MILLION).to_list(), **data}, name="data")
    if rows[low].drop_nulls().len():
        level = f"{best}: {100 * rows['level'].drop_nulls()[0]:g}% {say('interval_of_level', lang)}"
        plot.varea("x", low, high, source=source, fill_color=theme.OKABE_ITO["blue"], fill_alpha=0.18,
                   legend_label=level)  # fmt: skip
    plot.line("x", ranked, source=source, color=theme.colour("reference"), line_dash="dashed", line_width=2,
              legend_label=rank)  # fmt: skip
    drawn = plot.line("x", value, source=source, color=theme.OKABE_ITO["blue"], line_width=2.5, legend_label=best)
    plot.scatter("x", value, source=source, color=theme.OKABE_ITO["blue"], size=6, legend_label=best)
    tips = [(money, "@x{0,0.0}"), (best, f"@{value}{{0,0}} (@{low}{{0,0}} – @{high}{{0,0}}) {unit}")]
    plot.add_tools(HoverTool(renderers=[drawn], tooltips=[*tips, (rank, f"@{ranked}{{0,0}} {unit}")], mode="vline"))
    plot.xaxis.axis_label = f"{column('budget').label(lang)} ({money})"
    plot.yaxis.axis_label = figures.axis_title(value, unit, lang)
    plot.yaxis.formatter = NumeralTickFormatter(format="0,0")
    plot.y_range.start = 0
    figures.legend_above(plot, large, narrow=True)
    return plot
