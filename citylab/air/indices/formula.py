"""From a concentration to its sub-index and back: rounding by decimals, broken lines and bands."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from operator import add

import polars as pl

from citylab.air.indices.declared import (
    POLLUTANTS,
    Beyond,
    Period,
    breakpoints,
    declared_rows,
    edition_rules,
    indicator_rule,
    indicator_rules,
)
from citylab.errors import EditionError, RangeError, suggest

# A double carries 53 bits: adding 1.5 * 2**52 and taking it away rounds to integers, halves to even, and the same
# with 1.5 * 2**22 rounds to a grid of 2**-30. On that grid 0.35 is not a hair below itself, and halves are halves:
# what follows rounds as one would on paper. Good for numbers below 2**21.
_TO_INTEGER = 1.5 * 2.0**52
_TO_GRID = 1.5 * 2.0**22
# A sub-index that is an integer on paper may come out a hair above it.
_HAIR = 1e-9


def _snapped(value: pl.Expr, scale: float) -> pl.Expr:
    return (value if scale == 1 else value * scale) + _TO_GRID - _TO_GRID


def rounded(value: pl.Expr, how: str, decimals: int) -> tuple[pl.Expr, float]:
    """Return a concentration as an integer number of its last decimal, and how many of those make a unit."""
    scale = 10.0**decimals
    if how == "half-even":
        return _snapped(value, scale) + _TO_INTEGER - _TO_INTEGER, scale
    if how == "truncate":
        return _snapped(value, scale).floor(), scale
    if how == "half-up":
        return (_snapped(value, scale) + 0.5).floor(), scale
    return value, 1.0


def round_half_even(value: pl.Expr, decimals: int = 0) -> pl.Expr:
    """Return a value rounded as GB/T 8170 does: halves go to the even neighbour, on decimal grounds.

    ``0.25`` becomes ``0.2`` and ``0.35`` becomes ``0.4`` although its binary number lies below 0.35.

    Parameters
    ----------
    value
        Numbers below 2 million units of the last decimal.
    decimals
        Decimals to keep.

    Examples
    --------
    >>> pl.select(round_half_even(pl.Series([0.25, 0.35, 2.25, 2.35]), 1)).to_series().to_list()
    [0.2, 0.4, 2.2, 2.4]

    References
    ----------
    GB/T 8170-2008 clause 3.2 (数值修约规则).
    """
    if isinstance(value, pl.Series):
        value = pl.lit(value)
    whole, scale = rounded(value, "half-even", decimals)
    return (whole / scale).round(decimals)  # Polars divides by a number as it multiplies by its inverse


def iaqi_expr(
    indicator: str,
    column: str | pl.Expr,
    table: pl.DataFrame | None = None,
    *,
    edition: str,
    beyond: Beyond = "cap",
) -> pl.Expr:
    """Return the sub-index of a concentration: the one place where the formula stands.

    The concentration is rounded as the edition says (GB/T 8170, truncation, or not at all), the sub-index
    interpolated between the breakpoints and rounded up (HJ 633) or to the nearest integer (US EPA); the bands of the
    EEA and the UK count the upper bounds that are exceeded. Negative values, NaN and null give null.

    Parameters
    ----------
    indicator
        Pollutant and averaging time of the breakpoints, for example ``"pm25_24h"`` or ``"o3_1h"``.
    column
        Column or expression with the concentration in the unit of the breakpoints.
    table
        Breakpoints to use in place of the declared table ``air_aqi_breakpoints``.
    edition
        Id of an edition.
    beyond
        ``"extrapolate"`` continues the last line above the last breakpoint (US EPA allows it); ``"cap"`` does not.

    Returns
    -------
    polars.Expr
        Integers; null also where the edition gives the indicator no sub-index (HJ 633-2012: 1-hour SO2 and 8-hour O3
        above 800 µg/m³).

    Raises
    ------
    UnknownNameError
        No such edition or indicator.
    EditionError
        ``"extrapolate"`` for an edition whose index ends.

    Notes
    -----
    The interpolation is written as a sum over breakpoints of (change of slope) × max(concentration, breakpoint),
    which is the same broken line and needs no branches.

    Examples
    --------
    >>> pm = pl.DataFrame({"pm25_ugm3": [35.0, 35.5, 60.5, 61.5, 75.0]})
    >>> pm.select(iaqi_expr("pm25_24h", "pm25_ugm3", edition=e).alias(e) for e in ("hj633-2012", "hj633-2026")).rows()
    [(50, 50), (51, 52), (82, 100), (84, 102), (100, 114)]

    References
    ----------
    HJ 633-2012 clause 4, HJ 633-2026 clause 4.2; US EPA, EPA-454/B-24-002 (2024), equation 1.
    """
    rules = edition_rules(edition)
    rule = indicator_rule(edition, indicator)
    points = breakpoints(edition, indicator, table)
    value = (pl.col(column) if isinstance(column, str) else column).cast(pl.Float64)
    if beyond == "extrapolate" and rules["index_rule"] != "nearest":
        raise EditionError(
            f"The index of {edition} ends at {rules['index_max']}; only us-epa-2024 can be extrapolated."
        )
    q, scale = rounded(value, rules["concentration_rounding"], rule["decimals"])
    q = pl.when(value >= 0).then(q)
    at = [round(c * scale, 6) for c, _ in points]
    if rules["index_rule"] == "bands":
        return 1 + reduce(add, ((q > bound).cast(pl.Int64) for bound in at))
    index = _broken_line(q, list(zip(at, (i for _, i in points), strict=True)), open_end=beyond == "extrapolate")
    whole = (index - _HAIR).ceil() if rules["index_rule"] == "ceiling" else (index + (0.5 + _HAIR)).floor()
    allowed = pl.lit(True)
    if rule["below"] == "none":
        allowed = allowed & (q >= at[0])
    if rule["beyond"] == "none":
        allowed = allowed & (q <= at[-1])
    ends = "none" in (rule["below"], rule["beyond"])
    return (pl.when(allowed).then(whole) if ends else whole).cast(pl.Int64)


def _broken_line(q: pl.Expr, points: Sequence[tuple[float, float]], *, open_end: bool) -> pl.Expr:
    slopes = [(i2 - i1) / (c2 - c1) for (c1, i1), (c2, i2) in pairwise(points)]
    changes = [b - a for a, b in zip([0.0, *slopes], [*slopes, 0.0], strict=True)]
    if open_end:
        changes[-1] = 0.0
    # Left of the first breakpoint every term rests on its breakpoint: the line is level there.
    constant = points[0][1] - sum(change * c for change, (c, _) in zip(changes, points, strict=True))
    terms = [q.clip(lower_bound=c) * change for change, (c, _) in zip(changes, points, strict=True) if change]
    return reduce(add, terms) + constant


def concentration_at(
    indicator: str, index: float, *, edition: str, period: Period = "day", table: pl.DataFrame | None = None
) -> float:
    """Return the concentration at which a sub-index is reached: the inverse of the broken line.

    Rounding is left aside: it is the exact concentration on the line. For the bands of the EEA and the UK it is the
    upper bound of the band.

    Parameters
    ----------
    indicator
        Pollutant (``"pm25"``; the indicator of ``period`` is taken) or indicator (``"o3_1h"``).
    index
        The sub-index.
    edition, period, table
        As in :func:`aqi`.

    Returns
    -------
    float
        Concentration in the unit of the edition's breakpoints (China: µg/m³, CO mg/m³; US gases: ppm or ppb).

    Raises
    ------
    UnknownNameError
        No such edition or indicator.
    RangeError
        The edition has no such sub-index for this pollutant.

    Examples
    --------
    >>> [concentration_at("pm25", 100, edition=e) for e in ("hj633-2012", "hj633-2026")]
    [75.0, 60.0]
    >>> concentration_at("pm25", 150, edition="hj633-2026")
    115.0
    """
    name = indicator
    if indicator in POLLUTANTS:
        own = [r for r in indicator_rules(edition, period, "24h", frozenset()) if r["pollutant"] == indicator]
        if not own:
            raise suggest(indicator, [r["pollutant"] for r in declared_rows("air_aqi_indicators", edition=edition)],
                          what=f"pollutant of {edition}", see="the table air_aqi_indicators")  # fmt: skip
        name = own[0]["indicator"]
    points = breakpoints(edition, name, table)
    bands = edition_rules(edition)["index_rule"] == "bands"
    for (c1, i1), (c2, i2) in pairwise(points):
        if i1 <= index <= i2 and not bands:
            return c1 + (c2 - c1) * (index - i1) / (i2 - i1)
    for c, i in points:
        if bands and i == index:
            return c
    raise RangeError(
        f"{name} has no sub-index {index:g} under {edition}: its breakpoints go from {points[0][1]:g} to "
        f"{points[-1][1]:g}" + (" in whole bands." if bands else ".")
    )
