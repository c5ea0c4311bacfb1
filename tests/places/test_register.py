"""Names and codes through time, and what may be added up."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citylab import places, tables
from citylab.errors import DataError, OverlapError, RangeError, SchemaError, UnknownNameError
from citylab.places import register

SIXTEEN = places.districts().collect()["adcode"].to_list()
AREAS = tables.read("functional_areas")["area_id"].to_list()
days = st.dates(date(1987, 1, 1), date(2040, 12, 31))


# names and codes


def test_there_are_sixteen_districts_with_the_codes_of_the_official_list(mirror: Path) -> None:
    towns = pl.read_csv(
        mirror / "admin-beijing-streets" / "beijing_streets.csv", schema_overrides={"areaCode": pl.String}
    )
    official = towns.select("areaCode", "areaName").unique().sort("areaCode")
    ours = places.districts().select("adcode", "district_name_zh").collect()
    assert ours.rows() == official.rows()


def test_the_census_of_2010_and_of_2020_name_the_units_that_we_know(mirror: Path) -> None:
    census = pl.read_csv(
        mirror / "china-census-county" / "beijing_district_census_2010_2020.csv", schema_overrides={"code": pl.String}
    )
    for year, division in ((2010, "2010-06-27"), (2020, "2020-11-01")):
        units = census.filter(pl.col("year") == year).select("code", "name").sort("code")
        ours = places.districts(division).select("adcode", "district_name_zh").collect()
        assert ours.rows() == units.rows()


@given(days)
def test_on_every_day_the_districts_tile_the_city_once(day: date) -> None:
    units = places.districts(day).collect()
    assert units.height == (18 if day < date(2010, 6, 28) else 16)
    assert units["adcode"].is_unique().all()
    resolved = places.check_additive(units["adcode"], asof=day)
    territory = register._register().territory
    held = [atom for place in resolved for atom in territory[place]]
    assert len(held) == len(set(held))
    assert set(held) == set(territory[places.resolve("北京")])


@given(days)
def test_every_unit_in_force_is_found_by_all_its_names_on_its_day(day: date) -> None:
    for row in places.districts(day).collect().iter_rows(named=True):
        place = places.resolve(row["adcode"], asof=day)
        assert place.is_valid(day)
        for name in (row["district_name_zh"], row["district_name_en"], row["district_name_en"].upper()):
            assert places.resolve(name, asof=day) == place


def test_units_that_end_have_a_successor_that_begins_on_the_next_day() -> None:
    table = tables.read("districts")
    for row in table.filter(pl.col("valid_to").is_not_null()).iter_rows(named=True):
        successor = table.filter(
            (pl.col("adcode") == row["successor_adcode"])
            & (pl.col("valid_from") == row["valid_to"] + timedelta(days=1))
        )
        assert successor.height == 1
    assert table.filter(pl.col("valid_to").is_null() & pl.col("successor_adcode").is_not_null()).is_empty()


@pytest.mark.parametrize(
    "spelling",
    ["东城", "东城区", " 东城区 ", "Dongcheng", "dongcheng district", "DONGCHENG", "110101", 110101, "１１０１０１"],
)
def test_a_district_is_known_by_all_its_spellings(spelling: str | int) -> None:
    assert places.resolve(spelling).adcode == "110101"


@pytest.mark.parametrize("spelling", ["北京", "北京市", "Beijing", "110000", "110100"])
def test_the_city_is_known_by_all_its_spellings(spelling: str) -> None:
    city = places.resolve(spelling)
    assert (city.adcode, city.level) == ("110000", "city")


@pytest.mark.parametrize(
    ("name", "area"),
    [
        ("核心区", "core_area"), ("中心城区", "central_six"), ("城六区", "central_six"), ("副中心", "sub_centre"),
        ("经开区", "bda"), ("北京经济技术开发区", "bda"), ("中关村科学城", "zgc_science_city"),
        ("未来科学城", "future_science_city"), ("怀柔科学城", "huairou_science_city"), ("雄安新区", "133100"),
        ("133100", "133100"),
    ],
)  # fmt: skip
def test_functional_areas_are_known_by_their_names(name: str, area: str) -> None:
    place = places.resolve(name)
    assert (place.adcode, place.level) == (area, "functional")


def test_xiongan_lies_in_hebei() -> None:
    assert places.resolve("雄安").parent == "130000"


@pytest.mark.parametrize(
    ("name", "day", "code"),
    [
        ("密云", None, "110118"), ("密云", "2015-10-12", "110228"), ("密云", "2015-10-13", "110118"),
        ("密云县", None, "110228"), ("Yanqing", "2014-01-01", "110229"), ("昌平", "1999-09-15", "110221"),
        ("通县", None, "110223"), ("宣武", None, "110104"), ("大兴", "2000-12-31", "110224"),
    ],
)  # fmt: skip
def test_a_name_means_the_unit_of_its_day(name: str, day: str | None, code: str) -> None:
    assert places.resolve(name, asof=day).adcode == code


def test_dongcheng_before_the_merger_is_another_place_with_the_same_code() -> None:
    before, after = places.resolve("东城", asof="2010-06-27"), places.resolve("东城", asof="2010-06-28")
    assert before.adcode == after.adcode == "110101"
    assert before != after
    assert (before.valid_to, after.valid_from) == (date(2010, 6, 27), date(2010, 6, 28))


def test_a_unit_asked_for_after_its_end_is_an_error_that_names_its_heir() -> None:
    with pytest.raises(RangeError, match=r"崇文.*东城区 \(110101\)"):
        places.resolve("崇文", asof="2011-01-01")
    with pytest.raises(RangeError, match=r"密云区.*密云县 \(110228"):
        places.resolve("密云区", asof="2012-01-01")


@pytest.mark.parametrize("name", ["朝阳县", "密云市", "通州县", "东", "", "海定区"])
def test_a_name_that_no_unit_bore_is_not_guessed(name: str) -> None:
    with pytest.raises(UnknownNameError):
        places.resolve(name)


def test_a_misspelt_name_is_answered_with_near_ones() -> None:
    with pytest.raises(UnknownNameError, match="海淀区"):
        places.resolve("海定区")
    with pytest.raises(UnknownNameError, match="'Chaoyang'"):
        places.resolve("Choayang")


def test_a_day_before_the_table_begins_is_an_error() -> None:
    with pytest.raises(RangeError, match="1987"):
        places.districts("1986-12-31")


def test_predecessors_are_the_units_that_a_district_took_over() -> None:
    rows = dict(places.districts().select("adcode", "predecessor_adcodes").collect().iter_rows())
    assert rows["110101"] == ["110101", "110103"]
    assert rows["110102"] == ["110102", "110104"]
    assert rows["110118"] == ["110228"]
    assert rows["110105"] is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("110103", "110101"), ("110104", "110102"), ("110101", "110101"), ("110228", "110118"), ("110229", "110119"),
        ("110221", "110114"), ("110222", "110113"), ("110223", "110112"), ("110224", "110115"), ("110226", "110117"),
        ("110227", "110116"), ("110105", "110105"), ("110000", "110000"), ("core_area", "core_area"),
    ],
)  # fmt: skip
def test_an_old_code_becomes_todays(old: str, new: str) -> None:
    assert places.to_current(old) == new
    assert pl.select(places.to_current(pl.lit(old))).item() == new


def test_todays_codes_stay_and_old_ones_end_among_them() -> None:
    for code in tables.read("districts")["adcode"]:
        assert places.to_current(code) in SIXTEEN
        assert places.to_current(places.to_current(code)) == places.to_current(code)


def test_an_unknown_code_is_an_error_in_both_forms() -> None:
    with pytest.raises(UnknownNameError):
        places.to_current("110110")
    with pytest.raises(pl.exceptions.InvalidOperationError):
        pl.select(places.to_current(pl.lit("110110")))


def test_the_merged_census_of_2010_gives_the_figures_of_sixteen_districts(mirror: Path) -> None:
    census = pl.read_csv(
        mirror / "china-census-county" / "beijing_district_census_2010_2020.csv", schema_overrides={"code": pl.String}
    ).filter(pl.col("year") == 2010)
    merged = census.group_by(places.to_current(pl.col("code"))).agg(pl.col("persons").sum())
    assert sorted(merged["code"]) == SIXTEEN
    rounded = dict(merged.select("code", (pl.col("persons") / 1e4).round(1)).iter_rows())
    # 万人, as the municipal bureau published the census by today's districts
    assert (rounded["110101"], rounded["110102"], rounded["110118"]) == (91.9, 124.3, 46.8)


# what may be added up


def test_the_core_area_is_exactly_dongcheng_and_xicheng() -> None:
    assert [p.adcode for p in places.members("核心区")] == ["110101", "110102"]
    assert [p.name_zh for p in places.members("中心城区")] == [
        "东城区",
        "西城区",
        "朝阳区",
        "丰台区",
        "石景山区",
        "海淀区",
    ]
    assert [p.adcode for p in places.members("北京")] == SIXTEEN
    assert len(places.members("北京", asof="2005-01-01")) == 18
    assert [p.adcode for p in places.members("110101", asof="2005-01-01")] == ["110101"]


def test_every_overlap_names_an_area_and_a_district_of_today() -> None:
    overlaps = tables.read("area_overlaps")
    assert set(overlaps["area_id"]) <= set(AREAS)
    assert set(overlaps["adcode"]) <= set(SIXTEEN)
    assert set(overlaps["extent"]) == {"whole", "part"}
    assert overlaps.select("area_id", "adcode").is_unique().all()


@pytest.mark.parametrize(("area", "code"), tables.read("area_overlaps").select("area_id", "adcode").rows())
def test_no_functional_area_adds_to_a_district_it_lies_in(area: str, code: str) -> None:
    name = places.resolve(code).name_zh
    with pytest.raises(OverlapError, match=rf"{area}.*share territory \({name}\)"):
        places.check_additive([code, "110117", area])


@pytest.mark.parametrize("code", SIXTEEN + [a for a in AREAS if a != "133100"])
def test_nothing_in_beijing_adds_to_the_city(code: str) -> None:
    with pytest.raises(OverlapError, match="北京市"):
        places.check_additive(["110000", code])


@pytest.mark.parametrize(("old", "new"), [("崇文", "东城"), ("宣武", "西城"), ("密云县", "密云区"), ("通县", "通州")])
def test_no_old_unit_adds_to_its_successor(old: str, new: str) -> None:
    with pytest.raises(OverlapError, match="to_current"):
        places.check_additive([old, new])


def test_dongcheng_and_chongwen_add_up_in_the_division_of_their_time() -> None:
    assert len(places.check_additive(["东城", "崇文", "西城", "宣武"], asof="2010-06-27")) == 4


def test_xiongan_overlaps_with_nothing_in_beijing() -> None:
    assert len(places.check_additive(["雄安新区", "北京"])) == 2


def test_two_parts_of_one_district_are_not_taken_for_different_parts() -> None:
    with pytest.raises(OverlapError, match="通州区"):
        places.check_additive(["副中心", "经开区"])
    assert len(places.check_additive(["副中心", "未来科学城", "怀柔科学城"])) == 3


def test_a_pair_that_the_publisher_counts_apart_may_be_added_if_one_says_so() -> None:
    apart = [("bda", "110115"), ("经开区", "通州")]
    assert len(places.check_additive(["bda", "大兴", "通州"], apart=apart)) == 3
    with pytest.raises(OverlapError, match="通州区"):
        places.check_additive(["bda", "大兴", "通州"], apart=apart[:1])


@pytest.mark.parametrize("twice", [["海淀", "110108"], ["海淀", "Haidian", "朝阳"], ["核心区", "core_area"]])
def test_a_place_named_twice_is_an_error_whatever_the_spelling(twice: list[str]) -> None:
    with pytest.raises(OverlapError, match="twice"):
        places.check_additive(twice)


@given(st.sets(st.sampled_from([*SIXTEEN, *AREAS, "110000", "110103", "110228"]), min_size=1, max_size=6))
def test_a_set_is_additive_exactly_if_all_its_pairs_are(codes: set[str]) -> None:
    def additive(some: Any) -> bool:
        try:
            places.check_additive(some)
        except OverlapError:
            return False
        return True

    assert additive(codes) == all(additive(pair) for pair in combinations(codes, 2))


def population(codes: list[str], values: list[float | None]) -> pl.DataFrame:
    return pl.DataFrame({"adcode": codes, "persons": values}, schema={"adcode": pl.String, "persons": pl.Float64})


@given(st.lists(st.integers(0, 10**7), min_size=16, max_size=16), st.randoms())
def test_the_city_is_the_sum_of_the_sixteen_in_any_order(values: list[int], random: Any) -> None:
    rows = list(zip(SIXTEEN, values, strict=True))
    random.shuffle(rows)
    frame = pl.DataFrame(rows, schema={"adcode": pl.String, "persons": pl.Int64}, orient="row")
    assert places.add_up(frame, "persons").rows() == [("110000", sum(values), 16, True)]


@given(st.lists(st.integers(0, 10**7), min_size=16, max_size=16))
def test_the_core_area_in_place_of_its_two_districts_gives_the_same_city(values: list[int]) -> None:
    frame = population([*SIXTEEN], [float(v) for v in values])
    core = places.add_up(frame.filter(pl.col("adcode").is_in(["110101", "110102"])), "persons", to="核心区")
    rest = frame.filter(~pl.col("adcode").is_in(["110101", "110102"]))
    joined = pl.concat([core.select("adcode", "persons"), rest])
    assert places.add_up(joined, "persons")["persons"].item() == sum(values)
    assert places.add_up(joined, "persons")["is_complete"].item()


def test_the_census_of_2020_adds_up_to_the_published_city(mirror: Path) -> None:
    census = pl.scan_csv(
        mirror / "china-census-county" / "beijing_district_census_2010_2020.csv", schema_overrides={"code": pl.String}
    )
    city = places.add_up(census.filter(pl.col("year") == 2020), "persons", place="code", by="year").collect()
    assert city.rows() == [(2020, "110000", 21893095.0, 16, True)]
    then = places.add_up(
        census.filter(pl.col("year") == 2010), "persons", place="code", by="year", asof="2010-06-27"
    ).collect()
    assert then.rows() == [(2010, "110000", 19612368.0, 18, True)]


def test_a_missing_district_is_an_error_that_names_it_and_its_group() -> None:
    frame = population(SIXTEEN, [1.0] * 16).filter(pl.col("adcode") != "110109").with_columns(year=2020)
    with pytest.raises(DataError, match=r"year=2020.*missing 门头沟区"):
        places.add_up(frame, "persons", by="year")


@pytest.mark.parametrize("hole", [None, float("nan")])
def test_a_district_without_a_value_is_missing_and_not_zero(hole: float | None) -> None:
    frame = population(SIXTEEN, [hole] + [1.0] * 15)
    with pytest.raises(DataError, match="东城区"):
        places.add_up(frame, "persons")
    assert places.add_up(frame, "persons", partial=True).rows() == [("110000", 15.0, 15, False)]


def test_a_group_without_any_value_has_no_sum() -> None:
    frame = population(["110101"], [None])
    assert places.add_up(frame, "persons", partial=True).rows() == [("110000", None, 0, False)]


def test_districts_and_the_city_in_one_group_are_an_error_even_where_the_value_is_missing() -> None:
    for value in (5.0, None):
        frame = population([*SIXTEEN, "110000"], [1.0] * 16 + [value])
        with pytest.raises(OverlapError, match="北京市"):
            places.add_up(frame, "persons")


def test_two_rows_of_one_district_need_a_column_that_tells_them_apart() -> None:
    frame = pl.concat([population(SIXTEEN, [1.0] * 16).with_columns(sector=pl.lit(s)) for s in ("a", "b")])
    with pytest.raises(OverlapError, match="twice"):
        places.add_up(frame, "persons")
    assert places.add_up(frame, "persons", by="sector").rows() == [
        ("a", "110000", 16.0, 16, True),
        ("b", "110000", 16.0, 16, True),
    ]


def test_a_place_outside_the_whole_is_an_error() -> None:
    with pytest.raises(DataError, match="雄安新区"):
        places.add_up(population([*SIXTEEN, "133100"], [1.0] * 17), "persons")
    with pytest.raises(DataError, match="朝阳区"):
        places.add_up(population(["110101", "110102", "110105"], [1.0] * 3), "persons", to="核心区")


def test_an_area_that_takes_parts_of_districts_is_no_sum_of_districts() -> None:
    with pytest.raises(OverlapError, match="副中心"):
        places.add_up(population(["110112"], [1.0]), "persons", to="副中心")


def test_figures_counted_apart_are_complete_only_with_both() -> None:
    apart = [("bda", "110115"), ("bda", "110112")]
    frame = population([*SIXTEEN, "bda"], [1.0] * 17)
    assert places.add_up(frame, "persons", apart=apart).rows() == [("110000", 17.0, 17, True)]
    with pytest.raises(DataError, match="北京经济技术开发区"):
        places.add_up(frame.filter(pl.col("adcode") != "bda"), "persons", apart=apart)


def test_lazy_frames_stay_lazy_and_raise_on_collecting() -> None:
    lazy = population(SIXTEEN[:3], [1.0] * 3).lazy()
    plan = places.add_up(lazy, "persons")
    assert isinstance(plan, pl.LazyFrame)
    with pytest.raises(DataError, match="add_up of 'persons'"):
        plan.collect()


def test_the_declared_schema_of_the_sum_is_the_one_that_comes() -> None:
    for dtype in (pl.Int8, pl.UInt32, pl.Float32, pl.Float64):
        frame = population(SIXTEEN, [100.0] * 16).with_columns(pl.col("persons").cast(dtype), year=2020).lazy()
        plan = places.add_up(frame, "persons", by=["year"])
        assert plan.collect().schema == plan.collect_schema()
        assert plan.collect()["persons"].item() == 1600


def test_a_filter_after_the_sum_does_not_reach_into_it() -> None:
    frame = pl.concat([population(SIXTEEN, [float(y)] * 16).with_columns(year=y) for y in (1, 2)]).lazy()
    plan = places.add_up(frame, "persons", by="year").filter(pl.col("persons") > 20).select("year")
    assert plan.collect()["year"].to_list() == [2]


def test_names_serve_as_well_as_codes() -> None:
    frame = pl.DataFrame({"district": ["东城区", "Xicheng"], "t": [1, 2]})
    assert places.add_up(frame, "t", place="district", to="core_area").rows() == [("core_area", 3, 2, True)]


@pytest.mark.parametrize("arguments", [{"value": "gdp"}, {"value": "persons", "by": "year"}, {"value": "adcode"}])
def test_wrong_columns_are_refused_at_the_call(arguments: dict[str, str]) -> None:
    with pytest.raises(SchemaError, match="add_up"):
        places.add_up(population(SIXTEEN, [1.0] * 16).lazy(), **arguments)


def test_columns_that_make_the_groups_may_have_any_name_but_those_of_the_result() -> None:
    frame = pl.DataFrame({"adcode": ["110101", "110102"], "x": [1, 2], "total": 7, "places": "a", "everyone": True})
    told = places.add_up(frame, "x", by=["total", "places", "everyone"], to="核心区")
    assert told.row(0) == (7, "a", True, "core_area", 3, 2, True)
    with pytest.raises(SchemaError, match="by= names 'adcode', which is the place or a column of the result"):
        places.add_up(frame, "x", by="adcode", to="核心区")


def test_an_empty_place_is_an_error() -> None:
    frame = pl.DataFrame({"adcode": ["110101", None], "persons": [1, 2]})
    with pytest.raises(DataError, match="empty"):
        places.add_up(frame, "persons", partial=True)
