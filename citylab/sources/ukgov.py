"""UK Government: greenhouse-gas conversion factors for company reporting, one flat file a year.

References
----------
Department for Energy Security and Net Zero (before 2023: BEIS) with Defra. Greenhouse gas reporting: conversion
factors, 2018 to 2023, https://www.gov.uk/government/collections/government-conversion-factors-for-company-reporting.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from citylab import tables
from citylab.errors import DataError
from citylab.sources.measurements import must_touch

GROUPS = ("Fuels", "UK electricity", "Heat and steam", "Transmission and distribution", "Business travel- land")
"""Groups that are kept: what a city burns and buys, and travel on land by vehicle and by passenger."""
GASES = {
    "CO2e": "co2e_kg_per_unit",
    "CO2": "co2_kg_per_unit",
    "CH4": "ch4_co2e_kg_per_unit",
    "N2O": "n2o_co2e_kg_per_unit",
}
UNITS = {
    "kWh": "kWh", "kWh (Gross CV)": "kWh", "kWh (Net CV)": "kWh", "kilowatt hour": "kWh",
    "tonnes": "t", "tonne": "t", "litres": "L", "litre": "L", "cubic metres": "m³", "cubic metre": "m³",
    "km": "km", "kilometre": "km", "passenger.km": "pkm",
}  # fmt: skip
"""The publisher's spellings, which change in 2022, and ours. Rows per mile repeat those per kilometre: left out."""
MILES = ("miles", "mile")
ZEROS_YEAR = 2018
ZEROS_FOR_MISSING = (("MPV", "Plug-in Hybrid Electric Vehicle"), ("Executive", "Battery Electric Vehicle"))
_FACTOR = re.compile(r"GHG Conversion Factor (\d{4})")
_KEPT = {"Level 1": "activity_group", "Level 2": "activity_type", "Level 3": "activity_item"}
_FUELS = "Fuels"


def parse_factors(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read the factors of :data:`GROUPS` for each year, all gases beside each other.

    The gases of the files are CO2 equivalents already: they add up to the total, and must not be multiplied by a
    warming potential again. Heat is gross or net (``heat_basis``): older files say it with the unit, newer ones apart.

    Parameters
    ----------
    paths
        One file a year.

    Returns
    -------
    polars.LazyFrame
        One row per year, activity, unit and heat basis [kg CO2e per ``activity_unit``], with ``gwp_set``, the set of
        warming potentials that the file of the year itself states for methane and nitrous oxide.

    Raises
    ------
    DataError
        A file has no column of factors, a unit that is not known, or warming potentials of no declared set.
    """
    return repair_zeros_for_missing(pl.concat([_one(path) for path in paths])).lazy()


def repair_zeros_for_missing(factors: pl.DataFrame) -> pl.DataFrame:
    """Return the factors without two zeros that stand for a missing value.

    Publisher: UK Government. Period: 2018. Evidence: a plug-in hybrid (MPV) and a battery car (Executive) have a total
    of 0 per kilometre and no gases at all, while like cars of that year have more and these two have factors in later
    years. They become null; no other row has a total without its gases.

    Raises
    ------
    DataError
        2018 is among the years and other rows than these two have a total without gases.
    """
    gases = [c for c in GASES.values() if c != GASES["CO2e"]]
    bare = pl.all_horizontal(pl.col(gases).is_null()) & (pl.col(GASES["CO2e"]) == 0)
    expected = len(ZEROS_FOR_MISSING) if ZEROS_YEAR in factors["year"] else 0
    found = factors.filter(bare)
    must_touch(found.height, expected, repair="repair_zeros_for_missing", what="zeros without gases")
    if set(found.select("activity_item", "activity_variant").iter_rows()) - set(ZEROS_FOR_MISSING):
        raise DataError(f"repair_zeros_for_missing found {found.rows()}, which are not the rows of its evidence.")
    return factors.with_columns(pl.when(~bare).then(pl.col(GASES["CO2e"])).alias(GASES["CO2e"]))


def _one(path: Path) -> pl.DataFrame:
    raw = pl.read_csv(path, infer_schema=False)
    years = [int(found[1]) for c in raw.columns if (found := _FACTOR.fullmatch(c))]
    if len(years) != 1:
        raise DataError(f"{path.name} has the columns {raw.columns}; expected one 'GHG Conversion Factor <year>'.")
    (year,) = years
    unit, variant = pl.col("UOM").str.strip_chars(), pl.col("Column Text").str.strip_chars()
    kept = raw.filter(pl.col("Level 1").is_in(GROUPS), ~unit.is_in(MILES))
    if unknown := set(kept.select(unit)["UOM"]) - set(UNITS):
        raise DataError(f"{path.name} has the units {sorted(unknown)}, which are not in ukgov.UNITS. Add them there.")
    is_fuel = pl.col("Level 1") == _FUELS
    heat = pl.concat_str(unit, pl.when(is_fuel).then(variant), separator=" ", ignore_nulls=True)
    rows = kept.select(
        pl.lit(year, pl.Int64).alias("year"),
        *(pl.col(theirs).str.strip_chars().alias(ours) for theirs, ours in _KEPT.items()),
        pl.when(~is_fuel).then(variant).alias("activity_variant"),
        unit.replace_strict(UNITS, return_dtype=pl.String).alias("activity_unit"),
        heat.str.extract(r"(Gross|Net) CV").str.to_lowercase().alias("heat_basis"),
        pl.col("emission_target_formula").replace_strict(GASES, return_dtype=pl.String).alias("gas"),
        pl.col(f"GHG Conversion Factor {year}").cast(pl.Float64).alias("value"),
    )
    keys = [c for c in rows.columns if c not in {"gas", "value"}]
    # item() refuses two factors for one activity, unit and gas.
    wide = rows.group_by(keys).agg(
        pl.col("value").filter(pl.col("gas") == ours).item(allow_empty=True).alias(ours) for ours in GASES.values()
    )
    return wide.with_columns(pl.lit(_gwp_set(raw, year, path)).alias("gwp_set"))


def _gwp_set(raw: pl.DataFrame, year: int, path: Path) -> str:
    """Return the declared set with the warming potentials that the file states for a kilogram of CH4 and of N2O."""
    gases = {"Methane": "CH4", "Nitrous oxide": "N2O"}
    stated = raw.filter(pl.col("Level 1") == "Refrigerant & other", pl.col("Level 3").is_in(list(gases))).select(
        pl.col("Level 3").replace(gases).alias("gas"),
        pl.col(f"GHG Conversion Factor {year}").cast(pl.Float64).alias("value"),
    )
    said = set(stated.unique().iter_rows())
    declared = tables.read("carbon_gwp")
    for name in declared["edition"].unique(maintain_order=True):
        if said and said <= set(declared.filter(edition=name).select("gas", "value").iter_rows()):
            return str(name)
    raise DataError(
        f"{path.name} states the warming potentials {sorted(said)}: no set of the table carbon_gwp has them."
    )
