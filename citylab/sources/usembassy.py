"""US Department of State, Mission China: hourly PM2.5 at the embassy in Beijing (Chaoyang), April 2008 to August 2016.

One site, not the mean of the city. Stamps are Beijing time (the publisher's "LST"); whether they mark the beginning
or the end of the hour is not said in the files. The Beijing PM2.5 data of UCI (set 381) hold the same values, stamped
one hour later.

References
----------
US Department of State Air Quality Monitoring Program, Mission China, stateair.net (closed), Data Use Statement there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from citylab.errors import DataError
from citylab.sources.measurements import must_touch

STATION_ID = "usembassy"
VARIABLE_MAP = {"Date (LST)": "datetime_local", "Value": "pm25_ugm3"}
LINES_BEFORE_HEADER = 3
MISSING = -999.0
"""The publisher's number for a missing value; ``QC Name`` says ``Missing`` beside it."""
UNIT = "µg/m³"
MISSPELT_UNIT = "µg/mgł"
"""The unit as the files of 2008 and 2012 print it, a cubic metre read in the code page of another language."""
MISSPELT_ROWS = 13_871
REPEATED_HOURS = 5
MISSING_ROWS = 4_419
BELOW_ZERO_ROWS = 24


def read_hours(paths: Sequence[Path]) -> pl.DataFrame:
    """Read the yearly files as they are, in their order, numbers as numbers.

    Three lines of remarks stand before the header.

    Raises
    ------
    DataError
        A file has another site, quantity or averaging time than Beijing, PM2.5, one hour.
    """
    frames = [pl.read_csv(path, skip_rows=LINES_BEFORE_HEADER, infer_schema=False) for path in paths]
    raw = pl.concat(frames)
    kinds = raw.select("Site", "Parameter", "Duration").unique().rows()
    if kinds != [("Beijing", "PM2.5", "1 Hr")]:
        raise DataError(f"Site, parameter and duration are {kinds}; expected one hour of PM2.5 in Beijing only.")
    return raw.select(
        pl.col("Date (LST)").str.to_datetime("%Y-%m-%d %H:%M", time_unit="ms").alias("datetime_local"),
        pl.col("Value").cast(pl.Float64).alias("pm25_ugm3"),
        pl.col("Unit").alias("unit"),
        pl.col("QC Name").alias("flag"),
    ).sort("datetime_local", maintain_order=True)


def repair_unit_spelling(frame: pl.DataFrame, *, expected: int = MISSPELT_ROWS) -> pl.DataFrame:
    """Write the unit of 2008 and 2012 as it is meant.

    Publisher: Mission China. Evidence: in the files of 2008 and 2012 every row says ``µg/mgł``, in the others
    ``µg/m³``; the values continue those of the years before and after.
    """
    wrong = pl.col("unit") == MISSPELT_UNIT
    must_touch(frame.select(wrong.sum()).item(), expected, repair="repair_unit_spelling", what="units of 2008 and 2012")
    repaired = frame.with_columns(pl.when(wrong).then(pl.lit(UNIT)).otherwise("unit").alias("unit"))
    if (units := repaired["unit"].unique().to_list()) != [UNIT]:
        raise DataError(f"Units are {units}; expected {UNIT} only. The file is another edition: look at it anew.")
    return repaired


def repair_summer_time_stamps(frame: pl.DataFrame, *, expected: int = REPEATED_HOURS) -> pl.DataFrame:
    """Give the hour of 02:00 back its stamp on the days when the United States, not China, put the clock forward.

    Publisher: Mission China. Evidence: on 2009-03-08, 2010-03-14, 2011-03-13, 2014-03-09 (second Sundays of March) and
    2015-03-09 no row is stamped 02:00 and two are stamped 03:00. In autumn no hour is lacking, so the summer itself is
    not shifted. With the first of the two at 02:00, all hours of 2010-2014 equal those of the UCI set 381.
    """
    stamp = pl.col("datetime_local")
    first_of_two = stamp.is_duplicated() & stamp.is_first_distinct()
    must_touch(
        frame.select(first_of_two.sum()).item(),
        expected,
        repair="repair_summer_time_stamps",
        what="hours stamped twice",
    )
    return frame.with_columns(
        pl.when(first_of_two).then(stamp.dt.offset_by("-1h")).otherwise(stamp).alias("datetime_local")
    )


def repair_missing_code(frame: pl.DataFrame, *, expected: int = MISSING_ROWS) -> pl.DataFrame:
    """Empty the values that the publisher marks ``Missing`` and writes as -999.

    Publisher: Mission China. Evidence: -999 stands where ``QC Name`` is ``Missing`` and nowhere else.
    """
    coded = pl.col("pm25_ugm3") == MISSING
    if frame.select((coded != (pl.col("flag") == "Missing")).any()).item():
        raise DataError(
            "-999 and the mark 'Missing' do not stand in the same rows. The file is another edition: look at it anew."
        )
    must_touch(frame.select(coded.sum()).item(), expected, repair="repair_missing_code", what="values -999")
    return frame.with_columns(pl.when(~coded).then("pm25_ugm3").alias("pm25_ugm3"))


def repair_below_zero(frame: pl.DataFrame, *, expected: int = BELOW_ZERO_ROWS) -> pl.DataFrame:
    """Empty the values below zero that the publisher marks ``Valid``: 8 of 2015 (to -15), 16 of 2016 (to -4).

    Publisher: Mission China. Evidence: a concentration is not negative, and the UCI set of five cities, made from the
    same records, has no value in the hours of 2015.
    """
    below = pl.col("pm25_ugm3") < 0
    must_touch(frame.select(below.sum()).item(), expected, repair="repair_below_zero", what="values below zero")
    return frame.with_columns(pl.when(~below).then("pm25_ugm3").alias("pm25_ugm3"))


def parse_hourly(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read the yearly files into one table, with the four repairs of this module.

    Parameters
    ----------
    paths
        The CSV files 2008 to 2016.

    Returns
    -------
    polars.LazyFrame
        One row per hour: ``station_id``, ``datetime_local``, ``pm25_ugm3`` [µg/m³], empty where missing.
    """
    frame = read_hours(paths)
    for repair in (repair_unit_spelling, repair_summer_time_stamps, repair_missing_code, repair_below_zero):
        frame = repair(frame)
    return frame.lazy().select(pl.lit(STATION_ID).alias("station_id"), "datetime_local", "pm25_ugm3")
