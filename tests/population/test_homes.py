from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import shapely

from citylab.population import homes

# Two squares side by side, each with one station in its middle.
WEST, EAST = shapely.box(116.0, 39.5, 116.4, 39.9), shapely.box(116.4, 39.5, 116.8, 39.9)
CODES = ["110101", "110102"]
STATIONS = pl.DataFrame({"adcode": CODES, "longitude_deg": [116.2, 116.6], "latitude_deg": [39.7, 39.7]})


def drawn(share: float, km: float, stations: pl.DataFrame | None = STATIONS) -> homes.Homes:
    rng = np.random.default_rng([homes.FIT_SEED, 0])
    near = {"near_share": np.full(2, share), "near_km": np.full(2, km)}
    return homes.draw(rng, [WEST, EAST], CODES, stations, **near)


def test_homes_lie_within_their_district_where_nobody_is_near_a_station():
    found = drawn(0.0, 1.0)
    for d, polygon in enumerate((WEST, EAST)):
        assert shapely.contains_xy(polygon, found.longitude_deg[d], found.latitude_deg[d]).all()


def test_distances_of_homes_around_stations_are_those_that_were_asked_for():
    # A Rayleigh distance of scale s has the mean s √(π / 2); 3,000 homes give it to some 2 %.
    found = drawn(1.0, 2.0)
    assert found.metro_km is not None
    assert found.metro_km.mean() == pytest.approx(2 * np.sqrt(np.pi / 2), rel=0.05)


def test_the_nearest_station_counts_and_not_that_of_the_district():
    only_west = drawn(0.0, 1.0, STATIONS.head(1))
    assert only_west.metro_km is not None
    # A degree of latitude is 111.2 km; one of longitude that times the cosine of the latitude.
    x, y = np.radians(only_west.longitude_deg - 116.2), np.radians(only_west.latitude_deg - 39.7)
    flat = np.hypot(x * np.cos(np.radians(39.7)), y) * homes.earth_radius_km()
    np.testing.assert_allclose(only_west.metro_km, flat, rtol=3e-3)


def test_without_stations_there_is_no_distance_and_with_one_seed_the_same_homes():
    assert drawn(0.5, 1.0, None).metro_km is None
    np.testing.assert_array_equal(drawn(0.5, 1.0).longitude_deg, drawn(0.5, 1.0).longitude_deg)
    assert drawn(0.5, 1.0).longitude_deg.shape == (2, homes.PER_DISTRICT)


def test_a_shift_goes_as_far_as_it_says():
    lon, lat = homes.shifted(np.zeros(2), np.full(2, 40.0), np.full(2, 5.0), np.array([0.0, np.pi / 2]))
    east = np.radians(lon[0]) * np.cos(np.radians(40)) * homes.earth_radius_km()
    north = np.radians(lat[1] - 40) * homes.earth_radius_km()
    assert (east, north) == pytest.approx((5, 5))
