from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citylab.errors import DataError
from citylab.stats import bootstrap


@given(n=st.integers(2, 40), block=st.integers(1, 40), seed=st.integers(0, 5))
def test_every_resample_is_made_of_blocks_of_neighbours_that_lie_inside_the_series(n: int, block: int, seed: int):
    block = min(block, n)
    indices = bootstrap.block_indices(n, 20, block=block, seed=seed)
    assert indices.shape == (20, n)
    assert indices.min() >= 0
    assert indices.max() < n
    inside = np.arange(1, n) % block != 0
    assert (np.diff(indices, axis=1)[:, inside] == 1).all()
    assert (indices != indices[:, :1]).any(axis=1).all()


@given(n=st.integers(2, 30), seed=st.integers(0, 5))
def test_multiplicities_count_the_positions_of_a_resample(n: int, seed: int):
    indices = bootstrap.block_indices(n, 10, seed=seed)
    counts = bootstrap.multiplicities(indices, n)
    assert (counts.sum(axis=1) == n).all()
    assert all(counts[b, i] == (indices[b] == i).sum() for b in range(10) for i in range(n))


def test_the_interval_of_599_draws_goes_from_number_16_to_number_584():
    # round(0.025 * 599) = round(14.975) = 15: the lower bound is draw 15 + 1, the upper draw 599 - 15.
    draws = np.random.default_rng(0).permutation(np.arange(1, 600))
    low, high = bootstrap.interval(draws)
    assert (low, high) == (16, 584)


def test_an_estimate_that_could_not_be_made_of_a_resample_is_an_error_and_shifts_no_bound():
    draws = [*range(1, 599), float("nan")]
    for work in (bootstrap.interval, bootstrap.two_sided_p):
        with pytest.raises(DataError, match="1 of 599 resampled estimates are NaN"):
            work(draws)


def test_a_p_value_is_twice_the_smaller_share_with_zeros_halved():
    # 1 below, 2 at zero, 7 above: p̂ = (1 + 1) / 10.
    assert bootstrap.two_sided_p([-1, 0, 0, 1, 2, 3, 4, 5, 6, 7]) == pytest.approx(0.4)
    assert bootstrap.two_sided_p([1.0, 2.0]) == 0


def test_the_same_seed_gives_the_same_resamples_and_another_gives_others():
    first, again, other = (bootstrap.block_indices(20, 5, seed=s) for s in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: bootstrap.block_indices(1, 5, seed=0), "at least 2"),
        (lambda: bootstrap.block_indices(5, 0, seed=0), "n_boot is 0"),
        (lambda: bootstrap.block_indices(5, 5, block=6, seed=0), "block is 6"),
        (lambda: bootstrap.block_length(0), "n is 0"),
        (lambda: bootstrap.interval([1.0] * 30), "take at least 40"),
        (lambda: bootstrap.interval([1.0] * 30, level=95), "level is 95"),
    ],
)
def test_sizes_that_cannot_be_are_errors(call, says: str):
    with pytest.raises(DataError, match=says):
        call()
