"""The yearly state of single persons under a scenario."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import polars as pl

from citylab.errors import RangeError, suggest
from citylab.frames import lazily
from citylab.policy.factored import Factored
from citylab.policy.levers.base import central_of, draw_of
from citylab.policy.reference import GRID_STREAM, GRID_VARIANTS, PM25, Reference
from citylab.policy.runs import moves_of
from citylab.policy.scenario import Scenario
from citylab.policy.world import World
from citylab.stats.draws import uniforms

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
    moves = moves_of(scenario, reference.years)
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
