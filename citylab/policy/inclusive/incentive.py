"""What a payment for low-carbon trips would change: trips, tonnes and money, and how much goes to trips made anyway.

A payment works as a lower price in a model of mode choice (:mod:`citylab.policy.inclusive.choice`), or through the
share of hesitant travellers whom a pilot converted. Each number comes with an interval that holds the uncertainty of
the coefficients, of taking London's sensitivities to another city, and of the emission factors. The number of trips is
given: trips that people would make only because they are paid are not in it, nor is what running a scheme costs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import polars as pl

from citylab import tables, vocabulary
from citylab.carbon.inclusive import worth
from citylab.carbon.inclusive.methodologies import MARKS, Factor, Mark, Methodology
from citylab.carbon.inclusive.methodologies import methodology as named
from citylab.errors import DataError, RangeError, RefusalError, SchemaError, suggest
from citylab.frames import Frame, lazily, need_columns, need_numbers, need_wall_clock
from citylab.policy.inclusive.choice import Floats, ModeChoice, design_array, logit, london, rules
from citylab.stats import bootstrap

Per = Literal["trip", "kg"]
_LEVEL = 0.95
_DRAWS = 400
_KG_PER_T = 1000.0
_NORMAL_95 = 1.959963984540054  # half-widths of factors are those of 95 % intervals
_HOURS = (0.0, 24.0)
_MINUTES = 60

ADDITIVE = {
    "paid_trips": "trips", "extra_trips": "trips", "anyway_trips": "trips", "budget": "CNY", "budget_extra": "CNY",
    "budget_anyway": "CNY", "credited_t": "t", "extra_mean_t": "t", "extra_replacement_t": "t",
}  # fmt: skip
"""Quantities that add up over trips, and their units."""
RATIOS = {
    "extra_share": ("extra_trips", "paid_trips", "1"),
    "budget_anyway_share": ("budget_anyway", "budget", "1"),
    "cny_per_credited_t": ("budget", "credited_t", "CNY/t"),
    "cny_per_extra_mean_t": ("budget", "extra_mean_t", "CNY/t"),
    "cny_per_extra_replacement_t": ("budget", "extra_replacement_t", "CNY/t"),
}
"""Quantities that are ratios of those, and their units."""
BASELINES = {
    "credited_t": "mean", "extra_mean_t": "mean", "extra_replacement_t": "replacement", "cny_per_credited_t": "mean",
    "cny_per_extra_mean_t": "mean", "cny_per_extra_replacement_t": "replacement",
}  # fmt: skip


# what is paid, to whom


@dataclass(frozen=True)
class Incentive:
    """A payment for trips, and who gets it.

    Attributes
    ----------
    amount_cny
        What is paid [CNY], 0 or more.
    per
        ``"trip"``, or ``"kg"`` of CO2 that the methodology credits a trip with under its mean baseline.
    modes
        Modes that are paid for.
    min_age, max_age
        Ages that are eligible, both ends included (``age_years``).
    adcodes
        Districts where a trip must begin (``start_adcode``).
    hours
        Windows of the clock hour of departure (``start_local``), the end not included: ``((10, 16), (20, 24))`` for
        off-peak.
    where
        Any other condition on the trips' columns, such as ``pl.col("is_60_plus")``.
    cap_trips
        Trips that one person (``account``) is paid for in the period of the table, in the order of its rows.

    Raises
    ------
    RangeError
        A negative or no amount, an empty window, ages in the wrong order, a cap below 1.
    SchemaError
        No modes, or a mode twice.

    Examples
    --------
    >>> Incentive(0.5, modes=("metro", "bus"), hours=((10, 16),)).per
    'trip'
    """

    amount_cny: float
    modes: tuple[str, ...]
    per: Per = "trip"
    min_age: float | None = None
    max_age: float | None = None
    adcodes: tuple[str, ...] | None = None
    hours: tuple[tuple[float, float], ...] | None = None
    where: pl.Expr | None = None
    cap_trips: int | None = None

    def __post_init__(self) -> None:
        amount = self.amount_cny
        if isinstance(amount, bool) or not isinstance(amount, int | float) or not math.isfinite(amount) or amount < 0:
            raise RangeError(
                f"The incentive is {amount!r} CNY; expected 0 or more. A charge on cars is another policy."
            )
        if self.per not in get_args(Per):
            raise suggest(str(self.per), get_args(Per), what="unit of an incentive", see="'trip' and 'kg'")
        if isinstance(self.modes, str) or not self.modes or len(set(self.modes)) != len(self.modes):
            raise SchemaError(f"modes is {self.modes!r}; expected names of modes, each once: ('metro', 'bus').")
        if self.min_age is not None and self.max_age is not None and self.min_age > self.max_age:
            raise RangeError(f"Ages from {self.min_age} to {self.max_age}: nobody is eligible. Swap them.")
        if self.adcodes is not None and (isinstance(self.adcodes, str) or not self.adcodes):
            raise SchemaError(f"adcodes is {self.adcodes!r}; expected district codes such as ('110105',), or None.")
        for begin, end in self.hours or ():
            if not _HOURS[0] <= begin < end <= _HOURS[1]:
                raise RangeError(
                    f"The window {begin} to {end} is none within 0 to 24 h. Split one that passes midnight."
                )
        if self.cap_trips is not None and (isinstance(self.cap_trips, bool) or self.cap_trips < 1):
            raise RangeError(f"cap_trips is {self.cap_trips}; expected at least 1 trip a person, or None.")

    def needed(self) -> dict[str, str]:
        """Return the columns that eligibility needs, with what they hold."""
        told = {
            "age_years": ("age of the traveller", self.min_age is not None or self.max_age is not None),
            "start_adcode": ("district where the trip begins", self.adcodes is not None),
            "start_local": ("when the trip began, wall clock", self.hours is not None),
            "account": ("person whose trips the cap counts", self.cap_trips is not None),
        }
        own = {} if self.where is None else dict.fromkeys(self.where.meta.root_names(), "the condition where=")
        return own | {c: meaning for c, (meaning, is_needed) in told.items() if is_needed}

    def eligible(self) -> pl.Expr:
        """Return which trips are eligible by age, district and hour, whatever their mode; unknown is not."""
        holds, age = pl.lit(True), pl.col("age_years").cast(pl.Float64).fill_nan(None)
        if self.min_age is not None:
            holds &= age >= self.min_age
        if self.max_age is not None:
            holds &= age <= self.max_age
        if self.adcodes is not None:
            holds &= pl.col("start_adcode").cast(pl.String).is_in([str(a) for a in self.adcodes])
        if self.hours is not None:
            at = pl.col("start_local")
            hour = at.dt.hour() + at.dt.minute() / _MINUTES
            holds &= pl.any_horizontal((hour >= begin) & (hour < end) for begin, end in self.hours)
        if self.where is not None:
            holds &= self.where
        return holds.fill_null(False)


# what people converted


@dataclass(frozen=True)
class Conversion:
    """Share of hesitant travellers who change to a low-carbon mode because of a programme.

    Attributes
    ----------
    share, low, high, level
        Share [0..1] and its interval.
    anyway_share
        Share who changed without the programme (control); ``None`` where nobody looked.
    treated_converted, treated_count, control_converted, control_count
        Counts behind it; ``None`` where the share is stated and not counted.
    is_additional
        True where a control says that the change is the programme's.
    source
        Where it comes from.
    """

    share: float
    low: float
    high: float
    level: float
    anyway_share: float | None = None
    treated_converted: int | None = None
    treated_count: int | None = None
    control_converted: int | None = None
    control_count: int | None = None
    is_additional: bool = False
    source: str = ""

    def draws(self, n: int, rng: np.random.Generator) -> Floats:
        """Return shares drawn from what the counts leave open, or from a triangle over a stated range.

        Of a pilot with a control some may lie below 0: that fewer change where the programme is offered is not ruled
        out by its counts.
        """
        if self.treated_converted is None or self.treated_count is None:
            if self.low == self.high:
                return np.full(n, self.share)
            return np.asarray(rng.triangular(self.low, self.share, self.high, n))
        drawn = _beta(rng, self.treated_converted, self.treated_count, n)
        if self.control_converted is not None and self.control_count is not None:
            # Not cut off at 0: the mean would then find an effect where counts show none
            drawn = drawn - _beta(rng, self.control_converted, self.control_count, n)
        return drawn

    def tidy(self) -> pl.DataFrame:
        """Return it as one row.

        Returns
        -------
        polars.DataFrame
            ``conversion_share``, ``conversion_share_low``, ``conversion_share_high``, ``level``, ``anyway_share``,
            ``treated_converted``, ``treated_count``, ``control_converted``, ``control_count``, ``is_additional``,
            ``source``.
        """
        return pl.DataFrame(
            {
                "conversion_share": [self.share], "conversion_share_low": [self.low],
                "conversion_share_high": [self.high], "level": [self.level], "anyway_share": [self.anyway_share],
                "treated_converted": [self.treated_converted], "treated_count": [self.treated_count],
                "control_converted": [self.control_converted], "control_count": [self.control_count],
                "is_additional": [self.is_additional], "source": [self.source],
            }
        )  # fmt: skip


def _beta(rng: np.random.Generator, hits: int, count: int, n: int) -> Floats:
    half = 0.5  # Jeffreys' prior
    return np.asarray(rng.beta(hits + half, count - hits + half, n))


def _counts(converted: int, count: int, who: str) -> None:
    whole = all(isinstance(x, int | np.integer) and not isinstance(x, bool) for x in (converted, count))
    if not whole or count < 1 or not 0 <= converted <= count:
        raise RangeError(
            f"{who}: {converted!r} of {count!r} converted; expected whole numbers, 0 to all of at least 1."
        )


def conversion(
    *, treated_converted: int, treated_count: int, control_converted: int | None = None,
    control_count: int | None = None, level: float = _LEVEL, source: str = "",
) -> Conversion:  # fmt: skip
    """Return the share of hesitant travellers whom a pilot converted, from its counts.

    Parameters
    ----------
    treated_converted, treated_count
        Hesitant travellers who were offered the programme: those who changed, and all.
    control_converted, control_count
        The same among hesitant travellers who were not offered it. Without them the share holds those who would have
        changed anyway, and ``is_additional`` is false.
    level
        Level of the interval.
    source
        Kept with the result.

    Returns
    -------
    Conversion
        With a control the difference of the two shares and Newcombe's hybrid score interval, without one the share and
        Wilson's interval. People count as independent: offers made to whole firms or districts need wider intervals.

    Raises
    ------
    RangeError
        Counts or a level that cannot be, or half of a control.

    Examples
    --------
    31 of 100 changed where the programme was offered, 10 of 100 where it was not:

    >>> found = conversion(treated_converted=31, treated_count=100, control_converted=10, control_count=100)
    >>> round(found.share, 2), found.is_additional
    (0.21, True)

    References
    ----------
    Newcombe, R. G. (1998). Interval estimation for the difference between independent proportions. Statistics in
    Medicine 17, 873-890.
    """
    from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

    if not 0 < level < 1:
        raise RangeError(f"level is {level}; expected a number between 0 and 1, for example 0.95.")
    _counts(treated_converted, treated_count, "Treated")
    told = {"level": level, "treated_converted": treated_converted, "treated_count": treated_count, "source": source}
    share = treated_converted / treated_count
    if control_converted is None and control_count is None:
        low, high = proportion_confint(treated_converted, treated_count, alpha=1 - level, method="wilson")
        return Conversion(share, float(low), float(high), **told)  # type: ignore[arg-type]
    if control_converted is None or control_count is None:
        raise RangeError("A control needs both control_converted and control_count; one is missing.")
    _counts(control_converted, control_count, "Control")
    low, high = confint_proportions_2indep(treated_converted, treated_count, control_converted, control_count,
                                           method="newcomb", compare="diff", alpha=1 - level)  # fmt: skip
    anyway = control_converted / control_count
    return Conversion(share - anyway, float(low), float(high), anyway_share=anyway, control_converted=control_converted,
                      control_count=control_count, is_additional=True, **told)  # type: ignore[arg-type]  # fmt: skip


def stated_conversion(share: float, *, low: float, high: float, source: str) -> Conversion:
    """Return a share that somebody states, with the range that you give it.

    Nobody counted a control here, so ``is_additional`` is false: what is reckoned with it is what would be true *if*
    the share were the programme's doing.

    Parameters
    ----------
    share, low, high
        Share [0..1] and the range that it may lie in.
    source
        Who states it.

    Raises
    ------
    RangeError
        The numbers are not in order between 0 and 1.

    Examples
    --------
    >>> stated_conversion(0.21, low=0.0, high=0.21, source="press, 2022").is_additional
    False
    """
    if not 0 <= low <= share <= high <= 1:
        raise RangeError(f"{low} ≤ {share} ≤ {high} does not hold within 0 to 1. Give shares in this order.")
    return Conversion(share, low, high, level=1.0, source=source)


# what the trips could have been


def with_alternatives(trips: Frame, *, service: pl.DataFrame | None = None, fares: pl.DataFrame | None = None) -> Frame:
    """Add times and costs of all modes, by the length of the trip alone, where the trips do not give them.

    Parameters
    ----------
    trips
        One row per trip with ``distance_km``.
    service
        ``mode``, ``access_h``, ``speed_kmh``; default: ``inclusive_behaviour_service``.
    fares
        ``mode``, ``from_km``, ``fare_cny``, ``per_km_cny``; default: ``inclusive_behaviour_fares``.

    Returns
    -------
    polars.DataFrame or polars.LazyFrame
        With ``dur_<mode>_h`` and ``cost_<mode>_cny`` for each mode of the tables; columns that are there are kept.

    Raises
    ------
    SchemaError
        ``distance_km`` is missing or holds no numbers.

    Examples
    --------
    A metro trip of 6.5 km in Beijing costs 4 CNY:

    >>> with_alternatives(pl.DataFrame({"distance_km": [6.5]})).select("cost_metro_cny").item()
    4.0
    """
    lf, back = lazily(trips)
    schema = need_columns(lf, {"distance_km": "length of the trip"}, what="with_alternatives")
    need_numbers(schema, ["distance_km"], what="with_alternatives")
    told = tables.read("inclusive_behaviour_service") if service is None else service
    paid = tables.read("inclusive_behaviour_fares") if fares is None else fares
    km = pl.col("distance_km").cast(pl.Float64)
    added = {f"dur_{mode}_h": access + km / speed
             for mode, access, speed in told.select("mode", "access_h", "speed_kmh").iter_rows()}  # fmt: skip
    for mode in told["mode"]:
        cost = pl.lit(None, dtype=pl.Float64)
        for begin, fare, each in (
            paid.filter(mode=mode).sort("from_km").select("from_km", "fare_cny", "per_km_cny").rows()
        ):
            # Fares hold up to and with their last kilometre
            reached = km > begin if begin > 0 else km >= begin
            cost = pl.when(reached).then(fare + each * (km - begin)).otherwise(cost)
        added[f"cost_{mode}_cny"] = cost
    return back(lf.with_columns(expr.alias(name) for name, expr in added.items() if name not in schema))


# the outcome


@dataclass(frozen=True, eq=False)
class IncentiveOutcome:
    """What an incentive would do, with the draws behind each interval.

    Attributes
    ----------
    incentive
        What was paid, to whom.
    drawn
        Each additive quantity (:data:`ADDITIVE`), one number per draw.
    level
        Level of the intervals.
    trip_count, eligible_count
        Rows of the table, and those eligible by age, district and hour.
    route
        ``"mode choice"`` or ``"conversion"``.
    source
        The trips, in words: say *synthetic* where they are.
    basis
        Where the behaviour comes from.
    factor_mark
        Least sure mark of the emission factors.
    notes
        What a reader must know, as codes of the vocabulary's words.
    """

    incentive: Incentive
    drawn: Mapping[str, Floats]
    level: float
    trip_count: int
    eligible_count: int
    route: str
    source: str
    basis: str
    factor_mark: str
    notes: tuple[str, ...] = ()

    def value(self, quantity: str) -> float:
        """Return the expected value of a quantity, or the ratio of two; NaN for a ratio to nothing."""
        if quantity in ADDITIVE:
            return float(self.drawn[quantity].mean())
        if quantity not in RATIOS:
            raise suggest(quantity, [*ADDITIVE, *RATIOS], what="quantity", see="IncentiveOutcome.tidy()")
        over, under, _ = RATIOS[quantity]
        below = self.value(under)
        return self.value(over) / below if below > 0 else math.nan

    def interval(self, quantity: str) -> tuple[float, float]:
        """Return the percentile interval; the upper end of a price is infinite where a draw reduces nothing."""
        if quantity in ADDITIVE:
            low, high = bootstrap.interval(self.drawn[quantity], level=self.level)
            return float(low), float(high)
        over, under, _ = RATIOS[quantity]
        above, below = self.drawn[over], self.drawn[under]
        ratio = np.divide(above, below, out=np.full(len(above), np.inf), where=below > 0)
        low, high = bootstrap.interval(ratio, level=self.level)
        return float(low), float(high)

    def tidy(self) -> pl.DataFrame:
        """Return one row per quantity.

        Returns
        -------
        polars.DataFrame
            ``quantity``, ``label_zh``, ``label_en``, ``baseline_kind``, ``value`` (mean of the draws; of a ratio, the
            ratio of the means), ``low``, ``high``, ``unit``, ``level``, ``trip_count``, ``draw_count``, ``route``,
            ``basis``, ``factor_mark``, ``source``. A price of what is not reduced is null, an unbounded end too.
        """
        rows = []
        units = {**ADDITIVE, **{q: u for q, (_, _, u) in RATIOS.items()}}
        for quantity, unit in units.items():
            ends = (self.value(quantity), *self.interval(quantity))
            rows.append((quantity, *(vocabulary.say(f"incentive_{quantity}", lang) for lang in ("zh", "en")),
                         BASELINES.get(quantity), *(x if math.isfinite(x) else None for x in ends), unit))  # fmt: skip
        schema = {"quantity": pl.String, "label_zh": pl.String, "label_en": pl.String, "baseline_kind": pl.String,
                  "value": pl.Float64, "low": pl.Float64, "high": pl.Float64, "unit": pl.String}  # fmt: skip
        return pl.DataFrame(rows, schema=schema, orient="row").with_columns(
            level=pl.lit(self.level), trip_count=pl.lit(self.trip_count),
            draw_count=pl.lit(len(next(iter(self.drawn.values())))), route=pl.lit(self.route),
            basis=pl.lit(self.basis), factor_mark=pl.lit(self.factor_mark), source=pl.lit(self.source),
        )  # fmt: skip

    def against_prices(self, *, prices: pl.DataFrame | None = None) -> pl.DataFrame:
        """Return what a tonne that would not have been saved anyway costs, beside the prices of emission markets.

        Parameters
        ----------
        prices
            As :func:`citylab.carbon.inclusive.worth.prices`, the default.

        Returns
        -------
        polars.DataFrame
            The prices, for each with ``times_mean``, ``times_mean_low``, ``times_mean_high``, and the same for
            ``replacement``: cost of an extra tonne under that baseline over the price; null where nothing is reduced.
        """
        told = worth.prices() if prices is None else prices
        added = []
        for kind in ("mean", "replacement"):
            quantity = f"cny_per_extra_{kind}_t"
            ends = dict(zip(("", "_low", "_high"), (self.value(quantity), *self.interval(quantity)), strict=True))
            added += [
                ((pl.lit(x) if math.isfinite(x) else pl.lit(None, pl.Float64)) / pl.col("price_cny_t")).alias(
                    f"times_{kind}{end}"
                )
                for end, x in ends.items()
            ]
        return told.with_columns(added)


# the designer


@dataclass(frozen=True)
class _Trips:
    """A table of trips as arrays."""

    modes: tuple[str, ...]
    taken: npt.NDArray[np.int64]
    km: Floats
    weights: Floats
    is_eligible: npt.NDArray[np.bool_]
    paid: npt.NDArray[np.bool_]
    person: npt.NDArray[np.int64] | None
    rank: npt.NDArray[np.int64] | None


@dataclass(frozen=True)
class _Factors:
    """Emission factors of a methodology [kg/pkm] and their half-widths."""

    baseline: float
    baseline_width: float
    modes: Floats
    widths: Floats
    kept: float
    mark: str


def _factors(m: Methodology, modes: Sequence[str], uncertainty: pl.DataFrame | None) -> _Factors:
    told = tables.read("inclusive_mark_uncertainty") if uncertainty is None else uncertainty
    widths = dict(told.select("mark", pl.col("half_width_pct") / 100).iter_rows())
    of_mode: list[Factor] = []
    baselines: set[tuple[float, Mark]] = set()
    for mode in modes:
        act, other = m.acts.get(mode), m.alternatives.get(mode)
        factor = act.project if act is not None and act.project.factor is not None else other
        if factor is None or factor.factor is None:
            raise RefusalError(
                f"{m.id} has no known factor for {mode!r}, neither as an act nor as a mode that is replaced. Take such "
                "trips out, or give a methodology of your own."
            )
        of_mode.append(factor)
        if act is not None and act.baseline.factor is not None:
            baselines.add((act.baseline.factor, act.baseline.mark))
    if len(baselines) != 1:
        raise RefusalError(f"{m.id} has {len(baselines)} mean baselines for {list(modes)}; the designer needs one.")
    ((base, mark),) = baselines
    return _Factors(
        base, widths.get(mark, 0.0), np.array([float(f.factor) for f in of_mode if f.factor is not None]),
        np.array([widths.get(f.mark, 0.0) for f in of_mode]), (1 - m.leakage_share) * (1 - m.discount.share),
        max([mark, *(f.mark for f in of_mode)], key=MARKS.index),
    )  # fmt: skip


def _drawn_factors(f: _Factors, n: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return baseline factors (n) and factors of the modes (n, mode), none below 0."""
    baseline = f.baseline * (1 + f.baseline_width * rng.standard_normal(n) / _NORMAL_95)
    modes = f.modes * (1 + f.widths * rng.standard_normal((n, len(f.modes))) / _NORMAL_95)
    return np.maximum(baseline, 0.0), np.maximum(modes, 0.0)


def _trips(table: pl.DataFrame, incentive: Incentive, weight: str | None, known: pl.DataFrame) -> _Trips:
    if table.is_empty():
        raise RefusalError("The designer was given no trips.")
    if table["act"].null_count():
        raise DataError(f"'act' is missing in {table['act'].null_count()} trips. Drop trips without a mode.")
    names = known["mode"].to_list()
    for one in (*sorted(table["act"].unique()), *incentive.modes):
        if one not in names:
            raise suggest(str(one), names, what="mode", see="the table inclusive_behaviour_modes")
    present = set(table["act"].unique())
    modes = tuple(m for m in names if m in present)
    unused = [m for m in incentive.modes if m not in modes]
    if unused:
        raise RefusalError(
            f"No trip of the table uses {', '.join(unused)}: how liked it is cannot be told from these trips, nor what "
            "a payment for it would do. Bring trips that use it."
        )
    if all(m in incentive.modes for m in modes):
        raise RefusalError(f"All modes of the table ({', '.join(modes)}) are paid for: nobody is left to change.")
    km = table["distance_km"].cast(pl.Float64).fill_null(math.nan).to_numpy()
    if not (np.isfinite(km) & (km > 0)).all():
        raise DataError(
            f"'distance_km' is missing, 0 or negative in {int((~(km > 0)).sum())} trips. Drop or mend them."
        )
    weights = np.ones(table.height) if weight is None else table[weight].cast(pl.Float64).fill_null(math.nan).to_numpy()
    if not (np.isfinite(weights) & (weights >= 0)).all() or weights.sum() <= 0:
        raise DataError(f"Weights in {weight!r} must be numbers of 0 or more, one of them above 0.")
    is_eligible = table.with_columns(incentive.eligible().alias("_eligible"))["_eligible"].to_numpy()
    if not (is_eligible & (weights > 0)).any():
        raise RefusalError(
            f"No trip of {table.height} is eligible by age, district and hour ({incentive}). Widen the conditions."
        )
    person = rank = None
    if incentive.cap_trips is not None:
        if table["account"].null_count():
            raise DataError(f"'account' is missing in {table['account'].null_count()} trips; the cap needs it.")
        person = table["account"].rank("dense").cast(pl.Int64).to_numpy() - 1
        rank = table.select(pl.int_range(pl.len()).over("account")).to_series().to_numpy()
    return _Trips(
        modes, table["act"].replace_strict(modes, range(len(modes)), return_dtype=pl.Int64).to_numpy(), km, weights,
        np.asarray(is_eligible, dtype=bool), np.array([m in incentive.modes for m in modes]), person, rank,
    )  # fmt: skip


def _numbers(table: pl.DataFrame, columns: Sequence[str]) -> Floats:
    """Return columns as an array, none of them missing, negative or infinite."""
    need_numbers(table.schema, columns, what="design")
    values = table.select(pl.col(columns).cast(pl.Float64).fill_null(math.nan)).to_numpy()
    bad = ~(np.isfinite(values) & (values >= 0))
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise DataError(
            f"{columns[column]!r} is missing, not finite or negative in {int(bad[:, column].sum())} of {table.height} "
            f"trips, first in row {row} ({values[row, column]}). Every trip needs the times and costs of every mode."
        )
    return np.asarray(values)


def constants_for(utilities: Floats, shares: Floats, weights: Floats, *, start: Floats | None = None) -> Floats:
    """Return constants of the modes under which expected shares are those observed.

    Parameters
    ----------
    utilities
        Utilities without constants, shape (trip, mode).
    shares
        Shares that must come out, adding up to 1.
    weights
        Weights of the trips.
    start
        Constants to begin from.

    Returns
    -------
    numpy.ndarray
        One per mode, the first 0.

    Raises
    ------
    RefusalError
        No constants can do it.

    Examples
    --------
    >>> constants_for(np.zeros((4, 2)), np.array([0.25, 0.75]), np.ones(4)).round(3).tolist()
    [0.0, 1.099]

    References
    ----------
    Train, K. (2009). Discrete Choice Methods with Simulation, section 2.8.
    """
    limit = rules()
    scale = weights / weights.sum()
    constants = np.log(shares) - np.log(shares[0]) if start is None else start.copy()
    for _ in range(int(limit["most_steps"])):
        p = logit(utilities + constants)
        mean = scale @ p
        off = shares - mean
        if np.abs(off).max() < limit["calibration_tolerance"]:
            return constants
        weighted = scale[:, None] * p
        slope = np.diag(mean) - p.T @ weighted
        step = np.zeros_like(constants)
        step[1:] = np.linalg.lstsq(slope[1:, 1:], off[1:], rcond=None)[0]
        # The logarithmic step of the contraction is safe where Newton's leaps.
        safe = np.log(shares) - np.log(mean)
        constants = constants + (step if np.abs(step).max() < 1 else safe - safe[0])
    raise RefusalError(
        f"No constants bring the expected shares to those of the trips ({shares.round(4).tolist()}): times and costs "
        "rule out a mode that is used. Look at their units (hours, CNY)."
    )


def _open_share(trips: _Trips, paid: Floats, cap: int | None) -> Floats:
    """Return how probable it is that a trip is within its person's cap; trips before it are chosen independently."""
    if cap is None or trips.person is None or trips.rank is None:
        return np.ones(len(paid))
    state = np.zeros((int(trips.person.max()) + 1, cap + 1))
    state[:, 0] = 1.0
    still = np.ones(len(paid))
    order = np.argsort(trips.rank, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(trips.rank[order])) + 1):
        who = trips.person[rows]
        still[rows] = 1 - state[who, cap]
        moved = state[who, :-1] * paid[rows][:, None]
        state[who, :-1] -= moved
        state[who, 1:] += moved
    return still


def _quantities(trips: _Trips, amounts: Floats, before: Floats, after: Floats, cap: int | None, baseline: float,
                factors: Floats, kept: float) -> dict[str, float]:  # fmt: skip
    """Return the additive quantities of one draw from the probabilities without and with the payment."""
    sure = np.maximum(after[:, trips.paid].sum(axis=1), 0.0) * trips.is_eligible
    still = _open_share(trips, sure, cap)
    # Where the cap is reached the trip is as it was without the payment.
    w = trips.weights * still * trips.is_eligible
    paid = after[:, trips.paid].sum(axis=1)
    extra = paid - before[:, trips.paid].sum(axis=1)
    part = np.divide(extra, paid, out=np.zeros_like(paid), where=paid != 0)
    spent = (amounts * after).sum(axis=1)
    saved = np.maximum(baseline - factors, 0.0) * trips.paid
    credited = (after * saved).sum(axis=1) * trips.km * kept / _KG_PER_T
    replaced = ((before - after) * factors).sum(axis=1) * trips.km * kept / _KG_PER_T
    return {
        "paid_trips": float(w @ paid), "extra_trips": float(w @ extra), "anyway_trips": float(w @ (paid - extra)),
        "budget": float(w @ spent), "budget_extra": float(w @ (spent * part)),
        "budget_anyway": float(w @ (spent * (1 - part))), "credited_t": float(w @ credited),
        "extra_mean_t": float(w @ (credited * part)), "extra_replacement_t": float(w @ replaced),
    }  # fmt: skip


def _choices(trips: _Trips, table: pl.DataFrame, amounts: Floats, model: ModeChoice, transfer: pl.DataFrame | None,
             known: pl.DataFrame, is_sample: bool, n: int,
             seed: np.random.SeedSequence) -> Iterator[tuple[Floats, Floats]]:  # fmt: skip
    """Give what was done, and what is expected to be done with the payment, draw by draw."""
    own = dict(known.select("mode", "model_mode").iter_rows())
    money = model.cost_name()
    priced = set(model.terms.filter(role="cost")["mode"])
    time_of = dict(model.terms.filter(role="time").select("mode", "coefficient").iter_rows())
    lost = sorted({own[m] for m in trips.modes} - set(time_of))
    if lost:
        raise RefusalError(f"The model of mode choice has no time for {', '.join(lost)}. Fit one that has.")
    needed = {f"dur_{m}_h": f"time of the trip by {m}" for m in trips.modes}
    costs = [m for m in trips.modes if own[m] in priced or f"cost_{m}_cny" in table.columns]
    needed |= {f"cost_{m}_cny": f"cost of the trip by {m}" for m in costs}
    need_columns(table.lazy(), needed, what="design (see with_alternatives)")
    hours = _numbers(table, [f"dur_{m}_h" for m in trips.modes])
    cost = np.zeros_like(hours)
    cost[:, [trips.modes.index(m) for m in costs]] = _numbers(table, [f"cost_{m}_cny" for m in costs])
    prior = _priors(transfer)
    first, second = seed.spawn(2)
    drawn = model.draws(n, seed=int(first.generate_state(1)[0]))
    rng = np.random.default_rng(second)
    rate, response = (_triangle(rng, prior[p], n) for p in ("money_cny_per_gbp", "cost_response"))
    if (drawn[:, model._at[money]] >= 0).any():
        raise RefusalError(
            "The coefficient of cost may be 0 or above: what a payment does cannot be told. Bring trips."
        )
    people = model.terms.filter(pl.col("role") == "person", pl.col("column").is_in(table.columns),
                                pl.col("mode").is_in(trips.modes))  # fmt: skip
    of_persons = design_array(table, people, trips.modes) if people.height else None
    at_persons = [model._at[n] for n in people["coefficient"].unique(maintain_order=True)]
    columns = [model._at[time_of[own[m]]] for m in trips.modes]
    constants, before = None, _taken(trips)
    person = table["account"].rank("dense").cast(pl.Int64).to_numpy() - 1 if "account" in table.columns else None
    weights = trips.weights
    for i in range(n):
        per_cny = drawn[i, model._at[money]] / rate[i] * response[i]
        utilities = hours * drawn[i, columns] + per_cny * cost
        if of_persons is not None:
            utilities += of_persons @ drawn[i, at_persons]
        if is_sample:  # Rubin's Bayesian bootstrap of the people
            each = rng.exponential(size=table.height if person is None else int(person.max()) + 1)
            weights = trips.weights * (each if person is None else each[person])
        counts = np.bincount(trips.taken, weights=weights, minlength=len(trips.modes))
        constants = constants_for(utilities, counts / counts.sum(), weights, start=constants)
        utilities += constants
        yield before, changed(before, logit(utilities), logit(utilities - per_cny * amounts))


def _taken(trips: _Trips) -> Floats:
    """Return 1 at the mode that each trip was made by."""
    return np.asarray(np.eye(len(trips.modes))[trips.taken])


def changed(taken: Floats, before: Floats, after: Floats) -> Floats:
    """Return the chance of each mode for trips whose mode is known, when the chances of all trips like them change.

    A trip by a mode that gains stays with it. One by a mode that loses leaves with the chance P - P' over P, and goes
    to the modes that gain, in proportion to what they gain. Over all trips alike the chances are P' again. For a
    conditional logit this is exact where all modes that gain have the same advantage added.

    Parameters
    ----------
    taken
        1 at the mode taken, else 0, shape (trip, mode).
    before, after
        Chances P and P', same shape.

    Examples
    --------
    A metro trip stays; a car trip leaves with the chance of 0.1 in 0.5:

    >>> p, q = np.array([[0.5, 0.5]] * 2), np.array([[0.6, 0.4]] * 2)
    >>> changed(np.eye(2), p, q).round(2).tolist()
    [[1.0, 0.0], [0.2, 0.8]]
    """
    had, has = (before * taken).sum(axis=1), (after * taken).sum(axis=1)
    stays = np.divide(np.minimum(has, had), had, out=np.ones_like(had), where=had > 0)
    gain = np.maximum(after - before, 0.0)
    whole = gain.sum(axis=1)
    where = np.divide(gain, whole[:, None], out=np.zeros_like(gain), where=whole[:, None] > 0)
    stays = np.where(whole > 0, stays, 1.0)
    return np.asarray(stays[:, None] * taken + (1 - stays)[:, None] * where)


def _priors(transfer: pl.DataFrame | None) -> dict[str, tuple[float, float, float]]:
    told = tables.read("inclusive_behaviour_transfer") if transfer is None else transfer
    found = {p: (a, b, c) for p, a, b, c in told.select("parameter", "low", "central", "high").iter_rows()}
    for name in ("money_cny_per_gbp", "cost_response"):
        if name not in found:
            raise SchemaError(f"The table of priors lacks {name!r}; it has {sorted(found)}.")
        a, b, c = found[name]
        if not 0 < a <= b <= c < math.inf:
            raise RangeError(f"The prior of {name} is {a}, {b}, {c}; expected 0 < low ≤ central ≤ high.")
    return found


def _triangle(rng: np.random.Generator, prior: tuple[float, float, float], n: int) -> Floats:
    low, central, high = prior
    return np.full(n, central) if low == high else np.asarray(rng.triangular(low, central, high, n))


def _converted(trips: _Trips, hesitant: npt.NDArray[np.bool_], found: Conversion, n: int,
               seed: np.random.SeedSequence) -> Iterator[tuple[Floats, Floats]]:  # fmt: skip
    """Give what was done, and what is done when hesitant trips by other modes are converted, draw by draw."""
    before = _taken(trips)
    moving = hesitant & ~trips.paid[trips.taken]
    if not (moving & trips.is_eligible).any():
        raise RefusalError("No eligible trip by another mode is hesitant: there is nobody to convert.")
    counts = np.bincount(trips.taken, weights=trips.weights, minlength=len(trips.modes)) * trips.paid
    target = counts / counts.sum()
    for share in found.draws(n, np.random.default_rng(seed)):
        after = before.copy()
        after[moving] = (1 - share) * before[moving] + share * target
        yield before, after


def design(
    trips: Frame, incentive: Incentive, *, response: ModeChoice | Conversion | None = None,
    methodology: str | Path | Methodology = "beijing-travel-2024", weight: str | None = None,
    hesitant: str = "is_hesitant", transfer: pl.DataFrame | None = None, uncertainty: pl.DataFrame | None = None,
    modes: pl.DataFrame | None = None, is_sample: bool = True, source: str = "", level: float = _LEVEL,
    n_draws: int = _DRAWS, seed: int = 0,
) -> IncentiveOutcome:  # fmt: skip
    """Return what an incentive would change on a table of trips, and what it would cost.

    Parameters
    ----------
    trips
        One row per trip, named as :func:`citylab.carbon.inclusive.crediting.credit` names them: ``act`` (mode taken
        without the incentive) and ``distance_km``. For the route of mode choice also ``dur_<mode>_h`` and
        ``cost_<mode>_cny`` of each mode that occurs (:func:`with_alternatives` makes rough ones; walking and cycling
        may go without a cost); if they are there, columns that the model's terms about persons name
        (``car_ownership`` for London's) are used and ``account`` tells whose trips belong together. And what the
        incentive's conditions need (:meth:`Incentive.needed`).
    incentive
        What is paid, to whom.
    response
        A model of mode choice, by default :func:`~.choice.london`, or a :class:`Conversion`: the share of hesitant
        trips by other modes that change, whatever the amount.
    methodology
        Whose factors make tonnes of kilometres.
    weight
        Column of how many trips a row stands for; default: one.
    hesitant
        Boolean column of the hesitant trips, for a conversion.
    transfer
        Priors in place of ``inclusive_behaviour_transfer``.
    uncertainty
        Half-widths of factors by mark in place of ``inclusive_mark_uncertainty``.
    modes
        Modes and whose sensitivities they have, in place of ``inclusive_behaviour_modes``.
    is_sample
        The trips are a sample, from which the constants of the modes are known only so well: people (``account``, else
        trips) are bootstrapped for them. False where the table holds all trips.
    source
        The trips in words, kept with the result. Say *synthetic* where they are.
    level, n_draws, seed
        Level of the intervals, draws behind them, and their seed.

    Returns
    -------
    IncentiveOutcome

    Raises
    ------
    SchemaError
        A column is missing.
    UnknownNameError
        A mode that is not declared.
    DataError
        Times, costs, distances or weights that cannot be.
    RefusalError
        No trip is eligible; a paid mode that nobody uses; shares that no constants can meet; an unknown factor.

    Notes
    -----
    A payment lowers the price of the modes it is for. Trips that the table has by a paid mode are paid and would have
    happened anyway. Trips by other modes change with the chance that the model gives (:func:`changed`): those are the
    extra ones. Constants of the modes are set so that expected shares are those of the table. ``credited_t`` is what a
    scheme would book: all paid trips against the mean baseline. ``extra_mean_t`` is the part of it that belongs to
    extra trips; ``extra_replacement_t`` is the change of emissions of all modes, by average factors, of which the extra
    trips of one mode are taken from others.

    Each draw holds coefficients from their clustered covariance, the two priors of the transfer, constants of the modes
    from a Bayesian bootstrap of the people, and emission factors. Totals are those of the table at hand. Not in it:
    whether people take notice of the offer, habits that grow, trips made only for the payment, the cost of
    running the scheme, and that an extra passenger of a train that runs anyway emits less than the average. With trips
    of some hundred households, nearly alike within each, the 95 % interval held planted extra trips about 91 times in
    100 (``calibration.incentive``).
    """
    if not isinstance(response, ModeChoice | Conversion | None):
        raise SchemaError(f"response is {type(response).__name__}; expected a ModeChoice, a Conversion or None.")
    bootstrap.need_draws(n_draws, level)
    known = tables.read("inclusive_behaviour_modes") if modes is None else modes
    lf, _ = lazily(trips)
    needed = {"act": "mode taken", "distance_km": "length of the trip", **incentive.needed()}
    if weight is not None:
        needed[weight] = "trips that a row stands for"
    if isinstance(response, Conversion):
        needed[hesitant] = "true for hesitant travellers"
    schema = need_columns(lf, needed, what="design")
    numeric = [c for c in needed if c in {"distance_km", "age_years", weight}]
    need_numbers(schema, numeric, what="design")
    if incentive.hours is not None:
        need_wall_clock(schema, "start_local", what="design")
    table = lf.collect()
    arrays = _trips(table, incentive, weight, known)
    m = named(methodology)
    factors = _factors(m, arrays.modes, uncertainty)
    amounts = _amounts(arrays, incentive, factors)
    of_behaviour, of_factors = np.random.SeedSequence(seed).spawn(2)
    notes: tuple[str, ...] = ()
    if isinstance(response, Conversion):
        flags = table[hesitant]
        if flags.dtype != pl.Boolean:
            raise SchemaError(f"{hesitant!r} is {flags.dtype}; expected true and false.")
        pairs = _converted(arrays, flags.fill_null(False).to_numpy(), response, n_draws, of_behaviour)
        route, basis = "conversion", response.source
        notes = () if response.is_additional else ("incentive_note_no_control",)
    else:
        model = london() if response is None else response
        pairs = _choices(arrays, table, amounts, model, transfer, known, is_sample, n_draws, of_behaviour)
        route, basis = "mode choice", f"{model.place} {model.vintage}, n = {model.trip_count:,}".strip()
        notes = ("incentive_note_transfer",)
    bases, drawn = _drawn_factors(factors, n_draws, np.random.default_rng(of_factors))
    told: dict[str, list[float]] = {q: [] for q in ADDITIVE}
    for i, (before, after) in enumerate(pairs):
        one = _quantities(arrays, amounts, before, after, incentive.cap_trips, bases[i], drawn[i], factors.kept)
        for quantity, value in one.items():
            told[quantity].append(value)
    return IncentiveOutcome(
        incentive, {q: np.array(v) for q, v in told.items()}, level, table.height, int(arrays.is_eligible.sum()), route,
        source, basis, factors.mark, notes,
    )  # fmt: skip


def _amounts(trips: _Trips, incentive: Incentive, factors: _Factors) -> Floats:
    """Return what each trip would be paid by each mode [CNY], by the declared factors."""
    if incentive.per == "trip":
        each = np.full(len(trips.km), incentive.amount_cny)[:, None] * trips.paid
    else:
        kg = np.maximum(factors.baseline - factors.modes, 0.0) * trips.km[:, None] * factors.kept
        each = incentive.amount_cny * kg * trips.paid
    return np.asarray(each * trips.is_eligible[:, None])


def curve(trips: Frame, incentive: Incentive, amounts_cny: Sequence[float], **options: Any) -> pl.DataFrame:
    """Return the outcome for several amounts, all from the same draws.

    Parameters
    ----------
    trips, incentive
        As in :func:`design`; the amount of the incentive is replaced.
    amounts_cny
        Amounts [CNY].
    **options
        Further arguments of :func:`design`.

    Returns
    -------
    polars.DataFrame
        Rows of :meth:`IncentiveOutcome.tidy` for each amount, with ``amount_cny`` and ``per`` in front.
    """
    table = lazily(trips)[0].collect()
    return pl.concat(
        design(table, replace(incentive, amount_cny=float(a)), **options)
        .tidy()
        .select(pl.lit(float(a)).alias("amount_cny"), pl.lit(incentive.per).alias("per"), pl.all())
        for a in amounts_cny
    )
