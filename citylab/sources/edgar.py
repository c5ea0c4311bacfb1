"""EDGAR, the emissions database of the European Commission's Joint Research Centre: countries by sector, and grids.

References
----------
Crippa, M. et al. (2022). CO2 emissions of all world countries. JRC/IEA/PBL report; EDGARv7.0,
https://edgar.jrc.ec.europa.eu/dataset_ghg70.
Crippa, M. et al. (2021). EDGAR v6.0 Greenhouse Gas Emissions. European Commission, Joint Research Centre.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from citylab.errors import DataError, EngineError

if TYPE_CHECKING:
    import xarray as xr

T_PER_MT = 1e6
KG_PER_T = 1e3
TRANSPORT_ABROAD = ("AIR", "SEA")
"""Codes of international aviation and shipping, which stand in the column of countries."""
FULL_CIRCLE_DEG = 360.0
_COMMA = "_"
_FLUX_UNITS = ("kg m-2 s-1", "kg/m2/s", "kg m^-2 s^-1")
_STATED_TOTAL = re.compile(r"\s*([0-9.]+(?:[eE][+-]?[0-9]+)?) kg/year\s*")


def parse_sectors(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read greenhouse gases of countries by five sectors, in AR5 equivalents.

    Gases are fossil CO2, CH4, N2O and the fluorinated ones; land use and large fires are not held. Sectors are the
    publisher's; the table ``edgar_sectors`` names the GPC rows that they hold. In names, the publisher's underscore
    stands for a comma.

    Returns
    -------
    polars.LazyFrame
        One row per country, sector and year [t CO2e], null where the publisher has no figure (not 0). International
        aviation (``AIR``) and shipping (``SEA``) are rows too, with ``is_country`` false.
    """
    (path,) = paths
    schema = {
        "sector": pl.String, "iso_code": pl.String, "country": pl.String, "year": pl.Int64, "ghg_mtco2e": pl.Float64,
    }  # fmt: skip
    return pl.scan_csv(path, schema=schema).select(
        pl.col("iso_code").alias("country_code"),
        pl.col("country").str.replace(_COMMA, ", ", literal=True).alias("country_name_en"),
        (~pl.col("iso_code").is_in(TRANSPORT_ABROAD)).alias("is_country"),
        pl.col("sector").alias("sector_at_source"),
        "year",
        (pl.col("ghg_mtco2e") * T_PER_MT).alias("ghg_co2e_t"),
    )


def open_flux(path: Path) -> xr.Dataset:
    """Open a yearly grid of EDGAR v6 with its axes named and ordered as citylab's are.

    Parameters
    ----------
    path
        A NetCDF-4 file with one flux. The publisher's notice allows copying except for commercial purposes.

    Returns
    -------
    xarray.Dataset
        ``flux_kgm2s`` [kg m⁻² s⁻¹, the year's mean] on ``latitude_deg`` (south to north) and ``longitude_deg`` (-180 to
        180, centres of cells), with the attributes ``title`` and ``stated_total_t``: the mass of the whole globe in the
        year, as the file's own heading states it [t]. A copy that was thinned by picking cells does not add up to it.

    Raises
    ------
    EngineError
        No reader of NetCDF-4 is installed.
    DataError
        The file holds no flux or several, in another unit, or its heading states no total.
    """
    import xarray as xr

    try:
        with xr.open_dataset(path, engine="h5netcdf") as opened:
            grid = opened.load()
    except (ImportError, ValueError) as error:
        if "h5netcdf" not in str(error) and "h5py" not in str(error):
            raise
        raise EngineError(f"{path.name} is NetCDF-4, for which no reader is here. Install h5netcdf and h5py.") from None
    fluxes = [str(n) for n, v in grid.data_vars.items() if {"lat", "lon"} <= set(v.dims)]
    if len(fluxes) != 1:
        raise DataError(f"{path.name} has the gridded quantities {fluxes}; expected the one flux of an EDGAR file.")
    flux = grid[fluxes[0]]
    if (unit := flux.attrs.get("units")) not in _FLUX_UNITS:
        raise DataError(f"{path.name}: {fluxes[0]} is in {unit!r}, expected {_FLUX_UNITS[0]!r}. Convert it first.")
    said = str(flux.attrs.get(f"total_{fluxes[0]}"))
    if not (stated := _STATED_TOTAL.fullmatch(said)):
        raise DataError(f"{path.name}: the attribute total_{fluxes[0]} says {said!r}, expected a mass in kg/year.")
    half = FULL_CIRCLE_DEG / 2
    made = (
        flux.assign_coords(lon=(flux["lon"] + half) % FULL_CIRCLE_DEG - half)
        .sortby(["lat", "lon"])
        .rename({"lat": "latitude_deg", "lon": "longitude_deg"})
        .rename("flux_kgm2s")
    )
    made.attrs = {"units": _FLUX_UNITS[0]}
    for axis in ("latitude_deg", "longitude_deg"):
        made[axis].attrs = {}
    return made.to_dataset().assign_attrs(title=str(grid.attrs["title"]), stated_total_t=float(stated[1]) / KG_PER_T)
