"""A city of synthetic persons, collapsed to cells of persons whom no lever can tell apart.

What a lever does to a person depends on what a cell shares (district, income, age band, car, phone, metro, tier of
electricity) and is linear in amounts, so that sums over cells equal sums over persons; a test holds both to 1e-9.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from typing import Any

import numpy as np
import polars as pl

from citylab import tables
from citylab.errors import DataError, RangeError, SchemaError
from citylab.frames import lazily, need_columns, need_numbers
from citylab.policy.factored import Cells, Factored, Space
from citylab.policy.reference import RATES, Reference
from citylab.policy.state import NAMES, Array, State
from citylab.stats.draws import uniforms

PERSON_COLUMNS = {
    "person_id": "number of the person",
    "household_id": "number of the household, from 0 upwards",
    "adcode": "district of residence",
    "age_years": "age",
    "household_size_persons": "persons of the household",
    "income_decile": "1 to 10",
    "household_income_cny": "income of the household in a year",
    "household_car_count": "cars of the household",
    "has_smartphone": "true or false",
    "is_online": "true or false",
    "metro_distance_km": "from home to the nearest station",
}
"""What a table of persons must hold, and what each column means."""

ATTRIBUTES = (
    "adcode",
    "income_decile",
    "age_band",
    "has_car",
    "has_smartphone",
    "metro_band",
    "electricity_tier",
)
"""What the persons of a cell share."""

AMOUNTS = ("income_cny", "car_km", "metro_trips", "bus_trips", "active_trips", "electricity_kwh", "heat_gj")
"""Amounts of persons that are scaled to the city's totals."""

COUNTS = ("persons", "households", *RATES)
SHARES = ("ev_share", "peak_share", "heat_pump_share")
"""Shares of amounts, the same for all cells in the reference."""

GROUPS = ("income_decile", "age_band", "adcode", "has_smartphone")
"""Groupings in which winners and losers are told."""

WEIGHT = "weight_persons"
"""Column of persons that a row stands for; one where there is none."""
NUMBERS = (
    "age_years",
    "household_size_persons",
    "income_decile",
    "household_income_cny",
    "household_car_count",
    "metro_distance_km",
)
"""Columns of persons that hold numbers of 0 or more."""
MOST_HOUSEHOLDS = 100_000_000
"""Households are numbered from 0 below this; each number has its own draw of electricity."""

HOUSEHOLDS = "sample_households"
SAMPLE = ("sample_persons", HOUSEHOLDS)
"""How much of the sample stands behind a cell."""

_BOOLEANS = ("has_car", "has_smartphone")


KEPT_SETTINGS = 4
"""Settings of a world that are kept; with another seed beyond them all are made again."""
_LOCK = threading.RLock()  # pages and workers run one world in several threads


class _WhenAsked(Mapping[str, Array]):
    """Arrays by name, each made when it is first asked for: a lever on fares needs no tiers of electricity."""

    def __init__(self, makers: Mapping[str, Callable[[], Array]]) -> None:
        self._makers = makers
        self._made: dict[str, Array] = {}

    def __getitem__(self, name: str) -> Array:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


@dataclass(frozen=True)
class Setting:
    """What the states of a world share: vectors of cells, attributes of cells, and the scaling of replicates to totals.

    Attributes
    ----------
    space
        Vectors of cells, and the weights of their sums.
    cells
        What the persons of a cell share, as arrays of the space.
    kept
        By how much each replicate's amounts are scaled, shape (replicates, 1); empty without replicates.
    """

    space: Space
    cells: Mapping[str, Array]
    kept: Mapping[str, Array]


@dataclass(frozen=True)
class World:
    """People in cells, with their amounts of the base year, and the reference that they follow.

    Attributes
    ----------
    table
        One row a cell: :data:`ATTRIBUTES`; ``persons``, ``households``, the amounts of :data:`AMOUNTS` a year and the
        counts of persons online, with a smartphone, covered and using services, all scaled to the city; and
        ``sample_persons`` and ``sample_households``, the persons and households of the sample that stand behind the
        cell (members of one household that lie in several cells count in parts).
    reference
        The reference path.
    is_synthetic
        True: such persons are synthetic; results must say so.

    Notes
    -----
    Make one with :meth:`from_persons`, or from a saved table with :meth:`from_cells`.
    """

    table: pl.DataFrame = field(repr=False)
    reference: Reference = field(repr=False)
    is_synthetic: bool = True

    @classmethod
    def from_persons(
        cls,
        persons: pl.DataFrame | pl.LazyFrame,
        reference: Reference | None = None,
        *,
        collapse: bool = True,
    ) -> World:
        """Return the cells of a table of persons.

        Parameters
        ----------
        persons
            One row a person, columns of :data:`PERSON_COLUMNS`; ``weight_persons`` if a row stands for several.
        reference
            Default: :meth:`Reference.load`.
        collapse
            False keeps each person as a cell of one, in the order of the rows.

        Raises
        ------
        SchemaError
            A column is missing.
        DataError
            There are no persons, or values that cannot be.

        Examples
        --------
        >>> from citylab.population.synthetic import synthesise
        >>> persons = synthesise(2000, seed=1).with_columns(metro_distance_km=pl.lit(1.0))
        >>> world = World.from_persons(persons)
        >>> world.sample_persons, world.size < 2000, round(world.table["persons"].sum())
        (2000, True, 21832000)
        """
        reference = Reference.load() if reference is None else reference
        lf, _ = lazily(persons)  # type: ignore[type-var]
        schema = need_columns(lf, PERSON_COLUMNS, what="World.from_persons")
        weighted = [WEIGHT] if WEIGHT in schema else []
        need_numbers(schema, [*NUMBERS, "household_id", *weighted], what="World.from_persons")
        frame = lf.collect()
        if not frame.height:
            raise DataError("World.from_persons got a table without persons. Make one with citylab.population.")
        _check_persons(frame)
        attributes, amounts = _amounts(frame, reference)
        if collapse:
            attributes, amounts = _collapse(attributes, amounts)
        table = pl.DataFrame({**attributes, **amounts}).with_columns(
            pl.col(name).cast(pl.Boolean) for name in _BOOLEANS
        )
        # A table with some synthetic persons is one that must say so
        synthetic = frame["is_synthetic"].fill_null(True).any() if "is_synthetic" in frame.columns else True
        return cls.from_cells(table, reference, is_synthetic=synthetic)

    @classmethod
    def from_cells(
        cls,
        table: pl.DataFrame | pl.LazyFrame,
        reference: Reference | None = None,
        *,
        is_synthetic: bool = True,
    ) -> World:
        """Return a world from a saved table of cells, scaled to the totals of the reference.

        Parameters
        ----------
        table
            :attr:`table` of a world, for example the data set ``citylab__synthetic_personcell_state``.
        reference
            Default: :meth:`Reference.load`.
        is_synthetic
            Whether the persons are synthetic.

        Raises
        ------
        SchemaError
            A column is missing.
        DataError
            Gaps, amounts below 0, cells without persons or with more persons online than there are, or an amount that
            is nowhere.
        """
        reference = Reference.load() if reference is None else reference
        lf, _ = lazily(table)  # type: ignore[type-var]
        need_columns(lf, [*ATTRIBUTES, *COUNTS, *AMOUNTS, *SAMPLE], what="World.from_cells")
        frame = lf.select(*ATTRIBUTES, *COUNTS, *AMOUNTS, *SAMPLE).collect()
        _check_cells(frame)
        base = int(reference.rule("base_year"))
        scaled = []
        for name in ("persons", "households", *AMOUNTS):
            total = float(frame[name].sum())
            if not (np.isfinite(total) and total > 0):
                raise DataError(
                    f"{name!r} sums to {total} over the cells; it cannot be scaled to the city's total. Take "
                    "persons of whom some have it."
                )
            scaled.append((pl.col(name) * (reference.level(name, base) / total)).alias(name))
        grown = reference.level("persons", base) / float(frame["persons"].sum())
        frame = frame.with_columns(*scaled, *(pl.col(name) * grown for name in RATES))
        return cls(frame, reference, is_synthetic)

    def under(self, reference: Reference) -> World:
        """Return the same persons under another reference, scaled to its totals."""
        return type(self).from_cells(self.table, reference, is_synthetic=self.is_synthetic)

    def pieces(self, size: int) -> Iterator[tuple[int, World]]:
        """Yield the rows in pieces of at most ``size``, amounts divided by the persons of the row.

        Yields
        ------
        tuple
            Number of the first row, and a world whose sums mean nothing: only for values of single rows.
        """
        for start in range(0, self.size, size):
            yield start, type(self)(self._of_one.slice(start, size), self.reference, self.is_synthetic)

    @cached_property
    def _of_one(self) -> pl.DataFrame:
        amounts = [pl.col(n) / pl.col("persons") for n in (*COUNTS, *AMOUNTS) if n != "persons"]
        return self.table.with_columns(*amounts).with_columns(persons=pl.lit(1.0))

    def __reduce__(self) -> tuple[Any, ...]:
        # What was worked out before does not travel to a worker
        return type(self), (self.table, self.reference, self.is_synthetic)

    @property
    def sample_persons(self) -> int:
        """Number of persons of the sample."""
        return int(self.table["sample_persons"].sum())

    @property
    def size(self) -> int:
        """Number of cells."""
        return self.table.height

    @cached_property
    def cells(self) -> Mapping[str, Array]:
        """What the persons of a cell share, as levers read it: arrays of shape (1, cells)."""
        makers: dict[str, Callable[[], Array]] = {name: partial(self._attribute, name) for name in ATTRIBUTES}
        found = _WhenAsked(makers)
        makers["is_under_18"] = lambda: found["age_band"] == _YOUNG
        makers["is_60_plus"] = lambda: found["age_band"] == _OLD
        makers["near_metro"] = lambda: found["metro_band"] == _NEAR
        for name, codes in _areas().items():
            makers[name] = partial(_within, found, codes)
        return found

    def _attribute(self, name: str) -> Array:
        kind = pl.Boolean if name in _BOOLEANS else pl.Int64
        return self.table[name].cast(kind).to_numpy()[None, :]

    def _parts(self, year: int) -> Mapping[str, Mapping[str, float]]:
        """Return the amounts of a year as multiples of columns of the table."""
        reference, base = self.reference, int(self.reference.rule("base_year"))
        found: dict[str, Mapping[str, float]] = {
            name: {name: reference.level(name, year) / reference.level(name, base)}
            for name in ("persons", "households", *AMOUNTS)
        }
        grown = found["persons"]["persons"]
        for name, rate in RATES.items():
            left = reference.left(rate, year)
            found[name] = {"persons": grown * (1 - left), name: grown * left}
        return found

    def people(self, year: int) -> Mapping[str, Array]:
        """Return the central amounts of a year by cell, arrays of shape (1, cells)."""
        found = {
            name: sum((self._column(c) * m for c, m in multiples.items()), np.zeros((1, 1)))
            for name, multiples in self._parts(year).items()
        }
        size = found["persons"].shape
        return {**found, **{name: np.full(size, self.reference.level(name, year)) for name in SHARES}}

    @cached_property
    def _columns(self) -> dict[str, Array]:
        names = ("persons", "households", *RATES, *AMOUNTS, *SAMPLE)
        return {name: self.table[name].cast(pl.Float64).to_numpy()[None, :] for name in names}

    def _column(self, name: str) -> Array:
        return self._columns[name]

    def setting(self, seed: int | None = None) -> Setting:
        """Return what states of the world share, under the replicate weights of a seed if one is given."""
        with _LOCK:
            if seed not in self._settings:
                if len(self._settings) >= KEPT_SETTINGS:
                    self._settings.clear()
                weights = None if seed is None else self.replicates(seed)
                amounts = {name: values[0] for name, values in self._columns.items() if name not in SAMPLE}
                space = Space(amounts, weights, lambda: self.members)
                cells = _WhenAsked({name: partial(_cells_of, self.cells, name, space) for name in self.cells})
                kept = {}
                if weights is not None:
                    for name in ("households", *AMOUNTS):
                        column = self._column(name)
                        kept[name] = column.sum() / (weights @ column.T)
                self._settings[seed] = Setting(space, cells, kept)
            return self._settings[seed]

    @cached_property
    def _settings(self) -> dict[int | None, Setting]:
        return {}

    def replicates(self, seed: int) -> Array:
        """Return replicate weights of the cells, shape (replicates, cells), for the sampling error.

        A Poisson bootstrap with households as units: a cell that stands on n households of the sample gets
        Poisson(n) / n. Each replicate is scaled to the city's persons, which are known; amounts are scaled to the
        city's totals too when a replicate is run. Members of a household who lie in several cells count as parts of it
        drawn apart, which is right for sums of what a household shares and too wide for what its members differ in.
        """
        households = np.maximum(self._column(HOUSEHOLDS)[0], np.finfo(float).tiny)
        stream = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed)))
        number = int(self.reference.rule("replicates"))
        weights = stream.poisson(households, size=(number, self.size)) / households
        persons = self._column("persons")
        totals = weights @ persons.T
        if not (totals > 0).all():
            raise DataError(
                f"The sample has {households.sum():.0f} households, too few for a sampling error: replicates of it "
                "have nobody. Take more households; a few hundred give a first look."
            )
        return weights * (persons.sum() / totals)

    @cached_property
    def groups(self) -> pl.DataFrame:
        """Groups of :data:`GROUPS` that have persons: ``group, level, persons``, and first the whole city (``all``)."""
        # NumPy adds in the order of the rows; Polars adds in that of its threads, with other last bits in each run
        persons = self.table["persons"].to_numpy()
        rows = [("all", "all", float(persons.sum()))]
        for group in GROUPS:
            column = self.table[group]
            for level in column.unique().sort().to_list():
                rows.append((group, str(level).lower(), float(persons[(column == level).to_numpy()].sum())))
        return pl.DataFrame(rows, schema=["group", "level", "persons"], orient="row")

    @cached_property
    def members(self) -> Array:
        """Which cells belong to each row of :attr:`groups`: zeros and ones, shape (cells, groups)."""
        columns = []
        for group, level in self.groups.select("group", "level").iter_rows():
            inside = (
                np.ones(self.size, dtype=bool)
                if group == "all"
                else (self.table[group].cast(pl.String).str.to_lowercase() == level).to_numpy()
            )
            columns.append(inside)
        return np.stack(columns, axis=1).astype(float)

    def state(
        self,
        year: int,
        *,
        factors: Mapping[str, Array] | None = None,
        marginal: Array | None = None,
        draws: int = 1,
        replicate_seed: int | None = None,
        factored: bool = True,
    ) -> State:
        """Return the reference's state of a year.

        Parameters
        ----------
        year
            One of ``reference.years``.
        factors
            From :meth:`Reference.factors`; default: the central path.
        marginal
            Draws in which a changed kWh counts at the margin, booleans of shape (draws,); default: none.
        draws
            Number of draws.
        replicate_seed
            Put replicate weights on the cells instead of draws.
        factored
            Hold people's arrays as :class:`citylab.policy.factored.Factored`; False: as ordinary ones.

        Raises
        ------
        RangeError
            The year is outside the reference.
        """
        reference = self.reference
        if year not in reference.years:
            raise RangeError(
                f"The reference runs from {reference.years[0]} to {reference.years[-1]}; asked was {year}. "
                "Choose a year within, or give a reference with other rules first_year and last_year."
            )
        k = reference.years.index(year)
        scale = {n: f[:, k : k + 1] for n, f in (factors or {}).items()}
        city = {
            name: np.asarray(reference.level(name, year) * scale.pop(name, 1.0))
            for name, side in NAMES.items()
            if side in ("city", "factor")
        }
        if marginal is None:
            city["margin_kgco2_kwh"] = city["grid_kgco2_kwh"]
        else:
            city["margin_kgco2_kwh"] = np.where(marginal[:, None], city["margin_kgco2_kwh"], city["grid_kgco2_kwh"])
        if not factored:
            people: Mapping[str, Any] = {n: v * scale.get(n, 1.0) for n, v in self.people(year).items()}
            return State(year, self.cells, people, city, draws=draws)
        setting = self.setting(replicate_seed)
        space, kept, one = setting.space, setting.kept, np.ones((1, 1))
        people = {
            name: Factored(space, {(c,): m * scale.get(name, one) * kept.get(c, one) for c, m in multiples.items()})
            for name, multiples in self._parts(year).items()
        }
        for name in SHARES:
            people[name] = space.constant(reference.level(name, year) * scale.get(name, one))
        draws = draws if space.weights is None else space.weights.shape[0]
        return State(year, setting.cells, people, city, draws=draws, space=space)


def _within(cells: Mapping[str, Array], codes: Array) -> Array:
    return np.isin(cells["adcode"], codes)


def _cells_of(cells: Mapping[str, Array], name: str, space: Space) -> Array:
    return Cells.of(cells[name], space)


_YOUNG, _GROWN, _OLD = range(3)  # age_band: under 18, 18-59, 60 and over
_NEAR, _MIDDLE, _FAR = range(3)  # metro_band


@cache
def _areas() -> Mapping[str, Array]:
    """Return codes of the districts of the core and of the six central ones."""
    table = tables.read("policy_areas")
    return {
        name: table.filter(area=name)["adcode"].cast(pl.Int64).to_numpy() for name in table["area"].unique().to_list()
    }


def _amounts(frame: pl.DataFrame, reference: Reference) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return attributes and unscaled amounts of persons."""
    rule = reference.rule

    def numbers(name: str) -> Array:
        return frame[name].cast(pl.Float64).to_numpy()

    age, size, income = numbers("age_years"), numbers("household_size_persons"), numbers("household_income_cny")
    online = frame["is_online"].cast(pl.Int64).to_numpy()
    distance, cars = numbers("metro_distance_km"), numbers("household_car_count")
    weight = numbers(WEIGHT) if WEIGHT in frame.columns else np.ones(frame.height)
    attributes: dict[str, Any] = {
        "adcode": frame["adcode"].cast(pl.String).cast(pl.Int64).to_numpy(),
        "income_decile": numbers("income_decile").astype(np.int64),
        "age_band": np.searchsorted([rule("adult_years"), rule("older_years")], age, side="right"),
        "has_car": (cars > 0).astype(np.int64),
        "has_smartphone": frame["has_smartphone"].cast(pl.Int64).to_numpy(),
        "metro_band": np.searchsorted([rule("metro_near_km"), rule("metro_far_km")], distance, side="left"),
    }
    places = {name: np.isin(attributes["adcode"], codes).astype(np.int64) for name, codes in _areas().items()}

    def shared(amount: str) -> Array:
        """Return the product of the weights that a person has for an amount."""
        product = np.ones(frame.height)
        rows = reference.people.filter(pl.col("amount") == amount)
        for (attribute,), part in rows.partition_by("attribute", as_dict=True, maintain_order=True).items():
            values = {**attributes, **places}.get(str(attribute))
            if values is None:
                raise SchemaError(f"reference_people names attribute {attribute!r}; known: {', '.join(attributes)}.")
            table = np.full(max(int(values.max()), int(part["level"].max())) + 1, np.nan)  # type: ignore[arg-type]
            table[part["level"].to_numpy()] = part["weight"].cast(pl.Float64).to_numpy()
            found = table[values]
            if np.isnan(found).any():
                absent = sorted(set(values[np.isnan(found)].tolist()))
                raise SchemaError(f"reference_people has no weight of {amount!r} for {attribute} = {absent}. Add rows.")
            product = product * found
        return product

    # Income beside the mean household's; a household without income still uses the least that the decile allows
    relative = np.maximum(income, np.finfo(float).eps * income.max()) / income.mean()
    household = frame["household_id"].cast(pl.Int64).to_numpy()
    from scipy.special import ndtri

    z = ndtri(uniforms(0, "household.electricity", 0, int(household.max()) + 1))[household]
    power = relative ** rule("income_elasticity_electricity") * size ** rule("size_elasticity_electricity")
    power = power * np.exp(rule("spread_electricity") * z) / size
    warmth = relative ** rule("income_elasticity_heat") * size ** rule("size_elasticity_heat") / size
    amounts: dict[str, Array] = {
        "persons": weight,
        "households": weight / size,
        "income_cny": weight * income / size,
        "car_km": weight * cars / size * relative ** rule("income_elasticity_car") * shared("car_km"),
        "metro_trips": weight * shared("metro_trips"),
        "bus_trips": weight * shared("bus_trips"),
        "active_trips": weight * shared("active_trips"),
        "electricity_kwh": weight * power,
        "heat_gj": weight * warmth,
        "online_persons": weight * online,
        "smartphone_persons": weight * attributes["has_smartphone"],
        "covered_persons": weight * shared("covered_share"),
        "service_persons": weight * online * shared("service_share"),
        "sample_persons": np.ones(frame.height),
        HOUSEHOLDS: 1 / size,
    }
    base = int(rule("base_year"))
    city_kwh, city_homes = reference.level("electricity_kwh", base), reference.level("households", base)
    # Households' mean of the city over households' mean of the table, so that tiers don't depend on its size
    per_home = power * size * (city_kwh / city_homes) / ((weight * power).sum() / (weight / size).sum())
    tiers = np.searchsorted([rule("tier_1_kwh"), rule("tier_2_kwh")], per_home, side="left")
    attributes["electricity_tier"] = tiers + 1
    return attributes, amounts


def _check_persons(frame: pl.DataFrame) -> None:
    """Refuse persons with gaps or with values that cannot be, and say in which column and how many rows."""
    weighted = [WEIGHT] if WEIGHT in frame.columns else []
    for name in (*NUMBERS, *weighted):
        column = frame[name].cast(pl.Float64)
        if bad := int((~column.is_finite().fill_null(False)).sum()):
            raise DataError(
                f"Column {name!r} of the persons has {bad} gaps or values that are not finite. "
                + (METRO_HINT if name == "metro_distance_km" else "Mend or drop these rows.")
            )
        if low := int((column < 0).sum()):
            raise DataError(f"{name} is below 0 in {low} rows, the least is {column.min()!r}. Mend or drop them.")
    if weighted and (none := int((frame[WEIGHT] == 0).sum())):
        raise DataError(f"{WEIGHT} is 0 in {none} rows. Drop them: they stand for nobody.")
    if not (frame["household_income_cny"] > 0).any():
        raise DataError("household_income_cny is 0 in all rows; what households use follows from it. Give incomes.")
    if low := int((frame["household_size_persons"] < 1).sum()):
        raise DataError(f"household_size_persons is below 1 in {low} rows; a household has its person.")
    _check_decile(frame)
    for name in (*_BOOLEANS[1:], "is_online"):
        column = frame[name]
        kind = column.dtype == pl.Boolean or column.dtype.is_integer()
        if not kind or column.null_count() or not column.cast(pl.Int64).is_between(0, 1).all():
            raise DataError(
                f"Column {name!r} of the persons is {column.dtype} with {column.null_count()} gaps; expected true or "
                "false in each row. Cast it, and say of those not known what you assume."
            )
    code = frame["adcode"].cast(pl.String).cast(pl.Int64, strict=False)
    if bad := int(code.null_count()):
        example = frame["adcode"].filter(code.is_null())[0]
        raise DataError(
            f"adcode is no code of a district in {bad} rows, for example {example!r}; expected six digits, 110101. "
            "citylab.places has the codes."
        )
    number = frame["household_id"].cast(pl.Float64)
    good = (number.is_between(0, MOST_HOUSEHOLDS, closed="left") & (number == number.floor())).fill_null(False)
    if not good.all():
        raise DataError(
            f"household_id is no whole number from 0 to below {MOST_HOUSEHOLDS} in {(~good).sum()} rows, for example "
            f"{frame['household_id'].filter(~good)[0]!r}. Number households from 0 upwards: "
            "persons.with_columns(household_id=pl.col('household_id').rank('dense') - 1)."
        )
    if (different := frame["person_id"].n_unique()) < frame.height or frame["person_id"].null_count():
        raise DataError(
            f"person_id has {different} different values in {frame.height} rows and {frame['person_id'].null_count()} "
            "gaps; expected one row a person, since a row twice counts twice. Number them, or drop repeats."
        )


def _check_decile(frame: pl.DataFrame) -> None:
    decile = frame["income_decile"].cast(pl.Float64)
    if not (decile.is_between(1, DECILES) & (decile == decile.floor())).fill_null(False).all():
        raise DataError(
            f"income_decile runs from {decile.min()!r} to {decile.max()!r} with {decile.null_count()} gaps; expected "
            f"whole numbers from 1 (poorest) to {DECILES}."
        )


def _check_cells(frame: pl.DataFrame) -> None:
    """Refuse cells with gaps or with values that cannot be."""
    _check_decile(frame)
    for name in ATTRIBUTES:
        if gaps := frame[name].null_count():
            raise DataError(f"Column {name!r} of the cells has {gaps} gaps. Mend or drop these rows.")
    for name in (*COUNTS, *AMOUNTS, *SAMPLE):
        column = frame[name].cast(pl.Float64)
        good = (column.is_finite() & (column >= 0)).fill_null(False)
        if not good.all():
            raise DataError(
                f"{name} is no finite number of 0 or more in {(~good).sum()} cells, for example "
                f"{column.filter(~good)[0]}. Mend or drop them."
            )
    if empty := int((frame["persons"] <= 0).sum()):
        raise DataError(f"{empty} cells have no persons. Drop them: nothing can be told of nobody.")
    for name in RATES:
        if more := int((frame[name] > frame["persons"] * (1 + ROUNDING)).sum()):
            raise DataError(f"{more} cells have more {name} than persons. Mend or drop them.")


ROUNDING = 1e-9
"""By how much a part may exceed its whole where both are sums of floating-point numbers, relative."""

METRO_HINT = "Give citylab.population.synthetic.synthesise boundaries= and stations=, from which distances follow."
"""What to do where homes have no distance to the metro."""

DECILES = 10
"""Parts of a decile."""


def _collapse(attributes: Mapping[str, Array], amounts: Mapping[str, Array]) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the same sums by cell; the order of cells is that of their attributes."""
    key = np.zeros(len(next(iter(attributes.values()))), dtype=np.int64)
    levels = {}
    for name in ATTRIBUTES:
        levels[name], place = np.unique(attributes[name], return_inverse=True)
        key = key * len(levels[name]) + place
    width = int(np.prod([len(v) for v in levels.values()]))
    # Counting by a key of small range is one pass, and its sums have one order whatever the threads
    there = np.flatnonzero(np.bincount(key, minlength=width))
    sums = {name: np.bincount(key, weights=value, minlength=width)[there] for name, value in amounts.items()}
    found: dict[str, Any] = {}
    rest = there
    for name in reversed(ATTRIBUTES):
        rest, place = np.divmod(rest, len(levels[name]))
        found[name] = levels[name][place]
    return {name: found[name] for name in ATTRIBUTES}, sums
