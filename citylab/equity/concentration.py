"""Inequality along another rank: whether use, health or credit is concentrated among the rich or the poor.

The concentration index is to its curve what the Gini coefficient is to the Lorenz curve, with the population ordered by
a socio-economic rank instead of by the value itself. It lies above 0 where the better-off hold more than their part.
Rows with an equal rank share the middle of their places, so that their order in the file does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import polars as pl

from citylab.equity import inequality as front
from citylab.equity import measures as formulas
from citylab.equity import sampling
from citylab.equity.measures import Estimate, Ordered
from citylab.equity.sampling import DEFAULT, Errors
from citylab.errors import DataError, RangeError, SchemaError, suggest
from citylab.frames import Frame, lazily, need_columns, need_numbers

if TYPE_CHECKING:
    import numpy.typing as npt

    from citylab.equity.measures import Influence

    Floats = npt.NDArray[np.float64]

Kind = Literal["standard", "generalised", "erreygers", "wagstaff"]
AVERSION = 2.0
"""Aversion at which the extended index is the standard one."""


def concentration(
    frame: Frame,
    value: str,
    *,
    rank: str,
    weight: str | None = None,
    by: str | Sequence[str] | None = None,
    kind: Kind | Sequence[Kind] = "standard",
    bounds: tuple[float, float] | None = None,
    aversion: float = AVERSION,
    errors: Errors | None = DEFAULT,
) -> Frame:
    """Return concentration indices with their errors.

    Parameters
    ----------
    frame
        One row per person, household or area.
    value
        Column of what is shared out: use, health, credits.
    rank
        Column of the socio-economic standing, ascending from the worst-off; only its order counts.
    weight, by, errors
        As in :func:`citylab.equity.inequality.inequality`.
    kind
        One or several: ``standard`` (relative), ``generalised`` (times the mean: absolute, in the unit of the value);
        for a value with bounds ``erreygers`` (absolute, the same for attainment and shortfall but for its sign) and
        ``wagstaff``.
    bounds
        Lowest and highest value that there can be, by definition, not the observed ones: (0, 1) for yes or no and for
        shares, (0, 100) for percent. Needed by ``erreygers`` and ``wagstaff``.
    aversion
        Above 1; 2 is the usual index, more gives more weight to the worst-off. Only with ``standard`` and
        ``generalised``.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group and kind: the columns of ``by``, ``measure`` (the kind), and ``value`` to ``note`` as in
        :func:`citylab.equity.inequality.inequality`.

    Raises
    ------
    SchemaError
        A column is missing or holds no numbers.
    UnknownNameError, RangeError
        A kind that there is not, bounds or an aversion that cannot be.
    DataError
        On collecting: a value outside the bounds, or what :func:`citylab.equity.inequality.inequality` refuses.

    Notes
    -----
    ``C = 2/µ · cov(h, r)``, r the fractional rank. Generalised ``µC``; Erreygers ``4µC/(b - a)``; Wagstaff
    ``C µ(b - a)/((b - µ)(µ - a))``. The extended index takes the mean of ``ν(1 - p)^(ν - 1)`` over the places of a row:
    it is exactly the area under the curve of :func:`concentration_curve`. Kinds for bounded values say different things
    about one distribution; choose by the question, and show more than one.

    Examples
    --------
    >>> four = pl.DataFrame({"hours": [1.0, 1.0, 2.0, 4.0], "income_cny": [10.0, 20.0, 30.0, 40.0]})
    >>> concentration(four, "hours", rank="income_cny", kind=["standard", "generalised"])["value"].round(6).to_list()
    [0.3125, 0.625]

    References
    ----------
    Kakwani, Wagstaff and van Doorslaer (1997), doi:10.1016/S0304-4076(96)01807-6. Wagstaff (2002),
    doi:10.1016/S0167-6296(02)00006-1 (extended); (2005), doi:10.1002/hec.953 (binary). Erreygers (2009),
    doi:10.1016/j.jhealeco.2008.02.003
    """
    lf, back = lazily(frame)
    kinds: list[str] = [kind] if isinstance(kind, str) else list(dict.fromkeys(kind))
    _check(kinds, bounds, aversion)
    schema = sampling.check(lf, [value, rank], by=by, weight=weight, errors=errors, what="concentration")

    def functional(d: Ordered) -> list[Estimate]:
        return [index(d, k, bounds, aversion) for k in kinds]

    def work(rows: pl.DataFrame) -> pl.DataFrame:
        if bounds is not None:
            _within(rows, value, bounds)
        sample = sampling.read(rows, rank, value=value, weight=weight, by=by, errors=errors, what="concentration")
        return sampling.estimated(sample, functional, kinds, errors)

    columns = sampling.needed([value, rank], by=by, weight=weight, errors=errors)
    return back(lf.select(columns).map_batches(work, schema=sampling.result_schema(schema, by)))


def _check(kinds: Sequence[str], bounds: tuple[float, float] | None, aversion: float) -> None:
    if not kinds:
        raise RangeError("No kind was named. Name at least one, for example 'standard'.")
    for k in kinds:
        if k not in get_args(Kind):
            raise suggest(k, get_args(Kind), what="kind of concentration index", see="citylab.equity.concentration")
    bounded = [k for k in kinds if k in {"erreygers", "wagstaff"}]
    if bounded and bounds is None:
        raise RangeError(
            f"{bounded[0]} needs bounds=, the lowest and highest value that there can be by definition: (0, 1) for "
            "shares and yes or no, (0, 100) for percent. Observed extremes are no bounds."
        )
    if bounds is not None and not (np.isfinite(bounds).all() and bounds[0] < bounds[1]):
        raise RangeError(f"bounds are {bounds}; expected the lower and then the higher, both finite.")
    if not (np.isfinite(aversion) and aversion > 1):
        raise RangeError(f"aversion is {aversion}; expected a number above 1, where 2 is the usual index.")
    if aversion != AVERSION and bounded:
        raise RangeError(f"{bounded[0]} is defined for an aversion of 2 only; got {aversion}.")


def _within(rows: pl.DataFrame, value: str, bounds: tuple[float, float]) -> None:
    low, high = bounds
    room = formulas.rule("bounds_tolerance") * (high - low)
    found = rows.select(pl.col(value).cast(pl.Float64).fill_nan(None).min().alias("a"),
                        pl.col(value).cast(pl.Float64).fill_nan(None).max().alias("b")).row(0)  # fmt: skip
    if found[0] is not None and (found[0] < low - room or found[1] > high + room):
        raise DataError(
            f"concentration: {value!r} reaches from {found[0]:g} to {found[1]:g}, outside its bounds {low:g} to "
            f"{high:g}. If it is given in percent, its bounds are (0, 100)."
        )


def index(d: Ordered, kind: str, bounds: tuple[float, float] | None, aversion: float = AVERSION) -> Estimate:
    """Return a concentration index of a distribution ordered by rank, with the influence of its rows."""
    mean = d.mean
    if kind == "standard" and mean <= 0:
        return Estimate(None, None, formulas.MEAN_NOT_POSITIVE)
    absolute, influence = _absolute(d, aversion)

    def deviation(s: slice) -> Floats:
        return d.value[s] - mean

    if kind == "generalised":
        return Estimate(absolute, influence)
    if kind == "standard":
        note = formulas.NEGATIVE_VALUES if d.smallest < 0 else None
        value = absolute / mean
        return Estimate(value, lambda s: (influence(s) - value * deviation(s)) / mean, note)
    assert bounds is not None
    low, high = bounds
    if kind == "erreygers":
        scale = 4 / (high - low)
        return Estimate(scale * absolute, lambda s: scale * influence(s))
    room = (high - mean) * (mean - low)
    if room <= 0:
        return Estimate(None, None, formulas.AT_BOUND)
    scale = (high - low) / room
    bend = -(high + low - 2 * mean) / room
    return Estimate(scale * absolute, lambda s: scale * (influence(s) + absolute * bend * deviation(s)))


def _absolute(d: Ordered, aversion: float) -> tuple[float, Influence]:
    """Return the generalised index, mean times index, and its influence."""
    starts = d.blocks
    upto = np.cumsum(np.add.reduceat(d.share, starts))
    before = np.concatenate([[0.0], upto[:-1]])
    amounts = np.add.reduceat(d.part, starts)
    # 1 - p can fall below 0 by rounding at the last row.
    left, right = np.clip(1 - before, 0, 1), np.clip(1 - upto, 0, 1)
    if aversion == AVERSION:
        scale = left + right
    else:
        width = upto - before
        flat = width <= 0
        scale = np.where(flat, aversion * left ** (aversion - 1),
                         (left**aversion - right**aversion) / np.where(flat, 1.0, width))  # fmt: skip
    held = float(amounts @ scale)

    def influence() -> Influence:
        middle = (left + right) / 2
        if aversion == AVERSION:
            pull = 2 * amounts
        else:
            safe = np.maximum(middle, np.finfo(np.float64).tiny)
            pull = aversion * (aversion - 1) * safe ** (aversion - 2) * amounts
        above = pull.sum() - np.cumsum(pull) + pull / 2
        sizes = np.diff(np.append(starts, len(d.key)))
        # A row moved to a place lifts the rank of all above it.
        on_held = d.value * np.repeat(scale, sizes) - np.repeat(above, sizes)
        middle_held = d.average(lambda s: on_held[s])
        return lambda s: (d.value[s] - d.mean) - (on_held[s] - middle_held)

    return d.mean - held, formulas.late(influence)


def concentration_curve(
    frame: Frame,
    value: str,
    *,
    rank: str,
    weight: str | None = None,
    by: str | Sequence[str] | None = None,
    points: int | Sequence[float] = front.POINTS,
    errors: Errors | None = None,
) -> Frame:
    """Return concentration curves: the share of the total that the worst-off share of the population holds.

    Parameters
    ----------
    frame, value, rank, weight, by
        As in :func:`concentration`; no value below 0.
    points, errors
        As in :func:`citylab.equity.inequality.lorenz`.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        As :func:`citylab.equity.inequality.lorenz`. A curve above the diagonal favours the worst-off.

    Examples
    --------
    >>> four = pl.DataFrame({"hours": [4.0, 2.0, 1.0, 1.0], "income_cny": [10.0, 20.0, 30.0, 40.0]})
    >>> concentration_curve(four, "hours", rank="income_cny", points=[0.25, 0.5])["value_share"].to_list()
    [0.5, 0.75]
    """
    return front.curve(
        frame, value, rank=rank, weight=weight, by=by, points=points, errors=errors, what="concentration_curve"
    )


def kakwani(
    frame: Frame,
    payment: str,
    *,
    income: str,
    weight: str | None = None,
    by: str | Sequence[str] | None = None,
    errors: Errors | None = DEFAULT,
) -> Frame:
    """Return Kakwani's index: concentration of a payment or benefit along income less the Gini coefficient of income.

    Above 0 the payment falls on the better-off more than in proportion (a progressive charge, or a benefit that widens
    the gap); below 0 it falls on the worst-off.

    Parameters
    ----------
    frame, weight, by, errors
        As in :func:`concentration`.
    payment
        Column of what is paid or received.
    income
        Column of income; orders the population, and its mean must be above 0.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        Three rows per group: ``kakwani``, ``concentration`` of the payment, ``gini`` of income, with errors as in
        :func:`citylab.equity.inequality.inequality`.

    Examples
    --------
    >>> flat = pl.DataFrame({"fee_cny": [5.0, 5.0], "income_cny": [10.0, 30.0]})
    >>> kakwani(flat, "fee_cny", income="income_cny")["value"].to_list()
    [-0.25, 0.0, 0.25]

    References
    ----------
    Kakwani (1977), Measurement of tax progressivity: an international comparison, Economic Journal 87, 71-80.
    doi:10.2307/2231833
    """
    lf, back = lazily(frame)
    schema = sampling.check(lf, [payment, income], by=by, weight=weight, errors=errors, what="kakwani")
    names = ["kakwani", "concentration", "gini"]

    def functional(d: Ordered) -> list[Estimate]:
        paid = index(d, "standard", None)
        own = formulas.measure("gini").estimate(d.ranked_by_itself())
        if paid.value is None or own.value is None:
            return [Estimate(None, None, paid.note or own.note), paid, own]
        assert paid.influence is not None and own.influence is not None
        of_paid, of_own = paid.influence, own.influence
        note = paid.note or own.note
        return [Estimate(paid.value - own.value, lambda s: of_paid(s) - of_own(s), note), paid, own]

    def work(rows: pl.DataFrame) -> pl.DataFrame:
        sample = sampling.read(rows, income, value=payment, weight=weight, by=by, errors=errors, what="kakwani")
        return sampling.estimated(sample, functional, names, errors)

    columns = sampling.needed([payment, income], by=by, weight=weight, errors=errors)
    return back(lf.select(columns).map_batches(work, schema=sampling.result_schema(schema, by)))


_TERMS = {
    "factor": pl.String(), "level": pl.String(), "coefficient": pl.Float64(), "coefficient_se": pl.Float64(),
    "mean": pl.Float64(), "elasticity": pl.Float64(), "index": pl.Float64(), "contribution": pl.Float64(),
    "contribution_share": pl.Float64(), "n": pl.Int64(), "n_missing": pl.Int64(),
}  # fmt: skip
RESIDUAL, TOTAL = "residual", "total"


def concentration_decomposition(
    frame: Frame,
    value: str,
    *,
    rank: str,
    factors: Sequence[str],
    weight: str | None = None,
    reference: Mapping[str, str | bool] | None = None,
) -> Frame:
    """Return what lies behind a concentration index, by factors that go along with the value.

    A linear regression of the value on the factors parts its index: each factor adds its elasticity times its own
    concentration along the rank, and the rest is the residual. That says what goes along, not what causes.

    Parameters
    ----------
    frame
        One row per person, household or area.
    value, rank, weight
        As in :func:`concentration`; rows with a gap in any named column are left out.
    factors
        Columns of factors: numbers, or categories (text, boolean), which enter as one term per level but one.
    reference
        Level of a category that is left out. Default: the first in the order of the alphabet, false of a boolean. The
        sum over the levels of a factor does not depend on it, the single terms do.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per term: ``factor``, ``level`` (null for a number), ``coefficient`` and its standard error (HC1,
        rows drawn independently), weighted ``mean`` of the term, ``elasticity`` at the mean, ``index`` (concentration
        of the term along the rank; null if its mean is 0), ``contribution``, ``contribution_share`` of the total
        [can leave 0..1], ``n``, ``n_missing`` (rows with a gap). Then a row ``residual`` and a row ``total``;
        contributions add up to the total.

    Raises
    ------
    SchemaError
        A column is missing, a factor is named twice or is neither number nor category.
    DataError
        On collecting: the mean of the value is not above 0, a level of reference that does not occur, or factors that
        cannot be told apart.

    Examples
    --------
    >>> people = pl.DataFrame({"hours": [1.0, 3.0, 2.0, 6.0], "age": [60.0, 40.0, 50.0, 20.0],
    ...                        "income_cny": [1.0, 2.0, 3.0, 4.0], "sex": ["f", "m", "f", "m"]})
    >>> told = concentration_decomposition(people, "hours", rank="income_cny", factors=["age", "sex"])
    >>> told["factor"].to_list(), round(told["contribution"][:-1].sum() - told["contribution"][-1], 12)
    (['age', 'sex', 'residual', 'total'], 0.0)

    References
    ----------
    Wagstaff, van Doorslaer and Watanabe (2003), On decomposing the causes of health sector inequalities, Journal of
    Econometrics 112, 207-223. doi:10.1016/S0304-4076(02)00161-6
    """
    lf, back = lazily(frame)
    what = "concentration_decomposition"
    named: list[str] = list(factors)
    if not named or len(set(named)) != len(named) or {value, rank, RESIDUAL, TOTAL} & {*named} - {rank}:
        raise SchemaError(f"{what} needs factors, each once, none of them the value or named 'total'; got {named}.")
    schema = need_columns(lf, [value, rank, *([weight] if weight else []), *named], what=what)
    need_numbers(schema, [value, rank, *([weight] if weight else [])], what=what)
    wrong = [c for c in named if not (schema[c].is_numeric() or _is_category(schema[c]))]
    if wrong:
        raise SchemaError(f"{what}: factor {wrong[0]!r} is {schema[wrong[0]]}; expected numbers, text or booleans.")
    chosen = dict(reference or {})
    if set(chosen) - {c for c in named if _is_category(schema[c])}:
        raise SchemaError(f"{what}: reference= names {sorted(chosen)}, but categories are "
                          f"{[c for c in named if _is_category(schema[c])]}.")  # fmt: skip

    def work(rows: pl.DataFrame) -> pl.DataFrame:
        return _decomposed(rows, value, rank, named, weight, chosen, what)

    columns = list(dict.fromkeys([value, rank, *([weight] if weight else []), *named]))
    return back(lf.select(columns).map_batches(work, schema=pl.Schema(_TERMS)))


def _is_category(dtype: pl.DataType) -> bool:
    return dtype in (pl.String, pl.Boolean, pl.Categorical) or isinstance(dtype, pl.Enum)


def _decomposed(
    rows: pl.DataFrame, value: str, rank: str, factors: list[str], weight: str | None,
    reference: Mapping[str, str | bool], what: str,
) -> pl.DataFrame:  # fmt: skip
    import statsmodels.api as sm

    whole = rows.with_columns(pl.col(pl.Float32, pl.Float64).fill_nan(None)).drop_nulls()
    if whole.is_empty():
        raise DataError(f"{what}: no row is complete in {rows.columns}. Leave out the factor with the gaps.")
    columns, labels = [], []
    for c in factors:
        if not _is_category(whole.schema[c]):
            columns.append(pl.col(c).cast(pl.Float64))
            labels.append((c, None))
            continue
        levels = sorted(whole[c].cast(pl.String).unique())
        base = str(reference[c]) if c in reference else levels[0]
        base = base.lower() if whole.schema[c] == pl.Boolean else base
        if base not in levels:
            raise DataError(f"{what}: the reference level {base!r} of {c!r} does not occur; there are {levels}.")
        for level in levels:
            if level != base:
                columns.append((pl.col(c).cast(pl.String) == level).cast(pl.Float64))
                labels.append((c, level))
    if not columns:
        raise DataError(f"{what}: no factor varies in the {whole.height:,} complete rows.")
    terms = whole.select(e.alias(f"_term_{i}") for i, e in enumerate(columns))
    frame = pl.concat([whole.select(value, *([rank] if rank != value else []), *([weight] if weight else [])), terms],
                      how="horizontal")  # fmt: skip
    names = terms.columns
    group = sampling.read(frame, rank, value=value, weight=weight, others=names, what=what).groups[0]
    d = group.rows
    if d.mean <= 0:
        raise DataError(f"{what}: the mean of {value!r} is {d.mean:g}; a concentration index needs one above 0.")
    design = sm.add_constant(np.column_stack([group.others[t] for t in names]), has_constant="add")
    scaled = design / np.maximum(np.abs(design).max(axis=0), np.finfo(np.float64).tiny)
    if np.linalg.matrix_rank(scaled) < design.shape[1]:
        raise DataError(
            f"{what}: the factors {[a if b is None else f'{a}={b}' for a, b in labels]} cannot be told apart: one is "
            "constant or follows from others. Leave one out."
        )
    fit = sm.WLS(d.value, design, weights=d.share * group.n).fit(cov_type="HC1")
    total = index(d, "standard", None).value
    assert total is not None
    out: list[dict[str, Any]] = []
    for i, (t, (factor, level)) in enumerate(zip(names, labels, strict=True), start=1):
        term = Ordered(d.key, d.weight, group.others[t], is_sorted=True)
        absolute, _ = _absolute(term, AVERSION)
        beta = float(fit.params[i])
        out.append({
            "factor": factor, "level": level, "coefficient": beta, "coefficient_se": float(fit.bse[i]),
            "mean": term.mean, "elasticity": beta * term.mean / d.mean,
            "index": absolute / term.mean if term.mean else None, "contribution": beta * absolute / d.mean,
        })  # fmt: skip
    out.append({"factor": RESIDUAL, "contribution": total - sum(r["contribution"] for r in out)})
    out.append({"factor": TOTAL, "index": total, "mean": d.mean, "contribution": total})
    count = {"n": group.n, "n_missing": rows.height - whole.height}
    told = pl.DataFrame([r | count for r in out], schema=_TERMS)
    return told.with_columns(
        pl.when(pl.lit(total != 0)).then(pl.col("contribution") / total).alias("contribution_share")
    )
