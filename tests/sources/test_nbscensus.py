"""Beijing's districts at the census of 2020, against the published totals and the other table of the census."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import citylab as cl
from citylab.errors import DataError
from citylab.sources import nbscensus

FILE = "china-census-county/beijing_district_census_2010_2020.csv"


@pytest.fixture(scope="module")
def districts(raw: Callable[[str], Path]) -> pl.DataFrame:
    return nbscensus.parse_districts([raw(FILE)]).collect()


def test_residents_and_older_residents_add_up_to_the_published_totals(districts: pl.DataFrame):
    # 北京市第七次全国人口普查公报: 21,893,095 residents, 4,298,590 of 60 and over, 2,912,060 of 65 and over
    assert districts["population_persons"].sum() == 21_893_095
    assert districts["age_60plus_persons"].sum() == 4_298_590
    assert districts["age_65plus_persons"].sum() == 2_912_060


def test_residents_by_district_are_those_of_the_bureau_of_statistics(districts: pl.DataFrame):
    bureau = cl.load("bjstats__census_district_population").filter(pl.col("year") == 2020).collect()
    both = districts.join(bureau, on="adcode", validate="1:1", suffix="_bureau")
    assert both.height == 16
    assert (both["population_persons"] == both["population_persons_bureau"]).all()
    assert (both["district_name_zh"] == both["district_name_zh_bureau"]).all()


def test_the_ages_of_a_district_add_up(districts: pl.DataFrame):
    total = districts.select(pl.sum_horizontal("age_0_14_pct", "age_15_64_pct", "age_65plus_pct")).to_series()
    assert ((total - 100).abs() <= 0.015).all()  # three figures rounded to 0.01
    share = districts["age_65plus_persons"] / districts["population_persons"] * 100
    assert ((share - districts["age_65plus_pct"]).abs() <= 0.0051).all()
    assert (districts["age_60plus_persons"] > districts["age_65plus_persons"]).all()
    assert (districts["age_65plus_persons"] > districts["age_80plus_persons"]).all()


def test_the_largest_groups_of_60_and_over_are_those_reported(districts: pl.DataFrame):
    # 北京市老龄事业发展报告(2020): 朝阳 70.9, 海淀 57.8, 丰台 47.9 ten-thousands
    top = districts.sort("age_60plus_persons", descending=True).head(3)
    assert top["district_name_zh"].to_list() == ["朝阳区", "海淀区", "丰台区"]
    assert (top["age_60plus_persons"] / 1e4).round(1).to_list() == [70.9, 57.8, 47.9]


def test_cars_are_a_share_of_the_long_form_and_never_a_total(districts: pl.DataFrame):
    assert districts["household_car_share"].is_between(0.3, 0.7).all()
    # about a tenth of the households filled in the long form
    households = districts["population_persons"].sum() / districts["household_size_persons"].mean()
    assert 0.05 < districts["long_form_household_count"].sum() / households < 0.15


def test_the_census_of_2010_on_other_districts_stays_out(
    districts: pl.DataFrame, raw: Callable[[str], Path], tmp_path: Path
):
    assert set(districts["year"]) == {2020}
    lines = raw(FILE).read_text(encoding="utf-8").splitlines(keepends=True)
    fewer = tmp_path / "census.csv"
    fewer.write_text("".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(DataError, match="15 districts"):
        nbscensus.parse_districts([fewer])
