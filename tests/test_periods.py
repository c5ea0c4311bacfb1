"""Clock, hour stamps, heating seasons and the working calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citylab import periods
from citylab.errors import RangeError, SchemaError, UnknownNameError

moments = st.datetimes(datetime(1992, 1, 1), datetime(2049, 12, 31))
days = st.dates(date(1990, 1, 1), date(2049, 12, 31))


def one(value: object, expr: pl.Expr) -> object:
    return pl.DataFrame({"x": [value]}).lazy().select(expr).collect().item()


# the clock


@given(moments)
def test_beijing_is_eight_hours_ahead_of_utc_all_year(moment: datetime) -> None:
    assert one(moment, periods.to_local(pl.col("x"))) == moment + timedelta(hours=8)


@given(moments)
def test_local_to_utc_and_back_is_the_same_wall_clock(moment: datetime) -> None:
    assert one(moment, periods.to_local(periods.to_utc(pl.col("x")))) == moment


def test_the_summer_times_of_1986_to_1991_are_known() -> None:
    assert one(datetime(1988, 7, 1), periods.to_local(pl.col("x"))) == datetime(1988, 7, 1, 9)
    assert one(datetime(1992, 7, 1), periods.to_local(pl.col("x"))) == datetime(1992, 7, 1, 8)


def test_utc_times_carry_their_zone_so_that_nobody_takes_them_for_local_ones() -> None:
    assert one(datetime(2017, 1, 1), periods.to_utc(pl.col("x"))) == datetime(2016, 12, 31, 16, tzinfo=UTC)


def test_a_zone_that_datetimes_carry_is_respected() -> None:
    berlin = pl.Series("x", [datetime(2017, 1, 1)]).dt.replace_time_zone("Europe/Berlin").to_frame()
    assert berlin.select(periods.to_local(pl.col("x"))).item() == datetime(2017, 1, 1, 7)


@pytest.mark.parametrize("dtype", [pl.Datetime("us", "UTC"), pl.Datetime("ms", periods.ASIA_SHANGHAI), pl.String])
def test_what_is_not_a_wall_clock_is_refused_as_local_time(dtype: pl.DataType) -> None:
    lazy = pl.LazyFrame({"x": []}, schema={"x": dtype})
    with pytest.raises((SchemaError, pl.exceptions.PolarsError)):
        lazy.select(periods.to_utc(pl.col("x"))).collect()


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_the_clock_keeps_the_time_unit_so_that_joins_still_fit(unit: str) -> None:
    frame = pl.DataFrame({"x": [datetime(2017, 1, 1)]}, schema={"x": pl.Datetime(unit)})  # type: ignore[arg-type]
    assert frame.select(periods.to_local(periods.to_utc(pl.col("x")))).schema["x"] == pl.Datetime(unit)  # type: ignore[arg-type]


# hours


@given(moments)
def test_the_two_stamps_of_an_hour_lie_an_hour_apart(moment: datetime) -> None:
    hour = moment.replace(minute=0, second=0, microsecond=0)
    assert one(hour, periods.hour_ending_to_starting(pl.col("x"))) == hour - timedelta(hours=1)
    assert one(hour, periods.hour_starting_to_ending(periods.hour_ending_to_starting(pl.col("x")))) == hour


@given(moments)
def test_an_hour_belongs_to_one_day_whichever_end_is_stamped(moment: datetime) -> None:
    start = moment.replace(minute=0, second=0, microsecond=0)
    by_end = one(start + timedelta(hours=1), periods.date_of_hour(pl.col("x"), stamp="ending"))
    assert by_end == one(start, periods.date_of_hour(pl.col("x"), stamp="starting")) == start.date()


def test_a_day_has_24_hours_under_both_stamps() -> None:
    hours = pl.DataFrame({"x": [datetime(2016, 2, 28, 0) + timedelta(hours=h) for h in range(24 * 4)]})
    ending = hours.group_by(periods.date_of_hour(pl.col("x"), stamp="ending")).len().sort("x")
    assert ending["len"].to_list() == [1, 24, 24, 24, 23]


def test_midnight_as_an_hour_ending_stamp_belongs_to_the_day_before() -> None:
    assert one(datetime(2017, 1, 1), periods.date_of_hour(pl.col("x"), stamp="ending")) == date(2016, 12, 31)


def test_the_kind_of_stamp_must_be_said_and_be_known() -> None:
    with pytest.raises(TypeError):
        periods.date_of_hour(pl.col("x"))  # type: ignore[call-arg]
    with pytest.raises(UnknownNameError, match="'ending'"):
        periods.date_of_hour(pl.col("x"), stamp="end")  # type: ignore[arg-type]


# heating


@given(days)
def test_a_day_has_a_season_label_exactly_in_the_heating_season(day: date) -> None:
    heating = one(day, periods.heating_season(pl.col("x")))
    assert heating == (one(day, periods.heating_season_label(pl.col("x"))) is not None)
    assert heating == (day.month in {12, 1, 2} or (day.month, day.day) >= (11, 15) or (day.month, day.day) <= (3, 15))


def test_a_season_is_named_after_both_its_years_and_has_121_days_or_122() -> None:
    winter = pl.select(x=pl.date_range(date(2014, 7, 1), date(2017, 6, 30)))
    seasons = winter.group_by(periods.heating_season_label(pl.col("x")).alias("s")).len().drop_nulls().sort("s")
    assert seasons.rows() == [("2014/15", 121), ("2015/16", 122), ("2016/17", 121)]  # 2016 is a leap year


def test_the_turn_of_the_century_is_written_with_two_digits() -> None:
    assert one(date(1999, 12, 31), periods.heating_season_label(pl.col("x"))) == "1999/00"
    assert one(date(2009, 1, 1), periods.heating_season_label(pl.col("x"))) == "2008/09"


def test_the_heating_season_takes_datetimes_and_keeps_nulls() -> None:
    frame = pl.DataFrame({"x": [datetime(2016, 11, 14, 23), datetime(2016, 11, 15, 0), None]})
    assert frame.select(periods.heating_season(pl.col("x"))).to_series().to_list() == [False, True, None]


def test_a_city_without_a_declared_season_is_an_error() -> None:
    with pytest.raises(UnknownNameError, match="310000"):
        periods.heating_season(pl.col("x"), adcode="310000")


# the calendar


@pytest.fixture(scope="module")
def years() -> pl.DataFrame:
    return periods.calendar("2013-01-01", "2026-12-31").collect()


def of(years: pl.DataFrame, day: str) -> dict[str, object]:
    return years.row(by_predicate=pl.col("date_local") == date.fromisoformat(day), named=True)


def test_every_day_from_2013_to_2026_stands_once_in_the_calendar(years: pl.DataFrame) -> None:
    assert years.height == (date(2027, 1, 1) - date(2013, 1, 1)).days
    assert years["date_local"].is_unique().all()
    assert years["date_local"].is_sorted()


def test_every_year_has_its_holidays_and_its_adjusted_days(years: pl.DataFrame) -> None:
    per_year = years.group_by(pl.col("date_local").dt.year()).agg(
        pl.col("is_public_holiday").sum(), pl.col("is_adjusted_workday").sum(), pl.col("is_workday").sum(),
        names=pl.col("holiday_name_en").drop_nulls().unique(),
    )  # fmt: skip
    assert per_year["is_public_holiday"].is_between(20, 35).all()
    assert per_year["is_adjusted_workday"].is_between(4, 14).all()
    assert per_year["is_workday"].is_between(247, 253).all()
    # seven holidays, of which Mid-autumn may fall into National Day (2020, 2023)
    assert (per_year["names"].list.len() >= 6).all()


def test_weekdays_count_from_monday(years: pl.DataFrame) -> None:
    assert of(years, "2024-01-01")["weekday"] == 1  # a Monday
    assert of(years, "2017-10-01")["weekday"] == 7  # a Sunday


def test_working_days_are_week_days_that_are_no_holiday_and_adjusted_weekends(years: pl.DataFrame) -> None:
    weekend = pl.col("weekday") > 5
    assert years.filter(pl.col("is_adjusted_workday") & ~weekend).is_empty()
    assert years.filter(pl.col("is_adjusted_rest") & (weekend | ~pl.col("is_public_holiday"))).is_empty()
    assert years.filter(pl.col("is_workday") & pl.col("is_public_holiday")).is_empty()
    assert years.filter(~pl.col("is_workday") & ~weekend & ~pl.col("is_public_holiday")).is_empty()
    assert years.filter(pl.col("is_workday") & weekend & ~pl.col("is_adjusted_workday")).is_empty()
    assert years.filter(pl.col("is_public_holiday") != pl.col("holiday_name_zh").is_not_null()).is_empty()


# From the yearly notices of the General Office of the State Council.
@pytest.mark.parametrize(
    ("first", "last", "name"),
    [
        ("2013-01-01", "2013-01-03", "元旦"),
        ("2013-02-09", "2013-02-15", "春节"),
        ("2015-02-18", "2015-02-24", "春节"),
        ("2016-02-07", "2016-02-13", "春节"),
        ("2016-09-15", "2016-09-17", "中秋"),
        ("2017-05-28", "2017-05-30", "端午"),
        ("2020-01-24", "2020-02-02", "春节"),
        ("2020-05-01", "2020-05-05", "劳动节"),
    ],
)
def test_a_holiday_lasts_as_announced(years: pl.DataFrame, first: str, last: str, name: str) -> None:
    begin, end = date.fromisoformat(first), date.fromisoformat(last)
    inside = years.filter(pl.col("date_local").is_between(begin, end))
    around = years.filter(pl.col("date_local").is_in([begin - timedelta(days=1), end + timedelta(days=1)]))
    assert inside["is_public_holiday"].all()
    assert name in inside["holiday_name_zh"]
    assert not around["is_public_holiday"].any()


@pytest.mark.parametrize(("first", "last"), [("2017-10-01", "2017-10-08"), ("2025-10-01", "2025-10-08")])
def test_national_day_together_with_mid_autumn_is_eight_days(years: pl.DataFrame, first: str, last: str) -> None:
    october = years.filter(pl.col("date_local").dt.strftime("%Y-%m") == first[:7]).filter("is_public_holiday")
    assert (october["date_local"].min(), october["date_local"].max()) == (
        date.fromisoformat(first),
        date.fromisoformat(last),
    )
    assert october.height == 8


@pytest.mark.parametrize(
    "day",
    [
        "2013-01-05", "2013-01-06", "2013-02-16", "2013-02-17", "2013-09-29", "2013-10-12", "2015-01-04", "2015-02-28",
        "2015-09-06", "2015-10-10", "2016-10-08", "2016-10-09", "2017-01-22", "2017-04-01", "2017-09-30", "2020-01-19",
        "2020-06-28", "2020-10-10",
    ],
)  # fmt: skip
def test_a_weekend_that_was_announced_as_worked_is_a_working_day(years: pl.DataFrame, day: str) -> None:
    row = of(years, day)
    assert row["is_adjusted_workday"] and row["is_workday"] and row["weekday"] in (6, 7)
    assert row["holiday_name_zh"] is None


def test_the_day_of_victory_in_2015_was_a_holiday_and_the_day_after_was_given_in_lieu(years: pl.DataFrame) -> None:
    assert of(years, "2015-09-03")["is_public_holiday"]
    assert not of(years, "2015-09-03")["is_adjusted_rest"]
    assert of(years, "2015-09-04")["is_adjusted_rest"]
    assert of(years, "2015-09-05")["is_public_holiday"] is False


def test_the_first_of_february_2020_was_not_worked_although_it_had_been_announced(years: pl.DataFrame) -> None:
    assert of(years, "2020-02-01")["is_workday"] is False
    assert of(years, "2020-02-03")["is_workday"] is True


def test_a_holiday_of_one_day_in_the_middle_of_the_week_gives_no_rest_in_lieu(years: pl.DataFrame) -> None:
    assert of(years, "2020-01-01")["is_public_holiday"] and not of(years, "2020-01-01")["is_adjusted_rest"]
    assert of(years, "2020-01-02")["is_workday"]


def test_the_calendar_says_the_same_of_heating_as_the_expression(years: pl.DataFrame) -> None:
    assert years.select((pl.col("is_heating_season") == periods.heating_season(pl.col("date_local"))).all()).item()


@pytest.mark.parametrize(("first", "last"), [("2003-12-31", "2004-01-01"), ("2026-12-31", "2100-01-01")])
def test_days_without_a_known_arrangement_are_an_error_and_not_ordinary_days(first: str, last: str) -> None:
    with pytest.raises(RangeError, match="known for 2004 to 20"):
        periods.calendar(first, last)


def test_a_calendar_that_ends_before_it_begins_is_an_error() -> None:
    with pytest.raises(RangeError, match="Swap"):
        periods.calendar("2020-01-02", "2020-01-01")


def test_one_day_makes_one_row_and_text_dates_and_datetimes_mean_the_same() -> None:
    rows = [periods.calendar(d, d).collect().rows() for d in ("2020-01-02", date(2020, 1, 2), datetime(2020, 1, 2, 9))]
    assert len(rows[0]) == 1
    assert rows[0] == rows[1] == rows[2]
