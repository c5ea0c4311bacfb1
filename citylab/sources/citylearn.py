"""CityLearn Challenge 2022, phase 1: a year of hours of five homes in California.

Load, photovoltaic yield, price, carbon of the grid and weather. Columns whose name holds ``_predicted_`` are the same
series shifted by 6, 12 and 24 hours, perfect forecasts that would leak the future into a model: they are not read.
The files hold no date. It is built from the order of the rows and held against the month, the hour and the weekday
that they do print; the year is that of the publisher's papers (from memory), and its weekdays fit.

References
----------
Nweye, K., Siva, S., Nagy, Z. (2022). CityLearn Challenge 2022 data set, in the repository
intelligent-environments-lab/CityLearn (MIT). Vázquez-Canteli, J. R., Kämpf, J., Henze, G., Nagy, Z. (2019). CityLearn
v1.0. BuildSys '19. doi:10.1145/3360322.3360998.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from citylab.errors import DataError

FIRST_HOUR = dt.datetime(2016, 7, 31, 23)
"""Start of the first row, which prints month 7, hour 24, weekday 7 (Sunday): hour h is read as ending at h."""
HOURS = 8760
EMPTY = ("indoor_dry_bulb_temperature", "average_unmet_cooling_setpoint_difference", "indoor_relative_humidity")
"""Columns that hold nothing in this edition."""
ZERO = ("dhw_demand", "cooling_demand", "heating_demand", "daylight_savings_status")
"""Columns that are zero throughout: heating and cooling are inside the load; summer time was not flagged."""
WEATHER = {
    "outdoor_dry_bulb_temperature": "temperature_c",
    "outdoor_relative_humidity": "relative_humidity_pct",
    "diffuse_solar_irradiance": "diffuse_irradiance_wm2",
    "direct_solar_irradiance": "direct_irradiance_wm2",
}
VARIABLE_MAP = {
    "non_shiftable_load": "load_kwh",
    "solar_generation": "pv_yield_kwh_kw",
    "electricity_pricing": "electricity_price_usd",
    "carbon_intensity": "grid_factor_kgco2_kwh",
    **WEATHER,
}
WH_PER_KWH = 1000
DECIMALS = {"load_kwh": 4, "pv_yield_kwh_kw": 5, "grid_factor_kgco2_kwh": 5}
"""Digits kept: 0.1 Wh of load, 10 mWh per W of panel and 10 mg of CO2, far below what a meter resolves."""


def parse_homes(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read the homes and what they share into one table.

    Parameters
    ----------
    paths
        The files of the homes, of the price, of the carbon intensity and of the weather, in any order; each is known by
        its columns.

    Returns
    -------
    polars.LazyFrame
        One row per home and hour: load [kWh], yield of panels [kWh per kW], price [US$/kWh], carbon of the grid
        [kg CO2/kWh], temperature [°C], relative humidity [%], irradiance [W/m²].

    Raises
    ------
    DataError
        A file is none of the four kinds, has another number of rows, prints another clock than the order gives, or
        holds values in the columns that are known to be empty or zero.
    """
    homes, shared = {}, []
    for path in paths:
        table = pl.read_csv(path)
        if table.height != HOURS:
            raise DataError(f"{path.name} holds {table.height:,} rows; a year of hours has {HOURS:,}. Fetch it anew.")
        if "non_shiftable_load" in table.columns:
            _check(table, path.name)
            homes[f"home_{path.name.split('.')[0].rsplit('_', 1)[-1]}"] = table
        else:
            known = [c for c in VARIABLE_MAP if c in table.columns]
            if not known:
                raise DataError(
                    f"{path.name} holds none of {', '.join(VARIABLE_MAP)}. Give the files of the challenge."
                )
            shared.append(table.select(known))
    stamps = pl.DataFrame({"datetime_place": _hours()})
    beside = pl.concat([stamps, *shared], how="horizontal").rename(VARIABLE_MAP, strict=False)
    of_homes = pl.concat(
        stamps.with_columns(
            pl.lit(name).alias("home_id"),
            table["non_shiftable_load"].alias("load_kwh"),
            (table["solar_generation"] / WH_PER_KWH).alias("pv_yield_kwh_kw"),
        )
        for name, table in sorted(homes.items())
    )
    whole = of_homes.lazy().join(beside.lazy(), on="datetime_place", how="left", maintain_order="left")
    return whole.select("home_id", "datetime_place", *VARIABLE_MAP.values()).with_columns(
        pl.col(name).round(digits) for name, digits in DECIMALS.items()
    )


def _hours() -> pl.Series:
    return pl.datetime_range(FIRST_HOUR, FIRST_HOUR + dt.timedelta(hours=HOURS - 1), "1h", time_unit="ms", eager=True)


def _check(table: pl.DataFrame, name: str) -> None:
    """Hold a home's printed clock against the order of its rows, and its empty columns against what is known."""
    clock = table.select("month", "hour", "day_type").with_columns(at=_hours())
    odd = clock.filter(
        (pl.col("month") != pl.col("at").dt.month())
        | (pl.col("hour") != pl.col("at").dt.hour() + 1)
        | (pl.col("day_type") != pl.col("at").dt.weekday())
    )
    if odd.height:
        raise DataError(
            f"{name} prints another clock than the order of its rows gives, first at {odd.row(0)}: the year from "
            f"{FIRST_HOUR:%Y-%m-%d %H:%M}. It is another edition: look at it anew."
        )
    filled = [c for c in EMPTY if table[c].null_count() < table.height]
    moving = [c for c in ZERO if table[c].abs().max() != 0]
    if filled or moving:
        raise DataError(
            f"{name} holds values in {', '.join(filled + moving)}, empty or zero in the edition that is known. "
            "It is another edition: look at it anew."
        )
