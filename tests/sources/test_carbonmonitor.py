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


def test_the_days_of_the_country_are_the_sum_of_its_provinces_and_carry_no_label(provinces: pl.DataFrame):
    days = cl.load("carbonmonitor__daily_country_co2").collect()
    assert days.height == 731 * 3
    assert days.columns == ["date_local", "sector", "co2_t"]
    months = (
        days.group_by("sector", pl.col("date_local").dt.truncate("1mo").alias("month_start"))
        .agg(pl.col("co2_t").sum().alias("days"))
        .join(provinces.group_by("sector", "month_start").agg(pl.col("co2_t").sum()), on=["sector", "month_start"])
    )
    assert months.height == 72
    assert (months["days"] / months["co2_t"] - 1).abs().max() < 1e-12


def test_days_of_the_country_are_those_of_plain_python(mirror: Path):
    sums: dict[tuple[str, str], list[float]] = defaultdict(list)
    path = mirror / "china-province-daily-co2" / "china_province_daily_co2_2019_2020.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            sums[row["date"], row["sector"]].append(float(row["co2_mt"]))
    days = cl.load("carbonmonitor__daily_country_co2").collect()
    assert {(d.isoformat(), s) for d, s, _ in days.iter_rows()} == set(sums)
    for day, sector, co2 in days.iter_rows():
        assert co2 == pytest.approx(math.fsum(sums[day.isoformat(), sector]) * 1e6, rel=1e-12)


def test_within_a_month_industry_has_the_days_of_power():
    # A fault of the source that the declaration warns of: industry's days are no information of their own.
    days = cl.load("carbonmonitor__daily_country_co2").collect().pivot("sector", index="date_local", values="co2_t")
    ratio = days.with_columns((pl.col("industry") / pl.col("power")).alias("r"))
    months = ratio.group_by(pl.col("date_local").dt.truncate("1mo")).agg(pl.col("r").std() / pl.col("r").mean())
    assert months["r"].max() < 1e-12


def test_ground_transport_is_one_share_of_the_country_in_every_month_of_a_province(provinces: pl.DataFrame):
    # Found here: even the months of ground transport are national, so nothing was measured in a province.
    whole = pl.col("co2_t") / pl.col("co2_t").sum().over("sector", "month_start")
    shares = provinces.with_columns(whole.alias("share"))
    spread = shares.group_by("sector").agg(
        (pl.col("share").std().over("province_name_en") / pl.col("share").mean().over("province_name_en")).max()
    )
    found = dict(spread.iter_rows())
    assert found["ground_transport"] < 1e-12
    assert found["power"] > 0.1 and found["industry"] > 0.1


def test_january_and_february_are_one_share_in_industry(provinces: pl.DataFrame):
    # Found here: monthly statistics join the two months, so their parting is national too.
    whole = pl.col("co2_t") / pl.col("co2_t").sum().over("sector", "month_start")
    shares = provinces.with_columns(whole.alias("share")).filter(
        pl.col("sector") == "industry", pl.col("month_start").dt.month() <= 2
    )
    both = shares.sort("month_start").group_by("province_name_en", pl.col("month_start").dt.year()).agg("share")
    assert all(a == pytest.approx(b, rel=1e-9) for a, b in both["share"])
