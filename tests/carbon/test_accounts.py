from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citylab import tables
from citylab.carbon import accounts
from citylab.errors import DataError, UnknownNameError

FUELS = tables.read("carbon_ceads_energy")
BURNT = FUELS.drop_nulls("co2_kg_tj")["fuel_at_source"].to_list()
SECTORS = ["Urban", "Construction", "Production and Supply of Electric Power, Steam and Hot Water"]


def table(values: list[float], fuels: list[str] | None = None) -> pl.DataFrame:
    fuels = fuels or ["Raw Coal", "Natural Gas", "Process"]
    keys = [(y, s, f) for y in (2000, 2010) for s in SECTORS for f in fuels]
    return pl.DataFrame(keys, schema=["year", "sector_at_source", "fuel_at_source"], orient="row").with_columns(
        co2_t=pl.Series(values[: len(keys)], dtype=pl.Float64)
    )


some = st.lists(st.floats(1, 1e8), min_size=18, max_size=18)


@given(some)
@settings(max_examples=25, deadline=None)
def test_effects_and_processes_add_up_to_the_change(values: list[float]):
    rows = table(values)
    change = rows.filter(year=2010)["co2_t"].sum() - rows.filter(year=2000)["co2_t"].sum()
    processes = rows.filter(fuel_at_source="Process").sort("year").group_by("year", maintain_order=True)
    before, after = processes.agg(pl.col("co2_t").sum())["co2_t"]
    for chained in (True, False):
        effects = accounts.energy_effects(rows, chained=chained)["effect"].sum()
        assert effects + after - before == pytest.approx(change, abs=1e-6 * rows["co2_t"].sum())


@given(some)
@settings(max_examples=25, deadline=None)
def test_common_sectors_keep_every_tonne(values: list[float]):
    rows = table(values)
    told = accounts.common_sectors(rows)
    for year in (2000, 2010):
        assert told.filter(year=year)["co2_t"].sum() == pytest.approx(rows.filter(year=year)["co2_t"].sum())
    assert set(told["fuel_group"]) == {"coal", "gas", "process"}


def test_the_factors_are_those_of_the_fuel_table_where_both_have_the_fuel():
    # the declared factors of IPCC 2006, which other calculations use, must not drift from these
    same = {"Raw Coal": "bituminous_coal", "Coke": "coke", "Gasoline": "gasoline", "Kerosene": "jet_kerosene",
            "Diesel Oil": "diesel", "Fuel Oil": "fuel_oil", "LPG": "lpg", "Natural Gas": "natural_gas"}  # fmt: skip
    declared = tables.read("carbon_fuel_factors").filter(edition="ipcc-2006", quantity="CO2", use="any")
    own = dict(FUELS.select("fuel_at_source", "co2_kg_tj").iter_rows())
    for theirs, ours in same.items():
        assert own[theirs] == declared.filter(fuel=ours)["value"].item()


def test_every_column_of_the_publication_has_a_group_and_only_fuels_have_a_factor():
    columns = tables.read("carbon_ceads_columns")
    inside = columns.filter(pl.col("column_kind").is_in(["combustion", "process"]))["fuel"].to_list()
    assert sorted(inside) == sorted(FUELS["fuel_at_source"].to_list())
    without = FUELS.filter(pl.col("co2_kg_tj").is_null())["fuel_at_source"].to_list()
    assert sorted(without) == ["Other Energy", "Process"]


def test_twice_the_energy_of_the_same_mix_is_all_energy():
    # 3 sectors x 2 fuels, every amount doubled: ln 2 goes to energy, shares do not move
    once = [94.6, 56.1, 0.0] * 3
    effects = dict(accounts.energy_effects(table(once + [2 * v for v in once])).select("factor", "effect").iter_rows())
    assert effects["energy"] == pytest.approx(3 * (94.6 + 56.1))
    assert [effects[f] for f in accounts.FACTORS[1:]] == pytest.approx([0, 0, 0], abs=1e-9)


def test_another_table_of_factors_moves_the_parts_and_not_the_sum():
    rows = table([9.0, 1.0, 0.0, 5.0, 2.0, 0.0, 7.0, 3.0, 0.0, 2.0, 8.0, 0.0, 1.0, 9.0, 0.0, 3.0, 12.0, 0.0])
    other = FUELS.with_columns(
        pl.when(pl.col("fuel_group") == "coal").then(82_000).otherwise("co2_kg_tj").alias("co2_kg_tj")
    )
    one, two = accounts.energy_effects(rows), accounts.energy_effects(rows, table=other)
    assert one["effect"].sum() == pytest.approx(two["effect"].sum())
    part = [dict(e.select("factor", "effect").iter_rows())["fuel_share"] for e in (one, two)]
    assert part[0] < part[1] < 0, "coal that burns dearer gains less by gas"


def test_an_unknown_fuel_and_an_empty_table_say_so():
    rows = table([1.0] * 18)
    with pytest.raises(UnknownNameError, match="Raw Coal"):
        accounts.implied_energy(rows.with_columns(fuel_at_source=pl.lit("Raw Coals")))
    with pytest.raises(DataError, match="no rows"):
        accounts.common_sectors(rows.clear())


def test_a_lazy_frame_stays_lazy():
    rows = table([float(i + 1) for i in range(18)])
    for call in (accounts.implied_energy, accounts.common_sectors, accounts.energy_effects):
        lazy = call(rows.lazy())
        assert isinstance(lazy, pl.LazyFrame)
        assert lazy.collect().equals(call(rows))


def test_beijing_changed_by_more_energy_and_by_gas_for_coal(mirror: Path):
    import citylab as cl

    rows = cl.load("ceads__yearly_sector_fuel_co2").collect()
    effects = accounts.energy_effects(rows).group_by("factor").agg(pl.col("effect").sum())
    told = dict(effects.iter_rows())
    # totals less processes, as the publisher prints them [Mt]
    assert sum(told.values()) / 1e6 == pytest.approx((89.184484 - 1.029047) - (61.918078 - 2.0366701), abs=1e-5)
    assert told["energy"] > 0 > told["fuel_share"]
    assert told["co2_per_energy"] == pytest.approx(0, abs=1.0)
    parts = accounts.common_sectors(rows)
    assert parts.filter(year=2019)["co2_t"].sum() / 1e6 == pytest.approx(89.184484, abs=1e-5)
