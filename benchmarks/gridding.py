"""Sixteen districts of Beijing on a grid of 1 km, and retrofit portfolios.

The peer of the grid is the plain way of an overlay: candidates from an index, then one intersection per pair of cell
and district, in a loop; the same in GeoPandas where it is installed (it is no dependency of citylab). Peers of the
portfolio are the ranking by cost per tonne (another answer, not compared) and all choices one by one on a small table,
whose answer must be ours.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator

import numpy as np
import polars as pl
import shapely

import citylab as cl
from benchmarks.measure import TOLERANCE, Disagreement, Row, Skipped, agree, compared, take_turns
from citylab.carbon import buildings, grid
from citylab.errors import UsageWarning

KEY = ["adcode", "row", "column"]
LEAST_M2 = 1e-6
"""Parts smaller than this are rounding of a touching border."""
SMALL, BUDGET = 8, 12.0
GROUP_BUDGET = 6e7


def districts() -> pl.DataFrame:
    """Outlines of the sixteen districts, embedded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UsageWarning)
        return cl.load("echarts__static_district_boundary").select("adcode", "geometry_wkb").collect()


def ours(frame: pl.DataFrame) -> pl.DataFrame:
    """The overlay with all its checks, as rows."""
    return grid.overlay(frame).tidy().filter(pl.col("area_m2") > LEAST_M2)


def _plane(frame: pl.DataFrame) -> tuple[grid.Overlay, list[shapely.Geometry]]:
    found = grid.overlay(frame)
    shapes = shapely.from_wkb(frame["geometry_wkb"].to_list())
    return found, list(shapely.transform(shapes, lambda p: np.column_stack(found.project(*p.T))))


def shapely_loop(cells: grid.Overlay, shapes: list[shapely.Geometry]) -> pl.DataFrame:
    """One intersection per pair of district and cell that an index finds."""
    boxes, row, column = cells._boxes()
    tree = shapely.STRtree(boxes)
    rows = []
    for code, shape in zip(cells.ids, shapes, strict=True):
        for i in tree.query(shape, predicate="intersects"):
            area = shape.intersection(boxes[i]).area
            if area > LEAST_M2:
                rows.append((code, int(row[i]), int(column[i]), area))
    return pl.DataFrame(rows, schema=[*KEY, "area_m2"], orient="row")


def geopandas_overlay(cells: grid.Overlay, shapes: list[shapely.Geometry]) -> pl.DataFrame:
    """GeoPandas' own overlay."""
    import geopandas

    boxes, row, column = cells._boxes()
    left = geopandas.GeoDataFrame({"adcode": cells.ids}, geometry=shapes)
    right = geopandas.GeoDataFrame({"row": row, "column": column}, geometry=list(boxes))
    made = geopandas.overlay(left, right, how="intersection", keep_geom_type=True)
    table = pl.DataFrame({c: made[c].to_numpy() for c in KEY} | {"area_m2": made.area.to_numpy()})
    return table.with_columns(pl.col("adcode").cast(pl.String)).filter(pl.col("area_m2") > LEAST_M2)


def small_options() -> pl.DataFrame:
    """Synthetic: three options each of a few buildings."""
    rng = np.random.default_rng(0)
    n = 3 * SMALL
    return pl.DataFrame(
        {
            "building_id": np.repeat(np.arange(SMALL), 3),
            "cost": rng.integers(1, 9, n).astype(float),
            "co2e_saved_t_yr": rng.integers(1, 30, n).astype(float),
        }
    )


def all_choices(table: pl.DataFrame, budget: float) -> float:
    """Best saving of every choice of one option or none per building."""
    per = [[(0.0, 0.0), *p.select("cost", "co2e_saved_t_yr").rows()] for p in table.partition_by("building_id")]
    return max(sum(v for _, v in c) for c in itertools.product(*per) if sum(x for x, _ in c) <= budget)


def rows() -> Iterator[Row]:
    """Compare results, then time."""
    frame = districts()
    cells, shapes = _plane(frame)
    agree(shapely_loop(cells, shapes), ours(frame), key=KEY)
    work = f"16 districts on {cells.shape[0]} × {cells.shape[1]} cells of 1 km"
    contestants = {"citylab": lambda: ours(frame), "shapely loop": lambda: shapely_loop(cells, shapes)}
    yield from compared(work, take_turns(contestants, runs=3))

    table = small_options()
    found, want = buildings.portfolio(table, BUDGET).value, all_choices(table, BUDGET)
    if found != want:
        raise Disagreement(f"the portfolio saves {found}, the best of all choices {want}")
    yield from compared(
        f"best portfolio, {SMALL} buildings × 3 measures",
        take_turns(
            {"citylab": lambda: buildings.portfolio(table, BUDGET)}
            | {"all choices": lambda: all_choices(table, BUDGET)},
            runs=3,
        ),
    )
    groups = cl.load("seattle__yearly_buildinggroup_energy").collect()
    options = buildings.screen(groups, buildings.carrier_factors("Seattle", 2016), currency="USD").rows
    best = buildings.portfolio(options, GROUP_BUDGET)
    if best.gap > TOLERANCE or best.value < best.ranking_value:
        raise Disagreement(f"the portfolio is not proven: gap {best.gap}, ranking {best.ranking_value}")
    above = 100 * (best.value / best.ranking_value - 1)
    yield from compared(
        f"best portfolio, {groups.height} groups × 4 measures, {above:.1f} % above the ranking",
        take_turns({"citylab": lambda: buildings.portfolio(options, GROUP_BUDGET)}, runs=3),
    )
    try:
        agree(geopandas_overlay(cells, shapes), ours(frame), key=KEY)
    except ImportError:
        raise Skipped("geopandas is not installed; its line is missing") from None
    contestants = {"citylab": lambda: ours(frame), "GeoPandas overlay": lambda: geopandas_overlay(cells, shapes)}
    yield from compared(work, take_turns(contestants, runs=3))
