from __future__ import annotations

import re
from collections import Counter

import polars as pl
import pytest

from citylab import tables, vocabulary
from citylab.catalog.registry import declaration, ids
from citylab.errors import UnknownNameError
from citylab.vocabulary import COLUMNS, WORDS

# Ends of names and the units they promise; the longest fitting end counts.
SUFFIXES = {
    "_ugm3": "µg/m³", "_mgm3": "mg/m³", "_pct": "%", "_share": "1", "_deg": "°", "_m": "m", "_km2": "km²", "_c": "°C",
    "_hpa": "hPa", "_mm": "mm", "_ms": "m/s", "_t": "t", "_per_capita_t": "t/person", "_co2e_t": "t CO2e",
    "_kgco2_kwh": "kg CO2/kWh", "_cny": "CNY", "_twh": "TWh", "_persons": "persons", "_m2s2": "m² s⁻²",
    "_usd2011": "int-$ 2011", "_kwh": "kWh", "_h": "h", "_cny_t": "CNY/t", "_km": "km",
}  # fmt: skip
# A limit has the unit of the concentration that it stands beside, whose name says it.
UNIT_ELSEWHERE = ("_limit",)
TEXT_KINDS = {"text", "date", "datetime", "boolean", "binary"}
HAN = re.compile(r"[\u4e00-\u9fff]")


def promised(name: str) -> str | None:
    fitting = [end for end in SUFFIXES if name.endswith(end)]
    return SUFFIXES[max(fitting, key=len)] if fitting else None


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_says_what_it_is_in_both_languages(name: str):
    column = COLUMNS[name]
    assert column.name == name
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name)
    assert HAN.search(column.label_zh) or column.label_zh == column.label_en or column.unit or "UN/" in column.label_en
    assert not HAN.search(column.label_en)
    assert column.label("zh") == column.label_zh
    assert column.label("en") == column.label_en
    assert column.definition.strip()
    assert column.definition.rstrip().endswith("."), "a definition is a sentence"


@pytest.mark.parametrize("name", COLUMNS)
def test_the_end_of_a_name_is_its_unit(name: str):
    column = COLUMNS[name]
    expected = promised(name)
    if expected is not None and column.dtype in {"number", "integer"}:
        assert column.unit == expected
    if column.dtype in TEXT_KINDS:
        assert column.unit == ""
    if column.dtype == "number" and column.unit in set(SUFFIXES.values()) - {"1", "h", "°"}:
        ends = (*(end for end, unit in SUFFIXES.items() if unit == column.unit), *UNIT_ELSEWHERE)
        assert name.endswith(ends), f"the name of a column in {column.unit} ends in one of {ends}"


@pytest.mark.parametrize("name", COLUMNS)
def test_bounds_are_in_order_and_shares_lie_between_0_and_1(name: str):
    column = COLUMNS[name]
    if column.lower is not None and column.upper is not None:
        assert column.lower < column.upper
    if name.endswith("_share"):
        assert (column.lower, column.upper) == (0, 1)
    if column.lower is not None or column.upper is not None:
        assert column.dtype in {"number", "integer"}


def test_no_two_columns_share_label_and_unit():
    seen = Counter((c.label_zh, c.label_en, c.unit) for c in COLUMNS.values())
    assert [k for k, n in seen.items() if n > 1] == []


def test_every_declared_column_and_subject_is_in_the_vocabulary():
    for dataset in ids():
        declared = declaration(dataset)
        assert {c.name for c in declared.columns} <= set(COLUMNS)
        for lang in ("zh", "en"):
            assert vocabulary.say(declared.subject, lang)
            assert vocabulary.say(declared.storage, lang)


def test_sectors_are_named_as_in_their_declared_table():
    for code, zh, en in tables.read("sectors").select("sector", "label_zh", "label_en").iter_rows():
        assert (vocabulary.say(code, "zh"), vocabulary.say(code, "en")) == (zh, en)


@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_said_in_both_languages(word: str):
    zh, en = WORDS[word]
    assert zh.strip()
    assert en.strip()
    assert not HAN.search(en) or word.startswith("lang") or "中文" in en
    assert (vocabulary.say(word, "zh"), vocabulary.say(word, "en")) == (zh, en)


def test_the_language_is_that_of_the_setting_unless_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CITYLAB_LANG", "zh")
    assert vocabulary.say("power") == vocabulary.say("power", "zh") == "电力"
    assert COLUMNS["co2_t"].label() == "二氧化碳排放"
    monkeypatch.delenv("CITYLAB_LANG")
    assert vocabulary.say("power") == "Power"


def test_an_unknown_word_or_column_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="'residential'"):
        vocabulary.say("resident")
    with pytest.raises(UnknownNameError, match="'pm25_ugm3'"):
        vocabulary.column("pm25_ug")
    with pytest.raises(KeyError):
        vocabulary.column("pm25")


def test_an_axis_title_shows_a_unit_only_where_there_is_one():
    assert COLUMNS["co2_t"].axis_title("en") == "CO2 emissions (t)"
    assert COLUMNS["pm25_capture_share"].axis_title("en") == "PM2.5 data capture"
    assert COLUMNS["station_id"].axis_title("zh") == "站点"


@pytest.mark.parametrize("name", COLUMNS)
def test_every_kind_has_a_polars_type_that_reads_its_own_values(name: str):
    kind = vocabulary.polars_dtype(COLUMNS[name].dtype)
    assert pl.Series([None], dtype=kind).dtype == kind


def test_a_column_is_declared_once():
    twice = [name for name, n in Counter(c.name for c in vocabulary._DECLARED).items() if n > 1]
    assert not twice  # the later would silently stand for both


def test_a_head_of_a_table_is_a_word_and_no_column_which_would_come_first():
    assert set(WORDS) >= vocabulary.HEADS
    assert not vocabulary.HEADS & set(COLUMNS)
