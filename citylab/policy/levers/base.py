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

CITY_WIDE = ("avoided_cny_kwh", "discount_rate")
"""Parameters that are one quantity of the city: all levers that have one draw it alike, each within its own prior.
Drawn apart, interest would be high for one lever and low for another, which spoils comparisons and makes sums of levers
look surer than they are."""

MARKS = ("verified", "secondary", "from memory")
"""How sure the declared sources are, the surest first."""

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
        for name in ("low", "central", "high"):
            number = getattr(self, name)
            if not isinstance(number, int | float | np.number) or not np.isfinite(number):
                raise DeclarationError(f"{where} has {name} {number!r}; expected a finite number.")
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
    is_limit
        That its default stands for no limit. A mean of a limit and of none means nothing, so in a year in which it
        holds in part ``value`` is the limit itself; ``state.days_share`` is the part of the year in which it holds and
        ``state.way_share`` how far the way from no limit has been gone on these days (:class:`State`).

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
    is_limit: bool = False

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
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not number or not self.low <= value <= self.high:
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


def priors_from(table: pl.DataFrame | pl.LazyFrame) -> tuple[Prior, ...]:
    """Return the rows of a table of priors as records.

    Parameters
    ----------
    table
        Columns of :class:`Prior`; see ``datasets/codes/lever_priors.csv``.

    Raises
    ------
    SchemaError
        A column is missing, or a bound is no number.
    DeclarationError
        A row that cannot be: bounds that are empty or not in order, an unknown distribution.
    """
    import polars as pl

    from citylab.frames import lazily, need_columns, need_numbers

    numbers, names = ("low", "central", "high"), [f.name for f in fields(Prior)]
    lf, _ = lazily(table)  # type: ignore[type-var]
    need_numbers(need_columns(lf, names, what="priors_from"), numbers, what="priors_from")
    frame = lf.select(names).with_columns(pl.col(numbers).cast(pl.Float64)).collect()
    return tuple(
        Prior(**{k: v if k in numbers else "" if v is None else str(v) for k, v in row.items()})  # type: ignore[arg-type]
        for row in frame.iter_rows(named=True)
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


def vintages(path: Sequence[float], default: float) -> list[tuple[float, int]]:
    """Return what stands beyond a default after some years, by the year in which it came.

    Parameters
    ----------
    path
        A lever's values of all years since it began, to the present one (:meth:`State.path`).
    default
        Its value in the reference.

    Returns
    -------
    list of tuple
        Amount, with the sign of ``value - default``, and its age: whole years, 0 in the year in which it came. The
        amounts sum to the last value less the default. What is taken away again is the oldest.

    Examples
    --------
    >>> vintages([1.0, 3.0, 2.5], 0.0)
    [(0.5, 2), (2.0, 1)]
    >>> vintages([2.0, 1.0], 1.0)
    []
    """
    standing: list[tuple[float, int]] = []
    before = default
    for year, value in enumerate(path):
        come, before = value - before, value
        while standing and come and (come < 0) != (standing[0][0] < 0):
            amount, since = standing.pop(0)
            if abs(amount) > abs(come):
                standing.insert(0, (amount + come, since))
                come = 0.0
            else:
                come += amount
        if value == default:
            standing = []  # no dust of rounding
        elif come:
            standing.append((come, year))
    return [(amount, len(path) - 1 - since) for amount, since in standing]


def draw_of(priors: Sequence[Prior], seed: int, start: int, stop: int) -> tuple[dict[str, Array], Array]:
    """Return draws ``start`` to ``stop`` of a lever's parameters, and which rival model each draw is under.

    Parameters
    ----------
    priors
        Of one lever.
    seed, start, stop
        See :func:`citylab.stats.draws.uniforms`; streams are named ``"lever.parameter"``, and ``"city.parameter"`` for
        :data:`CITY_WIDE`.

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
        owner = "city" if parameter in CITY_WIDE else rows[0].lever
        u = uniforms(seed, f"{owner}.{parameter}", start, stop)
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
    for wanted in dict.fromkeys((variant, "")):
        held = [row for row in rows if row.variant == wanted]
        if len(held) > 1:
            raise DeclarationError(
                f"Prior {rows[0].lever}.{rows[0].parameter} stands {len(held)} times"
                + (f" for variant {wanted!r}" if wanted else "")
                + ". Keep one row, or name rival models in variant."
            )
        if held:
            return held[0]
    raise DeclarationError(
        f"Prior {rows[0].lever}.{rows[0].parameter} has rows for {[r.variant for r in rows]} but none for variant "
        f"{variant!r}. Add one, or one with an empty variant."
    )
