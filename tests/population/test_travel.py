"""Synthetic trips: reproducible, plausible, set to the published figures, and said to be synthetic."""

from __future__ import annotations

import datetime as dt
import gc
import math
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from citylab import vocabulary
from citylab.carbon.inclusive.crediting import TRIP_COLUMNS, credit
from citylab.carbon.inclusive.methodologies import methodology
from citylab.errors import DataError, RangeError, SchemaError, UnknownNameError
from citylab.population import travel
from citylab.settings import datasets_dir

N = 120_000
METHOD = "beijing-travel-2024"
ASOF = dt.date(2026, 1, 1)


def table(dataset: str, name: str) -> pl.DataFrame:
    path = datasets_dir() / dataset / name
    return (
        pl.read_parquet(path)
        if path.suffix == ".parquet"
        else pl.read_csv(path, schema_overrides={"adcode": pl.String})
    )


@pytest.fixture(scope="module")
def given_tables() -> dict[str, pl.DataFrame]:
    # Stations of our own on a grid in the middle of each district: the real layer is not needed to test the rules.
    stations = pl.DataFrame(
        {
            "adcode": ["110101", "110102", "110105", "110106", "110107", "110108", "110112"],
            "longitude_deg": [116.41, 116.36, 116.48, 116.28, 116.20, 116.31, 116.66],
            "latitude_deg": [39.92, 39.91, 39.93, 39.85, 39.91, 39.98, 39.90],
        }
    )
    return {
        "anchors": table("bti__yearly_city_travel", "travel.csv"),
        "people": table("nbs__census_district_structure", "structure.csv"),
        "boundaries": table("echarts__static_district_boundary", "districts.parquet"),
        "stations": stations,
    }


@pytest.fixture(scope="module")
def trips(given_tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    return travel.synthesise(N, seed=7, **given_tables).collect()


def scalar(name: str) -> float:
    return float(dict(travel.assumptions()["scalars"].select("parameter", "value").iter_rows())[name])


def test_every_row_and_the_columns_are_what_is_promised(trips: pl.DataFrame):
    assert tuple(trips.columns) == travel.TRIP_SCHEMA
    assert trips.height == N
    assert trips["is_synthetic"].all()
    assert trips["activity_id"].is_unique().all()
    assert set(TRIP_COLUMNS) <= set(trips.columns)
    assert dict(trips.schema) == {c: vocabulary.polars_dtype(vocabulary.column(c).dtype) for c in trips.columns}


def test_the_same_seed_gives_the_same_rows_by_any_engine_number_of_workers_and_length(
    given_tables: Mapping[str, pl.DataFrame], trips: pl.DataFrame, tmp_path: Path
):
    ahead = travel.synthesise(N, seed=7, workers=3, **given_tables)
    assert_frame_equal(ahead.collect(engine="streaming"), trips)
    ahead.sink_parquet(tmp_path / "trips.parquet", row_group_size=10_000)
    assert_frame_equal(pl.read_parquet(tmp_path / "trips.parquet"), trips)
    for n in (0, 70_001):
        assert_frame_equal(travel.synthesise(n, seed=7, **given_tables).collect(), trips.head(n))


def test_a_filter_or_a_choice_of_columns_before_collecting_changes_no_row(
    given_tables: Mapping[str, pl.DataFrame], trips: pl.DataFrame
):
    lazy = travel.synthesise(N, seed=7, **given_tables)
    wanted = lazy.filter(pl.col("is_claimed"), pl.col("act") == "metro").select("activity_id", "distance_km")
    eager = trips.filter(pl.col("is_claimed"), pl.col("act") == "metro").select("activity_id", "distance_km")
    assert_frame_equal(wanted.collect(), eager)
    assert_frame_equal(lazy.slice(70_000, 100).collect(), trips.slice(70_000, 100))
    assert lazy.select(pl.len()).collect().item() == N


def test_another_seed_gives_other_trips_with_names_of_their_own(
    given_tables: Mapping[str, pl.DataFrame], trips: pl.DataFrame
):
    other = travel.synthesise(5000, seed=8, **given_tables).collect()
    assert not set(other["activity_id"]) & set(trips["activity_id"])
    assert not set(other["account"]) & set(trips["account"])
    assert not other["distance_km"].equals(trips["distance_km"].head(5000))


def test_fitted_and_implied_figures_are_met(given_tables: Mapping[str, pl.DataFrame], trips: pl.DataFrame):
    report = travel.calibration(trips, given_tables["anchors"])
    used = report.filter(pl.col("use") != "left_out")
    assert used.filter(~pl.col("is_met")).is_empty(), used
    # with this many trips the sampling error alone excuses no more than the tolerance does
    assert (used["standard_error"] < used["tolerance"]).all()


def test_every_published_figure_is_in_the_report_and_one_left_out_says_why(
    given_tables: Mapping[str, pl.DataFrame], trips: pl.DataFrame
):
    report = travel.calibration(trips, given_tables["anchors"])
    published = given_tables["anchors"].select("indicator", "year")
    assert_frame_equal(report.select("indicator", "year"), published, check_row_order=False)
    out = report.filter(use="left_out")
    assert out["is_met"].is_null().all()
    assert (out["reason_zh"].str.len_chars() > 3).all()
    assert (out["reason_en"].str.len_chars() > 3).all()
    years = report.filter(pl.col("use") == "fitted").group_by("indicator").len()
    assert (years["len"] == 1).all(), "two years of one figure cannot both be met"


def test_a_planted_miss_is_flagged(given_tables: Mapping[str, pl.DataFrame], trips: pl.DataFrame):
    # Of the walks every other account's are dropped: the share falls from 0.312 to 0.156 / 0.844 = 0.185.
    odd = pl.col("account").hash(seed=1) % 2 == 0
    fewer = trips.filter(~((pl.col("act") == "walk") & odd))
    report = travel.calibration(fewer, given_tables["anchors"])
    missed = set(report.filter(~pl.col("is_met"))["indicator"])
    assert {"walk_trip_share", "walk_cycle_trip_share", "cycle_trip_share"} <= missed
    slower = trips.with_columns(end_local=pl.col("end_local") + pl.duration(minutes=5))
    late = travel.calibration(slower, given_tables["anchors"])
    assert late.filter(indicator="commute_time_min", year=2022)["is_met"].item() is False


def test_the_report_counts_accounts_as_clusters():
    moment = dt.datetime(2025, 3, 3, 8)
    rows = pl.DataFrame(
        {
            "account": ["a", "a", "a", "b"], "act": ["walk", "walk", "car", "car"], "purpose": ["work"] * 4,
            "distance_km": [1.0] * 4, "start_local": [moment] * 4, "end_local": [moment + dt.timedelta(minutes=30)] * 4,
            "zone": ["core"] * 4, "is_working_day": [True] * 4, "planted_fault": pl.Series([None] * 4, dtype=pl.String),
        }
    )  # fmt: skip
    figures = pl.DataFrame(
        {
            "indicator": ["walk_trip_share"],
            "year": [2020],
            "value": [0.4],
            "unit": ["1"],
            "basis": ["b"],
            "source": ["s"],
        }
    )
    row = travel.calibration(rows, figures).row(0, named=True)
    # share 2/4; residual sums by account: a 2 - 3/2 = 0.5, b 0 - 1/2 = -0.5; se = sqrt(2/1 (0.25 + 0.25)) / 4
    assert row["result"] == 0.5
    assert row["difference"] == pytest.approx(0.1)
    assert row["standard_error"] == pytest.approx(math.sqrt(2 * 0.5) / 4)
    assert (row["n_trips"], row["n_accounts"]) == (4, 2)


def test_planted_faults_and_other_days_and_zones_stay_out_of_the_report(
    given_tables: Mapping[str, pl.DataFrame], trips: pl.DataFrame
):
    report = travel.calibration(trips, given_tables["anchors"])
    counted = trips.filter(
        pl.col("zone") != "outer", pl.col("is_working_day"), pl.col("planted_fault").is_null()
    )  # fmt: skip
    walk = report.filter(indicator="walk_trip_share", year=2020)
    assert walk["n_trips"].item() == counted.height
    assert walk["result"].item() == pytest.approx((counted["act"] == "walk").mean())


def test_claimed_trips_earn_credits_but_for_planted_faults_and_walks_for_recreation(trips: pl.DataFrame):
    claims = trips.filter("is_claimed")
    assert claims.height > 1000
    told = credit(claims, methodology=METHOD, asof=ASOF)
    expected = pl.coalesce("planted_fault", pl.when(pl.col("purpose") == "recreation").then(pl.lit("induced")))
    wrong = told.filter(pl.col("reason").ne_missing(expected))
    assert wrong.is_empty(), wrong.select("act", "reason", "planted_fault", "purpose")
    assert told.filter("is_eligible").height / told.height > 0.95


def test_every_claimed_trip_knows_a_replaced_mode_of_the_methodology(trips: pl.DataFrame):
    known = set(methodology(METHOD).alternatives)
    green = trips.filter(pl.col("act").is_in(["walk", "cycle", "bus", "metro"]))
    assert green["replaced_mode"].null_count() == 0
    assert set(green["replaced_mode"]) <= known
    assert trips.filter(~pl.col("act").is_in(["walk", "cycle", "bus", "metro"]))["replaced_mode"].null_count() > 0
    told = credit(green.filter("is_claimed"), methodology=METHOD, asof=ASOF, baseline="replacement")
    assert told.filter(reason="unknown_alternative").is_empty()


def test_the_share_of_faults_is_the_declared_one(trips: pl.DataFrame):
    claims = trips.filter("is_claimed")
    want = travel.assumptions()["choices"].filter(choice="fault")["share"].sum()
    have = claims["planted_fault"].is_not_null().mean()
    assert trips.filter(~pl.col("is_claimed"))["planted_fault"].is_not_null().sum() == 0
    assert abs(have - want) < 4 * math.sqrt(want * (1 - want) / claims.height)


def test_times_and_distances_are_those_that_the_methodology_finds_plausible(trips: pl.DataFrame):
    acts = methodology(METHOD).acts
    sound = trips.filter(pl.col("planted_fault").is_null())
    hours = (pl.col("end_local") - pl.col("start_local")).dt.total_milliseconds() / 3.6e6
    speed = sound.group_by("act").agg((pl.col("distance_km") / hours).max().alias("v"), pl.col("distance_km").max())
    for act, fastest, longest in speed.iter_rows():
        if act in acts:
            assert fastest < acts[act].max_speed_kmh.value, act
            assert longest < acts[act].max_distance_km.value, act
    assert (sound["end_local"] > sound["start_local"]).all()
    day = sound.group_by("account", pl.col("start_local").dt.date()).agg(pl.col("distance_km").sum(), pl.len())
    assert day["distance_km"].max() <= methodology(METHOD).caps.distance_km_per_day.value


def test_no_person_is_on_two_trips_at_once_and_trips_stand_in_order(trips: pl.DataFrame):
    sound = trips.filter(pl.col("planted_fault").is_null())
    gap = sound.select((pl.col("start_local").shift(-1).over("account") - pl.col("end_local")).alias("gap")).to_series()
    assert gap.drop_nulls().min() >= dt.timedelta(0)


def test_a_person_has_one_home_one_age_and_one_income(trips: pl.DataFrame):
    fixed = ["residence_adcode", "age_group", "income_decile", "has_car", "has_smartphone", "metro_distance_km"]
    assert trips.group_by("account").agg(pl.col(fixed).n_unique()).select(pl.col(fixed).max()).row(0) == (1,) * 6


def test_trips_go_out_from_the_district_of_residence_and_return_there(trips: pl.DataFrame):
    sound = trips.filter(pl.col("planted_fault").is_null())
    home = pl.col("residence_adcode")
    assert sound.filter((pl.col("start_adcode") != home) & (pl.col("end_adcode") != home)).is_empty()
    commutes = sound.filter(pl.col("purpose") == "work", pl.col("is_working_day"))
    there = commutes.select(pl.when(pl.col("start_adcode") == home).then("end_adcode").otherwise("start_adcode"))
    kept = commutes.with_columns(there.to_series().alias("there")).group_by("account").agg(pl.col("there").n_unique())
    assert kept["there"].max() == 1, "a person works in one place"


def test_travellers_come_from_the_districts_and_ages_of_the_census(
    given_tables: Mapping[str, pl.DataFrame], trips: pl.DataFrame
):
    people = given_tables["people"]
    persons = trips.unique("account")
    have = dict(persons["residence_adcode"].value_counts(normalize=True).iter_rows())
    total = people["population_persons"].sum()
    # 5 binomial standard errors for some 9,000 persons, and who does not travel in the week is not in the table
    for adcode, n in people.select("adcode", "population_persons").iter_rows():
        share = n / total
        assert abs(have[adcode] - share) < 5 * math.sqrt(share * (1 - share) / persons.height) + 0.005, adcode
    old = people["age_60plus_persons"].sum() / total
    assert abs(persons["is_60_plus"].mean() - old) < 0.03


def test_a_proof_needs_a_phone_but_a_card_does_not(trips: pl.DataFrame):
    without = trips.filter(~pl.col("has_smartphone"))
    assert set(without["ticket"].drop_nulls()) == {"transit_card"}
    assert (
        without.filter(pl.col("act").is_in(["walk", "cycle"]))["proof"].null_count()
        == without.filter(pl.col("act").is_in(["walk", "cycle"])).height
    )
    assert not without["is_claimed"].any()
    assert trips.filter(pl.col("is_claimed") != pl.col("platform").is_not_null()).is_empty()


def test_income_deciles_hold_a_tenth_of_the_people_each(trips: pl.DataFrame):
    shares = trips.unique("account")["income_decile"].value_counts(normalize=True)
    assert sorted(shares["income_decile"]) == list(range(1, 11))
    assert shares["proportion"].is_between(0.08, 0.12).all()  # 5 standard errors of 0.1 with some 9,000 persons: 0.016


def test_another_assumption_on_phones_changes_phones_and_nothing_that_does_not_hang_on_them(
    given_tables: Mapping[str, pl.DataFrame], trips: pl.DataFrame
):
    mine = travel.assumptions()["people"].with_columns(
        smartphone_share=pl.when(pl.col("is_60_plus")).then(0.0).otherwise("smartphone_share")
    )
    other = travel.synthesise(20_000, seed=7, assumptions={"people": mine}, **given_tables).collect()
    assert not other.filter("is_60_plus")["has_smartphone"].any()
    same = ["activity_id", "account", "act", "start_local", "distance_km", "residence_adcode", "income_decile"]
    assert_frame_equal(other.select(same), trips.head(20_000).select(same))


def test_figures_of_ones_own_are_met_in_their_turn(given_tables: Mapping[str, pl.DataFrame]):
    own = {"metro_trip_share": 0.2, "bus_trip_share": 0.064, "commute_distance_km": 10.0, "commute_time_min": 42.0}
    latest = (pl.col("year") >= 2020) & (pl.col("indicator").is_in(list(own)))
    anchors = given_tables["anchors"].with_columns(
        value=pl.when(latest).then(pl.col("indicator").replace_strict(own, default=None)).otherwise("value"),
    )
    anchors = anchors.with_columns(
        value=pl.when(pl.col("indicator") == "commute_within_45min_share").then(0.65).otherwise("value")
    )
    made = travel.synthesise(60_000, seed=3, **{**given_tables, "anchors": anchors}).collect()
    report = travel.calibration(made, anchors).filter(pl.col("use") == "fitted")
    assert report["is_met"].all(), report


def test_without_stations_nobody_knows_the_distance_to_the_metro(given_tables: Mapping[str, pl.DataFrame]):
    made = travel.synthesise(2000, seed=1, **{**given_tables, "stations": None}).collect()
    assert made["metro_distance_km"].null_count() == 2000


def test_a_week_of_holidays_has_no_working_day_and_cannot_be_held_against_figures_of_working_days(
    given_tables: Mapping[str, pl.DataFrame],
):
    made = travel.synthesise(2000, seed=1, start=dt.date(2025, 10, 1), **given_tables).collect()
    assert not made["is_working_day"].any()
    with pytest.raises(DataError, match="working day"):
        travel.calibration(made, given_tables["anchors"])


@settings(max_examples=200, deadline=None)
@given(
    u=st.floats(0, 1),
    median=st.floats(0.1, 50),
    sigma=st.floats(0.05, 2),
    least=st.floats(0.1, 5),
    more=st.floats(0.1, 60),
)
def test_a_cut_lognormal_stays_within_its_ends(u: float, median: float, sigma: float, least: float, more: float):
    import numpy as np

    ends = np.array([least]), np.array([least + more])
    got = travel._lognormal(np.array([u]), np.array([median]), np.array([sigma]), *ends)
    assert ends[0] <= got <= ends[1]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"n_trips": -1}, RangeError, "n_trips is -1"),
        ({"n_trips": 1.5}, RangeError, "whole number"),
        ({"seed": -1}, RangeError, "seed is -1"),
        ({"seed": True}, RangeError, "seed is True"),
        ({"workers": 0}, RangeError, "workers is 0"),
        ({"assumptions": {"peopel": pl.DataFrame()}}, UnknownNameError, "'people'"),
        ({"assumptions": {"people": pl.DataFrame({"age_group": ["all"]})}}, SchemaError, "need the columns"),
        ({"people": [1]}, SchemaError, "LazyFrame"),
    ],
)
def test_bad_input_is_refused_at_the_call(given_tables: Mapping[str, pl.DataFrame], change, error, message):
    call = {"n_trips": 10, "seed": 1, **given_tables, **change}
    with pytest.raises(error, match=message):
        travel.synthesise(call.pop("n_trips"), **call)


def test_a_missing_figure_a_missing_district_and_shares_beyond_1_are_told(given_tables: Mapping[str, pl.DataFrame]):
    anchors, people = given_tables["anchors"], given_tables["people"]
    with pytest.raises(DataError, match="walk_trip_share of 2020"):
        travel.synthesise(
            1, seed=1, **{**given_tables, "anchors": anchors.filter(pl.col("indicator") != "walk_trip_share")}
        )
    with pytest.raises(DataError, match="110101"):
        travel.synthesise(1, seed=1, **{**given_tables, "people": people.filter(pl.col("adcode") != "110101")})
    doubled = anchors.with_columns(
        value=pl.when(pl.col("indicator") == "walk_trip_share").then(0.9).otherwise("value")
    )  # fmt: skip
    with pytest.raises(RangeError, match="their sum 1 at most"):
        travel.synthesise(1, seed=1, **{**given_tables, "anchors": doubled})


def test_shares_of_a_choice_that_miss_1_are_refused(given_tables: Mapping[str, pl.DataFrame]):
    choices = travel.assumptions()["choices"].with_columns(
        share=pl.when(pl.col("option") == "shopping").then(0.5).otherwise("share")
    )
    with pytest.raises(RangeError, match=r"add up to 1\.14"):
        travel.synthesise(1, seed=1, assumptions={"choices": choices}, **given_tables)


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_figure_a_share_or_a_parameter_that_is_no_number_is_told(given_tables: Mapping[str, pl.DataFrame], value):
    told, number = travel.assumptions(), pl.lit(value, dtype=pl.Float64)
    first = pl.int_range(pl.len()) == 0
    anchors = given_tables["anchors"].with_columns(
        value=pl.when(pl.col("indicator") == "commute_time_min").then(number).otherwise("value")
    )
    with pytest.raises(DataError, match="The anchors lack commute_time_min"):
        travel.synthesise(1, seed=1, **{**given_tables, "anchors": anchors})
    scalars = told["scalars"].with_columns(value=pl.when(first).then(number).otherwise("value"))
    with pytest.raises(RangeError, match=f"The assumption '{scalars['parameter'][0]}' is .*; expected a number"):
        travel.synthesise(1, seed=1, assumptions={"scalars": scalars}, **given_tables)
    choices = told["choices"].with_columns(share=pl.when(first).then(number).otherwise("share"))
    with pytest.raises(RangeError, match=r"The shares of .* add up to"):
        travel.synthesise(1, seed=1, assumptions={"choices": choices}, **given_tables)


def test_a_row_twice_an_unknown_fault_and_people_with_two_days_are_told(given_tables: Mapping[str, pl.DataFrame]):
    people = given_tables["people"]
    with pytest.raises(DataError, match="110101 twice"):
        travel.synthesise(1, seed=1, **{**given_tables, "people": pl.concat([people, people.head(1)])})
    told = travel.assumptions()
    odd = told["choices"].with_columns(pl.col("option").replace("too_fast", "too_quick"))
    with pytest.raises(UnknownNameError, match="too_fast"):
        travel.synthesise(1, seed=1, assumptions={"choices": odd}, **given_tables)
    with pytest.raises(DataError, match="platform for any"):
        travel.synthesise(
            1, seed=1, assumptions={"choices": told["choices"].filter(pl.col("choice") != "platform")}, **given_tables
        )
    both = told["people"].with_columns(learning_share=pl.lit(0.5))
    with pytest.raises(RangeError, match=r"add up to 1\.28"):
        travel.synthesise(1, seed=1, assumptions={"people": both}, **given_tables)


def test_figures_that_contradict_each_other_are_missed_and_the_report_says_so(given_tables: Mapping[str, pl.DataFrame]):
    # A mean of 8 minutes cannot hold with a mean of 13.2 km and with walks and access as assumed.
    anchors = given_tables["anchors"].with_columns(
        value=pl.when(pl.col("indicator") == "commute_time_min").then(8.0).otherwise("value")
    )
    made = travel.synthesise(20_000, seed=1, **{**given_tables, "anchors": anchors}).collect()
    report = travel.calibration(made, anchors).filter(indicator="commute_time_min", year=2022)
    assert report["is_met"].item() is False


def test_every_assumption_says_that_it_is_one():
    for name, rows in travel.assumptions().items():
        unproved = rows.filter(pl.col("mark") == "from memory")
        assert unproved["source"].str.contains("assumption").all(), name


def test_the_embedded_sample_says_synthetic_in_both_languages_and_in_every_row():
    import citylab as cl

    declared = cl.describe("citylab__synthetic_trip_travel")
    text = (datasets_dir() / "citylab__synthetic_trip_travel" / "dataset.yml").read_text(encoding="utf-8")
    assert declared is not None
    head, _, notes = text.partition("\nwarnings:")
    for part in (head.partition("\ntitle:")[2].partition("\n")[0], notes):
        assert "合成" in part
        assert "ynthetic" in part
    assert cl.load("citylab__synthetic_trip_travel").select(pl.col("is_synthetic").all()).collect().item()


def test_trips_dropped_half_read_end_quietly(given_tables: Mapping[str, pl.DataFrame], monkeypatch: pytest.MonkeyPatch):
    complaints: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    before = set(threading.enumerate())
    batches = travel.synthesise(N, seed=7, workers=2, **given_tables).collect_batches(chunk_size=500)
    assert next(batches).height > 0
    own = [t for t in set(threading.enumerate()) - before if t.name.startswith("ThreadPoolExecutor")]
    del batches
    gc.collect()
    for thread in own:  # those that still make a block end with it
        thread.join(60)
        assert not thread.is_alive()
    assert complaints == []
