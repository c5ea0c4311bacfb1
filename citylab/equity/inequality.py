"""How unequally something is shared: the Gini coefficient and its kin, weighted, by group, with errors.

One call sorts each group once and reads all measures off the same running sums. :func:`inequality` gives a table with
errors, the functions after it single numbers, :func:`lorenz` the curve. Which formula a named measure is, and with
which parameters, stands in the declared table ``equity_measures``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from citylab.equity import measures as formulas
from citylab.equity import sampling
from citylab.equity.measures import Estimate, Ordered
from citylab.equity.sampling import DEFAULT, Errors
from citylab.errors import DataError, RangeError
from citylab.frames import Frame, keys_of, lazily, need_numbers

if TYPE_CHECKING:
    import numpy.typing as npt

MEASURES = (
    "gini", "theil_t", "mld", "ge(2)", "atkinson(0.5)", "atkinson(1)", "hoover", "palma", "s80_s20", "p90_p10",
)  # fmt: skip
"""What :func:`inequality` reports unless told otherwise."""

POINTS = 101
"""Points of a curve, both ends included: one per percent of the population."""


def inequality(
    frame: Frame,
    value: str,
    *,
    weight: str | None = None,
    by: str | Sequence[str] | None = None,
    measures: Sequence[str] = MEASURES,
    line: float | None = None,
    errors: Errors | None = DEFAULT,
    table: pl.DataFrame | None = None,
) -> Frame:
    """Return measures of inequality with their errors.

    Rows in which the value or the weight is missing (null or NaN) are left out and counted in ``n_missing``; rows of
    weight 0 are left out. A weight is a number of units that the row stands for: a row of weight 3 gives the value that
    three equal rows give, but the errors of one.

    Parameters
    ----------
    frame
        One row per person, household or area.
    value
        Column of what is shared out, such as income or data used, in any unit. A name that ends in ``_share`` must hold
        0 to 1.
    weight
        Column of weights, 0 or more; ``None`` weighs every row alike.
    by
        Columns of groups; each gets measures of its own, sorted by group.
    measures
        Names, see :func:`citylab.equity.measures.measure`.
    line
        Poverty line of the measures ``fgt(...)`` [unit of the value].
    errors
        How errors are made; :meth:`citylab.equity.sampling.Errors.of` makes them from the declared design of a survey.
        ``None`` makes none, for a full count or for speed.
    table
        Named measures; default the declared table ``equity_measures``.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group and measure: the columns of ``by``, ``measure``, ``value`` (no unit; ``fgt`` a share, ``mean``
        in the unit of the value), ``se``, ``lower``, ``upper``, ``level``, ``n`` (rows that count), ``n_missing``,
        ``n_effective`` (Kish), ``method`` of the errors, and ``note``: why there is no value or no error
        (``zero_values``, ``mean_not_positive``, ``no_rows``, ``zero_denominator``, ``one_unit``,
        ``draw_without_value``), or ``negative_values`` where the value stands but can leave 0 to 1.

    Raises
    ------
    SchemaError
        A column is missing or holds no numbers.
    UnknownNameError, RangeError
        A measure that there is not, or parameters that cannot be.
    DataError
        On collecting: negative or infinite weights, infinite values, no row of any weight, a share in percent, or
        negative values under a measure that is not defined for them.

    Notes
    -----
    Intervals are symmetric (Student's t), except those of the bootstrap and of ``Errors(scale="log")``. With heavy
    tails and few rows they cover less often than they say: see ``docs/calibration.md``. With the errors of a quantile
    ratio goes a slope of the quantile function, which is unreliable where values heap.

    Examples
    --------
    >>> five = pl.DataFrame({"income_cny": [10.0, 20.0, 30.0, 40.0, 50.0]})
    >>> told = inequality(five, "income_cny", measures=["gini", "theil_t", "palma"])
    >>> told.select("measure", pl.col("value").round(4), pl.col("se") > 0).rows()
    [('gini', 0.2667, True), ('theil_t', 0.1197, True), ('palma', 0.8333, True)]

    References
    ----------
    Cowell (2011), Measuring Inequality, 3rd edition, Oxford. Shorrocks (1980), doi:10.2307/1913126. Atkinson (1970),
    doi:10.1016/0022-0531(70)90039-6. Linearisation: Langel and Tillé (2013), doi:10.1111/j.1467-985X.2012.01048.x
    """
    lf, back = lazily(frame)
    asked = formulas.parsed(measures, line=line, table=table)
    schema = sampling.check(lf, [value], by=by, weight=weight, errors=errors, what="inequality")

    def functional(d: Ordered) -> list[Estimate]:
        return [m.estimate(d) for m in asked]

    def work(rows: pl.DataFrame) -> pl.DataFrame:
        sample = sampling.read(rows, value, weight=weight, by=by, errors=errors, what="inequality")
        return sampling.estimated(sample, functional, [m.name for m in asked], errors)

    columns = sampling.needed([value], by=by, weight=weight, errors=errors)
    return back(lf.select(columns).map_batches(work, schema=sampling.result_schema(schema, by)))


def lorenz(
    frame: Frame,
    value: str,
    *,
    weight: str | None = None,
    by: str | Sequence[str] | None = None,
    points: int | Sequence[float] = POINTS,
    errors: Errors | None = None,
) -> Frame:
    """Return Lorenz curves: the share of the total that the poorest share of the population holds.

    Parameters
    ----------
    frame, value, weight, by
        As in :func:`inequality`; no value below 0.
    points
        Number of equally spaced points from 0 to 1, or the population shares themselves.
    errors
        How errors of the curve are made; ``None`` makes none.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group and point: the columns of ``by``, ``population_share`` and ``value_share`` [0..1], and the
        generalised curve ``generalised`` (share times mean) [unit of the value]; then ``se`` to ``note`` of
        ``value_share`` as in :func:`inequality`.

    Raises
    ------
    SchemaError, DataError, RangeError
        As in :func:`inequality`; and a point outside 0 to 1.

    Examples
    --------
    >>> five = pl.DataFrame({"income_cny": [10.0, 20.0, 30.0, 40.0, 50.0]})
    >>> lorenz(five, "income_cny", points=[0, 0.4, 1]).select("population_share", "value_share", "generalised").rows()
    [(0.0, 0.0, 0.0), (0.4, 0.2, 6.0), (1.0, 1.0, 30.0)]

    References
    ----------
    Lorenz (1905), Methods of measuring the concentration of wealth, doi:10.2307/2276207. Errors: Beach and Davidson
    (1983), doi:10.2307/2297772
    """
    return curve(frame, value, rank=None, weight=weight, by=by, points=points, errors=errors, what="lorenz")


def curve(
    frame: Frame,
    value: str,
    *,
    rank: str | None,
    weight: str | None,
    by: str | Sequence[str] | None,
    points: int | Sequence[float],
    errors: Errors | None,
    what: str,
) -> Frame:
    """Return running shares of a value along its own order or along a rank; behind :func:`lorenz` and its like."""
    lf, back = lazily(frame)
    at = _points(points)
    numbers = [value] if rank is None else [rank, value]
    schema = sampling.check(lf, numbers, by=by, weight=weight, errors=errors, what=what)

    keys: list[str] = keys_of(by)
    out = pl.Schema(
        {
            **{c: schema[c] for c in keys}, "population_share": pl.Float64(), "value_share": pl.Float64(),
            "generalised": pl.Float64(), **{c: t for c, t in sampling.RESULT.items() if c != "value"},
        }
    )  # fmt: skip

    def functional(d: Ordered) -> list[Estimate]:
        if d.smallest < 0:
            raise DataError(
                f"{what} needs values of 0 or more, but {value!r} goes down to {d.smallest:g}: shares of a total that "
                "is partly negative are no shares."
            )
        if d.mean <= 0:
            return [Estimate(None, None, formulas.MEAN_NOT_POSITIVE) for _ in at]
        return [_ordinate(d, p) for p in at]

    def work(rows: pl.DataFrame) -> pl.DataFrame:
        sample = sampling.read(
            rows, value if rank is None else rank, value=value, weight=weight, by=by, errors=errors, what=what
        )
        told = sampling.estimated(sample, functional, [repr(p) for p in at], errors, column=_POINT)
        means = _means(sample, schema)
        joined = (
            told.join(means, on=keys, how="left", nulls_equal=True, maintain_order="left") if keys
            else told.with_columns(pl.lit(means[_MEAN][0], dtype=pl.Float64).alias(_MEAN))
        )  # fmt: skip
        return joined.with_columns(
            pl.col(_POINT).cast(pl.Float64).alias("population_share"), pl.col("value").alias("value_share"),
            (pl.col("value") * pl.col(_MEAN)).alias("generalised"),
        ).select(out.names())  # fmt: skip

    columns = sampling.needed(numbers, by=by, weight=weight, errors=errors)
    return back(lf.select(columns).map_batches(work, schema=out))


_POINT, _MEAN = "_point", "_mean"


def _means(sample: sampling.Sample, schema: pl.Schema) -> pl.DataFrame:
    held: list[tuple[object, ...]] = [(*g.name, g.rows.mean) for g in sample.groups]
    held += [(*name, None) for name, _ in sample.empty]
    return pl.DataFrame(held, schema={**{c: schema[c] for c in sample.by}, _MEAN: pl.Float64()}, orient="row")


def _points(points: int | Sequence[float]) -> list[float]:
    if isinstance(points, int | np.integer):
        if points < 2:
            raise RangeError(f"A curve of {points} points is none; expected at least 2.")
        return [float(p) for p in np.linspace(0, 1, points)]
    told = sorted({float(p) for p in points})
    if not told or not (told[0] >= 0 and told[-1] <= 1):
        raise RangeError(f"Points of a curve are population shares from 0 to 1; got {list(points)}.")
    return told


def _ordinate(d: Ordered, p: float) -> Estimate:
    if p in {0.0, 1.0}:
        return Estimate(p, lambda s: np.zeros(len(d.value[s])))
    share = d.amount_below(p)[0] / d.mean

    on_amount = formulas.cumulative_influence(d, p)
    return Estimate(share, lambda s: (on_amount(s) - share * (d.value[s] - d.mean)) / d.mean)


def _ordered(values: npt.ArrayLike | pl.Series, weight: npt.ArrayLike | pl.Series | None, what: str) -> Ordered:
    """Return loose values as a distribution, by the rules of a frame."""
    table = pl.DataFrame({"value": _series(values)})
    if weight is not None:
        weights = _series(weight)
        if len(weights) != table.height:
            raise DataError(f"{what}: {table.height} values and {len(weights)} weights; expected as many of each.")
        table = table.with_columns(weights.alias("weight"))
    return sampling.read(table, "value", weight=None if weight is None else "weight", what=what).groups[0].rows


def _series(values: npt.ArrayLike | pl.Series) -> pl.Series:
    if isinstance(values, pl.Series):
        need_numbers(pl.Schema({values.name or "values": values.dtype}), [values.name or "values"], what="This measure")
        return values.cast(pl.Float64)
    try:
        return pl.Series(np.asarray(values, dtype=np.float64).ravel())
    except (TypeError, ValueError):
        raise DataError(f"Expected numbers, got {values!r:.80}. Read the file with its null values declared.") from None


def single(name: str, values: npt.ArrayLike | pl.Series, weight: npt.ArrayLike | pl.Series | None,
            line: float | None = None) -> float:  # fmt: skip
    """Return a named measure of loose values, or say why there is none."""
    told = formulas.measure(name, line=line).estimate(_ordered(values, weight, name))
    if told.value is None:
        raise DataError(
            f"{name} has no value here: {told.note}. Values of 0, a mean that is not above 0 or a single row leave it "
            "undefined; inequality() gives a table with the reason instead of this error."
        )
    return float(told.value) + 0.0  # no minus 0


def gini(
    values: npt.ArrayLike | pl.Series, *, weight: npt.ArrayLike | pl.Series | None = None, corrected: bool = False
) -> float:
    """Return the Gini coefficient: 0 where all have the same, near 1 where one has all.

    Parameters
    ----------
    values
        One per row [any unit]; missing ones are left out. Negative ones are allowed, and can lift it above 1.
    weight
        One per value, 0 or more.
    corrected
        Multiply by n / (n - 1), which takes most of the bias from small samples.

    Raises
    ------
    DataError
        The mean is not above 0, or weights or values that cannot be.

    Examples
    --------
    >>> round(gini([10, 20, 30, 40, 50]), 6), round(gini([10, 20], weight=[3, 1]), 6)
    (0.266667, 0.15)
    """
    return single("gini_corrected" if corrected else "gini", values, weight)


def generalised_entropy(
    values: npt.ArrayLike | pl.Series, alpha: float, *, weight: npt.ArrayLike | pl.Series | None = None
) -> float:
    """Return the generalised entropy of order ``alpha``; the higher, the more the top counts.

    Parameters
    ----------
    values, weight
        As in :func:`gini`; above 0, or from 0 on for an order above 0.
    alpha
        Order, any number: 0 is :func:`mean_log_deviation`, 1 :func:`theil_t`, 2 half the squared variation coefficient.

    Examples
    --------
    >>> round(generalised_entropy([10, 20, 30, 40, 50], 2), 6)
    0.111111

    References
    ----------
    Shorrocks (1980), Econometrica 48, 613-625. doi:10.2307/1913126
    """
    return single(f"ge({float(alpha)!r})", values, weight)


def theil_t(values: npt.ArrayLike | pl.Series, *, weight: npt.ArrayLike | pl.Series | None = None) -> float:
    """Return Theil's T; values of 0 count as 0 · ln 0 = 0. Arguments as in :func:`gini`.

    Examples
    --------
    >>> round(theil_t([10, 20, 30, 40, 50]), 6)
    0.119688
    """
    return single("theil_t", values, weight)


def mean_log_deviation(values: npt.ArrayLike | pl.Series, *, weight: npt.ArrayLike | pl.Series | None = None) -> float:
    """Return the mean log deviation (Theil's L); all values must be above 0. Arguments as in :func:`gini`.

    Examples
    --------
    >>> round(mean_log_deviation([10, 20, 30, 40, 50]), 6)
    0.141114
    """
    return single("mld", values, weight)


def atkinson(
    values: npt.ArrayLike | pl.Series, epsilon: float, *, weight: npt.ArrayLike | pl.Series | None = None
) -> float:
    """Return the Atkinson index: the share of the total that could go if the rest were shared equally.

    Parameters
    ----------
    values, weight
        As in :func:`gini`; from 0 on, and above 0 for an aversion of 1 or more.
    epsilon
        Aversion to inequality, 0 or more: the higher, the more the bottom counts.

    Notes
    -----
    Made in logarithms: neither a million rows nor a high aversion runs under.

    Examples
    --------
    >>> round(atkinson([10, 20, 30, 40, 50], 0.5), 5), round(atkinson([10, 20, 30, 40, 50], 1), 5)
    (0.06315, 0.13161)

    References
    ----------
    Atkinson (1970), On the measurement of inequality, Journal of Economic Theory 2, 244-263.
    doi:10.1016/0022-0531(70)90039-6
    """
    if not epsilon >= 0:
        raise RangeError(f"epsilon is {epsilon}; an aversion is 0 or more.")
    return single(f"atkinson({float(epsilon)!r})", values, weight)


def hoover(values: npt.ArrayLike | pl.Series, *, weight: npt.ArrayLike | pl.Series | None = None) -> float:
    """Return the Hoover index: the share of the total that would have to change hands. Arguments as in :func:`gini`.

    Also known as Robin Hood, Schutz or Ricci-Schutz index; the largest height between diagonal and Lorenz curve.

    Examples
    --------
    >>> round(hoover([10, 20, 30, 40, 50]), 6)
    0.2
    """
    return single("hoover", values, weight)


def palma(values: npt.ArrayLike | pl.Series, *, weight: npt.ArrayLike | pl.Series | None = None) -> float:
    """Return the share of the richest tenth over that of the poorest four tenths. Arguments as in :func:`gini`.

    Shares are read off the Lorenz curve, straight between its points.

    Examples
    --------
    >>> round(palma([10, 20, 30, 40, 50]), 6)
    0.833333
    """
    return single("palma", values, weight)


def share_ratio(
    values: npt.ArrayLike | pl.Series, high: float, low: float, *, weight: npt.ArrayLike | pl.Series | None = None
) -> float:
    """Return the share held above ``high`` of the population over that held below ``low``: S80/S20 is (0.8, 0.2).

    Examples
    --------
    >>> share_ratio([10, 20, 30, 40, 50], 0.8, 0.2)
    5.0
    """
    return single(f"share_ratio({float(high)!r},{float(low)!r})", values, weight)


def quantile(
    values: npt.ArrayLike | pl.Series, share: float, *, weight: npt.ArrayLike | pl.Series | None = None
) -> float:
    """Return a weighted quantile, interpolated between the middles of the steps of the distribution function.

    Weights may be cut up and equal rows joined without a change; without weights and ties it is Hazen's rule (type 5 of
    Hyndman and Fan).

    Parameters
    ----------
    values, weight
        As in :func:`gini`; any values.
    share
        Share of the population below it, 0 to 1.

    Examples
    --------
    >>> quantile([10, 20, 30, 40, 50], 0.5), quantile([10, 20, 30, 40, 50], 0.4)
    (30.0, 25.0)

    References
    ----------
    Ma, Genton and Parzen (2011), Asymptotic properties of sample quantiles of discrete distributions, Annals of the
    Institute of Statistical Mathematics 63, 227-243. doi:10.1007/s10463-008-0215-z
    """
    if not 0 <= share <= 1:
        raise RangeError(f"share is {share}; a quantile is asked for by a share of the population from 0 to 1.")
    return _ordered(values, weight, "quantile").quantile(share)


def quantile_ratio(
    values: npt.ArrayLike | pl.Series, high: float, low: float, *, weight: npt.ArrayLike | pl.Series | None = None
) -> float:
    """Return one quantile over another: P90/P10 is (0.9, 0.1).

    Examples
    --------
    >>> quantile_ratio([10, 20, 30, 40, 50], 0.9, 0.1)
    5.0
    """
    return single(f"quantile_ratio({float(high)!r},{float(low)!r})", values, weight)
