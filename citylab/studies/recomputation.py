"""Claims of plan texts computed again from embedded data, published figures and arithmetic.

Each case takes the claim's number from the register, the other side from the embedded data sets and from the declared
table ``claims_figures``, and says what follows. Some cases decide a claim, others only give its scale. A claimed number
is never an input of anything but its own case.
"""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from citylab import catalog, files, settings, tables
from citylab.carbon import indicators
from citylab.errors import DataError, SchemaError, suggest
from citylab.settings import Language
from citylab.viz import numbers

REGISTER = "plans__undated_plan_claim"
CITY = "bjstats__yearly_city_indicator"
CENSUS = "bjstats__census_district_population"
INTERNET = "cnnic__halfyearly_country_internet"
CO2_OF_YEARS = "carbonmonitor__yearly_city_co2"
CO2_OF_MONTHS = "carbonmonitor__monthly_province_co2"
LOCODE, PROVINCE, PARENT = "CN BJS", "Beijing", "110000"
PILOT_AREAS = ("133100", "zgc_science_city", "future_science_city")
"""Areas of the roll-out's first stage, as the table ``functional_areas`` calls them."""

INTERVALS = ("rounding", "wording", "inputs", "exact", "none")
"""Where an interval comes from: digits of the printed figures, their words (over 80 %), ranges of inputs; ``exact`` is
a count or a date, ``none`` that the publisher gives no interval."""
ROLES = ("claim", "other_claim", "found", "derived")
"""What a compared row is: the claim, the number of another text, a published or counted figure, or computed from such
figures."""

_PCT = 100.0
_YI_PER_TRILLION = 1e4  # 亿元 in 万亿元
_PERSONS_PER_10K = 1e4
_ROW = {"role": pl.String, "label_zh": pl.String, "label_en": pl.String, "value": pl.Float64, "low": pl.Float64,
        "high": pl.Float64, "unit_zh": pl.String, "unit_en": pl.String}  # fmt: skip
_FIGURES = ("figure", "value", "low", "high", "date")


class Span(NamedTuple):
    """A value with the least and the most that its source allows."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Recomputation:
    """A claim held against data.

    Attributes
    ----------
    claim_id
        Claim of the register (``c..``) or claim without a number (``d..``).
    quantity_zh, quantity_en
        What ``value`` is.
    value, low, high, unit_zh, unit_en
        The figure found, and its interval; where ``interval`` is ``none`` there is no ``low`` and no ``high``.
    interval
        One of :data:`INTERVALS`.
    n
        Figures compared with the claim.
    finding
        Status that follows (see :data:`citylab.studies.claims.STATUSES`), or ``None`` where data give the scale only.
    verdict_zh, verdict_en
        What follows, in a sentence or two.
    compared
        The claim and the figures beside it in one unit: ``role`` (of :data:`ROLES`), ``label_zh``, ``label_en``,
        ``value``, ``low``, ``high``, ``unit_zh``, ``unit_en``.
    sources
        Data sets and declared tables that were read: id, vintage, SHA-256 of the file.
    """

    claim_id: str
    quantity_zh: str
    quantity_en: str
    value: float
    low: float | None
    high: float | None
    unit_zh: str
    unit_en: str
    interval: str
    n: int
    finding: str | None
    verdict_zh: str
    verdict_en: str
    compared: pl.DataFrame = field(repr=False)
    sources: tuple[tuple[str, str, str], ...] = field(repr=False)

    def verdict(self, lang: Language | None = None) -> str:
        """Return the verdict in a language; default: the ``CITYLAB_LANG`` setting."""
        return self.verdict_zh if (lang or settings.language()) == "zh" else self.verdict_en

    def tidy(self) -> pl.DataFrame:
        """Return one row: the figure, its interval, n, finding, verdicts, sources."""
        names = ("claim_id", "quantity_zh", "quantity_en", "value", "low", "high", "unit_zh", "unit_en", "interval",
                 "n", "finding", "verdict_zh", "verdict_en")  # fmt: skip
        told = {n: [getattr(self, n)] for n in names}
        schema = {"low": pl.Float64, "high": pl.Float64, "finding": pl.String}
        return pl.DataFrame(
            told | {"sources": [" | ".join(f"{i} {v} sha256:{h}" for i, v, h in self.sources)]}, schema_overrides=schema
        )

    def _repr_html_(self) -> str:
        zh = settings.language() == "zh"
        end = "_zh" if zh else "_en"
        rows = "".join(
            "<tr><td "
            f"style='text-align:left'>{html.escape(r['label' + end])}</td><td>{numbers.figures(r['value'])}</td><td "
            f"style='text-align:left'>{html.escape(r['unit' + end])}</td></tr>"
            for r in self.compared.iter_rows(named=True)
        )
        return f"<p><b>{self.claim_id}</b> {html.escape(self.verdict())}</p><table>{rows}</table>"


class _Found(NamedTuple):
    """What a case returns; the rest of a :class:`Recomputation` is filled in for it."""

    quantity: tuple[str, str]
    unit: tuple[str, str]
    span: Span
    interval: str
    finding: str | None
    verdict: tuple[str, str]
    rows: list[tuple[str, str, str, Span]]


class _Reader:
    """Gives a case its inputs, and remembers what it read."""

    def __init__(self, claim_id: str, figures: pl.DataFrame | None, asof: dt.date | None) -> None:
        self.claim_id = claim_id
        self.read: dict[str, None] = {}
        self._figures = figures
        self._asof = asof

    def claim(self, claim_id: str | None = None) -> dict[str, Any]:
        """Return a row of the register; by default that of the case."""
        return self.table(REGISTER).row(by_predicate=pl.col("claim_id") == (claim_id or self.claim_id), named=True)

    def claimed(self, claim_id: str | None = None) -> float:
        return float(self.claim(claim_id)["value"])

    def table(self, dataset: str) -> pl.DataFrame:
        self.read[dataset] = None
        return _collected(dataset, catalog.fetch(dataset).stat().st_mtime_ns)

    def code(self, name: str) -> pl.DataFrame:
        self.read[f"codes/{name}"] = None
        return tables.read(name)

    def figure(self, name: str) -> Span:
        row = self._row(name)
        return Span(*(float(row[c]) for c in ("value", "low", "high")))

    def day(self, name: str) -> dt.date:
        found: dt.date = self._row(name)["date"]
        return found

    def _row(self, name: str) -> dict[str, Any]:
        rows = self.code("claims_figures") if self._figures is None else self._figures
        lost = [c for c in _FIGURES if c not in rows.columns]
        if lost:
            raise SchemaError(f"The figures lack the columns {lost}; they have {rows.columns}. See claims_figures.")
        found = rows.filter(figure=name)
        if found.height != 1:
            raise suggest(name, rows["figure"].to_list(), what="figure", see="the table claims_figures")
        return found.row(0, named=True)

    def series(self, indicator: str) -> dict[int, float]:
        """Return an indicator of the city by year, in its own unit."""
        rows = self.table(CITY).filter(pl.col("indicator") == indicator, pl.col("month").is_null()).sort("year")
        return dict(rows.select("year", "value").iter_rows())

    def asof(self) -> dt.date:
        """Return the day asked for, or the day on which the register's evidence was read."""
        self.read[REGISTER] = None
        return self._asof or catalog.declaration(REGISTER).accessed

    def sources(self) -> tuple[tuple[str, str, str], ...]:
        told = []
        for name in self.read:
            if name.startswith("codes/"):
                path, vintage = settings.datasets_dir() / f"{name}.csv", ""
            else:
                path, vintage = catalog.fetch(name), catalog.declaration(name).version
            told.append((name, vintage, _hash(path, path.stat().st_mtime_ns)))
        return tuple(told)


@lru_cache(maxsize=32)
def _collected(dataset: str, _changed: int) -> pl.DataFrame:
    return catalog.scan(dataset).collect()


@lru_cache(maxsize=64)
def _hash(path: Path, _changed: int) -> str:
    return files.sha256(path)


_CASES: dict[str, Callable[[_Reader], _Found]] = {}


def _case(*claim_ids: str) -> Callable[[Callable[[_Reader], _Found]], Callable[[_Reader], _Found]]:
    def keep(work: Callable[[_Reader], _Found]) -> Callable[[_Reader], _Found]:
        for claim_id in claim_ids:
            _CASES[claim_id] = work
        return work

    return keep


def recomputable() -> tuple[str, ...]:
    """Return the claims on which embedded data or arithmetic bear, sorted.

    Examples
    --------
    >>> "c31" in recomputable(), "c20" in recomputable()
    (True, False)
    """
    return tuple(sorted(_CASES))


def recompute(claim_id: str, *, figures: pl.DataFrame | None = None, asof: dt.date | None = None) -> Recomputation:
    """Return a claim held against embedded data, published figures and arithmetic.

    Parameters
    ----------
    claim_id
        One of :func:`recomputable`.
    figures
        Published figures to use in place of the declared table ``claims_figures``, with columns ``figure``, ``value``,
        ``low``, ``high`` and ``date``.
    asof
        Day to which a lag is counted (claim c60); default: the day on which the register's evidence was read. Nothing
        else depends on it.

    Raises
    ------
    UnknownNameError
        No data bear on this claim, or the figures lack one.
    SchemaError
        The figures lack a column, or ``asof`` is no date.
    DataError
        ``asof`` lies before the last day of the data, or the figures name a year from which there are none.

    Examples
    --------
    >>> found = recompute("c51")
    >>> found.finding, round(found.value), round(5_000_000 / found.value, 1)
    ('contradicted', 2591507, 1.9)
    """
    if claim_id not in _CASES:
        raise suggest(claim_id, _CASES, what="claim that data bear on", see="citylab.studies.claims.recomputable()")
    if asof is not None and type(asof) is not dt.date:
        raise SchemaError(f"asof is {asof!r}; expected a datetime.date, such as datetime.date(2026, 1, 1).")
    reader = _Reader(claim_id, figures, asof)
    found = _CASES[claim_id](reader)

    def ends(span: Span) -> tuple[float | None, float | None]:
        return (None, None) if found.interval == "none" else (span.low, span.high)

    rows = [(role, zh, en, s.value, *ends(s), *found.unit) for role, zh, en, s in found.rows]
    n = sum(role != "claim" for role, *_ in rows)
    return Recomputation(
        claim_id, *found.quantity, found.span.value, *ends(found.span), *found.unit, found.interval, n, found.finding,
        *found.verdict, pl.DataFrame(rows, schema=_ROW, orient="row"), reader.sources(),
    )  # fmt: skip


# arithmetic -----------------------------------------------------------------------------------------------------------


def rounding(printed: float) -> Span:
    """Return what a printed decimal may stand for: half a unit of its last digit to either side.

    Examples
    --------
    >>> rounding(1.5)
    Span(value=1.5, low=1.45, high=1.55)
    """
    exact = Decimal(str(printed))
    exponent = exact.as_tuple().exponent
    half = Decimal(5).scaleb(int(exponent) - 1)
    return Span(printed, float(exact - half), float(exact + half))


def ratio(one: Span, other: Span) -> Span:
    """Return the quotient of two positive spans, from the least to the most.

    Examples
    --------
    >>> ratio(Span(6, 5, 7), Span(2, 2, 2.5))
    Span(value=3.0, low=2.0, high=3.5)
    """
    return Span(one.value / other.value, one.low / other.high, one.high / other.low)


def product(one: Span, other: Span) -> Span:
    """Return the product of two positive spans, from the least to the most."""
    return Span(one.value * other.value, one.low * other.low, one.high * other.high)


def times(span: Span, factor: float) -> Span:
    """Return a span in another unit."""
    return Span(*(v * factor for v in span))


def exactly(value: float) -> Span:
    """Return a count or a figure taken as exact."""
    return Span(value, value, value)


def time_saved(more_share: float) -> float:
    """Return the share of time saved when so much more is done in the same time: not the same number.

    Examples
    --------
    >>> round(time_saved(0.25), 3), time_saved(3.0)
    (0.2, 0.75)
    """
    return more_share / (1 + more_share)


def predictive_value(sensitivity: float, specificity: float, prevalence: float) -> float:
    """Return the share of positive results that are right (Bayes' rule).

    Examples
    --------
    >>> round(predictive_value(0.92, 0.92, 0.5), 2)
    0.92
    """
    right = sensitivity * prevalence
    return right / (right + (1 - specificity) * (1 - prevalence))


def _meets(one: Span, other: Span) -> bool:
    return one.low <= other.high and other.low <= one.high


_n = numbers.figures


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")


# the texts against themselves and against documents -------------------------------------------------------------------


@_case("c05")
def _fields_of_fusion(r: _Reader) -> _Found:
    claim, headings = r.claimed(), r.figure("headings_of_fields")
    parts = [r.figure(f"summary_{p}_fields") for p in ("infrastructure", "application")]
    summary = exactly(sum(p.value for p in parts))
    agree = claim == headings.value == summary.value
    return _Found(
        ("小结列出的领域数", "Fields that the summary lists"), ("个领域", "fields"), summary, "exact",
        None if agree else "inconsistent",
        (f"正文标题 {_whole(headings.value)} 个，小结却列出 {_whole(parts[0].value)} 加 {_whole(parts[1].value)} 个："
         "同一文本两个数。",
         f"The text has {_whole(headings.value)} headings, and its summary lists {_whole(parts[0].value)} plus "
         f"{_whole(parts[1].value)} fields: two numbers in one text."),
        [("claim", "声明", "Claim", exactly(claim)), ("found", "正文标题", "Headings", headings),
         ("derived", "小结", "Summary", summary)],
    )  # fmt: skip


def _two_texts(r: _Reader, one: str, other: str, what: tuple[str, str], unit: tuple[str, str]) -> _Found:
    first, second = r.claim(one), r.claim(other)
    a, b = float(first["value"]), float(second["value"])
    return _Found(
        (f"两篇文本之差：{what[0]}", f"Difference between two texts: {what[1]}"), unit, exactly(abs(a - b)), "exact",
        None,
        (f"{first['plan']} 号文本为 {_whole(a)}，{second['plan']} 号文本为 {_whole(b)}；两个数都不是官方口径，"
         "计数单位也可能不同，使用时两种规模都应试算。",
         f"Text {first['plan']} says {_whole(a)}, text {second['plan']} says {_whole(b)}; neither is official and "
         "they may count different things: try both sizes."),
        [("claim" if c["claim_id"] == r.claim_id else "other_claim", f"{c['plan']} 号文本", f"Text {c['plan']}",
          exactly(float(c["value"]))) for c in (first, second)],
    )  # fmt: skip


@_case("c22", "c48")
def _services(r: _Reader) -> _Found:
    return _two_texts(r, "c22", "c48", ("服务事项", "service items"), ("项", "items"))


@_case("c23", "c38")
def _departments(r: _Reader) -> _Found:
    found = _two_texts(r, "c23", "c38", ("部门", "departments"), ("个部门", "departments"))
    chain = {r.day(f): r.figure(f) for f in ("departments_on_chain_2020", "departments_on_chain_2024")}
    told = "，".join(f"{d:%Y-%m} 有 {_whole(s.value)} 个" for d, s in chain.items())
    said = " and ".join(f"{_whole(s.value)} in {d:%Y-%m}" for d, s in chain.items())
    return found._replace(
        verdict=(f"{found.verdict[0]}另一系统可作参照：市目录区块链{told}市级部门。",
                 f"{found.verdict[1]} Another system for comparison: the city's catalogue chain held {said}."),
        rows=[*found.rows,
              *(("found", f"目录区块链 {d:%Y-%m}", f"Catalogue chain {d:%Y-%m}", s) for d, s in chain.items())],
    )  # fmt: skip


@_case("c25")
def _day_of_issue(r: _Reader) -> _Found:
    claim, issued = r.claim()["due_date"], r.day("rule_issued")
    days = float((claim - issued).days)
    return _Found(
        ("所称日期晚于印发日期的天数", "Days by which the stated day is later than the issue"), ("天", "days"),
        exactly(days), "exact", "contradicted" if days else "verified",
        (f"文件于 {issued} 印发，比所称的 {claim} 早 {_whole(days)} 天。",
         f"The document was issued on {issued}, {_whole(days)} days before the stated {claim}."),
        [("claim", "声明", "Claim", exactly(0.0)), ("found", "印发", "Issue", exactly(-days))],
    )  # fmt: skip


@_case("c28")
def _fields_of_standard(r: _Reader) -> _Found:
    claim = r.claimed()
    draft, now, before = (r.figure(f) for f in ("fields_of_draft_standard", "fields_of_standard_2022",
                                                "fields_of_standard_2016"))  # fmt: skip
    return _Found(
        ("征求意见稿的领域数", "Fields of the draft"), ("个领域", "fields"), draft, "exact",
        "verified" if claim == draft.value else "contradicted",
        (f"征求意见稿为 {_whole(draft.value)} 个领域；现行 2022 版为 {_whole(now.value)} 个，2016 版为 "
         f"{_whole(before.value)} 个，引用时须写明版本。",
         f"The draft has {_whole(draft.value)} fields; the edition in force, of 2022, has {_whole(now.value)} and "
         f"that of 2016 {_whole(before.value)}: name the edition."),
        [("claim", "声明", "Claim", exactly(claim)), ("found", "征求意见稿", "Draft", draft),
         ("found", "2022 版", "Edition of 2022", now), ("found", "2016 版", "Edition of 2016", before)],
    )  # fmt: skip


@_case("c75")
def _length(r: _Reader) -> _Found:
    claim, all_of_it, chinese = r.claimed(), r.figure("characters_of_text"), r.figure("chinese_characters_of_text")
    wrong = claim not in (all_of_it.value, chinese.value)
    return _Found(
        ("不计空白的字符数", "Characters without spaces"), ("个字符", "characters"), all_of_it, "exact",
        "contradicted" if wrong else "verified",
        (f"实有 {_whole(all_of_it.value)} 个字符，其中汉字 {_whole(chinese.value)} 个；自称 {_whole(claim)} 个。",
         f"It has {_whole(all_of_it.value)} characters, {_whole(chinese.value)} of them Chinese; it claims "
         f"{_whole(claim)}."),
        [("claim", "声明", "Claim", exactly(claim)), ("found", "全部字符", "All characters", all_of_it),
         ("found", "汉字", "Chinese characters", chinese)],
    )  # fmt: skip


@_case("c83")
def _reports(r: _Reader) -> _Found:
    years = r.figure("plan_period_years")
    monthly, quarterly = (product(r.figure(f"reports_per_year_{k}"), years) for k in ("monthly", "quarterly"))
    total = exactly(monthly.value + quarterly.value)
    return _Found(
        ("计划期内应有的报告数", "Reports owed over the plan period"), ("份", "reports"), total, "exact", None,
        (f"2021 至 2025 年应有月报 {_whole(monthly.value)} 份、季评 {_whole(quarterly.value)} 份；公开的份数没有数据。",
         f"2021-2025 owe {_whole(monthly.value)} monthly reports and {_whole(quarterly.value)} quarterly assessments; "
         "how many were made public is not known."),
        [("derived", "月报", "Monthly", monthly), ("derived", "季评", "Quarterly", quarterly)],
    )  # fmt: skip


# places ---------------------------------------------------------------------------------------------------------------


def _districts(r: _Reader) -> tuple[Span, Span, int]:
    """Return the districts in force, those of the last census, and its year."""
    now = r.code("districts").filter(pl.col("valid_to").is_null()).height
    last = r.table(CENSUS).filter(pl.col("year") == pl.col("year").max())
    return exactly(now), exactly(last.height), int(last["year"][0])


@_case("c24")
def _districts_connected(r: _Reader) -> _Found:
    claim, (now, census, _) = exactly(r.claimed()), _districts(r)
    share = times(ratio(claim, now), _PCT)
    return _Found(
        ("占全市区数的比例", "Share of the city's districts"), ("%", "%"), share, "exact", None,
        (f"{_whole(claim.value)} 个区为全市 {_whole(now.value)} 个区的 {share.value:.1f}%；是哪几个区没有数据。",
         f"{_whole(claim.value)} are {share.value:.1f} % of the city's {_whole(now.value)} districts; which ones is "
         "not known."),
        [("claim", "声明", "Claim", share), ("found", "全部区", "All districts", times(ratio(census, now), _PCT))],
    )  # fmt: skip


@_case("c39", "c63")
def _all_districts(r: _Reader) -> _Found:
    claim, (now, census, year) = r.claimed(), _districts(r)
    right = claim == now.value == census.value
    count_only = r.claim_id == "c39"
    return _Found(
        ("北京市的区", "Districts of Beijing"), ("个区", "districts"), now, "exact",
        ("verified" if right else "contradicted") if count_only else None,
        (f"行政区划和 {year} 年人口普查都有 {_whole(now.value)} 个区：个数{'相符' if right else '不符'}；"
         "是否做到没有数据。",
         f"The code list and the census of {year} have {_whole(now.value)} districts: the count "
         f"{'agrees' if right else 'disagrees'}; whether it was done is not known."),
        [("claim", "声明", "Claim", exactly(claim)), ("found", "行政区划代码", "Code list", now),
         ("found", f"{year} 年人口普查", f"Census of {year}", census)],
    )  # fmt: skip


@_case("c62")
def _pilot_areas(r: _Reader) -> _Found:
    named = r.code("functional_areas").filter(pl.col("area_id").is_in(PILOT_AREAS))
    inside = exactly(named.filter(parent_adcode=PARENT).height)
    return _Found(
        ("在北京市内的试点区域", "Pilot areas inside Beijing"), ("个区域", "areas"), inside, "exact", None,
        (f"所列 {named.height} 处中 {_whole(inside.value)} 处在北京；雄安新区属河北省，北京的统计不覆盖它。",
         f"{_whole(inside.value)} of the {named.height} areas lie in Beijing; Xiong'an belongs to Hebei, and "
         "Beijing's statistics leave it out."),
        [("claim", "所列区域", "Areas named", exactly(named.height)), ("found", "在北京", "In Beijing", inside)],
    )  # fmt: skip


# people ---------------------------------------------------------------------------------------------------------------


@_case("c51")
def _pupils(r: _Reader) -> _Found:
    claim, young = exactly(r.claimed()), r.figure("residents_aged_0_14")
    year = r.day("residents_aged_0_14").year
    of_school, ages = r.figure("ages_of_school").value, r.figure("ages_0_14").value
    # ages 6 to 17 if each year of age were as many as those up to 14 are on average
    school = times(young, of_school / ages)
    more = claim.value > young.value and claim.value > school.value
    return _Found(
        (f"0 至 14 岁常住人口（{year} 年）", f"Residents aged 0-14 in {year}"), ("人", "persons"), young, "exact",
        "contradicted" if more else None,
        (f"{year} 年 0 至 14 岁常住人口 {_whole(young.value)} 人，声明为其 {claim.value / young.value:.1f} 倍；"
         f"若各年龄人数相等，6 至 17 岁约 {_n(school.value)} 人。",
         f"Residents aged 0-14 were {_whole(young.value)} in {year}; the claim is {claim.value / young.value:.1f} "
         f"times as many. If every year of age were as large, ages 6-17 would be about {_n(school.value)}."),
        [("claim", "声明", "Claim", claim), ("found", "0 至 14 岁", "Aged 0-14", young),
         ("derived", "6 至 17 岁（各年龄相等时）", "Aged 6-17, if all years are equal", school)],
    )  # fmt: skip


@_case("c53")
def _older_people(r: _Reader) -> _Found:
    claim, year = exactly(r.claimed()), int(r.table(CENSUS).get_column("year").max())  # type: ignore[arg-type]
    share = times(rounding(r.series("share_60plus")[year]), 1 / _PCT)
    people = product(share, exactly(r.series("resident_population")[year] * _PERSONS_PER_10K))
    counted = r.figure("residents_aged_60_plus")
    part = times(ratio(claim, counted), _PCT)
    return _Found(
        (f"占 60 岁及以上常住人口的比例（{year} "
         f"年）", f"Share of the residents aged 60 and over in {year}"), ("%", "%"),
        part, "exact", None,
        (f"为 {year} 年 60 岁及以上常住人口 {_whole(counted.value)} 人的 {part.value:.1f}%，作为一部分说得通；"
         "系统里实有多少人没有数据。",
         f"{part.value:.1f} % of the {_whole(counted.value)} residents aged 60 and over in {year}: plausible as a "
         "part; how many are in the system is not known."),
        [("claim", "声明", "Claim", part), ("found", "普查公报", "Census communiqué", exactly(_PCT)),
         ("derived", "由占比和常住人口推算", "From share and residents", times(ratio(people, counted), _PCT))],
    )  # fmt: skip


@_case("c55")
def _volunteer_hours(r: _Reader) -> _Found:
    hours, people = r.claimed(), r.claimed("c53")
    each = exactly(hours / people)
    return _Found(
        ("平均每位老年人的小时数", "Hours for each older person"), ("小时", "hours"), each, "exact", None,
        (f"若按同段的 {_whole(people)} 位老年人平均，每人 {each.value:.1f} 小时；两个数都来自文本。",
         f"{each.value:.1f} hours for each of the {_whole(people)} older people of the same paragraph; both numbers "
         "are the text's."),
        [("derived", "每人小时数", "Hours each", each)],
    )  # fmt: skip


@_case("c70")
def _older_people_online(r: _Reader) -> _Found:
    claim = r.claimed()
    rows = r.table(INTERNET).drop_nulls("internet_use_60plus_pct").sort("month_start")
    month, share = rows.select("month_start", "internet_use_60plus_pct").row(-1)
    span = rounding(share)
    return _Found(
        (f"全国 60 岁及以上互联网普及率（{month:%Y-%m}）", f"Internet use at 60 and over, China, {month:%Y-%m}"),
        ("%", "%"), span, "rounding", None,
        (f"可比的只有另一概念：全国 60 岁及以上互联网普及率 {share:.1f}%（{month:%Y-%m}）。设备使用和上网不是一回事，"
         "也没有北京数。",
         f"Only another concept is at hand: internet use at 60 and over in China was {share:.1f} % in {month:%Y-%m}. "
         "Using a device is not the same, and there is no Beijing figure."),
        [("claim", "声明", "Claim", exactly(claim)), ("found", "全国上网", "Online, China", span)],
    )  # fmt: skip


# the digital economy --------------------------------------------------------------------------------------------------


def _digital(r: _Reader) -> tuple[dict[int, Span], dict[int, Span], dict[int, float]]:
    """Return the digital economy's official size [trillion yuan], its share [%] and GDP [trillion yuan] by year.

    A size that was not published itself is the published share of the published GDP.
    """
    gdp = {y: v / _YI_PER_TRILLION for y, v in r.series("gdp_first_published").items()}
    shares = {y: rounding(v) for y, v in r.series("digital_economy_share_gdp").items()}
    sizes = {y: times(product(s, exactly(gdp[y])), 1 / _PCT) for y, s in shares.items() if y in gdp}
    sizes |= {y: times(rounding(v), 1 / _YI_PER_TRILLION) for y, v in r.series("digital_economy_value_added").items()}
    return dict(sorted(sizes.items())), shares, gdp


def _against_years(r: _Reader, official: dict[int, Span], unit: tuple[str, str], what: tuple[str, str]) -> _Found:
    printed, first = rounding(r.claimed()), int(r.figure("digital_economy_first_year").value)
    late = {y: s for y, s in official.items() if y >= first}
    if not late:
        raise DataError(f"No official figure from {first} on; the data end in {max(official)}. Take an earlier year.")
    hit = [y for y, s in late.items() if _meets(printed, s)]
    year, span = min(late.items(), key=lambda item: abs(item[1].value - printed.value))
    told = "、".join(f"{y} 年 {_n(s.value)}" for y, s in late.items())
    said = ", ".join(f"{_n(s.value)} in {y}" for y, s in late.items())
    return _Found(
        (f"最接近的官方数：{what[0]}（{year} 年）", f"Nearest official figure: {what[1]} ({year})"), unit, span,
        "rounding", "verified" if hit else "contradicted",
        (f"成文不早于 {first + 1} 年；官方数为 {told} {unit[0]}，"
         + (f"与 {hit[0]} 年相符。" if hit else f"没有一年在四舍五入后等于 {_n(printed.value)}。"),
         f"Written in {first + 1} at the earliest; official figures [{unit[1]}]: {said}; "
         + (f"that of {hit[0]} agrees." if hit else f"none rounds to {_n(printed.value)}.")),
        [("claim", "声明", "Claim", printed)] + [("found", f"{y} 年", str(y), s) for y, s in official.items()],
    )  # fmt: skip


@_case("c31")
def _digital_size(r: _Reader) -> _Found:
    sizes, _, _ = _digital(r)
    return _against_years(r, sizes, ("万亿元", "trillion yuan"), ("数字经济规模", "size of the digital economy"))


@_case("c32")
def _digital_share(r: _Reader) -> _Found:
    _, shares, gdp = _digital(r)
    found = _against_years(r, shares, ("%", "%"), ("数字经济占比", "share of the digital economy"))
    implied = implied_gdp(r.claimed("c31"), r.claimed())
    years = [y for y, v in sorted(gdp.items()) if implied.low <= v <= implied.high]
    fits = "、".join(map(str, years)), " or ".join(map(str, years))
    zh, en = found.verdict
    size = r.claimed("c31")
    tail = (
        f"它与 {size} 万亿元相配须有 {implied.value:.3f} 万亿元的地区生产总值（按四舍五入为 {implied.low:.2f} 至 "
        f"{implied.high:.2f}）" + (f"，即 {fits[0]} 年的水平：两数年份不一。" if years else "，没有一年如此。"),
        f" With {size} trillion yuan it needs a GDP of {implied.value:.3f} trillion ({implied.low:.2f} to "
        f"{implied.high:.2f} by rounding)" + (f", that of {fits[1]}: two vintages." if years else ", that of no year."),
    )
    return found._replace(verdict=(zh + tail[0], en + tail[1]))


def implied_gdp(size: float, share_pct: float) -> Span:
    """Return the GDP that a printed size and a printed share of it imply, with what their rounding allows.

    Parameters
    ----------
    size
        Part of GDP, in any unit.
    share_pct
        The same part as a share of GDP [%].

    Examples
    --------
    >>> [round(v, 3) for v in implied_gdp(1.5, 41.8)]
    [3.589, 3.465, 3.713]
    """
    return ratio(rounding(size), times(rounding(share_pct), 1 / _PCT))


@_case("c74")
def _core_industries(r: _Reader) -> _Found:
    claim = r.claim()
    base = r.day("core_digital_value_added").year
    gdp = r.series("gdp_first_published")[base]
    share = r.figure("core_digital_value_added").value / gdp * _PCT
    years = claim["due_date"].year - base
    points = (float(claim["value"]) - share) / years
    growth = ((float(claim["value"]) / share) ** (1 / years) - 1) * _PCT
    return _Found(
        ("每年所需的提高", "Rise needed every year"), ("个百分点", "percentage points"), exactly(points), "none", None,
        (f"{base} 年为 {share:.1f}%；到 {claim['due_date'].year} 年每年须提高 {points:.2f} 个百分点，即占比年增 "
         f"{growth:.1f}%。{base} 年地区生产总值后经上修，占比可能随之改变。",
         f"{share:.1f} % in {base}; until {claim['due_date'].year} it must rise by {points:.2f} points a year, the "
         f"share growing {growth:.1f} % a year. The GDP of {base} was later revised up, which may change the share."),
        [("derived", "每年百分点", "Points a year", exactly(points))],
    )  # fmt: skip


@_case("c57")
def _unicorns(r: _Reader) -> _Found:
    claim = exactly(r.claimed())
    city = {d.year: r.figure(f) for f in ("unicorns_2021", "unicorns_2024") for d in (r.day(f),)}
    shares = {y: times(ratio(claim, s), _PCT) for y, s in city.items()}
    last = shares[max(shares)]
    told = "、".join(f"{y} 年 {_whole(city[y].value)} 家的 {s.value:.0f}%" for y, s in shares.items())
    said = ", ".join(f"{s.value:.0f} % of {_whole(city[y].value)} in {y}" for y, s in shares.items())
    return _Found(
        ("占全市独角兽企业的比例", "Share of the city's unicorns"), ("%", "%"), last, "exact", None,
        (f"相当于全市 {told}，作为一部分说得通；该中心的名单没有找到。",
         f"Equal to {said}: plausible as a part; the centre's own list was not found."),
        [("derived", f"声明 / {y} 年全市", f"Claim / city {y}", s) for y, s in shares.items()],
    )  # fmt: skip


@_case("c40")
def _compute(r: _Reader) -> _Found:
    claim, due = exactly(r.claimed()), r.claim()["due_date"]
    supply, when, plan = r.figure("compute_supply"), r.day("compute_supply"), r.figure("compute_city_2025")
    times_over, share = ratio(supply, claim), times(ratio(claim, plan), _PCT)
    met = supply.low >= claim.value and when <= due
    return _Found(
        (f"全市算力供给（{when.year} 年，"
         f"下限）", f"The city's supply of compute in {when.year}, lower bound"), ("P", "P"),
        supply, "wording", "met" if met else None,
        (f"全市 {when.year} 年算力供给在 {_whole(supply.value)} P 以上，为声明的 {_n(times_over.value)} 倍："
         f"若全部算力都算数，则{'已达到' if met else '未达到'}，计算精度不同也不会改变；声明仅为全市 2025 年规划的 "
         f"{_n(share.value, digits=2)}%。若只指超算中心则没有数据。",
         f"The city's supply in {when.year} was {_whole(supply.value)} P or more, {_n(times_over.value)} times the "
         f"claim: {'met' if met else 'not met'} if all compute counts, whatever the precision; the claim is "
         f"{_n(share.value, digits=2)} % of the city's plan for 2025. For supercomputers alone there are no data."),
        [("claim", "声明", "Claim", claim), ("found", f"全市供给 {when.year} 年", f"City's supply {when.year}", supply),
         ("found", "全市规划 2025 年", "City's plan for 2025", plan)],
    )  # fmt: skip


# networks -------------------------------------------------------------------------------------------------------------


@_case("c69")
def _rural_5g(r: _Reader) -> _Found:
    claim = r.claimed()
    found = {str(r.day(f)): r.figure(f) for f in ("villages_with_5g_2023", "villages_with_5g_2024")}
    least = min(found.values(), key=lambda s: s.low)
    return _Found(
        ("全国通 5G 的行政村（下限）", "Villages with 5G in China, lower bound"), ("%", "%"), least, "wording",
        "contradicted" if claim < least.low else None,
        ("若指全国则不成立：通 5G 的行政村在 " + "，在 ".join(f"{d} 已超过 {_whole(s.low)}%" for d, s in found.items())
         + "。没有北京数，也未说明覆盖的是村、人口还是面积。",
         "Contradicted if it means the nation: " + " and ".join(f"over {_whole(s.low)} % of villages had 5G by {d}"
                                                               for d, s in found.items())
         + ". There is no Beijing figure, and coverage of what is unsaid."),
        [("claim", "声明", "Claim", exactly(claim))]
        + [("found", f"行政村，{d}", f"Villages, {d}", s) for d, s in found.items()],
    )  # fmt: skip


@_case("c71")
def _fibre(r: _Reader) -> _Found:
    claim, due = r.claimed(), r.claim()["due_date"]
    fibre, broadband = r.figure("villages_with_fibre"), r.figure("villages_with_broadband")
    when = r.day("villages_with_broadband")
    met = broadband.low >= claim and when <= due
    return _Found(
        ("全国通宽带的行政村", "Villages with broadband in China"), ("%", "%"), broadband, "wording",
        "met" if met else None,
        (f"全国在提出之前已达到：{when:%Y-%m} 宽带 {_whole(broadband.value)}%，光纤和 4G 超过 {_whole(fibre.low)}%。"
         "没有北京单独的数字。",
         f"Met in the nation before it was set: broadband {_whole(broadband.value)} % by {when:%Y-%m}, fibre and 4G "
         f"over {_whole(fibre.low)} %. There is no figure for Beijing alone."),
        [("claim", "声明", "Claim", exactly(claim)), ("found", "光纤和 4G", "Fibre and 4G", fibre),
         ("found", "宽带", "Broadband", broadband)],
    )  # fmt: skip


# claims without a measure ---------------------------------------------------------------------------------------------


@_case("c37", "c44", "c59")
def _two_readings(r: _Reader) -> _Found:
    more = r.claimed()
    saved = time_saved(more / _PCT) * _PCT
    return _Found(
        ("若指耗时：节省的时间", "If time is meant: time saved"), ("%", "%"), exactly(saved), "exact",
        None if saved == more else "undefined",
        (f"若指单位时间内多做 {_whole(more)}%，则每次耗时只少 {saved:.1f}%；没有基期、对象和量法，两种读法数字不同，"
         "无从评判。",
         f"If {_whole(more)} % more is done in the same time, each takes {saved:.1f} % less: two readings, two "
         "numbers. Without baseline, object and method neither can be judged."),
        [("claim", "声明（多做）", "Claim (more done)", exactly(more)),
         ("derived", "同一改善（少耗时）", "The same as time saved", exactly(saved))],
    )  # fmt: skip


@_case("c50")
def _accuracy(r: _Reader) -> _Found:
    claim, prevalence = r.claimed() / _PCT, r.figure("prevalence")
    right = Span(*(predictive_value(claim, claim, p) * _PCT for p in prevalence))
    trivial = (1 - claim) * _PCT
    return _Found(
        ("阳性结果中真有病的比例（示例）", "Positive results that are right, an illustration"), ("%", "%"), right,
        "inputs", "undefined" if right.low < right.high else None,
        (f"若灵敏度和特异度都是 {claim:.0%}，患病率从 {prevalence.low:.0%} 到 {prevalence.high:.0%} 时阳性结果只有 "
         f"{right.low:.0f}% 至 {right.high:.0f}% 正确；患病率 {trivial:.0f}% 时，一律判为无病也有 {claim:.0%} 准确。"
         "须给出四项数才能评判。",
         f"If sensitivity and specificity were both {_whole(claim * _PCT)} %, {_whole(right.low)} to "
         f"{_whole(right.high)} % of positive results would be right at a prevalence of "
         f"{_whole(prevalence.low * _PCT)} to {_whole(prevalence.high * _PCT)} %; where {trivial:.0f} % are ill, "
         f"calling everyone healthy is {_whole(claim * _PCT)} % accurate too. It cannot be judged without all four "
         "numbers."),
        [("claim", "声明", "Claim", exactly(claim * _PCT)),
         ("derived", "阳性正确率（患病率示例）", "Positives that are right", right)],
    )  # fmt: skip


# carbon ---------------------------------------------------------------------------------------------------------------


@_case("c60")
def _lag(r: _Reader) -> _Found:
    asof, days = r.asof(), {}
    for dataset in (CO2_OF_YEARS, CO2_OF_MONTHS):
        r.read[dataset] = None
        last = catalog.declaration(dataset).coverage.end
        if last is None or asof < last:
            raise DataError(f"asof is {asof}, before the last day of {dataset} ({last}). Take a later day.")
        days[dataset] = exactly((asof - last).days)
    least = min(days.values(), key=lambda s: s.value)
    return _Found(
        ("内置碳数据的滞后（至 "
         f"{asof}）", f"Lag of the embedded carbon data on {asof}"), ("天", "days"), least, "exact",
        None,
        (f"内置的北京碳排放数据到 {asof} 滞后至少 {_whole(least.value)} 天；这是 citylab 所存版本的滞后，"
         "发布者可能更新。“实时”没有定义，应报滞后天数。",
         f"On {asof} the embedded CO2 data of Beijing lag by {_whole(least.value)} days at least. That is the lag of "
         "the copies kept here, the publisher may have newer ones; real time is undefined, so report the lag."),
        [("found", d, d, s) for d, s in days.items()],
    )  # fmt: skip


@_case("c61")
def _subcentre(r: _Reader) -> _Found:
    told = indicators.subcentre_claim(table=r.code("carbon_subcentre"))

    def one(reading: str, quantity: str) -> Span:
        return Span(*told.filter(reading=reading, quantity=quantity).select("value", "low", "high").row(0))

    alone, both = one("pv_alone", "pv_capacity"), one("pv_and_optimiser", "pv_capacity")
    area, needed = one("pv_alone", "module_area"), times(one("optimiser_alone", "needed_saving_share"), _PCT)
    city = one("inputs", "city_pv_2021")
    return _Found(
        ("只靠光伏所需的装机", "Capacity needed by photovoltaics alone"), ("MW", "MW"), alone, "inputs", None,
        (f"三种读法：只靠光伏须装 {_whole(alone.low)} 至 {_whole(alone.high)} MW（组件 {area.low:.1f} 至 "
         f"{area.high:.1f} 平方公里）；光伏加能耗优化须装 {_whole(both.low)} 至 {_whole(both.high)} MW；"
         f"只靠优化须省去副中心建筑排放的 {_whole(needed.low)}% 至 {_whole(needed.high)}%。全市 2021 年底光伏约 "
         f"{_whole(city.value)} MW。输入部分凭记忆。",
         f"Three readings: photovoltaics alone need {_whole(alone.low)}-{_whole(alone.high)} MW "
         f"({area.low:.1f}-{area.high:.1f} km² of modules); with the optimiser {_whole(both.low)}-{_whole(both.high)} "
         f"MW; the optimiser alone would have to save {_whole(needed.low)}-{_whole(needed.high)} % of the emissions "
         f"of the sub-centre's buildings. The whole city had about {_whole(city.value)} MW at the end of 2021. Inputs "
         "partly from memory."),
        [("derived", "只靠光伏", "Photovoltaics alone", alone), ("derived", "光伏加优化", "With the optimiser", both),
         ("found", "全市光伏 2021 年底", "City, end of 2021", city)],
    )  # fmt: skip


@_case("d07")
def _emissions_fall(r: _Reader) -> _Found:
    cities = r.table(CO2_OF_YEARS).filter(city_locode=LOCODE).group_by("year").agg(pl.col("co2_t").sum()).sort("year")
    months = r.table(CO2_OF_MONTHS).filter(province_name_en=PROVINCE)
    years = months.group_by(pl.col("month_start").dt.year().alias("year")).agg(pl.col("co2_t").sum()).sort("year")

    def change(rows: pl.DataFrame) -> tuple[str, float]:
        (first, before), (last, after) = rows.row(0), rows.row(-1)
        return f"{first}→{last}", (after / before - 1) * _PCT

    (one, up), (other, down) = change(cities), change(years)
    mixed = (up > 0) != (down > 0)
    return _Found(
        (f"城市功能区二氧化碳变化 {one}", f"Change of CO2, functional urban area, {one}"), ("%", "%"), exactly(up),
        "none", "open" if mixed else "contradicted" if up > 0 else "verified",
        (f"两份数据：城市功能区五部门 {one} 为 {_signed(up)}%，行政区三部门 {other} 为 {_signed(down)}%；范围、"
         f"部门和年份都不同，方向{'相反，无法判定' if mixed else '相同'}。发布者未给出区间。",
         f"Two data sets: functional urban area, five sectors, {_signed(up)} % in {one}; administrative area, three "
         f"sectors, {_signed(down)} % in {other}. Scope, sectors and years differ, and the directions "
         f"{'are opposite: undecided' if mixed else 'agree'}. The publisher gives no intervals."),
        [("found", f"城市功能区 {one}", f"Functional urban area {one}", exactly(up)),
         ("found", f"行政区三部门 {other}", f"Three sectors {other}", exactly(down))],
    )  # fmt: skip


@_case("d13")
def _digital_share_rises(r: _Reader) -> _Found:
    shares = {y: rounding(v) for y, v in r.series("digital_economy_share_gdp").items()}
    first, last = min(shares), max(shares)
    a, b = shares[first], shares[last]
    rise = Span(b.value - a.value, b.low - a.high, b.high - a.low)
    return _Found(
        (f"数字经济占比的变化 {first}→{last}", f"Change of the digital economy's share, {first}→{last}"),
        ("个百分点", "percentage points"), rise, "rounding", None,
        (f"三项指标中只有占比有数据：整个数字经济 {first} 至 {last} 年变化 {_signed(rise.value)} 个百分点；"
         "专利和生产率没有数据。",
         "Of the three indicators only the share has data: that of the whole digital economy changed by "
         f"{_signed(rise.value)} points from {first} to {last}; patents and productivity have none."),
        [("derived", f"{first}→{last}", f"{first}→{last}", rise)],
    )  # fmt: skip


@_case("d15")
def _divide(r: _Reader) -> _Found:
    rows = r.table(INTERNET).sort("month_start")
    both = rows.drop_nulls(["internet_use_urban_pct", "internet_use_rural_pct"]).row(0, named=True)
    last = rows.drop_nulls(["internet_use_pct", "internet_use_rural_pct"]).row(-1, named=True)
    urban, rural = rounding(both["internet_use_urban_pct"]), rounding(both["internet_use_rural_pct"])
    before = Span(urban.value - rural.value, urban.low - rural.high, urban.high - rural.low)
    # total = u·urban + (1 − u)·rural, so urban − rural = (total − rural) / u
    total, country = rounding(last["internet_use_pct"]), rounding(last["internet_use_rural_pct"])
    part = Span(total.value - country.value, total.low - country.high, total.high - country.low)
    after = ratio(part, r.figure("urban_share_china"))
    start, end = f"{both['month_start']:%Y-%m}", f"{last['month_start']:%Y-%m}"
    narrower = after.high < before.low
    return _Found(
        (f"全国城乡互联网普及率之差（{end}）", f"Urban minus rural internet use, China, {end}"),
        ("个百分点", "percentage points"), after, "inputs",
        "contradicted" if narrower else "verified" if after.low > before.high else None,
        (f"{start} 为 {before.value:.1f} 个百分点，{end} 为 {after.low:.1f} 至 {after.high:.1f}："
         f"全国的接入差距{'在缩小' if narrower else '没有缩小'}。只就接入而言，没有北京数。",
         f"{before.value:.1f} points in {start}, {after.low:.1f} to {after.high:.1f} in {end}: the nation's gap in "
         f"access {'narrowed' if narrower else 'did not narrow'}. This is about access only; there is no Beijing "
         "figure."),
        [("found", start, start, before), ("derived", end, end, after)],
    )  # fmt: skip
