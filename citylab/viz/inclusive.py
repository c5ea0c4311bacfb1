"""Pictures of carbon-inclusive schemes: who is credited, how concentrated that is, what was refused, a ledger's chain.

What was made by a generator is drawn dotted or hatched and carries the word *synthetic* inside the picture, so that a
saved image says it too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from citylab import settings, tables, vocabulary
from citylab.errors import DataError, SchemaError
from citylab.settings import Language
from citylab.viz import charts, figures, numbers, theme

if TYPE_CHECKING:
    from bokeh.plotting import figure

SERIES: dict[str, tuple[str, str]] = {
    "mean": (theme.OKABE_ITO["blue"], "solid"),
    "replacement": (theme.OKABE_ITO["vermilion"], "dashed"),
}
"""Colour and dash of a baseline, as in the pictures of incentives."""
FEW, STAR = ("few_persons", "few_participants"), " *"
"""Notes of numbers that lean on few people, and the star that stands for them beside a bar."""
AFTER = theme.OKABE_ITO["green"]
"""Colour of what a change would make of a value."""
MARKS: dict[str, tuple[str, str]] = {
    "verified": (theme.OKABE_ITO["green"], "circle"),
    "altered": (theme.OKABE_ITO["vermilion"], "x"),
    "broken_link": (theme.OKABE_ITO["vermilion"], "inverted_triangle"),
    "missing": (theme.OKABE_ITO["vermilion"], "square"),
    "fault": (theme.OKABE_ITO["vermilion"], "diamond"),
}
"""Colour and shape of what a chain's check says of an entry."""

_BAR = 0.8
_GAP = 0.86  # of a bar's place
_HEAD_ROOM = 1.28
_PARTS_ROOM = 1.1
_LABELS_AT_MOST = 8
_ISO_POINTS = 60
_ROW_TEXT_X = 0.06
_MARK_PX = 10
_PER_SHARE = 100.0
_NAME_ABOVE, _NAME_BELOW, _NAME_ASIDE = -6, 18, 8
_HATCH = "right_diagonal_line"


def _other(name: str) -> tuple[str, str]:
    return SERIES.get(name, (theme.colour("credit_co2_kg"), "solid"))


def say_series(name: str, lang: Language) -> str:
    """Return what a baseline is called; any other name stays.

    Examples
    --------
    >>> say_series("mean", "en"), say_series("mine", "zh")
    ('mean baseline', 'mine')
    """
    return vocabulary.say_code(name, lang, prefix="baseline_")


def key(series: Sequence[str], lang: Language | None = None, *, lines: bool = False) -> str:
    """Return the legend of baselines as HTML, which wraps on a narrow page.

    Examples
    --------
    >>> "replacement baseline" in key(["mean", "replacement"], "en")
    True
    """
    lang = lang or settings.language()
    return charts.key([("level" if lines else "area", _other(s)[0], say_series(s, lang)) for s in series])


def _series_of(frame: pl.DataFrame, series: str) -> list[str]:
    found = frame[series].drop_nulls().unique(maintain_order=True).to_list()
    if len(found) > 2:
        raise SchemaError(f"{len(found)} series in {series!r} ({found}); a picture here holds two. Draw two pictures.")
    return [str(s) for s in found]


# concentration


def concentration_curve(
    frame: pl.DataFrame | pl.LazyFrame, *, index: pl.DataFrame | None = None, series: str = "baseline_kind", alt: str,
    is_lorenz: bool = False, lang: Language | None = None, height: int = 360, large: bool = False,
) -> figure:  # fmt: skip
    """Return concentration (or Lorenz) curves beside the line of equality, each with its index and interval in words.

    Parameters
    ----------
    frame
        Points as :func:`citylab.policy.inclusive.gains.curve` gives them: ``population_share``, ``value_share``, the
        column of the series, and ``is_synthetic``; ``lower`` and ``upper`` of the curve, where there are any, are a
        band.
    index
        One row per series: ``value``, ``lower``, ``upper``, ``level``, ``n``.
    series
        Column that tells the curves apart, two at the most.
    alt
        Text for people who cannot see the picture.
    is_lorenz
        People are ordered by their own credit, and the index is a Gini coefficient.
    lang, height, large
        As in :func:`citylab.viz.charts.line`.

    Raises
    ------
    SchemaError
        A column is missing, or there are more than two series.

    Examples
    --------
    >>> points = pl.DataFrame({"population_share": [0.0, 0.5, 1.0], "value_share": [0.0, 0.2, 1.0],
    ...                        "baseline_kind": ["mean"] * 3})
    >>> plot = concentration_curve(points, alt="A curve", lang="en")
    >>> figures.source(plot, "mean").data["y"]
    [0.0, 20.0, 100.0]
    """
    from bokeh.models import ColumnDataSource, HoverTool, Range1d

    lang = lang or settings.language()
    rows = figures.rows_of(frame, ("population_share", "value_share", series), "The concentration curve")
    whole = Range1d(0, _PER_SHARE)
    plot = figures.base(alt=alt, height=height, large=large, save_as="citylab_concentration", x_range=whole,
                        y_range=Range1d(0, _PER_SHARE))  # fmt: skip
    plot.line([0, _PER_SHARE], [0, _PER_SHARE], name="equality", line_color=theme.colour("reference"), line_width=1.5,
              line_dash="dashed")  # fmt: skip
    drawn = []
    for name in _series_of(rows, series):
        own = rows.filter(pl.col(series) == name).sort("population_share")
        colour, dash = _other(name)
        data = {
            "x": (own["population_share"] * _PER_SHARE).to_list(),
            "y": (own["value_share"] * _PER_SHARE).fill_null(math.nan).to_list(),
            "text": [say_series(name, lang)] * own.height,
        }
        if {"lower", "upper"} <= set(own.columns) and own["lower"].null_count() < own.height:
            low, high = (own[c].fill_null(own["value_share"]) * _PER_SHARE for c in ("lower", "upper"))
            plot.varea(data["x"], low.to_list(), high.to_list(), fill_color=colour, fill_alpha=0.15)
        source = ColumnDataSource(data, name=name)
        drawn.append(
            plot.line(
                "x",
                "y",
                source=source,
                line_color=colour,
                line_width=3,
                line_dash="dotted" if figures.is_synthetic(rows) else dash,
            )
        )
    plot.add_tools(HoverTool(renderers=drawn, tooltips=[("", "@text"), ("", "@x{0}% → @y{0.0}%")], mode="vline"))
    plot.xaxis.axis_label = vocabulary.say("gain_people_own" if is_lorenz else "gain_people", lang) + " (%)"
    plot.yaxis.axis_label = vocabulary.say("gain_held", lang) + " (%)"
    if index is not None:
        for text in index_words(index, series=series, is_lorenz=is_lorenz, lang=lang):
            figures.text_line(plot, text, "below", large, align="left")
    if figures.is_synthetic(rows):
        figures.say_synthetic(plot, lang, large)
    return plot


def index_words(
    index: pl.DataFrame, *, series: str = "baseline_kind", is_lorenz: bool = False, lang: Language | None = None
) -> list[str]:  # fmt: skip
    """Return an index with its interval in words, one line per row.

    Parameters
    ----------
    index
        One row per series: ``value``, ``lower``, ``upper``, ``level``, ``n``; an index that is not known has a null.
    series, is_lorenz
        As in :func:`concentration_curve`.
    lang
        Language; default: the ``CITYLAB_LANG`` setting.

    Examples
    --------
    >>> row = pl.DataFrame({"baseline_kind": ["mean"], "value": [-0.2], "lower": [-0.5], "upper": [0.1],
    ...                     "level": [0.95], "n": [80]})
    >>> index_words(row, lang="en")
    ['mean baseline: concentration index −0.20 (95% interval −0.50 to 0.10; n = 80)']
    """
    lang = lang or settings.language()
    what = vocabulary.say("gain_index_own" if is_lorenz else "gain_index", lang)
    told = []
    for r in index.iter_rows(named=True):
        name = say_series(str(r[series]), lang)
        if r["value"] is None:
            told.append(f"{name}{'：' if lang == 'zh' else ': '}{vocabulary.say('gain_no_data', lang)}")
            continue
        value = hundredths(r["value"])
        n = numbers.count(r["n"])
        if r["lower"] is None:
            told.append(f"{name}：{what} {value}（n = {n}）" if lang == "zh" else f"{name}: {what} {value} (n = {n})")
            continue
        ends = (" 至 " if lang == "zh" else " to ").join(hundredths(r[c]) for c in ("lower", "upper"))
        level = numbers.percent(r["level"]).replace(".0%", "%")
        told.append(
            f"{name}：{what} {value}（{level} 区间 {ends}；n = {n}）" if lang == "zh"
            else f"{name}: {what} {value} ({level} interval {ends}; n = {n})"
        )  # fmt: skip
    return told


def hundredths(value: float) -> str:
    """Return an index with two decimals and a true minus.

    Examples
    --------
    >>> hundredths(-0.234), hundredths(0.0)
    ('−0.23', '0.00')
    """
    text = f"{abs(value):.2f}"
    return ("−" if value < 0 and float(text) else "") + text


# groups


def group_bars(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    label: str,
    value: str,
    series: str = "baseline_kind",
    after: str | None = None,
    unit: str = "kg",
    scale: float = 1.0,
    axis: str,
    colours: Mapping[str, str] | None = None,
    alt: str,
    lang: Language | None = None,
    height: int = 380,
    large: bool = False,
) -> figure:
    """Return a bar per group and series with its interval, groups from the top down in the order of the frame.

    Parameters
    ----------
    frame
        One row per group and series with the label, the value, ``<value>_low`` and ``<value>_high``, ``note``
        (``no_data`` draws the words in place of a bar; an interval of few people may leave the frame) and
        ``person_count`` where there is one.
    label, value, series
        Columns of the group's name, of the value and of what is drawn side by side (two at the most).
    after
        Column of a second value, drawn as a diamond: the same after a change.
    unit, scale
        Unit of the axis, and what values are multiplied by to be in it.
    axis
        Title of the axis without its unit.
    colours
        Colours by label where the groups, not the series, have them (modes).
    alt
        Text for people who cannot see the picture.
    lang, height, large
        As in :func:`citylab.viz.charts.line`.

    Raises
    ------
    SchemaError, DataError
        A column is missing; no rows, or two rows for one bar.

    Examples
    --------
    >>> rows = pl.DataFrame({"group": ["60+", "15-59"], "kg": [0.1, 0.4], "kg_low": [0.0, 0.3], "kg_high": [0.2, 0.5],
    ...                      "baseline_kind": ["mean"] * 2, "note": [None, None]})
    >>> plot = group_bars(rows, label="group", value="kg", axis="Credit", alt="Two groups", lang="en")
    >>> plot.y_range.factors
    ['15-59', '60+']
    """
    from bokeh.models import ColumnDataSource, FactorRange, HoverTool, Range1d

    lang = lang or settings.language()
    low, high = f"{value}_low", f"{value}_high"
    columns = [value, low, high, *([] if after is None else [after])]
    rows = figures.rows_of(frame, [label, *columns, series, "note"], "The bars")
    figures.need_one_group(rows, [label, series], "The bars")
    names = _series_of(rows, series)
    order = rows[label].unique(maintain_order=True).to_list()[::-1]
    plot = figures.base(alt=alt, height=height, large=large, save_as=f"citylab_{value}", x_range=Range1d(0, 1),
                        y_range=FactorRange(*order))  # fmt: skip
    wide = _BAR / len(names)
    synthetic = figures.is_synthetic(rows)
    # An interval that leans on few can be many times its bar: it leaves the frame, and the others stay readable.
    sure = pl.when(pl.col("note").is_in(FEW).fill_null(False)).then(None).otherwise(pl.col(high))
    shown = [value, *([] if after is None else [after])]
    tops = rows.select(pl.max_horizontal(*shown, sure).cast(pl.Float64) * scale).to_series().drop_nulls()
    top = max(tops, default=0.0)
    for i, name in enumerate(names):
        own = rows.filter(pl.col(series) == name).with_columns(pl.col(columns).cast(pl.Float64) * scale)
        at = [(g, _BAR / 2 - wide * (i + 0.5)) for g in own[label]]
        fill = [(colours or {}).get(g, _other(name)[0]) for g in own[label]]
        inside = pl.when(pl.col(high) <= top).then(pl.col(high))
        v, a, b = (own[c].fill_null(math.nan).to_list() for c in (value, low, high))
        data = {
            "at": at,
            "value": v,
            "low": a,
            "high": b,
            "fill": fill,
            "text": _bar_texts(own, (value, low, high), name, label, unit, lang),
            "beside": _beside(own, value, after, lang),
            "edge": own.select(pl.max_horizontal(*shown, inside).fill_null(0.0)).to_series().to_list(),
        }
        source = ColumnDataSource(data, name=name)
        hatch = {"hatch_pattern": _HATCH, "hatch_color": theme.PAPER, "hatch_alpha": 0.45} if synthetic else {}
        bars = plot.hbar(
            y="at", right="value", height=wide * _GAP, fill_color="fill", line_width=0, source=source, **hatch
        )
        plot.segment("low", "at", "high", "at", source=source, line_color=theme.INK, line_width=1.5)
        figures.write(plot, x="edge", y="at", text="beside", source=source, x_offset=5, large=large)
        plot.add_tools(HoverTool(renderers=[bars], tooltips=[("", "@text")]))
        if after is not None:
            late = ColumnDataSource({"at": at, "value": own[after].fill_null(math.nan).to_list()}, name=f"{name} after")
            plot.scatter(
                "value",
                "at",
                source=late,
                marker="diamond",
                size=_MARK_PX + 2,
                fill_color=AFTER,
                line_color=theme.PAPER,
            )
    plot.x_range.end = top * _HEAD_ROOM or 1.0
    plot.xaxis.axis_label = f"{axis} ({unit})" if unit else axis
    plot.xaxis.ticker.desired_num_ticks = 4
    figures.rows_axis(plot)
    if synthetic:
        figures.say_synthetic(plot, lang, large)
    return plot


def _bar_texts(
    own: pl.DataFrame, columns: Sequence[str], name: str, label: str, unit: str, lang: Language
) -> list[str]:  # fmt: skip
    people = pl.col("person_count") if "person_count" in own.columns else pl.lit(None, pl.Int64)
    texts = []
    for group, v, a, b, n in own.select(label, *columns, people.alias("_n")).iter_rows():
        ends = "" if a is None or b is None else f" ({numbers.figures(a)} – {numbers.figures(b)})"
        count = "" if n is None else f" · n = {numbers.count(n)}"
        texts.append(f"{group} · {say_series(name, lang)}: {numbers.figures(v)} {unit}{ends}{count}")
    return texts


def _beside(own: pl.DataFrame, value: str, after: str | None, lang: Language) -> list[str]:
    """Return what stands beside a bar: its value (and what it becomes), a star where it leans on few, or why not."""
    later = pl.lit(None, pl.Float64) if after is None else pl.col(after)
    texts = []
    for v, then, note in own.select(value, later.alias("_after"), "note").iter_rows():
        number = "" if v is None else numbers.figures(v)
        if v is not None and then is not None:
            number += f" → {numbers.figures(then)}"
        if note in FEW:
            texts.append(f"{number}{STAR}")
        else:
            why = vocabulary.say(f"gain_{note}", lang) if note and f"gain_{note}" in vocabulary.WORDS else ""
            texts.append(" · ".join(t for t in (number, why) if t))
    return texts


def two_parts(
    frame: pl.DataFrame | pl.LazyFrame, *, label: str, whole: str = "all", alt: str, lang: Language | None = None,
    height: int = 380, large: bool = False,
) -> figure:  # fmt: skip
    """Return groups by participation (across) and credit of a participant (up), with the line of the average head.

    The product of the two is the credit a head: groups above the line have more than the average of all people,
    below it less, and it shows whether because fewer take part or because each earns less.

    Parameters
    ----------
    frame
        Rows of one baseline as :func:`citylab.policy.inclusive.gains.by_group` gives them, the row of all people
        included.
    label
        Column of the group's name.
    whole
        Value of ``group`` in the row of all people.
    alt
        Text for people who cannot see the picture.
    lang, height, large
        As in :func:`citylab.viz.charts.line`.

    Raises
    ------
    SchemaError, DataError
        A column is missing; rows of several baselines; no row of all people.

    Examples
    --------
    >>> row = {"participation_share": 0.5, "participation_share_low": 0.4, "participation_share_high": 0.6,
    ...        "intensity_co2_kg": 2.0, "intensity_co2_kg_low": 1.0, "intensity_co2_kg_high": 3.0,
    ...        "credit_per_head_co2_kg": 1.0, "person_count": 80, "note": None}
    >>> rows = pl.DataFrame([{"group": "all", "name": "All", **row}, {"group": "60+", "name": "60+", **row}])
    >>> plot = two_parts(rows, label="name", alt="One group", lang="en")
    >>> figures.source(plot, "groups").data["x"]
    [50.0]
    """
    from bokeh.models import ColumnDataSource, HoverTool, Range1d

    lang = lang or settings.language()
    part, each = "participation_share", "intensity_co2_kg"
    ends = [f"{c}_{e}" for c in (part, each) for e in ("low", "high")]
    needed = ["group", label, part, each, *ends, "credit_per_head_co2_kg", "person_count", "note"]
    rows = figures.rows_of(frame, needed, "The picture of two parts")
    figures.need_one_group(rows, ["group"], "The picture of two parts")
    average = rows.filter(pl.col("group") == whole)
    if average.is_empty():
        raise DataError(
            f"The picture of two parts needs the row of all people (group {whole!r}); keep it in the frame."
        )
    own = rows.filter((pl.col("group") != whole).fill_null(True), pl.col("person_count") > 0)
    across = {c: (own[c] * _PER_SHARE).fill_null(math.nan).to_list() for c in (part, f"{part}_low", f"{part}_high")}
    up = {c: own[c].cast(pl.Float64).fill_null(math.nan).to_list() for c in (f"{each}_low", f"{each}_high")}
    nobody = own[each].is_null().to_list()
    y = own[each].cast(pl.Float64).fill_null(0.0).to_list()
    labels = own[label].to_list()
    data = {
        "x": across[part], "x_low": across[f"{part}_low"], "x_high": across[f"{part}_high"], "y": y,
        "y_low": up[f"{each}_low"], "y_high": up[f"{each}_high"],
        "fill": [theme.PAPER if none else SERIES["mean"][0] for none in nobody],
        "name": ["" if none or len(labels) > _LABELS_AT_MOST else g for g, none in zip(labels, nobody, strict=True)],
        "text": [
            f"{g} · {numbers.percent(p)} × {numbers.figures(i)} kg = {numbers.figures(h)} kg · n = {numbers.count(n)}"
            for g, p, i, h, n in own.select(label, part, each, "credit_per_head_co2_kg", "person_count").iter_rows()
        ],
    }  # fmt: skip
    right = max([v for v in across[part] if math.isfinite(v)], default=1.0) * _HEAD_ROOM * _PARTS_ROOM or 1.0
    top = max(y, default=1.0) * _HEAD_ROOM * _PARTS_ROOM or 1.0
    plot = figures.base(alt=alt, height=height, large=large, save_as="citylab_two_parts", x_range=Range1d(0, right),
                        y_range=Range1d(-top / _ISO_POINTS, top))  # fmt: skip
    head = float(average["credit_per_head_co2_kg"][0] or 0.0)
    if head > 0:
        shares = [right * (i + 1) / _ISO_POINTS for i in range(_ISO_POINTS)]
        plot.line(
            shares,
            [head / (s / _PER_SHARE) for s in shares],
            name="average",
            line_color=theme.colour("reference"),
            line_dash="dashed",
            line_width=1.5,
        )
    # Names lie above and below by turns, and towards the middle, so that neighbours and the frame leave them whole.
    place = {g: k for k, g in enumerate(sorted(range(len(y)), key=lambda k: (y[k], across[part][k])))}
    data["dy"] = [_NAME_ABOVE if place[k] % 2 else _NAME_BELOW for k in range(len(y))]
    wide = own["is_overlapping"].to_list() if "is_overlapping" in own.columns else [False] * own.height
    leftward = [v > right / 2 or w for v, w in zip(across[part], wide, strict=True)]
    data["dx"] = [-_NAME_ASIDE if left else _NAME_ASIDE for left in leftward]
    data["align"] = ["right" if left else "left" for left in leftward]
    source = ColumnDataSource(data, name="groups")
    for ends_ in (("x_low", "y", "x_high", "y"), ("x", "y_low", "x", "y_high")):
        plot.segment(*ends_, source=source, line_color=theme.MUTED, line_width=1, line_alpha=0.6)
    marks = plot.scatter("x", "y", source=source, size=_MARK_PX + 2, fill_color="fill", line_color=theme.INK)
    plot.text("x", "y", "name", source=source, x_offset="dx", y_offset="dy", text_align="align", text_color=theme.INK,
              text_font=figures.fonts(), text_font_size=figures.px(large))  # fmt: skip
    plot.add_tools(HoverTool(renderers=[marks], tooltips=[("", "@text")]))
    plot.xaxis.axis_label = vocabulary.say("participation_share", lang) + " (%)"
    plot.yaxis.axis_label = vocabulary.say("intensity_co2_kg", lang)
    if figures.is_synthetic(rows):
        figures.say_synthetic(plot, lang, large)
    return plot


# refusals


def rejects(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    alt: str,
    lang: Language | None = None,
    height: int = 260,
    large: bool = False,
) -> figure:
    """Return what was refused, by reason, the most frequent on top.

    Parameters
    ----------
    frame
        One row per reason: ``reason`` (a code of ``inclusive_reasons``) and ``activity_count``.
    alt, lang, height, large
        As in :func:`citylab.viz.charts.line`.

    Examples
    --------
    >>> rows = pl.DataFrame({"reason": ["too_fast", "induced"], "activity_count": [3, 9]})
    >>> rejects(rows, alt="Refusals", lang="en").y_range.factors[-1]
    'induced trip'
    """
    lang = lang or settings.language()
    rows = figures.collected(frame)
    figures.need(rows, ("reason", "activity_count"), "The picture of refusals")
    words = dict(tables.read("inclusive_reasons").select("code", f"label_{lang}").iter_rows())
    told = rows.with_columns(pl.col("reason").replace(words), pl.col("activity_count").cast(pl.Float64))
    plot = charts.ranked(
        told,
        "reason",
        "activity_count",
        unit="",
        colour=theme.colour("reference"),
        alt=alt,
        lang=lang,
        names={"axis": vocabulary.say("activity_count", lang)},
        height=height,
        large=large,
    )
    texts = [numbers.count(int(v)) for v in figures.source(plot, "data").data["value"]]
    figures.source(plot, "data").data["text"] = texts
    if figures.is_synthetic(rows):
        figures.say_synthetic(plot, lang, large)
    return plot


# a ledger


def checked(entries: pl.DataFrame, faults: pl.DataFrame) -> pl.DataFrame:
    """Return a ledger's entries with what the check of its chain says of each.

    Parameters
    ----------
    entries
        As :meth:`citylab.ledger.credits.CreditLedger.entries` gives them.
    faults
        As :meth:`citylab.ledger.credits.Verification.tidy` gives them; a fault of the file as a whole (no ``seq``)
        marks no entry. A missing entry is marked at the one before which it stood.

    Returns
    -------
    polars.DataFrame
        The entries with ``ledger_mark``: ``verified``, ``altered``, ``broken_link``, ``missing`` or ``fault``.

    Examples
    --------
    >>> faults = pl.DataFrame({"seq": [2], "kind": ["altered"], "message": ["..."]})
    >>> checked(pl.DataFrame({"seq": [1, 2, 3]}), faults)["ledger_mark"].to_list()
    ['verified', 'altered', 'verified']
    """
    figures.need(entries, ("seq",), "The chain")
    figures.need(faults, ("seq", "kind"), "The chain")
    have = entries["seq"].to_list()
    found: dict[int, str] = {}
    for seq, kind in faults.select("seq", "kind").iter_rows():
        if seq is None:
            continue
        at = seq if seq in have else min((s for s in have if s > seq), default=None)
        if at is not None:
            found.setdefault(at, kind if kind in MARKS else "fault")
    marks = [found.get(s, "verified") for s in have]
    return entries.with_columns(pl.Series("ledger_mark", marks, dtype=pl.String))


def chain(
    frame: pl.DataFrame | pl.LazyFrame, *, unit: str, alt: str, lang: Language | None = None, height: int = 380,
    large: bool = False,
) -> figure:  # fmt: skip
    """Return a ledger's entries as a chain from the top down, each with its mark; its digest shows on hover.

    Parameters
    ----------
    frame
        Entries of :func:`checked`: ``seq``, ``op``, ``source``, ``target``, ``amount``, ``digest``, ``ledger_mark``,
        and ``is_synthetic`` where they are.
    unit
        Unit of the amounts.
    alt
        Text for people who cannot see the picture.
    lang, height, large
        As in :func:`citylab.viz.charts.line`.

    Examples
    --------
    >>> one = pl.DataFrame({"seq": [1], "op": ["issue"], "source": ["@issued"], "target": ["a"], "amount": [1.5],
    ...                     "digest": ["ab12cd34ef"], "ledger_mark": ["altered"]})
    >>> plot = chain(one, unit="kg", alt="One entry", lang="en")
    >>> figures.source(plot, "entries").data["text"]
    ['1 altered · issue · 1.500 kg → a']
    """
    from bokeh.models import ColumnDataSource, HoverTool, Range1d

    lang = lang or settings.language()
    needed = ("seq", "op", "source", "target", "amount", "digest", "ledger_mark")
    rows = figures.rows_of(frame, needed, "The chain")
    n = rows.height
    texts = [_entry_text(r, unit, lang) for r in rows.iter_rows(named=True)]
    y = [float(n - i) for i in range(n)]
    marks = rows["ledger_mark"].to_list()
    data = {
        "x": [0.0] * n,
        "y": y,
        "fill": [MARKS[m][0] for m in marks],
        "shape": [MARKS[m][1] for m in marks],
        "text": texts,
        "at": [_ROW_TEXT_X] * n,
        "seq": rows["seq"].to_list(),
        "digest": rows["digest"].to_list(),
        "ink": [theme.INK if m == "verified" else MARKS[m][0] for m in marks],
    }
    plot = figures.base(alt=alt, height=height, large=large, save_as="citylab_ledger", x_range=Range1d(-_ROW_TEXT_X, 1),
                        y_range=Range1d(0, n + 1))  # fmt: skip
    plot.axis.visible = False
    plot.grid.visible = False
    broken = [i for i in range(1, n) if marks[i] != "verified"]
    for i in range(1, n):
        plot.line(
            [0, 0],
            [y[i - 1], y[i]],
            line_width=2,
            line_color=theme.colour("selected" if i in broken else "reference"),
            line_dash="dotted" if i in broken else "solid",
        )
    source = ColumnDataSource(data, name="entries")
    nodes = plot.scatter(
        "x", "y", marker="shape", size=_MARK_PX + 2, fill_color="fill", line_color="fill", line_width=3, source=source
    )
    figures.write(plot, x="at", y="y", text="text", source=source, text_color="ink", large=large)
    plot.add_tools(HoverTool(renderers=[nodes], tooltips=[("", "@text"), ("SHA-256", "@digest")]))
    if figures.is_synthetic(rows):
        figures.say_synthetic(plot, lang, large)
    return plot


def _entry_text(row: Mapping[str, Any], unit: str, lang: Language) -> str:
    op = vocabulary.say(f"ledger_{row['op']}", lang)
    mark = vocabulary.say(f"ledger_{row['ledger_mark']}", lang)
    target, source = row["target"], row["source"]
    amount = f"{float(row['amount']):,.3f} {unit}" if row["amount"] else ""
    ends = ""
    if source and target and not source.startswith("@") and not target.startswith("@"):
        ends = f"{source} → {target}"
    elif target and not target.startswith("@"):
        ends = f"→ {target}"
    elif source and not source.startswith("@"):
        ends = f"{source} →"
    moved = " ".join(t for t in (amount, ends) if t)
    return " · ".join(t for t in (f"{row['seq']} {mark}", op, moved) if t)


def chain_key(lang: Language | None = None) -> str:
    """Return the legend of :func:`chain` as HTML.

    Examples
    --------
    >>> "altered" in chain_key("en")
    True
    """
    lang = lang or settings.language()
    return charts.key([("area", MARKS[m][0], vocabulary.say(f"ledger_{m}", lang)) for m in ("verified", "altered")])
