from __future__ import annotations

import numpy as np
import pytest

from citylab.errors import SchemaError, UnknownNameError
from citylab.policy.state import NAMES, SECTORS, State, electricity, emissions, fuels


def test_money_given_and_used_up_sums_to_nothing(world):
    state = world.state(2030, draws=3)
    state.transfer(state["persons"] * np.array([[1.0], [2.0], [3.0]]), "budget", "household")
    state.spend(state["car_km"] * 0.1, "household")
    state.spend(np.array([[5.0], [6.0], [7.0]]), "firm")
    state.transfer(np.array([[1e9]]), "firm", "budget")
    total = sum(state.total(n) for n in ("household_cny", "budget_cny", "firm_cny", "resource_cny"))
    assert np.abs(total).max() < 1e-9 * np.abs(state.total("budget_cny")).max()
    assert (state.total("resource_cny") > 0).all()


def test_a_name_that_is_none_a_shape_that_cannot_be_and_money_by_hand_are_refused(world):
    state = world.state(2030, draws=3)
    with pytest.raises(UnknownNameError, match="'car_km'"):
        state["car_kms"]
    with pytest.raises(SchemaError, match=r"shape \(3, 2\); expected \(3 or 1"):
        state["car_km"] = np.ones((3, 2))
    with pytest.raises(SchemaError, match="has one column"):
        state["pv_kwh"] = np.ones((3, world.size))
    with pytest.raises(SchemaError, match=r"state\.transfer"):
        state["budget_cny"] = np.ones((1, 1))
    with pytest.raises(SchemaError, match="Say who gets how much"):
        state.transfer(np.ones((3, 1)), "budget", "household")
    with pytest.raises(UnknownNameError, match="owner of money"):
        state.spend(np.ones((1, 1)), "bank")
    with pytest.raises(UnknownNameError, match="owner of a gain in kind"):
        state.enjoy(np.ones((1, 1)), "budget")
    with pytest.raises(SchemaError, match=r"state\.enjoy"):
        state["comfort_cny"] = np.ones((1, world.size))


def test_a_gain_in_kind_is_no_money(world):
    state = world.state(2030, draws=2)
    state.enjoy(state["persons"] * np.array([[1.0], [-2.0]]), "household")
    state.enjoy(np.array([[5.0]]), "firm")
    state.enjoy(np.array([[1.0]]), "firm")
    persons = state.total("persons").item()
    assert state.total("comfort_cny")[:, 0] == pytest.approx([persons, -2 * persons])
    assert state.total("firm_comfort_cny").tolist() == [[6.0]]
    for name in ("household_cny", "budget_cny", "firm_cny", "resource_cny"):
        assert not state.total(name).any()


def test_emissions_by_hand():
    # One cell: 100 kWh at 0.5; 10 km of which 4 electric at 0.2 kWh; 3 GJ of which 1 by heat pump at 100 kWh/GJ.
    people = {
        "electricity_kwh": 100.0, "car_km": 10.0, "ev_share": 0.4, "heat_gj": 3.0, "heat_pump_share": 1 / 3,
        "metro_trips": 2.0, "bus_trips": 5.0,
    }  # fmt: skip
    city = dict.fromkeys((n for n, side in NAMES.items() if side in ("city", "factor")), 0.0) | {
        "grid_kgco2_kwh": 0.5, "margin_kgco2_kwh": 0.8, "heat_kgco2_gj": 60.0, "heat_pump_kwh_gj": 100.0,
        "petrol_kgco2_km": 0.2, "ev_kwh_km": 0.2, "metro_kwh_trip": 1.0, "bus_kgco2_trip": 0.3, "industry_co2_t": 7.0,
        "datacentre_it_kwh": 10.0, "datacentre_pue": 1.5,
    }  # fmt: skip
    cells = {"adcode": np.array([[110101]])}
    state = State(2030, cells, {n: np.array([[v]]) for n, v in people.items()}, city)
    found = {sector: value.item() * 1000 for sector, value in emissions(state).items()}
    assert found["residential_electricity"] == pytest.approx(50.0)
    assert found["road_passenger"] == pytest.approx(6 * 0.2 + 4 * 0.2 * 0.5)
    assert found["residential_heat"] == pytest.approx(2 * 60 + 100 * 0.5)
    assert found["transit"] == pytest.approx(2 * 1 * 0.5 + 5 * 0.3)
    assert found["data_centres"] == pytest.approx(15 * 0.5)
    assert found["industry"] == pytest.approx(7000.0)
    assert set(found) == set(SECTORS)
    # 10 kWh saved at the margin of 0.8 against the reference of 100 kWh
    base = electricity(state)
    state["electricity_kwh"] = np.array([[90.0]])
    assert emissions(state, base)["residential_electricity"].item() * 1000 == pytest.approx(50 - 8)


def test_local_generation_displaces_at_most_what_is_taken_and_each_tonne_once(world):
    state = world.state(2030)
    base, burnt = electricity(state), fuels(state)
    taken = sum(base.values())
    before = emissions(state)
    state["pv_kwh"] = taken * 10
    after = emissions(state, base)
    for sector in SECTORS:
        left = burnt.get(sector, np.zeros((1, 1)))
        assert after[sector].item() == pytest.approx(left.item(), abs=1e-6)
        assert after[sector] <= before[sector]
