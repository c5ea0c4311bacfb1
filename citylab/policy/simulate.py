"""Reference and scenario on common random numbers: tonnes, air, money and access, with intervals, and who gains.

Both run on the same draws of the same uncertain reference and the same priors, so that what they share cancels. The
uncertainty of a difference has three parts: sampling (which households are in the sample), parameter (priors and the
reference's level and drift) and model (rival models, such as the grid's average against its margin).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from citylab import scale
from citylab.errors import RangeError, SchemaError, suggest
from citylab.frames import lazily
from citylab.policy.factored import Factored
from citylab.policy.levers import Lever, levers
from citylab.policy.levers.base import Prior, central_of, draw_of, variants_of
from citylab.policy.reference import GRID_STREAM, GRID_VARIANTS, PM25, RATES, Reference
from citylab.policy.scenario import Scenario
from citylab.policy.state import SECTORS, Array, State, electricity, emissions, fuels
from citylab.policy.world import World
from citylab.stats.draws import uniforms
from citylab.vocabulary import say

if TYPE_CHECKING:
    from distributed import Client
    from threadpoolctl import ThreadpoolController

MONEY = ("household_cny", "budget_cny", "firm_cny", "resource_cny")
KIND = ("comfort_cny", "firm_comfort_cny")
"""Gains in kind of households and of firms: what use gained or given up is worth to them."""
SOCIETY = "society_cny"
"""Money of households, public purse and firms and gains in kind together: what society gains, but for what no lever
books (climate, health, time of others)."""
ACCESS = tuple(RATES)
"""Counts of persons that say who is connected."""
OUTCOMES = ("household_cny_person", "gaining_share", "losing_share", "online_share", "covered_share", "service_share")
"""What :meth:`Result.by_group` tells of each group by money."""
WELFARE_OUTCOMES = ("welfare_cny_person", "comfort_cny_person", "gaining_share", "losing_share")
"""What :meth:`Result.by_group` tells of each group by money and comfort together."""
MEASURES = {"money": OUTCOMES, "welfare": WELFARE_OUTCOMES}
"""By what winners and losers are told."""
MIN_DRAWS = 2
"""Fewest draws of which a spread can be told."""
BLOCK = 64
"""Draws that are run together."""
_GROUP_ACCESS = ("online_persons", "covered_persons", "service_persons")
YEARLY_OUTCOMES = {
    "money": ("household_cny_person", "online_share", "covered_share", "service_share"),
    "welfare": ("welfare_cny_person", "comfort_cny_person"),
}
"""What :meth:`Result.by_group` tells of a single year: who gains and who loses is counted over all years only."""


@dataclass(frozen=True)
class _Move:
    """A lever of a scenario with its yearly values."""

    lever: Lever
    priors: tuple[Prior, ...]
    values: tuple[float, ...]
    first: int

    def apply(self, state: State, k: int, draw: Mapping[str, Array]) -> None:
        """Let the lever act on the state of year ``k``."""
        if k < self.first:
            return
        state.previous_value = self.values[k - 1] if k else float(self.lever.default)
        state.history = self.values[self.first : k + 1]
        self.lever.apply(state, self.values[k], draw, float(k - self.first))


def _moves(
    scenario: Scenario, years: Sequence[int], priors: Mapping[str, Sequence[Prior]] | None = None
) -> tuple[_Move, ...]:
    """Return the levers that a scenario moves within the years, in the order in which they act."""
    for change in scenario.changes:
        if change.start.year > years[-1]:
            raise RangeError(
                f"The change of {change.lever!r} starts on {change.start}, after the reference ends in {years[-1]}. "
                "Let it start earlier, leave it out, or give a reference whose rule last_year is later."
            )
    found = []
    for name in scenario.levers():
        one = levers()[name]
        values = scenario.values(name, years)
        moved = [k for k, value in enumerate(values) if value != one.default]
        if moved:
            own = one.priors if priors is None or name not in priors else tuple(priors[name])
            found.append(_Move(one, own, values, moved[0]))
    return tuple(found)


@cache
def _blas() -> ThreadpoolController:
    """Return the hold on threads of matrix products: the order of a sum must not hang on their number."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@dataclass(frozen=True)
class _Plan:
    """All that a block of draws needs; it travels to workers."""

    world: World
    moves: tuple[_Move, ...]
    seed: int

    def __call__(self, start: int, stop: int) -> dict[str, Array]:
        """Return the outputs of draws ``start`` to ``stop``."""
        with _blas().limit(limits=1):
            return self._block(start, stop)

    def _block(self, start: int, stop: int) -> dict[str, Array]:
        reference = self.world.reference
        factors = reference.factors(self.seed, start, stop)
        marginal: Array = np.greater_equal(uniforms(self.seed, GRID_STREAM, start, stop) * len(GRID_VARIANTS), 1)
        drawn = [draw_of(m.priors, self.seed, start, stop) for m in self.moves]
        variants = [np.asarray(marginal, dtype=float)]
        for move, (_, which) in zip(self.moves, drawn, strict=True):
            others = range(1, len(variants_of(move.priors)))
            variants += [(which == i).astype(float) for i in others]
        runs = _Runs(
            self.world,
            self.moves,
            [values for values, _ in drawn],
            screening=reference.screening(self.seed, start, stop),
            pm25=factors.get(PM25),
            options={"factors": {n: f for n, f in factors.items() if n != PM25}, "marginal": marginal},
            draws=stop - start,
        )
        outputs = _years(runs)
        return {**outputs, "variants": np.stack(variants, axis=1)}

    def replicates(self) -> dict[str, Array]:
        """Return the outputs of the central draw under replicate weights."""
        with _blas().limit(limits=1):
            return self._replicates()

    def _replicates(self) -> dict[str, Array]:
        runs = _Runs(
            self.world,
            self.moves,
            [central_of(m.priors) for m in self.moves],
            screening=self.world.reference.screening_central(),
            pm25=None,
            options={"replicate_seed": self.seed},
            draws=int(self.world.reference.rule("replicates")),
        )
        return _years(runs)


@dataclass(frozen=True)
class _Runs:
    """Reference and levers under the same draws, year by year."""

    world: World
    moves: Sequence[_Move]
    drawn: Sequence[Mapping[str, Array]]
    screening: tuple[Array, Array]
    pm25: Array | None
    options: Mapping[str, Any]
    draws: int

    def states(self, k: int) -> tuple[State, State]:
        """Return the states of year ``k`` without the levers and with them."""
        year = self.world.reference.years[k]
        before, after = (self.world.state(year, draws=self.draws, **self.options) for _ in range(2))
        for move, values in zip(self.moves, self.drawn, strict=True):
            move.apply(after, k, values)
        return before, after

    def of_city(self, k: int, before: State, after: State) -> dict[str, Array]:
        """Return the city's outputs of year ``k``, each of shape (draws, columns)."""
        draws, reference = self.draws, self.world.reference
        kwh, burnt = electricity(before), fuels(before)
        co2 = emissions(before, kwh=kwh, burnt=burnt)
        burnt_after = fuels(after)
        co2_after = emissions(after, kwh, burnt=burnt_after)
        level = reference.level(PM25, reference.years[k]) * (1.0 if self.pm25 is None else self.pm25[:, k : k + 1])
        fall = np.zeros((draws, 1))
        slope, shares = self.screening
        for i, sector in enumerate(SECTORS):
            if sector in burnt:
                relative = np.divide(
                    burnt_after[sector] - burnt[sector],
                    burnt[sector],
                    out=np.zeros(np.broadcast_shapes(burnt_after[sector].shape, burnt[sector].shape)),
                    where=burnt[sector] > 0,
                )
                fall = fall + shares[:, i : i + 1] * relative
        return {
            "co2": _wide([co2[s] for s in SECTORS], draws),
            "co2_after": _wide([co2_after[s] for s in SECTORS], draws),
            "pm25": _wide([np.asarray(level).reshape(-1, 1)], draws),
            "pm25_after": _wide([level * (1 + slope * fall)], draws),
            "access": _wide([before.total(n) for n in ACCESS], draws),
            "access_after": _wide([after.total(n) for n in ACCESS], draws),
            "money": _wide([after.total(n) for n in MONEY], draws),
            "kind": _wide([after.total(n) for n in KIND], draws),
        }

    def of_people(self, k: int, before: State, after: State) -> dict[str, Any]:
        """Return what the levers change for people in year ``k``, by cell; None where they change nothing."""
        found = {"household": after.booked("household_cny"), "comfort": after.booked("comfort_cny")}
        for name in _GROUP_ACCESS:
            found[name] = after[name] - before[name] if name in after.changed else None
        return found

    def of_groups(self, before: State, people: Mapping[str, Any]) -> Array:
        """Return :data:`YEARLY_OUTCOMES` by group in a year, shape (draws, groups, outcomes)."""
        total = self.world.setting(self.options.get("replicate_seed")).space.by_group
        inside = total(before["persons"])
        shape = (self.draws, self.world.groups.height)
        household, comfort = people["household"], people["comfort"]
        flows = [household, *(people[name] for name in _GROUP_ACCESS), _both(household, comfort), comfort]
        parts = [np.zeros(shape) if f is None else np.broadcast_to(total(f) / inside, shape) for f in flows]
        return np.stack(parts, axis=2)


def _years(runs: _Runs) -> dict[str, Array]:
    """Run all years, and put yearly arrays together: (draws, years, ...), groups (draws, groups)."""

    def one(k: int) -> dict[str, Any]:
        before, after = runs.states(k)
        people = runs.of_people(k, before, after)
        found = {**runs.of_city(k, before, after), **people, "group_year": runs.of_groups(before, people)}
        if k < len(years) - 1:
            found |= dict.fromkeys(_GROUP_ACCESS)  # held for the last year only
        return found

    years = runs.world.reference.years
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yearly = list(pool.map(one, range(len(years))))
    arrays = {
        name: np.stack([y[name] for y in yearly], axis=1)
        for name in ("co2", "co2_after", "pm25", "pm25_after", "access", "access_after", "money", "kind", "group_year")
    }
    household, comfort = (_mean([y[name] for y in yearly]) for name in ("household", "comfort"))
    arrays["group"], arrays["group_welfare"] = _by_group(
        runs.world, household, comfort, yearly[-1], runs.options, runs.draws
    )
    return arrays


def _both(household: Any, comfort: Any) -> Any:
    """Return money and comfort together, of which those not booked are None."""
    return comfort if household is None else household if comfort is None else household + comfort


def _mean(flows: Sequence[Any]) -> Any:
    """Return the yearly mean of flows by cell, of which those not booked are None; None if none was."""
    booked = [flow for flow in flows if flow is not None]
    return sum(booked[1:], booked[0]) / len(flows) if booked else None


def _wide(columns: Sequence[Array], draws: int) -> Array:
    """Return columns side by side, one row a draw."""
    return np.concatenate([np.broadcast_to(c, (draws, 1)) for c in columns], axis=1)


def _by_group(
    world: World, household: Any, comfort: Any, last: Mapping[str, Any], options: Mapping[str, Any], draws: int
) -> tuple[Array, Array]:
    """Return :data:`OUTCOMES` and :data:`WELFARE_OUTCOMES` by group, each of shape (draws, groups, outcomes)."""
    state = world.state(world.reference.years[-1], draws=draws, **options)
    persons = world.people(world.reference.years[-1])["persons"]
    total = world.setting(options.get("replicate_seed")).space.by_group
    inside = total(state["persons"])
    shape = (draws, world.groups.height)
    zero = np.zeros(shape)

    def person(flow: Any) -> Array:
        return zero if flow is None else total(flow) / inside

    def sides(flow: Any) -> list[Array]:
        if flow is None:
            return [zero, zero]
        # Replicates differ in weights; who gains in a cell is the same in all of them but for the scaling to totals
        alike = "replicate_seed" in options and isinstance(flow, Factored)
        change = np.asarray(flow.middle() if alike else flow)
        floor = world.reference.rule("min_change_cny") * persons
        return [total((change > floor) * persons) / inside, total((change < -floor) * persons) / inside]

    money = sides(household)
    both = _both(household, comfort)
    access = [person(last[name]) for name in _GROUP_ACCESS]
    found = [person(household), *money, *access]
    welfare = [person(both), person(comfort), *(money if comfort is None else sides(both))]
    by_money, by_welfare = (np.stack([np.broadcast_to(f, shape) for f in fs], axis=2) for fs in (found, welfare))
    return by_money, by_welfare


TOTAL = "total"
"""Sector that stands for all."""
_QUANTITIES: list[tuple[str, str, str]] = [
    *(("co2_t", sector, "t") for sector in (*SECTORS, TOTAL)),
    (PM25, TOTAL, "µg/m³"),
    *((name, TOTAL, "person") for name in ACCESS),
    *((name, TOTAL, "CNY") for name in (*MONEY, *KIND, SOCIETY)),
]
"""Name, sector and unit of each column of the yearly arrays."""


def _columns(outputs: Mapping[str, Array]) -> tuple[Array, Array]:
    """Return reference and scenario of all yearly quantities, shape (..., quantities)."""
    sides = []
    for end in ("", "_after"):
        co2 = outputs[f"co2{end}"]
        kind = outputs["kind"].sum(axis=-1, keepdims=True)
        society = kind - outputs["money"][..., [MONEY.index("resource_cny")]]
        flows = np.concatenate([outputs["money"], outputs["kind"], society], axis=-1)
        city = co2.sum(axis=-1, keepdims=True)
        parts = [co2, city, outputs[f"pm25{end}"], outputs[f"access{end}"], flows if end else np.zeros_like(flows)]
        sides.append(np.concatenate(parts, axis=-1))
    return sides[0], sides[1]


@dataclass(frozen=True)
class Result:
    """What a scenario changes against the reference.

    Attributes
    ----------
    scenario
        What was run.
    draws, seed
        Number of draws, and the seed.
    interval
        Nominal coverage of the intervals.
    sample_persons, is_synthetic
        Of the world.
    years, base_year
        Years of the run, and the year whose levels the reference starts from.
    assumptions
        What every run takes for granted.

    Notes
    -----
    Values are means over draws. An interval holds the middle ``interval`` of draws, each with the deviation of one
    replicate of the sample; where draws are so skewed that it would leave out the mean, it is widened to it. ``sd``
    squared is the sum of the squares of ``sd_sampling``, ``sd_parameter`` and
    ``sd_model``: variance over replicates at the central draw, and variance over draws split into what the rival models
    explain (least squares on their indicators, adjusted for degrees of freedom) and the rest. The interaction of sample
    and parameters is left out.
    """

    scenario: Scenario
    draws: int
    seed: int
    interval: float
    sample_persons: int
    is_synthetic: bool
    years: tuple[int, ...]
    base_year: int
    assumptions: tuple[str, ...] = field(repr=False)
    _drawn: Mapping[str, Array] = field(repr=False)
    _replicates: Mapping[str, Array] = field(repr=False)
    _groups: pl.DataFrame = field(repr=False)

    @cached_property
    def _yearly(self) -> tuple[Array, Array, Array]:
        """Reference and difference over draws, and difference over replicates."""
        before, after = _columns(self._drawn)
        first, second = _columns(self._replicates)
        return before, after - before, second - first

    def _spread(self, drawn: Array, replicates: Array, variants: Array | None = None) -> dict[str, Array]:
        """Return what is told of differences: (draws, n) and (replicates, n) give arrays of n."""
        mean = drawn.mean(axis=0)
        sampled = replicates - replicates.mean(axis=0)
        picked = np.arange(self.draws) % replicates.shape[0]
        tail = (1 - self.interval) / 2
        lower, upper = np.quantile(drawn + sampled[picked], [tail, 1 - tail], axis=0)
        lower, upper = np.minimum(lower, mean), np.maximum(upper, mean)
        over = drawn.var(axis=0, ddof=1)
        model = np.minimum(_explained(drawn, self._drawn["variants"] if variants is None else variants), over)
        sampling = replicates.var(axis=0, ddof=1)
        return {
            "difference": mean,
            "lower": lower,
            "upper": upper,
            "sd": np.sqrt(sampling + over),
            "sd_sampling": np.sqrt(sampling),
            "sd_parameter": np.sqrt(over - model),
            "sd_model": np.sqrt(model),
        }

    def _frame(
        self, keys: Mapping[str, Any], before: Array, drawn: Array, replicates: Array, *, variants: Array | None = None
    ) -> pl.DataFrame:
        told = self._spread(drawn, replicates, variants)
        tail = (1 - self.interval) / 2
        low, high = np.quantile(before, [tail, 1 - tail], axis=0)
        middle = before.mean(axis=0)
        return pl.DataFrame(
            {
                **keys,
                "reference": middle,
                "reference_lower": low,
                "reference_upper": high,
                "scenario": middle + told["difference"],
                **told,
            }
        )

    def yearly(self) -> pl.DataFrame:
        """Return every quantity in every year.

        Returns
        -------
        polars.DataFrame
            One row a year, quantity and sector: ``year, quantity, sector, unit, reference, reference_lower,
            reference_upper, scenario, difference, lower, upper, sd, sd_sampling, sd_parameter, sd_model,
            is_synthetic``.
            Quantities: ``co2_t`` by sector and in ``total`` (t/year), ``pm25_ugm3`` (mean of the residents),
            persons online, with a smartphone, covered, using services (persons), and money (CNY/year, + is a gain; of
            ``resource_cny`` + is used up). ``household_cny`` is what is in the purse; ``comfort_cny`` and
            ``firm_comfort_cny`` are what consumption and trips gained (+) or given up (-) are worth to households and
            firms; ``society_cny`` is household, budget and firm money with both kinds of comfort, which is comfort less
            resource cost. All are against the reference, whose own are not counted: its columns are 0.
        """
        before, drawn, replicates = self._yearly
        names = _QUANTITIES
        keys = {
            "year": np.repeat(np.array(self.years), len(names)),
            "quantity": [q for _ in self.years for q, _, _ in names],
            "sector": [s for _ in self.years for _, s, _ in names],
            "unit": [u for _ in self.years for _, _, u in names],
        }
        return self._frame(keys, *(_flat(a) for a in (before, drawn, replicates))).with_columns(
            is_synthetic=pl.lit(self.is_synthetic)
        )

    @property
    def _keys(self) -> dict[str, list[str]]:
        """Columns that name the quantities over all years."""
        names = _QUANTITIES
        return {
            "quantity": [q for q, _, _ in names],
            "sector": [s for _, s, _ in names],
            "unit": [u for _, _, u in names],
            "over": ["mean" if q == PM25 else "last" if q in ACCESS else "sum" for q, _, _ in names],
        }

    def _over_years(self, array: Array) -> Array:
        """Return sums of tonnes and money, the mean of PM2.5 and the last year's persons."""
        columns = []
        for i, (quantity, _, _) in enumerate(_QUANTITIES):
            values = array[:, :, i]
            if quantity == PM25:
                columns.append(values.mean(axis=1))
            elif quantity in ACCESS:
                columns.append(values[:, -1])
            else:
                columns.append(values.sum(axis=1))
        return np.stack(columns, axis=1)

    def totals(self) -> pl.DataFrame:
        """Return every quantity over all years: tonnes and money summed, PM2.5 averaged, persons in the last year.

        Returns
        -------
        polars.DataFrame
            Columns of :meth:`yearly` without ``year``, and ``over`` (``sum``, ``mean`` or ``last``).
        """
        return self._frame(self._keys, *(self._over_years(a) for a in self._yearly)).with_columns(
            is_synthetic=pl.lit(self.is_synthetic)
        )

    def minus(self, other: Result) -> pl.DataFrame:
        """Return what this scenario has more than another, on the same draws.

        Parameters
        ----------
        other
            Result of another scenario of the same world, draws and seed.

        Returns
        -------
        polars.DataFrame
            Columns of :meth:`totals`; ``reference`` and ``scenario`` are those of the other and of this scenario, and
            ``sd_model`` is what the rival models of both explain.

        Raises
        ------
        RangeError
            The two were not run on the same draws, years or persons.
        """
        for name in ("draws", "seed", "years", "sample_persons"):
            if getattr(self, name) != getattr(other, name):
                raise RangeError(
                    f"{name} is {getattr(self, name)} here and {getattr(other, name)} there; run both alike to compare "
                    "them."
                )
        (before, ours, sampled), (_, theirs, sampled_there) = self._yearly, other._yearly
        arrays = (before + theirs, ours - theirs, sampled - sampled_there)
        # A rival model that both are under counts once
        both = np.concatenate([self._drawn["variants"], other._drawn["variants"]], axis=1)
        variants = np.unique(both, axis=1)
        return self._frame(self._keys, *(self._over_years(a) for a in arrays), variants=variants).with_columns(
            is_synthetic=pl.lit(self.is_synthetic)
        )

    def draws_of(self, quantity: str, sector: str = TOTAL, year: int | None = None) -> pl.DataFrame:
        """Return one quantity draw by draw, without the scenario and with it.

        Parameters
        ----------
        quantity, sector
            As in :meth:`yearly`.
        year
            One of :attr:`years`; default: over all years, as in :meth:`totals`.

        Returns
        -------
        polars.DataFrame
            One row a draw and run: ``draw`` (from 0), ``run`` (``reference`` or ``scenario``), ``value``, ``unit``,
            ``is_synthetic``. Sampling is not in it: the intervals of :meth:`totals` are wider for that.

        Raises
        ------
        UnknownNameError
            No such quantity or sector.
        RangeError
            The year was not run.
        """
        names = list(dict.fromkeys(q for q, _, _ in _QUANTITIES))
        if quantity not in names:
            raise suggest(quantity, names, what="quantity", see="Result.yearly()")
        sectors = {s: (i, unit) for i, (q, s, unit) in enumerate(_QUANTITIES) if q == quantity}
        if sector not in sectors:
            raise suggest(sector, sectors, what=f"sector of {quantity!r}", see="Result.yearly()")
        i, unit = sectors[sector]
        before, drawn, _ = self._yearly
        pair = (before, before + drawn)
        told = [self._over_years(a)[:, i] if year is None else a[:, self._year(year), i] for a in pair]
        runs = pl.Series(["reference"] * self.draws + ["scenario"] * self.draws)
        number = pl.Series(np.tile(np.arange(self.draws), 2))
        return pl.DataFrame({"draw": number, "run": runs, "value": np.concatenate(told)}).with_columns(
            unit=pl.lit(unit), is_synthetic=pl.lit(self.is_synthetic)
        )

    def _year(self, year: int) -> int:
        """Return the place of a year among those of the run."""
        if year not in self.years:
            raise RangeError(f"The run is of {self.years[0]} to {self.years[-1]}; asked was {year}. Take one of them.")
        return self.years.index(year)

    def by_group(
        self, group: str = "income_decile", *, measure: str = "money", year: int | None = None
    ) -> pl.DataFrame:
        """Return winners and losers.

        Parameters
        ----------
        group
            ``income_decile``, ``age_band`` (0 under 18, 1 of 18-59, 2 of 60 and over), ``adcode`` (district),
            ``has_smartphone``, or ``all``.
        measure
            By what people gain or lose: ``"money"`` (the purse alone) or ``"welfare"`` (money and comfort together). A
            lever that makes people use less can fill the purse and still leave them worse off: tell both.
        year
            One of :attr:`years`: what is then, without ``gaining_share`` and ``losing_share``
            (:data:`YEARLY_OUTCOMES`). Default: money as the mean of all years, shares of persons in the last year.

        Returns
        -------
        polars.DataFrame
            One row a level and outcome: ``group, level, persons, outcome, unit, difference, lower, upper, sd,
            sd_sampling, sd_parameter, sd_model, gain_measure, is_synthetic``. Outcomes by money:
            ``household_cny_person`` (mean change of money a person and year), ``gaining_share`` and ``losing_share``
            (persons of cells whose mean change is beyond the rule ``min_change_cny``), and the change of the shares of
            persons online, covered and using services in the last year. By welfare: ``welfare_cny_person`` (money and
            comfort), ``comfort_cny_person``, ``gaining_share`` and ``losing_share``. ``gain_measure`` is ``measure``.

        Raises
        ------
        UnknownNameError
            No such grouping or measure.
        RangeError
            The year was not run.
        """
        if measure not in MEASURES:
            raise suggest(measure, MEASURES, what="measure", see="citylab.policy.simulate.MEASURES")
        known = self._groups["group"].unique(maintain_order=True).to_list()
        if group not in known:
            raise suggest(group, known, what="grouping", see="citylab.policy.world.GROUPS")
        at = np.flatnonzero((self._groups["group"] == group).to_numpy())
        levels, persons = self._groups["level"].to_list(), self._groups["persons"].to_list()
        if year is None:
            outcomes, held = MEASURES[measure], "group" if measure == "money" else "group_welfare"
            drawn, replicates = (_flat(o[held][:, at, :]) for o in (self._drawn, self._replicates))
        else:
            outcomes, every = YEARLY_OUTCOMES[measure], [o for row in YEARLY_OUTCOMES.values() for o in row]
            columns, k = [every.index(o) for o in outcomes], self._year(year)
            drawn, replicates = (
                _flat(o["group_year"][:, k][:, at][:, :, columns]) for o in (self._drawn, self._replicates)
            )
        keys = {
            "group": [group] * (len(at) * len(outcomes)),
            "level": [levels[i] for i in at for _ in outcomes],
            "persons": [persons[i] for i in at for _ in outcomes],
            "outcome": [o for _ in at for o in outcomes],
            "unit": ["CNY/person/year" if o.endswith("_cny_person") else "1" for _ in at for o in outcomes],
        }
        told = self._spread(drawn, replicates)
        # A share of persons is none below 0 or above 1, though a draw and a replicate together may be
        bounded = np.array([o in ("gaining_share", "losing_share") for _ in at for o in outcomes])
        for side in ("lower", "upper"):
            told[side] = np.where(bounded, np.clip(told[side], 0.0, 1.0), told[side])
        return pl.DataFrame({**keys, **told, "gain_measure": measure, "is_synthetic": self.is_synthetic})

    def per_tonne(self) -> pl.DataFrame:
        """Return what a tonne saved costs, over all years and undiscounted.

        Returns
        -------
        polars.DataFrame
            Three rows, ``cost_kind`` = ``resource`` (goods and labour used up beyond the reference, with capital spread
            over its life; energy not bought counts as saved), ``budget`` (public money) and ``society`` (resource cost
            and the comfort given up, which is what a tonne costs people): ``cny_t, lower, upper, tonnes,
            why_not_told``.
            Where the interval of the tonnes covers 0 the three numbers are null, and ``why_not_told`` says so: a ratio
            to what may be nothing means nothing. Single draws in which no tonne is saved are left out of the interval.

        Notes
        -----
        Compare ``society`` between levers. ``resource`` is negative for a price that makes people use less, because
        what they no longer have is not in it.
        """
        at = {(q, s): i for i, (q, s, _) in enumerate(_QUANTITIES)}
        drawn, replicates = (self._over_years(a) for a in self._yearly[1:])
        saved = at["co2_t", TOTAL]
        told = self._spread(drawn[:, [saved]], replicates[:, [saved]])
        low, high = -told["upper"][0], -told["lower"][0]
        picked = np.arange(self.draws) % replicates.shape[0]
        joint = drawn + (replicates - replicates.mean(axis=0))[picked]
        # A cap that binds in nearly all draws saves nothing in the others: these have no cost of a tonne
        joint = joint[joint[:, saved] < 0]
        tail = (1 - self.interval) / 2
        rows = []
        for cost, name, sign in COSTS:
            row: dict[str, Any] = {"cost_kind": cost, "tonnes": -float(told["difference"][0]), "why_not_told": None}
            if low <= 0:
                row |= {"cny_t": None, "lower": None, "upper": None}
                none = "no_tonnes" if low == high == 0 else "covers_zero" if high >= 0 else "emissions_rise"
                row["why_not_told"] = none
            else:
                i = at[name, TOTAL]
                ratio = sign * joint[:, i] / -joint[:, saved]
                lower, upper = np.quantile(ratio, [tail, 1 - tail])
                row["cny_t"] = sign * float(drawn[:, i].mean()) / row["tonnes"]
                row |= {"lower": float(lower), "upper": float(upper)}
            rows.append(row)
        schema = {"cost_kind": pl.String, "cny_t": pl.Float64, "lower": pl.Float64, "upper": pl.Float64}
        return pl.DataFrame(rows, schema={**schema, "tonnes": pl.Float64, "why_not_told": pl.String})

    def budget_share(self, budget_cny: float) -> float:
        """Return the share of draws in which the public money spent over all years is within ``budget_cny`` [CNY]."""
        spent = -self._drawn["money"][:, :, MONEY.index("budget_cny")].sum(axis=1)
        return float((spent <= budget_cny).mean())

    def tidy(self) -> pl.DataFrame:
        """Return :meth:`totals`."""
        return self.totals()

    def _repr_html_(self) -> str:
        head = f"{self.scenario.name_zh} / {self.scenario.name_en}: {self.draws} draws, seed {self.seed}, "
        head += f"{self.sample_persons:,} persons, reference of {self.base_year}"
        synthetic = f" · {say('synthetic')}" if self.is_synthetic else ""
        return f"<p>{head}{synthetic}</p>{self.totals()._repr_html_()}"


COSTS = (("resource", "resource_cny", 1.0), ("budget", "budget_cny", -1.0), ("society", SOCIETY, -1.0))
"""Kinds of cost of a tonne, the quantity each is made of, and the sign of a cost in it."""


def _flat(array: Array) -> Array:
    """Return (draws, a, b) as (draws, a x b)."""
    return array.reshape(array.shape[0], -1)


def _explained(drawn: Array, variants: Array) -> Array:
    """Return the variance over draws that indicators of rival models explain, adjusted for degrees of freedom."""
    n = drawn.shape[0]
    centred = drawn - drawn.mean(axis=0)
    inside = variants - variants.mean(axis=0)
    inside = inside[:, inside.any(axis=0)]
    if not inside.shape[1] or n <= inside.shape[1] + 1:
        return np.zeros(drawn.shape[1])
    fitted = inside @ np.linalg.lstsq(inside, centred, rcond=None)[0]
    left = ((centred - fitted) ** 2).sum(axis=0) / (n - 1 - inside.shape[1])
    return np.maximum((centred**2).sum(axis=0) / (n - 1) - left, 0.0)


def simulate(
    world: World,
    scenario: Scenario,
    *,
    reference: Reference | None = None,
    priors: Mapping[str, Sequence[Prior]] | None = None,
    draws: int = 200,
    seed: int = 0,
    client: Client | None = None,
) -> Result:
    """Run the reference and a scenario on the same draws, and return their differences.

    Parameters
    ----------
    world
        The city's people, from :meth:`citylab.policy.world.World.from_persons`.
    scenario
        What is done.
    reference
        Another reference than the world's; its table ``people`` is not used again, since amounts are shared already.
    priors
        Own priors by lever, in place of the declared ones.
    draws
        Number of draws, at least 2; 64 are enough for a look, a thousand for a tail.
    seed
        Of all random numbers, 0 or more.
    client
        From :func:`citylab.scale.connect`, to run blocks of draws on a cluster.

    Returns
    -------
    Result
        The same for any number of workers.

    Raises
    ------
    RangeError
        Fewer than two draws, or a seed below 0.
    SchemaError
        ``world`` is not a :class:`citylab.policy.world.World`.

    Notes
    -----
    Draw k of a parameter is the same in every run of a seed, whatever else the scenario does (Philox streams named by
    parameter), so that differences between scenarios hold no noise of drawing.

    Examples
    --------
    >>> import polars as pl
    >>> from citylab.policy.scenario import Change
    >>> from citylab.population.synthetic import synthesise
    >>> persons = synthesise(2000, seed=1).with_columns(metro_distance_km=pl.lit(1.0))
    >>> half = Scenario("半价", "Half fares", [Change("transit_fare", 0.5, 2026)])
    >>> result = simulate(World.from_persons(persons), half, draws=8)
    >>> result.totals().filter(quantity="household_cny")["difference"].item() > 0
    True
    >>> result.by_group("age_band").filter(outcome="losing_share")["difference"].to_list()
    [0.0, 0.0, 0.0]
    """
    if not isinstance(world, World):
        raise SchemaError(
            f"simulate got {type(world).__name__} as its world. Make one with World.from_persons(persons) or "
            "World.from_cells(table)."
        )
    if draws < MIN_DRAWS:
        raise RangeError(
            f"draws is {draws}; a spread needs at least {MIN_DRAWS}, and an interval many (64 for a look)."
        )
    if seed < 0:
        raise RangeError(f"seed is {seed}; give a whole number of 0 or more.")
    world = world if reference is None else world.under(reference)
    plan = _Plan(world, _moves(scenario, world.reference.years, priors), seed)
    drawn = scale.map_draws(plan, draws, block=BLOCK, client=client)
    return Result(
        scenario,
        draws,
        seed,
        world.reference.rule("interval"),
        world.sample_persons,
        world.is_synthetic,
        world.reference.years,
        int(world.reference.rule("base_year")),
        ASSUMPTIONS,
        drawn,
        plan.replicates(),
        world.groups,
    )


ASSUMPTIONS = (
    "Persons are constant in number and age from the base year on.",
    "Amounts by group (kilometres, trips, electricity, heat, access) are shared by marked assumptions.",
    "A cell gains or loses by its mean; persons of a cell may differ.",
    "PM2.5 follows fuel burnt in the city in proportion, at one level for all residents.",
    "Money is at constant prices and undiscounted; capital is spread over its life.",
    "Money is what is in the purse. Comfort is what consumption and trips gained or given up are worth to their users: "
    "a unit that a price adds or takes lies half-way between the old and the new price, a trip that may not be made is "
    "worth what it cost and an assumed hardship.",
    "What society gains leaves out climate, health, time that others save in traffic, and what services online are "
    "worth.",
)
"""What every run takes for granted."""


GRID = "grid_variant"
"""Parameter of :func:`evaluate`: whether a changed kWh counts at the grid's average (0) or at its margin (1)."""
_RECEPTOR = "source_receptor"


def _uncertain(reference: Reference) -> list[str]:
    """Return the names of the reference that :func:`evaluate` takes: all but rates at which the rest follows."""
    return [name for name in reference.rows if name not in RATES.values()]


def parameters_of(
    world: World,
    scenario: Scenario,
    year: int,
    *,
    priors: Mapping[str, Sequence[Prior]] | None = None,
    draws: int = 200,
    seed: int = 0,
    start: int = 0,
) -> dict[str, Array]:
    """Return the parameters that :func:`simulate` draws, as :func:`evaluate` takes them.

    Parameters
    ----------
    world, scenario, priors, seed
        As in :func:`simulate`.
    year
        Whose levels of the reference are given.
    draws, start
        Number of draws, and number of the first.

    Returns
    -------
    dict
        Arrays of one entry a draw: ``"lever.parameter"`` of the levers that the scenario moves; quantities of the
        reference by name, in their units, that are uncertain; ``"source_receptor.part"``; and :data:`GRID`.

    Raises
    ------
    RangeError
        The year is outside the reference.
    """
    reference, stop = world.reference, start + draws
    k = _place(reference, year)
    found: dict[str, Array] = {}
    for move in _moves(scenario, reference.years, priors):
        values, _ = draw_of(move.priors, seed, start, stop)
        found |= {f"{move.lever.id}.{name}": array[:, 0] for name, array in values.items()}
    allowed = _uncertain(reference)
    for name, factors in reference.factors(seed, start, stop).items():
        if name in allowed:
            found[name] = factors[:, k] * reference.level(name, year)
    found |= {f"{_RECEPTOR}.{part}": values for part, values in reference.receptor_draws(seed, start, stop).items()}
    found[GRID] = np.floor(uniforms(seed, GRID_STREAM, start, stop) * len(GRID_VARIANTS))
    return found


def _place(reference: Reference, year: int) -> int:
    if year not in reference.years:
        raise RangeError(
            f"The reference runs from {reference.years[0]} to {reference.years[-1]}; asked was {year}. Choose a year "
            "within."
        )
    return reference.years.index(year)


def evaluate(
    world: World,
    scenario: Scenario,
    parameters: Mapping[str, Any] | pl.DataFrame,
    year: int,
    *,
    priors: Mapping[str, Sequence[Prior]] | None = None,
) -> pl.DataFrame:
    """Return what a scenario changes in one year at given parameters, by the engine's own states and levers.

    It is a model for :mod:`citylab.policy.explore`:
    ``lambda p: evaluate(world, plan, p, 2030).select("co2_t").to_numpy()``.

    Parameters
    ----------
    world, scenario, priors
        As in :func:`simulate`.
    parameters
        Arrays of one entry a case, by name; those not named are central.

        - ``"lever.parameter"``: its value, in the unit of its prior, under every rival model;
          ``"lever.parameter.variant"``: under that model only;
        - ``"lever.variant"``: which rival model holds, its place from 0 on, rounded down;
        - a quantity of ``reference_path`` (``"grid_kgco2_kwh"``): its level in the year, in its unit;
        - ``"source_receptor.part"``: a coefficient of the screening of PM2.5;
        - :data:`GRID`: 0 for the grid's average, 1 for its margin, rounded down.
    year
        One of the reference. A lever sees the years that it has been in force until then.

    Returns
    -------
    polars.DataFrame
        One row a case, scenario less reference: ``co2_t`` (of all sectors), ``pm25_ugm3``, persons online, with a
        smartphone, covered and using services, and money and comfort as in :meth:`Result.yearly`.

    Raises
    ------
    UnknownNameError
        No such parameter, or one of a lever that the scenario does not move.
    SchemaError
        No parameters, or arrays of different lengths.
    RangeError
        A value that is not finite, a rival model that is not there, or a year outside the reference.

    Notes
    -----
    Values are not held against priors. At :func:`parameters_of` the rows are the draws of :func:`simulate`.

    Examples
    --------
    >>> from citylab.policy.scenario import Change
    >>> from citylab.population.synthetic import synthesise
    >>> persons = synthesise(2000, seed=1).with_columns(metro_distance_km=pl.lit(1.0))
    >>> plan = Scenario("光伏", "Panels", [Change("building_pv", 1, 2026)])
    >>> cases = {"building_pv.yield_kwh_kwp": [1100.0, 1300.0], "grid_kgco2_kwh": [0.5, 0.5]}
    >>> evaluate(World.from_persons(persons), plan, cases, 2026)["co2_t"].round_sig_figs(2).to_list()
    [-550000.0, -650000.0]
    """
    reference = world.reference
    k = _place(reference, year)
    moves = _moves(scenario, reference.years, priors)
    given = _cases(parameters, _names(reference, moves))
    n = next(iter(given.values())).size
    drawn = [_at(move, given, n) for move in moves]
    factors = {}
    for name in given.keys() & set(_uncertain(reference)):
        level = reference.level(name, year)
        if not level:
            raise RangeError(f"{name!r} is 0 in the reference of {year}; there is nothing that a case can scale.")
        factors[name] = np.broadcast_to((given[name] / level)[:, None], (n, k + 1))
    central = {row["part"]: float(row["central"]) for row in reference.receptor.iter_rows(named=True)}
    coefficients = {part: given.get(f"{_RECEPTOR}.{part}", np.full(n, value)) for part, value in central.items()}
    marginal = _which(given, GRID, len(GRID_VARIANTS), n) == GRID_VARIANTS.index("marginal")
    runs = _Runs(
        world,
        moves,
        drawn,
        screening=reference.coefficients(coefficients, n),
        pm25=factors.pop(PM25, None),
        options={"factors": factors, "marginal": marginal},
        draws=n,
    )
    with _blas().limit(limits=1):
        before, after = _columns(runs.of_city(k, *runs.states(k)))
    change = after - before
    kept = {q: i for i, (q, sector, _) in enumerate(_QUANTITIES) if sector == TOTAL}
    return pl.DataFrame({q: change[:, i] for q, i in kept.items()})


def _names(reference: Reference, moves: Sequence[_Move]) -> list[str]:
    """Return the names of parameters that :func:`evaluate` takes."""
    found = [*_uncertain(reference), *(f"{_RECEPTOR}.{part}" for part in reference.receptor["part"]), GRID]
    for move in moves:
        own = move.lever.id
        found += [f"{own}.{p}" for p in dict.fromkeys(p.parameter for p in move.priors)]
        found += [f"{own}.{p.parameter}.{p.variant}" for p in move.priors if p.variant]
        found += [f"{own}.variant"] if len(variants_of(move.priors)) > 1 else []
    return found


def _cases(parameters: Mapping[str, Any] | pl.DataFrame, known: Sequence[str]) -> dict[str, Array]:
    """Return parameters as arrays of one length, or say what is wrong with them."""
    columns = parameters.to_dict() if isinstance(parameters, pl.DataFrame) else parameters
    found = {}
    for name, values in columns.items():
        if name not in known:
            raise suggest(name, known, what="parameter", see="citylab.policy.simulate.parameters_of")
        found[name] = np.asarray(values, dtype=float)
        if found[name].ndim != 1 or not np.isfinite(found[name]).all():
            raise RangeError(f"{name!r} holds {values!r}; expected one finite number a case.")
    if len(sizes := {name: values.size for name, values in found.items()}) == 0:
        raise SchemaError("evaluate got no parameters. Name at least one; parameters_of gives all with their draws.")
    if len(set(sizes.values())) > 1:
        raise SchemaError(f"Parameters have different numbers of cases: {sizes}. Give one entry a case to each.")
    return found


def _which(given: Mapping[str, Array], name: str, n_variants: int, n: int) -> Array:
    """Return which rival model each case is under."""
    which = np.floor(given.get(name, np.zeros(n))).astype(int)
    if which.min() < 0 or which.max() >= n_variants:
        raise RangeError(f"{name!r} runs from {which.min()} to {which.max()}; there are models 0 to {n_variants - 1}.")
    return which


def _at(move: _Move, given: Mapping[str, Array], n: int) -> dict[str, Array]:
    """Return a lever's parameters in each case, shape (cases, 1)."""
    variants, own = variants_of(move.priors), move.lever.id
    which = _which(given, f"{own}.variant", len(variants), n)
    central = [central_of(move.priors, variant) for variant in variants]
    found = {}
    for name in central[0]:
        rivals = [
            given.get(f"{own}.{name}.{v}", np.full(n, at[name].item())) for v, at in zip(variants, central, strict=True)
        ]
        found[name] = given.get(f"{own}.{name}", np.choose(which, rivals))[:, None]
    return found


PERSON_STATE = (
    "household_cny",
    "comfort_cny",
    "car_km",
    "metro_trips",
    "bus_trips",
    "active_trips",
    "electricity_kwh",
    "heat_gj",
    "online_persons",
    "covered_persons",
    "service_persons",
)
"""What :func:`person_state` gives of a person, a year; counts of persons become chances."""
CHUNK_PERSONS = 131_072
"""Persons that are worked on together: enough that NumPy outweighs Python, few enough for memory."""


def person_state(
    persons: pl.DataFrame | pl.LazyFrame | World,
    scenario: Scenario,
    *,
    reference: Reference | None = None,
    draw: int | str = "central",
    seed: int = 0,
    years: Sequence[int] | None = None,
    columns: Sequence[str] = PERSON_STATE,
) -> pl.DataFrame:
    """Return the yearly state of persons under a scenario, by the same formulas that a run uses for cells.

    Parameters
    ----------
    persons
        One row a person; see :data:`citylab.policy.world.PERSON_COLUMNS`. Or a world made of them with
        ``collapse=False``, which saves sharing amounts out again; its rows are numbered.
    scenario
        What is done; one without changes gives the reference.
    reference
        Default: the declared one.
    draw
        ``"central"``, or the number of a draw of ``seed``.
    seed
        Of the draw.
    years
        Default: all of the reference.
    columns
        Some of :data:`PERSON_STATE`.

    Returns
    -------
    polars.DataFrame
        One row a person and year: ``year, person_id`` and the columns, of one person: money CNY/year (+ is a gain
        against the reference), kilometres, trips, kWh and GJ a year, and for ``online_persons``, ``covered_persons``,
        ``service_persons`` the chance. Ten years of 21.9 million persons fill memory: ask for some years and columns.

    Raises
    ------
    UnknownNameError
        No such column.
    RangeError
        A year outside the reference, or a draw below 0.

    Examples
    --------
    >>> import polars as pl
    >>> from citylab.population.synthetic import synthesise
    >>> persons = synthesise(2000, seed=1).with_columns(metro_distance_km=pl.lit(1.0))
    >>> state = person_state(persons, Scenario("参考", "Reference"), years=[2026], columns=["household_cny", "car_km"])
    >>> state.height, state["household_cny"].sum()
    (2000, 0.0)
    """
    for name in columns:
        if name not in PERSON_STATE:
            raise suggest(name, PERSON_STATE, what="column of the person state", see="PERSON_STATE")
    if isinstance(persons, World):
        world = persons if reference is None else persons.under(reference)
        ids = np.arange(world.size, dtype=np.uint32)
    else:
        lf, _ = lazily(persons)  # type: ignore[type-var]
        frame = lf.collect()
        world = World.from_persons(frame, reference, collapse=False)
        ids = frame["person_id"].to_numpy()
    reference, n = world.reference, world.size
    asked = reference.years if years is None else tuple(years)
    moves = _moves(scenario, reference.years)
    if draw == "central":
        drawn = [central_of(m.priors) for m in moves]
        options: dict[str, Any] = {}
    elif isinstance(draw, int) and draw >= 0:
        drawn = [draw_of(m.priors, seed, draw, draw + 1)[0] for m in moves]
        factors = reference.factors(seed, draw, draw + 1)
        options = {"factors": {n: f for n, f in factors.items() if n != PM25}}
        options["marginal"] = uniforms(seed, GRID_STREAM, draw, draw + 1) * len(GRID_VARIANTS) >= 1
    else:
        raise RangeError(f"draw is {draw!r}; expected 'central' or a number of 0 or more.")
    made = {name: np.empty((len(asked), n)) for name in columns}

    def one(piece: tuple[int, World]) -> None:
        start, part = piece
        rows = slice(start, start + part.size)
        for row, year in enumerate(asked):
            state = part.state(year, **options)
            for move, values in zip(moves, drawn, strict=True):
                move.apply(state, reference.years.index(year), values)
            for name, target in made.items():
                value, out = state[name], target[row : row + 1, rows]
                if isinstance(value, Factored):
                    value.into(out)
                else:
                    out[...] = value

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(one, world.pieces(CHUNK_PERSONS)))
    keys = {
        "year": np.repeat(np.array(asked, dtype=np.int16), n),
        "person_id": np.tile(ids, len(asked)),
    }
    return pl.DataFrame({**keys, **{name: values.reshape(-1) for name, values in made.items()}})
