from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citylab.air.evaluation import model_statistics, taylor
from citylab.errors import SchemaError

numbers = st.floats(-1e3, 1e3).map(lambda v: round(v, 3))
pairs = st.lists(st.tuples(numbers, numbers), min_size=3, max_size=40)


def stats(observed, modelled, function=model_statistics):
    return function(pl.DataFrame({"o": observed, "m": modelled}, strict=False), "o", "m").row(0, named=True)


def test_every_statistic_equals_its_definition_worked_by_hand():
    # O = 10 20 30 40, M = 12 18 45 10; M - O = 2 -2 15 -30; O mean 25, |O - mean| = 15 5 5 15, sum 40
    s = stats([10.0, 20.0, 30.0, 40.0], [12.0, 18.0, 45.0, 10.0])
    assert s["n"] == 4 and s["n_missing"] == 0
    assert s["fac2"] == 0.75  # 1.2, 0.9, 1.5 lie within half to twice, 0.25 does not
    assert s["mb"] == -15 / 4
    assert s["mge"] == 49 / 4
    assert s["nmb"] == pytest.approx(-15 / 100)
    assert s["nmge"] == pytest.approx(49 / 100)
    assert s["rmse"] == pytest.approx(math.sqrt((4 + 4 + 225 + 900) / 4))
    assert s["coe"] == pytest.approx(1 - 49 / 40)
    assert s["ioa"] == pytest.approx(1 - 49 / 80)
    # cov sum: -15*-9.25 + -5*-3.25 + 5*23.75 + 15*-11.25 = 105; squares 500 and
    # 85.5625 + 10.5625 + 564.0625 + 126.5625 = 786.75
    assert s["r"] == pytest.approx(105 / math.sqrt(500 * 786.75))


def test_a_model_far_off_has_a_negative_index_of_agreement():
    # |M - O| sums to 30, 2 |O - mean| to 4: 4/30 - 1
    assert stats([1.0, 2.0, 3.0], [11.0, 12.0, 13.0])["ioa"] == pytest.approx(4 / 30 - 1)


def test_both_ends_of_the_factor_of_two_count_and_pairs_of_zeros_do_not():
    assert stats([2.0, 2.0, 0.0, 0.0], [1.0, 4.0, 0.0, 1.0])["fac2"] == pytest.approx(2 / 3)


def test_pairs_with_a_missing_side_are_left_out_and_counted():
    s = stats([1.0, None, 3.0, math.nan, 5.0], [1.0, 2.0, None, 4.0, 6.0])
    assert (s["n"], s["n_missing"], s["mb"]) == (2, 3, 0.5)


def test_what_cannot_be_computed_is_null_and_never_nan():
    constant = stats([0.0, 0.0], [1.0, 2.0])
    assert [constant[k] for k in ("nmb", "nmge", "r", "coe", "ioa")] == [None] * 5
    empty = stats([None, None], [1.0, 2.0])
    assert empty["n"] == 0
    assert {v for k, v in empty.items() if k not in ("model", "n", "n_missing", "nmb", "nmge")} == {None}
    assert taylor(pl.DataFrame({"o": [1.0, 1.0], "m": [1.0, 2.0]}), "o", "m")["sd_ratio"].item() is None


@given(pairs)
def test_a_perfect_model_is_perfect_and_shifting_both_changes_no_error(rows):
    o, m = map(np.array, zip(*rows, strict=True))
    if np.ptp(o) == 0:
        return
    perfect = stats(o, o)
    assert (perfect["ioa"], perfect["coe"], perfect["rmse"]) == (1, 1, 0)
    a, b = stats(o, m), stats(o + 1000, m + 1000)
    assert a["ioa"] == pytest.approx(b["ioa"], abs=1e-6)
    assert a["mb"] == pytest.approx(b["mb"], abs=1e-6)
    assert -1 <= a["ioa"] <= 1
    assert a["rmse"] >= a["mge"] - 1e-9 >= abs(a["mb"]) - 2e-9


@given(pairs)
def test_centred_error_spread_and_correlation_obey_the_law_of_cosines(rows):
    o, m = map(np.array, zip(*rows, strict=True))
    t = stats(o, m, taylor)
    if t["r"] is None:
        return
    law = t["sd_observed"] ** 2 + t["sd_modelled"] ** 2 - 2 * t["sd_observed"] * t["sd_modelled"] * t["r"]
    assert t["centred_rmse"] ** 2 == pytest.approx(law, abs=1e-6, rel=1e-6)
    s = stats(o, m)
    assert s["rmse"] ** 2 == pytest.approx(t["centred_rmse"] ** 2 + s["mb"] ** 2, rel=1e-6, abs=1e-6)


def test_groups_and_models_stand_in_rows_of_their_own_and_a_lazy_frame_stays_lazy():
    frame = pl.LazyFrame({"s": ["a", "a", "b", "b"], "o": [1.0, 2, 3, 4], "x": [1.0, 2, 3, 4], "y": [2.0, 3, 3, 4]})
    out = model_statistics(frame, "o", ["x", "y"], by="s")
    assert isinstance(out, pl.LazyFrame)
    rows = {(r["s"], r["model"]): r["mb"] for r in out.collect().iter_rows(named=True)}
    assert rows == {("a", "x"): 0, ("b", "x"): 0, ("a", "y"): 1, ("b", "y"): 0}


def test_a_missing_column_and_text_are_named():
    with pytest.raises(SchemaError, match="'forecast'"):
        model_statistics(pl.DataFrame({"o": [1.0]}), "o", "forecast")
    with pytest.raises(SchemaError, match="numbers"):
        taylor(pl.DataFrame({"o": [1.0], "m": ["1"]}), "o", "m")
