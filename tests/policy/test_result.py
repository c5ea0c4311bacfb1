from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import citylab as cl
from citylab.errors import RangeError, UnknownNameError
from citylab.policy.reference import Reference
from citylab.policy.scenario import Change, Scenario
from citylab.policy.simulate import (
    ACCESS,
    KIND,
    MEASURES,
    MONEY,
    OUTCOMES,
    WELFARE_OUTCOMES,
    YEARLY_OUTCOMES,
    simulate,
)
from citylab.policy.state import SECTORS
from citylab.policy.world import GROUPS
from citylab.vocabulary import say
from tests.policy.conftest import MIX, some_changes


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


PRICE = Scenario("", "", [Change("carbon_price", 200, 2026)])


@settings(max_examples=12, deadline=None)
@given(some_changes(), st.integers(0, 99))
def test_identities_hold_under_any_scenario(world, changes, seed):
    run = simulate(world, Scenario("", "", changes), draws=4, seed=seed)
    for outputs in (run._drawn, run._replicates):
        flows, kind = outputs["money"], outputs["kind"]
        assert (np.abs(flows.sum(axis=2)) <= 1e-9 * np.abs(flows).sum(axis=2)).all(), "money"
        assert (outputs["co2_after"] >= 0).all() and (outputs["pm25_after"] > 0).all()
        persons = world.groups["persons"].to_numpy()
        # Yearly: money, online, covered, services, money and comfort, comfort of every group of each grouping
        told = outputs["group_year"] * persons[:, None]
        change = outputs["access_after"] - outputs["access"]
        city = [flows[..., 0], *(change[..., ACCESS.index(n)] for n in ("online_persons", "covered_persons",
                "service_persons")), flows[..., 0] + kind[..., 0], kind[..., 0]]  # fmt: skip
        size = [np.abs(flows).sum(axis=2), *[outputs["access"][..., 0]] * 3, *[np.abs(flows).sum(axis=2)] * 2]
        for group in ("all", *GROUPS):
            if outputs is run._replicates and group != "all":
                continue  # the persons of a group are what its replicates say
            inside = (run._groups["group"] == group).to_numpy()
            sums = told[:, :, inside].sum(axis=2)
            for i, (expected, scale_) in enumerate(zip(city, size, strict=True)):
                assert (np.abs(sums[..., i] - expected) <= 1e-9 * scale_ + 1e-6).all(), (group, i)
    yearly, totals = run.yearly(), run.totals()
    for frame in (yearly.filter(year=2030), totals):
        co2 = frame.filter(quantity="co2_t")
        parts, total = co2.filter(pl.col("sector") != "total"), co2.filter(sector="total")
        for column in ("reference", "scenario", "difference"):
            size_ = total["reference"].item()
            assert parts[column].sum() == pytest.approx(total[column].item(), rel=1e-9, abs=1e-9 * size_)
        money = dict(frame.filter(sector="total").select("quantity", "difference").iter_rows())
        size_ = sum(abs(money[n]) for n in (*MONEY, *KIND))
        assert sum(money[n] for n in MONEY) == pytest.approx(0.0, abs=1e-9 * size_ + 1e-9)
        owners = ("household_cny", "budget_cny", "firm_cny", *KIND)
        assert money["society_cny"] == pytest.approx(sum(money[n] for n in owners), abs=1e-9 * size_ + 1e-9)
    summed = yearly.filter(pl.col("unit").is_in(["t", "CNY"])).group_by("quantity", "sector").agg(pl.sum("difference"))
    for row in summed.join(totals, on=["quantity", "sector"]).iter_rows(named=True):
        assert row["difference"] == pytest.approx(row["difference_right"], rel=1e-9, abs=1e-3)


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


def by_hand(result, drawn, replicates, variants):
    """Return what a result tells of one quantity of which all draws and replicates are given."""
    made = replace(
        result, draws=len(drawn), _drawn={"variants": np.array(variants, dtype=float).reshape(len(drawn), -1)}
    )
    told = made._spread(np.array(drawn, dtype=float)[:, None], np.array(replicates, dtype=float)[:, None])
    return {name: values.item() for name, values in told.items()}


def test_the_parts_of_a_variance_by_hand(result):
    # Two rival models with means 2 and 6, three draws of each one off: variance (9 + 4 + 1 + 1 + 4 + 9) / 5 = 5.6.
    # Left over within models 4, on 6 - 1 - 1 degrees of freedom 1: the parameters' part; 4.6 is the models'.
    # Replicates 9, 10, 11, 12: variance (2.25 + 0.25) x 2 / 3 = 5 / 3.
    told = by_hand(result, [1, 2, 3, 5, 6, 7], [9, 10, 11, 12], [0, 0, 0, 1, 1, 1])
    assert told["difference"] == 4.0
    assert told["sd_model"] ** 2 == pytest.approx(4.6)
    assert told["sd_parameter"] ** 2 == pytest.approx(1.0)
    assert told["sd_sampling"] ** 2 == pytest.approx(5 / 3)
    assert told["sd"] ** 2 == pytest.approx(5.6 + 5 / 3)
    # Each draw with the deviation of one replicate (-1.5, -0.5, 0.5, 1.5, -1.5, -0.5): -0.5, 1.5, 3.5, 6.5,
    # 4.5, 6.5; of these sorted the middle 90 % runs from place 0.25 to place 4.75 of 5
    assert told["lower"] == pytest.approx(-0.5 + 0.25 * 2.0)
    assert told["upper"] == pytest.approx(6.5)


def test_a_model_that_makes_no_difference_has_no_part(result):
    # The means of both models are 2; adjusted for degrees of freedom what they explain is below nothing
    told = by_hand(result, [1, 2, 3, 1, 2, 3], [5, 5], [0, 0, 0, 1, 1, 1])
    assert told["sd_model"] == 0.0 and told["sd_sampling"] == 0.0
    assert told["sd_parameter"] ** 2 == pytest.approx(4 / 5)


def test_two_choices_between_models_are_both_theirs(result):
    # 10 for the one choice and 1 for the other, nothing else: all of the variance is the models'
    first, second = [0, 0, 1, 1] * 2, [0, 1] * 4
    drawn = [10 * a + b for a, b in zip(first, second, strict=True)]
    told = by_hand(result, drawn, [0, 0], np.column_stack([first, second]))
    assert told["sd_model"] ** 2 == pytest.approx((100 + 1) * 8 / 4 / 7)
    assert told["sd_parameter"] == pytest.approx(0.0, abs=1e-6)


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
    plan = Scenario("", "", [Change("ets_cap", 7, 2026)])
    run = simulate(world, plan, draws=200)
    binds = run._drawn["co2_after"].sum(axis=(1, 2)) < run._drawn["co2"].sum(axis=(1, 2))
    assert 0.95 < binds.mean() < 1, "more often than the lower end of the interval"
    row = run.per_tonne().row(0, named=True)
    assert 0 < row["lower"] < row["cny_t"] < row["upper"] < np.inf


@pytest.mark.parametrize("cap", [6, 8, 9, 10, 14])
def test_draws_that_save_nothing_save_nothing_to_the_last_bit(world, cap):
    # What industry emits hangs on no sample: in draws in which the cap does not bind, tonnes and money are just 0.
    # Whether a tonne has a cost must not hang on the sign of a rounding.
    run = simulate(world, Scenario("", "", [Change("ets_cap", cap, "2026-07-01")]), draws=200)
    row = run.totals().filter(quantity="co2_t", sector="total").row(0, named=True)
    assert row["sd_sampling"] == 0.0 and row["upper"] <= 0.0
    free = (run._drawn["co2"] == run._drawn["co2_after"]).all(axis=(1, 2)).mean()
    costs = run.per_tonne()
    assert (costs["cny_t"].null_count() == 3) == (row["upper"] == 0.0)
    assert (row["upper"] == 0.0) == (free > 0.05)
    if free < 0.05:
        resource = costs.filter(cost_kind="resource")
        # No cut is dearer than the steepest slope, half of it on average
        assert 0 < resource["lower"].item() < resource["upper"].item() < 4000 / 2


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


def test_a_result_shows_itself_as_a_table_that_says_synthetic_and_what_it_rests_on(result):
    html = result._repr_html_()
    assert "混合 / Mix" in html and "ynthetic" in html and "<table" in html
    assert set(SECTORS) < set(result.tidy()["sector"])
    for lang in ("zh", "en"):
        assert len(result.assumed(lang)) == len(result.assumptions) + 1
    assert all(sentence in html for sentence in result.assumed())
    marked = replace(result, scenario=Scenario("<b>", "<script>"))._repr_html_()
    assert "<script>" not in marked and "&lt;script&gt;" in marked


def test_tonnes_are_told_beside_what_official_figures_imply(world, result):
    # 0.42 t for 10 000 CNY x 36 102.6亿元 = 151.6 Mt of 2020, as two embedded tables have it
    facts = cl.load("bjstats__yearly_city_indicator").collect().filter(year=2020)
    intensity, product = (facts.filter(indicator=n)["value"].item() for n in ("co2_intensity", "gdp_first_published"))
    year, tonnes = result.official_co2_t
    assert (year, tonnes) == (2020, pytest.approx(intensity * product * 1e4, rel=1e-3))
    first = result.yearly().filter(year=2026, quantity="co2_t", sector="total")["reference"].item()
    for lang, words in (("en", "is not explained"), ("zh", "没有解释")):
        note = result.level_note(lang)
        assert words in note and f" {first / 1e6:.0f} Mt" in note and " 152 Mt" in note and "2020" in note
    rules = world.reference.rules.filter(~pl.col("rule").str.starts_with("official"))
    other = simulate(world, MIX, reference=Reference.load(rules=rules), draws=2)
    assert other.level_note() is None and len(other.assumed()) == len(other.assumptions)


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
