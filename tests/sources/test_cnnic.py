from __future__ import annotations

import datetime as dt

import citylab as cl


def test_surveys_are_as_transcribed_and_gaps_stay_gaps():
    table = cl.load("cnnic__halfyearly_country_internet").collect()
    found = {
        r["month_start"]: (r["internet_use_pct"], r["internet_use_rural_pct"], r["internet_use_60plus_pct"])
        for r in table.iter_rows(named=True)
    }
    assert found == {
        dt.date(2020, 12, 1): (70.4, 55.9, None),
        dt.date(2021, 6, 1): (71.6, None, None),
        dt.date(2021, 12, 1): (73.0, 57.6, 43.2),
        dt.date(2022, 12, 1): (None, 61.9, None),
        dt.date(2023, 6, 1): (76.4, None, None),
        dt.date(2023, 12, 1): (77.5, 66.5, None),
    }
    assert table.row(0, named=True)["internet_use_urban_pct"] == 79.8


def test_users_are_counted_in_persons():
    users = cl.load("cnnic__halfyearly_country_internet").collect()["internet_users_persons"].to_list()
    assert users == [989e6, 1011e6, 1032e6, 1067e6, 1079e6, 1092e6]


def test_a_derived_survey_says_so_in_its_source():
    table = cl.load("cnnic__halfyearly_country_internet").collect()
    assert "derived" in table.filter(month_start=dt.date(2022, 12, 1))["source"].item()
