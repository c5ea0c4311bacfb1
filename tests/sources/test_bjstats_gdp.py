"""Beijing's GDP as first published: two of its steps are revisions, and the table of breaks says which."""

from __future__ import annotations

import polars as pl
import pytest

import citylab as cl
from citylab.carbon.drivers import breaks_of, mark_breaks, tapio

pytestmark = pytest.mark.filterwarnings("ignore::citylab.errors.UsageWarning")
# 亿元 at current prices, communiqués of the Bureau of Statistics of each year
PUBLISHED = {
    2017: 28_000.4, 2018: 30_320.0, 2019: 35_371.3, 2020: 36_102.6, 2021: 40_269.6, 2022: 41_610.9, 2023: 43_760.7,
    2024: 49_843.1,
}  # fmt: skip
YI = 1e8


@pytest.fixture(scope="module")
def gdp() -> pl.DataFrame:
    told = cl.load("bjstats__yearly_city_indicator", where={"indicator": "gdp_first_published"}).collect()
    return told.sort("year").select("year", (pl.col("value") * YI).alias("gdp_cny"))


def test_the_series_is_that_of_the_communiques(gdp: pl.DataFrame):
    assert {y: round(v / YI, 1) for y, v in gdp.iter_rows()} == PUBLISHED


def test_the_city_totals_of_the_districts_table_are_the_same_series(gdp: pl.DataFrame):
    areas = cl.load("bjstats__yearly_area_gdp", where={"area_id": "110000"}).collect()
    both = areas.join(gdp, on="year", suffix="_series")
    assert both.height >= 2
    assert (both["gdp_cny"] - both["gdp_cny_series"]).abs().max() < 0.05 * YI  # type: ignore[operator]


def test_the_two_revisions_are_declared_and_look_like_booms(gdp: pl.DataFrame):
    steps = gdp.with_columns(
        pl.col("year").shift(1).alias("from"), pl.col("year").alias("to"),
        (pl.col("gdp_cny") / pl.col("gdp_cny").shift(1) - 1).alias("nominal"),
    ).drop_nulls()  # fmt: skip
    marked = mark_breaks(steps, breaks_of("gdp_cny", "110000"))
    across = dict(marked.filter("crosses_break").select("to", pl.col("nominal").round(3)).iter_rows())
    # 35,371.3/30,320.0 and 49,843.1/43,760.7; the Bureau published 5.2 % of real growth for 2024
    assert across == {2019: 0.167, 2024: 0.139}


def test_decoupling_across_a_revision_is_marked(gdp: pl.DataFrame):
    flat = gdp.with_columns(pl.lit(100.0).alias("co2_t"))
    told = tapio(flat, place="110000")
    assert told.filter("crosses_break")["to"].to_list() == [2019, 2024]
