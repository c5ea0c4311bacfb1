"""Conversion of units, and of gas concentrations between mixing ratio, mass and reference states.

Every formula works on numbers, NumPy arrays, Polars series and Polars expressions. Factors, molar masses and
reference states stand in the declared tables ``units``, ``gases``, ``reference_states`` and
``physical_constants``.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

from citylab import tables
from citylab.errors import RangeError, UnitError, suggest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

Quantity = TypeVar("Quantity", float, "npt.NDArray[np.float64]", "pl.Expr", "pl.Series")

_PA_PER_HPA = 100.0
_L_PER_M3 = 1000.0
#  Coldest and hottest air ever measured near the ground, and the pressure from the highest summits to the
# deepest high, rounded outward: what lies beyond them was given in another unit.
_PLAUSIBLE = {"temperature_k": (180.0, 335.0), "pressure_hpa": (300.0, 1100.0)}
_OTHER_UNIT = {"temperature_k": "is it in °C? Add 273.15", "pressure_hpa": "is it in Pa or kPa?"}


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of measurement.

    Attributes
    ----------
    symbol
        How citylab writes it.
    dimension
        What it measures; only units of one dimension convert into each other.
    factor
        Exact number of base units in one unit.
    label_zh, label_en
        Its names.
    """

    symbol: str
    dimension: str
    factor: Fraction
    label_zh: str
    label_en: str


def _spelling(unit: str) -> str:
    """Fold the two micro signs, superscripts and minus signs, so that one unit has one spelling."""
    return unicodedata.normalize("NFKC", unit).strip().replace("\N{MINUS SIGN}", "-")


def _index(table: pl.DataFrame) -> dict[str, Unit]:
    found: dict[str, Unit] = {}
    for row in table.iter_rows(named=True):
        one = Unit(row["unit"], row["dimension"], Fraction(str(row["factor"])), row["label_zh"], row["label_en"])
        for name in [row["unit"], *(row["aliases"] or "").split("|")]:
            if name:
                found[_spelling(name)] = one
    return found


@cache
def _declared() -> dict[str, Unit]:
    return _index(tables.read("units"))


def unit(name: str, *, table: pl.DataFrame | None = None) -> Unit:
    """Return a unit by its symbol or one of its other spellings.

    Parameters
    ----------
    name
        Symbol or alias; upper and lower case differ (``Mt`` is not ``mt``).
    table
        Units to use in place of the declared table ``units``, with its columns.

    Raises
    ------
    UnknownNameError
        No such unit; near ones are offered.

    Examples
    --------
    >>> unit("persons").symbol, unit("万吨").factor
    ('person', Fraction(10000000, 1))
    """
    known = _declared() if table is None else _index(table)
    try:
        return known[_spelling(name)]
    except KeyError:
        raise suggest(name, known, what="unit", see="the table datasets/codes/units.csv") from None


def factor(source: str, target: str, *, table: pl.DataFrame | None = None) -> float:
    """Return how many ``target`` units make one ``source`` unit.

    The quotient is formed exactly and rounded once.

    Raises
    ------
    UnknownNameError
        One of the units is unknown.
    UnitError
        The units measure different things.

    Examples
    --------
    >>> factor("万吨标准煤", "TJ")
    293.076
    >>> factor("t", "kWh")
    Traceback (most recent call last):
        ...
    citylab.errors.UnitError: 't' measures mass, 'kWh' measures energy: no factor joins them. Use ...
    """
    one, other = unit(source, table=table), unit(target, table=table)
    if one.dimension != other.dimension:
        raise UnitError(
            f"{source!r} measures {one.dimension}, {target!r} measures {other.dimension}: no factor joins them. "
            f"Use a unit of {one.dimension}, or the declared factor (emission factor, heat value, density) that "
            "links the two quantities."
        )
    return float(one.factor / other.factor)


def convert(value: Quantity, source: str, target: str, *, table: pl.DataFrame | None = None) -> Quantity:
    """Return a value in another unit of the same dimension.

    Parameters
    ----------
    value
        Number, array, series or expression [``source``].
    source, target
        Symbols or aliases of units (declared table ``units``). A tonne of coal equivalent is 29.3076 GJ, and
        a kilowatt-hour its heat value (3.6 MJ): the 等价值 of Chinese statistics, the coal burnt to make the
        electricity, is a factor of a year and not a unit.
    table
        Units to use in place of the declared table, with its columns.

    Returns
    -------
    same type as ``value``
        The value [``target``]. The rename of a column, whose name carries the unit, is yours.

    Raises
    ------
    UnknownNameError
        One of the units is unknown.
    UnitError
        The units measure different things.

    Examples
    --------
    >>> convert(6831.2, "万吨标准煤", "TWh")
    556.12799...
    >>> import polars as pl
    >>> frame = pl.DataFrame({"gdp_100m_cny": [49843.1]})
    >>> frame.select(gdp_cny=convert(pl.col("gdp_100m_cny"), "亿元", "CNY")).item()
    4984310000000.0

    References
    ----------
    BIPM, The International System of Units, 9th edition; GB/T 2589-2020 for coal equivalents.
    """
    return value * factor(source, target, table=table)


@dataclass(frozen=True, slots=True)
class ReferenceState:
    """Temperature and pressure to which a concentration of a gas refers.

    Attributes
    ----------
    name
        Key of the declared table ``reference_states``.
    temperature_k, pressure_hpa
        The state [K], [hPa].
    label_zh, label_en
        Names for people.
    """

    name: str
    temperature_k: float
    pressure_hpa: float
    label_zh: str
    label_en: str


def _states(table: pl.DataFrame | None) -> pl.DataFrame:
    return tables.read("reference_states") if table is None else table


def _as_state(row: dict[str, Any]) -> ReferenceState:
    return ReferenceState(row["state"], row["temperature_k"], row["pressure_hpa"], row["label_zh"], row["label_en"])


def named_reference_state(name: str | ReferenceState, *, table: pl.DataFrame | None = None) -> ReferenceState:
    """Return a declared reference state.

    Parameters
    ----------
    name
        ``"CN-2012"`` (273.15 K), ``"CN-2018"`` and ``"CN-2026"`` (298.15 K), ``"EU"`` (293.15 K) or ``"US"``
        (298.15 K); a state is returned as it is.
    table
        States to use in place of the declared table ``reference_states``.

    Raises
    ------
    UnknownNameError
        No such state.

    Examples
    --------
    >>> named_reference_state("EU").temperature_k
    293.15
    """
    if isinstance(name, ReferenceState):
        return name
    rows = {row["state"]: row for row in _states(table).iter_rows(named=True)}
    if name not in rows:
        raise suggest(name, rows, what="reference state", see="the table datasets/codes/reference_states.csv")
    return _as_state(rows[name])


def reference_state(when: date | str, *, table: pl.DataFrame | None = None) -> ReferenceState:
    """Return the state to which China's published gas concentrations refer on a day.

    Parameters
    ----------
    when
        Day of the measurement, as a date or as text (``"2018-09-01"``).
    table
        States to use in place of the declared table ``reference_states``.

    Returns
    -------
    ReferenceState
        273.15 K to 2018-08-31 and 298.15 K from 2018-09-01, both at 1013.25 hPa. GB 3095-2012 prints 273 K;
        citylab takes 0 °C, a difference of 0.05 %.

    Examples
    --------
    >>> [reference_state(d).name for d in ("2018-08-31", "2018-09-01", "2026-03-01")]
    ['CN-2012', 'CN-2018', 'CN-2026']

    References
    ----------
    GB 3095-2012 clause 3.14 and its amendment sheet of 2018; GB 3095-2026 clause 3.14.
    """
    day = date.fromisoformat(when) if isinstance(when, str) else when
    day = date(day.year, day.month, day.day)
    for row in _states(table).iter_rows(named=True):
        if row["region"] == "CN" and (row["valid_from"] or day) <= day <= (row["valid_to"] or day):
            return _as_state(row)
    raise RangeError(
        f"No reference state of China is declared for {day}. Name one, or extend the table reference_states."
    )


def _check_series(values: pl.Series, *, what: str) -> pl.Series:
    low, high = values.min(), values.max()
    _check_bounds(low, high, what=what)
    return values


def _check_bounds(low: Any, high: Any, *, what: str) -> None:
    allowed_low, allowed_high = _PLAUSIBLE[what]
    for value in (low, high):
        if value is not None and not allowed_low <= value <= allowed_high:
            raise RangeError(
                f"{what} is {value}; air near the ground lies between {allowed_low} and {allowed_high} "
                f"({_OTHER_UNIT[what]})."
            )


def _checked(value: Any, *, what: str) -> Any:
    """Return the value if it can be air near the ground; an expression is checked when it is collected."""
    import numpy as np
    import polars as pl

    if isinstance(value, pl.Expr):
        return value.cast(pl.Float64).map_batches(
            partial(_check_series, what=what), return_dtype=pl.Float64, is_elementwise=True
        )
    if isinstance(value, pl.Series):
        return _check_series(value, what=what)
    if np.size(value):
        _check_bounds(np.nanmin(value), np.nanmax(value), what=what)
    return value


def molar_volume_l(temperature_k: Quantity, pressure_hpa: Quantity) -> Quantity:
    """Return the volume of one mole of an ideal gas.

    Parameters
    ----------
    temperature_k
        Air temperature [K].
    pressure_hpa
        Air pressure [hPa].

    Returns
    -------
    same type
        Molar volume [L/mol].

    Raises
    ------
    RangeError
        Temperature or pressure cannot be air near the ground; of an expression this is seen when it is
        collected.

    Notes
    -----
    :math:`V_m = R T / P`. For the trace gases of the air at ambient conditions the ideal gas is off by less
    than 0.1 %.

    Examples
    --------
    >>> round(molar_volume_l(298.15, 1013.25), 3)
    24.465
    """
    constants = dict(tables.read("physical_constants").select("constant", "value").iter_rows())
    temperature: Quantity = _checked(temperature_k, what="temperature_k")
    pressure: Quantity = _checked(pressure_hpa, what="pressure_hpa")
    return constants["molar_gas_constant"] * _L_PER_M3 * temperature / (pressure * _PA_PER_HPA)


def _molar_mass(gas: str, table: pl.DataFrame | None) -> float:
    rows = tables.read("gases") if table is None else table
    masses = dict(rows.select("gas", "molar_mass_g_mol").iter_rows())
    key = _spelling(gas).upper()
    if key not in masses:
        raise suggest(gas, masses, what="gas", see="the table datasets/codes/gases.csv")
    return float(masses[key])


def _ugm3_per_ppb(gas: str, temperature_k: Any, pressure_hpa: Any, table: pl.DataFrame | None) -> Any:
    if isinstance(temperature_k, str | ReferenceState):
        state = named_reference_state(temperature_k)
        if pressure_hpa is not None:
            raise UnitError(
                f"The reference state {state.name!r} fixes the pressure at {state.pressure_hpa} hPa, and pressure_hpa="
                f"{pressure_hpa!r} was given too. Give the state alone, or temperature and pressure as numbers."
            )
        temperature_k, pressure_hpa = state.temperature_k, state.pressure_hpa
    elif pressure_hpa is None:
        pressure_hpa = named_reference_state("CN-2018").pressure_hpa
    return _molar_mass(gas, table) / molar_volume_l(temperature_k, pressure_hpa)


def ppb_to_ugm3(
    value: Quantity,
    gas: str,
    *,
    temperature_k: Any,
    pressure_hpa: Any = None,
    table: pl.DataFrame | None = None,
) -> Quantity:
    """Return the mass concentration of a gas from its mixing ratio.

    The same ppb is a different µg/m³ at every temperature: 1 ppb of ozone is 2.14 µg/m³ at 273.15 K, 2.00 at
    293.15 K and 1.96 at 298.15 K. Networks differ (China before and after 2018-09, the European Union, the
    United States), so there is no default: the state has to be said.

    Parameters
    ----------
    value
        Mixing ratio [ppb].
    gas
        ``"O3"``, ``"NO2"``, ``"NO"``, ``"SO2"`` or ``"CO"``. NOx is by convention reported as NO2.
    temperature_k
        Temperature of the state [K], or the name of a declared one: ``"CN-2012"``, ``"CN-2018"``,
        ``"CN-2026"``, ``"EU"``, ``"US"``. For China on a given day use :func:`reference_state`.
    pressure_hpa
        Pressure of the state [hPa]; 1013.25 unless given. A named state brings its own.
    table
        Molar masses to use in place of the declared table ``gases``.

    Returns
    -------
    same type as ``value``
        Mass concentration [µg/m³]. CO is published in mg/m³: :func:`convert` it.

    Raises
    ------
    UnknownNameError
        Unknown gas or state.
    UnitError
        Both a named state and a pressure were given.
    RangeError
        Temperature or pressure cannot be air near the ground.

    Notes
    -----
    :math:`c = x M / V_m` with :math:`V_m = R T / P` (ideal gas).

    Examples
    --------
    >>> [round(ppb_to_ugm3(1.0, "O3", temperature_k=state), 4) for state in ("CN-2012", "EU", "CN-2018")]
    [2.1414, 1.9953, 1.9619]

    References
    ----------
    GB 3095-2026 clause 3.14; Directive 2008/50/EC annex VI; 40 CFR 50.3.
    """
    return value * _ugm3_per_ppb(gas, temperature_k, pressure_hpa, table)


def ugm3_to_ppb(
    value: Quantity,
    gas: str,
    *,
    temperature_k: Any,
    pressure_hpa: Any = None,
    table: pl.DataFrame | None = None,
) -> Quantity:
    """Return the mixing ratio of a gas [ppb] from its mass concentration [µg/m³].

    The inverse of :func:`ppb_to_ugm3`, with its parameters and errors; the reference state has to be said
    for the same reason.

    Examples
    --------
    >>> round(ugm3_to_ppb(160.0, "O3", temperature_k="CN-2018"), 1)
    81.6
    """
    return value / _ugm3_per_ppb(gas, temperature_k, pressure_hpa, table)


def homogenise_gas(
    value: Quantity, from_reference: str | ReferenceState, to_reference: str | ReferenceState
) -> Quantity:
    """Return a gas concentration at another reference state.

    China's gas data drop by 8.4 % on 2018-09-01 because the reference temperature rose from 273.15 to 298.15
    K. Bring a series that spans that day to one state before reading a trend from it. The factor is the same
    for every gas.

    Particles must not be passed: PM10 and PM2.5 went from the standard state to actual temperature and
    pressure on the same day, and only the weather of each hour could bring them together.

    Parameters
    ----------
    value
        Mass concentration of a gas [µg/m³ or mg/m³] at ``from_reference``.
    from_reference, to_reference
        Reference states, or their names.

    Returns
    -------
    same type as ``value``
        Mass concentration at ``to_reference``, in the unit of ``value``.

    Raises
    ------
    UnknownNameError
        No such state.

    Notes
    -----
    :math:`c_2 = c_1 (T_1 / T_2) (P_2 / P_1)`: the mixing ratio stays.

    Examples
    --------
    >>> round(homogenise_gas(100.0, "CN-2012", "CN-2018"), 3)
    91.615

    References
    ----------
    GB 3095-2012, amendment sheet of 2018, clause 3.14.
    """
    old, new = named_reference_state(from_reference), named_reference_state(to_reference)
    return value * ((old.temperature_k / new.temperature_k) * (new.pressure_hpa / old.pressure_hpa))
