"""Estimates from surveys: the design is declared once, travels with the frame, and makes the errors.

A sample with clusters, strata or unequal weights knows less than its rows say. So nothing here is estimated from a
frame without a :class:`Design`; whoever has none must say :data:`NO_DESIGN`, and each row of the result then says so.

Errors are linearised (Taylor) over primary sampling units (PSUs) within strata, or come from replicate weights. Weights
are inverse probabilities, never counts of rows. A part of the sample is a domain (``by=``, :meth:`Designed.where`): the
PSUs without a row in it count. Filtering the frame instead would forget them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import polars as pl

from citylab import tables
from citylab.errors import DataError, RangeError, RefusalError, SchemaError, need_level, suggest
from citylab.frames import columns_of, keys_of, lazily, need_columns, need_numbers
from citylab.stats import raking

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

Replication = Literal["brr", "fay", "jk1", "jkn", "bootstrap"]
Singletons = Literal["refuse", "centre", "certainty"]
Interval = Literal["student", "logit", "korn-graubard"]
Model = Literal["ols", "logit", "probit"]

NO_DESIGN = "none, I know"
"""What ``design=`` must say to estimate without one: rows count as drawn independently with equal weights."""
TABLE = "equity_gap_survey"
FEW_ROWS, LARGE_CV, UNDECLARED, ONE_UNIT, NO_ROWS, AT_BOUND = (
    "few_rows", "large_cv", "no_design", "one_unit", "no_rows", "share_at_bound",
)  # fmt: skip
ZERO_DENOMINATOR, EMPTY_DRAW = "zero_denominator", "draw_without_value"
RESULT = {
    "value": pl.Float64(), "se": pl.Float64(), "lower": pl.Float64(), "upper": pl.Float64(), "level": pl.Float64(),
    "df": pl.Int64(), "n": pl.Int64(), "n_missing": pl.Int64(), "n_effective": pl.Float64(),
    "design_effect": pl.Float64(), "method": pl.String(), "note": pl.String(),
}  # fmt: skip
"""Columns of an estimate, in their order."""

DOMAIN = "_domain"
"""Column that tells the rows of the domain, where :meth:`Designed.where` made one."""
_STRATUM, _UNIT, _WEIGHT, _ROW = "_stratum", "_unit", "_weight", "_row"


@cache
def rule(name: str) -> float:
    """Return a threshold from the declared table ``equity_gap_survey``.

    Examples
    --------
    >>> rule("few_rows")
    30.0
    """
    return float(tables.read(TABLE).row(by_predicate=pl.col("rule") == name, named=True)["value"])


def replicate_factors(
    replication: Replication, count: int, *, rho: float | None = None, scales: Sequence[float] | None = None
) -> Floats:
    """Return the factor of each of ``count`` replicates' squared distance from the estimate.

    Parameters
    ----------
    replication
        How the weights were made: ``brr`` and ``bootstrap`` 1/R, ``fay`` 1/(R(1 - ρ)²), ``jk1`` (R - 1)/R.
    rho
        Fay's ρ.
    scales
        One factor per replicate as published; they override the rule.

    Examples
    --------
    >>> replicate_factors("fay", 2, rho=0.5).tolist()
    [2.0, 2.0]
    """
    if scales is not None:
        return np.asarray(scales, dtype=np.float64)
    if replication == "fay":
        assert rho is not None
        return np.full(count, 1 / (count * (1 - rho) ** 2))
    return np.full(count, (count - 1) / count if replication == "jk1" else 1 / count)


@dataclass(frozen=True, slots=True)
class Design:
    """How a sample was drawn.

    Attributes
    ----------
    weight
        Column of weights: how many of the population a row stands for. ``None``: all alike.
    strata, psu
        Columns of strata and of primary sampling units, counted within strata. Without ``psu`` each row is one.
    fpc
        Column with the number of PSUs in the population of the row's stratum (finite population correction). Without
        it, PSUs count as drawn with replacement, which is cautious.
    singletons
        A stratum with a single PSU has no variance of its own. ``refuse`` says so; ``centre`` takes the PSU's distance
        from the mean of all PSUs (cautious); ``certainty`` declares that it was bound to be drawn and adds nothing.
    replicates
        Columns of replicate weights; errors then come from them, not from strata and PSUs.
    replication
        How they were made. ``brr`` and ``bootstrap`` divide the squares by their number R, ``fay`` by R(1 - ρ)²,
        ``jk1`` multiplies by (R - 1)/R, ``jkn`` by ``scales``. ``scales`` overrides each of them.
    rho
        Fay's ρ, 0 to below 1.
    scales
        One factor per replicate.

    Examples
    --------
    >>> Design(weight="pw", psu="district").singletons
    'refuse'

    References
    ----------
    Wolter (2007), Introduction to Variance Estimation, 2nd edition. doi:10.1007/978-0-387-35099-8
    """

    weight: str | None = None
    strata: str | None = None
    psu: str | None = None
    fpc: str | None = None
    singletons: Singletons = "refuse"
    replicates: tuple[str, ...] = ()
    replication: Replication = "bootstrap"
    rho: float | None = None
    scales: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        see = "citylab.stats.survey.Design"
        if self.singletons not in get_args(Singletons):
            raise suggest(str(self.singletons), get_args(Singletons), what="rule for singleton strata", see=see)
        if self.replication not in get_args(Replication):
            raise suggest(str(self.replication), get_args(Replication), what="replication", see=see)
        if isinstance(self.replicates, str) or len(self.replicates) == 1:
            raise RangeError("replicates= needs at least two columns of replicate weights, as a tuple of names.")
        if self.replicates and self.weight is None:
            raise SchemaError("Replicate weights replicate a weight; name it with weight=.")
        if self.replicates and self.scales is None:
            if self.replication == "fay" and (self.rho is None or not 0 <= self.rho < 1):
                raise RangeError(f"replication='fay' needs rho= from 0 to below 1, as published; got {self.rho}.")
            if self.replication == "jkn":
                raise RangeError("replication='jkn' needs scales=, one factor per replicate: (n_h - 1)/n_h.")
        if self.scales is not None and len(self.scales) != len(self.replicates):
            raise RangeError(f"{len(self.scales)} scales for {len(self.replicates)} replicates; expected one for each.")

    @property
    def columns(self) -> list[str]:
        """Columns of the frame that the design names."""
        named = (self.weight, self.strata, self.psu, self.fpc)
        return list(dict.fromkeys([*(c for c in named if c is not None), *self.replicates]))

    def factors(self) -> Floats:
        """Return the factor of each replicate's squared distance from the estimate."""
        return replicate_factors(self.replication, len(self.replicates), rho=self.rho, scales=self.scales)


@dataclass(frozen=True, slots=True, eq=False)
class Designed:
    """A frame with the design of its sample; made by :func:`designed`.

    Attributes
    ----------
    frame
        One row per unit that answered.
    design
        How they were drawn; ``None``: whoever asks said :data:`NO_DESIGN`.
    margins, base_weight
        Columns that :func:`calibrate` fitted the weights to, and the weight before; empty if it did not.
    """

    frame: pl.LazyFrame
    design: Design | None
    margins: tuple[str, ...] = ()
    base_weight: str | None = None

    def with_columns(self, *columns: pl.Expr, **named: pl.Expr) -> Designed:
        """Return the same sample with more columns."""
        return replace(self, frame=self.frame.with_columns(*columns, **named))

    def where(self, *predicates: pl.Expr) -> Designed:
        """Return the part of the sample that meets all predicates, as a domain: no row leaves, the design stays whole.

        Examples
        --------
        >>> rows = pl.DataFrame({"psu": [1, 1, 2, 3], "age": [70, 20, 30, 65], "online": [0, 1, 1, 1]})
        >>> old = designed(rows, Design(psu="psu")).where(pl.col("age") >= 60)
        >>> mean(old, "online").select("value", "n").row(0)
        (0.5, 2)
        """
        inside = pl.all_horizontal(*predicates).fill_null(False)
        if DOMAIN in self.frame.collect_schema():
            inside = inside & pl.col(DOMAIN)
        return replace(self, frame=self.frame.with_columns(inside.alias(DOMAIN)))


def _lazy(frame: pl.DataFrame | pl.LazyFrame) -> pl.LazyFrame:
    return frame if isinstance(frame, pl.LazyFrame) else lazily(frame)[0]


def designed(frame: pl.DataFrame | pl.LazyFrame, design: Design) -> Designed:
    """Return a frame with its design.

    Raises
    ------
    SchemaError
        A column of the design is missing, or weights are no numbers.

    Examples
    --------
    >>> rows = pl.DataFrame({"village": [1, 1, 2], "w": [10.0, 12.0, 9.0], "online": [1, 0, 1]})
    >>> designed(rows, Design(weight="w", psu="village")).design.psu
    'village'
    """
    lf = _lazy(frame)
    if not isinstance(design, Design):
        raise SchemaError(f"designed needs a citylab.stats.survey.Design, got {design!r}.")
    schema = need_columns(lf, design.columns, what="designed")
    numbers = [c for c in (design.weight, design.fpc) if c is not None]
    need_numbers(schema, [*numbers, *design.replicates], what="designed")
    return Designed(lf, design)


Surveyed = pl.DataFrame | pl.LazyFrame | Designed


def surveyed(frame: Surveyed, design: Design | str | None, *, what: str) -> Designed:
    """Return what an estimator works on, or refuse a frame that declares no design.

    Raises
    ------
    RefusalError
        No design was declared, and no one said :data:`NO_DESIGN`.

    Examples
    --------
    >>> surveyed(pl.DataFrame({"y": [1.0]}), NO_DESIGN, what="mean").design is None
    True
    """
    if isinstance(frame, Designed):
        if design is not None:
            raise SchemaError(f"{what}: the frame carries its design already; leave design= out.")
        return frame
    if isinstance(design, Design):
        return designed(frame, design)
    if design is None:
        raise RefusalError(
            f"{what}: this frame declares no survey design, so its errors cannot be known. Name weights, strata and "
            "primary sampling units: designed(frame, Design(weight=..., strata=..., psu=...)). If its rows really were "
            f"drawn independently with equal chances, say design={NO_DESIGN!r}."
        )
    if design != NO_DESIGN:
        raise SchemaError(f"{what}: design={design!r} is neither a Design nor {NO_DESIGN!r}.")
    lf = _lazy(frame)
    return Designed(lf, None)


@dataclass(frozen=True)
class Units:
    """Primary sampling units, with the stratum of each.

    Attributes
    ----------
    stratum
        Stratum of each PSU, counted from 0.
    population
        PSUs of each stratum in the population, if a finite population correction was declared.
    singletons
        As in :class:`Design`.
    """

    stratum: Ints
    population: Floats | None = None
    singletons: Singletons = "refuse"

    @cached_property
    def sizes(self) -> Ints:
        """PSUs of each stratum in the sample."""
        return np.bincount(self.stratum)

    @property
    def df(self) -> int:
        """Degrees of freedom: PSUs less strata."""
        return len(self.stratum) - len(self.sizes)

    @cached_property
    def factors(self) -> Floats:
        """Factor of each stratum's squares: n/(n - 1), times 1 - n/N if N is known."""
        sizes = self.sizes
        single = sizes == 1
        fraction = np.zeros(len(sizes)) if self.population is None else sizes / self.population
        certain = single & (fraction >= 1)
        # A sample that is one unit altogether has no variance either; no rule can help, and results say one_unit.
        if (single & ~certain).any() and self.singletons == "refuse" and len(self.stratum) > 1:
            raise DataError(
                f"{int((single & ~certain).sum())} of {len(sizes)} strata have a single primary sampling unit, which "
                "has no variance. Join them with neighbours, or declare Design(singletons='centre' or 'certainty')."
            )
        factor = np.where(single, 1.0, sizes / np.maximum(sizes - 1, 1)) * (1 - fraction)
        return np.where(single & (self.singletons == "certainty"), 0.0, factor)

    def df_within(self, domain: Ints, unit: Ints, count: int) -> Ints:
        """Return degrees of freedom of domains: PSUs less strata that have a row there (Korn and Graubard 1999)."""
        units = np.unique(domain * len(self.stratum) + unit)
        psus = np.bincount(units // len(self.stratum), minlength=count)
        strata = np.unique(units // len(self.stratum) * len(self.sizes) + self.stratum[units % len(self.stratum)])
        return psus - np.bincount(strata // len(self.sizes), minlength=count)

    def variances(self, domain: Ints, unit: Ints, totals: Floats, count: int) -> Floats:
        """Return the variance of a sum in each of ``count`` domains.

        Parameters
        ----------
        domain, unit, totals
            Domain and PSU, each pair at most once, and the PSU's total there; pairs that are missing are 0.
        """
        strata = len(self.sizes)
        at = domain * strata + self.stratum[unit]
        sizes = np.tile(self.sizes, count)
        means = np.bincount(at, totals, minlength=count * strata) / sizes
        if self.singletons == "centre":
            grand = np.bincount(domain, totals, minlength=count) / len(self.stratum)
            means = np.where(sizes == 1, np.repeat(grand, strata), means)
        present = np.bincount(at, (totals - means[at]) ** 2, minlength=count * strata)
        squares = present + (sizes - np.bincount(at, minlength=count * strata)) * means**2
        return np.asarray((squares.reshape(count, strata) * self.factors).sum(axis=1), dtype=np.float64)

    def covariance(self, totals: Floats) -> Floats:
        """Return the covariance matrix of k sums from their totals by PSU, (n_psu, k)."""
        means = np.stack([np.bincount(self.stratum, column) for column in totals.T], axis=1) / self.sizes[:, None]
        if self.singletons == "centre":
            means = np.where((self.sizes == 1)[:, None], totals.mean(axis=0), means)
        off = totals - means[self.stratum]
        return np.asarray((off * self.factors[self.stratum][:, None]).T @ off, dtype=np.float64)


def sums(code: Ints, of: Floats, count: int) -> Floats:
    """Return sums by code 0 to ``count`` - 1; ``of`` is (n,) or (n, k).

    Examples
    --------
    >>> sums(np.array([0, 2, 0]), np.array([1.0, 2.0, 3.0]), 3).tolist()
    [4.0, 0.0, 2.0]
    """
    if of.ndim == 1:
        return np.bincount(code, of, minlength=count).astype(np.float64)
    return np.stack([np.bincount(code, column, minlength=count) for column in of.T], axis=1).astype(np.float64)


@dataclass(frozen=True)
class Sample:
    """The rows of a survey, read: what estimators that look at rows work on.

    Attributes
    ----------
    table
        The columns that were asked for, every row of the frame.
    weight
        Weight of each row; 0 outside the domain.
    unit
        PSU of each row, counted from 0.
    units
        The PSUs.
    replicates
        Replicate weights, (n, R), 0 outside the domain; ``None`` without.
    design
        As declared.
    projection
        Of a calibrated sample: dummies of the margins, weights before and after, of all rows.
    """

    table: pl.DataFrame
    weight: Floats
    unit: Ints
    units: Units
    replicates: Floats | None
    design: Design | None
    projection: tuple[Floats, Floats, Floats] | None = None

    @property
    def df(self) -> int:
        """Degrees of freedom."""
        return self.units.df if self.replicates is None else self.replicates.shape[1] - 1

    def covariance(self, influence: Floats) -> Floats:
        """Return the covariance of k estimates from the rows' influence on them, (n, k), weights included.

        On a calibrated sample the part that the margins explain is taken out first: it does not vary any more.
        """
        if self.projection is not None:
            influence = _residuals(influence, *self.projection)
        return self.units.covariance(sums(self.unit, influence, len(self.units.stratum)))

    def draws(self, n_boot: int, seed: int | np.random.SeedSequence) -> Iterator[Floats]:
        """Yield the rows' weights in each draw of the bootstrap of PSUs within strata (Rao and Wu, n - 1 drawn)."""
        for factor in rao_wu(self.units.stratum, n_boot, seed):
            yield self.weight * factor[self.unit]


def rao_wu(stratum: Ints, n_boot: int, seed: int | np.random.SeedSequence) -> Iterator[Floats]:
    """Yield the factors of PSUs' weights in draws of n - 1 of the n PSUs of each stratum.

    A stratum's single PSU stays in every draw.

    Examples
    --------
    >>> next(rao_wu(np.array([0, 0, 1]), 1, 0)).tolist() in ([2.0, 0.0, 1.0], [0.0, 2.0, 1.0])
    True

    References
    ----------
    Rao and Wu (1988), Resampling inference with complex survey data, Journal of the American Statistical Association
    83, 231-241. doi:10.1080/01621459.1988.10478591
    """
    rng = np.random.default_rng(seed)
    strata = [np.flatnonzero(stratum == h) for h in range(int(stratum.max()) + 1)]
    for _ in range(n_boot):
        factor = np.ones(len(stratum))
        for members in strata:
            n = len(members)
            if n > 1:
                factor[members] = rng.multinomial(n - 1, np.full(n, 1 / n)) * (n / (n - 1))
        yield factor


def _residuals(influence: Floats, dummies: Floats, base: Floats, weight: Floats) -> Floats:
    """Return weighted influences less what the margins explain of them, in a regression weighted as before calibration.

    Deville and Särndal (1992): every calibration estimator has the variance of these residuals, calibrated weights
    applied.
    """
    each = np.divide(influence, weight[:, None], out=np.zeros_like(influence), where=weight[:, None] > 0)
    cross = dummies.T * base
    fitted = dummies @ np.linalg.lstsq(cross @ dummies, cross @ each, rcond=None)[0]
    return np.asarray((each - fitted) * weight[:, None], dtype=np.float64)


def read(survey: Designed, columns: Sequence[str], *, what: str) -> Sample:
    """Return the rows of a survey with some columns.

    Raises
    ------
    DataError
        No rows, a weight that is missing, negative or infinite, a gap in strata or PSUs, or a wrong correction.
    """
    d = survey.design
    named = [] if d is None else d.columns
    base = [] if survey.base_weight is None else [survey.base_weight]
    need_columns(survey.frame, [*columns, *named], what=what)
    inner = [DOMAIN] if DOMAIN in survey.frame.collect_schema() else []
    table = survey.frame.select(list(dict.fromkeys([*columns, *named, *survey.margins, *base, *inner]))).collect()
    if table.is_empty():
        raise DataError(f"{what}: the frame has no rows. Check the filter before it.")
    inside = table[DOMAIN].to_numpy() if inner else np.ones(table.height, dtype=bool)
    _check_design(table.lazy(), d, what)
    unit, units = _units(table, d)
    weight = np.ones(table.height) if d is None or d.weight is None else _floats(table, d.weight)
    replicates = None
    if d is not None and d.replicates:
        replicates = np.column_stack([_floats(table, c) for c in d.replicates]) * inside[:, None]
    projection = None
    if survey.margins and survey.base_weight is not None and replicates is None:
        dummies = [table.select(m).to_dummies(m).to_numpy().astype(np.float64) for m in survey.margins]
        projection = np.hstack(dummies), _floats(table, survey.base_weight), weight.copy()
    # The regression on the margins is one of all rows; influences are 0 outside the domain.
    return Sample(table, weight * inside, unit, units, replicates, d, projection)


def _floats(table: pl.DataFrame, column: str) -> Floats:
    return np.asarray(table[column].cast(pl.Float64).to_numpy(), dtype=np.float64)


Checks = dict[str, tuple[pl.Expr, str]]


def _checks(design: Design | None, schema: pl.Schema) -> Checks:
    """Return what a row of a design must not be, with what to say about the rows where it is; columns as declared."""
    if design is None:
        return {}
    out: Checks = {}
    for c in (design.strata, design.psu, design.fpc):
        if c is not None:
            of = pl.col(c)
            out[f"gap_{c}"] = (
                of.is_null() | of.is_nan() if schema[c].is_float() else of.is_null(),
                f"lack {c!r}, which the design names; every row needs it. Complete it from the survey's documentation.",
            )
    for c in (design.weight, *design.replicates):
        if c is not None:
            w = pl.col(c).cast(pl.Float64)
            out[f"odd_{c}"] = (
                w.is_finite().not_().fill_null(True),
                f"have no finite weight in {c!r}. A unit that did not answer has weight 0, or leaves the file before "
                "the weights are made.",
            )
            out[f"low_{c}"] = ((w < 0).fill_null(False), f"have a weight below 0 in {c!r}; a weight is 0 or more.")
    return out


def _refuse_design(found: Mapping[str, int], checks: Checks, what: str) -> None:
    for name, (_, message) in checks.items():
        if found[name]:
            raise DataError(f"{what}: {found[name]:,} rows {message}")


def _check_design(lf: pl.LazyFrame, design: Design | None, what: str) -> None:
    checks = _checks(design, lf.collect_schema())
    if checks:
        told = lf.select(e.sum().cast(pl.Int64).alias(n) for n, (e, _) in checks.items())
        _refuse_design(told.collect().row(0, named=True), checks, what)


def _keyed(lf: pl.LazyFrame, design: Design | None) -> pl.LazyFrame:
    """Return a frame with its stratum and PSU in columns of known names."""
    strata = pl.lit(0) if design is None or design.strata is None else pl.col(design.strata)
    units = pl.int_range(pl.len()) if design is None or design.psu is None else pl.col(design.psu)
    return lf.with_columns(strata.alias(_STRATUM), units.alias(_UNIT))


def stratum_population(stratum: Ints, stated: Floats, column: str) -> Floats:
    """Return the PSUs of each stratum in the population.

    Parameters
    ----------
    stratum, stated
        Stratum of each PSU of the sample, counted from 0, and what is stated beside it.
    column
        Where that stands, for messages.

    Raises
    ------
    DataError
        Statements differ within a stratum, or are fewer than were drawn.

    Examples
    --------
    >>> stratum_population(np.array([0, 0, 1]), np.array([9.0, 9.0, 4.0]), "villages").tolist()
    [9.0, 4.0]
    """
    population = np.full(int(stratum.max()) + 1, -np.inf)
    np.maximum.at(population, stratum, stated)
    if (stated != population[stratum]).any():
        raise DataError(f"{column!r} differs within a stratum; it is the number of PSUs that the stratum has.")
    drawn = np.bincount(stratum)
    short = population < drawn
    if short.any():
        raise DataError(
            f"{column!r} says {population[short][0]:g} PSUs for a stratum of which {drawn[short][0]} were drawn. It "
            "counts the PSUs of the population, not a share; turn a sampling fraction f into n/f."
        )
    return population


def _codes(found: pl.DataFrame, design: Design | None) -> Units:
    """Return the PSUs of a table that has one row per PSU."""
    stratum = found[_STRATUM].rank("dense").cast(pl.Int64).to_numpy() - 1
    singletons: Singletons = "refuse" if design is None else design.singletons
    if design is None or design.fpc is None:
        return Units(stratum, None, singletons)
    stated = found["_fpc"].cast(pl.Float64).to_numpy()
    return Units(stratum, stratum_population(stratum, stated, design.fpc), singletons)


def _units(table: pl.DataFrame, design: Design | None) -> tuple[Ints, Units]:
    fpc = [] if design is None or design.fpc is None else [pl.col(design.fpc).alias("_fpc")]
    keyed = _keyed(table.lazy(), design).select(_STRATUM, _UNIT, *fpc).collect()
    if design is None or design.psu is None:
        return np.arange(table.height), _codes(keyed, design)
    found = keyed.group_by(_STRATUM, _UNIT, maintain_order=True).agg(*(pl.col("_fpc").max() for _ in fpc))
    if fpc:
        _same_fpc(keyed, design)
    found = found.with_row_index("_at")
    at = keyed.join(found, on=[_STRATUM, _UNIT], how="left", maintain_order="left")["_at"].cast(pl.Int64)
    return at.to_numpy(), _codes(found, design)


def _same_fpc(keyed: pl.DataFrame, design: Design) -> None:
    differ = keyed.group_by(_STRATUM).agg(pl.col("_fpc").n_unique().alias("k")).filter(pl.col("k") > 1)
    if differ.height:
        raise DataError(f"{design.fpc!r} differs within a stratum; it is the number of PSUs that the stratum has.")


@dataclass(frozen=True)
class _Tally:
    """Sums of weighted products by domain and PSU, for one pair of numerator and denominator."""

    keys: pl.DataFrame
    domain: Ints
    unit: Ints
    units: Units
    parts: list[pl.DataFrame]
    replicates: list[list[pl.DataFrame]]


def _tally(survey: Designed, pairs: Sequence[tuple[pl.Expr, pl.Expr]], by: list[str], what: str) -> _Tally:
    """Add up a survey in one pass: nothing that follows needs its rows."""
    d = survey.design
    lf = survey.frame
    if DOMAIN not in lf.collect_schema():
        lf = lf.with_columns(pl.lit(True).alias(DOMAIN))
    weight = pl.lit(1.0) if d is None or d.weight is None else pl.col(d.weight).cast(pl.Float64)
    fpc = [] if d is None or d.fpc is None else [pl.col(d.fpc)]
    replicates = [] if d is None else list(d.replicates)
    tops, bottoms = [f"_x{i}" for i in range(len(pairs))], [f"_b{i}" for i in range(len(pairs))]
    keyed = _keyed(lf, d).select(
        *(pl.col(c).alias(f"_key{i}") for i, c in enumerate(by)),
        _STRATUM, _UNIT, DOMAIN, weight.alias(_WEIGHT),
        *(e.alias("_fpc") for e in fpc),
        *(top.cast(pl.Float64).fill_nan(None).alias(t) for (top, _), t in zip(pairs, tops, strict=True)),
        *(bottom.cast(pl.Float64).fill_nan(None).alias(b) for (_, bottom), b in zip(pairs, bottoms, strict=True)),
        *(pl.col(c).alias(f"_r{j}") for j, c in enumerate(replicates)),
        *([] if d is None else d.columns),
    )  # fmt: skip
    keys = [f"_key{i}" for i in range(len(by))]
    aggregates: list[pl.Expr] = []
    for i, (t, b) in enumerate(zip(tops, bottoms, strict=True)):
        held = pl.col(DOMAIN) & pl.col(t).is_not_null() & pl.col(b).is_not_null()
        w = pl.when(held).then(pl.col(_WEIGHT)).otherwise(0.0)
        top, bottom = pl.col(t).fill_null(0.0), pl.col(b).fill_null(0.0)
        aggregates += [
            w.alias(f"w{i}"), (w * top).alias(f"x{i}"), (w * bottom).alias(f"b{i}"),
            (w * top * top).alias(f"xx{i}"), (w * top * bottom).alias(f"xb{i}"), (w * bottom * bottom).alias(f"bb{i}"),
            (held & (pl.col(_WEIGHT) > 0)).cast(pl.Int64).alias(f"n{i}"),
            (pl.col(DOMAIN) & ~held & (pl.col(_WEIGHT) > 0)).cast(pl.Int64).alias(f"m{i}"),
        ]  # fmt: skip
        for j in range(len(replicates)):
            r = pl.when(held).then(pl.col(f"_r{j}")).otherwise(0.0)
            aggregates += [(r * top).alias(f"rx{i}_{j}"), (r * bottom).alias(f"rb{i}_{j}")]
    checks = _checks(d, lf.collect_schema())
    aggregates += [c.cast(pl.Int64).alias(n) for n, (c, _) in checks.items()]
    fixed = [e for _ in fpc for e in (pl.col("_fpc").max(), pl.col("_fpc").min().alias("_fpc_low"))]
    if replicates:
        cells = keyed.group_by(keys or [pl.lit(0).alias("_all")]).agg(*(a.sum() for a in aggregates))
        cells = cells.with_columns(pl.lit(0).alias(_STRATUM), pl.int_range(pl.len()).alias(_UNIT))
    elif d is None or d.psu is None:
        cells = keyed.select(*keys, _STRATUM, _UNIT, *(c for c in (["_fpc"] if fpc else [])), *aggregates)
    else:
        cells = keyed.group_by(*keys, _STRATUM, _UNIT).agg(*fixed, *(a.sum() for a in aggregates))
    table = cells.collect()
    if table.is_empty():
        raise DataError(f"{what}: the frame has no rows. Check the filter before it.")
    _refuse_design({n: int(table[n].sum()) for n in checks}, checks, what)
    for i, pair in enumerate(pairs):
        whole = np.array([table[f"{k}{i}"].sum() for k in "xb"], dtype=np.float64)
        # Infinities of both signs make no number.
        _refuse_infinite(np.where(np.isnan(whole), np.inf, whole), pair[0].meta.root_names()[0], what)
    table = table.sort(*keys, _STRATUM, _UNIT, nulls_last=True) if d is not None and d.psu is not None else table
    if fpc and not replicates:
        assert d is not None
        _same_fpc(table, d)
        if "_fpc_low" in table.columns:
            _same_fpc(table.select(_STRATUM, pl.concat_list("_fpc", "_fpc_low").alias("_fpc")).explode("_fpc"), d)
    if replicates or d is None or d.psu is None:
        unit = np.arange(table.height)
        units = _codes(table, None if replicates else d)
    else:
        found = table.group_by(_STRATUM, _UNIT, maintain_order=True).agg(*fixed).with_row_index("_at")
        joined = table.select(_STRATUM, _UNIT).join(found, on=[_STRATUM, _UNIT], how="left", maintain_order="left")
        unit, units = joined["_at"].cast(pl.Int64).to_numpy(), _codes(found, d)
    if keys:
        names = table.select(keys).unique().sort(keys, nulls_last=True).with_row_index("_d")
        domain = table.select(keys).join(names, on=keys, how="left", maintain_order="left", nulls_equal=True)["_d"]
        code, names = domain.cast(pl.Int64).to_numpy(), names.drop("_d")
    else:
        code, names = np.zeros(table.height, dtype=np.int64), pl.DataFrame({"_all": [0]})
    kinds = ("w", "x", "b", "xx", "xb", "bb", "n", "m")
    parts = [table.select(pl.col(f"{k}{i}").alias(k) for k in kinds) for i in range(len(pairs))]
    again = [
        [table.select(pl.col(f"rx{i}_{j}").alias("x"), pl.col(f"rb{i}_{j}").alias("b")) for j in range(len(replicates))]
        for i in range(len(pairs))
    ]
    return _Tally(names, code, unit, units, parts, again)


def _estimates(
    survey: Designed,
    pairs: Mapping[str, tuple[pl.Expr, pl.Expr]],
    *,
    by: str | Sequence[str] | None,
    level: float,
    interval: Interval,
    what: str,
    is_total: bool = False,
    label: str = "variable",
) -> pl.DataFrame:
    need_level(level)
    if interval not in get_args(Interval):
        raise suggest(str(interval), get_args(Interval), what="interval", see=f"citylab.stats.survey.{what}")
    keys = keys_of(by)
    schema = need_columns(survey.frame, keys, what=what)
    _need_each_once(keys, what)
    taken = sorted({*RESULT, label} & set(keys))
    if taken:
        raise SchemaError(
            f"{what}: the grouping column {taken[0]!r} has the name of a column of the result; rename it."
        )
    t = _tally(survey, list(pairs.values()), keys, what)
    count = t.keys.height
    calibrated = None
    if survey.margins and not any(t.replicates):
        roots = [name for pair in pairs.values() for e in pair for name in e.meta.root_names()]
        calibrated = _Calibrated.of(survey, roots, keys, t.keys, what)
    rows: list[dict[str, Any]] = []
    for i, (name, pair) in enumerate(pairs.items()):
        part = t.parts[i]
        s = {k: sums(t.domain, part[k].cast(pl.Float64).to_numpy(), count) for k in part.columns}
        bottom = np.ones(count) if is_total else s["b"]
        with np.errstate(invalid="ignore", divide="ignore"):
            value = np.where(s["n"] > 0, s["x"] / bottom, np.nan)
            value = np.where(np.isfinite(value), value, np.nan)
        flat = np.nan_to_num(value)
        x, b = part["x"].to_numpy(), part["b"].to_numpy()
        if any(t.replicates):
            assert survey.design is not None
            factors, squares = survey.design.factors(), np.zeros(count)
            for f, each in zip(factors, t.replicates[i], strict=True):
                rx, rb = (sums(t.domain, each[k].to_numpy(), count) for k in ("x", "b"))
                with np.errstate(invalid="ignore", divide="ignore"):
                    squares += f * ((rx if is_total else rx / rb) - value) ** 2
            variance, df = squares, np.full(count, len(factors) - 1)
            method = "replicates"
        else:
            if calibrated is not None:
                variance = calibrated.variances(pair, flat, bottom, is_total=is_total)
            else:
                below = np.where(bottom == 0, np.nan, bottom)[t.domain]
                z = x if is_total else (x - flat[t.domain] * b) / below
                variance = t.units.variances(t.domain, t.unit, np.nan_to_num(z), count)
            inside = part["n"].to_numpy() > 0
            df = t.units.df_within(t.domain[inside], t.unit[inside], count)
            if is_total:
                df = np.full(count, t.units.df)
            method = "linearised"
        rows += _told(name, label, value, variance, df, s, t, survey, level, interval, method, is_total=is_total)
    table = pl.DataFrame(rows, schema={"_d": pl.Int64(), label: pl.String(), **RESULT})
    if not keys:
        return table.drop("_d")
    names = t.keys.rename({f"_key{i}": c for i, c in enumerate(keys)}).with_row_index("_d").cast({"_d": pl.Int64})
    out = names.join(table, on="_d", maintain_order="left_right").drop("_d")
    return out.cast({c: schema[c] for c in keys})


def _need_each_once(keys: Sequence[str], what: str) -> None:
    if len(set(keys)) < len(keys):
        raise SchemaError(f"{what}: by= names a column twice: {list(keys)}. Name each once.")


@dataclass(frozen=True)
class _Calibrated:
    """Variances on a calibrated sample, where influences are regressed on the margins, which takes the rows."""

    sample: Sample
    domain: Ints
    count: int
    what: str

    @classmethod
    def of(cls, survey: Designed, columns: list[str], by: list[str], names: pl.DataFrame, what: str) -> _Calibrated:
        sample = read(survey, [*columns, *by], what=what)
        if not by:
            return cls(sample, np.zeros(sample.table.height, dtype=np.int64), 1, what)
        keyed = sample.table.select(pl.col(c).alias(f"_key{i}") for i, c in enumerate(by))
        found = keyed.join(names.with_row_index("_d"), on=names.columns, how="left", maintain_order="left",
                           nulls_equal=True)  # fmt: skip
        return cls(sample, found["_d"].cast(pl.Int64).to_numpy(), names.height, what)

    def variances(self, pair: tuple[pl.Expr, pl.Expr], value: Floats, bottom: Floats, *, is_total: bool) -> Floats:
        both = self.sample.table.select(pair[0].cast(pl.Float64).alias("x"), pair[1].cast(pl.Float64).alias("b"))
        both = both.fill_nan(None)
        held = both.select(pl.all_horizontal(pl.all().is_not_null())).to_series().to_numpy()
        x, b = (both[c].fill_null(0.0).to_numpy() for c in ("x", "b"))
        z = x if is_total else (x - value[self.domain] * b) / np.where(bottom == 0, np.nan, bottom)[self.domain]
        z = np.nan_to_num(z * held * self.sample.weight)
        out = np.zeros(self.count)
        for k in range(self.count):
            out[k] = self.sample.covariance((z * (self.domain == k))[:, None])[0, 0]
        return out


def _told(
    name: str, label: str, value: Floats, variance: Floats, df: Ints, s: dict[str, Floats], t: _Tally,
    survey: Designed, level: float, interval: Interval, method: str, *, is_total: bool,
) -> list[dict[str, Any]]:  # fmt: skip
    every = {k: float(v.sum()) for k, v in s.items()}
    rows = []
    for k, v in enumerate(value):
        n = int(s["n"][k])
        row: dict[str, Any] = {"_d": k, label: name, "n": n, "n_missing": int(s["m"][k]), "df": int(df[k])}
        notes = [] if survey.design is not None else [UNDECLARED]
        rows.append(row)
        if not np.isfinite(v):
            row["note"] = "; ".join([ZERO_DENOMINATOR if n else NO_ROWS, *notes])
            continue
        row["value"], row["method"] = float(v), method
        if n < rule("few_rows"):
            notes.append(FEW_ROWS)
        if df[k] < 1 or not np.isfinite(variance[k]):
            row["note"] = "; ".join([ONE_UNIT if df[k] < 1 else EMPTY_DRAW, *notes])
            continue
        se = float(np.sqrt(max(variance[k], 0.0)))
        simple = _simple_variance(float(v), k, s, every, is_total=is_total)
        if simple:
            row["design_effect"] = se**2 / simple
            row["n_effective"] = n / row["design_effect"] if se > 0 else None
        if v != 0 and se / abs(v) > rule("largest_cv"):
            notes.append(LARGE_CV)
        lower, upper, note = _bounds(float(v), se, int(df[k]), n, level, interval)
        if note:
            notes.append(note)
        row.update(se=se, lower=lower, upper=upper, level=level, note="; ".join(notes) or None)
    return rows


def _simple_variance(v: float, k: int, s: dict[str, Floats], every: dict[str, float], *, is_total: bool) -> float:
    """Return the variance that independent rows of equal weight would give (with replacement)."""
    if is_total:
        n, w = every["n"], every["w"]
        spread = s["xx"][k] / w - (s["x"][k] / w) ** 2
        return float(w**2 * spread / (n - 1)) if n > 1 and spread > 0 else 0.0
    n, w = float(s["n"][k]), float(s["w"][k])
    squares = float(s["xx"][k] - 2 * v * s["xb"][k] + v * v * s["bb"][k]) / w
    per = float(s["b"][k]) / w
    return max(squares, 0.0) / (n - 1) / per**2 if n > 1 and per else 0.0


def _bounds(v: float, se: float, df: int, n: int, level: float, interval: Interval) -> tuple[float, float, str]:
    from scipy.special import expit, logit, stdtrit

    t = float(stdtrit(df, (1 + level) / 2))
    if interval == "student":
        return v - t * se, v + t * se, ""
    if not 0 <= v <= 1:
        raise DataError(f"interval={interval!r} is for shares, 0 to 1; the estimate is {v:g}. Take 'student'.")
    if interval == "logit" and 0 < v < 1:
        half = t * se / (v * (1 - v))
        return float(expit(logit(v) - half)), float(expit(logit(v) + half)), ""
    return *korn_graubard(v, se, n=n, df=df, level=level), (AT_BOUND if interval == "logit" else "")


def korn_graubard(share: float, se: float, *, n: int, df: int, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of Korn and Graubard for a share: Clopper-Pearson with the effective sample.

    Parameters
    ----------
    share
        Estimate, 0 to 1.
    se
        Its design-based standard error.
    n, df
        Rows and degrees of freedom (PSUs less strata). The effective sample p(1 - p)/se² is made smaller for few
        degrees of freedom, and never above n.

    Examples
    --------
    >>> low, high = korn_graubard(0.0, 0.0, n=50, df=49)
    >>> low, round(high, 4)
    (0.0, 0.0711)

    References
    ----------
    Korn and Graubard (1998), Confidence intervals for proportions with small expected number of positive counts
    estimated from survey data, Survey Methodology 24(2), 193-201.
    """
    from scipy.special import betaincinv, stdtrit

    effective = float(n)
    if se > 0:
        effective = share * (1 - share) / se**2
        if n > 1:
            effective *= float(stdtrit(n - 1, (1 + level) / 2) / stdtrit(df, (1 + level) / 2)) ** 2
        effective = min(effective, float(n))
    yes, tail = share * effective, (1 - level) / 2
    lower = 0.0 if yes <= 0 else float(betaincinv(yes, effective - yes + 1, tail))
    upper = 1.0 if yes >= effective else float(betaincinv(yes + 1, effective - yes, 1 - tail))
    return lower, upper


def mean(
    survey: Surveyed,
    values: str | Sequence[str],
    *,
    by: str | Sequence[str] | None = None,
    design: Design | str | None = None,
    level: float = 0.95,
    interval: Interval = "student",
) -> pl.DataFrame:
    """Return weighted means with design-based errors.

    Parameters
    ----------
    survey
        One row per unit that answered: :func:`designed`, or a frame together with ``design=``.
    values
        Columns of numbers; true and false count as 1 and 0. A missing value leaves its own mean, and is counted.
    by
        Columns that part the sample into domains.
    design
        A :class:`Design`, or :data:`NO_DESIGN`, if the frame carries none.
    level
        Level of the interval.
    interval
        ``student``: symmetric. For shares also ``logit``, and ``korn-graubard`` (:func:`korn_graubard`), which hold
        near 0 and 1; at 0 or 1 ``logit`` is not defined and the latter is taken and noted.

    Returns
    -------
    polars.DataFrame
        One row per domain and column: ``variable``, ``value``, ``se``, ``lower``, ``upper`` [unit of the column],
        ``level``, ``df`` (PSUs less strata, of those with rows in the domain; replicates less 1), ``n`` (rows of
        positive weight), ``n_missing``, ``n_effective`` (n / ``design_effect``), ``design_effect`` (variance over that
        of independent rows drawn with replacement), ``method``, ``note`` (few_rows, large_cv, no_design, ...).

    Raises
    ------
    RefusalError
        No design was declared.
    DataError
        Weights that cannot be, gaps in the design, or a stratum with a single PSU and no rule for it.

    Examples
    --------
    >>> rows = pl.DataFrame({"village": [1, 1, 2, 2, 3], "w": [2.0, 1.0, 1.0, 1.0, 3.0], "online": [1, 0, 1, 1, 0]})
    >>> mean(designed(rows, Design(weight="w", psu="village")), "online").select("value", "df", "n").row(0)
    (0.5, 2, 5)

    References
    ----------
    Binder (1983), On the variances of asymptotically normal estimators from complex surveys, International Statistical
    Review 51, 279-292. doi:10.2307/1402588
    """
    s = surveyed(survey, design, what="mean")
    names = columns_of(values)
    _need_values(s, names, "mean")
    pairs = {c: (pl.col(c), pl.lit(1.0)) for c in names}
    return _estimates(s, pairs, by=by, level=level, interval=interval, what="mean")


def total(
    survey: Surveyed,
    values: str | Sequence[str],
    *,
    by: str | Sequence[str] | None = None,
    design: Design | str | None = None,
    level: float = 0.95,
) -> pl.DataFrame:
    """Return estimated totals of the population, with design-based errors.

    A missing value adds nothing, so a total with ``n_missing`` above 0 is too small; the count is beside it.
    Parameters, result and errors as in :func:`mean`; a total needs a declared weight.

    Examples
    --------
    >>> rows = pl.DataFrame({"village": [1, 2, 3], "w": [10.0, 10.0, 20.0], "phones": [1, 3, 2]})
    >>> total(designed(rows, Design(weight="w", psu="village")), "phones").item(0, "value")
    80.0
    """
    s = surveyed(survey, design, what="total")
    if s.design is None or s.design.weight is None:
        raise RefusalError("total: without a weight, rows stand for themselves only. Declare Design(weight=...).")
    names = columns_of(values)
    _need_values(s, names, "total")
    pairs = {c: (pl.col(c), pl.lit(1.0)) for c in names}
    return _estimates(s, pairs, by=by, level=level, interval="student", what="total", is_total=True)


def ratio(
    survey: Surveyed,
    numerator: str,
    denominator: str,
    *,
    by: str | Sequence[str] | None = None,
    design: Design | str | None = None,
    level: float = 0.95,
) -> pl.DataFrame:
    """Return the ratio of two totals with design-based errors; rows that lack either are left out and counted.

    Parameters, result and errors as in :func:`mean`; ``variable`` reads "numerator / denominator".

    Examples
    --------
    >>> homes = pl.DataFrame({"village": [1, 2, 3], "phones": [1, 3, 2], "persons": [2, 4, 4]})
    >>> ratio(designed(homes, Design(psu="village")), "phones", "persons").item(0, "value")
    0.6
    """
    s = surveyed(survey, design, what="ratio")
    _need_values(s, [numerator, denominator], "ratio")
    pairs = {f"{numerator} / {denominator}": (pl.col(numerator), pl.col(denominator))}
    return _estimates(s, pairs, by=by, level=level, interval="student", what="ratio")


def proportion(
    survey: Surveyed,
    column: str,
    *,
    by: str | Sequence[str] | None = None,
    design: Design | str | None = None,
    level: float = 0.95,
    interval: Interval = "korn-graubard",
) -> pl.DataFrame:
    """Return the share of each category of a column, 0 to 1, with design-based errors.

    Parameters, result and errors as in :func:`mean`; ``category`` stands in place of ``variable``. Rows without a
    category are left out and counted.

    Examples
    --------
    >>> rows = pl.DataFrame({"village": [1, 1, 2, 3], "device": ["phone", "none", "phone", "phone"]})
    >>> shares = proportion(designed(rows, Design(psu="village")), "device")
    >>> shares.select("category", "value").rows()
    [('none', 0.25), ('phone', 0.75)]
    """
    s = surveyed(survey, design, what="proportion")
    need_columns(s.frame, [column], what="proportion")
    pairs = {
        str(c): (pl.when(pl.col(column).is_not_null()).then((pl.col(column) == c).cast(pl.Float64)), pl.lit(1.0))
        for c in _categories(s, column, "proportion")
    }
    return _estimates(s, pairs, by=by, level=level, interval=interval, what="proportion", label="category")


def _categories(survey: Designed, column: str, what: str) -> list[Any]:
    found = survey.frame.select(pl.col(column).drop_nulls().unique().sort()).collect().to_series().to_list()
    if not found:
        raise DataError(f"{what}: {column!r} holds no value at all.")
    if len(found) > rule("most_categories"):
        raise RangeError(
            f"{what}: {column!r} has {len(found)} different values; up to {rule('most_categories'):g} categories are "
            "tabulated. Cut it into classes, or ask for its mean."
        )
    return found


def _need_values(survey: Designed, columns: Sequence[str], what: str) -> None:
    schema = need_columns(survey.frame, columns, what=what)
    need_numbers(schema, [c for c in columns if schema[c] != pl.Boolean], what=what)


def _refuse_infinite(values: Floats, column: str, what: str) -> None:
    if np.isinf(values).any():
        raise DataError(f"{what}: column {column!r} holds infinite values. Find the division by 0 that made them.")


def quantile(
    survey: Surveyed,
    value: str,
    probabilities: float | Sequence[float] = 0.5,
    *,
    by: str | Sequence[str] | None = None,
    design: Design | str | None = None,
    level: float = 0.95,
) -> pl.DataFrame:
    """Return quantiles with Woodruff intervals.

    A quantile is the least value up to which at least the share p of the weight lies. Its interval holds the values
    between which the estimated share at the quantile lies within its own design-based interval; ``se`` is the width of
    the interval over twice Student's t. With replicate weights, the quantile is taken anew with each.

    Parameters, result and errors as in :func:`mean`; a column ``probability`` stands beside ``variable``.

    Examples
    --------
    >>> rows = pl.DataFrame({"village": [1, 2, 3, 4], "mbps": [10.0, 20.0, 40.0, 80.0]})
    >>> quantile(designed(rows, Design(psu="village")), "mbps").item(0, "value")
    20.0

    References
    ----------
    Woodruff (1952), Confidence intervals for medians and other position measures, Journal of the American Statistical
    Association 47, 635-646. doi:10.1080/01621459.1952.10483443
    """
    s = surveyed(survey, design, what="quantile")
    asked = [float(p) for p in ([probabilities] if isinstance(probabilities, int | float) else probabilities)]
    if not asked or not all(0 < p < 1 for p in asked):
        raise RangeError(f"probabilities are {asked}; expected numbers between 0 and 1, for example 0.5.")
    keys = keys_of(by)
    need_columns(s.frame, keys, what="quantile")
    _need_each_once(keys, "quantile")
    _need_values(s, [value], "quantile")
    sample = read(s, [value, *keys], what="quantile")
    y = _floats(sample.table, value)
    _refuse_infinite(y, value, "quantile")
    held = ~np.isnan(y)
    names = sample.table.select(keys).unique().sort(keys, nulls_last=True) if keys else pl.DataFrame({"_all": [0]})
    code = _coded(sample.table, keys, names)
    rows: list[dict[str, Any]] = []
    for k in range(names.height):
        here = (code == k) & held & (sample.weight > 0)
        missing = int(((code == k) & ~held & (sample.weight > 0)).sum())
        for p in asked:
            rows.append(_quantile(sample, y, here, p, level, s.design is None) | {
                "_d": k, "variable": value, "probability": p, "n_missing": missing,
            })  # fmt: skip
    schema = {"_d": pl.Int64(), "variable": pl.String(), "probability": pl.Float64(), **RESULT}
    table = pl.DataFrame(rows, schema=schema)
    if not keys:
        return table.drop("_d")
    return (
        names.with_row_index("_d").cast({"_d": pl.Int64}).join(table, on="_d", maintain_order="left_right").drop("_d")
    )


def _coded(table: pl.DataFrame, keys: list[str], names: pl.DataFrame) -> Ints:
    if not keys:
        return np.zeros(table.height, dtype=np.int64)
    at = names.with_row_index("_d")
    found = table.select(keys).join(at, on=keys, how="left", maintain_order="left", nulls_equal=True)["_d"]
    return found.cast(pl.Int64).to_numpy()


def weighted_quantile(values: Floats, weight: Floats, probabilities: npt.ArrayLike) -> Floats:
    """Return the least values up to which at least given shares of the weight lie.

    Examples
    --------
    >>> weighted_quantile(np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 2.0]), [0.25, 0.5, 1.0]).tolist()
    [1.0, 2.0, 3.0]
    """
    order = np.argsort(values, kind="stable")
    running = np.cumsum(weight[order])
    # The share of a whole number of equal weights must not miss its own value by rounding.
    reach = np.asarray(probabilities, dtype=np.float64) * running[-1] * (1 - 4 * np.finfo(np.float64).eps)
    return np.asarray(values[order][np.minimum(np.searchsorted(running, reach), len(order) - 1)], dtype=np.float64)


def _quantile(sample: Sample, y: Floats, here: npt.NDArray[np.bool_], p: float, level: float,
              is_undeclared: bool) -> dict[str, Any]:  # fmt: skip
    from scipy.special import stdtrit

    n = int(here.sum())
    notes = [UNDECLARED] if is_undeclared else []
    if not n:
        return {"n": 0, "note": "; ".join([NO_ROWS, *notes])}
    if n < rule("few_rows"):
        notes.append(FEW_ROWS)
    values, weight = y[here], sample.weight[here]
    q = float(weighted_quantile(values, weight, p))
    row: dict[str, Any] = {"value": q, "n": n}
    if sample.replicates is not None:
        drawn = sample.replicates[here].T
        if not drawn.any(axis=1).all():
            return row | {"note": "; ".join([EMPTY_DRAW, *notes]), "method": "replicates", "df": sample.df}
        again = np.array([float(weighted_quantile(values, w, p)) for w in drawn])
        assert sample.design is not None
        se, df = float(np.sqrt((sample.design.factors() * (again - q) ** 2).sum())), sample.df
        half = float(stdtrit(df, (1 + level) / 2)) * se
        lower, upper, row["method"] = q - half, q + half, "replicates"
    else:
        unit = sample.unit[here]
        df = int(sample.units.df_within(np.zeros(n, dtype=np.int64), unit, 1)[0])
        row["df"] = df
        if df < 1:
            return row | {"note": "; ".join([ONE_UNIT, *notes]), "method": "linearised"}
        share = float(weight[values <= q].sum() / weight.sum())
        influence = np.zeros(len(y))
        influence[here] = weight * ((values <= q) - share) / weight.sum()
        half = float(stdtrit(df, (1 + level) / 2)) * float(np.sqrt(sample.covariance(influence[:, None])[0, 0]))
        ends = weighted_quantile(values, weight, [max(p - half, 0.0), min(p + half, 1.0)])
        lower, upper, row["method"] = float(ends[0]), float(ends[1]), "linearised"
        se = (upper - lower) / (2 * float(stdtrit(df, (1 + level) / 2)))
    return row | {
        "se": se, "lower": lower, "upper": upper, "level": level, "df": df, "note": "; ".join(notes) or None
    }  # fmt: skip


def crosstab(
    survey: Surveyed,
    rows: str,
    columns: str,
    *,
    design: Design | str | None = None,
    level: float = 0.95,
    interval: Interval = "korn-graubard",
) -> pl.DataFrame:
    """Return the share of each cell of a table of two columns within its row, with design-based errors.

    Whether the two are independent is tested by :func:`independence`.

    Returns
    -------
    polars.DataFrame
        One row per cell: the two categories (as text) and the columns of :func:`mean`. Shares of a row add up to 1.

    Examples
    --------
    >>> yes_no = {"area": ["town", "rural"] * 2, "online": ["yes", "no", "yes", "yes"]}
    >>> answers = pl.DataFrame({"village": [1, 1, 2, 2], **yes_no})
    >>> table = crosstab(designed(answers, Design(psu="village")), "area", "online")
    >>> table.select("area", "online", "value").rows()[:2]
    [('rural', 'no', 0.5), ('rural', 'yes', 0.5)]
    """
    s = surveyed(survey, design, what="crosstab")
    need_columns(s.frame, [rows, columns], what="crosstab")
    if rows == columns:
        raise SchemaError(f"crosstab: {rows!r} was named twice; name two columns.")
    known = replace(s, frame=s.frame.with_columns(
        pl.when(pl.col(rows).is_not_null()).then(pl.col(columns)).alias(columns)))  # fmt: skip
    told = proportion(known, columns, by=rows, level=level, interval=interval)
    return told.filter(pl.col(rows).is_not_null()).rename({"category": columns})


@dataclass(frozen=True, slots=True)
class Independence:
    """A test of independence in a table.

    Attributes
    ----------
    statistic, df1, df2, p_value
        F of Rao and Scott (second order) with its degrees of freedom.
    pearson
        Pearson's X² of the weighted shares times n, which the F corrects.
    n
        Rows.
    """

    statistic: float
    df1: float
    df2: float
    p_value: float
    pearson: float
    n: int


def _centred(levels: int) -> Floats:
    """Return contrasts of one margin: each level but the last, less the mean of all."""
    return np.eye(levels)[:, :-1] - 1 / levels


def independence(survey: Surveyed, rows: str, columns: str, *, design: Design | str | None = None) -> Independence:
    """Test whether two columns are independent in the population: Pearson's X² corrected for the design.

    Raises
    ------
    DataError
        A column has one category only.

    Examples
    --------
    >>> answers = pl.DataFrame({"a": [0, 0, 1, 1] * 10, "b": [0, 1] * 20})
    >>> round(independence(answers, "a", "b", design=NO_DESIGN).p_value, 6)
    1.0

    References
    ----------
    Rao and Scott (1984), On chi-squared tests for multiway contingency tables with cell proportions estimated from
    survey data, Annals of Statistics 12(1), 46-60. doi:10.1214/aos/1176346391
    """
    from scipy.stats import f as f_distribution

    s = surveyed(survey, design, what="independence")
    sample = read(s, [rows, columns], what="independence")
    held = sample.table.select(pl.col(rows).is_not_null() & pl.col(columns).is_not_null()).to_series().to_numpy()
    levels = [_categories(s, c, "independence") for c in (rows, columns)]
    for c, found in zip((rows, columns), levels, strict=True):
        if len(found) < 2:
            raise DataError(f"independence: {c!r} has one category only, {found[0]!r}; two are needed.")
    weight = sample.weight * held
    n, r, k = int((weight > 0).sum()), len(levels[0]), len(levels[1])
    in_row = np.column_stack([(sample.table[rows] == v).fill_null(False).to_numpy() for v in levels[0]]).astype(float)
    in_column = np.column_stack([(sample.table[columns] == v).fill_null(False).to_numpy() for v in levels[1]])
    cells = (in_row[:, :, None] * in_column[:, None, :]).reshape(len(weight), -1)
    shares = weight @ cells / weight.sum()
    table = shares.reshape(r, k)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0))
    if (expected == 0).any():
        raise DataError("independence: a category has no weight in the domain. Leave it out, or join it with another.")
    pearson = n * float(((table - expected) ** 2 / expected).sum())
    if sample.replicates is None:
        covariance = sample.covariance((weight[:, None] * (cells - shares)) / weight.sum())
    else:
        again = np.stack([(w * held) @ cells / (w * held).sum() for w in sample.replicates.T])
        assert sample.design is not None
        covariance = ((again - shares) * sample.design.factors()[:, None]).T @ (again - shares)
    # Contrasts of the logarithms of the cells, free of both margins; their covariance under the design over that
    # of independent rows. Both at the estimated shares, as Rao and Scott have them.
    if (shares == 0).any():
        raise DataError("independence: a cell of the table is empty; the correction divides by it. Join categories.")
    free = np.kron(_centred(r), _centred(k)) / shares[:, None]
    effects = n * np.linalg.solve(free.T @ (free * shares[:, None]), free.T @ covariance @ free)
    trace, squares = float(np.trace(effects)), float(np.trace(effects @ effects))
    if not trace > 0 or sample.df < 1:
        raise DataError("independence: the design gives these shares no variance; there is nothing to test against.")
    df1 = trace**2 / squares
    df2 = df1 * sample.df
    statistic = pearson / trace
    return Independence(statistic, df1, df2, float(f_distribution.sf(statistic, df1, df2)), pearson, n)


@dataclass(frozen=True)
class Terms:
    """Covariates as numbers: what a regression works on.

    Attributes
    ----------
    names
        One per column; dummies read "column: category".
    values
        (n, k), ``nan`` where a covariate is missing.
    sets
        Positions of the dummies of each categorical covariate.
    bases
        Its category that has no dummy.
    """

    names: list[str]
    values: Floats
    sets: dict[str, list[int]]
    bases: dict[str, str]


def terms(table: pl.DataFrame, covariates: Sequence[str], *, what: str) -> Terms:
    """Return covariates as numbers: numbers as they are, true and false as 1 and 0, categories as dummies.

    The base of a categorical covariate is its first category, by the order of an Enum, else by the alphabet.

    Examples
    --------
    >>> terms(pl.DataFrame({"age": [20, 70], "area": ["town", "rural"]}), ["age", "area"], what="ols").names
    ['age', 'area: town']
    """
    names: list[str] = []
    columns: list[Floats] = []
    sets: dict[str, list[int]] = {}
    bases: dict[str, str] = {}
    for c in columns_of(covariates):
        of = table[c]
        if of.dtype.is_numeric() or of.dtype == pl.Boolean:
            names.append(c)
            columns.append(of.cast(pl.Float64).fill_null(np.nan).to_numpy())
            if np.isinf(columns[-1]).any():
                raise DataError(f"{what}: covariate {c!r} holds infinite values. Find what made them.")
            continue
        if not (of.dtype in (pl.String, pl.Categorical) or isinstance(of.dtype, pl.Enum)):
            raise SchemaError(
                f"{what}: covariate {c!r} is {of.dtype}; expected numbers, true and false, or categories."
            )
        found = of.drop_nulls().unique()
        levels = found.sort().to_list() if isinstance(of.dtype, pl.Enum) else sorted(found.cast(pl.String).to_list())
        if len(levels) < 2:
            raise DataError(
                f"{what}: covariate {c!r} has one category only, {levels}; it explains nothing. Leave it out."
            )
        if len(levels) > rule("most_categories"):
            raise RangeError(f"{what}: covariate {c!r} has {len(levels)} categories; join the rare ones.")
        text = of.cast(pl.String)
        gap = text.is_null().to_numpy()
        bases[c], sets[c] = str(levels[0]), []
        for v in levels[1:]:
            sets[c].append(len(names))
            names.append(f"{c}: {v}")
            columns.append(np.where(gap, np.nan, (text == v).fill_null(False).to_numpy().astype(np.float64)))
    return Terms(names, np.column_stack(columns), sets, bases)


def need_full_rank(x: Floats, names: Sequence[str], *, what: str) -> None:
    """Make sure that no covariate is constant or a sum of others; ``x`` has a constant as its first column.

    Raises
    ------
    DataError
        Names the covariates.

    Examples
    --------
    >>> need_full_rank(np.array([[1.0, 2.0], [1.0, 3.0]]), ["age"], what="ols")
    """
    centred = x[:, 1:] - x[:, 1:].mean(axis=0)
    size = np.sqrt((centred**2).sum(axis=0))
    is_flat = size <= rule("rank_tolerance") * np.sqrt((x[:, 1:] ** 2).sum(axis=0))
    wrong: list[str] = []
    basis = np.empty((len(x), 0))
    for at, name in enumerate(names):
        if is_flat[at]:
            wrong.append(name)
            continue
        left = centred[:, at] / size[at]
        for _ in range(2):  # once more, because the first leaves rounding behind
            left = left - basis @ (basis.T @ left)
        rest = float(left @ left) ** 0.5
        if rest < rule("rank_tolerance"):
            wrong.append(name)
        else:
            basis = np.column_stack([basis, left / rest])
    if wrong:
        raise DataError(
            f"{what}: {', '.join(map(repr, wrong))} {'is' if len(wrong) == 1 else 'are'} constant, or a sum of the "
            "other covariates (as a full set of dummies is). Leave one of each such set out."
        )


def fitted(y: Floats, x: Floats, weight: Floats, model: Model, *, what: str) -> tuple[Floats, Floats, Floats]:
    """Return coefficients of a weighted regression, the rows' influence on them, and the fitted values.

    Parameters
    ----------
    y, x, weight
        Outcome, covariates with a constant first, weights above 0.
    model
        ``ols``, or ``logit`` and ``probit`` for an outcome of 0 and 1.

    Returns
    -------
    tuple of numpy.ndarray
        Coefficients (k,), influences (n, k) whose outer products summed over units give the sandwich covariance, and
        fitted values (n,).
    """
    import statsmodels.api as sm
    from statsmodels.tools.sm_exceptions import PerfectSeparationError, PerfectSeparationWarning

    # On centred and scaled covariates, so that a year or a large income costs no digits; taken back below.
    middle = np.append(0.0, weight @ x[:, 1:] / weight.sum())
    size = np.append(1.0, np.sqrt(weight @ (x[:, 1:] - middle[1:]) ** 2 / weight.sum()))
    back = np.diag(1 / size)
    back[0, 1:] = -middle[1:] / size[1:]
    x = (x - middle) / size
    if model == "ols":
        beta = np.asarray(sm.WLS(y, x, weights=weight).fit().params)
        told = x @ beta
        bread, score = (x.T * weight) @ x, weight * (y - told)
    elif model in ("logit", "probit"):
        if not np.isin(y, (0.0, 1.0)).all():
            raise DataError(f"{what}: the outcome of a {model} is 0 or 1; found {y.min():g} to {y.max():g}.")
        import warnings

        link = sm.families.links.Logit() if model == "logit" else sm.families.links.Probit()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", PerfectSeparationWarning)
                scaled = weight / weight.mean()
                fit = sm.GLM(y, x, family=sm.families.Binomial(link), freq_weights=scaled).fit(
                    tol=rule("logit_tolerance"), maxiter=int(rule("logit_rounds"))
                )
        except (PerfectSeparationError, PerfectSeparationWarning) as cause:
            raise DataError(
                f"{what}: the covariates tell the outcome apart without error; a {model} has no answer."
            ) from cause
        if not fit.converged:
            raise DataError(f"{what}: the {model} did not converge; some covariates all but tell the outcome apart.")
        beta = np.asarray(fit.params)
        told = np.asarray(fit.fittedvalues)
        slope, bend, variance = link.inverse_deriv(x @ beta), link.inverse_deriv2(x @ beta), told * (1 - told)
        # The slope of the score as observed; for a logit the second part is 0.
        seen = slope**2 / variance - (y - told) * (bend - slope**2 * (1 - 2 * told) / variance) / variance
        bread, score = (x.T * (weight * seen)) @ x, weight * (y - told) * slope / variance
    else:
        raise suggest(str(model), get_args(Model), what="model", see=f"citylab.stats.survey.{what}")
    influence = np.linalg.solve(bread, (x * score[:, None]).T).T
    return back @ beta, influence @ back.T, told


def regression(
    survey: Surveyed,
    outcome: str,
    covariates: str | Sequence[str],
    *,
    model: Model = "ols",
    design: Design | str | None = None,
    level: float = 0.95,
) -> pl.DataFrame:
    """Return a weighted regression (statsmodels) with design-based errors.

    Parameters
    ----------
    survey, design, level
        As in :func:`mean`.
    outcome
        Column of numbers; 0 and 1, or true and false, for a logit or probit.
    covariates
        Columns of numbers, or of categories (first: base). A constant is added. Rows that lack any are left out.
    model
        ``ols``, ``logit`` or ``probit``.

    Returns
    -------
    polars.DataFrame
        One row per term: ``term``, ``value``, ``se``, ``lower``, ``upper``, ``level``, ``t``, ``p_value``, ``df`` (PSUs
        less strata, plus 1, less terms), ``n``, ``n_missing``, ``method``, ``note``.

    Raises
    ------
    DataError
        Collinear or constant covariates, an outcome that the model does not take, or too few PSUs for the terms.

    Examples
    --------
    >>> rows = pl.DataFrame({"y": [1.0, 2.0, 3.0, 5.0], "x": [0.0, 1.0, 2.0, 3.0]})
    >>> regression(rows, "y", "x", design=NO_DESIGN)["value"].round(6).to_list()
    [0.8, 1.3]

    References
    ----------
    Binder (1983), International Statistical Review 51, 279-292. doi:10.2307/1402588
    """
    from scipy.special import stdtr, stdtrit

    s = surveyed(survey, design, what="regression")
    named = columns_of(covariates)
    need_columns(s.frame, [outcome, *named], what="regression")
    _need_values(s, [outcome], "regression")
    sample = read(s, [outcome, *named], what="regression")
    y = sample.table[outcome].cast(pl.Float64).fill_null(np.nan).to_numpy()
    _refuse_infinite(y, outcome, "regression")
    of = terms(sample.table, named, what="regression")
    complete = ~np.isnan(y) & ~np.isnan(of.values).any(axis=1)
    here = complete & (sample.weight > 0)
    x = np.column_stack([np.ones(int(here.sum())), of.values[here]])
    if len(x) <= x.shape[1]:
        raise DataError(f"regression: {len(x)} complete rows for {x.shape[1]} terms are too few.")
    need_full_rank(x, of.names, what="regression")
    beta, influence, _ = fitted(y[here], x, sample.weight[here], model, what="regression")
    if sample.replicates is None:
        every = np.zeros((len(y), x.shape[1]))
        every[here] = influence
        covariance = sample.covariance(every)
        df = int(sample.units.df_within(np.zeros(int(here.sum()), dtype=np.int64), sample.unit[here], 1)[0])
        df, method = df + 1 - x.shape[1], "linearised"
    else:
        assert sample.design is not None
        again = []
        for column, w in zip(sample.design.replicates, sample.replicates.T, strict=True):
            inside = w[here] > 0
            need_full_rank(x[inside], of.names, what=f"regression: among the rows that {column!r} weighs")
            again.append(fitted(y[here][inside], x[inside], w[here][inside], model, what="regression")[0])
        off = np.array(again) - beta
        covariance = (off * sample.design.factors()[:, None]).T @ off
        df, method = sample.df + 1 - x.shape[1], "replicates"
    if df < 1:
        raise DataError(
            f"regression: {x.shape[1]} terms leave {df} degrees of freedom (PSUs less strata). Take fewer covariates."
        )
    se = np.sqrt(np.diag(covariance))
    t = float(stdtrit(df, (1 + level) / 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = beta / se
    note = None if s.design is not None else UNDECLARED
    count = {"df": df, "n": int(here.sum()), "n_missing": int((~complete & (sample.weight > 0)).sum())}
    return pl.DataFrame(
        {"term": ["constant", *of.names], "value": beta, "se": se, "lower": beta - t * se, "upper": beta + t * se,
         "level": level, "t": statistic, "p_value": 2 * stdtr(df, -np.abs(statistic)), **count,
         "method": method, "note": pl.Series([note] * len(beta), dtype=pl.String)}
    )  # fmt: skip


def calibrate(
    survey: Surveyed,
    margins: Mapping[str, Mapping[Any, float]],
    *,
    method: Literal["raking", "linear"] = "raking",
    design: Design | str | None = None,
    name: str = "weight_calibrated",
) -> Designed:
    """Return the sample with weights that meet known margins of the population.

    Raking multiplies weights by a factor per category until every margin is met, so they stay positive; ``linear`` adds
    (generalised regression). Replicate weights are calibrated one by one. Errors of what is estimated next are those of
    residuals from the margins, weighted as before.

    Parameters
    ----------
    survey, design
        As in :func:`mean`. The sample must have every category of the margins in every row.
    margins
        For each column, the population of each of its categories.
    name
        Column of the new weights.

    Returns
    -------
    Designed
        With one more column, which is its design's weight.

    Raises
    ------
    DataError
        Categories without a population or without rows, margins of different sums, missing categories, or weights that
        would become negative.
    RefusalError
        Raking does not converge.

    Examples
    --------
    >>> rows = pl.DataFrame({"w": [1.0, 1.0, 1.0], "area": ["town", "town", "rural"]})
    >>> fitted = calibrate(designed(rows, Design(weight="w")), {"area": {"town": 60, "rural": 40}})
    >>> fitted.frame.collect()["weight_calibrated"].to_list()
    [30.0, 30.0, 40.0]

    References
    ----------
    Deville and Särndal (1992), Calibration estimators in survey sampling, Journal of the American Statistical
    Association 87, 376-382. doi:10.1080/01621459.1992.10475217
    """
    s = surveyed(survey, design, what="calibrate")
    if s.margins:
        raise SchemaError(
            "calibrate: this sample is calibrated already. Begin from the weights before, with all margins."
        )
    if method not in ("raking", "linear"):
        raise suggest(str(method), ("raking", "linear"), what="method", see="citylab.stats.survey.calibrate")
    names = list(margins)
    if not names:
        raise SchemaError("calibrate needs margins=, for each column the population of its categories.")
    schema = need_columns(s.frame, names, what="calibrate")
    d = s.design if s.design is not None else Design()
    base = d.weight or f"{name}_base"
    lf = s.frame if d.weight else s.frame.with_columns(pl.lit(1.0).alias(base))
    _check_design(lf, replace(d, weight=base), "calibrate")
    weights = [base, *d.replicates]
    # Rows with equal categories share a factor, so the work is on cells.
    cells = lf.group_by(names).agg(pl.col(w).cast(pl.Float64).sum() for w in weights).sort(names).collect()
    positions, targets = _margins(cells, margins)
    new = [name, *(f"{name}_{j + 1:04d}" for j in range(len(d.replicates)))]
    taken = sorted(set(new) & set(lf.collect_schema()))
    if taken:
        raise SchemaError(f"calibrate: the frame has a column {taken[0]!r} already; pass another name=.")
    fit = partial(_raked, margins) if method == "raking" else _linear
    factors = {f"_g{i}": fit(cells[w].to_numpy(), positions, targets) for i, w in enumerate(weights)}
    found = cells.select(names).with_columns(**{k: pl.Series(v) for k, v in factors.items()}).lazy()
    joined = lf.join(found, on=names, how="left", maintain_order="left").with_columns(
        *((pl.col(w) * pl.col(f"_g{i}")).alias(n) for i, (w, n) in enumerate(zip(weights, new, strict=True)))
    )
    kept = joined.drop(list(factors))
    assert schema is not None
    return Designed(kept, replace(d, weight=name, replicates=tuple(new[1:])), tuple(names), base)


def _margins(cells: pl.DataFrame, margins: Mapping[str, Mapping[Any, float]]) -> tuple[list[Ints], list[Floats]]:
    positions, targets = [], []
    for c, wanted in margins.items():
        column = cells[c]
        if column.null_count():
            raise DataError(
                f"calibrate: some rows have no {c!r}; every row needs a category. Give them one of their own."
            )
        found, known = set(column.to_list()), set(wanted)
        if found - known:
            raise DataError(f"calibrate: margin {c!r} has no population for {sorted(map(repr, found - known))}.")
        if known - found:
            raise DataError(
                f"calibrate: no row of the sample is {sorted(map(repr, known - found))} in {c!r}, so no weight can "
                "stand for them. Join these categories with neighbours, in the margin too."
            )
        levels = {v: i for i, v in enumerate(wanted)}
        sizes = np.array([float(v) for v in wanted.values()])
        if not np.isfinite(sizes).all() or (sizes <= 0).any():
            raise DataError(f"calibrate: populations of margin {c!r} are {sizes.tolist()}; expected numbers above 0.")
        positions.append(np.array([levels[v] for v in column.to_list()], dtype=np.int64))
        targets.append(sizes)
    whole = [float(t.sum()) for t in targets]
    if max(whole) - min(whole) > rule("margins_tolerance") * max(whole):
        raise DataError(
            f"calibrate: the margins add up to different populations, {dict(zip(margins, whole, strict=True))}. Take "
            "them from one source and one date."
        )
    return positions, targets


def _raked(
    margins: Mapping[str, Mapping[Any, float]], weight: Floats, positions: list[Ints], targets: list[Floats]
) -> Floats:
    """Return the factor of each cell, with thresholds of the declared table."""
    fitted = raking.listed(
        weight, positions, targets, names=list(margins), labels=[list(m) for m in margins.values()],
        tolerance=rule("calibration_tolerance"), rounds=int(rule("calibration_rounds")), what="calibrate",
    )  # fmt: skip
    return np.divide(fitted.table, weight, out=np.ones(len(weight)), where=weight > 0)


def _linear(weight: Floats, positions: list[Ints], targets: list[Floats]) -> Floats:
    dummies = np.hstack([np.eye(len(t))[at] for at, t in zip(positions, targets, strict=True)])
    cross = dummies.T * weight
    slope = np.linalg.lstsq(cross @ dummies, np.concatenate(targets) - cross.sum(axis=1), rcond=None)[0]
    factor = 1 + dummies @ slope
    if ((factor < 0) & (weight > 0)).any():
        raise DataError("calibrate: linear calibration makes weights negative here. Take method='raking'.")
    off = np.abs(cross @ factor / np.concatenate(targets) - 1).max()
    if off > rule("margins_tolerance"):
        raise RefusalError(f"calibrate: no linear weights meet the margins ({off:.1e} off). Join sparse categories.")
    return np.asarray(factor, dtype=np.float64)


def replicated(
    survey: Surveyed,
    kind: Replication,
    *,
    count: int | None = None,
    rho: float | None = None,
    seed: int = 0,
    design: Design | str | None = None,
    name: str = "replicate",
) -> Designed:
    """Return the sample with replicate weights made from its strata and PSUs.

    Parameters
    ----------
    survey, design
        As in :func:`mean`.
    kind
        ``jk1`` (one PSU left out, no strata), ``jkn`` (within strata), ``bootstrap`` (Rao and Wu, ``count`` draws),
        ``brr`` and ``fay`` (two PSUs in each stratum; half samples by a Hadamard matrix).
    count
        Draws of the bootstrap.
    rho
        Fay's ρ.
    seed
        Of the bootstrap.
    name
        Stem of the new columns.

    Raises
    ------
    RangeError
        A kind that the design does not allow.

    Examples
    --------
    >>> rows = pl.DataFrame({"village": [1, 2, 3], "w": [1.0, 1.0, 1.0], "y": [1.0, 2.0, 6.0]})
    >>> jackknifed = replicated(designed(rows, Design(weight="w", psu="village")), "jk1")
    >>> round(mean(jackknifed, "y").item(0, "se") ** 2, 6)  # s²/n = 7 / 3
    2.333333

    References
    ----------
    Wolter (2007), Introduction to Variance Estimation, 2nd edition, chapters 3-5. doi:10.1007/978-0-387-35099-8
    """
    s = surveyed(survey, design, what="replicated")
    if kind not in get_args(Replication):
        raise suggest(str(kind), get_args(Replication), what="kind of replication", see="citylab.stats.survey.Design")
    if s.margins:
        raise SchemaError("replicated: make replicates first, then calibrate: each replicate is calibrated too.")
    d = s.design if s.design is not None else Design()
    if d.weight is None:
        raise SchemaError("replicated needs Design(weight=...) and the PSUs.")
    # Collected once: the weights are laid beside the rows, and a frame need not give its rows in one order twice.
    table = s.frame.collect()
    sample = read(replace(s, frame=table.lazy().drop(DOMAIN, strict=False)), [], what="replicated")
    units = sample.units
    left = np.ones(len(units.sizes)) if units.population is None else 1 - units.sizes / units.population
    factor, scales = _replication(units, kind, left, count, rho, seed)
    names = [f"{name}_{j + 1:04d}" for j in range(factor.shape[1])]
    taken = sorted(set(names) & set(table.columns))
    if taken:
        raise SchemaError(f"replicated: the frame has a column {taken[0]!r} already; pass another name=.")
    columns = pl.DataFrame({n: sample.weight * factor[sample.unit, j] for j, n in enumerate(names)})
    made = replace(d, replicates=tuple(names), replication=kind, rho=rho, scales=scales)
    return Designed(table.hstack(columns).lazy(), made)


def _replication(
    units: Units, kind: Replication, left: Floats, count: int | None, rho: float | None, seed: int
) -> tuple[Floats, tuple[float, ...] | None]:
    n, sizes = len(units.stratum), units.sizes
    if kind == "bootstrap":
        if count is None or count < 2:
            raise RangeError(f"replicated('bootstrap') needs count=, the number of draws; got {count}.")
        if (left < 1).any():
            raise RangeError("replicated('bootstrap') knows no finite population correction; take 'jkn'.")
        return np.stack(list(rao_wu(units.stratum, count, seed)), axis=1), None
    if kind in ("brr", "fay"):
        from scipy.linalg import hadamard

        if (sizes != 2).any() or (left < 1).any():
            raise RangeError(f"{kind} needs exactly two PSUs in each stratum and no finite population correction.")
        if kind == "fay" and (rho is None or not 0 <= rho < 1):
            raise RangeError(f"replicated('fay') needs rho= from 0 to below 1; got {rho}.")
        order = 1 << int(np.ceil(np.log2(len(sizes) + 1)))
        signs = hadamard(order)[1 : len(sizes) + 1].astype(np.float64)
        is_second = np.zeros(n)
        for h in range(len(sizes)):
            is_second[np.flatnonzero(units.stratum == h)[1]] = 1
        keep = 1.0 if kind == "brr" else 1 - float(rho or 0)
        return 1 + keep * (1 - 2 * is_second)[:, None] * signs[units.stratum], None
    if kind == "jk1" and len(sizes) > 1:
        raise RangeError(f"jk1 is for a sample without strata; this one has {len(sizes)}. Take 'jkn'.")
    if (sizes < 2).any():
        raise RangeError("A stratum with a single PSU cannot be jackknifed. Join it with a neighbour.")
    same = units.stratum[:, None] == units.stratum[None, :]
    grown = np.where(same, (sizes / (sizes - 1))[units.stratum][None, :], 1.0)
    np.fill_diagonal(grown, 0.0)
    return grown, tuple(float(v) for v in ((sizes - 1) / sizes * left)[units.stratum])
