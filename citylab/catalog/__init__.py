"""The data edge: what there is, where it comes from, and how it gets into Polars, Dask and xarray.

Verbs tell the return type: :func:`fetch` a path, :func:`scan` a ``pl.LazyFrame``, :func:`open` an ``xr.Dataset``;
:func:`load` is the front door to all three engines.
"""

from citylab.catalog.building import build
from citylab.catalog.fetching import fetch
from citylab.catalog.loading import load, open, scan
from citylab.catalog.registry import cite, datasets, declaration, describe, ids
from citylab.catalog.validation import validate

__all__ = [
    "build",
    "cite",
    "datasets",
    "declaration",
    "describe",
    "fetch",
    "ids",
    "load",
    "open",
    "scan",
    "validate",
]
