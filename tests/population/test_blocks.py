from __future__ import annotations

import itertools
import sys
import threading

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citylab.errors import RangeError
from citylab.population.blocks import in_order, made_in_blocks, whole

SCHEMA = {"block": pl.Int64(), "row": pl.Int64()}


def block(k: int, height: int) -> pl.DataFrame:
    return pl.DataFrame({"block": [k] * height, "row": range(height)}, schema=SCHEMA)


@given(heights=st.lists(st.integers(0, 5), max_size=8), rows=st.integers(0, 30), workers=st.integers(1, 4))
def test_blocks_come_in_their_order_cut_to_the_rows_whatever_the_workers(heights, rows, workers):
    places = list(enumerate(heights))
    whole_table = [(k, r) for k, height in places for r in range(height)]
    found = [row for part in in_order(block, places, rows=rows, workers=workers) for row in part.rows()]
    assert found == whole_table[:rows]


def test_an_endless_table_ends_at_its_rows_and_is_made_anew_each_time():
    endless = made_in_blocks(
        block, lambda: ((k, 3) for k in itertools.count()), rows=7, workers=2, schema=SCHEMA, name="t"
    )
    expected = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0)]
    for _ in range(2):
        assert endless.collect().rows() == expected
    assert endless.filter(pl.col("row") == 1).select("block").collect()["block"].to_list() == [0, 1]
    assert endless.head(2).collect().rows() == expected[:2]
    assert endless.head(0).collect().schema == SCHEMA


def test_an_error_in_a_block_reaches_whoever_collects():
    def broken(k: int) -> pl.DataFrame:
        if k == 1:
            raise RangeError("block 1 cannot be")
        return block(k, 2)

    parts = in_order(broken, ((k,) for k in itertools.count()), rows=100, workers=2)
    assert next(parts).height == 2
    with pytest.raises(RangeError, match="block 1 cannot be"):
        next(parts)


def test_a_table_dropped_half_read_in_one_of_its_own_threads_ends_quietly(monkeypatch):
    complaints: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    held: dict[str, object] = {}
    may_drop, dropped = threading.Event(), threading.Event()
    made_by: list[threading.Thread] = []

    def drops_its_table(k: int) -> pl.DataFrame:
        if k == 1:
            made_by.append(threading.current_thread())
            may_drop.wait(10)
            held.clear()
            dropped.set()
        return block(k, 1)

    parts = in_order(drops_its_table, ((k,) for k in itertools.count()), rows=100, workers=1)
    held["table"] = parts
    next(parts)
    del parts
    may_drop.set()
    assert dropped.wait(10)
    made_by[0].join(10)
    assert not made_by[0].is_alive()
    assert complaints == []


@pytest.mark.parametrize("value", [0, -1, 1.5, True, None, "2", np.float64(3)])
def test_what_is_no_whole_number_or_too_small_is_told(value):
    with pytest.raises(RangeError, match=r"workers is .*; expected a whole number of 1 or more"):
        whole(value, "workers", 1)


def test_whole_numbers_of_numpy_are_whole_numbers():
    assert whole(np.int32(4), "workers", 1) == 4
