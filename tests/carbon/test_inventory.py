from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from citylab import catalog, settings, sheets, tables
from citylab.carbon import inventory as inv
from citylab.carbon.inventory import check_additive, from_published, inventory, read_activity, template, unfold
from citylab.errors import (
    DataError,
    FactorYearError,
    OverlapError,
    SchemaError,
    UnitError,
    UnknownNameError,
    UsageWarning,
)


def sheet(*rows: dict[str, Any]) -> pl.DataFrame:
    base = {"place": "北京", "year": 2022, "gpc_ref": "I.1.1", "fuel": "natural_gas", "activity": 1.0, "unit": "kt",
            "source": "made up", "notation_key": None, "included_in": None, "scope": None}  # fmt: skip
    kinds = {"notation_key": pl.String, "included_in": pl.String, "scope": pl.Int64, "fuel": pl.String}
    return pl.DataFrame([base | row for row in rows], schema_overrides=kinds)


def keyed(ref: str, key: str, **more: Any) -> dict[str, Any]:
    return {"gpc_ref": ref, "notation_key": key, "fuel": None, "activity": None, "unit": None, "source": None} | more


@pytest.fixture(scope="module")
def grid() -> pl.LazyFrame:
    return catalog.load("mee__yearly_grid_co2factor")


# -- arithmetic

# CityCatalyst 47afbbb, app/tests/emission_factors_sample_data: 100 units of fuel, kg per unit of CO2, CH4 and N2O, and
# the result of its manual check [t CO2e] with GWPs 1, 28, 265.
WORKED = {
    "natural gas, residential": ("m³", 2.244, 0.0002, 4e-6, 0.225066),
    "charcoal": ("t", 1190.56, 2.126, 0.01063, 125.290495),
    "LPG, burnt": ("m³", 1617.884, 0.1282, 0.002564, 162.215306),
    "gasoline, burnt": ("m³", 2414.412, 0.3484, 0.020904, 242.970676),
    "residual fuel oil, burnt": ("m³", 3127.734, 0.12123, 0.024246, 313.755363),
    "diesel oil, burnt": ("m³", 2852.109, 0.11547, 0.023094, 286.146207),
}


@pytest.mark.parametrize("fuel", WORKED)
def test_activity_times_factor_times_gwp_gives_the_worked_results_to_1e_6(fuel: str):
    unit, *per_unit, expected = WORKED[fuel]
    own = pl.DataFrame(
        {"fuel": fuel, "gas": gas, "value": v, "unit": f"kg/{unit}", "year": 2022, "source": "CityCatalyst 47afbbb"}
        for gas, v in zip(("CO2", "CH4", "N2O"), per_unit, strict=True)
    )
    done = inventory(sheet({"fuel": fuel, "activity": 100.0, "unit": unit}), factors=own)
    assert done.total() == pytest.approx(expected, abs=1e-6)
    assert unfold(done)["co2e_t"].sum() == pytest.approx(expected, abs=1e-6)


def test_a_row_of_each_gas_stands_with_its_factor_gwp_and_sources():
    done = inventory(sheet({"fuel": "汽油", "gpc_ref": "II.1.1", "activity": 10.0, "unit": "kt"}))
    gases = {r["gas"]: r for r in done.rows.iter_rows(named=True)}
    # 10 kt x 44.3 TJ/kt = 443 TJ; x 69300 kg, 25 kg and 8 kg
    assert gases["CO2"]["emission_t"] == pytest.approx(443 * 69.3)
    assert gases["CH4"]["co2e_t"] == pytest.approx(443 * 0.025 * 28)
    assert gases["N2O"]["co2e_t"] == pytest.approx(443 * 0.008 * 265)
    assert all(r["factor_source"] and r["link_source"] and r["source"] for r in gases.values())
    assert any("from memory" in w for w in done.warnings)


def test_the_set_of_gwps_changes_methane_and_is_named():
    done = {g: inventory(sheet({}), gwp=g) for g in ("AR4", "AR5", "AR6")}
    methane = {g: d.rows.filter(gas="CH4")["co2e_t"].item() for g, d in done.items()}
    assert methane == {
        "AR4": pytest.approx(0.24 * 25),
        "AR5": pytest.approx(0.24 * 28),
        "AR6": pytest.approx(0.24 * 27),
    }
    assert done["AR6"].totals()["gwp_set"].item() == "AR6"


def test_a_gas_without_gwp_is_refused():
    own = pl.DataFrame({"fuel": ["switchgear"], "gas": ["SF6"], "value": [0.01], "unit": ["kg/t"], "year": [2022],
                        "source": ["made up"]})  # fmt: skip
    table = sheet({"fuel": "switchgear", "gpc_ref": "IV.2", "unit": "t"})
    assert inventory(table, factors=own, boundary="BASIC+", gwp="AR5").total() == pytest.approx(1e-5 * 23500)
    with pytest.raises(UnknownNameError, match="SF6"):
        inventory(table, factors=own, boundary="BASIC+", gwp="AR6")


def test_units_are_converted_and_the_answer_does_not_depend_on_them():
    one, *others = (
        inventory(sheet({"activity": a, "unit": u})).total()
        for a, u in ((48.0, "TJ"), (1.0, "kt"), (0.1, "万吨"), (48e3 / 3.6, "MWh"), (1e6 / 0.7, "m³"))
    )
    assert others == pytest.approx([one] * 4, rel=1e-12)


def test_biogenic_carbon_dioxide_is_shown_and_not_added():
    done = inventory(sheet({"fuel": "msw_biomass", "gpc_ref": "III.3.1", "unit": "t", "activity": 100.0}))
    wood = done.rows.filter(gas="CO2_biogenic")
    assert wood["emission_t"].item() == pytest.approx(116.0)
    assert wood["co2e_t"].item() == 0
    assert done.total() == pytest.approx(done.rows.filter(pl.col("gas") != "CO2_biogenic")["co2e_t"].sum())


# -- electricity


def test_electricity_of_beijing_takes_the_grid_of_its_year(grid: pl.LazyFrame):
    rows = [{"gpc_ref": "I.2.2", "fuel": "电力", "unit": "亿千瓦时", "year": y} for y in (2021, 2022)]
    done = inventory(sheet(*rows), grid=grid)
    # 1e8 kWh x 0.5688 kg and 0.5580 kg
    assert done.totals()["co2e_t"].to_list() == pytest.approx([56880, 55800])
    assert done.rows["factor_year"].to_list() == [2021, 2022]
    with pytest.raises(FactorYearError, match="2023"):
        inventory(sheet(rows[0] | {"year": 2023}), grid=grid)


def test_a_factor_of_another_year_is_warned_of_and_stands_in_the_row(grid: pl.LazyFrame):
    table = sheet({"gpc_ref": "I.2.2", "fuel": "电力", "unit": "MWh", "year": 2023})
    with pytest.warns(UsageWarning, match="2022 stands for 2023"):
        done = inventory(table, grid=grid, allow_other_year=True)
    assert done.rows["factor_year"].item() == 2022
    assert done.warnings == ("electricity CO2: factor of 2022 used for 2023",)


def test_market_based_counts_contracts_as_zero_and_the_rest_as_residual_mix():
    rows = [{"gpc_ref": "I.2.2", "fuel": f, "unit": "MWh", "year": 2023, "activity": 100.0} for f in ("绿电", "电力")]
    done = inventory(sheet(*rows), basis="market")
    assert done.rows["co2e_t"].to_list() == pytest.approx([0, 60.96])
    assert done.totals()["basis"].item() == "market"


def test_another_city_names_its_grid():
    table = sheet({"place": "样例市", "gpc_ref": "I.1.2", "fuel": "电力", "unit": "MWh", "year": 2023})
    assert inventory(table, grid_place="华北").total() == pytest.approx(0.6361)
    assert inventory(table, grid_place={"样例市": "中国"}).total() == pytest.approx(0.5306)
    with pytest.raises(UnknownNameError, match="样例市"):
        inventory(table)


# -- boundaries

# 1 MWh or t in a row of each kind, with own factors of 1 t CO2 per t, so that the total counts the rows
ALL_REFS = [r for r in tables.read("carbon_gpc").iter_rows(named=True) if r["level"] == "row"]


def every_row() -> tuple[pl.DataFrame, pl.DataFrame]:
    own = pl.DataFrame({"fuel": ["thing"], "gas": ["CO2"], "value": [1.0], "unit": ["t/t"], "year": [2022],
                        "source": ["made up"]})  # fmt: skip
    return sheet(*({"gpc_ref": r["gpc_ref"], "fuel": "thing", "unit": "t"} for r in ALL_REFS)), own


# GPC 1.1 by hand. I: six sub-sectors x scopes 1 and 2, two fugitive; II: five x two; III: four x (inside, outside).
# BASIC+ adds losses of six, transboundary of four, IPPU 2, AFOLU 3. Territorial: I 6 + 2 + I.4.4, II 5, III 4 x 2,
# IV 2, V 3.
COUNTS = {"BASIC": 14 + 10 + 8, "BASIC+": 32 + 6 + 4 + 5, "territorial": 9 + 5 + 8 + 5}


@pytest.mark.parametrize(("boundary", "count"), COUNTS.items())
def test_each_boundary_counts_the_rows_that_the_protocol_names(boundary: Any, count: int):
    table, own = every_row()
    done = inventory(table, factors=own, boundary=boundary)
    assert done.total() == count
    assert unfold(done, boundary).height == count
    assert done.not_estimated().is_empty()


def test_grid_supply_and_waste_from_elsewhere_are_in_neither_basic_total():
    table, own = every_row()
    outside = inventory(table, factors=own, boundary="BASIC+").rows.filter(~pl.col("in_total"))
    assert outside["gpc_ref"].to_list() == ["I.4.4", "III.1.3", "III.2.3", "III.3.3", "III.4.3", "VI.1"]


def test_grid_supply_beside_scope_2_is_never_added():
    table, own = every_row()
    rows = inventory(table, factors=own).rows
    with pytest.raises(OverlapError, match=r"I.4.4"):
        check_additive(rows)
    check_additive(rows.filter(pl.col("scope") == 1))
    check_additive(rows.filter(pl.col("gpc_ref") != "I.4.4"))


def test_totals_by_sector_and_scope_add_up_to_the_total():
    table, own = every_row()
    done = inventory(table, factors=own, boundary="BASIC+")
    for by in ("sector", "scope", "gas", ["sector", "scope"]):
        assert done.totals(by)["co2e_t"].sum() == pytest.approx(done.total())
    assert dict(done.totals("sector").select("sector", "co2e_t").iter_rows()) == {
        "I": 20,
        "II": 14,
        "III": 8,
        "IV": 2,
        "V": 3,
    }


def test_a_sector_at_two_levels_at_once_is_refused():
    with pytest.raises(OverlapError, match=r"amounts in I\.1 \(row 1\) and in I\.1\.1 \(row 2\)"):
        inventory(sheet({"gpc_ref": "I.1", "scope": 1}, {"gpc_ref": "I.1.1"}))
    with pytest.raises(OverlapError, match=r"I holds I.3.1"):
        inventory(sheet({"gpc_ref": "I.3.1"}, {"gpc_ref": "I", "scope": 1}))


def test_levels_of_different_scopes_places_and_years_do_not_clash(grid: pl.LazyFrame):
    rows = sheet(
        {"gpc_ref": "I.1", "scope": 1},
        {"gpc_ref": "I.1.2", "fuel": "电力", "unit": "MWh"},
        {"gpc_ref": "I.1.1", "year": 2021},
        {"gpc_ref": "I.1.1", "place": "上海"},
    )
    assert inventory(rows, grid=grid).rows["co2e_t"].sum() > 0


def test_a_city_and_its_district_are_not_added():
    done = inventory(sheet({}, {"place": "海淀"}))
    assert done.totals().height == 2
    with pytest.raises(OverlapError, match="海淀"):
        done.total()
    assert inventory(sheet({"place": "东城"}, {"place": "海淀"})).total() > 0


def test_one_total_over_years_is_refused():
    with pytest.raises(OverlapError, match="2 years"):
        inventory(sheet({}, {"year": 2021})).total()


# -- notation keys


def test_what_is_said_nothing_of_is_listed_as_not_estimated():
    done = inventory(sheet({}, keyed("I.2.1", "NO"), keyed("I.3.1", "IE", included_in="I.1.1"), keyed("I.5.1", "C")))
    missing = done.not_estimated()
    assert set(missing["gpc_ref"]) == {r["gpc_ref"] for r in ALL_REFS if r["in_basic"]} - {
        "I.1.1",
        "I.2.1",
        "I.3.1",
        "I.5.1",
    }
    assert done.totals()["ne_count"].item() == missing.height == COUNTS["BASIC"] - 4
    keys = done.gaps.filter(pl.col("reason").str.contains("activity table") & (pl.col("notation_key") != "NE"))
    assert dict(keys.select("gpc_ref", "notation_key").iter_rows()) == {"I.2.1": "NO", "I.3.1": "IE", "I.5.1": "C"}


def test_an_incomplete_inventory_names_what_is_missing_in_both_languages():
    done = inventory(sheet({}, keyed("I.2.1", "NO")))
    text = {lang: done.text(lang) for lang in ("en", "zh")}  # type: ignore[arg-type]
    assert "30 rows not estimated (NE)" in text["en"] and "30 项未估算（NE）" in text["zh"]
    assert "not estimated (NE): II.1.1 On-road transport, fuel burnt" in text["en"]
    assert "未估算（NE）: II.1.1" in text["zh"]
    assert ": I.2.1 " not in text["en"], "what does not occur is not missing"
    assert text["en"].count("not estimated (NE):") == done.totals()["ne_count"].item()


def test_the_template_lists_every_row_and_makes_an_inventory_of_nothing():
    done = inventory(template(place="北京", year=2022), boundary="BASIC+")
    assert done.total() == 0
    assert set(done.not_estimated()["gpc_ref"]) == {r["gpc_ref"] for r in ALL_REFS if r["in_basic_plus"]}
    assert template().columns == sheets.columns("city_activity")["column"].to_list()


def test_an_edition_without_methane_lists_it_as_not_estimated():
    done = inventory(sheet({}), edition="cn-provincial-2011")
    assert done.rows["gas"].to_list() == ["CO2"]
    # 1 kt is no unit of the guideline's heat value, which is per volume: density 0.7 kg/m³ joins them
    assert done.total() == pytest.approx(1e6 / 0.7 / 1e4 * 389.31 * 15.3 * 0.99 * 44 / 12 / 1000)
    assert set(done.not_estimated().filter(gpc_ref="I.1.1")["gas"]) == {"CH4", "N2O"}


def test_own_factors_that_leave_a_gas_out_list_it_as_not_estimated():
    own = pl.DataFrame({"fuel": ["天然气"], "gas": ["CO2"], "value": [2.0], "unit": ["t/kt"], "year": [2022],
                        "source": ["made up"]})  # fmt: skip
    done = inventory(sheet({}), factors=own)
    assert done.total() == 2.0
    missing = done.not_estimated().filter(gpc_ref="I.1.1")
    assert missing["gas"].to_list() == ["CH4", "N2O"]
    assert missing["reason"].str.contains("own factors").all()
    assert done.totals()["ne_count"].item() == COUNTS["BASIC"] - 1


def test_included_elsewhere_must_be_somewhere():
    with pytest.raises(DataError, match="IE needs included_in"):
        inventory(sheet({}, keyed("I.3.1", "IE")))
    with pytest.raises(DataError, match=r"included in I\.2\.1, but 北京 2022 has no amount"):
        inventory(sheet({}, keyed("I.3.1", "IE", included_in="I.2.1")))


# -- bad input


@pytest.mark.parametrize(
    ("row", "error", "message"),
    [
        ({"fuel": "natrual gas"}, UnknownNameError, "row 1: Unknown fuel or activity 'natrual gas'. Nearest: 'natural"),
        ({"unit": "ktt"}, UnknownNameError, "row 1: Unknown unit 'ktt'. Nearest: 'kt'"),
        ({"gpc_ref": "I.9.1"}, UnknownNameError, "GPC reference 'I.9.1'"),
        ({"activity": -1.0}, DataError, "row 1: activity is -1.0, but cannot be negative"),
        ({"activity": float("nan")}, DataError, "row 1: activity is nan"),
        ({"activity": float("inf")}, DataError, "row 1: activity is inf"),
        ({"activity": None}, DataError, "no notation key says why"),
        ({"notation_key": "NE"}, DataError, "both an amount"),
        ({"notation_key": "XX", "activity": None}, UnknownNameError, "notation key 'XX'"),
        ({"year": None}, DataError, "year is empty"),
        ({"place": None}, DataError, "place is empty"),
        ({"source": " "}, DataError, "source is empty"),
        ({"gpc_ref": "I.1"}, DataError, "fill in scope"),
        ({"scope": 2}, DataError, "has scope 1, not 2"),
        ({"fuel": "电力", "unit": "MWh"}, DataError, "bought energy"),
        ({"gpc_ref": "I.1.2"}, DataError, "is burnt"),
        ({"unit": "pkm"}, UnitError, "no heat value"),
        ({"year": 1980}, FactorYearError, "1980"),
    ],
)
def test_a_row_that_cannot_be_is_told_with_its_number(row: dict[str, Any], error: type[Exception], message: str):
    with pytest.raises(error) as told:
        inventory(sheet(row))
    assert message in str(told.value)


def test_all_bad_rows_are_told_at_once():
    with pytest.raises(DataError, match="2 of 3 rows") as told:
        inventory(sheet({"activity": -1.0}, {}, {"fuel": "natrual gas"}))
    assert "row 1" in str(told.value) and "row 3" in str(told.value)


def test_the_same_row_twice_and_an_amount_beside_a_key_are_refused():
    with pytest.raises(DataError, match=r"Rows 1 and 2 .* are the same"):
        inventory(sheet({}, {}))
    with pytest.raises(DataError, match="notation key NE"):
        inventory(sheet({}, keyed("I.1.1", "NE")))


def test_missing_columns_and_wrong_kinds_are_told_at_the_call():
    with pytest.raises(SchemaError, match="gpc_ref"):
        inventory(sheet({}).drop("gpc_ref"))
    with pytest.raises(SchemaError, match=r"polars.from_pandas"):
        inventory([{"place": "北京"}])  # type: ignore[type-var]
    with pytest.raises(UnknownNameError, match="boundary"):
        inventory(sheet({}), boundary="basic")  # type: ignore[arg-type]


def test_a_lazy_table_gives_the_same_inventory():
    assert inventory(sheet({}).lazy()).rows.equals(inventory(sheet({})).rows)


# -- unfold


@given(
    amounts=st.lists(st.floats(0, 1e9, allow_nan=False), min_size=1, max_size=8),
    fuels=st.lists(st.sampled_from(["natural_gas", "diesel", "lignite", "lpg"]), min_size=8, max_size=8),
)
@hypothesis_settings(max_examples=25, deadline=None)
def test_any_total_is_the_sum_of_the_rows_into_which_it_unfolds(amounts: list[float], fuels: list[str]):
    refs = ["I.1.1", "I.2.1", "I.3.1", "II.1.1"]
    rows = [
        {"gpc_ref": refs[i % 4], "fuel": fuels[i], "activity": a, "unit": "t", "source": f"book {i}"}
        for i, a in enumerate(amounts)
    ]
    done = inventory(sheet(*rows))
    out = unfold(done)
    assert out["co2e_t"].sum() == pytest.approx(done.total(), rel=1e-9, abs=1e-9)
    by_hand = out["activity"] * out["conversion"] * out["factor_value"] / 1000 * out["gwp"]
    assert by_hand.to_list() == pytest.approx(out["co2e_t"].to_list(), rel=1e-9, abs=1e-9)


def test_parts_unfold_too_and_shares_add_up_to_one():
    done = inventory(sheet({}, {"gpc_ref": "II.1.1", "fuel": "diesel"}))
    parts = [unfold(done, t) for t in ("I", {"sector": "II"})]
    assert sum(p["co2e_t"].sum() for p in parts) == pytest.approx(done.total())
    assert parts[0]["share"].sum() == pytest.approx(1)
    assert unfold(done, {"gas": "CO2"})["gas"].unique().to_list() == ["CO2"]
    with pytest.raises(UnknownNameError, match="total 'BASIX'"):
        unfold(done, "BASIX")
    with pytest.raises(DataError, match="nothing to unfold"):
        unfold(done, "III")


def test_a_row_outside_the_total_unfolds_by_its_own_name():
    done = inventory(sheet({}, {"gpc_ref": "I.4.4", "activity": 7.0}))
    assert unfold(done, "I.4.4")["activity"].unique().to_list() == [7.0]
    assert 7.0 not in unfold(done)["activity"]


def test_an_edited_row_does_not_unfold():
    done = inventory(sheet({}))
    edited = inv.Inventory(
        done.rows.with_columns(co2e_t=pl.col("co2e_t") * 1.01), done.gaps, "BASIC", "AR5", "location", "ipcc-2006"
    )
    with pytest.raises(DataError, match=r"make 2692.8"):
        unfold(edited, {"gas": "CO2"})


# -- files


def test_a_users_file_is_one_inventory(tmp_path: Path):
    text = (settings.datasets_dir() / "templates" / "city_activity.csv").read_text(encoding="utf-8")
    lines = [
        f"北京,2022,{line[2:]}" if line.startswith(",,") else line
        for line in text.splitlines()
        if not line.startswith(",,I.1.1,")
    ]
    lines.append("北京,2022,I.1.1,,天然气,14.2,亿立方米,,,燃气公司年报（虚构）,5,")
    (tmp_path / "ours.csv").write_text("\n".join(lines), encoding="utf-8")
    done = inventory(read_activity(tmp_path / "ours.csv"))
    # 14.2e8 m³ x 0.7 kg/m³ = 994 kt; x 48 TJ/kt
    assert done.rows.filter(gas="CO2")["co2e_t"].item() == pytest.approx(994 * 48 * 56.1)
    assert done.not_estimated().filter(pl.col("gas").is_null()).height == COUNTS["BASIC"] - 1


CHINESE = "地点,年份,GPC 编号,燃料或活动,活动水平,单位,数据来源\n北京,2022,I.1.1,天然气,{amount},亿m³,年报\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_chinese_headings_and_encodings_are_read(tmp_path: Path, encoding: str):
    (tmp_path / "ours.csv").write_text(CHINESE.format(amount=1), encoding=encoding)
    table = read_activity(tmp_path / "ours.csv")
    assert table.row(0, named=True)["fuel"] == "天然气"
    assert inventory(table).rows["activity_row"].unique().to_list() == [2]


def test_bad_rows_of_a_file_are_told_with_their_lines(tmp_path: Path):
    (tmp_path / "ours.csv").write_text("# ours\n\n" + CHINESE.format(amount="1 200"), encoding="utf-8")
    with pytest.raises(DataError, match="row 4: activity is '1 200'"):
        read_activity(tmp_path / "ours.csv")
    (tmp_path / "ours.csv").write_text("# ours\n\n" + CHINESE.format(amount=-3), encoding="utf-8")
    with pytest.raises(DataError, match=r"row 4: activity is -3.0"):
        inventory(read_activity(tmp_path / "ours.csv"))


def test_unknown_headings_and_workbooks_without_a_reader_are_told(tmp_path: Path):
    (tmp_path / "ours.csv").write_text("place,yeer\nA,1\n", encoding="utf-8")
    with pytest.raises(SchemaError, match="yeer"):
        read_activity(tmp_path / "ours.csv")
    (tmp_path / "empty.csv").write_text("# nothing\n", encoding="utf-8")
    with pytest.raises(SchemaError, match="no line of headings"):
        read_activity(tmp_path / "empty.csv")


def test_a_workbook_without_its_reader_asks_for_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "ours.xlsx").write_bytes(b"PK")
    monkeypatch.setitem(sys.modules, "fastexcel", None)
    with pytest.raises(SchemaError, match="Save the sheet as CSV"):
        read_activity(tmp_path / "ours.xlsx")


# -- a real small city


def printed_factor(mirror: Path, fuel: str) -> float:
    """What the UK publishes as kg CO2e per kWh of gross heat value in 2021, all gases together."""
    raw = pl.read_csv(
        mirror / "uk-ghg-conversion-factors" / "uk_ghg_conversion_factors_2021.csv.gz", infer_schema_length=0
    ).filter(pl.col("emission_target_formula") == "CO2e")
    if fuel == "electricity":
        rows = raw.filter(pl.col("Scope") == "Scope2", pl.col("Level 2") == "Electricity generated")
    else:
        rows = raw.filter(
            pl.col("Scope") == "Scope1", pl.col("Level 3") == fuel, pl.col("UOM") == "kWh (Gross CV)"
        )  # fmt: skip
    return float(rows["GHG Conversion Factor 2021"].unique().item())


def test_lincoln_unfolds_into_the_amounts_and_factors_of_its_publishers(mirror: Path):
    activity, own = inv.example_city()
    done = inventory(activity, factors=own, gwp="AR4")
    # ktoe as published x 11.63 GWh x the UK's own CO2e factor, which is printed to five decimals
    published = {
        ("I.1.1", "natural_gas"): (41.206964704361, "Natural gas"),
        ("I.1.1", "domestic coal"): (0.154378026723862, "Coal (domestic)"),
        ("I.1.1", "burning oil"): (0.223274022340775, "Burning oil"),
        ("I.1.2", "electricity"): (11.3800311232064, "electricity"),
        ("I.2.1", "natural_gas"): (27.8911482334547, "Natural gas"),
        ("I.2.1", "diesel"): (5.26866919919849, "Gas oil"),
        ("I.2.2", "electricity"): (19.5660355781955, "electricity"),
    }
    told = {
        (ref, fuel): t
        for ref, fuel, t in unfold(done).group_by("gpc_ref", "fuel").agg(pl.col("co2e_t").sum()).iter_rows()
    }
    for key, (ktoe, name) in published.items():
        assert told.pop(key) == pytest.approx(ktoe * 11.63e3 * printed_factor(mirror, name), rel=1e-4), key
    # Smokeless fuel has no factor there; the file takes that of domestic coal and says so.
    assert told == {
        ("I.1.1", "manufactured solid fuel"): pytest.approx(
            0.131336733698845 * 11.63e3 * printed_factor(mirror, "Coal (domestic)"), rel=1e-4
        )
    }
    assert unfold(done)["co2e_t"].sum() == pytest.approx(done.total(), rel=1e-12)


def test_lincoln_says_what_it_lacks_and_never_looks_whole():
    activity, own = inv.example_city()
    done = inventory(activity, factors=own, gwp="AR4")
    missing = set(done.not_estimated()["gpc_ref"])
    assert {"II.1.1", "II.2.1", "III.1.1", "I.5.1", "II.4.1"} <= missing
    assert not {"I.1.1", "I.2.1", "I.3.1", "I.3.2"} & missing
    assert done.totals()["ne_count"].item() == len(missing)
    assert (activity["source"].is_not_null() | (activity["notation_key"] == "NE")).all()
    assert set(own["mark"]) == {"secondary"}


# -- published inventories

NAMES: dict[str, str] = {"sector": "sector", "fuel": "fuel"}


@pytest.fixture(scope="module")
def beijing(mirror: Path) -> pl.DataFrame:
    path = mirror / "ceads-china-co2" / "beijing_sector_fuel_co2_1997_2019.csv.gz"
    return pl.read_csv(path).with_columns(place=pl.lit("北京"))


def test_ceads_keeps_its_sums_in_the_rows_of_the_protocol(beijing: pl.DataFrame):
    done = from_published(beijing, value="co2_mt", unit="Mt", **NAMES)
    cells = beijing.filter(
        pl.col("sector") != "Total", ~pl.col("fuel").str.contains("^Scope")
    ).group_by("year").agg(t=pl.col("co2_mt").sum() * 1e6).sort("year")  # fmt: skip
    totals = done.totals().sort("year")
    assert totals["year"].to_list() == list(range(1997, 2020))
    assert totals["co2e_t"].to_list() == pytest.approx(cells["t"].to_list(), rel=1e-9)
    printed = beijing.filter(sector="Total", fuel="Scope 1 Total").sort("year")["co2_mt"] * 1e6
    # the publisher prints nine decimals of a million tonnes in each of 45 x 20 cells
    assert totals["co2e_t"].to_list() == pytest.approx(printed.to_list(), abs=0.1)
    assert done.totals("sector")["co2e_t"].sum() == pytest.approx(totals["co2e_t"].sum(), rel=1e-9)


def test_ceads_of_2019_is_89_184_million_tonnes_and_unfolds_to_them(beijing: pl.DataFrame):
    out = unfold(from_published(beijing.filter(year=2019), value="co2_mt", unit="Mt", **NAMES), "territorial")
    assert out["co2e_t"].sum() / 1e6 == pytest.approx(89.184484, abs=1e-6)
    assert out.filter(gpc_ref="I.4.4")["co2e_t"].sum() / 1e6 == pytest.approx(31.924533, abs=0.1)


def test_empty_scope_2_of_ceads_is_not_estimated_rather_than_zero(beijing: pl.DataFrame):
    # the columns hold zeros in every year, and Beijing buys most of its electricity
    done = from_published(beijing.filter(year=2019), value="co2_mt", unit="Mt", boundary="BASIC", **NAMES)
    assert done.rows.filter(pl.col("scope") == 2).is_empty()
    assert not done.rows.filter(gpc_ref="I.4.4")["in_total"].any()
    assert {"I.1.2", "I.2.2", "I.3.2", "II.1.2"} <= set(done.not_estimated()["gpc_ref"])
    assert any("zeros" in w for w in done.warnings)


def test_scope_2_lies_outside_the_scope_1_total_and_stands_for_grid_supply_in_basic():
    power = "Production and Supply of Electric Power, Steam and Hot Water"
    cells = [("Urban", "LPG", 3.0), ("Urban", "Scope 2 Electricity", 5.0), (power, "Raw Coal", 7.0)]
    frame = pl.DataFrame([{"place": "北京", "year": 2019, "sector": s, "fuel": f, "co2_t": v} for s, f, v in cells])
    assert from_published(frame, **NAMES).total() == 3 + 7
    assert from_published(frame, boundary="BASIC", **NAMES).total() == 3 + 5
    with pytest.raises(OverlapError, match="same electricity and heat"):
        check_additive(from_published(frame, **NAMES).rows)


def test_the_data_set_of_the_catalogue_needs_no_renaming(beijing: pl.DataFrame):
    as_loaded = beijing.filter(pl.col("sector") != "Total", ~pl.col("fuel").str.contains("^Scope")).select(
        "year", sector_at_source="sector", fuel_at_source="fuel", co2_t=pl.col("co2_mt") * 1e6
    )
    done = from_published(as_loaded.lazy(), place="北京")
    assert done.totals().filter(year=2010)["co2e_t"].item() / 1e6 == pytest.approx(105.04, abs=0.005)


def test_every_sector_and_column_of_ceads_has_one_place(beijing: pl.DataFrame):
    assert set(beijing["sector"]) == set(tables.read("carbon_ceads_gpc")["sector"])
    assert set(beijing["fuel"]) == set(tables.read("carbon_ceads_columns")["fuel"])
    refs = set(tables.read("carbon_gpc")["gpc_ref"])
    used = tables.read("carbon_ceads_gpc").select(pl.concat_list(pl.col("^gpc_ref_.*$")).explode()).to_series()
    assert set(used.drop_nulls()) <= refs


def published(**changes: Any) -> pl.DataFrame:
    rows = [
        {"year": 2019, "sector": "Urban", "fuel": "LPG", "co2_t": 3.0},
        {"year": 2019, "sector": "Urban", "fuel": "Process", "co2_t": 1.0},
        {"year": 2019, "sector": "Urban", "fuel": "Scope 1 Total", "co2_t": 4.0},
        {"year": 2019, "sector": "Total", "fuel": "LPG", "co2_t": 3.0},
    ]
    return pl.DataFrame([rows[0] | changes, *rows[1:]])


def test_processes_go_to_ippu_and_sums_are_left_out():
    rows = from_published(published(), place="北京", **NAMES).rows
    assert rows.select("gpc_ref", "co2e_t").rows() == [("I.1.1", 3.0), ("IV.1", 1.0)]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"sector": "Urbann"}, UnknownNameError, "Nearest: 'Urban'"),
        ({"fuel": "Lpg"}, UnknownNameError, "Nearest: 'LPG'"),
        ({"co2_t": -3.0}, DataError, "not negative"),
        ({"co2_t": float("nan")}, DataError, "usable"),
        ({"co2_t": 2.0}, DataError, "add up to 3.0 t, the publisher's own totals to 4.0"),
        ({"fuel": "Process"}, DataError, "twice"),
    ],
)
def test_a_publication_that_cannot_be_is_refused(change: dict[str, Any], error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        from_published(published(**change), place="北京", **NAMES)
