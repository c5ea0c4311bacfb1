from __future__ import annotations

import datetime as dt
import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citylab import tables
from citylab.catalog import load
from citylab.errors import DataError, DeclarationError, RangeError, SchemaError, UnknownNameError
from citylab.policy.load import (
    FLOWS,
    Battery,
    bill,
    generation,
    home_battery,
    least_cost,
    load_summary,
    self_consumption,
    shift_to_cheap_hours,
)

START = dt.datetime(2026, 7, 1)


def homes(
    loads: list[list[float]], pvs: list[list[float]] | None = None, prices: list[float] | None = None
) -> pl.DataFrame:
    parts = []
    for i, load_kwh in enumerate(loads):
        n = len(load_kwh)
        parts.append(
            pl.DataFrame(
                {
                    "home_id": [f"h{i}"] * n,
                    "datetime_place": [START + dt.timedelta(hours=k) for k in range(n)],
                    "load_kwh": load_kwh,
                    "pv_kwh": pvs[i] if pvs else [0.0] * n,
                    "price": prices or [1.0] * n,
                }
            )
        )
    return pl.concat(parts)


def must_balance(out: pl.DataFrame, battery: Battery) -> None:
    col = {name: out[name].to_numpy() for name in (*FLOWS, "load_kwh", "pv_kwh")}
    served = col["pv_used_kwh"] + col["discharged_kwh"] + col["grid_import_kwh"] - col["grid_charged_kwh"]
    shared = col["pv_used_kwh"] + col["pv_charged_kwh"] + col["pv_exported_kwh"] + col["pv_curtailed_kwh"]
    assert np.abs(served - col["load_kwh"]).max() < 1e-9
    assert np.abs(shared - col["pv_kwh"]).max() < 1e-9
    share = math.sqrt(battery.round_trip_share)
    for _, home in out.group_by("home_id", maintain_order=True):
        put = (home["pv_charged_kwh"] + home["grid_charged_kwh"]).to_numpy()
        moved = put * share - home["discharged_kwh"].to_numpy() / share
        before = np.concatenate([[battery.capacity_kwh * battery.start_share], home["stored_kwh"].to_numpy()[:-1]])
        assert np.abs(before + moved - home["stored_kwh"].to_numpy()).max() < 1e-9
        assert put.max() <= battery.power_kw + 1e-9
        assert home["discharged_kwh"].max() <= battery.power_kw + 1e-9
    for name in FLOWS:
        assert col[name].min() >= 0.0, name
    assert col["stored_kwh"].max() <= battery.capacity_kwh


amounts = st.floats(0.0, 9.0).map(lambda x: round(x, 3))
days = st.integers(1, 6).flatmap(
    lambda n: st.tuples(*[st.lists(st.lists(amounts, min_size=n, max_size=n), min_size=2, max_size=2)] * 2)
)
batteries = st.builds(Battery, st.floats(0.0, 12.0), st.floats(0.0, 6.0), st.floats(0.3, 1.0), st.floats(0.0, 1.0))


@settings(max_examples=50, deadline=None)
@given(days, batteries, st.none() | st.floats(0.0, 3.0))
def test_every_hour_balances_whatever_the_battery(day: tuple, battery: Battery, limit: float | None) -> None:
    out = self_consumption(homes(*day), battery=battery, export_limit_kw=limit)
    must_balance(out, battery)
    if limit is not None:
        assert out["pv_exported_kwh"].max() <= limit
    assert out["grid_charged_kwh"].sum() == 0.0


@settings(max_examples=25, deadline=None)
@given(days, batteries, st.lists(st.floats(0.0, 2.0), min_size=6, max_size=6), st.floats(0.0, 3.0), st.booleans())
def test_the_least_cost_balances_and_never_costs_more_than_no_battery(
    day: tuple, battery: Battery, prices: list[float], peak_price: float, from_grid: bool
) -> None:
    if len(day[0][0]) < 2:
        return
    frame = homes(*day, prices=prices[: len(day[0][0])])
    out = least_cost(frame, battery=battery, price="price", peak_price=peak_price, from_grid=from_grid)
    must_balance(out, battery)

    def cost(dispatched: pl.DataFrame) -> float:
        each = dispatched.group_by("home_id").agg(
            (pl.col("grid_import_kwh") * pl.col("price")).sum().alias("energy"),
            pl.col("grid_import_kwh").max().alias("peak"),
        )
        return each["energy"].sum() + peak_price * each["peak"].sum()

    # To leave the battery alone is feasible: it begins and ends at the same level.
    assert cost(out) <= cost(self_consumption(frame)) + 1e-4


def test_the_rule_is_what_a_hand_computes() -> None:
    # Battery 4 kWh, 2 kW, 0.81 there and back (0.9 each way), empty. Hour 1: load 1, pv 5: used 1, 4 left, 2 charged,
    # 1.8 stored, export limit 1.5 -> 0.5 curtailed. Hour 2: load 3, pv 0: 1.8 x 0.9 = 1.62 out, 1.38 bought.
    battery = Battery(4.0, 2.0, 0.81)
    out = self_consumption(homes([[1.0, 3.0]], [[5.0, 0.0]]), battery=battery, export_limit_kw=1.5)
    assert out.select(FLOWS).to_numpy() == pytest.approx(
        np.array([[1, 2, 1.5, 0.5, 0, 0, 1.8, 0], [0, 0, 0, 0, 0, 1.62, 0, 1.38]])
    )


def test_cheap_hours_are_bought_ahead_only_where_the_losses_are_paid_for() -> None:
    # 0.81 there and back: a kWh out costs 0.3/0.81 = 0.370 bought cheap. Against 0.5 it pays, against 0.35 it does not.
    battery = Battery(4.0, 4.0, 0.81)
    dear = least_cost(homes([[0.0, 1.0]], prices=[0.3, 0.5]), battery=battery, price="price")
    assert dear["grid_import_kwh"].to_list() == pytest.approx([1 / 0.81, 0.0])
    near = least_cost(homes([[0.0, 1.0]], prices=[0.3, 0.35]), battery=battery, price="price")
    assert near["grid_import_kwh"].to_list() == pytest.approx([0.0, 1.0])
    forbidden = least_cost(homes([[0.0, 1.0]], prices=[0.3, 0.5]), battery=battery, price="price", from_grid=False)
    assert forbidden["grid_import_kwh"].to_list() == pytest.approx([0.0, 1.0])


def test_a_price_of_the_peak_alone_levels_the_load() -> None:
    # Loads 1, 1, 4 without losses and a large battery: the level line is their mean, 2.
    out = least_cost(
        homes([[1.0, 1.0, 4.0]], prices=[0.0] * 3), battery=Battery(9.0, 9.0, 1.0), price="price", peak_price=1.0
    )
    assert out["grid_import_kwh"].max() == pytest.approx(2.0, abs=1e-6)


def test_windows_do_not_live_off_each_other() -> None:
    # Cheap first window, dear second: nothing may be carried over.
    frame = homes([[1.0, 1.0, 1.0, 1.0]], prices=[0.1, 0.1, 0.9, 0.9])
    out = least_cost(frame, battery=Battery(4.0, 4.0, 1.0), price="price", window_hours=2)
    assert out["grid_import_kwh"].to_list() == pytest.approx([1.0] * 4)


def test_homes_are_independent_and_the_order_of_rows_is_no_matter() -> None:
    frame = homes([[1.0, 3.0], [2.0, 0.5]], [[5.0, 0.0], [0.0, 4.0]])
    both = self_consumption(frame.sample(fraction=1.0, shuffle=True, seed=1), battery=home_battery())
    alone = self_consumption(frame.filter(home_id="h1"), battery=home_battery())
    assert both.filter(home_id="h1").equals(alone)
    assert self_consumption(frame.lazy(), battery=home_battery()).collect().equals(both)


def test_shifting_keeps_the_days_energy_and_moves_it_down_the_price() -> None:
    frame = homes([[2.0] * 48], prices=[0.2] * 12 + [0.8] * 12 + [0.5] * 24)
    out = shift_to_cheap_hours(frame, price="price", elasticity=0.5)["load_kwh"].to_numpy()
    # Weights 0.2**-0.5 : 0.8**-0.5 = 2 : 1, so 48 kWh fall into 32 and 16; the second day has one price.
    assert out[:12] == pytest.approx(32 / 12)
    assert out[12:24] == pytest.approx(16 / 12)
    assert out[24:] == pytest.approx(2.0)
    assert shift_to_cheap_hours(frame, price="price", elasticity=0.0)["load_kwh"].to_numpy() == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("kwh", "expected"),
    [(0.0, 0.0), (240.0, 117.192), (400.0, 203.32), (500.0, 282.15)],
    # 240 x 0.4883 = 117.192; + 160 x 0.5383 = 86.128; + 100 x 0.7883 = 78.83
)
def test_the_tiers_of_beijing_price_only_what_lies_above(kwh: float, expected: float) -> None:
    frame = pl.DataFrame({"home_id": ["a"], "datetime_place": [START], "grid_import_kwh": [kwh]})
    assert bill(frame, tariff="beijing_tiered_month")["bill"].item() == pytest.approx(expected, abs=1e-9)


def test_tiers_by_the_year_forgive_one_thirsty_month() -> None:
    months = [dt.datetime(2026, m, 1) for m in range(1, 13)]
    frame = pl.DataFrame({"home_id": "a", "datetime_place": months, "grid_import_kwh": [500.0] + [200.0] * 11})
    by_year = bill(frame, tariff="beijing_tiered_year")
    by_month = bill(frame, tariff="beijing_tiered_month")
    assert by_year["bill"].item() == pytest.approx(2700 * 0.4883)
    assert by_month["bill"].sum() == pytest.approx(282.15 + 11 * 200 * 0.4883)


def test_cheap_nights_hold_over_midnight_and_in_the_heating_season_only() -> None:
    at = [
        dt.datetime(2026, 1, 5, 2),
        dt.datetime(2026, 1, 5, 12),
        dt.datetime(2026, 1, 5, 20),
        dt.datetime(2026, 7, 5, 2),
    ]
    frame = pl.DataFrame({"home_id": "a", "datetime_place": at, "grid_import_kwh": [1.0, 10.0, 100.0, 1000.0]})
    told = bill(frame, tariff="beijing_night_heat").sort("period_start")["bill"].to_list()
    assert told == pytest.approx([101 * 0.3 + 10 * 0.4883, 1000 * 0.4883])


def test_every_declared_tariff_covers_each_hour_and_kwh_once() -> None:
    frame = pl.DataFrame({"home_id": ["a"], "datetime_place": [START], "grid_import_kwh": [1.0]})
    table = tables.read("tariffs")
    for tariff in table["tariff"].unique():
        assert bill(frame, tariff=tariff)["bill"].item() > 0
    torn = table.filter(pl.col("block_from_kwh") != 240)
    with pytest.raises(DeclarationError, match="leaves out or prices twice some kWh of month 1"):
        bill(frame, tariff="beijing_tiered_month", table=torn)
    with pytest.raises(UnknownNameError, match="beijing_flat"):
        bill(frame, tariff="beijing_flatt")


def test_carbon_is_that_of_what_is_bought_at_the_factor_of_its_hour() -> None:
    frame = homes([[1.0, 3.0]], [[5.0, 0.0]]).with_columns(grid_factor_kgco2_kwh=pl.Series([0.9, 0.2]))
    told = load_summary(self_consumption(frame))
    # Nothing is bought in the first hour, 3 kWh in the second; 1 of 5 kWh generated is used; 1 of 4 kWh is own.
    assert told.select("co2_kg", "peak_kw", "self_consumption_share", "self_sufficiency_share").row(0) == pytest.approx(
        (0.6, 3.0, 0.2, 0.25)
    )


def test_a_battery_filled_from_the_grid_makes_nobody_self_sufficient() -> None:
    # No panels: all that the battery gives in the dear hour was bought in the cheap one
    battery = Battery(4.0, 4.0, 0.81)
    bought = least_cost(homes([[0.0, 1.0]], prices=[0.3, 0.5]), battery=battery, price="price")
    assert bought["discharged_kwh"].sum() == pytest.approx(1.0)
    factor = pl.lit(0.5).alias("grid_factor_kgco2_kwh")
    assert load_summary(bought.with_columns(factor))["self_sufficiency_share"].item() == 0.0
    # 1 kWh in from the panels and 3 from the grid, 2 out: a quarter of the 2 is own, of a load of 4
    row = {"home_id": ["a"], "load_kwh": [4.0], "pv_kwh": [1.0], "pv_used_kwh": [0.0], "pv_charged_kwh": [1.0],
           "pv_exported_kwh": [0.0], "pv_curtailed_kwh": [0.0], "grid_import_kwh": [5.0], "grid_charged_kwh": [3.0],
           "discharged_kwh": [2.0]}  # fmt: skip
    assert load_summary(pl.DataFrame(row).with_columns(factor))["self_sufficiency_share"].item() == 0.125


def test_five_days_of_the_five_homes_balance_and_the_least_cost_is_the_cheaper() -> None:
    some = load("citylearn__hourly_home_load").filter(pl.col("datetime_place").is_between(
        dt.datetime(2017, 5, 1), dt.datetime(2017, 5, 6), closed="left"))  # fmt: skip
    frame = some.with_columns(generation(panels_kw=4.0)).collect()
    # Both begin empty; what the rule still holds at the end the optimum need not have bought, so it cannot cost more.
    battery = replace(home_battery(), start_share=0.0)
    spent = []
    for out in (
        least_cost(frame, battery=battery, price="electricity_price_usd", window_hours=120),
        self_consumption(frame, battery=battery),
    ):
        must_balance(out, battery)
        spent.append((out["grid_import_kwh"] * out["electricity_price_usd"]).sum())
    assert spent[0] < spent[1]


def test_bad_input_says_what_to_do() -> None:
    frame = homes([[1.0, 2.0, 3.0]])
    with pytest.raises(SchemaError, match="pv_kwh"):
        self_consumption(frame.drop("pv_kwh"))
    done = self_consumption(frame)
    for factor in (None, math.nan, -0.1):
        with pytest.raises(DataError, match=r"'grid_factor_kgco2_kwh' has . values that are missing or not 0"):
            load_summary(done.with_columns(grid_factor_kgco2_kwh=pl.lit(factor, pl.Float64)))
    with pytest.raises(DataError, match=r"rows have no 'datetime_place'.*no period"):
        bill(done.with_columns(datetime_place=pl.lit(None, pl.Datetime)), tariff="beijing_flat")
    with pytest.raises(RangeError, match=r"window_hours is 2\.5"):
        least_cost(frame, battery=home_battery(), price="price", window_hours=2.5)  # type: ignore[arg-type]
    with pytest.raises(RangeError, match="elasticity is inf"):
        shift_to_cheap_hours(frame, price="price", elasticity=math.inf)
    with pytest.raises(DataError, match="3 rows have no 'home_id'"):
        self_consumption(frame.with_columns(home_id=pl.lit(None, pl.String)))
    with pytest.raises(DataError, match="Fill or cut"):
        self_consumption(frame.filter(pl.col("load_kwh") != 2.0))
    with pytest.raises(DataError, match="missing or below 0"):
        self_consumption(frame.with_columns(load_kwh=-pl.col("load_kwh")))
    with pytest.raises(DataError, match="missing or below 0"):
        self_consumption(frame.with_columns(load_kwh=pl.lit(None, dtype=pl.Float64)))
    with pytest.raises(RangeError, match="buy to sell"):
        least_cost(frame, battery=home_battery(), price="price", export_price=2.0)
    with pytest.raises(RangeError, match="two whole hours"):
        least_cost(frame, battery=home_battery(), price="price", window_hours=1)
    with pytest.raises(RangeError, match="round_trip_share"):
        Battery(1.0, 1.0, 90.0)
    for price in (0.0, math.nan, None):
        with pytest.raises(DataError, match="prices above 0"):
            shift_to_cheap_hours(frame.with_columns(price=pl.lit(price, dtype=pl.Float64)), price="price")
    for energy in (-1.0, math.nan, None):
        with pytest.raises(DataError, match="paid for"):
            bill(frame.with_columns(grid_import_kwh=pl.lit(energy, dtype=pl.Float64)), tariff="beijing_flat")
    with pytest.raises(DataError, match="missing or below 0"):
        self_consumption(frame.with_columns(pv_kwh=math.inf))
    with pytest.raises(SchemaError, match="datetimes"):
        self_consumption(frame.with_columns(pl.col("datetime_place").dt.date()))


def test_no_rows_in_give_no_rows_out() -> None:
    none = homes([[1.0, 2.0]]).clear()
    assert self_consumption(none).height == 0
    assert least_cost(none, battery=home_battery(), price="price").columns == [*none.columns, *FLOWS]
    assert bill(self_consumption(none), tariff="beijing_flat").height == 0
