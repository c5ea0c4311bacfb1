"""Places of Beijing: names and codes through time, what may be added up, crosswalks, and coordinates.

Three levels (city, district, town) and functional areas (核心区, 副中心, 经开区 ...) that cut across them.
Codes and dates stand in the declared tables ``cities``, ``districts``, ``functional_areas`` and
``area_overlaps``.
"""

from citylab.places.coordinates import (
    bd09_to_gcj02,
    bd09_to_wgs84,
    distance_m,
    gcj02_to_bd09,
    gcj02_to_wgs84,
    guard_datum,
    guard_inside,
    wgs84_to_bd09,
    wgs84_to_gcj02,
)
from citylab.places.crosswalk import carry_over, crosswalk
from citylab.places.register import (
    CITY,
    Place,
    add_up,
    check_additive,
    districts,
    members,
    resolve,
    to_current,
)

__all__ = [
    "CITY", "Place", "add_up", "bd09_to_gcj02", "bd09_to_wgs84", "carry_over", "check_additive", "crosswalk",
    "distance_m", "districts", "gcj02_to_bd09", "gcj02_to_wgs84", "guard_datum", "guard_inside", "members",
    "resolve", "to_current", "wgs84_to_bd09", "wgs84_to_gcj02",
]  # fmt: skip
