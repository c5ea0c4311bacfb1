"""What tomorrow brings: daily forecasts of one to a few days, and whether they are worth anything.

A forecast gives a whole distribution: around the path of a model stand the errors that the same model, with the same
parameters, made on past days of the same season at the same lead. Mean, median, interval and the chance of passing a
limit all come from it, for every method alike.

:func:`backtest` issues such forecasts from many past days and says, lead by lead, whether they beat the two that cost
nothing: tomorrow as today (persistence), and tomorrow as usual at this time of the year (climatology). A model without
a weather forecast knows little beyond the first day; the verdicts say so.
"""

from __future__ import annotations

import datetime as dt
import itertools
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from citylab.air.weather import WEATHER
from citylab.errors import DataError, RangeError, RefusalError, SchemaError, need_level, suggest
from citylab.frames import Frame, keys_of, lazily, need_columns, need_numbers, need_wall_clock
from citylab.stats import bootstrap, forecasting

Floats = npt.NDArray[np.float64]
Exog = Literal["persisted", "given"]
Scale = Literal["log", "identity"]
Metric = Literal["mse", "mae", "crps"]
_Memory = dict[str, Floats]  # parameters of the last search, from which the next one starts

REFERENCES = ("persistence", "climatology")
"""Forecasts that cost nothing; every other one is measured against them."""
METHODS = (*REFERENCES, "ets", "regression", "sarimax")
"""Methods of :func:`forecast`."""
WITH_EXOG = frozenset({"regression", "sarimax"})
"""Methods that can use weather."""
MAXIMA: Mapping[str, float] = {"aqi": 500.0}
"""Values at which a column ends: HJ 633-2012 and HJ 633-2026 let the index end at 500; verified."""
SEASON_DAYS = 60
"""Days of the year before and after a day foretold from which past errors are taken; citylab's choice."""
MIN_ERRORS = 50
"""Past errors of the season below which those of all seasons are taken; citylab's choice."""
MIN_ORIGINS = 30
"""Days of issue below which :func:`backtest` gives no verdict but an error; citylab's choice."""
LEVELS = (0.5, 0.8, 0.9, 0.95)
"""Levels at which :func:`backtest` measures coverage."""

_YEAR = 365.25  # days, mean of the Julian calendar
_LAGS = 2  # past values in the direct regression
_ALPHAS = (0.1, 0.3, 0.5, 0.7, 0.9)  # starts of the search: the likelihood has a second peak at 0
_SEARCH_STEPS = 200
_DIRECTION, _SPEED = "wind_direction_deg", "wind_speed_ms"
_MAX_MISSING_WEATHER = 0.25
_SKILL_LEVEL = 0.95
_SCALES: Mapping[str, tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]] = {
    "log": (np.log, np.exp),
    "identity": (np.asarray, np.asarray),
}
_VERDICTS = ("worse", "not distinguishable", "better")


@dataclass(frozen=True, slots=True)
class _Plan:
    """All choices of one call."""

    value: str
    date: str
    keys: tuple[str, ...]
    horizon: int
    level: float
    weather: tuple[str, ...]
    scale: str
    order: tuple[int, int, int]
    harmonics: int
    season_days: int | None
    above: tuple[float, ...]
    maximum: float | None
    min_train: int
    window: int | None
    vintage: str | None


@dataclass(frozen=True, slots=True)
class _Series:
    """One group on a calendar without gaps, ``horizon`` days longer than what is known."""

    first: dt.date
    n: int
    raw: Floats
    z: Floats
    """Values on the model's scale; NaN where unknown."""
    season: Floats
    """Constant and harmonics of the year, one row per day."""
    weather: Floats
    """Columns as given; NaN where unknown."""

    def day(self, i: int) -> dt.date:
        """Return the date of a row."""
        return self.first + dt.timedelta(i)


@dataclass(frozen=True, slots=True)
class _Paths:
    """Paths of one model with fixed parameters: ``centre[h - 1, s]`` is foretold for day s + h from days up to s."""

    centre: Floats
    errors: Floats
    """``errors[h - 1, s]``: what came minus ``centre``; NaN where either is unknown."""


# --- the frame


def _need_choices(plan: _Plan, methods: Sequence[str], exogs: Sequence[str | None]) -> None:
    for name in methods:
        if name not in METHODS:
            raise suggest(str(name), METHODS, what="method", see="citylab.air.forecast.METHODS")
    for exog in exogs:
        if exog not in (None, "persisted", "given"):
            raise suggest(str(exog), ["persisted", "given"], what="exog", see="citylab.air.forecast.forecast")
    if plan.scale not in _SCALES:
        raise suggest(plan.scale, _SCALES, what="scale", see="citylab.air.forecast.forecast")
    if not methods:
        raise SchemaError(f"No method was named. There are: {', '.join(METHODS)}.")
    if any(exogs) and not plan.weather:
        raise SchemaError("exog was asked for and weather= names no column. Name some, for example 'wind_speed_ms'.")
    for name, number, least in (
        ("horizon", plan.horizon, 1),
        ("min_train", plan.min_train, 3),
        ("harmonics", plan.harmonics, 0),
        ("season_days", 1 if plan.season_days is None else plan.season_days, 1),
        ("window", plan.min_train if plan.window is None else plan.window, plan.min_train),
    ):
        if number < least:
            raise RangeError(f"{name} is {number}; expected at least {least}.")
    need_level(plan.level, example=0.8)
    p, d, q = plan.order
    if d != 0 or min(p, q) < 0 or p + q < 1:
        raise RangeError(
            f"order is {plan.order}; expected (p, 0, q) with p + q of at least 1: the season is in the regression, and "
            "concentrations do not wander off."
        )


def _need_frame(lf: pl.LazyFrame, plan: _Plan, what: str, *, with_weather: bool) -> pl.DataFrame:
    """Check the frame and return its rows, sorted."""
    weather = plan.weather if with_weather else ()
    clash = {plan.value, plan.date, *plan.keys} & set(weather)
    if clash:
        raise SchemaError(f"{what} cannot explain {plan.value!r} with {sorted(clash)}: take them out of weather=.")
    told = {**dict.fromkeys(plan.keys, "group"), plan.date: "day", plan.value: "daily value"}
    schema = need_columns(lf, {**told, **dict.fromkeys(weather, "daily weather")}, what=what)
    need_numbers(schema, [plan.value, *weather], what=what)
    need_wall_clock(schema, plan.date, what=what, dates=True)
    if schema[plan.date] != pl.Date:
        raise SchemaError(
            f"{what} needs dates in {plan.date!r}, which is {schema[plan.date]}; a row is one day. Make days of hours "
            "with citylab.air.averages.daily_means first."
        )
    columns = list(dict.fromkeys([*plan.keys, plan.date, plan.value, *weather]))
    data: pl.DataFrame = lf.select(columns).sort([*plan.keys, plan.date]).collect()
    if not data.height:
        raise DataError(f"{what} got no rows. Load the days first.")
    if data[plan.date].null_count():
        raise DataError(f"{what} got {data[plan.date].null_count()} rows without a day in {plan.date!r}. Drop them.")
    twice = data.filter(pl.struct([*plan.keys, plan.date]).is_duplicated())
    if twice.height:
        raise DataError(
            f"{what} needs one row per day; {twice[plan.date][0]} is there twice. Drop one, name the series in by=, or "
            "take the mean of the stations first."
        )
    return data


def _groups(data: pl.DataFrame, plan: _Plan) -> Iterator[tuple[tuple[Any, ...], pl.DataFrame]]:
    if not plan.keys:
        yield (), data
        return
    yield from data.partition_by(plan.keys, as_dict=True, maintain_order=True).items()


def _named(key: Sequence[object], plan: _Plan) -> str:
    return ", ".join(f"{k} {v!r}" for k, v in zip(plan.keys, key, strict=True)) or "the series"


def _series_of(rows: pl.DataFrame, key: Sequence[object], plan: _Plan, last: dt.date, *, with_weather: bool) -> _Series:
    """Lay a group on a calendar from its first day with a value to ``last`` and ``horizon`` days more."""
    value = pl.col(plan.value).cast(pl.Float64)
    known = rows.filter(value.is_finite() & (pl.col(plan.date) <= last))
    if known.height < plan.min_train:
        raise RefusalError(
            f"{_named(key, plan)} has {known.height} days with {plan.value!r} up to {last}; a forecast needs "
            f"{plan.min_train}. Bring more days, or lower min_train= and know that the season is not known then."
        )
    first: dt.date = known[plan.date][0]
    n = (last - first).days + 1
    days = pl.date_range(first, last + dt.timedelta(plan.horizon), eager=True).alias(plan.date)
    laid = pl.DataFrame(days).join(rows, on=plan.date, how="left", maintain_order="left")
    raw: Floats = laid.get_column(plan.value).cast(pl.Float64).fill_null(np.nan).to_numpy().copy()
    raw[n:] = np.nan
    raw[~np.isfinite(raw)] = np.nan
    if plan.scale == "log" and (raw <= 0).any():
        bad = int(np.flatnonzero(raw <= 0)[0])
        raise DataError(
            f"{_named(key, plan)} has {int((raw <= 0).sum())} values of zero or below (first: {raw[bad]} on "
            f"{first + dt.timedelta(bad)}), which have no logarithm. Set faulty ones to null, or take scale='identity'."
        )
    if np.nanmin(raw) == np.nanmax(raw):
        raise RefusalError(f"{_named(key, plan)} is always {np.nanmin(raw)}; there is nothing to foretell.")
    angle = 2 * np.pi * days.dt.ordinal_day().to_numpy() / _YEAR
    waves = [wave(k * angle) for k in range(1, plan.harmonics + 1) for wave in (np.cos, np.sin)]
    season = np.column_stack([np.ones(len(days)), *waves])
    columns = list(_weather_columns(laid, plan)) if with_weather else []
    weather = np.column_stack(columns) if columns else np.empty((len(days), 0))
    return _Series(first, n, raw, _SCALES[plan.scale][0](raw), season, weather)


def _weather_columns(laid: pl.DataFrame, plan: _Plan) -> Iterator[Floats]:
    """Return the columns of weather; a direction becomes its two components."""

    def column(name: str) -> Floats:
        values: Floats = laid.get_column(name).cast(pl.Float64).fill_null(np.nan).to_numpy().copy()
        values[~np.isfinite(values)] = np.nan
        return values

    for name in plan.weather:
        if name != _DIRECTION:
            yield column(name)
            continue
        angle = np.radians(column(name))
        speed = column(_SPEED) if _SPEED in plan.weather else 1.0
        yield speed * np.sin(angle)
        yield speed * np.cos(angle)


def _scaled_weather(series: _Series, train: slice) -> Floats:
    """Return weather in standard deviations of the training days; a gap keeps the last known day, at most."""
    part = series.weather[train]
    missing = np.isnan(part).mean(axis=0)
    if part.shape[1] and missing.max() > _MAX_MISSING_WEATHER:
        raise RefusalError(
            f"A column of weather is missing on {missing.max():.0%} of the training days; at most "
            f"{_MAX_MISSING_WEATHER:.0%} are carried over. Name other columns in weather=."
        )
    spread = np.nanstd(part, axis=0)
    scaled = (series.weather - np.nanmean(part, axis=0)) / np.where(spread > 0, spread, 1.0)
    return np.asarray(np.nan_to_num(_carried(scaled)), np.float64)


def _carried(values: Floats) -> Floats:
    """Return columns in which a gap keeps the last known value."""
    known = np.where(np.isnan(values), -1, np.arange(len(values)).reshape(-1, *[1] * (values.ndim - 1)))
    last = np.maximum.accumulate(known, axis=0)
    carried = np.take_along_axis(values, np.maximum(last, 0), axis=0)
    return np.asarray(np.where(last < 0, np.nan, carried), np.float64)


# --- models: each gives all paths at once, from parameters of the training days


def _least_squares(x: Floats, y: Floats) -> Floats:
    good = np.isfinite(y)
    return np.asarray(np.linalg.lstsq(x[good], y[good], rcond=None)[0], np.float64)


def _state_paths(model: Any, params: Floats, n: int, horizon: int) -> Floats:
    """Return what a state-space model with fixed parameters foretells from each of ``n`` days."""
    with forecasting.quiet():
        found = model.filter(params).filter_results
    transition, design = found.transition[:, :, 0], found.design[0, :, 0]
    state = found.predicted_state[:, 1 : n + 1]  # after day s, for day s + 1
    paths = np.empty((horizon, n))
    for h in range(horizon):
        paths[h] = design @ state
        state = transition @ state
    return paths


def _ahead(values: Floats, n: int, h: int) -> Floats:
    """Return the rows for the days ``h`` after each of ``n`` days."""
    return values[h : n + h]


def _persistence(series: _Series, train: slice, plan: _Plan, exog: str | None, near: _Memory) -> Floats:
    return np.tile(_carried(series.z[: series.n]), (plan.horizon, 1))


def _climatology(series: _Series, train: slice, plan: _Plan, exog: str | None, near: _Memory) -> Floats:
    usual = series.season @ _least_squares(series.season[train], series.z[train])
    return np.array([_ahead(usual, series.n, h) for h in range(1, plan.horizon + 1)])


def _ets(series: _Series, train: slice, plan: _Plan, exog: str | None, near: _Memory) -> Floats:
    from statsmodels.tsa.statespace.exponential_smoothing import ExponentialSmoothing

    usual = series.season @ _least_squares(series.season[train], series.z[train])
    anomaly = series.z - usual
    model = ExponentialSmoothing(anomaly[train])
    level = float(np.nanmean(anomaly[train]))
    with forecasting.quiet():
        best = max(_ALPHAS, key=lambda alpha: model.loglike(np.array([alpha, level])))
        fitted = model.fit(start_params=np.array([best, level]), disp=0, maxiter=_SEARCH_STEPS)
    whole = ExponentialSmoothing(anomaly[train.start : series.n])
    paths = np.full((plan.horizon, series.n), np.nan)
    paths[:, train.start :] = _state_paths(whole, fitted.params, series.n - train.start, plan.horizon)
    return paths + np.array([_ahead(usual, series.n, h) for h in range(1, plan.horizon + 1)])


def _regression(series: _Series, train: slice, plan: _Plan, exog: str | None, near: _Memory) -> Floats:
    usual = series.season @ _least_squares(series.season[train], series.z[train])
    anomaly = (series.z - usual)[: series.n]
    weather = _scaled_weather(series, train) if exog else np.empty((len(series.z), 0))
    past = [np.concatenate([np.full(k, np.nan), anomaly[: series.n - k]]) for k in range(_LAGS)]
    paths = np.full((plan.horizon, series.n), np.nan)
    for h in range(1, plan.horizon + 1):
        known = _ahead(weather, series.n, h) if exog == "given" else weather[: series.n]
        x = np.column_stack([_ahead(series.season, series.n, h), *past, known])
        start, stop = train.start, train.stop - h
        y = np.where(np.isfinite(x).all(axis=1), _ahead(series.z, series.n, h), np.nan)
        paths[h - 1] = np.nan_to_num(x) @ _least_squares(np.nan_to_num(x)[start:stop], y[start:stop])
    return paths


def _sarimax(series: _Series, train: slice, plan: _Plan, exog: str | None, near: _Memory) -> Floats:
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    weather = _scaled_weather(series, train) if exog else np.empty((len(series.z), 0))
    x = np.column_stack([series.season, weather])
    model = SARIMAX(series.z[train], exog=x[train], order=plan.order, concentrate_scale=True)
    with forecasting.quiet():
        fitted = model.fit(start_params=near.get(f"sarimax {exog}"), disp=0, maxiter=_SEARCH_STEPS, cov_type="none")
    params = np.asarray(fitted.params, np.float64)
    if not np.isfinite(params).all():
        raise RefusalError("The search for the parameters of 'sarimax' failed. Try another order=, or method='ets'.")
    near[f"sarimax {exog}"] = params
    beta, arma = params[: x.shape[1]], params[x.shape[1] :]
    rest = (series.z - x @ beta)[train.start : series.n]
    errors = SARIMAX(rest, order=plan.order, concentrate_scale=True)
    paths = np.full((plan.horizon, series.n), np.nan)
    paths[:, train.start :] = _state_paths(errors, arma, len(rest), plan.horizon)
    for h in range(1, plan.horizon + 1):
        known = _ahead(weather, series.n, h) if exog == "given" else weather[: series.n]
        paths[h - 1] += np.column_stack([_ahead(series.season, series.n, h), known]) @ beta
    return paths


_MODELS: Mapping[str, Callable[[_Series, slice, _Plan, str | None, _Memory], Floats]] = {
    "persistence": _persistence,
    "climatology": _climatology,
    "ets": _ets,
    "regression": _regression,
    "sarimax": _sarimax,
}


def _train(origin: int, plan: _Plan) -> slice:
    return slice(0 if plan.window is None else max(0, origin + 1 - plan.window), origin + 1)


def _paths(series: _Series, method: str, exog: str | None, origin: int, plan: _Plan, near: _Memory) -> _Paths:
    """Fit on the days up to ``origin`` and return the paths from every day with these parameters."""
    train = _train(origin, plan)
    centre = _MODELS[method](series, train, plan, exog, near)
    came = np.array([_ahead(series.z, series.n, h) for h in range(1, plan.horizon + 1)])
    errors = came - centre
    errors[:, : train.start] = np.nan
    return _Paths(centre, errors)


# --- distributions around a path


def _past_errors(series: _Series, errors: Floats, origin: int, h: int, plan: _Plan) -> Floats:
    """Return the sorted errors, known on the day of issue, at a lead in the season of the day foretold."""
    start = np.arange(max(origin - h + 1, 0))
    pool = errors[h - 1, start]
    good = np.isfinite(pool)
    if plan.season_days is not None:
        days_apart = np.abs(start - origin) % _YEAR
        near = good & (np.minimum(days_apart, _YEAR - days_apart) <= plan.season_days)
        good = near if near.sum() >= MIN_ERRORS else good
    return np.sort(pool[good])


def _row(
    series: _Series, paths: _Paths, method: str, exog: str | None, origin: int, h: int, plan: _Plan
) -> dict[str, Any]:
    """Return one forecast, and how it fared if that is known."""
    pool = _past_errors(series, paths.errors, origin, h, plan)
    tail = (1 - plan.level) / 2
    if len(pool) * tail + tail < 1 - 1e-9:  # the outermost of n errors stand at 1 / (n + 1) and n / (n + 1)
        raise RefusalError(
            f"{len(pool)} past errors are too few for an interval of {100 * plan.level:g}%; it takes "
            f"{int(np.ceil(1 / tail - 1 - 1e-9))}. Bring more days, or lower level=."
        )
    back = _SCALES[plan.scale][1]
    top = np.inf if plan.maximum is None else plan.maximum
    centre = paths.centre[h - 1, origin]
    drawn = np.minimum(back(centre + pool), top)
    bounds = np.quantile(pool, [tail, 0.5, 1 - tail], method="weibull")
    lower, median, upper = np.minimum(back(centre + bounds), top)
    mean = drawn.mean()
    if method == "persistence":  # by definition today's value itself
        mean = median = min(float(back(np.asarray(centre))), top)
    observed, came = series.raw[origin + h], series.z[origin + h]
    is_known = bool(np.isfinite(observed))
    return {
        "issued_on": series.day(origin),
        plan.date: series.day(origin + h),
        "lead_days": h,
        "method": method,
        "exog": exog,
        "mean": float(mean),
        "median": float(median),
        "lower": float(lower),
        "upper": float(upper),
        "level": plan.level,
        **{_exceeds(x): float((drawn > x).mean()) for x in plan.above},
        "n_errors": len(pool),
        "observed": float(observed) if is_known else None,
        "pit": _rank(came - centre, pool) if is_known else None,
        "crps": _crps(drawn, observed) if is_known else None,
    }


def _exceeds(x: float) -> str:
    return f"p_above_{x:g}".replace(".", "_")


def _rank(error: float, pool: Floats) -> float:
    """Return the probability integral transform: where an error stands among past ones."""
    return float(np.interp(error, pool, np.arange(1, len(pool) + 1) / (len(pool) + 1), left=0.0, right=1.0))


def _crps(drawn: Floats, observed: float) -> float:
    """Return the continuous ranked probability score of a sorted sample."""
    m = len(drawn)
    spread = ((2 * np.arange(1, m + 1) - m - 1) * drawn).sum() / m**2
    return float(np.abs(drawn - observed).mean() - spread)


def _combinations(methods: Sequence[str], exogs: Sequence[str | None]) -> list[tuple[str, str | None]]:
    found = [(m, e) for m in methods for e in (exogs if m in WITH_EXOG else (None,))]
    return list(dict.fromkeys(found))


def _dtypes(data: pl.DataFrame, plan: _Plan) -> dict[str, Any]:
    """Return the schema of forecasts."""
    return {
        **{k: data.schema[k] for k in plan.keys},
        "issued_on": pl.Date(),
        plan.date: pl.Date(),
        "lead_days": pl.Int64(),
        "method": pl.String(),
        "exog": pl.String(),
        **dict.fromkeys(("mean", "median", "lower", "upper", "level"), pl.Float64()),
        **{_exceeds(x): pl.Float64() for x in plan.above},
        "n_train": pl.Int64(),
        "n_errors": pl.Int64(),
        "vintage": pl.String(),
        **dict.fromkeys(("observed", "pit", "crps"), pl.Float64()),
    }


def _vintage(series: _Series, train: slice, plan: _Plan) -> dict[str, Any]:
    n = int(np.isfinite(series.z[train]).sum())
    said = f"{series.day(train.start)} to {series.day(train.stop - 1)}"
    return {"n_train": n, "vintage": f"{plan.vintage}, {said}" if plan.vintage else said}


def forecast(
    frame: Frame,
    value: str,
    *,
    horizon: int = 3,
    method: str | Sequence[str] = "sarimax",
    exog: Exog | None = None,
    weather: Sequence[str] = WEATHER,
    level: float = 0.8,
    by: str | Sequence[str] | None = None,
    date: str = "date_local",
    origin: dt.date | None = None,
    above: Iterable[float] = (),
    maximum: float | None = None,
    scale: Scale = "log",
    order: tuple[int, int, int] = (1, 0, 1),
    harmonics: int = 2,
    season_days: int | None = SEASON_DAYS,
    min_train: int = 365,
    window: int | None = None,
    vintage: str | None = None,
) -> Frame:
    """Return forecasts of a daily value for the next days, each with its interval.

    Parameters
    ----------
    frame
        One row per day (and group), in any order; a day without a row or a value is missing. Values are means of the
        day, complete on the evening of the day of issue.
    value
        Column to foretell: a concentration, or the city's ``aqi``.
    horizon
        Days ahead.
    method
        One or more of ``"persistence"`` (tomorrow as the last known day), ``"climatology"`` (as usual on that day of
        the year: harmonics), ``"ets"`` (simple exponential smoothing of what differs from the usual), ``"regression"``
        (for each lead, least squares on harmonics, the last two days and the weather) and ``"sarimax"`` (regression
        on harmonics and weather with ARMA errors).
    exog
        How ``"regression"`` and ``"sarimax"`` use weather. ``None``: not at all. ``"persisted"``: tomorrow's weather is
        unknown; ``"regression"`` learns what follows today's, ``"sarimax"`` puts today's in its place (which as a
        rule does harm). ``"given"``: the frame holds the weather of the days foretold; if that was
        observed and not itself foretold, the forecast is a perfect prognosis and flatters. Written beside each row.
    weather
        Columns of daily weather. ``wind_direction_deg`` enters as its two components.
    level
        Level of the interval.
    by
        Grouping columns; each group is foretold alone. ``None`` takes the frame as one series.
    date
        Column of the day.
    origin
        Day of issue; nothing of a later day is used but weather under ``"given"``. By default the last day with a value
        of each group.
    above
        Limits: for each, a column ``p_above_<limit>`` with the chance of passing it. With ``aqi`` and 200 that is the
        chance of a day that counts for an alert.
    maximum
        Where the value ends. By default 500 for a column named ``aqi``, else nowhere.
    scale
        ``"log"``: the models work on logarithms, intervals are lopsided and positive. ``"identity"``: as is.
    order
        ``(p, 0, q)`` of the ARMA errors of ``"sarimax"``.
    harmonics
        Waves a year of the usual course; 0 for a constant.
    season_days
        Past errors from so many days of the year before and after make the distribution (all if they are fewer than
        50); ``None`` for all of the year.
    min_train
        Days with a value that a group needs.
    window
        Train on so many last days; ``None`` for all.
    vintage
        Name and version of the data, for the column ``vintage``.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group, method and lead: ``by``, ``issued_on``, ``date_local``, ``lead_days``, ``method``, ``exog``,
        ``mean``, ``median``, ``lower``, ``upper`` (unit of ``value``), ``level``, ``p_above_...``, ``n_train`` (days
        with a value), ``n_errors`` (past errors behind the interval), ``vintage`` (with the days trained on). It is
        computed at the call.

    Raises
    ------
    UnknownNameError
        No such method, ``exog`` or ``scale``.
    SchemaError
        A column is missing, holds no numbers or is no date.
    DataError
        A day twice, values of zero or below on the scale of logarithms, or weather of a day foretold is missing.
    RangeError
        A number out of range.
    RefusalError
        Too few days or errors, or a constant value.

    Notes
    -----
    The interval is that of the model's own past errors with its present parameters, at the same lead: quantiles at
    k / (n + 1), which would cover exactly if past and future errors were exchangeable. Parameters have seen these
    errors, so it is a little narrow; :func:`backtest` measures the coverage on days that they have not seen. The mean
    is that of the distribution, which on the scale of logarithms lies above the median (Duan's smearing); persistence
    is today's value itself. Where errors lean with the path, as those of ``"ets"`` and of ``"sarimax"`` with persisted
    weather do beyond the first day, that mean comes out much too high and the median is the better figure.

    Range of validity: one to three days; a year with a new standard, new sources or an event unlike the past lies
    outside. A missing day of weather keeps the last known one.

    Examples
    --------
    >>> days = pl.date_range(dt.date(2015, 1, 1), dt.date(2016, 12, 31), eager=True)
    >>> noise = np.random.default_rng(0).normal(size=len(days))
    >>> synthetic = pl.DataFrame({"date_local": days, "pm25_ugm3": 60 * np.exp(0.3 * noise)})
    >>> told = forecast(synthetic, "pm25_ugm3", method="climatology", harmonics=0, horizon=1, above=[75])
    >>> told.select("issued_on", "date_local", "lead_days").row(0)
    (datetime.date(2016, 12, 31), datetime.date(2017, 1, 1), 1)
    >>> told.select(pl.col("median", "lower", "upper").round(0), pl.col("p_above_75").round(1)).row(0)
    (61.0, 42.0, 89.0, 0.2)

    References
    ----------
    Hyndman & Athanasopoulos, Forecasting: principles and practice, 3rd edition, chapters 8 to 10. Duan (1983),
    doi:10.1080/01621459.1983.10478017 (smearing). Vovk, Gammerman & Shafer (2005), doi:10.1007/b106715 (conformal
    prediction).
    """
    methods = [method] if isinstance(method, str) else list(dict.fromkeys(method))
    plan = _Plan(
        value, date, tuple(keys_of(by)), horizon, level, tuple(dict.fromkeys(weather)), scale, order, harmonics,
        season_days, tuple(above), MAXIMA.get(value) if maximum is None else maximum, min_train, window, vintage,
    )  # fmt: skip
    lf, back = lazily(frame)
    _need_choices(plan, methods, [exog])
    pairs = _combinations(methods, [exog])
    with_weather = any(e for _, e in pairs)
    data = _need_frame(lf, plan, "forecast", with_weather=with_weather)
    rows: list[dict[str, Any]] = []
    for key, own in _groups(data, plan):
        known = own.filter(pl.col(value).cast(pl.Float64).is_finite())[date]
        last = origin or (known[-1] if len(known) else own[date][-1])
        series = _series_of(own, key, plan, last, with_weather=with_weather)
        if exog == "given" and with_weather:
            _need_future(series, key, plan)
        at = series.n - 1
        beside = dict(zip(plan.keys, key, strict=True)) | _vintage(series, _train(at, plan), plan)
        for name, with_exog in pairs:
            paths = _paths(series, name, with_exog, at, plan, {})
            rows += [beside | _row(series, paths, name, with_exog, at, h, plan) for h in range(1, horizon + 1)]
    told = pl.DataFrame(rows, schema=_dtypes(data, plan), orient="row").drop("observed", "pit", "crps")
    return back(told.lazy())


def _need_future(series: _Series, key: Sequence[object], plan: _Plan) -> None:
    gone = np.flatnonzero(np.isnan(series.weather[series.n :]).any(axis=1))
    if len(gone):
        raise DataError(
            f"exog='given' needs the weather of every day foretold; {_named(key, plan)} has none or not all of it on "
            f"{series.day(series.n + int(gone[0]))}. Add rows with forecast weather and a null {plan.value!r}, set "
            "origin= to an earlier day, or take exog='persisted'."
        )


# --- the back-test


@dataclass(frozen=True, slots=True)
class Backtest:
    """Forecasts issued from many past days, and how they fared.

    Attributes
    ----------
    value
        Column foretold.
    forecasts
        As :func:`forecast` gives them, one row per group, day of issue, method and lead, with ``observed``, ``pit``
        (where the outcome stood among the past errors, 0 to 1) and ``crps``.
    scores
        One row per group, method, ``exog`` and lead: ``n`` (forecasts with an outcome), ``bias``, ``mae`` (of the
        median), ``rmse`` (of the mean), ``wape`` (sum of absolute errors over sum of outcomes), ``crps``, ``pinball``
        (mean over both bounds), ``interval_score``, ``coverage`` and ``width`` at ``level``; then against each
        reference the skill, its 95 % interval and a verdict (``better``, ``not distinguishable``, ``worse``).
    coverage
        One row per group, method, ``exog``, lead and ``nominal`` level: ``coverage`` with its 95 % interval, ``n`` and
        a verdict (``calibrated``, ``too narrow``, ``too wide``).
    exceedance
        One row per group, method, ``exog``, lead and ``above``: ``n``, ``n_events``, ``brier`` and its skill against
        each reference with interval and verdict. Empty if no limit was named.
    metric
        What skill is made of.
    settings, seed, versions
        How it was made.
    assumptions
        What must hold for the figures to carry over to tomorrow.
    """

    value: str
    forecasts: pl.DataFrame
    scores: pl.DataFrame
    coverage: pl.DataFrame
    exceedance: pl.DataFrame
    metric: str
    settings: Mapping[str, Any]
    seed: int
    assumptions: tuple[str, ...]
    versions: Mapping[str, str]

    def tidy(self) -> pl.DataFrame:
        """Return the scores."""
        return self.scores


def backtest(
    frame: pl.DataFrame | pl.LazyFrame,
    value: str,
    *,
    methods: Sequence[str] = METHODS,
    every: int = 5,
    horizon: int = 3,
    min_train: int = 365,
    window: int | None = None,
    refit_every: int = 90,
    exog: Exog | Sequence[Exog | None] | None = None,
    weather: Sequence[str] = WEATHER,
    level: float = 0.8,
    by: str | Sequence[str] | None = None,
    date: str = "date_local",
    above: Iterable[float] = (),
    maximum: float | None = None,
    scale: Scale = "log",
    order: tuple[int, int, int] = (1, 0, 1),
    harmonics: int = 2,
    season_days: int | None = SEASON_DAYS,
    metric: Metric = "mse",
    n_boot: int = 999,
    seed: int = 0,
    vintage: str | None = None,
) -> Backtest:
    """Issue forecasts from many past days and score them against persistence and climatology.

    From each day of issue nothing later is used: parameters come from the days before, the filter has run up to the
    day, and the interval rests on errors that were known by then. Parameters are kept for ``refit_every`` days.

    Parameters
    ----------
    frame, value, horizon, level, by, date, above, maximum, scale, order, harmonics, season_days, weather, vintage
        As :func:`forecast`.
    methods
        Methods; the two references are always among them.
    every
        Days between days of issue. With a multiple of 7 each lead would meet one weekday only.
    min_train
        Days from the first one with a value to the first day of issue, and days with a value needed before it.
    window
        Train on so many last days; ``None`` for all.
    refit_every
        Days after which parameters are estimated anew.
    exog
        As :func:`forecast`; with several, the methods that can use weather run with each. ``"given"`` takes the
        weather observed on the days foretold: a bound on what a perfect weather forecast would bring, not skill.
    metric
        Skill is 1 - loss over loss of the reference. The loss: squared error of the mean (``"mse"``), absolute error
        of the median (``"mae"``), or the continuous ranked probability score (``"crps"``).
    n_boot, seed
        Resamples of blocks of days of issue for the intervals of skill and coverage.

    Returns
    -------
    Backtest
        Forecasts, scores, coverage and, with ``above``, scores of the chances.

    Raises
    ------
    RefusalError
        Fewer than 30 days of issue, or too few days.
    CitylabError
        As :func:`forecast`.

    Notes
    -----
    The interval of a skill is the percentile interval of resampled blocks of neighbouring days of issue (as many as
    the cube root of their number, at least as many as a horizon lasts). A verdict ``better`` means that the whole
    95 % interval lies above zero; with several methods and leads, one in forty may do so by chance.

    Examples
    --------
    >>> days = pl.date_range(dt.date(2014, 1, 1), dt.date(2016, 12, 31), eager=True)
    >>> noise = np.random.default_rng(0).normal(size=len(days))
    >>> synthetic = pl.DataFrame({"date_local": days, "pm25_ugm3": 60 * np.exp(0.3 * noise)})
    >>> found = backtest(synthetic, "pm25_ugm3", methods=["climatology"], horizon=1, harmonics=0)
    >>> found.scores.filter(method="climatology")["verdict_vs_persistence"].item()
    'better'

    References
    ----------
    Murphy (1988), Skill scores based on the mean square error, doi:10.1175/1520-0493(1988)116<2417:SSBOTM>2.0.CO;2.
    Gneiting & Raftery (2007), doi:10.1198/016214506000001437 (interval score, CRPS). Künsch (1989),
    doi:10.1214/aos/1176347265 (blocks).
    """
    exogs: list[str | None] = [exog] if exog is None or isinstance(exog, str) else list(dict.fromkeys(exog))
    wanted = list(dict.fromkeys([*REFERENCES, *([methods] if isinstance(methods, str) else methods)]))
    plan = _Plan(
        value, date, tuple(keys_of(by)), horizon, level, tuple(dict.fromkeys(weather)), scale, order, harmonics,
        season_days, tuple(above), MAXIMA.get(value) if maximum is None else maximum, min_train, window, vintage,
    )  # fmt: skip
    _need_choices(plan, wanted, exogs)
    if metric not in ("mse", "mae", "crps"):
        raise suggest(metric, ["mse", "mae", "crps"], what="metric", see="citylab.air.forecast.backtest")
    for name, number in (("every", every), ("refit_every", refit_every)):
        if number < 1:
            raise RangeError(f"{name} is {number}; expected at least 1 day.")
    bootstrap.need_draws(n_boot, _SKILL_LEVEL)
    pairs = _combinations(wanted, exogs)
    with_weather = any(e for _, e in pairs)
    data = _need_frame(lazily(cast(pl.LazyFrame, frame))[0], plan, "backtest", with_weather=with_weather)
    rows: list[dict[str, Any]] = []
    for key, own in _groups(data, plan):
        known = own.filter(pl.col(value).cast(pl.Float64).is_finite())[date]
        last = known[-1] if len(known) else own[date][-1]
        series = _series_of(own, key, plan, last, with_weather=with_weather)
        rows += _issued(series, key, pairs, plan, every, refit_every)
    forecasts = pl.DataFrame(rows, schema=_dtypes(data, plan), orient="row")
    n_block = max(1, -(-horizon // every))
    return Backtest(
        value=value,
        forecasts=forecasts,
        scores=_scores(forecasts, plan, metric, n_block, n_boot, seed),
        coverage=_coverage(forecasts, plan, n_block, n_boot, seed),
        exceedance=_exceedance(forecasts, plan, n_block, n_boot, seed),
        metric=metric,
        settings={
            "every": every, "horizon": horizon, "min_train": min_train, "window": window, "refit_every": refit_every,
            "weather": plan.weather if with_weather else (), "level": level, "scale": scale, "order": order,
            "harmonics": harmonics, "season_days": season_days, "maximum": plan.maximum, "n_boot": n_boot,
        },
        seed=seed,
        assumptions=_assumptions(exogs, horizon),
        versions={"python": platform.python_version()} | {n: version(n) for n in ("statsmodels", "numpy", "polars")},
    )  # fmt: skip


def _assumptions(exogs: Sequence[str | None], horizon: int) -> tuple[str, ...]:
    said = [
        "Values of the day of issue are complete when the forecast is issued.",
        "Errors to come are like past errors at the same lead in the same season.",
        f"Skill is that of leads of 1 to {horizon} days over the days of issue scored here.",
    ]
    if "given" in exogs:
        said.append("exog 'given' uses the weather observed on the days foretold: a bound, not attainable skill.")
    if "persisted" in exogs:
        said.append("exog 'persisted' uses the weather of the day of issue for the days foretold.")
    return tuple(said)


def _issued(
    series: _Series,
    key: Sequence[object],
    pairs: Sequence[tuple[str, str | None]],
    plan: _Plan,
    every: int,
    refit_every: int,
) -> list[dict[str, Any]]:
    """Return all forecasts of one group."""
    enough = np.flatnonzero(np.cumsum(np.isfinite(series.z)) >= plan.min_train)
    origins = list(range(int(enough[0]), series.n - plan.horizon, every)) if len(enough) else []
    if len(origins) < MIN_ORIGINS:
        raise RefusalError(
            f"{_named(key, plan)} has {series.n} days, which leave {len(origins)} days of issue; a verdict takes "
            f"{MIN_ORIGINS}. Bring more days, or lower min_train= or every=."
        )
    beside = dict(zip(plan.keys, key, strict=True))
    near: _Memory = {}
    rows = []
    for _, block in itertools.groupby(origins, key=lambda o: (o - origins[0]) // refit_every):
        own = list(block)
        fitted_on = beside | _vintage(series, _train(own[0], plan), plan)
        for method, exog in pairs:
            paths = _paths(series, method, exog, own[0], plan, near)
            rows += [
                fitted_on | _row(series, paths, method, exog, origin, h, plan)
                for origin in own
                for h in range(1, plan.horizon + 1)
            ]
    return rows


def _cells(forecasts: pl.DataFrame, plan: _Plan) -> Iterator[tuple[dict[str, Any], pl.DataFrame, pl.DataFrame]]:
    """Return each method and lead with its outcomes, and those of all methods of its group and lead."""
    known = forecasts.filter(pl.col("observed").is_not_null()).sort("issued_on", maintain_order=True)
    group = [*plan.keys, "lead_days"]
    shared = known.partition_by(group, as_dict=True, maintain_order=True)
    names = [*plan.keys, "method", "exog", "lead_days"]
    for named in forecasts.select(names).unique(maintain_order=True).iter_rows(named=True):
        everyone = shared.get(tuple(named[g] for g in group))
        if everyone is None:
            continue
        own = everyone.filter(pl.col("method") == named["method"], pl.col("exog").eq_missing(pl.lit(named["exog"])))
        yield named, own, everyone


def _losses(rows: pl.DataFrame, metric: str) -> Floats:
    loss = {
        "mse": (pl.col("mean") - pl.col("observed")) ** 2,
        "mae": (pl.col("median") - pl.col("observed")).abs(),
        "crps": pl.col("crps"),
    }[metric]
    return rows.select(loss).to_series().to_numpy()


def _resamples(n: int, n_block: int, n_boot: int, seed: int) -> npt.NDArray[np.int64]:
    return bootstrap.block_indices(n, n_boot, block=min(n, max(n_block, bootstrap.block_length(n))), seed=seed)


def _skill(own: Floats, theirs: Floats, indices: npt.NDArray[np.int64], name: str) -> dict[str, Any]:
    """Return the skill of losses against a reference's, with interval and verdict."""
    below = theirs.mean()
    if below == 0:  # the reference was always right: nothing can have skill, nothing to divide by
        return dict.fromkeys(
            (f"skill_vs_{name}", f"skill_low_vs_{name}", f"skill_high_vs_{name}", f"verdict_vs_{name}")
        )
    draws = own[indices].mean(axis=1), theirs[indices].mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.where(draws[1] > 0, 1 - draws[0] / draws[1], np.where(draws[0] > 0, -np.inf, 0.0))
    low, high = bootstrap.interval(spread, level=_SKILL_LEVEL)
    return {
        f"skill_vs_{name}": float(1 - own.mean() / below),
        f"skill_low_vs_{name}": float(low),
        f"skill_high_vs_{name}": float(high),
        f"verdict_vs_{name}": _VERDICTS[1 + int(low > 0) - int(high < 0)],
    }


def _against(
    named: Mapping[str, Any],
    own: Floats,
    everyone: pl.DataFrame,
    loss: Callable[[pl.DataFrame], Floats],
    indices: npt.NDArray[np.int64],
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in REFERENCES:
        skill = _skill(own, loss(everyone.filter(method=name)), indices, name)
        found |= dict.fromkeys(skill) if named["method"] == name else skill
    return found


def _skill_dtypes() -> dict[str, Any]:
    dtypes: dict[str, Any] = {}
    for name in REFERENCES:
        dtypes |= dict.fromkeys((f"skill_vs_{name}", f"skill_low_vs_{name}", f"skill_high_vs_{name}"), pl.Float64())
        dtypes[f"verdict_vs_{name}"] = pl.String()
    return dtypes


def _head(forecasts: pl.DataFrame, plan: _Plan) -> dict[str, Any]:
    return {name: forecasts.schema[name] for name in (*plan.keys, "method", "exog", "lead_days")}


def _scores(forecasts: pl.DataFrame, plan: _Plan, metric: str, n_block: int, n_boot: int, seed: int) -> pl.DataFrame:
    rows = []
    tail = (1 - plan.level) / 2
    for named, own, everyone in _cells(forecasts, plan):
        y, mean, median, low, high = (own[c].to_numpy() for c in ("observed", "mean", "median", "lower", "upper"))
        off = np.maximum(low - y, 0) + np.maximum(y - high, 0)
        score = float((high - low + off / tail).mean())
        indices = _resamples(own.height, n_block, n_boot, seed)
        rows.append(
            named
            | {
                "n": own.height,
                "first_issue": own["issued_on"].min(),
                "last_issue": own["issued_on"].max(),
                "bias": float((mean - y).mean()),
                "mae": float(np.abs(median - y).mean()),
                "rmse": float(np.sqrt(((mean - y) ** 2).mean())),
                "wape": float(np.abs(median - y).sum() / np.abs(y).sum()),
                "crps": float(own.get_column("crps").to_numpy().mean()),
                "pinball": score * tail / 2,  # both bounds: their mean is the interval score times a quarter of alpha
                "interval_score": score,
                "level": plan.level,
                "coverage": float(((low <= y) & (y <= high)).mean()),
                "width": float((high - low).mean()),
                "metric": metric,
            }
            | _against(named, _losses(own, metric), everyone, lambda r: _losses(r, metric), indices)
        )
    numbers = ("bias", "mae", "rmse", "wape", "crps", "pinball", "interval_score", "level", "coverage", "width")
    dtypes = _head(forecasts, plan) | {"n": pl.Int64(), "first_issue": pl.Date(), "last_issue": pl.Date()}
    dtypes |= dict.fromkeys(numbers, pl.Float64()) | {"metric": pl.String()} | _skill_dtypes()
    return pl.DataFrame(rows, schema=dtypes, orient="row")


def _coverage(forecasts: pl.DataFrame, plan: _Plan, n_block: int, n_boot: int, seed: int) -> pl.DataFrame:
    rows = []
    for named, own, _ in _cells(forecasts, plan):
        pit = own["pit"].to_numpy()
        indices = _resamples(own.height, n_block, n_boot, seed)
        for nominal in sorted({*LEVELS, plan.level}):
            tail = (1 - nominal) / 2
            inside = ((tail <= pit) & (pit <= 1 - tail)).astype(np.float64)
            low, high = bootstrap.interval(inside[indices].mean(axis=1), level=_SKILL_LEVEL)
            verdict = "too narrow" if high < nominal else "too wide" if low > nominal else "calibrated"
            found = {"nominal": nominal, "coverage": float(inside.mean()), "coverage_low": float(low)}
            rows.append(named | found | {"coverage_high": float(high), "n": own.height, "verdict": verdict})
    dtypes = _head(forecasts, plan)
    dtypes |= dict.fromkeys(("nominal", "coverage", "coverage_low", "coverage_high"), pl.Float64())
    return pl.DataFrame(rows, schema=dtypes | {"n": pl.Int64(), "verdict": pl.String()}, orient="row")


def _exceedance(forecasts: pl.DataFrame, plan: _Plan, n_block: int, n_boot: int, seed: int) -> pl.DataFrame:
    rows = []
    for x in plan.above:

        def brier(of: pl.DataFrame, x: float = x) -> Floats:
            event = (pl.col("observed") > x).cast(pl.Float64)
            return of.select((pl.col(_exceeds(x)) - event) ** 2).to_series().to_numpy()

        for named, own, everyone in _cells(forecasts, plan):
            indices = _resamples(own.height, n_block, n_boot, seed)
            loss = brier(own)
            events = int((own["observed"] > x).sum())
            counted = {"above": x, "n": own.height, "n_events": events, "brier": float(loss.mean())}
            rows.append(named | counted | _against(named, loss, everyone, brier, indices))
    dtypes = _head(forecasts, plan) | {"above": pl.Float64(), "n": pl.Int64(), "n_events": pl.Int64()}
    return pl.DataFrame(rows, schema=dtypes | {"brier": pl.Float64()} | _skill_dtypes(), orient="row")
