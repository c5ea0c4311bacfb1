"""Reference and levers year by year under the same draws: what each run, case and replicate is made of."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from citylab.errors import RangeError, SchemaError
from citylab.policy.factored import Factored
from citylab.policy.levers import Lever, levers
from citylab.policy.levers import lever as lever_of
from citylab.policy.levers.base import Prior, central_of, draw_of, variants_of
from citylab.policy.reference import GRID_STREAM, GRID_VARIANTS, PM25, RATES
from citylab.policy.scenario import Scenario, YearMean
from citylab.policy.state import SECTORS, Array, State, electricity, emissions, fuels
from citylab.policy.world import World
from citylab.stats.draws import uniforms

if TYPE_CHECKING:
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
GROUP_ACCESS = ("online_persons", "covered_persons", "service_persons")
YEARLY_OUTCOMES = {
    "money": ("household_cny_person", "online_share", "covered_share", "service_share"),
    "welfare": ("welfare_cny_person", "comfort_cny_person"),
}
"""What :meth:`Result.by_group` tells of a single year: who gains and who loses is counted over all years only."""


@dataclass(frozen=True)
class Move:
    """A lever of a scenario with what it is at in each year."""

    lever: Lever
    priors: tuple[Prior, ...]
    means: tuple[YearMean, ...]
    first: int

    def apply(self, state: State, k: int, draw: Mapping[str, Array]) -> None:
        """Let the lever act on the state of year ``k``."""
        if k < self.first:
            return
        now = self.means[k]
        state.previous_value = self.means[k - 1].value if k else float(self.lever.default)
        state.history = tuple(mean.value for mean in self.means[self.first : k + 1])
        state.days_share, state.way_share = now.days_share, now.way_share
        self.lever.apply(state, now.value, draw, float(k - self.first))


def moves_of(
    scenario: Scenario, years: Sequence[int], priors: Mapping[str, Sequence[Prior]] | None = None
) -> tuple[Move, ...]:
    """Return the levers that a scenario moves within the years, in the order in which they act."""
    if not isinstance(scenario, Scenario):
        raise SchemaError(
            f"The scenario is {type(scenario).__name__}. Make a citylab.policy.scenario.Scenario, or read one with "
            "Scenario.read or Scenario.from_dict."
        )
    own_priors = {name: _checked_priors(name, rows) for name, rows in (priors or {}).items()}
    for change in scenario.changes:
        if change.start.year > years[-1]:
            raise RangeError(
                f"The change of {change.lever!r} starts on {change.start}, after the reference ends in {years[-1]}. "
                "Let it start earlier, leave it out, or give a reference whose rule last_year is later."
            )
    found = []
    for name in scenario.levers():
        one = levers()[name]
        means = scenario.means(name, years)
        moved = [k for k, mean in enumerate(means) if mean.value != one.default]
        if moved:
            found.append(Move(one, own_priors.get(name, one.priors), means, moved[0]))
    return tuple(found)


def _checked_priors(name: str, rows: Sequence[Prior]) -> tuple[Prior, ...]:
    """Return own priors of a lever, or say which are missing or not its own."""
    declared = tuple(dict.fromkeys(p.parameter for p in lever_of(name).priors))
    own = tuple(rows)
    for row in own:
        if not isinstance(row, Prior):
            raise SchemaError(
                f"priors of {name!r} hold {row!r}; expected citylab.policy.levers.base.Prior. priors_from makes them "
                "of a table."
            )
        if row.lever != name or row.parameter not in declared:
            raise SchemaError(
                f"priors of {name!r} hold {row.lever}.{row.parameter}; its parameters are {', '.join(declared)}."
            )
    if missing := [parameter for parameter in declared if parameter not in {row.parameter for row in own}]:
        raise SchemaError(
            f"priors of {name!r} lack {', '.join(missing)}. Give all of a lever's priors: those that you do not change "
            f"are in levers.lever({name!r}).priors."
        )
    return own


@cache
def one_thread() -> ThreadpoolController:
    """Return the hold on threads of matrix products: the order of a sum must not hang on their number."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@dataclass(frozen=True)
class Plan:
    """All that a block of draws needs; it travels to workers."""

    world: World
    moves: tuple[Move, ...]
    seed: int

    def __call__(self, start: int, stop: int) -> dict[str, Array]:
        """Return the outputs of draws ``start`` to ``stop``."""
        with one_thread().limit(limits=1):
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
        runs = Runs(
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
        with one_thread().limit(limits=1):
            return self._replicates()

    def _replicates(self) -> dict[str, Array]:
        runs = Runs(
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
class Runs:
    """Reference and levers under the same draws, year by year."""

    world: World
    moves: Sequence[Move]
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
        for name in GROUP_ACCESS:
            found[name] = after[name] - before[name] if name in after.changed else None
        return found

    def of_groups(self, before: State, people: Mapping[str, Any]) -> Array:
        """Return :data:`YEARLY_OUTCOMES` by group in a year, shape (draws, groups, outcomes)."""
        total = self.world.setting(self.options.get("replicate_seed")).space.by_group
        inside = total(before["persons"])
        shape = (self.draws, self.world.groups.height)
        household, comfort = people["household"], people["comfort"]
        flows = [household, *(people[name] for name in GROUP_ACCESS), _both(household, comfort), comfort]
        parts = [np.zeros(shape) if f is None else np.broadcast_to(total(f) / inside, shape) for f in flows]
        return np.stack(parts, axis=2)


def _years(runs: Runs) -> dict[str, Array]:
    """Run all years, and put yearly arrays together: (draws, years, ...), groups (draws, groups)."""

    def one(k: int) -> dict[str, Any]:
        before, after = runs.states(k)
        people = runs.of_people(k, before, after)
        found = {**runs.of_city(k, before, after), **people, "group_year": runs.of_groups(before, people)}
        if k < len(years) - 1:
            found |= dict.fromkeys(GROUP_ACCESS)  # held for the last year only
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
    access = [person(last[name]) for name in GROUP_ACCESS]
    found = [person(household), *money, *access]
    welfare = [person(both), person(comfort), *(money if comfort is None else sides(both))]
    by_money, by_welfare = (np.stack([np.broadcast_to(f, shape) for f in fs], axis=2) for fs in (found, welfare))
    return by_money, by_welfare


TOTAL = "total"
"""Sector that stands for all."""
QUANTITIES: list[tuple[str, str, str]] = [
    *(("co2_t", sector, "t") for sector in (*SECTORS, TOTAL)),
    (PM25, TOTAL, "µg/m³"),
    *((name, TOTAL, "person") for name in ACCESS),
    *((name, TOTAL, "CNY") for name in (*MONEY, *KIND, SOCIETY)),
]
"""Name, sector and unit of each column of the yearly arrays."""


def columns_of(outputs: Mapping[str, Array]) -> tuple[Array, Array]:
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
