from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import polars as pl
import pytest

import citylab as cl
from citylab import settings
from citylab.viz import tables
from tests.app.conftest import READY_S, TEXT, until

MS = 1000.0
DRAWN = """() => {
  const found = [...Bokeh.documents[0]._all_models.values()].filter(m => m.type === "ColumnDataSource");
  return JSON.stringify(found.filter(m => m.name === "data").map(m => Object.values(m.data)).sort());
}"""
"""What the pictures of the page draw."""


@pytest.fixture(scope="module")
def page(load_page: Callable[[str], ModuleType]) -> ModuleType:
    return load_page("digital_divide")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The page as it is on a machine that has the embedded data only."""
    patch = pytest.MonkeyPatch()
    patch.setenv("CITYLAB_CACHE", str(tmp_path_factory.mktemp("cache")))
    patch.setenv("CITYLAB_OFFLINE", "1")
    patch.delenv("CITYLAB_MIRROR", raising=False)
    name = "divide_without_outlines"
    spec = importlib.util.spec_from_file_location(name, settings.dashboards_dir() / "digital_divide.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        patch.undo()
    yield module
    del sys.modules[name]


@pytest.fixture
def state(page):
    return page.State(lang="en")


def picture(page: ModuleType, state: Any, key: str) -> Any:
    return next(p for p in page.pictures(state) if p.key == key)


def each(page: ModuleType, lang: str = "en"):
    """Return a state for each outcome of each table."""
    return [page.State(data=d, outcome=o, lang=lang) for d, s in page.STUDIES.items() for o in s.outcomes]


# numbers


def test_the_first_number_is_the_measure_of_the_places_that_have_all_that_is_needed(page, state):
    # 178 countries of 2022 have internet use, GDP and people
    use = cl.load(page.COUNTRIES).filter(year=2022).collect().drop_nulls("internet_use_itu_pct")
    money = cl.load(page.GDP).filter(year=2022).collect().drop_nulls(["gdp_usd", "population_persons"])
    n = use.join(money, on="country_code").height
    (row,) = state.measures().filter(measure="gini").to_dicts()
    assert (row["n"], row["vintage"]) == (n, "2022")
    assert row["lower"] < row["value"] < row["upper"]
    assert f"n = {n} countries; 2022" in page.big_numbers(state, "en")[0].detail


def test_every_choice_has_four_numbers_with_a_detail_and_both_languages_show_the_same_digits(page):
    for state in each(page):
        zh, en = (page.big_numbers(state, lang) for lang in ("zh", "en"))
        assert len(zh) == len(en) == 4
        assert all(c.label and c.value and c.detail for c in (*zh, *en))
        digits = [[sorted(re.findall("[0-9]+", f"{c.value} {c.detail}")) for c in cards] for cards in (zh, en)]
        assert digits[0] == digits[1], state.data


def test_every_picture_of_every_table_is_drawn_and_has_its_table_and_its_note(page):
    for i, data in enumerate(page.STUDIES):
        state = page.State(data=data, lang=("zh", "en")[i % 2])
        for p in page.pictures(state):
            assert p.draw().html_attributes["aria-label"], (state.data, p.key)
            assert p.title(state.lang)
            empty = p.table().is_empty()
            # a table is empty only where nothing is published, and the picture or its note then says so
            assert not empty or (state.data, p.key) in {("cnnic", "measures")} or p.key == "trend", (state.data, p.key)


def test_no_number_and_no_picture_of_places_is_without_interval_n_and_period(page):
    for state in each(page):
        if not state.has_places:
            continue
        cards = page.big_numbers(state, "en")
        for card in cards[:3]:
            assert re.search(r"95% interval [−0-9]", card.detail), (state.data, card)
            assert "n = " in card.detail
        assert state.of("when") in cards[0].detail
        assert state.of("when") in cards[2].detail
        for key in ("measures", "parts", "why"):
            for lang in ("zh", "en"):
                note = picture(page, state, key).note(lang)
                assert "n = " in note, (state.data, key)
                assert state.of("when") in note, (state.data, key)


def test_what_lies_between_groups_is_told_with_the_interval_of_that_part(page, state):
    row = state.parts().filter(measure="theil_t", component="between").row(0, named=True)
    assert row["lower"] < row["contribution"] < row["upper"]
    card = page.big_numbers(state, "en")[2]
    said = page.numbers.figures
    assert f"between: {said(row['contribution'])} (95% interval {said(row['lower'])} to {said(row['upper'])})" in (
        card.detail
    )


def test_a_chinese_table_has_chinese_heads(page):
    for data in page.STUDIES:
        state = page.State(data=data, lang="zh")
        for p in page.pictures(state):
            heads = tables.heads(tables.pretty(p.table(), "zh"), "zh")
            assert all(re.search("[\u4e00-\u9fff]", h) for h in heads.values()), (data, p.key, heads)
            assert not any("(by " in h for h in heads.values()), (data, p.key, heads)


def test_the_code_in_the_footer_computes_the_first_number(page):
    for state in each(page):
        found: dict[str, Any] = {}
        exec(page.code(state), found)
        if state.has_places:
            row = state.measures().filter(measure=state.of("measure")).row(0, named=True)
            assert found["told"]["value"].item() == pytest.approx(row["value"], rel=1e-12), state.data
            assert found["told"]["n"].item() == row["n"]


def test_a_measure_along_the_rank_changes_curve_number_and_code(page, state):
    before = state.curve()
    state.measure = "concentration"
    assert not state.curve().equals(before)
    found: dict[str, Any] = {}
    exec(page.code(state), found)
    assert page.numbers.figures(found["told"]["value"].item()) == page.big_numbers(state, "en")[0].value
    # users are concentrated in the countries that are better off
    assert found["told"]["value"].item() > 0


def test_the_parts_of_a_generalised_entropy_add_up_to_the_index(page):
    for state in each(page):
        if not state.has_places:
            continue
        for by in state.study.groupings:
            state.by = by
            rows = state.parts().filter(measure="theil_t")
            total = rows.filter(pl.col("component") != "group")
            parts = dict(total.select("component", "contribution").iter_rows())
            assert parts["within"] + parts["between"] == pytest.approx(parts["total"], rel=1e-9)
            whole = state.measures().filter(measure="theil_t").row(0, named=True)
            n = rows.filter(component="total")["n"].item()
            assert n <= whole["n"]
            # a few places have no group and are left out, which n says
            assert n < whole["n"] or whole["value"] == pytest.approx(parts["total"], rel=1e-9)


@pytest.mark.parametrize("by", ["income", "age", "schooling"])
def test_a_fifth_holds_a_fifth_of_the_people_to_the_size_of_a_county_and_orders_them(page, by):
    rows = page.STUDIES["acs"].rows("")
    column = {"income": page._US_RANK, "age": "age_65plus_pct", "schooling": "no_high_school_pct"}[by]
    people = pl.col("population_persons")
    everybody = rows["population_persons"].sum()
    own = rows.drop_nulls(column).group_by(by)
    told = own.agg(share=people.sum() / everybody, low=pl.col(column).min(), high=pl.col(column).max()).sort(by)
    assert told[by].to_list() == list(page.FIFTHS)
    largest = float(rows["population_persons"].max() / rows["population_persons"].sum())
    assert all(abs(share - 0.2) <= 2 * largest for share in told["share"])
    assert all(a < b for a, b in zip(told["high"][:-1], told["low"][1:], strict=True))


def test_no_index_is_made_of_published_totals(page):
    state = page.State(data="cnnic", lang="en")
    cards = page.big_numbers(state, "en")
    assert cards[0].value == cards[2].value == "–"
    assert "no index" in cards[0].detail
    # CNNIC 47, December 2020: 55.9 % in the country, 79.8 % in towns
    assert (cards[1].value, cards[1].unit) == ("55.9 ↔ 79.8", "%")
    assert cards[1].detail.count("2020-12") == 2


# change


def test_a_table_of_one_period_gives_no_verdict(page):
    for data in ("acs", "beijing"):
        state = page.State(data=data, lang="en")
        assert state.course().verdicts == ()
        assert page.big_numbers(state, "en")[3].value == "–"
        assert "nothing can be said of change" in picture(page, state, "trend").draw().html_attributes["aria-label"]


def test_the_jump_of_china_is_a_break_and_takes_no_part_in_the_verdict(page, state):
    course = state.course()
    assert course.breaks == (2023,)
    assert "CHN" in course.order
    assert course.table["n_times"].unique().to_list() == [2023 - 2005 + 1]
    fifths = course.lines.filter(pl.col("group") != "CHN")
    ends = fifths.filter(pl.col("when") == 2023).sort("group")["value"]
    absolute = course.table.filter(measure="absolute").row(0, named=True)
    assert absolute["last_gap"] == pytest.approx(ends[1] - ends[0], rel=1e-9)
    assert state.param["outcome"].default == "internet_use_itu_pct"
    state.outcome = "mobile_subscriptions_per_100"
    assert state.course().breaks == ()


def test_a_change_of_cnnic_is_told_since_its_base_moved_with_what_the_printed_digits_bear(page):
    course = page.State(data="cnnic", lang="en").course()
    # 73.0 - 57.6 = 15.4 in December 2021, 77.5 - 66.5 = 11.0 two years on; each figure is off by 0.05 at the most.
    # December 2020 (70.4 and 55.9) stands before the break and is in no difference.
    row = course.table.filter(measure="absolute").row(0, named=True)
    assert (row["first_gap"], row["last_gap"]) == pytest.approx((15.4, 11.0))
    assert (row["lower"], row["upper"]) == pytest.approx((-4.6, -4.2))
    assert course.verdict == "narrowing"
    card = page.big_numbers(page.State(data="cnnic"), "en")[3]
    assert card.value == "narrowing (as printed)"
    assert card.detail.startswith("2021-12 – 2023-12;")
    assert "rounding only" in card.detail


# space


def test_a_cold_spot_lies_below_the_mean_with_its_neighbours_and_the_island_has_a_declared_link(page):
    state = page.State(data="census", lang="en")
    spots = page._spots(*state.what)
    assert spots.local.height == 31
    assert spots.local.filter(place="460000")["n_neighbours"].item() == 1  # Hainan, to Guangdong
    mean = spots.local["value"].mean()
    cold = spots.local.filter(cluster="cold_spot")
    assert (cold["value"] < mean).all()
    assert (cold["lag"] < mean).all()
    assert (cold["p_adjusted"] <= cold["alpha"]).all()


@pytest.mark.parametrize(("data", "is_drawn"), [("census", False), ("countries", False), ("beijing", True)])
def test_outlines_that_may_not_be_published_are_not_drawn(page, data, is_drawn):
    state = page.State(data=data, lang="en")
    plot = picture(page, state, "map").draw()
    assert ("xs" in plot.select_one({"name": "data"}).data) == is_drawn
    assert re.search("publish|map rules", picture(page, state, "map").note("en"))


@pytest.mark.parametrize("data", ["acs", "microsoft", "eurostat", "cnnic"])
def test_places_without_outlines_get_a_table_and_no_word_of_clusters(page, data):
    state = page.State(data=data, lang="en")
    p = picture(page, state, "map")
    assert "no map" in p.title("en")
    assert re.search("do not come with citylab|National figures only", p.note("en") + str(p.draw().html_attributes))
    assert "cluster" not in p.table().columns
    assert p.table().height > 0


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_without_the_countries_outlines_the_page_works_and_says_size_and_command(bare, lang):
    # the outlines of countries are a remote set: a new clone without a network has the embedded sets only
    assert not bare.HAS_GLOBE
    assert bare.GLOBE not in bare.SOURCES
    state = bare.State(lang=lang)
    assert state.data == "countries"
    assert all(n.value and n.detail for n in bare.big_numbers(state, lang))
    for p in bare.pictures(state):
        assert p.draw().html_attributes["aria-label"]
        assert not p.table().is_empty()
    note = picture(bare, state, "map").note(lang)
    assert f"citylab fetch {bare.GLOBE}" in note
    assert re.search(r"0\.[0-9] MB", note)
    assert "citylab fetch" not in picture(bare, bare.State(data="acs", lang=lang), "map").note(lang)
    assert bare.build() is not None


# price, claims, and who is not counted


def test_the_villages_are_called_synthetic_and_more_money_never_reaches_fewer(page, state):
    for service in ("5g", "fibre"):
        state.service = service
        points = state.frontier()
        assert points["is_synthetic"].all()
        for _, own in points.group_by("objective"):
            assert own.sort("budget")["value"].diff().drop_nulls().min() >= -1e-6
        most = points.filter(objective="efficiency").sort("budget").row(-1, named=True)
        assert most["reached_share"] == pytest.approx(1.0)
    for lang, word in (("zh", "合成"), ("en", "synthetic")):
        assert word in picture(page, state, "frontier").title(lang)
        assert word in picture(page, state, "frontier").note(lang)


def test_claims_stand_as_claims_beside_figures_of_another_concept(page, state):
    p = picture(page, state, "claims")
    plot = p.draw()
    held = plot.select_one({"name": "data"}).data
    marks = dict(zip(held["value"], held["shape"], strict=True))
    assert {v for v, shape in marks.items() if shape == "diamond"} == {38, 45}
    assert {43.2, 52.0, 80.0, 90.0, 96.0} == {v for v, shape in marks.items() if shape != "diamond"}
    assert p.table()["definition_difference"].null_count() == 0
    # no claim is among the figures that are measured
    for s in each(page):
        if s.has_places:
            assert not {38.0, 45.0} & set(s.measures()["value"].drop_nulls())


def test_the_four_groups_always_have_a_row_at_each_level_and_one_cell_has_a_figure(page, state):
    cells = page._cells()
    assert cells["group"].unique().sort().to_list() == ["60+", "low_income", "under_18", "with_disability"]
    assert cells.height == 4 * 3
    known = cells.drop_nulls("internet_use_60plus_pct")
    assert known.select("group", "level", "internet_use_60plus_pct").rows() == [
        ("60+", "use", 52.0)
    ]  # CNNIC 56, June 2025
    for lang, word in (("zh", "无数据"), ("en", "no data")):
        state.lang = lang
        assert picture(page, state, "counted").table()["internet_use_60plus_pct"].to_list().count(word) == 11


# choices


def test_choosing_a_table_brings_what_it_has_and_is_one_choice_to_take_back(page, state):
    state.choose("census")
    assert state.what == ("census", "schooling_6plus_years", "2020")
    assert page.message(state, "en") == ""
    assert state.undo()
    assert state.what == ("countries", "internet_use_itu_pct", "2022")
    assert not state.can_undo


def test_a_link_to_a_table_alone_says_nothing_and_one_that_asks_for_what_it_lacks_does(page):
    assert page.message(page.State(data="eurostat"), "en") == ""
    told = page.message(page.State(data="eurostat", when="2020-10"), "en")
    assert "period" in told
    assert "时期" in page.message(page.State(data="eurostat", when="2020-10"), "zh")


def test_the_mean_log_deviation_is_not_offered_where_a_value_is_nought(page):
    # in 2019 there are counties in which no provider reports a home that it could serve
    state = page.State(data="microsoft", outcome="broadband_available_share", when="2019-11", lang="en")
    assert state.measures()["value"].null_count() == 0
    assert "mld" not in state.options("measure")
    assert "mld" in page.State(data="microsoft").options("measure")


def test_every_data_set_that_is_read_is_in_the_footer(page):
    named = set(
        re.findall(r'"([a-z]+__[a-z_0-9]+)"', (settings.dashboards_dir() / "digital_divide.py").read_text("utf-8"))
    )
    assert named <= set(page.SOURCES)
    assert page.city.DISTRICTS in page.SOURCES


def test_the_page_builds(page):
    assert page.build() is not None


# in a browser


@pytest.mark.browser
def test_a_reader_chooses_a_table_and_what_it_offers_follows(site, visit):
    seen = visit(site + "/digital_divide?lang=en")
    window = seen.page
    window.wait_for_selector("body.ready", timeout=READY_S * MS)
    first = window.locator(".number .value b").first.inner_text()
    window.get_by_label("Data", exact=True).select_option("Counties of China: schooling and literacy (census)")
    until(
        window, lambda: "data=census" in window.url and "by=province" in window.url, "table and groups in the address"
    )
    until(window, lambda: window.locator(".number .value b").first.inner_text() != first, "another number")
    until(window, lambda: "cold spots are: Schooling" in window.evaluate(TEXT, "main"), "the map's title")
    options = window.get_by_label("Groups compared").locator("option").all_inner_texts()
    assert options == ["province", "fifths by urban share", "fifths by age", "district or county"]
    window.get_by_role("button", name="Undo").click()
    until(window, lambda: "data=countries" in window.url, "the table before")
    until(window, lambda: window.locator(".number .value b").first.inner_text() == first, "the number before")
    window.get_by_role("button", name="Table").first.click()
    until(window, lambda: window.locator(".tabulator-row").count() > 10, "rows of the table")
    window.get_by_role("button", name="中文").click()
    until(window, lambda: "本页不能说明什么" in window.evaluate(TEXT, "main"), "Chinese text")
    english = re.compile(r"What this page cannot show|Measure of inequality|Groups compared|no data|Is the gap")
    until(window, lambda: not english.search(window.evaluate(TEXT, "body")), "a page without English labels")
    seen.assert_clean()


@pytest.mark.browser
def test_a_phone_needs_no_sideways_scrolling_and_the_keyboard_is_enough(site, visit):
    seen = visit(site + "/digital_divide?lang=zh&data=census", viewport={"width": 390, "height": 844})
    window = seen.page
    window.wait_for_selector("body.ready", timeout=READY_S * MS)
    assert window.evaluate("document.documentElement.scrollWidth") <= 390
    before = window.evaluate(DRAWN)
    window.get_by_label("比较哪些组").focus()
    window.keyboard.press("ArrowDown")
    until(window, lambda: "by=urban" in window.url, "the next grouping by the arrow key")
    until(window, lambda: window.evaluate(DRAWN) != before, "another picture")
    window.get_by_label("什么", exact=True).focus()
    window.keyboard.press("ArrowDown")
    until(window, lambda: "outcome=illiterate_15plus_pct" in window.url, "the next outcome by the arrow key")
    until(window, lambda: "文盲率" in window.evaluate(TEXT, "main"), "what is shown now")
    seen.assert_clean()
