from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citylab.air import summary
from citylab.errors import DataError, SchemaError

DAY = dt.date(2014, 1, 1)


def station_days(rows: list[tuple[str, int, float | None, float]]) -> pl.DataFrame:
    """Rows of station, days after 1 January 2014, value and capture."""
    return pl.DataFrame(
        {
            "station_id": [r[0] for r in rows],
            "date_local": [DAY + dt.timedelta(days=r[1]) for r in rows],
            "pm25_ugm3": [r[2] for r in rows],
            "pm25_capture_share": [r[3] for r in rows],
        },
        schema_overrides={"pm25_ugm3": pl.Float64},
    )


def daily(frame: pl.DataFrame, **options: int) -> pl.DataFrame:
    return summary.city_daily(frame, "pm25_ugm3", "pm25_capture_share", **{"min_stations": 2, **options})


def test_a_station_day_with_19_hours_does_not_count_and_one_with_20_does():
    frame = station_days([("a", 0, 10.0, 20 / 24), ("b", 0, 30.0, 20 / 24), ("c", 0, 500.0, 19 / 24)])
    assert daily(frame).row(0)[1:] == (20.0, 10.0, 30.0, 2)


def test_a_day_with_too_few_stations_is_a_gap_that_says_how_many_there_were():
    frame = station_days([("a", 0, 10.0, 1), ("b", 0, 20.0, 1), ("a", 1, 10.0, 1)])
    assert daily(frame).row(1)[1:] == (None, None, None, 1)


def test_a_day_without_any_row_is_a_gap_too():
    frame = station_days([("a", 0, 10.0, 1), ("b", 0, 20.0, 1), ("a", 2, 10.0, 1), ("b", 2, 20.0, 1)])
    table = daily(frame)
    assert table["date_local"].to_list() == [DAY + dt.timedelta(days=d) for d in range(3)]
    assert table.row(1)[1:] == (None, None, None, 0)


def test_a_nan_is_missing_and_not_a_value():
    frame = station_days([("a", 0, float("nan"), 1), ("b", 0, 20.0, 1), ("c", 0, 40.0, 1)])
    assert daily(frame).row(0)[1:] == (30.0, 20.0, 40.0, 2)


def test_lazy_in_gives_lazy_out_with_the_same_rows():
    frame = station_days([("a", 0, 10.0, 1), ("b", 0, 20.0, 1)])
    lazy = summary.city_daily(frame.lazy(), "pm25_ugm3", "pm25_capture_share", min_stations=1)
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect().equals(daily(frame, min_stations=1))


def test_a_missing_column_is_named_at_the_call():
    frame = station_days([("a", 0, 10.0, 1)]).lazy().drop("pm25_capture_share")
    with pytest.raises(SchemaError, match="pm25_capture_share"):
        summary.city_daily(frame, "pm25_ugm3", "pm25_capture_share", min_stations=1)


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.floats(0, 900), st.floats(0, 1)),
        min_size=1,
        unique_by=lambda row: row[:2],
    )
)
def test_the_city_mean_lies_between_its_lowest_and_highest_station(rows):
    table = daily(station_days(rows), min_stations=1).drop_nulls()
    assert (table["pm25_ugm3"] >= table["pm25_ugm3_min"] - 1e-9).all()
    assert (table["pm25_ugm3"] <= table["pm25_ugm3_max"] + 1e-9).all()
    assert (table["station_count"] >= 1).all()


def means(frame: pl.DataFrame, first: int, last: int, **options: int) -> dict[str, tuple[float | None, int]]:
    table = summary.station_means(
        frame, "pm25_ugm3", "pm25_capture_share",
        start=DAY + dt.timedelta(days=first), end=DAY + dt.timedelta(days=last), **options,
    )  # fmt: skip
    return {row[0]: row[1:] for row in table.rows()}


def test_a_station_needs_three_quarters_of_the_days_of_the_period():
    frame = station_days([("a", d, 10.0 * d, 1) for d in range(3)] + [("b", d, 7.0, 1) for d in range(2)])
    assert means(frame, 0, 3) == {"a": (10.0, 3), "b": (None, 2)}


def test_both_ends_of_the_period_belong_to_it_and_nothing_beyond():
    frame = station_days([("a", d, float(d), 1) for d in range(10)])
    assert means(frame, 2, 4) == {"a": (3.0, 3)}


def test_a_year_can_ask_for_its_own_number_of_days():
    frame = station_days([("a", d, 5.0, 1) for d in range(324)] + [("b", d, 5.0, 1) for d in range(323)])
    found = means(frame, 0, 364, min_days=summary.MIN_DAYS_OF_YEAR)
    assert found == {"a": (5.0, 324), "b": (None, 323)}


def test_a_period_that_ends_before_it_starts_is_refused():
    with pytest.raises(DataError, match="before it starts"):
        means(station_days([("a", 0, 1.0, 1)]), 3, 1)


def test_the_interval_is_that_of_a_hand_calculation():
    # differences -10, -8, -12: mean -10, s = 2, s/sqrt(3) = 1.154701, t(0.975; 2) = 4.302653 -> half 4.968275
    found = summary.paired_change([80, 90, 100], [70, 82, 88])
    assert (found.change, found.n, found.before, found.after) == (-10, 3, 90, 80)
    assert found.low == pytest.approx(-14.968275, abs=1e-5)
    assert found.high == pytest.approx(-5.031725, abs=1e-5)


def test_only_stations_with_both_values_enter_the_change():
    found = summary.paired_change(pl.Series([80.0, None, 100.0, 10.0]), pl.Series([70.0, 1.0, 88.0, None]))
    assert (found.n, found.before, found.after) == (2, 90, 79)


def test_one_pair_gives_no_interval_but_an_error_that_says_so():
    with pytest.raises(DataError, match="at least 2"):
        summary.paired_change([1.0, None], [2.0, 3.0])  # type: ignore[list-item]


@given(st.lists(st.tuples(st.floats(1, 500), st.floats(1, 500)), min_size=2, max_size=30), st.floats(-50, 50))
def test_adding_the_same_to_every_later_value_moves_the_interval_by_it(pairs, shift):
    before, after = zip(*pairs, strict=True)
    plain = summary.paired_change(before, after)
    moved = summary.paired_change(before, [x + shift for x in after])
    assert moved.low - plain.low == pytest.approx(shift, abs=1e-6)
    assert moved.high - plain.high == pytest.approx(shift, abs=1e-6)
