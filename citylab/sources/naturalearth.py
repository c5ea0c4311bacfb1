"""Natural Earth: outlines of China's provinces at 1:50 million and of countries at 1:110 million; who borders whom.

Natural Earth draws borders as they are held, not as a state claims them, and its provinces of China are the 31 of the
mainland: no outline here may stand on a map that is published in China.

References
----------
Natural Earth, 1:50m admin-1 and 1:110m admin-0, https://www.naturalearthdata.com (public domain).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyproj
import shapely

from citylab import tables
from citylab.carbon.grid import equal_area
from citylab.errors import DataError

_M2_PER_KM2 = 1e6
_M_PER_KM = 1e3


def _features(path: Path) -> list[dict[str, Any]]:
    features: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["features"]
    return features


def _shapes(features: Sequence[dict[str, Any]]) -> np.ndarray:
    return np.array([shapely.from_geojson(json.dumps(f["geometry"])) for f in features])


def _area_km2(shapes: np.ndarray) -> np.ndarray:
    """Return areas on the WGS-84 ellipsoid, by an equal-area projection."""

    def project(lonlat: np.ndarray) -> np.ndarray:
        return np.column_stack(equal_area(*lonlat.T, central_meridian_deg=0.0, standard_parallel_deg=0.0))

    area: np.ndarray = shapely.area(shapely.transform(shapes, project)) / _M2_PER_KM2
    return area


def parse_provinces(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read the outlines of the 31 provinces of the mainland.

    The outlines are kept as published; neighbours share one border, so that who touches whom can be told.

    Returns
    -------
    polars.LazyFrame
        One row per province, WGS-84. Names come from the table ``provinces``, because the publisher's differ.

    Raises
    ------
    DataError
        The outlines overlap or leave gaps: neighbours could not be told.
    """
    (path,) = paths
    features = _features(path)
    shapes = _shapes(features)
    if not (shapely.is_valid(shapes).all() and shapely.coverage_is_valid(shapes)):
        raise DataError(f"{path.name}: outlines overlap or cross themselves, so that neighbours cannot be told.")
    names = tables.read("provinces").select(
        "adcode", pl.col("name_zh").alias("province_name_zh"), pl.col("name_en").alias("province_name_en")
    )
    outlines = pl.LazyFrame(
        {
            "adcode": [str(f["properties"]["adcode"]) for f in features],
            "area_km2": _area_km2(shapes).round(),
            "geometry_wkb": list(shapely.to_wkb(shapes)),
        }
    )
    return outlines.join(names.lazy(), on="adcode", how="left", validate="1:1")


def border_provinces(frames: Sequence[pl.LazyFrame]) -> pl.LazyFrame:
    """Compile which provinces touch, and how long their common border is.

    Links across water are not seen in outlines. Those that studies make by convention stand in the table
    ``province_links`` and follow with ``is_land_border`` false; a province without either is an island.

    Parameters
    ----------
    frames
        The table of :func:`parse_provinces`.

    Returns
    -------
    polars.LazyFrame
        One row per pair, the smaller code first. ``border_km`` is null across water.
    """
    (provinces,) = frames
    drawn = provinces.select("adcode", "geometry_wkb").sort("adcode").collect()
    codes = drawn["adcode"].to_list()
    shapes = shapely.from_wkb(drawn["geometry_wkb"].to_list())
    edges = shapely.boundary(shapes)
    one, other = shapely.STRtree(shapes).query(shapes, predicate="touches")
    ahead = one < other
    geod = pyproj.Geod(ellps="WGS84")
    rows = []
    for a, b in zip(one[ahead], other[ahead], strict=True):
        common = shapely.line_merge(shapely.intersection(edges[a], edges[b]))
        rows.append((codes[a], codes[b], True, round(geod.geometry_length(common) / _M_PER_KM, 1)))
    schema = {"adcode_a": pl.String, "adcode_b": pl.String, "is_land_border": pl.Boolean, "border_km": pl.Float64}
    touching = pl.LazyFrame(rows, schema=schema, orient="row")
    links = tables.read("province_links").select(
        pl.col("adcode_a", "adcode_b").cast(pl.String),
        pl.lit(False).alias("is_land_border"),
        pl.lit(None, pl.Float64).alias("border_km"),
    )
    return pl.concat([touching, links.lazy()])


def parse_countries(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read the outlines of countries at 1:110 million.

    Returns
    -------
    polars.LazyFrame
        One row per outline, WGS-84. The code is the publisher's own (``ADM0_A3``), because its column of ISO codes says
        -99 for France, Norway and others; a few of its codes are not of ISO 3166.
    """
    (path,) = paths
    features = _features(path)
    shapes = _shapes(features)
    return pl.LazyFrame(
        {
            "country_code": [f["properties"]["ADM0_A3"] for f in features],
            "country_name_en": [f["properties"]["NAME_LONG"] for f in features],
            "area_km2": _area_km2(shapes).round(),
            "geometry_wkb": list(shapely.to_wkb(shapes)),
        }
    )
