from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from citylab import vocabulary
from citylab.errors import SchemaError, UnknownNameError
from citylab.viz import claims as pictures
from citylab.viz import figures

ROWS = pl.DataFrame(
    {
        "claim_id": ["c1", "c2", "c3", "c4"],
        "due_date": [dt.date(2025, 12, 31), dt.date(2025, 6, 30), dt.date(2030, 12, 31), None],
        "status": ["due_no_data", "met", "not_due", "open"],
        "claim_en": ["one", "two", "three", "four"],
        "claim_zh": ["一", "二", "三", "四"],
    }
)
COMPARED = pl.DataFrame(
    {
        "role": ["claim", "found"],
        "label_en": ["Claim", "Claim"],
        "value": [41.8, 40.4],
        "low": [41.75, None],
        "high": [41.85, None],
        "unit_en": ["%", "%"],
    },
    schema_overrides={"low": pl.Float64},
)


def timeline(**more):
    return pictures.timeline(ROWS, dt.date(2026, 1, 1), claim="claim_en", alt="Claims", lang="en", **more)


def test_a_claim_with_a_day_has_one_mark_in_the_column_of_its_year_and_one_without_has_none():
    data = figures.source(timeline(), "data").data
    assert dict(zip(data["claim"], data["x"], strict=True)) == {"c2": 2025.5, "c1": 2025.5, "c3": 2030.5}
    assert dict(zip(data["claim"], data["y"], strict=True)) == {"c2": 1, "c1": 2, "c3": 1}


def test_a_tap_on_a_mark_gives_its_claim_and_one_beside_it_none():
    plot = timeline()
    assert pictures.claim_at(plot, 2025.7, 1.8) == "c1"
    assert pictures.claim_at(plot, 2025.7, 3.0) is None
    assert pictures.claim_at(plot, 2028.0, 1.0) is None


def test_the_line_follows_the_day_and_the_ring_the_chosen_claim():
    plot = timeline(selected="c3")
    assert plot.select_one({"name": "asof"}).location == pytest.approx(2026.0)
    assert figures.source(plot, "selected").data["x"] == [2030.5]
    pictures.update(plot, ROWS, dt.date(2030, 12, 31), selected="c4")
    assert 2030.99 < plot.select_one({"name": "asof"}).location < 2031
    assert figures.source(plot, "selected").data["x"] == []
    assert "2030-12-31" in plot.select_one({"name": "asof_label"}).text


def test_a_timeline_without_claims_keeps_its_axis():
    plot = timeline(years=(2019, 2035))
    pictures.update(plot, ROWS.clear(), dt.date(2026, 1, 1))
    assert figures.source(plot, "data").data["x"] == []
    assert plot.x_range.start < 2019
    assert plot.x_range.end > 2035


def test_every_status_has_a_word_and_a_mark_of_its_own():
    assert len({(shape, fill, line) for shape, fill, line in pictures.MARKS.values()}) == len(pictures.MARKS)
    assert len({pictures.colour(s) for s in pictures.MARKS}) == len(pictures.MARKS)
    for status in pictures.MARKS:
        assert vocabulary.say(f"claim_{status}", "zh") != vocabulary.say(f"claim_{status}", "en")


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_legend_names_only_what_occurs(lang):
    told = pictures.key({"met": 2, "open": 0}, lang)
    assert f"{vocabulary.say('claim_met', lang)}: 2" in told
    assert vocabulary.say("claim_open", lang) not in told


def test_the_parts_of_a_bar_lie_end_to_end_and_add_up():
    rows = pl.DataFrame(
        {"plan": ["A", "A", "B", "A"], "status": ["open", "met", "open", "due_no_data"], "claim_count": [3, 1, 2, 20]}
    )
    data = figures.source(pictures.by_text(rows, "plan", alt="", lang="en"), "data").data
    ends = {}
    for name, left, right, n in zip(data["name"], data["left"], data["right"], data["n"], strict=True):
        assert left == ends.get(name, 0)
        assert right - left == n
        ends[name] = right
    assert ends == {"A": 24, "B": 2}
    assert dict(zip(data["n"], data["written"], strict=True)) == {1: "", 3: "3", 20: "20", 2: ""}


def test_compared_figures_keep_their_values_and_rows_of_one_name_stay_apart():
    plot = pictures.compared(COMPARED, label="label_en", unit="unit_en", alt="", lang="en")
    data = figures.source(plot, "data").data
    assert data["value"] == [41.8, 40.4]
    assert (data["low"], data["high"]) == ([41.75, 40.4], [41.85, 40.4])
    assert len(set(data["name"])) == 2
    assert data["colour"][0] != data["colour"][1]
    assert plot.xaxis.axis_label == "%"
    assert plot.x_range.start < 40.4
    assert plot.x_range.end > 41.85


def test_without_figures_the_picture_says_so():
    plot = pictures.compared(COMPARED.clear(), label="label_en", unit="unit_en", alt="", lang="en")
    (said,) = (r.data_source.data["text"] for r in plot.renderers)
    assert said == [vocabulary.say("claim_not_recomputed", "en")]


def test_a_row_without_a_value_is_written_as_such_and_drawn_nowhere():
    rows = pl.concat([COMPARED, COMPARED.head(1).with_columns(pl.lit(None, pl.Float64).alias("value"),
                                                             pl.lit(None, pl.Float64).alias("low"),
                                                             pl.lit(None, pl.Float64).alias("high"))],
                     how="vertical_relaxed")  # fmt: skip
    data = (
        pictures.compared(rows, label="label_en", unit="unit_en", alt="", lang="en").select_one({"name": "data"}).data
    )
    assert (data["value"][-1], data["low"][-1], data["high"][-1]) == (None, None, None)
    assert data["text"][-1] == vocabulary.say("no_data", "en")
    assert data["end"][-1] is not None
    none = rows.tail(1)
    unavailable = pictures.compared(none, label="label_en", unit="unit_en", alt="", lang="en")
    assert unavailable.select_one({"name": "data"}) is None


def test_a_status_that_there_is_not_is_told():
    for draw in (
        lambda rows: pictures.timeline(rows, dt.date(2026, 1, 1), claim="claim_en", alt=""),
        lambda rows: pictures.by_text(rows, "claim_en", count="n", alt=""),
    ):
        rows = pl.DataFrame({"claim_id": ["c1"], "due_date": [dt.date(2025, 1, 1)], "status": ["meet"],
                             "claim_en": ["A"], "n": [1]})  # fmt: skip
        with pytest.raises(UnknownNameError, match=r"Unknown status of a claim 'meet'\. Nearest: 'met'"):
            draw(rows)


def test_a_missing_column_is_named():
    with pytest.raises(SchemaError, match="status"):
        pictures.timeline(ROWS.drop("status"), dt.date(2026, 1, 1), claim="claim_en", alt="")
    with pytest.raises(SchemaError, match="role"):
        pictures.compared(COMPARED.drop("role"), label="label_en", unit="unit_en", alt="")
    with pytest.raises(SchemaError, match="claim_count"):
        pictures.by_text(ROWS, "claim_en", alt="")
