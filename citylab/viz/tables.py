"""The table behind a picture: as a widget to sort and copy, and as a file to take away."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Literal

import polars as pl

from citylab import settings, vocabulary
from citylab import tables as declared
from citylab.errors import suggest
from citylab.settings import Language
from citylab.viz.numbers import MISSING

if TYPE_CHECKING:
    from panel.widgets import Tabulator

FORMATS = ("csv", "parquet")
HIDDEN = ("aqi_color",)
"""Columns that a reader sees as something else than text; files keep them."""
_TABULATOR_ZH = {
    "pagination": {
        "first": "首页", "first_title": "首页", "last": "末页", "last_title": "末页", "prev": "上页",
        "prev_title": "上页", "next": "下页", "next_title": "下页", "page_size": "每页行数",
    }
}  # fmt: skip
"""Words of the table widget itself."""
_BOM = b"\xef\xbb\xbf"
_DECIMALS = 3
_ROW_PX = 30
_UNIT_ELSEWHERE = "by "
"""How the vocabulary begins a unit that is none: by row, by value, by currency."""


def _pollutants(codes: str, lang: Language) -> str:
    named = (_pollutant_names().get(c, (c, c))[0 if lang == "zh" else 1] for c in codes.split("+"))
    return ("、" if lang == "zh" else ", ").join(named)


@lru_cache(maxsize=1)
def _pollutant_names() -> dict[str, tuple[str, str]]:
    """Return names of pollutants by the code that indices and limits use."""
    said = (vocabulary.column(f"{c}_{u}") for c, u in (*((c, "ugm3") for c in ("pm25", "pm10", "so2", "no2", "o3")),
                                                      ("co", "mgm3")))  # fmt: skip
    # A formula is the same in both languages; the labels of columns add what kind of figure it is.
    return {c.name.split("_")[0]: (c.label_en, c.label_en) for c in said}


@lru_cache(maxsize=1)
def _editions() -> dict[str, tuple[str, str]]:
    table = declared.read("air_editions")
    return {e: (zh, en) for e, zh, en in table.select("edition", "label_zh", "label_en").iter_rows()}


def _edition(code: str, lang: Language) -> str:
    return _editions().get(code, (code, code))[0 if lang == "zh" else 1]


CODED: dict[str, Callable[[str, Language], str]] = {
    "sector": vocabulary.say_code,
    "alert_level": partial(vocabulary.say_code, prefix="alert_"),
    "aqi_reason": partial(vocabulary.say_code, prefix="reason_"),
    "reason": partial(vocabulary.say_code, prefix="reason_"),
    "o3_mda8_reason": partial(vocabulary.say_code, prefix="reason_"),
    "aqi_primary": _pollutants,
    "aqi_missing": _pollutants,
    "pollutant": _pollutants,
    "aqi_edition": _edition,
    "alert_edition": _edition,
    "limits_edition": _edition,
}
"""Columns of codes that a reader sees as words, and how a code is said; an unknown code stays. Files keep the codes."""


def heads(frame: pl.DataFrame, lang: Language | None = None) -> dict[str, str]:
    """Return a table head for each column, with its unit, from the vocabulary; other columns keep their name.

    A name is a column of the vocabulary (``COLUMNS``), the lowest or highest of one (``_min``, ``_max``), or one of the
    words declared as heads (``HEADS``), in this order. Names of one's own that should stay as they are, such as a
    translated one, must be none of these: "Low prices", not "low".

    Examples
    --------
    >>> heads(pl.DataFrame({"co2_t": [1.0], "day_count": [3]}), "en")
    {'co2_t': 'CO2 emissions (t)', 'day_count': 'Valid days'}
    >>> heads(pl.DataFrame({"value": [1.0], "unit": ["t"]}), "zh")
    {'value': '数值', 'unit': '单位'}
    """
    lang = lang or settings.language()
    return {c: _head(c, lang) for c in frame.columns}


def _head(name: str, lang: Language) -> str:
    if name in vocabulary.COLUMNS:
        column = vocabulary.column(name)
        # Where the unit differs from row to row, a column of its own says it.
        return column.label(lang) if column.unit.startswith(_UNIT_ELSEWHERE) else column.axis_title(lang)
    for end in ("_min", "_max"):
        stem = name.removesuffix(end)
        if stem != name and stem in vocabulary.COLUMNS:
            return f"{vocabulary.column(stem).axis_title(lang)}, {vocabulary.say('range' + end, lang)}"
    return vocabulary.say(name, lang) if name in vocabulary.HEADS else name


def to_bytes(frame: pl.DataFrame, kind: Literal["csv", "parquet"]) -> io.BytesIO:
    r"""Return a table as a file: CSV with a byte-order mark, so that spreadsheets read Chinese right, or Parquet.

    Examples
    --------
    >>> to_bytes(pl.DataFrame({"a": [1]}), "csv").read()
    b'\xef\xbb\xbfa\n1\n'
    """
    if kind not in FORMATS:
        raise suggest(str(kind), FORMATS, what="file format", see="citylab.viz.tables.FORMATS")
    buffer = io.BytesIO()
    if kind == "csv":
        buffer.write(_BOM)
        frame.write_csv(buffer)
    else:
        frame.write_parquet(buffer)
    buffer.seek(0)
    return buffer


def table(frame: pl.DataFrame, *, lang: Language | None = None, height: int = 260) -> Tabulator:
    """Return a sortable table widget; cells can be selected and copied, not edited.

    Parameters
    ----------
    frame
        Any table without binary columns.
    lang
        Language of the heads; default: the ``CITYLAB_LANG`` setting.
    height
        Height [px]; longer tables scroll.
    """
    import panel as pn
    from bokeh.models.widgets.tables import NumberFormatter

    lang = lang or settings.language()
    shown = pretty(frame, lang)
    rows = shown.to_pandas()
    # Panel hides the column named as the numbers of the rows are.
    rows.index.name = "_".join(["row", *shown.columns])
    # Pandas makes decimals of whole numbers where one is missing.
    whole = NumberFormatter(format="0", nan_format=MISSING)
    return pn.widgets.Tabulator(
        rows,
        titles=heads(shown, lang),
        formatters={c: whole for c, kind in shown.schema.items() if kind.is_integer()},
        show_index=False,
        disabled=True,
        height=height,
        sizing_mode="stretch_width",
        layout="fit_data_fill",
        configuration={
            "clipboard": "copy",
            "columnDefaults": {"headerSort": True},
            "rowHeight": _ROW_PX,
            "locale": lang,
            "langs": {"zh": _TABULATOR_ZH, "en": {}},
        },
    )


def pretty(frame: pl.DataFrame, lang: Language | None = None) -> pl.DataFrame:
    """Return a table as a person reads it: decimals rounded, dates as text, codes and yes/no in words.

    Of a name in both languages (``station_name_zh``, ``station_name_en``) the page's stays; colours are left out.

    Examples
    --------
    >>> pretty(pl.DataFrame({"a": [1.23456]})).item()
    1.235
    >>> pretty(pl.DataFrame({"alert_level": ["red"], "aqi_primary": ["pm25+o3"]}), "zh").row(0)
    ('红色预警', 'PM2.5、O₃')
    """
    import polars.selectors as cs

    lang = lang or settings.language()
    other, own = ("_en", "_zh") if lang == "zh" else ("_zh", "_en")
    twins = [c for c in frame.columns if c.endswith(other) and c.removesuffix(other) + own in frame.columns]
    yes, no = (vocabulary.say(word, lang) for word in ("yes", "no"))
    coded = [c for c in CODED if c in frame.columns and frame.schema[c] == pl.String]
    said = {c: {v: CODED[c](v, lang) for v in frame[c].unique().drop_nulls()} for c in coded}
    return frame.drop(*twins, *(c for c in HIDDEN if c in frame.columns)).with_columns(
        cs.float().round(_DECIMALS),
        cs.temporal().cast(pl.String),
        cs.boolean().replace_strict({True: yes, False: no}, return_dtype=pl.String),
        *(pl.col(c).replace(words) for c, words in said.items()),
    )
