"""What use that is given up or gained is worth to those who give it up or gain it, by what they were ready to pay.

Money saved on what is no longer bought is no gain by itself: warmth, light or a trip is gone with it. Who gives up a
unit because its price rises valued it at no less than the old price, or would not have bought it, and at no more than
the new one, or would have kept it: on average half-way between (rule of half).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from citylab.policy.levers.base import Array

HALF = 0.5
"""Where between old and new price the mean value of a marginal unit lies, for a demand that is straight in between."""


def worth(more: Array, price: Any, rise: Any) -> Array:
    """Return the value to its users of a change of use that answers a change of price.

    Parameters
    ----------
    more
        Change of the quantity; negative where use is given up. Shape (draws or 1, cells) or (draws or 1, 1).
    price, rise
        Price before, as users see it with taxes, and its change, CNY a unit; numbers or shape (draws or 1, 1). The rise
        is what users answer to. A price of something else that did not change has a rise of 0: who swaps one thing for
        another values what is given up at its price.

    Returns
    -------
    numpy.ndarray
        ``more x (price + rise / 2)``, CNY, in the shape of ``more``; negative where use is given up. With the money
        ``-more x price`` that it sets free, ``more x rise / 2`` is left, which is never a gain beyond the change of the
        price itself.

    Notes
    -----
    The error against the integral under a demand curve is of third order in the rise. Incomes are taken to change too
    little to move the curve. Source: A. C. Harberger 1971, Three basic postulates for applied welfare economics,
    Journal of Economic Literature 9 (3), 785-797.

    Examples
    --------
    A price of 4 rises to 6, and 10 units are given up: they were worth 5 each, and 4 each are saved.

    >>> worth(-10.0, 4.0, 2.0)
    -50.0
    """
    return more * (price + rise * HALF)
