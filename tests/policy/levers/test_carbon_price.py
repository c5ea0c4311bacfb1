from __future__ import annotations

import pytest

from citylab.policy.levers.carbon_price import LEVER


def test_at_elasticity_minus_one_only_what_cannot_answer_costs_more(act) -> None:
    # 100 CNY/t is 0.1 CNY/kg: a kWh 0.05 dearer (a tenth), a km of petrol 0.02 (a thirtieth), a GJ 6, half of it
    # passed on (a thirtieth). At elasticity -1 each demand falls to 1/1.1 or 30/31 and what is spent on it stays. So
    # a household loses 0.05 CNY on each kWh of cars (6e6 km x 0.2 x 0.15) and of pumps (4000 and 3000 GJ x 100),
    # which do not answer.
    state = act(
        LEVER, 100.0,
        electricity_pass_share=1.0, petrol_pass_share=1.0, heat_pass_share=0.5, electricity_elasticity=-1.0,
        petrol_elasticity=-1.0, heat_elasticity=-1.0, industry_response=0.0005, triangle_share=0.5,
    )  # fmt: skip
    assert state["electricity_kwh"][0] == pytest.approx([2e6 / 1.1, 1e6 / 1.1, 1.5e6 / 1.1])
    petrol = 4.8e6 * 30 / 31
    assert state["car_km"][0] == pytest.approx([petrol + 1.2e6, 0, 3e6 * 30 / 31])
    electric = 1.2e6 / (petrol + 1.2e6)
    assert state["ev_share"][0] == pytest.approx([electric, electric, 0.0])
    assert state["heat_gj"][0] == pytest.approx([1e4 * 30 / 31, 4000 + 4000 * 30 / 31, 3000 + 9000 * 30 / 31])
    assert state["household_cny"][0] == pytest.approx([-180_000 * 0.05, -4e5 * 0.05, -3e5 * 0.05], abs=1e-6)
    assert state["industry_co2_t"].item() == pytest.approx(1e7 * 0.951229424500714)  # exp(-0.05)
    # What is given up, 1/11 and 1/31 of it, was worth the old price and half the rise: 0.525, 0.61 and 91.5 CNY. To
    # firms 1/17 of 1e7 kWh at 0.8 + 0.025.
    assert -state["comfort_cny"][0] == pytest.approx(
        [
            2e6 / 11 * 0.525 + 4.8e6 / 31 * 0.61 + 1e4 / 31 * 91.5,
            1e6 / 11 * 0.525 + 4000 / 31 * 91.5,
            1.5e6 / 11 * 0.525 + 3e6 / 31 * 0.61 + 9000 / 31 * 91.5,
        ]
    )
    assert state["firm_comfort_cny"].item() == pytest.approx(-1e7 / 17 * 0.825)


def test_what_is_not_passed_on_is_paid_by_firms(act) -> None:
    none = act(
        LEVER, 100.0,
        electricity_pass_share=0.0, petrol_pass_share=0.0, heat_pass_share=0.0, electricity_elasticity=-1.0,
        petrol_elasticity=-1.0, heat_elasticity=-1.0, industry_response=0.0, triangle_share=0.5,
    )  # fmt: skip
    # Homes: 4.5e6 kWh, 1.8e5 of cars, 7e5 of pumps at 0.05; 7.8e6 km of petrol at 0.02; 23 000 GJ burnt at 6;
    # industry 1e9; services 1e7 kWh at 0.05.
    paid = 5.38e6 * 0.05 + 7.8e6 * 0.02 + 23_000 * 6 + 1e9 + 5e5
    assert none["household_cny"][0] == pytest.approx([0, 0, 0], abs=1e-9)
    assert none["firm_cny"].item() == pytest.approx(-paid)
    assert none["budget_cny"].item() == pytest.approx(paid)


def test_what_a_small_price_takes_is_the_area_beside_the_demand_curve(act, tiny) -> None:
    # Second cell without pumps: 1e6 kWh at 0.5 CNY answer with elasticity -0.5, 0.0005 CNY dearer for each CNY/t. The
    # area is the integral of 1e6 (p / 0.5) ** -0.5 over p; the rule of half misses it in the third order.
    def missed(price: float) -> float:
        state = act(
            LEVER, price, state=tiny(heat_pump_share=[0, 0, 0]),
            electricity_pass_share=1.0, petrol_pass_share=0.0, heat_pass_share=0.0, electricity_elasticity=-0.5,
            petrol_elasticity=-0.5, heat_elasticity=-0.5, industry_response=0.0, triangle_share=0.5,
        )  # fmt: skip
        area = 1e6 * 0.5 * 2 * ((1 + price * 0.001) ** 0.5 - 1)
        lost = -(state["household_cny"] + state["comfort_cny"])[0, 1]
        assert lost == pytest.approx(area, rel=(price * 0.001) ** 2)
        return lost - area

    assert missed(40.0) / missed(20.0) == pytest.approx(8, rel=0.1)
