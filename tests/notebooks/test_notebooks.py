"""Every notebook runs top to bottom with no network on embedded data, and is committed without outputs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted(ROOT.glob("notebooks/**/*.ipynb"))
MOST_CELLS = 20
SPREAD_BY = "path"
FORGET_ALL_NAMES = "get_ipython().reset()"


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


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
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_notebook_runs_offline_on_embedded_data_in_both_languages(
    path: Path, lang: str, kernel: nbclient.NotebookClient
) -> None:
    notebook = read(path)
    choices = next(c for c in notebook.cells if "parameters" in c.metadata.get("tags", []))
    assert 'LANG = "en"' in choices.source
    choices.source = choices.source.replace('LANG = "en"', f'LANG = "{lang}"')
    notebook.cells.insert(0, nbformat.v4.new_code_cell(FORGET_ALL_NAMES))
    kernel.nb = notebook
    kernel.execute(cleanup_kc=False)
    shown = [o for c in notebook.cells for o in c.get("outputs", [])]
    assert any("application/vnd.holoviews_exec.v0+json" in o.get("data", {}) for o in shown), "a picture is shown"
    assert not [o for o in shown if o.output_type == "stream" and o.name == "stderr" and "Warning" in o.text]
