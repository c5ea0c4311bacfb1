"""Which levers, and how far, for a sum of public money: chosen by optimisation, then run together.

Each option is run alone; HiGHS picks at most one level a lever within the budget; and because levers change what the
next finds, the choice is run jointly and held against the best of a small grid that is simulated in full.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
import numpy.typing as npt
import polars as pl

from citylab.carbon import buildings
from citylab.errors import DataError, RangeError, suggest
from citylab.policy.levers import lever
from citylab.policy.scenario import Change, Scenario, day
from citylab.policy.simulate import ACCESS, TOTAL, Result, simulate
from citylab.policy.world import World

Floats = npt.NDArray[np.float64]

OBJECTIVES: Mapping[str, float] = {"co2_t": -1.0, "pm25_ugm3": -1.0, **dict.fromkeys(ACCESS, 1.0)}
"""What may be made best, with the sign of a change that is good."""
GRID_DRAWS = 16
"""Draws of each run of the grid."""
MAX_GRID = 64
"""Most combinations that are run."""
COMBINATION = pl.List(pl.Struct({"lever": pl.String, "value": pl.Float64}))
"""How a combination of levers stands in a table; empty is the reference."""
MAX_ROUNDS = 8
"""Most times that the money to spend is cut back because levers cost more together than alone."""


@dataclass(frozen=True)
class Portfolio:
    """The best choice found for a budget.

    Attributes
    ----------
    scenario
        The chosen changes.
    result
        Their joint run.
    options
        One row an option, run alone: ``lever, value, unit, cost_cny`` (public money over the years, mean), ``gain`` (of
        the objective, good is positive), ``lower, upper`` of the gain, ``is_chosen``.
    objective
        What was made best.
    budget_cny, cost_cny
        Money there is, and what the choice costs the public purse when run jointly (mean over draws); below 0 where it
        brings in more than it takes.
    spent_cny
        The cost with what levers bring in, each run alone, added back: this is what the budget must cover.
    within_budget_share
        Share of draws in which the money spent is within the budget.
    gain, gain_alone
        Of the joint run, and the sum of the options run alone: they differ by what levers take from each other.
    regret
        Gain of the best combination of the grid within the budget less that of the choice, in the same draws; 0 where
        none is better.
    grid
        One row a combination that was run: ``levers`` (a list of ``lever`` and ``value``, empty for the reference),
        ``cost_cny, spent_cny, gain, is_within_budget, is_chosen``.
    is_grid_whole
        Whether the grid holds every combination of the options, or only neighbours of the choice.
    """

    scenario: Scenario
    result: Result = field(repr=False)
    options: pl.DataFrame = field(repr=False)
    objective: str
    budget_cny: float
    cost_cny: float
    spent_cny: float
    within_budget_share: float
    gain: float
    gain_alone: float
    regret: float
    grid: pl.DataFrame = field(repr=False)
    is_grid_whole: bool

    def tidy(self) -> pl.DataFrame:
        """Return :attr:`options`."""
        return self.options

    def _repr_html_(self) -> str:
        chosen = "; ".join(c.sentence("zh") + " / " + c.sentence("en") for c in self.scenario.changes)
        return f"<p>{chosen or '—'}</p>{self.options._repr_html_()}"


def portfolio(
    world: World,
    options: Mapping[str, Sequence[float]],
    budget_cny: float,
    *,
    objective: str = "co2_t",
    start: dt.date | str | int | None = None,
    ramp_years: float = 0.0,
    draws: int = 64,
    seed: int = 0,
    max_grid: int = MAX_GRID,
) -> Portfolio:
    """Return the levels of levers that gain most for a budget of public money.

    Parameters
    ----------
    world
        The city's people.
    options
        Lever to the values it may take (its default is always possible): ``{"building_pv": [0.5, 1, 2]}``.
    budget_cny
        Public money over all years of the run, undiscounted [CNY], for example 5e9; money that a lever brings in is not
        spent on others.
    objective
        One of :data:`OBJECTIVES`: ``co2_t`` summed over the years, ``pm25_ugm3`` on their average, or persons online,
        covered or using services in the last year.
    start, ramp_years
        Of every change; default: the first day of the run.
    draws, seed
        Of the runs of single options and of the choice.
    max_grid
        Most combinations that are run to tell the regret.

    Returns
    -------
    Portfolio

    Raises
    ------
    RangeError
        A budget not above 0, a value outside a lever's bounds.
    DataError
        No option gains anything.
    UnknownNameError
        No such lever or objective.

    Notes
    -----
    At most one level a lever, by :func:`citylab.carbon.buildings.portfolio` (HiGHS) on options run alone. Where the
    joint run spends more than the budget, the money to spend is cut by the excess and the choice made again. Costs and
    gains are means over draws, intervals stand in ``result``. Only public money counts against the budget: what
    households and firms pay stands in ``result`` too.

    Examples
    --------
    >>> from citylab.population.synthetic import synthesise
    >>> persons = synthesise(2000, seed=1).with_columns(metro_distance_km=pl.lit(1.0))
    >>> best = portfolio(World.from_persons(persons), {"building_pv": [1, 3]}, 1e9, draws=8)
    >>> best.scenario.name_en, best.cost_cny < 1e9, best.regret
    ('Best portfolio: Photovoltaics on buildings 1', True, 0.0)
    """
    if objective not in OBJECTIVES:
        raise suggest(objective, OBJECTIVES, what="objective", see="citylab.policy.portfolio.OBJECTIVES")
    if not (math.isfinite(budget_cny) and budget_cny > 0):
        raise RangeError(f"budget_cny is {budget_cny}; expected a sum above 0, for example 5e9 for 50亿元.")
    begin = day(world.reference.years[0] if start is None else start, last=False, what="The start")
    changes = {
        (name, float(value)): Change(name, value, begin, ramp_years=ramp_years)
        for name, values in options.items()
        for value in values
        if value != lever(name).default
    }
    if not changes:
        raise DataError("There is no option that differs from the reference. Name levers with values to choose from.")

    def run(picked: Sequence[Change], n: int) -> Result:
        return simulate(world, Scenario("", "", tuple(picked)), draws=n, seed=seed)

    rows, earned = [], _Earned(lambda key, n: run([changes[key]], n))
    for (name, value), change in changes.items():
        result = run([change], draws)
        told = _told(result, objective)
        if told["cost_cny"] < 0:
            earned.add((name, value), result)
        rows.append({"lever": name, "value": value, "unit": lever(name).unit, **told})
    alone = pl.DataFrame(rows).with_columns(spent_cny=pl.col("cost_cny").clip(lower_bound=0.0))
    if not alone.filter(pl.col("gain") > 0).height:
        raise DataError(f"No option gains anything of {objective!r}. Offer other levers or values.")
    money = budget_cny
    for _ in range(MAX_ROUNDS):
        best = buildings.portfolio(alone, money, cost="spent_cny", value="gain", building="lever")
        picked = [changes[name, value] for name, value in best.chosen.select("lever", "value").iter_rows()]
        joint = run(picked, draws)
        spent = earned.spent([(c.lever, c.value) for c in picked], joint).mean()
        if spent <= budget_cny or not picked:
            break
        # Less than before in any case, so that the rounds end
        money = min(money * budget_cny / float(spent), float(best.cost) * (1 - TOLERANCE))
        if money <= 0:
            picked, joint = [], run([], draws)
            break
    else:
        picked, joint = [], run([], draws)
    told = _told(joint, objective)
    chosen = {(c.lever, c.value) for c in picked}
    grid, whole = _grid(changes, chosen, max_grid)
    rows = []
    for combination in grid:
        result = run([changes[key] for key in sorted(combination)], GRID_DRAWS)
        one, spending = _told(result, objective), float(earned.spent(sorted(combination), result).mean())
        rows.append(
            {
                "levers": [{"lever": name, "value": value} for name, value in sorted(combination)],
                "cost_cny": one["cost_cny"],
                "spent_cny": spending,
                "gain": one["gain"],
                "is_within_budget": spending <= budget_cny,
                "is_chosen": combination == frozenset(chosen),
            }
        )
    table = pl.DataFrame(rows, schema_overrides={"levers": COMBINATION}).sort("gain", descending=True)
    own = float(table.filter("is_chosen")["gain"].item())
    affordable = table.filter("is_within_budget")["gain"].max()
    names = [f"{lever(n).title('zh')} {v:g}" for n, v in sorted(chosen)]
    english = [f"{lever(n).title('en')} {v:g}" for n, v in sorted(chosen)]
    scenario = Scenario(
        "最佳组合：" + "、".join(names), "Best portfolio: " + ", ".join(english), tuple(picked), budget_cny
    )
    by_draw = earned.spent(sorted(chosen), joint)
    joint = replace(joint, scenario=scenario)
    is_chosen = [(name, value) in chosen for name, value in alone.select("lever", "value").iter_rows()]
    alone = alone.drop("spent_cny").with_columns(is_chosen=pl.Series(is_chosen, dtype=pl.Boolean))
    return Portfolio(
        scenario,
        joint,
        alone,
        objective,
        float(budget_cny),
        told["cost_cny"],
        float(by_draw.mean()),
        float((by_draw <= budget_cny).mean()),
        told["gain"],
        float(alone.filter("is_chosen")["gain"].sum()),
        max(0.0, float(affordable) - own) if isinstance(affordable, float) else 0.0,
        table,
        whole,
    )


TOLERANCE = 1e-9
"""Relative step by which a budget is cut below the cost of a choice that must not come again."""


class _Earned:
    """What levers that bring in public money bring in alone, draw by draw; it is not there to be spent on others."""

    def __init__(self, run: Callable[[tuple[str, float], int], Result]) -> None:
        self.run = run
        self.known: dict[tuple[str, float], dict[int, Floats]] = {}

    def add(self, key: tuple[str, float], result: Result) -> None:
        self.known[key] = {result.draws: _budget(result)}

    def spent(self, keys: Sequence[tuple[str, float]], result: Result) -> Floats:
        """Return the public money that a joint run spends in each draw [CNY]."""
        spent = -_budget(result)
        for key in keys:
            if key in self.known:
                by_draws = self.known[key]
                if result.draws not in by_draws:
                    by_draws[result.draws] = _budget(self.run(key, result.draws))
                spent = spent + by_draws[result.draws]
        return spent


def _budget(result: Result) -> Floats:
    """Return by how much a run changes the public budget over all years, draw by draw [CNY]."""
    told = result.draws_of("budget_cny")
    before, after = (told.filter(run=run)["value"].to_numpy() for run in ("reference", "scenario"))
    return np.asarray(after - before, dtype=np.float64)


def _told(result: Result, objective: str) -> dict[str, float]:
    """Return public cost and gain of a run."""
    totals = result.totals()
    sign = OBJECTIVES[objective]
    row = totals.filter(quantity=objective, sector=TOTAL).row(0, named=True)
    low, high = sorted((sign * row["lower"], sign * row["upper"]))
    cost = -totals.filter(quantity="budget_cny")["difference"].item()
    return {"cost_cny": cost, "gain": sign * row["difference"], "lower": low, "upper": high}


def _grid(
    changes: Mapping[tuple[str, float], Change], chosen: set[tuple[str, float]], most: int
) -> tuple[list[frozenset[tuple[str, float]]], bool]:
    """Return combinations to run: all, or the choice with one lever moved, put in or left out."""
    levels: dict[str, list[tuple[str, float] | None]] = {}
    for key in changes:
        levels.setdefault(key[0], [None]).append(key)
    if math.prod(len(v) for v in levels.values()) <= most:
        return [frozenset(k for k in row if k is not None) for row in product(*levels.values())], True
    found = [frozenset(chosen)]
    found += list(_neighbours(levels, chosen))
    return list(dict.fromkeys(found))[: max(most, 1)], False


def _neighbours(
    levels: Mapping[str, Sequence[tuple[str, float] | None]], chosen: set[tuple[str, float]]
) -> Iterator[frozenset[tuple[str, float]]]:
    for name, keys in levels.items():
        rest = {key for key in chosen if key[0] != name}
        for key in keys:
            yield frozenset(rest if key is None else rest | {key})
