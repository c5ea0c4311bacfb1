"""From totals to districts, cells, months and days: allocation by proxies that adds up to what went in.

A total that is spread by a proxy says where people or money are, not where the emissions are; its sum is as good as the
total, its pattern only as good as the proxy. :func:`leave_one_out` measures how good that is where truth exists, and
:func:`to_districts` carries the error along.

The grid lies in the cylindrical equal-area projection of the WGS-84 ellipsoid, true to scale at a standard parallel:
every cell has exactly the same area, its columns have one longitude and its rows one latitude. Borders are straight
between their vertices in that plane.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from citylab import places, tables
from citylab.errors import CoordinateError, DataError, OverlapError, RangeError, SchemaError, suggest
from citylab.frames import need_columns, need_numbers

if TYPE_CHECKING:
    import xarray as xr
    from polars import DataFrame, LazyFrame

Floats = npt.NDArray[np.float64]
IfEmpty = Literal["area", "refuse"]

M_PER_KM = 1000.0
CONVENTIONS = "CF-1.11"
LEVEL = 0.9
MIN_PLACES = 3
AREA = "area"
"""Name of the proxy that needs no data: the area of a district, or of its part in a cell."""


def rules(table: DataFrame | None = None) -> dict[str, float]:
    """Return the declared constants of this module.

    Examples
    --------
    >>> rules()["conservation"]
    1e-09
    """
    found = tables.read("carbon_grid_rules") if table is None else table
    return dict(found.select("rule", pl.col("value").cast(pl.Float64)).iter_rows())


# -------------------------------------------------------------------------------------------- projection


def _q(sine: Floats, e: float) -> Floats:
    """Return Snyder's authalic q of a sine of latitude."""
    return (1 - e**2) * (sine / (1 - (e * sine) ** 2) - np.log((1 - e * sine) / (1 + e * sine)) / (2 * e))


def _ellipsoid() -> tuple[float, float]:
    rule = rules()
    flattening = 1 / rule["inverse_flattening"]
    return rule["semi_major_axis"], math.sqrt(flattening * (2 - flattening))


def _scale(standard_parallel_deg: float, e: float) -> float:
    phi = math.radians(standard_parallel_deg)
    return math.cos(phi) / math.sqrt(1 - (e * math.sin(phi)) ** 2)


def equal_area(
    lon: npt.ArrayLike, lat: npt.ArrayLike, *, central_meridian_deg: float, standard_parallel_deg: float
) -> tuple[Floats, Floats]:
    """Return cylindrical equal-area coordinates of WGS-84 longitudes and latitudes.

    Parameters
    ----------
    lon, lat
        Longitudes and latitudes [°].
    central_meridian_deg, standard_parallel_deg
        Longitude of x = 0, and latitude at which distances east-west are true [°].

    Returns
    -------
    tuple of numpy.ndarray
        x and y [m]. Areas are those of the ellipsoid everywhere; shapes are true at the standard parallel.

    Examples
    --------
    >>> x, y = equal_area([117.0], [40.0], central_meridian_deg=116.0, standard_parallel_deg=40.0)
    >>> round(float(x[0]))  # a degree of longitude at 40° N on WGS-84
    85394

    References
    ----------
    Snyder, J. P. (1987), Map Projections: A Working Manual, USGS Professional Paper 1395, equations 3-12, 10-13 to
    10-15, doi:10.3133/pp1395.
    """
    a, e = _ellipsoid()
    k0 = _scale(standard_parallel_deg, e)
    east = np.radians(np.asarray(lon, dtype=float) - central_meridian_deg)
    return a * k0 * east, a * _q(np.sin(np.radians(np.asarray(lat, dtype=float))), e) / (2 * k0)


def _inverse(x: Floats, y: Floats, central_meridian_deg: float, standard_parallel_deg: float) -> tuple[Floats, Floats]:
    """Return longitudes and latitudes [°] of equal-area coordinates, by Newton's method (Snyder 3-16)."""
    a, e = _ellipsoid()
    k0 = _scale(standard_parallel_deg, e)
    q = 2 * k0 * y / a
    phi = np.arcsin(np.clip(q / 2, -1, 1))
    for _ in range(_NEWTON_STEPS):
        sine = np.sin(phi)
        phi = phi + (q - _q(sine, e)) * (1 - (e * sine) ** 2) ** 2 / (2 * (1 - e**2) * np.cos(phi))
    return central_meridian_deg + np.degrees(x / (a * k0)), np.degrees(phi)


_NEWTON_STEPS = 6


# ------------------------------------------------------------------------------------------------- cells


@dataclass(frozen=True, slots=True)
class Overlay:
    """Which part of which district lies in which cell.

    Attributes
    ----------
    x_m, y_m
        Centres of columns and rows [m].
    cell_m
        Width and height of a cell [m].
    central_meridian_deg, standard_parallel_deg
        Of the projection [°].
    ids
        Districts.
    district, row, column
        Index of the district, row and column of each part.
    area_m2
        Area of each part [m²].
    """

    x_m: Floats
    y_m: Floats
    cell_m: float
    central_meridian_deg: float
    standard_parallel_deg: float
    ids: tuple[str, ...]
    district: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]
    column: npt.NDArray[np.int64]
    area_m2: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.y_m), len(self.x_m)

    def tidy(self) -> DataFrame:
        """Return one row per part: ``adcode``, ``row``, ``column``, ``area_m2``."""
        return pl.DataFrame(
            {
                "adcode": np.asarray(self.ids, dtype=object)[self.district].tolist(),
                "row": self.row,
                "column": self.column,
                "area_m2": self.area_m2,
            }
        )

    def project(self, lon: npt.ArrayLike, lat: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Return x and y [m] of WGS-84 positions in the grid's plane."""
        return equal_area(
            lon,
            lat,
            central_meridian_deg=self.central_meridian_deg,
            standard_parallel_deg=self.standard_parallel_deg,
        )

    def count(self, lon: npt.ArrayLike, lat: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> Floats:
        """Return the points (or their weights) in each cell; points outside the grid are an error.

        Raises
        ------
        CoordinateError
            A point lies outside the grid.
        """
        x, y = self.project(lon, lat)
        column = np.floor((x - self.x_m[0]) / self.cell_m + 0.5).astype(np.int64)
        row = np.floor((y - self.y_m[0]) / self.cell_m + 0.5).astype(np.int64)
        out = (column < 0) | (column >= len(self.x_m)) | (row < 0) | (row >= len(self.y_m))
        if out.any():
            raise CoordinateError(
                f"{int(out.sum())} of {out.size} points lie outside the grid. Filter them to the districts."
            )
        flat = row * len(self.x_m) + column
        w = None if weights is None else np.broadcast_to(np.asarray(weights, dtype=float), flat.shape)
        return np.bincount(flat, weights=w, minlength=len(self.x_m) * len(self.y_m)).reshape(self.shape).astype(float)

    def length(self, lines: Sequence[npt.ArrayLike]) -> Floats:
        """Return the length [m] of lines (roads, rails) in each cell, in the grid's plane.

        Parameters
        ----------
        lines
            One array of longitudes and latitudes [°], shape (n, 2), per line.

        Notes
        -----
        Away from the standard parallel lengths in the plane are off by the projection's distortion (below 1.5 % within
        a degree of it); as a proxy only their proportions count.
        """
        import shapely

        total = np.zeros(self.shape)
        made = []
        for line in lines:
            lonlat = np.asarray(line, dtype=float)
            made.append(shapely.linestrings(np.column_stack(self.project(lonlat[:, 0], lonlat[:, 1]))))
        tree_boxes, rows, columns = self._boxes()
        tree = shapely.STRtree(tree_boxes)
        of_line, of_box = tree.query(np.asarray(made, dtype=object), predicate="intersects")
        pieces = shapely.length(shapely.intersection(np.asarray(made, dtype=object)[of_line], tree_boxes[of_box]))
        np.add.at(total, (rows[of_box], columns[of_box]), pieces)
        return total

    def _boxes(self) -> tuple[Any, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        import shapely

        row, column = (v.ravel() for v in np.indices(self.shape))
        half = self.cell_m / 2
        x, y = self.x_m[column], self.y_m[row]
        return shapely.box(x - half, y - half, x + half, y + half), row, column


def overlay(
    districts: DataFrame | LazyFrame, *, cell_km: float = 1.0, datum: str = "WGS-84", key: str = "adcode",
    geometry: str = "geometry_wkb", table: DataFrame | None = None,
) -> Overlay:  # fmt: skip
    """Lay a grid of equal-area cells over districts and return the part of each district in each cell.

    Parameters
    ----------
    districts
        One district a row, with its outline in WGS-84 degrees as well-known binary.
    cell_km
        Width and height of a cell [km].
    datum
        Datum of the outlines; another than WGS-84 is an error.
    key, geometry
        Columns of the key and of the outline.
    table
        Rules in place of the declared ones.

    Returns
    -------
    Overlay

    Raises
    ------
    CoordinateError
        The datum is another, or unknown.
    OverlapError
        Districts claim the same ground.
    DataError
        An outline is missing, empty or crosses itself; a key stands twice.
    RangeError
        A cell that is not above zero.

    Notes
    -----
    Cells inside one district are told by one prepared test; only cells on a border are intersected, each with the strip
    of its row, so that no intersection sees a whole outline.

    Examples
    --------
    >>> import shapely
    >>> outline = shapely.to_wkb(shapely.box(116.0, 40.0, 116.1, 40.1))
    >>> square = pl.DataFrame({"adcode": ["A"], "geometry_wkb": [outline]})
    >>> found = overlay(square, cell_km=2.0)
    >>> float(found.area_m2.sum()).__round__(-3)  # 0.1° by 0.1° on the ellipsoid
    94748000.0
    """
    import shapely

    places.guard_datum(datum)
    if not (math.isfinite(cell_km) and cell_km > 0):
        raise RangeError(f"cell_km is {cell_km}; expected a length above zero.")
    lf = districts.lazy()
    need_columns(lf, {key: "key of the district", geometry: "outline as well-known binary"}, what="overlay")
    frame = lf.select(key, geometry).collect()
    if frame[key].is_duplicated().any() or frame.drop_nulls().height < max(frame.height, 1):
        raise DataError("overlay needs districts with a key and an outline, each once. Drop or join the others.")
    shapes = shapely.from_wkb(frame[geometry].to_list())
    bad = [k for k, ok in zip(frame[key], shapely.is_valid(shapes) & ~shapely.is_empty(shapes), strict=True) if not ok]
    if bad:
        raise DataError(f"The outlines of {bad} are empty or cross themselves. Mend them with shapely.make_valid.")
    west, south, east, north = shapely.total_bounds(shapes)
    middle = (float((west + east) / 2), float((south + north) / 2))

    def plane(lonlat: Floats) -> Floats:
        return np.column_stack(
            equal_area(lonlat[:, 0], lonlat[:, 1], central_meridian_deg=middle[0], standard_parallel_deg=middle[1])
        )

    flat = shapely.transform(shapes, plane)
    cell = cell_km * M_PER_KM
    x0, y0, x1, y1 = shapely.total_bounds(flat)
    # Edges on whole multiples of the cell, so that grids of one centre and size lie upon each other.
    first = np.floor(np.array([x0, y0]) / cell)
    columns, rows = (np.ceil(np.array([x1, y1]) / cell) - first).astype(int)
    x = (first[0] + np.arange(columns) + 0.5) * cell
    y = (first[1] + np.arange(rows) + 0.5) * cell
    parts = [_cells(shape, x, y, cell) for shape in flat]
    district = np.repeat(np.arange(len(parts)), [len(p[2]) for p in parts])
    row, column, area = (np.concatenate([p[i] for p in parts]) for i in range(3))
    made = Overlay(x, y, cell, *middle, tuple(map(str, frame[key])), district, row, column, area)
    rule = rules(table)
    claimed = np.zeros(made.shape)
    np.add.at(claimed, (row, column), area)
    if claimed.max() > cell**2 * (1 + rule["overlap"]):
        raise OverlapError(
            f"Districts claim {claimed.max() / cell**2:.3f} times the area of a cell: outlines overlap. Give a clean "
            "coverage, or districts of one level."
        )
    covered = np.bincount(district, weights=area, minlength=len(parts)) / shapely.area(flat)
    if np.abs(covered - 1).max() > rule["uncovered"]:
        worst = int(np.abs(covered - 1).argmax())
        raise DataError(f"The cells hold {covered[worst]:.6f} of {made.ids[worst]}; expected all. Check its outline.")
    return made


def _cells(
    shape: Any, x: Floats, y: Floats, cell: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:
    """Return rows, columns and areas of the parts of one polygon."""
    import shapely

    half = cell / 2
    west, south, east, north = shapely.bounds(shape)
    i0, i1 = np.searchsorted(x + half, west, side="right"), np.searchsorted(x - half, east, side="left")
    j0, j1 = np.searchsorted(y + half, south, side="right"), np.searchsorted(y - half, north, side="left")
    row, column = (v.ravel() for v in np.mgrid[j0:j1, i0:i1])
    boxes = shapely.box(x[column] - half, y[row] - half, x[column] + half, y[row] + half)
    shapely.prepare(shape)
    inside = shapely.contains_properly(shape, boxes)
    edge = ~inside & shapely.intersects(shape, boxes)
    area = np.where(inside, cell**2, 0.0)
    strips = shapely.intersection(shape, shapely.box(west, y[j0:j1] - half, east, y[j0:j1] + half))
    area[edge] = shapely.area(shapely.intersection(strips[row[edge] - j0], boxes[edge]))
    kept = area > 0
    return row[kept], column[kept], area[kept]


# ------------------------------------------------------------------------------------------------ totals


def weights(
    frame: DataFrame | LazyFrame, proxies: Mapping[str, float], *, key: str = "adcode", if_empty: IfEmpty = "refuse"
) -> DataFrame:
    """Return the share of each place in a total, by one or several proxies.

    Parameters
    ----------
    frame
        One place a row, with a column per proxy (zero or more).
    proxies
        Weight of each proxy; they add up to 1. Each proxy is made a share of its own sum first.
    key
        Column of the key.
    if_empty
        What to do with a proxy that is zero everywhere: ``"refuse"``, or ``"area"`` to take ``area_km2`` in its stead.

    Returns
    -------
    polars.DataFrame
        ``key`` and ``share``, which adds up to 1.

    Raises
    ------
    SchemaError
        A column is missing.
    DataError
        A place twice, a proxy that is missing, negative or (with ``"refuse"``) zero everywhere.
    RangeError
        Weights that are negative or don't add up to 1.

    Examples
    --------
    >>> rows = pl.DataFrame({"adcode": ["A", "B"], "population_persons": [30.0, 10.0], "gdp_cny": [1.0, 3.0]})
    >>> weights(rows, {"population_persons": 0.5, "gdp_cny": 0.5})["share"].to_list()
    [0.5, 0.5]
    """
    off = abs(math.fsum(proxies.values()) - 1)
    if not proxies or any(w < 0 for w in proxies.values()) or off > rules()["conservation"]:
        raise RangeError(f"The weights of the proxies are {dict(proxies)}; expected numbers from 0 that add up to 1.")
    lf = frame.lazy()
    schema = need_columns(lf, [key, *proxies], what="weights")
    need_numbers(schema, list(proxies), what="weights")
    rows = lf.collect()
    if rows[key].is_duplicated().any():
        raise DataError(f"A place stands twice in {key!r}; its share would count twice. Keep one year.")
    share = np.zeros(rows.height)
    for name, weight in proxies.items():
        values = _proxy(rows, name, key)
        if not math.fsum(values):
            if if_empty == "refuse":
                raise DataError(f"The proxy {name!r} is zero everywhere, so that nothing can be allocated by it.")
            need_columns(lf, ["area_km2"], what="weights with if_empty='area'")
            values = _proxy(rows, "area_km2", key)
        share += weight * values / math.fsum(values)
    return rows.select(key).with_columns(pl.Series("share", share / math.fsum(share)))


def _proxy(rows: DataFrame, name: str, key: str) -> Floats:
    values = rows[name].cast(pl.Float64)
    bad = rows.filter(~(values.is_finite() & (values >= 0)).fill_null(False))
    if bad.height:
        raise DataError(
            f"The proxy {name!r} is missing or negative in {bad.height} places, the first is {bad[key][0]!r}; a "
            "share of the total would be lost. Fill it, leave the places out of the total too, or take another proxy."
        )
    return values.to_numpy()


def sector_proxies(sector: str, *, table: DataFrame | None = None) -> dict[str, float]:
    """Return the declared proxies of a sector with their weights.

    Raises
    ------
    UnknownNameError
        None is declared. Power has none on purpose: its few plants belong on the map as points.

    Examples
    --------
    >>> sector_proxies("commercial")
    {'gdp_cny': 0.5, 'population_persons': 0.5}
    """
    rows = tables.read("carbon_grid_proxies") if table is None else table
    found = rows.filter(sector=sector)
    if not found.height:
        known = rows["sector"].unique(maintain_order=True).to_list()
        raise suggest(sector, known, what="sector with a proxy", see="the table datasets/codes/carbon_grid_proxies.csv")
    return dict(found.select("proxy", pl.col("share").cast(pl.Float64)).iter_rows())


def to_districts(
    total_t: float, frame: DataFrame | LazyFrame, proxies: Mapping[str, float], *, key: str = "adcode",
    errors: DataFrame | None = None, level: float = LEVEL, if_empty: IfEmpty = "refuse",
) -> DataFrame:  # fmt: skip
    """Allocate a total to places by proxies.

    Parameters
    ----------
    total_t
        Total [t], zero or more.
    frame, proxies, key, if_empty
        As in :func:`weights`.
    errors
        What :func:`leave_one_out` gave for the same proxies: its ratios of truth to prediction make the interval.
    level
        Level of the interval.

    Returns
    -------
    polars.DataFrame
        ``key``, ``share``, ``allocated_co2_t``, ``allocated_lower_co2_t``, ``allocated_upper_co2_t`` (null without
        ``errors``), ``n`` (held-out places behind the interval), ``proxy``. The allocations add up to the total; the
        bounds are of each place by itself and don't.

    Raises
    ------
    RangeError
        A negative or infinite total.

    Examples
    --------
    >>> rows = pl.DataFrame({"adcode": ["A", "B"], "population_persons": [30.0, 10.0]})
    >>> to_districts(100.0, rows, {"population_persons": 1.0})["allocated_co2_t"].to_list()
    [75.0, 25.0]
    """
    if not (math.isfinite(total_t) and total_t >= 0):
        raise RangeError(f"The total is {total_t} t; expected zero or more. Sinks are allocated by themselves.")
    share = weights(frame, proxies, key=key, if_empty=if_empty)
    told = " + ".join(f"{w:g} {p}" if w != 1 else p for p, w in proxies.items())
    low: float | None = None
    high: float | None = None
    n: int | None = None
    if errors is not None:
        ratio = (errors["truth"] / errors["predicted"]).to_numpy()
        n = len(ratio)
        # With n held-out places the widest interval there is runs from the least to the greatest ratio.
        low, high = (float(v) for v in np.quantile(ratio, [(1 - level) / 2, (1 + level) / 2]))
    given = pl.col("share") * total_t
    made = share.with_columns(
        given.alias("allocated_co2_t"),
        pl.lit(None if low is None else min(low, 1.0), dtype=pl.Float64).alias("_low"),
        pl.lit(None if high is None else max(high, 1.0), dtype=pl.Float64).alias("_high"),
        pl.lit(n, dtype=pl.Int64).alias("n"),
        pl.lit(told).alias("proxy"),
    )
    _must_conserve(made["allocated_co2_t"].to_numpy(), total_t, "the places")
    return made.select(
        key, "share", "allocated_co2_t", (given * pl.col("_low")).alias("allocated_lower_co2_t"),
        (given * pl.col("_high")).alias("allocated_upper_co2_t"), "n", "proxy",
    )  # fmt: skip


def leave_one_out(
    frame: DataFrame | LazyFrame, value: str, proxies: Mapping[str, float], *, key: str = "adcode"
) -> DataFrame:
    """Predict each place with a known value from its proxies and the values of the others.

    A place's prediction is the sum of the others' values, times the place's share of the proxies over that of the
    others: what allocation would have given it, had the total of the rest been known and its own value not.

    Parameters
    ----------
    frame
        One place a row, truth and proxies known.
    value
        Column of the truth (above zero).
    proxies, key
        As in :func:`weights`.

    Returns
    -------
    polars.DataFrame
        One row per place: ``key``, ``truth``, ``predicted``, ``error_pct`` (predicted less truth, relative to truth),
        ``n``, sorted by the size of the error.

    Raises
    ------
    DataError
        Fewer than three places, a truth that is missing or not above zero.

    Examples
    --------
    >>> known = {"gdp_cny": [10.0, 20.0, 60.0], "population_persons": [1.0, 2.0, 3.0]}
    >>> rows = pl.DataFrame({"adcode": ["A", "B", "C"], **known})
    >>> leave_one_out(rows, "gdp_cny", {"population_persons": 1.0}).filter(adcode="C")["predicted"].item()
    30.0
    """
    lf = frame.lazy()
    need_numbers(need_columns(lf, [key, value], what="leave_one_out"), [value], what="leave_one_out")
    rows = lf.collect()
    truth = rows[value].cast(pl.Float64)
    if rows.height < MIN_PLACES or not (truth.is_finite() & (truth > 0)).fill_null(False).all():
        raise DataError(
            f"leave_one_out needs three places and more with a {value!r} above zero; it has {rows.height}. Filter to "
            "the places whose truth is known."
        )
    share = weights(rows, proxies, key=key)["share"].to_numpy()
    known = truth.to_numpy()
    others = known.sum() - known
    if (share >= 1).any():
        raise DataError("One place holds all of the proxy; the others say nothing about it.")
    predicted = others * share / (1 - share)
    return (
        rows.select(key)
        .with_columns(pl.Series("truth", known), pl.Series("predicted", predicted))
        .with_columns(pl.len().cast(pl.Int64).alias("n"))
        .with_columns((100 * (pl.col("predicted") / pl.col("truth") - 1)).alias("error_pct"))
        .sort(pl.col("error_pct").abs(), descending=True)
        .select(key, "truth", "predicted", "error_pct", "n")
    )


def allocation_error(errors: DataFrame) -> DataFrame:
    """Return one row that sums up held-out predictions.

    Returns
    -------
    polars.DataFrame
        ``n``, ``wape_pct`` (sum of absolute errors over sum of truth), ``median_error_pct`` and ``worst_error_pct``
        (absolute), ``r`` (correlation of the logarithms; null where a prediction is zero).

    Examples
    --------
    >>> allocation_error(pl.DataFrame({"truth": [10.0, 10.0], "predicted": [9.0, 12.0]}))["wape_pct"].item()
    15.0
    """
    truth, predicted = pl.col("truth"), pl.col("predicted")
    off = (predicted - truth).abs()
    logs = pl.corr(truth.log(), predicted.log())
    return errors.select(
        pl.len().cast(pl.Int64).alias("n"),
        (100 * off.sum() / truth.sum()).alias("wape_pct"),
        (100 * off / truth).median().alias("median_error_pct"),
        (100 * off / truth).max().alias("worst_error_pct"),
        pl.when(predicted.min() > 0).then(logs).alias("r"),
    )


# ------------------------------------------------------------------------------------------------- cells


def to_cells(
    allocated: DataFrame | LazyFrame, cells: Overlay, *, value: str = "allocated_co2_t", key: str = "adcode",
    proxy: xr.DataArray | npt.ArrayLike | None = None, proxy_name: str = AREA, if_empty: IfEmpty = "area",
    name: str = "co2_t", source: str = "",
) -> xr.Dataset:  # fmt: skip
    """Spread the totals of districts over cells, each district's total inside its own border.

    Parameters
    ----------
    allocated
        One district a row: its key and its total [t].
    cells
        What :func:`overlay` gave.
    value, key
        Columns of the total and of the key.
    proxy
        Amount of the proxy in each cell (people, length of roads: see :meth:`Overlay.count`, :meth:`Overlay.length`),
        shape (rows, columns), zero or more; a cell on a border is parted by area. Default: area alone.
    proxy_name
        What it is called in the attributes.
    if_empty
        A district with a total but nothing of the proxy: ``"area"`` spreads its total evenly (and says so in the
        attributes), ``"refuse"`` is an error.
    name
        Name of the variable.
    source
        Where the totals come from, for the attributes.

    Returns
    -------
    xarray.Dataset
        Variable ``name`` (y, x) [t], NaN where no district is, ``cell_area_m2`` (of districts in the cell) and
        ``crs``; coordinates x, y [m], ``longitude_deg`` (x), ``latitude_deg`` (y). Attributes follow the CF
        conventions; ``conservation_error`` is the largest relative difference of any district's sum.

    Raises
    ------
    DataError
        Districts don't match, a total is missing or negative, the proxy is missing inside, or sums are not conserved.
    SchemaError
        The proxy has another shape.

    Examples
    --------
    >>> import shapely
    >>> outline = shapely.to_wkb(shapely.box(116.0, 40.0, 116.1, 40.1))
    >>> square = pl.DataFrame({"adcode": ["A"], "geometry_wkb": [outline]})
    >>> grid = to_cells(pl.DataFrame({"adcode": ["A"], "allocated_co2_t": [500.0]}), overlay(square))
    >>> round(float(grid["co2_t"].sum()), 9)
    500.0
    """
    import xarray as xr

    lf = allocated.lazy()
    need_columns(lf, [key, value], what="to_cells")
    rows = lf.select(key, value).collect()
    totals = dict(zip(map(str, rows[key]), rows[value].cast(pl.Float64), strict=True))
    if set(totals) != set(cells.ids) or len(totals) < rows.height:
        odd = sorted(set(totals) ^ set(cells.ids))
        raise DataError(f"Totals and districts don't match: {odd or 'one stands twice'}. Give one total for each.")
    if bad := [k for k, v in totals.items() if v is None or not math.isfinite(v) or v < 0]:
        raise DataError(f"The totals of {bad} are missing or negative; expected zero or more.")
    part = cells.area_m2.copy()
    if proxy is not None:
        values = np.asarray(proxy, dtype=float)
        if values.shape != cells.shape:
            raise SchemaError(f"The proxy has the shape {values.shape}; the grid has {cells.shape} (rows, columns).")
        # A cell on a border is parted by the area of each district in it, over what is claimed of the cell.
        claimed = np.zeros(cells.shape)
        np.add.at(claimed, (cells.row, cells.column), cells.area_m2)
        here = values[cells.row, cells.column]
        if not np.isfinite(here).all() or (here < 0).any():
            raise DataError(
                f"The proxy {proxy_name!r} is missing or negative in cells of the districts. Fill it with 0."
            )
        part = here * cells.area_m2 / claimed[cells.row, cells.column]
    count = len(cells.ids)
    sums = np.bincount(cells.district, weights=part, minlength=count)
    want = np.array([totals[k] for k in cells.ids])
    empty = (sums <= 0) & (want > 0)
    if empty.any():
        names = [k for k, e in zip(cells.ids, empty, strict=True) if e]
        if if_empty == "refuse":
            raise DataError(f"The proxy {proxy_name!r} is zero in all of {names}, which have a total to be spread.")
        part = np.where(empty[cells.district], cells.area_m2, part)
        sums = np.bincount(cells.district, weights=part, minlength=count)
    given = part * (want / np.where(sums > 0, sums, 1.0))[cells.district]
    back = np.bincount(cells.district, weights=given, minlength=count)
    error = max((abs(b - w) / w for b, w in zip(back, want, strict=True) if w), default=0.0)
    if error > rules()["conservation"]:
        raise DataError(f"The cells of a district differ from its total by {error:.2e}: mass was not conserved.")
    field = np.full(cells.shape, np.nan)
    field[cells.row, cells.column] = 0.0
    np.add.at(field, (cells.row, cells.column), given)
    area = np.zeros(cells.shape)
    np.add.at(area, (cells.row, cells.column), cells.area_m2)
    a, _ = _ellipsoid()
    lon, _ = _inverse(cells.x_m, np.zeros(1), cells.central_meridian_deg, cells.standard_parallel_deg)
    _, lat = _inverse(np.zeros(1), cells.y_m, cells.central_meridian_deg, cells.standard_parallel_deg)
    fallback = [k for k, e in zip(cells.ids, empty, strict=True) if e]
    crs = {
        "grid_mapping_name": "lambert_cylindrical_equal_area",
        "standard_parallel": cells.standard_parallel_deg,
        "longitude_of_central_meridian": cells.central_meridian_deg,
        "false_easting": 0.0,
        "false_northing": 0.0,
        "semi_major_axis": a,
        "inverse_flattening": rules()["inverse_flattening"],
        "horizontal_datum_name": "World Geodetic System 1984",
    }
    told = {"long_name": "carbon dioxide emissions of the cell, allocated", "units": "t", "grid_mapping": "crs"}
    return xr.Dataset(
        {
            name: (("y", "x"), field, {**told, "cell_methods": "area: sum", "proxy": proxy_name}),
            "cell_area_m2": (("y", "x"), area, {"long_name": "area of districts in the cell", "units": "m2"}),
            "crs": ((), np.int32(0), crs),
        },
        coords={
            "x": ("x", cells.x_m, {"standard_name": "projection_x_coordinate", "units": "m"}),
            "y": ("y", cells.y_m, {"standard_name": "projection_y_coordinate", "units": "m"}),
            "longitude_deg": ("x", lon, {"standard_name": "longitude", "units": "degrees_east"}),
            "latitude_deg": ("y", lat, {"standard_name": "latitude", "units": "degrees_north"}),
        },
        attrs={
            "Conventions": CONVENTIONS,
            "title": "Emissions spread over equal-area cells; modelled, not measured",
            "source": source or "totals of districts given by the user",
            "datum": "WGS-84",
            "cell_m": cells.cell_m,
            "proxy": proxy_name,
            "spread_by_area": ",".join(fallback),
            "total_t": float(want.sum()),
            "conservation_error": float(error),
            "comment": "A proxy says where people, money or roads are; the pattern is no better than that.",
        },
    )


def to_periods(
    grid: xr.Dataset, shares: DataFrame | LazyFrame, *, time: str = "month_start", share: str = "share",
    name: str = "co2_t",
) -> xr.Dataset:  # fmt: skip
    """Spread a year's cells over months or days by shares of the year, the same in every cell.

    Parameters
    ----------
    grid
        What :func:`to_cells` gave, for a year.
    shares
        One period a row: its first day, and a share or any amount of zero or more that has the shape of the year
        (the monthly total of the city, say); they are made to add up to 1.
    time, share
        Columns of the first day and of the share.
    name
        Variable to be spread.

    Returns
    -------
    xarray.Dataset
        Variable ``name`` (time, y, x) [t]; the sum over time is what went in, to 1e-9.

    Raises
    ------
    DataError
        A period twice, a share that is missing or negative, all zero, or periods that don't lie in one year.

    Examples
    --------
    >>> import shapely
    >>> outline = shapely.to_wkb(shapely.box(116.0, 40.0, 116.1, 40.1))
    >>> square = pl.DataFrame({"adcode": ["A"], "geometry_wkb": [outline]})
    >>> grid = to_cells(pl.DataFrame({"adcode": ["A"], "allocated_co2_t": [500.0]}), overlay(square, cell_km=5.0))
    >>> starts = pl.Series(["2020-01-01", "2020-02-01"]).str.to_date()
    >>> months = pl.DataFrame({"month_start": starts, "share": [3.0, 1.0]})
    >>> [round(float(v), 9) for v in to_periods(grid, months)["co2_t"].sum(["y", "x"])]
    [375.0, 125.0]
    """
    lf = shares.lazy()
    schema = need_columns(lf, {time: "first day of the period", share: "share of the year"}, what="to_periods")
    need_numbers(schema, [share], what="to_periods")
    rows = lf.select(pl.col(time).cast(pl.Date), pl.col(share).cast(pl.Float64)).sort(time).collect()
    if name not in grid or grid[name].dims != ("y", "x"):
        raise SchemaError(f"to_periods needs {name!r} over (y, x), one year; the grid has {dict(grid.sizes)}.")
    if not (rows[share].is_finite() & (rows[share] >= 0)).fill_null(False).all() or not math.fsum(rows[share]):
        raise DataError("A share is missing or negative, or all are zero; nothing can be spread by them.")
    years = rows[time].dt.year().unique().to_list()
    if rows[time].is_duplicated().any() or None in years or len(years) != 1:
        raise DataError(f"The periods must be of one year, each once; they lie in {years}. Spread each year by itself.")
    part = rows[share].to_numpy() / math.fsum(rows[share])
    at = rows[time].cast(pl.Datetime("ns")).to_numpy()
    field = grid[name].values[None, :, :] * part[:, None, None]
    # The last digit of a sum of doubles; what is left of the year goes to the largest share.
    top = int(part.argmax())
    field[top] += grid[name].values - field.sum(axis=0)
    made = grid.drop_vars(name).assign({name: (("time", "y", "x"), field, grid[name].attrs)})
    made = made.assign_coords(time=("time", at, {"standard_name": "time", "long_name": "first day of the period"}))
    before, after = float(np.nansum(grid[name].values)), float(np.nansum(field))
    _must_conserve(np.array([after]), before, "the periods")
    result: xr.Dataset = made.assign_attrs(
        {"temporal_shape": "one for all cells: a cell's own seasons are not in it", "total_t": before}
    )
    return result


def _must_conserve(parts: Floats, total: float, what: str) -> None:
    got = math.fsum(parts)
    if abs(got - total) > rules()["conservation"] * max(abs(total), np.finfo(float).tiny):
        raise DataError(f"{what} add up to {got}, the total is {total}: mass was not conserved.")
