"""The yearly state that levers change, and the one formula that turns it into tonnes.

The same state holds draws by cells (for a run with intervals), replicate weights of one draw (for sampling error), or
single persons (for their yearly table): a lever is written once, with NumPy, and cannot tell which. Amounts are sums
over the persons of a cell; a cell may be one person.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np

from citylab import tables
from citylab.errors import SchemaError, suggest
from citylab.policy.factored import Factored, Space

Array = np.ndarray

KG_PER_TONNE = 1000.0
"""Definition of the tonne."""

OWNERS = ("household", "budget", "firm")
"""Who can gain or pay."""

IN_KIND = {"household": "comfort_cny", "firm": "firm_comfort_cny"}
"""Who can gain or lose in kind, and the flow that holds it."""


@cache
def _sides() -> Mapping[str, str]:
    table = tables.read("policy_state")
    return dict(zip(table["name"], table["side"], strict=True))


class _Names(Mapping[str, str]):
    """The names of the state with their side (people, city, factor, money, kind), read when first asked for."""

    def __getitem__(self, name: str) -> str:
        return _sides()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_sides())

    def __len__(self) -> int:
        return len(_sides())


NAMES: Mapping[str, str] = _Names()
"""Every name of the state and its side: ``people``, ``city``, ``factor``, ``money`` or ``kind`` (a gain in kind)."""

_FLOWS = ("money", "kind")
_OF_CELLS = ("household_cny", "comfort_cny")


class State:
    """One year of people and city under ``draws`` draws.

    Parameters
    ----------
    year
        Calendar year.
    cells
        What the persons of a cell share, arrays of shape (1, cells): ``adcode`` (int), ``income_decile`` (1-10),
        ``age_band`` (0 under 18, 1 of 18-59, 2 of 60 and over), ``metro_band`` (0 near, 1, 2 far),
        ``electricity_tier`` (1-3), and booleans ``is_60_plus``, ``is_under_18``, ``has_car``, ``has_smartphone``,
        ``near_metro``, ``is_core``, ``is_urban``, ``is_rural`` (districts, see ``datasets/codes/policy_areas.csv``).
    people
        Amounts, arrays of shape (1, cells) or (draws, cells).
    city
        Pools and factors, shape (1, 1) or (draws, 1), or numbers.
    draws
        Number of draws (or of replicates).
    space
        Of factored arrays, if ``people`` holds such.

    Notes
    -----
    Read with ``state["car_km"]``; assign a **new** array to change (``state["car_km"] = state["car_km"] * 0.9``), never
    the array in place. Book money with :meth:`transfer` and :meth:`spend` only, and what use gained or given up is
    worth with :meth:`enjoy`: money stays money, and who pays less for using less has less.

    ``previous_value`` is the value that the acting lever had a year before (its default if none), for costs of
    building; :meth:`path` gives its values of all years since it began, for stocks such as people trained. For a limit
    (:attr:`citylab.policy.levers.base.Lever.is_limit`) ``days_share`` is the part of the year in which it holds, and
    ``way_share`` how much of the way from no limit to it has been gone on these days. ``industry_carbon_cny_t`` is what
    a lever before has industry pay for a tonne of its direct CO2.

    Examples
    --------
    >>> state = State(2030, {"has_car": np.array([[True, False]])}, {"car_km": np.array([[100.0, 0.0]])}, {})
    >>> state["car_km"] = state["car_km"] * np.where(state.cells["has_car"], 0.9, 1.0)
    >>> state.total("car_km").tolist()
    [[90.0]]
    """

    previous_value: float = 0.0
    history: tuple[float, ...] | None = None
    days_share: float = 1.0
    way_share: float = 1.0
    industry_carbon_cny_t: float = 0.0

    def __init__(
        self,
        year: int,
        cells: Mapping[str, Array],
        people: Mapping[str, Array],
        city: Mapping[str, Any],
        *,
        draws: int = 1,
        space: Space | None = None,
    ) -> None:
        self.year = year
        self.cells = cells
        self.draws = draws
        self.size = next(iter(cells.values())).shape[1] if cells else 1
        self._values: dict[str, Any] = {**people}
        self._values.update({name: np.asarray(v, dtype=float).reshape(-1, 1) for name, v in city.items()})
        self.changed: set[str] = set()
        self.space = space
        self._of_cells: dict[str, Array] = {}
        self._city_money: dict[str, Array] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._values or NAMES.get(str(name)) in _FLOWS

    def __getitem__(self, name: str) -> Array:
        if name in self._values:
            return self._values[name]
        if name in _OF_CELLS:
            return self._of_cells[name] if name in self._of_cells else np.zeros((1, self.size))
        if NAMES.get(name) in _FLOWS:
            return self._city_money.get(name, np.zeros((1, 1)))
        raise suggest(name, self._values, what="name of the state", see="datasets/codes/policy_state.csv")

    def __setitem__(self, name: str, value: Array) -> None:
        side = NAMES.get(name)
        if side is None or name not in self._values:
            if side in _FLOWS:
                raise SchemaError(
                    f"{name!r} cannot be assigned. Book money with state.transfer or state.spend, and gains in kind "
                    "with state.enjoy."
                )
            raise suggest(name, self._values, what="name of the state", see="datasets/codes/policy_state.csv")
        value = value if isinstance(value, Factored) else np.asarray(value, dtype=float)
        width = self.size if side == "people" else 1
        if value.ndim != 2 or value.shape[0] not in (1, self.draws) or value.shape[1] != width:
            raise SchemaError(
                f"{name!r} ({side}) got an array of shape {value.shape}; expected ({self.draws} or 1, {width}). "
                "A value of the city has one column: sum people's arrays with state.total."
            )
        self._values[name] = value
        self.changed.add(name)

    def total(self, name: str, share: str | None = None) -> Array:
        """Return a sum over cells.

        Parameters
        ----------
        name
            Any name of the state; a value of the city is returned as it is.
        share
            Name of a share by which the amount is multiplied first, ``state.total("car_km", "ev_share")``.

        Returns
        -------
        numpy.ndarray
            Shape (draws, 1) or (1, 1).
        """
        if NAMES.get(name) != "people" and name not in _OF_CELLS:
            return self[name]
        return self.sum(self[name] if share is None else self[name] * self[share])

    def sum(self, amount: Array) -> Array:
        """Return the sum over cells of an array (draws or 1, cells), shape (draws or 1, 1).

        Under replicate weights it has one value a replicate, which ``amount.sum(axis=1, keepdims=True)`` of an ordinary
        array has not: use this.
        """
        if isinstance(amount, Factored):
            return amount.total()
        return amount.sum(axis=1, keepdims=True) if self.space is None else self.space.weigh(amount)

    def booked(self, name: str) -> Array | None:
        """Return a flow of ``household_cny`` or ``comfort_cny`` by cell, or None if nothing was booked on it."""
        return self._of_cells.get(name)

    def path(self, value: float, years_in_force: float) -> tuple[float, ...]:
        """Return the acting lever's values from its first year to this one; a constant if none were kept."""
        return self.history if self.history is not None else (value,) * (int(years_in_force) + 1)

    def transfer(self, amount: Array, payer: str, payee: str) -> None:
        """Book money that ``payer`` gives to ``payee`` this year.

        Parameters
        ----------
        amount
            CNY of the year; shape (draws or 1, cells) if a side is ``"household"``, else (draws or 1, 1).
            A negative amount flows the other way.
        payer, payee
            Two of :data:`OWNERS`.
        """
        amount = amount if isinstance(amount, Factored) else np.asarray(amount, dtype=float)
        of_cells = "household" in (payer, payee) or amount.shape[-1] > 1
        self._book(payer, -amount, of_cells)
        self._book(payee, amount, of_cells)

    def spend(self, amount: Array, payer: str) -> None:
        """Book goods and labour that are used up beyond the reference, paid by ``payer``; a negative amount is saved.

        Parameters
        ----------
        amount
            CNY of the year; shape (draws or 1, cells) if ``payer`` is ``"household"``, else (draws or 1, 1).
        payer
            One of :data:`OWNERS`.
        """
        amount = amount if isinstance(amount, Factored) else np.asarray(amount, dtype=float)
        of_cells = payer == "household" or amount.shape[-1] > 1
        self._book(payer, -amount, of_cells)
        self._add("resource_cny", self.sum(amount) if of_cells else amount)

    def enjoy(self, amount: Array, owner: str) -> None:
        """Book a gain in kind: what use gained is worth to its user; a negative amount is what use given up was worth.

        Parameters
        ----------
        amount
            CNY of the year, see :func:`citylab.policy.comfort.worth`; shape (draws or 1, cells) if ``owner`` is
            ``"household"``, else (draws or 1, 1).
        owner
            ``"household"`` (``comfort_cny``) or ``"firm"`` (``firm_comfort_cny``).

        Notes
        -----
        No money: it is no part of household + budget + firm + resource = 0. Money and gains in kind together,
        household + budget + firm + comfort + firm comfort, are what society gains.
        """
        if owner not in IN_KIND:
            raise suggest(owner, IN_KIND, what="owner of a gain in kind", see="citylab.policy.state.IN_KIND")
        amount = amount if isinstance(amount, Factored) else np.asarray(amount, dtype=float)
        of_cells = owner == "household" or amount.shape[-1] > 1
        self._put(IN_KIND[owner], amount, of_cells)

    def _book(self, owner: str, amount: Array, of_cells: bool) -> None:
        if owner not in OWNERS:
            raise suggest(owner, OWNERS, what="owner of money", see="citylab.policy.state.OWNERS")
        self._put(f"{owner}_cny", amount, of_cells)

    def _put(self, name: str, amount: Array, of_cells: bool) -> None:
        if amount.ndim != 2 or amount.shape[0] not in (1, self.draws) or amount.shape[1] not in (1, self.size):
            raise SchemaError(
                f"Money of shape {amount.shape} was booked; expected ({self.draws} or 1, {self.size}) for households "
                f"and ({self.draws} or 1, 1) for others."
            )
        if name in _OF_CELLS:
            if amount.shape[1] != self.size:
                raise SchemaError(
                    f"Money of households has one column a cell ({self.size}); got {amount.shape}. Say who gets how "
                    "much, for example amount * state['persons'] / state.total('persons')."
                )
            self._of_cells[name] = self._of_cells[name] + amount if name in self._of_cells else amount
        else:
            self._add(name, self.sum(amount) if of_cells else amount)

    def _add(self, name: str, amount: Array) -> None:
        self._city_money[name] = self._city_money[name] + amount if name in self._city_money else amount


SECTORS = (
    "industry",
    "residential_electricity",
    "residential_heat",
    "services_electricity",
    "services_heat",
    "data_centres",
    "road_passenger",
    "transit",
    "freight",
    "other",
)
"""Sectors of :func:`emissions`; they don't overlap and sum to the city's total."""


def electricity(state: State) -> dict[str, Array]:
    """Return the electricity that each sector takes, kWh/year, before local generation.

    Returns
    -------
    dict
        Sector to array (draws or 1, 1); sectors without electricity are left out.
    """
    home_heat = state.total("heat_gj", "heat_pump_share") * state["heat_pump_kwh_gj"]
    public_heat = state["public_heat_gj"] * state["public_heat_pump_share"] * state["heat_pump_kwh_gj"]
    return {
        "industry": state["industry_electricity_kwh"],
        "residential_electricity": state.total("electricity_kwh"),
        "residential_heat": home_heat,
        "services_electricity": state["services_electricity_kwh"],
        "services_heat": public_heat,
        "data_centres": state["datacentre_it_kwh"] * state["datacentre_pue"],
        "road_passenger": state.total("car_km", "ev_share") * state["ev_kwh_km"],
        "transit": state.total("metro_trips") * state["metro_kwh_trip"],
    }


def fuels(state: State) -> dict[str, Array]:
    """Return the CO2 of fuels and of heat by sector, t/year; shape of each (draws or 1, 1)."""
    kg = 1.0 / KG_PER_TONNE
    home_heat = state.total("heat_gj") - state.total("heat_gj", "heat_pump_share")
    petrol_km = state.total("car_km") - state.total("car_km", "ev_share")
    return {
        "industry": state["industry_co2_t"],
        "residential_heat": home_heat * state["heat_kgco2_gj"] * kg,
        "services_heat": state["public_heat_gj"] * (1 - state["public_heat_pump_share"]) * state["heat_kgco2_gj"] * kg,
        "road_passenger": petrol_km * state["petrol_kgco2_km"] * kg,
        "transit": state.total("bus_trips") * state["bus_kgco2_trip"] * kg,
        "freight": state["freight_co2_t"],
        "other": state["other_co2_t"],
    }


def emissions(
    state: State,
    reference_kwh: Mapping[str, Array] | None = None,
    *,
    kwh: Mapping[str, Array] | None = None,
    burnt: Mapping[str, Array] | None = None,
) -> dict[str, Array]:
    """Return the CO2 of a year by sector: fuels burnt in the city and the electricity and heat it takes, t/year.

    Parameters
    ----------
    state
        After all levers.
    reference_kwh
        :func:`electricity` of the reference in the same draws: kWh beyond or below it count with the marginal factor
        ``margin_kgco2_kwh``. Default: all kWh count with the average factor.
    kwh, burnt
        :func:`electricity` and :func:`fuels` of ``state`` where they are known already.

    Returns
    -------
    dict
        Sector of :data:`SECTORS` to array (draws or 1, 1). Added local generation ``pv_kwh`` displaces the electricity
        of the sectors in proportion, at most all of it; no sector falls below 0.

    Notes
    -----
    Scopes 1 and 2 of the city. A tonne has one place: levers change activities and factors, and tonnes are counted here
    only.
    """
    kwh = electricity(state) if kwh is None else kwh
    burnt = fuels(state) if burnt is None else burnt
    taken = np.asarray(sum(kwh.values()))
    used = np.minimum(state["pv_kwh"], taken)
    kept = 1 - np.divide(used, taken, out=np.zeros(np.broadcast_shapes(used.shape, taken.shape)), where=taken > 0)
    average, margin = state["grid_kgco2_kwh"], state["margin_kgco2_kwh"]
    found: dict[str, Array] = {}
    for sector in SECTORS:
        tonnes = burnt.get(sector, np.zeros((1, 1)))
        if sector in kwh:
            bought = kwh[sector] * kept
            if reference_kwh is None:
                indirect = bought * average
            else:
                base = reference_kwh[sector]
                indirect = np.maximum(base * average + (bought - base) * margin, 0.0)
            tonnes = tonnes + indirect / KG_PER_TONNE
        found[sector] = tonnes
    return found
