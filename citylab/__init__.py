"""citylab: an urban data science workbench for carbon, air, population, economy and digital access.

Front doors
-----------
:func:`datasets` what there is, :func:`describe` what one set means, :func:`cite` how to cite it, :func:`load` into
Polars, Dask or xarray (:func:`scan`, :func:`open`, :func:`fetch` beneath it).

Rooms
-----
Ground
    ``errors``, ``settings``
Words, time, places, units, constants, checks of tables
    ``vocabulary``, ``periods``, ``places``, ``units``, ``tables``, ``sheets``, ``frames``
Domains: frames in, frames out, nothing fetched
    ``air``, ``carbon``, ``equity``, ``population``
What domains share
    ``stats``
What people do and who gains; what is written down for good; studies done again
    ``policy``, ``ledger``, ``studies``
Data edge and pictures
    ``sources``, ``catalog``, ``viz``
Larger than one machine
    ``scale``
Doors
    ``app``, ``cli``, ``lab``

Everything is imported on first use: ``import citylab`` loads no data library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from citylab import (
        air,
        app,
        carbon,
        catalog,
        equity,
        errors,
        files,
        frames,
        ledger,
        periods,
        places,
        policy,
        population,
        scale,
        settings,
        sheets,
        sources,
        stats,
        studies,
        tables,
        units,
        viz,
        vocabulary,
    )
    from citylab.catalog import cite, datasets, describe, fetch, load, open, scan

__version__ = "0.3.0"

_LAZY = {
    **dict.fromkeys(("cite", "datasets", "describe", "fetch", "load", "open", "scan"), "citylab.catalog"),
    **{
        room: f"citylab.{room}"
        for room in (
            *("air", "app", "carbon", "catalog", "equity", "errors", "files", "frames", "ledger", "periods", "places"),
            *(
                "policy",
                "population",
                "scale",
                "settings",
                "sheets",
                "sources",
                "stats",
                "studies",
                "tables",
                "units",
                "viz",
            ),
            *("units", "viz", "vocabulary"),
        )
    },
}

__all__ = [
    "air",
    "app",
    "carbon",
    "catalog",
    "cite",
    "datasets",
    "describe",
    "equity",
    "errors",
    "fetch",
    "files",
    "frames",
    "ledger",
    "load",
    "open",
    "periods",
    "places",
    "policy",
    "population",
    "scale",
    "scan",
    "settings",
    "sheets",
    "sources",
    "stats",
    "studies",
    "tables",
    "units",
    "viz",
    "vocabulary",
]


def __getattr__(name: str) -> Any:
    """Import a front door or a room on first use (PEP 562)."""
    if name not in _LAZY:
        raise AttributeError(f"module 'citylab' has no attribute {name!r}; it has {', '.join(__all__)}")
    module = importlib.import_module(_LAZY[name])
    found = module if _LAZY[name] == f"citylab.{name}" else getattr(module, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """List the table of contents."""
    return [*__all__, "__version__"]
