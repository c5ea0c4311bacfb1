"""What goes in comes out, over districts, cells and periods and whatever the proxy; a proxy's error is measured."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import warnings

import numpy as np
import polars as pl
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

import citylab as cl
from citylab.carbon import grid as g
from citylab.errors import CoordinateError, DataError, OverlapError, RangeError, SchemaError, UnknownNameError


def outlines(**shapes: shapely.Geometry) -> pl.DataFrame:
    return pl.DataFrame({"adcode": list(shapes), "geometry_wkb": [shapely.to_wkb(s) for s in shapes.values()]})


# Two districts with a common slanting border, and a third with a hole.
WEST = shapely.Polygon([(116.0, 40.0), (116.11, 40.0), (116.07, 40.13), (116.0, 40.13)])
EAST = shapely.Polygon([(116.11, 40.0), (116.2, 40.0), (116.2, 40.13), (116.07, 40.13)])
RING = shapely.Polygon(
    [(116.2, 40.0), (116.31, 40.0), (116.31, 40.13), (116.2, 40.13)],
    [[(116.23, 40.03), (116.28, 40.03), (116.28, 40.09), (116.23, 40.09)]],
)
THREE = outlines(W=WEST, E=EAST, R=RING)


@pytest.fixture(scope="module")
def beijing() -> pl.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cl.errors.UsageWarning)  # outlines for analysis, not for a map to be published
        return cl.load("echarts__static_district_boundary").collect()


@pytest.fixture(scope="module")
def cells(beijing: pl.DataFrame) -> g.Overlay:
    return g.overlay(beijing)


def totals(**tonnes: float) -> pl.DataFrame:
    return pl.DataFrame({"adcode": list(tonnes), "allocated_co2_t": list(tonnes.values())})


# the plane


def test_a_zone_of_the_ellipsoid_has_its_known_area():
    # WGS-84 as a whole has 510 065 621.724 km² (authalic sphere of radius 6 371 007.1809 m)
    x, y = g.equal_area([-180.0, 180.0], [-90.0, 90.0], central_meridian_deg=0, standard_parallel_deg=30)
    assert (x[1] - x[0]) * (y[1] - y[0]) == pytest.approx(4 * math.pi * 6_371_007.1809**2, rel=1e-9)


def test_areas_do_not_depend_on_the_parallel_that_is_true_to_scale():
    lonlat = np.array([[115.4, 39.5], [117.5, 41.0]])
    areas = [
        np.prod([np.diff(c) for c in g.equal_area(*lonlat.T, central_meridian_deg=0, standard_parallel_deg=p)])
        for p in (0.0, 40.2)
    ]
    assert areas[0] == pytest.approx(areas[1], rel=1e-9)


@given(lon=st.floats(100, 130), lat=st.floats(-80, 80))
def test_the_inverse_leads_back(lon: float, lat: float):
    x, y = g.equal_area([lon], [lat], central_meridian_deg=116, standard_parallel_deg=40)
    back = g._inverse(x, y, 116, 40)
    assert (float(back[0][0]), float(back[1][0])) == pytest.approx((lon, lat), abs=1e-9)


# the overlay


@pytest.mark.parametrize("cell_km", [0.7, 1.0, 3.0, 40.0])
def test_the_parts_are_those_of_an_intersection_cell_by_cell(cell_km: float):
    found = g.overlay(THREE, cell_km=cell_km)
    shapes = shapely.transform(
        shapely.from_wkb(THREE["geometry_wkb"].to_list()), lambda p: np.column_stack(found.project(*p.T))
    )
    half = found.cell_m / 2
    want = {}
    for d, shape in enumerate(shapes):
        for i, y in enumerate(found.y_m):
            for j, x in enumerate(found.x_m):
                area = shape.intersection(shapely.box(x - half, y - half, x + half, y + half)).area
                if area > 1e-6:
                    want[d, i, j] = area
    got = {
        (d, i, j): a
        for d, i, j, a in zip(found.district, found.row, found.column, found.area_m2, strict=True)
        if a > 1e-6
    }
    assert got.keys() == want.keys()
    assert all(got[k] == pytest.approx(want[k], rel=1e-9, abs=1e-6) for k in want)


def test_districts_of_beijing_have_their_declared_areas(beijing: pl.DataFrame, cells: g.Overlay):
    km2 = np.bincount(cells.district, weights=cells.area_m2) / 1e6
    assert np.abs(km2 - beijing["area_km2"].to_numpy()).max() < 0.051  # declared to 0.1


def test_no_cell_is_larger_than_a_cell_and_inner_ones_are_whole(cells: g.Overlay):
    claimed = np.zeros(cells.shape)
    np.add.at(claimed, (cells.row, cells.column), cells.area_m2)
    assert claimed.max() == pytest.approx(1e6, rel=1e-6)
    assert (claimed > 1e6 * (1 - 1e-9)).sum() > 15_000


def test_districts_that_claim_the_same_ground_are_refused():
    with pytest.raises(OverlapError, match="overlap"):
        g.overlay(outlines(A=WEST, B=WEST))


@pytest.mark.parametrize("datum", ["GCJ-02", "unknown"])
def test_another_datum_is_refused(datum: str):
    with pytest.raises(CoordinateError):
        g.overlay(THREE, datum=datum)


def test_a_crossed_outline_or_a_missing_one_is_refused():
    crossed = shapely.Polygon([(116, 40), (116.1, 40.1), (116.1, 40), (116, 40.1)])
    with pytest.raises(DataError, match="cross"):
        g.overlay(outlines(A=crossed))
    with pytest.raises(DataError, match="outline"):
        g.overlay(THREE.with_columns(geometry_wkb=pl.lit(None, dtype=pl.Binary)))
    with pytest.raises(RangeError, match="cell_km"):
        g.overlay(THREE, cell_km=0)


# districts


SHARES = st.lists(st.floats(0, 1e12), min_size=2, max_size=16).filter(lambda v: sum(v) > 1e-3)


@given(people=SHARES, total=st.floats(0, 1e9))
@settings(max_examples=50)
def test_allocations_add_up_to_the_total(people: list[float], total: float):
    rows = pl.DataFrame({"adcode": range(len(people)), "population_persons": people})
    made = g.to_districts(total, rows, {"population_persons": 1.0})
    assert math.fsum(made["allocated_co2_t"]) == pytest.approx(total, rel=1e-9, abs=1e-12)
    assert (made["allocated_co2_t"] >= 0).all()


@given(people=SHARES, factor=st.floats(1e-3, 1e3))
@settings(max_examples=30)
def test_the_unit_of_a_proxy_is_of_no_matter(people: list[float], factor: float):
    rows = pl.DataFrame({"adcode": range(len(people)), "p": people})
    other = rows.with_columns(pl.col("p") * factor)
    one, two = (g.weights(r, {"p": 1.0})["share"] for r in (rows, other))
    assert np.allclose(one, two, rtol=1e-9, atol=1e-300)


@pytest.mark.parametrize("bad", [None, -1.0, math.nan])
def test_a_place_without_a_proxy_is_told_and_not_left_out(bad: float | None):
    rows = pl.DataFrame({"adcode": ["A", "B"], "p": [1.0, bad]})
    with pytest.raises(DataError, match="'B'"):
        g.weights(rows, {"p": 1.0})


def test_a_proxy_of_zero_everywhere_follows_the_declared_rule():
    rows = pl.DataFrame({"adcode": ["A", "B"], "p": [0.0, 0.0], "area_km2": [1.0, 3.0]})
    with pytest.raises(DataError, match="zero everywhere"):
        g.weights(rows, {"p": 1.0})
    assert g.weights(rows, {"p": 1.0}, if_empty="area")["share"].to_list() == [0.25, 0.75]


def test_weights_must_add_up_and_places_stand_once():
    rows = pl.DataFrame({"adcode": ["A", "A"], "p": [1.0, 1.0]})
    with pytest.raises(RangeError, match="add up to 1"):
        g.weights(rows, {"p": 0.9})
    with pytest.raises(DataError, match="twice"):
        g.weights(rows, {"p": 1.0})
    with pytest.raises(RangeError, match="zero or more"):
        g.to_districts(-1.0, rows, {"p": 1.0})


def test_the_declared_weights_of_every_sector_add_up_to_one_and_power_has_none():
    for sector in cl.tables.read("carbon_grid_proxies")["sector"].unique():
        assert math.fsum(g.sector_proxies(sector).values()) == pytest.approx(1)
    with pytest.raises(UnknownNameError):
        g.sector_proxies("power")


def test_a_truth_that_is_proportional_to_the_proxy_is_predicted_exactly():
    rows = pl.DataFrame({"adcode": ["A", "B", "C"], "p": [1.0, 2.0, 5.0], "v": [3.0, 6.0, 15.0]})
    errors = g.leave_one_out(rows, "v", {"p": 1.0})
    assert errors["error_pct"].abs().max() < 1e-9
    assert g.allocation_error(errors)["r"].item() == pytest.approx(1)


def test_a_held_out_place_does_not_tell_its_own_value():
    rows = pl.DataFrame({"adcode": ["A", "B", "C"], "p": [1.0, 2.0, 5.0], "v": [3.0, 6.0, 15.0]})
    other = rows.with_columns(v=pl.Series([300.0, 6.0, 15.0]))
    one, two = (g.leave_one_out(r, "v", {"p": 1.0}).filter(adcode="A")["predicted"].item() for r in (rows, other))
    assert one == two


@pytest.mark.parametrize("v", [[1.0, 2.0, None], [1.0, 2.0, 0.0]])
def test_a_check_without_truth_is_refused(v: list[float | None]):
    with pytest.raises(DataError, match="three places"):
        g.leave_one_out(pl.DataFrame({"adcode": ["A", "B", "C"], "p": [1.0] * 3, "v": v}), "v", {"p": 1.0})


def test_people_say_little_of_where_beijings_economy_is():
    """Where truth is known: district GDP by census population misses by more than half of it."""
    people = cl.load("bjstats__census_district_population").filter(pl.col("year") == 2020).collect()
    gdp = cl.load("bjstats__yearly_area_gdp", where={"area_level": "district"}).filter(pl.col("year") == 2020).collect()
    known = gdp.select(adcode="area_id", gdp_cny="gdp_cny").join(people, on="adcode", validate="1:1")
    errors = g.leave_one_out(known, "gdp_cny", {"population_persons": 1.0})
    told = g.allocation_error(errors).row(0, named=True)
    by_hand = known.select(
        pl.col("adcode"),
        (pl.col("gdp_cny").sum() - pl.col("gdp_cny"))
        / (pl.col("population_persons").sum() - pl.col("population_persons"))
        * pl.col("population_persons"),
    )
    assert (
        errors.join(by_hand, on="adcode").select((pl.col("predicted") / pl.col("gdp_cny") - 1).abs().max()).item()
        < 1e-9
    )
    assert told["n"] == 13 and told["wape_pct"] > 50
    made = g.to_districts(1e6, known, {"population_persons": 1.0}, errors=errors)
    assert (made["allocated_lower_co2_t"] < made["allocated_co2_t"]).all()
    assert (made["allocated_upper_co2_t"] > made["allocated_co2_t"]).all()
    assert made["n"].unique().to_list() == [13]


# cells and periods


@given(
    tonnes=st.lists(st.just(0.0) | st.floats(1e-6, 1e9), min_size=3, max_size=3),
    seed=st.integers(0, 99),
    holes=st.floats(0, 1),
)
@settings(max_examples=25, deadline=None)
def test_every_districts_cells_add_up_to_its_total_whatever_the_proxy(tonnes: list[float], seed: int, holes: float):
    found = g.overlay(THREE, cell_km=2.0)
    rng = np.random.default_rng(seed)
    proxy = rng.lognormal(0, 3, found.shape) * (rng.random(found.shape) > holes)
    made = g.to_cells(totals(W=tonnes[0], E=tonnes[1], R=tonnes[2]), found, proxy=proxy, proxy_name="p")
    assert float(np.nansum(made["co2_t"])) == pytest.approx(math.fsum(tonnes), rel=1e-9, abs=1e-9)
    assert made.attrs["conservation_error"] < 1e-9
    assert float(made["co2_t"].min()) >= 0


def test_without_a_proxy_every_square_metre_of_a_district_has_the_same():
    found = g.overlay(THREE)
    made = g.to_cells(totals(W=100.0, E=0.0, R=0.0), found)
    density = (made["co2_t"] / made["cell_area_m2"].where(made["cell_area_m2"] > 0)).values
    only_west = np.zeros(found.shape, dtype=bool)
    only_west[found.row[found.district == 0], found.column[found.district == 0]] = True
    only_west[found.row[found.district != 0], found.column[found.district != 0]] = False
    assert np.ptp(density[only_west]) / density[only_west].max() < 1e-9


def test_nothing_crosses_a_border():
    found = g.overlay(THREE)
    proxy = np.ones(found.shape)
    one = g.to_cells(totals(W=100.0, E=0.0, R=0.0), found, proxy=proxy)["co2_t"].values
    outside = np.ones(found.shape, dtype=bool)
    outside[found.row[found.district == 0], found.column[found.district == 0]] = False
    assert np.nansum(one[outside]) == 0
    assert (
        np.isnan(one).sum() == (np.bincount(found.row * found.shape[1] + found.column, minlength=one.size) == 0).sum()
    )


def test_a_district_without_the_proxy_is_spread_by_area_and_named_or_refused():
    found = g.overlay(THREE)
    proxy = np.zeros(found.shape)
    made = g.to_cells(totals(W=5.0, E=0.0, R=0.0), found, proxy=proxy)
    assert made.attrs["spread_by_area"] == "W" and float(made["co2_t"].sum()) == pytest.approx(5)
    with pytest.raises(DataError, match="zero in all of"):
        g.to_cells(totals(W=5.0, E=0.0, R=0.0), found, proxy=proxy, if_empty="refuse")


@pytest.mark.parametrize(
    ("given_totals", "said"),
    [
        (totals(W=1.0, E=1.0), "'R'"),
        (totals(W=1.0, E=1.0, R=-1.0), "negative"),
        (totals(W=1.0, E=1.0, R=math.nan), "missing"),
        (pl.concat([totals(W=1.0, E=1.0, R=1.0), totals(W=1.0)]), "twice"),
    ],
)
def test_totals_that_do_not_fit_are_refused(given_totals: pl.DataFrame, said: str):
    with pytest.raises(DataError, match=said):
        g.to_cells(given_totals, g.overlay(THREE, cell_km=4.0))


def test_a_proxy_of_another_shape_or_with_holes_is_refused():
    found = g.overlay(THREE, cell_km=4.0)
    with pytest.raises(SchemaError, match="shape"):
        g.to_cells(totals(W=1.0, E=1.0, R=1.0), found, proxy=np.ones((2, 2)))
    with pytest.raises(DataError, match="Fill it with 0"):
        g.to_cells(totals(W=1.0, E=1.0, R=1.0), found, proxy=np.full(found.shape, np.nan))


def test_points_are_counted_in_the_cell_that_holds_them():
    found = g.overlay(THREE)
    lon, lat = g._inverse(found.x_m[[3]], found.y_m[[5]], found.central_meridian_deg, found.standard_parallel_deg)
    counted = found.count(np.repeat(lon, 2), np.repeat(lat, 2), [1.0, 2.5])
    assert counted[5, 3] == 3.5 and counted.sum() == 3.5
    with pytest.raises(CoordinateError, match="outside the grid"):
        found.count([0.0], [0.0])


def test_a_line_is_as_long_in_all_its_cells_as_in_the_plane():
    found = g.overlay(THREE)
    line = np.array([[116.01, 40.01], [116.15, 40.09], [116.29, 40.02]])
    x, y = found.project(*line.T)
    want = np.hypot(np.diff(x), np.diff(y)).sum()
    lengths = found.length([line])
    assert lengths.sum() == pytest.approx(want, rel=1e-9) and (lengths > 0).sum() > 20
    # and on the ellipsoid, to the distortion of a tenth of a degree from the parallel
    sphere = [float(cl.places.distance_m(*a, *b)) for a, b in itertools.pairwise(line)]
    assert want == pytest.approx(sum(sphere), rel=0.005)


@given(shares=st.lists(st.floats(0, 1e6), min_size=12, max_size=12).filter(lambda v: sum(v) > 1))
@settings(max_examples=20, deadline=None)
def test_months_add_up_to_the_year_in_every_cell(shares: list[float]):
    found = g.overlay(THREE, cell_km=3.0)
    year = g.to_cells(totals(W=7.0, E=1e6, R=0.3), found)
    months = pl.DataFrame({"month_start": [dt.date(2020, m, 1) for m in range(1, 13)], "share": shares})
    made = g.to_periods(year, months)["co2_t"]
    assert np.allclose(made.sum("time", skipna=False), year["co2_t"], rtol=1e-9, atol=0, equal_nan=True)


def test_a_year_of_days_of_beijing_is_conserved(cells: g.Overlay):
    rng = np.random.default_rng(0)
    year = g.to_cells(pl.DataFrame({"adcode": cells.ids, "allocated_co2_t": rng.random(16) * 1e7}), cells)
    days = pl.DataFrame({"month_start": pl.date_range(dt.date(2020, 1, 1), dt.date(2020, 12, 31), eager=True)[::30]})
    made = g.to_periods(year, days.with_columns(share=pl.Series(rng.random(days.height))))
    assert float(np.nansum(made["co2_t"])) == pytest.approx(year.attrs["total_t"], rel=1e-9)


@pytest.mark.parametrize(
    ("dates", "share", "said"),
    [
        (["2020-01-01", "2020-01-01"], [1.0, 1.0], "each once"),
        (["2020-01-01", "2021-01-01"], [1.0, 1.0], "one year"),
        (["2020-01-01", "2020-02-01"], [1.0, -1.0], "negative"),
        (["2020-01-01", "2020-02-01"], [0.0, 0.0], "all are zero"),
    ],
)
def test_shares_that_cannot_be_are_refused(dates: list[str], share: list[float], said: str):
    year = g.to_cells(totals(W=1.0, E=1.0, R=1.0), g.overlay(THREE, cell_km=4.0))
    with pytest.raises(DataError, match=said):
        g.to_periods(year, pl.DataFrame({"month_start": pl.Series(dates).str.to_date(), "share": share}))


def test_the_dataset_says_units_projection_and_conventions_and_survives_a_file(tmp_path):
    found = g.overlay(THREE)
    made = g.to_cells(totals(W=1.0, E=2.0, R=3.0), found, source="test")
    assert made.attrs["Conventions"].startswith("CF-") and made["co2_t"].attrs["units"] == "t"
    assert made["crs"].attrs["grid_mapping_name"] == "lambert_cylindrical_equal_area"
    # A file of NetCDF holds text, numbers and arrays of them as attributes, nothing else.
    every = [made.attrs, *(made[v].attrs for v in made.variables)]
    assert all(isinstance(v, str | int | float) for attrs in every for v in attrs.values())
    made.to_netcdf(tmp_path / "grid.nc", engine="scipy")
    import xarray as xr

    with xr.open_dataset(tmp_path / "grid.nc", engine="scipy") as back:
        assert float(back["co2_t"].sum()) == pytest.approx(6)
        assert np.allclose(back["longitude_deg"], made["longitude_deg"])
