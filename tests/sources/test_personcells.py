"""The synthetic cells: a whole city, said to be synthetic, that a policy runs on offline."""

from __future__ import annotations

import polars as pl

import citylab as cl
from citylab.policy.scenario import Change, Scenario
from citylab.policy.simulate import simulate
from citylab.policy.world import World
from citylab.settings import datasets_dir
from citylab.sources import personcells

ID = "citylab__synthetic_personcell_state"


def test_the_cells_are_the_whole_city_and_say_that_they_are_synthetic():
    declared, cells = cl.catalog.declaration(ID), cl.load(ID).collect()
    assert "合成" in declared.title.zh and "synthetic" in declared.title.en and declared.grade == "D"
    assert cells["is_synthetic"].all() and cells["sample_persons"].sum() == personcells.SAMPLE_PERSONS
    assert cells["adcode"].n_unique() == 16 and set(cells["age_band"]) == {0, 1, 2}
    # The census of 2020 has 19.6 % of 60 and over
    older = cells.filter(pl.col("age_band") == 2)["persons"].sum() / cells["persons"].sum()
    assert abs(older - 0.196) < 0.005


def test_a_policy_runs_on_them_at_once():
    world = World.from_cells(cl.load(ID))
    result = simulate(world, Scenario("", "", [Change("transit_fare", 0.5, 2026)]), draws=8)
    assert result.is_synthetic and result.sample_persons == personcells.SAMPLE_PERSONS
    assert (result.by_group("age_band").filter(outcome="gaining_share")["difference"] > 0.9).all()


def test_the_table_stays_small():
    assert (datasets_dir() / ID / "cells.parquet").stat().st_size <= 400_000
