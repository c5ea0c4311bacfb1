from __future__ import annotations

import pytest

from citylab.policy.levers.device_subsidy import LEVER

DRAW = { "elasticity": 0.5, "elasticity_poor": 1.0, "full_share": 0.4, "anyway_share": 0.25,
        "use_share": 0.6, "service_share": 0.5, "device_cny": 900.0, "life_years": 3.0}  # fmt: skip


def test_half_the_price_reaches_the_poor_and_old_without_a_phone_only(act) -> None:
    # 700 without; 0.4 x (1 - 0.5) take one: 140, of whom 105 are new. 0.8 of them were offline:
    # 105 x 0.8 x 0.6 = 50.4 join, half of these do services.
    state = act(LEVER, 0.5, **DRAW)
    assert state["smartphone_persons"][0] == pytest.approx([1000, 405, 950])
    assert state["online_persons"][0] == pytest.approx([1000, 250.4, 900])
    assert state["service_persons"][0] == pytest.approx([800, 75.2, 600])
    # 300 CNY a year each: half of 140 from the purse; 105 new phones are used up.
    assert state["budget_cny"].item() == pytest.approx(-21_000)
    assert state["resource_cny"].item() == pytest.approx(31_500)
    assert state["household_cny"][0] == pytest.approx([0, 21_000 - 31_500, 0])
    # Who takes one at 150 and not at 300 a year values it at 225 on average.
    assert state["comfort_cny"][0] == pytest.approx([0, 105 * 225, 0])


def test_nobody_new_comes_online_when_all_are(act, tiny) -> None:
    state = act(LEVER, 1.0, state=tiny(online_persons=[1000, 1000, 1000]), **DRAW)
    assert state["online_persons"].tolist() == [[1000, 1000, 1000]]
