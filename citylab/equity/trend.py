"""Is a gap widening? Absolute and relative change apart, with what the published digits and samples can bear.

The two can point in opposite ways: when both groups gain, the difference may grow while the ratio falls. A verdict is
given only where the interval of a change leaves 0 out; a change across a break in the series gets none.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import polars as pl

from citylab import tables
from citylab.equity.gap import rule, two_groups
from citylab.errors import DataError, RangeError, RefusalError, SchemaError, need_level, suggest
from citylab.frames import keys_of, lazily, need_columns, need_numbers
from citylab.stats import bootstrap

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

Verdict = Literal["widening", "narrowing", "undecidable"]
Estimate = Literal["ends", "slope"]
When = dt.date | int | float

BREAKS = "series_breaks"
ABSOLUTE, RELATIVE, SHORTFALL = "absolute", "relative", "relative_shortfall"
ROUNDING_ONLY, CHANGE_PLACES, LONE, FEW_TIMES, SIMPLE, INDEPENDENT, BEFORE, BEYOND = (
    "rounding_only", "groups_change_places", "one_time", "too_few_times", "design_effect_1_assumed",
    "times_taken_as_independent", "before_series", "beyond_series",
)  # fmt: skip
"""Codes in ``note``."""
SCHEMA = {
    "measure": pl.String(), "regime": pl.Int64(), "n_times": pl.Int64(), "first_gap": pl.Float64(),
    "last_gap": pl.Float64(), "change": pl.Float64(), "se": pl.Float64(), "lower": pl.Float64(),
    "upper": pl.Float64(), "level": pl.Float64(), "verdict": pl.String(), "excludes": pl.String(), "note": pl.String(),
}  # fmt: skip


@dataclass(frozen=True)
class GapTrend:
    """Whether a gap grew, by measure and regime.

    Attributes
    ----------
    table
        As :meth:`tidy` gives it.
    gaps
        One row per time: both groups' values and the gaps.
    groups
        The group ahead and the group behind.
    breaks
        The first times of new regimes that were declared.
    left_out
        Times at which one of the groups has no value.
    """

    table: pl.DataFrame
    gaps: pl.DataFrame
    groups: tuple[object, object]
    breaks: tuple[When, ...]
    left_out: tuple[When, ...]

    def tidy(self) -> pl.DataFrame:
        """Return one row per measure and regime.

        Returns
        -------
        polars.DataFrame
            ``measure``: ``absolute`` (difference), ``relative`` (ratio of the group ahead to the one behind),
            ``relative_shortfall`` (ratio of what the one behind lacks to what the one ahead lacks); ``regime``,
            ``from``, ``to``, ``n_times``, ``first_gap``, ``last_gap``, ``change`` with ``se`` (none where only rounding
            is known), ``lower``, ``upper``; ``verdict``; ``excludes``: the direction that the interval rules out;
            ``note``. A change is ``last_gap - first_gap`` [unit of the value], of a ratio last / first - 1; with
            ``estimate="slope"`` it is that per year.
        """
        return self.table

    def verdict(self, measure: str = ABSOLUTE) -> Verdict:
        """Return the verdict on a measure: that of all its regimes if they agree, else ``undecidable``.

        Raises
        ------
        UnknownNameError
            The measure is not in the table.
        """
        found = self._of(measure)["verdict"].unique().to_list()
        return found[0] if len(found) == 1 else "undecidable"

    def contradicts(self, claim: Literal["widening", "narrowing"], measure: str = ABSOLUTE) -> bool:
        """Return whether every regime rules a claim out; that a claim is not shown is not enough.

        Raises
        ------
        UnknownNameError
            The claim or the measure is not known.
        """
        if claim not in ("widening", "narrowing"):
            raise suggest(str(claim), ("widening", "narrowing"), what="claim", see="GapTrend.contradicts")
        return bool((self._of(measure)["excludes"] == claim).fill_null(False).all())

    def _of(self, measure: str) -> pl.DataFrame:
        known = self.table["measure"].unique().to_list()
        if measure not in known:
            raise suggest(measure, known, what="measure of the gap", see="GapTrend.tidy()")
        return self.table.filter(pl.col("measure") == measure)

    def _repr_html_(self) -> str:
        return self.table._repr_html_()


def years(times: pl.Series) -> Floats:
    """Return times as decimal years: dates as they are, numbers as years already.

    Examples
    --------
    >>> years(pl.Series([2020, 2021])).tolist()
    [2020.0, 2021.0]
    """
    if times.dtype.is_numeric():
        return times.cast(pl.Float64).to_numpy()
    if times.dtype == pl.Date or isinstance(times.dtype, pl.Datetime):
        days = times.cast(pl.Date).cast(pl.Int32).cast(pl.Float64).to_numpy()
        return np.asarray(dt.date(1970, 1, 1).year + days / rule("days_per_year"), dtype=np.float64)
    raise SchemaError(f"Times are {times.dtype}; expected dates, or years as numbers. Parse text with str.to_date().")


def declared_breaks(series: str, *, place: str | None = None, table: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return the breaks that are declared for a published yearly series.

    Parameters
    ----------
    series
        Column of the vocabulary, for example ``internet_use_itu_pct``.
    place
        ``adcode`` of a place, or ISO code of a country.
    table
        Another table of breaks; default: ``series_breaks``.

    Returns
    -------
    polars.DataFrame
        One row per break: ``adcode``, ``year_before``, ``year_after`` (first year of the new regime, for ``breaks=`` of
        :func:`trend_of_gap`), ``kind``, ``note_zh``, ``note_en``, ``source``.

    Raises
    ------
    UnknownNameError
        No break is declared for the series.

    Examples
    --------
    >>> declared_breaks("internet_use_itu_pct", place="CHN")["year_after"].to_list()
    [2023]
    """
    told = tables.read(BREAKS) if table is None else table
    known = told["series"].unique().to_list()
    if series not in known:
        raise suggest(series, known, what="series with declared breaks", see=f"datasets/codes/{BREAKS}.csv")
    rows = told.filter(pl.col("series") == series)
    rows = rows if place is None else rows.filter(pl.col("adcode") == place)
    return rows.select("adcode", "year_before", "year_after", "kind", "note_zh", "note_en", "source")


@dataclass(frozen=True)
class _Pair:
    """Values of two groups at the times both have."""

    when: list[Any]
    at: Floats
    a: Floats
    b: Floats
    se_a: Floats | None
    se_b: Floats | None
    half: float

    def part(self, keep: slice) -> _Pair:
        se_a, se_b = (None if s is None else s[keep] for s in (self.se_a, self.se_b))
        return _Pair(self.when[keep], self.at[keep], self.a[keep], self.b[keep], se_a, se_b, self.half)


def trend_of_gap(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    value: str,
    group: str,
    time: str,
    groups: tuple[object, object] | None = None,
    se: str | None = None,
    n: str | None = None,
    design_effect: float | None = None,
    rounding: float | None = None,
    bound: float | None = None,
    breaks: Sequence[When] = (),
    estimate: Estimate = "ends",
    errors: Literal["delta", "bootstrap"] = "delta",
    n_boot: int = 1999,
    seed: int = 0,
    level: float = 0.95,
) -> GapTrend:
    """Return whether the gap between two groups is widening, narrowing, or neither can be told.

    Parameters
    ----------
    frame
        One row per group and time: published figures, or what :func:`citylab.stats.survey.mean` made of a survey
        (``value="value", se="se"``).
    value
        Column of values, above 0.
    group, groups
        Column with the groups, and which two; default: the two that it has. The one that is higher on average is the
        one ahead.
    time
        Column of dates, or of years.
    se
        Column of standard errors.
    n
        Column of sample sizes; the value is then a share of ``bound``.
    design_effect
        Variance of the sample over that of independent rows, for ``n``. Without it 1 is taken, and noted.
    rounding
        Width of the rounding of published figures: 0.1 for 55.9 %. Alone, it says what the digits bear, and nothing of
        the error of the sample; with ``se`` or ``n`` it widens the interval.
    bound
        What a value can reach, 1 or 100: adds the relative gap in what is lacking.
    breaks
        First times of new regimes. Nothing is said across a break.
    estimate
        ``ends``: last less first. ``slope``: a weighted line through all times of a regime (at least 3), its interval
        widened where the times scatter more than their errors say.
    errors
        ``delta``, or ``bootstrap``: values drawn from their errors (binomial where ``n`` is given).
    n_boot, seed, level
        Draws, their seed; level of the interval.

    Returns
    -------
    GapTrend

    Raises
    ------
    RefusalError
        No source of uncertainty was given, or fewer than two times have both groups.
    DataError
        Double rows, values that are not above 0, beyond ``bound``, or shares in percent.

    Notes
    -----
    Groups and times count as independent samples. In a panel, or where one survey's PSUs return, changes are known
    better than this says.

    Examples
    --------
    Internet use in towns and villages of China, CNNIC reports 46 and 47: rounding alone leaves it open.

    >>> use = pl.DataFrame({
    ...     "month": ["2020-06", "2020-06", "2020-12", "2020-12"], "area": ["urban", "rural"] * 2,
    ...     "internet_use_pct": [76.4, 52.3, 79.8, 55.9]}).with_columns((pl.col("month") + "-01").str.to_date())
    >>> told = trend_of_gap(use, value="internet_use_pct", group="area", time="month", rounding=0.1, bound=100)
    >>> told.verdict("absolute"), told.verdict("relative"), told.verdict("relative_shortfall")
    ('undecidable', 'narrowing', 'widening')
    """
    _check(estimate, errors, n_boot, level, rounding, se, n, design_effect, bound)
    lf = frame if isinstance(frame, pl.LazyFrame) else lazily(frame)[0]
    extra = [c for c in (se, n) if c is not None]
    schema = need_columns(lf, [value, group, time, *extra], what="trend_of_gap")
    need_numbers(schema, [value, *extra], what="trend_of_gap")
    rows = lf.select(time, group, value, *extra).collect()
    pair, pairs, left_out = _paired(rows, value, group, time, groups, se, n, design_effect, rounding, bound)
    regimes = _regimes(pair, breaks, rows[time])
    measures: dict[str, Callable[[Floats, Floats], Floats]] = {
        ABSOLUTE: lambda a, b: a - b,
        RELATIVE: lambda a, b: np.log(a) - np.log(b),
    }
    if bound is not None:
        measures[SHORTFALL] = lambda a, b: np.log(bound - b) - np.log(bound - a)
    notes = [ROUNDING_ONLY] if pair.se_a is None else [INDEPENDENT]
    if n is not None and design_effect is None:
        notes.append(SIMPLE)
    out: list[dict[str, Any]] = []
    for name, of in measures.items():
        for k, keep in enumerate(regimes):
            part = pair.part(keep)
            row = _change(part, of, bound, name, estimate, errors, n_boot, seed, level, list(notes))
            out.append({"measure": name, "regime": k + 1, "from": part.when[0], "to": part.when[-1], **row})
    kind = schema[time]
    names = list(SCHEMA)
    full = {**{c: SCHEMA[c] for c in names[:2]}, "from": kind, "to": kind, **{c: SCHEMA[c] for c in names[2:]}}
    table = pl.DataFrame(out, schema=full)
    gaps = pl.DataFrame({time: pl.Series(pair.when, dtype=kind), "ahead": pair.a, "behind": pair.b}).with_columns(
        absolute=pl.col("ahead") - pl.col("behind"), relative=pl.col("ahead") / pl.col("behind")
    )
    return GapTrend(table, gaps, pairs, tuple(breaks), left_out)


def _check(
    estimate: str, errors: str, n_boot: int, level: float, rounding: float | None, se: str | None, n: str | None,
    design_effect: float | None, bound: float | None,
) -> None:  # fmt: skip
    see = "citylab.equity.trend.trend_of_gap"
    if estimate not in get_args(Estimate):
        raise suggest(str(estimate), get_args(Estimate), what="estimate", see=see)
    if errors not in ("delta", "bootstrap"):
        raise suggest(str(errors), ("delta", "bootstrap"), what="errors", see=see)
    need_level(level)
    if errors == "bootstrap":
        bootstrap.need_draws(n_boot, level)
        if se is None and n is None:
            raise RefusalError("trend_of_gap: a bootstrap draws from se= or n=; rounding alone has no distribution.")
    if se is not None and n is not None:
        raise SchemaError("trend_of_gap: name se= or n=, not both; a standard error knows more than a sample size.")
    if se is None and n is None and rounding is None:
        raise RefusalError(
            "trend_of_gap: nothing says how sure these values are, so no change can be told from noise. Name standard "
            "errors (se=), sample sizes (n=), or the rounding of published figures (rounding=0.1 for 55.9)."
        )
    if rounding is not None and not (np.isfinite(rounding) and rounding > 0):
        raise RangeError(f"rounding is {rounding}; expected the width of the last digit, above 0, such as 0.1.")
    if n is not None and bound is None:
        raise SchemaError(
            "trend_of_gap: with n= the value is a share; say of what by bound=1, or bound=100 for percent."
        )
    if design_effect is not None and not (np.isfinite(design_effect) and design_effect > 0):
        raise RangeError(f"design_effect is {design_effect}; expected a number above 0, 1 for independent rows.")
    if bound is not None and not bound > 0:
        raise RangeError(f"bound is {bound}; expected 1 for shares or 100 for percent.")


def _paired(
    rows: pl.DataFrame, value: str, group: str, time: str, groups: tuple[object, object] | None, se: str | None,
    n: str | None, design_effect: float | None, rounding: float | None, bound: float | None,
) -> tuple[_Pair, tuple[object, object], tuple[When, ...]]:  # fmt: skip
    groups = two_groups(rows[group], groups, "trend_of_gap")
    rows = rows.filter(pl.col(group).is_in(list(groups)))
    if rows[time].null_count():
        raise DataError(f"trend_of_gap: {rows[time].null_count()} rows have no {time!r}.")
    double = rows.group_by(time, group).len().filter(pl.col("len") > 1).sort(time, group)
    if double.height:
        raise DataError(
            f"trend_of_gap: {double.item(0, group)!r} has {double.item(0, 'len')} rows at {double.item(0, time)}; "
            "expected one. Choose one source, or average them first."
        )
    error = [] if se is None and n is None else [str(se or n)]
    rows = rows.with_columns(pl.col(c).cast(pl.Float64).fill_nan(None) for c in [value, *error])
    values = rows[value].drop_nulls()
    if values.is_infinite().any() or (values <= 0).any():
        raise DataError(f"trend_of_gap: {value!r} goes down to {values.min()!r}; a ratio needs values above 0.")
    if value.endswith("_share") and values.max() > 1:  # type: ignore[operator]
        raise DataError(f"trend_of_gap: {value!r} is a share by its name, but reaches {values.max()!r}. Divide by 100.")
    if bound is not None and values.max() >= bound:  # type: ignore[operator]
        raise DataError(
            f"trend_of_gap: {value!r} reaches {values.max()!r}, the bound is {bound:g}; nothing would lack."
        )
    usable = rows.drop_nulls([value, *error])
    sides = [usable.filter(pl.col(group) == g).sort(time) for g in groups]
    both = sides[0].join(sides[1], on=time, suffix="_b").sort(time)
    left_out = tuple(t for t in rows[time].unique().sort().to_list() if t not in set(both[time].to_list()))
    if both.height < 2:
        told = {str(g): [str(t) for t in s[time].to_list()] for g, s in zip(groups, sides, strict=True)}
        raise RefusalError(
            f"trend_of_gap: {both.height} times have both groups, a change needs two. Values"
            f"{' with an error' if error else ''} stand at {told}. A missing figure is not filled in here."
        )
    a, b = both[value].to_numpy(), both[f"{value}_b"].to_numpy()
    spread: list[Floats | None] = [None, None]
    if error:
        raw = [both[error[0]].to_numpy(), both[f"{error[0]}_b"].to_numpy()]
        if any((e < 0).any() or (n is not None and (e < 1).any()) for e in raw):
            raise DataError(f"trend_of_gap: {error[0]!r} holds values below {0 if se else 1}.")
        if n is None:
            spread = list(raw)
        else:
            assert bound is not None
            effect = 1.0 if design_effect is None else design_effect
            spread = [np.sqrt(effect * v * (bound - v) / e) for v, e in zip((a, b), raw, strict=True)]
    half = 0.0 if rounding is None else rounding / 2
    if (np.minimum(a, b) <= half).any():
        raise DataError(f"trend_of_gap: values of {value!r} are no larger than their rounding; a ratio says nothing.")
    if bound is not None and (bound - np.maximum(a, b) <= half).any():
        raise DataError(f"trend_of_gap: values of {value!r} are as near to {bound:g} as their rounding.")
    when, at = both[time].to_list(), years(both[time])
    if a.mean() >= b.mean():
        return _Pair(when, at, a, b, spread[0], spread[1], half), groups, left_out
    return _Pair(when, at, b, a, spread[1], spread[0], half), (groups[1], groups[0]), left_out


def _regimes(pair: _Pair, breaks: Sequence[When], times: pl.Series) -> list[slice]:
    for first in breaks:
        is_date = isinstance(first, dt.date)
        if is_date == times.dtype.is_numeric():
            raise SchemaError(f"trend_of_gap: the break {first!r} is not of the kind of the times, {times.dtype}.")
    cuts = sorted({sum(t < first for t in pair.when) for first in breaks} - {0, len(pair.when)})
    return [slice(i, j) for i, j in pairwise([0, *cuts, len(pair.when)])]


def _weights(at: Floats, variance: Floats | None) -> Floats:
    """Return the coefficients of a line's slope in the values."""
    w = np.ones(len(at)) if variance is None else 1 / variance
    centred = at - (w @ at) / w.sum()
    return np.asarray(w * centred / (w @ centred**2), dtype=np.float64)


def _change(
    pair: _Pair, of: Callable[[Floats, Floats], Floats], bound: float | None, name: str, estimate: Estimate,
    errors: str, n_boot: int, seed: int, level: float, notes: list[str],
) -> dict[str, Any]:  # fmt: skip
    from scipy.special import ndtri, stdtrit

    gap = of(pair.a, pair.b)
    shown = gap if name == ABSOLUTE else np.exp(gap)
    row: dict[str, Any] = {
        "n_times": len(gap), "first_gap": float(shown[0]), "last_gap": float(shown[-1]), "level": level,
        "verdict": "undecidable",
    }  # fmt: skip
    least = 2 if estimate == "ends" else 3
    if len(gap) < least:
        return row | {"note": "; ".join([LONE if len(gap) == 1 else FEW_TIMES, *notes])}
    variance = None
    if pair.se_a is not None and pair.se_b is not None:
        if name == ABSOLUTE:
            variance = pair.se_a**2 + pair.se_b**2
        elif name == RELATIVE:
            variance = (pair.se_a / pair.a) ** 2 + (pair.se_b / pair.b) ** 2
        else:
            assert bound is not None
            variance = (pair.se_a / (bound - pair.a)) ** 2 + (pair.se_b / (bound - pair.b)) ** 2
        if estimate == "slope" and (variance == 0).any():
            raise DataError(
                "trend_of_gap: a standard error of 0 gives a time all the weight; leave se out, or correct it."
            )
    coefficients = np.zeros(len(gap))
    if estimate == "ends":
        coefficients[0], coefficients[-1] = -1.0, 1.0
    else:
        coefficients = _weights(pair.at, variance)
    # The coefficients add up to 0; a gap that stays has a change of exactly 0.
    change = float(coefficients @ (gap - gap[0]))
    se: float | None = None
    reach = 0.0
    if variance is not None:
        se = float(np.sqrt(coefficients**2 @ variance))
        reach = float(ndtri((1 + level) / 2)) * se
    if estimate == "slope":
        # Times that scatter about their line more than their errors say have a say in the error of the slope.
        w = np.ones(len(gap)) if variance is None else 1 / variance
        middle = (w @ gap) / w.sum() + change * (pair.at - (w @ pair.at) / w.sum())
        scatter = float(
            np.sqrt((w @ (gap - middle) ** 2) / (len(gap) - 2) / (w @ (pair.at - w @ pair.at / w.sum()) ** 2))
        )
        wider = float(stdtrit(len(gap) - 2, (1 + level) / 2)) * scatter
        if wider > reach:
            reach, se = wider, scatter
    lower, upper = change - reach, change + reach
    if errors == "bootstrap" and pair.se_a is not None and pair.se_b is not None:
        drawn = _drawn(pair, of, bound, n_boot, seed) @ coefficients
        low, high = bootstrap.interval(drawn, level=level)
        se = float(drawn.std(ddof=1))
        # The scatter about a line is in no single time's error.
        is_line = estimate == "slope"
        lower, upper = (min(float(low), lower), max(float(high), upper)) if is_line else (float(low), float(high))
    if pair.half:
        # Every measure grows with the value ahead and falls with the one behind.
        low_end = of(pair.a - pair.half, pair.b + pair.half) - gap
        high_end = of(pair.a + pair.half, pair.b - pair.half) - gap
        lower += float(np.where(coefficients > 0, coefficients * low_end, coefficients * high_end).sum())
        upper += float(np.where(coefficients > 0, coefficients * high_end, coefficients * low_end).sum())
    slack = rule("verdict_tolerance") * max(float(np.abs(gap).max()), rule("verdict_tolerance"))
    crossed = bool((gap < -slack).any() and (gap > slack).any())
    if crossed:
        notes.append(CHANGE_PLACES)
    else:
        turned = -1 if gap.mean() < 0 else 1
        ends = sorted((turned * lower, turned * upper))
        row["verdict"] = "widening" if ends[0] > slack else "narrowing" if ends[1] < -slack else "undecidable"
        row["excludes"] = "narrowing" if ends[0] >= -slack else "widening" if ends[1] <= slack else None
    if name != ABSOLUTE:
        se = None if se is None else float(np.exp(change) * se)
        change, lower, upper = (float(np.expm1(v)) for v in (change, lower, upper))
    return row | {"change": change, "se": se, "lower": lower, "upper": upper, "note": "; ".join(notes) or None}


def _drawn(pair: _Pair, of: Callable[[Floats, Floats], Floats], bound: float | None, n_boot: int, seed: int) -> Floats:
    assert pair.se_a is not None and pair.se_b is not None
    rng = np.random.default_rng(seed)
    drawn = []
    for v, s in ((pair.a, pair.se_a), (pair.b, pair.se_b)):
        if bound is None:
            # A lognormal of that mean and error: values stay above 0.
            sigma = np.sqrt(np.log1p((s / v) ** 2))
            drawn.append(v * np.exp(sigma * rng.standard_normal((n_boot, len(v))) - sigma**2 / 2))
        else:
            # A beta of that mean and error: what a binomial share has, for any effective size.
            p = v / bound
            size = np.divide(p * (1 - p), (s / bound) ** 2, out=np.full(len(v), np.inf), where=s > 0) - 1
            if (size <= 0).any():
                raise DataError(
                    "trend_of_gap: a standard error is larger than that of a single yes or no; check se= and n=."
                )
            some = np.isfinite(size)
            shares = np.tile(p, (n_boot, 1))
            shares[:, some] = rng.beta(p[some] * size[some], (1 - p[some]) * size[some], (n_boot, int(some.sum())))
            tiny = np.finfo(np.float64).tiny
            drawn.append(bound * np.clip(shares, tiny, 1 - np.finfo(np.float64).epsneg))
    return of(drawn[0], drawn[1])


def jumps(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    value: str,
    time: str,
    by: str | Sequence[str] | None = None,
    score: float | None = None,
) -> pl.DataFrame:
    """Flag changes of a series that are out of line with its other changes: a change of source more likely than growth.

    Changes per year are compared with their median by the modified z-score, 0.6745 (x - median) / MAD. Where most
    changes are alike the MAD is next to nothing and any other change would be a jump, so that the scale is held to half
    of the one from the mean absolute deviation. A flag is a reason to read the notes of the source and to declare a
    break, not a proof.

    Parameters
    ----------
    frame
        One row per time (and place).
    value, time, by
        Columns of values, of dates or years, and of what parts the series.
    score
        Above which a change is flagged; default: the declared 3.5.

    Returns
    -------
    polars.DataFrame
        One row per change: ``from``, ``to``, ``change_per_year`` [unit of the value a year], ``score``, ``is_jump``
        (empty where the series has too few changes to tell).

    Raises
    ------
    DataError
        Double times.

    Examples
    --------
    Individuals using the internet in China as Gapminder has it, %.

    >>> use = pl.DataFrame({"year": range(2016, 2024), "use_pct": [53.2, 54.3, 59.2, 64.1, 70.1, 73.1, 75.6, 90.6]})
    >>> jumps(use, value="use_pct", time="year").filter("is_jump").select("from", "to").row(0)
    (2022, 2023)

    References
    ----------
    Iglewicz and Hoaglin (1993), How to Detect and Handle Outliers, ASQC basic references 16.
    """
    lf = frame if isinstance(frame, pl.LazyFrame) else lazily(frame)[0]
    keys = keys_of(by)
    schema = need_columns(lf, [value, time, *keys], what="jumps")
    need_numbers(schema, [value], what="jumps")
    limit = rule("break_score") if score is None else score
    rows = lf.select(*keys, time, pl.col(value).cast(pl.Float64).fill_nan(None)).drop_nulls([time, value])
    table = rows.sort(*keys, time).collect()
    if table.select([*keys, time]).is_duplicated().any():
        raise DataError(
            f"jumps: some {time!r} stand twice in a series. Name the columns that part the series with by=."
        )
    parts = table.partition_by(keys, maintain_order=True) if keys else [table]
    out = []
    for part in parts:
        at, y = years(part[time]), part[value].to_numpy()
        if len(y) < 2:
            continue
        slope = np.diff(y) / np.diff(at)
        off = slope - np.median(slope)
        mad, mean = float(np.median(np.abs(off))), float(np.abs(off).mean())
        scale = max(mad / rule("break_scale"), mean * rule("break_mean_scale") * rule("break_floor"))
        z = off / scale if scale > 0 else np.zeros(len(off))
        is_enough = len(slope) >= rule("break_changes")
        head = {c: [part[c][0]] * len(slope) for c in keys}
        out.append(pl.DataFrame(
            {**head, "from": part[time][:-1], "to": part[time][1:], "change_per_year": slope,
             "score": z if is_enough else [None] * len(z),
             "is_jump": np.abs(z) > limit if is_enough else [None] * len(z)},
            schema={**{c: schema[c] for c in keys}, "from": schema[time], "to": schema[time],
                    "change_per_year": pl.Float64(), "score": pl.Float64(), "is_jump": pl.Boolean()}))  # fmt: skip
    if not out:
        raise DataError("jumps: no series has two values.")
    return pl.concat(out)


def _wide(frame: pl.DataFrame | pl.LazyFrame, value: str, place: str, time: str, what: str) -> pl.DataFrame:
    lf = frame if isinstance(frame, pl.LazyFrame) else lazily(frame)[0]
    schema = need_columns(lf, [value, place, time], what=what)
    need_numbers(schema, [value], what=what)
    rows = lf.select(place, time, pl.col(value).cast(pl.Float64).fill_nan(None)).drop_nulls().collect()
    if rows.select(place, time).is_duplicated().any():
        raise DataError(f"{what}: a {place!r} has several rows at one {time!r}; expected one.")
    if (rows[value] <= 0).any():
        raise DataError(f"{what}: {value!r} goes down to {rows[value].min()!r}; logarithms need values above 0.")
    if rows[time].n_unique() < 2:
        raise DataError(f"{what}: {time!r} has fewer than two values.")
    return rows


def beta_convergence(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    value: str,
    place: str,
    time: str,
    start: When | None = None,
    end: When | None = None,
    level: float = 0.95,
) -> pl.DataFrame:
    """Return whether places that began lower grew faster: yearly growth of the logarithm on the initial logarithm.

    A negative slope need not bring places together: chance alone turns extremes towards the mean. Read it beside
    :func:`sigma_convergence`. Errors are heteroscedasticity-robust (HC3, statsmodels).

    Parameters
    ----------
    frame
        One row per place and time.
    value, place, time
        Columns; values above 0.
    start, end
        Times to compare; default: the first and the last. Places that lack either are left out and counted.

    Returns
    -------
    polars.DataFrame
        One row: ``beta`` [per year], ``se``, ``lower``, ``upper``, ``level``, ``speed_per_year`` (λ of
        β = -(1 - exp(-λT))/T), ``half_life_years``, ``n``, ``n_left_out``, ``from``, ``to``, ``verdict`` (converging,
        diverging, undecidable).

    Examples
    --------
    >>> rows = pl.DataFrame({"place": list("abcdef") * 2, "year": [2010] * 6 + [2020] * 6,
    ...     "use": [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 42.0, 50.0, 55.0, 61.0, 65.0, 70.0]})
    >>> beta_convergence(rows, value="use", place="place", time="year").item(0, "verdict")
    'converging'

    References
    ----------
    Barro and Sala-i-Martin (1992), Convergence, Journal of Political Economy 100(2), 223-251. doi:10.1086/261816
    """
    import statsmodels.api as sm

    need_level(level)
    rows = _wide(frame, value, place, time, "beta_convergence")
    times = rows[time].unique().sort()
    ends = [times[0] if start is None else start, times[-1] if end is None else end]
    lacking = [e for e in ends if e not in times.to_list()]
    if lacking or not pl.Series(ends, dtype=rows.schema[time]).is_sorted() or ends[0] == ends[1]:
        raise RangeError(
            f"beta_convergence: from {ends[0]} to {ends[1]} cannot be compared; there are {times.to_list()}."
        )
    first, last = (rows.filter(pl.col(time) == e).select(place, value) for e in ends)
    both = first.join(last, on=place, suffix="_last").sort(place)
    if both.height < (least := rule("least_places")):
        raise RefusalError(f"beta_convergence: {both.height} places have both times; at least {least:g} are needed.")
    span = float(np.diff(years(pl.Series(ends, dtype=rows.schema[time])))[0])
    x, y = np.log(both[value].to_numpy()), np.log(both[f"{value}_last"].to_numpy())
    if np.ptp(x) == 0:
        raise DataError("beta_convergence: all places begin with the same value.")
    fit = sm.OLS((y - x) / span, sm.add_constant(x)).fit(cov_type="HC3", use_t=True)
    beta, se = float(fit.params[1]), float(fit.bse[1])
    lower, upper = (float(v) for v in fit.conf_int(1 - level)[1])
    speed = -np.log1p(beta * span) / span if beta * span > -1 else None
    return pl.DataFrame({
        "beta": [beta], "se": [se], "lower": [lower], "upper": [upper], "level": [level],
        "speed_per_year": pl.Series([speed], dtype=pl.Float64),
        "half_life_years": pl.Series([np.log(2) / speed if speed and speed > 0 else None], dtype=pl.Float64),
        "n": [both.height], "n_left_out": [rows[place].n_unique() - both.height], "from": [ends[0]], "to": [ends[1]],
        "verdict": ["converging" if upper < 0 else "diverging" if lower > 0 else "undecidable"],
    })  # fmt: skip


def sigma_convergence(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    value: str,
    place: str,
    time: str,
    n_boot: int = 1999,
    seed: int = 0,
    level: float = 0.95,
) -> pl.DataFrame:
    """Return how far places lie apart at each time, and how that changed since the first.

    Only places that have every time count, so that a newcomer is no change. Intervals of the change draw places anew.

    Parameters
    ----------
    frame, value, place, time
        As in :func:`beta_convergence`.
    n_boot, seed, level
        Draws of the bootstrap, their seed; level of the interval.

    Returns
    -------
    polars.DataFrame
        One row per time: ``sd_log`` (standard deviation of logarithms), ``cv`` (coefficient of variation), ``change``
        of ``sd_log`` since the first time with ``lower``, ``upper``, ``level``, ``n``, ``n_left_out``, ``verdict``
        (converging, diverging, undecidable; empty at the first).

    Examples
    --------
    >>> rows = pl.DataFrame({"place": list("abcd") * 2, "year": [2010] * 4 + [2020] * 4,
    ...     "use": [10.0, 20.0, 40.0, 80.0, 50.0, 60.0, 70.0, 90.0]})
    >>> sigma_convergence(rows, value="use", place="place", time="year")["verdict"].to_list()
    [None, 'converging']

    References
    ----------
    Sala-i-Martin (1996), The classical approach to convergence analysis, Economic Journal 106, 1019-1036.
    doi:10.2307/2235375
    """
    bootstrap.need_draws(n_boot, level)
    rows = _wide(frame, value, place, time, "sigma_convergence")
    times = rows[time].unique().sort()
    full = rows.filter(pl.len().over(place) == len(times)).sort(place, time)
    places = len(full) // len(times)
    if places < (least := rule("least_places")):
        raise RefusalError(f"sigma_convergence: {places} places have all {len(times)} times; {least:g} are needed.")
    y = full[value].to_numpy().reshape(places, len(times))
    logs = np.log(y)
    sd = logs.std(axis=0, ddof=1)
    picks = np.random.default_rng(seed).integers(0, len(y), (n_boot, len(y)))
    again = logs[picks].std(axis=1, ddof=1)
    low, high = bootstrap.interval(again - again[:, :1], level=level)
    verdicts = np.where(high < 0, "converging", np.where(low > 0, "diverging", "undecidable")).tolist()
    since = {"change": sd - sd[0], "lower": low, "upper": high}
    later = {c: pl.Series([None, *v[1:].tolist()], dtype=pl.Float64) for c, v in since.items()}
    return pl.DataFrame({
        time: times, "sd_log": sd, "cv": y.std(axis=0, ddof=1) / y.mean(axis=0), **later, "level": level,
        "n": places, "n_left_out": rows[place].n_unique() - places,
        "verdict": pl.Series([None, *verdicts[1:]], dtype=pl.String),
    })  # fmt: skip


def time_distance(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    value: str,
    group: str,
    time: str,
    groups: tuple[object, object],
    rounding: float | None = None,
) -> pl.DataFrame:
    """Return the S-time-distance: how many years ago the group ahead was where the group behind is now.

    The series of the group ahead is read by straight lines between its times, at its first crossing of a level.

    Parameters
    ----------
    frame
        One row per group and time.
    value, group, time
        Columns.
    groups
        The group ahead and the group behind.
    rounding
        Width of the rounding of the values; gives ``lower`` and ``upper``, both series off in the worst direction.

    Returns
    -------
    polars.DataFrame
        One row per time of the group behind: its value, ``years_behind`` (negative where it is ahead), ``lower``,
        ``upper``, ``note``: ``before_series`` (the other's series begins above this level: further behind than it
        reaches back) or ``beyond_series`` (the other never got there), with no number.

    Raises
    ------
    DataError
        A group without two values, or double rows.

    Examples
    --------
    >>> use = pl.DataFrame({"year": [2000, 2010, 2010, 2020], "area": ["urban", "urban", "rural", "rural"],
    ...     "use_pct": [20.0, 60.0, 30.0, 50.0]})
    >>> behind = time_distance(use, value="use_pct", group="area", time="year", groups=("urban", "rural"))
    >>> behind.select("year", "years_behind").rows()
    [(2010, 7.5), (2020, 12.5)]

    References
    ----------
    Sicherl (2011), New understanding and insights from time-series data based on two generic measures: S-time-distance
    and S-time-step, OECD Statistics Working Papers 2011/09. doi:10.1787/5kg1zpzzl1tg-en
    """
    lf = frame if isinstance(frame, pl.LazyFrame) else lazily(frame)[0]
    schema = need_columns(lf, [value, group, time], what="time_distance")
    need_numbers(schema, [value], what="time_distance")
    rows = lf.select(time, group, pl.col(value).cast(pl.Float64).fill_nan(None)).drop_nulls().sort(time).collect()
    if rows.select(time, group).is_duplicated().any():
        raise DataError(f"time_distance: a group has several rows at one {time!r}; expected one.")
    if rounding is not None and not rounding > 0:
        raise RangeError(f"rounding is {rounding}; expected the width of the last digit, above 0, such as 0.1.")
    lead, lag = (rows.filter(pl.col(group) == g) for g in groups)
    if lead.height < 2 or lag.is_empty():
        raise DataError(
            f"time_distance: {groups[0]!r} has {lead.height} values and {groups[1]!r} has {lag.height}; the group "
            "ahead needs two."
        )
    at, level, now = years(lead[time]), lead[value].to_numpy(), years(lag[time])
    half = 0.0 if rounding is None else rounding / 2
    out = []
    for t, v in zip(now, lag[value].to_numpy(), strict=True):
        when, note = _reached(at, level, float(v))
        row: dict[str, Any] = {"years_behind": None if when is None else float(t - when), "note": note}
        if rounding is not None and when is not None:
            # A value behind that is higher, beside a curve ahead that is lower, was reached later.
            early, late = (_reached(at, level + s * half, float(v - s * half))[0] for s in (1, -1))
            row["lower"] = None if late is None else float(t - late)
            row["upper"] = None if early is None else float(t - early)
        out.append(row)
    schema_out = {"years_behind": pl.Float64(), "lower": pl.Float64(), "upper": pl.Float64(), "note": pl.String()}
    told = pl.DataFrame(out, schema=schema_out)
    return pl.concat([lag.select(time, value), told], how="horizontal")


def _reached(at: Floats, level: Floats, v: float) -> tuple[float | None, str | None]:
    if v < level[0]:
        return None, BEFORE
    for i in range(len(level) - 1):
        if level[i] == v:
            return float(at[i]), None
        if level[i] < v <= level[i + 1]:
            return float(at[i] + (v - level[i]) / (level[i + 1] - level[i]) * (at[i + 1] - at[i])), None
    return None, BEYOND
