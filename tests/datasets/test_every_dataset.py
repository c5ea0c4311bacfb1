"""What holds for every data set: add one and it inherits these tests."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from citylab import settings
from citylab.catalog import validate
from citylab.catalog.declaration import OPEN_LICENCES
from citylab.catalog.fetching import raw_files, recipe
from citylab.catalog.registry import declaration, ids, table_file

EMBEDDED_BYTES = 12_000_000
SPREAD_BY = "dataset"
ALL = ids()
EMBEDDED = [i for i in ALL if declaration(i).storage == "embedded"]
OURS = re.compile(r"/work|/tmp|/root|/home/|\.\./shared|shared/data|PROVENANCE")


@pytest.mark.parametrize("dataset", ALL)
def test_the_data_are_what_the_declaration_says(dataset: str, mirror: Path):
    checked = validate(dataset)
    assert checked == declaration(dataset).coverage.rows or declaration(dataset).form == "grid"


@pytest.mark.parametrize("dataset", ALL)
def test_the_folder_holds_the_declared_files_and_no_others(dataset: str):
    found = {p.name for p in (settings.datasets_dir() / dataset).iterdir()}
    declared = declaration(dataset)
    assert found == {"dataset.yml"} | ({declared.table} if declared.table else set())


@pytest.mark.parametrize("dataset", ALL)
def test_every_source_is_in_the_mirror_and_is_what_is_declared(dataset: str, mirror: Path, monkeypatch):
    monkeypatch.setenv("CITYLAB_OFFLINE", "1")
    declared = declaration(dataset)
    paths = raw_files(declared, progress=False)
    assert [hashlib.sha256(p.read_bytes()).hexdigest() for p in paths] == [f.sha256 for f in declared.files]
    assert [p.stat().st_size for p in paths] == [f.size_bytes for f in declared.files]


@pytest.mark.parametrize("dataset", ALL)
def test_recipe_and_inputs_exist(dataset: str):
    declared = declaration(dataset)
    if declared.recipe != "authored":
        assert recipe(declared).__doc__
    for source in declared.inputs:
        assert declaration(source).form == "table"
        assert not declaration(source).inputs, "one step from the source, so that nothing goes round in a circle"


@pytest.mark.parametrize("dataset", ALL)
def test_nothing_on_the_network_is_claimed_to_be_checked_without_a_hash(dataset: str):
    for file in declaration(dataset).files:
        for origin in (file.origin, file.archive):
            if origin is not None and origin.checked != "never":
                assert origin.sha256 != "unknown"


@pytest.mark.parametrize("dataset", ALL)
def test_the_declaration_names_no_place_of_its_writer(dataset: str):
    text = (settings.datasets_dir() / dataset / "dataset.yml").read_text(encoding="utf-8")
    assert OURS.search(text) is None


@pytest.mark.parametrize("dataset", ALL)
def test_coordinates_say_their_datum(dataset: str):
    declared = declaration(dataset)
    assert (declared.datum != "none") == declared.datum_columns


@pytest.mark.parametrize("dataset", EMBEDDED)
def test_an_embedded_table_may_be_embedded_and_is_there(dataset: str):
    declared = declaration(dataset)
    assert declared.licence.id in OPEN_LICENCES
    assert table_file(declared).stat().st_size > 0


def test_embedded_tables_are_small_together():
    assert sum(p.stat().st_size for p in settings.datasets_dir().rglob("*") if p.is_file()) <= EMBEDDED_BYTES


def test_no_file_is_a_copy_of_a_publishers_file(mirror: Path):
    sizes: dict[int, list[Path]] = {}
    for path in mirror.rglob("*"):
        if path.is_file():
            sizes.setdefault(path.stat().st_size, []).append(path)
    for path in settings.datasets_dir().rglob("*"):
        if path.is_file():
            own = path.read_bytes()
            assert all(other.read_bytes() != own for other in sizes.get(len(own), [])), path.name


def test_every_folder_is_a_data_set_or_holds_codes_methodologies_scenarios_or_templates():
    assert {p.name for p in settings.datasets_dir().iterdir() if p.is_dir()} == {
        *ALL,
        "codes",
        "methodologies",
        "scenarios",
        "templates",
    }
