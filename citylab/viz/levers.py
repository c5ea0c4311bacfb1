"""Pictures of a choice of levers: how much of one is enough for a target, and which of them a budget buys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from citylab import settings
from citylab.errors import DataError
from citylab.settings import Language
from citylab.viz import figures, numbers, theme
from citylab.viz.policy import SERIES
from citylab.vocabulary import say

if TYPE_CHECKING:
    from bokeh.plotting import figure

    from citylab.policy.explore import Threshold
    from citylab.policy.simulate import Result

MARKS = {
    "chosen": (theme.colour("selected"), "star", 18),
    "within": (theme.OKABE_ITO["blue"], "circle", 8),
    "beyond": (theme.colour("reference"), "x", 8),
}
"""Colour, mark and size [px] of the choice, of what the money allows and of what costs more."""
_ROOM = 1.12  # of an axis beyond its largest value
_BAR_PX, _MARK_PX = 7, 11
_BAND_ALPHA = 0.45
_APART = 0.02  # of the axis, so that intervals on one line do not cover each other


def enough(
    found: Mapping[str, Threshold], *, unit: str, title: str, lever_title: str, is_synthetic: bool, alt: str,
    lang: Language | None = None, height: int = 320, large: bool = False,
) -> figure:  # fmt: skip
    """Return the mean outcome over the values of a lever, and where it meets the target, with the interval of that.

    Parameters
    ----------
    found
        One or two answers of :func:`citylab.policy.explore.threshold` to one target, by the name of the model that each
        belongs to.
    unit
        Unit of the outcome and of the target.
    title, lever_title
        Titles of the two axes, without and with the unit: that of the outcome is written as people read it.
    is_synthetic
        Whether the persons behind it are.
    alt, lang, height, large
        As in :func:`citylab.viz.charts.line`.

    Raises
    ------
    DataError
        None or more than two answers, or answers to different targets.

    Examples
    --------
    >>> from citylab.policy.explore import threshold
    >>> answer = threshold(lambda x, start, stop: [1e6 * x] * (stop - start), 5e5, low=0, high=1, n_draws=40)
    >>> plot = enough({"": answer}, unit="t", title="Saved", lever_title="GW", is_synthetic=True, alt="PV", lang="en")
    >>> round(figures.source(plot, "answer0").data["x"][0], 2), figures.source(plot, "answer0").data["y"][0]
    (0.5, 0.5)
    """
    from bokeh.models import ColumnDataSource, HoverTool, Span

    lang = lang or settings.language()
    if not 1 <= len(found) <= len(SERIES):
        raise DataError(f"The picture holds one or two answers, got {len(found)}: {list(found)}. Draw two pictures.")
    if len(targets := {one.target for one in found.values()}) > 1:
        raise DataError(f"The answers are to different targets {sorted(targets)}; give answers to one.")
    how = numbers.reading(unit, lang)
    target = targets.pop() / how.divisor
    plot = figures.base(alt=alt, height=height, large=large, save_as="citylab_enough")
    most = max(float(one.curve["mean"].abs().max()) for one in found.values()) / how.divisor  # type: ignore[arg-type]
    plot.add_layout(Span(location=target, dimension="width", line_color=theme.INK, line_dash="dashed"))
    for i, (name, one) in enumerate(found.items()):
        y = target + (i - (len(found) - 1) / 2) * _APART * most
        curve = {"x": one.curve["value"].to_list(), "y": (one.curve["mean"] / how.divisor).to_list()}
        said = {"legend_label": name} if name else {}
        plot.line("x", "y", source=ColumnDataSource(curve, name=f"curve{i}"), line_color=SERIES[i], line_width=2.5,
                  **said)  # fmt: skip
        ends = [one.low, one.value, one.high]
        answer = {"x": [one.value], "y": [y], "low": [one.low], "high": [one.high], "name": [name],
                  "text": [" – ".join("?" if e is None else numbers.figures(e) for e in ends)]}  # fmt: skip
        source = ColumnDataSource(answer, name=f"answer{i}")
        plot.segment("low", "y", "high", "y", source=source, line_color=SERIES[i], line_width=_BAR_PX,
                     line_alpha=_BAND_ALPHA)  # fmt: skip
        mark = plot.scatter("x", "y", source=source, size=_MARK_PX, fill_color=SERIES[i], line_color=theme.PAPER)
        plot.add_tools(HoverTool(renderers=[mark], tooltips=[("", "@name"), ("", "@text")]))
    plot.xaxis.axis_label = lever_title
    plot.yaxis.axis_label = f"{title} ({how.unit})"
    if any(found):
        figures.legend_above(plot, large, narrow=True)
    _say_synthetic(plot, is_synthetic, lang, large)
    return plot


def combination(levers: Iterable[Mapping[str, Any]], lang: Language | None = None) -> str:
    """Return a combination of levers in words, as it stands in :attr:`citylab.policy.portfolio.Portfolio.grid`.

    Examples
    --------
    >>> combination([{"lever": "building_pv", "value": 2.0}, {"lever": "transit_fare", "value": 0.5}], "en")
    'Photovoltaics on buildings 2 GW, Transit fares 0.5'
    >>> combination([], "zh")
    '参考情景'
    """
    from citylab.policy.levers import lever
    from citylab.policy.scenario import amount

    lang = lang or settings.language()
    named = ((lever(one["lever"]), one["value"]) for one in levers)
    told = [f"{one.title(lang)} {amount(value, one.unit, lang)}" for one, value in named]
    return ("、" if lang == "zh" else ", ").join(told) or say("policy_reference", lang)


def choices(
    grid: pl.DataFrame, *, budget_cny: float, unit: str, title: str, is_synthetic: bool, alt: str,
    lang: Language | None = None, height: int = 360, large: bool = False,
) -> figure:  # fmt: skip
    """Return what each combination of levers gains over the public money it takes; a line stands at the budget.

    Parameters
    ----------
    grid
        From :attr:`citylab.policy.portfolio.Portfolio.grid`: ``levers, cost_cny, gain, is_within_budget, is_chosen``.
    budget_cny
        Money there is [CNY].
    unit, title
        Unit and title of the gain.
    is_synthetic
        Whether the persons behind it are.
    alt, lang, height, large
        As in :func:`citylab.viz.charts.line`.

    Raises
    ------
    SchemaError, DataError
        A column is missing; no rows, or a budget not above 0.

    Examples
    --------
    >>> both = [[{"lever": "building_pv", "value": gw}] for gw in (1.0, 2.0)]
    >>> rows = pl.DataFrame({"levers": both, "cost_cny": [1e9, 3e9], "gain": [1e6, 2e6],
    ...                      "is_within_budget": [True, False], "is_chosen": [True, False]})
    >>> plot = choices(rows, budget_cny=2e9, unit="t", title="Saved", is_synthetic=True, alt="Two", lang="zh")
    >>> figures.source(plot, "chosen").data["x"], figures.source(plot, "beyond").data["x"]
    ([10.0], [30.0])
    """
    from bokeh.models import ColumnDataSource, HoverTool, Span

    lang = lang or settings.language()
    table = figures.rows_of(grid, ("levers", "cost_cny", "gain", "is_within_budget", "is_chosen"), "The choices")
    if not budget_cny > 0:
        raise DataError(f"budget_cny is {budget_cny}; the line needs a sum above 0.")
    money, worth = numbers.reading("CNY", lang), numbers.reading(unit, lang)
    kind = pl.when("is_chosen").then(pl.lit("chosen")).when("is_within_budget").then(pl.lit("within"))
    rows = table.with_columns(kind=kind.otherwise(pl.lit("beyond")))
    plot = figures.base(alt=alt, height=height, large=large, save_as="citylab_choices")
    for name in reversed(MARKS):
        colour, marker, size = MARKS[name]
        own = rows.filter(kind=name)
        cost, gain = own["cost_cny"] / money.divisor, own["gain"] / worth.divisor
        told = [combination(c, lang) for c in own["levers"]]
        data: dict[str, Any] = {"x": cost.to_list(), "y": gain.to_list(), "levers": told}
        source = ColumnDataSource(data, name=name)
        drawn = plot.scatter("x", "y", source=source, marker=marker, size=size, fill_color=colour, line_color=colour,
                             legend_label=say(f"levers_{name}", lang))  # fmt: skip
        tips = [("", "@levers"), ("", f"@x{{0,0.[00]}} {money.unit} · @y{{0,0.[00]}} {worth.unit}")]
        plot.add_tools(HoverTool(renderers=[drawn], tooltips=tips))
    plot.add_layout(Span(location=budget_cny / money.divisor, dimension="height", line_color=theme.INK,
                         line_dash="dashed"))  # fmt: skip
    plot.x_range.end = max(budget_cny, float(rows["cost_cny"].max())) / money.divisor * _ROOM  # type: ignore[arg-type]
    plot.xaxis.axis_label = figures.axis_title("budget_cny", "CNY", lang, say("levers_spent", lang))
    plot.yaxis.axis_label = f"{title} ({worth.unit})"
    figures.legend_above(plot, large, narrow=True)
    _say_synthetic(plot, is_synthetic, lang, large)
    return plot


def basis(result: Result, lang: Language | None = None) -> str:
    """Return what a run rests on, as a sentence: synthetic or not, persons, draws, vintage and coverage.

    Parameters
    ----------
    result
        From :func:`citylab.policy.simulate.simulate`.
    lang
        Language; default: the ``CITYLAB_LANG`` setting.
    """
    lang = lang or settings.language()
    persons, span = numbers.count(result.sample_persons), f"{result.years[0]}–{result.years[-1]}"
    level = numbers.percent(result.interval)
    if lang == "zh":
        head = f"{say('synthetic', lang)}：" if result.is_synthetic else ""
        return (
            f"{head}样本 n = {persons} 人，{result.draws} 次抽取（种子 {result.seed}），"
            f"参考情景 {result.base_year} 年版，{span} 年，区间 {level}。"
        )
    head = f"{say('synthetic', lang).capitalize()}: " if result.is_synthetic else ""
    return (
        f"{head}n = {persons} persons, {result.draws} draws (seed {result.seed}), reference of {result.base_year}, "
        f"{span}, {level} intervals."
    )


def _say_synthetic(plot: Any, is_synthetic: bool, lang: Language, large: bool) -> None:
    """Say so inside the picture and to those who cannot see it."""
    if is_synthetic:
        said = say("synthetic", lang)
        figures.text_line(plot, said, "above", large, bold=True, align="left")
        figures.say_aloud(plot, f"{plot.html_attributes['aria-label']} ({said})")
