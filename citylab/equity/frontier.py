"""What it costs to close a gap: the most people that each budget can reach, and who they are.

A plan buys units of options (a site, a village's fibre, a device, a course place). An option serves the areas that are
linked to it, up to its capacity. :func:`frontier` finds the best plan of each budget: maximal covering with capacities,
a mixed-integer model solved by HiGHS. What a plan reaches is counted again outside the solver, so every point of a
frontier is a plan that can be carried out, and its gap says how far the best one may be.

"Reached" means offered the service. Whether people then use it, and what it does for them, is another question.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import polars as pl

from citylab import tables
from citylab.equity.levels import lazy
from citylab.errors import DataError, RangeError, RefusalError, SchemaError, suggest
from citylab.frames import need_columns, need_numbers
from citylab.stats.survey import sums

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

Objective = Literal["efficiency", "need", "maxmin"]

COSTS, RULES = "equity_frontier_costs", "equity_frontier_rules"
OPTIMAL, NOT_PROVEN, OUT_OF_REACH = "optimal", "not_proven", "out_of_reach"
NOTHING_FITS, EMPTY_BUDGET, NOT_FOUND = "nothing_fits", "empty_budget", "not_found"
_KEY = ["area_id", "service"]
_FIGURES = ("cost", "reached_persons", "reached_share", "least_share", "value", "gap")
_INFEASIBLE = 2  # scipy.optimize.milp: the status of a problem without a solution


@cache
def rule(name: str) -> float:
    """Return a setting from the declared table ``equity_frontier_rules``.

    Examples
    --------
    >>> rule("reached_share")
    0.5
    """
    return float(tables.read(RULES).row(by_predicate=pl.col("rule") == name, named=True)["value"])


@dataclass(frozen=True, slots=True)
class Frontier:
    """The best plans of several budgets.

    Attributes
    ----------
    objective
        What was made as large as possible.
    points
        One row per budget: ``budget``, ``cost`` with ``cost_lower`` and ``cost_upper`` (the same plan at the low and
        high prices; null if the options have none), ``reached_persons``, ``persons`` (all who lack the service),
        ``reached_share``, ``least_share`` (of the group that is reached least), ``value`` (of the objective), ``bound``
        (no plan of the budget can have more), ``gap`` ((bound - value) / bound, 0 to 1), ``status`` (``optimal``,
        ``not_proven``: the best found; ``not_found``: time ran out before any plan was found, which says nothing of
        what the budget could do: no figures of who is reached; ``nothing_fits``: the cheapest option costs more;
        ``empty_budget``: 0), ``n_options``, ``is_synthetic`` (the demand says that it is made up).
    chosen
        One row per budget and option bought: ``option_id``, ``service``, ``units``, ``cost``, ``reached_persons``.
    reached
        One row per budget, area and service: ``group``, ``persons``, ``reached_persons``, ``reached_share`` (null where
        nobody lacks the service). No rows of a budget for which no plan was found.
    served
        One row per budget, option and area: ``reached_persons``; who is served by what.
    """

    objective: Objective
    points: pl.DataFrame
    chosen: pl.DataFrame
    reached: pl.DataFrame
    served: pl.DataFrame

    def by(self, column: Literal["group", "service", "area_id"] = "group") -> pl.DataFrame:
        """Return persons reached by group, service or area: one row per budget and value of the column."""
        return (
            self.reached.group_by("budget", column, maintain_order=True)
            .agg(pl.col("persons", "reached_persons").sum())
            .with_columns(_share().alias("reached_share"))
            .sort("budget", column)
        )


def _share() -> pl.Expr:
    return pl.when(pl.col("persons") > 0).then(pl.col("reached_persons") / pl.col("persons"))


@dataclass(frozen=True, slots=True)
class _Problem:
    """Demands, options and the links between them, as arrays."""

    persons: Floats
    weight: Floats
    group: Ints
    cost: Floats
    capacity: Floats
    most: Floats
    demand: Ints
    option: Ints
    is_whole: bool

    @property
    def grain(self) -> float:
        """Return what the persons of a constraint are divided by, so that the tolerance is of the smallest area."""
        some = self.persons[self.persons > 0]
        return max(float(some.min()), float(some.max()) / rule("largest_ratio"))

    @property
    def group_persons(self) -> Floats:
        return sums(self.group, self.persons, int(self.group.max()) + 1)

    def shares(self, served: Floats) -> Floats:
        """Return the share reached of each group in which somebody lacks something."""
        all_of = self.group_persons
        held = sums(self.group[self.demand], served, len(all_of))
        return held[all_of > 0] / all_of[all_of > 0]

    def reached(self, served: Floats) -> Floats:
        return sums(self.demand, served, len(self.persons))


@dataclass(frozen=True, slots=True)
class _Plan:
    units: Ints
    served: Floats
    value: float
    persons: float
    bound: float
    is_proven: bool
    is_found: bool = True


def frontier(
    demand: pl.DataFrame | pl.LazyFrame,
    options: pl.DataFrame | pl.LazyFrame,
    links: pl.DataFrame | pl.LazyFrame,
    budgets: Sequence[float],
    *,
    objective: Objective = "efficiency",
    group: str | None = None,
    is_whole: bool = False,
    is_nested: bool = False,
    time_limit_s: float | None = None,
    gap: float | None = None,
) -> Frontier:
    """Return the plan of each budget that reaches most, proven best or with its gap.

    Parameters
    ----------
    demand
        One row per area and service: ``area_id``, ``service``, ``persons`` (who lack it, 0 or more), with
        ``need_weight`` (0 or more; needed by ``objective="need"``), the column ``group``, and ``is_synthetic`` where it
        is made up.
    options
        One row per option: ``option_id``, ``service``, ``cost`` (of a unit, any one currency), ``capacity_persons``
        (that one unit serves at most; null: no limit), and if wanted ``units_max`` (whole, default 1), ``cost_lower``,
        ``cost_upper``.
    links
        One row per option and area it can serve: ``option_id``, ``area_id``.
    budgets
        Budgets, in the currency of the costs, 0 or more.
    objective
        ``efficiency``: most persons. ``need``: most persons times their need weight. ``maxmin``: the largest share
        reached in the group that is reached least, then most persons; as long as a budget cannot reach every group
        that share is 0 and the plan is that of efficiency.
    group
        Column of ``demand`` that parts it, for ``maxmin`` and for the result; default: each area is a group.
    is_whole
        True: an area is served whole by one option or not at all. False: its persons may be parted among options.
    is_nested
        True: each budget keeps what the smaller ones bought, as a programme in phases must. It can reach less.
    time_limit_s, gap
        Longest search for a plan [s], and relative gap at which it may end; defaults in ``equity_frontier_rules``.

    Returns
    -------
    Frontier

    Raises
    ------
    RangeError
        No budget, or one that is negative or not finite; a gap or a time limit that cannot be.
    SchemaError
        A column is missing or holds no numbers.
    DataError
        Negative or missing persons, costs or weights, a row twice, links to what there is not, or nobody who lacks a
        service.
    RefusalError
        A model larger than the declared limit.

    Notes
    -----
    The value of a larger budget is never below that of a smaller one (the share of ``maxmin`` to twice the declared
    tolerance): a plan stays feasible, and is kept where a search that ran out of time found less. Without ``is_nested``
    the plans of two budgets may share nothing. Among plans that are worth as much the cheapest is taken where it is
    found in time; who of equals is reached is left to the solver. With ``maxmin``, bound and gap are of the share.
    Costs are paid once; upkeep is not in them unless you put it there. ``cost_lower`` and ``cost_upper`` let all prices
    move together.

    Examples
    --------
    >>> demand = pl.DataFrame({"area_id": ["a", "b", "c"], "service": "5g", "persons": [60.0, 50.0, 40.0]})
    >>> sites = pl.DataFrame({"option_id": ["s", "t"], "service": "5g", "cost": [3.0, 2.0],
    ...                       "capacity_persons": [None, None]}, schema_overrides={"capacity_persons": pl.Float64})
    >>> links = pl.DataFrame({"option_id": ["s", "s", "t"], "area_id": ["a", "b", "c"]})
    >>> frontier(demand, sites, links, [0, 2, 3, 5]).points["reached_persons"].to_list()
    [0.0, 40.0, 110.0, 150.0]

    References
    ----------
    Church and ReVelle (1974), The maximal covering location problem, Papers of the Regional Science Association 32,
    101-118, doi:10.1007/BF01942293. With capacities: Current and Storbeck (1988), Environment and Planning B 15,
    153-163, doi:10.1068/b150153. Huangfu and Hall (2018), doi:10.1007/s12532-017-0130-5
    """
    if objective not in get_args(Objective):
        raise suggest(str(objective), get_args(Objective), what="objective", see="citylab.equity.frontier.frontier")
    money = _budgets(budgets)
    limit, allowed = _patience(time_limit_s, gap)
    demands = _demand(demand, objective, group)
    bought = _options(options)
    problem = _problem(demands, bought, _links(links, demands, bought), objective, is_whole)
    plans: list[tuple[float, _Plan]] = []
    before: _Plan | None = None
    for budget in money:
        floor = before.units if is_nested and before is not None else np.zeros(len(problem.cost), dtype=np.int64)
        plan = _plan(problem, budget, objective, floor, limit, allowed)
        if before is not None and _is_better(before, plan, objective):
            bound = max(plan.bound, before.value)
            plan = _Plan(before.units, before.served, before.value, before.persons, bound, plan.is_proven)
        plans.append((budget, plan))
        before = plan
    return _told(problem, demands, bought, plans, objective, allowed, _is_synthetic(demand))


def _is_better(one: _Plan, other: _Plan, objective: Objective) -> bool:
    """Return whether a plan is better; shares within the solver's tolerance are equal, and persons then decide."""
    if objective == "maxmin" and abs(one.value - other.value) <= 2 * rule("tolerance"):
        return one.persons > other.persons
    return (one.value, one.persons) > (other.value, other.persons)


def _numbers(values: Sequence[float], name: str) -> list[float]:
    if isinstance(values, str | Real) or not all(isinstance(v, Real) and not isinstance(v, bool) for v in values):
        raise RangeError(f"{name} is {values!r}; expected a list of numbers, such as [1_000_000].")
    return [float(v) for v in values]


def _budgets(budgets: Sequence[float]) -> list[float]:
    told = sorted(set(_numbers(budgets, "budgets")))
    if not told:
        raise RangeError("No budget was given; name at least one.")
    bad = [b for b in map(float, budgets) if not (math.isfinite(b) and b >= 0)]
    if bad:
        raise RangeError(f"A budget is {bad[0]}; expected sums of 0 or more, in the currency of the options.")
    return told


def _patience(time_limit_s: float | None, gap: float | None) -> tuple[float, float]:
    limit = rule("time_limit_s") if time_limit_s is None else float(time_limit_s)
    allowed = rule("relative_gap") if gap is None else float(gap)
    if not (limit > 0 and 0 <= allowed < 1):
        raise RangeError(
            f"time_limit_s is {limit}, gap {allowed}; expected seconds above 0 and a gap from 0 to below 1."
        )
    return limit, allowed


def _bad(table: pl.DataFrame, wrong: pl.Expr, say: str) -> None:
    rows = table.filter(wrong.fill_null(True))
    if rows.height:
        raise DataError(f"frontier: {rows.height} rows {say}, the first {rows.row(0, named=True)}. Mend or drop them.")


def _is_synthetic(demand: pl.DataFrame | pl.LazyFrame) -> bool:
    lf = lazy(demand)
    if "is_synthetic" not in lf.collect_schema():
        return False
    return bool(lf.select(pl.col("is_synthetic").fill_null(False).any()).collect().item())


def _amount(column: str) -> pl.Expr:
    """Return where a column holds what is no amount: missing, negative, infinite."""
    return ~(pl.col(column).is_finite() & (pl.col(column) >= 0))


def _demand(frame: pl.DataFrame | pl.LazyFrame, objective: str, group: str | None) -> pl.DataFrame:
    lf = lazy(frame)
    weights = ["need_weight"] if objective == "need" else []
    parts = [] if group is None else [group]
    schema = need_columns(lf, [*_KEY, "persons", *weights, *parts], what="frontier")
    need_numbers(schema, ["persons", *weights], what="frontier")
    area = pl.col("area_id") if group is None else pl.col(group)
    table = lf.select(
        *_KEY, pl.col("persons").cast(pl.Float64), area.cast(pl.String).alias("group"),
        *(pl.col(w).cast(pl.Float64) for w in weights),
    ).collect()  # fmt: skip
    _bad(table, _amount("persons"), "have no number of persons, or a negative one")
    for w in weights:
        _bad(table, _amount(w), "have no need weight, or a negative one")
    _bad(table, pl.any_horizontal(pl.col(*_KEY, "group").is_null()), "lack their area, service or group")
    _bad(table, pl.struct(_KEY).is_duplicated(), "have an area and service that stand twice")
    if not table["persons"].sum() > 0:
        raise DataError("frontier: nobody lacks a service (persons add up to 0), so that there is nothing to plan.")
    return table


def _options(frame: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    lf = lazy(frame)
    schema = need_columns(lf, ["option_id", "service", "cost", "capacity_persons"], what="frontier")
    more = {"units_max": 1.0, "cost_lower": None, "cost_upper": None}
    here = [c for c in more if c in schema]
    need_numbers(schema, ["cost", "capacity_persons", *here], what="frontier")
    table = lf.select(
        "option_id", "service", pl.col("cost", "capacity_persons").cast(pl.Float64),
        *((pl.col(c) if c in here else pl.lit(v)).cast(pl.Float64).alias(c) for c, v in more.items()),
    ).collect()  # fmt: skip
    if table.is_empty():
        raise DataError("frontier: there are no options. Name at least one.")
    _bad(table, pl.any_horizontal(pl.col("option_id", "service").is_null()), "lack their option or service")
    _bad(table, pl.col("option_id").is_duplicated(), "have an option that stands twice")
    _bad(table, _amount("cost"), "have no cost, or a negative one")
    _bad(table, _amount("units_max") | (pl.col("units_max") != pl.col("units_max").floor()), "have no whole units_max")
    _bad(table, _amount("capacity_persons").fill_null(False), "have a negative or infinite capacity (null is no limit)")
    for c in ("cost_lower", "cost_upper"):
        _bad(table, _amount(c).fill_null(False), f"have a negative {c}")
    if table["capacity_persons"].is_nan().any():
        raise DataError("frontier: a capacity is NaN; null says that there is no limit.")
    return table


def _links(frame: pl.DataFrame | pl.LazyFrame, demands: pl.DataFrame, options: pl.DataFrame) -> pl.DataFrame:
    lf = lazy(frame)
    schema = need_columns(lf, ["option_id", "area_id"], what="frontier")
    for column, named, what in (("option_id", options, "options"), ("area_id", demands, "demand")):
        if schema[column].is_numeric() != named.schema[column].is_numeric():
            raise SchemaError(
                f"frontier: {column!r} is {schema[column]} in links and {named.schema[column]} in {what}; expected one "
                "kind of names. Cast one of them."
            )
    table = lf.select("option_id", "area_id").unique(maintain_order=True).collect()
    for column, known in (("option_id", options["option_id"]), ("area_id", demands["area_id"])):
        strange = table.filter(~pl.col(column).is_in(known.unique().to_list()).fill_null(False))
        if strange.height:
            raise DataError(
                f"frontier: {strange.height} links name a {column} that there is not, the first "
                f"{strange[column][0]!r}. Mend the links or add the row."
            )
    of = options.select("option_id", "service").with_row_index("_option")
    to = demands.select(_KEY).with_row_index("_demand")
    return table.join(of, on="option_id", maintain_order="left").join(to, on=_KEY, maintain_order="left")


def _problem(
    demands: pl.DataFrame, options: pl.DataFrame, links: pl.DataFrame, objective: str, is_whole: bool
) -> _Problem:
    size = options.height + links.height
    if size > rule("max_variables"):
        raise RefusalError(
            f"frontier: {options.height:,} options and {links.height:,} links are more than "
            f"{rule('max_variables'):,.0f} variables, beyond which plans are not proven in useful time. Join areas, or "
            "plan services apart."
        )
    weight = demands["need_weight"].to_numpy() if objective == "need" else np.ones(demands.height)
    capacity = options["capacity_persons"].fill_null(math.inf).to_numpy()
    return _Problem(
        demands["persons"].to_numpy(), weight, demands["group"].rank("dense").cast(pl.Int64).to_numpy() - 1,
        options["cost"].to_numpy(), capacity, options["units_max"].to_numpy(),
        links["_demand"].cast(pl.Int64).to_numpy(), links["_option"].cast(pl.Int64).to_numpy(), is_whole,
    )  # fmt: skip


def _rows(p: _Problem) -> tuple[Any, Floats]:
    """Return what every plan keeps but the budget: a matrix over units and shares of areas, and its upper ends."""
    from scipy import sparse

    j, n, r = len(p.cost), len(p.demand), len(p.persons)
    at = np.arange(n)
    once = sparse.csr_array((np.ones(n), (p.demand, j + at)), shape=(r, j + n))
    # A share of an area needs a unit; where one unit serves a few persons only, its capacity says more.
    tied = np.flatnonzero(np.isinf(p.capacity[p.option]) | (p.most[p.option] == 1))
    k = np.arange(len(tied))
    tie = sparse.csr_array(
        (np.concatenate([np.ones(len(tied)), -np.ones(len(tied))]),
         (np.concatenate([k, k]), np.concatenate([j + tied, p.option[tied]]))),
        shape=(len(tied), j + n),
    )  # fmt: skip
    limited = np.flatnonzero(np.isfinite(p.capacity[p.option]))
    capped = np.flatnonzero(np.isfinite(p.capacity))
    # Divided by the larger of capacity and persons, so that the coefficients stay near 1.
    scale = np.maximum(p.capacity, 1.0)
    load = sparse.csr_array(
        (np.concatenate([p.persons[p.demand[limited]] / scale[p.option[limited]], -p.capacity[capped] / scale[capped]]),
         (np.concatenate([p.option[limited], capped]), np.concatenate([j + limited, capped]))),
        shape=(j, j + n),
    )  # fmt: skip
    matrix = sparse.vstack([once, tie, load], format="csr")
    return matrix, np.concatenate([np.ones(r), np.zeros(len(tied) + j)])


def _group_rows(p: _Problem, extra: int) -> tuple[Any, Floats]:
    """Return persons reached of each group as rows over units, shares of areas and ``extra`` more, and all persons."""
    from scipy import sparse

    j, n = len(p.cost), len(p.demand)
    all_of = p.group_persons
    matrix = sparse.csr_array(
        (p.persons[p.demand], (p.group[p.demand], j + np.arange(n))), shape=(len(all_of), j + n + extra)
    )
    held = np.flatnonzero(all_of > 0)
    return matrix[held], all_of[held]


def _scale(coefficients: Floats) -> float:
    """Return what an objective is divided by: its smallest part, or a fraction of its largest.

    HiGHS ends a search at an absolute gap of 1e-6, whatever relative gap is asked for.
    """
    some = np.abs(coefficients[coefficients != 0])
    return max(float(some.min()), float(some.max()) / rule("largest_ratio")) if len(some) else 1.0


def _search(
    p: _Problem, budget: float, gains: Floats, low: Floats, high: Floats, limit: float, gap: float,
    *, seek: Literal["gain", "least", "cost"] = "gain", least: float | None = None, worth: float | None = None,
    spare: float = 0.0,
) -> tuple[Floats | None, float, bool]:  # fmt: skip
    """Return the variables of the best plan, a bound on what is sought, and whether it is proven.

    Sought is the greatest gain, the greatest share of the group that is reached least, or the lowest cost; ``least``
    and ``worth`` are the share of that group and the gain that a plan must have, ``spare`` what a plan leaves of the
    budget, in what its row is divided by.
    """
    from scipy import sparse
    from scipy.optimize import Bounds, LinearConstraint, milp

    j, n, extra = len(p.cost), len(p.demand), int(seek == "least")
    matrix, ends = _rows(p)
    if extra:
        matrix = sparse.hstack([matrix, sparse.csr_array((matrix.shape[0], 1))], format="csr")
    price = _scale(p.cost)
    money = sparse.csr_array(np.concatenate([p.cost / price, np.zeros(n + extra)])[None, :])
    constraints = [LinearConstraint(matrix, -np.inf, ends)]
    if math.isfinite(budget):
        constraints.append(LinearConstraint(money, -np.inf, budget / price - spare))
    if worth is not None and worth > 0:
        row = np.concatenate([np.zeros(j), gains, np.zeros(extra)]) / _scale(gains)
        constraints.append(LinearConstraint(sparse.csr_array(row[None, :]), worth / _scale(gains), np.inf))
    if seek == "least":
        held, all_of = _group_rows(p, 1)
        shares = sparse.diags_array(1 / all_of) @ held
        minus = sparse.csr_array((-np.ones(shares.shape[0]), (np.arange(shares.shape[0]), [j + n] * shares.shape[0])),
                                 shape=shares.shape)  # fmt: skip
        constraints.append(LinearConstraint(shares + minus, 0.0, np.inf))
        objective = np.concatenate([np.zeros(j + n), [1.0]])
    else:
        if least is not None and least > 0:
            held, all_of = _group_rows(p, 0)
            constraints.append(LinearConstraint(held / p.grain, least * all_of / p.grain, np.inf))
        gain = seek == "gain"
        objective = np.concatenate([np.zeros(j) if gain else -p.cost, gains if gain else np.zeros(n)])
    scale = _scale(objective)
    # Presolving saves these models no time, and has HiGHS print a line of its own where it undoes it. Its heuristics
    # presolve on their own and still print some (HiGHS issue 2783, SciPy 1.17).
    result = milp(
        -objective / scale, constraints=constraints,
        integrality=np.concatenate([np.ones(j), np.full(n, float(p.is_whole)), np.zeros(extra)]),
        bounds=Bounds(np.concatenate([low, np.zeros(n + extra)]), np.concatenate([high, np.ones(n + extra)])),
        options={"time_limit": limit, "mip_rel_gap": gap, "presolve": False},
    )  # fmt: skip
    bound = 0.0 if seek == "cost" else math.inf
    if result.status == _INFEASIBLE:
        # No plan at any price, or none at all.
        return None, math.inf if seek == "cost" else 0.0, True
    if result.mip_dual_bound is not None and math.isfinite(result.mip_dual_bound):
        bound = float(result.mip_dual_bound) * scale * (1 if seek == "cost" else -1)
    if spare == 0 and result.x is not None and not _fits(p.cost, np.round(result.x[:j]), budget):
        # Within the solver's tolerance, but over the budget: the best of the plans that stay clear of it. The bound
        # stays that of all plans.
        again, _, _ = _search(
            p, budget, gains, low, high, limit, gap, seek=seek, least=least, worth=worth, spare=3 * rule("tolerance")
        )
        return again, bound, False
    return result.x, bound, bool(result.status == 0)


def _most_units(p: _Problem, budget: float, floor: Ints) -> Floats:
    """Return how many units of each option a plan can use: what there is, what the budget pays, what areas need."""
    pays = np.full(len(p.cost), np.inf)
    np.divide(budget * (1 + rule("budget_slack")), p.cost, out=pays, where=p.cost > 0)
    within = sums(p.option, p.persons[p.demand], len(p.cost))
    full = (within > 0).astype(np.float64)
    is_limited = np.isfinite(p.capacity)
    full[is_limited] = 0.0
    np.divide(within, p.capacity, out=full, where=is_limited & (p.capacity > 0))
    return np.maximum(np.minimum(np.minimum(p.most, np.floor(pays)), np.ceil(full)), floor)


def _plan(p: _Problem, budget: float, objective: Objective, floor: Ints, limit: float, gap: float) -> _Plan:
    gains = p.weight[p.demand] * p.persons[p.demand]
    high = _most_units(p, budget, floor)
    nothing = _Plan(floor, np.zeros(len(p.demand)), 0.0, 0.0, 0.0, True)
    if not high.any() or not len(p.demand):
        return nothing
    low = floor.astype(np.float64)
    if objective != "maxmin":
        x, bound, proven = _search(p, budget, gains, low, high, limit, gap)
        if x is None:
            return _not_found(nothing, min(bound, math.fsum(p.weight * p.persons)))
        plan = _cheaper(p, _carried_out(p, x, budget, floor, None), budget, high, floor, limit, gap, None)
        return _replaced(plan, min(bound, math.fsum(p.weight * p.persons)), proven)
    x, bound, proven = _search(p, budget, gains, low, high, limit, gap, seek="least")
    bound = min(bound, 1.0)
    if x is None:
        return _not_found(nothing, bound)
    fair = _carried_out(p, x, budget, floor, None, is_final=True)
    # Among the plans that are as fair, the one that reaches most.
    least = float(p.shares(fair.served).min())
    y, _, _ = _search(p, budget, gains, low, high, limit, gap, least=least)
    found = [fair] if y is None else [fair, _carried_out(p, y, budget, floor, least)]
    held = [f for f in found if p.shares(f.served).min() >= least - 2 * rule("tolerance")]
    plan = _cheaper(p, max(held, key=lambda f: f.persons), budget, high, floor, limit, gap, least)
    plan = _Plan(plan.units, plan.served, float(p.shares(plan.served).min()), plan.persons, bound, proven)
    return _replaced(plan, bound, proven)


def _replaced(plan: _Plan, bound: float, is_proven: bool) -> _Plan:
    # Adding 0 makes 0 of the solver's -0.
    return _Plan(plan.units, plan.served, plan.value, plan.persons, max(bound, plan.value) + 0.0, is_proven)


def _not_found(nothing: _Plan, bound: float) -> _Plan:
    return _Plan(nothing.units, nothing.served, 0.0, 0.0, max(bound, 0.0), False, is_found=False)


def _carried_out(
    p: _Problem, x: Floats, budget: float, floor: Ints, least: float | None, *, is_final: bool = False
) -> _Plan:
    """Return a plan from the solver's variables, counted again; ``is_final`` keeps its assignment."""
    units = _units(p, x, budget, floor)
    served = _assigned(p, units, x[len(p.cost) : len(p.cost) + len(p.demand)], least, is_final=is_final)
    value = math.fsum(p.weight[p.demand] * served)
    return _Plan(_needed(p, units, served, floor), served, value, math.fsum(served), value, True)


def _cheaper(
    p: _Problem, plan: _Plan, budget: float, high: Floats, floor: Ints, limit: float, gap: float, least: float | None
) -> _Plan:
    """Return the cheapest plan that is worth as much, or the plan itself where none was found."""
    if plan.value <= 0:
        return plan
    gains = p.weight[p.demand] * p.persons[p.demand]
    x, _, _ = _search(p, budget, gains, floor.astype(np.float64), high, limit, gap, seek="cost", least=least,
                      worth=plan.value)  # fmt: skip
    if x is None:
        return plan
    other = _carried_out(p, x, budget, floor, least)
    slack = rule("budget_slack")
    is_as_good = other.value >= plan.value * (1 - slack)
    if least is not None:
        is_as_good = is_as_good and p.shares(other.served).min() >= p.shares(plan.served).min() - rule("tolerance")
    is_cheaper = math.fsum(p.cost * other.units) < math.fsum(p.cost * plan.units) * (1 - slack)
    return other if is_as_good and is_cheaper else plan


def _fits(cost: Floats, units: Floats | Ints, budget: float) -> bool:
    return math.fsum(cost * units) <= budget * (1 + rule("budget_slack"))


def _units(p: _Problem, x: Floats, budget: float, floor: Ints) -> Ints:
    """Return whole units; where the solver's tolerance let them pass the budget, the least useful go."""
    units = np.maximum(np.round(x[: len(p.cost)]).astype(np.int64), floor)
    while not _fits(p.cost, units, budget):
        spare = np.flatnonzero((units > floor) & (p.cost > 0))
        if not len(spare):
            return floor
        shares = x[len(p.cost) : len(p.cost) + len(p.demand)]
        served = sums(p.option, p.weight[p.demand] * p.persons[p.demand] * shares, len(p.cost))
        units[spare[np.argmin(served[spare] / np.maximum(units[spare], 1) / p.cost[spare])]] -= 1
    return units


def _assigned(p: _Problem, units: Ints, shares: Floats, least: float | None, *, is_final: bool = False) -> Floats:
    """Return the persons of each link that the units really serve: the best assignment, held to every limit."""
    fixed = units.astype(np.float64)
    gains = p.weight[p.demand] * p.persons[p.demand]
    budget = math.fsum(p.cost * fixed) * (1 + rule("budget_slack")) + rule("tolerance")
    x = None
    if not is_final:
        x, _, _ = _search(p, budget, gains, fixed, fixed, rule("time_limit_s"), 0.0, least=least)
    z = np.clip(shares if x is None else x[len(p.cost) :], 0.0, 1.0)
    near = rule("tolerance")
    z = np.where(z < near, 0.0, np.where(z > 1 - near, 1.0, z))
    z = np.where(units[p.option] > 0, z, 0.0)
    if p.is_whole:
        z = np.floor(z)
    served = p.persons[p.demand] * z
    whole = np.round(served)
    served = np.where(np.abs(served - whole) <= near * np.maximum(whole, 1.0), whole, served)
    served = np.minimum(served, p.persons[p.demand])
    room = np.zeros(len(units))
    np.multiply(p.capacity, units, out=room, where=units > 0)
    if p.is_whole:
        return _within_whole(p, served, room)
    for code, top in ((p.option, room), (p.demand, p.persons)):
        held = sums(code, served, len(top))
        over = held > top
        served = np.where(over[code], served * np.where(over, top / np.where(held > 0, held, 1.0), 1.0)[code], served)
    return np.asarray(served, dtype=np.float64)


def _within_whole(p: _Problem, served: Floats, room: Floats) -> Floats:
    """Return whole areas only, each by one option, none beyond its room."""
    out = np.zeros_like(served)
    left, done = room * (1 + rule("budget_slack")), set[int]()
    for link in np.argsort(-served * p.weight[p.demand], kind="stable"):
        area, option = int(p.demand[link]), int(p.option[link])
        if served[link] > 0 and area not in done and served[link] <= left[option]:
            out[link], left[option] = served[link], left[option] - served[link]
            done.add(area)
    return out


def _needed(p: _Problem, units: Ints, served: Floats, floor: Ints) -> Ints:
    """Return the units without those that serve nobody."""
    load = sums(p.option, served, len(units))
    slack = 1 + rule("budget_slack")
    few = np.where(np.isinf(p.capacity), load > 0, np.ceil(load / np.where(p.capacity > 0, p.capacity, 1.0) / slack))
    return np.maximum(np.minimum(units, few.astype(np.int64)), floor)


def _told(
    p: _Problem,
    demands: pl.DataFrame,
    options: pl.DataFrame,
    plans: Sequence[tuple[float, _Plan]],
    objective: Objective,
    allowed: float,
    is_synthetic: bool,
) -> Frontier:
    points, chosen, reached, served = [], [], [], []
    total = math.fsum(p.persons)
    cheapest = float(p.cost.min())
    for budget, plan in plans:
        at = np.flatnonzero(plan.units > 0)
        got = p.reached(plan.served)
        persons = math.fsum(plan.served)
        ends = [_priced(options[c], plan.units) for c in ("cost_lower", "cost_upper")]
        left = (plan.bound - plan.value) / plan.bound if plan.bound > 0 else 0.0
        near = 2 * rule("tolerance")
        # A share is known to the solver's tolerance, whatever its size.
        is_near = left <= allowed + near or (objective == "maxmin" and plan.bound - plan.value <= near)
        status = OPTIMAL if plan.is_proven and is_near else NOT_PROVEN
        if not len(at):
            status = EMPTY_BUDGET if budget == 0 else NOTHING_FITS if budget < cheapest else status
        if not plan.is_found:
            status = NOT_FOUND
        point = {
            "budget": budget, "cost": math.fsum(p.cost * plan.units), "cost_lower": ends[0], "cost_upper": ends[1],
            "reached_persons": persons, "persons": total, "reached_share": persons / total,
            "least_share": float(p.shares(plan.served).min()), "value": plan.value, "bound": plan.bound,
            "gap": left, "status": status,
            "n_options": len(at), "is_synthetic": is_synthetic,
        }  # fmt: skip
        points.append(point if plan.is_found else point | dict.fromkeys(_FIGURES))
        load = sums(p.option, plan.served, len(p.cost))
        chosen.append(
            options.select("option_id", "service").with_columns(
                pl.lit(budget).alias("budget"), pl.Series("units", plan.units),
                pl.Series("cost", p.cost * plan.units), pl.Series("reached_persons", load),
            )[at]
        )  # fmt: skip
        offered = demands.select(*_KEY, "group", "persons").with_columns(
            pl.lit(budget).alias("budget"), pl.Series("reached_persons", got)
        )
        reached.append(offered if plan.is_found else offered.clear())
        links = np.flatnonzero(plan.served > 0)
        served.append(
            pl.DataFrame({
                "option_id": options["option_id"][p.option[links].tolist()],
                "area_id": demands["area_id"][p.demand[links].tolist()],
                "reached_persons": plan.served[links],
            }).with_columns(pl.lit(budget).alias("budget"))
        )  # fmt: skip
    schema = dict.fromkeys(("cost_lower", "cost_upper", *_FIGURES), pl.Float64)
    return Frontier(
        objective, pl.DataFrame(points, schema_overrides=schema, infer_schema_length=None),
        pl.concat(chosen).select("budget", "option_id", "service", "units", "cost", "reached_persons"),
        pl.concat(reached).select(
            "budget", *_KEY, "group", "persons", "reached_persons", _share().alias("reached_share")
        ),
        pl.concat(served).select("budget", "option_id", "area_id", "reached_persons"),
    )  # fmt: skip


def _priced(price: pl.Series, units: Ints) -> float | None:
    bought = price.filter(pl.Series(units > 0))
    return None if bought.null_count() or price.null_count() == len(price) else math.fsum(
        bought.to_numpy() * units[units > 0])  # fmt: skip


def price_of_closing(
    demand: pl.DataFrame | pl.LazyFrame,
    options: pl.DataFrame | pl.LazyFrame,
    links: pl.DataFrame | pl.LazyFrame,
    shares: Sequence[float] = (0.5, 0.8, 0.9, 0.95, 1.0),
    *,
    group: str | None = None,
    is_whole: bool = False,
    time_limit_s: float | None = None,
    gap: float | None = None,
) -> pl.DataFrame:
    """Return the least money that reaches given shares of those who lack a service.

    Parameters
    ----------
    demand, options, links, is_whole, time_limit_s, gap
        As in :func:`frontier`.
    shares
        Shares to be reached, above 0 and up to 1.
    group
        Column of ``demand``: the share must then be reached in each of its groups. Default: of all together.

    Returns
    -------
    polars.DataFrame
        One row per share: ``share_sought``, ``cost``, ``cost_lower`` and ``cost_upper`` (the same plan at low and high
        prices), ``bound`` (no plan that reaches the share can cost less), ``gap`` ((cost - bound) / cost),
        ``reached_persons``, ``persons``, ``reached_share``, ``least_share``, ``n_options`` and ``status``: ``optimal``;
        ``not_proven``: the cheapest found, or one that falls short of the share by the solver's tolerance (see
        ``reached_share``); without a cost ``not_found``, where time ran out before any plan was found,
        or ``out_of_reach``, where the options cannot reach the share at any price; ``is_synthetic`` as in
        :class:`Frontier`.

    Raises
    ------
    RangeError
        A share that is not above 0 and up to 1.
    SchemaError, DataError, RefusalError
        As in :func:`frontier`.

    Examples
    --------
    >>> demand = pl.DataFrame({"area_id": ["a", "b"], "service": "5g", "persons": [60, 40]})
    >>> sites = pl.DataFrame({"option_id": ["s", "t"], "service": "5g", "cost": [3.0, 5.0],
    ...                       "capacity_persons": [None, None]}, schema_overrides={"capacity_persons": pl.Float64})
    >>> links = pl.DataFrame({"option_id": ["s", "t"], "area_id": ["a", "b"]})
    >>> price_of_closing(demand, sites, links, [0.5, 1.0]).select("cost", "reached_persons", "status").rows()
    [(3.0, 60.0, 'optimal'), (8.0, 100.0, 'optimal')]
    """
    told = sorted(set(_numbers(shares, "shares")))
    if not told or not all(0 < s <= 1 for s in told):
        raise RangeError(f"Shares to be reached are {list(shares)}; expected numbers above 0 and up to 1.")
    limit, allowed = _patience(time_limit_s, gap)
    demands, bought = _demand(demand, "efficiency", group), _options(options)
    p = _problem(demands, bought, _links(links, demands, bought), "efficiency", is_whole)
    total = math.fsum(p.persons)
    high = _most_units(p, math.inf, np.zeros(len(p.cost), dtype=np.int64))
    rows = [_priced_share(p, bought, s, total, high, limit, allowed, is_each=group is not None) for s in told]
    return pl.DataFrame(rows, schema=_PRICE).with_columns(is_synthetic=pl.lit(_is_synthetic(demand)))


_PRICE = {
    "share_sought": pl.Float64(), "cost": pl.Float64(), "cost_lower": pl.Float64(), "cost_upper": pl.Float64(),
    "bound": pl.Float64(), "gap": pl.Float64(), "reached_persons": pl.Float64(), "persons": pl.Float64(),
    "reached_share": pl.Float64(), "least_share": pl.Float64(), "n_options": pl.Int64(), "status": pl.String(),
}  # fmt: skip


def _priced_share(
    p: _Problem, options: pl.DataFrame, share: float, total: float, high: Floats, limit: float, allowed: float,
    *, is_each: bool,
) -> dict[str, Any]:  # fmt: skip
    gains, near = p.persons[p.demand], rule("tolerance")
    nobody = np.zeros(len(p.cost), dtype=np.int64)
    row: dict[str, Any] = {"share_sought": share, "persons": total, "status": OUT_OF_REACH}
    if not len(p.demand) or not high.any():
        return row
    x, bound, proven = _search(
        p, math.inf, gains, nobody.astype(np.float64), high, limit, allowed, seek="cost",
        least=share if is_each else None, worth=share * total,
    )  # fmt: skip
    if x is None:
        # Proven to be out of reach, or not found in time.
        if math.isinf(bound) or _is_out_of_reach(p, share, total, high, limit, is_each):
            return row
        return {**row, "bound": max(bound, 0.0), "status": NOT_FOUND}
    plan = _carried_out(p, x, math.inf, nobody, share if is_each else None)
    got = float(p.shares(plan.served).min()) if is_each else plan.persons / total
    # A plan that only the solver's tolerance lets reach the share is no proof of its price.
    proven = proven and got >= share * (1 - rule("budget_slack"))
    cost = math.fsum(p.cost * plan.units)
    bound = min(max(bound, 0.0), cost)
    left = (cost - bound) / cost if cost > 0 else 0.0
    ends = [_priced(options[c], plan.units) for c in ("cost_lower", "cost_upper")]
    return {
        **row, "cost": cost, "cost_lower": ends[0], "cost_upper": ends[1], "bound": bound, "gap": left,
        "reached_persons": plan.persons, "reached_share": plan.persons / total,
        "least_share": float(p.shares(plan.served).min()), "n_options": int((plan.units > 0).sum()),
        "status": OPTIMAL if proven and left <= allowed + 2 * near else NOT_PROVEN,
    }  # fmt: skip


def _is_out_of_reach(p: _Problem, share: float, total: float, high: Floats, limit: float, is_each: bool) -> bool:
    """Return whether all that can be bought reaches less than a share."""
    seek: Literal["least", "gain"] = "least" if is_each else "gain"
    _, most, _ = _search(p, math.inf, p.persons[p.demand], high, high, limit, 0.0, seek=seek)
    return most < share * (1.0 if is_each else total) * (1 - 2 * rule("tolerance"))


def first_reached(
    frontiers: Mapping[str, Frontier] | Sequence[Frontier], *, share: float | None = None
) -> pl.DataFrame:
    """Return the smallest budget at which each area is reached, under each of several objectives.

    Parameters
    ----------
    frontiers
        Frontiers of the same demand, by a name of your own, or named by their objectives.
    share
        Share of an area's persons from which on it counts as reached; default ``reached_share`` of
        ``equity_frontier_rules``.

    Returns
    -------
    polars.DataFrame
        One row per area, service and frontier: ``objective``, ``area_id``, ``service``, ``group``, ``persons``,
        ``budget_first`` (null: at none of the budgets), ``rank`` (1 is first; equal budgets share the lowest). Areas
        in which nobody lacks the service have no row. Plans need not be nested: an area reached at one budget may be
        left out at a larger one, and ``is_kept`` then is false.

    Raises
    ------
    SchemaError
        Two frontiers of the same objective without names.
    RangeError
        A share that is not above 0 and up to 1.

    Examples
    --------
    >>> demand = pl.DataFrame({"area_id": ["a", "b"], "service": "5g", "persons": [60, 50], "need_weight": [1, 2]})
    >>> sites = pl.DataFrame({"option_id": ["s", "t"], "service": "5g", "cost": [1.0, 1.0],
    ...                       "capacity_persons": [None, None]}, schema_overrides={"capacity_persons": pl.Float64})
    >>> links = pl.DataFrame({"option_id": ["s", "t"], "area_id": ["a", "b"]})
    >>> both = [frontier(demand, sites, links, [1, 2], objective=o) for o in ("efficiency", "need")]
    >>> first_reached(both).select("objective", "area_id", "budget_first").rows()
    [('efficiency', 'a', 1.0), ('efficiency', 'b', 2.0), ('need', 'b', 1.0), ('need', 'a', 2.0)]
    """
    if not isinstance(frontiers, Mapping):
        names = [f.objective for f in frontiers]
        if len(set(names)) < len(names):
            raise SchemaError(f"first_reached: frontiers of {names}; give two of one objective names of your own.")
        frontiers = dict(zip(names, frontiers, strict=True))
    if not frontiers:
        raise SchemaError("first_reached: no frontier was given.")
    least = rule("reached_share") if share is None else float(share)
    if not 0 < least <= 1:
        raise RangeError(f"share is {least}; expected above 0 and up to 1.")
    slack = rule("budget_slack")
    parts = []
    for name, f in frontiers.items():
        is_in = pl.col("reached_share") >= least * (1 - slack)
        first = pl.col("budget").filter(is_in).min()
        rows = f.reached.filter(pl.col("persons") > 0).group_by(*_KEY, "group", "persons", maintain_order=True).agg(
            first.alias("budget_first"), is_in.filter(pl.col("budget") >= first).all().alias("is_kept"),
        )  # fmt: skip
        parts.append(
            rows.with_columns(
                pl.lit(name).alias("objective"),
                pl.col("budget_first").rank("min").cast(pl.Int64).alias("rank"),
                pl.when(pl.col("budget_first").is_not_null()).then("is_kept").alias("is_kept"),
            ).sort("budget_first", "area_id", "service", nulls_last=True)
        )
    return pl.concat(parts).select("objective", *_KEY, "group", "persons", "budget_first", "rank", "is_kept")


def covering(
    areas: pl.DataFrame | pl.LazyFrame, sites: pl.DataFrame | pl.LazyFrame, reach_km: float | None = None
) -> pl.DataFrame:
    """Return which site reaches which area, by straight lines on a plane.

    Parameters
    ----------
    areas
        ``area_id``, ``x_km``, ``y_km``.
    sites
        ``option_id``, ``x_km``, ``y_km``, and ``reach_km`` unless it is given for all.
    reach_km
        Farthest distance that is still reached [km]; 0 reaches what lies at the site.

    Returns
    -------
    polars.DataFrame
        One row per site and area in reach: ``option_id``, ``area_id``, ``distance_km``; for :func:`frontier`.

    Raises
    ------
    RangeError, DataError
        A reach or a place that is missing, negative or not finite.

    Notes
    -----
    Hills and walls are not in a straight line: take a planner's own links where there are any.

    Examples
    --------
    >>> areas = pl.DataFrame({"area_id": ["a", "b"], "x_km": [0.0, 3.0], "y_km": [0.0, 4.0]})
    >>> covering(areas, pl.DataFrame({"option_id": ["s"], "x_km": [0.0], "y_km": [0.0]}), 5)["area_id"].to_list()
    ['a', 'b']
    """
    places, masts = lazy(areas), lazy(sites)
    need_numbers(need_columns(places, ["area_id", "x_km", "y_km"], what="covering"), ["x_km", "y_km"], what="covering")
    own = ["reach_km"] if reach_km is None else []
    need_numbers(
        need_columns(masts, ["option_id", "x_km", "y_km", *own], what="covering"), ["x_km", "y_km", *own],
        what="covering",
    )  # fmt: skip
    if reach_km is not None and not (math.isfinite(reach_km) and reach_km >= 0):
        raise RangeError(f"reach_km is {reach_km}; expected kilometres, 0 or more.")
    at, masts_at = places.select("area_id", "x_km", "y_km").collect(), masts.collect()
    for table in (at, masts_at.select("option_id", "x_km", "y_km", *own)):
        lost = table.filter(~pl.all_horizontal(pl.col("x_km", "y_km").is_finite()).fill_null(False))
        if lost.height:
            raise DataError(f"covering: {lost.height} rows have no place on the plane, the first {lost.row(0)}.")
    if own:
        _bad(masts_at, _amount("reach_km"), "have no reach, or a negative one")
    reach = pl.col("reach_km") if own else pl.lit(float(reach_km or 0.0))
    distance = ((pl.col("x_km") - pl.col("x_km_site")) ** 2 + (pl.col("y_km") - pl.col("y_km_site")) ** 2).sqrt()
    sited = masts_at.select("option_id", pl.col("x_km", "y_km").name.suffix("_site"), *own)
    return (
        sited.join(at, how="cross")
        .with_columns(distance.alias("distance_km"))
        .filter(pl.col("distance_km") <= reach)
        .select("option_id", "area_id", "distance_km")
    )


# ------------------------------------------------------------------------------------------------ synthetic villages


def costs(table: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return the declared costs of bringing a service, checked: low, central and high, in their order.

    Parameters
    ----------
    table
        Costs of your own with the columns of ``equity_frontier_costs``; default the declared ones.

    Raises
    ------
    DataError
        Costs that are negative or out of order, or a service twice.

    Examples
    --------
    >>> costs()["service"].to_list()
    ['fibre', '5g', 'station', 'device', 'training']
    """
    held = tables.read(COSTS) if table is None else table
    prices = ["cost_low_cny", "cost_cny", "cost_high_cny"]
    needed = ["service", *prices, "is_per_household", "reach_persons", "reach_km", "lacking", "source", "mark"]
    need_numbers(need_columns(held.lazy(), needed, what="costs"), [*prices, "reach_persons", "reach_km"], what="costs")
    low, middle, high = (pl.col(c) for c in prices)
    is_ordered = (low >= 0) & (low <= middle) & (middle <= high) & high.is_finite()
    wrong = held.filter(~is_ordered.fill_null(False))
    if wrong.height:
        raise DataError(
            f"Costs of {wrong['service'][0]!r} are {wrong.select(prices).row(0)}; expected low, central and high, 0 or "
            "more and in this order."
        )
    if held["service"].is_duplicated().any():
        raise DataError("A service stands twice among the costs; give each one row.")
    return held


def synthetic_villages(n: int, *, seed: int = 0) -> pl.DataFrame:
    """Return made-up villages to try plans on. They are synthetic: no figure describes a real place.

    Parameters
    ----------
    n
        Number of villages, 1 or more.
    seed
        The same seed gives the same villages.

    Returns
    -------
    polars.DataFrame
        One row per village: ``area_id``, ``is_synthetic`` (always true), ``x_km``, ``y_km``, ``persons``,
        ``households``, ``older_share``, ``need_weight``, ``group`` (``older`` or ``younger``: above or up to the median
        share of older persons), and for each service the persons who lack it (``lacking_fibre_persons``, ...).

    Raises
    ------
    RangeError
        Fewer than one village.

    Examples
    --------
    >>> synthetic_villages(3, seed=1).select("area_id", "is_synthetic").row(0)
    ('V001', True)
    """
    if n < 1:
        raise RangeError(f"{n} villages are none; expected 1 or more.")
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, rule("village_side_km"), (2, n))
    drawn = rule("village_persons_median") * np.exp(rng.normal(0, rule("village_persons_sigma"), n))
    persons = np.maximum(np.round(drawn), rule("village_persons_least")).astype(np.int64)
    older = rng.uniform(rule("village_older_low"), rule("village_older_high"), n)
    lacking = {
        f"lacking_{s}_persons": np.round(persons * rng.uniform(rule(f"lacking_{s}_low"), rule(f"lacking_{s}_high"), n))
        for s in ("fibre", "5g", "station", "device", "skill")
    }
    return pl.DataFrame({
        "area_id": [f"V{i + 1:03d}" for i in range(n)], "is_synthetic": [True] * n, "x_km": x, "y_km": y,
        "persons": persons, "households": np.ceil(persons / rule("village_household_persons")).astype(np.int64),
        "older_share": older, "need_weight": 1 + rule("village_need_older") * older,
        "group": np.where(older > np.median(older), "older", "younger"),
        **{c: v.astype(np.int64) for c, v in lacking.items()},
    })  # fmt: skip


@dataclass(frozen=True, slots=True)
class Programme:
    """What :func:`frontier` asks for: ``demand``, ``options`` and ``links``."""

    demand: pl.DataFrame
    options: pl.DataFrame
    links: pl.DataFrame

    def frontier(self, budgets: Sequence[float], **choices: Any) -> Frontier:
        """Return the frontier of the programme; ``choices`` as in :func:`frontier`."""
        return frontier(self.demand, self.options, self.links, budgets, **choices)


def programme(
    villages: pl.DataFrame | pl.LazyFrame,
    services: str | Sequence[str] | None = None,
    *,
    table: pl.DataFrame | None = None,
) -> Programme:
    """Return the demand, options and links of villages from the declared costs.

    A site or a station may stand in any village and serves those in its reach; fibre, devices and courses serve their
    own village.

    Parameters
    ----------
    villages
        One row per village: ``area_id``, ``x_km``, ``y_km``, ``households``, ``need_weight``, ``group`` and the column
        that the costs name under ``lacking``; :func:`synthetic_villages` gives such.
    services
        Services of the costs; default all. Persons who lack two services count once for each.
    table
        Costs; default :func:`costs`.

    Returns
    -------
    Programme

    Raises
    ------
    UnknownNameError
        A service without a cost.

    Examples
    --------
    >>> towns = programme(synthetic_villages(4, seed=1), ["fibre", "training"])
    >>> towns.options.height, towns.demand.height
    (8, 8)
    """
    priced = costs(table)
    asked = [services] if isinstance(services, str) else priced["service"].to_list() if services is None else services
    for name in asked:
        if name not in priced["service"].to_list():
            raise suggest(
                name, priced["service"].to_list(), what="service", see="datasets/codes/equity_frontier_costs.csv"
            )
    rows = [priced.row(by_predicate=pl.col("service") == s, named=True) for s in asked]
    lf = lazy(villages)
    fixed = ["area_id", "x_km", "y_km", "households", "need_weight", "group"]
    schema = need_columns(lf, [*fixed, *(r["lacking"] for r in rows)], what="programme")
    marked = [c for c in ["is_synthetic"] if c in schema]
    held = lf.collect()
    demand, options, links = [], [], []
    for r in rows:
        service = pl.lit(r["service"]).alias("service")
        demand.append(
            held.select(
                "area_id",
                service,
                pl.col(r["lacking"]).cast(pl.Float64).alias("persons"),
                "need_weight",
                "group",
                *marked,
            )
        )
        named = (pl.lit(r["service"] + "@") + pl.col("area_id")).alias("option_id")
        times = pl.col("households") if r["is_per_household"] else pl.lit(1)
        reach = r["reach_persons"]
        # As many units as those of the own village need; one that serves all in reach stands once.
        units = pl.lit(1.0) if reach is None else (pl.col(r["lacking"]) / reach).ceil().clip(lower_bound=1)
        options.append(
            held.select(
                named, service,
                *((times * float(r[c])).cast(pl.Float64).alias(a) for c, a in (
                    ("cost_cny", "cost"), ("cost_low_cny", "cost_lower"), ("cost_high_cny", "cost_upper"))),
                pl.lit(reach, dtype=pl.Float64).alias("capacity_persons"), units.cast(pl.Float64).alias("units_max"),
            )
        )  # fmt: skip
        if r["reach_km"] > 0:
            sites = held.select(named, "x_km", "y_km")
            links.append(covering(held, sites, float(r["reach_km"])).select("option_id", "area_id"))
        else:
            links.append(held.select(named, "area_id"))
    return Programme(pl.concat(demand), pl.concat(options), pl.concat(links))
