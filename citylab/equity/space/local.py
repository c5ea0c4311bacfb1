"""Where on the map: hot spots, cold spots and places unlike their neighbours, with the many tests reckoned with.

The statistics are sums over neighbours, so that all of them are judged by one set of draws: what the weighted sum would
be if the values of all *other* places were dealt out anew. esda makes the same draws, but from NumPy's global
generator, and counts ties on one side only: it gives a place that lies exactly at the mean, whose local Moran is 0 in
every draw, its smallest p-value. Here the draws are made from the seed and ties count on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from citylab.equity.space import placed
from citylab.equity.space.placed import Islands, Placed, Style
from citylab.equity.space.rules import rule
from citylab.errors import RangeError
from citylab.frames import Frame, keys_of, lazily

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

Correction = Literal["fdr", "fdr_dependent", "bonferroni", "none"]
CORRECTIONS = ("fdr", "fdr_dependent", "bonferroni", "none")
QUADRANTS = {(True, True): "HH", (False, True): "LH", (False, False): "LL", (True, False): "HL"}
"""Own value and mean of the neighbours, each above the mean (H) or not (L)."""
HOT, COLD, HIGH_OUTLIER, LOW_OUTLIER, NOT_SIGNIFICANT = (
    "hot_spot", "cold_spot", "high_outlier", "low_outlier", "not_significant",
)  # fmt: skip
CLUSTERS = {"HH": HOT, "LL": COLD, "HL": HIGH_OUTLIER, "LH": LOW_OUTLIER}

RESULT = {
    "value": pl.Float64(), "lag": pl.Float64(), "statistic": pl.Float64(), "z": pl.Float64(), "p_sim": pl.Float64(),
    "p_adjusted": pl.Float64(), "correction": pl.String(), "alpha": pl.Float64(), "quadrant": pl.String(),
    "cluster": pl.String(), "n": pl.Int64(), "n_neighbours": pl.Int64(), "permutations": pl.Int64(),
    "seed": pl.Int64(), "note": pl.String(),
}  # fmt: skip
"""Columns of every result, after those of ``by`` and the place."""

_UPWARD = (HOT, LOW_OUTLIER)
"""Clusters whose neighbours lie above what chance makes; those of the others lie below."""

_CELLS = 1 << 22
"""Numbers that one batch of places by draws holds at a time."""


def local_moran(
    frame: Frame,
    value: str,
    place: str,
    neighbours: pl.DataFrame | pl.LazyFrame,
    *,
    by: str | Sequence[str] | None = None,
    style: Style = "row",
    islands: Islands = "exclude",
    correction: Correction = "fdr",
    alpha: float = 0.05,
    permutations: int = placed.PERMUTATIONS,
    seed: int = placed.SEED,
) -> Frame:
    """Return local Moran statistics (LISA): places that are like, or unlike, their neighbours, beyond chance.

    Parameters
    ----------
    frame, value, place, neighbours, by, style, islands, permutations, seed
        As in :func:`citylab.equity.space.moran`; at least one permutation.
    correction
        How p-values reckon with so many places, within each group of ``by``: ``"fdr"`` (Benjamini-Hochberg: of the
        places called significant a share ``alpha`` is wrong on average), ``"fdr_dependent"`` (Benjamini-Yekutieli, for
        any dependence), ``"bonferroni"`` (no place is wrong with probability 1 - ``alpha``) or ``"none"``, which calls
        one place in twenty significant where there is no pattern at all.
    alpha
        Level below or at which ``p_adjusted`` is significant.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per place, sorted by the columns of ``by`` and the place: ``value``; ``lag`` (weighted sum over the
        neighbours [unit of the value]; with ``style="row"`` their mean); ``statistic`` (local Moran; their sum over n-1
        is the global one for ``"row"``); ``z`` (statistic less its mean, over its standard deviation, if the values of
        the others were dealt out anew; exact); ``p_sim`` (two-sided, twice that of programs which choose the side by
        the data); ``p_adjusted``, ``correction``, ``alpha``; ``quadrant`` (HH, LL, HL, LH: own value and neighbours
        above or below the mean); ``cluster``: ``hot_spot`` (HH), ``cold_spot`` (LL), ``high_outlier`` (HL),
        ``low_outlier`` (LH) or ``not_significant`` (also where ``p_adjusted`` is small because the neighbours lie on
        the other side of what chance makes than the name says, see Notes); ``n`` (places of the group that count),
        ``n_neighbours``, ``permutations``, ``seed``, and ``note``: why there is no statistic (``island``, ``missing``,
        ``few_places``, ``no_variation``).

    Raises
    ------
    SchemaError, RangeError, DataError
        As in :func:`citylab.equity.space.moran`; and, on collecting, too few permutations for any place to become
        significant under Bonferroni.

    Notes
    -----
    Hot spots are the centres of clusters: their neighbours belong to the cluster without being significant themselves.
    Local tests hold if the map as a whole has no pattern; where it has one, they find too much.

    A test compares the neighbours with what the others would give, and their mean is not that of all places: round one
    place that is far above all others the best of the others can lie below the mean of all (HL) and yet be more than
    chance makes them. Such a place is no outlier among low neighbours, and no cluster is named. Programs that name the
    cluster by the quadrant alone call it a significant high outlier.

    References
    ----------
    Anselin (1995), Local indicators of spatial association, Geographical Analysis 27(2), 93-115.
    doi:10.1111/j.1538-4632.1995.tb00338.x. Sokal, Oden and Thomson (1998), doi:10.1111/j.1538-4632.1998.tb00406.x.
    Caldas de Castro and Singer (2006), doi:10.1111/j.0016-7363.2006.00682.x

    Examples
    --------
    >>> from citylab.equity.space import pairs
    >>> line = pairs(pl.DataFrame({"a": range(1, 12), "b": range(2, 13)}), "a", "b")
    >>> places = pl.DataFrame({"place": range(1, 13), "online_pct": [90, 91, 90, 92, 50, 49, 52, 50, 48, 9, 10, 8]})
    >>> found = local_moran(places, "online_pct", "place", line, correction="none")
    >>> found.filter(pl.col("cluster") != "not_significant").select("place", "cluster").rows()
    [(3, 'hot_spot'), (11, 'cold_spot')]
    """

    def statistic(p: Placed, x: Floats) -> tuple[Floats, Floats, list[str | None], list[str]]:
        z = x - x.mean()
        lag = p.weights @ z
        # At the mean, but for rounding, a place is neither high nor low and its statistic is 0 whatever its neighbours.
        z[np.abs(z) <= rule("no_variation") * np.abs(x).max()] = 0.0
        quadrants = [None if own == 0 else QUADRANTS[bool(own > 0), bool(around > 0)]
                     for own, around in zip(z, lag, strict=True)]  # fmt: skip
        clusters = [NOT_SIGNIFICANT if q is None else CLUSTERS[q] for q in quadrants]
        return (p.n - 1) * z * lag / float((z**2).sum()), np.sign(z), quadrants, clusters

    return _located(
        frame, value, place, neighbours, statistic, what="local_moran", by=by, style=style, islands=islands, star=False,
        correction=correction, alpha=alpha, permutations=permutations, seed=seed,
    )  # fmt: skip


def local_getis_ord(
    frame: Frame,
    value: str,
    place: str,
    neighbours: pl.DataFrame | pl.LazyFrame,
    *,
    by: str | Sequence[str] | None = None,
    star: bool = True,
    style: Style = "binary",
    islands: Islands = "exclude",
    correction: Correction = "fdr",
    alpha: float = 0.05,
    permutations: int = placed.PERMUTATIONS,
    seed: int = placed.SEED,
) -> Frame:
    """Return the local statistics of Getis and Ord: where high values lie together (hot) and where low ones do (cold).

    Parameters
    ----------
    frame, value, place, neighbours, by, style, islands, correction, alpha, permutations, seed
        As in :func:`local_moran`.
    star
        True makes the place its own neighbour of weight 1 (Gi*; with ``style="row"`` of the weight of a neighbour),
        False leaves it out (Gi).

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        As of :func:`local_moran`; ``lag`` has the place itself in it if ``star``; ``statistic`` and ``z`` are the
        standardised Gi or Gi*; ``quadrant`` is empty; ``cluster`` is ``hot_spot``, ``cold_spot`` or
        ``not_significant``. ``p_sim`` deals out the values of the others, so that Gi and Gi* share it; where a place's
        own value turns the sign of its Gi*, so that it is not the side on which its neighbours are beyond chance, no
        cluster is named.

    Raises
    ------
    SchemaError, RangeError, DataError
        As in :func:`local_moran`.

    References
    ----------
    Ord and Getis (1995), Local spatial autocorrelation statistics, Geographical Analysis 27(4), 286-306.
    doi:10.1111/j.1538-4632.1995.tb00912.x

    Examples
    --------
    >>> from citylab.equity.space import pairs
    >>> line = pairs(pl.DataFrame({"a": range(1, 12), "b": range(2, 13)}), "a", "b")
    >>> places = pl.DataFrame({"place": range(1, 13), "online_pct": [90, 91, 90, 92, 50, 49, 52, 50, 48, 9, 10, 8]})
    >>> found = local_getis_ord(places, "online_pct", "place", line, correction="none")
    >>> found.filter(pl.col("cluster") != "not_significant").select("place", "cluster", pl.col("z").round(2)).rows()
    [(3, 'hot_spot', 2.33), (11, 'cold_spot', -2.73)]
    """

    def statistic(p: Placed, x: Floats) -> tuple[Floats, Floats, list[str | None], list[str]]:
        score = standardised_lag(x, p.weights, _own(p, style) if star else None)
        clusters = [HOT if s > 0 else COLD for s in score]
        return score, np.ones(p.n), [None] * p.n, clusters

    return _located(
        frame, value, place, neighbours, statistic, what="local_getis_ord", by=by, style=style, islands=islands,
        star=star, correction=correction, alpha=alpha, permutations=permutations, seed=seed,
    )  # fmt: skip


def _own(p: Placed, style: Style) -> Floats:
    """Return the weight of each place among its own neighbours: that of a neighbour on average for rows, else 1."""
    return np.asarray(1 / np.diff(p.weights.indptr)) if style == "row" else np.ones(p.n)


def standardised_lag(x: Floats, weights: Any, own: Floats | None = None) -> Floats:
    """Return sums over neighbours, less their mean and over their standard deviation if values were dealt out anew.

    Parameters
    ----------
    x
        Values by place.
    weights
        Sparse matrix without a diagonal.
    own
        Weights of the places themselves: then all values are dealt (Gi*); ``None``: those of the others (Gi).

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> standardised_lag(np.array([1.0, 2.0, 6.0]), csr_array([[0, 1, 0], [1, 0, 0], [0, 1.0, 0]])).round(3).tolist()
    [-1.0, -1.0, 1.0]

    References
    ----------
    Ord and Getis (1995), equations 5 and 6.
    """
    n, total, squares = len(x), np.asarray(weights.sum(axis=1)).ravel(), np.asarray((weights**2).sum(axis=1)).ravel()
    # Distances from the mean give the same, with less rounding.
    y = x - x.mean()
    lag = weights @ y
    if own is None:
        count, mean = n - 1, -y / (n - 1)
        variance = ((y**2).sum() - y**2) / count - mean**2
    else:
        count, mean, variance = n, np.zeros(n), np.full(n, (y**2).mean())
        lag, total, squares = lag + own * y, total + own, squares + own**2
    freedom = count * squares - total**2
    # Where all others are alike, or all are neighbours of one weight, the sum cannot be otherwise.
    least = rule("no_variation")
    sure = (variance <= least * (y**2).max()) | (freedom <= least * total**2)
    spread = np.sqrt(np.where(sure, 1.0, variance * freedom / (count - 1)))
    return np.asarray(np.where(sure, 0.0, (lag - total * mean) / spread))


def tails(x: Floats, weights: Any, permutations: int, seed: int) -> tuple[Ints, Ints]:
    """Return for each place how many draws of its neighbours' weighted sum reach the true one, from above and below.

    A draw picks for each neighbour another place, none twice, never the place itself. The draws of all places are the
    same picks from n - 1 places; where a pick is the place itself, the last place stands in for it.

    Parameters
    ----------
    x
        Values by place.
    weights
        Sparse matrix (CSR) without a diagonal; every row has an entry.
    permutations, seed
        Number of draws and start of the generator.

    Returns
    -------
    tuple of numpy.ndarray
        Draws at or above the true sum, and at or below it; ties are in both.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> up, down = tails(np.array([1.0, 2.0, 6.0]), csr_array([[0, 1, 0], [1, 0, 0], [0, 1.0, 0]]), 100, seed=0)
    >>> (up + down >= 100).all(), up[0]
    (np.True_, np.int64(100))
    """
    n, ends = len(x), weights.indptr
    k = np.diff(ends)
    # Distances from one value keep the sums small, and with them their rounding.
    y = x - x.mean()
    true = weights @ y
    slack = rule("tie_tolerance") * np.asarray(weights.sum(axis=1)).ravel() * np.abs(y).max()
    padded = np.zeros((n, int(k.max())))
    padded[np.repeat(np.arange(n), k), np.arange(len(weights.data)) - np.repeat(ends[:-1], k)] = weights.data
    up, down = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    rng = np.random.default_rng(seed)
    each = max(1, _CELLS // n)
    for start in range(0, permutations, each):
        picks = _picks(n - 1, int(k.max()), min(each, permutations - start), rng)
        sums = y[picks] @ padded.T
        # Picks are distinct, so that a place stands once in a draw at most.
        draw, slot = np.arange(len(picks))[:, None], np.arange(picks.shape[1])
        sums[draw, picks] += padded[picks, slot] * (y[n - 1] - y[picks])
        up += (sums >= true - slack).sum(axis=0)
        down += (sums <= true + slack).sum(axis=0)
    return up, down


def _picks(n: int, k: int, draws: int, rng: np.random.Generator) -> Ints:
    """Return ``draws`` times ``k`` distinct numbers below ``n``, in random order."""
    if k * k > n:
        each = max(1, _CELLS // n)
        parts = [
            rng.permuted(np.tile(np.arange(n), (min(each, draws - start), 1)), axis=1)[:, :k]
            for start in range(0, draws, each)
        ]
        return np.concatenate(parts)
    # Few of many: draw freely, and again where two are the same.
    picks = rng.integers(n, size=(draws, k))
    while True:
        ordered = np.sort(picks, axis=1)
        again = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))
        if not len(again):
            return picks
        picks[again] = rng.integers(n, size=(len(again), k))


def adjusted(p: Floats, correction: Correction) -> Floats:
    """Return p-values that reckon with their number.

    Examples
    --------
    >>> adjusted(np.array([0.01, 0.02, 0.03, 0.5]), "fdr").round(3).tolist()
    [0.04, 0.04, 0.04, 0.5]
    >>> adjusted(np.array([0.01, 0.02, 0.03, 0.5]), "bonferroni").tolist()
    [0.04, 0.08, 0.12, 1.0]

    References
    ----------
    Benjamini and Hochberg (1995), doi:10.1111/j.2517-6161.1995.tb02031.x; Benjamini and Yekutieli (2001),
    doi:10.1214/aos/1013699998
    """
    from scipy.stats import false_discovery_control

    if correction == "none":
        return p
    if correction == "bonferroni":
        return np.minimum(p * len(p), 1.0)
    return np.asarray(false_discovery_control(p, method="bh" if correction == "fdr" else "by"))


def _located(
    frame: Frame,
    value: str,
    place: str,
    neighbours: pl.DataFrame | pl.LazyFrame,
    statistic: Any,
    *,
    what: str,
    by: str | Sequence[str] | None,
    style: Style,
    islands: Islands,
    star: bool,
    correction: Correction,
    alpha: float,
    permutations: int,
    seed: int,
) -> Frame:
    lf, back = lazily(frame)
    # The value may well be named "value".
    schema, held = placed.check(
        lf, [value], place, neighbours, by=by, style=style, islands=islands, reserved=list(RESULT), what=what
    )
    if correction not in CORRECTIONS:
        raise RangeError(f"{what}: correction is {correction!r}; expected one of {', '.join(map(repr, CORRECTIONS))}.")
    if not 0 < alpha < 1:
        raise RangeError(f"{what}: alpha is {alpha}; expected a level between 0 and 1, such as 0.05.")
    if permutations < 1 or permutations != int(permutations):
        raise RangeError(f"{what}: {permutations} permutations; local statistics are judged by at least one whole one.")
    keys: list[str] = keys_of(by)
    out = pl.Schema({**{c: schema[c] for c in [*keys, place]}, **RESULT})

    def work(table: pl.DataFrame) -> pl.DataFrame:
        done: list[dict[str, Any]] = []
        p: Placed
        for p in placed.read(table, [value], place, held(), by=by, style=style, islands=islands, what=what):
            note = p.note(value)
            rows = judged(p) if note is None else [{_PLACE: i, "note": note} for i in p.ids]
            left_out = [*((i, placed.ISLAND) for i in p.islands), *((i, placed.MISSING) for i in p.missing)]
            rows += [{_PLACE: i, "note": told} for i, told in left_out]
            done += [{**{f"_key_{i}": k for i, k in enumerate(p.name)}, "n": p.n, **row} for row in rows]
        given = table.select(*keys, place, pl.col(value).cast(pl.Float64).fill_nan(None).alias("value"))
        kinds = {**{f"_key_{i}": schema[c] for i, c in enumerate(keys)}, _PLACE: schema[place]}
        kinds |= {c: t for c, t in RESULT.items() if c not in _ALIKE}
        found = pl.DataFrame(done, schema=kinds)
        found = found.rename({**{f"_key_{i}": c for i, c in enumerate(keys)}, _PLACE: place})
        told = given.join(found, on=[*keys, place], how="left", nulls_equal=True, validate="1:1")
        alike = {"correction": correction, "alpha": alpha, "permutations": permutations, "seed": seed}
        told = told.with_columns(pl.lit(v, RESULT[c]).alias(c) for c, v in alike.items())
        return told.select(out.names()).sort(*keys, place, nulls_last=True)

    def judged(p: Placed) -> list[dict[str, Any]]:
        least = 2 / (permutations + 1)
        if correction == "bonferroni" and least * p.n > alpha:
            raise RangeError(
                f"{what}: with {permutations} permutations no p-value is below {least:g}, which Bonferroni's bound "
                f"{alpha / p.n:.2g} for {p.n} places cannot call significant. Take at least "
                f"{int(np.ceil(2 * p.n / alpha))} permutations, or correction='fdr'."
            )
        x = p.values[value]
        told, sign, quadrants, clusters = statistic(p, x)
        up, down = tails(x, p.weights, permutations, seed)
        p_sim = np.where(sign == 0, 1.0, placed.pseudo_p(up, down, permutations))
        p_adjusted = adjusted(p_sim, correction)
        # The test must speak for the side that the name of the cluster tells of.
        named = (p_adjusted <= alpha) & (np.isin(clusters, _UPWARD) == (up < down))
        lag, z = p.weights @ x, standardised_lag(x, p.weights) * sign
        if star:
            lag, z = lag + _own(p, style) * x, told
        columns: dict[str, Any] = {
            _PLACE: p.ids, "lag": lag, "statistic": told, "z": z, "p_sim": p_sim, "p_adjusted": p_adjusted,
            "quadrant": quadrants, "cluster": np.where(named, clusters, NOT_SIGNIFICANT),
            "n_neighbours": np.diff(p.weights.indptr),
        }  # fmt: skip
        return pl.DataFrame(columns).to_dicts()

    return back(lf.select(list(dict.fromkeys([*keys, place, value]))).map_batches(work, schema=out))


_PLACE = "_place"
_ALIKE = {"value", "correction", "alpha", "permutations", "seed"}
