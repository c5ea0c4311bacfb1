"""Longitudes and latitudes: which datum, from one into another, how far."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from citylab import tables
from citylab.errors import CoordinateError, suggest
from citylab.places.register import CITY, name_key, resolve

Coordinates = TypeVar("Coordinates", float, npt.NDArray[np.float64], pl.Expr)
_Array = npt.NDArray[np.float64]
_Shift = Callable[[_Array, _Array], tuple[_Array, _Array]]


class _Gcj02:
    """Constants of GCJ-02 as they became public in 2010-2013; the rule itself is a state secret.

    A plane polynomial and six sine waves in x = longitude - 105°, y = latitude - 35° give a shift in metres,
    which the Krasovsky 1940 ellipsoid turns into degrees. Source: github:googollee/eviltransform (its
    reference values are tests here). Beyond the rectangle the published code leaves coordinates as they are;
    it holds parts of China's neighbours too.
    """

    SEMI_MAJOR_AXIS_M = 6378245.0
    ECCENTRICITY_SQUARED = 0.00669342162296594323
    ORIGIN_DEG = (105.0, 35.0)
    WEST, EAST, SOUTH, NORTH = 72.004, 137.8347, 0.8293, 55.8271
    # coefficients of 1, x, y, x², y², xy, √|x|
    EAST_POLYNOMIAL = (300.0, 1.0, 2.0, 0.1, 0.0, 0.1, 0.1)
    NORTH_POLYNOMIAL = (-100.0, 2.0, 3.0, 0.0, 0.2, 0.1, 0.2)
    # amplitude [m], half-waves per degree of x, half-waves per degree of y
    EAST_WAVES = ((20.0, 6.0, 0.0), (20.0, 2.0, 0.0), (20.0, 1.0, 0.0), (40.0, 1 / 3, 0.0), (150.0, 1 / 12, 0.0),
                  (300.0, 1 / 30, 0.0))  # fmt: skip
    NORTH_WAVES = ((20.0, 6.0, 0.0), (20.0, 2.0, 0.0), (20.0, 0.0, 1.0), (40.0, 0.0, 1 / 3), (160.0, 0.0, 1 / 12),
                   (320.0, 0.0, 1 / 30))  # fmt: skip
    WAVE_SCALE = 2.0 / 3.0


class _Bd09:
    """Constants of BD-09, Baidu's second shift on top of GCJ-02, as widely published.

    Source: github:googollee/eviltransform and github:wandergis/coordtransform (reference values are tests
    here). Outside China Baidu's maps use WGS-84 (Baidu developer documentation, coordinate systems).
    """

    OFFSET_DEG = (0.0065, 0.006)
    WAVES_PER_DEG = 3000.0 / 180.0
    RADIUS_AMPLITUDE_DEG = 0.00002
    ANGLE_AMPLITUDE_RAD = 0.000003


_INVERSE_TOLERANCE_DEG = 1e-11
_INVERSE_STEPS = 50


def _polynomial(coefficients: tuple[float, ...], x: _Array, y: _Array) -> _Array:
    terms = (np.ones_like(x), x, y, x * x, y * y, x * y, np.sqrt(np.abs(x)))
    return sum((c * t for c, t in zip(coefficients, terms, strict=True)), np.zeros_like(x))


def _waves(waves: tuple[tuple[float, float, float], ...], x: _Array, y: _Array) -> _Array:
    sines = (amplitude * np.sin((kx * x + ky * y) * np.pi) for amplitude, kx, ky in waves)
    return _Gcj02.WAVE_SCALE * sum(sines, np.zeros_like(x))


def _gcj02_of_wgs84(lon: _Array, lat: _Array) -> tuple[_Array, _Array]:
    x, y = lon - _Gcj02.ORIGIN_DEG[0], lat - _Gcj02.ORIGIN_DEG[1]
    east_m = _polynomial(_Gcj02.EAST_POLYNOMIAL, x, y) + _waves(_Gcj02.EAST_WAVES, x, y)
    north_m = _polynomial(_Gcj02.NORTH_POLYNOMIAL, x, y) + _waves(_Gcj02.NORTH_WAVES, x, y)
    axis, e2 = _Gcj02.SEMI_MAJOR_AXIS_M, _Gcj02.ECCENTRICITY_SQUARED
    squash = 1.0 - e2 * np.sin(np.radians(lat)) ** 2
    meridian_m = axis * (1.0 - e2) / squash**1.5
    parallel_m = axis / np.sqrt(squash) * np.cos(np.radians(lat))
    return lon + np.degrees(east_m / parallel_m), lat + np.degrees(north_m / meridian_m)


def _bd09_of_gcj02(lon: _Array, lat: _Array) -> tuple[_Array, _Array]:
    wave = np.pi * _Bd09.WAVES_PER_DEG
    radius = np.hypot(lon, lat) + _Bd09.RADIUS_AMPLITUDE_DEG * np.sin(lat * wave)
    angle = np.arctan2(lat, lon) + _Bd09.ANGLE_AMPLITUDE_RAD * np.cos(lon * wave)
    return radius * np.cos(angle) + _Bd09.OFFSET_DEG[0], radius * np.sin(angle) + _Bd09.OFFSET_DEG[1]


def _inverse(shift: _Shift) -> _Shift:
    """Return the inverse of a small shift by fixed-point iteration (each step gains about two digits)."""

    def inverted(lon: _Array, lat: _Array) -> tuple[_Array, _Array]:
        guess_lon, guess_lat = lon, lat
        for _ in range(_INVERSE_STEPS):
            back_lon, back_lat = shift(guess_lon, guess_lat)
            step_lon, step_lat = lon - back_lon, lat - back_lat
            guess_lon, guess_lat = guess_lon + step_lon, guess_lat + step_lat
            largest = np.nanmax(np.abs([step_lon, step_lat]), initial=0.0)
            if largest < _INVERSE_TOLERANCE_DEG:
                return guess_lon, guess_lat
        raise CoordinateError(f"The inverse shift did not settle: a step of {largest}° is left. Check the input.")

    return inverted


def _check_range(lon: _Array, lat: _Array) -> None:
    for what, values, limit in (("latitude", lat, 90.0), ("longitude", lon, 180.0)):
        beyond = np.abs(values) > limit
        if np.any(beyond):
            hint = " Longitude comes first; are the two swapped?" if what == "latitude" else ""
            raise CoordinateError(f"A {what} is {values[beyond].flat[0]}°, beyond ±{limit:g}°.{hint}")


def _in_china(shift: _Shift, lon: Any, lat: Any) -> Any:
    """Apply a shift inside the rectangle of GCJ-02, to numbers, arrays or expressions."""
    if isinstance(lon, pl.Expr) or isinstance(lat, pl.Expr):
        return _as_expressions(shift, lon, lat)
    east, north = np.broadcast_arrays(np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64))
    _check_range(east, north)
    inside = (east >= _Gcj02.WEST) & (east <= _Gcj02.EAST) & (north >= _Gcj02.SOUTH) & (north <= _Gcj02.NORTH)
    out_east, out_north = east.copy(), north.copy()
    out_east[inside], out_north[inside] = shift(east[inside], north[inside])
    # Half a point is none: its other half would stay on the old datum.
    missing = np.isnan(east) | np.isnan(north)
    out_east[missing] = out_north[missing] = np.nan
    return (float(out_east), float(out_north)) if out_east.ndim == 0 else (out_east, out_north)


def _as_expressions(shift: _Shift, lon: pl.Expr, lat: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    pair = pl.Struct({"longitude_deg": pl.Float64, "latitude_deg": pl.Float64})

    def shifted(batch: pl.Series) -> pl.Series:
        fields = (batch.struct.field(name).to_numpy() for name in ("longitude_deg", "latitude_deg"))
        east, north = _in_china(shift, *fields)
        frame = pl.DataFrame({"longitude_deg": east, "latitude_deg": north})
        return frame.select(pl.all().fill_nan(None)).to_struct(batch.name)

    both = pl.struct(longitude_deg=lon.cast(pl.Float64), latitude_deg=lat.cast(pl.Float64))
    done = both.map_batches(shifted, return_dtype=pair, is_elementwise=True)
    return done.struct.field("longitude_deg"), done.struct.field("latitude_deg")


def wgs84_to_gcj02(lon: Coordinates, lat: Coordinates) -> tuple[Coordinates, Coordinates]:
    """Return GCJ-02 coordinates (Chinese web maps) of WGS-84 ones.

    Parameters
    ----------
    lon, lat
        Longitude and latitude [°]: numbers, arrays, or expressions.

    Returns
    -------
    tuple
        Longitude and latitude [°], of the type given; expressions are named ``longitude_deg`` and
        ``latitude_deg``. Coordinates outside the rectangle 72.004-137.8347° E, 0.8293-55.8271° N come back
        unchanged. A point that lacks one of the two comes back without both (NaN; of expressions null).

    Raises
    ------
    CoordinateError
        A latitude beyond ±90° or a longitude beyond ±180°; of an expression on collecting.

    Notes
    -----
    The official rule is not public; this is the formula that became known and that map services agree with
    to about a metre.

    Examples
    --------
    >>> [round(x, 6) for x in wgs84_to_gcj02(116.404, 39.915)]
    [116.410244, 39.916404]

    References
    ----------
    github:googollee/eviltransform; github:wandergis/coordtransform.
    """
    return _in_china(_gcj02_of_wgs84, lon, lat)


def gcj02_to_wgs84(lon: Coordinates, lat: Coordinates) -> tuple[Coordinates, Coordinates]:
    """Return WGS-84 coordinates of GCJ-02 ones, to 1e-11° of the published forward formula.

    Parameters, result and errors are those of :func:`wgs84_to_gcj02`, which it inverts by iteration.

    Examples
    --------
    >>> [round(x, 6) for x in gcj02_to_wgs84(*wgs84_to_gcj02(116.404, 39.915))]
    [116.404, 39.915]
    """
    return _in_china(_inverse(_gcj02_of_wgs84), lon, lat)


def gcj02_to_bd09(lon: Coordinates, lat: Coordinates) -> tuple[Coordinates, Coordinates]:
    """Return BD-09 coordinates (Baidu) of GCJ-02 ones.

    Parameters, result and errors are those of :func:`wgs84_to_gcj02`.

    Examples
    --------
    >>> [round(x, 6) for x in gcj02_to_bd09(116.404, 39.915)]
    [116.410369, 39.921337]
    """
    return _in_china(_bd09_of_gcj02, lon, lat)


def bd09_to_gcj02(lon: Coordinates, lat: Coordinates) -> tuple[Coordinates, Coordinates]:
    """Return GCJ-02 coordinates of BD-09 ones, to 1e-11° of the published forward formula.

    The published closed inverse is off by up to a few 1e-6°; this one is iterated. Parameters, result and
    errors are those of :func:`wgs84_to_gcj02`.

    Examples
    --------
    >>> [round(x, 6) for x in bd09_to_gcj02(*gcj02_to_bd09(116.404, 39.915))]
    [116.404, 39.915]
    """
    return _in_china(_inverse(_bd09_of_gcj02), lon, lat)


def wgs84_to_bd09(lon: Coordinates, lat: Coordinates) -> tuple[Coordinates, Coordinates]:
    """Return BD-09 coordinates of WGS-84 ones; see :func:`wgs84_to_gcj02`."""
    return gcj02_to_bd09(*wgs84_to_gcj02(lon, lat))


def bd09_to_wgs84(lon: Coordinates, lat: Coordinates) -> tuple[Coordinates, Coordinates]:
    """Return WGS-84 coordinates of BD-09 ones; see :func:`wgs84_to_gcj02`."""
    return gcj02_to_wgs84(*bd09_to_gcj02(lon, lat))


_WGS84_NAMES = {"wgs84", "epsg4326", "epsg:4326"}
_OTHER_DATUMS = {
    "gcj02": "Convert with citylab.places.gcj02_to_wgs84; unconverted, points in Beijing lie about 550 m off.",
    "bd09": "Convert with citylab.places.bd09_to_wgs84; unconverted, points in Beijing lie more than a kilometre off.",
    "cgcs2000": "It agrees with WGS-84 to within a metre: if that is enough, declare the data as WGS-84 and say so.",
}


def guard_datum(datum: str | None) -> None:
    """Raise unless coordinates are known to be WGS-84.

    Parameters
    ----------
    datum
        The datum that a data set declares.

    Raises
    ------
    CoordinateError
        The datum is missing, unknown or another one; the message says how to convert.

    Examples
    --------
    >>> guard_datum("WGS-84")
    >>> guard_datum("GCJ-02")
    Traceback (most recent call last):
        ...
    citylab.errors.CoordinateError: The coordinates are on 'GCJ-02'; expected WGS-84. Convert with ...
    """
    key = name_key(datum or "").replace("-", "").replace(" ", "")
    if key in _WGS84_NAMES:
        return
    if key in {"", "unknown", "none"}:
        raise CoordinateError(
            f"The datum of the coordinates is {datum!r}; expected WGS-84. In China a wrong guess moves points "
            "by hundreds of metres: find out from the publisher, or compare with known points, and declare it."
        )
    advice = _OTHER_DATUMS.get(key, "Convert the coordinates to WGS-84 first.")
    raise CoordinateError(f"The coordinates are on {datum!r}; expected WGS-84. {advice}")


def guard_inside(lon: npt.ArrayLike, lat: npt.ArrayLike, *, place: str = CITY) -> None:
    """Raise unless coordinates can lie in a city.

    A test of plausibility against a box around the city with its exclaves; being inside the box proves
    nothing about a border.

    Parameters
    ----------
    lon, lat
        Longitude and latitude [°], numbers or arrays.
    place
        Name or code of a city of the declared table ``cities``.

    Raises
    ------
    CoordinateError
        A coordinate is missing or lies outside the box; swapped coordinates get a message of their own.
    UnknownNameError
        No box is declared for the place.

    Examples
    --------
    >>> guard_inside(116.39, 39.91)
    >>> guard_inside(39.91, 116.39)
    Traceback (most recent call last):
        ...
    citylab.errors.CoordinateError: Longitude and latitude are swapped: (39.91, 116.39) lies ...
    """
    rows = {row["adcode"]: row for row in tables.read("cities").iter_rows(named=True)}
    city = resolve(place)
    if city.adcode not in rows:
        raise suggest(place, rows, what="city with a box", see="the table datasets/codes/cities.csv")
    box = rows[city.adcode]
    east, north = np.broadcast_arrays(
        np.atleast_1d(np.asarray(lon, dtype=np.float64)), np.atleast_1d(np.asarray(lat, dtype=np.float64))
    )

    def inside(x: _Array, y: _Array) -> npt.NDArray[np.bool_]:
        return (x >= box["west_deg"]) & (x <= box["east_deg"]) & (y >= box["south_deg"]) & (y <= box["north_deg"])

    missing = np.isnan(east) | np.isnan(north)
    outside = ~missing & ~inside(east, north)
    if np.any(missing):
        raise CoordinateError(f"{int(missing.sum())} of {missing.size} points have no coordinates. Drop or fill them.")
    if not np.any(outside):
        return
    first = f"({east[outside][0]:g}, {north[outside][0]:g})"
    if np.all(inside(north, east)[outside]):
        raise CoordinateError(
            f"Longitude and latitude are swapped: {first} lies in {city.name_zh} the other way round. "
            "Longitude comes first."
        )
    raise CoordinateError(
        f"{int(outside.sum())} of {outside.size} points cannot lie in {city}, the first at {first}; expected "
        f"longitude {box['west_deg']} to {box['east_deg']}, latitude {box['south_deg']} to {box['north_deg']}. "
        "Check the rows, the unit (degrees) and the projection."
    )


def _apply(name: str, value: Any, *args: float) -> Any:
    """Call the function of that name: of Polars on an expression, of NumPy on anything else."""
    return getattr(value, name)(*args) if isinstance(value, pl.Expr) else getattr(np, name)(value, *args)


def distance_m(lon1: Coordinates, lat1: Coordinates, lon2: Coordinates, lat2: Coordinates) -> Coordinates:
    """Return the great-circle distance between points.

    Parameters
    ----------
    lon1, lat1, lon2, lat2
        Longitudes and latitudes [°] on one datum: numbers, arrays or expressions.

    Returns
    -------
    same type
        Distance [m] on the sphere of the mean Earth radius (declared table ``physical_constants``).

    Notes
    -----
    Haversine formula. A sphere is up to 0.56 % off the ellipsoid; within Beijing about 0.2 %.

    Examples
    --------
    >>> round(distance_m(116.0, 40.0, 116.0, 41.0))
    111195

    References
    ----------
    Sinnott, R. W. (1984), Virtues of the haversine, Sky and Telescope 68, 159. Radius: GRS 80, DOI
    10.1007/s001900050278.
    """
    radius = dict(tables.read("physical_constants").select("constant", "value").iter_rows())["earth_mean_radius"]
    phi1, phi2 = _apply("radians", lat1), _apply("radians", lat2)
    half_phi = _apply("radians", lat2 - lat1) / 2
    half_lambda = _apply("radians", lon2 - lon1) / 2
    haversine = (
        _apply("sin", half_phi) ** 2 + _apply("cos", phi1) * _apply("cos", phi2) * _apply("sin", half_lambda) ** 2
    )
    angle = 2 * _apply("arcsin", _apply("sqrt", _apply("clip", haversine, 0.0, 1.0)))
    return _plain(radius * angle)


def _plain(value: Any) -> Any:
    """Return a NumPy scalar as a float, anything else as it is."""
    return float(value) if isinstance(value, np.floating) else value
