"""Where synthetic people live, and how far that is from the metro: homes of each district, near a station or anywhere.

Synthetic trips and synthetic residents share these homes, so that a distance to the metro means the same in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import shapely
from scipy.spatial import KDTree

from citylab import tables

Floats = npt.NDArray[np.float64]

FIT_SEED = 20_200_101
"""Homes, and parameters that are fitted, do not depend on the seed of a table: theirs is this one."""
PER_DISTRICT = 1500
"""Homes that are drawn in each district."""
_M_PER_KM = 1000


@dataclass(frozen=True, eq=False)
class Homes:
    """Homes, district x home: WGS-84 degrees, and kilometres to the nearest station where stations were given."""

    longitude_deg: Floats
    latitude_deg: Floats
    metro_km: Floats | None


def earth_radius_km() -> float:
    """Return the mean radius of the earth [km] from the declared constants.

    Examples
    --------
    >>> round(earth_radius_km())
    6371
    """
    constants = dict(tables.read("physical_constants").select("constant", "value").iter_rows())
    return float(constants["earth_mean_radius"]) / _M_PER_KM


def shifted(lon: Floats, lat: Floats, km: Floats, angle: Floats) -> tuple[Floats, Floats]:
    """Return points at a distance [km] and an angle [rad, from east to north], on a plane that touches the sphere.

    Examples
    --------
    >>> x, y = shifted(np.array([116.4]), np.array([39.9]), np.array([10.0]), np.array([np.pi / 2]))
    >>> x.round(3).tolist(), y.round(3).tolist()
    ([116.4], [39.99])
    """
    arc = np.degrees(km / earth_radius_km())
    return lon + arc * np.cos(angle) / np.cos(np.radians(lat)), lat + arc * np.sin(angle)


def _on_sphere(lon: Floats, lat: Floats) -> Floats:
    x, y = np.radians(lon), np.radians(lat)
    return np.column_stack([np.cos(y) * np.cos(x), np.cos(y) * np.sin(x), np.sin(y)])


def draw(
    rng: np.random.Generator, polygons: Sequence[Any], adcodes: Sequence[str], stations: pl.DataFrame | None, *,
    near_share: Floats, near_km: Floats,
) -> Homes:  # fmt: skip
    """Draw homes in each district: a share of them around its stations, the others anywhere within its outline.

    Parameters
    ----------
    rng
        Source of random numbers; for the homes of the synthetic tables one of :data:`FIT_SEED`.
    polygons, adcodes
        Outlines of the districts in WGS-84, and their codes.
    stations
        Stations: ``adcode``, ``longitude_deg``, ``latitude_deg``. Without them homes are anywhere.
    near_share, near_km
        Of each district: the share of homes around stations, and the scale [km] of their distance from it (Rayleigh).

    Returns
    -------
    Homes
        Homes around a station at the edge of a district may lie across it; they count as the district's.

    Examples
    --------
    >>> square = shapely.box(116.0, 39.5, 116.5, 40.0)
    >>> stop = pl.DataFrame({"adcode": ["110101"], "longitude_deg": [116.25], "latitude_deg": [39.75]})
    >>> found = draw(np.random.default_rng(0), [square], ["110101"], stop, near_share=np.ones(1), near_km=np.ones(1))
    >>> found.metro_km.shape, bool(found.metro_km.max() < 5)
    ((1, 1500), True)
    """
    lon, lat = np.empty((2, len(adcodes), PER_DISTRICT))
    for d, (adcode, polygon) in enumerate(zip(adcodes, polygons, strict=True)):
        west, south, east, north = polygon.bounds
        filled = 0
        while filled < PER_DISTRICT:
            x, y = rng.uniform(west, east, PER_DISTRICT), rng.uniform(south, north, PER_DISTRICT)
            inside = shapely.contains_xy(polygon, x, y)
            take = min(int(inside.sum()), PER_DISTRICT - filled)
            lon[d, filled : filled + take], lat[d, filled : filled + take] = x[inside][:take], y[inside][:take]
            filled += take
        here = None if stations is None else stations.filter(pl.col("adcode") == adcode)
        if here is not None and here.height:
            near = rng.random(PER_DISTRICT) < near_share[d]
            which = rng.integers(here.height, size=PER_DISTRICT)
            km = rng.rayleigh(near_km[d], PER_DISTRICT)
            x, y = shifted(
                here["longitude_deg"].to_numpy()[which], here["latitude_deg"].to_numpy()[which],
                km, rng.uniform(0, 2 * np.pi, PER_DISTRICT),
            )  # fmt: skip
            lon[d], lat[d] = np.where(near, x, lon[d]), np.where(near, y, lat[d])
    if stations is None:
        return Homes(lon, lat, None)
    tree = KDTree(_on_sphere(stations["longitude_deg"].to_numpy(), stations["latitude_deg"].to_numpy()))
    chord, _ = tree.query(_on_sphere(lon.ravel(), lat.ravel()))
    return Homes(lon, lat, (2 * earth_radius_km() * np.arcsin(chord / 2)).reshape(lon.shape))
