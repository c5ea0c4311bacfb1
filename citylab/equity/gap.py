"""Why two groups differ: how much of a gap goes with what they have, and how much with what it brings them.

A decomposition accounts for a gap, it does not explain it causally: the "unexplained" part holds all that was not
measured, and an "explained" part may itself be the work of exclusion (schooling that was denied, for example).

Errors follow the sample (:mod:`citylab.stats.survey`): covariates are random as well as outcomes, clusters and strata
count, weights weigh.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import polars as pl

from citylab import tables
from citylab.equity import measures
from citylab.errors import DataError, RangeError, RefusalError, SchemaError, need_level, suggest
from citylab.frames import columns_of, need_columns, need_numbers
from citylab.stats import bootstrap
from citylab.stats import survey as sv
from citylab.stats.survey import Design, Designed, Model, Sample, Surveyed, Terms

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Flags = npt.NDArray[np.bool_]

Errors = Literal["delta", "bootstrap", "none"]
Reference = float | Literal["a", "b", "half", "n_share", "neumark", "pooled"]

RULES = "equity_gap_rules"
TOTAL = "(all)"
"""Stands for all covariates together in the column ``variable``."""
CONSTANT = "(constant)"
WEAK_OVERLAP, CANCELLED = "weak_overlap", "contributions_cancel"
_WITHOUT_DELTA = ("bootstrap", "none")
_NAMED = ("a", "b", "half", "n_share", "neumark", "pooled")
_FIXED = {"a": 1.0, "b": 0.0, "half": 0.5}
_STATISTIC = re.compile(r"quantile\((0?\.\d+)\)")
SCHEMA = {
    "fold": pl.String(), "component": pl.String(), "variable": pl.String(), "category": pl.String(),
    "value": pl.Float64(), "se": pl.Float64(), "lower": pl.Float64(), "upper": pl.Float64(), "level": pl.Float64(),
    "share": pl.Float64(),
}  # fmt: skip
"""Columns of a decomposition, in their order."""


@cache
def rule(name: str) -> float:
    """Return a threshold from the declared table ``equity_gap_rules``.

    Examples
    --------
    >>> rule("least_overlap")
    0.05
    """
    return float(tables.read(RULES).row(by_predicate=pl.col("rule") == name, named=True)["value"])


@dataclass(frozen=True)
class GapDecomposition:
    """What a gap between group a and group b is made of.

    Attributes
    ----------
    table
        One row per part, as :meth:`tidy` gives it.
    method
        ``oaxaca``, ``yun``, ``fairlie`` or ``rif``, with the statistic.
    outcome, group
        Columns.
    groups
        Group a and group b; the gap is a less b.
    n, n_missing
        Rows of each group that count, and rows left out for a missing value.
    reference
        Whose returns count as the yardstick.
    errors
        How errors were made.
    overlap
        One row per covariate: what share of each group lies within the range of the other.
    note
        ``no_design``, ``weak_overlap``, ``contributions_cancel`` (Yun's detail of a part whose linear contributions add
        up to 0, so that it cannot be shared out: its rows hold no value), or empty.
    """

    table: pl.DataFrame
    method: str
    outcome: str
    group: str
    groups: tuple[object, object]
    n: tuple[int, int]
    n_missing: int
    reference: str
    errors: str
    overlap: pl.DataFrame
    note: str

    def tidy(self) -> pl.DataFrame:
        """Return the parts.

        Returns
        -------
        polars.DataFrame
            One row per part: ``fold`` (gap, two, three), ``component``, ``variable`` (``(all)``: together),
            ``category`` (of a categorical covariate; empty: the covariate as a whole), ``value`` [unit of the outcome],
            ``se``, ``lower``, ``upper``, ``level``, ``share`` of the gap (null where there is no gap).
        """
        return self.table

    def value(self, component: str, variable: str = TOTAL, *, category: str | None = None) -> float:
        """Return one part.

        Raises
        ------
        UnknownNameError
            There is no such part.
        RefusalError
            It cannot be told, see ``note``.
        """
        at = (pl.col("component") == component) & (pl.col("variable") == variable)
        at = at & (pl.col("category").is_null() if category is None else pl.col("category") == category)
        found = self.table.filter(at)
        if found.height != 1:
            named = pl.concat_str("component", pl.lit("/"), "variable")
            known = self.table.select(named).to_series().unique().to_list()
            raise suggest(f"{component}/{variable}", known, what="part of the gap", see="GapDecomposition.tidy()")
        told: float | None = found.item(0, "value")
        if told is None:
            raise RefusalError(f"{component}/{variable} cannot be told: {self.note}. Read the parts together.")
        return told

    def _repr_html_(self) -> str:
        return self.table._repr_html_()


@dataclass(frozen=True)
class _Case:
    """Two groups, read and checked."""

    sample: Sample
    y: Floats
    x: Floats
    terms: Terms
    in_a: Flags
    in_b: Flags
    groups: tuple[object, object]
    n_missing: int
    overlap: pl.DataFrame
    notes: list[str]
    what: str

    @property
    def weight(self) -> Floats:
        return self.sample.weight

    @property
    def counts(self) -> tuple[int, int]:
        return int(self.in_a.sum()), int(self.in_b.sum())


def two_groups(values: pl.Series, groups: tuple[object, object] | None, what: str) -> tuple[object, object]:
    """Return the two groups of a gap: those named, or the two values that a column has.

    Raises
    ------
    DataError
        None were named and there are not two, or those named are not two different values of the column.

    Examples
    --------
    >>> two_groups(pl.Series("area", ["town", "rural", "town"]), None, "oaxaca")
    ('rural', 'town')
    """
    found = values.drop_nulls().unique().sort().to_list()
    if groups is None:
        if len(found) != 2:
            raise DataError(f"{what}: {values.name!r} has the values {found[:6]}; name two of them with groups=(a, b).")
        groups = (found[0], found[1])
    if len(groups) != 2 or groups[0] == groups[1] or any(g not in found for g in groups):
        raise DataError(
            f"{what}: groups={groups!r} are not two different values of {values.name!r}, which has {found[:6]}."
        )
    return groups


def _design(frame: Surveyed, weight: str | None, design: Design | str | None, what: str) -> Design | str | None:
    if weight is None:
        return design
    if design is not None or isinstance(frame, Designed):
        raise SchemaError(f"{what}: weight={weight!r} and a design were given; the weight belongs into the design.")
    return Design(weight=weight)


def _read(
    frame: Surveyed, outcome: str, group: str, covariates: Sequence[str], groups: tuple[object, object] | None,
    weight: str | None, design: Design | str | None, what: str,
) -> _Case:  # fmt: skip
    s = sv.surveyed(frame, _design(frame, weight, design, what), what=what)
    named = columns_of(covariates)
    schema = need_columns(s.frame, [outcome, group, *named], what=what)
    need_numbers(schema, [] if schema[outcome] == pl.Boolean else [outcome], what=what)
    double = {group, outcome} & set(named)
    if double or group == outcome:
        raise SchemaError(
            f"{what}: {sorted(double or {group})[0]!r} is named twice; outcome, group, covariates differ."
        )
    sample = sv.read(s, [outcome, group, *named], what=what)
    table = sample.table
    groups = two_groups(table[group], groups, what)
    of = sv.terms(table.filter(pl.col(group).is_in(list(groups))), named, what=what)
    member = table[group].is_in(list(groups)).fill_null(False).to_numpy()
    values = np.full((table.height, len(of.names)), np.nan)
    values[member] = of.values
    y = table[outcome].cast(pl.Float64).fill_null(np.nan).to_numpy()
    if np.isinf(y).any():
        raise DataError(f"{what}: outcome {outcome!r} holds infinite values. Find what made them.")
    complete = member & ~np.isnan(y) & ~np.isnan(values).any(axis=1)
    held = complete & (sample.weight > 0)
    x = np.where(held[:, None], np.column_stack([np.ones(len(y)), np.nan_to_num(values)]), 0.0)
    in_a, in_b = (held & (table[group] == g).fill_null(False).to_numpy() for g in groups)
    y = np.where(held, y, 0.0)
    overlap = _overlap(x[:, 1:], of, sample.weight, in_a, in_b)
    notes = [] if s.design is not None else [sv.UNDECLARED]
    for g, inside in zip(groups, (in_a, in_b), strict=True):
        n, k = int(inside.sum()), x.shape[1]
        if n <= k:
            raise RefusalError(
                f"{what}: group {g!r} has {n} complete rows, for {k} coefficients (covariates and a constant) at least "
                f"{k + 1} are needed. Take fewer covariates, or join groups."
            )
        if np.ptp(y[inside]) == 0:
            raise DataError(
                f"{what}: the outcome {outcome!r} is constant in group {g!r}; nothing goes with anything there."
            )
    _need_overlap(overlap, groups, notes, what)
    for g, inside in zip(groups, (in_a, in_b), strict=True):
        sv.need_full_rank(x[inside], of.names, what=f"{what}, group {g!r}")
    n_missing = int((member & ~complete & (sample.weight > 0)).sum())
    return _Case(sample, y, x, of, in_a, in_b, (groups[0], groups[1]), n_missing, overlap, notes, what)


def _overlap(x: Floats, of: Terms, weight: Floats, in_a: Flags, in_b: Flags) -> pl.DataFrame:
    rows = []
    for at, name in enumerate(of.names):
        ends = [(float(x[g, at].min()), float(x[g, at].max())) if g.any() else (np.inf, -np.inf) for g in (in_a, in_b)]
        shares = []
        for g, (low, high) in ((in_a, ends[1]), (in_b, ends[0])):
            inside = (x[g, at] >= low) & (x[g, at] <= high)
            shares.append(float(weight[g][inside].sum() / weight[g].sum()) if g.any() else 0.0)
        rows.append((name, *ends[0], *ends[1], *shares))
    names = ["covariate", "min_a", "max_a", "min_b", "max_b", "inside_a_share", "inside_b_share"]
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.Float64()) | {"covariate": pl.String()}, orient="row")


def _need_overlap(overlap: pl.DataFrame, groups: tuple[object, object], notes: list[str], what: str) -> None:
    least = pl.min_horizontal("inside_a_share", "inside_b_share")
    none = overlap.filter(least < rule("least_overlap"))
    if none.height:
        row = none.row(0, named=True)
        raise RefusalError(
            f"{what}: no common support in {row['covariate']!r}: {groups[0]!r} lies from {row['min_a']:g} to "
            f"{row['max_a']:g}, {groups[1]!r} from {row['min_b']:g} to {row['max_b']:g}; {row['inside_a_share']:.0%} "
            f"and {row['inside_b_share']:.0%} lie within the other's range. What one group would have with the other's "
            "returns is not in these data. Compare where they overlap, or leave the covariate out."
        )
    if overlap.filter(least < rule("weak_overlap")).height:
        notes.append(WEAK_OVERLAP)


@dataclass(frozen=True)
class _Detail:
    """Coefficients and means rewritten so that the base of a categorical covariate does not matter.

    Yun's (2005) deviation contrasts: the mean of all coefficients of a covariate, base included (0), goes to the
    constant, and the base category has a row of its own.
    """

    slopes: Floats
    means: Floats
    variables: list[str]
    categories: list[str | None]

    @classmethod
    def of(cls, terms: Terms, *, is_normalised: bool) -> _Detail:
        k = len(terms.names) + 1
        slopes, means = [np.eye(k)], [np.eye(k)]
        variables: list[str] = [CONSTANT]
        categories: list[str | None] = [None]
        owner = {at: v for v, places in terms.sets.items() for at in places}
        for at, name in enumerate(terms.names):
            variables.append(owner.get(at, name))
            categories.append(name.removeprefix(f"{owner[at]}: ") if at in owner else None)
        if not is_normalised:
            return cls(slopes[0], means[0], variables, categories)
        for v, places in terms.sets.items():
            columns = [p + 1 for p in places]
            average = np.zeros(k)
            average[columns] = 1 / (len(columns) + 1)
            slopes[0][columns] -= average
            slopes[0][0] += average
            slopes.append(-average[None, :])
            share = np.zeros(k)
            share[0], share[columns] = 1, -1
            means.append(share[None, :])
            variables.append(v)
            categories.append(terms.bases[v])
        return cls(np.vstack(slopes), np.vstack(means), variables, categories)


Parts = dict[tuple[str, str, str, str | None], Any]


def _spread(parts: Parts, fold: str, component: str, total: Any, each: Any, detail: _Detail) -> None:
    """Put a component, its covariates and their categories into ``parts``."""
    parts[fold, component, TOTAL, None] = total
    by: dict[str, Any] = {}
    for v, e in zip(detail.variables, each, strict=True):
        by[v] = by.get(v, 0) + e
    for v, e in by.items():
        parts[fold, component, v, None] = e
    for v, c, e in zip(detail.variables, detail.categories, each, strict=True):
        if c is not None:
            parts[fold, component, v, c] = e


def _logistic(z: Floats) -> Floats:
    from scipy.special import expit

    return np.asarray(expit(z), dtype=np.float64)


def _shared(total: Any, each: Any) -> Any:
    """Share a total out in proportion to linear contributions (Yun 2004); of contributions that cancel none is told."""
    whole, near = each.sum(), rule("zero_denominator")
    if np.abs(whole) <= near * max(float(np.abs(each).sum()), near):
        return each * (0 if np.abs(total) <= near else np.nan)
    return total * each / whole


@dataclass(frozen=True)
class _Fit:
    """What the parts are functions of, one vector, with the rows' influence on it where asked."""

    theta: Floats
    influence: Floats | None


def _fit(case: _Case, y: Floats, weight: Floats, reference: Reference, model: Model, *, influence: bool) -> _Fit:
    """Estimate means, coefficients and, for a logit, mean predictions."""
    x, a, b = case.x, case.in_a & (weight > 0), case.in_b & (weight > 0)
    n = len(y)
    theta: list[Floats] = []
    moved: list[Floats] = []
    for inside in (a, b):
        w = weight[inside]
        mean = w @ x[inside] / w.sum()
        theta.append(mean)
        if influence:
            full = np.zeros((n, x.shape[1]))
            full[inside] = w[:, None] * (x[inside] - mean) / w.sum()
            moved.append(full)
    slopes = []
    for inside in (a, b):
        beta, inf, _ = sv.fitted(y[inside], x[inside], weight[inside], model, what=case.what)
        slopes.append(beta)
        theta.append(beta)
        if influence:
            full = np.zeros((n, x.shape[1]))
            full[inside] = inf
            moved.append(full)
    both = a | b
    w = weight[both]
    if isinstance(reference, str) and reference in ("neumark", "pooled"):
        has_dummy = reference == "pooled"
        # The dummy is centred, so that the common constant lies between the groups and no coding favours one of them.
        share = float(weight[a].sum() / w.sum())
        of = np.column_stack([x, a - share]) if has_dummy else x
        beta, inf, _ = sv.fitted(y[both], of[both], w, model, what=case.what)
        theta.append(beta[: x.shape[1]])
        if influence:
            full = np.zeros((n, x.shape[1]))
            full[both] = inf[:, : x.shape[1]]
            if has_dummy:
                full[both, 0] += beta[-1] * w * (a[both] - share) / w.sum()
            moved.append(full)
    else:
        share = float(reference) if not isinstance(reference, str) else _FIXED.get(reference, np.nan)
        is_share = bool(np.isnan(share))
        if is_share:
            share = float(weight[a].sum() / w.sum())
        theta.append(share * slopes[0] + (1 - share) * slopes[1])
        if influence:
            drift = np.zeros(n)
            if is_share:
                drift[both] = w * (a[both] - share) / w.sum()
            moved.append(share * moved[2] + (1 - share) * moved[3] + drift[:, None] * (slopes[0] - slopes[1]))
    if model == "logit":
        star = theta[4]
        for inside, beta, at in ((a, slopes[0], 2), (a, star, 4), (b, star, 4), (b, slopes[1], 3)):
            wi = weight[inside]
            p = _logistic(x[inside] @ beta)
            mean = float(wi @ p / wi.sum())
            theta.append(np.array([mean]))
            if influence:
                slope = (wi * p * (1 - p)) @ x[inside] / wi.sum()
                full = moved[at] @ slope
                full[inside] += wi * (p - mean) / wi.sum()
                moved.append(full[:, None])
    return _Fit(np.concatenate(theta), np.hstack(moved) if influence else None)


def _parts(theta: Any, k: int, detail: _Detail, model: Model) -> Parts:
    """Return the parts of the gap from means, coefficients and mean predictions."""
    mean_a, mean_b, raw_a, raw_b, raw_star = (theta[i * k : (i + 1) * k] for i in range(5))
    x_a, x_b = detail.means @ mean_a, detail.means @ mean_b
    beta_a, beta_b, star = (detail.slopes @ r for r in (raw_a, raw_b, raw_star))
    lines = {
        "explained": (x_a - x_b) * star,
        "unexplained_a": x_a * (beta_a - star),
        "unexplained_b": x_b * (star - beta_b),
    }
    parts: Parts = {}
    if model == "ols":
        y_a, y_b = mean_a @ raw_a, mean_b @ raw_b
        totals = {name: each.sum() for name, each in lines.items()}
    else:
        y_a, star_a, star_b, y_b = theta[5 * k :]
        totals = {"explained": star_a - star_b, "unexplained_a": y_a - star_a, "unexplained_b": star_b - y_b}
        lines = {name: _shared(totals[name], each) for name, each in lines.items()}
    parts["gap", "mean_a", TOTAL, None] = y_a
    parts["gap", "mean_b", TOTAL, None] = y_b
    parts["gap", "gap", TOTAL, None] = y_a - y_b
    _spread(parts, "two", "explained", totals["explained"], lines["explained"], detail)
    both = lines["unexplained_a"] + lines["unexplained_b"]
    _spread(parts, "two", "unexplained", totals["unexplained_a"] + totals["unexplained_b"], both, detail)
    for name in ("unexplained_a", "unexplained_b"):
        _spread(parts, "two", name, totals[name], lines[name], detail)
    if model == "ols":
        three = {
            "endowments": (x_a - x_b) * beta_b,
            "coefficients": x_b * (beta_a - beta_b),
            "interaction": (x_a - x_b) * (beta_a - beta_b),
        }
        for name, each in three.items():
            _spread(parts, "three", name, each.sum(), each, detail)
    return parts


def _gradient(of: Callable[[Any], list[Any]], at: Floats, count: int) -> Floats:
    """Return the derivatives of ``count`` functions by a complex step, exact to rounding."""
    step = rule("complex_step")
    out = np.empty((count, len(at)))
    for j in range(len(at)):
        moved = at.astype(complex)
        moved[j] += 1j * step
        out[:, j] = np.imag(np.array(of(moved), dtype=complex)) / step
    return out


def _checked(reference: Reference, what: str) -> str:
    if isinstance(reference, str):
        if reference not in _NAMED:
            raise suggest(reference, _NAMED, what="reference", see=f"citylab.equity.gap.{what}")
        return reference
    if isinstance(reference, bool) or not 0 <= float(reference) <= 1:
        raise RangeError(f"reference is {reference!r}; expected a weight of group a from 0 to 1, or one of {_NAMED}.")
    return f"{float(reference):g}"


def _check_errors(errors: str, n_boot: int, level: float, what: str, known: Sequence[str] = get_args(Errors)) -> None:
    if errors not in known:
        raise suggest(str(errors), known, what="errors", see=f"citylab.equity.gap.{what}")
    need_level(level)
    if errors == "bootstrap":
        bootstrap.need_draws(n_boot, level)


def _weights(case: _Case, n_boot: int, seed: int) -> Iterator[Floats]:
    if case.sample.projection is not None:
        raise RefusalError(
            f"{case.what}: a bootstrap would have to calibrate each draw anew. Make replicate weights first "
            "(survey.replicated), calibrate them with the sample, and take errors='delta'; or take 'delta' as it is."
        )
    if case.sample.units.df < 1:
        raise DataError(f"{case.what}: a bootstrap needs more primary sampling units than strata.")
    return case.sample.draws(n_boot, seed)


def _drawn(case: _Case, of: Callable[[Floats], Floats], n_boot: int, seed: int) -> Floats:
    """Return the parts under the weights of each draw of the bootstrap."""
    rows = []
    for w in _weights(case, n_boot, seed):
        for g, inside in zip(case.groups, (case.in_a, case.in_b), strict=True):
            drawn = inside & (w > 0)
            if int(drawn.sum()) <= case.x.shape[1] or (np.ptp(case.x[drawn, 1:], axis=0) == 0).any():
                raise RefusalError(
                    f"{case.what}: a draw of the bootstrap leaves too few rows of group {g!r} for its regression, or "
                    "none of a category. Take errors='delta', fewer covariates, or join rare categories."
                )
        rows.append(of(w))
    return np.array(rows)


def _table(
    values: Floats, keys: list[tuple[str, str, str, str | None]], se: Floats | None,
    bounds: tuple[Floats, Floats] | None, level: float, gap: float,
) -> pl.DataFrame:  # fmt: skip
    rows = []
    for i, (key, v) in enumerate(zip(keys, values, strict=True)):
        row: dict[str, Any] = dict(zip(("fold", "component", "variable", "category"), key, strict=True))
        row["value"] = float(v)
        if se is not None and bounds is not None:
            row |= {"se": float(se[i]), "lower": float(bounds[0][i]), "upper": float(bounds[1][i]), "level": level}
        if gap and key[1] not in ("mean_a", "mean_b"):
            row["share"] = float(v) / gap
        rows.append(row)
    return pl.DataFrame(rows, schema=SCHEMA).with_columns(pl.selectors.float().fill_nan(None))


def _finished(
    case: _Case, outcome: str, group: str, method: str, reference: str, errors: str, keys: list[Any], values: Floats,
    se: Floats | None, bounds: tuple[Floats, Floats] | None, level: float,
) -> GapDecomposition:  # fmt: skip
    means = [float(values[keys.index(("gap", c, TOTAL, None))]) for c in ("mean_a", "mean_b")]
    gap = float(values[keys.index(("gap", "gap", TOTAL, None))])
    # A gap of rounding has no shares.
    gap = 0.0 if abs(gap) <= rule("zero_denominator") * max(map(abs, means)) else gap
    if np.isnan(values).any():
        case.notes.append(CANCELLED)
    table = _table(values, keys, se, bounds, level, gap)
    return GapDecomposition(
        table, method, outcome, group, case.groups, case.counts, case.n_missing, reference, errors, case.overlap,
        "; ".join(case.notes),
    )  # fmt: skip


def _student(values: Floats, se: Floats, df: int, level: float) -> tuple[Floats, Floats]:
    from scipy.special import stdtrit

    half = float(stdtrit(df, (1 + level) / 2)) * se
    return values - half, values + half


def _decomposed(
    case: _Case, outcome: str, group: str, method: str, model: Model, reference: Reference, label: str,
    errors: Errors, n_boot: int, seed: int, level: float, *, normalise: bool,
    transform: Callable[[Floats], Floats] | None = None,
) -> GapDecomposition:  # fmt: skip
    k = case.x.shape[1]
    detail = _Detail.of(case.terms, is_normalised=normalise)
    has_replicates = case.sample.replicates is not None
    needs_influence = errors == "delta" and not has_replicates
    outcome_of = transform or (lambda _: case.y)
    fit = _fit(case, outcome_of(case.weight), case.weight, reference, model, influence=needs_influence)
    parts = _parts(fit.theta, k, detail, model)
    keys = list(parts)
    values = np.array([float(v) for v in parts.values()])

    def again(w: Floats) -> Floats:
        theta = _fit(case, outcome_of(w), w, reference, model, influence=False).theta
        return np.array([float(v) for v in _parts(theta, k, detail, model).values()])

    se: Floats | None = None
    bounds: tuple[Floats, Floats] | None = None
    told: str = errors
    if errors == "delta" and has_replicates:
        assert case.sample.replicates is not None and case.sample.design is not None
        drawn = np.array([again(w) for w in case.sample.replicates.T])
        squares = case.sample.design.factors()[:, None] * (drawn - values) ** 2
        se, told = np.sqrt(squares.sum(axis=0)), "replicates"
        bounds = _student(values, se, case.sample.df, level)
    elif errors == "delta":
        assert fit.influence is not None
        held = case.in_a | case.in_b
        df = int(case.sample.units.df_within(np.zeros(int(held.sum()), dtype=np.int64), case.sample.unit[held], 1)[0])
        if df < 1:
            raise DataError(f"{case.what}: the two groups leave no degrees of freedom (PSUs less strata) for errors.")
        gradient = _gradient(lambda t: list(_parts(t, k, detail, model).values()), fit.theta, len(keys))
        covariance = case.sample.covariance(fit.influence @ gradient.T)
        se = np.sqrt(np.maximum(np.diag(covariance), 0))
        bounds = _student(values, se, df, level)
    elif errors == "bootstrap":
        drawn = _drawn(case, again, n_boot, seed)
        se, bounds = drawn.std(axis=0, ddof=1), bootstrap.interval(drawn, level=level)
    return _finished(case, outcome, group, method, label, told, keys, values, se, bounds, level)


def oaxaca(
    frame: Surveyed,
    outcome: str,
    group: str,
    covariates: str | Sequence[str],
    *,
    groups: tuple[object, object] | None = None,
    reference: Reference = "pooled",
    weight: str | None = None,
    design: Design | str | None = None,
    normalise: bool = True,
    errors: Errors = "delta",
    n_boot: int = 599,
    seed: int = 0,
    level: float = 0.95,
) -> GapDecomposition:
    """Return the Oaxaca-Blinder decomposition of a difference of means, two- and three-fold, in detail.

    Parameters
    ----------
    frame
        One row per person (household, school). :func:`citylab.stats.survey.designed`, or a frame with ``design=`` or
        ``weight=``.
    outcome
        Column of numbers.
    group
        Column with two groups, or more of which ``groups=(a, b)`` names two; the gap is a less b. Default: the two
        values in their order.
    covariates
        Columns of numbers, or of categories.
    reference
        The coefficients that what the groups have is valued by: ``a``, ``b``, ``half``, ``n_share`` (weighted by group
        size), a weight of a's from 0 to 1, ``neumark`` (both groups as one), ``pooled`` (the same with a dummy for the
        group, centred, without which the dummy's part would be booked as explained; Jann 2008).
    weight
        Column of weights of a sample without clusters or strata; short for ``design=Design(weight=...)``.
    design
        As in :func:`citylab.stats.survey.mean`.
    normalise
        True: deviation contrasts, so that the detail does not depend on the base category. False: it does.
    errors
        ``delta``: linearised, covariates random, by design (or from its replicate weights); ``bootstrap``: PSUs drawn
        anew, percentile intervals; ``none``.
    n_boot, seed, level
        Draws of the bootstrap, their seed; level of the intervals.

    Returns
    -------
    GapDecomposition
        Two-fold: ``explained`` + ``unexplained`` (= ``unexplained_a`` + ``unexplained_b``) = gap. Three-fold:
        ``endowments`` (at b's coefficients) + ``coefficients`` (at b's means) + ``interaction`` = gap.

    Raises
    ------
    RefusalError
        No design, a group with too few rows, or no common support.
    DataError
        Constant outcome, constant or collinear covariates.

    Examples
    --------
    >>> people = pl.DataFrame({
    ...     "area": ["town"] * 4 + ["rural"] * 4, "years": [9, 12, 15, 16, 6, 9, 9, 12],
    ...     "hours": [2.0, 3.0, 4.0, 4.0, 1.0, 1.0, 2.0, 2.0]})
    >>> told = oaxaca(people, "hours", "area", "years", groups=("town", "rural"), reference="b", design="none, I know")
    >>> round(told.value("gap"), 3), round(told.value("explained"), 3), round(told.value("unexplained"), 3)
    (1.75, 0.667, 1.083)

    References
    ----------
    Oaxaca (1973), International Economic Review 14(3), 693-709. doi:10.2307/2525981
    Jann (2008), The Blinder-Oaxaca decomposition for linear regression models, Stata Journal 8(4), 453-479.
    doi:10.1177/1536867X0800800401
    Yun (2005), A simple solution to the identification problem in detailed wage decompositions, Economic Inquiry 43(4),
    766-772. doi:10.1093/ei/cbi053
    """
    label = _checked(reference, "oaxaca")
    _check_errors(errors, n_boot, level, "oaxaca")
    case = _read(frame, outcome, group, columns_of(covariates), groups, weight, design, "oaxaca")
    return _decomposed(case, outcome, group, "oaxaca", "ols", reference, label, errors, n_boot, seed, level,
                       normalise=normalise)  # fmt: skip


def yun(
    frame: Surveyed,
    outcome: str,
    group: str,
    covariates: str | Sequence[str],
    *,
    groups: tuple[object, object] | None = None,
    reference: Reference = "pooled",
    weight: str | None = None,
    design: Design | str | None = None,
    normalise: bool = True,
    errors: Errors = "delta",
    n_boot: int = 599,
    seed: int = 0,
    level: float = 0.95,
) -> GapDecomposition:
    """Return the decomposition of a difference of two shares by a logit, in Yun's detail, which no order changes.

    The totals are differences of mean predicted probabilities; each is shared out among the covariates in proportion to
    their part in the linear index. Parameters, result and errors as in :func:`oaxaca`; the outcome is 0 or 1.

    Examples
    --------
    >>> people = pl.DataFrame({
    ...     "area": ["town"] * 6 + ["rural"] * 6, "age": [20, 30, 40, 50, 60, 70, 25, 35, 45, 55, 65, 75],
    ...     "online": [1, 1, 0, 1, 1, 0, 1, 0, 1, 0, 0, 0]})
    >>> told = yun(people, "online", "area", "age", groups=("town", "rural"), design="none, I know")
    >>> round(told.value("explained") + told.value("unexplained"), 6) == round(4 / 6 - 2 / 6, 6)
    True

    References
    ----------
    Yun (2004), Decomposing differences in the first moment, Economics Letters 82(2), 275-280.
    doi:10.1016/j.econlet.2003.09.008
    """
    label = _checked(reference, "yun")
    _check_errors(errors, n_boot, level, "yun")
    case = _read(frame, outcome, group, columns_of(covariates), groups, weight, design, "yun")
    return _decomposed(case, outcome, group, "yun", "logit", reference, label, errors, n_boot, seed, level,
                       normalise=normalise)  # fmt: skip


def fairlie(
    frame: Surveyed,
    outcome: str,
    group: str,
    covariates: str | Sequence[str],
    *,
    groups: tuple[object, object] | None = None,
    reference: Reference = "pooled",
    weight: str | None = None,
    design: Design | str | None = None,
    draws: int = 200,
    errors: Literal["bootstrap", "none"] = "none",
    n_boot: int = 199,
    draws_per_boot: int = 10,
    seed: int = 0,
    level: float = 0.95,
) -> GapDecomposition:
    """Return Fairlie's decomposition of a difference of two shares by a logit, which swaps covariate after covariate.

    In each draw, as many rows of both groups as the smaller has are paired by the rank of their predicted probability
    (rows are drawn by weight), and the pairs swap one covariate after another, in random order. Detail is the mean over
    draws; what the draws miss of the total, which needs no draws, stands as the variable ``(matching)``.

    Parameters
    ----------
    frame, outcome, group, covariates, groups, reference, weight, design, seed, level
        As in :func:`oaxaca`; the outcome is 0 or 1.
    draws
        Random pairings and orders.
    errors
        ``bootstrap`` (slow), with ``n_boot`` draws of ``draws_per_boot`` pairings each; ``none``.

    Returns
    -------
    GapDecomposition
        ``explained`` (in detail) and ``unexplained`` (total).

    Examples
    --------
    >>> people = pl.DataFrame({
    ...     "area": ["town"] * 6 + ["rural"] * 6, "age": [20, 30, 40, 50, 60, 70, 25, 35, 45, 55, 65, 75],
    ...     "online": [1, 1, 0, 1, 1, 0, 1, 0, 1, 0, 0, 0]})
    >>> told = fairlie(people, "online", "area", "age", groups=("town", "rural"), design="none, I know")
    >>> round(told.value("explained"), 6) == round(told.value("explained", "age"), 6)
    True

    References
    ----------
    Fairlie (2005), An extension of the Blinder-Oaxaca decomposition technique to logit and probit models, Journal of
    Economic and Social Measurement 30(4), 305-316. doi:10.3233/JEM-2005-0259
    """
    label = _checked(reference, "fairlie")
    _check_errors(errors, n_boot, level, "fairlie", known=_WITHOUT_DELTA)
    if draws < 1 or draws_per_boot < 1:
        raise RangeError(f"draws is {draws}, draws_per_boot {draws_per_boot}; expected at least 1 of each.")
    case = _read(frame, outcome, group, columns_of(covariates), groups, weight, design, "fairlie")
    k = case.x.shape[1]
    owner = {at: v for v, places in case.terms.sets.items() for at in places}
    blocks: dict[str, list[int]] = {}
    for at, name in enumerate(case.terms.names):
        blocks.setdefault(owner.get(at, name), []).append(at + 1)
    keys: list[tuple[str, str, str, str | None]] = [("gap", c, TOTAL, None) for c in ("mean_a", "mean_b", "gap")]
    keys += [("two", "explained", TOTAL, None), *(("two", "explained", v, None) for v in [*blocks, "(matching)"])]
    keys += [("two", "unexplained", TOTAL, None)]

    def parts(w: Floats, count: int, seed_of: np.random.SeedSequence) -> Floats:
        theta = _fit(case, case.y, w, reference, "logit", influence=False).theta
        y_a, star_a, star_b, y_b = theta[5 * k :]
        each = _swapped(case, w, theta[4 * k : 5 * k], list(blocks.values()), count, seed_of)
        explained = star_a - star_b
        rest = explained - each.sum()
        return np.array([y_a, y_b, y_a - y_b, explained, *each, rest, y_a - y_b - explained])

    roots = np.random.SeedSequence(seed).spawn(n_boot + 1)
    values = parts(case.weight, draws, roots[0])
    se: Floats | None = None
    bounds: tuple[Floats, Floats] | None = None
    if errors == "bootstrap":
        turn = iter(roots[1:])
        drawn = _drawn(case, lambda w: parts(w, draws_per_boot, next(turn)), n_boot, seed)
        se, bounds = drawn.std(axis=0, ddof=1), bootstrap.interval(drawn, level=level)
    return _finished(case, outcome, group, "fairlie", label, errors, keys, values, se, bounds, level)


def _swapped(
    case: _Case, weight: Floats, beta: Floats, blocks: list[list[int]], count: int, seed: np.random.SeedSequence
) -> Floats:
    """Return the mean change of predicted probability as matched pairs swap one covariate after another."""
    rng = np.random.default_rng(seed)
    sides = []
    for inside in (case.in_a, case.in_b):
        here = np.flatnonzero(inside & (weight > 0))
        chance = weight[here] / weight[here].sum()
        sides.append((here, chance, bool(np.ptp(weight[here]) == 0)))
    size = min(len(here) for here, _, _ in sides)
    each = np.zeros(len(blocks))
    for _ in range(count):
        matched = []
        for here, chance, is_even in sides:
            if is_even:
                rows = here if len(here) == size else rng.choice(here, size, replace=False)
            else:
                rows = rng.choice(here, size, p=chance)
            # Ties in the prediction are paired at random, not in the order of the file.
            order = np.lexsort((rng.random(size), case.x[rows] @ beta))
            matched.append(case.x[rows[order]])
        now = matched[0].copy()
        before = _logistic(now @ beta).mean()
        for at in rng.permutation(len(blocks)):
            now[:, blocks[at]] = matched[1][:, blocks[at]]
            after = _logistic(now @ beta).mean()
            each[at] += before - after
            before = after
    return each / count


def _statistic(name: str, what: str) -> tuple[str, float]:
    if name in ("mean", "variance", "gini"):
        return name, 0.0
    found = _STATISTIC.fullmatch(name)
    if not found or not 0 < float(found[1]) < 1:
        raise suggest(
            name, ("mean", "variance", "gini", "quantile(0.5)"), what="statistic", see=f"citylab.equity.gap.{what}"
        )
    return "quantile", float(found[1])


def influenced(values: npt.ArrayLike, statistic: str, *, weight: npt.ArrayLike | None = None) -> Floats:
    """Return the recentred influence function (RIF) of a statistic: its value plus each row's influence on it.

    Parameters
    ----------
    values
        Finite numbers.
    statistic
        ``mean``, ``variance``, ``gini`` or ``quantile(0.5)`` with any share. The density at a quantile is a Gaussian
        kernel estimate with Silverman's bandwidth.
    weight
        Weights, 0 or more.

    Returns
    -------
    numpy.ndarray
        One value per row; their weighted mean is the statistic (of a quantile: up to ties).

    Raises
    ------
    DataError
        Missing values, values all alike, or a mean that is not above 0 for a Gini coefficient.

    Examples
    --------
    >>> influenced([1.0, 2.0, 6.0], "variance").round(3).tolist()
    [4.0, 1.0, 9.0]

    References
    ----------
    Firpo, Fortin and Lemieux (2009), Unconditional quantile regressions, Econometrica 77(3), 953-973.
    doi:10.3982/ECTA6822
    """
    kind, p = _statistic(statistic, "influenced")
    y = np.asarray(values, dtype=np.float64)
    w = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=np.float64)
    if not len(y) or not np.isfinite(y).all() or (w < 0).any() or not w.sum() > 0:
        raise DataError("influenced needs finite values and weights of 0 or more, not all of them 0.")
    mean = float(w @ y / w.sum())
    if kind == "mean":
        return y.copy()
    if np.ptp(y[w > 0]) == 0:
        raise DataError(
            f"All values are {y[0]:g}; their {statistic} has no influence function. Check the filter before."
        )
    if kind == "variance":
        return (y - mean) ** 2
    if kind == "gini":
        if mean <= 0:
            raise DataError(f"A Gini coefficient needs a mean above 0; it is {mean:g}.")
        d = measures.Ordered(y, w)
        told = measures.gini(d)
        assert told.value is not None and told.influence is not None and d.order is not None
        out = np.empty(len(y))
        out[d.order] = told.value + told.influence(slice(0, len(y)))
        return out
    q, low, high = sv.weighted_quantile(y, w, [p, 0.25, 0.75])
    n = float(w.sum() ** 2 / (w @ w))
    sd = float(np.sqrt(w @ (y - mean) ** 2 / w.sum()))
    spread = min(sd, (high - low) / rule("silverman_iqr")) or sd
    width = rule("silverman") * spread * n ** rule("silverman_power")
    density = float(w @ np.exp(-0.5 * ((y - q) / width) ** 2) / (w.sum() * width * np.sqrt(2 * np.pi)))
    return np.asarray(q + (p - (y <= q)) / density, dtype=np.float64)


def rif_regression(
    frame: Surveyed,
    outcome: str,
    covariates: str | Sequence[str],
    *,
    statistic: str = "quantile(0.5)",
    weight: str | None = None,
    design: Design | str | None = None,
    level: float = 0.95,
) -> pl.DataFrame:
    """Return the regression of a statistic's recentred influence function: what moves a quantile, variance or Gini.

    A coefficient says how the statistic of the whole population changes with a small shift of a covariate's mean.
    Errors are design-based, with the influence function taken as known.

    Parameters
    ----------
    frame, outcome, covariates, weight, design, level
        As in :func:`oaxaca`.
    statistic
        As in :func:`influenced`.

    Returns
    -------
    polars.DataFrame
        As :func:`citylab.stats.survey.regression`.

    Examples
    --------
    >>> rows = pl.DataFrame({"mbps": [10.0, 20.0, 40.0, 80.0, 90.0], "urban": [0, 0, 1, 1, 1]})
    >>> told = rif_regression(rows, "mbps", "urban", statistic="mean", design="none, I know")
    >>> told["value"].round(6).to_list()
    [15.0, 55.0]

    References
    ----------
    Firpo, Fortin and Lemieux (2009), doi:10.3982/ECTA6822
    """
    _statistic(statistic, "rif_regression")
    s = sv.surveyed(frame, _design(frame, weight, design, "rif_regression"), what="rif_regression")
    named = columns_of(covariates)
    schema = need_columns(s.frame, [outcome, *named], what="rif_regression")
    need_numbers(schema, [outcome], what="rif_regression")
    sample = sv.read(s, [outcome, *named], what="rif_regression")
    complete = sample.table.select(
        pl.all_horizontal(pl.col(outcome).is_not_null(), pl.col(outcome).cast(pl.Float64).is_finite(),
                          *(pl.col(c).is_not_null() for c in named))
    ).to_series().fill_null(False).to_numpy() & (sample.weight > 0)  # fmt: skip
    if not complete.any():
        raise DataError(f"rif_regression: no row has {outcome!r}, all covariates and a weight above 0.")
    y = sample.table[outcome].cast(pl.Float64).to_numpy()
    rif = np.full(len(y), np.nan)
    rif[complete] = influenced(y[complete], statistic, weight=sample.weight[complete])
    column = f"rif_{outcome}"
    added = pl.concat([s.frame, pl.LazyFrame({column: pl.Series(rif).fill_nan(None)})], how="horizontal")
    return sv.regression(replace(s, frame=added), column, named, level=level)


def rif_oaxaca(
    frame: Surveyed,
    outcome: str,
    group: str,
    covariates: str | Sequence[str],
    *,
    statistic: str = "quantile(0.5)",
    groups: tuple[object, object] | None = None,
    reference: Reference = "pooled",
    weight: str | None = None,
    design: Design | str | None = None,
    normalise: bool = True,
    errors: Literal["bootstrap", "none"] = "bootstrap",
    n_boot: int = 199,
    seed: int = 0,
    level: float = 0.95,
) -> GapDecomposition:
    """Return the decomposition of the gap in a quantile, the variance or the Gini coefficient of two groups.

    The influence function is made within each group, and anew in each draw of the bootstrap: taken as known, errors
    would be too small. Parameters, result and errors as in :func:`oaxaca`; ``statistic`` as in :func:`influenced`.
    The gap is that of the mean RIFs; of a quantile it differs from the plain gap by what ties make.

    Examples
    --------
    >>> people = pl.DataFrame({
    ...     "area": ["town"] * 4 + ["rural"] * 4, "years": [9, 12, 15, 16, 6, 9, 9, 12],
    ...     "hours": [2.0, 3.0, 4.0, 4.0, 1.0, 1.0, 2.0, 2.0]})
    >>> told = rif_oaxaca(people, "hours", "area", "years", statistic="variance", groups=("town", "rural"),
    ...                   design="none, I know", errors="none")
    >>> round(told.value("gap"), 4)  # 0.6875 - 0.25
    0.4375

    References
    ----------
    Firpo, Fortin and Lemieux (2018), Decomposing wage distributions using recentered influence function regressions,
    Econometrics 6(2), 28. doi:10.3390/econometrics6020028
    """
    _statistic(statistic, "rif_oaxaca")
    label = _checked(reference, "rif_oaxaca")
    _check_errors(errors, n_boot, level, "rif_oaxaca", known=_WITHOUT_DELTA)
    case = _read(frame, outcome, group, columns_of(covariates), groups, weight, design, "rif_oaxaca")

    def transform(w: Floats) -> Floats:
        out = np.zeros(len(case.y))
        for inside in (case.in_a, case.in_b):
            here = inside & (w > 0)
            out[here] = influenced(case.y[here], statistic, weight=w[here])
        return out

    return _decomposed(case, outcome, group, f"rif {statistic}", "ols", reference, label, errors, n_boot, seed, level,
                       normalise=normalise, transform=transform)  # fmt: skip
