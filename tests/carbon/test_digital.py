from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from citylab import catalog, tables
from citylab.carbon import digital
from citylab.errors import DataError, FactorYearError, SchemaError, UnknownNameError, UsageWarning


@pytest.fixture(scope="module")
def grid() -> pl.LazyFrame:
    return catalog.load("mee__yearly_grid_co2factor")


def many(*rows: dict[str, Any]) -> pl.DataFrame:
    base = {"place": "北京", "year": 2022, "component": "base_station_5g", "count": 1000.0, "count_low": None,
            "count_high": None, "counted_at": "2022-12", "source": "made up"}  # fmt: skip
    kinds = {"count_low": pl.Float64, "count_high": pl.Float64}
    return pl.DataFrame([base | r for r in rows], schema_overrides=kinds)


def declared(component: str, quantity: str) -> dict[str, Any]:
    return tables.read("carbon_digital").filter(component=component, quantity=quantity).row(0, named=True)


def equipment(**changes: tuple[float, float, float]) -> pl.DataFrame:
    """One component ``box`` of 1000 W, always at full load, without overhead, all day, unless changed; grid ± 0."""
    base = {"power_w": (1000.0,) * 3, "load_share": (1.0,) * 3, "pue": (1.0,) * 3, "hours_per_day": (24.0,) * 3}
    rows = [("box", q, *v) for q, v in (base | changes).items()] + [
        ("grid", "factor_half_width_share", 1e-9, 0.0, 1e-9)
    ]
    return pl.DataFrame(rows, schema=["component", "quantity", "value", "low", "high"], orient="row").with_columns(
        mark=pl.lit("from memory"), source=pl.lit("made up")
    )


# -- declared tables


def test_every_declared_quantity_has_a_range_a_source_and_a_mark_and_cannot_be_impossible():
    table = tables.read("carbon_digital")
    assert table.filter(~pl.col("value").is_between("low", "high")).is_empty()
    assert table.select(pl.col("source", "mark", "unit").null_count()).row(0) == (0, 0, 0)
    assert table.filter(pl.col("quantity") == "pue", pl.col("low") < 1).is_empty()
    assert table.filter(pl.col("quantity") == "load_share", pl.col("high") > 1).is_empty()
    assert table.filter(pl.col("quantity") == "hours_per_day", pl.col("high") > 24).is_empty()


def test_counts_of_beijing_are_the_published_ones_with_their_dates():
    rows = tables.read("carbon_digital_counts").filter(component="base_station_5g")
    assert dict(rows.select("counted_at", "count").iter_rows()) == {
        "2023-05": 92600, "2023-11": 106000, "2024-06": 122000}  # fmt: skip
    assert set(rows["mark"]) == {"verified"}
    assert digital.counts(year=2024)["component"].to_list() == ["base_station_5g"]
    with pytest.raises(DataError, match="No count of 北京 in 2019 is declared; there are 2023-05"):
        digital.counts(year=2019)


# -- arithmetic


def test_a_thousand_boxes_of_one_kilowatt_draw_what_they_draw(grid: pl.LazyFrame):
    # 1000 x 1 kW x 8760 h = 8760 MWh; x 0.5580 t/MWh (Beijing 2022)
    done = digital.emissions(many({"component": "box"}), seed=1, grid=grid, table=equipment())
    row = done.rows.row(0, named=True)
    assert row["electricity_mwh"] == pytest.approx(8760)
    assert row["co2_t"] == pytest.approx(8760 * 0.5580)
    assert (row["grid_factor_year"], row["grid_factor_place"]) == (2022, "北京")
    assert (row["co2_lower_t"], row["co2_upper_t"]) == pytest.approx((row["co2_t"], row["co2_t"]))


def test_a_leap_year_has_a_day_more():
    one, other = (
        digital.emissions(many({"component": "box", "year": y}), seed=1, grid_place="中国", series="ets-reporting",
                          allow_other_year=False, table=equipment()).rows["electricity_mwh"].item() if y == 2022 else
        8784.0 for y in (2022, 2024)
    )  # fmt: skip
    assert other - one == pytest.approx(24)
    with pytest.warns(UsageWarning, match="of 2023 stands for 2024"):
        leap = digital.emissions(
            many({"component": "box", "year": 2024}),
            seed=1,
            grid_place="中国",
            allow_other_year=True,
            table=equipment(),
        )
    assert leap.rows["electricity_mwh"].item() == pytest.approx(8784)
    assert leap.rows["warning"].item() == "factor of 2023 used for 2024"


def test_beijings_stations_of_2023_are_the_product_of_what_is_declared(grid: pl.LazyFrame):
    with pytest.warns(UsageWarning, match="2022 stands for 2023"):
        done = digital.emissions(digital.counts(year=2023), seed=1, grid=grid, allow_other_year=True)
    row = done.rows.filter(component="base_station_5g").row(0, named=True)
    # 106,000 x 3500 W x 0.6 x 1.25 x 24 h x 365 = 2,437,470 MWh; x 0.5580
    assert row["electricity_mwh"] == pytest.approx(2_437_470)
    assert row["co2_t"] == pytest.approx(2_437_470 * 0.5580)
    assert row["co2_lower_t"] < row["co2_t"] < row["co2_upper_t"]
    assert row["mark"] == "from memory" and "2022 used for 2023" in row["warning"]
    total = done.total.row(0, named=True)
    assert total["co2_t"] == pytest.approx(done.rows["co2_t"].sum())
    assert "base_station_4g" in total["not_counted"] and "data_centre_rack" in total["not_counted"]


def test_beijing_in_2023_never_takes_another_years_grid_quietly(grid: pl.LazyFrame):
    with pytest.raises(FactorYearError, match="for 2023"):
        digital.emissions(digital.counts(year=2023), seed=1, grid=grid)


# -- intervals


def test_the_interval_joins_the_ranges_of_the_inputs(grid: pl.LazyFrame):
    table = equipment(power_w=(1000.0, 900.0, 1100.0), pue=(1.5, 1.35, 1.65))
    done = digital.emissions(many({"component": "box"}), seed=2, n=50_000, grid=grid, table=table)
    row = done.rows.row(0, named=True)
    half = (row["co2_upper_t"] - row["co2_lower_t"]) / 2
    assert half / row["co2_t"] == pytest.approx(2**0.5 * 0.1, rel=0.02)


def test_no_draw_passes_a_full_load_a_whole_day_or_a_site_without_overhead(grid: pl.LazyFrame):
    table = equipment(load_share=(0.9, 0.5, 1.0), pue=(1.1, 1.0, 1.6), hours_per_day=(20.0, 10.0, 24.0))
    done = digital.emissions(many({"component": "box"}), seed=2, n=20_000, grid=grid, table=table)
    most = 8760 * 0.5580
    pues = digital.emissions(many({"component": "box"}), seed=2, n=20_000, grid=grid,
                             table=equipment(pue=(1.1, 1.0, 1.6)))  # fmt: skip
    assert pues.draws.min() >= most * (1 - 1e-6)
    inside = equipment(load_share=(0.9, 0.5, 1.0), hours_per_day=(20.0, 10.0, 24.0))
    fixed = digital.emissions(many({"component": "box"}), seed=2, n=20_000, grid=grid, table=inside)
    assert fixed.draws.max() <= most * (1 + 1e-6)
    assert done.draws.shape == (1, 20_000)


def test_components_share_the_grid_factor_and_one_seed_is_one_answer(grid: pl.LazyFrame):
    wide = equipment().with_columns(
        pl.when(pl.col("component") == "grid").then(pl.lit(0.2)).otherwise("high").alias("high"),
        pl.when(pl.col("component") == "grid").then(pl.lit(0.2)).otherwise("value").alias("value"),
    )
    both = pl.concat([wide, wide.filter(component="box").with_columns(component=pl.lit("tin"))])
    done = digital.emissions(many({"component": "box"}, {"component": "tin"}), seed=3, n=20_000, grid=grid, table=both)
    assert done.draws[0] == pytest.approx(done.draws[1])
    again = digital.emissions(many({"component": "box"}, {"component": "tin"}), seed=3, n=20_000, grid=grid, table=both)
    assert again.rows.equals(done.rows)


def test_contributions_put_the_widest_range_first(grid: pl.LazyFrame):
    done = digital.emissions(many({}), seed=1, n=500, grid=grid)
    first = digital.contributions(done).row(0, named=True)
    assert first["quantity"] == "load_share"  # 0.45 to 0.75 of 0.6 is ± 25 %, power ± 20 %
    low = declared("base_station_5g", "load_share")["low"]
    assert first["co2_at_low_t"] == pytest.approx(done.rows["co2_t"].item() * low / 0.6)


# -- shares


def test_a_share_of_a_total_with_bought_electricity_is_a_part_and_of_scope_1_is_not(grid: pl.LazyFrame):
    done = digital.emissions(many({"component": "box"}), seed=1, grid=grid, table=equipment())
    part = done.share_of(100_000, coverage="with_scope_2", source="made up").row(0, named=True)
    assert part["share"] == pytest.approx(8760 * 0.558 / 1e5) and part["is_part"]
    other = done.share_of(100_000, coverage="scope_1_only", source="CEADs", city_year=2019).row(0, named=True)
    assert not other["is_part"]
    assert "范围一" in other["note_zh"] and "unlike" in other["note_en"]
    assert "2022 and 2019" in other["note_en"]


def test_a_part_larger_than_its_whole_and_a_total_of_nothing_are_refused(grid: pl.LazyFrame):
    done = digital.emissions(many({"component": "box"}), seed=1, grid=grid, table=equipment())
    with pytest.raises(DataError, match="of which it is to be a part"):
        done.share_of(100, coverage="with_scope_2", source="s")
    with pytest.raises(DataError, match="above 0"):
        done.share_of(0, coverage="scope_1_only", source="s")
    with pytest.raises(UnknownNameError, match="coverage 'all'"):
        done.share_of(1e6, coverage="all", source="s")  # type: ignore[arg-type]


# -- bad input


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        ([{"component": "5g"}], UnknownNameError, "Nearest: 'base_station_5g'"),
        ([{"count": -1.0}], DataError, "row 1: count is -1.0"),
        ([{"count": float("inf")}], DataError, "row 1: count is inf"),
        ([{"count_low": 900.0}], DataError, "give both bounds"),
        ([{"count_low": 1100.0, "count_high": 1200.0}], DataError, "around the count"),
        ([{}, {}], DataError, "A component stands twice"),
        ([{}, {"component": "smartphone", "year": 2021}], DataError, "2 years"),
        ([{"counted_at": None}], DataError, "counted_at is empty"),
    ],
)
def test_a_count_that_cannot_be_is_told(rows: list[dict[str, Any]], error: type[Exception], message: str,
                                        grid: pl.LazyFrame):  # fmt: skip
    with pytest.raises(error, match=message):
        digital.emissions(many(*rows), seed=1, grid=grid)


def test_a_table_of_equipment_that_lacks_something_is_told(grid: pl.LazyFrame):
    with pytest.raises(SchemaError, match="lacks pue of box"):
        digital.emissions(many({"component": "box"}), seed=1, grid=grid,
                          table=equipment().filter(pl.col("quantity") != "pue"))  # fmt: skip
    with pytest.raises(SchemaError, match="component 'grid'"):
        digital.emissions(many({"component": "box"}), seed=1, grid=grid,
                          table=equipment().filter(pl.col("component") != "grid"))  # fmt: skip
    with pytest.raises(DataError, match=r"load_share of box is 1\.0 from 1\.0 to 0\.5"):
        digital.emissions(many({"component": "box"}), seed=1, grid=grid, table=equipment(load_share=(1.0, 1.0, 0.5)))


def test_no_equipment_emits_nothing(grid: pl.LazyFrame):
    done = digital.emissions(many({"count": 0.0}), seed=1, n=500, grid=grid)
    assert done.rows.select("co2_t", "co2_lower_t", "co2_upper_t").row(0) == (0, 0, 0)
