"""Buildings: who uses more than peers do, what a retrofit would save, and which retrofits a budget should buy.

The method belongs to no city: it takes a table with one building a row (``datasets/templates/buildings.csv``), energy
by carrier in kWh and floor area in m². A group of buildings may stand in for a building.

What a benchmark says is that a building uses more than like buildings of its size, not that it wastes: opening hours,
people and equipment are not in the table. What a screening says rests on ranges of a declared table of measures; it
chooses where to look first and is no design.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from citylab import sheets, tables
from citylab.carbon.factors import FactorBook, parts_of, unit_factor
from citylab.errors import DataError, RangeError, RefusalError, SchemaError, suggest
from citylab.frames import Frame, keys_of, lazily, need_columns, need_numbers
from citylab.stats import bootstrap
from citylab.stats.money import annuity

if TYPE_CHECKING:
    from polars import DataFrame, LazyFrame

Floats = npt.NDArray[np.float64]
Method = Literal["ols", "median"]

CARRIERS = ("electricity", "gas", "heat", "oil", "coal")
"""Energy that a building is delivered; the columns are ``electricity_kwh`` and so on."""
FUELS = {"electricity": "electricity", "gas": "natural_gas", "heat": "heat", "oil": "diesel", "coal": "raw_coal"}
"""Carrier, and the name of its emission factor in :mod:`citylab.carbon.factors`."""
QUANTILES = (5, 10, 25, 50, 75, 90, 95)
PERCENT = 100
PUBLISHED_FACTORS = "carbon_building_factors"
MOST_RESERVED = 6
DRAWS = 2000
TIME_LIMIT_S = 60.0
_PARAMETERS = ("saving", "added", "rebound", "cost")
_MIDDLE = {"saving": "saving_share", "added": "added_per_saved", "rebound": "rebound_share", "cost": "cost_m2"}
_GREATEST = 1e3  # what the greatest value is to the solver: its absolute gap of 1e-6 is nothing then
_SLACK = 1e-12  # rounding of a sum of doubles, relative to the budget


def _lazy(frame: DataFrame | LazyFrame) -> LazyFrame:
    return lazily(frame)[0]  # type: ignore[type-var]


# ------------------------------------------------------------------------------------------------------ tables


def rules(table: DataFrame | None = None) -> dict[str, float]:
    """Return the declared constants of this module, a user's rows in place of theirs.

    Parameters
    ----------
    table
        Columns ``rule`` and ``value``.

    Raises
    ------
    UnknownNameError
        ``table`` names a rule that there is not.

    Examples
    --------
    >>> rules()["robust_z"], rules(pl.DataFrame({"rule": ["robust_z"], "value": [5.0]}))["robust_z"]
    (3.5, 5.0)
    """
    known = dict(tables.read("carbon_building_rules").select("rule", pl.col("value").cast(pl.Float64)).iter_rows())
    for name, value in [] if table is None else table.select("rule", "value").iter_rows():
        if name not in known:
            raise suggest(name, known, what="rule", see="the table datasets/codes/carbon_building_rules.csv")
        known[name] = float(value)
    return known


def read_buildings(path: str | Path, *, sheet: str | None = None) -> DataFrame:
    """Read a table of buildings that was filled in after the template ``buildings``.

    Parameters
    ----------
    path, sheet
        As in :func:`citylab.sheets.read`.

    Returns
    -------
    polars.DataFrame
        One row per building and year. ``site_energy_kwh`` is the sum of the carriers where it was left empty.

    Raises
    ------
    SchemaError
        A heading is missing or unknown.
    DataError
        Text where numbers belong, an area that is not above zero, a carrier below zero (electricity may be, where more
        is fed in than bought), a building twice in a year; the message names lines.
    """
    table = sheets.checked(sheets.read(path, "buildings", sheet=sheet), "buildings", what=Path(path).name)
    line = pl.col(sheets.LINE)
    wrong: list[str] = []

    def look(bad: pl.Expr, said: str) -> None:
        wrong.extend(f"row {i}: {said}" for i in table.filter(bad.fill_null(False)).select(line).to_series())

    look(pl.col("floor_area_m2") <= 0, "floor_area_m2 is not above zero")
    for carrier in CARRIERS[1:]:
        look(pl.col(f"{carrier}_kwh") < 0, f"{carrier}_kwh is negative")
    look(pl.struct("building_id", "year").is_duplicated(), "the building stands twice in the year")
    if wrong:
        raise sheets.bad_rows(wrong, f"{Path(path).name} cannot be used")
    carriers = [f"{c}_kwh" for c in CARRIERS]
    summed = pl.when(pl.any_horizontal(pl.col(c).is_not_null() for c in carriers)).then(pl.sum_horizontal(carriers))
    return table.with_columns(pl.coalesce("site_energy_kwh", summed).alias("site_energy_kwh"))


def eui(energy: str = "site_energy_kwh", area: str = "floor_area_m2") -> pl.Expr:
    """Return the energy use intensity [kWh/m²]; null where the area is not above zero.

    Examples
    --------
    >>> rows = pl.DataFrame({"site_energy_kwh": [900.0, 1.0], "floor_area_m2": [10.0, 0.0]})
    >>> rows.select(eui()).to_series().to_list()
    [90.0, None]
    """
    return pl.when(pl.col(area) > 0).then(pl.col(energy) / pl.col(area)).alias("site_eui_kwh_m2")


def eui_quantiles(intensity: pl.Expr) -> list[pl.Expr]:
    """Return the quantiles of an intensity as columns ``site_eui_p5_kwh_m2`` to ``site_eui_p95_kwh_m2``.

    Examples
    --------
    >>> rows = pl.DataFrame({"site_eui_kwh_m2": [10.0, 20.0, 30.0]})
    >>> rows.select(eui_quantiles(pl.col("site_eui_kwh_m2")))["site_eui_p50_kwh_m2"].item()
    20.0
    """
    return [intensity.quantile(q / PERCENT, interpolation="linear").alias(f"site_eui_p{q}_kwh_m2") for q in QUANTILES]


# ---------------------------------------------------------------------------------------------- weather


def weather_normalised(
    frame: Frame,
    *,
    degree_days: str | Sequence[str],
    normal: Mapping[str, float],
    energy: str = "energy_kwh",
    days: str = "days",
    by: str | Sequence[str] = "building_id",
    level: float = 0.95,
    table: DataFrame | None = None,
) -> Frame:
    """Return each building's energy in a year of normal weather, by a degree-day model of its bills.

    The model is energy per day = base + slope · degree days per day, by ordinary least squares; the normal year is
    365.25 · base + slope · degree days of the normal year.

    Parameters
    ----------
    frame
        One row per building and metered period, a month say: energy [kWh], ``days`` in it, degree days [°C d] in it.
    degree_days
        Columns of heating, cooling degree days or both.
    normal
        Degree days of the normal year [°C d] by column.
    energy, days
        Columns of the energy and of the length of the period [d].
    by
        Columns that say which building.
    level
        Level of the interval.
    table
        Rules in place of the declared ones: ``weather_min_periods``, ``weather_min_r2``, ``weather_max_cvrmse``.

    Returns
    -------
    same type as ``frame``
        One row per building: ``energy_kwh_yr`` with ``_lower`` and ``_upper`` (of the mean of normal years, not of one
        year), ``base_kwh_day``, a slope ``<column>_kwh`` each [kWh/(°C d)], ``r2``, ``cvrmse``, ``n``, ``reason``.
        Where the model is refused the values are null and the reason says why.

    Raises
    ------
    SchemaError
        A column is missing, or no normal value is given for one.
    RefusalError
        No building has a usable model.

    Notes
    -----
    Refused: too few periods, R² or CV(RMSE) beyond the rules, a slope below zero (energy that falls with the cold).

    Examples
    --------
    >>> hdd = [500.0, 400, 250, 100, 0, 0, 0, 0, 50, 150, 300, 450]
    >>> bills = pl.DataFrame({"building_id": ["A"] * 12, "days": [30.4375] * 12, "hdd18": hdd,
    ...                       "energy_kwh": [3043.75 + 20 * h for h in hdd]})
    >>> told = weather_normalised(bills, degree_days="hdd18", normal={"hdd18": 2000})
    >>> round(told["energy_kwh_yr"].item())
    76525

    References
    ----------
    Fels, M. F. (1986), PRISM: an introduction. Energy and Buildings 9, 5-18, doi:10.1016/0378-7788(86)90003-4 (from
    memory). ASHRAE Guideline 14-2014 and IPMVP (thresholds, from memory).
    """
    import statsmodels.api as sm

    columns: list[str] = [degree_days] if isinstance(degree_days, str) else list(degree_days)
    keys: list[str] = keys_of(by)
    lf, back = lazily(frame)
    schema = need_columns(lf, [*keys, energy, days, *columns], what="weather_normalised")
    need_numbers(schema, [energy, days, *columns], what="weather_normalised")
    if lost := [c for c in columns if c not in normal]:
        raise SchemaError(f"normal has no value for {lost}; give the degree days of a normal year for each column.")
    rule = rules(table)
    year = rule["days_per_year"]
    # A null or a length of zero would leave the model unsaid: such periods are left out, and n tells.
    usable = pl.all_horizontal(pl.col(c).is_finite() for c in (energy, days, *columns)) & (pl.col(days) > 0)
    parts = lf.filter(usable).collect().partition_by(keys, as_dict=True, maintain_order=True)
    rows: list[dict[str, Any]] = []
    for key, part in parts.items():
        length = part[days].cast(pl.Float64).to_numpy()
        y = part[energy].cast(pl.Float64).to_numpy() / length
        x = np.column_stack([part[c].cast(pl.Float64).to_numpy() / length for c in columns])
        row: dict[str, Any] = dict(zip(keys, key, strict=True)) | {"n": part.height, "reason": None}
        rows.append(row)
        if part.height < max(rule["weather_min_periods"], len(columns) + 2):
            row["reason"] = "few_periods"
            continue
        fit = sm.OLS(y, sm.add_constant(x, has_constant="add")).fit()
        # A bill without any spread has no R², and no weather in it either.
        row["r2"] = float(fit.rsquared) if np.ptp(y) > 0 else None
        row["cvrmse"] = float(np.sqrt(fit.mse_resid) / y.mean()) if y.mean() > 0 else None
        if row["r2"] is None or row["r2"] < rule["weather_min_r2"]:
            row["reason"] = "low_r2"
        elif row["cvrmse"] is None or row["cvrmse"] > rule["weather_max_cvrmse"]:
            row["reason"] = "high_cvrmse"
        elif (fit.params[1:] < 0).any():
            row["reason"] = "negative_slope"
        if row["reason"]:
            continue
        told = fit.t_test(np.array([year, *(normal[c] for c in columns)]))
        low, high = np.ravel(told.conf_int(alpha=1 - level))
        row |= {"energy_kwh_yr": float(np.ravel(told.effect)[0]), "energy_kwh_yr_lower": float(low)}
        row |= {"energy_kwh_yr_upper": float(high), "base_kwh_day": float(fit.params[0])}
        row |= {f"{c}_kwh": float(s) for c, s in zip(columns, fit.params[1:], strict=True)}
    if not any(r["reason"] is None for r in rows):
        reasons = ", ".join(sorted({str(r["reason"]) for r in rows})) or "no usable period"
        raise RefusalError(
            f"No degree-day model of {len(rows)} buildings can be used ({reasons}). Give a year of monthly bills with "
            "the degree days of the same days, or benchmark without weather and say so."
        )
    numbers: list[str] = ["energy_kwh_yr", "energy_kwh_yr_lower", "energy_kwh_yr_upper", "base_kwh_day"]
    numbers += [*(f"{c}_kwh" for c in columns), "r2", "cvrmse"]
    found = pl.DataFrame(
        [[r.get(c) for c in (*keys, *numbers, "n", "reason")] for r in rows],
        schema={
            **{k: schema[k] for k in keys},
            **dict.fromkeys(numbers, pl.Float64),
            "n": pl.Int64,
            "reason": pl.String,
        },
        orient="row",
    )
    return back(found.lazy())


# --------------------------------------------------------------------------------------------- benchmark


def flagged(
    frame: Frame, *, energy: str = "site_energy_kwh", area: str = "floor_area_m2", by: str = "building_type",
    table: DataFrame | None = None,
) -> Frame:  # fmt: skip
    """Return the buildings with ``reasons`` why a figure is odd (joined by ``+``, null if none) and ``is_usable``.

    Parameters
    ----------
    frame
        One building a row.
    energy, area
        Columns of the energy [kWh] and the floor area [m²].
    by
        Column of the peer group.
    table
        Rules in place of the declared ones: ``robust_z``, ``max_mismatch``.

    Returns
    -------
    same type as ``frame``
        Reasons: ``no_energy``, ``no_area``, ``remark_at_source`` (``flag_at_source`` is not empty), which make a
        building unusable; ``far_above_peers`` and ``far_below_peers`` (modified z-score of the log intensity),
        ``carriers_do_not_add``, ``negative_carrier``, which are to be looked at. Outliers are not usable either: they
        are ranked, and no model is fitted to them.

    Examples
    --------
    >>> rows = pl.DataFrame({"building_type": ["office"] * 5, "floor_area_m2": [100.0, 100, 100, 100, 0],
    ...                      "site_energy_kwh": [9000.0, 1e4, 1.1e4, 9e5, 9000]})
    >>> flagged(rows)["reasons"].to_list()
    [None, None, None, 'far_above_peers', 'no_area']
    """
    lf, back = lazily(frame)
    schema = need_columns(lf, {energy: "energy of a year", area: "gross floor area", by: "peer group"}, what="flagged")
    need_numbers(schema, [energy, area], what="flagged")
    rule = rules(table)
    carriers = [f"{c}_kwh" for c in CARRIERS if f"{c}_kwh" in schema]
    remark = pl.col("flag_at_source").is_not_null() if "flag_at_source" in schema else pl.lit(False)
    hard = {
        "no_energy": ~(pl.col(energy).is_finite() & (pl.col(energy) > 0)).fill_null(False),
        "no_area": ~(pl.col(area).is_finite() & (pl.col(area) > 0)).fill_null(False),
        "remark_at_source": remark,
    }
    sound = ~pl.any_horizontal(hard.values())
    log_eui = pl.when(sound).then((pl.col(energy) / pl.col(area)).log())
    middle = log_eui.median().over(by)
    spread = (log_eui - middle).abs().median().over(by)
    # Where half of the peers are equal there is no spread to measure by, and no outlier to be told.
    z = pl.when(spread > 0).then(rule["normal_quartile"] * (log_eui - middle) / spread)
    far = {"far_above_peers": z > rule["robust_z"], "far_below_peers": z < -rule["robust_z"]}
    odd = {}
    if carriers:
        given = pl.all_horizontal(pl.col(c).is_not_null() for c in carriers)
        gap = (pl.sum_horizontal(carriers) - pl.col("site_energy_kwh")).abs()
        if "site_energy_kwh" in schema:
            odd["carriers_do_not_add"] = given & (gap > rule["max_mismatch"] * pl.col("site_energy_kwh").abs())
        odd["negative_carrier"] = pl.any_horizontal(pl.col(c) < 0 for c in carriers)
    tests = {**hard, **far, **odd}
    said = pl.concat_str(
        [pl.when(test.fill_null(False)).then(pl.lit(name)) for name, test in tests.items()],
        separator="+",
        ignore_nulls=True,
    )
    is_far = pl.any_horizontal(t.fill_null(False) for t in far.values())
    return back(lf.with_columns(said.replace("", None).alias("reasons"), (sound & ~is_far).alias("is_usable")))


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Buildings against their peers.

    Attributes
    ----------
    rows
        The buildings with ``site_eui_kwh_m2`` (that energy over that area, in place of a column of the name),
        ``expected_eui_kwh_m2`` and its interval for one building,
        ``eui_ratio``, ``peer_rank_pct`` with interval, ``n`` (peers of the rank), ``excess_kwh``, ``basis``
        (``"model"`` or ``"intensity"``), ``reasons``, ``is_usable``.
    models
        One row per peer group: ``n``, ``r2`` (of log energy), ``area_elasticity`` with interval (1: the intensity does
        not depend on size), ``rmse_log``, ``is_used``, ``reason``.
    energy
        Column of the energy that was benchmarked; its name says whether the weather is out.
    method, level
        As asked for.
    """

    rows: DataFrame
    models: DataFrame
    energy: str
    method: str
    level: float

    def tidy(self) -> DataFrame:
        """Return the rows."""
        return self.rows

    @property
    def statement(self) -> str:
        """What was done, in one sentence."""
        used = self.models.filter("is_used")
        weather = "normalised for weather" if "_wn_" in self.energy else "not normalised for weather"
        r2 = used["r2"].to_list()
        spread = f"R² {min(r2):.2f} to {max(r2):.2f}" if r2 else "none"
        return (
            f"{self.energy} ({weather}); log energy on log floor area by type ({self.method}), {used.height} of "
            f"{self.models.height} types ({spread}); the others are ranked by intensity or not at all."
        )


def benchmark(
    frame: DataFrame | LazyFrame, *, energy: str = "site_energy_kwh", area: str = "floor_area_m2",
    by: str = "building_type", method: Method = "ols", level: float = 0.95, table: DataFrame | None = None,
) -> Benchmark:  # fmt: skip
    """Compare buildings with peers of their type and size.

    Within each type log energy is regressed on log floor area over the usable buildings; a building's rank is the share
    of peers whose ratio of actual to expected energy is lower.

    Parameters
    ----------
    frame
        One building a row.
    energy
        Energy of the year [kWh]. Give a weather-normalised column where there is one (``site_energy_wn_kwh``, or what
        :func:`weather_normalised` gives).
    area
        Floor area [m²].
    by
        Column of the peer group.
    method
        ``"ols"``: mean of log energy, normal interval; ``"median"``: quantile regression, and the empirical quantiles
        of its residuals as interval.
    level
        Level of the intervals.
    table
        Rules in place of the declared ones: ``min_peers``, ``min_r2``.

    Returns
    -------
    Benchmark

    Raises
    ------
    SchemaError
        A column is missing or holds no numbers.
    RefusalError
        No type has enough usable buildings.

    Notes
    -----
    A type whose floor area explains less of the variance of log energy than ``min_r2`` is too mixed for a model: its
    buildings are ranked by intensity alone, without an expected value. The interval of a rank is Wilson's, the peers
    taken as a sample of such buildings.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> area = np.exp(rng.normal(8, 1, 60))
    >>> rows = pl.DataFrame({"building_id": range(60), "building_type": "office", "floor_area_m2": area,
    ...                      "site_energy_kwh": 150 * area * np.exp(rng.normal(0, 0.3, 60))})
    >>> benchmark(rows).models.select("building_type", "n", "is_used").row(0)
    ('office', 60, True)

    References
    ----------
    ENERGY STAR Portfolio Manager technical reference: ratio of actual to predicted use (from memory). Wilson, E. B.
    (1927), J. Am. Stat. Assoc. 22, 209-212, doi:10.1080/01621459.1927.10502953.
    """
    if method not in ("ols", "median"):
        raise suggest(method, ["ols", "median"], what="method", see="ols and median")
    rule = rules(table)
    lf = _lazy(frame)
    schema = need_columns(
        lf, {energy: "energy of a year", area: "gross floor area", by: "peer group"}, what="benchmark"
    )
    need_numbers(schema, [energy, area], what="benchmark")
    found = flagged(lf, energy=energy, area=area, by=by, table=table).collect()
    found = found.with_columns(eui(energy, area)).with_row_index("_row")
    parts, models = [], []
    for (group,), part in found.partition_by(by, as_dict=True, maintain_order=True).items():
        made, model = _against_peers(part, energy, area, method, level, rule)
        parts.append(made)
        models.append({by: group, **model})
    told = pl.DataFrame(models, infer_schema_length=None).sort(by)
    if not told.filter(pl.col("reason").is_null() | (pl.col("reason") == "low_r2")).height:
        raise RefusalError(
            f"None of {told.height} types has {rule['min_peers']:.0f} usable buildings; the largest has "
            f"{max(told['n'].to_list(), default=0)}. Join types, or give more buildings."
        )
    rows = pl.concat(parts).sort("_row").drop("_row")
    return Benchmark(rows, told, energy, method, level)


_OF_PEERS = {
    "expected_eui_kwh_m2": pl.Float64, "expected_eui_lower_kwh_m2": pl.Float64, "expected_eui_upper_kwh_m2": pl.Float64,
    "eui_ratio": pl.Float64, "peer_rank_pct": pl.Float64, "peer_rank_lower_pct": pl.Float64,
    "peer_rank_upper_pct": pl.Float64, "excess_kwh": pl.Float64, "n": pl.Int64, "basis": pl.String,
}  # fmt: skip


def _against_peers(
    part: DataFrame, energy: str, area: str, method: Method, level: float, rule: Mapping[str, float]
) -> tuple[DataFrame, dict[str, Any]]:
    """Return the buildings of one type with expectation and rank, and what is to be said of the model."""
    usable = part["is_usable"].to_numpy()
    n = int(usable.sum())
    model: dict[str, Any] = dict.fromkeys(
        ("r2", "area_elasticity", "area_elasticity_lower", "area_elasticity_upper", "rmse_log"), None
    )
    model |= {"n": n, "is_used": False, "reason": None}
    nothing = part.with_columns(pl.lit(None, dtype=t).alias(c) for c, t in _OF_PEERS.items())
    if n < rule["min_peers"]:
        return nothing.with_columns(n=pl.lit(n, dtype=pl.Int64)), model | {"reason": "few_peers"}
    ranked = part.select((pl.col(area) > 0) & (pl.col(energy) > 0)).to_series().fill_null(False).to_numpy()
    logs = part.select(pl.when(pl.Series(ranked)).then(pl.col(c).cast(pl.Float64).log()) for c in (energy, area))
    y, x = (logs[c].fill_null(np.nan).to_numpy() for c in (energy, area))
    if np.ptp(x[usable]) > 0:
        line, model_told = _line(x[usable], y[usable], x, method, level)
        model |= model_told
    else:
        line = None
    model["is_used"] = line is not None and model["r2"] is not None and model["r2"] >= rule["min_r2"]
    model["reason"] = None if model["is_used"] else "low_r2"
    table: dict[str, Any] = dict.fromkeys(_OF_PEERS, None)
    if model["is_used"] and line is not None:
        expected, low, high = line
        ratio = np.exp(y - expected)
        table["expected_eui_kwh_m2"] = np.exp(expected - x)
        table["expected_eui_lower_kwh_m2"], table["expected_eui_upper_kwh_m2"] = np.exp(low - x), np.exp(high - x)
        table["eui_ratio"] = ratio
        table["excess_kwh"] = np.maximum(np.exp(y) - np.exp(expected), 0.0)
    else:
        ratio = np.exp(y - x)
    rank, low, high, peers = _ranks(ratio, usable, level)
    table |= {"peer_rank_pct": rank, "peer_rank_lower_pct": low, "peer_rank_upper_pct": high}
    columns = [
        pl.Series(c, table[c] if table[c] is not None else [None] * part.height, dtype=t).fill_nan(None)
        if t == pl.Float64
        else pl.Series(c, [None] * part.height, dtype=t)
        for c, t in _OF_PEERS.items()
    ]
    basis = [("model" if model["is_used"] else "intensity") if r else None for r in ranked.tolist()]
    made = part.with_columns(columns).with_columns(
        pl.Series("n", peers, dtype=pl.Int64), pl.Series("basis", basis, dtype=pl.String)
    )
    return made, model


def _line(
    x: Floats, y: Floats, at: Floats, method: Method, level: float
) -> tuple[tuple[Floats, Floats, Floats], dict[str, Any]]:
    """Return expectation and interval of one building's log energy at ``at``, and the model's figures."""
    import statsmodels.api as sm

    design, where = sm.add_constant(x), np.column_stack([np.ones_like(at), at])
    if method == "ols":
        fit = sm.OLS(y, design).fit()
        told = fit.get_prediction(np.nan_to_num(where)).summary_frame(alpha=1 - level)
        middle, low, high = (told[c].to_numpy().copy() for c in ("mean", "obs_ci_lower", "obs_ci_upper"))
        r2, rmse = fit.rsquared, math.sqrt(fit.mse_resid)
    else:
        fit = sm.QuantReg(y, design).fit(q=0.5)
        residual = y - design @ fit.params
        below, above = np.quantile(residual, [(1 - level) / 2, (1 + level) / 2])
        middle = where @ fit.params
        low, high = middle + below, middle + above
        r2, rmse = 1 - residual.var() / y.var(), math.sqrt((residual**2).mean())
    missing = np.isnan(at)
    for values in (middle, low, high):
        values[missing] = np.nan
    first, last = fit.conf_int(alpha=1 - level)[1]
    return (middle, low, high), {
        "r2": float(r2),
        "area_elasticity": float(fit.params[1]),
        "area_elasticity_lower": float(first),
        "area_elasticity_upper": float(last),
        "rmse_log": float(rmse),
    }


def _ranks(ratio: Floats, usable: npt.NDArray[np.bool_], level: float) -> tuple[Floats, Floats, Floats, list[int]]:
    """Return the share of other usable buildings with a lower ratio [%], equal ones counting half, and its interval."""
    from statsmodels.stats.proportion import proportion_confint

    peers = np.sort(ratio[usable])
    below = np.searchsorted(peers, ratio, side="left").astype(float)
    equal = np.searchsorted(peers, ratio, side="right") - below - usable  # a building is no peer of itself
    others = len(peers) - usable.astype(int)
    score = below + equal / 2
    low, high = proportion_confint(score, others, alpha=1 - level, method="wilson")
    out = [100 * np.asarray(v, dtype=float) for v in (score / others, low, high)]
    for values in out:
        values[np.isnan(ratio)] = np.nan
    return out[0], out[1], out[2], others.tolist()


# ---------------------------------------------------------------------------------------------- retrofit


def carrier_factors(
    place: str, year: int, *, carriers: Sequence[str] | None = None, grid: DataFrame | LazyFrame | None = None,
    own: DataFrame | LazyFrame | None = None,
) -> DataFrame:  # fmt: skip
    """Return the emission factor of each carrier of a place and year.

    Parameters
    ----------
    place
        A province or city of China, or a place of the table ``carbon_building_factors`` (Seattle).
    year
        Year of the energy; another year's electricity factor is never taken.
    carriers
        Carriers wanted; default: electricity, gas and heat.
    grid, own
        As ``grid`` and ``own`` in :class:`citylab.carbon.factors.FactorBook`.

    Returns
    -------
    polars.DataFrame
        ``carrier``, ``factor_kgco2e_kwh``, ``low``, ``high`` (null where no interval is known), ``source``, ``mark``.
        Factors of fuels and of China's grids hold CO2 only.

    Raises
    ------
    FactorYearError
        None is declared for the year.

    Examples
    --------
    >>> carrier_factors("Seattle", 2016).select("carrier", "factor_kgco2e_kwh").row(1)
    ('gas', 0.181219)
    >>> carrier_factors("中国", 2022).filter(carrier="electricity")["factor_kgco2e_kwh"].item()
    0.5366
    """
    wanted = list(carriers or CARRIERS[:3])
    if unknown := [c for c in wanted if c not in CARRIERS]:
        raise suggest(unknown[0], CARRIERS, what="carrier", see="citylab.carbon.buildings.CARRIERS")
    declared = tables.read(PUBLISHED_FACTORS).filter(place=place)
    columns = ["carrier", "factor_kgco2e_kwh", "low", "high", "source", "mark"]
    kinds: dict[str, Any] = dict.fromkeys(columns[1:4], pl.Float64)
    if declared.height:
        here = declared.filter(pl.col("year") == year, pl.col("carrier").is_in(wanted))
        if here.height < len(wanted):
            from citylab.errors import FactorYearError

            have = ", ".join(f"{c} {y}" for c, y in declared.select("carrier", "year").iter_rows())
            raise FactorYearError(
                f"{place} {year} lacks a factor of one of {wanted}; declared are {have}. Give your own."
            )
        return here.select(columns).cast(kinds)  # type: ignore[arg-type]
    book = FactorBook(own=own, grid=grid)
    rows = []
    for carrier in wanted:
        one = book.factor(FUELS[carrier], year=year, place=place, use="commercial")
        mass, per = parts_of(one.unit)
        scale = unit_factor(mass, "kg") / unit_factor(per, "kWh")
        bounds = [None if v is None else v * scale for v in (one.low, one.high)]
        rows.append([carrier, one.value * scale, *bounds, one.source, one.mark])
    return pl.DataFrame(rows, schema=cast("dict[str, Any]", dict.fromkeys(columns, pl.String)) | kinds, orient="row")


def measures(table: DataFrame | LazyFrame | None = None, *, currency: str | None = None) -> DataFrame:
    """Return retrofit measures, checked.

    Parameters
    ----------
    table
        Your own, in the columns of the table ``carbon_building_measures`` (``adds``, ``added_*`` and ``rebound_*`` may
        be left out); default: that table.
    currency
        Keep measures in this currency (``"CNY"``, ``"USD"``).

    Raises
    ------
    SchemaError
        A column is missing.
    DataError
        A range that is none, a share beyond 0 to 1, a cost or life that is not above zero, one measure twice in a
        currency, no source.
    UnknownNameError
        An unknown carrier.

    Examples
    --------
    >>> measures(currency="CNY")["measure"].to_list()
    ['tuning', 'envelope', 'deep', 'heat_pump']
    """
    lf = _lazy(tables.read("carbon_building_measures") if table is None else table)
    schema = lf.collect_schema()
    for name in ("added", "rebound"):
        for column in (f"{name}_low", _MIDDLE[name], f"{name}_high"):
            if column not in schema:
                lf = lf.with_columns(pl.lit(0.0).alias(column))
    absent = {"adds": None, "label_zh": pl.col("measure"), "label_en": pl.col("measure"), "mark": None, "edition": None}
    for column, value in absent.items():
        if column not in schema:
            lf = lf.with_columns((pl.lit(None, dtype=pl.String) if value is None else value).alias(column))
    ranges = {p: (f"{p}_low", _MIDDLE[p], f"{p}_high") for p in _PARAMETERS}
    numbers = [c for three in ranges.values() for c in three] + ["life_years"]
    need_columns(lf, ["measure", "saves", *numbers, "currency", "source"], what="measures")
    found = lf.with_columns(pl.col(c).cast(pl.Float64) for c in numbers).collect()
    if currency is not None:
        known = found["currency"].unique().to_list()
        if currency not in known:
            raise suggest(currency, known, what="currency", see="the column currency of the measures")
        found = found.filter(currency=currency)
    wrong = []
    for i, row in enumerate(found.iter_rows(named=True), 1):
        told = f"measure {i} ({row['measure']!r})"
        for name, (low, middle, high) in ranges.items():
            three = [row[low], row[middle], row[high]]
            if any(v is None or not math.isfinite(v) for v in three) or not three[0] <= three[1] <= three[2]:
                wrong.append(f"{told}: {name} is {three}, which is no range low <= value <= high")
            elif three[0] < 0 or (name in ("saving", "rebound") and three[2] > 1):
                wrong.append(f"{told}: {name} is {three}, beyond {'0 to 1' if name != 'cost' else '0'}")
        if not (row["cost_m2"] or 0) > 0 or not (row["life_years"] or 0) > 0:
            wrong.append(f"{told}: cost_m2 and life_years must be above zero")
        if not row["source"]:
            wrong.append(f"{told} has no source")
        for carrier in [*(row["saves"] or "").split("|"), *([row["adds"]] if row["adds"] else [])]:
            if carrier not in CARRIERS:
                raise suggest(carrier, CARRIERS, what="carrier", see="citylab.carbon.buildings.CARRIERS")
    twice = found.filter(pl.struct("measure", "currency").is_duplicated())
    if twice.height:
        wrong.append(f"{twice['measure'][0]!r} stands twice in {twice['currency'][0]}")
    if wrong:
        raise DataError("The table of measures cannot be used: " + "; ".join(wrong[: sheets.SHOWN_ERRORS]) + ".")
    if not found.height:
        raise DataError("The table of measures has no rows.")
    return found


@dataclass(frozen=True, slots=True)
class Screening:
    """What each measure would save at each building, and what it would cost.

    Attributes
    ----------
    rows
        One row per building and measure, cheapest tonne first: ``building_id``, ``building_type``, ``measure``,
        ``currency``, ``cost``, ``energy_saved_kwh_yr``, ``co2e_saved_t_yr``, ``abatement_cost``, each with
        ``lower``/``upper`` where it is uncertain, ``life_years``, ``mark``, ``reason`` (``no_saving`` where the measure
        saves nothing: never chosen; ``may_not_save`` where the interval reaches zero).
    level, draws, seed
        Of the intervals.
    rate
        Real discount rate of the cost per tonne [1/year].
    assumptions
        What was taken for granted.
    """

    rows: DataFrame
    level: float
    draws: int
    seed: int
    rate: float
    assumptions: tuple[str, ...]
    _energy: Floats = field(repr=False)
    _area: Floats = field(repr=False)
    _ids: tuple[Any, ...] = field(repr=False)
    _measures: DataFrame = field(repr=False)
    _factors: Floats = field(repr=False)
    _drawn: dict[str, dict[str, Floats]] = field(repr=False)

    def tidy(self) -> DataFrame:
        """Return the rows."""
        return self.rows

    def totals(self, chosen: DataFrame) -> dict[str, Floats]:
        """Return the draws of cost and saving [t/year] of a choice: columns ``building_id`` and ``measure``.

        A measure saves more than expected at all buildings or at none, because its parameters are common to them; the
        interval of a sum is therefore wider than that of independent buildings would be.
        """
        at = {b: i for i, b in enumerate(self._ids)}
        cost, saved = np.zeros(self.draws), np.zeros(self.draws)
        for (name,), part in chosen.partition_by("measure", as_dict=True).items():
            rows = [at[b] for b in part["building_id"]]
            one = self._measures.row(by_predicate=pl.col("measure") == name, named=True)
            drawn = self._drawn[str(name)]
            energy = self._energy[rows].sum(axis=0, keepdims=True)
            saved += _saved(energy, self._factors, one, drawn)[0]
            cost += self._area[rows].sum() * drawn["cost"]
        return {"cost": cost, "co2e_saved_t_yr": saved}


def _saved(energy: Floats, factors: Floats, one: Mapping[str, Any], drawn: Mapping[str, Floats]) -> Floats:
    """Return the emissions saved [t/year], shape (buildings, draws), from energy (buildings, carriers) [kWh]."""
    saves = [CARRIERS.index(c) for c in one["saves"].split("|")]
    net = drawn["saving"] * (1 - drawn["rebound"])
    gone = energy[:, saves] @ factors[saves]
    if one["adds"]:
        gone = gone - energy[:, saves].sum(axis=1, keepdims=True) * (
            factors[CARRIERS.index(one["adds"])] * drawn["added"]
        )
    result: Floats = gone * net * unit_factor("kg", "t")
    return result


def _draw(rng: np.random.Generator, low: float, middle: float, high: float, size: int) -> Floats:
    return np.full(size, middle) if low == high else rng.triangular(low, middle, high, size)


def screen(
    frame: DataFrame | LazyFrame, factors: DataFrame | LazyFrame, *, table: DataFrame | LazyFrame | None = None,
    currency: str | None = None, by: str = "building_id", area: str = "floor_area_m2", rate: float | None = None,
    level: float = 0.95, draws: int = DRAWS, seed: int = 0,
) -> Screening:  # fmt: skip
    """Return what each retrofit measure saves and costs at each building, cheapest tonne first.

    Parameters
    ----------
    frame
        One building (or group of buildings) a row, one year: energy by carrier [kWh] and floor area [m²]. A carrier
        without a column is not used; an empty cell counts as none and is told in the assumptions.
    factors
        ``carrier``, ``factor_kgco2e_kwh``, ``low``, ``high``: see :func:`carrier_factors`.
    table, currency
        Measures, see :func:`measures`; all must be in one currency.
    by, area
        Columns of the key and of the floor area.
    rate
        Real discount rate [1/year]; default: the declared one.
    level, draws, seed
        Level of the intervals, number of draws, seed.

    Returns
    -------
    Screening

    Raises
    ------
    DataError
        A building twice, no area, measures in several currencies, a carrier with energy but no factor.

    Notes
    -----
    Saved = sum over the carriers that the measure saves of energy · factor · share saved · (1 - rebound), less what the
    measure adds. Cost = area · cost per area. Cost per tonne = cost · annuity / saved a year; savings of bills are not
    deducted. Parameters are drawn from triangles between low and high, once for a measure and all its buildings,
    factors from triangles where they have bounds. Electricity saved or added counts at the average factor given.

    Examples
    --------
    >>> rows = pl.DataFrame({"building_id": ["A"], "floor_area_m2": [1000.0], "gas_kwh": [200_000.0]})
    >>> found = screen(rows, carrier_factors("Seattle", 2016), currency="USD")
    >>> found.rows.filter(measure="envelope").select(pl.col("cost", "co2e_saved_t_yr").round(2)).row(0)
    (150000.0, 7.7)
    """
    bootstrap.need_draws(draws, level)
    lf = _lazy(frame)
    carriers = [c for c in CARRIERS if f"{c}_kwh" in lf.collect_schema()]
    if not carriers:
        names = ", ".join(f"{c}_kwh" for c in CARRIERS)
        raise SchemaError(f"screen needs energy by carrier; the frame has none of {names}.")
    schema = need_columns(lf, {by: "key of the building", area: "gross floor area"}, what="screen")
    need_numbers(schema, [area, *(f"{c}_kwh" for c in carriers)], what="screen")
    found = lf.collect()
    if (twice := found.filter(pl.col(by).is_duplicated())).height:
        raise DataError(
            f"screen takes each building once; {twice[by][0]!r} stands {twice.height} times. Keep one year."
        )
    bad = found.filter(~((pl.col(area) > 0) & pl.col(area).is_finite()).fill_null(False))
    if bad.height:
        raise DataError(f"{bad.height} buildings have no floor area, the first is {bad[by][0]!r}. Drop or mend them.")
    offered = measures(table, currency=currency)
    if offered["currency"].n_unique() > 1:
        raise DataError(
            f"The measures are in {sorted(offered['currency'].unique())}; money of several currencies is not compared. "
            "Name one with currency=."
        )
    told: list[str] = ["parameters of a measure are common to all buildings", "savings of bills are not deducted"]
    energy = np.zeros((found.height, len(CARRIERS)))
    for c in carriers:
        column = found[f"{c}_kwh"].cast(pl.Float64)
        if empty := int((~column.is_finite().fill_null(False)).sum()):
            told.append(f"{c} of {empty} buildings is empty and counts as none")
        # More fed in than bought is no energy that a measure could save.
        energy[:, CARRIERS.index(c)] = np.maximum(np.nan_to_num(column.to_numpy(), posinf=0.0), 0.0)
    rng = np.random.default_rng(seed)
    middle, drawn_factors = _factor_draws(factors, energy, offered, rng, draws, told)
    real = rules()["discount_rate"] if rate is None else rate
    sizes = found[area].cast(pl.Float64).to_numpy()
    drawn: dict[str, dict[str, Floats]] = {}
    parts = []
    keep = [c for c in (by, "building_type", "building_name") if c in found.columns]
    for one in offered.iter_rows(named=True):
        name = one["measure"]
        ranges = {p: (one[f"{p}_low"], one[_MIDDLE[p]], one[f"{p}_high"]) for p in _PARAMETERS}
        drawn[name] = {p: _draw(rng, *three, draws) for p, three in ranges.items()}
        central = {p: np.array([three[1]]) for p, three in ranges.items()}
        saved = _saved(energy, middle, one, central)[:, 0]
        many = _saved(energy, drawn_factors, one, drawn[name])
        low, high = (np.ravel(v) for v in bootstrap.interval(many.T, level=level))
        per_year = annuity(real, one["life_years"])
        central_cost = sizes * one["cost_m2"]
        per_t_central = np.where(saved > 0, central_cost * per_year / np.where(saved > 0, saved, 1.0), np.nan)
        spent = sizes[:, None] * drawn[name]["cost"] * per_year
        with np.errstate(divide="ignore"):
            per_t = np.where(many > 0, spent / np.where(many > 0, many, 1.0), np.inf)
        cheap, dear = (np.ravel(v) for v in bootstrap.interval(per_t.T, level=level))
        cost_low, cost_high = (
            float(np.ravel(v)[0]) for v in bootstrap.interval(drawn[name]["cost"][:, None], level=level)
        )
        saves = [CARRIERS.index(c) for c in one["saves"].split("|")]
        net = one["saving_share"] * (1 - one["rebound_share"]) * energy[:, saves].sum(axis=1)
        parts.append(
            found.select(keep).with_columns(
                measure=pl.lit(name), currency=pl.lit(one["currency"]),
                cost=pl.Series(central_cost), cost_lower=pl.Series(sizes * cost_low),
                cost_upper=pl.Series(sizes * cost_high),
                energy_saved_kwh_yr=pl.Series(net * (1 - (one["added_per_saved"] if one["adds"] else 0.0))),
                co2e_saved_t_yr=pl.Series(saved), co2e_saved_lower_t_yr=pl.Series(low),
                co2e_saved_upper_t_yr=pl.Series(high),
                abatement_cost=pl.Series(per_t_central),
                abatement_cost_lower=pl.Series(np.where(np.isfinite(cheap), cheap, np.nan)),
                abatement_cost_upper=pl.Series(np.where(np.isfinite(dear), dear, np.nan)),
                life_years=pl.lit(one["life_years"]), mark=pl.lit(one["mark"], dtype=pl.String),
                reason=pl.Series(_doubts(saved, low), dtype=pl.String),
            )
        )  # fmt: skip
    if "from memory" in set(offered["mark"].to_list()):
        told.append("ranges of measures from memory: replace them by your own")
    rows = pl.concat(parts).with_columns(pl.selectors.starts_with("abatement_cost").fill_nan(None))
    rows = rows.rename({by: "building_id"}).sort("abatement_cost", "building_id", "measure", nulls_last=True)
    ids = tuple(found[by].to_list())
    return Screening(
        rows, level, draws, seed, real, tuple(told), energy, sizes, ids, offered, drawn_factors, drawn
    )  # fmt: skip


def _doubts(saved: Floats, low: Floats) -> list[str | None]:
    return ["no_saving" if s <= 0 else "may_not_save" if x <= 0 else None for s, x in zip(saved, low, strict=True)]


def _factor_draws(
    factors: DataFrame | LazyFrame, energy: Floats, offered: DataFrame, rng: np.random.Generator, draws: int,
    told: list[str],
) -> tuple[Floats, Floats]:  # fmt: skip
    """Return central factors (carriers, 1) and draws (carriers, draws) [kg CO2e/kWh]."""
    lf = _lazy(factors)
    need_columns(lf, ["carrier", "factor_kgco2e_kwh"], what="screen (factors)")
    given = {r["carrier"]: r for r in lf.collect().iter_rows(named=True)}
    needed = {c for i, c in enumerate(CARRIERS) if energy[:, i].any()} | set(offered["adds"].drop_nulls()) - {""}
    middle, drawn = np.zeros((len(CARRIERS), 1)), np.zeros((len(CARRIERS), draws))
    certain = []
    for carrier in sorted(needed, key=CARRIERS.index):
        if carrier not in given or given[carrier]["factor_kgco2e_kwh"] is None:
            raise DataError(f"There is energy of {carrier!r} and no factor for it. Add a row to factors.")
        row = given[carrier]
        value, low, high = row["factor_kgco2e_kwh"], row.get("low"), row.get("high")
        if not (math.isfinite(value) and value >= 0):
            raise DataError(f"The factor of {carrier!r} is {value} kg/kWh; expected zero or more.")
        if low is None or high is None:
            low = high = value
            certain.append(carrier)
        if not 0 <= low <= value <= high:
            raise DataError(f"The factor of {carrier!r} is {value} between {low} and {high}, which is no range.")
        i = CARRIERS.index(carrier)
        middle[i], drawn[i] = value, _draw(rng, low, value, high, draws)
    if certain:
        told.append(f"factors without an interval: {', '.join(certain)}")
    return middle, drawn


# --------------------------------------------------------------------------------------------- portfolio


@dataclass(frozen=True, slots=True)
class Portfolio:
    """The measures that a budget buys.

    Attributes
    ----------
    chosen
        Rows of the options that were chosen, at most one a building.
    status
        ``"optimal"`` (proven, to ``gap``) or ``"time limit"`` (best found; ``gap`` says how far the best may be).
    budget, cost
        Money that there was, and that is spent.
    value
        Sum of the value column [its unit], central values.
    bound
        No portfolio within the budget can have more than this.
    gap
        (bound - value) / value.
    ranking_value, ranking_cost
        What following the cost per tonne would give and spend.
    lower, upper, level
        Interval of the value, from a screening's draws; ``None`` for a bare table of options.
    within_budget_share
        Share of draws in which the portfolio costs no more than the budget; ``None`` for a bare table.
    n_options
        Options looked at.
    reserved
        Shares of the budget kept for groups.
    """

    chosen: DataFrame
    status: str
    budget: float
    cost: float
    value: float
    bound: float
    gap: float
    ranking_value: float
    ranking_cost: float
    lower: float | None
    upper: float | None
    level: float | None
    within_budget_share: float | None
    n_options: int
    reserved: dict[str, float]

    def tidy(self) -> DataFrame:
        """Return one row with all but the chosen."""
        names = [n for n in self.__slots__ if n not in ("chosen", "reserved")]
        return pl.DataFrame({n: [getattr(self, n)] for n in names} | {"n_chosen": [self.chosen.height]})


@dataclass(frozen=True, slots=True)
class _Problem:
    """A multiple-choice knapsack: values and costs of options, their building, and limits on sums of costs."""

    value: Floats
    cost: Floats
    owner: npt.NDArray[np.int64]
    limits: list[tuple[npt.NDArray[np.bool_], float]]

    def fits(self, taken: Sequence[int] | npt.NDArray[np.int64]) -> bool:
        """Return whether a choice keeps all limits, its sums made without loss."""
        rows = np.asarray(taken, dtype=np.int64)
        return all(math.fsum(self.cost[rows[counts[rows]]]) <= limit * (1 + _SLACK) for counts, limit in self.limits)


def _problem(
    options: DataFrame, budget: float, cost: str, value: str, building: str, group: str, reserved: Mapping[str, float]
) -> tuple[DataFrame, _Problem]:
    """Return the options worth a look, and the problem."""
    useful = options.filter((pl.col(value) > 0) & (pl.col(cost) <= budget)).sort(cost, value, descending=[False, True])
    # Of one building, an option that costs no less and saves no more than another is never needed.
    best = pl.col(value).cum_max().over(building).shift(1).over(building)
    useful = useful.filter((pl.col(value) > best).fill_null(True))
    owner = useful[building].rank("dense").cast(pl.Int64).to_numpy() - 1
    spent, saved = (useful[c].cast(pl.Float64).to_numpy() for c in (cost, value))
    limits = [(np.ones(useful.height, dtype=bool), budget)]
    for size in range(1, len(reserved) + 1):
        for some in combinations(reserved, size):
            # What is kept for some groups is not for the others.
            outside = ~useful[group].cast(pl.String).is_in(list(some)).fill_null(False).to_numpy()
            limits.append((outside, budget * (1 - math.fsum(reserved[g] for g in some))))
    return useful, _Problem(saved, spent, owner.astype(np.int64), limits)


def _ranking(problem: _Problem) -> list[int]:
    """Return the choice of the ranking: cheapest tonne first, whatever still fits, one option a building."""
    taken: list[int] = []
    done: set[int] = set()
    money = [(c.tolist(), limit * (1 + _SLACK)) for c, limit in problem.limits]
    spent = [0.0] * len(money)
    cost, owner = problem.cost.tolist(), problem.owner.tolist()
    for i in np.lexsort((-problem.value, problem.cost / problem.value)).tolist():
        if owner[i] in done or any(c[i] and x + cost[i] > limit for x, (c, limit) in zip(spent, money, strict=True)):
            continue
        taken.append(i)
        done.add(owner[i])
        spent = [x + cost[i] if c[i] else x for x, (c, _) in zip(spent, money, strict=True)]
    while not problem.fits(taken):  # a running sum may round where the exact one does not
        taken.pop()
    return taken


def _best(problem: _Problem, time_limit_s: float, gap: float) -> tuple[list[int], float, bool]:
    """Return the best choice, a bound on the value of any, and whether it is proven best."""
    from scipy import sparse
    from scipy.optimize import Bounds, LinearConstraint, milp

    n = len(problem.value)
    if n == 0:
        return [], 0.0, True
    best = _ranking(problem)
    most = np.zeros(int(problem.owner.max()) + 1)
    np.maximum.at(most, problem.owner, problem.value)
    bound = math.fsum(most)
    scale = float(problem.value.max()) / _GREATEST
    # In units of the dearest option: measured by the budget, the costs of small ones would fall below the tolerances.
    dearest = float(problem.cost.max()) or 1.0
    money = np.array([np.where(counts, problem.cost / dearest, 0.0) for counts, _ in problem.limits])
    rows = [
        LinearConstraint(sparse.csr_array((np.ones(n), (problem.owner, np.arange(n)))), -np.inf, 1.0),
        LinearConstraint(sparse.csr_array(money), -np.inf, [limit / dearest for _, limit in problem.limits]),
    ]
    # Presolving saves a knapsack no time, and has HiGHS print lines of its own where it undoes it (SciPy 1.17).
    while True:
        result = milp(
            -problem.value / scale, constraints=rows, integrality=np.ones(n), bounds=Bounds(0, 1),
            options={"time_limit": time_limit_s, "mip_rel_gap": gap, "presolve": False},
        )  # fmt: skip
        if result.mip_dual_bound is not None and math.isfinite(result.mip_dual_bound):
            bound = min(bound, -float(result.mip_dual_bound) * scale)
        if result.x is None:
            return best, bound, False
        taken = np.flatnonzero(np.round(result.x) > 0).tolist()
        if problem.fits(taken):
            break
        # Within the solver's tolerance, but over the budget: no portfolio may hold all of these.
        cut = np.zeros((1, n))
        cut[0, taken] = 1.0
        rows.append(LinearConstraint(sparse.csr_array(cut), -np.inf, len(taken) - 1.0))
    # A search that ended at its time limit may have found less than the ranking.
    best = max([taken, best], key=lambda choice: math.fsum(problem.value[choice]))
    return best, bound, bool(result.status == 0)


def portfolio(
    options: Screening | DataFrame | LazyFrame, budget: float, *, cost: str = "cost", value: str = "co2e_saved_t_yr",
    building: str = "building_id", reserved: Mapping[str, float] | None = None, group: str = "building_type",
    time_limit_s: float = TIME_LIMIT_S, gap: float = 0.0,
) -> Portfolio:  # fmt: skip
    """Return the options that save most within a budget, at most one a building, proven best.

    Parameters
    ----------
    options
        A screening, or a table with one option a row.
    budget
        Money there is, in the currency of the options.
    cost, value, building
        Columns of the cost, of what is to be made as large as possible, and of what may take one option only.
    reserved
        Shares of the budget kept for groups: ``{"K-12 School": 0.2}``. The others then share the rest; a group may get
        more than is kept for it, and what it cannot use is not spent.
    group
        Column of the groups.
    time_limit_s
        Seconds after which the best choice so far is given, with its gap.
    gap
        Relative gap at which the search may end; 0 asks for proof.

    Returns
    -------
    Portfolio

    Raises
    ------
    RangeError
        A budget that is not above zero, shares beyond 0 to 1 or adding up to more than 1.
    DataError
        Negative or missing costs, options in several currencies, no option that saves anything.
    UnknownNameError
        A reserved group that there is not.

    Notes
    -----
    A multiple-choice knapsack, solved by HiGHS through SciPy, without a gap unless one is allowed: thousands of
    buildings take seconds to a minute to the proof, and far less with ``gap=1e-4``. A choice that the solver's
    tolerance lets through but that costs more than the budget is cut off and the problem solved again, so that the sum
    of the costs never exceeds the budget. The value is that of central estimates; intervals come from the draws.

    Examples
    --------
    >>> saved = {"cost": [6.0, 5.0, 5.0], "co2e_saved_t_yr": [7.0, 5.0, 5.0]}
    >>> rows = pl.DataFrame({"building_id": ["A", "B", "C"], **saved})
    >>> best = portfolio(rows, 10.0)
    >>> best.value, best.ranking_value, best.status, best.gap
    (10.0, 7.0, 'optimal', 0.0)

    References
    ----------
    Kellerer, Pferschy, Pisinger (2004), Knapsack Problems, chapter 11, doi:10.1007/978-3-540-24777-7. Huangfu and Hall
    (2018), Math. Prog. Comp. 10, 119-142, doi:10.1007/s12532-017-0130-5.
    """
    table = options.rows if isinstance(options, Screening) else _lazy(options).collect()
    kept = dict(reserved or {})
    schema = need_columns(table.lazy(), [cost, value, building, *([group] if kept else [])], what="portfolio")
    need_numbers(schema, [cost, value], what="portfolio")
    if not (math.isfinite(budget) and budget > 0):
        raise RangeError(f"The budget is {budget}; expected a sum above zero.")
    bad = table.filter(~(pl.col(cost).is_finite() & (pl.col(cost) >= 0)).fill_null(False))
    if bad.height:
        raise DataError(
            f"{bad.height} options have no cost or a negative one, the first {bad[cost][0]}. Mend or drop them."
        )
    if table.filter(pl.col(value).is_nan() | pl.col(value).is_infinite()).height:
        raise DataError(f"Column {value!r} holds values that are not finite. Mend or drop these options.")
    if "currency" in schema and table["currency"].n_unique() > 1:
        raise DataError(f"The options are in {sorted(table['currency'].unique())}; a budget has one currency.")
    for name, share in kept.items():
        if name not in set(table[group].cast(pl.String).to_list()):
            raise suggest(name, table[group].unique().to_list(), what="group", see=f"the column {group!r}")
        if not 0 <= share <= 1:
            raise RangeError(f"The share kept for {name!r} is {share}; expected 0 to 1.")
    if kept and table.group_by(building).agg(pl.col(group).n_unique().alias("_n")).filter(pl.col("_n") > 1).height:
        raise DataError(
            f"A building belongs to two groups of {group!r}; money cannot be kept for both. Mend the column."
        )
    if math.fsum(kept.values()) > 1 or len(kept) > MOST_RESERVED:
        raise RangeError(
            f"Shares of {len(kept)} groups add up to {math.fsum(kept.values())}; at most 1, and {MOST_RESERVED} groups."
        )
    if not table.filter(pl.col(value) > 0).height:
        raise DataError("No option saves anything, so that there is nothing to choose.")
    useful, problem = _problem(table, budget, cost, value, building, group, kept)
    taken, bound, proven = _best(problem, time_limit_s, gap)
    worth = math.fsum(problem.value[taken])
    bound = max(bound, worth)
    left = (bound - worth) / worth if worth else 0.0
    ranked = _ranking(problem)
    chosen = useful[taken].sort(building)
    inner: dict[str, Any] = dict.fromkeys(("lower", "upper", "level", "within_budget_share"))
    if isinstance(options, Screening) and value == "co2e_saved_t_yr" and chosen.height:
        draws = options.totals(chosen)
        low, high = bootstrap.interval(draws["co2e_saved_t_yr"], level=options.level)
        inner = {"lower": float(low), "upper": float(high), "level": options.level}
        inner["within_budget_share"] = float((draws["cost"] <= budget).mean())
    return Portfolio(
        chosen, "optimal" if proven else "time limit", float(budget), math.fsum(problem.cost[taken]), worth, bound,
        left,
        math.fsum(problem.value[ranked]), math.fsum(problem.cost[ranked]), n_options=table.height, reserved=kept,
        **inner,
    )  # fmt: skip


def cost_curve(options: Screening | DataFrame | LazyFrame, budgets: Sequence[float], **choices: Any) -> DataFrame:
    """Return what each of several budgets saves, by the best portfolio and by the ranking.

    Parameters
    ----------
    options, choices
        As in :func:`portfolio`.
    budgets
        Budgets, in the currency of the options.

    Returns
    -------
    polars.DataFrame
        One row per budget: ``budget``, ``cost``, ``co2e_saved_t_yr`` with bounds and ``level``, ``ranking_t_yr``,
        ``gap``, ``status``, ``n_chosen``.

    Examples
    --------
    >>> saved = {"cost": [6.0, 5.0, 5.0], "co2e_saved_t_yr": [7.0, 5.0, 5.0]}
    >>> rows = pl.DataFrame({"building_id": ["A", "B", "C"], **saved})
    >>> cost_curve(rows, [6.0, 10.0])["co2e_saved_t_yr"].to_list()
    [7.0, 10.0]
    """
    found = [portfolio(options, b, **choices) for b in sorted(budgets)]
    if not found:
        raise RangeError("No budget was given; name at least one.")
    names = {
        "budget": "budget", "cost": "cost", "value": "co2e_saved_t_yr", "lower": "co2e_saved_lower_t_yr",
        "upper": "co2e_saved_upper_t_yr", "level": "level", "ranking_value": "ranking_t_yr", "gap": "gap",
        "status": "status", "n_chosen": "n_chosen",
    }  # fmt: skip
    rows = pl.concat([p.tidy().cast(dict.fromkeys(["lower", "upper", "level"], pl.Float64)) for p in found])
    return rows.select(list(names)).rename(names)
