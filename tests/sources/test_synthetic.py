"""The sample of synthetic trips: the head of the table of its seed, and nothing that could pass for an observation."""

from __future__ import annotations

import polars as pl

import citylab as cl
from citylab.population import travel
from citylab.settings import datasets_dir
from citylab.sources import synthetic


def test_the_sample_is_held_against_the_published_figures():
    trips, anchors = cl.load("citylab__synthetic_trip_travel").collect(), cl.load("bti__yearly_city_travel")
    report = travel.calibration(trips, anchors)
    assert trips.height == synthetic.SAMPLE_TRIPS
    assert report.filter(pl.col("use") != "left_out")["is_met"].all(), report


def test_the_sample_is_synthetic_in_its_name_its_titles_its_rows_and_its_accounts():
    declared = cl.catalog.declaration("citylab__synthetic_trip_travel")
    trips = cl.load(declared.id).collect()
    assert "synthetic" in declared.id
    assert "合成" in declared.title.zh and "合成" in declared.description.zh
    assert "synthetic" in declared.title.en and "ynthetic" in declared.description.en
    assert any("合成" in w.text.zh and "ynthetic" in w.text.en for w in declared.warnings)
    assert trips["is_synthetic"].all()
    assert trips["account"].str.starts_with("syn").all()
    assert declared.grade == "D"


def test_the_sample_stays_small():
    assert (datasets_dir() / "citylab__synthetic_trip_travel" / "trips.parquet").stat().st_size <= 300_000
