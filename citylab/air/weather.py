"""Weather normalisation: what the air would have been, had every day had the weather of all days.

A learner explains a concentration by weather, season, weekday, hour and a trend term; then everything but the trend
term is replaced by what it was at all other times, and the predictions are averaged. Peers draw a few hundred such
replacements. Here the average over infinitely many of them is computed exactly: for a sum of trees it is the partial
dependence on the trend term, a step function that follows from counting, at each leaf, the rows that reach it when both
sides of every split on the trend are followed. :func:`exact_partial_dependence` counts with bit sets.

A random split of the rows flatters the learner, because neighbouring hours resemble each other and land on both sides.
So the skill is measured on whole blocks of days that were left out as well, and by default that one decides.

The trend of a forest is drawn towards its mean: a step of ten per cent comes out smaller. :func:`change` therefore adds
what the forest missed in rows that it had not seen, and takes its interval from blocks of days.
"""

from __future__ import annotations

import datetime as dt
import platform
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from citylab.air.evaluation import model_statistics
from citylab.errors import DataError, RangeError, RefusalError, SchemaError, suggest
from citylab.frames import Frame, keys_of, lazily, need_columns, need_numbers, need_wall_clock

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor

    Model: TypeAlias = RandomForestRegressor | HistGradientBoostingRegressor

Learner = Literal["forest", "boosting"]
Split = Literal["blocked", "random"]
Numbers = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Period = tuple[dt.date, dt.date]

WEATHER = (
    "temperature_c",
    "pressure_hpa",
    "dew_point_c",
    "rain_mm",
    "wind_direction_deg",
    "wind_speed_ms",
)
"""Columns of weather that explain a concentration where no others are named."""
TREND = "date_unix"
"""The trend term [s since 1970]: the only predictor that is not resampled."""

LEARNERS: Mapping[str, Mapping[str, Any]] = {
    # Grange et al. (2018): leaves of at least 5 rows, and at each split a choice of floor(sqrt(p)) of p predictors
    "forest": {"min_samples_leaf": 5, "max_features": "sqrt"},
    # Carslaw & Taylor (2009) and the R package deweather: depth 5, learning rate 0.1, at least 10 rows
    "boosting": {"max_depth": 5, "learning_rate": 0.1, "min_samples_leaf": 10, "early_stopping": False},
}
"""Settings of the learners, as the papers that brought the method had them."""

MIN_ROWS = 365
"""Complete rows below which nothing is fitted."""
MIN_BLOCKS = 10
"""Blocks of days below which a blocked split says nothing."""
MIN_BLOCKS_OF_PERIOD = 4
"""Blocks of days below which the mean of a period gets no interval."""
MIN_TREES = 50
"""Trees below which some row may be in the bag of every tree (0.63 to the power of 50 is 1e-10)."""
IMPORTANCE_ROWS = 2_000
"""Left-out rows on which predictors are shuffled."""
TEST_SHARE = 0.2
"""Share of the rows that the random split holds out."""
TWO_YEARS = 730
"""Days below which season and trend cannot be told apart."""

_KEPT = 0  # place of the trend term among the predictors
_PARTS = 10  # parts of the forest whose spread tells what another seed would have changed
_CHUNK = 8192  # background rows whose bit sets fit in a processor's cache
_BATCH = 8  # trees walked at once
_WORD = 64
_REASONS = {
    "no_values": "no value with all predictors",
    "few_rows": "too few complete rows",
    "few_blocks": "too few blocks of days",
    "constant": "a constant value",
    "low_skill": "too little skill",
}


@dataclass(frozen=True, slots=True)
class _Trees:
    """All trees of a model, node after node; ``feature`` is -1 at leaves."""

    feature: Whole
    threshold: Numbers
    left: Whole
    right: Whole
    value: Numbers
    roots: Whole
    base: float
    is_mean: bool


def _trees_of(model: Model) -> _Trees:
    """Read the trees of a fitted model of scikit-learn."""
    from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor

    parts: list[tuple[npt.NDArray[Any], ...]] = []
    if isinstance(model, RandomForestRegressor):
        for estimator in model.estimators_:
            t = estimator.tree_
            parts.append((t.feature, t.threshold, t.children_left, t.children_right, t.value[:, 0, 0], t.feature < 0))
        base, is_mean = 0.0, True
    elif isinstance(model, HistGradientBoostingRegressor):
        for (predictor,) in model._predictors:  # scikit-learn has no public way to the trees of this model
            n = predictor.nodes
            parts.append((n["feature_idx"], n["num_threshold"], n["left"], n["right"], n["value"], n["is_leaf"] > 0))
        base, is_mean = float(np.ravel(model._baseline_prediction)[0]), False
    else:
        raise SchemaError(
            f"exact_partial_dependence got a {type(model).__name__}; expected a fitted RandomForestRegressor or "
            "HistGradientBoostingRegressor of scikit-learn."
        )
    sizes = np.array([len(p[0]) for p in parts])
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    shift = np.repeat(roots, sizes)
    feature, threshold, left, right, value, leaf = (np.concatenate(column) for column in zip(*parts, strict=True))
    leaf = leaf.astype(bool)
    return _Trees(
        np.where(leaf, -1, feature).astype(np.int64),
        threshold.astype(float),
        left.astype(np.int64) + shift,
        right.astype(np.int64) + shift,
        value.astype(float),
        roots,
        base,
        is_mean,
    )


def _bit_sets(trees: _Trees, rows: Numbers, kept: int) -> tuple[npt.NDArray[np.uint64], Whole]:
    """Return, for each different split not on the kept column, the set of rows that go left; and each node's set.

    Sets of one column are nested, so they are running unions over its sorted values.
    """
    n, words = len(rows), -(-len(rows) // _WORD)
    which = np.full(len(trees.feature), -1, np.int64)
    found, offset = [np.empty((0, words), np.uint64)], 0
    for j in range(rows.shape[1]):
        nodes = np.flatnonzero(trees.feature == j)
        if j == kept or not len(nodes):
            continue
        order = np.argsort(rows[:, j], kind="stable")
        going_left = np.searchsorted(rows[order, j], trees.threshold[nodes], side="right")
        sizes, place = np.unique(going_left, return_inverse=True)
        bits = np.zeros((len(sizes) + 1, words), np.uint64)  # the last one takes rows that no split sends left
        first = np.searchsorted(sizes, np.arange(n), side="right")
        np.bitwise_or.at(bits, (first, order // _WORD), np.uint64(1) << (order % _WORD).astype(np.uint64))
        np.bitwise_or.accumulate(bits[:-1], axis=0, out=bits[:-1])
        found.append(bits[:-1])
        which[nodes] = offset + place
        offset += len(sizes)
    return np.concatenate(found), which


def _leaves_reached(
    trees: _Trees, roots: Whole, n: int, sets: npt.NDArray[np.uint64], which: Whole, cut: Whole, kept: int, n_at: int
) -> tuple[Whole, Whole, Whole, Whole]:
    """Walk some trees level by level: leaves, the steps ``[low, high)`` that lead there, and how many rows arrive."""
    words = sets.shape[1]
    everyone = np.packbits(np.arange(words * _WORD) < n, bitorder="little").view(np.uint64)[None, :]
    here, count = everyone, np.array([n])
    node, owner = roots, np.zeros(len(roots), np.int64)
    low, high = np.zeros(len(roots), np.int64), np.full(len(roots), n_at)
    leaves: list[tuple[Whole, ...]] = []
    while len(node):
        settled: list[tuple[Whole, ...]] = []
        while True:  # a split on the kept column divides the steps, not the rows
            on_kept = trees.feature[node] == kept
            settled.append((node[~on_kept], owner[~on_kept], low[~on_kept], high[~on_kept]))
            if not on_kept.any():
                break
            at, own, a, b = node[on_kept], owner[on_kept], low[on_kept], high[on_kept]
            end_left, start_right = np.minimum(b, cut[at]), np.maximum(a, cut[at])
            goes_left, goes_right = a < end_left, start_right < b
            node = np.concatenate([trees.left[at[goes_left]], trees.right[at[goes_right]]])
            owner = np.concatenate([own[goes_left], own[goes_right]])
            low = np.concatenate([a[goes_left], start_right[goes_right]])
            high = np.concatenate([end_left[goes_left], b[goes_right]])
        node, owner, low, high = (np.concatenate(column) for column in zip(*settled, strict=True))
        is_leaf = trees.feature[node] < 0
        leaves.append((node[is_leaf], low[is_leaf], high[is_leaf], count[owner[is_leaf]]))
        node, owner, low, high = (column[~is_leaf] for column in (node, owner, low, high))
        if not len(node):
            break
        parent = here[owner]
        to_left = sets[which[node]]
        to_left &= parent
        n_left = np.bitwise_count(to_left).sum(axis=1, dtype=np.int64)
        n_right = count[owner] - n_left
        parent ^= to_left
        here, count = np.concatenate([to_left, parent]), np.concatenate([n_left, n_right])
        node = np.concatenate([trees.left[node], trees.right[node]])
        owner = np.flatnonzero(count)
        node, low, high = node[owner], np.tile(low, 2)[owner], np.tile(high, 2)[owner]
    node, low, high, arrived = (np.concatenate(column) for column in zip(*leaves, strict=True))
    return node, low, high, arrived


def exact_partial_dependence(
    model: Model,
    background: npt.ArrayLike,
    at: npt.ArrayLike,
    *,
    kept: int = 0,
    parts: int = 1,
    n_jobs: int | None = 1,
) -> Numbers:
    """Return the mean prediction over all background rows with one column set to given values, without sampling.

    It is what the average over resamples of all other columns tends to when their number grows without bound.

    Parameters
    ----------
    model
        A fitted ``RandomForestRegressor`` or ``HistGradientBoostingRegressor`` of scikit-learn.
    background
        One row per time, one column per predictor of the model; without missing values.
    at
        Values of the kept column, in any order.
    kept
        Place of the kept column.
    parts
        Into how many parts to divide a forest. Each part is a forest of its own; the mean over all trees is the mean
        of the parts weighted by their numbers of trees.
    n_jobs
        Threads; ``None`` for one per core. The result does not depend on it.

    Returns
    -------
    numpy.ndarray
        ``(parts, len(at))``, in the unit of the model.

    Raises
    ------
    SchemaError
        Another kind of model.
    RangeError
        ``parts`` for a model whose trees are no means, or more parts than trees.
    DataError
        Missing values.

    Notes
    -----
    A forest compares single-precision values with its thresholds; ``background`` and ``at`` are rounded likewise for
    both kinds of model. Time and memory: each set of rows at an inner node costs one bit per background row.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> rows = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.0]])
    >>> forest = RandomForestRegressor(5, random_state=0).fit(rows, [1.0, 2.0, 5.0, 6.0])
    >>> asked = rows.copy()
    >>> asked[:, 0] = 2.0
    >>> bool(np.isclose(exact_partial_dependence(forest, rows, [2.0]), forest.predict(asked).mean()).all())
    True

    References
    ----------
    Friedman, J. H. (2001), section 8.2, doi:10.1214/aos/1013203451.
    """
    trees = _trees_of(model)
    rows = np.asarray(background, np.float32).astype(float)
    asked = np.asarray(at, np.float32).astype(float)
    if not (np.isfinite(rows).all() and np.isfinite(asked).all() and len(rows)):
        raise DataError("exact_partial_dependence got missing values or no rows; leave incomplete rows out first.")
    n_trees = len(trees.roots)
    if not 1 <= parts <= (n_trees if trees.is_mean else 1):
        raise RangeError(f"parts is {parts}; expected 1 to the number of trees ({n_trees}), and 1 for boosting.")
    steps, back = np.unique(asked, return_inverse=True)
    # At a split on the kept column the first ``cut`` steps go left.
    cut = np.searchsorted(steps, trees.threshold, side="right")
    share = np.array_split(trees.roots, parts)
    batches = [(p, roots[i : i + _BATCH]) for p, roots in enumerate(share) for i in range(0, len(roots), _BATCH)]
    jumps = np.zeros((parts, len(steps) + 1))
    threads = _cores() if n_jobs is None else n_jobs
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        for start in range(0, len(rows), _CHUNK):
            some = rows[start : start + _CHUNK]
            sets, which = _bit_sets(trees, some, kept)

            def jumps_of(
                batch: tuple[int, Whole],
                n: int = len(some),
                sets: npt.NDArray[np.uint64] = sets,
                which: Whole = which,
            ) -> Numbers:
                node, low, high, arrived = _leaves_reached(trees, batch[1], n, sets, which, cut, kept, len(steps))
                weight = trees.value[node] * arrived
                up, down = (np.bincount(end, weight, len(steps) + 1) for end in (low, high))
                return np.asarray(up - down, np.float64)

            for (p, _), jump in zip(batches, pool.map(jumps_of, batches), strict=True):
                jumps[p] += jump
    sums = np.cumsum(jumps[:, :-1], axis=1) / len(rows)
    if trees.is_mean:
        sums /= np.array([[len(roots)] for roots in share])
    return (sums + trees.base)[:, back]


def _cores() -> int:
    import os

    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class _Plan:
    """All choices of one call."""

    value: str
    time: str
    predictors: tuple[str, ...]
    names: tuple[str, ...]
    learner: Learner
    n_trees: int
    fold_trees: int
    folds: int
    block_days: int
    n_refits: int
    refit_trees: int
    seed: int
    level: float
    judged_on: Split
    min_r2: float
    n_jobs: int | None

    def model(self, n_trees: int, *seed: int, with_left_out: bool = False) -> Model:
        """Return a learner that is not yet fitted; ``seed`` names its use, so that no two uses share a stream."""
        state = int(np.random.SeedSequence((self.seed, *seed)).generate_state(1)[0])
        settings = dict(LEARNERS[self.learner])
        if self.learner == "boosting":
            from sklearn.ensemble import HistGradientBoostingRegressor

            return HistGradientBoostingRegressor(max_iter=n_trees, random_state=state, **settings)
        from sklearn.ensemble import RandomForestRegressor

        jobs = _cores() if self.n_jobs is None else self.n_jobs
        return RandomForestRegressor(
            n_trees, random_state=state, n_jobs=jobs, oob_score=with_left_out, bootstrap=True, **settings
        )

    def draws(self, *seed: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, *seed))


# What a seed is for: the first number after the caller's seed.
_MAIN, _RANDOM, _BLOCKED, _REFIT, _SHUFFLE, _LEFT_OUT = range(6)


@dataclass(frozen=True, slots=True)
class _Fit:
    """What :func:`change` needs of one group: sums over the complete rows of each day."""

    day: npt.NDArray[np.datetime64]
    block: Whole
    count: Numbers
    normalised: Numbers
    left_out: Numbers
    blocked: Numbers
    parts: Numbers
    refits: Numbers


@dataclass(frozen=True)
class WeatherNormalised:
    """A weather-normalised series with the skill it rests on.

    Attributes
    ----------
    value
        Column that was normalised; its unit is that of all numbers here.
    by, time
        Grouping columns and the column of time.
    predictors
        All predictors; the first is the trend term that was kept.
    learner, settings
        The learner and all numbers that the fit depended on.
    level
        Level of the intervals.
    series
        One row per group and time: the columns of ``by``, the time, ``observed``, ``predicted`` (by trees that had not
        seen the row), ``normalised``, ``lower``, ``upper`` (of the learner's normalised series under other blocks of
        days and other seeds; :func:`change` says why it is no interval for a change), ``reason``.
    skill
        One row per group and split (``random``, ``blocked``): ``n``, ``r2``, ``rmse``, ``mean_bias``, ``fac2``,
        ``is_judge`` (whether this split decided), ``reason`` of a refusal.
    importance
        One row per group and predictor: fall of the held-out R² when the predictor is shuffled (random split).
    seed
        The seed from which all others follow.
    assumptions
        What must hold for the numbers to mean what they say.
    versions
        Versions of Python and of the libraries.
    """

    value: str
    by: tuple[str, ...]
    time: str
    predictors: tuple[str, ...]
    learner: Learner
    settings: Mapping[str, Any]
    level: float
    series: pl.DataFrame
    skill: pl.DataFrame
    importance: pl.DataFrame
    seed: int
    assumptions: tuple[str, ...]
    versions: Mapping[str, str]
    _fits: tuple[tuple[tuple[Any, ...], _Fit | None], ...] = field(repr=False)

    def tidy(self) -> pl.DataFrame:
        """Return one row per group: span, n, skill by both splits, means, and the reason of a refusal."""
        keys = list(self.by)
        wide = {
            name: [
                pl.col(c).filter(pl.col("split") == name).first().alias(f"{c}_{name}") for c in ("r2", "rmse", "fac2")
            ]
            for name in ("random", "blocked")
        }
        skill = _grouped(self.skill, keys, *wide["random"], *wide["blocked"], pl.col("n").max().alias("n"))
        rows = _grouped(
            self.series,
            keys,
            pl.col(self.time).min().alias("first"),
            pl.col(self.time).max().alias("last"),
            pl.col("observed").mean().alias("observed_mean"),
            pl.col("normalised").mean().alias("normalised_mean"),
            pl.col("reason").first(),
        )
        both = (
            pl.concat([rows, skill], how="horizontal") if not keys else rows.join(skill, on=keys, maintain_order="left")
        )
        return both.with_columns(pl.lit(self.value).alias("value"), pl.lit(self.learner).alias("learner"))


def _grouped(frame: pl.DataFrame, keys: list[str], *what: pl.Expr) -> pl.DataFrame:
    return frame.group_by(keys, maintain_order=True).agg(*what) if keys else frame.select(*what)


def skill_of(observed: npt.ArrayLike, predicted: npt.ArrayLike) -> dict[str, float]:
    """Return how well predictions meet what was observed.

    Parameters
    ----------
    observed, predicted
        Pairs in the same unit.

    Returns
    -------
    dict
        ``n``; ``r2`` = 1 - Σ(p - o)²/Σ(o - ō)²; ``rmse``; ``mean_bias`` = mean of p - o; ``fac2``, the share of
        predictions between half and twice the observation [0..1]; pairs of zeros are left out.

    Examples
    --------
    >>> skill_of([10.0, 20.0, 30.0], [10.0, 45.0, 30.0])["fac2"]
    0.6666666666666666
    """
    o, p = np.asarray(observed, float), np.asarray(predicted, float)
    spread = float(((o - o.mean()) ** 2).sum())
    usual = model_statistics(pl.DataFrame({"observed": o, "predicted": p}), "observed", "predicted").row(0, named=True)
    return {
        "n": float(len(o)),
        "r2": 1 - float(((p - o) ** 2).sum()) / spread if spread else float("nan"),
        "rmse": usual["rmse"],
        "mean_bias": usual["mb"],
        "fac2": float("nan") if usual["fac2"] is None else usual["fac2"],
    }


def weather_normalised(
    frame: pl.DataFrame | pl.LazyFrame,
    value: str,
    *,
    by: str | Sequence[str] | None = "station_id",
    time: str = "datetime_local",
    predictors: Sequence[str] = WEATHER,
    learner: Learner = "forest",
    n_trees: int = 300,
    fold_trees: int = 100,
    folds: int = 5,
    block_days: int = 14,
    n_refits: int = 20,
    refit_trees: int = 20,
    seed: int = 0,
    level: float = 0.95,
    judged_on: Split = "blocked",
    min_r2: float = 0.5,
    on_refusal: Literal["raise", "null"] = "raise",
    n_jobs: int | None = None,
) -> WeatherNormalised:
    """Return a concentration with the effect of weather, season, weekday and hour averaged out.

    A learner is fitted per group on the predictors, the trend term ``date_unix``, ``day_julian``, ``weekday`` and, for
    hourly rows, ``hour``. The normalised series is its mean prediction over all rows of the group with only the trend
    term held at each time: the limit of resampling all other predictors again and again
    (:func:`exact_partial_dependence`).

    Parameters
    ----------
    frame
        One row per group and hour, or per group and day; any order. It is collected.
    value
        Column to normalise.
    by
        Grouping columns; each group has its own learner. ``None`` takes the whole frame as one.
    time
        Column of wall-clock datetimes, or of dates.
    predictors
        Columns of weather. Rows with a missing one are not used for fitting; their normalised value is still given.
    learner
        ``"forest"`` (random forest) or ``"boosting"`` (gradient-boosted trees).
    n_trees
        Trees of the learner.
    fold_trees
        Trees of a forest fitted without one fold of the blocked split.
    folds
        Parts of the blocked split. Blocks are dealt to them at random.
    block_days
        Length of the blocks of days. It should be several times as long as errors stay correlated.
    n_refits, refit_trees
        Forests fitted on blocks drawn with replacement, each with a seed of its own, and the trees of each; they make
        the interval of the series. Boosting has ``n_trees`` in each.
    seed
        Seed of everything random. Groups do not share a stream: leaving one out changes no other.
    level
        Level of the interval.
    judged_on
        Which split decides on a refusal: whole blocks left out (``"blocked"``), or, as published studies do,
        ``"random"`` rows, which is easily passed by hourly data because neighbouring hours are alike.
    min_r2
        Held-out R² below which there is no normalised series.
    on_refusal
        ``"raise"``, or ``"null"`` to leave the normalised values of a refused group empty, with the reason.
    n_jobs
        Threads; ``None`` for one per core. The result does not depend on it.

    Returns
    -------
    WeatherNormalised
        With ``series``, ``skill``, ``importance`` as frames.

    Raises
    ------
    SchemaError
        A column is missing, is not numeric, or time is not wall-clock time.
    DataError
        Two rows of one group at one time, or a row without time; a predictor without any value in a group.
    RefusalError
        A group has too few complete rows or blocks, a constant value, or a held-out R² below ``min_r2``.
    RangeError
        A number out of range.

    Notes
    -----
    ``lower`` and ``upper`` are ``normalised`` ± t(n_refits - 1) times the standard deviation of the refits; the noise
    of their few trees is in it. They say how far the learner's series would move with other blocks of days and other
    seeds, not that it has no bias: a forest draws steps towards the mean. Shorter than two years, season and trend
    share their effect arbitrarily.

    Range of validity: predictors must not be caused by emissions, and must not have a trend of their own that only
    ``date_unix`` could explain.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> wind = rng.uniform(1, 6, 800)
    >>> synthetic = pl.DataFrame({
    ...     "date_local": pl.date_range(dt.date(2015, 1, 1), dt.date(2017, 3, 10), eager=True),
    ...     "wind_speed_ms": wind,
    ...     "no2_ugm3": 120 / wind + rng.normal(0, 3, 800),
    ... })
    >>> result = weather_normalised(synthetic, "no2_ugm3", by=None, time="date_local",
    ...                             predictors=["wind_speed_ms"], n_trees=50, fold_trees=20, n_refits=2)
    >>> result.series.select("observed", "normalised").std().row(0) > (15, 0)
    True
    >>> result.series["normalised"].std() < 0.2 * result.series["observed"].std()
    True

    References
    ----------
    Grange, S. K. et al. (2018), doi:10.5194/acp-18-6223-2018 (random forest, resampling). Vu, T. V. et al. (2019),
    doi:10.5194/acp-19-11303-2019 (Beijing). Roberts, D. R. et al. (2017), doi:10.1111/ecog.02881 (blocked validation).
    """
    lf = lazily(cast(pl.LazyFrame, frame))[0]
    keys, weather = keys_of(by), list(dict.fromkeys(predictors))
    if learner not in LEARNERS:
        raise suggest(learner, LEARNERS, what="learner", see="citylab.air.weather.LEARNERS")
    if judged_on not in ("blocked", "random"):
        raise suggest(judged_on, ["blocked", "random"], what="split", see="citylab.air.weather.weather_normalised")
    if on_refusal not in ("raise", "null"):
        raise suggest(on_refusal, ["raise", "null"], what="answer", see="citylab.air.weather.weather_normalised")
    _need_at_least(n_trees=(n_trees, MIN_TREES), folds=(folds, 2), block_days=(block_days, 1), n_refits=(n_refits, 2))
    _need_at_least(fold_trees=(fold_trees, 1), refit_trees=(refit_trees, 2), seed=(seed, 0))
    _need_level(level)
    what = "weather_normalised"
    if not weather:
        raise SchemaError("weather_normalised got no predictors; name columns of weather, for example 'wind_speed_ms'.")
    schema = need_columns(
        lf,
        {
            **dict.fromkeys(keys, "group"),
            time: "time of the row",
            value: "concentration",
            **dict.fromkeys(weather, "weather"),
        },
        what=what,
    )
    need_numbers(schema, [value, *weather], what=what)
    need_wall_clock(schema, time, what=what, dates=True)
    clash = [c for c in weather if c in (value, *keys)]
    if clash:
        raise SchemaError(f"weather_normalised cannot explain {value!r} with {clash}: take them out of predictors.")
    data = _prepared(lf, keys, time, value, weather)
    calendar = [TREND, "day_julian", "weekday"]
    if isinstance(schema[time], pl.Datetime) and data["hour"].n_unique() > 1:
        calendar.append("hour")
    plan = _Plan(
        value, time, tuple(weather), (*calendar, *weather), learner, n_trees, fold_trees, folds, block_days, n_refits,
        refit_trees, seed, level, judged_on, min_r2, n_jobs,
    )  # fmt: skip
    groups = data.partition_by(keys, as_dict=True, maintain_order=True) if keys else {(): data}
    done = [_one_group(key, rows, keys, plan) for key, rows in groups.items()]
    refused = [d for d in done if d.reason]
    if refused and on_refusal == "raise":
        raise RefusalError(_refusal(refused, plan, len(done)))
    return WeatherNormalised(
        value=value,
        by=tuple(keys),
        time=time,
        predictors=plan.names,
        learner=learner,
        settings={
            **LEARNERS[learner],
            "n_trees": n_trees,
            "fold_trees": fold_trees,
            "folds": folds,
            "block_days": block_days,
            "n_refits": n_refits,
            "refit_trees": refit_trees,
            "judged_on": judged_on,
            "min_r2": min_r2,
        },
        level=level,
        series=pl.concat([d.series for d in done]).select(*keys, time, *_SERIES),
        skill=pl.concat([d.skill for d in done]),
        importance=pl.concat([d.importance for d in done]),
        seed=seed,
        assumptions=_assumptions(plan, min((d.days for d in done), default=0)),
        versions={"python": platform.python_version()} | {n: version(n) for n in ("scikit-learn", "numpy", "polars")},
        _fits=tuple((d.key, d.fit) for d in done),
    )


def normalise_one(frame: Frame, value: str, *, n_jobs: int | None = 1, **options: Any) -> Frame:
    """Return the weather-normalised series as a frame: what a worker does with one station.

    Parameters
    ----------
    frame
        Rows of one group, or of several.
    value
        Column to normalise.
    n_jobs
        Threads; one, because the workers are many.
    **options
        Of :func:`weather_normalised`.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        ``series`` of :class:`WeatherNormalised`. It is computed at the call.

    Raises
    ------
    CitylabError
        As :func:`weather_normalised`.

    Examples
    --------
    To run stations on Dask, a file or a lazy frame for each::

        from functools import partial
        with citylab.scale.connect() as client:
            work = partial(normalise_one, value="pm25_ugm3", on_refusal="null")
            citylab.scale.map_partitions(work, stations, client=client)
    """
    _, back = lazily(frame)
    return back(weather_normalised(frame, value, n_jobs=n_jobs, **options).series.lazy())


def change(
    result: WeatherNormalised,
    *,
    before: Period,
    after: Period,
    correction: Literal["left-out", "none"] = "left-out",
    level: float | None = None,
) -> pl.DataFrame:
    """Return how the weather-normalised mean changed between two periods, with its interval.

    Parameters
    ----------
    result
        From :func:`weather_normalised`.
    before, after
        First and last day of each period, both included. They must not overlap. Whole years are best: what remains of
        the season then cancels out.
    correction
        ``"left-out"`` adds to each mean the mean error that the learner makes there in rows it had not seen. A forest
        draws a step towards its mean, and this gives back what it missed. ``"none"`` compares the normalised series as
        it stands, as most published studies do.
    level
        Level of the interval; that of ``result`` if not given.

    Returns
    -------
    polars.DataFrame
        One row per group: the columns of ``by``; ``before_mean``, ``after_mean``, ``change``, ``lower``, ``upper`` in
        the unit of the value; ``change_pct``, ``lower_pct``, ``upper_pct`` (of ``before_mean``; null unless both means
        are above zero); ``seed_sd``, the standard error due to the seed alone; ``n_before``, ``n_after`` (complete
        rows); ``blocks_before``, ``blocks_after``; ``reason`` where there is no estimate (those of the series, and
        ``few_blocks``); ``correction``; ``level``.

    Raises
    ------
    RangeError
        A period that ends before it begins, or periods that overlap.

    Notes
    -----
    With ``"left-out"`` the means are those of ``normalised + observed - predicted``; ``predicted`` is by trees that had
    the row not in their bag (for boosting: fitted without its fold of the rows). Their variance is that of the sums of
    errors over blocks of ``block_days``, the errors being those of learners fitted without the whole block. The
    interval uses Student's t with as many degrees of freedom as there are blocks less two, for percentages on the
    logarithm of the ratio. Errors in left-out blocks also hold the learner's own error of interpolation, which makes
    the interval wider. It assumes that errors more than a block apart are independent and that the predictors describe
    the weather. With only two years of data the correction gives back a little too much, because season and trend
    share their effect.

    With ``"none"`` the variance is that of the refits. It does not know of the bias: planted steps come out a third to
    two fifths too small, and the longer the series, the more rarely its interval holds them. It is there to compare
    with published figures. ``docs/calibration.md`` has the measured shares for both.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> wind, days = rng.uniform(1, 6, 1000), np.arange(1000)
    >>> synthetic = pl.DataFrame({
    ...     "date_local": pl.date_range(dt.date(2015, 1, 1), dt.date(2017, 9, 26), eager=True),
    ...     "wind_speed_ms": wind,
    ...     "no2_ugm3": (120 / wind + rng.normal(0, 3, 1000)) * np.where(days < 500, 1.0, 0.8),  # a step of -20 %
    ... })
    >>> result = weather_normalised(synthetic, "no2_ugm3", by=None, time="date_local",
    ...                             predictors=["wind_speed_ms"], n_trees=50, fold_trees=20, n_refits=2)
    >>> step = change(result, before=(dt.date(2015, 1, 1), dt.date(2016, 5, 14)),
    ...               after=(dt.date(2016, 5, 15), dt.date(2017, 9, 26))).row(0, named=True)
    >>> step["lower_pct"] < -20 < step["upper_pct"] < 0
    True

    References
    ----------
    Zhang, G., Lu, Y. (2012), doi:10.1080/02664763.2011.578621 (bias of forests from out-of-bag errors). Künsch, H. R.
    (1989), doi:10.1214/aos/1176347265 (blocks).
    """
    if correction not in ("left-out", "none"):
        raise suggest(correction, ["left-out", "none"], what="correction", see="citylab.air.weather.change")
    level = result.level if level is None else level
    _need_level(level)
    for name, (first, last) in {"before": before, "after": after}.items():
        if last < first:
            raise RangeError(f"{name} ends on {last}, before it begins on {first}. Give (first day, last day).")
    if before[0] <= after[1] and after[0] <= before[1]:
        raise RangeError(f"before {before} and after {after} overlap; a day cannot be in both.")
    rows = [
        dict(zip(result.by, key, strict=True)) | _change_of(fit, before, after, correction, level)
        for key, fit in result._fits
    ]
    reasons = _grouped(result.series, list(result.by), pl.col("reason").first())["reason"]
    schema = {name: result.series.schema[name] for name in result.by} | _CHANGE
    table = pl.DataFrame(rows, schema=schema, orient="row")
    return table.with_columns(
        pl.coalesce("reason", pl.Series(reasons)).alias("reason"),
        pl.lit(correction).alias("correction"),
        pl.lit(level).alias("level"),
    )


_SERIES = ("observed", "predicted", "normalised", "lower", "upper", "reason")
_CHANGE: dict[str, Any] = {
    "before_mean": pl.Float64, "after_mean": pl.Float64, "change": pl.Float64, "lower": pl.Float64, "upper": pl.Float64,
    "change_pct": pl.Float64, "lower_pct": pl.Float64, "upper_pct": pl.Float64, "seed_sd": pl.Float64,
    "n_before": pl.Int64, "n_after": pl.Int64, "blocks_before": pl.Int64, "blocks_after": pl.Int64, "reason": pl.String,
}  # fmt: skip


def _change_of(fit: _Fit | None, before: Period, after: Period, correction: str, level: float) -> dict[str, Any]:
    """Return one row of :func:`change`."""
    from scipy.stats import t

    empty: dict[str, Any] = dict.fromkeys(_CHANGE)
    if fit is None:
        return empty
    inside = [(fit.day >= np.datetime64(a)) & (fit.day <= np.datetime64(b)) for a, b in (before, after)]
    blocks = [len(np.unique(fit.block[m])) for m in inside]
    n = [int(fit.count[m].sum()) for m in inside]
    k = len(fit.parts)
    counts = {"n_before": n[0], "n_after": n[1], "blocks_before": blocks[0], "blocks_after": blocks[1]}
    if min(blocks) < MIN_BLOCKS_OF_PERIOD:
        return empty | counts | {"reason": "few_blocks"}

    def means(sums: Numbers) -> list[Any]:
        return [sums[..., m].sum(axis=-1) / fit.count[m].sum() for m in inside]

    mean, parts, refits = means(fit.normalised), means(fit.parts), means(fit.refits)
    own, freedom = [0.0, 0.0], len(fit.refits) - 1
    if correction == "left-out":
        mean = [m + e for m, e in zip(mean, means(fit.left_out), strict=True)]
        own, freedom = [_variance_of_mean(fit, m) for m in inside], sum(blocks) - 2

    def by_seed(scale: Sequence[float]) -> float:
        return float(np.var(parts[1] / scale[1] - parts[0] / scale[0], ddof=1)) / k if k > 1 else 0.0

    def half_width(scale: Sequence[float]) -> float:
        if correction == "left-out":
            variance = own[0] / scale[0] ** 2 + own[1] / scale[1] ** 2 + by_seed(scale)
        else:  # refits differ in their seeds, too
            variance = float(np.var(refits[1] / scale[1] - refits[0] / scale[0], ddof=1))
        return float(t.ppf((1 + level) / 2, freedom) * np.sqrt(variance))

    difference, half = float(mean[1] - mean[0]), half_width((1.0, 1.0))
    row = {
        "before_mean": float(mean[0]), "after_mean": float(mean[1]), "change": difference, "lower": difference - half,
        "upper": difference + half, "seed_sd": float(np.sqrt(by_seed((1.0, 1.0)))),
    }  # fmt: skip
    if min(mean) > 0:
        log, around = float(np.log(mean[1] / mean[0])), half_width(mean)
        row |= {
            "change_pct": 100 * float(np.expm1(log)),
            "lower_pct": 100 * float(np.expm1(log - around)),
            "upper_pct": 100 * float(np.expm1(log + around)),
        }
    return empty | counts | row


def _variance_of_mean(fit: _Fit, inside: npt.NDArray[np.bool_]) -> float:
    """Return the variance of a period's mean error from the sums over its blocks."""
    error, count = fit.blocked[inside], fit.count[inside]
    centred = error - count * error.sum() / count.sum()
    _, place = np.unique(fit.block[inside], return_inverse=True)
    sums = np.bincount(place, centred)
    k = len(sums)
    return float((sums**2).sum() / count.sum() ** 2 * k / (k - 1))


@dataclass(frozen=True, slots=True)
class _Done:
    """All results of one group."""

    key: tuple[Any, ...]
    series: pl.DataFrame
    skill: pl.DataFrame
    importance: pl.DataFrame
    fit: _Fit | None
    reason: str | None
    r2: Mapping[str, float]
    n: int
    days: int


def _prepared(lf: pl.LazyFrame, keys: list[str], time: str, value: str, weather: list[str]) -> pl.DataFrame:
    """Return the sorted rows with predictors; ``_complete`` says which rows can be used."""
    stamp = pl.col(time).cast(pl.Datetime("ms"))
    numbers = [pl.col(c).cast(pl.Float64) for c in dict.fromkeys([value, *weather])]
    data = (
        lf.select(*keys, time, *numbers)
        .with_columns(
            stamp.dt.epoch("s").cast(pl.Float64).alias(TREND),
            stamp.dt.ordinal_day().cast(pl.Float64).alias("day_julian"),
            stamp.dt.weekday().cast(pl.Float64).alias("weekday"),
            stamp.dt.hour().cast(pl.Float64).alias("hour"),
            stamp.dt.date().alias("_day"),
            pl.all_horizontal(pl.col(c).is_finite().fill_null(False) for c in [value, *weather]).alias("_complete"),
        )
        .sort(*keys, time)
        .collect()
    )
    if not data.height:
        raise DataError("weather_normalised got a frame without rows. Look at the filters before it.")
    if n := data[time].null_count():
        raise DataError(f"weather_normalised got {n} rows without a time in {time!r}. Drop them, or find their times.")
    twice = data.filter(pl.struct(*keys, time).is_duplicated())
    if twice.height:
        raise DataError(
            f"weather_normalised got {twice.height} rows that share group and time, first "
            f"{twice.select(*keys, time).row(0)}. Keep one row per group and time, or name the groups with by=."
        )
    return data


def _one_group(key: tuple[Any, ...], rows: pl.DataFrame, keys: list[str], plan: _Plan) -> _Done:
    """Fit, judge and normalise one group."""
    named = [pl.lit(k, rows.schema[n]).alias(n) for n, k in zip(keys, key, strict=True)]
    used = rows.filter("_complete")
    n = used.height
    has_value = rows.filter(pl.col(plan.value).is_finite())
    barren = [c for c in plan.predictors if not rows[c].is_finite().fill_null(False).any()]
    if barren and has_value.height:
        raise DataError(
            f"Predictor {barren[0]!r} has no value at all{_of(keys, key)}. Take it out of predictors, or "
            "join the weather."
        )
    day = used["_day"].to_numpy().astype("datetime64[D]")
    span = int((day[-1] - day[0]).astype(int)) + 1 if n else 0
    block = (day - day[0]).astype(np.int64) // plan.block_days if n else np.zeros(0, np.int64)
    y = used[plan.value].to_numpy()
    reason = (
        "no_values" if not n
        else "few_rows" if n < MIN_ROWS
        else "few_blocks" if len(np.unique(block)) < max(MIN_BLOCKS, plan.folds)
        else "constant" if np.ptp(y) == 0
        else None
    )  # fmt: skip
    nothing = pl.lit(None, pl.Float64)
    bare = rows.select(*keys, plan.time, pl.col(plan.value).alias("observed"))
    if reason:
        series = bare.with_columns(*(nothing.alias(c) for c in _SERIES[1:5]), pl.lit(reason).alias("reason"))
        skill = _skill_table({}, plan, reason).select(*named, pl.all())
        return _Done(key, series, skill, _importance_table({}).select(*named, pl.all()), None, reason, {}, n, span)

    x = used.select(plan.names).to_numpy().astype(np.float32)
    held_out = np.zeros(n, bool)
    held_out[plan.draws(_RANDOM).permutation(n)[: round(TEST_SHARE * n)]] = True
    half_blind = plan.model(plan.n_trees, _RANDOM).fit(x[~held_out], y[~held_out])
    guess = half_blind.predict(x[held_out])
    places = np.unique(block, return_inverse=True)[1]
    deal = plan.draws(_BLOCKED).permutation(places.max() + 1) % plan.folds
    blocked = _predicted_by_others(x, y, deal[places], plan, _BLOCKED)
    measured = {"random": skill_of(y[held_out], guess), "blocked": skill_of(y, blocked)}
    r2 = {name: s["r2"] for name, s in measured.items()}
    reason = "low_skill" if not r2[plan.judged_on] >= plan.min_r2 else None
    skill = _skill_table(measured, plan, reason).select(*named, pl.all())
    importance = _importance_table(_importance(half_blind, x[held_out], y[held_out], plan)).select(*named, pl.all())
    if reason:
        series = bare.with_columns(*(nothing.alias(c) for c in _SERIES[1:5]), pl.lit(reason).alias("reason"))
        return _Done(key, series, skill, importance, None, reason, r2, n, span)

    forest = plan.learner == "forest"
    model = plan.model(plan.n_trees, _MAIN, with_left_out=forest).fit(x, y)
    if forest:
        unseen = cast("RandomForestRegressor", model).oob_prediction_
    else:
        unseen = _predicted_by_others(x, y, plan.draws(_LEFT_OUT).permutation(n) % plan.folds, plan, _LEFT_OUT)
    inside = (rows[TREND] >= used[TREND][0]) & (rows[TREND] <= used[TREND][-1])
    at = rows.filter(inside)[TREND].to_numpy()
    sizes = [len(p) for p in np.array_split(np.arange(plan.n_trees), _PARTS)] if forest else [1]
    parts = exact_partial_dependence(model, x, at, kept=_KEPT, parts=len(sizes), n_jobs=plan.n_jobs)
    normalised = np.average(parts, axis=0, weights=sizes)
    refits = np.stack([_refit(x, y, places, at, r, plan) for r in range(plan.n_refits)])
    half = _half_width(refits, plan.level)

    complete = rows.filter(inside)["_complete"].to_numpy()
    filled = pl.DataFrame({plan.time: rows.filter(inside)[plan.time], "normalised": normalised, "_half": half})
    guessed = pl.DataFrame({plan.time: used[plan.time], "predicted": unseen})
    series = (
        bare.join(guessed, on=plan.time, how="left", maintain_order="left")
        .join(filled, on=plan.time, how="left", maintain_order="left")
        .with_columns(
            (pl.col("normalised") - pl.col("_half")).alias("lower"),
            (pl.col("normalised") + pl.col("_half")).alias("upper"),
            pl.lit(None, pl.String).alias("reason"),
        )
        .drop("_half")
        .select(*keys, plan.time, *_SERIES)
    )
    days, first = np.unique(day, return_index=True)

    def by_day(a: Numbers) -> Numbers:
        return cast(Numbers, np.add.reduceat(a, first, axis=-1))

    fit = _Fit(
        day=days,
        block=block[first],
        count=by_day(np.ones(n)),
        normalised=by_day(normalised[complete]),
        left_out=by_day(y - unseen),
        blocked=by_day(y - blocked),
        parts=by_day(parts[:, complete]),
        refits=by_day(refits[:, complete]),
    )
    return _Done(key, series, skill, importance, fit, None, r2, n, span)


def _predicted_by_others(x: npt.NDArray[np.float32], y: Numbers, fold: Whole, plan: _Plan, use: int) -> Numbers:
    """Return the prediction of each row by a learner that was fitted without its fold."""
    out = np.empty(len(y))
    trees = plan.fold_trees if plan.learner == "forest" else plan.n_trees
    for k in np.unique(fold):
        away = fold == k
        out[away] = plan.model(trees, use, int(k)).fit(x[~away], y[~away]).predict(x[away])
    return out


def _refit(x: npt.NDArray[np.float32], y: Numbers, places: Whole, at: Numbers, r: int, plan: _Plan) -> Numbers:
    """Return the normalised series of a learner fitted on blocks drawn with replacement."""
    k = int(places.max()) + 1
    drawn = plan.draws(_REFIT, r).integers(k, size=k)
    start = np.searchsorted(places, np.arange(k + 1))
    rows = np.concatenate([np.arange(start[b], start[b + 1]) for b in drawn])
    forest = plan.learner == "forest"
    model = plan.model(plan.refit_trees if forest else plan.n_trees, _REFIT, r).fit(x[rows], y[rows])
    return exact_partial_dependence(model, x, at, kept=_KEPT, n_jobs=plan.n_jobs)[0]


def _half_width(refits: Numbers, level: float) -> Numbers:
    """Return the half width of the interval of the series at each time."""
    from scipy.stats import t

    return cast(Numbers, t.ppf((1 + level) / 2, len(refits) - 1) * np.std(refits, axis=0, ddof=1))


def _importance(model: Model, x: npt.NDArray[np.float32], y: Numbers, plan: _Plan) -> dict[str, float]:
    """Return how far R² falls when a predictor is shuffled."""
    rng = plan.draws(_SHUFFLE)
    some = np.sort(rng.permutation(len(y))[:IMPORTANCE_ROWS])
    x, y = x[some], y[some]
    whole = skill_of(y, model.predict(x))["r2"]
    falls = {}
    for j, name in enumerate(plan.names):
        shuffled = x.copy()
        shuffled[:, j] = rng.permutation(x[:, j])
        falls[name] = whole - skill_of(y, model.predict(shuffled))["r2"]
    return falls


def _importance_table(falls: Mapping[str, float]) -> pl.DataFrame:
    table = pl.DataFrame(
        {"predictor": list(falls), "r2_fall": list(falls.values())},
        schema={"predictor": pl.String, "r2_fall": pl.Float64},
    )
    return table.sort("r2_fall", descending=True)


def _skill_table(measured: Mapping[str, Mapping[str, float]], plan: _Plan, reason: str | None) -> pl.DataFrame:
    names = ("r2", "rmse", "mean_bias", "fac2")
    rows = [
        {
            "split": split,
            "n": int(measured[split]["n"]) if split in measured else 0,
            **{name: measured.get(split, {}).get(name) for name in names},
            "is_judge": split == plan.judged_on,
            "reason": reason,
        }
        for split in ("random", "blocked")
    ]
    kinds = {"split": pl.String, "n": pl.Int64, **dict.fromkeys(names, pl.Float64)}
    return pl.DataFrame(rows, schema={**kinds, "is_judge": pl.Boolean, "reason": pl.String})


def _refusal(refused: Sequence[_Done], plan: _Plan, n_groups: int) -> str:
    """Return what a refusal says: which groups, why, and what to do."""

    def told(d: _Done) -> str:
        name = f"{'/'.join(map(str, d.key))}: " if d.key else ""
        if d.reason == "low_skill":
            return name + f"R² {d.r2['blocked']:.2f} on left-out blocks, {d.r2['random']:.2f} on random rows"
        return name + f"{_REASONS[str(d.reason)]} (n = {d.n}, {d.days} days)"

    shown = "; ".join(told(d) for d in refused[:5]) + (f"; and {len(refused) - 5} more" if len(refused) > 5 else "")
    advice = f"at least {MIN_ROWS} complete rows and {MIN_BLOCKS} blocks of {plan.block_days} days."
    if any(d.reason == "low_skill" for d in refused):
        way_out = ', or take judged_on="random" as published studies do and say so.'
        advice = (
            f"R² of at least {plan.min_r2:g} on the {plan.judged_on} split. Add predictors (height of the boundary "
            "layer), normalise daily means instead of hours" + (way_out if plan.judged_on == "blocked" else ".")
        )
    return (
        f"No weather-normalised {plan.value!r} for {len(refused)} of {n_groups} group(s): {shown}. Expected: "
        f'{advice} on_refusal="null" keeps the other groups.'
    )


def _of(keys: Sequence[str], key: Sequence[Any]) -> str:
    return " in " + ", ".join(f"{n} {k!r}" for n, k in zip(keys, key, strict=True)) if keys else ""


def _assumptions(plan: _Plan, shortest: int) -> tuple[str, ...]:
    said = [
        f"All predictors but {TREND} are averaged over their joint distribution in the rows used: season, weekday and "
        "hour are averaged out with the weather.",
        "The predictors describe the weather, and emissions do not cause them.",
        f"Errors more than {plan.block_days} days apart are independent.",
        "lower and upper show how far the series moves under other blocks and seeds; the learner's pull towards the "
        "mean is not in them.",
    ]
    if plan.judged_on == "random":
        said.append("Skill was judged on random rows, which neighbours in time can give away.")
    if shortest < TWO_YEARS:
        said.append(
            f"The shortest group spans {shortest} days: season and trend cannot be told apart within two years."
        )
    return tuple(said)


def _need_at_least(**given: tuple[int, int]) -> None:
    for name, (number, least) in given.items():
        if number < least or int(number) != number:
            raise RangeError(f"{name} is {number}; expected a whole number of at least {least}.")


def _need_level(level: float) -> None:
    if not 0 < level < 1:
        raise RangeError(f"level is {level}; expected a share between 0 and 1, for example 0.95.")
