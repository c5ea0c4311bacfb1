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


def test_skills_are_shares_of_the_users_of_an_age_and_not_of_its_people():
    skills = cl.load("cnnic__halfyearly_agegroup_skill").collect()
    found = dict(skills.select("indicator", "skill_share_of_users_pct").iter_rows())
    # report 49, December 2021: health code, shopping, search
    assert found == {"show_health_code": 69.7, "shop_online": 52.1, "search_information": 46.2}
    use = cl.load("cnnic__halfyearly_country_internet").collect().filter(month_start=dt.date(2021, 12, 1))
    online = use["internet_use_60plus_pct"].item()
    # of all people of 60 and over, 0.432 x 0.697 = 0.301 could show a health code
    assert round(online * found["show_health_code"] / 100, 1) == 30.1


def test_town_is_above_country_where_both_are_known():
    table = cl.load("cnnic__halfyearly_country_internet").collect()
    known = table.drop_nulls(["internet_use_urban_pct", "internet_use_rural_pct"])
    assert known.height >= 1
    assert (known["internet_use_urban_pct"] > known["internet_use_rural_pct"]).all()
    between = table.drop_nulls(["internet_use_rural_pct", "internet_use_pct"])
    assert (between["internet_use_rural_pct"] < between["internet_use_pct"]).all()
