from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citylab.viz import numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [(9.996, "10.0"), (99.96, "100"), (999.6, "1,000"), (0.0009996, "0.00100"), (-0.5, "−0.500"), (12345, "12,300")],
)
def test_rounding_never_adds_a_figure(value, text):
    assert numbers.figures(value) == text


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_missing_number_is_a_dash_and_never_a_word_of_the_machine(value):
    assert numbers.figures(value) == numbers.MISSING


@given(st.floats(1e-6, 1e12))
def test_the_text_is_within_half_a_unit_of_the_third_figure(value):
    shown = float(numbers.figures(value).replace(",", ""))
    assert shown == pytest.approx(value, rel=0.00501)


@given(st.floats(1e3, 1e12))
def test_both_languages_say_the_same_number_of_tons(tons):
    zh, _ = numbers.quantity(tons, "t", "zh")
    en, _ = numbers.quantity(tons, "t", "en")
    as_tons = float(zh.replace(",", "")) * 1e4, float(en.replace(",", "")) * 1e6
    assert as_tons[0] == pytest.approx(as_tons[1], rel=1e-9)


def test_a_negative_interval_is_written_without_a_dash_between():
    assert numbers.span(-15, -9.1, "µg/m³", "en") == "−15.0 to −9.10"
