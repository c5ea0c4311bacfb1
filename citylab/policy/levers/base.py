"""What a lever is: its declaration, the priors of its effect, and the dated values that places enacted.

One file of this folder declares one lever in a module-level ``LEVER``. Numbers stand in two tables:
``lever_priors`` (what is believed about the effect) and ``lever_enacted`` (what was put in force, where and when).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from citylab import tables
from citylab.errors import DeclarationError, RangeError, suggest
from citylab.stats.draws import quantiles, uniforms

if TYPE_CHECKING:
    import polars as pl

    from citylab.policy.state import State

STAGES = ("demand", "switch", "efficiency", "supply", "price", "cap", "digital")
"""The order in which levers act; inside a stage effects on one quantity multiply, so that order there is no matter."""

DISTRIBUTIONS = ("triangular", "uniform", "fixed", "choice")
"""How a prior is drawn: ``choice`` gives each of the numbers named in low, central and high an equal chance."""

Array = np.ndarray
Draw = Mapping[str, Array]
"""Parameters of a lever, each an array of shape (draws, 1)."""


@dataclass(frozen=True)
class Prior:
    """What is believed about one parameter of a lever.

    Attributes
    ----------
    lever, parameter
        What it belongs to; ``draw["parameter"]`` in the lever's ``apply``.
    distribution
        One of :data:`DISTRIBUTIONS`.
    low, central, high
        Bounds and best guess, in ``unit``. ``fixed`` takes ``central`` and may leave the others equal to it.
    unit
        Unit of the three.
    source, edition, mark
        Where it is from, the year of that, and how sure we are: ``verified``, ``secondary`` or ``from memory``.
    variant
        Name of the rival model in which this row holds, empty if it holds in all.

    Examples
    --------
    >>> prior = Prior("demo", "elasticity", "triangular", -0.4, -0.3, -0.2, "1", "example", "2026", "from memory")
    >>> prior.quantile(np.array([0.0, 0.5, 1.0])).round(3).tolist()
    [-0.4, -0.3, -0.2]
    """

    lever: str
    parameter: str
    distribution: str
    low: float
    central: float
    high: float
    unit: str
    source: str
    edition: str
    mark: str
    variant: str = ""

    def __post_init__(self) -> None:
        where = f"Prior {self.lever}.{self.parameter} of lever_priors"
        if self.distribution not in DISTRIBUTIONS:
            raise DeclarationError(f"{where} has distribution {self.distribution!r}; expected one of {DISTRIBUTIONS}.")
        if not self.low <= self.central <= self.high:
            raise DeclarationError(
                f"{where} is not ordered: low {self.low}, central {self.central}, high {self.high}. Swap the numbers."
            )

    def quantile(self, u: Array) -> Array:
        """Return the values at probabilities ``u`` in [0, 1], in the prior's unit and the shape of ``u``."""
        if self.distribution == "fixed" or self.low == self.high:
            return np.full(np.shape(u), self.central)
        bounds: dict[str, Any] = {"low": self.low, "high": self.high}
        if self.distribution == "triangular":
            bounds["central"] = self.central
        elif self.distribution == "choice":
            bounds = {"values": sorted({self.low, self.central, self.high})}
        name = f"{self.lever}.{self.parameter}"
        return quantiles(u, self.distribution, name=name, **bounds)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Enacted:
    """A value of a lever that was in force somewhere, in the lever's unit; ``to_date`` is None if it still is."""

    lever: str
    place: str
    from_date: dt.date
    to_date: dt.date | None
    value: float
    unit: str
    source: str
    mark: str


@dataclass(frozen=True)
class Lever:
    """One thing a city can do, declared once; pages draw their control from this.

    Attributes
    ----------
    id
        Identifier, the name of its module.
    title_zh, title_en
        Its name for people.
    unit
        Unit of its value.
    low, high, step
        Bounds, and the step of a slider.
    default
        Value in the reference: here the lever has no effect.
    stage
        One of :data:`STAGES`: when it acts among the others.
    touches
        Names of the state that it changes (:data:`citylab.policy.state.NAMES`); money included.
    first_date
        Before this date it cannot begin.
    apply
        ``apply(state, value, draw, years_in_force)`` changes ``state`` in place by assigning new arrays to its names.
        ``draw`` maps parameter names to (draws, 1) arrays; ``years_in_force`` counts from the start of the change and
        is 0.0 at it. At ``value == default`` it must change nothing.
    note_zh, note_en
        What the lever means and what the model leaves out, a sentence each.
    joint
        Ids of levers with which a rule other than a product holds, with the rule in Chinese and in English.

    Notes
    -----
    What happens to one cell must not depend on sums over cells: the same function runs on chunks of persons.

    Examples
    --------
    >>> def apply(state, value, draw, years_in_force):
    ...     state["car_km"] = state["car_km"] * (1 - value * draw["response"])
    >>> Lever("demo", "示例", "Demo", "1", 0, 1, 0.1, 0, "demand", ("car_km",), dt.date(2026, 1, 1), apply).stage
    'demand'
    """

    id: str
    title_zh: str
    title_en: str
    unit: str
    low: float
    high: float
    step: float
    default: float
    stage: str
    touches: tuple[str, ...]
    first_date: dt.date
    apply: Callable[[State, float, Draw, float], None] = field(repr=False)
    note_zh: str = ""
    note_en: str = ""
    joint: Mapping[str, tuple[str, str]] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        from citylab.policy.state import NAMES

        if self.stage not in STAGES:
            raise DeclarationError(f"Lever {self.id!r} has stage {self.stage!r}; expected one of {', '.join(STAGES)}.")
        if not (self.low <= self.default <= self.high and self.step > 0):
            raise DeclarationError(
                f"Lever {self.id!r} needs low <= default <= high and a step above 0; it has {self.low}, "
                f"{self.default}, {self.high} and {self.step}."
            )
        for name in self.touches:
            if name not in NAMES:
                raise suggest(name, NAMES, what=f"state of lever {self.id!r}", see="datasets/codes/policy_state.csv")

    def __reduce__(self) -> tuple[Any, ...]:
        # A read-only mapping cannot travel to a worker
        values = (getattr(self, name) for name in self.__dataclass_fields__)
        return type(self), tuple(dict(v) if isinstance(v, Mapping) else v for v in values)

    def title(self, lang: str = "en") -> str:
        """Return its name in ``"zh"`` or ``"en"``."""
        return self.title_zh if lang == "zh" else self.title_en

    def check(self, value: float) -> float:
        """Return ``value`` if it is within the bounds.

        Raises
        ------
        RangeError
            It is not, or is no finite number.
        """
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not self.low <= value <= self.high:
            raise RangeError(
                f"Lever {self.id!r} got {value!r}; it takes a number from {self.low:g} to {self.high:g} {self.unit}. "
                f"Give one in that range ({self.default:g} is the reference)."
            )
        return float(value)

    @property
    def priors(self) -> tuple[Prior, ...]:
        """The rows of ``lever_priors`` for this lever."""
        return _priors_of().get(self.id, ())

    @property
    def enacted(self) -> tuple[Enacted, ...]:
        """The rows of ``lever_enacted`` for this lever, oldest first."""
        return _enacted_of().get(self.id, ())


def priors_from(table: pl.DataFrame) -> tuple[Prior, ...]:
    """Return the rows of a table of priors as records.

    Parameters
    ----------
    table
        Columns of :class:`Prior`; see ``datasets/codes/lever_priors.csv``.
    """
    numbers = ("low", "central", "high")
    rows = table.select(f.name for f in fields(Prior)).iter_rows(named=True)
    return tuple(
        Prior(**{k: float(v) if k in numbers else "" if v is None else str(v) for k, v in row.items()})  # type: ignore[arg-type]
        for row in rows
    )


def enacted_from(table: pl.DataFrame) -> tuple[Enacted, ...]:
    """Return the rows of a table of enacted values as records, oldest first."""
    rows = table.sort("lever", "from_date").iter_rows(named=True)
    return tuple(Enacted(**{**row, "value": float(row["value"])}) for row in rows)


@cache
def _priors_of() -> dict[str, tuple[Prior, ...]]:
    return _grouped(priors_from(tables.read("lever_priors")))


@cache
def _enacted_of() -> dict[str, tuple[Enacted, ...]]:
    return _grouped(enacted_from(tables.read("lever_enacted")))


def _grouped(records: Sequence[Any]) -> dict[str, tuple[Any, ...]]:
    found: dict[str, list[Any]] = {}
    for record in records:
        found.setdefault(record.lever, []).append(record)
    return {lever: tuple(rows) for lever, rows in found.items()}


def annuity(rate: Array, years: Array) -> Array:
    """Return the yearly payment for one unit of capital, over ``years`` at ``rate`` a year (1/year).

    Examples
    --------
    >>> annuity(np.array([0.05, 0.0]), np.array([25.0, 25.0])).round(4).tolist()
    [0.071, 0.04]
    """
    # citylab.carbon.buildings.annuity is the same for one rate and columns of a table
    rate, years = np.broadcast_arrays(np.asarray(rate, dtype=float), np.asarray(years, dtype=float))
    paid = -np.expm1(-years * np.log1p(rate))
    return np.divide(rate, paid, out=1.0 / years, where=rate > 0)


def draw_of(priors: Sequence[Prior], seed: int, start: int, stop: int) -> tuple[dict[str, Array], Array]:
    """Return draws ``start`` to ``stop`` of a lever's parameters, and which rival model each draw is under.

    Parameters
    ----------
    priors
        Of one lever.
    seed, start, stop
        See :func:`citylab.stats.draws.uniforms`; streams are named ``"lever.parameter"``.

    Returns
    -------
    tuple
        Parameter name to array of shape (draws, 1); and the index of the variant, shape (draws,), 0 where none differ.

    Examples
    --------
    >>> p = Prior("demo", "share", "uniform", 0.0, 0.5, 1.0, "1", "example", "2026", "from memory")
    >>> values, variant = draw_of([p], 0, 0, 4)
    >>> values["share"].shape, variant.tolist()
    ((4, 1), [0, 0, 0, 0])
    """
    variants = variants_of(priors)
    n = stop - start
    which = np.zeros(n, dtype=int)
    if len(variants) > 1:
        u = uniforms(seed, f"{priors[0].lever}.variant", start, stop)
        which = np.minimum((u * len(variants)).astype(int), len(variants) - 1)
    values: dict[str, Array] = {}
    for parameter in dict.fromkeys(p.parameter for p in priors):
        rows = [p for p in priors if p.parameter == parameter]
        u = uniforms(seed, f"{rows[0].lever}.{parameter}", start, stop)
        options = [_row_for(rows, variant).quantile(u) for variant in variants]
        values[parameter] = np.choose(which, options)[:, None]
    return values, which


def central_of(priors: Sequence[Prior], variant: str | None = None) -> dict[str, Array]:
    """Return the central parameters of a lever, each of shape (1, 1), under a variant; default: its first."""
    first = variants_of(priors)[0] if variant is None else variant
    found = dict.fromkeys(p.parameter for p in priors)
    return {name: np.array([[_row_for([p for p in priors if p.parameter == name], first).central]]) for name in found}


def variants_of(priors: Sequence[Prior]) -> list[str]:
    """Return the names of a lever's rival models in the order of the table; ``[""]`` if it has none."""
    return list(dict.fromkeys(p.variant for p in priors if p.variant)) or [""]


def _row_for(rows: Sequence[Prior], variant: str) -> Prior:
    """Return the row that holds under a variant: its own, or the one for all."""
    for row in rows:
        if row.variant == variant:
            return row
    for row in rows:
        if not row.variant:
            return row
    raise DeclarationError(
        f"Prior {rows[0].lever}.{rows[0].parameter} has rows for {[r.variant for r in rows]} but none for variant "
        f"{variant!r}. Add one, or one with an empty variant."
    )
