"""City of Seattle: yearly disclosure of the energy use of buildings of 20,000 square feet and more.

Numbers of a thousand and more carry separators inside quotes, "NULL" stands beside empty cells, and energy that nobody
submitted is written 0. Amounts come out in kWh and m²; gas, steam and electricity stay apart.

References
----------
City of Seattle, Office of Sustainability & Environment. 2016 Building Energy Benchmarking, data.seattle.gov 2bpz-gwpy.
Seattle Municipal Code 22.920 (from memory): who has to report.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from citylab import units
from citylab.carbon.buildings import eui_quantiles
from citylab.sources.measurements import must_touch

NULLS = ["", "NULL"]
AS_TEXT = {
    "OSEBuildingID": "building_id",
    "BuildingType": "building_class",
    "PrimaryPropertyType": "building_type",
    "PropertyName": "building_name",
    "Neighborhood": "neighbourhood",
    "CouncilDistrictCode": "council_district",
}
AS_INTEGER = {
    "DataYear": "year",
    "YearBuilt": "built_year",
    "NumberofBuildings": "building_count",
    "NumberofFloors": "floor_count",
    "ENERGYSTARScore": "energy_star_score",
}
AS_NUMBER = {
    "Longitude": ("longitude_deg", None),
    "Latitude": ("latitude_deg", None),
    "PropertyGFABuilding(s)": ("floor_area_m2", ("ft²", "m²")),
    "PropertyGFAParking": ("parking_area_m2", ("ft²", "m²")),
    "SiteEnergyUse(kBtu)": ("site_energy_kwh", ("kBtu", "kWh")),
    "SiteEnergyUseWN(kBtu)": ("site_energy_wn_kwh", ("kBtu", "kWh")),
    "Electricity(kWh)": ("electricity_kwh", None),
    "NaturalGas(therms)": ("gas_kwh", ("therm", "kWh")),
    "SteamUse(kBtu)": ("heat_kwh", ("kBtu", "kWh")),
    "TotalGHGEmissions": ("co2e_t", None),
}
PER_AREA = {"SiteEUI(kBtu/sf)": "site_eui_kwh_m2", "SiteEUIWN(kBtu/sf)": "site_eui_wn_kwh_m2"}
"""Column at the publisher, ours, and the change of unit."""

NO_ENERGY_ROWS, NO_NORMALISED_ROWS = 18, 29
ERAS = ((1950, "before 1950"), (1980, "1950-1979"), (2000, "1980-1999"), (None, "2000 and later"))
"""First year that is no longer of the era, and its name; citylab's choice."""
CARRIERS = ("electricity_kwh", "gas_kwh", "heat_kwh")


def read(path: Path) -> pl.DataFrame:
    """Read the file as text, with its own columns; ``NULL`` and empty cells are null."""
    return pl.read_csv(path, infer_schema_length=0, null_values=NULLS)


def number(column: str) -> pl.Expr:
    """Return a column of text with separators of thousands as numbers.

    Examples
    --------
    >>> pl.DataFrame({"kBtu": ["7,226,362.50", "82", None]}).select(number("kBtu")).to_series().to_list()
    [7226362.5, 82.0, None]
    """
    return pl.col(column).str.replace_all(",", "", literal=True).cast(pl.Float64)


def repair_no_energy(
    frame: pl.DataFrame, *, expected: int = NO_ENERGY_ROWS, expected_normalised: int = NO_NORMALISED_ROWS
) -> pl.DataFrame:
    """Empty a yearly total of 0 that says that nothing was submitted, and the intensity made of it.

    Publisher: City of Seattle, 2016. Evidence: of the 18 totals of 0, 15 are marked "Missing Data", 2 "Non-Compliant"
    and 1 "Error - Correct Default Data", and some have electricity beside them; of the 29 weather-normalised totals of
    0, 11 stand beside a total above 0.
    """
    for total, per_area, count in (
        ("site_energy_kwh", "site_eui_kwh_m2", expected),
        ("site_energy_wn_kwh", "site_eui_wn_kwh_m2", expected_normalised),
    ):
        is_zero = pl.col(total) == 0
        must_touch(frame.filter(is_zero).height, count, repair="repair_no_energy", what=f"{total} of 0")
        frame = frame.with_columns(pl.when(~is_zero).then(pl.col(c)).alias(c) for c in (total, per_area))
    return frame


def parse_buildings(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read the disclosure of 2016.

    Returns
    -------
    polars.LazyFrame
        One row per building (a campus is one): energy of the year by carrier [kWh], area [m²], emissions [t CO2e] by
        the publisher's factors, and what the publisher holds against the submission.
    """
    (path,) = paths
    per_m2 = units.factor("kBtu", "kWh") / units.factor("ft²", "m²")
    remark = pl.when(pl.col("ComplianceStatus") != "Compliant").then(pl.col("ComplianceStatus"))
    made = read(path).select(
        *(pl.col(theirs).str.strip_chars().alias(ours) for theirs, ours in AS_TEXT.items()),
        *(number(theirs).cast(pl.Int64).alias(ours) for theirs, ours in AS_INTEGER.items()),
        *(
            (number(theirs) * (units.factor(*change) if change else 1.0)).alias(ours)
            for theirs, (ours, change) in AS_NUMBER.items()
        ),
        *((number(theirs) * per_m2).alias(ours) for theirs, ours in PER_AREA.items()),
        pl.concat_str(remark, pl.col("Outlier"), separator="; ", ignore_nulls=True)
        .replace("", None)
        .alias("flag_at_source"),
        (pl.col("DefaultData") == "TRUE").alias("is_default_data"),
    )
    return repair_no_energy(made).lazy()


def _without_remark() -> pl.Expr:
    return pl.col("flag_at_source").is_null()


def building_types(inputs: Sequence[pl.LazyFrame]) -> pl.LazyFrame:
    """Add up the buildings by type, with the spread of their intensities.

    Returns
    -------
    polars.LazyFrame
        One row per type: sums over all its buildings, and quantiles of the intensity over those without a remark.
    """
    (buildings,) = inputs
    sums = ("floor_area_m2", "site_energy_kwh", *CARRIERS, "co2e_t")
    intensity = pl.col("site_eui_kwh_m2").filter(_without_remark())
    return buildings.group_by("building_type", "year").agg(
        pl.len().alias("building_count"),
        _without_remark().sum().alias("compliant_count"),
        *(pl.col(c).sum() for c in sums),
        *eui_quantiles(intensity),
    )


def building_groups(inputs: Sequence[pl.LazyFrame]) -> pl.LazyFrame:
    """Add up the buildings without a remark by type and era.

    Returns
    -------
    polars.LazyFrame
        One row per type and era, with ``building_id`` naming both: the columns that retrofit screening takes.
    """
    (buildings,) = inputs
    era = pl.lit(ERAS[-1][1])
    for end, name in reversed(ERAS[:-1]):
        era = pl.when(pl.col("built_year") < end).then(pl.lit(name)).otherwise(era)
    return (
        buildings.filter(_without_remark())
        .with_columns(era.alias("built_era"))
        .group_by("building_type", "built_era", "year")
        .agg(
            pl.len().alias("building_count"),
            *(pl.col(c).sum() for c in ("floor_area_m2", "site_energy_kwh", *CARRIERS, "co2e_t")),
        )
        .with_columns(pl.format("{}, {}", "building_type", "built_era").alias("building_id"))
    )
