from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from citylab.errors import SchemaError
from citylab.viz import levels, maps, theme

DAYS = pl.DataFrame(
    {
        "date_local": [dt.date(2016, 11, 30), dt.date(2016, 12, 1), dt.date(2016, 12, 20)],
        "aqi": [80, None, 430],
        "aqi_color": ["#FFFF00", None, "#7E0023"],
        "aqi_level_name_zh": ["良", None, "严重污染"],
        "aqi_level_name_en": ["Good", None, "Severely polluted"],
    }
)


def data(plot, name="data"):
    return plot.select_one({"name": name}).data


def contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        parts = [p / 255 for p in theme.rgb(colour)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colour", ["#00E400", "#FFFF00", "#FF7E00", "#FF0000", "#99004C", "#7E0023", "#CE30FF"])
def test_a_number_on_an_official_colour_can_be_read(colour):
    # WCAG 2.2 asks for 3 of large text; the better of black and white has it on every colour
    assert contrast(theme.ink_on(colour), colour) >= 3


def calendar(**options):
    return levels.day_calendar(DAYS, "aqi", colour="aqi_color", label="aqi_level_name_en", alt="", lang="en", **options)


def test_a_calendar_has_a_cell_per_day_and_a_day_without_index_is_grey_and_says_so():
    drawn = data(calendar())
    assert drawn["day"] == [30, 1, 20]
    assert drawn["row"][1] - drawn["row"][0] == 1
    assert drawn["colour"][1] == theme.colour("no_data")
    assert drawn["text"] == ["2016-11-30: 80 · Good", "2016-12-01: no data", "2016-12-20: 430 · Severely polluted"]


def test_a_tap_on_any_cell_gives_its_day_and_one_beside_the_calendar_gives_none():
    plot = calendar()
    drawn = data(plot)
    found = [levels.day_at(plot, d + 0.3, r - 0.3) for d, r in zip(drawn["day"], drawn["row"], strict=True)]
    assert found == DAYS["date_local"].to_list()
    assert levels.day_at(plot, 31, drawn["row"][0]) is None  # November has 30 days
    assert levels.day_at(plot, 15, drawn["row"][2] + 1) is None


def test_the_outlined_day_is_the_chosen_one_and_none_outside_the_months_shown():
    plot = calendar(selected=dt.date(2016, 12, 20))
    assert data(plot, "selected")["day"] == [20]
    levels.update(plot, DAYS.head(1), selected=dt.date(2016, 12, 20))
    assert data(plot, "selected")["day"] == []
    assert plot.y_range.start - plot.y_range.end == 1


def test_bars_of_levels_add_up_to_all_days_of_each_rule():
    rows = pl.DataFrame(
        {
            "rule": ["A", "A", "A", "B", "B"],
            "day_count": [3, 0, 1, 2, 2],
            "color": ["#00E400", "#FFFF00", None, "#FF0000", None],
            "name": ["Good", "Fair", None, "Poor", None],
        }
    )
    plot = levels.level_bars(
        rows, "rule", "day_count", colour="color", label="name", order=["A", "B"], alt="", axis="Days", lang="en"
    )
    drawn = data(plot)
    assert drawn["category"] == ["A", "A", "B", "B"]  # a level without days draws nothing
    assert drawn["left"] == [0, 3, 0, 2]
    assert drawn["right"] == [3, 4, 2, 4]
    assert drawn["share"] == ["75.0%", "25.0%", "50.0%", "50.0%"]
    assert plot.y_range.factors == ["B", "A"]
    with pytest.raises(SchemaError, match="no place for"):
        levels.update(plot, rows.with_columns(rule=pl.lit("C")))


def test_a_strip_marks_the_days_of_alerts_inside_its_period_in_their_colour():
    found = pl.DataFrame(
        {
            "plan": ["x"] * 3,
            "date_local": [dt.date(2016, 12, d) for d in (1, 17, 18)],
            "alert_level": ["red", "orange", None],
            "aqi": [320, 210, 90],
        }
    )
    start, end = dt.date(2016, 12, 10), dt.date(2016, 12, 31)
    plot = levels.alert_strip(found, "plan", order=["x"], start=start, end=end, alt="", lang="zh")
    assert data(plot)["day"] == ["2016-12-17"]
    assert data(plot)["label"] == ["橙色预警"]
    assert data(plot)["colour"] == [levels.ALERT_COLOURS["orange"]]
    levels.update(plot, found, start=dt.date(2016, 12, 1), end=end)
    assert data(plot)["day"] == ["2016-12-01", "2016-12-17"]


def test_a_missing_column_is_named():
    with pytest.raises(SchemaError, match="aqi_color"):
        levels.day_calendar(DAYS.drop("aqi_color"), "aqi", colour="aqi_color", label="aqi", alt="")


def test_stations_are_drawn_in_the_given_colours_and_without_one_in_grey():
    stations = pl.DataFrame(
        {"station_id": ["a", "b"], "longitude_deg": [116.4, 116.5], "latitude_deg": [39.9, 40.0],
         "colour": ["#FF0000", None], "text": ["160", "–"], "tip": ["A", "B"]}
    )  # fmt: skip
    deck = maps.station_map(stations, [], colour="colour", text="text", tip="tip", selected="b", lang="en")
    discs = maps.offline_spec(deck)["layers"][2]["data"]
    assert {d["station_id"]: tuple(d["fill"]) for d in discs} == {
        "a": (255, 0, 0),
        "b": theme.rgb(theme.colour("no_data")),
    }
    assert discs[-1]["station_id"] == "b"  # the chosen one lies on top
    with pytest.raises(SchemaError, match="tip"):
        maps.station_map(stations.drop("tip"), [], colour="colour", text="text", tip="tip")
