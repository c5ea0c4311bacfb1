"""One year of a scenario at parameters of one's own, a row a case: the model that studies of sensitivity ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from citylab.errors import RangeError, SchemaError, suggest
from citylab.policy.levers.base import Prior, central_of, draw_of, variants_of
from citylab.policy.reference import GRID_STREAM, GRID_VARIANTS, PM25, RATES, Reference
from citylab.policy.runs import QUANTITIES, TOTAL, Move, Runs, columns_of, moves_of, one_thread
from citylab.policy.scenario import Scenario
from citylab.policy.state import Array
from citylab.policy.world import World
from citylab.stats.draws import uniforms

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
    for move in moves_of(scenario, reference.years, priors):
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
    moves = moves_of(scenario, reference.years, priors)
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
    runs = Runs(
        world,
        moves,
        drawn,
        screening=reference.coefficients(coefficients, n),
        pm25=factors.pop(PM25, None),
        options={"factors": factors, "marginal": marginal},
        draws=n,
    )
    with one_thread().limit(limits=1):
        before, after = columns_of(runs.of_city(k, *runs.states(k)))
    change = after - before
    kept = {q: i for i, (q, sector, _) in enumerate(QUANTITIES) if sector == TOTAL}
    return pl.DataFrame({q: change[:, i] for q, i in kept.items()})


def _names(reference: Reference, moves: Sequence[Move]) -> list[str]:
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
    if not isinstance(parameters, pl.DataFrame | Mapping):
        raise SchemaError(
            f"evaluate got {type(parameters).__name__} as its parameters; expected a mapping of arrays, or a DataFrame."
        )
    columns = parameters.to_dict() if isinstance(parameters, pl.DataFrame) else parameters
    found = {}
    for name, values in columns.items():
        if name not in known:
            raise suggest(str(name), known, what="parameter", see="citylab.policy.simulate.parameters_of")
        try:
            found[name] = np.asarray(values, dtype=float)
        except (TypeError, ValueError):
            found[name] = np.empty((0, 0))
        if found[name].ndim != 1 or not found[name].size or not np.isfinite(found[name]).all():
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


def _at(move: Move, given: Mapping[str, Array], n: int) -> dict[str, Array]:
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
