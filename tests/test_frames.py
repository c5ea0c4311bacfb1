from __future__ import annotations

import polars as pl
import pytest

from citylab.errors import DataError, SchemaError
from citylab.frames import keys_of, lazily, need_columns, need_numbers, need_wall_clock, refuse, stem


def test_a_dataframe_comes_back_as_a_dataframe_and_a_lazyframe_stays_lazy() -> None:
    frame = pl.DataFrame({"a": [1]})
    lf, back = lazily(frame)
    assert isinstance(back(lf), pl.DataFrame)
    lf, back_lazy = lazily(frame.lazy())
    assert isinstance(back_lazy(lf), pl.LazyFrame)


def test_another_kind_of_table_is_refused_with_its_kind() -> None:
    with pytest.raises(SchemaError, match=r"builtins\.dict.*from_pandas"):
        lazily({"a": [1]})  # type: ignore[type-var]


def test_a_missing_column_is_told_with_what_it_must_hold_its_unit_and_what_there_is() -> None:
    with pytest.raises(
        SchemaError, match=r"aqi needs column 'pm25_ugm3' \(24-hour mean, µg/m³\); the frame has 'PM2.5'"
    ):
        need_columns(pl.LazyFrame({"PM2.5": [1.0]}), {"pm25_ugm3": "24-hour mean"}, what="aqi")


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("datetime_local", pl.Datetime("ms", "UTC")), ("datetime_local", pl.Datetime("ms", "Asia/Shanghai")),
     ("datetime_utc", pl.Datetime("ms"))],
)  # fmt: skip
def test_a_clock_that_is_not_beijings_is_refused_naming_to_local(name: str, dtype: pl.DataType) -> None:
    with pytest.raises(SchemaError, match=r"citylab\.periods\.to_local"):
        need_wall_clock(pl.Schema({name: dtype}), name, what="mda8")


def test_text_is_no_time_and_no_number() -> None:
    schema = pl.Schema({"t": pl.String(), "v": pl.String()})
    with pytest.raises(SchemaError, match="is String"):
        need_wall_clock(schema, "t", what="mda8")
    with pytest.raises(SchemaError, match="'v' is String"):
        need_numbers(schema, ["v"], what="mda8")


def test_the_stem_drops_units_and_nothing_else() -> None:
    names = ["pm25_ugm3", "co_mgm3", "o3_mda8_ugm3", "dew_point_c", "o3", "station_id"]
    assert [stem(n) for n in names] == ["pm25", "co", "o3_mda8", "dew_point", "o3", "station_id"]


def test_no_group_and_one_group_are_lists() -> None:
    assert (keys_of(None), keys_of("a"), keys_of(["a", "b"])) == ([], ["a"], ["a", "b"])


def test_refuse_raises_on_collecting_and_not_before() -> None:
    lf = pl.LazyFrame({"n": [1, 25]}).filter(
        refuse(pl.col("n") > 24, "n", message=lambda rows: f"bad {rows['n'].item()}")
    )
    with pytest.raises(DataError, match="bad 25"):
        lf.collect()
