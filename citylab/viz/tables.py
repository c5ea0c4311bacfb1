"""The table behind a picture: as a widget to sort and copy, and as a file to take away."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Literal

import polars as pl

from citylab import settings, vocabulary
from citylab.errors import suggest
from citylab.settings import Language

if TYPE_CHECKING:
    from panel.widgets import Tabulator

FORMATS = ("csv", "parquet")
CODED = ("sector",)
"""Columns of codes that a reader sees as words; files keep the codes."""
_BOM = b"\xef\xbb\xbf"
_DECIMALS = 3
_ROW_PX = 30


def heads(frame: pl.DataFrame, lang: Language | None = None) -> dict[str, str]:
    """Return a table head for each column, with its unit, from the vocabulary; unknown columns keep their name.

    Examples
    --------
    >>> heads(pl.DataFrame({"co2_t": [1.0], "day_count": [3]}), "en")
    {'co2_t': 'CO2 emissions (t)', 'day_count': 'Valid days'}
    """
    lang = lang or settings.language()
    return {c: _head(c, lang) for c in frame.columns}


def _head(name: str, lang: Language) -> str:
    if name in vocabulary.COLUMNS:
        return vocabulary.column(name).axis_title(lang)
    for end in ("_min", "_max"):
        stem = name.removesuffix(end)
        if stem != name and stem in vocabulary.COLUMNS:
            return f"{vocabulary.column(stem).axis_title(lang)}, {vocabulary.say('range' + end, lang)}"
    return vocabulary.say(name, lang) if name in vocabulary.WORDS else name


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

    shown = pretty(frame, lang)
    return pn.widgets.Tabulator(
        shown.to_pandas(),
        titles=heads(frame, lang),
        show_index=False,
        disabled=True,
        height=height,
        sizing_mode="stretch_width",
        layout="fit_data_fill",
        configuration={"clipboard": "copy", "columnDefaults": {"headerSort": True}, "rowHeight": _ROW_PX},
    )


def pretty(frame: pl.DataFrame, lang: Language | None = None) -> pl.DataFrame:
    """Return a table as a person reads it: decimals rounded, dates as text, sectors and yes/no in words.

    Examples
    --------
    >>> pretty(pl.DataFrame({"a": [1.23456]})).item()
    1.235
    """
    import polars.selectors as cs

    words = {code: vocabulary.say(code, lang) for code in ("yes", "no", *_coded(frame))}
    return frame.with_columns(
        cs.float().round(_DECIMALS),
        cs.temporal().cast(pl.String),
        cs.boolean().replace_strict({True: words["yes"], False: words["no"]}, return_dtype=pl.String),
        *(pl.col(c).replace(words) for c in CODED if c in frame.columns),
    )


def _coded(frame: pl.DataFrame) -> list[str]:
    """Return the codes in a table for which the vocabulary has words."""
    codes = {v for c in CODED if c in frame.columns for v in frame[c].unique()}
    return sorted(v for v in codes if v in vocabulary.WORDS)
