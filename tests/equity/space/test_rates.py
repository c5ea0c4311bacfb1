from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from esda.smoothing import Empirical_Bayes
from hypothesis import given, settings
from hypothesis import strategies as st

from citylab.equity.space import shrunken_rates
from citylab.equity.space.rates import prior_variance
from citylab.errors import DataError, RangeError, SchemaError


def towns(events: list[float], people: list[float]) -> pl.DataFrame:
    return pl.DataFrame({"town": range(len(events)), "offline": events, "people": people})


def told(events: list[float], people: list[float], **options: object) -> pl.DataFrame:
    return shrunken_rates(towns(events, people), "offline", "people", "town", **options)  # type: ignore[arg-type]


COUNTS = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 1000)), min_size=3, max_size=12)


@given(COUNTS)
@settings(max_examples=40, deadline=None)
def test_rates_are_esdas_where_places_differ_beyond_chance(counts):
    e, b = (np.array(c, dtype=float) for c in zip(*counts, strict=True))
    found = told(e.tolist(), b.tolist())
    if e.sum() == 0:
        assert set(found["note"]) == {"no_events"}
    elif prior_variance(e, b) > 0:
        assert found["rate_shrunken"].to_list() == pytest.approx(Empirical_Bayes(e, b).r.ravel().tolist(), rel=1e-9)
        assert (found["lower"] <= found["rate_shrunken"]).all()
        assert (found["rate_shrunken"] <= found["upper"]).all()
    else:
        # esda's weights turn negative here: rates would be pushed away from their own side of the mean.
        assert set(found["note"]) == {"no_excess_variation"}
        assert found["rate_shrunken"].to_list() == pytest.approx([e.sum() / b.sum()] * len(e))


@given(COUNTS)
@settings(max_examples=40, deadline=None)
def test_a_shrunken_rate_lies_between_its_own_and_the_mean(counts):
    for kind in ("rate", "share"):
        rows = [(min(e, b), b) for e, b in counts]
        found = told(*(list(c) for c in zip(*rows, strict=True)), kind=kind)
        low = pl.min_horizontal("rate", "mean_rate") - 1e-12
        high = pl.max_horizontal("rate", "mean_rate") + 1e-12
        assert found.select(pl.col("rate_shrunken").is_between(low, high).all()).item()
        assert found["own_share"].is_between(0, 1).all()


def test_the_larger_of_two_equal_rates_keeps_more_of_its_own():
    found = told([3, 300, 500, 10], [10, 1000, 5000, 400])
    assert found["own_share"][1] > found["own_share"][0]
    assert found["upper"][0] - found["lower"][0] > found["upper"][1] - found["lower"][1]


@pytest.mark.parametrize("kind", ["rate", "share"])
def test_intervals_hold_the_true_rates_of_simulated_places(kind):
    rng = np.random.default_rng(3)
    people = rng.integers(20, 400, 2000).astype(float)
    true = rng.gamma(4, 0.05, 2000) if kind == "rate" else rng.beta(4, 16, 2000)
    events = rng.poisson(true * people) if kind == "rate" else rng.binomial(people.astype(int), true)
    found = told(events.tolist(), people.tolist(), kind=kind)
    inside = ((found["lower"].to_numpy() <= true) & (true <= found["upper"].to_numpy())).mean()
    # 2,000 places: 95 % within four binomial standard errors of 0.49 points.
    assert abs(inside - 0.95) < 4 * 0.0049
    assert found["mean_rate"][0] == pytest.approx(0.2, rel=0.05)
    # The mean squared error of the best linear mix of two unbiased figures of variances a and s is a s / (a + s).
    a, chance = (0.01, 0.2) if kind == "rate" else (64 / 8400, 0.16 - 64 / 8400)
    best = (a * chance / people / (a + chance / people)).mean()
    assert ((found["rate_shrunken"].to_numpy() - true) ** 2).mean() == pytest.approx(best, rel=0.12)


def test_the_moment_of_shares_is_unbiased_about_the_true_spread():
    # V of beta(4, 16) is 4 x 16 / (20^2 x 21) = 0.00762.
    rng = np.random.default_rng(5)
    people = rng.integers(5, 50, 20_000)
    events = rng.binomial(people, rng.beta(4, 16, 20_000))
    assert prior_variance(events.astype(float), people.astype(float), "share") == pytest.approx(64 / 8400, rel=0.05)


def test_places_without_people_or_counts_keep_a_row_that_says_so():
    found = told([3, 30, 90, 0, None], [10, 200, 300, 0, 5])
    assert found["note"].to_list() == [None, None, None, "no_population", "missing"]
    nobody = found.row(3, named=True)
    assert nobody["rate"] is None
    assert nobody["rate_shrunken"] == nobody["mean_rate"] == pytest.approx(123 / 510)
    assert nobody["lower"] < nobody["rate_shrunken"] < nobody["upper"]
    assert found.row(4, named=True)["rate_shrunken"] is None
    assert set(found["n"]) == {4}
    assert set(found["n_missing"]) == {1}


def test_one_place_keeps_its_rate_and_nobody_at_all_has_none():
    one = told([3], [10]).row(0, named=True)
    assert (one["note"], one["rate_shrunken"], one["own_share"]) == ("one_place", 0.3, 1)
    assert told([0, None], [0, 4])["note"].to_list() == ["no_rows", "missing"]
    assert told([0, 0], [10, 20]).select("note", "rate_shrunken", "lower").rows() == [("no_events", 0.0, None)] * 2


def test_a_share_that_everybody_has_is_told_without_an_interval_of_no_width():
    # 30 of 30 households online in three villages is no proof that every household is: as with 0 of 30, no interval.
    rows = told([10, 10, 10], [10, 10, 10], kind="share").select("note", "rate_shrunken", "lower", "upper").rows()
    assert rows == [("all_events", 1.0, None, None)] * 3
    # As a rate of events, of which one can have several, 10 of 10 is a rate like others.
    assert set(told([10, 10, 10], [10, 10, 10])["note"]) == {"no_excess_variation"}


def test_no_rows_give_no_rows():
    none = towns([1], [5]).with_columns(year=2020).clear()
    assert shrunken_rates(none, "offline", "people", "town", by="year").is_empty()


def test_groups_shrink_to_their_own_mean():
    rows = pl.concat([towns([3, 30, 90], [10, 200, 300]).with_columns(year=2010),
                      towns([1, 2, 80], [10, 200, 300]).with_columns(year=2020)])  # fmt: skip
    found = shrunken_rates(rows, "offline", "people", "town", by="year")
    alone = told([3, 30, 90], [10, 200, 300])
    assert found.filter(year=2010).drop("year").equals(alone)


@pytest.mark.parametrize(
    ("events", "people", "kind", "message"),
    [
        ([-1, 2], [5, 5], "rate", "below 0"),
        ([1, 2], [5, -5], "rate", "below 0"),
        ([1, 2], [5, 0], "rate", "among nobody"),
        ([1, 6], [5, 5], "share", "more events than people"),
        ([1.0, float("inf")], [5, 5], "rate", "infinite"),
    ],
)
def test_counts_that_cannot_be_are_refused(events, people, kind, message):
    with pytest.raises(DataError, match=message):
        told(events, people, kind=kind)


def test_other_bad_input_is_refused():
    with pytest.raises(DataError, match="stands 2 times"):
        shrunken_rates(towns([1, 2], [5, 5]).with_columns(town=1), "offline", "people", "town")
    with pytest.raises(RangeError, match="kind is 'count'"):
        told([1, 2], [5, 5], kind="count")
    with pytest.raises(SchemaError, match="rename it"):
        shrunken_rates(towns([1, 2], [5, 5]).rename({"town": "rate"}), "offline", "people", "rate")
