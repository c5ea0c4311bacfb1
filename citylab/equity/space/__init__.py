"""Is a place like its neighbours: weights, autocorrelation, hot and cold spots, rates of small places.

Every function takes two tables: values by place, and neighbours (``from_id``, ``to_id``, ``weight``; one row per
direction), which :func:`pairs`, :func:`touching`, :func:`nearest`, :func:`within` and :func:`same_group` make and
:func:`neighbour_counts` describes. The constants stand in the declared table ``space_rules``.

**Islands.** A place without a neighbour that has a value says nothing about neighbours. It is left out of the estimate,
counted in ``n_islands``, and keeps its row with the note ``island`` in the tables by place; ``islands="refuse"`` makes
it an error. Places without a value are left out with their links and counted in ``n_missing``.

**Chance.** Values are dealt out anew over the places by a generator that ``seed`` starts: the same seed gives the same
answer, whatever the order of the rows. Pseudo p-values are two-sided unless told otherwise, count the data as one of
the draws, and count ties on both sides.
"""

from citylab.equity.space.local import local_getis_ord, local_moran
from citylab.equity.space.neighbours import (
    nearest,
    neighbour_counts,
    pairs,
    same_group,
    touching,
    within,
)
from citylab.equity.space.overall import (
    geary,
    getis_ord_g,
    gini_spatial,
    join_counts,
    moran,
    moran_bivariate,
    moran_rates,
)
from citylab.equity.space.rates import shrunken_rates

__all__ = [
    "geary",
    "getis_ord_g",
    "gini_spatial",
    "join_counts",
    "local_getis_ord",
    "local_moran",
    "moran",
    "moran_bivariate",
    "moran_rates",
    "nearest",
    "neighbour_counts",
    "pairs",
    "same_group",
    "shrunken_rates",
    "touching",
    "within",
]
