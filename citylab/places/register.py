"""Names and codes of Beijing's places through time, and which of them may be added up.

Codes and dates stand in the declared tables ``cities``, ``districts``, ``functional_areas`` and ``area_overlaps``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from itertools import combinations
from typing import Literal, NamedTuple, TypeVar, overload

import polars as pl

from citylab import settings, tables
from citylab.errors import (
    DataError,
    OverlapError,
    RangeError,
    SchemaError,
    UnknownNameError,
    suggest,
)
from citylab.settings import Language

Level = Literal["city", "district", "town", "functional"]
Extent = Literal["whole", "part"]

CITY = "110000"
"""Code of Beijing."""

_TABLE_BEGINS = date(1987, 1, 1)  # the districts table knows no division before
_DISTRICT, _COUNTY = " District", " County"
_SHORTEST_NAME = 2  # 通县 is never called 通
_SEE = "citylab.places.districts() and the table datasets/codes/functional_areas.csv"


# names and codes


@dataclass(frozen=True, slots=True)
class Place:
    """A place, with the period in which it had this territory.

    Attributes
    ----------
    adcode
        Six-digit code of GB/T 2260 (nine digits for a town), or citylab's id of a functional area.
    name_zh, name_en
        Full Chinese name; English name without "District".
    level
        ``"city"``, ``"district"`` (counties too), ``"town"`` or ``"functional"``.
    parent
        Code of the place above it.
    valid_from, valid_to
        First and last day; ``None`` for "since before the table begins" and "in force".
    """

    adcode: str
    name_zh: str
    name_en: str
    level: Level
    parent: str
    valid_from: date | None = None
    valid_to: date | None = None

    def name(self, lang: Language | None = None) -> str:
        """Return the name in a language.

        Examples
        --------
        >>> resolve("110101").name("zh")
        '东城区'
        """
        return self.name_zh if (lang or settings.language()) == "zh" else self.name_en

    def is_valid(self, asof: date) -> bool:
        """Return whether the place had this territory on a day."""
        return (self.valid_from or asof) <= asof <= (self.valid_to or asof)

    def __str__(self) -> str:
        """Return name and code, with the period if it is over."""
        until = f", until {self.valid_to}" if self.valid_to else ""
        return f"{self.name_zh} ({self.adcode}{until})"


class _Register(NamedTuple):
    """All places by name, and the territory of each in units that never were divided."""

    by_name: dict[str, list[Place]]
    territory: dict[Place, dict[Place, Extent]]
    successor: dict[Place, Place]


def name_key(name: object) -> str:
    """Return what spellings of a name have in common."""
    return " ".join(unicodedata.normalize("NFKC", str(name)).casefold().split())


def _names(full_zh: str, name_en: str) -> list[str]:
    """Return the spellings of a district or county: 密云 may be either, 密云县 is the county and nothing else."""
    short_zh = full_zh[:-1] if len(full_zh) > _SHORTEST_NAME else full_zh
    english = name_en.removesuffix(_COUNTY)
    return [full_zh, short_zh, english, name_en if name_en.endswith(_COUNTY) else name_en + _DISTRICT]


@cache
def _register() -> _Register:
    by_name: dict[str, list[Place]] = {}
    territory: dict[Place, dict[Place, Extent]] = {}
    successor: dict[Place, Place] = {}

    def add(place: Place, names: Iterable[str]) -> None:
        for name in dict.fromkeys(map(name_key, filter(None, names))):
            by_name.setdefault(name, []).append(place)

    units: dict[Place, str | None] = {}
    for row in tables.read("districts").iter_rows(named=True):
        unit = Place(
            row["adcode"], row["district_name_zh"], row["district_name_en"], "district", row["parent_adcode"],
            row["valid_from"], row["valid_to"],
        )  # fmt: skip
        units[unit] = row["successor_adcode"]
        add(unit, [unit.adcode, *_names(unit.name_zh, unit.name_en)])
    for unit, code in units.items():
        if code is not None and unit.valid_to is not None:
            next_day = unit.valid_to + timedelta(days=1)
            successor[unit] = next(u for u in units if u.adcode == code and u.valid_from == next_day)
    for unit in sorted(units, key=lambda u: u.valid_from or date.min):
        before = [old for old, new in successor.items() if new == unit]
        territory[unit] = {atom: "whole" for old in before for atom in territory[old]} or {unit: "whole"}

    for row in tables.read("cities").iter_rows(named=True):
        city = Place(row["adcode"], row["city_name_zh"], row["city_name_en"], "city", row["province_adcode"])
        add(city, [city.adcode, city.name_zh, city.name_en, *row["aliases"].split("|")])
        territory[city] = {
            a: "whole" for u in units if u.parent == city.adcode and u.valid_to is None for a in territory[u]
        }

    overlaps = tables.read("area_overlaps")
    for row in tables.read("functional_areas").iter_rows(named=True):
        area = Place(row["area_id"], row["area_name_zh"], row["area_name_en"], "functional", row["parent_adcode"])
        add(area, [area.adcode, area.name_zh, area.name_en, *(row["aliases"] or "").split("|")])
        listed = overlaps.filter(pl.col("area_id") == area.adcode).select("adcode", "extent").rows()
        districts_of_today = {u.adcode: u for u in units if u.valid_to is None}
        territory[area] = {atom: extent for code, extent in listed for atom in territory[districts_of_today[code]]} or {
            area: "whole"
        }
    return _Register(by_name, territory, successor)


def day_of(asof: date | str | None) -> date | None:
    """Return the day that is meant, as a date; ``None`` stays.

    Raises
    ------
    RangeError
        It is no day, or one before 1987, of which the table of districts knows nothing.

    Examples
    --------
    >>> day_of("2010-06-28")
    datetime.date(2010, 6, 28)
    """
    if asof is None:
        return None
    try:
        asof = date.fromisoformat(asof) if isinstance(asof, str) else asof
    except ValueError:
        raise RangeError(f"{asof!r} is no day; expected year, month and day, such as '2010-06-28'.") from None
    day = asof.date() if isinstance(asof, datetime) else asof
    if not isinstance(day, date):
        raise RangeError(f"{asof!r} is no day; expected a date or text such as '2010-06-28'.")
    if day < _TABLE_BEGINS:
        raise RangeError(
            f"The table of districts begins on {_TABLE_BEGINS}, and the division of {day} was asked for. "
            "Use a later day."
        )
    return day


def resolve(name_or_code: str | int | Place, *, asof: date | str | None = None) -> Place:
    """Return the place that a name or a code means.

    Parameters
    ----------
    name_or_code
        Chinese or English name, with or without 区, 县, "District", "County"; six-digit code; name or id of
        a functional area. Units that no longer exist are known too. A place is returned as it is.
    asof
        Day of the division that is meant. Without it, the unit in force, or else the last unit that bore the
        name.

    Returns
    -------
    Place
        The codes 110101 and 110102 mean another territory before 2010-06-28: their places differ in
        ``valid_from``.

    Raises
    ------
    UnknownNameError
        No such place; near names are offered.
    RangeError
        The place did not exist on that day, or the day is before 1987.

    Examples
    --------
    >>> resolve("东城")
    Place(adcode='110101', name_zh='东城区', ... valid_from=datetime.date(2010, 6, 28), valid_to=None)
    >>> resolve("Dongcheng District").adcode, resolve("密云", asof="2012-01-01").adcode
    ('110101', '110228')
    >>> print(resolve("崇文"))
    崇文区 (110103, until 2010-06-27)
    """
    if isinstance(name_or_code, Place):
        return name_or_code
    day = day_of(asof)
    register = _register()
    found = register.by_name.get(name_key(name_or_code))
    if not found:
        known = {n for p in register.territory for n in (p.name_zh, p.name_en, p.adcode)}
        raise suggest(str(name_or_code), known, what="place", see=_SEE)
    if day is None:
        return max(found, key=lambda p: p.valid_to or date.max)
    for place in found:
        if place.is_valid(day):
            return place
    held = " and ".join(
        str(now) for p in found for now in _register().territory if _holds(now, p, day) and now.level == "district"
    )
    raise RangeError(
        f"There was no {name_or_code!r} on {day}; it stands for {', '.join(map(_with_dates, found))}. "
        + (f"Its territory lay in {held} on that day." if held else "Leave out asof to get it.")
    )


def _with_dates(place: Place) -> str:
    return f"{place.name_zh} ({place.adcode}), {place.valid_from or 'before 1987'} to {place.valid_to or 'today'}"


def _holds(place: Place, other: Place, day: date) -> bool:
    territory = _register().territory
    return place.is_valid(day) and not territory[place].keys().isdisjoint(territory[other])


def districts(asof: date | str | None = None) -> pl.LazyFrame:
    """Return the districts and counties of Beijing in force on a day.

    Statistics may lag behind the law: the census of 1 November 2010 was published by the 18 units that had
    been 16 since 28 June. Give the day of the division that a table uses, not the day of its figures.

    Parameters
    ----------
    asof
        Day of the division; without it, the division in force.

    Returns
    -------
    polars.LazyFrame
        One row per district or county: ``adcode``, ``district_name_zh``, ``district_name_en``, ``kind``
        (district or county), ``parent_adcode``, ``valid_from``, ``valid_to``, ``successor_adcode`` (the unit
        that took it over), ``predecessor_adcodes`` (the units that it took over), ``source``, ``mark`` (how
        sure citylab is of the row).

    Raises
    ------
    RangeError
        The day is before 1987.

    Examples
    --------
    >>> [districts(day).collect().height for day in (None, "2015-10-12", "2010-06-27")]
    [16, 16, 18]
    """
    day = day_of(asof)
    rows = tables.read("districts").lazy()
    before = (
        rows.filter(pl.col("successor_adcode").is_not_null())
        .group_by(adcode="successor_adcode", valid_from=pl.col("valid_to").dt.offset_by("1d"))
        .agg(predecessor_adcodes=pl.col("adcode").sort())
    )
    joined = rows.join(before, on=["adcode", "valid_from"], how="left", maintain_order="left")
    start, end = pl.col("valid_from"), pl.col("valid_to")
    in_force = end.is_null() if day is None else (start.is_null() | (start <= day)) & (end.is_null() | (end >= day))
    return joined.filter(in_force).sort("adcode").select(pl.exclude("source", "mark"), "source", "mark")


@overload
def to_current(adcode: str) -> str: ...
@overload
def to_current(adcode: pl.Expr) -> pl.Expr: ...
def to_current(adcode: str | pl.Expr) -> str | pl.Expr:
    """Return the code that today stands for the territory of a code, old or new.

    Where two units became one (东城 with 崇文, 西城 with 宣武) both codes become the same: add the counts,
    and weight the means, before you treat the result as one row per district.

    Parameters
    ----------
    adcode
        Code, or an expression of codes.

    Raises
    ------
    UnknownNameError
        The code is unknown. In an expression, Polars raises ``InvalidOperationError`` on collecting.

    Examples
    --------
    >>> to_current("110228"), to_current("110103"), to_current("110105")
    ('110118', '110101', '110105')
    """
    register = _register()
    codes = {place.adcode: place.adcode for place in register.territory}
    for old in register.successor:
        last = old
        while last in register.successor:
            last = register.successor[last]
        codes[old.adcode] = last.adcode
    if isinstance(adcode, pl.Expr):
        return adcode.replace_strict(codes, return_dtype=pl.String)
    if adcode not in codes:
        raise suggest(adcode, codes, what="code", see=_SEE)
    return codes[adcode]


# what may be added up


def members(area: str | int | Place, *, asof: date | str | None = None) -> tuple[Place, ...]:
    """Return the districts that lie wholly in a place, in the order of their codes.

    Examples
    --------
    >>> [p.name_zh for p in members("核心区")], members("副中心")
    (['东城区', '西城区'], ())
    """
    day = day_of(asof)
    territory = _register().territory
    inside = territory[resolve(area, asof=day)]
    units = [p for p in territory if p.level == "district" and (p.valid_to is None if day is None else p.is_valid(day))]
    whole = [u for u in units if all(inside.get(atom) == "whole" for atom in territory[u])]
    return tuple(sorted(whole, key=lambda p: p.adcode))


def _advice(one: Place, other: Place) -> str:
    levels = {one.level, other.level}
    if "city" in levels:
        return "Take the figure of the city alone, or the districts without it."
    if "functional" in levels:
        return (
            "A functional area is no further district: leave it out, or leave out the districts it lies in. If the "
            "publisher counts the two apart, say so with apart=[(...)]."
        )
    return (
        "They are units of different times: take one division (asof), or bring old codes to today's with "
        "citylab.places.to_current before adding up."
    )


def check_additive(
    places: Iterable[str | int | Place],
    *,
    asof: date | str | None = None,
    apart: Iterable[tuple[str, str]] = (),
) -> tuple[Place, ...]:
    """Return the places, if no two of them share territory.

    Parameters
    ----------
    places
        Names, codes or places.
    asof
        Day of the division that the figures use; without it, units in force and, for codes that ended, the
        old unit.
    apart
        Pairs whose figures the publisher counts apart although their territories overlap, for example
        ``("bda", "110115")``: the GDP of 经开区 exceeded that of 大兴 and 通州 together in 2022 (245.6 against 234.5
        billion yuan), so it cannot be part of theirs.

    Raises
    ------
    OverlapError
        A place is named twice, two overlap, or two each take a part of one district and nothing says that
        these parts are different ones. The message names the pair.
    UnknownNameError, RangeError
        As in :func:`resolve`.

    Examples
    --------
    >>> len(check_additive(["东城", "西城", "朝阳"]))
    3
    >>> check_additive(["核心区", "东城"])
    Traceback (most recent call last):
        ...
    citylab.errors.OverlapError: 首都功能核心区 (core_area) and 东城区 (110101) share territory (东城区). A ...
    """
    day = day_of(asof)
    found = [resolve(p, asof=day) for p in places]
    territory = _register().territory
    allowed = {frozenset(resolve(p, asof=day) for p in pair) for pair in apart}
    for one, other in combinations(found, 2):
        if one == other:
            raise OverlapError(
                f"{one} is named twice, so it would be counted twice. Keep one row per place, or group by what tells "
                "the rows apart (year, sector)."
            )
        if frozenset((one, other)) in allowed:
            continue
        for atom in territory[one].keys() & territory[other].keys():
            extents = {territory[one][atom], territory[other][atom]}
            shared = to_current(atom.adcode)
            if "whole" in extents:
                raise OverlapError(
                    f"{one} and {other} share territory ({resolve(shared).name_zh}). {_advice(one, other)}"
                )
            raise OverlapError(
                f"{one} and {other} each take a part of {resolve(shared).name_zh}, and no table says that "
                f"the parts are different ones. {_advice(one, other)}"
            )
    return tuple(found)


F = TypeVar("F", pl.DataFrame, pl.LazyFrame)


def add_up(
    frame: F,
    value: str,
    *,
    by: str | Sequence[str] = (),
    place: str = "adcode",
    to: str = "city",
    partial: bool = False,
    asof: date | str | None = None,
    apart: Iterable[tuple[str, str]] = (),
) -> F:
    """Return the sum of a quantity over places that do not overlap.

    Only counts and amounts add up (persons, tonnes, yuan); shares, means and indices do not.

    Parameters
    ----------
    frame
        One row per place and group.
    value
        Numeric column to add; a row in which it is null or NaN counts as a missing place.
    by
        Columns that make the groups, for example ``"year"``.
    place
        Column with codes or names of places.
    to
        The whole: ``"city"``, or the name or code of a place that consists of whole districts.
    partial
        Whether a sum of some of the districts may be returned; it is marked in ``is_complete``.
    asof
        Day of the division that the figures use, see :func:`districts`.
    apart
        Pairs that the publisher counts apart, see :func:`check_additive`. A sum is complete only with both
        of a pair.

    Returns
    -------
    same type as ``frame``
        One row per group: the columns of ``by``, ``adcode`` of the whole, ``value``, ``place_count`` (rows
        added) and ``is_complete``. Where a group has no value at all, the sum is null.

    Raises
    ------
    SchemaError
        A column is missing, or ``value`` is not numeric.
    OverlapError
        On collecting: a place stands twice in a group, or two places of a group share territory.
    DataError
        On collecting: a place lies outside the whole, or places are missing and ``partial`` is false.

    Examples
    --------
    >>> frame = pl.DataFrame({"adcode": ["110101", "110102"], "population_persons": [708829, 1106214]})
    >>> add_up(frame, "population_persons", to="核心区").row(0)
    ('core_area', 1815043, 2, True)
    """
    keys: list[str] = [by] if isinstance(by, str) else list(by)
    lazy = frame.lazy()
    schema = lazy.collect_schema()
    for column in [*keys, place, value]:
        if column not in schema:
            raise SchemaError(
                f"add_up needs column {column!r}; the frame has {', '.join(map(repr, schema.names()))}. "
                "Rename one, or say which with value, by or place."
            )
    if clash := sorted({"adcode", "place_count", "is_complete", value, place} & set(keys)):
        raise SchemaError(f"add_up: by= names {clash[0]!r}, which is the place or a column of the result; rename it.")
    if not schema[value].is_numeric():
        raise SchemaError(f"add_up cannot add column {value!r}: it is {schema[value]}, expected numbers. Cast it.")
    day = day_of(asof)
    whole = resolve(CITY) if to == "city" else resolve(to, asof=day)
    if "part" in _register().territory[whole].values():
        raise OverlapError(
            f"{whole} takes only a part of a district, so no sum of districts makes it. Use the publisher's own figure."
        )
    total = pl.LazyFrame(schema={value: schema[value]}).select(pl.col(value).sum()).collect_schema()[value]
    kinds: dict[str, pl.DataType] = {k: schema[k] for k in keys}
    kinds |= {"adcode": pl.String(), value: total, "place_count": pl.UInt32(), "is_complete": pl.Boolean()}
    result_schema = pl.Schema(kinds)
    pairs = list(apart)

    def sums(rows: pl.DataFrame) -> pl.DataFrame:
        if rows[place].null_count():
            raise DataError(f"Column {place!r} is empty in {rows[place].null_count()} rows. Drop or fill them.")
        present = pl.col(value).is_not_null()
        if schema[value].is_float():
            present = present & pl.col(value).is_not_nan()
        named = pl.col(place).cast(pl.String)
        grouped = (
            rows.with_columns(_group=pl.struct(keys) if keys else pl.lit(0))
            .group_by("_group", maintain_order=True)
            .agg(
                pl.col(keys).first(),
                _everyone=named.sort(),
                _places=named.filter(present).sort(),
                _total=pl.col(value).filter(present).sum(),
            )
        )
        judged: dict[tuple[str, ...], tuple[str, ...]] = {}
        complete = []
        for row in grouped.iter_rows(named=True):
            group = ", ".join(f"{k}={row[k]!r}" for k in keys) or "the frame"
            try:
                for names in (tuple(row["_everyone"]), tuple(row["_places"])):
                    if names not in judged:
                        judged[names] = _missing(names, whole, day, pairs)
            except (OverlapError, DataError, UnknownNameError, RangeError) as cause:
                raise type(cause)(f"add_up of {value!r}, {group}: {cause}") from cause
            missing = judged[tuple(row["_places"])]
            if missing and not partial:
                raise DataError(
                    f"add_up of {value!r}, {group}: {whole} is not complete; missing {', '.join(missing)}. "
                    "Add them, or pass partial=True and call the sum what it is."
                )
            complete.append(not missing)
        return grouped.select(
            *keys,
            pl.lit(whole.adcode).alias("adcode"),
            pl.when(pl.col("_places").list.len() > 0).then("_total").cast(total).alias(value),
            pl.col("_places").list.len().cast(pl.UInt32).alias("place_count"),
            pl.Series("is_complete", complete, dtype=pl.Boolean),
        )

    summed = lazy.select(list(dict.fromkeys([*keys, place, value]))).map_batches(
        sums, schema=result_schema, predicate_pushdown=False, projection_pushdown=False, slice_pushdown=False
    )
    return summed.collect() if isinstance(frame, pl.DataFrame) else summed


def _missing(names: tuple[str, ...], whole: Place, day: date | None, pairs: list[tuple[str, str]]) -> tuple[str, ...]:
    """Return what the whole lacks, after the places were found additive and inside it."""
    found = check_additive(names, asof=day, apart=pairs)
    territory = _register().territory
    covered: set[Place] = set()
    for place in found:
        if not territory[place].keys() <= territory[whole].keys():
            raise DataError(f"{place} does not lie in {whole}. Leave it out (members() lists what lies in a place).")
        covered |= {atom for atom, extent in territory[place].items() if extent == "whole"}
    lacking = [u.name_zh for u in members(whole, asof=day) if not territory[u].keys() <= covered]
    counted_apart = [resolve(p, asof=day) for pair in pairs for p in pair]
    needed = [p for p in counted_apart if p not in found and territory[p].keys() <= territory[whole].keys()]
    return tuple(dict.fromkeys([*lacking, *(p.name_zh for p in needed)]))
