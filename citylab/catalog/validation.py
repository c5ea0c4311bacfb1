"""Holding data against their declaration with pandera."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from citylab import vocabulary
from citylab.catalog.declaration import ColumnUse, Declaration
from citylab.catalog.registry import declaration
from citylab.errors import DataError

if TYPE_CHECKING:
    import polars as pl
    import xarray as xr

SHOWN_FAULTS = 12
"""Faults that an error message lists; the rest are counted."""


def schema(declared: Declaration) -> Any:
    """Return the pandera schema (Polars) that a declaration and the vocabulary imply."""
    import pandera.polars as pa

    columns = {c.name: _column(pa, c) for c in declared.columns}
    return pa.DataFrameSchema(columns, strict=True, ordered=True, name=declared.id)


def _column(pa: Any, use: ColumnUse) -> Any:
    known = vocabulary.column(use.name)
    checks = []
    if known.lower is not None:
        checks.append(pa.Check.ge(known.lower))
    if known.upper is not None:
        checks.append(pa.Check.le(known.upper))
    if use.allowed is not None:
        checks.append(pa.Check.isin(list(use.allowed)))
    return pa.Column(vocabulary.polars_dtype(known.dtype), checks=checks, nullable=use.nullable)


def check(declared: Declaration, frame: pl.DataFrame) -> None:
    """Raise if a table is not what its declaration says.

    Checked are: columns and their order, types, empty values, bounds of the vocabulary, allowed codes, not-a-number
    values, uniqueness of the key, the number of rows, and the stated period.

    Raises
    ------
    DataError
        With the column, the row (position and key) and the value of each fault.
    """
    import pandera.errors
    import polars as pl

    faults: list[str] = []
    try:
        schema(declared).validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        faults += _faults(declared, frame, error)
    floats = [n for n, t in frame.schema.items() if t.is_float()]
    for name in floats:
        rows = frame.select(pl.col(name).is_nan().arg_true()).to_series()
        faults += [f"column {name!r}, {_row(declared, frame, int(r))}: not a number (NaN)" for r in rows.head(3)]
    if all(k in frame.columns for k in declared.key):
        twice = frame.with_row_index("__row").filter(pl.struct(declared.key).is_duplicated())["__row"]
        if len(twice):
            first = _row(declared, frame, twice[0])
            faults.append(f"key {list(declared.key)}: {len(twice):,} rows share a key, first {first}")
    if declared.coverage.rows is not None and frame.height != declared.coverage.rows:
        faults.append(f"{frame.height:,} rows; the declaration says {declared.coverage.rows:,}")
    faults += _period_faults(declared, frame)
    if faults:
        more = f"\n  … and {len(faults) - SHOWN_FAULTS} more" if len(faults) > SHOWN_FAULTS else ""
        listed = "".join(f"\n  - {f}" for f in faults[:SHOWN_FAULTS])
        raise DataError(
            f"{declared.id} contradicts its declaration in {len(faults)} points:{listed}{more}\n"
            "Correct the data at their source or the declaration; do not use them as they are."
        )


def check_types(declared: Declaration, frame: pl.DataFrame) -> None:
    """Raise if values cannot become the declared types.

    Raises
    ------
    DataError
        With the column, the row and the value.
    """
    import polars as pl

    faults: list[str] = []
    for name in (c.name for c in declared.columns if c.name in frame.columns):
        kind = vocabulary.column(name).dtype
        given = frame[name]
        if given.dtype != pl.String:
            read = given.cast(vocabulary.polars_dtype(kind), strict=False)
        elif kind == "boolean":  # Polars casts no text to truth values or dates
            read = given.replace_strict({"true": True, "false": False}, default=None)
        elif kind in {"date", "datetime"}:
            read = given.str.to_date(strict=False) if kind == "date" else given.str.to_datetime(strict=False)
        else:
            read = given.cast(vocabulary.polars_dtype(kind), strict=False)
        for row in (read.is_null() & given.is_not_null()).arg_true().head(3):
            faults.append(f"column {name!r}, {_row(declared, frame, row)}: {given[row]!r} is no {kind}")
    if faults:
        raise DataError(f"{declared.id} contradicts its declaration:" + "".join(f"\n  - {f}" for f in faults))


def check_grid(declared: Declaration, grid: xr.Dataset) -> None:
    """Raise if a grid has other dimensions than declared, or values beyond the bounds of the vocabulary.

    Raises
    ------
    DataError
        With the variable and what is wrong.
    """
    faults = []
    if set(grid.dims) != set(declared.dims):
        faults.append(f"dimensions {list(grid.dims)}; the declaration says {list(declared.dims)}")
    for use in declared.columns:
        known, values = vocabulary.column(use.name), grid[use.name]
        low, high = float(values.min()), float(values.max())
        if (known.lower is not None and low < known.lower) or (known.upper is not None and high > known.upper):
            faults.append(f"column {use.name!r} runs from {low:g} to {high:g}; bounds are {known.lower}, {known.upper}")
        if not use.nullable and bool(values.isnull().any()):
            faults.append(f"column {use.name!r} has empty values; the declaration says it has none")
    if faults:
        raise DataError(f"{declared.id} contradicts its declaration:" + "".join(f"\n  - {f}" for f in faults))


def _faults(declared: Declaration, frame: pl.DataFrame, error: Any) -> list[str]:
    """Return pandera's failure cases as sentences with column, row and value."""
    said = []
    for case in error.failure_cases.iter_rows(named=True):
        name, row, value = case.get("column"), case.get("index"), case.get("failure_case")
        where = f"column {name!r}" if name and name != declared.id else "table"
        if row is not None:
            where += f", {_row(declared, frame, int(row))}"
        said.append(f"{where}: {value!r} fails {case.get('check')}")
    return said


def _row(declared: Declaration, frame: pl.DataFrame, row: int) -> str:
    """Return a row's position and key."""
    keys = [k for k in declared.key if k in frame.columns]
    values = frame.select(keys).row(row) if keys else ()
    return f"row {row}" + (f" ({', '.join(f'{k}={v}' for k, v in zip(keys, values, strict=True))})" if keys else "")


def _period_faults(declared: Declaration, frame: pl.DataFrame) -> list[str]:
    """Return a complaint where the dates of the table differ from the stated coverage."""
    import polars as pl

    cover = declared.coverage
    name = next((n for n in ("datetime_local", "date_local", "month_start", "year") if n in declared.key), None)
    if cover.start is None or cover.end is None or name is None or name not in frame.columns or frame.height == 0:
        return []
    stamp = pl.date(pl.col(name), 1, 1) if name == "year" else pl.col(name).cast(pl.Date)
    first, last = frame.select(stamp.min().alias("first"), stamp.max().alias("last")).row(0)
    if first is None:
        return [f"column {name!r} is empty; the declaration says {cover.start} to {cover.end}"]
    grain = {"year": "%Y", "month_start": "%Y-%m"}.get(name, "%Y-%m-%d")
    if (first.strftime(grain), last.strftime(grain)) == (cover.start.strftime(grain), cover.end.strftime(grain)):
        return []
    return [f"column {name!r} runs from {first} to {last}; the declaration says {cover.start} to {cover.end}"]


def validate(dataset: str) -> int:
    """Hold a data set that is on this machine against its declaration.

    Parameters
    ----------
    dataset
        Id of a data set; a remote one is fetched first if it has to be.

    Returns
    -------
    int
        Rows checked (for a grid: values).

    Raises
    ------
    DataError
        The data contradict the declaration; columns and rows are named.

    Examples
    --------
    >>> validate("cnnic__halfyearly_country_internet")
    6
    """
    import polars as pl

    from citylab.catalog.fetching import fetch
    from citylab.catalog.loading import open, scan

    declared = declaration(dataset)
    if declared.form == "grid":
        grid = open(dataset)
        check_grid(declared, grid)
        return int(sum(v.size for v in grid.data_vars.values()))
    try:
        frame = scan(dataset).collect()
    except pl.exceptions.ComputeError as error:
        path = fetch(dataset)
        if path.suffix == ".csv":
            check_types(declared, pl.read_csv(path, infer_schema=False))
        raise DataError(f"{dataset} cannot be read: {error}") from None
    check(declared, frame)
    return frame.height
