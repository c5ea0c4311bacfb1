from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest

from citylab import catalog, settings
from tests.app.conftest import READY_S, TEXT, until

LOUD = pytest.mark.filterwarnings("ignore::citylab.errors.UsageWarning")  # the page says what they warn of
MS = 1000.0
FACTORS = """() => {
  for (const m of Bokeh.documents[0]._all_models.values())
    if (m.type === "ColumnDataSource" && m.name === "factors") return Array.from(m.data.ring).join();
  return null;
}"""
BARS = """() => {
  for (const m of Bokeh.documents[0]._all_models.values())
    if (m.type === "ColumnDataSource" && m.name === "bars" && m.data.edge) return Array.from(m.data.text).join();
  return null;
}"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The page as it is on a machine that has the embedded data only."""
    patch = pytest.MonkeyPatch()
    patch.setenv("CITYLAB_CACHE", str(tmp_path_factory.mktemp("cache")))
    patch.delenv("CITYLAB_MIRROR", raising=False)
    name = "carbon_without_accounts"
    spec = importlib.util.spec_from_file_location(name, settings.dashboards_dir() / "carbon.py")
    assert spec is not None
    assert spec.loader is not None
    page = importlib.util.module_from_spec(spec)
    sys.modules[name] = page
    try:
        spec.loader.exec_module(page)
    finally:
        patch.undo()
    yield page
    del sys.modules[name]


@pytest.fixture(scope="module")
def full(mirror: Path, load_page: Callable[[str], ModuleType]) -> ModuleType:
    """The page where CEADs can be had."""
    return load_page("carbon")


@pytest.fixture
def state(bare):
    return bare.State(lang="en")


# --- sources ----------------------------------------------------------------------------------------------------------


@LOUD
def test_the_first_number_is_the_span_of_the_sources_that_count_what_is_emitted_inside(bare, state):
    # both added up from the embedded tables
    city = catalog.load("carbonmonitor__yearly_city_co2", where={"city_locode": "CN BJS", "year": 2020}).collect()
    three = catalog.load("carbonmonitor__monthly_province_co2", where={"province_name_en": "Beijing"}).collect()
    three = three.filter(pl.col("month_start").dt.year() == 2020)
    ends = sorted(v["co2_t"].sum() / 1e6 for v in (city, three))
    assert bare.big_numbers(state, "en")[0].value == f"{ends[0]:.1f} to {ends[1]:.1f}"


def test_a_source_with_purchases_never_stands_in_the_span_of_those_without(state):
    assert "official_intensity" not in state.scope1()["source_id"].to_list()
    official = state.sources().filter(source_id="official_intensity").row(0, named=True)
    # 0.41 and 0.42 t per 10,000 CNY times 36,102.6 亿元
    assert official["co2_low_t"] == pytest.approx(0.41 * 36_102.6e4)
    assert official["co2_high_t"] == pytest.approx(0.42 * 36_102.6e4)


def test_without_the_accounts_the_page_says_size_and_command_and_works(bare, state):
    assert not bare.HAS_ACCOUNTS
    row = state.sources().filter(source_id="ceads_sector_fuel").row(0, named=True)
    assert row["co2_t"] is None
    for lang in ("zh", "en"):
        assert "citylab fetch ceads__yearly_sector_fuel_co2" in bare.cannot_show(state, lang)
        assert re.search(r"\d\.\d MB", bare.cannot_show(state, lang))
    assert "ceads__yearly_sector_fuel_co2" not in bare.SOURCES


def test_the_table_behind_the_sources_walks_from_each_to_each_and_adds_up(bare, state):
    for _, walk in state.walk().group_by("from_source", "to_source"):
        steps = dict(walk.select("step", "co2_t").iter_rows())
        between = sum(v or 0 for k, v in steps.items() if k not in ("start", "end"))
        assert steps["start"] + between == pytest.approx(steps["end"])
    assert bare._walks(state).height == state.walk().height


# --- districts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("proxy", ["population", "gdp"])
@pytest.mark.parametrize("sector", ["all", "industry", "ground_transport"])
def test_districts_and_what_cannot_be_allocated_add_up_to_the_total(state, proxy, sector):
    state.param.update(proxy=proxy, sector=sector)
    total, _ = state.map_total()
    rows = state.districts()
    assert rows.height == 16
    assert rows["allocated_co2_t"].sum() + state.unallocated() == pytest.approx(total, rel=1e-9)
    assert rows["is_modelled"].all()
    known = rows.drop_nulls("allocated_co2_t")
    assert (known["allocated_lower_co2_t"] <= known["allocated_co2_t"]).all()
    assert (known["allocated_co2_t"] <= known["allocated_upper_co2_t"]).all()


def test_a_district_without_published_gdp_gets_no_number(state):
    state.proxy = "gdp"
    lost = state.districts().filter(pl.col("allocated_co2_t").is_null())["district_name_en"].to_list()
    assert sorted(lost) == ["Mentougou", "Miyun", "Yanqing"]


def test_power_plants_are_not_spread_and_the_page_says_why(bare, state):
    all_but_power, _ = state.map_total()
    by = bare._sources()[state.map_source].by_sector(2020)
    assert all_but_power == pytest.approx(by["industry"] + by["ground_transport"])
    state.sector = "power"
    assert state.districts()["allocated_co2_t"].null_count() == 16
    assert "few plants" in bare.message(state, "en")
    assert "电厂" in bare.message(state, "zh")
    for picture in bare.pictures(state):
        assert picture.draw() is not None


def test_the_map_spreads_only_totals_of_the_administrative_city(bare, state):
    assert state.source == "carbonmonitor_city"
    assert bare._sources()[state.map_source].boundary == "administrative"
    for lang in ("zh", "en"):
        (title,) = [p.title(lang) for p in bare.pictures(state) if p.key == "districts"]
        assert {"zh": "模型", "en": "modelled"}[lang] in title


# --- drivers, pulse, factors ------------------------------------------------------------------------------------------


def test_the_drivers_of_every_case_add_up_without_residual(bare, state):
    for case in bare.CASES:
        state.case = case
        rows = state.steps()
        assert rows.filter(kind="residual")["co2_t"].item() == 0
        change, first, last = state.change()
        assert rows.filter(kind="step")["co2_t"].sum() == pytest.approx(change, rel=1e-9)
        assert rows["label"][0] == str(first)
        assert rows["label"][-1] == str(last)


@LOUD
def test_no_day_of_beijing_is_called_observed_and_its_days_add_up_to_its_months(state):
    days = state.days()
    assert days["is_modelled"].all()
    told = catalog.load("carbonmonitor__monthly_province_co2", where={"province_name_en": "Beijing"}).collect()
    month = days["month_start"].max()
    assert days.filter(month_start=month)["co2_t"].sum() == pytest.approx(
        told.filter(month_start=month)["co2_t"].sum(), rel=1e-9
    )


def test_the_nowcast_is_the_countrys_knows_nothing_after_its_day_and_has_an_interval(bare, state):
    state.param.update(days_of="country", as_of="2020-01-20")
    days = state.days()
    ahead = days.filter("is_forecast")
    assert ahead.height == bare.DAYS_AHEAD
    assert str(ahead["date_local"].min()) == "2020-01-21"
    assert days.filter(~pl.col("is_forecast"))["date_local"].max() < ahead["date_local"].min()
    assert (ahead["co2_t_low"] < ahead["co2_t"]).all()
    assert (ahead["co2_t"] < ahead["co2_t_high"]).all()
    assert "not Beijing" in bare.big_numbers(state, "en")[1].detail


def test_scope_2_is_electricity_times_the_chosen_factor_and_says_when_it_is_of_another_year(bare, state):
    # 93.7 TWh in 2014 by Beijing's 0.5580 kg/kWh of 2022: 52.2846 Mt
    row = state.chosen_factor()
    assert (row["place"], row["year_from"], row["is_of_that_year"]) == ("北京", 2022, False)
    assert row["co2_t"] == pytest.approx(93.7e9 * 0.558 / 1e3)
    assert "not a factor of 2014" in bare.big_numbers(state, "en")[3].detail
    state.electricity_year = 2022
    assert "not a factor" not in bare.big_numbers(state, "en")[3].detail
    before = bare.big_numbers(state, "en")[3].value
    state.factor = next(k for k in bare.FACTOR_KEYS if k.startswith("ets-reporting") and k.endswith("2022"))
    assert bare.big_numbers(state, "en")[3].value != before


def test_two_factors_called_2022_are_two_rows(state):
    china = state.factors().filter(pl.col("place") == "中国", pl.col("year_from") == 2022)
    assert sorted(china["grid_factor_kgco2_kwh"].to_list()) == pytest.approx([0.5366, 0.5703])


# --- the whole page ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_choice_gives_four_numbers_with_a_detail_and_every_picture_a_table(bare, lang):
    for choices in (
        {}, {"year": 2019}, {"year": 2021, "source": "carbonmonitor_province"}, {"days_of": "country"},
        {"case": "country", "proxy": "gdp"}, {"district": "110105", "sector": "industry"}, {"sector": "agriculture"},
    ):  # fmt: skip
        state = bare.State(lang=lang, **choices)
        cards = bare.big_numbers(state, lang)
        assert len(cards) == 4
        assert all(c.label and c.value and c.detail for c in cards)
        for picture in bare.pictures(state):
            assert picture.draw() is not None
            assert picture.table().height > 0
            assert picture.title(lang)
            assert picture.note(lang)


def test_no_english_is_left_on_the_chinese_page(bare):
    state = bare.State(lang="zh")
    said = " ".join(c.label + c.unit + c.detail for c in bare.big_numbers(state, "zh"))
    said += " ".join(p.title("zh") + re.sub(r"<[^>]+>", " ", p.note("zh")) for p in bare.pictures(state))
    said = re.sub(r"citylab fetch \S+|Carbon Monitor|CEADs|CO2|GDP|LMDI-I|Kaya|MB|kg/kWh", "", said)
    assert not re.search(r"[A-Za-z]{3,}", said), re.findall(r"[A-Za-z]{3,}", said)


@LOUD
@pytest.mark.parametrize("choice", [{}, {"proxy": "gdp", "sector": "industry", "year": 2019, "as_of": "2020-09-20"}])
def test_the_code_in_the_footer_computes_the_numbers(bare, choice):
    state = bare.State(lang="en", **choice)
    found: dict[str, Any] = {}
    exec(bare.code(state), found)
    assert sorted(found["scope1"].to_list()) == pytest.approx(state.scope1()["co2_t"].to_list())
    assert found["scope2"] == pytest.approx(state.chosen_factor()["co2_t"])
    assert found["effects"]["effect"].sum() == pytest.approx(state.change()[0])
    known = state.districts().drop_nulls("allocated_co2_t")
    assert found["districts"]["allocated_co2_t"].sum() == pytest.approx(known["allocated_co2_t"].sum())
    assert found["city_days"].filter(pl.col("date_local") >= state.days()["date_local"].min())[
        "co2_t"
    ].sum() == pytest.approx(state.days()["co2_t"].sum())


def test_a_click_on_a_district_chooses_it_and_another_click_lets_it_go(bare, state):
    (districts,) = [p for p in bare.pictures(state) if p.key == "districts"]
    districts.on_click(116.6, 40.0)  # the east of Chaoyang
    assert state.district == "110105"
    districts.on_click(116.6, 40.0)
    assert state.district == ""
    districts.on_row({"district_name_en": "Haidian"})
    assert state.district == "110108"


def test_with_the_accounts_the_page_tells_fuels_apart_and_two_decades(full):
    state = full.State(lang="en", source="ceads_sector_fuel", case="accounts", year=2019)
    # 1997 and 2019 as the publisher prints them [Mt]
    assert state.change()[0] / 1e6 == pytest.approx(89.184484 - 61.918078, abs=1e-5)
    assert state.steps().filter(kind="residual")["co2_t"].item() == 0
    assert set(state.flows()["fuel_group"]) >= {"coal", "oil", "gas"}
    assert state.flows()["co2_t"].sum() / 1e6 == pytest.approx(89.184484, abs=1e-5)
    assert full.ACCOUNTS in full.SOURCES
    for picture in full.pictures(state):
        assert picture.draw() is not None


# --- in a browser -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bare_site(serve_folder: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server of this page that has the embedded data only."""
    folder = tmp_path_factory.mktemp("dashboards")
    shutil.copy(settings.dashboards_dir() / "carbon.py", folder)
    with serve_folder(folder, CITYLAB_CACHE=str(tmp_path_factory.mktemp("cache")), CITYLAB_MIRROR="") as address:
        yield address


@pytest.mark.browser
def test_a_reader_changes_factor_case_and_language_and_the_link_holds_them(bare_site, visit):
    seen = visit(bare_site + "/carbon?lang=en", viewport={"width": 1440, "height": 900})
    page = seen.page
    page.wait_for_selector("body.ready", timeout=READY_S * MS)
    until(page, lambda: page.evaluate(FACTORS) is not None, "the factors")
    ring, bars = page.evaluate(FACTORS), page.evaluate(BARS)
    number = page.locator(".number .value b").last.inner_text()

    page.get_by_label("Electricity factor", exact=True).select_option(label="China 2022 · ETS reporting")
    until(page, lambda: page.evaluate(FACTORS) != ring, "another ring")
    until(page, lambda: page.locator(".number .value b").last.inner_text() != number, "another scope 2")
    until(page, lambda: "factor=ets-reporting" in page.url, "the factor in the address")

    page.get_by_label("Drivers", exact=True).select_option(label="China")
    until(page, lambda: page.evaluate(BARS) != bars, "another waterfall")
    until(page, lambda: "What drove the change: China" in page.evaluate(TEXT, "main"), "its title")

    page.get_by_role("button", name="中文").click()
    until(page, lambda: "本页不能说明什么" in page.evaluate(TEXT, "main"), "Chinese text")
    english = re.compile(
        r"What this page cannot show|Sources side by side|Electricity factor|modelled|Whole city|Download"
    )
    # Labels of controls follow the pictures.
    until(page, lambda: not english.search(page.evaluate(TEXT, "body")), "a page without English labels")
    shown = page.locator(".number .value b").last.inner_text()
    page.reload()
    page.wait_for_selector("body.ready", timeout=READY_S * MS)
    until(page, lambda: page.locator(".number .value b").last.inner_text() == shown, "the same number after a reload")
    assert "case=country" in page.url
    seen.assert_clean()


@pytest.mark.browser
def test_the_controls_answer_to_the_keyboard_and_a_phone_needs_no_sideways_scrolling(bare_site, visit):
    seen = visit(bare_site + "/carbon?lang=en", viewport={"width": 390, "height": 844})
    page = seen.page
    page.wait_for_selector("body.ready", timeout=READY_S * MS)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_label("District to point out", exact=True).focus()
    page.keyboard.press("ArrowDown")
    until(page, lambda: "district=110101" in page.url, "the first district by the arrow key")
    page.get_by_label("Year", exact=True).focus()
    page.keyboard.press("ArrowDown")
    until(page, lambda: "year=2019" in page.url, "the year before by the arrow key")
    seen.assert_clean()
