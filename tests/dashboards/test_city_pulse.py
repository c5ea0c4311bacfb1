from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from types import ModuleType

import polars as pl
import pytest

from citylab import catalog
from citylab.errors import UsageWarning


@pytest.fixture(scope="module")
def pulse(load_page: Callable[[str], ModuleType]) -> ModuleType:
    return load_page("city_pulse")


@pytest.fixture
def state(pulse):
    return pulse.State(lang="en")


def test_the_default_answers_for_all_twelve_stations_over_the_whole_record(state):
    assert state.stations().height == 12
    assert (state.start, state.end) == (dt.date(2013, 3, 1), dt.date(2017, 2, 28))


def test_the_station_means_are_plain_means_of_valid_days(state):
    # computed apart from the library, from the embedded table
    air = catalog.load("uci__daily_station_air").filter(pl.col("pm25_capture_share") > 19.5 / 24)
    apart = air.group_by("station_id").agg(pl.col("pm25_ugm3").mean().alias("apart")).collect()
    joined = state.stations().join(apart, on="station_id")
    assert joined.height == 12
    assert (joined["pm25_ugm3"] - joined["apart"]).abs().max() < 1e-9


def test_only_districts_with_stations_have_values_and_all_stations_are_counted(state):
    districts = state.districts()
    assert districts["station_count"].sum() == 12
    assert districts["station_days"].sum() == state.stations()["day_count"].sum()
    assert set(districts["adcode"]) == set(state.stations()["adcode"])


def test_the_daily_table_has_a_row_per_day_and_gaps_where_stations_are_too_few(state, pulse):
    daily = state.daily()
    assert daily.height == 1461
    few = daily.filter(pl.col("station_count") < pulse.MIN_STATIONS)
    assert few.height > 0
    assert few["pm25_ugm3"].is_null().all()


def test_years_appear_only_when_they_lie_wholly_in_the_period(state):
    assert state.years()["start"].dt.year().to_list() == [2014, 2015, 2016]
    state.start = dt.date(2014, 1, 2)
    assert state.years()["start"].dt.year().to_list() == [2015, 2016]


def test_the_change_lies_in_its_interval_and_does_not_follow_the_period(state):
    change = state.change()
    assert change.low < change.change < change.high
    assert change.n == 12
    state.start = dt.date(2016, 1, 1)
    assert state.change() == change


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_pollutant_gives_four_numbers_with_a_detail_in_both_languages(pulse, lang):
    for pollutant in pulse.POLLUTANTS:
        cards = pulse.big_numbers(pulse.State(pollutant=pollutant, lang=lang), lang)
        assert len(cards) == 4
        assert all(c.label and c.value and c.detail for c in cards)


def test_both_languages_show_the_same_digits_for_air(state, pulse):
    zh, en = (pulse.big_numbers(state, lang)[:2] for lang in ("zh", "en"))
    assert [c.value for c in zh] == [c.value for c in en]


def test_carbon_compares_two_complete_years_of_the_same_sectors(state, pulse):
    with pytest.warns(UsageWarning):
        table = catalog.load("carbonmonitor__monthly_province_co2").collect()
    beijing = table.filter(pl.col("province_name_en") == "Beijing", pl.col("sector").is_in(pulse.SECTORS))
    apart = {y: beijing.filter(pl.col("month_start").dt.year() == y)["co2_t"].sum() for y in (2019, 2020)}
    assert state.carbon_by_year() == pytest.approx(apart)
    assert "no interval" in pulse.big_numbers(state, "en")[3].detail


def test_an_impossible_period_says_why_and_what_to_change(state, pulse):
    state.param.update(start=dt.date(2016, 1, 1), end=dt.date(2015, 1, 1))
    assert state.stations().height == 0
    assert state.station_table().height == 0
    assert "exchange" in pulse.message(state, "en")
    assert "对调" in pulse.message(state, "zh")
    assert pulse.big_numbers(state, "en")[1].value == "–"


def test_a_district_without_a_station_is_said_to_have_none(state, pulse):
    state.district = "110118"  # Miyun
    assert "no station" in pulse.big_numbers(state, "en")[2].detail


def test_the_code_in_the_footer_computes_the_big_numbers(state, pulse):
    state.param.update(pollutant="no2_ugm3", start=dt.date(2014, 1, 1), end=dt.date(2015, 12, 31))
    found: dict[str, object] = {}
    with pytest.warns(UsageWarning):
        exec(pulse.code(state), found)
    assert found["mean"] == pytest.approx(state.stations()["no2_ugm3"].mean())
    change, shown = found["change"], state.change()
    assert (change.low, change.high, change.n) == pytest.approx((shown.low, shown.high, shown.n))  # type: ignore[attr-defined]


def test_the_page_builds_and_an_unfit_ozone_metric_is_owned_up_to(pulse, state):
    assert pulse.build() is not None
    state.pollutant = "o3_ugm3"
    assert "8-hour" in pulse.cannot_show(state, "en")
