from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citylab.errors import SchemaError
from citylab.policy.factored import Cells, Factored, Space, product

CELLS, DRAWS = 6, 4
MASK = np.array([[True, False, True, True, False, False]])
DECILE = np.array([[1, 2, 3, 4, 5, 6]])


def space(weights: np.ndarray | None = None) -> Space:
    rng = np.random.default_rng(3)
    return Space({"a": rng.uniform(1, 2, CELLS), "b": rng.uniform(0, 1, CELLS), "zero": MASK[0] * 2.0}, weights)


def column(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.5, 1.5, (DRAWS, 1))


# Each step takes the present array and gives the next; the same text runs on factored and on ordinary arrays.
STEPS = {
    "times a number": lambda x, c, o: x * 1.5,
    "times a draw": lambda x, c, o: column(1) * x,
    "times a mask": lambda x, c, o: x * c["mask"],
    "less an amount": lambda x, c, o: x - o["b"],
    "plus a cell value": lambda x, c, o: x + 0.1 * c["decile"],
    "plus a draw": lambda x, c, o: column(2) + x,
    "from one": lambda x, c, o: 1 - x,
    "minus": lambda x, c, o: -x,
    "over a draw": lambda x, c, o: x / column(4),
    "over an amount": lambda x, c, o: x / o["a"],
    "times an amount": lambda x, c, o: x * o["b"],
    "times a tilt": lambda x, c, o: x * (1 + column(5) * (c["decile"] - 3.5)),
    "a choice": lambda x, c, o: x * np.where(c["mask"], column(6), 2.0),
    "a tier": lambda x, c, o: x * np.select([c["decile"] <= 2, c["decile"] == 3], [column(7), column(8)]),
    "at least": lambda x, c, o: np.maximum(x, -1000.0),
    "held within": lambda x, c, o: np.clip(x, -0.5, 0.5),
    "a power": lambda x, c, o: np.abs(x) ** column(9),
    "an ordinary array": lambda x, c, o: x + np.exp(column(3) * np.asarray(c["decile"])) / 100,
}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=6), st.sampled_from(["a", "b", "zero"]))
def test_any_formula_gives_what_ordinary_arrays_give(steps, first):
    s = space()
    ours = s.array(first)
    theirs = s.base[first][None, :]
    boxes = {"mask": Cells.of(MASK, s), "decile": Cells.of(DECILE, s)}
    for step in steps:
        ours = STEPS[step](ours, boxes, {"a": s.array("a"), "b": s.array("b")})
        plain = {"mask": MASK, "decile": DECILE}
        theirs = STEPS[step](theirs, plain, {n: s.base[n][None, :] for n in ("a", "b")})
    np.testing.assert_allclose(np.asarray(ours), np.broadcast_to(theirs, np.shape(ours)), rtol=1e-12, atol=1e-12)
    total = ours.total() if isinstance(ours, Factored) else s.weigh(ours)
    np.testing.assert_allclose(total, theirs.sum(axis=1, keepdims=True), rtol=1e-11, atol=1e-11)


def test_what_is_linear_stays_factored_and_what_is_not_does_not():
    s = space()
    mask = Cells.of(MASK, s)
    assert isinstance((s.array("a") - s.array("b")) * mask * column(1), Factored)
    assert isinstance(np.maximum(s.array("a"), 0.0), Factored)
    assert isinstance(s.array("a") ** 2, np.ndarray)


def test_a_division_by_an_amount_that_is_nowhere_nothing_only():
    s = space()
    with np.errstate(divide="ignore", invalid="ignore"):
        assert isinstance(s.array("a") / s.array("zero"), np.ndarray)
    same = (s.array("zero") * 3.0) / s.array("zero")
    assert isinstance(same, Factored) and np.asarray(same).tolist() == [[3.0] * CELLS]


def test_adding_and_taking_away_nothing_leaves_totals_untouched():
    s = space()
    before = s.array("a", column(1)).total()
    after = (s.array("a", column(1)) * (1 + 0.0 * column(2)) + 0.0 * s.array("b")).total()
    assert (after == before).all()


def test_replicate_weights_give_the_sums_that_weighting_first_gives():
    weights = np.random.default_rng(0).poisson(1.0, (5, CELLS)).astype(float)
    s = Space(space().base, weights, lambda: np.eye(CELLS)[:, :2])
    array = s.array("a") * Cells.of(MASK, s) - 0.5 * s.array("b")
    by_hand = weights * (s.base["a"] * MASK[0] - 0.5 * s.base["b"])
    np.testing.assert_allclose(array.total()[:, 0], by_hand.sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(s.by_group(array), by_hand[:, :2], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(s.by_group(np.asarray(array)), by_hand[:, :2], rtol=1e-12, atol=1e-15)


def test_a_sum_over_draws_is_refused():
    with pytest.raises(SchemaError, match="axis=1"):
        space().array("a").sum(axis=0)


def test_a_name_and_its_inverse_cancel_and_a_mask_counts_once():
    assert product(("a", "b"), ("/a",)) == ("b",)
    assert product(("?m",), ("?m", "a")) == ("?m", "a")
    assert product(("a",), ("a",)) == ("a", "a")
