"""The digital divide: how unequal is access, between whom, is the gap closing, where, and what would it cost to close?

Serve it with ``citylab serve``, or alone with ``panel serve dashboards/digital_divide.py``.
"""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import param
import polars as pl

from citylab import catalog, tables, vocabulary
from citylab.app import city
from citylab.app.parts import Number, Picture, cautions_on_page, no_number, pick
from citylab.app.state import PageState
from citylab.catalog import fetching
from citylab.equity import frontier as price
from citylab.equity import levels, space, trend
from citylab.equity.concentration import concentration, concentration_curve
from citylab.equity.decomposition import between_within
from citylab.equity.gap import TOTAL, GapDecomposition, oaxaca
from citylab.equity.inequality import inequality, lorenz
from citylab.equity.sampling import DEFAULT
from citylab.errors import CitylabError, DataError
from citylab.viz import charts, claims, figures, maps, numbers
from citylab.viz import equity as drawn
from citylab.viz import frontier as drawn_frontier

if TYPE_CHECKING:
    import panel as pn

    from citylab.app.parts import Both
    from citylab.settings import Language

TITLE = ("数字鸿沟", "The digital divide")
QUESTION = (
    "谁能上网、谁不能？差距有多大、在扩大还是缩小、在哪里，补上要花多少钱？",
    "Who is online and who is not: how wide is the gap, is it closing, where is it, and what would it cost to close?",
)
ACS, BROADBAND = "acs__static_county_internet", "microsoft__yearly_county_broadband"
EUROPE, COUNTRIES = "eurostat__yearly_region_internet", "gapminder__yearly_country_internet"
GDP, GLOBE = "worldbank__yearly_country_gdp", "naturalearth__static_country_boundary"
COUNTIES, PROVINCES = "nbs__census_county_structure", "nbs__census_province_structure"
OUTLINES, BORDERS = "naturalearth__static_province_boundary", "naturalearth__static_provincepair_border"
AGES, ZONES = "nbs__census_district_structure", "bjstats__census_district_population"
CNNIC, SKILLS = "cnnic__halfyearly_country_internet", "cnnic__halfyearly_agegroup_skill"
PLANS = "plans__undated_plan_claim"

HAS_GLOBE = fetching.is_at_hand(catalog.declaration(GLOBE))
"""Whether the countries' outlines are here; without them the page goes without the countries' neighbours."""
SOURCES = (
    COUNTRIES, GDP, ACS, BROADBAND, EUROPE, COUNTIES, PROVINCES, CNNIC, SKILLS, PLANS, AGES, ZONES, OUTLINES, BORDERS,
    *([GLOBE] if HAS_GLOBE else []), city.DISTRICTS,
)  # fmt: skip

FIFTHS = ("1", "2", "3", "4", "5")
INDICES = ("gini", "theil_t", "mld")
SPREADS = (*INDICES, "hoover", "p90_p10")
CONCENTRATION, ERREYGERS = "concentration", "erreygers"
NUTS_LEVEL = 2
FIRST_YEAR, BREAK_YEAR = 2005, 2023
SPREAD_YEARS = (2010, 2019)
NEAREST = 5
"""Neighbours of a country: those whose inner points lie nearest."""
ROUNDING_PCT = 0.1
"""Width of the last digit of CNNIC's shares [points]."""
VILLAGES, SEED, STEPS = 24, 6, 8
"""Synthetic villages, their seed, and the budgets drawn for them."""
OBJECTIVES: tuple[price.Objective, ...] = ("efficiency", "maxmin")
SERVICES = tuple(price.costs()["service"])
CLAIM_OLD, CLAIM_5G = "c70", "c69"
_PERCENT, _BYTES_PER_MB = 100.0, 1e6
_BARS = 14
_CURVE_PX, _TREND_PX, _MAP_PX, _COUNTED_PX = 380, 320, 400, 230


# data, once for all readers


@dataclass(frozen=True)
class Study:
    """A table of places, and what can be asked of it.

    Attributes
    ----------
    title, unit
        Name of the table, and what one row is, in the plural.
    outcomes, whens, when
        Columns that can be looked at; periods there are, and the one to begin with.
    groupings
        Columns of groups that :attr:`rows` has.
    rows
        Returns the places of a period: ``place``, ``name``, outcomes, groups, weight, rank and covariates.
    caveat
        What a reader must not overlook.
    weight, rank
        Columns of the people that a row stands for, and of its standing; none if the table has none.
    pair, covariates
        Column of two groups and the groups, and what their gap may go with; none if the table has no such columns.
    is_counted
        Whether all places are in it, as in a census.
    """

    title: Both
    unit: Both
    outcomes: tuple[str, ...]
    whens: tuple[str, ...]
    when: str
    groupings: tuple[str, ...]
    rows: Callable[[str], pl.DataFrame]
    caveat: Both
    weight: str | None = "population_persons"
    rank: str | None = None
    pair: tuple[str, str, str] | None = None
    covariates: tuple[str, ...] = ()
    is_counted: bool = False


def _load(dataset: str) -> pl.DataFrame:
    with cautions_on_page():
        return catalog.load(dataset).collect()


def _with_fifths(rows: pl.DataFrame, name: str, by: str, weight: str | None = None) -> pl.DataFrame:
    """Add in which fifth of the people (or of the places) a row lies, 1 the lowest by a column; ties share a fifth."""
    w = pl.lit(1.0) if weight is None else pl.col(weight)
    n = len(FIFTHS)
    known = (
        rows.filter(pl.col(by).is_not_null())
        .sort(by)
        .with_columns(_w=w)
        .with_columns(_middle=(pl.col("_w").cum_sum() - pl.col("_w") / 2) / pl.col("_w").sum())
        .with_columns((pl.col("_middle").mean().over(by) * n).floor().clip(0, n - 1).cast(pl.Int64).alias("_at"))
        .with_columns((pl.col("_at") + 1).cast(pl.String).alias(name))
        .drop("_w", "_middle", "_at")
    )
    unknown = rows.filter(pl.col(by).is_null()).with_columns(pl.lit(None, pl.String).alias(name))
    return pl.concat([known, unknown])


@lru_cache(maxsize=1)
def _us() -> pl.DataFrame:
    """Return the counties of the United States with their groups."""
    states = _load(BROADBAND).sort("month_start").unique("county_fips", keep="last")
    people = "population_persons"
    rows = (
        _load(ACS)
        .join(states.select("county_fips", "state_code", "county_name_en"), on="county_fips", how="left")
        .filter(pl.col(people).is_not_null())
        .with_columns(_density=pl.col(people) / pl.col("land_area_km2"), state=pl.col("state_code"))
    )
    is_sparse = pl.col("_density") < pl.col("_density").median()
    rows = rows.with_columns(
        density=pl.when(is_sparse).then(pl.lit("sparse")).otherwise(pl.lit("dense")), place=pl.col("county_fips"),
        name=pl.concat_str("county_name_en", pl.lit(", "), "state_code"),
    )  # fmt: skip
    for name, by in (("income", _US_RANK), ("age", "age_65plus_pct"), ("schooling", "no_high_school_pct")):
        rows = _with_fifths(rows, name, by, people)
    return rows.sort("county_fips")


def _broadband(when: str) -> pl.DataFrame:
    month = pl.col("month_start").dt.strftime("%Y-%m") == when
    counted = _load(BROADBAND).filter(month).select("county_fips", "broadband_available_share", "broadband_use_share")
    return _us().join(counted, on="county_fips", how="inner")


def _europe(when: str) -> pl.DataFrame:
    return (
        _load(EUROPE)
        .filter(nuts_level=NUTS_LEVEL, year=int(when))
        .with_columns(country=pl.col("nuts_country"), place=pl.col("nuts_code"), name=pl.col("nuts_code"))
    )


@lru_cache(maxsize=1)
def _world() -> pl.DataFrame:
    people = _load(GDP).select("country_code", "year", "gdp_usd", "population_persons")
    return (
        _load(COUNTRIES)
        .join(people, on=["country_code", "year"], how="left")
        .with_columns(
            gdp_per_capita_usd=pl.col("gdp_usd") / pl.col("population_persons"), place=pl.col("country_code"),
            name=pl.col("country_name_en"),
        )
    )  # fmt: skip


def _countries(when: str) -> pl.DataFrame:
    rows = _world().filter(pl.col("year") == int(when), pl.col("population_persons").is_not_null())
    return _with_fifths(rows, "gdp", "gdp_per_capita_usd")


def _of_census(rows: pl.DataFrame) -> pl.DataFrame:
    people = pl.col("population_persons")
    return rows.with_columns(
        illiterate_15plus_pct=_PERCENT * pl.col("illiterate_15plus_persons") / pl.col("age_15plus_persons"),
        age_60plus_pct=_PERCENT * pl.col("age_60plus_persons") / people,
        urban_pct=_PERCENT * pl.col("urban_persons") / people,
    )


def _counties(when: str) -> pl.DataFrame:
    rows = _of_census(_load(COUNTIES).filter(year=int(when)))
    is_district = pl.col("area_name_zh").str.ends_with("区")
    for name, by in (("urban", "urban_pct"), ("age", "age_60plus_pct")):
        rows = _with_fifths(rows, name, by, "population_persons")
    return rows.with_columns(
        province=pl.col("province_adcode"), place=pl.col("area_id"), name=pl.col("area_name_zh"),
        kind=pl.when(is_district).then(pl.lit("district")).otherwise(pl.lit("county")),
    )  # fmt: skip


@lru_cache(maxsize=1)
def _provinces() -> pl.DataFrame:
    return _of_census(_load(PROVINCES)).with_columns(place=pl.col("adcode"))


def _districts(when: str) -> pl.DataFrame:
    zones = _load(ZONES).filter(year=int(when)).select("adcode", "zone", "district_name_en")
    return (
        _load(AGES)
        .filter(year=int(when))
        .join(zones, on="adcode", how="left")
        .with_columns(
            age_60plus_pct=_PERCENT * pl.col("age_60plus_persons") / pl.col("population_persons"),
            place=pl.col("adcode"), name=pl.col("district_name_zh"),
        )
    )  # fmt: skip


def _cnnic(when: str) -> pl.DataFrame:
    """Return published figures, each pair at the last time at which both are known: figures, no places."""
    use = _load(CNNIC)
    rows: list[tuple[Any, ...]] = []
    for pair in _CNNIC_PAIRS:
        known = use.drop_nulls([_CNNIC_COLUMNS[c] for c in pair]).sort("month_start")
        rows += [(c, known["month_start"][-1], known[_CNNIC_COLUMNS[c]][-1], "internet_use_pct") for c in pair]
    skill = _load(SKILLS).select("indicator", "month_start", "skill_share_of_users_pct").rows()
    rows += [(*r, "skill_share_of_users_pct") for r in skill]
    return pl.DataFrame(rows, schema=["figure", "month_start", "value", "outcome"], orient="row")


_CNNIC_COLUMNS = {
    "urban": "internet_use_urban_pct", "everybody": "internet_use_pct", "rural": "internet_use_rural_pct",
    "old": "internet_use_60plus_pct",
}  # fmt: skip
_CNNIC_PAIRS = (("rural", "urban"), ("old", "everybody"))

_US_RANK = "median_personal_income_usd2018"
_US_PAIR = ("density", "sparse", "dense")
_US_COVARIATES = (_US_RANK, "no_high_school_pct", "age_65plus_pct", "disability_pct")
_MONTHS = tuple(_load(BROADBAND)["month_start"].unique().sort().dt.strftime("%Y-%m"))
_EUROPE_YEARS = tuple(str(y) for y in _load(EUROPE).filter(nuts_level=NUTS_LEVEL)["year"].unique().sort())
_YEARS = tuple(str(y) for y in range(FIRST_YEAR, BREAK_YEAR + 1))

STUDIES: dict[str, Study] = {
    "acs": Study(
        ("美国各县：家庭互联网（ACS）", "US counties: internet at home (ACS)"), ("县", "counties"),
        ("households_no_internet_pct",), ("2015–2019",), "2015–2019",
        ("income", "age", "schooling", "density", "state"), lambda _when: _us(), rank=_US_RANK, pair=_US_PAIR,
        covariates=_US_COVARIATES,
        caveat=("县是平均：富县里的穷人看不见。小县的抽样误差不在表中。互联网为 2015–2019 年，其余为 2014–2018 年。",
                "Counties are averages: the poor of rich counties are not seen. The sampling errors of small counties "
                "are not in the table. The internet is of 2015-2019, the rest of 2014-2018."),
    ),
    "microsoft": Study(
        ("美国各县：宽带实际使用（微软）", "US counties: broadband used (Microsoft)"), ("县", "counties"),
        ("broadband_use_share", "broadband_available_share"), _MONTHS, _MONTHS[-1],
        ("income", "age", "schooling", "density", "state"), _broadband, rank=_US_RANK,
        pair=_US_PAIR, covariates=_US_COVARIATES,
        caveat=("“使用”是一家公司的遥测，不是调查；“可用”是运营商申报，已知偏高。两者之差不是闲置。",
                "Use is one company's telemetry and no survey; what is available is the providers' own report, known "
                "to be too high. Their difference is no spare capacity."),
    ),
    "eurostat": Study(
        ("欧洲各区：每日上网者", "Regions of Europe: daily users"), ("NUTS 2 区", "NUTS 2 regions"),
        ("internet_daily_use_pct",), _EUROPE_YEARS, _EUROPE_YEARS[-1], ("country",), _europe, weight=None,
        caveat=("表中没有人口，各区同权；没有年龄、收入、城乡。只发布 NUTS 0、1 级的国家（如德国、英国）不在内。",
                "The table has no population: regions weigh alike. No age, income, town or country. Countries that "
                "publish no NUTS 2 regions are not in it."),
    ),
    "countries": Study(
        ("世界各国：互联网使用（国际电联）", "Countries: internet use (ITU)"), ("国家", "countries"),
        ("internet_use_itu_pct", "fixed_broadband_per_100", "mobile_subscriptions_per_100"), _YEARS, "2022", ("gdp",),
        _countries, rank="gdp_per_capita_usd",
        caveat=("国家是平均。口径与 CNNIC 不同，不可混用；中国 2022→2023 年由 75.6 跳到 90.6，是来源更换。"
                "五等分按国家数，不按人口。",
                "Countries are averages. Not CNNIC's definition: never mix the two. China's jump from 75.6 to 90.6 in "
                "2022-23 is a change of source. Fifths are of countries, not of people."),
    ),
    "census": Study(
        ("中国各县：受教育与识字（普查）", "Counties of China: schooling and literacy (census)"),
        ("县级单位", "counties"),
        ("schooling_6plus_years", "illiterate_15plus_pct"), ("2010", "2020"), "2020",
        ("province", "urban", "age", "kind"), _counties, rank="urban_pct", pair=("kind", "district", "county"),
        covariates=("urban_pct", "age_60plus_pct", "household_size_persons"), is_counted=True,
        caveat=("没有找到公开的中国分省、分市、分县上网表：此处是谁可能被落下（受教育、识字），不是谁在线。各次普查用当时的区划。",
                "No open table of internet use by province, city or county of China was found: this shows who may be "
                "left behind (schooling, literacy), not who is online. Each census has its own borders."),
    ),
    "beijing": Study(
        ("北京各区：老年人口与有车家庭（普查）", "Beijing districts: older people and cars (census)"),
        ("区", "districts"),
        ("age_60plus_pct", "household_car_share"), ("2020",), "2020", ("zone",), _districts, is_counted=True,
        caveat=("没有公开的北京分区上网数据：此处是谁住在那里，不是谁在线。只有 16 个区，聚集很难与随机区分。",
                "No internet use by district of Beijing is published: this shows who lives there, not who is online. "
                "Sixteen districts: a cluster is hard to tell from chance."),
    ),
    "cnnic": Study(
        ("中国：城乡、老年与技能（CNNIC）", "China: town, country, age and skill (CNNIC)"),
        ("公布值", "published figures"),
        ("internet_use_pct", "skill_share_of_users_pct"), ("2020–2023",), "2020–2023", ("figure",), _cnnic, weight=None,
        caveat=("只有公布的汇总数，没有样本，没有误差；两对数的日期不同。技能的分母是 60 岁及以上网民，不是全体老人。",
                "Published totals only: no sample and no error; the two pairs are of different dates. The skills are "
                "of internet users aged 60 and over, not of all people of that age."),
    ),
}  # fmt: skip
BEGIN_WITH = "countries"

_MEASURE_WORDS: dict[str, Both] = {
    **{r["measure"]: (r["label_zh"], r["label_en"]) for r in tables.read("equity_measures").iter_rows(named=True)},
    CONCENTRATION: vocabulary.WORDS["concentration_standard"], ERREYGERS: vocabulary.WORDS["concentration_erreygers"],
}  # fmt: skip
_PROVINCE_NAMES = {r["adcode"]: r for r in tables.read("provinces").iter_rows(named=True)}
_SKILL_NAMES = {
    code: (zh, en)
    for code, zh, en in _load(SKILLS).select("indicator", "indicator_label_zh", "indicator_label_en").iter_rows()
}
_SERVICE_NAMES = {s: (zh, en) for s, zh, en in price.costs().select("service", "label_zh", "label_en").iter_rows()}


def _group_name(code: str, lang: Language) -> str:
    if code in _PROVINCE_NAMES:
        row = _PROVINCE_NAMES[code]
        return str(row["name_en"] if lang == "en" else row["grid_name_zh"] or row["name_zh"])
    if code in _SKILL_NAMES:
        return pick(_SKILL_NAMES[code], lang)
    return vocabulary.say_code(code, lang, prefix="divide_group_")


def _grouping(by: str, lang: Language) -> str:
    return vocabulary.say(f"divide_by_{by}", lang)


def _mark(mark: str, lang: Language) -> str:
    return vocabulary.say(f"mark_{mark}", lang)


def _outcome(name: str, lang: Language) -> str:
    return vocabulary.column(name).label(lang)


def _scale(name: str) -> tuple[float, str]:
    """Return what a value is multiplied by to be read, and its unit: shares are read in percent."""
    return (_PERCENT, "%") if name.endswith("_share") else (1.0, vocabulary.column(name).unit)


def _bounds(name: str) -> tuple[float, float] | None:
    return (0.0, 1.0) if name.endswith("_share") else (0.0, _PERCENT) if name.endswith("_pct") else None


# what is worked out, once for each choice


@lru_cache(maxsize=64)
def _rows(data: str, when: str) -> pl.DataFrame:
    return STUDIES[data].rows(when)


def _kept(data: str, outcome: str, when: str) -> pl.DataFrame:
    """Return the rows that count: with a value, and with a rank where there is one."""
    study = STUDIES[data]
    return _rows(data, when).drop_nulls([c for c in (outcome, study.weight, study.rank) if c is not None])


@lru_cache(maxsize=128)
def _allowed(data: str, outcome: str, when: str) -> tuple[str, ...]:
    """Return the measures that are defined for these values."""
    if data == "cnnic":
        return ("gini",)
    least = _kept(data, outcome, when)[outcome].min()
    found = ("gini", "theil_t", "mld") if least > 0 else ("gini", "theil_t")  # type: ignore[operator]
    return (*found, CONCENTRATION) if STUDIES[data].rank else found


@lru_cache(maxsize=128)
def _measures(data: str, outcome: str, when: str) -> pl.DataFrame:
    """Return every measure of a choice, with interval, n and vintage."""
    study, rows = STUDIES[data], _kept(data, outcome, when)
    names = [m for m in SPREADS if m != "mld" or "mld" in _allowed(data, outcome, when)]
    told = [inequality(rows, outcome, weight=study.weight, measures=["mean", *names])]
    if study.rank is not None:
        bounds = _bounds(outcome)
        kinds = ["standard", *(["erreygers"] if bounds else [])]
        found = concentration(rows, outcome, rank=study.rank, weight=study.weight, kind=kinds, bounds=bounds)  # type: ignore[arg-type]
        told.append(found.with_columns(pl.col("measure").replace({"standard": CONCENTRATION})))
    return pl.concat(told, how="diagonal_relaxed").with_columns(vintage=pl.lit(when))


@lru_cache(maxsize=128)
def _curve(data: str, outcome: str, when: str, is_ranked: bool) -> pl.DataFrame:
    study, rows = STUDIES[data], _kept(data, outcome, when)
    if is_ranked:
        return concentration_curve(rows, outcome, rank=str(study.rank), weight=study.weight, errors=DEFAULT)
    return lorenz(rows, outcome, weight=study.weight, errors=DEFAULT)


@lru_cache(maxsize=256)
def _groups(data: str, outcome: str, when: str, by: str) -> pl.DataFrame:
    """Return the mean of each group with its interval, lowest first."""
    study = STUDIES[data]
    rows = _kept(data, outcome, when).drop_nulls(by)
    told = inequality(rows, outcome, weight=study.weight, by=by, measures=["mean"])
    return told.rename({by: "group"}).sort("value")


@lru_cache(maxsize=256)
def _parts(data: str, outcome: str, when: str, by: str) -> pl.DataFrame:
    rows = _kept(data, outcome, when).drop_nulls(by)
    asked = [m for m in INDICES if m in _allowed(data, outcome, when)]
    told = between_within(rows, outcome, by=by, weight=STUDIES[data].weight, measure=asked)
    return told.rename({by: "group"})


@lru_cache(maxsize=64)
def _why(data: str, outcome: str, when: str) -> GapDecomposition | str:
    """Return the decomposition of the gap of two groups, or the reason why there is none."""
    study = STUDIES[data]
    if study.pair is None:
        return ""
    by, a, b = study.pair
    rows = _rows(data, when).drop_nulls([str(study.weight), outcome, *study.covariates])
    try:
        return oaxaca(rows, outcome, by, list(study.covariates), groups=(a, b), weight=study.weight)
    except CitylabError as error:
        return str(error)


_NEW_SOURCE = ("中国来源更换", "China: new source")
_NEW_BASE = ("基数调整", "new base")


@dataclass(frozen=True)
class Course:
    """How a gap, or the spread of places, went over time; or why that cannot be told."""

    why: Both = ("", "")
    lines: pl.DataFrame | None = None
    order: tuple[str, ...] = ()
    table: pl.DataFrame | None = None
    verdicts: tuple[tuple[str, str], ...] = ()
    n: tuple[int, ...] = ()
    breaks: tuple[int | dt.date, ...] = ()
    since: dt.date | None = None
    """First time of the verdicts, where a break keeps earlier ones out of them."""
    is_spread: bool = False

    @property
    def verdict(self) -> str:
        """The first verdict: on the absolute gap, or on the spread."""
        return self.verdicts[0][1] if self.verdicts else ""


@lru_cache(maxsize=64)
def _course(data: str, outcome: str) -> Course:
    if data == "cnnic":
        return _course_of_china(outcome)
    if data == "microsoft":
        months = [_broadband(m).with_columns(when=pl.lit(f"{m}-01").str.to_date()) for m in _MONTHS]
        return _course_of_ends(pl.concat(months), outcome, "income", "population_persons")
    if data == "countries":
        return _course_of_countries(outcome)
    if data == "eurostat":
        years = pl.col("year").is_between(*SPREAD_YEARS)
        return _course_of_spread(_load(EUROPE).filter(years, pl.col("nuts_level") == NUTS_LEVEL), outcome, "nuts_code")
    if data == "census":
        return _course_of_spread(_provinces(), outcome, "adcode")
    only = STUDIES[data].when
    return Course((f"只有一期（{only}），无从判断变化。", f"One period only ({only}): nothing can be said of change."))


def _course_of_ends(rows: pl.DataFrame, outcome: str, by: str, weight: str | None) -> Course:
    """Return the gap between the lowest and the highest fifth, from means with standard errors."""
    factor, _ = _scale(outcome)
    ends = rows.filter(pl.col(by).is_in([FIFTHS[0], FIFTHS[-1]])).drop_nulls([outcome])
    ends = ends.with_columns(pl.col(outcome) * factor)
    told = inequality(ends.rename({outcome: "read"}), "read", weight=weight, by=["when", by], measures=["mean"])
    bound = _PERCENT if _bounds(outcome) else None
    found = trend.trend_of_gap(told, value="value", group=by, time="when", se="se", bound=bound)
    lines = told.select("when", pl.col(by).alias("group"), "value", "lower", "upper", "n")
    return _of_gap(found, lines, (FIFTHS[0], FIFTHS[-1]))


def _of_gap(found: trend.GapTrend, lines: pl.DataFrame, order: tuple[str, ...]) -> Course:
    said = tuple((m, found.verdict(m)) for m in found.table["measure"].unique(maintain_order=True))
    last = lines.filter(pl.col("when") == pl.col("when").max())
    n = tuple(last["n"]) if "n" in lines.columns else ()
    return Course(lines=lines, order=order, table=found.tidy(), verdicts=said, n=n)


def _course_of_countries(outcome: str) -> Course:
    """Return the gap between fifths of countries by their income in the first year; China beside it where it breaks."""
    rows = _world().filter(pl.col("year").is_between(FIRST_YEAR, BREAK_YEAR)).drop_nulls(outcome)
    whole = rows.group_by("country_code").len().filter(pl.col("len") == len(_YEARS))["country_code"]
    first = _countries(_YEARS[0]).select("country_code", "gdp")
    panel = rows.filter(pl.col("country_code").is_in(whole.to_list()))
    panel = panel.join(first, on="country_code", how="inner").rename({"year": "when"})
    course = _course_of_ends(panel, outcome, "gdp", None)
    if outcome != "internet_use_itu_pct" or course.lines is None:
        return course
    china = rows.filter(country_code="CHN").select(
        pl.col("year").alias("when"), pl.lit("CHN").alias("group"), pl.col(outcome).alias("value"),
        pl.lit(None, pl.Float64).alias("lower"), pl.lit(None, pl.Float64).alias("upper"), pl.lit(1).alias("n"),
    )  # fmt: skip
    lines = pl.concat([course.lines, china], how="vertical_relaxed")
    breaks = tuple(trend.declared_breaks(outcome, place="CHN")["year_after"])
    return Course(lines=lines, order=(*course.order, "CHN"), table=course.table, verdicts=course.verdicts, n=course.n,
                  breaks=breaks)  # fmt: skip


def _course_of_spread(rows: pl.DataFrame, outcome: str, place: str) -> Course:
    told = trend.sigma_convergence(rows.drop_nulls(outcome), value=outcome, place=place, time="year")
    last = told.row(-1, named=True)
    lines = told.select(pl.col("year").alias("when"), pl.lit("spread").alias("group"), pl.col("sd_log").alias("value"))
    return Course(lines=lines, order=("spread",), table=told, verdicts=(("spread", last["verdict"]),), n=(last["n"],),
                  is_spread=True)  # fmt: skip


def _course_of_china(outcome: str) -> Course:
    if outcome != "internet_use_pct":
        return Course(("只有一期调查，无从判断变化。", "One survey only: nothing can be said of change."))
    parts = {"everybody": "internet_use_pct", "rural": "internet_use_rural_pct"}
    told = pl.concat(
        _load(CNNIC).select(
            pl.col("month_start").alias("when"), pl.lit(g).alias("group"), pl.col(c).alias("value"),
            lower=pl.col(c) - ROUNDING_PCT / 2, upper=pl.col(c) + ROUNDING_PCT / 2,
        )
        for g, c in parts.items()
    )  # fmt: skip
    breaks = trend.declared_breaks(outcome, place="CHN")["year_after"].to_list()
    found = trend.trend_of_gap(told.drop_nulls("value"), value="value", group="group", time="when", breaks=breaks,
                               rounding=ROUNDING_PCT, bound=_PERCENT)  # fmt: skip
    # A change from one base to the next is none of the gap: the verdicts are those since the last break
    last = found.table.filter(pl.col("regime") == pl.col("regime").max())
    said = tuple(last.select("measure", "verdict").iter_rows())
    since = last["from"][0]
    return Course(lines=told, order=tuple(parts), table=last, verdicts=said, breaks=(since,), since=since)


@lru_cache(maxsize=1)
def _borders() -> pl.DataFrame:
    return _load(BORDERS)


@lru_cache(maxsize=1)
def _outlines() -> pl.DataFrame:
    return _load(OUTLINES).select(pl.col("adcode").alias("place"), "geometry_wkb")


@lru_cache(maxsize=1)
def _district_outlines() -> pl.DataFrame:
    return city.boundaries().select(pl.col("adcode").alias("place"), "geometry_wkb")


MAPPED = {"census": "province", "beijing": "district", **({"countries": "country"} if HAS_GLOBE else {})}
"""Studies whose places have outlines here, and what they are."""


@lru_cache(maxsize=1)
def _globe() -> pl.DataFrame:
    """Return the countries' outlines and a point within each."""
    import shapely

    rows = _load(GLOBE)
    inside = [shapely.from_wkb(w).representative_point() for w in rows["geometry_wkb"]]
    return rows.select(
        pl.col("country_code").alias("place"), "geometry_wkb", longitude_deg=pl.Series([p.x for p in inside]),
        latitude_deg=pl.Series([p.y for p in inside]),
    )  # fmt: skip


@dataclass(frozen=True)
class Spots:
    """Whether places are like their neighbours, chance taken into account."""

    local: pl.DataFrame
    whole: dict[str, Any]
    places: pl.DataFrame
    links: pl.DataFrame | None


@lru_cache(maxsize=64)
def _spots(data: str, outcome: str, when: str) -> Spots:
    rows, links = _rows(data, when), None
    if MAPPED[data] == "province":
        rows, places = _provinces().filter(year=int(when)), _outlines()
        links = neighbours = space.pairs(_borders(), "adcode_a", "adcode_b")
    elif MAPPED[data] == "district":
        places = _district_outlines()
        neighbours = space.touching(places, "place")
    else:
        places = _globe()
        rows = rows.drop_nulls(outcome).filter(pl.col("place").is_in(places["place"].to_list()))
        known = places.filter(pl.col("place").is_in(rows["place"].to_list()))
        links = neighbours = space.nearest(known, "place", k=NEAREST)
    whole = space.moran(rows, outcome, "place", neighbours).row(0, named=True)
    return Spots(space.local_moran(rows, outcome, "place", neighbours), whole, places, links)


@lru_cache(maxsize=1)
def _villages() -> pl.DataFrame:
    return price.synthetic_villages(VILLAGES, seed=SEED)


@lru_cache(maxsize=len(SERVICES) * len(OBJECTIVES))
def _frontier(service: str, objective: price.Objective) -> pl.DataFrame:
    plan = price.programme(_villages(), service)
    whole = price.price_of_closing(plan.demand, plan.options, plan.links, [1.0])["cost"].item()
    if whole is None:
        raise DataError(
            "No plan that reaches everybody was found in time. Load the page again when the machine is idle."
        )
    budgets = [whole * k / STEPS for k in range(1, STEPS + 1)]
    found = plan.frontier(budgets, objective=objective, group="group")
    return found.points.with_columns(objective=pl.lit(objective))


@lru_cache(maxsize=1)
def _claims() -> pl.DataFrame:
    return levels.claims_beside_figures()


@lru_cache(maxsize=1)
def _cells() -> pl.DataFrame:
    """Return the groups that always have a row, by level, with the one figure of China that is published here."""
    groups = tables.read(levels.GROUPS).filter("is_obliged").select("group", "label_zh", "label_en")
    tiers = tables.read(levels.LEVEL_TABLE).select("level", level_zh="label_zh", level_en="label_en")
    # The declared claims name a later survey than the data set of surveys holds
    old = _claims().filter(figure_column="internet_use_60plus_pct").sort("figure_date").row(-1, named=True)
    is_told = (pl.col("group") == "60+") & (pl.col("level") == "use")
    return groups.join(tiers, how="cross").with_columns(
        internet_use_60plus_pct=pl.when(is_told).then(old["figure_pct"]),
        month_start=pl.when(is_told).then(pl.lit(old["figure_date"])),
        source=pl.when(is_told).then(pl.lit(old["source"])),
    )


class State(PageState):
    """Choices of the page, and the tables that follow from them."""

    data = param.Selector(default=BEGIN_WITH, objects=list(STUDIES), doc="Which table.")
    outcome = param.Selector(
        default=STUDIES[BEGIN_WITH].outcomes[0],
        objects=list(dict.fromkeys(o for s in STUDIES.values() for o in s.outcomes)),
        doc="What is shared out.",
    )
    when = param.Selector(
        default=STUDIES[BEGIN_WITH].when,
        objects=list(dict.fromkeys(w for s in STUDIES.values() for w in s.whens)),
        doc="Period.",
    )
    by = param.Selector(
        default=STUDIES[BEGIN_WITH].groupings[0],
        objects=list(dict.fromkeys(g for s in STUDIES.values() for g in s.groupings)),
        doc="Groups that are compared.",
    )
    measure = param.Selector(default="gini", objects=[*INDICES, CONCENTRATION], doc="Measure of inequality.")
    service = param.Selector(default="5g", objects=list(SERVICES), doc="Service that is brought to the villages.")

    in_url: ClassVar[tuple[str, ...]] = ("data", "outcome", "when", "by", "measure", "service")

    @property
    def study(self) -> Study:
        """The chosen table."""
        return STUDIES[self.data]

    def options(self, name: str) -> tuple[str, ...]:
        """Return what can be chosen, given the choices before it."""
        if name == "measure":
            return _allowed(self.data, self.of("outcome"), self.of("when"))
        return {"outcome": self.study.outcomes, "when": self.study.whens, "by": self.study.groupings}[name]

    def of(self, name: str) -> str:
        """Return a choice as far as the table has it, else the table's own."""
        chosen, here = str(getattr(self, name)), self.options(name)
        return chosen if chosen in here else self.study.when if name == "when" else here[0]

    @property
    def what(self) -> tuple[str, str, str]:
        """Table, outcome and period."""
        return self.data, self.of("outcome"), self.of("when")

    @property
    def is_ranked(self) -> bool:
        """Whether the measure goes along a rank."""
        return self.of("measure") == CONCENTRATION

    @property
    def has_places(self) -> bool:
        """Whether the table has rows of places, not only published figures."""
        return self.data != "cnnic"

    def choose(self, data: str) -> None:
        """Choose a table, and what it has in place of what it lacks, as one choice that can be taken back as one."""
        after = State(data=data, **{n: getattr(self, n) for n in ("outcome", "when", "by", "measure")})
        self.param.update(data=data, **{n: after.of(n) for n in ("outcome", "when", "by", "measure")})

    def read(self) -> tuple[float, str]:
        """Return what the outcome is multiplied by to be read, and its unit in the page's language."""
        factor, unit = _scale(self.of("outcome"))
        return factor, vocabulary.say_unit(unit, self.lang)

    # tables

    def measures(self) -> pl.DataFrame:
        """Return every measure, with interval, n and vintage."""
        return _measures(*self.what)

    def curve(self) -> pl.DataFrame:
        """Return the curve of the chosen measure."""
        return _curve(*self.what, self.is_ranked)

    def groups(self) -> pl.DataFrame:
        """Return the mean of each group, in the unit in which it is read, lowest first."""
        factor, _ = self.read()
        if not self.has_places:
            rows = _rows("cnnic", self.of("when")).filter(outcome=self.of("outcome"))
            return rows.select(pl.col("figure").alias("group"), "value", "month_start").sort("value")
        return _groups(*self.what, self.of("by")).with_columns(pl.col("value", "se", "lower", "upper") * factor)

    def parts(self) -> pl.DataFrame:
        """Return what lies within and between groups."""
        return _parts(*self.what, self.of("by"))

    def why(self) -> GapDecomposition | str:
        """Return what a gap of two groups goes with, or why there is no answer."""
        return _why(*self.what)

    def course(self) -> Course:
        """Return how the gap went over time."""
        return _course(self.data, self.of("outcome"))

    def frontier(self) -> pl.DataFrame:
        """Return whom each budget reaches; slow the first time for a service."""
        told = []
        for i, objective in enumerate(OBJECTIVES):
            self.step(i / len(OBJECTIVES))
            told.append(_frontier(self.service, objective))
        return pl.concat(told)


def _named(state: State, rows: pl.DataFrame, column: str = "group") -> pl.DataFrame:
    """Return rows with their groups in words."""
    words = {c: _group_name(c, state.lang) for c in rows[column].drop_nulls().unique()}
    said = pl.col(column).replace(words)
    if "month_start" in rows.columns:
        said = pl.format("{} {}", said, pl.col("month_start").dt.strftime("%Y-%m"))
    return rows.with_columns(said.alias(column))


def _groups_table(state: State) -> pl.DataFrame:
    """Return the mean of each group in words, with interval and n, or the published figures."""
    rows = _named(state, state.groups())
    if not state.has_places:
        return rows.select("group", "value")
    return rows.select("group", pl.col("value").alias("mean"), "lower", "upper", "level", "n")


def _where(state: State, lang: Language) -> str:
    """Return what the rows are and of when."""
    return f"{pick(state.study.unit, lang)}{pick(('，', ', '), lang)}{state.of('when')}"


def _counted_in(state: State, n: Any, lang: Language) -> str:
    """Return how many places are behind a picture, and of when they are."""
    return f"n = {numbers.count(int(n))} {pick(('个', ''), lang)}{_where(state, lang)}"


def _measure_name(name: str, lang: Language) -> str:
    return _outcome(name, lang) if name in vocabulary.COLUMNS and name not in _MEASURE_WORDS else (
        pick(_MEASURE_WORDS[name], lang)
    )  # fmt: skip


def big_numbers(state: State, lang: Language) -> list[Number]:
    """Return the four numbers that answer the question: how unequal, how wide, between whom, and whether it closes."""
    outcome = _outcome(state.of("outcome"), lang)
    return [_how_unequal(state, lang, outcome), _how_wide(state, lang), _between(state, lang), _closing(state, lang)]


def _interval(low: float | None, high: float | None, lang: Language) -> str:
    if low is None or high is None:
        return pick(("没有区间", "no interval"), lang)
    return pick(("95% 区间 ", "95% interval "), lang) + numbers.span(low, high, "", lang)


def _how_unequal(state: State, lang: Language, outcome: str) -> Number:
    if not state.has_places:
        return no_number(pick((f"不平等程度：{outcome}", f"How unequal: {outcome}"), lang), lang,
                         pick(("只有公布的汇总数，算不出指数", "published totals only: no index can be "
                                                               "made"), lang))  # fmt: skip
    row = state.measures().row(by_predicate=pl.col("measure") == state.of("measure"), named=True)
    label = f"{_measure_name(state.of('measure'), lang)}{pick(('：', ': '), lang)}{outcome}"
    n = numbers.count(row["n"])
    detail = pick(("；", "; "), lang).join(
        (
            _interval(row["lower"], row["upper"], lang),
            f"n = {n} {pick(('个', ''), lang)}{pick(state.study.unit, lang)}",
            state.of("when"),
        )
    )
    return Number(label, numbers.figures(row["value"]), "", detail)


def _ends(state: State) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the lowest and the highest fifth, country and town, else the groups at both ends."""
    rows = state.groups()
    named = {r["group"]: r for r in rows.to_dicts()}
    for first, last in ((FIFTHS[0], FIFTHS[-1]), _CNNIC_PAIRS[0]):
        if {first, last} <= set(named):
            return named[first], named[last]
    return rows.row(0, named=True), rows.row(-1, named=True)


def _how_wide(state: State, lang: Language) -> Number:
    low, high = _ends(state)
    factor_unit = state.read()[1]
    names = [_group_name(r["group"], lang) for r in (low, high)]
    label = pick((f"{names[0]}与{names[1]}：{_grouping(state.of('by'), lang)}",
                  f"{names[0][0].upper()}{names[0][1:]} and {names[1]}: "
                  f"{_grouping(state.of('by'), lang)}"), lang)  # fmt: skip
    told = [numbers.quantity(r["value"], factor_unit, lang) for r in (low, high)]
    details = []
    for name, r in zip(names, (low, high), strict=True):
        if "lower" in r:
            details.append(f"{name} {_interval(r['lower'], r['upper'], lang)}, n = {numbers.count(r['n'])}")
        else:
            details.append(f"{name}: {r['month_start']:%Y-%m}")
    return Number(label, f"{told[0][0]} ↔ {told[1][0]}", told[0][1], pick(("；", "; "), lang).join(details))


def _between(state: State, lang: Language) -> Number:
    by = _grouping(state.of("by"), lang)
    label = pick((f"差异中有多少在组间：{by}", f"How much of it lies between groups: {by}"), lang)
    if not state.has_places:
        return no_number(label, lang, pick(("没有组内的数据", "nothing is published within the groups"), lang))
    rows = state.parts().filter(measure="theil_t")
    between = rows.row(by_predicate=pl.col("component") == "between", named=True)
    total = rows.row(by_predicate=pl.col("component") == "total", named=True)
    return Number(
        label, numbers.percent(between["contribution_share"]), "",
        pick((f"泰尔 T {numbers.figures(total['contribution'])} 中组间为 {numbers.figures(between['contribution'])}",
              f"of Theil T ({numbers.figures(total['contribution'])}) between: "
              f"{numbers.figures(between['contribution'])}"), lang)
        + f"{pick(('（', ' ('), lang)}{_interval(between['lower'], between['upper'], lang)}"
        + pick(("）；其余在组内；", "); the rest lies within; "), lang) + _counted_in(state, total["n"], lang),
    )  # fmt: skip


def _closing(state: State, lang: Language) -> Number:
    course = state.course()
    label = pick(("差距在扩大吗？", "Is the gap widening?"), lang)
    if not course.verdict:
        return no_number(label, lang, pick(course.why, lang))
    times = [] if course.lines is None else course.lines["when"].sort().to_list()
    times = [t for t in times if course.since is None or t >= course.since]
    ends = " – ".join(f"{t:%Y-%m}" if isinstance(t, dt.date) else str(t) for t in (times[0], times[-1]))
    more = pick(("；", "; "), lang).join(_verdicts(course, lang))
    n = (
        f"n = {_sum(course.n)}"
        if course.n
        else pick(("仅计舍入，抽样误差未知", "rounding only, error of the sample unknown"), lang)
    )
    detail = pick(("；", "; "), lang).join((ends, more, n))
    return Number(label, _verdict(course, lang), "", detail)


def _verdict(course: Course, lang: Language) -> str:
    """Return the first verdict in words, and how far it goes where only the printed digits are known."""
    said = vocabulary.say(f"verdict_{course.verdict}", lang)
    return said if course.n else said + pick(("（只按印出的数）", " (as printed)"), lang)


def _sum(counts: Sequence[int]) -> str:
    return " + ".join(numbers.count(n) for n in counts)


def _verdicts(course: Course, lang: Language) -> list[str]:
    colon = pick(("：", ": "), lang)
    named = {"spread": pick(("各地离散（对数标准差）", "spread of places (log s.d.)"), lang)}
    return [
        f"{named.get(m) or vocabulary.say(f'gap_{m}', lang)}{colon}{vocabulary.say(f'verdict_{v}', lang)}"
        for m, v in course.verdicts
    ]


def cannot_show(state: State, lang: Language) -> str:
    """Return what a reader could wrongly take from the page."""
    return pick(
        (
            f"{pick(state.study.caveat, lang)}没有找到公开的北京分区、分年龄、分收入的上网表，也没有分省的。"
            "“未能解释”不等于歧视，“可由特征解释”也不等于公平。区间把各地当作独立抽取的样本；普查是全部。"
            "村庄是合成的，价格为估计。文本的说法是声明，不是数据。",
            f"{pick(state.study.caveat, lang)} No open table of internet use by district, age or income in Beijing was "
            "found, nor one by province. Unexplained is not discrimination and explained is not fair. Intervals take "
            "the places for an independent sample; a census is all of them. The villages are synthetic and the prices "
            "estimates. What the texts say are claims, no data.",
        ),
        lang,
    )


def message(state: State, lang: Language) -> str:
    """Return what of a link's choices the table does not have, or nothing."""
    # A link that names the table alone asks for nothing that it lacks.
    chosen = [n for n in ("outcome", "when", "by", "measure") if getattr(state, n) != state.param[n].default]
    lost = [n for n in chosen if getattr(state, n) != state.of(n)]
    if not lost:
        return ""
    words: dict[str, Both] = {"outcome": ("指标", "outcome"), "when": ("时期", "period"), "by": ("分组", "groups"),
                              "measure": ("度量", "measure")}  # fmt: skip
    named = pick(("、", ", "), lang).join(pick(words[n], lang) for n in lost)
    return pick((f"此表没有所选的{named}，显示它自己的默认值；请在左侧另选。",
                 f"This table lacks the chosen {named} and shows its own: choose another on the "
                 "left."), lang)  # fmt: skip


# pictures


_ON_MEASURE = ("data", "outcome", "when", "measure")
_ON_GROUPS = ("data", "outcome", "when", "by")


def _colon(lang: Language) -> str:
    return pick(("：", ": "), lang)


def _curve_picture(state: State) -> Picture:
    def title(lang: Language) -> str:
        outcome = _outcome(state.of("outcome"), lang)
        if not state.has_places:
            return f"{outcome}{_colon(lang)}{pick(('公布的数', 'published figures'), lang)}"
        kind = vocabulary.say("concentration_curve" if state.is_ranked else "lorenz_curve", lang)
        return pick((f"{kind}：{outcome}（{_where(state, lang)}）", f"{kind}: {outcome} ({_where(state, lang)})"), lang)

    def draw() -> Any:
        lang, outcome = state.lang, _outcome(state.of("outcome"), state.lang)
        if not state.has_places:
            return _bars(state, title(lang), _CURVE_PX)
        unit = pick(state.study.unit, lang)
        own = pick(("按此值从低到高", "lowest value first"), lang)
        rank = own
        if state.is_ranked:
            by = vocabulary.column(str(state.study.rank)).label(lang)
            rank = pick((f"按{by}从低到高", f"lowest {by[0].lower() + by[1:]} first"), lang)
        counted = pick(("人口", "People"), lang) if state.study.weight else unit[0].upper() + unit[1:]
        return drawn.curve(
            state.curve(), ranked_by=f"{counted}{pick(('，', ', '), lang)}{rank}", name=outcome,
            held=pick((f"所占份额：{outcome}", f"Share: {outcome[0].lower() + outcome[1:]}"), lang), alt=title(lang),
            lang=lang, large=state.is_large, height=_CURVE_PX,
        )  # fmt: skip

    def note(lang: Language) -> str:
        if not state.has_places:
            return pick(("两组一对，同一日期；没有样本信息，画不出曲线。",
                         "Pairs of groups, each at one date; without a sample there is no curve."), lang)  # fmt: skip
        row = state.measures().row(by_predicate=pl.col("measure") == state.of("measure"), named=True)
        said = (f"{_measure_name(state.of('measure'), lang)} {numbers.figures(row['value'])} "
                f"({_interval(row['lower'], row['upper'], lang)}; n = {numbers.count(row['n'])})")  # fmt: skip
        line = vocabulary.say("equal_shares", lang)
        how = pick(
            (f"虚线为{line}；色带为曲线的 95% 区间。", f"Dashed: {line}; band: 95% interval of the curve."), lang
        )
        if state.is_ranked:
            how += pick(("曲线在虚线之上：集中在排序靠前（低）的一端。",
                         " A curve above the line: it is concentrated at the lower end of the "
                         "rank."), lang)  # fmt: skip
        return (
            f"{html.escape(said)}. {html.escape(how)}" if lang == "en" else f"{html.escape(said)}。{html.escape(how)}"
        )

    def table() -> pl.DataFrame:
        if not state.has_places:
            return _groups_table(state)
        return state.curve().select("population_share", "value_share", "lower", "upper", "level", "n")

    return Picture("curve", title=title, draw=draw, table=table, note=note, height=_CURVE_PX, redraw_on=_ON_MEASURE)


def _bars(state: State, alt: str, height: int) -> Any:
    """Return bars of groups: all, or of many those at both ends."""
    rows = _ends_of(_named(state, state.groups()).sort("value"))
    _, unit = state.read()
    outcome = _outcome(state.of("outcome"), state.lang)
    return charts.ranked(rows, "group", "value", alt=alt, names={"axis": outcome}, unit=unit, colour=drawn.LINES[0],
                         lang=state.lang, large=state.is_large, height=height)  # fmt: skip


def _ends_of(rows: pl.DataFrame) -> pl.DataFrame:
    """Return all rows, or of many those at both ends."""
    return rows if rows.height <= _BARS else pl.concat([rows.head(_BARS // 2), rows.tail(_BARS // 2)])


def _measures_picture(state: State) -> Picture:
    def title(lang: Language) -> str:
        return pick((f"各种度量：{_outcome(state.of('outcome'), lang)}", f"By several measures: "
                     f"{_outcome(state.of('outcome'), lang)}"), lang)  # fmt: skip

    def draw() -> Any:
        if not state.has_places:
            why = pick(
                ("只有公布的汇总数：算不出不平等指数。", "Published totals only: no index can be made of them."),
                state.lang,
            )
            return figures.unavailable(why, lang=state.lang, large=state.is_large, height=_CURVE_PX)
        shown = [*SPREADS[:-1], CONCENTRATION, ERREYGERS]
        rows = state.measures().filter(pl.col("measure").is_in(shown)).with_columns(
            strong=pl.col("measure") == state.of("measure"),
            label=pl.col("measure").replace(_said_measures(state.lang)),
        )  # fmt: skip
        return drawn.estimates(rows, label="label", strong="strong", title=pick(("指数", "Index"), state.lang),
                               alt=title(state.lang), lang=state.lang, large=state.is_large,
                               height=_CURVE_PX)  # fmt: skip

    def note(lang: Language) -> str:
        if not state.has_places:
            return ""
        n = state.measures()["n"].max()
        words = [pick((f"菱形为所选度量，色条为 95% 区间；{_counted_in(state, n, lang)}。",
                       f"Diamond: the chosen measure; bar: 95% interval; {_counted_in(state, n, lang)}. "),
                      lang)]  # fmt: skip
        words.append(
            pick(("按常住人口加权。", "Weighted by residents. "), lang) if state.study.weight
            else pick(("各地同权。", "Places weigh alike. "), lang)
        )  # fmt: skip
        if _bounds(state.of("outcome")):
            words.append(pick(
                ("百分数有上限：不平等指数对“有”与“没有”给出不同的答案；Erreygers 指数除正负号外不变。",
                 "A percentage has an upper end: an index answers otherwise for having than for lacking; the Erreygers "
                 "index does not, but for its sign. "), lang))  # fmt: skip
        if state.study.is_counted:
            words.append(pick(("普查是全部地区：区间是把它们当作样本时的。", "A census is all places: the intervals "
                               "are those of a sample of them. "), lang))  # fmt: skip
        return "".join(words)

    def table() -> pl.DataFrame:
        if not state.has_places:
            return pl.DataFrame(schema={"inequality_measure": pl.String, "value": pl.Float64, "n": pl.Int64})
        said = pl.col("measure").replace({**_said_measures(state.lang), "mean": pick(("均值", "mean"), state.lang)})
        notes = {n: vocabulary.say(f"note_{n}", state.lang) for n in state.measures()["note"].drop_nulls().unique()}
        return state.measures().select(
            said.alias("inequality_measure"),
            "value",
            "se",
            "lower",
            "upper",
            "level",
            "n",
            "n_missing",
            "vintage",
            pl.col("note").replace(notes),
        )

    return Picture("measures", title=title, draw=draw, table=table, note=note, height=_CURVE_PX, redraw_on=_ON_MEASURE,
                   simple=False)  # fmt: skip


def _said_measures(lang: Language) -> dict[str, str]:
    return {m: pick(words, lang) for m, words in _MEASURE_WORDS.items()}


def _parts_picture(state: State) -> Picture:
    def title(lang: Language) -> str:
        by = _grouping(state.of("by"), lang)
        return pick((f"组内还是组间：{by}", f"Within or between groups: {by}"), lang)

    def draw() -> Any:
        lang = state.lang
        if not state.has_places:
            why = pick(("组内没有公布任何数。", "Nothing is published within these groups."), lang)
            return figures.unavailable(why, lang=lang, large=state.is_large, height=_TREND_PX)
        rows = state.parts().with_columns(pl.col("measure").replace(_said_measures(lang)))
        return drawn.parts(rows, label="measure", alt=title(lang), lang=lang, large=state.is_large, height=_TREND_PX)

    def note(lang: Language) -> str:
        if not state.has_places:
            return ""
        rows = state.parts()
        n = rows.filter(component="group", measure="theil_t").height
        said = _counted_in(state, rows.filter(component="total")["n"].max(), lang)
        return drawn.parts_key(rows["component"].unique().to_list(), lang) + pick(
            (f"{n} 组；{said}。基尼系数有重叠项：低组中的高者与高组中的低者交错。表中有各组均值、区间与 n。",
             f"{n} groups; {said}. Gini leaves an overlap: the high of a low group and the low of a high one. The "
             "table has each group's mean and n, and intervals."), lang,
        )  # fmt: skip

    def table() -> pl.DataFrame:
        if not state.has_places:
            return _groups_table(state)
        words = {p: vocabulary.say(f"component_{p}", state.lang) for p in ("within", "between", "overlap", "total")}
        words["group"] = vocabulary.say("group", state.lang)
        factor, _ = state.read()
        return _named(state, state.parts()).select(
            pl.col("measure").replace(_said_measures(state.lang)).alias("inequality_measure"),
            pl.col("component").replace(words), "group", pl.col("mean") * factor, "population_share", "contribution",
            "contribution_share", "lower", "upper", "n",
        )  # fmt: skip

    return Picture("parts", title=title, draw=draw, table=table, note=note, height=_TREND_PX, redraw_on=_ON_GROUPS)


def _why_picture(state: State) -> Picture:
    def names(lang: Language) -> tuple[str, str]:
        assert state.study.pair is not None
        return _group_name(state.study.pair[1], lang), _group_name(state.study.pair[2], lang)

    def title(lang: Language) -> str:
        outcome = _outcome(state.of("outcome"), lang)
        if state.study.pair is None:
            return pick((f"各组均值：{outcome}", f"Mean of each group: {outcome}"), lang)
        a, b = names(lang)
        return pick((f"{a}与{b}之差与什么有关：{outcome}", f"What the gap of {a} and {b} goes with: {outcome}"), lang)

    def means() -> Any:
        # Fifths stand in their order, other groups by their means.
        key = "group" if state.groups()["group"].is_in(list(FIFTHS)).all() else "value"
        rows = _ends_of(_named(state, state.groups().sort(key, descending=True)))
        if not state.has_places:
            none = pl.lit(None, pl.Float64)
            rows = rows.with_columns(lower=none, upper=none)
        return drawn.estimates(rows, label="group", title=_outcome(state.of("outcome"), state.lang),
                               unit=state.read()[1], alt=title(state.lang), lang=state.lang, large=state.is_large,
                               height=_TREND_PX)  # fmt: skip

    def rows(lang: Language) -> pl.DataFrame:
        found = state.why()
        assert isinstance(found, GapDecomposition)
        factor, _ = state.read()
        whole = {"gap": pick(("差距", "gap"), lang), **{c: vocabulary.say(f"component_{c}", lang)
                                                       for c in ("explained", "unexplained")}}  # fmt: skip
        kept = found.table.filter(
            pl.col("fold").is_in(["gap", "two"]), pl.col("component").is_in(list(whole)),
            (pl.col("variable") == TOTAL)
            | ((pl.col("component") == "explained") & pl.col("variable").is_in(list(state.study.covariates))),
        )  # fmt: skip
        is_whole = pl.col("variable") == TOTAL
        said = {c: vocabulary.column(c).label(lang) for c in state.study.covariates}
        order = pl.Enum(["gap", "explained", "unexplained"])
        mark = pick(("　· ", "· "), lang)
        return kept.sort(pl.col("component").cast(order), ~is_whole, maintain_order=True).select(
            pl.when(is_whole).then(pl.col("component").replace(whole))
            .otherwise(pl.lit(mark) + pl.col("variable").replace(said)).alias("label"),
            (pl.col("component") == "gap").alias("strong"), pl.col("value", "lower", "upper") * factor, "level",
            "share",
        )  # fmt: skip

    def draw() -> Any:
        lang, found = state.lang, state.why()
        if state.study.pair is None:
            return means()
        if isinstance(found, str):
            return figures.unavailable(found, lang=lang, large=state.is_large, height=_TREND_PX)
        _, unit = state.read()
        return drawn.estimates(
            rows(lang), label="label", strong="strong", title=pick(("差距的各部分", "Part of the gap"), lang),
            unit=pick(("个百分点", "points"), lang) if unit == "%" else unit, alt=title(lang), lang=lang,
            large=state.is_large, height=_TREND_PX,
        )  # fmt: skip

    def note(lang: Language) -> str:
        found = state.why()
        if isinstance(found, str):
            if not state.has_places:
                return pick(("公布的汇总数，没有区间。", "Published totals, without an interval."), lang)
            counted = _counted_in(state, state.groups()["n"].sum(), lang)
            return pick((f"色条为 95% 区间；{counted}。此表没有特征列，不能说差距与什么有关。",
                         f"Bars: 95% interval; {counted}. This table has no covariates, so that nothing can be said of "
                         "what the gap goes with."), lang)  # fmt: skip
        stop = pick(("，", ", "), lang)
        n = f"n = {numbers.count(found.n[0])} + {numbers.count(found.n[1])}{stop}{state.of('when')}"
        weak = f" {vocabulary.say('note_weak_overlap', lang)}. " if "weak_overlap" in found.note else ""
        return pick(
            (f"Oaxaca–Blinder 两重分解，合并回归为参照，按人口加权，{n}。{weak}地区层面的相关，不是因果；"
             "“未能解释”是没有测到的一切。",
             f"Oaxaca-Blinder, two-fold, pooled reference, weighted by people, {n}. {weak}Of places, not of persons, "
             "and no cause; unexplained is all that was not measured."), lang,
        )  # fmt: skip

    def table() -> pl.DataFrame:
        if isinstance(state.why(), str):
            return _groups_table(state)
        return rows(state.lang).drop("strong").rename({"share": "contribution_share", "label": "part_of_gap"})

    return Picture(
        "why", title=title, draw=draw, table=table, note=note, height=_TREND_PX, redraw_on=_ON_GROUPS, simple=False
    )


def _trend_picture(state: State) -> Picture:
    def named(course: Course, lang: Language) -> dict[str, str]:
        words = {"spread": pick(("各地离散", "spread of places"), lang), "CHN": pick(("中国", "China"), lang)}
        return {g: words.get(g) or _group_name(g, lang) for g in course.order}

    def title(lang: Language) -> str:
        course = state.course()
        said = f"{_colon(lang)}{_verdict(course, lang)}" if course.verdict else ""
        asked = (
            ("各地在拉开吗", "Are places drawing apart")
            if course.is_spread
            else ("差距在扩大吗", "Is the gap widening")
        )
        return pick(asked, lang) + said

    def draw() -> Any:
        course, lang = state.course(), state.lang
        if course.lines is None:
            return figures.unavailable(pick(course.why, lang), lang=lang, large=state.is_large, height=_MAP_PX)
        words = named(course, lang)
        _, unit = ("", "") if course.is_spread else state.read()
        has_ends = "lower" in course.lines.columns
        axis = pick(("对数标准差", "Standard deviation of logarithms"), lang)
        return drawn.gap_lines(
            course.lines.with_columns(pl.col("group").replace(words)), time="when", value="value", group="group",
            order=list(words.values()), low="lower" if has_ends else None, high="upper" if has_ends else None,
            breaks=[(at, pick(_NEW_BASE if course.since else _NEW_SOURCE, lang)) for at in course.breaks], unit=unit,
            title=axis if course.is_spread else _outcome(state.of("outcome"), lang), alt=title(lang), lang=lang,
            large=state.is_large, height=_MAP_PX,
        )  # fmt: skip

    def note(lang: Language) -> str:
        course = state.course()
        if course.lines is None:
            return ""
        said = pick(("；", "; "), lang).join(_verdicts(course, lang))
        more = {
            "cnnic": ("六期多有空缺，不足以断定趋势。城镇在内嵌表中只有 2020-12 一期，所以比较全国（含农村）与农村；"
                      "2020-12 与 2021-12 之间基数已调整（似按第七次人口普查），其间的变化不计入判断。"
                      "区间只计舍入，抽样误差未公布。",
                      "Six surveys with gaps are too few to settle a trend. Between 2020-12 and 2021-12 the base moved "
                      "(to the census of 2020, it seems), and that change takes no part in the verdict. "
                      "Urban use stands in the table once (2020-12), so everybody (rural people too) and rural are "
                      "compared; the interval is of rounding only, the error of the sample is not published."),
            "countries": (f"按 {FIRST_YEAR} 年人均 GDP 固定分组，只取每年都有数的国家，同权；各年按独立样本计，"
                          "区间偏宽。",
                          f"Fifths by GDP per person of {FIRST_YEAR}, kept; countries with every year only, weighing "
                          "alike; years count as independent, so that intervals are wide."),
            "microsoft": ("按县收入五等分，按人口加权；两个月之间，2019 年只有两位小数。",
                          "Fifths by income of counties, weighted by people; two months, and 2019 has two decimals "
                          "only."),
            "eurostat": (f"每年都有数的区，n = {_sum(course.n)}；分区改划使一些区缺年而不计。",
                         f"Regions with every year, n = {_sum(course.n)}; redrawn regions lack years and do not "
                         "count."),
            "census": (f"各省（n = {_sum(course.n)}）两次普查。", f"Provinces (n = {_sum(course.n)}) at two censuses."),
        }  # fmt: skip
        return drawn.gap_key(list(named(course, lang).values())) + html.escape(
            f"{said}. {pick(more[state.data], lang)}" if lang == "en" else f"{said}。{pick(more[state.data], lang)}"
        )

    def table() -> pl.DataFrame:
        course, lang = state.course(), state.lang
        if course.lines is None:
            return pl.DataFrame(schema={"time_of_figure": pl.String, "value": pl.Float64})
        more = [c for c in ("lower", "upper", "n") if c in course.lines.columns]
        return course.lines.select(
            pl.col("when").cast(pl.String).alias("time_of_figure"), pl.col("group").replace(named(course, lang)),
            "value", *more,
        )  # fmt: skip

    return Picture(
        "trend", title=title, draw=draw, table=table, note=note, height=_MAP_PX, redraw_on=("data", "outcome")
    )


def _national(lang: Language) -> str:
    return pick(("只有全国的数：没有找到公开的分省、分区上网表。",
                 "National figures only: no open table of internet use by province or district was found."),
                lang)  # fmt: skip


def _p(value: float) -> str:
    """Return a p-value in words; below the third decimal it is not told."""
    least = 0.001
    return f"p < {least}" if value < least else f"p = {value:.3f}"


def _how_to_get_outlines(data: str, lang: Language) -> str:
    """Return size and command of outlines that can be had, or nothing where there are none to be had."""
    if data != "countries":
        return ""
    size = f"{sum(f.size_bytes for f in catalog.declaration(GLOBE).files) / _BYTES_PER_MB:.1f} MB"
    command = f"<code>citylab fetch {GLOBE}</code>"
    return pick((f"要看各国的邻居：{command}（{size}），然后重启服务。",
                 f" For the neighbours of countries: {command} ({size}), then start the server again."),
                lang)  # fmt: skip


def _map_picture(state: State) -> Picture:
    def is_mapped() -> bool:
        return state.data in MAPPED

    def title(lang: Language) -> str:
        outcome = _outcome(state.of("outcome"), lang)
        if is_mapped():
            level = vocabulary.say(f"divide_places_{MAPPED[state.data]}", lang)
            return pick((f"冷点在哪里：{outcome}（{level}）", f"Where the cold spots are: {outcome} ({level})"), lang)
        if not state.has_places:
            return pick((f"没有分地区的数，不画地图：{outcome}", f"No places, no map: {outcome}"), lang)
        by = _grouping(state.of("by"), lang)
        return pick((f"没有边界，不画地图：{outcome}，按{by}", f"No outlines, no map: {outcome}, {by}"), lang)

    def rows(lang: Language) -> pl.DataFrame:
        local = _spots(*state.what).local
        factor, _ = state.read()
        known = dict(_rows(*state.what[::2]).select("place", "name").iter_rows())
        named = {"province": lambda c: _group_name(c, lang), "district": lambda c: city.district_name(c, lang),
                 "country": lambda c: known.get(c, c)}[MAPPED[state.data]]  # fmt: skip
        names = {c: named(c) for c in local["place"]}
        return local.with_columns(
            pl.col("place").replace(names).alias("name"), pl.col("value", "lag") * factor,
            tip=pl.format("p = {}, FDR {}", pl.col("p_sim").round(4), pl.col("p_adjusted").round(3)),
        )  # fmt: skip

    def draw() -> Any:
        lang = state.lang
        if not state.has_places:
            return figures.unavailable(_national(lang), lang=lang, large=state.is_large, height=_MAP_PX)
        if not is_mapped():
            return _bars(state, title(lang), _MAP_PX)
        spots = _spots(*state.what)
        return drawn.cluster_map(
            rows(lang), spots.places, place="place", value="value", name="name", tip="tip", links=spots.links,
            unit=state.read()[1], title=_outcome(state.of("outcome"), lang), alt=title(lang), lang=lang,
            large=state.is_large, height=_MAP_PX, legend=False,
        )  # fmt: skip

    def note(lang: Language) -> str:
        if not state.has_places:
            return ""
        if not is_mapped():
            return pick(
                (
                    "这些地区的边界没有随 citylab 附带，不知道谁与谁相邻，所以不谈聚集，只列各组。",
                    "The outlines of these places do not come with citylab. Who borders on whom is not known, so "
                    "nothing is said of clusters: groups are listed.",
                ),
                lang,
            ) + _how_to_get_outlines(state.data, lang)
        spots = _spots(*state.what)
        found = [c for c in spots.local["cluster"].drop_nulls().unique() if c in drawn.CLUSTERS]
        scale = maps.legend(
            rows(lang), "value", no_value=vocabulary.say("no_data", lang), unit=state.read()[1], lang=lang
        )
        none = "" if found else pick(("没有一处聚集能与随机区分。", "No cluster can be told from chance. "), lang)
        w = spots.whole
        moran = f"Moran I {numbers.figures(w['value'])} ({_p(w['p_sim'])}, n = {w['n']})"
        shape = {
            "province": ("每省一个圆点，连线为相邻（广东—海南为约定）；不画边界，因为所附轮廓不得作为地图公开。",
                         "A disc for each province, lines join neighbours (Guangdong and Hainan by convention). No "
                         "borders are drawn: the outlines at hand may not be published as a map."),
            "country": (f"每国一个圆点，连到最近的 {NEAREST} 国；不画国界：所附轮廓不合中国地图规定。小岛国没有轮廓，"
                        "不在内。",
                        f"A disc for each country, joined to its {NEAREST} nearest. No borders are drawn: the "
                        "outlines at "
                        "hand do not follow the map rules of China. Small islands have no outline and are not in it."),
            "district": (city.map_caution("zh"), city.map_caution("en")),
        }[MAPPED[state.data]]  # fmt: skip
        n = numbers.count(w["permutations"])
        said = pick((f"记号为局部 Moran（LISA），{n} 次置换，错误发现率 5%。{none}{moran}。",
                     f"Marks: local Moran (LISA), {n} permutations, false discovery rate 5%. {none}{moran}. "),
                    lang)  # fmt: skip
        return scale + drawn.cluster_key(found, lang) + html.escape(said + pick(shape, lang))

    def table() -> pl.DataFrame:
        if not is_mapped():
            return _groups_table(state)
        words = {c: vocabulary.say(f"cluster_{c}", state.lang) for c in (*drawn.CLUSTERS, "not_significant")}
        return rows(state.lang).select(
            pl.col("name").alias("place"), "value", "lag", pl.col("cluster").replace(words), "p_sim", "p_adjusted",
            "n_neighbours", "n", "permutations",
        )  # fmt: skip

    return Picture("map", title=title, draw=draw, table=table, note=note, height=_MAP_PX, redraw_on=_ON_GROUPS)


def _frontier_picture(state: State) -> Picture:
    synthetic = vocabulary.say

    def title(lang: Language) -> str:
        service = pick(_SERVICE_NAMES[state.service], lang)
        return pick(
            (f"补上差距的价格：{service}（合成村庄）", f"The price of closing: {service} (synthetic villages)"), lang
        )

    def draw() -> Any:
        return drawn_frontier.frontier_plot(state.frontier(), currency=pick(("元", "CNY"), state.lang), lang=state.lang,
                                            large=state.is_large, height=_CURVE_PX)  # fmt: skip

    def note(lang: Language) -> str:
        row = price.costs().row(by_predicate=pl.col("service") == state.service, named=True)
        unit = row[f"unit_{lang}"]
        ends = " – ".join(numbers.count(int(row[c])) for c in ("cost_low_cny", "cost_cny", "cost_high_cny"))
        last = _frontier(state.service, OBJECTIVES[0]).row(-1, named=True)
        proven = pick(("每一点都是可行的方案；与上界之差见表。", "Every point is a plan that can be carried out; its "
                       "gap to the bound is in the table."), lang)  # fmt: skip
        return html.escape(pick(
            (f"{VILLAGES} 个合成村庄，不是任何真实地方，缺此服务者 {numbers.count(int(last['persons']))} 人。{unit} "
             f"{ends} 元"
             f"（低、中、高，{_mark(row['mark'], lang)}）。{proven}全国行政村通光纤的比例 2021 年已超过 "
             "99%。",
             f"{VILLAGES} synthetic villages, no real place; {numbers.count(int(last['persons']))} people lack the "
             "service. "
             f"{unit}: {ends} CNY (low, central, high; {_mark(row['mark'], lang)}). {proven} Fibre had "
             "reached over 99% of China's villages in 2021."), lang,
        ))  # fmt: skip

    def table() -> pl.DataFrame:
        words = {o: synthetic(f"objective_{o}", state.lang) for o in OBJECTIVES}
        stands = {c: synthetic(f"status_{c}", state.lang) for c in state.frontier()["status"].unique()}
        return state.frontier().select(
            pl.col("objective").replace(words), "budget", "cost", "cost_lower", "cost_upper", "reached_persons",
            "persons", "reached_share", "least_share", "gap", pl.col("status").replace(stands), "is_synthetic",
        )  # fmt: skip

    return Picture("frontier", title=title, draw=draw, table=table, note=note, height=_CURVE_PX, redraw_on=("service",))


def _claims_picture(state: State) -> Picture:
    def title(lang: Language) -> str:
        return pick(("规划文本怎么说，公布的数怎么说", "What the texts say and what is published"), lang)

    def rows(lang: Language) -> pl.DataFrame:
        told: list[tuple[Any, ...]] = []
        for claim in (CLAIM_OLD, CLAIM_5G):
            own = _claims().filter(claim_id=claim).sort("figure_date")
            r = own.row(0, named=True)
            said = vocabulary.say(f"divide_figure_{r['claim_column']}", lang)
            told.append(("claim", pick((f"声明：{said}", f"claim: {said}"), lang), float(r["claim_pct"])))
            for f in own.iter_rows(named=True):
                above = pick(("，高于", ", over"), lang) if f["relation"] == "above" else ""
                said = vocabulary.say(f"divide_figure_{f['figure_column']}", lang)
                name = f"{said} {f['figure_date']:%Y-%m}{above}"
                told.append(("figure", name, float(f["figure_pct"])))
        kinds = {"role": pl.String, "label": pl.String, "value": pl.Float64}
        return pl.DataFrame([(a, figures.folded(b), v) for a, b, v in told], schema=kinds, orient="row").with_columns(
            low=pl.lit(None, pl.Float64), high=pl.lit(None, pl.Float64), unit=pl.lit("%")
        )

    def draw() -> Any:
        return claims.compared(rows(state.lang), label="label", unit="unit", alt=title(state.lang), lang=state.lang,
                               large=state.is_large, height=_CURVE_PX)  # fmt: skip

    def note(lang: Language) -> str:
        said = _claims().unique("claim_id", keep="first", maintain_order=True)[f"difference_{lang}"]
        stop = pick(("。", ". "), lang)
        return claims.compared_key(lang) + html.escape(stop.join([*said, ""]))

    def table() -> pl.DataFrame:
        shown = pl.concat([_claims()["claim_column"], _claims()["figure_column"]]).unique()
        words = {c: vocabulary.say(f"divide_figure_{c}", state.lang) for c in shown}
        lang = state.lang
        marks = {m: _mark(m, lang) for m in _claims()["mark"].unique()}
        relation = {"is": pick(("等于", "this"), lang), "above": pick(("高于此数", "above this"), lang)}
        return _claims().select(
            "claim_id", pl.col("claim_column").replace(words).alias("claim_of_text"), "claim_pct",
            pl.col("figure_column").replace(words), "figure_pct",
            pl.col("relation").replace(relation).alias("figure_relation"), "figure_date",
            pl.col(f"place_{lang}").alias("place"), pl.col(f"difference_{lang}").alias("definition_difference"),
            "source", pl.col("mark").replace(marks).alias("source_mark"),
        )  # fmt: skip

    return Picture("claims", title=title, draw=draw, table=table, note=note, height=_CURVE_PX)


def _counted_picture(state: State) -> Picture:
    def title(lang: Language) -> str:
        return pick(("谁没有被统计：中国，三个层次", "Who is not counted: China, at three levels"), lang)

    def draw() -> Any:
        rows = _cells().with_columns(
            tip=pl.when(pl.col("source").is_not_null())
            .then(pl.concat_str("source", pl.lit(" "), pl.col("month_start").dt.strftime("%Y-%m")))
        )  # fmt: skip
        return drawn.counted(rows, group=f"label_{state.lang}", level=f"level_{state.lang}",
                             value="internet_use_60plus_pct", tip="tip", alt=title(state.lang), lang=state.lang,
                             large=state.is_large, height=_COUNTED_PX)  # fmt: skip

    def note(lang: Language) -> str:
        when, source = _cells().drop_nulls("month_start").select("month_start", "source").row(0)
        return pick(
            (f"未成年人、老年人、残疾人、低收入者总在表中。唯一的数是全国 60 岁及以上上网率（{source}，{when:%Y-%m}）；"
             "北京没有公布这四类人的任何一项。",
             "Under 18, 60 and over, people with a disability and of low income always have a row. The one figure is "
             f"internet use at 60 and over in the nation ({source}, {when:%Y-%m}); of Beijing nothing is published for "
             "any of the four."),
            lang,
        )  # fmt: skip

    def table() -> pl.DataFrame:
        none = vocabulary.say("no_data", state.lang)
        return _cells().select(
            pl.col(f"label_{state.lang}").alias("group"), pl.col(f"level_{state.lang}").alias("divide_level"),
            pl.col("internet_use_60plus_pct").cast(pl.String).fill_null(none), "month_start", "source",
        )  # fmt: skip

    return Picture("counted", title=title, draw=draw, table=table, note=note, height=_COUNTED_PX, wide=True)


def pictures(state: State) -> list[Picture]:
    """Return the page's pictures, each with the table behind it."""
    return [
        _curve_picture(state), _measures_picture(state), _parts_picture(state), _why_picture(state),
        _trend_picture(state), _map_picture(state), _frontier_picture(state), _claims_picture(state),
        _counted_picture(state),
    ]  # fmt: skip


# code of the footer


_CODE: dict[str, str] = {
    "acs": f"""rows = cl.load("{ACS}").collect()
""",
    "microsoft": f"""people = cl.load("{ACS}").collect()
month = pl.col("month_start").dt.strftime("%Y-%m") == "{{when}}"
used = cl.load("{BROADBAND}").filter(month).collect()
rows = people.join(used, on="county_fips")
""",
    "eurostat": f"""rows = cl.load("{EUROPE}").filter(nuts_level={NUTS_LEVEL}, year={{when}}).collect()
""",
    "countries": f"""use = cl.load("{COUNTRIES}").collect()
people = cl.load("{GDP}").select("country_code", "year", "gdp_usd", "population_persons").collect()
rows = use.join(people, on=["country_code", "year"]).filter(year={{when}}).with_columns(
    gdp_per_capita_usd=pl.col("gdp_usd") / pl.col("population_persons"))
""",
    "census": f"""rows = cl.load("{COUNTIES}").filter(year={{when}}).collect().with_columns(
    illiterate_15plus_pct=100 * pl.col("illiterate_15plus_persons") / pl.col("age_15plus_persons"),
    urban_pct=100 * pl.col("urban_persons") / pl.col("population_persons"))
""",
    "beijing": f"""rows = cl.load("{AGES}").filter(year={{when}}).collect().with_columns(
    age_60plus_pct=100 * pl.col("age_60plus_persons") / pl.col("population_persons"))
""",
    "cnnic": f"""rows = cl.load("{CNNIC}").collect()
print(rows.drop_nulls("internet_use_60plus_pct").select("month_start", "internet_use_60plus_pct"))
""",
}


def code(state: State) -> str:
    """Return the lines that compute the numbers of the present choices."""
    data, outcome, when = state.what
    head = "import polars as pl\n\nimport citylab as cl\n"
    rows = _CODE[data].format(when=when)
    if not state.has_places:
        return f"{head}\n{rows}"
    study = state.study
    kept = ", ".join(f'"{c}"' for c in (outcome, study.weight, study.rank) if c)
    weight = f', weight="{study.weight}"' if study.weight else ""
    if state.is_ranked:
        tool = "from citylab.equity.concentration import concentration\n"
        call = f'told = concentration(rows, "{outcome}", rank="{study.rank}"{weight})\n'
    else:
        tool = "from citylab.equity.inequality import inequality\n"
        call = f'told = inequality(rows, "{outcome}"{weight}, measures=["{state.of("measure")}"])\n'
    return f"{head}{tool}\n{rows}rows = rows.drop_nulls([{kept}])\n{call}"


# widgets


def controls(state: State, lang: Language) -> pn.Column:
    """Return the widgets: which table, what, when, by whom, which measure; the service in the villages."""
    from citylab.app import controls as widgets

    def both(zh: str, en: str) -> str:
        return pick((zh, en), lang)

    def named(words: Callable[[str], str], name: str) -> Callable[[], dict[str, str]]:
        return lambda: {words(o): o for o in state.options(name)}

    tables_of = {pick(s.title, lang): d for d, s in STUDIES.items()}
    services = {pick(w, lang): s for s, w in _SERVICE_NAMES.items()}
    return widgets.column(
        state, lang,
        _table_choice(state, both("数据", "Data"), tables_of),
        _dependent(state, "outcome", both("什么", "What"), named(lambda o: _outcome(o, lang), "outcome")),
        _dependent(state, "when", both("时期", "When"), named(str, "when")),
        _dependent(state, "by", both("比较哪些组", "Groups compared"),
                   named(lambda g: _grouping(g, lang), "by")),
        _dependent(state, "measure", both("不平等的度量", "Measure of inequality"),
                   named(lambda m: pick(_MEASURE_WORDS[m], lang), "measure")),
        widgets.choice(state, "service", both("合成村庄：带去什么", "To the synthetic villages"), services),
    )  # fmt: skip


def _select(label: str, options: dict[str, str], value: str) -> Any:
    import panel as pn

    from citylab.app.styles import css

    return pn.widgets.Select(name=label, options=options, value=value, stylesheets=[css("inside")],
                             sizing_mode="stretch_width", margin=(0, 0, 12, 0))  # fmt: skip


def _table_choice(state: State, label: str, options: dict[str, str]) -> Any:
    widget = _select(label, options, state.data)
    widget.param.watch(lambda e: state.choose(e.new) if e.new != state.data else None, "value")
    state.param.watch(lambda *_: widget.param.update(value=state.data), ["data"])
    return widget


def _dependent(state: State, name: str, label: str, options: Callable[[], dict[str, str]]) -> Any:
    """Return a list whose options are those that the table has."""
    widget = _select(label, options(), state.of(name))
    following = [False]

    def put(*_: object) -> None:
        following[0] = True
        try:
            widget.param.update(options=options(), value=state.of(name))
        finally:
            following[0] = False

    widget.param.watch(lambda e: None if following[0] else state.param.update({name: e.new}), "value")
    state.param.watch(put, ["data", "outcome", "when", name] if name != "outcome" else ["data", "outcome"])
    return widget


def build() -> pn.Template:
    """Return the page for one reader."""
    from citylab.app import shell

    return shell.dashboard(State(), globals())


def _warm() -> None:
    """Work out, before the first reader comes, what the page begins with in every table."""
    for data in STUDIES:
        state = State(data=data)
        if state.has_places:
            state.measures(), state.parts(), state.groups()
            for is_ranked in {False, state.study.rank is not None}:
                _curve(*state.what, is_ranked)
        state.course(), state.why()
        if data in MAPPED:
            _spots(*state.what)
    State().frontier()


_warm()

if __name__.startswith("bokeh_app"):
    build().servable()
