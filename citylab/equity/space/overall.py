"""One number for a whole map: are neighbours more alike than chance makes them.

Statistics and their moments come from esda. Draws are made here, because esda's come from NumPy's global generator and
count ties on one side only.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from citylab.equity.space import placed
from citylab.equity.space.placed import Alternative, Islands, Placed, Style
from citylab.equity.space.rates import refuse_counts
from citylab.equity.space.rules import rule
from citylab.errors import DataError, RangeError
from citylab.frames import Frame, keys_of, lazily

if TYPE_CHECKING:
    import numpy.typing as npt
    from scipy.sparse import csr_array

    Floats = npt.NDArray[np.float64]

Assumption = Literal["randomisation", "normality"]
ALL_ONE_CLASS = "all_one_class"

RESULT = {
    "statistic": pl.String(), "value": pl.Float64(), "expected": pl.Float64(), "sd": pl.Float64(), "z": pl.Float64(),
    "p": pl.Float64(), "p_sim": pl.Float64(), "chance_lower": pl.Float64(), "chance_upper": pl.Float64(),
    "level": pl.Float64(), "n": pl.Int64(), "n_links": pl.Int64(), "n_islands": pl.Int64(), "n_missing": pl.Int64(),
    "permutations": pl.Int64(), "seed": pl.Int64(), "alternative": pl.String(), "note": pl.String(),
}  # fmt: skip
"""Columns of every result, after those of ``by``."""


@dataclass(frozen=True)
class _Drawn:
    """What a statistic is made of: its name, value, moments, and how it is made of many deals at once."""

    name: str
    value: float
    expected: float | None
    sd: float | None
    of: Callable[[Floats], Floats]
    dealt: Floats
    size: float
    """Largest size of the statistic, to which rounding is compared."""


@dataclass(frozen=True)
class _Options:
    permutations: int
    seed: int
    level: float
    alternative: Alternative


def moran(
    frame: Frame,
    value: str,
    place: str,
    neighbours: pl.DataFrame | pl.LazyFrame,
    *,
    by: str | Sequence[str] | None = None,
    style: Style = "row",
    islands: Islands = "exclude",
    assumption: Assumption = "randomisation",
    alternative: Alternative = "two-sided",
    permutations: int = placed.PERMUTATIONS,
    level: float = 0.95,
    seed: int = placed.SEED,
) -> Frame:
    """Return Moran's I: whether places are like their neighbours (above its expectation) or unlike (below).

    Parameters
    ----------
    frame
        One row per place, and per group of ``by``.
    value
        Column of numbers, any unit; places without one (null, NaN) are left out. A name that ends in ``_share`` must
        hold 0 to 1. Rates of small populations differ by chance: see :func:`moran_rates`.
    place
        Column of the places' ids.
    neighbours
        Table of neighbours: ``from_id``, ``to_id``, ``weight``.
    by
        Columns of groups, such as the year; each gets a result of its own.
    style
        What is made of the weights: ``"row"`` lets the neighbours of each place weigh 1 together, ``"binary"`` weighs
        each link 1, ``"given"`` takes them as they are.
    islands
        ``"exclude"`` leaves places without neighbours out and counts them, ``"refuse"`` makes them an error.
    assumption
        Under what ``sd``, ``z`` and ``p`` are told: that the values could have been dealt out otherwise, or that they
        come from a normal distribution.
    alternative
        ``"two-sided"``, ``"greater"`` or ``"less"``, for ``p`` and ``p_sim``.
    permutations
        Deals of the values over the places; 0 makes none.
    level
        Level of the band of chance.
    seed
        Starts the generator.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group: the columns of ``by``, ``statistic``, ``value``, ``expected``, ``sd``, ``z`` and ``p`` (by
        formula, normal), ``p_sim`` (by deals), ``chance_lower`` and ``chance_upper`` (the band in which the statistic
        lies with probability ``level`` if place does not matter: no interval of the statistic itself), ``level``, ``n``
        (places that count), ``n_links`` (one per direction), ``n_islands``, ``n_missing``, ``permutations``, ``seed``,
        ``alternative``, and ``note``: why there is no value (``no_rows``, ``few_places`` below 4, ``no_variation``).

    Raises
    ------
    SchemaError, RangeError
        A column is missing, of another type, or an option there is not; too few permutations for the level.
    DataError
        On collecting: a place twice, infinite values, a share in percent, neighbours of other places only, a link that
        cannot be, or islands that are refused.

    Examples
    --------
    >>> from citylab.equity.space import pairs
    >>> line = pairs(pl.DataFrame({"a": [1, 2, 3, 4, 5], "b": [2, 3, 4, 5, 6]}), "a", "b")
    >>> rising = pl.DataFrame({"place": [1, 2, 3, 4, 5, 6], "online_pct": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]})
    >>> moran(rising, "online_pct", "place", line).select(pl.col("value").round(3), "expected", "n").row(0)
    (0.714, -0.2, 6)

    References
    ----------
    Moran (1950), Biometrika 37, 17-23, doi:10.1093/biomet/37.1-2.17. Cliff and Ord (1981), Spatial Processes, Pion.
    """

    def made(p: Placed) -> list[_Drawn]:
        return [_moran("moran", p.values[value], p.weights, assumption)]

    return _told(
        frame, [value], place, neighbours, made, ["moran"], what="moran", by=by, style=style, islands=islands,
        assumption=assumption, options=_Options(permutations, seed, level, alternative),
    )  # fmt: skip


def moran_rates(
    frame: Frame,
    events: str,
    population: str,
    place: str,
    neighbours: pl.DataFrame | pl.LazyFrame,
    *,
    by: str | Sequence[str] | None = None,
    style: Style = "row",
    islands: Islands = "exclude",
    assumption: Assumption = "randomisation",
    alternative: Alternative = "two-sided",
    permutations: int = placed.PERMUTATIONS,
    level: float = 0.95,
    seed: int = placed.SEED,
) -> Frame:
    """Return Moran's I of rates, standardised so that small populations do not make patterns (empirical Bayes).

    Parameters
    ----------
    frame, place, neighbours, by, style, islands, assumption, alternative, permutations, level, seed
        As in :func:`moran`.
    events
        Column of counts, 0 or more.
    population
        Column of the people among whom they were counted. A place with nobody has no rate and counts as missing.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        As of :func:`moran`, ``statistic`` being ``moran_rates``.

    Raises
    ------
    SchemaError, RangeError, DataError
        As in :func:`moran`; and negative counts, or events among nobody.

    References
    ----------
    Assunção and Reis (1999), A new proposal to adjust Moran's I for population density, Statistics in Medicine 18,
    2147-2162. doi:10.1002/(SICI)1097-0258(19990830)18:16<2147::AID-SIM179>3.0.CO;2-I

    Examples
    --------
    >>> from citylab.equity.space import pairs
    >>> line = pairs(pl.DataFrame({"a": [1, 2, 3, 4, 5], "b": [2, 3, 4, 5, 6]}), "a", "b")
    >>> towns = pl.DataFrame({"town": range(1, 7), "offline": [9, 8, 6, 5, 3, 1], "people": [20, 10, 10, 10, 10, 20]})
    >>> moran_rates(towns, "offline", "people", "town", line)["statistic"].item()
    'moran_rates'
    """

    def made(p: Placed) -> list[_Drawn]:
        assuncao_rate = _esda().smoothing.assuncao_rate

        standardised = np.asarray(assuncao_rate(p.values[events], p.values[population]), dtype=np.float64)
        if placed.is_constant(p.values[events] / p.values[population]):
            return []
        return [_moran("moran_rates", standardised, p.weights, assumption)]

    def prepared(table: pl.DataFrame) -> pl.DataFrame:
        counts = table.with_columns(pl.col(events, population).cast(pl.Float64).fill_nan(None))
        refuse_counts(counts, events, population, place, is_share=False, what="moran_rates")
        return counts.with_columns(pl.when(pl.col(population) > 0).then(population).alias(population))

    return _told(
        frame, [events, population], place, neighbours, made, ["moran_rates"], what="moran_rates", by=by, style=style,
        islands=islands, assumption=assumption, options=_Options(permutations, seed, level, alternative), varying=[],
        prepared=prepared,
    )  # fmt: skip


def moran_bivariate(
    frame: Frame,
    value: str,
    other: str,
    place: str,
    neighbours: pl.DataFrame | pl.LazyFrame,
    *,
    by: str | Sequence[str] | None = None,
    style: Style = "row",
    islands: Islands = "exclude",
    alternative: Alternative = "two-sided",
    permutations: int = placed.PERMUTATIONS,
    level: float = 0.95,
    seed: int = placed.SEED,
) -> Frame:
    """Return bivariate Moran's I: whether one value of a place goes with another value of its neighbours.

    It is no correlation of the two in the same place, and says nothing of causes.

    Parameters
    ----------
    frame, value, place, neighbours, by, style, islands, alternative, permutations, level, seed
        As in :func:`moran`.
    other
        Column of the value that is looked at in the neighbours; its deals over the places make the band of chance.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        As of :func:`moran`, ``statistic`` being ``moran_bivariate``, which of a value with itself is Moran's I for
        every ``style``; ``expected``, ``sd``, ``z`` and ``p`` are empty: no formula is used.

    Raises
    ------
    SchemaError, RangeError, DataError
        As in :func:`moran`.

    References
    ----------
    Anselin, Syabri and Smirnov (2002), Visualizing multivariate spatial correlation with dynamically linked windows,
    CSISS workshop on new tools for spatial data analysis, Santa Barbara.

    Examples
    --------
    >>> from citylab.equity.space import pairs
    >>> line = pairs(pl.DataFrame({"a": [1, 2, 3, 4, 5], "b": [2, 3, 4, 5, 6]}), "a", "b")
    >>> both = pl.DataFrame({"place": range(1, 7), "old_pct": [6, 5, 4, 3, 2, 1], "online_pct": [1, 2, 3, 4, 5, 6]})
    >>> moran_bivariate(both, "old_pct", "online_pct", "place", line)["value"].round(3).item()
    -0.714
    """

    def made(p: Placed) -> list[_Drawn]:
        x, y = _z(p.values[value]), _z(p.values[other])
        lag, total = p.weights.T @ x, float(p.weights.sum())

        def of(dealt: Floats) -> Floats:
            return np.asarray(dealt @ lag / total)

        size = float(np.abs(lag).max()) * p.n / total
        return [_Drawn("moran_bivariate", float(y @ lag / total), None, None, of, y, size)]

    return _told(
        frame, [value, other], place, neighbours, made, ["moran_bivariate"], what="moran_bivariate", by=by, style=style,
        islands=islands, options=_Options(permutations, seed, level, alternative),
    )  # fmt: skip


def geary(
    frame: Frame,
    value: str,
    place: str,
    neighbours: pl.DataFrame | pl.LazyFrame,
    *,
    by: str | Sequence[str] | None = None,
    style: Style = "row",
    islands: Islands = "exclude",
    assumption: Assumption = "randomisation",
    alternative: Alternative = "two-sided",
    permutations: int = placed.PERMUTATIONS,
    level: float = 0.95,
    seed: int = placed.SEED,
) -> Frame:
    """Return Geary's C: below 1 where neighbours differ less than any two places, above 1 where they differ more.

    It looks at differences between neighbours, where Moran's I looks at their common side of the mean.

    Parameters
    ----------
    frame, value, place, neighbours, by, style, islands, assumption, alternative, permutations, level, seed
        As in :func:`moran`. ``"less"`` is the alternative of likeness.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        As of :func:`moran`, ``statistic`` being ``geary``.

    Raises
    ------
    SchemaError, RangeError, DataError
        As in :func:`moran`.

    References
    ----------
    Geary (1954), The contiguity ratio and statistical mapping, The Incorporated Statistician 5(3), 115-145.
    doi:10.2307/2986645

    Examples
    --------
    >>> from citylab.equity.space import pairs
    >>> line = pairs(pl.DataFrame({"a": [1, 2, 3, 4, 5], "b": [2, 3, 4, 5, 6]}), "a", "b")
    >>> rising = pl.DataFrame({"place": [1, 2, 3, 4, 5, 6], "online_pct": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]})
    >>> geary(rising, "online_pct", "place", line)["value"].round(3).item()
    0.143
    """

    def made(p: Placed) -> list[_Drawn]:
        esda = _esda()

        z = _z(p.values[value])
        found = esda.Geary(z, _graph(p.weights), transformation="O", permutations=0)
        variance = found.VC_rand if assumption == "randomisation" else found.VC_norm
        total, scale = float(p.weights.sum()), (p.n - 1) / (2 * float(p.weights.sum()) * p.n)
        degree = np.asarray(p.weights.sum(axis=1)).ravel() + np.asarray(p.weights.sum(axis=0)).ravel()

        def of(dealt: Floats) -> Floats:
            return np.asarray(((dealt**2) @ degree - 2 * _own_lags(dealt, p.weights)) * scale)

        size = float((z**2).max()) * 2 * total * scale
        return [_Drawn("geary", float(found.C), 1.0, float(np.sqrt(variance)), of, z, size)]

    return _told(
        frame, [value], place, neighbours, made, ["geary"], what="geary", by=by, style=style, islands=islands,
        assumption=assumption, options=_Options(permutations, seed, level, alternative),
    )  # fmt: skip


def getis_ord_g(
    frame: Frame,
    value: str,
    place: str,
    neighbours: pl.DataFrame | pl.LazyFrame,
    *,
    by: str | Sequence[str] | None = None,
    islands: Islands = "exclude",
    alternative: Alternative = "two-sided",
    permutations: int = placed.PERMUTATIONS,
    level: float = 0.95,
    seed: int = placed.SEED,
) -> Frame:
    """Return the general G of Getis and Ord: above its expectation where high values lie together, below where low do.

    Every link weighs 1. It tells hot from cold, which Moran's I does not, and needs values of 0 or more with a true 0.

    Parameters
    ----------
    frame, value, place, neighbours, by, islands, alternative, permutations, level, seed
        As in :func:`moran`; no value below 0.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        As of :func:`moran`, ``statistic`` being ``getis_ord_g``.

    Raises
    ------
    SchemaError, RangeError, DataError
        As in :func:`moran`; and values below 0.

    References
    ----------
    Getis and Ord (1992), The analysis of spatial association by use of distance statistics, Geographical Analysis
    24(3), 189-206. doi:10.1111/j.1538-4632.1992.tb00261.x

    Examples
    --------
    >>> from citylab.equity.space import pairs
    >>> line = pairs(pl.DataFrame({"a": [1, 2, 3, 4, 5], "b": [2, 3, 4, 5, 6]}), "a", "b")
    >>> rising = pl.DataFrame({"place": [1, 2, 3, 4, 5, 6], "online_pct": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]})
    >>> getis_ord_g(rising, "online_pct", "place", line)["value"].round(3).item()
    0.4
    """

    def made(p: Placed) -> list[_Drawn]:
        esda = _esda()

        x = p.values[value]
        if x.min() < 0:
            raise DataError(
                f"getis_ord_g needs values of 0 or more, but {value!r} goes down to {x.min():g}. Use moran, or "
                "local_getis_ord for hot and cold spots."
            )
        found = esda.G(x, _graph(p.weights), permutations=0)
        of = _products(p.weights, float(x.sum() ** 2 - (x**2).sum()))
        return [_Drawn("getis_ord_g", float(found.G), float(found.EG), float(np.sqrt(found.VG)), of, x, 1.0)]

    return _told(
        frame, [value], place, neighbours, made, ["getis_ord_g"], what="getis_ord_g", by=by, style="binary",
        islands=islands, options=_Options(permutations, seed, level, alternative),
    )  # fmt: skip


_JOINS = ("join_bb", "join_bw", "join_ww")


def join_counts(
    frame: Frame,
    value: str,
    place: str,
    neighbours: pl.DataFrame | pl.LazyFrame,
    *,
    by: str | Sequence[str] | None = None,
    islands: Islands = "exclude",
    alternative: Alternative = "two-sided",
    permutations: int = placed.PERMUTATIONS,
    level: float = 0.95,
    seed: int = placed.SEED,
) -> Frame:
    """Return how many pairs of neighbours both have something, one of both has it, and none has it.

    Parameters
    ----------
    frame, place, neighbours, by, islands, alternative, permutations, level, seed
        As in :func:`moran`. Links must run both ways; weights do not count.
    value
        Column of booleans, or of 0 and 1.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        Three rows per group, as of :func:`moran`: ``join_bb`` (both), ``join_bw`` (one of both), ``join_ww`` (none).
        ``expected`` is exact for places of which as many have it; ``sd`` is that of the deals, ``z`` and ``p`` follow
        from both. With few links trust ``p_sim``: counts are lumpy. The note ``all_one_class`` stands where all or none
        have it.

    Raises
    ------
    SchemaError, RangeError, DataError
        As in :func:`moran`; and values other than 0 and 1, or links of one direction only.

    References
    ----------
    Cliff and Ord (1981), Spatial Processes, Pion, section 1.4.

    Examples
    --------
    >>> from citylab.equity.space import pairs
    >>> line = pairs(pl.DataFrame({"a": [1, 2, 3, 4, 5], "b": [2, 3, 4, 5, 6]}), "a", "b")
    >>> fibre = pl.DataFrame({"village": [1, 2, 3, 4, 5, 6], "has_fibre": [True, True, True, False, False, False]})
    >>> join_counts(fibre, "has_fibre", "village", line).select("statistic", "value", "expected").rows()
    [('join_bb', 2.0, 1.0), ('join_bw', 1.0, 3.0), ('join_ww', 2.0, 1.0)]
    """

    def made(p: Placed) -> list[_Drawn]:
        x = p.values[value]
        if not np.isin(x, (0.0, 1.0)).all():
            raise DataError(f"join_counts needs True and False or 0 and 1 in {value!r}, but it holds {_odd(x):g}.")
        if abs(p.weights - p.weights.T).nnz:
            raise DataError("join_counts needs links that run both ways; nearest() does not make them, pairs() does.")
        ones, joins = float(x.sum()), p.weights.nnz / 2
        zeros, every = p.n - ones, p.n * (p.n - 1.0)
        chance = {
            "join_bb": ones * (ones - 1) / every, "join_bw": 2 * ones * zeros / every,
            "join_ww": zeros * (zeros - 1) / every,
        }  # fmt: skip
        of = {
            "join_bb": lambda d: _own_lags(d, p.weights) / 2,
            "join_ww": lambda d: _own_lags(1 - d, p.weights) / 2,
            "join_bw": lambda d: joins - _own_lags(d, p.weights) / 2 - _own_lags(1 - d, p.weights) / 2,
        }
        return [
            _Drawn(name, float(of[name](x[None, :])[0]), joins * chance[name], None, of[name], x, joins)
            for name in _JOINS
        ]

    def prepared(table: pl.DataFrame) -> pl.DataFrame:
        return table.with_columns(pl.col(value).cast(pl.Float64))

    return _told(
        frame, [value], place, neighbours, made, _JOINS, what="join_counts", by=by, style="binary", islands=islands,
        options=_Options(permutations, seed, level, alternative), prepared=prepared, unvarying=ALL_ONE_CLASS,
        booleans=True,
    )  # fmt: skip


def _odd(x: Floats) -> float:
    return float(x[~np.isin(x, (0.0, 1.0))][0])


_GINI = ("gini", "gini_near", "gini_far")


def gini_spatial(
    frame: Frame,
    value: str,
    place: str,
    neighbours: pl.DataFrame | pl.LazyFrame,
    *,
    by: str | Sequence[str] | None = None,
    islands: Islands = "exclude",
    alternative: Alternative = "two-sided",
    permutations: int = placed.PERMUTATIONS,
    level: float = 0.95,
    seed: int = placed.SEED,
) -> Frame:
    """Return the Gini coefficient of places, parted into what lies between neighbours and between all other pairs.

    Where places are like their neighbours, ``gini_near`` is less than deals of the same values give. Places count
    alike, whatever their population. An island has no neighbour, so its differences are all ``gini_far``; it would
    count here, but is left out like everywhere (``n_islands``).

    Parameters
    ----------
    frame, place, neighbours, by, islands, alternative, permutations, level, seed
        As in :func:`moran`. Two places are neighbours if a link runs either way; weights do not count.
    value
        Column of what is shared out, 0 or more.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        Three rows per group, as of :func:`moran`: ``gini``, and ``gini_near`` and ``gini_far``, which add up to it.
        ``expected`` of the two is exact under deals, ``sd`` is that of the deals.

    Raises
    ------
    SchemaError, RangeError, DataError
        As in :func:`moran`; and values below 0.

    References
    ----------
    Rey and Smith (2013), A spatial decomposition of the Gini coefficient, Letters in Spatial and Resource Sciences 6,
    55-70. doi:10.1007/s12076-012-0086-z

    Examples
    --------
    >>> from citylab.equity.space import pairs
    >>> line = pairs(pl.DataFrame({"a": [1, 2, 3, 4], "b": [2, 3, 4, 5]}), "a", "b")
    >>> five = pl.DataFrame({"place": [1, 2, 3, 4, 5], "income_cny": [10.0, 20.0, 30.0, 40.0, 50.0]})
    >>> gini_spatial(five, "income_cny", "place", line).select("statistic", pl.col("value").round(4)).rows()
    [('gini', 0.2667), ('gini_near', 0.0533), ('gini_far', 0.2133)]
    """

    def made(p: Placed) -> list[_Drawn]:
        from scipy.sparse import triu

        from citylab.equity.inequality import gini

        x = p.values[value]
        if x.min() < 0:
            raise DataError(f"gini_spatial needs values of 0 or more, but {value!r} goes down to {x.min():g}.")
        whole, scale = gini(x), float(p.n**2 * x.mean())
        upper = triu(p.weights + p.weights.T, k=1).tocoo()
        one, other = upper.coords
        share = len(one) / (p.n * (p.n - 1) / 2)

        def near(dealt: Floats) -> Floats:
            # Draw by draw: the pairs of all draws at once would not fit.
            return np.array([np.abs(d[one] - d[other]).sum() for d in dealt]) / scale

        def far(dealt: Floats) -> Floats:
            return whole - near(dealt)

        told = float(near(x[None, :])[0])
        return [
            _Drawn("gini", whole, None, None, lambda d: np.full(len(d), whole), x, 0.0),
            _Drawn("gini_near", told, whole * share, None, near, x, whole),
            _Drawn("gini_far", whole - told, whole * (1 - share), None, far, x, whole),
        ]

    return _told(
        frame, [value], place, neighbours, made, _GINI, what="gini_spatial", by=by, style="binary", islands=islands,
        options=_Options(permutations, seed, level, alternative), undrawn=("gini",),
    )  # fmt: skip


def _z(x: Floats) -> Floats:
    return np.asarray((x - x.mean()) / x.std())


def _own_lags(dealt: Floats, weights: csr_array) -> Floats:
    """Return for each draw the sum over links of weight times both values."""
    return np.einsum("ij,ij->i", dealt, (weights @ dealt.T).T)


def _products(weights: csr_array, scale: float) -> Callable[[Floats], Floats]:
    return lambda dealt: _own_lags(dealt, weights) / scale


def _graph(weights: csr_array) -> Any:
    """Return a matrix as the weights of PySAL."""
    from libpysal.weights import W

    ends = weights.indptr
    rows = [slice(a, b) for a, b in itertools.pairwise(ends)]
    return W(
        {i: weights.indices[s].tolist() for i, s in enumerate(rows)},
        {i: weights.data[s].tolist() for i, s in enumerate(rows)},
        id_order=list(range(len(rows))), silence_warnings=True,
    )  # fmt: skip


def _esda() -> Any:
    """Return esda; of its progress bars, which Jupyter may lack, nothing is said."""
    import warnings

    from tqdm import TqdmWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TqdmWarning)
        import esda
    return esda


def _moran(name: str, x: Floats, weights: csr_array, assumption: Assumption) -> _Drawn:
    esda = _esda()

    z = _z(x)
    found = esda.Moran(z, _graph(weights), transformation="O", permutations=0)
    variance = found.VI_rand if assumption == "randomisation" else found.VI_norm
    total = float(weights.sum())
    of = _products(weights, total)
    return _Drawn(name, float(found.I), float(found.EI), float(np.sqrt(variance)), of, z, float((z**2).max()))


def _told(
    frame: Frame,
    numbers: Sequence[str],
    place: str,
    neighbours: pl.DataFrame | pl.LazyFrame,
    made: Callable[[Placed], list[_Drawn]],
    names: Sequence[str],
    *,
    what: str,
    by: str | Sequence[str] | None,
    style: Style,
    islands: Islands,
    options: _Options,
    assumption: str = "randomisation",
    varying: Sequence[str] | None = None,
    prepared: Callable[[pl.DataFrame], pl.DataFrame] = lambda table: table,
    unvarying: str = placed.NO_VARIATION,
    undrawn: Sequence[str] = (),
    booleans: bool = False,
) -> Frame:
    lf, back = lazily(frame)
    if booleans:
        lf = lf.with_columns(pl.col(c).cast(pl.Int8) for c in numbers if lf.collect_schema().get(c) == pl.Boolean)
    schema, held = placed.check(
        lf, numbers, place, neighbours, by=by, style=style, islands=islands, reserved=list(RESULT), what=what
    )
    placed.check_draws(options.permutations, options.level, options.alternative, what)
    if assumption not in {"randomisation", "normality"}:
        raise RangeError(f"{what}: assumption is {assumption!r}; expected 'randomisation' or 'normality'.")
    keys: list[str] = keys_of(by)
    out = pl.Schema({**{c: schema[c] for c in keys}, **RESULT})

    def work(table: pl.DataFrame) -> pl.DataFrame:
        rows: list[tuple[object, ...]] = []
        ready = prepared(table)
        p: Placed
        for p in placed.read(ready, numbers, place, held(), by=by, style=style, islands=islands, what=what):
            note = p.note(*(numbers if varying is None else varying))
            drawn = [] if note else made(p)
            if not drawn:
                note = unvarying if note in {None, placed.NO_VARIATION} else note
            columns = _finished(drawn, options, undrawn) or [{"statistic": n} for n in names]
            for column in columns:
                held_back: dict[str, Any] = {
                    **dict.fromkeys(RESULT), "level": options.level, "n": p.n, "n_links": p.weights.nnz,
                    "n_islands": len(p.islands), "n_missing": len(p.missing), "permutations": options.permutations,
                    "seed": options.seed, "alternative": options.alternative, "note": note, **column,
                }  # fmt: skip
                rows.append((*p.name, *held_back.values()))
        return pl.DataFrame(rows, schema=out, orient="row")

    return back(lf.select(list(dict.fromkeys([*keys, place, *numbers]))).map_batches(work, schema=out))


def _finished(drawn: Sequence[_Drawn], options: _Options, undrawn: Sequence[str]) -> list[dict[str, Any]]:
    from scipy import stats

    if not drawn:
        return []
    sims: dict[str, list[Floats]] = {d.name: [] for d in drawn}
    # All statistics of one call are of the same deals.
    for batch in placed.shuffled(drawn[0].dealt, options.permutations, options.seed):
        for d in drawn:
            if d.name not in undrawn:
                sims[d.name].append(d.of(batch))
    rows: list[dict[str, Any]] = []
    for d in drawn:
        row: dict[str, Any] = {"statistic": d.name, "value": d.value, "expected": d.expected, "sd": d.sd}
        if sims[d.name]:
            sim = np.concatenate(sims[d.name])
            slack = rule("tie_tolerance") * d.size
            row["p_sim"] = float(
                placed.pseudo_p(
                    (sim >= d.value - slack).sum(), (sim <= d.value + slack).sum(), options.permutations,
                    options.alternative,
                )
            )  # fmt: skip
            tail = (1 - options.level) / 2
            row["chance_lower"], row["chance_upper"] = (float(q) for q in np.quantile(sim, [tail, 1 - tail]))
            if d.expected is not None and d.sd is None:
                row["sd"] = float(np.sqrt(np.mean((sim - d.expected) ** 2)))
        if d.expected is not None and row["sd"]:
            row["z"] = (d.value - d.expected) / row["sd"]
            up, down = float(stats.norm.sf(row["z"])), float(stats.norm.cdf(row["z"]))
            row["p"] = {"greater": up, "less": down, "two-sided": 2 * min(up, down)}[options.alternative]
        rows.append(row)
    return rows
