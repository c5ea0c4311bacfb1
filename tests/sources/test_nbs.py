from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import citylab as cl
from citylab import places
from citylab.errors import DataError
from citylab.sources import nbs

pytestmark = pytest.mark.filterwarnings("ignore::citylab.errors.UsageWarning")


@pytest.fixture(scope="module")
def towns() -> pl.DataFrame:
    return cl.load("nbs__static_town_code").collect()


def test_every_town_lies_in_the_district_that_its_code_begins_with(towns: pl.DataFrame):
    assert (towns["town_code"].str.slice(0, 6) == towns["adcode"]).all()
    assert towns["adcode"].n_unique() == 16
    for code, name in towns.select("adcode", "district_name_zh").unique().iter_rows():
        assert places.resolve(code).name_zh == name


def test_six_development_zones_have_codes_and_are_no_towns(towns: pl.DataFrame):
    zones = towns.filter(town_kind="zone")
    assert zones.height == 6
    assert {"北京经济技术开发区", "大兴国际机场"} <= set(zones["town_name_zh"])


def test_the_name_of_a_town_says_the_kind_that_its_code_says(towns: pl.DataFrame):
    # 地区 is an office of a sub-district too, where a town was once
    ends = {"subdistrict": ("街道", "地区"), "town": ("镇",), "township": ("乡",)}
    for name, kind in towns.filter(pl.col("town_kind") != "zone").select("town_name_zh", "town_kind").iter_rows():
        assert name.endswith(ends[kind]), (name, kind)


def test_a_code_of_no_known_kind_is_an_error(tmp_path: Path, raw: Callable[[str], Path]):
    lines = raw("admin-beijing-streets/beijing_streets.csv").read_text(encoding="utf-8").splitlines()[:2]
    odd = tmp_path / "odd.csv"
    odd.write_text("\n".join([lines[0], lines[1].replace("110101001", "110101901")]), encoding="utf-8")
    with pytest.raises(DataError, match=r"110101901.*expected 001 to 599"):
        nbs.parse_towns([odd])
