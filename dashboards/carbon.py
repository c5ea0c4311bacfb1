"""Carbon: what Beijing emits, from what, how sure we are, what drove it, and whether the sources agree.

Serve it with ``citylab serve``, or alone with ``panel serve dashboards/carbon.py``.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import param
import polars as pl

from citylab import catalog, tables, vocabulary
from citylab.app import city
from citylab.app.parts import Changed, Number, Picture, cautions_on_page, pick, text
from citylab.app.state import PageState
from citylab.carbon import accounts, drivers, factors, grid, pulse, reconcile
from citylab.catalog import fetching
from citylab.viz import carbon as pictures_of_carbon
from citylab.viz import charts, maps, numbers, theme
from citylab.viz import pulse as pictures_of_pulse

if TYPE_CHECKING:
    import panel as pn

    from citylab.settings import Language

TITLE = ("碳排放", "Carbon")
QUESTION = (
    "北京排放多少二氧化碳，来自什么？各来源一致吗？",
    "How much CO₂ does Beijing emit, from what — and do the sources agree?",
)
FUA = "carbonmonitor__yearly_city_co2"
PROVINCE = "carbonmonitor__monthly_province_co2"
COUNTRY_DAYS = "carbonmonitor__daily_country_co2"
ACCOUNTS = "ceads__yearly_sector_fuel_co2"
COUNTRIES = "owid__yearly_country_co2"
GRID = factors.GRID_DATA
INDICATORS = "bjstats__yearly_city_indicator"
GDP = "bjstats__yearly_area_gdp"
CENSUS = "bjstats__census_district_population"
BEIJING = "110000"
LOCODE = "CN BJS"

ORDER = ("power", "industry", "ground_transport", "buildings", "aviation", "agriculture")
ALL = "all"
INTENSITY_LEAST = 0.41
"""The other printed value of the intensity of 2020; the note of its row in the indicators names both."""
KAYA_FIRST = 2000
LEVEL = 0.9
DAYS_AHEAD = 14
AS_OF = ("2020-01-20", "2020-09-20", "2020-12-31")
"""Days from which the nowcast can be asked: before the Spring Festival of 2020, an autumn day, the last of the data."""
LAST_DAYS = 92
SERIES = ("mee-nbs", "ets-reporting", "mee-nbs-residual", "beijing-pilot-ets")
PLACES = ("北京", "华北", "中国")
_SERIES_WORDS = {
    "mee-nbs": ("电力平均因子", "average factor"),
    "ets-reporting": ("碳市场核算", "ETS reporting"),
    "mee-nbs-residual": ("剩余结构（市场法）", "residual mix (market-based)"),
    "beijing-pilot-ets": ("北京试点碳市场", "Beijing pilot ETS"),
}
_PLACE_WORDS = {"北京": ("北京", "Beijing"), "华北": ("华北电网", "North China grid"), "中国": ("全国", "China")}
_SOURCE_IDS = ("ceads_sector_fuel", "carbonmonitor_city", "carbonmonitor_province", "official_intensity")
_SHORT = {
    "ceads_sector_fuel": ("CEADs（行政区）", "CEADs (administrative city)"),
    "carbonmonitor_city": ("Carbon Monitor 城市功能区", "Carbon Monitor, functional urban area"),
    "carbonmonitor_province": ("Carbon Monitor 三部门（行政区）", "Carbon Monitor, three sectors (administrative)"),
}
_TWH_PER_100M_KWH = 0.1
_T_PER_TWH = 1e6  # of a factor of 1 t/MWh


# data, once for all readers

HAS_ACCOUNTS = fetching.is_at_hand(catalog.declaration(ACCOUNTS))
SOURCES = (
    FUA, PROVINCE, COUNTRY_DAYS, GRID, INDICATORS, GDP, CENSUS, COUNTRIES, city.DISTRICTS,
    *([ACCOUNTS] if HAS_ACCOUNTS else []),
)  # fmt: skip

with cautions_on_page():
    _FUA = catalog.load(FUA, where={"city_locode": LOCODE}).collect()
    _MONTHS = (
        catalog.load(PROVINCE, where={"province_name_en": "Beijing"})
        .select("month_start", "sector", "co2_t")
        .sort("month_start", "sector")
        .collect()
    )
    _COUNTRY = catalog.load(COUNTRY_DAYS).collect()
    _INDICATORS = catalog.load(INDICATORS).collect()
    _AREAS = catalog.load(GDP).collect()
    _PEOPLE = catalog.load(CENSUS).collect()
    _CHINA = catalog.load(COUNTRIES, where={"country_code": "CHN"}).collect()
    _GRID = catalog.load(GRID).collect()
    _ACCOUNTS = catalog.load(ACCOUNTS).collect() if HAS_ACCOUNTS else None

_OFFICIAL = _INDICATORS.filter(indicator="co2_intensity").row(0, named=True)
_CITY_GDP = dict(_AREAS.filter(area_id=BEIJING).select("year", "gdp_cny").iter_rows())
_ELECTRICITY = _INDICATORS.filter(indicator="electricity_use").sort("year").row(-1, named=True)
ELECTRICITY_TWH = _ELECTRICITY["value"] * _TWH_PER_100M_KWH
ELECTRICITY_YEAR = _ELECTRICITY["year"]
CENSUS_YEAR = int(_PEOPLE["year"].max())
GDP_YEAR = int(_AREAS["year"].max())


@lru_cache(maxsize=1)
def _sources() -> dict[str, reconcile.Source]:
    year, intensity = _OFFICIAL["year"], _OFFICIAL["value"]
    official = reconcile.intensity_times_gdp(
        year=year, intensity=intensity, low=INTENSITY_LEAST, high=intensity, gdp_cny=_CITY_GDP[year]
    )
    found = {} if _ACCOUNTS is None else {"ceads_sector_fuel": reconcile.source("ceads_sector_fuel", _ACCOUNTS)}
    return found | {
        "carbonmonitor_city": reconcile.source("carbonmonitor_city", _FUA),
        "carbonmonitor_province": reconcile.source("carbonmonitor_province", _MONTHS),
        "official_intensity": reconcile.source("official_intensity", official),
    }


SECTOR_SOURCES = tuple(s for s in _SOURCE_IDS if s in _sources() and s != "official_intensity")
YEARS = tuple(sorted({y for s in SECTOR_SOURCES for y in _sources()[s].years}))
CASES = ("city", *(["accounts"] if HAS_ACCOUNTS else []), "country")


@lru_cache(maxsize=64)
def _reconciled(year: int) -> reconcile.Reconciliation:
    return reconcile.reconcile(*_sources().values(), year=year)


@lru_cache(maxsize=len(AS_OF))
def _nowcast(as_of: str) -> pl.DataFrame:
    """Return the country's days as observed up to a day, and estimated after it."""
    last = dt.date.fromisoformat(as_of)
    days = pulse.with_total(_COUNTRY).filter(sector=pulse.TOTAL)
    told = pulse.nowcast(days, horizon_days=DAYS_AHEAD, level=LEVEL, as_of=last)
    return told.filter(pl.col("date_local") > last - dt.timedelta(LAST_DAYS))


@lru_cache(maxsize=2)
def _city_days(lang: Language) -> pl.DataFrame:
    """Return Beijing's months spread over days by the country's days: modelled, every one."""
    whose = pick(("全国逐日（三部门）", "days of China, three sectors"), lang)
    days = pulse.disaggregate(_MONTHS, _COUNTRY, shape_source=whose)
    return days.filter(pl.col("date_local") > days["date_local"].max() - dt.timedelta(LAST_DAYS))


@lru_cache(maxsize=1)
def _factors() -> pl.DataFrame:
    """Return the electricity factors that Beijing could be reckoned with: one row each, with a key for the address."""
    declared = factors.available("electricity").filter(pl.col("series").is_in(SERIES), pl.col("place").is_in(PLACES))
    given = _GRID.filter(pl.col("grid_name_zh").is_in(PLACES)).select(
        pl.lit("mee-nbs").alias("series"), pl.col("grid_name_zh").alias("place"), year_from="year", year_to="year",
    )  # fmt: skip
    wanted = pl.concat([declared.select("series", "place", "year_from", "year_to"), given], how="vertical_relaxed")
    rows = []
    for r in wanted.unique(maintain_order=True).iter_rows(named=True):
        one = factors.factor("electricity", year=r["year_from"], place=r["place"], series=r["series"], grid=_GRID)
        mass, per = factors.parts_of(one.unit)
        value = one.value * factors.unit_factor(mass, "kg") / factors.unit_factor(per, "kWh")
        key = f"{r['series']}.{PLACES.index(r['place'])}.{r['year_from']}"
        rows.append(r | {"key": key, "grid_factor_kgco2_kwh": value, "edition": one.edition, "mark": one.mark})
    nearest = pl.col("place").replace_strict({p: i for i, p in enumerate(PLACES)}, return_dtype=pl.Int64)
    return pl.DataFrame(rows).sort(nearest, "series", "year_from")


FACTOR_KEYS = tuple(_factors()["key"])
FACTOR = next(r["key"] for r in _factors().sort("year_from", descending=True).iter_rows(named=True)
              if r["place"] == PLACES[0] and r["series"] == SERIES[0])  # fmt: skip


PROXIES = {"population": "population_persons", "gdp": "gdp_cny"}
"""Proxy of a district's part, and its column."""
POINTS = "power"
"""Sector of few great plants, which no proxy may spread (``citylab.carbon.grid.sector_proxies`` has none for it)."""


@lru_cache(maxsize=1)
def _districts() -> pl.DataFrame:
    """Return residents and GDP of each district; GDP is null where none is published."""
    people = _PEOPLE.filter(year=CENSUS_YEAR).select("adcode", "population_persons")
    gdp = _AREAS.filter(year=GDP_YEAR, area_level="district").select("gdp_cny", adcode="area_id")
    named = city.boundaries().select("adcode", "district_name_zh", "district_name_en")
    return named.join(people, on="adcode", how="left", maintain_order="left").join(
        gdp, on="adcode", how="left", maintain_order="left"
    )


@lru_cache(maxsize=len(PROXIES))
def _errors(proxy: str) -> pl.DataFrame:
    """Return how far a proxy misses the other one, district by district: no district's CO2 is known to measure by."""
    (other,) = (c for p, c in PROXIES.items() if p != proxy)
    return grid.leave_one_out(_districts().drop_nulls(), other, {PROXIES[proxy]: 1.0})


def _known_share(proxy: str) -> float:
    """Return the part of the city that districts with a figure of the proxy make up."""
    if proxy == "population":
        return 1.0
    return float(_districts()["gdp_cny"].sum() / _CITY_GDP[GDP_YEAR])


@lru_cache(maxsize=len(CASES))
def _driven(case: str) -> tuple[pl.DataFrame, int, int]:
    """Return the steps of a change in codes, and its first and last year: ``factor``, ``part`` (or null), ``co2_t``."""
    if case == "country":
        quantities = ["population_persons", "gdp_usd2011", "primary_energy_twh", "co2_t"]
        span = _CHINA.filter(pl.col("year") >= KAYA_FIRST).drop_nulls(quantities).sort("year")
        effects = drivers.kaya(span, gdp="gdp_usd2011", prices="constant-2011")
        totals = span
    elif case == "accounts":
        effects = accounts.energy_effects(_ACCOUNTS).filter(pl.col("factor") != "co2_per_energy")
        totals = _ACCOUNTS.group_by("year").agg(pl.col("co2_t").sum()).sort("year")
    else:
        own = _sources()["carbonmonitor_province"].frame.with_columns(
            gdp=pl.col("year").replace_strict(_CITY_GDP, return_dtype=pl.Float64)
        )
        own = own.with_columns(co2_per_gdp=pl.col("co2_t") / pl.col("gdp"))
        effects = drivers.lmdi(own, "co2_t", ["gdp", "co2_per_gdp"], by="sector", detail=True)
        effects = effects.with_columns(
            part=pl.when(pl.col("factor") == "co2_per_gdp").then("sector").otherwise(pl.lit(None, pl.String))
        )
        totals = own.group_by("year").agg(pl.col("co2_t").sum()).sort("year")
    keys = ["factor", *(["part"] if "part" in effects.columns else [])]
    steps = effects.group_by(keys, maintain_order=True).agg(co2_t=pl.col("effect").sum())
    if "part" not in steps.columns:
        steps = steps.with_columns(part=pl.lit(None, pl.String))
    if case == "accounts":
        process = _ACCOUNTS.filter(fuel_at_source="Process").group_by("year").agg(pl.col("co2_t").sum()).sort("year")
        change = process["co2_t"][-1] - process["co2_t"][0]
        steps = pl.concat([steps, pl.DataFrame({"factor": ["process"], "co2_t": [change]})], how="diagonal")
    first, last = totals.row(0, named=True), totals.row(-1, named=True)
    ends = [{"factor": "start", "part": None, "co2_t": first["co2_t"]},
            {"factor": "end", "part": None, "co2_t": last["co2_t"]}]  # fmt: skip
    told = pl.concat([pl.DataFrame(ends[:1], schema=steps.schema), steps.select(steps.schema.names()),
                      pl.DataFrame(ends[1:], schema=steps.schema)])  # fmt: skip
    return told, first["year"], last["year"]


# the choices


class State(PageState):
    """Choices of the page, and the tables that follow from them."""

    source = param.Selector(default="carbonmonitor_city", objects=list(SECTOR_SOURCES), doc="Source of the sectors.")
    sector = param.Selector(default=ALL, objects=[ALL, *ORDER], doc="Sector on the map, or all.")
    district = param.Selector(default="", objects=["", *city.boundaries()["adcode"]], doc="adcode, or none.")
    year = param.Selector(default=2020, objects=list(YEARS), doc="Year of totals, sources and map.")
    days_of = param.Selector(default="city", objects=["city", "country"], doc="Whose days.")
    as_of = param.Selector(default=AS_OF[-1], objects=list(AS_OF), doc="Last day that the nowcast knows.")
    case = param.Selector(default=CASES[0], objects=list(CASES), doc="Whose change is taken apart.")
    proxy = param.Selector(default="population", objects=list(PROXIES), doc="By what districts get their part.")
    factor = param.Selector(default=FACTOR, objects=list(FACTOR_KEYS), doc="Electricity factor.")
    electricity = param.Number(default=ELECTRICITY_TWH, bounds=(50.0, 200.0), doc="Electricity used [TWh].")
    electricity_year = param.Selector(default=ELECTRICITY_YEAR, objects=list(range(2010, 2027)), doc="Its year.")

    in_url: ClassVar[tuple[str, ...]] = (
        "source", "sector", "district", "year", "days_of", "as_of", "case", "proxy", "factor", "electricity",
        "electricity_year",
    )  # fmt: skip

    # sources

    def sources(self) -> pl.DataFrame:
        """Return one row per source in the year, or its nearest; one that is not here has a row without a value."""
        found = _reconciled(self.year).sources
        if HAS_ACCOUNTS:
            return found
        lacking = tables.read("carbon_sources").filter(source_id="ceads_sector_fuel").select(
            "source_id", "label_zh", "label_en", "publisher", "sectors", area_boundary="boundary",
            scopes=pl.col("scopes").cast(pl.String), year=pl.lit(None, pl.Int64), vintage="edition",
        )  # fmt: skip
        return pl.concat([lacking, found], how="diagonal_relaxed").select(found.columns)

    def scope1(self) -> pl.DataFrame:
        """Return the sources that count what is emitted inside, least first."""
        return self.sources().filter(pl.col("scopes") == "1", pl.col("co2_t").is_not_null()).sort("co2_t")

    def walk(self) -> pl.DataFrame:
        """Return the steps between each two sources."""
        return _reconciled(self.year).walk

    # sectors and districts

    def sectors(self) -> pl.DataFrame:
        """Return one row per year and sector of the chosen source."""
        return _sources()[self.source].frame

    def source_year(self, source: str) -> int:
        """Return the year of a source nearest to the chosen one."""
        return min(_sources()[source].years, key=lambda y: (abs(y - self.year), y))

    @property
    def map_source(self) -> str:
        """Source whose total is spread over the districts: one of the administrative city, which they make up."""
        return self.source if _sources()[self.source].boundary == "administrative" else "carbonmonitor_province"

    def map_total(self) -> tuple[float | None, int]:
        """Return the total [t] that is spread over the districts, and its year; none where it cannot be spread.

        All sectors are all but power, whose few plants stand where they stand.
        """
        source = self.map_source
        year = self.source_year(source)
        found = {s: v for s, v in (_sources()[source].by_sector(year) or {}).items() if s != POINTS}
        return (sum(found.values()) if self.sector == ALL else found.get(self.sector)), year

    def unallocated(self) -> float | None:
        """Return what of the total no district can be given, because the proxy is not published for all [t]."""
        total, _ = self.map_total()
        return None if total is None else total * (1 - _known_share(self.proxy))

    def districts(self) -> pl.DataFrame:
        """Return one row per district with its modelled part, and the interval by the errors of held-out districts."""
        total, year = self.map_total()
        column = PROXIES[self.proxy]
        known = _districts().drop_nulls(column)
        told = grid.to_districts(
            (total or 0.0) * _known_share(self.proxy), known, {column: 1.0}, errors=_errors(self.proxy), level=LEVEL
        )
        if total is None:
            told = told.with_columns(pl.lit(None, pl.Float64).alias(c) for c in told.columns if c.startswith("alloc"))
        return _districts().join(told, on="adcode", how="left", maintain_order="left").with_columns(
            year=pl.lit(year), is_modelled=pl.lit(True), is_selected=pl.col("adcode") == self.district
        )  # fmt: skip

    # pulse

    def days(self) -> pl.DataFrame:
        """Return the days of the pulse: the city's, modelled, or the country's, observed and estimated."""
        return _city_days(self.lang) if self.days_of == "city" else _nowcast(self.as_of)

    # drivers

    def steps(self) -> pl.DataFrame:
        """Return the waterfall's rows: first year, effects, residual, last year."""
        told, first, last = _driven(self.case)
        inside = told.filter(~pl.col("factor").is_in(["start", "end"]))
        named = {self._step(r["factor"], r["part"]): r["co2_t"] for r in inside.iter_rows(named=True)}
        start, end = told["co2_t"][0], told["co2_t"][-1]
        rest = vocabulary.say("residual", self.lang)
        return pictures_of_carbon.waterfall_rows((str(first), start), named, (str(last), end), residual=rest)

    def _step(self, factor: str, part: str | None) -> str:
        if factor == "gdp":
            return vocabulary.column("gdp_cny").label(self.lang)
        named = vocabulary.say(factor, self.lang)
        return f"{vocabulary.say(part, self.lang)}{_colon(self.lang)}{named}" if part else named

    def change(self) -> tuple[float, int, int]:
        """Return the change that is taken apart [t], and its years."""
        told, first, last = _driven(self.case)
        return told["co2_t"][-1] - told["co2_t"][0], first, last

    # scope 2

    def factors(self) -> pl.DataFrame:
        """Return every factor with what purchased electricity would come to, and whether it is of that year."""
        year = self.electricity_year
        return _factors().with_columns(
            co2_t=pl.col("grid_factor_kgco2_kwh") * self.electricity * _T_PER_TWH,
            is_of_that_year=(pl.col("year_from") <= year) & (year <= pl.col("year_to")),
            is_selected=pl.col("key") == self.factor,
        )

    def chosen_factor(self) -> dict[str, Any]:
        """Return the row of the chosen factor."""
        return self.factors().row(by_predicate=pl.col("is_selected"), named=True)

    # flows

    def flows(self) -> pl.DataFrame:
        """Return the ways from fuel (where the source has it) through sector to scope, in the source's year."""
        year = self.source_year(self.source)
        rows = _common() if self.source == "ceads_sector_fuel" else self.sectors()
        return rows.filter(year=year).with_columns(scope=pl.lit("scope_1"))


@lru_cache(maxsize=1)
def _common() -> pl.DataFrame:
    return accounts.common_sectors(_ACCOUNTS)


def _missing(lang: Language) -> str:
    """Return how to get what may not be handed on: size and command."""
    size = f"{sum(f.size_bytes for f in catalog.declaration(ACCOUNTS).files) / 1e6:.1f} MB"
    fetch = f"citylab fetch {ACCOUNTS}"
    return pick((f"本机没有：{fetch}（{size}）", f"not here: {fetch} ({size})"), lang)


def _colon(lang: Language) -> str:
    return pick(("：", ": "), lang)


def _t(value: float | None, lang: Language, *, sign: bool = False) -> str:
    return " ".join(numbers.quantity(value, "t", lang, sign=sign))


def _factor_of(row: dict[str, Any], lang: Language) -> str:
    """Return the place and years of a factor."""
    years = str(row["year_from"]) if row["year_from"] == row["year_to"] else f"{row['year_from']}–{row['year_to']}"
    return f"{pick(_PLACE_WORDS[row['place']], lang)} {years}"


def _factor_name(row: dict[str, Any], lang: Language) -> str:
    return f"{_factor_of(row, lang)} · {pick(_SERIES_WORDS[row['series']], lang)}"


# big numbers


def big_numbers(state: State, lang: Language) -> list[Number]:
    """Return the four numbers that answer the question."""
    return [_sources_number(state, lang), _pulse_number(state, lang), _drivers_number(state, lang),
            _scope2_number(state, lang)]  # fmt: skip


def _sources_number(state: State, lang: Language) -> Number:
    rows = state.scope1()
    year = state.year
    label = pick((f"北京 {year} 年，辖区内（范围一）：各来源", f"Beijing {year}, inside (scope 1), by source"), lang)
    low, high = rows["co2_t"].min(), rows["co2_t"].max()
    each = pick(("；", "; "), lang).join(
        f"{pick(_SHORT[r['source_id']], lang)} {numbers.quantity(r['co2_t'], 't', lang)[0]}"
        + (f" ({r['year']})" if r["year"] != year else "")
        for r in rows.iter_rows(named=True)
    )
    official = state.sources().filter(source_id="official_intensity").row(0, named=True)
    bought = numbers.span(official["co2_low_t"], official["co2_high_t"], "t", lang)
    detail = pick(
        (f"{each}。计入外购（官方强度 × GDP，{official['year']}）：{bought}。来源之间的跨度，不是置信区间",
         f"{each}. With purchases (official intensity × GDP, {official['year']}): {bought}. The span of sources, no "
         "confidence interval"), lang,
    )  # fmt: skip
    return Number(label, numbers.span(low, high, "t", lang), numbers.reading("t", lang).unit, detail)


def _pulse_number(state: State, lang: Language) -> Number:
    days = state.days()
    if state.days_of == "city":
        last = days["month_start"].max()
        month = days.filter(month_start=last).group_by("date_local").agg(pl.col("^co2_t.*$").sum())
        label = pick((f"北京三部门，{last:%Y-%m} 日均（由月合计分配）",
                      f"Beijing, three sectors: mean day of {last:%B %Y} (months spread over days)"), lang)  # fmt: skip
        value, unit = numbers.quantity(month["co2_t"].mean(), "t", lang)
        between = numbers.span(month["co2_t_low"].min(), month["co2_t_high"].max(), "t", lang)
        detail = pick(
            (f"各日及各种分配方式 {between}（不是概率区间）；n = {days['n'].max()} 个月合计；逐日形状来自全国",
             f"its days by three ways to spread {between} (no probability); n = {days['n'].max()} monthly totals; the "
             "shape of the days is the country's"), lang,
        )  # fmt: skip
        return Number(label, value, f"{unit}/日" if lang == "zh" else f"{unit} a day", detail)
    ahead = days.filter("is_forecast")
    last = ahead.row(-1, named=True)
    label = pick((f"全国三部门，{last['date_local']}（{DAYS_AHEAD} 天后的估计）",
                  f"China, three sectors: {last['date_local']}, {DAYS_AHEAD} days ahead"), lang)  # fmt: skip
    value, unit = numbers.quantity(last["co2_t"], "t", lang)
    between = numbers.span(last["co2_t_low"], last["co2_t_high"], "t", lang)
    detail = pick(
        (f"{LEVEL:.0%} 区间 {between}；所知截至 {state.as_of}；n = {last['n']} 天。全国，不是北京",
         f"{LEVEL:.0%} interval {between}; known until {state.as_of}; n = {last['n']} days. The country, not Beijing"),
        lang,
    )  # fmt: skip
    return Number(label, value, f"{unit}/日" if lang == "zh" else f"{unit} a day", detail)


_ALL_WORDS = ("电力以外的部门", "all sectors but power")
_CASE_WORDS = {
    "city": ("北京，三部门", "Beijing, three sectors"),
    "accounts": ("北京，CEADs 全部门", "Beijing, all sectors (CEADs)"),
    "country": ("全国", "China"),
}


def _drivers_number(state: State, lang: Language) -> Number:
    change, first, last = state.change()
    steps = state.steps().filter(kind="step")
    label = pick((f"{_CASE_WORDS[state.case][0]}：{first} → {last} 的变化",
                  f"{_CASE_WORDS[state.case][1]}: change {first} → {last}"), lang)  # fmt: skip
    value, unit = numbers.quantity(change, "t", lang, sign=True)
    parts = pick(("；", "; "), lang).join(
        f"{r['label']} {numbers.quantity(r['co2_t'], 't', lang, sign=True)[0]}" for r in steps.iter_rows(named=True)
    )
    detail = pick((f"{parts}。残差 0；发布者未给区间", f"{parts}. Residual 0; the publisher gives no interval"), lang)
    return Number(label, value, unit, detail)


def _scope2_number(state: State, lang: Language) -> Number:
    row, every = state.chosen_factor(), state.factors()
    twh = state.electricity
    used = pick((f"{twh / _TWH_PER_100M_KWH:,.0f} 亿千瓦时", f"{twh:,.1f} TWh"), lang)
    when = state.electricity_year
    label = pick((f"范围二：{when} 年用电 {used}", f"Scope 2: {used} used in {when}"), lang)
    value, unit = numbers.quantity(row["co2_t"], "t", lang)
    between = numbers.span(every["co2_t"].min(), every["co2_t"].max(), "t", lang)
    year = "" if row["is_of_that_year"] else pick((f"；因子不是 {when} 年的", f"; not a factor of {when}"), lang)
    used = f"{_factor_name(row, lang)}, {row['grid_factor_kgco2_kwh']:g} kg/kWh{year}"
    detail = pick(
        (
            f"按 {used}。全部 {every.height} 个因子：{between}",
            f"by {used}. By any of {every.height} factors: {between}",
        ),
        lang,
    )
    return Number(label, value, unit, detail)


# text


def cannot_show(state: State, lang: Language) -> str:
    """Return what a reader could wrongly take from the page."""
    missing = "" if HAS_ACCOUNTS else pick(
        (f"CEADs 1997–2019 分燃料数据不可转载（{_missing(lang)}）；有了它，本页会给出分燃料流向和二十年的驱动因素。",
         f" The accounts of CEADs by fuel, 1997-2019, may not be handed on ({_missing(lang)}); with them the page "
         "shows fuels and what drove two decades."), lang,
    )  # fmt: skip
    return pick(
        ("没有任何一个来源是实测，也没有来源公布北京的区间；来源之间的跨度不是置信区间。"
         "北京没有公开的逐日数据：逐日曲线是月合计按全国形状分配的，不反映本地事件。"
         "区级数值按人口或 GDP 分配，是模型结果，不能用来考核任何一个区：电厂、机场在哪里，它并不知道。"
         "官方强度含外购电力是推断。GDP 为现价。范围二按全部用电计，与电厂的范围一不可相加。"
         "消费侧（外地制造的商品）不在其中。",
         "No source is a measurement and none publishes an interval for Beijing; the span of sources is no confidence "
         "interval. Beijing has no public daily data: its days are months spread by the country's shape and show no "
         "local event. A district's value is its part by people or GDP, modelled; it does not know where the power "
         "plants and the airport stand, and no district can be judged by it. That the official intensity holds "
         "purchased electricity is inferred. GDP is at current prices. Scope 2 counts all electricity used and must "
         "not be added to the power plants' scope 1. What residents buy from elsewhere is in none of it."), lang,
    ) + missing  # fmt: skip


def message(state: State, lang: Language) -> str:
    """Return why there is nothing to show and what to change, or nothing."""
    total, _ = state.map_total()
    if total is None:
        sector, source = vocabulary.say(state.sector, lang), pick(_SHORT[state.map_source], lang)
        if state.sector == POINTS:
            return pick(("电力来自少数电厂，不能按人口或 GDP 摊到各区，地图为空：请换部门。",
                         "Power comes from few plants, which no proxy can spread over districts, so the map is empty: "
                         "choose another sector."), lang)  # fmt: skip
        return pick((f"{source} 没有“{sector}”部门，地图为空：请换部门或来源。",
                     f"{source} has no sector “{sector}”, so the map is empty: choose another sector or source."),
                    lang)  # fmt: skip
    return ""


def code(state: State) -> str:
    """Return the lines that compute the numbers of the present choices."""
    row = state.chosen_factor()
    more = f'\nsources.insert(0, reconcile.source("ceads_sector_fuel", cl.load("{ACCOUNTS}")))' if HAS_ACCOUNTS else ""
    intensity, when = _OFFICIAL["value"], _OFFICIAL["year"]
    return f"""import datetime as dt

import polars as pl

import citylab as cl
from citylab.carbon import drivers, factors, grid, pulse, reconcile

fua = cl.load("{FUA}", where={{"city_locode": "{LOCODE}"}})
months = cl.load("{PROVINCE}", where={{"province_name_en": "Beijing"}}).collect()
gdp = dict(cl.load("{GDP}", where={{"area_id": "{BEIJING}"}}).select("year", "gdp_cny").collect().iter_rows())
official = reconcile.intensity_times_gdp(
    year={when}, intensity={intensity}, low={INTENSITY_LEAST}, high={intensity}, gdp_cny=gdp[{when}]
)
sources = [reconcile.source("carbonmonitor_city", fua), reconcile.source("carbonmonitor_province", months),
           reconcile.source("official_intensity", official)]{more}
found = reconcile.reconcile(*sources, year={state.year})
scope1 = found.sources.filter(scopes="1")["co2_t"]

country = cl.load("{COUNTRY_DAYS}").collect()
city_days = pulse.disaggregate(months, country, shape_source="days of China, three sectors")
total = pulse.with_total(country).filter(sector=pulse.TOTAL)
days = pulse.nowcast(total, horizon_days={DAYS_AHEAD}, level={LEVEL}, as_of=dt.date.fromisoformat("{state.as_of}"))

three = reconcile.source("carbonmonitor_province", months).frame.with_columns(
    gdp=pl.col("year").replace_strict(gdp, return_dtype=pl.Float64)
).with_columns(co2_per_gdp=pl.col("co2_t") / pl.col("gdp"))
effects = drivers.lmdi(three, "co2_t", ["gdp", "co2_per_gdp"], by="sector", detail=True)

{_district_code(state)}
factor = factors.factor("electricity", year={row["year_from"]}, place="{row["place"]}", series="{row["series"]}",
                        grid=cl.load("{GRID}"))
mass, per = factors.parts_of(factor.unit)
t_per_twh = factor.value * factors.unit_factor(mass, "t") / factors.unit_factor(per, "TWh")
scope2 = {state.electricity} * t_per_twh
"""


def _district_code(state: State) -> str:
    total, _ = state.map_total()
    if state.proxy == "population":
        rows = f'cl.load("{CENSUS}", where={{"year": {CENSUS_YEAR}}})'
    else:
        where = f'where={{"year": {GDP_YEAR}, "area_level": "district"}}'
        rows = f'cl.load("{GDP}", {where}).rename({{"area_id": "adcode"}})'
    total = (total or 0.0) * _known_share(state.proxy)  # of the source on the map, without power plants
    return f'districts = grid.to_districts({total!r}, {rows}, {{"{PROXIES[state.proxy]}": 1.0}})'


# pictures


def pictures(state: State) -> list[Picture]:
    """Return the page's pictures, each with the table behind it."""
    new_year = Changed(state, "year", "lang")
    new_case = Changed(state, "case", "lang")
    new_factor = Changed(state, "factor", "electricity", "electricity_year", "lang")
    new_part = Changed(state, "sector", "district", "year", "source", "proxy", "lang")

    def source_rows() -> pl.DataFrame:
        rows = state.sources()
        told = pictures_of_carbon.source_rows(rows.with_columns(pl.col("year").fill_null(0)), state.lang)
        return told.with_columns(
            pl.col("counts").str.replace(r"^0 · ", ""), missing=pl.lit(_missing(state.lang)),
        )  # fmt: skip

    def source_picture() -> Any:
        new_year()
        return pictures_of_carbon.ranges(
            source_rows(), label="label", value="co2_t", low="co2_low_t", high="co2_high_t", detail="counts",
            group="scopes", missing="missing", alt=sources_title(state.lang), lang=state.lang, large=state.is_large,
        )  # fmt: skip

    sources_title = text("各来源并列：数的不是同一件事", "Sources side by side: they do not count the same")

    def source_note(lang: Language) -> str:
        marks = [("area", pictures_of_carbon.colour("1"), vocabulary.say("scope_1", lang)),
                 ("area", pictures_of_carbon.colour("1+2"),
                  pick(("范围一与二（推断）", "Scopes 1 and 2 (inferred)"), lang))]  # fmt: skip
        walk = state.walk().filter(from_source="carbonmonitor_city", to_source="carbonmonitor_province")
        steps = {r["step"]: r["co2_t"] for r in walk.iter_rows(named=True)}
        covered, rest = (_t(steps.get(k), lang, sign=True) for k in ("sectors", "unexplained"))
        told = pick(
            (f"城市功能区到三部门：覆盖部门 {covered}，边界无法量化，未能解释 {rest}。两两之差见表。",
             f"Functional area to three sectors: sectors covered {covered}, boundary not quantifiable, unexplained "
             f"{rest}. Every walk stands in the table."), lang,
        )  # fmt: skip
        return charts.key(marks) + told

    def pulse_title(lang: Language) -> str:
        if state.days_of == "city":
            return pick(
                ("脉搏：北京逐日（由月合计分配，模型）", "Pulse: Beijing by day (months spread, modelled)"), lang
            )
        return pick(("脉搏：全国逐日与临近估计", "Pulse: China by day, and what comes next"), lang)

    def pulse_picture() -> Any:
        return pictures_of_pulse.pulse_chart(
            state.days(), alt=f"{pulse_title(state.lang)}; {_pulse_number(state, state.lang).detail}", lang=state.lang,
            large=state.is_large, legend=False, height=430,
        )  # fmt: skip

    def pulse_note(lang: Language) -> str:
        if state.days_of == "city":
            marks = [("line", theme.colour(s), vocabulary.say(s, lang)) for s in ORDER[:3]]
            told = pick(("色带：三种分配方式的范围；灰色为公众假日。发布到 2020 年 12 月。",
                         "Band: range over three ways to spread; grey: public holidays. Published to December 2020."),
                        lang)  # fmt: skip
        else:
            marks = [("line", theme.INK, vocabulary.say("total", lang))]
            told = pick((f"实线：已知；虚线与色带：{DAYS_AHEAD} 天估计及 {LEVEL:.0%} 区间，所知截至 {state.as_of}。",
                         f"Solid: known; dashed with band: {DAYS_AHEAD} days estimated, {LEVEL:.0%} interval, as seen "
                         f"from {state.as_of}."), lang)  # fmt: skip
        return charts.key(marks) + told

    def sectors_title(lang: Language) -> str:
        return f"{pick(('各部门', 'Sectors'), lang)}{_colon(lang)}{pick(_SHORT[state.source], lang)}"

    def sectors_picture() -> Any:
        return pictures_of_carbon.sector_years(
            state.sectors(), order=ORDER, breaks=_breaks(state.source, state.lang), alt=sectors_title(state.lang),
            lang=state.lang, large=state.is_large, legend=False, height=320,
        )  # fmt: skip

    def sectors_note(lang: Language) -> str:
        have = set(state.sectors()["sector"])
        marks = [("area", pictures_of_carbon.colour(s), vocabulary.say(s, lang)) for s in ORDER if s in have]
        return charts.key(marks) + pick(("一次只画一个来源。", "One source at a time."), lang)

    def drivers_title(lang: Language) -> str:
        _, first, last = state.change()
        return pick((f"什么推动了变化：{_CASE_WORDS[state.case][0]}，{first} → {last}",
                     f"What drove the change: {_CASE_WORDS[state.case][1]}, {first} → {last}"), lang)  # fmt: skip

    def drivers_picture() -> Any:
        new_case()
        return pictures_of_carbon.waterfall(
            state.steps(), alt=f"{drivers_title(state.lang)}; {_drivers_number(state, state.lang).detail}",
            lang=state.lang, large=state.is_large,
        )  # fmt: skip

    def drivers_note(lang: Language) -> str:
        told = {
            "city": ("LMDI-I，GDP 为现价（通胀计入增长）；两年之间没有口径断点。强度变化分部门。",
                     "LMDI-I; GDP at current prices, so inflation counts as growth; no break of the series in between. "
                     "Intensity by sector."),
            "accounts": ("LMDI-I 逐年累加；能源由排放反推。2017 年过程排放为零、2018 年起版本不同；"
                         "首末法会改变“部门结构”的符号。",
                         "LMDI-I, year by year; energy is worked back from emissions. Processes are zero in 2017, "
                         "another vintage from 2018; end to end the shift between sectors changes its sign."),
            "country": ("Kaya 恒等式，LMDI-I 逐年累加；GDP 为 2011 年国际元不变价。",
                        "Kaya's identity, LMDI-I year by year; GDP in constant international dollars of 2011."),
        }  # fmt: skip
        return pick(told[state.case], lang)

    def part_title(lang: Language) -> str:
        _, year = state.map_total()
        what = pick(_ALL_WORDS, lang) if state.sector == ALL else vocabulary.say(state.sector, lang)
        return pick((f"各区（模型分配）：{what}，{year}", f"Districts (modelled): {what}, {year}"), lang)

    def district_map() -> Any:
        _, year = state.map_total()
        return pictures_of_carbon.allocated_map(
            state.districts(), city.shapes(), value="allocated_co2_t", proxy=_proxy(state.proxy, state.lang), year=year,
            selected=state.district or None, no_value=_no_proxy(state.lang), lang=state.lang, large=state.is_large,
        )  # fmt: skip

    def choose(longitude_deg: float, latitude_deg: float) -> None:
        state.district = city.chosen_at(longitude_deg, latitude_deg, state.district)

    def choose_row(row: dict[str, Any]) -> None:
        name = row.get("district_name_en")
        found = _districts().filter(pl.col("district_name_en") == name) if name else _districts().clear()
        if found.height:
            state.district = found["adcode"][0]

    def map_note(lang: Language) -> str:
        shown = maps.legend(state.districts(), "allocated_co2_t", no_value=_no_proxy(lang), lang=lang)
        whose, by = pick(_SHORT[state.map_source], lang), _proxy(state.proxy, lang)
        how = pick((f"{whose} 的合计按{by}分配：不是各区的实际排放。",
                    f"The total of {whose} spread by {by}: not what a district really emits."), lang)  # fmt: skip
        return shown + how + " " + city.map_caution(lang)

    def ranked_title(lang: Language) -> str:
        return f"{part_title(lang)} · {_proxy(state.proxy, lang)}"

    def ranked() -> Any:
        new_part()
        return charts.ranked(
            state.districts(), f"district_name_{state.lang}", "allocated_co2_t", highlight="is_selected",
            colour=pictures_of_carbon.colour("1"), alt=ranked_title(state.lang), lang=state.lang, large=state.is_large,
            height=400,
        )  # fmt: skip

    def ranked_note(lang: Language) -> str:
        left, n = state.unallocated(), _errors(state.proxy).height
        rest = pick((f" 未分配：{_t(left, lang)}（没有公布 GDP 的区与经开区）。",
                     f" Not allocated: {_t(left, lang)} (districts without published GDP, and the development area)."),
                    lang) if left else ""  # fmt: skip
        return pick(
            (f"表中有 {LEVEL:.0%} 区间：该代理变量在 {n} 个区对另一代理变量的留一误差；"
             "各区排放没有公布，无从直接检验。",
             f"The table has a {LEVEL:.0%} interval: how far this proxy misses the other in {n} districts, each held "
             "out in turn; no district's CO₂ is published to test by."), lang,
        ) + rest  # fmt: skip

    def factor_rows() -> pl.DataFrame:
        rows = state.factors()
        named = [(_factor_of(r, state.lang), pick(_SERIES_WORDS[r["series"]], state.lang))
                 for r in rows.iter_rows(named=True)]  # fmt: skip
        return rows.with_columns(
            pl.Series("label", [a for a, _ in named]), pl.Series("said", [b for _, b in named])
        )  # fmt: skip

    factors_title = text(
        "电力因子：同样的用电，因子不同，结果不同", "Electricity factors: the same use, another factor"
    )

    def factors_picture() -> Any:
        new_factor()
        return pictures_of_carbon.factor_editions(
            factor_rows(), series="said", holds="is_of_that_year", selected="is_selected", lang=state.lang,
            alt=f"{factors_title(state.lang)}; {_scope2_number(state, state.lang).detail}", large=state.is_large,
        )  # fmt: skip

    def factors_note(lang: Language) -> str:
        hues = pictures_of_carbon.series_colours(factor_rows()["said"].to_list())
        when = state.electricity_year
        return charts.key([("area", c, n) for n, c in hues.items()]) + pick(
            (f"圆圈为所用因子；空心为不适用于 {when} 年的因子。不同系列不可混用。",
             f"Ringed: in use. Hollow: not a factor of {when}. Series are different quantities: never mix them."), lang,
        )  # fmt: skip

    def flows_title(lang: Language) -> str:
        whose, year = pick(_SHORT[state.source], lang), state.source_year(state.source)
        return pick((f"流向：{whose}，{year}", f"Flows: {whose}, {year}"), lang)

    def flows_picture() -> Any:
        by_fuel = "fuel_group" in state.flows().columns
        return pictures_of_carbon.sankey(
            state.flows(), [*(["fuel_group"] if by_fuel else []), "sector", "scope"], alt=flows_title(state.lang),
            lang=state.lang, large=state.is_large, height=360,
        )  # fmt: skip

    def flows_note(lang: Language) -> str:
        rows = state.flows()
        unit = numbers.reading("t", lang).unit
        if "fuel_group" in rows.columns:
            have = [f for f in ("coal", "oil", "gas", "other_energy", "process")
                    if rows.filter(pl.col("fuel_group") == f)["co2_t"].sum() > 0]  # fmt: skip
            marks = [("area", pictures_of_carbon.colour(f), vocabulary.say(f, lang)) for f in have]
            return charts.key(marks) + pick((f"{unit}；颜色表示燃料。", f"{unit}; the colour is the fuel."), lang)
        how = pick(("可在“来源”中选择", "to be chosen as the source"), lang) if HAS_ACCOUNTS else _missing(lang)
        return pick((f"{unit}；该来源不分燃料。分燃料：CEADs，{how}。",
                     f"{unit}; this source does not tell fuels apart. By fuel: CEADs, {how}."), lang)  # fmt: skip

    def refresh_sources(plot: Any) -> None:
        if new_year():
            pictures_of_carbon.update(plot, source_rows())

    def refresh_drivers(plot: Any) -> None:
        if new_case():
            pictures_of_carbon.update(plot, state.steps())

    def refresh_factors(plot: Any) -> None:
        if new_factor():
            pictures_of_carbon.update(plot, factor_rows())

    def refresh_ranked(plot: Any) -> None:
        if new_part():
            charts.update(plot, state.districts())

    return [
        Picture("sources", title=sources_title, draw=source_picture, table=lambda: _walks(state), note=source_note,
                refresh=refresh_sources, height=420),
        Picture("pulse", title=pulse_title, draw=pulse_picture, table=state.days, note=pulse_note,
                redraw_on=("days_of", "as_of"), height=430),
        Picture("sectors", title=sectors_title, draw=sectors_picture, table=state.sectors, note=sectors_note,
                redraw_on=("source",), height=320),
        Picture("drivers", title=drivers_title, draw=drivers_picture, table=lambda: _step_table(state),
                note=drivers_note, refresh=refresh_drivers, height=320),
        Picture("districts", title=part_title, draw=district_map, table=lambda: _district_table(state), note=map_note,
                on_click=choose, on_row=choose_row, height=400),
        Picture("ranked", title=ranked_title, draw=ranked, table=lambda: _district_table(state), note=ranked_note,
                refresh=refresh_ranked, on_row=choose_row, height=400),
        Picture("factors", title=factors_title, draw=factors_picture, table=lambda: _factor_table(state),
                note=factors_note, refresh=refresh_factors, height=340, simple=False),
        Picture("flows", title=flows_title, draw=flows_picture, table=lambda: _flow_table(state), note=flows_note,
                redraw_on=("source", "year"), height=360, simple=False),
    ]  # fmt: skip


_STEP_WORDS = {
    "start": ("起点", "start"), "year": ("年份", "year"), "sectors": ("覆盖部门", "sectors covered"),
    "scope": ("范围", "scope"), "boundary": ("边界", "boundary"), "gases": ("气体与 GWP", "gases and GWP"),
    "vintage": ("数据版本", "vintage"), "unexplained": ("未能解释", "unexplained"), "end": ("终点", "end"),
}  # fmt: skip


def _walks(state: State) -> pl.DataFrame:
    """Return the walk between each two sources as a reader wants it."""
    names = {s: pick(_SHORT.get(s, ("官方强度 × GDP", "official intensity × GDP")), state.lang) for s in _SOURCE_IDS}
    steps = {k: pick(v, state.lang) for k, v in _STEP_WORDS.items()}
    return state.walk().select(
        pl.col("from_source", "to_source").replace(names), pl.col("step").replace(steps), "co2_t", "is_quantified",
        f"basis_{state.lang}",
    )  # fmt: skip


def _step_table(state: State) -> pl.DataFrame:
    return state.steps().select(step="label", co2_t="co2_t")


def _factor_table(state: State) -> pl.DataFrame:
    places = {k: pick(v, state.lang) for k, v in _PLACE_WORDS.items()}
    series = {k: pick(v, state.lang) for k, v in _SERIES_WORDS.items()}
    return state.factors().select(
        pl.col("place").replace(places).alias("factor_place"), pl.col("series").replace(series).alias("factor_series"),
        "year_from", "year_to", "grid_factor_kgco2_kwh", "co2_t", "is_of_that_year",
    )  # fmt: skip


def _flow_table(state: State) -> pl.DataFrame:
    rows = state.flows().with_columns(scope=pl.lit(1))
    if "fuel_group" not in rows.columns:
        return rows
    words = {f: vocabulary.say(f, state.lang) for f in rows["fuel_group"].unique().to_list()}
    return rows.with_columns(pl.col("fuel_group").replace(words))


def _district_table(state: State) -> pl.DataFrame:
    return state.districts().select(
        "district_name_zh",
        "district_name_en",
        "year",
        "allocated_co2_t",
        "allocated_lower_co2_t",
        "allocated_upper_co2_t",
        "n",
        "proxy",
        "is_modelled",
    )


def _breaks(source: str, lang: Language) -> pl.DataFrame | None:
    """Return where the counting of a source changed, as its declaration says."""
    if source != "ceads_sector_fuel":
        return None
    return pl.DataFrame({
        "year_before": [2016, 2017], "year_after": [2017, 2018],
        "label": [pick(("2017 年过程排放为零", "no processes in 2017"), lang),
                  pick(("数据版本不同", "another vintage"), lang)],
    })  # fmt: skip


def _proxy(proxy: str, lang: Language) -> str:
    if proxy == "population":
        return pick((f"常住人口（{CENSUS_YEAR} 年普查）", f"residents (census {CENSUS_YEAR})"), lang)
    return pick((f"地区生产总值（{GDP_YEAR}）", f"GDP ({GDP_YEAR})"), lang)


def _no_proxy(lang: Language) -> str:
    return pick(("没有该代理变量的数据", "no figure of this proxy"), lang)


def controls(state: State, lang: Language) -> pn.Column:
    """Return the widgets: what, where, when; assumptions folded."""
    from citylab.app import controls as widgets

    def both(zh: str, en: str) -> str:
        return pick((zh, en), lang)

    sectors = {pick(_ALL_WORDS, lang): ALL} | {vocabulary.say(s, lang): s for s in ORDER}
    named = {_factor_name(r, lang): r["key"] for r in _factors().iter_rows(named=True)}
    lacking = _districts().filter(pl.col(PROXIES[state.proxy]).is_null())["adcode"].to_list()
    years = {str(y): y for y in YEARS[::-1]}
    return widgets.column(
        state, lang,
        widgets.choice(state, "source", both("来源（部门、流向）", "Source (sectors, flows)"),
                       {pick(_SHORT[s], lang): s for s in SECTOR_SOURCES}),
        widgets.choice(state, "sector", both("部门（地图）", "Sector (map)"), sectors),
        widgets.choice(state, "district", both("突出显示的区", "District to point out"),
                       city.district_options(lang, lacking=lacking, why=both("无 GDP", "no GDP"))),
        widgets.choice(state, "year", both("年份", "Year"), years),
        widgets.buttons(state, "days_of", {both("北京", "Beijing"): "city", both("全国", "China"): "country"},
                        both("逐日（脉搏）", "Days (pulse)")),
        widgets.choice(state, "case", both("驱动因素", "Drivers"), {pick(_CASE_WORDS[c], lang): c for c in CASES}),
        widgets.choice(state, "factor", both("电力因子", "Electricity factor"), named),
        more=[
            widgets.buttons(state, "proxy", {both("人口", "People"): "population", "GDP": "gdp"},
                            both("各区按什么分配", "Districts by")),
            widgets.choice(state, "as_of", both("全国估计：所知截至", "Nowcast of China: known until"),
                           {d: d for d in AS_OF}),
            widgets.slider(state, "electricity", both("用电量", "Electricity used"), unit="TWh", step=0.1),
            widgets.choice(state, "electricity_year", both("用电年份", "Year of that use"),
                           {str(y): y for y in state.param["electricity_year"].objects}),
        ],
    )  # fmt: skip


def build() -> pn.Template:
    """Return the page for one reader."""
    from citylab.app import shell

    return shell.dashboard(State(), globals())


for _day in AS_OF:  # once, before the first reader comes
    _nowcast(_day)

if __name__.startswith("bokeh_app"):
    build().servable()
