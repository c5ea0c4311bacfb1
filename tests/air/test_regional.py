from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citylab.air import regional
from citylab.errors import DataError, RangeError, SchemaError, UnknownNameError

START = dt.date(2015, 11, 1)
N_DAYS = 120
EPISODES = ((20, 24), (50, 52), (80, 87))  # first and last day, planted
BACKGROUND, URBAN = ["north", "west", "south", "east"], ["u1", "u2", "u3", "u4"]
TYPES = dict.fromkeys(BACKGROUND, "background_regional") | dict.fromkeys(URBAN, "urban") | {"t1": "traffic"}
PLACES = {
    **{"north": (0.0, 0.5), "west": (-0.6, 0.0), "south": (0.0, -0.5), "east": (0.6, 0.0)},
    **{"u1": (-0.1, 0.1), "u2": (0.1, 0.1), "u3": (-0.1, -0.1), "u4": (0.1, -0.1), "t1": (0.0, 0.02)},
}
TABLE = pl.DataFrame(
    {
        "station_id": list(TYPES),
        "station_type": list(TYPES.values()),
        "longitude_deg": [116.4 + p[0] for p in PLACES.values()],
        "latitude_deg": [39.9 + p[1] for p in PLACES.values()],
    }
)


def synthetic_city(seed: int) -> pl.DataFrame:
    """Synthetic: days of a city with planted regional episodes and a plume over the city and over what lies downwind.

    The regional part is an autoregressive background and, on the days of EPISODES, much more. Urban stations have an
    increment of their own, four times as large in the still air of an episode, the street one more. A background
    station has a tenth of the city's increment when it lies downwind. Measured values carry noise of 4 %.
    """
    draw = np.random.default_rng(seed)
    background = np.empty(N_DAYS)
    background[0] = 0.0
    for day in range(1, N_DAYS):
        background[day] = 0.6 * background[day - 1] + draw.normal(0, 0.25)
    truth = 35 * np.exp(background)
    for first, last in EPISODES:
        truth[first : last + 1] += draw.uniform(100, 200)
    increment = draw.gamma(6, 3, N_DAYS)
    for first, last in EPISODES:
        increment[first : last + 1] *= 4
    direction, speed = draw.uniform(0, 360, N_DAYS), draw.uniform(0.8, 4, N_DAYS)
    rows = []
    for day in range(N_DAYS):
        towards = np.radians(direction[day] + 180)
        for name, kind in TYPES.items():
            downwind = PLACES[name][0] * np.sin(towards) + PLACES[name][1] * np.cos(towards) > 0
            local = {"urban": 1.0, "traffic": 1.4}.get(kind, 0.1 * downwind) * increment[day]
            value = (truth[day] + local) * np.exp(draw.normal(0, 0.04))
            rows.append((name, START + dt.timedelta(days=day), value, direction[day], speed[day], truth[day], local))
    names = ["station_id", "date_local", "pm25_ugm3", "wind_direction_deg", "wind_speed_ms", "truth", "true_local"]
    return pl.DataFrame(rows, names, orient="row")


def split(frame: pl.DataFrame, method: str, **options) -> pl.DataFrame:
    background = [b for b in BACKGROUND if b in frame["station_id"]]
    return regional.regional_split(frame, method=method, stations=TABLE, **{"background": background, **options})


def two(hills: float | None = 80.0, centre: float | None = 100.0, **more: list[object]) -> pl.DataFrame:
    return pl.DataFrame(
        {"station_id": ["hills", "centre"], "date_local": [START] * 2, "pm25_ugm3": [hills, centre], **more},
        schema_overrides={"pm25_ugm3": pl.Float64},
    )


# --- planted episodes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", list(regional.METHODS))
@pytest.mark.parametrize("seed", range(5))
def test_planted_regional_episodes_are_recovered_within_ten_percent(method, seed):
    found = split(synthetic_city(seed), method)
    urban = found.filter(pl.col("station_id").is_in(URBAN))
    for first, last in EPISODES:
        days = urban.filter(pl.col("date_local").is_between(*(START + dt.timedelta(days=d) for d in (first, last))))
        assert days["pm25_regional_ugm3"].mean() == pytest.approx(days["truth"].mean(), rel=0.1)
        assert days["pm25_ugm3"].mean() > 1.2 * days["truth"].mean()  # crediting all to the region would not do
        share = days["pm25_regional_ugm3"].mean() / days["pm25_ugm3"].mean()
        assert share == pytest.approx(days["truth"].mean() / (days["truth"] + days["true_local"]).mean(), rel=0.1)


@pytest.mark.parametrize("method", list(regional.METHODS))
def test_the_city_s_own_increment_is_recovered_over_the_whole_time(method):
    found = split(synthetic_city(7), method).filter(pl.col("station_id").is_in(URBAN))
    # A difference of two noisy numbers: 15 % over 480 station-days.
    assert found["pm25_local_ugm3"].mean() == pytest.approx(found["true_local"].mean(), rel=0.15)


def test_a_city_without_a_background_of_its_own_is_credited_with_its_episode():
    frame = synthetic_city(3).with_columns(
        pm25_ugm3=pl.when(pl.col("station_id").str.starts_with("u"))
        .then(pl.col("pm25_ugm3") + 200)
        .otherwise("pm25_ugm3")
    )
    for method in ("rural-percentile", "lenschow"):
        urban = split(frame, method).filter(pl.col("station_id") == "u1")
        assert urban["pm25_local_ugm3"].mean() > 200


@pytest.mark.parametrize("method", list(regional.METHODS))
def test_the_planted_runs_are_found_with_their_days_and_a_high_regional_ratio(method):
    found = regional.episode_shares(split(synthetic_city(1), method), threshold=110, stations=URBAN)
    for first, last in EPISODES:
        start, end = (START + dt.timedelta(days=d) for d in (first, last))
        run = found.filter(pl.col("episode_start") <= start, pl.col("episode_end") >= end).row(0, named=True)
        assert 0.6 < run["regional_ratio"] < 0.9
        assert run["regional_ratio_lower"] <= run["regional_ratio"] <= run["regional_ratio_upper"]


# --- what each method is ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", list(regional.METHODS))
def test_regional_and_local_add_up_to_the_value_and_shuffling_rows_changes_nothing(method):
    frame = synthetic_city(2)
    found = split(frame, method)
    told = found.drop_nulls("pm25_local_ugm3")
    assert told.height == frame.height
    np.testing.assert_allclose(told["pm25_regional_ugm3"] + told["pm25_local_ugm3"], told["pm25_ugm3"])
    inside = pl.col("pm25_regional_ugm3").is_between("pm25_regional_lower_ugm3", "pm25_regional_upper_ugm3")
    assert told.select((inside | (pl.col("background_count") == 1)).all()).item()
    shuffled = split(frame.sample(fraction=1, shuffle=True, seed=4), method)
    order = ["station_id", "date_local"]
    np.testing.assert_allclose(
        found.sort(order)["pm25_local_ugm3"].to_numpy(), shuffled.sort(order)["pm25_local_ugm3"].to_numpy()
    )
    lazily = regional.regional_split(frame.lazy(), method=method, stations=TABLE, background=BACKGROUND)
    assert isinstance(lazily, pl.LazyFrame) and lazily.collect().equals(found)


@given(st.lists(st.floats(0, 500), min_size=1, max_size=6), st.floats(0, 1))
def test_the_rural_percentile_is_that_of_the_background_stations(values, share):
    frame = pl.DataFrame(
        {
            "station_id": [f"b{i}" for i in range(len(values))] + ["city"],
            "date_local": [START] * (len(values) + 1),
            "pm25_ugm3": [*values, 300.0],
        }
    )
    found = regional.regional_split(
        frame, method="rural-percentile", percentile=share, background=frame["station_id"].to_list()[:-1]
    )
    assert found["pm25_regional_ugm3"].to_list() == pytest.approx([np.percentile(values, share * 100)] * frame.height)


def test_lenschow_stacks_street_on_urban_on_regional_by_hand():
    frame = pl.DataFrame(
        {
            "station_id": ["north", "south", "u1", "u2", "t1"],
            "date_local": [START] * 5,
            "pm25_ugm3": [40.0, 60.0, 70.0, 90.0, 110.0],
        }
    )
    found = split(frame, "lenschow")
    columns = ["pm25_regional_ugm3", "pm25_local_ugm3", "pm25_urban_increment_ugm3", "pm25_street_increment_ugm3"]
    assert found.filter(station_id="u2").select(columns).row(0) == (50.0, 40.0, 40.0, None)
    assert found.filter(station_id="t1").select(columns).row(0) == (50.0, 60.0, 30.0, 30.0)
    assert found["background_count"].to_list() == [2] * 5


@pytest.mark.parametrize(
    ("degrees", "station"), [(0, "north"), (90, "east"), (180, "south"), (270, "west"), (360, "north")]
)
def test_the_upwind_station_is_the_one_the_wind_comes_from(degrees, station):
    frame = pl.DataFrame(
        {
            "station_id": list(TYPES),
            "date_local": [START] * len(TYPES),
            "pm25_ugm3": [float(i) for i in range(len(TYPES))],
            "wind_direction_deg": [float(degrees)] * len(TYPES),
            "wind_speed_ms": [2.0] * len(TYPES),
        }
    )
    for background in (BACKGROUND, None):
        found = split(frame, "upwind", upwind_share=0.1, background=background)
        assert set(found["pm25_regional_ugm3"]) == {float(list(TYPES).index(station))}
        assert set(found["background_count"]) == {1}


def test_a_background_station_on_the_lee_side_is_not_upwind():
    wind = {"wind_direction_deg": [180.0] * 2, "wind_speed_ms": [3.0] * 2}
    positions = {"longitude_deg": [116.0, 116.4], "latitude_deg": [40.4, 39.9]}
    found = regional.regional_split(two(**wind, **positions), method="upwind", background=["hills"])
    assert found["split_reason"].to_list() == ["no_background"] * 2


def test_a_calm_and_winds_that_cancel_have_no_upwind():
    wind = {"wind_direction_deg": [0.0, 180.0], "wind_speed_ms": [3.0, 3.0]}
    positions = {"longitude_deg": [116.0, 116.4], "latitude_deg": [40.4, 39.9]}
    cancelled = regional.regional_split(two(**wind, **positions), method="upwind")
    weak = regional.regional_split(two(**{**wind, "wind_speed_ms": [0.1, 0.1]}, **positions), method="upwind")
    unknown = regional.regional_split(
        two(wind_direction_deg=[None] * 2, wind_speed_ms=[3.0] * 2, **positions).cast(
            {"wind_direction_deg": pl.Float64}
        ),
        method="upwind",
    )
    for found in (cancelled, weak, unknown):
        assert found["split_reason"].to_list() == ["calm", "calm"]
        assert found["pm25_regional_ugm3"].null_count() == 2


def test_an_increment_below_zero_is_kept_and_told_and_gaps_have_reasons():
    options = {"method": "rural-percentile", "background": ["hills"]}
    negative = regional.regional_split(two(120.0, 100.0), **options).row(1, named=True)
    assert (negative["pm25_local_ugm3"], negative["split_reason"]) == (-20.0, "local_negative")
    gone = regional.regional_split(two(None, 100.0), **options)
    assert gone["split_reason"].to_list() == ["no_background"] * 2 and gone["background_count"].to_list() == [0, 0]
    blind = regional.regional_split(two(80.0, float("nan")), **options).row(1, named=True)
    assert (blind["pm25_regional_ugm3"], blind["pm25_local_ugm3"], blind["split_reason"]) == (80.0, None, "no_value")
    few = regional.regional_split(two(), min_background=2, **options)
    assert few["split_reason"].to_list() == ["no_background"] * 2 and few["pm25_regional_ugm3"].null_count() == 2


def test_hours_are_split_as_days_are():
    hours = two().with_columns(datetime_local=pl.lit(dt.datetime(2016, 1, 1, 8))).drop("date_local")
    found = regional.regional_split(hours, method="rural-percentile", background=["hills"])
    assert found["pm25_local_ugm3"].to_list() == [0.0, 20.0]


def test_runs_end_at_a_clean_or_missing_day():
    days = [0, 1, 3, 4, 5]
    frame = pl.DataFrame(
        {
            "station_id": ["hills", "centre"] * 5,
            "date_local": [START + dt.timedelta(days=d) for d in days for _ in range(2)],
            "pm25_ugm3": [50.0, 100.0, 50.0, 100.0, 50.0, 100.0, 50.0, 60.0, None, 100.0],
        }
    )
    found = regional.episode_shares(
        regional.regional_split(frame, method="rural-percentile", background=["hills"]),
        threshold=75,
        stations=["centre"],
    )
    assert found["day_count"].to_list() == [2, 1, 1]
    assert found["regional_ratio"].to_list() == [0.5, 0.5, None]
    assert found["split_day_count"].to_list() == [2, 1, 0]


# --- bad input --------------------------------------------------------------------------------------------------------


def test_bad_input_is_refused_by_name():
    with pytest.raises(UnknownNameError, match="lenschow"):
        regional.regional_split(two(), method="lenshow")  # type: ignore[arg-type]
    with pytest.raises(SchemaError, match="background="):
        regional.regional_split(two(), method="rural-percentile")
    with pytest.raises(UnknownNameError, match="hils"):
        regional.regional_split(two(), method="rural-percentile", background=["hils"])
    with pytest.raises(SchemaError, match="None of the 2 stations"):
        regional.regional_split(two(station_type=["urban"] * 2), method="lenschow")
    with pytest.raises(SchemaError, match="station_type"):
        regional.regional_split(two(), method="lenschow", background=["hills"])
    with pytest.raises(SchemaError, match="wind_direction_deg"):
        regional.regional_split(two(), method="upwind")
    with pytest.raises(SchemaError, match="to_local"):
        utc = two().with_columns(date_local=pl.lit(dt.datetime(2016, 1, 1, tzinfo=dt.UTC)))
        regional.regional_split(utc, method="rural-percentile", background=["hills"])
    with pytest.raises(DataError, match="share station and time"):
        regional.regional_split(pl.concat([two(), two()]), method="rural-percentile", background=["hills"])
    for options in ({"percentile": 50}, {"upwind_share": 0}, {"calm_ms": -1}, {"min_background": 0}):
        with pytest.raises(RangeError):
            regional.regional_split(two(), method="rural-percentile", background=["hills"], **options)
    with pytest.raises(SchemaError, match="pm25_regional_ugm3"):
        regional.episode_shares(two(), threshold=75)


# --- real stations ----------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::citylab.errors.UsageWarning")
def test_the_hills_of_beijing_breathe_less_than_its_centre_and_the_episodes_of_december_2016_are_mostly_regional():
    from citylab import catalog

    daily = catalog.load("uci__daily_station_air").select("station_id", "date_local", "pm25_ugm3").collect()
    table = catalog.load("bjmemc__static_station_location").collect()
    centre = ["aotizhongxin", "dongsi", "guanyuan", "gucheng", "nongzhanguan", "tiantan", "wanliu", "wanshouxigong"]
    hills = ["dingling", "huairou", "changping"]
    by_type = regional.regional_split(daily, method="lenschow", stations=table)
    # Of the twelve stations only Dingling is of type background_regional.
    assert by_type["background_count"].max() == 1
    found = regional.regional_split(daily, method="rural-percentile", background=hills)
    urban = found.filter(pl.col("station_id").is_in(centre)).drop_nulls("pm25_local_ugm3")
    assert urban["pm25_local_ugm3"].mean() > 0
    runs = regional.episode_shares(found, threshold=150, stations=centre)
    red = runs.filter(pl.col("episode_start") <= dt.date(2016, 12, 18), pl.col("episode_end") >= dt.date(2016, 12, 20))
    assert red.height == 1 and red["regional_ratio"].item() > 0.5


# --- the response log -------------------------------------------------------------------------------------------------


def log(**changes: object) -> pl.DataFrame:
    row = {
        "alert_id": "a1", "measure": "odd-even driving", "ordered_at": dt.datetime(2030, 1, 1, 12),
        "started_at": dt.datetime(2030, 1, 2), "ended_at": dt.datetime(2030, 1, 4, 12), "area_id": "北京市",
        "expected_effect": "emissions of cars", "expected_change_ratio": -0.2, "source": "synthetic",
    }  # fmt: skip
    return pl.DataFrame([{**row, **changes}])


def test_a_sound_log_comes_back_sorted_with_codes_and_hours():
    rows = pl.concat([log(alert_id="a2", ordered_at=dt.datetime(2030, 1, 1, 18)), log(area_id=" 朝阳区 ")])
    found = regional.response_log(rows)
    assert found.select("alert_id", "area_id", "in_force_h").rows() == [("a1", "110105", 60.0), ("a2", "110000", 60.0)]
    assert regional.response_log(rows.lazy()).equals(found)
    assert regional.response_log(found).equals(found)


def test_a_measure_may_be_in_force_or_never_have_begun():
    running, never = log(ended_at=None), log(started_at=None, ended_at=None)
    assert regional.response_log(running)["in_force_h"].item() is None
    assert regional.response_log(never)["in_force_h"].item() is None


def test_an_empty_log_is_a_log():
    empty = pl.DataFrame(schema=dict(regional.RESPONSE_LOG))
    assert regional.response_log(empty).height == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": " "}, "empty"),
        ({"measure": None}, "empty"),
        ({"ordered_at": None}, "empty"),
        ({"area_id": "Atlantis"}, "unknown place"),
        ({"started_at": dt.datetime(2029, 12, 31)}, "start before the order"),
        ({"ended_at": dt.datetime(2030, 1, 1, 18)}, "end before the start"),
        ({"started_at": None}, "end without a start"),
        ({"expected_change_ratio": -20.0}, "below -1"),
    ],
)
def test_what_cannot_be_is_refused_with_the_rows_that_say_it(changes, message):
    bad = log(**{"alert_id": "a2", **changes}).cast(dict(regional.RESPONSE_LOG))  # type: ignore[arg-type]
    frame = pl.concat([log().cast(dict(regional.RESPONSE_LOG)), bad])  # type: ignore[arg-type]
    with pytest.raises(DataError, match=rf"{message}.*rows 1"):
        regional.response_log(frame)


def test_a_measure_listed_twice_is_refused_also_under_two_names_of_one_place():
    with pytest.raises(DataError, match="listed twice"):
        regional.response_log(pl.concat([log(), log(area_id="110000")]))


def test_a_log_of_the_wrong_shape_is_refused():
    with pytest.raises(SchemaError, match="source"):
        regional.response_log(log().drop("source"))
    with pytest.raises(SchemaError, match="to_local"):
        regional.response_log(log().with_columns(pl.col("ordered_at").dt.replace_time_zone("UTC")))
    with pytest.raises(SchemaError, match="text"):
        regional.response_log(log().with_columns(measure=pl.lit(1)))
