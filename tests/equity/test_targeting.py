from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from citylab.equity.targeting import MEASURES, _counts, _shown, roc, targeting_errors, targeting_from_counts
from citylab.errors import DataError, RangeError, RefusalError, SchemaError, UnknownNameError
from citylab.stats.survey import NO_DESIGN, Design, designed

rng = np.random.default_rng(5)
N = 1200
PEOPLE = pl.DataFrame(
    {
        "income": np.round(rng.lognormal(3, 0.5, N)),
        "w": rng.uniform(1, 4, N),
        "village": np.repeat(np.arange(60), 20),
        "age_band": rng.choice(["18-59", "60+"], N),
    }
).with_columns(poor=pl.col("income") * rng.lognormal(0, 0.4, N) < 18)
CUTS = [12.0, 18.0, 25.0]


def told(rows: pl.DataFrame = PEOPLE, cuts: list[float] = CUTS, **options: object) -> pl.DataFrame:
    kept = {"reached": "below", "design": NO_DESIGN, **options}
    return targeting_errors(rows, "income", "poor", cuts, **kept)  # type: ignore[arg-type]


def value(table: pl.DataFrame, measure: str, cut: float) -> float:
    return float(table.filter(measure=measure, threshold=cut, is_total=True)["value"].item())


def test_errors_are_those_of_the_two_by_two_table():
    # 100 persons by hand: 30 in need of whom 12 are missed; 40 reached, so 22 of these are not in need, of 70 such.
    rows = pl.DataFrame({"income": [1] * 40 + [9] * 60, "poor": [1] * 18 + [0] * 22 + [1] * 12 + [0] * 48})
    table = told(rows, [5.0])
    assert value(table, "exclusion_error", 5) == pytest.approx(12 / 30)
    assert value(table, "inclusion_error", 5) == pytest.approx(22 / 40)
    assert value(table, "false_positive", 5) == pytest.approx(22 / 70)
    assert value(table, "reached", 5) == pytest.approx(40 / 100)
    assert table["n"].to_list() == [30, 40, 70, 100]


def test_weights_are_people():
    design = Design(weight="w", psu="village")
    table = targeting_errors(designed(PEOPLE, design), "income", "poor", [18.0], reached="below")
    poor = PEOPLE.filter("poor")
    missed = poor.filter(pl.col("income") > 18)["w"].sum() / poor["w"].sum()
    assert value(table, "exclusion_error", 18) == pytest.approx(missed)
    assert (table["lower"] < table["value"]).all()
    assert (table["upper"] > table["value"]).all()


def test_clusters_of_alike_people_widen_the_interval():
    # Ten copies of each person in one village tell no more than one of each.
    many = pl.concat([PEOPLE.with_row_index("person")] * 10)
    clustered = told(many, [18.0], design=Design(psu="person")).filter(measure="reached")
    naive = told(many, [18.0]).filter(measure="reached")
    width = [(t["upper"] - t["lower"]).item() for t in (clustered, naive)]
    assert width[0] / width[1] == pytest.approx(np.sqrt(10), rel=0.05)


def test_someone_at_the_threshold_is_reached_on_either_side():
    rows = pl.DataFrame({"income": [5] * 50 + [1] * 30 + [9] * 20, "poor": [1, 0] * 50})
    assert value(told(rows, [5.0]), "reached", 5) == pytest.approx(0.8)
    assert value(told(rows, [5.0], reached="above"), "reached", 5) == pytest.approx(0.7)


def test_a_higher_line_misses_fewer_and_reaches_more():
    table = told(cuts=[10, 14, 18, 22, 26])
    for measure, sign in (("exclusion_error", -1), ("false_positive", 1), ("reached", 1)):
        rows = table.filter(measure=measure).drop_nulls("value").sort("threshold")
        assert rows.height >= 3
        assert (rows["value"].diff().drop_nulls() * sign).min() >= 0


def test_the_area_over_all_thresholds_is_that_of_the_peer():
    cuts = PEOPLE["income"].unique().sort().to_list()
    curve = roc(told(cuts=cuts, smallest_cell=1))
    peer = roc_auc_score(PEOPLE["poor"].to_numpy(), -PEOPLE["income"].to_numpy())
    assert curve["area"][0] == pytest.approx(peer, abs=1e-12)
    assert curve.select("false_positive_share", "sensitivity_share").rows()[0] == (0, 0)
    assert curve.select("false_positive_share", "sensitivity_share").rows()[-1] == (1, 1)


# -- disclosure


def test_no_row_of_a_person_leaves():
    table = told(by="age_band", cuts=CUTS)
    assert table.height == (2 + 1) * len(CUTS) * len(MEASURES)
    assert not {"income", "poor", "w"} & set(table.columns)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 12), st.randoms(use_true_random=False))
def test_no_subtraction_of_what_is_shown_leads_to_a_small_cell(groups: int, cuts: int, least: int, random):
    counts = np.array([random.choice([0, 0, 1, 3, 9, 12, 40]) for _ in range(groups * (cuts + 1) * 2)])
    counts = counts.reshape(groups, cuts + 1, 2)
    shown, lines = _shown(counts, least)
    if not lines:
        return
    # All that is published: by need, group shown and the rest, and stretch between any two thresholds shown.
    parts = [counts[g] for g in shown] + [counts.sum(axis=0) - counts[shown].sum(axis=0), counts.sum(axis=0)]
    edges = [0, *(c + 1 for c in lines), cuts + 1]
    for part in parts:
        for a, b in itertools.combinations(edges, 2):
            for cell in part[a:b].sum(axis=0):
                assert cell == 0 or cell >= least


def test_a_small_group_is_marked_and_takes_the_next_one_with_it():
    # 4 persons of "x" could be had as everybody less the two others; so the smaller of these is not shown either.
    rows = pl.concat([
        pl.DataFrame({"income": [1, 9] * 100, "poor": [1, 0] * 100, "g": "big"}),
        pl.DataFrame({"income": [1, 9] * 40, "poor": [1, 0] * 40, "g": "mid"}),
        pl.DataFrame({"income": [1, 9] * 2, "poor": [1, 0] * 2, "g": "x"}),
    ])  # fmt: skip
    table = told(rows, [5.0], by="g")
    notes = {g: set(table.filter(g=g)["note"].to_list()) for g in ("big", "mid", "x")}
    assert notes["x"] == notes["mid"] == {"suppressed"}
    assert "suppressed" not in notes["big"]
    hidden = table.filter(note="suppressed")
    assert hidden.select("value", "se", "lower", "upper", "n", "n_effective").null_count().sum_horizontal().item() == (
        6 * hidden.height
    )


def test_a_threshold_too_near_another_is_not_shown():
    rows = pl.DataFrame({"income": [1] * 50 + [2] * 3 + [9] * 50, "poor": [1, 0] * 51 + [1]})
    notes = dict(told(rows, [1.5, 2.5]).filter(measure="reached").select("threshold", "note").iter_rows())
    # Shown both, they would show the three persons between them.
    assert list(notes.values()).count("suppressed") == 1


def test_cells_count_those_whom_the_rates_count():
    rows = pl.DataFrame({"income": [1.0, 9.0, None, 1.0] * 30, "poor": [1, 0, 1, None] * 30})
    table = told(rows, [5.0])
    assert value(table, "reached", 5) == 0.5
    assert table.filter(measure="reached")["n"].item() == 60
    cells = pl.DataFrame({"_bin": [0, 1], "_in_need": [1, 0], "n": [30, 30]})
    assert _counts(cells, np.array([0, 0]), 1, 1).tolist() == [[[0, 30], [30, 0]]]


# -- bad input


def test_a_frame_without_a_design_is_refused():
    with pytest.raises(RefusalError, match="design"):
        targeting_errors(PEOPLE, "income", "poor", [18.0])


@pytest.mark.parametrize("cuts", [[], [float("nan")], [float("inf")]])
def test_thresholds_that_cannot_be_are_refused(cuts: list[float]):
    with pytest.raises(RangeError, match="Thresholds"):
        told(cuts=cuts)


def test_need_and_scores_that_cannot_be_are_refused():
    with pytest.raises(DataError, match="neither 0 nor 1"):
        told(PEOPLE.with_columns(poor=pl.lit(0.4)))
    with pytest.raises(DataError, match="infinite"):
        told(PEOPLE.with_columns(income=pl.lit(float("inf"))))
    with pytest.raises(DataError, match="no row has both"):
        told(PEOPLE.with_columns(income=pl.lit(None, dtype=pl.Float64)))
    with pytest.raises(SchemaError, match="numbers"):
        told(PEOPLE.with_columns(income=pl.lit("low")))
    with pytest.raises(SchemaError, match="rename"):
        told(PEOPLE.rename({"age_band": "measure"}), by="measure")
    with pytest.raises(UnknownNameError, match="below"):
        told(reached="bellow")
    with pytest.raises(RangeError, match="smallest_cell"):
        told(smallest_cell=0)


# -- counts

COUNTS = pl.DataFrame({"g": ["a"], "n_need_reached": [60], "n_need_missed": [20], "n_other_reached": [30],
                       "n_other_missed": [90]})  # fmt: skip


def test_intervals_of_counts_are_wilsons():
    table = targeting_from_counts(COUNTS)
    for measure, hits, n in (("exclusion_error", 20, 80), ("inclusion_error", 30, 90), ("false_positive", 30, 120),
                             ("reached", 90, 200)):  # fmt: skip
        row = table.filter(measure=measure).row(0, named=True)
        peer = binomtest(hits, n).proportion_ci(0.95, method="wilson")
        assert (row["value"], row["n"]) == (hits / n, n)
        assert (row["lower"], row["upper"]) == pytest.approx((peer.low, peer.high))


def test_counts_with_a_small_cell_are_not_shown_and_zeros_are():
    few = targeting_from_counts(COUNTS.with_columns(n_need_missed=pl.lit(3)))
    assert set(few["note"]) == {"suppressed"}
    assert few.select("value", "lower", "upper", "n").null_count().sum_horizontal().item() == 4 * few.height
    none = targeting_from_counts(COUNTS.with_columns(n_need_missed=pl.lit(0)))
    assert none.filter(measure="exclusion_error")["value"].item() == 0


def test_a_rate_over_nobody_has_no_value_and_says_so():
    nobody = targeting_from_counts(COUNTS.with_columns(n_need_missed=pl.lit(0), n_need_reached=pl.lit(0)))
    row = nobody.filter(measure="exclusion_error").row(0, named=True)
    assert (row["value"], row["lower"], row["note"]) == (None, None, "nobody")


@pytest.mark.parametrize("side", ["above", "below"])
def test_those_at_the_threshold_are_counted_on_the_side_that_reaches_them(side):
    # Three in need stand at the threshold and are the only ones of their kind that are reached: to be hidden.
    far, near = (1, 9) if side == "above" else (9, 1)
    rows = pl.DataFrame({"score": [far] * 40 + [5] * 3 + [far] * 40 + [near] * 40, "poor": [1] * 43 + [0] * 80})
    told = targeting_errors(rows, "score", "poor", [5], reached=side, design=NO_DESIGN, smallest_cell=10)
    assert set(told["note"]) == {"suppressed"}
    shown = targeting_errors(rows, "score", "poor", [5], reached=side, design=NO_DESIGN, smallest_cell=3)
    assert shown.filter(measure="exclusion_error")["value"].item() == pytest.approx(40 / 43)


def test_thresholds_that_are_no_list_of_numbers_are_told():
    rows = pl.DataFrame({"score": [1, 2] * 20, "poor": [1, 0] * 20})
    for wrong in (2, "2", ["2"]):
        with pytest.raises(RangeError, match="expected a list of numbers, such as"):
            targeting_errors(rows, "score", "poor", wrong, design=NO_DESIGN)  # type: ignore[arg-type]


@pytest.mark.parametrize("odd", [-1, 2.5, None, float("nan")])
def test_counts_that_are_none_are_refused(odd: float | None):
    with pytest.raises(DataError, match="not whole"):
        targeting_from_counts(COUNTS.with_columns(n_need_missed=pl.lit(odd, dtype=pl.Float64)))
