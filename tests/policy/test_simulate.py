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
from citylab.policy.scenario import Change, Scenario
from citylab.policy.simulate import (
    KIND,
    MEASURES,
    MONEY,
    OUTCOMES,
    PERSON_STATE,
    WELFARE_OUTCOMES,
    YEARLY_OUTCOMES,
    evaluate,
    parameters_of,
    person_state,
    simulate,
)
from citylab.policy.state import SECTORS
from citylab.policy.world import GROUPS, World
from citylab.vocabulary import say

MIX = Scenario(
    "混合",
    "Mix",
    [
        Change("building_pv", 2, 2026, ramp_years=4),
        Change("transit_fare", 0.5, "2027-07-01"),
        Change("digital_training", 0.5, 2026, 2030),
    ],
)


@pytest.fixture(scope="module")
def result(world):
    return simulate(world, MIX, draws=40, seed=2)


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


def test_sectors_and_groups_sum_to_totals(result):
    totals = result.totals()
    co2 = totals.filter(pl.col("quantity") == "co2_t")
    for column in ("reference", "scenario", "difference"):
        parts = co2.filter(pl.col("sector") != "total")[column].sum()
        assert parts == pytest.approx(co2.filter(sector="total")[column].item(), rel=1e-9)
    household = totals.filter(quantity="household_cny")["difference"].item() / len(result.years)
    for group in (*GROUPS, "all"):
        rows = result.by_group(group).filter(outcome="household_cny_person")
        assert (rows["difference"] * rows["persons"]).sum() == pytest.approx(household, rel=1e-9)
    yearly = result.yearly().filter(quantity="co2_t", sector="total")["difference"].sum()
    assert yearly == pytest.approx(co2.filter(sector="total")["difference"].item(), rel=1e-9)


def test_money_is_neither_made_nor_lost_in_any_draw_and_year(result):
    money = result._drawn["money"]
    assert np.abs(money.sum(axis=2)).max() < 1e-9 * np.abs(money).max()
    assert money.shape[2] == len(MONEY)


PRICE = Scenario("", "", [Change("carbon_price", 200, 2026)])


def test_what_society_gains_is_the_money_of_all_and_the_comfort(world, result):
    for run in (result, simulate(world, PRICE, draws=10)):
        difference = dict(run.totals().filter(sector="total").select("quantity", "difference").iter_rows())
        owners = ("household_cny", "budget_cny", "firm_cny", *KIND)
        assert difference["society_cny"] == pytest.approx(sum(difference[n] for n in owners), rel=1e-9)
        households = difference["comfort_cny"] / len(run.years)
        for group in (*GROUPS, "all"):
            rows = run.by_group(group, measure="welfare")
            assert set(rows["outcome"]) == set(WELFARE_OUTCOMES) and set(rows["gain_measure"]) == {"welfare"}
            comfort = rows.filter(outcome="comfort_cny_person")
            assert (comfort["difference"] * comfort["persons"]).sum() == pytest.approx(households, rel=1e-9)
            both = rows.filter(outcome="welfare_cny_person")["difference"] - comfort["difference"]
            money = run.by_group(group).filter(outcome="household_cny_person")["difference"]
            np.testing.assert_allclose(both, money, rtol=1e-9, atol=1e-9)


def test_energy_not_bought_under_a_price_is_no_gain_of_society(world):
    run = simulate(world, PRICE, draws=40)
    costs = {row["cost_kind"]: row for row in run.per_tonne().iter_rows(named=True)}
    assert costs["resource"]["cny_t"] < 0 < costs["society"]["cny_t"]
    money = dict(zip(MONEY, np.moveaxis(run._drawn["money"], 2, 0), strict=True))
    assert (run._drawn["kind"].sum(axis=2) < money["resource_cny"]).all(), "society pays in every draw and year"
    # At most the price and the taxes on what is given up: a tonne of petrol carries 0.18 / 0.19 CNY/kg of tax
    assert costs["society"]["cny_t"] < 200 + 1000
    assert (run.by_group(measure="welfare").filter(outcome="gaining_share")["difference"] == 0).all()


def test_who_may_not_drive_has_more_in_the_purse_and_is_worse_off(world):
    run = simulate(world, Scenario("", "", [Change("driving_restriction", 2, 2026)]), draws=10)
    all_by = {m: {r["outcome"]: r for r in run.by_group("all", measure=m).iter_rows(named=True)} for m in MEASURES}
    assert all_by["money"]["household_cny_person"]["difference"] > 0
    assert all_by["welfare"]["welfare_cny_person"]["difference"] < 0
    assert all_by["welfare"]["gaining_share"]["difference"] == 0.0 < all_by["welfare"]["losing_share"]["difference"]
    with pytest.raises(UnknownNameError, match="'welfare'"):
        run.by_group("all", measure="wellfare")


def test_parts_of_the_uncertainty_sum_to_the_total_shown(result):
    for frame in (result.totals(), result.yearly(), result.by_group("adcode")):
        parts = frame["sd_sampling"] ** 2 + frame["sd_parameter"] ** 2 + frame["sd_model"] ** 2
        np.testing.assert_allclose(parts, frame["sd"] ** 2, rtol=1e-9, atol=1e-300)
        assert (frame["lower"] <= frame["upper"]).all()


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
    from citylab.policy.simulate import _moves, _Plan

    central = _Plan(world, _moves(plan, world.reference.years), 0).replicates()
    k = world.reference.years.index(2030)
    saved = (central["co2"] - central["co2_after"])[0, k].sum()
    assert saved == pytest.approx(1e6 * 1250 * 0.995**4 * 0.52 * 0.97**5 / 1000, rel=1e-9)
    grant = central["money"][0, :, MONEY.index("budget_cny")]
    assert grant[0] == pytest.approx(-1e9 * 3.6 * 0.2) and (grant[1:] == 0).all()


def test_training_reaches_those_left_by_the_year_and_stays_after_its_end(world):
    # Central: k = 0.12 x 0.65 x 0.55 of those offered a year; offered 0.5 from 2026 to 2030: 1 - (1 - k/2)^5 of the
    # older and offline, who are fewer in the reference by then
    plan = Scenario("", "", [Change("digital_training", 0.5, 2026, 2030)])
    from citylab.policy.simulate import ACCESS, _moves, _Plan

    central = _Plan(world, _moves(plan, world.reference.years), 0).replicates()
    gained = (central["access_after"] - central["access"])[..., ACCESS.index("online_persons")].mean(axis=0)
    state = world.state(2035)
    offline = state.sum((state["persons"] - state["online_persons"]) * state.cells["is_60_plus"]).item()
    k = 0.5 * 0.12 * 0.65 * 0.55
    assert gained[-1] == pytest.approx(offline * (1 - (1 - k) ** 5), rel=0.02)  # 0.02: replicates of 900 households
    budget = central["money"][0, :, MONEY.index("budget_cny")]
    assert (budget[:5] < 0).all() and (budget[5:] == 0).all()


def test_a_ratio_to_tonnes_that_may_be_none_is_not_printed(world):
    plan = Scenario("", "", [Change("digital_training", 1, 2026)])
    row = simulate(world, plan, draws=20).per_tonne().row(0, named=True)
    assert row["cny_t"] is None and row["why_not_told"] == "no_tonnes"
    dearer = simulate(world, Scenario("", "", [Change("transit_fare", 2, 2026)]), draws=60).per_tonne()
    assert dearer["cny_t"].null_count() == 3 and set(dearer["why_not_told"]) <= {"covers_zero", "emissions_rise"}
    for reason in ("no_tonnes", "covers_zero", "emissions_rise"):
        assert say(f"policy_{reason}", "zh") != say(f"policy_{reason}", "en")
    pv = simulate(world, Scenario("", "", [Change("building_pv", 1, 2026)]), draws=20).per_tonne()
    assert pv["why_not_told"].null_count() == 3 and (pv["lower"] <= pv["upper"]).all()


def test_a_cap_that_does_not_bind_in_a_few_draws_still_has_an_interval_of_its_cost(world):
    plan = Scenario("", "", [Change("ets_cap", 8, 2026)])
    run = simulate(world, plan, draws=200)
    binds = run._drawn["co2_after"].sum(axis=(1, 2)) < run._drawn["co2"].sum(axis=(1, 2))
    assert 0.9 < binds.mean() < 1
    row = run.per_tonne().row(0, named=True)
    assert 0 < row["lower"] < row["cny_t"] < row["upper"] < np.inf


def test_the_rival_models_of_the_grid_are_told_as_model_uncertainty(world):
    total = simulate(world, Scenario("", "", [Change("building_pv", 2, 2026)]), draws=200).totals()
    row = total.filter(quantity="co2_t", sector="total").row(0, named=True)
    # Average 0.43 against fossil 0.80 kg/kWh over the years: half their distance of 0.37 on a mean of 0.61
    assert row["sd_model"] / abs(row["difference"]) == pytest.approx(0.30, abs=0.05)
    assert row["sd_sampling"] < 1e-9 * row["sd"]


def test_winners_and_losers_are_shares_and_cheaper_fares_make_no_loser(result):
    groups = result.by_group("income_decile")
    shares = groups.filter(pl.col("outcome").is_in(["gaining_share", "losing_share"]))
    assert ((shares["difference"] >= 0) & (shares["difference"] <= 1 + 1e-12)).all()
    assert (groups.filter(outcome="losing_share")["difference"] == 0).all()
    assert groups["level"].n_unique() == 10 and set(groups["outcome"]) == set(OUTCOMES)
    with pytest.raises(UnknownNameError, match="'income_decile'"):
        result.by_group("decile")


def test_persons_one_by_one_sum_to_the_run_of_cells(persons, world):
    from citylab.policy.simulate import _moves, _Plan

    state = person_state(persons, MIX)
    assert state.height == persons.height * 10 and set(PERSON_STATE) <= set(state.columns)
    each = world.reference.level("persons", 2025) / persons.height
    sums = state.group_by("year").agg(pl.col("household_cny", "car_km", "online_persons").sum() * each).sort("year")
    weightless = World(world.table.with_columns(sample_households=pl.lit(1e15)), world.reference)
    central = _Plan(weightless, _moves(MIX, world.reference.years), 0).replicates()
    np.testing.assert_allclose(sums["household_cny"], central["money"][0, :, 0], rtol=1e-6)
    by_year = [world.state(y, factored=False) for y in world.reference.years]
    reference = person_state(persons, Scenario("", ""), columns=["car_km"])
    totals = reference.group_by("year").agg(pl.col("car_km").sum() * each).sort("year")["car_km"]
    np.testing.assert_allclose(totals, [s.total("car_km").item() for s in by_year], rtol=1e-9)


def test_a_person_of_a_draw_is_the_person_of_that_draw_in_a_run(persons, world):
    each = world.reference.level("persons", 2025) / persons.height
    run = simulate(world, MIX, draws=6, seed=2)
    asked = {"draw": 4, "seed": 2, "years": [2030], "columns": ["household_cny", "service_persons"]}
    state = person_state(persons, MIX, **asked)
    again = person_state(World.from_persons(persons, collapse=False), MIX, **asked)
    assert again.drop("person_id").equals(state.drop("person_id"))
    k = world.reference.years.index(2030)
    assert state["household_cny"].sum() * each == pytest.approx(run._drawn["money"][4, k, 0], rel=1e-9)
    assert state["service_persons"].sum() * each == pytest.approx(run._drawn["access_after"][4, k, 3], rel=1e-9)


def test_two_scenarios_are_compared_on_the_same_draws(world, result):
    fares = simulate(world, Scenario("", "", [c for c in MIX.changes if c.lever == "transit_fare"]), draws=40, seed=2)
    more = result.minus(fares)
    for column in ("scenario", "difference"):
        first, second = (r.totals()[column] for r in (result, fares))
        expected = first if column == "scenario" else first - second
        np.testing.assert_allclose(more[column], expected, rtol=1e-9, atol=1e-3)
    # The panels' grant is all that the budgets differ in beside training: the noise of fares is gone
    row = more.filter(quantity="budget_cny").row(0, named=True)
    assert row["sd"] < 0.2 * result.totals().filter(quantity="budget_cny")["sd"].item()
    with pytest.raises(RangeError, match="draws is 40 here and 10 there"):
        result.minus(simulate(world, MIX, draws=10, seed=2))


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


def test_a_result_shows_itself_as_a_table_that_says_synthetic(result):
    html = result._repr_html_()
    assert "混合 / Mix" in html and "ynthetic" in html and "<table" in html
    assert set(SECTORS) < set(result.tidy()["sector"])


def test_the_model_part_of_a_difference_holds_the_rival_models_of_both_scenarios(world):
    # Only the restriction has rival models of its own; which scenario is taken from which cannot change a variance.
    fares = simulate(world, Scenario("", "", [Change("transit_fare", 0.5, 2026)]), draws=80)
    days = simulate(world, Scenario("", "", [Change("driving_restriction", 2, 2026)]), draws=80)
    one, other = fares.minus(days), days.minus(fares)
    for column in ("sd", "sd_sampling", "sd_parameter", "sd_model"):
        np.testing.assert_allclose(one[column], other[column], rtol=1e-9, atol=1e-9, err_msg=column)
    road = one.filter(quantity="co2_t", sector="road_passenger")["sd_model"].item()
    assert road > 0
    alone = days.totals().filter(quantity="co2_t", sector="road_passenger")["sd_model"].item()
    assert road == pytest.approx(alone, rel=0.5)


def test_draws_of_a_quantity_are_what_means_and_years_are_made_of(result):
    for year, told in ((None, result.totals()), (2030, result.yearly().filter(year=2030))):
        for quantity, sector in (("co2_t", "total"), ("co2_t", "transit"), ("household_cny", "total")):
            drawn = result.draws_of(quantity, sector, year)
            row = told.filter(quantity=quantity, sector=sector).row(0, named=True)
            assert drawn.height == 2 * result.draws and drawn["is_synthetic"].all()
            means = dict(drawn.group_by("run").agg(pl.col("value").mean()).iter_rows())
            assert means["reference"] == pytest.approx(row["reference"], rel=1e-12, abs=1e-6)
            assert means["scenario"] == pytest.approx(row["scenario"], rel=1e-12, abs=1e-6)
            assert drawn["unit"].unique().to_list() == [row["unit"]]
    with pytest.raises(UnknownNameError, match="Unknown quantity 'co2'"):
        result.draws_of("co2")
    with pytest.raises(UnknownNameError, match="sector of 'pm25_ugm3'"):
        result.draws_of("pm25_ugm3", "transit")
    with pytest.raises(RangeError, match="2026 to 2035; asked was 2050"):
        result.draws_of("co2_t", year=2050)


def test_groups_of_a_year_add_up_to_the_city_in_that_year(result):
    told = result.yearly()
    for year in (2026, 2029, 2035):
        for outcome, quantity in (("household_cny_person", "household_cny"), ("comfort_cny_person", "comfort_cny")):
            measure = "money" if outcome in YEARLY_OUTCOMES["money"] else "welfare"
            groups = result.by_group("adcode", measure=measure, year=year).filter(outcome=outcome)
            city = told.filter(year=year, quantity=quantity)["difference"].item()
            # Persons are constant in number in the reference
            assert (groups["difference"] * groups["persons"]).sum() == pytest.approx(city, rel=1e-9, abs=1)
    last = result.by_group("age_band", year=2035).filter(outcome="online_share")["difference"]
    assert last.to_list() == result.by_group("age_band").filter(outcome="online_share")["difference"].to_list()
    early = result.by_group("age_band", year=2026).filter(outcome="online_share")["difference"]
    assert (early <= last).all() and early.sum() < last.sum()
    with pytest.raises(RangeError, match="asked was 2040"):
        result.by_group("age_band", year=2040)


def test_evaluate_at_the_engines_own_parameters_gives_its_draws(world):
    plan = Scenario(
        "", "", [Change("driving_restriction", 2, 2026), Change("carbon_price", 100, 2027, ramp_years=3), *MIX.changes]
    )
    run = simulate(world, plan, draws=12, seed=3)
    made = evaluate(world, plan, parameters_of(world, plan, 2030, draws=12, seed=3), 2030)
    for quantity in made.columns:
        drawn = run.draws_of(quantity, year=2030)
        before, after = (drawn.filter(run=name)["value"].to_numpy() for name in ("reference", "scenario"))
        np.testing.assert_allclose(made[quantity], after - before, rtol=1e-8, atol=1e-9 * np.abs(after).max())
    some = parameters_of(world, plan, 2030, draws=5, seed=3, start=7)
    np.testing.assert_allclose(evaluate(world, plan, some, 2030)["co2_t"], made["co2_t"][7:], rtol=1e-9)


def test_evaluate_takes_rival_models_by_place_and_their_parameters_by_name(world):
    plan = Scenario("", "", [Change("driving_restriction", 2, 2026)])

    def saved(**cases):
        return evaluate(world, plan, {name.replace("__", "."): v for name, v in cases.items()}, 2026)["co2_t"].to_list()

    first, second = saved(driving_restriction__variant=[0.0, 1.9])
    central = {p.variant: p.central for p in lever("driving_restriction").priors if p.parameter == "effect_share"}
    again = saved(driving_restriction__effect_share=[central["published"], central["draft"]])
    assert first != second and again == pytest.approx([first, second], rel=1e-12)
    own = saved(driving_restriction__variant=[0.0, 1.0], driving_restriction__effect_share__draft=[0.0, 0.0])
    assert own[0] == pytest.approx(first, rel=1e-12) and own[1] != pytest.approx(second)
    panels = Scenario("", "", [Change("building_pv", 1, 2026)])
    average, margin = evaluate(world, panels, {"grid_variant": [0, 1]}, 2026)["co2_t"]
    assert margin < average < 0


def test_parameters_that_cannot_be_are_told(world):
    plan = Scenario("", "", [Change("building_pv", 1, 2026)])
    for cases, year, error, told in (
        ({"transit_fare.x": [1.0]}, 2026, UnknownNameError, "Unknown parameter 'transit_fare.x'"),
        ({"building_pv.yield_kwh_kwp": [np.nan]}, 2026, RangeError, "one finite number a case"),
        ({"building_pv.yield_kwh_kwp": [1.0], "grid_variant": [0, 1]}, 2026, SchemaError, "different numbers"),
        ({"grid_variant": [2.0]}, 2026, RangeError, "models 0 to 1"),
        ({}, 2026, SchemaError, "no parameters"),
        ({"grid_variant": [0.0]}, 2060, RangeError, "asked was 2060"),
    ):
        with pytest.raises(error, match=told):
            evaluate(world, plan, cases, year)
