from __future__ import annotations

from html.parser import HTMLParser

import polars as pl
import pytest

import citylab as cl
from citylab import vocabulary
from citylab.catalog.registry import declaration, ids
from citylab.errors import DeclarationError, UnknownNameError

LANGUAGES = ["zh", "en"]


def test_the_catalogue_has_one_row_per_declared_set():
    frame = cl.datasets()
    assert frame["id"].to_list() == ids()
    assert frame.schema["start"] == frame.schema["end"] == pl.Date
    remote = frame.filter(pl.col("storage") == "remote")
    assert set(remote["id"]) >= {"uci__hourly_station_air", "ecmwf__monthly_grid_wind"}
    # 12 files, uncompressed, as their provenance record lists them
    assert frame.filter(id="uci__hourly_station_air")["size_bytes"].item() > 30_000_000


def test_a_subject_keeps_its_sets_only():
    assert set(cl.datasets(subject="carbon")["subject"]) == {"carbon"}
    with pytest.raises(UnknownNameError, match="Nearest: 'carbon'"):
        cl.datasets(subject="carbn")


def test_places_are_named_in_the_language_asked_for(monkeypatch: pytest.MonkeyPatch):
    assert "北京市" in cl.datasets(lang="zh")["place"].to_list()
    assert "Beijing" in cl.datasets(lang="en")["place"].to_list()
    monkeypatch.setenv("CITYLAB_LANG", "zh")
    assert "北京市" in cl.datasets()["place"].to_list()


@pytest.mark.parametrize("call", [cl.load, cl.scan, cl.open, cl.fetch, cl.describe, cl.cite])
def test_an_unknown_id_offers_the_nearest(call):
    with pytest.raises(UnknownNameError, match=r"data set 'uci__daily_station'\. Nearest: 'uci__daily_station_air'"):
        call("uci__daily_station")


@pytest.mark.parametrize("name", ["../datasets/uci__daily_station_air", "", "codes", "/etc"])
def test_a_path_is_no_id(name: str):
    with pytest.raises(UnknownNameError):
        declaration(name)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("dataset", ids())
def test_a_description_says_everything_that_is_declared(dataset: str, lang):
    declared = declaration(dataset)
    described = cl.describe(dataset, lang=lang)
    text, page = str(described), described._repr_html_()
    for use in declared.columns:
        assert use.name in text
        assert vocabulary.column(use.name).label(lang) in text
    for said in (declared.title, declared.row, declared.grade_reason, *(w.text for w in declared.warnings)):
        assert said.say(lang) in text
    assert declared.licence.id in text
    assert declared.duty.owner in text
    assert all(w.code in page for w in declared.warnings)
    assert described.columns.height == len(declared.columns)


def test_a_description_escapes_what_stands_in_a_declaration(declare, embedded):
    dataset = declare(embedded(title={"zh": "<b>甲", "en": "<script>alert(1)</script> & co"}))
    page = cl.describe(dataset, lang="en")._repr_html_()
    tags: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: tags.append(tag)  # type: ignore[method-assign]
    parser.feed(page)
    assert "script" not in tags
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; co" in page


@pytest.mark.parametrize("dataset", ids())
def test_a_citation_names_publication_version_licence_and_id(dataset: str):
    declared = declaration(dataset)
    text = cl.cite(dataset)
    for said in (declared.citation, declared.version, declared.licence.id, dataset, declared.doi or ""):
        assert said in text
    entry = cl.cite(dataset, style="bibtex")
    assert entry.startswith(f"@misc{{{dataset},\n")
    assert entry.count("{") == entry.count("}")
    assert declared.title.en in entry


def test_an_unknown_citation_style_offers_the_known_ones():
    with pytest.raises(UnknownNameError, match="'bibtex'"):
        cl.cite("uci__daily_station_air", style="bibtext")  # type: ignore[arg-type]


def test_a_faulty_declaration_is_told_and_a_corrected_one_is_read_anew(declare, embedded):
    with pytest.raises(DeclarationError, match="grade"):
        cl.describe(declare(embedded(grade="E")))
    assert cl.describe(declare(embedded(grade="A"))).declared.grade == "A"
