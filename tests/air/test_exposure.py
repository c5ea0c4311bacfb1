from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import stdtrit

from citylab.air import exposure as ex
from citylab.air import space
from citylab.errors import DataError, OverlapError, RangeError, SchemaError, UnknownNameError

BOXES = {"1": (116.0, 39.8, 116.2, 40.0), "2": (116.2, 39.8, 116.4, 40.0), "3": (116.4, 39.8, 116.6, 40.0)}
BOUNDARIES = pl.DataFrame(
    {"adcode": list(BOXES), "geometry_wkb": [shapely.to_wkb(shapely.box(*b)) for b in BOXES.values()]}
)
PEOPLE = pl.DataFrame({"adcode": ["1", "2", "3"], "population_persons": [100.0, 300.0, 600.0]})
# Two stations in district 1, four in 2, none in 3.
STATIONS = pl.DataFrame(
    {
        "station_id": list("abcdef"),
        "adcode": ["1", "1", "2", "2", "2", "2"],
        "longitude_deg": [116.05, 116.15, 116.25, 116.35, 116.25, 116.35],
        "latitude_deg": [39.85, 39.95, 39.85, 39.85, 39.95, 39.95],
        "pm25_ugm3": [60.0, 70.0, 80.0, 90.0, 80.0, 90.0],
    }
)


def rows(frame: pl.DataFrame, *columns: str) -> list[tuple[object, ...]]:
    return frame.select(columns).rows()


# --- by stations ------------------------------------------------------------------------------------------------------


def test_a_district_with_stations_has_their_mean_and_one_without_is_missing_and_says_so():
    found = ex.exposure(STATIONS, PEOPLE, uncovered="missing")
    assert rows(found, "pm25_ugm3", "station_count", "is_interpolated", "reason") == [
        (65.0, 2, False, None), (85.0, 4, False, None), (None, 0, False, "no_station"),
    ]  # fmt: skip


def test_a_district_without_a_station_is_interpolated_flagged_and_less_certain():
    found = ex.exposure(STATIONS, PEOPLE, boundaries=BOUNDARIES, block_km=15)
    third = found.filter(adcode="3").row(0, named=True)
    assert third["is_interpolated"] and third["station_count"] == 0 and third["reason"] is None
    assert third["cell_count"] == 100  # 0.2° by 0.2° in cells of 0.02°
    assert third["hull_share"] == 0
    assert 80 < third["pm25_ugm3"] < 90  # between the values of its neighbours in district 2
    width = found["pm25_upper_ugm3"] - found["pm25_ugm3"]
    assert width[2] > width[0] == pytest.approx(width[1])


def test_the_interval_is_student_s_t_times_the_cross_validated_error():
    found = ex.exposure(STATIONS, PEOPLE, uncovered="missing", level=0.9)
    error = space.cross_validate(STATIONS, "pm25_ugm3").filter(split="station")["error"]
    half = stdtrit(len(error) - 1, 0.95) * np.sqrt((error**2).mean())
    assert found["pm25_upper_ugm3"][0] == pytest.approx(65 + half)
    assert found["pm25_lower_ugm3"][0] == pytest.approx(max(0, 65 - half))


def test_interpolating_without_boundaries_is_refused_by_name():
    with pytest.raises(SchemaError, match="boundaries="):
        ex.exposure(STATIONS, PEOPLE)
    with pytest.raises(DataError, match="no boundary for '3'"):
        ex.exposure(STATIONS, PEOPLE, boundaries=BOUNDARIES.head(2))


def test_a_dataframe_and_a_lazyframe_give_the_same():
    one = ex.exposure(STATIONS, PEOPLE, boundaries=BOUNDARIES)
    other = ex.exposure(STATIONS.lazy(), PEOPLE.lazy(), boundaries=BOUNDARIES.lazy())
    assert one.equals(other)


# --- by map -----------------------------------------------------------------------------------------------------------


def test_a_district_of_a_map_has_the_mean_of_its_cells():
    grid = space.to_grid(STATIONS, "pm25_ugm3", outline=BOUNDARIES)
    found = ex.exposure(grid, PEOPLE, boundaries=BOUNDARIES)
    assert found["cell_count"].to_list() == [100, 100, 100]
    assert found["station_count"].to_list() == [2, 4, 0]
    for (west, _, east, _), value in zip(BOXES.values(), found["pm25_ugm3"], strict=True):
        cells = grid["pm25_ugm3"].sel(longitude_deg=slice(west, east))
        weights = np.cos(np.radians(grid["latitude_deg"]))
        assert value == pytest.approx(float(cells.weighted(weights).mean()))


def test_people_with_positions_weigh_the_cells_they_live_in():
    grid = space.to_grid(STATIONS, "pm25_ugm3", outline=BOUNDARIES)
    towns = pl.DataFrame(
        {
            "adcode": ["1", "1", "2"],
            "population_persons": [100.0, 300.0, 50.0],
            "longitude_deg": [116.05, 116.151, 116.25],
            "latitude_deg": [39.851, 39.949, 39.849],
        }
    )
    found = ex.exposure(grid, towns, boundaries=BOUNDARIES)
    at = [
        float(grid["pm25_ugm3"].sel(longitude_deg=x, latitude_deg=y, method="nearest"))
        for x, y in rows(towns, "longitude_deg", "latitude_deg")
    ]
    assert found["pm25_ugm3"].to_list() == pytest.approx([(100 * at[0] + 300 * at[1]) / 400, at[2]])
    assert rows(found, "population_persons", "cell_count") == [(400.0, 2), (50.0, 1)]


def test_people_beyond_the_map_are_left_out_and_a_district_of_only_such_people_is_missing():
    grid = space.to_grid(STATIONS, "pm25_ugm3", outline=BOUNDARIES)
    towns = PEOPLE.with_columns(longitude_deg=pl.Series([116.1, 116.3, 120.0]), latitude_deg=pl.lit(39.9))
    assert ex.exposure(grid, towns)["reason"].to_list() == [None, None, "no_cells"]


def test_a_district_smaller_than_a_cell_takes_the_cell_it_lies_in():
    grid = space.to_grid(STATIONS, "pm25_ugm3", cell_deg=0.1)
    speck = BOUNDARIES.head(1).with_columns(
        geometry_wkb=pl.lit(shapely.to_wkb(shapely.box(116.11, 39.91, 116.12, 39.92)))
    )
    found = ex.exposure(grid, PEOPLE.head(1), boundaries=speck)
    far = STATIONS.with_columns(adcode=pl.lit("2"))
    assert ex.exposure(far, PEOPLE.head(1), boundaries=speck, cell_deg=0.1)["cell_count"].item() == 1
    assert found["pm25_ugm3"].item() == pytest.approx(
        float(grid["pm25_ugm3"].sel(longitude_deg=116.15, latitude_deg=39.95))
    )


# --- adding up --------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.floats(0, 500), st.floats(1, 1e6)), min_size=1, max_size=16))
def test_the_city_s_mean_lies_between_its_districts_and_does_not_change_when_people_double(pairs):
    frame = pl.DataFrame(pairs, ["pm25_ugm3", "population_persons"], orient="row")
    mean = ex.population_weighted(frame)["pm25_ugm3"].item()
    assert min(p[0] for p in pairs) - 1e-9 <= mean <= max(p[0] for p in pairs) + 1e-9
    doubled = frame.with_columns(pl.col("population_persons") * 2)
    assert ex.population_weighted(doubled)["pm25_ugm3"].item() == pytest.approx(mean)


def test_districts_without_a_value_are_left_out_and_told():
    found = ex.population_weighted(ex.exposure(STATIONS, PEOPLE, uncovered="missing"))
    assert rows(found, "pm25_ugm3", "population_persons", "covered_share", "district_count") == [
        ((100 * 65 + 300 * 85) / 400, 400.0, 0.4, 2)
    ]
    nobody = pl.DataFrame(
        {"pm25_ugm3": [None], "population_persons": [5.0]}, schema_overrides={"pm25_ugm3": pl.Float64}
    )
    assert ex.population_weighted(nobody)["pm25_ugm3"].item() is None


def test_places_that_share_territory_are_not_added_up_but_years_may_repeat_a_place():
    frame = pl.DataFrame(
        {"adcode": ["110101", "110101"], "year": [1, 2], "pm25_ugm3": [1.0, 2], "population_persons": [1.0, 1]}
    )
    with pytest.raises(OverlapError):
        ex.population_weighted(frame)
    assert ex.population_weighted(frame, by="year")["pm25_ugm3"].to_list() == [1.0, 2.0]


# --- inequality -------------------------------------------------------------------------------------------------------


def district_shares() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "population_persons": [100.0, 300.0, 600.0],
            "pm25_ugm3": [60.0, 80.0, 100.0],
            "elderly_share": [0.5, 0.2, 0.1],
            "income": [3.0, 2.0, 1.0],
        }
    )


def test_the_difference_of_a_group_is_that_of_the_weighted_means_by_hand():
    # Elderly 50, 60, 60 people; others 50, 240, 540.
    found = ex.exposure_inequality(district_shares(), ["elderly_share"]).row(0, named=True)
    mine, theirs = (50 * 60 + 60 * 80 + 60 * 100) / 170, (50 * 60 + 240 * 80 + 540 * 100) / 830
    assert (found["group_mean"], found["others_mean"]) == pytest.approx((mine, theirs))
    assert (found["estimate"], found["ratio"]) == pytest.approx((mine - theirs, mine / theirs))
    assert found["lower"] is None and found["upper"] is None and found["n"] == 3


def test_the_interval_of_a_difference_adds_the_districts_errors_in_squares():
    frame = district_shares().with_columns(
        pm25_lower_ugm3=pl.col("pm25_ugm3") - 10, pm25_upper_ugm3=pl.col("pm25_ugm3") + 10
    )
    found = ex.exposure_inequality(frame, ["elderly_share"]).row(0, named=True)
    gap = np.array([50, 60, 60]) / 170 - np.array([50, 240, 540]) / 830
    assert found["upper"] - found["estimate"] == pytest.approx(10 * np.sqrt((gap**2).sum()))


def test_a_group_spread_like_everyone_breathes_what_everyone_breathes():
    frame = district_shares().with_columns(elderly_share=pl.lit(0.3))
    assert ex.exposure_inequality(frame, ["elderly_share"])["estimate"].item() == pytest.approx(0, abs=1e-12)


def test_the_index_is_that_of_a_formula_written_otherwise_and_can_be_another():
    # Everyone in a row from poor to rich: 600 people at 100, 300 at 80, 100 at 60.
    # C = 2/(n² mean) Σ y · rank - (n + 1)/n.
    people = np.repeat([100.0, 80.0, 60.0], [600, 300, 100])
    place = np.repeat([300.5, 750.5, 950.5], [600, 300, 100])  # ties share their mean rank
    n = len(people)
    expected = 2 / (n**2 * people.mean()) * (people @ place) - (n + 1) / n
    found = ex.exposure_inequality(district_shares(), rank_by="income")
    assert found["estimate"].item() == pytest.approx(expected)
    assert expected < 0  # the poor breathe more
    other = ex.exposure_inequality(district_shares(), rank_by="income", index=lambda v, r, w: float(v.max() - v.min()))
    assert other["estimate"].item() == 40.0


@given(st.lists(st.tuples(st.floats(1, 100), st.floats(0, 10), st.floats(1, 100)), min_size=2, max_size=20))
def test_the_index_stays_within_one_and_turns_its_sign_with_the_ranking(triples):
    values, ranks, weights = (np.array(x) for x in zip(*triples, strict=True))
    found = ex.rank_index(values, ranks, weights)
    assert -1 <= found <= 1
    assert ex.rank_index(values, -ranks, weights) == pytest.approx(-found, abs=1e-12)


# --- bad input --------------------------------------------------------------------------------------------------------


def test_bad_input_is_refused_by_name():
    with pytest.raises(DataError, match="Filter to one year"):
        ex.exposure(STATIONS, pl.concat([PEOPLE, PEOPLE]), uncovered="missing")
    with pytest.raises(DataError, match="missing or negative"):
        ex.exposure(STATIONS, PEOPLE.with_columns(population_persons=-pl.col("population_persons")))
    with pytest.raises(SchemaError, match="adcode"):
        ex.exposure(STATIONS.drop("adcode"), PEOPLE)
    with pytest.raises(SchemaError, match="Cast one"):
        ex.exposure(STATIONS.cast({"adcode": pl.Int64}), PEOPLE)
    with pytest.raises(RangeError, match="level"):
        ex.exposure(STATIONS, PEOPLE, level=95)
    with pytest.raises(UnknownNameError, match="missing"):
        ex.exposure(STATIONS, PEOPLE, uncovered="mising")
    with pytest.raises(SchemaError, match="needs a map"):
        ex.exposure({"pm25_ugm3": 1}, PEOPLE)  # type: ignore[arg-type]
    with pytest.raises(SchemaError, match="boundaries="):
        ex.exposure(space.to_grid(STATIONS, "pm25_ugm3"), PEOPLE)
    with pytest.raises(SchemaError, match="People with positions need a map"):
        ex.exposure(STATIONS, PEOPLE.with_columns(longitude_deg=pl.lit(116.0), latitude_deg=pl.lit(40.0)))


def test_bad_groups_are_refused_by_name():
    frame = district_shares()
    with pytest.raises(SchemaError, match="rank_by"):
        ex.exposure_inequality(frame)
    with pytest.raises(DataError, match="expected shares"):
        ex.exposure_inequality(frame.with_columns(elderly_share=pl.lit(20.0)), ["elderly_share"])
    with pytest.raises(DataError, match="nobody or of everyone"):
        ex.exposure_inequality(frame.with_columns(elderly_share=pl.lit(0.0)), ["elderly_share"])
    with pytest.raises(DataError, match="gaps"):
        ex.exposure_inequality(frame.with_columns(income=pl.lit(None, pl.Float64)), rank_by="income")


@pytest.mark.filterwarnings("ignore::citylab.errors.UsageWarning")
def test_real_districts_of_beijing_are_covered_with_the_ones_without_a_station_flagged():
    from citylab import catalog

    daily = catalog.load("uci__daily_station_air").group_by("station_id").agg(pl.col("pm25_ugm3").mean())
    stations = daily.join(catalog.load("bjmemc__static_station_location"), on="station_id")
    people = catalog.load("bjstats__census_district_population").filter(year=2020)
    outlines = catalog.load("echarts__static_district_boundary")
    found = ex.exposure(stations, people, boundaries=outlines)
    assert found.height == 16 and found["pm25_ugm3"].null_count() == 0
    # The twelve stations stand in eight of the sixteen districts.
    assert found["is_interpolated"].sum() == 16 - stations.collect()["adcode"].n_unique()
    city = ex.population_weighted(found).row(0, named=True)
    assert city["population_persons"] == 21_893_095  # the census of 2020
    assert found["pm25_ugm3"].min() < city["pm25_ugm3"] < found["pm25_ugm3"].max()
