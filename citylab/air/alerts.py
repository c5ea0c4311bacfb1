"""Beijing's heavy-pollution alerts (空气重污染预警) by edition of the plan, and replays of the past under each.

Alerts are called on forecasts. What is computed here from observed days is what an edition would have called had the
forecast been perfect; :func:`replay` also takes forecasts and says what they would have called, and
:func:`alert_scores` how often that was right. citylab has no list of the alerts that were really called, so nothing
here says whether one was. The rules stand in the declared table ``air_alert_rules``; some editions are known in part
only (``beijing-2016``: orange).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import and_
from typing import Any

import polars as pl

from citylab import tables
from citylab.errors import RangeError, SchemaError, suggest
from citylab.frames import Frame, keys_of, lazily, need_columns, need_numbers, need_wall_clock, refuse

LEVELS = ("blue", "yellow", "orange", "red")
"""Alert levels, mildest first."""
HISTORY_DAYS = 30
"""Observed days before a forecast that :func:`replay` joins to it, so that a run under way counts: citylab's choice."""

_DAY, _VALUE = "__day", "__value"


def rules(edition: str | None = None, *, table: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return the rules of an edition, or of all.

    Parameters
    ----------
    edition
        ``"beijing-2013"``, ``"beijing-2016"`` (orange only), ``"mep-2017"`` (national template), ``"beijing-2023"``.
    table
        Rules to use in place of the declared table ``air_alert_rules``.

    Returns
    -------
    polars.DataFrame
        One row per condition. An alert level is called when one of its alternatives has all its conditions.

    Raises
    ------
    UnknownNameError
        No such edition.

    Examples
    --------
    >>> rules("beijing-2023").filter(alert_level="red").select("condition", "above_aqi", "days").rows()
    [(1, 200, 3), (2, 300, 1)]
    """
    every = tables.read("air_alert_rules") if table is None else table
    if edition is None:
        return every
    known = every["edition"].unique().to_list()
    if edition not in known:
        raise suggest(edition, known, what="edition of the alert plan", see="citylab.air.alerts.rules()")
    return every.filter(edition=edition)


def alert_levels(
    frame: Frame,
    *,
    edition: str,
    value: str = "aqi",
    date: str = "date_local",
    by: str | Sequence[str] | None = None,
    table: pl.DataFrame | None = None,
) -> Frame:
    """Return daily indices with the alert level that an edition gives each day, and the run of days behind it.

    A rule speaks of days in a row above a value. Every day of such a run gets the level, as the level is called for
    the whole episode when the forecast sees it; a day gets the highest of its levels. A missing day, or one without
    an index, ends a run.

    Parameters
    ----------
    frame
        One row per day (and group), in any order.
    edition
        Edition of the plan; see :func:`rules`.
    value
        Column of the daily AQI of the city: that of its mean concentrations.
    date
        Column of the day.
    by
        Grouping columns, for several cities or forecasts; ``None`` takes the whole frame as one series.
    table
        Rules to use in place of the declared table ``air_alert_rules``.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        The frame sorted by ``by`` and day, with ``alert_level`` (``blue``, ``yellow``, ``orange``, ``red``, null
        without alert), ``alert_rule`` (the conditions met), ``alert_run_start``, ``alert_run_days`` and
        ``alert_edition``.

    Raises
    ------
    UnknownNameError
        No such edition.
    SchemaError
        A column is missing, ``value`` is not numeric, or ``date`` holds no dates.
    DataError
        On collecting: two rows of one group on one day.

    Examples
    --------
    >>> import datetime as dt
    >>> december = [dt.date(2016, 12, d) for d in (16, 17, 18, 19)]
    >>> days = pl.DataFrame({"date_local": december, "aqi": [120, 220, 250, 310]})
    >>> alert_levels(days, edition="beijing-2023")["alert_level"].to_list()
    [None, 'red', 'red', 'red']
    >>> alert_levels(days, edition="mep-2017")["alert_level"].to_list()
    [None, 'orange', 'orange', 'orange']

    References
    ----------
    北京市空气重污染应急预案, editions of 2013, 2016 and 2023, as reported in the press; Ministry of Environmental
    Protection, template of 2017.
    """
    lf, back = lazily(frame)
    own = rules(edition, table=table).rows(named=True)
    keys: list[str] = keys_of(by)
    schema = need_columns(lf, {**dict.fromkeys(keys, ""), date: "day", value: "daily AQI"}, what="alert_levels")
    need_numbers(schema, [value], what="alert_levels")
    need_wall_clock(schema, date, what="alert_levels", dates=True)
    if schema[date] != pl.Date:
        raise SchemaError(f"alert_levels needs dates in {date!r}, which is {schema[date]}; a row is one day.")

    def twice(rows: pl.DataFrame) -> str:
        return f"alert_levels needs one row per day; {rows[date][0]} is there twice. Drop one, or name series in by=."

    lf = lf.with_columns(__twice=pl.struct([*keys, date]).is_duplicated())
    lf = lf.filter(refuse(pl.col("__twice"), date, message=twice)).drop("__twice").sort([*keys, date])
    return back(_levelled(lf, own, edition, value, date, keys))


def _levelled(
    lf: pl.LazyFrame, own: list[dict[str, Any]], edition: str, value: str, date: str, keys: list[str]
) -> pl.LazyFrame:
    bounds = sorted({r["above_aqi"] for r in own})
    group: list[Any] = list(keys) or [pl.lit(0).alias("__all")]
    number = pl.col(value).cast(pl.Float64)
    gap = (pl.col(date).diff() != pl.duration(days=1)).fill_null(True).over(group)
    above = {b: f"__above_{b}" for b in bounds}
    run = {b: f"__run_{b}" for b in bounds}
    length = {b: f"__length_{b}" for b in bounds}
    lf = lf.with_columns([(number > b).fill_null(False).alias(above[b]) for b in bounds] + [gap.alias("__gap")])
    lf = lf.with_columns(
        (pl.col("__gap") | (pl.col(above[b]) != pl.col(above[b]).shift().over(group)).fill_null(True))
        .cum_sum()
        .alias(run[b])
        for b in bounds
    )
    lf = lf.with_columns(pl.when(above[b]).then(pl.len().over(run[b])).otherwise(0).alias(length[b]) for b in bounds)
    chain: dict[str, Any] = {"level": pl, "rule": pl, "run": pl, "start": pl}
    for rank, alternative in sorted({(r["rank"], r["alternative"]) for r in own}, reverse=True):
        conditions = [r for r in own if (r["rank"], r["alternative"]) == (rank, alternative)]
        main, *rest = sorted(conditions, key=lambda r: r["condition"])
        b = main["above_aqi"]
        met = [pl.col(length[b]) >= main["days"]]
        met += [pl.col(length[r["above_aqi"]]).max().over(run[b]) >= r["days"] for r in rest]
        called = pl.col(above[b]) & reduce(and_, met)
        said = " and ".join(f"AQI > {r['above_aqi']} on {r['days']} d in a row" for r in (main, *rest))
        outcome = {
            "level": pl.lit(main["alert_level"]),
            "rule": pl.lit(said),
            "run": pl.col(length[b]).cast(pl.Int64),
            "start": pl.col(date).min().over(run[b]),
        }
        chain = {k: chain[k].when(called).then(outcome[k]) for k in chain}
    return lf.with_columns(
        chain["level"].alias("alert_level"),
        chain["rule"].alias("alert_rule"),
        chain["start"].alias("alert_run_start"),
        chain["run"].alias("alert_run_days"),
        pl.lit(edition).alias("alert_edition"),
    ).drop(*above.values(), *run.values(), *length.values(), "__gap")


def replay(
    frame: Frame,
    *,
    editions: Iterable[str] = ("beijing-2013", "beijing-2016", "mep-2017", "beijing-2023"),
    forecast: pl.DataFrame | pl.LazyFrame | None = None,
    value: str = "aqi",
    date: str = "date_local",
    issued: str = "issued_on",
    table: pl.DataFrame | None = None,
) -> Frame:
    """Return which days each edition would have called, with a perfect forecast and with a given one.

    Parameters
    ----------
    frame
        Observed daily AQI of the city, one row per day.
    editions
        Editions of the plan.
    forecast
        Forecasts: one row per day of issue (``issued``) and day foretold (``date``, later), with ``value``. Each is
        joined to the days observed up to its issue, the day of issue included, so that a run under way counts.
    value, date, issued
        Columns.
    table
        Rules to use in place of the declared table ``air_alert_rules``.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        Without forecast, one row per edition and day: ``alert_edition``, ``date_local``, ``value`` and what
        :func:`alert_levels` adds. With one, a row per edition, day and lead: in addition ``lead_days`` and
        ``forecast_alert_level``, what the forecast issued so many days ahead would have called for the day.

    Raises
    ------
    UnknownNameError
        No such edition.
    SchemaError
        A column is missing.
    DataError
        On collecting: a day twice, or a forecast twice.
    RangeError
        On collecting: a forecast for the day of its issue or earlier.

    Examples
    --------
    >>> import datetime as dt
    >>> days = pl.DataFrame({"date_local": [dt.date(2016, 12, d) for d in (16, 17, 18)], "aqi": [210, 250, 140]})
    >>> told = pl.DataFrame({"issued_on": [dt.date(2016, 12, 16)] * 2, "aqi": [240, 205],
    ...                      "date_local": [dt.date(2016, 12, 17), dt.date(2016, 12, 18)]})
    >>> found = replay(days, editions=["beijing-2023"], forecast=told)
    >>> found.select("date_local", "lead_days", "alert_level", "forecast_alert_level").rows()
    [(datetime.date(2016, 12, 17), 1, 'orange', 'orange'), (datetime.date(2016, 12, 18), 2, None, 'orange')]
    """
    lf, back = lazily(frame)
    names = [editions] if isinstance(editions, str) else list(editions)
    if not names:
        raise SchemaError("replay needs at least one edition; citylab.air.alerts.rules() lists them.")
    need_columns(lf, {date: "day", value: "daily AQI"}, what="replay")
    days = lf.select(date, value)
    perfect = pl.concat([alert_levels(days, edition=e, value=value, date=date, table=table) for e in names])
    head = ["alert_edition", date, value]
    perfect = perfect.select(*head, pl.exclude(*head)).sort("alert_edition", date)
    if forecast is None:
        return back(perfect)
    told = forecast.lazy()
    schema = need_columns(told, {issued: "day of issue", date: "day foretold", value: "AQI"}, what="replay (forecast)")
    need_numbers(schema, [value], what="replay (forecast)")
    told = told.select(issued, date, value).filter(_only_ahead(issued, date))
    joined = pl.concat([told.with_columns(__is_told=True), _known(told, days, issued, date, value)], how="diagonal")
    called = pl.concat([alert_levels(joined, edition=e, value=value, date=date, by=issued, table=table) for e in names])
    called = called.filter("__is_told").select(
        "alert_edition",
        date,
        issued,
        pl.col("alert_level").alias("forecast_alert_level"),
        pl.col(value).alias("forecast_aqi"),
    )
    both = perfect.join(called, on=["alert_edition", date], how="inner")
    lead = (pl.col(date) - pl.col(issued)).dt.total_days().alias("lead_days")
    return back(both.with_columns(lead).sort("alert_edition", date, "lead_days"))


def _only_ahead(issued: str, date: str) -> pl.Expr:
    def look(packed: pl.Series) -> pl.Series:
        rows = packed.struct.unnest()
        late = rows.filter(pl.col("told") <= pl.col("issued"))
        if late.height:
            raise RangeError(
                f"A forecast issued on {late['issued'][0]} is for {late['told'][0]}; expected a later day. Keep only "
                "days after the day of issue."
            )
        return pl.Series(packed.name, [True]).new_from_index(0, packed.len())

    both = pl.struct(pl.col(issued).alias("issued"), pl.col(date).alias("told"))
    return both.map_batches(look, return_dtype=pl.Boolean(), is_elementwise=True)


def _known(told: pl.LazyFrame, days: pl.LazyFrame, issued: str, date: str, value: str) -> pl.LazyFrame:
    """Return, for every day of issue, the observed days up to it."""
    issues = told.select(issued).unique()
    back = pl.int_ranges(0, HISTORY_DAYS).alias("__back")
    spread = issues.with_columns(back).explode("__back")
    spread = spread.with_columns((pl.col(issued) - pl.duration(days=pl.col("__back"))).cast(pl.Date).alias(date))
    observed = spread.join(days, on=date, how="inner").drop("__back")
    return observed.select(issued, date, pl.col(value)).with_columns(__is_told=False)


def alert_scores(
    replayed: Frame, *, at_least: str = "yellow", by: str | Sequence[str] = ("alert_edition", "lead_days")
) -> Frame:
    """Return hits, misses and false alarms of forecast alerts against what a perfect forecast would have called.

    Parameters
    ----------
    replayed
        What :func:`replay` gives with a forecast.
    at_least
        Mildest level that counts as an alert.
    by
        Grouping columns.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group, sorted: ``at_least``, ``n`` (days with both), ``hit_n``, ``miss_n``, ``false_alarm_n``,
        ``quiet_n``, ``hit_share`` (hits among days that called for an alert), ``false_alarm_share`` (false alarms
        among alerts), ``csi`` (hits among days with either); null where there is nothing to divide by.

    Raises
    ------
    UnknownNameError
        No such level.
    SchemaError
        The frame does not come from :func:`replay` with a forecast.

    Examples
    --------
    >>> told = pl.DataFrame({"alert_edition": "x", "lead_days": 1, "alert_level": ["red", None, "blue", "yellow"],
    ...                      "forecast_alert_level": ["yellow", "orange", None, None]})
    >>> alert_scores(told).select("hit_n", "miss_n", "false_alarm_n", "quiet_n").row(0)
    (1, 1, 1, 1)
    """
    if at_least not in LEVELS:
        raise suggest(at_least, LEVELS, what="alert level", see="citylab.air.alerts.LEVELS")
    lf, back = lazily(replayed)
    keys: list[str] = keys_of(by)
    need_columns(lf, [*keys, "alert_level", "forecast_alert_level"], what="alert_scores")
    counted = list(LEVELS[LEVELS.index(at_least) :])
    due = pl.col("alert_level").is_in(counted).fill_null(False)
    called = pl.col("forecast_alert_level").is_in(counted).fill_null(False)
    hit, miss, false, quiet = due & called, due & ~called, ~due & called, ~due & ~called
    table = lf.group_by(keys).agg(
        pl.lit(at_least).alias("at_least"),
        pl.len().cast(pl.Int64).alias("n"),
        *(x.sum().cast(pl.Int64).alias(f"{name}_n")
          for name, x in (("hit", hit), ("miss", miss), ("false_alarm", false), ("quiet", quiet))),
    )  # fmt: skip
    h, m, f = pl.col("hit_n"), pl.col("miss_n"), pl.col("false_alarm_n")

    def share(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
        return pl.when(whole > 0).then(part / whole)

    table = table.with_columns(hit_share=share(h, h + m), false_alarm_share=share(f, h + f), csi=share(h, h + m + f))
    return back(table.sort(keys))


def lead_times(replayed: Frame, *, at_least: str = "yellow", date: str = "date_local") -> Frame:
    """Return, for each episode of alert days, how many days ahead a forecast first called its first day.

    Parameters
    ----------
    replayed
        What :func:`replay` gives with a forecast.
    at_least
        Mildest level that counts as an alert.
    date
        Column of the day.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per edition and episode (days in a row for which a perfect forecast calls an alert, as far as they
        were foretold), sorted: ``alert_edition``, ``episode_start``, ``episode_days``, ``alert_level`` (its highest)
        and ``lead_days`` (longest lead at which a forecast called an alert for the first day; null if none did).

    Raises
    ------
    UnknownNameError
        No such level.
    SchemaError
        The frame does not come from :func:`replay` with a forecast.

    Examples
    --------
    >>> import datetime as dt
    >>> told = pl.DataFrame({"alert_edition": "x", "date_local": [dt.date(2016, 12, 17)] * 2, "lead_days": [1, 2],
    ...                      "alert_level": "orange", "forecast_alert_level": ["orange", None]})
    >>> lead_times(told).row(0)
    ('x', datetime.date(2016, 12, 17), 1, 'orange', 1)
    """
    if at_least not in LEVELS:
        raise suggest(at_least, LEVELS, what="alert level", see="citylab.air.alerts.LEVELS")
    lf, back = lazily(replayed)
    need_columns(lf, ["alert_edition", date, "alert_level", "forecast_alert_level", "lead_days"], what="lead_times")
    counted = list(LEVELS[LEVELS.index(at_least) :])
    lf = lf.filter(pl.col("alert_level").is_in(counted))
    days = lf.select("alert_edition", date).unique().sort("alert_edition", date)
    begins = (pl.col(date).diff() != pl.duration(days=1)).fill_null(True).over("alert_edition")
    lf = lf.join(days.with_columns(begins.cum_sum().alias("__episode")), on=["alert_edition", date])
    first = pl.col(date) == pl.col(date).min()
    right = first & pl.col("forecast_alert_level").is_in(counted).fill_null(False)
    told = lf.group_by("alert_edition", "__episode").agg(
        pl.col(date).min().alias("episode_start"),
        pl.col(date).n_unique().cast(pl.Int64).alias("episode_days"),
        pl.col("alert_level").cast(pl.Enum(LEVELS)).max().cast(pl.String),
        pl.col("lead_days").filter(right).max(),
    )
    return back(told.drop("__episode").sort("alert_edition", "episode_start"))
