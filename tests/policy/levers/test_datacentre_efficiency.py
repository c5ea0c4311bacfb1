from __future__ import annotations

import pytest

from citylab.policy.levers.datacentre_efficiency import LEVER


def test_half_the_way_to_the_limit_saves_half_the_overhead_above_it(act) -> None:
    # 1.5 towards 1.2 by half: 1.35; 1e6 kWh of computers save 1.5e5 kWh, which cost 0.3 and would have cost 0.8 each.
    state = act(LEVER, 1.2, compliance_share=0.5, cost_cny_kwh=0.3)
    assert state["datacentre_pue"].item() == pytest.approx(1.35)
    assert state["firm_cny"].item() == pytest.approx(75_000)


def test_a_limit_above_todays_mean_does_nothing(act) -> None:
    state = act(LEVER, 1.6, compliance_share=1.0, cost_cny_kwh=0.3)
    assert (state["datacentre_pue"].item(), state["firm_cny"].item()) == (1.5, 0.0)


def test_a_limit_works_for_the_part_of_the_year_and_of_the_way(act, tiny) -> None:
    state = tiny()
    state.days_share, state.way_share = 0.5, 0.4
    act(LEVER, 1.2, state=state, compliance_share=0.5, cost_cny_kwh=0.3)
    assert state["datacentre_pue"].item() == pytest.approx(1.5 - 0.2 * 0.15)
