"""Published accounts of emissions by sector and fuel: the energy that they imply, and what moved them.

CEADs publishes emissions, not the energy behind them. Energy worked back with declared factors parts a change into more
or less energy, shift between sectors and shift between fuels; with other factors the parts are others, the sum is not.
"""

from __future__ import annotations

import polars as pl

from citylab import tables
from citylab.carbon.drivers import lmdi, structure
from citylab.carbon.reconcile import source
from citylab.errors import DataError, suggest
from citylab.frames import Frame, lazily, need_columns, need_numbers

FACTORS = ("energy", "sector_share", "fuel_share", "co2_per_energy")
"""Factors whose product is the CO2 of a sector and fuel: energy of the city, part of the sector in it, part of the fuel
in the sector, CO2 per energy of the fuel."""

_KG_PER_T = 1e3


def implied_energy(frame: Frame, *, table: pl.DataFrame | None = None) -> Frame:
    """Return published emissions with the group of each fuel and the energy that the emissions imply.

    Parameters
    ----------
    frame
        ``fuel_at_source`` in CEADs' words and ``co2_t``, as in the data set ``ceads__yearly_sector_fuel_co2``.
    table
        ``fuel_at_source``, ``fuel_group`` and ``co2_kg_tj`` in place of the declared table ``carbon_ceads_energy``.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        The frame with ``fuel_group`` (``coal``, ``oil``, ``gas``, ``other_energy``, ``process``), ``co2_kg_tj`` and
        ``energy_tj``; both null where no fuel stands behind the emissions.

    Raises
    ------
    SchemaError
        A column is missing or holds no numbers.
    UnknownNameError
        On collecting: a fuel that the table does not know.

    Notes
    -----
    The factors are defaults of the IPCC, not those with which CEADs reckoned, which lie lower for coal (incomplete
    burning): energy from coal comes out too low beside the statistics of energy, and gains by gas too great.

    Examples
    --------
    >>> rows = pl.DataFrame({"fuel_at_source": ["Natural Gas", "Process"], "co2_t": [56_100.0, 5.0]})
    >>> implied_energy(rows).select("fuel_group", "energy_tj").rows()
    [('gas', 1000.0), ('process', None)]

    References
    ----------
    IPCC 2006 Guidelines for National Greenhouse Gas Inventories, Vol 2 Ch 1 table 1.4.
    Shan, Y. et al. (2018). China CO2 emission accounts 1997-2015. Scientific Data 5, 170201.
    doi:10.1038/sdata.2017.201.
    """
    lf, back = lazily(frame)
    schema = need_columns(lf, ["fuel_at_source", "co2_t"], what="implied_energy")
    need_numbers(schema, ["co2_t"], what="implied_energy")
    known = (tables.read("carbon_ceads_energy") if table is None else table).select(
        "fuel_at_source", "fuel_group", pl.col("co2_kg_tj").cast(pl.Float64)
    )
    names = known["fuel_at_source"].to_list()

    def check(fuels: pl.Series) -> pl.Series:
        for fuel in fuels.unique().to_list():
            if fuel not in names:
                raise suggest(str(fuel), names, what="fuel of CEADs", see="the table carbon_ceads_energy")
        return fuels

    told = lf.with_columns(pl.col("fuel_at_source").map_batches(check, return_dtype=pl.String())).join(
        known.lazy(), on="fuel_at_source", how="left", maintain_order="left"
    )
    return back(told.with_columns((pl.col("co2_t") * _KG_PER_T / pl.col("co2_kg_tj")).alias("energy_tj")))


def common_sectors(frame: Frame, *, table: pl.DataFrame | None = None) -> Frame:
    """Return emissions by year, common sector and group of fuels: few enough parts for a picture.

    Parameters
    ----------
    frame
        ``year``, ``sector_at_source``, ``fuel_at_source``, ``co2_t`` of one place, as in
        ``ceads__yearly_sector_fuel_co2``.
    table
        As in :func:`implied_energy`.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per ``year``, ``sector`` (of ``carbon_common_sectors``) and ``fuel_group`` with ``co2_t``, sorted; the
        sums are those of the frame.

    Raises
    ------
    SchemaError, UnknownNameError, DataError
        As :func:`implied_energy` and :func:`citylab.carbon.reconcile.source`.

    Examples
    --------
    >>> rows = pl.DataFrame({"year": [2019] * 2, "sector_at_source": ["Urban", "Rural"],
    ...                      "fuel_at_source": ["Natural Gas", "Raw Coal"], "co2_t": [3.0, 1.0]})
    >>> common_sectors(rows).rows()
    [(2019, 'buildings', 'coal', 1.0), (2019, 'buildings', 'gas', 3.0)]
    """
    lf, back = lazily(frame)
    need_columns(lf, ["year", "sector_at_source", "fuel_at_source", "co2_t"], what="common_sectors")
    rows = implied_energy(lf, table=table).collect()
    if rows.is_empty():
        raise DataError("common_sectors was given no rows. Look at the filter of place and years.")
    parts = [
        source("ceads_sector_fuel", part).frame.with_columns(fuel_group=pl.lit(group[0], pl.String))
        for group, part in rows.group_by("fuel_group")
    ]
    told = pl.concat(parts).select("year", "sector", "fuel_group", "co2_t").sort("year", "sector", "fuel_group")
    return back(told.lazy())


def energy_effects(frame: Frame, *, chained: bool = True, table: pl.DataFrame | None = None) -> Frame:
    """Return how much of a change of burnt fuels' emissions is energy, sectors, fuels and factors (additive LMDI-I).

    Parameters
    ----------
    frame
        As in :func:`common_sectors`, every sector and fuel in every year, zeros as zeros.
    chained
        As in :func:`citylab.carbon.drivers.lmdi`: year by year, or from the first to the last year only.
    table
        As in :func:`implied_energy`.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        What :func:`citylab.carbon.drivers.lmdi` gives for the factors :data:`FACTORS`. Emissions without a fuel
        (processes) are left out: their change stands beside the effects, not in them. ``co2_per_energy`` is 0 but for
        rounding, since a fuel's factor is the same in all years.

    Raises
    ------
    SchemaError, UnknownNameError, DataError
        As :func:`implied_energy` and :func:`citylab.carbon.drivers.lmdi`.

    Examples
    --------
    The same energy, all of it moved from coal to gas in equal parts of two sectors:

    >>> sectors = ["Urban", "Urban", "Rural", "Rural"]
    >>> rows = pl.DataFrame({"year": [2000] * 4 + [2010] * 4, "sector_at_source": sectors * 2,
    ...                      "fuel_at_source": ["Raw Coal", "Natural Gas"] * 4,
    ...                      "co2_t": [94.6, 56.1, 94.6, 56.1, 47.3, 84.15, 47.3, 84.15]})
    >>> energy_effects(rows).select("factor", pl.col("effect").round(2)).rows()
    [('energy', 0.0), ('sector_share', 0.0), ('fuel_share', -38.5), ('co2_per_energy', 0.0)]
    """
    lf, back = lazily(frame)
    need_columns(lf, ["year", "sector_at_source", "fuel_at_source", "co2_t"], what="energy_effects")
    burnt = implied_energy(lf, table=table).filter(pl.col("co2_kg_tj").is_not_null())
    parts = burnt.select(
        "year", pl.col("sector_at_source").alias("sector"), pl.col("fuel_at_source").alias("fuel"), "co2_t",
        "energy_tj", (pl.col("co2_kg_tj") / _KG_PER_T).alias("co2_per_energy"),
    )  # fmt: skip
    told = structure(parts, "energy_tj", levels=["sector", "fuel"]).rename({"energy_tj_total": "energy"})
    return back(lmdi(told, "co2_t", FACTORS, by=["sector", "fuel"], chained=chained))
