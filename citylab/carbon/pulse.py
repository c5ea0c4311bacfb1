"""The daily pulse: CO2 by day and sector, estimated where it is not known yet, compared with what was to be expected.

:func:`nowcast` carries a daily series on to the days after its last value, from weekday, public holidays, worked
weekends (调休), the moving window of the Spring Festival, and where given temperature and proxies of activity.
:func:`backtest` issues such estimates from many past days and says, lead by lead, whether they beat two that cost
nothing. :func:`anomaly` compares periods with what a model of the days before, or the year before, let expect.

A city rarely has days, only months. :func:`disaggregate` spreads monthly totals over days by a shape from elsewhere and
marks every day as modelled; :func:`backtest_months` says how well the totals of months still unknown can be told.

What a day is estimated from, and the least that a series must have, stands in the declared tables ``carbon_pulse_*``.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np
import numpy.typing as npt
import polars as pl

from citylab import periods as calendars
from citylab import sheets, tables
from citylab.errors import DataError, RangeError, RefusalError, SchemaError, need_level, suggest
from citylab.frames import Frame, keys_of, lazily, need_columns, need_numbers, need_wall_clock
from citylab.stats import bootstrap, forecasting

Floats = npt.NDArray[np.float64]
Trend = Literal["random walk", "local level", "mean reverting"]
Comparison = Literal["model", "lunar", "calendar"]
Spread = Literal["denton", "pro_rata"]

NAIVE = ("last_day", "same_weekday_last_week", "same_weekday_last_year")
"""Estimates that cost nothing; the model is measured against them."""
COMPARISONS: tuple[Comparison, ...] = get_args(Comparison)
"""What :func:`anomaly` can compare with."""
PROXY = "proxy_"
"""Columns whose names begin so are proxies of activity."""
TOTAL = "total"
"""Sector of :func:`with_total`."""

_TRENDS: Mapping[str, Mapping[str, Any]] = {
    "random walk": {"level": "random walk"},
    "local level": {"level": "local level"},
    "mean reverting": {"level": "fixed intercept", "autoregressive": 1},
}
_FESTIVAL = "spring_festival"
_YEAR = 365.25  # days, mean of the Julian calendar
_WEEK = 7
_WEEKS_A_YEAR = 52
_SEARCH_STEPS = 200
_PROXY_ZH = "代理_"


@dataclass(frozen=True, slots=True)
class _Plan:
    """All choices of one call."""

    value: str
    date: str
    keys: tuple[str, ...]
    horizon: int
    level: float
    trend: str
    harmonics: int
    temperature: str | None
    proxies: tuple[str, ...]
    vintage: str | None
    rules: Mapping[str, float]
    corners: tuple[float, ...]
    """Days from the lunar new year between which the festival's effect is a straight line."""


@dataclass(frozen=True, slots=True)
class _Series:
    """One group on a calendar without gaps, as many days longer than what is known as are to be estimated."""

    name: str
    first: dt.date
    n: int
    y: Floats
    """Logarithms; NaN where unknown, and where a proxy is missing."""
    observed: Floats
    """Values as given; NaN where unknown."""
    x: Floats
    """One row per day, one column per effect."""
    effects: tuple[str, ...]
    """The effect that each column belongs to."""
    festivals: npt.NDArray[np.int64]
    """Year of the Spring Festival in whose window a day lies; 0 outside."""

    def day(self, i: int) -> dt.date:
        """Return the date of a row."""
        return self.first + dt.timedelta(int(i))


@dataclass(frozen=True, slots=True)
class _Fit:
    """Variances of the model, estimated on the days up to ``stop``, and which effects these days had seen."""

    params: Floats
    unit: float
    """Values are divided by it, so that the search works on numbers near 1."""
    seen: npt.NDArray[np.bool_]
    stop: int
    n: int


@dataclass(frozen=True, slots=True)
class _States:
    """Filtered states: ``mean[:, s]`` is told from the days before s, for day s."""

    mean: Floats
    cov: Floats
    design: Floats
    transition: Floats
    state_cov: Floats
    noise: float
    unit: float


# --- tables


def _rules(table: pl.DataFrame | None) -> dict[str, float]:
    rows = tables.read("carbon_pulse_rules") if table is None else table
    return dict(rows.select("rule", pl.col("value").cast(pl.Float64)).iter_rows())


def _new_years(table: pl.DataFrame | None = None) -> dict[int, dt.date]:
    rows = tables.read("carbon_pulse_new_year") if table is None else table
    return dict(rows.select("year", "new_year_date").iter_rows())


def _new_year(year: int, known: Mapping[int, dt.date]) -> dt.date:
    if year not in known:
        raise RangeError(
            f"The first day of the lunar year {year} is not declared; known are {min(known)} to {max(known)}. Take "
            "days of these years, or add the year to datasets/codes/carbon_pulse_new_year.csv."
        )
    return known[year]


# --- the frame


def _need_choices(plan: _Plan) -> None:
    if plan.trend not in _TRENDS:
        raise suggest(plan.trend, _TRENDS, what="trend", see="citylab.carbon.pulse.nowcast")
    longest = int(plan.rules["max_horizon_days"])
    if not 1 <= plan.horizon <= longest:
        raise RangeError(f"horizon_days is {plan.horizon}; expected 1 to {longest}.")
    need_level(plan.level, example=0.9)
    if plan.harmonics < 0:
        raise RangeError(f"harmonics is {plan.harmonics}; expected 0 or more waves a year.")


def _plan(
    lf: pl.LazyFrame,
    what: str,
    *,
    value: str,
    date: str,
    by: str | Sequence[str] | None,
    horizon: int,
    level: float,
    trend: str,
    harmonics: int,
    temperature: str | None,
    proxies: Sequence[str] | None,
    vintage: str | None,
    rules: pl.DataFrame | None,
    festival: pl.DataFrame | None,
) -> tuple[_Plan, pl.DataFrame]:
    """Check choices and frame; return them, the frame's rows sorted."""
    if proxies is None:
        proxies = [c for c in lf.collect_schema().names() if c.startswith(PROXY)]
    table = tables.read("carbon_pulse_festival") if festival is None else festival
    corners = tuple(float(c) for c in table["offset_days"].sort())
    plan = _Plan(value, date, tuple(keys_of(by)), horizon, level, trend, harmonics, temperature,
                 tuple(dict.fromkeys(proxies)), vintage, _rules(rules), corners)  # fmt: skip
    _need_choices(plan)
    return plan, _days_of(lf, plan, what)


def _days_of(lf: pl.LazyFrame, plan: _Plan, what: str) -> pl.DataFrame:
    given = [*([plan.temperature] if plan.temperature else []), *plan.proxies]
    told = {**dict.fromkeys(plan.keys, "group"), plan.date: "day", plan.value: "CO2 of the day"}
    schema = need_columns(lf, {**told, **dict.fromkeys(given, "value of the day")}, what=what)
    need_numbers(schema, [plan.value, *given], what=what)
    need_wall_clock(schema, plan.date, what=what, dates=True)
    if schema[plan.date] != pl.Date:
        raise SchemaError(f"{what} needs dates in {plan.date!r}, which is {schema[plan.date]}; a row is one day.")
    numbers = list(dict.fromkeys([plan.value, *given]))
    data = lf.select(*plan.keys, plan.date, pl.col(numbers).cast(pl.Float64)).sort(*plan.keys, plan.date).collect()
    if not data.height:
        raise DataError(f"{what} got no rows. Load the days first.")
    if lost := data[plan.date].null_count():
        raise DataError(f"{what} got {lost} rows without a day in {plan.date!r}. Drop them.")
    twice = data.filter(pl.struct(*plan.keys, plan.date).is_duplicated())
    if twice.height:
        raise DataError(
            f"{what} needs one row per day; {twice[plan.date][0]} is there twice. Name what tells the rows apart in "
            "by=, or add them up first."
        )
    wrong = data.filter(pl.col(plan.value) <= 0)
    if wrong.height:
        raise DataError(
            f"{wrong.height} values of {plan.value!r} are zero or below (first: {wrong[plan.value][0]} on "
            f"{wrong[plan.date][0]}); the model works on logarithms. Set faulty ones to null; a sector that stands "
            "still is added to another first."
        )
    return data


def _groups(data: pl.DataFrame, keys: Sequence[str]) -> Iterator[tuple[tuple[Any, ...], pl.DataFrame]]:
    if not keys:
        yield (), data
        return
    yield from data.partition_by(*keys, as_dict=True, maintain_order=True).items()


def _named(key: Sequence[object], keys: Sequence[str]) -> str:
    return ", ".join(f"{k} {v!r}" for k, v in zip(keys, key, strict=True)) or "the series"


def _calendar_effects(
    days: pl.Series, harmonics: int, corners: Sequence[float]
) -> tuple[list[str], list[Floats], npt.NDArray[np.int64]]:
    """Return what the calendar says of days: effects with their columns, and whose festival's window they lie in."""
    known = _new_years()
    rows = calendars.calendar(days[0], days[-1]).collect()
    weekday = rows["weekday"].to_numpy()
    names, columns = [], []
    for k in range(1, _WEEK):  # against Sunday; the effects of a week add up to nothing
        names.append("weekday")
        columns.append((weekday == k).astype(np.float64) - (weekday == _WEEK))
    is_festival = (rows["holiday_name_en"] == "Spring Festival").fill_null(False).to_numpy()
    for name, flag in (
        ("public_holiday", rows["is_public_holiday"].to_numpy() & ~is_festival),
        ("adjusted_workday", rows["is_adjusted_workday"].to_numpy()),
    ):
        names.append(name)
        columns.append(flag.astype(np.float64))
    years = range(days[0].year, days[-1].year + 2)
    starts = np.array([_new_year(y, known).toordinal() for y in years if y < years[-1] or y in known], np.float64)
    ordinal = np.array([day.toordinal() for day in days], np.float64)
    apart = ordinal[:, None] - starts[None, :]
    nearest = np.abs(apart).argmin(axis=1)
    offset = apart[np.arange(len(ordinal)), nearest]
    for k in range(1, len(corners) - 1):
        names.append(_FESTIVAL)
        columns.append(np.interp(offset, corners, np.eye(len(corners))[k], left=0.0, right=0.0))
    inside = (offset > corners[0]) & (offset < corners[-1])
    angle = 2 * np.pi * days.dt.ordinal_day().to_numpy() / _YEAR
    for k in range(1, harmonics + 1):
        names += ["season", "season"]
        columns += [np.cos(k * angle), np.sin(k * angle)]
    return names, columns, np.where(inside, np.array(list(years))[nearest], 0)


def degree_days(temperature: pl.Expr, *, rules: pl.DataFrame | None = None) -> tuple[pl.Expr, pl.Expr]:
    """Return heating and cooling degree days of daily mean temperatures.

    Parameters
    ----------
    temperature
        Daily mean [°C]. Where only extremes are known, their mean is the usual stand-in.
    rules
        Table with ``heating_base_c`` and ``cooling_base_c``; default: the declared ``carbon_pulse_rules`` (18, 26 °C).

    Returns
    -------
    tuple of polars.Expr
        ``heating_degree_days_c`` and ``cooling_degree_days_c`` [°C d], zero or more; null where the temperature is.

    Examples
    --------
    >>> pl.DataFrame({"t": [-2.0, 20.0, 30.0]}).select(*degree_days(pl.col("t"))).rows()
    [(20.0, 0.0), (0.0, 0.0), (0.0, 4.0)]

    References
    ----------
    JGJ 26-2018, bases of 18 and 26 °C (from memory).
    """
    return _degree_days(temperature, _rules(rules))


def _degree_days(temperature: pl.Expr, base: Mapping[str, float]) -> tuple[pl.Expr, pl.Expr]:
    heating = (base["heating_base_c"] - temperature).clip(lower_bound=0.0)
    cooling = (temperature - base["cooling_base_c"]).clip(lower_bound=0.0)
    return heating.alias("heating_degree_days_c"), cooling.alias("cooling_degree_days_c")


def _given_effects(laid: pl.DataFrame, plan: _Plan) -> tuple[list[str], list[Floats]]:
    """Return degree days and proxies in their standard deviations; proxies without any value are not of this group."""
    names: list[str] = []
    frames: list[pl.Series] = []
    if plan.temperature is not None:
        both = laid.select(*_degree_days(pl.col(plan.temperature), plan.rules))
        names += ["temperature", "temperature"]
        frames += [both.to_series(0), both.to_series(1)]
    for name in plan.proxies:
        if laid[name].count():
            names.append(name)
            frames.append(laid[name])
    columns = []
    for values in frames:
        raw = values.fill_null(np.nan).to_numpy().astype(np.float64)
        spread = np.nanstd(raw)
        columns.append((raw - np.nanmean(raw)) / spread if spread > 0 else np.where(np.isnan(raw), np.nan, 0.0))
    return names, columns


def _series_of(rows: pl.DataFrame, key: Sequence[object], plan: _Plan, *, last: dt.date | None = None) -> _Series:
    """Lay a group on a calendar from its first known day to its last one (or ``last``) and the horizon."""
    name = _named(key, plan.keys)
    known = rows.filter(pl.col(plan.value).is_finite())
    if last is not None:
        known = known.filter(pl.col(plan.date) <= last)
    least = int(plan.rules["min_days"])
    if known.height < least:
        raise RefusalError(
            f"{name} has {known.height} days with {plan.value!r}; an estimate needs {least}, so that weekdays "
            "and the spread of days are known. Bring more days."
        )
    first, end = known[plan.date][0], known[plan.date][-1]
    n = (end - first).days + 1
    days = pl.date_range(first, end + dt.timedelta(plan.horizon), eager=True).alias(plan.date)
    laid = pl.DataFrame(days).join(rows, on=plan.date, how="left", maintain_order="left")
    observed: Floats = laid[plan.value].fill_null(np.nan).to_numpy().copy()
    observed[~np.isfinite(observed)] = np.nan
    observed[n:] = np.nan
    names, columns, festivals = _calendar_effects(days, plan.harmonics, plan.corners)
    more, given = _given_effects(laid, plan)
    x = np.column_stack([*columns, *given])
    blank = np.asarray(np.isnan(x).any(axis=1))
    if blank[n:].any():
        bad = n + int(np.flatnonzero(blank[n:])[0])
        which = [name for name, column in zip(more, given, strict=True) if math.isnan(column[bad])]
        told = plan.temperature if which[0] == "temperature" else which[0]
        raise DataError(
            f"{name} is to be estimated on {first + dt.timedelta(bad)}, and {told!r} has no value there. Add rows "
            f"with it and a null {plan.value!r}, shorten horizon_days=, or leave it out of proxies= or temperature=."
        )
    y = np.log(np.where(blank, np.nan, observed))
    _need_no_gaps(y[:n], name, first, plan, with_given=bool(more))
    return _Series(name, first, n, y, observed, np.nan_to_num(x), tuple([*names, *more]), festivals)


def _need_no_gaps(y: Floats, name: str, first: dt.date, plan: _Plan, *, with_given: bool) -> None:
    gone = np.isnan(y)
    share, most = float(gone.mean()), plan.rules["max_missing_share"]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], gone.astype(np.int8), [0]])))
    runs = edges[1::2] - edges[::2]
    longest, allowed = int(runs.max(initial=0)), int(plan.rules["max_gap_days"])
    of = " (or a proxy of theirs)" if with_given else ""
    if longest > allowed:
        start = first + dt.timedelta(int(edges[::2][runs.argmax()]))
        raise RefusalError(
            f"{name} lacks {longest} days in a row from {start}{of}; at most {allowed} are carried over. Begin after "
            "the gap, or fill it from a source and say so."
        )
    if share > most:
        raise RefusalError(f"{name} lacks {share:.0%} of its days{of}; at most {most:.0%} may be missing.")
    if np.nanmin(y) == np.nanmax(y):
        raise RefusalError(f"{name} is always {math.exp(np.nanmin(y)):g}; there is nothing to estimate.")


# --- the model


def _components(z: Floats, x: Floats, trend: str) -> Any:
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    return UnobservedComponents(z, exog=x if x.shape[1] else None, mle_regression=False, **_TRENDS[trend])


def _fit(series: _Series, stop: int, trend: str, start: Floats | None = None) -> _Fit:
    """Estimate the variances on the days before ``stop``; the effects are states, and never fixed."""
    y = series.y[:stop]
    good = np.isfinite(y)
    seen = np.ptp(series.x[:stop][good], axis=0) > 0
    steps = np.diff(y[good])
    unit = float(steps.std())
    if not unit > 0:
        raise RefusalError(f"{series.name} never changes from day to day; there is nothing to estimate.")
    model = _components(y / unit, series.x[:stop, seen], trend)
    with forecasting.quiet():
        found = model.fit(start_params=start, disp=0, maxiter=_SEARCH_STEPS, cov_type="none")
    params = np.asarray(found.params, np.float64)
    if not np.isfinite(params).all():
        raise RefusalError(f"The search for the variances of {series.name} failed. Try another trend=.")
    return _Fit(params, unit, seen, stop, int(good.sum()))


def _filtered(series: _Series, fit: _Fit, trend: str, *, days: int | None = None) -> _States:
    """Run the filter with fixed variances over all days, or the first ``days``."""
    z = series.y[:days] / fit.unit
    model = _components(z, series.x[:days, fit.seen], trend)
    with forecasting.quiet():
        found = model.filter(fit.params).filter_results
    select = found.selection[:, :, 0]
    design = found.design[0]
    if design.shape[1] == 1:
        design = np.repeat(design, len(z), axis=1)
    return _States(
        np.asarray(found.predicted_state), np.moveaxis(found.predicted_state_cov, 2, 0), np.asarray(design),
        np.asarray(found.transition[:, :, 0]), select @ found.state_cov[:, :, 0] @ select.T,
        float(found.obs_cov[0, 0, 0]), fit.unit,
    )  # fmt: skip


def _ahead(states: _States, origins: npt.NDArray[np.int64], horizon: int) -> tuple[Floats, Floats]:
    """Return median and standard deviation of the logarithm, by lead and day of issue; NaN beyond the calendar."""
    n = states.design.shape[1]
    centre, spread = np.full((2, horizon, len(origins)), np.nan)
    mean, cov = states.mean[:, origins + 1].copy(), states.cov[origins + 1].copy()
    for h in range(1, horizon + 1):
        inside = origins + h < n
        z = states.design[:, np.minimum(origins + h, n - 1)]
        variance = np.einsum("in,nij,jn->n", z, cov, z) + states.noise
        centre[h - 1] = np.where(inside, (z * mean).sum(axis=0) * states.unit, np.nan)
        spread[h - 1] = np.where(inside, np.sqrt(variance) * states.unit, np.nan)
        mean = states.transition @ mean
        cov = states.transition @ cov @ states.transition.T + states.state_cov
    return centre, spread


def _drawn(states: _States, origin: int, horizon: int, n_draws: int, seed: int) -> Floats:
    """Return paths of the logarithm after a day, one a row: what is common to their days is common to a path."""
    draw = np.random.default_rng(seed)

    def normal(cov: Floats) -> Floats:
        size, directions = np.linalg.eigh((cov + cov.T) / 2)
        return draw.normal(size=(n_draws, len(size))) @ (directions * np.sqrt(np.maximum(size, 0))).T

    state = states.mean[:, origin + 1] + normal(states.cov[origin + 1])
    paths = np.empty((n_draws, horizon))
    for h in range(1, horizon + 1):
        noise = draw.normal(scale=math.sqrt(states.noise), size=n_draws) if states.noise > 0 else 0.0
        paths[:, h - 1] = (state @ states.design[:, origin + h] + noise) * states.unit
        state = state @ states.transition.T + normal(states.state_cov)
    return paths


def _effects(series: _Series, fit: _Fit) -> str:
    return "+".join(dict.fromkeys(e for e, kept in zip(series.effects, fit.seen, strict=True) if kept))


def _remark(series: _Series, fit: _Fit, i: int) -> str | None:
    """Say which effects of a day the training days never showed, or showed once."""
    named = zip(series.effects, fit.seen, series.x[i], strict=True)
    said = list(dict.fromkeys(f"unseen_{effect}" for effect, kept, x in named if not kept and x != 0))
    past = {int(y) for y in series.festivals[: fit.stop][np.isfinite(series.y[: fit.stop])] if y}
    past.discard(int(series.festivals[i]))  # the first days of one's own festival tell nothing of the others
    if series.festivals[i] and len(past) == 1 and f"unseen_{_FESTIVAL}" not in said:
        said.append(f"one_{_FESTIVAL}")
    return "+".join(said) or None


def _z(level: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf((1 + level) / 2)


def _vintage(plan: _Plan, first: dt.date, last: dt.date) -> str:
    said = f"{first} to {last}"
    return f"{plan.vintage}, {said}" if plan.vintage else said


def nowcast(
    frame: Frame,
    *,
    by: str | Sequence[str] | None = "sector",
    horizon_days: int = 14,
    level: float = 0.9,
    value: str = "co2_t",
    date: str = "date_local",
    temperature: str | None = None,
    proxies: Sequence[str] | None = None,
    trend: Trend = "random walk",
    harmonics: int = 0,
    as_of: dt.date | None = None,
    vintage: str | None = None,
    rules: pl.DataFrame | None = None,
    festival: pl.DataFrame | None = None,
) -> Frame:
    """Return daily CO2 as observed, and estimated for the days after the last value, each estimate with its interval.

    Parameters
    ----------
    frame
        One row per day and group, in any order. A day without a row or a value is missing and stays so. Rows after the
        last value may carry temperature and proxies already.
    by
        Grouping columns; each group is estimated alone. ``None`` takes the frame as one series.
    horizon_days
        Days estimated after the last value of each group.
    level
        Level of the interval.
    value
        Column of the CO2 of the day [t], above zero.
    date
        Column of the day.
    temperature
        Column of the daily mean [°C]; it enters as heating and cooling degree days.
    proxies
        Columns of daily activity; default: those whose names begin with ``proxy_``. A proxy without any value in a
        group is not of that group. Their values on the days estimated must be there.
    trend
        ``"random walk"``: the level of today goes on. ``"local level"``: the same, with days that stand apart.
        ``"mean reverting"``: back to the mean of the whole series; with ``harmonics`` to its season.
    harmonics
        Waves a year of the season; they need more than a year of days.
    as_of
        Hide all values after this day, to see what would have been said then.
    vintage
        Name and version of the data, for the column ``vintage``.
    rules
        Table of ``rule`` and ``value``; default: the declared ``carbon_pulse_rules``.
    festival
        Table with ``offset_days``, the corners of the Spring Festival's effect; default: the declared
        ``carbon_pulse_festival``.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group and day from the first value on: ``by``; ``date_local``; ``co2_t`` (observed, null in a gap,
        or the median of the estimate); ``co2_t_low``, ``co2_t_high`` (of estimates only); ``level``; ``is_forecast``
        (after the last value); ``is_modelled``; ``lead_days`` (null for what was observed); ``n`` (days that the
        estimate rests on); ``effects`` (what explains, joined by +); ``remark`` (``unseen_spring_festival``,
        ``one_spring_festival``, ``unseen_public_holiday``, ``unseen_adjusted_workday``: an effect of that day was
        never, or once, seen); ``method``; ``vintage``. It is computed at the call.

    Raises
    ------
    UnknownNameError
        No such ``trend``.
    SchemaError
        A column is missing, holds no numbers or is no date.
    DataError
        A day twice, a value of zero or below, or a proxy missing on a day to be estimated.
    RangeError
        A number out of range, or a day for which no public holidays are known yet.
    RefusalError
        Too few days, a gap that is too long, or a series that never changes.

    Notes
    -----
    A structural model in state-space form on logarithms: level + effects + noise. The effects are states with a diffuse
    start, so that the interval knows how unsure they are; variances are by maximum likelihood (statsmodels,
    ``UnobservedComponents``). The interval is normal on logarithms: it does not know of a shock, of a revision of the
    data, or of how one Spring Festival differs from another. ``remark`` says where that matters.

    Range of validity: a few days. On China's own days of 2020 it beats the day before, one day ahead, in every sector;
    from a week on it does not beat the same weekday of the last week in power and industry. :func:`backtest` measures
    it for yours. The default ``trend`` was chosen on that series, so its scores there flatter a little.

    Examples
    --------
    >>> days = pl.date_range(dt.date(2021, 3, 1), dt.date(2021, 12, 31), eager=True)
    >>> wave = [1e6 * (1.1 if day.weekday() < 5 else 0.9) for day in days]
    >>> noise = np.random.default_rng(0).normal(scale=0.01, size=len(days))
    >>> synthetic = pl.DataFrame({"date_local": days, "sector": "power", "co2_t": wave * np.exp(noise)})
    >>> told = nowcast(synthetic, horizon_days=3, trend="local level").filter("is_forecast")
    >>> told.select("date_local", "lead_days", "remark").rows()[:2]
    [(datetime.date(2022, 1, 1), 1, None), (datetime.date(2022, 1, 2), 2, None)]

    References
    ----------
    Harvey (1989), Forecasting, structural time series models and the Kalman filter, doi:10.1017/CBO9781107049994.
    Liu et al. (2020), Carbon Monitor, a near-real-time daily dataset of global CO2 emission,
    doi:10.1038/s41597-020-00708-7.
    """
    lf, back = lazily(frame)
    plan, data = _plan(
        lf, "nowcast", value=value, date=date, by=by, horizon=horizon_days, level=level, trend=trend,
        harmonics=harmonics, temperature=temperature, proxies=proxies, vintage=vintage, rules=rules, festival=festival,
    )  # fmt: skip
    z = _z(level)
    parts = []
    for key, own in _groups(data, plan.keys):
        series = _series_of(own, key, plan, last=as_of)
        fit = _fit(series, series.n, trend)
        centre, spread = (
            a[:, 0] for a in _ahead(_filtered(series, fit, trend), np.array([series.n - 1]), plan.horizon)
        )
        nothing = np.full(series.n, np.nan)
        is_new = np.arange(series.n + plan.horizon) >= series.n
        days = [series.day(i) for i in range(len(is_new))]
        beside = {k: pl.lit(v, dtype=data.schema[k]) for k, v in zip(plan.keys, key, strict=True)}
        part = pl.DataFrame(
            {
                date: days,
                value: np.concatenate([series.observed[: series.n], np.exp(centre)]),
                f"{value}_low": np.concatenate([nothing, np.exp(centre - z * spread)]),
                f"{value}_high": np.concatenate([nothing, np.exp(centre + z * spread)]),
                "level": np.where(is_new, level, np.nan),
                "is_forecast": is_new,
                "is_modelled": is_new,
                "lead_days": pl.Series([None] * series.n + list(range(1, plan.horizon + 1)), dtype=pl.Int64),
                "n": pl.Series([None] * series.n + [fit.n] * plan.horizon, dtype=pl.Int64),
                "remark": pl.Series([_remark(series, fit, i) if new else None for i, new in enumerate(is_new)],
                                    dtype=pl.String),
            }
        )  # fmt: skip
        parts.append(
            part.with_columns(pl.col(pl.Float64).fill_nan(None)).select(
                *(expr.alias(k) for k, expr in beside.items()),
                pl.all().exclude("remark"),
                pl.lit(_effects(series, fit)).alias("effects"),
                "remark",
                pl.lit(f"state space, {trend}").alias("method"),
                pl.lit(_vintage(plan, series.first, series.day(series.n - 1))).alias("vintage"),
            )
        )
    return back(pl.concat(parts).lazy())


def with_total(frame: Frame, *, by: str = "sector", value: str = "co2_t", date: str = "date_local") -> Frame:
    """Return daily CO2 by sector with rows for all sectors together.

    The total of a day on which a sector is missing is null: part of a total is no total. A nowcast of the total is an
    estimate of its own; the sum of the sectors' medians is near it, and the sum of their bounds is not its interval.

    Parameters
    ----------
    frame
        One row per day and sector.
    by, value, date
        Columns of sector, CO2 and day.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        ``date``, ``by`` and ``value``, with rows of the sector ``"total"``.

    Raises
    ------
    SchemaError
        A column is missing.
    DataError
        On collecting: the frame has a total already.

    Examples
    --------
    >>> day = dt.date(2020, 1, 1)
    >>> both = pl.DataFrame({"date_local": [day, day], "sector": ["power", "industry"], "co2_t": [3.0, 2.0]})
    >>> with_total(both).filter(sector="total")["co2_t"].to_list()
    [5.0]
    """
    lf, back = lazily(frame)
    need_numbers(need_columns(lf, [date, by, value], what="with_total"), [value], what="with_total")
    rows = lf.select(date, by, pl.col(value).cast(pl.Float64))

    def add(table: pl.DataFrame) -> pl.DataFrame:
        if (table[by] == TOTAL).any():
            raise DataError(f"The frame has rows of {by} {TOTAL!r} already. Filter them out, or use them as they are.")
        complete = pl.col(value).count() == table[by].n_unique()
        whole = pl.when(complete).then(pl.col(value).sum()).alias(value)
        total = table.group_by(date).agg(whole).sort(date)
        return pl.concat([table, total.select(date, pl.lit(TOTAL, dtype=table.schema[by]).alias(by), value)])

    return back(rows.map_batches(add, schema=rows.collect_schema()))


# --- the back-test


@dataclass(frozen=True, slots=True)
class Backtest:
    """Estimates issued from many past days (or months), and how they fared.

    Attributes
    ----------
    forecasts
        One row per group, day of issue (``issued_on``), day and method: estimate, bounds where the method has any,
        ``observed``, ``is_scored`` (all methods have an estimate and the outcome is known).
    scores
        One row per group, method and lead: ``n``, ``first_issue``, ``last_issue``, ``wape`` (sum of absolute errors
        over sum of outcomes), ``bias_share`` (sum of errors over sum of outcomes), ``level``, ``coverage`` with its
        interval and verdict (``too narrow``, ``calibrated``, ``too wide``); of what is no naive estimate also its skill
        (1 - mean absolute error over that of a naive estimate) against each naive one, with interval and verdict
        (``better``, ``not distinguishable``, ``worse``). Null where a method has no such figure.
    settings, seed, versions
        How it was made.
    assumptions
        What must hold for the figures to carry over to tomorrow.
    """

    forecasts: pl.DataFrame
    scores: pl.DataFrame
    settings: Mapping[str, Any]
    seed: int
    assumptions: tuple[str, ...]
    versions: Mapping[str, str]

    def tidy(self) -> pl.DataFrame:
        """Return the scores."""
        return self.scores


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {n: version(n) for n in ("statsmodels", "numpy", "polars")}


def _past(values: Floats, i: npt.NDArray[np.int64]) -> Floats:
    """Return values at positions, NaN before the first."""
    return np.where(i >= 0, values[np.maximum(i, 0)], np.nan)


def _naive(name: str, values: Floats, origins: npt.NDArray[np.int64], h: int) -> Floats:
    if name == "last_day":
        return _past(values, origins)
    back = _WEEK * -(-h // _WEEK) if name == "same_weekday_last_week" else _WEEK * _WEEKS_A_YEAR
    return _past(values, origins + h - back)


def backtest(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    by: str | Sequence[str] | None = "sector",
    horizon_days: int = 14,
    leads: Sequence[int] | None = None,
    level: float = 0.9,
    value: str = "co2_t",
    date: str = "date_local",
    temperature: str | None = None,
    proxies: Sequence[str] | None = None,
    trend: Trend = "random walk",
    harmonics: int = 0,
    every: int = 1,
    n_boot: int = 999,
    seed: int = 0,
    vintage: str | None = None,
    rules: pl.DataFrame | None = None,
    festival: pl.DataFrame | None = None,
) -> Backtest:
    """Issue nowcasts from many past days and score them against estimates that cost nothing.

    From each day of issue nothing later is used but the calendar and, where given, temperature and proxies of the days
    estimated. Variances are estimated anew every 30 days (rule ``refit_days``); the effects are learnt day by day.

    Parameters
    ----------
    frame, by, horizon_days, level, value, date, temperature, proxies, trend, harmonics, vintage, rules, festival
        As :func:`nowcast`.
    leads
        Leads that are scored; default: 1, 7, 14, ... days, as far as the horizon.
    every
        Days between days of issue. With a multiple of 7 each lead would meet one weekday only.
    n_boot, seed
        Resamples of blocks of days of issue for the intervals of skill and coverage.

    Returns
    -------
    Backtest
        Forecasts of ``"model"`` and of the naive ``"last_day"``, ``"same_weekday_last_week"`` (of the last week fully
        known) and ``"same_weekday_last_year"`` (52 weeks before), and their scores on the days that all can tell.

    Raises
    ------
    RefusalError
        Fewer than 30 days of issue after the first year, or as :func:`nowcast`.
    CitylabError
        As :func:`nowcast`.

    Examples
    --------
    >>> days = pl.date_range(dt.date(2021, 1, 1), dt.date(2022, 6, 30), eager=True)
    >>> wave = [1e6 * (1.1 if day.weekday() < 5 else 0.9) for day in days]
    >>> noise = np.random.default_rng(0).normal(scale=0.01, size=len(days))
    >>> synthetic = pl.DataFrame({"date_local": days, "sector": "power", "co2_t": wave * np.exp(noise)})
    >>> found = backtest(synthetic, horizon_days=1, trend="local level", n_boot=99)
    >>> found.scores.filter(method="model")["verdict_vs_last_day"].item()
    'better'

    References
    ----------
    Hyndman & Athanasopoulos, Forecasting: principles and practice, 3rd edition, section 5.10 (rolling origin).
    """
    plan, data = _plan(
        lazily(cast(pl.LazyFrame, frame))[0], "backtest", value=value, date=date, by=by, horizon=horizon_days,
        level=level, trend=trend, harmonics=harmonics, temperature=temperature, proxies=proxies, vintage=vintage,
        rules=rules, festival=festival,
    )  # fmt: skip
    if every < 1:
        raise RangeError(f"every is {every}; expected at least 1 day.")
    scored = sorted({1, *range(_WEEK, horizon_days + 1, _WEEK)} if leads is None else set(leads))
    if not scored or scored[0] < 1 or scored[-1] > horizon_days:
        raise RangeError(f"leads are {scored}; expected days from 1 to horizon_days, which is {horizon_days}.")
    bootstrap.need_draws(n_boot, plan.rules["skill_level"])
    parts = [_issued(own, key, plan, scored, every, data.schema) for key, own in _groups(data, plan.keys)]
    forecasts = _scorable(pl.concat(parts), [*plan.keys, "issued_on", date])
    said = ["Values of the day of issue are complete when the estimate is issued, and are not revised."]
    if temperature or plan.proxies:
        said.append("Temperature and proxies of the days estimated were those observed, not forecasts of them.")
    options = {"horizon_days": horizon_days, "leads": scored, "level": level, "trend": trend, "harmonics": harmonics,
               "temperature": temperature, "proxies": plan.proxies, "every": every, "n_boot": n_boot,
               "refit_days": plan.rules["refit_days"], "vintage": vintage}  # fmt: skip
    block = max(1, -(-horizon_days // every))
    scores = _scores(forecasts, plan.keys, "model", NAIVE, level, plan.rules["skill_level"], block, n_boot, seed)
    return Backtest(forecasts, scores, options, seed, tuple(said), _versions())


def _issued(
    rows: pl.DataFrame, key: Sequence[object], plan: _Plan, leads: Sequence[int], every: int, schema: pl.Schema
) -> pl.DataFrame:
    """Return all estimates of one group; none reaches beyond the last day known, so nothing later is needed."""
    series = _series_of(rows, key, replace(plan, horizon=0))
    counted = np.flatnonzero(np.cumsum(np.isfinite(series.y)) >= plan.rules["min_backtest_days"])
    start = int(counted[0]) if len(counted) else series.n
    origins = np.arange(start, series.n - 1, every)
    least = int(plan.rules["min_origins"])
    if len(origins) < least:
        raise RefusalError(
            f"{series.name} has {series.n} days, which leave {len(origins)} days of issue; a verdict takes {least} "
            f"after {plan.rules['min_backtest_days']:.0f} days. Bring more days, or lower every=."
        )
    values = np.exp(series.y)
    z, span = _z(plan.level), int(plan.rules["refit_days"])
    found: list[dict[str, Any]] = []
    params: Floats | None = None
    for first in range(start, series.n - 1, span):
        own = origins[(origins >= first) & (origins < first + span)]
        if not len(own):
            continue
        fit = _fit(series, first + 1, plan.trend, params)
        params = fit.params
        states = _filtered(series, fit, plan.trend, days=int(own[-1]) + max(leads) + 1)
        centre, spread = _ahead(states, own, max(leads))
        for h in leads:
            whole = own + h < series.n
            at = own[whole]
            told = {"model": tuple(np.exp(centre[h - 1] + k * spread[h - 1])[whole] for k in (0, -z, z))}
            nothing = np.full(len(at), np.nan)
            told |= {name: (_naive(name, values, at, h), nothing, nothing) for name in NAIVE}
            for method, (centred, low, high) in told.items():
                found.append(
                    {"issued_on": [series.day(i) for i in at], plan.date: [series.day(i + h) for i in at],
                     "lead_days": np.full(len(at), h), "method": [method] * len(at), plan.value: centred,
                     "low": low, "high": high, "observed": values[at + h], "n_train": np.full(len(at), fit.n)}
                )  # fmt: skip
    beside = [pl.lit(v, dtype=schema[k]).alias(k) for k, v in zip(plan.keys, key, strict=True)]
    names = {"low": f"{plan.value}_low", "high": f"{plan.value}_high"}
    said = _vintage(plan, series.first, series.day(series.n - 1))
    return (
        pl.concat([pl.DataFrame(part) for part in found])
        .rename(names)
        .with_columns(pl.col(pl.Float64).fill_nan(None))
        .select(*beside, pl.all(), pl.lit(said).alias("vintage"))
    )


def _scorable(forecasts: pl.DataFrame, cell: Sequence[str]) -> pl.DataFrame:
    """Mark the rows on which every method has an estimate and the outcome is known."""
    estimate = forecasts.columns[forecasts.columns.index("method") + 1]
    whole = (pl.col(estimate).is_not_null() & pl.col("observed").is_not_null()).all().over(cell)
    return forecasts.with_columns(whole.alias("is_scored"))


def _scores(
    forecasts: pl.DataFrame,
    keys: Sequence[str],
    ours: str,
    naive: Sequence[str],
    level: float,
    skill_level: float,
    block: int,
    n_boot: int,
    seed: int,
) -> pl.DataFrame:
    """Return one row per group, lead and method."""
    estimate = forecasts.columns[forecasts.columns.index("method") + 1]
    known = forecasts.filter("is_scored").sort("issued_on", maintain_order=True)
    rows: list[dict[str, Any]] = []
    for cell, part in known.partition_by(*keys, "lead_days", as_dict=True, maintain_order=True).items():
        methods = part.partition_by("method", as_dict=True, maintain_order=True)
        losses = {m: (p[estimate] - p["observed"]).abs().to_numpy() for (m,), p in methods.items()}
        for (method,), own in methods.items():
            n = own.height
            indices = forecasting.resamples(n, block=block, n_boot=n_boot, seed=seed) if n > 1 else None
            row = dict(zip([*keys, "lead_days"], cell, strict=True))
            error = (pl.col(estimate) - pl.col("observed")).sum() / pl.col("observed").sum()
            row |= {
                "method": method, "n": n, "first_issue": own["issued_on"].min(), "last_issue": own["issued_on"].max(),
                "wape": forecasting.wape(own["observed"], own[estimate]),
                "bias_share": own.select(error).item(),
            }  # fmt: skip
            if own[f"{estimate}_low"].count() == n and indices is not None:
                inside = own.select(
                    pl.col("observed").is_between(f"{estimate}_low", f"{estimate}_high")
                ).to_series()  # fmt: skip
                held = forecasting.coverage(inside.to_numpy(), level, indices, level=skill_level)
                row |= {"level": level, "coverage": held.share, "coverage_low": held.low, "coverage_high": held.high,
                        "coverage_verdict": held.verdict}  # fmt: skip
            for name in naive if method not in naive else ():
                if indices is None:
                    continue
                found = forecasting.skill(losses[method], losses[name], indices, level=skill_level)
                if found is not None:
                    row |= {f"skill_vs_{name}": found.value, f"skill_low_vs_{name}": found.low,
                            f"skill_high_vs_{name}": found.high, f"verdict_vs_{name}": found.verdict}  # fmt: skip
            rows.append(row)
    numbers = ("wape", "bias_share", "level", "coverage", "coverage_low", "coverage_high")
    schema: dict[str, Any] = {k: forecasts.schema[k] for k in (*keys, "lead_days", "method")}
    schema |= {"n": pl.Int64(), "first_issue": pl.Date(), "last_issue": pl.Date()}
    schema |= dict.fromkeys(numbers, pl.Float64()) | {"coverage_verdict": pl.String()}
    for name in naive:
        schema |= dict.fromkeys((f"skill_vs_{name}", f"skill_low_vs_{name}", f"skill_high_vs_{name}"), pl.Float64())
        schema[f"verdict_vs_{name}"] = pl.String()
    return pl.DataFrame(rows, schema=schema, orient="row").sort(*keys, "lead_days", maintain_order=True)


# --- what was to be expected


def anomaly(
    frame: Frame,
    *,
    periods: pl.DataFrame | None = None,
    compare: Sequence[Comparison] = COMPARISONS,
    by: str | Sequence[str] | None = "sector",
    level: float = 0.9,
    value: str = "co2_t",
    date: str = "date_local",
    harmonics: int = 2,
    n_draws: int = 2000,
    seed: int = 0,
    vintage: str | None = None,
    rules: pl.DataFrame | None = None,
    festival: pl.DataFrame | None = None,
) -> Frame:
    """Return how far the CO2 of periods lay from what was to be expected, by up to three measures side by side.

    Parameters
    ----------
    frame
        One row per day and group; the days before the first period, the periods, the same days a year before, and the
        placebo days.
    periods
        Table with ``period``, ``kind`` (``"period"``, or ``"placebo"`` for the quiet days), ``first_date``,
        ``last_date``; default: the declared ``carbon_pulse_periods`` of spring 2020.
    compare
        ``"model"``: the days before the first period carried on by a model that reverts to its season (``harmonics``
        waves). ``"lunar"``: the year before, aligned by the first day of the lunar year. ``"calendar"``: the year
        before on the same dates, without 29 February.
    by, value, date, vintage, rules, festival
        As :func:`nowcast`.
    level
        Level of the interval of ``"model"``.
    harmonics
        Waves a year of the model's season.
    n_draws, seed
        Paths drawn for the interval of ``"model"``.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group, period and measure: ``by``; ``period``; ``method``; ``first_date``, ``last_date``; ``n_days``
        compared; ``co2_t`` observed on them; ``expected_co2_t`` with ``_low`` and ``_high``; ``difference_t`` and
        ``difference_share`` (observed minus expected, and over expected) with ``_low`` and ``_high``; ``interval``
        (``"model"``, or ``"placebo_range"``); ``level`` (of ``"model"``); ``n`` (days that the expectation rests on);
        ``n_placebo`` (windows that do not overlap); ``remark``; ``vintage``. It is computed at the call.

    Raises
    ------
    UnknownNameError
        No such measure.
    RefusalError
        Too few days before the first period, or days of a comparison missing.
    CitylabError
        As :func:`nowcast`.

    Notes
    -----
    No measure is a cause: a difference holds growth, weather and revisions as well as the event. With one year before
    the event, ``"model"`` takes that year's season for the usual one and has seen one Spring Festival
    (``remark``): its interval knows the noise of days, not how years differ. ``"lunar"`` moves the season along with
    the festival, ``"calendar"`` leaves the festival where it was; the truth of a festival that moves lies between.

    The interval of ``"lunar"`` and ``"calendar"`` is the range of the same difference over windows of the quiet days,
    as long as the period but short enough for three that do not overlap; no difference at all is always in it. It is a
    spread of ordinary differences and no confidence interval. The quiet days declared lie after the event: a lasting
    effect of it, and the year's growth, are in them.

    Examples
    --------
    >>> days = pl.date_range(dt.date(2019, 1, 1), dt.date(2020, 12, 31), eager=True)
    >>> fell = [80.0 if dt.date(2020, 1, 23) <= day <= dt.date(2020, 4, 30) else 100.0 for day in days]
    >>> planted = pl.DataFrame({"date_local": days, "sector": "power", "co2_t": fell})
    >>> anomaly(planted, compare=["calendar"]).filter(period="march")["difference_share"].round(6).to_list()
    [-0.2]

    References
    ----------
    Liu et al. (2020), Near-real-time monitoring of global CO2 emissions reveals the effects of the COVID-19 pandemic,
    doi:10.1038/s41467-020-18922-7 (comparison with the year before).
    """
    for name in compare:
        if name not in COMPARISONS:
            raise suggest(str(name), COMPARISONS, what="measure", see="citylab.carbon.pulse.COMPARISONS")
    lf, back = lazily(frame)
    plan, data = _plan(
        lf, "anomaly", value=value, date=date, by=by, horizon=1, level=level, trend="mean reverting",
        harmonics=harmonics, temperature=None, proxies=(), vintage=vintage, rules=rules, festival=festival,
    )  # fmt: skip
    table = tables.read("carbon_pulse_periods") if periods is None else periods
    need_columns(table.lazy(), ["period", "kind", "first_date", "last_date"], what="anomaly's table of periods")
    events = table.filter(kind="period").select("period", "first_date", "last_date").rows()
    if not events:
        raise DataError("The table of periods has no row of kind 'period'. Add what is to be compared.")
    quiet = table.filter(kind="placebo").select("first_date", "last_date").rows()
    rows: list[dict[str, Any]] = []
    for key, own in _groups(data, plan.keys):
        beside = dict(zip(plan.keys, key, strict=True))
        known = own.filter(pl.col(value).is_finite())
        values: dict[dt.date, float] = dict(known.select(date, value).iter_rows())
        said = {"vintage": _vintage(plan, known[date][0], known[date][-1])} if known.height else {}
        for method in compare:
            made = (
                _against_model(own, key, plan, events, values, n_draws, seed)
                if method == "model"
                else _against_last_year(values, _named(key, plan.keys), plan, events, quiet, method)
            )
            rows += [beside | row | {"method": method} | said for row in made]
    return back(pl.DataFrame(rows, schema=_anomaly_schema(data, plan), orient="row").lazy())


def _anomaly_schema(data: pl.DataFrame, plan: _Plan) -> dict[str, Any]:
    schema: dict[str, Any] = {k: data.schema[k] for k in plan.keys}
    schema |= {"period": pl.String(), "method": pl.String(), "first_date": pl.Date(), "last_date": pl.Date()}
    schema |= {"n_days": pl.Int64(), plan.value: pl.Float64()}
    for stem in (f"expected_{plan.value}", "difference_t", "difference_share"):
        schema |= {stem: pl.Float64(), f"{stem}_low": pl.Float64(), f"{stem}_high": pl.Float64()}
    schema |= {"interval": pl.String(), "level": pl.Float64(), "n": pl.Int64(), "n_placebo": pl.Int64()}
    return schema | {"remark": pl.String(), "vintage": pl.String()}


def _dates(first: dt.date, last: dt.date) -> list[dt.date]:
    return [first + dt.timedelta(i) for i in range((last - first).days + 1)]


def _differences(value: str, came: float, expected: float, low: float, high: float) -> dict[str, Any]:
    """Return observed, expected and their difference; the highest expectation gives the lowest difference."""
    return {
        value: came,
        f"expected_{value}": expected, f"expected_{value}_low": low, f"expected_{value}_high": high,
        "difference_t": came - expected, "difference_t_low": came - high, "difference_t_high": came - low,
        "difference_share": came / expected - 1, "difference_share_low": came / high - 1,
        "difference_share_high": came / low - 1,
    }  # fmt: skip


def _need_days(days: Sequence[dt.date], values: Mapping[dt.date, float], name: str, what: str) -> None:
    lost = [day for day in days if day not in values]
    if lost:
        raise RefusalError(
            f"{name} has no value on {len(lost)} of the {len(days)} days {what} (first: {lost[0]}); a sum without them "
            "would be too small. Bring these days, or shorten the period."
        )


def _against_model(
    rows: pl.DataFrame,
    key: Sequence[object],
    plan: _Plan,
    events: Sequence[tuple[str, dt.date, dt.date]],
    values: Mapping[dt.date, float],
    n_draws: int,
    seed: int,
) -> Iterator[dict[str, Any]]:
    start, end = min(e[1] for e in events), max(e[2] for e in events)
    before = start - dt.timedelta(1)
    known = rows.filter(pl.col(plan.date) <= before, pl.col(plan.value).is_finite())
    last = known[plan.date][-1] if known.height else before
    series = _series_of(rows, key, replace(plan, horizon=(end - last).days), last=before)
    fit = _fit(series, series.n, plan.trend)
    states = _filtered(series, fit, plan.trend)
    drawn = np.exp(_drawn(states, series.n - 1, (end - last).days, n_draws, seed))
    tail = (1 - plan.level) / 2
    for period, first, stop in events:
        days = _dates(first, stop)
        _need_days(days, values, series.name, f"of {period!r}")
        ahead = [(day - last).days - 1 for day in days]
        low, expected, high = np.quantile(drawn[:, ahead].sum(axis=1), [tail, 0.5, 1 - tail])
        remarks = {r for a in ahead if (r := _remark(series, fit, series.n + a))}
        yield {
            "period": period, "first_date": first, "last_date": stop, "n_days": len(days),
            **_differences(plan.value, sum(values[d] for d in days), float(expected), float(low), float(high)),
            "interval": "model", "level": plan.level, "n": fit.n, "remark": "+".join(sorted(remarks)) or None,
        }  # fmt: skip


def _year_before(day: dt.date, method: str, new_years: Mapping[int, dt.date]) -> dt.date | None:
    if method == "lunar":
        return day - (_new_year(day.year, new_years) - _new_year(day.year - 1, new_years))
    try:
        return day.replace(year=day.year - 1)
    except ValueError:  # 29 February
        return None


def _against_last_year(
    values: Mapping[dt.date, float],
    name: str,
    plan: _Plan,
    events: Sequence[tuple[str, dt.date, dt.date]],
    quiet: Sequence[tuple[dt.date, dt.date]],
    method: str,
) -> Iterator[dict[str, Any]]:
    new_years = _new_years()
    least = int(plan.rules["min_placebos"])

    def pairs(days: Sequence[dt.date]) -> list[tuple[dt.date, dt.date]]:
        return [(day, base) for day in days if (base := _year_before(day, method, new_years)) is not None]

    placebo = [p for first, last in quiet for p in pairs(_dates(first, last)) if p[0] in values and p[1] in values]
    ratio = np.array([(values[a], values[b]) for a, b in placebo]).reshape(-1, 2)
    sums = np.concatenate([np.zeros((1, 2)), ratio.cumsum(axis=0)])
    for period, first, stop in events:
        both = pairs(_dates(first, stop))
        _need_days([a for a, _ in both], values, name, f"of {period!r}")
        _need_days([b for _, b in both], values, name, f"a year before {period!r} ({method})")
        came, base = (sum(values[pair[side]] for pair in both) for side in (0, 1))
        length = min(len(both), len(placebo) // least)
        bounds, count = (math.nan, math.nan), 0
        if length:
            window = sums[length:] - sums[:-length]
            usual = window[:, 0] / window[:, 1]
            bounds, count = (min(1.0, usual.min()), max(1.0, usual.max())), len(placebo) // length
        row = {
            "period": period, "first_date": first, "last_date": stop, "n_days": len(both),
            **_differences(plan.value, came, base, base * bounds[0], base * bounds[1]),
            "interval": "placebo_range" if length else None, "n": len(both), "n_placebo": count,
            "remark": None if length else "no_placebo_days",
        }  # fmt: skip
        yield {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()}


# --- from months to days


def disaggregate(
    monthly: Frame,
    shape: pl.DataFrame | pl.LazyFrame,
    *,
    shape_source: str,
    by: str | Sequence[str] | None = "sector",
    method: Spread = "denton",
    value: str = "co2_t",
    month: str = "month_start",
    date: str = "date_local",
    shape_value: str = "co2_t",
    vintage: str | None = None,
) -> Frame:
    """Return monthly totals spread over days by a daily shape from elsewhere; every day is modelled, none is observed.

    Parameters
    ----------
    monthly
        One row per month and group: ``by``, ``month`` (first day), ``value`` [t], zero or more.
    shape
        One row per day and group, for every day of these months: ``by``, ``date``, ``shape_value`` (any unit, above
        zero): a proxy of the city's own activity, or the days of a larger area.
    shape_source
        What the shape is of, in a few words; written beside every day. There is no default: the days of a country are
        not the days of a city, and the table says so.
    by
        Grouping columns of both frames.
    method
        ``"denton"``: proportional to the shape with a factor that changes as little as it can from day to day, so that
        months join without a step. ``"pro_rata"``: proportional within each month.
    value, month, date, shape_value
        Columns.
    vintage
        Name and version of the monthly data, for the column ``vintage``.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group and day: ``by``, ``date_local``, ``month_start``, ``co2_t``, ``co2_t_low``, ``co2_t_high``,
        ``interval`` (always ``"range_of_shapes"``), ``is_modelled`` (always true), ``shape_source``, ``method``, ``n``
        (monthly totals of the group), ``vintage``. The days of a month add up to its total to a relative 1e-9. It is
        computed at the call.

    Raises
    ------
    SchemaError
        A column is missing or has the wrong type, or ``shape_source`` is empty.
    DataError
        A month twice, a negative total, a day without a shape or with one of zero or below, or a month so far from the
        shape that a day would become negative.
    UnknownNameError
        No such method.

    Notes
    -----
    ``co2_t_low`` and ``co2_t_high`` are the least and the greatest of three ways to spread the same total: Denton, pro
    rata, and equal days. They show how much a day depends on the shape; they are no probability, and no day of the
    city has been looked at. Months that follow one another are joined; after a missing month Denton begins anew.

    Denton's method as Cholette corrected it: least sum of squared changes of the ratio to the shape, subject to the
    totals.

    Examples
    --------
    >>> total = pl.DataFrame({"month_start": [dt.date(2020, 2, 1)], "sector": ["power"], "co2_t": [290.0]})
    >>> days = pl.date_range(dt.date(2020, 2, 1), dt.date(2020, 2, 29), eager=True)
    >>> flat = pl.DataFrame({"date_local": days, "sector": "power", "co2_t": [1.0] * 29})
    >>> told = disaggregate(total, flat, shape_source="equal days")
    >>> told["co2_t"].round(9).unique().to_list(), told["is_modelled"].all()
    ([10.0], True)

    References
    ----------
    Denton (1971), doi:10.1080/01621459.1971.10482227. Dagum & Cholette (2006), Benchmarking, temporal distribution, and
    reconciliation methods for time series, doi:10.1007/0-387-35439-5. IMF (2001), Quarterly National Accounts Manual,
    chapter VI.
    """
    if method not in get_args(Spread):
        raise suggest(str(method), get_args(Spread), what="method", see="citylab.carbon.pulse.disaggregate")
    if not shape_source.strip():
        raise SchemaError("shape_source is empty. Say whose days the shape is of, for example 'days of China'.")
    lf, back = lazily(monthly)
    keys = keys_of(by)
    totals = _months_of(lf, keys, month, value, "disaggregate")
    days = _shape_of(lazily(cast(pl.LazyFrame, shape))[0], keys, date, shape_value)
    shapes = {key: part for key, part in _groups(days, keys)}
    parts = []
    for key, own in _groups(totals, keys):
        name = _named(key, keys)
        known = own.filter(pl.col(value).is_not_null())
        if key not in shapes:
            raise DataError(f"{name} has monthly totals and no shape. Add its days to shape, or filter it out.")
        at = dict(shapes[key].select(date, shape_value).iter_rows())
        for run in _runs(known[month].to_list()):
            total = known.filter(pl.col(month).is_in(run))[value].to_numpy()
            parts.append(_spread(total, run, at, name, method, date, month, value).with_columns(
                *(pl.lit(v, dtype=totals.schema[k]).alias(k) for k, v in zip(keys, key, strict=True)),
                pl.lit(known.height, dtype=pl.Int64).alias("n"),
                pl.lit(_named_vintage(vintage, known[month].to_list())).alias("vintage"),
            ))  # fmt: skip
    if not parts:
        raise DataError("disaggregate got no monthly total. Load the months first.")
    told = pl.concat(parts).select(
        *keys, date, month, value, f"{value}_low", f"{value}_high", pl.lit("range_of_shapes").alias("interval"),
        pl.lit(True).alias("is_modelled"), pl.lit(shape_source).alias("shape_source"), pl.lit(method).alias("method"),
        "n", "vintage",
    )  # fmt: skip
    return back(told.lazy())


def _named_vintage(vintage: str | None, months: Sequence[dt.date]) -> str:
    said = f"{min(months):%Y-%m} to {max(months):%Y-%m}"
    return f"{vintage}, {said}" if vintage else said


def _months_of(lf: pl.LazyFrame, keys: Sequence[str], month: str, value: str, what: str) -> pl.DataFrame:
    schema = need_columns(
        lf, {**dict.fromkeys(keys, "group"), month: "first day of the month", value: "total"}, what=what
    )
    need_numbers(schema, [value], what=what)
    if schema[month] != pl.Date:
        raise SchemaError(f"{what} needs dates in {month!r}, the first days of months; it is {schema[month]}.")
    rows = lf.select(*keys, month, pl.col(value).cast(pl.Float64).fill_nan(None)).sort(*keys, month).collect()
    if not rows.height:
        raise DataError(f"{what} got no rows. Load the months first.")
    if (rows[month].dt.day() != 1).any() or rows[month].null_count():
        raise DataError(f"{what} needs the first day of each month in {month!r}. Truncate with dt.truncate('1mo').")
    twice = rows.filter(pl.struct(*keys, month).is_duplicated())
    if twice.height:
        raise DataError(f"{what} needs one row per month; {twice[month][0]} is there twice. Name the group in by=.")
    wrong = rows.filter(~(pl.col(value) >= 0) | pl.col(value).is_infinite())
    if wrong.height:
        raise DataError(f"{what} got the total {wrong[value][0]} in {wrong[month][0]:%Y-%m}; expected zero or more.")
    return rows


def _shape_of(lf: pl.LazyFrame, keys: Sequence[str], date: str, value: str) -> pl.DataFrame:
    schema = need_columns(
        lf, {**dict.fromkeys(keys, "group"), date: "day", value: "shape"}, what="disaggregate's shape"
    )
    need_numbers(schema, [value], what="disaggregate's shape")
    if schema[date] != pl.Date:
        raise SchemaError(f"disaggregate's shape needs dates in {date!r}; it is {schema[date]}.")
    rows = lf.select(*keys, date, pl.col(value).cast(pl.Float64)).collect()
    if rows.select(pl.struct(*keys, date).is_duplicated().any()).item():
        raise DataError("disaggregate's shape has a day twice. Name the group in by=, or add its rows up first.")
    return rows


def _runs(months: Sequence[dt.date]) -> Iterator[list[dt.date]]:
    """Return months in runs without a gap."""
    run: list[dt.date] = []
    for month in months:
        if run and _next_month(run[-1]) != month:
            yield run
            run = []
        run.append(month)
    if run:
        yield run


def _next_month(month: dt.date) -> dt.date:
    return (month.replace(day=28) + dt.timedelta(4)).replace(day=1)


def _spread(
    total: Floats,
    months: Sequence[dt.date],
    at: Mapping[dt.date, float],
    name: str,
    method: str,
    date: str,
    month: str,
    value: str,
) -> pl.DataFrame:
    days = [day for m in months for day in _dates(m, _next_month(m) - dt.timedelta(1))]
    lost = [day for day in days if not at.get(day, math.nan) > 0]
    if lost:
        raise DataError(
            f"{name} needs a shape above zero on every day of its months; {len(lost)} days have none (first: "
            f"{lost[0]}, {at.get(lost[0])!r}). Fill the shape first, and say how."
        )
    shape = np.array([at[day] for day in days])
    group = np.repeat(np.arange(len(months)), [(_next_month(m) - m).days for m in months])
    ways = {"denton": _denton(total, shape, group), "pro_rata": _pro_rata(total, shape, group),
            "equal": _pro_rata(total, np.ones_like(shape), group)}  # fmt: skip
    told = ways[method]
    if (told < 0).any():
        bad = days[int(np.flatnonzero(told < 0)[0])]
        raise DataError(
            f"{name} would fall below zero on {bad}: monthly totals and shape move too differently for Denton. Take "
            "method='pro_rata', or a nearer shape."
        )
    every = np.maximum(np.array(list(ways.values())), 0.0)
    least, most = every.min(axis=0), every.max(axis=0)
    return pl.DataFrame({date: days, month: [months[int(g)] for g in group], value: told, f"{value}_low": least,
                         f"{value}_high": most})  # fmt: skip


def _pro_rata(total: Floats, shape: Floats, group: npt.NDArray[np.int64]) -> Floats:
    return np.asarray(shape * (total / np.bincount(group, shape))[group], np.float64)


def _denton(total: Floats, shape: Floats, group: npt.NDArray[np.int64]) -> Floats:
    """Return the days whose ratio to the shape changes least, with the given sums by group.

    With r = x / s the least of the sum of (r_t - r_(t-1))² under S r = totals solves a sparse linear system with one
    multiplier per total.
    """
    from scipy import sparse
    from scipy.sparse.linalg import spsolve

    n, m = len(shape), len(total)
    if n == m == 1:
        return total.copy()
    scale = shape.mean()
    change = sparse.diags([-np.ones(n - 1), np.ones(n - 1)], [0, 1], shape=(n - 1, n))
    sums = sparse.csr_matrix((shape / scale, (group, np.arange(n))), shape=(m, n))
    system = sparse.bmat([[change.T @ change, sums.T], [sums, None]], format="csc")
    ratio = spsolve(system, np.concatenate([np.zeros(n), total / scale]))[:n]
    days = np.asarray(ratio * shape, np.float64)
    made = np.bincount(group, days)
    # The system meets the totals to rounding; this leaves none of it.
    return days * np.where(made != 0, total / np.where(made != 0, made, 1.0), 1.0)[group]


def backtest_months(
    monthly: pl.DataFrame | pl.LazyFrame,
    reference: pl.DataFrame | pl.LazyFrame,
    *,
    by: str | Sequence[str] | None = "sector",
    level: float = 0.9,
    value: str = "co2_t",
    month: str = "month_start",
    n_boot: int = 999,
    seed: int = 0,
    vintage: str | None = None,
    rules: pl.DataFrame | None = None,
) -> Backtest:
    """Tell each month's total from the months before it and a larger area's total of that month, and score it.

    That is what a city's pulse needs while its own month is not published: its share of a total known sooner. The
    reference's total of the month is taken as known.

    Parameters
    ----------
    monthly
        One row per month and group of the city: ``by``, ``month_start``, ``co2_t`` [t], above zero.
    reference
        The same of the larger area.
    by, value, month
        Columns.
    level
        Level of the interval of ``"share"``.
    n_boot, seed
        Resamples for the intervals of skill and coverage; with a dozen months they are rough.
    vintage
        Name and version of the data.
    rules
        Table of ``rule`` and ``value``; default: the declared ``carbon_pulse_rules``.

    Returns
    -------
    Backtest
        Methods ``"share"`` (geometric mean share of the last twelve months times the reference's month),
        ``"share_of_same_month"`` (share of the month a year before), and the naive ``"last_month"`` and
        ``"same_month_last_year"``. ``scores`` has a column ``remark``: ``constant_share`` where the city's share never
        changes, which means that the city's months are the reference's and nothing was measured in the city.

    Raises
    ------
    DataError
        A month twice, a total of zero or below, or a month that the reference lacks.
    RefusalError
        Not more than twelve months, or a month missing.

    Notes
    -----
    The interval of ``"share"`` is Student's t on the logarithm of twelve shares, as if they were independent; shares
    with a season are not, and the coverage says so.

    Examples
    --------
    >>> months = pl.date_range(dt.date(2019, 1, 1), dt.date(2020, 12, 1), "1mo", eager=True)
    >>> whole = pl.DataFrame({"month_start": months, "sector": "power", "co2_t": [100.0 + i for i in range(24)]})
    >>> tenth = whole.with_columns(pl.col("co2_t") / 10)
    >>> backtest_months(tenth, whole, n_boot=99).scores.select("method", "n", "remark").row(0)
    ('share', 12, 'constant_share')
    """
    rule = _rules(rules)
    keys = keys_of(by)
    need_level(level, example=0.9)
    bootstrap.need_draws(n_boot, rule["skill_level"])
    own, whole = (_months_of(lazily(cast(pl.LazyFrame, f))[0], keys, month, value, "backtest_months") for f in
                  (monthly, reference))  # fmt: skip
    joined = own.join(whole.rename({value: "reference"}), on=[*keys, month], how="left", maintain_order="left")
    wrong = joined.filter(~((pl.col(value) > 0) & (pl.col("reference") > 0)).fill_null(False))
    if wrong.height:
        raise DataError(
            f"{wrong.height} months have no total above zero in both tables (first: {wrong[month][0]:%Y-%m}, "
            f"{wrong[value][0]!r} and {wrong['reference'][0]!r}). Bring them, or filter to months that both have."
        )
    parts = [_month_forecasts(rows, key, keys, month, value, level, int(rule["min_months"]), own.schema, vintage)
             for key, rows in _groups(joined, keys)]  # fmt: skip
    forecasts = _scorable(pl.concat(parts), [*keys, "issued_on", month])
    naive = ("last_month", "same_month_last_year")
    scores = _scores(forecasts, keys, "share", naive, level, rule["skill_level"], 1, n_boot, seed)
    share = (pl.col(value) / pl.col("reference")).alias("share")
    spread = (pl.col("share").std() / pl.col("share").mean()) < rule["constant_share_tolerance"]
    said = pl.when(spread).then(pl.lit("constant_share")).alias("remark")
    shares = joined.select(*keys, share)
    remarks = shares.group_by(*keys, maintain_order=True).agg(said) if keys else shares.select(said)
    scores = (
        scores.join(remarks, on=keys, how="left", maintain_order="left") if keys else scores.join(remarks, how="cross")
    )
    # Where nothing was measured in the city, there is nothing to have skill in.
    judged = pl.col("^(skill|verdict|coverage).*$")
    scores = scores.with_columns(pl.when(pl.col("remark").is_null()).then(judged).name.keep())
    return Backtest(
        forecasts, scores, {"level": level, "min_months": rule["min_months"], "n_boot": n_boot, "vintage": vintage},
        seed,
        ("The reference's total of a month is known when the city's is told.", "Past months are not revised."),
        _versions(),
    )  # fmt: skip


def _month_forecasts(
    rows: pl.DataFrame, key: Sequence[object], keys: Sequence[str], month: str, value: str, level: float, least: int,
    schema: pl.Schema, vintage: str | None,
) -> pl.DataFrame:  # fmt: skip
    from scipy.stats import t as student

    name = _named(key, keys)
    months = rows[month].to_list()
    gaps = [a for a, b in itertools.pairwise(months) if _next_month(a) != b]
    if gaps:
        raise RefusalError(f"{name} has no total for the month after {gaps[0]:%Y-%m}; months must follow one another.")
    if len(months) <= least:
        raise RefusalError(f"{name} has {len(months)} months; the first {least} are needed before one can be told.")
    own, whole = rows[value].to_numpy(), rows["reference"].to_numpy()
    share = np.log(own / whole)
    found = []
    for i in range(least, len(months)):
        past = share[i - least : i]
        half = float(student.ppf((1 + level) / 2, least - 1)) * past.std(ddof=1) * math.sqrt(1 + 1 / least)
        centre = past.mean()
        told: dict[str, tuple[float, float | None, float | None]] = {
            "share": tuple(float(whole[i] * math.exp(centre + k * half)) for k in (0, -1, 1)),  # type: ignore[dict-item]
            "share_of_same_month": (float(whole[i] * math.exp(share[i - least])), None, None),
            "last_month": (float(own[i - 1]), None, None),
            "same_month_last_year": (float(own[i - least]), None, None),
        }
        found += [(months[i - 1], months[i], 1, m, *estimate, float(own[i])) for m, estimate in told.items()]
    columns: dict[str, Any] = {"issued_on": pl.Date(), month: pl.Date(), "lead_days": pl.Int64(), "method": pl.String()}
    columns |= dict.fromkeys((value, f"{value}_low", f"{value}_high", "observed"), pl.Float64())
    beside = [pl.lit(v, dtype=schema[k]).alias(k) for k, v in zip(keys, key, strict=True)]
    return pl.DataFrame(found, schema=columns, orient="row").select(
        *beside, pl.all(), pl.lit(_named_vintage(vintage, months)).alias("vintage")
    )


# --- a city's own table


def read_proxies(path: str | Path) -> pl.DataFrame:
    """Read a city's table of daily proxies from a file like ``datasets/templates/daily_proxies.csv``.

    Parameters
    ----------
    path
        CSV in UTF-8 or GB 18030, or an Excel workbook; headings in English or Chinese as in the template; lines that
        begin with ``#`` are left out. Columns whose names begin with ``proxy_`` (代理_) are proxies, each with its unit
        in its name.

    Returns
    -------
    polars.DataFrame
        One row per day and sector, checked, by sector and day: ready for :func:`nowcast`. Empty cells are null.

    Raises
    ------
    SchemaError
        A heading is missing or unknown, or the file is in another encoding.
    DataError
        Rows that cannot be, all of them named by their lines: a date or number that is none, an unknown sector, a
        negative emission, a day twice.

    Examples
    --------
    >>> from citylab import settings
    >>> read_proxies(settings.datasets_dir() / "templates" / "daily_proxies.csv").columns[:3]
    ['date_local', 'sector', 'co2_t']
    """
    file = Path(path)
    kept = sheets.lines(file)
    if not kept:
        raise SchemaError(f"{file.name} has no line of headings. Begin from datasets/templates/daily_proxies.csv.")
    heads = kept[0][1]
    if odd := [i for i, cells in kept[1:] if len(cells) > len(heads)]:
        raise SchemaError(f"{file.name}: line {odd[0]} has more cells than there are headings. Quote text with commas.")
    body = [[*cells, *[""] * (len(heads) - len(cells))] for _, cells in kept[1:]]
    declared = tables.read("carbon_pulse_columns")
    names = {h: r["column"] for r in declared.iter_rows(named=True) for h in (r["column"], r["label_zh"])}
    found = []
    for head in heads:
        own = names.get(head, PROXY + head.removeprefix(_PROXY_ZH) if head.startswith(_PROXY_ZH) else head)
        if own not in names.values() and not own.startswith(PROXY):
            raise SchemaError(
                f"{file.name} has the heading {head!r}. Known are {', '.join(dict.fromkeys(names.values()))}, their "
                f"Chinese names, and proxies, whose headings begin with {PROXY!r} ({_PROXY_ZH!r})."
            )
        found.append(own)
    if twice := [c for c in found if found.count(c) > 1]:
        raise SchemaError(f"{file.name} has the column {twice[0]!r} twice. Keep one.")
    table = pl.DataFrame(body, schema=dict.fromkeys(found, pl.String), orient="row").with_columns(
        pl.all().str.strip_chars().replace("", None)
    )
    needed = [r["column"] for r in declared.iter_rows(named=True) if r["is_needed"] and r["column"] not in found]
    if needed:
        raise SchemaError(
            f"{file.name} lacks the column {needed[0]!r}. Begin from datasets/templates/daily_proxies.csv."
        )
    return _checked_proxies(table, [i for i, _ in kept[1:]], file.name)


def _checked_proxies(table: pl.DataFrame, lines: Sequence[int], name: str) -> pl.DataFrame:
    sectors = tables.read("sectors")
    codes = {label: r["sector"] for r in sectors.iter_rows(named=True) for label in (r["sector"], r["label_zh"])}
    codes |= {TOTAL: TOTAL, "合计": TOTAL}
    line = pl.Series("line", lines, dtype=pl.Int64)
    wrong: list[tuple[int, str]] = []

    def bad(rows: pl.Series, told: str, column: str) -> None:
        for at, text in zip(line.filter(rows), table[column].filter(rows), strict=True):
            wrong.append((at, f"line {at}: {told.format(repr(text))}"))

    date = table["date_local"].str.to_date("%Y-%m-%d", strict=False)
    bad(date.is_null(), "the date is {}, expected YYYY-MM-DD", "date_local")
    sector = table["sector"].replace_strict(codes, default=None, return_dtype=pl.String)
    bad(sector.is_null(), f"the sector is {{}}, expected one of {', '.join(dict.fromkeys(codes.values()))}", "sector")
    numbers = {}
    for column in table.columns:
        if column in ("co2_t", "temperature_mean_c") or column.startswith(PROXY):
            numbers[column] = table[column].cast(pl.Float64, strict=False)
            odd = (numbers[column].is_null() & table[column].is_not_null()) | ~numbers[column].is_finite().fill_null(
                True
            )
            bad(odd, f"{column} is {{}}, expected a number (1234.5, no thousands separator)", column)
    if "co2_t" in numbers:
        bad((numbers["co2_t"] < 0).fill_null(False), "co2_t is {}, expected zero or more", "co2_t")
    made = table.with_columns(
        date.alias("date_local"), sector.alias("sector"), *(s.alias(c) for c, s in numbers.items())
    )
    whole = date.is_not_null() & sector.is_not_null()
    again = made.select(pl.struct("date_local", "sector").is_first_distinct().not_()).to_series() & whole
    bad(again, "the day {} is there twice for its sector", "date_local")
    if wrong:
        told = [text for _, text in sorted(wrong)]
        raise sheets.bad_rows(told, f"{name} has {len(told)} cells that cannot be")
    if "co2_t" not in made.columns:
        made = made.with_columns(pl.lit(None, dtype=pl.Float64).alias("co2_t"))
    return made.sort("sector", "date_local")
