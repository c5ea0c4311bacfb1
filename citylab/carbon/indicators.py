"""Carbon per GDP, per head and per energy, paths to targets and the distance to them, and one claim recomputed.

GDP at current prices grows with inflation, so an intensity carries beside it what its GDP is in: ``current``, or
``constant-<base year>`` when a deflator was given. Targets and the inputs of the claim stand in the declared tables
``carbon_targets`` and ``carbon_subcentre``, each with its source and a mark how sure it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise, product
from typing import Literal, get_args

import polars as pl

from citylab import tables
from citylab.errors import DataError, RangeError, SchemaError, suggest
from citylab.frames import Frame, lazily, need_columns, need_numbers

Shape = Literal["linear", "exponential"]
Direction = Literal["at_most", "at_least"]

CURRENT = "current"
PER_CNY = 1e4
"""Intensities are per 10,000 CNY (万元), as China states them."""

MARKS = ("verified", "secondary", "from memory")
"""From the surest to the least sure; what is computed is as sure as its least sure input."""

_KWH_PER_GWH = 1e6
_KG_PER_T = 1e3
_KW_PER_MW = 1e3
_M2_PER_KM2 = 1e6


# Intensities ----------------------------------------------------------------------------------------------------------


def intensity(
    frame: Frame,
    *,
    co2: str = "co2_t",
    gdp: str = "gdp_cny",
    deflator: str | None = None,
    base_year: int | None = None,
    period: str = "year",
) -> Frame:
    """Return CO2 per GDP, at constant prices where a deflator is given and labelled as at current prices where not.

    Parameters
    ----------
    frame
        One row per year of one place.
    co2, gdp
        Columns [t], [CNY at current prices].
    deflator
        Column with a price index of GDP, on any base; with it ``base_year`` is needed.
    base_year
        Year in whose prices GDP is put.
    period
        Column of the year.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        The frame with ``co2_per_gdp_t_10kcny`` [t per 10,000 CNY] and ``prices``. Null where GDP is 0 or missing.

    Raises
    ------
    SchemaError
        A column is missing or holds no numbers, or only one of ``deflator`` and ``base_year`` is given.
    DataError
        On collecting: the base year is not in the frame once, or the index is not above 0.

    Examples
    --------
    >>> city = pl.DataFrame({"year": [2010, 2020], "co2_t": [100.0, 90.0], "gdp_cny": [1e6, 2e6], "index": [100, 125]})
    >>> intensity(city).select("co2_per_gdp_t_10kcny", "prices").rows()
    [(1.0, 'current'), (0.45, 'current')]
    >>> intensity(city, deflator="index", base_year=2010).select("co2_per_gdp_t_10kcny", "prices").rows()
    [(1.0, 'constant-2010'), (0.5625, 'constant-2010')]
    """
    return _per_gdp(frame, co2, gdp, deflator, base_year, period, "co2_per_gdp_t_10kcny", "intensity")


def energy_per_gdp(
    frame: Frame,
    *,
    energy: str = "energy_tce",
    gdp: str = "gdp_cny",
    deflator: str | None = None,
    base_year: int | None = None,
    period: str = "year",
) -> Frame:
    """Return energy per GDP (万元GDP能耗), with the prices that its GDP is in.

    Parameters
    ----------
    frame, gdp, deflator, base_year, period
        As in :func:`intensity`.
    energy
        Column [t of coal equivalent].

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        The frame with ``energy_per_gdp_tce_10kcny`` [tce per 10,000 CNY] and ``prices``.

    Raises
    ------
    SchemaError, DataError
        As :func:`intensity`.

    Examples
    --------
    >>> city = pl.DataFrame({"year": [2020], "energy_tce": [21.0], "gdp_cny": [1e6]})
    >>> energy_per_gdp(city).select("energy_per_gdp_tce_10kcny", "prices").rows()
    [(0.21, 'current')]
    """
    return _per_gdp(frame, energy, gdp, deflator, base_year, period, "energy_per_gdp_tce_10kcny", "energy_per_gdp")


def _per_gdp(
    frame: Frame, top: str, gdp: str, deflator: str | None, base_year: int | None, period: str, name: str, what: str
) -> Frame:
    lf, back = lazily(frame)
    if (deflator is None) != (base_year is None):
        raise SchemaError(f"{what}: constant prices need both deflator= (an index) and base_year=; only one was given.")
    schema = need_columns(lf, [top, gdp, *([deflator, period] if deflator else [])], what=what)
    need_numbers(schema, [top, gdp, *([deflator] if deflator else [])], what=what)
    real, prices = pl.col(gdp).cast(pl.Float64), CURRENT
    if deflator is not None:
        index, prices = pl.col(deflator).cast(pl.Float64), f"constant-{base_year}"

        def at_base(packed: pl.Series) -> pl.Series:
            rows = packed.struct.unnest()
            base = rows.filter(pl.col("t") == base_year)["i"]
            if base.len() != 1 or base.has_nulls() or (rows["i"] <= 0).any():
                raise DataError(
                    f"{what}: base_year={base_year} stands in {base.len()} rows, and the index is from "
                    f"{rows['i'].min()!r} to {rows['i'].max()!r}. One row of one place with an index above 0 is needed."
                )
            return base.item() / rows["i"]

        packed = pl.struct(pl.col(period).alias("t"), index.alias("i"))
        real = real * packed.map_batches(at_base, return_dtype=pl.Float64())
    value = pl.when(pl.col(gdp) > 0).then(pl.col(top) / (real / PER_CNY))
    return back(lf.with_columns(value.alias(name), pl.lit(prices).alias("prices")))


def per_head(frame: Frame, *, co2: str = "co2_t", population: str = "population_persons") -> Frame:
    """Return CO2 per resident, ``co2_per_capita_t``; null where nobody is counted.

    The count of people is that of the year's end or of its middle as the source has it; residents (常住人口), not the
    registered population, which differs by a tenth in Beijing.

    Raises
    ------
    SchemaError
        A column is missing or holds no numbers.

    Examples
    --------
    >>> city = pl.DataFrame({"co2_t": [88.2e6], "population_persons": [21_893_095]})
    >>> per_head(city)["co2_per_capita_t"].round(2).item()
    4.03
    """
    lf, back = lazily(frame)
    need_numbers(need_columns(lf, [co2, population], what="per_head"), [co2, population], what="per_head")
    value = pl.when(pl.col(population) > 0).then(pl.col(co2) / pl.col(population))
    return back(lf.with_columns(value.alias("co2_per_capita_t")))


def non_fossil_share(frame: Frame, *, non_fossil: str, energy: str) -> Frame:
    """Return the part of energy that is not fossil, ``non_fossil_share``.

    Both columns are in one unit and by one convention: electricity counted by its heat or by the coal that it
    replaces gives shares that differ by a factor of more than two for wind, water and sun.

    Raises
    ------
    SchemaError
        A column is missing or holds no numbers.
    DataError
        On collecting: a share below 0 or above 1.

    Examples
    --------
    >>> city = pl.DataFrame({"renewable_tce": [12.0], "energy_tce": [100.0]})
    >>> non_fossil_share(city, non_fossil="renewable_tce", energy="energy_tce")["non_fossil_share"].item()
    0.12
    """
    lf, back = lazily(frame)
    need_numbers(need_columns(lf, [non_fossil, energy], what="non_fossil_share"), [non_fossil, energy],
                 what="non_fossil_share")  # fmt: skip

    def look(share: pl.Series) -> pl.Series:
        if not share.drop_nulls().is_between(0, 1).all():
            raise DataError(
                f"non_fossil_share found a share from {share.min()!r} to {share.max()!r}: {non_fossil!r} and "
                f"{energy!r} are in different units, or not a part and its whole."
            )
        return share

    value = pl.when(pl.col(energy) > 0).then(pl.col(non_fossil) / pl.col(energy)).cast(pl.Float64)
    return back(lf.with_columns(value.map_batches(look, return_dtype=pl.Float64()).alias("non_fossil_share")))


# Targets --------------------------------------------------------------------------------------------------------------


def targets(adcode: str, *, indicator: str | None = None, table: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return the declared targets of a place, each with document, date and mark.

    Parameters
    ----------
    adcode
        ``"100000"`` for China, ``"110000"`` for Beijing.
    indicator
        Only those of one indicator.
    table
        Targets to use in place of the declared table ``carbon_targets``.

    Raises
    ------
    UnknownNameError
        No target of such a place or indicator is declared.

    Examples
    --------
    >>> targets("110000", indicator="energy_per_gdp").select("base_year", "target_year", "value").rows()
    [(2020, 2025, -0.14)]
    """
    declared = tables.read("carbon_targets") if table is None else table
    rows = declared.filter(pl.col("adcode").cast(pl.String) == adcode)
    if rows.is_empty():
        raise suggest(adcode, declared["adcode"].unique(), what="place with targets", see="the table carbon_targets")
    if indicator is None:
        return rows
    found = rows.filter(indicator=indicator)
    if found.is_empty():
        raise suggest(indicator, rows["indicator"].unique(), what=f"indicator with a target of {adcode}",
                      see="the table carbon_targets")  # fmt: skip
    return found


def pathway(base_year: int, base: float, goals: Mapping[int, float], *, shape: Shape = "linear") -> pl.DataFrame:
    """Return a path from a base year through the goals, one value a year.

    Parameters
    ----------
    base_year, base
        Year and value that the path starts from.
    goals
        Values by year, all after the base year.
    shape
        ``"linear"``: equal steps; ``"exponential"``: equal rates, for which nothing may be 0 (net zero has no rate).

    Returns
    -------
    polars.DataFrame
        One row per year: ``year``, ``path``, ``is_goal``.

    Raises
    ------
    RangeError
        A goal is not after the base year, there is none, or an exponential path would touch 0.

    Examples
    --------
    >>> pathway(2020, 100.0, {2022: 81.0}, shape="exponential")["path"].round(9).to_list()
    [100.0, 90.0, 81.0]
    """
    if shape not in get_args(Shape):
        raise suggest(str(shape), get_args(Shape), what="shape", see="citylab.carbon.indicators.pathway")
    knots = [(base_year, float(base)), *sorted((int(y), float(v)) for y, v in goals.items())]
    if not goals or knots[1][0] <= base_year:
        raise RangeError(f"pathway needs goals after its base year {base_year}; it was given {dict(goals)}.")
    if shape == "exponential" and min(v for _, v in knots) <= 0:
        raise RangeError("An exponential path never reaches 0 or less: use shape='linear' for net zero.")
    rows = [(base_year, float(base), False)]
    for (y0, v0), (y1, v1) in pairwise(knots):
        for year in range(y0 + 1, y1 + 1):
            w = (year - y0) / (y1 - y0)
            value = v1 if year == y1 else v0 + (v1 - v0) * w if shape == "linear" else v0 * (v1 / v0) ** w
            rows.append((year, value, year == y1))
    return pl.DataFrame(rows, schema={"year": pl.Int64, "path": pl.Float64, "is_goal": pl.Boolean}, orient="row")


def distance(
    frame: Frame,
    value: str,
    path: pl.DataFrame,
    *,
    direction: Direction = "at_most",
    period: str = "year",
) -> Frame:
    """Return how far observed values are from a path, and what must happen each year to reach its end.

    Parameters
    ----------
    frame
        One row per year of one place.
    value
        Column of the observed values, in the unit of the path.
    path
        What :func:`pathway` gives.
    direction
        ``"at_most"``: the goal is a ceiling (emissions); ``"at_least"``: a floor (non-fossil share).
    period
        Column of the year.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        The years of the frame that lie on the path, sorted: ``year``, ``value``, ``path``, ``gap`` (value less path),
        ``gap_pct``, ``is_on_path`` and ``needed_change_pct``: the change a year, at an equal rate, from this value to
        the last goal (null in its own year, or if the goal is 0).

    Raises
    ------
    SchemaError
        A column is missing or holds no numbers.

    Examples
    --------
    >>> seen = pl.DataFrame({"year": [2021], "tce_per_10kcny": [0.205]})
    >>> path = pathway(2020, 0.21, {2025: 0.21 * 0.86})
    >>> distance(seen, "tce_per_10kcny", path).select("gap_pct", "is_on_path").rows()
    [(0.4311..., False)]
    """
    lf, back = lazily(frame)
    if direction not in get_args(Direction):
        raise suggest(str(direction), get_args(Direction), what="direction", see="citylab.carbon.indicators.distance")
    need_numbers(need_columns(lf, [period, value], what="distance"), [period, value], what="distance")
    end_year, end = path.select(pl.col("year", "path").last()).row(0)
    seen, gap = pl.col("value"), pl.col("value") - pl.col("path")
    left = pl.lit(end_year) - pl.col("year")
    reachable = (left > 0) & (seen > 0) & pl.lit(end > 0)
    told = (
        lf.select(pl.col(period).cast(pl.Int64).alias("year"), pl.col(value).cast(pl.Float64).alias("value"))
        .join(path.lazy().select("year", "path"), on="year")
        .sort("year")
        .with_columns(
            gap.alias("gap"),
            pl.when(pl.col("path") != 0).then(gap / pl.col("path") * 100).alias("gap_pct"),
            (gap <= 0 if direction == "at_most" else gap >= 0).alias("is_on_path"),
            pl.when(reachable).then(((end / seen) ** (1 / left) - 1) * 100).alias("needed_change_pct"),
        )
    )
    return back(told)


# The claim of the sub-centre ------------------------------------------------------------------------------------------


def subcentre_claim(*, table: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return what it would take to save 500,000 t of CO2 a year in the sub-centre, in the three readings of the claim.

    The text names building photovoltaics beside an energy optimiser and gives one figure. It may mean photovoltaics
    alone, both together, or the optimiser alone. Each is worked back from the claimed tonnes; every figure is given
    for the declared middle of its inputs and for the least and the most that their ranges allow together.

    Parameters
    ----------
    table
        Inputs to use in place of the declared table ``carbon_subcentre``, with columns ``input``, ``value``, ``low``,
        ``high``, ``unit``, ``mark``, ``source``.

    Returns
    -------
    polars.DataFrame
        One row per reading (``inputs``, ``pv_alone``, ``pv_and_optimiser``, ``optimiser_alone``) and quantity:
        ``reading``, ``quantity``, ``value``, ``low``, ``high``, ``unit``, ``mark`` (that of the least sure input),
        ``basis``. In ``pv_and_optimiser`` the optimiser saves its usual share first and photovoltaics the rest (0 if
        nothing is left); a saving of more than the buildings emit is shown as a share above 1.

    Raises
    ------
    SchemaError
        The table lacks a column.
    UnknownNameError
        The table lacks an input.

    Notes
    -----
    The average grid factor is used. A marginal factor, shading, roofs fit for modules and losses are not considered:
    the areas are those of modules, as a lower bound of roofs.

    Examples
    --------
    >>> alone = subcentre_claim().filter(reading="pv_alone", quantity="pv_capacity")
    >>> alone.select(pl.col("low", "high").round(0), "unit", "mark").row(0)
    (527.0, 779.0, 'MW', 'from memory')
    """
    rows = tables.read("carbon_subcentre") if table is None else table
    need_columns(rows.lazy(), ["input", "value", "low", "high", "unit", "mark", "source"], what="subcentre_claim")
    known = {r["input"]: r for r in rows.iter_rows(named=True)}
    told: list[tuple[str, str, float, float, float, str, str, str]] = [
        ("inputs", n, float(r["value"]), float(r["low"]), float(r["high"]), r["unit"], r["mark"], r["source"])
        for n, r in known.items()
    ]

    def add(reading: str, quantity: str, unit: str, basis: str, formula: str, *names: str) -> None:
        for n in names:
            if n not in known:
                raise suggest(n, known, what="input of the claim", see="the table carbon_subcentre")
        of = _FORMULAS[formula]
        corners = [of(*c) for c in product(*((float(known[n]["low"]), float(known[n]["high"])) for n in names))]
        middle = of(*(float(known[n]["value"]) for n in names))
        mark = max((known[n]["mark"] for n in names), key=MARKS.index)
        told.append((reading, quantity, middle, min(corners), max(corners), unit, mark, basis))

    claim, grid, pv = "claimed_saving", "grid_factor", ("pv_yield",)
    stock = ("city_building_co2", "subcentre_share_of_buildings")
    solar = ("claimed_saving", "grid_factor")
    add("pv_alone", "electricity", "GWh", "saving / grid factor", "energy", claim, grid)
    add("pv_alone", "pv_capacity", "MW", "electricity / yield", "capacity", *solar, *pv)
    add("pv_alone", "module_area", "km²", "capacity x area", "area", *solar, *pv, "pv_area")
    add("pv_alone", "share_of_subcentre_area", "1", "module area / area", "area_share", *solar, *pv, "pv_area",
        "subcentre_area")  # fmt: skip
    add("pv_alone", "times_city_pv_2021", "1", "capacity / capacity of the city", "city", *solar, *pv, "city_pv_2021")
    add("pv_alone", "showcase_towers", "1", "saving / saving of a tower", "ratio", claim, "showcase_tower_saving")
    both = (claim, *stock, "optimiser_saving")
    add("pv_and_optimiser", "saved_by_optimiser", "t", "buildings x usual saving", "optimised", *both)
    add("pv_and_optimiser", "left_for_pv", "t", "saving less the optimiser's", "left", *both)
    add("pv_and_optimiser", "pv_capacity", "MW", "left / grid factor / yield", "left_capacity", *both, grid, *pv)
    add("pv_and_optimiser", "module_area", "km²", "capacity x area", "left_area", *both, grid, *pv, "pv_area")
    add("optimiser_alone", "electricity_equivalent", "GWh", "saving / grid factor", "energy", claim, grid)
    add("optimiser_alone", "needed_saving_share", "1", "saving / emissions of the buildings", "needed", claim, *stock)
    add("optimiser_alone", "times_usual_saving", "1", "needed share / usual share", "times", *both)
    schema = {"reading": pl.String, "quantity": pl.String, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64,
              "unit": pl.String, "mark": pl.String, "basis": pl.String}  # fmt: skip
    return pl.DataFrame(told, schema=schema, orient="row")


def _energy(saving: float, grid: float) -> float:
    return saving * _KG_PER_T / grid / _KWH_PER_GWH


def _capacity(saving: float, grid: float, hours: float) -> float:
    return saving * _KG_PER_T / grid / hours / _KW_PER_MW


def _area(saving: float, grid: float, hours: float, area: float) -> float:
    return _capacity(saving, grid, hours) * _KW_PER_MW * area / _M2_PER_KM2


def _left(saving: float, city: float, share: float, usual: float) -> float:
    return max(0.0, saving - city * share * usual)


_FORMULAS: dict[str, Callable[..., float]] = {
    "energy": _energy,
    "capacity": _capacity,
    "area": _area,
    "area_share": lambda s, g, h, a, total: _area(s, g, h, a) / total,
    "city": lambda s, g, h, existing: _capacity(s, g, h) / existing,
    "ratio": lambda s, one: s / one,
    "optimised": lambda s, city, share, usual: city * share * usual,
    "left": _left,
    "left_capacity": lambda s, city, share, usual, g, h: _capacity(_left(s, city, share, usual), g, h),
    "left_area": lambda s, city, share, usual, g, h, a: _area(_left(s, city, share, usual), g, h, a),
    "needed": lambda s, city, share: s / (city * share),
    "times": lambda s, city, share, usual: s / (city * share) / usual,
}
