"""What chance alone makes, how sure a value is, and whether two cities or years differ."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import polars as pl
from scipy.stats import norm

from citylab.equity.segregation import strength
from citylab.equity.segregation.counts import BIASED, MORE_EVEN, SIZES, Table, gravest, has_value, question, schema_of
from citylab.equity.segregation.drawing import Null, Resample, again, by_chance, in_chunks, whole
from citylab.equity.segregation.formulas import Measure, rule, values_of
from citylab.equity.segregation.strength import Estimate
from citylab.errors import DataError, RangeError, suggest
from citylab.frames import Frame, keys_of, lazily
from citylab.stats.bootstrap import interval, need_draws

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Counts = npt.NDArray[Any]

Comparison = Literal["bootstrap", "random_label"]


def _settings(draws: int | None, level: float | None, what: str) -> tuple[int, float]:
    n = int(rule("draws")) if draws is None else draws
    if n < 1 or n != int(n):
        raise RangeError(f"{what}: draws is {n}; expected a whole number, at least 1.")
    at = rule("level") if level is None else float(level)
    return n, at


def _check_choice(given: str, known: Any, what: str) -> None:
    if given not in get_args(known):
        raise suggest(str(given), get_args(known), what=what, see="citylab.equity.segregation")


def segregation_test(
    frame: Frame,
    *,
    unit: str,
    group: str,
    count: str = "persons",
    focal: Any = None,
    against: Any = None,
    measures: str | Sequence[str] | None = None,
    by: str | Sequence[str] | None = None,
    null: Null = "permutation",
    draws: int | None = None,
    seed: int = 0,
) -> Frame:
    """Return whether groups are more segregated than if chance had placed them, and by how much.

    Parameters
    ----------
    frame, unit, group, count, focal, against, measures, by
        As in :func:`segregation`; counts are whole persons.
    null
        What chance does. ``permutation`` (complete randomness): places persons at random, each unit keeps its size and
        each group too. ``evenness``: each unit keeps its size, and each of its persons is of a group with the
        probability of the whole. ``systematic``: each group keeps its size, and each of its persons is in a unit with
        the probability of the whole.
    draws
        Number of draws; default in ``segregation_rules``.
    seed
        The same seed gives the same result, whatever the order of rows.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per part and measure: the columns of ``by``, ``measure``, ``value``; ``expected`` and ``sd`` (mean and
        standard deviation by chance), ``excess`` (value - expected), ``z`` (excess / sd), ``p`` (share of tables by
        chance with at least the value, the one seen counted in: never 0), ``modified`` (excess over what there can be
        beyond chance, (value - expected) / (1 - expected); null for measures without a highest value of 1), ``draws``,
        ``method`` (the null); then ``persons`` to ``note`` as in :func:`segregation`. For ``interaction`` low values
        are segregation: its ``p`` is the share of tables with at most the value.

    Raises
    ------
    SchemaError, UnknownNameError, RangeError, DataError
        As :func:`segregation`; counts that are not whole, which are no persons (estimates of a sample).

    Notes
    -----
    Under the nulls persons come one by one. Families, classes or villages that move together make more segregation than
    that without any preference; a small p then says less. ``excess`` is near 0 without segregation however small the
    units, and understates segregation that there is by up to ``expected``; the bias falls as the true value rises.

    Examples
    --------
    >>> pairs = pl.DataFrame({"desk": [1, 1, 2, 2, 3, 4], "group": ["a", "b", "a", "b", "a", "b"],
    ...                       "persons": [1, 1, 1, 1, 2, 2]})
    >>> found = segregation_test(pairs, unit="desk", group="group", measures="dissimilarity", draws=200)
    >>> found["value"].item(), found["p"].item() > 0.2, found["note"].item()
    (0.5, True, 'small_units')

    References
    ----------
    Boisso, Hayes, Hirschberg and Silber (1994), Occupational segregation in the multidimensional case, Journal of
    Econometrics 61, 161-171. Carrington and Troske (1997), doi:10.1080/07350015.1997.10524718 (modified index). Allen,
    Burgess, Davidson and Windmeijer (2015), doi:10.1111/ectj.12039. Phipson and Smyth (2010),
    doi:10.2202/1544-6115.1585 (p-values)
    """
    _check_choice(null, Null, "null hypothesis")
    lf, back = lazily(frame)
    q, schema = question(lf, unit, group, count, focal, against, measures, by, "segregation_test")
    n, _ = _settings(draws, None, "segregation_test")
    numbers = ["value", "expected", "sd", "excess", "z", "p", "modified"]

    def row(m: Measure, value: float, chance: Floats) -> dict[str, Any]:
        expected, sd = float(chance.mean()), float(chance.std(ddof=1)) if n > 1 else None
        # Equal tables may differ in the last digits.
        slack = rule("equal_tolerance")
        as_far = (chance <= value + slack) if m.name == "interaction" else (chance >= value - slack)
        return {
            "value": value, "expected": expected, "sd": sd, "excess": value - expected,
            "z": (value - expected) / sd if sd else None, "p": (1 + int(as_far.sum())) / (1 + n),
            "modified": (value - expected) / (m.highest - expected) if m.highest and expected < m.highest else None,
        }  # fmt: skip

    def tested(held: list[Measure], counts: Floats, seed: np.random.SeedSequence) -> list[dict[str, Any]]:
        persons = whole(counts, "segregation_test", "Weighted counts of a sample need segregation_interval.")
        chance = in_chunks(lambda c: values_of(held, c), persons.size, by_chance(persons, null), n, seed)
        return [row(m, float(m.value(persons)), c) for m, c in zip(held, chance, strict=True)]

    columns = dict.fromkeys(numbers, pl.Float64())
    out = schema_of(
        schema, q.keys, {"measure": pl.String(), **columns, "draws": pl.Int64(), "method": pl.String(), **SIZES}
    )

    def work(rows: pl.DataFrame) -> pl.DataFrame:
        found = q.tables(rows, "segregation_test")
        seeds = np.random.SeedSequence(seed).spawn(len(found))
        told = [q.rows(t, partial(tested, seed=s), draws=n, method=null) for t, s in zip(found, seeds, strict=True)]
        return pl.DataFrame([row for part in told for row in part], schema=out, orient="row")

    return back(lf.select(*q.keys, unit, group, count).map_batches(work, schema=out))


def segregation_interval(
    frame: Frame,
    *,
    unit: str,
    group: str,
    count: str = "persons",
    focal: Any = None,
    against: Any = None,
    measures: str | Sequence[str] | None = None,
    by: str | Sequence[str] | None = None,
    resample: Resample = "persons",
    draws: int | None = None,
    level: float | None = None,
    seed: int = 0,
) -> Frame:
    """Return segregation with its interval and its bias: by inverted tests, or by the bootstrap (see the notes).

    Parameters
    ----------
    frame, unit, group, count, focal, against, measures, by
        As in :func:`segregation`.
    resample
        ``persons``: the persons of the table are a sample of more (a survey, one intake of many); counts are whole.
        ``units``: the units are a sample of more (some schools of many), each with all its persons.
    draws, level
        Number of draws and level; defaults in ``segregation_rules``.
    seed
        The same seed gives the same result, whatever the order of rows.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per part and measure: the columns of ``by``, ``measure``, ``value``; ``corrected`` (the segregation
        whose samples have that value on average), ``bias`` (value - corrected), ``se``, ``lower``, ``upper``,
        ``level``, ``draws``, ``method``; then ``persons`` to ``note`` as in :func:`segregation`, with ``biased`` where
        the bias is larger than the standard error, so that the interval rests on its correction, and ``more_even``
        where even units that are all alike would seldom give so low a value: somebody may have spread the groups, and
        the interval is 0 alone.

    Raises
    ------
    SchemaError, UnknownNameError, RangeError, DataError
        As :func:`segregation`; counts that are not whole with ``resample="persons"``; too few draws for the level.

    Notes
    -----
    Measures of segregation come out too high from few persons, the more so the less segregation there is. An interval
    of persons therefore holds the strengths of segregation that can give the value seen: each unit keeps its size, its
    composition is moved along the line from that of the whole through its own and beyond, persons are drawn from that,
    and an end of the interval is the segregation from which only a share of (1 - level)/2 of the draws reach the value.
    It is never below 0, and begins at 0 where chance alone can make the value. Compositions seen are taken for the
    true ones but for their strength: where most units are exactly alike and a few are quite different, the interval
    of D lies somewhat too low. The slow proofs of the project, ``calibration/segregation.py``, measure how often it
    holds the truth. Whether there is any segregation is a question for :func:`segregation_test`.

    ``isolation`` and ``interaction``, which are the share of a group where there is no segregation, and all measures
    with ``resample="units"`` have the plain bootstrap: ``corrected`` is twice the value less the mean of the draws,
    ends are twice the value less the upper and the lower quantile of the draws. ``units`` finds little of the bias that
    small units have, and a bound below 0 is left as it is: read it as 0.

    A table of everybody (a census) has no error of sampling: its interval says what another intake could have brought.

    Examples
    --------
    >>> schools = pl.DataFrame({"school": ["a", "a", "b", "b"], "group": ["local", "migrant"] * 2,
    ...                         "persons": [900, 100, 300, 700]})
    >>> found = segregation_interval(schools, unit="school", group="group", measures="theil_h", draws=200)
    >>> found.select(pl.col("corrected").is_between("lower", "upper")).item(), found["n_units"].item()
    (True, 2)

    References
    ----------
    Carpenter and Bithell (2000), Bootstrap confidence intervals: when, which, what?, Statistics in Medicine 19,
    1141-1164 (test inversion). Rathelot (2012), doi:10.1080/07350015.2012.707586, and Allen, Burgess, Davidson and
    Windmeijer (2015), doi:10.1111/ectj.12039 (small units). Elbers (2023), doi:10.1177/0049124121986204
    """
    _check_choice(resample, Resample, "thing to resample")
    lf, back = lazily(frame)
    q, schema = question(lf, unit, group, count, focal, against, measures, by, "segregation_interval")
    n, at = _settings(draws, level, "segregation_interval")
    need_draws(n, at)
    numbers: list[str] = ["value", "corrected", "bias", "se", "lower", "upper"]

    def estimated(held: list[Measure], counts: Floats, seed: np.random.SeedSequence) -> list[dict[str, Any]]:
        found = _estimates(held, counts, resample, n, at, seed, "segregation_interval")
        return [row(float(v), e) for v, e in zip(values_of(held, counts), found, strict=True)]

    def row(value: float, e: Estimate) -> dict[str, Any]:
        bias = value - e.corrected
        is_biased = bias > rule("bias_over_se") * e.se
        return {"value": value, "corrected": e.corrected, "bias": bias, "se": e.se, "lower": e.lower, "upper": e.upper,
                "note": MORE_EVEN if e.is_below else BIASED if is_biased else None}  # fmt: skip

    out = schema_of(schema, q.keys, {"measure": pl.String(), **dict.fromkeys([*numbers, "level"], pl.Float64()),
                                "draws": pl.Int64(), "method": pl.String(), **SIZES})  # fmt: skip

    def work(rows: pl.DataFrame) -> pl.DataFrame:
        found = q.tables(rows, "segregation_interval")
        others = {"level": at, "draws": n, "method": resample}
        seeds = np.random.SeedSequence(seed).spawn(len(found))
        told = [q.rows(t, partial(estimated, seed=s), **others) for t, s in zip(found, seeds, strict=True)]
        return pl.DataFrame([row for part in told for row in part], schema=out, orient="row")

    return back(lf.select(*q.keys, unit, group, count).map_batches(work, schema=out))


def _estimates(
    held: Sequence[Measure],
    counts: Floats,
    resample: Resample,
    draws: int,
    level: float,
    seed: np.random.SeedSequence,
    what: str,
) -> list[Estimate]:
    """Return what values say of the segregation behind them: by strength where that is told, else by the bootstrap."""
    draw = again(counts, resample, what)
    moved = [m for m in held if resample == "persons" and m.is_evenness]
    others = [m for m in held if m not in moved]
    told: dict[str, Estimate] = {}
    if moved:
        found = strength.estimates(moved, counts, draws=draws, level=level, seed=seed)
        told |= {m.name: e for m, e in zip(moved, found, strict=True)}
    if others:
        drawn = in_chunks(lambda c: values_of(others, c), counts.size, draw, draws, seed)
        for m, value, d in zip(others, values_of(others, counts), drawn, strict=True):
            low, high = (2 * value - float(end) for end in reversed(interval(d, level=level)))
            told[m.name] = Estimate(float(2 * value - d.mean()), float(d.std(ddof=1)), low, high, is_below=False)
    return [told[m.name] for m in held]


def _apart(first: Estimate, second: Estimate, draws: int, level: float) -> dict[str, Any]:
    """Return the second estimate less the first, with the interval that their intervals give it."""
    far = norm.ppf((1 + level) / 2)
    apart = second.corrected - first.corrected
    below = float(np.hypot(second.corrected - second.lower, first.upper - first.corrected))
    above = float(np.hypot(second.upper - second.corrected, first.corrected - first.lower))
    towards_0 = below if apart > 0 else above
    # Draws tell no smaller p than that of none of them.
    p = 2 * norm.sf(far * abs(apart) / towards_0) if towards_0 > 0 else float(apart == 0)
    return {"corrected": apart, "se": float(np.hypot(first.se, second.se)), "lower": apart - below,
            "upper": apart + above, "p": max(float(p), 1 / (1 + draws))}  # fmt: skip


def segregation_difference(
    frame: Frame,
    *,
    unit: str,
    group: str,
    of: str,
    between: tuple[Any, Any],
    count: str = "persons",
    focal: Any = None,
    against: Any = None,
    measures: str | Sequence[str] | None = None,
    by: str | Sequence[str] | None = None,
    method: Comparison = "bootstrap",
    resample: Resample = "persons",
    draws: int | None = None,
    level: float | None = None,
    seed: int = 0,
) -> Frame:
    """Return how segregation differs between two cities or two years, and whether chance could make the difference.

    Parameters
    ----------
    frame, unit, group, count, focal, against, measures, by, resample, draws, level, seed
        As in :func:`segregation_interval`.
    of, between
        Column that tells the two apart, and its two values: the first is taken from the second.
    method
        ``bootstrap``: both are drawn anew, each by itself; gives an interval. ``random_label``: units are dealt out to
        the two anew, each keeping its number of units; tests whether their units could be of one kind, gives no
        interval.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per part and measure: the columns of ``by``, ``measure``, ``first``, ``second`` (values of the two),
        ``value`` (second - first), ``corrected`` (the same of their corrected values), ``se``, ``lower``, ``upper``,
        ``p`` (two-sided), ``level``, ``draws``, ``method``, ``note`` (of either, the graver one). Null under
        ``random_label``: corrected, se and interval.

    Raises
    ------
    SchemaError, UnknownNameError, RangeError, DataError
        As :func:`segregation_interval`; a value of ``between`` that no row has.

    Notes
    -----
    The bootstrap takes the two as independent. The same schools in two years are not, and the interval is then too
    wide. Each of the two has the corrected value and the interval of :func:`segregation_interval`, so that units of
    unlike size can be compared; the distances of their ends from their corrected values, squared and added, are those
    of the ends of the difference. ``p`` belongs to the level at which that interval would end at 0 if its ends moved
    as those of a normal distribution; it is never below 1 / (draws + 1). Values under ``random_label`` are not
    corrected: units of unlike size are of unlike kinds there.

    Examples
    --------
    >>> years = pl.DataFrame({"year": [2010] * 4 + [2020] * 4, "school": ["a", "a", "b", "b"] * 2,
    ...                       "group": ["local", "migrant"] * 4, "persons": [900, 100, 100, 900] + [500] * 4})
    >>> found = segregation_difference(years, unit="school", group="group", of="year", between=(2010, 2020),
    ...                                measures="dissimilarity", draws=200).row(0, named=True)
    >>> round(found["value"], 6), found["upper"] < 0, round(found["p"], 4)
    (-0.8, True, 0.005)

    References
    ----------
    Zou and Donner (2008), Construction of confidence limits about effect measures: a general approach, Statistics in
    Medicine 27, 1693-1702, doi:10.1002/sim.3095. Rey and Sastré-Gutiérrez (2010),
    Interregional inequality dynamics in Mexico, Spatial Economic Analysis 5, 277-298 (random labels)
    """
    _check_choice(method, Comparison, "comparison")
    _check_choice(resample, Resample, "thing to resample")
    what = "segregation_difference"
    lf, back = lazily(frame)
    keys: list[str] = keys_of(by)
    q, schema = question(lf, unit, group, count, focal, against, measures, [*keys, of], what)
    n, at = _settings(draws, level, what)
    need_draws(n, at)
    if isinstance(between, str) or len(between) != 2:
        raise RangeError(f"{what}: between= is {between!r}; expected the two values of {of!r} to compare.")
    first, second = between
    if first == second:
        raise RangeError(f"{what}: between= names {first!r} twice; name two values of {of!r}.")

    def bootstrapped(held: list[Measure], a: Floats, b: Floats, seed: np.random.SeedSequence) -> list[dict[str, Any]]:
        one, other = (
            _estimates(held, counts, resample, n, at, s, what) for counts, s in zip((a, b), seed.spawn(2), strict=True)
        )
        return [_apart(x, y, n, at) for x, y in zip(one, other, strict=True)]

    def relabelled(held: list[Measure], a: Floats, b: Floats, seed: np.random.SeedSequence) -> list[dict[str, Any]]:
        pool, dealt = np.concatenate([a, b]), np.arange(len(a) + len(b)) < len(a)

        def apart(rng: np.random.Generator, size: int) -> Counts:
            chosen = rng.permuted(np.broadcast_to(dealt, (size, len(pool))), axis=1)[..., None]
            return np.stack([np.where(chosen, pool, 0), np.where(chosen, 0, pool)])

        drawn = in_chunks(lambda c: values_of(held, c[1]) - values_of(held, c[0]), 2 * pool.size, apart, n, seed)
        seen = np.abs(values_of(held, b) - values_of(held, a))[:, None] - rule("equal_tolerance")
        return [{"p": (1 + int(k)) / (1 + n)} for k in (np.abs(drawn) >= seen).sum(-1)]

    compare = bootstrapped if method == "bootstrap" else relabelled

    numbers = ["first", "second", "value", "corrected", "se", "lower", "upper", "p", "level"]
    out = schema_of(schema, keys, {"measure": pl.String(), **dict.fromkeys(numbers, pl.Float64()), "draws": pl.Int64(),
                              "method": pl.String(), "note": pl.String()})  # fmt: skip

    def work(rows: pl.DataFrame) -> pl.DataFrame:
        found = q.tables(rows, what)
        held: dict[tuple[Any, ...], dict[Any, Table]] = {}
        for t in found:
            if t.key[-1] in between:
                held.setdefault(t.key[:-1], {})[t.key[-1]] = t
        lost = [(k, v) for k, has in (held or {(): {}}).items() for v in between if v not in has]
        if lost:
            where = f" for {dict(zip(keys, lost[0][0], strict=True))}" if keys else ""
            known = sorted({t.key[-1] for t in found})[:9]
            raise DataError(f"{what}: no row has {of} {lost[0][1]!r}{where}. There are {', '.join(map(repr, known))}.")
        pairs = [_aligned(has[first], has[second]) for has in held.values()]
        told = []
        for (a, b), of_pair in zip(pairs, np.random.SeedSequence(seed).spawn(len(pairs)), strict=True):
            of_measure: dict[str, dict[str, Any]] = {}
            for (ms, ca, sa), (_, cb, sb) in zip(q.parts(a), q.parts(b), strict=True):
                notes = {sa["note"], sb["note"]}
                one, other = (values_of(ms, c) if has_value(sizes) else None for c, sizes in ((ca, sa), (cb, sb)))
                is_number = one is not None and other is not None
                more = compare(ms, ca, cb, of_pair) if is_number else [{} for _ in ms]
                for k, m in enumerate(ms):
                    x, y = (None if v is None else float(v[k]) for v in (one, other))
                    of_measure[m.name] = {
                        **dict(zip(keys, a.key, strict=False)), "measure": m.name, "first": x, "second": y,
                        "value": None if x is None or y is None else y - x, **more[k], "level": at, "draws": n,
                        "method": method, "note": gravest(notes),
                    }  # fmt: skip
            told += [of_measure[m.name] for m in q.measures]
        return pl.DataFrame(told, schema=out, orient="row")

    return back(lf.select(*q.keys, unit, group, count).map_batches(work, schema=out))


def _aligned(a: Table, b: Table) -> tuple[Table, Table]:
    """Return both tables with the groups of both, so that their units can be dealt out anew."""
    groups = pl.concat([a.groups, b.groups]).unique().sort()
    names = groups.to_list()

    def wide(t: Table) -> Table:
        counts = np.zeros((len(t.counts), len(names)))
        counts[:, [names.index(g) for g in t.groups.to_list()]] = t.counts
        return Table(t.key, counts, t.units, groups, t.n_empty)

    return wide(a), wide(b)
