from __future__ import annotations

import itertools
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from citylab import tables
from citylab.equity import frontier as price
from citylab.equity.frontier import covering, first_reached, frontier, price_of_closing, programme, synthetic_villages
from citylab.errors import DataError, RangeError, RefusalError, SchemaError, UnknownNameError

Case = tuple[list[int], list[int], list[int], list[int | None], list[set[int]]]


@st.composite
def cases(draw: st.DrawFn, limited: bool = True) -> Case:
    """Persons and need of areas; cost, capacity and reach of options."""
    n, m = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    persons = draw(st.lists(st.integers(0, 30), min_size=n, max_size=n).filter(any))
    need = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    cost = draw(st.lists(st.integers(0, 9), min_size=m, max_size=m))
    room = st.one_of(st.none(), st.integers(0, 40)) if limited else st.none()
    capacity = draw(st.lists(room, min_size=m, max_size=m))
    reach = draw(st.lists(st.sets(st.integers(0, n - 1)), min_size=m, max_size=m))
    return persons, need, cost, capacity, reach


def frames(case: Case) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    persons, need, cost, capacity, reach = case
    demand = pl.DataFrame({"area_id": [f"a{i}" for i in range(len(persons))], "service": "5g", "persons": persons,
                           "need_weight": need})  # fmt: skip
    options = pl.DataFrame(
        {"option_id": [f"o{j}" for j in range(len(cost))], "service": "5g", "cost": cost, "capacity_persons": capacity},
        schema_overrides={"capacity_persons": pl.Float64},
    )
    pairs = [(f"o{j}", f"a{i}") for j, areas in enumerate(reach) for i in sorted(areas)]
    return demand, options, pl.DataFrame(pairs, schema={"option_id": pl.String, "area_id": pl.String}, orient="row")


def flow(case: Case, built: tuple[int, ...], areas: list[int]) -> int:
    """Most persons of some areas whom some options serve: a maximum flow, by another algorithm than the model's."""
    persons, _, _, capacity, reach = case
    n, m = len(persons), len(capacity)
    top = sum(persons)
    graph = np.zeros((n + m + 2, n + m + 2), dtype=np.int32)
    for i in areas:
        graph[0, 1 + i] = persons[i]
    for j in built:
        room = capacity[j]
        graph[1 + n + j, -1] = top if room is None else room
        for i in reach[j]:
            graph[1 + i, 1 + n + j] = persons[i]
    return int(maximum_flow(csr_array(graph), 0, n + m + 1).flow_value)


def worth(case: Case, built: tuple[int, ...], weights: list[int]) -> int:
    """Greatest weighted sum: areas that can be served together form a polymatroid, so weights peel off in layers."""
    levels = sorted(set(weights) | {0})
    return sum(
        (high - low) * flow(case, built, [i for i, w in enumerate(weights) if w >= high])
        for low, high in itertools.pairwise(levels)
    )


def subsets(case: Case, budget: float) -> list[tuple[int, ...]]:
    cost = case[2]
    every = itertools.chain.from_iterable(itertools.combinations(range(len(cost)), k) for k in range(len(cost) + 1))
    return [s for s in every if sum(cost[j] for j in s) <= budget]


QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(cases(), st.integers(0, 25), st.sampled_from(["efficiency", "need"]))
def test_no_plan_within_the_budget_reaches_more_than_the_one_found(case: Case, budget: int, objective: str):
    found = frontier(*frames(case), [budget], objective=objective).points.row(0, named=True)
    weights = case[1] if objective == "need" else [1] * len(case[0])
    best = max(worth(case, s, weights) for s in subsets(case, budget))
    assert found["value"] == pytest.approx(best, rel=1e-9, abs=1e-6)
    assert found["bound"] >= found["value"]
    assert found["gap"] <= 1e-6


@QUICK
@given(cases(), st.integers(0, 25))
def test_no_plan_treats_the_worst_off_area_better_than_the_fair_one(case: Case, budget: int):
    persons = case[0]
    held = [i for i, p in enumerate(persons) if p]

    def least(built: tuple[int, ...]) -> float:
        # The largest t for which t of every area can be served at once: bisection over whole flows of scaled demands.
        low, high = 0.0, 1.0
        for _ in range(30):
            t = (low + high) / 2
            scaled = 10**6
            grown = ([round(p * t * scaled) for p in persons], case[1], case[2],
                     [None if c is None else c * scaled for c in case[3]], case[4])  # fmt: skip
            low, high = (t, high) if flow(grown, built, held) >= sum(grown[0]) else (low, t)
        return low

    found = frontier(*frames(case), [budget], objective="maxmin").points.row(0, named=True)
    assert found["value"] == pytest.approx(max(least(s) for s in subsets(case, budget)), abs=1e-5)
    assert found["value"] == pytest.approx(found["least_share"])


@QUICK
@given(cases(), st.lists(st.integers(0, 25), min_size=1, max_size=3), st.booleans(),
       st.sampled_from(["efficiency", "need", "maxmin"]))  # fmt: skip
def test_every_point_is_a_plan_that_can_be_carried_out(case: Case, budgets: list[int], is_whole: bool, objective: str):
    persons, _, cost, capacity, reach = case
    found = frontier(*frames(case), budgets, is_whole=is_whole, objective=objective)
    for point in found.points.iter_rows(named=True):
        chosen = found.chosen.filter(budget=point["budget"])
        built = {int(o[1:]) for o in chosen["option_id"]}
        assert set(chosen["units"]) <= {1}
        assert sum(cost[j] for j in built) == point["cost"] <= point["budget"]
        served = found.served.filter(budget=point["budget"])
        for option, area, n in served.select("option_id", "area_id", "reached_persons").iter_rows():
            assert int(option[1:]) in built
            assert int(area[1:]) in reach[int(option[1:])]
            assert n > 0
            assert not is_whole or n == persons[int(area[1:])]
        for j in built:
            assert (
                capacity[j] is None or served.filter(option_id=f"o{j}")["reached_persons"].sum() <= capacity[j] + 1e-9
            )
        for i, p in enumerate(persons):
            assert served.filter(area_id=f"a{i}")["reached_persons"].sum() <= p + 1e-9
        assert served["reached_persons"].sum() == pytest.approx(point["reached_persons"])


@QUICK
@given(cases(), st.lists(st.integers(0, 25), min_size=2, max_size=4, unique=True), st.booleans(),
       st.sampled_from(["efficiency", "need", "maxmin"]))  # fmt: skip
def test_more_money_never_reaches_less(case: Case, budgets: list[int], is_nested: bool, objective: str):
    points = frontier(*frames(case), budgets, is_nested=is_nested, objective=objective).points
    assert points["budget"].is_sorted()
    # The share of the fair plan is kept to twice the declared tolerance of 1e-6.
    assert points["value"].diff().drop_nulls().min() >= (-2e-6 if objective == "maxmin" else 0)


@QUICK
@given(cases(), st.integers(0, 25))
def test_areas_served_whole_are_the_best_assignment(case: Case, budget: int):
    persons, _, _, capacity, reach = case
    most = 0
    for built in subsets(case, budget):
        for to in itertools.product([None, *built], repeat=len(persons)):
            load = {j: sum(persons[i] for i, t in enumerate(to) if t == j) for j in built}
            fits = all(capacity[j] is None or load[j] <= capacity[j] for j in built)
            if fits and all(t is None or i in reach[t] for i, t in enumerate(to)):
                most = max(most, sum(load.values()))
    found = frontier(*frames(case), [budget], is_whole=True).points.row(0, named=True)
    assert found["reached_persons"] == most


@QUICK
@given(cases(), st.sampled_from([0.3, 0.7, 1.0]))
def test_no_cheaper_plan_reaches_the_share(case: Case, share: float):
    total = sum(case[0])
    enough = [s for s in subsets(case, math.inf) if flow(case, s, list(range(len(case[0])))) >= share * total - 1e-9]
    told = price_of_closing(*frames(case), [share]).row(0, named=True)
    if not enough:
        assert told["status"] == "out_of_reach"
        assert told["cost"] is None
    else:
        assert told["cost"] == min(sum(case[2][j] for j in s) for s in enough)
        assert told["reached_persons"] >= share * total - 1e-6
        assert told["status"] == "optimal"


# -- by another enumeration: several units, two services, costs and capacities of 0, budgets that are just a plan's cost


def made(seed: int) -> dict[str, np.ndarray]:
    """A small case whose units, services, costs and capacities may be anything that is allowed."""
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 5, 2)
    return {
        "persons": np.append(rng.choice([0, 1, 3, 7, 12.5, 100], n - 1), rng.choice([5.0, 1e4])),
        "service": rng.choice(["x", "y"], n), "need": rng.choice([0, 0.5, 1, 2, 10], n),
        "group": rng.choice(["g", "h"], n),
        "cost": rng.choice([0, 1, 2, 2.5, 3, 7, 1000], m), "room": rng.choice([np.inf, 0, 0.5, 3, 10, 1000], m),
        "of": rng.choice(["x", "y"], m), "most": rng.integers(0, 4, m), "links": rng.random((m, n)) < 0.6,
    }  # fmt: skip


def tables_of(case: dict[str, np.ndarray]) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    areas, names = ([f"{c}{i}" for i in range(len(case[k]))] for c, k in (("a", "persons"), ("o", "cost")))
    demand = pl.DataFrame({"area_id": areas, "service": case["service"], "persons": case["persons"],
                           "need_weight": case["need"], "group": case["group"]})  # fmt: skip
    options = pl.DataFrame({"option_id": names, "service": case["of"], "cost": case["cost"], "units_max": case["most"],
                            "capacity_persons": pl.Series(case["room"]).replace(np.inf, None)})  # fmt: skip
    pairs = [(names[j], areas[i]) for j, i in zip(*np.nonzero(case["links"]), strict=True)]
    return demand, options, pl.DataFrame(pairs, schema={"option_id": pl.String, "area_id": pl.String}, orient="row")


def best_of(case: dict[str, np.ndarray], units: tuple[int, ...], objective: str) -> float:
    """What some units do at best: persons of each usable link, by a linear programme of their own."""
    able = case["links"] & (case["of"][:, None] == case["service"]) & (np.array(units) > 0)[:, None]
    j, i = np.nonzero(able)
    rows = [*((i == a).astype(float) for a in range(len(case["persons"]))),
            *((j == o).astype(float) for o in range(len(units)))]  # fmt: skip
    room = [case["room"][o] * u if u else 0.0 for o, u in enumerate(units)]
    ends = [*case["persons"], *(min(r, case["persons"].sum()) for r in room)]
    rows, gain = [np.append(r, 0.0) for r in rows], np.append(-np.ones(len(i)), 0.0)
    if objective == "need":
        gain[:-1] = -case["need"][i]
    if objective == "maxmin":
        gain = np.append(np.zeros(len(i)), -1.0)
        for g in set(case["group"]):
            of = case["persons"][case["group"] == g].sum()
            if of > 0:
                rows.append(np.append(np.where(case["group"][i] == g, -1 / of, 0.0), 1.0))
                ends.append(0.0)
    return -float(linprog(gain, A_ub=np.array(rows), b_ub=ends, bounds=[(0, None)] * len(i) + [(0, 1)]).fun)


@pytest.mark.parametrize("seed", range(8))
def test_every_bundle_of_units_that_a_budget_pays_is_no_better_and_no_cheaper(seed: int):
    case = made(seed)
    bundles = list(itertools.product(*(range(k + 1) for k in case["most"])))
    prices = [math.fsum(case["cost"] * b) for b in bundles]
    rng = np.random.default_rng(seed)
    budgets = sorted({0.0, *rng.choice(prices, 2), float(rng.integers(0, 20))})
    for objective in ("efficiency", "need", "maxmin"):
        worth_of = [best_of(case, b, objective) for b in bundles]
        found = frontier(*tables_of(case), budgets, objective=objective, group="group").points
        for point in found.iter_rows(named=True):
            paid = [(w, c) for w, c in zip(worth_of, prices, strict=True) if c <= point["budget"]]
            best = max(w for w, _ in paid)
            near = 2e-6 if objective == "maxmin" else 1e-7
            assert point["value"] == pytest.approx(best, abs=near * max(1, best))
            assert point["bound"] >= point["value"]
            assert point["cost"] <= point["budget"]
            if objective != "maxmin":  # of shares within the tolerance the fairer is not always the dearer
                assert point["cost"] == pytest.approx(min(c for w, c in paid if w >= best - 1e-7))
    reach = [(best_of(case, b, "efficiency"), best_of(case, b, "maxmin")) for b in bundles]
    for at, group, full in ((0, None, case["persons"].sum()), (1, "group", 1.0)):
        told = price_of_closing(*tables_of(case), [0.25, 1.0], group=group)
        for row in told.iter_rows(named=True):
            enough = [
                c for r, c in zip(reach, prices, strict=True) if r[at] >= row["share_sought"] * full - 1e-9 * full
            ]
            assert row["cost"] == (pytest.approx(min(enough)) if enough else None)
            assert row["status"] == ("optimal" if enough else "out_of_reach")


def test_a_hamlet_counts_beside_a_city():
    # One in two million, at a thousand times the price: a share of 1 includes it, and so does the best plan.
    for persons in ([1_999_999, 1], [100_000_000, 10]):
        case: Case = (persons, [1, 1], [1, 1000], [None, None], [{0}, {1}])
        told = price_of_closing(*frames(case), [0.5, 1.0])
        assert told["cost"].to_list() == [1.0, 1001.0]
        assert told["reached_persons"].to_list() == [persons[0], sum(persons)]
        parted = price_of_closing(*(f.with_columns(group=pl.lit("all")) if i == 0 else f
                                    for i, f in enumerate(frames(case))), [1.0], group="group")  # fmt: skip
        assert parted["cost"].to_list() == [1001.0]
        points = frontier(*frames(case), [1, 1001]).points
        assert points["reached_persons"].to_list() == [persons[0], sum(persons)]
        assert (points["bound"] >= points["value"]).all()


def test_a_small_share_of_the_worst_off_is_proven_like_a_large_one():
    # 1 of 100 in area 0 and all of the 100,000 in area 1: the share 0.01 is known to the tolerance.
    case: Case = ([100, 100_000], [1, 1], [2, 1], [1, None], [{0}, {1}])
    point = frontier(*frames(case), [5], objective="maxmin").points.row(0, named=True)
    assert (point["value"], point["status"]) == (pytest.approx(0.01, abs=2e-6), "optimal")
    assert point["reached_persons"] == pytest.approx(100_001, abs=0.2)


def test_a_share_within_the_tolerance_of_its_bound_is_proven_whatever_its_size(monkeypatch: pytest.MonkeyPatch):
    real = price._plan

    def short(*args: object) -> object:
        plan = real(*args)  # type: ignore[arg-type]
        return price._Plan(plan.units, plan.served, 0.01, plan.persons, 0.01 + 1e-6, True)

    monkeypatch.setattr(price, "_plan", short)
    assert frontier(*frames(CASE), [20], objective="maxmin").points["status"].to_list() == ["optimal"]
    assert frontier(*frames(CASE), [20]).points["status"].to_list() == ["not_proven"]


def test_a_plan_that_the_tolerance_alone_lets_reach_a_share_is_no_proof(monkeypatch: pytest.MonkeyPatch):
    real = price._carried_out

    def short(*args: object, **more: object) -> object:
        plan = real(*args, **more)  # type: ignore[arg-type]
        served = plan.served * (1 - 1e-7)
        return price._Plan(plan.units, served, plan.value, math.fsum(served), plan.bound, True)

    monkeypatch.setattr(price, "_carried_out", short)
    assert price_of_closing(*frames(([10], [1], [5], [None], [{0}])), [1.0])["status"].to_list() == ["not_proven"]


def test_a_search_that_ends_before_it_finds_a_plan_says_so_and_gives_no_figure(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(price, "_search", lambda *_, **__: (None, math.inf, False))
    found = frontier(*frames(CASE), [4, 5])
    row = found.points.row(1, named=True)
    assert row["status"] == "not_found"
    assert [row[c] for c in ("cost", "reached_persons", "reached_share", "least_share", "value", "gap")] == [None] * 6
    assert row["bound"] == 30  # nothing is known but that no more than all can be reached
    assert found.points["status"].to_list() == ["nothing_fits", "not_found"]
    assert found.reached["budget"].unique().to_list() == [4.0]
    assert found.served.is_empty()
    monkeypatch.setattr(price, "_search", lambda *_, **__: (None, 3.0, False))
    monkeypatch.setattr(price, "_is_out_of_reach", lambda *_: False)
    told = price_of_closing(*frames(CASE), [1.0]).row(0, named=True)
    assert (told["status"], told["cost"], told["bound"]) == ("not_found", None, 3.0)


def test_lists_and_names_of_another_kind_are_told():
    demand, options, links = frames(CASE)
    for wrong in (5, "5", ["5"], [True]):
        with pytest.raises(RangeError, match="expected a list of numbers"):
            frontier(demand, options, links, wrong)  # type: ignore[arg-type]
    with pytest.raises(RangeError, match="shares is 1"):
        price_of_closing(demand, options, links, 1)  # type: ignore[arg-type]
    with pytest.raises(SchemaError, match="'area_id' is Int64 in links and String in demand"):
        frontier(demand, options, links.with_columns(area_id=pl.lit(1, dtype=pl.Int64)), [5])


def test_a_plan_is_the_cheapest_of_those_that_reach_as_many():
    # Two sites over the same village: with money for the dear one, the cheap one still does.
    case: Case = ([10], [1], [9, 2], [None, None], [{0}, {0}])
    assert frontier(*frames(case), [20]).points["cost"].to_list() == [2.0]


def test_fairness_and_need_reach_others_first_than_efficiency():
    # A town of 100 and two hamlets of 10 with three times the need; one site each, equal cost. With money for one site
    # efficiency builds in the town; need would too (100 > 30); with hamlets of need 11 it does not (110 > 100).
    case: Case = ([100, 10, 10], [1, 11, 11], [1, 1, 1], [None] * 3, [{0}, {1}, {2}])
    both = {o: frontier(*frames(case), [1, 2, 3], objective=o) for o in ("efficiency", "need")}
    order = {
        o: dict(first_reached(both).filter(objective=o).select("area_id", "budget_first").iter_rows()) for o in both
    }
    assert order["efficiency"]["a0"] == 1
    assert order["need"]["a0"] == 3
    assert sorted(order["need"].values()) == [1, 2, 3]


def test_where_the_worst_off_can_get_no_more_money_still_reaches_others():
    # Area 0 never gets beyond 7 of 10. Two options keep area 1 at 21 of 30, as fair; the dear third lifts it to 30.
    case: Case = ([10, 30], [1, 1], [1, 1, 5], [7, 21, 9], [{0}, {1}, {1}])
    points = frontier(*frames(case), [2, 7], objective="maxmin").points
    assert points["value"].to_list() == pytest.approx([0.7, 0.7], abs=2e-6)
    assert points["reached_persons"].to_list() == pytest.approx([28, 37])


def test_nested_plans_keep_what_was_bought():
    # 10 CNY buy the small site (50 persons); 12 alone would buy the large one (90), but not on top of it.
    case: Case = ([50, 90], [1, 1], [10, 12], [None, None], [{0}, {1}])
    free = frontier(*frames(case), [10, 12])
    phased = frontier(*frames(case), [10, 12], is_nested=True)
    assert free.points["reached_persons"].to_list() == [50, 90]
    assert phased.points["reached_persons"].to_list() == [50, 50]
    assert phased.chosen["option_id"].to_list() == ["o0", "o0"]


def test_units_are_bought_one_by_one_up_to_their_number():
    # 3 course places at 2 CNY for 0.5 persons each: 5 CNY buy two of them, one person; 100 CNY all three.
    demand = pl.DataFrame({"area_id": ["a"], "service": "training", "persons": [9]})
    options = pl.DataFrame({"option_id": ["o"], "service": "training", "cost": [2.0], "capacity_persons": [0.5],
                            "units_max": [3], "cost_lower": [1.0], "cost_upper": [4.0]})  # fmt: skip
    links = pl.DataFrame({"option_id": ["o"], "area_id": ["a"]})
    points = frontier(demand, options, links, [5, 100]).points
    assert points["reached_persons"].to_list() == [1.0, 1.5]
    assert points["cost"].to_list() == [4.0, 6.0]
    assert points["cost_lower"].to_list() == [2.0, 3.0]
    assert points["cost_upper"].to_list() == [8.0, 12.0]


def test_an_option_serves_only_its_own_service():
    demand = pl.DataFrame({"area_id": ["a", "a"], "service": ["5g", "fibre"], "persons": [10, 20]})
    options = pl.DataFrame({"option_id": ["o"], "service": "5g", "cost": [1.0], "capacity_persons": [99.0]})
    found = frontier(demand, options, pl.DataFrame({"option_id": ["o"], "area_id": ["a"]}), [5])
    assert found.by("service").select("service", "reached_persons").rows() == [("5g", 10.0), ("fibre", 0.0)]


CASE: Case = ([10, 20], [1, 2], [5, 6], [None, 15], [{0}, {1}])


@pytest.mark.parametrize("budgets", [[-1], [math.nan], [math.inf], [], [3, -0.5]])
def test_a_budget_that_cannot_be_is_refused(budgets: list[float]):
    with pytest.raises(RangeError, match="budget"):
        frontier(*frames(CASE), budgets)


def test_a_budget_of_nothing_or_too_little_buys_an_empty_plan_that_says_so():
    found = frontier(*frames(CASE), [0, 4])
    assert found.points["status"].to_list() == ["empty_budget", "nothing_fits"]
    assert found.points["cost"].to_list() == [0, 0]
    assert found.points["reached_persons"].to_list() == [0, 0]
    assert found.chosen.is_empty()
    assert found.reached.height == 4


@pytest.mark.parametrize(
    ("which", "change", "message"),
    [
        (0, pl.lit(-1).alias("persons"), "number of persons"),
        (0, pl.lit(None, dtype=pl.Float64).alias("persons"), "number of persons"),
        (0, pl.lit(math.nan).alias("persons"), "number of persons"),
        (0, pl.lit(0).alias("persons"), "nobody lacks"),
        (0, pl.lit("a0").alias("area_id"), "stand twice"),
        (1, pl.lit(-1).alias("cost"), "no cost"),
        (1, pl.lit("o0").alias("option_id"), "stands twice"),
        (1, pl.lit(-1.0).alias("capacity_persons"), "capacity"),
        (1, pl.lit(math.nan).alias("capacity_persons"), "capacity"),
        (1, pl.lit(1.5).alias("units_max"), "whole units_max"),
        (2, pl.lit("o9").alias("option_id"), "o9"),
        (2, pl.lit("a9").alias("area_id"), "a9"),
    ],
)
def test_what_cannot_be_planned_with_is_refused(which: int, change: pl.Expr, message: str):
    three = list(frames(CASE))
    three[which] = three[which].with_columns(change)
    with pytest.raises(DataError, match=message):
        frontier(*three, [5])


def test_needs_and_objectives_that_there_are_not_are_told():
    demand, options, links = frames(CASE)
    with pytest.raises(SchemaError, match="need_weight"):
        frontier(demand.drop("need_weight"), options, links, [5], objective="need")
    with pytest.raises(UnknownNameError, match="efficiency"):
        frontier(demand, options, links, [5], objective="eficiency")  # type: ignore[arg-type]
    with pytest.raises(RangeError, match="gap"):
        frontier(demand, options, links, [5], gap=1.5)
    with pytest.raises(RangeError, match="Shares"):
        price_of_closing(demand, options, links, [1.2])
    with pytest.raises(SchemaError, match="names of your own"):
        first_reached([frontier(demand, options, links, [5])] * 2)


def test_a_plan_that_only_the_solvers_tolerance_lets_through_is_not_taken():
    # Two options of 10 persons cost a cent more than the million together; one of them and the one of 9 fit.
    case: Case = ([10, 10, 9], [1] * 3, [500_000.01, 500_000.0, 400_000.0], [None] * 3, [{0}, {1}, {2}])  # type: ignore[list-item]
    point = frontier(*frames(case), [1_000_000]).points.row(0, named=True)
    assert point["cost"] <= 1_000_000
    assert point["reached_persons"] == 19
    assert point["bound"] >= 19


def test_a_model_too_large_to_be_proven_is_refused(monkeypatch: pytest.MonkeyPatch):
    real = price.rule
    monkeypatch.setattr(price, "rule", lambda name: 3.0 if name == "max_variables" else real(name))
    with pytest.raises(RefusalError, match="Join areas"):
        frontier(*frames(CASE), [5])


def test_options_without_links_reach_nobody():
    demand, options, links = frames(CASE)
    assert frontier(demand, options, links.clear(), [50]).points["reached_persons"].to_list() == [0.0]


# -- synthetic villages


def test_synthetic_villages_say_that_they_are_and_come_again_with_their_seed():
    one = synthetic_villages(30, seed=4)
    assert one["is_synthetic"].all()
    assert one.equals(synthetic_villages(30, seed=4))
    assert not one.equals(synthetic_villages(30, seed=5))
    for lacking in (c for c in one.columns if c.startswith("lacking_")):
        assert (one[lacking] <= one["persons"]).all()
        assert (one[lacking] >= 0).all()
    with pytest.raises(RangeError, match="1 or more"):
        synthetic_villages(0)


def test_what_rests_on_synthetic_villages_says_so_to_the_end():
    p = programme(synthetic_villages(4, seed=1), "fibre")
    assert p.frontier([0, 1e6]).points["is_synthetic"].all()
    assert price_of_closing(p.demand, p.options, p.links, [0.5])["is_synthetic"].all()
    assert not frontier(*frames(CASE), [5]).points["is_synthetic"].any()


def test_the_price_of_fibre_everywhere_is_households_times_the_price_of_one():
    villages = synthetic_villages(12, seed=2).with_columns(lacking_fibre_persons=pl.lit(5))
    fibre = tables.read("equity_frontier_costs").row(by_predicate=pl.col("service") == "fibre", named=True)
    p = programme(villages, "fibre")
    told = price_of_closing(p.demand, p.options, p.links, [1.0]).row(0, named=True)
    for column, each in (("cost", "cost_cny"), ("cost_lower", "cost_low_cny"), ("cost_upper", "cost_high_cny")):
        assert told[column] == pytest.approx(villages["households"].sum() * fibre[each])


def test_stations_may_be_as_many_as_a_village_needs():
    # 900 without a station, 400 to a station: three of them, and three times the price of one.
    village = synthetic_villages(1).with_columns(lacking_station_persons=pl.lit(900))
    each = tables.read("equity_frontier_costs").row(by_predicate=pl.col("service") == "station", named=True)
    assert each["reach_persons"] == 400
    p = programme(village, "station")
    told = price_of_closing(p.demand, p.options, p.links, [1.0]).row(0, named=True)
    assert (told["cost"], told["status"]) == (3 * each["cost_cny"], "optimal")


def test_sites_reach_as_far_as_declared_and_a_village_its_own_fibre():
    villages = synthetic_villages(15, seed=3)
    reach = tables.read("equity_frontier_costs").row(by_predicate=pl.col("service") == "5g", named=True)["reach_km"]
    xy = dict(zip(villages["area_id"], villages.select("x_km", "y_km").rows(), strict=True))
    links = programme(villages, ["5g", "fibre"]).links
    by_hand = {(f"5g@{a}", b) for a in xy for b in xy if math.dist(xy[a], xy[b]) <= reach}
    assert set(links.rows()) == by_hand | {(f"fibre@{a}", a) for a in xy}


def test_a_place_off_the_plane_is_refused():
    areas = pl.DataFrame({"area_id": ["a"], "x_km": [None], "y_km": [0.0]}, schema_overrides={"x_km": pl.Float64})
    sites = pl.DataFrame({"option_id": ["s"], "x_km": [0.0], "y_km": [0.0]})
    with pytest.raises(DataError, match="no place"):
        covering(areas, sites, 1)
    with pytest.raises(RangeError, match="kilometres"):
        covering(areas, sites, -1)


def test_costs_out_of_order_are_refused():
    table = tables.read("equity_frontier_costs").with_columns(cost_low_cny=pl.lit(10**9))
    with pytest.raises(DataError, match="low, central and high"):
        price.costs(table)
    with pytest.raises(UnknownNameError, match="fibre"):
        programme(synthetic_villages(2), "fiber")
