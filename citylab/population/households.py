"""Who lives with whom: persons of a district are arranged in households of given sizes.

Ages, sexes and sizes are given and stay as they are; only the arrangement is a model. Heads, partners and the others
are matched by age: a head and a partner within an age group of five years, everyone else to the head whose age is
nearest to the age that a parent, a child or a housemate would have. Among those of an age, an assumed share lives with
people who are registered alike, and has a partner of like schooling. Where it is known in how many households one, two
and more old people live, members of like age and place change households until it is so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from citylab.population.margins import AGE_OLD, MOST_ELDERS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_BIN = 5  # years of the groups in which partners are sought
_LAST = 1e9  # key of those who are taken only when nobody else is left
_OLDEST = 150
_CLOSE_YEARS = 10  # apart at most are two who change households, as long as there are any


@dataclass(frozen=True, eq=False)
class Rules:
    """Assumptions on living together, by age group, and single numbers in years."""

    ages: Mapping[str, Floats]
    scalars: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Arranged:
    """For each person the number of the household, from 0; those from ``families`` on are people in collective ones."""

    home: Ints
    is_head: Bools
    families: int
    size: Ints  # of each household


def _first(rng: np.random.Generator, odds: Floats, age: Ints, k: int) -> Ints:
    """Return the places of k draws without replacement with the odds; who has none comes last, the older first."""
    key = rng.standard_exponential(odds.size)
    key = np.where(odds > 0, key / np.where(odds > 0, odds, 1.0), _LAST * (_OLDEST - age))
    if k >= odds.size:
        return np.arange(odds.size)
    return np.argpartition(key, k)[:k] if k else np.empty(0, dtype=np.int64)


def _even_groups(rng: np.random.Generator, left: Ints, right: Ints) -> tuple[Ints, Ints]:
    """Return places of both sides, drawn so that each group has as many of the one as of the other."""
    n = int(max(left.max(initial=0), right.max(initial=0))) + 1
    both = np.minimum(np.bincount(left, minlength=n), np.bincount(right, minlength=n))

    def drawn(groups: Ints) -> Ints:
        mixed = rng.permutation(groups.size)
        order = mixed[np.argsort(groups[mixed], kind="stable")]
        of = groups[order]
        rank = np.arange(of.size) - np.searchsorted(of, of)
        return order[rank < both[of]]

    return drawn(left), drawn(right)


def _alike(rng: np.random.Generator, trait: Ints, share: float) -> Ints:
    """Return what people are sorted by who look for their like: the trait, mixed among those who don't."""
    found = trait.copy()
    careless = np.flatnonzero(rng.random(trait.size) >= share)
    found[careless] = trait[rng.permutation(careless)]
    return found


def _outside(rng: np.random.Generator, odds: Floats, age: Ints, k: int, elders: Ints | None) -> Ints:
    """Return the places of k who live in collective households: as many old ones as the families do not hold."""
    if elders is None:
        return _first(rng, odds, age, k)
    old, young = (np.flatnonzero(side) for side in (age >= AGE_OLD, age < AGE_OLD))
    left = old.size - int(elders @ np.arange(elders.size))
    k_old = min(max(left, k - young.size, 0), k, old.size)
    return np.concatenate(
        [side[_first(rng, odds[side], age[side], n)] for side, n in ((old, k_old), (young, k - k_old))]
    )


def arrange(
    rng: np.random.Generator, age: Ints, sex: Ints, group: Ints, moved: Ints, level: Ints, counts: Ints, rules: Rules,
    *, elders: Ints | None = None,
) -> Arranged:  # fmt: skip
    """Arrange persons in households.

    Parameters
    ----------
    rng
        Source of random numbers.
    age, sex, group, moved, level
        Of each person: completed years, 0 male and 1 female, place of the age group in the rules, 1 if registered
        elsewhere, level of schooling.
    counts
        Family households of one, two, three ... persons. They need no more people than there are; the others live in
        collective households.
    rules
        The assumptions.
    elders
        Family households with none, one, two, and three members of 65 and over (three stands for more): as many as
        there are family households. Not known without.

    Returns
    -------
    Arranged
        As many households have each number of old members as asked for, unless too few people could change places (a
        few dozen households, or numbers that the ages rule out). A head is an adult unless there are fewer adults than
        households. Someone in a collective household is a household of one, and its head.

    Examples
    --------
    >>> from citylab.population.synthetic import rules
    >>> rng = np.random.default_rng(0)
    >>> age, sex, group = np.array([40, 38, 8]), np.array([0, 1, 0]), np.array([9, 8, 2])
    >>> found = arrange(rng, age, sex, group, np.zeros(3, int), np.array([5, 5, 3]), np.array([0, 0, 1]), rules())
    >>> found.home.tolist(), found.size.tolist()
    ([0, 0, 0], [3])
    """
    n = age.size
    sizes = np.repeat(np.arange(1, counts.size + 1), counts)
    families, members = sizes.size, int(sizes.sum())
    r, s = rules.ages, rules.scalars
    home = np.full(n, -1, dtype=np.int64)
    is_head = np.zeros(n, dtype=np.bool_)

    outside = _outside(rng, r["collective_odds"][group], age, n - members, elders)
    home[outside] = families + np.arange(outside.size)
    is_head[outside] = True
    inside = np.flatnonzero(home < 0)

    by_sex = np.where(sex == 0, r["head_male_odds"][group], r["head_female_odds"][group])
    odds = np.where(age >= s["least_head_years"], by_sex, 0.0)
    heads = inside[_first(rng, odds[inside], age[inside], families)]
    is_head[heads] = True
    lone = _first(rng, r["alone_odds"][group[heads]], age[heads], int(counts[0]))
    alone = np.zeros(heads.size, dtype=np.bool_)
    alone[lone] = True
    home[heads[alone]] = np.arange(lone.size)
    heads = heads[~alone]
    sizes = sizes[lone.size :]

    mate = _partners(rng, age, sex, group, moved, level, heads, inside[~is_head[inside]], rules)
    has_mate = mate >= 0
    taken = np.zeros(n, dtype=np.bool_)
    taken[mate[has_mate]] = True
    rest = inside[~is_head[inside] & ~taken[inside]]

    wish = _wish(rng, age[rest], group[rest], rules)
    wish = np.clip(wish, age[heads].min(initial=_OLDEST), age[heads].max(initial=0)) if heads.size else wish
    # Larger households go, by lot, to heads of the ages that are sought more often than there are such heads.
    bins = int(_OLDEST // _BIN)
    sought = np.bincount((wish // _BIN).astype(np.int64), minlength=bins)[:bins]
    there = np.bincount(age[heads] // _BIN, minlength=bins)[:bins]
    pull = (sought / np.maximum(there, 1))[age[heads] // _BIN]
    # Whoever has no partner has a place for another already in the smallest of these households.
    lot = rng.standard_exponential(heads.size) / np.maximum(pull - ~has_mate, 1 / _LAST)
    heads_by_lot = np.argsort(lot, kind="stable")
    size = np.empty(heads.size, dtype=np.int64)
    size[heads_by_lot] = sizes[::-1]

    number = lone.size + np.arange(heads.size)
    home[heads] = number
    home[mate[has_mate]] = number[has_mate]
    places = np.repeat(np.arange(heads.size), size - 1 - has_mate)
    places = places[np.lexsort((rng.random(places.size), moved[heads[places]], age[heads[places]]))]
    # Whoever comes, by the age wished for, to heads of one age, goes among these to one registered alike.
    by_wish = np.argsort(wish, kind="stable")
    same = _alike(rng, moved[rest[by_wish]], s["likeness_share"])
    home[rest[by_wish[np.lexsort((same, age[heads[places]]))]]] = number[places]
    if elders is not None:
        alike = (sex * 2 + taken) * 2 + moved
        alike = alike * (int(level.max(initial=0)) + 1) + level
        _seat(rng.spawn(1)[0], age, home, is_head, families, (alike, sex * 2 + taken), elders)
    return Arranged(
        home, is_head, families, np.concatenate([np.ones(lone.size, np.int64), size, np.ones(outside.size, np.int64)])
    )


def _partners(
    rng: np.random.Generator, age: Ints, sex: Ints, group: Ints, moved: Ints, level: Ints, heads: Ints, others: Ints,
    rules: Rules,
) -> Ints:  # fmt: skip
    """Return for each head the place of the partner among all persons, or -1."""
    r, s = rules.ages, rules.scalars
    mate = np.full(heads.size, -1, dtype=np.int64)
    wants = rng.random(heads.size) < r["partner_share"][group[heads]]
    free = others[age[others] >= s["least_partner_years"]]
    for own, gap in ((0, -s["partner_gap_years"]), (1, s["partner_gap_years"])):
        mine = np.flatnonzero(wants & (sex[heads] == own))
        theirs = free[sex[free] != own]
        ideal = np.clip(age[heads[mine]] + gap, 0, _OLDEST)
        left, right = (ideal // _BIN).astype(np.int64), age[theirs] // _BIN
        a, b = _even_groups(rng, left, right)
        who, whom = heads[mine[a]], theirs[b]
        trait = moved * (level.max(initial=0) + 1) + level
        a = a[np.lexsort((_alike(rng, trait[who], s["likeness_share"]), left[a]))]
        b = b[np.lexsort((trait[whom], right[b]))]
        mate[mine[a]] = theirs[b]
    return mate


def _wish(rng: np.random.Generator, age: Ints, group: Ints, rules: Rules) -> Floats:
    """Return the age that the head of each person's household should have."""
    r, s = rules.ages, rules.scalars
    role = rng.random(age.size)
    gap = s["parent_gap_years"] + s["parent_gap_sd_years"] * rng.standard_normal(age.size)
    near = s["other_gap_sd_years"] * rng.standard_normal(age.size)
    child = (age < s["least_head_years"]) | (role < r["child_share"][group])
    elder = ~child & (role > 1 - r["elder_share"][group])
    wished = age + np.where(child, gap, np.where(elder, -gap, near))
    return np.clip(wished, 0, _OLDEST - _BIN)


def _seat(
    rng: np.random.Generator, age: Ints, home: Ints, is_head: Bools, families: int, kinds: tuple[Ints, ...],
    wanted: Ints,
) -> None:  # fmt: skip
    """Let members change households, in place, until so many have none, one, two, and three old members.

    Who changes is no head; sizes stay. Someone old changes with someone younger of the same kind (sex, partner or not,
    and, while there are such, registration and schooling), those nearest in age first. With a fixed number of old
    people, the numbers of households with none and with three say all: (1, 1) to (0, 2) makes one more with none, and
    (3, 1) to (2, 2) one less with three, which leaves those with none.
    """
    old, free = age >= AGE_OLD, (home < families) & ~is_head
    tie = rng.random(age.size)

    def there() -> Ints:
        return np.bincount(home[old & (home < families)], minlength=families)

    def change(give: Bools, take: Bools, k: int) -> int:
        """Let up to k people change places between households that give and that take someone old; return how many."""
        givers, takers = free & old & give[home % families], free & ~old & take[home % families]
        both = np.bincount(home[givers], minlength=families) > 0
        for kind, gap in [(kind, _CLOSE_YEARS) for kind in kinds] + [(kinds[-1], _OLDEST)]:
            # Who gives should not take as well, so that many can change at once.
            for who in (takers & ~both[home % families], takers):
                ours, theirs = _pairs(age, home, tie, kind, givers, who)
                near = np.flatnonzero((age[ours] - age[theirs] <= gap) & (home[ours] != home[theirs]))
                near = near[np.argsort((age[ours] - age[theirs])[near] + tie[ours[near]], kind="stable")][:k]
                if not near.size:
                    continue
                ours, theirs, place = ours[near], theirs[near], np.arange(near.size)
                first = np.full(families, near.size)
                for side in (ours, theirs):
                    np.minimum.at(first, home[side], place)
                once = (first[home[ours]] == place) & (first[home[theirs]] == place)
                a, b = ours[once], theirs[once]
                home[a], home[b] = home[b], home[a]
                return a.size
        return 0

    def until(give: tuple[int, ...], take: tuple[int, ...], missing: Callable[[Ints], int]) -> None:
        while (k := missing(n := there())) > 0 and change(np.isin(n, give), np.isin(n, take), k):
            pass

    def with_(k: int) -> Callable[[Ints], int]:
        return lambda n: int((np.minimum(n, MOST_ELDERS) == k).sum() - wanted[k])

    top = MOST_ELDERS
    if not families:
        return
    many = tuple(range(top + 1, int(there().max(initial=0)) + 1))
    until(many, (1,), lambda n: int((n > top).sum()))
    until((1,), (1,), lambda n: -with_(0)(n))
    until((2,), (0,), with_(0))
    until((top,), (1,), with_(top))
    until((2,), (2,), lambda n: -with_(top)(n))


def _pairs(age: Ints, home: Ints, tie: Floats, kind: Ints, gives: Bools, takes: Bools) -> tuple[Ints, Ints]:
    """Return pairs of one kind, the youngest of the old with the oldest of the others, one of each a household."""
    sides = []
    for side, key in ((gives, age + tie), (takes, -age + tie)):
        who = np.flatnonzero(side)
        who = who[np.lexsort((key[who], home[who]))]
        who = who[np.flatnonzero(np.diff(home[who], prepend=-1))]
        who = who[np.lexsort((key[who], kind[who]))]
        sides.append((who, np.arange(who.size) - np.searchsorted(kind[who], kind[who])))
    (ours, rank), (theirs, their_rank) = sides
    n = int(max(rank.max(initial=0), their_rank.max(initial=0))) + 1
    _, a, b = np.intersect1d(kind[ours] * n + rank, kind[theirs] * n + their_rank, return_indices=True)
    return ours[a], theirs[b]
