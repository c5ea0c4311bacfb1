"""Pictures of claims: when they fall due and how they stand, and one claim beside the figures it is held against."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import polars as pl

from citylab import settings, vocabulary
from citylab.errors import suggest
from citylab.settings import Language
from citylab.viz import charts, figures, numbers, theme

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bokeh.plotting import figure

MARKS: dict[str, tuple[str, str, str]] = {
    "met": ("circle", theme.OKABE_ITO["green"], theme.OKABE_ITO["green"]),
    "verified": ("circle", theme.OKABE_ITO["sky"], theme.OKABE_ITO["blue"]),
    "missed": ("inverted_triangle", theme.OKABE_ITO["vermilion"], theme.OKABE_ITO["vermilion"]),
    "contradicted": ("diamond", theme.OKABE_ITO["purple"], theme.OKABE_ITO["purple"]),
    "inconsistent": ("diamond", theme.OKABE_ITO["orange"], theme.OKABE_ITO["black"]),
    "undefined": ("triangle", theme.OKABE_ITO["yellow"], theme.OKABE_ITO["black"]),
    "due_no_data": ("square", "#3E4C59", "#3E4C59"),
    "open": ("circle", theme.PAPER, "#767676"),
    "not_due": ("square", theme.PAPER, "#9AA5B1"),
}
"""Shape, fill and outline of each status: told apart without colour too."""

_FOUND = theme.OKABE_ITO["blue"]
_ROLES = {"claim": theme.colour("selected"), "other_claim": theme.colour("reference")}
_ZERO_WIDTH = "\u200b"
_MARK_PX, _LINE_PX = 12, 1.3
_HEAD_ROWS = 1.6
_MIDDLE = 0.5  # of a year's column
_DAYS_OF_YEAR = 366
_LABEL_EVERY = 5  # years
_FITS_SHARE = 0.1  # of the longest bar: room for two digits on a phone
_BAR = 0.62
_ROOM = 0.5  # of the span, for the values written at the right
_LEFT_ROOM = 0.06
_CLOSE_SHARE = 0.5


def colour(status: str) -> str:
    """Return the colour that fills a status in bars; what is white in the timeline is grey there.

    Examples
    --------
    >>> colour("met")
    '#009E73'
    """
    _need_statuses([status])
    _, fill, line = MARKS[status]
    return {"open": "#B8C0C8", "not_due": "#E4E7EB"}.get(status, fill if fill != theme.PAPER else line)


def _need_statuses(statuses: Sequence[str | None]) -> None:
    for status in statuses:
        if status not in MARKS:
            raise suggest(str(status), MARKS, what="status of a claim", see="citylab.viz.claims.MARKS")


def key(counts: Mapping[str, int], lang: Language | None = None, *, bars: bool = False) -> str:
    """Return the legend of the statuses that occur, with their counts, as HTML.

    Parameters
    ----------
    counts
        Claims by status.
    lang
        Language; default: the ``CITYLAB_LANG`` setting.
    bars
        For bars: boxes in the colours of :func:`colour` instead of the timeline's shapes.

    Examples
    --------
    >>> "due, no data: 19" in key({"due_no_data": 19}, "en")
    True
    """
    marks = []
    for status, (shape, fill, line) in MARKS.items():
        if counts.get(status):
            if bars:
                shape, fill, line = "square", colour(status), colour(status)
            said = f"{vocabulary.say('claim_' + status, lang)}: {counts[status]}"
            marks.append((charts.mark(shape, fill, line, _LINE_PX), said))
    return charts.drawn_key(marks)


# when claims fall due


def timeline(
    frame: pl.DataFrame, asof: dt.date, *, claim: str, alt: str, selected: str = "", years: Sequence[int] = (),
    lang: Language | None = None, height: int = 330, large: bool = False,
) -> figure:  # fmt: skip
    """Return the claims that have a day, stacked by its year, in the mark of their status, with a line at a day.

    Parameters
    ----------
    frame
        One row per claim with ``claim_id``, ``due_date``, ``status`` (a key of :data:`MARKS`) and the claim's words;
        claims without a day are left out.
    asof
        Day of the line.
    claim
        Column of the claim's words.
    alt
        Text for people who cannot see the picture.
    selected
        Claim to ring.
    years
        First and last year of the axis; default: those of the claims.
    lang, height, large
        As in :func:`citylab.viz.charts.line`.

    Raises
    ------
    SchemaError
        A column is missing.
    UnknownNameError
        A status that there is not.

    Examples
    --------
    >>> rows = pl.DataFrame({"claim_id": ["c33", "c62"], "due_date": [dt.date(2025, 12, 31)] * 2,
    ...                      "status": ["due_no_data"] * 2, "claim_en": ["A base", "A stage"]})
    >>> plot = timeline(rows, dt.date(2026, 1, 1), claim="claim_en", alt="Two claims", lang="en")
    >>> claim_at(plot, 2025.5, 2.1), claim_at(plot, 2030.0, 1.0)
    ('c62', None)
    """
    from bokeh.models import ColumnDataSource, HoverTool, Label, Range1d, Span

    lang = lang or settings.language()
    spec: dict[str, Any] = {"claim": claim, "lang": lang, "years": list(years)}
    plot = figures.base(alt=alt, height=height, large=large, save_as="citylab_claims", tags=spec,
                        x_range=Range1d(0, 1), y_range=Range1d(0, 1))  # fmt: skip
    source, ring = ColumnDataSource(name="data"), ColumnDataSource(name="selected")
    plot.add_layout(Span(name="asof", dimension="height", line_color=theme.INK, line_width=2, line_dash="dashed"))
    marks = plot.scatter("x", "y", size=_MARK_PX, marker="shape", fill_color="fill", line_color="line",
                         line_width=_LINE_PX, source=source)  # fmt: skip
    plot.scatter("x", "y", size=_MARK_PX + 8, marker="circle", fill_alpha=0, line_color=theme.colour("selected"),
                 line_width=2.5, source=ring)  # fmt: skip
    plot.add_layout(Label(name="asof_label", x=0, y=0, text="", x_offset=4, text_font=theme.font_stack(),
                          text_font_size=figures.px(large), text_color=theme.INK))  # fmt: skip
    plot.add_tools(HoverTool(renderers=[marks], tooltips=[("", "@text")]))
    plot.xaxis.axis_label = vocabulary.say("claim_due_year", lang)
    plot.yaxis.axis_label = vocabulary.say("claim_count", lang)
    plot.yaxis.ticker.desired_num_ticks = 4
    plot.yaxis.ticker.min_interval = 1
    plot.xgrid.grid_line_color = None
    update(plot, frame, asof, selected=selected)
    return plot


def update(plot: figure, frame: pl.DataFrame, asof: dt.date, *, selected: str = "") -> None:
    """Put other claims, another day or another chosen claim into a :func:`timeline`."""
    from bokeh.models import FixedTicker

    spec = plot.tags[0]
    figures.need(frame, ("claim_id", "due_date", "status", spec["claim"]), "The timeline")
    _need_statuses(frame["status"].unique(maintain_order=True).to_list())
    rows = (
        frame.drop_nulls("due_date")
        .sort("due_date", "claim_id")
        .with_columns(year=pl.col("due_date").dt.year())
        .with_columns(y=pl.int_range(1, pl.len() + 1).over("year").cast(pl.Float64))
    )
    years = rows["year"].to_list()
    first, last = spec["years"] or (min(years, default=asof.year), max(years, default=asof.year))
    say = {s: vocabulary.say(f"claim_{s}", spec["lang"]) for s in MARKS}
    shape, fill, line = zip(*(MARKS[s] for s in rows["status"]), strict=True) if rows.height else ((), (), ())
    figures.source(plot, "data").data = {
        "x": [y + _MIDDLE for y in years],
        "y": rows["y"].to_list(),
        "shape": list(shape),
        "fill": list(fill),
        "line": list(line),
        "claim": rows["claim_id"].to_list(),
        "text": [f"{i} · {d} · {say[s]} · {words}"
                 for i, d, s, words in rows.select("claim_id", "due_date", "status", spec["claim"]).iter_rows()],
    }  # fmt: skip
    chosen = rows.filter(claim_id=selected)
    figures.source(plot, "selected").data = {
        "x": [y + _MIDDLE for y in chosen["year"]],
        "y": chosen["y"].to_list(),
    }
    top = rows["y"].max() if rows.height else 1.0
    plot.y_range.start, plot.y_range.end = 0, float(top) + _HEAD_ROWS  # type: ignore[arg-type]
    plot.x_range.start, plot.x_range.end = first - 0.2, last + 1.2
    plot.xaxis.ticker = FixedTicker(ticks=[y + _MIDDLE for y in range(first, last + 1)])
    # As many as a phone has room for.
    plot.xaxis.major_label_overrides = {
        y + _MIDDLE: str(y) if y % _LABEL_EVERY == 0 else "" for y in range(first, last + 1)
    }
    at = asof.year + (asof.timetuple().tm_yday - 1) / _DAYS_OF_YEAR
    mark, label = (plot.select_one({"name": n}) for n in ("asof", "asof_label"))
    mark.location = label.x = at
    label.y = float(top) + _HEAD_ROWS / 2 - 0.2  # type: ignore[arg-type]
    label.text = f"{vocabulary.say('claim_as_of', spec['lang'])} {asof}"
    late = at > (first + last) / 2
    label.text_align, label.x_offset = ("right", -4) if late else ("left", 4)


def claim_at(plot: figure, x: float, y: float) -> str | None:
    """Return the claim of a :func:`timeline` at a point of its axes, such as a tap; ``None`` where there is none."""
    data = figures.source(plot, "data").data
    for claim, mark_x, mark_y in zip(data["claim"], data["x"], data["y"], strict=True):
        if abs(mark_x - x) <= _MIDDLE and abs(mark_y - y) <= _MIDDLE:
            return str(claim)
    return None


# how the claims of each text stand


def by_text(
    frame: pl.DataFrame, text: str, *, count: str = "claim_count", alt: str, lang: Language | None = None,
    height: int = 260, large: bool = False,
) -> figure:  # fmt: skip
    """Return a bar per text, parted by status, with the number of claims written where it fits.

    Parameters
    ----------
    frame
        One row per text and ``status`` (a key of :data:`MARKS`); texts come from top to bottom in the order of the
        frame, statuses from left to right in that of :data:`MARKS`.
    text, count
        Columns of the text's name and of the number of claims.
    alt
        Text for people who cannot see the picture.
    lang, height, large
        As in :func:`citylab.viz.charts.line`.

    Raises
    ------
    SchemaError
        A column is missing.
    UnknownNameError
        A status that there is not.

    Examples
    --------
    >>> rows = pl.DataFrame({"text": ["A", "A"], "status": ["open", "met"], "claim_count": [3, 1]})
    >>> list(figures.source(by_text(rows, "text", alt="", lang="en"), "data").data["right"])
    [1, 4]
    """
    from bokeh.models import ColumnDataSource, HoverTool

    lang = lang or settings.language()
    figures.need(frame, (text, "status", count), "The bars of claims")
    _need_statuses(frame["status"].unique(maintain_order=True).to_list())
    names = frame[text].unique(maintain_order=True).to_list()
    rows = (
        frame.with_columns(__order=pl.col("status").cast(pl.Enum(list(MARKS))))
        .sort("__order", maintain_order=True)
        .with_columns(__right=pl.col(count).cum_sum().over(text))
    )
    longest = rows["__right"].max() or 1
    counts, right = rows[count].to_list(), rows["__right"].to_list()
    fills = [colour(s) for s in rows["status"]]
    data = {
        "name": rows[text].to_list(),
        "left": [r - n for r, n in zip(right, counts, strict=True)],
        "right": right,
        "middle": [r - n / 2 for r, n in zip(right, counts, strict=True)],
        "colour": fills,
        "ink": [theme.ink_on(c) for c in fills],
        "n": counts,
        "written": [str(n) if n >= _FITS_SHARE * float(longest) else "" for n in counts],  # type: ignore[arg-type]
        "status": [vocabulary.say(f"claim_{s}", lang) for s in rows["status"]],
    }
    plot = figures.base(alt=alt, height=height, large=large, save_as="citylab_claims_by_text", y_range=names[::-1])
    source = ColumnDataSource(data, name="data")
    bars = figures.parted_bars(plot, y="name", height=_BAR, source=source, text="written", large=large)
    plot.add_tools(HoverTool(renderers=[bars], tooltips=[("", "@name · @status: @n")]))
    plot.xaxis.axis_label = vocabulary.say("claim_count", lang)
    plot.x_range.start, plot.x_range.range_padding = 0, 0.02
    figures.rows_axis(plot)
    return plot


# a claim beside figures


def _written(value: float | None, lang: Language) -> str:
    if value is None:
        return vocabulary.say("no_data", lang)
    return f"{value:,.0f}" if float(value).is_integer() else numbers.figures(value)


def compared_key(lang: Language | None = None) -> str:
    """Return the legend of :func:`compared` as HTML."""
    marks = (("diamond", theme.colour("selected"), "claim_of_text"), ("circle", _FOUND, "claim_figure"))
    return charts.drawn_key([(charts.mark(shape, fill, theme.INK), vocabulary.say(word, lang))
                             for shape, fill, word in marks])  # fmt: skip


def compared(
    frame: pl.DataFrame, *, label: str, unit: str, alt: str, title: str = "", lang: Language | None = None,
    height: int = 260, large: bool = False,
) -> figure:  # fmt: skip
    """Return the rows of a recomputation: a point each, a bar over its interval, the claim in another colour.

    Parameters
    ----------
    frame
        Rows with ``role`` (``claim`` stands out, ``other_claim`` is one of another text), ``value``, ``low``, ``high``
        and the label, top to bottom. A row without a value is written as "no data". Without any value the picture says
        that no data bear on the claim.
    label, unit
        Columns of a row's name and of the unit, which is that of the first row.
    alt
        Text for people who cannot see the picture.
    title
        What is measured, at the axis.
    lang, height, large
        As in :func:`citylab.viz.charts.line`.

    Raises
    ------
    SchemaError
        A column is missing.
    """
    from bokeh.models import ColumnDataSource, Range1d

    lang = lang or settings.language()
    figures.need(frame, ("role", "value", "low", "high", label, unit), "The compared figures")
    if frame["value"].null_count() == frame.height:
        said = vocabulary.say("claim_not_recomputed", lang)
        return figures.unavailable(said, alt=alt, lang=lang, height=height, large=large, save_as="citylab_claim")
    values, low, high = (frame[c].to_list() for c in ("value", "low", "high"))
    # A name may come twice, a factor may not.
    names = [n + _ZERO_WIDTH * i for i, n in enumerate(frame[label])]
    ends = [v for v in (*values, *low, *high) if v is not None]
    least, most = min(ends), max(ends)
    if least > 0 and least < _CLOSE_SHARE * most:
        least = 0.0  # figures that lie close together are shown from near, others from nothing
    reach = (most - least) or 1.0
    plot = figures.base(
        alt=alt, height=height, large=large, save_as="citylab_claim", y_range=names[::-1],
        x_range=Range1d(least - (_LEFT_ROOM * reach if least else 0), most + _ROOM * reach),
    )  # fmt: skip
    source = ColumnDataSource(
        {
            "name": names,
            "value": values,
            "low": [v if a is None else a for a, v in zip(low, values, strict=True)],
            "high": [v if b is None else b for b, v in zip(high, values, strict=True)],
            "end": [least if v is None else v if b is None else b for b, v in zip(high, values, strict=True)],
            "colour": [_ROLES.get(r, _FOUND) for r in frame["role"]],
            "shape": ["diamond" if r in _ROLES else "circle" for r in frame["role"]],
            "text": [_written(v, lang) for v in values],
        },
        name="data",
    )
    plot.hbar(y="name", left="low", right="high", height=0.34, fill_color="colour", fill_alpha=0.3, line_width=0,
              source=source)  # fmt: skip
    plot.scatter("value", "name", size=11, marker="shape", fill_color="colour", line_color=theme.INK, source=source)
    figures.write(plot, x="end", y="name", text="text", source=source, x_offset=9, large=large)
    shown = frame[unit][0]
    plot.xaxis.axis_label = f"{title} ({shown})" if title and shown else title or shown
    plot.xaxis.ticker.desired_num_ticks = 4
    plot.xaxis.formatter.use_scientific = False
    figures.rows_axis(plot)
    return plot
