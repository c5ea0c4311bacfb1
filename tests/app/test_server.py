from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from citylab.app import server
from citylab.errors import CitylabError


def test_every_dashboard_of_the_project_loads_and_asks_a_question_in_both_languages():
    found = server.discover()
    assert found
    for dashboard in found:
        assert dashboard.broken == "", dashboard.broken
        assert all(dashboard.question)
        assert all(dashboard.title)


def test_a_broken_dashboard_is_named_with_its_reason_and_the_others_stay(tmp_path: Path):
    good = "TITLE = ('好', 'Good')\nQUESTION = ('吗', 'Is it?')\n\ndef build():\n    return None\n"
    (tmp_path / "a_good.py").write_text(good, encoding="utf-8")
    (tmp_path / "b_bad.py").write_text("raise RuntimeError('no data here')\n")
    (tmp_path / "c_bare.py").write_text("TITLE = ('x', 'x')\n")
    (tmp_path / "_helper.py").write_text("raise RuntimeError\n")
    found = {d.name: d for d in server.discover(tmp_path)}
    assert list(found) == ["a_good", "b_bad", "c_bare"]
    assert found["a_good"].broken == ""
    assert "no data here" in found["b_bad"].broken
    assert "QUESTION" in found["c_bare"].broken
    page = server.index_page(list(found.values()), [], "en")
    assert "Is it?" in page
    assert "no data here" in page


def test_the_start_page_lists_rendered_notebooks_by_their_heading(tmp_path: Path):
    (tmp_path / "air").mkdir()
    (tmp_path / "air" / "one.html").write_text("<h1 id='q'>Is <b>it</b> &amp; why?<a href='#q'>¶</a></h1>")
    notebooks = server.rendered_notebooks(tmp_path)
    assert notebooks == [("air/one.html", "Is it & why?")]
    assert 'href="notebooks/air/one.html"' in server.index_page([], notebooks, "en")


def test_a_reason_with_markup_stays_text_on_the_start_page():
    broken = server.Dashboard("x", ("x", "x"), ("", ""), None, "<script>alert(1)</script>")
    assert "<script>" not in server.index_page([broken], [], "en")


def test_a_folder_without_dashboards_is_an_error_that_names_it(tmp_path: Path):
    with pytest.raises(CitylabError, match=str(tmp_path.name)):
        server.make_server(port=0, folder=tmp_path, warm=False)


def test_a_session_that_the_websocket_began_takes_its_style_sheets_from_here_too():
    import panel as pn
    from bokeh.document import Document
    from bokeh.models import ImportedStyleSheet
    from panel.io.state import set_curdoc

    page = server.Dashboard("x", ("x", "x"), ("", ""), lambda: pn.Column(pn.widgets.Button(name="x")))
    document = Document()  # as Bokeh makes it then: no HTML is written
    with set_curdoc(document):
        server._factory(page)().server_doc(document)
    addresses = [sheet.url for root in document.roots for sheet in root.select({"type": ImportedStyleSheet})]
    assert addresses
    assert not [a for a in addresses if "//" in a]


def test_importing_the_shell_package_loads_no_widgets():
    code = "import sys, citylab.app, citylab.app.url; assert not {'panel', 'bokeh'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
