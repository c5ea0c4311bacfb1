from __future__ import annotations

import math

import polars as pl
import pytest

from citylab.errors import DataError, SchemaError
from citylab.viz import figures, theme
from citylab.viz import inclusive as pictures


def groups(**more) -> pl.DataFrame:
    rows = {
        "group": ["all", "a", "b", "c"], "name": ["All", "A", "B", "C"], "person_count": [90, 50, 40, 0],
        "kg": [2.0, 3.0, 0.0, None], "kg_low": [1.0, 1.5, None, None], "kg_high": [3.0, 4.5, None, None],
        "note": [None, "few_participants", "no_participants", "no_data"],
        "participation_share": [0.5, 0.6, 0.0, None], "participation_share_low": [0.4, 0.5, 0.0, None],
        "participation_share_high": [0.6, 0.7, 0.1, None], "intensity_co2_kg": [4.0, 5.0, None, None],
        "intensity_co2_kg_low": [2.0, 3.0, None, None], "intensity_co2_kg_high": [6.0, 7.0, None, None],
        "credit_per_head_co2_kg": [2.0, 3.0, 0.0, None], "baseline_kind": ["mean"] * 4, "after": [2.5, 3.0, 1.0, None],
    }  # fmt: skip
    return pl.DataFrame(rows | more)


def bars(frame: pl.DataFrame, **more):
    return pictures.group_bars(frame, label="name", value="kg", axis="Credit", alt="Groups", lang="en", **more)


def words(plot) -> str:
    from bokeh.models import Title

    return " | ".join(m.text for m in plot.above + plot.below if isinstance(m, Title))


# bars


def test_a_group_without_data_has_no_bar_and_says_so_and_one_of_few_has_a_star():
    data = figures.source(bars(groups()), "mean").data
    assert data["beside"] == ["2.00", "3.00 *", "0 · nobody takes part", "no data"]
    assert math.isnan(data["value"][3])
    assert all(math.isnan(v) for c in ("low", "high") for v in data[c][2:])


def test_two_baselines_stand_side_by_side_within_the_place_of_their_group():
    frame = pl.concat([groups(), groups(baseline_kind=["replacement"] * 4, kg=[1.0, 2.0, 0.0, None])])
    plot = bars(frame)
    one, two = (figures.source(plot, s).data for s in pictures.SERIES)
    assert plot.y_range.factors == ["C", "B", "A", "All"]  # the first on top
    assert [g for g, _ in one["at"]] == [g for g, _ in two["at"]]
    assert all(x > y for (_, x), (_, y) in zip(one["at"], two["at"], strict=True))
    assert {one["fill"][0], two["fill"][0]} == {c for c, _ in pictures.SERIES.values()}
    with pytest.raises(SchemaError, match="two pictures"):
        bars(pl.concat([frame, groups(baseline_kind=["third"] * 4)]))


def test_values_intervals_and_what_comes_after_are_in_the_unit_of_the_axis():
    plot = bars(groups(), after="after", scale=1000.0, unit="g")
    data, after = figures.source(plot, "mean").data, figures.source(plot, "mean after").data
    assert data["value"][:2] == [2000.0, 3000.0]
    assert (data["low"][1], data["high"][1]) == (1500.0, 4500.0)
    assert after["value"][:3] == [2500.0, 3000.0, 1000.0]
    assert data["beside"][0] == "2,000 → 2,500"
    assert plot.x_range.end > 3000
    assert plot.xaxis.axis_label == "Credit (g)"
    assert "(1,500 – 4,500)" in data["text"][1]
    assert "n = 50" in data["text"][1]


def test_an_interval_that_leans_on_few_leaves_the_frame_and_keeps_its_value_inside():
    plot = bars(groups(kg_high=[3.0, 900.0, None, None]))
    data = figures.source(plot, "mean").data
    assert plot.x_range.end < 10
    assert data["high"][1] == 900
    assert data["edge"][1] == 3.0  # the text stands at the bar
    assert "900" in data["text"][1]


def test_a_name_twice_in_one_series_or_a_missing_column_is_refused():
    with pytest.raises(DataError):
        bars(pl.concat([groups(), groups()]))
    with pytest.raises(SchemaError, match="kg_low"):
        bars(groups().drop("kg_low"))


# synthetic


@pytest.mark.parametrize(("lang", "word"), [("en", "synthetic"), ("zh", "合成数据")])
def test_what_is_synthetic_says_so_inside_the_picture_and_what_is_not_does_not(lang, word):
    points = pl.DataFrame(
        {
            "population_share": [0.0, 1.0],
            "value_share": [0.0, 1.0],
            "baseline_kind": ["mean"] * 2,
            "is_synthetic": [True] * 2,
        }
    )
    refused = pl.DataFrame({"reason": ["induced"], "activity_count": [1], "is_synthetic": [True]})
    entry = entries(1).with_columns(is_synthetic=pl.lit(True), ledger_mark=pl.lit("verified"))
    made = [
        pictures.group_bars(groups(is_synthetic=[True] * 4), label="name", value="kg", axis="a", alt="b", lang=lang),
        pictures.two_parts(groups(is_synthetic=[True] * 4), label="name", alt="b", lang=lang),
        pictures.concentration_curve(points, alt="c", lang=lang),
        pictures.rejects(refused, alt="d", lang=lang),
        pictures.chain(entry, unit="kg", alt="e", lang=lang),
    ]
    assert all(word in words(p) for p in made)
    assert word not in words(pictures.two_parts(groups(), label="name", alt="b", lang=lang))


# curve


def test_the_curve_stands_beside_the_line_of_equality_and_names_its_index_with_interval():
    points = pl.DataFrame(
        {"population_share": [0.0, 0.5, 1.0] * 2, "value_share": [0.0, 0.2, 1.0, 0.0, 0.6, 1.0],
         "baseline_kind": ["mean"] * 3 + ["replacement"] * 3}
    )  # fmt: skip
    index = pl.DataFrame({"baseline_kind": ["mean", "replacement"], "value": [0.3, None], "lower": [0.1, None],
                          "upper": [0.5, None], "level": [0.95, None], "n": [80, 80]})  # fmt: skip
    plot = pictures.concentration_curve(points, index=index, alt="Curves", lang="en")
    assert figures.source(plot, "replacement").data["y"] == [0.0, 60.0, 100.0]
    (equality,) = plot.select({"name": "equality"})
    assert equality.data_source.data["x"] == equality.data_source.data["y"] == [0, 100]
    assert "mean baseline: concentration index 0.30 (95% interval 0.10 to 0.50; n = 80)" in words(plot)
    assert "replacement baseline: no data" in words(plot)
    assert plot.html_attributes["aria-label"] == "Curves"


def test_an_index_has_a_true_minus_and_none_before_nought():
    assert pictures.hundredths(-0.234) == "−0.23"
    assert pictures.hundredths(-0.001) == "0.00"


# two parts


def test_each_group_stands_at_its_two_parts_and_the_line_is_the_average_head():
    plot = pictures.two_parts(groups(), label="name", alt="Parts", lang="en")
    data = figures.source(plot, "groups").data
    assert data["x"] == [60.0, 0.0]  # c has no people, "all" is the line
    assert data["y"] == [5.0, 0.0]
    assert data["fill"][1] == theme.PAPER  # nobody takes part: hollow
    (line,) = plot.select({"name": "average"})
    at = line.data_source.data
    assert [x / 100 * y for x, y in zip(at["x"], at["y"], strict=True)] == pytest.approx([2.0] * len(at["x"]))


def test_the_picture_of_two_parts_needs_everybody_and_one_baseline():
    with pytest.raises(DataError, match="all people"):
        pictures.two_parts(groups().filter(pl.col("group") != "all"), label="name", alt="x", lang="en")
    with pytest.raises(DataError, match="one group"):
        pictures.two_parts(pl.concat([groups(), groups()]), label="name", alt="x", lang="en")


# refusals


def test_refusals_are_named_in_words_and_counted_in_whole():
    plot = pictures.rejects(
        pl.DataFrame({"reason": ["too_fast", "overlap"], "activity_count": [1200, 3]}), alt="r", lang="zh"
    )
    assert plot.y_range.factors == ["与另一次出行时间重叠", "速度不合理"]
    assert figures.source(plot, "data").data["text"] == ["3", "1,200"]


# ledger


def entries(n: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "seq": range(1, n + 1),
            "op": ["issue"] * n,
            "source": ["@issued"] * n,
            "target": ["a"] * n,
            "amount": [1.0] * n,
            "digest": ["0123456789"] * n,
        }
    )


def faults(*found: tuple[int | None, str]) -> pl.DataFrame:
    return pl.DataFrame(
        [(s, k, "") for s, k in found], schema={"seq": pl.Int64, "kind": pl.String, "message": pl.String}, orient="row"
    )


def test_an_entry_has_the_mark_of_the_first_fault_found_at_it():
    told = pictures.checked(entries(4), faults((2, "altered"), (2, "overdrawn"), (3, "overdrawn"), (None, "position")))
    assert told["ledger_mark"].to_list() == ["verified", "altered", "fault", "verified"]


def test_a_missing_entry_is_marked_at_the_one_that_followed_it():
    told = pictures.checked(entries(4).filter(pl.col("seq") != 2), faults((2, "missing")))
    assert told.select("seq", "ledger_mark").rows() == [(1, "verified"), (3, "missing"), (4, "verified")]


def test_the_chain_shows_every_entry_from_the_top_down_with_its_mark_in_words():
    plot = pictures.chain(pictures.checked(entries(3), faults((2, "altered"))), unit="kg", alt="Chain", lang="en")
    data = figures.source(plot, "entries").data
    assert data["y"] == sorted(data["y"], reverse=True)
    assert ["altered" in t for t in data["text"]] == [False, True, False]
    assert data["text"][0] == "1 verified · issue · 1.000 kg → a"
    assert data["digest"] == ["0123456789"] * 3
    assert data["shape"][1] != data["shape"][0]
