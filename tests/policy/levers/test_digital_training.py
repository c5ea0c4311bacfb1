from __future__ import annotations

import pytest

from citylab.policy.levers.digital_training import LEVER


def test_a_free_course_is_worth_half_its_cost_to_those_who_come(act) -> None:
    # 800 older people offline, half are offered a course, 0.25 of these come: 100 pupils at 600 CNY.
    state = act(LEVER, 0.5, take_up_share=0.25, completion_share=0.8, retention_share=0.5, service_share=0.5,
                cost_cny_person=600.0)  # fmt: skip
    assert state["online_persons"][0] == pytest.approx([1000, 240, 900])
    assert state["budget_cny"].item() == pytest.approx(-60_000)
    assert state["household_cny"].tolist() == [[0.0, 0.0, 0.0]]
    assert state["comfort_cny"][0] == pytest.approx([0, 30_000, 0])
