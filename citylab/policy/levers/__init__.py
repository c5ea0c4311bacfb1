"""Levers of a city, one file each; a file put here with a ``LEVER`` in it is found by itself."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from citylab.errors import DeclarationError, suggest
from citylab.policy.levers.base import MARKS, STAGES, Enacted, Lever, Prior

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

__all__ = ["STAGES", "Enacted", "Lever", "Prior", "lever", "levers", "table"]


@cache
def levers() -> Mapping[str, Lever]:
    """Return every lever by its id, in the order in which they act (stage, then id).

    Examples
    --------
    >>> "building_pv" in levers()
    True
    """
    found: dict[str, Lever] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name == "base":
            continue
        one = getattr(importlib.import_module(f"{__name__}.{module.name}"), "LEVER", None)
        if not isinstance(one, Lever) or one.id != module.name:
            raise DeclarationError(
                f"citylab/policy/levers/{module.name}.py must hold LEVER = Lever({module.name!r}, ...); found {one!r}."
            )
        found[one.id] = one
    ordered = sorted(found.values(), key=lambda x: (STAGES.index(x.stage), x.id))
    return MappingProxyType({x.id: x for x in ordered})


def lever(id: str) -> Lever:
    """Return one lever.

    Raises
    ------
    UnknownNameError
        No such lever; the message offers the nearest.

    Examples
    --------
    >>> lever("building_pv").unit
    'GW'
    """
    known = levers()
    if id not in known:
        raise suggest(str(id), known, what="lever", see="citylab.policy.levers.levers()")
    return known[id]


def table(lang: str = "en") -> pl.DataFrame:
    """Return the levers as a table, one row each, in the order in which they act.

    Parameters
    ----------
    lang
        ``"zh"`` or ``"en"``: language of ``title`` and ``note``.

    Returns
    -------
    polars.DataFrame
        ``lever, title, note, unit, low, high, step, default, stage, first_date, touches`` (a list), ``enacted`` and
        ``priors`` (lists of records as declared, with their marks), ``mark`` (the weakest mark among its priors).

    Examples
    --------
    >>> table().filter(lever="building_pv").select("unit", "default").row(0)
    ('GW', 0.0)
    """
    from dataclasses import asdict

    import polars as pl

    weakest = tuple(reversed(MARKS))
    rows = []
    for one in levers().values():
        marks = {p.mark for p in one.priors}
        rows.append(
            {
                "lever": one.id,
                "title": one.title(lang),
                "note": one.note_zh if lang == "zh" else one.note_en,
                "unit": one.unit,
                "low": float(one.low),
                "high": float(one.high),
                "step": float(one.step),
                "default": float(one.default),
                "stage": one.stage,
                "first_date": one.first_date,
                "touches": list(one.touches),
                "enacted": [asdict(e) for e in one.enacted],
                "priors": [asdict(p) for p in one.priors],
                "mark": next((m for m in weakest if m in marks), None),
            }
        )
    return pl.DataFrame(rows, infer_schema_length=None)
