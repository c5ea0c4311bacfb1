"""Each lever once on the whole city: tonnes and money against plain arithmetic from declared priors and activity.

The arithmetic is that of 2026 at central values, with sums of the table of cells; no function of a lever is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import polars as pl
import pytest

import citylab as cl
from citylab.policy.levers import levers
from citylab.policy.levers.base import central_of
from citylab.policy.state import emissions
from citylab.policy.world import World

YEAR = 2026
NEAR, OLD = pl.col("metro_band") == 0, pl.col("age_band") == 2
Found = dict[str, float]


@pytest.fixture(scope="module")
def city() -> World:
    return World.from_cells(cl.load("citylab__synthetic_personcell_state"))


class City:
    """Levels and sums of the city in the year, by name."""

    def __init__(self, world: World) -> None:
        self.world = world

    def __getitem__(self, name: str) -> float:
        return self.world.reference.level(name, YEAR)

    def sum(self, name: str, where: pl.Expr | bool = True, weight: pl.Expr | float = 1.0) -> float:
        """Return the sum of an amount over cells, grown to the year."""
        grown = self[name] / self.world.reference.level(name, YEAR - 1) if name not in LEFT else 1.0
        return self.world.table.filter(where).select((pl.col(name) * weight).sum()).item() * grown

    def without(self, name: str, where: pl.Expr | bool = True, weight: pl.Expr | float = 1.0) -> float:
        """Return how many persons do not have something: the rest of the base year less its yearly rate."""
        rest = self.world.table.filter(where).select(((pl.col("persons") - pl.col(name)) * weight).sum()).item()
        return rest * (1 - self.world.reference.rows[LEFT[name]]["growth"])


LEFT = {
    "online_persons": "online_share",
    "covered_persons": "covered_share",
    "smartphone_persons": "smartphone_share",
    "service_persons": "service_share",
}


def annuity(rate: float, years: float) -> float:
    return rate * (1 + rate) ** years / ((1 + rate) ** years - 1)


HEATED = (
    ("heat_gj", "heat_pump_share", "electricity_cny_kwh"),
    ("public_heat_gj", "public_heat_pump_share", "services_electricity_cny_kwh"),
)


def building_pv(c: City, p: Found) -> Found:
    kwh = 1e6 * p["yield_kwh_kwp"]  # of 1 GW, new
    capital = 1e9 * p["capex_cny_w"]
    yearly = capital * (annuity(p["discount_rate"], p["life_years"]) + p["upkeep_share"])
    return {
        "co2_t": -kwh * c["grid_kgco2_kwh"] / 1000,
        "resource_cny": yearly - kwh * p["avoided_cny_kwh"],
        "budget_cny": -capital * p["public_share"],
    }


def building_retrofit(c: City, p: Found) -> Found:
    saved = 0.1 * p["saving_share"] * (1 - p["rebound_share"])
    tonnes = money = capital = 0.0
    for heat, pump, price in HEATED:
        kwh = c["heat_pump_kwh_gj"]
        tonnes += saved * c[heat] * ((1 - c[pump]) * c["heat_kgco2_gj"] + c[pump] * kwh * c["grid_kgco2_kwh"]) / 1000
        money += saved * c[heat] * ((1 - c[pump]) * c["heat_cny_gj"] + c[pump] * kwh * c[price])
        capital += 0.1 * c[heat] / p["heat_gj_m2"] * p["cost_cny_m2"]
    return {
        "co2_t": -tonnes,
        "resource_cny": capital * annuity(p["discount_rate"], p["life_years"]) - money,
        "budget_cny": -capital * p["public_share"],
    }


def heat_pump(c: City, p: Found) -> Found:
    tonnes = resource = capital = 0.0
    for heat, pump, price in HEATED:
        moved = 0.1 * c[heat] * (1 - c[pump])
        tonnes += moved * (c["heat_kgco2_gj"] - c["heat_pump_kwh_gj"] * c["grid_kgco2_kwh"]) / 1000
        capital += moved * p["capex_cny_gj"]
        resource -= moved * (c["heat_cny_gj"] - c["heat_pump_kwh_gj"] * c[price])
    resource += capital * annuity(p["discount_rate"], p["life_years"])
    return {"co2_t": -tonnes, "resource_cny": resource, "budget_cny": -capital * p["public_share"]}


def storage(c: City, p: Found) -> Found:
    moved = c["electricity_kwh"] * c["peak_share"] * 0.1
    lost = moved * (1 / p["round_trip_share"] - 1)
    capital = moved / 365 * p["battery_cny_kwh"]
    spared = moved / 365 / p["peak_hours"] * p["capacity_cny_kw"]
    yearly = capital * annuity(p["discount_rate"], p["life_years"])
    return {
        "co2_t": lost * c["grid_kgco2_kwh"] / 1000,
        "resource_cny": yearly + lost * p["avoided_cny_kwh"] - spared,
        "budget_cny": -capital * p["public_share"],
    }


def tiered_tariff(c: City, p: Found) -> Found:
    tonnes = saved = paid = 0.0
    for tier in (2, 3):
        kwh, surcharge = c.sum("electricity_kwh", pl.col("electricity_tier") == tier), p[f"tier_{tier}_cny_kwh"]
        given_up = 1 - (1 + surcharge / (p["tier_1_cny_kwh"] + surcharge)) ** p["elasticity"]  # twice the surcharge
        tonnes += kwh * given_up * c["grid_kgco2_kwh"] / 1000
        saved += kwh * given_up * (p["tier_1_cny_kwh"] + surcharge)
        paid += kwh * max(p["above_share"] - given_up, 0.0) * surcharge
    return {"co2_t": -tonnes, "resource_cny": -saved, "household_cny": saved - paid, "firm_cny": paid}


def datacentre_efficiency(c: City, p: Found) -> Found:
    kwh = c["datacentre_it_kwh"] * p["compliance_share"] * (c["datacentre_pue"] - 1.2)
    return {
        "co2_t": -kwh * c["grid_kgco2_kwh"] / 1000,
        "resource_cny": kwh * (p["cost_cny_kwh"] - c["services_electricity_cny_kwh"]),
    }


def ets_cap(c: City, p: Found) -> Found:
    cut = c["industry_co2_t"] - 8e6
    price = p["slope_cny_t"] * cut / c["industry_co2_t"]
    return {
        "co2_t": -cut,
        "resource_cny": cut * price / 2,
        "budget_cny": 8e6 * p["auction_share"] * min(max(price, 20.0), 150.0),
    }


def carbon_price(c: City, p: Found) -> Found:
    """Of 100 CNY/t, 0.1 CNY/kg."""
    grid = c["grid_kgco2_kwh"]
    homes = (1 + 0.1 * grid * p["electricity_pass_share"] / c["electricity_cny_kwh"]) ** p["electricity_elasticity"]
    offices = (1 + 0.1 * grid * p["electricity_pass_share"] / c["services_electricity_cny_kwh"]) ** p[
        "electricity_elasticity"
    ]
    petrol = (1 + 0.1 * c["petrol_kgco2_km"] * p["petrol_pass_share"] / c["petrol_cny_km"]) ** p["petrol_elasticity"]
    heat = (1 + 0.1 * c["heat_kgco2_gj"] * p["heat_pass_share"] / c["heat_cny_gj"]) ** p["heat_elasticity"]
    industry = math.exp(-100 * p["industry_response"])
    petrol_km, burnt = c["car_km"] * (1 - c["ev_share"]), c["heat_gj"] * (1 - c["heat_pump_share"])
    kwh = c["electricity_kwh"] * (1 - homes) + c["services_electricity_kwh"] * (1 - offices)
    kg = kwh * grid + petrol_km * (1 - petrol) * c["petrol_kgco2_km"] + burnt * (1 - heat) * c["heat_kgco2_gj"]
    tonnes = kg / 1000 + c["industry_co2_t"] * (1 - industry)
    saved = (
        c["electricity_kwh"] * (1 - homes) * c["electricity_cny_kwh"]
        + c["services_electricity_kwh"] * (1 - offices) * c["services_electricity_cny_kwh"]
        + petrol_km * (1 - petrol) * (c["petrol_cny_km"] - c["petrol_tax_cny_km"])
        + burnt * (1 - heat) * c["heat_cny_gj"]
    )
    cars = c["car_km"] * c["ev_share"] * c["ev_kwh_km"]
    pumps = c["heat_gj"] * c["heat_pump_share"] * c["heat_pump_kwh_gj"]
    left = (c["electricity_kwh"] * homes + c["services_electricity_kwh"] * offices + cars + pumps) * grid
    left += petrol_km * petrol * c["petrol_kgco2_km"] + burnt * heat * c["heat_kgco2_gj"]
    taken = left / 1000 * 100 + c["industry_co2_t"] * industry * 100
    tax = petrol_km * (1 - petrol) * c["petrol_tax_cny_km"]
    return {
        "co2_t": -tonnes,
        "resource_cny": -saved + c["industry_co2_t"] * (1 - industry) * 50,
        "budget_cny": taken - tax,
    }


def _instead(c: City, p: Found, saved_near: float, saved_far: float) -> Found:
    """Return what kilometres not driven spare, and what the rides instead take."""
    trips = [km / p["trip_km"] * p["transit_share"] for km in (saved_near, saved_far)]
    saved = saved_near + saved_far
    petrol, kwh = saved * (1 - c["ev_share"]), saved * c["ev_share"] * c["ev_kwh_km"]
    kg = petrol * c["petrol_kgco2_km"] + kwh * c["grid_kgco2_kwh"]
    kg -= trips[0] * c["metro_kwh_trip"] * c["grid_kgco2_kwh"] + trips[1] * c["bus_kgco2_trip"]
    fares = trips[0] * c["metro_fare_cny"] + trips[1] * c["bus_fare_cny"]
    spared = petrol * (c["petrol_cny_km"] - c["petrol_tax_cny_km"]) + kwh * c["electricity_cny_kwh"]
    return {
        "co2_t": -kg / 1000,
        "resource_cny": -spared,
        "budget_cny": fares - petrol * c["petrol_tax_cny_km"],
        "household_cny": spared + petrol * c["petrol_tax_cny_km"] - fares,
    }


def driving_restriction(c: City, p: Found) -> Found:
    """Of one day more, in its first year: 0.75 / 5 is less than the published 0.21."""
    tau, lasts = p["fade_years"], p["lasting_share"]
    part = min(p["effect_share"], p["weekday_share"] / 5) * (lasts + (1 - lasts) * tau * (1 - math.exp(-1 / tau)))
    return _instead(c, p, c.sum("car_km", NEAR) * part, c.sum("car_km", ~NEAR) * part)


def congestion_charge(c: City, p: Found) -> Found:
    """Of 20 CNY a trip."""
    inside = p["cordon_share"] * (1 + p["decile_tilt"] * (pl.col("income_decile") - 5.5) / 4.5)
    part = 1 - (1 + 20 / p["trip_cost_cny"]) ** p["elasticity"]
    near, far = (c.sum("car_km", where, inside) for where in (NEAR, ~NEAR))
    found = _instead(c, p, near * part, far * part)
    paid = (near + far) * (1 - part) / p["trip_km"] * 20
    found["budget_cny"] += paid * (1 - p["running_share"])
    found["household_cny"] -= paid
    found["resource_cny"] += paid * p["running_share"]
    return found


def inclusive_incentive(c: City, p: Found) -> Found:
    """Of 0.5 CNY a trip, less than both fares."""
    reach = pl.col("smartphone_share") * p["enrolled_share"]
    # Those without a phone in the base year are fewer by their rate a year later
    rest = 1 - c.world.reference.rows["smartphone_share"]["growth"]
    table = c.world.table.with_columns(
        smartphone_share=1 - (1 - pl.col("smartphone_persons") / pl.col("persons")) * rest
    )
    own = City(World(table, c.world.reference))
    saved = []
    for where, fare in ((NEAR, "metro_fare_cny"), (~NEAR, "bus_fare_cny")):
        ratio = 1 - 0.5 / c[fare]
        saved.append(own.sum("car_km", where, reach) * p["car_cross_elasticity"] * 2 * (1 - ratio) / (1 + ratio))
    found = _instead(c, p, *saved)
    made = sum(own.sum(name, True, reach) for name in ("metro_trips", "bus_trips", "active_trips"))
    paid = (made + sum(saved) / p["trip_km"] * p["transit_share"]) * p["recorded_share"] * 0.5
    found["budget_cny"] -= paid * (1 + p["running_share"])
    found["household_cny"] += paid
    found["resource_cny"] += paid * p["running_share"]
    return found


def transit_fare(c: City, p: Found) -> Found:
    """Of half the fares: arc change -2/3."""
    ridden, run = 1 - p["elasticity"] * 2 / 3, 1 - p["served_share"] * p["elasticity"] * 2 / 3
    metro, bus = c["metro_trips"], c["bus_trips"]
    km = c["car_km"] * p["car_cross_elasticity"] * 2 / 3
    petrol, kwh = km * (1 - c["ev_share"]), km * c["ev_share"] * c["ev_kwh_km"]
    kg = (metro * c["metro_kwh_trip"] * c["grid_kgco2_kwh"] + bus * c["bus_kgco2_trip"]) * (run - 1)
    kg -= petrol * c["petrol_kgco2_km"] + kwh * c["grid_kgco2_kwh"]
    takings = (metro * c["metro_fare_cny"] + bus * c["bus_fare_cny"]) * (ridden / 2 - 1)
    running = (metro * p["metro_cost_cny_trip"] + bus * p["bus_cost_cny_trip"]) * (run - 1)
    spared = petrol * (c["petrol_cny_km"] - c["petrol_tax_cny_km"]) + kwh * c["electricity_cny_kwh"]
    return {
        "co2_t": kg / 1000,
        "resource_cny": running - spared,
        "budget_cny": takings - running - petrol * c["petrol_tax_cny_km"],
        "household_cny": -takings + spared + petrol * c["petrol_tax_cny_km"],
    }


def ev_adoption(c: City, p: Found) -> Found:
    """Twice the pace, half a year at the middle of the first: Bass's curve solved for the time at which it is here."""
    innovation, imitation, here = p["innovation"], p["imitation"], c["ev_share"]
    both, ratio = innovation + imitation, imitation / innovation
    time = math.log((1 + ratio * here) / (1 - here)) / both + 0.5
    more = (1 - math.exp(-both * time)) / (1 + ratio * math.exp(-both * time)) - here
    km = c["car_km"] * more
    electric = c["ev_kwh_km"] * c["electricity_cny_kwh"]
    return {
        "co2_t": -km * (c["petrol_kgco2_km"] - c["ev_kwh_km"] * c["grid_kgco2_kwh"]) / 1000,
        "resource_cny": km * (p["premium_cny_km"] + electric - c["petrol_cny_km"] + c["petrol_tax_cny_km"]),
        "budget_cny": -km * (c["petrol_tax_cny_km"] + p["premium_cny_km"] * p["public_share"]),
    }


RURAL = pl.col("adcode").cast(pl.String).is_in(["110109", "110116", "110117", "110118", "110119"])


def broadband_rollout(c: City, p: Found) -> Found:
    """To half of those left, at homes per person of their cells."""
    homes = pl.col("households") / pl.col("persons")
    cost = sum(c.without("covered_persons", where, homes) * p[f"{name}_cny_home"]
               for where, name in ((RURAL, "rural"), (~RURAL, "urban")))  # fmt: skip
    kwh = c.without("covered_persons") * 0.5 * p["kwh_person"]
    yearly = cost * 0.5 * annuity(p["discount_rate"], p["life_years"])
    return {
        "co2_t": kwh * c["grid_kgco2_kwh"] / 1000,
        "resource_cny": yearly + kwh * c["services_electricity_cny_kwh"],
        "budget_cny": -cost * 0.5 * p["public_share"],
    }


def device_subsidy(c: City, p: Found) -> Found:
    """Of half the price."""
    poor = pl.col("income_decile") <= 3
    grown_up = pl.col("age_band") > 0
    takers = {
        "elasticity_poor": c.without("smartphone_persons", poor & grown_up),
        "elasticity": c.without("smartphone_persons", ~poor & OLD),
    }
    taken = sum(n * p["full_share"] * (1 - 0.5 ** p[name]) for name, n in takers.items())
    yearly = p["device_cny"] / p["life_years"]
    return {
        "co2_t": 0.0,
        "resource_cny": taken * (1 - p["anyway_share"]) * yearly,
        "budget_cny": -taken * yearly / 2,
        "household_cny": taken * yearly / 2 - taken * (1 - p["anyway_share"]) * yearly,
    }


def digital_training(c: City, p: Found) -> Found:
    """Offered to half of the older and offline."""
    pupils = c.without("online_persons", OLD) * 0.5 * p["take_up_share"]
    cost = pupils * p["cost_cny_person"]
    return {"co2_t": 0.0, "resource_cny": cost, "budget_cny": -cost, "comfort_cny": cost / 2}


def age_friendly_services(c: City, p: Found) -> Found:
    """Half of the services."""
    cost = c.sum("persons", OLD) * p["cost_cny_person"] * 0.5
    return {"co2_t": 0.0, "resource_cny": cost, "budget_cny": -cost}


CASES: dict[Callable[[City, Found], Found], float] = {
    building_pv: 1.0,
    building_retrofit: 0.1,
    heat_pump: 0.1,
    storage: 0.1,
    tiered_tariff: 2.0,
    datacentre_efficiency: 1.2,
    ets_cap: 8.0,
    carbon_price: 100.0,
    driving_restriction: 2.0,
    congestion_charge: 20.0,
    inclusive_incentive: 0.5,
    transit_fare: 0.5,
    ev_adoption: 2.0,
    broadband_rollout: 0.5,
    device_subsidy: 0.5,
    digital_training: 0.5,
    age_friendly_services: 0.5,
}


def test_every_lever_is_here() -> None:
    assert {hand.__name__ for hand in CASES} == set(levers())


@pytest.mark.parametrize("hand", CASES, ids=lambda hand: hand.__name__)
def test_tonnes_and_money_of_the_city_are_those_of_plain_arithmetic(hand, city) -> None:
    one, value = levers()[hand.__name__], CASES[hand]
    before, state = city.state(YEAR), city.state(YEAR)
    state.previous_value = one.default
    one.apply(state, value, central_of(one.priors), 0.0)
    expected = hand(City(city), {name: values.item() for name, values in central_of(one.priors).items()})
    tonnes = sum(emissions(state).values()) - sum(emissions(before).values())
    found = {"co2_t": tonnes.item()}
    found |= {name: state.total(name).item() for name in expected if name != "co2_t"}
    # Tonnes are the difference of two levels of 1e8 t
    assert found.pop("co2_t") == pytest.approx(expected.pop("co2_t"), rel=1e-9, abs=1e-5)
    assert found == pytest.approx(expected, rel=1e-9)
