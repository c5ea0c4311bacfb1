"""What a credit is worth, and whether published totals can be made of trips at a methodology's factors.

Both are arithmetic on declared figures, shown so that nobody has to take a total, or an incentive, on trust.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from citylab import tables
from citylab.carbon.inclusive.methodologies import Methodology
from citylab.carbon.inclusive.methodologies import methodology as named
from citylab.errors import RangeError, SchemaError, UnknownNameError, suggest
from citylab.frames import Frame, lazily, need_columns

_KG_PER_T = 1000


def _positive(value: float, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        raise RangeError(f"{what} is {value!r}; expected a number above 0.")
    return float(value)


def prices(*, table: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return the declared prices of a tonne: ``price_id``, labels, ``price_cny_t``, ``date``, ``source``, ``mark``.

    They are prices of emission markets. No price of carbon-inclusive credits was found.
    """
    return tables.read("inclusive_prices") if table is None else table


def value(frame: Frame, *, price_cny_t: float, credit: str = "credit_co2_kg") -> Frame:
    """Add what credits are worth at a price.

    Parameters
    ----------
    frame
        Rows with a column of credits.
    price_cny_t
        Price of a tonne [CNY/t].
    credit
        Column of the credits [kg CO2].

    Returns
    -------
    polars.DataFrame or polars.LazyFrame
        With ``value_cny``.

    Raises
    ------
    RangeError
        The price is negative or no number.
    SchemaError
        The column is missing.

    Examples
    --------
    A metro trip of 6.5 km earns 0.468 kg, at 100 CNY a tonne less than five fen:

    >>> value(pl.DataFrame({"credit_co2_kg": [0.468]}), price_cny_t=100)["value_cny"].item()
    0.0468
    """
    if isinstance(price_cny_t, bool) or not math.isfinite(price_cny_t) or price_cny_t < 0:
        raise RangeError(f"The price is {price_cny_t!r} CNY/t; expected 0 or more.")
    lf, back = lazily(frame)
    need_columns(lf, {credit: "credit of each row, kg CO2"}, what="value")
    return back(lf.with_columns(value_cny=pl.col(credit) * price_cny_t / _KG_PER_T))


def breakeven_price_cny_t(incentive_cny: float, reduction_co2_kg: float) -> float:
    """Return the price of a tonne at which a trip's credit pays for its incentive.

    Parameters
    ----------
    incentive_cny
        What is paid for the trip [CNY].
    reduction_co2_kg
        What the trip is credited [kg CO2].

    Examples
    --------
    Half a yuan for a metro trip of 6.5 km buys carbon at more than ten times the price of Beijing's market:

    >>> round(breakeven_price_cny_t(0.5, 0.468))
    1068
    """
    return _positive(incentive_cny, "The incentive") / _positive(reduction_co2_kg, "The reduction") * _KG_PER_T


def per_trip_co2_kg(total_t: float, trips: float) -> float:
    """Return the mean credit of a trip behind a total [kg CO2].

    Examples
    --------
    >>> round(per_trip_co2_kg(400_000, 325_000_000), 2)
    1.23
    """
    return _positive(total_t, "The total") * _KG_PER_T / _positive(trips, "The number of trips")


def expected_co2_kg(
    shares: Mapping[str, float], distances_km: Mapping[str, float], *, methodology: str | Path | Methodology
) -> pl.DataFrame:
    """Return what a mean trip earns at a methodology's factors, mode by mode.

    Parameters
    ----------
    shares
        Share of each act among the trips; they are scaled to add up to 1.
    distances_km
        Mean distance of each act [km].
    methodology
        Id, file or :class:`~.methodologies.Methodology` whose acts are measured by distance.

    Returns
    -------
    polars.DataFrame
        One row per act: ``act``, ``trip_share``, ``distance_km``, ``reduction_co2_kg_km``, ``reduction_co2_kg`` (of a
        trip of the act), ``contribution_co2_kg`` (to the mean trip), ``mark``. Contributions add up to the mean.

    Raises
    ------
    UnknownNameError
        An act that the methodology does not have.
    RangeError
        Negative shares or distances, or none above 0.
    SchemaError
        An act without a distance, or without a known factor.
    """
    m = named(methodology)
    whole = math.fsum(shares.values())
    if any(not math.isfinite(s) or s < 0 for s in shares.values()) or whole <= 0:
        raise RangeError(f"Shares are {dict(shares)}; expected numbers of 0 or more, one of them above 0.")
    rows = []
    for act, share in shares.items():
        if act not in m.acts:
            raise suggest(act, m.acts, what=f"act of {m.id}", see=f"methodology({m.id!r}).acts")
        if act not in distances_km:
            raise SchemaError(f"No distance is given for {act!r}. Give one in km for each act.")
        one = m.acts[act]
        if one.baseline.factor is None or one.project.factor is None:
            raise SchemaError(f"The factors of {act!r} in {m.id} are not known. Leave the act out.")
        km = _positive(distances_km[act], f"The distance of {act!r}")
        each = (one.baseline.factor - one.project.factor) * (1 - m.leakage_share) * (1 - m.discount.share)
        rows.append((act, share / whole, km, each, each * km, share / whole * each * km, m.mark))
    numbers = ("trip_share", "distance_km", "reduction_co2_kg_km", "reduction_co2_kg", "contribution_co2_kg")
    names = ("act", *numbers, "mark")
    return pl.DataFrame(rows, schema=names, orient="row")


def explanations(
    total_t: float, trips: float, mean_co2_kg: float, *, methodology: str | Path | Methodology, metro: str = "metro",
    replaced: str = "car",
) -> pl.DataFrame:  # fmt: skip
    """Return what would have to be true for a published total to be made of a number of trips, each reason by itself.

    Parameters
    ----------
    total_t, trips
        Published tonnes and trips.
    mean_co2_kg
        What a mean trip earns at the methodology's factors, as :func:`expected_co2_kg` adds up [kg CO2].
    methodology
        As in :func:`expected_co2_kg`.
    metro, replaced
        Act and replaced mode of the explanations that name one.

    Returns
    -------
    polars.DataFrame
        One row per explanation: ``code``, ``label_zh``, ``label_en``, ``needed``, ``unit``, ``means_zh``, ``means_en``.
        ``needed`` is null where the explanation cannot do it. They are possibilities, not findings.

    Raises
    ------
    RangeError
        A number that is not above 0.
    UnknownNameError
        The methodology lacks the act or the replaced mode.
    """
    m = named(methodology)
    each, mean = per_trip_co2_kg(total_t, trips), _positive(mean_co2_kg, "The mean credit")
    if metro not in m.acts or replaced not in m.alternatives:
        raise UnknownNameError(f"{m.id} has no act {metro!r} or no replaced mode {replaced!r}.")
    act, other = m.acts[metro], m.alternatives[replaced]
    if act.baseline.factor is None or act.project.factor is None or other.factor is None:
        raise SchemaError(f"The factors of {metro!r} or {replaced!r} in {m.id} are not known.")
    needed: dict[str, float | None] = {
        "longer_trips": each / mean,
        "all_metro": each / (act.baseline.factor - act.project.factor),
        "car_baseline": each / (other.factor - act.project.factor),
        "more_trips": total_t * _KG_PER_T / mean,
        "other_acts": 1 - mean / each if each > mean else None,
    }
    rows = tables.read("inclusive_explanations").sort("rank")
    return rows.select(
        "code", "label_zh", "label_en", pl.col("code").replace_strict(needed, return_dtype=pl.Float64).alias("needed"),
        "unit", "means_zh", "means_en",
    )  # fmt: skip
