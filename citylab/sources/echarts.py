"""Apache ECharts: outlines of the districts of Beijing, and the daily air index of the city 2000-2015.

The file of outlines is delta- and zigzag-encoded (``UTF8Encoding``), its coordinates are GCJ-02, neighbours overlap
here and there and some rings cross themselves. The recipe decodes, converts to WGS-84, rebuilds the districts as a
clean coverage and simplifies them together, so that neighbours keep one common border.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import shapely

from citylab import places
from citylab.carbon.grid import equal_area
from citylab.errors import DataError
from citylab.sources.measurements import must_touch

_SCALE = 1024.0
"""Encoded units per degree."""
_OFFSET = 64
"""Amount added to each zigzag-coded difference to make it a printable character."""
LOCAL_CRS_LAT0_DEG = 40.2
"""Latitude at which the working plane has true scale: the middle of Beijing."""
SIMPLIFY_M = 150.0
"""Tolerance of the simplification; a district border moves by about this much at most."""
SLIVER_M2 = 1e6
"""Gaps between neighbours up to this area are closed; larger ones would be real holes."""
_M_PER_DEG = 111_195.0
"""Length of a degree of a great circle on the mean Earth radius of 6 371.0 km."""


def decode_ring(text: str, offset: Sequence[int]) -> np.ndarray:
    """Return the vertices of one encoded ring.

    Parameters
    ----------
    text
        Two characters per vertex: the zigzag-coded differences of longitude and latitude.
    offset
        Encoded position before the first vertex.

    Returns
    -------
    numpy.ndarray
        Shape (n, 2): longitude and latitude [°], datum of the file.

    Examples
    --------
    >>> decode_ring("BA", [1024, 2048])
    array([[1.00097656, 1.99902344]])
    """
    codes = np.frombuffer(text.encode("utf-16-le"), dtype="<u2").astype(np.int64) - _OFFSET
    steps = (codes >> 1) ^ -(codes & 1)
    return (np.cumsum(steps.reshape(-1, 2), axis=0) + np.asarray(offset)) / _SCALE


def _polygon(geometry: dict[str, Any]) -> Any:
    """Return one encoded geometry as a valid WGS-84 polygon."""
    many = geometry["type"] == "MultiPolygon"
    texts = [t for part in geometry["coordinates"] for t in part] if many else geometry["coordinates"]
    offsets = [o for part in geometry["encodeOffsets"] for o in part] if many else geometry["encodeOffsets"]
    rings = []
    for text, offset in zip(texts, offsets, strict=True):
        ring = decode_ring(text, offset)
        lon, lat = places.gcj02_to_wgs84(ring[:, 0], ring[:, 1])
        rings.append(shapely.Polygon(np.column_stack([lon, lat])))
    return shapely.union_all(shapely.make_valid(rings, method="structure", keep_collapsed=False))


def _coverage(polygons: np.ndarray) -> np.ndarray:
    """Return polygons that tile without overlap or sliver: each face of their common net goes to one district."""
    net = shapely.union_all(shapely.boundary(polygons))
    faces = shapely.get_parts(shapely.polygonize([net]))
    points = shapely.point_on_surface(faces)
    inside = np.array([shapely.contains(p, points) for p in polygons])
    # a face in two districts is an overlap, in none a gap: the neighbour with the longest common border takes it
    clear = inside.sum(axis=0) == 1
    owner = np.where(clear, inside.argmax(axis=0), -1)
    for face in np.flatnonzero(~clear):
        if not inside[:, face].any() and shapely.area(faces[face]) > SLIVER_M2:
            continue
        shared = _common_border(faces[face], polygons)
        candidates = np.where(inside[:, face], shared, 0.0) if inside[:, face].any() else shared
        owner[face] = int(candidates.argmax())
    return _without_crumbs(np.array([shapely.union_all(faces[owner == i]) for i in range(len(polygons))]))


def _common_border(shape: Any, others: np.ndarray) -> np.ndarray:
    """Return the length that the border of a shape has in common with that of each other."""
    length: np.ndarray = shapely.length(shapely.intersection(shapely.boundary(shape), shapely.boundary(others)))
    return length


def _without_crumbs(shapes: np.ndarray) -> np.ndarray:
    """Give the crumbs that lie apart from their district to the neighbour around them, so that no gap is left."""
    parts = [shapely.get_parts(shape) for shape in shapes]
    kept = np.array([shapely.union_all(p[shapely.area(p) > SLIVER_M2]) for p in parts])
    crumbs = np.concatenate([p[shapely.area(p) <= SLIVER_M2] for p in parts])
    for crumb in crumbs[np.argsort(-shapely.area(crumbs))]:
        shared = _common_border(crumb, kept)
        if shared.max() > 0:
            kept[shared.argmax()] = shapely.union(kept[shared.argmax()], crumb)
    return kept


def parse_districts(paths: Sequence[Path]) -> pl.LazyFrame:
    """Decode, convert and simplify the districts.

    Returns
    -------
    polars.LazyFrame
        One row per district: WGS-84 polygon as well-known binary; ``area_km2`` is of the simplified polygon on the
        ellipsoid.
    """
    (path,) = paths
    features = json.loads(path.read_text(encoding="utf-8"))["features"]
    codes = [f["id"] for f in features]
    here = [places.resolve(code) for code in codes]
    shapes = np.array([_polygon(f["geometry"]) for f in features])
    scale = np.array([_M_PER_DEG * np.cos(np.radians(LOCAL_CRS_LAT0_DEG)), _M_PER_DEG])
    plane = shapely.transform(shapes, lambda xy: xy * scale)
    clean = _coverage(plane)
    simple = shapely.coverage_simplify(clean, SIMPLIFY_M)
    degrees = shapely.transform(simple, lambda xy: xy / scale)
    if not (shapely.coverage_is_valid(degrees) and shapely.is_valid(degrees).all()):
        raise DataError(f"{path.name}: the simplified districts overlap or cross themselves; lower SIMPLIFY_M.")
    area = shapely.area(shapely.transform(degrees, _equal_area)) / 1e6
    return pl.LazyFrame(
        {
            "adcode": codes,
            "district_name_zh": [p.name_zh for p in here],
            "district_name_en": [p.name_en for p in here],
            "area_km2": area.round(1),
            "geometry_wkb": list(shapely.to_wkb(degrees)),
        }
    )


def _equal_area(lonlat: np.ndarray) -> np.ndarray:
    """Return equal-area coordinates [m] of longitudes and latitudes [°], the equator true to scale."""
    return np.column_stack(equal_area(*lonlat.T, central_meridian_deg=0.0, standard_parallel_deg=0.0))


LAST_API_DAY = dt.date(2013, 1, 14)
"""Last day before the gap of 352 days, and the last on which the series is the API; from 2014 on it is the AQI."""
REPEATED_ROWS = 5
CONTRADICTED_DAYS = 1


def read_index(path: Path) -> pl.DataFrame:
    """Read the list of ``[date, index]`` pairs of ``aqi-beijing.json`` as it is: ``date_local``, ``index``."""
    pairs = json.loads(path.read_text(encoding="utf-8"))
    raw = pl.DataFrame(pairs, schema={"date": pl.String, "index": pl.Int64}, orient="row")
    return raw.select(pl.col("date").str.to_date("%Y-%m-%d").alias("date_local"), "index")


def repair_repeated_days(
    frame: pl.DataFrame, *, expected_rows: int = REPEATED_ROWS, expected_days: int = CONTRADICTED_DAYS
) -> pl.DataFrame:
    """Keep one row of days that stand several times, without a value where the rows contradict each other.

    Publisher: Apache ECharts (test data). Evidence: 2001-05-17 stands three times, 2010-08-13, 2012-04-03 and
    2012-07-26 twice, with equal values (five rows too many); 2008-08-16 stands twice, with 23 and 84, and nothing in
    the file says which is right.
    """
    same = frame.unique(maintain_order=True)
    must_touch(frame.height - same.height, expected_rows, repair="repair_repeated_days", what="equal rows of one day")
    value = pl.when(pl.col("index").n_unique() == 1).then(pl.col("index").first())
    days = same.group_by("date_local", maintain_order=True).agg(value.alias("index"))
    must_touch(same.height - days.height, expected_days, repair="repair_repeated_days", what="days with two values")
    return days


def parse_daily_index(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read the daily index of Beijing: the API until January 2013, the AQI from 2014.

    The two are other quantities and stand in two columns. That the days of January 2013 are still the API follows from
    PM2.5 at the US embassy: on 2013-01-12 its mean of 569 µg/m³ alone would make an AQI of 500, the file says 174.

    Returns
    -------
    polars.LazyFrame
        One row per day: ``date_local``, ``api``, ``aqi``; one of the two is empty, both on the day of two values.
    """
    (path,) = paths
    is_api = pl.col("date_local") <= LAST_API_DAY
    return (
        repair_repeated_days(read_index(path))
        .lazy()
        .select(
            "date_local",
            pl.when(is_api).then("index").alias("api"),
            pl.when(~is_api).then("index").alias("aqi"),
        )
    )
