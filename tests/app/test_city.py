from __future__ import annotations

import pytest

from citylab.app import city
from citylab.viz import maps

DONGSI = (116.417, 39.929)
IN_THE_SEA = (122.0, 38.0)


@pytest.mark.parametrize("before", ["", "110101", "110108"])
def test_a_tap_chooses_the_district_there_a_second_one_none_and_one_beside_all_changes_nothing(before: str) -> None:
    there = maps.district_at(city.shapes(), *DONGSI)
    assert there == "110101"  # Dongcheng, by GB/T 2260
    assert city.chosen_at(*DONGSI, before) == ("" if before == there else there)
    assert city.chosen_at(*DONGSI, city.chosen_at(*DONGSI, "")) == ""
    assert city.chosen_at(*IN_THE_SEA, before) == before
