from __future__ import annotations

import polars as pl
import pytest

import citylab as cl
from citylab import tables


@pytest.fixture(scope="module")
def factors() -> pl.DataFrame:
    return cl.load("mee__yearly_grid_co2factor").collect()


@pytest.mark.parametrize(("name", "values"), [("Beijing", [0.5688, 0.5580]), ("North China", [0.7120, 0.6776])])
def test_factors_are_as_published(factors: pl.DataFrame, name: str, values: list[float]):
    assert factors.filter(grid_name_en=name).sort("year")["grid_factor_kgco2_kwh"].to_list() == values


def test_thirty_provinces_and_their_regional_grids_have_both_years(factors: pl.DataFrame):
    assert factors.height == 74
    counts = factors.group_by("grid_level").agg(pl.col("grid_name_zh").n_unique(), pl.col("year").n_unique())
    assert set(counts.iter_rows()) == {("province", 30, 2), ("region", 7, 2)}
    assert "西藏" not in set(factors["grid_name_zh"])


def test_a_name_stands_for_one_grid_of_its_level(factors: pl.DataFrame):
    names = factors.select("grid_level", "grid_name_zh", "grid_name_en").unique()
    assert names.n_unique(["grid_level", "grid_name_zh"]) == names.n_unique(["grid_level", "grid_name_en"]) == 37
    assert tables.read("grids").n_unique(["level", "name_zh"]) == tables.read("grids").height


def test_a_region_lies_between_the_extremes_of_the_provinces(factors: pl.DataFrame):
    span = factors.group_by("year", "grid_level").agg(
        pl.col("grid_factor_kgco2_kwh").min().alias("low"), pl.col("grid_factor_kgco2_kwh").max().alias("high")
    )
    for year in (2021, 2022):
        low, high = span.filter(year=year, grid_level="province").select("low", "high").row(0)
        inner = span.filter(year=year, grid_level="region").select("low", "high").row(0)
        assert low <= inner[0] <= inner[1] <= high
