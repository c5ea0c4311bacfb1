from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
import shapely
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from citylab.air.space import to_grid
from citylab.errors import DataError, SchemaError
from citylab.viz import air, theme

STATIONS = pl.DataFrame(
    {
        "station_id": list("abcdef"),
        "longitude_deg": [116.0, 116.4, 116.0, 116.4, 116.2, 116.21],
        "latitude_deg": [39.8, 39.8, 40.2, 40.2, 40.0, 40.0],
        "pm25_ugm3": [60.0, 70.0, 80.0, 90.0, 75.0, 76.0],
    }
)


def grid(**options: object) -> xr.Dataset:
    return to_grid(STATIONS, "pm25_ugm3", cell_deg=0.05, **options)  # type: ignore[arg-type]


def texts(plot: object) -> list[str]:
    return [t.text for t in plot.below if type(t).__name__ == "Title"]  # type: ignore[attr-defined]


def test_the_errors_of_the_cross_validation_and_the_number_of_stations_are_printed_on_the_map():
    made = grid()
    said = " ".join(texts(air.grid_plot(made, lang="en")))
    # three significant figures of what the grid carries
    for split in ("station", "block"):
        assert f"{made.attrs[f'cv_{split}_rmse']:.3g}" in said
        assert f"{made.attrs[f'cv_{split}_rmse_of_mean']:.3g}" in said
    assert "n = 6 stations" in said
    assert "µg/m³" in said
    assert "n = 6 站" in " ".join(texts(air.grid_plot(made, lang="zh")))


def test_an_error_that_is_not_known_is_said_to_be_unknown():
    near = STATIONS.with_columns(pl.col("longitude_deg") / 1000 + 116, pl.col("latitude_deg") / 1000 + 40)
    made = to_grid(near, "pm25_ugm3", cell_deg=0.05)
    assert math.isnan(made.attrs["cv_block_rmse"])  # all stations are one block
    assert "too few stations to tell" in " ".join(air.grid_notes(made, lang="en"))
    assert "nan" not in " ".join(air.grid_notes(made, lang="en")).lower()


def test_a_map_that_is_no_better_than_one_number_says_so_and_a_good_one_does_not():
    apart = STATIONS.with_columns(pm25_ugm3=pl.Series([60.0, 90.0, 90.0, 60.0, 50.0, 100.0]))  # neighbours disagree
    poor = to_grid(apart, "pm25_ugm3", cell_deg=0.05)
    assert poor.attrs["cv_station_skill"] <= 0
    assert any("No better than one mean" in n for n in air.grid_notes(poor, lang="en"))
    pairs = pl.DataFrame(
        {
            "station_id": list("abcdefgh"),
            "longitude_deg": [116.0, 116.01, 116.0, 116.01, 117.0, 117.01, 117.0, 117.01],
            "latitude_deg": [40.0, 40.0, 40.01, 40.01] * 2,
            "pm25_ugm3": [10.0, 11.0, 10.0, 11.0, 90.0, 91.0, 90.0, 91.0],
        }
    )
    good = to_grid(pairs, "pm25_ugm3", cell_deg=0.1, block_km=1.0)
    assert good.attrs["cv_station_skill"] > 0.9
    assert not any("No better" in n for n in air.grid_notes(good.assign_attrs(cv_block_skill=0.5), lang="en"))


def test_cells_beyond_the_stations_are_veiled_and_said_to_be_a_guess():
    made = grid()
    plot = air.grid_plot(made, lang="en")
    veil = plot.select_one({"name": "cells"}).data["veil"][0]
    assert (np.isfinite(veil) == ~made["is_inside_hull"].to_numpy()).all()
    assert any("guess" in t for t in texts(plot))
    assert not any("guess" in n for n in air.grid_notes(grid(extrapolate="mask"), lang="en"))


def test_every_station_is_a_point_at_its_place_with_its_value_and_name():
    plot = air.grid_plot(grid(), lang="en", names={"a": "Dongsi"})
    data = plot.select_one({"name": "stations"}).data
    assert data["value"][0] == "60.0"
    assert data["name"][0] == "Dongsi"
    cells = plot.select_one({"name": "cells"}).data
    # a degree of longitude is cos(latitude) of one of latitude
    assert data["x"][0] / 116.0 == pytest.approx(cells["x"][0] / (116.0 - 0.1), rel=1e-3)
    assert data["y"].tolist()[0] == 39.8
    assert len(data["x"]) == 6


def test_labels_that_would_cover_each_other_are_left_out_and_the_extremes_stay():
    labels = air.grid_plot(grid(), lang="en").select_one({"name": "stations"}).data["text"]
    assert labels[0] == "60"
    assert labels[-1] == "90"
    assert labels.count("") == 1  # e and f stand one kilometre apart


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=12), st.floats(1e-4, 1e-2))
def test_no_two_labels_overlap(points, scale):
    x, y = (np.array(v) for v in zip(*points, strict=True))
    fits = air._with_room(x, y, scale)
    assert fits[-1]  # the greatest
    wide, tall = (v * scale * air._PICTURE_SHARE for v in air._LABEL_PX)
    shown = [i for i, f in enumerate(fits) if f]
    for i in shown:
        assert all(abs(x[i] - x[j]) >= wide or abs(y[i] - y[j]) >= tall for j in shown if j != i)


def test_the_picture_can_be_cut_to_the_stations_and_its_colours_be_given():
    plot = air.grid_plot(grid(), lang="en", margin_deg=0.0, limits=(0.0, 100.0))
    box = plot.select_one({"name": "box"}).data_source.data
    assert list(box["y"]) == pytest.approx([39.8, 40.2])
    mapper = plot.select_one({"name": "colours"}).color_mapper
    assert (mapper.low, mapper.high) == (0.0, 100.0)


def test_outlines_are_drawn_of_polygons_and_of_several_parts():
    shapes = pl.DataFrame(
        {
            "adcode": ["1", "2"], "district_name_zh": ["甲", "乙"], "district_name_en": ["A", "B"],
            "area_km2": [1.0, 1.0],
            "geometry_wkb": [shapely.to_wkb(shapely.box(116, 39, 117, 40)),
                             shapely.to_wkb(shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(2, 2, 3, 3)]))],
        }
    )  # fmt: skip
    plot = air.grid_plot(grid(), shapes, lang="en")
    lines = [r.data_source.data for r in plot.renderers if type(r.glyph).__name__ == "MultiLine"]
    assert [len(line["xs"]) for line in lines] == [3]


def test_the_table_holds_each_cell_that_is_drawn_and_what_a_reader_must_know_of_it():
    made = grid(extrapolate="mask")
    table = air.grid_table(made)
    assert table.height == int(np.isfinite(made["pm25_ugm3"].to_numpy()).sum())
    assert table["is_inside_hull"].all()
    row = table.row(3, named=True)
    at = made.sel(longitude_deg=row["longitude_deg"], latitude_deg=row["latitude_deg"])
    assert float(at["pm25_ugm3"]) == row["pm25_ugm3"]


def test_a_reader_who_cannot_see_is_told_range_and_error():
    alt = air.grid_plot(grid(), lang="en", names={"a": "Dongsi"}, period="2016").html_attributes["aria-label"]
    assert "; 2016; " in alt
    assert "Dongsi 60.0 to d 90.0" in alt
    assert "RMSE" in alt


def test_what_is_no_grid_of_to_grid_is_refused_and_an_empty_one_too():
    with pytest.raises(SchemaError, match="to_grid"):
        air.grid_plot(xr.Dataset({"pm25_ugm3": ("x", [1.0])}))
    made = grid()
    with pytest.raises(DataError, match="every cell"):
        air.grid_plot(made.assign(pm25_ugm3=made["pm25_ugm3"] * np.nan))


def test_all_stations_alike_give_a_picture():
    same = STATIONS.with_columns(pm25_ugm3=pl.lit(50.0))
    plot = air.grid_plot(to_grid(same, "pm25_ugm3", cell_deg=0.05), lang="zh")
    assert set(plot.select_one({"name": "stations"}).data["colour"]) <= set(theme.SEQUENTIAL)
