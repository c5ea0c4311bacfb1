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


def seated(age, found) -> np.ndarray:
    """Family households with none, one, two, and three or more of 65 and over."""
    inside = found.home < found.families
    old = np.bincount(found.home[inside & (age >= 65)], minlength=found.families)
    return np.bincount(np.minimum(old, 3), minlength=4)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.35, 0.6), st.integers(0, 20), st.integers(0, 300))
def test_as_many_households_have_one_two_and_three_old_members_as_asked_for(seed, in_pairs, threes, outside):
    counts = np.array([500, 900, 500, 200, 60])
    members = int(counts @ np.arange(1, 6))
    rng, age, *traits = people(seed, members + outside)
    old = int((age >= 65).sum()) - outside // 10
    twos = int(in_pairs * old / 2)
    ones = old - 2 * twos - 3 * threes
    wanted = np.array([counts.sum() - ones - twos - threes, ones, twos, threes])
    found = households.arrange(rng, age, *traits, counts, RULES, elders=wanted)
    np.testing.assert_array_equal(seated(age, found), wanted)
    sizes = np.bincount(found.home, minlength=found.size.size)
    np.testing.assert_array_equal(sizes, found.size)
    np.testing.assert_array_equal(np.bincount(sizes[: found.families], minlength=6)[1:], counts)
    np.testing.assert_array_equal(np.bincount(found.home[found.is_head], minlength=sizes.size), 1)


def test_two_partners_change_places_so_that_one_couple_is_old_and_the_other_is_not():
    # Men of 70 and 62, women of 63 and 66, and a child of 8 with each: the women change, for they are of a kind and an
    # age; the children are not, and the men are heads.
    age = np.array([70, 63, 8, 62, 66, 8])
    home = np.array([0, 0, 0, 1, 1, 1])
    head = np.array([True, False, False, True, False, False])
    kind = np.array([0, 1, 2, 0, 1, 2])
    households._seat(np.random.default_rng(0), age, home, head, 2, (kind,), np.array([1, 0, 1, 0]))
    assert home.tolist() == [0, 1, 0, 1, 0, 1]


@pytest.mark.parametrize(
    ("ages", "wanted"),
    [
        # Two households of two old members each: one gives to the other, by the pair that is nearest in age.
        ([[70, 78, 30], [72, 80, 50]], [0, 1, 0, 1]),
        ([[70, 78, 80], [72, 50, 50]], [0, 0, 2, 0]),  # and the way back
        ([[70, 78, 50], [50, 50, 50]], [0, 2, 0, 0]),
        ([[70, 78, 80, 82], [72, 50, 50, 50]], [0, 0, 1, 1]),  # a fourth goes first
    ],
)
def test_old_members_go_from_household_to_household_one_by_one(ages, wanted):
    size = len(ages[0])
    age, home = np.ravel(ages), np.repeat([0, 1], size)
    head = np.tile(np.arange(size) == 0, 2)
    households._seat(np.random.default_rng(0), age, home, head, 2, (np.zeros(age.size, int),), np.array(wanted))
    old = np.minimum(np.bincount(home[age >= 65], minlength=2), 3)
    assert np.bincount(old, minlength=4).tolist() == wanted
    assert np.bincount(home).tolist() == [size, size]
    assert home[head].tolist() == [0, 1]


def test_what_cannot_be_reached_leaves_everyone_in_a_place():
    # Only heads are old: nobody can change, whatever is asked for.
    age, home = np.array([70, 30, 72, 28]), np.array([0, 0, 1, 1])
    head = np.array([True, False, True, False])
    households._seat(np.random.default_rng(0), age, home, head, 2, (np.zeros(4, int),), np.array([1, 0, 1, 0]))
    assert home.tolist() == [0, 0, 1, 1]


def test_seating_the_old_changes_no_head_and_no_sex_of_a_couple():
    _, *traits = people(4, 6000)
    age, sex = traits[0], traits[1]
    counts = np.array([700, 900, 600, 200, 80])
    free = households.arrange(np.random.default_rng(5), *traits, counts, RULES)
    have = seated(age, free)
    # Who is a fourth in a household moves to one that has one.
    fourth = int((free.home[age >= 65] < free.families).sum() - have @ np.arange(4))
    fewer = have + np.array([50, -100 - fourth, 50 + fourth, 0])
    home, heads = free.home.copy(), free.home[free.is_head].copy()
    households._seat(np.random.default_rng(6), age, home, free.is_head, free.families, (sex,), fewer)
    np.testing.assert_array_equal(seated(age, replace(free, home=home)), fewer)
    np.testing.assert_array_equal(home[free.is_head], heads)
    for k in (0, 1):  # of each household, how many men and how many women
        np.testing.assert_array_equal(*(np.bincount(h[sex == k], minlength=free.size.size) for h in (home, free.home)))
