"""London's trips: what the provenance record prints, what another reader counts, and the traps."""

from __future__ import annotations

import csv
import statistics
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import citylab as cl
from citylab.errors import DataError
from citylab.sources import lpmc

FILE = "london-mode-choice-test/lpmc_test.csv.gz"


@pytest.fixture(scope="module")
def file(raw: Callable[[str], Path]) -> Path:
    return raw(FILE)


@pytest.fixture(scope="module")
def trips(file: Path) -> pl.DataFrame:
    return lpmc.parse_trips([file]).collect()


@pytest.fixture(scope="module")
def by_hand(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as handle:
        return list(csv.DictReader(handle))


def test_shares_and_median_are_those_printed_when_the_file_was_obtained(trips: pl.DataFrame):
    shares = {m: round(100 * n / trips.height, 1) for m, n in trips["mode"].value_counts().iter_rows()}
    assert trips.height == 26320
    assert shares == {"walk": 17.8, "cycle": 3.3, "transit": 36.1, "car": 42.8}
    assert trips["straight_distance_km"].median() == 2.945


def test_the_distance_is_a_straight_line_and_is_not_called_the_way(trips: pl.DataFrame):
    assert "distance_km" not in trips.columns
    # a way on foot is longer than the line: at 5 km/h every walk would otherwise come out slower than people walk
    speed = (trips["straight_distance_km"] / trips["dur_walk_h"]).median()
    assert 3 < speed < 4.5


def test_the_parts_of_a_way_by_public_transport_add_up(trips: pl.DataFrame, by_hand: list[dict[str, str]]):
    parts = ("dur_pt_access", "dur_pt_rail", "dur_pt_bus", "dur_pt_int_waiting", "dur_pt_int_walking")
    want = statistics.fsum(float(r[p]) for r in by_hand for p in parts)
    assert trips["dur_transit_h"].sum() == pytest.approx(want, rel=1e-12)


def test_each_dummy_becomes_its_own_word(trips: pl.DataFrame, by_hand: list[dict[str, str]]):
    for group, column in ((lpmc.PURPOSES, "purpose"), (lpmc.FUELS, "car_fuel")):
        want = {ours: sum(r[theirs] == "1" for r in by_hand) for theirs, ours in group.items()}
        assert dict(trips[column].value_counts().iter_rows()) == want


def test_a_trip_without_a_purpose_is_another_edition(file: Path, tmp_path: Path):
    lines = file.read_text().splitlines()[:3]
    head, cells = lines[0].split(","), lines[1].split(",")
    cells[head.index("purpose_HBE")] = "0"
    broken = tmp_path / "LPMC_test.csv"
    broken.write_text("\n".join([lines[0], ",".join(cells)]))
    with pytest.raises(DataError, match="exactly one 1"):
        lpmc.parse_trips([broken])


def test_equal_rows_are_kept_because_nothing_says_that_they_are_one_trip(
    trips: pl.DataFrame, by_hand: list[dict[str, str]]
):
    same = Counter(tuple(r.values()) for r in by_hand)
    assert sum(n for n in same.values() if n > 1) == 78
    assert trips["trip_id"].is_unique().all()


def test_groups_hold_every_trip_once_and_its_straight_kilometres(trips: pl.DataFrame):
    groups = cl.load("lpmc__yearly_tripgroup_modechoice").collect()
    assert groups["trip_count"].sum() == trips.height
    km = (groups["trip_count"] * groups["straight_distance_km"]).sum()
    assert km == pytest.approx(trips["straight_distance_km"].sum(), rel=1e-9)


def test_bands_end_where_the_next_begins():
    bands = pl.DataFrame({"km": [0.0, 0.999, 1.0, 1.999, 2.0, 4.999, 5.0, 9.999, 10.0, 40.0]})
    got = bands.select(lpmc.distance_band(pl.col("km"))).to_series().to_list()
    assert got == ["0-1", "0-1", "1-2", "1-2", "2-5", "2-5", "5-10", "5-10", "10+", "10+"]
