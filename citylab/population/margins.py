"""Margins of Beijing's residents that were published, by district: what a synthetic population is set to.

All are counts of the census of 2020: the data set ``nbs__census_district_margin``, which this package brings along.
Nothing here is an assumption; what the census does not say of the residents stands in the tables of
:func:`citylab.population.synthetic.assumptions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from citylab import settings
from citylab.errors import DataError
from citylab.frames import lazily, need_columns, need_numbers
from citylab.stats.raking import AGREEMENT

Floats = npt.NDArray[np.float64]

PUBLISHED = "nbs__census_district_margin"
"""Data set with the margins; its table is read where it lies, as nothing below the catalogue may ask the catalogue."""
SEXES = ("male", "female")
SCHOOLING = (
    "under_6", "none", "preschool", "primary", "junior_secondary", "senior_secondary", "college", "university",
)  # fmt: skip
"""Levels, lowest first. The census asks from 6 years on; ``under_6`` are the residents whom it did not ask."""
HELD_OUT = "district_generations"
"""Margin of households to which nothing is fitted: those of one, two, three, or four and more generations."""
AGE_OLD, MOST_ELDERS = 65, 3
"""Age from which the census counts old members of a household, and the count that stands for more."""
MOST_GENERATIONS = 4
"""Generations in a household that stand for more."""
INDICATORS = (
    "age", "schooling", "registered_other_province", "family_households", "family_household_persons",
    "one_person_households", "households_one_65plus", "households_two_65plus", "households_three_65plus",
    "one_generation_households", "two_generation_households", "three_generation_households",
    "four_generation_households", "long_form_households", "long_form_households_with_car",
)  # fmt: skip
"""What the table of margins counts."""

_ELDERS = tuple(i for i in INDICATORS if i.endswith("_65plus"))
_GENERATIONS = tuple(i for i in INDICATORS if i.endswith("_generation_households"))
_SHOWN = 3  # categories that a message names


@dataclass(frozen=True, eq=False)
class Census:
    """The margins as arrays: district x sex x age group, district x sex x schooling, and by district."""

    adcodes: list[str]
    age_low: list[int]
    ages: Floats
    schooling: Floats
    migrants: Floats  # district x (registered in Beijing, elsewhere)
    households: Floats  # family households
    members: Floats  # persons in them
    alone: Floats  # of them, with one person
    car_share: Floats
    elders: Floats  # district x households with one, two, three and more of 65+
    generations: Floats  # district x households of one, two, three, four and more generations

    @property
    def age_groups(self) -> list[str]:
        """Names of the age groups in the vocabulary's style."""
        ends = [b - 1 for b in self.age_low[1:]]
        named = [str(a) if a == b else f"{a}-{b}" for a, b in zip(self.age_low, ends, strict=False)]
        return [*named, f"{self.age_low[-1]}+"]

    @property
    def residents(self) -> Floats:
        """Residents of each district."""
        return self.ages.sum(axis=(1, 2))


def first_year(age_group: str) -> int:
    """Return the age at which an age group begins.

    Raises
    ------
    DataError
        The group does not begin with an age.

    Examples
    --------
    >>> first_year("60-64"), first_year("85+")
    (60, 85)
    """
    first = str(age_group).rstrip("+").partition("-")[0]
    if not first.isdecimal():
        raise DataError(f"The age group is {age_group!r}; expected first and last year such as '60-64', or '85+'.")
    return int(first)


def read(table: pl.DataFrame | pl.LazyFrame | None = None) -> Census:
    """Return the margins as arrays, checked against each other.

    Parameters
    ----------
    table
        Margins of your own in the form of the data set ``nbs__census_district_margin``.

    Returns
    -------
    Census
        Districts in the order of their codes.

    Raises
    ------
    SchemaError
        A column is missing, or the counts are text.
    DataError
        A district lacks an item or has one twice, a count is negative or no number, a category is unknown, or counts
        contradict each other.

    Examples
    --------
    >>> int(read().residents.sum())
    21893095
    """
    if table is None:
        table = pl.read_parquet(settings.datasets_dir() / PUBLISHED / "margins.parquet")
    given = lazily(table)[0].collect()  # type: ignore[type-var]
    needed = {"adcode": "district", "indicator": "what is counted", "sex": "", "age_group": "", "schooling": "",
              "value": "count"}  # fmt: skip
    schema = need_columns(given.lazy(), needed, what="The census table")
    need_numbers(schema, ["value"], what="The census table")
    given = given.with_columns(pl.col("value").cast(pl.Float64), pl.col(*list(needed)[:-1]).cast(pl.String))
    bad = given.filter(~(pl.col("value").is_finite() & (pl.col("value") >= 0)).fill_null(False)).select(*needed)
    if bad.height:
        row = bad.row(0)
        raise DataError(f"The census table holds {row[-1]} for {row[:-1]}; expected a count of 0 or more.")
    if lost := sorted(set(INDICATORS) - set(given["indicator"])):
        raise DataError(
            f"The census table has no rows of {lost}; it has {given['indicator'].unique().sort().to_list()}. Take the "
            f"indicators of the data set {PUBLISHED}."
        )
    adcodes = given["adcode"].unique().sort().to_list()
    groups = sorted(given.filter(indicator="age")["age_group"].unique(), key=first_year)

    def spread(item: str, *axes: tuple[str, list[str]]) -> Floats:
        index = [("adcode", adcodes), *axes]
        grid = pl.DataFrame({"adcode": adcodes})
        for name, places in axes:
            grid = grid.join(pl.DataFrame({name: places}), how="cross")
        keys = [name for name, _ in index]
        rows = given.filter(indicator=item)
        found = grid.join(rows.select(*keys, "value"), on=keys, how="left", maintain_order="left")
        if found.height != grid.height or found["value"].null_count():
            at = found.filter(pl.col("value").is_null() | found.select(keys).is_duplicated()).select(keys).row(0)
            raise DataError(f"The census table has no count, or two, of {item!r} for {at}. Check its rows.")
        if found.height < rows.height:
            odd = rows.join(grid, on=keys, how="anti").select(keys).row(0)
            raise DataError(
                f"The census table counts {item!r} for {odd}, which is no category of it; expected "
                f"{[p if len(p) <= _SHOWN else [*p[:_SHOWN], '...'] for _, p in index[1:]]}. Recode the row."
            )
        return found["value"].to_numpy().reshape([len(p) for _, p in index])

    ages = spread("age", ("sex", list(SEXES)), ("age_group", groups))
    asked = spread("schooling", ("sex", list(SEXES)), ("schooling", list(SCHOOLING[1:])))
    small = ages.sum(axis=2) - asked.sum(axis=2)
    elsewhere = spread("registered_other_province")
    total = ages.sum(axis=(1, 2))
    households, members, alone = (
        spread(i) for i in ("family_households", "family_household_persons", "one_person_households")
    )
    elders = np.column_stack([spread(i) for i in _ELDERS])
    generations = np.column_stack([spread(i) for i in _GENERATIONS])
    sample, with_car = spread("long_form_households"), spread("long_form_households_with_car")
    old = ages[:, :, [first_year(g) >= AGE_OLD for g in groups]].sum(axis=(1, 2))
    for what, wrong in (
        ("no residents or no family households", (total <= 0) | (households <= 0)),
        ("more people with schooling than residents", (small < 0).any(axis=1)),
        ("more residents registered elsewhere than residents", elsewhere > total),
        ("more members of family households than residents", members > total),
        ("more households of one person than households", alone > households),
        ("fewer members than its households need", members < 2 * households - alone),
        ("more households with members of 65 and over than households", elders.sum(axis=1) > households),
        ("more members of 65 and over in households than residents of that age",
         elders @ np.arange(1, MOST_ELDERS + 1) > old),
        ("another number of households by generations than households",
         np.abs(generations.sum(axis=1) - households) > AGREEMENT * households),
        ("no households of the long form", sample <= 0),
        ("more households with a car than households asked", with_car > sample),
    ):  # fmt: skip
        if wrong.any():
            raise DataError(
                f"The census table has {what} in the district {adcodes[int(wrong.argmax())]}. The counts contradict "
                "each other: take them from one census, as counts and not in per cent."
            )
    return Census(
        adcodes, [first_year(g) for g in groups], ages, np.concatenate([small[:, :, None], asked], axis=2),
        np.column_stack([total - elsewhere, elsewhere]), households, members, alone, with_car / sample, elders,
        generations,
    )  # fmt: skip


def _long(names: list[str], places: Sequence[Sequence[object]], values: Floats, value: str) -> pl.DataFrame:
    grid = pl.DataFrame({names[0]: places[0]})
    for name, at in zip(names[1:], places[1:], strict=True):
        grid = grid.join(pl.DataFrame({name: at}), how="cross")
    return grid.with_columns(pl.Series(value, values.ravel()))


def of_persons(census: Census | None = None) -> dict[str, pl.DataFrame]:
    """Return the margins of persons as tables for :func:`citylab.stats.raking.rake` and ``comparison``.

    Parameters
    ----------
    census
        Margins of your own, from :func:`read`.

    Returns
    -------
    dict
        By name, a table of categories and ``population_persons``.

    Examples
    --------
    >>> {name: table.height for name, table in of_persons().items()}  # doctest: +NORMALIZE_WHITESPACE
    {'district_sex_age': 608, 'district_sex_schooling': 256, 'district_registration': 32,
     'district_household_kind': 32}
    """
    c = read() if census is None else census
    count = "population_persons"
    residents = c.residents
    return {
        "district_sex_age": _long(
            ["adcode", "sex", "age_group"], [c.adcodes, list(SEXES), c.age_groups], c.ages, count
        ),
        "district_sex_schooling": _long(
            ["adcode", "sex", "schooling"], [c.adcodes, list(SEXES), list(SCHOOLING)], c.schooling, count
        ),
        "district_registration": _long(["adcode", "is_migrant"], [c.adcodes, [False, True]], c.migrants, count),
        "district_household_kind": _long(
            ["adcode", "is_collective"], [c.adcodes, [False, True]],
            np.column_stack([c.members, residents - c.members]), count,
        ),
    }  # fmt: skip


def of_households(census: Census | None = None) -> dict[str, pl.DataFrame]:
    """Return the margins of family households; the last, :data:`HELD_OUT`, is fitted by nothing.

    Parameters
    ----------
    census
        Margins of your own, from :func:`read`.

    Returns
    -------
    dict
        By name, a table of categories and ``household_count``. ``is_alone``: one person; ``has_car``: a car or more
        (the share in the long form, a tenth of the households, times all households); ``elders``: members of 65 and
        over, 3 stands for more; ``generations``: 4 stands for more.

    Examples
    --------
    >>> of_households()["district_alone"].filter(adcode="110101")["household_count"].to_list()
    [201980.0, 83563.0]
    """
    c = read() if census is None else census
    count = "household_count"
    few = c.households - c.elders.sum(axis=1)
    return {
        "district_alone": _long(
            ["adcode", "is_alone"], [c.adcodes, [False, True]],
            np.column_stack([c.households - c.alone, c.alone]), count,
        ),
        "district_car": _long(
            ["adcode", "has_car"], [c.adcodes, [False, True]],
            np.column_stack([1 - c.car_share, c.car_share]) * c.households[:, None], count,
        ),
        "district_elders": _long(
            ["adcode", "elders"], [c.adcodes, list(range(MOST_ELDERS + 1))], np.column_stack([few, c.elders]), count
        ),
        HELD_OUT: _long(
            ["adcode", "generations"], [c.adcodes, list(range(1, MOST_GENERATIONS + 1))], c.generations, count
        ),
    }  # fmt: skip
