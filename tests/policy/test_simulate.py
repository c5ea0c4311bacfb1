from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citylab import scale
from citylab.errors import RangeError, SchemaError, UnknownNameError
from citylab.policy.levers import lever
from citylab.policy.runs import Plan, moves_of
from citylab.policy.scenario import Change, Scenario
from citylab.policy.simulate import (
    ACCESS,
    MEASURES,
    MONEY,
    person_state,
    simulate,
)
from citylab.policy.state import SECTORS
from citylab.policy.world import GROUPS
from tests.policy.conftest import MIX


def same(a, b) -> bool:
    return all((a._drawn[n] == b._drawn[n]).all() for n in a._drawn) and a.totals().equals(b.totals())


def test_a_scenario_without_changes_changes_exactly_nothing(world):
    for plan in (Scenario("", ""), Scenario("", "", [Change("building_pv", 0, 2026), Change("transit_fare", 1, 2026)])):
        nothing = simulate(world, plan, draws=10)
        zero = nothing.yearly().select("difference", "lower", "upper", "sd")
        assert (zero.to_numpy() == 0).all()
        for told in (nothing.by_group(g, measure=m).select("difference", "sd") for g in GROUPS for m in MEASURES):
            assert (told.to_numpy() == 0).all()
        assert nothing.per_tonne()["why_not_told"].to_list() == ["no_tonnes"] * 3


def test_money_is_neither_made_nor_lost_in_any_draw_and_year(result):
    money = result._drawn["money"]
    assert np.abs(money.sum(axis=2)).max() < 1e-9 * np.abs(money).max()
    assert money.shape[2] == len(MONEY)


def test_a_seed_gives_one_result_for_any_cut_order_and_number_of_workers(world, result, monkeypatch):
    assert same(result, simulate(world, MIX, draws=40, seed=2))
    backwards = replace(MIX, changes=tuple(reversed(MIX.changes)))
    assert same(result, simulate(world, backwards, draws=40, seed=2))
    monkeypatch.setattr("citylab.policy.simulate.BLOCK", 7)
    cut = simulate(world, MIX, draws=40, seed=2)
    for name, values in result._drawn.items():  # other cuts sum in another order: equal to the last bits
        np.testing.assert_allclose(cut._drawn[name], values, rtol=1e-11, atol=1e-14, err_msg=name)
    with scale.connect(workers=2, processes=False) as client:
        assert same(cut, simulate(world, MIX, draws=40, seed=2, client=client))
    other = simulate(world, MIX, draws=40, seed=3)
    assert not same(result, other)


def test_fewer_draws_are_the_first_of_more(world, result):
    few = simulate(world, MIX, draws=12, seed=2)
    assert (few._drawn["co2_after"] == result._drawn["co2_after"][:12]).all()


def test_a_lever_draws_the_same_numbers_whatever_else_is_done(world):
    # Photovoltaics act on what fares leave, but the money of panels is theirs alone
    alone = simulate(world, Scenario("", "", [Change("building_pv", 2, 2026)]), draws=10)
    fares = simulate(world, Scenario("", "", [Change("transit_fare", 0.5, 2026)]), draws=10)
    both = simulate(
        world, Scenario("", "", [Change("building_pv", 2, 2026), Change("transit_fare", 0.5, 2026)]), draws=10
    )
    np.testing.assert_allclose(both._drawn["money"], alone._drawn["money"] + fares._drawn["money"], rtol=1e-9, atol=1.0)


@settings(max_examples=15, deadline=None)
@given(st.floats(0, 10), st.floats(0, 2), st.floats(0, 1))
def test_no_sector_saves_more_than_it_emits(world, gigawatts, fare, offered):
    plan = Scenario(
        "",
        "",
        [
            Change("building_pv", gigawatts, 2026),
            Change("transit_fare", fare, 2026),
            Change("digital_training", offered, 2026),
        ],
    )
    drawn = simulate(world, plan, draws=6)._drawn
    assert (drawn["co2_after"] >= 0).all()
    assert (drawn["co2"] - drawn["co2_after"] <= drawn["co2"] * (1 + 1e-12)).all()
    assert (drawn["access_after"] <= world.reference.level("persons", 2030) * (1 + 1e-12)).all()


def test_photovoltaics_by_hand(world):
    # Central draw, 2030: 1 GW since 2026 = 4 years old: 1e6 kW x 1250 kWh x 0.995^4 at the average grid factor
    plan = Scenario("", "", [Change("building_pv", 1, 2026)])
    central = Plan(world, moves_of(plan, world.reference.years), 0).replicates()
    k = world.reference.years.index(2030)
    saved = (central["co2"] - central["co2_after"])[0, k].sum()
    assert saved == pytest.approx(1e6 * 1250 * 0.995**4 * 0.52 * 0.97**5 / 1000, rel=1e-9)
    grant = central["money"][0, :, MONEY.index("budget_cny")]
    assert grant[0] == pytest.approx(-1e9 * 3.6 * 0.2) and (grant[1:] == 0).all()


def test_training_reaches_those_left_by_the_year_and_stays_after_its_end(world):
    # Central: k = 0.12 x 0.65 x 0.55 of those offered a year; offered 0.5 from 2026 to 2030: 1 - (1 - k/2)^5 of the
    # older and offline, who are fewer in the reference by then
    plan = Scenario("", "", [Change("digital_training", 0.5, 2026, 2030)])
    central = Plan(world, moves_of(plan, world.reference.years), 0).replicates()
    gained = (central["access_after"] - central["access"])[..., ACCESS.index("online_persons")].mean(axis=0)
    state = world.state(2035)
    offline = state.sum((state["persons"] - state["online_persons"]) * state.cells["is_60_plus"]).item()
    k = 0.5 * 0.12 * 0.65 * 0.55
    assert gained[-1] == pytest.approx(offline * (1 - (1 - k) ** 5), rel=0.02)  # 0.02: replicates of 900 households
    budget = central["money"][0, :, MONEY.index("budget_cny")]
    assert (budget[:5] < 0).all() and (budget[5:] == 0).all()


def test_a_cap_from_mid_year_cuts_that_part_of_the_first_year(world):
    def cut(start):
        drawn = simulate(world, Scenario("", "", [Change("ets_cap", 4, start)]), draws=6)._drawn
        return (drawn["co2"] - drawn["co2_after"])[..., SECTORS.index("industry")]

    whole, part = cut("2026-01-01"), cut("2026-07-02")
    assert (whole[:, 0] > 0).all()
    np.testing.assert_allclose(part[:, 0], whole[:, 0] * 183 / 365, rtol=1e-9)
    np.testing.assert_allclose(part[:, 1:], whole[:, 1:], rtol=1e-12)


def test_own_priors_take_the_place_of_the_declared(world):
    plan = Scenario("", "", [Change("building_pv", 1, 2026)])
    fixed = [replace(p, low=p.central, high=p.central) for p in lever("building_pv").priors]
    narrow, wide = (simulate(world, plan, draws=40, priors=p).totals() for p in ({"building_pv": fixed}, None))
    at = {"quantity": "resource_cny"}
    assert narrow.filter(**at)["sd"].item() < 1e-9 * abs(narrow.filter(**at)["difference"].item())
    assert wide.filter(**at)["sd"].item() > 0


def test_what_cannot_be_run_is_refused(world, persons):
    with pytest.raises(RangeError, match="draws is 0"):
        simulate(world, MIX, draws=0)
    with pytest.raises(RangeError, match="seed is -1"):
        simulate(world, MIX, seed=-1)
    with pytest.raises(RangeError, match="after the reference ends in 2035"):
        simulate(world, Scenario("", "", [Change("building_pv", 1, 2040)]))
    with pytest.raises(SchemaError, match=r"World\.from_persons"):
        simulate(persons, MIX)
    with pytest.raises(RangeError, match="'central' or a number"):
        person_state(persons, MIX, draw=-1)
    with pytest.raises(UnknownNameError, match="'car_km'"):
        person_state(persons, MIX, columns=["car_kms"])


@pytest.mark.parametrize("draws", [1, 2.5, "10", True, None])
def test_a_number_of_draws_that_is_none_is_refused(world, draws):
    with pytest.raises(RangeError, match="whole number of at least 2"):
        simulate(world, MIX, draws=draws)


@pytest.mark.parametrize("seed", [1.5, None, "a", True])
def test_a_seed_that_is_no_whole_number_is_refused(world, seed):
    with pytest.raises(RangeError, match="whole number of 0 or more"):
        simulate(world, MIX, draws=2, seed=seed)


def test_what_is_no_scenario_reference_or_result_is_named(world, result):
    with pytest.raises(SchemaError, match=r"The scenario is dict.*Scenario\.from_dict"):
        simulate(world, MIX.to_dict(), draws=2)
    with pytest.raises(SchemaError, match=r"Reference\.load"):
        simulate(world, MIX, reference=world.reference.path, draws=2)
    with pytest.raises(SchemaError, match="minus got DataFrame"):
        result.minus(result.totals())


def test_priors_that_would_be_left_out_or_are_not_all_there_are_refused(world):
    own = lever("building_pv").priors
    for priors, error, told in (
        ({"building_pw": own}, UnknownNameError, "Unknown lever 'building_pw'"),
        ({"building_pv": own[1:]}, SchemaError, "lack yield_kwh_kwp"),
        ({"building_pv": []}, SchemaError, "lack yield_kwh_kwp, capex_cny_w"),
        ({"building_pv": lever("storage").priors}, SchemaError, "hold storage.round_trip_share"),
        ({"building_pv": [*own, replace(own[0], parameter="yeild_kwh_kwp")]}, SchemaError, "yeild_kwh_kwp; its param"),
        ({"building_pv": pl.DataFrame({"a": [1]})}, SchemaError, "priors_from"),
    ):
        with pytest.raises(error, match=told):
            simulate(world, MIX, priors=priors, draws=2)
    # Those of a lever that the scenario does not move may come along
    assert simulate(world, MIX, priors={"storage": lever("storage").priors}, draws=2).draws == 2
