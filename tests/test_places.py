"""Names and codes through time, what may be added up, and coordinates."""

from __future__ import annotations

import json
from datetime import date, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citylab import places, tables
from citylab.errors import CoordinateError, DataError, OverlapError, RangeError, SchemaError, UnknownNameError

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
    territory = places._register().territory
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


def test_an_empty_place_is_an_error() -> None:
    frame = pl.DataFrame({"adcode": ["110101", None], "persons": [1, 2]})
    with pytest.raises(DataError, match="empty"):
        places.add_up(frame, "persons", partial=True)


# coordinates

# (longitude, latitude) on WGS-84 and GCJ-02: reference values of github:googollee/eviltransform, good to 1e-6 degrees
# there because its newer releases take another ellipsoid; and of github:wandergis/coordtransform.
PUBLISHED_GCJ02 = [
    ((121.5272106, 31.1774276), (121.531541859215, 31.17530398364597)),
    ((113.912316, 22.543847), (113.9171764808363, 22.540796131694766)),
    ((116.377817, 39.911954), (116.38404722455657, 39.91334545536069)),
    ((116.404, 39.915), (116.41024449916938, 39.91640428150164)),
]
in_china = (st.floats(73.0, 137.0), st.floats(1.5, 55.0))
PAIRS = [
    (places.wgs84_to_gcj02, places.gcj02_to_wgs84),
    (places.gcj02_to_bd09, places.bd09_to_gcj02),
    (places.wgs84_to_bd09, places.bd09_to_wgs84),
]


@pytest.mark.parametrize(("wgs84", "gcj02"), PUBLISHED_GCJ02)
def test_gcj02_agrees_with_published_values(wgs84: tuple[float, float], gcj02: tuple[float, float]) -> None:
    assert places.wgs84_to_gcj02(*wgs84) == pytest.approx(gcj02, abs=1e-6)
    assert places.gcj02_to_wgs84(*gcj02) == pytest.approx(wgs84, abs=1e-6)


def test_bd09_agrees_with_published_values() -> None:
    assert places.gcj02_to_bd09(116.404, 39.915) == pytest.approx((116.41036949371029, 39.92133699351021), abs=1e-11)
    # the published inverse is a closed approximation
    assert places.bd09_to_gcj02(116.404, 39.915) == pytest.approx((116.39762729119315, 39.90865673957631), abs=1e-5)


@pytest.mark.parametrize(("there", "back"), PAIRS)
@given(*in_china)
def test_every_shift_is_undone_by_its_inverse(there: Any, back: Any, lon: float, lat: float) -> None:
    assert back(*there(lon, lat)) == pytest.approx((lon, lat), abs=1e-9)


@given(*in_china)
def test_gcj02_lies_between_a_few_metres_and_two_kilometres_away(lon: float, lat: float) -> None:
    assert 1.0 < places.distance_m(lon, lat, *places.wgs84_to_gcj02(lon, lat)) < 2000.0


@pytest.mark.parametrize("function", [f for pair in PAIRS for f in pair])
@pytest.mark.parametrize(("lon", "lat"), [(-0.1, 51.5), (151.2, -33.9), (-74.0, 40.7), (180.0, 90.0)])
def test_outside_china_coordinates_stay_as_they_are(function: Any, lon: float, lat: float) -> None:
    assert function(lon, lat) == (lon, lat)


def vertices(path: Path) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for feature in json.loads(path.read_text(encoding="utf-8"))["features"]:
        points: list[list[float]] = []
        open_lists = [feature["geometry"]["coordinates"]]
        while open_lists:
            one = open_lists.pop()
            if isinstance(one[0], (int, float)):
                points.append(one[:2])
            else:
                open_lists.extend(one)
        found[str(feature["properties"]["adcode"])] = np.array(points)
    return found


def test_an_independent_conversion_of_the_district_borders_agrees(mirror: Path) -> None:
    folder = mirror / "geo-beijing-districts"
    gcj02 = vertices(folder / "echarts_beijing_decoded_gcj02.geojson")
    wgs84 = vertices(folder / "beijing_districts_wgs84_derived.geojson")
    assert sorted(gcj02) == sorted(wgs84) == SIXTEEN
    for code, given_points in gcj02.items():
        lon, lat = places.gcj02_to_wgs84(given_points[:, 0], given_points[:, 1])
        ours = {(round(x, 6), round(y, 6)) for x, y in zip(lon, lat, strict=True)}
        theirs = {(round(x, 6), round(y, 6)) for x, y in wgs84[code]}
        near = {(x + dx * 1e-6, y + dy * 1e-6) for x, y in ours for dx in (-1, 0, 1) for dy in (-1, 0, 1)}
        near = {(round(x, 6), round(y, 6)) for x, y in near}
        # "made valid" there: a few vertices were dropped and a few crossings added
        assert len(theirs & near) >= 0.98 * len(theirs), code
        assert np.allclose([lon.min(), lat.min(), lon.max(), lat.max()],
                           [*wgs84[code].min(axis=0), *wgs84[code].max(axis=0)], atol=2e-6)  # fmt: skip


@pytest.mark.parametrize("function", [f for pair in PAIRS for f in pair])
def test_numbers_arrays_and_expressions_give_the_same_coordinates(function: Any) -> None:
    lon, lat = np.array([116.404, 121.5, 2.35]), np.array([39.915, 31.2, 48.86])
    east, north = function(lon, lat)
    by_number = np.array([function(float(x), float(y)) for x, y in zip(lon, lat, strict=True)])
    assert np.allclose(by_number, np.column_stack([east, north]), rtol=0, atol=1e-11)
    frame = pl.DataFrame({"x": [*lon, None], "y": [*lat, 40.0]})
    got = frame.lazy().select(*function(pl.col("x"), pl.col("y"))).collect()
    assert got.columns == ["longitude_deg", "latitude_deg"]
    assert got["longitude_deg"].to_list() == pytest.approx([*east, None])
    assert got["latitude_deg"][:3].to_list() == pytest.approx(list(north))


def test_the_shape_of_arrays_is_kept_and_inputs_are_not_changed() -> None:
    lon, lat = np.full((2, 3), 116.4), np.full((2, 3), 39.9)
    east, north = places.gcj02_to_wgs84(lon, lat)
    assert east.shape == north.shape == (2, 3)
    assert (lon == 116.4).all() and (lat == 39.9).all()
    assert places.gcj02_to_wgs84(np.array([]), np.array([]))[0].shape == (0,)


def test_a_missing_coordinate_stays_missing_and_leaves_the_others_alone() -> None:
    east, north = places.gcj02_to_wgs84(np.array([np.nan, 116.41024449916938]), np.array([39.9, 39.91640428150164]))
    assert np.isnan(east[0])
    assert (east[1], north[1]) == pytest.approx((116.404, 39.915), abs=1e-9)


@pytest.mark.parametrize("function", [f for pair in PAIRS for f in pair])
def test_swapped_coordinates_are_refused(function: Any) -> None:
    with pytest.raises(CoordinateError, match="swapped"):
        function(39.915, 116.404)
    with pytest.raises(CoordinateError, match="swapped"):
        pl.LazyFrame({"x": [39.915], "y": [116.404]}).select(*function(pl.col("x"), pl.col("y"))).collect()


@pytest.mark.parametrize("datum", ["WGS-84", "WGS84", "wgs 84", "EPSG:4326"])
def test_wgs84_passes_under_its_usual_names(datum: str) -> None:
    places.guard_datum(datum)


@pytest.mark.parametrize(
    ("datum", "advice"),
    [(None, "publisher"), ("unknown", "publisher"), ("none", "publisher"), ("", "publisher"),
     ("GCJ-02", "gcj02_to_wgs84"), ("BD-09", "bd09_to_wgs84"), ("CGCS2000", "metre"), ("Beijing 1954", "WGS-84")],
)  # fmt: skip
def test_any_other_datum_is_refused_with_advice(datum: str | None, advice: str) -> None:
    with pytest.raises(CoordinateError, match=advice):
        places.guard_datum(datum)


def test_the_box_holds_every_border_of_the_city(mirror: Path) -> None:
    folder = mirror / "geo-beijing-districts"
    for points in vertices(folder / "beijing_districts_wgs84_derived.geojson").values():
        places.guard_inside(points[:, 0], points[:, 1])
    outline = json.loads((folder / "osm_beijing_outline.geojson").read_text(encoding="utf-8"))
    for polygon in outline["features"][0]["geometry"]["coordinates"]:
        for ring in polygon:
            lon, lat = np.array(ring, dtype=float)[:, :2].T
            places.guard_inside(lon, lat, place="北京")


def test_swapped_coordinates_in_beijing_get_a_message_of_their_own() -> None:
    with pytest.raises(CoordinateError, match="swapped"):
        places.guard_inside(np.array([39.9, 40.0]), np.array([116.4, 116.5]))
    with pytest.raises(CoordinateError, match="cannot lie in"):
        places.guard_inside(np.array([39.9, 121.5]), np.array([116.4, 31.2]))


@pytest.mark.parametrize(("lon", "lat"), [(117.2, 39.0), (121.5, 31.2), (0.0, 0.0), (443000.0, 4420000.0)])
def test_points_elsewhere_are_refused(lon: float, lat: float) -> None:
    with pytest.raises(CoordinateError, match="cannot lie in"):
        places.guard_inside(lon, lat)


def test_missing_points_are_counted_and_refused() -> None:
    with pytest.raises(CoordinateError, match="1 of 2"):
        places.guard_inside(np.array([116.4, np.nan]), np.array([39.9, 39.9]))


def test_a_place_without_a_box_is_an_error() -> None:
    with pytest.raises(UnknownNameError, match="海淀"):
        places.guard_inside(116.3, 39.9, place="海淀")


# distances

longitudes, latitudes = st.floats(-180, 180), st.floats(-90, 90)
RADIUS_M = (2 * 6378137.0 + 6356752.3141) / 3  # R1 of GRS 80


@given(longitudes, latitudes, longitudes, latitudes)
def test_a_distance_is_symmetric_and_at_most_half_round_the_earth(a: float, b: float, c: float, d: float) -> None:
    there = places.distance_m(a, b, c, d)
    assert there == pytest.approx(places.distance_m(c, d, a, b), rel=1e-9, abs=1e-3)
    assert 0.0 <= there <= np.pi * RADIUS_M * (1 + 1e-9)
    assert places.distance_m(a, b, a, b) == 0.0


@given(latitudes, latitudes, longitudes)
def test_along_a_meridian_the_distance_is_the_arc(one: float, other: float, lon: float) -> None:
    assert places.distance_m(lon, one, lon, other) == pytest.approx(
        np.radians(abs(one - other)) * RADIUS_M, rel=1e-6, abs=1e-2
    )


def test_known_arcs() -> None:
    assert places.distance_m(0.0, 0.0, 90.0, 0.0) == pytest.approx(np.pi / 2 * RADIUS_M, rel=1e-9)
    assert places.distance_m(0.0, 0.0, 180.0, 0.0) == pytest.approx(np.pi * RADIUS_M, rel=1e-9)
    assert places.distance_m(179.5, 0.0, -179.5, 0.0) == pytest.approx(np.radians(1.0) * RADIUS_M, rel=1e-9)


def test_distances_agree_between_numbers_arrays_and_expressions() -> None:
    lon, lat = np.array([116.0, 117.0]), np.array([40.0, 39.5])
    by_array = places.distance_m(lon, lat, 116.4, 39.9)
    by_number = [places.distance_m(float(x), float(y), 116.4, 39.9) for x, y in zip(lon, lat, strict=True)]
    frame = pl.DataFrame({"x": lon, "y": lat, "x0": 116.4, "y0": 39.9})
    columns = (pl.col(c) for c in ("x", "y", "x0", "y0"))
    by_expr = frame.lazy().select(d=places.distance_m(*columns)).collect()["d"]
    assert by_number == pytest.approx(list(by_array), rel=1e-12)
    assert by_number == pytest.approx(by_expr.to_list(), rel=1e-12)
    assert all(isinstance(d, float) for d in by_number)
