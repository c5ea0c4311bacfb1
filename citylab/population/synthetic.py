"""Synthetic residents of Beijing in households, set to the margins that the census of 2020 published.

No record of single residents is open. What is published by district are ages by sex, schooling by sex, where people are
registered, how many households there are, how many people live in them, how many live alone, how many have members of
65 and over, and what share has a car.
:func:`synthesise` makes persons who agree with those counts; who has learned what at which age, who lives with whom,
incomes, phones, being online and distances to the metro rest on declared assumptions (``population_assumptions*``,
each with an alternative). :func:`calibration` holds a table against the margins and against one that nothing was fitted
to, :func:`held_out` tells what the fit would be worth without one of them. **What the margins do not say is assumed**:
show a result under ``assumptions(variant="alternative")`` too.

Persons are made in blocks, each with a random stream of its own, so that neither the size of a batch nor the number of
workers changes a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import shapely
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from citylab import files, tables
from citylab.errors import DataError, RangeError, SchemaError, suggest
from citylab.frames import lazily, need_columns
from citylab.population import households, margins
from citylab.population.blocks import made_in_blocks, whole
from citylab.population.homes import FIT_SEED, draw
from citylab.population.households import Rules
from citylab.population.margins import SCHOOLING, SEXES, Census
from citylab.stats import raking

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Variant = Literal["central", "alternative"]

TABLES = {
    "scalars": ("population_assumptions", ("parameter",)),
    "ages": ("population_assumptions_ages", ("age_low_years",)),
    "schooling": ("population_assumptions_schooling", ("age_low_years",)),
    "sizes": ("population_assumptions_sizes", ("household_size_persons",)),
    "incomes": ("population_assumptions_incomes", ("schooling",)),
    "online": ("population_assumptions_online", ("age_low_years",)),
    "correlations": ("travel_assumptions", ("parameter",)),
    "phones": ("travel_assumptions_people", ("age_group",)),
    "districts": ("travel_assumptions_districts", ("adcode",)),
}
"""Assumptions that may be replaced: the declared table of each, and what tells its rows apart."""
SHARED = {
    "correlations": ("scalars", ["parameter", "value", "unit", "source", "mark"]),
    "phones": ("people", ["age_group", "smartphone_share", "source", "mark"]),
    "districts": ("districts", ["adcode", "income_shift", "near_station_share", "near_station_km", "source", "mark"]),
}
"""Assumptions that the synthetic trips make too, their name there, and the columns that count here."""

_CORRELATIONS = ("car_income_correlation", "phone_income_correlation")
PERSON_SCHEMA: dict[str, Any] = {
    "person_id": pl.UInt32, "household_id": pl.UInt32, "adcode": pl.String, "age_years": pl.UInt8,
    "age_group": pl.Enum(margins.read().age_groups), "is_under_18": pl.Boolean, "is_60_plus": pl.Boolean,
    "sex": pl.Enum(SEXES), "schooling": pl.Enum(SCHOOLING), "is_migrant": pl.Boolean, "is_collective": pl.Boolean,
    "is_head": pl.Boolean, "household_size_persons": pl.UInt8, "household_income_cny": pl.Float64,
    "income_decile": pl.UInt8, "household_car_count": pl.UInt8, "has_car": pl.Boolean, "has_smartphone": pl.Boolean,
    "is_online": pl.Boolean, "metro_distance_km": pl.Float64, "weight_persons": pl.Float64, "is_synthetic": pl.Boolean,
}  # fmt: skip
"""Columns of the persons; the vocabulary says what each means."""

AGE_OF_MAJORITY, AGE_60 = 18, 60
"""Ages that ``is_under_18`` and ``is_60_plus`` are named after."""

GENERATION_YEARS = 16
"""Years by which ages of a household must be apart, one from the next, to count as two generations."""
_NEAR = 0.01  # what the name of a column says
_BLOCK = 1 << 16  # persons of a block: a part of what a seed means, so never changed
_DECILES = 10
_PLACES = 3  # decimals of kilometres
_SCORES, _CLIP = 2001, 8.0  # points and range of the income score
_TILT = 20.0
_SUM = 1e-9  # by which shares may miss 1
_BELOW_ONE = 1 - 1e-9


def assumptions(variant: Variant = "central") -> dict[str, pl.DataFrame]:
    """Return the assumptions behind the population: tables, each row with its source and mark.

    Change one and give it to :func:`synthesise`: ``assumptions={"sizes": mine}``.

    Parameters
    ----------
    variant
        ``central``, or ``alternative`` values that are about as defensible, to show what hangs on them; where none is
        declared the central one stands.

    Raises
    ------
    UnknownNameError
        No such variant.

    Examples
    --------
    >>> {name: table.height for name, table in assumptions().items()}  # doctest: +NORMALIZE_WHITESPACE
    {'scalars': 17, 'ages': 19, 'schooling': 19, 'sizes': 6, 'incomes': 8, 'online': 4, 'correlations': 2,
     'phones': 5, 'districts': 16}
    """
    if variant not in ("central", "alternative"):
        raise suggest(str(variant), ("central", "alternative"), what="variant of the assumptions", see=f"{__name__}")
    found = {}
    for name, (table, keys) in TABLES.items():
        rows = tables.read(table)
        if name in SHARED:
            kept = rows.select(SHARED[name][1])
            if name == "correlations":
                kept = kept.filter(pl.col("parameter").is_in(_CORRELATIONS))
            found[name] = _with_alternative(name, kept, keys[0]) if variant == "alternative" else kept
            continue
        central = rows.filter(variant="central").drop("variant")
        other = rows.filter(variant=variant).drop("variant")
        found[name] = central.update(other, on=list(keys), how="left", maintain_order="left")
    return found


def _with_alternative(name: str, rows: pl.DataFrame, key: str) -> pl.DataFrame:
    """Return shared assumptions with the values of ``population_assumptions_travel`` in place of their own."""
    others = tables.read("population_assumptions_travel").filter(table=SHARED[name][0])
    for column, values in others.group_by("column", maintain_order=True):
        other = values.select(pl.col("key").alias(key), pl.col("value").alias(str(column[0])), "source", "mark")
        rows = rows.with_columns(pl.col(str(column[0])).cast(pl.Float64))
        rows = rows.update(other, on=key, how="left", maintain_order="left")
    return rows


@dataclass(frozen=True, eq=False)
class _Told:
    """Assumptions in arrays."""

    scalars: Mapping[str, float]
    ages: Mapping[str, Floats]
    schooling: Floats  # age group x level
    sizes: Floats  # shares of households of 2, 3 ... persons
    income_by_level: Floats
    phones: Mapping[str, float]
    online: Mapping[str, Floats]  # first age and share of each group
    districts: Mapping[str, Floats]

    @property
    def rules(self) -> Rules:
        return Rules(self.ages, self.scalars)


def rules(given: Mapping[str, pl.DataFrame] | None = None) -> Rules:
    """Return the assumptions on living together, as :func:`citylab.population.households.arrange` takes them.

    Examples
    --------
    >>> rules().scalars["least_head_years"]
    18.0
    """
    return _told(given, margins.read()).rules


def _told(own: Mapping[str, pl.DataFrame] | None, census: Census) -> _Told:
    given = assumptions()
    for name, table in (own or {}).items():
        if name not in given:
            raise suggest(name, given, what="table of assumptions", see="citylab.population.synthetic.TABLES")
        needed = [c for c in given[name].columns if c not in {"source", "mark", "unit"}]
        if missing := [c for c in needed if c not in table.columns]:
            raise SchemaError(f"The assumptions {name!r} need the columns {missing}; they have {table.columns}.")
        key = TABLES[name][1][0]
        if table[key].to_list() != given[name][key].to_list():
            raise DataError(
                f"The assumptions {name!r} list {table[key].to_list()}; expected {given[name][key].to_list()} in this "
                f"order. Change values, not rows: start from assumptions()[{name!r}]."
            )
        given[name] = table
    for name, table in given.items():
        for column in table.select(pl.selectors.numeric()).columns:
            values = table[column].cast(pl.Float64)
            low = -np.inf if column.endswith("income_shift") else 0
            high = 1 if column.endswith("share") else np.inf
            if values.is_null().any() or not values.is_between(low, high).all():
                raise RangeError(
                    f"The assumption {column!r} of {name!r} holds {values.to_list()}; expected numbers from {low} to "
                    f"{high}."
                )
    levels = given["schooling"].select(f"{s}_share" for s in SCHOOLING).cast(pl.Float64).to_numpy()
    for what, total in (("schooling", levels.sum(axis=1)), ("sizes", np.array([given["sizes"]["share"].sum()]))):
        if np.abs(total - 1).max() > _SUM:
            raise RangeError(f"The shares of {what!r} add up to {total.tolist()}; expected 1.")
    if given["ages"]["age_low_years"].to_list() != census.age_low:
        raise DataError(f"The census has age groups from {census.age_low}; the assumptions from "
                        f"{given['ages']['age_low_years'].to_list()}.")  # fmt: skip
    if given["districts"]["adcode"].to_list() != census.adcodes:
        raise DataError(
            f"The census has the districts {census.adcodes}; the assumptions {given['districts']['adcode'].to_list()}. "
            "Give margins of all of these districts, under these codes."
        )
    if given["sizes"]["household_size_persons"].to_list() != list(range(2, 2 + given["sizes"].height)):
        raise DataError("The assumptions 'sizes' must list sizes from 2 on without a gap.")

    def arrays(name: str) -> dict[str, Floats]:
        chosen = given[name].select(pl.selectors.numeric()).cast(pl.Float64)
        return {c: chosen[c].to_numpy() for c in chosen.columns}

    scalars: dict[str, float] = {}
    for name in ("scalars", "correlations"):
        scalars |= {str(k): float(v) for k, v in given[name].select("parameter", "value").iter_rows()}
    for c, value in scalars.items():
        if value > 1 and c.endswith(("_share", "_correlation")):
            kind = "correlation" if c in _CORRELATIONS else "share"
            raise RangeError(f"The assumption {c!r} is {value:g}; a {kind} is 1 at most.")
    if scalars["income_mean_cny"] <= 0:
        raise RangeError("The assumption 'income_mean_cny' is 0; incomes are lognormal, so expected above 0.")
    order = pl.DataFrame({"schooling": SCHOOLING}).join(
        given["incomes"], on="schooling", how="left", maintain_order="left"
    )
    return _Told(
        scalars, arrays("ages"), levels, given["sizes"]["share"].cast(pl.Float64).to_numpy(),
        order["income_shift"].cast(pl.Float64).to_numpy(),
        dict(given["phones"].select("age_group", pl.col("smartphone_share").cast(pl.Float64)).iter_rows()),
        arrays("online"), arrays("districts"),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Model:
    """What is drawn from, at the size that was asked for."""

    told: _Told
    census: Census
    cells: Ints  # district x (sex x age group x level x registered elsewhere)
    families: Ints  # district x size, family households
    elders: Ints  # district x family households with one, two, three and more of 65+
    cars: Ints  # family households with a car
    blocks: Ints  # of each district
    first: Ints  # number of the first person of each block
    first_home: Ints
    phone_band: Ints  # of each age group, its place among the groups of phones
    income: tuple[Floats, Floats]  # score, share of residents below
    log_mean: float  # of equivalised income
    metro_km: Floats | None  # district x home
    weight: float


def _seed(census: Census, told: _Told) -> Floats:
    """Return how age, schooling and registration hang together by assumption: age group x level x registration."""
    moved = np.column_stack([np.ones(len(census.age_low)), told.ages["migrant_odds"]])
    return told.schooling[:, :, None] * moved[:, None, :]


def _fitted(census: Census, told: _Told, without: str | None = None) -> Floats:
    """Return residents by district, sex, age group, level and registration; a margin left out is known for the city."""
    axes = ("district", "sex", "age", "schooling", "registration")
    by_name = {
        "district_sex_age": (("district", "sex", "age"), census.ages),
        "district_sex_schooling": (("district", "sex", "schooling"), census.schooling),
        "district_registration": (("district", "registration"), census.migrants),
    }
    targets: dict[Any, Floats] = {}
    for name, (keys, values) in by_name.items():
        if name == without:
            targets[keys[1:]] = values.sum(axis=0)
        else:
            targets[keys] = values
    if without == "district_sex_age":
        # How many live in a district is known all the same.
        targets[("district",)] = census.residents
    shape = (len(census.adcodes), len(SEXES))
    seed = np.broadcast_to(_seed(census, told), (*shape, *_seed(census, told).shape))
    labels = (census.adcodes, SEXES, census.age_groups, SCHOOLING, ("Beijing", "elsewhere"))
    return raking.ipf(seed, targets, axes=axes, labels=labels).table


def _sizes(census: Census, told: _Told) -> Floats:
    """Return family households by district and size, with the published number, members and people alone."""
    sizes = np.arange(2, 2 + told.sizes.size)
    found = np.empty((len(census.adcodes), 1 + sizes.size))
    found[:, 0] = census.alone
    for d in range(len(census.adcodes)):
        more = census.households[d] - census.alone[d]
        mean = (census.members[d] - census.alone[d]) / more
        if not sizes[0] < mean < sizes[-1]:
            raise DataError(
                f"Households of two and more in {census.adcodes[d]} have {mean:.2f} members on average; the sizes of "
                f"the assumptions run from {sizes[0]} to {sizes[-1]}."
            )

        def off(t: float, mean: float = mean) -> float:
            w = told.sizes * np.exp(t * (sizes - mean))
            return float((w * (sizes - mean)).sum() / w.sum())

        tilted = told.sizes * np.exp(brentq(off, -_TILT, _TILT) * (sizes - mean))
        found[d, 1:] = more * tilted / tilted.sum()
    return found


def _whole_families(fractions: Floats, members: Floats, residents: Ints) -> Ints:
    """Return whole numbers of households by size whose members are as many as they should be, where that can be."""
    counts = raking.integerise(fractions, ["district"], axes=["district", "size"]).table
    size = np.arange(1, counts.shape[1] + 1)
    for d in range(len(counts)):
        off = min(int(np.rint(members[d])), int(residents[d])) - int(counts[d] @ size)
        # A household of two becomes one of three, or the other way round, which leaves their number.
        step = min(off, int(counts[d, 1])) if off > 0 else -min(-off, int(counts[d, 2]))
        counts[d, 1] -= step
        counts[d, 2] += step
        while counts[d] @ size > residents[d]:
            counts[d, int(np.flatnonzero(counts[d])[-1])] -= 1
    return counts


def _whole_elders(fractions: Floats, families: Ints) -> Ints:
    """Return whole numbers of households with one, two, three and more old members, of so many family households."""
    few = np.maximum(families - fractions.sum(axis=1), 0)
    table = np.column_stack([few, fractions])
    counts = raking.integerise(table, ["district"], axes=["district", "elders"]).table[:, 1:]
    for d in range(len(counts)):
        while counts[d].sum() > families[d]:
            counts[d, int(counts[d].argmax())] -= 1
    return counts


def _shared(total: Ints, phase: Floats, b: int, blocks: int) -> Ints:
    """Return the part of counts that falls to block b, so that all blocks together have all."""
    low, high = (np.floor(total * (k / blocks) + phase).astype(np.int64) for k in (b, b + 1))
    if b == 0:
        low = np.zeros_like(low)
    return (total if b + 1 == blocks else high) - low


def _phases(seed: int, d: int, n: int) -> Floats:
    return np.random.default_rng([seed, 0, d]).random(n) * _BELOW_ONE


def _parts(model: _Model, seed: int, d: int, b: int) -> tuple[Ints, Ints, int, Ints]:
    """Return the persons by cell, and the family households by size, with a car, and by old members, of a block."""
    kinds = model.cells[d], model.families[d], model.cars[d : d + 1], model.elders[d]
    ends = np.cumsum([k.size for k in kinds])
    phase = np.split(_phases(seed, d, int(ends[-1])), ends[:-1])
    cells, families, cars, elders = (_shared(k, p, b, int(model.blocks[d])) for k, p in zip(kinds, phase, strict=True))
    return cells, families, int(cars[0]), np.concatenate([[families.sum() - elders.sum()], elders])


def _metro(
    told: _Told, census: Census, boundaries: pl.DataFrame | pl.LazyFrame | None,
    stations: pl.DataFrame | pl.LazyFrame | None,
) -> Floats | None:  # fmt: skip
    """Return how far homes of each district are from the metro, drawn as for the synthetic trips."""
    if (boundaries is None) != (stations is None):
        raise SchemaError("Distances to the metro need boundaries= and stations= together. Give both, or neither.")
    if boundaries is None or stations is None:
        return None
    outlines, stops = lazily(boundaries)[0], lazily(stations)[0]  # type: ignore[type-var]
    need_columns(outlines, {"adcode": "district", "geometry_wkb": "polygon"}, what="boundaries")
    need_columns(stops, {"adcode": "district", "longitude_deg": "", "latitude_deg": ""}, what="stations")
    shapes = dict(outlines.select("adcode", "geometry_wkb").collect().iter_rows())
    if lost := sorted(set(census.adcodes) - set(shapes)):
        raise DataError(f"The boundaries lack the districts {lost}.")
    polygons = [shapely.from_wkb(shapes[a]) for a in census.adcodes]
    places = stops.select("adcode", "longitude_deg", "latitude_deg").collect().drop_nulls()
    if places.is_empty():
        raise DataError("The table of stations has no station with coordinates. Leave boundaries and stations out.")
    return draw(
        np.random.default_rng([FIT_SEED, 0]), polygons, census.adcodes, places,
        near_share=told.districts["near_station_share"], near_km=told.districts["near_station_km"],
    ).metro_km  # fmt: skip


def _model(size: int, seed: int, census: Census, told: _Told, metro_km: Floats | None) -> _Model:
    residents = census.residents
    share = size / residents.sum()
    fitted = _fitted(census, told) * share
    keys = ("district", "sex", "age", "schooling", "registration")
    cells = raking.integerise(
        fitted,
        [("district",), ("district", "sex", "age"), ("district", "sex", "schooling"), ("district", "registration")],
        axes=keys, seed=seed,
    ).table.reshape(len(census.adcodes), -1)  # fmt: skip
    persons = cells.sum(axis=1)
    families = _whole_families(_sizes(census, told) * share, census.members * share, persons)
    cars = np.rint(families.sum(axis=1) * census.car_share).astype(np.int64)
    elders = _whole_elders(census.elders * share, families.sum(axis=1))
    blocks = np.maximum(1, -(-persons // _BLOCK))
    # Scores of income: a mixture of normals, one for each district.
    score = np.linspace(-_CLIP, _CLIP, _SCORES)
    below = ndtr(score[:, None] - told.districts["income_shift"][None, :]) @ (residents / residents.sum())
    # Mean income per head, where size and income do not hang together.
    power = told.scalars["equivalence_exponent"] - 1
    size_of = np.arange(1, families.shape[1] + 1, dtype=np.float64)
    whole = _sizes(census, told).sum(axis=0) * size_of
    heads = (whole @ size_of**power + (residents - census.members).sum()) / residents.sum()
    log_mean = np.log(told.scalars["income_mean_cny"] / heads) - told.scalars["income_log_sd"] ** 2 / 2
    bands = [_band(a, list(told.phones)) for a in census.age_low]
    model = _Model(
        told, census, cells, families, elders, cars, blocks, np.empty(0, np.int64), np.empty(0, np.int64),
        np.array([list(told.phones).index(b) for b in bands]), (score, below), float(log_mean), metro_km,
        float(residents.sum() / size),
    )  # fmt: skip
    counts = []
    for d in range(len(census.adcodes)):
        for b in range(int(blocks[d])):
            people, homes, *_ = _parts(model, seed, d, b)
            members = int(homes @ np.arange(1, homes.size + 1))
            if people.sum() < members:
                raise DataError(
                    f"Family households of {census.adcodes[d]} need {members} of the {people.sum()} persons of a "
                    "block. Too few residents live in collective households there; take another seed."
                )
            counts.append((int(people.sum()), int(homes.sum()) + int(people.sum()) - members))
    first, first_home = (np.concatenate([[0], np.cumsum([c[i] for c in counts])]) for i in (0, 1))
    return replace(model, first=first, first_home=first_home)


def _band(age: int, groups: Sequence[str]) -> str:
    """Return the age group, of a table with wider ones, in which an age falls."""
    lows = {margins.first_year(g): g for g in groups}
    return lows[max(low for low in lows if low <= age)]


def _ages(rng: np.random.Generator, model: _Model, group: Ints, level: Ints) -> Ints:
    """Return completed years: even within a group, from school age on for who was asked for schooling."""
    s = model.told.scalars
    low = np.array(model.census.age_low)
    span = np.diff(low, append=low[-1] + 1)
    least = low[group]
    width = span[group]
    school = int(s["least_school_years"])
    straddles = (least < school) & (school < least + width)
    asked = level > 0
    least, width = (
        np.where(straddles & asked, school, least),
        np.where(straddles, np.where(asked, least + width - school, school - least), width),
    )
    age = least + (rng.random(group.size) * width).astype(np.int64)
    last = group == low.size - 1
    excess = rng.geometric(1 / (1 + s["oldest_excess_years"]), int(last.sum())) - 1
    age[last] = np.minimum(low[-1] + excess, int(s["oldest_years"]))
    return age


def _top(score: Floats, k: int) -> npt.NDArray[np.bool_]:
    """Return true for the k highest scores."""
    found = np.zeros(score.size, dtype=np.bool_)
    if k > 0:
        found[np.argpartition(-score, k - 1)[:k] if k < score.size else np.arange(score.size)] = True
    return found


def _online(
    told: _Told, age: Ints, has_phone: npt.NDArray[np.bool_], joins: Floats, rounding: Floats
) -> npt.NDArray[np.bool_]:
    """Return who is online: each age group's share, those with a phone of their own first, the rest on another's."""
    found = np.zeros(age.size, dtype=np.bool_)
    group = np.searchsorted(told.online["age_low_years"], age, side="right") - 1
    for g, share in enumerate(told.online["online_share"]):
        owns, lacks = (np.flatnonzero((group == g) & side) for side in (has_phone, ~has_phone))
        k = int((owns.size + lacks.size) * share + rounding[g])
        wanted = min(k, round(owns.size * told.scalars["online_with_phone_share"]))
        others = min(k - wanted, lacks.size)
        found[owns] = _top(joins[owns], k - others)
        found[lacks] = _top(joins[lacks], others)
    return found


def _block(model: _Model, seed: int, d: int, b: int, at: int) -> pl.DataFrame:
    told, census, s = model.told, model.census, model.told.scalars
    rng = np.random.default_rng([seed, 1, d, b])
    people, homes, cars, elders = _parts(model, seed, d, b)
    cell = np.repeat(np.arange(people.size), people)
    shape = (len(SEXES), len(census.age_low), len(SCHOOLING), 2)
    sex, group, level, moved = np.unravel_index(cell, shape)
    age = _ages(rng, model, group, level)
    lived = households.arrange(rng, age, sex, group, moved, level, homes, told.rules, elders=elders)
    # Rows household by household, the head first, the households in no order.
    mixed = rng.permutation(lived.size.size)
    size, is_family = np.empty_like(lived.size), np.empty(mixed.size, dtype=np.bool_)
    size[mixed], is_family[mixed] = lived.size, np.arange(mixed.size) < lived.families
    home = mixed[lived.home]
    order = np.argsort(2 * home + ~lived.is_head, kind="stable")
    is_head = lived.is_head[order]
    sex, group, level, moved, age, home = (x[order] for x in (sex, group, level, moved, age, home))
    n, head = age.size, np.flatnonzero(is_head)
    own = told.income_by_level[level[head]] + told.ages["income_shift"][group[head]] + rng.standard_normal(size.size)
    ranked = np.argsort(own, kind="stable")
    upto = np.cumsum(size[ranked])
    # The middle of the household's place among the persons of the block, by income.
    rank = np.empty(size.size)
    rank[ranked] = (upto - size[ranked] / 2) / n
    score = ndtri(rank)
    below = np.interp(score + told.districts["income_shift"][d], *model.income)
    decile = np.minimum((below * _DECILES).astype(np.int64) + 1, _DECILES)
    equivalised = np.exp(model.log_mean + s["income_log_sd"] * ndtri(below))
    income = np.rint(equivalised * size ** s["equivalence_exponent"])

    def with_income(name: str, z: Floats) -> Floats:
        rho = s[name]
        return rho * z + np.sqrt(1 - rho**2) * rng.standard_normal(z.size)

    wants = with_income("car_income_correlation", score) + s["car_size_shift"] * (size - 1)
    has_car = np.zeros(size.size, dtype=np.bool_)
    has_car[is_family] = _top(wants[is_family], cars)
    n_cars = has_car.astype(np.uint8) + (has_car & (rng.random(size.size) < s["second_car_share"]))
    is_small = age < s["least_phone_years"]
    likes = np.where(is_small, -np.inf, with_income("phone_income_correlation", score[home]))
    has_phone = np.zeros(n, dtype=np.bool_)
    for band, share in enumerate(told.phones.values()):
        those = np.flatnonzero(model.phone_band[group] == band)
        has_phone[those] = _top(likes[those], int(those.size * share + rng.random()))
    rounding = np.random.default_rng([seed, 2, d, b]).random(told.online["online_share"].size) * _BELOW_ONE
    online = _online(told, age, has_phone, rng.random(n), rounding)
    if model.metro_km is None:
        metro = pl.repeat(None, n, dtype=pl.Float64, eager=True)
    else:
        where = rng.permutation(size.size) * model.metro_km.shape[1] // size.size
        metro = pl.Series(model.metro_km[d, where].round(_PLACES)).gather(home)

    def named(values: npt.NDArray[Any], column: str) -> pl.Series:
        return pl.Series(PERSON_SCHEMA[column].categories, dtype=PERSON_SCHEMA[column]).gather(values)

    return pl.DataFrame(
        {
            "person_id": (model.first[at] + np.arange(n)).astype(np.uint32),
            "household_id": (model.first_home[at] + home).astype(np.uint32),
            "adcode": pl.repeat(census.adcodes[d], n, dtype=pl.String, eager=True),
            "age_years": age.astype(np.uint8),
            "age_group": named(group, "age_group"),
            "is_under_18": age < AGE_OF_MAJORITY,
            "is_60_plus": age >= AGE_60,
            "sex": named(sex, "sex"),
            "schooling": named(level, "schooling"),
            "is_migrant": moved > 0,
            "is_collective": ~is_family[home],
            "is_head": is_head,
            "household_size_persons": size[home].astype(np.uint8),
            "household_income_cny": income[home],
            "income_decile": decile[home].astype(np.uint8),
            "household_car_count": n_cars[home].astype(np.uint8),
            "has_car": has_car[home],
            "has_smartphone": has_phone,
            "is_online": online,
            "metro_distance_km": metro,
            "weight_persons": pl.repeat(model.weight, n, dtype=pl.Float64, eager=True),
            "is_synthetic": pl.repeat(True, n, dtype=pl.Boolean, eager=True),
        },
        schema=PERSON_SCHEMA,
    )


def synthesise(
    size: int, *, seed: int, census: pl.DataFrame | pl.LazyFrame | None = None,
    assumptions: Mapping[str, pl.DataFrame] | None = None, boundaries: pl.DataFrame | pl.LazyFrame | None = None,
    stations: pl.DataFrame | pl.LazyFrame | None = None, workers: int = 1,
) -> pl.LazyFrame:  # fmt: skip
    """Return synthetic residents of Beijing in households, made as they are collected.

    Parameters
    ----------
    size
        Persons, up to the residents of the census (21,893,095). Fewer are a sample: each stands for
        ``weight_persons`` residents.
    seed
        Whole number of 0 or more.
    census
        Margins of your own for the same districts and age groups, in the form of the data set
        ``nbs__census_district_margin``.
    assumptions
        Tables to take in place of declared ones, by their name in :func:`assumptions`.
    boundaries, stations
        Outlines of the districts and stations of the metro in WGS-84 (data sets ``echarts__static_district_boundary``
        and ``osm__static_station_subway``), from which the distance from home to the metro follows; empty without
        them.
    workers
        Threads that work ahead. They change no row.

    Returns
    -------
    polars.LazyFrame
        One row per person, household by household with the head first: the columns of :data:`PERSON_SCHEMA`.
        ``is_migrant``: registered outside Beijing. ``is_collective``: lives in a collective household (dormitory,
        barracks, institution), counts as a household of one with an income and without a car. Of a household:
        its size, income of a year, cars. ``income_decile``: tenth of the residents by equivalised household income.
        ``is_synthetic`` is true in every row.

    Raises
    ------
    RangeError
        A size, seed, share or correlation that cannot be.
    DataError
        Margins that contradict each other or the assumptions (a level of schooling that no age may have, for example).
    SchemaError, UnknownNameError
        A table lacks a column, or an unknown name of a table.

    Notes
    -----
    Residents by district, sex, age group, schooling and registration are fitted to the published margins by IPF; the
    seed is schooling by age and registration by age, both assumed and equal in all districts. The table is rounded to
    whole persons so that at full size each published cell is met exactly, and in a sample becomes one of the two
    neighbouring whole numbers (cells of registration may be off by more where no rounding keeps all three margins).
    Family households by size meet the published number, members and people alone (in a sample, to two of its
    households); who is left lives in collective ones (in a sample, to 1.5 persons a district). All counts are divided
    among blocks; in each, people are arranged in households by :func:`citylab.population.households.arrange`, and then
    change households until as many have one, two, and three members of 65 and over as the census counts (three stands
    for more; in a sample, a few households may be off where the rounded ages leave too few old people). So the old
    people in collective households are those whom that count leaves. Generations are not fitted.

    Ages within a group are even. The census publishes no table of more traits by district, so how three and more hang
    together is the assumptions'. Incomes are lognormal over persons; the place of a household in its district hangs on
    the schooling and age of its head, and districts differ by an assumed shift. Cars go to the households with the
    highest score of income, size and chance until the district's share of households with a car is met; phones
    likewise, within age groups, to the assumed shares. Being online is not owning a phone: each age group is online to
    its assumed share, on another's device where phones of one's own are fewer. The distance to the metro is independent
    of all but the district. The mean income per resident is the assumed one where incomes do not hang on the size of
    the household;
    :func:`calibration` shows what is left, less than a hundredth.

    A seed gives the same rows with the same releases of NumPy and SciPy. In a sample of a few hundred, a district may
    have fewer adults than family households: a minor then heads one without an adult (``is_head`` with
    ``is_under_18``). Below some 20,000, margins of households may be off by more than one.

    Examples
    --------
    >>> persons = synthesise(20_000, seed=1).collect()
    >>> persons.height, persons["is_synthetic"].all(), round(persons["weight_persons"].sum())
    (20000, True, 21893095)

    References
    ----------
    Beckman, R. J., Baggerly, K. A. and McKay, M. D. (1996), Creating synthetic baseline populations, Transportation
    Research A 30, 415-429. doi:10.1016/0965-8564(96)00004-3. Counts: 国家统计局, 第七次全国人口普查分县资料 (2022).
    """
    counted = margins.read(census)
    most = int(counted.residents.sum())
    size, seed = whole(size, "size", 1), whole(seed, "The seed", 0)
    workers = whole(workers, "workers", 1)
    if size > most:
        raise RangeError(f"size is {size:,}; the census counts {most:,} residents. Ask for that many at most.")
    told = _told(assumptions, counted)
    model = _model(size, seed, counted, told, _metro(told, counted, boundaries, stations))
    schema = {c: t if isinstance(t, pl.Enum) else t() for c, t in PERSON_SCHEMA.items()}

    def block(d: int, b: int, at: int) -> pl.DataFrame:
        return _block(model, seed, d, b, at)

    every = [(d, b) for d in range(model.blocks.size) for b in range(int(model.blocks[d]))]
    places = [(d, b, at) for at, (d, b) in enumerate(every)]
    return made_in_blocks(block, lambda: places, rows=size, workers=workers, schema=schema, name="synthetic residents")


def write(persons: pl.LazyFrame, path: str | Path) -> Path:
    """Write persons to a Parquet file, block by block: all 21.9 million need no more memory than a few blocks.

    Parameters
    ----------
    persons
        As of :func:`synthesise`, with columns or rows left out as you like.
    path
        File; it appears whole, or an older one stays.

    Returns
    -------
    Path
        The file.

    Examples
    --------
    >>> import tempfile
    >>> path = write(synthesise(1000, seed=1), Path(tempfile.mkdtemp()) / "persons.parquet")
    >>> pl.scan_parquet(path).select(pl.len()).collect().item()
    1000
    """
    path, (lf, _) = Path(path), lazily(persons)
    with files.written_whole(path) as part:
        lf.sink_parquet(part)
    return path


def _target(given: Mapping[str, pl.DataFrame], value: str) -> dict[str, pl.DataFrame]:
    return {name: table.rename({value: "target"}) for name, table in given.items()}


def _counted(lf: pl.LazyFrame, ages: Sequence[int]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return persons and households by all traits of margins: few rows, from one pass over the table for each."""
    keys = ["adcode", "sex", "age_group", "schooling", "is_migrant", "is_collective", "has_smartphone", "is_online",
            "income_decile"]  # fmt: skip
    w, age = pl.col("weight_persons"), pl.col("age_years")
    from_age = pl.lit(ages[0])
    for a in ages[1:]:
        from_age = pl.when(age >= a).then(a).otherwise(from_age)
    by_person = lf.group_by(*keys, from_age.alias("age_low_years")).agg(
        w.sum(), (w * pl.col("household_income_cny") / pl.col("household_size_persons")).sum().alias("money"),
        w.max().alias("heaviest"),
    )  # fmt: skip
    steps = age.cast(pl.Int16).sort().diff() >= GENERATION_YEARS
    by_home = (
        lf.filter(~pl.col("is_collective"))
        .group_by("household_id")
        .agg(
            pl.col("adcode", "has_car", "household_size_persons", "weight_persons").first(),
            (age >= margins.AGE_OLD).sum().clip(upper_bound=margins.MOST_ELDERS).alias("elders"),
            (1 + steps.sum()).clip(upper_bound=margins.MOST_GENERATIONS).alias("generations"),
        )
        .group_by(
            "adcode", "has_car", "elders", "generations", (pl.col("household_size_persons") == 1).alias("is_alone")
        )
        .agg(w.sum())
    )
    people, homes = pl.collect_all([by_person, by_home], engine="streaming")
    if people.is_empty():
        raise DataError("calibration: the table holds no persons.")
    return people, homes


def _assumed(people: pl.DataFrame, counted: Census, told: _Told, bands: Mapping[str, str]) -> dict[str, pl.DataFrame]:
    """Return what the assumptions make of phones, deciles and being online: tables of categories and ``target``."""
    per_band = (
        pl.DataFrame({"age_band": [bands[g] for g in counted.age_groups], "n": counted.ages.sum(axis=(0, 1))})
        .group_by("age_band")
        .agg(pl.col("n").sum())
    )
    share = pl.col("age_band").replace_strict(told.phones, return_dtype=pl.Float64)
    phones = pl.concat(
        per_band.select("age_band", pl.lit(has).alias("has_smartphone"), (pl.col("n") * part).alias("target"))
        for has, part in ((False, 1 - share), (True, share))
    ).sort("age_band", "has_smartphone")
    # The census has no groups of these ages, so the table's own persons are taken
    of_age = people.group_by("age_low_years").agg(pl.col("weight_persons").sum()).sort("age_low_years")
    shares = pl.DataFrame(
        {"age_low_years": told.online["age_low_years"], "share": told.online["online_share"]}
    ).cast({"age_low_years": of_age.schema["age_low_years"]})  # fmt: skip
    online = of_age.join(shares, on="age_low_years", maintain_order="left").select(
        "age_low_years", (pl.col("weight_persons") * pl.col("share")).alias("target")
    )
    tenth = pl.lit(float(counted.residents.sum()) / _DECILES)
    deciles = pl.DataFrame({"income_decile": range(1, _DECILES + 1)}).with_columns(target=tenth)
    return {"age_smartphone": phones, "income_decile": deciles, "age_online": online}


def calibration_cells(
    persons: pl.DataFrame | pl.LazyFrame, *, census: pl.DataFrame | pl.LazyFrame | None = None,
    assumptions: Mapping[str, pl.DataFrame] | None = None, tolerance: float = 0.01,
) -> pl.DataFrame:  # fmt: skip
    """Hold persons against every cell of every margin.

    Parameters
    ----------
    persons, census, assumptions, tolerance
        As in :func:`calibration`.

    Returns
    -------
    polars.DataFrame
        One row per cell: ``margin``, ``use`` (fitted, assumed, held_out), ``unit`` (persons, households, CNY/a),
        ``cell``, ``target``, ``result``, ``difference``, ``difference_share``, ``is_met``.

    Examples
    --------
    >>> cells = calibration_cells(synthesise(50_000, seed=1))
    >>> cells.filter(pl.col("use") == "fitted", ~pl.col("is_met")).height
    0
    """
    lf, _ = lazily(persons)  # type: ignore[type-var]
    needed = ["adcode", "sex", "age_group", "schooling", "is_migrant", "is_collective", "household_id", "age_years",
              "has_car", "has_smartphone", "is_online", "income_decile", "household_income_cny",
              "household_size_persons", "weight_persons"]  # fmt: skip
    need_columns(lf, needed, what="calibration")
    counted = margins.read(census)
    told = _told(assumptions, counted)
    people, homes = _counted(lf, [int(a) for a in told.online["age_low_years"]])
    bands = {g: _band(low, list(told.phones)) for g, low in zip(counted.age_groups, counted.age_low, strict=True)}
    people = people.with_columns(pl.col("age_group").cast(pl.String).replace_strict(bands).alias("age_band"))
    assumed = _assumed(people, counted, told, bands)
    online = {"age_online": assumed.pop("age_online")}
    of_homes = _target(margins.of_households(counted), "household_count")
    held = {margins.HELD_OUT: of_homes.pop(margins.HELD_OUT)}
    slack = people.select(pl.col("heaviest").max()).item()
    option: dict[str, Any] = {
        "weight": "weight_persons", "value": "target", "tolerance": tolerance, "slack": slack,
    }  # fmt: skip
    of_people = _target(margins.of_persons(counted), "population_persons")
    parts = [
        ("fitted", "persons", raking.comparison(people, of_people, **option)),
        ("fitted", "households", raking.comparison(homes, of_homes, **option)),
        ("assumed", "persons", raking.comparison(people, assumed, **option)),
        ("assumed", "persons", raking.comparison(people.filter("is_online"), online, **option)),
        ("held_out", "households", raking.comparison(homes, held, **option)),
    ]
    mean, wanted = float(people["money"].sum() / people["weight_persons"].sum()), told.scalars["income_mean_cny"]  # type: ignore[operator]
    off = mean - wanted
    money = pl.DataFrame(
        [("income_per_resident", "the total", wanted, mean, off, off / wanted, abs(off) <= tolerance * wanted)],
        schema=parts[0][2].schema, orient="row",
    )  # fmt: skip
    parts.append(("assumed", "CNY/a", money))
    return pl.concat(
        t.select("margin", pl.lit(use).alias("use"), pl.lit(unit).alias("unit"), pl.exclude("margin"))
        for use, unit, t in parts
    )


def calibration(
    persons: pl.DataFrame | pl.LazyFrame, *, census: pl.DataFrame | pl.LazyFrame | None = None,
    assumptions: Mapping[str, pl.DataFrame] | None = None, tolerance: float = 0.01,
) -> pl.DataFrame:  # fmt: skip
    """Hold persons against the margins, one row for each.

    Parameters
    ----------
    persons
        As of :func:`synthesise`, whole households. A table that was written is read; one that was not is made twice.
    census, assumptions
        What they were made with, where that was not the declared tables.
    tolerance
        Largest difference of a cell that counts as met, as a share of the published count. In a sample a cell that is
        off by one person (or household) or less is met too.

    Returns
    -------
    polars.DataFrame
        ``margin``; ``use``: *fitted* (published, the persons are set to it), *assumed* (set to an assumption),
        *held_out* (published, nothing is set to it: what the arrangement of households is worth); ``unit``, ``cells``,
        ``target`` (sum), ``total_absolute_error`` (sum of absolute differences), ``standardised_error`` (that over the
        sum), ``largest_difference_share``, ``unmet_cells``, ``is_met`` (no cell is unmet).
        :func:`calibration_cells` names the cells.

    Examples
    --------
    >>> report = calibration(synthesise(50_000, seed=1))
    >>> report.filter(pl.col("use") == "fitted")["unmet_cells"].sum()
    0
    >>> report.filter(pl.col("use") == "held_out")["is_met"].to_list()
    [False]

    References
    ----------
    Total absolute error and its standardised form: Voas, D. and Williamson, P. (2001), Evaluating goodness-of-fit
    measures for synthetic microdata, Geographical and Environmental Modelling 5, 177-200.
    doi:10.1080/13615930120086078
    """
    cells = calibration_cells(persons, census=census, assumptions=assumptions, tolerance=tolerance)
    error = pl.col("difference").abs().sum()
    return cells.group_by("margin", "use", "unit", maintain_order=True).agg(
        pl.len().alias("cells"),
        pl.col("target").sum(),
        error.alias("total_absolute_error"),
        (error / pl.col("target").sum()).alias("standardised_error"),
        pl.col("difference_share").abs().max().alias("largest_difference_share"),
        (~pl.col("is_met")).sum().alias("unmet_cells"),
        pl.col("is_met").all(),
    )


def held_out(
    *, census: pl.DataFrame | pl.LazyFrame | None = None, assumptions: Mapping[str, pl.DataFrame] | None = None
) -> pl.DataFrame:
    """Return the error of each margin of persons had it not been published by district.

    The fit is made again without it, with its sums over the districts only, and compared with what was published.
    It says how well the assumptions tell districts apart, and so what to think of what no margin says.

    Parameters
    ----------
    census, assumptions
        As in :func:`synthesise`.

    Returns
    -------
    polars.DataFrame
        One row per margin left out: ``margin``, ``cells``, ``target``, ``total_absolute_error`` [persons],
        ``standardised_error``, ``largest_difference_share``, ``cells_within_1pct``.

    Examples
    --------
    >>> held_out().select("margin", pl.col("standardised_error").round(2)).height
    3
    """
    counted = margins.read(census)
    told = _told(assumptions, counted)
    sums = {"district_sex_age": ((3, 4), counted.ages), "district_sex_schooling": ((2, 4), counted.schooling),
            "district_registration": ((1, 2, 3), counted.migrants)}  # fmt: skip
    rows = []
    for name, (over, published) in sums.items():
        off = np.abs(_fitted(counted, told, name).sum(axis=over) - published)
        share = np.divide(off, published, out=np.zeros_like(off), where=published > 0)
        rows.append((name, off.size, published.sum(), off.sum(), off.sum() / published.sum(), share.max(),
                     int((share <= _NEAR).sum())))  # fmt: skip
    names = ("margin", "cells", "target", "total_absolute_error", "standardised_error", "largest_difference_share",
             "cells_within_1pct")  # fmt: skip
    return pl.DataFrame(rows, schema=names, orient="row")
