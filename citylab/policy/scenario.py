"""A scenario: the reference plus dated changes of levers, readable as YAML, comparable in plain sentences."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from citylab.errors import DataError, RangeError, SchemaError
from citylab.files import written_whole
from citylab.policy.levers import lever as lever_of
from citylab.policy.levers import levers
from citylab.units import factor as unit_factor
from citylab.vocabulary import say_unit

TOKEN_VERSION = "1"
"""First character of a token: how the rest is read."""
_CHANGE_KEYS = ("lever", "value", "start", "end", "ramp_years")
_PHASE_KEYS = ("name_zh", "name_en", "start", "end", "note_zh", "note_en")
_SCENARIO_KEYS = ("name_zh", "name_en", "budget_cny", "phases", "changes", "run")


def day(value: Any, *, last: bool, what: str) -> dt.date:
    """Return a date from a date, an ISO text or a year; a year means its first or its last day.

    Raises
    ------
    SchemaError
        It is none of these; ``what`` says what it should have been.

    Examples
    --------
    >>> day(2030, last=True, what="The end")
    datetime.date(2030, 12, 31)
    """
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    try:
        if isinstance(value, int) or (isinstance(value, str) and value.strip().isdigit()):
            return dt.date(int(value), 12, 31) if last else dt.date(int(value), 1, 1)
        return dt.date.fromisoformat(str(value))
    except ValueError as cause:
        raise SchemaError(f"{what} is {value!r}; write a date as 2026-01-01, or a year as 2026.") from cause


def _number(value: Any, what: str) -> float:
    """Return a finite number; YAML 1.1 reads 5e9 as text, which is meant as a number."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise SchemaError(f"{what} is {value!r}; expected a number.")
    return number


@dataclass(frozen=True)
class Change:
    """A lever put at a value for a time.

    Attributes
    ----------
    lever
        Id of the lever.
    value
        Its value, in the lever's unit.
    start
        First day in force; a date, ``"2026-07-01"`` or a year (its first day).
    end
        Last day in force, or a year (its last day); ``None``: no end.
    ramp_years
        Years from ``start`` over which the value is reached in a straight line, from what held the day before.

    Raises
    ------
    UnknownNameError
        No such lever.
    RangeError
        A value outside the lever's bounds, a start before its first date, an end before the start.
    SchemaError
        Something that is no date or no number.

    Examples
    --------
    >>> Change("building_pv", 2.0, 2026, 2030, ramp_years=4).end
    datetime.date(2030, 12, 31)
    >>> Change("building_pv", 99, 2026)
    Traceback (most recent call last):
    ...
    citylab.errors.RangeError: Lever 'building_pv' got 99.0; it takes a number from 0 to 10 GW. ...
    """

    lever: str
    value: float
    start: dt.date
    end: dt.date | None = None
    ramp_years: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.lever, str):
            raise SchemaError(f"lever is {self.lever!r}; expected the id of a lever, 'building_pv'.")
        one = lever_of(self.lever)
        where = f"of the change of {self.lever!r}"
        object.__setattr__(self, "value", one.check(_number(self.value, f"The value {where}")))
        object.__setattr__(self, "start", day(self.start, last=False, what=f"The start {where}"))
        if self.end is not None:
            object.__setattr__(self, "end", day(self.end, last=True, what=f"The end {where}"))
        object.__setattr__(self, "ramp_years", _number(self.ramp_years, f"ramp_years {where}"))
        if self.start < one.first_date:
            raise RangeError(
                f"Lever {self.lever!r} starts on {self.start}; it cannot begin before {one.first_date}. What was done "
                "earlier is part of the reference: let the change start on that day or later."
            )
        if self.end is not None and self.end < self.start:
            raise RangeError(f"The change of {self.lever!r} ends on {self.end}, before it starts on {self.start}.")
        if self.ramp_years < 0:
            raise RangeError(f"ramp_years {where} is {self.ramp_years:g}; expected 0 or more.")

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, without what is at its default."""
        found: dict[str, Any] = {"lever": self.lever, "value": self.value, "start": self.start}
        if self.end is not None:
            found["end"] = self.end
        if self.ramp_years:
            found["ramp_years"] = self.ramp_years
        return found

    def sentence(self, lang: str = "en") -> str:
        """Return it in plain words, in ``"zh"`` or ``"en"``.

        Examples
        --------
        >>> Change("building_pv", 2, 2026, 2030, 4).sentence()
        'Photovoltaics on buildings: 2 GW from 2026-01-01 to 2030-12-31, reached over 4 years'
        """
        one = lever_of(self.lever)
        told = amount(self.value, one.unit, lang)
        if lang == "zh":
            span = f"{self.start} 起" if self.end is None else f"{self.start} 至 {self.end}"
            ramp = f"，用 {self.ramp_years:g} 年逐步达到" if self.ramp_years else ""
            return f"{one.title_zh}：{span}为 {told}{ramp}"
        span = f"from {self.start}" if self.end is None else f"from {self.start} to {self.end}"
        ramp = f", reached over {self.ramp_years:g} years" if self.ramp_years else ""
        return f"{one.title_en}: {told} {span}{ramp}"


def amount(value: float, unit: str, lang: str = "en") -> str:
    """Return a value of a lever with its unit in ``"zh"`` or ``"en"``; a pure number or a share has none.

    Examples
    --------
    >>> amount(100, "CNY/t", "zh"), amount(0.5, "share")
    ('100 元/吨', '0.5')
    """
    told = "" if unit == "share" else say_unit(unit, "zh" if lang == "zh" else "en")
    return f"{value:g} {told}".rstrip()


@dataclass(frozen=True)
class YearMean:
    """What a lever is at in a year.

    Attributes
    ----------
    value
        Mean over the days of the year, in the lever's unit. Of a limit, whose default stands for none, the mean over
        the days on which it holds, by how far its way has been gone.
    days_share, way_share
        Of a limit: the part of the year on which it holds, and how much of the way from no limit has been gone on these
        days on average. Both 1 for other levers.
    """

    value: float
    days_share: float = 1.0
    way_share: float = 1.0


@dataclass(frozen=True)
class Phase:
    """A named span of a plan, for its timeline; changes carry their own dates."""

    name_zh: str
    name_en: str
    start: dt.date
    end: dt.date | None = None
    note_zh: str = ""
    note_en: str = ""

    def __post_init__(self) -> None:
        where = f"of the phase {self.name_en!r}"
        object.__setattr__(self, "start", day(self.start, last=False, what=f"The start {where}"))
        if self.end is not None:
            object.__setattr__(self, "end", day(self.end, last=True, what=f"The end {where}"))
            if self.end < self.start:
                raise RangeError(f"The phase {self.name_en!r} ends on {self.end}, before it starts on {self.start}.")

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, without what is empty."""
        return {key: getattr(self, key) for key in _PHASE_KEYS if getattr(self, key) not in (None, "")}


@dataclass(frozen=True)
class Scenario:
    """The reference plus dated changes.

    Attributes
    ----------
    name_zh, name_en
        Its name.
    changes
        Changes in any order; they are kept by start, lever and end.
    budget_cny
        Public money that the plan names, CNY; a parameter for :func:`citylab.policy.portfolio.portfolio`, no cap of the
        simulation.
    run
        Left for a run of city operations: any mapping of plain values, carried through unchanged to the result and to
        files. Nothing reads it yet.
    phases
        Spans of the plan, for a timeline.

    Raises
    ------
    RangeError
        Two changes of a lever overlap.

    Examples
    --------
    >>> plan = Scenario("示例", "Demo", [Change("transit_fare", 0.5, 2026)])
    >>> Scenario.from_yaml(plan.to_yaml()) == plan and Scenario.from_token(plan.to_token()) == plan
    True
    """

    name_zh: str
    name_en: str
    changes: tuple[Change, ...] = ()
    budget_cny: float | None = None
    run: Mapping[str, Any] | None = None
    phases: tuple[Phase, ...] = ()

    def __post_init__(self) -> None:
        for name, kind in (("changes", Change), ("phases", Phase)):
            given = getattr(self, name)
            if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
                raise SchemaError(f"{name} of a scenario is {given!r}; expected a list of {kind.__name__}.")
            object.__setattr__(self, name, tuple(given))
            if odd := [one for one in getattr(self, name) if not isinstance(one, kind)]:
                raise SchemaError(
                    f"{name} of a scenario holds {odd[0]!r}; expected {kind.__name__}. Scenario.from_dict reads plain "
                    "values."
                )
        last = dt.date.max
        ordered = sorted(self.changes, key=lambda c: (c.start, c.lever, c.end or last))
        object.__setattr__(self, "changes", tuple(ordered))
        if self.budget_cny is not None:
            budget = _number(self.budget_cny, "budget_cny")
            if budget < 0:
                raise RangeError(f"budget_cny is {budget:g}; a budget is 0 CNY or more.")
            object.__setattr__(self, "budget_cny", budget)
        if self.run is not None:
            if not isinstance(self.run, Mapping):
                raise SchemaError(f"run is {type(self.run).__name__}; expected a mapping of plain values, or nothing.")
            try:
                plain = json.loads(json.dumps(dict(self.run), allow_nan=False))
            except (TypeError, ValueError) as cause:
                raise SchemaError(
                    f"run holds what no file can keep ({cause}). Use text, numbers, lists, mappings."
                ) from cause
            if plain != dict(self.run):
                raise SchemaError(
                    "run holds keys or values that change in a file (a tuple, a number as key). Use plain ones."
                )
            object.__setattr__(self, "run", plain)
        for name in {c.lever for c in self.changes}:
            own = [c for c in self.changes if c.lever == name]
            for before, after in pairwise(own):
                if before.end is None or before.end >= after.start:
                    until = "without an end" if before.end is None else f"to {before.end}"
                    raise RangeError(
                        f"Two changes of {name!r} overlap: one from {before.start} {until}, the next from "
                        f"{after.start}. Let the first end on {after.start - dt.timedelta(days=1)} or earlier."
                    )

    def title(self, lang: str = "en") -> str:
        """Return its name in ``"zh"`` or ``"en"``."""
        return self.name_zh if lang == "zh" else self.name_en

    def levers(self) -> tuple[str, ...]:
        """Return the ids of the levers that it changes, in the order in which they act."""
        used = {c.lever for c in self.changes}
        return tuple(name for name in levers() if name in used)

    def with_change(self, change: Change) -> Scenario:
        """Return the scenario with a change in place of all those of its lever."""
        if not isinstance(change, Change):
            raise SchemaError(f"with_change got {change!r}; expected a Change.")
        return replace(self, changes=(*(c for c in self.changes if c.lever != change.lever), change))

    def values(self, lever: str, years: Sequence[int]) -> tuple[float, ...]:
        """Return the mean value of a lever in each year, over the days of the year; of a limit over those it holds.

        Examples
        --------
        >>> Scenario("", "", [Change("building_pv", 2, "2028-07-02")]).values("building_pv", [2027, 2028, 2029])
        (0.0, 1.0, 2.0)
        """
        return tuple(mean.value for mean in self.means(lever, years))

    def means(self, lever: str, years: Sequence[int]) -> tuple[YearMean, ...]:
        """Return what :meth:`values` returns, and for a limit in which part of the year it holds.

        Examples
        --------
        >>> Scenario("", "", [Change("ets_cap", 8, "2026-07-02", 2027)]).means("ets_cap", [2026, 2028])
        (YearMean(value=8.0, days_share=0.50..., way_share=1.0), YearMean(value=50.0, days_share=0.0, way_share=0.0))
        """
        one, own = lever_of(lever), [c for c in self.changes if c.lever == lever]
        default = float(one.default)
        found = []
        for year in years:
            first, after = dt.date(year, 1, 1).toordinal(), dt.date(year + 1, 1, 1).toordinal()
            value, way, holds = _on_days(own, np.arange(first, after), default)
            begun = way > 0
            if not one.is_limit:
                found.append(YearMean(_mean(value)))
            elif not begun.any():
                found.append(YearMean(default, 0.0, 0.0))
            else:
                # The value of a day is way x limit + (1 - way) x default, and the default stands for no limit
                limit = np.where(way == 1, value, default + (value - default) / np.where(begun, way, 1.0))[begun]
                found.append(YearMean(_mean(limit, way[begun]), _mean(holds), _mean(way[holds])))
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, without what is empty."""
        found: dict[str, Any] = {"name_zh": self.name_zh, "name_en": self.name_en}
        if self.budget_cny is not None:
            found["budget_cny"] = self.budget_cny
        if self.phases:
            found["phases"] = [p.to_dict() for p in self.phases]
        found["changes"] = [c.to_dict() for c in self.changes]
        if self.run is not None:
            found["run"] = dict(self.run)
        return found

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Scenario:
        """Return a scenario from plain values.

        Raises
        ------
        SchemaError
            A name that does not belong there, or one that is missing.
        """
        if not isinstance(given, Mapping):
            raise SchemaError(f"A scenario is a mapping with {', '.join(_SCENARIO_KEYS)}; got {type(given).__name__}.")
        _only(given, _SCENARIO_KEYS, needed=("name_zh", "name_en"), what="A scenario")
        for key in ("name_zh", "name_en"):
            if given[key] is None:
                raise SchemaError(f"{key} of the scenario is empty. Give it a name, or '' for none.")
        changes = []
        for number, row in enumerate(_rows(given.get("changes"), "changes"), start=1):
            _only(row, _CHANGE_KEYS, needed=("lever", "value", "start"), what=f"Change {number} of the scenario")
            changes.append(Change(**row))
        phases = []
        for number, row in enumerate(_rows(given.get("phases"), "phases"), start=1):
            _only(row, _PHASE_KEYS, needed=("name_zh", "name_en", "start"), what=f"Phase {number} of the scenario")
            phases.append(Phase(**row))
        return cls(
            str(given["name_zh"]), str(given["name_en"]), tuple(changes), given.get("budget_cny"), given.get("run"),
            tuple(phases),
        )  # fmt: skip

    def to_yaml(self) -> str:
        """Return it as YAML text; :meth:`from_yaml` gives an equal scenario."""
        import yaml

        return yaml.safe_dump(self.to_dict(), allow_unicode=True, sort_keys=False)

    @classmethod
    def from_yaml(cls, text: str) -> Scenario:
        """Return a scenario from YAML text.

        Raises
        ------
        SchemaError
            The text is no YAML, or not a scenario.
        """
        import yaml

        if not isinstance(text, str | bytes):
            raise SchemaError(f"from_yaml got {type(text).__name__}; expected text. Scenario.read takes a path.")
        try:
            _each_key_once(yaml.compose(text, Loader=yaml.SafeLoader))
            given = yaml.safe_load(text)
        except yaml.YAMLError as cause:
            raise SchemaError(f"The scenario is no YAML: {cause}. See datasets/scenarios for examples.") from cause
        return cls.from_dict(given)

    @classmethod
    def read(cls, path: str | Path) -> Scenario:
        """Return a scenario from a YAML file."""
        try:
            return cls.from_yaml(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError as cause:
            raise DataError(f"There is no scenario file {path}. Write one with Scenario.write.") from cause
        except (OSError, UnicodeDecodeError) as cause:
            raise DataError(f"{path} cannot be read as a scenario ({cause}). Give a YAML file in UTF-8.") from cause

    def write(self, path: str | Path) -> Path:
        """Write it to a YAML file, atomically."""
        target = Path(path)
        with written_whole(target) as part:
            part.write_text(self.to_yaml(), encoding="utf-8")
        return target

    def to_token(self) -> str:
        """Return it as a short text of letters, digits, ``-`` and ``_`` for a page's address."""
        text = json.dumps(self.to_dict(), default=str, ensure_ascii=False, separators=(",", ":"))
        packed = base64.urlsafe_b64encode(zlib.compress(text.encode(), level=9)).decode().rstrip("=")
        return TOKEN_VERSION + packed

    @classmethod
    def from_token(cls, token: str) -> Scenario:
        """Return a scenario from :meth:`to_token`.

        Raises
        ------
        SchemaError
            The token is damaged or of another version.
        """
        try:
            if not isinstance(token, str) or not token.startswith(TOKEN_VERSION):
                raise ValueError(f"version {str(token)[:1]!r}")
            body = token[1:]
            raw = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
            unpacker = zlib.decompressobj()
            text = unpacker.decompress(raw, TOKEN_BYTES)
            if not unpacker.eof:
                raise ValueError("it is cut off or too long")
            given = json.loads(text)
        except (ValueError, binascii.Error, zlib.error, UnicodeDecodeError) as cause:
            raise SchemaError(
                f"The scenario in the address cannot be read ({cause}). Copy the whole address again, or load a file."
            ) from cause
        return cls.from_dict(given)


TOKEN_BYTES = 1_000_000
"""Longest text that a token may unpack to."""


def _on_days(changes: Iterable[Change], days: np.ndarray, default: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what changes of one lever, in the order of their starts, make of each day (ordinals).

    Returns
    -------
    tuple
        The value; how much of the way from the default to the aim has been gone, 0 without a change and 1 when it is
        reached; and whether a change holds.
    """
    value, way = np.full(days.shape, default), np.zeros(days.shape)
    holds = np.zeros(days.shape, dtype=bool)
    before, gone, ended = default, 0.0, None
    for change in changes:
        start = change.start.toordinal()
        end = np.inf if change.end is None else change.end.toordinal()
        follows = ended is not None and ended + 1 == start
        from_value, from_way = (before, gone) if follows else (default, 0.0)
        ramp_days = change.ramp_years * DAYS_PER_YEAR
        part = np.ones(days.shape) if ramp_days == 0 else np.clip((days - start) / ramp_days, 0.0, 1.0)
        inside = (days >= start) & (days <= end)
        on_the_way = np.where(part == 1, change.value, from_value + (change.value - from_value) * part)
        value = np.where(inside, on_the_way, value)
        way = np.where(inside, from_way + (1 - from_way) * part, way)
        holds = holds | inside
        reached = 1.0 if ramp_days == 0 or end == np.inf else min((end - start) / ramp_days, 1.0)
        before = change.value if reached == 1 else from_value + (change.value - from_value) * reached
        gone = from_way + (1 - from_way) * reached
        ended = None if change.end is None else int(end)
    return value, way, holds


def _mean(values: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return a mean that is exact where all values are one."""
    return float(values[0]) if (values == values[0]).all() else float(np.average(values, weights=weights))


DAYS_PER_YEAR = 365.25
"""Days of a mean year (definition of the Julian year)."""


def _rows(given: Any, name: str) -> list[Mapping[str, Any]]:
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(row, Mapping) for row in given):
        raise SchemaError(f"{name} is a list of mappings, each beginning with '- '; got {given!r}.")
    return given


def _each_key_once(root: Any) -> None:
    """Refuse a YAML mapping with a key twice, of which the last would silently hold."""
    todo, seen = [root], set()
    while todo:
        node = todo.pop()
        if id(node) in seen or not isinstance(getattr(node, "value", None), list):
            continue
        seen.add(id(node))  # an anchor may stand in many places, or in itself
        keys = set()
        for entry in node.value:
            key, value = entry if isinstance(entry, tuple) else (None, entry)
            if key is not None and isinstance(key.value, str):
                if key.value in keys:
                    line = key.start_mark.line + 1
                    raise SchemaError(f"The scenario has {key.value!r} twice, again in line {line}. Keep one.")
                keys.add(key.value)
            todo.append(value)


def _only(given: Mapping[str, Any], known: Sequence[str], *, needed: Sequence[str], what: str) -> None:
    """Refuse keys that do not belong there or are missing."""
    strange = [str(k) for k in given if k not in known]
    if strange:
        raise SchemaError(f"{what} has {', '.join(strange)}; it may have {', '.join(known)}.")
    missing = [k for k in needed if k not in given]
    if missing:
        raise SchemaError(f"{what} lacks {', '.join(missing)}. Add it.")


def diff(a: Scenario, b: Scenario, lang: str = "en") -> list[str]:
    r"""Return what ``b`` does that ``a`` does not, and the reverse, in plain sentences.

    Parameters
    ----------
    a, b
        Two scenarios.
    lang
        ``"zh"`` or ``"en"``.

    Returns
    -------
    list of str
        One sentence a difference, in the order of dates; empty where they do the same.

    Examples
    --------
    >>> a = Scenario("甲", "A", [Change("building_pv", 2, 2026)])
    >>> b = Scenario("乙", "B", [Change("building_pv", 3, 2026), Change("transit_fare", 0.5, 2027)])
    >>> print(*diff(a, b), sep="\n")
    Photovoltaics on buildings: 3 GW from 2026-01-01 (A: 2 GW from 2026-01-01).
    New in B: Transit fares: 0.5 from 2027-01-01.
    """
    zh = lang == "zh"
    names = tuple(dict.fromkeys([*(c.lever for c in b.changes), *(c.lever for c in a.changes)]))
    found: list[str] = []
    for name in names:
        old = [c for c in a.changes if c.lever == name]
        new = [c for c in b.changes if c.lever == name]
        if old == new:
            continue
        gone, come = [c for c in old if c not in new], [c for c in new if c not in old]
        for before, after in zip(gone, come, strict=False):
            head = lever_of(name).title(lang)
            told = before.sentence(lang).removeprefix(f"{head}：" if zh else f"{head}: ")
            found.append(
                f"{after.sentence('zh')}（{a.name_zh}：{told}）。"
                if zh
                else f"{after.sentence()} ({a.name_en}: {told})."
            )
        for after in come[len(gone) :]:
            found.append(
                f"{b.name_zh}新增：{after.sentence('zh')}。" if zh else f"New in {b.name_en}: {after.sentence()}."
            )
        for before in gone[len(come) :]:
            found.append(
                f"{b.name_zh}没有：{before.sentence('zh')}。" if zh else f"Not in {b.name_en}: {before.sentence()}."
            )
    if a.budget_cny != b.budget_cny:
        found.append(
            f"公共资金：{_money(b.budget_cny, 'zh')}（{a.name_zh}：{_money(a.budget_cny, 'zh')}）。"
            if zh
            else f"Public money: {_money(b.budget_cny, 'en')} ({a.name_en}: {_money(a.budget_cny, 'en')})."
        )
    if a.run != b.run:
        found.append(
            "城市运行接口（run）的内容不同。" if zh else "What they carry for a run of city operations differs."
        )
    return found


def _money(value: float | None, lang: str) -> str:
    if value is None:
        return "未定" if lang == "zh" else "none named"
    yi = value * unit_factor("CNY", "亿元")
    return f"{yi:g} 亿元" if lang == "zh" else f"{value:,.0f} CNY"
