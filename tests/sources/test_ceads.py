from __future__ import annotations

import csv
import gzip
import math
from collections import defaultdict
from pathlib import Path

import polars as pl
import pytest

import citylab as cl
from citylab import tables
from citylab.errors import DataError
from citylab.sources import ceads

pytestmark = pytest.mark.filterwarnings("ignore::citylab.errors.UsageWarning")


@pytest.fixture(scope="module")
def cities(mirror: Path) -> pl.DataFrame:
    return cl.load("ceads__yearly_city_co2").collect()


@pytest.fixture(scope="module")
def provinces(mirror: Path) -> pl.DataFrame:
    return cl.load("ceads__yearly_province_sector_co2").collect()


@pytest.fixture(scope="module")
def fuels(mirror: Path) -> pl.DataFrame:
    return cl.load("ceads__yearly_sector_fuel_co2").collect()


def totals(frame: pl.DataFrame) -> dict[int, float]:
    return dict(frame.group_by("year").agg(pl.col("co2_t").sum() / 1e6).iter_rows())


def test_beijing_peaked_in_2010_and_stands_where_another_reader_saw_it(cities: pl.DataFrame):
    beijing = totals(cities.filter(city_name_zh="北京"))
    assert max(beijing, key=beijing.__getitem__) == 2010
    assert (round(beijing[2010], 2), round(beijing[2015], 1), round(beijing[2019], 2)) == (105.04, 92.8, 88.16)


def test_the_two_files_are_different_vintages_in_2018_and_2019_only(cities: pl.DataFrame, provinces: pl.DataFrame):
    city, province = totals(cities.filter(city_name_zh="北京")), totals(provinces.filter(province_name_en="Beijing"))
    assert (round(province[2018], 2), round(province[2019], 2)) == (89.69, 89.18)
    assert round(city[2018], 2) == 88.41
    assert {y for y in city if abs(city[y] - province[y]) > 1e-4} == {2018, 2019}


def test_the_city_file_of_these_two_years_seems_to_lack_process_emissions(cities: pl.DataFrame, fuels: pl.DataFrame):
    city, burnt = (
        totals(cities.filter(city_name_zh="北京")),
        totals(fuels.filter(pl.col("fuel_at_source") != "Process")),
    )
    everything = totals(fuels)
    assert {y for y in city if abs(city[y] - burnt[y]) < 2e-5} == {2017, 2018, 2019}, "none are stated for 2017"
    assert {y for y in city if abs(city[y] - everything[y]) < 1e-4} == set(range(1997, 2018))


def test_the_provinces_add_up_to_what_another_reader_saw(provinces: pl.DataFrame):
    assert round(totals(provinces)[2019]) == 10_864
    assert provinces["province_name_en"].n_unique() == 30
    assert "Inner Mongolia" in set(provinces["province_name_en"])


def test_no_total_is_left_among_the_rows_to_be_added(provinces: pl.DataFrame, fuels: pl.DataFrame):
    for frame in (provinces, fuels):
        assert not frame["sector_at_source"].str.contains("(?i)total").any()
        assert frame["sector_at_source"].n_unique() == 47
    assert not fuels["fuel_at_source"].str.contains("(?i)total|scope").any()
    assert fuels["fuel_at_source"].n_unique() == 19, "18 fuels and processes"


def test_beijings_fuels_add_up_to_its_sectors(provinces: pl.DataFrame, fuels: pl.DataFrame):
    keys = ["year", "sector_at_source"]
    added = fuels.group_by(keys).agg(pl.col("co2_t").sum().alias("sum"))
    both = provinces.filter(province_name_en="Beijing").join(added, on=keys, how="full", coalesce=True)
    assert both.height == 23 * 47
    assert (both["co2_t"] - both["sum"]).abs().max() < 0.01


def test_fuels_are_those_of_plain_python(fuels: pl.DataFrame, mirror: Path):
    sums: dict[str, list[float]] = defaultdict(list)
    path = mirror / "ceads-china-co2" / "beijing_sector_fuel_co2_1997_2019.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["sector"] == "Total" and row["year"] == "2019":
                sums[row["fuel"]].append(float(row["co2_mt"]))
    found = dict(fuels.filter(year=2019).group_by("fuel_at_source").agg(pl.col("co2_t").sum()).iter_rows())
    for fuel, values in sums.items():
        if "Scope" not in fuel:
            assert found[fuel] == pytest.approx(math.fsum(values) * 1e6, abs=0.1)


def test_processes_of_2017_are_a_hole_and_not_a_fall(fuels: pl.DataFrame):
    process = totals(fuels.filter(fuel_at_source="Process"))
    assert process[2017] == 0
    assert min(process[y] for y in (2015, 2016, 2018, 2019)) > 1


def test_the_stray_year_before_the_accounts_begin_is_left_out(cities: pl.DataFrame):
    assert cities["year"].min() == 1997
    assert cities.height == 3928
    assert cities["city_name_zh"].n_unique() == 290


def test_another_edition_is_refused_rather_than_repaired(tmp_path: Path):
    city = tmp_path / "cities.csv"
    city.write_text("city_zh,year,co2_mt\n北京,1996,1.0\n北京,1997,1.0\n", encoding="utf-8")
    with pytest.raises(DataError, match="another edition"):
        ceads.parse_city_years([city])
    province = tmp_path / "provinces.csv"
    province.write_text("province,year,sector,scope1_co2_mt\nBeijing,1997,Total,3.0\nBeijing,1997,Urban,1.0\n")
    with pytest.raises(DataError, match="sum of their parts"):
        ceads.parse_province_sectors([province])
    fuel = tmp_path / "fuels.csv"
    head = "year,sector,fuel,co2_mt\n1997,Urban,LPG,1.0\n1997,Urban,Scope 1 Total,1.0\n1997,Total,LPG,1.0\n"
    head += "1997,Total,Scope 1 Total,1.0\n"
    fuel.write_text(head + "1997,Urban,Scope 2 Heat,0.0\n")
    assert ceads.parse_beijing_sector_fuels([fuel]).collect().rows() == [(1997, "Urban", "LPG", 1e6)]
    fuel.write_text(head + "1997,Urban,Scope 2 Heat,0.5\n")
    with pytest.raises(DataError, match="scope 2"):
        ceads.parse_beijing_sector_fuels([fuel])


def test_every_sector_has_a_common_one(provinces: pl.DataFrame):
    known = tables.read("carbon_common_sectors").filter(family="ceads")
    assert set(provinces["sector_at_source"]) == set(known["sector_at_source"])
