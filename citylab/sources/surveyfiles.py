"""Survey files of Stata and SPSS (.dta, .sav, .zsav, .por), with their labels, missing codes and encoding (pyreadstat).

Two traps of such files are told apart here: a code such as 99 may be an answer's label, "don't know", that the file
does not declare missing; and an old file in GBK does not say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from citylab.errors import DataError, RangeError, SchemaError, UnknownNameError, suggest

ENCODINGS = ("utf-8", "gb18030")
"""Tried in this order where a file does not say its encoding; GB 18030 holds all of GBK and GB 2312."""

_PRIVATE_USE = r"[\x{E000}-\x{F8FF}]"


@dataclass(frozen=True, slots=True)
class SurveyFile:
    """A survey file as it was read.

    Attributes
    ----------
    frame
        One row per unit; codes as numbers, missing codes as null.
    labels
        Question of each column, as the file words it; empty if it has none.
    categories
        For each coded column, the label of each code.
    missing
        For each column, the codes (or reasons such as Stata's ``.a``) that were read as null, with their rows.
    encoding
        How text was read.
    path
        The file.
    """

    frame: pl.LazyFrame
    labels: dict[str, str]
    categories: dict[str, dict[float | str, str]]
    missing: dict[str, dict[float | str, int]]
    encoding: str
    path: Path

    def labelled(self, columns: str | Iterable[str] | None = None) -> pl.LazyFrame:
        """Return the frame with codes replaced by their labels, as an Enum in the order of the codes.

        Parameters
        ----------
        columns
            Coded columns; default: all that have a label for every code that occurs.

        Raises
        ------
        DataError
            A named column holds a code without a label, or two codes of one label.
        """
        wanted = [columns] if isinstance(columns, str) else None if columns is None else list(columns)
        for c in wanted or ():
            if c not in self.categories:
                raise suggest(c, self.categories, what="coded column", see=f"SurveyFile.categories of {self.path.name}")
        names = list(self.categories) if wanted is None else wanted
        held = self.frame.select(pl.col(c).drop_nulls().unique().implode() for c in names).collect().row(0, named=True)
        made = []
        for c in names:
            known = self.categories[c]
            without = sorted(set(held[c]) - set(known), key=str)
            texts = list(known.values())
            if without or len(set(texts)) < len(texts):
                if wanted is None:
                    continue
                raise DataError(
                    f"{self.path.name}: column {c!r} has "
                    + (f"codes without a label: {without[:6]}." if without else "two codes of one label.")
                    + " Keep it as codes, or label it by hand."
                )
            codes = sorted(known, key=lambda k: (isinstance(k, str), k))
            to = pl.Enum([known[k] for k in codes])
            made.append(pl.col(c).replace_strict(codes, [known[k] for k in codes], default=None, return_dtype=to))
        return self.frame.with_columns(made)

    def suspects(self, words: Iterable[str] = ("不知道", "不清楚", "拒答", "拒绝", "不适用", "don't know", "refused",
                                               "not applicable", "no answer")) -> pl.DataFrame:  # fmt: skip
        """Return codes whose label sounds like a missing answer, but which the file does not declare missing.

        Returns
        -------
        polars.DataFrame
            One row per code: ``column``, ``code`` (as text), ``label``, ``n``. Pass what is missing as ``missing=`` to
            :func:`read_survey`.
        """
        sought = [w.casefold() for w in words]
        rows = []
        for c, known in self.categories.items():
            for code, text in known.items():
                if any(w in text.casefold() for w in sought):
                    n = self.frame.select((pl.col(c) == code).sum()).collect().item()
                    if n:
                        rows.append((c, str(code), text, int(n)))
        schema = {"column": pl.String(), "code": pl.String(), "label": pl.String(), "n": pl.Int64()}
        return pl.DataFrame(rows, schema=schema, orient="row")


def read_survey(
    path: str | Path,
    *,
    columns: Iterable[str] | None = None,
    missing: Mapping[str, float | str | Iterable[float | str]] | None = None,
    encoding: str | None = None,
) -> SurveyFile:
    """Read a survey file of Stata or SPSS.

    Parameters
    ----------
    path
        A .dta, .sav, .zsav or .por file.
    columns
        Columns to read; default: all.
    missing
        More codes that mean "no answer", one or several by column; they become null and are counted.
    encoding
        Of old files that do not say it. Default: UTF-8, then GB 18030, the first in which all text is readable.

    Returns
    -------
    SurveyFile

    Raises
    ------
    FileNotFoundError
        No such file.
    SchemaError
        Another kind of file.
    DataError
        The file cannot be read, or its text not in the encoding.
    UnknownNameError
        A column that the file does not have.

    Examples
    --------
    >>> import tempfile, pandas, pyreadstat
    >>> rows = pandas.DataFrame({"online": [1.0, 2.0, 9.0]})
    >>> labels = {"online": {1: "上网", 2: "不上网", 9: "拒答"}}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "survey.sav"
    ...     pyreadstat.write_sav(rows, file, variable_value_labels=labels, missing_ranges={"online": [9]})
    ...     survey = read_survey(file)
    >>> survey.labelled().collect()["online"].to_list(), survey.missing
    (['上网', '不上网', None], {'online': {9.0: 1}})
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"There is no file {file}. Check the path; survey files are not part of citylab.")
    import pyreadstat

    readers: dict[str, Callable[..., Any]] = {
        ".dta": pyreadstat.read_dta, ".sav": pyreadstat.read_sav, ".zsav": pyreadstat.read_sav,
        ".por": pyreadstat.read_por,
    }  # fmt: skip
    reader = readers.get(file.suffix.lower())
    if reader is None:
        raise SchemaError(f"{file.name} is no survey file that can be read; expected {', '.join(readers)}.")
    wanted = None if columns is None else list(dict.fromkeys(columns))
    told, meta, used = _read(reader, file, wanted, encoding)
    unread = sorted({*(missing or {})} - set(told.columns))
    if unread:
        raise suggest(unread[0], told.columns, what="column", see=f"SurveyFile.frame of {file.name}")
    categories = {
        c: {_code(k): str(v) for k, v in known.items() if not _is_tag(k, meta.readstat_variable_types.get(c))}
        for c, known in meta.variable_value_labels.items()
        if c in told.columns
    }
    frame, found = _without_missing(told, meta, missing or {})
    for c, codes in found.items():
        if c in categories:
            categories[c] = {k: v for k, v in categories[c].items() if k not in codes}
    labels = {c: str(t or "") for c, t in zip(meta.column_names, meta.column_labels, strict=True)}
    return SurveyFile(frame.lazy(), labels, {c: k for c, k in categories.items() if k}, found, used, file)


def _code(key: object) -> float | str:
    return float(key) if isinstance(key, int | float) else str(key)


def _is_tag(key: object, kind: str | None) -> bool:
    """Return whether a label is that of one of Stata's missing values, ``a`` to ``z``, in a column of numbers."""
    return isinstance(key, str) and kind != "string"


def _is_garbled(table: pl.DataFrame, meta: Any) -> bool:
    """Return whether text holds characters that no one writes: what GB 18030 makes of Big5 and other encodings."""
    labels = [*meta.column_names, *(t or "" for t in meta.column_labels)]
    labels += [str(v) for known in meta.variable_value_labels.values() for v in known.values()]
    text = pl.concat([pl.Series(labels, dtype=pl.String), *(c.unique() for c in table if c.dtype == pl.String)])
    return bool(text.str.contains(_PRIVATE_USE).any())


def _read(
    reader: Callable[..., Any], file: Path, columns: list[str] | None, encoding: str | None
) -> tuple[pl.DataFrame, Any, str]:
    """Return table, metadata and encoding: the given one, else the file's own, else the first that can read it."""
    from pyreadstat import PyreadstatError, ReadstatError

    kind = file.suffix.lower()
    if kind == ".por" and encoding is not None:
        raise RangeError(
            f"{file.name}: the reader takes a .por file for UTF-8 only. Save it as .sav, or leave out encoding=."
        )
    # A .sav names its encoding. Of a .dta the reader would take an old one for Windows-1252, which reads any bytes.
    attempts: dict[str, list[str | None]] = {".por": [None], ".dta": [*ENCODINGS]}
    reason: Exception | str | None = None
    for tried in [encoding] if encoding else attempts.get(kind, [None, *ENCODINGS]):
        options: dict[str, Any] = {} if tried is None else {"encoding": tried}
        try:
            _, head = reader(file, metadataonly=True, **options)
            for c in columns or ():
                if c not in head.column_names:
                    raise suggest(c, head.column_names, what="column", see=f"the columns of {file.name}")
            if kind != ".por":
                options["user_missing"] = True
            table, meta = reader(file, usecols=columns, output_format="polars", **options)
        except (ReadstatError, PyreadstatError, UnicodeDecodeError, LookupError) as cause:
            if isinstance(cause, UnknownNameError):
                raise
            reason = cause
            continue
        if encoding is None and tried == ENCODINGS[-1] and _is_garbled(table, meta):
            reason = f"read as {tried}, it holds characters that no one writes"
            continue
        return table, meta, tried or str(meta.file_encoding or ENCODINGS[0]).lower()
    told = f" in {encoding}" if encoding else ""
    raise DataError(
        f"{file.name} cannot be read{told}: {reason}. If its text is in another encoding, name it (encoding='gb18030', "
        "'big5', 'windows-1252'); else the file may be cut short."
    ) from (reason if isinstance(reason, Exception) else None)


def _without_missing(
    table: pl.DataFrame, meta: Any, more: Mapping[str, float | str | Iterable[float | str]]
) -> tuple[pl.DataFrame, dict[str, dict[float | str, int]]]:
    """Return the table with missing codes as null, and how many rows of each there were."""
    found: dict[str, dict[float | str, int]] = {}
    made = []
    for name in table.columns:
        of = table[name]
        tags: set[str] = set(meta.missing_user_values.get(name, ()))
        counts: dict[float | str, int] = {}
        kind = meta.readstat_variable_types.get(name)
        if of.dtype == pl.Object or (of.dtype == pl.String and kind not in (None, "string")):
            # Numbers among which Stata's .a to .z stand as letters.
            values = of.to_list()
            for v in values:
                if isinstance(v, str):
                    counts[f".{v}"] = counts.get(f".{v}", 0) + 1
            if unknown := sorted({v for v in values if isinstance(v, str)} - tags):
                raise DataError(f"Column {name!r} mixes numbers and text: {unknown[:6]}.")
            of = pl.Series(name, [None if isinstance(v, str) else v for v in values], dtype=pl.Float64)
        if of.dtype == pl.Null:
            # Without a single value the reader does not say what the column holds; the file does.
            of = of.cast(pl.String if kind == "string" else pl.Float64)
        given = more.get(name, ())
        codes = [_code(c) for c in ([given] if isinstance(given, str | int | float) else given)]
        wrong = [c for c in codes if isinstance(c, str) == of.dtype.is_numeric()]
        if wrong:
            raise RangeError(f"missing= names {wrong[0]!r} for column {name!r}, which holds {of.dtype}.")
        at = pl.lit(False)
        for reach in meta.missing_ranges.get(name, ()):
            low, high = (reach["lo"], reach["hi"]) if isinstance(reach, dict) else (reach, reach)
            at = at | pl.col(name).is_between(pl.lit(low), pl.lit(high))
        if codes:
            comparable = pl.col(name).cast(pl.Float64) if of.dtype.is_numeric() else pl.col(name)
            at = at | comparable.is_in(codes)
        if of.dtype == pl.String:
            at = at | (pl.col(name) == "")
        flagged = of.to_frame().select(at.fill_null(False)).to_series()
        for v, n in of.filter(flagged).value_counts(sort=True).iter_rows():
            counts[_code(v)] = n
        made.append(of.to_frame().select(pl.when(~flagged).then(pl.col(name))).to_series())
        if counts:
            found[name] = counts
    return pl.DataFrame(made), found
