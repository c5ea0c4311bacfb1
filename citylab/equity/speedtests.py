"""Speed tests by tile: small samples drawn towards the mean, tiles joined, tests brought to areas without losing one.

Tiles are squares of the Web-Mercator grid, named by quadkeys (one base-4 digit per zoom level, text). Their figures are
means of tests that people chose to make, often because something was wrong or new: every result carries the caveat
``self_selected`` and the quarter that it was made from. Nothing here makes them stand for residents.

The functions take any such table; Ookla's own tiles are licensed for non-commercial use only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from citylab.equity.space.neighbours import need_binary, one_row_each, outlines
from citylab.equity.space.rules import rule
from citylab.errors import DataError, EditionError, RangeError, SchemaError
from citylab.frames import Frame, keys_of, lazily, need_columns, need_numbers, refuse

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

Method = Literal["centre", "share"]
SPEEDS = ("download_kbps", "upload_kbps", "latency_msec")
TESTS, DEVICES = "speedtest_count", "device_count"
DEVICE_TILES = "device_tile_count"
SELF_SELECTED, OUTSIDE, MISSING = "self_selected", "outside", "missing"
FEW_TILES, FEW_COUNTS, NO_SPREAD, COUNT_TELLS = "few_tiles", "few_counts", "no_excess_variation", "count_tells_speed"

_QUARTER = re.compile(r"\d{4}-Q[1-4]")
_BASE = 4
_TURN = 360.0
_SHRUNKEN = {
    "value": pl.Float64(), "shrunken": pl.Float64(), "lower": pl.Float64(), "upper": pl.Float64(),
    "level": pl.Float64(), "own_share": pl.Float64(), "mean": pl.Float64(), "spread_between": pl.Float64(),
    "spread_within": pl.Float64(), "n": pl.Int64(), "n_missing": pl.Int64(), "vintage": pl.String(),
    "caveat": pl.String(), "note": pl.String(),
}  # fmt: skip


def shrunken_speeds(
    tiles: Frame,
    value: str = "download_kbps",
    *,
    vintage: str,
    tile: str = "quadkey",
    by: str | Sequence[str] | None = "network",
    count: str = DEVICES,
    level: float = 0.95,
) -> Frame:
    """Return the speeds of tiles drawn towards the mean of all by how few devices they rest on (empirical Bayes).

    Half of all tiles rest on a handful of tests. The rule: tiles of k devices have the mean m(k), a power of k, because
    tiles where few test can truly be slower. A tile's own mean varies about it by ``spread_between``, and the mean of
    its k devices about that by ``spread_within`` / k, both as shares of the square of m(k). The tile's figure counts
    for ``own_share`` = spread_between / (spread_between + spread_within / k), and m(k) for the rest. Devices count, not
    tests: tests of one device are alike.

    Parameters
    ----------
    tiles
        One row per tile, and per group of ``by``.
    value
        Column of means that are above 0: ``download_kbps``, ``upload_kbps`` or ``latency_msec``.
    vintage
        Quarter that the tiles are of, such as ``"2020-Q4"``; it is written beside every row.
    tile
        Column of the tiles' keys.
    by
        Columns of groups, each with a mean and spreads of its own; fixed and mobile are never mixed if both are there.
    count
        Column of devices behind each mean, 1 or more.
    level
        Level of the intervals.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per tile, sorted by the columns of ``by`` and the tile: ``value`` as published; ``shrunken`` with
        ``lower``, ``upper`` and ``level``; ``own_share`` (weight of the tile's own figure, 0 to 1); ``mean`` (of tiles
        of as many devices), all speeds in the unit of the value; ``spread_between`` and ``spread_within`` as above;
        ``n`` and ``n_missing`` (tiles of the group with and without figures), ``vintage``, ``caveat``
        (``self_selected``) and ``note``: ``count_tells_speed`` where tiles of few devices are faster or slower than
        those of many by more than chance makes them, so that it matters who tests where; ``no_excess_variation`` where
        tiles differ no more than their devices do, so that all get the mean; ``few_tiles`` (below 10) and
        ``few_counts`` (below 3 different numbers of devices), which leave no estimate; ``missing``.

    Raises
    ------
    SchemaError, RangeError, EditionError
        A column is missing or of another type; no quarter; a ``vintage`` in the frame is another one.
    DataError
        On collecting: speeds that are not above 0 and finite, a count below 1, a tile twice in a group.

    Notes
    -----
    Intervals hold mean and spreads for known, and the tiles' own means for gamma distributed. On Ookla's tiles the
    spread of speeds falls as 1 / k, that of their logs does not: hence no logs here. What is drawn to the mean is less
    unequal than the truth: do not feed it to a measure of inequality.

    Examples
    --------
    >>> some = pl.DataFrame({"quadkey": [f"03230{i}{j}" for i in range(4) for j in range(3)], "network": "fixed",
    ...     "download_kbps": [1e3, 40e3, 30e3, 90e3, 30e3, 50e3, 9e3, 70e3, 40e3, 200e3, 50e3, 45e3],
    ...     "device_count": [1, 5, 50] * 4})
    >>> told = shrunken_speeds(some, vintage="2020-Q4")
    >>> told.head(3)["own_share"].is_sorted(), (told["value"] - told["shrunken"]).abs().arg_max()
    (True, 9)

    References
    ----------
    Bühlmann and Straub (1970), Glaubwürdigkeit für Schadensätze, Bulletin of the Swiss Association of Actuaries 70,
    111-133. Efron and Morris (1973), Stein's estimation rule and its competitors: an empirical Bayes approach, JASA 68,
    117-130. doi:10.1080/01621459.1973.10481350
    """
    lf, back = lazily(tiles)
    keys: list[str] = keys_of(by)
    schema = _checked(lf, [*keys], [value, count], tile, vintage, what="shrunken_speeds")
    if clash := sorted({*keys, tile} & set(_SHRUNKEN)):
        raise SchemaError(f"shrunken_speeds: column {clash[0]!r} has the name of a column of the result; rename it.")
    if not 0 < level < 1:
        raise RangeError(f"shrunken_speeds: level is {level}; expected a share between 0 and 1, such as 0.95.")
    out = pl.Schema({**{c: schema[c] for c in [*keys, tile]}, **_SHRUNKEN})

    def work(table: pl.DataFrame) -> pl.DataFrame:
        rows = table.select(
            *keys, tile, pl.col(value).cast(pl.Float64).fill_nan(None).alias("value"),
            pl.col(count).cast(pl.Float64).fill_nan(None).alias(_COUNT),
        )  # fmt: skip
        _refuse_means(rows, tile, value, count)
        parts = (rows.partition_by(keys) if keys else []) or [rows]
        told = pl.concat([_shrunken(part, tile, level, vintage) for part in parts])
        return told.select(out.names()).sort(*keys, tile)

    return back(_pinned(lf, vintage).select(*keys, tile, value, count).map_batches(work, schema=out))


_COUNT = "_count"


def _refuse_means(rows: pl.DataFrame, tile: str, value: str, count: str) -> None:
    x, k = pl.col("value"), pl.col(_COUNT)
    for wrong, told in (
        (~(x.is_finite() & (x > 0)), f"{value} is not above 0 and finite: a test that failed is no speed"),
        (~(k.is_finite() & (k >= 1)), f"{count} is below 1"),
    ):
        bad = rows.filter(wrong)
        if bad.height:
            row = bad.row(0, named=True)
            raise DataError(
                f"shrunken_speeds: tile {row[tile]!r} has {row['value']} of {row[_COUNT]} devices: {told}; "
                f"{bad.height} such rows."
            )


def _shrunken(part: pl.DataFrame, tile: str, level: float, vintage: str) -> pl.DataFrame:
    from scipy import stats

    one_row_each(part, tile, "shrunken_speeds")
    whole = pl.all_horizontal(pl.col("value", _COUNT).is_not_null())
    rows, gaps = part.filter(whole), part.filter(~whole)
    alike: dict[str, Any] = {
        "level": level, "n": rows.height, "n_missing": gaps.height, "vintage": vintage, "caveat": SELF_SELECTED,
    }  # fmt: skip
    made: dict[str, Any] = {}
    note: str | None = FEW_TILES
    if rows.height >= rule("least_tiles"):
        note = FEW_COUNTS
    if note == FEW_COUNTS and rows[_COUNT].n_unique() >= rule("least_counts"):
        x, k = rows["value"].to_numpy(), rows[_COUNT].to_numpy()
        fit = fitted(x, k)
        own = fit.between / (fit.between + fit.within / k)
        mean = fit.mean * k**fit.slope
        centre = own * x + (1 - own) * mean
        shape = (centre / mean) ** 2 / (fit.between * (1 - own))
        low, high = (stats.gamma.ppf((1 + side * level) / 2, shape, scale=centre / shape) for side in (-1, 1))
        made = {
            "shrunken": centre, "lower": low, "upper": high, "own_share": own, "mean": mean,
            "spread_between": np.full(len(x), fit.between), "spread_within": np.full(len(x), fit.within),
        }  # fmt: skip
        is_told, is_flat = abs(fit.slope_score) > rule("count_tells"), fit.between <= 2 * rule("smallest_spread")
        note = NO_SPREAD if is_flat else COUNT_TELLS if is_told else None
    told = rows.with_columns(
        *(pl.Series(c, v) for c, v in made.items()),
        *(pl.lit(None, pl.Float64).alias(c) for c in _ESTIMATES if c not in made),
        pl.lit(note, pl.String).alias("note"),
    )
    empty = gaps.with_columns(*(pl.lit(None, pl.Float64).alias(c) for c in _ESTIMATES), pl.lit(MISSING).alias("note"))
    return pl.concat([told, empty.select(told.columns)]).with_columns(
        pl.lit(v, _SHRUNKEN[c]).alias(c) for c, v in alike.items()
    )


_ESTIMATES = ("shrunken", "lower", "upper", "own_share", "mean", "spread_between", "spread_within")


@dataclass(frozen=True)
class Fit:
    """What the tiles of a group have in common.

    Attributes
    ----------
    mean
        Mean of tiles of one device [unit of the value].
    slope, slope_score
        Power of the number of devices by which the mean rises, and its z-score.
    between, within
        Variance of the tiles' own means, and of the devices of a tile, both over the square of the mean.
    """

    mean: float
    slope: float
    slope_score: float
    between: float
    within: float


def fitted(x: Floats, count: Floats) -> Fit:
    """Return mean, slope and the two spreads by normal pseudo-likelihood, which takes two moments to be right, no more.

    Parameters
    ----------
    x
        Means of tiles, above 0.
    count
        Devices behind each, of three different numbers at least: between and within tiles is told apart by how the
        spread falls as devices rise.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> count = rng.integers(1, 40, 9000).astype(float)
    >>> own = rng.gamma(1 / 0.3, 0.3 * 50, 9000)
    >>> fit = fitted(own * rng.gamma(count / 1.5, 1.5 / count), count)
    >>> round(fit.mean, -1), round(fit.between, 1), round(fit.within / (1 + 0.3), 1), abs(fit.slope_score) < 3
    (50.0, 0.3, 1.5, True)
    """
    from scipy.optimize import minimize

    # Tiles of equally many devices differ in x alone: their sums are enough.
    sizes, group = np.unique(count, return_inverse=True)
    whole = float(x.mean())
    n = np.bincount(group).astype(np.float64)
    at = np.bincount(group, weights=x / whole) / n
    squares = np.bincount(group, weights=(x / whole - at[group]) ** 2)
    depth = np.log(sizes)

    def surprise(p: Floats) -> float:
        log_mean, spread = p[0] + p[1] * depth, np.exp(p[2]) + np.exp(p[3]) / sizes
        off = (squares + n * (at - np.exp(log_mean)) ** 2) / (np.exp(2 * log_mean) * spread)
        return float(n @ (2 * log_mean + np.log(spread)) + off.sum()) / len(x)

    small, large = np.log(rule("smallest_spread")), np.log(rule("largest_spread"))
    half = float(np.clip(np.log(float(np.var(x / whole)) / 2 + rule("smallest_spread")), small, large))
    bounds = [(small, large), (-large, large), (small, large), (small, large)]
    best = minimize(surprise, [0.0, 0.0, half, half], method="L-BFGS-B", bounds=bounds).x
    between, within = (float(v) for v in np.exp(best[2:]))
    weight = n / (between + within / sizes)
    centred = depth - (weight @ depth) / weight.sum()
    score = float(best[1] * np.sqrt(weight @ centred**2))
    return Fit(whole * float(np.exp(best[0])), float(best[1]), score, between, within)


def parent_tiles(
    tiles: Frame, *, zoom: int, vintage: str, tile: str = "quadkey", by: str | Sequence[str] | None = "network"
) -> Frame:
    """Return tiles joined to the larger ones that hold them.

    Speeds and latency are weighted by tests, as the publisher's own means are, so that joining in steps or at once
    gives the same; tests are added up and none is lost.

    Parameters
    ----------
    tiles
        One row per tile, and per group of ``by``: ``download_kbps``, ``upload_kbps``, ``latency_msec``,
        ``speedtest_count``, and ``device_count`` or, if joined before, ``device_tile_count``.
    zoom
        Zoom level of the larger tiles, 1 up to that of the smaller ones; each step makes the side twice as long.
    vintage, tile, by
        As in :func:`shrunken_speeds`.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per larger tile, sorted: the columns of ``by``, the key, the means, ``speedtest_count``,
        ``device_tile_count`` (a device seen in two of the smaller tiles counts twice), ``n_tiles``, ``vintage``,
        ``caveat``. A mean that a tile lacks is left out of the larger one's mean, and its tests of that mean's weight.

    Raises
    ------
    SchemaError, RangeError, EditionError
        A column is missing or of another type, a key read as a number; no such zoom; no quarter, or another one.
    DataError
        On collecting: keys that are none, or shorter than ``zoom``; speeds or counts below 0 or infinite; a tile twice
        in a group.

    Examples
    --------
    >>> four = pl.DataFrame({"quadkey": ["0320", "0321", "0322", "0330"], "network": "fixed",
    ...     "download_kbps": [100.0, 200.0, 300.0, 50.0], "upload_kbps": 10.0, "latency_msec": 20.0,
    ...     "speedtest_count": [1, 1, 2, 5], "device_count": [1, 1, 1, 2]})
    >>> parent_tiles(four, zoom=3, vintage="2020-Q4").select("quadkey", "download_kbps", "speedtest_count").rows()
    [('032', 225.0, 4.0), ('033', 50.0, 5.0)]
    """
    if zoom < 1:
        raise RangeError(f"parent_tiles: zoom is {zoom}; expected 1 or more.")
    lf, back = lazily(tiles)
    keys: list[str] = keys_of(by)
    lf = _sound(lf, keys, tile, vintage, zoom=zoom, what="parent_tiles")
    larger = lf.with_columns(pl.col(tile).str.slice(0, zoom))
    joined = larger.group_by([*keys, tile]).agg(*_joined())
    return back(_labelled(joined, [*keys, tile], vintage).sort(*keys, tile))


def speeds_of_areas(
    tiles: Frame,
    areas: pl.DataFrame | pl.LazyFrame,
    place: str,
    *,
    vintage: str,
    geometry: str = "geometry_wkb",
    method: Method = "centre",
    tile: str = "quadkey",
    by: str | Sequence[str] | None = "network",
) -> Frame:
    """Return speeds of areas from the tiles within them; what lies in none of them keeps a row of its own.

    Parameters
    ----------
    tiles, vintage, tile, by
        As in :func:`parent_tiles`.
    areas
        One row per area.
    place
        Column of the areas' ids.
    geometry
        Column of their polygons as well-known binary, WGS-84. Areas must not overlap.
    method
        ``"centre"`` gives a tile to the area that its centre lies in (of several that touch there, the first by id);
        ``"share"`` parts its tests by the shares of its square, as if they were made evenly all over it.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group and area with tests, sorted: the columns of ``by``, the place (null: outside of all areas),
        means, ``speedtest_count``, ``device_tile_count``, ``n_tiles`` (tiles or parts of tiles), ``vintage``,
        ``caveat``, and ``note`` (``outside``). Counts are numbers of any kind, because parts of tiles are; over all
        rows of a group they add up to those of the tiles.

    Raises
    ------
    SchemaError, RangeError, EditionError, DataError
        As in :func:`parent_tiles`; no such method; an id of an area that is missing or stands twice.
    OverlapError
        On collecting: areas overlap, so that tests would count twice.

    Notes
    -----
    The means of an area are those of its tests, not of its residents: where few people test, they say little.

    Examples
    --------
    >>> import shapely
    >>> west = pl.DataFrame({"area": ["west"], "geometry_wkb": [shapely.to_wkb(shapely.box(-180, -80, 0, 80))]})
    >>> two = pl.DataFrame({"quadkey": ["0", "1"], "network": "fixed", "download_kbps": [100.0, 300.0],
    ...     "upload_kbps": 10.0, "latency_msec": 20.0, "speedtest_count": [2, 3], "device_count": [1, 2]})
    >>> speeds_of_areas(two, west, "area", vintage="2020-Q4").select("area", "download_kbps", "speedtest_count").rows()
    [('west', 100.0, 2.0), (None, 300.0, 3.0)]
    """
    if method not in {"centre", "share"}:
        raise RangeError(f"speeds_of_areas: method is {method!r}; expected 'centre' or 'share'.")
    lf, back = lazily(tiles)
    keys: list[str] = keys_of(by)
    held = areas.lazy()
    of_areas = need_columns(held, [place, geometry], what="speeds_of_areas (areas)")
    need_binary(of_areas[geometry], geometry, "speeds_of_areas (areas)")
    kind = of_areas[place]
    lf = _sound(lf, keys, tile, vintage, zoom=1, what="speeds_of_areas")
    schema = lf.collect_schema()
    if place in schema:
        raise SchemaError(f"speeds_of_areas: the tiles have a column {place!r} too; rename that of the areas.")
    out = pl.Schema({**schema, place: kind, _SHARE: pl.Float64()})

    def work(table: pl.DataFrame) -> pl.DataFrame:
        known = held.select(place, geometry).collect().sort(place)
        one_row_each(known, place, "speeds_of_areas (areas)")
        drawn = table.select(tile).unique(maintain_order=True)
        at, area, share = _laid(drawn[tile], known, place, geometry, method)
        parts = pl.DataFrame(
            {
                tile: drawn[tile].gather(at),
                place: known[place].gather(pl.Series(area, dtype=pl.Int64).replace(-1, None)),
                _SHARE: share,
            }
        )
        return table.join(parts, on=tile).select(out.names())

    split = lf.map_batches(work, schema=out).with_columns(pl.col(TESTS) * pl.col(_SHARE),
                                                          pl.col(DEVICE_TILES) * pl.col(_SHARE))  # fmt: skip
    joined = split.group_by([*keys, place]).agg(*_joined())
    note = pl.when(pl.col(place).is_null()).then(pl.lit(OUTSIDE)).alias("note")
    return back(_labelled(joined, [*keys, place], vintage).with_columns(note).sort(*keys, place, nulls_last=True))


_SHARE = "_share"


def _laid(
    tiles: pl.Series, areas: pl.DataFrame, place: str, geometry: str, method: Method
) -> tuple[Ints, Ints, Floats]:
    """Return tile, area (-1: none) and share of the tile for each part; the shares of a tile add up to 1."""
    import shapely

    shapes, _, _ = outlines(areas, place, geometry, what="speeds_of_areas")
    west, south, east, north = tile_bounds(tiles)
    tree = shapely.STRtree(shapes)
    if method == "centre":
        centres = shapely.points((west + east) / 2, centre_latitude(tiles))
        at, area = tree.query(centres, predicate="intersects")
        order = np.lexsort((area, at))
        at, first = np.unique(at[order], return_index=True)
        owner = np.full(len(tiles), -1, dtype=np.int64)
        owner[at] = area[order][first]
        return np.arange(len(tiles)), owner, np.ones(len(tiles))
    squares = shapely.box(west, south, east, north)
    at, area = tree.query(squares, predicate="intersects")
    share = shapely.area(shapely.intersection(squares[at], shapes[area])) / shapely.area(squares[at])
    some = share > 0
    at, area, share = at[some], area[some], share[some]
    inside = np.bincount(at, weights=share, minlength=len(tiles))
    # Within rounding a tile lies wholly in areas: its shares are made to add up to 1, and nothing lies outside.
    is_whole = inside >= 1 - rule("area_tolerance")
    share = np.where(is_whole[at], share / np.where(inside > 0, inside, 1)[at], share)
    rest = np.flatnonzero(~is_whole)
    return (
        np.concatenate([at, rest]), np.concatenate([area, np.full(len(rest), -1)]),
        np.concatenate([share, 1 - inside[rest]]),
    )  # fmt: skip


def tile_bounds(keys: pl.Series) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the west, south, east and north ends of tiles [°, WGS-84] from their quadkeys.

    Examples
    --------
    >>> [round(float(x[0]), 4) for x in tile_bounds(pl.Series(["0"]))]
    [-180.0, 0.0, 0.0, 85.0511]

    References
    ----------
    Web Mercator (EPSG:3857) and Bing Maps Tile System, https://learn.microsoft.com/bingmaps/articles/bing-maps-tile-system
    """
    column, row, side = _grid(keys)
    return (
        column / side * _TURN - _TURN / 2, _latitude((row + 1) / side), (column + 1) / side * _TURN - _TURN / 2,
        _latitude(row / side),
    )  # fmt: skip


def centre_latitude(keys: pl.Series) -> Floats:
    """Return the latitude [°, WGS-84] of the middle of tiles on the projected plane.

    Examples
    --------
    >>> float(centre_latitude(pl.Series(["0"])).round(4)[0])
    66.5133
    """
    _, row, side = _grid(keys)
    return _latitude((row + 0.5) / side)


def _latitude(down: Floats) -> Floats:
    """Return latitudes from the share of the map's height that lies above."""
    return np.asarray(np.degrees(np.arctan(np.sinh(np.pi * (1 - 2 * down)))))


def _grid(keys: pl.Series) -> tuple[Floats, Floats, Floats]:
    """Return column and row of tiles, and how many there are along a side of the world."""
    lengths = keys.str.len_chars().to_numpy()
    column, row = np.zeros(len(keys)), np.zeros(len(keys))
    for at in range(int(lengths.max(initial=0))):
        digit = keys.str.slice(at, 1).cast(pl.Int64, strict=False).fill_null(0).to_numpy()
        deeper = lengths > at
        column = np.where(deeper, 2 * column + digit % 2, column)
        row = np.where(deeper, 2 * row + digit // 2, row)
    return column, row, np.sqrt(float(_BASE) ** lengths)


def _checked(
    lf: pl.LazyFrame, keys: list[str], numbers: Sequence[str], tile: str, vintage: str, *, what: str
) -> pl.Schema:
    schema = need_columns(lf, dict.fromkeys([*keys, tile, *numbers]), what=what)
    need_numbers(schema, numbers, what=what)
    if schema[tile] != pl.String:
        raise SchemaError(
            f"{what}: {tile!r} is {schema[tile]}; quadkeys are text, because zeros lead. Read the file with "
            f"schema_overrides={{{tile!r}: polars.String}}."
        )
    if not (isinstance(vintage, str) and _QUARTER.fullmatch(vintage)):
        raise RangeError(f"{what}: vintage is {vintage!r}; expected a quarter such as '2020-Q4'.")
    if "network" in schema and "network" not in keys:
        raise SchemaError(
            f"{what}: the tiles have a column 'network', but by= does not name it: fixed and mobile would be mixed. "
            "Name it, or filter to one network and drop the column."
        )
    return schema


def _pinned(lf: pl.LazyFrame, vintage: str) -> pl.LazyFrame:
    """Make sure, on collecting, that a frame which says its quarter says this one."""
    if "vintage" not in lf.collect_schema():
        return lf

    def look(table: pl.DataFrame) -> pl.DataFrame:
        other = table.filter(pl.col("vintage").ne_missing(vintage))["vintage"]
        if len(other):
            raise EditionError(
                f"Tiles of {other[0]!r} were given as {vintage!r} ({len(other)} rows). Filter to one quarter: where "
                "and how often people test changes between them."
            )
        return table

    return lf.map_batches(look, schema=lf.collect_schema())


def _sound(lf: pl.LazyFrame, keys: list[str], tile: str, vintage: str, *, zoom: int, what: str) -> pl.LazyFrame:
    """Return tiles with the columns that joining needs, checked."""
    counted = DEVICE_TILES if DEVICE_TILES in lf.collect_schema() else DEVICES
    _checked(lf, keys, [*SPEEDS, TESTS, counted], tile, vintage, what=what)
    key, both = pl.col(tile), pl.col(TESTS, DEVICE_TILES)
    wrong = key.is_null() | ~key.str.contains(r"^[0-3]+$") | (key.str.len_chars() < zoom)
    odd = ~pl.all_horizontal((both.is_finite() & (both >= 0)).fill_null(False))
    speeds = pl.col(*SPEEDS)
    unlike = pl.any_horizontal((speeds.is_infinite() | (speeds < 0)).fill_null(False))
    return (
        _pinned(lf, vintage)
        .select(*keys, tile, *(pl.col(c).cast(pl.Float64).fill_nan(None) for c in SPEEDS),
                pl.col(TESTS).cast(pl.Float64), pl.col(counted).cast(pl.Float64).alias(DEVICE_TILES))
        .filter(refuse(wrong, tile, message=lambda rows: (
            f"{what}: {rows[tile][0]!r} is no quadkey of zoom {zoom} or deeper (digits 0-3); {rows.height} such rows."
        )))
        .filter(refuse(unlike, tile, *SPEEDS, message=lambda rows: (
            f"{what}: tile {rows[tile][0]!r} has a speed or latency that is below 0 or infinite, "
            f"{rows.select(SPEEDS).row(0, named=True)}; {rows.height} such rows. Put null where nothing was measured."
        )))
        .filter(refuse(odd, tile, message=lambda rows: (
            f"{what}: tile {rows[tile][0]!r} has a count of tests or devices that is missing or below 0; {rows.height} "
            "such rows."
        )))
        .filter(refuse(pl.struct(*keys, tile).is_duplicated(), tile, message=lambda rows: (
            f"{what}: tile {rows[tile][0]!r} stands twice; {rows.height} such rows. Keep one quarter and name by=."
        )))
    )  # fmt: skip


def _joined() -> list[pl.Expr]:
    tests = pl.col(TESTS)
    means = [
        ((pl.col(c) * tests).sum() / tests.filter(pl.col(c).is_not_null()).sum()).fill_nan(None).alias(c)
        for c in SPEEDS
    ]
    return [*means, tests.sum(), pl.col(DEVICE_TILES).sum(), pl.len().cast(pl.Int64).alias("n_tiles")]


def _labelled(lf: pl.LazyFrame, keys: list[str], vintage: str) -> pl.LazyFrame:
    return lf.select(
        *keys, *SPEEDS, TESTS, DEVICE_TILES, "n_tiles", pl.lit(vintage).alias("vintage"),
        pl.lit(SELF_SELECTED).alias("caveat"),
    )  # fmt: skip
