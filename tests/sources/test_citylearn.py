from __future__ import annotations

import datetime as dt
import gzip
from pathlib import Path

import polars as pl
import pytest

from citylab.catalog import declaration, load
from citylab.errors import DataError
from citylab.sources import citylearn

ID = "citylearn__hourly_home_load"
# Sums that the note beside the copy prints: kWh a year, and kWh per kW of panels (its "1.80 million" W/kW, and so on).
LOADS = (10_583, 9_354, 7_170, 10_793, 8_808)
YIELDS = (1803, 1356, 1455, 1222, 1517)


@pytest.fixture(scope="module")
def homes() -> pl.DataFrame:
    return load(ID).collect()


@pytest.fixture(scope="module")
def raw(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("citylearn")
    for packed in (mirror / "energy-citylearn-2022").glob("*.csv.gz"):
        (folder / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    return sorted(folder.iterdir())


def test_sums_of_load_and_generation_are_those_of_the_copys_note(homes: pl.DataFrame) -> None:
    sums = homes.group_by("home_id").agg(pl.col("load_kwh").sum(), pl.col("pv_yield_kwh_kw").sum()).sort("home_id")
    assert [round(x) for x in sums["load_kwh"]] == list(LOADS)
    assert [round(x) for x in sums["pv_yield_kwh_kw"]] == list(YIELDS)


def test_price_and_carbon_lie_in_the_notes_ranges(homes: pl.DataFrame) -> None:
    assert homes.select(pl.min("electricity_price_usd"), pl.max("electricity_price_usd").alias("b")).row(0) == (
        0.21,
        0.54,
    )
    assert homes.select(
        pl.min("grid_factor_kgco2_kwh").round(3), pl.max("grid_factor_kgco2_kwh").round(3).alias("b")
    ).row(0) == (0.070, 0.282)


def test_each_home_has_a_year_of_hours_from_the_order_of_rows(homes: pl.DataFrame) -> None:
    assert homes["home_id"].unique().sort().to_list() == [f"home_{i}" for i in range(1, 6)]
    for _, home in homes.group_by("home_id"):
        at = home.sort("datetime_place")["datetime_place"]
        assert (at[0], at[-1], at.n_unique()) == (dt.datetime(2016, 7, 31, 23), dt.datetime(2017, 7, 31, 22), 8760)
        assert at.diff().drop_nulls().unique().to_list() == [dt.timedelta(hours=1)]


def test_the_weather_price_and_carbon_are_shared(homes: pl.DataFrame) -> None:
    shared = ["electricity_price_usd", "grid_factor_kgco2_kwh", *citylearn.WEATHER.values()]
    assert homes.group_by("datetime_place").agg(pl.col(shared).n_unique()).select(shared).max().row(0) == (1,) * len(
        shared
    )


def test_no_column_knows_the_future(homes: pl.DataFrame) -> None:
    assert not [name for name in homes.columns if "predicted" in name]
    # Were a copy 6, 12 or 24 hours ahead left in under another name, two columns would agree after a shift.
    one = homes.filter(home_id="home_1").sort("datetime_place")
    for name in citylearn.WEATHER.values():
        others = [c for c in homes.columns if c not in ("home_id", "datetime_place", name)]
        assert not any(one[name].shift(-h).drop_nulls().equals(one[c].head(-h)) for c in others for h in (6, 12, 24))


def test_the_declaration_says_that_this_is_not_beijing_and_what_is_odd() -> None:
    said = {w.code: w.text.en for w in declaration(ID).warnings}
    assert "do not stand for homes of Beijing" in said["incomplete_coverage"]
    assert {"clock_unclear", "physically_odd", "unit_converted"} <= set(said)


def test_the_oddities_are_still_there(homes: pl.DataFrame) -> None:
    one = homes.filter(home_id="home_1")
    assert one["diffuse_irradiance_wm2"].max() == 1017
    assert (one["diffuse_irradiance_wm2"] > 700).sum() == 925
    day = one.group_by(pl.col("datetime_place").dt.offset_by("1h").dt.date()).agg(
        pl.col("pv_yield_kwh_kw").sum(), pl.col("diffuse_irradiance_wm2").sum()
    )
    assert day.select(pl.corr("pv_yield_kwh_kw", "diffuse_irradiance_wm2")).item() < 0.6
    assert one["temperature_c"].max() == 32.2


def test_the_order_of_the_files_is_no_matter(raw: list[Path], homes: pl.DataFrame) -> None:
    key = ["home_id", "datetime_place"]
    assert citylearn.parse_homes(raw[::-1]).collect().sort(key).equals(homes.sort(key))


def test_a_file_with_another_clock_is_refused(raw: list[Path], tmp_path: Path) -> None:
    lines = raw[0].read_text().splitlines(keepends=True)
    turned = tmp_path / raw[0].name
    turned.write_text("".join([lines[0], *lines[2:], lines[1]]))
    with pytest.raises(DataError, match="another clock"):
        citylearn.parse_homes([turned, *raw[1:]])
    turned.write_text("".join(lines[:-1]))
    with pytest.raises(DataError, match="8,759 rows"):
        citylearn.parse_homes([turned, *raw[1:]])
    warm = raw[0].read_text().replace(",0.0,0.0,0.0,", ",0.0,1.0,0.0,", 1)
    turned.write_text(warm)
    with pytest.raises(DataError, match="cooling_demand"):
        citylearn.parse_homes([turned, *raw[1:]])
