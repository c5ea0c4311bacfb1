"""Intervals of segregation: which strengths of it, seen through a sample, give the value that was seen.

A sample scatters the compositions of units about the true ones, and a value made of it is too high; drawing anew from
the sample scatters them once more and finds that excess too large where there is much segregation and far too small
where there is little. Here tables are drawn from a family: every unit keeps its size, and its composition is moved
along the line from that of the whole (strength 0: all units alike) through the one it was seen with (1) and beyond. An
end of the interval is the segregation of the table whose draws reach the value seen in one of its tails only. A table
more even than chance makes it on average shows no direction in which its units differ: one drawn by chance lends its.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.polynomial import Polynomial

from citylab.equity.segregation.drawing import by_chance, in_chunks
from citylab.equity.segregation.formulas import Measure, mutual_m_of, over, rule, values_of

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Counts = npt.NDArray[Any]

_CURVE = 3
"""Degree of the polynomial of strength that smooths the mean of draws."""
_FINE = 401
"""Strengths at which smoothed curves are read off."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a value says of the segregation behind it.

    Attributes
    ----------
    corrected
        Segregation of the table whose draws have the value seen as their mean.
    se
        Standard deviation of those draws.
    lower, upper
        Ends of the interval.
    is_below
        Whether even units that are all alike give so low a value in one tail only.
    """

    corrected: float
    se: float
    lower: float
    upper: float
    is_below: bool


def at_strength(counts: Floats, strength: float) -> Floats:
    """Return a table whose units differ from the whole more or less than they did, each as large as it was.

    Examples
    --------
    >>> at_strength(np.array([[8.0, 2.0], [2.0, 8.0]]), 0.5).tolist()
    [[6.5, 3.5], [3.5, 6.5]]
    >>> at_strength(np.array([[8.0, 2.0], [2.0, 8.0]]), 3.0).tolist()
    [[10.0, 0.0], [0.0, 10.0]]
    """
    size = counts.sum(1, keepdims=True)
    whole = counts.sum(0) / counts.sum()
    moved = np.maximum(whole + strength * (over(counts, size) - whole), 0.0)
    return np.asarray(moved / moved.sum(1, keepdims=True) * size)


def estimates(
    held: Sequence[Measure], counts: Floats, *, draws: int, level: float, seed: np.random.SeedSequence
) -> list[Estimate]:
    """Return what the values of some measures say of the segregation behind them.

    Parameters
    ----------
    held
        Measures that are 0 where all units are alike.
    counts
        Whole persons by unit and group; no unit is empty.
    draws
        Draws that the ends are read off, over all strengths together. A quarter as many more look for the strengths.
    level
        Level of the interval.
    seed
        Starts the generators.
    """
    seen, counts = values_of(held, counts), _direction(counts, seed)
    strengths = np.linspace(0, rule("strongest"), int(rule("search_strengths")))
    reached = np.stack([values_of(held, at_strength(counts, s)) for s in strengths], axis=-1)
    # Beyond the strength from which all units are of one group nothing changes any more.
    is_last = (reached >= reached[:, -1:] - rule("equal_tolerance")).all(axis=0)
    last = float(strengths[np.argmax(is_last)])
    if last == 0:
        return [Estimate(0.0, 0.0, 0.0, 0.0, is_below=True) for _ in held]
    strengths = strengths[strengths <= last]
    drawn = _drawn(held, counts, strengths, draws * rule("search_share"), seed)
    ends = [_ends(d, strengths, v, level, _through) for d, v in zip(drawn, seen, strict=True)]
    for _ in range(int(rule("search_rounds"))):
        low, high = min(e.strengths[0] for e in ends), max(e.strengths[2] for e in ends)
        margin = rule("search_margin") * (high - low) + rule("least_margin")
        window = max(0.0, low - margin), min(last, high + margin)
        strengths = np.linspace(*window, int(rule("strengths")))
        drawn = _drawn(held, counts, strengths, draws, seed)
        ends = [_ends(d, strengths, v, level, _smooth) for d, v in zip(drawn, seen, strict=True)]
        at = [s for e in ends for s in e.strengths]
        if not ((window[0] > 0 and window[0] in at) or (window[1] < last and window[1] in at)):
            break
    told = []
    for m, e in zip(held, ends, strict=True):
        # Where all units are alike rounding would leave a trace above 0.
        lower, corrected, upper = (float(m.value(at_strength(counts, s))) if s else 0.0 for s in e.strengths)
        told.append(Estimate(corrected, e.se, lower, upper, e.is_below))
    return told


def _direction(counts: Floats, seed: np.random.SeedSequence) -> Floats:
    """Return the table whose units differ as they were seen to, or as by chance if they differ less than that."""
    draw, draws = by_chance(np.rint(counts).astype(np.int64), "evenness"), int(rule("direction_draws"))
    chance = in_chunks(lambda c: mutual_m_of(c)[None], counts.size, draw, draws, seed).mean()
    if mutual_m_of(counts) >= chance:
        return counts
    rng = np.random.default_rng(seed.spawn(1)[0])
    # One of them at a time: a large table is not held many times over.
    typical = min((draw(rng, 1)[0] for _ in range(draws)), key=lambda table: abs(float(mutual_m_of(table)) - chance))
    return np.asarray(typical, dtype=np.float64)


def _drawn(
    held: Sequence[Measure], counts: Floats, strengths: Floats, draws: float, seed: np.random.SeedSequence
) -> Floats:
    """Return values of tables drawn at each strength: measures, draws, strengths."""
    persons, k = round(float(counts.sum())), len(strengths)
    if k > 1 and k * counts.size > rule("chunk_cells"):
        one_each = (_drawn(held, counts, strengths[i : i + 1], draws / k, seed) for i in range(k))
        return np.concatenate(list(one_each), axis=-1)
    each = max(int(rule("least_draws")), int(np.ceil(draws / k)))
    chance = np.stack([at_strength(counts, s) for s in strengths]).reshape(k, -1)
    chance /= chance.sum(1, keepdims=True)

    def draw(rng: np.random.Generator, size: int) -> Counts:
        return rng.multinomial(persons, chance, size=(size, k)).reshape(size, k, *counts.shape)

    return in_chunks(lambda c: values_of(held, c), k * counts.size, draw, each, seed)


@dataclass(frozen=True, slots=True)
class _Ends:
    """Strengths of the lower end, the middle and the upper end, and the spread of draws at the middle."""

    strengths: tuple[float, float, float]
    se: float
    is_below: bool


def _through(x: Floats, y: Floats, at: Floats) -> Floats:
    return np.interp(at, x, y)


def _smooth(x: Floats, y: Floats, at: Floats) -> Floats:
    return np.asarray(Polynomial.fit(x, y, min(_CURVE, len(x) - 1))(at))


def _ends(
    drawn: Floats, strengths: Floats, value: float, level: float, curve: Callable[[Floats, Floats, Floats], Floats]
) -> _Ends:
    """Return at which strengths a value is the upper end, the mean and the lower end of what is drawn.

    Draws of all strengths tell together how far the tails are from the mean, in standard deviations.
    """
    fine = np.linspace(strengths[0], strengths[-1], _FINE)
    mean, line = drawn.mean(0), Polynomial.fit(strengths, drawn.std(0, ddof=1), 1)
    off, spread = drawn - curve(strengths, mean, strengths), np.broadcast_to(line(strengths), drawn.shape)
    off = np.divide(off, spread, out=np.zeros_like(off), where=spread > 0)
    tail = (1 - level) / 2
    below, above = np.quantile(off, [tail, 1 - tail], method="weibull")
    middle, spread = curve(strengths, mean, fine), np.maximum(line(fine), 0.0)
    lower, corrected, upper = (_first(middle + z * spread, value, fine) for z in (above, 0.0, below))
    slack = rule("equal_tolerance")
    if ((np.abs(drawn - value) <= slack).mean(0) > tail).any():
        # So few persons that many draws have the very value: moments say too little of tails, which are counted.
        lower = float(min([lower, *strengths[(drawn >= value - slack).mean(0) > tail]]))
        upper = float(max([upper, *strengths[(drawn <= value + slack).mean(0) > tail]]))
    is_below = fine[0] == 0 and value < middle[0] + below * spread[0]
    return _Ends((lower, corrected, upper), float(np.interp(corrected, fine, spread)), bool(is_below))


def _first(curve: Floats, value: float, at: Floats) -> float:
    """Return where a curve that should rise reaches a value first; one of its ends if it does not."""
    rising = np.maximum.accumulate(curve)
    i = int(np.searchsorted(rising, value, side="left"))
    if i == 0 or i == len(at):
        return float(at[min(i, len(at) - 1)])
    share = (value - rising[i - 1]) / (rising[i] - rising[i - 1])
    return float(at[i - 1] + share * (at[i] - at[i - 1]))
