from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citylab import catalog
from citylab.air.roses import bivariate_polar, cpf, fit_thin_plate, percentile_rose, wind_rose
from citylab.errors import DataError, RangeError, SchemaError, UnknownNameError

winds = st.lists(st.tuples(st.floats(0, 12), st.floats(0, 359.9)), min_size=1, max_size=60)


def wind(speed, direction, **more) -> pl.DataFrame:
    return pl.DataFrame({"wind_speed_ms": speed, "wind_direction_deg": direction, **more}, strict=False)


def spokes(rose: pl.DataFrame) -> dict[float, float]:
    return dict(rose.group_by("sector_deg", maintain_order=True).agg(pl.col("share").sum()).rows())


def random_wind(n=20_000, seed=0, step: float | None = None) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    direction = rng.uniform(0, 360, n)
    if step:
        direction = np.round(direction / step) * step % 360
    return wind(rng.gamma(2, 1.5, n), direction)


# wind roses


def test_wind_from_the_north_alone_makes_one_petal_of_all_records():
    rose = wind_rose(wind([1.0, 3.0, 9.0], [0.0, 360.0, 0.0]))
    assert {d: s for d, s in spokes(rose).items() if s} == {0.0: pytest.approx(1.0)}
    assert rose.filter(pl.col("n") > 0)["speed_to_ms"].to_list() == [2.0, 4.0, None]


@given(winds)
def test_spokes_and_calms_add_to_one(rows):
    rose = wind_rose(wind(*map(list, zip(*rows, strict=True))))
    assert rose["share"].sum() + rose["calm_share"][0] == pytest.approx(1)
    assert rose["n"].sum() == pytest.approx(sum(v > 0 for v, _ in rows))


@given(winds, st.integers(1, 11))
def test_turning_every_direction_turns_the_rose(rows, turns):
    speed, direction = map(np.array, zip(*rows, strict=True))
    before = wind_rose(wind(speed, direction), sector_deg=30, recorded_deg=1)["share"].to_numpy().reshape(12, -1)
    after = wind_rose(wind(speed, (direction + 30 * turns) % 360), sector_deg=30, recorded_deg=1)
    moved = np.roll(before, turns, axis=0)
    assert np.allclose(after["share"].to_numpy().reshape(12, -1), moved, atol=0.51 / len(rows) + 1e-9)
    assert (after["calm_share"][0]) == np.mean(speed == 0)


def test_a_quarter_turn_of_beijings_wind_turns_its_rose_exactly():
    hours = catalog.load("uci__hourly_station_air_december2016").collect()
    turned = hours.with_columns((pl.col("wind_direction_deg") + 90) % 360)
    a, b = (wind_rose(f)["n"].to_numpy().reshape(16, -1) for f in (hours, turned))
    assert np.array_equal(np.roll(a, 4, axis=0), b)


def test_calms_have_no_direction_and_missing_directions_are_counted():
    rose = wind_rose(wind([0.0, 0.0, 0.4, 3.0, 3.0, None], [None, 90.0, 90.0, 90.0, None, 10.0]), calm_ms=0.5)
    first = rose.row(0, named=True)
    assert (first["calm_share"], first["n_total"], first["n_missing"]) == (0.75, 4, 2)
    assert spokes(rose)[90.0] == 0.25


def test_a_speed_on_a_bound_belongs_to_the_class_below_it():
    rose = wind_rose(wind([2.0, 2.1], [0.0, 0.0]), breaks=[2, 5])
    assert rose.filter(pl.col("n") > 0)["speed_to_ms"].to_list() == [2.0, 5.0]


def test_a_direction_between_two_sectors_counts_half_in_each():
    shares = spokes(wind_rose(wind([1.0], [15.0])))
    assert (shares[0.0], shares[30.0]) == (0.5, 0.5)


def test_the_correction_evens_out_what_rounding_to_tens_heaps_up():
    rounded = random_wind(step=10.0)
    raw, mended = (
        np.array(list(spokes(wind_rose(rounded, sector_deg=22.5, bias_correction=b)).values())) for b in (False, True)
    )
    # N, E, S and W hold three tens and the others two: 1/12 and 1/18 of an even wind
    assert np.allclose(raw[::4], 1 / 12, atol=0.006)
    assert np.allclose(np.delete(raw, [0, 4, 8, 12]), 1 / 18, atol=0.006)
    assert np.allclose(mended, 1 / 16, atol=0.006)
    assert mended.sum() == pytest.approx(raw.sum())


def test_sectors_that_fit_the_rounding_need_no_correction():
    for step, width in ((10.0, 30.0), (10.0, 20.0), (22.5, 22.5), (22.5, 45.0)):
        rose = wind_rose(random_wind(step=step), sector_deg=width)
        assert rose["recorded_deg"][0] == step
        assert not rose["is_corrected"][0]
        shares = np.array(list(spokes(rose).values()))
        assert np.allclose(shares, width / 360, atol=0.01)


def test_sixteen_points_get_sectors_of_their_own_and_refuse_others():
    points = random_wind(step=22.5)
    assert wind_rose(points)["sector_width_deg"][0] == 22.5
    with pytest.raises(DataError, match=r"22\.5 or 45"):
        wind_rose(points, sector_deg=30)
    with pytest.raises(DataError, match="steps of 10"):
        wind_rose(random_wind(step=10.0), sector_deg=5)
    assert wind_rose(random_wind())["sector_width_deg"][0] == 30


def test_groups_are_roses_of_their_own_and_a_lazy_frame_stays_lazy():
    frame = wind([1.0, 1.0, 3.0], [0.0, 0.0, 90.0], station_id=["b", "b", "a"])
    out = wind_rose(frame.lazy(), by="station_id")
    assert isinstance(out, pl.LazyFrame)
    top = out.collect().filter(pl.col("n") > 0)
    assert top.select("station_id", "sector_deg", "share").rows() == [("a", 90.0, 1.0), ("b", 0.0, 1.0)]


def test_a_station_without_wind_has_null_shares():
    frame = wind([1.0, None], [0.0, None], station_id=["a", "b"])
    lost = wind_rose(frame, by="station_id").filter(pl.col("station_id") == "b")
    assert lost["share"].null_count() == lost.height and lost["n_missing"][0] == 1


def test_impossible_winds_and_widths_are_refused():
    with pytest.raises(DataError, match="outside 0 to 360"):
        wind_rose(wind([1.0], [999.0]))
    with pytest.raises(DataError, match="below zero"):
        wind_rose(wind([-1.0], [9.0]))
    with pytest.raises(RangeError, match="divides 360"):
        wind_rose(wind([1.0], [9.0]), sector_deg=50)
    with pytest.raises(RangeError, match="rising"):
        wind_rose(wind([1.0], [9.0]), breaks=[4, 2])
    with pytest.raises(SchemaError, match="wind_direction_deg"):
        wind_rose(pl.DataFrame({"wind_speed_ms": [1.0]}))
    with pytest.raises(DataError, match="without rows"):
        wind_rose(wind([], []).cast(pl.Float64))


# CPF and percentiles by sector


def test_cpf_is_the_share_of_a_sectors_records_above_the_percentile_of_all():
    # values 1..100, the 90th percentile 90.1: ten are above, all from the south, of twenty there
    direction = [0.0] * 80 + [180.0] * 20
    out = cpf(wind(2.0, direction, pm25_ugm3=np.arange(1.0, 101.0)), "pm25_ugm3", percentile=90)
    south = out.filter(pl.col("sector_deg") == 180).row(0, named=True)
    assert (south["n"], south["n_above"], south["cpf_share"]) == (20, 10, 0.5)
    assert south["threshold_low"] == pytest.approx(90.1)
    # Wilson, n = 20, p = 0.5, z = 1.96: 0.5 ± 0.2007 (Newcombe 1998, by hand: z²/n = .19207; .5/1.19207*... )
    z = 1.959964
    half = z / (1 + z * z / 20) * math.sqrt(0.25 / 20 + z * z / (4 * 400))
    assert (south["low"], south["high"]) == (pytest.approx(0.5 - half, abs=1e-6), pytest.approx(0.5 + half, abs=1e-6))
    empty = out.filter(pl.col("sector_deg") == 90).row(0, named=True)
    assert empty["cpf_share"] is None and empty["is_scarce"]


def test_an_interval_cpf_counts_values_between_two_percentiles():
    out = cpf(wind(2.0, [0.0] * 101, pm25_ugm3=np.arange(101.0)), "pm25_ugm3", percentile=(50, 75))
    assert out["n_above"][0] == 25
    with pytest.raises(RangeError, match="rise"):
        cpf(wind(2.0, [0.0], pm25_ugm3=[1.0]), "pm25_ugm3", percentile=(75, 50))


def test_percentiles_of_a_sector_are_those_of_its_records():
    frame = wind(2.0, [0.0] * 5 + [90.0], o3_ugm3=[1.0, 2.0, 3.0, 4.0, 5.0, 50.0])
    out = percentile_rose(frame, "o3_ugm3", percentiles=[50, 90])
    north = out.filter(pl.col("sector_deg") == 0)
    assert north["o3_ugm3"].to_list() == [3.0, pytest.approx(4.6)]
    assert out.filter(pl.col("sector_deg") == 180)["o3_ugm3"].null_count() == 2
    assert north["is_scarce"].all()


# direction and speed


def planted(n=6000, seed=3) -> pl.DataFrame:
    """Return synthetic wind with a source whose plume is strongest at 135° and 4 m/s."""
    rng = np.random.default_rng(seed)
    speed, direction = rng.uniform(0.2, 8, n), rng.uniform(0, 360, n)
    turn = (direction - 135 + 180) % 360 - 180
    plume = 80 * np.exp(-0.5 * ((speed - 4) / 1.2) ** 2 - 0.5 * (turn / 25) ** 2)
    return wind(speed, direction, pm25_ugm3=20 + plume + rng.normal(0, 5, n).clip(-15, 15))


@pytest.mark.parametrize(("method", "turn", "off"), [("gam", 10, 0.7), ("kernel", 12, 1.0), ("bins", 25, 1.8)])
def test_a_planted_source_is_where_the_surface_is_highest(method, turn, off):
    cells = bivariate_polar(planted(), "pm25_ugm3", method=method, grid=61)
    peak = cells.drop_nulls("pm25_ugm3").sort("pm25_ugm3").row(-1, named=True)
    assert abs(peak["wind_direction_deg"] - 135) <= turn
    assert abs(peak["wind_speed_ms"] - 4) <= off
    assert peak["u_ms"] > 0 > peak["v_ms"], "south-east of the middle, where the wind comes from"
    if method != "bins":
        assert peak["pm25_ugm3"] == pytest.approx(100, rel=0.15)


def test_the_share_above_a_percentile_is_highest_at_the_planted_source_too():
    for method in ("gam", "kernel"):
        cells = bivariate_polar(planted(), "pm25_ugm3", method=method, statistic="cpf", percentile=90, grid=61)
        high = cells.filter(pl.col("cpf_share") > 0.8)
        assert abs(high["wind_direction_deg"].mean() - 135) <= 10
        assert abs(high["wind_speed_ms"].mean() - 4) <= 0.7
        assert cells["cpf_share"].min() >= 0 and cells["cpf_share"].max() <= 1


def test_a_constant_concentration_gives_a_constant_surface():
    frame = planted().with_columns(pm25_ugm3=pl.lit(50.0))
    for method in ("gam", "kernel", "bins"):
        values = bivariate_polar(frame, "pm25_ugm3", method=method, grid=41).drop_nulls("pm25_ugm3")["pm25_ugm3"]
        assert np.allclose(values, 50, atol=1e-6)


def test_the_kernel_mean_equals_its_definition_at_every_point():
    frame = planted(300)
    cells = bivariate_polar(frame, "pm25_ugm3", method="kernel", max_speed_ms=8).drop_nulls("pm25_ugm3")
    v, d, c = (frame[x].to_numpy() for x in ("wind_speed_ms", "wind_direction_deg", "pm25_ugm3"))
    for row in cells.sample(25, seed=1).iter_rows(named=True):
        turn = np.abs(d - row["wind_direction_deg"])
        turn = np.minimum(turn, 360 - turn)
        w = np.exp(-0.5 * ((v - row["wind_speed_ms"]) / 0.5) ** 2 - 0.5 * (turn / 4) ** 2)
        assert row["pm25_ugm3"] == pytest.approx(np.average(c, weights=w), rel=1e-9)
        assert row["n"] == pytest.approx(w.sum() ** 2 / (w**2).sum(), rel=1e-9)
        if row["low"] is not None:
            assert row["low"] <= row["pm25_ugm3"] <= row["high"]


def test_bins_count_each_record_once_and_hold_their_means():
    cells = bivariate_polar(planted(), "pm25_ugm3", method="bins")
    assert cells["n"].sum() == 6000
    frame = planted()
    weighted = (cells["pm25_ugm3"] * cells["n"]).sum() / 6000
    assert weighted == pytest.approx(frame["pm25_ugm3"].mean())
    assert (
        bivariate_polar(frame, "pm25_ugm3", method="bins", statistic="max")["pm25_ugm3"].max()
        == frame["pm25_ugm3"].max()
    )


def test_the_surface_is_not_drawn_far_from_data():
    frame = planted().filter(pl.col("wind_direction_deg") < 180)
    west = bivariate_polar(frame, "pm25_ugm3", grid=61).filter(pl.col("u_ms") < -2)
    assert west["pm25_ugm3"].null_count() == west.height and west["n"].sum() == 0


def test_a_surface_asks_for_enough_bins_and_no_negative_values():
    with pytest.raises(DataError, match="10"):
        bivariate_polar(planted(3), "pm25_ugm3")
    with pytest.raises(DataError, match="negative"):
        bivariate_polar(planted().with_columns(pl.col("pm25_ugm3") - 60), "pm25_ugm3")
    with pytest.raises(UnknownNameError, match="kernel"):
        bivariate_polar(planted(), "pm25_ugm3", method="kernels")
    with pytest.raises(DataError, match="moving"):
        bivariate_polar(planted().with_columns(pm25_ugm3=pl.lit(None, pl.Float64)), "pm25_ugm3")


def test_at_full_rank_the_spline_is_scipys_smoothing_thin_plate():
    from scipy.interpolate import RBFInterpolator

    rng = np.random.default_rng(0)
    points, values = rng.uniform(-1, 1, (60, 2)), rng.normal(size=60)
    weights = rng.uniform(0.25, 1, 60)
    wanted = rng.uniform(-1, 1, (40, 2))
    for penalty in (0.01, 0.5, 10.0):
        ours = fit_thin_plate(points, values, weights, basis=60, penalty=penalty).predict(wanted)[0]
        peer = RBFInterpolator(points, values, smoothing=penalty / weights, kernel="thin_plate_spline")(wanted)
        assert np.allclose(ours, peer, atol=1e-7)


@settings(max_examples=20)
@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(-5, 5))
def test_a_plane_goes_through_the_spline_unbent(a, b, c):
    points = np.random.default_rng(1).uniform(-1, 1, (50, 2))
    fit = fit_thin_plate(points, a + points @ [b, c], np.ones(50), basis=20)
    wanted = np.array([[0.3, -0.7], [1.5, 1.5]])
    assert np.allclose(fit.predict(wanted)[0], a + wanted @ [b, c], atol=1e-6)


def test_cross_validation_smooths_noise_away_and_keeps_a_signal():
    rng = np.random.default_rng(5)
    points = rng.uniform(-1, 1, (400, 2))
    noise = fit_thin_plate(points, rng.normal(size=400), np.ones(400), basis=80)
    truth = np.sin(3 * points[:, 0]) * np.cos(3 * points[:, 1])
    signal = fit_thin_plate(points, truth + 0.05 * rng.normal(size=400), np.ones(400), basis=80)
    assert noise.freedom < 15 < signal.freedom
    assert np.sqrt(np.mean((signal.predict(points)[0] - truth) ** 2)) < 0.05


# a peer's data


@pytest.fixture(scope="module")
def mydata(mirror):
    frame = pl.read_csv(mirror / "reference" / "openair_mydata" / "mydata.csv.gz", null_values="")
    return frame.rename({"ws": "wind_speed_ms", "wd": "wind_direction_deg"})


def test_the_wind_of_marylebone_road_is_told_in_tens_and_blows_from_the_south_west(mydata):
    rose = wind_rose(mydata)
    shares = spokes(rose)
    assert rose["recorded_deg"][0] == 10
    assert max(shares, key=shares.get) in (210.0, 240.0)
    n = mydata.filter(pl.col("wind_speed_ms") > 0, pl.col("wind_direction_deg").is_between(16, 44)).height
    assert rose.filter(pl.col("sector_deg") == 30)["n"].sum() == n


def test_sulphur_dioxide_of_marylebone_road_comes_with_wind_from_the_east(mydata):
    # openair's manual, chapter on polarPlot: highest SO2 under easterly wind, from stacks to the east
    surface = bivariate_polar(mydata, "so2", grid=81).drop_nulls("so2").sort("so2")
    assert abs(surface["wind_direction_deg"][-1] - 90) < 30
    assert surface["wind_speed_ms"][-1] > 3
