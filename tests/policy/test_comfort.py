from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citylab.policy.comfort import worth


def error(elasticity: float, rise: float) -> float:
    """Return by how much the rule of half overstates what is given up, for a demand q = p ** elasticity from p = 1."""
    price = 1 + rise
    left = price**elasticity
    # The area under the demand curve from q1 to q0 is p0 q0 - p1 q1 and the integral of q over p from p0 to p1.
    under = 1 - price * left + (price ** (1 + elasticity) - 1) / (1 + elasticity)
    return float(-worth(np.array(left - 1), 1.0, rise)) - under


@given(st.floats(-0.9, -0.1), st.floats(0.02, 0.1))
def test_the_rule_of_half_errs_in_the_third_order_of_a_rise(elasticity: float, rise: float) -> None:
    # Along the curve P = q ** (1/e) the trapezium is above it by dq^3 P'' / 12, and dq is as long as e times the rise.
    curved = (1 / elasticity) * (1 / elasticity - 1) * (-elasticity * rise) ** 3 / 12
    assert error(elasticity, rise) == pytest.approx(curved, rel=3 * rise + 1e-6)
    assert error(elasticity, rise) / error(elasticity, rise / 2) == pytest.approx(8, rel=2 * rise + 1e-6)


@given(st.floats(-0.9, -0.05), st.floats(0.0, 2.0))
def test_what_is_given_up_was_worth_between_the_old_and_the_new_price(elasticity: float, rise: float) -> None:
    given_up = 1 - (1 + rise) ** elasticity
    lost = float(-worth(np.array(-given_up), 1.0, rise))
    assert given_up <= lost <= given_up * (1 + rise)


def test_money_saved_and_comfort_lost_leave_half_the_rise_as_the_loss() -> None:
    # 10 units at 4, dearer by 2: 40 saved, 50 lost.
    assert 10 * 4.0 + worth(np.array(-10.0), 4.0, 2.0) == -10 * 2.0 / 2
