"""What dirty air costs in lives: the Global Exposure Mortality Model (GEMM) within the range it was fitted on.

The hazard ratio is of deaths from non-communicable diseases and lower respiratory infections of adults from 25 on, by
long-term PM2.5. Baseline deaths are the user's, and carry the user's label. The interval is that of the curve (its
standard error of theta); what it leaves out is listed with every result. The constants stand in the declared table
``air_gemm``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from citylab import tables
from citylab.air.exposure import bounds_of
from citylab.errors import DataError, RangeError, SchemaError, need_level, suggest
from citylab.frames import need_columns, need_numbers

OutOfRange = Literal["flag", "null"]
Floats = npt.NDArray[np.float64]
Table = pl.DataFrame | pl.LazyFrame

ADULTS = "25+"
DEATHS = "baseline_deaths"
"""Column with deaths in a year from non-communicable diseases and lower respiratory infections."""
PER_100K = "death_rate_per_100k"
"""Column with such deaths in a year per 100,000 people of the age group."""

_PER = 100_000
"""People to whom :data:`PER_100K` refers."""

ASSUMPTIONS = (
    "PM2.5 is a long-term mean (a year or more) of outdoor air at home, one for everyone in a place and age group.",
    "Baseline deaths are of non-communicable diseases and lower respiratory infections, of adults aged 25 and over, in "
    "one year, and happened under the concentration given.",
    "The relation is causal, and all particles harm alike whatever they are made of.",
    "The cohorts, of which one is of Chinese men, speak for the people counted here.",
    "The error of theta is one and the same at all places and ages, so that bounds add up.",
)
NOT_INCLUDED = (
    "error of the baseline deaths and of the population",
    "choice of the curve (worldwide, GEMM gives 120 % more deaths in 2015 than the Global Burden of Disease's curve)",
    "counterfactual other than the one stated",
    "age-specific thetas being uncertain apart from one another",
    "lag between exposure and death",
    "exposure indoors, at work and on the way",
)


def _coefficients(table: pl.DataFrame | None) -> pl.DataFrame:
    found = tables.read("air_gemm") if table is None else table
    names = ["age_group", "theta", "theta_se", "alpha", "mu", "nu", "counterfactual", "lower", "upper"]
    need_columns(found.lazy(), names, what="The table of GEMM")
    return found


def age_groups(*, table: pl.DataFrame | None = None) -> list[str]:
    """Return the age groups for which the model has a curve.

    Examples
    --------
    >>> age_groups()[:3], age_groups()[-1]
    (['25+', '25-29', '30-34'], '80+')
    """
    return [str(a) for a in _coefficients(table)["age_group"]]


def _z_of(level: float) -> float:
    from scipy.special import ndtri

    need_level(level)
    return float(ndtri((1 + level) / 2))


def gemm_shape(pm25_ugm3: npt.ArrayLike, *, alpha: float, mu: float, nu: float, counterfactual: float) -> Floats:
    """Return the transformed concentration whose multiple by theta is the logarithm of the hazard ratio.

    Parameters
    ----------
    pm25_ugm3
        Long-term mean of PM2.5 [µg/m³].
    alpha, mu, nu
        Constants of the curve [µg/m³].
    counterfactual
        Concentration [µg/m³] at and below which the hazard ratio is 1.

    Returns
    -------
    numpy.ndarray
        ln(1 + z/alpha) / (1 + exp(-(z - mu)/nu)) with z = max(0, pm25 - counterfactual).

    Examples
    --------
    >>> gemm_shape([1.0, 2.4, 60.0], alpha=1.6, mu=15.5, nu=36.8, counterfactual=2.4).round(4).tolist()
    [0.0, 0.0, 2.7386]

    References
    ----------
    Burnett et al. (2018), Global estimates of mortality associated with long-term exposure to outdoor fine particulate
    matter, PNAS 115(38), 9592-9597. doi:10.1073/pnas.1803222115
    """
    z = np.maximum(0.0, np.asarray(pm25_ugm3, dtype=np.float64) - counterfactual)
    shape = np.log1p(z / alpha) / (1 + np.exp(-(z - mu) / nu))
    return np.asarray(shape)


def hazard_ratio(
    pm25_ugm3: float | Iterable[float | None],
    *,
    age: str | Sequence[str] = ADULTS,
    level: float = 0.95,
    table: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return hazard ratios and attributable fractions of long-term PM2.5 with their intervals.

    Parameters
    ----------
    pm25_ugm3
        Long-term means of PM2.5 [µg/m³]; ``None`` for unknown.
    age
        Age groups (:func:`age_groups`); ``"25+"`` is all adults in one curve.
    level
        Level of the interval, which comes from theta's standard error.
    table
        Coefficients in place of the declared table ``air_gemm``.

    Returns
    -------
    polars.DataFrame
        One row per concentration and age group: ``pm25_ugm3``, ``age_group``, ``hazard_ratio``,
        ``attributable_fraction`` (1 - 1/HR), both with ``_lower`` and ``_upper``, ``is_in_range`` (between the
        counterfactual and the highest concentration of the cohorts) and ``reason`` (``"above_range"``,
        ``"below_counterfactual"``, ``"no_value"``, or null).

    Raises
    ------
    UnknownNameError, DataError, RangeError
        Unknown age group; a negative or infinite concentration; a level that is none.

    Notes
    -----
    log HR = theta · ln(1 + z/alpha) / (1 + exp(-(z - mu)/nu)), z = max(0, PM2.5 - 2.4). Above the range the curve
    is still computed, and flagged: no cohort has seen such air.

    Examples
    --------
    >>> found = hazard_ratio([30.0, 60.0])
    >>> found.select(pl.col("hazard_ratio", "hazard_ratio_lower", "hazard_ratio_upper").round(3)).rows()
    [(1.273, 1.199, 1.352), (1.479, 1.343, 1.63)]

    References
    ----------
    Burnett et al. (2018), Global estimates of mortality associated with long-term exposure to outdoor fine particulate
    matter, PNAS 115(38), 9592-9597. doi:10.1073/pnas.1803222115
    """
    values = [pm25_ugm3] if isinstance(pm25_ugm3, (int, float)) else list(pm25_ugm3)
    wanted = [age] if isinstance(age, str) else list(age)
    pairs = pl.DataFrame({"pm25_ugm3": pl.Series(values, dtype=pl.Float64, strict=False)}).join(
        pl.DataFrame({"age_group": pl.Series(wanted, dtype=pl.String)}), how="cross", maintain_order="left_right"
    )
    return _hazard(pairs, "pm25_ugm3", _coefficients(table), level).select(
        "pm25_ugm3",
        "age_group",
        *(f"{what}{end}" for what in ("hazard_ratio", "attributable_fraction") for end in ("", "_lower", "_upper")),
        "is_in_range",
        "reason",
    )


def _hazard(frame: pl.DataFrame, value: str, coefficients: pl.DataFrame, level: float) -> pl.DataFrame:
    z = _z_of(level)
    known = coefficients["age_group"].to_list()
    for name in frame["age_group"].unique().to_list():
        if name not in known:
            raise suggest(str(name), known, what="age group of GEMM", see="citylab.air.health.age_groups()")
    numbers = frame[value].cast(pl.Float64).fill_nan(None)
    odd = numbers.filter((numbers < 0) | numbers.is_infinite())
    if odd.len():
        raise DataError(f"{value!r} holds {odd[0]}; expected long-term means of PM2.5 in µg/m³, 0 or more.")
    names = ["age_group", "theta", "theta_se", "alpha", "mu", "nu", "counterfactual", "lower", "upper"]
    renamed = {n: f"_{n}" for n in names if n != "age_group"}
    table = frame.with_columns(numbers.alias(value)).join(
        coefficients.select(names).rename(renamed), on="age_group", how="left", maintain_order="left"
    )
    # One set of constants at a time, so that the formula stands in one place.
    constants = ["_alpha", "_mu", "_nu", "_counterfactual"]
    shape = np.full(table.height, np.nan)
    for row in table.select(constants).unique().rows():
        here = table.select(pl.all_horizontal(pl.col(c) == v for c, v in zip(constants, row, strict=True)))
        at = here.to_series().to_numpy()
        alpha, mu, nu, counterfactual = row
        concentrations = table[value].to_numpy().astype(np.float64)[at]
        shape[at] = gemm_shape(concentrations, alpha=alpha, mu=mu, nu=nu, counterfactual=counterfactual)
    columns = {}
    for end, shift in (("", 0.0), ("_lower", -z), ("_upper", z)):
        ratio = np.exp((table["_theta"] + shift * table["_theta_se"]).to_numpy() * shape)
        columns[f"hazard_ratio{end}"] = ratio
        columns[f"attributable_fraction{end}"] = 1 - 1 / ratio
    concentration = pl.col(value)
    return table.with_columns(**{k: pl.Series(v).fill_nan(None) for k, v in columns.items()}).with_columns(
        is_in_range=concentration.is_between("_lower", "_upper"),
        reason=pl.when(concentration.is_null())
        .then(pl.lit("no_value"))
        .when(concentration > pl.col("_upper"))
        .then(pl.lit("above_range"))
        .when(concentration < pl.col("_lower"))
        .then(pl.lit("below_counterfactual")),
    )


# Deaths ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Burden:
    """Deaths attributable to PM2.5, and what must be known to read them.

    Attributes
    ----------
    by_group
        One row per place and age group: what :func:`attributable_deaths` returns of each.
    deaths, lower, upper
        Sum over the places and ages with a value, with the curve's interval [persons/year].
    exposure_lower, exposure_upper
        The sum at the exposures' bounds and the central curve; ``None`` where exposures had no interval.
    baseline_deaths
        Baseline deaths behind the sum [persons/year].
    baseline_source
        Where the baseline deaths come from, in the user's words.
    reference_ugm3
        Concentration to which deaths are compared; ``None`` for the model's counterfactual.
    level
        Level of the interval.
    n, n_out_of_range, n_missing
        Rows in the sum; those of them above the range of the cohorts; rows left out.
    edition
        Edition of the coefficients.
    assumptions, not_included
        What is taken for granted; what the interval leaves out.
    """

    by_group: pl.DataFrame = field(repr=False, compare=False)
    deaths: float
    lower: float
    upper: float
    exposure_lower: float | None
    exposure_upper: float | None
    baseline_deaths: float
    baseline_source: str
    reference_ugm3: float | None
    level: float
    n: int
    n_out_of_range: int
    n_missing: int
    edition: str
    assumptions: tuple[str, ...] = field(default=ASSUMPTIONS, repr=False)
    not_included: tuple[str, ...] = field(default=NOT_INCLUDED, repr=False)

    def tidy(self) -> pl.DataFrame:
        """Return the total as one row with its interval, method and label."""
        return pl.DataFrame(
            {
                "attributable_deaths": self.deaths,
                "attributable_deaths_lower": self.lower,
                "attributable_deaths_upper": self.upper,
                "exposure_lower": self.exposure_lower,
                "exposure_upper": self.exposure_upper,
                "baseline_deaths": self.baseline_deaths,
                "baseline_source": self.baseline_source,
                "reference_ugm3": self.reference_ugm3,
                "level": self.level,
                "n": self.n,
                "n_out_of_range": self.n_out_of_range,
                "n_missing": self.n_missing,
                "edition": self.edition,
            },
            {
                **dict.fromkeys(("attributable_deaths", "attributable_deaths_lower"), pl.Float64),
                **dict.fromkeys(("attributable_deaths_upper", "exposure_lower", "exposure_upper"), pl.Float64),
                **{"baseline_deaths": pl.Float64, "baseline_source": pl.String, "reference_ugm3": pl.Float64},
                **{"level": pl.Float64, "n": pl.Int64, "n_out_of_range": pl.Int64, "n_missing": pl.Int64},
                "edition": pl.String,
            },
        )


def attributable_deaths(
    exposure: Table,
    baseline: Table,
    *,
    baseline_source: str,
    population: Table | None = None,
    value: str = "pm25_ugm3",
    by: str | None = "adcode",
    reference_ugm3: float | None = None,
    out_of_range: OutOfRange = "flag",
    level: float = 0.95,
    table: pl.DataFrame | None = None,
) -> Burden:
    """Return the deaths in a year that would not have happened then in air as clean as the reference.

    Parameters
    ----------
    exposure
        One row per place: ``by``, ``value`` [µg/m³] and, if known, its bounds (``pm25_lower_ugm3``,
        ``pm25_upper_ugm3``).
    baseline
        One row per place and age group: ``by``, ``age_group`` and ``baseline_deaths`` [persons/year], or
        ``death_rate_per_100k`` [1/year] together with ``population`` (rates without ``by`` serve all places).
    baseline_source
        Where the baseline comes from (publisher, year), or that it is an assumption. It is shown with the result.
    population
        ``by``, ``age_group`` and ``population_persons``, for a baseline of rates.
    value
        Column with the long-term mean of PM2.5.
    by
        Column that names the place; ``None`` if there is one place only.
    reference_ugm3
        Concentration [µg/m³] to compare with, for example 5 (WHO 2021); where the air is cleaner nothing is
        gained. ``None`` compares with the model's counterfactual.
    out_of_range
        ``"flag"`` computes places above the range of the cohorts and flags them; ``"null"`` leaves them out.
    level
        Level of the interval.
    table
        Coefficients in place of the declared table ``air_gemm``.

    Returns
    -------
    Burden
        The total with its interval, assumptions and parts of uncertainty that are not in it; ``by_group`` holds one
        row per place and age group with ``attributable_deaths``, its bounds from the curve (``_lower``, ``_upper``)
        and at the exposure's bounds (``_exposure_lower``, ``_exposure_upper``), ``is_in_range`` and ``reason``.

    Raises
    ------
    SchemaError, DataError, UnknownNameError
        A column or the label is missing; a place or age group counted twice (``"25+"`` beside ``"60-64"``); an age
        group below 25; a place of the baseline without exposure.

    Notes
    -----
    Deaths = baseline · (AF(C) - AF(reference)), AF = 1 - 1/HR. The curve is concave: halving the concentration saves
    less than half, and the difference between two concentrations is taken on the curve, not along its slope.

    Examples
    --------
    >>> exposed = pl.DataFrame({"adcode": ["110101"], "pm25_ugm3": [60.0]})
    >>> deaths = pl.DataFrame({"adcode": ["110101"], "age_group": ["25+"], "baseline_deaths": [1000.0]})
    >>> burden = attributable_deaths(exposed, deaths, baseline_source="made up for this example")
    >>> round(burden.deaths), round(burden.lower), round(burden.upper), burden.n_out_of_range
    (324, 255, 387, 0)

    References
    ----------
    Burnett et al. (2018), Global estimates of mortality associated with long-term exposure to outdoor fine particulate
    matter, PNAS 115(38), 9592-9597. doi:10.1073/pnas.1803222115
    """
    what = "attributable_deaths"
    if not baseline_source.strip():
        raise DataError("baseline_source is empty. Say where the baseline deaths come from, or that they are assumed.")
    if out_of_range not in ("flag", "null"):
        raise suggest(out_of_range, ["flag", "null"], what="value of out_of_range", see="'flag' and 'null'")
    if reference_ugm3 is not None and not (np.isfinite(reference_ugm3) and reference_ugm3 >= 0):
        raise RangeError(f"reference_ugm3 is {reference_ugm3}; expected a concentration in µg/m³, 0 or more.")
    keys = [] if by is None else [by]
    coefficients = _coefficients(table)
    exposed, bounds = _exposed(exposure, value, keys, what)
    deaths = _baseline(baseline, population, keys, coefficients, what)
    on = [k for k in keys if k in deaths.columns]
    if not on and exposed.height > 1:
        raise DataError(
            f"{what} was given {exposed.height} places and deaths of no place: each would get all of them. Give deaths "
            f"by {by!r}, or rates with population=."
        )
    if on:
        lost = deaths.join(exposed, on=on, how="anti")
        if lost.height:
            raise DataError(f"{what} finds no exposure for {lost.select(on).unique().rows()[:4]!r} of the baseline.")
    rows = (
        deaths.join(exposed, on=on, how="left", maintain_order="left")
        if on
        else exposed.join(deaths, how="cross", maintain_order="left_right")
    )
    rows = _deaths(rows, value, bounds, coefficients, reference_ugm3, level)
    kept = pl.col("attributable_deaths").is_not_null()
    if out_of_range == "null":
        results = [c for c in rows.columns if c.startswith("attributable_deaths")]
        rows = rows.with_columns(pl.when(pl.col("reason").ne_missing("above_range")).then(pl.col(results)))
    told = rows.filter(kept)
    if told.is_empty():
        raise DataError(f"{what} has no place with both an exposure in range and a baseline.")
    sums = {c: float(told[c].sum()) for c in rows.columns if c.startswith("attributable_deaths")}
    edition = "+".join(coefficients["edition"].unique().sort()) if "edition" in coefficients.columns else "given"
    return Burden(
        by_group=rows,
        deaths=sums["attributable_deaths"],
        lower=sums["attributable_deaths_lower"],
        upper=sums["attributable_deaths_upper"],
        exposure_lower=sums.get("attributable_deaths_exposure_lower"),
        exposure_upper=sums.get("attributable_deaths_exposure_upper"),
        baseline_deaths=float(told[DEATHS].sum()),
        baseline_source=baseline_source.strip(),
        reference_ugm3=reference_ugm3,
        level=level,
        n=told.height,
        n_out_of_range=int((told["reason"] == "above_range").sum()),
        n_missing=rows.height - told.height,
        edition=edition,
    )


def _exposed(exposure: Table, value: str, keys: list[str], what: str) -> tuple[pl.DataFrame, list[str]]:
    lf = exposure.lazy()
    schema = need_columns(lf, {**dict.fromkeys(keys, "place"), value: "long-term mean of PM2.5"}, what=what)
    need_numbers(schema, [value], what=what)
    bounds = [c for c in bounds_of(value) if c in schema]
    bounds = bounds if len(bounds) == 2 else []
    table = lf.select(*keys, value, *bounds).collect()
    if table.height > 1 and (not keys or table.select(keys).is_duplicated().any()):
        raise DataError(
            f"{what} found several exposures for one place ({table.height} rows). Take one period, name the place "
            "with by=, or average first."
        )
    return table, bounds


def _baseline(
    baseline: Table, population: Table | None, keys: list[str], coefficients: pl.DataFrame, what: str
) -> pl.DataFrame:
    table = _counts(baseline, population, keys, what)
    on = [k for k in keys if k in table.columns]
    bad = table.filter(~(pl.col(DEATHS) >= 0) | pl.col(DEATHS).is_null() | pl.col("age_group").is_null())
    if bad.height or table.is_empty():
        raise DataError(
            f"{what} found {bad.height} rows of the baseline without deaths of 0 or more, of {table.height}."
        )
    if table.select(*on, "age_group").is_duplicated().any():
        raise DataError(f"{what} found a place and age group twice in the baseline. Keep one row of each (one year).")
    known = coefficients["age_group"].to_list()
    for name in table["age_group"].unique().to_list():
        if name not in known:
            raise suggest(str(name), known, what="age group of GEMM", see="citylab.air.health.age_groups()")
    both = (pl.col("age_group") == ADULTS).any() & (pl.col("age_group") != ADULTS).any()
    mixed = table.group_by(on).agg(both.alias("mixed")) if on else table.select(both.alias("mixed"))
    if mixed["mixed"].any():
        raise DataError(f"The baseline holds {ADULTS!r} beside narrower ages: people would be counted twice. Keep one.")
    return table


def _counts(baseline: Table, population: Table | None, keys: list[str], what: str) -> pl.DataFrame:
    """Return baseline deaths by place and age, from counts or from rates and people."""
    lf = baseline.lazy()
    schema = need_columns(lf, {"age_group": "age group"}, what=what)
    on = [k for k in keys if k in schema]
    if DEATHS in schema:
        need_numbers(schema, [DEATHS], what=what)
        return lf.select(*on, "age_group", pl.col(DEATHS).cast(pl.Float64)).collect()
    if PER_100K not in schema:
        raise SchemaError(f"{what} needs {DEATHS!r} or {PER_100K!r} in the baseline; it has {schema.names()}.")
    if population is None:
        raise SchemaError(f"{what} was given rates ({PER_100K!r}); it needs population= with the people by age.")
    need_numbers(schema, [PER_100K], what=what)
    people = population.lazy()
    columns = {**dict.fromkeys(keys, "place"), "age_group": "age group", "population_persons": "people"}
    need_columns(people, columns, what=what)
    rates = lf.select(*on, "age_group", PER_100K).collect()
    if rates.select(*on, "age_group").is_duplicated().any():
        raise DataError(f"{what} found a place and age group twice in the rates. Keep one row of each (one year).")
    joined = people.select(list(columns)).collect().join(rates, on=[*on, "age_group"], how="left")
    if joined[PER_100K].null_count():
        raise DataError(f"{what} finds no rate for {joined.filter(pl.col(PER_100K).is_null()).row(0)!r}.")
    deaths = pl.col("population_persons") * pl.col(PER_100K) / _PER
    return joined.select(*keys, "age_group", deaths.alias(DEATHS))


def _deaths(
    rows: pl.DataFrame,
    value: str,
    bounds: list[str],
    coefficients: pl.DataFrame,
    reference: float | None,
    level: float,
) -> pl.DataFrame:
    # At 0 the hazard ratio is 1 under every counterfactual.
    floor = 0.0 if reference is None else float(reference)

    def fractions(column: str, *, capped: bool) -> pl.DataFrame:
        concentration = pl.col(column).cast(pl.Float64).fill_nan(None)
        if capped:  # where the air is cleaner than the reference, nothing is gained
            lowest = pl.min_horizontal(concentration, pl.lit(floor))
            concentration = pl.when(concentration.is_not_null()).then(lowest)
        return _hazard(rows.select(concentration.alias("_c"), "age_group"), "_c", coefficients, level)

    def gained(column: str, end: str) -> pl.Series:
        name = f"attributable_fraction{end}"
        return rows[DEATHS] * (fractions(column, capped=False)[name] - fractions(column, capped=True)[name])

    found = {f"attributable_deaths{end}": gained(value, end) for end in ("", "_lower", "_upper")}
    found |= {
        f"attributable_deaths_exposure_{end}": gained(bound, "")
        for bound, end in zip(bounds, ("lower", "upper"), strict=False)
    }
    central = fractions(value, capped=False)
    return rows.with_columns(**found, is_in_range=central["is_in_range"], reason=central["reason"])
