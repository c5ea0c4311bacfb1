"""What the documents say can be done can be done: examples run, commands exist, links lead somewhere."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

from citylab import cli

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]
HAND_WRITTEN = [p for p in PAGES if p.parent.name != "reference"]
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", flags=re.M | re.S)
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)")
WITH_CODE = [p for p in HAND_WRITTEN if BLOCK.search(p.read_text(encoding="utf-8"))]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def code_in(path: Path) -> list[str]:
    """Return what a page shows as code: in blocks of sh and between backticks."""
    text = path.read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, flags=re.M | re.S)
    return [line for block in blocks for line in block.splitlines()] + re.findall(r"`([^`\n]+)`", text)


def test_there_are_pages_with_examples() -> None:
    assert "README.md" in map(name_of, WITH_CODE)


@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
def test_the_examples_of_a_page_print_what_the_page_says(page: Path) -> None:
    names: dict[str, object] = {"__name__": "example"}
    for code, expected in BLOCK.findall(page.read_text(encoding="utf-8")):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, str(page), "exec"), names)
        assert printed.getvalue() == expected, name_of(page)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_to_files_lead_to_a_file(page: Path) -> None:
    broken = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()]
    assert broken == []


@pytest.mark.parametrize("page", HAND_WRITTEN, ids=name_of)
def test_files_and_folders_that_a_page_names_exist(page: Path) -> None:
    roots = {p.name for p in ROOT.iterdir()}
    paths = [c for c in code_in(page) if re.fullmatch(r"[\w.\-]+(/[\w.\-]*)+", c) and c.split("/")[0] in roots]
    assert [p for p in paths if not (ROOT / p).exists()] == []


@pytest.mark.parametrize("page", HAND_WRITTEN, ids=name_of)
def test_commands_that_a_page_names_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M))
    doors = set(re.findall(r"^  ([a-z]+)\)", (ROOT / "setup.sh").read_text(encoding="utf-8"), flags=re.M))
    words = set(re.findall(r"[{,]([a-z]+)(?=[,}])", cli._parser().format_usage())) or set(
        next(a.choices for a in cli._parser()._actions if a.dest == "word")
    )
    for code in code_in(page):
        for tool, known in (("make", targets), (r"sh setup\.sh(?: run)?", doors | {"citylab"}), ("citylab", words)):
            for word in re.findall(rf"^(?:sh setup\.sh run )?{tool} ([a-z]+)", code):
                assert word in known, f"{name_of(page)}: {code!r}"


def test_the_version_is_the_same_everywhere() -> None:
    import citylab

    said = [
        re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), flags=re.M),
        re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), flags=re.M),
        re.search(r"^## ([\d.]+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.M),
    ]
    assert [m and m[1] for m in said] == [citylab.__version__] * 3
