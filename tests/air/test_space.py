from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from citylab import places
from citylab.air import space
from citylab.errors import CoordinateError, DataError, RangeError, SchemaError, UnknownNameError

STATIONS = 12


def network(values=None, *, n: int = STATIONS, seed: int = 0) -> pl.DataFrame:
    """Stations scattered over a square of about 60 km; the values rise to the south-east unless given."""
    draw = np.random.default_rng(seed)
    lon, lat = draw.uniform(116.0, 116.7, n), draw.uniform(39.7, 40.3, n)
    field = 60 + 40 * (lon - 116.3) - 50 * (lat - 40) if values is None else values
    return pl.DataFrame(
        {"station_id": [f"s{i}" for i in range(n)], "longitude_deg": lon, "latitude_deg": lat, "pm25_ugm3": field}
    )


def ordinary_kriging(stations: pl.DataFrame, lon: float, lat: float, v: space.Variogram) -> tuple[float, float]:
    """Ordinary kriging by its own system of equations with a Lagrange multiplier (Cressie 1993, section 3.2)."""
    where = stations.select("longitude_deg", "latitude_deg").to_numpy()
    origin = tuple(where.mean(axis=0))
    plane = np.column_stack(space.local_plane(where[:, 0], where[:, 1], origin=origin)) / 1000
    at = np.concatenate(space.local_plane([lon], [lat], origin=origin)) / 1000
    n = len(plane)
    distance = np.linalg.norm(plane[:, None] - plane[None], axis=2)
    system = np.ones((n + 1, n + 1))
    system[:n, :n] = v.partial_sill * np.exp(-distance / v.length_km) + v.nugget * np.eye(n)
    system[n, n] = 0
    right = np.ones(n + 1)
    right[:n] = v.partial_sill * np.exp(-np.linalg.norm(plane - at, axis=1) / v.length_km)
    weights = np.linalg.solve(system, right)
    value = weights[:n] @ stations["pm25_ugm3"].to_numpy()
    return float(value), float(v.partial_sill + v.nugget - weights @ right)


# --- inverse distance -------------------------------------------------------------------------------------------------


@given(
    st.lists(st.floats(0, 500), min_size=3, max_size=8),
    st.floats(0.5, 6),
    st.tuples(st.floats(-50, 50), st.floats(-50, 50)),
)
def test_inverse_distance_never_leaves_the_range_of_the_stations(values, power, point):
    plane = np.random.default_rng(len(values)).uniform(-50, 50, (len(values), 2))
    found = space.inverse_distance(np.array([point]), plane, np.array(values), power=power)[0]
    assert min(values) - 1e-9 <= found <= max(values) + 1e-9


def test_inverse_distance_gives_a_station_its_own_value_and_does_not_overflow_near_it():
    plane, values = np.array([[0.0, 0.0], [10.0, 0.0]]), np.array([1.0, 3.0])
    found = space.inverse_distance(np.array([[0.0, 0.0], [1e-200, 0.0], [5.0, 0.0]]), plane, values, power=6)
    assert found.tolist() == [1.0, 1.0, 2.0]


@given(st.floats(-100, 100), st.floats(0.1, 10))
def test_adding_a_constant_and_stretching_moves_the_map_with_the_values(shift, stretch):
    plane = np.random.default_rng(1).uniform(0, 50, (6, 2))
    values, at = np.arange(6.0), np.random.default_rng(2).uniform(0, 50, (9, 2))
    plain = space.inverse_distance(at, plane, values)
    np.testing.assert_allclose(space.inverse_distance(at, plane, values * stretch + shift), plain * stretch + shift)


# --- the plane --------------------------------------------------------------------------------------------------------


@given(st.floats(115.4, 117.5), st.floats(39.4, 41.1), st.floats(115.4, 117.5), st.floats(39.4, 41.1))
def test_distances_on_the_plane_are_those_of_the_great_circle_within_one_and_a_half_percent_in_beijing(x1, y1, x2, y2):
    east, north = space.local_plane([x1, x2], [y1, y2], origin=(116.4, 40.2))
    flat = float(np.hypot(np.diff(east), np.diff(north))[0])
    assert flat == pytest.approx(places.distance_m(x1, y1, x2, y2), rel=0.014, abs=1)


# --- kriging ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nugget", [0.5, 20.0])
def test_kriging_with_a_given_variogram_solves_the_ordinary_kriging_system(nugget):
    stations = network(np.random.default_rng(3).normal(80, 10, STATIONS))
    variogram = space.Variogram(nugget, 90.0, 25.0)
    grid = space.to_grid(stations, "pm25_ugm3", method="kriging", variogram=variogram, cell_deg=0.1)
    for lon in grid["longitude_deg"].to_numpy()[::2]:
        for lat in grid["latitude_deg"].to_numpy()[::2]:
            value, variance = ordinary_kriging(stations, lon, lat, variogram)
            cell = grid.sel(longitude_deg=lon, latitude_deg=lat)
            assert float(cell["pm25_ugm3"]) == pytest.approx(value, rel=1e-5)
            assert float(cell["pm25_kriging_variance"]) == pytest.approx(variance, rel=1e-4)


def test_the_kriging_variance_is_smallest_beside_the_stations_and_never_below_the_nugget():
    grid = space.to_grid(
        network(), "pm25_ugm3", method="kriging", variogram=space.Variogram(4.0, 90.0, 25.0), cell_deg=0.02
    )
    variance = grid["pm25_kriging_variance"].to_numpy()
    near = grid["nearest_station_km"].to_numpy() < 1.5
    assert variance.min() >= 4.0 and variance[near].max() < np.median(variance[~near])


def test_a_fitted_variogram_is_told_with_whether_the_stations_determine_it():
    grid = space.to_grid(network(), "pm25_ugm3", method="kriging", cell_deg=0.1)
    assert grid.attrs["variogram_origin"] == "fitted"
    assert grid.attrs["partial_sill"] > 0 and grid.attrs["length_km"] > 0
    # A plane has no length of its own: the fit runs to the edge of its search and says so.
    assert grid.attrs["is_variogram_at_bound"] == 1 and "do not tell" in grid.attrs["note_en"]


def test_the_same_seed_gives_the_same_kriging():
    maps = [space.to_grid(network(), "pm25_ugm3", method="kriging", cell_deg=0.2, seed=5) for _ in range(2)]
    assert maps[0].identical(maps[1])


def test_equal_values_give_a_flat_map_by_both_methods():
    for method in ("idw", "kriging"):
        grid = space.to_grid(network(np.full(STATIONS, 35.0)), "pm25_ugm3", method=method, cell_deg=0.2)
        np.testing.assert_allclose(grid["pm25_ugm3"], 35.0, atol=1e-6)
        assert grid.attrs["cv_station_rmse"] == pytest.approx(0, abs=1e-6)


# --- cross-validation -------------------------------------------------------------------------------------------------


def test_leaving_out_one_station_predicts_it_from_the_others_alone():
    stations = network(np.random.default_rng(4).normal(80, 10, STATIONS))
    found = space.cross_validate(stations, "pm25_ugm3").filter(split="station")
    for i in (0, 5):
        others = stations.filter(pl.col("station_id") != f"s{i}").to_dict(as_series=False)
        weights = [
            places.distance_m(*stations.row(i)[1:3], x, y) ** -2.0
            for x, y in zip(others["longitude_deg"], others["latitude_deg"], strict=True)
        ]
        expected = np.average(others["pm25_ugm3"], weights=weights)
        assert found.filter(station_id=f"s{i}")["predicted"].item() == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("method", ["idw", "kriging"])
def test_a_station_s_own_value_does_not_reach_its_own_prediction(method):
    values = np.random.default_rng(6).normal(80, 10, STATIONS)
    variogram = space.Variogram(2.0, 90.0, 25.0)
    options = {"method": method, "variogram": variogram, "block_km": 30.0}
    base = space.cross_validate(network(values), "pm25_ugm3", **options)
    values[0] += 500
    moved = space.cross_validate(network(values), "pm25_ugm3", **options)
    for split in ("station", "block"):
        one, other = (f.filter(split=split, station_id="s0")["predicted"].item() for f in (base, moved))
        assert one == pytest.approx(other, rel=1e-4)
    own = base.filter(split="block", station_id="s0")["block"].item()
    mates = base.filter(split="block", block=own)["station_id"]
    for mate in mates:
        pair = [f.filter(split="block", station_id=mate)["predicted"].item() for f in (base, moved)]
        assert pair[0] == pytest.approx(pair[1], rel=1e-4)


def test_no_two_stations_of_a_block_are_farther_apart_than_said():
    stations = network(n=30)
    found = (
        space.cross_validate(stations, "pm25_ugm3", block_km=15).filter(split="block").join(stations, on="station_id")
    )
    for _, block in found.group_by("block"):
        lon, lat = block["longitude_deg"].to_numpy(), block["latitude_deg"].to_numpy()
        assert max(places.distance_m(lon[i], lat[i], lon, lat).max() for i in range(len(lon))) <= 15_000 * 1.01


def test_a_smooth_field_is_mapped_better_than_by_its_mean_and_noise_is_not():
    smooth = space.map_error(space.cross_validate(network(n=40), "pm25_ugm3", method="kriging"))
    noise = np.random.default_rng(8).normal(80, 10, 40)
    rough = space.map_error(space.cross_validate(network(noise, n=40), "pm25_ugm3", method="idw"))
    assert smooth["skill"].min() > 0.5
    assert rough["skill"].max() < 0.2


def test_the_error_of_blocks_is_missing_where_all_stations_are_one_block():
    errors = space.map_error(space.cross_validate(network(), "pm25_ugm3", block_km=500))
    assert errors.filter(split="block").select("n", "rmse").row(0) == (0, None)
    grid = space.to_grid(network(), "pm25_ugm3", cell_deg=0.2, block_km=500)
    assert "leave-block-out RMSE not available" in grid.attrs["note_en"]
    assert space.map_error(grid).equals(errors)


# --- the map ----------------------------------------------------------------------------------------------------------


def test_cells_outside_the_outline_are_missing_and_cells_outside_the_hull_flagged_or_masked():
    stations = network()
    square = shapely.to_wkb(shapely.box(116.0, 39.7, 116.9, 40.0))
    grid = space.to_grid(stations, "pm25_ugm3", outline=[square], cell_deg=0.05)
    x, y = np.meshgrid(grid["longitude_deg"], grid["latitude_deg"])
    assert np.array_equal(np.isfinite(grid["pm25_ugm3"]), (x > 116) & (x < 116.9) & (y > 39.7) & (y < 40.0))
    hull = shapely.MultiPoint(stations.select("longitude_deg", "latitude_deg").to_numpy()).convex_hull
    assert np.array_equal(grid["is_inside_hull"], shapely.intersects_xy(hull, x, y))
    masked = space.to_grid(stations, "pm25_ugm3", outline=[square], cell_deg=0.05, extrapolate="mask")
    assert np.array_equal(np.isfinite(masked["pm25_ugm3"]), np.isfinite(grid["pm25_ugm3"]) & grid["is_inside_hull"])


def test_maps_of_one_cell_size_share_their_cells_whatever_they_cover():
    small = space.to_grid(network(), "pm25_ugm3", cell_deg=0.03)
    large = space.to_grid(
        network(seed=1), "pm25_ugm3", cell_deg=0.03, outline=[shapely.to_wkb(shapely.box(115, 39, 118, 41.5))]
    )
    assert set(small["longitude_deg"].values) <= set(large["longitude_deg"].values)


def test_a_map_says_unit_datum_method_and_its_errors_in_both_languages():
    stations = network().with_columns(pm25_ugm3=pl.when(station_id="s3").then(None).otherwise("pm25_ugm3"))
    attrs = space.to_grid(stations, "pm25_ugm3", cell_deg=0.2).attrs
    assert (attrs["units"], attrs["crs"], attrs["datum"], attrs["n_stations"]) == ("µg/m³", "EPSG:4326", "unknown", 11)
    assert attrs["n_stations_without_value"] == 1
    rmse = f"{attrs['cv_station_rmse']:.1f} µg/m³"
    assert rmse in attrs["note_en"] and rmse in attrs["note_zh"]


def test_a_map_survives_a_file(tmp_path):
    xarray = pytest.importorskip("xarray")
    grid = space.to_grid(network(), "pm25_ugm3", cell_deg=0.2)
    grid.to_netcdf(tmp_path / "map.nc", engine="scipy")
    with xarray.open_dataset(tmp_path / "map.nc", engine="scipy") as again:
        assert space.map_error(again).equals(space.map_error(grid))


@settings(max_examples=10)
@given(st.permutations(range(STATIONS)))
def test_the_order_of_the_rows_changes_nothing(order):
    stations = network()
    one = space.to_grid(stations, "pm25_ugm3", cell_deg=0.2)
    other = space.to_grid(stations[list(order)].lazy(), "pm25_ugm3", cell_deg=0.2)
    np.testing.assert_allclose(one["pm25_ugm3"], other["pm25_ugm3"])
    assert one.attrs["cv_block_rmse"] == pytest.approx(other.attrs["cv_block_rmse"])


# --- bad input --------------------------------------------------------------------------------------------------------


def test_bad_stations_are_refused_by_name():
    good = network()
    with pytest.raises(DataError, match="average over time first"):
        space.to_grid(pl.concat([good, good]), "pm25_ugm3")
    with pytest.raises(SchemaError, match="longitude_deg"):
        space.to_grid(good.drop("longitude_deg"), "pm25_ugm3")
    with pytest.raises(DataError, match="at least 3 stations"):
        space.to_grid(good.with_columns(pm25_ugm3=pl.lit(None, pl.Float64)), "pm25_ugm3")
    with pytest.raises(DataError, match="at one place"):
        space.to_grid(good.with_columns(longitude_deg=pl.lit(116.0), latitude_deg=pl.lit(40.0)), "pm25_ugm3")
    with pytest.raises(CoordinateError, match="swapped"):
        space.to_grid(good.rename({"longitude_deg": "latitude_deg", "latitude_deg": "longitude_deg"}), "pm25_ugm3")
    with pytest.raises(CoordinateError, match="without a position"):
        space.to_grid(good.with_columns(latitude_deg=pl.lit(None, pl.Float64)), "pm25_ugm3")
    with pytest.raises(CoordinateError, match="gcj02_to_wgs84"):
        space.to_grid(good, "pm25_ugm3", datum="GCJ-02")
    with pytest.raises(DataError, match="infinite"):
        space.to_grid(good.with_columns(pm25_ugm3=pl.lit(float("inf"))), "pm25_ugm3")


def test_bad_options_are_refused_by_name():
    good = network()
    with pytest.raises(UnknownNameError, match="kriging"):
        space.to_grid(good, "pm25_ugm3", method="krigging")
    with pytest.raises(UnknownNameError, match="mask"):
        space.to_grid(good, "pm25_ugm3", extrapolate="maks")
    for options in ({"cell_deg": 0}, {"power": 0}, {"block_km": 0}, {"cell_deg": 1e-5}):
        with pytest.raises(RangeError):
            space.to_grid(good, "pm25_ugm3", **options)
    with pytest.raises(SchemaError, match="bytes"):
        space.to_grid(good, "pm25_ugm3", outline=["POLYGON"])
    with pytest.raises(DataError, match="well-known binary"):
        space.to_grid(good, "pm25_ugm3", outline=[b"no polygon"])
    with pytest.raises(RangeError):
        space.Variogram(1.0, 0.0, 10.0)
    with pytest.raises(SchemaError, match="to_grid"):
        space.map_error(space.to_grid(good, "pm25_ugm3", cell_deg=0.2).assign_attrs().drop_attrs())


# --- real stations ----------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::citylab.errors.UsageWarning")
def test_twelve_real_stations_carry_a_map_that_admits_its_error():
    from citylab import catalog

    daily = catalog.load("uci__daily_station_air").group_by("station_id").agg(pl.col("pm25_ugm3").mean())
    stations = daily.join(catalog.load("bjmemc__static_station_location"), on="station_id")
    outline = catalog.load("echarts__static_district_boundary").collect()
    grid = space.to_grid(stations, "pm25_ugm3", outline=outline)
    assert grid.attrs["n_stations"] == 12
    # Beijing is 16,410 km²; the twelve stations span a small part of it.
    cells = np.isfinite(grid["pm25_ugm3"].to_numpy())
    assert grid["is_inside_hull"].to_numpy()[cells].mean() < 0.15
    error = space.map_error(grid)
    assert (error["rmse"] > 1).all() and (error["n"] == 12).all()
    assert error["rmse"][1] > error["rmse"][0]
