"""Who is given how many allowances: by history, by a benchmark, or none because they are auctioned.

==========================  ===========================================  =================================
method                      allowances given [t CO2]                     columns it needs
==========================  ===========================================  =================================
``history_total``           yearly emissions of the past × r             ``history_co2_t``
``history_intensity``       past emissions per output × output × r       ``history_intensity_t_unit``, ``output``
``benchmark``               benchmark × output                           ``benchmark_t_unit``, ``output``
``auction``                 none
==========================  ===========================================  =================================

r is the control coefficient of the year. The methods that hang on output are settled after the year, when it is known
(:func:`settled`). The forms are those of Beijing's pilot and China's national market, written from memory.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import Literal, get_args

import polars as pl

from citylab import tables
from citylab.errors import EditionError, RangeError, SchemaError, suggest
from citylab.frames import Frame, lazily, need_columns, need_numbers, refuse

Method = Literal["history_total", "history_intensity", "benchmark", "auction"]

NEEDS: dict[str, dict[str, str]] = {
    "history_total": {"history_co2_t": "mean yearly emissions of the reference years"},
    "history_intensity": {
        "history_intensity_t_unit": "emissions per output in the reference years",
        "output": "output of the year",
    },
    "benchmark": {"benchmark_t_unit": "allowances for a unit of output", "output": "output of the year"},
    "auction": {},
}
"""Columns that each method needs."""


def rule(scheme: str, name: str, on: dt.date, *, table: pl.DataFrame | None = None) -> float:
    """Return the value of a rule of a trading scheme on a date.

    Parameters
    ----------
    scheme
        ``"beijing"``, ``"national"``, or another of the table.
    name
        Name of the rule in ``ets_rules``, such as ``"offset_limit_share"``; its unit stands beside it.
    on
        The day.
    table
        Another table with the columns of ``ets_rules``.

    Raises
    ------
    UnknownNameError
        No such scheme or rule.
    EditionError
        No edition of the rule is declared for that day, or two are.
    SchemaError
        ``on`` is no date.

    Examples
    --------
    >>> rule("beijing", "entry_threshold", dt.date(2015, 1, 1)), rule("beijing", "entry_threshold", dt.date(2024, 1, 1))
    (10000.0, 5000.0)
    """
    if not isinstance(on, dt.date):
        raise SchemaError(f"The day is {on!r}; expected a date such as datetime.date(2026, 1, 1).")
    told = tables.read("ets_rules") if table is None else table
    for column, asked in (("scheme", scheme), ("rule", name)):
        if told.filter(pl.col(column) == asked).is_empty():
            raise suggest(asked, told[column].unique(), what=column, see="the table ets_rules")
        told = told.filter(pl.col(column) == asked)
    valid = told.filter((pl.col("valid_from") <= on) & (pl.col("valid_to").is_null() | (pl.col("valid_to") >= on)))
    if valid.height != 1:
        periods = ", ".join(f"{a} to {b or 'open'}" for a, b in told.select("valid_from", "valid_to").iter_rows())
        raise EditionError(
            f"{valid.height} editions of {name!r} of {scheme} hold on {on}; declared: {periods}. Name a day within "
            "one, or give the value yourself."
        )
    return float(valid["value"].item())


def benchmark(product: str, year: int, *, concept: str = "benchmark", table: pl.DataFrame | None = None) -> float:
    """Return a benchmark of China's national market for power.

    Parameters
    ----------
    product
        Such as ``"electricity_coal_upto_300mw"`` [t CO2/MWh] or ``"heat_coal"`` [t CO2/GJ]; see ``ets_benchmarks``.
    year
        Year of the emissions.
    concept
        ``"benchmark"``, or ``"balance"``, the value at which allocations equal emissions.
    table
        Another table with the columns of ``ets_benchmarks``.

    Raises
    ------
    UnknownNameError
        No such product, or concept.
    EditionError
        None is declared for that year; that of another year is not taken quietly.

    Examples
    --------
    >>> benchmark("electricity_coal_upto_300mw", 2024)
    0.8049
    """
    told = tables.read("ets_benchmarks") if table is None else table
    for column, asked in (("product", product), ("concept", concept)):
        if told.filter(pl.col(column) == asked).is_empty():
            raise suggest(asked, told[column].unique(), what=column, see="the table ets_benchmarks")
        told = told.filter(pl.col(column) == asked)
    found = told.filter(pl.col("year") == year)
    if found.height != 1:
        years = ", ".join(str(y) for y in told["year"].sort())
        raise EditionError(
            f"No {concept} of {product!r} is declared for {year}; there are {years}. Add a row to ets_benchmarks, or "
            "pass your own value."
        )
    return float(found["value"].item())


def allocated(
    firms: Frame,
    *,
    method: Method | None = None,
    control: float = 1.0,
    auctioned_share: float = 0.0,
    within_cap_t: float | None = None,
) -> Frame:
    """Return firms with the allowances that they are given.

    Parameters
    ----------
    firms
        One row a firm, with the columns of the method (see the module).
    method
        One for all; ``None`` reads each firm's from the column ``allocation_method``.
    control
        Control coefficient r of the year [1], above 0; not applied to a benchmark, which holds it already.
    auctioned_share
        Share [0..1] of everybody's allowances that is auctioned instead of given.
    within_cap_t
        If more is given than this [t CO2], all gifts are cut by one factor so that they add up to it; ``None`` cuts
        nothing.

    Returns
    -------
    DataFrame or LazyFrame
        The rows with ``allocation_co2_t`` [t CO2] and ``allocation_method``.

    Raises
    ------
    SchemaError
        A column that the method needs is missing.
    UnknownNameError
        No such method.
    RangeError
        A coefficient, share or cap that cannot be.
    DataError
        On collecting: a firm whose amount by the method is missing or negative.

    Notes
    -----
    ``within_cap_t`` is the common correction factor of a cap (in the European Union the cross-sectoral one).

    Examples
    --------
    >>> firms = pl.DataFrame({"firm_id": ["a", "b"], "benchmark_t_unit": [0.8, 0.8], "output": [1000.0, 500.0]})
    >>> allocated(firms, method="benchmark", auctioned_share=0.05)["allocation_co2_t"].to_list()
    [760.0, 380.0]
    """
    lf, back = lazily(firms)
    if not math.isfinite(control) or control <= 0:
        raise RangeError(f"The control coefficient is {control}; expected a number above 0, such as 0.95.")
    if not 0 <= auctioned_share <= 1:
        raise RangeError(f"auctioned_share is {auctioned_share}; expected 0 to 1.")
    if within_cap_t is not None and (not math.isfinite(within_cap_t) or within_cap_t < 0):
        raise RangeError(f"within_cap_t is {within_cap_t}; expected 0 t CO2 or more, or None.")
    if method is not None and method not in get_args(Method):
        raise suggest(
            str(method), get_args(Method), what="method of allocation", see="citylab.policy.market.allocation"
        )
    if method is None:
        wanted = {"firm_id": "who", "allocation_method": "one of " + ", ".join(get_args(Method))}
        schema = need_columns(lf, wanted, what="allocated")
        need_numbers(schema, sorted({c for needed in NEEDS.values() for c in needed} & set(schema)), what="allocated")
        known = pl.col("allocation_method").is_in(list(get_args(Method))).fill_null(False)
        lf = lf.filter(refuse(~known, "firm_id", "allocation_method", message=_unknown))
    else:
        schema = need_columns(lf, NEEDS[method], what=f"allocated by {method}")
        need_numbers(schema, NEEDS[method], what="allocated")
        lf = lf.with_columns(allocation_method=pl.lit(method))
    given = pl.lit(None, pl.Float64)
    for name in get_args(Method):
        if method in (None, name) and all(c in schema for c in NEEDS[name]):
            given = pl.when(pl.col("allocation_method") == name).then(_amount(name, control)).otherwise(given)
    given = given * (1.0 - auctioned_share)
    lf = lf.with_columns(allocation_co2_t=given)
    bad = ~(pl.col("allocation_co2_t").is_finite() & (pl.col("allocation_co2_t") >= 0)).fill_null(False)
    lf = lf.filter(refuse(bad, "allocation_method", "allocation_co2_t", message=_no_amount))
    if within_cap_t is not None:
        total = pl.col("allocation_co2_t").sum()
        cut = pl.when(total > within_cap_t).then(within_cap_t / total).otherwise(1.0)
        lf = lf.with_columns(pl.col("allocation_co2_t") * cut)
    return back(lf)


def _amount(method: str, control: float) -> pl.Expr:
    if method == "history_total":
        return pl.col("history_co2_t") * control
    if method == "history_intensity":
        return pl.col("history_intensity_t_unit") * pl.col("output") * control
    if method == "benchmark":
        return pl.col("benchmark_t_unit") * pl.col("output")
    return pl.lit(0.0)


def _unknown(rows: pl.DataFrame) -> str:
    firm, method = rows.select("firm_id", "allocation_method").row(0)
    return f"allocation_method of firm {firm!r} is {method!r}; expected one of {', '.join(get_args(Method))}."


def _no_amount(rows: pl.DataFrame) -> str:
    method, amount = rows.select("allocation_method", "allocation_co2_t").row(0)
    needed = ", ".join(NEEDS.get(method, {})) or "nothing"
    return (
        f"{rows.height} firms get {amount} t CO2 by {method!r}, the first of them; expected 0 or more. The method "
        f"needs {needed}: fill what is missing, or allocate these firms by another method."
    )


def settled(firms: Frame, *, output: str = "output_actual") -> Frame:
    """Return what is given or taken back after the year, when output is known.

    Allowances by benchmark or by past intensity follow output, so they change as output does; others stay.

    Parameters
    ----------
    firms
        One row a firm from :func:`allocated`, with ``output`` (expected) and the column ``output`` names.
    output
        Column with the output that was.

    Returns
    -------
    DataFrame or LazyFrame
        The rows with ``allocation_settled_co2_t`` and ``allocation_change_co2_t`` (- is taken back) [t CO2].

    Raises
    ------
    SchemaError
        A column is missing.
    DataError
        On collecting: of a firm whose allowances follow output, expected or actual output is missing or impossible.

    Examples
    --------
    >>> firms = pl.DataFrame(
    ...     {"firm_id": ["a"], "benchmark_t_unit": [0.8], "output": [1000.0], "output_actual": [900.0]}
    ... )
    >>> settled(allocated(firms, method="benchmark"))["allocation_change_co2_t"].item()
    -80.0
    """
    lf, back = lazily(firms)
    wanted = {"allocation_co2_t": "from allocated", "allocation_method": "from allocated", output: "output that was"}
    schema = need_columns(lf, wanted, what="settled")
    follows = pl.col("allocation_method").is_in(["history_intensity", "benchmark"])
    if "output" not in schema:
        raise SchemaError("settled needs column 'output' (output that was expected), which allocated was given.")
    need_numbers(schema, ["output", output, "allocation_co2_t"], what="settled")
    was, expected = pl.col(output).cast(pl.Float64), pl.col("output").cast(pl.Float64)
    known = (was.is_finite() & (was >= 0) & expected.is_finite() & (expected > 0)).fill_null(False)
    lf = lf.filter(refuse(follows & ~known, "output", output, message=lambda rows: _no_output(rows, output)))
    now = pl.when(follows).then(pl.col("allocation_co2_t") * was / expected).otherwise(pl.col("allocation_co2_t"))
    lf = lf.with_columns(allocation_settled_co2_t=now)
    return back(
        lf.with_columns(allocation_change_co2_t=pl.col("allocation_settled_co2_t") - pl.col("allocation_co2_t"))
    )


def _no_output(rows: pl.DataFrame, output: str) -> str:
    expected, was = rows.select("output", output).row(0)
    return (
        f"Output of {rows.height} firms is expected {expected}, actual {was}; expected above 0 and 0 or more. Their "
        "allowances follow output: fill it in."
    )


def power_unit_t(
    *,
    electricity_mwh: float,
    heat_gj: float,
    electricity_product: str,
    heat_product: str,
    year: int,
    cooling: float = 1.0,
    load: float = 1.0,
    heat_factor: float = 1.0,
    table: pl.DataFrame | None = None,
) -> float:
    """Return the allowances of a power unit in China's national market [t CO2].

    A = Q_e · B_e · F_cooling · F_load · F_heat + Q_h · B_h.

    Parameters
    ----------
    electricity_mwh, heat_gj
        Electricity supplied [MWh] and heat supplied [GJ] of the year, 0 or more.
    electricity_product, heat_product
        Products of ``ets_benchmarks``.
    year
        Year of the emissions.
    cooling, load, heat_factor
        Correction factors of the plan [1], above 0; citylab does not reckon them.
    table
        See :func:`benchmark`.

    Raises
    ------
    RangeError
        A quantity below 0 or a factor that is not above 0.
    UnknownNameError, EditionError
        See :func:`benchmark`.

    Notes
    -----
    The form, and most benchmarks, are from memory; the relief of gas units and limits on deficits are not in it.

    Examples
    --------
    >>> how = dict(electricity_product="electricity_coal_upto_300mw", heat_product="heat_coal", year=2024)
    >>> round(power_unit_t(electricity_mwh=1000, heat_gj=2000, **how), 6)  # 804.9 + 206.6
    1011.5
    """
    for name, amount in (("electricity_mwh", electricity_mwh), ("heat_gj", heat_gj)):
        if not math.isfinite(amount) or amount < 0:
            raise RangeError(f"{name} is {amount}; expected 0 or more.")
    for name, factor in (("cooling", cooling), ("load", load), ("heat_factor", heat_factor)):
        if not math.isfinite(factor) or factor <= 0:
            raise RangeError(f"{name} is {factor}; expected a factor above 0, 1 for no correction.")
    of_electricity = benchmark(electricity_product, year, table=table) * cooling * load * heat_factor
    return electricity_mwh * of_electricity + heat_gj * benchmark(heat_product, year, table=table)
