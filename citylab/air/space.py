"""From stations to a map: inverse distance and kriging, with the error that cross-validation finds printed beside it.

A city has few stations. A map between them is an estimate, and beyond them a guess: :func:`to_grid` says for every
cell whether it lies inside the stations' hull, and carries the errors found by leaving out one station, and one block
of neighbouring stations, at a time. Kriging runs on scikit-learn's Gaussian processes: with a constant mean of a very
wide prior they are ordinary kriging.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from citylab import places, tables
from citylab.errors import CoordinateError, DataError, RangeError, SchemaError, suggest
from citylab.frames import Frame, lazily, need_columns, need_numbers, stem
from citylab.vocabulary import COLUMNS

if TYPE_CHECKING:
    import xarray as xr
    from shapely.geometry.base import BaseGeometry

Method = Literal["idw", "kriging"]
Extrapolate = Literal["flag", "mask"]
Floats = npt.NDArray[np.float64]

CRS = "EPSG:4326"
CELL_DEG = 0.02
"""Width and height of a cell, about 2 km in Beijing; citylab's choice."""
MARGIN_DEG = 0.1
"""Rim of a map around the stations, where no outline is given; citylab's choice."""
BLOCK_KM = 20.0
"""Largest distance between two stations of one block that is left out together; citylab's choice, wider than the
spacing of Beijing's urban stations."""
MIN_STATIONS = {"idw": 3, "kriging": 5}
"""Fewest stations for a map, and fewest left in a fold of the cross-validation; citylab's choice."""
MAX_CELLS = 4_000_000
"""Most cells of a map; citylab's choice."""

_KM = 1000.0
_FLAT_PRIOR = 1e6  # variance of the constant mean in units of the stations' variance: as good as unknown
_RESTARTS = 3
_BOUNDS = {"sill": (1e-3, 1e2), "nugget": (1e-5, 1e1)}  # in units of the stations' variance
_AT_EDGE = 1e-3  # distance to a bound, on a log scale, that counts as being there
_SILL = "k1__k2__k1__constant_value"
_LENGTH = "k1__k2__k2__length_scale"
_NUGGET = "k2__noise_level"
_METHODS_ZH = {"idw": "反距离加权", "kriging": "普通克里金"}
_SPLITS = ("station", "block")


@dataclass(frozen=True, slots=True)
class Variogram:
    """An exponential variogram: γ(h) = nugget + partial_sill · (1 - exp(-h / length_km)).

    Attributes
    ----------
    nugget, partial_sill
        Variances [unit² of the value]. The nugget is what two stations at one place would differ by.
    length_km
        Distance [km] over which correlation falls to 1/e; the "practical range" is three times as long.
    is_at_bound
        True if the fit ended at the edge of what it may search, as it often does with a dozen stations: the data do
        not tell the length, and the variances are not to be trusted.
    """

    nugget: float
    partial_sill: float
    length_km: float
    is_at_bound: bool = False

    def __post_init__(self) -> None:
        if not (self.nugget >= 0 and self.partial_sill > 0 and self.length_km > 0):
            raise RangeError(f"{self} is no variogram; expected nugget >= 0, partial_sill > 0 and length_km > 0.")


@dataclass(frozen=True)
class _Stations:
    ids: list[str]
    lon: Floats
    lat: Floats
    values: Floats
    plane: Floats  # (n, 2), km
    dropped: int


# The plane ------------------------------------------------------------------------------------------------------------


def local_plane(lon: npt.ArrayLike, lat: npt.ArrayLike, *, origin: tuple[float, float]) -> tuple[Floats, Floats]:
    """Return metres east and north of an origin.

    Parameters
    ----------
    lon, lat
        Longitudes and latitudes [°].
    origin
        Longitude and latitude [°] of the point that becomes (0, 0).

    Returns
    -------
    tuple of numpy.ndarray
        Eastings and northings [m] of the equirectangular projection on the sphere of the mean Earth radius.

    Notes
    -----
    Distances over a city of 200 km are within 1.5 % of the great circle's; do not use it for a country.

    Examples
    --------
    >>> east, north = local_plane([116.0, 117.0], [40.0, 40.0], origin=(116.0, 40.0))
    >>> [round(float(x)) for x in east], [round(float(y)) for y in north]
    ([0, 85180], [0, 0])
    """
    radius = dict(tables.read("physical_constants").select("constant", "value").iter_rows())["earth_mean_radius"]
    east = np.radians(np.asarray(lon, dtype=np.float64) - origin[0]) * radius * np.cos(np.radians(origin[1]))
    north = np.radians(np.asarray(lat, dtype=np.float64) - origin[1]) * radius
    return east, north


def _plane_km(lon: npt.ArrayLike, lat: npt.ArrayLike, origin: tuple[float, float]) -> Floats:
    return np.stack(local_plane(lon, lat, origin=origin), axis=-1) / _KM


def _origin(stations: _Stations) -> tuple[float, float]:
    return float(stations.lon.mean()), float(stations.lat.mean())


# Input ----------------------------------------------------------------------------------------------------------------


def _read(stations: Frame, value: str, method: str, what: str) -> _Stations:
    lf, _ = lazily(stations)
    names = ["longitude_deg", "latitude_deg", value]
    schema = need_columns(lf, {"station_id": "one row per station", **dict.fromkeys(names, "")}, what=what)
    need_numbers(schema, names, what=what)
    if method not in MIN_STATIONS:
        raise suggest(method, MIN_STATIONS, what="method of interpolation", see="citylab.air.space.MIN_STATIONS")
    table = lf.select("station_id", *(pl.col(n).cast(pl.Float64).fill_nan(None) for n in names)).collect()
    twice = table.filter(pl.col("station_id").is_duplicated())
    if twice.height:
        raise DataError(
            f"{what} needs one row per station, but {twice['station_id'][0]!r} has "
            f"{(table['station_id'] == twice['station_id'][0]).sum()}. Take one time, or average over time first."
        )
    known = table.drop_nulls(value)
    if known[value].is_infinite().any():
        raise DataError(f"{what} found infinite values of {value!r}. Set them to null.")
    if known.select("longitude_deg", "latitude_deg").null_count().sum_horizontal().item():
        raise CoordinateError(f"{what} found stations without a position. Join the table of stations, or drop them.")
    lon, lat = known["longitude_deg"].to_numpy(), known["latitude_deg"].to_numpy()
    _guard_positions(known["station_id"].to_list(), lon, lat, what)
    if len(lon) < MIN_STATIONS[method]:
        raise DataError(
            f"{what} by {method} needs at least {MIN_STATIONS[method]} stations with {value!r}; {len(lon)} of "
            f"{table.height} have it."
        )
    origin = (float(lon.mean()), float(lat.mean()))
    plane = _plane_km(lon, lat, origin)
    ids = [str(i) for i in known["station_id"]]
    return _Stations(ids, lon, lat, known[value].to_numpy(), plane, table.height - known.height)


def _guard_positions(ids: list[object], lon: Floats, lat: Floats, what: str) -> None:
    odd = (np.abs(lat) > 90) | (np.abs(lon) > 180)
    if odd.any():
        first = int(np.flatnonzero(odd)[0])
        raise CoordinateError(
            f"Station {ids[first]!r} lies at ({lon[first]}, {lat[first]}), which is no longitude and latitude. "
            "Longitude comes first; are the two swapped?"
        )
    positions = pl.DataFrame({"station_id": ids, "lon": lon, "lat": lat})
    same = positions.filter(positions.select("lon", "lat").is_duplicated())
    if same.height:
        raise DataError(
            f"{what} found stations at one place: {', '.join(map(repr, same['station_id'].to_list()[:4]))}. "
            "Average them, or keep one."
        )


def _unit(value: str) -> str:
    return COLUMNS[value].unit if value in COLUMNS else ""


# Interpolation --------------------------------------------------------------------------------------------------------


def _distances(at: Floats, of: Floats) -> Floats:
    return np.asarray(np.hypot(at[:, None, 0] - of[None, :, 0], at[:, None, 1] - of[None, :, 1]))


def inverse_distance(at: Floats, stations: Floats, values: Floats, *, power: float = 2.0) -> Floats:
    """Return means of station values weighted by a power of the inverse distance.

    Parameters
    ----------
    at, stations
        Positions on a plane, shape (n, 2), in one unit of length.
    values
        Values of the stations.
    power
        Exponent of the distance, above 0.

    Returns
    -------
    numpy.ndarray
        Shape (n,), between the smallest and the largest value; at a station its own value.

    Examples
    --------
    >>> where, stations = np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [3.0, 0.0]])
    >>> inverse_distance(where, stations, np.array([10.0, 20.0])).tolist()
    [12.0, 10.0]

    References
    ----------
    Shepard (1968), A two-dimensional interpolation function for irregularly-spaced data, Proceedings of the 23rd ACM
    national conference, 517-524. doi:10.1145/800186.810616
    """
    if not power > 0:
        raise RangeError(f"power is {power}; expected a number above 0, usually 2.")
    distance = _distances(at, stations)
    here = distance == 0
    # Ratios to the nearest station keep the powers within what a float can hold.
    nearest = np.where(here.any(axis=1), 1.0, distance.min(axis=1))
    with np.errstate(divide="ignore"):
        weights = (nearest[:, None] / distance) ** power
    weights = np.where(here.any(axis=1)[:, None], here, weights)
    return np.asarray(weights @ values / weights.sum(axis=1))


class _Kriging:
    """Ordinary kriging with an exponential variogram, fitted by maximum likelihood or given."""

    def __init__(
        self, plane: Floats, values: Floats, variogram: Variogram | None, seed: int, start: Variogram | None = None
    ) -> None:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

        self.centre, self.scale = float(values.mean()), float(values.std()) or 1.0
        variance = self.scale**2
        mean = ConstantKernel(_FLAT_PRIOR, "fixed")
        if variogram is None:
            distances = _distances(plane, plane)
            length_bounds = (float(distances[distances > 0].min()) / 2, float(distances.max()) * 3)
            sill, nugget, length = 1.0, 0.1, float(np.median(distances[distances > 0]))
            if start is not None:  # near the answer already, so that one search is enough
                sill, nugget = (
                    float(np.clip(v / variance, *_BOUNDS[k]))
                    for k, v in (("sill", start.partial_sill), ("nugget", start.nugget))
                )
                length = float(np.clip(start.length_km, *length_bounds))
            kernel = mean + ConstantKernel(sill, _BOUNDS["sill"]) * Matern(length, length_bounds, nu=0.5)
            kernel = kernel + WhiteKernel(nugget, _BOUNDS["nugget"])
        else:
            kernel = mean + ConstantKernel(variogram.partial_sill / variance, "fixed") * Matern(
                variogram.length_km, "fixed", nu=0.5
            )
            kernel = kernel + WhiteKernel(variogram.nugget / variance, "fixed")
        self.model = GaussianProcessRegressor(
            kernel,
            optimizer=None if variogram else "fmin_l_bfgs_b",
            n_restarts_optimizer=0 if variogram or start else _RESTARTS,
            random_state=seed,
        )
        with warnings.catch_warnings():  # said by is_at_bound
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.model.fit(plane, (values - self.centre) / self.scale)
        self.variogram = variogram or self._fitted(variance)

    def _fitted(self, variance: float) -> Variogram:
        kernel = self.model.kernel_
        found = kernel.get_params()
        edges = np.abs(kernel.theta[:, None] - kernel.bounds).min(axis=1)  # on a log scale
        sill, nugget = float(found[_SILL] * variance), float(found[_NUGGET] * variance)
        return Variogram(nugget, sill, float(found[_LENGTH]), bool((edges < _AT_EDGE).any()))

    def predict(self, at: Floats) -> tuple[Floats, Floats]:
        """Return means and variances; the variance is that of a new station's value and includes the nugget."""
        mean, sd = self.model.predict(at, return_std=True)
        return mean * self.scale + self.centre, (sd * self.scale) ** 2


@dataclass(frozen=True)
class _Recipe:
    method: Method
    power: float
    variogram: Variogram | None
    seed: int
    start: Variogram | None = None

    def fitted(self, plane: Floats, values: Floats) -> _Recipe:
        """Return the recipe with a start for the fits of the folds."""
        if self.method == "idw" or self.variogram is not None:
            return self
        return replace(self, start=_Kriging(plane, values, None, self.seed).variogram)

    def predict(self, at: Floats, plane: Floats, values: Floats) -> Floats:
        if self.method == "idw":
            return inverse_distance(at, plane, values, power=self.power)
        return _Kriging(plane, values, self.variogram, self.seed, self.start).predict(at)[0]


# Cross-validation -----------------------------------------------------------------------------------------------------


def _blocks(plane: Floats, block_km: float) -> npt.NDArray[np.int64]:
    from scipy.cluster.hierarchy import fcluster, linkage

    if not block_km > 0:
        raise RangeError(f"block_km is {block_km}; expected a distance above 0 km.")
    return np.asarray(fcluster(linkage(plane, "complete"), block_km, "distance"), dtype=np.int64)


def cross_validate(
    stations: Frame,
    value: str,
    *,
    method: Method = "idw",
    power: float = 2.0,
    variogram: Variogram | None = None,
    block_km: float = BLOCK_KM,
    seed: int = 0,
) -> pl.DataFrame:
    """Return what a map would have said at each station, had it, or its whole neighbourhood, not been there.

    Stations stand close together in the city, so that leaving out one of them asks an easy question; leaving out a
    block of neighbours asks what the map is worth where there are none. A variogram that is not given is fitted anew
    in every fold.

    Parameters
    ----------
    stations
        One row per station: ``station_id``, ``longitude_deg``, ``latitude_deg`` and ``value``.
    value
        Column with the value.
    method, power, variogram, seed
        As in :func:`to_grid`.
    block_km
        Stations no farther apart than this [km] form a block (complete linkage).

    Returns
    -------
    polars.DataFrame
        Two rows per station, one for each ``split`` (``"station"``, ``"block"``): ``station_id``, ``block``,
        ``observed``, ``predicted``, ``error`` (predicted - observed), ``mean_error`` (the error of saying the plain
        mean of the other stations) [unit of the value], ``nearest_km`` (the nearest station that was left in) and
        ``n_train``. ``predicted`` is null where too few stations are left.

    Raises
    ------
    SchemaError, DataError, CoordinateError, RangeError
        As :func:`to_grid`.

    Examples
    --------
    >>> line = pl.DataFrame({"station_id": list("abcd"), "longitude_deg": [116.0, 116.1, 116.2, 116.3],
    ...                      "latitude_deg": [40.0] * 4, "pm25_ugm3": [60.0, 70.0, 80.0, 90.0]})
    >>> cross_validate(line, "pm25_ugm3").filter(split="station")["predicted"].round(1).to_list()
    [73.5, 72.2, 77.8, 76.5]

    References
    ----------
    Roberts et al. (2017), Cross-validation strategies for data with temporal, spatial, hierarchical, or phylogenetic
    structure, Ecography 40(8), 913-929. doi:10.1111/ecog.02881
    """
    read = _read(stations, value, method, "cross_validate")
    recipe = _Recipe(method, power, variogram, seed).fitted(read.plane, read.values)
    return _cross_validate(read, recipe, block_km)


def _cross_validate(read: _Stations, recipe: _Recipe, block_km: float) -> pl.DataFrame:
    n = len(read.ids)
    blocks = _blocks(read.plane, block_km)
    groups = {"station": np.arange(n), "block": blocks}
    rows: list[tuple[Any, ...]] = []
    for split in _SPLITS:
        for group in np.unique(groups[split]):
            out = groups[split] == group
            left = int((~out).sum())
            plane, values = read.plane[~out], read.values[~out]
            enough = left >= MIN_STATIONS[recipe.method]
            predicted = recipe.predict(read.plane[out], plane, values) if enough else np.full(out.sum(), np.nan)
            nearest = _distances(read.plane[out], plane).min(axis=1) if left else np.full(out.sum(), np.nan)
            mean = values.mean() if enough else np.nan
            rows += [
                (split, read.ids[i], int(blocks[i]), o, p, p - o, mean - o, d, left)
                for i, o, p, d in zip(np.flatnonzero(out), read.values[out], predicted, nearest, strict=True)
            ]
    names = ["split", "station_id", "block", "observed", "predicted", "error", "mean_error", "nearest_km", "n_train"]
    types = [pl.String, pl.String, pl.Int64, *[pl.Float64] * 5, pl.Int64]
    rows = [tuple(x.item() if isinstance(x, np.generic) else x for x in row) for row in rows]
    return pl.DataFrame(rows, dict(zip(names, types, strict=True)), orient="row").fill_nan(None)


def map_error(validation: pl.DataFrame | xr.Dataset) -> pl.DataFrame:
    """Return the errors of a map: root mean square, bias, and how much better it is than the plain mean.

    Parameters
    ----------
    validation
        What :func:`cross_validate` gave, or a map of :func:`to_grid`.

    Returns
    -------
    polars.DataFrame
        One row per ``split`` (``"station"``, ``"block"``): ``n`` stations predicted in ``folds``, ``rmse`` and ``mb``
        (mean of predicted - observed) [unit of the value], ``rmse_of_mean`` (of saying the mean of the other stations)
        and ``skill`` = 1 - (rmse / rmse_of_mean)²: at 0 or below the map is no better than one number for the city.

    Examples
    --------
    >>> line = pl.DataFrame({"station_id": list("abcd"), "longitude_deg": [116.0, 116.1, 116.2, 116.3],
    ...                      "latitude_deg": [40.0] * 4, "pm25_ugm3": [60.0, 70.0, 80.0, 90.0]})
    >>> map_error(cross_validate(line, "pm25_ugm3")).select("split", "n", pl.col("rmse", "skill").round(2)).rows()
    [('station', 4, 9.65, 0.58), ('block', 0, None, None)]
    """
    if not isinstance(validation, pl.DataFrame):
        missing = [s for s in _SPLITS if f"cv_{s}_n" not in validation.attrs]
        if missing:
            raise SchemaError("The grid carries no cross-validation error (cv_station_n, ...). Make it with to_grid.")
        names = ("n", "folds", "rmse", "mb", "rmse_of_mean", "skill")
        rows = [[s, *(validation.attrs[f"cv_{s}_{k}"] for k in names)] for s in _SPLITS]
        types = dict(zip(names, [pl.Int64, pl.Int64, *[pl.Float64] * 4], strict=True))
        return pl.DataFrame(rows, {"split": pl.String, **types}, orient="row", strict=False).fill_nan(None)
    told = validation.drop_nulls("predicted")
    by_split = told.group_by("split").agg(
        n=pl.len(),
        folds=pl.when(pl.col("split").first() == "block").then(pl.col("block").n_unique()).otherwise(pl.len()),
        rmse=(pl.col("error") ** 2).mean().sqrt(),
        mb=pl.col("error").mean(),
        rmse_of_mean=(pl.col("mean_error") ** 2).mean().sqrt(),
    )
    skill = pl.when(pl.col("rmse_of_mean") > 0).then(1 - (pl.col("rmse") / pl.col("rmse_of_mean")) ** 2)
    both = pl.DataFrame({"split": list(_SPLITS)}).join(by_split, on="split", how="left", maintain_order="left")
    return both.with_columns(pl.col("n", "folds").fill_null(0).cast(pl.Int64), skill=skill)


# The map --------------------------------------------------------------------------------------------------------------


def _shape(outline: Iterable[bytes] | pl.Series | pl.DataFrame | None, what: str) -> BaseGeometry | None:
    if outline is None:
        return None
    from shapely import from_wkb, union_all
    from shapely.errors import ShapelyError

    if isinstance(outline, pl.DataFrame):
        need_columns(outline.lazy(), {"geometry_wkb": "polygons"}, what=what)
        outline = outline["geometry_wkb"]
    shapes = list(outline)
    if not shapes or not all(isinstance(s, bytes) for s in shapes):
        raise SchemaError(f"outline must hold polygons as well-known binary (bytes), got {shapes[:1]!r}.")
    try:
        return union_all(from_wkb(shapes))
    except ShapelyError as cause:
        raise DataError(f"outline cannot be read as well-known binary: {cause}.") from cause


def _axis(low: float, high: float, cell: float) -> Floats:
    """Return centres of cells whose edges are multiples of the cell, so that maps of one city share their cells."""
    first, last = np.floor(low / cell + 1e-9), np.ceil(high / cell - 1e-9)
    return np.round((np.arange(first, max(last, first + 1)) + 0.5) * cell, 10)


def to_grid(
    stations: Frame,
    value: str,
    *,
    method: Method = "idw",
    cell_deg: float = CELL_DEG,
    power: float = 2.0,
    variogram: Variogram | None = None,
    outline: Iterable[bytes] | pl.Series | pl.DataFrame | None = None,
    extrapolate: Extrapolate = "flag",
    block_km: float = BLOCK_KM,
    datum: str = "unknown",
    seed: int = 0,
) -> xr.Dataset:
    """Return a map of station values with its cross-validation error.

    Parameters
    ----------
    stations
        One row per station: ``station_id``, ``longitude_deg``, ``latitude_deg`` and ``value``; a station without a
        value is left out and counted.
    value
        Column to map.
    method
        ``"idw"`` (inverse distance) or ``"kriging"`` (ordinary, exponential variogram).
    cell_deg
        Width and height of a cell [°].
    power
        Power of the inverse distance.
    variogram
        Variogram to krige with; fitted by maximum likelihood if not given, which a dozen stations carry badly.
    outline
        Polygons as well-known binary, or a frame with ``geometry_wkb``: the map covers their extent, and cells whose
        centre lies outside are NaN. Without it, the stations' extent and a rim.
    extrapolate
        ``"flag"`` keeps cells beyond the stations' convex hull, marked by ``is_inside_hull``; ``"mask"`` makes them
        NaN.
    block_km
        As in :func:`cross_validate`.
    datum
        Datum of the stations' coordinates: WGS-84 or ``"unknown"`` (recorded; positions in China may then be off by
        some 500 m). Others must be converted first.
    seed
        Seed of the restarts of the variogram's fit.

    Returns
    -------
    xarray.Dataset
        On ``latitude_deg`` and ``longitude_deg`` (centres of cells): the value, for kriging
        ``<stem>_kriging_variance`` [unit²] (of a new station's value, nugget included), ``is_inside_hull`` and
        ``nearest_station_km``; on ``station_id``: ``station_longitude_deg``, ``station_latitude_deg`` and
        ``station_value``. Attributes hold unit, CRS, datum, method, number of stations, the errors of
        :func:`map_error` as ``cv_station_rmse`` and so on, and ``note_zh`` and ``note_en`` to print on the map.

    Raises
    ------
    SchemaError, DataError
        A column is missing, a station has two rows, or there are too few stations.
    CoordinateError
        A position is missing, impossible or on another datum.
    RangeError
        A cell, power or distance that cannot be, or more than :data:`MAX_CELLS` cells.

    Notes
    -----
    Distances are taken on a local plane (:func:`local_plane`). Kriging does not pass through the stations where the
    nugget is above 0. Neither method knows of terrain, roads or wind.

    Examples
    --------
    >>> line = pl.DataFrame({"station_id": list("abcd"), "longitude_deg": [116.0, 116.1, 116.2, 116.3],
    ...                      "latitude_deg": [40.0, 40.1, 40.0, 40.1], "pm25_ugm3": [60.0, 70.0, 80.0, 90.0]})
    >>> grid = to_grid(line, "pm25_ugm3", cell_deg=0.1)
    >>> dict(grid.sizes), round(float(grid["pm25_ugm3"].sel(longitude_deg=116.05, latitude_deg=40.05)), 1)
    ({'latitude_deg': 3, 'longitude_deg': 5, 'station_id': 4}, 67.7)
    >>> grid.attrs["note_en"]
    'idw, 4 stations; leave-one-out RMSE 12.0 µg/m³ (plain mean 14.9), leave-block-out RMSE not available'

    References
    ----------
    Shepard (1968), doi:10.1145/800186.810616; Cressie (1993), Statistics for Spatial Data, section 3.2,
    doi:10.1002/9781119115151
    """
    import xarray as xr
    from shapely import MultiPoint, contains_xy, intersects_xy

    what = "to_grid"
    read = _read(stations, value, method, what)
    if datum != "unknown":
        places.guard_datum(datum)
    if extrapolate not in ("flag", "mask"):
        raise suggest(extrapolate, ["flag", "mask"], what="value of extrapolate", see="'flag' and 'mask'")
    if not 0 < cell_deg < 90:
        raise RangeError(f"cell_deg is {cell_deg}; expected a size in degrees above 0, for example {CELL_DEG}.")
    shape = _shape(outline, what)
    west, south, east, north = _extent(read) if shape is None else shape.bounds
    count = ((east - west) / cell_deg + 1) * ((north - south) / cell_deg + 1)
    if count > MAX_CELLS:
        raise RangeError(
            f"Cells of {cell_deg}° make a map of {count:,.0f} cells, above {MAX_CELLS:,}. Take wider ones."
        )
    lon, lat = _axis(west, east, cell_deg), _axis(south, north, cell_deg)
    x, y = (a.ravel() for a in np.meshgrid(lon, lat))
    at = _plane_km(x, y, _origin(read))
    recipe = _Recipe(method, power, variogram, seed)
    variance = None
    if method == "kriging":
        model = _Kriging(read.plane, read.values, variogram, seed)
        recipe = replace(recipe, start=None if variogram else model.variogram)
        variogram = model.variogram
        mean, variance = (np.concatenate(p) for p in zip(*map(model.predict, _chunks(at)), strict=True))
    else:
        chunks = (inverse_distance(c, read.plane, read.values, power=power) for c in _chunks(at))
        mean = np.concatenate(list(chunks))
    inside = intersects_xy(MultiPoint(np.column_stack([read.lon, read.lat])).convex_hull, x, y)
    nearest = np.concatenate([_distances(c, read.plane).min(axis=1) for c in _chunks(at)])
    keep = np.ones_like(inside) if shape is None else contains_xy(shape, x, y)
    if extrapolate == "mask":
        keep = keep & inside
    unit, root = _unit(value), stem(value)

    def field(values: npt.NDArray[Any], **attrs: str) -> tuple[tuple[str, str], npt.NDArray[Any], dict[str, str]]:
        return ("latitude_deg", "longitude_deg"), values.reshape(len(lat), len(lon)), attrs

    variables: dict[str, Any] = {value: field(np.where(keep, mean, np.nan), units=unit)}
    if variance is not None:
        variables[f"{root}_kriging_variance"] = field(np.where(keep, variance, np.nan), units=f"({unit})²")
    variables |= {
        "is_inside_hull": field(inside, description="True inside the convex hull of the stations"),
        "nearest_station_km": field(nearest, units="km"),
        "station_longitude_deg": ("station_id", read.lon, {"units": "°"}),
        "station_latitude_deg": ("station_id", read.lat, {"units": "°"}),
        "station_value": ("station_id", read.values, {"units": unit}),
    }
    errors = map_error(_cross_validate(read, recipe, block_km))
    attrs = _attributes(read, value, recipe, variogram, errors)
    attrs |= {"datum": datum, "cell_deg": cell_deg, "extrapolate": extrapolate, "block_km": block_km}
    coords = {"latitude_deg": lat, "longitude_deg": lon, "station_id": read.ids}
    return xr.Dataset(variables, coords, attrs)


def _extent(stations: _Stations) -> tuple[float, float, float, float]:
    west, south = float(stations.lon.min()), float(stations.lat.min())
    east, north = float(stations.lon.max()), float(stations.lat.max())
    return west - MARGIN_DEG, south - MARGIN_DEG, east + MARGIN_DEG, north + MARGIN_DEG


def _chunks(at: Floats, size: int = 100_000) -> list[Floats]:
    return [at[i : i + size] for i in range(0, len(at), size)]


def _attributes(
    read: _Stations, value: str, recipe: _Recipe, variogram: Variogram | None, errors: pl.DataFrame
) -> dict[str, Any]:
    unit = _unit(value)
    attrs: dict[str, Any] = {
        "value": value,
        "units": unit,
        "crs": CRS,
        "method": recipe.method,
        "n_stations": len(read.ids),
        "n_stations_without_value": read.dropped,
    }
    if recipe.method == "idw":
        attrs["power"] = recipe.power
    elif variogram is not None:
        attrs |= {
            "variogram": "exponential",
            "variogram_origin": "fitted" if recipe.variogram is None else "given",
            "nugget": variogram.nugget,
            "partial_sill": variogram.partial_sill,
            "length_km": variogram.length_km,
            "is_variogram_at_bound": int(variogram.is_at_bound),
        }
    for row in errors.rows(named=True):
        # NaN, not None: files know no other way to say that a number is missing.
        told = {k: float("nan") if v is None else v for k, v in row.items() if k != "split"}
        attrs |= {f"cv_{row['split']}_{k}": v for k, v in told.items()}
    one, block = errors.rows(named=True)

    def printed(row: dict[str, Any], missing: str) -> str:
        return missing if row["rmse"] is None else f"{row['rmse']:.1f} {unit}".strip()

    attrs["note_en"] = (
        f"{recipe.method}, {len(read.ids)} stations; leave-one-out RMSE {printed(one, 'not available')}"
        + ("" if one["rmse"] is None else f" (plain mean {one['rmse_of_mean']:.1f})")
        + f", leave-block-out RMSE {printed(block, 'not available')}"
    )
    if attrs.get("is_variogram_at_bound"):
        attrs["note_en"] += "; the stations do not tell the variogram's length"
    attrs["note_zh"] = (
        f"{_METHODS_ZH[recipe.method]}，{len(read.ids)} 站；逐站留一 RMSE {printed(one, '无')}"
        + ("" if one["rmse"] is None else f"（各站均值 {one['rmse_of_mean']:.1f}）")
        + f"，分块留出 RMSE {printed(block, '无')}"
    )
    if attrs.get("is_variogram_at_bound"):
        attrs["note_zh"] += "；站点不足以确定变程"
    return attrs
