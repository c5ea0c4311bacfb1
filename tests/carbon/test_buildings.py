"""Benchmarking ranks against peers, screening is what the measures say, and no portfolio beats the one given."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import citylab as cl
from citylab import sheets
from citylab.carbon import buildings as b
from citylab.errors import DataError, FactorYearError, RangeError, RefusalError, SchemaError, UnknownNameError


def offices(n: int = 80, *, elasticity: float = 1.0, noise: float = 0.3, seed: int = 0) -> pl.DataFrame:
    """Synthetic offices: energy is 150 kWh/m² at 3000 m², and log-normal around a power of the area."""
    rng = np.random.default_rng(seed)
    area = np.exp(rng.normal(8, 0.8, n))
    energy = 150 * 3000 * (area / 3000) ** elasticity * np.exp(rng.normal(0, noise, n))
    ids = [f"B{i}" for i in range(n)]
    return pl.DataFrame(
        {"building_id": ids, "building_type": "office", "floor_area_m2": area, "site_energy_kwh": energy}
    )


# reading


def sheet(tmp_path: Path, body: str) -> Path:
    path = tmp_path / "mine.csv"
    path.write_text("building_id,year,building_type,floor_area_m2,electricity_kwh,gas_kwh\n" + body, encoding="utf-8")
    return path


def test_the_template_is_read_in_both_languages_and_its_energy_is_the_sum_of_the_carriers(tmp_path: Path):
    empty = sheets.write("buildings", tmp_path / "buildings.csv")
    heads = {r["label_zh"]: r["column"] for r in sheets.columns("buildings").iter_rows(named=True)}
    assert set(heads.values()) == set(sheets.raw(empty, "buildings").columns) - {sheets.LINE}
    path = sheet(tmp_path, "A,2022,office,1000,80000,20000\nB,2022,office,500,,7000\n")
    assert b.read_buildings(path)["site_energy_kwh"].to_list() == [100_000, 7_000]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("A,2022,office,0,1,1", "row 2: floor_area_m2 is not above zero"),
        ("A,2022,office,10,1,-1", "row 2: gas_kwh is negative"),
        ("A,2022,office,10,1,1\nA,2022,office,10,1,1", "row 3: the building stands twice"),
        ("A,2022,office,ten,1,1", "floor_area_m2 is 'ten'"),
        (",2022,office,10,1,1", "building_id is empty"),
    ],
)
def test_a_table_that_cannot_be_is_refused_with_its_lines(tmp_path: Path, row: str, said: str):
    with pytest.raises(DataError, match=said):
        b.read_buildings(sheet(tmp_path, row + "\n"))


def test_electricity_may_be_fed_in(tmp_path: Path):
    assert b.read_buildings(sheet(tmp_path, "A,2022,office,10,-5,9\n"))["site_energy_kwh"].item() == 4


# weather


def bills(slope: float, noise: float, seed: int = 1, months: int = 24) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    hdd = 250 * (1 + np.cos(2 * np.pi * np.arange(months) / 12))
    energy = 30 * 100 + slope * hdd + rng.normal(0, noise, months)
    return pl.DataFrame({"building_id": "A", "days": 30.0, "hdd18": hdd, "energy_kwh": energy})


def test_a_degree_day_model_without_noise_gives_the_normal_year_exactly():
    told = b.weather_normalised(bills(20, 0), degree_days="hdd18", normal={"hdd18": 2000}).row(0, named=True)
    # base 3000 kWh in 30 d is 100 a day: 365.25 * 100 + 20 * 2000
    assert told["energy_kwh_yr"] == pytest.approx(36_525 + 40_000)
    assert told["energy_kwh_yr_lower"] <= told["energy_kwh_yr"] + 1e-6
    assert (told["base_kwh_day"], told["hdd18_kwh"]) == (pytest.approx(100), pytest.approx(20))


@pytest.mark.parametrize(
    ("table", "reason"),
    [(bills(0.1, 500), "low_r2"), (bills(-5, 0), "negative_slope"), (bills(20, 0, months=6), "few_periods")],
)
def test_a_hopeless_degree_day_model_is_refused_with_its_reason(table: pl.DataFrame, reason: str):
    with pytest.raises(RefusalError, match=reason):
        b.weather_normalised(table, degree_days="hdd18", normal={"hdd18": 2000})
    both = pl.concat([table, bills(20, 10).with_columns(building_id=pl.lit("good"))])
    told = b.weather_normalised(both, degree_days="hdd18", normal={"hdd18": 2000})
    bad = told.filter(building_id="A").row(0, named=True)
    assert (bad["reason"], bad["energy_kwh_yr"]) == (reason, None)


def test_normal_degree_days_are_needed_for_each_column():
    with pytest.raises(SchemaError, match="hdd18"):
        b.weather_normalised(bills(20, 0), degree_days="hdd18", normal={})


# benchmark


def test_doubling_a_buildings_energy_raises_its_rank_and_halving_lowers_it():
    rows = offices()
    plain = b.benchmark(rows).rows.filter(building_id="B7")["peer_rank_pct"].item()
    for factor, sign in ((2.0, 1), (0.5, -1)):
        other = rows.with_columns(
            site_energy_kwh=pl.when(pl.col("building_id") == "B7")
            .then(pl.col("site_energy_kwh") * factor)
            .otherwise("site_energy_kwh")
        )
        assert sign * (b.benchmark(other).rows.filter(building_id="B7")["peer_rank_pct"].item() - plain) > 0


@given(factor=st.floats(0.01, 100), seed=st.integers(0, 50))
@settings(max_examples=10, deadline=None)
def test_ranks_and_ratios_do_not_depend_on_the_unit_of_energy(factor: float, seed: int):
    rows = offices(seed=seed)
    one, two = (b.benchmark(r).rows for r in (rows, rows.with_columns(pl.col("site_energy_kwh") * factor)))
    assert np.allclose(one["eui_ratio"], two["eui_ratio"], rtol=1e-9)
    assert np.allclose(one["peer_rank_pct"], two["peer_rank_pct"])


def test_size_is_taken_out_where_it_matters():
    # Large offices use less per area here; ranked by intensity alone, the small ones would all stand on top.
    made = b.benchmark(offices(400, elasticity=0.7))
    model = made.models.row(0, named=True)
    assert model["area_elasticity_lower"] <= 0.7 <= model["area_elasticity_upper"] < 1
    logs = made.rows.select(pl.col("floor_area_m2").log(), pl.col("eui_ratio").log())
    assert abs(np.corrcoef(logs.to_numpy().T)[0, 1]) < 1e-9


@pytest.mark.parametrize("method", ["ols", "median"])
def test_ninety_five_of_a_hundred_buildings_lie_in_their_interval(method: str):
    rows = b.benchmark(offices(600), method=method).rows
    inside = rows.select(
        pl.col("site_eui_kwh_m2").is_between("expected_eui_lower_kwh_m2", "expected_eui_upper_kwh_m2").mean()
    ).item()
    # binomial band of 600 at 0.95 is 0.95 ± 0.0174
    assert 0.93 < inside < 0.97


def test_the_thriftiest_peer_ranks_zero_and_the_thirstiest_a_hundred():
    rows = b.benchmark(offices()).rows.sort("eui_ratio")
    assert rows["peer_rank_pct"][0] == 0 and rows["peer_rank_pct"][-1] == 100
    assert (rows["peer_rank_lower_pct"] <= rows["peer_rank_pct"]).all()
    assert (rows["peer_rank_pct"] <= rows["peer_rank_upper_pct"]).all()


def test_a_type_that_area_says_nothing_of_is_ranked_by_intensity_only():
    mixed = offices(60, elasticity=0.0, noise=1.5).with_columns(building_type=pl.lit("mixed"))
    made = b.benchmark(pl.concat([offices(), mixed]))
    assert made.models.filter(building_type="mixed")["reason"].item() == "low_r2"
    rows = made.rows.filter(building_type="mixed", basis="intensity")
    assert rows["expected_eui_kwh_m2"].null_count() == rows.height > 0
    assert rows["peer_rank_pct"].null_count() == 0


def test_few_peers_make_no_rank_and_none_at_all_a_refusal():
    few = offices(5).with_columns(building_type=pl.lit("castle"))
    rows = b.benchmark(pl.concat([offices(), few])).rows.filter(building_type="castle")
    assert rows["peer_rank_pct"].null_count() == 5
    with pytest.raises(RefusalError, match="15 usable"):
        b.benchmark(few)


def test_odd_figures_are_named_and_kept_out_of_the_model():
    odd = pl.DataFrame(
        {
            "building_id": ["zero", "no area", "remark", "far", "sum"],
            "floor_area_m2": [3000.0, None, 3000, 3000, 3000],
            "site_energy_kwh": [0.0, 4.5e5, 4.5e5, 4.5e8, 4.5e5],
            "electricity_kwh": [0.0, 4.5e5, 4.5e5, 4.5e8, 9e5],
            "flag_at_source": [None, None, "estimated", None, None],
        }
    ).with_columns(building_type=pl.lit("office"))
    rows = b.benchmark(pl.concat([offices(), odd], how="diagonal")).rows
    said = dict(rows.select("building_id", "reasons").iter_rows())
    assert [said[k] for k in odd["building_id"]] == [
        "no_energy",
        "no_area",
        "remark_at_source",
        "far_above_peers",
        "carriers_do_not_add",
    ]
    assert rows.filter(building_id="far")["peer_rank_pct"].item() == 100
    alone = b.benchmark(offices()).models
    without = b.benchmark(pl.concat([offices(), odd.filter(pl.col("building_id") != "sum")], how="diagonal")).models
    assert without["area_elasticity"].item() == pytest.approx(alone["area_elasticity"].item(), rel=1e-12)


def test_half_of_the_peers_being_equal_makes_nobody_an_outlier():
    same = pl.DataFrame({"building_type": ["a"] * 4, "floor_area_m2": [1.0] * 4, "site_energy_kwh": [5.0, 5, 5, 9]})
    assert b.flagged(same)["reasons"].null_count() == 4


def test_a_lazy_frame_stays_lazy():
    assert isinstance(b.flagged(offices().lazy()), pl.LazyFrame)


# retrofit


ONE = pl.DataFrame(
    {
        "building_id": ["A"],
        "floor_area_m2": [1000.0],
        "electricity_kwh": [50_000.0],
        "gas_kwh": [200_000.0],
    }
)
FACTORS = pl.DataFrame({"carrier": ["electricity", "gas"], "factor_kgco2e_kwh": [0.5, 0.2]})


def measure(**changes: object) -> pl.DataFrame:
    row = {"measure": "m", "saves": "gas", "saving_low": 0.2, "saving_share": 0.3, "saving_high": 0.4, "adds": None,
           "added_low": 0.0, "added_per_saved": 0.0, "added_high": 0.0, "rebound_low": 0.0, "rebound_share": 0.0,
           "rebound_high": 0.0, "cost_low": 80.0, "cost_m2": 100.0, "cost_high": 150.0, "currency": "CNY",
           "life_years": 20.0, "source": "test"}  # fmt: skip
    return pl.DataFrame([row | changes], schema_overrides={"adds": pl.String})


def test_saving_and_cost_are_those_of_the_arithmetic():
    row = b.screen(ONE, FACTORS, table=measure(rebound_share=0.1, rebound_high=0.1), rate=0.05).rows.row(0, named=True)
    # 200,000 kWh * 0.2 kg * 0.3 * 0.9 = 10.8 t; 1000 m² * 100 = 100,000; annuity of 5 % over 20 years 0.0802426
    assert row["co2e_saved_t_yr"] == pytest.approx(10.8)
    assert row["energy_saved_kwh_yr"] == pytest.approx(54_000)
    assert row["cost"] == 100_000
    assert row["abatement_cost"] == pytest.approx(8_024.2587 / 10.8, rel=1e-6)


def test_a_heat_pump_saves_the_gas_less_the_electricity_it_adds():
    pump = measure(adds="electricity", added_low=0.25, added_per_saved=0.25, added_high=0.25)
    row = b.screen(ONE, FACTORS, table=pump).rows.row(0, named=True)
    # saved gas 60,000 kWh = 12 t; added electricity 15,000 kWh = 7.5 t
    assert row["co2e_saved_t_yr"] == pytest.approx(12 - 7.5)


def test_on_a_dirty_grid_a_heat_pump_saves_nothing_and_is_never_chosen():
    pump = measure(adds="electricity", added_low=0.4, added_per_saved=0.4, added_high=0.4)
    found = b.screen(ONE, FACTORS, table=pl.concat([pump, measure(measure="w")]))
    row = found.rows.filter(measure="m").row(0, named=True)
    assert row["reason"] == "no_saving" and row["abatement_cost"] is None
    assert b.portfolio(found, 1e9).chosen["measure"].to_list() == ["w"]


def test_the_interval_lies_in_what_the_ranges_allow_and_holds_the_middle():
    row = b.screen(ONE, FACTORS, table=measure()).rows.row(0, named=True)
    assert 8 < row["co2e_saved_lower_t_yr"] < 12 < row["co2e_saved_upper_t_yr"] < 16
    assert 80_000 < row["cost_lower"] < row["cost"] < row["cost_upper"] < 150_000
    assert row["abatement_cost_lower"] < row["abatement_cost"] < row["abatement_cost_upper"]


def test_the_same_seed_gives_the_same_screening():
    one, two = (b.screen(ONE, FACTORS, table=measure(), seed=4).rows for _ in range(2))
    assert one.equals(two)


def test_two_like_buildings_err_together():
    two = pl.concat([ONE, ONE.with_columns(building_id=pl.lit("B"))])
    found = b.screen(two, FACTORS, table=measure())
    single = b.portfolio(b.screen(ONE, FACTORS, table=measure()), 1e9)
    both = b.portfolio(found, 1e9)
    assert both.lower == pytest.approx(2 * single.lower) and both.upper == pytest.approx(2 * single.upper)


def test_what_is_fed_in_is_no_energy_to_be_saved():
    exporter = ONE.with_columns(electricity_kwh=pl.lit(-9e6))
    found = b.screen(exporter, FACTORS, table=measure(saves="electricity|gas"))
    assert found.rows["co2e_saved_t_yr"].item() == pytest.approx(200_000 * 0.2 * 0.3 / 1000)


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"saving_low": 0.5}, DataError, "saving is"),
        ({"saving_high": 1.2}, DataError, "0 to 1"),
        ({"life_years": 0.0}, DataError, "life_years"),
        ({"source": ""}, DataError, "no source"),
        ({"saves": "gass"}, UnknownNameError, "'gas'"),
    ],
)
def test_a_measure_that_cannot_be_is_refused(changes: dict[str, object], error: type[Exception], said: str):
    with pytest.raises(error, match=said):
        b.measures(measure(**changes))


@pytest.mark.parametrize(
    ("frame", "factors", "table", "said"),
    [
        (pl.concat([ONE, ONE]), FACTORS, measure(), "stands 2 times"),
        (ONE.with_columns(floor_area_m2=0.0), FACTORS, measure(), "no floor area"),
        (ONE, FACTORS.head(1), measure(), "no factor"),
        (ONE, FACTORS, pl.concat([measure(), measure(currency="USD")]), "several currencies"),
    ],
)
def test_what_cannot_be_screened_is_refused(frame: pl.DataFrame, factors: pl.DataFrame, table: pl.DataFrame, said: str):
    with pytest.raises(DataError, match=said):
        b.screen(frame, factors, table=table)


def test_every_declared_measure_has_a_source_and_a_mark():
    table = b.measures()
    assert not table["source"].null_count() and set(table["mark"]) <= {"verified", "secondary", "from memory"}


def test_factors_of_beijing_are_those_of_its_grid_and_another_year_is_not_taken():
    grid = cl.load("mee__yearly_grid_co2factor")
    told = b.carrier_factors("北京", 2022, grid=grid)
    value = dict(told.select("carrier", "factor_kgco2e_kwh").iter_rows())
    assert value["electricity"] == 0.558
    # 56,100 kg/TJ is 0.20196 kg/kWh; 0.11 t/GJ is 0.396 kg/kWh
    assert value["gas"] == pytest.approx(0.20196) and value["heat"] == pytest.approx(0.396)
    with pytest.raises(FactorYearError):
        b.carrier_factors("北京", 2019, grid=grid)
    with pytest.raises(FactorYearError, match="Give your own"):
        b.carrier_factors("Seattle", 2019)


# portfolio


def options(rows: list[tuple[int, int, int]]) -> pl.DataFrame:
    """Options of building, cost and saving; buildings 0 and 1 are schools."""
    table = pl.DataFrame(rows, schema=["building_id", "cost", "co2e_saved_t_yr"], orient="row")
    kind = pl.when(pl.col("building_id") < 2).then(pl.lit("school")).otherwise(pl.lit("office"))
    return table.with_columns(kind.alias("building_type"))


def brute_force(table: pl.DataFrame, budget: float, kept: float = 0.0) -> int:
    """Best saving of all choices: none or one option per building, offices within what is not kept for schools."""
    choices = [
        [None, *part.select("cost", "co2e_saved_t_yr", "building_type").rows()]
        for part in table.partition_by("building_id", maintain_order=True)
    ]
    best = 0
    for choice in itertools.product(*choices):
        taken = [c for c in choice if c is not None]
        offices_cost = sum(c[0] for c in taken if c[2] == "office")
        if sum(c[0] for c in taken) <= budget and offices_cost <= (1 - kept) * budget:
            best = max(best, sum(c[1] for c in taken))
    return best


ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 60), st.integers(1, 60)), min_size=1, max_size=11)


@given(rows=ROWS, budget=st.integers(1, 150))
@settings(max_examples=60, deadline=None)
def test_the_portfolio_is_the_best_of_all_choices_and_never_worse_than_the_ranking(rows, budget):
    table = options(rows)
    found = b.portfolio(table, budget)
    assert found.value == brute_force(table, budget)
    assert found.value >= found.ranking_value
    assert found.cost <= budget and found.ranking_cost <= budget
    assert found.chosen["building_id"].is_unique().all()
    assert found.status == "optimal" and found.gap < 1e-8 and found.bound >= found.value


@given(rows=ROWS, budget=st.integers(10, 150), kept=st.sampled_from([0.25, 0.5, 1.0]))
@settings(max_examples=40, deadline=None)
def test_money_kept_for_a_group_is_kept_and_the_rest_is_still_best(rows, budget, kept):
    table = options([(0, 1, 1), *rows])
    found = b.portfolio(table, budget, reserved={"school": kept})
    assert found.value == brute_force(table, budget, kept)
    assert found.value >= found.ranking_value
    assert found.chosen.filter(building_type="office")["cost"].sum() <= (1 - kept) * budget + 1e-9


@given(
    costs=st.lists(st.floats(1e-3, 1e9), min_size=1, max_size=9),
    budget=st.floats(1e-2, 2e9),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_the_budget_is_never_overspent_whatever_the_magnitudes(costs, budget, data):
    saved = data.draw(st.lists(st.floats(1e-3, 1e6), min_size=len(costs), max_size=len(costs)))
    table = pl.DataFrame({"building_id": range(len(costs)), "cost": costs, "co2e_saved_t_yr": saved})
    found = b.portfolio(table, budget)
    assert math.fsum(found.chosen["cost"]) <= budget * (1 + 1e-12)
    assert found.value >= found.ranking_value


@given(rows=ROWS, budget=st.integers(1, 100), more=st.integers(1, 50))
@settings(max_examples=30, deadline=None)
def test_more_money_never_saves_less(rows, budget, more):
    curve = b.cost_curve(options(rows), [budget, budget + more])
    assert curve["co2e_saved_t_yr"][1] >= curve["co2e_saved_t_yr"][0]


def test_money_for_several_groups_leaves_the_others_the_rest():
    rows = pl.DataFrame(
        {
            "building_id": [0, 1, 2, 3],
            "cost": [10.0, 10, 10, 10],
            "co2e_saved_t_yr": [1.0, 2, 9, 8],
            "building_type": ["school", "poor", "office", "office"],
        }
    )
    found = b.portfolio(rows, 20.0, reserved={"school": 0.5, "poor": 0.5})
    assert found.chosen["building_type"].sort().to_list() == ["poor", "school"]


@pytest.mark.parametrize(
    ("change", "given", "error", "said"),
    [
        ({}, {"budget": 0.0}, RangeError, "above zero"),
        ({}, {"budget": 9.0, "reserved": {"school": 1.5}}, RangeError, "0 to 1"),
        ({}, {"budget": 9.0, "reserved": {"skool": 0.5}}, UnknownNameError, "school"),
        ({"cost": -1}, {"budget": 9.0}, DataError, "negative"),
        ({"co2e_saved_t_yr": 0}, {"budget": 9.0}, DataError, "saves anything"),
        ({"currency": "x"}, {"budget": 9.0}, None, ""),
    ],
)
def test_a_problem_that_cannot_be_is_refused(change, given, error, said):
    table = options([(0, 3, 4), (2, 3, 4)]).with_columns(**{k: pl.lit(v) for k, v in change.items()})
    if error is None:
        assert b.portfolio(table, **given).value == 8
        return
    with pytest.raises(error, match=said):
        b.portfolio(table, **given)


def test_a_budget_below_every_cost_buys_nothing():
    found = b.portfolio(options([(0, 30, 4)]), 10.0)
    assert (found.value, found.cost, found.gap, found.chosen.height) == (0, 0, 0, 0)


def test_on_seattles_groups_the_portfolio_is_proven_and_beats_the_ranking():
    groups = cl.load("seattle__yearly_buildinggroup_energy").collect()
    found = b.screen(groups, b.carrier_factors("Seattle", 2016), currency="USD")
    best = b.portfolio(found, 2e7)
    assert best.status == "optimal" and best.gap < 1e-8
    assert best.value > best.ranking_value
    assert best.lower < best.value < best.upper and 0 < best.within_budget_share < 1
