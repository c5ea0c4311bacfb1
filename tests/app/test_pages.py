"""The pages in a real browser: nothing from outside, nothing in the console, controls that act."""

from __future__ import annotations

import re
import urllib.request
from typing import Any

import pytest

from tests.app.conftest import READY_S, TEXT, until

pytestmark = pytest.mark.browser

MS = 1000.0
DRAWN = "body.ready"
LINE_DATA = """() => {
  for (const m of Bokeh.documents[0]._all_models.values())
    if (m.type === "ColumnDataSource" && m.name === "data" && m.data.low)
      return Array.from(m.data.y).slice(0, 400).join();
  return null;
}"""


def drawn(page: Any) -> None:
    page.wait_for_selector(DRAWN, timeout=READY_S * MS)


def text(page: Any, selector: str) -> str:
    return str(page.evaluate(TEXT, selector))


def first_number(page: Any, which: int) -> str:
    return page.locator(".number .value b").nth(which).inner_text()


def test_the_start_page_lists_the_dashboard_and_asks_nobody_outside(site, visit):
    seen = visit(site + "/?lang=zh")
    assert "北京的空气变干净了吗" in seen.page.inner_text("main")
    with seen.page.expect_navigation():
        seen.page.get_by_role("link", name="城市脉搏").click()
    drawn(seen.page)
    assert seen.page.evaluate("document.documentElement.lang") == "zh"
    seen.assert_clean()


def test_a_control_changes_data_picture_numbers_and_address_and_a_reload_restores_them(site, visit):
    seen = visit(site + "/city_pulse?lang=en")
    page = seen.page
    drawn(page)
    canvas = page.locator(".bk-Figure, .bk-Canvas").first
    data, picture, number = page.evaluate(LINE_DATA), canvas.screenshot(), first_number(page, 1)
    page.get_by_role("button", name="2014", exact=True).click()
    until(page, lambda: page.evaluate(LINE_DATA) not in (None, data), "new data of the line")
    until(page, lambda: first_number(page, 1) != number, "a new big number")
    until(page, lambda: canvas.screenshot() != picture, "a new picture")
    until(page, lambda: "start=2014-01-01&end=2014-12-31" in page.url, "the period in the address")
    shown = first_number(page, 1)
    page.reload()
    drawn(page)
    until(page, lambda: first_number(page, 1) == shown, "the same number after a reload")
    seen.assert_clean()


def test_another_pollutant_is_drawn_anew(site, visit):
    seen = visit(site + "/city_pulse?lang=en")
    page = seen.page
    drawn(page)
    page.get_by_label("Pollutant").select_option(label="CO (mg/m³)")
    until(page, lambda: "CO by day, city" in text(page, "main"), "the new title")
    until(page, lambda: "pollutant=co_mgm3" in page.url, "the pollutant in the address")
    seen.assert_clean()


def test_the_language_switch_changes_every_text_and_keeps_the_choices(site, visit):
    seen = visit(site + "/city_pulse?lang=en&district=110108")
    page = seen.page
    drawn(page)
    page.get_by_role("button", name="中文").click()
    until(page, lambda: "lang=zh&" in page.url + "&", "the language in the address")
    until(page, lambda: "本页不能说明什么" in text(page, "main"), "Chinese text")
    assert page.evaluate("document.documentElement.lang") == "zh"
    assert page.locator("header h1").inner_text() == "城市脉搏"
    assert "district=110108" in page.url
    until(page, lambda: "万吨" in text(page, "section[aria-label=numbers]"), "万吨")
    english = re.compile(r"What this page cannot show|Pollutant|Whole city|Download")
    until(page, lambda: not english.search(text(page, "body")), "a page without English labels")
    seen.assert_clean()


def test_each_view_of_a_picture_can_be_opened_and_its_table_downloaded(site, visit):
    seen = visit(site + "/city_pulse?lang=en")
    page = seen.page
    drawn(page)
    for i in range(page.get_by_role("button", name="Table").count()):
        page.get_by_role("button", name="Table").nth(i).click()
    until(page, lambda: page.locator(".tabulator-row").count() > 10, "rows of the tables")
    page.get_by_role("button", name="Download").first.click()
    with page.expect_download() as download:
        page.get_by_text("Download CSV").click()
    with open(download.value.path(), encoding="utf-8-sig") as lines:
        assert next(lines).strip() == "date_local,pm25_ugm3,pm25_ugm3_min,pm25_ugm3_max,station_count"
        assert sum(1 for _ in lines) == 1461
    seen.assert_clean()


def test_a_click_on_the_map_points_out_the_district(site, visit):
    seen = visit(site + "/city_pulse?lang=en", viewport={"width": 1440, "height": 1200})
    page = seen.page
    drawn(page)
    page.wait_for_selector(".deckgl canvas")

    def click_huairou() -> bool:
        box = page.locator(".deckgl canvas").bounding_box()
        # its south, well inside the district at the map's fixed view; a map still being drawn hears nothing
        x, y = box["x"] + box["width"] * 0.55, box["y"] + box["height"] * 0.42
        page.mouse.move(x - 3, y)
        page.mouse.move(x, y)
        page.wait_for_timeout(400)
        page.mouse.click(x, y, delay=60)
        page.wait_for_timeout(1500)
        return "district=1101" in page.url

    until(page, click_huairou, "a district in the address")
    until(page, lambda: "mean of its stations" in text(page, "section[aria-label=numbers]"), "the district's number")
    seen.assert_clean()


def test_a_link_that_cannot_be_gets_a_sentence_and_a_working_page(site, visit):
    seen = visit(site + "/city_pulse?lang=en&pollutant=gold&start=2017-01-01&end=2014-01-01")
    page = seen.page
    drawn(page)
    said = page.locator(".message").inner_text()
    assert "pollutant=gold" in said
    assert "exchange the two" in said
    seen.assert_clean()


@pytest.mark.parametrize("width", [390, 720, 1440])
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_no_width_makes_the_page_scroll_sideways(site, visit, width, lang):
    seen = visit(f"{site}/city_pulse?lang={lang}", viewport={"width": width, "height": 844})
    drawn(seen.page)
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    seen.assert_clean()


def test_the_tab_key_reaches_language_controls_and_pictures_in_reading_order(site, visit):
    seen = visit(site + "/city_pulse?lang=en")
    page = seen.page
    drawn(page)
    deepest = """() => { let e = document.activeElement;
      while (e.shadowRoot && e.shadowRoot.activeElement) e = e.shadowRoot.activeElement;
      return (e.innerText || e.className || e.tagName).slice(0, 40); }"""
    order = []
    for _ in range(24):
        page.keyboard.press("Tab")
        order.append(page.evaluate(deepest).strip())
    stops = [next(i for i, text in enumerate(order) if text.startswith(name)) for name in ("English", "Share", "Reset")]
    assert stops == sorted(stops)
    assert any("noUi-handle" in text for text in order)
    assert order.index("Table") > stops[-1]


def handshake(site: str, origin: str) -> int:
    """Return the status with which a page of some origin is answered when it asks for a websocket."""
    import base64
    import http.client
    from urllib.parse import urlsplit

    from bokeh.util.token import generate_jwt_token, generate_session_id

    token = generate_jwt_token(generate_session_id(signed=False), signed=False)
    asked = http.client.HTTPConnection(urlsplit(site).netloc, timeout=120)
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
        "Sec-WebSocket-Protocol": f"bokeh, {token}",
        "Origin": origin,
    }
    asked.request("GET", "/city_pulse/ws", headers=headers)
    status = asked.getresponse().status
    asked.close()
    return status


def test_pages_of_this_machine_get_a_websocket_and_foreign_ones_do_not(site):
    assert handshake(site, site) == 101
    assert handshake(site, site.replace("127.0.0.1", "localhost")) == 101
    assert handshake(site, "http://example.org") == 403


def test_the_server_says_that_it_lives(site):
    with urllib.request.urlopen(site + "/liveness", timeout=120) as answer:
        assert answer.status == 200
