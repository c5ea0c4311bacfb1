"""OpenStreetMap: Beijing's subway stations, as a public repository compiled them into GTFS tables.

Coordinates and ids are (c) OpenStreetMap contributors under the Open Database Licence 1.0: what is made of them keeps
the notice, and a table made of them is shared under the same licence.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from citylab import tables
from citylab.errors import DataError
from citylab.sources.measurements import must_touch

STATION, PLATFORM = 1, 0
"""``location_type`` of GTFS."""
PREFIX_DIGITS = 2
SHELLS = 2
SHARED_CODE, CHANGPING = "080005", "昌平线"
NO_CODE, NO_CODE_NAME, NO_CODE_LINE = "北宫门站", "北宫门", "4号线"


def _drop_shells(stations: pl.DataFrame, *, expected: int = SHELLS) -> pl.DataFrame:
    """Drop stations that have an id and nothing else.

    Publisher: OpenStreetMap by github:BoyInTheSun/beijing-subway-gtfs, April 2026. Evidence: relations r12154788 and
    r8302902 have neither name nor code nor coordinates.
    """
    shell = pl.all_horizontal(pl.col(c).is_null() for c in ("stop_name", "stop_code", "stop_lat", "stop_lon"))
    must_touch(stations.filter(shell).height, expected, repair="drop_shells", what="stations without name and place")
    return stations.filter(~shell)


def _repair_lines(stations: pl.DataFrame) -> pl.DataFrame:
    """Tell the lines of two stations whose code does not.

    Publisher: OpenStreetMap by github:BoyInTheSun/beijing-subway-gtfs, April 2026. Evidence: 北宫门站 has no code
    and stands, as 北宫门, on line 4 only; 朱辛庄 stands on line 8 and on the Changping line and has the code of line 8
    twice (the elder relation, r2111074, is taken for the Changping line, which came there first).
    """
    no_code = pl.col("stop_name") == NO_CODE
    twin = (pl.col("stop_code") == SHARED_CODE) & (pl.col("stop_id") == "r2111074")
    must_touch(stations.filter(no_code & pl.col("stop_code").is_null()).height, 1, repair="repair_lines", what=NO_CODE)
    must_touch(stations.filter(twin).height, 1, repair="repair_lines", what="朱辛庄 of the Changping line")
    changping = tables.read("travel_subway_lines").filter(pl.col("line_name_zh") == CHANGPING).row(0, named=True)
    line = {c: pl.when(twin).then(pl.lit(changping[c])).otherwise(c) for c in ("line_name_zh", "line_name_en")}
    english = tables.read("travel_subway_lines").filter(pl.col("line_name_zh") == NO_CODE_LINE)["line_name_en"][0]
    return stations.with_columns(**line).with_columns(
        line_name_zh=pl.when(no_code).then(pl.lit(NO_CODE_LINE)).otherwise("line_name_zh"),
        line_name_en=pl.when(no_code).then(pl.lit(english)).otherwise("line_name_en"),
        stop_name=pl.when(no_code).then(pl.lit(NO_CODE_NAME)).otherwise("stop_name"),
    )


def parse_subway_stations(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read the stations from ``stops.txt`` and ``stop_areas.txt``.

    An interchange has a row for each of its lines. Platforms and entrances are left out; the district is that of the
    station's platforms and empty where none of them tells it.

    Returns
    -------
    polars.LazyFrame
        One row per station and line: name, line, WGS-84 coordinates [°], district.

    Raises
    ------
    DataError
        A station's code begins with digits of no declared line, or its platforms lie in two districts.
    """
    stops_path, areas_path = paths
    stops = pl.read_csv(stops_path, schema_overrides={"stop_code": pl.String}, infer_schema_length=None)
    areas = pl.read_csv(areas_path, schema_overrides={"area_id": pl.String}).unique()
    district = (
        stops.filter(pl.col("location_type") == PLATFORM, pl.col("parent_station").is_not_null())
        .join(areas, on="stop_id", how="inner", validate="1:1")
        .group_by("parent_station")
        .agg(pl.col("area_id").drop_nulls().unique())
    )
    if torn := district.filter(pl.col("area_id").list.len() > 1)["parent_station"].to_list():
        raise DataError(f"{areas_path.name}: platforms of {torn[0]} lie in two districts. Decide by its coordinates.")
    stations = (
        _drop_shells(stops.filter(pl.col("location_type") == STATION))
        .with_columns(prefix_code=pl.col("stop_code").str.head(PREFIX_DIGITS))
        .join(tables.read("travel_subway_lines").drop("source", "mark"), on="prefix_code", how="left", validate="m:1")
        .join(district, left_on="stop_id", right_on="parent_station", how="left", validate="1:1")
    )
    stations = _repair_lines(stations)
    if unknown := stations.filter(pl.col("line_name_zh").is_null())["stop_code"].to_list():
        raise DataError(
            f"{stops_path.name}: code {unknown[0]} begins with digits of no known line; add them to "
            "codes/travel_subway_lines.csv."
        )
    return stations.lazy().select(
        "stop_id",
        pl.col("stop_name").alias("station_name_zh"),
        "line_name_zh",
        "line_name_en",
        pl.col("stop_lon").alias("longitude_deg"),
        pl.col("stop_lat").alias("latitude_deg"),
        pl.col("area_id").list.first().alias("adcode"),
    )
