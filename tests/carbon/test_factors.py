from __future__ import annotations

import math

import polars as pl
import pytest

from citylab import catalog, tables
from citylab.carbon import factors
from citylab.carbon.factors import FactorBook, available, factor, fuel_key, grid_of, gwp_of, gwp_set, own_table
from citylab.errors import DataError, FactorYearError, SchemaError, UnitError, UnknownNameError, UsageWarning

CARBON_TABLES = ["carbon_gwp", "carbon_fuel_factors", "carbon_electricity", "carbon_heat", "carbon_gpc"]


@pytest.fixture(scope="module")
def grid() -> pl.LazyFrame:
    return catalog.load("mee__yearly_grid_co2factor")


def own(**changes: object) -> pl.DataFrame:
    row = {"fuel": "cement", "gas": "CO2", "value": 0.5, "unit": "t/t", "year": 2020, "source": "made up"}
    return pl.DataFrame([row | changes])


# -- declared tables


@pytest.mark.parametrize("name", CARBON_TABLES)
def test_every_declared_factor_has_source_mark_edition_and_first_year(name: str):
    table = tables.read(name)
    assert table.select(pl.col("source", "mark", "edition", "valid_from").null_count()).row(0) == (0, 0, 0, 0)


def test_every_interval_holds_its_value_and_says_how_sure_we_are_of_it():
    table = tables.read("carbon_fuel_factors")
    known = table.filter(pl.col("low").is_not_null())
    assert known.filter(~pl.col("value").is_between("low", "high")).is_empty()
    assert known["range_mark"].null_count() == 0
    assert table.filter(pl.col("low").is_null() != pl.col("high").is_null()).is_empty()


def test_every_unit_of_a_declared_factor_is_known():
    table = available().filter(~pl.col("gas").is_in(["ncv", "density", "carbon_content", "oxidation"]))
    for unit in table["unit"].unique():
        mass, per = factors.parts_of(unit)
        assert factors.unit_of(mass).dimension == "mass"
        assert factors.unit_of(per)


# -- fuels

# GHG Protocol Emission Factors for Cross-Sector Tools v2.0, kg CO2 per tonne, printed to a tenth
PRINTED = {
    "anthracite": 2624.6, "coking_coal": 2667.7, "bituminous_coal": 2440.7, "lignite": 1201.9, "coke": 3017.4,
    "gasoline": 3070.0, "diesel": 3186.3, "jet_kerosene": 3153.2, "fuel_oil": 3127.0, "lpg": 2984.6,
    "natural_gas": 2692.8, "petroleum_coke": 3168.8, "msw_fossil": 917.0,
}  # fmt: skip


@pytest.mark.parametrize(("fuel", "printed"), PRINTED.items())
def test_heat_value_times_factor_gives_the_printed_factor_per_tonne(fuel: str, printed: float):
    assert factor(fuel, year=2019, unit="t").value == pytest.approx(printed, abs=0.051)


def test_volumes_of_natural_gas_and_gasoline_give_the_printed_factors_per_volume():
    assert factor("natural_gas", year=2019, unit="m³").value == pytest.approx(1.885, abs=5e-4)
    assert factor("gasoline", year=2019, unit="L").value == pytest.approx(2.288, abs=5e-4)
    assert factor("lpg", year=2019, unit="L").value == pytest.approx(1.473, abs=5e-4)


# NCV x carbon content x oxidation x 44/12, worked by hand
CHINESE = {
    ("natural_gas", "万m³"): 389.31 * 15.3 * 0.99 * 44 / 12 / 1000,
    ("raw_coal", "t"): 20.908 * 26.37 * 0.94 * 44 / 12 / 1000,
    ("gasoline", "t"): 43.070 * 18.9 * 0.98 * 44 / 12 / 1000,
    ("diesel", "t"): 42.652 * 20.2 * 0.98 * 44 / 12 / 1000,
    ("bituminous_coal", "t"): 23.076 * 26.18 * 0.93 * 44 / 12 / 1000,
}


@pytest.mark.parametrize(("what", "tonnes"), CHINESE.items())
def test_the_chinese_guideline_multiplies_heat_carbon_and_share_oxidised(what: tuple[str, str], tonnes: float):
    one = factor(what[0], year=2019, edition="cn-provincial-2011", unit=what[1])
    assert one.value / 1000 == pytest.approx(tonnes, rel=1e-12)
    assert one.mark == "from memory"
    assert {x.quantity for x in one.links} == {"ncv", "carbon_content", "oxidation"}


def test_the_two_editions_differ_and_are_named_in_the_result():
    one, other = factor("diesel", year=2019), factor("diesel", year=2019, edition="cn-provincial-2011")
    assert (one.edition, other.edition) == ("ipcc-2006", "cn-provincial-2011")
    assert one.value != other.value


def test_methane_depends_on_where_the_fuel_burns_and_carbon_dioxide_does_not():
    assert factor("bituminous_coal", year=2019, gas="CH4", use="residential").value == 300
    assert factor("bituminous_coal", year=2019, gas="CH4", use="energy_industries").value == 1
    assert factor("diesel", year=2019, use="road") == factor("diesel", year=2019, use="rail")


def test_the_interval_of_a_product_joins_the_relative_half_widths_in_square():
    one = factor("natural_gas", year=2019, unit="kt")
    down = math.hypot((48 - 46.5) / 48, (56100 - 54300) / 56100)
    up = math.hypot((50.4 - 48) / 48, (58300 - 56100) / 56100)
    assert one.low == pytest.approx(one.value * (1 - down), rel=1e-12)
    assert one.high == pytest.approx(one.value * (1 + up), rel=1e-12)


def test_energy_in_kilowatt_hours_or_coal_equivalents_is_energy():
    per_tj = factor("natural_gas", year=2019).value
    assert factor("natural_gas", year=2019, unit="MWh").value == pytest.approx(per_tj * 0.0036)
    assert factor("natural_gas", year=2019, unit="tce").value == pytest.approx(per_tj * 0.0293076)


def test_names_in_both_languages_mean_the_same_fuel():
    assert fuel_key("天然气") == fuel_key("Natural gas") == fuel_key("natural_gas") == "natural_gas"


def test_an_unknown_fuel_or_unit_gets_the_nearest_name():
    with pytest.raises(UnknownNameError, match="Nearest: 'diesel'"):
        factor("deisel", year=2019)
    with pytest.raises(UnknownNameError, match="万吨"):
        factor("diesel", year=2019, unit="万 吨")


def test_a_unit_that_no_heat_value_joins_is_refused():
    with pytest.raises(UnitError, match="no heat value or density of 'diesel'"):
        factor("diesel", year=2019, unit="pkm")
    with pytest.raises(UnitError, match="anthracite"):
        factor("anthracite", year=2019, unit="m³")


def test_a_fuel_without_factor_in_an_edition_says_so():
    with pytest.raises(UnknownNameError, match="no factor of 'jet_kerosene'"):
        factor("jet_kerosene", year=2019, edition="cn-provincial-2011")


# -- electricity and heat


def test_two_series_have_two_values_for_2022_and_nothing_lies_between():
    both = available("electricity").filter(pl.col("place") == "中国", pl.col("year_from") == 2022)
    assert dict(both.select("series", "value").iter_rows()) == {"ets-reporting": 0.5703, "mee-nbs": 0.5366}
    assert factor("electricity", year=2022, place="中国").value == 0.5366
    assert factor("electricity", year=2022, place="China", series="ets-reporting").value == 0.5703


@pytest.mark.parametrize(("year", "value"), [(2021, 0.5688), (2022, 0.5580)])
def test_beijing_takes_the_factor_of_its_own_year_from_the_frame(grid: pl.LazyFrame, year: int, value: float):
    one = factor("electricity", year=year, place="海淀区", grid=grid)
    assert (one.value, one.place, one.valid_from, one.valid_to) == (value, "北京", year, year)
    per_mwh = factor("electricity", year=year, place="北京", unit="MWh", grid=grid)
    assert (per_mwh.value, per_mwh.unit) == (pytest.approx(value * 1000), "kg/MWh")


@pytest.mark.parametrize("year", [2019, 2020, 2023, 2024])
def test_beijing_never_takes_another_years_factor_by_itself(grid: pl.LazyFrame, year: int):
    with pytest.raises(FactorYearError, match=rf"no electricity factor of 北京.* for {year}; declared is 2021, 2022"):
        factor("electricity", year=year, place="北京", grid=grid)


def test_beijing_without_the_frame_is_told_where_the_factor_stands():
    with pytest.raises(FactorYearError, match="mee__yearly_grid_co2factor") as error:
        factor("electricity", year=2022, place="北京")
    assert "another quantity" in str(error.value)


def test_another_year_is_warned_of_and_recorded(grid: pl.LazyFrame):
    with pytest.warns(UsageWarning, match="of 2022 stands for 2023"):
        one = factor("electricity", year=2023, place="北京", grid=grid, allow_other_year=True)
    assert (one.value, one.year, one.valid_from) == (0.5580, 2023, 2022)
    assert "factor of 2022 used for 2023" in one.warnings


def test_market_based_is_the_residual_mix_and_exists_for_2023_only():
    assert factor("electricity", year=2023, place="北京", basis="market").value == 0.6096
    assert factor("green_electricity", year=2023, place="北京", basis="market").value == 0
    with pytest.raises(FactorYearError, match="declared is 2023"):
        factor("electricity", year=2022, place="北京", basis="market")


@pytest.mark.parametrize("year", [2021, 2022, 2024, 2025])
def test_a_year_without_a_residual_mix_is_refused_with_the_ways_out(year: int):
    with pytest.raises(FactorYearError, match=rf"for {year}; declared is 2023.*factors= with fuel 'electricity'"):
        factor("electricity", year=year, place="北京", basis="market")
    own_mix = own(fuel="电力", value=0.6, unit="t/MWh", year=year)
    one = factor("electricity", year=year, place="北京", basis="market", table=own_mix)
    assert (one.value, one.series, one.valid_from) == (0.6, "own", year)


def test_contracts_hold_from_the_start_of_their_trade_on():
    assert factor("green_electricity", year=2025, place="北京", basis="market").value == 0
    with pytest.raises(FactorYearError, match="Before green electricity was traded"):
        factor("green_electricity", year=2019, place="北京", basis="market")


def test_the_residual_mix_lies_above_the_average_of_its_year_and_below_fossil_power():
    mean, residual, fossil = (
        factor("electricity", year=2023, place="中国", series=s).value
        for s in ("mee-nbs", "mee-nbs-residual", "mee-nbs-fossil")
    )
    assert mean < residual < fossil


def test_green_electricity_is_grid_electricity_where_the_place_counts(grid: pl.LazyFrame):
    one = factor("green_electricity", year=2022, place="北京", grid=grid)
    assert (one.kind, one.value) == ("green_electricity", 0.5580)


def test_electricity_needs_a_place_that_has_a_grid():
    with pytest.raises(FactorYearError, match="belongs to a place"):
        factor("electricity", year=2022)
    with pytest.raises(UnknownNameError, match="grid_place="):
        factor("electricity", year=2022, place="Atlantis")


def test_regions_of_2023_are_declared_and_those_of_2022_come_from_the_frame(grid: pl.LazyFrame):
    north = factor("electricity", year=2023, place="华北")
    before = factor("electricity", year=2022, place="华北", grid=grid)
    assert (before.value, north.value) == (0.6776, 0.6361)
    assert before.unit == "kg/kWh" and north.unit == "t/MWh"


def test_a_grid_frame_that_contradicts_a_declared_factor_is_refused():
    frame = pl.DataFrame({"grid_name_zh": ["华北"], "year": [2023], "grid_factor_kgco2_kwh": [0.7]})
    with pytest.raises(DataError, match=r"0\.7 kg/kWh for 华北 in 2023, the declared table 0\.6361"):
        FactorBook(grid=frame)
    with pytest.raises(DataError, match="without a year"):
        FactorBook(grid=frame.with_columns(year=pl.lit(None, dtype=pl.Int64)))
    with pytest.raises(SchemaError, match="grid_factor_kgco2_kwh"):
        FactorBook(grid=frame.drop("grid_factor_kgco2_kwh"))


def test_heat_is_a_default_and_begins_with_its_guideline():
    assert factor("热力", year=2020, place="北京").value == 0.11
    with pytest.raises(FactorYearError, match="2005"):
        factor("heat", year=2005)


def test_places_without_a_suffix_and_regions_have_a_grid():
    assert [grid_of(p) for p in ("河北省", "内蒙古自治区", "华东电网", "Shanghai", "副中心")] == [
        "河北", "内蒙古", "华东", "上海", "北京",
    ]  # fmt: skip


# -- warming potentials


def test_fossil_and_other_methane_of_the_sixth_report_are_not_swapped():
    assert (gwp_of("CH4_fossil", "AR6"), gwp_of("CH4", "AR6"), gwp_of("N2O", "AR6")) == (29.8, 27.0, 273)
    assert (gwp_of("CH4"), gwp_of("N2O")) == (28, 265)
    assert (gwp_of("CH4", "AR4"), gwp_of("N2O", "AR4")) == (25, 298)


@pytest.mark.parametrize("edition", ["AR4", "AR5", "AR6"])
def test_carbon_dioxide_is_one_and_biogenic_carbon_dioxide_is_not_added(edition: str):
    assert (gwp_of("CO2", edition), gwp_of("CO2_biogenic", edition)) == (1, 0)


def test_a_gas_or_report_that_is_missing_is_told():
    with pytest.raises(UnknownNameError, match="gas in GWP set 'AR6' 'SF6'"):
        gwp_of("SF6", "AR6")
    with pytest.raises(UnknownNameError, match="set of GWPs 'AR7'"):
        gwp_set("AR7")
    with pytest.raises(DataError, match="GWP of CH4 is nan"):
        gwp_set({"CH4": float("nan")})


# -- own factors


def test_an_own_factor_stands_before_the_declared_one():
    table = own(fuel="柴油", value=3.0, unit="t/t")
    assert factor("diesel", year=2020, table=table).value == 3.0
    assert factor("gasoline", year=2020, table=table).source.startswith("IPCC 2006")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"year": None}, "factor without a year"),
        ({"value": -1.0}, "finite number, zero or more"),
        ({"value": float("nan")}, "finite number, zero or more"),
        ({"source": ""}, "has no source"),
        ({"low": 0.6, "high": 0.7}, "around the value"),
    ],
)
def test_a_bad_own_factor_is_told_with_its_row(change: dict[str, object], message: str):
    with pytest.raises(DataError, match=message) as error:
        own_table(own(**change))
    assert "Row 1 of factors ('cement', 'CO2')" in str(error.value)


def test_own_factors_need_years_units_and_one_value_a_year():
    with pytest.raises(SchemaError, match="without a year has no use"):
        own_table(own().drop("year"))
    with pytest.raises(UnitError, match="mass per activity"):
        own_table(own(unit="t"))
    with pytest.raises(UnknownNameError, match="unit"):
        own_table(own(unit="kg/tonnne"))
    with pytest.raises(DataError, match="stands twice"):
        own_table(pl.concat([own(), own(value=0.6)]))
    assert own_table(pl.concat([own(), own(year=2021)]))


def test_an_own_factor_of_another_year_is_not_taken_either():
    with pytest.raises(FactorYearError, match="declared is 2020"):
        factor("cement", year=2021, table=own())


def test_a_factor_shows_as_a_table_of_one_row():
    row = factor("diesel", year=2019, unit="L").tidy().row(0, named=True)
    assert row["unit"] == "kg/L"
    assert "density" in row["links"] and "ncv" in row["links"]
