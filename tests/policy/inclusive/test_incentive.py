"""The designer: nothing paid changes nothing, parts add up, planted answers come back, and nonsense is refused."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.incentive import (
    ANYWAY,
    MODES,
    ONE_TO_ONE,
    PLANTED,
    POINTS,
    as_activities,
    counted,
    synthetic_trips,
    true_extra,
    within,
)
from citylab import tables
from citylab.carbon.inclusive.methodologies import methodology
from citylab.errors import DataError, RangeError, RefusalError, SchemaError, UnknownNameError
from citylab.policy.inclusive import choice, incentive
from citylab.policy.inclusive.incentive import ADDITIVE, Incentive, IncentiveOutcome, conversion, curve, design

DRAWS = 60
SURE = pl.DataFrame({"mark": ["verified", "secondary", "from memory"], "half_width_pct": [0.0, 0.0, 0.0]})
"""Factors without uncertainty."""


def trips_of(*rows: tuple[str, float]) -> pl.DataFrame:
    """Trips of a mode and length, by people who make one each."""
    told = pl.DataFrame(rows, schema=["act", "distance_km"], orient="row")
    morning = dt.datetime(2025, 3, 3, 8)
    return incentive.with_alternatives(
        told.with_columns(
            account=pl.int_range(pl.len()).cast(pl.String), start_local=pl.lit(morning), age_years=pl.lit(40),
            start_adcode=pl.lit("110105"), is_hesitant=pl.col("act") == "car",
        )
    )  # fmt: skip


@pytest.fixture(scope="module")
def trips() -> pl.DataFrame:
    """600 synthetic trips by five modes, two by each person, one before and one after noon."""
    rng = np.random.default_rng(0)
    modes = rng.choice(["walk", "cycle", "bus", "metro", "car"], 600, p=[0.3, 0.15, 0.15, 0.15, 0.25])
    km = np.where(modes == "walk", 1.0, 7.0) * np.exp(0.5 * rng.standard_normal(600))
    told = trips_of(*zip(modes.tolist(), km.tolist(), strict=True))
    number = pl.int_range(pl.len())
    noon = pl.lit(dt.datetime(2025, 3, 3, 9)) + pl.duration(hours=5 * (number % 2))
    return told.with_columns(account=(number // 2).cast(pl.String), start_local=noon, age_years=20 + number % 60)


def once(trips: pl.DataFrame, what: Incentive, **options: object) -> IncentiveOutcome:
    return design(trips, what, n_draws=DRAWS, **options)  # type: ignore[arg-type]


# invariants


def test_nothing_paid_changes_nothing_and_costs_nothing(trips: pl.DataFrame) -> None:
    told = once(trips, Incentive(0.0, modes=("metro",)))
    for quantity in ("extra_trips", "budget", "budget_extra", "extra_mean_t", "extra_replacement_t"):
        np.testing.assert_allclose(told.drawn[quantity], 0, atol=1e-9)
    assert math.isnan(told.value("cny_per_extra_mean_t"))
    assert told.tidy().filter(quantity="cny_per_extra_mean_t")["value"].item() is None
    assert told.value("anyway_trips") == (trips["act"] == "metro").sum()


@pytest.mark.parametrize("per", ["trip", "kg"])
@pytest.mark.parametrize("cap", [None, 1])
def test_trips_and_budget_are_the_sum_of_their_parts_in_every_draw(
    trips: pl.DataFrame, per: str, cap: int | None
) -> None:
    told = once(trips, Incentive(0.7, modes=("metro", "bus"), per=per, cap_trips=cap)).drawn  # type: ignore[arg-type]
    np.testing.assert_allclose(told["extra_trips"] + told["anyway_trips"], told["paid_trips"])
    np.testing.assert_allclose(told["budget_extra"] + told["budget_anyway"], told["budget"])
    assert all((told[q] >= -1e-12).all() for q in ADDITIVE if q != "extra_replacement_t")


def test_a_payment_a_trip_costs_the_amount_times_the_trips_paid_for(trips: pl.DataFrame) -> None:
    told = once(trips, Incentive(0.7, modes=("metro", "bus"))).drawn
    np.testing.assert_allclose(told["budget"], 0.7 * told["paid_trips"])


def test_a_payment_a_kilogram_costs_the_amount_times_what_the_scheme_books(trips: pl.DataFrame) -> None:
    told = once(trips, Incentive(0.7, modes=("metro", "bus"), per="kg"), uncertainty=SURE).drawn
    np.testing.assert_allclose(told["budget"], 0.7 * told["credited_t"] * 1000)


def test_a_larger_payment_brings_more_extra_trips_in_every_draw(trips: pl.DataFrame) -> None:
    small, large = (once(trips, Incentive(a, modes=("metro",))).drawn["extra_trips"] for a in (0.5, 1.0))
    assert (large > small).all()


def test_trips_made_anyway_are_counted_not_estimated(trips: pl.DataFrame) -> None:
    told = once(trips, Incentive(0.5, modes=("metro",), hours=((9, 12),)))
    morning = trips.filter(pl.col("start_local").dt.hour() < 12, pl.col("act") == "metro").height
    np.testing.assert_allclose(told.drawn["anyway_trips"], morning)
    assert told.eligible_count == 300


@pytest.mark.parametrize(
    ("narrow", "kept"),
    [
        ({"min_age": 60}, pl.col("age_years") >= 60),
        ({"max_age": 59}, pl.col("age_years") <= 59),
        ({"hours": ((9, 10), (20, 24))}, pl.col("start_local").dt.hour() == 9),
        ({"where": pl.col("distance_km") > 5}, pl.col("distance_km") > 5),
    ],
)
def test_only_eligible_trips_count(trips: pl.DataFrame, narrow: dict[str, object], kept: pl.Expr) -> None:
    told = once(trips, replace(Incentive(0.5, modes=("metro",)), **narrow))
    assert told.eligible_count == trips.filter(kept).height
    assert told.value("anyway_trips") == pytest.approx(trips.filter(kept, pl.col("act") == "metro").height)


def test_parts_of_the_people_add_up_to_all_of_them(trips: pl.DataFrame) -> None:
    # The constants are set on all trips each time, so the draws are the same ones.
    whole, young, old = (
        once(trips, Incentive(0.5, modes=("metro",), **ages)).drawn for ages in ({}, {"max_age": 59}, {"min_age": 60})
    )
    for quantity in ADDITIVE:
        np.testing.assert_allclose(young[quantity] + old[quantity], whole[quantity], rtol=1e-9, atol=1e-12)


def test_a_row_that_stands_for_two_trips_counts_as_two(trips: pl.DataFrame) -> None:
    single = once(trips, Incentive(0.5, modes=("metro",)))
    double = once(trips.with_columns(w=pl.lit(2)), Incentive(0.5, modes=("metro",)), weight="w")
    twice = once(pl.concat([trips, trips]), Incentive(0.5, modes=("metro",)))
    for quantity in ADDITIVE:
        np.testing.assert_allclose(double.drawn[quantity], 2 * single.drawn[quantity], rtol=1e-7, atol=1e-12)
        np.testing.assert_allclose(double.drawn[quantity], twice.drawn[quantity], rtol=1e-7, atol=1e-12)


def test_a_cap_pays_each_person_for_as_many_trips_and_no_more(trips: pl.DataFrame) -> None:
    free, capped, wide = (once(trips, Incentive(0.5, modes=("metro",), cap_trips=c)).drawn for c in (None, 1, 2))
    assert (capped["paid_trips"] < free["paid_trips"]).all()
    np.testing.assert_allclose(wide["paid_trips"], free["paid_trips"])  # nobody makes more than two


def test_under_a_cap_of_one_the_second_certain_trip_is_not_paid() -> None:
    # One person goes by metro twice and is paid once; the third trip, by car, comes after the cap is reached.
    told = trips_of(("metro", 8.0), ("metro", 8.0), ("car", 8.0)).with_columns(account=pl.lit("a"))
    found = once(told, Incentive(0.5, modes=("metro",), cap_trips=1))
    np.testing.assert_allclose(found.drawn["paid_trips"], 1.0)
    np.testing.assert_allclose(found.drawn["extra_trips"], 0.0)


def test_a_small_sample_leaves_the_constants_open_and_a_large_one_hardly() -> None:
    few, many = (trips_of(*[("car", 10.0), ("metro", 10.0), ("walk", 2.0)] * k) for k in (4, 400))
    sure = choice.london()
    sure = replace(sure, covariance=np.zeros_like(sure.covariance))
    spread = []
    for told in (few, many):
        drawn = once(told, Incentive(1.0, modes=("metro",)), response=sure, transfer=ONE_TO_ONE).drawn["extra_trips"]
        spread.append(drawn.std() / drawn.mean())
    # Means of 100 times as many trips vary ten times less; 60 draws tell that to some 20 %.
    assert 5 < spread[0] / spread[1] < 20


def test_the_seed_fixes_all_draws_and_lazy_is_as_eager(trips: pl.DataFrame) -> None:
    one, same, other = (once(t, Incentive(0.5, modes=("metro",)), seed=s)
                        for t, s in ((trips, 1), (trips.lazy(), 1), (trips, 2)))  # fmt: skip
    assert one.tidy().equals(same.tidy())
    assert not one.tidy().equals(other.tidy())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=3, max_size=5), st.floats(0, 3), st.data())
def test_over_all_trips_alike_the_changed_chances_are_those_of_the_model(
    values: list[float], bonus: float, data: st.DataObject
) -> None:
    paid = np.array(data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))))
    p = choice.logit(np.array(values))
    q = choice.logit(np.array(values) + bonus * paid)
    k = len(values)
    after = incentive.changed(np.eye(k), np.tile(p, (k, 1)), np.tile(q, (k, 1)))
    np.testing.assert_allclose(after.sum(axis=1), 1)
    np.testing.assert_allclose(p @ after, q, atol=1e-9)
    assert all(after[i, i] == pytest.approx(1) for i in np.flatnonzero(paid))


def test_constants_bring_the_expected_shares_to_those_given() -> None:
    utilities = np.random.default_rng(2).normal(scale=3, size=(500, 4))
    shares, weights = np.array([0.02, 0.5, 0.08, 0.4]), np.random.default_rng(3).random(500)
    p = choice.logit(utilities + incentive.constants_for(utilities, shares, weights))
    np.testing.assert_allclose(weights @ p / weights.sum(), shares, atol=1e-9)


# by hand


def test_a_conversion_by_hand_in_trips_tonnes_and_money() -> None:
    # 100 hesitant car trips and 50 metro trips of 10 km; 21 % change to the metro, paid 0.5 CNY.
    # extra 21, paid 71, budget 35.5, to trips made anyway 25.
    # mean baseline: 0.104 - 0.032 = 0.072 kg/km, 0.72 kg a trip: booked 71 x 0.72 = 51.12, extra 15.12 kg.
    # replacement: car 0.216 - 0.032 = 0.184 kg/km: 21 x 1.84 = 38.64 kg. Prices: 35.5 / 0.01512 t = 2347.88 CNY/t.
    told = trips_of(*[("car", 10.0)] * 100, *[("metro", 10.0)] * 50)
    stated = incentive.stated_conversion(0.21, low=0.21, high=0.21, source="by hand")
    found = once(told, Incentive(0.5, modes=("metro",)), response=stated, uncertainty=SURE)
    expected = {
        "extra_trips": 21, "paid_trips": 71, "budget": 35.5, "budget_anyway": 25, "credited_t": 0.05112,
        "extra_mean_t": 0.01512, "extra_replacement_t": 0.03864, "cny_per_extra_mean_t": 35.5 / 0.01512,
    }  # fmt: skip
    for quantity, value in expected.items():
        assert found.value(quantity) == pytest.approx(value), quantity
        assert found.interval(quantity) == pytest.approx((value, value)), quantity
    assert found.notes == ("incentive_note_no_control",)
    # At a price of 100 CNY/t an extra tonne costs 23.48 times as much.
    assert found.against_prices().filter(price_id="round")["times_mean"].item() == pytest.approx(355 / 15.12)


@pytest.mark.parametrize(("treated", "control"), [(12, 10), (10, 10), (5, 10)])
def test_a_pilot_that_shows_little_or_nothing_is_not_made_an_effect_by_chance(treated: int, control: int) -> None:
    # Jeffreys' prior: the mean share is (treated - control) / 101, of 1,000 hesitant car trips; 95 % of the draws lie
    # within 1.96·sd of it, sd² = Σ p(1 - p)/102 with p = (x + 1/2)/101
    pilot = conversion(treated_converted=treated, treated_count=100, control_converted=control, control_count=100)
    told = trips_of(*[("car", 10.0)] * 1000, *[("metro", 10.0)])
    found = design(told, Incentive(0.5, modes=("metro",)), response=pilot, uncertainty=SURE, n_draws=4000)
    p = (np.array([treated, control]) + 0.5) / 101
    mean, sd = 1000 * (treated - control) / 101, 1000 * math.sqrt((p * (1 - p) / 102).sum())
    assert found.value("extra_trips") == pytest.approx(mean, abs=4 * sd / math.sqrt(4000))
    low, high = found.interval("extra_trips")
    assert (low, high) == pytest.approx((mean - 1.96 * sd, mean + 1.96 * sd), abs=0.25 * sd)
    # What belongs to extra trips goes with them: 0.72 kg and 0.5 CNY each
    assert found.value("extra_mean_t") == pytest.approx(found.value("extra_trips") * 0.72e-3)
    assert found.value("budget_extra") == pytest.approx(found.value("extra_trips") * 0.5)
    assert found.value("anyway_trips") == pytest.approx(1)


def test_a_payment_moves_a_lone_choice_by_the_logit_of_its_worth() -> None:
    # Trips all alike, half by metro: P = 1/2. A payment of 2 CNY at 4 CNY a pound and β adds δ = -β·0.5; a car trip
    # stays with the chance (1 - P') / (1/2), P' = 1 / (1 + exp(-δ)).
    told = trips_of(*[("car", 10.0)] * 40, *[("metro", 10.0)] * 40)
    sure = choice.london()
    sure = replace(sure, covariance=np.zeros_like(sure.covariance))
    four = pl.when(pl.col("parameter") == "money_cny_per_gbp").then(4.0).otherwise(1.0)
    fixed = ONE_TO_ONE.with_columns(four.alias(c) for c in ("low", "central", "high"))
    found = once(told, Incentive(2.0, modes=("metro",)), response=sure, transfer=fixed, is_sample=False)
    after = 1 / (1 + math.exp(sure.value("cost") * 0.5))
    assert found.value("extra_trips") == pytest.approx(40 * (1 - (1 - after) / 0.5))


def test_the_metro_costs_what_beijing_charges_by_distance() -> None:
    # Fares of 2014-12-28: within 6 km 3, 12 km 4, 22 km 5, 32 km 6 CNY; taxis 13 within 3 km, then 2.3 a km.
    told = incentive.with_alternatives(pl.DataFrame({"distance_km": [5.9, 6.5, 15.0, 30.0]}))
    assert told["cost_metro_cny"].to_list() == [3, 4, 5, 6]
    assert told["cost_taxi_cny"].to_list() == pytest.approx(
        [13 + 2.3 * 2.9, 13 + 2.3 * 3.5, 13 + 2.3 * 12, 13 + 2.3 * 27]
    )
    own = incentive.with_alternatives(pl.DataFrame({"distance_km": [5.9], "cost_metro_cny": [99.0]}).lazy())
    assert own.collect()["cost_metro_cny"].item() == 99


def test_an_age_that_is_not_known_is_not_eligible() -> None:
    ages = pl.DataFrame({"age_years": [59.9, 60.0, 90.0, None, float("nan")]})
    old = Incentive(1.0, modes=("metro",), min_age=60)
    assert ages.select(old.eligible().alias("x"))["x"].to_list() == [False, True, True, False, False]
    young = Incentive(1.0, modes=("metro",), max_age=60)
    assert ages.select(young.eligible().alias("x"))["x"].to_list() == [True, True, False, False, False]


def test_districts_may_be_told_as_text_or_as_numbers() -> None:
    codes = ["110105", "110101", None]
    told = [
        pl.DataFrame({"start_adcode": pl.Series(codes).cast(kind)}).select(
            Incentive(1.0, modes=("metro",), adcodes=asked).eligible().alias("is_eligible")
        )["is_eligible"].to_list()
        for kind in (pl.String, pl.Int64, pl.Categorical)
        for asked in (("110105",), (110105,))
    ]  # fmt: skip
    assert told == [[True, False, False]] * 6


def test_a_fare_holds_with_its_last_kilometre() -> None:
    # 6公里（含）内3元, 6至12公里（含）4元, 12至22公里（含）5元, 22至32公里（含）6元; a bus 1 CNY within 10 km
    told = incentive.with_alternatives(pl.DataFrame({"distance_km": [0.0, 6.0, 6.1, 10.0, 12.0, 22.0, 22.1, 32.0]}))
    assert told["cost_metro_cny"].to_list() == [3, 3, 4, 4, 4, 5, 6, 6]
    assert told["cost_bus_cny"][3] == 1
    assert told["cost_taxi_cny"][0] == 13


def test_every_mode_of_the_designer_has_a_speed_a_fare_and_a_factor() -> None:
    modes = set(tables.read("inclusive_behaviour_modes")["mode"])
    assert modes == set(tables.read("inclusive_behaviour_service")["mode"])
    assert modes == set(tables.read("inclusive_behaviour_fares")["mode"])
    told = methodology("beijing-travel-2024")
    assert modes <= set(told.acts) | set(told.alternatives)


# what comes back


def test_a_planted_conversion_of_21_percent_is_found_within_two_points_with_8000_on_either_side() -> None:
    # Normal approximation: the chance of a miss beyond two points is below 0.2 % a pilot; 200 pilots, at most 3 misses
    # (the chance of more is below 0.2 %).
    assert within(8000) > 0.998
    rng = np.random.default_rng(7)
    missed = sum(abs(counted(rng, 8000).share - PLANTED) > POINTS for _ in range(200))
    assert missed <= 3


def test_the_interval_of_a_conversion_covers_as_often_as_it_says() -> None:
    # 400 runs at 95 %: fewer than 365 or more than 394 have a chance below 0.1 % each.
    rng = np.random.default_rng(8)
    found = [counted(rng, 500) for _ in range(400)]
    assert 365 <= sum(f.low <= PLANTED <= f.high for f in found) <= 394


def test_a_pilot_without_control_counts_those_who_change_anyway_too() -> None:
    rng = np.random.default_rng(9)
    hits = int(rng.binomial(20_000, ANYWAY + PLANTED))
    found = conversion(treated_converted=hits, treated_count=20_000)
    assert not found.is_additional and found.anyway_share is None
    assert found.low > PLANTED  # what it finds is the programme's share and the others'


def test_newcombes_interval_is_the_one_of_his_paper() -> None:
    # Newcombe (1998), table II, case (a): 56/70 - 48/80, method 10 gives 0.0524 to 0.3339.
    found = conversion(treated_converted=56, treated_count=70, control_converted=48, control_count=80)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_the_designer_finds_the_extra_trips_that_were_planted() -> None:
    fitted = choice.mode_choice(synthetic_trips(300, seed=21), signs="report")
    others = synthetic_trips(150, seed=22)
    found = design(as_activities(others), Incentive(0.5, modes=("metro",)), response=fitted, transfer=ONE_TO_ONE,
                   modes=MODES, n_draws=200, level=0.99)  # fmt: skip
    low, high = found.interval("extra_trips")
    assert low <= true_extra(others, 0.5) <= high
    assert high < true_extra(others, 1.5)  # so narrow that three times the payment would not be in it


# what is told


def test_the_table_says_how_much_data_draws_and_doubt_stand_behind_each_number(trips: pl.DataFrame) -> None:
    told = once(trips, Incentive(0.5, modes=("metro",)), source="synthetic trips of a test")
    table = told.tidy()
    assert set(table["source"]) == {"synthetic trips of a test"}
    assert set(table["trip_count"]) == {600} and set(table["draw_count"]) == {DRAWS}
    assert table["basis"][0].startswith("London 2014-04") and table["factor_mark"][0] == "secondary"
    assert table.filter((pl.col("low") > pl.col("value")) | (pl.col("value") > pl.col("high"))).is_empty()
    assert table["label_zh"].n_unique() == table["label_en"].n_unique() == table.height
    assert told.notes == ("incentive_note_transfer",)


def test_a_curve_begins_at_nothing_and_has_the_rows_of_each_amount(trips: pl.DataFrame) -> None:
    told = curve(trips, Incentive(9, modes=("metro",)), [0, 0.5, 1], n_draws=DRAWS)
    extra = told.filter(quantity="extra_mean_t").sort("amount_cny")["value"]
    assert extra[0] == pytest.approx(0, abs=1e-12) and extra.is_sorted() and len(extra) == 3
    alone = once(trips, Incentive(0.5, modes=("metro",))).tidy()
    assert told.filter(amount_cny=0.5).drop("amount_cny", "per").equals(alone)


# refusals


@pytest.mark.parametrize(
    ("wrong", "error", "told"),
    [
        ({"amount_cny": -0.5}, RangeError, "-0.5 CNY"),
        ({"amount_cny": math.nan}, RangeError, "nan"),
        ({"modes": ()}, SchemaError, "each once"),
        ({"modes": "metro"}, SchemaError, "each once"),
        ({"per": "mile"}, UnknownNameError, "mile"),
        ({"min_age": 60, "max_age": 20}, RangeError, "nobody is eligible"),
        ({"hours": ((22, 6),)}, RangeError, "midnight"),
        ({"adcodes": ()}, SchemaError, "district codes"),
        ({"cap_trips": 0}, RangeError, "cap_trips is 0"),
    ],
)
def test_an_incentive_that_cannot_be_is_refused(wrong: dict[str, object], error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        Incentive(**{"amount_cny": 0.5, "modes": ("metro",), **wrong})  # type: ignore[arg-type]


def test_trips_that_cannot_be_are_refused_with_their_reason(trips: pl.DataFrame) -> None:
    half = Incentive(0.5, modes=("metro",))
    cases = [
        (trips.with_columns(act=pl.lit("rickshaw")), half, UnknownNameError, "rickshaw"),
        (trips, Incentive(0.5, modes=("tram",)), UnknownNameError, "tram"),
        (trips.filter(pl.col("act") != "metro"), half, RefusalError, "No trip of the table uses metro"),
        (trips.filter(pl.col("act") == "metro"), half, RefusalError, "nobody is left to change"),
        (trips, replace(half, min_age=120), RefusalError, "No trip of 600 is eligible"),
        (trips.drop("dur_car_h"), half, SchemaError, "dur_car_h"),
        (trips.drop("distance_km"), half, SchemaError, "distance_km"),
        (trips.with_columns(start_local=pl.lit("8:00")), replace(half, hours=((7, 9),)), SchemaError, "start_local"),
        (trips.with_columns(age_years=pl.lit("old")), replace(half, min_age=60), SchemaError, "age_years"),
        (trips.drop("account"), replace(half, cap_trips=2), SchemaError, "account"),
        (trips.with_columns(dur_car_h=pl.lit(math.nan)), half, DataError, "'dur_car_h' is missing"),
        (trips.with_columns(cost_metro_cny=pl.lit(None, pl.Float64)), half, DataError, "'cost_metro_cny' is missing"),
        (trips.with_columns(distance_km=pl.lit(-1.0)), half, DataError, "'distance_km' is missing, 0 or negative"),
        (trips.with_columns(act=pl.lit(None, pl.String)), half, DataError, "'act' is missing"),
        (trips.clear(), half, RefusalError, "no trips"),
    ]
    for table, what, error, told in cases:
        with pytest.raises(error, match=told):
            once(table, what)


def test_weights_responses_and_draws_that_cannot_be_are_refused(trips: pl.DataFrame) -> None:
    half = Incentive(0.5, modes=("metro",))
    with pytest.raises(DataError, match="Weights"):
        once(trips.with_columns(w=pl.lit(-1)), half, weight="w")
    with pytest.raises(SchemaError, match="response is str"):
        once(trips, half, response="London")
    with pytest.raises(DataError, match="too few"):
        design(trips, half, n_draws=10)
    with pytest.raises(SchemaError, match="is_hesitant"):
        once(trips.drop("is_hesitant"), half, response=incentive.stated_conversion(0.2, low=0, high=1, source="s"))
    with pytest.raises(RefusalError, match="nobody to convert"):
        once(trips.with_columns(is_hesitant=pl.lit(False)), half,
             response=incentive.stated_conversion(0.2, low=0, high=1, source="s"))  # fmt: skip
    with pytest.raises(RangeError, match="prior of money_cny_per_gbp is 2"):
        once(trips, half, transfer=ONE_TO_ONE.with_columns(low=pl.lit(2.0)))


@pytest.mark.parametrize("counts", [(11, 10), (-1, 10), (0, 0), (1.5, 10)])
def test_counts_that_cannot_be_are_refused(counts: tuple[int, int]) -> None:
    with pytest.raises(RangeError, match="Treated"):
        conversion(treated_converted=counts[0], treated_count=counts[1])


def test_half_a_control_and_a_range_in_disorder_are_refused() -> None:
    with pytest.raises(RangeError, match="both"):
        conversion(treated_converted=1, treated_count=10, control_count=10)
    with pytest.raises(RangeError, match="does not hold"):
        incentive.stated_conversion(0.5, low=0.6, high=0.7, source="s")
