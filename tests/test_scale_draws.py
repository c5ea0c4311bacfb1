"""Draws and cases through `citylab.scale`: the same answer however the work is cut, shared out or broken off."""

from __future__ import annotations

import functools
import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask
import numpy as np
import polars as pl
import pytest
from distributed import Client, LocalCluster
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from citylab import scale
from citylab.errors import CitylabError, DataError, RangeError, SchemaError
from citylab.stats.draws import draws


def saving(start: int, stop: int) -> dict[str, np.ndarray]:
    """A simulation of two outputs, one of them by year."""
    share = draws(7, "saving_share", start, stop, distribution="triangular", low=0.1, central=0.2, high=0.4)
    price = draws(7, "price", start, stop, distribution="lognormal", central=80, gsd=1.4)
    return {"co2_t": share[:, None] * np.array([100.0, 200.0, 300.0]), "cost_cny": share * price}


def same(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> bool:
    return list(left) == list(right) and all(np.array_equal(left[n], right[n]) for n in left)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that does much else may need long to answer."""
    monkeypatch.setattr(scale, "CONNECT_TIMEOUT", "300s")


@pytest.fixture(scope="module")
def threads() -> Iterator[Client]:
    with scale.connect(workers=2, processes=False) as client:
        yield client


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 200), st.integers(1, 250))
def test_draws_are_the_same_for_any_size_of_block(n, block):
    assert same(scale.map_draws(saving, n, block=block), saving(0, n))


def test_draws_are_the_same_on_a_cluster_and_come_in_order_though_blocks_end_out_of_order(threads: Client):
    def late_first(start: int, stop: int) -> np.ndarray:
        time.sleep(0.2 if start == 0 else 0)
        return np.arange(start, stop)

    np.testing.assert_array_equal(scale.map_draws(late_first, 50, block=7, client=threads), np.arange(50))
    assert same(scale.map_draws(saving, 100, block=9, client=threads), saving(0, 100))


def test_blocks_are_cut_by_their_size_and_not_by_the_workers(threads: Client):
    for client in (None, threads):
        cuts = scale.map_draws(lambda a, b: np.full((b - a, 2), (a, b)), 10, block=4, client=client)
        assert np.unique(cuts, axis=0).tolist() == [[0, 4], [4, 8], [8, 10]]


PICKLED: list[int] = []


class Heavy:
    """Something large that a function carries along."""

    def __reduce__(self):
        PICKLED.append(1)
        return Heavy, ()


def test_what_a_function_carries_along_travels_once_and_not_with_every_block():
    heavy = Heavy()

    def model(start: int, stop: int) -> np.ndarray:
        assert heavy
        return np.arange(start, stop)

    PICKLED.clear()
    # On TCP, so that work is packed as for another machine
    options = {"n_workers": 1, "processes": False, "protocol": "tcp", "host": "127.0.0.1", "dashboard_address": None}
    with LocalCluster(**options) as cluster, scale.connect(cluster.scheduler_address) as client:
        np.testing.assert_array_equal(scale.map_draws(model, 200, block=2, client=client), np.arange(200))
    assert 1 <= len(PICKLED) < 10


def test_combine_gets_all_draws():
    assert scale.map_draws(saving, 70, block=9, combine=lambda d: d["co2_t"].mean(axis=0)).shape == (3,)


def test_a_worker_that_is_killed_in_mid_run_does_not_change_the_answer(tmp_path: Path):
    marker = tmp_path / "killed"

    def deadly(start: int, stop: int) -> dict[str, np.ndarray]:
        if start == 16 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return saving(start, stop)

    with scale.connect(workers=2) as client:
        survived = scale.map_draws(deadly, 64, block=8, client=client)
    assert marker.exists()
    assert same(survived, saving(0, 64))


def test_work_that_kills_every_worker_is_an_error_that_says_what_to_do():
    def deadly(start: int, stop: int) -> np.ndarray:
        os._exit(1)

    # One death is enough here; by default Dask gives a block to four workers
    once = dask.config.set({"distributed.scheduler.allowed-failures": 0})
    died = pytest.raises(CitylabError, match=r"died repeatedly on one block of draws.*smaller pieces")
    with once, scale.connect(workers=1) as client, died:
        scale.map_draws(deadly, 8, client=client)


SCHEDULER = """
import sys
from distributed import LocalCluster

if __name__ == "__main__":
    where = {"protocol": "tcp", "host": "127.0.0.1", "dashboard_address": None}
    print(LocalCluster(n_workers=1, processes=False, **where).scheduler_address, flush=True)
    sys.stdin.read()  # until the test ends
"""


def test_a_scheduler_that_is_gone_is_an_error_that_says_what_to_do(tmp_path: Path):
    begun = tmp_path / "begun"

    def endless(start: int, stop: int) -> np.ndarray:
        begun.touch()
        time.sleep(PATIENCE_S)
        return np.arange(start, stop)

    pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", SCHEDULER], text=True, **pipe) as elsewhere:
        assert elsewhere.stdout is not None
        client = scale.connect(elsewhere.stdout.readline().strip())

        def end() -> None:
            until(begun.exists)
            elsewhere.kill()

        ends = threading.Thread(target=end)
        ends.start()
        try:
            with pytest.raises(CitylabError, match=r"scheduler is gone.*dask scheduler.*connect\("):
                scale.map_draws(endless, 60, block=1, client=client)
            with pytest.raises(CitylabError, match="scheduler is gone"):
                scale.map_draws(saving, 8, client=client)
        finally:
            elsewhere.kill()
            begun.touch()
            ends.join()
            client.close(timeout=1)


def test_a_client_that_was_closed_is_the_same_error():
    with scale.connect(workers=1, processes=False) as client:
        pass
    with pytest.raises(CitylabError, match="scheduler is gone"):
        scale.map_draws(saving, 8, client=client)


def test_an_error_of_the_function_is_the_users_own_here_and_there(threads: Client):
    def broken(start: int, stop: int) -> np.ndarray:
        raise ZeroDivisionError("mine")

    for client in (None, threads):
        with pytest.raises(ZeroDivisionError, match="mine"):
            scale.map_draws(broken, 8, client=client)


@pytest.mark.parametrize(
    ("function", "n", "block", "error", "says"),
    [
        (saving, 0, 64, RangeError, "n_draws is 0.*at least 1 draw"),
        (saving, 8, 0, RangeError, "block is 0"),
        (saving, 1e3, 64, RangeError, "n_draws is 1000.0; expected a whole number"),
        (lambda a, b: np.zeros(3), 8, 4, DataError, r"shape \(3,\) for draws 0 to 4; expected 4 entries.*combine="),
        (lambda a, b: 1.0, 8, 4, DataError, "expected 4 entries"),
        (lambda a, b: np.zeros((b - a, a + 1)), 8, 4, DataError, "Draws 4 to 8 came as.*same names and shapes"),
        (lambda a, b: {"x" if a else "y": np.zeros(b - a)}, 8, 4, DataError, "Draws 4 to 8 came as.*same names"),
    ],
)
def test_draws_that_cannot_be_or_do_not_fit_together_are_errors(function, n, block, error, says):
    with pytest.raises(error, match=says):
        scale.map_draws(function, n, block=block)


# Cases ---------------------------------------------------------------------------------------------------------------

CASES = pl.DataFrame({"case": range(25), "pv_mw": [0.1 * i for i in range(25)], "name": [f"c{i}" for i in range(25)]})
CALLS: list[int] = []


def priced(cases: pl.DataFrame) -> pl.DataFrame:
    CALLS.append(cases["case"][0])
    return cases.select("case", cost_cny=pl.col("pv_mw") * 4e6)


def stops_at_12(cases: pl.DataFrame) -> pl.DataFrame:
    if STOP and cases["case"][0] >= 12:
        raise KeyboardInterrupt
    return priced(cases)


STOP: list[int] = []


def seeded(cases: pl.DataFrame, *, seed: int) -> pl.DataFrame:
    drawn = [draws(seed, "x", k, k + 1)[0] for k in cases["case"]]
    return cases.select("case", x=pl.Series(drawn))


@settings(max_examples=10, deadline=None)
@given(chunk=st.integers(1, 30))
def test_a_run_of_cases_is_the_function_on_the_whole_table_for_any_chunk(tmp_path_factory, chunk):
    found = scale.run_cases(priced, CASES.lazy(), tmp_path_factory.mktemp("run"), chunk=chunk)
    assert isinstance(found, pl.LazyFrame)
    assert_frame_equal(found.collect(), priced(CASES), check_exact=True)


def test_a_run_on_a_cluster_gives_the_same_table(threads: Client, tmp_path: Path):
    here = scale.run_cases(seeded, CASES, tmp_path / "here", seed=3, chunk=4).collect()
    there = scale.run_cases(seeded, CASES, tmp_path / "there", seed=3, chunk=4, client=threads).collect()
    assert_frame_equal(there, here, check_exact=True)
    assert_frame_equal(here, seeded(CASES, seed=3), check_exact=True)


def test_a_run_that_was_stopped_keeps_its_chunks_and_runs_the_missing_ones_only(tmp_path: Path):
    STOP.append(1)
    with pytest.raises(KeyboardInterrupt):
        scale.run_cases(stops_at_12, CASES, tmp_path, chunk=4)
    assert sorted(p.name for p in tmp_path.glob("part-*")) == [f"part-00000{i}.parquet" for i in range(3)]
    STOP.clear()
    CALLS.clear()
    whole = scale.run_cases(stops_at_12, CASES, tmp_path, chunk=4).collect()
    assert CALLS == [12, 16, 20, 24]
    assert_frame_equal(whole, priced(CASES), check_exact=True)


def test_a_chunk_that_cannot_be_read_is_made_again(tmp_path: Path):
    scale.run_cases(priced, CASES, tmp_path, chunk=4)
    damaged = tmp_path / "part-000002.parquet"
    damaged.write_bytes(damaged.read_bytes()[:100])
    CALLS.clear()
    assert_frame_equal(scale.run_cases(priced, CASES, tmp_path, chunk=4).collect(), priced(CASES), check_exact=True)
    assert CALLS[0] == 8 and CALLS[1:] == [0], "only the damaged chunk, then the comparison's own call"


def test_a_chunk_in_which_a_byte_went_wrong_is_made_again_and_the_others_stay(tmp_path: Path):
    scale.run_cases(priced, CASES, tmp_path, chunk=4)
    damaged = tmp_path / "part-000002.parquet"
    content = bytearray(damaged.read_bytes())
    content[40] ^= 0xFF  # in the first column; names and types stand at the end
    damaged.write_bytes(content)
    assert pl.read_parquet_schema(damaged).names() == ["case", "cost_cny"], "it looks well from outside"
    CALLS.clear()
    again = scale.run_cases(priced, CASES, tmp_path, chunk=4).collect()
    assert CALLS == [8]
    assert_frame_equal(again, priced(CASES), check_exact=True)


def test_a_folder_without_hashes_is_taken_as_it_is(tmp_path: Path):
    scale.run_cases(priced, CASES, tmp_path, chunk=4)
    (tmp_path / "parts.sha256").unlink()
    CALLS.clear()
    scale.run_cases(priced, CASES, tmp_path, chunk=4)
    assert not CALLS


HELD_UP = """
import os, time
from pathlib import Path
import polars as pl

HOLD = Path({hold!r})

def model(cases):
    # Waits where the test wants it stopped, however slow or fast the machine is
    while cases["case"][0] >= 12_000 and HOLD.exists():
        time.sleep(0.01)
    return cases.select("case", y=pl.col("x").sin() * pl.col("case"))

def table():
    n = 100_000
    return pl.DataFrame({{"case": range(n), "x": [k / 7 for k in range(n)]}})

def main():
    import sys
    from citylab import scale
    scale.run_cases(model, table(), sys.argv[1])
"""
PATIENCE_S = 300
"""How long a test waits for another process before it gives up; nothing is measured by it."""


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, for as long as a machine that does much else may need."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def parts(folder: Path) -> dict[str, int]:
    return {p.name: p.stat().st_mtime_ns for p in folder.glob("part-*.parquet")}


def started(folder: Path, run: Path) -> subprocess.Popen[bytes]:
    """Run the held up model in a process of its own."""
    script = f"import sys; sys.path.insert(0, {str(folder)!r}); import held_up; held_up.main()"
    return subprocess.Popen([sys.executable, "-c", script, str(run)])


@pytest.fixture
def held_up(tmp_path: Path, monkeypatch) -> Iterator[Any]:
    """A model of 100,000 cases in 100 chunks that stops after twelve while the file HOLD is there."""
    hold = tmp_path / "hold"
    hold.touch()
    (tmp_path / "held_up.py").write_text(HELD_UP.format(hold=str(hold)), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("held_up")
    del sys.modules["held_up"]


def test_a_run_of_100_000_cases_that_is_killed_resumes_to_the_identical_table(tmp_path: Path, held_up):
    run = tmp_path / "killed"
    with started(tmp_path, run) as running:
        try:
            until(lambda: len(parts(run)) == 12 or running.poll() is not None)
        finally:
            running.send_signal(signal.SIGKILL)
    assert running.returncode == -signal.SIGKILL
    before = parts(run)
    assert len(before) == 12
    held_up.HOLD.unlink()
    resumed = scale.run_cases(held_up.model, held_up.table(), run).collect()
    after = parts(run)
    assert len(after) == 100 and before.items() <= after.items(), "what was done is not done again"
    assert_frame_equal(resumed, held_up.model(held_up.table()), check_exact=True)


def test_two_processes_on_one_folder_at_once_both_end_with_the_whole_table(tmp_path: Path, held_up):
    run = tmp_path / "shared"
    with started(tmp_path, run) as one, started(tmp_path, run) as two:
        try:
            until(lambda: len(parts(run)) == 12 or None not in (one.poll(), two.poll()))
            held_up.HOLD.unlink()
            assert [one.wait(PATIENCE_S), two.wait(PATIENCE_S)] == [0, 0]
        finally:
            one.kill()
            two.kill()
    assert sorted(p.name for p in run.iterdir() if not p.name.startswith("part-0")) == ["parts.sha256", "run.json"]
    whole = scale.run_cases(held_up.model, held_up.table(), run).collect()
    assert_frame_equal(whole, held_up.model(held_up.table()), check_exact=True)


def test_of_two_runs_that_begin_in_one_folder_at_once_the_later_is_refused(tmp_path: Path, monkeypatch):
    first = scale._is_first

    def overtaken(path: Path, text: str) -> bool:
        # Between the look at the folder and the writing another run writes itself down
        assert first(path, text.replace('"seed": null', '"seed": 5'))
        return first(path, text)

    monkeypatch.setattr(scale, "_is_first", overtaken)
    with pytest.raises(DataError, match=r"with another seed \(seed is 5, now None\)"):
        scale.run_cases(priced, CASES, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"cases": CASES.with_columns(pl.col("pv_mw") * (1 + 2**-52))}, "of other cases"),
        ({"cases": CASES.head(24)}, "of other cases"),
        ({"cases": CASES.with_columns(pl.col("case").cast(pl.Int32))}, "of other cases"),
        ({"cases": CASES.with_columns(name=pl.when(pl.col("case") > 0).then("name"))}, "of other cases"),
        ({"function": stops_at_12}, "of another function"),
        ({"seed": 4, "function": seeded}, "of another function"),
        ({"about": "2026 edition"}, "about something else"),
        ({"chunk": 5}, "in other chunks"),
    ],
)
def test_a_folder_takes_one_run_and_refuses_any_other(change: dict[str, object], says: str, tmp_path: Path):
    first = {"function": priced, "cases": CASES, "chunk": 4}
    scale.run_cases(**first, folder=tmp_path)
    before = sorted(p.stat().st_mtime_ns for p in tmp_path.iterdir())
    with pytest.raises(DataError, match=rf"holds a run {says}.*results would mix.*another folder"):
        scale.run_cases(**{**first, **change}, folder=tmp_path)
    assert sorted(p.stat().st_mtime_ns for p in tmp_path.iterdir()) == before


def test_another_seed_is_another_run(tmp_path: Path):
    scale.run_cases(seeded, CASES, tmp_path, seed=3)
    with pytest.raises(DataError, match="with another seed"):
        scale.run_cases(seeded, CASES, tmp_path, seed=4)


def test_a_function_that_was_edited_is_another_function(tmp_path: Path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    for factor, module in ((2, "edited_once"), (3, "edited_twice")):
        text = f"def model(cases):\n    return cases.select('case', y=cases['pv_mw'] * {factor})\n"
        (tmp_path / f"{module}.py").write_text(text, encoding="utf-8")
    import edited_once  # type: ignore[import-not-found]
    import edited_twice  # type: ignore[import-not-found]

    edited_twice.model.__module__ = "edited_once"
    scale.run_cases(edited_once.model, CASES, tmp_path / "run")
    with pytest.raises(DataError, match="of another version of the function"):
        scale.run_cases(edited_twice.model, CASES, tmp_path / "run")


def test_a_function_that_carries_values_along_needs_words_about_them(tmp_path: Path):
    price = 4e6

    def carrying(cases: pl.DataFrame) -> pl.DataFrame:
        return cases.select(y=pl.col("pv_mw") * price)

    with pytest.raises(SchemaError, match=r"carries price along.*about="):
        scale.run_cases(carrying, CASES, tmp_path / "run")
    assert scale.run_cases(carrying, CASES, tmp_path / "run", about="price of 2026").collect().height == 25


def nothing(cases: pl.DataFrame) -> None:
    """A function that forgets to return."""


def other_types(cases: pl.DataFrame) -> pl.DataFrame:
    return cases.select("case" if cases["case"][0] else pl.col("case").cast(pl.Float64))


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"cases": CASES.clear()}, SchemaError, "no cases to run"),
        ({"cases": CASES.with_columns(l=pl.concat_list("case"))}, SchemaError, "lists, structures or bytes in l"),
        ({"chunk": 0}, RangeError, "chunk is 0"),
        ({"function": other_types, "chunk": 4}, DataError, r"Cases 4 to 8 came with columns.*cast\(\)"),
        ({"function": functools.partial(priced)}, SchemaError, "has no name"),
        ({"function": nothing}, SchemaError, "returned NoneType; expected a Polars DataFrame"),
        ({"chunk": 1e3}, RangeError, "chunk is 1000.0; expected a whole number"),
        ({"seed": "x", "function": seeded}, RangeError, "seed is 'x'; expected a whole number"),
    ],
)
def test_cases_or_results_that_cannot_be_are_errors(arguments, error, says, tmp_path: Path):
    with pytest.raises(error, match=says):
        scale.run_cases(**{"function": priced, "cases": CASES, "folder": tmp_path, **arguments})


def test_chunks_of_nobody_knows_what_are_not_taken_for_ours(tmp_path: Path):
    CASES.write_parquet(tmp_path / "part-000000.parquet")
    with pytest.raises(DataError, match=r"holds chunks \(part-000000.parquet\) and no run.json"):
        scale.run_cases(priced, CASES, tmp_path)
    for broken in ("{", "[1]", ""):
        (tmp_path / "run.json").write_text(broken, encoding="utf-8")
        with pytest.raises(DataError, match=r"cannot be read\. Take an empty folder"):
            scale.run_cases(priced, CASES, tmp_path)
    with pytest.raises(DataError, match=r"run\.json is a file; expected a folder"):
        scale.run_cases(priced, CASES, tmp_path / "run.json")


def test_a_seed_and_sizes_may_come_from_numpy(tmp_path: Path):
    here = scale.run_cases(seeded, CASES, tmp_path, seed=np.int64(3), chunk=np.int32(4)).collect()
    assert_frame_equal(here, seeded(CASES, seed=3), check_exact=True)
    assert scale.map_draws(saving, np.int64(4), block=np.uint8(2))["cost_cny"].shape == (4,)


def test_a_cluster_may_be_left_and_joined_between_two_parts_of_a_run(tmp_path: Path):
    options = {"n_workers": 1, "processes": False, "protocol": "tcp", "host": "127.0.0.1", "dashboard_address": None}
    STOP.clear()
    with LocalCluster(**options) as cluster, scale.connect(cluster.scheduler_address) as client:
        scale.run_cases(stops_at_12, CASES, tmp_path, chunk=4, client=client)
    for path in sorted(tmp_path.glob("part-*"))[::2]:
        path.unlink()
    assert_frame_equal(
        scale.run_cases(stops_at_12, CASES, tmp_path, chunk=4).collect(), priced(CASES), check_exact=True
    )
