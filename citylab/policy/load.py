"""Hourly load of homes: what panels, a battery, a tariff and the clock do to what is bought, paid and emitted.

One row is one home in one hour. In every row, to 1e-9 kWh,

- load = generation used + discharged + bought - charged from the grid,
- generation = used + charged + exported + curtailed,
- what is stored changes by what is charged after losses less what is discharged before losses.

A battery follows a rule (:func:`self_consumption`) or the least cost within windows (:func:`least_cost`), which knows
load and generation of the window in advance: it is a bound on what control can reach, not a forecast of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from citylab import tables
from citylab.errors import DataError, DeclarationError, RangeError, suggest
from citylab.frames import keys_of, lazily, need_columns, need_numbers, need_wall_clock, refuse

if TYPE_CHECKING:
    from citylab.frames import Frame

FLOWS = (
    *("pv_used_kwh", "pv_charged_kwh", "pv_exported_kwh", "pv_curtailed_kwh"),
    *("grid_charged_kwh", "discharged_kwh", "stored_kwh", "grid_import_kwh"),
)
"""Columns that a dispatch adds [kWh]; ``stored_kwh`` is at the end of the hour."""

_EVERY: dict[str, str] = {"month": "1mo", "year": "1y"}
_CLOCK = [(month, hour) for month in range(1, 13) for hour in range(24)]


@dataclass(frozen=True)
class Battery:
    """A battery of a home.

    Attributes
    ----------
    capacity_kwh
        Energy that can be stored and taken out again [kWh]; 0 is no battery.
    power_kw
        Most that goes in or comes out [kW], measured at the home's side.
    round_trip_share
        What comes out of what went in, in (0, 1]; either way loses its square root.
    start_share
        How full it is at the start, 0 to 1. :func:`least_cost` begins and ends each window there.

    Examples
    --------
    >>> Battery(capacity_kwh=10.0, power_kw=5.0, round_trip_share=0.81).one_way_share
    0.9
    """

    capacity_kwh: float
    power_kw: float
    round_trip_share: float
    start_share: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.capacity_kwh) and self.capacity_kwh >= 0 and self.power_kw >= 0):
            raise RangeError(
                f"A battery of {self.capacity_kwh!r} kWh and {self.power_kw!r} kW cannot be; neither may be below 0."
            )
        if not 0 < self.round_trip_share <= 1:
            raise RangeError(f"round_trip_share is {self.round_trip_share!r}; it lies in (0, 1], 0.9 for nine tenths.")
        if not 0 <= self.start_share <= 1:
            raise RangeError(f"start_share is {self.start_share!r}; it lies between 0 (empty) and 1 (full).")

    @property
    def one_way_share(self) -> float:
        """What is left after one way, in or out."""
        return math.sqrt(self.round_trip_share)


def home_battery(*, rules: pl.DataFrame | None = None) -> Battery:
    """Return the battery that the table ``load_rules`` declares: that of the CityLearn Challenge 2022.

    Examples
    --------
    >>> home_battery().capacity_kwh
    6.4
    """
    names = ("capacity_kwh", "power_kw", "round_trip_share", "start_share")
    return Battery(**{name: _rule(f"battery_{name}", rules) for name in names})


def self_consumption(
    frame: Frame, *, battery: Battery | None = None, export_limit_kw: float | None = None,
    by: str = "home_id", time: str = "datetime_place",
) -> Frame:  # fmt: skip
    """Share out each hour's generation by the plain rule: load first, then the battery, then the grid.

    The battery charges from what the load leaves of the generation and discharges whenever the generation falls short;
    it never charges from the grid.

    Parameters
    ----------
    frame
        One row per home and hour: ``load_kwh``, ``pv_kwh`` (see :func:`generation`), both 0 or more. Each home has
        every hour of the span once, all homes the same hours; the order of rows is no matter.
    battery
        Of each home; none if not given.
    export_limit_kw
        Most that a home may feed into the grid [kW]; the rest is curtailed. Without limit if not given.
    by, time
        Columns of the home and of the hour.

    Returns
    -------
    DataFrame or LazyFrame
        The rows sorted by home and hour, with :data:`FLOWS` [kWh].

    Raises
    ------
    SchemaError
        A column is missing or holds no numbers.
    DataError
        At collect: an hour is missing or stands twice, or a load or generation is missing or below 0.

    Examples
    --------
    >>> from datetime import datetime
    >>> day = pl.DataFrame({"home_id": "a", "datetime_place": [datetime(2026, 7, 1, h) for h in (12, 13)],
    ...                     "load_kwh": [1.0, 2.0], "pv_kwh": [3.0, 0.0]})
    >>> out = self_consumption(day, battery=Battery(4.0, 4.0, 1.0))
    >>> out.select("pv_used_kwh", "pv_charged_kwh", "discharged_kwh", "grid_import_kwh").rows()
    [(1.0, 2.0, 0.0, 0.0), (0.0, 0.0, 2.0, 0.0)]
    """
    cell = battery or Battery(0.0, 0.0, 1.0)
    limit = _limit(export_limit_kw)

    def share(load: np.ndarray, pv: np.ndarray, _: np.ndarray | None) -> dict[str, np.ndarray]:
        return _settle(load, pv, pv - load, load - pv, cell, limit, from_grid=False)

    return _dispatched(frame, share, by=by, time=time, price=None, what="self_consumption")


def least_cost(
    frame: Frame, *, battery: Battery, price: str, export_price: float = 0.0, peak_price: float = 0.0,
    window_hours: int = 24, from_grid: bool = True, export_limit_kw: float | None = None,
    by: str = "home_id", time: str = "datetime_place", rules: pl.DataFrame | None = None,
) -> Frame:  # fmt: skip
    """Move energy through the battery at least cost within each window, by a linear programme (HiGHS).

    A window's cost is what is bought at the hour's price, less exports at ``export_price``, plus ``peak_price`` times
    the highest hour bought. The battery is as full at a window's end as at its beginning (``battery.start_share``), so
    that windows do not live off each other. The programme sees the window's load and generation in advance.

    Parameters
    ----------
    frame
        As for :func:`self_consumption`, with a column of prices.
    battery
        Of each home.
    price
        Name of the column with the price of a kWh bought [currency/kWh], 0 or more. Add a price of carbon times the
        hour's factor to it to let the battery follow carbon as well.
    export_price
        Paid for a kWh exported [currency/kWh]; not above any price, or buying to sell would pay.
    peak_price
        Of a kW of a window's highest hour [currency/kW]; alone with prices of 0 it shaves the peak.
    window_hours
        Length of a window from the first hour of the data; the last one may be shorter.
    from_grid
        Whether the battery may charge from the grid.
    export_limit_kw, by, time
        As for :func:`self_consumption`.
    rules
        Table ``load_rules`` if not the declared one: ``tie_cost_kwh``.

    Returns
    -------
    DataFrame or LazyFrame
        The rows sorted by home and hour, with :data:`FLOWS` [kWh].

    Raises
    ------
    SchemaError
        A column is missing or holds no numbers.
    RangeError
        A price or window is out of range; a price of the frame below ``export_price`` is told at collect.
    DataError
        At collect, as for :func:`self_consumption`; or the solver found no optimum.

    Examples
    --------
    >>> from datetime import datetime
    >>> day = pl.DataFrame({"home_id": "a", "datetime_place": [datetime(2026, 7, 1, h) for h in (3, 4)],
    ...                     "load_kwh": [1.0, 1.0], "pv_kwh": [0.0, 0.0], "price": [0.3, 0.5]})
    >>> least_cost(day, battery=Battery(4.0, 4.0, 1.0), price="price")["grid_import_kwh"].round(6).to_list()
    [2.0, 0.0]
    """
    if not (export_price >= 0 and peak_price >= 0):
        raise RangeError(f"export_price {export_price!r} and peak_price {peak_price!r} may not be below 0.")
    if window_hours < 2 or window_hours != int(window_hours):
        raise RangeError(
            f"window_hours is {window_hours!r}; a battery needs two whole hours at least to move energy between."
        )
    window_hours = int(window_hours)
    limit, tie = _limit(export_limit_kw), _rule("tie_cost_kwh", rules)

    def share(load: np.ndarray, pv: np.ndarray, prices: np.ndarray | None) -> dict[str, np.ndarray]:
        assert prices is not None
        if not (prices >= export_price).all():
            raise RangeError(
                f"Column {price!r} has gaps or falls to {np.nanmin(prices):g}, below export_price {export_price:g}: "
                "the battery would buy to sell. Lower export_price or fill the prices."
            )
        charge, discharge = np.zeros_like(load), np.zeros_like(load)
        for first in range(0, len(load), window_hours):
            rows = slice(first, first + window_hours)
            program = _program(len(load[rows]), battery, limit, peak=peak_price > 0)
            for home in range(load.shape[1]):
                charge[rows, home], discharge[rows, home] = program(
                    load[rows, home], pv[rows, home], prices[rows, home], export_price, peak_price, tie, from_grid
                )
        return _settle(load, pv, charge, discharge, battery, limit, from_grid=from_grid)

    return _dispatched(frame, share, by=by, time=time, price=price, what="least_cost")


def generation(*, panels_kw: float, pv_yield: str = "pv_yield_kwh_kw") -> pl.Expr:
    """Return the generation of panels [kWh] from the yield of one kilowatt in the hour.

    Examples
    --------
    >>> pl.DataFrame({"pv_yield_kwh_kw": [0.5]}).select(generation(panels_kw=4.0)).item()
    2.0
    """
    if not panels_kw >= 0:
        raise RangeError(f"panels_kw is {panels_kw!r}; panels have 0 kW or more.")
    return (pl.col(pv_yield) * panels_kw).alias("pv_kwh")


def shift_to_cheap_hours(
    frame: Frame, *, price: str, elasticity: float | None = None, by: str = "home_id", time: str = "datetime_place",
    rules: pl.DataFrame | None = None,
) -> Frame:  # fmt: skip
    """Move load within each day towards cheaper hours, by a constant elasticity of substitution.

    An hour's load is multiplied by its price to the power of minus the elasticity, then the day is scaled to the energy
    that it had: ``load · p**-σ · Σ load / Σ (load · p**-σ)``. The day's energy stays, no hour goes below 0, and one
    price all day moves nothing. What a day of higher prices would save in all is not in it.

    Parameters
    ----------
    frame
        One row per home and hour: ``load_kwh`` and the price, above 0.
    price
        Name of the column with the price of a kWh; only the ratios within a day matter.
    elasticity
        σ, 0 or more; that of the table ``load_rules`` if not given.
    by, time
        Columns of the home and of the hour; a day is that of the hour's stamp.
    rules
        Table ``load_rules`` if not the declared one.

    Returns
    -------
    DataFrame or LazyFrame
        The rows with ``load_kwh`` moved.

    Examples
    --------
    >>> from datetime import datetime
    >>> day = pl.DataFrame({"home_id": "a", "datetime_place": [datetime(2026, 7, 1, h) for h in (3, 19)],
    ...                     "load_kwh": [1.0, 1.0], "price": [1.0, 4.0]})
    >>> shift_to_cheap_hours(day, price="price", elasticity=0.5)["load_kwh"].round(4).to_list()
    [1.3333, 0.6667]
    """
    lf, back = lazily(frame)
    schema = need_columns(lf, {by: "home", time: "hour", "load_kwh": "", price: "price"}, what="shift_to_cheap_hours")
    need_numbers(schema, ["load_kwh", price], what="shift_to_cheap_hours")
    need_wall_clock(schema, time, what="shift_to_cheap_hours")
    sigma = _rule("substitution_elasticity", rules) if elasticity is None else elasticity
    if not (math.isfinite(sigma) and sigma >= 0):
        raise RangeError(f"elasticity is {sigma!r}; it is 0 (nothing moves) or more, and finite.")
    day = [pl.col(by), pl.col(time).dt.date()]
    drawn = pl.col("load_kwh") * pl.col(price) ** -sigma
    whole = drawn.sum().over(day)
    sound = (
        _need_amounts(price, above=True, why="ratios need prices above 0."),
        _need_amounts("load_kwh", above=False, why="fill or correct the load."),
    )
    return back(
        lf.filter(*sound).with_columns(
            pl.when(whole > 0).then(drawn * pl.col("load_kwh").sum().over(day) / whole).otherwise(0.0).alias("load_kwh")
        )
    )


def bill(
    frame: Frame, *, tariff: str, energy: str = "grid_import_kwh", by: str | Sequence[str] = "home_id",
    time: str = "datetime_place", table: pl.DataFrame | None = None,
) -> Frame:  # fmt: skip
    """Return what each home pays in each month, or year where its tariff counts blocks by the year.

    A flat tariff has one price, a time-of-use tariff one for each span of hours and months, a tiered one (阶梯电价) one
    for each block of the period's energy: the dearer price holds for what lies above the block's limit only.

    Parameters
    ----------
    frame
        One row per home and hour. A part of a month pays that part's energy against the whole month's blocks.
    tariff
        Code in the table ``tariffs``. The days from and to which it was in force are not held against the rows, so that
        a tariff may be tried on the load of another year or place.
    energy
        Column of the energy that is paid for [kWh].
    by, time
        Columns of the home and of the hour; an hour belongs to the price of its stamp.
    table
        Table of tariffs if not the declared one.

    Returns
    -------
    DataFrame or LazyFrame
        One row per home and period: ``by``, ``period_start``, the energy [kWh], ``bill``, ``currency``, ``tariff``.

    Raises
    ------
    UnknownNameError
        No such tariff.
    DeclarationError
        The rows of the tariff leave out a kWh or price it twice.
    DataError
        At collect: energy is missing or below 0.

    Examples
    --------
    >>> from datetime import datetime
    >>> month = pl.DataFrame({"home_id": "a", "datetime_place": [datetime(2026, 7, 1)], "grid_import_kwh": [500.0]})
    >>> bill(month, tariff="beijing_tiered_month")["bill"].round(3).to_list()  # 240×0.4883 + 160×0.5383 + 100×0.7883
    [282.15]
    """
    lf, back = lazily(frame)
    keys = keys_of(by)
    schema = need_columns(lf, {**dict.fromkeys(keys, ""), time: "hour", energy: "energy"}, what="bill")
    need_numbers(schema, [energy], what="bill")
    need_wall_clock(schema, time, what="bill")
    rows, period = _tariff(tariff, tables.read("tariffs") if table is None else table)
    month, hour = pl.col(time).dt.month(), pl.col(time).dt.hour()
    paid = pl.col(energy).cast(pl.Float64)
    undated = refuse(
        pl.col(time).is_null(),
        time,
        message=lambda rows: (
            f"{rows.height} rows have no {time!r}, and so no period that they are paid for in. Fill or drop them."
        ),
    )
    sound = (undated, _need_amounts(energy, above=False, why="energy that is paid for is neither."))
    parts = []
    for row in rows:
        within = _within(month, row["month_first"], row["month_last"] + 1) & _within(
            hour, row["hour_first"], row["hour_end"]
        )
        used = pl.when(within).then(paid).otherwise(0.0).sum()
        above = (used - row["block_from_kwh"]).clip(lower_bound=0.0)
        if row["block_to_kwh"] is not None:
            above = above.clip(upper_bound=row["block_to_kwh"] - row["block_from_kwh"])
        parts.append(above * row["price_kwh"])
    start = pl.col(time).dt.truncate(_EVERY[period]).dt.date().alias("period_start")
    return back(
        lf.filter(*sound)
        .group_by(*keys, start)
        .agg(paid.sum(), pl.sum_horizontal(parts).alias("bill"))
        .with_columns(currency=pl.lit(rows[0]["currency"]), tariff=pl.lit(tariff))
        .sort(*keys, "period_start")
    )


def load_summary(frame: Frame, *, by: str | Sequence[str] | None = "home_id") -> Frame:
    """Return the energy, the peak and the carbon of each home over the span of the data.

    Parameters
    ----------
    frame
        From :func:`self_consumption` or :func:`least_cost`, with ``grid_factor_kgco2_kwh`` of the hour [kg CO2/kWh].
    by
        Columns of the groups; ``None`` takes all rows together (the peak is then that of one home, not of the sum).

    Returns
    -------
    DataFrame or LazyFrame
        One row per group: load, generation, bought, exported, curtailed [kWh]; ``peak_kw``, the highest hour bought;
        ``self_consumption_share`` of the generation and ``self_sufficiency_share`` of the load, missing where there is
        none; ``co2_kg`` of what was bought, at the hour's factor. Exports are not taken off it.

    Examples
    --------
    >>> row = {"home_id": ["a"], "load_kwh": [2.0], "pv_kwh": [1.0], "pv_used_kwh": [1.0], "pv_charged_kwh": [0.0],
    ...        "pv_exported_kwh": [0.0], "pv_curtailed_kwh": [0.0], "grid_import_kwh": [1.0], "grid_charged_kwh": [0.0],
    ...        "discharged_kwh": [0.0], "grid_factor_kgco2_kwh": [0.5]}
    >>> load_summary(pl.DataFrame(row)).select("self_sufficiency_share", "co2_kg").row(0)
    (0.5, 0.5)
    """
    lf, back = lazily(frame)
    keys: list[str] = keys_of(by)
    needed: list[str] = ["load_kwh", "pv_kwh", *(f for f in FLOWS if f != "stored_kwh"), "grid_factor_kgco2_kwh"]
    schema = need_columns(lf, [*keys, *needed], what="load_summary")
    need_numbers(schema, needed, what="load_summary")
    made, load = pl.col("pv_kwh").sum(), pl.col("load_kwh").sum()
    kept = pl.col("pv_used_kwh").sum() + pl.col("pv_charged_kwh").sum()
    put = pl.col("pv_charged_kwh").sum() + pl.col("grid_charged_kwh").sum()
    own = pl.when(put > 0).then(pl.col("pv_charged_kwh").sum() / put).otherwise(1.0)
    figures = [
        pl.col("load_kwh", "pv_kwh", "grid_import_kwh", "pv_exported_kwh", "pv_curtailed_kwh").sum(),
        pl.col("grid_import_kwh").max().alias("peak_kw"),
        pl.when(made > 0).then(kept / made).alias("self_consumption_share"),
        pl.when(load > 0)
        .then((pl.col("pv_used_kwh").sum() + own * pl.col("discharged_kwh").sum()) / load)
        .alias("self_sufficiency_share"),
        (pl.col("grid_import_kwh") * pl.col("grid_factor_kgco2_kwh")).sum().alias("co2_kg"),
    ]
    lf = lf.filter(*(_need_amounts(c, above=False, why="sums would pass over it.") for c in needed))
    return back(lf.group_by(keys).agg(figures).sort(keys) if keys else lf.select(figures))


Share = Callable[[np.ndarray, np.ndarray, "np.ndarray | None"], dict[str, np.ndarray]]


def _dispatched(frame: Frame, share: Share, *, by: str, time: str, price: str | None, what: str) -> Frame:
    """Return the rows with the flows that ``share`` gives for arrays of shape (hours, homes)."""
    lf, back = lazily(frame)
    numbers = ["load_kwh", "pv_kwh", *([price] if price else [])]
    schema = need_columns(lf, {by: "home", time: "hour", **dict.fromkeys(numbers, "")}, what=what)
    need_numbers(schema, numbers, what=what)
    need_wall_clock(schema, time, what=what)

    def run(table: pl.DataFrame) -> pl.DataFrame:
        rows = table.sort(by, time)
        homes = rows[by].n_unique()
        hours = _hours(rows, homes, by=by, time=time, what=what)

        def square(name: str) -> np.ndarray:
            return rows[name].cast(pl.Float64).fill_null(math.nan).to_numpy().reshape(homes, hours).T

        load, pv = square("load_kwh"), square("pv_kwh")
        for name, values in (("load_kwh", load), ("pv_kwh", pv)):
            odd = ~(np.isfinite(values) & (values >= 0))
            if odd.any():
                raise DataError(
                    f"{what}: {name} has {int(odd.sum())} values that are missing or below 0. "
                    "Fill or correct them: an hour without a load has no balance."
                )
        flows = share(load, pv, square(price) if price else None)
        return rows.with_columns(pl.Series(name, flows[name].T.ravel()) for name in FLOWS)

    return back(lf.map_batches(run, schema={**schema, **dict.fromkeys(FLOWS, pl.Float64())}))


def _hours(rows: pl.DataFrame, homes: int, *, by: str, time: str, what: str) -> int:
    """Return the number of hours of each home, after making sure that each has the same ones without a gap."""
    step = rows.select(odd=(pl.col(time).diff() != pl.duration(hours=1)) & (pl.col(by) == pl.col(by).shift()))
    gaps = step["odd"].sum()
    spans = rows.group_by(by).agg(pl.col(time).min().alias("from"), pl.col(time).max().alias("to"))
    if nameless := rows[by].null_count():
        raise DataError(f"{what}: {nameless} rows have no {by!r}. Name each home.")
    if gaps or spans.select("from", "to").n_unique() > 1 or rows[time].null_count():
        raise DataError(
            f"{what} needs each home to have every hour of one span once: {gaps} steps between rows are not one hour, "
            f"and the {homes} homes have {spans.select('from', 'to').n_unique()} spans. Fill or cut them first."
        )
    return rows.height // max(homes, 1)


def _settle(
    load: np.ndarray, pv: np.ndarray, charge: np.ndarray, discharge: np.ndarray, battery: Battery, limit: float,
    *, from_grid: bool,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Return the flows of a wished dispatch, cut to what the battery can do; all arrays are (hours, homes)."""
    share = battery.one_way_share
    most_in = charge if from_grid else np.minimum(charge, pv - load)
    most_in = np.clip(most_in, 0.0, battery.power_kw)
    most_out = np.minimum(np.clip(discharge, 0.0, battery.power_kw), load)
    stored = np.full(load.shape[1], battery.capacity_kwh * battery.start_share)
    put, got, level = np.empty_like(load), np.empty_like(load), np.empty_like(load)
    for hour in range(len(load)):
        put[hour] = np.minimum(most_in[hour], (battery.capacity_kwh - stored) / share)
        got[hour] = np.minimum(most_out[hour], stored * share)
        stored = np.clip(stored + put[hour] * share - got[hour] / share, 0.0, battery.capacity_kwh)
        level[hour] = stored
    used = np.minimum(load - got, pv)
    charged = np.minimum(put, pv - used)
    spare = pv - used - charged
    exported = np.minimum(spare, limit)
    flows = (used, charged, exported, spare - exported, put - charged, got, level, load - used - got + (put - charged))
    return dict(zip(FLOWS, flows, strict=True))


Program = Callable[..., tuple[np.ndarray, np.ndarray]]


def _program(n: int, battery: Battery, limit: float, *, peak: bool) -> Program:
    """Return the linear programme of a window of ``n`` hours as a function of its load, generation and prices.

    Columns: charge, discharge, export, curtailed, bought, stored, each for n hours, and the peak.
    """
    from scipy import sparse
    from scipy.optimize import linprog

    eye, none = sparse.eye_array(n), sparse.csr_array((n, n))
    edge = sparse.csr_array((n, 1))
    # discharge + bought - charge - export - curtailed = load - generation
    balance = sparse.hstack([-eye, eye, -eye, -eye, eye, none, edge])
    step = sparse.diags_array([np.ones(n), -np.ones(n - 1)], offsets=[0, -1])
    share = battery.one_way_share
    # stored - stored before - charge·share + discharge/share = 0
    storage = sparse.hstack([-eye * share, eye / share, none, none, none, step, edge])
    equal = sparse.vstack([balance, storage]).tocsc()
    under = sparse.hstack([none, none, none, none, eye, none, -np.ones((n, 1))]).tocsc() if peak else None
    level = battery.capacity_kwh * battery.start_share

    def solve(
        load: np.ndarray, pv: np.ndarray, price: np.ndarray, export_price: float, peak_price: float, tie: float,
        from_grid: bool,
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        zero = np.zeros(n)
        cost = np.concatenate([zero, zero + tie, zero - export_price, zero, price, zero, [peak_price]])
        most_in = np.full(n, battery.power_kw) if from_grid else np.clip(pv - load, 0.0, battery.power_kw)
        stored_low, stored_high = zero.copy(), np.full(n, battery.capacity_kwh)
        stored_low[-1] = stored_high[-1] = level
        upper = np.concatenate([
            most_in, np.minimum(battery.power_kw, load), np.full(n, limit), np.full(2 * n, np.inf), stored_high,
            [np.inf],
        ])  # fmt: skip
        lower = np.concatenate([np.zeros(5 * n), stored_low, [0.0]])
        before = zero.copy()
        before[0] = level
        found = linprog(
            cost, A_ub=under, b_ub=None if under is None else zero, A_eq=equal,
            b_eq=np.concatenate([load - pv, before]), bounds=np.column_stack([lower, upper]), method="highs",
        )  # fmt: skip
        if found.status != 0:
            raise DataError(f"HiGHS found no dispatch for a window of {n} hours: {found.message} Look at its prices.")
        return found.x[:n], found.x[n : 2 * n]

    return solve


def _limit(export_limit_kw: float | None) -> float:
    if export_limit_kw is None:
        return math.inf
    if not export_limit_kw >= 0:
        raise RangeError(f"export_limit_kw is {export_limit_kw!r}; it is 0 (nothing may be exported) or more.")
    return export_limit_kw


def _rule(name: str, table: pl.DataFrame | None) -> float:
    rules = tables.read("load_rules") if table is None else table
    found = rules.filter(rule=name)["value"]
    if found.len() != 1:
        raise suggest(name, rules["rule"].to_list(), what="rule", see="the table load_rules")
    return float(found.item())


def _tariff(tariff: str, table: pl.DataFrame) -> tuple[list[dict[str, Any]], str]:
    """Return the prices of a tariff and the period of its blocks, after making sure that they cover each kWh once."""
    rows = table.filter(tariff=tariff).sort("block_from_kwh").to_dicts()
    if not rows:
        raise suggest(tariff, table["tariff"].unique().to_list(), what="tariff", see="the table tariffs")
    if len({(row["currency"], row["block_period"]) for row in rows}) > 1 or rows[0]["block_period"] not in _EVERY:
        raise DeclarationError(f"Tariff {tariff!r} mixes currencies or block periods; a tariff has one, month or year.")
    for month, hour in _CLOCK:
        reached: float | None = 0.0
        for row in rows:
            if _within(month, row["month_first"], row["month_last"] + 1) and _within(
                hour, row["hour_first"], row["hour_end"]
            ):
                if reached is None or row["block_from_kwh"] != reached:
                    reached = math.nan
                    break
                reached = row["block_to_kwh"]
        if reached is not None:
            raise DeclarationError(
                f"Tariff {tariff!r} leaves out or prices twice some kWh of month {month}, hour {hour}. Its blocks must "
                "follow each other from 0 kWh, the last without end."
            )
    return rows, rows[0]["block_period"]


def _within(value: Any, start: int, end: int) -> Any:
    """Return whether a number, or a column, lies in [start, end), over the turn of the year or day if end < start."""
    return (value >= start) & (value < end) if start < end else (value >= start) | (value < end)


def _need_amounts(column: str, *, above: bool, why: str) -> pl.Expr:
    """Return a filter that refuses gaps and values below 0 (or 0 too, if they must lie above it)."""
    value = pl.col(column)
    fits = value.is_finite() & (value > 0 if above else value >= 0)
    wanted = "above 0" if above else "0 or more"
    return refuse(
        ~fits.fill_null(False),
        column,
        message=lambda rows: f"Column {column!r} has {rows.height} values that are missing or not {wanted}; {why}",
    )
