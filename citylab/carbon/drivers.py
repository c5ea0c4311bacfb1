"""What drove a change of emissions: LMDI-I decomposition with any factors and levels, Kaya's identity, decoupling.

A decomposition explains a change by the factors whose product the total is, and leaves no residual: the effects add up
(or multiply) to the change. Changes across a declared break of a series are marked, because there a figure changed that
nothing in the city did. Breaks and states of decoupling stand in the declared tables ``series_breaks`` and
``carbon_tapio``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal, get_args

import polars as pl

from citylab import tables
from citylab.errors import DataError, RangeError, SchemaError, suggest
from citylab.frames import Frame, keys_of, lazily, need_columns, need_numbers

Form = Literal["additive", "multiplicative"]

KAYA = ("population", "gdp_per_head", "energy_per_gdp", "co2_per_energy")
"""Factors of Kaya's identity, in the order in which :func:`kaya` chains them."""

IDENTITY_TOLERANCE = 1e-6
"""How far, as a share of the total, the product of the factors may be off: inputs are printed with some six digits."""

UNSTABLE_GDP_CHANGE = 0.005
"""GDP that moves by less than this share makes an elasticity unstable; citylab's own rule."""

_HAIR = 1e-9
_PERCENT = 100.0
_EFFECTS = ("from", "to", "factor", "effect", "share", "cumulative", "total_change", "form", "n")


def ratios(frame: Frame, chain: Sequence[str], *, names: Sequence[str] | None = None) -> Frame:
    """Return a frame with the factors of a chain of quantities: the first, and each one per unit of the one before.

    Along the chain the product of the factors is the last quantity, which is what :func:`lmdi` needs: ``["population",
    "gdp", "energy", "co2"]`` is Kaya's identity, ``["output", "output_of_sector", "energy_of_sector"]`` parts activity,
    structure and intensity.

    Parameters
    ----------
    frame
        One row per period (and category).
    chain
        Columns of quantities, each of which the next is divided by.
    names
        Names of the factors; by default the first column's own and ``<next>_per_<one>``.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        The frame with the factors. A ratio to 0 is null: undefined, not 0.

    Raises
    ------
    SchemaError
        A column is missing or holds no numbers, or the names are not as many as the columns.

    Examples
    --------
    >>> two = pl.DataFrame({"persons": [10.0, 12.0], "co2_t": [50.0, 48.0]})
    >>> ratios(two, ["persons", "co2_t"], names=["people", "per_head"]).select("people", "per_head").rows()
    [(10.0, 5.0), (12.0, 4.0)]
    """
    lf, back = lazily(frame)
    told = [chain[0], *(f"{b}_per_{a}" for a, b in pairwise(chain))] if names is None else list(names)
    if len(told) != len(chain) or len(set(told)) != len(told):
        raise SchemaError(f"ratios needs one name per column: {len(chain)} columns, {len(set(told))} different names.")
    need_numbers(need_columns(lf, chain, what="ratios"), chain, what="ratios")
    one = [pl.col(chain[0]).cast(pl.Float64).alias(told[0])]
    rest = [
        pl.when(pl.col(a) != 0).then(pl.col(b) / pl.col(a)).alias(name)
        for (a, b), name in zip(pairwise(chain), told[1:], strict=True)
    ]
    return back(lf.with_columns(one + rest))


def structure(
    frame: Frame,
    value: str,
    *,
    levels: Sequence[str],
    period: str = "year",
    group: str | Sequence[str] | None = None,
) -> Frame:
    """Return a table of an activity with its total and the share of each level in the one above.

    With levels ``["sector", "fuel"]`` energy is total energy × share of the sector × share of the fuel in the sector;
    times CO2 per energy that is CO2, and :func:`lmdi` tells how much of its change is growth, shift between sectors,
    shift between fuels and change of the factor. Part the activity (energy, output), not the emissions themselves:
    shares of the very total that is explained always add up to 1 and drive nothing, and :func:`lmdi` refuses them.

    Parameters
    ----------
    frame
        One row per group, period and combination of the levels. Rows that are missing in a period must be given as 0
        if they are 0.
    value
        Column of the activity, 0 or more.
    levels
        Columns of categories, from the coarsest to the finest.
    period, group
        Columns of the period and of the unit whose totals are parted.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        The frame with ``<value>_total`` and one ``<level>_share`` per level; the share in something that is 0 is null.

    Raises
    ------
    SchemaError
        A column is missing, or ``value`` holds no numbers.

    Examples
    --------
    >>> parts = pl.DataFrame({"year": [2000, 2000, 2000], "sector": ["a", "a", "b"], "fuel": ["x", "y", "x"],
    ...                       "tj": [1.0, 2.0, 3.0]})
    >>> structure(parts, "tj", levels=["sector", "fuel"]).select("tj_total", "sector_share", "fuel_share").rows()
    [(6.0, 0.5, 0.3333333333333333), (6.0, 0.5, 0.6666666666666666), (6.0, 0.5, 1.0)]
    """
    lf, back = lazily(frame)
    if not levels:
        raise SchemaError("structure needs at least one level, a column of categories.")
    keys: list[str] = [*keys_of(group), period]
    schema = need_columns(lf, [*keys, *levels, value], what="structure")
    need_numbers(schema, [value], what="structure")
    above = pl.col(value).sum().over(keys).cast(pl.Float64)
    added, inside = [above.alias(f"{value}_total")], list(keys)
    for level in levels:
        inside.append(level)
        here = pl.col(value).sum().over(inside)
        added.append(pl.when(above != 0).then(here / above).alias(f"{level}_share"))
        above = here
    return back(lf.with_columns(added))


def lmdi(
    frame: Frame,
    total: str,
    factors: Sequence[str],
    *,
    by: str | Sequence[str] | None = None,
    period: str = "year",
    group: str | Sequence[str] | None = None,
    form: Form = "additive",
    chained: bool = True,
    detail: bool = False,
    tolerance: float = IDENTITY_TOLERANCE,
) -> Frame:
    """Return how much of a change each factor explains, by the log mean Divisia index (LMDI-I): no residual.

    Parameters
    ----------
    frame
        One row per group, period and category. In every row ``total`` is the product of the factors. Nothing is
        negative: net sinks stay outside. A factor may be null only where the total is 0 (a share of what is not there):
        it then counts as unchanged.
    total
        Column that is decomposed; summed over the categories it is the group's total.
    factors
        Columns whose product is ``total``: any number.
    by
        Columns of the categories (sector, fuel); ``None`` where a group has one row per period.
    period
        Column of years or dates.
    group
        Columns of units that are decomposed one by one, cities for example.
    form
        ``"additive"``: effects in the unit of the total, which add up to the change; ``"multiplicative"``: index
        numbers whose product is the ratio.
    chained
        Decompose every step from one period to the next; ``cumulative`` carries the result on. Otherwise only from
        the first period to the last. The two differ: report both for long spans.
    detail
        Additive only: one row per category too, with the columns ``by``.
    tolerance
        Greatest difference between ``total`` and the product of the factors, as a share of the total.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group, interval and factor (and category), sorted: the grouping columns, ``from``, ``to``,
        ``factor``, ``effect``, ``share`` (of the change, or of the logarithm of the ratio;
        null where nothing changed),
        ``cumulative`` (effects added or multiplied since the first period), ``total_change`` (difference or ratio),
        ``form`` and ``n`` (categories behind the row).

    Raises
    ------
    SchemaError
        A column is missing or holds no numbers; ``detail`` with the multiplicative form.
    DataError
        On collecting: a value is negative, missing or not finite; a category is missing in some period or stands twice;
        the product of the factors is not the total; the group's total is itself among the factors; fewer than two
        periods; a ratio to a total of 0.

    Notes
    -----
    Zeros follow the analytical limits: where a category appears because one factor rose from 0, that factor takes the
    whole of it, and where several did they take equal parts; a category that vanishes likewise; a factor that is not 0
    in either period has no effect there. From the first period to the last, many categories may appear or vanish, and
    these limits then rule the result: prefer the chain, and take a great difference between the two as a warning.

    Examples
    --------
    Population 2000 → 2100 and emissions per head 12 → 10.584:

    >>> city = pl.DataFrame({"year": [2000, 2010], "co2_t": [24000.0, 22226.4],
    ...                      "people": [2000.0, 2100.0], "per_head": [12.0, 10.584]})
    >>> lmdi(city, "co2_t", ["people", "per_head"]).select("factor", pl.col("effect").round(1)).rows()
    [('people', 1127.1), ('per_head', -2900.7)]

    References
    ----------
    Ang, B. W. (2015). LMDI decomposition approach: a guide for implementation. Energy Policy 86, 233-238.
    doi:10.1016/j.enpol.2015.07.007.
    Ang, B. W., Zhang, F. Q., Choi, K.-H. (1998). Factorizing changes in energy and environmental indicators through
    decomposition. Energy 23, 489-495. doi:10.1016/S0360-5442(98)00016-4.
    Ang, B. W., Liu, N. (2007). Handling zero values in the logarithmic mean Divisia index decomposition approach.
    Energy Policy 35, 238-246. doi:10.1016/j.enpol.2005.11.001.
    """
    lf, back = lazily(frame)
    names: list[str] = list(factors)
    cats: list[str] = keys_of(by)
    groups: list[str] = keys_of(group)
    if form not in get_args(Form):
        raise suggest(str(form), get_args(Form), what="form", see="citylab.carbon.drivers.lmdi")
    if not names or len(set(names)) != len(names):
        raise SchemaError(f"lmdi needs factors, each one once; it was given {names}.")
    if detail and (form == "multiplicative" or not cats):
        raise SchemaError(
            "detail= gives the additive effects of categories: ask for form='additive', with by= columns."
        )
    schema = need_columns(lf, [*groups, *cats, period, total, *names], what="lmdi")
    need_numbers(schema, [total, *names], what="lmdi")
    shown = [*groups, *(cats if detail else [])]
    out = pl.Schema(
        {
            **{c: schema[c] for c in shown}, "from": schema[period], "to": schema[period], "factor": pl.String(),
            "effect": pl.Float64(), "share": pl.Float64(), "cumulative": pl.Float64(), "total_change": pl.Float64(),
            "form": pl.String(), "n": pl.Int64(),
        }
    )  # fmt: skip

    def decompose(table: pl.DataFrame) -> pl.DataFrame:
        _check(table, total, names, groups, cats, period, tolerance)
        pairs = _pairs(table, total, names, groups, cats, period, chained)
        effects = _effects(pairs, names, shown)
        return _told(effects, shown, groups, form).select(out.names()).cast(out)

    needed = lf.select(*groups, *cats, period, pl.col(total, *names).cast(pl.Float64))
    return back(needed.map_batches(decompose, schema=out))


def _check(
    table: pl.DataFrame, total: str, names: list[str], groups: list[str], cats: list[str], period: str, tolerance: float
) -> None:
    keys = [*groups, *cats, period]
    numbers = [total, *names]
    if table.select(pl.any_horizontal(pl.col(keys).is_null()).any()).item():
        raise DataError(f"lmdi found a row without a value in one of {keys}. Name the category, or leave the row out.")
    bad = pl.any_horizontal((~pl.col(numbers).is_finite() | (pl.col(numbers) < 0)).fill_null(False))
    absent = pl.col(total).is_null() | ((pl.col(total) != 0) & pl.any_horizontal(pl.col(names).is_null()))
    if (wrong := table.filter(bad)).height:
        raise DataError(
            f"lmdi found {wrong.height} rows with a negative or not finite number; the first: "
            f"{wrong.row(0, named=True)}. A logarithm needs positive numbers: take net sinks out, decompose them apart."
        )
    if (wrong := table.filter(absent)).height:
        raise DataError(
            f"lmdi found {wrong.height} rows without a number; the first: {wrong.row(0, named=True)}. A factor may be "
            "missing only where the total is 0. Fill in what is known, or leave those periods out."
        )
    if (twice := table.filter(table.select(keys).is_duplicated())).height:
        raise DataError(f"lmdi found {twice.select(keys).row(0, named=True)} twice. Name all categories with by=.")
    product = pl.reduce(lambda a, b: a * b, [pl.col(n).fill_null(0.0) for n in names])
    off = table.with_columns(product.alias("_product")).filter(
        (pl.col("_product") - pl.col(total)).abs() > tolerance * pl.max_horizontal(total, "_product")
    )
    if off.height:
        row = off.row(0, named=True)
        raise DataError(
            f"lmdi found {off.height} rows whose factors do not multiply to {total!r}; the first: {row[total]:g} "
            f"against {row['_product']:g} at { {k: row[k] for k in keys} }. Check units, or widen tolerance= for "
            "rounded inputs."
        )
    if cats:
        whole = pl.col(total).sum().over([*groups, period])
        same = [((pl.col(n) - whole).abs() <= tolerance * whole).fill_null(False).all().alias(n) for n in names]
        found = table.select(*same, (whole > pl.col(total)).any().alias("_parted")).row(0, named=True)
        if found.pop("_parted") and (self_named := [n for n in names if found[n]]):
            raise DataError(
                f"lmdi was given {self_named[0]!r}, which is the total of {total!r} itself: its shares add up to 1 and "
                "cannot drive it, so their effects would be an artefact of the formula. Use an activity (energy, GDP)."
            )
    counts = table.group_by([*groups, period]).len()
    periods = (
        counts.group_by(groups).agg(pl.len().alias("_periods")) if groups else counts.select(pl.len().alias("_periods"))
    )
    if table.is_empty() or periods["_periods"].min() < 2:  # type: ignore[operator]
        raise DataError("lmdi needs at least two periods in every group, to have a change to explain.")
    every = table.group_by([*groups, *cats]).len("_n") if [*groups, *cats] else table.select(pl.len().alias("_n"))
    every = every.join(periods, on=groups) if groups else every.join(periods, how="cross")
    if (short := every.filter(pl.col("_n") != pl.col("_periods"))).height:
        raise DataError(
            f"lmdi found {short.height} categories that are missing in some period; the first: "
            f"{short.row(0, named=True)}. Missing is not 0: give a row with total 0 where nothing was "
            "emitted, or leave the category out."
        )


def _pairs(
    table: pl.DataFrame, total: str, names: list[str], groups: list[str], cats: list[str], period: str, chained: bool
) -> pl.DataFrame:
    """Return one row per category and interval: values at its start with suffix 0, at its end with suffix 1."""
    if not chained:
        ends = [pl.col(period).min(), pl.col(period).max()]
        span = [(e.over(groups) if groups else e) for e in ends]
        table = table.filter((pl.col(period) == span[0]) | (pl.col(period) == span[1]))
    columns = {period: "period", total: "v", **{n: f"x{i}_" for i, n in enumerate(names)}}
    own = [*groups, *cats]
    rows = table.sort(period)

    def earlier(column: str) -> pl.Expr:
        moved = pl.col(column).shift(1)
        return moved.over(own) if own else moved

    return rows.select(
        *own,
        *(earlier(c).alias(f"{short}0") for c, short in columns.items()),
        *(pl.col(c).alias(f"{short}1") for c, short in columns.items()),
    ).filter(pl.col("period0").is_not_null())


def _log_mean(later: pl.Expr, earlier: pl.Expr) -> pl.Expr:
    """Return the logarithmic mean of two positive numbers, stable where they are close to each other."""
    z = (later / earlier).log()
    # (e^z - 1)/z = e^(z/2) sinh(z/2)/(z/2); near 0 its series has lost nothing after the term in z².
    near = z.abs() < 1e-4
    return earlier * pl.when(near).then(1 + z / 2 + z * z / 6).otherwise((z.exp() - 1) / z)


def _effects(pairs: pl.DataFrame, names: list[str], shown: list[str]) -> pl.DataFrame:
    """Return additive effects in long form, with the group's total before and after."""
    v0, v1 = pl.col("v0"), pl.col("v1")
    both = (v0 > 0) & (v1 > 0)
    ends = [(pl.col(f"x{i}_0"), pl.col(f"x{i}_1")) for i in range(len(names))]
    # A factor that left or reached 0; one that is undefined (null) where the category is absent has not moved.
    moved = [((a == 0) != (b == 0)).fill_null(False) for a, b in ends]
    count = pl.sum_horizontal([m.cast(pl.Float64) for m in moved])
    rows = pairs.with_columns(pl.when(both).then(_log_mean(v1, v0)).alias("_weight"), count.alias("_moved"))
    if (lost := rows.filter(~both & (v0 != v1) & (pl.col("_moved") == 0))).height:
        raise DataError(
            f"lmdi found a total that left or reached 0 although no factor is known to have done so: "
            f"{lost.row(0, named=True)}. Give the factor that is 0 as 0, not as missing."
        )
    effects = [
        pl.when(both).then(pl.col("_weight") * (b / a).log()).when(m).then((v1 - v0) / pl.col("_moved")).otherwise(0.0)
        .alias(name)
        for name, (a, b), m in zip(names, ends, moved, strict=True)
    ]  # fmt: skip
    keys = [*shown, "period0", "period1"]
    wide = rows.select(*keys, v0, v1, *effects).group_by(keys).agg(pl.all().sum(), pl.len().cast(pl.Int64).alias("n"))
    order = pl.Enum(names)
    return wide.unpivot(
        on=names, index=[*keys, "v0", "v1", "n"], variable_name="factor", value_name="effect"
    ).with_columns(pl.col("factor").cast(order))


def _told(effects: pl.DataFrame, shown: list[str], groups: list[str], form: Form) -> pl.DataFrame:
    v0, v1, effect = pl.col("v0"), pl.col("v1"), pl.col("effect")
    rows = effects.sort([*shown, "period0", "factor"])
    if form == "additive":
        change = v1 - v0
        share = pl.when(change != 0).then(effect / change)
        rows = rows.with_columns(share.alias("share"), change.alias("total_change"))
    else:
        if (zero := rows.filter((v0 <= 0) | (v1 <= 0))).height:
            raise DataError(
                f"lmdi found a total of 0 between {zero['period0'][0]} and {zero['period1'][0]}: there is no ratio to "
                "explain. Use form='additive'."
            )
        log = (v1 / v0).log()
        rows = rows.with_columns(
            pl.when(log != 0).then(effect / _log_mean(v1, v0) / log).alias("share"),
            (v1 / v0).alias("total_change"),
            (effect / _log_mean(v1, v0)).exp().alias("effect"),
        )
    cumulative = effect.cum_sum() if form == "additive" else effect.cum_prod()
    return rows.with_columns(
        cumulative.over([*shown, "factor"]).alias("cumulative"), pl.lit(form).alias("form"),
        pl.col("factor").cast(pl.String),
    ).rename({"period0": "from", "period1": "to"})  # fmt: skip


# Breaks ---------------------------------------------------------------------------------------------------------------


def breaks_of(series: str, adcode: str, *, table: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return the declared breaks of a series of a place.

    Parameters
    ----------
    series
        Column of the vocabulary, ``"gdp_cny"`` for example.
    adcode
        Six-digit code of the place.
    table
        Breaks to use in place of the declared table ``series_breaks``.

    Returns
    -------
    polars.DataFrame
        One row per break; none if none is declared.

    Examples
    --------
    >>> breaks_of("gdp_cny", "110000").select("year_before", "year_after").rows()
    [(2018, 2019), (2023, 2024)]
    """
    declared = tables.read("series_breaks") if table is None else table
    codes = declared["adcode"].cast(pl.String)
    return declared.filter((codes == adcode) & (declared["series"] == series)).sort("year_before")


def mark_breaks(frame: Frame, breaks: pl.DataFrame) -> Frame:
    """Return intervals with ``crosses_break``: true where a declared break lies between ``from`` and ``to``.

    Examples
    --------
    >>> steps = pl.DataFrame({"from": [2017, 2018, 2017], "to": [2018, 2019, 2020]})
    >>> mark_breaks(steps, breaks_of("gdp_cny", "110000"))["crosses_break"].to_list()
    [False, True, True]
    """
    lf, back = lazily(frame)
    need_columns(lf, ["from", "to"], what="mark_breaks")
    across = [
        (pl.col("from") <= before) & (pl.col("to") >= after)
        for before, after in breaks.select("year_before", "year_after").iter_rows()
    ]
    return back(lf.with_columns((pl.any_horizontal(across) if across else pl.lit(False)).alias("crosses_break")))


def _marked(lf: pl.LazyFrame, series: Sequence[str], place: str | None, table: pl.DataFrame | None) -> pl.LazyFrame:
    if place is None:
        return lf.with_columns(pl.lit(None, pl.Boolean()).alias("crosses_break"))
    return mark_breaks(lf, pl.concat([breaks_of(s, place, table=table) for s in series]))


# Kaya and Tapio -------------------------------------------------------------------------------------------------------


def kaya(
    frame: Frame,
    *,
    population: str = "population_persons",
    gdp: str = "gdp_cny",
    energy: str | None = "primary_energy_twh",
    co2: str = "co2_t",
    period: str = "year",
    group: str | Sequence[str] | None = None,
    form: Form = "additive",
    chained: bool = True,
    prices: str = "current",
    place: str | None = None,
    breaks: pl.DataFrame | None = None,
) -> Frame:
    """Return a change of emissions by Kaya's factors: people, GDP per head, energy per GDP, CO2 per energy.

    Parameters
    ----------
    frame
        One row per group and period with the four quantities, all above 0.
    population, gdp, energy, co2
        Columns. With ``energy=None`` the last two factors are one: ``co2_per_gdp``.
    period, group, form, chained
        As in :func:`lmdi`.
    prices
        What the GDP is in, written beside every row: ``"current"``, or for example ``"constant-2010"``. At current
        prices, inflation counts as growth of GDP and as fall of intensity.
    place
        adcode of the place whose declared breaks mark the intervals; ``None`` leaves ``crosses_break`` null.
    breaks
        Breaks to use in place of the declared table ``series_breaks``.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        What :func:`lmdi` gives, with ``prices`` and ``crosses_break``.

    Raises
    ------
    SchemaError, DataError
        As :func:`lmdi`. A missing quantity is an error: years are not skipped in silence.

    Examples
    --------
    >>> city = pl.DataFrame({"year": [2000, 2010], "population_persons": [2000, 2100], "gdp_cny": [20000.0, 25200.0],
    ...                      "primary_energy_twh": [10000.0, 10584.0], "co2_t": [24000.0, 22226.4]})
    >>> kaya(city).select("factor", pl.col("effect").round(4)).rows()
    [('population', 1127.1433), ('gdp_per_head', 4211.966), ('energy_per_gdp', -4027.8865),
     ('co2_per_energy', -3084.8227)]

    References
    ----------
    Kaya, Y., Yokobori, K. (1997). Environment, energy, and economy: strategies for sustainability. United Nations
    University Press (from memory).
    """
    lf, back = lazily(frame)
    chain: list[str] = [population, gdp, *([energy] if energy else []), co2]
    names = list(KAYA) if energy else [*KAYA[:2], "co2_per_gdp"]
    short = {f"_kaya{i}": n for i, n in enumerate(names)}
    need_columns(lf, [*keys_of(group), period, *chain], what="kaya")
    chained_factors = ratios(lf, chain, names=list(short))
    table = chained_factors.select(*keys_of(group), period, co2, *(pl.col(c).alias(n) for c, n in short.items()))
    told = lmdi(table, co2, names, period=period, group=group, form=form, chained=chained)
    told = told.with_columns(pl.lit(prices).alias("prices"))
    return back(_marked(told, [gdp, population, *([energy] if energy else []), co2], place, breaks))


def tapio(
    frame: Frame,
    *,
    emissions: str = "co2_t",
    gdp: str = "gdp_cny",
    period: str = "year",
    group: str | Sequence[str] | None = None,
    span: int | None = 1,
    prices: str = "current",
    place: str | None = None,
    breaks: pl.DataFrame | None = None,
    table: pl.DataFrame | None = None,
) -> Frame:
    """Return whether emissions are decoupled from GDP, by Tapio's elasticity and its eight states.

    Parameters
    ----------
    frame
        One row per group and year.
    emissions, gdp, period, group
        Columns; the period is a whole year.
    span
        Years from the base to the end of an interval: 1 by default, 5 shows less noise (intervals then overlap);
        ``None`` takes the first and last year only.
    prices
        What the GDP is in, written beside every row; growth at current prices holds inflation.
    place
        adcode of the place whose declared breaks mark the intervals; ``None`` leaves ``crosses_break`` null.
    breaks, table
        Breaks and states to use in place of the declared tables ``series_breaks`` and ``carbon_tapio``.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per interval, sorted: the grouping columns, ``from``, ``to``, ``emissions_change_pct``,
        ``gdp_change_pct``, ``elasticity``, ``state``, ``reason`` (``gdp_unchanged``, ``no_value`` or ``base_is_zero``
        where there is no state), ``is_unstable`` (GDP moved by less than 0.5 %), ``prices`` and ``crosses_break``.

    Raises
    ------
    SchemaError
        A column is missing or holds no numbers.
    RangeError
        ``span`` is below 1.
    DataError
        On collecting: a negative or not finite number, or a year that stands twice in a group.

    Examples
    --------
    >>> city = pl.DataFrame({"year": [2000, 2001, 2002], "co2_t": [100.0, 98.0, 98.0],
    ...                      "gdp_cny": [100.0, 105.0, 105.0]})
    >>> tapio(city).select("from", "to", "state", "reason").rows()
    [(2000, 2001, 'strong_decoupling', None), (2001, 2002, None, 'gdp_unchanged')]

    References
    ----------
    Tapio, P. (2005). Towards a theory of decoupling. Transport Policy 12, 137-151. doi:10.1016/j.tranpol.2005.01.001.
    """
    lf, back = lazily(frame)
    groups: list[str] = keys_of(group)
    schema = need_columns(lf, [*groups, period, emissions, gdp], what="tapio")
    need_numbers(schema, [period, emissions, gdp], what="tapio")
    if span is not None and span < 1:
        raise RangeError(f"span={span} is not an interval: give 1 or more years, or None for first to last.")
    states = tables.read("carbon_tapio") if table is None else table
    out = pl.Schema(
        {
            **{c: schema[c] for c in groups}, "from": schema[period], "to": schema[period],
            "emissions_change_pct": pl.Float64(), "gdp_change_pct": pl.Float64(), "elasticity": pl.Float64(),
            "state": pl.String(), "reason": pl.String(), "is_unstable": pl.Boolean(),
        }
    )  # fmt: skip

    def judge(rows: pl.DataFrame) -> pl.DataFrame:
        return _judged(_steps(rows, groups, span), states).select(out.names()).cast(out)

    needed = lf.select(
        *groups, pl.col(period).alias("_t"), pl.col(emissions).cast(pl.Float64).alias("_c"),
        pl.col(gdp).cast(pl.Float64).alias("_g"),
    )  # fmt: skip
    told = needed.map_batches(judge, schema=out).with_columns(pl.lit(prices).alias("prices"))
    return back(_marked(told, [gdp, emissions], place, breaks))


def _steps(rows: pl.DataFrame, groups: list[str], span: int | None) -> pl.DataFrame:
    bad = rows.filter(pl.any_horizontal((~pl.col("_c", "_g").is_finite() | (pl.col("_c", "_g") < 0)).fill_null(False)))
    if bad.height:
        raise DataError(f"tapio found {bad.height} rows with a negative or not finite number; the first: {bad.row(0)}.")
    if rows.select(*groups, "_t").is_duplicated().any():
        raise DataError("tapio found a year twice in one group. Sum the categories first, or name the groups.")
    if span is None:
        first, last = pl.col("_t").min(), pl.col("_t").max()
        ends = rows.with_columns(
            (first.over(groups) if groups else first).alias("_first"),
            (last.over(groups) if groups else last).alias("_last"),
        )
        base = ends.filter(pl.col("_t") == pl.col("_first")).with_columns(pl.col("_last").alias("to"))
        base = base.filter(pl.col("_first") < pl.col("_last"))
    else:
        base = rows.with_columns((pl.col("_t") + span).cast(rows.schema["_t"]).alias("to"))
    later = rows.select(*groups, pl.col("_t").alias("to"), pl.col("_c").alias("_c1"), pl.col("_g").alias("_g1"))
    return base.join(later, on=[*groups, "to"]).rename({"_t": "from"}).sort([*groups, "from"])


def _judged(steps: pl.DataFrame, states: pl.DataFrame) -> pl.DataFrame:
    dc, dg, e = pl.col("_dc"), pl.col("_dg"), pl.col("elasticity")
    known = pl.all_horizontal(pl.col("_c", "_c1", "_g", "_g1").is_not_null())
    no_base = (pl.col("_c") == 0) | (pl.col("_g") == 0)
    rows = steps.with_columns(
        pl.when(known & ~no_base).then((pl.col("_c1") - pl.col("_c")) / pl.col("_c")).alias("_dc"),
        pl.when(known & ~no_base).then((pl.col("_g1") - pl.col("_g")) / pl.col("_g")).alias("_dg"),
    ).with_columns(pl.when(dg != 0).then(dc / dg).alias("elasticity"))
    # Shares such as 4 %/5 % miss 0.8 by a rounding error: the bounds are compared with a hair.
    chain: Any = pl.when(pl.lit(False)).then(pl.lit(None, pl.String()))
    for s in states.iter_rows(named=True):
        inside = dg > 0 if s["gdp_direction"] > 0 else dg < 0
        if s["lower"] is not None:
            inside &= e >= s["lower"] - _HAIR if s["lower_closed"] else e > s["lower"] + _HAIR
        if s["upper"] is not None:
            inside &= e <= s["upper"] + _HAIR if s["upper_closed"] else e < s["upper"] - _HAIR
        chain = chain.when(inside).then(pl.lit(s["state"]))
    reason = (
        pl.when(~known).then(pl.lit("no_value")).when(no_base).then(pl.lit("base_is_zero"))
        .when(dg == 0).then(pl.lit("gdp_unchanged"))
    )  # fmt: skip
    return rows.with_columns(
        (dc * _PERCENT).alias("emissions_change_pct"),
        (dg * _PERCENT).alias("gdp_change_pct"),
        chain.alias("state"),
        reason.alias("reason"),
        (dg.abs() < UNSTABLE_GDP_CHANGE).alias("is_unstable"),
    )
