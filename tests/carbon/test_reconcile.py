from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import citylab as cl
from citylab import tables
from citylab.carbon.reconcile import STEPS, Reconciliation, Source, intensity_times_gdp, reconcile, source
from citylab.errors import DataError, SchemaError, UnknownNameError

SECTORS = ["power", "industry", "ground_transport", "aviation", "residential"]


def city(**changes: float) -> Source:
    rows = [(y, s, changes.get(s, 10e6) + (y - 2019) * 1e6) for y in (2019, 2020) for s in SECTORS]
    return source("carbonmonitor_city", pl.DataFrame(rows, schema=["year", "sector", "co2_t"], orient="row"))


def province(year: int = 2019, each: float = 12e6) -> Source:
    rows = [(year, s, each) for s in SECTORS[:3]]
    return source("carbonmonitor_province", pl.DataFrame(rows, schema=["year", "sector", "co2_t"], orient="row"))


def total(source_id: str, values: dict[int, float]) -> Source:
    return source(source_id, pl.DataFrame({"year": list(values), "co2_t": list(values.values())}))


def steps(found: Reconciliation, one: str, other: str) -> dict[str, float | None]:
    return dict(found.walk.filter(from_source=one, to_source=other).select("step", "co2_t").iter_rows())


# --- the walk ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 1e8), min_size=4, max_size=4), st.sampled_from([2018, 2019, 2020, 2025]))
@settings(max_examples=25)
def test_start_steps_and_what_is_unexplained_add_up_to_the_end(values: list[float], year: int):
    official = intensity_times_gdp(year=2021, intensity=0.42, low=0.4, high=0.5, gdp_cny=values[0] * 1e4 + 1)
    sources = [
        city(power=values[1], aviation=values[2]), province(2019, values[3]), total("ceads_city", {2018: values[0]}),
        source("official_intensity", official),
    ]  # fmt: skip
    found = reconcile(*sources, year=year)
    for _, rows in found.walk.group_by("from_source", "to_source"):
        walk = dict(rows.select("step", "co2_t").iter_rows())
        between = sum(v or 0.0 for k, v in walk.items() if k not in ("start", "end"))
        assert walk["start"] + between == pytest.approx(walk["end"], abs=1e-6)
        assert set(walk) - {"start", "end", "unexplained"} <= set(STEPS)
    assert found.walk.n_unique(["from_source", "to_source"]) == 6


def test_sectors_that_one_leaves_out_are_taken_from_the_others_own_rows():
    found = reconcile(city(aviation=2e6, residential=19e6), province(), year=2019)
    assert steps(found, "carbonmonitor_city", "carbonmonitor_province") == {
        "start": 51e6, "sectors": -21e6, "boundary": None, "unexplained": 6e6, "end": 36e6,
    }  # fmt: skip
    back = reconcile(province(), city(aviation=2e6, residential=19e6), year=2019)
    assert steps(back, "carbonmonitor_province", "carbonmonitor_city")["sectors"] == 21e6


def test_another_year_is_walked_by_the_source_that_has_both():
    found = reconcile(city(), province(2020), year=2019)
    walk = steps(found, "carbonmonitor_city", "carbonmonitor_province")
    assert walk["year"] == 5e6
    assert walk["sectors"] == -22e6, "taken from the rows of the second year, on which the walk then stands"
    assert found.sources["year"].to_list() == [2019, 2020]
    neither = reconcile(total("ceads_city", {2019: 88e6}), province(2020), year=2019)
    assert steps(neither, "ceads_city", "carbonmonitor_province")["year"] is None


def test_what_cannot_be_quantified_is_named_in_what_is_unexplained():
    official = source(
        "official_intensity", intensity_times_gdp(year=2020, intensity=0.42, low=0.41, high=0.42, gdp_cny=3.61026e12)
    )
    found = reconcile(total("ceads_city", {2020: 88e6}), official, year=2020)
    rows = found.walk.filter(step="unexplained").row(0, named=True)
    assert rows["co2_t"] == pytest.approx(151.63092e6 - 88e6)
    assert rows["basis_en"] == "holds what is not quantified: scope"
    assert not rows["is_quantified"]
    assert "unexplained: +63.63 Mt" in found.text("en")
    assert "范围: 不同，但据这些来源无法量化 (1 → 1+2)" in found.text("zh")
    given = pl.DataFrame({
        "from_source": ["ceads_city"], "to_source": ["official_intensity"], "step": ["scope"], "co2_t": [40e6],
        "basis_zh": ["外购电力"], "basis_en": ["purchased electricity"],
    })  # fmt: skip
    told = reconcile(total("ceads_city", {2020: 88e6}), official, year=2020, adjustments=given)
    assert steps(told, "ceads_city", "official_intensity")["scope"] == 40e6
    assert told.walk.filter(step="unexplained")["co2_t"].item() == pytest.approx(23.63092e6)


def test_two_vintages_of_one_publisher_differ_by_vintage_and_nothing_else():
    frame = pl.DataFrame({"year": [2019], "sector_at_source": ["Urban"], "co2_t": [89.18e6]})
    found = reconcile(source("ceads_sector_fuel", frame), total("ceads_city", {2019: 88.16e6}), year=2019)
    walk = steps(found, "ceads_sector_fuel", "ceads_city")
    assert walk["vintage"] == pytest.approx(-1.02e6)
    assert walk["unexplained"] == 0


def test_sources_stand_with_everything_that_tells_them_apart():
    found = reconcile(city(), province(), year=2019)
    told = found.sources.row(1, named=True)
    assert (told["area_boundary"], told["scopes"], told["sectors"]) == (
        "administrative",
        "1",
        "power+industry+ground_transport",
    )
    assert (told["gases"], told["gwp_set"], told["year"], told["co2_t"]) == ("CO2", "none", 2019, 36e6)
    assert found.sources.null_count().select("label_zh", "label_en", "vintage", "mark").row(0) == (0, 0, 0, 0)
    assert found.tidy().equals(found.walk)


# --- making sources ---------------------------------------------------------------------------------------------------


def test_jet_kerosene_parts_aviation_from_the_rest_of_transport():
    name = "Transportation, Storage, Post and Telecommunication Services"
    rows = [(2019, name, "Kerosene", 21e6), (2019, name, "Diesel Oil", 3e6), (2019, "Urban", "Kerosene", 1e6)]
    frame = pl.DataFrame(rows, schema=["year", "sector_at_source", "fuel_at_source", "co2_t"], orient="row")
    made = source("ceads_sector_fuel", frame.lazy())
    assert made.by_sector(2019) == {"aviation": 21e6, "buildings": 1e6, "ground_transport": 3e6}


def test_months_are_added_up_to_whole_years_only():
    months = [dt.date(2019, m, 1) for m in range(1, 13)]
    frame = pl.DataFrame({"month_start": months, "sector": ["power"] * 12, "co2_t": [1e6] * 12})
    assert source("carbonmonitor_province", frame).total_t(2019) == 12e6
    with pytest.raises(DataError, match="11 months"):
        source("carbonmonitor_province", frame.head(11))


def test_every_declared_source_and_sector_is_one_that_the_other_table_knows():
    sources, sectors = tables.read("carbon_sources"), tables.read("carbon_common_sectors")
    assert set(sources["family"].drop_nulls()) == set(sectors["family"])
    named = {s for joined in sources["sectors"] for s in joined.split("+")} - {"all"}
    assert named <= set(sectors["common_sector"])


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pl.DataFrame({"year": [2019], "sector": ["Total"], "co2_t": [1.0]}), "'Total'"),
        (pl.DataFrame({"year": [2019], "sector": ["power"], "co2_t": [float("nan")]}), "finite"),
        (pl.DataFrame(schema={"year": pl.Int64, "sector": pl.String, "co2_t": pl.Float64}), "no rows"),
    ],
)
def test_rows_that_cannot_be_compared_are_told(frame: pl.DataFrame, message: str):
    with pytest.raises(DataError, match=message):
        source("carbonmonitor_city", frame)


def test_wrong_calls_are_told():
    with pytest.raises(UnknownNameError, match="'ceads_city'"):
        total("ceads_citi", {2019: 1.0})
    with pytest.raises(SchemaError, match="two or more"):
        reconcile(city(), year=2019)
    with pytest.raises(SchemaError, match="two or more"):
        reconcile(city(), city(), year=2019)
    with pytest.raises(SchemaError, match="'co2_t'"):
        source("ceads_city", pl.DataFrame({"year": [2019]}))
    with pytest.raises(DataError, match="cannot be"):
        intensity_times_gdp(year=2020, intensity=0.5, low=0.41, high=0.42, gdp_cny=1.0)
    row = {"from_source": "carbonmonitor_city", "to_source": "carbonmonitor_province", "step": "scope", "co2_t": 1.0,
           "basis_zh": "", "basis_en": ""}  # fmt: skip
    with pytest.raises(DataError, match="no such difference"):
        reconcile(city(), province(), year=2019, adjustments=pl.DataFrame([row]))
    with pytest.raises(UnknownNameError, match="'scope'"):
        reconcile(city(), province(), year=2019, adjustments=pl.DataFrame([{**row, "step": "scopes"}]))
    with pytest.raises(DataError, match="order given"):
        reconcile(province(), city(), year=2019, adjustments=pl.DataFrame([{**row, "step": "boundary"}]))


# --- Beijing ----------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::citylab.errors.UsageWarning")
def test_beijings_four_sources_stand_where_others_read_them_and_their_sectors_disagree(mirror):
    found = reconcile(
        source("ceads_sector_fuel", cl.load("ceads__yearly_sector_fuel_co2")),
        source("ceads_city", cl.load("ceads__yearly_city_co2").filter(city_name_zh="北京")),
        source("carbonmonitor_city", cl.load("carbonmonitor__yearly_city_co2").filter(city_locode="CN BJS")),
        source(
            "carbonmonitor_province", cl.load("carbonmonitor__monthly_province_co2").filter(province_name_en="Beijing")
        ),
        source(
            "official_intensity",
            intensity_times_gdp(year=2020, intensity=0.42, low=0.41, high=0.42, gdp_cny=36_102.6e8),
        ),
        year=2019,
    )
    told = dict(found.sources.select("source_id", (pl.col("co2_t") / 1e6).round(1)).iter_rows())
    assert told == {
        "ceads_sector_fuel": 89.2, "ceads_city": 88.2, "carbonmonitor_city": 83.5, "carbonmonitor_province": 66.0,
        "official_intensity": 151.6,
    }  # fmt: skip
    assert steps(found, "ceads_sector_fuel", "ceads_city")["vintage"] == pytest.approx(88.16e6 - 89.18e6, abs=1e4)
    apart = found.sectors.filter(from_source="ceads_sector_fuel", to_source="carbonmonitor_city")["difference_co2_t"]
    assert abs(apart.sum()) < 6e6
    assert apart.abs().max() > 20e6, "totals within 6 Mt hide sectors that are 20 Mt apart"
    assert "cancel" in found.text("en")
