from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from citylab.carbon.actors import reconcile
from citylab.carbon.inventory import Inventory, inventory
from citylab.errors import DataError, EditionError, OverlapError, UnknownNameError


def city(**amounts: float) -> Inventory:
    own = pl.DataFrame({"fuel": ["x"], "gas": ["CO2"], "value": [1.0], "unit": ["t/t"], "year": [2022],
                        "source": ["made up"]})  # fmt: skip
    rows = amounts or {"I.4.1": 100.0, "I.4.4": 50.0, "I.4.2": 30.0}
    sheet = pl.DataFrame({"place": "示例市", "year": 2022, "gpc_ref": ref, "fuel": "x", "activity": v, "unit": "t",
                          "source": "s"} for ref, v in rows.items())  # fmt: skip
    return inventory(sheet, factors=own)


def plants(*rows: dict[str, Any]) -> pl.DataFrame:
    base = {"place": "示例市", "year": 2022, "gpc_ref": "I.4.1", "scope": None, "actor": "甲", "facility": "一号",
            "co2e_t": 60.0, "uncertainty_pct": None, "gwp_set": None, "source": "年报（虚构）"}  # fmt: skip
    kinds = {"scope": pl.Int64, "uncertainty_pct": pl.Float64, "gwp_set": pl.String}
    return pl.DataFrame([base | r for r in rows], schema_overrides=kinds)


def test_actors_and_the_residual_add_up_to_the_inventory():
    done = reconcile(city(), plants({}, {"facility": "二号", "co2e_t": 20.0}, {"actor": "乙", "facility": "三号",
                                                                               "co2e_t": 30.0}))  # fmt: skip
    rows = done.rows
    # I.4 scope 1 is I.4.1 and I.4.4: 150
    assert rows.select("row_kind", "actor", "co2e_t").rows() == [
        ("actor", "甲", 80.0), ("actor", "乙", 30.0), ("residual", None, 40.0), ("total", None, 150.0)]  # fmt: skip
    assert rows["facility_count"].to_list() == [2, 1, None, 3]
    assert rows["share"].to_list() == pytest.approx([80 / 150, 30 / 150, 40 / 150, 1])
    assert done.contradictions.is_empty()


def test_the_residual_is_printed_in_both_languages():
    done = reconcile(city(), plants({}))
    assert "residual, not explained by facilities: 90.0 t CO2e (60.0%)" in done.text("en")
    assert "残差（设施未解释部分）: 90.0 t CO2e (60.0%)" in done.text("zh")


def test_facilities_that_exceed_the_total_are_a_contradiction_and_stay_visible():
    done = reconcile(city(), plants({"co2e_t": 170.0}))
    rest = done.contradictions.row(0, named=True)
    assert (rest["co2e_t"], rest["flag"]) == (-20.0, "contradiction")
    assert "矛盾" in done.text("zh") and "-20.0 t" in done.text("zh")


def test_rounding_is_no_contradiction():
    assert reconcile(city(), plants({"co2e_t": 150.0000001})).contradictions.is_empty()


def test_facilities_where_the_inventory_has_nothing_are_told():
    done = reconcile(city(), plants({"gpc_ref": "IV.1"}))
    row = done.contradictions.row(0, named=True)
    assert (row["gpc_ref"], row["co2e_t"], row["flag"]) == ("IV.1", None, "not_estimated")
    assert "total of the inventory: not estimated" in done.text("en")


def test_a_finer_comparison_parts_what_is_made_for_the_grid():
    done = reconcile(city(), plants({}, {"gpc_ref": "I.4.4", "facility": "电厂", "co2e_t": 45.0}), level="gpc_ref")
    rest = done.rows.filter(row_kind="residual")
    assert dict(rest.select("gpc_ref", "co2e_t").iter_rows()) == {"I.4.1": 40.0, "I.4.4": 5.0}


def test_scopes_are_never_put_together():
    done = reconcile(city(), plants({}, {"gpc_ref": "I.4.2", "co2e_t": 10.0}))
    totals = done.rows.filter(row_kind="total")
    assert dict(totals.select("scope", "co2e_t").iter_rows()) == {1: 150.0, 2: 30.0}


def test_bounds_of_an_actor_join_its_facilities_and_are_missing_where_one_gives_none():
    both = [{"uncertainty_pct": 10.0, "co2e_t": 30.0}, {"uncertainty_pct": 10.0, "co2e_t": 40.0, "facility": "二号"}]
    row = reconcile(city(), plants(*both)).rows.row(0, named=True)
    assert (row["co2e_lower_t"], row["co2e_upper_t"]) == pytest.approx((65, 75))  # √(3² + 4²) = 5
    both[1]["uncertainty_pct"] = None  # type: ignore[assignment]
    assert reconcile(city(), plants(*both)).rows["co2e_lower_t"][0] is None


@given(st.lists(st.floats(0, 1e6, allow_nan=False), min_size=1, max_size=6))
@hypothesis_settings(max_examples=25, deadline=None)
def test_whatever_the_facilities_say_parts_and_residual_make_the_total(amounts: list[float]):
    rows = [{"facility": f"f{i}", "actor": f"a{i % 2}", "co2e_t": v} for i, v in enumerate(amounts)]
    done = reconcile(city(), plants(*rows)).rows
    parts = done.filter(pl.col("row_kind") != "total")["co2e_t"].sum()
    assert parts == pytest.approx(150, rel=1e-9, abs=1e-6)


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        ([{"co2e_t": -1.0}], DataError, "row 1: co2e_t is -1.0, but cannot be negative"),
        ([{"co2e_t": float("nan")}], DataError, "row 1: co2e_t is nan"),
        ([{"gpc_ref": "I.44"}], UnknownNameError, r"GPC reference \(row 1\) 'I.44'"),
        ([{"gpc_ref": "I.4"}], DataError, "fill in scope"),
        ([{"gpc_ref": "I", "scope": 1}], DataError, "coarser than the comparison"),
        ([{"scope": 2}], DataError, "has scope 1, not 2"),
        ([{"year": 2021}], DataError, "inventory has no 示例市 2021"),
        ([{"uncertainty_pct": -5.0}], DataError, "uncertainty_pct is -5.0"),
        ([{"gwp_set": "AR6"}], EditionError, "in AR6, the inventory in AR5"),
        ([{}, {}], DataError, "stands twice"),
        ([{}, {"gpc_ref": "I.4", "scope": 1, "facility": "二号"}], OverlapError, "facilities in I.4 and in I.4.1"),
        ([{"actor": " "}], DataError, "row 1: actor is empty"),
    ],
)
def test_a_facility_that_cannot_be_is_told(rows: list[dict[str, Any]], error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        reconcile(city(), plants(*rows))


def test_an_unknown_level_is_told():
    with pytest.raises(UnknownNameError, match="level 'sector'"):
        reconcile(city(), plants({}), level="sector")  # type: ignore[arg-type]
