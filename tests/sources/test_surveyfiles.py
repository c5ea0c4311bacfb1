from __future__ import annotations

from pathlib import Path

import pandas as pd
import polars as pl
import pyreadstat
import pytest

from citylab.errors import DataError, RangeError, SchemaError, UnknownNameError
from citylab.sources.surveyfiles import read_survey
from citylab.stats import survey as sv

NET = {1: "上网", 2: "不上网", 9: "拒答", 98: "不知道"}


@pytest.fixture
def sav(tmp_path: Path) -> Path:
    rows = pd.DataFrame(
        {
            "上网": [1.0, 2.0, 9.0, 98.0, None],
            "age": [20.0, 70.0, 33.0, None, -8.0],
            "name": ["张三", "", "王", "a", "b"],
        }
    )
    path = tmp_path / "调查.sav"
    pyreadstat.write_sav(
        rows, path, column_labels=["您上网吗", "年龄", "姓名"], variable_value_labels={"上网": NET},
        missing_ranges={"上网": [9], "age": [{"lo": -9, "hi": -1}]},
    )  # fmt: skip
    return path


def _as_latin(text: str) -> str:
    """Text whose bytes in Latin-1 are those of the text in GBK, for a writer that knows Latin-1 only."""
    return text.encode("gbk").decode("latin-1")


@pytest.fixture
def gbk(tmp_path: Path) -> Path:
    rows = pd.DataFrame({"area": [1, 2, 1], "name": [_as_latin(t) for t in ("北京市", "天津市", "重庆")]})
    path = tmp_path / "old.dta"
    rows.to_stata(
        path, version=114, write_index=False, variable_labels={"area": _as_latin("城乡")},
        value_labels={"area": {1: _as_latin("城镇"), 2: _as_latin("农村")}},
    )  # fmt: skip
    return path


def test_declared_missing_codes_become_null_and_are_counted(sav: Path):
    told = read_survey(sav)
    frame = told.frame.collect()
    assert frame["上网"].to_list() == [1.0, 2.0, None, 98.0, None]
    assert frame["age"].to_list() == [20.0, 70.0, 33.0, None, None]
    assert frame["name"].to_list() == ["张三", None, "王", "a", "b"]
    assert told.missing == {"上网": {9.0: 1}, "age": {-8.0: 1}, "name": {"": 1}}


def test_chinese_questions_and_labels_survive_and_keep_the_order_of_the_codes(sav: Path):
    told = read_survey(sav)
    assert told.labels == {"上网": "您上网吗", "age": "年龄", "name": "姓名"}
    labelled = told.labelled().collect()["上网"]
    assert labelled.to_list() == ["上网", "不上网", None, "不知道", None]
    assert labelled.dtype == pl.Enum(["上网", "不上网", "不知道"])


def test_an_answer_that_sounds_missing_is_pointed_out_and_left_out_only_on_request(sav: Path):
    assert read_survey(sav).suspects().select("column", "code", "n").rows() == [("上网", "98.0", 1)]
    told = read_survey(sav, missing={"上网": [98]})
    assert told.suspects().is_empty()
    assert told.missing["上网"] == {9.0: 1, 98.0: 1}
    assert told.frame.collect()["上网"].to_list() == [1.0, 2.0, None, None, None]


def test_an_old_stata_file_in_gbk_is_read_as_chinese(gbk: Path):
    told = read_survey(gbk)
    assert told.encoding == "gb18030"
    assert told.frame.collect()["name"].to_list() == ["北京市", "天津市", "重庆"]
    assert told.labels["area"] == "城乡"
    assert told.labelled("area").collect()["area"].to_list() == ["城镇", "农村", "城镇"]


def test_a_wrong_encoding_is_an_error_and_not_garbled_text(gbk: Path):
    with pytest.raises(DataError, match=r"old\.dta cannot be read in utf-8.*gb18030"):
        read_survey(gbk, encoding="utf-8")


def test_extended_missing_values_of_stata_keep_their_letters(tmp_path: Path):
    rows = pd.DataFrame({"net": [1.0, 2.0, "a", "b", None], "w": [1.0, 2.0, 3.0, 4.0, 5.0]})
    path = tmp_path / "new.dta"
    pyreadstat.write_dta(
        rows, path, variable_value_labels={"net": {1: "上网", 2: "不上网", "a": "拒答"}},
        missing_user_values={"net": ["a", "b"]},
    )  # fmt: skip
    told = read_survey(path)
    assert told.frame.collect()["net"].to_list() == [1.0, 2.0, None, None, None]
    assert told.missing == {"net": {".a": 1, ".b": 1}}
    assert told.categories == {"net": {1.0: "上网", 2.0: "不上网"}}


def test_a_column_of_nothing_but_extended_missing_values_holds_numbers(tmp_path: Path):
    rows = pd.DataFrame({"net": ["a", "b"], "w": [1.0, 2.0]})
    pyreadstat.write_dta(
        rows, tmp_path / "none.dta", variable_value_labels={"net": {1: "上网", "a": "拒答"}},
        missing_user_values={"net": ["a", "b"]},
    )  # fmt: skip
    told = read_survey(tmp_path / "none.dta")
    assert told.frame.collect()["net"].to_list() == [None, None]
    assert told.frame.collect_schema()["net"] == pl.Float64
    assert (told.missing, told.categories) == ({"net": {".a": 1, ".b": 1}}, {"net": {1.0: "上网"}})


def test_codes_that_are_text_can_be_declared_missing_too(tmp_path: Path):
    rows = pd.DataFrame({"area": ["A", "B", "Z", "DK"]})
    pyreadstat.write_sav(
        rows, tmp_path / "text.sav", missing_ranges={"area": ["Z"]},
        variable_value_labels={"area": {"A": "城镇", "B": "农村", "Z": "拒答", "DK": "不知道"}},
    )  # fmt: skip
    told = read_survey(tmp_path / "text.sav")
    assert told.labelled("area").collect()["area"].to_list() == ["城镇", "农村", None, "不知道"]
    assert told.missing == {"area": {"Z": 1}}
    # One code need not be in a list, and is no list of letters.
    again = read_survey(tmp_path / "text.sav", missing={"area": "DK"})
    assert again.frame.collect()["area"].to_list() == ["A", "B", None, None]
    assert again.missing == {"area": {"Z": 1, "DK": 1}}


def test_codes_of_whole_numbers_can_be_declared_missing(tmp_path: Path):
    rows = pd.DataFrame({"q": pd.Series([1, 2, -8], dtype="int32")})
    pyreadstat.write_dta(rows, tmp_path / "whole.dta", variable_value_labels={"q": {1: "是", 2: "否", -8: "不适用"}})
    for missing in ([-8], -8, [-8.0]):
        told = read_survey(tmp_path / "whole.dta", missing={"q": missing})
        assert told.frame.collect()["q"].to_list() == [1, 2, None]
        assert told.missing == {"q": {-8.0: 1}}


def test_a_column_without_a_single_value_keeps_its_type_and_labels(tmp_path: Path):
    rows = pd.DataFrame({"q": [float("nan")] * 2, "name": ["", ""]})
    pyreadstat.write_sav(rows, tmp_path / "bare.sav", variable_value_labels={"q": {1: "是"}})
    told = read_survey(tmp_path / "bare.sav")
    assert told.frame.collect_schema() == {"q": pl.Float64, "name": pl.String}
    assert told.labelled().collect()["q"].to_list() == [None, None]
    pyreadstat.write_sav(rows[:0], tmp_path / "empty.sav")
    assert read_survey(tmp_path / "empty.sav").frame.collect_schema()["q"] == pl.Float64


def test_a_portable_file_is_read_and_its_encoding_cannot_be_chosen(tmp_path: Path):
    pyreadstat.write_por(pd.DataFrame({"age": [20.0, 70.0]}), tmp_path / "old.por")
    assert read_survey(tmp_path / "old.por").frame.collect().to_series().to_list() == [20.0, 70.0]
    with pytest.raises(RangeError, match=r"old\.por: the reader takes a \.por file for UTF-8 only"):
        read_survey(tmp_path / "old.por", encoding="gb18030")


def test_text_that_gb_18030_makes_nonsense_of_is_an_error_until_its_encoding_is_named(tmp_path: Path):
    name = "臺北".encode("big5").decode("latin-1")
    pd.DataFrame({"name": [name]}).to_stata(tmp_path / "big5.dta", version=114, write_index=False)
    with pytest.raises(DataError, match=r"characters that no one writes.*'big5'"):
        read_survey(tmp_path / "big5.dta")
    assert read_survey(tmp_path / "big5.dta", encoding="big5").frame.collect()["name"].to_list() == ["臺北"]


def test_a_code_without_a_label_is_not_labelled_quietly(tmp_path: Path):
    path = tmp_path / "part.sav"
    pyreadstat.write_sav(pd.DataFrame({"q": [1.0, 2.0]}), path, variable_value_labels={"q": {1: "是"}})
    told = read_survey(path)
    assert told.labelled().collect()["q"].to_list() == [1.0, 2.0]
    with pytest.raises(DataError, match=r"codes without a label: \[2\.0\]"):
        told.labelled("q")


def test_a_file_goes_into_an_estimate_with_its_design(sav: Path):
    # Of the four with an answer that is not declared missing, one is online: 1, 2, 98 remain, 1/3.
    told = read_survey(sav, columns=["上网"]).frame.with_columns(online=pl.col("上网") == 1)
    assert sv.mean(told, "online", design=sv.NO_DESIGN).select("value", "n", "n_missing").row(0) == (1 / 3, 3, 2)


def test_what_cannot_be_is_told(sav: Path, tmp_path: Path):
    with pytest.raises(UnknownNameError, match=r"Unknown column 'Age'\. Nearest: 'age'"):
        read_survey(sav, columns=["Age"])
    with pytest.raises(UnknownNameError, match="Unknown column 'years'"):
        read_survey(sav, missing={"years": [1]})
    with pytest.raises(RangeError, match="'x' for column 'age'"):
        read_survey(sav, missing={"age": ["x"]})
    with pytest.raises(FileNotFoundError, match=r"no file .*gone\.sav"):
        read_survey(tmp_path / "gone.sav")
    (tmp_path / "a.csv").write_text("x\n1\n")
    with pytest.raises(SchemaError, match=r"a\.csv is no survey file"):
        read_survey(tmp_path / "a.csv")
    (tmp_path / "cut.sav").write_bytes(sav.read_bytes()[:400])
    with pytest.raises(DataError, match=r"cut\.sav cannot be read"):
        read_survey(tmp_path / "cut.sav")
