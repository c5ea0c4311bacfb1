"""Coverage of intervals of exposure and of what a map says between stations.

Synthetic cities: a Gaussian field of a mean of 60 µg/m³ (standard deviation 12, correlation falling to 1/e over 30 km)
over 16 square districts of 15 km, with 14 stations at random places (half of them in the four middle districts, as
cities have them) that measure the field with an error of 2 µg/m³. People are spread over 9 places of each district,
unevenly. `citylab.air.exposure.exposure` sees stations, people by district and outlines; coverage counts how often the
95 % interval of one district, drawn by lot, holds the mean that its people breathe. "With a station" and
"interpolated" part the districts; a run whose city has no such district is drawn again. "City" is
`population_weighted` over all of them. Each run is a city of its own; the map is `"idw"`, the default. 1,000 runs at
most.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl
from shapely import box, to_wkb

from calibration import Row, share
from citylab.air import exposure as exposed
from citylab.air.space import local_plane

LEVEL = 0.95
MEAN, SPREAD, RANGE_KM, NOISE = 60.0, 12.0, 30.0, 2.0
ROWS, SIDE_KM, STATIONS, PLACES = 4, 15.0, 14, 3
ORIGIN = (116.4, 39.9)
MIDDLE = (5, 6, 9, 10)
MAX_RUNS = 1000
KM_PER_DEG = 1 / np.array(local_plane([ORIGIN[0] + 0.01], [ORIGIN[1] + 0.01], origin=ORIGIN)).ravel() * 0.01
"""Degrees of longitude and latitude in a kilometre."""

Floats = npt.NDArray[np.float64]


def degrees(km: Floats) -> Floats:
    """Return positions in degrees."""
    return np.array(ORIGIN) + km * KM_PER_DEG


def corners(district: int) -> Floats:
    """Return the lower left corner of a district [km]."""
    return SIDE_KM * (np.array([district % ROWS, district // ROWS]) - ROWS / 2)


def city(seed: int) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return a synthetic city: stations, people by district, outlines, and what people breathe."""
    draw = np.random.default_rng(seed)
    districts = np.arange(ROWS * ROWS)
    home = np.concatenate([draw.choice(MIDDLE, STATIONS // 2), draw.choice(districts, STATIONS - STATIONS // 2)])
    stations = np.array([corners(d) for d in home]) + draw.uniform(0, SIDE_KM, (STATIONS, 2))
    inside = (np.indices((PLACES, PLACES)).reshape(2, -1).T + 0.5) * SIDE_KM / PLACES
    places = np.concatenate([corners(d) + inside for d in districts])
    at = np.concatenate([stations, places])
    apart = np.hypot(*(at[:, None] - at).transpose(2, 0, 1))
    field = draw.multivariate_normal(np.full(len(at), MEAN), SPREAD**2 * np.exp(-apart / RANGE_KM), method="cholesky")
    weights = draw.gamma(2.0, 1e4, (len(districts), PLACES**2))
    breathed = (field[STATIONS:].reshape(weights.shape) * weights).sum(axis=1) / weights.sum(axis=1)
    lon, lat = degrees(stations).T
    names = [f"d{d:02d}" for d in districts]
    measured = pl.DataFrame(
        {
            "station_id": [f"s{i}" for i in range(STATIONS)],
            "adcode": [names[d] for d in home],
            "pm25_ugm3": np.maximum(field[:STATIONS] + draw.normal(0, NOISE, STATIONS), 0.0),
            "longitude_deg": lon,
            "latitude_deg": lat,
        }
    )
    people = pl.DataFrame({"adcode": names, "population_persons": weights.sum(axis=1)})
    squares = [to_wkb(box(*degrees(corners(d)), *degrees(corners(d) + SIDE_KM))) for d in districts]
    truth = people.with_columns(pl.Series("truth", breathed))
    return measured, people, pl.DataFrame({"adcode": names, "geometry_wkb": squares}), truth


def hits(seed: int) -> tuple[bool, bool, bool] | None:
    """Return whether the intervals of a district with a station, of one without, and of the city hold the truth."""
    stations, people, outlines, truth = city(seed)
    found = exposed.exposure(stations, people, boundaries=outlines, cell_deg=0.05, level=LEVEL)
    lower, upper = exposed.bounds_of("pm25_ugm3")
    joined = found.join(truth, on=["adcode", "population_persons"])
    inside = joined.select("is_interpolated", ok=pl.col("truth").is_between(lower, upper))
    by_kind = [inside.filter(is_interpolated=k)["ok"] for k in (False, True)]
    if not all(len(kind) for kind in by_kind):
        return None
    draw = np.random.default_rng(seed + 1)
    measured, interpolated = (bool(kind[int(draw.integers(len(kind)))]) for kind in by_kind)
    whole = exposed.population_weighted(found).row(0, named=True)
    mean = float(np.average(joined["truth"], weights=joined["population_persons"]))
    return measured, interpolated, whole[lower] <= mean <= whole[upper]


def run(n: int, seed: int) -> list[Row]:
    """Return coverage over ``n`` cities, :data:`MAX_RUNS` at most."""
    kinds = ("a district with a station", "an interpolated district", "the city")
    wanted = min(n, MAX_RUNS)
    told: list[tuple[bool, bool, bool]] = []
    at = 0
    while len(told) < wanted:
        one = hits(seed * 1_000_003 + at)
        at += 2
        if one is not None:
            told.append(one)
    columns = np.array(told).T
    return [share(f"exposure coverage, {kind}", LEVEL, column) for kind, column in zip(kinds, columns, strict=True)]
