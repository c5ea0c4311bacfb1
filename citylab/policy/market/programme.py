"""The same optimum as a linear programme, solved by HiGHS: a check of what pooling and sorting find, and a peer.

Stepwise curves only, as SciPy gives HiGHS linear programmes and no quadratic ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from citylab.errors import RangeError, RefusalError
from citylab.policy.market.banking import discounts
from citylab.policy.market.equilibrium import Tail, amounts
from citylab.policy.market.firms import Floats, Maccs


@dataclass(frozen=True)
class Optimum:
    """Least cost and the prices that go with it.

    Attributes
    ----------
    cost_cny
        Cost of measures and tails, worth in the first year [CNY]. What a government gives back at its floor costs the
        floor.
    price
        Price of each year in its own money, from the dual values [CNY/t], shape (years,).
    bank_t
        Allowances kept at the end of each year [t CO2], shape (years,).
    """

    cost_cny: float
    price: Floats
    bank_t: Floats


def optimum(
    curves: Maccs, cap_t: Sequence[float] | Floats, *, rate: float = 0.0, bank_t: float = 0.0,
    tails: Sequence[Tail] = (), held_t: Floats | float = 0.0,
) -> Optimum:  # fmt: skip
    """Return the least cost of keeping to caps, with banking and no borrowing, by HiGHS.

    Parameters
    ----------
    curves
        Curves of firms that all have steps, one case or one for each year.
    cap_t, rate, bank_t, tails, held_t
        As for :func:`citylab.policy.market.banking.pooled`. One year is the market without banking.

    Raises
    ------
    RefusalError
        A firm has a smooth curve.
    RangeError
        The caps cannot be met.

    Examples
    --------
    >>> steps = Maccs([[100.0]], [[np.nan]], [0, 0], [[10.0, 30.0]], [[20.0, 20.0]])
    >>> optimum(steps, [75.0]).cost_cny  # 20 t at 10, 5 t at 30
    350.0

    References
    ----------
    Huangfu and Hall (2018), Parallelizing the dual revised simplex method, Mathematical Programming Computation 10,
    doi:10.1007/s12532-017-0130-5 (HiGHS).
    """
    from scipy.optimize import linprog
    from scipy.sparse import coo_array

    if not curves.is_stepwise.all():
        raise RefusalError(
            "A firm has a smooth curve, which a linear programme cannot hold. Give it steps, or use pooled."
        )
    cap = amounts(cap_t)
    years = len(cap)
    worth = discounts(rate, years)
    columns = [(curves.step_price + np.zeros((years, 1)), curves.step_t + np.zeros((years, 1)))]
    columns += [(q + np.zeros((years, 1)), w + np.zeros((years, 1))) for q, w in tails]
    price, width = (np.concatenate(part, axis=-1) for part in zip(*columns, strict=True))
    needed = curves.baseline_t.sum(-1) - cap + held_t
    needed[0] -= amounts(bank_t, what="bank")[0]
    # A year's measures and tails, and what was kept, cover its need; the rest is kept
    count = price.shape[1]
    year = np.repeat(np.arange(years), count)
    kept = years * count + np.arange(years)
    row = np.concatenate([year, np.arange(years), np.arange(1, years)])
    column = np.concatenate([np.arange(years * count), kept, kept[:-1]])
    value = np.concatenate([np.ones(years * count), -np.ones(years), np.ones(years - 1)])
    found = linprog(
        np.concatenate([(price * worth[:, None]).ravel(), np.zeros(years)]),
        A_eq=coo_array((value, (row, column)), shape=(years, years * count + years)).tocsc(),
        b_eq=needed,
        bounds=np.column_stack(
            [
                np.zeros(years * count + years),
                np.concatenate([width.ravel(), np.full(years, np.inf)]),
            ]
        ),
        method="highs",
    )
    if not found.success:
        raise RangeError(
            f"The caps cannot be met, says HiGHS: {found.message} Raise them, or give firms more measures."
        )
    return Optimum(float(found.fun), np.asarray(found.eqlin.marginals) / worth, np.asarray(found.x[kept]))
