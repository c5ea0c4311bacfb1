"""Every notebook runs top to bottom with no network on embedded data, and is committed without outputs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

from citylab import tables

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted(ROOT.glob("notebooks/**/*.ipynb"))
OF_PEOPLE = [p for p in NOTEBOOKS if p.parent.name in ("divide", "policy")]
MOST_CELLS = 20
SPREAD_BY = "path"
FORGET_ALL_NAMES = "get_ipython().reset()"
LANGUAGES = ("en", "zh")
UP_TO_THE_ANSWER = 7  # cells
CONNECTED = ROOT / "notebooks" / "policy" / "05_connect_everyone_by_2030_who_when_how_much.ipynb"

NO_QUANTITIES = re.compile(r"`[^`]*`|PM2\.5|CO2|\b5G")
"""Names that hold digits."""
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
SHORT_RANGE = re.compile(r"\b(\d\d)(\d\d)–(\d\d)\b")
AGES, LEVEL, LAST_DIGITS, WHOLE = {"6", "17", "18", "60"}, {"95"}, {"0.05", "0.5"}, {"100"}
TYPED = AGES | LEVEL | LAST_DIGITS | WHOLE | {"2022"}  # the year of the grid factors of an arithmetic that is tested
"""Numbers that prose may hold although no cell prints them: bounds of ages, a convention, half of a last digit."""


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def choices_of(notebook: Any) -> Any:
    return next(c for c in notebook.cells if "parameters" in c.metadata.get("tags", []))


def numbers_in(text: str) -> list[str]:
    """Return the numbers of a text; 2020–21 are two years."""
    text = SHORT_RANGE.sub(r"\1\2 \1\3", NO_QUANTITIES.sub(" ", text))
    return [found.strip(",") for found in NUMBER.findall(text)]


def significant(text: str) -> Counter[str]:
    """Return how often each run of significant digits stands in a text, so that 1.53 Mt equals 153 万吨."""
    digits = (re.sub(r"[,.]", "", n).strip("0") for n in numbers_in(text))
    return Counter(d for d in digits if d)


@dataclass(frozen=True, slots=True)
class Told:
    """What a notebook said when it ran."""

    printed: list[str]
    findings: list[str]
    shows_a_picture: bool
    warnings: list[str]


RUNS: dict[tuple[Path, str], Told] = {}


def run(kernel: nbclient.NotebookClient, path: Path, lang: str, *, choices: str = "", cells: int | None = None) -> Told:
    """Run a notebook, or its first cells, in a language and with other choices."""
    notebook = read(path)
    asked = choices_of(notebook)
    assert 'LANG = "en"' in asked.source
    asked.source = asked.source.replace('LANG = "en"', f'LANG = "{lang}"') + f"\n{choices}"
    notebook.cells = [nbformat.v4.new_code_cell(FORGET_ALL_NAMES), *notebook.cells[:cells]]
    kernel.nb = notebook
    kernel.execute(cleanup_kc=False)
    shown = [o for c in notebook.cells for o in c.get("outputs", [])]
    streams = [o for o in shown if o.output_type == "stream"]
    data = [o.get("data", {}) for o in shown]
    return Told(
        [o.text for o in streams if o.name == "stdout"],
        [d["text/markdown"] for d in data if "text/markdown" in d],
        any("application/vnd.holoviews_exec.v0+json" in d for d in data),
        [o.text for o in streams if o.name == "stderr" and "Warning" in o.text],
    )


def told(kernel: nbclient.NotebookClient, path: Path, lang: str) -> Told:
    """Return what a notebook says as it is committed; it runs once in each language."""
    if (path, lang) not in RUNS:
        RUNS[path, lang] = run(kernel, path, lang)
    return RUNS[path, lang]


def test_there_is_a_first_notebook() -> None:
    assert ROOT / "notebooks" / "00_start_here.ipynb" in NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_is_committed_without_outputs_and_with_its_kernel(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert len(notebook.cells) <= MOST_CELLS
    assert "?" in notebook.cells[0].source.splitlines()[0], "the title is a question"
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("path", OF_PEOPLE, ids=lambda p: p.stem)
def test_each_piece_of_prose_stands_in_both_languages(path: Path) -> None:
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            assert re.search(r"[a-zA-Z]{3}", cell.source), cell.source
            assert re.search(r"[\u4e00-\u9fff]", cell.source), cell.source


def test_what_a_notebook_calls_a_parameter_of_a_lever_has_a_name_in_both_languages() -> None:
    names = tables.read("lever_parameters")
    assert sorted(names["parameter"]) == sorted(tables.read("lever_priors")["parameter"].unique())
    for language in ("label_zh", "label_en"):
        assert names[language].n_unique() == names.height


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("−15.3 (−27.0 to −6.87) Mt", "−1,530（−2,700 至 −687）万吨"),
        ("5.00 CNY bn in 2026–35", "2026–35 年 50.0 亿元"),
        ("0 of them have `x2` and 5G", "没有一个"),
    ],
)
def test_numbers_are_compared_without_their_unit(text: str, same: str) -> None:
    assert significant(text) == significant(same)
    assert significant(text + " 7") != significant(same)


@pytest.fixture(scope="module")
def kernel(path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[nbclient.NotebookClient]:
    """A fresh kernel for one notebook, with the embedded data only; both languages use it, one after the other."""
    where = {"metadata": {"path": str(path.parent)}}
    client = nbclient.NotebookClient(read(path), timeout=300, kernel_name="python3", resources=where)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CITYLAB_OFFLINE", "1")
        patch.setenv("CITYLAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("CITYLAB_MIRROR", raising=False)
        with client.setup_kernel():
            yield client


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem, scope="module")
@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_notebook_runs_offline_on_embedded_data_in_both_languages(
    path: Path, lang: str, kernel: nbclient.NotebookClient
) -> None:
    said = told(kernel, path, lang)
    assert said.shows_a_picture
    assert said.warnings == []


@pytest.mark.parametrize("path", OF_PEOPLE, ids=lambda p: p.stem, scope="module")
def test_a_finding_tells_the_same_numbers_in_both_languages(path: Path, kernel: nbclient.NotebookClient) -> None:
    english, chinese = (told(kernel, path, lang).findings for lang in LANGUAGES)
    assert len(english) == len(chinese) > 0
    for one, other in zip(english, chinese, strict=True):
        assert significant(one) == significant(other), f"{one}\n{other}"


@pytest.mark.parametrize("path", OF_PEOPLE, ids=lambda p: p.stem, scope="module")
def test_prose_holds_no_number_that_no_cell_tells(path: Path, kernel: nbclient.NotebookClient) -> None:
    runs = [told(kernel, path, lang) for lang in LANGUAGES]
    notebook = read(path)
    known = TYPED | set(numbers_in(choices_of(notebook).source))
    known |= {n for said in runs for text in (*said.printed, *said.findings) for n in numbers_in(text)}
    prose = [n for c in notebook.cells if c.cell_type == "markdown" for n in numbers_in(c.source)]
    assert [n for n in prose if n not in known] == []


@pytest.mark.parametrize("path", [CONNECTED], ids=lambda p: p.stem, scope="module")
def test_everyone_is_said_to_be_online_only_where_no_interval_falls_short(
    path: Path, kernel: nbclient.NotebookClient
) -> None:
    """An interval that reaches the goal with its upper end alone is no yes."""

    def finding(goal: float) -> str:
        choices = f"DRAWS = 16\nEVERYONE_PCT = {goal}"
        return run(kernel, path, "en", choices=choices, cells=UP_TO_THE_ANSWER).findings[0]

    first = finding(0.0)
    assert first.startswith("**Yes.")
    interval = re.search(r"of those of 60 and over ([\d.]+) % \[([\d.]+), ([\d.]+)\]", first)
    assert interval is not None
    middle, low, high = map(float, interval.groups())
    assert low < middle < high
    assert finding(middle).startswith("**It cannot be told.")
    assert finding(high + 1).startswith("**Not everyone.")
