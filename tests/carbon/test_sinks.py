from __future__ import annotations

import math
from typing import Any

import polars as pl
import pytest

from citylab.carbon import sinks
from citylab.carbon.drivers import lmdi
from citylab.carbon.inventory import Inventory, inventory
from citylab.errors import DataError, OverlapError, UnknownNameError


def table(*rows: dict[str, Any]) -> pl.DataFrame:
    base = {"place": "示例市", "year": 2022, "sink": "biomass", "name": "plantations", "amount": 1000.0, "unit": "ha",
            "removal_t_per_unit": 5.0, "removal_low_t_per_unit": 4.0, "removal_high_t_per_unit": 6.0,
            "uncertainty_pct": 10.0, "is_in_inventory": False, "source": "made up"}  # fmt: skip
    return pl.DataFrame([base | r for r in rows])


SOIL = {"sink": "soil", "name": "cropland", "removal_t_per_unit": 0.5, "removal_low_t_per_unit": -0.5,
        "removal_high_t_per_unit": 1.5}  # fmt: skip
STORE = {"sink": "engineered_storage", "name": "well", "amount": 100.0, "unit": "t", "removal_t_per_unit": 1.0,
         "removal_low_t_per_unit": 0.98, "removal_high_t_per_unit": 1.0}  # fmt: skip


def city(**more: Any) -> Inventory:
    own = pl.DataFrame({"fuel": ["x"], "gas": ["CO2"], "value": [1.0], "low": [0.95], "high": [1.05], "unit": ["t/t"],
                        "valid_from": [1990], "source": ["made up"]})  # fmt: skip
    row = {"place": "示例市", "year": 2022, "gpc_ref": "I.1.1", "fuel": "x", "activity": 20000.0, "unit": "t",
           "source": "s", "uncertainty_pct": 5.0}  # fmt: skip
    return inventory(pl.DataFrame([row | more]), factors=own)


def test_sinks_are_negative_lines_each_with_its_own_interval():
    done = sinks.removals(table({}, SOIL, STORE), seed=1)
    assert done.lines["co2e_t"].to_list() == [-5000, -500, -100]
    assert (done.lines["co2e_lower_t"] < done.lines["co2e_t"]).all()
    assert (done.lines["co2e_t"] < done.lines["co2e_upper_t"]).all()
    assert done.lines["gpc_ref"].to_list() == ["V.2", "V.2", "IV.1"]
    assert done.lines["is_reversible"].to_list() == [True, True, False]
    assert done.totals["sink"].to_list() == ["biomass", "soil", "engineered_storage"]


@pytest.mark.parametrize("word", ["no", "false", "否"])
def test_yes_and_no_may_be_words_and_other_words_are_told(word: str):
    as_words = sinks.removals(table({"is_in_inventory": word}), seed=1)
    assert as_words.totals.equals(sinks.removals(table({}), seed=1).totals)
    with pytest.raises(DataError, match="row 1: is_in_inventory is 'perhaps'"):
        sinks.removals(table({"is_in_inventory": "perhaps"}), seed=1)


def test_the_interval_joins_amount_and_removal():
    row = sinks.removals(table({}), seed=2, n=50_000).lines.row(0, named=True)
    half = (row["co2e_upper_t"] - row["co2e_lower_t"]) / 2
    # √(.1² + .2²) of 5000, and the small product term of two normals
    cv = math.hypot(0.1, 0.2) / 1.96
    assert half == pytest.approx(5000 * 1.96 * math.hypot(cv, 0.1 * 0.2 / 1.96**2), rel=0.02)


def test_a_soil_that_may_lose_carbon_says_so_and_the_trees_do_not():
    lines = sinks.removals(table({}, SOIL), seed=1).lines
    assert lines["may_be_source"].to_list() == [False, True]
    assert lines["co2e_upper_t"][1] == pytest.approx(500, rel=0.1)  # 1000 ha x 0.5 t lost


def test_lines_of_one_removal_rate_err_together():
    two = sinks.removals(table({"name": "a"}, {"name": "b"}), seed=3, n=50_000)
    apart = sinks.removals(table({"name": "a"}, {"name": "b", "source": "another survey"}), seed=3, n=50_000)

    def width(done: sinks.Sinks) -> float:
        return float((done.totals["co2e_upper_t"] - done.totals["co2e_lower_t"]).item())

    # rate ± 20 % shared: √(2 x .1² x 5000² + (.2 x 10000)²); not shared: √2 x each
    assert width(two) / width(apart) == pytest.approx(
        math.sqrt(2 * 500**2 + 2000**2) / math.sqrt(2 * (500**2 + 1000**2)), rel=0.02
    )


def test_the_gross_total_stays_as_it_was_and_the_net_is_a_memo():
    done = sinks.beside_gross(city(), sinks.removals(table({}, STORE), seed=1))
    rows = {r["line"]: r for r in done.iter_rows(named=True)}
    assert list(rows) == ["gross", "biomass", "engineered_storage", "net_memo"]
    assert rows["gross"]["co2e_t"] == city().total() == 20000
    assert rows["net_memo"]["co2e_t"] == pytest.approx(20000 - 5000 - 100)
    assert [r["is_memo"] for r in rows.values()] == [False, False, False, True]
    width = {k: r["co2e_upper_t"] - r["co2e_lower_t"] for k, r in rows.items()}
    assert width["net_memo"] > width["gross"] > width["engineered_storage"]


def test_sinks_of_another_year_or_place_do_not_stand_beside_an_inventory():
    for other in ({"year": 2021}, {"place": "别处"}):
        with pytest.raises(DataError, match="one place and year"):
            sinks.beside_gross(city(), sinks.removals(table(other), seed=1))


@pytest.mark.parametrize(
    ("row", "error", "message"),
    [
        ({"removal_t_per_unit": -1.0}, DataError, "row 1: removal is -1.0; a loss of carbon is an emission, row V.2"),
        ({"amount": -1.0}, DataError, "amount is -1.0, but cannot be negative"),
        ({"amount": float("nan")}, DataError, "row 1: amount is nan"),
        ({"removal_high_t_per_unit": 4.5}, DataError, "5.0 does not lie between its bounds 4.0 and 4.5"),
        ({"uncertainty_pct": 100.0}, DataError, "half-width from 0 to below 100"),
        ({"is_in_inventory": True}, DataError, "would count twice"),
        ({"sink": "forest"}, UnknownNameError, r"sink \(row 1\) 'forest'"),
        ({"unit": "hectars"}, UnknownNameError, "Nearest: 'hectares'"),
        ({"source": None}, DataError, "row 1: source is empty"),
    ],
)
def test_a_sink_that_cannot_be_is_told_with_its_row(row: dict[str, Any], error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        sinks.removals(table(row), seed=1)


def test_a_sink_twice_and_sinks_of_two_places_are_refused():
    with pytest.raises(DataError, match="'plantations' stands twice"):
        sinks.removals(table({}, {"amount": 3.0}), seed=1)
    with pytest.raises(OverlapError, match="2 places"):
        sinks.removals(table({}, {"place": "别处"}), seed=1)
    with pytest.raises(OverlapError, match="2 years"):
        sinks.removals(table({}, {"year": 2021}), seed=1)


def test_a_removal_beyond_belief_is_flagged_and_a_unit_of_area_does_not_matter():
    assert sinks.removals(table({}), seed=1).lines["flag"].item() is None
    # 5 t per mu is 75 t per ha
    told = sinks.removals(table({"unit": "亩"}), seed=1).lines["flag"].item()
    assert "75 t CO2/ha" in told and "more than 40" in told


def test_a_net_sink_among_emissions_is_refused_by_the_decomposition_with_the_way_out():
    lines = sinks.removals(table({}), seed=1).lines
    years = pl.DataFrame({"year": [2021, 2022], "co2e_t": [-4000.0, lines["co2e_t"].item()], "area": [800.0, 1000.0],
                          "rate": [-5.0, -5.0]})  # fmt: skip
    with pytest.raises(DataError, match="take net sinks out, decompose them apart"):
        lmdi(years, "co2e_t", ["area", "rate"])
    # Turned to positive removals they decompose: 4000 -> 5000 by area alone.
    turned = years.with_columns(pl.col("co2e_t", "rate").abs())
    assert lmdi(turned, "co2e_t", ["area", "rate"])["effect"].to_list() == pytest.approx([1000, 0])
