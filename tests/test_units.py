"""Units and gas concentrations: exact factors, no silent mixing of dimensions or reference states."""

from __future__ import annotations

from datetime import date, datetime
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citylab import tables, units
from citylab.errors import RangeError, UnitError, UnknownNameError

SYMBOLS = tables.read("units")["unit"].to_list()
GASES = tables.read("gases")["gas"].to_list()
STATES = tables.read("reference_states")["state"].to_list()
SAME_DIMENSION = [(a, b) for a in SYMBOLS for b in SYMBOLS if units.unit(a).dimension == units.unit(b).dimension]
amounts = st.floats(min_value=-1e12, max_value=1e12, allow_nan=False)


# units


@given(st.sampled_from(SAME_DIMENSION), amounts)
def test_there_and_back_is_where_one_began(pair: tuple[str, str], value: float) -> None:
    there = units.convert(value, pair[0], pair[1])
    assert units.convert(there, pair[1], pair[0]) == pytest.approx(value, rel=1e-14)


@given(st.sampled_from(SAME_DIMENSION), st.data())
def test_a_detour_over_a_third_unit_changes_nothing(pair: tuple[str, str], data: st.DataObject) -> None:
    via = data.draw(st.sampled_from([b for a, b in SAME_DIMENSION if a == pair[0]]))
    assert units.factor(pair[0], via) * units.factor(via, pair[1]) == pytest.approx(units.factor(*pair), rel=1e-14)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_a_unit_is_once_itself(symbol: str) -> None:
    assert units.factor(symbol, symbol) == 1.0


def test_no_spelling_means_two_units() -> None:
    rows = tables.read("units").select("unit", "aliases").rows()
    spellings = [units._spelling(s) for u, a in rows for s in [u, *(a or "").split("|")] if s]
    assert len(spellings) == len(set(spellings))


def test_every_dimension_has_exactly_one_base_unit() -> None:
    bases = [(units.unit(s).dimension, s) for s in SYMBOLS if units.unit(s).factor == 1]
    assert sorted(bases) == [
        ("area", "m²"), ("concentration", "µg/m³"), ("count_person", "person"), ("energy", "J"), ("mass", "kg"),
        ("money_cny", "CNY"),
    ]  # fmt: skip


# By definition: SI prefixes; 万 = 10^4, 亿 = 10^8; 15 亩 = 1 ha; 1 kWh = 3.6 MJ.
@pytest.mark.parametrize(
    ("value", "source", "target", "expected"),
    [
        (1, "万吨", "t", 1e4), (1, "亿吨", "Mt", 100), (1, "Mt", "kt", 1000), (1, "t", "g", 1e6),
        (1, "亿千瓦时", "GWh", 100), (1, "TWh", "亿千瓦时", 10), (1, "MWh", "MJ", 3600), (1, "EJ", "TJ", 1e6),
        (1, "万亿元", "亿元", 1e4), (1, "亿元", "CNY", 1e8), (1, "万元", "CNY", 1e4),
        (1, "亿人", "万人", 1e4), (2189.3095, "万人", "person", 21893095),
        (1, "mg/m³", "µg/m³", 1000),
        (1, "km²", "ha", 100), (15, "亩", "公顷", 1), (1, "hectare", "m²", 1e4),
    ],
)  # fmt: skip
def test_conversions_that_follow_from_definitions(value: float, source: str, target: str, expected: float) -> None:
    assert units.convert(value, source, target) == pytest.approx(expected, rel=1e-15)


def test_a_tonne_of_coal_equivalent_is_7000_kcal_for_each_kilogram() -> None:
    assert units.convert(1.0, "tce", "GJ") == 29.3076
    assert units.convert(1.0, "tce", "kcal") == pytest.approx(7000 * 1000, rel=1e-15)
    assert units.unit("万吨标准煤").factor == 10_000 * units.unit("吨标准煤").factor
    assert units.convert(1.0, "tce", "kWh") == pytest.approx(8141, abs=0.5)  # 0.1229 kgce/kWh, the 当量值 of GB/T 2589


def test_a_factor_of_powers_of_ten_has_no_dust_from_floating_point() -> None:
    assert units.factor("万吨标准煤", "tce") == 10_000.0
    assert units.factor("kg", "Mt") == 1e-9
    assert units.unit("亩").factor == Fraction(2000, 3)


@pytest.mark.parametrize("spelling", ["µg/m³", "μg/m³", "ug/m3", " µg/m³ ", "µg m⁻³", "μg m-3"])
def test_the_two_micro_signs_and_ascii_are_one_unit(spelling: str) -> None:
    assert units.unit(spelling).symbol == "µg/m³"


def test_upper_and_lower_case_are_different_units() -> None:
    with pytest.raises(UnknownNameError):
        units.unit("mt")


def test_an_unknown_unit_is_answered_with_near_ones() -> None:
    with pytest.raises(UnknownNameError, match="'kWh'"):
        units.convert(1.0, "kwH", "MJ")


def test_mass_does_not_become_energy() -> None:
    with pytest.raises(UnitError, match=r"mass.*energy"):
        units.convert(1.0, "t", "GJ")


def test_numbers_arrays_series_and_expressions_give_the_same_values() -> None:
    values = [0.0, 1.5, -2.0]
    frame = pl.DataFrame({"x": values})
    as_array = units.convert(np.array(values), "亿元", "万元")
    as_expr = frame.lazy().select(units.convert(pl.col("x"), "亿元", "万元")).collect()["x"]
    as_series = units.convert(frame["x"], "亿元", "万元")
    assert [units.convert(v, "亿元", "万元") for v in values] == list(as_array) == list(as_expr) == list(as_series)


def test_a_table_of_ones_own_takes_the_place_of_the_declared_one() -> None:
    own = pl.DataFrame(
        {
            "unit": ["li", "m"],
            "dimension": "length",
            "factor": [500, 1],
            "label_zh": "",
            "label_en": "",
            "aliases": None,
        }
    )
    assert units.factor("li", "m", table=own) == 500.0
    with pytest.raises(UnknownNameError):
        units.factor("t", "kg", table=own)


# gases


# Worked by hand from M / (R T / P); printed to four decimals.
MASS_PER_PPB = {
    273.15: {"O3": 2.1414, "NO2": 2.0525, "SO2": 2.8582, "CO": 1.2497, "NO": 1.3387},
    293.15: {"O3": 1.9953, "NO2": 1.9125, "SO2": 2.6632, "CO": 1.1644, "NO": 1.2474},
    298.15: {"O3": 1.9619, "NO2": 1.8804, "SO2": 2.6185, "CO": 1.1449, "NO": 1.2265},
}


@pytest.mark.parametrize("temperature", MASS_PER_PPB)
@pytest.mark.parametrize("gas", GASES)
def test_one_ppb_weighs_what_the_ideal_gas_says(gas: str, temperature: float) -> None:
    assert units.ppb_to_ugm3(1.0, gas, temperature_k=temperature) == pytest.approx(
        MASS_PER_PPB[temperature][gas], abs=5e-5
    )


@pytest.mark.parametrize(("temperature", "litres"), [(273.15, 22.414), (293.15, 24.055), (298.15, 24.465)])
def test_the_molar_volume_is_the_one_of_the_textbooks(temperature: float, litres: float) -> None:
    assert units.molar_volume_l(temperature, 1013.25) == pytest.approx(litres, abs=5e-4)


@pytest.mark.parametrize(
    ("name", "temperature"),
    [("CN-2012", 273.15), ("CN-2018", 298.15), ("CN-2026", 298.15), ("EU", 293.15), ("US", 298.15)],
)
def test_a_named_state_is_its_temperature_at_one_atmosphere(name: str, temperature: float) -> None:
    named = units.ppb_to_ugm3(40.0, "O3", temperature_k=name)
    assert named == units.ppb_to_ugm3(40.0, "O3", temperature_k=temperature, pressure_hpa=1013.25)


def test_molar_masses_are_sums_of_the_atomic_weights() -> None:
    c, n, o, s = 12.0107, 14.0067, 15.9994, 32.065
    expected = {"O3": 3 * o, "NO2": n + 2 * o, "NO": n + o, "SO2": s + 2 * o, "CO": c + o}
    declared = dict(tables.read("gases").select("gas", "molar_mass_g_mol").iter_rows())
    assert declared == pytest.approx(expected, abs=1e-9)


@given(
    st.floats(0, 1e4), st.sampled_from(GASES), st.floats(200, 330), st.floats(400, 1090),
)  # fmt: skip
def test_ppb_there_and_back(value: float, gas: str, kelvin: float, hpa: float) -> None:
    mass = units.ppb_to_ugm3(value, gas, temperature_k=kelvin, pressure_hpa=hpa)
    assert units.ugm3_to_ppb(mass, gas, temperature_k=kelvin, pressure_hpa=hpa) == pytest.approx(value, rel=1e-13)


@given(st.sampled_from(GASES), st.sampled_from(STATES), st.sampled_from(STATES), st.floats(0, 1000))
def test_another_reference_state_keeps_the_mixing_ratio(gas: str, one: str, other: str, mass: float) -> None:
    moved = units.homogenise_gas(mass, one, other)
    before = units.ugm3_to_ppb(mass, gas, temperature_k=one)
    assert units.ugm3_to_ppb(moved, gas, temperature_k=other) == pytest.approx(before, rel=1e-13)


def test_chinas_gases_of_before_september_2018_shrink_by_8_4_percent() -> None:
    assert units.homogenise_gas(1.0, "CN-2012", "CN-2018") == pytest.approx(0.91615, abs=5e-6)
    assert units.homogenise_gas(1.0, "CN-2018", "CN-2026") == 1.0


def test_the_temperature_must_be_said() -> None:
    with pytest.raises(TypeError, match="temperature_k"):
        units.ppb_to_ugm3(1.0, "O3")  # type: ignore[call-arg]


@pytest.mark.parametrize("celsius", [25.0, 0.0, -10.0])
def test_a_temperature_in_celsius_is_refused(celsius: float) -> None:
    with pytest.raises(RangeError, match=r"273\.15"):
        units.ppb_to_ugm3(1.0, "O3", temperature_k=celsius)


@pytest.mark.parametrize("pressure", [101325.0, 101.325, 1.0])
def test_a_pressure_in_pascal_kilopascal_or_atmospheres_is_refused(pressure: float) -> None:
    with pytest.raises(RangeError, match="Pa"):
        units.ppb_to_ugm3(1.0, "O3", temperature_k=298.15, pressure_hpa=pressure)


@pytest.mark.parametrize("wrap", [np.array, pl.Series])
def test_one_celsius_value_in_a_column_of_kelvin_is_refused(wrap: Any) -> None:
    with pytest.raises(RangeError):
        units.molar_volume_l(wrap([298.15, 25.0]), 1013.25)


def test_an_expression_in_celsius_is_refused_when_it_is_collected() -> None:
    lazy = pl.LazyFrame({"ppb": [40.0, 50.0], "t": [298.15, 25.0]})
    plan = lazy.select(units.ppb_to_ugm3(pl.col("ppb"), "O3", temperature_k=pl.col("t")))
    with pytest.raises(RangeError, match=r"temperature_k is 25\.0"):
        plan.collect()


def test_expressions_of_temperature_and_pressure_give_the_values_of_numbers() -> None:
    frame = pl.DataFrame({"ppb": [40, 50, None], "t": [273, 298, 300], "p": [1000.0, 900.0, 950.0]})
    got = frame.select(
        units.ppb_to_ugm3(pl.col("ppb"), "NO2", temperature_k=pl.col("t"), pressure_hpa=pl.col("p"))
    ).to_series()
    assert got[0] == pytest.approx(units.ppb_to_ugm3(40.0, "NO2", temperature_k=273.0, pressure_hpa=1000.0))
    assert got[1] == pytest.approx(units.ppb_to_ugm3(50.0, "NO2", temperature_k=298.0, pressure_hpa=900.0))
    assert got[2] is None


def test_a_named_state_and_a_pressure_contradict_each_other() -> None:
    with pytest.raises(UnitError, match="CN-2012"):
        units.ppb_to_ugm3(1.0, "O3", temperature_k="CN-2012", pressure_hpa=950.0)


def test_unknown_gases_and_states_are_answered_with_near_ones() -> None:
    with pytest.raises(UnknownNameError, match="'NO2'"):
        units.ppb_to_ugm3(1.0, "NOX", temperature_k="US")
    with pytest.raises(UnknownNameError, match="'CN-2018'"):
        units.ppb_to_ugm3(1.0, "O3", temperature_k="CN-2019")


def test_subscripts_and_lower_case_name_the_same_gas() -> None:
    assert units.ppb_to_ugm3(1.0, "o₃", temperature_k="EU") == units.ppb_to_ugm3(1.0, "O3", temperature_k="EU")


@pytest.mark.parametrize(
    ("day", "name"),
    [
        ("2008-01-01", "CN-2012"), ("2018-08-31", "CN-2012"), ("2018-09-01", "CN-2018"),
        (date(2026, 2, 28), "CN-2018"), (datetime(2026, 3, 1, 12), "CN-2026"), ("2050-01-01", "CN-2026"),
    ],
)  # fmt: skip
def test_the_reference_state_of_china_follows_the_day(day: date | str, name: str) -> None:
    assert units.reference_state(day).name == name


@given(st.dates(date(2000, 1, 1), date(2060, 1, 1)))
def test_every_day_has_exactly_one_reference_state_of_china(day: date) -> None:
    rows = tables.read("reference_states").filter(pl.col("region") == "CN")
    start, end = pl.col("valid_from"), pl.col("valid_to")
    held = rows.filter((start.is_null() | (start <= day)) & (end.is_null() | (end >= day)))
    assert held["state"].to_list() == [units.reference_state(day).name]


def test_a_day_that_no_state_covers_is_an_error() -> None:
    closed = tables.read("reference_states").filter(pl.col("state") == "CN-2018")
    with pytest.raises(RangeError, match="2017-01-01"):
        units.reference_state("2017-01-01", table=closed)


@given(st.floats(200, 330), st.floats(400, 1090), st.floats(200, 330), st.floats(400, 1090))
def test_a_state_of_ones_own_with_another_pressure_keeps_the_mixing_ratio_too(
    kelvin: float, hpa: float, other_kelvin: float, other_hpa: float
) -> None:
    one = units.ReferenceState("one", kelvin, hpa, "", "")
    other = units.ReferenceState("other", other_kelvin, other_hpa, "", "")
    moved = units.homogenise_gas(units.ppb_to_ugm3(40.0, "O3", temperature_k=one), one, other)
    assert moved == pytest.approx(units.ppb_to_ugm3(40.0, "O3", temperature_k=other), rel=1e-13)
