from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from citylab import catalog, tables
from citylab.air.averages import (
    POLLUTANTS,
    annual_mean,
    annual_percentile,
    daily_means,
    daily_values,
    mda8,
    monthly_mean,
    percentile,
    rolling_mean,
    time_average,
    window_sums,
)
from citylab.errors import DataError, DeclarationError, RangeError, SchemaError, UnknownNameError

START = dt.datetime(2017, 2, 27)
WIND = ("ws", "wd")


def hours(values: list[float | None], start: dt.datetime = START, column: str = "o3_ugm3") -> pl.DataFrame:
    stamps = [start + dt.timedelta(hours=i) for i in range(len(values))]
    return pl.DataFrame(
        {"datetime_local": stamps, column: values},
        schema_overrides={"datetime_local": pl.Datetime("ms"), column: pl.Float64},
    )


def days(n: int, start: dt.date = dt.date(2014, 1, 1), value: float = 40.0) -> pl.DataFrame:
    return pl.DataFrame({"date_local": [start + dt.timedelta(days=i) for i in range(n)], "pm25_ugm3": [value] * n})


@pytest.fixture(scope="module")
def mydata(mirror: Path) -> pl.DataFrame:
    frame = pl.read_csv(
        mirror / "reference/openair_mydata/mydata.csv.gz", infer_schema_length=None, try_parse_dates=True
    )
    return frame.rename({"date": "datetime_local"})


sparse = st.lists(st.one_of(st.none(), st.floats(0, 1000, width=32)), min_size=1, max_size=80)
presence = st.lists(st.booleans(), min_size=80, max_size=80)


# --- Statistical invariants -------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(sparse, presence)
def test_means_lie_between_extremes_and_captures_between_none_and_all(
    values: list[float | None], kept: list[bool]
) -> None:
    frame = hours(values).filter(pl.Series(kept[: len(values)]))
    kinds = {
        s: time_average(frame, "o3_ugm3", every="1d", by=None, stamp="ending", statistic=s)
        for s in ("mean", "min", "max")
    }
    low, mean, high = (kinds[s]["o3_ugm3"] for s in ("min", "mean", "max"))
    assert ((low <= mean + 1e-9) & (mean <= high + 1e-9)).drop_nulls().all()
    assert kinds["mean"]["o3_capture_share"].is_between(0, 1).all()
    assert kinds["mean"]["o3_n"].sum() == frame["o3_ugm3"].count()
    rolled = rolling_mean(frame, "o3_ugm3", by=None, min_capture=0)
    assert rolled["o3_8h_capture_share"].is_between(0, 1).all()
    assert (rolled["o3_8h_ugm3"] <= (frame["o3_ugm3"].max() or 0) + 1e-9).drop_nulls().all()  # type: ignore[operator]


@settings(max_examples=30)
@given(sparse, st.integers(0, 2**32 - 1))
def test_the_order_of_rows_changes_nothing(values: list[float | None], seed: int) -> None:
    frame = hours(values)
    mixed = frame.sample(fraction=1, shuffle=True, seed=seed)
    for look in (
        lambda f: time_average(f, "o3_ugm3", every="1d", by=None, stamp="ending"),
        lambda f: daily_means(f, "o3_ugm3", by=None, stamp="ending"),
        lambda f: mda8(f, by=None, stamp="ending"),
        lambda f: rolling_mean(f, "o3_ugm3", by=None),
    ):
        one, other = look(frame), look(mixed)
        for c in one.columns:
            if one[c].dtype == pl.Float64:
                np.testing.assert_allclose(one[c].to_numpy(), other[c].to_numpy(), rtol=1e-12)
            else:
                assert one[c].equals(other[c], null_equal=True)


@settings(max_examples=40)
@given(sparse, st.floats(-100, 100, width=32))
def test_a_constant_added_shifts_means_by_it(values: list[float | None], shift: float) -> None:
    frame = hours(values)
    moved = frame.with_columns(pl.col("o3_ugm3") + shift)
    for look, c in (
        (lambda f: time_average(f, "o3_ugm3", every="1d", by=None, stamp="ending"), "o3_ugm3"),
        (lambda f: mda8(f, by=None, stamp="ending", limit=1e9), "o3_mda8_ugm3"),
        (lambda f: rolling_mean(f, "o3_ugm3", by=None), "o3_8h_ugm3"),
    ):
        one, other = look(frame)[c], look(moved)[c]
        assert one.is_null().equals(other.is_null())
        np.testing.assert_allclose(other.drop_nulls(), (one + shift).drop_nulls(), atol=1e-3)


@settings(max_examples=40)
@given(sparse)
def test_a_stamp_at_the_end_of_an_hour_says_the_same_as_one_an_hour_earlier_at_its_start(
    values: list[float | None],
) -> None:
    ending = hours(values)
    starting = ending.with_columns(pl.col("datetime_local") - dt.timedelta(hours=1))
    assert daily_means(ending, "o3_ugm3", by=None, stamp="ending").equals(
        daily_means(starting, "o3_ugm3", by=None, stamp="starting")
    )
    assert mda8(ending, by=None, stamp="ending").equals(mda8(starting, by=None, stamp="starting"))


@settings(max_examples=30)
@given(sparse, sparse)
def test_stations_know_nothing_of_each_other(a: list[float | None], b: list[float | None]) -> None:
    one, other = (hours(v).with_columns(pl.lit(name).alias("station_id")) for v, name in ((a, "a"), (b, "b")))
    for look in (
        lambda f: daily_means(f, "o3_ugm3", stamp="ending"),
        lambda f: mda8(f, stamp="ending"),
        lambda f: mda8(f, stamp="ending", edition="eu"),
        lambda f: rolling_mean(f, "o3_ugm3"),
    ):
        assert look(pl.concat([one, other])).equals(pl.concat([look(one), look(other)]))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.floats(0, 100))
def test_percentiles_are_numpys_linear_rule(values: list[float], percent: float) -> None:
    found = pl.DataFrame({"v": values}).select(percentile(pl.col("v"), percent)).item()
    assert found == pytest.approx(np.percentile(values, percent), rel=1e-9, abs=1e-6)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=50), st.integers(1, 60))
def test_window_sums_are_the_sums_of_windows(numbers: list[int], length: int) -> None:
    brute = [sum(numbers[max(0, i - length + 1) : i + 1]) for i in range(len(numbers))]
    assert window_sums(np.array(numbers, float), length).tolist() == brute


# --- Periods, labels, capture -----------------------------------------------------------------------------------------


def test_midnight_at_the_end_of_an_hour_belongs_to_the_day_before() -> None:
    frame = hours([1.0], start=dt.datetime(2017, 1, 2, 0))
    for stamp, day in (("ending", dt.date(2017, 1, 1)), ("starting", dt.date(2017, 1, 2))):
        found = time_average(frame, "o3_ugm3", every="1d", by=None, stamp=stamp)  # type: ignore[arg-type]
        assert found["date_local"].item() == day


def test_capture_is_a_share_of_the_calendar_and_not_of_the_rows() -> None:
    frame = hours([5.0] * 48, start=dt.datetime(2016, 2, 10))
    month = time_average(frame, "o3_ugm3", every="1mo", by=None, stamp="starting")
    assert month["month_start"].item() == dt.date(2016, 2, 1)
    assert month["o3_capture_share"].item() == pytest.approx(48 / (29 * 24))
    year = time_average(frame, "o3_ugm3", every="1y", by=None, stamp="starting")
    assert (year["year"].item(), year["o3_capture_share"].item()) == (2016, pytest.approx(48 / (366 * 24)))
    within = time_average(frame, "o3_ugm3", every="1y", by=None, stamp="starting", span="data")
    assert within["o3_capture_share"].item() == 1.0


def test_exactly_the_least_capture_counts_and_one_hour_less_does_not() -> None:
    for n, valid in ((18, True), (17, False)):
        day = time_average(hours([3.0] * n), "o3_ugm3", every="1d", by=None, stamp="starting", min_capture=0.75)
        assert (day["o3_is_valid"].item(), day["o3_ugm3"].item()) == (valid, 3.0 if valid else None)
        assert day["o3_reason"].item() == (None if valid else "low_capture")


def test_all_null_nan_and_infinity_count_as_missing() -> None:
    frame = hours([None, float("nan"), float("inf"), 4.0])
    day = time_average(frame, "o3_ugm3", every="1d", by=None, stamp="starting")
    assert (day["o3_ugm3"].item(), day["o3_n"].item()) == (4.0, 1)
    none = daily_means(hours([None] * 24), "o3_ugm3", by=None, stamp="starting")
    assert (none["o3_ugm3"].item(), none["o3_reason"].item()) == (None, "no_values")


@pytest.mark.parametrize(
    ("statistic", "expected"),
    [("mean", 4.0), ("max", 10.0), ("min", 1.0), ("median", 2.5), ("sum", 16.0), ("count", 4)],
)
def test_statistics_are_what_they_are_called(statistic: str, expected: float) -> None:
    frame = hours([1.0, 2.0, None, 3.0, 10.0])
    found = time_average(frame, "o3_ugm3", every="1d", by=None, stamp="starting", statistic=statistic)  # type: ignore[arg-type]
    assert found["o3_ugm3"].item() == expected


def test_350_and_10_degrees_average_to_north_and_opposite_winds_to_no_direction() -> None:
    def mean(speeds: list[float], directions: list[float]) -> float | None:
        frame = hours(directions, column="wind_direction_deg").with_columns(pl.Series("wind_speed_ms", speeds))
        day = time_average(frame, "wind_direction_deg", every="1d", by=None, stamp="starting")
        return day["wind_direction_deg"].item()

    assert mean([2.0, 2.0], [350.0, 10.0]) == pytest.approx(0.0, abs=1e-9) or mean(
        [2.0, 2.0], [350.0, 10.0]
    ) == pytest.approx(360.0)
    assert mean([3.0, 1.0], [0.0, 90.0]) == pytest.approx(np.degrees(np.arctan2(1, 3)))
    assert mean([2.0, 2.0], [170.0, 350.0]) is None
    assert mean([0.0, 0.0], [170.0, 350.0]) is None


def test_a_direction_has_no_maximum() -> None:
    frame = hours([10.0], column="wind_direction_deg")
    with pytest.raises(SchemaError, match="is a direction"):
        time_average(frame, "wind_direction_deg", every="1d", by=None, stamp="starting", statistic="max")
    with pytest.raises(SchemaError, match="is a direction"):
        time_average(frame, "wind_direction_deg", every="1d", by=None, stamp="starting", wind=None)


def test_hours_without_a_row_are_missing_in_a_running_mean() -> None:
    frame = hours([10.0, 20.0, 30.0, 40.0, 50.0, 60.0]).filter(pl.Series([True, True, False, False, True, True]))
    for align, expected in (
        ("right", [10.0, 15.0, 50.0, 55.0]),
        ("left", [15.0, 20.0, 55.0, 60.0]),
        ("center", [15.0, 15.0, 55.0, 55.0]),
    ):
        found = rolling_mean(frame, "o3_ugm3", hours=3, min_capture=0.1, align=align, by=None)  # type: ignore[arg-type]
        assert found["o3_3h_ugm3"].to_list() == expected


# --- MDA8 and the assessment rules ------------------------------------------------------------------------------------


def brute_mda8(values: list[float | None], limit: float = 160.0) -> tuple[float | None, int, bool]:
    """One day's 24 values; windows end at 8..24 o'clock, 6 of 8 hours, 14 windows or above the limit."""
    means = []
    for end in range(8, 25):
        window = [v for v in values[end - 8 : end] if v is not None]
        if len(window) >= 6:
            means.append(sum(window) / len(window))
    valid = bool(means) and (len(means) >= 14 or max(means) > limit)
    return (max(means) if valid else None), len(means), valid


@given(st.lists(st.one_of(st.none(), st.floats(0, 300, width=32)), min_size=24, max_size=24))
def test_mda8_is_the_largest_window_of_the_day(values: list[float | None]) -> None:
    expected, n, valid = brute_mda8(values)
    found = mda8(hours(values, start=dt.datetime(2017, 6, 1, 1)), by=None, stamp="ending").row(0, named=True)
    assert (found["o3_mda8_n"], found["o3_mda8_is_valid"]) == (n, valid)
    assert found["o3_mda8_ugm3"] == (None if expected is None else pytest.approx(expected, rel=1e-12))


@given(
    st.lists(st.one_of(st.none(), st.floats(0, 300, width=32)), min_size=72, max_size=72),
    st.sampled_from(["epa", "eu"]),
)
def test_windows_of_other_editions_reach_into_the_neighbouring_days(values: list[float | None], edition: str) -> None:
    rules = {r["rule"]: r["minimum"] for r in tables.read("air_validity").filter(edition=edition).iter_rows(named=True)}
    found = mda8(hours(values), by=None, stamp="starting", edition=edition)
    means = []
    for end in range(24 + int(rules["mda8_first_label"]), 24 + int(rules["mda8_last_label"]) + 1):
        window = [v for v in values[end - 8 : end] if v is not None]
        means += [sum(window) / len(window)] if len(window) >= 6 else []
    day = found.filter(date_local=START.date() + dt.timedelta(days=1)).row(0, named=True)
    assert day["o3_mda8_n"] == len(means)
    if len(means) >= rules["mda8_windows"]:
        assert day["o3_mda8_ugm3"] == pytest.approx(max(means), rel=1e-12)


def test_few_windows_are_enough_above_the_limit_and_not_at_it() -> None:
    for value, reason in ((160.0, "few_windows"), (161.0, "few_windows_above_limit")):
        found = mda8(hours([value] * 10), by=None, stamp="starting")
        assert found["o3_mda8_reason"].item() == reason
        assert found["o3_mda8_ugm3"].item() == (161.0 if value > 160 else None)


@pytest.mark.parametrize(("n", "valid"), [(19, False), (20, True)])
def test_a_day_needs_twenty_hours_in_china_and_eighteen_elsewhere(n: int, valid: bool) -> None:
    frame = hours([9.0] * n)
    for edition in ("by-date", "hj663-2013", "hj663-2026"):
        assert daily_means(frame, "o3_ugm3", by=None, stamp="starting", edition=edition)["o3_is_valid"].item() is valid
    assert daily_means(frame, "o3_ugm3", by=None, stamp="starting", edition="eu")["o3_is_valid"].item()


def test_the_edition_is_that_of_the_day_and_before_the_first_there_is_none() -> None:
    for year, month, day, edition in ((2010, 1, 1, None), (2026, 2, 28, "hj663-2013"), (2026, 3, 1, "hj663-2026")):
        frame = hours([9.0] * 24, start=dt.datetime(year, month, day))
        found = daily_means(frame, "o3_ugm3", by=None, stamp="starting").row(0, named=True)
        assert found["validity_edition"] == edition
        assert found["o3_reason"] == (None if edition else "no_edition")


def test_a_year_in_which_the_edition_changes_names_both() -> None:
    year = annual_mean(days(365, dt.date(2026, 1, 1)), by=None)
    assert (year["validity_edition"].item(), year["pm25_is_valid"].item()) == ("hj663-2013+hj663-2026", True)


def test_a_year_needs_324_days_27_a_month_and_25_in_february() -> None:
    whole = days(365)
    day = pl.col("date_local")

    def without(month: int, n: int) -> pl.DataFrame:
        return whole.filter(~((day.dt.month() == month) & (day.dt.day() <= n)))

    def reason(frame: pl.DataFrame) -> str | None:
        return annual_mean(frame, by=None)["pm25_reason"].item()

    assert reason(whole) is None
    assert reason(without(1, 4)) is None
    assert reason(without(1, 5)) == "few_days_in_month"
    assert reason(without(2, 3)) is None
    assert reason(without(2, 4)) == "few_days_in_month"
    spread = whole.filter(day.dt.day() > 4)  # 365 - 48 = 317 days
    assert reason(spread) == "few_days"
    assert reason(days(3)) == "few_days"


def test_a_month_needs_27_days_and_february_25() -> None:
    for month, n, valid in ((1, 26, False), (1, 27, True), (2, 24, False), (2, 25, True)):
        found = monthly_mean(days(n, dt.date(2014, month, 1)), by=None)
        assert found["pm25_is_valid"].item() is valid


def test_days_of_too_few_hours_do_not_count_towards_a_year() -> None:
    share = pl.when(pl.int_range(pl.len()) < 2).then(19 / 24).otherwise(20 / 24).alias("pm25_capture_share")
    year = annual_mean(
        days(365).with_columns(share, pl.when(pl.int_range(pl.len()) < 2).then(1e6).otherwise(40.0).alias("pm25_ugm3")),
        by=None,
    )
    assert (year["pm25_n"].item(), year["pm25_ugm3"].item()) == (363, 40.0)
    flagged = days(365).with_columns((pl.int_range(pl.len()) >= 2).alias("pm25_is_valid"))
    assert annual_mean(flagged, by=None)["pm25_n"].item() == 363


def test_the_90th_percentile_of_a_year_stands_at_one_plus_n_less_one_times_p() -> None:
    frame = days(365).with_columns(pl.int_range(365).cast(pl.Float64).alias("pm25_ugm3"))
    found = annual_percentile(frame, "pm25_ugm3", percent=90, by=None)
    assert found["pm25_ugm3"].item() == pytest.approx(364 * 0.9)


# --- Bad input --------------------------------------------------------------------------------------------------------


def test_two_rows_in_one_hour_are_refused_when_collected() -> None:
    frame = pl.concat([hours([1.0, 2.0]), hours([3.0])])
    for look in (
        lambda f: time_average(f, "o3_ugm3", every="1mo", by=None, stamp="ending"),
        lambda f: daily_means(f, "o3_ugm3", by=None, stamp="ending"),
        lambda f: mda8(f, by=None, stamp="ending"),
        lambda f: rolling_mean(f, "o3_ugm3", by=None),
    ):
        lazy = look(frame.lazy())
        with pytest.raises(DataError, match="duplicate"):
            lazy.collect()
    with pytest.raises(DataError, match="duplicate"):
        annual_mean(pl.concat([days(3), days(1)]), by=None)


def test_a_row_without_time_is_refused() -> None:
    frame = pl.concat(
        [hours([1.0]), pl.DataFrame({"datetime_local": [None], "o3_ugm3": [2.0]}, schema=hours([1.0]).schema)]
    )
    for look in (
        lambda f: daily_means(f, "o3_ugm3", by=None, stamp="ending"),
        lambda f: rolling_mean(f, "o3_ugm3", by=None),
    ):
        with pytest.raises(DataError, match="no time"):
            look(frame)


def test_mistakes_are_told_at_the_call() -> None:
    frame = hours([1.0]).lazy()
    with pytest.raises(SchemaError, match="stamp='ending' or stamp='starting'"):
        time_average(frame, "o3_ugm3", every="1d", by=None)
    with pytest.raises(RangeError, match="share between 0 and 1"):
        time_average(frame, "o3_ugm3", every="1d", by=None, stamp="ending", min_capture=75)
    with pytest.raises(UnknownNameError, match="statistic"):
        time_average(frame, "o3_ugm3", every="1d", by=None, stamp="ending", statistic="mode")  # type: ignore[arg-type]
    with pytest.raises(RangeError, match="no length of time"):
        time_average(frame, "o3_ugm3", every="day", by=None, stamp="ending")
    with pytest.raises(RangeError, match="shorter than the step"):
        time_average(frame, "o3_ugm3", every="10m", by=None, stamp="ending")
    with pytest.raises(UnknownNameError, match="hj663-2013"):
        daily_means(frame, "o3_ugm3", by=None, stamp="ending", edition="hj663-2012")
    with pytest.raises(SchemaError, match="'station_id'"):
        mda8(frame, stamp="ending")
    with pytest.raises(SchemaError, match="to_local"):
        mda8(frame.with_columns(pl.col("datetime_local").dt.replace_time_zone("UTC")), by=None, stamp="ending")
    with pytest.raises(SchemaError, match="Make daily values first"):
        annual_mean(frame, "o3_ugm3", by=None, time="datetime_local")
    with pytest.raises(RangeError, match="90th percentile"):
        percentile(pl.col("o3_ugm3"), 101)


def test_an_empty_frame_gives_an_empty_result() -> None:
    empty = hours([])
    assert daily_means(empty, "o3_ugm3", by=None, stamp="ending").is_empty()
    assert mda8(empty, by=None, stamp="ending").is_empty()
    assert rolling_mean(empty, "o3_ugm3", by=None).is_empty()
    assert annual_mean(days(1).clear(), by=None).is_empty()


# --- Published figures and real data ----------------------------------------------------------------------------------

# Annual means of openair 2.12 timeAverage on its mydata, 1998 to 2005.
OPENAIR_ANNUAL = {
    "o3": [5.533947, 6.431897, 6.619295, 7.072555, 7.379663, 7.673975, 7.559426, 10.016195],
    "nox": [195.493973, 204.484220, 216.994324, 175.324529, 156.619012, 163.941052, 157.088969, 144.351796],
    "wd": [234.43629, 230.82179, 217.97801, 230.34574, 216.23764, 221.59203, 243.67951, 248.96863],
}
# Days of 2731 with at least 75 % of hours, by openair; the last day has 13 hours and openair takes them for all of it.
OPENAIR_DAYS = {
    **{"ws": 2698, "wd": 2690, "nox": 2625, "no2": 2624, "o3": 2630},
    **{"pm10": 2647, "so2": 2287, "co": 2643, "pm25": 2342},
}


def test_annual_and_monthly_means_are_openairs(mydata: pl.DataFrame) -> None:
    years = time_average(mydata, list(OPENAIR_ANNUAL), every="1y", by=None, stamp="starting", wind=WIND)
    for column, expected in OPENAIR_ANNUAL.items():
        np.testing.assert_allclose(years[column], expected, atol=1e-5)
    month = time_average(mydata, ["o3", "ws", "wd"], every="1mo", by=None, stamp="starting", wind=WIND).row(
        0, named=True
    )
    assert month["o3"] == pytest.approx(4.345628, abs=1e-5)
    assert month["ws"] == pytest.approx(5.088775, abs=1e-5)
    assert month["wd"] == pytest.approx(212.8806, abs=1e-4)


def test_valid_days_are_openairs_and_one_less_where_the_calendar_counts(mydata: pl.DataFrame) -> None:
    wanted = list(OPENAIR_DAYS)
    ask = dict(every="1d", by=None, stamp="starting", wind=WIND, min_capture=0.75)
    for span, less in (("data", 0), ("calendar", 1)):
        found = time_average(mydata, wanted, span=span, **ask)  # type: ignore[arg-type]
        assert found.height == 2731
        for c, n in OPENAIR_DAYS.items():
            # SO2 is missing on the last day, so that nothing changes.
            assert found[c].count() == n - (less if c != "so2" else 0)


def test_running_eight_hour_means_are_openairs(mydata: pl.DataFrame) -> None:
    rolled = rolling_mean(mydata, "o3", hours=8, min_capture=0.75, by=None)["o3_8h"]
    assert (rolled.mean(), rolled.max(), rolled.null_count()) == (pytest.approx(7.120, abs=0.01), 55.5, 2279)


def test_the_compiled_daily_table_is_what_daily_means_gives_before_judging() -> None:
    hourly = catalog.load("uci__hourly_station_air_december2016")
    december = pl.col("date_local").is_between(dt.date(2016, 12, 1), dt.date(2016, 12, 31))
    compiled = catalog.load("uci__daily_station_air").filter(december).sort("station_id", "date_local").collect()
    ours = daily_means(hourly, stamp="starting").collect()
    assert ours.height == compiled.height == 12 * 31
    for c in POLLUTANTS:
        share = f"{c.split('_')[0]}_capture_share"
        np.testing.assert_allclose(ours[share], compiled[share])
        enough = compiled[share] >= 20 / 24 - 1e-9
        assert ours[c].is_not_null().equals(enough)
        np.testing.assert_allclose(ours.filter(enough)[c], compiled.filter(enough)[c])


def test_lazy_streaming_and_eager_agree() -> None:
    hourly = catalog.load("uci__hourly_station_air_december2016")
    for look in (
        lambda f: daily_means(f, stamp="starting"),
        lambda f: mda8(f, stamp="starting"),
        lambda f: rolling_mean(f, "o3_ugm3"),
    ):
        eager = look(hourly.collect())
        streamed = look(hourly).collect(engine="streaming")
        assert eager.schema == streamed.schema
        for c in eager.columns:
            if eager[c].dtype == pl.Float64:
                np.testing.assert_allclose(eager[c].to_numpy(), streamed[c].to_numpy(), rtol=1e-12)
            else:
                assert eager[c].equals(streamed[c], null_equal=True)


def test_every_rule_of_the_table_has_a_source_and_a_mark() -> None:
    rows = tables.read("air_validity")
    assert rows.select("edition", "rule").is_unique().all()
    assert rows["source"].is_not_null().all()
    assert set(rows["mark"]) <= {"verified", "secondary", "from memory"}


# --- days made in one grouping ----------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(
    st.lists(st.one_of(st.none(), st.floats(0, 300, width=32)), min_size=60, max_size=100),
    st.sampled_from(["by-date", "epa", "eu"]),
    st.randoms(use_true_random=False),
)
def test_days_are_the_same_in_any_order_and_from_both_functions(values, edition: str, lots) -> None:
    frame = hours(values).with_columns(
        station_id=pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.lit("b")).otherwise(pl.lit("a"))
    )
    rows = list(range(frame.height))
    lots.shuffle(rows)
    both = daily_values(frame[rows], "o3_ugm3", max1h="o3_ugm3", stamp="ending", edition=edition)
    means = daily_means(frame, "o3_ugm3", stamp="ending", edition=edition)
    largest = mda8(frame, stamp="ending", edition=edition)
    for alone in (means, largest):
        assert_frame_equal(both.select(alone.columns), alone, rel_tol=1e-12)
    highest = time_average(frame, "o3_ugm3", every="1d", stamp="ending", statistic="max", min_capture=0.0)
    told = both["o3_max1h_is_valid"]
    assert both["o3_max1h_ugm3"].filter(told).to_list() == highest["o3_ugm3"].filter(told).to_list()


def test_the_highest_eight_hours_of_other_gases_end_within_the_day() -> None:
    # 9 mg/m³ from 20:00 to 04:00: the window of those hours ends on the second day, the first has four of eight.
    values = [1.0] * 20 + [9.0] * 8 + [1.0] * 20
    found = daily_values(
        hours(values, column="co_mgm3"), (), mda8=(), max8h="co_mgm3", by=None, stamp="starting", edition="epa"
    )
    assert found["co_max8h_mgm3"].to_list() == [5.0, 9.0]
    with pytest.raises(DeclarationError, match="max8h"):
        daily_values(hours(values, column="co_mgm3"), (), mda8=(), max8h="co_mgm3", by=None, stamp="starting")


def test_a_repeated_hour_is_refused_however_far_apart_its_rows_stand() -> None:
    frame = hours([float(h) for h in range(24)])
    again = pl.concat([frame, frame.head(1)])
    for function in (mda8, daily_values):
        with pytest.raises(DataError, match="two rows of one group in one hour"):
            function(again, by=None, stamp="starting")
    many = pl.concat([frame.head(1)] * 300)  # more than 24 bits can hold
    with pytest.raises(DataError, match="with 300 rows"):
        mda8(many, by=None, stamp="starting")


def test_daily_values_asked_for_nothing_say_so() -> None:
    with pytest.raises(SchemaError, match="nothing is asked for"):
        daily_values(hours([1.0]), (), mda8=(), by=None, stamp="starting")
