from __future__ import annotations

import numpy as np
import pytest

from citylab.errors import RangeError, SchemaError, UnknownNameError
from citylab.policy.levers import lever
from citylab.policy.scenario import Change, Scenario
from citylab.policy.simulate import (
    evaluate,
    parameters_of,
    simulate,
)
from tests.policy.conftest import MIX


def test_evaluate_at_the_engines_own_parameters_gives_its_draws(world):
    plan = Scenario(
        "", "", [Change("driving_restriction", 2, 2026), Change("carbon_price", 100, 2027, ramp_years=3), *MIX.changes]
    )
    run = simulate(world, plan, draws=12, seed=3)
    made = evaluate(world, plan, parameters_of(world, plan, 2030, draws=12, seed=3), 2030)
    for quantity in made.columns:
        drawn = run.draws_of(quantity, year=2030)
        before, after = (drawn.filter(run=name)["value"].to_numpy() for name in ("reference", "scenario"))
        np.testing.assert_allclose(made[quantity], after - before, rtol=1e-8, atol=1e-9 * np.abs(after).max())
    some = parameters_of(world, plan, 2030, draws=5, seed=3, start=7)
    np.testing.assert_allclose(evaluate(world, plan, some, 2030)["co2_t"], made["co2_t"][7:], rtol=1e-9)


def test_evaluate_takes_rival_models_by_place_and_their_parameters_by_name(world):
    plan = Scenario("", "", [Change("driving_restriction", 2, 2026)])

    def saved(**cases):
        return evaluate(world, plan, {name.replace("__", "."): v for name, v in cases.items()}, 2026)["co2_t"].to_list()

    first, second = saved(driving_restriction__variant=[0.0, 1.9])
    central = {p.variant: p.central for p in lever("driving_restriction").priors if p.parameter == "effect_share"}
    again = saved(driving_restriction__effect_share=[central["published"], central["draft"]])
    assert first != second and again == pytest.approx([first, second], rel=1e-12)
    own = saved(driving_restriction__variant=[0.0, 1.0], driving_restriction__effect_share__draft=[0.0, 0.0])
    assert own[0] == pytest.approx(first, rel=1e-12) and own[1] != pytest.approx(second)
    panels = Scenario("", "", [Change("building_pv", 1, 2026)])
    average, margin = evaluate(world, panels, {"grid_variant": [0, 1]}, 2026)["co2_t"]
    assert margin < average < 0


def test_parameters_that_cannot_be_are_told(world):
    plan = Scenario("", "", [Change("building_pv", 1, 2026)])
    for cases, year, error, told in (
        ({"transit_fare.x": [1.0]}, 2026, UnknownNameError, "Unknown parameter 'transit_fare.x'"),
        ({"building_pv.yield_kwh_kwp": [np.nan]}, 2026, RangeError, "one finite number a case"),
        ({"building_pv.yield_kwh_kwp": ["a"]}, 2026, RangeError, "one finite number a case"),
        ({"building_pv.yield_kwh_kwp": []}, 2026, RangeError, "one finite number a case"),
        ([("grid_variant", 1.0)], 2026, SchemaError, "evaluate got list"),
        ({"building_pv.yield_kwh_kwp": [1.0], "grid_variant": [0, 1]}, 2026, SchemaError, "different numbers"),
        ({"grid_variant": [2.0]}, 2026, RangeError, "models 0 to 1"),
        ({}, 2026, SchemaError, "no parameters"),
        ({"grid_variant": [0.0]}, 2060, RangeError, "asked was 2060"),
    ):
        with pytest.raises(error, match=told):
            evaluate(world, plan, cases, year)
