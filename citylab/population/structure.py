"""Structure of residents as far as published: counts by district, density, age groups, dependency ratios.

The functions take what a census publishes (data sets ``nbs__census_county_structure``,
``nbs__census_district_structure``, ``bjstats__census_district_population``) and compute ratios of it; nothing is
estimated, so nothing has an interval.
"""

from __future__ import annotations

import polars as pl

from citylab.errors import DataError
from citylab.frames import Frame, lazily, need_columns, need_numbers, refuse

_PCT = 100
_AGES = {
    "population_persons": "residents",
    "age_60plus_persons": "residents of 60 and over",
    "age_65plus_persons": "residents of 65 and over",
}


def district_counts(people: Frame) -> Frame:
    """Return residents by district with their share in the whole and the change since the census before.

    Parameters
    ----------
    people
        One row per district and year: ``adcode``, ``year``, ``population_persons``. All districts of a year together
        are the whole.

    Returns
    -------
    DataFrame or LazyFrame
        ``adcode``, ``year``, ``population_persons``, ``population_share`` (of the year's rows),
        ``population_change_pct`` (since the earlier year of the same district; empty in the first, and after a count of
        0). Districts must be
        those of one map: 崇文 and 宣武 were joined to 东城 and 西城 in 2010.

    Raises
    ------
    SchemaError
        A column is missing.
    DataError
        On collecting: a district stands twice in a year, or its count is empty or below 0, so that shares of the others
        would be too large.

    Examples
    --------
    >>> people = pl.DataFrame({"adcode": ["110101", "110102"] * 2, "year": [2010, 2010, 2020, 2020],
    ...                        "population_persons": [900, 1100, 600, 1400]})
    >>> district_counts(people).filter(year=2020).select("population_share", "population_change_pct").row(1)
    (0.7, 27.27272727272727)
    """
    lf, back = lazily(people)
    schema = need_columns(
        lf, {"adcode": "district", "year": "year", "population_persons": "residents"}, what="district_counts"
    )
    need_numbers(schema, ["population_persons", "year"], what="district_counts")
    once = refuse(
        pl.col("_twice"), "adcode", "year",
        message=lambda rows: f"district_counts: {rows['adcode'][0]} stands more than once in {rows['year'][0]}; "
        "expected one row per district and year. Leave towns and the city's total out.",
    )  # fmt: skip
    count = pl.col("population_persons")
    known = refuse(
        count.is_null() | ~(count.cast(pl.Float64).is_finite() & (count >= 0)), "adcode", "year", "population_persons",
        message=lambda rows: f"district_counts: {rows['adcode'][0]} has {rows['population_persons'][0]} residents in "
        f"{rows['year'][0]}; expected a count of 0 or more. Leave the year out if it is not known for all districts.",
    )  # fmt: skip
    before = count.shift(1).over("adcode")
    counted = (
        lf.with_columns(pl.struct("adcode", "year").is_duplicated().alias("_twice"))
        .filter(once)
        .filter(known)
        .sort("adcode", "year")
        .select(
            "adcode", "year", "population_persons",
            (count / count.sum().over("year")).alias("population_share"),
            pl.when(before > 0).then((count / before - 1) * _PCT).alias("population_change_pct"),
        )
    )  # fmt: skip
    return back(counted)


def density(people: Frame, areas: pl.DataFrame | pl.LazyFrame, *, area_source: str) -> Frame:
    """Return residents per square kilometre.

    Parameters
    ----------
    people
        ``adcode``, ``population_persons``; other columns are kept.
    areas
        ``adcode``, ``area_km2``, one row per place.
    area_source
        Where the areas come from. A polygon, the land survey and the built-up area differ by much; the name goes into
        every row.

    Returns
    -------
    DataFrame or LazyFrame
        With ``area_km2``, ``population_density`` and ``area_source``.

    Raises
    ------
    SchemaError
        A column is missing.
    DataError
        A place has no area or two, or (on collecting) an area of 0 or less.

    Examples
    --------
    >>> people = pl.DataFrame({"adcode": ["110101"], "population_persons": [708_829]})
    >>> areas = pl.DataFrame({"adcode": ["110101"], "area_km2": [42.0]})
    >>> density(people, areas, area_source="land survey")["population_density"].round(0).item()
    16877.0
    """
    lf, back = lazily(people)
    schema = need_columns(lf, {"adcode": "place", "population_persons": "residents"}, what="density")
    need_numbers(schema, ["population_persons"], what="density")
    flat, _ = lazily(areas)  # type: ignore[type-var]
    need_columns(flat, {"adcode": "place", "area_km2": "area"}, what="density, areas")
    known = flat.select("adcode", "area_km2").collect()
    if twice := known.filter(pl.col("adcode").is_duplicated())["adcode"].to_list():
        raise DataError(f"density: the areas have {twice[0]} twice; expected one row for each place.")
    lost = refuse(
        ~(pl.col("area_km2").is_finite() & (pl.col("area_km2") > 0)).fill_null(False), "adcode", "area_km2",
        message=lambda rows: f"density: {rows['adcode'][0]} has an area of {rows['area_km2'][0]} km²; expected one "
        "above 0. Add its row to the areas, or leave the place out.",
    )  # fmt: skip
    kept = lf.drop("area_km2", strict=False).join(known.lazy(), on="adcode", how="left", maintain_order="left")
    return back(
        kept.filter(lost).with_columns(
            (pl.col("population_persons") / pl.col("area_km2")).alias("population_density"),
            pl.lit(area_source).alias("area_source"),
        )
    )


def _children(lf: pl.LazyFrame, what: str) -> tuple[pl.LazyFrame, pl.Expr]:
    """Return the frame without contradictions between ages, and residents aged 0 to 14."""
    names = lf.collect_schema().names()
    as_share = "age_0_14_persons" not in names and "age_0_14_pct" in names
    own = "age_0_14_pct" if as_share else "age_0_14_persons"
    schema = need_columns(lf, {**_AGES, own: "residents of 0 to 14"}, what=what)
    need_numbers(schema, [*_AGES, own], what=what)
    total = pl.col("population_persons")
    young = pl.col("age_0_14_pct").cast(pl.Float64) * total / _PCT if as_share else pl.col("age_0_14_persons")
    old, older = pl.col("age_60plus_persons"), pl.col("age_65plus_persons")
    wrong = (older > old) | (young + old > total) | (pl.min_horizontal(young, older) < 0)
    ok = refuse(
        wrong, *_AGES,
        message=lambda rows: f"{what}: {rows.height} rows have ages that contradict each other, the first "
        f"{rows.row(0, named=True)}; expected 65 and over within 60 and over, and all ages within the residents.",
    )  # fmt: skip
    return lf.filter(ok), young


def age_structure(people: Frame) -> Frame:
    """Return shares of age groups.

    Parameters
    ----------
    people
        ``population_persons``, ``age_60plus_persons``, ``age_65plus_persons``, and ``age_0_14_persons`` or (rounded, as
        published by district) ``age_0_14_pct``.

    Returns
    -------
    DataFrame or LazyFrame
        With ``age_0_14_pct``, ``age_15_59_pct``, ``age_15_64_pct``, ``age_60plus_pct``, ``age_65plus_pct`` in per cent
        of the residents; empty where there are none.

    Raises
    ------
    SchemaError
        A column is missing.
    DataError
        On collecting: ages that contradict each other.

    Examples
    --------
    >>> people = pl.DataFrame({"population_persons": [1000], "age_0_14_persons": [120], "age_60plus_persons": [200],
    ...                        "age_65plus_persons": [130]})
    >>> age_structure(people).select("age_0_14_pct", "age_15_59_pct", "age_15_64_pct", "age_60plus_pct").row(0)
    (12.0, 68.0, 75.0, 20.0)
    """
    lf, back = lazily(people)
    kept, young = _children(lf, "age_structure")
    total, old, older = (pl.col(c) for c in _AGES)
    groups = {"age_0_14": young, "age_15_59": total - young - old, "age_15_64": total - young - older,
              "age_60plus": old, "age_65plus": older}  # fmt: skip
    return back(
        kept.with_columns(pl.when(total > 0).then(g / total * _PCT).alias(f"{name}_pct") for name, g in groups.items())
    )


def dependency(people: Frame) -> Frame:
    """Return dependency ratios: children and old people per 100 of 15 to 64 years.

    Parameters
    ----------
    people
        As in :func:`age_structure`.

    Returns
    -------
    DataFrame or LazyFrame
        With ``child_dependency_pct`` (0 to 14), ``old_dependency_pct`` (65 and over) and ``dependency_pct`` (both), per
        100 residents of 15 to 64; empty where nobody is of that age. They count ages, not who works.

    Raises
    ------
    SchemaError, DataError
        As in :func:`age_structure`.

    Examples
    --------
    >>> people = pl.DataFrame({"population_persons": [1000], "age_0_14_persons": [120], "age_60plus_persons": [200],
    ...                        "age_65plus_persons": [130]})
    >>> dependency(people).select("child_dependency_pct", "dependency_pct").with_columns(pl.all().round(2)).row(0)
    (16.0, 33.33)

    References
    ----------
    National Bureau of Statistics of China, China Statistical Yearbook, notes on chapter 2 (总抚养比、少儿抚养比、
    老年抚养比).
    """
    lf, back = lazily(people)
    kept, young = _children(lf, "dependency")
    older = pl.col("age_65plus_persons")
    working = pl.col("population_persons") - young - older
    ratios = {"child_dependency_pct": young, "old_dependency_pct": older, "dependency_pct": young + older}
    return back(
        kept.with_columns(pl.when(working > 0).then(g / working * _PCT).alias(name) for name, g in ratios.items())
    )
