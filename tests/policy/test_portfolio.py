from __future__ import annotations

import datetime as dt
from itertools import product

import polars as pl
import pytest

from citylab.errors import DataError, RangeError, UnknownNameError
from citylab.policy.portfolio import portfolio
from citylab.policy.scenario import Change, Scenario
from citylab.policy.simulate import simulate

OPTIONS = {"building_pv": [0.5, 1.5, 4.0], "transit_fare": [0.9, 0.7], "digital_training": [0.5, 1.0]}
RUN = {"draws": 16, "seed": 4}


@pytest.fixture(scope="module")
def best(world):
    return portfolio(world, OPTIONS, 1.5e9, **RUN)


def test_the_choice_is_the_best_of_all_combinations_run_by_hand(world, best):
    assert best.is_grid_whole and best.grid.height == 4 * 3 * 3
    own = best.grid.filter("is_chosen")["levers"].item().to_list()
    assert {(c["lever"], c["value"]) for c in own} == {(c.lever, c.value) for c in best.scenario.changes}
    assert best.grid["levers"].list.len().min() == 0, "the reference is one of them"
    found = []
    for values in product(*([None, *v] for v in OPTIONS.values())):
        picked = [Change(n, v, 2026) for n, v in zip(OPTIONS, values, strict=True) if v is not None]
        totals = simulate(world, Scenario("", "", picked), **RUN).totals()
        cost = -totals.filter(quantity="budget_cny")["difference"].item()
        gain = -totals.filter(quantity="co2_t", sector="total")["difference"].item()
        if cost <= 1.5e9:
            found.append((gain, tuple(sorted((c.lever, c.value) for c in picked))))
    gain, levers = max(found)
    assert best.gain == pytest.approx(gain, rel=1e-9) and best.regret == 0.0
    assert {c.lever for c in best.scenario.changes} <= {n for n, _ in levers}


def test_the_joint_run_keeps_to_the_budget_and_carries_it(best):
    assert best.cost_cny <= best.budget_cny == best.scenario.budget_cny == 1.5e9
    assert 0 <= best.within_budget_share <= 1
    assert best.result.scenario == best.scenario
    assert best.options.filter("is_chosen").height == len(best.scenario.changes)
    assert best.options.filter("is_chosen")["lever"].n_unique() == len(best.scenario.changes)
    who = best.result.by_group("income_decile")
    assert who["level"].n_unique() == 10


def test_money_that_a_lever_brings_in_is_not_spent_on_others(world):
    # A carbon price brings in far more than panels take, and 4 GW cost several times the budget of 400 million
    levers = {"carbon_price": [120.0], "building_pv": [4.0]}
    found = portfolio(world, levers, 4e8, **RUN)
    alone = dict(found.options.select("lever", "cost_cny").iter_rows())
    assert alone["carbon_price"] < -4e8 and alone["building_pv"] > 4e8
    assert [c.lever for c in found.scenario.changes] == ["carbon_price"]
    assert found.cost_cny == pytest.approx(alone["carbon_price"])
    assert found.spent_cny == pytest.approx(0, abs=1) and found.within_budget_share == 1
    both = found.grid.filter(pl.col("levers").list.len() == 2).row(0, named=True)
    assert both["cost_cny"] < 0 < 4e8 < both["spent_cny"] and not both["is_within_budget"]
    # The two hardly touch each other, so that both spend what the panels alone do
    assert both["spent_cny"] == pytest.approx(alone["building_pv"], rel=0.01)
    assert found.regret == 0, "what cannot be paid for is not regretted"
    rich = portfolio(world, levers, 4e9, **RUN)
    assert {c.lever for c in rich.scenario.changes} == set(levers)
    assert rich.spent_cny == pytest.approx(both["spent_cny"])


def test_without_such_levers_what_is_spent_is_the_cost(best):
    assert best.spent_cny == pytest.approx(best.cost_cny)
    assert best.grid["spent_cny"].to_list() == pytest.approx(best.grid["cost_cny"].to_list(), abs=1e-3)
    assert best.within_budget_share == best.result.budget_share(best.budget_cny)


def test_another_objective_gives_another_choice(world):
    online = portfolio(world, OPTIONS, 5e9, objective="online_persons", max_grid=4, **RUN)
    assert [c.lever for c in online.scenario.changes] == ["digital_training"]
    assert not online.is_grid_whole and online.grid.height <= 4
    assert "digital_training" in online._repr_html_() or "数字技能" in online._repr_html_()


def test_money_that_buys_nothing_leaves_the_reference(world):
    none = portfolio(world, {"transit_fare": [0.5], "building_pv": [5]}, 1.0, start=dt.date(2027, 1, 1), **RUN)
    assert none.scenario.changes == () and none.gain == 0 and none.cost_cny == 0


def test_what_cannot_be_chosen_is_refused(world):
    with pytest.raises(RangeError, match="5e9 for 50亿元"):
        portfolio(world, OPTIONS, 0.0)
    with pytest.raises(UnknownNameError, match="'co2_t'"):
        portfolio(world, OPTIONS, 1e9, objective="co2")
    with pytest.raises(UnknownNameError, match="'building_pv'"):
        portfolio(world, {"building_p": [1]}, 1e9)
    with pytest.raises(DataError, match="no option that differs"):
        portfolio(world, {"building_pv": [0]}, 1e9)
    with pytest.raises(DataError, match="No option gains"):
        portfolio(world, {"digital_training": [1]}, 1e9, **RUN)
