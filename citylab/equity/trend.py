"""Is a gap widening? Absolute and relative change apart, with what the published digits and samples can bear.

The two can point in opposite ways: when both groups gain, the difference may grow while the ratio falls. A verdict is
given only where the interval of a change leaves 0 out; a change across a break in the series gets none.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Real
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
AT_ZERO, AT_BOUND, NO_ERROR, FEW_CASES, SEVERAL, NO_SERIES = (
    "value_at_zero", "value_at_bound", "share_at_bound", "few_cases", "several_times", "no_series",
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
            ``estimate="slope"`` it is that per year. Where a regime has too few times, or a ratio would be of 0, there
            is no change: nulls, ``undecidable``, and a note that says why.
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
class _Doubt:
    """What is known of the errors of values: standard errors, sizes of samples, the width of rounding."""

    what: str
    se: str | None
    n: str | None
    design_effect: float | None
    rounding: float | None
    bound: float | None

    @property
    def columns(self) -> list[str]:
        return [c for c in (self.se, self.n) if c is not None]

    @property
    def half(self) -> float:
        return 0.0 if self.rounding is None else self.rounding / 2

    def check(self) -> None:
        if self.se is not None and self.n is not None:
            raise SchemaError(f"{self.what}: name se= or n=, not both; a standard error knows more than a sample size.")
        for name, given in (("rounding", self.rounding), ("design_effect", self.design_effect), ("bound", self.bound)):
            if given is not None and (isinstance(given, bool) or not isinstance(given, Real)):
                raise RangeError(f"{name} is {given!r}; expected a number.")
        if self.rounding is not None and not (np.isfinite(self.rounding) and self.rounding > 0):
            raise RangeError(
                f"rounding is {self.rounding}; expected the width of the last digit, above 0, such as 0.1."
            )
        if self.n is not None and self.bound is None:
            raise SchemaError(
                f"{self.what}: with n= the value is a share; say of what by bound=1, or bound=100 for percent."
            )
        if self.design_effect is not None and not (np.isfinite(self.design_effect) and self.design_effect > 0):
            raise RangeError(
                f"design_effect is {self.design_effect}; expected a number above 0, 1 for independent rows."
            )
        if self.bound is not None and not (np.isfinite(self.bound) and self.bound > 0):
            raise RangeError(f"bound is {self.bound}; expected 1 for shares or 100 for percent.")

    def check_values(self, values: pl.Series) -> None:
        """Refuse what no value can be, and shares that are taken for percent or the other way round."""
        name, what = values.name, self.what
        if values.is_infinite().any() or (values < 0).any():
            raise DataError(f"{what}: {name!r} goes from {values.min()!r} to {values.max()!r}; expected 0 or more.")
        top: float = values.max() or 0.0  # type: ignore[assignment]
        if name.endswith("_share") and top > 1:
            raise DataError(f"{what}: {name!r} is a share by its name, but reaches {top!r}. Divide by 100.")
        if self.bound is None:
            return
        if top > self.bound:
            hint = " Percent have bound=100." if self.bound == 1 else ""
            raise DataError(f"{what}: {name!r} reaches {top!r}, the bound is {self.bound:g}.{hint}")
        if self.bound == rule("percent") and 0 < top <= 1 and not name.endswith("_pct"):
            raise DataError(
                f"{what}: {name!r} reaches {top!r} only, the bound is {self.bound:g}. Shares have bound=1; if these "
                "are percent, let the name of the column end in _pct."
            )

    def errors(self, values: Floats, told: Floats) -> tuple[Floats, Floats | None]:
        """Return standard errors and, where sizes of samples were given, the effective ones."""
        column = self.columns[0]
        least = 0 if self.n is None else 1
        bad = ~(np.isfinite(told) & (told >= least))
        if bad.any():
            raise DataError(
                f"{self.what}: {int(bad.sum())} values of {column!r} are missing, infinite or below {least}, the first "
                f"{told[bad][0]:g}."
            )
        if self.n is None:
            return told, None
        assert self.bound is not None
        size = told / (1.0 if self.design_effect is None else self.design_effect)
        p = values / self.bound
        # None or all of a sample have no scatter: Agresti and Coull's share stands in.
        square = float(_normal(rule("wilson_level"))) ** 2
        p = np.where((p == 0) | (p == 1), (size * p + square / 2) / (size + square), p)
        return self.bound * np.sqrt(p * (1 - p) / size), size


def _normal(level: float) -> float:
    """Return the quantile of the normal distribution that a two-sided interval of a level reaches."""
    from scipy.special import ndtri

    return float(ndtri((1 + level) / 2))


def wilson(share: Floats, size: Floats, level: float) -> tuple[Floats, Floats]:
    """Return Wilson's score interval of shares (0 to 1) of samples of a size, which need not be whole.

    Examples
    --------
    >>> [round(float(v[0]), 4) for v in wilson(np.array([0.0]), np.array([100.0]), 0.95)]
    [0.0, 0.037]

    References
    ----------
    Wilson (1927), Journal of the American Statistical Association 22, 209-212. doi:10.1080/01621459.1927.10502953
    """
    square = _normal(level) ** 2
    middle = (share + square / (2 * size)) / (1 + square / size)
    reach = np.sqrt(square * (share * (1 - share) + square / (4 * size)) / size) / (1 + square / size)
    return np.maximum(middle - reach, 0.0), np.minimum(middle + reach, 1.0)


@dataclass(frozen=True)
class _Pair:
    """Values of two groups at the times both have."""

    when: list[Any]
    at: Floats
    a: Floats
    b: Floats
    se_a: Floats | None
    se_b: Floats | None
    size_a: Floats | None
    size_b: Floats | None
    half: float
    bound: float | None

    def part(self, keep: slice | list[int]) -> _Pair:
        at = np.arange(len(self.a))[keep]
        se_a, se_b, size_a, size_b = (
            None if s is None else s[at] for s in (self.se_a, self.se_b, self.size_a, self.size_b)
        )
        when = [self.when[i] for i in at]
        return _Pair(when, self.at[at], self.a[at], self.b[at], se_a, se_b, size_a, size_b, self.half, self.bound)

    def swapped(self) -> _Pair:
        return _Pair(self.when, self.at, self.b, self.a, self.se_b, self.se_a, self.size_b, self.size_a, self.half,
                     self.bound)  # fmt: skip

    @property
    def has_few_cases(self) -> bool:
        """Whether fewer people than declared are behind a share, or behind what it lacks."""
        if self.size_a is None or self.size_b is None or self.bound is None:
            return False
        cases = [s * np.minimum(v, self.bound - v) / self.bound
                 for v, s in ((self.a, self.size_a), (self.b, self.size_b))]  # fmt: skip
        return bool(np.concatenate(cases).min() < rule("few_cases"))

    @property
    def has_unknown_error(self) -> bool:
        """Whether an error of 0 was given of a value at an end of its range, where it says nothing."""
        if self.se_a is None or self.se_b is None or self.size_a is not None:
            return False
        top = np.inf if self.bound is None else self.bound
        return any(
            bool((((v == 0) | (v == top)) & (s == 0)).any()) for v, s in ((self.a, self.se_a), (self.b, self.se_b))
        )


@dataclass(frozen=True)
class _Measure:
    """A measure of the gap; each grows with the value of the group ahead and falls with the one behind."""

    name: str
    bound: float | None

    def __call__(self, a: Floats, b: Floats) -> Floats:
        if self.name == ABSOLUTE:
            return a - b
        if self.name == RELATIVE:
            return np.asarray(np.log(a) - np.log(b), dtype=np.float64)
        assert self.bound is not None
        return np.asarray(np.log(self.bound - b) - np.log(self.bound - a), dtype=np.float64)

    def shown(self, a: float, b: float) -> float | None:
        if self.name == ABSOLUTE:
            return a - b
        top, bottom = (a, b) if self.name == RELATIVE else ((self.bound or 0.0) - b, (self.bound or 0.0) - a)
        return top / bottom if bottom > 0 else None

    def unfit(self, pair: _Pair) -> str | None:
        """Return why there is no ratio: a value, or what it lacks, may be 0."""
        if self.name == RELATIVE and (np.minimum(pair.a, pair.b) <= pair.half).any():
            return AT_ZERO
        if self.name == SHORTFALL and self.bound is not None:
            return AT_BOUND if (self.bound - np.maximum(pair.a, pair.b) <= pair.half).any() else None
        return None

    def variance(self, pair: _Pair) -> Floats | None:
        if pair.se_a is None or pair.se_b is None:
            return None
        if self.name == ABSOLUTE:
            return pair.se_a**2 + pair.se_b**2
        if self.name == RELATIVE:
            return (pair.se_a / pair.a) ** 2 + (pair.se_b / pair.b) ** 2
        assert self.bound is not None
        return (pair.se_a / (self.bound - pair.a)) ** 2 + (pair.se_b / (self.bound - pair.b)) ** 2


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
        Column of values, 0 or more.
    group, groups
        Column with the groups, and which two; default: the two that it has. The one that is higher on average is the
        one ahead.
    time
        Column of dates, or of years.
    se
        Column of standard errors. An error of 0 beside a value of 0 or at the bound says nothing, and gives no verdict.
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
        First times of new regimes, such as ``year_after`` of :func:`declared_breaks`; beside dates a year stands for
        its first day. Nothing is said across a break.
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
        No source of uncertainty was given, fewer than two times have both groups, or a bootstrap from a share of 0.
    DataError
        Double rows, values below 0 or beyond ``bound``, shares in percent or the other way round.

    Notes
    -----
    Groups and times count as independent samples. In a panel, or where one survey's PSUs return, changes are known
    better than this says.

    A ratio needs something on both sides: where a value that it rests on may be 0 (``value_at_zero``), or the bound
    (``value_at_bound``), that measure has no change and no verdict, the others have theirs.

    With ``n``, an absolute change of shares behind which fewer than five people are (noted ``few_cases``) has the
    interval of Zou, Huang and Zhang from Wilson's of each share, since five of a thousand scatter to one side only; of
    a ratio the note says that its interval, symmetric in logarithms, is rough.

    Examples
    --------
    Internet use in towns and villages of China, CNNIC reports 46 and 47: rounding alone leaves it open.

    >>> use = pl.DataFrame({
    ...     "month": ["2020-06", "2020-06", "2020-12", "2020-12"], "area": ["urban", "rural"] * 2,
    ...     "internet_use_pct": [76.4, 52.3, 79.8, 55.9]}).with_columns((pl.col("month") + "-01").str.to_date())
    >>> told = trend_of_gap(use, value="internet_use_pct", group="area", time="month", rounding=0.1, bound=100)
    >>> told.verdict("absolute"), told.verdict("relative"), told.verdict("relative_shortfall")
    ('undecidable', 'narrowing', 'widening')

    References
    ----------
    Zou, Huang and Zhang (2009), A note on confidence interval estimation for a linear function of binomial proportions,
    Computational Statistics and Data Analysis 53(4), 1080-1085. doi:10.1016/j.csda.2008.09.033
    """
    doubt = _Doubt("trend_of_gap", se, n, design_effect, rounding, bound)
    _check(estimate, errors, n_boot, level, doubt)
    rows, kind = _rows(frame, value, group, time, doubt)
    pair, pairs, left_out = _paired(rows, value, group, time, groups, doubt, errors)
    cuts = _cuts(breaks, rows[time], doubt.what)
    regimes = _regimes(pair, cuts)
    measures = [ABSOLUTE, RELATIVE, *([] if bound is None else [SHORTFALL])]
    notes = [ROUNDING_ONLY] if pair.se_a is None else [INDEPENDENT]
    if n is not None and design_effect is None:
        notes.append(SIMPLE)
    out: list[dict[str, Any]] = []
    for name in measures:
        for k, keep in enumerate(regimes):
            part = pair.part(keep)
            row = _change(part, _Measure(name, bound), estimate, errors, n_boot, seed, level, list(notes))
            out.append({"measure": name, "regime": k + 1, "from": part.when[0], "to": part.when[-1], **row})
    names = list(SCHEMA)
    full = {**{c: SCHEMA[c] for c in names[:2]}, "from": kind, "to": kind, **{c: SCHEMA[c] for c in names[2:]}}
    table = pl.DataFrame(out, schema=full)
    gaps = pl.DataFrame({time: pl.Series(pair.when, dtype=kind), "ahead": pair.a, "behind": pair.b}).with_columns(
        absolute=pl.col("ahead") - pl.col("behind"),
        relative=pl.when(pl.col("behind") > 0).then(pl.col("ahead") / pl.col("behind")),
    )
    return GapTrend(table, gaps, pairs, tuple(breaks), left_out)


def _check(estimate: str, errors: str, n_boot: int, level: float, doubt: _Doubt) -> None:
    see = "citylab.equity.trend.trend_of_gap"
    if estimate not in get_args(Estimate):
        raise suggest(str(estimate), get_args(Estimate), what="estimate", see=see)
    if errors not in ("delta", "bootstrap"):
        raise suggest(str(errors), ("delta", "bootstrap"), what="errors", see=see)
    need_level(level)
    doubt.check()
    if errors == "bootstrap":
        bootstrap.need_draws(n_boot, level)
        if not doubt.columns:
            raise RefusalError("trend_of_gap: a bootstrap draws from se= or n=; rounding alone has no distribution.")
    if not doubt.columns and doubt.rounding is None:
        raise RefusalError(
            "trend_of_gap: nothing says how sure these values are, so no change can be told from noise. Name standard "
            "errors (se=), sample sizes (n=), or the rounding of published figures (rounding=0.1 for 55.9)."
        )


def _rows(
    frame: pl.DataFrame | pl.LazyFrame, value: str, group: str, time: str, doubt: _Doubt
) -> tuple[pl.DataFrame, pl.DataType]:
    """Return the columns that are needed, values and their errors as floats, and the type of the times."""
    lf = frame if isinstance(frame, pl.LazyFrame) else lazily(frame)[0]
    named = [time, group, value, *doubt.columns]
    schema = need_columns(lf, named, what=doubt.what)
    double = [c for i, c in enumerate(named) if c in named[:i]]
    if double:
        raise SchemaError(f"{doubt.what}: {double[0]!r} is named twice; time, group, value and errors differ.")
    need_numbers(schema, [value, *doubt.columns], what=doubt.what)
    rows = lf.select(named).collect()
    times = rows[time]
    lost = times.is_null() | (~times.is_finite() if times.dtype.is_float() else pl.Series([False]))
    if lost.any():
        raise DataError(f"{doubt.what}: {lost.sum()} rows have no {time!r}. Mend or drop them.")
    floats = [pl.col(c).cast(pl.Float64).fill_nan(None) for c in [value, *doubt.columns]]
    return rows.with_columns(floats), schema[time]


def _paired(
    rows: pl.DataFrame, value: str, group: str, time: str, groups: tuple[object, object] | None, doubt: _Doubt,
    errors: str,
) -> tuple[_Pair, tuple[object, object], tuple[When, ...]]:  # fmt: skip
    groups = two_groups(rows[group], groups, "trend_of_gap")
    rows = rows.filter(pl.col(group).is_in(list(groups)))
    double = rows.group_by(time, group).len().filter(pl.col("len") > 1).sort(time, group)
    if double.height:
        raise DataError(
            f"trend_of_gap: {double.item(0, group)!r} has {double.item(0, 'len')} rows at {double.item(0, time)}; "
            "expected one. Choose one source, or average them first."
        )
    error, bound = doubt.columns, doubt.bound
    doubt.check_values(rows[value].drop_nulls())
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
    if doubt.half and np.concatenate([a, b]).max() <= doubt.half:
        raise DataError(f"trend_of_gap: no value of {value!r} is larger than its rounding, {doubt.rounding}; check it.")
    at_end = [v in (0.0, bound) for v in (*a, *b)]
    if errors == "bootstrap" and any(at_end):
        raise RefusalError(
            f"trend_of_gap: {value!r} is 0 or {bound or 'its bound'} at some time; a bootstrap draws nothing else from "
            "it. Take errors='delta'."
        )
    spread: list[tuple[Floats | None, Floats | None]] = [(None, None)] * 2
    if error:
        spread = [doubt.errors(v, both[f"{error[0]}{s}"].to_numpy()) for v, s in ((a, ""), (b, "_b"))]
    (se_a, size_a), (se_b, size_b) = spread
    pair = _Pair(both[time].to_list(), years(both[time]), a, b, se_a, se_b, size_a, size_b, doubt.half, bound)
    if a.mean() >= b.mean():
        return pair, groups, left_out
    return pair.swapped(), (groups[1], groups[0]), left_out


def _moment(when: Any) -> Any:
    """Return a time so that dates and clocks of a series and of breaks can be compared."""
    if isinstance(when, dt.datetime):
        return when.replace(tzinfo=None)
    return dt.datetime.combine(when, dt.time()) if isinstance(when, dt.date) else when


def _cuts(breaks: Sequence[When], times: pl.Series, what: str) -> list[Any]:
    """Return the breaks as moments, in their order."""
    if isinstance(breaks, str | Real | dt.date):
        raise SchemaError(f"{what}: breaks is {breaks!r}; expected a list of first times of new regimes, [{breaks!r}].")
    for first in breaks:
        is_number = isinstance(first, Real) and bool(np.isfinite(float(first)))
        is_day = isinstance(first, dt.date) or (isinstance(first, int) and dt.MINYEAR <= first <= dt.MAXYEAR)
        if not (is_number if times.dtype.is_numeric() else is_day):
            raise SchemaError(f"{what}: the break {first!r} is not of the kind of the times, {times.dtype}.")
    days = [dt.date(b, 1, 1) if isinstance(b, int) and not times.dtype.is_numeric() else b for b in breaks]
    return sorted(_moment(day) for day in days)


def _regimes(pair: _Pair, breaks: list[Any]) -> list[slice]:
    cuts = sorted({sum(_moment(t) < first for t in pair.when) for first in breaks} - {0, len(pair.when)})
    return [slice(i, j) for i, j in pairwise([0, *cuts, len(pair.when)])]


def _weights(at: Floats, variance: Floats | None) -> Floats:
    """Return the coefficients of a line's slope in the values."""
    w = np.ones(len(at)) if variance is None else 1 / variance
    centred = at - (w @ at) / w.sum()
    return np.asarray(w * centred / (w @ centred**2), dtype=np.float64)


def _change(
    pair: _Pair, of: _Measure, estimate: Estimate, errors: str, n_boot: int, seed: int, level: float, notes: list[str]
) -> dict[str, Any]:
    """Return the change of a measure of the gap within a regime, its interval and what it says."""
    row: dict[str, Any] = {
        "n_times": len(pair.a), "first_gap": of.shown(pair.a[0], pair.b[0]),
        "last_gap": of.shown(pair.a[-1], pair.b[-1]), "level": level, "verdict": "undecidable",
    }  # fmt: skip
    if len(pair.a) < (2 if estimate == "ends" else 3):
        return row | {"note": "; ".join([LONE if len(pair.a) == 1 else FEW_TIMES, *notes])}
    used = pair.part([0, -1]) if estimate == "ends" else pair
    why = of.unfit(used)
    if why is None and used.has_unknown_error:
        why = NO_ERROR
    if used.has_few_cases:
        notes.append(FEW_CASES)
    if why is not None:
        return row | {"note": "; ".join([why, *notes])}
    gap = of(used.a, used.b)
    variance = of.variance(used)
    if estimate == "slope" and variance is not None and (variance == 0).any():
        raise DataError("trend_of_gap: a standard error of 0 gives a time all the weight; leave se out, or correct it.")
    coefficients = np.array([-1.0, 1.0]) if estimate == "ends" else _weights(used.at, variance)
    # The coefficients add up to 0; a gap that stays has a change of exactly 0.
    change = float(coefficients @ (gap - gap[0]))
    se, lower, upper = _interval(used, of, change, coefficients, variance, estimate, errors, n_boot, seed, level)
    if pair.half:
        low_end = of(used.a - used.half, used.b + used.half) - gap
        high_end = of(used.a + used.half, used.b - used.half) - gap
        lower += float(np.where(coefficients > 0, coefficients * low_end, coefficients * high_end).sum())
        upper += float(np.where(coefficients > 0, coefficients * high_end, coefficients * low_end).sum())
    plain = pair.a - pair.b
    near = rule("verdict_tolerance") * max(float(np.abs(plain).max()), rule("verdict_tolerance"))
    if (plain < -near).any() and (plain > near).any():
        notes.append(CHANGE_PLACES)
    else:
        slack = rule("verdict_tolerance") * max(float(np.abs(gap).max()), rule("verdict_tolerance"))
        turned = -1 if gap.mean() < 0 else 1
        ends = sorted((turned * lower, turned * upper))
        row["verdict"] = "widening" if ends[0] > slack else "narrowing" if ends[1] < -slack else "undecidable"
        row["excludes"] = "narrowing" if ends[0] >= -slack else "widening" if ends[1] <= slack else None
    if of.name != ABSOLUTE:
        se = None if se is None else float(np.exp(change) * se)
        change, lower, upper = (float(np.expm1(v)) for v in (change, lower, upper))
    return row | {"change": change, "se": se, "lower": lower, "upper": upper, "note": "; ".join(notes) or None}


def _interval(
    pair: _Pair, of: _Measure, change: float, coefficients: Floats, variance: Floats | None, estimate: Estimate,
    errors: str, n_boot: int, seed: int, level: float,
) -> tuple[float | None, float, float]:  # fmt: skip
    """Return the standard error of a change and the bounds that samples and scatter give it."""
    from scipy.special import stdtrit

    se: float | None = None
    below = above = 0.0
    if variance is not None:
        se = float(np.sqrt(coefficients**2 @ variance))
        below = above = _normal(level) * se
        if of.name == ABSOLUTE and pair.has_few_cases:
            below, above = _of_shares(pair, coefficients, level)
    if errors == "bootstrap":
        drawn = _drawn(pair, of, n_boot, seed) @ coefficients
        low, high = bootstrap.interval(drawn, level=level)
        se, below, above = float(drawn.std(ddof=1)), change - float(low), float(high) - change
    if estimate == "slope":
        # Times that scatter about their line more than their errors say have a say in the error of the slope.
        gap, at = of(pair.a, pair.b), pair.at
        w = np.ones(len(gap)) if variance is None else 1 / variance
        centred = at - w @ at / w.sum()
        off = gap - (w @ gap) / w.sum() - change * centred
        scatter = float(np.sqrt((w @ off**2) / (len(gap) - 2) / (w @ centred**2)))
        wider = float(stdtrit(len(gap) - 2, (1 + level) / 2)) * scatter
        if wider > max(below, above) and errors != "bootstrap":
            se = scatter
        below, above = max(below, wider), max(above, wider)
    return se, change - below, change + above


def _of_shares(pair: _Pair, coefficients: Floats, level: float) -> tuple[float, float]:
    """Return how far a linear function of binomial shares reaches down and up, from Wilson's interval of each."""
    assert pair.size_a is not None and pair.size_b is not None and pair.bound is not None
    down = up = 0.0
    for v, size, c in ((pair.a, pair.size_a, coefficients), (pair.b, pair.size_b, -coefficients)):
        share = v / pair.bound
        low, high = wilson(share, size, level)
        down += float((c**2 * np.where(c > 0, share - low, high - share) ** 2).sum())
        up += float((c**2 * np.where(c > 0, high - share, share - low) ** 2).sum())
    return pair.bound * np.sqrt(down), pair.bound * np.sqrt(up)


def _drawn(pair: _Pair, of: _Measure, n_boot: int, seed: int) -> Floats:
    assert pair.se_a is not None and pair.se_b is not None
    bound = pair.bound
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
    _refuse_infinite(table[value], "jumps")
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


def _refuse_infinite(values: pl.Series, what: str) -> None:
    if values.is_infinite().any():
        raise DataError(f"{what}: {values.name!r} holds infinite values. Find what made them.")


def _wide(frame: pl.DataFrame | pl.LazyFrame, value: str, place: str, time: str, what: str) -> pl.DataFrame:
    lf = frame if isinstance(frame, pl.LazyFrame) else lazily(frame)[0]
    schema = need_columns(lf, [value, place, time], what=what)
    need_numbers(schema, [value], what=what)
    rows = lf.select(place, time, pl.col(value).cast(pl.Float64).fill_nan(None)).drop_nulls().collect()
    if rows.select(place, time).is_duplicated().any():
        raise DataError(f"{what}: a {place!r} has several rows at one {time!r}; expected one.")
    _refuse_infinite(rows[value], what)
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
    # Draw after draw: all at once would be draws times places times times.
    again = np.array([logs[p].std(axis=0, ddof=1) for p in picks])
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
    se: str | None = None,
    n: str | None = None,
    design_effect: float | None = None,
    rounding: float | None = None,
    bound: float | None = None,
    breaks: Sequence[When] = (),
    level: float = 0.95,
) -> pl.DataFrame:
    """Return the S-time-distance: how many years ago the group ahead was where the group behind is now.

    The series of the group ahead is read by straight lines between its times, at its first crossing of a level.

    Parameters
    ----------
    frame
        One row per group and time: published figures, or what :func:`citylab.stats.survey.mean` made of a survey
        (``value="value", se="se"``, errors by its design).
    value, group, time
        Columns.
    groups
        The group ahead and the group behind.
    se, n, design_effect, bound
        Standard errors, or sizes of samples of shares of ``bound``, as in :func:`trend_of_gap`; they give ``lower`` and
        ``upper``.
    rounding
        Width of the rounding of the values. Alone it gives ``lower`` and ``upper`` with both series off in the worst
        direction; with ``se`` or ``n`` it widens their interval.
    breaks
        First times of new regimes: a level is looked for among the times of its own regime only.
    level
        Level of the interval, where it is of samples.

    Returns
    -------
    polars.DataFrame
        One row per time of the group behind: its value, ``years_behind`` (negative where it is ahead), ``lower``,
        ``upper`` (null: the series does not reach far enough to close the interval on that side), ``note``:
        ``before_series`` (the other's series begins above this level: further behind than it reaches back),
        ``beyond_series`` (the other never got there) or ``no_series`` (the other has no value in this regime), with no
        number; ``several_times`` (levels that cannot be told from this one lie apart in time, as where the series ahead
        falls again or hardly rises; the interval holds them all), ``few_cases``.

    Raises
    ------
    SchemaError
        A column is missing, holds no numbers, or has the name of a column of the result.
    DataError
        A group without values, double rows, values below 0 or beyond ``bound``, or a value without its error.

    Notes
    -----
    The interval inverts a test, as Fieller's does: it holds the years back to each time at which the series ahead is
    not different from the value behind, given the errors of that value and of the two neighbours that a time lies
    between. It needs no slope, so it stays right where the series is flat, and then is wide or open. It supposes that
    errors are normal and independent between groups and times (within ``few_cases`` they are not), and that the true
    series ahead is straight between its times: a curve in between is in no error. Each row's interval stands for
    itself; those of neighbouring times hang together, since they read one series.

    Examples
    --------
    >>> use = pl.DataFrame({"year": [2000, 2010, 2010, 2020], "area": ["urban", "urban", "rural", "rural"],
    ...     "use_pct": [20.0, 60.0, 30.0, 50.0], "se": 1.0})
    >>> of = {"value": "use_pct", "group": "area", "time": "year", "groups": ("urban", "rural")}
    >>> time_distance(use, **of).select("year", "years_behind").rows()
    [(2010, 7.5), (2020, 12.5)]
    >>> time_distance(use, se="se", **of).select(pl.col("lower", "upper").round(2)).rows()
    [(6.89, 8.14), (11.86, 13.11)]

    References
    ----------
    Sicherl (2011), New understanding and insights from time-series data based on two generic measures: S-time-distance
    and S-time-step, OECD Statistics Working Papers 2011/09. doi:10.1787/5kg1zpzzl1tg-en
    Fieller (1954), Some problems in interval estimation, Journal of the Royal Statistical Society B 16(2), 175-185.
    doi:10.1111/j.2517-6161.1954.tb00159.x
    """
    doubt = _Doubt("time_distance", se, n, design_effect, rounding, bound)
    need_level(level)
    doubt.check()
    clash = sorted({time, value} & {"years_behind", "lower", "upper", "note"})
    if clash:
        raise SchemaError(f"time_distance: the column {clash[0]!r} has the name of a column of the result; rename it.")
    rows, _ = _rows(frame, value, group, time, doubt)
    rows = rows.drop_nulls(value).sort(time)
    if rows.select(time, group).is_duplicated().any():
        raise DataError(f"time_distance: a group has several rows at one {time!r}; expected one.")
    two_groups(rows[group], groups, "time_distance")
    rows = rows.filter(pl.col(group).is_in(list(groups)))
    doubt.check_values(rows[value])
    lead, lag = (rows.filter(pl.col(group) == g) for g in groups)
    if lead.height < 2:
        raise DataError(f"time_distance: {groups[0]!r} has {lead.height} value; the group ahead needs two.")
    cuts = _cuts(breaks, rows[time], doubt.what)
    ahead, behind = (_series(part, value, time, cuts, doubt) for part in (lead, lag))
    z = 0.0 if ahead.variance is None else _normal(level)
    out = [_behind(ahead, behind, i, z, doubt.rounding) for i in range(lag.height)]
    schema = {"years_behind": pl.Float64(), "lower": pl.Float64(), "upper": pl.Float64(), "note": pl.String()}
    return pl.concat([lag.select(time, value), pl.DataFrame(out, schema=schema)], how="horizontal")


@dataclass(frozen=True)
class _Series:
    """A group's values at its times, the regimes they are in, and how sure they are."""

    at: Floats
    y: Floats
    regime: npt.NDArray[np.int64]
    variance: Floats | None
    is_few: npt.NDArray[np.bool_]


def _series(rows: pl.DataFrame, value: str, time: str, cuts: list[Any], doubt: _Doubt) -> _Series:
    y = rows[value].to_numpy()
    regime = np.array([sum(_moment(t) >= first for first in cuts) for t in rows[time].to_list()], dtype=np.int64)
    variance, is_few = None, np.zeros(len(y), dtype=bool)
    if doubt.columns:
        told = rows[doubt.columns[0]].fill_null(np.nan).to_numpy()
        se, size = doubt.errors(y, told)
        variance = se**2
        if size is not None and doubt.bound is not None:
            is_few = size * np.minimum(y, doubt.bound - y) / doubt.bound < rule("few_cases")
    return _Series(years(rows[time]), y, regime, variance, is_few)


def _behind(ahead: _Series, behind: _Series, i: int, z: float, rounding: float | None) -> dict[str, Any]:
    """Return how far one value lies behind a series, and its interval."""
    here = ahead.regime == behind.regime[i]
    if not here.any():
        return {"note": NO_SERIES}
    at, y, now, v = ahead.at[here], ahead.y[here], float(behind.at[i]), float(behind.y[i])
    when, note = _reached(at, y, v)
    row: dict[str, Any] = {"years_behind": None if when is None else now - when}
    notes = [] if note is None else [note]
    if ahead.variance is not None or rounding is not None:
        if ahead.variance is None or behind.variance is None:
            spread, own = np.zeros(len(y)), 0.0
        else:
            spread, own = ahead.variance[here], float(behind.variance[i])
        early, late, is_parted = _reach(at, y - v, spread, own, z, rounding or 0.0)
        row |= {"lower": None if late is None else now - late, "upper": None if early is None else now - early}
        notes += [SEVERAL] * is_parted + [FEW_CASES] * bool(behind.is_few[i] or ahead.is_few[here].any())
    return row | {"note": "; ".join(notes) or None}


def _reached(at: Floats, level: Floats, v: float) -> tuple[float | None, str | None]:
    if v < level[0]:
        return None, BEFORE
    if v == level[0]:
        return float(at[0]), None
    for i in range(len(level) - 1):
        if level[i] < v <= level[i + 1]:
            return float(at[i] + (v - level[i]) / (level[i + 1] - level[i]) * (at[i + 1] - at[i])), None
    return None, BEYOND


def _reach(
    at: Floats, off: Floats, spread: Floats, own: float, z: float, width: float
) -> tuple[float | None, float | None, bool]:
    """Return the first and the last time at which a broken line cannot be told from 0, and whether others lie between.

    ``off`` is the line at its times ``at``, ``spread`` its variances, ``own`` the variance of what it is compared with;
    it cannot be told from 0 within ``z`` standard errors and ``width`` of rounding. A side that the series does not
    close is None: it must be told from 0 from below before the first time, and from above after the last.
    """
    ends = z * np.sqrt(spread + own) + width
    is_near = np.abs(off) <= ends
    if off[0] > ends[0]:
        return None, float(at[0]), False
    points = [(float(t), bool(near)) for t, near in zip(at, is_near, strict=True)]
    is_passed = bool((off > ends).any())
    for k in range(len(at) - 1):
        for share, is_above in _roots(off[k : k + 2], spread[k : k + 2], own, z, width):
            points.append((float(at[k] + share * (at[k + 1] - at[k])), True))
            is_passed = is_passed or is_above
    points.sort()
    if z == 0:
        # Nothing but rounding: past the first time that is surely above, the level has been reached.
        above = at[off > ends]
        points = points if not len(above) else [p for p in points if p[0] <= above[0]]
    near = [t for t, is_in in points if is_in]
    if not near:
        return float(at[-1]), None, False
    between = [(s + t) / 2 for (s, _), (t, _) in pairwise(points) if near[0] <= s and t <= near[-1]]
    line, error = np.interp(between, at, off), [_error(t, at, spread, own, z, width) for t in between]
    is_parted = bool((np.abs(line) > np.asarray(error) * (1 + rule("verdict_tolerance"))).any())
    return None if is_near[0] else near[0], near[-1] if is_passed else None, is_parted


def _error(t: float, at: Floats, spread: Floats, own: float, z: float, width: float) -> float:
    k = int(np.clip(np.searchsorted(at, t) - 1, 0, len(at) - 2))
    share = (t - at[k]) / (at[k + 1] - at[k])
    return float(z * np.sqrt((1 - share) ** 2 * spread[k] + share**2 * spread[k + 1] + own) + width)


def _roots(off: Floats, spread: Floats, own: float, z: float, width: float) -> list[tuple[float, bool]]:
    """Return where between two times a line is just as far from 0 as can be told, and whether it is above there."""
    found = []
    for sign in (1.0, -1.0):
        # sign · line - width = z · error, squared: a quadratic in the share of the way from one time to the next.
        p, q = sign * off[0] - width, sign * (off[1] - off[0])
        square = [
            q**2 - z**2 * (spread[0] + spread[1]), 2 * (p * q + z**2 * spread[0]), p**2 - z**2 * (spread[0] + own)
        ]  # fmt: skip
        # Without errors both roots are one, and known better from the line itself.
        roots = np.roots(square) if z and (spread + own).any() else np.array([-p / q] if q else [])
        for root in roots:
            share = float(root.real)
            is_real = abs(root.imag) <= rule("root_tolerance")
            if is_real and 0 <= share <= 1 and p + q * share >= -rule("root_tolerance") * max(1.0, abs(p)):
                found.append((share, sign > 0))
    return found
