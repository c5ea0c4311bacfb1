"""What a reader of a dashboard waits for: the page on a warm server, and a control that was moved.

Seconds are those of the browser's own clock. New data count when a Bokeh source of the page holds as many days as
the chosen period has; the chart is drawn two frames later. The map, which software WebGL redraws, is not waited for.
"""

from __future__ import annotations

import calendar
import os
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks.measure import RUNS, Row, Skipped
from citylab import lab

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PAGE = "city_pulse"
"""Page whose controls are moved."""
PAGES = (PAGE, "air", "carbon", "carbon_inclusive", "plan_tracker", "digital_divide", "policy_sandbox")
YEARS = (2014, 2016, 2015, 2016)
"""Buttons of the page in the order of pressing; no two neighbours have equally many days."""
ROUNDS = 3
PAINT_BUDGET_S = 2.0
CONTROL_BUDGET_S = 0.3
WAIT_MS = 20_000
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
STAY_HERE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"

_FIND = """
const deep = (root, found = []) => {
  for (const node of root.querySelectorAll("*")) {
    if (node.tagName === "CANVAS") found.push(node);
    if (node.shadowRoot) deep(node.shadowRoot, found);
  }
  return found;
};
"""
_DRAWN = f"""() => {{
  {_FIND}
  const inked = c => {{
    const pen = c.width && c.height ? c.getContext("2d") : null;
    return pen !== null && pen.getImageData(0, 0, c.width, c.height).data.some((v, i) => i % 4 === 3 && v > 0);
  }};
  return deep(document).some(inked) ? performance.now() : false;
}}"""
_FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
# Answers when a source of the page holds the wanted number of days, and when the frame after the next was shown.
_PRESS = """(button, days) => new Promise((done, failed) => {
  const sources = Bokeh.documents.flatMap(d => [...d._all_models.values()]).filter(m => m.type === "ColumnDataSource");
  const slots = sources.map(source => [source.properties.data.change, () => look(source)]);
  const end = () => slots.forEach(([signal, slot]) => signal.disconnect(slot));
  const late = setTimeout(() => { end(); failed(new Error(`no source came to hold ${days} days`)); }, WAIT);
  let start;
  const look = source => {
    if (source.get_length() !== days) return;
    const data = performance.now() - start;
    end();
    clearTimeout(late);
    requestAnimationFrame(() => requestAnimationFrame(() => done([data, performance.now() - start])));
  };
  slots.forEach(([signal, slot]) => signal.connect(slot));
  start = performance.now();
  button.click();
})""".replace("WAIT", str(WAIT_MS))


@contextmanager
def warm_server() -> Iterator[str]:
    """Serve the dashboards on a free port of 127.0.0.1; errors that the server logs meanwhile void the measurement."""
    port = lab.free_port()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        process = subprocess.Popen(
            lab.dashboards_command(port), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log
        )
        try:
            if not lab.wait_for(process, port, "/liveness"):
                raise Skipped("`citylab serve` did not start; run it to see why")
            yield f"http://{lab.HOST}:{port}"
        finally:
            lab.stop(process)
        log.seek(0)
        errors = [line.strip() for line in log if "Error: " in line]
        if errors:
            raise Skipped(f"a page failed on the server: {errors[-1]}")


@contextmanager
def a_browser() -> Iterator[Browser]:
    """Open Chromium, the system's or Playwright's."""
    from playwright.sync_api import Error, sync_playwright

    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=path, args=[STAY_HERE, *(["--no-sandbox"] if root else [])]
            )
        except Error:
            raise Skipped("no browser: `sh setup.sh test` brings one") from None
        try:
            yield browser
        finally:
            browser.close()


def first_paint(browser: Browser, url: str) -> tuple[float, float]:
    """Open the page as a new reader; return seconds to the first paint and to the first chart with ink."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(url)
    chart = page.wait_for_function(_DRAWN, timeout=WAIT_MS).json_value()
    paint = page.evaluate(_FIRST_PAINT)
    context.close()
    return paint / 1000, chart / 1000


def moved_control(page: Page) -> list[tuple[float, float]]:
    """Choose one year after the other; return seconds to new data and to the drawn chart of each."""
    took = []
    for year in YEARS * ROUNDS:
        button = page.get_by_role("button", name=str(year), exact=True)
        took.append(button.evaluate(_PRESS, 366 if calendar.isleap(year) else 365))
    return [(data / 1000, drawn / 1000) for data, drawn in took]


def rows() -> Iterator[Row]:
    """Warm the server with one reader, then measure new readers and one who moves controls."""
    from playwright.sync_api import Error

    with warm_server() as site, a_browser() as browser:
        for name in PAGES:
            url = f"{site}/{name}?lang=en"
            try:
                first_paint(browser, url)
                readers = [first_paint(browser, url) for _ in range(RUNS)]
            except Error as error:
                raise Skipped(f"{name}: {error.message.splitlines()[0]}") from None
            paint, chart = (statistics.median(column) for column in zip(*readers, strict=True))
            yield Row(
                f"{name}: first paint, warm server", "citylab", f"{paint:.3f} s",
                budget=f"≤ {PAINT_BUDGET_S:g} s", is_within=paint <= PAINT_BUDGET_S,
            )  # fmt: skip
            yield Row(f"{name}: first chart drawn", "citylab", f"{chart:.3f} s")
        try:
            page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
            page.goto(f"{site}/{PAGE}?lang=en")
            page.wait_for_function(_DRAWN, timeout=WAIT_MS)
            moves = moved_control(page)
        except Error as error:
            raise Skipped(f"{PAGE}: {error.message.splitlines()[0]}") from None
    data, drawn = (statistics.median(column) for column in zip(*moves, strict=True))
    worst = max(d for d, _ in moves)
    yield Row(
        f"{PAGE}: control to new data ({len(moves)} moves)", "citylab", f"{data:.3f} s",
        budget=f"≤ {CONTROL_BUDGET_S:g} s", is_within=data <= CONTROL_BUDGET_S,
    )  # fmt: skip
    yield Row(f"{PAGE}: the same, slowest move", "citylab", f"{worst:.3f} s")
    yield Row(f"{PAGE}: control to drawn chart", "citylab", f"{drawn:.3f} s")
