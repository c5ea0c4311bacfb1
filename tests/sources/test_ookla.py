"""Speed-test tiles: keys with leading zeros, centres that follow from the key, a licence that forbids embedding."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from citylab.catalog.declaration import OPEN_LICENCES
from citylab.catalog.registry import declaration
from citylab.sources import ookla

FILE = "ookla-tiles-sample/ookla_pr_2020q4_tiles.csv.gz"


@pytest.fixture(scope="module")
def tiles(raw: Callable[[str], Path]) -> pl.DataFrame:
    return ookla.parse_tiles([raw(FILE)]).collect()


def centre(key: str) -> tuple[float, float]:
    """Longitude and latitude of a tile's centre: base-4 digits are bits of x and y of a square Mercator map."""
    x = y = 0
    for digit in key:
        x, y = 2 * x + int(digit) % 2, 2 * y + int(digit) // 2
    size = 2 ** len(key)
    longitude = (x + 0.5) / size * 360 - 180
    latitude = math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * (y + 0.5) / size))))
    return longitude, latitude


def test_a_key_keeps_its_leading_zero_and_has_one_digit_per_zoom_level(tiles: pl.DataFrame):
    assert tiles["quadkey"].str.contains(r"^0[0-3]{15}$").all()
    assert tiles.n_unique(["network", "quadkey"]) == tiles.height == 19_552


def test_the_centre_of_every_tile_follows_from_its_key(tiles: pl.DataFrame):
    six_decimals = 1e-6
    for row in tiles.gather_every(50).iter_rows(named=True):
        longitude, latitude = centre(row["quadkey"])
        assert row["longitude_deg"] == pytest.approx(longitude, abs=six_decimals)
        assert row["latitude_deg"] == pytest.approx(latitude, abs=six_decimals)


def test_tiles_of_both_networks_lie_on_puerto_rico(tiles: pl.DataFrame):
    assert dict(tiles.group_by("network").len().iter_rows()) == {"fixed": 11_364, "mobile": 8_188}
    assert tiles["longitude_deg"].is_between(-68, -65).all()
    assert tiles["latitude_deg"].is_between(17.5, 19).all()


def test_most_tiles_have_few_tests_so_that_a_single_one_says_little(tiles: pl.DataFrame):
    assert tiles["speedtest_count"].median() < 10  # type: ignore[operator]
    assert (tiles["device_count"] <= tiles["speedtest_count"]).all()


def test_a_licence_for_non_commercial_use_keeps_the_tiles_out_of_the_project():
    declared = declaration("ookla__static_tile_speed")
    assert declared.licence.id == "CC-BY-NC-SA-4.0"
    assert declared.licence.id not in OPEN_LICENCES
    assert (declared.storage, declared.table) == ("remote", None)
