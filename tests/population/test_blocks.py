from __future__ import annotations

import itertools
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


def test_a_table_left_half_read_keeps_no_thread_though_nobody_closes_it():
    made_by: list[threading.Thread] = []

    def noting(k: int) -> pl.DataFrame:
        made_by.append(threading.current_thread())
        return block(k, 1)

    left_open = in_order(noting, ((k,) for k in itertools.count()), rows=100, workers=2)
    next(left_open)
    for thread in made_by:
        thread.join(60)
        assert not thread.is_alive()
    assert next(left_open)["block"].to_list() == [1]


@pytest.mark.parametrize("value", [0, -1, 1.5, True, None, "2", np.float64(3)])
def test_what_is_no_whole_number_or_too_small_is_told(value):
    with pytest.raises(RangeError, match=r"workers is .*; expected a whole number of 1 or more"):
        whole(value, "workers", 1)


def test_whole_numbers_of_numpy_are_whole_numbers():
    assert whole(np.int32(4), "workers", 1) == 4
