"""A slider's answer, and the yearly state of persons: a policy simulated on 100,000 persons and on 2 million.

The answer is everything that a page draws: both runs of 64 draws and ten years with intervals, by group and a tonne.
A person-update is one person in one year under three levers, with eleven columns of state.
"""

from __future__ import annotations

from collections.abc import Iterator

import citylab as cl
from benchmarks.measure import Row, take_turns
from citylab.policy.scenario import Change, Scenario
from citylab.policy.simulate import person_state, simulate
from citylab.policy.world import World
from citylab.population.synthetic import synthesise

DRAWS = 64
ANSWER_S = 0.15
PERSONS, YEARS = 2_000_000, (2026, 2030, 2035)
UPDATES_A_SECOND = 20e6
PLAN = Scenario(
    "基准测试",
    "Benchmark",
    (
        Change("building_pv", 2, 2026, ramp_years=4),
        Change("transit_fare", 0.5, 2026),
        Change("digital_training", 0.5, 2026),
    ),
)


def answer(world: World, plan: Scenario) -> None:
    """Do what a page does on a move of a slider."""
    result = simulate(world, plan, draws=DRAWS)
    result.totals()
    result.yearly()
    result.by_group("income_decile")
    result.per_tonne()


def rows() -> Iterator[Row]:
    """Time both."""
    world = World.from_cells(cl.load("citylab__synthetic_personcell_state"))
    timing = take_turns({"citylab": lambda: answer(world, PLAN)})["citylab"]
    middle = sorted(timing.wall_s)[len(timing.wall_s) // 2]
    yield Row(
        f"simulate, 100,000 persons, {DRAWS} draws, 10 years, 3 levers, warm",
        "citylab",
        f"{middle * 1000:.0f} ms",
        cpu=f"{sorted(timing.cpu_s)[len(timing.cpu_s) // 2] * 1000:.0f} ms",
        budget=f"<= {ANSWER_S * 1000:.0f} ms",
        is_within=middle <= ANSWER_S,
    )
    stations, outlines = cl.load("osm__static_station_subway"), cl.load("echarts__static_district_boundary")
    persons = synthesise(PERSONS, seed=1, boundaries=outlines, stations=stations)
    people = World.from_persons(persons, collapse=False)
    timing = take_turns({"citylab": lambda: person_state(people, PLAN, years=YEARS)}, runs=3)["citylab"]
    rate = PERSONS * len(YEARS) / sorted(timing.wall_s)[len(timing.wall_s) // 2]
    yield Row(
        f"person_state, {PERSONS:,} persons × {len(YEARS)} years, 3 levers, 11 columns, warm",
        "citylab",
        f"{rate / 1e6:.1f} M updates/s",
        cpu=f"{sorted(timing.cpu_s)[len(timing.cpu_s) // 2]:.2f} s",
        budget=f">= {UPDATES_A_SECOND / 1e6:.0f} M/s",
        is_within=rate >= UPDATES_A_SECOND,
    )
