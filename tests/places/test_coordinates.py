"""Longitudes and latitudes: datums, their shifts and inverses, boxes and distances."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citylab import places, tables
from citylab.errors import CoordinateError, UnknownNameError

SIXTEEN = places.districts().collect()["adcode"].to_list()
AREAS = tables.read("functional_areas")["area_id"].to_list()
days = st.dates(date(1987, 1, 1), date(2040, 12, 31))


# (longitude, latitude) on WGS-84 and GCJ-02: reference values of github:googollee/eviltransform, good to 1e-6 degrees
# there because its newer releases take another ellipsoid; and of github:wandergis/coordtransform.
PUBLISHED_GCJ02 = [
    ((121.5272106, 31.1774276), (121.531541859215, 31.17530398364597)),
    ((113.912316, 22.543847), (113.9171764808363, 22.540796131694766)),
    ((116.377817, 39.911954), (116.38404722455657, 39.91334545536069)),
    ((116.404, 39.915), (116.41024449916938, 39.91640428150164)),
]
in_china = (st.floats(73.0, 137.0), st.floats(1.5, 55.0))
PAIRS = [
    (places.wgs84_to_gcj02, places.gcj02_to_wgs84),
    (places.gcj02_to_bd09, places.bd09_to_gcj02),
    (places.wgs84_to_bd09, places.bd09_to_wgs84),
]


@pytest.mark.parametrize(("wgs84", "gcj02"), PUBLISHED_GCJ02)
def test_gcj02_agrees_with_published_values(wgs84: tuple[float, float], gcj02: tuple[float, float]) -> None:
    assert places.wgs84_to_gcj02(*wgs84) == pytest.approx(gcj02, abs=1e-6)
    assert places.gcj02_to_wgs84(*gcj02) == pytest.approx(wgs84, abs=1e-6)


def test_bd09_agrees_with_published_values() -> None:
    assert places.gcj02_to_bd09(116.404, 39.915) == pytest.approx((116.41036949371029, 39.92133699351021), abs=1e-11)
    # the published inverse is a closed approximation
    assert places.bd09_to_gcj02(116.404, 39.915) == pytest.approx((116.39762729119315, 39.90865673957631), abs=1e-5)


@pytest.mark.parametrize(("there", "back"), PAIRS)
@given(*in_china)
def test_every_shift_is_undone_by_its_inverse(there: Any, back: Any, lon: float, lat: float) -> None:
    assert back(*there(lon, lat)) == pytest.approx((lon, lat), abs=1e-9)


@given(*in_china)
def test_gcj02_lies_between_a_few_metres_and_two_kilometres_away(lon: float, lat: float) -> None:
    assert 1.0 < places.distance_m(lon, lat, *places.wgs84_to_gcj02(lon, lat)) < 2000.0


@pytest.mark.parametrize("function", [f for pair in PAIRS for f in pair])
@pytest.mark.parametrize(("lon", "lat"), [(-0.1, 51.5), (151.2, -33.9), (-74.0, 40.7), (180.0, 90.0)])
def test_outside_china_coordinates_stay_as_they_are(function: Any, lon: float, lat: float) -> None:
    assert function(lon, lat) == (lon, lat)


def vertices(path: Path) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for feature in json.loads(path.read_text(encoding="utf-8"))["features"]:
        points: list[list[float]] = []
        open_lists = [feature["geometry"]["coordinates"]]
        while open_lists:
            one = open_lists.pop()
            if isinstance(one[0], (int, float)):
                points.append(one[:2])
            else:
                open_lists.extend(one)
        found[str(feature["properties"]["adcode"])] = np.array(points)
    return found


def test_an_independent_conversion_of_the_district_borders_agrees(mirror: Path) -> None:
    folder = mirror / "geo-beijing-districts"
    gcj02 = vertices(folder / "echarts_beijing_decoded_gcj02.geojson")
    wgs84 = vertices(folder / "beijing_districts_wgs84_derived.geojson")
    assert sorted(gcj02) == sorted(wgs84) == SIXTEEN
    for code, given_points in gcj02.items():
        lon, lat = places.gcj02_to_wgs84(given_points[:, 0], given_points[:, 1])
        ours = {(round(x, 6), round(y, 6)) for x, y in zip(lon, lat, strict=True)}
        theirs = {(round(x, 6), round(y, 6)) for x, y in wgs84[code]}
        near = {(x + dx * 1e-6, y + dy * 1e-6) for x, y in ours for dx in (-1, 0, 1) for dy in (-1, 0, 1)}
        near = {(round(x, 6), round(y, 6)) for x, y in near}
        # "made valid" there: a few vertices were dropped and a few crossings added
        assert len(theirs & near) >= 0.98 * len(theirs), code
        assert np.allclose([lon.min(), lat.min(), lon.max(), lat.max()],
                           [*wgs84[code].min(axis=0), *wgs84[code].max(axis=0)], atol=2e-6)  # fmt: skip


@pytest.mark.parametrize("function", [f for pair in PAIRS for f in pair])
def test_numbers_arrays_and_expressions_give_the_same_coordinates(function: Any) -> None:
    lon, lat = np.array([116.404, 121.5, 2.35]), np.array([39.915, 31.2, 48.86])
    east, north = function(lon, lat)
    by_number = np.array([function(float(x), float(y)) for x, y in zip(lon, lat, strict=True)])
    assert np.allclose(by_number, np.column_stack([east, north]), rtol=0, atol=1e-11)
    frame = pl.DataFrame({"x": [*lon, None], "y": [*lat, 40.0]})
    got = frame.lazy().select(*function(pl.col("x"), pl.col("y"))).collect()
    assert got.columns == ["longitude_deg", "latitude_deg"]
    assert got["longitude_deg"].to_list() == pytest.approx([*east, None])
    assert got["latitude_deg"][:3].to_list() == pytest.approx(list(north))


def test_the_shape_of_arrays_is_kept_and_inputs_are_not_changed() -> None:
    lon, lat = np.full((2, 3), 116.4), np.full((2, 3), 39.9)
    east, north = places.gcj02_to_wgs84(lon, lat)
    assert east.shape == north.shape == (2, 3)
    assert (lon == 116.4).all() and (lat == 39.9).all()
    assert places.gcj02_to_wgs84(np.array([]), np.array([]))[0].shape == (0,)


def test_a_missing_coordinate_stays_missing_and_leaves_the_others_alone() -> None:
    east, north = places.gcj02_to_wgs84(np.array([np.nan, 116.41024449916938]), np.array([39.9, 39.91640428150164]))
    assert np.isnan(east[0])
    assert (east[1], north[1]) == pytest.approx((116.404, 39.915), abs=1e-9)


@pytest.mark.parametrize("function", [f for pair in PAIRS for f in pair])
def test_half_a_point_is_none_and_never_stays_on_the_old_datum(function: Any) -> None:
    east, north = function(np.array([116.404, np.nan]), np.array([np.nan, 39.915]))
    assert np.isnan([*east, *north]).all()
    assert np.isnan(function(116.404, float("nan"))).all()
    frame = pl.DataFrame({"x": [116.404, None, 116.404, float("nan")], "y": [None, 39.915, float("nan"), 39.915]})
    got = frame.select(*function(pl.col("x"), pl.col("y")))
    assert got.null_count().row(0) == (4, 4)


@pytest.mark.parametrize("function", [f for pair in PAIRS for f in pair])
def test_swapped_coordinates_are_refused(function: Any) -> None:
    with pytest.raises(CoordinateError, match="swapped"):
        function(39.915, 116.404)
    with pytest.raises(CoordinateError, match="swapped"):
        pl.LazyFrame({"x": [39.915], "y": [116.404]}).select(*function(pl.col("x"), pl.col("y"))).collect()


@pytest.mark.parametrize("datum", ["WGS-84", "WGS84", "wgs 84", "EPSG:4326"])
def test_wgs84_passes_under_its_usual_names(datum: str) -> None:
    places.guard_datum(datum)


@pytest.mark.parametrize(
    ("datum", "advice"),
    [(None, "publisher"), ("unknown", "publisher"), ("none", "publisher"), ("", "publisher"),
     ("GCJ-02", "gcj02_to_wgs84"), ("BD-09", "bd09_to_wgs84"), ("CGCS2000", "metre"), ("Beijing 1954", "WGS-84")],
)  # fmt: skip
def test_any_other_datum_is_refused_with_advice(datum: str | None, advice: str) -> None:
    with pytest.raises(CoordinateError, match=advice):
        places.guard_datum(datum)


def test_the_box_holds_every_border_of_the_city(mirror: Path) -> None:
    folder = mirror / "geo-beijing-districts"
    for points in vertices(folder / "beijing_districts_wgs84_derived.geojson").values():
        places.guard_inside(points[:, 0], points[:, 1])
    outline = json.loads((folder / "osm_beijing_outline.geojson").read_text(encoding="utf-8"))
    for polygon in outline["features"][0]["geometry"]["coordinates"]:
        for ring in polygon:
            lon, lat = np.array(ring, dtype=float)[:, :2].T
            places.guard_inside(lon, lat, place="北京")


def test_swapped_coordinates_in_beijing_get_a_message_of_their_own() -> None:
    with pytest.raises(CoordinateError, match="swapped"):
        places.guard_inside(np.array([39.9, 40.0]), np.array([116.4, 116.5]))
    with pytest.raises(CoordinateError, match="cannot lie in"):
        places.guard_inside(np.array([39.9, 121.5]), np.array([116.4, 31.2]))


@pytest.mark.parametrize(("lon", "lat"), [(117.2, 39.0), (121.5, 31.2), (0.0, 0.0), (443000.0, 4420000.0)])
def test_points_elsewhere_are_refused(lon: float, lat: float) -> None:
    with pytest.raises(CoordinateError, match="cannot lie in"):
        places.guard_inside(lon, lat)


def test_missing_points_are_counted_and_refused() -> None:
    with pytest.raises(CoordinateError, match="1 of 2"):
        places.guard_inside(np.array([116.4, np.nan]), np.array([39.9, 39.9]))


def test_a_place_without_a_box_is_an_error() -> None:
    with pytest.raises(UnknownNameError, match="海淀"):
        places.guard_inside(116.3, 39.9, place="海淀")


# distances

longitudes, latitudes = st.floats(-180, 180), st.floats(-90, 90)
RADIUS_M = (2 * 6378137.0 + 6356752.3141) / 3  # R1 of GRS 80


@given(longitudes, latitudes, longitudes, latitudes)
def test_a_distance_is_symmetric_and_at_most_half_round_the_earth(a: float, b: float, c: float, d: float) -> None:
    there = places.distance_m(a, b, c, d)
    assert there == pytest.approx(places.distance_m(c, d, a, b), rel=1e-9, abs=1e-3)
    assert 0.0 <= there <= np.pi * RADIUS_M * (1 + 1e-9)
    assert places.distance_m(a, b, a, b) == 0.0


@given(latitudes, latitudes, longitudes)
def test_along_a_meridian_the_distance_is_the_arc(one: float, other: float, lon: float) -> None:
    assert places.distance_m(lon, one, lon, other) == pytest.approx(
        np.radians(abs(one - other)) * RADIUS_M, rel=1e-6, abs=1e-2
    )


def test_known_arcs() -> None:
    assert places.distance_m(0.0, 0.0, 90.0, 0.0) == pytest.approx(np.pi / 2 * RADIUS_M, rel=1e-9)
    assert places.distance_m(0.0, 0.0, 180.0, 0.0) == pytest.approx(np.pi * RADIUS_M, rel=1e-9)
    assert places.distance_m(179.5, 0.0, -179.5, 0.0) == pytest.approx(np.radians(1.0) * RADIUS_M, rel=1e-9)


def test_distances_agree_between_numbers_arrays_and_expressions() -> None:
    lon, lat = np.array([116.0, 117.0]), np.array([40.0, 39.5])
    by_array = places.distance_m(lon, lat, 116.4, 39.9)
    by_number = [places.distance_m(float(x), float(y), 116.4, 39.9) for x, y in zip(lon, lat, strict=True)]
    frame = pl.DataFrame({"x": lon, "y": lat, "x0": 116.4, "y0": 39.9})
    columns = (pl.col(c) for c in ("x", "y", "x0", "y0"))
    by_expr = frame.lazy().select(d=places.distance_m(*columns)).collect()["d"]
    assert by_number == pytest.approx(list(by_array), rel=1e-12)
    assert by_number == pytest.approx(by_expr.to_list(), rel=1e-12)
    assert all(isinstance(d, float) for d in by_number)
