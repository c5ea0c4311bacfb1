from __future__ import annotations

import math
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citylab import tables
from citylab.carbon import indicators
from citylab.carbon.indicators import (
    distance,
    energy_per_gdp,
    intensity,
    non_fossil_share,
    pathway,
    per_head,
    subcentre_claim,
    targets,
)
from citylab.errors import DataError, RangeError, SchemaError, UnknownNameError

CITY = pl.DataFrame(
    {"year": [2010, 2015, 2020], "co2_t": [105e6, 92.8e6, 88e6], "gdp_cny": [1.5e12, 2.5e12, 3.61026e12],
     "index": [100.0, 120.0, 150.0], "population_persons": [19.612e6, 21.7e6, 21_893_095.0]}
)  # fmt: skip
NAME = "co2_per_gdp_t_10kcny"


# --- intensities ------------------------------------------------------------------------------------------------------


def test_an_intensity_says_what_its_gdp_is_in():
    current, constant = intensity(CITY), intensity(CITY, deflator="index", base_year=2015)
    assert current["prices"].unique().to_list() == ["current"]
    assert constant["prices"].unique().to_list() == ["constant-2015"]
    assert current.filter(year=2015)[NAME].item() == constant.filter(year=2015)[NAME].item()
    assert current[NAME][2] == pytest.approx(88e6 / 361_026_000)


@given(st.floats(0.1, 10))
@settings(max_examples=15)
def test_the_base_of_the_index_does_not_matter_and_inflation_leaves_no_trace(k: float):
    one = intensity(CITY, deflator="index", base_year=2010)[NAME].to_list()
    scaled = intensity(CITY.with_columns(pl.col("index") * k), deflator="index", base_year=2010)[NAME].to_list()
    assert scaled == pytest.approx(one)
    inflated = CITY.with_columns(pl.col("gdp_cny", "index") * pl.Series([1.0, k, k * k]))
    assert intensity(inflated, deflator="index", base_year=2010)[NAME].to_list() == pytest.approx(one)


def test_half_a_deflator_is_refused():
    with pytest.raises(SchemaError, match="base_year"):
        intensity(CITY, deflator="index")
    with pytest.raises(SchemaError, match="deflator"):
        intensity(CITY, base_year=2010)
    with pytest.raises(DataError, match="base_year=2011"):
        intensity(CITY, deflator="index", base_year=2011)
    lazy = intensity(CITY.lazy().with_columns(index=pl.lit(0.0)), deflator="index", base_year=2010)
    with pytest.raises(DataError, match="index"):
        lazy.collect()
    with pytest.raises(SchemaError, match="'gdp_cny'"):
        intensity(CITY.drop("gdp_cny"))


def test_the_published_energy_intensity_of_2014_follows_from_its_parts():
    """北京市统计局: 68.312 million tce in 2014, 0.3596 tce per 10,000 CNY at the prices of 2010."""
    gdp = 68.312e6 / 0.3596 * 1e4
    told = energy_per_gdp(pl.DataFrame({"energy_tce": [68.312e6], "gdp_cny": [gdp]}))
    assert told["energy_per_gdp_tce_10kcny"].item() == pytest.approx(0.3596)
    assert 1.8e12 < gdp < 2.1e12, "about the GDP of Beijing"


def test_nothing_is_divided_by_nothing():
    empty = pl.DataFrame({"year": [2020], "co2_t": [1.0], "gdp_cny": [0.0], "population_persons": [0]})
    assert intensity(empty)[NAME].item() is None
    assert per_head(empty)["co2_per_capita_t"].item() is None
    assert per_head(CITY)["co2_per_capita_t"][2] == pytest.approx(88e6 / 21_893_095)


def test_a_share_that_is_none_is_told():
    frame = pl.DataFrame({"a": [3.0], "b": [2.0]})
    with pytest.raises(DataError, match="different units"):
        non_fossil_share(frame, non_fossil="a", energy="b")
    assert non_fossil_share(frame, non_fossil="b", energy="a")["non_fossil_share"].item() == pytest.approx(2 / 3)


# --- targets ----------------------------------------------------------------------------------------------------------


@given(st.floats(1, 100), st.floats(1, 100), st.integers(1, 40), st.sampled_from(["linear", "exponential"]))
@settings(max_examples=30)
def test_a_path_goes_through_its_ends_at_an_even_pace(start: float, end: float, years: int, shape: indicators.Shape):
    path = pathway(2020, start, {2020 + years: end}, shape=shape)
    assert path["year"].to_list() == list(range(2020, 2021 + years))
    values = path["path"].to_list()
    assert values[0] == start
    assert values[-1] == end
    for a, b in pairwise(values):
        if shape == "linear":
            assert b - a == pytest.approx((end - start) / years, abs=1e-9)
        else:
            assert b / a == pytest.approx((end / start) ** (1 / years))


def test_a_path_with_a_goal_on_the_way_bends_there():
    path = pathway(2020, 90.0, {2060: 0.0, 2030: 80.0})
    value = dict(path.select("year", "path").iter_rows())
    assert (value[2025], value[2030], value[2045], value[2060]) == (85.0, 80.0, 40.0, 0.0)
    assert path.filter("is_goal")["year"].to_list() == [2030, 2060]


def test_net_zero_has_no_rate_and_the_past_is_no_goal():
    with pytest.raises(RangeError, match="linear"):
        pathway(2020, 90.0, {2060: 0.0}, shape="exponential")
    with pytest.raises(RangeError, match="after its base year"):
        pathway(2020, 90.0, {2020: 80.0})
    with pytest.raises(RangeError, match="after its base year"):
        pathway(2020, 90.0, {})
    with pytest.raises(UnknownNameError, match="'linear'"):
        pathway(2020, 90.0, {2030: 1.0}, shape="line")  # type: ignore[arg-type]


def test_the_distance_to_a_path_has_its_sign_and_the_pace_that_is_left():
    path = pathway(2020, 100.0, {2025: 86.0}, shape="linear")
    seen = pl.DataFrame({"year": [2019, 2021, 2025], "x": [100.0, 99.0, 86.0]})
    told = distance(seen, "x", path)
    assert told["year"].to_list() == [2021, 2025]
    assert told["gap"].to_list() == pytest.approx([99 - 97.2, 0])
    assert told["is_on_path"].to_list() == [False, True]
    assert 99 * (1 + told["needed_change_pct"][0] / 100) ** 4 == pytest.approx(86)
    assert told["needed_change_pct"][1] is None
    assert distance(seen, "x", path, direction="at_least")["is_on_path"].to_list() == [True, True]
    zero = distance(seen, "x", pathway(2020, 100.0, {2060: 0.0}))
    assert zero["needed_change_pct"].null_count() == 2


def test_targets_carry_document_date_and_mark():
    beijing = targets("110000", indicator="energy_per_gdp").row(0, named=True)
    assert (beijing["base_year"], beijing["target_year"], beijing["value"]) == (2020, 2025, -0.14)
    declared = tables.read("carbon_targets")
    assert declared["target_id"].is_unique().all()
    assert set(declared["mark"]) <= set(indicators.MARKS)
    assert declared["source"].null_count() == 0
    assert declared.filter(pl.col("kind") == "change")["base_year"].null_count() == 0
    with pytest.raises(UnknownNameError, match="'110000'"):
        targets("110001")
    with pytest.raises(UnknownNameError, match="'energy_per_gdp'"):
        targets("110000", indicator="energy_per_gpd")


# --- the claim of the sub-centre --------------------------------------------------------------------------------------


def figures(reading: str, table: pl.DataFrame | None = None) -> dict[str, tuple[float, float, float]]:
    rows = subcentre_claim(table=table).filter(reading=reading)
    return {q: (v, low, high) for q, v, low, high in rows.select("quantity", "value", "low", "high").iter_rows()}


def test_photovoltaics_alone_need_what_the_register_says():
    """Claims register, c61: 740-900 GWh, 530-780 MWp, 3.2-4.7 km², 2.0-3.0 %, 410 towers."""
    alone = figures("pv_alone")
    assert [round(x, -1) for x in alone["electricity"][1:]] == [740, 900]
    assert [round(x, -1) for x in alone["pv_capacity"][1:]] == [530, 780]
    assert [round(x, 1) for x in alone["module_area"][1:]] == [3.2, 4.7]
    assert [round(x * 100, 1) for x in alone["share_of_subcentre_area"][1:]] == [2.0, 3.0]
    assert round(alone["showcase_towers"][0], -1) == 410


def test_the_middle_lies_inside_and_what_rests_on_memory_says_so():
    told = subcentre_claim()
    assert told.filter((pl.col("value") < pl.col("low") - 1e-9) | (pl.col("value") > pl.col("high") + 1e-9)).is_empty()
    marks = dict(told.filter(reading="pv_alone").select("quantity", "mark").iter_rows())
    assert (marks["pv_capacity"], marks["showcase_towers"]) == ("from memory", "secondary")
    inputs = told.filter(reading="inputs")
    assert set(inputs["quantity"]) == set(tables.read("carbon_subcentre")["input"])
    assert set(told["reading"]) == {"inputs", "pv_alone", "pv_and_optimiser", "optimiser_alone"}


def test_both_together_never_need_more_than_photovoltaics_alone_and_less_than_nothing():
    both, alone = figures("pv_and_optimiser"), figures("pv_alone")
    for quantity in ("pv_capacity", "module_area"):
        assert all(0 <= b <= a for b, a in zip(both[quantity], alone[quantity], strict=True))
    value = both["saved_by_optimiser"][0] + both["left_for_pv"][0]
    assert value == pytest.approx(500_000)


def test_an_optimiser_alone_must_save_the_claimed_part_of_all_buildings():
    table = tables.read("carbon_subcentre").with_columns(
        pl.when(pl.col("input") == "subcentre_share_of_buildings").then(0.05).otherwise(pl.col(c)).alias(c)
        for c in ("value", "low", "high")
    )
    told = figures("optimiser_alone", table)
    assert told["needed_saving_share"] == pytest.approx((500_000 / 3.6e6,) * 3)
    assert told["times_usual_saving"][0] == pytest.approx(500_000 / 3.6e6 / 0.10)


def test_an_input_that_is_missing_is_named():
    table = tables.read("carbon_subcentre")
    with pytest.raises(UnknownNameError, match="grid_factor"):
        subcentre_claim(table=table.filter(pl.col("input") != "grid_factor"))
    with pytest.raises(SchemaError, match="'mark'"):
        subcentre_claim(table=table.drop("mark"))
    assert not math.isnan(subcentre_claim()["value"].sum())
