"""What every Bokeh figure of the house has in common: its frame, fonts, axes, legend, colour bar and lines of text.

``charts``, ``levels``, ``air`` and any further module of pictures build on these, so that a figure looks and speaks the
same wherever it stands.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from citylab import settings, vocabulary
from citylab.errors import DataError, SchemaError
from citylab.settings import Language
from citylab.viz import numbers, theme

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from bokeh.models import ColumnDataSource, LinearColorMapper
    from bokeh.plotting import figure

MS_PER_DAY = 86_400_000.0
DATES: dict[Language, dict[str, str]] = {
    "zh": {"years": "%Y年", "months": "%Y-%m", "days": "%Y-%m-%d"},
    "en": {"years": "%Y", "months": "%b %Y", "days": "%d %b %Y"},
}
"""How an axis of dates writes years, months and days."""
MIN_WIDTH_PX = 240
NARROW_PX, MARK_PX = 360, 36
"""Page of a phone; mark and gap of a legend entry."""
_DATE_TICKS = 4
_LATIN = 0x2E7F  # letters above are as wide as high
_LATIN_WIDTH = 0.52  # of the height
_NAME_LETTERS = 26  # of a row's name in one line: more leaves a phone no room for the picture
_REASON_LETTERS: dict[Language, int] = {"zh": 18, "en": 34}


# frames


def need(frame: pl.DataFrame, columns: Sequence[str | None], what: str) -> None:
    """Raise unless a frame has the columns that a picture draws; ``None`` stands for one that is not asked for.

    Raises
    ------
    SchemaError
        A column is missing.

    Examples
    --------
    >>> need(pl.DataFrame({"a": [1]}), ["a", None], "The picture")
    """
    lost = [c for c in columns if c is not None and c not in frame.columns]
    if lost:
        raise SchemaError(f"{what} needs columns {lost}; the frame has {frame.columns}. Rename, or name others.")


def collected(frame: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    """Return a frame's rows."""
    return frame.collect() if isinstance(frame, pl.LazyFrame) else frame


def rows_of(frame: pl.DataFrame | pl.LazyFrame, columns: Sequence[str], what: str) -> pl.DataFrame:
    """Return a frame's rows, at least one, with the columns that a picture draws.

    Raises
    ------
    SchemaError
        A column is missing.
    DataError
        There are no rows.
    """
    table = collected(frame)
    need(table, columns, what)
    if table.is_empty():
        raise DataError(f"{what} was given a frame without rows.")
    return table


def need_one_group(table: pl.DataFrame, cell: Sequence[str], what: str) -> None:
    """Raise if a frame has two rows for one mark of the picture.

    Raises
    ------
    DataError
        Two rows share their values of ``cell``.
    """
    if table.select(cell).is_duplicated().any():
        raise DataError(f"{what} draws one group, and the frame has several. Filter it to one first.")


def ms(dates: pl.Series) -> npt.NDArray[np.float64]:
    """Return dates as Bokeh counts them, in milliseconds since 1970."""
    return dates.cast(pl.Datetime("ms")).to_physical().cast(pl.Float64).to_numpy()


def scaled(values: pl.Series, unit: str, lang: Language) -> npt.NDArray[np.float64]:
    """Return values in the unit that a language reads them in; null becomes NaN, a gap.

    Examples
    --------
    >>> scaled(pl.Series([2e6, None]), "t", "en").tolist()
    [2.0, nan]
    """
    divisor = numbers.reading(unit, lang).divisor
    return (values.cast(pl.Float64) / divisor).fill_null(math.nan).to_numpy()


# words


def unit_of(column: str, unit: str | None = None) -> str:
    """Return the unit of a column: the one given, else the vocabulary's, else none.

    Examples
    --------
    >>> unit_of("co2_t"), unit_of("co2_t", "kg"), unit_of("mine")
    ('t', 'kg', '')
    """
    if unit is not None:
        return unit
    return vocabulary.column(column).unit if column in vocabulary.COLUMNS else ""


def label_of(column: str, lang: Language) -> str:
    """Return what a column is called; one that the vocabulary does not hold keeps its name."""
    return vocabulary.column(column).label(lang) if column in vocabulary.COLUMNS else column


def axis_title(column: str, unit: str, lang: Language, title: str | None = None) -> str:
    """Return the title of an axis: label of the column, or the title given, with the unit as people read it.

    Examples
    --------
    >>> axis_title("co2_t", "t", "en"), axis_title("co2_t", "t", "zh", "排放")
    ('CO2 emissions (Mt)', '排放 (万吨)')
    """
    label = label_of(column, lang) if title is None else title
    shown = numbers.reading(unit, lang).unit
    return f"{label} ({shown})" if shown else label


def px(large: bool, more: int = 0) -> str:
    """Return the size of chart text as CSS."""
    return f"{(theme.LARGE_PX if large else theme.TEXT_PX) + more}px"


def folded(name: str, letters: int = _NAME_LETTERS) -> str:
    r"""Return the name of a row on several lines where one would leave a phone no room for the picture.

    Examples
    --------
    >>> folded("older people who use smart devices")
    'older people who use smart\ndevices'
    """
    return textwrap.fill(name, letters, break_long_words=False, break_on_hyphens=False)


def fonts() -> Any:
    """Return the fonts as a value: Bokeh would take the bare text of a glyph for a column's name."""
    from bokeh.core.properties import value

    return value(theme.font_stack())


# the figure


def base(*, alt: str, height: int, large: bool, save_as: str, tags: dict[str, Any] | None = None, **ranges: Any) -> Any:
    """Return an empty figure in the house's look.

    Parameters
    ----------
    alt
        Text for people who cannot see the picture.
    height
        Height [px]; the width is that of its place on the page.
    large
        Larger type.
    save_as
        Name of the file that its save tool writes.
    tags
        What the figure draws, for an ``update`` that puts another frame into it.
    **ranges
        Further arguments of :func:`bokeh.plotting.figure`, such as ``x_range`` or ``x_axis_type``.

    Examples
    --------
    >>> base(alt="Nothing yet", height=200, large=False, save_as="citylab_nothing").html_attributes["aria-label"]
    'Nothing yet'
    """
    from bokeh.models import SaveTool
    from bokeh.plotting import figure

    plot = figure(
        height=height,
        min_width=MIN_WIDTH_PX,
        sizing_mode="stretch_width",
        tools="xpan,box_zoom,reset",
        active_drag=None,
        toolbar_location="right",
        **ranges,
    )
    plot.tags = [] if tags is None else [tags]
    plot.add_tools(SaveTool(filename=save_as))
    plot.toolbar.logo = None
    plot.toolbar.autohide = True
    say_aloud(plot, alt)
    plot.outline_line_color = None
    plot.background_fill_color = plot.border_fill_color = theme.PAPER
    size = px(large)
    for axis in plot.axis:
        axis.axis_label_text_font = axis.major_label_text_font = theme.font_stack()
        axis.axis_label_text_font_size = axis.major_label_text_font_size = size
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_color = axis.major_label_text_color = theme.INK
        axis.axis_line_color = axis.major_tick_line_color = theme.MUTED
        axis.minor_tick_line_color = None
    plot.grid.grid_line_color = theme.GRID
    return plot


def say_aloud(plot: figure, alt: str) -> None:
    """Give a figure its text for people who cannot see it."""
    plot.html_attributes = {"role": "img", "aria-label": alt}


def source(plot: figure, name: str) -> ColumnDataSource:
    """Return the data source of a figure by its name."""
    # Bokeh's own search walks every model of the figure, which takes tens of milliseconds.
    for renderer in plot.renderers:
        held: ColumnDataSource | None = getattr(renderer, "data_source", None)
        if held is not None and held.name == name:
            return held
    found: ColumnDataSource = plot.select_one({"name": name})
    return found


def date_axis(plot: figure, lang: Language) -> None:
    """Write the dates of the horizontal axis in a language, few of them, without vertical grid lines."""
    from bokeh.models import DatetimeTickFormatter

    plot.xaxis.formatter = DatetimeTickFormatter(**DATES[lang])
    plot.xaxis.ticker.desired_num_ticks = _DATE_TICKS
    plot.xgrid.grid_line_color = None


def rows_axis(plot: figure) -> None:
    """Make the vertical axis one of names: no grid line and no tick beside a bar."""
    plot.ygrid.grid_line_color = None
    plot.yaxis.major_tick_line_color = None


def legend_above(plot: figure, large: bool, shown: bool = True, *, narrow: bool = False) -> None:
    """Put the legend above the picture, or hide it.

    Parameters
    ----------
    plot
        Figure whose glyphs have legend labels.
    large
        Larger type.
    shown
        Show it at all; a page that has its own (:func:`citylab.viz.charts.key`) goes without.
    narrow
        In as many columns as a phone holds, whatever the width.
    """
    plot.legend.visible = shown
    if not shown:
        return
    for legend in plot.legend:
        legend.orientation = "horizontal"
        legend.border_line_color = None
        legend.background_fill_alpha = 0
        legend.padding = legend.margin = 0
        legend.spacing = 14
        legend.label_text_font = theme.font_stack()
        legend.label_text_font_size = px(large)
        legend.label_text_color = theme.INK
        legend.nrows = "auto"
        plot.add_layout(legend, "above")
    if narrow and plot.legend:
        size = theme.LARGE_PX if large else theme.TEXT_PX
        texts = [item.label.value for item in plot.legend[0].items]
        widest = max(sum(size if ord(c) > _LATIN else _LATIN_WIDTH * size for c in t) for t in texts) + MARK_PX
        plot.legend[0].ncols = max(1, min(len(texts), int(NARROW_PX / widest)))


def write(plot: figure, *, large: bool, more: int = 0, **how: Any) -> Any:
    """Write words into a picture in the house's type, level with their points; return what was drawn.

    Parameters
    ----------
    plot
        Figure to write into.
    large, more
        Larger type, and so many pixels above the usual.
    **how
        Arguments of the figure's own ``text``: ``x``, ``y``, ``text``, ``source``, offsets, or another look.
    """
    look = {"text_color": theme.INK, "text_baseline": "middle", "text_font": fonts(), "text_font_size": px(large, more)}
    return plot.text(**(look | how))


def parted_bars(plot: figure, *, y: str, height: float, source: ColumnDataSource, text: str, large: bool,
                line_width: float = 0.5) -> Any:  # fmt: skip
    """Draw horizontal bars in parts, each with its number in its middle; return the bars.

    Parameters
    ----------
    plot
        Figure with a vertical axis of names.
    y, text
        Columns of the bar and of what is written on a part.
    height
        Height of a bar in places of the axis.
    source
        Its columns ``left``, ``right``, ``middle``, ``colour`` and ``ink`` say where a part lies and how it looks.
    large
        Larger type.
    line_width
        Line between two parts [px].
    """
    bars = plot.hbar(y=y, left="left", right="right", height=height, fill_color="colour", line_color=theme.PAPER,
                     line_width=line_width, source=source)  # fmt: skip
    write(plot, x="middle", y=y, text=text, source=source, text_align="center", text_color="ink", large=large)
    return bars


def is_synthetic(frame: pl.DataFrame) -> bool:
    """Return whether any row of a frame says that it was made by a generator.

    Examples
    --------
    >>> is_synthetic(pl.DataFrame({"is_synthetic": [False, True]})), is_synthetic(pl.DataFrame({"co2_t": [1.0]}))
    (True, False)
    """
    return "is_synthetic" in frame.columns and bool(frame["is_synthetic"].fill_null(False).any())


def say_synthetic(plot: figure, lang: Language, large: bool, *, align: str = "left") -> None:
    """Write *synthetic* above a picture, so that a saved image says it too."""
    text_line(plot, vocabulary.say("synthetic", lang), "above", large, bold=True, align=align)


def text_line(plot: figure, text: str, side: str, large: bool, *, bold: bool = False, align: str = "center") -> None:
    """Put a line of text above or below a picture; it is part of the picture that a reader saves."""
    from bokeh.models import Title

    plot.add_layout(Title(text=text, text_font=theme.font_stack(), text_font_size=px(large), align=align,
                          text_font_style="bold" if bold else "normal", text_color=theme.INK), side)  # fmt: skip


def colours_between(low: float, high: float, *, missing: str | None = None) -> LinearColorMapper:
    """Return the sequential colours between two values.

    Parameters
    ----------
    low, high
        Ends of the scale; equal ends are drawn apart.
    missing
        Colour of NaN; default: none.
    """
    from bokeh.models import LinearColorMapper

    return LinearColorMapper(palette=list(theme.SEQUENTIAL), low=low, high=high if high > low else low + 1,
                             nan_color=missing or "rgba(0, 0, 0, 0)")  # fmt: skip


def colour_bar(plot: figure, mapper: LinearColorMapper, title: str, large: bool) -> None:
    """Put a colour bar with its title, which names the unit, to the right of a picture."""
    from bokeh.models import ColorBar

    bar = ColorBar(color_mapper=mapper, title=title, name="colours", width=12, height="auto", padding=4,
                   title_text_font=theme.font_stack(), major_label_text_font=theme.font_stack(),
                   title_text_font_style="normal", title_text_font_size=px(large), title_text_color=theme.INK,
                   major_label_text_font_size=px(large), major_label_text_color=theme.INK)  # fmt: skip
    plot.add_layout(bar, "right")


def square(*, alt: str, height: int, large: bool, save_as: str, tags: dict[str, Any] | None = None,
           box: tuple[float, float, float, float]) -> Any:  # fmt: skip
    """Return a figure without axes whose units are as long across as up, showing at least a box.

    Parameters
    ----------
    alt, height, large, save_as, tags
        As in :func:`base`.
    box
        Left, right, bottom, top in the units of the data.
    """
    from bokeh.models import DataRange1d

    ranges = {"x_range": DataRange1d(range_padding=0), "y_range": DataRange1d(range_padding=0)}
    plot = base(alt=alt, height=height, large=large, save_as=save_as, tags=tags, match_aspect=True, **ranges)
    left, right, bottom, top = box
    frame = plot.scatter([left, right], [bottom, top], size=0, alpha=0, name="box")
    plot.x_range.renderers = plot.y_range.renderers = [frame]
    plot.axis.visible = False
    plot.grid.visible = False
    return plot


def unavailable(
    said: str, *, alt: str = "", lang: Language | None = None, height: int = 260, large: bool = False,
    save_as: str = "citylab_nothing",
) -> Any:  # fmt: skip
    """Return an empty figure that says why there is nothing to draw.

    Parameters
    ----------
    said
        The reason, in a sentence; broken into lines that a phone can show.
    alt
        Text for people who cannot see the picture; default: the reason.
    lang
        Language; default: the ``CITYLAB_LANG`` setting.
    height, large, save_as
        As in :func:`base`.

    Examples
    --------
    >>> unavailable("One survey only: no trend.", lang="en").html_attributes["aria-label"]
    'One survey only: no trend.'
    """
    from bokeh.models import Range1d

    plot = base(alt=alt or said, height=height, large=large, save_as=save_as, x_range=Range1d(0, 1),
                y_range=Range1d(0, 1))  # fmt: skip
    plot.axis.visible = False
    plot.grid.visible = False
    lines = textwrap.wrap(said, _REASON_LETTERS[lang or settings.language()], break_on_hyphens=False)
    write(plot, x=[0.5], y=[0.5], text=["\n".join(lines)], text_align="center", text_color=theme.MUTED, large=large,
          more=1)  # fmt: skip
    return plot
