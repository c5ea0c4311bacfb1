from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from citylab import vocabulary
from citylab.errors import UnknownNameError
from citylab.viz import tables

FRAME = pl.DataFrame({"month_start": [dt.date(2019, 1, 1)], "sector": ["power"], "co2_t": [1.23456]})


def test_files_keep_codes_and_full_precision_and_the_screen_shows_words_and_few_decimals():
    assert pl.read_csv(tables.to_bytes(FRAME, "csv"), try_parse_dates=True).equals(FRAME)
    assert pl.read_parquet(tables.to_bytes(FRAME, "parquet")).equals(FRAME)
    assert tables.pretty(FRAME, "zh").row(0) == ("2019-01-01", "电力", 1.235)


def test_heads_carry_the_unit_and_the_language():
    frame = pl.DataFrame(schema={"pm25_ugm3": pl.Float64, "pm25_ugm3_max": pl.Float64, "odd": pl.Int64})
    assert tables.heads(frame, "en") == {
        "pm25_ugm3": "PM2.5 (µg/m³)",
        "pm25_ugm3_max": "PM2.5 (µg/m³), highest station",
        "odd": "odd",
    }
    assert "站点最高" in tables.heads(frame, "zh")["pm25_ugm3_max"]


def test_an_unknown_file_format_is_refused():
    with pytest.raises(UnknownNameError, match="xlsx"):
        tables.to_bytes(FRAME, "xlsx")  # type: ignore[arg-type]


def test_a_missing_truth_value_stays_missing():
    frame = pl.DataFrame({"is_position_disputed": [True, None]})
    assert tables.pretty(frame, "en").to_series().to_list() == ["yes", None]


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        ("zh", ("黄色预警", "PM2.5、CO", "缺少污染物", "HJ 633—2026", "北京 2013 年预案")),
        ("en", ("yellow alert", "PM2.5, CO", "a pollutant is missing", "HJ 633-2026", "Beijing plan of 2013")),
    ],
)
def test_codes_are_said_in_the_pages_language(lang, said):
    coded = pl.DataFrame(
        {
            "alert_level": ["yellow"], "aqi_primary": ["pm25+co"], "aqi_reason": ["missing_pollutant"],
            "aqi_edition": ["hj633-2026"], "alert_edition": ["beijing-2013"],
        }
    )  # fmt: skip
    assert tables.pretty(coded, lang).row(0) == said
    assert pl.read_csv(tables.to_bytes(coded, "csv")).row(0) == coded.row(0)


def test_a_code_that_nobody_knows_stays_as_it_is_and_null_stays_null():
    odd = pl.DataFrame({"alert_level": ["mauve", None], "aqi_primary": ["radon", None]})
    assert tables.pretty(odd, "zh").rows() == [("mauve", "radon"), (None, None)]


def test_of_a_name_in_two_languages_the_page_shows_its_own_and_a_lone_one_stays():
    both = pl.DataFrame({"station_name_zh": ["东四"], "station_name_en": ["Dongsi"], "district_name_en": ["Dongcheng"]})
    assert tables.pretty(both, "zh").columns == ["station_name_zh", "district_name_en"]
    assert tables.pretty(both, "en").columns == ["station_name_en", "district_name_en"]


def test_a_word_of_the_page_that_is_no_head_of_a_table_leaves_a_name_as_it_is():
    own = pl.DataFrame(schema=dict.fromkeys(("share", "station", "reset", "power"), pl.Int64))
    assert tables.heads(own, "zh") == {c: c for c in own.columns}
    assert {"share", "station", "reset", "power"} <= set(vocabulary.WORDS)


def test_columns_that_no_data_set_declares_have_the_heads_that_the_vocabulary_declares():
    found = tables.heads(pl.DataFrame(schema={"low": pl.Float64, "person_count": pl.Int64}), "en")
    assert found == {"low": "Lower end of the interval", "person_count": "People"}


@pytest.mark.parametrize("names", [("index",), ("index", "value"), ("row", "index", "row_index"), ("level_0", "index")])
def test_no_column_is_hidden_whatever_its_name(names: tuple[str, ...]):
    model = tables.table(pl.DataFrame({c: [1.0] for c in names}), lang="en").get_root()
    assert [c.field for c in model.columns] == list(names)
    assert not set(names) & set(model.hidden_columns)
    assert set(names) < set(model.source.data)
