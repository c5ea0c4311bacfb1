from __future__ import annotations

import csv
import gzip
from pathlib import Path

import polars as pl
import pytest

import citylab as cl
from citylab.errors import DataError
from citylab.sources import ukgov

pytestmark = pytest.mark.filterwarnings("ignore::citylab.errors.UsageWarning")
KEY = ["year", "activity_group", "activity_type", "activity_item", "activity_variant", "activity_unit", "heat_basis"]
MILE_KM = 1.609344


@pytest.fixture(scope="module")
def factors() -> pl.DataFrame:
    return cl.load("ukgov__yearly_activity_ghgfactor").collect()


def one(factors: pl.DataFrame, item: str, unit: str, year: int, **more: str | None) -> float:
    found = factors.filter(activity_item=item, activity_unit=unit, year=year).filter(
        *(pl.col(k).eq_missing(v) for k, v in more.items())
    )
    return float(found["co2e_kg_per_unit"].item())


def test_factors_of_2023_are_as_another_reader_printed_them(factors: pl.DataFrame):
    electricity = factors.filter(activity_group="UK electricity", year=2023)
    assert electricity["co2e_kg_per_unit"].to_list() == [0.20707]
    told = {
        ("Regular taxi", "pkm"): 0.14861, ("Regular taxi", "km"): 0.20806, ("Black cab", "pkm"): 0.20402,
        ("Black cab", "km"): 0.30604, ("Local bus (not London)", "pkm"): 0.11836, ("Local London bus", "pkm"): 0.07832,
        ("Average local bus", "pkm"): 0.10215, ("Coach", "pkm"): 0.02718, ("National rail", "pkm"): 0.03546,
        ("International rail", "pkm"): 0.00446, ("Light rail and tram", "pkm"): 0.0286,
        ("London Underground", "pkm"): 0.0278,
    }  # fmt: skip
    assert {k: one(factors, *k, 2023) for k in told} == told


def test_the_gases_add_up_to_the_total_so_that_they_are_no_rows_to_add_to_it(factors: pl.DataFrame):
    given = factors.drop_nulls("co2_kg_per_unit")
    parts = given["co2_kg_per_unit"] + given["ch4_co2e_kg_per_unit"] + given["n2o_co2e_kg_per_unit"]
    # printed with five decimals below 10 and with two above (per tonne): each of the four terms is off by half a unit
    digit = pl.when(pl.col("co2e_kg_per_unit") < 10).then(1e-5).otherwise(1e-2)
    assert ((parts - given["co2e_kg_per_unit"]).abs() <= 2 * given.select(digit).to_series() + 1e-12).all()


def test_the_warming_potentials_change_in_2023(factors: pl.DataFrame):
    sets = dict(factors.select("year", "gwp_set").unique().iter_rows())
    assert sets == {2018: "AR4", 2019: "AR4", 2020: "AR4", 2021: "AR4", 2022: "AR4", 2023: "AR5"}
    # the same gases of the grid weighed anew: methane 28/25, nitrous oxide 265/298
    gases = factors.filter(activity_group="UK electricity").sort("year")
    before, after = gases.filter(year=2022).row(0, named=True), gases.filter(year=2023).row(0, named=True)
    assert after["ch4_co2e_kg_per_unit"] == pytest.approx(before["ch4_co2e_kg_per_unit"] * 28 / 25, rel=1e-4)
    assert after["n2o_co2e_kg_per_unit"] == pytest.approx(before["n2o_co2e_kg_per_unit"] * 265 / 298, rel=1e-4)


@pytest.mark.parametrize("year", range(2018, 2024))
def test_a_kwh_of_fuel_says_whether_it_is_gross_or_net(factors: pl.DataFrame, year: int):
    heat = factors.filter(activity_group="Fuels", activity_unit="kWh", year=year)
    assert heat["heat_basis"].null_count() == 0, "also where the publisher says it apart from the unit (2022, 2023)"
    both = heat.pivot("heat_basis", index="activity_item", values="co2e_kg_per_unit").drop_nulls()
    assert (both["net"] > both["gross"]).all(), "less heat is counted, so that a kWh of it emits more"
    assert one(factors, "Natural gas", "kWh", year, heat_basis="net") / one(
        factors, "Natural gas", "kWh", year, heat_basis="gross"
    ) == pytest.approx(1.11, abs=0.005)
    others = factors.filter(pl.col("activity_group") != "Fuels")
    assert others["heat_basis"].null_count() == others.height


def test_units_are_spelled_one_way_in_all_years(factors: pl.DataFrame):
    assert set(factors["activity_unit"]) == {"kWh", "t", "L", "m³", "km", "pkm"}
    keys = factors.filter(year=2021).select(KEY[1:]), factors.filter(year=2022).select(KEY[1:])
    shared = keys[0].join(keys[1], on=KEY[1:], nulls_equal=True)
    assert shared.height == keys[0].height, "an activity of 2021 keeps its name and unit when the file changes its form"


def test_rows_per_mile_repeat_those_per_kilometre(factors: pl.DataFrame, mirror: Path):
    path = mirror / "uk-ghg-conversion-factors" / "uk_ghg_conversion_factors_2023.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        miles = [
            (r["Level 3"], r["Column Text"].strip() or None, float(r["GHG Conversion Factor 2023"]))
            for r in csv.DictReader(file)
            if (r["Level 1"], r["UOM"], r["GHG/Unit"]) == ("Business travel- land", "mile", "kg CO2e")
        ]
    assert len(miles) > 60
    for item, variant, value in miles:
        km = one(factors, item, "km", 2023, activity_variant=variant)
        # a total is the sum of three gases, each printed with five decimals: 3 x 0.5e-5 here, as much a mile there
        assert value == pytest.approx(km * MILE_KM, abs=3 * 0.5e-5 * (1 + MILE_KM))


def test_two_zeros_of_2018_are_missing_values(factors: pl.DataFrame):
    assert factors["co2e_kg_per_unit"].null_count() == 2
    empty = factors.filter(pl.col("co2e_kg_per_unit").is_null())
    assert set(empty.select("year", "activity_item", "activity_variant").iter_rows()) == {
        (2018, "MPV", "Plug-in Hybrid Electric Vehicle"), (2018, "Executive", "Battery Electric Vehicle"),
    }  # fmt: skip
    zero = factors.filter(pl.col("co2e_kg_per_unit") == 0)
    assert zero.is_empty(), "nothing that is driven, burnt or bought emits nothing in these files"


def test_an_electric_car_carries_the_grid_of_its_year(factors: pl.DataFrame):
    car = factors.filter(activity_item="Average car", activity_variant="Battery Electric Vehicle").sort("year")
    grid = factors.filter(activity_group="UK electricity").sort("year")
    kwh_per_km = car["co2e_kg_per_unit"] / grid["co2e_kg_per_unit"]
    # what a car takes per kilometre hardly changes from year to year, its emissions do with the grid
    assert kwh_per_km.is_between(0.15, 0.35).all()


def test_natural_gas_by_mass_has_a_break_that_its_heat_has_not(factors: pl.DataFrame):
    mass = [one(factors, "Natural gas", "t", y) for y in (2018, 2019)]
    heat = [one(factors, "Natural gas", "kWh", y, heat_basis="gross") for y in (2018, 2019)]
    assert (mass, heat) == ([2746.63, 2542.04], [0.18396, 0.18385])


def test_the_file_of_2022_says_that_its_electricity_is_of_2020(mirror: Path):
    path = mirror / "uk-ghg-conversion-factors" / "uk_ghg_conversion_factors_2022.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        years = {r["Level 4"] for r in csv.DictReader(file) if r["Level 1"] == "UK electricity"}
    assert years == {"2020"}


def test_a_file_that_is_not_one_of_these_is_refused(tmp_path: Path):
    head = "Level 1,Level 2,Level 3,Column Text,UOM,emission_target_formula,GHG Conversion Factor 2030\n"
    gwp = "Refrigerant & other,Kyoto,Methane,,kg,CO2e,{}\n"
    file = tmp_path / "uk.csv"
    file.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="expected one 'GHG Conversion Factor <year>'"):
        ukgov.parse_factors([file])
    file.write_text(head + "Fuels,Gaseous fuels,CNG,,firkins,CO2e,1\n" + gwp.format(28))
    with pytest.raises(DataError, match="firkins"):
        ukgov.parse_factors([file])
    file.write_text(head + "Fuels,Gaseous fuels,CNG,,tonnes,CO2e,1\n" + gwp.format(99))
    with pytest.raises(DataError, match="no set of the table carbon_gwp"):
        ukgov.parse_factors([file])
    file.write_text(head + "Fuels,Gaseous fuels,CNG,,tonnes,CO2e,1\n" + gwp.format(28))
    row = ukgov.parse_factors([file]).collect().row(0, named=True)
    assert (row["year"], row["activity_unit"], row["co2e_kg_per_unit"], row["gwp_set"]) == (2030, "t", 1.0, "AR5")
    file.write_text(head + "Fuels,Gaseous fuels,CNG,,tonnes,CO2e,0\n" + gwp.format(28))
    with pytest.raises(DataError, match="its evidence is of 0"):
        ukgov.parse_factors([file])
