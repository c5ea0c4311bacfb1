"""Broadband offered and used in US counties: dashes for gaps, lost zeros, old codes, noise for privacy."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import citylab as cl
from citylab.sources import microsoft

pytestmark = pytest.mark.filterwarnings("ignore::citylab.errors.UsageWarning")
FOLDER = "us-broadband-usage"
AUTUMN_2019, AUTUMN_2020 = dt.date(2019, 11, 1), dt.date(2020, 10, 1)


@pytest.fixture(scope="module")
def counties() -> pl.DataFrame:
    return cl.load("microsoft__yearly_county_broadband").collect()


def test_a_dash_is_a_gap_and_never_a_zero(counties: pl.DataFrame, mirror: Path):
    for month, name in ((AUTUMN_2019, "2019-11"), (AUTUMN_2020, "2020-10")):
        lines = (mirror / FOLDER / f"broadband_county_{name}.csv").read_text(encoding="utf-8-sig").splitlines()[1:]
        cells = [line.rsplit(",", 2)[1:] for line in lines]
        dashes = [sum(cell[i].strip() == "-" for cell in cells) for i in (0, 1)]
        mine = counties.filter(month_start=month)
        gaps = [mine["broadband_available_share"].null_count(), mine["broadband_use_share"].null_count()]
        assert gaps == dashes
        assert min(dashes) > 0


def test_codes_have_five_digits_and_are_unique_in_a_month(counties: pl.DataFrame):
    assert counties["county_fips"].str.contains(r"^\d{5}$").all()
    assert counties.n_unique(["county_fips", "month_start"]) == counties.height


def test_a_byte_order_mark_and_blanks_in_the_heads_do_not_hide_a_column(counties: pl.DataFrame, mirror: Path):
    raw = (mirror / FOLDER / "broadband_county_2019-11.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    first = counties.filter(county_fips="01001", month_start=AUTUMN_2019).row(0, named=True)
    assert (first["state_code"], first["broadband_available_share"], first["broadband_use_share"]) == ("AL", 0.81, 0.28)


def test_the_first_file_is_rounded_to_two_decimals_so_that_small_changes_mean_nothing(counties: pl.DataFrame):
    old = counties.filter(month_start=AUTUMN_2019)["broadband_use_share"].drop_nulls() * 100
    new = counties.filter(month_start=AUTUMN_2020)["broadband_use_share"].drop_nulls() * 100
    assert ((old - old.round(0)).abs() < 1e-9).all()
    assert not ((new - new.round(0)).abs() < 1e-9).all()


def test_the_first_file_has_codes_that_the_second_has_renamed(counties: pl.DataFrame):
    old, new = (set(counties.filter(month_start=m)["county_fips"]) for m in (AUTUMN_2019, AUTUMN_2020))
    # Wade Hampton became Kusilvak (02158) and Shannon became Oglala Lakota (46102) in 2015; Bedford City ended in 2013
    assert old - new == {"02270", "46113", "51515"}
    assert new - old == {"02158", "46102"}


def test_the_second_file_fits_the_counties_of_the_census_survey(counties: pl.DataFrame):
    survey = set(cl.load("acs__static_county_internet").collect()["county_fips"])
    assert set(counties.filter(month_start=AUTUMN_2020)["county_fips"]) == survey


def test_in_some_counties_more_is_used_than_offered_because_the_two_are_counted_differently(
    counties: pl.DataFrame, mirror: Path
):
    odd = counties.filter(pl.col("broadband_use_share") > pl.col("broadband_available_share"))
    lines = (mirror / FOLDER / "broadband_county_2020-10.csv").read_text(encoding="utf-8").splitlines()[1:]
    cells = [[cell.strip() for cell in line.rsplit(",", 2)[1:]] for line in lines]
    theirs = sum(float(used) > float(offered) for offered, used in cells if "-" not in (offered, used))
    assert odd.filter(month_start=AUTUMN_2020).height == theirs > 0


@pytest.fixture(scope="module")
def areas(raw: Callable[[str], Path]) -> pl.DataFrame:
    return microsoft.parse_postal_areas([raw(f"{FOLDER}/broadband_zipcode_2020.csv.gz")]).collect()


def test_a_postal_code_can_lie_in_two_counties_so_that_only_the_pair_is_a_key(areas: pl.DataFrame):
    assert areas.n_unique(["postal_code", "county_fips"]) == areas.height == 32_735
    assert max(Counter(areas["postal_code"]).values()) == 2


def test_postal_codes_keep_their_leading_zeros(areas: pl.DataFrame):
    assert areas["postal_code"].str.contains(r"^\d{5}$").all()
    # ZIP codes of New England begin with 0
    assert areas.filter(pl.col("state_code") == "MA")["postal_code"].str.starts_with("0").all()


def test_noise_is_stated_row_by_row_and_the_95_percent_error_exceeds_the_mean_error(areas: pl.DataFrame):
    assert (areas["broadband_use_error95_share"] >= areas["broadband_use_mae_share"]).all()
    assert areas["broadband_use_bias"].min() < 0  # type: ignore[operator]
