from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citylab.population import households, margins
from citylab.population.synthetic import rules

RULES = rules()
LOW = np.array(margins.read().age_low)


def people(seed: int, n: int):
    rng = np.random.default_rng(seed)
    age = np.where(rng.random(n) < 0.15, rng.integers(0, 18, n), rng.integers(18, 95, n))
    group = np.searchsorted(LOW, age, side="right") - 1
    return rng, age, rng.integers(0, 2, n), group, rng.integers(0, 2, n), rng.integers(1, 8, n)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 12), min_size=3, max_size=6), st.integers(0, 30))
def test_everyone_has_one_place_every_household_its_size_and_one_head(seed, counts, outside):
    counts = np.array(counts)
    members = int(counts @ np.arange(1, counts.size + 1))
    found = households.arrange(*people(seed, members + outside), counts, RULES)
    sizes = np.bincount(found.home, minlength=found.size.size)
    np.testing.assert_array_equal(sizes, found.size)
    assert found.families == counts.sum()
    np.testing.assert_array_equal(np.bincount(sizes[: found.families], minlength=counts.size + 1)[1:], counts)
    assert (sizes[found.families :] == 1).all()
    np.testing.assert_array_equal(np.bincount(found.home[found.is_head], minlength=sizes.size), 1)


@pytest.fixture(scope="module")
def lived():
    rng, *traits = people(1, 6000)
    return (*traits, households.arrange(rng, *traits, np.array([700, 900, 600, 200, 80]), RULES))


def test_heads_are_adults_and_hardly_a_child_lives_with_a_head_of_its_own_generation(lived):
    age, *_, found = lived
    family = found.home < found.families
    assert age[found.is_head & family].min() >= 18
    head_age = np.empty(found.size.size)
    head_age[found.home[found.is_head]] = age[found.is_head]
    gap = (head_age[found.home] - age)[family & (age < 18)]
    assert (gap < 14).mean() < 0.02


def test_members_are_rather_registered_alike_and_not_where_nobody_cares():
    shares = {}
    for likeness in (0.0, 1.0):
        rng, *traits = people(2, 6000)
        mine = replace(RULES, scalars={**RULES.scalars, "likeness_share": likeness})
        found = households.arrange(rng, *traits, np.array([600, 1200, 500, 200]), mine)
        moved = traits[3]
        head = np.empty(found.size.size, dtype=int)
        head[found.home[found.is_head]] = moved[found.is_head]
        others = ~found.is_head
        shares[likeness] = (head[found.home] == moved)[others].mean()
    # Half of the people are registered elsewhere, so that chance alone gives a half.
    assert shares[0.0] == pytest.approx(0.5, abs=0.03)
    assert shares[1.0] > 0.8


def test_partners_are_of_the_other_sex_where_everyone_wants_one():
    n = 2000
    rng = np.random.default_rng(3)
    age = rng.integers(30, 60, n)
    group = np.searchsorted(LOW, age, side="right") - 1
    sex = np.arange(n) % 2
    mine = replace(
        RULES, ages={**RULES.ages, "partner_share": np.ones(LOW.size), "head_female_odds": np.zeros(LOW.size)}
    )
    found = households.arrange(rng, age, sex, group, np.zeros(n, int), np.ones(n, int), np.array([0, n // 2]), mine)
    order = np.argsort(found.home, kind="stable")
    pairs = sex[order].reshape(-1, 2).sum(axis=1)
    gaps = np.abs(np.diff(age[order].reshape(-1, 2), axis=1))
    # Men and women are of the same ages, so nearly every head finds a partner within his five years and the gap of two.
    assert (pairs == 1).mean() > 0.9
    assert np.median(gaps) <= 4


def test_fewer_adults_than_households_make_the_oldest_minors_heads():
    age = np.array([40, 17, 16, 3])
    group = np.searchsorted(LOW, age, side="right") - 1
    zero = np.zeros(4, dtype=int)
    found = households.arrange(np.random.default_rng(0), age, zero, group, zero, zero, np.array([2, 1]), RULES)
    assert sorted(age[found.is_head]) == [16, 17, 40]
