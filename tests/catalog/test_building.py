from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import citylab as cl
from citylab.catalog import build
from citylab.catalog.registry import declaration, ids, table_file
from citylab.errors import DataError, EngineError, OfflineError, SchemaError
from citylab.vocabulary import column

SPREAD_BY = "dataset"
COMPILED = [i for i in ids() if declaration(i).storage == "embedded" and declaration(i).recipe != "authored"]


def read(path: Path) -> pl.DataFrame:
    if path.suffix != ".csv":
        return pl.read_parquet(path)
    text = pl.read_csv(path, infer_schema=False)  # what is no fraction is compared letter by letter
    return text.with_columns(pl.col(c).cast(pl.Float64) for c in text.columns if column(c).dtype == "number")


@pytest.mark.parametrize("dataset", COMPILED)
def test_building_again_gives_the_committed_table(dataset: str, mirror: Path, tmp_path: Path):
    declared = declaration(dataset)
    committed = table_file(declared)
    before = committed.read_bytes()
    path = build(dataset, to=tmp_path, progress=False)
    assert path == tmp_path / committed.name
    # sums and means add up in another order with another number of threads
    assert_frame_equal(read(path), read(committed), rel_tol=1e-12, abs_tol=0)
    assert committed.read_bytes() == before
    rows = cl.scan(dataset).collect()
    assert_frame_equal(rows, rows.sort(declared.key))


def test_a_remote_set_is_fetched_not_built():
    with pytest.raises(EngineError, match="citylab fetch uci__hourly_station_air"):
        build("uci__hourly_station_air")


def test_a_table_written_by_hand_is_not_built():
    with pytest.raises(EngineError, match=r"by hand in claims\.csv.*citylab validate plans__undated_plan_claim"):
        build("plans__undated_plan_claim")


def test_a_build_without_its_sources_leaves_the_table(declare, embedded, internet, cache, monkeypatch):
    monkeypatch.setenv("CITYLAB_OFFLINE", "1")
    content = embedded(recipe=internet()["recipe"], files=internet()["files"])
    content["files"][0]["mirror"] = {"path": "a.csv", "form": "converted"}
    dataset = declare(content, t__csv="old")
    with pytest.raises(OfflineError, match=r"'a\.csv'"):
        build(dataset)
    assert (cl.settings.datasets_dir() / dataset / "t.csv").read_text() == "old"


@pytest.fixture
def source(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, raw: bytes) -> dict[str, str]:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "a.csv").write_bytes(raw)
    monkeypatch.setenv("CITYLAB_MIRROR", str(tmp_path / "mirror"))
    return {"path": "a.csv", "form": "original"}


def test_a_recipe_that_lacks_a_declared_column_is_told(declare, embedded, internet, source):
    content = embedded(recipe=internet()["recipe"], files=internet()["files"])
    content["files"][0]["mirror"] = source
    content["columns"].append({"name": "note", "unit": "", "nullable": True})
    with pytest.raises(SchemaError, match=r"cnnic:parse_internet_use returned no column \['note'\]"):
        build(declare(content))


def test_a_value_of_another_type_is_told_with_column_and_row(declare, embedded, internet, source, monkeypatch):
    from citylab.sources import cnnic

    made = pl.LazyFrame({"month_start": ["2031-06-01", "never"], "source": ["a", "b"]})
    monkeypatch.setattr(cnnic, "parse_internet_use", lambda paths: made)
    content = embedded(recipe=internet()["recipe"], files=internet()["files"])
    content["files"][0]["mirror"] = source
    content["columns"] = [content["columns"][0], content["columns"][-1]]
    with pytest.raises(DataError, match=r"column 'month_start', row 1 \(month_start=never\): 'never' is no date"):
        build(declare(content))
