"""Twelve rules of Beijing in policyengine-core, which ``benchmarks.microsimulation`` runs in the peer's interpreter.

Argument: a folder with ``persons.parquet``, ``households.parquet`` and ``law.json``. Prints seconds on the clock, CPU
seconds, the peak of memory in GB and the sums by group, for two simulations, as JSON. Numbers are handed over as plain
constants, which spares the peer its tree of parameters.
"""

from __future__ import annotations

import json
import resource
import sys
import time

import numpy as np
import pyarrow.parquet as pq
from policyengine_core.entities import build_entity
from policyengine_core.periods import YEAR
from policyengine_core.simulations import SimulationBuilder
from policyengine_core.taxbenefitsystems import TaxBenefitSystem
from policyengine_core.variables import Variable

PERIOD = "2025"
Household = build_entity(key="household", plural="households", label="Household", roles=[
    {"key": "member", "plural": "members", "label": "Member"}])  # fmt: skip
Person = build_entity(key="person", plural="persons", label="Person", is_person=True)
PERSON_INPUTS = ("wage_cny", "pension_cny", "age_years", "is_under_18", "is_60_plus")
HOUSEHOLD_INPUTS = ("earner_count", "household_size_persons", "electricity_kwh")


def scale(brackets):
    """Return a marginal scale."""
    edges = sorted((float(t), r) for t, r in brackets.items())

    def due(amount):
        out, before = np.zeros(len(amount)), 0.0
        for threshold, rate in edges:
            out += (rate - before) * np.maximum(amount - threshold, 0)
            before = rate
        return out

    return due


def variable(name, entity, formula=None):
    """Return a class of a variable as the peer wants it."""
    body = {"value_type": float, "entity": entity, "definition_period": YEAR, "label": name}
    if formula is not None:
        body["formula"] = formula
    return type(name, (Variable,), body)


def system(p):
    """Return the twelve rules under a law."""
    tax, tariff = scale(p["income_tax"]), scale(p["electricity_tariff"])

    def base(person, period):
        wage = person("wage_cny", period)
        return np.where(wage > 0, np.clip(wage, p["base_floor_cny"], p["base_ceiling_cny"]), 0.0)

    def contributions(person, period):
        names = ("pension_contribution_cny", "unemployment_contribution_cny", "medical_contribution_cny")
        return sum(person(n, period) for n in (*names, "housing_fund_cny"))

    def medical(person, period, parameters=None):
        return p["medical_rate"] * base(person, period) + p["medical_fixed_cny"] * (person("wage_cny", period) > 0)

    def taxable(person, period, parameters=None):
        earners = np.maximum(person.household("earner_count", period), 1)
        family = person.household("family_deduction_cny", period)
        wage = person("wage_cny", period)
        return np.maximum(wage - p["basic_deduction_cny"] - contributions(person, period) - family / earners, 0.0)

    def old_age(person, period, parameters=None):
        age = person("age_years", period)
        due = np.where(age >= 80, p["allowance_80_cny"], 0.0)
        due = np.where(age >= 90, p["allowance_90_cny"], due)
        return np.where(age >= 100, p["allowance_100_cny"], due)

    def net(household, period, parameters=None):
        members = household.members
        own = members("wage_cny", period) + members("pension_cny", period) - contributions(members, period)
        return household.sum(own - members("income_tax_cny", period))

    def family(household, period, parameters=None):
        children = household.sum(household.members("is_under_18", period))
        elders = household.sum(household.members("is_60_plus", period))
        between = household("household_size_persons", period) - children - elders
        return p["child_deduction_cny"] * children + p["elder_deduction_cny"] * ((elders > 0) & (between > 0))

    def minimum(household, period, parameters=None):
        size = household("household_size_persons", period)
        return np.maximum(p["minimum_income_cny"] * size - household("net_income_cny", period), 0.0)

    def disposable(household, period, parameters=None):
        allowance = household.sum(household.members("old_age_allowance_cny", period))
        got = household("net_income_cny", period) + allowance + household("minimum_living_cny", period)
        return got - household("electricity_bill_cny", period)

    made = TaxBenefitSystem([Household, Person])
    made.add_variables(
        *(variable(n, Person) for n in PERSON_INPUTS),
        *(variable(n, Household) for n in HOUSEHOLD_INPUTS),
        variable("pension_contribution_cny", Person,
                 lambda x, period, parameters=None: p["pension_rate"] * base(x, period)),
        variable("unemployment_contribution_cny", Person,
                 lambda x, period, parameters=None: p["unemployment_rate"] * base(x, period)),
        variable("medical_contribution_cny", Person, medical),
        variable("housing_fund_cny", Person, lambda x, period, parameters=None: p["fund_rate"]
                 * np.minimum(x("wage_cny", period), p["base_ceiling_cny"])),
        variable("family_deduction_cny", Household, family),
        variable("taxable_income_cny", Person, taxable),
        variable("income_tax_cny", Person, lambda x, period, parameters=None: tax(x("taxable_income_cny", period))),
        variable("old_age_allowance_cny", Person, old_age),
        variable("net_income_cny", Household, net),
        variable("minimum_living_cny", Household, minimum),
        variable("electricity_bill_cny", Household,
                 lambda x, period, parameters=None: tariff(x("electricity_kwh", period))),
        variable("disposable_income_cny", Household, disposable),
    )  # fmt: skip
    return made


def main():
    """Run both laws and print what was asked for."""
    folder = sys.argv[1]
    persons = pq.read_table(f"{folder}/persons.parquet")
    households = pq.read_table(f"{folder}/households.parquet")
    with open(f"{folder}/law.json", encoding="utf-8") as file:
        told = json.load(file)
    people = {n: persons[n].to_numpy().astype(np.float32) for n in PERSON_INPUTS}
    homes = {n: households[n].to_numpy().astype(np.float32) for n in HOUSEHOLD_INPUTS}
    links = persons["household_row"].to_numpy()
    code = persons["group"].to_numpy()
    heads = code[np.flatnonzero(np.diff(links, prepend=-1))]
    wall, cpu = time.perf_counter(), time.process_time()
    sums = []
    for law in told["laws"]:
        builder = SimulationBuilder()
        made = system(law)
        builder.create_entities(made)
        builder.declare_person_entity("person", np.arange(persons.num_rows))
        entity = builder.declare_entity("household", np.arange(households.num_rows))
        builder.join_with_persons(entity, links, roles=np.full(persons.num_rows, "member"))
        simulation = builder.build(made)
        for name, column in {**people, **homes}.items():
            simulation.set_input(name, PERIOD, column)
        for name in told["wanted"]:
            values = np.asarray(simulation.calculate(name, PERIOD), dtype=np.float64)
            sums.append(
                np.bincount(code if len(values) == len(code) else heads, values, minlength=told["groups"]).tolist()
            )
    elapsed = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"wall_s": elapsed[0], "cpu_s": elapsed[1], "peak_gb": peak, "sums": sums}))


if __name__ == "__main__":
    main()
