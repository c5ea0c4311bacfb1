from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import haversine_distances

import citylab as cl
from citylab.equity import space
from citylab.errors import CoordinateError, DataError, OverlapError, RangeError, SchemaError

pytestmark = pytest.mark.filterwarnings("ignore::citylab.errors.UsageWarning")  # of drawing maps


def as_set(links: pl.DataFrame) -> set[tuple[object, object]]:
    return set(links.select("from_id", "to_id").iter_rows())


def boxes(*cells: tuple[float, float, float, float]) -> pl.DataFrame:
    return pl.DataFrame(
        {"id": [f"{i}" for i in range(len(cells))], "geometry_wkb": [shapely.to_wkb(shapely.box(*c)) for c in cells]}
    )


def test_land_neighbours_of_chinas_provinces_are_those_of_the_embedded_list():
    outlines = cl.load("naturalearth__static_province_boundary")
    listed = cl.load("naturalearth__static_provincepair_border").filter("is_land_border").collect()
    found = space.touching(outlines, "adcode").collect()
    assert as_set(found) == as_set(space.pairs(listed, "adcode_a", "adcode_b"))
    counts = space.neighbour_counts(outlines, "adcode", found).collect()
    assert counts.filter("is_island")["adcode"].to_list() == ["460000"]  # Hainan


def test_every_district_of_beijing_has_neighbours_that_have_it_too():
    outlines = cl.load("echarts__static_district_boundary").collect()
    links = space.touching(outlines, "adcode")
    assert as_set(links) == {(b, a) for a, b in as_set(links)}
    counts = dict(space.neighbour_counts(outlines, "adcode", links).select("adcode", "n_neighbours").iter_rows())
    assert len(counts) == 16
    assert min(counts.values()) >= 1
    # Dongcheng touches Xicheng, Chaoyang and Fengtai, and no other district.
    assert {b for a, b in as_set(links) if a == "110101"} == {"110102", "110105", "110106"}


def test_corners_make_queens_neighbours_and_not_rooks():
    lattice = boxes(*[(x, y, x + 1, y + 1) for y in range(3) for x in range(3)])
    queen, rook = (space.touching(lattice, "id", contiguity=c) for c in ("queen", "rook"))
    # 3 x 3 cells: 12 common sides, 8 common corners.
    assert (queen.height, rook.height) == (2 * 20, 2 * 12)
    assert as_set(rook) < as_set(queen)


def test_a_side_that_ends_within_another_is_a_border():
    long_and_two = boxes((0, 0, 2, 1), (0, 1, 0.7, 2), (0.7, 1, 2, 2))
    assert space.touching(long_and_two, "id", contiguity="rook").height == 6


def test_overlapping_and_broken_outlines_are_refused():
    with pytest.raises(OverlapError, match="'0' and '1' overlap"):
        space.touching(boxes((0, 0, 2, 2), (1, 1, 3, 3)), "id")
    bow_tie = shapely.to_wkb(shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]))
    with pytest.raises(DataError, match="not valid"):
        space.touching(pl.DataFrame({"id": ["a"], "geometry_wkb": [bow_tie]}), "id")
    with pytest.raises(DataError, match="no well-known binary"):
        space.touching(pl.DataFrame({"id": ["a"], "geometry_wkb": [b"POLYGON"]}), "id")
    with pytest.raises(SchemaError, match=r"'geometry_wkb' is String; expected outlines as well-known binary"):
        space.touching(pl.LazyFrame({"id": ["a"], "geometry_wkb": ["POLYGON ((0 0, 1 0, 1 1, 0 0))"]}), "id")
    with pytest.raises(DataError, match="missing"):
        space.touching(pl.DataFrame({"id": ["a"], "geometry_wkb": [None]}).cast({"geometry_wkb": pl.Binary}), "id")


@given(st.integers(0, 1000), st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_nearest_and_within_are_those_of_the_full_table_of_distances(seed, k):
    rng = np.random.default_rng(seed)
    lon, lat = rng.uniform(-180, 180, 12), rng.uniform(-80, 80, 12)
    points = pl.DataFrame({"id": range(12), "longitude_deg": lon, "latitude_deg": lat})
    km = haversine_distances(np.radians(np.column_stack([lat, lon]))) * 6371.0087714
    np.fill_diagonal(km, np.inf)
    expected = {(i, int(j)) for i in range(12) for j in np.argsort(km[i])[:k]}
    assert as_set(space.nearest(points, "id", k=k)) == expected
    near = space.within(points, "id", distance_km=4000, decay="inverse")
    assert as_set(near) == set(zip(*np.nonzero(km <= 4000), strict=True))
    assert all(w == pytest.approx(1 / km[i, j]) for i, j, w in near.iter_rows())


def test_a_group_links_all_of_its_places_and_no_others():
    regions = pl.DataFrame({"id": list("abcde"), "region": ["n", "n", "n", "s", None]})
    assert as_set(space.same_group(regions, "id", "region")) == {(a, b) for a in "abc" for b in "abc" if a != b}


def test_a_lazy_frame_gives_a_lazy_frame():
    lazy = space.pairs(pl.LazyFrame({"a": [1], "b": [2]}), "a", "b")
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect_schema() == pl.Schema({"from_id": pl.Int64(), "to_id": pl.Int64(), "weight": pl.Float64()})
    assert lazy.collect().height == 2


def test_lengths_of_borders_are_weights_and_links_without_length_must_be_told():
    borders = cl.load("naturalearth__static_provincepair_border")
    with pytest.raises(DataError, match="'440000' to '460000'"):
        space.pairs(borders, "adcode_a", "adcode_b", weight="border_km").collect()
    told = space.pairs(borders, "adcode_a", "adcode_b", weight="border_km", missing_weight=1.0).collect()
    assert told.height == 2 * 69
    strait = told.filter(from_id="460000")
    assert strait.rows() == [("460000", "440000", 1.0)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(1, 1)], "its own neighbour"),
        ([(1, 2), (2, 1)], "stands twice"),
        ([(1, 2), (1, 2)], "stands twice"),
        ([(1, None)], "lacks an id"),
    ],
)
def test_pairs_that_cannot_be_are_refused(rows, message):
    with pytest.raises(DataError, match=message):
        space.pairs(pl.DataFrame(rows, schema={"a": pl.Int64, "b": pl.Int64}, orient="row"), "a", "b")


def test_coordinates_that_cannot_be_are_refused():
    swapped = pl.DataFrame({"id": ["a", "b"], "longitude_deg": [39.9, 39.8], "latitude_deg": [116.4, 116.5]})
    with pytest.raises(CoordinateError, match="Longitude comes first"):
        space.nearest(swapped, "id", k=1)
    plain = pl.DataFrame({"id": ["a", "b"], "x": [0.0, 1.0], "y": [0.0, 1.0]})
    with pytest.raises(SchemaError, match="unit of 'x' and 'y'"):
        space.nearest(plain, "id", k=1, coordinates=("x", "y"))
    twins = pl.DataFrame({"id": ["a", "b", "c"], "x_m": [0.0, 0.0, 9.0], "y_m": [0.0, 0.0, 0.0]})
    with pytest.raises(DataError, match="at one point"):
        space.nearest(twins, "id", k=1, coordinates=("x_m", "y_m"))
    with pytest.raises(DataError, match="at one point"):
        space.within(twins, "id", distance_km=1, coordinates=("x_m", "y_m"), decay="inverse")
    assert space.within(twins, "id", distance_km=1, coordinates=("x_m", "y_m")).height == 6
    with pytest.raises(RangeError, match="3 places cannot have 3 neighbours"):
        space.nearest(twins, "id", k=3, coordinates=("x_m", "y_m"))
    for work in (lambda t: space.nearest(t, "id", k=1, coordinates=("x_m", "y_m")),
                 lambda t: space.within(t, "id", distance_km=1, coordinates=("x_m", "y_m"))):  # fmt: skip
        with pytest.raises(DataError, match="has no rows"):
            work(twins.clear())


def test_ids_of_another_type_and_ids_that_stand_twice_are_refused():
    links = space.pairs(pl.DataFrame({"a": [11], "b": [12]}), "a", "b")
    with pytest.raises(SchemaError, match="leading zeros"):
        space.neighbour_counts(pl.DataFrame({"adcode": ["11", "12"]}), "adcode", links)
    with pytest.raises(DataError, match="11 stands 2 times"):
        space.neighbour_counts(pl.DataFrame({"adcode": [11, 11]}), "adcode", links)
