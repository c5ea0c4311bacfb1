from __future__ import annotations

import datetime as dt
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from citylab.equity.sampling import Errors
from citylab.errors import DataError, RangeError, SchemaError, UnknownNameError
from citylab.policy.inclusive import gains

ASOF = dt.date(2025, 3, 31)
HOW = {"methodology": "beijing-travel-2024", "asof": ASOF}
MORNING = dt.datetime(2025, 3, 3, 8)


def credited(kg: dict[str, float], kind: str = "mean", **more) -> pl.DataFrame:
    rows = {"account": list(kg), "credit_co2_kg": list(kg.values()), "baseline_kind": [kind] * len(kg)}
    return pl.DataFrame(rows | {k: [v] * len(kg) for k, v in more.items()})


def crowd(n: int, **columns) -> pl.DataFrame:
    return pl.DataFrame({"account": [f"p{i}" for i in range(n)], **columns})


def trip(name: str, account: str, act: str, km: float, *, start=MORNING, **more) -> dict:
    return {
        "activity_id": name, "account": account, "act": act, "start_local": start,
        "end_local": start + dt.timedelta(hours=1), "distance_km": km, "proof": "qr_code", "ticket": "qr_code",
        "start_adcode": "110105", "end_adcode": "110101", "is_claimed": True, "replaced_mode": "car",
        "is_consenting": True, **more,
    }  # fmt: skip


# two parts


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 50), st.sampled_from(["a", "b", "c"]), st.floats(0.1, 9)), min_size=2, max_size=40),
    st.booleans(),
)
def test_credit_a_head_is_participation_times_intensity_in_every_group(rows, weighted):
    people = crowd(len(rows), zone=[z for _, z, _ in rows], w=[w for *_, w in rows])
    kg = {f"p{i}": v for i, (v, *_) in enumerate(rows)}
    told = gains.by_group(credited(kg), people, by="zone", price_cny_t=100, weight="w" if weighted else None)
    for r in told.iter_rows(named=True):
        product = r["participation_share"] * (r["intensity_co2_kg"] or 0.0)
        assert r["credit_per_head_co2_kg"] == pytest.approx(product, rel=1e-9, abs=1e-12)
    own = told.filter(pl.col("group") != "all")
    assert own["credit_co2_kg"].sum() == pytest.approx(told["credit_co2_kg"][0])
    assert own["population_share"].sum() == pytest.approx(1)
    assert own["person_count"].sum() == len(rows)


def test_people_without_a_trip_count_as_not_taking_part():
    people = crowd(4, zone=["x", "x", "y", "y"])
    told = gains.by_group(credited({"p0": 3.0}), people, by="zone", price_cny_t=100)
    # x: one of two people, 3 kg each participant, 1.5 kg a head; y: nobody; all: one of four, 0.75 kg a head
    assert told.select("group", "participation_share", "intensity_co2_kg", "credit_per_head_co2_kg").rows() == [
        ("all", 0.25, 3.0, 0.75), ("x", 0.5, 3.0, 1.5), ("y", 0.0, None, 0.0),
    ]  # fmt: skip


def test_money_is_the_credit_at_the_price():
    told = gains.by_group(credited({"p0": 3.0}), crowd(2, zone=["x", "x"]), by="zone", price_cny_t=80)
    # 3 kg at 80 CNY/t are 0.24 CNY, over two heads 0.12
    assert told["value_cny"].to_list() == pytest.approx([0.24, 0.24])
    assert told["value_per_head_cny"].to_list() == pytest.approx([0.12, 0.12])


def test_a_participation_of_none_or_some_has_the_exact_binomial_interval():
    people = crowd(50, zone=["x"] * 30 + ["y"] * 20)
    told = gains.by_group(credited({f"p{i}": 1.0 for i in range(6)}), people, by="zone", price_cny_t=0)
    x, y = (told.row(by_predicate=pl.col("group") == g, named=True) for g in "xy")
    # Clopper and Pearson: beta quantiles; for none of n the upper end is 1 - (alpha/2)^(1/n)
    assert x["participation_share_low"] == pytest.approx(beta.ppf(0.025, 6, 25))
    assert x["participation_share_high"] == pytest.approx(beta.ppf(0.975, 7, 24))
    assert (y["participation_share_low"], y["participation_share_high"]) == (0, pytest.approx(1 - 0.025 ** (1 / 20)))


def test_a_sampling_design_of_clusters_widens_participation():
    # ten households of five that all take part or none: the effective number of people is nearer ten than fifty
    people = crowd(50, house=[i // 5 for i in range(50)], zone=["x"] * 50)
    kg = {f"p{i}": 1.0 for i in range(50) if (i // 5) % 2}
    alone, clustered = (
        gains.by_group(credited(kg), people, by=None, price_cny_t=1, errors=e).row(0, named=True)
        for e in (Errors(), Errors(psu="house"))
    )
    width = [r["participation_share_high"] - r["participation_share_low"] for r in (alone, clustered)]
    exact = [beta.ppf(0.975, 6, 5) - beta.ppf(0.025, 5, 6), beta.ppf(0.975, 26, 25) - beta.ppf(0.025, 25, 26)]
    assert width[0] == pytest.approx(exact[1])
    assert width[1] == pytest.approx(exact[0])  # 5 of 10 households


def test_the_interval_of_a_head_is_made_on_a_log_scale_and_where_fewer_than_three_take_part_there_is_none():
    people = crowd(8, zone=["x"] * 4 + ["y"] + ["z"] * 3)
    kg = credited({"p0": 3.0, "p1": 6.0, "p2": 9.0, "p5": 2.0, "p6": 3.0})
    told = gains.by_group(kg, people, by="zone", price_cny_t=1)
    x, y, z = (told.row(by_predicate=pl.col("group") == g, named=True) for g in "xyz")
    # 3, 6, 9, 0: mean 4.5, squares 45, standard error sqrt(45 / 3 / 4); three participants: t with 2 degrees 4.302653
    wide = math.exp(4.302653 * math.sqrt(45 / 12) / 4.5)
    assert x["credit_per_head_co2_kg_high"] == pytest.approx(4.5 * wide, rel=1e-5)
    assert x["credit_per_head_co2_kg_low"] == pytest.approx(4.5 / wide, rel=1e-5)
    for group in (y, z):
        assert (group["credit_per_head_co2_kg_low"], group["credit_per_head_co2_kg_high"]) == (None, None)


def test_intervals_of_skewed_credits_hold_the_truth_about_as_often_as_they_say():
    # one in twenty of 400 people has a lognormal credit: mean a head 0.05 exp(1/2); symmetric intervals cover 0.87
    rng = np.random.default_rng(11)
    hits, runs, truth = 0, 200, 0.05 * math.exp(0.5)
    for _ in range(runs):
        kg = np.where(rng.random(400) < 0.05, rng.lognormal(0, 1, 400), 0.0)
        told = gains.by_group(credited({f"p{i}": v for i, v in enumerate(kg)}), crowd(400), by=None, price_cny_t=1)
        r = told.row(0, named=True)
        hits += r["credit_per_head_co2_kg_low"] <= truth <= r["credit_per_head_co2_kg_high"]
    # of 200 runs at 0.95 at least 182 hit in 99.5 cases of 100, and at 0.87 in one of 19
    assert hits >= 182


# groups


def test_60_plus_is_a_row_of_its_own_and_holds_the_three_older_groups():
    people = crowd(5, age_group=["0-14", "15-59", "60-64", "65-79", "80+"])
    told = gains.by_group(credited({"p2": 1.0, "p4": 2.0}), people, by="age_group", price_cny_t=1)
    old = told.row(by_predicate=pl.col("group") == "60+", named=True)
    assert (old["person_count"], old["participant_count"], old["credit_co2_kg"], old["is_overlapping"]) == (
        3,
        2,
        3,
        True,
    )
    assert told["group"].to_list() == ["all", "0-14", "15-59", "60-64", "65-79", "80+", "60+"]


def test_a_group_that_nobody_is_in_has_a_row_that_says_so():
    told = gains.by_group(credited({"p0": 1.0}), crowd(1, residence_adcode=["110105"]), by="district", price_cny_t=1)
    assert told.height == 17  # all, and sixteen districts
    empty = told.filter(pl.col("note") == "no_data")
    assert empty.height == 15
    assert empty["person_count"].to_list() == [0] * 15
    assert empty["credit_per_head_co2_kg"].null_count() == 15
    alone = gains.by_group(credited({}), crowd(1, age_group=["15-59"]), by="age_group", price_cny_t=1)
    assert alone.row(by_predicate=pl.col("group") == "60+", named=True)["note"] == "no_data"


def test_a_metro_band_holds_its_lower_end_and_an_unknown_distance_is_a_group_of_its_own():
    people = crowd(4, metro_distance_km=[0.8, 0.79, 3.2, None])
    told = gains.by_group(credited({}), people, by="metro_band", price_cny_t=1)
    counts = dict(told.select("group", "person_count").iter_rows())
    assert counts == {"all": 4, "0-0.8": 1, "0.8-1.6": 1, "1.6-2.4": 0, "2.4-3.2": 0, "3.2+": 1, None: 1}


@pytest.mark.parametrize("by", gains.GROUPINGS)
def test_groups_that_do_not_overlap_hold_everybody_once(by):
    rng = np.random.default_rng(1)
    n = 60
    people = crowd(
        n, residence_adcode=rng.choice(["110101", "110105", "110119"], n), income_decile=rng.integers(1, 11, n),
        age_group=rng.choice(["0-14", "15-59", "60-64", "65-79", "80+"], n), has_smartphone=rng.random(n) < 0.5,
        metro_distance_km=rng.exponential(2, n),
    )  # fmt: skip
    told = gains.by_group(credited({"p1": 1.0}), people, by=by, price_cny_t=1)
    own = told.filter(~pl.col("is_overlapping"))
    assert own["person_count"].sum() == n
    assert own["credit_share"].sum() == pytest.approx(1)


def test_few_people_or_participants_are_noted():
    people = crowd(60, zone=["x"] * 50 + ["y"] * 10)
    told = gains.by_group(credited({"p0": 1.0, "p55": 1.0}), people, by="zone", price_cny_t=1)
    assert told["note"].to_list() == ["few_participants", "few_participants", "few_persons"]


# baselines


def test_both_baselines_stand_one_below_the_other_and_pay_different_people():
    # 10 km by metro that replaced walking: mean (0.104 - 0.032) x 10 = 0.72 kg, replacement nothing;
    # 10 km by metro that replaced a car: mean 0.72 kg, replacement (0.216 - 0.032) x 10 = 1.84 kg
    trips = pl.DataFrame([trip("t1", "p0", "metro", 10.0, replaced_mode="walk"), trip("t2", "p1", "metro", 10.0)])
    told = gains.side_by_side(trips, crowd(2, zone=["walker", "driver"]), by="zone", price_cny_t=100, **HOW)
    found = {(r["baseline_kind"], r["group"]): r["credit_per_head_co2_kg"] for r in told.iter_rows(named=True)}
    assert found["mean", "walker"] == pytest.approx(0.72)
    assert found["mean", "driver"] == pytest.approx(0.72)
    assert found["replacement", "walker"] == 0
    assert found["replacement", "driver"] == pytest.approx(1.84)
    assert set(told["factor_mark"]) == {"secondary"}


# concentration


def test_the_index_of_credits_held_by_the_richest_or_poorest_alone_is_its_extreme():
    people = crowd(4, income_decile=[1, 4, 7, 10])
    # C = (2/mean) cov(h, r), ranks 1/8, 3/8, 5/8, 7/8, h = (0, 0, 0, 4): 2 (7/8 - 1/2) = 0.75; mirrored -0.75
    for who, expected in (("p3", 0.75), ("p0", -0.75)):
        told = gains.concentration(credited({who: 4.0}), people)
        index = dict(told.select("measure", "value").iter_rows())
        assert index["concentration"] == pytest.approx(expected)
        assert index["gini"] == pytest.approx(0.75)
        # Erreygers: 4 x mean x C = 4 x 0.25 x C of having a credit
        assert index["participation"] == pytest.approx(expected)


def test_kakwani_needs_a_column_of_income_and_is_the_index_less_its_gini():
    people = crowd(2, income_decile=[1, 10], income_cny=[10.0, 30.0])
    assert "kakwani" not in gains.concentration(credited({"p0": 1.0, "p1": 1.0}), people)["measure"].to_list()
    told = gains.concentration(credited({"p0": 1.0, "p1": 1.0}), people, income="income_cny")
    index = dict(told.select("measure", "value").iter_rows())
    # all alike: concentration 0; Gini of 10 and 30: 20 / (2 x 2 x 20) = 0.25
    assert (index["kakwani"], index["gini_income"]) == (pytest.approx(-0.25), pytest.approx(0.25))


def test_the_curve_starts_and_ends_at_the_corners_and_the_lorenz_curve_lies_below_the_diagonal():
    people = crowd(10, income_decile=list(range(1, 11)))
    kg = credited({f"p{i}": float(i % 3) for i in range(10)})
    along = gains.curve(kg, people, points=11)
    assert along["value_share"][0] == 0
    assert along["value_share"][-1] == 1
    lorenz = gains.curve(kg, people, rank=None, points=11)
    assert (lorenz["value_share"] <= lorenz["population_share"] + 1e-12).all()


# a card instead of a phone


def card_trips() -> pl.DataFrame:
    card = {"ticket": "transit_card", "proof": "transit_card", "is_claimed": False, "is_consenting": False}
    later = MORNING + dt.timedelta(hours=3)
    return pl.DataFrame([
        trip("t1", "p0", "metro", 10.0),
        trip("t2", "p1", "bus", 10.0, **card),  # without a phone
        trip("t3", "p1", "walk", 2.0, start=later, **{**card, "ticket": None, "proof": "nav_trace"}),
        trip("t4", "p2", "metro", 10.0, **card),  # has a phone, does not claim
    ])  # fmt: skip


PHONES = crowd(3, has_smartphone=[True, False, True], income_decile=[9, 2, 5], age_group=["15-59", "80+", "15-59"])


def test_the_card_admits_rides_of_people_without_a_phone_and_nothing_else():
    told = gains.with_card_channel(card_trips(), PHONES, take_up_share=1.0, **HOW)
    # the bus: (0.104 - 0.052) x 10 = 0.52 kg; the walk has no card, the other rider has a phone
    assert told["change_co2_kg"].to_list() == pytest.approx([0, 0.52, 0])
    assert told["credit_before_co2_kg"].to_list() == pytest.approx([0.72, 0, 0])
    assert told["participation_after"].to_list() == [1, 1, 0]


def test_without_a_take_up_as_many_join_as_take_part_among_phone_owners():
    told = gains.with_card_channel(card_trips(), PHONES, **HOW)
    assert told["take_up_share"].to_list() == [0.5] * 3  # p0 of p0 and p2
    assert told["change_co2_kg"].to_list() == pytest.approx([0, 0.26, 0])


@settings(max_examples=15, deadline=None)
@given(st.floats(0, 1))
def test_the_change_grows_with_the_take_up_and_takes_nothing_from_anybody(share):
    told = gains.with_card_channel(card_trips(), PHONES, take_up_share=share, **HOW)
    assert (told["change_co2_kg"] >= 0).all()
    assert told["change_co2_kg"].sum() == pytest.approx(0.52 * share)


def test_the_change_by_group_is_the_difference_on_the_same_people():
    told = gains.no_smartphone_channel(card_trips(), PHONES, by="age_group", price_cny_t=100, take_up_share=1.0, **HOW)
    rows = {r["group"]: r for r in told.iter_rows(named=True)}
    for r in rows.values():
        if r["person_count"]:
            assert r["change_co2_kg"] == pytest.approx(r["credit_after_co2_kg"] - r["credit_before_co2_kg"])
    assert rows["60+"]["change_co2_kg"] == pytest.approx(0.52)
    assert rows["15-59"]["change_co2_kg"] == 0
    assert rows["60-64"]["note"] == "no_data"


def test_the_interval_of_the_change_is_that_of_the_people_whose_credit_changes():
    change = [0.0, 0.52, 0.26, 0.13]
    held = pl.DataFrame({
        "credit_before_co2_kg": [1.0] * 4, "credit_after_co2_kg": [1 + c for c in change], "change_co2_kg": change,
        "participation_before": [1.0] * 4, "participation_after": [1.0] * 4, "take_up_share": [1.0] * 4,
        "baseline_kind": ["mean"] * 4, "factor_mark": ["secondary"] * 4, "is_synthetic": [True] * 4,
    })  # fmt: skip
    told = gains.channel_by_group(held, by=None, price_cny_t=1).row(0, named=True)
    # mean 0.2275, squares 0.147875, standard error sqrt(0.147875 / 3 / 4); three changed: t with 2 degrees 4.302653
    se = math.sqrt(0.147875 / 12)
    assert told["change_co2_kg_high"] == pytest.approx(0.2275 * math.exp(4.302653 * se / 0.2275), rel=1e-4)
    lost = gains.channel_by_group(held.with_columns(change_co2_kg=-pl.col("change_co2_kg")), by=None, price_cny_t=1)
    # with losses: Student's t with 3 degrees, 3.182446, on either side
    assert lost["change_co2_kg_low"].item() == pytest.approx(-0.2275 - 3.182446 * se, rel=1e-4)


def test_a_common_difference_is_surer_than_two_samples_apart():
    rng = np.random.default_rng(3)
    n = 400
    before = rng.exponential(1, n)
    held = pl.DataFrame(
        {
            "income_decile": rng.integers(1, 11, n),
            "credit_before_co2_kg": before,
            "credit_after_co2_kg": before + 0.05 * rng.random(n),
            "baseline_kind": ["mean"] * n,
            "factor_mark": ["secondary"] * n,
            "is_synthetic": [True] * n,
        }
    )
    rows = {r["measure"]: r for r in gains.channel_concentration(held).iter_rows(named=True)}
    assert rows["difference"]["value"] == pytest.approx(rows["after"]["value"] - rows["before"]["value"])
    assert rows["difference"]["se"] < 0.2 * rows["before"]["se"]


def test_the_linearised_error_of_the_difference_agrees_with_the_bootstrap():
    rng = np.random.default_rng(5)
    n = 300
    before = rng.exponential(1, n)
    held = pl.DataFrame({
        "income_decile": rng.integers(1, 11, n), "credit_before_co2_kg": before,
        "credit_after_co2_kg": before + rng.exponential(0.5, n), "baseline_kind": ["mean"] * n,
        "factor_mark": ["secondary"] * n, "is_synthetic": [True] * n,
    })  # fmt: skip
    plain = gains.channel_concentration(held)["se"]
    drawn = gains.channel_concentration(held, errors=Errors(method="bootstrap", n_boot=599, seed=1))["se"]
    # of 599 draws a standard error is known to 1/sqrt(2 x 599) = 3 %: three of these, and 6 % for what is of order 1/n
    assert (plain / drawn - 1).abs().max() < 0.15


# synthetic in, synthetic out


def test_synthetic_credits_or_people_make_every_result_synthetic():
    people = crowd(2, income_decile=[1, 10], is_synthetic=[True, True])
    kg = credited({"p0": 1.0})
    for told in (
        gains.by_group(kg, people, by="income_decile", price_cny_t=1),
        gains.concentration(kg, people),
        gains.curve(kg, people),
        gains.by_group(credited({"p0": 1.0}, is_synthetic=True), people.drop("is_synthetic"), by=None, price_cny_t=1),
    ):
        assert told["is_synthetic"].all()
    assert not gains.by_group(kg, people.drop("is_synthetic"), by=None, price_cny_t=1)["is_synthetic"].any()


def test_the_mark_is_the_least_sure_of_what_was_credited_and_not_of_what_was_refused():
    rows = [("p0", 1.0, "verified"), ("p0", 1.0, "secondary"), ("p1", 0.0, "unknown")]
    kg = pl.DataFrame(rows, schema=["account", "credit_co2_kg", "factor_mark"], orient="row")
    told = gains.by_group(kg.with_columns(baseline_kind=pl.lit("mean")), crowd(2), by=None, price_cny_t=1)
    assert told["factor_mark"].item() == "secondary"


def test_a_lazy_frame_stays_lazy_and_gives_the_same_rows():
    kg, people = credited({"p0": 1.0}), crowd(3, income_decile=[1, 5, 10])
    lazy = gains.by_group(kg.lazy(), people.lazy(), by="income_decile", price_cny_t=1)
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect().equals(gains.by_group(kg, people, by="income_decile", price_cny_t=1))


# bad input


@pytest.mark.parametrize("bad", [-0.1, math.nan, math.inf, None])
def test_a_credit_that_cannot_be_is_refused(bad):
    kg = pl.DataFrame(
        {"account": ["p0"], "credit_co2_kg": [bad], "baseline_kind": ["mean"]},
        schema_overrides={"credit_co2_kg": pl.Float64},
    )
    with pytest.raises(DataError, match="credits cannot be"):
        gains.by_group(kg, crowd(2), by=None, price_cny_t=1)


def test_bad_input_is_refused_with_what_to_do():
    kg, people = credited({"p0": 1.0}), crowd(2, zone=["x", "y"])
    with pytest.raises(SchemaError, match="residence_adcode"):
        gains.by_group(kg, people, by="district", price_cny_t=1)
    with pytest.raises(UnknownNameError, match="zon"):
        gains.by_group(kg, people, by="zon", price_cny_t=1)
    with pytest.raises(UnknownNameError, match="kind of baseline"):
        gains.by_group(credited({"p0": 1.0}, kind="average"), people, by=None, price_cny_t=1)
    with pytest.raises(DataError, match="mean and replacement"):
        both = pl.concat([kg, credited({"p1": 1.0}, kind="replacement")])
        gains.by_group(both, people, by=None, price_cny_t=1)
    with pytest.raises(DataError, match="'p9'"):
        gains.by_group(credited({"p9": 1.0}), people, by=None, price_cny_t=1)
    with pytest.raises(SchemaError, match="'account' is Int64"):
        gains.by_group(kg.with_columns(account=pl.lit(0, pl.Int64)), people, by=None, price_cny_t=1)
    with pytest.raises(DataError, match="stands twice"):
        gains.by_group(kg, pl.concat([people, people]), by=None, price_cny_t=1)
    with pytest.raises(DataError, match="no group of 'age_group'"):
        gains.by_group(kg, crowd(1, age_group=["60-70"]), by="age_group", price_cny_t=1)
    with pytest.raises(DataError, match="no group of 'metro_band'"):
        gains.by_group(kg, crowd(1, metro_distance_km=[-1.0]), by="metro_band", price_cny_t=1)
    with pytest.raises(RangeError, match="price"):
        gains.by_group(kg, people, by=None, price_cny_t=-1)
    with pytest.raises(UnknownNameError, match="income_decile"):
        gains.concentration(kg, people)
    with pytest.raises(RangeError, match="take_up_share"):
        gains.with_card_channel(card_trips(), PHONES, take_up_share=1.5, **HOW)
    with pytest.raises(SchemaError, match="ticket"):
        gains.with_card_channel(card_trips().drop("ticket"), PHONES, **HOW)
    with pytest.raises(UnknownNameError, match="baseline"):
        gains.with_card_channel(card_trips(), PHONES, baseline="average", **HOW)  # type: ignore[arg-type]


def test_a_traveller_who_is_two_people_is_refused():
    with pytest.raises(DataError, match="tell two things"):
        gains.people_of(pl.DataFrame({"account": ["a", "a"], "is_60_plus": [True, False]}))


def test_a_distance_that_is_no_number_is_told_and_not_taken_for_the_farthest() -> None:
    people = pl.DataFrame({"account": list("abcd"), "metro_distance_km": [0.0, 0.8, 3.2, None]})
    credited = pl.DataFrame({"account": ["a"], "credit_co2_kg": [1.0], "baseline_kind": ["mean"]})
    told = gains.by_group(credited, people, by="metro_band", price_cny_t=100)
    counts = dict(told.select("group", "person_count").iter_rows())
    assert counts == {"all": 4, "0-0.8": 1, "0.8-1.6": 1, "1.6-2.4": 0, "2.4-3.2": 0, "3.2+": 1, None: 1}
    broken = people.with_columns(pl.col("metro_distance_km").fill_null(math.nan))
    with pytest.raises(DataError, match="metro_distance_km nan, which is no group"):
        gains.by_group(credited, broken, by="metro_band", price_cny_t=100)
