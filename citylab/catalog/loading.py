"""The front doors: one id, three engines."""

from __future__ import annotations

import csv
import datetime as dt
import numbers
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import and_, or_
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from citylab import vocabulary
from citylab.catalog.declaration import Declaration, Engine
from citylab.catalog.fetching import fetch, recipe
from citylab.catalog.registry import declaration
from citylab.errors import DataError, EngineError, RangeError, SchemaError, UsageWarning, suggest

if TYPE_CHECKING:
    import dask.dataframe as dd
    import polars as pl
    import xarray as xr

LOUD = frozenset({"claim_not_data", "derived_shape", "legal_map"})
"""Caveats that a user must meet even without reading the description."""

Where = Any
"""A ``pl.Expr``, or a mapping of column to a value, a list of values, or a ``slice(low, high)`` (both ends kept)."""

_HALF_CELL_SLACK = 1 + 1e-6
"""A point on the edge between two cells belongs to one of them in spite of rounding."""
_ACCEPTED: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "integer": (numbers.Real,),
    "number": (numbers.Real,),
    "boolean": (bool,),
    "date": (dt.date,),
    "datetime": (dt.date,),
    "binary": (bytes,),
}
"""Python types that can be compared with a kind of column."""


@overload
def load(
    dataset: str, engine: Literal["polars"] = ..., *, columns: Sequence[str] | None = ..., where: Where = ...
) -> pl.LazyFrame: ...
@overload
def load(
    dataset: str, engine: Literal["dask"], *, columns: Sequence[str] | None = ..., where: Where = ...
) -> dd.DataFrame: ...
@overload
def load(
    dataset: str, engine: Literal["xarray"], *, columns: Sequence[str] | None = ..., where: Where = ...
) -> xr.Dataset: ...
def load(
    dataset: str, engine: Engine = "polars", *, columns: Sequence[str] | None = None, where: Where = None
) -> pl.LazyFrame | dd.DataFrame | xr.Dataset:
    """Load a data set into Polars, Dask or xarray; the rows are the same in each.

    Parameters
    ----------
    dataset
        Id of a data set; :func:`citylab.datasets` lists them. A remote one is fetched on first use.
    engine
        ``"polars"`` gives a ``pl.LazyFrame``, ``"dask"`` a Dask DataFrame with Arrow types, ``"xarray"`` an
        ``xr.Dataset`` (grids, and tables that declare dimensions).
    columns
        Columns to keep; for xarray the variables. Default: all.
    where
        Rows to keep: a ``pl.Expr``, or a mapping from column to a value, a list of values, or a
        ``slice(low, high)`` with both ends kept; dates may be text (``"2016-12-31"``), and a date beside a time means
        the whole day. For a grid only a mapping of dimensions: whole numbers must be met exactly, degrees by the
        nearest cell no further away than half a cell.

    Returns
    -------
    polars.LazyFrame, dask.dataframe.DataFrame or xarray.Dataset
        Lazy: ``collect()`` and ``compute()`` are yours.

    Raises
    ------
    UnknownNameError
        No such data set or column; near names are offered.
    EngineError
        The data set has no such form; the message says which it has.
    SchemaError
        ``where`` compares a column with a value of another kind.
    RangeError
        A grid has no such coordinate.
    OfflineError
        A remote set is not here and cannot be fetched; size, command and mirror setting are named.

    Examples
    --------
    >>> import citylab as cl
    >>> frame = cl.load("uci__daily_station_air", columns=["pm25_ugm3"], where={"station_id": "dongsi"})
    >>> frame.collect().height
    1461
    """
    declared = declaration(dataset)
    if engine not in declared.engines:
        raise EngineError(
            f"{dataset} has no engine {engine!r}; it opens with {' or '.join(map(repr, declared.engines))}. "
            + ("A table opens in xarray only if its declaration names dims." if engine == "xarray" else "")
        )
    _warn(declared)
    if engine == "xarray":
        return _grid(declared, columns, where)
    _check_columns(declared, columns)
    if engine == "dask":
        return _partitions(declared, columns, where)
    return _narrow(_scan(declared), columns, _condition(declared, where))


def scan(dataset: str) -> pl.LazyFrame:
    """Return a table as a ``pl.LazyFrame``; :func:`load` with the default engine and no narrowing.

    Examples
    --------
    >>> scan("bjstats__census_district_population").collect().height
    32
    """
    declared = declaration(dataset)
    if "polars" not in declared.engines:
        raise EngineError(f"{dataset} is a grid; use citylab.open({dataset!r}).")
    return _scan(declared)


def open(dataset: str) -> xr.Dataset:
    """Return a grid, or a table with declared dimensions, as a lazy ``xr.Dataset``.

    Units, labels and the coordinate reference system stand in the attributes.
    """
    declared = declaration(dataset)
    if "xarray" not in declared.engines:
        raise EngineError(f"{dataset} has no grid form; it opens with {' or '.join(map(repr, declared.engines))}.")
    return _grid(declared, None, None)


def _warn(declared: Declaration) -> None:
    for note in declared.warnings:
        if note.code in LOUD:
            warnings.warn(f"{declared.id}: {note.text.en}", UsageWarning, stacklevel=3)


def _scan(declared: Declaration) -> pl.LazyFrame:
    import polars as pl

    path = fetch(declared.id)
    if path.suffix == ".csv":
        types = {c.name: vocabulary.polars_dtype(vocabulary.column(c.name).dtype) for c in declared.columns}
        _check_header(declared, path, list(types))
        return pl.scan_csv(path, schema=types)
    return pl.scan_parquet(path)


def _check_header(declared: Declaration, path: Path, names: list[str]) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file), [])
    if header != names:
        lacks, has = [n for n in names if n not in header], [n for n in header if n not in names]
        what = f"lacks {lacks} and has {has}" if lacks or has else "has them in another order"
        raise DataError(
            f"{declared.id} contradicts its declaration: {path.name} {what}, against the declared columns {names}. "
            "Correct the table or the declaration; do not use the data as they are."
        )


def _check_columns(declared: Declaration, columns: Sequence[str] | None) -> None:
    if isinstance(columns, str):
        raise SchemaError(f"columns is the text {columns!r}; expected a list of names, such as [{columns!r}].")
    known = [c.name for c in declared.columns]
    for name in columns or ():
        if name not in known:
            raise suggest(name, known, what=f"column of {declared.id}", see=f"citylab.describe({declared.id!r})")


def _condition(declared: Declaration, where: Where) -> pl.Expr | None:
    """Return ``where`` as one expression, its columns checked."""
    import polars as pl

    if where is None:
        return None
    if isinstance(where, pl.Expr):
        _check_columns(declared, where.meta.root_names())
        return where
    if not isinstance(where, Mapping):
        raise SchemaError(f"where is a {type(where).__name__}; expected a pl.Expr or a mapping of column to value.")
    _check_columns(declared, list(where))
    parts = [_one_condition(name, wanted) for name, wanted in where.items()]
    return reduce(and_, parts) if parts else None


def _one_condition(name: str, wanted: Any) -> pl.Expr:
    import polars as pl

    column = pl.col(name)
    if wanted is None:
        return column.is_null()
    if isinstance(wanted, slice):
        if wanted.step is not None:
            raise SchemaError(f"where[{name!r}] is {wanted}; expected slice(low, high) without a step.")
        low = pl.lit(True) if wanted.start is None else _compared(name, wanted.start, "ge")
        high = pl.lit(True) if wanted.stop is None else _compared(name, wanted.stop, "le")
        return low & high
    if isinstance(wanted, Iterable) and not isinstance(wanted, (str, bytes)):
        return reduce(or_, (_one_condition(name, w) for w in wanted), pl.lit(False))
    return _compared(name, wanted, "eq")


def _compared(name: str, wanted: Any, how: Literal["eq", "ge", "le"]) -> pl.Expr:
    """Return a comparison of a column with a value of its own kind; a date beside a time means the whole day."""
    import polars as pl

    column, kind = pl.col(name), vocabulary.column(name).dtype
    value = wanted
    if kind in {"date", "datetime"} and isinstance(wanted, str):
        try:
            value = dt.datetime.fromisoformat(wanted)
            value = value.date() if len(wanted) == len("2016-12-31") else value
        except ValueError:
            raise SchemaError(f"where[{name!r}] is {wanted!r}; expected a date such as '2016-12-31'.") from None
    whole_day = not isinstance(value, dt.datetime)
    if not isinstance(value, _ACCEPTED[kind]) or (kind == "date" and not whole_day):
        raise SchemaError(
            f"where[{name!r}] is {wanted!r} ({type(wanted).__name__}); the column holds {kind}. Give a value of "
            "that kind, a list of them, slice(low, high), or None for empty."
        )
    side = column.dt.date() if kind == "datetime" and whole_day else column
    return cast("pl.Expr", getattr(side, how)(value))


def _narrow(frame: pl.LazyFrame, columns: Sequence[str] | None, condition: pl.Expr | None) -> pl.LazyFrame:
    """Filter before select, so that ``where`` may speak of columns that are not kept."""
    if condition is not None:
        frame = frame.filter(condition)
    return frame.select(columns) if columns is not None else frame


def _partitions(declared: Declaration, columns: Sequence[str] | None, where: Where) -> dd.DataFrame:
    """Return a Dask DataFrame with one partition per Parquet row group, each read by Polars."""
    import dask.dataframe as dd
    import pyarrow.parquet as pq

    condition = _condition(declared, where)
    path = fetch(declared.id)
    if path.suffix == ".csv":
        slices = [(0, declared.coverage.rows or 0)]
    else:
        meta = pq.ParquetFile(path).metadata
        sizes = [meta.row_group(i).num_rows for i in range(meta.num_row_groups)]
        slices = [(sum(sizes[:i]), n) for i, n in enumerate(sizes)]
    kept = None if columns is None else tuple(columns)
    empty = _partition((0, 0), declared, kept, condition)
    return dd.from_map(_partition, slices, declared=declared, columns=kept, condition=condition, meta=empty)


def _partition(
    part: tuple[int, int], declared: Declaration, columns: tuple[str, ...] | None, condition: pl.Expr | None
) -> Any:
    """Return one slice of a table as a pandas frame with Arrow types (Dask's edge)."""
    frame = _narrow(_scan(declared).slice(*part), columns, condition).collect()
    return frame.to_pandas(use_pyarrow_extension_array=True)


def _grid(declared: Declaration, columns: Sequence[str] | None, where: Where) -> xr.Dataset:
    grid = _open_file(declared, where) if declared.form == "grid" else _pivot(declared, where)
    if columns is not None:
        _check_columns(declared, columns)
        grid = grid[[c for c in columns if c not in declared.dims]]
    return _with_attributes(declared, grid)


def _open_file(declared: Declaration, where: Where) -> xr.Dataset:
    path = fetch(declared.id)
    grid = cast("xr.Dataset", recipe(declared)([path]))
    lost = [c.name for c in declared.columns if c.name not in grid.variables]
    if lost:
        raise SchemaError(f"{declared.id}: the reader returned no {lost}; it returned {list(grid.variables)}.")
    if where is None:
        return grid
    if not isinstance(where, Mapping) or any(k not in declared.dims for k in where):
        raise SchemaError(f"where of a grid is a mapping of its dimensions {list(declared.dims)}; got {where!r}.")
    parts = {k: v for k, v in where.items() if isinstance(v, slice)}
    for name, wanted in parts.items():  # a slice reads low to high whichever way the axis runs
        if grid[name].size > 1 and bool(grid[name][0] > grid[name][-1]):
            parts[name] = slice(wanted.stop, wanted.start)
    cells = {k: _cells(declared, grid[k], v) for k, v in where.items() if k not in parts}
    return grid.isel(cells).sel(parts)


def _cells(declared: Declaration, axis: xr.DataArray, wanted: Any) -> Any:
    """Return the position of the wanted coordinates: whole numbers exactly, others within half a cell."""
    import numpy as np

    values = axis.to_numpy()
    try:
        asked = np.asarray(wanted, dtype=float)
    except (TypeError, ValueError):
        raise SchemaError(f"where[{axis.name!r}] is {wanted!r}; expected numbers or slice(low, high).") from None
    apart = np.abs(values[:, None] - asked.reshape(1, -1))
    whole = np.issubdtype(values.dtype, np.integer)
    reach = 0.0 if whole or values.size < 2 else float(np.abs(np.diff(values)).max()) / 2
    if bool((far := ~(apart.min(axis=0) <= reach * _HALF_CELL_SLACK)).any()):
        has = values.tolist() if whole else f"{values.min():g} to {values.max():g} in steps of {2 * reach:g}"
        raise RangeError(f"{declared.id} has no {axis.name} {asked.reshape(-1)[far].tolist()}; it has {has}.")
    found = apart.argmin(axis=0)
    return found if asked.ndim else int(found[0])


def _pivot(declared: Declaration, where: Where) -> xr.Dataset:
    """Return a table as a Dataset over its declared dimensions; absent combinations are missing."""
    import numpy as np
    import polars as pl
    import xarray as xr

    frame = _narrow(_scan(declared), None, _condition(declared, where)).collect()
    axes = {d: frame[d].unique().sort() for d in declared.dims}
    shape = tuple(len(a) for a in axes.values())
    at = tuple(frame[d].rank("dense").to_numpy().astype(np.int64) - 1 for d in declared.dims)
    variables: dict[str, Any] = {}
    for name, kind in frame.schema.items():
        if name in axes or not (kind.is_numeric() or kind == pl.Boolean):
            continue
        values = np.full(shape, np.nan)
        values[at] = frame[name].cast(pl.Float64).to_numpy()
        variables[name] = (declared.dims, values)
    coords = {d: a.cast(pl.Datetime("ns")).to_numpy() if a.dtype.is_temporal() else a.to_numpy().astype(object)
              for d, a in axes.items()}  # fmt: skip
    return xr.Dataset(variables, coords)


def _with_attributes(declared: Declaration, grid: xr.Dataset) -> xr.Dataset:
    for name in grid.variables:
        if str(name) in vocabulary.COLUMNS:
            known = vocabulary.column(str(name))
            grid[name].attrs |= {"long_name": known.label_en, "long_name_zh": known.label_zh}
            if known.unit and grid[name].dtype.kind != "M":
                grid[name].attrs["units"] = known.unit
    crs = {"crs": "EPSG:4326"} if declared.datum == "WGS-84" else {}
    grid.attrs = {
        "id": declared.id,
        "title": declared.title.en,
        "version": declared.version,
        "licence": declared.licence.id,
        "citation": declared.citation,
        **crs,
    }
    return grid
