from __future__ import annotations

import math

import polars as pl
import pytest
from bokeh.models import LinearColorMapper
from hypothesis import given, settings
from hypothesis import strategies as st

from citylab.equity.frontier import synthetic_villages
from citylab.errors import DataError, SchemaError
from citylab.viz import divide as drawn
from citylab.viz import figures, theme

ROWS = pl.DataFrame({"area_id": ["V1", "V2", "V3"], "x_km": [0.0, 3.0, 1.0], "y_km": [0.0, 1.0, 2.0],
                     "persons": [400, 100, 400], "seats": [2.0, None, 8.0],
                     "has_site": [True, False, False]})  # fmt: skip
LOOK = {"value": "seats", "title": "Seats", "alt": "Villages", "lang": "en"}


def data(plot, name="data"):
    return figures.source(plot, name).data


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=20))
def test_more_persons_never_get_a_smaller_disc_and_every_disc_can_be_seen(persons):
    sizes = drawn.discs(pl.Series(persons, dtype=pl.Float64))
    assert all(drawn.SMALLEST_PX <= s <= drawn.LARGEST_PX for s in sizes)
    ordered = [s for _, s in sorted(zip(persons, sizes, strict=True))]
    assert ordered == sorted(ordered)


def test_a_quarter_of_the_persons_has_a_quarter_of_the_area():
    large, small = drawn.discs(pl.Series([400.0, 100.0]))
    assert (small / large) ** 2 == pytest.approx(1 / 4)


@pytest.mark.parametrize("bad", [[-1.0], [None], [math.inf], [math.nan]])
def test_persons_that_cannot_be_are_refused(bad):
    with pytest.raises(DataError, match="0 or more"):
        drawn.discs(pl.Series(bad, dtype=pl.Float64))


def test_a_place_without_a_value_is_no_zero_and_says_no_data():
    held = data(drawn.villages(ROWS, **LOOK))
    assert math.isnan(held["value"][1])
    assert held["text"][1] == "no data"
    assert held["value"][0] == 2


def test_a_value_that_is_no_number_is_none_too():
    rows = ROWS.with_columns(pl.col("seats").fill_null(float("nan")))
    plot = drawn.villages(rows, **LOOK)
    assert data(plot)["text"][1] == "no data"
    mapper = plot.select_one(LinearColorMapper)
    assert (mapper.low, mapper.high) == (2.0, 8.0)


def test_the_colours_run_from_the_least_to_the_greatest_known_value_and_grey_is_none_of_them():
    plot = drawn.villages(ROWS, **LOOK)
    mapper = plot.select_one({"name": "colours"}).color_mapper
    assert (mapper.low, mapper.high) == (2, 8)
    assert mapper.nan_color == theme.colour("no_data")
    assert mapper.nan_color not in mapper.palette


@settings(max_examples=25, deadline=None)
@given(st.floats(0.5, 5000))
def test_the_scale_bar_is_round_and_takes_a_tenth_to_a_quarter_of_the_width(width):
    # Of 1, 2, 5, 10 the largest that fits is more than 2/5 of what is left: 0.4 x 0.25 = 0.1.
    bar = drawn.bar_km(width)
    assert 0.1 * width <= bar * (1 + 1e-9)
    assert bar <= 0.25 * width * (1 + 1e-9)
    assert f"{bar:e}"[0] in "125"


def test_the_bar_is_as_long_as_it_says_in_the_units_of_the_places():
    plot = drawn.villages(ROWS.with_columns(pl.col("x_km") * 10), **LOOK)  # 30 km wide: a quarter is 7.5
    left, right = data(plot, "bar")["x"]
    assert right - left == 5
    assert [b.text for b in plot.center if hasattr(b, "text")] == ["5 km"]


def test_sites_are_marked_where_they_stand_and_only_there():
    assert data(drawn.villages(ROWS, site="has_site", **LOOK), "sites")["name"] == ["V1"]
    assert drawn.villages(ROWS, **LOOK).select_one({"name": "sites"}) is None


def test_made_up_places_say_so_and_others_do_not():
    made_up = synthetic_villages(3, seed=1).with_columns(seats=pl.lit(1.0))
    for lang, word in (("en", "synthetic"), ("zh", "合成数据")):
        said = [t.text for t in drawn.villages(made_up, **(LOOK | {"lang": lang})).above if hasattr(t, "text")]
        assert word in said
    assert not [t for t in drawn.villages(ROWS, **LOOK).above if hasattr(t, "text")]


def test_what_cannot_be_drawn_is_refused_with_its_name():
    with pytest.raises(SchemaError, match="seats"):
        drawn.villages(ROWS.drop("seats"), **LOOK)
    with pytest.raises(DataError, match="finite coordinates"):
        drawn.villages(ROWS.with_columns(x_km=pl.lit(None, pl.Float64)), **LOOK)
    with pytest.raises(DataError):
        drawn.villages(pl.concat([ROWS, ROWS]), **LOOK)


def test_the_key_names_only_what_is_in_the_picture_and_takes_words_as_text():
    key = drawn.villages_key(has_sites="a <b>site</b>")
    assert "&lt;b&gt;" in key
    assert key.count("<svg") == 1
