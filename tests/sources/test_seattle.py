"""Seattle's disclosure: what its provenance record prints, and each fault that is known of it."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import citylab as cl
from citylab.carbon.buildings import QUANTILES
from citylab.errors import DataError
from citylab.sources import seattle

FILE = "seattle-building-energy-2016/seattle_building_energy_2016.csv.gz"
# 1 Btu = 1055.05585262 J, 1 kWh = 3.6 MJ, 1 ft = 0.3048 m
KWH_PER_KBTU = 1055.05585262 / 3600
M2_PER_FT2 = 0.3048**2


@pytest.fixture(scope="module")
def file(raw: Callable[[str], Path]) -> Path:
    return raw(FILE)


@pytest.fixture(scope="module")
def buildings(file: Path) -> pl.DataFrame:
    return seattle.parse_buildings([file]).collect()


@pytest.fixture(scope="module")
def by_hand(file: Path) -> list[dict[str, str]]:
    """Rows by another reader, the standard library's."""
    with file.open(encoding="utf-8-sig", newline="") as handle:
        return list(csv.DictReader(handle))


def plain(text: str) -> float | None:
    return None if text in ("", "NULL") else float(text.replace(",", ""))


def test_totals_are_those_printed_when_the_file_was_obtained(buildings: pl.DataFrame):
    assert buildings.height == 3376
    assert buildings["co2e_t"].sum() == pytest.approx(403_111, abs=0.5)
    assert buildings["energy_star_score"].median() == 75


def test_the_median_intensity_is_the_printed_one_before_the_repair_of_zeros(file: Path):
    raw = seattle.read(file).select(seattle.number("SiteEUI(kBtu/sf)")).to_series()
    assert raw.median() == pytest.approx(38.6, abs=0.001)


def test_the_byte_order_mark_is_no_part_of_the_first_heading(file: Path):
    assert file.read_bytes()[:3] == b"\xef\xbb\xbf"
    assert seattle.read(file).columns[0] == "OSEBuildingID"


@pytest.mark.parametrize(
    ("theirs", "ours", "factor"),
    [
        ("SiteEnergyUse(kBtu)", "site_energy_kwh", KWH_PER_KBTU),
        ("SteamUse(kBtu)", "heat_kwh", KWH_PER_KBTU),
        ("NaturalGas(therms)", "gas_kwh", 100 * KWH_PER_KBTU),
        ("Electricity(kWh)", "electricity_kwh", 1.0),
        ("PropertyGFABuilding(s)", "floor_area_m2", M2_PER_FT2),
    ],
)
def test_numbers_with_separators_are_read_whole_and_converted_by_definition(
    buildings: pl.DataFrame, by_hand: list[dict[str, str]], theirs: str, ours: str, factor: float
):
    assert any("," in r[theirs] for r in by_hand)
    want = sum(v for r in by_hand if (v := plain(r[theirs])) is not None)
    assert buildings[ours].sum() == pytest.approx(want * factor, rel=1e-12)


def test_null_in_words_is_no_value(buildings: pl.DataFrame, by_hand: list[dict[str, str]]):
    assert sum(r["ENERGYSTARScore"] == "NULL" for r in by_hand) == 8
    missing = buildings["energy_star_score"].null_count()
    assert missing == sum(r["ENERGYSTARScore"] in ("", "NULL") for r in by_hand)
    assert missing / 3376 == pytest.approx(0.25, abs=0.001)  # "about a quarter"


def test_energy_that_nobody_submitted_is_empty_and_not_zero(buildings: pl.DataFrame, by_hand: list[dict[str, str]]):
    zeros = [r for r in by_hand if plain(r["SiteEnergyUse(kBtu)"]) == 0]
    assert not any(r["ComplianceStatus"] == "Compliant" for r in zeros)
    assert any((plain(r["Electricity(kWh)"]) or 0) > 0 for r in zeros)  # so that the total of 0 is false
    empty = buildings.filter(pl.col("building_id").is_in([r["OSEBuildingID"] for r in zeros]))
    assert empty["site_energy_kwh"].null_count() == empty.height == 18
    assert not buildings.filter((pl.col("site_energy_kwh") == 0) | (pl.col("site_energy_wn_kwh") == 0)).height


def test_another_count_of_zeros_is_another_edition(buildings: pl.DataFrame):
    with pytest.raises(DataError, match="another edition"):
        seattle.repair_no_energy(buildings)


def test_bad_submissions_carry_the_publishers_remark(buildings: pl.DataFrame, by_hand: list[dict[str, str]]):
    assert buildings["flag_at_source"].drop_nulls().len() == sum(r["ComplianceStatus"] != "Compliant" for r in by_hand)
    outliers = buildings.filter(pl.col("flag_at_source").str.contains("outlier")).height
    assert outliers == sum(bool(r["Outlier"]) for r in by_hand) == 32


def test_emissions_follow_from_three_carriers_and_the_declared_factors_to_the_rounding_of_the_file(
    buildings: pl.DataFrame,
):
    factor = dict(cl.tables.read("carbon_building_factors").select("carrier", "factor_kgco2e_kwh").iter_rows())
    told = buildings.filter(pl.col("flag_at_source").is_null()).drop_nulls(["co2e_t", "gas_kwh"])
    made = sum(pl.col(f"{c}_kwh") * f for c, f in factor.items()) / 1000
    gap = told.select((made - pl.col("co2e_t")).abs().alias("gap"), "co2e_t")
    # The file rounds to 0.01 t; the factors are declared to five or six figures.
    assert gap.filter(pl.col("gap") > 0.006 + 3e-5 * pl.col("co2e_t").abs()).is_empty()


def test_the_three_carriers_do_not_always_add_up_to_the_total(by_hand: list[dict[str, str]], buildings: pl.DataFrame):
    total = pl.col("site_energy_kwh")
    off = (pl.col("electricity_kwh") + pl.col("gas_kwh") + pl.col("heat_kwh") - total).abs() > 0.01 * total
    assert buildings.filter(off, pl.col("flag_at_source").is_null()).height == 36


def test_the_published_intensity_has_another_area_than_the_buildings(buildings: pl.DataFrame):
    told = buildings.drop_nulls(["site_energy_kwh", "site_eui_kwh_m2"])
    ratio = told["site_energy_kwh"] / told["floor_area_m2"] / told["site_eui_kwh_m2"]
    assert 0.4 < ((ratio - 1).abs() > 0.01).mean() < 0.6


def test_a_building_that_feeds_in_more_than_it_buys_keeps_its_sign(buildings: pl.DataFrame):
    below = buildings.filter(pl.col("electricity_kwh") < 0)
    assert below["building_name"].to_list() == ["Bullitt Center"]


def test_neighbourhoods_have_no_stray_blanks(buildings: pl.DataFrame, by_hand: list[dict[str, str]]):
    assert any(r["Neighborhood"] != r["Neighborhood"].strip() for r in by_hand)
    assert (buildings["neighbourhood"] == buildings["neighbourhood"].str.strip_chars()).all()


def test_types_add_up_to_the_whole_city_and_groups_to_the_buildings_without_remark(by_hand: list[dict[str, str]]):
    types = cl.load("seattle__yearly_buildingtype_energy").collect()
    groups = cl.load("seattle__yearly_buildinggroup_energy").collect()
    every = [plain(r["TotalGHGEmissions"]) or 0.0 for r in by_hand]
    good = [plain(r["TotalGHGEmissions"]) or 0.0 for r in by_hand if r["ComplianceStatus"] == "Compliant"]
    assert (types["building_count"].sum(), types["compliant_count"].sum(), groups["building_count"].sum()) == (
        3376,
        3211,
        3211,
    )
    assert types["co2e_t"].sum() == pytest.approx(sum(every), rel=1e-12)
    assert groups["co2e_t"].sum() == pytest.approx(sum(good), rel=1e-12)


def test_a_type_whose_buildings_all_carry_a_remark_has_no_quantiles():
    types = cl.load("seattle__yearly_buildingtype_energy").collect()
    assert types.filter(pl.col("compliant_count") == 0)["building_type"].to_list() == ["Office"]
    assert types.filter(pl.col("site_eui_p50_kwh_m2").is_null())["building_type"].to_list() == ["Office"]


def test_quantiles_rise():
    types = cl.load("seattle__yearly_buildingtype_energy").drop_nulls().collect()
    for low, high in itertools.pairwise(QUANTILES):
        assert (types[f"site_eui_p{low}_kwh_m2"] <= types[f"site_eui_p{high}_kwh_m2"]).all()
