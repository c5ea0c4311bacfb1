"""C40 Cities: greenhouse-gas inventories of member cities by the rows of the GPC, and the public schema of those rows.

References
----------
C40 Cities Climate Leadership Group. GHG Interactive Dashboard Data, version 30.05.2023.
GHG Protocol. Global Protocol for Community-Scale Greenhouse Gas Inventories, version 1.1 (2021).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from citylab import tables
from citylab.errors import DataError

REFERENCE = re.compile(r"(I{1,3}|IV|VI?)\.\d(\.\d)?")
"""Headings that are reference numbers of the GPC; the publisher's derived totals have words in theirs."""
SLIPS = {"I.6.3": "I.63"}
"""Reference numbers that the schema's file writes otherwise."""
_ABOUT = {
    "City": "city_name_en",
    "Country": "country_name_en",
    "Boundary": "boundary_at_source",
    "Level": "reporting_level",
}
_SPACES = r"\s+"
_EMPTY = ("", "0")


def parse_inventories(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read what each city states for each GPC row: a mass, a notation key or nothing.

    The years are calendar years as the publisher assigned them; some inventories run from July to June. The table
    ``c40_notation`` tells the spellings of the keys (``NO; IE``, ``IE (II.1.1)``, a trailing blank). 95 rows of the
    file are empty and left out.

    Returns
    -------
    polars.LazyFrame
        One row per city, year and GPC row [t CO2e]: ``ghg_co2e_t`` or ``notation_key`` is given, or neither where the
        cell is empty. The publisher's derived totals are left out; V.2 (land) is negative where it is a sink.

    Raises
    ------
    DataError
        A cell holds neither a number nor a known key.
    """
    (path,) = paths
    raw = pl.scan_csv(path, infer_schema=False)
    refs = [c for c in raw.collect_schema().names() if REFERENCE.fullmatch(c)]
    notation = tables.read("c40_notation")
    keys = dict(zip(notation["notation_at_source"], notation["notation_key"], strict=True))
    cell = pl.col("cell").str.strip_chars()
    number = cell.cast(pl.Float64, strict=False)
    known = cell.replace_strict(keys, default=None, return_dtype=pl.String)
    rows = (
        raw.filter(pl.col("City").str.strip_chars() != "")
        .select(
            *(
                pl.col(theirs).str.replace_all(_SPACES, " ").str.strip_chars().replace(_EMPTY, None).alias(ours)
                for theirs, ours in _ABOUT.items()
            ),
            pl.col("Year_calendar").cast(pl.Float64).cast(pl.Int64).alias("year"),
            *refs,
        )
        .unpivot(
            on=refs, index=[*_ABOUT.values(), "year"], variable_name="gpc_ref", value_name="cell",
        )
        .with_columns(number.alias("ghg_co2e_t"), known.alias("notation_key"), cell.alias("cell"))
    )  # fmt: skip

    def checked(frame: pl.DataFrame) -> pl.DataFrame:
        odd = frame.filter(pl.col("cell") != "", pl.col("ghg_co2e_t").is_null(), pl.col("notation_key").is_null())
        if odd.height:
            raise DataError(
                f"{path.name}: {odd.height} cells hold neither a mass nor a known key, the first is {odd['cell'][0]!r} "
                f"in {odd['gpc_ref'][0]} of {odd['city_name_en'][0]} {odd['year'][0]}. Add it to c40_notation.csv."
            )
        return frame.drop("cell")

    schema = rows.collect_schema()
    del schema["cell"]
    return rows.map_batches(checked, schema=schema)


def parse_schema(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read a public copy of the GPC 1.1 schema: which scope and reporting level each row has.

    The rows of IV, V and VI have their number one column further left than the others, and I.6.3 is written I.63.

    Returns
    -------
    polars.LazyFrame
        One row per GPC row: ``gpc_ref``, ``scope``, ``reporting_level`` (basic, basic+, territorial or other).
    """
    (path,) = paths
    ref = pl.coalesce("subcategory_refno", "subsector_refno").replace({slip: right for right, slip in SLIPS.items()})
    return pl.scan_csv(path, infer_schema=False).select(
        ref.alias("gpc_ref"), pl.col("scope").cast(pl.Int64), pl.col("reporting_level")
    )
