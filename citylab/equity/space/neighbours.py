"""Who is whose neighbour: tables of weights from borders, distances, groups or a list of pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from citylab import tables
from citylab.equity.space.rules import rule
from citylab.errors import CoordinateError, DataError, OverlapError, RangeError, SchemaError
from citylab.frames import Frame, lazily, need_columns, need_numbers

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]
    Links = tuple[Ints, Ints, Floats]

FROM, TO, WEIGHT = "from_id", "to_id", "weight"
"""Columns of a table of neighbours."""
DEGREES = ("longitude_deg", "latitude_deg")
Contiguity = Literal["queen", "rook"]
Decay = Literal["none", "inverse"]

_KM = 1000.0


def pairs(
    frame: Frame, one: str, other: str, *, weight: str | None = None, missing_weight: float | None = None
) -> Frame:
    """Return neighbours from a list in which each pair stands once.

    Parameters
    ----------
    frame
        One row per pair, in either order.
    one, other
        Columns of the two places of a pair.
    weight
        Column of weights, above 0, such as the length of the common border; ``None`` weighs every pair 1.
    missing_weight
        What a pair without a weight gets, such as a link across water that has no length; ``None`` refuses it.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per direction: ``from_id``, ``to_id``, ``weight``.

    Raises
    ------
    SchemaError
        A column is missing or of another type than needed.
    DataError
        On collecting: a place paired with itself, a pair that stands twice, or a weight that is missing, infinite or
        not above 0.

    Examples
    --------
    >>> borders = pl.DataFrame({"adcode_a": ["110000", "120000"], "adcode_b": ["120000", "130000"]})
    >>> pairs(borders, "adcode_a", "adcode_b").sort("from_id", "to_id").rows()
    [('110000', '120000', 1.0), ('120000', '110000', 1.0), ('120000', '130000', 1.0), ('130000', '120000', 1.0)]
    """
    lf, back = lazily(frame)
    schema = need_columns(lf, [one, other, *([] if weight is None else [weight])], what="pairs")
    if schema[one] != schema[other]:
        raise SchemaError(f"pairs: {one!r} is {schema[one]} and {other!r} is {schema[other]}; cast them alike.")
    number = pl.lit(1.0)
    if weight is not None:
        need_numbers(schema, [weight], what="pairs")
        number = pl.coalesce(pl.col(weight).cast(pl.Float64).fill_nan(None), pl.lit(missing_weight, pl.Float64))
    ahead = lf.select(pl.col(one).alias(FROM), pl.col(other).alias(TO), number.alias(WEIGHT))
    both = pl.concat([ahead, ahead.select(pl.col(TO).alias(FROM), pl.col(FROM).alias(TO), WEIGHT)])
    return back(both.map_batches(lambda table: checked(table, "pairs"), schema=both.collect_schema()))


def touching(
    frame: Frame,
    place: str,
    *,
    geometry: str = "geometry_wkb",
    contiguity: Contiguity = "queen",
) -> Frame:
    """Return which outlines share a border.

    Parameters
    ----------
    frame
        One row per place.
    place
        Column of the places' ids.
    geometry
        Column of polygons as well-known binary, in any one system of coordinates.
    contiguity
        ``"queen"``: a common point makes neighbours; ``"rook"``: only a common stretch of border does.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per direction: ``from_id``, ``to_id``, ``weight`` 1. A place that touches none has no row.

    Raises
    ------
    SchemaError
        A column is missing, or that of the outlines is not of bytes.
    DataError, OverlapError
        On collecting: an id twice, an outline that is missing, invalid or no polygon, or outlines that overlap, as they
        do where two files of different generalisation were joined: who touches whom could not be told.

    Notes
    -----
    Outlines drawn apart, with slivers between them, touch nowhere. Look at :func:`neighbour_counts` before use.

    Examples
    --------
    >>> import shapely
    >>> cells = [shapely.box(x, y, x + 1, y + 1) for y in (0, 1) for x in (0, 1)]
    >>> lattice = pl.DataFrame({"cell": [1, 2, 3, 4], "geometry_wkb": [shapely.to_wkb(c) for c in cells]})
    >>> touching(lattice, "cell").height, touching(lattice, "cell", contiguity="rook").height
    (12, 8)
    """
    if contiguity not in {"queen", "rook"}:
        raise RangeError(f"contiguity is {contiguity!r}; expected 'queen' or 'rook'.")
    schema = need_columns(lazily(frame)[0], [place, geometry], what="touching")
    need_binary(schema[geometry], geometry, "touching")

    def work(table: pl.DataFrame) -> Links:
        import shapely

        shapes, one, other = outlines(table, place, geometry, what="touching")
        if contiguity == "rook":
            along = shapely.get_dimensions(shapely.intersection(shapes[one], shapes[other])) > 0
            one, other = one[along], other[along]
        return one, other, np.ones(len(one))

    return _linked(frame, place, [geometry], work, what="touching")


def need_binary(kind: pl.DataType, geometry: str, what: str) -> None:
    """Make sure that a column can hold outlines.

    Raises
    ------
    SchemaError
        It is not of bytes.
    """
    if kind != pl.Binary:
        raise SchemaError(
            f"{what}: {geometry!r} is {kind}; expected outlines as well-known binary. Make them with shapely.to_wkb."
        )


def outlines(table: pl.DataFrame, place: str, geometry: str, *, what: str) -> tuple[Any, Ints, Ints]:
    """Return the shapes of places, and which two meet (both directions), after making sure that none overlap.

    Raises
    ------
    DataError
        An outline is missing, no polygon or not valid.
    OverlapError
        Two of them share more than rounding of the smaller one's area.
    """
    import shapely

    shapes = shapely.from_wkb(table[geometry].to_list(), on_invalid="ignore")
    polygon = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)
    odd = shapely.is_missing(shapes) | ~np.isin(shapely.get_type_id(shapes), polygon) | ~shapely.is_valid(shapes)
    if odd.any():
        raise DataError(
            f"{what}: the outline of {table[place].filter(pl.Series(odd))[0]!r} is missing, no polygon, not valid or "
            "no well-known binary. "
            "Repair it (shapely.make_valid) or leave the place out."
        )
    one, other = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    apart = one != other
    one, other = one[apart], other[apart]
    # DE-9IM: interiors that meet are an overlap, if of more than rounding.
    inside = shapely.relate_pattern(shapes[one], shapes[other], "T********")
    common = shapely.area(shapely.intersection(shapes[one[inside]], shapes[other[inside]]))
    smaller = np.minimum(shapely.area(shapes[one[inside]]), shapely.area(shapes[other[inside]]))
    overlap = common > rule("area_tolerance") * smaller
    if overlap.any():
        at = int(np.flatnonzero(inside)[np.argmax(overlap)])
        raise OverlapError(
            f"{what}: the outlines of {table[place][int(one[at])]!r} and {table[place][int(other[at])]!r} overlap. "
            "Take outlines of one source and one level."
        )
    return shapes, one, other


def nearest(frame: Frame, place: str, *, k: int, coordinates: tuple[str, str] = DEGREES) -> Frame:
    """Return the ``k`` nearest places of each place.

    Parameters
    ----------
    frame
        One row per place.
    place
        Column of the places' ids.
    k
        Neighbours of each place, 1 or more, fewer than there are places.
    coordinates
        Columns of longitude and latitude [°, one datum], whose distances are those of the great circle, or of eastings
        and northings [m], named ``..._m``.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per direction: ``from_id``, ``to_id``, ``weight`` 1. It is one-sided: a lonely place has neighbours
        whose neighbour it is not. Which of several places equally far is taken follows from the order of the frame.

    Raises
    ------
    SchemaError, CoordinateError, DataError
        A column is missing; a coordinate is missing or cannot be; no rows, an id twice, or two places at one point,
        which would be each other's neighbours whatever lies around them.
    RangeError
        ``k`` cannot be.

    Examples
    --------
    >>> line = pl.DataFrame({"stop": ["a", "b", "c"], "x_m": [0.0, 1.0, 5.0], "y_m": [0.0, 0.0, 0.0]})
    >>> nearest(line, "stop", k=1, coordinates=("x_m", "y_m")).rows()
    [('a', 'b', 1.0), ('b', 'a', 1.0), ('c', 'b', 1.0)]
    """
    if k < 1:
        raise RangeError(f"k is {k}; expected at least 1 neighbour.")

    def work(table: pl.DataFrame) -> Links:
        tree, at, unit = _tree(table, place, coordinates, "nearest")
        if table.height <= k:
            raise RangeError(f"nearest: {table.height} places cannot have {k} neighbours each; take a smaller k.")
        distance, found = tree.query(at, k=k + 1)
        if (distance[:, 1] * unit <= 0).any():
            twin = int(np.argmax(distance[:, 1] * unit <= 0))
            raise DataError(
                f"nearest: {table[place][int(found[twin][0])]!r} and {table[place][int(found[twin][1])]!r} are at one "
                "point. Join them, or move one."
            )
        one = np.repeat(np.arange(table.height), k)
        return one, found[:, 1:].ravel(), np.ones(len(one))

    return _linked(frame, place, list(coordinates), work, what="nearest")


def within(
    frame: Frame, place: str, *, distance_km: float, coordinates: tuple[str, str] = DEGREES, decay: Decay = "none"
) -> Frame:
    """Return the places within a distance of each place.

    Parameters
    ----------
    frame, place, coordinates
        As in :func:`nearest`.
    distance_km
        Largest distance of neighbours [km], itself included.
    decay
        ``"none"`` weighs all neighbours 1, ``"inverse"`` by 1 over the distance in km.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per direction: ``from_id``, ``to_id``, ``weight``. A place with none so near has no row.

    Raises
    ------
    SchemaError, CoordinateError, DataError
        As in :func:`nearest`; two places at one point only under ``"inverse"``, where their weight would be infinite.
    RangeError
        The distance is not above 0, or there is no such decay.

    Examples
    --------
    >>> line = pl.DataFrame({"stop": ["a", "b", "c"], "x_m": [0.0, 500.0, 5000.0], "y_m": [0.0, 0.0, 0.0]})
    >>> within(line, "stop", distance_km=1, coordinates=("x_m", "y_m"), decay="inverse").rows()
    [('a', 'b', 2.0), ('b', 'a', 2.0)]
    """
    if not (0 < distance_km < np.inf):
        raise RangeError(f"distance_km is {distance_km}; expected a distance above 0.")
    if decay not in {"none", "inverse"}:
        raise RangeError(f"decay is {decay!r}; expected 'none' or 'inverse'.")

    def work(table: pl.DataFrame) -> Links:
        tree, at, unit = _tree(table, place, coordinates, "within")
        found, distance = tree.query_radius(at, distance_km / unit, return_distance=True, sort_results=True)
        one = np.repeat(np.arange(table.height), [len(f) for f in found])
        other, km = np.concatenate(found), np.concatenate(distance) * unit
        apart = one != other
        one, other, km = one[apart], other[apart], km[apart]
        if decay == "none":
            return one, other, np.ones(len(one))
        if (km <= 0).any():
            twin = int(np.argmax(km <= 0))
            raise DataError(
                f"within: {table[place][int(one[twin])]!r} and {table[place][int(other[twin])]!r} are at one point, "
                "where 1 over the distance is infinite. Join them, or take decay='none'."
            )
        return one, other, 1 / km

    return _linked(frame, place, list(coordinates), work, what="within")


def same_group(frame: Frame, place: str, group: str) -> Frame:
    """Return as neighbours all places of one group, such as the provinces of a region.

    Places without a group have no neighbours.

    Examples
    --------
    >>> regions = pl.DataFrame({"adcode": ["11", "12", "44"], "region": ["north", "north", "south"]})
    >>> same_group(regions, "adcode", "region").rows()
    [('11', '12', 1.0), ('12', '11', 1.0)]
    """

    def work(table: pl.DataFrame) -> Links:
        rows = table.select(group).with_row_index("at").drop_nulls()
        both = rows.join(rows, on=group, suffix="_other").filter(pl.col("at") != pl.col("at_other"))
        both = both.sort("at", "at_other")
        one, other = (both[c].to_numpy().astype(np.int64) for c in ("at", "at_other"))
        return one, other, np.ones(both.height)

    return _linked(frame, place, [group], work, what="same_group")


def neighbour_counts(frame: Frame, place: str, neighbours: pl.DataFrame | pl.LazyFrame) -> Frame:
    """Return how many neighbours each place has, and whether it is an island.

    Parameters
    ----------
    frame
        One row per place.
    place
        Column of the places' ids.
    neighbours
        Table of neighbours.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per place of ``frame``: its id, ``n_neighbours`` among the places of ``frame``, ``is_island``.

    Examples
    --------
    >>> links = pairs(pl.DataFrame({"a": ["11"], "b": ["12"]}), "a", "b")
    >>> neighbour_counts(pl.DataFrame({"adcode": ["11", "12", "46"]}), "adcode", links).rows()
    [('11', 1, False), ('12', 1, False), ('46', 0, True)]
    """
    lf, back = lazily(frame)
    schema = need_columns(lf, [place], what="neighbour_counts")
    held = links(neighbours, schema[place], what="neighbour_counts")
    out = pl.Schema({place: schema[place], "n_neighbours": pl.Int64(), "is_island": pl.Boolean()})

    def work(table: pl.DataFrame) -> pl.DataFrame:
        one_row_each(table, place, "neighbour_counts")
        found = held().join(table, left_on=TO, right_on=place, how="semi").group_by(FROM).agg(pl.len().alias("_n"))
        counted = table.join(found, left_on=place, right_on=FROM, how="left", maintain_order="left")
        n = pl.col("_n").fill_null(0).cast(pl.Int64)
        return counted.select(place, n.alias("n_neighbours"), (n == 0).alias("is_island"))

    return back(lf.select(place).map_batches(work, schema=out))


def links(neighbours: pl.DataFrame | pl.LazyFrame, dtype: pl.DataType, *, what: str) -> Callable[[], pl.DataFrame]:
    """Return what collects a table of neighbours, after making sure at the call that it is one of these places.

    Raises
    ------
    SchemaError
        A column is missing, or the ids are of another type than those of the places.
    DataError
        On collecting: a link that cannot be, or a place that only others call their neighbour.
    """
    lf = neighbours.lazy()
    schema = need_columns(lf, {FROM: "a place", TO: "its neighbour", WEIGHT: "above 0"}, what=f"{what} (neighbours)")
    need_numbers(schema, [WEIGHT], what=f"{what} (neighbours)")
    for column in (FROM, TO):
        if schema[column] != dtype:
            raise SchemaError(
                f"{what}: places are {dtype}, but {column!r} of the neighbours is {schema[column]}. Cast one of them; "
                "codes stay text, so that leading zeros stay."
            )

    def collected() -> pl.DataFrame:
        table = checked(lf.select(FROM, TO, pl.col(WEIGHT).cast(pl.Float64)).collect(), what)
        only_to = table.filter(~pl.col(TO).is_in(table[FROM].unique().implode()))
        if only_to.height:
            raise DataError(
                f"{what}: {only_to[TO][0]!r} is a neighbour of {only_to[FROM][0]!r} but has none itself. A table of "
                "neighbours has a row per direction: make one from a list of pairs with citylab.equity.space.pairs."
            )
        return table

    return collected


def checked(table: pl.DataFrame, what: str) -> pl.DataFrame:
    """Return a table of neighbours unless a row of it cannot be.

    Raises
    ------
    DataError
        An id is missing, a place is its own neighbour, a link stands twice, or a weight is none.
    """
    wrong: tuple[tuple[pl.Expr, str], ...] = (
        (pl.col(FROM).is_null() | pl.col(TO).is_null(), "lacks an id. Drop such rows on purpose"),
        (pl.col(FROM) == pl.col(TO), "makes a place its own neighbour. Drop such rows: star=True adds it"),
        (pl.struct(FROM, TO).is_duplicated(), "stands twice. Keep one row per direction; pairs() wants each pair once"),
        (
            ~(pl.col(WEIGHT).is_finite() & (pl.col(WEIGHT) > 0)).fill_null(False),
            "has no finite weight above 0. Drop links that do not count, and give the others a weight",
        ),
    )
    for expr, told in wrong:
        bad = table.filter(expr)
        if bad.height:
            a, b, w = bad.row(0)
            raise DataError(f"{what}: the link from {a!r} to {b!r} (weight {w}) {told}; {bad.height} such rows.")
    return table


def one_row_each(table: pl.DataFrame, place: str, what: str) -> None:
    """Make sure that each place stands once and has an id.

    Raises
    ------
    DataError
        It does not.
    """
    twice = table.filter(pl.col(place).is_null() | pl.col(place).is_duplicated())
    if twice.height:
        shown = twice[place][0]
        told = "an id is missing" if shown is None else f"{shown!r} stands {(table[place] == shown).sum()} times"
        raise DataError(f"{what} needs one row per place in {place!r}, but {told}. Take one time, or name by=.")


def _linked(frame: Frame, place: str, columns: list[str], work: Callable[[pl.DataFrame], Links], *, what: str) -> Frame:
    lf, back = lazily(frame)
    schema = need_columns(lf, [place, *columns], what=what)
    out = pl.Schema({FROM: schema[place], TO: schema[place], WEIGHT: pl.Float64()})

    def made(table: pl.DataFrame) -> pl.DataFrame:
        one_row_each(table, place, what)
        one, other, weight = work(table)
        ids = table[place]
        rows = pl.DataFrame({"i": one, "j": other, WEIGHT: weight}).sort("i", "j")
        return pl.DataFrame([ids.gather(rows["i"]).alias(FROM), ids.gather(rows["j"]).alias(TO), rows[WEIGHT]])

    return back(lf.select(place, *columns).map_batches(made, schema=out))


def _tree(table: pl.DataFrame, place: str, coordinates: tuple[str, str], what: str) -> tuple[Any, Floats, float]:
    """Return a search tree, the points in its units, and the kilometres of one of its units."""
    from sklearn.neighbors import BallTree

    if table.is_empty():
        raise DataError(f"{what}: the frame has no rows. Check the filter before it.")
    first, second = coordinates
    need_numbers(table.schema, coordinates, what=what)
    points = table.select(pl.col(c).cast(pl.Float64) for c in coordinates).to_numpy()
    odd = ~np.isfinite(points).all(axis=1)
    is_degrees = first.endswith("_deg") and second.endswith("_deg")
    if not is_degrees and not (first.endswith("_m") and second.endswith("_m")):
        raise SchemaError(
            f"{what}: the unit of {first!r} and {second!r} cannot be told. Name both '..._deg' (longitude, latitude) "
            "or both '..._m' (eastings, northings)."
        )
    if is_degrees:
        odd |= (np.abs(points[:, 0]) > _HALF_TURN) | (np.abs(points[:, 1]) > _HALF_TURN / 2)
    if odd.any():
        at = int(np.argmax(odd))
        raise CoordinateError(
            f"{what}: {table[place][at]!r} has the coordinates {points[at].tolist()} in {list(coordinates)}. Longitude "
            "comes first; drop places that have none."
        )
    if not is_degrees:
        return BallTree(points, metric="euclidean"), points, 1 / _KM
    radius = dict(tables.read("physical_constants").select("constant", "value").iter_rows())["earth_mean_radius"]
    radians = np.radians(points[:, ::-1])
    return BallTree(radians, metric="haversine"), radians, radius / _KM


_HALF_TURN = 180.0
