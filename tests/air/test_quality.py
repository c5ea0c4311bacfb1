from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citylab import catalog, tables
from citylab.air.averages import POLLUTANTS
from citylab.air.faults import plant_faults, synthetic_stations
from citylab.air.quality import BASIC, CHECKS, fault_scores, quality_flags, quality_summary
from citylab.errors import RangeError, SchemaError, UnknownNameError

# Recall that each check must reach on planted faults, and the share of its flags that must lie in hours with any
# planted fault (a drifting PM2.5 exceeds PM10 too). Faults that obey a definition are found all; spikes, drift and
# contradictions are matters of judgement.
RECALL = {
    **dict.fromkeys(("sentinel", "negative", "out_of_range", "stuck", "duplicate", "gap"), 1.0),
    **{"unit_swap": 0.98, "spike": 0.9, "pm25_above_pm10": 0.95, "drift": 0.5},
}
PRECISION = {
    **dict.fromkeys(("sentinel", "negative", "out_of_range", "duplicate", "gap", "unit_swap"), 0.98),
    **{"stuck": 0.98, "spike": 0.9, "pm25_above_pm10": 0.9, "drift": 0.85},
}


def hours(**columns: list[float | None]) -> pl.DataFrame:
    n = len(next(iter(columns.values())))
    start = dt.datetime(2016, 12, 1)
    stamps = pl.datetime_range(start, start + dt.timedelta(hours=n - 1), "1h", time_unit="ms", eager=True)
    return pl.DataFrame({"datetime_local": stamps, **{c: pl.Series(v, dtype=pl.Float64) for c, v in columns.items()}})


def reasons(frame: pl.DataFrame, column: str = "pm25", checks: str | tuple[str, ...] = "all") -> list[str | None]:
    return quality_flags(frame, by=None, checks=checks)[f"{column}_reasons"].to_list()


@pytest.fixture(scope="module")
def clean() -> pl.DataFrame:
    return synthetic_stations(stations=6, days=365, seed=11)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(-999.0, "sentinel"), (999.0, "sentinel"), (9999.0, "sentinel"), (-1.0, "negative"), (1200.0, "out_of_range"),
     (float("nan"), "out_of_range"), (0.0, None), (1000.0, None), (None, None)],
)  # fmt: skip
def test_a_value_is_remarked_on_for_what_it_is(value: float | None, expected: str | None) -> None:
    assert reasons(hours(pm25_ugm3=[value]), checks="basic") == [expected]


def test_a_printed_maximum_is_a_cap() -> None:
    assert reasons(hours(co_mgm3=[10.0, 9.9]), "co", "basic") == ["at_cap", None]


def test_more_pm25_than_pm10_marks_both_and_equality_neither() -> None:
    flags = quality_flags(hours(pm25_ugm3=[80.0, 75.0, 80.0], pm10_ugm3=[75.0, 75.0, None]), by=None, checks="basic")
    assert flags["pm25_flag"].to_list() == ["pm25_above_pm10", None, None]
    assert flags["pm10_flag"].to_list() == ["pm10_below_pm25", None, None]


def test_a_value_stuck_for_six_hours_is_marked_in_all_six_and_a_missing_hour_ends_the_run() -> None:
    stuck = [30.0, *[41.0] * 6, 30.0]
    assert reasons(hours(pm25_ugm3=stuck), checks=("stuck",)) == [None, *["stuck"] * 6, None]
    assert set(reasons(hours(pm25_ugm3=[41.0] * 5), checks=("stuck",))) == {None}
    assert set(reasons(hours(pm25_ugm3=[*[41.0] * 3, None, *[41.0] * 3]), checks=("stuck",))) == {None}
    absent = hours(pm25_ugm3=[41.0] * 7).filter(pl.int_range(pl.len()) != 3)
    assert set(reasons(absent, checks=("stuck",))) == {None}
    assert set(reasons(hours(pm25_ugm3=[3.0] * 20), checks=("stuck",))) == {None}  # at the detection limit


def test_one_hour_far_from_its_neighbours_is_a_spike_and_a_step_is_none() -> None:
    spike = [50.0, 52.0, 49.0, 51.0, 400.0, 50.0, 53.0, 48.0, 50.0]
    assert reasons(hours(pm25_ugm3=spike), checks=("spike",)) == [None] * 4 + ["spike"] + [None] * 4
    step = [50.0, 52.0, 49.0, 51.0, 50.0, 300.0, 310.0, 305.0, 290.0, 300.0]
    assert set(reasons(hours(pm25_ugm3=step), checks=("spike",))) == {None}


def test_a_run_of_co_in_the_wrong_unit_is_a_swap_both_ways_and_one_hour_is_not() -> None:
    for factor in (1000.0, 0.001):
        run = [0.8, 0.9, 1.0, *[v * factor for v in (1.0, 1.1, 0.9, 1.2)], 1.0, 0.9]
        assert reasons(hours(co_mgm3=run), "co", ("unit_swap",)) == [None] * 3 + ["unit_swap"] * 4 + [None] * 2
    assert set(reasons(hours(co_mgm3=[0.8, 0.9, 900.0, 1.0, 0.9]), "co", ("unit_swap",))) == {None}


def test_repeated_stamps_and_gaps_are_told_of_rows() -> None:
    frame = hours(pm25_ugm3=[50.0, 51.0, 52.0, 53.0, 54.0])
    odd = pl.concat([frame[:1], frame[:1], frame[3:]])
    flags = quality_flags(odd, by=None, checks=("duplicate", "gap"))
    assert flags["row_flag"].to_list() == ["duplicate", "duplicate", "gap", None]
    assert flags["gap_hours"].to_list() == [0, 0, 2, 0]
    assert flags["pm25_flag"].to_list() == ["duplicate", "duplicate", None, None]


def test_the_gravest_remark_is_the_flag_and_all_are_reasons() -> None:
    frame = hours(pm25_ugm3=[1200.0], pm10_ugm3=[100.0])
    flags = quality_flags(frame, by=None, checks="basic")
    assert flags["pm25_flag"].item() == "out_of_range"
    assert flags["pm25_reasons"].item() == "out_of_range+pm25_above_pm10"


def test_a_station_that_leaves_the_network_drifts_and_the_others_do_not(clean: pl.DataFrame) -> None:
    wrong = (pl.col("station_id") == "synthetic_02") & pl.col("datetime_local").is_between(
        dt.datetime(2015, 5, 1), dt.datetime(2015, 8, 1)
    )
    frame = clean.with_columns(pl.when(wrong).then(pl.col("no2_ugm3") * 3).otherwise(pl.col("no2_ugm3")))
    flags = quality_flags(frame, values="no2_ugm3", checks=("drift",))
    drifted = flags.filter(pl.col("no2_flag") == "drift")
    assert drifted["station_id"].unique().to_list() == ["synthetic_02"]
    assert drifted.filter(wrong).height >= 0.8 * flags.filter(wrong).height
    assert drifted.filter(~wrong).height <= 0.15 * drifted.height


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_nothing_is_altered_and_the_order_of_rows_does_not_matter(seed: int) -> None:
    frame, _ = plant_faults(synthetic_stations(stations=4, days=20, seed=seed % 100), seed=seed, rate=3)
    frame = frame.unique(["station_id", "datetime_local"], maintain_order=True)
    flags = quality_flags(frame)
    assert flags.select(frame.columns).equals(frame)
    assert quality_flags(frame.sample(fraction=1, shuffle=True, seed=seed)).equals(flags)
    basic = quality_flags(frame, checks="basic")
    lazy = quality_flags(frame.lazy(), checks="basic").collect(engine="streaming")
    assert basic.equals(lazy)


@settings(max_examples=20)
@given(st.integers(0, 50))
def test_stations_are_judged_by_themselves_but_for_drift(seed: int) -> None:
    frame, _ = plant_faults(synthetic_stations(stations=2, days=10, seed=seed), seed=seed, rate=3)
    checks = tuple(c for c in CHECKS if c != "drift")
    parts = [quality_flags(part, checks=checks) for part in frame.partition_by("station_id", maintain_order=True)]
    assert quality_flags(frame, checks=checks).equals(pl.concat(parts))


def test_a_clean_synthetic_network_has_hardly_a_remark(clean: pl.DataFrame) -> None:
    flags = quality_flags(clean)
    remarked = sum(flags[f"{c.split('_')[0]}_flag"].count() for c in POLLUTANTS)
    assert remarked <= 1e-4 * 6 * flags.height


@pytest.mark.parametrize("seed", [1, 2])
def test_planted_faults_are_found(clean: pl.DataFrame, seed: int) -> None:
    faulty, truth = plant_faults(clean, seed=seed)
    scores = fault_scores(truth, quality_flags(faulty))
    assert set(scores["check"]) == set(RECALL)
    for row in scores.iter_rows(named=True):
        assert row["planted"] > 0, row
        assert row["recall"] >= RECALL[row["check"]], row
        assert row["precision_any"] >= PRECISION[row["check"]], row


def test_scores_count_what_is_planted_flagged_and_both() -> None:
    frame = hours(pm25_ugm3=[-999.0, 50.0, -999.0, -5.0])
    truth = frame[[0, 1]].select(
        "datetime_local", pl.lit("pm25_ugm3").alias("column"), pl.lit("sentinel").alias("fault")
    )
    score = fault_scores(truth, quality_flags(frame, by=None, checks="basic"), by=None).row(0, named=True)
    assert score == {
        **{"check": "sentinel", "planted": 2, "flagged": 2, "hit": 1, "precision": 0.5, "precision_any": 0.5},
        **{"recall": 0.5, "recall_any": 0.5},
    }


def test_beijings_hours_hold_21312_contradictions_and_the_known_caps(mirror: Path) -> None:
    hourly = catalog.load("uci__hourly_station_air")
    flags = quality_flags(hourly, checks="basic")
    found = quality_summary(flags, by=None).collect()
    counts = {(r["column"], r["check"]): r["n"] for r in found.iter_rows(named=True)}
    assert counts["pm25_ugm3", "pm25_above_pm10"] == 21312
    assert counts["pm10_ugm3", "pm10_below_pm25"] == 21312
    assert counts["co_mgm3", "at_cap"] == 56
    assert (counts["pm25_ugm3", "missing"], counts["o3_ugm3", "missing"]) == (8739, 13277)
    assert sum(n for (_, check), n in counts.items() if check == "negative") == 0


def test_the_summary_counts_by_station_and_adds_up() -> None:
    hourly = catalog.load("uci__hourly_station_air_december2016").collect()
    flags = quality_flags(hourly)
    by_station, whole = quality_summary(flags), quality_summary(flags, by=None)
    added = by_station.group_by("column", "check").agg(pl.col("n").sum()).sort("column", "check")
    assert added.equals(whole.select("column", "check", "n"))
    above = flags.filter(pl.col("pm25_ugm3") > pl.col("pm10_ugm3")).height
    assert whole.filter(check="pm25_above_pm10")["n"].item() == above


def test_mistakes_are_told_at_the_call() -> None:
    frame = hours(pm25_ugm3=[1.0])
    with pytest.raises(UnknownNameError, match="'spike'"):
        quality_flags(frame, by=None, checks="spikes")
    with pytest.raises(SchemaError, match="knows no thresholds"):
        quality_flags(frame.rename({"pm25_ugm3": "PM2.5"}), by=None)
    with pytest.raises(SchemaError, match="'station_id'"):
        quality_flags(frame)
    with pytest.raises(SchemaError, match="to_local"):
        quality_flags(frame.with_columns(pl.col("datetime_local").dt.replace_time_zone("UTC")), by=None)
    with pytest.raises(SchemaError, match="is String"):
        quality_flags(frame.cast({"pm25_ugm3": pl.String}), by=None)
    with pytest.raises(SchemaError, match="quality_flags"):
        quality_summary(frame, by=None)
    with pytest.raises(UnknownNameError, match="fault to plant"):
        plant_faults(frame, seed=1, kinds=["ghost"])
    with pytest.raises(RangeError, match="rate"):
        plant_faults(frame.with_columns(station_id=pl.lit("a")), seed=1, rate=0)


def test_an_empty_frame_is_no_error() -> None:
    assert quality_flags(hours(pm25_ugm3=[1.0]).clear(), by=None).is_empty()


def test_the_basic_checks_are_among_all_and_the_table_marks_its_choices() -> None:
    assert set(BASIC) < set(CHECKS)
    assert set(tables.read("air_plausibility")["mark"]) == {"from memory"}
