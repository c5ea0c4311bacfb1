from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import citylab as cl
from citylab import tables
from citylab.carbon.factors import gwp_set
from citylab.errors import DataError
from citylab.sources import c40

pytestmark = pytest.mark.filterwarnings("ignore::citylab.errors.UsageWarning")
FILE = "c40-gpc-inventories/c40_gpc_inventories.csv.gz"
KEY = ["city_name_en", "year"]


@pytest.fixture(scope="module")
def rows(mirror: Path) -> pl.DataFrame:
    return cl.load("c40__yearly_city_sector_ghg").collect()


@pytest.fixture(scope="module")
def totals(mirror: Path) -> pl.DataFrame:
    """The publisher's own totals, as plain Python reads them."""
    with gzip.open(mirror / FILE, "rt", encoding="utf-8", newline="") as file:
        filled = [r for r in csv.DictReader(file) if r["City"].strip()]
    totals = ("BASIC", "BASIC+", "Territorial")
    told = [(r["City"].strip(), int(float(r["Year_calendar"])), *(float(r[c]) for c in totals)) for r in filled]
    return pl.DataFrame(told, schema=[*KEY, "BASIC", "BASIC+", "territorial"], orient="row")


@pytest.fixture(scope="module")
def added(rows: pl.DataFrame, totals: pl.DataFrame) -> pl.DataFrame:
    """Totals added up by citylab's table of GPC rows, beside the publisher's."""
    gpc = tables.read("carbon_gpc").filter(level="row")
    flags = {"BASIC": "in_basic", "BASIC+": "in_basic_plus", "territorial": "in_territorial"}
    own = rows.join(gpc.select("gpc_ref", *flags.values()), on="gpc_ref").group_by(KEY)
    sums = own.agg(pl.col("ghg_co2e_t").filter(flag).sum().alias(f"{name}_own") for name, flag in flags.items())
    return totals.join(sums, on=KEY, how="full", coalesce=True, validate="1:1")


def off(added: pl.DataFrame, total: str) -> set[tuple[str, int]]:
    """Inventories whose total is not the publisher's to a millionth."""
    relative = (pl.col(f"{total}_own") / pl.col(total) - 1).abs()
    return set(added.filter((relative > 1e-6).fill_null(True)).select(KEY).iter_rows())


def test_our_rows_add_up_to_the_publishers_territorial_totals(added: pl.DataFrame):
    assert added.height == 329
    assert off(added, "territorial") == set()


def test_our_rows_add_up_to_the_publishers_basic_totals_but_for_one_city(added: pl.DataFrame):
    assert off(added, "BASIC") == {("Houston", 2020)}
    houston = added.filter(city_name_en="Houston", year=2020).row(0, named=True)
    assert (round(houston["BASIC"] / 1e6, 2), round(houston["BASIC_own"] / 1e6, 2)) == (39.84, 30.05)


def test_basic_plus_differs_only_by_off_road_journeys_abroad_which_the_schema_lacks(
    added: pl.DataFrame, rows: pl.DataFrame
):
    stated = rows.filter(gpc_ref="II.5.3").filter(pl.col("ghg_co2e_t") > 0)
    cities = set(stated.select(KEY).iter_rows())
    assert cities == {("Melbourne", 2013), ("Toronto", 2018)}
    assert off(added, "BASIC+") == cities | {("Houston", 2020)}
    both = added.join(stated.select(*KEY, "ghg_co2e_t"), on=KEY)
    assert ((both["BASIC+_own"] + both["ghg_co2e_t"]) / both["BASIC+"] - 1).abs().max() < 1e-9  # type: ignore[operator]


def test_grid_supply_is_never_in_basic_beside_scope_2(rows: pl.DataFrame):
    # what would be counted twice: generation supplied to the grid in the cities that state it
    supply = rows.filter(gpc_ref="I.4.4")["ghg_co2e_t"].sum()
    assert supply > 1e8
    assert not tables.read("carbon_gpc").filter(gpc_ref="I.4.4")["in_basic"].item()


def test_every_row_of_the_public_schema_has_our_scope_and_level(raw: Callable[[str], Path]):
    schema = c40.parse_schema([raw("c40-gpc-inventories/gpc_1.1_schema.csv")]).collect()
    ours = tables.read("carbon_gpc").filter(level="row")
    levels = (
        pl.when("in_basic").then(pl.lit("basic")).when("in_basic_plus").then(pl.lit("basic+"))
        .when("in_territorial").then(pl.lit("territorial")).otherwise(pl.lit("other"))
    )  # fmt: skip
    mine = ours.select("gpc_ref", "scope", levels.alias("reporting_level"))
    assert set(mine.iter_rows()) == set(schema.iter_rows())
    assert schema.height == 53


def test_the_schemas_slip_in_a_number_is_known(raw: Callable[[str], Path]):
    path = raw("c40-gpc-inventories/gpc_1.1_schema.csv")
    assert path.read_text(encoding="utf-8").count(",I.63,") == 1
    assert "I.6.3" in c40.parse_schema([path]).collect()["gpc_ref"].to_list()


def test_warming_potentials_of_the_schemas_table_are_those_of_ar5(mirror: Path):
    with open(mirror / "c40-gpc-inventories" / "gwp_100.csv", encoding="utf-8", newline="") as file:
        told = {r["gas"]: float(r["co2eq_per_kg"]) for r in csv.DictReader(file)}
    _, ours = gwp_set("AR5")
    assert {gas: told[gas] for gas in ("CO2", "CH4", "N2O")} == {gas: ours[gas] for gas in ("CO2", "CH4", "N2O")}


def test_a_notation_key_is_kept_and_never_read_as_nothing(rows: pl.DataFrame):
    assert set(rows["notation_key"].drop_nulls()) == {"NO", "NE", "IE", "C"}
    assert rows.filter(pl.col("notation_key").is_not_null() & pl.col("ghg_co2e_t").is_not_null()).is_empty()
    abidjan = dict(rows.filter(city_name_en="Abidjan", year=2016).select("gpc_ref", "notation_key").iter_rows())
    assert (abidjan["I.1.3"], abidjan["I.4.2"], abidjan["I.5.1"], abidjan["I.1.1"]) == ("NE", "IE", "NO", None)


def test_spellings_of_the_keys_are_those_that_plain_python_finds(mirror: Path):
    found: set[str] = set()
    with gzip.open(mirror / FILE, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            for heading, cell in row.items():
                if c40.REFERENCE.fullmatch(heading) and cell.strip():
                    try:
                        float(cell)
                    except ValueError:
                        found.add(cell.strip())
    assert found == set(tables.read("c40_notation")["notation_at_source"])


def test_fiscal_years_have_the_calendar_year_that_the_publisher_gave_them(rows: pl.DataFrame):
    assert (rows["year"].min(), rows["year"].max()) == (1990, 2021)
    assert rows.select(KEY).unique().height == 329
    assert rows["city_name_en"].n_unique() == 79


def test_land_is_the_row_that_may_be_a_sink(rows: pl.DataFrame):
    below = rows.filter(pl.col("ghg_co2e_t") < 0)
    assert set(below["gpc_ref"]) == {"V.2", "V.3", "VI.1"}
    assert below.group_by("gpc_ref").len().sort("len")["gpc_ref"][-1] == "V.2"


def test_a_cell_that_is_neither_mass_nor_key_is_named(tmp_path: Path):
    file = tmp_path / "c40.csv"
    file.write_text("City,Country,Boundary,Level,Year_calendar,I.1.1\nOslo,Norway,City,BASIC,2018.0,unknown\n")
    with pytest.raises(DataError, match=r"'unknown' in I\.1\.1 of Oslo 2018"):
        c40.parse_inventories([file]).collect()
    file.write_text("City,Country,Boundary,Level,Year_calendar,I.1.1\nOslo,Norway ,City,BASIC,2018.0,NO \n")
    row = c40.parse_inventories([file]).collect().row(0, named=True)
    assert (row["country_name_en"], row["notation_key"], row["ghg_co2e_t"]) == ("Norway", "NO", None)
