from __future__ import annotations

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import citylab as cl
from citylab.errors import DataError, SchemaError
from citylab.population import structure


@pytest.fixture(scope="module")
def counties():
    return cl.load("nbs__census_county_structure").filter(pl.col("province_adcode") == "110000").collect()


def test_the_shares_of_ages_are_those_that_the_census_publishes(counties):
    # City: 68.5, 19.6, 13.3 % (bulletin of the census of 2020); districts: the county sheet, to 0.01. The bulletin has
    # 11.9 % of 0-14 where the counts give 11.84: its three groups were rounded so as to add up to 100.
    published = cl.load("nbs__census_city_population").filter(adcode="110100", year=2020).collect()
    city = cl.load("nbs__census_city_structure").filter(adcode="110100", year=2020).collect()
    found = structure.age_structure(city)
    for name in ("age_15_59_pct", "age_60plus_pct", "age_65plus_pct"):
        assert found[name].item() == pytest.approx(published[name].item(), abs=0.05)
    sheet = cl.load("nbs__census_district_structure").sort("adcode").collect()
    districts = structure.age_structure(counties.filter(year=2020).sort("adcode"))
    for name in ("age_0_14_pct", "age_15_64_pct", "age_65plus_pct"):
        assert (districts[name] - sheet[name]).abs().max() <= 0.0051


def test_rounded_shares_serve_where_counts_of_children_are_not_given():
    sheet = cl.load("nbs__census_district_structure")
    found = structure.age_structure(sheet)
    assert isinstance(found, pl.LazyFrame)
    both = found.collect()
    assert (both["age_0_14_pct"] + both["age_15_59_pct"] + both["age_60plus_pct"] - 100).abs().max() < 1e-9


def test_dependency_counts_children_and_old_people_per_100_of_15_to_64():
    # By hand: 100 children, 150 of 65 and over, so 750 of 15 to 64.
    people = pl.DataFrame({"population_persons": [1000], "age_0_14_persons": [100], "age_60plus_persons": [200],
                           "age_65plus_persons": [150]})  # fmt: skip
    found = structure.dependency(people)
    assert found["child_dependency_pct"].item() == pytest.approx(100 / 750 * 100)
    assert found["old_dependency_pct"].item() == pytest.approx(20)
    assert found["dependency_pct"].item() == pytest.approx(250 / 750 * 100)
    nobody = people.with_columns(pl.lit(850).alias("age_0_14_persons"), age_60plus_persons=150)
    assert structure.dependency(nobody)["dependency_pct"].item() is None


def test_ages_that_contradict_each_other_are_told():
    people = pl.DataFrame({"population_persons": [1000], "age_0_14_persons": [100], "age_60plus_persons": [200],
                           "age_65plus_persons": [250]})  # fmt: skip
    lazy = structure.dependency(people.lazy())
    with pytest.raises(DataError, match="1 rows have ages that contradict each other"):
        lazy.collect()
    with pytest.raises(SchemaError, match="age_structure needs column 'age_0_14_persons'"):
        structure.age_structure(people.drop("age_0_14_persons"))


def test_counts_of_both_censuses_give_the_growth_that_was_published():
    # Published: fastest Tongzhou 55.4 %, Shunyi 51.0 %, Daxing 46.1 %; Dongcheng -22.9 %, Xicheng -11.0 %.
    found = structure.district_counts(cl.load("bjstats__census_district_population")).filter(year=2020).collect()
    growth = dict(found.select("adcode", "population_change_pct").iter_rows())
    for adcode, pct in {"110112": 55.4, "110113": 51.0, "110115": 46.1, "110101": -22.9, "110102": -11.0}.items():
        assert growth[adcode] == pytest.approx(pct, abs=0.1)
    assert found["population_share"].sum() == pytest.approx(1)
    assert found["population_persons"].sum() == 21_893_095


def test_a_district_that_stands_twice_in_a_year_is_told():
    people = pl.DataFrame({"adcode": ["110101"] * 2, "year": [2020] * 2, "population_persons": [1, 2]})
    with pytest.raises(DataError, match="110101 stands more than once in 2020"):
        structure.district_counts(people)


def test_density_is_residents_over_the_area_that_is_named():
    people = pl.DataFrame({"adcode": ["a", "b"], "population_persons": [100, 300], "name": ["x", "y"]})
    areas = pl.DataFrame({"adcode": ["b", "a"], "area_km2": [3.0, 2.0]})
    found = structure.density(people, areas, area_source="survey")
    expected = people.with_columns(area_km2=pl.Series([2.0, 3.0]), population_density=pl.Series([50.0, 100.0]),
                                   area_source=pl.lit("survey"))  # fmt: skip
    assert_frame_equal(found, expected)
    with pytest.raises(DataError, match=r"b has an area of None km²"):
        structure.density(people, areas.filter(adcode="a"), area_source="survey")
    with pytest.raises(DataError, match="areas have a twice"):
        structure.density(people, pl.concat([areas, areas]).filter(adcode="a"), area_source="survey")


@pytest.mark.parametrize("count", [None, -1, float("nan"), float("inf")])
def test_a_district_without_a_count_is_told_and_not_left_out_of_the_shares(count):
    people = pl.DataFrame({"adcode": ["a", "b"], "year": [2020] * 2, "population_persons": [10.0, count]})
    with pytest.raises(DataError, match=r"b has .* residents in 2020; expected a count of 0 or more"):
        structure.district_counts(people)


def test_growth_from_nobody_and_shares_of_nobody_are_empty():
    people = pl.DataFrame({"adcode": ["a"] * 3, "year": [2000, 2010, 2020], "population_persons": [0, 50, 75]})
    found = structure.district_counts(people)
    assert found["population_change_pct"].to_list() == [None, None, 50.0]
    none = pl.DataFrame({"population_persons": [0], "age_0_14_persons": [0], "age_60plus_persons": [0],
                         "age_65plus_persons": [0]})  # fmt: skip
    assert structure.age_structure(none).select(pl.selectors.ends_with("_pct")).row(0) == (None,) * 5


def test_rounded_shares_of_a_nation_in_narrow_whole_numbers_do_not_overflow():
    # 18 % of 1.4 billion, where the product with 100 does not fit 32 bits.
    people = pl.DataFrame(
        {"population_persons": [1_400_000_000], "age_0_14_pct": [18], "age_60plus_persons": [280_000_000],
         "age_65plus_persons": [196_000_000]},
        schema_overrides=dict.fromkeys(
            ("population_persons", "age_0_14_pct", "age_60plus_persons", "age_65plus_persons"), pl.Int32
        ),
    )  # fmt: skip
    found = structure.age_structure(people)
    assert found.select("age_0_14_pct", "age_15_59_pct", "age_60plus_pct").row(0) == pytest.approx((18, 62, 20))


@pytest.mark.parametrize("area", [0.0, -1.0, float("nan"), float("inf")])
def test_an_area_that_cannot_be_is_told(area):
    people = pl.DataFrame({"adcode": ["a"], "population_persons": [100]})
    with pytest.raises(DataError, match=r"a has an area of .* km²; expected one above 0"):
        structure.density(people, pl.DataFrame({"adcode": ["a"], "area_km2": [area]}), area_source="survey")
