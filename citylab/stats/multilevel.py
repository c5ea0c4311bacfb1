"""People in places: how much of what differs lies between places, once what is known of the people is taken out.

A random intercept for each place. For numbers, statsmodels' mixed model by restricted maximum likelihood, with the
interval of the variance between places from its profile, which may begin at 0. For outcomes of 0 and 1, a logit by
maximum likelihood with Gauss-Hermite quadrature over the place: statsmodels has such a model only by variational Bayes,
whose errors of the constant were about half of what repeated samples show.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import polars as pl

from citylab.errors import DataError, RefusalError, SchemaError, need_level, suggest
from citylab.frames import columns_of, need_columns
from citylab.stats.survey import Design, Surveyed, need_full_rank, read, surveyed, terms

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

Kind = Literal["linear", "logit"]

FIXED, VARIANCE = "fixed", "variance"
BETWEEN, WITHIN, SHARE = "between_variance", "within_variance", "between_share"
AT_ZERO = "variance_at_zero"
_NODES = 31
_LOGISTIC_VARIANCE = math.pi**2 / 3
_SMALLEST = 1e-6  # standard deviation between places that counts as none
_LOG_SPREAD = (-6.0, 3.0)  # of the standard deviation between places, where it is looked for
_STEP = 1e-5
_LARGEST = 30.0  # a coefficient per standard deviation beyond which nothing is left to tell
_FEW = 10


def multilevel(
    survey: Surveyed,
    outcome: str,
    covariates: str | Sequence[str] = (),
    *,
    place: str,
    model: Kind = "linear",
    design: Design | str | None = None,
    level: float = 0.95,
) -> pl.DataFrame:
    """Return a regression with a random intercept for each place, and how much of the variance lies between places.

    Parameters
    ----------
    survey, design
        One row per person, without weights, strata or clusters other than the places: say ``design=NO_DESIGN``. A
        mixed model with survey weights has no agreed estimator in the library, so it is refused; take
        :func:`citylab.stats.survey.regression` with the places as PSUs.
    outcome
        Column of numbers, or of 0 and 1 for a logit.
    covariates
        Columns of numbers or of categories (first: base). A constant is added. Rows that lack any are left out.
    place
        Column of the places.
    model
        ``linear`` (REML) or ``logit`` (maximum likelihood, 31 nodes).
    level
        Level of the intervals.

    Returns
    -------
    polars.DataFrame
        One row per term of ``part`` "fixed", then the ``part`` "variance": ``between_variance``, ``within_variance``
        (of a logit π²/3, that of the logistic distribution) and ``between_share`` (intraclass correlation). Columns
        ``part``, ``term``, ``value``, ``se`` (null where the interval is of the profile), ``lower``, ``upper``,
        ``level``, ``n``, ``n_places``, ``n_missing``, ``method``, ``note``.

    Raises
    ------
    RefusalError
        Weights or a design were declared.
    DataError
        Fewer than 10 places, no place with two rows, collinear covariates, or an outcome that a logit does not take.

    Notes
    -----
    The fixed effects of a logit are those at the place's own level, further from 0 than averages over places. With few
    places (below 30, say) the variance between them is known badly; its interval tells.

    Examples
    --------
    >>> from citylab.stats.survey import NO_DESIGN
    >>> rows = pl.DataFrame({"place": [p for p in range(12) for _ in range(2)],
    ...                      "hours": [float(p % 4 + i) for p in range(12) for i in range(2)]})
    >>> told = multilevel(rows, "hours", place="place", design=NO_DESIGN)
    >>> told.filter(part="fixed")["value"].round(6).item()  # the mean of all
    2.0

    References
    ----------
    Goldstein (2010), Multilevel Statistical Models, 4th edition. doi:10.1002/9780470973394
    """
    if model not in get_args(Kind):
        raise suggest(str(model), get_args(Kind), what="model", see="citylab.stats.multilevel.multilevel")
    need_level(level)
    s = surveyed(survey, design, what="multilevel")
    if s.design is not None:
        raise RefusalError(
            "multilevel takes no survey weights, strata or clusters: the library has no estimator for them. Take "
            "citylab.stats.survey.regression with the places as PSUs, or drop the design with design=NO_DESIGN."
        )
    named = columns_of(covariates) if covariates else []
    if place in (outcome, *named):
        raise SchemaError(f"multilevel: {place!r} is the place; it cannot be outcome or covariate too.")
    need_columns(s.frame, [outcome, place, *named], what="multilevel")
    sample = read(s, [outcome, place, *named], what="multilevel")
    y = sample.table[outcome].cast(pl.Float64).fill_null(np.nan).to_numpy()
    of = terms(sample.table, named, what="multilevel") if named else None
    values = np.empty((len(y), 0)) if of is None else of.values
    known = np.isfinite(y) & np.isfinite(values).all(axis=1) & sample.table[place].is_not_null().to_numpy()
    y, x = y[known], np.column_stack([np.ones(int(known.sum())), values[known]])
    names = ["constant", *([] if of is None else of.names)]
    code = sample.table[place].filter(pl.Series(known)).rank("dense").cast(pl.Int64).to_numpy() - 1
    count = int(code.max()) + 1 if len(code) else 0
    if count < _FEW:
        raise DataError(f"multilevel: {count} places in {place!r} cannot tell a variance between places; give {_FEW}.")
    if len(y) == count:
        raise DataError(f"multilevel: each place in {place!r} has one row, so that places and people are one thing.")
    need_full_rank(x, [] if of is None else of.names, what="multilevel")
    fit = _linear if model == "linear" else _logit
    rows, method = fit(y, x, code, names, level)
    told = {"level": level, "n": len(y), "n_places": count, "n_missing": int((~known).sum()), "method": method}
    schema = {"part": pl.String, "term": pl.String, "value": pl.Float64, "se": pl.Float64, "lower": pl.Float64,
              "upper": pl.Float64, "note": pl.String}  # fmt: skip
    out = pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.lit(v).alias(k) for k, v in told.items())
    return out.select(*(c for c in out.columns if c != "note"), "note")


Row = tuple[str, str, float, float | None, float, float, str | None]


def _linear(y: Floats, x: Floats, code: Ints, names: list[str], level: float) -> tuple[list[Row], str]:
    import warnings

    import statsmodels.api as sm
    from scipy.special import ndtri

    middle, size = y.mean(), y.std()
    if not size > 0:
        raise DataError("multilevel: the outcome is the same in every row.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a variance at 0, which is told in the note
        fit = sm.MixedLM((y - middle) / size, x, groups=code).fit(reml=True)
    beta, se = np.asarray(fit.fe_params) * size, np.asarray(fit.bse_fe) * size
    beta[0] += middle
    within = float(fit.scale) * size**2
    between = max(float(np.asarray(fit.cov_re)[0, 0]), 0.0) * size**2
    z = float(ndtri((1 + level) / 2))
    rows: list[Row] = [
        (FIXED, n, float(b), float(e), float(b - z * e), float(b + z * e), None)
        for n, b, e in zip(names, beta, se, strict=True)
    ]
    low, high = _profile(y, x, code, between / within, level)
    note = AT_ZERO if between < _SMALLEST**2 * within else None
    rows.append((VARIANCE, BETWEEN, between, None, low * within, high * within, note))
    error = within * math.sqrt(2 / (len(y) - int(code.max()) - x.shape[1]))
    rows.append((VARIANCE, WITHIN, within, error, within - z * error, within + z * error, None))
    rows.append((VARIANCE, SHARE, between / (between + within), None, low / (1 + low), high / (1 + high), note))
    return rows, "reml"


def restricted_loglikelihood(y: Floats, x: Floats, code: Ints, ratio: float) -> float:
    """Return the restricted log-likelihood of a random intercept, up to a constant, at a ratio of the two variances.

    Parameters
    ----------
    y, x, code
        Outcome, covariates with a constant, place counted from 0.
    ratio
        Variance between places over that within.

    Examples
    --------
    >>> y, x = np.array([1.0, 1.2, 3.0, 3.1]), np.ones((4, 1))
    >>> code = np.array([0, 0, 1, 1])
    >>> restricted_loglikelihood(y, x, code, 1.0) > restricted_loglikelihood(y, x, code, 0.0)
    True

    References
    ----------
    Patterson and Thompson (1971), Biometrika 58, 545-554. doi:10.1093/biomet/58.3.545
    """
    n, p = x.shape
    sizes = np.bincount(code).astype(float)
    # V of a place is I + ratio J; its inverse I - c J with c = ratio / (1 + size · ratio).
    c = ratio / (1 + sizes * ratio)
    sums_x = np.stack([np.bincount(code, column) for column in x.T], axis=1)
    sums_y = np.bincount(code, y)
    xx = x.T @ x - (sums_x * c[:, None]).T @ sums_x
    xy = x.T @ y - sums_x.T @ (c * sums_y)
    yy = float(y @ y - sums_y @ (c * sums_y))
    left = yy - float(xy @ np.linalg.solve(xx, xy))
    return -0.5 * ((n - p) * math.log(left) + float(np.log1p(sizes * ratio).sum()) + float(np.linalg.slogdet(xx)[1]))


def _profile(y: Floats, x: Floats, code: Ints, ratio: float, level: float) -> tuple[float, float]:
    """Return the bounds of the ratio of variances between which the likelihood is near its top."""
    from scipy.optimize import brentq
    from scipy.special import chdtri

    centred = y - y.mean()
    drop = float(chdtri(1, 1 - level)) / 2
    top = restricted_loglikelihood(centred, x, code, ratio)

    def below(at: float) -> float:
        return restricted_loglikelihood(centred, x, code, at) - top + drop

    low = 0.0 if below(0.0) >= 0 else float(brentq(below, 0.0, ratio))
    high = max(ratio, 1.0)
    while below(high) > 0:
        high *= 2
    return low, float(brentq(below, ratio, high))


def _logit(y: Floats, x: Floats, code: Ints, names: list[str], level: float) -> tuple[list[Row], str]:
    from scipy.optimize import minimize
    from scipy.special import ndtri

    if not np.isin(y, (0.0, 1.0)).all():
        raise DataError(f"multilevel: the outcome of a logit is 0 or 1; found values from {y.min():g} to {y.max():g}.")
    if y.min() == y.max():
        raise DataError(f"multilevel: the outcome is {y[0]:g} in every row.")
    middle = np.append(0.0, x[:, 1:].mean(axis=0))
    size = np.append(1.0, x[:, 1:].std(axis=0))
    back = np.diag(1 / size)
    back[0, 1:] = -middle[1:] / size[1:]
    scaled = (x - middle) / size
    k = x.shape[1]
    start = np.append(np.zeros(k), 0.0)
    start[0] = math.log(y.mean() / (1 - y.mean()))

    def cost(theta: Floats) -> tuple[float, Floats]:
        value, slope = loglikelihood(theta, y, scaled, code)
        return -value, -slope

    found = minimize(
        cost, start, jac=True, method="L-BFGS-B", bounds=[(None, None)] * k + [(_LOG_SPREAD[0], _LOG_SPREAD[1])]
    )
    if np.abs(found.x[:k]).max() > _LARGEST:
        raise DataError("multilevel: the covariates tell the outcome apart without error; a logit has no answer.")
    spread = math.exp(float(found.x[k]))
    is_none = found.x[k] <= _LOG_SPREAD[0] + _SMALLEST
    curve = _curvature(cost, found.x)
    covariance = np.linalg.pinv(curve[:k, :k]) if is_none else np.linalg.inv(curve)
    se = np.sqrt(np.diag(back @ covariance[:k, :k] @ back.T))
    beta = back @ found.x[:k]
    z = float(ndtri((1 + level) / 2))
    rows: list[Row] = [
        (FIXED, n, float(b), float(e), float(b - z * e), float(b + z * e), None)
        for n, b, e in zip(names, beta, se, strict=True)
    ]
    between = 0.0 if is_none else spread**2
    error = 0.0 if is_none else math.sqrt(covariance[k, k])
    # The interval is symmetric on the scale of the logarithm of the standard deviation.
    low, high = (0.0, math.nan) if is_none else (between * math.exp(-2 * z * error), between * math.exp(2 * z * error))
    note = AT_ZERO if is_none else None
    share: Any = [v / (v + _LOGISTIC_VARIANCE) for v in (between, low, high)]
    rows.append((VARIANCE, BETWEEN, between, None if is_none else 2 * between * error, low, high, note))
    rows.append((VARIANCE, WITHIN, _LOGISTIC_VARIANCE, None, _LOGISTIC_VARIANCE, _LOGISTIC_VARIANCE, None))
    rows.append((VARIANCE, SHARE, share[0], None, share[1], share[2], note))
    return rows, "maximum_likelihood"


def loglikelihood(theta: Floats, y: Floats, x: Floats, code: Ints) -> tuple[float, Floats]:
    """Return the log-likelihood of a logit with a random intercept, and its gradient.

    Parameters
    ----------
    theta
        Coefficients and the logarithm of the standard deviation between places.
    y, x, code
        Outcome of 0 and 1, covariates with a constant, place counted from 0.

    Examples
    --------
    A standard deviation near 0 leaves a plain logit: two rows of probability one half.

    >>> value, _ = loglikelihood(np.array([0.0, -20.0]), np.array([0.0, 1.0]), np.ones((2, 1)), np.array([0, 0]))
    >>> round(value, 6) == round(2 * math.log(0.5), 6)
    True
    """
    from scipy.special import log_expit, logsumexp

    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    log_weights = np.log(weights / weights.sum())
    k = x.shape[1]
    spread = math.exp(theta[k])
    eta = (x @ theta[:k])[:, None] + spread * nodes
    sign = np.where(y > 0, 1.0, -1.0)[:, None]
    by_node = log_expit(sign * eta)
    count = int(code.max()) + 1
    places = np.stack([np.bincount(code, column, minlength=count) for column in by_node.T], axis=1) + log_weights
    each = logsumexp(places, axis=1)
    posterior = np.exp(places - each[:, None])
    residual = np.where(y > 0, 1.0, 0.0)[:, None] - np.exp(log_expit(eta))
    weighted = residual * posterior[code]
    slope = np.append(x.T @ weighted.sum(axis=1), spread * float((weighted @ nodes).sum()))
    return float(each.sum()), slope


def _curvature(cost: Any, at: Floats) -> Floats:
    """Return the second derivatives from differences of the gradient."""
    rows = []
    for i in range(len(at)):
        move = np.zeros(len(at))
        move[i] = _STEP
        rows.append((cost(at + move)[1] - cost(at - move)[1]) / (2 * _STEP))
    both = np.array(rows)
    return np.asarray((both + both.T) / 2, dtype=np.float64)
