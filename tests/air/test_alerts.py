from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citylab import catalog
from citylab.air import alerts, averages, indices
from citylab.errors import DataError, RangeError, SchemaError, UnknownNameError

FIRST = dt.date(2016, 12, 1)
ALL = ("beijing-2013", "beijing-2016", "mep-2017", "beijing-2023")


def series(values: list[int | None], start: dt.date = FIRST) -> pl.DataFrame:
    days = [start + dt.timedelta(days=d) for d in range(len(values))]
    return pl.DataFrame({"date_local": days, "aqi": values}, schema={"date_local": pl.Date, "aqi": pl.Int64})


def called(values: list[int | None], edition: str) -> list[str | None]:
    return alerts.alert_levels(series(values), edition=edition)["alert_level"].to_list()


# --- each rule at its edge --------------------------------------------------------------------------------------------

EDGES = [  # edition, indices of days in a row, level of every day
    ("beijing-2023", [200], None), ("beijing-2023", [201], "yellow"), ("beijing-2023", [151], None),
    ("beijing-2023", [150, 151], None), ("beijing-2023", [151, 151], "yellow"), ("beijing-2023", [201, 201], "orange"),
    ("beijing-2023", [151, 151, 151], "orange"), ("beijing-2023", [201, 201, 201], "orange"),
    ("beijing-2023", [201, 300, 201], "orange"), ("beijing-2023", [201, 301, 201], "red"),
    ("beijing-2013", [200], None), ("beijing-2013", [201], "blue"), ("beijing-2013", [300], "blue"),
    ("beijing-2013", [301], "yellow"), ("beijing-2013", [201, 201], "blue"),
    ("beijing-2013", [201, 201, 201], "yellow"),
    ("beijing-2013", [201, 301, 201], "orange"), ("beijing-2013", [301, 301, 301], "red"),
    ("beijing-2016", [301, 301], None), ("beijing-2016", [201, 201, 201], None),
    ("beijing-2016", [201, 201, 301], "orange"),
    ("mep-2017", [201], None), ("mep-2017", [201, 201], "yellow"), ("mep-2017", [201, 201, 301], "orange"),
    ("mep-2017", [301, 301, 301], "orange"), ("mep-2017", [201, 301, 301, 201], "red"),
    ("mep-2017", [301, 201, 201, 301], "orange"),
]  # fmt: skip


@pytest.mark.parametrize(("edition", "values", "level"), EDGES)
def test_a_run_of_days_has_the_level_of_its_edition(edition, values, level):
    assert called([0, *values, 0], edition) == [None, *[level] * len(values), None]


def test_days_of_a_longer_milder_run_keep_the_milder_level():
    # a run of five above 150 is orange; within it, three above 200 with one above 300 are red
    assert called([160, 170, 210, 320, 220], "beijing-2023") == ["orange", "orange", "red", "red", "red"]


@pytest.mark.parametrize("gap", [None, "absent"])
def test_a_missing_day_ends_a_run(gap):
    frame = series([210, 220, None, 230, 240])
    if gap == "absent":
        frame = frame.drop_nulls()
    levels = alerts.alert_levels(frame, edition="mep-2017").drop_nulls("aqi")
    assert levels["alert_level"].to_list() == ["yellow"] * 4
    assert levels["alert_run_days"].to_list() == [2, 2, 2, 2]
    assert levels["alert_run_start"].to_list() == [FIRST] * 2 + [FIRST + dt.timedelta(days=3)] * 2


def test_the_run_and_the_rule_behind_a_level_are_told():
    row = alerts.alert_levels(series([210, 310, 210]), edition="beijing-2023").row(1, named=True)
    assert (row["alert_run_start"], row["alert_run_days"], row["alert_edition"]) == (FIRST, 3, "beijing-2023")
    assert row["alert_rule"] == "AQI > 200 on 3 d in a row and AQI > 300 on 1 d in a row"


def test_two_series_do_not_join_their_runs():
    frame = pl.concat([series([210]).with_columns(city=pl.lit("a")),
                       series([220], FIRST + dt.timedelta(days=1)).with_columns(city=pl.lit("b"))])  # fmt: skip
    assert alerts.alert_levels(frame, edition="mep-2017", by="city")["alert_level"].to_list() == [None, None]


INDEX = st.one_of(st.none(), st.integers(0, 500))


@given(st.lists(INDEX, min_size=1, max_size=25), st.sampled_from(ALL), st.randoms())
def test_levels_follow_a_plain_reading_of_the_rules_in_any_order_of_rows(values, edition, rnd):
    order = list(range(len(values)))
    rnd.shuffle(order)
    got = alerts.alert_levels(series(values)[order], edition=edition)["alert_level"].to_list()
    assert got == [plain(values, edition, d) for d in range(len(values))]


def plain(values: list[int | None], edition: str, day: int) -> str | None:
    """Read the declared rules one day at a time, without any of the library's code."""

    def run(bound: int) -> list[int]:
        if values[day] is None or values[day] <= bound:
            return []
        first = last = day
        while first and (values[first - 1] or 0) > bound:
            first -= 1
        while last + 1 < len(values) and (values[last + 1] or 0) > bound:
            last += 1
        return [v for v in values[first : last + 1] if v is not None]

    def longest(inside: list[int], bound: int) -> int:
        best = now = 0
        for v in inside:
            now = now + 1 if v > bound else 0
            best = max(best, now)
        return best

    found = [(0, None)]
    rules = alerts.rules(edition).rows(named=True)
    for key in {(r["rank"], r["alternative"], r["alert_level"]) for r in rules}:
        own = sorted(
            (r for r in rules if (r["rank"], r["alternative"], r["alert_level"]) == key), key=lambda r: r["condition"]
        )
        inside = run(own[0]["above_aqi"])
        if len(inside) >= own[0]["days"] and all(longest(inside, r["above_aqi"]) >= r["days"] for r in own[1:]):
            found.append((key[0], key[2]))
    return max(found)[1] if len(found) > 1 else None


@given(st.lists(st.integers(0, 500), min_size=1, max_size=20), st.sampled_from(ALL), st.integers(0, 200))
def test_dirtier_air_never_lowers_an_alert(values, edition, more):
    rank = {None: -1, **{level: i for i, level in enumerate(alerts.LEVELS)}}
    before, after = called(values, edition), called([v + more for v in values], edition)
    assert all(rank[b] <= rank[a] for b, a in zip(before, after, strict=True))


# --- bad input --------------------------------------------------------------------------------------------------------


def test_bad_input_is_told_apart():
    with pytest.raises(UnknownNameError, match="beijing-2023"):
        alerts.alert_levels(series([1]), edition="beijing-2022")
    with pytest.raises(SchemaError, match="'aqi'"):
        alerts.alert_levels(series([1]).rename({"aqi": "AQI"}), edition="mep-2017")
    with pytest.raises(SchemaError, match="a row is one day"):
        alerts.alert_levels(series([1]).with_columns(pl.col("date_local").cast(pl.Datetime)), edition="mep-2017")
    with pytest.raises(DataError, match="twice"):
        alerts.alert_levels(pl.concat([series([1]), series([2])]), edition="mep-2017")
    with pytest.raises(UnknownNameError, match="orange"):
        alerts.alert_scores(pl.DataFrame(), at_least="organge")


def test_only_the_orange_rule_of_late_2016_is_known():
    assert alerts.rules("beijing-2016")["alert_level"].unique().to_list() == ["orange"]


# --- replays ----------------------------------------------------------------------------------------------------------


def perfect_forecast(frame: pl.DataFrame, leads: tuple[int, ...] = (1, 2, 3)) -> pl.DataFrame:
    return pl.concat(
        [frame.with_columns(issued_on=pl.col("date_local") - pl.duration(days=k)) for k in leads]
    ).drop_nulls("aqi")


@given(st.lists(st.integers(0, 500), min_size=6, max_size=20), st.sampled_from(ALL))
def test_a_perfect_forecast_of_a_day_makes_no_false_alarm(values, edition):
    frame = series(values)
    table = alerts.replay(frame, editions=[edition], forecast=perfect_forecast(frame))
    scores = alerts.alert_scores(table, at_least="blue")
    assert scores["false_alarm_n"].sum() == 0


def test_a_forecast_sees_a_run_only_as_far_as_it_reaches():
    # three days above 200 from day 3 on, one above 300: red needs all three of them in sight
    values = [100, 100, 210, 310, 220, 90, 90]
    frame = series(values)
    table = alerts.replay(frame, editions=["beijing-2023"], forecast=perfect_forecast(frame))
    day = {
        r["lead_days"]: r["forecast_alert_level"]
        for r in table.filter(date_local=dt.date(2016, 12, 3)).rows(named=True)
    }
    assert day == {1: "red", 2: "orange", 3: "yellow"}  # three days ahead, only the first day of the run is in sight
    last = table.filter(date_local=dt.date(2016, 12, 5))
    assert set(last["forecast_alert_level"]) == {"red"}  # the days observed before the issue count


def test_without_forecast_each_edition_has_every_day_once():
    table = alerts.replay(series([100, 210, 310, 220]), editions=ALL)
    assert table.height == 16
    assert table["alert_edition"].unique().sort().to_list() == sorted(ALL)


def test_scores_count_hits_misses_and_false_alarms_by_hand():
    frame = series([100, 210, 100, 210, 100])
    told = series([210, 100, 210], FIRST + dt.timedelta(days=1)).with_columns(
        issued_on=pl.col("date_local") - pl.duration(days=1)
    )
    scores = alerts.alert_scores(alerts.replay(frame, editions=["beijing-2023"], forecast=told))
    row = scores.row(0, named=True)
    assert (row["n"], row["hit_n"], row["miss_n"], row["false_alarm_n"], row["quiet_n"]) == (3, 2, 0, 0, 1)
    wrong = told.with_columns(aqi=pl.Series([100, 210, 210]))
    row = alerts.alert_scores(alerts.replay(frame, editions=["beijing-2023"], forecast=wrong)).row(0, named=True)
    assert (row["hit_n"], row["miss_n"], row["false_alarm_n"]) == (1, 1, 1)
    assert (row["hit_share"], row["false_alarm_share"], row["csi"]) == (0.5, 0.5, pytest.approx(1 / 3))


def test_the_lead_time_is_that_of_the_first_forecast_to_call_the_first_day():
    frame = series([100, 100, 100, 210, 220, 90, 90])
    table = alerts.replay(frame, editions=["beijing-2023"], forecast=perfect_forecast(frame))
    told = alerts.lead_times(table)
    assert told.select("episode_start", "episode_days", "alert_level", "lead_days").rows() == [
        (dt.date(2016, 12, 4), 2, "orange", 3)
    ]
    short = alerts.replay(frame, editions=["beijing-2023"], forecast=perfect_forecast(frame, (1,)))
    assert alerts.lead_times(short)["lead_days"].to_list() == [1]
    blind = perfect_forecast(frame).with_columns(aqi=pl.lit(50, dtype=pl.Int64))
    assert alerts.lead_times(alerts.replay(frame, editions=["beijing-2023"], forecast=blind))[
        "lead_days"
    ].to_list() == [None]


def test_a_forecast_for_the_past_is_refused():
    frame = series([210, 210])
    late = frame.with_columns(issued_on=pl.col("date_local"))
    with pytest.raises(RangeError, match="later day"):
        alerts.replay(frame, forecast=late)


# --- Beijing 2013-2017 ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def city(mirror):
    """Daily AQI of the twelve stations' mean concentrations, ozone by its 8-hour maximum."""
    hours = catalog.load("uci__hourly_station_air")
    five = ["pm25_ugm3", "pm10_ugm3", "so2_ugm3", "no2_ugm3", "co_mgm3"]
    days = averages.daily_means(hours, five, stamp="starting", wind=None)
    ozone = averages.mda8(hours, stamp="starting").select("station_id", "date_local", "o3_mda8_ugm3")
    stations = days.join(ozone, on=["station_id", "date_local"], how="left")
    means = indices.city_concentrations(stations, min_stations=9)
    return indices.aqi(means, edition="hj633-2012", not_monitored=["o3_1h"]).collect()


def test_the_city_s_index_follows_the_published_daily_series(city, mirror):
    file = mirror / "air-beijing-aqistudy-2013-2017" / "beijing_daily_aqi_2013-12_2017-01.csv"
    names = [f"c{k}" for k in range(12)]
    published = pl.read_csv(file, has_header=False, new_columns=names).select(
        pl.col("c1").str.to_date().alias("date_local"), pl.col("c2").alias("published")
    )
    both = city.select("date_local", "aqi").drop_nulls().join(published, on="date_local")
    assert both.height > 1100
    assert both.select(pl.corr("aqi", "published")).item() > 0.95
    assert (both["aqi"] - both["published"]).abs().median() <= 6


def test_december_2016_would_have_been_red_by_the_plan_of_2023_from_the_17th_to_the_21st(city):
    table = alerts.replay(city.select("date_local", "aqi"), editions=["beijing-2023"])
    episode = table.filter(pl.col("date_local").is_between(dt.date(2016, 12, 16), dt.date(2016, 12, 22)))
    assert episode["alert_level"].to_list() == [None, "red", "red", "red", "red", "red", None]


def test_the_plan_of_2023_calls_at_least_yellow_wherever_an_older_one_called_anything(city):
    table = alerts.replay(city.select("date_local", "aqi"), editions=ALL)
    wide = table.pivot(on="alert_edition", index="date_local", values="alert_level")
    for older in ("beijing-2013", "beijing-2016", "mep-2017"):
        assert wide.filter(pl.col(older).is_not_null())["beijing-2023"].null_count() == 0


def test_the_history_joined_to_a_forecast_is_longer_than_any_run_in_the_record(city):
    table = alerts.replay(city.select("date_local", "aqi"), editions=["beijing-2023"])
    assert table["alert_run_days"].max() < alerts.HISTORY_DAYS
