from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from citylab.errors import RangeError
from citylab.policy.factored import Cells, Space
from citylab.policy.levers import Lever, levers
from citylab.policy.levers.base import STAGES, central_of, draw_of
from citylab.policy.state import NAMES, State, emissions

DRAWS = 64
ALL = tuple(levers().values())
MONEY = ("household_cny", "budget_cny", "firm_cny", "resource_cny")
PARTS_OF_PERSONS = ("online_persons", "smartphone_persons", "covered_persons", "service_persons")

# What each lever is for: the name of the state that its value moves, and where to.
DIRECTIONS = {
    "age_friendly_services": ("service_persons", 1),
    "broadband_rollout": ("covered_persons", 1),
    "building_retrofit": ("heat_gj", -1),
    "carbon_price": ("industry_co2_t", -1),
    "congestion_charge": ("car_km", -1),
    "datacentre_efficiency": ("datacentre_pue", 1),
    "device_subsidy": ("smartphone_persons", 1),
    "driving_restriction": ("car_km", -1),
    "ets_cap": ("industry_co2_t", 1),
    "ev_adoption": ("ev_share", 1),
    "heat_pump": ("heat_pump_share", 1),
    "inclusive_incentive": ("car_km", -1),
    "storage": ("peak_share", -1),
    "tiered_tariff": ("electricity_kwh", -1),
}


def applied(lever: Lever, state: State, value: float, years: float = 0.0, *, previous: float | None = None) -> State:
    draw, _ = draw_of(lever.priors, 7, 0, state.draws)
    state.previous_value = lever.default if previous is None else previous
    lever.apply(state, value, draw, years)
    return state


def steps(lever: Lever) -> list[float]:
    return [lever.low + (lever.high - lever.low) * k / 8 for k in range(9)]


@pytest.mark.parametrize("lever", ALL, ids=lambda x: x.id)
@pytest.mark.parametrize("years", [0.0, 3.0])
def test_at_its_default_a_lever_changes_nothing_at_all(lever: Lever, years: float, tiny) -> None:
    state, before = applied(lever, tiny(DRAWS), lever.default, years), tiny(DRAWS)
    for name in NAMES:
        assert np.array_equal(*np.broadcast_arrays(state[name], before[name])), name


@pytest.mark.parametrize("lever", ALL, ids=lambda x: x.id)
def test_what_somebody_gains_another_pays_or_is_used_up(lever: Lever, tiny) -> None:
    for value in steps(lever):
        state = applied(lever, tiny(DRAWS), value, 2.0)
        flows = [state[name].sum(axis=1) for name in MONEY]
        assert np.all(np.abs(sum(flows)) <= 1e-9 * np.maximum(sum(map(np.abs, flows)), 1.0)), value


# Levers by which people or firms use more or less than they would at the old price or without being kept from it. The
# others change who delivers the same: their gain is in money alone.
IN_KIND = {
    "building_retrofit", "carbon_price", "congestion_charge", "device_subsidy", "digital_training",
    "driving_restriction", "inclusive_incentive", "tiered_tariff", "transit_fare",
}  # fmt: skip


def test_efficiency_and_supply_take_no_comfort() -> None:
    assert {x.id for x in ALL if "comfort_cny" in x.touches} == IN_KIND


def ends(lever: Lever) -> list[float]:
    return [v for v in steps(lever) if v != lever.default]


@pytest.mark.parametrize("lever", [levers()[i] for i in sorted(IN_KIND - {"building_retrofit"})], ids=lambda x: x.id)
def test_without_taxes_and_side_effects_society_pays_for_a_price_in_every_draw(lever: Lever, tiny) -> None:
    # Fuel without taxes, rides at what they cost, and nothing harmful in the model of money: there is nothing to mend,
    # so that to bend what people choose can only cost. Less of a restriction or of a surcharge that is there mends.
    fares = {"metro_fare_cny": 1e-9, "bus_fare_cny": 1e-9}
    served: dict[str, np.ndarray] = {}
    if lever.id == "transit_fare":
        fares = {"metro_fare_cny": 5.0, "bus_fare_cny": 5.0}
        served = {n: np.full((1, 1), v) for n, v in (("served_share", 1.0), ("metro_cost_cny_trip", 5.0),
                                                     ("bus_cost_cny_trip", 5.0))}  # fmt: skip
    for value in ends(lever):
        if lever.id == "driving_restriction" and value < lever.default:
            continue
        state = tiny(DRAWS, petrol_tax_cny_km=0.0, **fares)
        draw, _ = draw_of(lever.priors, 7, 0, DRAWS)
        state.previous_value = lever.default
        lever.apply(state, value, {**draw, **served}, 1.0)
        cost = state["resource_cny"] - state.total("comfort_cny") - state["firm_comfort_cny"]
        assert np.all(cost > -1e-9 * np.abs(state["resource_cny"])), value
        assert np.any(cost > 0), value


@pytest.mark.parametrize(
    ("name", "use", "price"),
    [("transit_fare", ("metro_trips", "bus_trips"), ("metro_fare_cny", "bus_fare_cny"))],
)
def test_what_riders_gain_lies_between_the_change_of_price_on_old_and_on_new_use(name, use, price, tiny) -> None:
    lever, before = levers()[name], tiny()
    for value in ends(lever):
        state = applied(lever, tiny(DRAWS), value)
        gained = state["household_cny"] + state["comfort_cny"]
        old = sum(before[u] * before[p] * (1 - value) for u, p in zip(use, price, strict=True))
        new = sum(state[u] * before[p] * (1 - value) for u, p in zip(use, price, strict=True))
        assert np.all(gained >= np.minimum(old, new) - 1e-6)
        assert np.all(gained <= np.maximum(old, new) + 1e-6)


def test_what_a_carbon_price_takes_lies_between_the_price_on_new_and_on_old_emissions(tiny) -> None:
    lever, before = levers()["carbon_price"], tiny()
    draw, _ = draw_of(lever.priors, 7, 0, DRAWS)

    def charged(state: State) -> np.ndarray:
        km, heat, electric = (state[n] for n in ("car_km", "heat_gj", "electricity_kwh"))
        kwh = electric + km * state["ev_share"] * 0.15 + heat * state["heat_pump_share"] * 100
        kg = kwh * 0.5 * draw["electricity_pass_share"] + km * (1 - state["ev_share"]) * 0.2 * draw["petrol_pass_share"]
        return (kg + heat * (1 - state["heat_pump_share"]) * 60 * draw["heat_pass_share"]) / 1000

    for value in ends(lever):
        state = applied(lever, tiny(DRAWS), value)
        lost = -(state["household_cny"] + state["comfort_cny"])
        assert np.all(lost >= value * charged(state) * (1 - 1e-9))
        assert np.all(lost <= value * charged(before) * (1 + 1e-9))


@pytest.mark.parametrize("name", ["inclusive_incentive", "device_subsidy", "digital_training"])
def test_who_takes_an_offer_is_never_worse_off_nor_better_by_more_than_it_costs_the_purse(name: str, tiny) -> None:
    lever = levers()[name]
    for value in ends(lever):
        state = applied(lever, tiny(DRAWS), value, 2.0)
        gained = state["household_cny"] + state["comfort_cny"]
        assert np.all(gained >= -1e-6)
        # Fares that the purse gains are at most 5 CNY for 8 km or more
        taxes_and_fares = np.abs(state["car_km"] - tiny()["car_km"]).sum(axis=1, keepdims=True)
        assert np.all(state.sum(gained) <= -state["budget_cny"] + taxes_and_fares)


@pytest.mark.parametrize("lever", ALL, ids=lambda x: x.id)
def test_no_amount_is_negative_and_no_share_leaves_zero_to_one(lever: Lever, tiny) -> None:
    for value in steps(lever):
        for years in (0.0, 9.0):
            state = applied(lever, tiny(DRAWS), value, years)
            for name, side in NAMES.items():
                if side not in ("money", "kind"):
                    assert np.all(np.isfinite(state[name])), name
                    assert np.all(state[name] >= 0.0), (name, value)
                if name.endswith("_share"):
                    assert np.all(state[name] <= 1 + 1e-12), (name, value)
            for name in PARTS_OF_PERSONS:
                assert np.all(state[name] <= state["persons"] * (1 + 1e-12)), (name, value)
            assert np.all(state["service_persons"] <= state["online_persons"] * (1 + 1e-12))


@pytest.mark.parametrize("lever", ALL, ids=lambda x: x.id)
def test_a_lever_touches_what_it_declares_and_nothing_else(lever: Lever, tiny) -> None:
    before = tiny(DRAWS)
    touched = set()
    for value in steps(lever):
        state = applied(lever, tiny(DRAWS), value, 1.0)
        touched |= {n for n in NAMES if not np.array_equal(*np.broadcast_arrays(state[n], before[n]))}
    assert touched == set(lever.touches)


@pytest.mark.parametrize("lever", ALL, ids=lambda x: x.id)
def test_cutting_a_cell_into_like_halves_changes_no_total(lever: Lever, tiny) -> None:
    whole = applied(lever, tiny(DRAWS), lever.high if lever.default != lever.high else lever.low, 1.0)
    halves = applied(lever, tiny(DRAWS, repeat=2), lever.high if lever.default != lever.high else lever.low, 1.0)
    for name, side in NAMES.items():
        if name.endswith("_share") and side == "people":
            assert halves[name][:, ::2] == pytest.approx(whole[name], rel=1e-9)
        else:
            # A difference of large sums keeps the error of the sums.
            assert halves[name].sum(axis=1) == pytest.approx(whole[name].sum(axis=1), rel=1e-9, abs=1e-5)


@pytest.mark.parametrize("lever", ALL, ids=lambda x: x.id)
def test_coefficients_on_vectors_of_cells_give_what_arrays_of_draws_by_cells_give(lever: Lever, tiny) -> None:
    plain = tiny(DRAWS)
    space = Space({name: plain[name][0] for name, side in NAMES.items() if side == "people"})
    people = {name: space.array(name) for name in space.base}
    cells = {name: Cells.of(values, space) for name, values in plain.cells.items()}
    city = {name: plain[name] for name, side in NAMES.items() if side in ("city", "factor")}
    for value in (lever.low, lever.high):
        told = applied(lever, tiny(DRAWS), value, 1.0)
        state = applied(lever, State(plain.year, cells, people, city, draws=DRAWS, space=space), value, 1.0)
        for name in NAMES:
            small = 1e-9 * np.abs(told[name]).max()
            assert np.asarray(state[name]) + 0 * told[name] == pytest.approx(told[name], rel=1e-9, abs=small), name


@pytest.mark.parametrize("lever", [levers()[i] for i in DIRECTIONS], ids=lambda x: x.id)
def test_more_of_a_lever_does_more_of_what_it_is_for(lever: Lever, tiny) -> None:
    name, sign = DIRECTIONS[lever.id]
    path = np.concatenate([applied(lever, tiny(DRAWS), v)[name].sum(axis=1, keepdims=True) + np.zeros((DRAWS, 1))
                           for v in steps(lever)], axis=1)  # fmt: skip
    moves = np.diff(path, axis=1) * sign
    assert np.all(moves >= -1e-9 * np.abs(path[:, :-1]))
    assert np.all(path[:, -1] * sign > path[:, 0] * sign)


@pytest.mark.parametrize("lever", ALL, ids=lambda x: x.id)
def test_a_lever_uses_each_of_its_priors_and_refuses_what_is_out_of_bounds(lever: Lever, tiny) -> None:
    asked = set()

    class Watched(dict):
        def __getitem__(self, key):
            asked.add(key)
            return super().__getitem__(key)

    lever.apply(tiny(), lever.low if lever.default != lever.low else lever.high, Watched(central_of(lever.priors)), 1.0)
    assert asked == {p.parameter for p in lever.priors}
    for beyond in (lever.low - lever.step, lever.high + lever.step, float("nan")):
        with pytest.raises(RangeError, match=lever.id):
            lever.check(beyond)


@pytest.mark.parametrize("lever", ALL, ids=lambda x: x.id)
def test_an_enacted_value_in_the_levers_unit_lies_within_its_bounds_and_names_its_reference(lever: Lever) -> None:
    assert lever.enacted, "what was enacted, or that nothing was set"
    for enacted in lever.enacted:
        assert enacted.source
        assert enacted.to_date is None or enacted.from_date <= enacted.to_date
        if enacted.unit == lever.unit:
            lever.check(enacted.value)
        else:
            assert "own currency" in enacted.source


@pytest.mark.parametrize("lever", ALL, ids=lambda x: x.id)
def test_a_prior_says_where_it_is_from_and_no_assumption_is_called_verified(lever: Lever) -> None:
    assert lever.priors
    for prior in lever.priors:
        assert prior.source and prior.edition
        assert prior.mark in ("verified", "secondary", "from memory")
        assert not (prior.mark == "verified" and "assumption" in prior.source)


def test_all_levers_at_their_ends_leave_no_sector_below_zero_and_money_whole(tiny) -> None:
    for end in ("low", "high"):
        state, before = tiny(DRAWS), tiny(DRAWS)
        for lever in ALL:
            applied(lever, state, getattr(lever, end), 4.0)
        for sector, tonnes in emissions(state).items():
            assert np.all(tonnes >= 0), (end, sector)
        against = emissions(before)
        assert all(np.all(tonnes >= 0) for tonnes in against.values())
        flows = [state[name].sum(axis=1) for name in MONEY]
        assert np.all(np.abs(sum(flows)) <= 1e-9 * sum(map(np.abs, flows)))


@pytest.mark.parametrize("stage", STAGES)
def test_inside_a_stage_the_order_is_no_matter_for_tonnes(stage: str, tiny) -> None:
    # Fares are the exception: by the order of names they come last and act on trips that others turned to transit. How
    # many trips these are depends in turn on who takes a kilometre first, as levers differ in the length of a trip.
    assert [x.id for x in ALL if x.stage == "demand"][-1] == "transit_fare"
    members = [x for x in ALL if x.stage == stage and x.id != "transit_fare"]
    told = []
    for order in list(permutations(members))[:6]:
        state = tiny(DRAWS)
        for lever in order:
            applied(lever, state, lever.high if lever.default != lever.high else lever.low, 1.0)
        tonnes = emissions(state)
        told.append(
            np.hstack([tonnes[s] + np.zeros((DRAWS, 1)) for s in tonnes if (stage, s) != ("demand", "transit")])
        )
    for other in told[1:]:
        assert other == pytest.approx(told[0], rel=1e-9)


def test_levers_on_one_quantity_multiply(tiny) -> None:
    def left(*ids: str) -> np.ndarray:
        state = tiny(DRAWS)
        for i in ids:
            applied(levers()[i], state, levers()[i].high, 1.0)
        return state["car_km"][:, :1] / tiny(DRAWS)["car_km"][:, :1]

    both = left("congestion_charge", "driving_restriction", "inclusive_incentive")
    alone = left("congestion_charge") * left("driving_restriction") * left("inclusive_incentive")
    assert both == pytest.approx(alone, rel=1e-12)


def test_a_price_inside_a_cap_that_binds_saves_no_tonne_more_in_industry(tiny) -> None:
    capped = applied(levers()["ets_cap"], tiny(DRAWS), 5.0)
    priced = tiny(DRAWS)
    applied(levers()["carbon_price"], priced, 100.0)
    assert np.all(priced["industry_co2_t"] < tiny()["industry_co2_t"]), "alone the price works"
    assert np.all(priced["industry_co2_t"] > 5e6), "and the cap still binds under it"
    both = applied(levers()["ets_cap"], priced, 5.0)
    assert np.array_equal(emissions(both)["industry"] - emissions(priced)["industry"], np.zeros((DRAWS, 1)))
    assert np.array_equal(both["industry_co2_t"], capped["industry_co2_t"] + np.zeros((DRAWS, 1)))
    assert all(zh and en and zh != en for one in levers().values() for zh, en in one.joint.values())
    assert "ets_cap" in levers()["carbon_price"].joint
    assert "carbon_price" in levers()["ets_cap"].joint


def test_credits_are_no_tonnes_beyond_the_kilometres(tiny) -> None:
    state = applied(levers()["inclusive_incentive"], tiny(DRAWS), 1.0)
    before, after = emissions(tiny(DRAWS)), emissions(state)
    km = tiny()["car_km"] - state["car_km"]
    # The first cell: 80 % petrol at 0.2 kg/km and 20 % electric at 0.15 kWh/km and 0.5 kg/kWh; the third: petrol.
    kg = km[:, 0] * (0.8 * 0.2 + 0.2 * 0.15 * 0.5) + km[:, 2] * 0.2
    assert (before["road_passenger"] - after["road_passenger"])[:, 0] == pytest.approx(kg / 1000, rel=1e-6)
    assert {s for s in before if not np.array_equal(before[s] + 0 * after[s], after[s] + 0 * before[s])} == {
        "road_passenger",
        "transit",
    }
