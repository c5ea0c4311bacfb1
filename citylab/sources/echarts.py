"""Apache ECharts: outlines of the districts of Beijing.

The file is delta- and zigzag-encoded (``UTF8Encoding``), its coordinates are GCJ-02, neighbours overlap here and there
and some rings cross themselves. The recipe decodes, converts to WGS-84, rebuilds the districts as a clean coverage and
simplifies them together, so that neighbours keep one common border.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import shapely

from citylab import places
from citylab.errors import DataError

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
_EQUATOR_M = 6_378_137.0
"""Equatorial radius of WGS-84 (EPSG 7030)."""
_E = np.sqrt(2 / 298.257223563 - 1 / 298.257223563**2)
"""First eccentricity of WGS-84, from its inverse flattening 298.257223563 (EPSG 7030)."""
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
        shared = shapely.length(shapely.intersection(shapely.boundary(faces[face]), shapely.boundary(polygons)))
        candidates = np.where(inside[:, face], shared, 0.0) if inside[:, face].any() else shared
        owner[face] = int(candidates.argmax())
    return np.array([_largest(shapely.union_all(faces[owner == i])) for i in range(len(polygons))])


def _largest(shape: Any) -> Any:
    """Return a shape without the crumbs that rounding leaves beside it."""
    parts = shapely.get_parts(shape)
    kept = parts[shapely.area(parts) > SLIVER_M2]
    return kept[0] if len(kept) == 1 else shapely.MultiPolygon(list(kept))


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
    """Return cylindrical equal-area coordinates [m] on WGS-84 of longitudes and latitudes [°].

    Snyder, J. P. (1987), Map Projections: A Working Manual, USGS Professional Paper 1395, equations 3-12 and 10-15.
    """
    sine = np.sin(np.radians(lonlat[:, 1]))
    q = (1 - _E**2) * (sine / (1 - (_E * sine) ** 2) - np.log((1 - _E * sine) / (1 + _E * sine)) / (2 * _E))
    return np.column_stack([np.radians(lonlat[:, 0]) * _EQUATOR_M, q * _EQUATOR_M / 2])
