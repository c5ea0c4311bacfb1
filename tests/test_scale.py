from __future__ import annotations

import datetime as dt
import itertools
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import psutil
import pytest
from distributed import Client, LocalCluster
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from citylab import scale
from citylab.errors import CitylabError, RangeError, SchemaError


def sums(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Sum and count of a day: what can be added up over partitions, as a mean cannot."""
    day = pl.col("datetime_local").dt.date().alias("date_local")
    value = pl.col("pm25_ugm3")
    return frame.group_by("station_id", day).agg(value.sum().alias("sum"), value.count().alias("n"))


def means(stacked: pl.LazyFrame) -> pl.LazyFrame:
    added = stacked.group_by("station_id", "date_local").agg(pl.col("sum", "n").sum())
    mean = pl.when(pl.col("n") > 0).then(pl.col("sum") / pl.col("n")).alias("pm25_ugm3")
    return added.select("station_id", "date_local", mean).sort("station_id", "date_local")


def direct(frame: pl.DataFrame) -> pl.DataFrame:
    day = pl.col("datetime_local").dt.date().alias("date_local")
    return frame.group_by("station_id", day).agg(pl.col("pm25_ugm3").mean()).sort("station_id", "date_local")


def hours(values: list[float | None]) -> pl.DataFrame:
    start = dt.datetime(2016, 12, 1)
    return pl.DataFrame(
        {
            "station_id": ["ab"[i % 2] for i in range(len(values))],
            "datetime_local": [start + dt.timedelta(hours=5 * i) for i in range(len(values))],
            "pm25_ugm3": values,
        },
        schema_overrides={"pm25_ugm3": pl.Float64},
    )


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that does much else may need long to answer."""
    monkeypatch.setattr(scale, "CONNECT_TIMEOUT", "300s")


@pytest.fixture(scope="module")
def threads() -> Iterator[Client]:
    with scale.connect(workers=2, processes=False) as client:
        yield client


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("parts")
    frame = hours([float(i % 97) if i % 7 else None for i in range(600)])
    made = []
    for i in range(6):
        made.append(folder / f"{i}.parquet")
        frame[i * 100 : (i + 1) * 100].write_parquet(made[-1])
    return made


@given(st.lists(st.none() | st.floats(0, 1000), min_size=1, max_size=120), st.data())
def test_daily_means_by_sum_and_count_are_the_direct_ones_however_the_rows_are_cut(values, data):
    frame = hours(values)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=6)))
    edges = [0, *cuts, len(values)]
    parts = [frame[a:b].lazy() for a, b in itertools.pairwise(edges)]
    assert_frame_equal(scale.map_partitions(sums, parts, combine=means), direct(frame), rel_tol=1e-9)


def test_results_come_in_the_order_of_the_partitions_and_equal_on_any_cluster(threads: Client, paths: list[Path]):
    here = scale.map_partitions(lambda f: f, paths)
    assert here.equals(pl.concat([pl.read_parquet(p) for p in paths]))
    assert here.equals(scale.map_partitions(lambda f: f, paths, client=threads))
    assert here.equals(scale.map_partitions(lambda f: f, [p.as_posix() for p in paths], client=threads))
    lazy = [pl.scan_parquet(p) for p in paths]
    assert here.equals(scale.map_partitions(lambda f: f, lazy, client=threads))


def listening() -> set[str]:
    """Interfaces on which this process and its children take connections."""
    here = psutil.Process()
    sockets = [c for p in (here, *here.children(recursive=True)) for c in p.net_connections("tcp")]
    return {c.laddr.ip for c in sockets if c.status == psutil.CONN_LISTEN}


def test_processes_give_what_this_process_gives_with_one_thread_each(paths: list[Path]):
    here = scale.map_partitions(sums, paths, combine=means)
    with scale.connect(workers=2) as client:
        there = scale.map_partitions(sums, paths, client=client, combine=means)
        environment = client.run(lambda: {n: os.environ.get(n) for n in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS")})
        pools = client.run(pl.thread_pool_size)
        pids = client.run(os.getpid)
        address = client.scheduler.address
        interfaces = listening()
    assert_frame_equal(there, here, rel_tol=1e-12)
    assert list(environment.values()) == [{"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}] * 2
    assert set(pools.values()) == {1}
    assert len(set(pids.values()) - {os.getpid()}) == 2
    assert address.startswith("tcp://127.0.0.1:")
    assert interfaces == {"127.0.0.1"}, "a cluster on this machine is nobody else's"


def test_an_existing_scheduler_is_joined_and_outlives_the_visit(paths: list[Path]):
    options = {"n_workers": 1, "processes": False, "protocol": "tcp", "host": "127.0.0.1", "dashboard_address": None}
    with LocalCluster(**options) as cluster:
        for _ in range(2):
            with scale.connect(cluster.scheduler_address) as client:
                there = scale.map_partitions(sums, paths, client=client, combine=means)
            assert_frame_equal(there, scale.map_partitions(sums, paths, combine=means), rel_tol=1e-12)


def test_no_scheduler_at_the_address_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(scale, "CONNECT_TIMEOUT", "500ms")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nothing answers here
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(CitylabError, match=rf"No Dask scheduler answers at '{address}'.*dask scheduler"):
            scale.connect(address)


@pytest.mark.parametrize("address", ["post://127.0.0.1:8786", "nonsense"])
def test_an_address_of_no_known_kind_is_the_same_error(address: str, monkeypatch: pytest.MonkeyPatch, outside_attempts):
    monkeypatch.setattr(scale, "CONNECT_TIMEOUT", "500ms")
    with pytest.raises(CitylabError, match=f"No Dask scheduler answers at '{address}'"):
        scale.connect(address)
    outside_attempts.clear()


@pytest.mark.parametrize("workers", [0, -1, 1.5])
def test_a_cluster_without_a_worker_would_wait_for_ever_and_is_refused(workers):
    with pytest.raises(RangeError, match=rf"workers is {workers}; (a cluster needs at least 1|expected a whole)"):
        scale.connect(workers=workers)


def test_a_local_cluster_is_open_to_this_machine_only_and_leaves_nothing_behind():
    with scale.connect(workers=1, processes=False) as client:
        assert listening() <= {"127.0.0.1"}
        assert len(client.scheduler_info()["workers"]) == 1
    assert client.status == "closed"


def test_an_error_in_a_partition_is_the_users_own_error_here_and_there(threads: Client, paths: list[Path]):
    def broken(frame: pl.LazyFrame) -> pl.LazyFrame:
        raise ZeroDivisionError("mine")

    for client in (None, threads):
        with pytest.raises(ZeroDivisionError, match="mine"):
            scale.map_partitions(broken, paths, client=client)


def test_no_partitions_is_an_error():
    with pytest.raises(SchemaError, match="no partitions"):
        scale.map_partitions(sums, [])


def test_partitions_may_be_any_iterable(paths: list[Path]):
    assert scale.map_partitions(sums, (p for p in paths)).height > 0
