from __future__ import annotations

import csv
import gzip
from pathlib import Path

import polars as pl
import pytest

import citylab as cl
from citylab.errors import DataError
from citylab.sources import cdp

pytestmark = pytest.mark.filterwarnings("ignore::citylab.errors.UsageWarning")


@pytest.fixture(scope="module")
def cities(mirror: Path) -> pl.DataFrame:
    return cl.load("cdp__yearly_city_ghg").collect()


def test_every_disclosure_of_the_six_questionnaires_is_there_once(cities: pl.DataFrame):
    told = dict(cities.group_by("report_year").len().iter_rows())
    assert told == {2016: 187, 2017: 229, 2018: 488, 2019: 814, 2020: 776, 2021: 989}
    assert cities.n_unique(["account_id", "report_year"]) == cities.height == 3_483


def test_totals_are_those_of_plain_python(cities: pl.DataFrame, mirror: Path):
    heading = "Total City-wide Emissions (metric tonnes CO2e)"
    path = mirror / "cdp-city-emissions" / "cdp_citywide_emissions_2016.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        told = {r["Account Number"]: float(r[heading]) for r in csv.DictReader(file) if r[heading]}
    ours = cities.filter(report_year=2016).drop_nulls("stated_total_co2e_t")
    assert dict(ours.select("account_id", "stated_total_co2e_t").iter_rows()) == told


@pytest.mark.parametrize(
    ("column", "asked"),
    [
        ("stated_total_co2e_t", {2016, 2017}),
        ("scope1_co2e_t", {2016, 2017, 2018, 2019, 2020, 2021}),
        ("scope3_co2e_t", {2018, 2019, 2020, 2021}),
        ("scope1_without_supply_co2e_t", {2019, 2020, 2021}),
        ("basic_co2e_t", {2018, 2019, 2020}),
    ],
)
def test_a_question_is_answered_only_in_years_that_asked_it(cities: pl.DataFrame, column: str, asked: set[int]):
    assert set(cities.drop_nulls(column)["report_year"]) == asked


def test_words_in_place_of_a_figure_are_no_figure(cities: pl.DataFrame, mirror: Path):
    path = mirror / "cdp-city-emissions" / "cdp_citywide_emissions_2018.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        given = [r["Total BASIC Emissions (GPC)"] for r in csv.DictReader(file)]
    assert given.count("Not Applicable") == 70
    numbers = len([v for v in given if v and v != "Not Applicable"])
    assert cities.filter(report_year=2018)["basic_co2e_t"].count() == numbers


def test_the_year_of_a_report_is_not_the_year_of_the_inventory(cities: pl.DataFrame):
    bay = cities.filter(account_id="49363", report_year=2017).row(0, named=True)
    assert (str(bay["period_start"]), str(bay["period_end"])) == ("2013-07-01", "2014-06-30")
    first = cities.filter(report_year=2016)
    assert first["period_start"].null_count() == first.height, "2016 asked for one day"
    assert first["period_end"].null_count() == 0
    assert str(first.filter(account_id="54650")["period_end"].item()) == "2013-12-31"


def test_beijing_is_not_there_and_labels_of_countries_do_not_change_by_year(cities: pl.DataFrame):
    assert not cities["organisation_name"].str.contains("(?i)beijing").any()
    china = set(cities.filter(country_name_en="China")["organisation_name"])
    assert len(china) == 10
    others = set(cities["country_name_en"])
    assert {"Taiwan, China", "Hong Kong, China", "United States of America"} <= others
    assert not others & set(cdp.COUNTRIES)


def test_figures_are_not_believable_as_they_stand(cities: pl.DataFrame):
    # a whole city with 15.47 t: stated in another unit than the one asked for
    assert cities["stated_total_co2e_t"].min() == 15.47


def test_a_questionnaire_with_other_headings_is_refused_with_what_it_has(tmp_path: Path):
    file = tmp_path / "cdp.csv"
    file.write_text("Account number,Country,City\n1,Norway,Oslo\n")
    with pytest.raises(DataError, match=r"no heading for \['report_year', 'period'\]"):
        cdp.parse_cities([file])
    file.write_text("Account number,Country,Reporting year,Year Reported to CDP,Accounting year\n1,Norway,1,1,-\n")
    with pytest.raises(DataError, match="2 headings for report_year"):
        cdp.parse_cities([file])


def test_a_figure_in_words_that_are_not_known_is_an_error(tmp_path: Path):
    file = tmp_path / "cdp.csv"
    head = "Account number,Country,Reporting year,Accounting year,Total emissions (metric tonnes CO2e)\n"
    file.write_text(head + "1,Norway,2020,2019-01-01 - 2019-12-31,about 5\n")
    with pytest.raises(pl.exceptions.InvalidOperationError):
        cdp.parse_cities([file]).collect()
    file.write_text(head + "1,Norway,2020,- 2019-12-31,Question not applicable\n")
    row = cdp.parse_cities([file]).collect().row(0, named=True)
    assert (row["stated_total_co2e_t"], row["period_start"], str(row["period_end"])) == (None, None, "2019-12-31")
