"""The reference pages say what the declarations say, and the committed pages are up to date."""

from __future__ import annotations

import datetime as dt
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citylab import vocabulary
from citylab.catalog import declaration, ids, pages
from citylab.catalog.declaration import Declaration, Origin

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
UNESCAPED_BAR = re.compile(r"(?<!\\)\|")


def section(dataset: str) -> str:
    """Return the text of one data set on the page."""
    return pages.datasets_page().split(f"\n## {dataset}\n")[1].split("\n## ")[0]


def sources_of(declared: Declaration, **changes: object) -> str:
    """Return what a page says of the origins of a declaration whose files are changed."""
    changed = tuple(f.model_copy(update=changes) for f in declared.files)
    return pages._sources(declared.model_copy(update={"files": changed}))


@pytest.mark.parametrize("name", pages.PAGES)
def test_the_committed_page_is_what_make_docs_writes(name: str) -> None:
    committed = (REFERENCE / name).read_text(encoding="utf-8")
    assert committed == pages.PAGES[name](), f"docs/reference/{name} is out of date: run `make docs` and commit it"


@pytest.mark.parametrize("dataset", ids())
def test_the_page_says_everything_a_user_must_know_of_a_data_set(dataset: str) -> None:
    d = declaration(dataset)
    said = " ".join(section(dataset).split()).replace("\\|", "|")
    must = [d.title.zh, d.title.en, d.description.zh, d.description.en, d.licence.id, d.citation, d.recipe]
    must += [d.publisher.name.zh, d.publisher.name.en, d.grade_reason.zh, d.grade_reason.en, f'cl.load("{d.id}"']
    must += [text for note in d.warnings for text in (note.code, note.text.zh, note.text.en)]
    must += [f.sha256 for f in d.files] + [o.url for f in d.files for o in (f.origin, f.archive) if o is not None]
    if d.recipe == "authored":
        must.remove("authored")
    assert [text for text in must if " ".join(text.split()) not in said] == []
    for use in d.columns:
        known = vocabulary.column(use.name)
        row = f"| `{use.name}` | {known.label_zh} | {known.label_en} | {known.unit} | {known.dtype} |"
        assert " ".join(row.split()) in said, f"{dataset}: column {use.name}"


@pytest.mark.parametrize("dataset", ids())
def test_an_address_that_nobody_opened_is_marked_so(dataset: str) -> None:
    origins = [o for f in declaration(dataset).files for o in (f.origin, f.archive) if o is not None]
    assert section(dataset).count("checked: never") == sum(o.checked == "never" for o in origins)


def test_an_address_that_was_opened_carries_the_day() -> None:
    d = declaration("uci__hourly_station_air")
    opened = Origin(url="https://example.org/a.zip", sha256="0" * 64, checked=dt.date(2026, 11, 20))
    said = sources_of(d, origin=opened, archive=None)
    assert said.count("checked: 2026-11-20") == len(d.files)
    assert "never" not in said


def test_a_converted_copy_is_never_called_the_publishers_bytes() -> None:
    for d in map(declaration, ids()):
        forms = [f.mirror.form for f in d.files if f.mirror is not None]
        said = section(d.id)
        assert said.count("(the publisher's bytes)") == forms.count("original"), d.id
        assert said.count("(**converted copy**)") == forms.count("converted"), d.id
        assert ("does not count as theirs" in said) == ("converted" in forms), d.id


def test_the_index_lists_every_data_set_once() -> None:
    index = pages.datasets_page().split("\n## ")[0]
    assert re.findall(r"\[(\w+)\]\(#\1\)", index) == ids()


@pytest.mark.parametrize("name", pages.PAGES)
def test_every_row_of_a_table_has_as_many_cells_as_its_head(name: str) -> None:
    width = 0
    for line in pages.PAGES[name]().splitlines():
        bars = len(UNESCAPED_BAR.findall(line)) if line.startswith("|") else 0
        assert not (width and bars) or bars == width, line
        width = bars


@given(st.lists(st.tuples(st.text(), st.text()), max_size=4))
def test_no_text_breaks_a_table(rows: list[tuple[str, str]]) -> None:
    lines = pages._table(("a", "b"), rows).splitlines()
    assert len(lines) == 2 + len(rows)


@pytest.mark.parametrize("name", pages.PAGES)
def test_links_between_and_inside_the_pages_lead_to_a_heading(name: str) -> None:
    headings = {page: set(re.findall(r"^## (.+)$", make(), flags=re.M)) for page, make in pages.PAGES.items()}
    for page, anchor in re.findall(r"\]\((\w+\.md)?#([^)]+)\)", pages.PAGES[name]()):
        assert anchor in headings[page or name], f"{name} links to {page}#{anchor}"


def test_the_vocabulary_page_lists_every_column_and_every_word() -> None:
    page = pages.vocabulary_page()
    first_cells = re.findall(r"^\| `([^`]+)` \|", page, flags=re.M)
    assert first_cells == [*vocabulary.COLUMNS, *vocabulary.WORDS]


def test_a_column_names_the_data_sets_that_use_it() -> None:
    row = next(line for line in pages.vocabulary_page().splitlines() if line.startswith("| `geometry_wkb` |"))
    users = [d.id for d in map(declaration, ids()) if "geometry_wkb" in [c.name for c in d.columns]]
    assert re.findall(r"datasets\.md#(\w+)", row) == users


def test_writing_twice_gives_the_same_bytes_and_leaves_nothing_else(tmp_path: Path) -> None:
    first = {p.name: p.read_bytes() for p in pages.write(tmp_path / "new")}
    assert {p.name: p.read_bytes() for p in pages.write(tmp_path / "new")} == first
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == sorted(pages.PAGES)


def test_the_command_writes_where_it_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pages.main(["--to", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / name) for name in pages.PAGES]


def test_writing_the_pages_needs_no_data_library() -> None:
    write = "from citylab.catalog import pages; pages.datasets_page(); pages.vocabulary_page()"
    code = f"import sys; {write}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"polars", "numpy", "pandas", "xarray", "dask", "panel", "pandera"} & set(loaded) == set()
