"""Pictures of divides: curves, what an index or a gap is made of, gaps over time, clusters, who is not counted.

Frames come from :mod:`citylab.equity`. Missing values are gaps or say *no data*; what was made by a generator says
*synthetic*; an interval is drawn wherever the frame has one.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from citylab import settings, vocabulary
from citylab.errors import DataError, SchemaError
from citylab.settings import Language
from citylab.viz import charts, claims, figures, inclusive, numbers, theme

if TYPE_CHECKING:
    from bokeh.plotting import figure

    Columns = dict[str, Any]

PARTS = {
    "within": theme.OKABE_ITO["sky"],
    "overlap": theme.colour("no_data"),
    "between": theme.OKABE_ITO["vermilion"],
}
"""Colour of what an index falls into, from left to right."""
LINES = (theme.OKABE_ITO["blue"], theme.OKABE_ITO["vermilion"], theme.OKABE_ITO["green"], theme.OKABE_ITO["purple"])
MARKERS = ("circle", "square", "triangle", "diamond")
"""Colours and markers of the groups of a gap, in their order."""
CLUSTERS: dict[str, tuple[str, str]] = {
    "hot_spot": ("triangle", theme.OKABE_ITO["vermilion"]),
    "cold_spot": ("inverted_triangle", theme.OKABE_ITO["blue"]),
    "high_outlier": ("diamond", theme.OKABE_ITO["orange"]),
    "low_outlier": ("square", theme.OKABE_ITO["sky"]),
}
"""Mark and colour of a place that stands out together with, or against, its neighbours."""

_BAR = 0.72
_WRITTEN_SHARE = 0.15
_PERCENT = 100.0
_MARK_PX, _DISC_PX, _SMALL_DISC_PX, _SIGN_PX = 7, 17, 10, 13
_MANY_PLACES, _NAMED_AT_MOST = 60, 8
_CELL = 0.96
_GROUP_LETTERS = 10  # of a group's name in a line of large type: more leaves a phone no room for the cells
_ROOM = 0.06


# curves


def curve(
    points: pl.DataFrame | pl.LazyFrame, *, ranked_by: str, held: str, name: str, alt: str,
    lang: Language | None = None, height: int = 360, large: bool = False,
) -> figure:  # fmt: skip
    """Return a Lorenz or concentration curve beside the line of equality, its interval as a band.

    Parameters
    ----------
    points
        From :func:`citylab.equity.inequality.lorenz` or :func:`citylab.equity.concentration.concentration_curve`:
        ``population_share``, ``value_share`` and, for the band, ``lower`` and ``upper``; ``is_synthetic`` where it is.
    ranked_by, held
        Titles of the axes without "(%)": who is ordered how, and what they hold.
    name
        What the curve is of, for the hover text.
    alt
        Text for people who cannot see the picture.
    lang, height, large
        As in :func:`citylab.viz.charts.line`.

    Raises
    ------
    SchemaError, DataError
        A column is missing; no rows.

    Examples
    --------
    >>> points = pl.DataFrame({"population_share": [0.0, 0.5, 1.0], "value_share": [0.0, 0.2, 1.0]})
    >>> curve(points, ranked_by="Places", held="Users", name="Use", alt="A curve", lang="en").yaxis.axis_label
    'Users (%)'
    """
    rows = figures.rows_of(points, ("population_share", "value_share"), "The curve").with_columns(_name=pl.lit(name))
    plot = inclusive.concentration_curve(rows, series="_name", alt=alt, lang=lang, height=height, large=large)
    plot.xaxis.axis_label, plot.yaxis.axis_label = (
        figures.folded(f"{title} (%)") if large else f"{title} (%)" for title in (ranked_by, held)
    )
    return plot


# what an index, or a gap, is made of


def estimates(
    frame: pl.DataFrame | pl.LazyFrame, *, label: str, value: str = "value", low: str = "lower", high: str = "upper",
    strong: str | None = None, title: str, unit: str = "", alt: str, lang: Language | None = None, height: int = 260,
    large: bool = False,
) -> figure:  # fmt: skip
    """Return a point per row with its interval, top to bottom in the order of the frame, and a line at 0.

    Parameters
    ----------
    frame
        One row per estimate; rows without a value are left out, an interval may be missing.
    label, value, low, high
        Columns of the name, the estimate and the ends of its interval.
    strong
        Boolean column of the rows to stand out, such as a total.
    title, unit
        Title and unit of the axis.
    alt, lang, height, large
        As in :func:`citylab.viz.charts.line`.

    Raises
    ------
    SchemaError
        A column is missing.
    DataError
        No row has a value.

    Examples
    --------
    >>> rows = pl.DataFrame({"measure": ["Gini", "Theil T"], "value": [0.23, 0.08], "lower": [0.21, None],
    ...                      "upper": [0.24, None]})
    >>> plot = estimates(rows, label="measure", title="Index", alt="Two indices", lang="en")
    >>> figures.source(plot, "data").data["value"]
    [0.23, 0.08]
    """
    from bokeh.models import Span

    lang = lang or settings.language()
    rows = figures.rows_of(frame, [c for c in (label, value, low, high, strong) if c], "The estimates")
    rows = rows.filter(pl.col(value).is_not_null())
    if rows.is_empty():
        raise DataError("The estimates hold no value; look into their note column for the reason.")
    is_strong = pl.lit(False) if strong is None else pl.col(strong)
    table = rows.select(
        pl.when(is_strong).then(pl.lit("claim")).otherwise(pl.lit("figure")).alias("role"),
        pl.col(label).map_elements(figures.folded, return_dtype=pl.String).alias("label"),
        pl.col(value).alias("value"), pl.col(low).alias("low"),
        pl.col(high).alias("high"), unit=pl.lit(unit),
    )  # fmt: skip
    plot = claims.compared(table, label="label", unit="unit", title=title, alt=alt, lang=lang, height=height,
                           large=large)  # fmt: skip
    zero = Span(location=0, dimension="height", line_color=theme.colour("reference"), line_dash="dashed")
    plot.add_layout(zero)
    return plot


def parts_key(parts: Sequence[str], lang: Language | None = None) -> str:
    """Return the legend of :func:`parts` as HTML.

    Examples
    --------
    >>> "between groups" in parts_key(["between"], "en")
    True
    """
    lang = lang or settings.language()
    return charts.key([("area", PARTS[p], vocabulary.say(f"component_{p}", lang)) for p in PARTS if p in parts])


def parts(
    frame: pl.DataFrame | pl.LazyFrame, *, label: str, alt: str, component: str = "component",
    share: str = "contribution_share", lang: Language | None = None, height: int = 220, large: bool = False,
) -> figure:  # fmt: skip
    """Return a bar per index, parted into what lies within groups, between them and, for Gini, their overlap.

    Parameters
    ----------
    frame
        Rows *within*, *between* and *overlap* of :func:`citylab.equity.decomposition.between_within`; others are left
        out.
    label
        Column of the name of the index.
    component, share
        Columns of the part and of its share of the index [0..1].
    alt, lang, height, large
        As in :func:`citylab.viz.charts.line`.

    Raises
    ------
    SchemaError, DataError
        A column is missing; no such rows, a part twice, or a negative share, which no bar can show.

    Examples
    --------
    >>> rows = pl.DataFrame({"measure": ["Theil T"] * 2, "component": ["within", "between"],
    ...                      "contribution_share": [0.75, 0.25]})
    >>> figures.source(parts(rows, label="measure", alt="Parts", lang="en"), "data").data["text"]
    ['75.0%', '25.0%']
    """
    from bokeh.models import ColumnDataSource, HoverTool, Range1d

    lang = lang or settings.language()
    what = "The bars of parts"
    rows = figures.rows_of(frame, (label, component, share), what).filter(pl.col(component).is_in(list(PARTS)))
    if rows.is_empty():
        raise DataError(f"{what} need rows whose {component!r} is one of {list(PARTS)}; there are none.")
    figures.need_one_group(rows, [label, component], what)
    tiny = 1e-9  # rounding of an overlap that is none
    if rows.filter(pl.col(share) < -tiny).height:
        raise DataError(f"{what} were given a negative share; a bar cannot show it. Draw the table instead.")
    order = rows[label].unique(maintain_order=True).to_list()
    rows = (
        rows.with_columns(_at=pl.col(component).cast(pl.Enum(list(PARTS))), _share=pl.col(share).clip(lower_bound=0.0))
        .sort("_at", maintain_order=True)
        .with_columns(_right=pl.col("_share").cum_sum().over(label) * _PERCENT)
    )
    wide = [_PERCENT * s for s in rows["_share"]]
    right = rows["_right"].to_list()
    colours = [PARTS[c] for c in rows[component]]
    data: Columns = {
        "label": rows[label].to_list(), "right": right, "left": [r - w for r, w in zip(right, wide, strict=True)],
        "middle": [r - w / 2 for r, w in zip(right, wide, strict=True)], "colour": colours,
        "ink": [theme.ink_on(c) for c in colours],
        "text": [numbers.percent(s) if s >= _WRITTEN_SHARE else "" for s in rows["_share"]],
        "told": [f"{vocabulary.say(f'component_{c}', lang)}: {numbers.percent(s)}"
                 for c, s in rows.select(component, "_share").iter_rows()],
    }  # fmt: skip
    plot = figures.base(alt=alt, height=height, large=large, save_as="citylab_parts", x_range=Range1d(0, _PERCENT),
                        y_range=order[::-1])  # fmt: skip
    source = ColumnDataSource(data, name="data")
    bars = figures.parted_bars(plot, y="label", height=_BAR, source=source, text="text", large=large, line_width=1)
    plot.add_tools(HoverTool(renderers=[bars], tooltips=[("", "@label · @told")]))
    plot.xaxis.axis_label = vocabulary.say("share_of_index", lang) + " (%)"
    figures.rows_axis(plot)
    return plot


# a gap over time


def gap_key(groups: Sequence[str]) -> str:
    """Return the legend of :func:`gap_lines` as HTML: mark, colour and name of each group.

    Examples
    --------
    >>> "rural" in gap_key(["urban", "rural"])
    True
    """
    return charts.drawn_key([(charts.mark(MARKERS[i], LINES[i], theme.INK), g) for i, g in enumerate(groups)])


def gap_lines(
    frame: pl.DataFrame | pl.LazyFrame, *, time: str, value: str, group: str, order: Sequence[str],
    low: str | None = None, high: str | None = None, breaks: Sequence[tuple[Any, str]] = (), unit: str = "",
    title: str, alt: str, lang: Language | None = None, height: int = 300, large: bool = False,
) -> figure:  # fmt: skip
    """Return the course of some groups, with their intervals; a break of the series is a labelled line.

    Parameters
    ----------
    frame
        One row per time and group; a time that a group lacks is a gap in its line.
    time
        Column of dates or of years.
    value, low, high
        Columns of the value and, if there are any, the ends of its interval.
    group, order
        Column of the groups, and which of them, up to four.
    breaks
        First time of a new regime, and what to say of it.
    unit, title
        Unit and title of the vertical axis.
    alt, lang, height, large
        As in :func:`citylab.viz.charts.line`.

    Raises
    ------
    SchemaError, DataError
        A column is missing, or more groups than there are colours; no rows, or a group twice at one time.

    Examples
    --------
    >>> rows = pl.DataFrame({"year": [2020, 2021, 2022, 2020], "place": ["a", "a", "a", "b"],
    ...                      "use_pct": [50.0, 55.0, 60.0, 40.0]})
    >>> plot = gap_lines(rows, time="year", value="use_pct", group="place", order=["a", "b"], title="Use", unit="%",
    ...                  alt="Two places", lang="en")
    >>> figures.source(plot, "b").data["y"]
    [40.0, nan, nan]
    """
    from bokeh.models import ColumnDataSource, HoverTool, Label, NumeralTickFormatter, Span

    lang = lang or settings.language()
    what = "The lines of a gap"
    if (low is None) != (high is None):
        raise SchemaError("An interval has two ends: name both low and high, or neither.")
    if len(order) > len(LINES):
        raise SchemaError(f"{what} hold {len(LINES)} groups, got {len(order)}: {list(order)}. Draw fewer.")
    columns = [c for c in (time, value, group, low, high) if c is not None]
    rows = figures.rows_of(frame, columns, what).filter(pl.col(group).is_in(list(order)))
    figures.need_one_group(rows, [time, group], what)
    is_date = rows.schema[time] == pl.Date
    times = rows.select(time).unique().sort(time)
    plot = figures.base(alt=alt, height=height, large=large, save_as="citylab_gap",
                        x_axis_type="datetime" if is_date else "linear")  # fmt: skip
    reading = numbers.reading(unit, lang)
    for i, name in enumerate(order):
        own = times.join(rows.filter(pl.col(group) == name), on=time, how="left").sort(time)
        at = figures.ms(own[time]).tolist() if is_date else own[time].cast(pl.Float64).to_list()
        data: Columns = {"x": at, "y": figures.scaled(own[value], unit, lang).tolist(), "when": _when(own[time])}
        for end, column in (("low", low), ("high", high)):
            data[end] = data["y"] if column is None else figures.scaled(own[column], unit, lang).tolist()
        source = ColumnDataSource(data, name=name)
        if low is not None:
            plot.segment("x", "low", "x", "high", source=source, line_color=LINES[i], line_width=2, line_alpha=0.55)
        plot.line("x", "y", source=source, line_color=LINES[i], line_width=2)
        marks = plot.scatter("x", "y", source=source, marker=MARKERS[i], size=_MARK_PX, fill_color=LINES[i],
                             line_color=theme.PAPER)  # fmt: skip
        ends = "" if low is None else " (@low{0,0.[00]} – @high{0,0.[00]})"
        plot.add_tools(
            HoverTool(renderers=[marks], tooltips=[("", f"@when · {name}: @y{{0,0.[00]}} {reading.unit}{ends}")])
        )
    if is_date:
        figures.date_axis(plot, lang)
    else:
        plot.xaxis.ticker.min_interval = 1
        plot.xaxis.ticker.desired_num_ticks = 5
        plot.xaxis.formatter = NumeralTickFormatter(format="0")
        plot.xgrid.grid_line_color = None
    for first, said in breaks:
        location = figures.ms(pl.Series([first]))[0] if isinstance(first, dt.date) else float(first)
        plot.add_layout(Span(location=float(location), dimension="height", line_color=theme.INK, line_dash="dashed"))
        plot.add_layout(
            Label(x=float(location), y=4, y_units="screen", text=said, text_align="right", x_offset=-4,
                  text_font=theme.font_stack(), text_font_size=figures.px(large), text_color=theme.INK,
                  background_fill_color=theme.PAPER, background_fill_alpha=0.8)
        )  # fmt: skip
    plot.yaxis.axis_label = f"{title} ({reading.unit})" if reading.unit else title
    return plot


def _when(times: pl.Series) -> list[str]:
    return [f"{t:%Y-%m}" if isinstance(t, dt.date) else f"{t:g}" for t in times]


# clusters of neighbours


def cluster_key(found: Sequence[str], lang: Language | None = None) -> str:
    """Return the legend of the marks of :func:`cluster_map` as HTML; a cluster that is not there needs no word.

    Examples
    --------
    >>> "cold spot" in cluster_key(["cold_spot"], "en"), cluster_key(["not_significant"], "en")
    (True, '')
    """
    lang = lang or settings.language()
    return charts.drawn_key([(charts.mark(*CLUSTERS[c], theme.INK), vocabulary.say(f"cluster_{c}", lang))
                             for c in CLUSTERS if c in found])  # fmt: skip


def cluster_map(
    frame: pl.DataFrame | pl.LazyFrame, places: pl.DataFrame, *, place: str, value: str, cluster: str = "cluster",
    name: str, short: str | None = None, tip: str | None = None, links: pl.DataFrame | None = None, unit: str = "",
    title: str, alt: str, lang: Language | None = None, height: int = 420, large: bool = False, legend: bool = True,
) -> figure:  # fmt: skip
    """Return places coloured by a value, those that cluster with their neighbours marked and, if few, named.

    With ``links`` no border is drawn: each place is a disc, joined to its neighbours. That shows who counts as whose
    neighbour, and is no map of territory where an outline may not be published.

    Parameters
    ----------
    frame
        From :func:`citylab.equity.space.local_moran`, one row per place: the columns below; ``cluster`` is one of
        :data:`CLUSTERS`, or anything else: not told from chance.
    places
        One row per place: ``place`` and ``geometry_wkb`` (degrees, WGS-84).
    place, value, cluster, name
        Columns of the code, the value, the cluster and the name.
    short
        Column of a shorter name that is written beside a marked place; default: the name.
    tip
        Column of further hover text, such as an interval or a p-value.
    links
        Pairs of neighbours, the first two columns; default: none, outlines are drawn.
    unit, title
        Unit and name of the value, for the colour bar.
    legend
        Draw the colour bar; a page that has its own (:func:`citylab.viz.maps.legend`) goes without.
    alt, lang, height, large
        As in :func:`citylab.viz.charts.line`.

    Raises
    ------
    SchemaError, DataError
        A column is missing; no rows, or a place twice.

    Examples
    --------
    >>> import shapely
    >>> boxes = [shapely.box(x, 0, x + 1, 1).wkb for x in (0, 1)]
    >>> squares = pl.DataFrame({"id": ["1", "2"], "geometry_wkb": boxes})
    >>> rows = pl.DataFrame({"id": ["1", "2"], "name": ["A", "B"], "years": [9.0, 12.0],
    ...                      "cluster": [None, "cold_spot"]})
    >>> plot = cluster_map(rows, squares, place="id", value="years", name="name", title="Schooling", alt="", lang="en")
    >>> figures.source(plot, "cold_spot").data["name"]
    ['B']
    """
    from bokeh.models import ColumnDataSource, HoverTool

    lang = lang or settings.language()
    needed = [c for c in (place, value, cluster, name, short, tip) if c is not None]
    rows = figures.rows_of(frame, needed, "The map of clusters")
    figures.need_one_group(rows, [place], "The map of clusters")
    figures.need(places, (place, "geometry_wkb"), "The places of the map")
    shapes, middles, outer = _laid_flat(places, place)
    rows = rows.filter(pl.col(place).is_in(list(shapes)))
    known = [v for v in rows[value] if v is not None and math.isfinite(v)]
    divisor = numbers.reading(unit, lang).divisor
    mapper = figures.colours_between(
        min(known, default=0.0) / divisor, max(known, default=1.0) / divisor, missing=theme.colour("no_data")
    )
    codes = rows[place].to_list()
    clusters = [c if c in CLUSTERS else "" for c in rows[cluster]]
    unmarked = vocabulary.say("cluster_not_significant", lang)
    data: Columns = {
        "value": figures.scaled(rows[value], unit, lang).tolist(), "name": rows[name].to_list(),
        "x": [middles[c][0] for c in codes], "y": [middles[c][1] for c in codes],
        "text": [" ".join(numbers.quantity(v, unit, lang)).strip() for v in rows[value]],
        "told": [vocabulary.say(f"cluster_{c}", lang) if c else unmarked for c in clusters],
        "tip": [""] * rows.height if tip is None else rows[tip].fill_null("").to_list(),
    }  # fmt: skip
    if links is not None:
        outer = [[middles[c]] for c in middles if c in set(codes)] or outer
    (left, right), (bottom, top) = ((min(a), max(a)) for a in zip(*(p for s in outer for p in s), strict=True))
    room = _ROOM * max(right - left, top - bottom)
    box = (left - room, right + room, bottom - room, top + room)
    plot = figures.square(alt=alt, height=height, large=large, save_as="citylab_clusters", box=box)
    fill = {"field": "value", "transform": mapper}
    if links is None:
        source = ColumnDataSource({**data, "xs": [shapes[c][0] for c in codes], "ys": [shapes[c][1] for c in codes]},
                                  name="data")  # fmt: skip
        drawn = plot.multi_polygons("xs", "ys", source=source, fill_color=fill, line_color=theme.PAPER, line_width=1.2)
    else:
        pairs = [(a, b) for a, b in links.select(links.columns[:2]).iter_rows() if a in middles and b in middles]
        joined = {
            f"{axis}{end}": [middles[p[end]][at] for p in pairs] for at, axis in enumerate("xy") for end in (0, 1)
        }
        plot.segment("x0", "y0", "x1", "y1", source=ColumnDataSource(joined, name="links"), line_color="#B8C0C8",
                     line_width=1.5)  # fmt: skip
        source = ColumnDataSource(data, name="data")
        disc = _SMALL_DISC_PX if rows.height > _MANY_PLACES else _DISC_PX
        drawn = plot.scatter("x", "y", source=source, size=disc, fill_color=fill, line_color=theme.MUTED)
    plot.add_tools(HoverTool(renderers=[drawn], tooltips=[("", "@name: @text"), ("", "@told"), ("", "@tip")]))
    beside = rows[short or name].to_list()
    is_named = sum(map(bool, clusters)) <= _NAMED_AT_MOST
    for code, (marker, colour) in CLUSTERS.items():
        at = [i for i, c in enumerate(clusters) if c == code]
        marks = ColumnDataSource({"x": [data["x"][i] for i in at], "y": [data["y"][i] for i in at],
                                  "name": [beside[i] for i in at]}, name=code)  # fmt: skip
        plot.scatter("x", "y", source=marks, marker=marker, size=_SIGN_PX, fill_color=colour, line_color=theme.INK)
        figures.write(plot, x="x", y="y", text="name", source=marks, visible=is_named, text_align="center",
                      text_baseline="bottom", y_offset=-9, background_fill_color=theme.PAPER,
                      background_fill_alpha=0.7, large=large)  # fmt: skip
    shown = numbers.reading(unit, lang).unit
    if legend:
        figures.colour_bar(plot, mapper, f"{title} ({shown})" if shown else title, large)
    return plot


Polygons = list[list[list[float]]]


def _laid_flat(
    places: pl.DataFrame, place: str
) -> tuple[dict[str, tuple[Polygons, Polygons]], dict[str, tuple[float, float]], list[list[tuple[float, float]]]]:
    """Return outlines and inner points on a plane: longitudes shrunk by the cosine of the middle latitude."""
    import shapely

    found = {code: shapely.from_wkb(wkb) for code, wkb in places.select(place, "geometry_wkb").iter_rows()}
    bounds = shapely.total_bounds(list(found.values()))
    shrink = math.cos(math.radians((bounds[1] + bounds[3]) / 2))
    shapes, middles, outer = {}, {}, []
    for code, shape in found.items():
        polygons = list(getattr(shape, "geoms", [shape]))
        rings = [[p.exterior, *p.interiors] for p in polygons]
        xs = [[[x * shrink for x, _ in ring.coords] for ring in p] for p in rings]
        ys = [[[y for _, y in ring.coords] for ring in p] for p in rings]
        shapes[code] = (xs, ys)
        inside = shape.representative_point()
        middles[code] = (inside.x * shrink, inside.y)
        west, south, east, north = shape.bounds
        outer.append([(west * shrink, south), (east * shrink, north)])
    return shapes, middles, outer


# who is not counted


def counted(
    frame: pl.DataFrame | pl.LazyFrame, *, group: str, level: str, value: str = "value", tip: str | None = None,
    unit: str = "%", alt: str, lang: Language | None = None, height: int = 240, large: bool = False,
) -> figure:  # fmt: skip
    """Return a table of groups by levels, a cell each: the published figure, or *no data* in grey.

    Parameters
    ----------
    frame
        One row per group and level, in the order in which they are to stand; ``value`` is null where nothing is
        published.
    group, level, value, tip
        Columns of the names, of the figure and of further hover text.
    unit
        Unit of the figures.
    alt, lang, height, large
        As in :func:`citylab.viz.charts.line`.

    Raises
    ------
    SchemaError, DataError
        A column is missing; no rows, or a cell twice.

    Examples
    --------
    >>> rows = pl.DataFrame({"group": ["60+", "60+"], "level": ["access", "use"], "value": [None, 43.2]})
    >>> figures.source(counted(rows, group="group", level="level", alt="Two cells", lang="en"), "data").data["text"]
    ['no data', '43.2 %']
    """
    from bokeh.models import ColumnDataSource, HoverTool

    lang = lang or settings.language()
    rows = figures.rows_of(frame, [c for c in (group, level, value, tip) if c], "The cells")
    figures.need_one_group(rows, [group, level], "The cells")
    if large:
        rows = rows.with_columns(pl.col(group).map_elements(_on_lines, return_dtype=pl.String))
    none = vocabulary.say("no_data", lang)
    is_known = [v is not None for v in rows[value]]
    colours = [theme.OKABE_ITO["sky"] if k else theme.colour("no_data") for k in is_known]
    data: Columns = {
        "group": rows[group].to_list(), "level": rows[level].to_list(), "colour": colours,
        "ink": [theme.ink_on(c) for c in colours],
        "text": [none if v is None else " ".join(numbers.quantity(v, unit, lang)) for v in rows[value]],
        "tip": [""] * rows.height if tip is None else rows[tip].fill_null("").to_list(),
    }  # fmt: skip
    plot = figures.base(
        alt=alt, height=height, large=large, save_as="citylab_counted",
        x_range=rows[level].unique(maintain_order=True).to_list(),
        y_range=rows[group].unique(maintain_order=True).to_list()[::-1], x_axis_location="above",
    )  # fmt: skip
    source = ColumnDataSource(data, name="data")
    cells = plot.rect("level", "group", _CELL, _CELL, fill_color="colour", line_width=0, source=source)
    figures.write(plot, x="level", y="group", text="text", source=source, text_align="center", text_color="ink",
                  large=large)  # fmt: skip
    plot.add_tools(HoverTool(renderers=[cells], tooltips=[("", "@group · @level: @text"), ("", "@tip")]))
    plot.grid.grid_line_color = None
    plot.axis.major_tick_line_color = None
    plot.axis.axis_line_color = None
    return plot


def _on_lines(name: str) -> str:
    return figures.folded(name, _GROUP_LETTERS)


__all__ = [
    "CLUSTERS", "LINES", "MARKERS", "PARTS", "cluster_key", "cluster_map", "counted", "curve", "estimates",
    "gap_key", "gap_lines", "parts", "parts_key",
]  # fmt: skip
