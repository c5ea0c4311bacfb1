from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from citylab.errors import DataError, SchemaError
from citylab.policy.explore import threshold
from citylab.viz import figures, levers

FARES, PANELS = {"lever": "transit_fare", "value": 0.5}, {"lever": "building_pv", "value": 1.0}
GRID = pl.DataFrame(
    {
        "levers": [[FARES], [PANELS], [FARES, PANELS], []],
        "cost_cny": [1e9, 2e9, 3e9, 0.0],
        "gain": [1e6, 3e6, 3.5e6, 0.0],
        "is_within_budget": [True, True, False, True],
        "is_chosen": [False, True, False, False],
    }
)
MONEY = {"budget_cny": 2.5e9, "unit": "t", "title": "Saved", "is_synthetic": True, "alt": "Choices"}
SEARCH = {"unit": "t", "title": "Saved", "lever_title": "GW", "is_synthetic": True, "alt": "Enough"}


def answer(slope: float, target: float = 5e5):
    """Return how much it takes if a unit brings ``slope``, times 0.9 to 1.1 by draw."""
    return threshold(
        lambda value, start, stop: slope * value * np.linspace(0.9, 1.1, 40)[start:stop], target, low=0, high=1,
        n_draws=40,
    )  # fmt: skip


def test_an_answer_stands_where_its_own_line_crosses_the_target_and_its_interval_around_it():
    plot = levers.enough({"average": answer(1e6), "marginal": answer(2e6)}, **SEARCH, lang="en")
    # a mean factor of 1: 5e5 / 1e6 and 5e5 / 2e6
    for i, value in enumerate([0.5, 0.25]):
        data = figures.source(plot, f"answer{i}").data
        assert data["x"][0] == pytest.approx(value, abs=2e-3)
        assert data["low"][0] < data["x"][0] < data["high"][0]
    assert plot.yaxis.axis_label == "Saved (Mt)"
    assert [i.label.value for i in plot.legend[0].items] == ["average", "marginal"]


def test_a_target_out_of_reach_leaves_its_line_without_a_mark():
    plot = levers.enough({"": answer(1e5)}, **SEARCH, lang="en")
    assert figures.source(plot, "answer0").data["x"] == [None]
    assert max(figures.source(plot, "curve0").data["y"]) == pytest.approx(0.1)


def test_combinations_are_parted_into_the_choice_what_the_money_allows_and_what_costs_more():
    plot = levers.choices(GRID, **MONEY, lang="en")
    seen = {name: figures.source(plot, name).data["levers"] for name in levers.MARKS}
    fares, panels = "Transit fares 0.5", "Photovoltaics on buildings 1 GW"
    assert seen == {"chosen": [panels], "within": [fares, "reference"], "beyond": [f"{fares}, {panels}"]}
    assert figures.source(plot, "beyond").data["y"] == [3.5]
    assert plot.x_range.end > 3.0


@pytest.mark.parametrize(("lang", "word"), [("zh", "合成"), ("en", "synthetic")])
def test_synthetic_persons_are_called_so_in_the_picture_and_to_those_who_cannot_see_it(lang, word):
    for draw, what, how in ((levers.choices, GRID, MONEY), (levers.enough, {"": answer(1e6)}, SEARCH)):
        plot = draw(what, **how, lang=lang)
        assert word in plot.html_attributes["aria-label"]
        assert any(word in getattr(item, "text", "") for item in plot.above)
        real = draw(what, **{**how, "is_synthetic": False}, lang=lang)
        assert not any(word in getattr(item, "text", "") for item in real.above)


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(DataError, match="one or two"):
        levers.enough({}, **SEARCH)
    with pytest.raises(DataError, match="different targets"):
        levers.enough({"a": answer(1e6), "b": answer(1e6, 4e5)}, **SEARCH)
    with pytest.raises(SchemaError, match="is_chosen"):
        levers.choices(GRID.drop("is_chosen"), **MONEY)
    with pytest.raises(DataError, match="above 0"):
        levers.choices(GRID, **{**MONEY, "budget_cny": 0.0})


@pytest.mark.parametrize(("lang", "word"), [("zh", "合成"), ("en", "Synthetic")])
def test_the_basis_of_a_run_tells_persons_draws_vintage_and_coverage(lang, word):
    run = {"sample_persons": 12_345, "draws": 7, "seed": 3, "base_year": 2025, "years": (2026, 2030), "interval": 0.9}
    told = levers.basis(SimpleNamespace(**run, is_synthetic=True), lang)
    assert told.startswith(word)
    assert all(part in told for part in ("12,345", "7", "3", "2025", "2026–2030", "90"))
    assert word not in levers.basis(SimpleNamespace(**run, is_synthetic=False), lang)
