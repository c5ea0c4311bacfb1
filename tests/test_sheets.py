from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from citylab import settings, sheets, tables
from citylab.carbon.inventory import inventory, read_activity
from citylab.errors import DataError, SchemaError, UnknownNameError

TEMPLATES = [*tables.read("template_columns")["template"].unique(maintain_order=True)]
HEADS = ["地点", "年份", "GPC 编号", "燃料或活动", "活动水平", "单位", "数据来源", "不确定性（%）"]
ROW = ["北京", 2022, "I.1.1", "天然气", 14.2, "亿立方米", "燃气公司年报（虚构）", 5]


def workbook(path: Path, cells: dict[str, list[list[object]]]) -> Path:
    """A workbook as people make them: cells of text and numbers, one list a row."""
    import xlsxwriter

    with xlsxwriter.Workbook(str(path)) as book:
        for name, rows in cells.items():
            page = book.add_worksheet(name)
            for i, row in enumerate(rows):
                for j, cell in enumerate(row):
                    if cell is not None:
                        page.write(i, j, cell)
    return path


# -- templates


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_file_has_its_declared_columns_and_explains_each(name: str):
    path = settings.datasets_dir() / "templates" / f"{name}.csv"
    text = path.read_text(encoding="utf-8")
    heads = next(line for line in text.splitlines() if not line.startswith("#"))
    assert heads.split(",") == sheets.columns(name)["column"].to_list()
    for meaning in sheets.columns(name)["definition_zh"]:
        assert meaning in text


def test_no_heading_of_a_template_means_two_columns():
    for name in TEMPLATES:
        both = [*sheets.columns(name)["column"], *sheets.columns(name)["label_zh"]]
        assert len(set(both)) == len(both)
    assert set(tables.read("template_columns")["dtype"]) <= {"text", "integer", "number", "boolean"}


@pytest.mark.parametrize("ending", [".csv", ".xlsx"])
@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_that_is_written_is_read_again(name: str, ending: str, tmp_path: Path):
    path = sheets.write(name, tmp_path / f"模板{ending}")
    told = sheets.raw(path, name)
    shipped = sheets.raw(settings.datasets_dir() / "templates" / f"{name}.csv", name)
    assert told.drop(sheets.LINE).equals(shipped.drop(sheets.LINE))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_template_of_another_kind_and_an_unknown_one_are_refused(tmp_path: Path):
    with pytest.raises(SchemaError, match=r"'\.ods'"):
        sheets.write("sinks", tmp_path / "a.ods")
    with pytest.raises(UnknownNameError, match="Nearest: 'facilities'"):
        sheets.columns("facility")


# -- workbooks


def test_a_workbook_with_chinese_sheets_is_the_inventory_of_the_same_csv(tmp_path: Path):
    book = workbook(tmp_path / "清单.xlsx", {"说明": [["见下页"]], "活动水平 2022": [HEADS, ROW]})
    (tmp_path / "清单.csv").write_text("\n".join(",".join(map(str, r)) for r in (HEADS, ROW)), encoding="gb18030")
    one = read_activity(book, sheet="活动水平 2022")
    other = read_activity(tmp_path / "清单.csv")
    assert one.equals(other)
    # 14.2e8 m³ x 0.7 kg/m³ = 994 kt; x 48 TJ/kt x 56.1 t/TJ
    assert inventory(one).rows.filter(gas="CO2")["co2e_t"].item() == pytest.approx(994 * 48 * 56.1)


def test_rows_of_a_sheet_keep_their_numbers_below_titles_and_empty_rows(tmp_path: Path):
    book = workbook(
        tmp_path / "a.xlsx", {"一": [["# 北京市 2022 年"], [], HEADS, [], ROW, ["# 备注"], [*ROW[:4], "n/a", *ROW[5:]]]}
    )
    with pytest.raises(DataError, match="row 7: activity is 'n/a'"):
        read_activity(book)
    book = workbook(tmp_path / "b.xlsx", {"一": [["# 北京市 2022 年"], [], HEADS, [], ROW]})
    assert read_activity(book)[sheets.LINE].to_list() == [5]


def test_a_year_is_whole_and_columns_without_a_heading_are_none(tmp_path: Path):
    book = workbook(tmp_path / "a.xlsx", {"一": [[*HEADS, None], [*ROW, None]]})
    assert read_activity(book)["year"].to_list() == [2022]
    book = workbook(tmp_path / "b.xlsx", {"一": [HEADS, [ROW[0], 2022.5, *ROW[2:]]]})
    with pytest.raises(DataError, match=r"row 2: year is '2022\.5'"):
        read_activity(book)


def test_what_is_no_workbook_or_no_sheet_of_it_is_told(tmp_path: Path):
    book = workbook(tmp_path / "a.xlsx", {"活动": [HEADS, ROW], "空": []})
    with pytest.raises(SchemaError, match="no sheet '活动水平'; it has '活动', '空'"):
        read_activity(book, sheet="活动水平")
    with pytest.raises(SchemaError, match="no line of headings"):
        read_activity(book, sheet="空")
    (tmp_path / "b.xlsx").write_bytes(b"PK")
    with pytest.raises(SchemaError, match=r"b\.xlsx is no workbook"):
        read_activity(tmp_path / "b.xlsx")
    with pytest.raises(FileNotFoundError, match=r"c\.xlsx"):
        read_activity(tmp_path / "c.xlsx")


# -- cells


def test_headings_twice_missing_and_too_many_cells_are_told(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text("place,地点\nA,B\n", encoding="utf-8")
    with pytest.raises(SchemaError, match="'place' twice"):
        read_activity(path)
    path.write_text("place\nA\n", encoding="utf-8")
    with pytest.raises(SchemaError, match="lacks the columns 'year', 'gpc_ref'"):
        read_activity(path)
    path.write_text("place,year,gpc_ref\nA,2022,I.1.1,surplus\n", encoding="utf-8")
    with pytest.raises(SchemaError, match="line 2 has more cells"):
        read_activity(path)


def test_a_quoted_cell_may_hold_commas_and_lines_and_the_next_row_keeps_its_number(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text('place,year,gpc_ref,note\nA,2022,I.1.1,"one,\ntwo"\nB,2022,I.1.1,\n', encoding="utf-8")
    table = read_activity(path)
    assert table["note"].to_list() == ["one,\ntwo", None]
    assert table[sheets.LINE].to_list() == [2, 4]


@pytest.mark.parametrize(("text", "expected"), [("是", True), ("TRUE", True), ("0", False), ("否", False)])
def test_yes_and_no_are_read_in_both_languages(text: str, expected: bool, tmp_path: Path):
    heads = sheets.columns("sinks")["column"].to_list()
    values = dict.fromkeys(heads, "1") | {"is_in_inventory": text}
    path = tmp_path / "a.csv"
    path.write_text(",".join(heads) + "\n" + ",".join(values[h] for h in heads), encoding="utf-8")
    assert sheets.read(path, "sinks")["is_in_inventory"].to_list() == [expected]


def test_a_frame_with_an_empty_or_infinite_cell_is_told_with_its_row():
    rows = pl.DataFrame({"place": ["A", None], "year": [2022, 2022], "gpc_ref": ["I.1.1"] * 2, "actor": ["a"] * 2,
                         "facility": ["x", "y"], "co2e_t": [1.0, float("inf")], "source": ["s"] * 2})  # fmt: skip
    with pytest.raises(DataError, match=r"row 2: place is empty; row 2: co2e_t is inf"):
        sheets.checked(rows, "facilities", what="reconcile")
    with pytest.raises(DataError, match=r"row 1: year is 2022\.5"):
        sheets.checked(rows.with_columns(year=pl.Series([2022.5, 2022.0])), "facilities", what="reconcile")
    with pytest.raises(DataError, match="has no rows"):
        sheets.checked(rows.clear(), "facilities", what="reconcile")
