"""The formulas of inequality: each gives its value and, where asked, the influence of every row on it.

All of them are read off one :class:`Ordered` distribution, sorted once, with running sums of weights and values. The
influence of a row is what the measure would gain per unit of weight moved there; variances are made from it
(:mod:`citylab.equity.sampling`). Shares of weight are used throughout, so that the scale of the weights does not matter
and a row of weight 3 is three equal rows of weight 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

import numpy as np

from citylab import tables
from citylab.errors import DataError, RangeError, suggest

if TYPE_CHECKING:
    import numpy.typing as npt
    import polars as pl

    Floats = npt.NDArray[np.float64]
    Influence = Callable[[slice], Floats]

CHUNK = 1 << 13
"""Rows that are worked on at a time: their arrays stay in the processor's cache, and no threads of BLAS are woken."""
TABLE, RULES = "equity_measures", "equity_rules"
POSITIVE, NONNEGATIVE, MEAN, ANY = "positive", "nonnegative", "mean", "any"
"""What a measure needs of the values: all above 0, none below 0, a mean above 0, nothing."""
ZERO_VALUES, NEGATIVE_VALUES, MEAN_NOT_POSITIVE = "zero_values", "negative_values", "mean_not_positive"
NO_ROWS, ZERO_DENOMINATOR, ONE_UNIT, AT_BOUND = "no_rows", "zero_denominator", "one_unit", "mean_at_bound"
EMPTY_DRAW, NOT_POSITIVE = "draw_without_value", "value_not_positive"


@cache
def rule(name: str) -> float:
    """Return a threshold from the declared table ``equity_rules``.

    Examples
    --------
    >>> rule("shapley_factors")
    12.0
    """
    return float(tables.read(RULES).row(by_predicate=_is(name), named=True)["value"])


def _is(name: str) -> pl.Expr:
    import polars as pl

    return pl.col("rule") == name


class Ordered:
    """A weighted distribution in the order of a key.

    Parameters
    ----------
    key
        What the rows are ordered by, one per row; finite.
    weight
        Weights, 0 or more, of positive sum; ``None`` weighs every row alike.
    value
        What is shared out; ``None``: the key itself.
    is_sorted
        True if the rows already ascend by ``key``.

    Attributes
    ----------
    order
        Positions of the rows as given, in the order of the key; ``None`` if they were sorted already.
    key, value, weight
        As given, in that order.
    """

    def __init__(
        self, key: Floats, weight: Floats | None = None, value: Floats | None = None, *, is_sorted: bool = False
    ) -> None:
        self.order: npt.NDArray[np.intp] | None = None
        if not is_sorted:
            self.order = np.argsort(key)
            key = key[self.order]
            weight = None if weight is None else weight[self.order]
            value = None if value is None else value[self.order]
        self.key = key
        self.value = key if value is None else value
        self.is_own_key = value is None
        self.weight = np.ones(len(key)) if weight is None else weight

    def reweighted(self, weight: Floats) -> Ordered:
        """Return the same rows, in the same order, with other weights."""
        return Ordered(self.key, weight, None if self.is_own_key else self.value, is_sorted=True)

    @cached_property
    def held(self) -> Ordered:
        """The rows of positive weight: one that a draw leaves out takes no part, not even between two quantiles."""
        inside = self.weight > 0
        if inside.all():
            return self
        value = None if self.is_own_key else self.value[inside]
        return Ordered(self.key[inside], self.weight[inside], value, is_sorted=True)

    def ranked_by_itself(self) -> Ordered:
        """Return the distribution of the key alone."""
        return Ordered(self.key, self.weight, is_sorted=True)

    def slices(self) -> Iterator[slice]:
        """Yield pieces of the rows that stay in the processor's cache."""
        for start in range(0, len(self.key), CHUNK):
            yield slice(start, min(start + CHUNK, len(self.key)))

    @cached_property
    def _pieces(self) -> tuple[Floats, Floats]:
        """Running sums of weight and of weight times value, at the start of each piece and at the end."""
        sums = [(self.weight[s].sum(), self.weight[s] @ self.value[s]) for s in self.slices()]
        running = np.cumsum(np.array([(0.0, 0.0), *sums]), axis=0)
        return running[:, 0], running[:, 1]

    @property
    def amounts(self) -> Floats:
        """Part of the mean of the rows before each piece; at the end, the mean."""
        return self._pieces[1] / self.total

    @property
    def total(self) -> float:
        """Sum of weights."""
        return float(self._pieces[0][-1])

    @property
    def mean(self) -> float:
        """Weighted mean of the value."""
        return float(self._pieces[1][-1]) / self.total

    def before(self, row: int) -> tuple[float, float]:
        """Return share of weight, and part of the mean, of the rows before ``row``."""
        piece = row // CHUNK
        s = slice(piece * CHUNK, row)
        weight, amount = (float(x[piece]) for x in self._pieces)
        weight, amount = weight + float(self.weight[s].sum()), amount + float(self.weight[s] @ self.value[s])
        return weight / self.total, amount / self.total

    def running(self, rows: slice) -> tuple[Floats, Floats]:
        """Return the running share of weight and the running part of the mean, up to and with each row."""
        weight = self.weight[rows] / self.total
        people, amount = self.before(rows.start or 0)
        return people + np.cumsum(weight), amount + np.cumsum(weight * self.value[rows])

    @cached_property
    def share(self) -> Floats:
        """Weights that add up to 1."""
        return self.weight / self.total

    @cached_property
    def part(self) -> Floats:
        """Share of weight times value: what each row adds to the mean."""
        return self.share * self.value

    def log(self, rows: slice) -> Floats:
        """Return the logarithm of value over mean; 0 where the value is 0, so that 0 · ln 0 is 0."""
        values = self.value[rows]
        if self.smallest > 0:
            return np.log(values) - np.log(self.mean)
        logs = np.full_like(values, np.log(self.mean))
        np.log(values, out=logs, where=values > 0)
        return logs - np.log(self.mean)

    def ratio(self, rows: slice) -> Floats:
        """Return value over mean."""
        return self.value[rows] / self.mean

    @cached_property
    def smallest(self) -> float:
        """Smallest value."""
        return float(self.value[0] if self.is_own_key else self.value.min())

    @cached_property
    def largest(self) -> float:
        """Largest value."""
        return float(self.value[-1] if self.is_own_key else self.value.max())

    @cached_property
    def blocks(self) -> npt.NDArray[np.intp]:
        """Start of each run of equal keys."""
        return np.flatnonzero(np.concatenate([[True], self.key[1:] != self.key[:-1]]))

    @property
    def n_effective(self) -> float:
        """Kish's effective number of rows: the square of the sum of weights over the sum of their squares."""
        return self.total / self.average(lambda s: self.weight[s])

    def average(self, of: Callable[[slice], Floats]) -> float:
        """Return the weighted mean of what is made of the rows, piece by piece."""
        return float(sum(self.weight[s] @ of(s) for s in self.slices())) / self.total

    def position(self, people: float) -> int:
        """Return the row in which the running share of weight reaches ``people``."""
        weight = people * self.total
        piece = int(np.searchsorted(self._pieces[0][1:-1], weight))
        inside = self._pieces[0][piece] + np.cumsum(self.weight[piece * CHUNK : (piece + 1) * CHUNK])
        return min(piece * CHUNK + int(np.searchsorted(inside, weight)), len(self.key) - 1)

    def _tied(self, at: int) -> tuple[int, int]:
        """Return first row with the key of a row, and the first after it with another."""
        return int(np.searchsorted(self.key, self.key[at], "left")), int(
            np.searchsorted(self.key, self.key[at], "right")
        )

    def amount_below(self, people: float) -> tuple[float, int]:
        """Return the part of the mean held by the first ``people`` of the weight, and the row at that place.

        Linear within a row; ties of the key are a straight line too, whatever their order.
        """
        at = self.position(people)
        first, last = (at, at + 1) if self.is_own_key else self._tied(at)
        before_people, before = self.before(first)
        width = float(self.weight[first:last].sum()) / self.total
        height = float(self.weight[first:last] @ self.value[first:last]) / self.total
        return (before + (people - before_people) * height / width if width > 0 else before), at

    def quantile(self, people: float) -> float:
        """Return the interpolated quantile of the key.

        The distribution function at a distinct key is taken in the middle of its step; between these points it is
        linear, beyond the first and the last it is flat. Without ties and weights that is Hazen's rule (type 5).
        """
        at = self.position(people)
        middle, first, last = self._middle(at)
        if people < middle and first > 0:
            before, low, _ = self._middle(first - 1)
            return float(self.key[low] + (people - before) / (middle - before) * (self.key[at] - self.key[low]))
        if people > middle and last < len(self.key):
            after, high, _ = self._middle(last)
            return float(self.key[at] + (people - middle) / (after - middle) * (self.key[high] - self.key[at]))
        return float(self.key[at])

    def _middle(self, at: int) -> tuple[float, int, int]:
        first, last = self._tied(at)
        return self.before(first)[0] + float(self.weight[first:last].sum()) / self.total / 2, first, last

    def bandwidth(self, people: float) -> float:
        """Return half the width over which the slope of a quantile function or curve is taken (Hall and Sheather)."""
        from scipy.special import ndtri
        from scipy.stats import norm

        at = ndtri(people)
        core = 1.5 * norm.pdf(at) ** 2 / (2 * at**2 + 1)
        wide = self.n_effective ** (-1 / 3) * ndtri(1 - rule("ramp_alpha") / 2) ** (2 / 3) * core ** (1 / 3)
        return float(min(wide, people, 1 - people))

    def slope(self, of: Callable[[float], float], people: float) -> float:
        """Return the slope of a function of the population share."""
        half = self.bandwidth(people)
        return (of(people + half) - of(people - half)) / (2 * half)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value, the influence of the rows of a slice on it, and a code that says what is wrong with it."""

    value: float | None
    influence: Influence | None = None
    note: str | None = None


def gini(d: Ordered) -> Estimate:
    """Gini coefficient: half the mean absolute difference of two rows over the mean."""
    mean = d.mean
    twice = 0.0
    for s, before in zip(d.slices(), d.amounts, strict=False):
        share = d.weight[s] / d.total
        part = share * d.value[s]
        twice += float(share @ (2 * np.cumsum(part) - part)) + 2 * float(share.sum()) * before
    value = float(1 - twice / mean)

    def influence(s: slice) -> Floats:
        # The mean of the larger of two values, one of them this row's; whatever the order of ties.
        people, amount = d.running(s)
        larger = d.value[s] * people + mean - amount
        return 2 * (larger / mean - (1 + value)) - (1 + value) * (d.ratio(s) - 1)

    return Estimate(value, influence)


def gini_corrected(d: Ordered) -> Estimate:
    """Gini coefficient times n / (n - 1), n the number of rows."""
    n = len(d.key)
    if n < 2:
        return Estimate(None, None, ONE_UNIT)
    plain = gini(d)
    assert plain.value is not None and plain.influence is not None
    raw, factor = plain.influence, n / (n - 1)
    return Estimate(factor * plain.value, lambda s: factor * raw(s))


def ge(d: Ordered, alpha: float) -> Estimate:
    """Generalised entropy of order ``alpha``: 0 is the mean log deviation, 1 is Theil T."""
    if alpha == 0:
        value = -d.average(d.log)
        return Estimate(value, lambda s: d.ratio(s) - 1 - d.log(s) - value)
    if alpha == 1:
        value = d.average(lambda s: d.value[s] * d.log(s)) / d.mean
        return Estimate(value, lambda s: d.ratio(s) * (d.log(s) - 1 - value) + 1)
    scale = alpha * (alpha - 1)

    def excess(s: slice) -> Floats:
        # Powers less 1, or less the ratio, whose mean is 1: nothing is lost where the order is near 0 or 1.
        if alpha < 1 / 2:
            return np.where(d.value[s] > 0, np.expm1(alpha * d.log(s)), -1.0)
        return d.ratio(s) * np.expm1((alpha - 1) * d.log(s))

    with np.errstate(over="raise"):
        try:
            average = d.average(excess)
        except FloatingPointError:
            raise RangeError(
                f"GE({alpha:g}) is too large for a number here: values go from {d.smallest:.3g} to {d.largest:.3g} "
                f"around a mean of {d.mean:.3g}. Take an order nearer 1."
            ) from None

    def influence(s: slice) -> Floats:
        powers = excess(s) + (1 if alpha < 1 / 2 else d.ratio(s))
        return (powers - (average + 1) * (1 + alpha * (d.ratio(s) - 1))) / scale

    return Estimate(average / scale, influence)


def atkinson(d: Ordered, epsilon: float) -> Estimate:
    """Atkinson index with aversion ``epsilon``: the share of the mean that equality could do without."""
    if epsilon == 0:
        return Estimate(0.0, lambda s: np.zeros(len(d.value[s])))
    if epsilon == 1:
        level = d.average(d.log)
        left = float(np.exp(level))
        return Estimate(float(-np.expm1(level)), lambda s: -left * (d.log(s) + 1 - level - d.ratio(s)))
    # In logs and relative to the largest term: nothing runs over or under.
    power = 1 - epsilon
    top = power * (np.log(d.largest if power > 0 else d.smallest) - np.log(d.mean))

    def scaled(s: slice) -> Floats:
        terms = np.exp(power * d.log(s) - top)
        return terms if d.smallest > 0 else np.where(d.value[s] > 0, terms, 0.0)

    average = d.average(scaled)
    level = float((np.log(average) + top) / power)
    left = float(np.exp(level))
    return Estimate(float(-np.expm1(level)), lambda s: -left * ((scaled(s) / average - 1) / power + 1 - d.ratio(s)))


def hoover(d: Ordered) -> Estimate:
    """Hoover index: the share of the total that would have to change hands to make all equal."""
    poor, held = d.before(int(np.searchsorted(d.key, d.mean)))
    value = poor - held / d.mean

    def influence(s: slice) -> Floats:
        below = np.maximum(1 - d.ratio(s), 0)
        return below - value + (poor - value) * (d.ratio(s) - 1)

    return Estimate(value, influence)


def cumulative_influence(d: Ordered, people: float) -> Influence:
    """Return the influence of the rows on the part of the mean held by the first ``people``, for 0 < people < 1."""
    threshold = d.key[d.position(people)]
    # Along another rank: the mean of the value at that rank, from the slope of the curve around it.
    local = float(threshold) if d.is_own_key else d.slope(lambda p: d.amount_below(p)[0], people)

    def part(s: slice) -> Floats:
        return np.where(d.key[s] <= threshold, d.value[s] - local, 0.0)

    middle = d.average(part)
    return lambda s: part(s) - middle


def share_ratio(d: Ordered, high: float, low: float) -> Estimate:
    """Share of the amount held above ``high`` of the population over the share held below ``low``."""
    below = d.amount_below(low)[0]
    above = d.mean - d.amount_below(high)[0]
    if below <= 0:
        return Estimate(None, None, ZERO_DENOMINATOR)
    value = above / below

    def influence() -> Influence:
        on_low, on_high = cumulative_influence(d, low), cumulative_influence(d, high)
        return lambda s: (d.value[s] - d.mean - on_high(s) - value * on_low(s)) / below

    return Estimate(value, late(influence))


def quantile_influence(d: Ordered, people: float) -> Influence:
    """Return the influence of the rows on a quantile of the key."""
    at, slope = d.quantile(people), d.slope(d.quantile, people)

    def inside(s: slice) -> Floats:
        return (d.key[s] <= at).astype(np.float64)

    middle = d.average(inside)
    return lambda s: slope * (middle - inside(s))


def quantile_ratio(d: Ordered, high: float, low: float) -> Estimate:
    """One quantile over another."""
    top, bottom = d.quantile(high), d.quantile(low)
    if bottom <= 0:
        return Estimate(None, None, ZERO_DENOMINATOR)
    value = top / bottom

    def influence() -> Influence:
        on_high, on_low = quantile_influence(d, high), quantile_influence(d, low)
        return lambda s: (on_high(s) - value * on_low(s)) / bottom

    return Estimate(value, late(influence))


def late(make: Callable[[], Influence]) -> Influence:
    """Return an influence that is prepared when first asked for."""
    made: list[Influence] = []

    def influence(s: slice) -> Floats:
        if not made:
            made.append(make())
        return made[0](s)

    return influence


def mean(d: Ordered) -> Estimate:
    """Weighted mean."""
    return Estimate(d.mean, lambda s: d.value[s] - d.mean)


def fgt(d: Ordered, alpha: float, line: float) -> Estimate:
    """Foster, Greer and Thorbecke: mean of the relative shortfall below a line, to the power ``alpha``."""

    def gap(s: slice) -> Floats:
        short = d.value[s] < line
        return np.where(short, np.maximum(1 - d.value[s] / line, 0) ** alpha, 0.0)

    value = d.average(gap)
    return Estimate(value, lambda s: gap(s) - value)


FORMULAS: dict[str, Callable[..., Estimate]] = {
    "gini": gini, "gini_corrected": gini_corrected, "ge": ge, "atkinson": atkinson, "hoover": hoover,
    "share_ratio": share_ratio, "quantile_ratio": quantile_ratio, "mean": mean, "fgt": fgt,
}  # fmt: skip
_ARITY = {"ge": 1, "atkinson": 1, "share_ratio": 2, "quantile_ratio": 2, "fgt": 1, "gini": 0, "gini_corrected": 0,
          "hoover": 0, "mean": 0}  # fmt: skip
_PATTERN = re.compile(r"\s*(\w+)\s*(?:\(([^()]*)\))?\s*")


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure with its parameters.

    Attributes
    ----------
    name
        As it was asked for, and as it stands in results.
    kind
        Key of :data:`FORMULAS`.
    parameters
        Parameters of the formula.
    needs
        What it needs of the values.
    """

    name: str
    kind: str
    parameters: tuple[float, ...]
    needs: str

    def estimate(self, d: Ordered) -> Estimate:
        """Return the measure of a distribution; a distribution that it cannot judge gives a null with its reason."""
        d = d.held
        if self.needs != ANY:
            if d.smallest < 0 and self.needs in {POSITIVE, NONNEGATIVE}:
                raise DataError(
                    f"{self.name} is not defined for negative values, and there are some (smallest "
                    f"{d.smallest:g}). Ask for measures that allow them ('gini', 'hoover'), or say what a negative "
                    "value means here and treat it first."
                )
            if d.mean <= 0:
                return Estimate(None, None, MEAN_NOT_POSITIVE)
            if d.smallest == 0 and self.needs == POSITIVE:
                return Estimate(None, None, ZERO_VALUES)
        told = FORMULAS[self.kind](d, *self.parameters)
        if told.note is None and self.needs == MEAN and d.smallest < 0:
            return Estimate(told.value, told.influence, NEGATIVE_VALUES)
        return told


def measure(name: str, *, line: float | None = None, table: pl.DataFrame | None = None) -> Measure:
    """Return a measure by its name.

    Parameters
    ----------
    name
        A name of the declared table ``equity_measures`` (``"gini"``, ``"theil_t"``, ``"palma"``), or a formula with its
        parameters: ``"ge(2)"``, ``"atkinson(0.5)"``, ``"share_ratio(0.9,0.4)"``, ``"quantile_ratio(0.9,0.5)"``,
        ``"fgt(1)"``, ``"mean"``.
    line
        Poverty line of ``fgt`` [unit of the value].
    table
        Named measures; default the declared ones.

    Raises
    ------
    UnknownNameError
        No such measure.
    RangeError
        A parameter that cannot be, or ``fgt`` without a line above 0.

    Examples
    --------
    >>> measure("theil_t").kind, measure("theil_t").parameters, measure("atkinson(2)").needs
    ('ge', (1.0,), 'positive')
    """
    named = {r["measure"]: r for r in (tables.read(TABLE) if table is None else table).iter_rows(named=True)}
    if name in named:
        found = named[name]
        parameters = tuple(float(found[c]) for c in ("first", "second") if found[c] is not None)
        return Measure(name, found["kind"], parameters, found["needs"])
    match = _PATTERN.fullmatch(name)
    if match is None or match[1] not in FORMULAS:
        raise suggest(name, [*named, *FORMULAS], what="measure", see="datasets/codes/equity_measures.csv; also "
                      "'ge(2)', 'atkinson(0.5)', 'quantile_ratio(0.9,0.5)', 'fgt(1)'")  # fmt: skip
    kind = match[1]
    try:
        numbers = tuple(float(x) for x in (match[2] or "").split(",") if x.strip())
    except ValueError:
        raise RangeError(f"{name!r}: {match[2]!r} are no numbers. Write for example 'atkinson(0.5)'.") from None
    if len(numbers) != _ARITY[kind] or not all(map(np.isfinite, numbers)):
        raise RangeError(f"{name!r}: {kind} takes {_ARITY[kind]} finite number(s) in brackets, got {len(numbers)}.")
    return Measure(name, kind, _checked(name, kind, numbers, line), _needs(kind, numbers))


def _checked(name: str, kind: str, numbers: tuple[float, ...], line: float | None) -> tuple[float, ...]:
    if kind == "atkinson" and numbers[0] < 0:
        raise RangeError(f"{name!r}: the aversion is {numbers[0]:g}; expected 0 or more.")
    if kind in {"share_ratio", "quantile_ratio"} and not 0 < numbers[1] <= numbers[0] < 1:
        raise RangeError(f"{name!r}: expected two shares, the higher first: 0 < low <= high < 1, as in '(0.9,0.1)'.")
    if kind == "fgt":
        if numbers[0] < 0:
            raise RangeError(f"{name!r}: the order is {numbers[0]:g}; expected 0 or more.")
        if line is None or not (np.isfinite(line) and line > 0):
            raise RangeError(f"{name!r} needs line=, the poverty line in the unit of the value, above 0; got {line}.")
        return (*numbers, float(line))
    return numbers


def _needs(kind: str, numbers: tuple[float, ...]) -> str:
    if kind == "ge":
        return POSITIVE if numbers[0] <= 0 else NONNEGATIVE
    if kind == "atkinson":
        return POSITIVE if numbers[0] >= 1 else NONNEGATIVE
    return {"gini": MEAN, "gini_corrected": MEAN, "hoover": MEAN, "mean": ANY, "fgt": ANY}.get(kind, NONNEGATIVE)


def parsed(names: Sequence[str], *, line: float | None = None, table: pl.DataFrame | None = None) -> list[Measure]:
    """Return measures by their names, each once.

    Examples
    --------
    >>> [m.kind for m in parsed(["gini", "ge(2)", "gini"])]
    ['gini', 'ge']
    """
    if isinstance(names, str):
        names = [names]
    if not names:
        raise RangeError("No measure was named. Name at least one, for example 'gini'.")
    return [measure(name, line=line, table=table) for name in dict.fromkeys(names)]
