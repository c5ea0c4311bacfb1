from __future__ import annotations

import pytest

from citylab.policy.levers.age_friendly_services import LEVER


def test_older_people_online_begin_and_those_offline_are_not_reached(act, tiny) -> None:
    # 200 online less 50 who do already: 150 x 0.2 x 0.5; 1000 older people at 20 CNY, half the services.
    state = act(LEVER, 0.5, begin_share=0.2, cost_cny_person=20.0)
    assert state["service_persons"][0] == pytest.approx([800, 65, 600])
    assert state["online_persons"].tolist() == tiny()["online_persons"].tolist()
    assert state["budget_cny"].item() == pytest.approx(-10_000)
