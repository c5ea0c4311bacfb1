"""Segregation: how unlike the composition of schools, districts or networks is, and how much of that chance would make.

A table of counts says how many persons of each group are in each unit. :func:`segregation` measures it;
:func:`between_within` parts it among clusters of units, :func:`local_segregation` among units or groups,
:func:`exposure` says who meets whom. Small units look segregated even if people are placed by lot:
:func:`segregation_test` compares a value with what chance alone makes, :func:`segregation_interval` gives its interval
and its bias, :func:`segregation_difference` compares two cities or years.
"""

from citylab.equity.segregation.drawing import Null, Resample
from citylab.equity.segregation.formulas import MULTIGROUP, TWO_GROUP, rule
from citylab.equity.segregation.inference import (
    Comparison,
    segregation_difference,
    segregation_interval,
    segregation_test,
)
from citylab.equity.segregation.values import (
    Of,
    between_within,
    exposure,
    local_segregation,
    measures,
    segregation,
)

__all__ = [
    "MULTIGROUP",
    "TWO_GROUP",
    "Comparison",
    "Null",
    "Of",
    "Resample",
    "between_within",
    "exposure",
    "local_segregation",
    "measures",
    "rule",
    "segregation",
    "segregation_difference",
    "segregation_interval",
    "segregation_test",
]
