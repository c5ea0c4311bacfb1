"""Compiling tables: from raw files or other data sets to canonical columns, validated."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from citylab import files
from citylab.catalog.declaration import Declaration
from citylab.catalog.fetching import raw_files, recipe
from citylab.catalog.registry import declaration, table_file
from citylab.errors import EngineError, SchemaError

if TYPE_CHECKING:
    import polars as pl


def compile_table(declared: Declaration, *, progress: bool = True) -> pl.DataFrame:
    """Run the recipe of a table and return its validated, key-sorted result.

    Raises
    ------
    SchemaError
        The recipe did not return every declared column.
    DataError
        The result contradicts the declaration; columns and rows are named.
    """
    import polars as pl

    from citylab.catalog.loading import scan
    from citylab.catalog.validation import check, check_types
    from citylab.vocabulary import column, polars_dtype

    sources = [scan(i) for i in declared.inputs] if declared.inputs else raw_files(declared, progress=progress)
    made: pl.LazyFrame = recipe(declared)(sources)
    names = [c.name for c in declared.columns]
    if missing := [n for n in names if n not in made.collect_schema().names()]:
        raise SchemaError(
            f"{declared.id}: the recipe {declared.recipe} returned no column {missing}; "
            f"it returned {made.collect_schema().names()}. Correct the recipe or the declaration."
        )
    typed = made.select(pl.col(n).cast(polars_dtype(column(n).dtype)) for n in names)
    try:
        frame = typed.collect(engine="streaming").sort(declared.key)
    except pl.exceptions.InvalidOperationError:
        check_types(declared, made.collect())
        raise
    check(declared, frame)
    return frame


def build(dataset: str, *, to: Path | None = None, progress: bool = True) -> Path:
    """Compile an embedded data set from its sources again and write its table.

    Parameters
    ----------
    dataset
        Id of an embedded data set.
    to
        Folder for the table; default: the data set's own folder under ``datasets/``.
    progress
        Show a progress bar while downloading sources.

    Returns
    -------
    pathlib.Path
        The written table. Rows are sorted by the key, so equal content compares equal; Parquet bytes may differ
        between versions of Polars.

    Raises
    ------
    EngineError
        The data set is remote (use ``fetch``) or authored by hand (nothing to compile).
    """
    declared = declaration(dataset)
    if declared.storage == "remote":
        raise EngineError(f"{dataset} is remote: it is fetched, not built. Run `citylab fetch {dataset}`.")
    if declared.recipe == "authored":
        raise EngineError(f"{dataset} is written by hand in {declared.table}. Run `citylab validate {dataset}`.")
    frame = compile_table(declared, progress=progress)
    own = table_file(declared)
    target = own if to is None else to / own.name
    with files.written_whole(target) as part:
        if target.suffix == ".csv":
            frame.write_csv(part)
        else:
            frame.write_parquet(part, compression="zstd", compression_level=19, statistics=True)
    return target
