"""Air-quality indices by their dated editions: sub-indices, primary pollutants, levels and colours.

China's index changed on 2026-03-01: a series that crosses that day has a step that is not in the air. :func:`aqi`
takes the edition from the date unless told otherwise and writes it beside every row; :func:`mean_aqi` and
:func:`check_one_edition` refuse rows of two editions unless told. The constants stand in the declared tables
``air_editions``, ``air_aqi_indicators``, ``air_aqi_breakpoints`` and ``air_aqi_levels``.
"""

from citylab.air.indices.city import check_one_edition, city_concentrations, mean_aqi
from citylab.air.indices.declared import (
    BY_DATE,
    POLLUTANTS,
    Beyond,
    HourlyPm,
    Period,
    edition_on,
    editions,
    levels,
    needed_columns,
)
from citylab.air.indices.formula import concentration_at, iaqi_expr, round_half_even
from citylab.air.indices.frame import EEA_SHOWN_FROM, aqi
from citylab.air.indices.hours import index_concentrations
from citylab.air.indices.nowcast import (
    NOWCAST_HOURS,
    NOWCAST_LEAST_WEIGHT,
    NOWCAST_RECENT_HOURS,
    NOWCAST_RECENT_VALID,
    nowcast_expr,
)
from citylab.air.indices.single import Aqi, aqi_of

__all__ = [
    "BY_DATE",
    "EEA_SHOWN_FROM",
    "NOWCAST_HOURS",
    "NOWCAST_LEAST_WEIGHT",
    "NOWCAST_RECENT_HOURS",
    "NOWCAST_RECENT_VALID",
    "POLLUTANTS",
    "Aqi",
    "Beyond",
    "HourlyPm",
    "Period",
    "aqi",
    "aqi_of",
    "check_one_edition",
    "city_concentrations",
    "concentration_at",
    "edition_on",
    "editions",
    "iaqi_expr",
    "index_concentrations",
    "levels",
    "mean_aqi",
    "needed_columns",
    "nowcast_expr",
    "round_half_even",
]
