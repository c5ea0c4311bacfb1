"""The reference pages of the documentation, written from the declarations and the vocabulary.

``python -m citylab.catalog.pages`` (or ``make docs``) writes ``datasets.md`` and ``vocabulary.md``. Nothing in them is
typed by hand, so a page cannot say something else than the data set's declaration, :func:`citylab.describe` or an axis.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from citylab import files, vocabulary
from citylab.catalog.declaration import Declaration, Origin, RawFile, Text
from citylab.catalog.registry import declaration, ids

FOLDER = Path("docs") / "reference"
"""Where the pages go by default, from the folder in which the command runs."""

_BYTES_PER_MB = 1e6
_WRITTEN_BY = "*Written by `make docs` from {source}; edit those, not this page.*"
_STAMPS = {
    "starting": Text(zh="时间标记为时段的开始", en="a stamp marks the start of its interval"),
    "ending": Text(zh="时间标记为时段的结束", en="a stamp marks the end of its interval"),
    "unknown": Text(
        zh="来源未说明时间标记是时段的开始还是结束",
        en="whether a stamp marks the start or the end of its interval is unknown",
    ),
    "period": Text(zh="一行覆盖整个时段", en="a row covers its whole period"),
    "none": Text(zh="无时间标记", en="no time stamp"),
}
_DUTY_UNKNOWN = Text(zh="未知", en="unknown")


def datasets_page() -> str:
    """Return the page of all data sets as Markdown: an index, then one section per declaration.

    What is said of an address is what was done: one that nobody opened is marked "checked: never".

    Returns
    -------
    str
        Markdown in Chinese and English, the same for the same declarations.

    Examples
    --------
    >>> page = datasets_page()
    >>> "## uci__daily_station_air" in page
    True
    """
    declared = [declaration(i) for i in ids()]
    index = _table(
        ("Data set 数据集", "Title 名称", "Subject", "Rows", "Period", "Storage", "Licence", "Grade"),
        (
            (
                f"[{d.id}](#{d.id})",
                f"{d.title.zh}<br>{d.title.en}",
                _word(d.subject),
                _count(d.coverage.rows),
                _period(d),
                _word(d.storage),
                d.licence.id,
                d.grade,
            )
            for d in declared
        ),
    )
    grades = [f"- **{g}**: {_word(f'grade_{g.lower()}')}" for g in "ABCD"]
    head = [
        "# Data sets 数据集",
        _WRITTEN_BY.format(source="`datasets/*/dataset.yml`"),
        f"{len(declared)} data sets. *Embedded* 内置 ones come with citylab; *remote* 远程 ones are fetched once, "
        "checked by their SHA-256 and kept in the cache.",
        "Grades 等级:",
        "\n".join(grades),
        index,
    ]
    return "\n\n".join([*head, *(_section(d) for d in declared)]) + "\n"


def vocabulary_page() -> str:
    """Return the page of all columns and words as Markdown.

    Returns
    -------
    str
        Markdown: columns with type, unit, labels, definition, bounds and the data sets that use them; then the words.

    Examples
    --------
    >>> "| `co2_t` |" in vocabulary_page()
    True
    """
    users: dict[str, list[str]] = {name: [] for name in vocabulary.COLUMNS}
    for d in map(declaration, ids()):
        for use in d.columns:
            users[use.name].append(f"[{d.id}](datasets.md#{d.id})")
    columns = _table(
        ("Column", "标签", "Label", "Unit", "Type", "Definition", "Bounds", "Sensitivity", "Used by"),
        (
            (
                f"`{c.name}`",
                c.label_zh,
                c.label_en,
                c.unit,
                c.dtype,
                c.definition,
                _bounds(c.lower, c.upper),
                c.sensitivity,
                "<br>".join(users[c.name]),
            )
            for c in vocabulary.COLUMNS.values()
        ),
    )
    words = _table(("Word", "中文", "English"), ((f"`{word}`", zh, en) for word, (zh, en) in vocabulary.WORDS.items()))
    parts = [
        "# Vocabulary 词汇",
        _WRITTEN_BY.format(source="`citylab/vocabulary.py` and `datasets/*/dataset.yml`"),
        "A column of one name means the same in every table. Unit `1` is a share of 0 to 1. Bounds are what no true "
        "value can leave, not what is usual.",
        "## Columns 列",
        columns,
        "## Words 用语",
        words,
    ]
    return "\n\n".join(parts) + "\n"


PAGES = {"datasets.md": datasets_page, "vocabulary.md": vocabulary_page}
"""File name of each page and the function that writes it."""


def write(folder: Path) -> list[Path]:
    """Write all reference pages into a folder and return their paths.

    Parameters
    ----------
    folder
        Made if it does not exist; each page is written whole or not at all.
    """
    written = []
    for name, page in PAGES.items():
        with files.written_whole(folder / name) as part:
            part.write_text(page(), encoding="utf-8", newline="\n")
        written.append(folder / name)
    return written


def _section(d: Declaration) -> str:
    facts = _table(("", ""), _facts(d))
    columns = _table(
        ("Column", "标签", "Label", "Unit", "Type", "May be empty", "At the publisher", "Definition"),
        (
            (
                f"`{use.name}`",
                known.label_zh,
                known.label_en,
                known.unit,
                known.dtype,
                "yes" if use.nullable else "no",
                f"`{use.original}`" if use.original else "",
                known.definition + (f" One of: {', '.join(use.allowed)}." if use.allowed else ""),
            )
            for use in d.columns
            for known in (vocabulary.column(use.name),)
        ),
    )
    parts = [f"## {d.id}", f"**{d.title.zh}**<br>**{d.title.en}**", d.description.zh, d.description.en, facts]
    if d.warnings:
        notes = "\n".join(f"- `{w.code}` {_line(w.text.zh)}<br>{_line(w.text.en)}" for w in d.warnings)
        parts += ["### Before you use it 使用须知", notes]
    parts += ["### Columns 列", columns, "### Where it comes from 来源", _sources(d), "### Load 加载", _how_to_load(d)]
    return "\n\n".join(parts)


def _facts(d: Declaration) -> list[tuple[str, str]]:
    licence = f"[{d.licence.id}]({d.licence.url})" if d.licence.url else d.licence.id
    publisher = _both(d.publisher.name)
    stamp = _both(_STAMPS[d.stamp])
    duty = _both(_DUTY_UNKNOWN) if d.duty.duty == "unknown" else d.duty.duty
    pairs = [
        ("Publisher 发布者", f"[{publisher}]({d.publisher.homepage})" if d.publisher.homepage else publisher),
        ("Version 版本", f"{d.version}; published {d.published}, accessed {d.accessed}"),
        ("Licence 许可", licence + (f" ({d.licence.note})" if d.licence.note else "")),
        ("Cite as 引用", d.citation + (f" [doi:{d.doi}](https://doi.org/{d.doi})" if d.doi else "")),
        ("Place 地区", _both(d.coverage.place)),
        ("Period 时间", _period(d)),
        ("One row is 一行是", _both(d.row)),
        ("Rows 行数", _count(d.coverage.rows)),
        ("Key 主键", ", ".join(f"`{k}`" for k in d.key)),
        ("Dimensions 维度", ", ".join(f"`{k}`" for k in d.dims)),
        ("Frequency and stamp 频率与时标", f"{d.frequency}; {stamp}"),
        ("Datum 坐标基准", "" if d.datum == "none" else d.datum),
        ("Grade 等级", f"{d.grade}: {_both(d.grade_reason)}"),
        ("Sensitivity 敏感级别", d.sensitivity),
        ("Duty 职责", f"{d.duty.owner} (level: {d.duty.level}); {duty}"),
        ("Storage 存放", f"{_word(d.storage)}; opens with {', '.join(d.engines)}"),
    ]
    return [(f"**{label}**", text) for label, text in pairs if text]


def _sources(d: Declaration) -> str:
    """Return how the table is made and where its files are said to be, with what was checked and what was not."""
    if d.recipe == "authored":
        return "Written by the project itself; there is nothing to compile."
    recipe = f"Recipe `{d.recipe}`"
    if d.inputs:
        return f"{recipe} compiles it from " + ", ".join(f"[{i}](#{i})" for i in d.inputs) + "."
    total = f"{d.raw_bytes / _BYTES_PER_MB:.1f} MB" if d.raw_bytes >= _BYTES_PER_MB / 10 else f"{d.raw_bytes:,} bytes"
    lines = [f"{recipe} reads {len(d.files)} file{'s' if len(d.files) > 1 else ''}, {total} uncompressed."]
    lines += [f"- `{f.name}` ({f.size_bytes:,} bytes, SHA-256 `{f.sha256}`){_places(f)}" for f in d.files]
    if any(f.mirror and f.mirror.form == "converted" for f in d.files):
        lines.append(
            "\nA converted copy has another form than the publisher's file (transcribed, cut or stacked) and does not "
            "count as theirs: only a mirror folder that holds it can serve the recipe."
        )
    return lines[0] + "\n\n" + "\n".join(lines[1:])


def _places(f: RawFile) -> str:
    said = [_address(label, o) for label, o in (("origin", f.origin), ("archive", f.archive)) if o is not None]
    if f.origin is None:
        said.append("origin: no address known")
    if f.mirror is not None:
        inside = f", member `{f.mirror.member}`" if f.mirror.member else ""
        form = "the publisher's bytes" if f.mirror.form == "original" else "**converted copy**"
        said.append(f"mirror: `{f.mirror.path}`{inside} ({form})")
    return "".join(f"\n  - {text}" for text in said)


def _address(label: str, origin: Origin) -> str:
    inside = f", member `{origin.member}`" if origin.member else ""
    own = "unknown" if origin.sha256 == "unknown" else f"`{origin.sha256}`"
    return f"{label}: <{origin.url}>{inside}; SHA-256 of the download: {own}; checked: {origin.checked}"


def _how_to_load(d: Declaration) -> str:
    engine = "" if "polars" in d.engines else f', engine="{d.engines[0]}"'
    code = f'```python\nimport citylab as cl\n\ncl.load("{d.id}"{engine})\n```'
    if d.storage == "remote":
        code += f"\n\nFetch it beforehand, for work without a network: `citylab fetch {d.id}`."
    return code


def _word(word: str) -> str:
    zh, en = vocabulary.say(word, "zh"), vocabulary.say(word, "en")
    return f"{zh} {en}"


def _both(text: Text) -> str:
    return text.zh if text.zh == text.en else f"{text.zh} / {text.en}"


def _count(rows: int | None) -> str:
    return f"{rows:,}" if rows else "–"


def _period(d: Declaration) -> str:
    return f"{d.coverage.start} – {d.coverage.end}" if d.coverage.start else "–"


def _bounds(lower: float | None, upper: float | None) -> str:
    if lower is None and upper is None:
        return ""
    return f"{'' if lower is None else f'{lower:g}'} … {'' if upper is None else f'{upper:g}'}".strip()


def _line(text: object) -> str:
    return " ".join(str(text).split())


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; line breaks and bars in cells would break it."""

    def line(cells: Iterable[object]) -> str:
        return "| " + " | ".join(_line(c).replace("|", "\\|") for c in cells) + " |"

    return "\n".join([line(head), "|" + " --- |" * len(head), *map(line, rows)])


def main(argv: Sequence[str] | None = None) -> int:
    """Write the pages and print where they are."""
    parser = argparse.ArgumentParser(
        prog="python -m citylab.catalog.pages", description="Write the reference pages of the documentation."
    )
    parser.add_argument("--to", type=Path, default=FOLDER, help=f"folder for the pages (default: {FOLDER})")
    for path in write(parser.parse_args(argv).to):
        print(path)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
