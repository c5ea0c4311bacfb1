from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citylab import tables
from citylab.air import limits
from citylab.errors import DataError, EditionError, RangeError, SchemaError, UnknownNameError

SIX = {"pm25_ugm3": 20.0, "pm10_ugm3": 40.0, "so2_ugm3": 8.0, "no2_ugm3": 30.0, "co_mgm3": 0.8, "o3_mda8_ugm3": 70.0}
OLD, NEXT, FINAL = "gb3095-2012", "gb3095-2026-transition", "gb3095-2026"


def days(start: str = "2015-01-01", n: int = 1, **changes: object) -> pl.DataFrame:
    first = dt.date.fromisoformat(start)
    rows = {"date_local": [first + dt.timedelta(days=d) for d in range(n)], **{k: [v] * n for k, v in SIX.items()}}
    return pl.DataFrame({**rows, **changes}, strict=False)


# --- the declared table -----------------------------------------------------------------------------------------------

CLASS_2 = [  # GB 3095 table 1, class 2: pollutant, averaging, 2012, transition, from 2031
    ("so2", "annual", 60, 60, 20), ("so2", "24h", 150, 150, 50), ("so2", "1h", 500, 500, 150),
    ("no2", "annual", 40, 40, 30), ("no2", "24h", 80, 80, 50), ("no2", "1h", 200, 200, 200),
    ("co", "24h", 4, 4, 4), ("co", "1h", 10, 10, 10), ("o3", "8h", 160, 160, 160), ("o3", "1h", 200, 200, 200),
    ("pm10", "annual", 70, 60, 50), ("pm10", "24h", 150, 120, 100),
    ("pm25", "annual", 35, 30, 25), ("pm25", "24h", 75, 60, 50),
]  # fmt: skip


@pytest.mark.parametrize(("pollutant", "averaging", "old", "transition", "final"), CLASS_2)
def test_class_2_limits_are_those_of_the_standards(pollutant, averaging, old, transition, final):
    found = [limits.limit_of(pollutant, averaging, standard=s).value for s in (OLD, NEXT, FINAL)]
    assert found == [old, transition, final]


def test_class_1_is_never_laxer_than_class_2_and_a_later_edition_never_laxer_than_an_earlier():
    table = tables.read("air_limits").filter(pl.col("standard").str.starts_with("gb3095"))
    wide = table.pivot(on="grade", index=["standard", "pollutant", "averaging"], values="limit")
    assert (wide["class1"] <= wide["class2"]).all()
    wide = table.pivot(on="standard", index=["pollutant", "averaging", "grade"], values="limit")
    assert (wide[FINAL] <= wide[NEXT]).all()
    both = wide.drop_nulls(OLD)
    assert (both[NEXT].filter(both["grade"] == "class2") <= both[OLD].filter(both["grade"] == "class2")).all()


def test_the_who_guideline_is_the_strictest_of_its_targets():
    table = tables.read("air_limits").filter(pl.col("standard").str.starts_with("who"))
    wide = table.pivot(on="standard", index=["pollutant", "averaging"], values="limit")
    order = ["who-2021-aqg", "who-2021-it4", "who-2021-it3", "who-2021-it2", "who-2021-it1"]
    for row in wide.select(order).rows():
        known = [v for v in row if v is not None]
        assert known == sorted(known)


def test_the_index_100_of_2026_stands_at_the_limits_of_the_transition():
    from citylab.air import indices

    for pollutant in ("pm25", "pm10"):
        limit = limits.limit_of(pollutant, "24h", standard=NEXT).value
        assert indices.concentration_at(pollutant, 100, edition="hj633-2026") == limit


def test_chinese_names_of_the_grades_are_understood():
    assert limits.limit_of("pm25", "24h", standard=FINAL, grade="一级").value == 25
    with pytest.raises(UnknownNameError, match="grade"):
        limits.limit_of("pm25", "24h", standard=FINAL, grade="三级")


def test_a_limit_that_a_standard_does_not_have_is_refused_by_name():
    with pytest.raises(UnknownNameError, match=r"averaging time of o3 in gb3095-2012 '24h'. Nearest: .*'8h'"):
        limits.limit_of("o3", "24h", standard=OLD)
    with pytest.raises(UnknownNameError, match="gb3095-2012"):
        limits.limit_of("o3", "8h", standard="gb3095")


# --- exceedance -------------------------------------------------------------------------------------------------------


def test_the_limit_itself_is_met_and_the_next_unit_is_not():
    frame = days(n=3, pm25_ugm3=[75.0, 76.0, 150.0])
    table = limits.exceedance(frame)
    assert table["is_pm25_exceeded"].to_list() == [False, True, True]
    assert table["pm25_over_limit_multiple"].to_list() == pytest.approx([0, 1 / 75, 1.0])


def test_a_value_is_rounded_before_it_is_compared_unless_told():
    frame = days(n=4, pm25_ugm3=[75.4, 75.5, 75.6, 74.6], co_mgm3=[4.04, 4.05, 4.06, 4.15])
    table = limits.exceedance(frame)
    assert table["is_pm25_exceeded"].to_list() == [False, True, True, False]  # 75.5 -> 76, the even neighbour
    assert table["is_co_exceeded"].to_list() == [False, False, True, True]  # 4.05 -> 4.0
    plain = limits.exceedance(frame, round_first=False)
    assert plain["is_pm25_exceeded"].to_list() == [True, True, True, False]


def test_the_limits_change_with_the_date_and_are_named():
    frame = days("2026-02-28", 2, pm25_ugm3=[70.0, 70.0])
    table = limits.exceedance(frame)
    assert table["is_pm25_exceeded"].to_list() == [False, True]
    assert table["limit_standard"].to_list() == [OLD, NEXT]
    assert limits.exceedance(days("2031-01-01"))["pm25_limit"].item() == 50
    assert limits.exceedance(frame, standard=OLD)["is_pm25_exceeded"].to_list() == [False, False]


def test_a_day_before_the_first_standard_is_neither_above_nor_below():
    row = limits.exceedance(days("2008-08-08", pm25_ugm3=[500.0])).row(0, named=True)
    assert (row["is_pm25_exceeded"], row["pm25_limit"], row["limit_standard"]) == (None, None, None)


@pytest.mark.parametrize("bad", [None, float("nan"), -1.0, float("inf")])
def test_a_missing_or_impossible_value_is_neither_above_nor_below(bad):
    row = limits.exceedance(days(pm25_ugm3=[bad])).row(0, named=True)
    assert (row["is_pm25_exceeded"], row["pm25_over_limit_multiple"]) == (None, None)


def test_ozone_cannot_be_forgotten_quietly():
    with pytest.raises(SchemaError, match="o3_mda8_ugm3"):
        limits.exceedance(days().drop("o3_mda8_ugm3").lazy())
    table = limits.exceedance(days().drop("o3_mda8_ugm3"), pollutants=["pm25"])
    assert "is_o3_exceeded" not in table.columns


def test_hours_are_compared_with_the_limits_of_hours():
    frame = days(no2_ugm3=[201.0]).rename({"o3_mda8_ugm3": "o3_ugm3"})
    row = limits.exceedance(frame, averaging="1h").row(0, named=True)
    assert (row["is_no2_exceeded"], row["is_o3_exceeded"], "is_pm25_exceeded" in row) == (True, False, False)


def test_the_who_s_guideline_is_compared_unrounded():
    row = limits.exceedance(days(pm25_ugm3=[15.2]), standard="who-2021-aqg").row(0, named=True)
    assert row["is_pm25_exceeded"]
    assert limits.exceedance(days(pm25_ugm3=[37.6]), standard="who-2021-it3", pollutants=["pm25"])[
        "is_pm25_exceeded"
    ].item()


def test_the_date_must_be_a_day_and_not_a_clock():
    with pytest.raises(SchemaError, match="date_of_hour"):
        limits.exceedance(days().with_columns(pl.col("date_local").cast(pl.Datetime)))
    with pytest.raises(SchemaError, match="to_local"):
        limits.exceedance(days().with_columns(pl.col("date_local").cast(pl.Datetime("ms", "UTC"))))


@settings(max_examples=40)
@given(st.lists(st.floats(0, 400), min_size=1, max_size=30))
def test_every_day_above_the_limit_has_an_index_above_100_and_no_other(values):
    from citylab.air import indices

    frame = days("2026-03-01", len(values), pm25_ugm3=values)
    above = limits.exceedance(frame, pollutants=["pm25"])["is_pm25_exceeded"]
    index = indices.aqi(frame, edition="hj633-2026")["pm25_iaqi"]
    assert (above == (index > 100)).all()


def test_the_summary_counts_valid_days_only_and_a_bad_one_among_gaps():
    frame = days(n=4, pm25_ugm3=[70.0, 150.0, None, 300.0], no2_ugm3=[90.0, None, None, 30.0])
    table = limits.exceedance_summary(limits.exceedance(frame), by=None)
    found = {r[1]: r[2:6] for r in table.rows()}
    assert found["pm25"] == (3, 2, pytest.approx(1 / 3), 3.0)
    assert found["no2"] == (2, 1, 0.5, 0.125)
    # day 1 above by NO2, day 2 above by PM2.5, day 3 without any excess but with gaps: not counted, day 4 above
    assert found["any"] == (3, 3, 0.0, 3.0)


def test_a_group_under_two_standards_is_refused_until_told_and_one_standard_is_not():
    frame = days("2026-02-27", 4)
    told = limits.exceedance(frame)
    with pytest.raises(EditionError, match="gb3095-2012 and gb3095-2026-transition"):
        limits.exceedance_summary(told.lazy(), by=None).collect()
    mixed = limits.exceedance_summary(told, by=None, allow_mixed=True)
    assert set(mixed["limit_standard"]) == {f"{OLD}+{NEXT}"}
    one = limits.exceedance_summary(limits.exceedance(frame, standard=NEXT), by=None)
    assert one.filter(pollutant="any")["n"].item() == 4


def test_stations_are_summarised_apart():
    frame = pl.concat([days(n=2).with_columns(station_id=pl.lit(s)) for s in "ab"])
    table = limits.exceedance_summary(limits.exceedance(frame))
    assert table.filter(pollutant="pm25").select("station_id", "n").rows() == [("a", 2), ("b", 2)]


# --- a year -----------------------------------------------------------------------------------------------------------


def year(y: int, **changes: object) -> pl.DataFrame:
    n = 366 if y % 4 == 0 else 365
    return days(f"{y}-01-01", n, **changes)


def test_a_year_is_judged_by_its_mean_and_the_percentile_of_the_standard():
    rng = np.random.default_rng(3)
    pm, o3 = rng.gamma(2, 40, 365), rng.gamma(4, 20, 365)
    table = limits.annual_assessment(year(2015, pm25_ugm3=pm, o3_mda8_ugm3=o3), by=None)
    found = {(r["pollutant"], r["statistic"]): r for r in table.iter_rows(named=True)}
    assert set(found) == {
        ("so2", "mean"), ("so2", "p98"), ("no2", "mean"), ("no2", "p98"), ("pm10", "mean"), ("pm10", "p95"),
        ("pm25", "mean"), ("pm25", "p95"), ("co", "p95"), ("o3", "p90"),
    }  # fmt: skip
    assert found["pm25", "mean"]["value"] == pytest.approx(pm.mean())
    assert found["pm25", "p95"]["value"] == pytest.approx(np.percentile(pm, 95))
    assert found["o3", "p90"]["value"] == pytest.approx(np.percentile(o3, 90))
    assert (found["pm25", "mean"]["limit"], found["pm25", "p95"]["limit"], found["o3", "p90"]["limit"]) == (35, 75, 160)
    assert found["so2", "mean"]["is_met"] and not found["pm25", "mean"]["is_met"]
    assert found["pm25", "mean"]["over_limit_multiple"] == pytest.approx(round(pm.mean()) / 35 - 1)


def test_a_part_of_a_year_is_not_judged_and_says_why():
    table = limits.annual_assessment(days("2015-03-01", 200), by=None, pollutants=["pm25"])
    assert table["value"].to_list() == [None, None]
    assert table["is_met"].to_list() == [None, None]
    assert set(table["reason"]) == {"few_days"}


def test_2026_stands_under_two_sets_of_limits_and_is_judged_only_by_one_that_is_named():
    with pytest.raises(EditionError, match="2026 stands under"):
        limits.annual_assessment(year(2026).lazy(), by=None).collect()
    table = limits.annual_assessment(year(2026), by=None, standard=NEXT)
    assert set(table["limit_standard"]) == {NEXT}
    assert limits.annual_assessment(year(2027), by=None)["limit_standard"].unique().to_list() == [NEXT]
    assert limits.annual_assessment(year(2031), by=None)["limit_standard"].unique().to_list() == [FINAL]


def test_the_who_judges_by_the_annual_mean_and_the_99th_percentile():
    table = limits.annual_assessment(year(2015), by=None, standard="who-2021-aqg", pollutants=["pm25"])
    assert table.select("statistic", "limit", "is_met").rows() == [("mean", 5.0, False), ("p99", 15.0, False)]


def test_the_annual_mean_is_rounded_before_it_is_compared_unless_told():
    frame = year(2015, pm25_ugm3=[35.4] * 365)
    assert limits.annual_assessment(frame, by=None, pollutants=["pm25"])["is_met"][0]
    plain = limits.annual_assessment(frame, by=None, pollutants=["pm25"], round_first=False)
    assert not plain["is_met"][0]
    assert plain["over_limit_multiple"][0] == pytest.approx(0.4 / 35)


# --- composite index --------------------------------------------------------------------------------------------------


def test_the_composite_index_is_the_sum_of_its_terms_by_hand():
    frame = pl.DataFrame(
        {"so2_ugm3": [20.0, 40.0], "no2_ugm3": [50.0, 30.0], "pm10_ugm3": [70.0, 140.0], "pm25_ugm3": [35.0, 105.0],
         "co_mgm3": [1.0, 2.0], "o3_mda8_ugm3": [60.0, 160.0]}
    )  # fmt: skip
    # means 30/60 + 40/40 + 105/70 + 70/35 = 5; P95 of CO 1.95/4; P90 of O3 150/160 -> 5 + .4875 + .9375 = 6.425
    row = limits.composite_index(frame).row(0, named=True)
    assert (row["composite_index"], row["composite_main"], row["composite_n"]) == (6.425, "pm25", 2)
    # 2026: .5 + 2*1 + 105/60 + 3*70/30 + .4875 + 2*.9375 = 13.6125 -> 13.612, the even neighbour
    row = limits.composite_index(frame, weights="2026-code").row(0, named=True)
    assert (row["composite_index"], row["composite_weights"]) == (13.612, "2026-code")


def test_a_composite_index_without_one_of_its_pollutants_is_none():
    row = limits.composite_index(days(n=2, co_mgm3=[None, None])).row(0, named=True)
    assert (row["composite_index"], row["composite_main"], row["composite_n"]) == (None, None, 0)
    with pytest.raises(SchemaError, match="o3_mda8_ugm3"):
        limits.composite_index(days().drop("o3_mda8_ugm3"))
    with pytest.raises(UnknownNameError, match="2026-code"):
        limits.composite_index(days(), weights="2026")


@given(st.floats(0.1, 10))
def test_the_composite_index_grows_with_the_concentrations(factor):
    base = limits.composite_index(days())["composite_index"].item()
    more = limits.composite_index(days().with_columns(pl.col(list(SIX)) * factor))["composite_index"].item()
    assert more == pytest.approx(base * factor, abs=0.01)


# --- when a year is lost ----------------------------------------------------------------------------------------------


def lost(values: list[float | None], limit: float = 10.0, **options: object) -> dt.date | None:
    frame = days("2015-01-01", len(values), pm25_ugm3=values)
    return limits.first_day_annual_limit_lost(frame, limit, **options)["first_day_lost"].item()


def test_the_year_is_lost_on_the_day_the_sum_passes_limit_times_days():
    # limit 10 over 365 days: 3650 in all
    assert lost([3650.0]) is None
    assert lost([3650.0, 0.0, 0.1]) == dt.date(2015, 1, 3)
    assert lost([3651.0]) == dt.date(2015, 1, 1)


def test_missing_days_shorten_the_year_or_count_as_zero_as_told():
    # after two missing days 363 count: 3630 is the most that can be borne
    assert lost([None, None, 3640.0]) == dt.date(2015, 1, 3)
    assert lost([None, None, 3640.0], missing="zero") is None


def test_a_day_without_row_is_missing_as_a_day_without_value_is():
    frame = days("2015-01-03", 1, pm25_ugm3=[3640.0])
    assert limits.first_day_annual_limit_lost(frame, 10.0)["first_day_lost"].item() == dt.date(2015, 1, 3)


def test_a_leap_year_has_one_day_more():
    frame = days("2016-01-01", 1, pm25_ugm3=[3660.0])
    row = limits.first_day_annual_limit_lost(frame, 10.0).row(0, named=True)
    assert (row["first_day_lost"], row["day_count"]) == (None, 366)


@given(st.lists(st.one_of(st.none(), st.floats(0, 3000)), min_size=1, max_size=40), st.randoms())
def test_once_lost_the_year_stays_lost_and_the_order_of_rows_is_of_no_account(values, rnd):
    day = lost(values)
    if day is not None:
        assert lost([*values, 0.0, None, 0.0]) == day
    frame = days("2015-01-01", len(values), pm25_ugm3=values)
    order = list(range(len(values)))
    rnd.shuffle(order)
    assert limits.first_day_annual_limit_lost(frame[order], 10.0)["first_day_lost"].item() == day


def test_wrong_limits_and_repeated_days_are_refused():
    with pytest.raises(RangeError, match="positive"):
        lost([1.0], limit=0.0)
    with pytest.raises(DataError, match="twice"):
        limits.first_day_annual_limit_lost(pl.concat([days(), days()]), 35.0)


def test_in_the_open_data_no_full_year_of_beijing_could_meet_35(mirror):
    from citylab import catalog
    from citylab.air import indices

    stations = catalog.load("uci__daily_station_air")
    city = indices.city_concentrations(stations, min_stations=9, values=["pm25_ugm3"])
    table = limits.first_day_annual_limit_lost(city, 35.0).collect().filter(pl.col("year").is_between(2014, 2016))
    assert table["first_day_lost"].null_count() == 0
    assert (table["mean"] > 35 * 2).all()
