"""What residents of Beijing pay and get by law, as twelve rules: contributions, income tax, allowances, one bill.

The numbers stand with dates and marks in the declared table ``rules_beijing``; most are secondary. A day before a
number begins is an error; all twelve can be had from 2022-07-01 on. Amounts are those of twelve months under the law
of one day. The rules are simplified, as each says, and serve to compare a law with a reform of it, not to assess a
person's tax.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache

import numpy as np
import polars as pl

from citylab import tables
from citylab.policy.rules import Array, Parameters, Rule, RuleBook

X = Mapping[str, Array]
_ELDERLY = ((80, "allowance_80_cny"), (90, "allowance_90_cny"), (100, "allowance_100_cny"))
_FAMILY = date(2019, 1, 1)
_ALWAYS = date.min
"""Older than any number of the table: a day before the first one is an error and not a law that asks for nothing."""


def parameters() -> pl.DataFrame:
    """Return the declared numbers of the rules.

    Examples
    --------
    >>> parameters().filter(parameter="income_tax")["value"].max()
    0.45
    """
    return tables.read("rules_beijing")


def _base(x: X, p: Parameters) -> Array:
    return np.where(x["wage_cny"] > 0, np.clip(x["wage_cny"], p["base_floor_cny"], p["base_ceiling_cny"]), 0.0)


def _pension(x: X, p: Parameters) -> Array:
    return p["pension_rate"] * _base(x, p)


def _unemployment(x: X, p: Parameters) -> Array:
    return p["unemployment_rate"] * _base(x, p)


def _medical(x: X, p: Parameters) -> Array:
    return p["medical_rate"] * _base(x, p) + p["medical_fixed_cny"] * (x["wage_cny"] > 0)


def _fund(x: X, p: Parameters) -> Array:
    return p["fund_rate"] * np.minimum(x["wage_cny"], p["base_ceiling_cny"])


def _family(x: X, p: Parameters) -> Array:
    # One sum for all parents together, and only where somebody of working age lives with them
    between = x["household_size_persons"] - x["is_under_18"] - x["is_60_plus"]
    is_supporting = (x["is_60_plus"] > 0) & (between > 0)
    return p["child_deduction_cny"] * x["is_under_18"] + p["elder_deduction_cny"] * is_supporting


def _taxable(x: X, p: Parameters) -> Array:
    earners = np.maximum(x["earner_count"], 1)
    paid = x["pension_contribution_cny"] + x["unemployment_contribution_cny"]
    paid = paid + x["medical_contribution_cny"] + x["housing_fund_cny"]
    left = x["wage_cny"] - p["basic_deduction_cny"] - paid - x["family_deduction_cny"] / earners
    return np.maximum(left, 0.0)


def _income_tax(x: X, p: Parameters) -> Array:
    return np.asarray(p["income_tax"](x["taxable_income_cny"]), dtype=np.float64)


def _old_age(x: X, p: Parameters) -> Array:
    due = np.zeros(len(x["age_years"]))
    for least, name in _ELDERLY:
        due = np.where(x["age_years"] >= least, p[name], due)
    return due


def _net(x: X, p: Parameters) -> Array:
    paid = x["pension_contribution_cny"] + x["unemployment_contribution_cny"]
    paid = paid + x["medical_contribution_cny"] + x["housing_fund_cny"] + x["income_tax_cny"]
    return x["wage_cny"] + x["pension_cny"] - paid


def _minimum(x: X, p: Parameters) -> Array:
    return np.maximum(p["minimum_income_cny"] * x["household_size_persons"] - x["net_income_cny"], 0.0)


def _bill(x: X, p: Parameters) -> Array:
    return np.asarray(p["electricity_tariff"](x["electricity_kwh"]), dtype=np.float64)


def _disposable(x: X, p: Parameters) -> Array:
    return x["net_income_cny"] + x["old_age_allowance_cny"] + x["minimum_living_cny"] - x["electricity_bill_cny"]


@cache
def book() -> RuleBook:
    """Return the twelve rules.

    Inputs of persons: ``wage_cny``, ``pension_cny`` (a year), ``age_years``, ``is_under_18``, ``is_60_plus``; of
    households: ``earner_count``, ``household_size_persons``, ``electricity_kwh`` (a year).

    Examples
    --------
    >>> len(book().rules), book().rules["income_tax_cny"].entity
    (12, 'person')
    """
    base = ("base_floor_cny", "base_ceiling_cny")
    contributions = (
        "pension_contribution_cny", "unemployment_contribution_cny", "medical_contribution_cny", "housing_fund_cny",
    )  # fmt: skip
    return RuleBook([
        Rule("pension_contribution_cny", "person", ("wage_cny",), ("pension_rate", *base),
             ((_ALWAYS, _pension),), label_zh="养老保险个人缴费", label_en="Pension contribution",
             reference="社会保险法；职工个人部分，灵活就业未计"),
        Rule("unemployment_contribution_cny", "person", ("wage_cny",), ("unemployment_rate", *base),
             ((_ALWAYS, _unemployment),), label_zh="失业保险个人缴费", label_en="Unemployment contribution",
             reference="社会保险法"),
        Rule("medical_contribution_cny", "person", ("wage_cny",), ("medical_rate", "medical_fixed_cny", *base),
             ((_ALWAYS, _medical),), label_zh="医疗保险个人缴费", label_en="Health contribution",
             reference="北京市基本医疗保险规定"),
        Rule("housing_fund_cny", "person", ("wage_cny",), ("fund_rate", "base_ceiling_cny"),
             ((_ALWAYS, _fund),), label_zh="住房公积金个人缴存", label_en="Housing fund",
             reference="住房公积金管理条例；缴存比例取上限"),
        Rule("family_deduction_cny", "household", ("is_under_18", "is_60_plus", "household_size_persons"),
             ("child_deduction_cny", "elder_deduction_cny"), ((_FAMILY, _family),), label_zh="家庭专项附加扣除",
             label_en="Family deductions",
             reference="个人所得税专项附加扣除暂行办法；子女按人计；赡养老人不论几位只计一份；只计同住的子女与老人"),
        Rule("taxable_income_cny", "person", ("wage_cny", *contributions, "family_deduction_cny", "earner_count"),
             ("basic_deduction_cny",), ((_ALWAYS, _taxable),), label_zh="应纳税所得额", label_en="Taxable income",
             reference="个人所得税法（2018 修正）；家庭扣除在有工资者间均分"),
        Rule("income_tax_cny", "person", ("taxable_income_cny",), ("income_tax",), ((_ALWAYS, _income_tax),),
             label_zh="个人所得税", label_en="Income tax", reference="个人所得税法（2018 修正）附表一"),
        Rule("old_age_allowance_cny", "person", ("age_years",), tuple(n for _, n in _ELDERLY),
             ((_ALWAYS, _old_age),), label_zh="高龄老年人津贴", label_en="Old-age allowance",
             reference="北京市老年人养老服务补贴津贴管理实施办法（2019）"),
        Rule("net_income_cny", "person", ("wage_cny", "pension_cny", *contributions, "income_tax_cny"), (),
             ((_ALWAYS, _net),), label_zh="税费后收入", label_en="Income after tax and contributions"),
        Rule("minimum_living_cny", "household", ("household_size_persons", "net_income_cny"), ("minimum_income_cny",),
             ((_ALWAYS, _minimum),), label_zh="最低生活保障金", label_en="Minimum living allowance",
             reference="社会救助暂行办法；按收入差额，未查财产"),
        Rule("electricity_bill_cny", "household", ("electricity_kwh",), ("electricity_tariff",), ((_ALWAYS, _bill),),
             label_zh="居民电费", label_en="Electricity bill", reference="北京市居民阶梯电价"),
        Rule("disposable_income_cny", "household",
             ("net_income_cny", "old_age_allowance_cny", "minimum_living_cny", "electricity_bill_cny"), (),
             ((_ALWAYS, _disposable),), label_zh="可支配收入（扣电费）", label_en="Disposable income after the bill"),
    ])  # fmt: skip
