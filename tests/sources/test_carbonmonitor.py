from __future__ import annotations

import csv
import gzip
import math
from collections import defaultdict
from pathlib import Path

import polars as pl
import pytest

import citylab as cl

pytestmark = pytest.mark.filterwarnings("ignore::citylab.errors.UsageWarning")


@pytest.fixture(scope="module")
def provinces() -> pl.DataFrame:
    return cl.scan("carbonmonitor__monthly_province_co2").collect()


@pytest.fixture(scope="module")
def cities() -> pl.DataFrame:
    return cl.load("carbonmonitor__yearly_city_co2").collect()


def test_beijing_emits_what_another_reader_added_up(provinces: pl.DataFrame):
    year = pl.col("month_start").dt.year().alias("year")
    beijing = provinces.filter(province_name_en="Beijing").group_by(year, "sector").agg(pl.col("co2_t").sum() / 1e6)
    assert {(y, s): round(mt, 2) for y, s, mt in beijing.iter_rows()} == {
        (2019, "ground_transport"): 22.83, (2019, "industry"): 5.61, (2019, "power"): 37.56,
        (2020, "ground_transport"): 19.99, (2020, "industry"): 4.94, (2020, "power"): 37.84,
    }  # fmt: skip


def test_every_province_sector_and_month_is_there_once(provinces: pl.DataFrame):
    assert provinces.height == 31 * 3 * 24
    assert provinces.n_unique(["province_name_en", "sector", "month_start"]) == provinces.height
    assert provinces["province_name_en"].n_unique() == 31


def test_months_are_those_of_plain_python(provinces: pl.DataFrame, mirror: Path):
    sums: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    path = mirror / "china-province-daily-co2" / "china_province_daily_co2_2019_2020.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            sums[row["province"], row["sector"], row["date"][:7]].append(float(row["co2_mt"]))
    found = {(p, s, m.isoformat()[:7]): t for p, s, m, t in provinces.iter_rows()}
    assert set(found) == set(sums)
    for key, days in sums.items():
        assert found[key] == pytest.approx(math.fsum(days) * 1e6, rel=1e-12)


def test_cities_are_keyed_by_code_because_names_repeat(cities: pl.DataFrame):
    assert cities.height == 11_410
    assert cities["city_name_en"].n_unique() == 802
    assert cities["city_locode"].n_unique() == 806, "four names occur under two codes"
    assert cities.n_unique(["city_locode", "sector", "year"]) == cities.height


def test_the_functional_urban_area_of_beijing_emits_what_another_reader_added_up(cities: pl.DataFrame):
    beijing = cities.filter(city_name_en="Beijing").group_by("year").agg(pl.col("co2_t").sum() / 1e6)
    assert {y: round(mt, 2) for y, mt in beijing.iter_rows()} == {2019: 83.47, 2020: 83.84, 2021: 87.02}
