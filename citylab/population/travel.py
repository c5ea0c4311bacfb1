"""Synthetic trips of Beijing's residents, set to the published figures that can be met together.

No record of single trips of Beijing is open. What is published are shares of modes (2020), means of commuting (2022)
and the census by district (2020). :func:`synthesise` makes a table of trips that agrees with those and rests, for
everything else, on declared assumptions (``travel_assumptions*``); :func:`calibration` holds a table against the
figures and says which of them were left out and why. **A result on this table is a result on the assumptions.** It
serves to try a method, to plan a survey and to see which assumption a conclusion hangs on, never to say how Beijing
travels.

Persons are made in blocks, each with a random stream of its own, so that the size of a batch, the number of workers and
the length of the table change no row.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import shapely
from scipy.optimize import least_squares
from scipy.special import ndtr, ndtri
from scipy.stats import qmc

from citylab import periods, tables
from citylab.errors import DataError, RangeError, SchemaError, suggest
from citylab.frames import lazily, need_columns
from citylab.population import homes
from citylab.population.blocks import made_in_blocks, whole
from citylab.vocabulary import COLUMNS, polars_dtype

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

START = dt.date(2025, 3, 3)
"""First day unless told otherwise: the Monday of a week without a public holiday."""
ASSUMPTIONS = {
    "scalars": "travel_assumptions",
    "modes": "travel_assumptions_modes",
    "people": "travel_assumptions_people",
    "districts": "travel_assumptions_districts",
    "choices": "travel_assumptions_choices",
}
"""Assumptions that may be replaced, and the declared tables that hold them."""
TRIP_SCHEMA = (
    "activity_id", "account", "act", "start_local", "end_local", "distance_km", "proof", "start_adcode", "end_adcode",
    "is_consenting", "purpose", "replaced_mode", "platform", "is_claimed", "ticket", "residence_adcode", "zone",
    "age_group", "is_60_plus", "income_decile", "has_car", "has_smartphone", "is_registered", "metro_distance_km",
    "is_working_day", "planted_fault", "is_synthetic",
)  # fmt: skip
"""Columns of the trips; the vocabulary says what each means."""
CENTRAL = ("core", "central")
"""Zones of the six central districts."""

_FAULTS = ("too_fast", "no_proof", "no_consent", "outside_geography", "bad_times")
_CHOICES = (("purpose", "other"), ("platform", "any"), ("fault", "claimed"))
_PERSONS = 4096  # of a block: a part of what a seed means, so never changed
_FIT_PERSONS = 100_000
_SCORES = 401
_THROWS = 400
_BINS = 16
_NODES = 12  # 2^12 points of a Sobol sequence
_ROUNDS = 200
_TIGHT = 1e-10
_SUM = 1e-9  # by which shares may miss 1
_PCT = 100
_STEP = 0.03  # of the solver: the share within a time is a staircase, so that a small step sees no slope
_CLIP = 4.0  # standard deviations at which noise of speed and access is cut
_LEVEL = 0.95
_DECILES = 10
_MIN_PER_H, _S_PER_H, _MS_PER_S, _H_PER_DAY = 60, 3600, 1000, 24
_PLACES = 3  # decimals of kilometres
_DIGITS = 4  # decimals of fitted parameters
_FREE, _WORK, _LEARN = 0, 1, 2
_COMMUTE, _OTHER = 0, 1
_SYNTHETIC = "syn"


def assumptions() -> dict[str, pl.DataFrame]:
    """Return the assumptions behind the trips: five tables, each row with its source and mark.

    Change one and give it to :func:`synthesise`: ``{"people": mine}``.

    Examples
    --------
    >>> sorted(assumptions())
    ['choices', 'districts', 'modes', 'people', 'scalars']
    """
    return {name: tables.read(table) for name, table in ASSUMPTIONS.items()}


@dataclass(frozen=True, eq=False)
class _Told:
    """Assumptions in arrays."""

    scalars: Mapping[str, float]
    modes: Mapping[str, npt.NDArray[Any]]
    people: Mapping[str, npt.NDArray[Any]]
    districts: Mapping[str, npt.NDArray[Any]]
    choices: Mapping[tuple[str, str], tuple[list[str], Floats]]

    @property
    def acts(self) -> list[str]:
        return [str(a) for a in self.modes["act"]]


@dataclass(frozen=True, eq=False)
class _Model:
    """What is drawn from: the census, homes, destinations, and parameters set to the anchors."""

    told: _Told
    adcodes: list[str]
    cells: Floats  # cumulated share of a district and age group in the residents
    income: tuple[Floats, Floats]  # income score, share of residents below
    car_share: Floats
    metro_km: Floats | None  # district x home
    bins_km: Floats
    destinations: Floats  # district x bin x district, cumulated
    log_shape: Floats  # class x act: log of the share before what a person adds
    factors: Mapping[str, float]  # of commuting distance by vehicle, of its spread, of speed


def _told(own: Mapping[str, pl.DataFrame] | None) -> _Told:
    given = assumptions()
    for name, table in (own or {}).items():
        if name not in given:
            raise suggest(name, given, what="table of assumptions", see="citylab.population.travel.ASSUMPTIONS")
        needed = [c for c in given[name].columns if c not in {"source", "mark", "unit"}]
        if missing := [c for c in needed if c not in table.columns]:
            raise SchemaError(f"The assumptions {name!r} need the columns {missing}; they have {table.columns}.")
        if name in {"modes", "people"} and table[needed[0]].to_list() != given[name][needed[0]].to_list():
            raise DataError(
                f"The assumptions {name!r} list {table[needed[0]].to_list()}; expected "
                f"{given[name][needed[0]].to_list()} in this order. Change values, not rows."
            )
        if name == "scalars" and (lost := sorted(set(given[name]["parameter"]) - set(table["parameter"]))):
            raise DataError(f"The assumptions 'scalars' lack {lost}. Start from assumptions()['scalars'].")
        given[name] = table
    for name in ("modes", "people", "districts"):
        for column in given[name].select(pl.selectors.numeric()).columns:
            values = given[name][column].cast(pl.Float64)
            low = -np.inf if column.startswith(("tilt_", "income_shift")) else 0
            high = 1 if column.endswith("_share") else np.inf
            if values.is_null().any() or not values.is_between(low, high).all():
                raise RangeError(
                    f"The assumption {column!r} of {name!r} holds {values.to_list()}; expected numbers from "
                    f"{low} to {high}."
                )
    choices: dict[tuple[str, str], tuple[list[str], Floats]] = {}
    for (choice, case), rows in given["choices"].group_by("choice", "given", maintain_order=True):
        shares = rows["share"].cast(pl.Float64).to_numpy()
        total = float(shares.sum())
        fits = total <= 1 + _SUM if choice == "fault" else abs(total - 1) <= _SUM
        if not (fits and (shares >= 0).all()):
            raise RangeError(
                f"The shares of {choice!r} for {case!r} are {shares.tolist()} and add up to {total:g}; expected 1"
                f"{' at most' if choice == 'fault' else ''}."
            )
        choices[str(choice), str(case)] = (rows["option"].to_list(), np.cumsum(shares))
    if lost := [f"{choice} for {case}" for choice, case in _CHOICES if (choice, case) not in choices]:
        raise DataError(f"The assumptions 'choices' lack {', '.join(lost)}. Start from assumptions()['choices'].")
    for fault in choices["fault", "claimed"][0]:
        if fault not in _FAULTS:
            raise suggest(
                fault, _FAULTS, what="fault to plant", see="the table datasets/codes/travel_assumptions_choices.csv"
            )
    busy = (given["people"]["working_share"] + given["people"]["learning_share"]).to_numpy()
    if busy.max() > 1 + _SUM:
        raise RangeError(
            f"The shares who work and who learn add up to {busy.max():g} in an age group; expected 1 at most."
        )
    numbers = given["scalars"].select("parameter", pl.col("value").cast(pl.Float64, strict=False))
    if (odd := numbers.filter(~pl.col("value").is_finite().fill_null(False))).height:
        raise RangeError(f"The assumption {odd['parameter'][0]!r} is {odd['value'][0]}; expected a number.")
    scalars = {str(k): float(v) for k, v in numbers.iter_rows()}
    arrays = {n: {c: given[n][c].to_numpy() for c in given[n].columns} for n in ("modes", "people", "districts")}
    return _Told(scalars, arrays["modes"], arrays["people"], arrays["districts"], choices)


def _cut(rng: np.random.Generator, shape: int | tuple[int, ...]) -> Floats:
    return np.clip(rng.standard_normal(shape), -_CLIP, _CLIP)


def _census(people: pl.DataFrame, adcodes: Sequence[str]) -> Floats:
    """Return residents by district and age group, in the order of the groups of ``travel_assumptions_people``."""
    rows = people.filter(pl.col("adcode").is_in(list(adcodes)))
    rows = pl.DataFrame({"adcode": list(adcodes)}).join(rows, on="adcode", how="left", validate="1:1")
    total = rows["population_persons"]
    child = total * rows["age_0_14_pct"] / _PCT
    old, older, oldest = (rows[f"age_{a}plus_persons"] for a in (60, 65, 80))
    groups = (child, total - child - old, old - older, older - oldest, oldest)
    found = np.column_stack([g.cast(pl.Float64).to_numpy() for g in groups])
    if not np.isfinite(found).all() or (found < 0).any():
        at = adcodes[int(np.argwhere(~(np.isfinite(found) & (found >= 0)))[0][0])]
        raise DataError(f"The residents of {at} by age are missing or negative. Check the census table's row.")
    return found


def _destinations(
    rng: np.random.Generator, told: _Told, polygons: Sequence[Any], lived: homes.Homes, density: Floats
) -> tuple[Floats, Floats]:
    """Return edges of distance [km] and, by home district and bin, the cumulated share of each destination district."""
    modes = told.modes
    top = float(max(modes["longest_commute_km"].max(), modes["longest_other_km"].max()))
    edges = np.geomspace(float(modes["least_km"].min()), top, _BINS + 1)[1:-1]
    middle = np.concatenate([[edges[0] / 2], np.sqrt(edges[:-1] * edges[1:]), [np.sqrt(edges[-1] * top)]])
    n = len(polygons)
    home = (np.arange(n)[:, None, None], rng.integers(homes.PER_DISTRICT, size=(n, _BINS, _THROWS)))
    from_lon, from_lat = lived.longitude_deg[home], lived.latitude_deg[home]
    straight = np.broadcast_to(middle[None, :, None] / told.scalars["circuity"], from_lon.shape)
    x, y = homes.shifted(from_lon, from_lat, straight, rng.uniform(0, 2 * np.pi, from_lon.shape))
    weight = np.zeros((n, _BINS, n))
    for d, polygon in enumerate(polygons):
        shapely.prepare(polygon)
        weight[:, :, d] = shapely.contains_xy(polygon, x.ravel(), y.ravel()).reshape(x.shape).sum(axis=2) * density[d]
    lost = weight.sum(axis=2) == 0
    weight[lost] = np.broadcast_to(np.eye(n)[:, None, :], weight.shape)[lost]
    return edges, np.cumsum(weight / weight.sum(axis=2, keepdims=True), axis=2)


def _targets(anchors: pl.DataFrame, told: _Told) -> tuple[Floats, dict[str, float]]:
    """Return the shares of the modes, the rest split as assumed, and the other figures to be met."""
    wanted = tables.read("travel_anchors").filter(pl.col("use") == "fitted")
    found = wanted.join(
        anchors.select("indicator", "year", "value"), on=["indicator", "year"], how="left", validate="1:1"
    )
    known = pl.col("value").cast(pl.Float64).is_finite().fill_null(False)
    if missing := found.filter(~known).select("indicator", "year").rows():
        raise DataError(
            f"The anchors lack {', '.join(f'{i} of {y}' for i, y in missing)}. Take them from the data set "
            "bti__yearly_city_travel, or give figures of your own under these names."
        )
    shares = {r["acts"]: r["value"] for r in found.filter(pl.col("statistic") == "act_share").iter_rows(named=True)}
    rest = 1 - sum(shares.values())
    if rest < 0 or min(shares.values()) <= 0:
        raise RangeError(f"The anchored shares of modes are {shares}; each must be above 0 and their sum 1 at most.")
    split = told.modes["rest_share"] / told.modes["rest_share"].sum()
    target = np.array([shares.get(a, 0.0) for a in told.acts]) + rest * split
    return target, dict(found.filter(pl.col("statistic") != "act_share").select("indicator", "value").iter_rows())


@dataclass(frozen=True, eq=False)
class _Persons:
    district: Ints
    age: Ints
    income: Floats  # standard score of the city
    decile: Ints
    has_car: npt.NDArray[np.bool_]
    has_phone: npt.NDArray[np.bool_]
    is_registered: npt.NDArray[np.bool_]
    main: Ints
    metro_km: Floats | None


def _persons(rng: np.random.Generator, model: _Model, n: int) -> _Persons:
    told, groups = model.told, len(model.told.people["age_group"])
    cell = np.searchsorted(model.cells, rng.random(n), side="right").clip(max=model.cells.size - 1)
    district, age = cell // groups, cell % groups
    own = rng.standard_normal(n)
    income = told.districts["income_shift"][district] + own
    below = np.interp(income, *model.income)
    home = rng.integers(homes.PER_DISTRICT, size=n)

    def with_income(correlation: float, share: Floats) -> npt.NDArray[np.bool_]:
        score = correlation * own + np.sqrt(1 - correlation**2) * rng.standard_normal(n)
        return ndtr(score) > 1 - share

    has_car = with_income(told.scalars["car_income_correlation"], model.car_share[district])
    has_phone = with_income(told.scalars["phone_income_correlation"], told.people["smartphone_share"][age])
    pick = rng.random(n)
    works = pick < told.people["working_share"][age]
    learns = ~works & (pick < told.people["working_share"][age] + told.people["learning_share"][age])
    return _Persons(
        district, age, income, np.minimum((below * _DECILES).astype(np.int64) + 1, _DECILES), has_car, has_phone,
        has_phone & (rng.random(n) < told.people["registered_share"][age]),
        np.where(works, _WORK, np.where(learns, _LEARN, _FREE)),
        None if model.metro_km is None else model.metro_km[district, home],
    )  # fmt: skip


def _leanings(model: _Model, who: _Persons) -> Floats:
    """Return by how much a person's own traits multiply the odds of each act (person x act)."""
    modes, told = model.told.modes, model.told
    is_old = told.people["is_60_plus"][who.age]
    is_outer = ~np.isin(told.districts["zone"][who.district], CENTRAL)
    far = np.zeros(who.age.size) if who.metro_km is None else np.minimum(who.metro_km, told.scalars["far_metro_km"])
    traits = np.column_stack([who.income, is_old, is_outer, who.has_car, far])
    tilts = np.vstack([modes[f"tilt_{t}"] for t in ("income", "60plus", "outer", "car", "metro_km")])
    return np.exp(traits @ tilts)


def _mode_shares(leanings: Floats, log_shape: Floats) -> Floats:
    """Return the chance of each act for each person under the log of the share of a class of tours."""
    odds = leanings * np.exp(log_shape)
    return odds / odds.sum(axis=1, keepdims=True)


def _tours_on_working_day(told: _Told, who: _Persons) -> Floats:
    """Return the expected tours of a person on a working day by class; learning has the distances of other tours."""
    going = told.scalars["commute_workday_share"]
    other = told.people["other_workday_share"][who.age] + (who.main == _LEARN) * going
    return np.column_stack([(who.main == _WORK) * going, other])


def _lognormal(u: Floats, median: Floats, sigma: Floats, least: Floats, most: Floats) -> Floats:
    """Return the quantile of a lognormal that is cut at both ends."""
    low, high = ndtr(np.log(least / median) / sigma), ndtr(np.log(most / median) / sigma)
    return np.clip(median * np.exp(sigma * ndtri(low + u * (high - low))), least, most)


def _kilometres(model: _Model, u: Floats, act: Ints, kind: Ints, stretch: Floats | float) -> Floats:
    """Return lengths of way [km]; ``stretch`` is what a district adds by vehicle."""
    m, f = model.told.modes, model.factors
    by_vehicle = m["is_motorised"][act]
    commutes = kind == _COMMUTE
    factor = np.where(commutes & by_vehicle, f["commute_distance"], 1.0)
    spread = np.where(commutes & by_vehicle, f["commute_spread"], 1.0)
    median = np.where(commutes, m["commute_km"][act], m["other_km"][act]) * factor * np.where(by_vehicle, stretch, 1.0)
    most = np.where(commutes, m["longest_commute_km"][act], m["longest_other_km"][act]).astype(np.float64)
    return _lognormal(u, median, m["distance_sigma"][act] * spread, m["least_km"][act], most)


def _minutes(model: _Model, km: Floats, act: Ints, access: Floats, pace: Floats) -> Floats:
    """Return the time of a trip [min]: access and waiting, then the way; ``access`` and ``pace`` are z scores."""
    m = model.told.modes
    on_top = m["access_min"][act] * np.exp(m["access_sigma"][act] * access)
    speed = m["speed_kmh"][act] * np.where(m["is_motorised"][act], model.factors["speed"], 1.0)
    return on_top + _MIN_PER_H * km / (speed * np.exp(m["speed_sigma"][act] * pace))


def _with(model: _Model, **changes: Any) -> _Model:
    from dataclasses import replace

    return replace(model, **changes)


def _set_to_anchors(model: _Model, anchors: pl.DataFrame) -> _Model:
    """Return the model with shares of modes, distances and speeds set so that its expectations are the anchors."""
    told = model.told
    target, figures = _targets(anchors, told)
    who = _persons(np.random.default_rng([homes.FIT_SEED, 1]), model, _FIT_PERSONS)
    central = np.isin(told.districts["zone"][who.district], CENTRAL)
    tours = _tours_on_working_day(told, who) * central[:, None]
    log_shape = np.log(np.vstack([told.modes["commute_seed_share"], told.modes["other_seed_share"]]))
    leanings = _leanings(model, who)
    for _ in range(_ROUNDS):
        by_class = np.vstack([tours[:, c] @ _mode_shares(leanings, log_shape[c]) for c in (_COMMUTE, _OTHER)])
        now = by_class.sum(axis=0) / by_class.sum()
        log_shape = log_shape + np.log(target / now)
        if np.abs(now - target).max() < _TIGHT:
            break
    by_class /= by_class.sum(axis=1, keepdims=True)
    points = qmc.Sobol(3, seed=homes.FIT_SEED).random_base2(_NODES)
    n, acts = len(points), len(told.acts)
    act = np.repeat(np.arange(acts), n)
    u, access, pace = (np.tile(points[:, i], acts) for i in range(3))
    access, pace = (np.clip(ndtri(z), -_CLIP, _CLIP) for z in (access, pace))
    within = (
        tables.read("travel_anchors").filter(use="fitted", statistic="share_within")["threshold"].cast(pl.Float64)[0]
    )

    weight = np.repeat(by_class[_COMMUTE] / n, n)

    def expected(factors: Mapping[str, float]) -> tuple[float, float, float]:
        tried = _with(model, factors=factors)
        km = _kilometres(tried, u, act, np.full(act.size, _COMMUTE), 1.0)
        minutes = _minutes(tried, km, act, access, pace)
        # A sum and not a dot product: threads of the algebra library cost more than the sum of so few.
        return float((weight * km).sum()), float((weight * minutes).sum()), float(weight[minutes <= within].sum())

    bound = np.log(told.scalars["longest_factor"])
    names = ("commute_distance", "commute_spread", "speed")
    goal = np.array([figures[i] for i in ("commute_distance_km", "commute_time_min", "commute_within_45min_share")])
    scale = np.array([goal[0], goal[1], 1.0])

    def off(x: Floats) -> Floats:
        return (np.array(expected(dict(zip(names, np.exp(x).tolist(), strict=True)))) - goal) / scale

    found = least_squares(off, np.zeros(3), bounds=(-bound, bound), diff_step=_STEP)
    # Rounded, so that the last digits of another machine's solver change no trip.
    factors = dict(zip(names, np.exp(found.x).round(_DIGITS).tolist(), strict=True))
    return _with(model, log_shape=log_shape.round(_DIGITS), factors=factors)


def _lazy(given: pl.DataFrame | pl.LazyFrame) -> pl.LazyFrame:
    if isinstance(given, pl.DataFrame):
        return given.lazy()
    return lazily(given)[0]


def _once(frame: pl.DataFrame, *key: str, what: str) -> pl.DataFrame:
    """Return the frame after making sure that no key stands twice."""
    twice = frame.filter(pl.struct(key).is_duplicated())
    if twice.height:
        at = ", ".join(str(v) for v in twice.select(key).row(0))
        raise DataError(
            f"The table of {what} has {at} twice; expected one row for each. Drop the row that is not meant."
        )
    return frame


def _frame(given: pl.DataFrame | pl.LazyFrame, needed: Mapping[str, str], what: str) -> pl.DataFrame:
    lf = _lazy(given)
    need_columns(lf, needed, what=what)
    return lf.select(list(needed)).collect()


def _fitted(
    anchors: pl.DataFrame | pl.LazyFrame, people: pl.DataFrame | pl.LazyFrame, boundaries: pl.DataFrame | pl.LazyFrame,
    stations: pl.DataFrame | pl.LazyFrame | None, own: Mapping[str, pl.DataFrame] | None,
) -> _Model:  # fmt: skip
    told = _told(own)
    anchors = _frame(anchors, {"indicator": "name of a figure", "year": "year", "value": "figure"}, "anchors")
    people = _frame(
        people,
        {"adcode": "district", "population_persons": "residents", "age_0_14_pct": "share of children",
         "age_60plus_persons": "residents of 60 and over", "age_65plus_persons": "residents of 65 and over",
         "age_80plus_persons": "residents of 80 and over", "household_car_share": "households with a car"},
        "people",
    )  # fmt: skip
    boundaries = _frame(boundaries, {"adcode": "district", "area_km2": "area", "geometry_wkb": "polygon"}, "boundaries")
    _once(anchors, "indicator", "year", what="anchors")
    _once(people, "adcode", what="people")
    _once(boundaries, "adcode", what="boundaries")
    if stations is not None:
        stations = _frame(
            stations, {"adcode": "district", "longitude_deg": "WGS-84", "latitude_deg": "WGS-84"}, "stations"
        ).drop_nulls(["longitude_deg", "latitude_deg"])
        if stations.is_empty():
            raise DataError("The table of stations has no station with coordinates. Leave stations out instead.")
    adcodes = [str(a) for a in told.districts["adcode"]]
    for name, table in (("people", people), ("boundaries", boundaries)):
        if missing := sorted(set(adcodes) - set(table["adcode"])):
            raise DataError(f"{name} lacks the districts {missing}; the assumptions 'districts' name them.")
    outlines = pl.DataFrame({"adcode": adcodes}).join(boundaries, on="adcode", how="left", validate="1:1")
    polygons = list(shapely.from_wkb(outlines["geometry_wkb"].to_numpy()))
    census = _census(people, adcodes)
    residents = census.sum(axis=1)
    rng = np.random.default_rng([homes.FIT_SEED, 0])
    lived = homes.draw(
        rng, polygons, adcodes, stations, near_share=told.districts["near_station_share"],
        near_km=told.districts["near_station_km"],
    )  # fmt: skip
    edges, destinations = _destinations(
        rng, told, polygons, lived, residents / outlines["area_km2"].cast(pl.Float64).to_numpy()
    )
    score = np.linspace(-2 * _CLIP, 2 * _CLIP, _SCORES)
    below = ndtr(score[:, None] - told.districts["income_shift"][None, :]) @ (residents / residents.sum())
    cars = pl.DataFrame({"adcode": adcodes}).join(people, on="adcode", how="left")["household_car_share"]
    model = _Model(
        told, adcodes, np.cumsum(census.ravel() / census.sum()), (score, below), cars.cast(pl.Float64).to_numpy(),
        lived.metro_km, edges, destinations, np.zeros((2, len(told.acts))), {},
    )  # fmt: skip
    return _set_to_anchors(model, anchors)


def _choose(u: Floats, cumulated: Floats) -> Ints:
    """Return the option at which the cumulated shares of a row pass ``u``."""
    return (u[:, None] >= cumulated[:, :-1]).sum(axis=1)


def _names(options: Sequence[str], index: Ints, valid: npt.NDArray[np.bool_] | None = None) -> pl.Series:
    values = pl.Series(options, dtype=pl.String).gather(index)
    return values if valid is None else values.set(pl.Series(~valid), None)


def _by_act(told: _Told, choice: str, u: Floats, act: Ints) -> pl.Series:
    """Return what is chosen given the act; null where the choice does not stand for it."""
    known = [(a, told.choices[choice, name]) for a, name in enumerate(told.acts) if (choice, name) in told.choices]
    options = list(dict.fromkeys(o for _, (names, _) in known for o in names))
    index = np.full(act.size, -1)
    for a, (names, cumulated) in known:
        at = np.flatnonzero(act == a)
        place = np.array([options.index(o) for o in names])
        index[at] = place[np.minimum(np.searchsorted(cumulated, u[at], side="right"), len(names) - 1)]
    return _names(options, np.maximum(index, 0), index >= 0)


def _timetable(
    rng: np.random.Generator, told: _Told, goes: npt.NDArray[np.bool_], minutes: Floats
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return the hour at which each trip begins (person x day x slot) and which tours fit into their day.

    Slots are the way to work or school and back, and to another place and back; a person's trips never overlap.
    """
    s, hours = told.scalars, minutes / _MIN_PER_H
    n, days = goes.shape[:2]
    habit = rng.standard_normal((2, n, 1))
    daily = rng.standard_normal((3, n, days))
    out = s["out_hour"] + s["out_spread_h"] * habit[0] + s["habit_spread_h"] * daily[0]
    out = np.maximum(out, s["earliest_hour"])
    back = s["back_hour"] + s["back_spread_h"] * habit[1] + s["habit_spread_h"] * daily[1]
    back = np.maximum(back, out + hours[:, :, 0] + s["least_stay_h"])
    home = np.where(goes[:, :, 0], back + hours[:, :, 1] + s["least_stay_h"], s["earliest_hour"])
    away = np.maximum(home, s["other_hour"] + s["other_spread_h"] * daily[2])
    stay = np.minimum(s["other_stay_h"] * rng.standard_exponential((n, days)), s["longest_stay_h"])
    again = away + hours[:, :, 2] + s["least_stay_h"] + stay
    begin = np.stack([out, back, away, again], axis=2)
    latest = s["latest_hour"]
    fits = np.stack([back + hours[:, :, 1] <= latest, again + hours[:, :, 3] <= latest], axis=2)
    return begin, fits


def _block(model: _Model, seed: int, number: int, working: npt.NDArray[np.bool_], start: dt.date) -> pl.DataFrame:
    """Return the trips of one block of persons, by person and time."""
    told, s = model.told, model.told.scalars
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
    who = _persons(rng, model, _PERSONS)
    n, days = _PERSONS, working.size
    # Tours: the main one (work or school) and another from home.
    going = np.where(working, s["commute_workday_share"], s["commute_freeday_share"])
    other = np.where(working, told.people["other_workday_share"][who.age][:, None],
                     told.people["other_freeday_share"][who.age][:, None])  # fmt: skip
    pick = rng.random((n, days, 2))
    goes = np.stack([(who.main != _FREE)[:, None] & (pick[:, :, 0] < going), pick[:, :, 1] < other], axis=2)
    kind = np.stack([np.where(who.main == _WORK, _COMMUTE, _OTHER), np.full(n, _OTHER)], axis=1)  # person x tour
    leanings = _leanings(model, who)
    shares = np.stack([_mode_shares(leanings, model.log_shape[c]) for c in (_COMMUTE, _OTHER)], axis=1)
    cumulated = np.cumsum(shares, axis=2)
    u = rng.random((n, days, 2, 4))
    # A main tour has its mode, way and place for the week; another tour each time anew.
    u[:, :, 0, :3] = u[:, :1, 0, :3]
    kinds = np.broadcast_to(kind[:, None, :], (n, days, 2))
    act = (u[..., 0, None] >= cumulated[np.arange(n)[:, None, None], kinds][..., :-1]).sum(axis=3)
    stretch = np.broadcast_to(told.districts["distance_factor"][who.district][:, None, None], act.shape)
    km = _kilometres(model, u[..., 1], act, kinds, stretch).round(_PLACES)
    noise = _cut(rng, (2, n, days, 4))
    per_trip = np.repeat(np.arange(2), 2)  # tour of each of the four slots
    seconds = np.maximum(
        np.rint(_minutes(model, km[:, :, per_trip], act[:, :, per_trip], noise[0], noise[1]) * _MIN_PER_H), 1.0
    )
    begin, fits = _timetable(rng, told, goes, seconds / _MIN_PER_H)
    goes &= fits
    person, day, slot = np.nonzero(goes[:, :, per_trip])
    tour = per_trip[slot]
    at = (person, day, tour)
    act, km, length = act[at], km[at], seconds[person, day, slot]
    district, age = who.district[person], who.age[person]
    bins = np.searchsorted(model.bins_km, km, side="right")
    there = _choose(u[..., 2][at], model.destinations[district, bins])
    outward = slot % 2 == 0
    from_, to = np.where(outward, district, there), np.where(outward, there, district)
    # What is claimed, how it is proved, what is wrong with it.
    draws = rng.random((4, act.size))
    reasons, upto = told.choices["purpose", "other"]
    why = np.minimum(np.searchsorted(upto, u[..., 3][at], side="right"), len(reasons) - 1)
    options = ["work", "education", "leisure", *reasons]
    main = np.where(who.main[person] == _WORK, 0, 1)
    purpose = np.where(tour == 0, main, 3 + why)
    walks = act == told.acts.index("walk")
    is_recreation = (tour == 1) & (np.array(reasons)[why] == "recreation")
    purpose = np.where(is_recreation & ~walks, 2, purpose)
    claimed = (who.is_registered & (rng.random(n) < s["active_share"]))[person] & (
        draws[0] < told.modes["claim_share"][act]
    )
    has_phone = who.has_phone[person]
    ticket = _by_act(told, "ticket", rng.random(n)[person], act)
    ticket = ticket.set(pl.Series(~has_phone) & ticket.is_not_null(), "transit_card")
    traced = _by_act(told, "proof", draws[1], act).set(pl.Series(~has_phone), None)
    proof = pl.select(pl.coalesce(ticket, traced)).to_series()
    faults, share = told.choices["fault", "claimed"]
    fault = np.where(claimed, np.searchsorted(share, draws[2], side="right"), len(faults))
    wrong = {name: fault == i for i, name in enumerate(faults)}
    never = np.zeros(act.size, dtype=np.bool_)
    shown = np.where(wrong.get("too_fast", never), np.maximum(length // s["fault_speed_factor"], 1.0), length)
    shown = np.where(wrong.get("bad_times", never), -length, shown)
    proof = proof.set(pl.Series(wrong.get("no_proof", never)), None)
    origin_ms = int(dt.datetime(start.year, start.month, start.day, tzinfo=dt.UTC).timestamp()) * _MS_PER_S
    start_s = np.rint((begin[person, day, slot] + _H_PER_DAY * day) * _S_PER_H)
    adcodes = model.adcodes
    end_adcode = _names(adcodes, to).set(
        pl.Series(wrong.get("outside_geography", never)), str(int(s["fault_adcode"]))
    )  # fmt: skip
    replaced = _by_act(told, "replaced_mode", draws[3], act).set(pl.Series(is_recreation & walks), "none")
    names, upto = told.choices["platform", "any"]
    platform = np.minimum(np.searchsorted(upto, rng.random(n), side="right"), len(names) - 1)[person]
    metro = pl.repeat(None, act.size, dtype=pl.Float64, eager=True) if who.metro_km is None else pl.Series(
        who.metro_km[person].round(_PLACES)
    )  # fmt: skip
    if not act.size:
        raise RangeError("The assumptions let nobody travel. Check the shares of the table 'people'.")
    made = pl.DataFrame(
        {
            "_row": np.arange(act.size),
            "_person": person,
            "act": _names(told.acts, act),
            "start_local": pl.Series(origin_ms + (start_s * _MS_PER_S).astype(np.int64)).cast(pl.Datetime("ms")),
            "end_local": pl.Series(origin_ms + ((start_s + shown) * _MS_PER_S).astype(np.int64)).cast(
                pl.Datetime("ms")
            ),
            "distance_km": km,
            "proof": proof,
            "start_adcode": _names(adcodes, from_),
            "end_adcode": end_adcode,
            "is_consenting": who.is_registered[person] & ~wrong.get("no_consent", never),
            "purpose": _names(options, purpose),
            "replaced_mode": replaced,
            "platform": _names(names, platform, claimed),
            "is_claimed": claimed,
            "ticket": ticket,
            "residence_adcode": _names(adcodes, district),
            "zone": _names([str(z) for z in told.districts["zone"]], district),
            "age_group": _names([str(g) for g in told.people["age_group"]], age),
            "is_60_plus": told.people["is_60_plus"][age],
            "income_decile": who.decile[person],
            "has_car": who.has_car[person],
            "has_smartphone": has_phone,
            "is_registered": who.is_registered[person],
            "metro_distance_km": metro,
            "is_working_day": working[day],
            "planted_fault": _names([*faults, ""], np.minimum(fault, len(faults)), fault < len(faults)),
        }
    )
    return made.select(
        pl.format("{}{}-{}-{}", pl.lit(_SYNTHETIC), pl.lit(seed), pl.lit(number), "_row").alias("activity_id"),
        pl.format("{}{}-{}-p{}", pl.lit(_SYNTHETIC), pl.lit(seed), pl.lit(number), "_person").alias("account"),
        pl.exclude("_row", "_person"),
        pl.lit(True).alias("is_synthetic"),
    ).select(TRIP_SCHEMA)


def synthesise(
    n_trips: int, *, seed: int, anchors: pl.DataFrame | pl.LazyFrame, people: pl.DataFrame | pl.LazyFrame,
    boundaries: pl.DataFrame | pl.LazyFrame, stations: pl.DataFrame | pl.LazyFrame | None = None,
    assumptions: Mapping[str, pl.DataFrame] | None = None, start: dt.date = START, workers: int = 1,
) -> pl.LazyFrame:  # fmt: skip
    """Return synthetic trips of Beijing's residents, made as they are collected.

    Parameters
    ----------
    n_trips
        Rows. The table of a seed is endless and this is its head: 1,000 trips are the first of 10 million.
    seed
        Whole number of 0 or more.
    anchors
        Published figures: ``indicator``, ``year``, ``value`` (data set ``bti__yearly_city_travel``). Which are met, and
        how they are read, says the declared table ``travel_anchors``.
    people
        Residents by district: the data set ``nbs__census_district_structure``.
    boundaries
        Outlines of the districts in WGS-84: the data set ``echarts__static_district_boundary``.
    stations
        Stations of the metro: ``adcode``, ``longitude_deg``, ``latitude_deg`` in WGS-84 (data set
        ``osm__static_station_subway``). Without them nobody's distance to the metro is known or plays a part.
    assumptions
        Tables to take in place of declared ones, by their name in :func:`assumptions`.
    start
        First day; each person is followed for as many days as the assumptions say (a week).
    workers
        Threads that work ahead. They change no row.

    Returns
    -------
    polars.LazyFrame
        One row per trip: the columns of :data:`TRIP_SCHEMA`, in the order of persons and of time. ``is_claimed`` trips
        are those that a platform registered: ``credit`` takes them as they are, and refuses those with a
        ``planted_fault`` and walks for recreation. The other trips (by car, without a phone, not registered) stand
        beside them, so that it shows who earns nothing; ``proof`` is what could prove a green trip, claimed or not.
        ``is_synthetic`` is true in every row.

    Raises
    ------
    RangeError
        A number of rows, seed, share or factor that cannot be.
    DataError
        A district or an anchor is missing.
    SchemaError
        A table lacks a column.

    Notes
    -----
    Persons are drawn by district and age from the census. The mode of a tour follows a multinomial logit whose
    constants are set so that the expected shares of the central districts on working days are the published ones;
    distances by vehicle, their spread and the speed are set so that the mean distance, the mean time and the share
    within 45 minutes of commutes are. Each remaining number is an assumption, those of all other trips among them.
    Collecting makes the rows, so a table that is used twice is better written once (``sink_parquet``).

    Figures of your own that cannot be met together are missed by as little as the bounds of the assumptions allow;
    :func:`calibration` shows it.

    Examples
    --------
    >>> import warnings
    >>> import citylab as cl
    >>> with warnings.catch_warnings(action="ignore"):  # the outlines are unofficial, for analysis only
    ...     outlines = cl.load("echarts__static_district_boundary")
    >>> trips = synthesise(
    ...     1000, seed=1, anchors=cl.load("bti__yearly_city_travel"), people=cl.load("nbs__census_district_structure"),
    ...     boundaries=outlines,
    ... ).collect()
    >>> trips.height, trips["is_synthetic"].all()
    (1000, True)

    References
    ----------
    McFadden, D. (1974), Conditional logit analysis of qualitative choice behavior. Constants from shares: Train, K. E.
    (2009), Discrete Choice Methods with Simulation, section 2.8, DOI 10.1017/CBO9780511805271. The figures: see the
    anchors.
    """
    n_trips, seed = whole(n_trips, "n_trips", 0), whole(seed, "The seed", 0)
    workers = whole(workers, "workers", 1)
    model = _fitted(anchors, people, boundaries, stations, assumptions)
    days = whole(int(model.told.scalars["days"]), "The assumption 'days'", 1)
    last = start + dt.timedelta(days=days - 1)
    working = periods.calendar(start, last).sort("date_local").collect()["is_workday"].to_numpy()
    schema = {c: polars_dtype(COLUMNS[c].dtype) for c in TRIP_SCHEMA}

    def block(number: int) -> pl.DataFrame:
        return _block(model, seed, number, working, start)

    def numbers() -> Iterator[tuple[int]]:
        return ((number,) for number in itertools.count())

    return made_in_blocks(block, numbers, rows=n_trips, workers=workers, schema=schema, name="synthetic trips")


def _statistic(row: Mapping[str, Any]) -> pl.Expr:
    minutes = (pl.col("end_local") - pl.col("start_local")).dt.total_milliseconds() / (_MS_PER_S * _MIN_PER_H)
    if row["statistic"] == "act_share":
        return pl.col("act").is_in(row["acts"].split("|")).cast(pl.Float64)
    if row["statistic"] == "mean_distance":
        return pl.col("distance_km")
    if row["statistic"] == "mean_time":
        return minutes
    return (minutes <= row["threshold"]).cast(pl.Float64)


def calibration(
    trips: pl.DataFrame | pl.LazyFrame, anchors: pl.DataFrame | pl.LazyFrame, *, table: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Hold trips against the published figures.

    Parameters
    ----------
    trips
        Trips as of :func:`synthesise`, or real ones with the same columns.
    anchors
        Published figures: ``indicator``, ``year``, ``value``, ``unit``, ``basis``, ``source``.
    table
        How each figure is read and whether it is used, as the declared table ``travel_anchors`` says.

    Returns
    -------
    polars.DataFrame
        One row per published figure: ``use`` (fitted, implied, left_out), ``target``, ``result``, ``difference``,
        ``standard_error`` (trips of one account hang together and count as one cluster), ``n_trips``, ``n_accounts``,
        ``tolerance``, ``is_met`` (the difference is within the tolerance and a sampling error of 95 %; empty where the
        figure was left out), the reason in both languages, ``source``. A figure that was left out still has a result
        where the trips have one.

    Raises
    ------
    DataError
        No trip of the basis is left: none on a working day by residents of the central districts.

    Notes
    -----
    Trips with a planted fault are not counted. Times are those stated by the trips.

    Examples
    --------
    >>> figures = pl.DataFrame({"indicator": ["walk_trip_share"], "year": [2020], "value": [0.312], "unit": ["1"],
    ...                         "basis": ["central city"], "source": ["report"]})
    >>> moment = dt.datetime(2025, 3, 3, 8)
    >>> trips = pl.DataFrame({"account": ["a", "b"], "act": ["walk", "car"], "purpose": ["work", "work"],
    ...     "distance_km": [1.0, 9.0], "start_local": [moment] * 2, "end_local": [moment + dt.timedelta(hours=1)] * 2,
    ...     "zone": ["core"] * 2, "is_working_day": [True] * 2, "planted_fault": [None] * 2})
    >>> calibration(trips, figures).select("indicator", "target", "result", "use").rows()
    [('walk_trip_share', 0.312, 0.5, 'fitted')]
    """
    needed = {"account": "who travels", "act": "mode", "purpose": "purpose", "distance_km": "length",
              "start_local": "begin", "end_local": "end", "zone": "core, central or outer", "is_working_day": "day",
              "planted_fault": "what was made wrong on purpose"}  # fmt: skip
    lf = _lazy(trips)
    need_columns(lf, needed, what="calibration")
    told = _lazy(anchors)
    need_columns(told, ("indicator", "year", "value", "unit", "basis", "source"), what="calibration")
    how = tables.read("travel_anchors") if table is None else table
    figures = _once(told.collect(), "indicator", "year", what="anchors").join(
        how, on=["indicator", "year"], how="left", validate="1:1"
    )
    figures = figures.with_columns(pl.col("use").fill_null("left_out"))
    basis = lf.filter(pl.col("zone").is_in(CENTRAL), pl.col("is_working_day"), pl.col("planted_fault").is_null())
    measured = figures.filter(pl.col("statistic").is_not_null()).to_dicts()
    parts: list[pl.Expr] = []
    for i, row in enumerate(measured):
        counts = {
            "all": pl.col("act").is_not_null(),
            "work": pl.col("purpose") == "work",
            "other": pl.col("purpose") != "work",
        }
        mine = counts[row["trips"]]
        parts += [mine.sum().cast(pl.Float64).alias(f"n{i}"), _statistic(row).filter(mine).sum().alias(f"y{i}")]
    accounts = basis.group_by("account").agg(parts).collect(engine="streaming")
    if accounts.is_empty():
        raise DataError(
            "None of the trips is by a resident of the central districts on a working day, without a planted fault; "
            "the published figures refer to those. Give trips with such days and zones."
        )
    results = {}
    for i, row in enumerate(measured):
        counted = accounts.filter(pl.col(f"n{i}") > 0)
        n, y = counted[f"n{i}"].to_numpy(), counted[f"y{i}"].to_numpy()
        groups, trips_n = counted.height, float(n.sum())
        mean = float(y.sum() / trips_n) if groups else None
        error = None
        if mean is not None and groups > 1:
            error = float(np.sqrt(groups / (groups - 1) * ((y - mean * n) ** 2).sum()) / trips_n)
        results[row["indicator"], row["year"]] = (mean, error, int(trips_n), groups)
    z = float(ndtri((1 + _LEVEL) / 2))
    blank = (None, None, None, None)
    found = [results.get((r["indicator"], r["year"]), blank) for r in figures.iter_rows(named=True)]
    columns = {"result": pl.Float64, "standard_error": pl.Float64, "n_trips": pl.Int64, "n_accounts": pl.Int64}
    beside = pl.DataFrame(found, schema=columns, orient="row")
    return pl.concat([figures, beside], how="horizontal").select(
        "indicator", "year", "use", pl.col("value").alias("target"), "result", "unit",
        (pl.col("result") - pl.col("value")).alias("difference"),
        "standard_error", "n_trips", "n_accounts", "tolerance",
        pl.when(pl.col("use") != "left_out").then(
            (pl.col("result") - pl.col("value")).abs()
            <= pl.col("tolerance") + z * pl.col("standard_error").fill_null(0)
        ).alias("is_met"),
        "basis",
        pl.col("reason_zh").fill_null("未声明如何对应").alias("reason_zh"),
        pl.col("reason_en").fill_null("no way to read it is declared").alias("reason_en"),
        "source",
    )  # fmt: skip
