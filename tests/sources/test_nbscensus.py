"""Censuses by district, county, city and province: what adds up, what has no code, which slips were corrected."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import citylab as cl
from citylab import tables
from citylab.catalog.building import compile_table
from citylab.catalog.registry import declaration
from citylab.errors import DataError
from citylab.population.margins import SCHOOLING as SCHOOLING_LEVELS
from citylab.sources import nbscensus

pytestmark = pytest.mark.filterwarnings("ignore::citylab.errors.UsageWarning")
FILE = "china-census-county/beijing_district_census_2010_2020.csv"
SHEETS = [f"china-census-county/census_county_{year}_v1.xlsx" for year in (2010, 2020)]
SCHOOLING = ["no_schooling_persons", "primary_school_persons", "junior_secondary_persons", "senior_secondary_persons",
             "college_persons", "university_persons"]  # fmt: skip


# Beijing's districts --------------------------------------------------------------------------------------------------


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


# Cells of Beijing's districts -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cells(mirror: Path) -> pl.DataFrame:
    return nbscensus.parse_district_margins([mirror / SHEETS[1]]).collect()


def total(cells: pl.DataFrame, indicator: str, **where: str) -> float:
    return cells.filter(indicator=indicator, **where)["value"].sum()


def test_the_embedded_cells_are_what_the_recipe_makes_of_the_sheet(mirror: Path):
    name = "nbs__census_district_margin"
    assert_frame_equal(compile_table(declaration(name), progress=False), cl.load(name).collect())


def test_cells_add_up_to_the_bulletin_of_the_city(cells: pl.DataFrame):
    # 北京市第七次全国人口普查公报, and 841.8 ten-thousands from other provinces at its presentation on 2021-05-19.
    assert total(cells, "age") == 21_893_095
    assert (total(cells, "age", sex="male"), total(cells, "age", sex="female")) == (11_195_390, 10_697_705)
    first = pl.col("age_group").str.extract(r"^(\d+)").cast(pl.Int64)
    ages = cells.filter(indicator="age")
    bands = {(0, 14): 2_591_507, (15, 59): 15_002_998, (60, 120): 4_298_590, (65, 120): 2_912_060}
    assert {band: ages.filter(first.is_between(*band))["value"].sum() for band in bands} == bands
    assert total(cells, "family_households") == 8_230_792
    assert total(cells, "family_household_persons") == 19_014_338
    assert round(total(cells, "registered_other_province") / 1e4, 1) == 841.8


def test_schooling_is_that_of_the_bulletin_but_for_primary_schools(cells: pl.DataFrame):
    # 第七次全国人口普查公报（第六号）, table 6-1, Beijing, per 100,000 residents: 41,980, 17,593, 23,289 and 10,503.
    per = {s: total(cells, "schooling", schooling=s) / 21_893_095 * 1e5 for s in SCHOOLING_LEVELS}
    assert int(per["college"] + per["university"]) == 41_980
    assert int(per["senior_secondary"]) == 17_593
    assert int(per["junior_secondary"]) == 23_289
    # The bulletin is of the first count; the county tables have 78 fewer with primary schooling.
    assert 10_503 - per["primary"] == pytest.approx(78, abs=1)


def test_cells_and_counts_of_a_district_agree_with_the_other_sets(cells: pl.DataFrame, districts: pl.DataFrame):
    residents = cells.filter(indicator="age").group_by("adcode").agg(pl.col("value").sum())
    both = districts.join(residents, on="adcode", validate="1:1")
    assert (both["value"] == both["population_persons"]).all()
    wide = cells.filter(pl.col("sex").is_null()).pivot("indicator", index="adcode", values="value")
    generations = [f"{n}_generation_households" for n in ("one", "two", "three", "four")]
    assert (wide.select(pl.sum_horizontal(generations)).to_series() == wide["family_households"]).all()
    assert (wide["one_person_households"] <= wide["one_generation_households"]).all()
    both = districts.join(wide, on="adcode", validate="1:1")
    assert (both["long_form_households"] == both["long_form_household_count"]).all()


def test_a_sheet_of_another_census_or_with_a_district_or_a_figure_missing_is_refused(
    mirror: Path, monkeypatch: pytest.MonkeyPatch
):
    sheet = nbscensus._text(mirror / SHEETS[1]).filter(pl.col("区划代码").str.starts_with("11"))
    path = mirror / SHEETS[1]
    monkeypatch.setattr(nbscensus, "_text", lambda _: sheet.filter(pl.col("区划代码") != "110101"))
    with pytest.raises(DataError, match="15 districts at the census of 2020"):
        nbscensus.parse_district_margins([path])
    empty = pl.when(pl.col("区划代码") != "110105").then("一人户数")
    monkeypatch.setattr(nbscensus, "_text", lambda _: sheet.with_columns(empty.alias("一人户数")))
    with pytest.raises(DataError, match="no figure for 一人户数 of 朝阳区"):
        nbscensus.parse_district_margins([path])


# Counties, cities and provinces --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def counties() -> pl.DataFrame:
    return cl.load("nbs__census_county_structure").collect()


@pytest.fixture(scope="module")
def cities() -> pl.DataFrame:
    return cl.load("nbs__census_city_structure").collect()


@pytest.fixture(scope="module")
def provinces() -> pl.DataFrame:
    return cl.load("nbs__census_province_structure").collect()


def counted(frame: pl.DataFrame) -> list[str]:
    return [c for c in frame.columns if c.endswith("_persons") and c != "household_size_persons"]


# What adds up ------------------------------------------------------------------------------------------------------


def test_people_of_the_provinces_are_the_published_ones(provinces: pl.DataFrame):
    total = dict(provinces.group_by("year").agg(pl.col("population_persons").sum()).iter_rows())
    assert total == {2010: 1_332_810_869, 2020: 1_409_778_724}
    beijing = dict(provinces.filter(adcode="110000").select("year", "population_persons").iter_rows())
    assert beijing == {2010: 19_612_368, 2020: 21_893_095}
    urban = provinces.filter(year=2020)["urban_persons"].sum()
    assert urban == 899_991_162


@pytest.mark.parametrize("level", ["counties", "cities"])
def test_every_level_adds_up_to_its_provinces_with_nobody_twice(
    level: str, provinces: pl.DataFrame, request: pytest.FixtureRequest
):
    rows = request.getfixturevalue(level)
    keys = ["year", "province_adcode"]
    for column in counted(provinces):
        total = rows.group_by(keys).agg(pl.col(column).sum().alias("sum"), pl.col(column).is_null().any().alias("gap"))
        both = total.join(provinces.select("year", "adcode", column), left_on=keys, right_on=["year", "adcode"])
        assert both.height == 62
        apart = both.filter(~pl.col("gap")).with_columns((pl.col("sum") - pl.col(column)).alias("apart"))
        apart = apart.filter(pl.col("apart") != 0).select("year", "province_adcode", "apart")
        # the sheet of 2010 itself: two counties' worth of junior secondary differ from their city by these
        known = [(2010, "350000", -5.0), (2010, "530000", 1.0)] if column == "junior_secondary_persons" else []
        assert sorted(apart.rows()) == (known if level == "counties" else []), column


def test_where_a_province_has_a_gap_its_sum_falls_short_by_less_than_the_people_of_the_gap(
    counties: pl.DataFrame, provinces: pl.DataFrame
):
    keys = ["year", "province_adcode"]
    for column in counted(provinces):
        gap = pl.col(column).is_null()
        total = counties.group_by(keys).agg(
            pl.col(column).sum().alias("sum"), pl.col("population_persons").filter(gap).sum().alias("people")
        )
        both = total.join(provinces.select("year", "adcode", column), left_on=keys, right_on=["year", "adcode"])
        short = both.filter(pl.col("people") > 0).drop_nulls(column)
        assert ((short[column] - short["sum"]).is_between(0, short["people"])).all(), column


@pytest.mark.parametrize("level", ["counties", "cities", "provinces"])
def test_parts_of_a_population_add_up_to_it(level: str, request: pytest.FixtureRequest):
    rows = request.getfixturevalue(level)
    assert (rows["male_persons"] + rows["female_persons"] == rows["population_persons"]).all()
    aged = rows.drop_nulls(["age_0_14_persons", "age_15plus_persons"])
    assert (aged["age_0_14_persons"] + aged["age_15plus_persons"] == aged["population_persons"]).all()
    assert (rows["urban_persons"] <= rows["population_persons"]).all()


@pytest.mark.parametrize("level", ["counties", "cities", "provinces"])
def test_age_groups_nest_and_schooling_covers_no_more_than_the_people(level: str, request: pytest.FixtureRequest):
    rows = request.getfixturevalue(level).drop_nulls([*SCHOOLING, "age_15plus_persons", "age_80plus_persons"])
    nested = [
        "population_persons",
        "age_15plus_persons",
        "age_60plus_persons",
        "age_65plus_persons",
        "age_80plus_persons",
    ]
    for older, younger in zip(nested[1:], nested, strict=False):
        assert (rows[older] <= rows[younger]).all()
    schooled = rows.select(pl.sum_horizontal(*SCHOOLING, pl.col("preschool_persons").fill_null(0))).to_series()
    # asked of those aged 6 and over: fewer than all, and nearly all of those aged 15 and over among them
    assert (schooled <= rows["population_persons"]).all()
    assert (schooled >= rows["age_15plus_persons"] * 0.97).all()


# What the rows are ----------------------------------------------------------------------------------------------------


def test_sums_and_an_advertisement_in_the_sheet_are_no_places(counties: pl.DataFrame):
    assert not set(counties["area_name_zh"]) & {*nbscensus.SUMS, nbscensus.STRAY_NAME}


def test_beijings_districts_are_eighteen_and_then_sixteen(counties: pl.DataFrame):
    own = counties.filter(province_adcode="110000")
    assert dict(own.group_by("year").len().iter_rows()) == {2010: 18, 2020: 16}
    assert {"崇文区", "宣武区"} <= set(own.filter(year=2010)["area_name_zh"])
    ours = cl.load("nbs__census_district_structure").collect()
    both = own.filter(year=2020).join(ours, on="adcode", suffix="_own")
    assert both.height == 16
    for column in (
        "population_persons",
        "urban_persons",
        "age_60plus_persons",
        "age_65plus_persons",
        "age_80plus_persons",
    ):
        assert (both[column] == both[f"{column}_own"]).all()


def test_a_unit_without_a_code_is_kept_under_its_city_because_its_people_would_be_lost(counties: pl.DataFrame):
    without = counties.filter(pl.col("adcode").is_null())
    assert dict(without.group_by("year").len().iter_rows()) == {2010: 9, 2020: 42}
    zone = without.filter(area_name_zh="镇江新区").row(0, named=True)
    assert (zone["area_id"], zone["population_persons"]) == ("321100-镇江新区", 263_813)
    assert (without["area_id"].str.slice(0, 2) == without["province_adcode"].str.slice(0, 2)).all()
    assert without.filter(year=2020)["population_persons"].sum() == pytest.approx(3.4e6, rel=0.01)


def test_cities_without_counties_stand_among_the_counties_once(counties: pl.DataFrame):
    found = {
        year: set(counties.filter((pl.col("year") == year) & pl.col("adcode").str.ends_with("00"))["area_name_zh"])
        for year in (2010, 2020)
    }
    assert found == {2010: {"东莞市", "中山市", "三亚市", "嘉峪关市"}, 2020: {"东莞市", "中山市", "儋州市", "嘉峪关市"}}


def test_a_municipality_is_one_city_and_not_two_halves(cities: pl.DataFrame, provinces: pl.DataFrame):
    for code in ("110000", "120000", "310000", "500000"):
        own = cities.filter(province_adcode=code)
        assert own["adcode"].to_list() == [code[:2] + "0100"] * 2
        theirs = provinces.filter(adcode=code)["population_persons"].to_list()
        assert own.sort("year")["population_persons"].to_list() == theirs


def test_counties_have_the_borders_of_their_own_census(counties: pl.DataFrame):
    codes = {year: set(counties.filter(year=year)["adcode"].drop_nulls()) for year in (2010, 2020)}
    assert len(codes[2010] - codes[2020]) > 100
    assert len(codes[2020] - codes[2010]) > 100


def test_provinces_are_as_another_reader_cut_them(provinces: pl.DataFrame, mirror: Path):
    path = mirror / "china-census-county" / "china_province_census_2010_2020.csv"
    names = {
        "persons": "population_persons", "urban": "urban_persons", "schooling_years": "schooling_6plus_years",
        "age_60_plus": "age_60plus_persons", "age_80_plus": "age_80plus_persons", "edu_none": "no_schooling_persons",
        "edu_bachelor_plus": "university_persons", "migrants_other_province": "migrants_other_province_persons",
    }  # fmt: skip
    ours = {(row["adcode"], row["year"]): row for row in provinces.iter_rows(named=True)}
    with open(path, encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["code"] != "0"]
    assert len(rows) == len(ours)
    for row in rows:
        mine = ours[(row["code"], int(row["year"]))]
        assert {n: float(row[n]) for n in names} == {n: mine[own] for n, own in names.items()}


def test_schooling_is_not_the_headline_figure_of_the_bulletins(provinces: pl.DataFrame):
    beijing = provinces.filter(adcode="110000", year=2020)["schooling_6plus_years"].item()
    assert beijing == 12.21  # of people aged 6 and over; the bulletin's 12.64 is of 15 and over


# Repairs --------------------------------------------------------------------------------------------------------------


def test_each_repair_restores_a_sum_that_the_sheet_itself_publishes(counties: pl.DataFrame, cities: pl.DataFrame):
    repairs = tables.read("census_repairs")
    assert repairs.height == 9
    for row in repairs.iter_rows(named=True):
        mine = counties.filter(year=row["year"], adcode=row["adcode"])
        assert mine["area_name_zh"].item() == row["area_name_zh"]
        assert mine[row["column"]].item() == row["value"]
        if row["column"] == "household_size_persons":
            continue
        city = row["adcode"][:4] + "00"
        siblings = counties.filter((pl.col("year") == row["year"]) & pl.col("area_id").str.starts_with(city[:4]))
        assert siblings[row["column"]].sum() == cities.filter(year=row["year"], adcode=city)[row["column"]].item()


def test_a_repair_refuses_a_sheet_that_does_not_hold_its_slip():
    table = tables.read("census_repairs").filter(year=2020).head(1)
    row = table.row(0, named=True)
    sheet = pl.DataFrame({"adcode": [row["adcode"]], "year": [2020], row["column"]: [row["value"]]})
    with pytest.raises(DataError, match=r"repair_cells found 0 rows .* its evidence is of 1"):
        nbscensus.repair_cells(sheet, table=table)


def test_a_county_whose_code_begins_like_no_province_is_counted_where_it_stands(counties: pl.DataFrame):
    found = counties.filter(area_name_zh="五台山风景名胜区").row(0, named=True)
    assert (found["adcode"], found["province_name_zh"]) == ("140971", "山西省")
    with pytest.raises(DataError, match="code 170971"):
        nbscensus.repair_code(pl.DataFrame({"adcode": ["140971"]}))


# Cities within the borders of 2020 ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def matched() -> pl.DataFrame:
    return cl.load("nbs__census_city_population").collect()


def test_a_city_that_grew_by_a_merger_has_its_later_borders_at_both_censuses(
    matched: pl.DataFrame, cities: pl.DataFrame
):
    # Hefei took most of Chaohu in 2011
    within = matched.filter(adcode="340100", year=2010)["population_persons"].item()
    then = cities.filter(adcode="340100", year=2010)["population_persons"].item()
    assert (within, then) == (7_457_027, 5_702_466)


def test_matched_cities_are_not_the_country(matched: pl.DataFrame, provinces: pl.DataFrame):
    short = 1_409_778_724 - matched.filter(year=2020)["population_persons"].sum()
    assert round(short / 1e6, 2) == 3.93
    hebei = matched.filter(year=2020, province_adcode="130000")["population_persons"].sum()
    assert round((provinces.filter(year=2020, adcode="130000")["population_persons"].item() - hebei) / 1e6, 1) == 2.3


def test_an_empty_cell_of_the_matched_cities_is_no_zero(matched: pl.DataFrame):
    empty = matched.filter(pl.col("population_persons").is_null())
    assert empty.filter(year=2020).height == 10
    assert (empty.filter(year=2020)["province_adcode"] == "650000").all()
    assert not (matched["population_persons"].drop_nulls() == 0).any()


def test_hong_kong_and_macao_have_censuses_of_their_own(
    matched: pl.DataFrame, raw: Callable[[str], Path], tmp_path: Path
):
    assert not set(matched["province_adcode"]) & {"810000", "820000"}
    lines = raw("china-census-county/census_city_2010-2020_v1.csv.gz").read_text(encoding="utf-8-sig").splitlines()
    odd = tmp_path / "odd.csv"
    odd.write_text("\n".join(lines[:3]), encoding="utf-8")
    with pytest.raises(DataError, match="Hong Kong and Macao"):
        nbscensus.parse_matched_cities([odd])


def test_outlines_without_a_licence_are_not_taken():
    for name in ("nbs__census_city_population", "nbs__census_city_structure"):
        assert "geometry_wkb" not in cl.load(name).collect_schema().names()


# Bad sheets -----------------------------------------------------------------------------------------------------------


def test_a_row_without_residents_that_nobody_knows_is_an_error(mirror: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(nbscensus, "STRAY_NAME", "another advertisement")
    with pytest.raises(DataError, match=r"no residents for .*首发论坛"):
        nbscensus.parse_provinces([mirror / SHEETS[0], mirror / SHEETS[1]])
