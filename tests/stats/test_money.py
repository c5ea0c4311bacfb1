from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citylab.errors import RangeError
from citylab.stats.money import annuity


@pytest.mark.parametrize(
    ("rate", "years", "published"),
    [
        # Capital recovery factors (A/P, i, n) as tables of engineering economics print them, to five places
        (0.05, 20, 0.08024),
        (0.06, 10, 0.13587),
        (0.08, 25, 0.09368),
        (0.10, 30, 0.10608),
    ],
)
def test_an_annuity_is_the_capital_recovery_factor_of_the_tables(rate, years, published) -> None:
    assert annuity(rate, years) == pytest.approx(published, abs=5e-6)


def test_an_annuity_by_hand() -> None:
    # Two payments of x at 10 %: x / 1.1 + x / 1.21 = 1, so x = 1.21 / 2.1
    assert annuity(0.1, 2) == pytest.approx(1.21 / 2.1, rel=1e-14)
    # Without interest the capital is shared out; one payment after a year carries a year's interest
    assert annuity(0.0, 8) == 0.125
    assert annuity([0.0, 0.25], [[1.0], [4.0]])[0].tolist() == pytest.approx([1.0, 1.25], rel=1e-14)
    assert annuity(np.zeros((3, 1)), np.full((3, 1), 20.0)).tolist() == [[0.05]] * 3


@given(st.floats(0, 0.3), st.integers(1, 60))
def test_what_is_paid_each_year_pays_the_capital_back(rate, years) -> None:
    owed = 1.0
    for _ in range(years):
        owed = owed * (1 + rate) - annuity(rate, years)
    assert owed == pytest.approx(0.0, abs=1e-9 * (1 + rate) ** years)


def test_a_rate_near_zero_joins_a_rate_of_zero() -> None:
    assert annuity(1e-14, 25) == pytest.approx(annuity(0.0, 25), rel=1e-12)


@pytest.mark.parametrize(
    ("rate", "years", "told"),
    [
        (-0.01, 20, r"rate of interest is -0\.01; expected 0 or more"),
        ([0.05, float("nan")], 20, "rate of interest is nan"),
        (0.05, 0, "life of the capital in years is 0; expected more"),
        (0.05, [20, float("inf")], "in years is inf"),
    ],
)
def test_a_rate_or_a_life_that_cannot_be_is_refused(rate, years, told) -> None:
    with pytest.raises(RangeError, match=told):
        annuity(rate, years)
