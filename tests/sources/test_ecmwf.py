from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import citylab as cl

WIND = "ecmwf__monthly_grid_wind"


@pytest.fixture(scope="module")
def grid(mirror: Path) -> xr.Dataset:
    return cl.open(WIND)


def test_the_wind_near_beijing_is_what_another_reader_measured(grid: xr.Dataset):
    east = grid["wind_u_ms"].sel(level_hpa=850).sel(latitude_deg=39.9, longitude_deg=116.4, method="nearest")
    assert {int(m): round(float(east.sel(month=m)), 2) for m in (1, 7)} == {1: 5.33, 7: 1.87}


def test_the_axes_are_as_declared(grid: xr.Dataset):
    assert dict(grid.sizes) == {"month": 2, "level_hpa": 3, "latitude_deg": 241, "longitude_deg": 480}
    assert np.unique(np.diff(grid["longitude_deg"])).tolist() == [0.75]
    assert np.unique(np.diff(grid["latitude_deg"])).tolist() == [-0.75]
    assert (float(grid["longitude_deg"][0]), float(grid["longitude_deg"][-1])) == (-180, 179.25)


def test_values_are_unpacked_physical_ones(grid: xr.Dataset):
    # the 500 hPa surface lies near 5.5 km: z/g
    height_m = float(grid["geopotential_m2s2"].sel(level_hpa=500).mean()) / 9.80665
    assert 5_000 < height_m < 6_000
    assert not bool(grid.isnull().any().to_array().any())


def test_opening_is_silent(mirror: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cl.open(WIND)["wind_u_ms"].isel(month=0, level_hpa=0).load()
