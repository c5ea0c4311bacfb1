"""Sums of money over years, as several domains need them: what capital costs in each year of its life."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from citylab.errors import RangeError

if TYPE_CHECKING:
    import numpy.typing as npt


def annuity(rate: npt.ArrayLike, years: npt.ArrayLike) -> Any:
    """Return the yearly payment for one unit of capital, paid back with interest over its life (1/year).

    Parameters
    ----------
    rate
        Real rate of interest a year, 0.05 for 5 %; zero or more, a number or an array.
    years
        Life of the capital, above 0, in years; need not be whole. Payments fall at the end of each year.

    Returns
    -------
    float or numpy.ndarray
        rate / (1 - (1 + rate) ** -years), and 1 / years at a rate of zero; an array where one was given.

    Raises
    ------
    RangeError
        A rate below zero, a life of zero or less, or a number that is not finite.

    Notes
    -----
    The capital recovery factor of engineering economics (G. J. Thuesen and W. J. Fabrycky, Engineering Economy, "A/P").

    Examples
    --------
    >>> round(annuity(0.05, 20), 6), annuity(0.0, 20)
    (0.080243, 0.05)
    >>> annuity([0.05, 0.0], 25.0).round(4).tolist()
    [0.071, 0.04]
    """
    r, n = np.broadcast_arrays(np.asarray(rate, dtype=float), np.asarray(years, dtype=float))
    # NaN compares as false, so that the good values are asked for
    for values, good, what, expected in (
        (r, (r >= 0) & np.isfinite(r), "rate of interest", "0 or more, 0.05 for 5 %"),
        (n, (n > 0) & np.isfinite(n), "life of the capital in years", "more than 0"),
    ):
        if not good.all():
            raise RangeError(f"The {what} is {values[~good].flat[0]:g}; expected {expected}.")
    paid_back = -np.expm1(-n * np.log1p(r))  # 1 - (1 + r) ** -n, exact for small rates too
    found = np.divide(r, paid_back, out=np.asarray(1.0 / n), where=r > 0)
    return found if np.ndim(found) else float(found)
