from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citylab.errors import DataError, RangeError
from citylab.stats import forecasting

LOSSES = st.lists(st.floats(0.1, 10), min_size=40, max_size=40)


def test_wape_is_the_sum_of_absolute_errors_over_the_sum_of_outcomes():
    # |11 - 10| + |27 - 30| = 4 of 40
    assert forecasting.wape([10.0, 30.0], [11.0, 27.0]) == pytest.approx(0.1)


@given(LOSSES, st.floats(0.01, 100))
def test_wape_does_not_depend_on_the_unit(values, factor):
    came, told = np.array(values), np.array(values[::-1])
    assert forecasting.wape(came * factor, told * factor) == pytest.approx(forecasting.wape(came, told))


@pytest.mark.parametrize(
    ("came", "told", "said"),
    [([1.0], [1.0, 2.0], "equal length"), ([], [], "not empty"), ([1.0, np.nan], [1.0, 1.0], "1 of 2 pairs"),
     ([0.0, 0.0], [1.0, 1.0], "All outcomes are zero")],
)  # fmt: skip
def test_wape_refuses_what_has_none(came, told, said):
    with pytest.raises(DataError, match=said):
        forecasting.wape(came, told)


@given(LOSSES)
def test_equal_losses_have_no_skill_and_no_verdict(values):
    found = forecasting.skill(values, values, forecasting.resamples(40, n_boot=99))
    assert found is not None
    assert (found.value, found.verdict) == (0.0, "not distinguishable")


@given(LOSSES)
def test_half_the_loss_on_every_day_is_a_skill_of_one_half_beyond_doubt(values):
    found = forecasting.skill(np.array(values) / 2, values, forecasting.resamples(40, n_boot=99))
    assert found is not None
    assert found == (pytest.approx(0.5), pytest.approx(0.5), pytest.approx(0.5), "better")


def test_losses_twice_the_references_are_worse():
    found = forecasting.skill(np.full(40, 2.0), np.ones(40), forecasting.resamples(40, n_boot=99))
    assert found is not None and found.verdict == "worse" and found.value == -1.0


def test_nothing_has_skill_against_a_reference_that_is_never_wrong():
    assert forecasting.skill(np.ones(40), np.zeros(40), forecasting.resamples(40, n_boot=99)) is None


def test_blocks_are_as_long_as_forecasts_overlap():
    indices = forecasting.resamples(100, block=20, n_boot=50, seed=1)
    assert (np.diff(indices[:, :20], axis=1) == 1).all()


def test_coverage_is_judged_by_its_own_interval():
    indices = forecasting.resamples(200, n_boot=199)
    half = np.arange(200) % 2 == 0
    assert forecasting.coverage(half, 0.5, indices).verdict == "calibrated"
    assert forecasting.coverage(half, 0.9, indices).verdict == "too narrow"
    assert forecasting.coverage(half, 0.1, indices).verdict == "too wide"
    assert forecasting.coverage(half, 0.5, indices).share == 0.5


def test_a_level_lies_between_0_and_1():
    with pytest.raises(RangeError, match=r"nominal is 90"):
        forecasting.coverage([True, False], 90, forecasting.resamples(2, n_boot=99))
