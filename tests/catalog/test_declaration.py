from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from citylab import settings
from citylab.catalog.declaration import Declaration
from citylab.catalog.declaration import read as read_declaration
from citylab.errors import DeclarationError

ROOT = Path(__file__).parents[2]
FOLDER = "toy__halfyearly_country_internet"


@pytest.fixture
def text(internet: Callable[..., dict[str, Any]]) -> str:
    content = internet()
    content["files"][0]["mirror"] = {"path": "a/raw.csv", "form": "original"}
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False)


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str], Declaration]:
    def read_text(text: str) -> Declaration:
        path = tmp_path / FOLDER / "dataset.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return read_declaration(path)

    return read_text


def test_a_sound_declaration_is_read(read, text):
    assert read(text).id == FOLDER


# What is replaced, by what, the line on which the complaint belongs (by its text), and what the complaint says.
FAULTS = {
    "an unknown key": ("subject: equity", "subject: equity\ncolour: red", "colour: red", "colour: unknown key"),
    "an unknown key inside": (
        "  level: unknown", "  level: unknown\n  room: 12", "  room: 12", "duty.room: unknown key",
    ),
    "a missing key": ("subject: equity\n", "", "id: ", "subject: this key is missing"),
    "a missing unit": (
        "- name: internet_use_pct\n  unit: '%'", "- name: internet_use_pct", "- name: internet_use_pct",
        "columns.2.unit: this key is missing",
    ),
    "a wrong unit": (
        "- name: internet_use_pct\n  unit: '%'", "- name: internet_use_pct\n  unit: permille",
        "- name: internet_use_pct",
        "unit of 'internet_use_pct' is 'permille'; the vocabulary says '%'",
    ),
    "an unknown column": (
        "- name: internet_use_pct", "- name: internet_use_percent", "- name: internet_use_percent",
        "Nearest: 'internet_use_pct'",
    ),
    "a key that stands twice": ("grade: D", "grade: D\nversion: '2'", "version: '2'", "key 'version' stands twice"),
    "a key inside that stands twice": (
        "  owner: nobody", "  owner: nobody\n  owner: me", "  owner: me", "key 'owner' stands twice",
    ),
    "a Python object": (
        "version: '1'", "version: !!python/object/apply:os.system ['true']", "version: !!python", "python/object",
    ),
    "a Python name": ("version: '1'", "version: !!python/name:os.system", "version: !!python", "python/name"),
    "a day that is none": ("accessed: '2031-12-31'", "accessed: 2031-13-45", "accessed: 2031", "2031-13-45"),
    "a list as a key": ("version: '1'", "? [a, b]\n: c", "? [a, b]", "a key is not a word"),
    "broken YAML": ("version: '1'", "version: '1", None, "not readable as YAML"),
    "a licence that does not allow embedding": (
        "storage: remote", "storage: embedded\ntable: t.csv", "id: ", "licence",
    ),
    "a period that ends before it starts": (
        "  start: '2031-06-01'", "  start: 2032-01-01", "coverage:", "before it starts",
    ),
    "an unknown grade": ("grade: D", "grade: E", "grade: E", "grade: "),
    "a hash that is none": ("  sha256: ", "  sha256: x", "  sha256: x", "files.0.sha256"),
    "a recipe outside the sources": (
        "recipe: citylab.sources.cnnic:parse_internet_use", "recipe: os:system", "recipe: os", "recipe: ",
    ),
    "a mirror path that leaves the mirror": (
        "path: a/raw.csv", "path: ../raw.csv", "path: ../raw.csv", "inside the mirror",
    ),
    "a key column that is not declared": ("- month_start\n", "- month\n", "id: ", "not declared: ['month']"),
    "a column declared twice": (
        "- name: source\n", "- {name: source, unit: ''}\n- name: source\n", "id: ",
        "columns declared twice: ['source']",
    ),
    "a number where a text belongs": ("version: '1'", "version: 1", "version: 1", "version: "),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_with_file_and_line(fault: str, read, text: str):
    old, new, line, said = FAULTS[fault]
    if fault.startswith("a licence"):
        text = text.replace("CC0-1.0", "unknown")
    assert text.count(old) == 1
    broken = text.replace(old, new)
    with pytest.raises(DeclarationError) as caught:
        read(broken)
    message = str(caught.value)
    assert said in message
    if line is not None:
        lines = [i for i, row in enumerate(broken.splitlines(), 1) if row.strip().startswith(line.strip())]
        assert f"{FOLDER}/dataset.yml:{lines[0]}: " in message


def test_all_faults_are_told_at_once_and_no_union_member_is_named(read, text: str):
    broken = text.replace("grade: D", "grade: E").replace("subject: equity", "subject: weather")
    broken = broken.replace("recipe: citylab.sources.cnnic:parse_internet_use", "recipe: os:system")
    with pytest.raises(DeclarationError) as caught:
        read(broken)
    names = re.findall(r"dataset\.yml:\d+: ([\w.\-]+): ", str(caught.value))
    assert {"grade", "subject", "recipe"} == set(names)


def test_a_text_that_is_no_mapping_is_refused(read):
    with pytest.raises(DeclarationError, match=r"dataset\.yml:1: expected a mapping"):
        read("- a\n- b\n")


def test_an_id_that_differs_from_its_folder_is_refused_at_its_line(read, text: str):
    with pytest.raises(DeclarationError, match=rf"{FOLDER}/dataset\.yml:1: id 'other__a_b_c' differs"):
        read(text.replace(f"id: {FOLDER}", "id: other__a_b_c"))


def test_no_python_object_of_a_declaration_is_ever_built(read, text: str, tmp_path: Path):
    witness = tmp_path / "witness"
    with pytest.raises(DeclarationError):
        read(text.replace("version: '1'", f"version: !!python/object/apply:pathlib.Path.touch [{witness}]"))
    assert not witness.exists()


def test_a_converted_copy_is_never_sought_at_the_publisher(read, text: str):
    origin = "  origin: {url: 'https://example.org/x'}\n  mirror:"
    original = read(text.replace("  mirror:", origin))
    converted = read(text.replace("  mirror:", origin).replace("form: original", "form: converted"))
    assert [o.url for o in original.files[0].downloads] == ["https://example.org/x"]
    assert converted.files[0].downloads == ()


def test_engines_follow_from_the_form(read, text: str):
    assert read(text).engines == ("polars", "dask")
    assert read(text + "dims: [month_start]\n").engines == ("polars", "dask", "xarray")
    assert read(text + "form: grid\ndims: [month_start]\n").engines == ("xarray",)


def test_no_module_of_citylab_reads_or_writes_pickles_or_unsafe_yaml():
    unsafe = re.compile(
        r"\b(?:cloud)?pickle\b|\bjoblib\b|\byaml\.(?:unsafe_load|full_load|Loader\b)|allow_pickle|(?<!\.)\b(?:eval|exec)\("
    )
    found = [p for p in (ROOT / "citylab").rglob("*.py") if unsafe.search(p.read_text(encoding="utf-8"))]
    assert found == []


@pytest.mark.parametrize("path", sorted(settings.datasets_dir().glob("*/dataset.yml")), ids=lambda p: p.parent.name)
def test_every_declaration_of_the_project_is_sound(path: Path):
    assert read_declaration(path).id == path.parent.name
