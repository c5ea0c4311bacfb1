from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import citylab as cl
from citylab import places
from citylab.errors import DataError, OverlapError, UnknownNameError
from citylab.sources import bjstats


@pytest.fixture(scope="module")
def population() -> pl.DataFrame:
    return cl.load("bjstats__census_district_population").collect()


@pytest.fixture(scope="module")
def gdp() -> pl.DataFrame:
    return cl.load("bjstats__yearly_area_gdp").collect()


@pytest.fixture(scope="module")
def indicators() -> pl.DataFrame:
    return cl.load("bjstats__yearly_city_indicator").collect()


def test_districts_add_up_to_the_published_city_totals(population: pl.DataFrame):
    totals = dict(population.group_by("year").agg(pl.col("population_persons").sum()).iter_rows())
    # communique no. 2 of the seventh census; sixth census: 1961.2 x 10 000, districts rounded to thousands
    assert totals == {2020: 21_893_095, 2010: 19_612_000}


def test_districts_are_the_sixteen_of_today_in_both_censuses(population: pl.DataFrame):
    today = places.districts().collect()["adcode"].sort().to_list()
    for _, one in population.group_by("year"):
        assert one["adcode"].sort().to_list() == today
    assert population["district_name_zh"].str.ends_with("区").all()


def test_the_core_and_single_districts_are_as_published(population: pl.DataFrame):
    of_2020 = population.filter(year=2020)
    assert of_2020.filter(zone="core")["population_persons"].sum() == 1_815_043
    persons = dict(of_2020.select("district_name_en", "population_persons").iter_rows())
    assert (persons["Chaoyang"], persons["Haidian"], persons["Changping"]) == (3_452_460, 3_133_469, 2_269_487)


def test_rounded_values_and_the_missing_registered_population_are_marked(population: pl.DataFrame):
    marks = population.group_by("year").agg(
        pl.col("is_rounded").all().alias("all"), pl.col("is_rounded").any().alias("any")
    )
    assert set(marks.iter_rows()) == {(2010, True, True), (2020, False, False)}
    assert population.filter(year=2020)["registered_population_persons"].null_count() == 16
    assert population.filter(year=2010)["registered_population_persons"].null_count() == 0


def test_gdp_is_as_published_and_the_listed_areas_fall_short_of_the_city(gdp: pl.DataFrame):
    of_2022 = dict(gdp.filter(year=2022).select("area_name_zh", "gdp_cny").iter_rows())
    assert of_2022["海淀区"] == 10_206.9e8
    city = of_2022.pop("北京市")
    assert city == 41_610.9e8
    assert round(sum(of_2022.values()) / 1e8) == 40_254


def test_the_development_area_is_a_functional_area_and_cannot_be_added(gdp: pl.DataFrame):
    levels = gdp.group_by("area_level").agg(pl.col("area_id").n_unique()).sort("area_level").rows()
    assert levels == [("city", 1), ("district", 13), ("functional", 1)]
    areas = gdp.filter(pl.col("year") == 2022, pl.col("area_level") != "city")["area_id"].to_list()
    assert "bda" in areas
    with pytest.raises(OverlapError):
        places.check_additive(areas)


def test_city_figures_are_the_verified_ones_only(indicators: pl.DataFrame, mirror: Path):
    raw = pl.read_csv(mirror / "beijing-city-annual" / "beijing_city_annual.csv")
    assert raw.height == 53
    assert indicators.height == raw.filter(~pl.col("status").str.starts_with("derived")).height
    assert sorted(indicators["value"]) == sorted(raw.filter(pl.col("status").str.contains("^verified"))["value"])


def test_the_unit_of_each_figure_is_that_of_its_source(indicators: pl.DataFrame, mirror: Path):
    raw = pl.read_csv(mirror / "beijing-city-annual" / "beijing_city_annual.csv")
    pairs = raw.join(cl.tables.read("city_indicators"), left_on="indicator", right_on="indicator_at_source")
    assert pairs.height == raw.height
    for theirs, ours in pairs.select("unit", "unit_right").unique().iter_rows():
        bare = theirs.split(" (")[0].removesuffix(" of residents").removesuffix(" on year")
        assert ours == bare or ours == f"{bare}/万人"


def test_pm25_fell_by_as_much_as_the_bureau_says(indicators: pl.DataFrame):
    pm25 = dict(indicators.filter(indicator="pm25_annual_mean").select("year", "value").iter_rows())
    assert (pm25[2013], pm25[2023]) == (89.5, 32)
    assert 2021 not in pm25, "derived, not verified"
    assert round(100 * (pm25[2023] / pm25[2013] - 1), 1) == -64.2


def test_points_within_a_year_become_months_and_a_conflict_is_noted(indicators: pl.DataFrame):
    stations = indicators.filter(indicator="base_stations_5g").select("year", "month", "value").rows()
    assert stations == [(2023, 5, 9.26), (2023, 11, 10.6), (2024, 6, 12.2)]
    assert "0.41" in indicators.filter(indicator="co2_intensity")["note"].item()


def test_an_unknown_zone_indicator_or_area_is_refused(tmp_path: Path):
    (tmp_path / "p.csv").write_text(
        "adcode,district_zh,district_en,zone,pop_resident_2010,pop_hukou_2010,pop_resident_2020,change_pct\n"
        "110101,东城区,Dongcheng,郊区,1,1,1,0\n"
    )
    with pytest.raises(DataError, match="郊区"):
        bjstats.parse_population([tmp_path / "p.csv"])
    (tmp_path / "i.csv").write_text("indicator,year,value,unit,status,seen_at\nhappiness,2020.0,1,%,verified,x\n")
    with pytest.raises(DataError, match="happiness"):
        bjstats.parse_city_indicators([tmp_path / "i.csv"])
    (tmp_path / "g.csv").write_text("area_zh,year,gdp_100m_yuan\n火星区,2020,1\n")
    with pytest.raises(UnknownNameError, match="火星区"):
        bjstats.parse_gdp([tmp_path / "g.csv"])
