"""People in places: how much of what differs lies between places, once what is known of the people is taken out.

A random intercept for each place. For numbers, a mixed model by restricted maximum likelihood, with the interval of the
variance between places from its profile, which may begin at 0. All but the ratio of the two variances has a closed
form, so that the ratio is looked for along one line: statsmodels' search, in all directions at once, ended short of the
maximum on some tables and said that it had converged (0.050 for 0.009 on one of 300 rows). For outcomes of 0 and 1, a
logit by maximum likelihood with Gauss-Hermite quadrature over the place, its nodes laid where each place's likelihood
is: statsmodels has such a model only by variational Bayes, whose errors of the constant were about half of what
repeated samples show.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import polars as pl

from citylab.errors import DataError, RefusalError, SchemaError, need_level, suggest
from citylab.frames import columns_of, need_columns, need_numbers
from citylab.stats.survey import Design, Surveyed, need_full_rank, read, surveyed, terms

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

Kind = Literal["linear", "logit"]

FIXED, VARIANCE = "fixed", "variance"
BETWEEN, WITHIN, SHARE = "between_variance", "within_variance", "between_share"
AT_ZERO = "variance_at_zero"
_NODES = 21
_NEWTON, _NEWTON_STEP, _NEWTON_END = 100, 2.0, 1e-10  # steps to a place's likeliest level, their longest, when to stop
_LOGISTIC_VARIANCE = math.pi**2 / 3
_SMALLEST = 1e-6  # standard deviation between places that counts as none
_LOG_SPREAD = (-6.0, 3.0)  # of the standard deviation between places, where it is looked for
_STEP = 1e-5
_LOG_RATIO, _GRID = (-16.0, 16.0), 65  # of the two variances, where their ratio is looked for, and first looks
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
        One row per person: ``design=NO_DESIGN``, or a :class:`~citylab.stats.survey.Design` whose PSUs are the places
        and whose weights are all alike. See the notes for other designs.
    outcome
        Column of numbers, or of 0 and 1 for a logit.
    covariates
        Columns of numbers or of categories (first: base). A constant is added. Rows that lack any are left out.
    place
        Column of the places.
    model
        ``linear`` (REML) or ``logit`` (maximum likelihood, 21 adaptive nodes).
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
        Weights that differ, strata, PSUs other than the places, a finite population or replicate weights were declared.
    DataError
        Fewer than 10 places, no place with two rows, too few rows or places for the covariates, collinear covariates,
        or an outcome that a logit does not take.

    Notes
    -----
    **Weights.** statsmodels' mixed models take none. Pseudo-likelihoods do (Pfeffermann et al. 1998), but need the
    chance of each place and of each person within it apart; one weight, the product of both, does not tell them, and
    results hang on how weights within places are scaled (Rabe-Hesketh and Skrondal 2006). Three ways stand open. For
    coefficients and their errors: :func:`citylab.stats.survey.regression` with the design as it was declared; PSUs stay
    those that were drawn. For what lies between places: put what the weights depend on (strata, size of the place, age
    and sex if they were raked) among the covariates and leave the weights out, with the plain frame and
    ``design=NO_DESIGN``; given those, an unweighted model is right if chances depend on nothing else that moves the
    outcome. To see whether weights matter: compare the regression with and without them; where coefficients differ
    beyond their errors, the unweighted model describes the sample only.

    Intervals of a linear model's coefficients take Student's quantiles with the degrees of freedom between places for
    what is the same throughout each place (the constant too), and within places for the rest. The fixed effects of a
    logit are those at the place's own level, further from 0 than averages over places. With few
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
    Pfeffermann, Skinner, Holmes, Goldstein and Rasbash (1998), Weighting for unequal selection probabilities in
    multilevel models, Journal of the Royal Statistical Society B 60, 23-40. doi:10.1111/1467-9868.00106
    Rabe-Hesketh and Skrondal (2006), Multilevel modelling of complex survey data, Journal of the Royal Statistical
    Society A 169, 805-827. doi:10.1111/j.1467-985X.2006.00426.x
    Schluchter and Elashoff (1990), Small-sample adjustments to tests with unbalanced repeated measures assuming several
    covariance structures, Journal of Statistical Computation and Simulation 37, 69-87. doi:10.1080/00949659008811295
    """
    if model not in get_args(Kind):
        raise suggest(str(model), get_args(Kind), what="model", see="citylab.stats.multilevel.multilevel")
    need_level(level)
    s = surveyed(survey, design, what="multilevel")
    _refuse_design(s.design, place)
    named = columns_of(covariates) if covariates else []
    if place in (outcome, *named):
        raise SchemaError(f"multilevel: {place!r} is the place; it cannot be outcome or covariate too.")
    schema = need_columns(s.frame, [outcome, place, *named], what="multilevel")
    need_numbers(schema, [] if schema[outcome] == pl.Boolean else [outcome], what="multilevel")
    sample = read(s, [outcome, place, *named], what="multilevel")
    y = sample.table[outcome].cast(pl.Float64).fill_null(np.nan).to_numpy()
    if np.isinf(y).any():
        raise DataError(f"multilevel: outcome {outcome!r} holds infinite values. Find what made them.")
    of = terms(sample.table, named, what="multilevel") if named else None
    values = np.empty((len(y), 0)) if of is None else of.values
    held = sample.weight > 0
    if held.any() and np.ptp(sample.weight[held]) > 0:
        _refuse_weights("weights that differ")
    known = held & np.isfinite(y) & np.isfinite(values).all(axis=1) & sample.table[place].is_not_null().to_numpy()
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
    told = {"level": level, "n": len(y), "n_places": count, "n_missing": int((held & ~known).sum()), "method": method}
    fields = {"part": pl.String, "term": pl.String, "value": pl.Float64, "se": pl.Float64, "lower": pl.Float64,
              "upper": pl.Float64, "note": pl.String}  # fmt: skip
    out = pl.DataFrame(rows, schema=fields, orient="row").with_columns(pl.lit(v).alias(k) for k, v in told.items())
    return out.select(*(c for c in out.columns if c != "note"), "note")


def _refuse_design(design: Design | None, place: str) -> None:
    if design is None:
        return
    if design.replicates:
        _refuse_weights("replicate weights")
    if design.strata is not None or design.fpc is not None:
        _refuse_weights("strata or a finite population")
    if design.psu is not None and design.psu != place:
        _refuse_weights(f"PSUs ({design.psu!r}) other than the places ({place!r})")


def _refuse_weights(said: str) -> None:
    raise RefusalError(
        f"multilevel takes no {said}: a single weight does not tell the chance of a place from that of a person in it. "
        "For coefficients take citylab.stats.survey.regression with the design as it is. For the share between places "
        "put what the weights depend on (strata, size of place) among the covariates and give the plain frame with "
        "design=NO_DESIGN; the result then describes the sample given those."
    )


Row = tuple[str, str, float, float | None, float, float, str | None]


def _linear(y: Floats, x: Floats, code: Ints, names: list[str], level: float) -> tuple[list[Row], str]:
    from scipy.special import chdtri, stdtrit

    middle, size = y.mean(), y.std()
    if not size > 0:
        raise DataError("multilevel: the outcome is the same in every row.")
    is_place = _is_the_same_within(x, code)
    count = int(code.max()) + 1
    df_between, df_within = count - int(is_place.sum()), len(y) - count - int((~is_place).sum())
    if df_between < 1 or df_within < 1:
        raise DataError(
            f"multilevel: {len(y)} rows in {count} places leave {df_between} degrees of freedom between places and "
            f"{df_within} within them for {x.shape[1]} coefficients; expected 1 of each or more. Take fewer covariates."
        )
    scaled, back = _scaled(x)
    ratio = _ratio(y - middle, scaled, code)
    within, raw, covariance = _closed((y - middle) / size, scaled, code, ratio)
    within *= size**2
    beta = back @ raw * size
    se = np.sqrt(np.diag(back @ covariance @ back.T)) * size
    beta[0] += middle
    between = ratio * within
    reach = stdtrit(np.where(is_place, df_between, df_within), (1 + level) / 2) * se
    rows: list[Row] = [
        (FIXED, n, float(b), float(e), float(b - r), float(b + r), None)
        for n, b, e, r in zip(names, beta, se, reach, strict=True)
    ]
    low, high = _profile(y - middle, scaled, code, ratio, level)
    note = AT_ZERO if ratio < _SMALLEST**2 else None
    rows.append((VARIANCE, BETWEEN, between, None, low * within, high * within, note))
    error = within * math.sqrt(2 / df_within)
    ends = [within * df_within / float(chdtri(df_within, (1 + s * level) / 2)) for s in (-1, 1)]
    rows.append((VARIANCE, WITHIN, within, error, ends[0], ends[1], None))
    rows.append((VARIANCE, SHARE, between / (between + within), None, low / (1 + low), high / (1 + high), note))
    return rows, "reml"


def _scaled(x: Floats) -> tuple[Floats, Floats]:
    """Return columns centred and of like size, the constant as it is, and what turns their coefficients back."""
    middle, size = np.append(0.0, x[:, 1:].mean(axis=0)), np.append(1.0, x[:, 1:].std(axis=0))
    back = np.diag(1 / size)
    back[0, 1:] = -middle[1:] / size[1:]
    return (x - middle) / size, back


def _is_the_same_within(x: Floats, code: Ints) -> npt.NDArray[np.bool_]:
    """Return which columns do not vary within any place."""
    first = np.zeros((int(code.max()) + 1, x.shape[1]))
    first[code] = x
    return np.asarray((x == first[code]).all(axis=0))


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
    xx, xy, yy, sizes = _moments(y, x, code, ratio)
    left = yy - float(xy @ np.linalg.solve(xx, xy))
    return -0.5 * ((n - p) * math.log(left) + float(np.log1p(sizes * ratio).sum()) + float(np.linalg.slogdet(xx)[1]))


def _moments(y: Floats, x: Floats, code: Ints, ratio: float) -> tuple[Floats, Floats, float, Floats]:
    """Return the moments of columns and outcome weighted by the inverse of their covariance, and sizes of places."""
    sizes = np.bincount(code).astype(float)
    # V of a place is I + ratio J; its inverse I - c J with c = ratio / (1 + size · ratio).
    c = ratio / (1 + sizes * ratio)
    sums_x = np.stack([np.bincount(code, column) for column in x.T], axis=1)
    sums_y = np.bincount(code, y)
    xx = x.T @ x - (sums_x * c[:, None]).T @ sums_x
    xy = x.T @ y - sums_x.T @ (c * sums_y)
    return xx, xy, float(y @ y - sums_y @ (c * sums_y)), sizes


def _closed(y: Floats, x: Floats, code: Ints, ratio: float) -> tuple[float, Floats, Floats]:
    """Return the variance within places, coefficients and their covariance, given the ratio of variances."""
    xx, xy, yy, _ = _moments(y, x, code, ratio)
    beta = np.asarray(np.linalg.solve(xx, xy), dtype=np.float64)
    within = (yy - float(xy @ beta)) / (len(y) - x.shape[1])
    return within, beta, np.asarray(within * np.linalg.inv(xx), dtype=np.float64)


def _ratio(y: Floats, x: Floats, code: Ints) -> float:
    """Return the ratio of variances at which the restricted likelihood is greatest."""
    from scipy.optimize import minimize_scalar

    def cost(log_ratio: float) -> float:
        return -restricted_loglikelihood(y, x, code, math.exp(log_ratio))

    looks = np.linspace(*_LOG_RATIO, _GRID)
    best = int(np.argmin([cost(at) for at in looks]))
    ends = looks[max(best - 1, 0)], looks[min(best + 1, _GRID - 1)]
    found = minimize_scalar(cost, bounds=ends, method="bounded", options={"xatol": _STEP**2})
    return 0.0 if -found.fun <= restricted_loglikelihood(y, x, code, 0.0) else math.exp(float(found.x))


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
    scaled, back = _scaled(x)
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
    if found.x[k] >= _LOG_SPREAD[1] - _SMALLEST:
        raise DataError(
            "multilevel: the outcome is the same throughout most places, so that there is no end to how far they lie "
            "apart. Join places, or compare them by counts."
        )
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
    low, high = (
        (0.0, _highest(cost, found, level))
        if is_none
        else (between * math.exp(-2 * z * error), between * math.exp(2 * z * error))
    )
    note = AT_ZERO if is_none else None
    share: Any = [v / (v + _LOGISTIC_VARIANCE) for v in (between, low, high)]
    rows.append((VARIANCE, BETWEEN, between, None if is_none else 2 * between * error, low, high, note))
    rows.append((VARIANCE, WITHIN, _LOGISTIC_VARIANCE, None, _LOGISTIC_VARIANCE, _LOGISTIC_VARIANCE, None))
    rows.append((VARIANCE, SHARE, share[0], None, share[1], share[2], note))
    return rows, "maximum_likelihood"


def _highest(cost: Any, found: Any, level: float) -> float:
    """Return the variance between places up to which the profile likelihood is near its top, where that is at 0."""
    from scipy.optimize import brentq, minimize
    from scipy.special import chdtri

    drop = float(chdtri(1, 1 - level)) / 2
    k = len(found.x) - 1

    def below(log_spread: float) -> float:
        def of(beta: Floats) -> tuple[float, Floats]:
            value, slope = cost(np.append(beta, log_spread))
            return value, slope[:k]

        fit = minimize(of, found.x[:k], jac=True, method="L-BFGS-B")
        return float(found.fun - fit.fun) + drop

    if below(_LOG_SPREAD[1]) > 0:
        return math.inf
    return math.exp(2 * float(brentq(below, _LOG_SPREAD[0], _LOG_SPREAD[1], xtol=_STEP)))


def _likeliest(offset: Floats, y: Floats, code: Ints, spread: float, count: int) -> tuple[Floats, Floats]:
    """Return each place's likeliest level [standard deviations between places] and the width of its likelihood."""
    from scipy.special import expit

    u: Floats = np.zeros(count)
    curve: Floats = np.ones(count)
    for _ in range(_NEWTON):
        p = expit(offset + spread * u[code])
        slope = spread * np.bincount(code, y - p, minlength=count) - u
        curve = np.asarray(1 + spread**2 * np.bincount(code, p * (1 - p), minlength=count), dtype=np.float64)
        step = slope / curve
        longest = _NEWTON_STEP / max(spread, 1.0)
        u = u + np.clip(step, -longest, longest)
        if np.abs(step).max() < _NEWTON_END:
            break
    return u, 1 / np.sqrt(curve)


def loglikelihood(theta: Floats, y: Floats, x: Floats, code: Ints) -> tuple[float, Floats]:
    """Return the log-likelihood of a logit with a random intercept, and its gradient.

    Parameters
    ----------
    theta
        Coefficients and the logarithm of the standard deviation between places.
    y, x, code
        Outcome of 0 and 1, covariates with a constant, place counted from 0.

    Notes
    -----
    Nodes are laid around each place's likeliest level, as wide as its likelihood: with many rows in a place that is far
    narrower than the distance of fixed nodes, which then miss it (with 500 rows a place errors were half too small).

    Examples
    --------
    A standard deviation near 0 leaves a plain logit: two rows of probability one half.

    >>> value, _ = loglikelihood(np.array([0.0, -20.0]), np.array([0.0, 1.0]), np.ones((2, 1)), np.array([0, 0]))
    >>> round(value, 6) == round(2 * math.log(0.5), 6)
    True

    References
    ----------
    Pinheiro and Bates (1995), Approximations to the log-likelihood function in the nonlinear mixed-effects model,
    Journal of Computational and Graphical Statistics 4, 12-35. doi:10.1080/10618600.1995.10474663
    """
    from scipy.special import expit, log_expit, logsumexp

    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    k = x.shape[1]
    spread, offset = math.exp(theta[k]), x @ theta[:k]
    count = int(code.max()) + 1
    middle, width = _likeliest(offset, y, code, spread, count)
    at = middle[:, None] + width[:, None] * nodes
    # The normal density of a level over that of the node, and the width that the place's levels are stretched by.
    log_weights = np.log(weights / weights.sum()) + (nodes**2 - at**2) / 2 + np.log(width)[:, None]
    eta = offset[:, None] + spread * at[code]
    sign = np.where(y > 0, 1.0, -1.0)[:, None]
    by_node = log_expit(sign * eta)
    places = np.stack([np.bincount(code, column, minlength=count) for column in by_node.T], axis=1) + log_weights
    each = logsumexp(places, axis=1)
    posterior = np.exp(places - each[:, None])
    residual = np.where(y > 0, 1.0, 0.0)[:, None] - expit(eta)
    weighted = residual * posterior[code]
    slope = np.append(x.T @ weighted.sum(axis=1), spread * float((weighted * at[code]).sum()))
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
