"""Beijing Transport Institute (北京交通发展研究院): mode shares and commuting, by press reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from citylab import tables
from citylab.errors import DataError

STATED, DERIVED = "stated", "derived: "


def parse_facts(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read mode shares of 2019 and 2020, carriers' totals of 2020 and commuting in 2021 and 2022.

    What the reports do not state is not filled: the shares of cars and taxis are missing, and 100 % less the green
    share is all else together.

    Returns
    -------
    polars.LazyFrame
        One row per indicator and year, in the unit of its row (shares 0 to 1, counts in full), with the basis to which
        it refers, whether it was derived, and the grade of its source. Names, labels and units are those of the
        declared tables ``travel_indicators`` and ``travel_sources``.

    Raises
    ------
    DataError
        An indicator, unit, source or kind of statement that is not declared.
    """
    (path,) = paths
    raw = pl.read_csv(path).rename({"indicator": "indicator_at_source", "unit": "unit_at_source"})
    codes, sources = tables.read("travel_indicators"), tables.read("travel_sources")
    found = raw.join(codes, on=["indicator_at_source", "unit_at_source"], how="left", validate="m:1").join(
        sources.rename({"source": "source_said"}),
        left_on="source", right_on="source_at_source", how="left", validate="m:1",
    )  # fmt: skip
    unknown = found.filter(pl.col("indicator").is_null() | pl.col("source_said").is_null())
    if unknown.height:
        first = unknown.row(0, named=True)
        raise DataError(
            f"{path.name}: {first['indicator_at_source']!r} in {first['unit_at_source']!r} of {first['source']!r} is "
            "not declared; add it to codes/travel_indicators.csv or codes/travel_sources.csv."
        )
    kind = pl.col("stated_or_derived")
    if odd := found.filter(~(kind.str.starts_with(STATED) | kind.str.starts_with(DERIVED)))[
        "stated_or_derived"
    ].to_list():
        raise DataError(f"{path.name}: {odd[0]!r} says neither 'stated' nor 'derived: ...'. Correct the row.")
    return found.lazy().select(
        "indicator", "indicator_label_zh", "indicator_label_en",
        pl.col("year").cast(pl.Int64),
        (pl.col("value") * pl.col("factor")).round(6).alias("value"),
        "unit", "basis",
        kind.str.starts_with(DERIVED).alias("is_derived"),
        pl.col("grade").alias("source_grade"),
        pl.col("source_said").alias("source"),
        kind.str.strip_prefix(DERIVED).str.extract(r"^stated \((.+)\)$|^(20.+)$", 0)
        .str.replace(r"^stated \((.+)\)$", "$1").alias("note"),
    )  # fmt: skip
