"""How people choose their mode: a conditional logit of times and costs, its values of time and its elasticities.

The terms of each mode's utility stand in the declared table ``inclusive_behaviour_terms``. The model is fitted by the
maximum-likelihood machinery of statsmodels with an analytic gradient and Hessian. :func:`london` is the fit to trips of
London that ships with citylab; :func:`mode_choice` makes one from trips of your own.

The embedded table of London's trips in groups (``lpmc__yearly_tripgroup_modechoice``) gives shares and mean times, and
no model: its groups are formed by the mode taken, and a fit to their means takes differences between groups for those
between people. It puts the coefficient of cost at more than ten times that of the single trips.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from citylab import tables
from citylab.errors import DataError, RangeError, RefusalError, SchemaError, suggest
from citylab.frames import Frame, lazily, need_columns, need_numbers
from citylab.stats import bootstrap

Floats = npt.NDArray[np.float64]
Covariance = Literal["classical", "robust", "clustered"]

TERM_COLUMNS = ("coefficient", "mode", "column", "equals", "role", "expected_sign")
ROLES = ("constant", "time", "cost", "person")
_LEVEL = 0.95
_DRAWS = 1000


def rules(table: pl.DataFrame | None = None) -> dict[str, float]:
    """Return the limits of the module: ``inclusive_behaviour_rules`` by name."""
    told = tables.read("inclusive_behaviour_rules") if table is None else table
    return dict(told.select("rule", pl.col("value").cast(pl.Float64)).iter_rows())


# utilities


def _checked_terms(terms: pl.DataFrame | None) -> pl.DataFrame:
    told = tables.read("inclusive_behaviour_terms") if terms is None else terms
    missing = [c for c in TERM_COLUMNS if c not in told.columns]
    if missing:
        raise SchemaError(f"The terms need the columns {list(TERM_COLUMNS)}; {missing} missing.")
    odd = sorted(set(told["role"].to_list()) - set(ROLES))
    if odd:
        raise suggest(str(odd[0]), ROLES, what="role of a term", see="citylab.policy.inclusive.choice.ROLES")
    return told.select(*(pl.col(c).cast(pl.String) for c in TERM_COLUMNS[:5]), pl.col("expected_sign").cast(pl.Int64))


def _names(terms: pl.DataFrame) -> tuple[str, ...]:
    return tuple(terms["coefficient"].unique(maintain_order=True))


def design_array(frame: pl.DataFrame, terms: pl.DataFrame, modes: Sequence[str]) -> Floats:
    """Return what each coefficient is multiplied with in the utility of each mode.

    Parameters
    ----------
    frame
        One row per trip, with the columns of the terms.
    terms
        Terms as in ``inclusive_behaviour_terms``.
    modes
        The modes, in the order of the result.

    Returns
    -------
    numpy.ndarray
        Shape (trip, mode, coefficient), coefficients in the order in which the terms name them.

    Raises
    ------
    SchemaError
        A column is missing or holds no numbers.
    DataError
        A time or cost is missing, not finite or negative.
    """
    columns = [c for c in terms["column"].unique(maintain_order=True) if c is not None]
    schema = need_columns(frame.lazy(), columns, what="The model of mode choice")
    names = _names(terms)
    built = np.zeros((frame.height, len(modes), len(names)))
    for coefficient, mode, column, equals, role, _ in terms.iter_rows():
        at = (slice(None), list(modes).index(mode), names.index(coefficient))
        if column is None:
            built[at] += 1.0
        elif equals is not None:
            lost = frame[column].null_count()
            if lost:
                raise DataError(f"{column!r} is missing in {lost} of {frame.height} trips. Fill or drop them first.")
            built[at] += (frame[column].cast(pl.String) == equals).cast(pl.Float64).to_numpy()
        else:
            need_numbers(schema, [column], what="The model of mode choice")
            values = frame[column].cast(pl.Float64).fill_null(math.nan).to_numpy()
            bad = ~np.isfinite(values) | ((values < 0) if role in ("time", "cost") else False)
            if bad.any():
                row = int(np.flatnonzero(bad)[0])
                raise DataError(
                    f"{column!r} is missing, not finite or negative in {int(bad.sum())} of {frame.height} trips, first "
                    f"in row {row} ({values[row]}). Every trip needs the {role} of every mode it could have taken."
                )
            built[at] += values
    return built


def logit(utilities: Floats) -> Floats:
    """Return the probability of each alternative; the last axis is that of the alternatives.

    Examples
    --------
    >>> logit(np.array([0.0, np.log(3.0)])).round(2).tolist()
    [0.25, 0.75]
    """
    shifted = np.exp(utilities - utilities.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


@cache
def _likelihood() -> type:
    """Return the model as statsmodels sees it; made on first use because statsmodels is slow to import."""
    from statsmodels.base.model import GenericLikelihoodModel

    class ConditionalLogit(GenericLikelihoodModel):
        """McFadden's conditional logit with its gradient and Hessian."""

        def __init__(self, chosen: npt.NDArray[np.int64], built: Floats, names: Sequence[str]):
            self.built, self.rows = built, np.arange(len(chosen))
            super().__init__(chosen, extra_params_names=list(names))

        def _parts(self, params: Floats) -> tuple[Floats, Floats, Floats]:
            p = logit(self.built @ params)
            mean = np.matmul(p[:, None, :], self.built)[:, 0]
            return p, mean, self.built[self.rows, self.endog] - mean

        def loglikeobs(self, params: Floats) -> Floats:
            v = self.built @ params
            top = v.max(axis=1)
            return np.asarray(v[self.rows, self.endog] - top - np.log(np.exp(v - top[:, None]).sum(axis=1)))

        def score_obs(self, params: Floats, **_: Any) -> Floats:
            return self._parts(params)[2]

        def score(self, params: Floats) -> Floats:
            return np.asarray(self.score_obs(params).sum(axis=0))

        def hessian(self, params: Floats) -> Floats:
            p, mean, _ = self._parts(params)
            flat = self.built.reshape(-1, self.built.shape[2])
            return np.asarray(mean.T @ mean - flat.T @ (p.reshape(-1, 1) * flat))

    return ConditionalLogit


# the fitted model


@dataclass(frozen=True, eq=False)
class ModeChoice:
    """A conditional logit of mode choice.

    Attributes
    ----------
    terms
        Terms of the utilities.
    modes
        Alternatives.
    names, values
        Coefficients.
    covariance
        Covariance of the coefficients that intervals use: clustered by household where the trips name them.
    se_classical, se_robust
        Standard errors that take trips as independent: from the information, and robust to a wrong likelihood.
    trip_count, cluster_count
        Trips and households behind it; no households: 0.
    loglike, loglike_equal, loglike_shares
        Log-likelihood, and that of equal probabilities and of the shares of the sample.
    place, vintage, dataset_id
        Where and when the trips were made, and the data set.
    """

    terms: pl.DataFrame
    modes: tuple[str, ...]
    names: tuple[str, ...]
    values: Floats
    covariance: Floats
    se_classical: Floats
    se_robust: Floats
    trip_count: int
    cluster_count: int
    loglike: float
    loglike_equal: float
    loglike_shares: float
    place: str = ""
    vintage: str = ""
    dataset_id: str = ""
    _at: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_at", {n: i for i, n in enumerate(self.names)})

    @property
    def covariance_kind(self) -> Covariance:
        """Kind of the covariance."""
        return "clustered" if self.cluster_count else "robust"

    @property
    def rho2(self) -> float:
        """McFadden's ρ² against equal probabilities."""
        return 1 - self.loglike / self.loglike_equal

    @property
    def rho2_shares(self) -> float:
        """McFadden's ρ² against the shares of the sample, the stricter one."""
        return 1 - self.loglike / self.loglike_shares

    @property
    def currency(self) -> str:
        """Currency of the costs, from the names of their columns: ``"GBP"``."""
        costs = self.terms.filter(role="cost")["column"]
        if costs.is_empty():
            raise RefusalError("The model has no cost: nothing can be said in money. Add a term with the role 'cost'.")
        return str(costs[0]).rpartition("_")[2].upper()

    def value(self, coefficient: str) -> float:
        """Return a coefficient by its name.

        Raises
        ------
        UnknownNameError
            The model has no such coefficient.
        """
        if coefficient not in self._at:
            raise suggest(coefficient, self.names, what="coefficient", see="ModeChoice.names")
        return float(self.values[self._at[coefficient]])

    def cost_name(self) -> str:
        """Return the one coefficient of costs."""
        found = self.terms.filter(role="cost")["coefficient"].unique().to_list()
        if len(found) != 1:
            raise RefusalError(f"Money needs one coefficient of costs; the model has {len(found)}: {found}.")
        return str(found[0])

    def draws(self, n: int, *, seed: int) -> Floats:
        """Return coefficients drawn from their asymptotic normal distribution (Krinsky and Robb), shape (n, names)."""
        rng = np.random.default_rng(seed)
        return np.asarray(rng.multivariate_normal(self.values, self.covariance, n, method="eigh"))

    def tidy(self, *, level: float = _LEVEL) -> pl.DataFrame:
        """Return the coefficients, one row each.

        Returns
        -------
        polars.DataFrame
            ``coefficient``, ``role``, ``expected_sign``, ``value`` (utility per hour, per unit of money, or of a
            constant), ``se_classical``, ``se_robust``, ``se`` (that of the interval), ``se_kind``, ``low``, ``high``,
            ``level``, ``trip_count``, ``household_count``, ``place``, ``vintage``.

        Examples
        --------
        >>> london().tidy().filter(coefficient="cost").select(pl.col("high") < 0).item()
        True
        """
        from scipy.stats import norm

        z = float(norm.ppf(0.5 + _checked_level(level) / 2))
        se = np.sqrt(np.diag(self.covariance))
        roles = self.terms.unique("coefficient", keep="first", maintain_order=True)
        return roles.select("coefficient", "role", "expected_sign").with_columns(
            value=pl.Series(self.values), se_classical=pl.Series(self.se_classical),
            se_robust=pl.Series(self.se_robust), se=pl.Series(se), se_kind=pl.lit(self.covariance_kind),
            low=pl.Series(self.values - z * se), high=pl.Series(self.values + z * se), level=pl.lit(level),
            trip_count=pl.lit(self.trip_count), household_count=pl.lit(self.cluster_count), place=pl.lit(self.place),
            vintage=pl.lit(self.vintage),
        )  # fmt: skip

    def summary(self) -> pl.DataFrame:
        """Return what the fit rests on and how good it is, one row.

        Returns
        -------
        polars.DataFrame
            ``trip_count``, ``household_count``, ``coefficient_count``, ``loglike``, ``loglike_equal``,
            ``loglike_shares``, ``rho2_equal``, ``rho2_shares``, ``se_kind``, ``place``, ``vintage``, ``dataset_id``.
        """
        return pl.DataFrame(
            {
                "trip_count": [self.trip_count], "household_count": [self.cluster_count],
                "coefficient_count": [len(self.names)], "loglike": [self.loglike],
                "loglike_equal": [self.loglike_equal], "loglike_shares": [self.loglike_shares],
                "rho2_equal": [self.rho2], "rho2_shares": [self.rho2_shares], "se_kind": [self.covariance_kind],
                "place": [self.place], "vintage": [self.vintage], "dataset_id": [self.dataset_id],
            }
        )  # fmt: skip

    def probabilities(self, trips: Frame) -> Frame:
        """Add the probability of each mode: ``probability_<mode>`` [0..1], adding up to 1 in each row.

        Raises
        ------
        SchemaError
            A column of the terms is missing; raised at the call.
        DataError
            A time or cost is missing or negative; raised on collecting.
        """
        lf, back = lazily(trips)
        schema = need_columns(lf, [c for c in self.terms["column"].unique() if c is not None], what="probabilities")
        added = {f"probability_{m}": pl.Float64() for m in self.modes}

        def add(table: pl.DataFrame) -> pl.DataFrame:
            p = logit(design_array(table, self.terms, self.modes) @ self.values)
            return table.with_columns(pl.Series(name, p[:, j]) for j, name in enumerate(added))

        return back(lf.map_batches(add, schema=pl.Schema({**schema, **added})))


def _checked_level(level: float) -> float:
    if not 0 < level < 1:
        raise RangeError(f"level is {level}; expected a number between 0 and 1, for example 0.95.")
    return level


def mode_choice(
    trips: Frame, *, terms: pl.DataFrame | None = None, chosen: str = "mode",
    cluster: str | None = "household_id", signs: Literal["refuse", "report"] = "refuse", place: str = "",
    vintage: str = "", dataset_id: str = "", limits: Mapping[str, float] | None = None,
) -> ModeChoice:  # fmt: skip
    """Fit a conditional logit of mode choice by maximum likelihood.

    Parameters
    ----------
    trips
        One row per trip: the mode taken, and the times and costs of *all* modes that the terms name. Every mode counts
        as open to every trip.
    terms
        Terms of the utilities, as in the declared table ``inclusive_behaviour_terms`` (the default, for London's
        trips). Only modes that stand in a term, and a reference mode with no constant, can be chosen.
    chosen
        Column of the mode taken.
    cluster
        Column of the household (or person) whose trips are not independent; ``None`` for robust errors without it.
    signs
        ``"refuse"``: raise where a coefficient has the wrong sign. ``"report"``: leave it to the reader of the result.
    place, vintage, dataset_id
        Kept with the result.
    limits
        As :func:`rules`.

    Returns
    -------
    ModeChoice

    Raises
    ------
    SchemaError
        A column is missing.
    UnknownNameError
        A mode is chosen that has no terms.
    DataError
        A time or cost is missing or negative.
    RefusalError
        A mode is never chosen; too few households; the coefficients are not identified (separated or collinear data);
        the fit does not converge; a sign is wrong.

    Notes
    -----
    P(mode) = exp V(mode) / Σ exp V. All pairs of modes share one error, so that a mode that gains takes from the others
    in proportion to their shares (independence of irrelevant alternatives). Nested models would loosen that; no
    maintained library under a permissive licence that fits them goes together with the releases citylab uses.

    References
    ----------
    McFadden, D. (1974). Conditional logit analysis of qualitative choice behavior. In: Frontiers in Econometrics.
    Train, K. (2009). Discrete Choice Methods with Simulation, 2nd edition, chapter 3.
    """
    told, limit = _checked_terms(terms), dict(limits) if limits is not None else rules()
    lf, _ = lazily(trips)
    columns = [c for c in told["column"].unique(maintain_order=True) if c is not None]
    needed = {chosen: "mode taken", **dict.fromkeys(columns, "")}
    if cluster is not None:
        needed[cluster] = "household, or give cluster=None"
    need_columns(lf, needed, what="mode_choice")
    table = lf.select(needed.keys()).collect()
    if table.is_empty():
        raise RefusalError("mode_choice was given no trips.")
    modes = tuple(told["mode"].unique(maintain_order=True).sort())
    picked = _chosen(table[chosen], modes)
    built = design_array(table, told, modes)
    names = _names(told)
    groups, cluster_count = _groups(table, cluster, limit)
    fitted = _fitted(picked, built, names, groups, limit)
    values = np.asarray(fitted.params)
    if signs == "refuse":
        _need_signs(told, names, values)
    counts = np.bincount(picked, minlength=len(modes))
    return ModeChoice(
        terms=told, modes=modes, names=names, values=values,
        covariance=np.asarray(fitted.cov_params()), se_classical=np.sqrt(np.diag(_classical(fitted))),
        se_robust=np.sqrt(np.diag(_robust(fitted))), trip_count=table.height, cluster_count=cluster_count,
        loglike=float(fitted.llf), loglike_equal=-table.height * math.log(len(modes)),
        loglike_shares=float((counts * np.log(counts / table.height)).sum()), place=place, vintage=vintage,
        dataset_id=dataset_id,
    )  # fmt: skip


def _chosen(column: pl.Series, modes: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Return the position of the mode taken; each mode must be known and be taken by somebody."""
    if column.null_count():
        raise DataError(f"{column.name!r} is missing in {column.null_count()} trips. Drop trips without a mode.")
    found = column.cast(pl.String)
    unknown = sorted(set(found.unique()) - set(modes))
    if unknown:
        raise suggest(unknown[0], modes, what="mode", see="the column 'mode' of the terms")
    never = [m for m in modes if m not in set(found.unique())]
    if never:
        raise RefusalError(
            f"{', '.join(map(repr, never))} is never chosen in {len(found)} trips: nothing can be learnt about it, and "
            "its constant would go to minus infinity. Take its terms out, or bring trips that used it."
        )
    return found.replace_strict(modes, range(len(modes)), return_dtype=pl.Int64).to_numpy()


def _groups(
    table: pl.DataFrame, cluster: str | None, limit: Mapping[str, float]
) -> tuple[npt.NDArray[np.int64] | None, int]:
    if cluster is None:
        return None, 0
    if table[cluster].null_count():
        raise DataError(
            f"{cluster!r} is missing in {table[cluster].null_count()} trips. Fill it, or give cluster=None."
        )
    number = table[cluster].rank("dense").cast(pl.Int64).to_numpy()
    count = int(number.max())
    if count < limit["least_clusters"]:
        raise RefusalError(
            f"{count} households are too few for errors clustered by them; at least {limit['least_clusters']:.0f} are "
            "needed. Bring more, or give cluster=None and read the intervals as too narrow."
        )
    return number, count


def _fitted(
    picked: npt.NDArray[np.int64], built: Floats, names: tuple[str, ...], groups: npt.NDArray[np.int64] | None,
    limit: Mapping[str, float],
) -> Any:  # fmt: skip
    model = _likelihood()(picked, built, names)
    start = np.zeros(len(names))
    at_start = -model.hessian(start)
    scale = np.sqrt(np.diag(at_start))
    flat = [n for n, s in zip(names, scale, strict=True) if s == 0]
    if flat:
        raise RefusalError(
            f"{flat} is the same for all modes in every trip: nothing can be learnt. Take the terms out."
        )
    if np.linalg.eigvalsh(at_start / np.outer(scale, scale))[0] < limit["least_information"]:
        raise RefusalError(
            f"The terms are collinear: some of {list(names)} are sums of others in every trip. Take one out."
        )
    robust = {"cov_type": "HC0"} if groups is None else {"cov_type": "cluster", "cov_kwds": {"groups": groups}}
    with warnings.catch_warnings(), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore")  # statsmodels' warnings are judged below, as errors
        try:
            fitted = model.fit(start, method="newton", maxiter=int(limit["most_steps"]), tol=limit["step_tolerance"],
                               disp=0, **robust)  # fmt: skip
            params = np.asarray(fitted.params)
            converged = bool(fitted.mle_retvals["converged"]) and bool(np.isfinite(params).all())
            least = np.linalg.eigvalsh(-model.hessian(params) / np.outer(scale, scale))[0] if converged else 0.0
        except (np.linalg.LinAlgError, ValueError):
            converged, least = False, 0.0
    if not converged or least < limit["least_information"]:
        if _separated(picked, built):
            raise RefusalError(
                f"The {len(picked)} trips are separated: some combination of {list(names)} tells a mode taken, or "
                "one not taken, without error, and coefficients would go to infinity. Bring more trips, or fewer terms."
            )
        raise RefusalError(
            f"The fit did not converge in {limit['most_steps']:.0f} steps. Look at the scale of the columns: hours and "
            "units of money are expected."
        )
    return fitted


def _separated(picked: npt.NDArray[np.int64], built: Floats) -> bool:
    """Tell whether some coefficients rate no mode above the one taken and some below (Albert and Anderson, 1984)."""
    from scipy.optimize import linprog

    rows = np.arange(len(picked))
    lead = (built[rows, picked][:, None, :] - built).reshape(-1, built.shape[2])
    lead = lead[np.abs(lead).sum(axis=1) > 0]
    found = linprog(-lead.sum(axis=0), A_ub=-lead, b_ub=np.zeros(len(lead)), bounds=[(-1, 1)] * built.shape[2])
    return bool(found.status == 0 and -found.fun > np.sqrt(np.finfo(float).eps))


def _classical(fitted: Any) -> Floats:
    return np.asarray(np.linalg.inv(-fitted.model.hessian(fitted.params)))


def _robust(fitted: Any) -> Floats:
    from statsmodels.stats.sandwich_covariance import cov_white_simple

    return np.asarray(cov_white_simple(fitted, use_correction=False))


def _need_signs(terms: pl.DataFrame, names: tuple[str, ...], values: Floats) -> None:
    expected = dict(terms.filter(pl.col("expected_sign").is_not_null()).select("coefficient", "expected_sign").rows())
    wrong = {n: float(v) for n, v in zip(names, values, strict=True) if n in expected and v * expected[n] < 0}
    if wrong:
        told = ", ".join(f"{n} is {v:+.3g}, expected {'below' if expected[n] < 0 else 'above'} 0"
                         for n, v in wrong.items())  # fmt: skip
        raise RefusalError(
            f"Signs are wrong: {told}. Such a model would say that people like what is slow or dear; look for a column "
            "in another unit, or for one that stands for something else. signs='report' fits it all the same."
        )


# values of time, elasticities, held-out trips


def value_of_time(model: ModeChoice, *, level: float = _LEVEL, n_draws: int = _DRAWS, seed: int = 0) -> pl.DataFrame:
    """Return what an hour by each mode is worth: coefficient of time over that of cost.

    Parameters
    ----------
    model
        A fitted model.
    level, n_draws, seed
        Level of the interval; Krinsky and Robb's draws behind it.

    Returns
    -------
    polars.DataFrame
        One row per coefficient of time: ``coefficient``, ``value``, ``low``, ``high``, ``unit``
        (for example ``GBP/h``), ``level``, ``n`` (trips), ``place``, ``vintage``.

    Raises
    ------
    RefusalError
        No cost or several, or one that may be 0: a ratio to it has no interval.

    Examples
    --------
    >>> london_vot = value_of_time(london())
    >>> london_vot["unit"].unique().to_list()
    ['GBP/h']
    """
    cost = model.cost_name()
    drawn = model.draws(n_draws, seed=seed)
    money = drawn[:, model._at[cost]]
    if (money >= 0).any():
        se = math.sqrt(model.covariance[model._at[cost], model._at[cost]])
        raise RefusalError(
            f"The coefficient of cost is {model.value(cost):.3g} with standard error {se:.2g}: it may be 0, and a "
            "ratio to it has no interval. Bring more trips."
        )
    rows = []
    for name in model.terms.filter(role="time")["coefficient"].unique(maintain_order=True):
        low, high = bootstrap.interval(drawn[:, model._at[name]] / money, level=level)
        rows.append((name, model.value(name) / model.value(cost), float(low), float(high)))
    return pl.DataFrame(rows, schema=["coefficient", "value", "low", "high"], orient="row").with_columns(
        unit=pl.lit(f"{model.currency}/h"), level=pl.lit(level), n=pl.lit(model.trip_count), place=pl.lit(model.place),
        vintage=pl.lit(model.vintage),
    )  # fmt: skip


def elasticities(
    model: ModeChoice, trips: Frame, *, attributes: Sequence[str] | None = None,
    kind: Literal["point", "arc"] = "point", change: float | None = None, level: float = _LEVEL, n_draws: int = 200,
    seed: int = 0,
) -> pl.DataFrame:  # fmt: skip
    """Return how the number of trips by each mode answers to a time or a cost, by sample enumeration.

    Parameters
    ----------
    model
        A fitted model.
    trips
        One row per trip with the columns of the terms: the sample whose trips are added up.
    attributes
        Columns that change, for example ``["cost_transit_gbp"]``; default: all times and costs.
    kind
        ``"point"``: d ln Q / d ln x at what is. ``"arc"``: ln(Q₁/Q₀) / ln(1 + change), all of a column changed alike.
    change
        Relative change of an arc elasticity; default: the declared ``arc_change``.
    level, n_draws, seed
        As in :func:`value_of_time`.

    Returns
    -------
    polars.DataFrame
        One row per attribute and mode: ``attribute``, ``mode``, ``is_own`` (the attribute is the mode's own), ``kind``,
        ``elasticity``, ``low``, ``high``, ``level``, ``n``, ``place``, ``vintage``.

    Raises
    ------
    UnknownNameError
        An attribute that is in no term.
    RangeError
        A change of nothing, or of -100 % or less.

    Notes
    -----
    Q is the sum of the probabilities of all trips; trips weigh as they are likely to use the mode. The interval holds
    the uncertainty of the coefficients only: the sample is taken as it is.

    References
    ----------
    Ben-Akiva, M. & Lerman, S. (1985). Discrete Choice Analysis, sections 5.4 and 6.3 (from memory).
    Krinsky, I. & Robb, A. (1986). On approximating the statistical properties of elasticities. Review of Economics and
    Statistics 68(4), 715-719. doi:10.2307/1924536
    """
    known = model.terms.filter(pl.col("role").is_in(["time", "cost"]))["column"].unique(maintain_order=True).to_list()
    wanted = known if attributes is None else list(attributes)
    for name in wanted:
        if name not in known:
            raise suggest(name, known, what="attribute", see="ModeChoice.terms")
    step = rules()["arc_change"] if change is None else change
    if kind == "arc" and (not math.isfinite(step) or step <= -1 or step == 0):
        raise RangeError(f"change is {step}; expected a share such as 0.1, not 0 and above -1.")
    table = lazily(trips)[0].collect()
    if table.is_empty():
        raise RefusalError("elasticities was given no trips.")
    built = design_array(table, model.terms, model.modes)
    # What each attribute alone contributes to the design: derivatives and changes are linear in it.
    parts = {a: _part(model, table, a) for a in wanted}

    def told(coefficients: Floats) -> Floats:
        utilities = built @ coefficients
        p = logit(utilities)
        whole = p.sum(axis=0)
        out = []
        for a in wanted:
            own = parts[a] @ coefficients
            if kind == "arc":
                out.append(np.log(logit(utilities + step * own).sum(axis=0) / whole) / math.log1p(step))
            else:
                out.append((p * (own - (p * own).sum(axis=1, keepdims=True))).sum(axis=0) / whole)
        return np.array(out)

    central = told(model.values)
    low, high = bootstrap.interval(np.array([told(b) for b in model.draws(n_draws, seed=seed)]), level=level)
    owners = {a: set(model.terms.filter(column=a)["mode"]) for a in wanted}
    rows = [
        (a, m, m in owners[a], kind, float(central[i, j]), float(low[i, j]), float(high[i, j]))
        for i, a in enumerate(wanted)
        for j, m in enumerate(model.modes)
    ]
    names = ["attribute", "mode", "is_own", "kind", "elasticity", "low", "high"]
    return pl.DataFrame(rows, schema=names, orient="row").with_columns(
        level=pl.lit(level), n=pl.lit(table.height), place=pl.lit(model.place), vintage=pl.lit(model.vintage)
    )


def _part(model: ModeChoice, table: pl.DataFrame, column: str) -> Floats:
    """Return the design of one column alone."""
    built = np.zeros((table.height, len(model.modes), len(model.names)))
    values = table[column].cast(pl.Float64).to_numpy()
    for coefficient, mode in model.terms.filter(column=column).select("coefficient", "mode").iter_rows():
        built[:, model.modes.index(mode), model._at[coefficient]] += values
    return built


def held_out(
    trips: Frame, *, terms: pl.DataFrame | None = None, chosen: str = "mode",
    cluster: str = "household_id", share: float | None = None, level: float = _LEVEL, seed: int = 0,
) -> pl.DataFrame:  # fmt: skip
    """Return how well a model foretells trips of households that it has not seen.

    Parameters
    ----------
    trips, terms, chosen, cluster
        As in :func:`mode_choice`.
    share
        Share of the households left out; default: the declared ``held_out_share``.
    level, seed
        Level of the intervals; seed of the split.

    Returns
    -------
    polars.DataFrame
        One row per predictor (``model``; ``shares``, which gives everybody the shares of the sample): ``predictor``,
        ``hit_share`` (trips whose most probable mode was taken), ``hit_share_low``, ``hit_share_high``, ``log_loss``
        (mean -ln P of the mode taken), ``level``, ``n`` (trips left out), ``household_count``. Intervals are clustered
        by household.

    Raises
    ------
    RangeError
        A share that leaves nothing in or nothing out.
    RefusalError
        As in :func:`mode_choice`.
    """
    from scipy.stats import norm

    part = rules()["held_out_share"] if share is None else share
    if not 0 < part < 1:
        raise RangeError(f"share is {part}; expected a number between 0 and 1.")
    table = lazily(trips)[0].collect()
    need_columns(table.lazy(), [cluster, chosen], what="held_out")
    households = table[cluster].unique(maintain_order=True)
    out = households.sample(max(1, round(part * len(households))), seed=seed).implode()
    kept, left = table.filter(~pl.col(cluster).is_in(out)), table.filter(pl.col(cluster).is_in(out))
    model = mode_choice(kept, terms=terms, chosen=chosen, cluster=cluster)
    picked = left[chosen].replace_strict(model.modes, range(len(model.modes)), return_dtype=pl.Int64).to_numpy()
    p = logit(design_array(left, model.terms, model.modes) @ model.values)
    shares = np.array([(kept[chosen] == m).mean() for m in model.modes])
    z = float(norm.ppf(0.5 + _checked_level(level) / 2))
    group = left[cluster].rank("dense").cast(pl.Int64).to_numpy() - 1
    rows = []
    for name, guess in (("model", p), ("shares", np.broadcast_to(shares, p.shape))):
        hit = (guess.argmax(axis=1) == picked).astype(float)
        se = float(np.sqrt((np.bincount(group, hit - hit.mean()) ** 2).sum()) / len(hit))
        loss = float(-np.log(guess[np.arange(len(hit)), picked]).mean())
        rows.append((name, float(hit.mean()), hit.mean() - z * se, hit.mean() + z * se, loss, level, len(hit),
                     int(group.max()) + 1))  # fmt: skip
    names = ["predictor", "hit_share", "hit_share_low", "hit_share_high", "log_loss", "level", "n", "household_count"]
    return pl.DataFrame(rows, schema=names, orient="row")


# a fit as a table


def to_table(model: ModeChoice) -> pl.DataFrame:
    """Return a fitted model as a table that :func:`from_table` reads: one row per coefficient.

    Returns
    -------
    polars.DataFrame
        ``coefficient``, ``value``, ``se_classical``, ``se_robust``, one column ``with_<coefficient>`` per covariance,
        and what the fit rests on, repeated in each row.
    """
    told = pl.DataFrame({"coefficient": model.names, "value": model.values, "se_classical": model.se_classical,
                         "se_robust": model.se_robust})  # fmt: skip
    covariances = [pl.Series(f"with_{n}", model.covariance[:, i]) for i, n in enumerate(model.names)]
    return told.with_columns(
        *covariances, trip_count=pl.lit(model.trip_count), household_count=pl.lit(model.cluster_count),
        loglike=pl.lit(model.loglike), loglike_equal=pl.lit(model.loglike_equal),
        loglike_shares=pl.lit(model.loglike_shares), place=pl.lit(model.place), vintage=pl.lit(model.vintage),
        dataset_id=pl.lit(model.dataset_id),
    )  # fmt: skip


def from_table(table: pl.DataFrame, *, terms: pl.DataFrame | None = None) -> ModeChoice:
    """Return a fitted model from its table, without the trips that it was fitted to.

    Parameters
    ----------
    table
        As :func:`to_table` returns it.
    terms
        Terms that it was fitted with; default: ``inclusive_behaviour_terms``.

    Raises
    ------
    SchemaError
        Terms and table name different coefficients.
    """
    told = _checked_terms(terms)
    names = _names(told)
    if tuple(table["coefficient"]) != names:
        raise SchemaError(f"The table holds {table['coefficient'].to_list()}, the terms name {list(names)}.")
    first = table.row(0, named=True)
    return ModeChoice(
        terms=told, modes=tuple(told["mode"].unique().sort()), names=names, values=table["value"].to_numpy(),
        covariance=table.select(f"with_{n}" for n in names).to_numpy(),
        se_classical=table["se_classical"].to_numpy(), se_robust=table["se_robust"].to_numpy(),
        trip_count=first["trip_count"], cluster_count=first["household_count"], loglike=first["loglike"],
        loglike_equal=first["loglike_equal"], loglike_shares=first["loglike_shares"], place=first["place"],
        vintage=first["vintage"], dataset_id=first["dataset_id"],
    )  # fmt: skip


def london(*, table: pl.DataFrame | None = None) -> ModeChoice:
    """Return the model fitted to 26,320 trips of London, 2014/15, as it ships with citylab.

    The trips themselves stay with their publisher (``lpmc__yearly_trip_modechoice``); coefficients and covariance stand
    in the declared table ``inclusive_behaviour_london``, which :func:`london_table` makes from the trips.

    Parameters
    ----------
    table
        Another table of that kind.

    Examples
    --------
    >>> model = london()
    >>> model.place, model.trip_count, model.covariance_kind
    ('London', 26320, 'clustered')
    """
    return from_table(tables.read("inclusive_behaviour_london") if table is None else table)


def london_table(trips: Frame) -> pl.DataFrame:
    """Return the declared table ``inclusive_behaviour_london`` anew: its recipe.

    Parameters
    ----------
    trips
        The data set ``lpmc__yearly_trip_modechoice``.
    """
    fitted = mode_choice(trips, place="London", vintage="2014-04 to 2015-03", dataset_id="lpmc__yearly_trip_modechoice")
    return to_table(fitted)
