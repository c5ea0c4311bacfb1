from __future__ import annotations

import datetime as dt
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import citylab as cl
from citylab.catalog.registry import declaration, ids
from citylab.errors import EngineError, RangeError, SchemaError, UnknownNameError, UsageWarning

TABLES = [i for i in ids() if "dask" in declaration(i).engines and declaration(i).storage == "embedded"]
GRIDDED = [i for i in ids() if declaration(i).form == "table" and "xarray" in declaration(i).engines]
DAILY = "uci__daily_station_air"
DECEMBER = "uci__hourly_station_air_december2016"
WIND = "ecmwf__monthly_grid_wind"


def load(dataset: str, engine: str = "polars", **narrow: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UsageWarning)
        return cl.load(dataset, engine, **narrow)  # type: ignore[call-overload]


def rows(dataset: str, engine: str, **narrow: Any) -> pl.DataFrame:
    """The rows of a data set, sorted by its key, as a Polars frame whatever the engine."""
    loaded = load(dataset, engine, **narrow)
    frame = loaded.collect() if engine == "polars" else pl.from_pandas(loaded.compute(scheduler="synchronous"))
    schema = {c: t for c, t in load(dataset).collect_schema().items() if c in frame.columns}
    return frame.cast(schema).sort([k for k in declaration(dataset).key if k in frame.columns])


@pytest.mark.parametrize("dataset", TABLES)
def test_dask_holds_the_same_rows_as_polars(dataset: str):
    assert_frame_equal(rows(dataset, "dask"), rows(dataset, "polars"))


def test_a_large_table_has_many_partitions_in_dask_and_the_same_rows(mirror: Path):
    dataset = "uci__hourly_station_air"
    narrow = {"columns": ["station_id", "datetime_local", "pm25_ugm3"], "where": {"station_id": ["dongsi", "gucheng"]}}
    frame = load(dataset, "dask", **narrow)
    assert frame.npartitions > 4
    assert rows(dataset, "dask", **narrow).height == 2 * 35_064
    assert_frame_equal(rows(dataset, "dask", **narrow), rows(dataset, "polars", **narrow))


def test_a_dask_frame_computes_in_threads_too():
    assert len(load(DAILY, "dask", where={"station_id": "dongsi"}).compute(scheduler="threads")) == 1461


# Every way to say where, and the plain Python that says the same of a row.
WHERE: dict[str, tuple[Any, Any]] = {
    "nothing": (None, lambda r: True),
    "an empty mapping": ({}, lambda r: True),
    "an expression": (pl.col("pm25_ugm3") > 300, lambda r: (r["pm25_ugm3"] or 0) > 300),
    "a value": ({"station_id": "dongsi"}, lambda r: r["station_id"] == "dongsi"),
    "a list": ({"station_id": ["dongsi", "wanliu"]}, lambda r: r["station_id"] in {"dongsi", "wanliu"}),
    "an empty list": ({"station_id": []}, lambda r: False),
    "a series": ({"station_id": pl.Series(["dongsi", "x"])}, lambda r: r["station_id"] == "dongsi"),
    "an array": ({"hour_count": np.array([24])}, lambda r: r["hour_count"] == 24),
    "a slice": ({"pm25_ugm3": slice(10, 11)}, lambda r: r["pm25_ugm3"] is not None and 10 <= r["pm25_ugm3"] <= 11),
    "a slice open below": (
        {"pm25_ugm3": slice(None, 11)}, lambda r: r["pm25_ugm3"] is not None and r["pm25_ugm3"] <= 11,
    ),
    "a slice of days": (
        {"date_local": slice(dt.date(2014, 1, 1), dt.date(2014, 1, 31))},
        lambda r: dt.date(2014, 1, 1) <= r["date_local"] <= dt.date(2014, 1, 31),
    ),
    "days as text": (
        {"date_local": slice("2014-01-01", "2014-01-31")},
        lambda r: dt.date(2014, 1, 1) <= r["date_local"] <= dt.date(2014, 1, 31),
    ),
    "empty values": ({"rain_mm": None}, lambda r: r["rain_mm"] is None),
    "a list with empty": ({"rain_mm": [None, 0.0]}, lambda r: r["rain_mm"] in {None, 0.0}),
    "two columns": (
        {"station_id": "dongsi", "date_local": dt.date(2015, 5, 5)},
        lambda r: r["station_id"] == "dongsi" and r["date_local"] == dt.date(2015, 5, 5),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def days() -> list[dict[str, Any]]:
    return rows(DAILY, "polars").to_dicts()


@pytest.mark.parametrize("way", WHERE)
def test_where_keeps_the_same_rows_in_every_engine(way: str, days: list[dict[str, Any]]):
    where, plain = WHERE[way]
    expected = [(r["station_id"], r["date_local"]) for r in days if plain(r)]
    for engine in ("polars", "dask"):
        found = rows(DAILY, engine, where=where, columns=["station_id", "date_local"])
        assert found.rows() == expected, engine
    grid = load(DAILY, "xarray", where=where)["hour_count"]
    assert int(grid.notnull().sum()) == len(expected)


def test_a_column_that_is_not_kept_can_be_filtered_on():
    for engine in ("polars", "dask"):
        found = rows(DAILY, engine, columns=["so2_ugm3"], where={"station_id": "dongsi", "date_local": "2015-05-05"})
        assert found.columns == ["so2_ugm3"]
        assert found.height == 1


@pytest.mark.parametrize("last", [dt.date(2016, 12, 3), "2016-12-03", dt.datetime(2016, 12, 3, 23)])
def test_a_slice_of_days_over_hours_keeps_the_whole_last_day(last: Any):
    found = rows(DECEMBER, "polars", where={"datetime_local": slice("2016-12-02", last)})
    assert found.height == 12 * 24 * 2
    assert found["datetime_local"].max() == dt.datetime(2016, 12, 3, 23)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"station_id": 5}, "the column holds text"),
        ({"hour_count": "24"}, "the column holds integer"),
        ({"date_local": "January"}, "expected a date such as '2016-12-31'"),
        ({"date_local": dt.datetime(2016, 1, 1, 5)}, "the column holds date"),
        ({"pm25_ugm3": slice(1, 9, 2)}, "without a step"),
        ({"pm25_ugm3": [1, "x"]}, "the column holds number"),
        ("station_id == 'dongsi'", "expected a pl.Expr or a mapping"),
    ],
)
@pytest.mark.parametrize("engine", ["polars", "dask", "xarray"])
def test_a_where_that_makes_no_sense_is_refused_at_the_call(where: Any, said: str, engine: str):
    with pytest.raises(SchemaError, match=said):
        load(DAILY, engine, where=where)


@pytest.mark.parametrize("engine", ["polars", "dask", "xarray"])
@pytest.mark.parametrize("narrow", [{"columns": ["pm25"]}, {"where": {"pm25": 1}}, {"where": pl.col("pm25") > 1}])
def test_an_unknown_column_is_refused_at_the_call_with_the_nearest(narrow: dict[str, Any], engine: str):
    with pytest.raises(UnknownNameError, match="'pm25_ugm3'"):
        load(DAILY, engine, **narrow)


def test_one_name_as_columns_is_taken_for_the_slip_it_is():
    with pytest.raises(SchemaError, match=r"\['pm25_ugm3'\]"):
        load(DAILY, columns="pm25_ugm3")


@pytest.mark.parametrize(
    ("dataset", "engine", "has"),
    [
        ("mee__yearly_grid_co2factor", "xarray", "'polars' or 'dask'"),
        (WIND, "polars", "it opens with 'xarray'"),
        (WIND, "dask", "it opens with 'xarray'"),
        (DAILY, "spark", "'polars' or 'dask' or 'xarray'"),
    ],
)
def test_a_wrong_engine_says_which_there_are(dataset: str, engine: str, has: str):
    with pytest.raises(EngineError, match=has):
        load(dataset, engine)


def test_scan_and_open_say_which_form_a_set_has():
    with pytest.raises(EngineError, match=r"citylab\.open"):
        cl.scan(WIND)
    with pytest.raises(EngineError, match="'polars' or 'dask'"):
        cl.open("mee__yearly_grid_co2factor")


@pytest.mark.parametrize("dataset", GRIDDED)
def test_a_table_over_its_dimensions_holds_the_values_of_the_table(dataset: str):
    declared = declaration(dataset)
    frame = rows(dataset, "polars")
    grid = load(dataset, "xarray")
    assert set(grid.sizes) == set(declared.dims)
    numeric = [c for c, t in frame.schema.items() if (t.is_numeric() or t == pl.Boolean) and c not in declared.dims]
    assert set(grid.data_vars) == set(numeric)
    frame = frame.select(*declared.dims, *numeric)
    back = pl.from_pandas(grid.to_dataframe().reset_index()).select(frame.columns)
    back = back.filter(~pl.all_horizontal(pl.col(numeric).is_nan() | pl.col(numeric).is_null()))
    assert_frame_equal(
        back.cast(frame.schema).with_columns(pl.col(pl.Float64).fill_nan(None)).sort(declared.key), frame
    )


@given(st.data())
@settings(max_examples=20)
def test_any_rectangle_of_the_table_is_that_of_the_grid(data):
    stations = rows(DAILY, "polars", columns=["station_id"])["station_id"].unique().sort().to_list()
    some = data.draw(st.lists(st.sampled_from(stations), min_size=1, unique=True))
    first, last = sorted(
        data.draw(st.lists(st.dates(dt.date(2013, 3, 1), dt.date(2017, 2, 28)), min_size=2, max_size=2))
    )
    where = {"station_id": some, "date_local": slice(first, last)}
    grid = load(DAILY, "xarray", where=where, columns=["co_mgm3"])["co_mgm3"]
    assert grid.sizes == {"station_id": len(some), "date_local": (last - first).days + 1}
    table = rows(DAILY, "polars", where=where)
    assert np.nansum(grid.to_numpy()) == pytest.approx(table["co_mgm3"].sum(), rel=1e-12)


def test_a_grid_opens_lazily_with_units_and_reference_system(mirror: Path):
    grid = cl.open(WIND)
    assert all(v.chunks is not None for v in grid.data_vars.values())
    assert grid.attrs["crs"] == "EPSG:4326"
    assert grid.attrs["id"] == WIND
    for use in declaration(WIND).columns:
        assert grid[use.name].attrs.get("units", "") == use.unit
        assert grid[use.name].attrs["long_name_zh"]


def test_a_gridded_table_carries_units_but_claims_no_reference_system():
    grid = load(DAILY, "xarray")
    assert grid["pm25_ugm3"].attrs["units"] == "µg/m³"
    assert "crs" not in grid.attrs


def test_a_slice_of_a_grid_reads_low_to_high_whichever_way_the_axis_runs(mirror: Path):
    grid = load(WIND, "xarray", where={"latitude_deg": slice(39, 41), "longitude_deg": slice(115.5, 117.5)})
    assert grid["latitude_deg"].to_numpy().tolist() == [40.5, 39.75, 39.0]
    assert grid["longitude_deg"].to_numpy().tolist() == [115.5, 116.25, 117.0]


def test_a_point_takes_the_cell_around_it_and_a_whole_number_only_itself(mirror: Path):
    cell = load(WIND, "xarray", where={"month": 7, "level_hpa": [850], "latitude_deg": 39.9, "longitude_deg": 116.4})
    assert (float(cell["latitude_deg"]), float(cell["longitude_deg"])) == (39.75, 116.25)
    assert cell["level_hpa"].to_numpy().tolist() == [850]


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"month": 6}, r"no month \[6\.0\]; it has \[1, 7\]"),
        ({"level_hpa": [850, 700]}, r"no level_hpa \[700\.0\]; it has \[200, 500, 850\]"),
        ({"latitude_deg": 95}, r"no latitude_deg \[95\.0\]; it has -90 to 90 in steps of 0\.75"),
        ({"longitude_deg": None}, "no longitude_deg"),
    ],
)
def test_a_grid_gives_no_other_cell_than_was_asked_for(where: dict[str, Any], said: str, mirror: Path):
    with pytest.raises(RangeError, match=said):
        load(WIND, "xarray", where=where)


@pytest.mark.parametrize("where", [{"wind_u_ms": 3}, pl.col("month") == 1, "month == 1"])
def test_a_grid_is_narrowed_by_its_dimensions_only(where: Any, mirror: Path):
    with pytest.raises(SchemaError, match="mapping of its dimensions"):
        load(WIND, "xarray", where=where)


def test_columns_of_a_grid_are_its_variables(mirror: Path):
    assert list(load(WIND, "xarray", columns=["wind_u_ms", "month"]).data_vars) == ["wind_u_ms"]


@pytest.mark.parametrize("dataset", ["echarts__static_district_boundary", "carbonmonitor__monthly_province_co2"])
def test_a_caveat_that_nobody_may_miss_is_a_warning_at_the_callers_line(dataset: str):
    with pytest.warns(UsageWarning, match=dataset) as caught:
        cl.load(dataset)
    assert caught[0].filename == __file__


def test_the_result_is_lazy():
    assert isinstance(load(DAILY), pl.LazyFrame)
    assert isinstance(cl.scan(DAILY), pl.LazyFrame)
