"""European Centre for Medium-Range Weather Forecasts: reanalysis on a grid."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr

VARIABLE_MAP = {
    "latitude": "latitude_deg",
    "longitude": "longitude_deg",
    "level": "level_hpa",
    "z": "geopotential_m2s2",
    "u": "wind_u_ms",
    "v": "wind_v_ms",
}


def open_era_interim(paths: Sequence[Path]) -> xr.Dataset:
    """Open monthly means of geopotential and wind, lazily.

    The file's ``_FillValue`` is no number of its packed type, which xarray rightly remarks; no value carries it, so
    the remark is silenced here and nowhere else.

    Returns
    -------
    xarray.Dataset
        Dimensions month, level_hpa [hPa], latitude_deg (north to south), longitude_deg (-180 to 179.25).
    """
    import xarray as xr

    (path,) = paths
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*_FillValue.*")
        grid = xr.open_dataset(path, engine="scipy", chunks={})
    grid = grid.rename(VARIABLE_MAP)
    for name in grid.variables:
        grid[name].attrs = {}
    return grid
