"""What data sets there are, and what is said of each."""

from __future__ import annotations

import html
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from citylab import settings, vocabulary
from citylab.catalog.declaration import Declaration, Text
from citylab.catalog.declaration import read as read_declaration
from citylab.errors import UnknownNameError, suggest
from citylab.settings import Language

if TYPE_CHECKING:
    import polars as pl


def ids() -> list[str]:
    """Return the ids of all declared data sets, sorted.

    Examples
    --------
    >>> "uci__daily_station_air" in ids()
    True
    """
    return sorted(p.parent.name for p in settings.datasets_dir().glob("*/dataset.yml"))


def declaration(dataset: str) -> Declaration:
    """Return the declaration of a data set.

    Parameters
    ----------
    dataset
        Id, for example ``"uci__daily_station_air"``.

    Raises
    ------
    UnknownNameError
        No such id; the nearest ones are named.
    DeclarationError
        The declaration itself is faulty; file and line are named.

    Examples
    --------
    >>> declaration("uci__daily_station_air").subject
    'air'
    """
    path = settings.datasets_dir() / dataset / "dataset.yml"
    if dataset not in ids():
        raise suggest(dataset, ids(), what="data set", see="citylab.datasets()")
    return _cached(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=512)
def _cached(path: Path, _changed: int) -> Declaration:
    return read_declaration(path)


def table_file(declared: Declaration) -> Path:
    """Return where an embedded set's table lies."""
    if declared.table is None:
        raise UnknownNameError(f"{declared.id} is remote; it has no table in the project.")
    return settings.datasets_dir() / declared.id / declared.table


def size_bytes(declared: Declaration) -> int:
    """Return the bytes on disk of an embedded table, or the bytes to fetch of a remote set."""
    if declared.storage == "remote":
        return declared.raw_bytes
    path = table_file(declared)
    return path.stat().st_size if path.is_file() else 0


def datasets(*, subject: str | None = None, lang: Language | None = None) -> pl.DataFrame:
    """Return the catalogue: one row per data set.

    Parameters
    ----------
    subject
        Keep one subject: air, carbon, population, economy, equity, geography or policy.
    lang
        Language of ``place``; default: the ``CITYLAB_LANG`` setting.

    Returns
    -------
    polars.DataFrame
        Columns ``id``, ``subject``, ``title_zh``, ``title_en``, ``place``, ``start``, ``end``, ``rows``,
        ``size_bytes`` (table on disk if embedded, bytes to fetch if remote), ``licence``, ``storage`` (embedded or
        remote), ``is_ready`` (can be loaded with no network now), ``grade`` (A checked against the publisher to D
        doubtful), ``engines``.

    Examples
    --------
    >>> datasets(subject="carbon").filter(id="mee__yearly_grid_co2factor")["storage"].item()
    'embedded'
    """
    import polars as pl

    from citylab.catalog.fetching import is_ready

    subjects = sorted({declaration(i).subject for i in ids()})
    if subject is not None and subject not in subjects:
        raise suggest(subject, subjects, what="subject", see="the subject column of citylab.datasets()")
    lang = lang or settings.language()
    rows = [
        {
            "id": d.id,
            "subject": d.subject,
            "title_zh": d.title.zh,
            "title_en": d.title.en,
            "place": d.coverage.place.say(lang),
            "start": d.coverage.start,
            "end": d.coverage.end,
            "rows": d.coverage.rows,
            "size_bytes": size_bytes(d),
            "licence": d.licence.id,
            "storage": d.storage,
            "is_ready": is_ready(d),
            "grade": d.grade,
            "engines": ", ".join(d.engines),
        }
        for d in map(declaration, ids())
        if subject in (None, d.subject)
    ]
    return pl.DataFrame(rows, schema_overrides={"start": pl.Date, "end": pl.Date, "rows": pl.Int64})


@dataclass(frozen=True, slots=True)
class Description:
    """What :func:`describe` returns: prints as text, shows as a table in a notebook.

    Attributes
    ----------
    declared
        The whole declaration.
    lang
        Language of the rendering.
    """

    declared: Declaration
    lang: Language

    def _say(self, text: Text) -> str:
        return text.say(self.lang)

    @property
    def columns(self) -> pl.DataFrame:
        """One row per column: name, label, unit, type, whether it may be empty, name at the publisher, definition."""
        import polars as pl

        rows = []
        for use in self.declared.columns:
            known = vocabulary.column(use.name)
            rows.append(
                {
                    "name": use.name,
                    "label": known.label(self.lang),
                    "unit": known.unit,
                    "type": known.dtype,
                    "may_be_empty": use.nullable,
                    "name_at_publisher": use.original or "",
                    "definition": known.definition,
                }
            )
        return pl.DataFrame(rows)

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Label and text of what a reader must know, in reading order."""
        d, say = self.declared, self._say
        zh = self.lang == "zh"
        cover = d.coverage
        period = f"{cover.start} – {cover.end}" if cover.start else ("不适用" if zh else "not applicable")
        pairs = [
            ("编号" if zh else "Id", d.id),
            ("说明" if zh else "What it is", say(d.description)),
            ("一行是" if zh else "One row is", say(d.row)),
            ("发布者" if zh else "Publisher", say(d.publisher.name)),
            ("版本" if zh else "Version", f"{d.version} ({d.published})"),
            ("许可" if zh else "Licence", d.licence.id + (f" — {d.licence.note}" if d.licence.note else "")),
            ("地区" if zh else "Place", say(cover.place)),
            ("时间" if zh else "Period", period),
            ("行数" if zh else "Rows", f"{cover.rows:,}" if cover.rows else "–"),
            ("大小" if zh else "Size", f"{size_bytes(d) / 1e6:.2f} MB, {vocabulary.say(d.storage, self.lang)}"),
            ("引擎" if zh else "Engines", ", ".join(d.engines)),
            ("等级" if zh else "Grade", f"{d.grade} — {say(d.grade_reason)}"),
            ("时间标记" if zh else "Time stamp", f"{d.frequency}; {d.stamp}"),
            ("坐标基准" if zh else "Datum", d.datum),
            ("敏感级别" if zh else "Sensitivity", d.sensitivity),
            ("职责" if zh else "Duty", f"{d.duty.owner} ({d.duty.level}); {d.duty.duty}"),
            ("引用" if zh else "Cite as", d.citation),
        ]
        return pairs

    def __str__(self) -> str:
        """Return the description as plain text."""
        d = self.declared
        width = max(len(k) for k, _ in self.facts)
        lines = [self._say(d.title), ""]
        lines += [f"{k.ljust(width)}  {v}" for k, v in self.facts]
        lines += ["", "列：" if self.lang == "zh" else "Columns:"]
        for row in self.columns.iter_rows(named=True):
            unit = f" [{row['unit']}]" if row["unit"] else ""
            lines.append(f"  {row['name']}{unit} — {row['label']}. {row['definition']}")
        if d.warnings:
            lines += ["", "使用须知：" if self.lang == "zh" else "Before you use it:"]
            lines += [f"  ! {w.code}: {self._say(w.text)}" for w in d.warnings]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Return the description as HTML for a notebook."""
        d, esc = self.declared, html.escape
        left = "style='text-align:left'"
        facts = "".join(f"<tr><th {left}>{esc(k)}</th><td {left}>{esc(v)}</td></tr>" for k, v in self.facts)
        shown = self.columns.select("name", "label", "unit", "definition")
        head = "".join(f"<th {left}>{esc(c)}</th>" for c in shown.columns)
        cells = ("".join(f"<td {left}>{esc(str(v))}</td>" for v in row) for row in shown.iter_rows())
        body = "".join(f"<tr>{row}</tr>" for row in cells)
        columns = f"{'列' if self.lang == 'zh' else 'Columns'} ({shown.height})"
        notes = "".join(f"<li><b>{w.code}</b>: {esc(self._say(w.text))}</li>" for w in d.warnings)
        return (
            f"<div lang='{self.lang}'><h4>{esc(self._say(d.title))}</h4><table>{facts}</table>"
            f"<ul>{notes}</ul><details><summary>{columns}</summary><table><tr>{head}</tr>{body}</table></details></div>"
        )


def describe(dataset: str, *, lang: Language | None = None) -> Description:
    """Return everything the declaration says of a data set, readable in a terminal and a notebook.

    Parameters
    ----------
    dataset
        Id of a data set.
    lang
        ``"zh"`` or ``"en"``; default: the ``CITYLAB_LANG`` setting.

    Raises
    ------
    UnknownNameError
        No such data set.

    Examples
    --------
    >>> describe("uci__daily_station_air", lang="en").columns.row(0)[0]
    'station_id'
    """
    return Description(declaration(dataset), lang or settings.language())


def cite(dataset: str, *, style: Literal["text", "bibtex"] = "text") -> str:
    """Return how to cite a data set, with its version, licence and id in citylab.

    Examples
    --------
    >>> "Zhang" in cite("uci__daily_station_air")
    True
    """
    d = declaration(dataset)
    if style == "bibtex":
        year = "".join(c for c in d.published if c.isdigit())[:4] or "n.d."
        fields = {
            "title": d.title.en,
            "author": "{" + d.publisher.name.en + "}",
            "year": year,
            "version": d.version,
            "doi": d.doi or "",
            "note": f"{d.citation} Licence: {d.licence.id}. citylab id: {d.id}",
        }
        body = ",\n".join(f"  {k} = {{{v}}}" for k, v in fields.items() if v)
        return f"@misc{{{d.id},\n{body}\n}}"
    if style != "text":
        raise suggest(str(style), ["text", "bibtex"], what="citation style", see="the style argument of citylab.cite")
    doi = f" https://doi.org/{d.doi}" if d.doi and d.doi not in d.citation else ""
    compiled = " Compiled by citylab." if d.storage == "embedded" and d.recipe != "authored" else ""
    return f"{d.citation}{doi} Version {d.version}; licence {d.licence.id}.{compiled} citylab id: {d.id}."
