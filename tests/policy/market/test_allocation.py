"""Who is given how much, and what the declared rules say."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citylab import tables
from citylab.errors import DataError, EditionError, RangeError, SchemaError, UnknownNameError
from citylab.policy.market.allocation import allocated, benchmark, power_unit_t, rule, settled

FIRMS = pl.DataFrame(
    {
        "firm_id": ["a", "b"],
        "history_co2_t": [1000.0, 500.0],
        "history_intensity_t_unit": [0.9, 1.1],
        "benchmark_t_unit": [0.8, 0.8],
        "output": [1000.0, 400.0],
    }
)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("history_total", [950.0, 475.0]),  # history × 0.95
        ("history_intensity", [855.0, 418.0]),  # 0.9·1000·0.95, 1.1·400·0.95
        ("benchmark", [800.0, 320.0]),  # no control coefficient
        ("auction", [0.0, 0.0]),
    ],
)
def test_each_method_gives_what_its_formula_says(method: str, expected: list[float]) -> None:
    found = allocated(FIRMS, method=method, control=0.95)["allocation_co2_t"]  # type: ignore[arg-type]
    assert found.to_list() == pytest.approx(expected)


def test_each_firm_may_have_its_own_method_and_a_lazy_frame_stays_lazy() -> None:
    frame = FIRMS.with_columns(allocation_method=pl.Series(["benchmark", "history_total"])).lazy()
    found = allocated(frame)
    assert isinstance(found, pl.LazyFrame)
    assert found.collect()["allocation_co2_t"].to_list() == [800.0, 500.0]


@given(st.floats(1, 3000), st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_gifts_never_exceed_the_cap_and_keep_their_proportions(cap: float, auctioned: float) -> None:
    found = allocated(FIRMS, method="history_total", auctioned_share=auctioned, within_cap_t=cap)["allocation_co2_t"]
    assert found.sum() == pytest.approx(min(cap, 1500 * (1 - auctioned)), abs=1e-9)
    assert found[0] == pytest.approx(2 * found[1])


def test_only_what_hangs_on_output_changes_when_output_is_known() -> None:
    both = allocated(FIRMS.with_columns(allocation_method=pl.Series(["benchmark", "history_total"])))
    after = settled(both.with_columns(output_actual=pl.Series([1100.0, 1.0])))
    # 0.8 · 1100 = 880; history stays
    assert after["allocation_settled_co2_t"].to_list() == pytest.approx([880.0, 500.0])
    assert after["allocation_change_co2_t"].to_list() == pytest.approx([80.0, 0.0])


def test_an_output_that_is_not_known_is_refused_only_where_it_matters() -> None:
    given_out = allocated(FIRMS, method="benchmark").with_columns(output_actual=pl.Series([None, 1.0]))
    with pytest.raises(DataError, match="output"):
        settled(given_out)
    by_history = given_out.with_columns(allocation_method=pl.lit("history_total"))
    assert settled(by_history)["allocation_change_co2_t"].to_list() == [0.0, 0.0]


def test_a_missing_amount_is_told_with_the_columns_it_needs() -> None:
    with pytest.raises(DataError, match="benchmark_t_unit, output"):
        allocated(FIRMS.with_columns(output=pl.Series([None, 1.0])), method="benchmark")
    with pytest.raises(SchemaError, match="history_co2_t"):
        allocated(FIRMS.drop("history_co2_t"), method="history_total")
    with pytest.raises(UnknownNameError, match="benchmark"):
        allocated(FIRMS, method="bench")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="'lottery'"):
        allocated(FIRMS.with_columns(allocation_method=pl.lit("lottery")))


@pytest.mark.parametrize(
    "how", [{"control": 0.0}, {"auctioned_share": 1.1}, {"within_cap_t": -1.0}, {"control": float("nan")}]
)
def test_coefficients_that_cannot_be_are_refused(how: dict) -> None:
    with pytest.raises(RangeError):
        allocated(FIRMS, method="history_total", **how)


def test_a_rule_is_that_of_its_day() -> None:
    # 10,000 t before 2016, 5,000 t since
    assert rule("beijing", "entry_threshold", dt.date(2015, 12, 31)) == 10_000
    assert rule("beijing", "entry_threshold", dt.date(2016, 1, 1)) == 5_000
    with pytest.raises(EditionError, match="2013-11-01"):
        rule("beijing", "entry_threshold", dt.date(2010, 1, 1))
    with pytest.raises(UnknownNameError, match="price_floor"):
        rule("beijing", "floor_price", dt.date(2022, 1, 1))


def test_a_day_that_is_none_is_told() -> None:
    with pytest.raises(SchemaError, match=r"The day is '2024-01-01'; expected a date"):
        rule("beijing", "price_floor", "2024-01-01")  # type: ignore[arg-type]


def test_firms_of_several_methods_are_told_what_is_wrong_at_the_call() -> None:
    mixed = pl.DataFrame(
        {"firm_id": ["a"], "allocation_method": ["benchmark"], "benchmark_t_unit": [0.8], "output": ["ten"]}
    )
    with pytest.raises(SchemaError, match="output"):
        allocated(mixed.lazy())
    with pytest.raises(SchemaError, match="firm_id"):
        allocated(mixed.drop("firm_id").lazy())


def test_a_benchmark_of_another_year_is_not_taken_quietly() -> None:
    assert benchmark("electricity_coal_upto_300mw", 2023, concept="balance") == 0.8155
    with pytest.raises(EditionError, match="2025"):
        benchmark("electricity_coal_upto_300mw", 2025)


def test_benchmarks_of_a_product_never_rise() -> None:
    table = tables.read("ets_benchmarks").filter(pl.col("concept") == "benchmark").sort("product", "year")
    rises = table.with_columns(rise=pl.col("value").diff().over("product")).filter(pl.col("rise") > 0)
    assert rises.is_empty()


def test_a_power_unit_gets_electricity_and_heat_times_their_benchmarks() -> None:
    # 1000 MWh · 0.8049 · 0.9 + 500 GJ · 0.1033 = 724.41 + 51.65
    found = power_unit_t(
        electricity_mwh=1000, heat_gj=500, electricity_product="electricity_coal_upto_300mw", heat_product="heat_coal",
        year=2024, load=0.9,
    )  # fmt: skip
    assert found == pytest.approx(776.06)


def test_prices_of_the_market_agree_with_those_that_credits_are_held_against() -> None:
    mine = tables.read("ets_prices").filter(pl.col("quantity") == "price")
    theirs = dict(tables.read("inclusive_prices").select("price_id", "price_cny_t").iter_rows())
    for event, price_id in (
        ("auction_2024_09", "beijing_auction_2024"),
        ("secondary_2024", "beijing_secondary_2024"),
        ("mean_2024", "national_2024"),
    ):
        assert mine.filter(pl.col("event") == event)["value"].item() == theirs[price_id]
    assert rule("beijing", "price_floor", dt.date(2024, 1, 1)) == theirs["beijing_floor"]
    assert rule("beijing", "price_ceiling", dt.date(2024, 1, 1)) == theirs["beijing_ceiling"]
