"""Credits: hand-worked sums, every reason to refuse, and a row-by-row calculator that must agree."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from benchmarks.crediting import ASOF, METHODOLOGY, added, row_by_row, summed, trips
from benchmarks.crediting import ours as credited
from citylab import scale, tables
from citylab.carbon.inclusive import crediting
from citylab.carbon.inclusive.crediting import credit, credit_to, parts_by_account, reissue, totals, under_one
from citylab.carbon.inclusive.methodologies import methodology
from citylab.errors import DataError, RangeError, SchemaError, UnknownNameError

DAY = dt.datetime(2024, 10, 8, 8)
TRIP = {
    "activity_id": "t1", "account": "a", "act": "metro", "start_local": DAY,
    "end_local": DAY + dt.timedelta(minutes=20), "distance_km": 6.5, "proof": "transit_card",
    "start_adcode": "110108", "end_adcode": "110102",
}  # fmt: skip
METERED = {
    "activity_id": "m1", "account": "a", "act": "pv_generation", "date_local": dt.date(2022, 6, 1), "adcode": "110108",
    "proof": "meter", "electricity_kwh": 10.0,
}  # fmt: skip
GRID = pl.DataFrame(
    {"grid_level": ["province"], "grid_name_zh": ["北京"], "grid_name_en": ["Beijing"], "year": [2022],
     "grid_factor_kgco2_kwh": [0.5580]}
)  # fmt: skip


def frame(*changes: dict[str, Any], base: dict[str, Any] = TRIP) -> pl.DataFrame:
    """Return one row per change of a good activity, each of its own account."""
    rows = [{**base, "activity_id": f"t{i}", "account": f"a{i}", **c} for i, c in enumerate(changes or ({},))]
    types = {"distance_km": pl.Float64, "start_local": pl.Datetime("ms"), "end_local": pl.Datetime("ms")}
    return pl.DataFrame(rows, schema_overrides=types if base is TRIP else {}, infer_schema_length=None)


def of_trips(activities: pl.DataFrame, **options: Any) -> pl.DataFrame:
    return credit(activities, **{"methodology": METHODOLOGY, "asof": ASOF, **options})


# -------------------------------------------------------------------------------------------------- hand-worked sums


@pytest.mark.parametrize(
    ("act", "km", "proof", "minutes", "kg"),
    [
        ("metro", 6.5, "transit_card", 20, 0.468),  # (0.104 - 0.032) x 6.5
        ("bus", 4.0, "qr_code", 20, 0.208),  # (0.104 - 0.052) x 4
        ("cycle", 2.0, "bike_order", 10, 0.1906),  # (0.104 - 0.0087) x 2
        ("walk", 1.5, "nav_trace", 20, 0.156),  # 0.104 x 1.5
    ],
)
def test_a_trip_earns_what_the_formula_says(act: str, km: float, proof: str, minutes: int, kg: float) -> None:
    end = DAY + dt.timedelta(minutes=minutes)
    done = of_trips(frame({"act": act, "distance_km": km, "proof": proof, "end_local": end}))
    assert done["credit_co2_kg"].item() == pytest.approx(kg, abs=1e-9)
    assert done["baseline_co2_kg"].item() == pytest.approx(0.104 * km, abs=1e-9)
    assert done["is_eligible"].item() is True
    assert done["reason"].item() is None
    assert done.select("methodology_id", "methodology_edition", "baseline_kind", "factor_mark").row(0) == (
        "beijing-travel-2024", "DB11/T 3043-2024", "mean", "secondary",
    )  # fmt: skip


def test_a_replacement_baseline_is_the_mode_that_was_replaced() -> None:
    # Metro for a car: (0.216 - 0.032) x 6.5 = 1.196; for a bus: 0.02 x 6.5 = 0.13; for walking or no trip: negative.
    done = of_trips(frame(*({"replaced_mode": m} for m in ("car", "bus", "walk", "none", "sledge", None))),
                    baseline="replacement")  # fmt: skip
    assert done["credit_co2_kg"].to_list() == pytest.approx([1.196, 0.13, 0, 0, 0, 0], abs=1e-9)
    assert done["reason"].to_list() == [
        None, None, "no_reduction", "no_reduction", "unknown_alternative", "unknown_alternative",
    ]  # fmt: skip
    assert done["reduction_co2_kg"][2] == pytest.approx(-0.208, abs=1e-9)
    assert set(done["baseline_kind"]) == {"replacement"}


def test_electricity_takes_the_grid_of_its_place_and_year_and_no_other() -> None:
    rows = frame({}, {"date_local": dt.date(2021, 6, 1)}, {"adcode": "310101"}, base=METERED)
    done = credit(rows, methodology="rooftop-pv-household", asof=ASOF, grid=GRID)
    # 10 kWh x 0.5580 kg; Beijing 2021 and Shanghai 2022 are not in this table.
    assert done["credit_co2_kg"].to_list() == pytest.approx([5.58, 0, 0], abs=1e-9)
    assert done["reason"].to_list() == [None, "no_grid_factor", "no_grid_factor"]


def test_a_discount_is_taken_off_and_a_rise_earns_nothing() -> None:
    rows = frame(
        {"act": "electricity_saving", "baseline_kwh": 300.0, "electricity_kwh": 250.0},
        {"act": "electricity_saving", "baseline_kwh": 300.0, "electricity_kwh": 310.0},
        base=METERED,
    )
    done = credit(rows, methodology="household-electricity-saving", asof=ASOF, grid=GRID)
    # 50 kWh x 0.5580 x 0.9 = 25.11; -10 x 0.5580 x 0.9 = -5.022
    assert done["credit_co2_kg"].to_list() == pytest.approx([25.11, 0], abs=1e-9)
    assert done["reduction_co2_kg"].to_list() == pytest.approx([25.11, -5.022], abs=1e-9)
    assert done["reason"].to_list() == [None, "no_reduction"]


def test_shared_rides_count_what_was_really_driven() -> None:
    rows = frame({"act": "shared_ride", "proof": "ride_order", "alone_km": 24.0, "distance_km": 14.0}, base=METERED)
    done = credit(rows, methodology="car-sharing", asof=ASOF)
    assert done["credit_co2_kg"].item() == pytest.approx(0.25 * 10, abs=1e-9)


def test_a_factor_that_is_not_known_credits_nothing_until_one_is_given() -> None:
    rows = frame({"act": "custom_bus", "proof": "operator_record", "passenger_km": 500.0, "distance_km": 20.0},
                 base=METERED)  # fmt: skip
    assert credit(rows, methodology="custom-bus", asof=ASOF)["reason"].item() == "no_factor"
    own = pl.DataFrame({"act": ["custom_bus"], "side": ["project"], "factor": [0.9], "mark": ["from memory"],
                        "source": ["the operator's log"]})  # fmt: skip
    done = credit(rows, methodology="custom-bus", asof=ASOF, factors=own)
    assert done["credit_co2_kg"].item() == pytest.approx(0.104 * 500 - 0.9 * 20, abs=1e-9)
    assert done["factor_mark"].item() == "from memory"


# ---------------------------------------------------------------------------------------------------------- reasons

HOUR = dt.timedelta(hours=1)
ALONE: dict[str, dict[str, Any]] = {
    "missing_value": {"distance_km": None},
    "unknown_act": {"act": "scooter"},
    "no_factor": {"act": "carpool", "proof": "ride_order"},
    "future": {"start_local": dt.datetime(2025, 1, 1, 8), "end_local": dt.datetime(2025, 1, 1, 8, 20)},
    "outside_validity": {"start_local": dt.datetime(2024, 9, 30, 8), "end_local": dt.datetime(2024, 9, 30, 8, 20)},
    "outside_geography": {"end_adcode": "310101"},
    "bad_times": {"end_local": DAY},
    "negative_quantity": {"distance_km": -6.5},
    "absurd_quantity": {"distance_km": 151.0, "end_local": DAY + 4 * HOUR},
    "too_short": {"distance_km": 0.39},
    "too_fast": {"end_local": DAY + dt.timedelta(minutes=3)},
    "no_proof": {"proof": "word of honour"},
    "no_consent": {"is_consenting": False},
    "induced": {"purpose": "recreation"},
    "claimed_elsewhere": {"claimed_under": "CCER"},
}


@pytest.mark.parametrize("reason", ALONE)
def test_each_fault_is_refused_with_its_reason(reason: str) -> None:
    optional = {"is_consenting": True, "purpose": "commute", "claimed_under": None}
    done = of_trips(frame({**optional}, {**optional, **ALONE[reason]}))
    assert done["reason"].to_list() == [None, reason]
    assert done["credit_co2_kg"].to_list() == pytest.approx([0.468, 0.0], abs=1e-9)
    assert done["is_eligible"].to_list() == [True, False]


@pytest.mark.parametrize("column", ["activity_id", "account", "act", "start_local", "end_local", "distance_km"])
def test_an_empty_cell_is_a_reason_and_no_error(column: str) -> None:
    assert of_trips(frame({}, {column: None}))["reason"].to_list() == [None, "missing_value"]


def test_a_distance_that_is_not_a_number_is_a_reason() -> None:
    rows = frame({"distance_km": float("nan")}, {"distance_km": float("inf")})
    assert of_trips(rows)["reason"].to_list() == ["missing_value", "missing_value"]


@pytest.mark.parametrize("column", ["start_adcode", "end_adcode", "proof"])
def test_an_unknown_place_or_proof_is_not_taken_for_a_good_one(column: str) -> None:
    expected = "no_proof" if column == "proof" else "outside_geography"
    assert of_trips(frame({column: None}))["reason"].item() == expected


def test_every_declared_reason_is_reached_by_a_test() -> None:
    told = set(tables.read("inclusive_reasons")["code"])
    sequence = {
        "replay",
        "overlap",
        "daily_cap",
        "claimed_twice",
        "no_grid_factor",
        "unknown_alternative",
        "no_reduction",
    }
    assert told >= set(ALONE) | sequence
    ranks = tables.read("inclusive_reasons")["rank"]
    assert ranks.is_unique().all() and ranks.is_sorted()


def test_the_first_reason_in_the_declared_order_is_told() -> None:
    worst = {"act": "scooter", "distance_km": -1.0, "proof": None, "start_adcode": "310101"}
    assert of_trips(frame(worst))["reason"].item() == "unknown_act"


def test_of_one_request_sent_twice_the_first_stands() -> None:
    rows = frame(
        {"account": "a", "activity_id": "t"}, {"account": "a", "activity_id": "t"}, {"account": "b", "activity_id": "t"}
    )
    assert of_trips(rows)["reason"].to_list() == [None, "replay", None]


def test_a_refused_request_may_be_sent_again_with_its_proof() -> None:
    rows = frame({"account": "a", "activity_id": "t", "proof": None}, {"account": "a", "activity_id": "t"})
    assert of_trips(rows)["reason"].to_list() == ["no_proof", None]


def test_nobody_is_on_two_trips_at_once() -> None:
    def trip(start: int, end: int, account: str = "a") -> dict[str, Any]:
        return {"account": account, "start_local": DAY + dt.timedelta(minutes=start),
                "end_local": DAY + dt.timedelta(minutes=end)}  # fmt: skip

    # 0-30 stands; 10-40 overlaps; 30-60 begins as the first ends, but the second still ran until 40.
    rows = frame(trip(0, 30), trip(10, 40), trip(30, 60), trip(40, 70, "b"), trip(60, 90))
    assert of_trips(rows)["reason"].to_list() == [None, "overlap", "overlap", None, None]
    assert of_trips(rows.reverse())["reason"].to_list() == [None, None, "overlap", "overlap", None]


def test_a_days_cap_of_trips_and_of_distance_holds_and_the_earlier_trips_stand() -> None:
    many = [{"account": "a", "start_local": DAY + i * dt.timedelta(minutes=30),
             "end_local": DAY + dt.timedelta(minutes=30 * i + 20)} for i in range(22)]  # fmt: skip
    assert of_trips(frame(*many))["reason"].to_list() == [None] * 20 + ["daily_cap"] * 2
    far = [{"account": "a", "distance_km": 60.0, "start_local": DAY + i * HOUR, "end_local": DAY + i * HOUR + HOUR}
           for i in range(3)]  # fmt: skip
    # 60 + 60 = 120 km are within 150, 180 are not; the next day begins anew.
    far.append({**far[0], "start_local": DAY + 24 * HOUR, "end_local": DAY + 25 * HOUR})
    assert of_trips(frame(*far))["reason"].to_list() == [None, None, "daily_cap", None]


def test_an_activity_is_credited_under_one_methodology_only() -> None:
    one = of_trips(frame({"account": "a", "activity_id": "t"}, {"account": "b", "activity_id": "t"}))
    later = {"start_local": DAY + HOUR, "end_local": DAY + 2 * HOUR}
    two = of_trips(frame({"account": "a", "activity_id": "t"}, {"account": "a", "activity_id": "u", **later}))
    both = under_one(one, two)
    assert both["reason"].to_list() == [None, None, "claimed_twice", None]
    assert both["credit_co2_kg"].sum() == pytest.approx(3 * 0.468)
    with pytest.raises(SchemaError, match="at least one frame"):
        under_one()


# ---------------------------------------------------------------------------------------- against a plain calculator


def test_a_row_by_row_calculator_agrees_on_trips_with_every_fault() -> None:
    rows = trips(20_000, seed=3, trips_each=12)
    mine = credited(rows)
    assert_frame_equal(mine, row_by_row(rows), abs_tol=1e-9)
    assert set(mine["reason"]) >= {
        None, "unknown_act", "outside_validity", "outside_geography", "bad_times", "negative_quantity",
        "absurd_quantity",
        "too_short", "too_fast", "no_proof", "replay", "overlap",
    }  # fmt: skip


MINUTES = st.integers(0, 2 * 24 * 60)
ANY_TRIP = st.fixed_dictionaries(
    {
        "account": st.sampled_from("ab"),
        "activity_id": st.sampled_from("uvwxyz"),
        "act": st.sampled_from(["metro", "bus", "walk", "carpool", "sledge"]),
        "start": MINUTES,
        "lasts": st.integers(-5, 90),
        "distance_km": st.floats(-1, 60, allow_nan=False),
        "proof": st.sampled_from(["transit_card", "nav_trace", None]),
        "end_adcode": st.sampled_from(["110101", "310101", None]),
    }
)


@given(st.lists(ANY_TRIP, min_size=1, max_size=30))
@settings(max_examples=60)
def test_a_row_by_row_calculator_agrees_on_any_trips(drawn: list[dict[str, Any]]) -> None:
    rows = frame(
        *(
            {k: v for k, v in d.items() if k not in {"start", "lasts"}}
            | {"start_local": DAY + dt.timedelta(minutes=d["start"]),
               "end_local": DAY + dt.timedelta(minutes=d["start"] + d["lasts"])}
            for d in drawn
        )
    )  # fmt: skip
    assert_frame_equal(credited(rows), row_by_row(rows), abs_tol=1e-9)


@given(st.lists(ANY_TRIP, min_size=1, max_size=20), st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_the_order_of_rows_changes_nothing_but_ties(drawn: list[dict[str, Any]], shuffle: Any) -> None:
    rows = frame(
        *(
            {k: v for k, v in d.items() if k not in {"start", "lasts", "activity_id"}}
            # Starts of their own: which of two trips of one second is the earlier is decided by their order.
            | {"start_local": DAY + dt.timedelta(minutes=d["start"], seconds=i),
               "end_local": DAY + dt.timedelta(minutes=d["start"] + d["lasts"], seconds=i)}
            for i, d in enumerate(drawn)
        )
    )  # fmt: skip
    order = list(range(rows.height))
    shuffle.shuffle(order)
    assert_frame_equal(of_trips(rows)[order], of_trips(rows[order]))


# ----------------------------------------------------------------------------------------------- frames, parts, files


def test_a_frame_stays_what_it_was_and_rows_keep_their_order() -> None:
    rows = trips(500, seed=1)
    lazy = of_trips(rows.lazy())  # type: ignore[arg-type]
    assert isinstance(lazy, pl.LazyFrame)
    done = of_trips(rows)
    assert_frame_equal(lazy.collect(), done)
    assert done.columns == [*rows.columns, *crediting.CREDIT_COLUMNS]
    assert_frame_equal(done.select(rows.columns), rows)


def test_parts_of_whole_accounts_give_what_the_whole_gives(tmp_path: Path) -> None:
    rows = trips(5_000, seed=2, trips_each=10).with_row_index("n")
    whole = of_trips(rows)
    parts = [credit(p, methodology=METHODOLOGY, asof=ASOF).collect() for p in parts_by_account(rows, parts=3)]
    assert_frame_equal(pl.concat(parts).sort("n"), whole)
    rows.write_parquet(tmp_path / "trips.parquet")
    path = credit_to(pl.scan_parquet(tmp_path / "trips.parquet"), tmp_path / "credits.parquet", methodology=METHODOLOGY,
                     asof=ASOF, parts=4)  # fmt: skip
    assert_frame_equal(pl.read_parquet(path).sort("n"), whole)


def test_a_dask_cluster_credits_what_one_machine_credits() -> None:
    rows = trips(3_000, seed=4, trips_each=8)
    whole = of_trips(rows).group_by("reason").agg(pl.len().cast(pl.Int64).alias("n"), pl.col("credit_co2_kg").sum())
    with scale.connect(workers=2, processes=False) as client:
        done = scale.map_partitions(summed, parts_by_account(rows, parts=3), client=client, combine=added)
    assert_frame_equal(done.sort("reason"), whole.sort("reason"), abs_tol=1e-9)


def test_a_broken_run_leaves_no_file(tmp_path: Path) -> None:
    bad = trips(10).lazy().with_columns(distance_km=pl.lit("far"))
    with pytest.raises(SchemaError):
        credit_to(bad, tmp_path / "credits.parquet", methodology=METHODOLOGY, asof=ASOF)
    assert list(tmp_path.iterdir()) == []


def test_crediting_again_gives_the_difference_to_issue_or_cancel() -> None:
    rows = frame({}, {"act": "bus"}, {"proof": None})
    own = pl.DataFrame({"act": ["metro", "bus"], "side": ["project", "project"], "factor": [0.052, 0.032],
                        "mark": ["secondary"] * 2, "source": ["a test"] * 2})  # fmt: skip
    change = reissue(of_trips(rows), of_trips(rows, factors=own))
    assert change["change_co2_kg"].to_list() == pytest.approx([-0.02 * 6.5, 0.02 * 6.5, 0.0], abs=1e-9)
    assert change["action"].to_list() == ["cancel", "issue", "keep"]
    assert reissue(of_trips(rows), of_trips(rows))["change_co2_kg"].abs().sum() == 0


def test_an_activity_that_stands_twice_is_told_and_not_multiplied() -> None:
    one = of_trips(frame())
    for pair in ((one, pl.concat([one, one])), (pl.concat([one, one]), one)):
        with pytest.raises(DataError, match="Activity 't0' of 'a0' stands twice"):
            reissue(*pair)


def test_totals_add_up_and_say_how_sure_they_are() -> None:
    done = of_trips(trips(3_000, seed=5))
    by_mode, whole = totals(done, by="act"), totals(done)
    assert whole["credit_co2_kg"].item() == pytest.approx(done["credit_co2_kg"].sum())
    assert by_mode["credit_co2_kg"].sum() == pytest.approx(whole["credit_co2_kg"].item())
    assert by_mode["eligible_count"].sum() == whole["eligible_count"].item() == done["is_eligible"].sum()
    assert whole["account_count"].item() == done.filter("is_eligible")["account"].n_unique()
    assert (whole["credit_co2_kg_low"] < whole["credit_co2_kg"]).all()
    assert whole["factor_mark"].item() == "secondary"


def test_the_interval_of_a_total_is_that_of_its_shared_factors() -> None:
    # Two metro trips: baseline 1.352, project 0.416 kg; with u = 10 %: half-width = sqrt(0.1352² + 0.0416²) = 0.141455.
    wide = pl.DataFrame({"mark": ["secondary"], "half_width_pct": [10.0]})
    row = totals(of_trips(frame({}, {})), uncertainty=wide)
    half = (0.1352**2 + 0.0416**2) ** 0.5
    assert row["credit_co2_kg_high"].item() - row["credit_co2_kg"].item() == pytest.approx(half, abs=1e-9)


def test_where_nothing_is_eligible_the_total_is_zero() -> None:
    row = totals(of_trips(frame({"act": "scooter"})))
    assert row.select("credit_co2_kg", "credit_co2_kg_low", "credit_co2_kg_high", "account_count").row(0) == (
        0,
        0,
        0,
        0,
    )


# --------------------------------------------------------------------------------------------------------- bad input


def test_what_is_missing_or_of_the_wrong_kind_is_told_at_the_call() -> None:
    with pytest.raises(SchemaError, match="'proof'"):
        of_trips(frame().drop("proof").lazy())  # type: ignore[arg-type]
    with pytest.raises(SchemaError, match="numbers"):
        of_trips(frame().with_columns(distance_km=pl.lit("6.5")))
    with pytest.raises(SchemaError, match="wall-clock"):
        of_trips(frame().with_columns(pl.col("start_local").dt.replace_time_zone("UTC")))
    with pytest.raises(SchemaError, match="replaced_mode"):
        of_trips(frame(), baseline="replacement")
    with pytest.raises(SchemaError, match="already"):
        of_trips(of_trips(frame()))
    with pytest.raises(UnknownNameError, match="Unknown methodology"):
        of_trips(frame(), methodology="beijing-travel")
    with pytest.raises(UnknownNameError, match="kind of baseline"):
        of_trips(frame(), baseline="car")
    with pytest.raises(SchemaError, match="no factors of replaced modes"):
        credit(frame(base=METERED), methodology="rooftop-pv-household", asof=ASOF, baseline="replacement")
    for asof in ("2025-12-31", dt.datetime(2025, 12, 31), None):
        with pytest.raises(SchemaError, match="expected a day"):
            of_trips(frame(), asof=asof)
    with pytest.raises(RangeError, match="parts is 0"):
        parts_by_account(frame(), parts=0)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"act": "sledge"}, "Unknown act and side 'sledge/project'"),
        ({"mark": "sure"}, "Unknown mark"),
        ({"factor": -1.0}, "cannot be"),
        ({"factor": float("nan")}, "cannot be"),
        ({"factor": None}, "cannot be"),
    ],
)
def test_own_factors_that_cannot_be_are_refused(change: dict[str, Any], match: str) -> None:
    row = {"act": "metro", "side": "project", "factor": 0.03, "mark": "secondary", "source": "a test"}
    own = pl.DataFrame([{**row, **change}], schema_overrides={"factor": pl.Float64})
    with pytest.raises((UnknownNameError, RangeError), match=match):
        of_trips(frame(), factors=own)
    with pytest.raises(SchemaError, match="twice"):
        of_trips(frame(), factors=pl.DataFrame([row, row]))
    with pytest.raises(SchemaError, match="'source' missing"):
        of_trips(frame(), factors=pl.DataFrame([row]).drop("source"))


def test_no_activities_earn_nothing() -> None:
    done = of_trips(frame().clear())
    assert done.is_empty()
    assert done.schema["credit_co2_kg"] == pl.Float64
    assert methodology(METHODOLOGY).kind == "travel"
