from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from citylab.policy.levers.base import Lever
from citylab.policy.state import State

# Three cells of a thousand persons: well-off adults with a car and a metro station; older poor villagers without a
# car, of whom few are online; villagers of middle income with a car and no station.
CELLS: dict[str, list] = {
    "adcode": [110105, 110118, 110118],
    "income_decile": [10, 1, 5],
    "age_band": [1, 2, 1],
    "is_60_plus": [False, True, False],
    "is_under_18": [False, False, False],
    "has_car": [True, False, True],
    "has_smartphone": [True, False, True],
    "is_online": [True, False, True],
    "near_metro": [True, False, False],
    "is_rural": [False, True, True],
    "electricity_tier": [3, 1, 2],
}
PEOPLE: dict[str, list[float]] = {
    "persons": [1000, 1000, 1000],
    "households": [400, 500, 300],
    "income_cny": [9e7, 2e7, 4e7],
    "car_km": [6e6, 0, 3e6],
    "ev_share": [0.2, 0.2, 0.0],
    "metro_trips": [200_000, 0, 0],
    "bus_trips": [50_000, 100_000, 20_000],
    "active_trips": [250_000, 300_000, 100_000],
    "electricity_kwh": [2e6, 1e6, 1.5e6],
    "peak_share": [0.5, 0.5, 0.5],
    "heat_gj": [10_000, 8000, 12_000],
    "heat_pump_share": [0.0, 0.5, 0.25],
    "online_persons": [1000, 200, 900],
    "smartphone_persons": [1000, 300, 950],
    "covered_persons": [1000, 400, 800],
    "service_persons": [800, 50, 600],
}
CITY: dict[str, float] = {
    "industry_co2_t": 1e7,
    "services_electricity_kwh": 1e7,
    "datacentre_it_kwh": 1e6,
    "datacentre_pue": 1.5,
    "public_heat_gj": 5000,
    "public_heat_pump_share": 0.1,
    "industry_electricity_kwh": 1e7,
    "freight_co2_t": 1e5,
    "other_co2_t": 1e5,
    "pv_kwh": 0,
    "grid_kgco2_kwh": 0.5,
    "margin_kgco2_kwh": 0.8,
    "heat_kgco2_gj": 60,
    "heat_pump_kwh_gj": 100,
    "petrol_kgco2_km": 0.2,
    "ev_kwh_km": 0.15,
    "metro_kwh_trip": 1.0,
    "bus_kgco2_trip": 0.25,
    "petrol_cny_km": 0.6,
    "petrol_tax_cny_km": 0.2,
    "electricity_cny_kwh": 0.5,
    "services_electricity_cny_kwh": 0.8,
    "heat_cny_gj": 90,
    "metro_fare_cny": 5,
    "bus_fare_cny": 1,
}

Tiny = Callable[..., State]
Act = Callable[..., State]


@pytest.fixture
def tiny() -> Tiny:
    """Return a function that builds the state of three cells, with draws, repeats of each cell, and other amounts."""

    def build(draws: int = 1, repeat: int = 1, **other: list[float] | float) -> State:
        cells = {name: np.repeat(np.array([values]), repeat, axis=1) for name, values in CELLS.items()}
        people, city = PEOPLE | {}, CITY | {}
        for name, value in other.items():
            (people if name in people else city)[name] = value  # type: ignore[assignment, index]
        shares = {name for name in people if name.endswith("_share")}
        arrays = {
            name: np.repeat(np.array([values], dtype=float) / (1 if name in shares else repeat), repeat, axis=1)
            for name, values in people.items()
        }
        return State(2030, cells, arrays, city, draws=draws)

    return build


@pytest.fixture
def act(tiny: Tiny) -> Act:
    """Return a function that applies a lever to the tiny state with numbers in place of draws."""

    def run(lever: Lever, value: float, years: float = 0.0, *, state: State | None = None, **draw: float) -> State:
        acted = tiny() if state is None else state
        before = acted.previous_value
        acted.previous_value = lever.default
        given: Mapping[str, np.ndarray] = {name: np.array([[number]]) for name, number in draw.items()}
        lever.apply(acted, value, given, years)
        acted.previous_value = before
        return acted

    return run
