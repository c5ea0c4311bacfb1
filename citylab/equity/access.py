"""Access to services: how much supply a place can reach, shared with all others who can reach it too.

A floating catchment has two steps. Each supply is divided by the demand that can reach it (:func:`provider_ratio`);
each place then adds up the ratios that it can reach (:func:`access`). What is given out is what there is: the sum of
access times demand is the supply that anybody reaches, for every method whose row in ``access_methods`` says so. Costs
are those of the way from a place to a supply and may differ from those of the way back.

Access is offered, not used: it says nothing of whether people go, or of what they find there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import polars as pl

from citylab import tables
from citylab.equity.levels import lazy
from citylab.errors import DataError, RangeError, SchemaError, UnitError, suggest
from citylab.frames import Frame, lazily, need_columns, need_numbers
from citylab.stats.survey import sums

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]
    Flags = npt.NDArray[np.bool_]

Method = Literal["2sfca", "3sfca", "balanced", "bfca", "opportunities"]
Form = Literal["steps", "gaussian", "gaussian_to_zero", "power", "exponential"]

DECAYS, METHODS = "access_decays", "access_methods"
NO_COSTS, NOTHING_IN_REACH, NO_DEMAND = "no_costs", "nothing_in_reach", "no_demand"
COST_UNITS = frozenset({"s", "min", "h", "m", "km"})
"""Last parts of names of cost columns that are units, and are held against the unit of a decay."""


@dataclass(frozen=True, slots=True)
class Decay:
    """How much a supply counts by what it costs to get there, 0 beyond a largest cost.

    Make one with :meth:`steps`, :meth:`gaussian`, :meth:`gaussian_to_zero`, :meth:`power`, :meth:`exponential`, or read
    one with :meth:`declared`.

    Attributes
    ----------
    form
        Form of the function.
    upper
        Largest costs: of each step, else a single one (infinite: no limit).
    weights
        Weights of the steps, 0 or more; empty for other forms.
    parameter
        Width [unit of cost] of ``gaussian``, exponent of ``power``, rate [1/unit] of ``exponential``; else 0.
    unit
        Unit of cost, ``""`` if none is said.
    """

    form: Form
    upper: tuple[float, ...]
    weights: tuple[float, ...] = ()
    parameter: float = 0.0
    unit: str = ""

    def __post_init__(self) -> None:
        if self.form not in get_args(Form):
            raise suggest(str(self.form), get_args(Form), what="form of decay", see="citylab.equity.access.Decay")
        rising = all(a < b for a, b in zip(self.upper, self.upper[1:], strict=False))
        if not (self.upper and rising and self.upper[0] >= 0 and not any(map(math.isnan, self.upper))):
            raise RangeError(f"Largest costs of a decay are {self.upper}; expected one or more, rising, from 0 on.")
        if self.form == "steps":
            sound = all(math.isfinite(w) and w >= 0 for w in self.weights) and any(self.weights)
            if len(self.weights) != len(self.upper) or not sound:
                raise RangeError(
                    f"Weights of steps are {self.weights}; expected one per step, 0 or more, and one above 0."
                )
        elif len(self.upper) != 1 or self.weights:
            raise RangeError(f"A decay of the form {self.form!r} has one largest cost and no weights of steps.")
        elif self.form == "gaussian_to_zero":
            if not (math.isfinite(self.upper[0]) and self.upper[0] > 0):
                raise RangeError(f"A Gaussian that ends at {self.upper[0]} has no shape; expected a cost above 0.")
        elif not (math.isfinite(self.parameter) and self.parameter > 0):
            raise RangeError(f"The parameter of {self.form!r} is {self.parameter}; expected a number above 0.")

    @classmethod
    def steps(cls, weights: Mapping[float, float], *, unit: str = "") -> Decay:
        """Return a decay of steps: weights by the largest cost of each step, which belongs to it.

        Examples
        --------
        >>> Decay.steps({10: 1, 20: 0.5}).weight(np.array([10.0, 10.1, 20.1])).tolist()
        [1.0, 0.5, 0.0]
        """
        held = sorted((float(k), float(v)) for k, v in weights.items())
        return cls("steps", tuple(k for k, _ in held), tuple(v for _, v in held), unit=unit)

    @classmethod
    def gaussian(cls, width: float, *, upper: float = math.inf, unit: str = "") -> Decay:
        """Return exp(-(cost/width)²/2)."""
        return cls("gaussian", (float(upper),), parameter=float(width), unit=unit)

    @classmethod
    def gaussian_to_zero(cls, upper: float, *, unit: str = "") -> Decay:
        """Return a Gaussian of width ``upper``, shifted and stretched to be 1 at cost 0 and 0 at ``upper``."""
        return cls("gaussian_to_zero", (float(upper),), unit=unit)

    @classmethod
    def power(cls, exponent: float, *, upper: float = math.inf, unit: str = "") -> Decay:
        """Return cost to the power of -``exponent``; a cost of 0 has no weight and is refused."""
        return cls("power", (float(upper),), parameter=float(exponent), unit=unit)

    @classmethod
    def exponential(cls, rate: float, *, upper: float = math.inf, unit: str = "") -> Decay:
        """Return exp(-rate · cost)."""
        return cls("exponential", (float(upper),), parameter=float(rate), unit=unit)

    @classmethod
    def declared(cls, name: str, *, table: pl.DataFrame | None = None) -> Decay:
        """Return a decay of the declared table.

        Parameters
        ----------
        name
            Its name, in the column ``decay``.
        table
            In place of the declared table ``access_decays``; the columns are the same.

        Examples
        --------
        >>> Decay.declared("luo_qi_30").weights
        (1.0, 0.68, 0.22)
        """
        if not isinstance(name, str):
            raise RangeError(
                f"A decay is {name!r}; expected the name of a declared one, or one made with Decay, for example "
                f"Decay.steps({{30: 1}}) for all that costs up to 30."
            )
        held = tables.read(DECAYS) if table is None else table
        need_columns(held.lazy(), ["decay", "form", "upper", "weight", "parameter", "unit"], what="Decay.declared")
        rows = held.filter(pl.col("decay") == name).sort("upper").rows(named=True)
        if not rows:
            raise suggest(name, held["decay"].unique(), what="decay", see="datasets/codes/access_decays.csv")
        first = rows[0]
        upper = tuple(math.inf if r["upper"] is None else float(r["upper"]) for r in rows)
        weights = tuple(float(r["weight"]) for r in rows if r["weight"] is not None)
        return cls(first["form"], upper, weights, float(first["parameter"] or 0), first["unit"] or "")

    def weight(self, cost: Floats) -> Floats:
        """Return the weight of costs of 0 or more; an infinite cost has weight 0."""
        if self.form == "steps":
            return np.append(self.weights, 0.0)[np.searchsorted(self.upper, cost, side="left")]
        near = (cost <= self.upper[0]) & np.isfinite(cost)
        held = np.where(near, cost, 1.0)
        if self.form == "power":
            if (held <= 0).any():
                raise DataError(
                    "A cost of 0 has no weight under a power. Give the way within a place a cost above 0, for example "
                    "the mean way within it."
                )
            value = held**-self.parameter
        elif self.form == "exponential":
            value = np.exp(-self.parameter * held)
        elif self.form == "gaussian":
            value = np.exp(-((held / self.parameter) ** 2) / 2)
        else:
            at_end = math.exp(-1 / 2)
            value = (np.exp(-((held / self.upper[0]) ** 2) / 2) - at_end) / (1 - at_end)
        # A ratio over a smaller weight could run over.
        return np.where(near & (value > math.sqrt(np.finfo(np.float64).tiny)), value, 0.0)


@dataclass(frozen=True, slots=True)
class _Columns:
    """How the columns of the three tables are named."""

    place: str
    demand: str
    supply: str
    origin: str
    destination: str
    cost: str


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Places, supplies and the pairs of them that have a cost, as arrays."""

    places: pl.Series
    demand: Floats
    supplies: pl.Series
    supply: Floats
    origin: Ints
    destination: Ints
    cost: Floats


def access(
    demand: Frame,
    supply: pl.DataFrame | pl.LazyFrame,
    cost: pl.DataFrame | pl.LazyFrame,
    *,
    method: Method = "2sfca",
    decay: str | Decay = "luo_qi_30",
    selection: Decay | None = None,
    place: str = "place",
    demand_value: str = "demand",
    supply_value: str = "supply",
    cost_value: str = "cost",
    origin: str = "from",
    destination: str = "to",
    table: pl.DataFrame | None = None,
) -> Frame:
    """Return the access of places to a supply, and what they have in reach.

    Parameters
    ----------
    demand
        One row per place: ``place``, ``demand`` (persons, 0 or more).
    supply
        One row per place of supply: ``place``, ``supply`` (beds, seats, stations; 0 or more). Its places may be other
        ones than those of the demand.
    cost
        One row per way: ``from`` (a place of the demand), ``to`` (a place of the supply), ``cost`` (0 or more;
        infinite: no way). Costs there and back may differ. Ways between other places are passed over.
    method
        ``2sfca``: two steps with one decay; with steps as by default it is the enhanced one (E2SFCA), with a single
        step the plain one, with a power the gravity one. ``3sfca``: people choose among supplies, each also decayed.
        ``balanced``: each place's demand is shared out once among what it reaches. ``bfca``: that of Páez and others,
        balanced on both sides. ``opportunities``: decayed supply, not shared with others.
    decay
        Name in ``access_decays``, where costs are minutes, or a :class:`Decay`.
    selection
        Decay by which people choose among supplies, for ``3sfca`` only; default ``decay``. One that reaches further
        lets people choose what does not count as access.
    place, demand_value, supply_value, cost_value, origin, destination
        Names of the columns. A cost column whose name ends in a unit (``time_min``) is held against that of the decay.
    table
        In place of the declared table ``access_decays``.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per place of ``demand``, in its order: ``place``; ``access`` [supply per unit of demand; for
        ``opportunities`` supply]; ``n_in_reach`` (places with supply whose weight is above 0), ``supply_in_reach``
        (their supply, not decayed), ``nearest_cost`` (of all places with supply; null: none can be got to), ``note``:

        - null: a number
        - ``nothing_in_reach``: there are ways, none counts; access is 0
        - ``no_costs``: the place is not in the cost table, so that nothing is known; access is null. If your router
          leaves out what is too far, fill it with 0
        - ``no_demand``: in reach is a supply that no demand reaches; its ratio has no bound, access is null

    Raises
    ------
    SchemaError
        A column is missing, holds no numbers, or names places in another type than its partner.
    UnknownNameError, RangeError, UnitError
        A method or a decay that there is not or cannot be, or a cost in another unit than the decay.
    DataError
        On collecting: a missing, negative or infinite demand or supply, a missing or negative cost, a place or a way
        twice, no demand at all, or costs that join nothing.

    Notes
    -----
    ``A_i = Σ_j b_ij S_j / Σ_k a_kj P_k``, P demand, S supply. With w the decay and ``g_ij = w_ij / Σ_j w_ij`` over
    places with supply (for 3sfca of ``selection``): 2sfca a = b = w; 3sfca a = b = w g; balanced a = b = g; bfca
    a = g, b = ``w_ij / Σ_i w_ij``; opportunities ``Σ_j w_ij S_j``. Whenever a = b, ``Σ P_i A_i`` is the supply of all
    places that any demand reaches; what nobody reaches is given to nobody, and :func:`provider_ratio` names it. Under
    bfca the sum of access is the sum of ratios instead. The demand of people outside the table who use the same supply
    is not seen, so that access near the edge of a table looks better than it is.

    Examples
    --------
    >>> people = pl.DataFrame({"place": ["a", "b"], "demand": [100, 50]})
    >>> clinics = pl.DataFrame({"place": ["a", "b"], "supply": [10, 5]})
    >>> ways = pl.DataFrame({"from": ["a", "a", "b", "b"], "to": ["a", "b", "b", "a"], "cost": [5, 40, 5, 25]})
    >>> found = access(people, clinics, ways, method="2sfca", decay="within_30")
    >>> found["access"].round(6).to_list(), found["n_in_reach"].to_list()
    ([0.066667, 0.166667], [1, 2])
    >>> round((found["access"] * people["demand"]).sum(), 9)
    15.0

    How unequal it is between groups of people, and along income, the measures of inequality say:

    >>> from citylab.equity.concentration import concentration
    >>> groups = pl.DataFrame({"place": ["a", "a", "b"], "group": ["older", "other", "other"],
    ...                        "persons": [20, 80, 50], "income_cny": [30.0, 60.0, 90.0]})
    >>> table = with_people(found, groups)
    >>> told = concentration(table, "access", rank="income_cny", weight="persons", errors=None)
    >>> told["value"].round(6).to_list()
    [0.222222]

    References
    ----------
    Luo and Wang (2003), doi:10.1068/b29120. Luo and Qi (2009), doi:10.1016/j.healthplace.2009.06.002 (E2SFCA). Wan, Zou
    and Sternberg (2012), doi:10.1080/13658816.2011.624987 (3SFCA). Páez, Higgins and Vivona (2019),
    doi:10.1371/journal.pone.0218773. Hansen (1959), doi:10.1080/01944365908978307
    """
    names = _Columns(place, demand_value, supply_value, origin, destination, cost_value)
    told = _decay(decay, table, cost_value)
    _method(method, selection, get_args(Method))
    lf, back = lazily(demand)
    read, schema = _reader(lf, lazy(supply), lazy(cost), names, "access")

    def work() -> pl.DataFrame:
        return _access(read(), method, told, selection or told, place)

    out = {place: schema, "access": pl.Float64(), "n_in_reach": pl.Int64(), "supply_in_reach": pl.Float64(),
           "nearest_cost": pl.Float64(), "note": pl.String()}  # fmt: skip
    return back(pl.defer(work, schema=out))


def provider_ratio(
    demand: pl.DataFrame | pl.LazyFrame,
    supply: Frame,
    cost: pl.DataFrame | pl.LazyFrame,
    *,
    method: Method = "2sfca",
    decay: str | Decay = "luo_qi_30",
    selection: Decay | None = None,
    place: str = "place",
    demand_value: str = "demand",
    supply_value: str = "supply",
    cost_value: str = "cost",
    origin: str = "from",
    destination: str = "to",
    table: pl.DataFrame | None = None,
) -> Frame:
    """Return the first step of a floating catchment: each supply over the demand that can reach it.

    Parameters
    ----------
    demand, supply, cost, method, decay, selection, table
        As in :func:`access`; not with ``opportunities``.
    place, demand_value, supply_value, cost_value, origin, destination
        As in :func:`access`.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per place of ``supply``, in its order: ``place``, the supply, ``n_places`` (places with demand that
        reach it), ``weighted_demand`` (of them), ``ratio`` [supply per unit of demand; null where no demand reaches
        it], ``note`` (``no_costs``: not in the cost table; ``no_demand``: nobody reaches it; else null). The supply of
        rows with a note is given to nobody. A place without supply has a ratio of 0, and is nobody's choice: its
        ``weighted_demand`` is 0 under methods in which people choose.

    Raises
    ------
    SchemaError, UnknownNameError, RangeError, UnitError, DataError
        As :func:`access`.

    Examples
    --------
    >>> people = pl.DataFrame({"place": ["a"], "demand": [100]})
    >>> clinics = pl.DataFrame({"place": ["a", "far"], "supply": [10, 5]})
    >>> ways = pl.DataFrame({"from": ["a", "a"], "to": ["a", "far"], "cost": [5, 90]})
    >>> provider_ratio(people, clinics, ways).select("place", "ratio", "note").rows()
    [('a', 0.1, None), ('far', None, 'no_demand')]
    """
    names = _Columns(place, demand_value, supply_value, origin, destination, cost_value)
    told = _decay(decay, table, cost_value)
    _method(method, selection, [m for m in get_args(Method) if m != "opportunities"])
    lf, back = lazily(supply)
    read, _ = _reader(lazy(demand), lf, lazy(cost), names, "provider_ratio")

    def work() -> pl.DataFrame:
        p = read()
        first, _ = _weights(p, method, told, selection or told)
        need, ratio = _ratio(p, first)
        count = len(p.supply)
        reaching = sums(p.destination, ((first > 0) & (p.demand[p.origin] > 0)).astype(np.float64), count)
        has_costs = np.bincount(p.destination, minlength=count) > 0
        note = np.where(has_costs, np.where((need > 0) | (p.supply == 0), "", NO_DEMAND), NO_COSTS)
        return pl.DataFrame(
            {place: p.supplies, supply_value: p.supply, "n_places": reaching.astype(np.int64), "weighted_demand": need,
             "ratio": ratio, "note": note}
        ).with_columns(pl.col("ratio").fill_nan(None), pl.col("note").replace("", None))  # fmt: skip

    out = {place: lf.collect_schema()[place], supply_value: pl.Float64(), "n_places": pl.Int64(),
           "weighted_demand": pl.Float64(), "ratio": pl.Float64(), "note": pl.String()}  # fmt: skip
    return back(pl.defer(work, schema=out))


def with_people(found: Frame, people: pl.DataFrame | pl.LazyFrame, *, place: str = "place") -> Frame:
    """Return who lives with which access: a table of people by place, each row with the access of its place.

    The result goes into :func:`citylab.equity.inequality.inequality`,
    :func:`citylab.equity.concentration.concentration` and their kin with ``weight=`` the persons and ``by=`` the group.

    Parameters
    ----------
    found
        What :func:`access` gave: one row per place.
    people
        One row per place and group, person or household; any columns beside ``place``.
    place
        Column that both share.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        The rows and columns of ``people``, with ``access``, ``n_in_reach``, ``supply_in_reach``, ``nearest_cost`` and
        ``note``. Access is null where it is not known.

    Raises
    ------
    SchemaError
        A column is missing, both tables have it, or ``place`` is of two types.
    DataError
        On collecting: people of a place that has no access beside it, or a place twice in ``found``.

    Examples
    --------
    >>> found = pl.DataFrame({"place": ["a", "b"], "access": [0.1, 0.2]})
    >>> with_people(found, pl.DataFrame({"place": ["b", "b"], "group": ["older", "other"]}))["access"].to_list()
    [0.2, 0.2]
    """
    lf, back = lazily(found)
    schema = need_columns(lf, {place: "place", "access": "access"}, what="with_people")
    others = need_columns(lazy(people), {place: "place"}, what="with_people")
    if twice := [c for c in schema if c in others and c != place]:
        raise SchemaError(f"with_people: both tables have a column {twice[0]!r}; rename or drop it in one of them.")
    _same_type(schema[place], others[place], place, place, "with_people")

    def work() -> pl.DataFrame:
        left, right = pl.collect_all([lazy(people), lf])
        _once(right, [place], "with_people", "the table of access")
        lost = left.join(right, on=place, how="anti", nulls_equal=True)
        if lost.height:
            raise DataError(
                f"with_people: {lost.height} rows are of places without a row of access, the first "
                f"{lost[place][0]!r}. Compute access for all places of the people, or leave those rows out by name."
            )
        return left.join(right, on=place, how="left", maintain_order="left")

    return back(pl.defer(work, schema={**others, **{c: t for c, t in schema.items() if c != place}}))


def group_access(table: Frame, *, group: str, persons: str = "persons") -> Frame:
    """Return the access of groups of people: their mean, and how many of them have nothing in reach.

    Parameters
    ----------
    table
        What :func:`with_people` gave: one row per place and group.
    group
        Column of the group.
    persons
        Column of persons, 0 or more.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group, in order of its name: ``persons``; ``access`` (mean over persons whose access is known; null:
        none), ``nothing_in_reach_share`` (of them), ``unknown_share`` (persons whose access is null, of all), ``n``
        (rows with persons).

    Raises
    ------
    SchemaError
        A column is missing or holds no numbers.
    DataError
        On collecting: missing, negative or infinite persons.

    Examples
    --------
    >>> table = pl.DataFrame({"group": ["older", "older"], "persons": [10, 30], "access": [0.4, 0.0],
    ...                       "note": [None, "nothing_in_reach"]})
    >>> group_access(table, group="group").rows()
    [('older', 40.0, 0.1, 0.75, 0.0, 2)]
    """
    lf, back = lazily(table)
    schema = need_columns(lf, {group: "", persons: "persons", "access": "", "note": ""}, what="group_access")
    need_numbers(schema, [persons, "access"], what="group_access")
    weight, known = pl.col(persons), pl.col("access").is_not_null()

    def work(rows: pl.DataFrame) -> pl.DataFrame:
        _amounts(rows, persons, "group_access", "persons")
        of_known = weight.filter(known).sum()
        return (
            rows.with_columns(weight.cast(pl.Float64), pl.col("access").cast(pl.Float64).fill_nan(None))
            .group_by(group)
            .agg(
                persons=weight.sum(),
                access=pl.when(of_known > 0).then((weight * pl.col("access")).filter(known).sum() / of_known),
                nothing_in_reach_share=pl.when(of_known > 0).then(
                    weight.filter(known & pl.col("note").eq(NOTHING_IN_REACH)).sum() / of_known
                ),
                unknown_share=pl.when(weight.sum() > 0).then(weight.filter(~known).sum() / weight.sum()),
                n=(weight > 0).sum().cast(pl.Int64),
            )
            .sort(group, nulls_last=True)
        )

    out = {group: schema[group], "persons": pl.Float64(), "access": pl.Float64(),
           "nothing_in_reach_share": pl.Float64(), "unknown_share": pl.Float64(), "n": pl.Int64()}  # fmt: skip
    return back(lf.select(group, persons, "access", "note").map_batches(work, schema=out))


def methods() -> pl.DataFrame:
    """Return the declared table of methods: what each of them weighs and keeps, labels in both languages, sources.

    Examples
    --------
    >>> methods().filter(pl.col("keeps_supply"))["method"].to_list()
    ['2sfca', '3sfca', 'balanced']
    """
    return tables.read(METHODS)


def _method(method: str, selection: Decay | None, known: Sequence[str]) -> None:
    if method not in known:
        raise suggest(str(method), known, what="method", see="citylab.equity.access.methods")
    if selection is not None and method != "3sfca":
        raise RangeError(f"selection= was given with {method!r}; only 3sfca has a decay of its own for what is chosen.")


def _decay(decay: str | Decay, table: pl.DataFrame | None, cost: str) -> Decay:
    held = decay if isinstance(decay, Decay) else Decay.declared(decay, table=table)
    unit = cost.rpartition("_")[2]
    if unit in COST_UNITS and held.unit and unit != held.unit:
        raise UnitError(
            f"The cost column {cost!r} is in {unit} and the decay in {held.unit}. Convert the costs, or make "
            f"a Decay in {unit}."
        )
    return held


def _same_type(one: pl.DataType, other: pl.DataType, left: str, right: str, what: str) -> None:
    if one != other:
        raise SchemaError(
            f"{what}: {left!r} is {one} and {right!r} is {other}; places need one type. Cast one of them."
        )


def _reader(
    demand: pl.LazyFrame, supply: pl.LazyFrame, cost: pl.LazyFrame, names: _Columns, what: str
) -> tuple[Callable[[], _Pairs], pl.DataType]:
    """Return what reads and checks the three tables once they are wanted, and the type of the places of demand."""
    of_demand = need_columns(demand, {names.place: "place", names.demand: "demand"}, what=f"{what} (demand)")
    of_supply = need_columns(supply, {names.place: "place", names.supply: "supply"}, what=f"{what} (supply)")
    needed = {names.origin: "place of the demand", names.destination: "place of the supply", names.cost: "cost"}
    of_cost = need_columns(cost, needed, what=f"{what} (cost)")
    need_numbers(of_demand, [names.demand], what=what)
    need_numbers(of_supply, [names.supply], what=what)
    need_numbers(of_cost, [names.cost], what=what)
    _same_type(of_demand[names.place], of_cost[names.origin], names.place, names.origin, what)
    _same_type(of_supply[names.place], of_cost[names.destination], names.place, names.destination, what)

    def read() -> _Pairs:
        people, offered, ways = pl.collect_all(
            [
                demand.select(names.place, pl.col(names.demand).cast(pl.Float64)),
                supply.select(names.place, pl.col(names.supply).cast(pl.Float64)),
                cost.select(names.origin, names.destination, pl.col(names.cost).cast(pl.Float64)),
            ]
        )
        return _pairs(people, offered, ways, names, what)

    return read, of_demand[names.place]


def _pairs(demand: pl.DataFrame, supply: pl.DataFrame, cost: pl.DataFrame, names: _Columns, what: str) -> _Pairs:
    for held, column, told in ((demand, names.demand, "demand"), (supply, names.supply, "supply")):
        if held.is_empty():
            raise DataError(f"{what}: the table of {told} has no rows. Check the filter before it.")
        _once(held, [names.place], what, f"the table of {told}")
        _amounts(held, column, what, told)
    if not demand[names.demand].sum() > 0:
        raise DataError(f"{what}: the demand of all places is 0; access is per unit of demand. Check the column.")
    bad = cost.filter(pl.col(names.cost).is_null() | pl.col(names.cost).is_nan() | (pl.col(names.cost) < 0))
    if bad.height:
        raise DataError(
            f"{what}: {bad.height} costs are missing or negative, the first from {bad[names.origin][0]!r} to "
            f"{bad[names.destination][0]!r}. Drop the rows of ways that there are not, or give them an infinite cost."
        )
    index = pl.int_range(pl.len(), dtype=pl.Int64)
    held = cost.join(demand.select(pl.col(names.place).alias(names.origin), index.alias("_i")), on=names.origin).join(
        supply.select(pl.col(names.place).alias(names.destination), index.alias("_j")), on=names.destination
    )
    if held.is_empty():
        raise DataError(
            f"{what}: no row of the costs goes from a place of the demand to a place of the supply. The costs name "
            f"{cost[names.origin].head(2).to_list()}, the demand {demand[names.place].head(2).to_list()}; are the "
            "codes of one kind?"
        )
    # One number per way is quicker to look for twice than two names.
    if held.select((pl.col("_i") * supply.height + pl.col("_j")).n_unique()).item() < held.height:
        _once(held, [names.origin, names.destination], what, "the table of costs")
    return _Pairs(
        demand[names.place], demand[names.demand].to_numpy(), supply[names.place], supply[names.supply].to_numpy(),
        held["_i"].to_numpy(), held["_j"].to_numpy(), held[names.cost].to_numpy(),
    )  # fmt: skip


def _once(table: pl.DataFrame, keys: list[str], what: str, told: str) -> None:
    twice = table.filter(pl.struct(keys).is_duplicated())
    if twice.height:
        raise DataError(
            f"{what}: {told} has {dict(zip(keys, twice.select(keys).row(0), strict=True))} in more than one row. Add "
            "them up, or keep the right one."
        )
    if table.select(pl.any_horizontal(pl.col(keys).is_null()).any()).item():
        raise DataError(f"{what}: {told} has rows whose {' or '.join(keys)} is missing. Name the place, or drop them.")


def _amounts(table: pl.DataFrame, column: str, what: str, told: str) -> None:
    bad = table.filter(~(pl.col(column).is_finite() & (pl.col(column) >= 0)).fill_null(False))
    if bad.height:
        raise DataError(
            f"{what}: {bad.height} rows have {told} that is missing, negative or infinite, the first "
            f"{bad.row(0, named=True)}. Put 0 where there is none, and find out where it is not known."
        )


def _weights(p: _Pairs, method: Method, decay: Decay, selection: Decay) -> tuple[Floats, Floats]:
    """Return the weights of pairs in the first step and in the second."""
    w = decay.weight(p.cost)
    if method in {"2sfca", "opportunities"}:
        return w, w
    chosen = np.where(p.supply[p.destination] > 0, selection.weight(p.cost), 0.0)
    share = _over(chosen, p.origin, len(p.demand))
    if method == "3sfca":
        return w * share, w * share
    return (share, share) if method == "balanced" else (share, _over(w, p.destination, len(p.supply)))


def _over(weight: Floats, code: Ints, count: int) -> Floats:
    """Return weights over their sum within each code; 0 where that is 0."""
    total = sums(code, weight, count)[code]
    return np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)


def _ratio(p: _Pairs, first: Floats) -> tuple[Floats, Floats]:
    """Return the weighted demand of each supply and its supply over it, NaN where a supply has no demand."""
    need = sums(p.destination, first * p.demand[p.origin], len(p.supply))
    ratio = np.divide(p.supply, need, out=np.where(p.supply > 0, np.nan, 0.0), where=need > 0)
    return need, ratio


def _access(p: _Pairs, method: Method, decay: Decay, selection: Decay, place: str) -> pl.DataFrame:
    first, second = _weights(p, method, decay, selection)
    each = p.supply if method == "opportunities" else _ratio(p, first)[1]
    held = each[p.destination]
    # An unbounded ratio (NaN) that does not count for a place must not reach it.
    value = sums(p.origin, np.where(second > 0, second * held, 0.0), len(p.demand))
    offered = p.supply[p.destination]
    counts = (second > 0) & (offered > 0)
    n = sums(p.origin, counts.astype(np.float64), len(p.demand))
    nearest = np.full(len(p.demand), np.inf)
    with_supply = offered > 0
    np.minimum.at(nearest, p.origin[with_supply], p.cost[with_supply])
    has_costs = np.bincount(p.origin, minlength=len(p.demand)) > 0
    note = np.where(has_costs, np.where(np.isnan(value), NO_DEMAND, np.where(n > 0, "", NOTHING_IN_REACH)), NO_COSTS)
    return pl.DataFrame(
        {
            place: p.places,
            "access": np.where(has_costs, value, np.nan),
            "n_in_reach": n.astype(np.int64),
            "supply_in_reach": sums(p.origin, np.where(counts, offered, 0.0), len(p.demand)),
            "nearest_cost": np.where(np.isfinite(nearest), nearest, np.nan),
            "note": note,
        }
    ).with_columns(pl.col("access", "nearest_cost").fill_nan(None), pl.col("note").replace("", None))
