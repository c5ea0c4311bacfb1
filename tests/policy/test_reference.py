from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import citylab as cl
from citylab import tables
from citylab.errors import RangeError, SchemaError, UnknownNameError, UsageWarning
from citylab.policy.reference import Reference
from citylab.policy.state import SECTORS

REFERENCE = Reference.load()


def changed(table: pl.DataFrame, key: str, name: str, **values) -> pl.DataFrame:
    return table.with_columns(
        pl.when(pl.col(key) == name).then(pl.lit(v)).otherwise(pl.col(c)).alias(c) for c, v in values.items()
    )


def test_a_path_follows_its_rule():
    # 0.52 x 0.97^5; 0.16 + 0.03 x 5; 1 - (1 - 0.9)(1 - 0.05)^5
    assert REFERENCE.level("grid_kgco2_kwh", 2030) == pytest.approx(0.52 * 0.97**5)
    assert REFERENCE.level("ev_share", 2030) == pytest.approx(0.31)
    assert REFERENCE.level("covered_share", 2030) == pytest.approx(1 - 0.1 * 0.95**5)


def test_a_draw_is_the_same_in_any_block_and_shares_stay_shares():
    whole = REFERENCE.factors(3, 0, 40)
    part = REFERENCE.factors(3, 17, 23)
    for name, values in whole.items():
        assert (part[name] == values[17:23]).all(), name
        assert values.shape == (40, 10) and (values > 0).all()
        if name.endswith("_share"):
            levels = np.array([REFERENCE.level(name, y) for y in REFERENCE.years])
            assert (values * levels <= 1 + 1e-12).all()


def test_growth_and_walk_have_the_declared_spread():
    # Log of a path without level: variance in year t = (growth_sd t)^2 + walk_sd^2 t; here t = 10, sd 0.02 and 0.03
    path = changed(REFERENCE.path, "name", "freight_co2_t", low=6e6, high=6e6, value=6e6, growth_sd=0.02, walk_sd=0.03)
    log = np.log(Reference.load(path=path).factors(0, 0, 4000)["freight_co2_t"][:, -1])
    assert log.std() == pytest.approx(np.sqrt(0.2**2 + 0.03**2 * 10), rel=0.04)
    assert abs(log.mean()) < 4 * log.std() / np.sqrt(4000)


def test_sectors_of_the_screening_take_no_more_than_all_of_the_local_air():
    slope, shares = REFERENCE.screening(0, 0, 200)
    assert slope.shape == (200, 1) and shares.shape == (200, len(SECTORS))
    assert (shares.sum(axis=1) <= 1 + 1e-12).all() and (slope > 0).all() and (slope < 1.1).all()
    assert (shares[:, SECTORS.index("data_centres")] == 0).all()


def test_every_assumption_says_where_it_is_from_and_how_sure_it_is():
    marks = {"verified", "secondary", "from memory"}
    for table in (REFERENCE.path, REFERENCE.people, REFERENCE.rules, REFERENCE.receptor):
        assert set(table["mark"]) <= marks
        assert (table["source"].str.len_chars() > 5).all()


def test_a_table_that_cannot_be_is_refused_with_its_row():
    bad = changed(REFERENCE.path, "name", "car_km", value=1.0)
    with pytest.raises(RangeError, match=r"'car_km'.*outside"):
        Reference.load(path=bad)
    with pytest.raises(SchemaError, match="lacks rows for car_km"):
        Reference.load(path=REFERENCE.path.filter(pl.col("name") != "car_km"))
    with pytest.raises(UnknownNameError, match="'ratio'"):
        Reference.load(path=changed(REFERENCE.path, "name", "car_km", rule="ratios"))
    with pytest.raises(UnknownNameError, match="'interval'"):
        REFERENCE.rule("intervals")


@pytest.mark.parametrize(
    ("tables_", "error", "told"),
    [
        ({"path": changed(REFERENCE.path, "name", "covered_share", low=0.5)}, RangeError, "only its growth is used"),
        ({"path": changed(REFERENCE.path, "name", "pv_kwh", high=1e9)}, RangeError, "level of 0 has nothing to vary"),
        (
            {
                "path": changed(
                    REFERENCE.path, "name", "bus_trips", value=0.0, low=0.0, high=0.0, growth_sd=0.0, walk_sd=0.0
                )
            },
            RangeError,
            "'bus_trips' of reference_path is 0",
        ),
        ({"path": changed(REFERENCE.path, "name", "ev_share", growth=0.2)}, RangeError, "'ev_share'.* 1.16 in 2030"),
        (
            {"path": changed(REFERENCE.path, "name", "car_km", growth=-1.5)},
            RangeError,
            "'car_km'.* in 2026; expected 0",
        ),
        ({"path": changed(REFERENCE.path, "name", "car_km", growth=None)}, RangeError, "growth None for 'car_km'"),
        ({"path": pl.concat([REFERENCE.path, REFERENCE.path.head(1)])}, SchemaError, "'persons' 2 times"),
        ({"rules": changed(REFERENCE.rules, "rule", "interval", value=90.0)}, RangeError, "interval .* is 90"),
        ({"rules": changed(REFERENCE.rules, "rule", "replicates", value=1.0)}, RangeError, "at least 2"),
        ({"rules": changed(REFERENCE.rules, "rule", "last_year", value=2020.0)}, RangeError, "last_year 2020"),
        ({"rules": changed(REFERENCE.rules, "rule", "first_year", value=2025.0)}, RangeError, "after its base year"),
        ({"receptor": REFERENCE.receptor.filter(pl.col("part") != "local")}, SchemaError, "lacks local"),
        ({"receptor": changed(REFERENCE.receptor, "part", "freight", part="frieght")}, UnknownNameError, "'freight'"),
        ({"receptor": changed(REFERENCE.receptor, "part", "freight", low=0.9)}, RangeError, "'freight'.*not ordered"),
        ({"people": changed(REFERENCE.people, "amount", "car_km", amount="car_kms")}, UnknownNameError, "'car_km'"),
        ({"people": REFERENCE.people.filter(pl.col("amount") != "bus_trips")}, SchemaError, "lacks rows for bus_trips"),
        ({"people": changed(REFERENCE.people, "amount", "car_km", weight=-1.0)}, RangeError, "weight"),
    ],
)
def test_what_could_not_work_is_refused_rather_than_left_out(tables_, error, told):
    with pytest.raises(error, match=told):
        Reference.load(**tables_)


def test_all_covered_in_the_base_year_stay_covered(world):
    path = changed(REFERENCE.path, "name", "covered_share", value=1.0, low=1.0, high=1.0)
    state = world.under(Reference.load(path=path)).state(2030)
    # The table says who is covered, the path only how fast the rest follows: 0.05 a year
    left = (world.table["persons"] - world.table["covered_persons"]).sum() * 0.95**5
    assert (state.total("persons") - state.total("covered_persons")).item() == pytest.approx(left, rel=1e-9)


def test_those_left_shrink_by_the_rule_of_their_rate():
    # complement: 0.95 a year. add: from 0.9 by 0.01 a year, so of a tenth without four fifths are left after two years
    assert REFERENCE.left("covered_share", 2027) == pytest.approx(0.95**2)
    added = Reference.load(path=changed(REFERENCE.path, "name", "covered_share", rule="add", growth=0.01))
    assert added.left("covered_share", 2027) == pytest.approx(0.08 / 0.1)


def test_levels_lie_within_what_the_embedded_sources_say():
    year = REFERENCE.years[0] - 1
    city = cl.load("carbonmonitor__yearly_city_co2", where={"city_locode": "CN BJS"}).collect()
    with pytest.warns(UsageWarning):
        province = (
            cl.load("carbonmonitor__monthly_province_co2").filter(pl.col("province_name_en") == "Beijing").collect()
        )
    last = province.filter(pl.col("month_start").dt.year() == 2020)

    def sources(sector: str) -> tuple[float, float]:
        a = city.filter(year=2020, sector=sector)["co2_t"].item()
        b = last.filter(sector=sector)["co2_t"].sum()
        return min(a, b), max(a, b)

    industry = REFERENCE.rows["industry_co2_t"]
    low, high = sources("industry")
    assert low < industry["value"] < high and industry["low"] <= low * 1.05 and industry["high"] >= high * 0.95
    low, high = sources("ground_transport")
    road = REFERENCE.level("car_km", year) * (1 - REFERENCE.level("ev_share", year))
    road = road * REFERENCE.level("petrol_kgco2_km", year) / 1000 + REFERENCE.level("freight_co2_t", year)
    assert low < road < high
    grid = cl.load("mee__yearly_grid_co2factor").filter(pl.col("grid_name_en") == "Beijing").sort("year").collect()
    first, second = grid["grid_factor_kgco2_kwh"]
    trend = second / first - 1  # -1.9 % from 2021 to 2022
    assert REFERENCE.level("grid_kgco2_kwh", year) == pytest.approx(second * (1 + trend) ** 3, rel=0.03)
    facts = cl.load("bjstats__yearly_city_indicator").collect()
    air = facts.filter(indicator="pm25_annual_mean").sort("year")["value"][-1]
    assert REFERENCE.rows["pm25_ugm3"]["value"] < air  # 32 in 2023, a year of poor weather
    residents = facts.filter(indicator="resident_population", year=2024)["value"].item()
    assert REFERENCE.level("persons", year) == pytest.approx(residents * 1e4)


def test_tiers_of_the_reference_are_those_of_the_declared_tariff():
    tiers = tables.read("tariffs").filter(tariff="beijing_tiered_year").sort("block_from_kwh")
    assert [REFERENCE.rule("tier_1_kwh"), REFERENCE.rule("tier_2_kwh")] == tiers["block_to_kwh"].to_list()[:2]
    assert tiers["price_kwh"].min() <= REFERENCE.level("electricity_cny_kwh", 2025) <= tiers["price_kwh"].max()
