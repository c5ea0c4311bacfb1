"""Rates of small places: drawn towards the common mean by how little they tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from citylab.equity.space.neighbours import one_row_each
from citylab.equity.space.placed import MISSING, NO_ROWS
from citylab.equity.space.rules import rule
from citylab.errors import DataError, RangeError, SchemaError
from citylab.frames import Frame, keys_of, lazily, need_columns, need_numbers

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

Kind = Literal["rate", "share"]
NO_EXCESS, NO_POPULATION, ONE_PLACE = "no_excess_variation", "no_population", "one_place"
NO_EVENTS, ALL_EVENTS = "no_events", "all_events"
RESULT = {
    "rate": pl.Float64(), "rate_shrunken": pl.Float64(), "lower": pl.Float64(), "upper": pl.Float64(),
    "level": pl.Float64(), "own_share": pl.Float64(), "mean_rate": pl.Float64(), "n": pl.Int64(),
    "n_missing": pl.Int64(), "note": pl.String(),
}  # fmt: skip


def shrunken_rates(
    frame: Frame,
    events: str,
    population: str,
    place: str,
    *,
    by: str | Sequence[str] | None = None,
    kind: Kind = "rate",
    level: float = 0.95,
) -> Frame:
    """Return rates of places drawn towards the mean of all (empirical Bayes), with intervals.

    A small place has a high or low rate by chance. Its rate is mixed with the common one: the more people it has, and
    the more places truly differ, the more its own rate counts.

    Parameters
    ----------
    frame
        One row per place.
    events
        Column of counts, 0 or more, such as complaints or people without internet.
    population
        Column of the people, households or tests among whom they were counted, 0 or more.
    place
        Column of the places' ids.
    by
        Columns of groups, each with a mean of its own, such as the year.
    kind
        ``"rate"``: events per head, of which a head can have several (Poisson, gamma prior); ``"share"``: people of
        whom each counts at most once (binomial, beta prior).
    level
        Level of the intervals.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per place, sorted by the columns of ``by`` and the place: ``rate`` as counted (null without people),
        ``rate_shrunken`` with ``lower``, ``upper`` and ``level``, ``own_share`` (weight of the place's own rate,
        0 to 1), ``mean_rate`` (of all places together), ``n`` and ``n_missing`` (places of the group with and without
        both counts), ``note``: ``no_excess_variation`` where places differ no more than chance makes them, so that all
        get the mean; ``no_population``; ``missing``; ``one_place``, whose rate stays; ``no_events``, or
        ``all_events`` where everybody of a share has it, which leave no interval; ``no_rows``.

    Raises
    ------
    SchemaError, RangeError
        A column is missing or holds no numbers; no such kind; a level outside 0 to 1.
    DataError
        On collecting: negative or infinite counts, events without people, more events than people in a share, a place
        twice.

    Notes
    -----
    Intervals hold the common mean and spread for known; with few places they are too narrow.

    Examples
    --------
    >>> towns = pl.DataFrame({"town": ["a", "b", "c"], "offline": [30, 0, 900], "people": [100, 10, 10_000]})
    >>> shrunken_rates(towns, "offline", "people", "town").select("town", pl.col("rate_shrunken").round(3)).rows()
    [('a', 0.156), ('b', 0.088), ('c', 0.09)]

    References
    ----------
    Marshall (1991), Mapping disease and mortality rates using empirical Bayes estimators, Applied Statistics 40(2),
    283-294. doi:10.2307/2347593. Interval of rates: the gamma posterior with Marshall's moments, of the same mean.
    """
    lf, back = lazily(frame)
    keys: list[str] = keys_of(by)
    schema = need_columns(lf, dict.fromkeys([*keys, place, events, population]), what="shrunken_rates")
    need_numbers(schema, [events, population], what="shrunken_rates")
    if clash := sorted({*keys, place} & set(RESULT)):
        raise SchemaError(f"shrunken_rates: column {clash[0]!r} has the name of a column of the result; rename it.")
    if kind not in {"rate", "share"}:
        raise RangeError(f"shrunken_rates: kind is {kind!r}; expected 'rate' or 'share'.")
    if not 0 < level < 1:
        raise RangeError(f"shrunken_rates: level is {level}; expected a share between 0 and 1, such as 0.95.")
    out = pl.Schema({**{c: schema[c] for c in [*keys, place]}, **RESULT})

    def work(table: pl.DataFrame) -> pl.DataFrame:
        counts = table.select(
            *keys, place, *(pl.col(c).cast(pl.Float64).fill_nan(None).alias(n) for c, n in
                            ((events, _EVENTS), (population, _PEOPLE)))
        )  # fmt: skip
        refuse_counts(counts, _EVENTS, _PEOPLE, place, is_share=kind == "share", what="shrunken_rates")
        parts = (counts.partition_by(keys) if keys else []) or [counts]
        for part in parts:
            one_row_each(part, place, "shrunken_rates")
        told = pl.concat([_shrunken(part, kind, level) for part in parts])
        return told.select(out.names()).sort(*keys, place, nulls_last=True)

    return back(lf.select(list(dict.fromkeys([*keys, place, events, population]))).map_batches(work, schema=out))


_EVENTS, _PEOPLE = "_events", "_people"


def refuse_counts(table: pl.DataFrame, events: str, people: str, place: str, *, is_share: bool, what: str) -> None:
    """Make sure that counts can be counts of events among people.

    Raises
    ------
    DataError
        They cannot.
    """
    e, b = pl.col(events), pl.col(people)
    wrong: list[tuple[pl.Expr, str]] = [
        (e.is_infinite() | b.is_infinite(), "infinite counts"),
        ((e < 0) | (b < 0), "counts below 0"),
        ((b == 0) & (e > 0), "events among nobody"),
    ]
    if is_share:
        wrong.append((e > b, "more events than people; take kind='rate' if one can have several"))
    for expr, told in wrong:
        bad = table.filter(expr)
        if bad.height:
            row = bad.row(0, named=True)
            raise DataError(
                f"{what}: {row[place]!r} has {row[events]:g} events among {row[people]:g}: {told}; {bad.height} such "
                "rows."
            )


def _shrunken(part: pl.DataFrame, kind: Kind, level: float) -> pl.DataFrame:
    whole = pl.all_horizontal(pl.col(_EVENTS, _PEOPLE).is_not_null())
    rows = part.filter(whole & (pl.col(_PEOPLE) > 0))
    n, n_missing = part.filter(whole).height, part.filter(~whole).height
    head = {"level": level, "n": n, "n_missing": n_missing}
    empty = part.filter(~(whole & (pl.col(_PEOPLE) > 0)).fill_null(False))
    if not rows.height:
        why = pl.when(whole).then(pl.lit(NO_ROWS)).otherwise(pl.lit(MISSING))
        return part.with_columns(
            *(pl.lit(None, t).alias(c) for c, t in RESULT.items() if c not in {*head, "note"}),
            *(pl.lit(v, RESULT[c]).alias(c) for c, v in head.items()), why.alias("note"),
        )  # fmt: skip
    e, b = rows[_EVENTS].to_numpy(), rows[_PEOPLE].to_numpy()
    mean = float(e.sum() / b.sum())
    spread = prior_variance(e, b, kind)
    own, lower, upper = posterior(e, b, mean, spread, kind, level)
    note: str | None = None
    if rows.height < rule("distinct_places"):
        note, own, spread = ONE_PLACE, np.ones(1), np.inf
        _, lower, upper = posterior(e, b, mean, spread, kind, level)
    elif spread <= 0:
        note = NO_EXCESS
    if mean <= 0 or (kind == "share" and mean >= 1):
        note, lower, upper = NO_EVENTS if mean <= 0 else ALL_EVENTS, np.full(len(e), np.nan), np.full(len(e), np.nan)
    told = rows.with_columns(
        pl.Series("rate", e / b), pl.Series("rate_shrunken", own * e / b + (1 - own) * mean),
        pl.Series("lower", lower).fill_nan(None), pl.Series("upper", upper).fill_nan(None),
        pl.Series("own_share", own), pl.lit(note, pl.String()).alias("note"),
    )  # fmt: skip
    _, low, high = posterior(np.zeros(1), np.zeros(1), mean, spread, kind, level)
    is_prior = 0 < spread < np.inf and mean > 0
    nobody = empty.with_columns(
        pl.lit(None, pl.Float64()).alias("rate"),
        pl.when(whole).then(mean).cast(pl.Float64).alias("rate_shrunken"),
        pl.when(whole & is_prior).then(float(low[0])).cast(pl.Float64).alias("lower"),
        pl.when(whole & is_prior).then(float(high[0])).cast(pl.Float64).alias("upper"),
        pl.when(whole).then(0.0).cast(pl.Float64).alias("own_share"),
        pl.when(whole).then(pl.lit(NO_POPULATION)).otherwise(pl.lit(MISSING)).alias("note"),
    )
    every = pl.concat([told, nobody]).with_columns(pl.lit(mean).alias("mean_rate"))
    return every.with_columns(pl.lit(v, RESULT[c]).alias(c) for c, v in head.items())


def prior_variance(events: Floats, people: Floats, kind: Kind = "rate") -> float:
    """Return how much rates of places differ beyond chance, as a variance; not above 0 where they do not.

    Parameters
    ----------
    events, people
        Counts by place; people above 0.
    kind
        As in :func:`shrunken_rates`.

    Returns
    -------
    float
        For rates Marshall's moment: the variance weighted by people, less the mean rate over the mean of people. For
        shares the moment that is unbiased under a beta-binomial with known mean: with V(rate) = m(1-m)/b + a(b-1)/b,
        the people-weighted sum of squares has the expectation k m(1-m) + a (sum of b - k).

    Examples
    --------
    >>> round(prior_variance(np.array([1.0, 3.0]), np.array([10.0, 10.0])), 9)
    -0.01
    """
    total = float(people.sum())
    mean = float(events.sum()) / total
    squares = float((people * (events / people - mean) ** 2).sum())
    k = len(people)
    if kind == "rate":
        return squares / total - mean * k / total
    return (squares - k * mean * (1 - mean)) / (total - k) if total > k else 0.0


def posterior(
    events: Floats, people: Floats, mean: float, spread: float, kind: Kind, level: float
) -> tuple[Floats, Floats, Floats]:
    """Return the weight of each place's own rate and the interval of its rate under the prior of all places."""
    if mean <= 0 or (kind == "share" and mean >= 1):
        flat = np.full(len(people), mean)
        return np.zeros(len(people)), flat, flat
    if spread <= 0:
        # All share one rate; what is known of it is known from all places together.
        one = np.ones(len(people))
        return 0 * one, *_bounds(events.sum() * one, people.sum() * one, 0.0, 0.0, kind, level)
    if kind == "rate":
        strength = 0.0 if np.isinf(spread) else mean / spread
    else:
        strength = 0.0 if np.isinf(spread) else max(mean * (1 - mean) / spread - 1, 0.0)
    with np.errstate(invalid="ignore"):
        own = people / (people + strength)
    return own, *_bounds(events, people, mean * strength, strength, kind, level)


def _bounds(
    events: Floats, people: Floats, prior_events: float, strength: float, kind: Kind, level: float
) -> tuple[Floats, Floats]:
    from scipy import stats

    tail = (1 - level) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        if kind == "rate":
            a, scale = events + prior_events, 1 / (people + strength)
            return stats.gamma.ppf(tail, a, scale=scale), stats.gamma.ppf(1 - tail, a, scale=scale)
        a, c = events + prior_events, people - events + strength - prior_events
        return stats.beta.ppf(tail, a, c), stats.beta.ppf(1 - tail, a, c)
