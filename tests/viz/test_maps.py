from __future__ import annotations

import json

import polars as pl
import pytest
import shapely

from citylab.errors import SchemaError
from citylab.viz import maps, theme

VALUES = pl.DataFrame({"adcode": ["110101"], "pm25_ugm3": [80.0], "n": [700]})


def boundaries() -> pl.DataFrame:
    squares = [shapely.box(116, 39, 117, 40), shapely.box(117, 39, 118, 40)]
    return pl.DataFrame(
        {
            "adcode": ["110101", "110102"],
            "district_name_zh": ["东城区", "西城区"],
            "district_name_en": ["Dongcheng", "Xicheng"],
            "area_km2": [200.0, 50.0],
            "geometry_wkb": [shapely.to_wkb(s) for s in squares],
        }
    )


def stations(disputed: bool) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "station_id": ["dongsi"], "station_name_zh": ["东四"], "station_name_en": ["Dongsi"],
            "longitude_deg": [116.4], "latitude_deg": [39.9], "is_position_disputed": [disputed],
            "pm25_ugm3": [85.9], "n": [700],
        }
    )  # fmt: skip


def layers(**options: object) -> dict[str, dict]:
    given = {"lang": "en", "n": "n", "no_value": "no station", "period": "2014", **options}
    deck = maps.district_map(VALUES, "pm25_ugm3", boundaries(), **given)
    return {layer["id"]: layer for layer in maps.offline_spec(deck)["layers"]}


def by_code(found: dict[str, dict]) -> dict[str, dict]:
    return {f["properties"]["adcode"]: f for f in found["districts"]["data"]["features"]}


def test_a_district_without_a_value_is_grey_and_says_so():
    shown = by_code(layers())["110102"]
    assert tuple(shown["properties"]["fill"]) == theme.rgb(theme.colour("no_data"))
    assert "no station" in shown["tip"]


def test_the_hover_text_has_value_unit_n_and_period():
    tip = by_code(layers())["110101"]["tip"]
    assert all(part in tip for part in ("Dongcheng", "80.0 µg/m³", "700", "2014"))


def test_the_chosen_district_is_drawn_last_with_a_thick_line():
    last = layers(selected="110101")["districts"]["data"]["features"][-1]
    assert last["properties"]["adcode"] == "110101"
    assert last["properties"]["px"] > 1


def test_small_districts_get_no_label_and_names_follow_the_language():
    assert [r["label"] for r in layers(lang="zh")["labels"]["data"]] == ["东城"]
    assert [r["label"] for r in layers(lang="en")["labels"]["data"]] == ["Dongcheng"]


def test_chinese_labels_get_the_character_set_without_which_they_are_not_drawn():
    assert layers(lang="zh")["labels"]["characterSet"] == "auto"


def test_a_disputed_position_is_hollow_and_said():
    sure, disputed = (layers(stations=stations(d))["stations"]["data"][0] for d in (False, True))
    assert (sure["fill_r"], sure["fill_g"], sure["fill_b"]) == theme.rgb(theme.INK)
    assert (disputed["fill_r"], disputed["fill_g"], disputed["fill_b"]) == theme.rgb(theme.PAPER)
    assert "position disputed" in disputed["tip"]
    assert "position disputed" not in sure["tip"]


def test_the_map_asks_for_nothing_outside():
    deck = maps.district_map(VALUES, "pm25_ugm3", boundaries(), lang="zh", stations=stations(True))
    spec = maps.offline_spec(deck)
    assert spec["mapStyle"] is None
    assert "mapProvider" not in spec
    assert "http" not in json.dumps(spec)


def test_a_click_finds_its_district_and_none_outside():
    shapes = maps.features(boundaries())
    assert maps.district_at(shapes, 116.5, 39.5) == "110101"
    assert maps.district_at(shapes, 117.5, 39.5) == "110102"
    assert maps.district_at(shapes, 10, 10) is None


def test_a_name_with_markup_stays_text():
    odd = boundaries().with_columns(district_name_en=pl.lit("<script>"))
    deck = maps.district_map(VALUES, "pm25_ugm3", odd, lang="en")
    assert "<script>" not in json.dumps(maps.offline_spec(deck)["layers"][0]["data"]["features"][0]["tip"])


def test_boundaries_without_a_geometry_are_refused():
    with pytest.raises(SchemaError, match="geometry_wkb"):
        maps.district_map(VALUES, "pm25_ugm3", boundaries().drop("geometry_wkb"))


def test_equal_values_do_not_break_the_colour_scale():
    assert theme.step(5, 5, 5) in theme.SEQUENTIAL
