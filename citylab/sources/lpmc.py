"""London Passenger Mode Choice (LPMC): trips of London's travel survey with what every mode would have taken.

The copy that could be had is the third survey year (April 2014 to March 2015). Codes and dummies become words, hours
stay hours, metres become kilometres. The distance is a straight line and so is not ``distance_km``; times and costs of
all four modes come from a directions service and fare tables, not from the respondents.

References
----------
Hillel, T., Elshafie, M. Z. E. B. & Jin, Y. (2018). Recreating passenger mode choice-sets for transport simulation: a
case study of London, UK. ICE Smart Infrastructure and Construction 171(1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from citylab.errors import DataError

MODES = {0: "walk", 1: "cycle", 2: "transit", 3: "car"}
CAR_OWNERSHIP = {0: "none", 1: "less than one per adult", 2: "one or more per adult"}
"""Meaning of the codes: from memory of the authors' description."""
PURPOSES = {
    "purpose_B": "business",
    "purpose_HBE": "education",
    "purpose_HBO": "other",
    "purpose_HBW": "work",
    "purpose_NHBO": "not from home",
}
FUELS = {
    "fueltype_Average": "average",
    "fueltype_Diesel": "diesel",
    "fueltype_Hybrid": "hybrid",
    "fueltype_Petrol": "petrol",
}
AS_NUMBER = {
    "start_time_linear": "start_hour",
    "age": "age_years",
    "day_of_week": "weekday",
    "dur_walking": "dur_walk_h",
    "dur_cycling": "dur_cycle_h",
    "dur_pt_access": "dur_transit_access_h",
    "dur_pt_rail": "dur_transit_rail_h",
    "dur_pt_bus": "dur_transit_bus_h",
    "dur_pt_int_waiting": "dur_transit_wait_h",
    "dur_pt_int_walking": "dur_transit_interchange_h",
    "pt_n_interchanges": "interchange_count",
    "dur_driving": "dur_car_h",
    "cost_transit": "cost_transit_gbp",
    "cost_driving_total": "cost_car_gbp",
}
AS_FLAG = {"female": "is_female", "driving_license": "has_licence"}
TRANSIT_PARTS = tuple(ours for ours in AS_NUMBER.values() if ours.startswith("dur_transit_"))
M_PER_KM = 1000
BANDS_KM = ((1.0, "0-1"), (2.0, "1-2"), (5.0, "2-5"), (10.0, "5-10"), (None, "10+"))
"""First kilometre that no longer belongs to the band, and its name; citylab's choice."""
CELL = ("mode", "distance_band", "purpose", "car_ownership")
MEANS = ("straight_distance_km", "dur_walk_h", "dur_cycle_h", "dur_transit_h", "dur_car_h", "cost_transit_gbp",
         "cost_car_gbp", "age_years")  # fmt: skip


def _word(dummies: Mapping[str, str]) -> pl.Expr:
    """Return the word of the one dummy of a group that is 1."""
    return pl.coalesce(pl.when(pl.col(theirs) == 1).then(pl.lit(ours)) for theirs, ours in dummies.items())


def parse_trips(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read the trips of the third survey year.

    Returns
    -------
    polars.LazyFrame
        One row per trip, ``trip_id`` being its line in the file: the mode taken, the straight distance [km],
        door-to-door times by each mode [h], costs of public transport and of driving [GBP], and who travelled. Trips of
        one household are not independent: cluster by ``household_id``.

    Raises
    ------
    DataError
        A trip has no purpose or fuel, or several: another edition of the file.
    """
    (path,) = paths
    raw = pl.read_csv(path, schema_overrides={"household_id": pl.String})
    for group in (PURPOSES, FUELS):
        odd = raw.filter(pl.sum_horizontal(*group) != 1).height
        if odd:
            raise DataError(
                f"{path.name}: {odd} rows have none or several of {', '.join(group)}; expected exactly one 1 a row. "
                "Compare the file with its declared hash."
            )
    return (
        raw.lazy()
        .with_row_index("trip_id", offset=1)
        .select(
            pl.col("trip_id").cast(pl.Int64),
            "household_id",
            pl.col("travel_mode").replace_strict(MODES).alias("mode"),
            _word(PURPOSES).alias("purpose"),
            pl.col("car_ownership").replace_strict(CAR_OWNERSHIP),
            _word(FUELS).alias("car_fuel"),
            (pl.col("distance") / M_PER_KM).alias("straight_distance_km"),
            *(pl.col(theirs).alias(ours) for theirs, ours in AS_NUMBER.items()),
            *((pl.col(theirs) == 1).alias(ours) for theirs, ours in AS_FLAG.items()),
        )
        .with_columns(dur_transit_h=pl.sum_horizontal(TRANSIT_PARTS))
    )


def distance_band(distance: pl.Expr) -> pl.Expr:
    """Return the band of a distance [km]; each band holds its lower end and not its upper one.

    Examples
    --------
    >>> pl.DataFrame({"km": [0.99, 1.0, 25.0]}).select(distance_band(pl.col("km"))).to_series().to_list()
    ['0-1', '1-2', '10+']
    """
    band = pl.lit(BANDS_KM[-1][1])
    for end, name in reversed(BANDS_KM[:-1]):
        band = pl.when(distance < end).then(pl.lit(name)).otherwise(band)
    return band


def trip_groups(inputs: Sequence[pl.LazyFrame]) -> pl.LazyFrame:
    """Count the trips by mode taken, distance band, purpose and car ownership, with means of what each mode would take.

    Returns
    -------
    polars.LazyFrame
        One row per cell that has a trip: number of trips and households, and unweighted means. The survey's weights are
        not in the file: shares are those of the sample.
    """
    (trips,) = inputs
    return (
        trips.with_columns(distance_band(pl.col("straight_distance_km")).alias("distance_band"))
        .group_by(CELL)
        .agg(
            pl.len().alias("trip_count"),
            pl.col("household_id").n_unique().alias("household_count"),
            *(pl.col(c).mean() for c in MEANS),
        )
    )
