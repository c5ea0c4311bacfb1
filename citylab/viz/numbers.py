"""Numbers as people read them: 万吨, 亿元, 万人 in Chinese; Mt, CNY bn, million in English; three figures."""

from __future__ import annotations

import math
from dataclasses import dataclass

from citylab import settings, vocabulary
from citylab.settings import Language

FIGURES = 3
MISSING = "–"
MILLION = 1e6
_MINUS = "−"


@dataclass(frozen=True, slots=True)
class Reading:
    """How a language reads a unit: divide by ``divisor`` and write ``unit``."""

    divisor: float
    unit: str


READINGS: dict[str, dict[Language, Reading]] = {
    "t": {"zh": Reading(1e4, "万吨"), "en": Reading(1e6, "Mt")},
    "CNY": {"zh": Reading(1e8, "亿元"), "en": Reading(1e9, "CNY bn")},
    "persons": {"zh": Reading(1e4, "万人"), "en": Reading(1e6, "million")},
    "station-days": {"zh": Reading(1.0, "站日"), "en": Reading(1.0, "station-days")},
}
"""Unit of a column, and what each language makes of it; a unit that is not here is shown as it is."""


def reading(unit: str, lang: Language | None = None) -> Reading:
    """Return how a language reads a unit.

    Examples
    --------
    >>> reading("t", "zh").unit, reading("µg/m³", "zh").unit
    ('万吨', 'µg/m³')
    """
    return READINGS.get(unit, {}).get(lang or settings.language(), Reading(1.0, "" if unit == "1" else unit))


def figures(value: float | None, *, digits: int = FIGURES, sign: bool = False) -> str:
    """Return a number with so many significant figures and thousands separated; missing is a dash.

    Examples
    --------
    >>> figures(85.94), figures(1234567.0), figures(0.012345), figures(-7.1), figures(None)
    ('85.9', '1,230,000', '0.0123', '−7.10', '–')
    >>> figures(3.21, sign=True)
    '+3.21'
    """
    if value is None or not math.isfinite(value):
        return MISSING
    if value == 0:
        return "0"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, places)
    if rounded:  # 9.996 becomes 10.0, not 10.00
        places = digits - 1 - math.floor(math.log10(abs(rounded)))
    text = f"{abs(rounded):,.{max(0, places)}f}"
    return (_MINUS if rounded < 0 else "+" if sign else "") + text


def quantity(value: float | None, unit: str, lang: Language | None = None, *, sign: bool = False) -> tuple[str, str]:
    """Return a value and its unit in people's words.

    Parameters
    ----------
    value
        Value in ``unit``; ``None`` or NaN is missing.
    unit
        Unit of the vocabulary: ``"t"``, ``"persons"``, ``"µg/m³"``.
    lang
        Language; default: the ``CITYLAB_LANG`` setting.
    sign
        Write a plus before a rise.

    Examples
    --------
    >>> quantity(81_200_000, "t", "zh"), quantity(81_200_000, "t", "en")
    (('8,120', '万吨'), ('81.2', 'Mt'))
    """
    how = reading(unit, lang)
    scaled = None if value is None else value / how.divisor
    return figures(scaled, sign=sign), how.unit


def span(low: float | None, high: float | None, unit: str, lang: Language | None = None, *, sign: bool = False) -> str:
    """Return an interval or a range without its unit, so that a minus never looks like the dash between.

    Examples
    --------
    >>> span(-15.0, -9.1, "µg/m³", "en")
    '−15.0 to −9.10'
    >>> span(66, 86, "µg/m³", "zh")
    '66.0 至 86.0'
    """
    lang = lang or settings.language()
    between = " 至 " if lang == "zh" else " to "
    return between.join(quantity(v, unit, lang, sign=sign)[0] for v in (low, high))


def millions_of(currency: str, lang: Language | None = None) -> str:
    """Return the unit of money in millions (:data:`MILLION`).

    Examples
    --------
    >>> millions_of("CNY", "en"), millions_of("CNY", "zh")
    ('million CNY', '百万CNY')
    """
    lang = lang or settings.language()
    return f"{vocabulary.say('million_of', lang)}{'' if lang == 'zh' else ' '}{currency}"


def count(value: int) -> str:
    """Return a count in full, thousands separated.

    Examples
    --------
    >>> count(17532)
    '17,532'
    """
    return f"{value:,}"


def percent(share: float | None, *, sign: bool = False) -> str:
    """Return a share as a percentage with at most three figures.

    Examples
    --------
    >>> percent(-0.1444, sign=True)
    '−14.4%'
    """
    return MISSING if share is None or not math.isfinite(share) else figures(share * 100, sign=sign) + "%"
