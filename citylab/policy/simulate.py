"""Reference and scenario on common random numbers: tonnes, air, money and access, with intervals, and who gains.

Both run on the same draws of the same uncertain reference and the same priors, so that what they share cancels. The
uncertainty of a difference has three parts: sampling (which households are in the sample), parameter (priors and the
reference's level and drift) and model (rival models, such as the grid's average against its margin).

What a run does stands in :mod:`citylab.policy.runs`, what it tells in :mod:`citylab.policy.result`, single years at own
parameters in :mod:`citylab.policy.cases` and single persons in :mod:`citylab.policy.people`; all of it is found here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from citylab import scale
from citylab.errors import RangeError, SchemaError
from citylab.policy.cases import GRID, evaluate, parameters_of
from citylab.policy.levers.base import Prior
from citylab.policy.people import CHUNK_PERSONS, PERSON_STATE, person_state
from citylab.policy.reference import Reference
from citylab.policy.result import ASSUMPTIONS, COSTS, Result
from citylab.policy.runs import (
    ACCESS,
    KIND,
    MEASURES,
    MONEY,
    OUTCOMES,
    SOCIETY,
    TOTAL,
    WELFARE_OUTCOMES,
    YEARLY_OUTCOMES,
    Plan,
    moves_of,
)
from citylab.policy.scenario import Scenario
from citylab.policy.world import World

if TYPE_CHECKING:
    from distributed import Client

__all__ = [
    "ACCESS",
    "ASSUMPTIONS",
    "BLOCK",
    "CHUNK_PERSONS",
    "COSTS",
    "GRID",
    "KIND",
    "MEASURES",
    "MIN_DRAWS",
    "MONEY",
    "OUTCOMES",
    "PERSON_STATE",
    "SOCIETY",
    "TOTAL",
    "WELFARE_OUTCOMES",
    "YEARLY_OUTCOMES",
    "Result",
    "evaluate",
    "parameters_of",
    "person_state",
    "simulate",
]

MIN_DRAWS = 2
"""Fewest draws of which a spread can be told."""
BLOCK = 64
"""Draws that are run together."""


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
        Fewer than two draws, a seed below 0, or a change that starts after the reference ends.
    SchemaError
        A world, scenario, reference or prior that is none; priors that lack a parameter of their lever or hold another.
    UnknownNameError
        Priors of a lever that does not exist.
    DataError
        A sample of so few households that replicates of it have nobody.

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
    if reference is not None and not isinstance(reference, Reference):
        raise SchemaError(
            f"simulate got {type(reference).__name__} as its reference. Make one with Reference.load(path=your_table)."
        )
    if not _whole(draws) or draws < MIN_DRAWS:
        raise RangeError(
            f"draws is {draws!r}; a spread needs a whole number of at least {MIN_DRAWS}, and an interval many (64 for "
            "a look)."
        )
    if not _whole(seed) or seed < 0:
        raise RangeError(f"seed is {seed!r}; give a whole number of 0 or more.")
    draws, seed = int(draws), int(seed)
    world = world if reference is None else world.under(reference)
    plan = Plan(world, moves_of(scenario, world.reference.years, priors), seed)
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
        _official(world.reference),
        drawn,
        plan.replicates(),
        world.groups,
    )


def _whole(number: Any) -> bool:
    return isinstance(number, int | np.integer) and not isinstance(number, bool)


def _official(reference: Reference) -> tuple[int, float] | None:
    """Return year and tonnes that official figures imply, if the reference's rules name them."""
    if not {"official_co2_year", "official_co2_t"} <= reference.constants.keys():
        return None
    return int(reference.rule("official_co2_year")), reference.rule("official_co2_t")
