"""Rules give what the law of the day says, and a reform changes what depends on it and nothing else."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citylab.errors import DataError, SchemaError, UnknownNameError
from citylab.policy import beijing_rules, rules
from citylab.policy.rules import Rule, RuleBook, Scale, amended, apply, compare, in_force, touched

D = date
# The figures of OpenFisca's country template, whose tests give the expected values below.
NUMBERS: list[tuple[str, float | None, date, date | None, float]] = [
    ("tax_rate", None, D(2015, 1, 1), None, 0.15),
    ("contribution", 0, D(2013, 1, 1), D(2014, 12, 31), 0.03),
    ("contribution", 12000, D(2013, 1, 1), D(2013, 12, 31), 0.10),
    ("contribution", 12100, D(2014, 1, 1), D(2014, 12, 31), 0.10),
    ("contribution", 0, D(2015, 1, 1), D(2016, 12, 31), 0.04),
    ("contribution", 12200, D(2015, 1, 1), D(2015, 12, 31), 0.12),
    ("contribution", 12300, D(2016, 1, 1), D(2016, 12, 31), 0.12),
    ("contribution", 0, D(2017, 1, 1), None, 0.02),
    ("contribution", 6000, D(2017, 1, 1), None, 0.06),
    ("contribution", 12400, D(2017, 1, 1), None, 0.12),
    ("housing_tax_per_m2", None, D(2013, 1, 1), None, 10),
    ("housing_tax_minimum", None, D(2013, 1, 1), None, 200),
    ("basic_income", None, D(2015, 12, 1), None, 600),
    ("adult_age", None, D(2013, 1, 1), None, 18),
    ("allowance_share", None, D(2013, 1, 1), D(2016, 11, 30), 0.25),
]
LAW = pl.DataFrame(
    NUMBERS,
    schema={
        "parameter": pl.String,
        "threshold": pl.Float64,
        "from_date": pl.Date,
        "to_date": pl.Date,
        "value": pl.Float64,
    },
    orient="row",
)
TEMPLATE = RuleBook(
    [
        Rule("income_tax", "person", ("salary",), ("tax_rate",),
             ((D(2015, 1, 1), lambda x, p: p["tax_rate"] * x["salary"]),)),
        Rule("contribution", "person", ("salary",), ("contribution",),
             ((D(2013, 1, 1), lambda x, p: p["contribution"](x["salary"])),)),
        Rule("housing_tax", "household", ("size_m2", "is_owner_or_tenant"),
             ("housing_tax_per_m2", "housing_tax_minimum"),
             ((D(2013, 1, 1), lambda x, p: x["is_owner_or_tenant"]
               * np.maximum(p["housing_tax_per_m2"] * x["size_m2"], p["housing_tax_minimum"])),)),
        Rule("basic_income", "person", ("age_years", "salary"), ("basic_income", "adult_age"),
             ((D(2015, 12, 1),
               lambda x, p: p["basic_income"] * ((x["age_years"] >= p["adult_age"]) & (x["salary"] == 0))),
              (D(2016, 12, 1), lambda x, p: p["basic_income"] * (x["age_years"] >= p["adult_age"])))),
        Rule("housing_allowance", "household", ("rent",), ("allowance_share",),
             ((D(2013, 1, 1), lambda x, p: p["allowance_share"] * x["rent"]),), end=D(2016, 11, 30)),
    ]
)  # fmt: skip


def one(when: date, rule: str, **values: float) -> float:
    person = {"salary": 0.0, "age_years": 40, **{k: v for k, v in values.items() if k in ("salary", "age_years")}}
    home = {"size_m2": 0.0, "rent": 0.0, "is_owner_or_tenant": True}
    home |= {k: v for k, v in values.items() if k in home}
    persons = pl.DataFrame({"household_id": [1], **{k: [v] for k, v in person.items()}})
    households = pl.DataFrame({"household_id": [1], **{k: [v] for k, v in home.items()}})
    told = apply(persons, households, TEMPLATE, parameters=LAW, when=when, wanted=[rule])
    return float((told[0] if rule in told[0].columns else told[1])[rule].item())


@pytest.mark.parametrize(
    ("when", "rule", "values", "due"),
    [
        (D(2013, 1, 1), "contribution", {"salary": 2000}, 60),
        (D(2013, 1, 1), "contribution", {"salary": 15000}, 660),
        (D(2015, 1, 1), "contribution", {"salary": 2000}, 80),
        (D(2015, 1, 1), "contribution", {"salary": 15000}, 824),
        (D(2017, 1, 1), "contribution", {"salary": 2000}, 40),
        (D(2017, 1, 1), "contribution", {"salary": 15000}, 816),
        (D(2017, 1, 1), "income_tax", {"salary": 10000}, 1500),
        (D(2017, 1, 1), "income_tax", {"salary": 2400}, 360),
        (D(2017, 1, 1), "housing_tax", {"size_m2": 40}, 400),
        (D(2017, 1, 1), "housing_tax", {"size_m2": 40, "is_owner_or_tenant": False}, 0),
        (D(2017, 1, 1), "housing_tax", {"size_m2": 100}, 1000),
        (D(2017, 1, 1), "housing_tax", {"size_m2": 10}, 200),
        (D(2015, 11, 1), "basic_income", {}, 0),
        (D(2015, 12, 1), "basic_income", {}, 600),
        (D(2015, 12, 1), "basic_income", {"salary": 1200}, 0),
        (D(2015, 12, 1), "basic_income", {"age_years": 17}, 0),
        (D(2016, 12, 1), "basic_income", {"salary": 1200}, 600),
        (D(2016, 1, 1), "housing_allowance", {"rent": 400}, 100),
        (D(2016, 12, 1), "housing_allowance", {"rent": 400}, 0),
    ],
)
def test_the_country_template_of_openfisca_gives_its_published_amounts(when, rule, values, due):
    assert one(when, rule, **values) == pytest.approx(due, abs=1e-9)


# -- Beijing


def city(seed: int, homes: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return people at random, contiguous by household."""
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 6, homes)
    n = int(size.sum())
    age = rng.integers(0, 105, n)
    wage = np.where((age >= 18) & (age < 60) & (rng.random(n) < 0.8), rng.lognormal(11.5, 0.8, n), 0.0)
    persons = pl.DataFrame(
        {
            "household_id": np.repeat(np.arange(homes), size), "wage_cny": wage, "age_years": age,
            "pension_cny": np.where(age >= 60, 48000.0, 0.0), "is_under_18": age < 18, "is_60_plus": age >= 60,
            "income_decile": rng.integers(1, 11, n), "adcode": rng.choice(["110101", "110105", "110118"], n),
        }
    )  # fmt: skip
    earners = persons.group_by("household_id", maintain_order=True).agg((pl.col("wage_cny") > 0).sum().alias("k"))["k"]
    households = pl.DataFrame(
        {"household_id": np.arange(homes), "household_size_persons": size, "earner_count": earners,
         "electricity_kwh": rng.gamma(2, 1200, homes)}
    )  # fmt: skip
    return persons, households


def test_a_wage_in_beijing_pays_what_the_law_of_2025_says():
    # Alone, 240,000 a year in 2025: contributions 10.5 % and 36, fund 12 %: 25,236 + 28,800; taxable 240,000 - 60,000 -
    # 54,036 = 125,964; tax 36,000 · 3 % + 89,964 · 10 % = 10,076.4.
    persons = pl.DataFrame({"household_id": [7], "wage_cny": [240_000.0], "pension_cny": [0.0], "age_years": [35],
                            "is_under_18": [False], "is_60_plus": [False]})  # fmt: skip
    households = pl.DataFrame(
        {"household_id": [7], "household_size_persons": [1], "earner_count": [1], "electricity_kwh": [5000.0]}
    )
    who, home = apply(
        persons, households, beijing_rules.book(), parameters=beijing_rules.parameters(), when=D(2025, 1, 1)
    )
    assert who["income_tax_cny"].item() == pytest.approx(10_076.4)
    assert who["net_income_cny"].item() == pytest.approx(240_000 - 54_036 - 10_076.4)
    # 2,880 kWh at 0.4883, 1,920 at 0.5383, 200 at 0.7883.
    assert home["electricity_bill_cny"].item() == pytest.approx(1406.304 + 1033.536 + 157.66)
    # The official quick deduction of the bracket, 2,520, gives the same tax.
    assert pytest.approx(10_076.4) == 125_964 * 0.10 - 2520


TODAY = D(2025, 1, 1)


def told_by_law(rule: str, who: list[dict[str, float]], *, when: date = TODAY, kwh: float = 0.0) -> list[float]:
    """Return what a rule gives each person of one home, or the home."""
    blank = {"wage_cny": 0.0, "pension_cny": 0.0, "age_years": 40.0}
    persons = pl.DataFrame([{"household_id": 1, **blank, **one} for one in who]).with_columns(
        is_under_18=pl.col("age_years") < 18, is_60_plus=pl.col("age_years") >= 60
    )
    home = pl.DataFrame(
        {"household_id": [1], "household_size_persons": [len(who)], "electricity_kwh": [kwh],
         "earner_count": [sum(one.get("wage_cny", 0) > 0 for one in who)]}
    )  # fmt: skip
    frames = apply(persons, home, beijing_rules.book(), parameters=beijing_rules.parameters(), when=when, wanted=rule)
    return next(f for f in frames if rule in f.columns)[rule].to_list()


CHILD, ADULT, OLD = {"age_years": 10.0}, {"wage_cny": 1.0}, {"age_years": 60.0}


@pytest.mark.parametrize(
    ("rule", "who", "expected"),
    [
        # The base of contributions lies between 6,821 and 35,283 a month from July 2024 on; no wage, no contribution
        *(("pension_contribution_cny", [{"wage_cny": wage}], [0.08 * base]) for wage, base in (
            (0, 0), (1, 12 * 6821), (12 * 6821, 12 * 6821), (12 * 6821 + 1, 12 * 6821 + 1),
            (12 * 35283, 12 * 35283), (12 * 35283 + 1, 12 * 35283))),
        ("unemployment_contribution_cny", [{"wage_cny": 100_000}, {"wage_cny": 0}], [500, 0]),
        ("medical_contribution_cny", [{"wage_cny": 100_000}, {"wage_cny": 0}], [2036, 0]),
        ("housing_fund_cny", [{"wage_cny": 10_000}, {"wage_cny": 12 * 35283 + 1}], [1200, 0.12 * 12 * 35283]),
        # 2,000 a month for each child; 3,000 a month for parents, however many (section 22 of the measures of 2018)
        ("family_deduction_cny", [ADULT, CHILD, CHILD], [48_000]),
        ("family_deduction_cny", [ADULT, OLD], [36_000]),
        ("family_deduction_cny", [ADULT, ADULT, OLD, OLD, CHILD], [60_000]),
        # Nobody there supports a parent: the old live by themselves, or with a grandchild
        ("family_deduction_cny", [{"age_years": 62.0, "wage_cny": 50_000}, OLD], [0]),
        ("family_deduction_cny", [{"age_years": 62.0, "wage_cny": 50_000}, CHILD], [24_000]),
        ("family_deduction_cny", [{"age_years": 17.0}, {"age_years": 18.0}], [24_000]),
        # 120,000 - 60,000 - (10.5 % and 36 and 12 %: 27,036) = 32,964; a child's 24,000 is shared by two earners
        ("taxable_income_cny", [{"wage_cny": 120_000}], [32_964]),
        ("taxable_income_cny", [{"wage_cny": 120_000}, {"wage_cny": 120_000}, CHILD], [20_964, 20_964, 0]),
        ("income_tax_cny", [{"wage_cny": 120_000}], [32_964 * 0.03]),
        *(("old_age_allowance_cny", [{"age_years": age}], [12 * month]) for age, month in (
            (79, 0), (80, 100), (89, 100), (90, 500), (99, 500), (100, 800), (105, 800))),
        ("net_income_cny", [{"wage_cny": 120_000}, {"pension_cny": 48_000}], [120_000 - 27_036 - 988.92, 48_000]),
        # 1,450 a month for each person: two need 34,800
        ("minimum_living_cny", [{"pension_cny": 20_000}, OLD], [14_800]),
        ("minimum_living_cny", [{"pension_cny": 34_800}, OLD], [0]),
        ("minimum_living_cny", [{"pension_cny": 34_799}, OLD], [1]),
        # The allowance of the old is not counted against it
        ("disposable_income_cny", [{"pension_cny": 10_000, "age_years": 80.0}], [17_400 + 1200]),
    ],
)  # fmt: skip
def test_each_rule_gives_what_its_law_says_on_either_side_of_its_thresholds(rule, who, expected):
    assert told_by_law(rule, who) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("kwh", "bill"),
    [(0, 0), (2880, 2880 * 0.4883), (2881, 2880 * 0.4883 + 0.5383), (4800, 2880 * 0.4883 + 1920 * 0.5383),
     (4801, 2880 * 0.4883 + 1920 * 0.5383 + 0.7883)],
)  # fmt: skip
def test_the_price_of_a_block_holds_above_its_limit_only(kwh, bill):
    assert told_by_law("electricity_bill_cny", [ADULT], kwh=kwh) == pytest.approx([bill])


@pytest.mark.parametrize(
    ("taxable", "rate", "deduction"),
    [(36_000, 0.03, 0), (36_000, 0.1, 2520), (144_000, 0.1, 2520), (144_000, 0.2, 16_920), (300_000, 0.2, 16_920),
     (300_000, 0.25, 31_920), (420_000, 0.25, 31_920), (420_000, 0.3, 52_920), (660_000, 0.3, 52_920),
     (660_000, 0.35, 85_920), (960_000, 0.35, 85_920), (960_000, 0.45, 181_920), (2_000_000, 0.45, 181_920)],
)  # fmt: skip
def test_income_tax_is_that_of_the_published_quick_deductions_at_both_ends_of_each_bracket(taxable, rate, deduction):
    scale = in_force(beijing_rules.parameters(), D(2025, 1, 1))["income_tax"]
    assert scale(np.array([taxable])) == pytest.approx([taxable * rate - deduction], abs=1e-6)


@pytest.mark.parametrize(
    ("when", "rule", "who", "expected"),
    [
        # A year of contributions begins on the first of July, and its last day is the thirtieth of June
        (D(2023, 6, 30), "pension_contribution_cny", [ADULT], 0.08 * 12 * 5869),
        (D(2023, 7, 1), "pension_contribution_cny", [ADULT], 0.08 * 12 * 6326),
        (D(2022, 12, 31), "family_deduction_cny", [ADULT, OLD, OLD, CHILD], 36_000),
        (D(2023, 1, 1), "family_deduction_cny", [ADULT, OLD, OLD, CHILD], 60_000),
        (D(2018, 12, 31), "family_deduction_cny", [ADULT, OLD, OLD, CHILD], 0),
    ],
)
def test_a_number_holds_on_its_first_and_on_its_last_day(when, rule, who, expected):
    assert told_by_law(rule, who, when=when)[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("rule", "before"),
    [
        ("pension_contribution_cny", D(2019, 4, 30)),
        ("unemployment_contribution_cny", D(2021, 12, 31)),
        ("housing_fund_cny", D(2016, 4, 30)),
        ("income_tax_cny", D(2019, 3, 1)),  # contributions of that day are not known, and are not 0
        ("old_age_allowance_cny", D(2019, 9, 30)),
        ("minimum_living_cny", D(2021, 6, 30)),
        ("electricity_bill_cny", D(2012, 6, 30)),
    ],
)
def test_a_law_whose_numbers_of_a_day_are_not_known_is_an_error_and_not_0(rule, before):
    with pytest.raises(DataError, match="has no value on this day"):
        told_by_law(rule, [{"wage_cny": 100_000.0, "age_years": 85.0}], when=before, kwh=100.0)


def test_a_home_below_the_minimum_is_brought_up_to_it_and_one_above_is_not():
    persons, households = city(1, 400)
    law = beijing_rules.parameters()
    who, homes = apply(persons, households, beijing_rules.book(), parameters=law, when=D(2025, 1, 1))
    net = who.group_by("household_id", maintain_order=True).agg(pl.col("net_income_cny").sum())["net_income_cny"]
    line = 17_400 * homes["household_size_persons"]
    assert (net + homes["minimum_living_cny"] >= line - 1e-6).all()
    assert (homes.filter(net >= line)["minimum_living_cny"] == 0).all()


@settings(max_examples=25)
@given(st.lists(st.floats(0, 2e6), min_size=1, max_size=30))
def test_a_marginal_scale_is_the_sum_over_its_brackets(wages: list[float]):
    scale = in_force(beijing_rules.parameters(), D(2025, 1, 1))["income_tax"]
    edges = [*scale.thresholds, np.inf]
    for wage in wages:
        by_hand = sum(r * max(min(wage, b) - a, 0) for a, b, r in zip(edges, edges[1:], scale.rates, strict=False))
        assert scale(np.array([wage]))[0] == pytest.approx(by_hand, rel=1e-9, abs=1e-9)


def test_a_reform_in_one_pass_is_the_difference_of_two_full_runs(monkeypatch: pytest.MonkeyPatch):
    persons, households = city(2, 900)
    law, book, when = beijing_rules.parameters(), beijing_rules.book(), D(2025, 1, 1)
    reform = amended(law, "minimum_income_cny", 20_000, start=D(2025, 1, 1))
    reform = amended(reform, "income_tax", {0: 0.01, 50_000: 0.2, 500_000: 0.5}, start=D(2025, 1, 1))
    ended = book.ended("old_age_allowance_cny", D(2024, 12, 31))
    wanted = ["income_tax_cny", "old_age_allowance_cny", "housing_fund_cny", "disposable_income_cny"]
    kwargs: dict[str, Any] = dict(parameters=law, when=when, reform_parameters=reform, reform_book=ended, wanted=wanted,
                                  by=["adcode", "income_decile"], winners_of="disposable_income_cny")  # fmt: skip
    told = compare(persons, households, book, **kwargs)
    (p0, h0), (p1, h1) = (
        apply(persons, households, b, parameters=t, when=when) for b, t in ((book, law), (ended, reform))
    )
    by_hand = (
        p0.with_columns(p1["income_tax_cny"].alias("new"))
        .group_by("adcode", "income_decile")
        .agg(pl.col("income_tax_cny").sum(), pl.col("new").sum())
    )
    mine = told.filter(rule="income_tax_cny").join(by_hand, on=["adcode", "income_decile"])
    assert mine.height == 30
    assert (mine["reference"] - mine["income_tax_cny"]).abs().max() < 1e-6
    assert (mine["reform"] - mine["new"]).abs().max() < 1e-6
    assert told.filter(rule="old_age_allowance_cny")["reform"].abs().max() == 0
    assert told.filter(rule="housing_fund_cny")["difference"].abs().max() == 0
    gain = (h1["disposable_income_cny"] - h0["disposable_income_cny"]).to_numpy()
    each = np.repeat(gain, households["household_size_persons"].to_numpy())
    row = told.filter(rule="disposable_income_cny")
    assert (row["n_gaining"].sum(), row["n_losing"].sum()) == ((each > 1e-9).sum(), (each < -1e-9).sum())
    assert row["difference"].sum() == pytest.approx(gain.sum())
    # Many small chunks give the same, to the rounding of a sum.
    monkeypatch.setattr(rules, "_CHUNK", 64)
    parts = compare(persons, households, book, **kwargs)
    assert parts["reform"].to_list() == pytest.approx(told["reform"].to_list(), rel=1e-12, abs=1e-6)
    monkeypatch.setattr(rules.os, "cpu_count", lambda: 1)
    assert compare(persons, households, book, **kwargs).equals(parts), "the number of threads changes no digit"


def test_only_what_hangs_on_the_reform_is_computed_anew():
    law, book, when = beijing_rules.parameters(), beijing_rules.book(), D(2025, 1, 1)
    reform = amended(law, "minimum_income_cny", 20_000, start=when)
    moved = touched(book, book, in_force(law, when), in_force(reform, when), when, book.rules)
    assert moved == {"minimum_living_cny", "disposable_income_cny"}
    assert touched(book, book, in_force(law, when), in_force(law, when), when, book.rules) == frozenset()


def test_no_reform_changes_nothing_at_all():
    persons, households = city(3, 50)
    told = compare(persons, households, beijing_rules.book(), parameters=beijing_rules.parameters(), when=D(2025, 1, 1),
                   wanted=["disposable_income_cny"], winners_of="disposable_income_cny")  # fmt: skip
    assert told.select("difference", "n_gaining", "n_losing").row(0) == (0.0, 0, 0)


# -- bad input

PEOPLE = pl.DataFrame({"household_id": [1, 1, 2], "salary": [1.0, 2.0, 3.0]})
HOMES = pl.DataFrame({"household_id": [1, 2]})


@pytest.mark.parametrize(
    ("persons", "homes", "error", "said"),
    [
        (PEOPLE[[0, 2, 1]], HOMES, DataError, "household by household"),
        (PEOPLE, HOMES.head(1), DataError, "found 2 runs of persons for 1 households"),
        (PEOPLE, pl.concat([HOMES, HOMES]), DataError, "stands twice"),
        (PEOPLE.with_columns(salary=pl.lit(None, dtype=pl.Float64)), HOMES, DataError, "have no 'salary'"),
        (PEOPLE.with_columns(salary=pl.lit("x")), HOMES, SchemaError, "needs numbers"),
        (
            PEOPLE.with_columns(salary=pl.lit(float("nan"))),
            HOMES,
            DataError,
            "3 rows have a 'salary' that is no finite",
        ),
        (PEOPLE.drop("salary"), HOMES, UnknownNameError, "salary"),
        (PEOPLE, HOMES.with_columns(salary=1.0), SchemaError, "of persons and of households"),
        (PEOPLE.clear(), HOMES.clear(), DataError, "none to rule"),
    ],
)
def test_people_that_do_not_fit_their_households_are_refused(persons, homes, error, said):
    with pytest.raises(error, match=said):
        apply(persons, homes, TEMPLATE, parameters=LAW, when=D(2017, 1, 1), wanted=["income_tax"])


def test_parameters_that_contradict_or_lack_are_told():
    twice = pl.concat([LAW, LAW.filter(parameter="tax_rate")])
    with pytest.raises(DataError, match="'tax_rate' has 2 values on 2017-01-01"):
        in_force(twice, D(2017, 1, 1))
    with pytest.raises(DataError, match="'tax_rate' has no value on this day"):
        early = Rule("t", "person", ("salary",), ("tax_rate",), ((D(2000, 1, 1), lambda x, p: p["tax_rate"]),))
        apply(PEOPLE, HOMES, RuleBook([early]), parameters=LAW, when=D(2014, 1, 1))
    with pytest.raises(UnknownNameError, match="Nearest: 'tax_rate'"):
        amended(LAW, "taxrate", 1, start=D(2026, 1, 1))
    with pytest.raises(UnknownNameError, match="income_taxes"):
        TEMPLATE.order(["income_taxes"])
    circle = [
        Rule(a, "person", (b,), (), ((D(2000, 1, 1), lambda x, p, b=b: x[b]),)) for a, b in (("a", "b"), ("b", "a"))
    ]
    with pytest.raises(SchemaError, match="in a circle: a -> b -> a"):
        RuleBook(circle)


def test_an_amendment_leaves_the_table_and_the_years_before_it_alone():
    before = LAW.clone()
    reform = amended(LAW, "contribution", {0: 0.5}, start=D(2020, 1, 1))
    assert LAW.equals(before)
    assert in_force(reform, D(2019, 12, 31))["contribution"] == in_force(LAW, D(2019, 12, 31))["contribution"]
    assert in_force(reform, D(2020, 1, 1))["contribution"] == Scale(np.array([0.0]), np.array([0.5]))


@pytest.mark.parametrize("kind", [pl.Float32, pl.Int16, pl.UInt32, pl.Decimal(12, 2)])
def test_the_type_of_a_number_changes_nothing(kind):
    persons = PEOPLE.with_columns(salary=pl.Series([12_000, 100, 15_000]).cast(kind))
    told, _ = apply(persons, HOMES, TEMPLATE, parameters=LAW, when=D(2013, 1, 1), wanted="contribution")
    assert told["contribution"].to_list() == pytest.approx([360, 3, 660])


def test_lazy_people_give_lazy_people_and_one_rule_may_be_named_alone():
    kwargs: dict[str, Any] = dict(parameters=LAW, when=D(2017, 1, 1), wanted="income_tax")
    lazy, home = apply(PEOPLE.lazy(), HOMES, TEMPLATE, **kwargs)
    assert isinstance(lazy, pl.LazyFrame) and isinstance(home, pl.DataFrame)
    assert lazy.collect().equals(apply(PEOPLE, HOMES, TEMPLATE, **kwargs)[0])
    told = compare(PEOPLE.lazy(), HOMES.lazy(), TEMPLATE, **kwargs)
    assert isinstance(told, pl.LazyFrame)
    assert told.collect().equals(compare(PEOPLE, HOMES, TEMPLATE, **kwargs))


def test_a_day_that_is_none_is_an_error():
    with pytest.raises(SchemaError, match=r"The day is '2017-01-01'; expected a date"):
        apply(PEOPLE, HOMES, TEMPLATE, parameters=LAW, when="2017-01-01", wanted="income_tax")  # type: ignore[arg-type]
