"""The formulas of segregation, and the measures by name.

Counts stand on the last two axes, units by groups; axes before them are draws, so that all of them are measured at
once. A unit without persons adds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from scipy.special import xlogy

from citylab import tables
from citylab.errors import RangeError, suggest

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Counts = npt.NDArray[Any]

MEASURES, RULES = "segregation_measures", "segregation_rules"
MULTIGROUP = ("mutual_m", "theil_h", "dissimilarity", "gini", "normalised_exposure")
TWO_GROUP = ("dissimilarity", "gini", "theil_h", "atkinson", "correlation_ratio", "isolation", "interaction")


@cache
def rule(name: str) -> float:
    """Return a setting from the declared table ``segregation_rules``.

    Examples
    --------
    >>> rule("least_expected")
    5.0
    """
    return float(tables.read(RULES).row(by_predicate=pl.col("rule") == name, named=True)["value"])


def over(a: Counts, b: Counts) -> Floats:
    """Return a / b, 0 where b is 0."""
    a, b = np.broadcast_arrays(np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64))
    return np.divide(a, b, out=np.zeros(a.shape), where=b > 0)


def _shares(c: Counts) -> Floats:
    """Return the share of each group in the whole."""
    return over(c.sum(-2), c.sum((-2, -1))[..., None])


def entropy_of(c: Counts) -> Floats:
    """Return the entropy of the groups of the whole, in nats."""
    p = _shares(c)
    return np.asarray(-xlogy(p, p).sum(-1))


def mutual_m_of(c: Counts) -> Floats:
    """Return how much the unit of a person tells of the group, in nats."""
    t, g, n = c.sum(-1), c.sum(-2), c.sum((-2, -1))
    held = xlogy(c, c).sum((-2, -1)) - xlogy(t, t).sum(-1) - xlogy(g, g).sum(-1) + xlogy(n, n)
    # Rounding may leave an even table a trace below 0, or at -0.
    return np.maximum(over(held, n), 0.0) + 0.0


def _theil_h(c: Counts) -> Floats:
    # Rounding may leave a trace above 1 where every unit is of one group.
    return np.minimum(over(mutual_m_of(c), entropy_of(c)), 1.0)


def _pairs(c: Counts) -> Iterator[tuple[Counts, Counts, Floats]]:
    """Return for each group its counts, those of all others, and the weight P(1 - P) of the pair, over their sum."""
    p, t = _shares(c), c.sum(-1)
    weight = p * (1 - p)
    weight = over(weight, weight.sum(-1, keepdims=True))
    for g in range(c.shape[-1]):
        yield c[..., g], t - c[..., g], weight[..., g]


def _multigroup_dissimilarity(c: Counts) -> Floats:
    return np.asarray(sum(w * _dissimilarity(x, y) for x, y, w in _pairs(c)))


def _multigroup_gini(c: Counts) -> Floats:
    return np.asarray(sum(w * _gini(x, y) for x, y, w in _pairs(c)))


def _squares(c: Counts) -> tuple[Floats, Floats]:
    """Return for each group the mean square of its share in a unit about that in the whole, and the latter."""
    p, t = _shares(c), c.sum(-1)
    mean_square = over((over(c * c, t[..., None])).sum(-2), t.sum(-1)[..., None])
    return mean_square - p * p, p


def _normalised_exposure(c: Counts) -> Floats:
    square, p = _squares(c)
    return np.asarray(over(square, 1 - p).sum(-1))


def _relative_diversity(c: Counts) -> Floats:
    square, p = _squares(c)
    return over(square.sum(-1), (p * (1 - p)).sum(-1))


def _squared_variation(c: Counts) -> Floats:
    square, p = _squares(c)
    return over(over(square, p).sum(-1), (p > 0).sum(-1) - 1)


def _dissimilarity(x: Counts, y: Counts) -> Floats:
    return np.abs(over(x, x.sum(-1)[..., None]) - over(y, y.sum(-1)[..., None])).sum(-1) / 2


def _gini(x: Counts, y: Counts) -> Floats:
    order = np.argsort(over(x, x + y), axis=-1)
    xs, ys = (np.take_along_axis(over(v, v.sum(-1)[..., None]), order, -1) for v in (x, y))
    upto = np.cumsum(xs, axis=-1)
    return np.asarray(ys.sum(-1) - (ys * (2 * upto - xs)).sum(-1))


def _atkinson(x: Counts, y: Counts, shape: float) -> Floats:
    held = over(x, x.sum(-1)[..., None]) ** shape * over(y, y.sum(-1)[..., None]) ** (1 - shape)
    return np.asarray(1 - held.sum(-1) ** (1 / (1 - shape)))


def _exposure(x: Counts, y: Counts, t: Counts) -> Floats:
    """Return the mean share of y in the units of persons of x."""
    return over((over(x * y, t)).sum(-1), x.sum(-1))


def _correlation_ratio(x: Counts, y: Counts) -> Floats:
    share = over(x.sum(-1), (x + y).sum(-1))
    return over(_exposure(x, x, x + y) - share, 1 - share)


_MULTIGROUP: Mapping[str, Callable[[Counts], Floats]] = {
    "mutual_m": mutual_m_of, "theil_h": _theil_h, "dissimilarity": _multigroup_dissimilarity, "gini": _multigroup_gini,
    "normalised_exposure": _normalised_exposure, "relative_diversity": _relative_diversity,
    "squared_variation": _squared_variation,
}  # fmt: skip
# Counts of the first group, of the second, and of all others, if there are any, are three columns.
_TWO_GROUP: Mapping[str, Callable[[Counts, float], Floats]] = {
    "dissimilarity": lambda c, _: _dissimilarity(c[..., 0], c[..., 1]),
    "gini": lambda c, _: _gini(c[..., 0], c[..., 1]),
    "theil_h": lambda c, _: _theil_h(c[..., :2]),
    "mutual_m": lambda c, _: mutual_m_of(c[..., :2]),
    "atkinson": lambda c, shape: _atkinson(c[..., 0], c[..., 1], shape),
    "correlation_ratio": lambda c, _: _correlation_ratio(c[..., 0], c[..., 1]),
    "isolation": lambda c, _: _exposure(c[..., 0], c[..., 0], c.sum(-1)),
    "interaction": lambda c, _: _exposure(c[..., 0], c[..., 1], c.sum(-1)),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure by name, and of whom it is.

    Attributes
    ----------
    name
        Its name as it was asked for.
    is_pair
        Whether it is of the persons of two groups only.
    is_evenness
        Whether it is 0 where all units are alike; exposures are the share of a group there.
    highest
        Its value at complete segregation, ``None`` if that depends on the sizes of groups.
    value
        What makes it of counts.
    """

    name: str
    is_pair: bool
    is_evenness: bool
    highest: float | None
    value: Callable[[Counts], Floats]


def measure_named(name: str, kind: str) -> Measure:
    """Return a measure of the declared table, with the parameter that its name may give.

    Raises
    ------
    UnknownNameError, RangeError
        There is no such measure, or its parameter is none.

    Examples
    --------
    >>> round(float(measure_named("dissimilarity", "two_group").value(np.array([[90, 10], [30, 70]]))), 4)
    0.625
    """
    held = tables.read(MEASURES).filter(kind=kind)
    match = re.fullmatch(r"(\w+?)(?:\(([^()]*)\))?", name)
    stem = match[1] if match else name
    if not match or stem not in held["measure"] or (match[2] is not None and stem != "atkinson"):
        raise suggest(name, held["measure"], what=f"{kind} measure", see="citylab.equity.segregation.measures")
    row = held.row(by_predicate=pl.col("measure") == stem, named=True)
    shape = rule("atkinson_shape")
    if match[2] is not None:
        try:
            shape = float(match[2])
        except ValueError:
            raise RangeError(f"{name!r}: {match[2]!r} is no number. Write for example 'atkinson(0.5)'.") from None
    if not 0 < shape < 1:
        raise RangeError(f"{name!r}: the parameter must lie between 0 and 1.")
    plain, paired = _MULTIGROUP.get(stem), _TWO_GROUP.get(stem)

    def of(counts: Counts) -> Floats:
        if kind == "multigroup":
            assert plain is not None
            return plain(counts)
        assert paired is not None
        return paired(counts, shape)

    is_pair = row["population"] == "pair"
    return Measure(name, is_pair, is_pair or kind == "multigroup", row["highest"], of)


def values_of(measures: Sequence[Measure], counts: Counts) -> Floats:
    """Return the value of each measure, in a row of its own if there are draws."""
    return np.stack([m.value(counts) for m in measures])
