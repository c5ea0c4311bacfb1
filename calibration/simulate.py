"""Coverage of the intervals of a simulated policy where the truth is planted.

A made-up city of 20,000 households is known in full. Its truth in a run is one draw of the priors and of the reference
path, with all persons. The simulation sees another seed's draws and a sample of 400 households. The scenario has a
lever on firms (photovoltaics), one on households (fares) and one on access (training). "Sampling only" fixes every
parameter at its central value, so that nothing but the sample is unsure; its intervals are meant to be too wide rather
than too narrow, because members of a household who lie in several cells are drawn apart.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from calibration import Row, share
from citylab.policy.levers import lever
from citylab.policy.levers.base import Prior
from citylab.policy.reference import Reference
from citylab.policy.scenario import Change, Scenario
from citylab.policy.simulate import MONEY, OUTCOMES, Result, simulate
from citylab.policy.world import World

LEVEL = 0.9
HOUSEHOLDS, SAMPLE = 20_000, 400
DRAWS = 200
PLAN = Scenario(
    "校准",
    "Calibration",
    (
        Change("building_pv", 2, 2026, ramp_years=4),
        Change("transit_fare", 0.5, 2026),
        Change("digital_training", 0.5, 2026),
    ),
)
GROUPS = (("income_decile", "1"), ("age_band", "2"), ("adcode", "110105"))


def made_up(households: int, seed: int) -> pl.DataFrame:
    """Return persons of a made-up city, household by household."""
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 6, households)
    district = rng.choice([110101, 110105, 110108, 110112, 110116], households)
    income = rng.lognormal(12, 0.7, households)
    decile = np.argsort(np.argsort(income)) * 10 // households + 1
    cars = rng.binomial(2, 0.35, households)
    home = np.repeat(np.arange(households), size)
    age = rng.integers(0, 95, len(home))
    phone = rng.random(len(home)) < np.where(age >= 60, 0.7, 0.97)
    return pl.DataFrame(
        {
            "person_id": np.arange(len(home)),
            "household_id": home,
            "adcode": district[home].astype(str),
            "age_years": age,
            "household_size_persons": size[home],
            "income_decile": decile[home],
            "household_income_cny": income[home],
            "household_car_count": cars[home],
            "has_smartphone": phone,
            "is_online": phone & (rng.random(len(home)) < 0.9),
            "metro_distance_km": rng.exponential(1.5, households)[home],
            "is_synthetic": np.ones(len(home), dtype=bool),
        }
    )


def fixed() -> tuple[Reference, dict[str, list[Prior]]]:
    """Return a reference and priors in which nothing is unsure."""
    path = Reference.load().path.with_columns(
        low=pl.col("value"), high=pl.col("value"), growth_sd=pl.lit(0.0), walk_sd=pl.lit(0.0)
    )
    priors: dict[str, list[Prior]] = {}
    for name in PLAN.levers():
        own = lever(name).priors
        first = next((p.variant for p in own if p.variant), "")
        priors[name] = [replace(p, low=p.central, high=p.central, variant="") for p in own if p.variant in ("", first)]
    return Reference.load(path=path), priors


def told(result: Result, draw: int | None = None) -> dict[str, tuple[float, float]]:
    """Return the intervals of a result, or the values of one of its draws, by what they are of."""
    found: dict[str, tuple[float, float]] = {}
    totals = result.totals()
    for name in ("co2_t", "household_cny", "budget_cny", "online_persons"):
        row = totals.filter(quantity=name, sector="total").row(0, named=True)
        value = (row["lower"], row["upper"])
        if draw is not None:
            at = {
                "co2_t": lambda: (result._drawn["co2_after"] - result._drawn["co2"])[draw].sum(),
                "household_cny": lambda: result._drawn["money"][draw, :, MONEY.index("household_cny")].sum(),
                "budget_cny": lambda: result._drawn["money"][draw, :, MONEY.index("budget_cny")].sum(),
                "online_persons": lambda: (result._drawn["access_after"] - result._drawn["access"])[draw, -1, 0],
            }[name]()
            value = (float(at), float(at))
        found[name] = value
    for group, level in GROUPS:
        outcome = "online_share" if group == "age_band" else "household_cny_person"
        row = result.by_group(group).filter(level=level, outcome=outcome).row(0, named=True)
        value = (row["lower"], row["upper"])
        if draw is not None:
            names = result._groups.select("group", "level").rows()
            at = result._drawn["group"][draw, names.index((group, level)), OUTCOMES.index(outcome)]
            value = (float(at), float(at))
        found[f"{outcome} of {group} {level}"] = value
    return found


def run(n: int, seed: int) -> list[Row]:
    """Return coverage over ``n`` runs."""
    everyone = made_up(HOUSEHOLDS, seed)
    rng = np.random.default_rng(seed)
    sure, priors = fixed()
    cases = {
        "all": (World.from_persons(everyone), None),
        "sampling only": (World.from_persons(everyone, sure), priors),
    }
    # Truths are draws of a seed of their own; two are the fewest that a run has
    truths = {name: simulate(w, PLAN, priors=p, draws=max(n, 2), seed=seed + n) for name, (w, p) in cases.items()}
    hits: dict[str, list[bool]] = {}
    for k in range(n):
        homes = pl.DataFrame({"household_id": rng.choice(HOUSEHOLDS, SAMPLE, replace=False)})
        persons = everyone.join(homes, on="household_id", how="semi")
        for name, (whole, own) in cases.items():
            world = World.from_persons(persons, whole.reference)
            intervals = told(simulate(world, PLAN, priors=own, draws=DRAWS, seed=seed + n + 1 + k))
            truth = told(truths[name], draw=k)
            for what, (low, high) in intervals.items():
                # Sums of the city don't hang on the sample, whose amounts are scaled to the totals
                if name == "sampling only" and what in ("co2_t", "household_cny", "budget_cny"):
                    continue
                hits.setdefault(f"{what}, {name}", []).append(low <= truth[what][0] <= high)
    return [share(what, LEVEL, found) for what, found in hits.items()]
