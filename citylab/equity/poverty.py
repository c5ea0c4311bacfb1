"""Who falls below a line: how many, how far, and how unequally.

The same formulas serve deprivation: hours of use, bandwidth or skills below what is held to be needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from citylab.equity.inequality import inequality, quantile, single
from citylab.equity.sampling import DEFAULT, Errors
from citylab.errors import RangeError
from citylab.frames import Frame

if TYPE_CHECKING:
    import numpy.typing as npt

ORDERS = (0.0, 1.0, 2.0)
"""Headcount, gap and severity."""


def poverty(
    frame: Frame,
    value: str,
    *,
    line: float,
    orders: Sequence[float] = ORDERS,
    weight: str | None = None,
    by: str | Sequence[str] | None = None,
    errors: Errors | None = DEFAULT,
) -> Frame:
    """Return the measures of Foster, Greer and Thorbecke with their errors.

    Parameters
    ----------
    frame, weight, by, errors
        As in :func:`citylab.equity.inequality.inequality`.
    value
        Column of income, use or skill; a row whose value is the line itself is not below it.
    line
        The line [unit of the value], above 0. It counts as fixed: where it was estimated from the same rows
        (:func:`relative_line`), the error of that is not in the interval.
    orders
        0: share of the population below the line; 1: mean shortfall as a share of the line, those above counting 0;
        2: the same squared, which heeds the worst-off more.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group and order, measures ``fgt(0)``, ``fgt(1)``, ...; columns as in
        :func:`citylab.equity.inequality.inequality`. Values are shares, 0 to 1; negative values can lift them above 1.

    Raises
    ------
    SchemaError, RangeError, DataError
        As there; and a line that is not above 0.

    Examples
    --------
    >>> five = pl.DataFrame({"income_cny": [10.0, 20.0, 30.0, 40.0, 50.0]})
    >>> poverty(five, "income_cny", line=25)["value"].round(6).to_list()
    [0.4, 0.16, 0.08]

    References
    ----------
    Foster, Greer and Thorbecke (1984), A class of decomposable poverty measures, Econometrica 52, 761-766.
    doi:10.2307/1913475
    """
    # Two formats, so that an order is neither cut nor written as 1.0.
    names = [f"fgt({order:g})" if float(f"{order:g}") == order else f"fgt({float(order)!r})" for order in orders]
    return inequality(frame, value, weight=weight, by=by, measures=names, line=line, errors=errors)


def fgt(
    values: npt.ArrayLike | pl.Series, alpha: float, *, line: float, weight: npt.ArrayLike | pl.Series | None = None
) -> float:
    """Return one measure of Foster, Greer and Thorbecke [0..1]. Arguments as in :func:`poverty`.

    Examples
    --------
    >>> fgt([10, 20, 30, 40, 50], 0, line=25)
    0.4
    """
    return single(f"fgt({float(alpha)!r})", values, weight, line)


def relative_line(
    values: npt.ArrayLike | pl.Series, share_of_median: float, *, weight: npt.ArrayLike | pl.Series | None = None
) -> float:
    """Return a line that is a share of the median, such as 0.6 for the rate at risk of poverty in the EU.

    Parameters
    ----------
    values, weight
        As in :func:`citylab.equity.inequality.quantile`.
    share_of_median
        Share of the median, above 0.

    Examples
    --------
    >>> relative_line([10, 20, 30, 40, 50], 0.6)
    18.0
    """
    if not (np.isfinite(share_of_median) and share_of_median > 0):
        raise RangeError(f"share_of_median is {share_of_median}; expected a share above 0, for example 0.6.")
    return share_of_median * quantile(values, 1 / 2, weight=weight)
