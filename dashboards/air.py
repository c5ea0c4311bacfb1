"""Air: how bad it was by each rule, where, in which wind, and whether it is getting better.

Serve it with ``citylab serve``, or alone with ``panel serve dashboards/air.py``.
"""

from __future__ import annotations

import datetime as dt
import html
import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import param
import polars as pl

from citylab import catalog, tables, vocabulary
from citylab.air import alerts, indices, limits, roses, space, summary, trends
from citylab.app import city
from citylab.app.parts import (
    Changed,
    Number,
    Picture,
    cautions_on_page,
    date_code,
    no_number,
    period_message,
    pick,
    text,
    whole_years,
)  # fmt: skip
from citylab.app.state import PeriodState
from citylab.viz import air as pictures_of_air
from citylab.viz import charts, levels, maps, numbers, theme

if TYPE_CHECKING:
    import panel as pn
    import xarray as xr

    from citylab.settings import Language

TITLE = ("空气质量", "Air")
QUESTION = (
    "按哪种标准，空气有多差？在变好吗？",
    "How bad is the air, by whose rule — and is it getting better?",
)
AIR = "uci__daily_station_air"
OZONE = "uci__daily_station_ozone"
MAXIMA = "uci__daily_station_maxima"
SOURCES = (AIR, OZONE, MAXIMA, city.STATIONS, city.DISTRICTS)

MEANS = ("pm25_ugm3", "pm10_ugm3", "so2_ugm3", "no2_ugm3", "co_mgm3", "o3_ugm3")
POLLUTANTS = ("pm25_ugm3", "pm10_ugm3", "so2_ugm3", "no2_ugm3", "co_mgm3", "o3_mda8_ugm3")
CITY = "city"
BACKGROUND = ("dingling",)
"""Stations left out of the city's mean: the clean reference point, station_type background_regional."""
EDITIONS = ("hj633-2012", "hj633-2026", "us-epa-2024", "uk-daqi")
LEFT_OUT = {"uk-daqi": ("so2",)}
"""Pollutants that an edition counts and the data cannot give: the UK's SO2 is a 15-minute mean, and there are hours."""
HIGHEST_HOURS = ("o3_max1h_ugm3", "so2_max1h_ugm3", "no2_max1h_ugm3")
REFERENCE = "CN-2012"
POLLUTED_LEVEL = {"hj633-2012": 3, "hj633-2026": 3, "us-epa-2024": 3, "uk-daqi": 2}
"""First level that the page calls polluted: China and US above 100, UK from Moderate."""
STANDARD = {
    "hj633-2012": "gb3095-2012",
    "hj633-2026": "gb3095-2026-transition",
    "us-epa-2024": "who-2021-aqg",
    "uk-daqi": "who-2021-aqg",
}
"""Limits shown beside an edition; citylab has none of the US or the UK, so the WHO's guideline stands in."""
PLANS = ("beijing-2013", "beijing-2016", "mep-2017", "beijing-2023")
LEVEL = 0.95
MEASURED_COVERAGE = 0.884
"""How often such an interval held the planted slope: docs/calibration.md, 48 months with a season, φ 0.3, blocks."""
_REASONS = {
    "no_values": ("没有有效日", "no valid day"),
    "few_days": ("有效日不足", "too few valid days"),
    "few_days_in_month": ("有的月份有效日不足", "a month has too few valid days"),
}
CELL_DEG = 0.03
"""Cell of the interpolated map, about 3 km; a dozen stations carry no finer one."""
MARGIN_DEG = 0.12
"""How far beyond the stations that map reaches."""
CLICK_DEG = 0.06
"""How far from a station a click on the map may fall [°]."""
_CIRCLE_DEG = 360.0


def _stem(pollutant: str) -> str:
    return pollutant.split("_")[0]


def _valid_days() -> pl.DataFrame:
    """Return the daily values of stations and of the city, each null where too few hours or stations lie behind it."""
    key = ["station_id", "date_local"]
    maxima = catalog.load(MAXIMA).drop("so2_capture_share", "no2_capture_share")
    daily = catalog.load(AIR).join(catalog.load(OZONE).drop("o3_capture_share"), on=key).join(maxima, on=key)
    stations = (
        daily.sort(key)
        .select(
            *key,
            *(summary.valid_value(p, f"{_stem(p)}_capture_share") for p in (*MEANS, *HIGHEST_HOURS)),
            "o3_mda8_ugm3",
            "co_max8h_mgm3",
            "wind_speed_ms",
            "wind_direction_deg",
        )
        .collect()
    )
    inside = stations.filter(~pl.col("station_id").is_in(BACKGROUND))
    city = indices.city_concentrations(inside, min_stations=MIN_STATIONS)
    toward, speed = pl.col("wind_direction_deg").radians(), pl.col("wind_speed_ms")
    east, north = (speed * toward.sin()).mean(), (speed * toward.cos()).mean()
    wind = inside.group_by("date_local").agg(
        speed.mean(), (pl.arctan2(east, north).degrees() % _CIRCLE_DEG).alias("wind_direction_deg")
    )
    city = city.select(pl.exclude("^.*_station_count$")).join(wind, on="date_local", how="left")
    city = city.with_columns(station_id=pl.lit(CITY))
    return pl.concat([stations, city], how="diagonal").sort("station_id", "date_local")


with cautions_on_page():
    _IDS = catalog.load(AIR).select(pl.col("station_id").unique().sort()).collect().to_series().to_list()
    MIN_STATIONS = math.ceil(summary.MIN_STATION_SHARE * (len(_IDS) - len(BACKGROUND)))
    _DAYS = _valid_days()
_PLACES = city.stations(_IDS)
FIRST, LAST = _DAYS["date_local"].min(), _DAYS["date_local"].max()
FULL_YEARS = whole_years(FIRST, LAST)
_LABELS = {r["edition"]: (r["label_zh"], r["label_en"]) for r in tables.read("air_editions").iter_rows(named=True)}
_INDEX = (
    "aqi",
    "aqi_primary",
    "aqi_level",
    "aqi_level_name_zh",
    "aqi_level_name_en",
    "aqi_color",
    "aqi_edition",
    "aqi_missing",
    "aqi_reason",
)


@lru_cache(maxsize=len(EDITIONS))
def _indexed(edition: str) -> pl.DataFrame:
    frame = indices.aqi(_DAYS, edition=edition, not_monitored=LEFT_OUT.get(edition, ()), reference=REFERENCE)
    return frame.select("station_id", "date_local", *_INDEX)


@lru_cache(maxsize=len(EDITIONS) * (len(_IDS) + 1))
def _index_of(edition: str, place: str) -> pl.DataFrame:
    return _indexed(edition).filter(station_id=place).drop("station_id")


@lru_cache(maxsize=256)
def _assessment(standard: str, pollutant: str, place: str) -> pl.DataFrame:
    """Return the figure of each calendar year that stands against the limit: the annual mean, else a percentile."""
    stem = _stem(pollutant)
    own = _DAYS.filter(station_id=place)
    told = limits.annual_assessment(own, standard=standard, by=None, pollutants=[stem])
    first = told.filter(pl.col("statistic") == ("mean" if "mean" in told["statistic"] else told["statistic"][0]))
    days = limits.exceedance_summary(limits.exceedance(own, standard=standard, pollutants=[stem]), by=None)
    days = days.filter(pollutant=stem).select("year", "exceedance_n", "compliance_share", days_n="n")
    return first.join(days, on="year", how="left").sort("year")


@lru_cache(maxsize=256)
def _trend(pollutant: str, place: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    own = _DAYS.filter(station_id=place)
    months = trends.deseasonalised(own, pollutant, by=None)
    return months, trends.trend(own, pollutant, by=None, autocor=True, level=LEVEL)


@lru_cache(maxsize=64)
def _wind(pollutant: str, place: str) -> pl.DataFrame:
    """Return the mean by wind direction and speed; the city's wind is the mean of the stations'."""
    own = _DAYS.filter(station_id=place)
    cells = roses.bivariate_polar(own, pollutant, method="kernel")
    # The kernel reaches beyond the speeds that were measured; the picture does not.
    inside = pl.col("wind_speed_ms").is_between(own["wind_speed_ms"].min(), own["wind_speed_ms"].max())
    known = (pl.col("n") >= roses.MIN_N) & inside
    return cells.with_columns(pl.when(known).then(pl.col(c)).alias(c) for c in (pollutant, "low", "high"))


@lru_cache(maxsize=len(EDITIONS))
def _replay(edition: str) -> pl.DataFrame:
    return alerts.replay(_index_of(edition, CITY).select("date_local", "aqi"), editions=PLANS)


@lru_cache(maxsize=256)
def _grid(pollutant: str, start: dt.date, end: dt.date, least_days: int) -> xr.Dataset:
    """Return the map between the stations of their means over a period, of one day or more."""
    means = (
        _DAYS.filter(pl.col("date_local").is_between(start, end), pl.col("station_id") != CITY)
        .group_by("station_id")
        .agg(pl.col(pollutant).mean(), day_count=pl.col(pollutant).count())
        .filter(pl.col("day_count") >= least_days)
    )
    places = _PLACES.select("station_id", "longitude_deg", "latitude_deg")
    return space.to_grid(
        means.join(places, on="station_id").sort("station_id"), pollutant, outline=city.boundaries(), cell_deg=CELL_DEG
    )


def _rule_for_alerts(edition: str) -> str:
    """Return the edition in which the plans' index is computed: theirs speak of China's."""
    return edition if edition.startswith("hj") else "hj633-2012"


class State(PeriodState):
    """Choices of the page, and the tables that follow from them."""

    pollutant = param.Selector(default="pm25_ugm3", objects=list(POLLUTANTS), doc="Column of the pollutant.")
    edition = param.Selector(default="hj633-2012", objects=list(EDITIONS), doc="Edition of the index.")
    place = param.Selector(default=CITY, objects=[CITY, *_IDS], doc="A station, or the city.")
    start = param.CalendarDate(default=FIRST, bounds=(FIRST, LAST), doc="First day of the period.")
    end = param.CalendarDate(default=LAST, bounds=(FIRST, LAST), doc="Last day of the period.")
    day = param.CalendarDate(default=dt.date(2016, 12, 20), bounds=(FIRST, LAST), doc="Day on the map.")
    shown = param.Selector(default="index", objects=["index", "mean"], doc="The map: index of the day, or mean.")

    in_url: ClassVar[tuple[str, ...]] = ("pollutant", "edition", "place", "start", "end", "day", "shown")

    def days(self) -> pl.DataFrame:
        """Return one row per day of the period: index, level, primary pollutants of the place."""
        return self.inside(_index_of(self.edition, self.place))

    def levels(self) -> pl.DataFrame:
        """Return the days of the period at each level, for every edition; days without an index have a row too."""
        found = []
        for edition in EDITIONS:
            days = self.inside(_index_of(edition, self.place))
            own = _merged_levels(edition)
            counted = days.group_by("aqi_level").agg(pl.len().cast(pl.Int64).alias("day_count"))
            rows = own.join(counted, on="aqi_level", how="left").with_columns(pl.col("day_count").fill_null(0))
            without = pl.DataFrame({"day_count": [days["aqi"].null_count()]}, schema={"day_count": pl.Int64})
            rows = pl.concat([rows, without], how="diagonal").with_columns(pl.lit(edition).alias("aqi_edition"))
            measured = days.height - days["aqi"].null_count()
            share = pl.when(pl.col("aqi_level").is_not_null(), measured > 0).then(
                pl.col("day_count") / max(1, measured)
            )
            found.append(rows.with_columns(share.alias("day_share")))
        return pl.concat(found).select(
            "aqi_edition", "aqi_level", "aqi_level_name_zh", "aqi_level_name_en", "aqi_color", "day_count", "day_share"
        )

    def polluted(self, edition: str) -> tuple[int, int, int]:
        """Return the days at a polluted level, the days with an index and those without."""
        level = self.inside(_index_of(edition, self.place))["aqi_level"]
        without = level.null_count()
        return int((level >= POLLUTED_LEVEL[edition]).sum()), level.len() - without, without

    def stations(self) -> pl.DataFrame:
        """Return one row per station: index of the chosen day, and mean of the pollutant over the period."""
        own = _indexed(self.edition).filter(pl.col("station_id") != CITY, pl.col("date_local") == self.day)
        means = (
            self.inside(_DAYS)
            .group_by("station_id")
            .agg(pl.col(self.pollutant).mean(), pl.col(self.pollutant).count().cast(pl.Int64).alias("day_count"))
            .with_columns(
                pl.when(pl.col("day_count") >= self.least_days).then(pl.col(self.pollutant)).alias(self.pollutant)
            )
        )
        return _PLACES.join(own, on="station_id", how="left", maintain_order="left").join(
            means, on="station_id", how="left", maintain_order="left"
        )

    def grid(self) -> xr.Dataset:
        """Return the map between the stations: of the chosen day, or of the period, as ``shown`` says."""
        if self.shown == "index":
            return _grid(self.pollutant, self.day, self.day, 1)
        return _grid(self.pollutant, self.start, self.end, self.least_days)

    @property
    def least_days(self) -> int:
        """Valid days that a station's mean over the period needs."""
        return max(1, math.ceil(self.days_n * summary.MIN_DAY_SHARE))

    def station_table(self) -> pl.DataFrame:
        """Return :meth:`stations` as a reader wants it."""
        return self.stations().select(
            "station_name_zh", "station_name_en", "date_local", "aqi", "aqi_level_name_zh", "aqi_level_name_en",
            "aqi_primary", self.pollutant, "day_count", "is_position_disputed",
        )  # fmt: skip

    def years(self) -> pl.DataFrame:
        """Return the calendar years against the limit; years that the data hold in part have no value."""
        return _assessment(STANDARD[self.edition], self.pollutant, self.place)

    def year(self) -> int:
        """Return the last valid calendar year of the period, else its last whole one, else that of the record."""
        inside = self.whole_years(FULL_YEARS)
        valid = self.years().filter("is_valid")["year"].to_list()
        return max([y for y in inside if y in valid] or inside or FULL_YEARS)

    def annual_limit(self) -> float | None:
        """Return the limit of the annual mean that stands beside the edition, if there is one."""
        table = tables.read("air_limits").filter(
            pl.col("grade").is_in(["class2", "all"]), standard=STANDARD[self.edition], pollutant=_stem(self.pollutant),
            averaging="annual",
        )  # fmt: skip
        return float(table["limit"].item()) if table.height else None

    def months(self) -> pl.DataFrame:
        """Return monthly means of the whole record, and the same without the season."""
        return _trend(self.pollutant, self.place)[0]

    def wind(self) -> pl.DataFrame:
        """Return the mean of the pollutant by wind direction and speed, over the whole record."""
        return _wind(self.pollutant, self.place)

    def trend(self) -> pl.DataFrame:
        """Return the Theil-Sen slope of the whole record with its interval; it follows no period."""
        return _trend(self.pollutant, self.place)[1]

    def alerts(self) -> pl.DataFrame:
        """Return one row per plan and day of the period: the level that the plan would have called for the city."""
        return self.inside(_replay(_rule_for_alerts(self.edition)))

    def alert_days(self) -> pl.DataFrame:
        """Return the days of :meth:`alerts` for which any plan would have called an alert."""
        return self.alerts().filter(pl.col("alert_level").is_not_null()).drop("alert_rule")

    def has_days(self) -> bool:
        """Return whether the place has an index on any day of the period."""
        return self.start <= self.end and self.days()["aqi"].count() > 0


@lru_cache(maxsize=len(EDITIONS))
def _merged_levels(edition: str) -> pl.DataFrame:
    """Return the levels of an edition, one row each; of bands within a level (UK) the middle one gives the colour."""
    return (
        indices.levels(edition)
        .group_by("level", "name_zh", "name_en", maintain_order=True)
        .agg(
            pl.col("index_low").min(),
            pl.when(pl.col("index_high").is_null().any()).then(None).otherwise(pl.col("index_high").max()).alias("index_high"),
            pl.col("color").get(pl.len() // 2),
        )
        .sort("level")
        .rename({"level": "aqi_level", "name_zh": "aqi_level_name_zh", "name_en": "aqi_level_name_en",
                 "color": "aqi_color"})
    )  # fmt: skip


def _label(edition: str, lang: Language) -> str:
    return pick(_LABELS[edition], lang)


def _place(state: State, lang: Language) -> str:
    if state.place == CITY:
        return vocabulary.say("everywhere", lang)
    return str(_PLACES.row(by_predicate=pl.col("station_id") == state.place, named=True)[f"station_name_{lang}"])


def _name(pollutant: str) -> str:
    return vocabulary.column(pollutant if pollutant != "o3_mda8_ugm3" else "o3_ugm3").label_en


def _colour(pollutant: str) -> str:
    return theme.colour("o3_ugm3" if pollutant == "o3_mda8_ugm3" else pollutant)


def big_numbers(state: State, lang: Language) -> list[Number]:
    """Return the four numbers that answer the question."""
    return [
        _polluted_number(state, lang),
        _limit_number(state, lang),
        _trend_number(state, lang),
        _alert_number(state, lang),
    ]


def _polluted_number(state: State, lang: Language) -> Number:
    zh = lang == "zh"
    level = _merged_levels(state.edition).row(
        by_predicate=pl.col("aqi_level") == POLLUTED_LEVEL[state.edition], named=True
    )
    name = level[f"aqi_level_name_{lang}"]
    label = (
        f"{_label(state.edition, lang)}：“{name}”及更差的天数占比"
        if zh
        else f"Days at “{name}” or worse by {_label(state.edition, lang)}"
    )
    if not state.has_days():
        return no_number(label, lang)
    polluted, measured, without = state.polluted(state.edition)
    others = []
    for edition in EDITIONS:
        if edition != state.edition:
            count, n, _ = state.polluted(edition)
            others.append(f"{_label(edition, lang)} {numbers.percent(count / n) if n else numbers.MISSING}")
    n, lost, shown = (numbers.count(v) for v in (measured, without, polluted))
    detail = (
        f"{shown} 天；n = {n} 天，另有 {lost} 天无指数。同样的日子：{'，'.join(others)}"
        if zh
        else f"{shown} days; n = {n}, {lost} more without an index. The same days: {', '.join(others)}"
    )
    return Number(label, numbers.percent(polluted / measured), "的日子" if zh else "of days", detail)


def _limit_number(state: State, lang: Language) -> Number:
    zh = lang == "zh"
    year, name, standard = state.year(), _name(state.pollutant), _label(STANDARD[state.edition], lang)
    rows = state.years().filter(year=year)
    row = rows.row(0, named=True) if rows.height else None
    statistic = row["statistic"] if row else "mean"
    if statistic == "mean":
        figure = "年均值" if zh else "annual mean"
    else:
        figure = f"第 {statistic[1:]} 百分位" if zh else f"{statistic[1:]}th percentile"
    label = f"{name} {year} 年{figure}，对照 {standard}" if zh else f"{name}, {figure} {year}, against {standard}"
    if row is None or row["value"] is None:
        reason = vocabulary.say("no_data", lang)
        if row is not None:
            why = pick(_REASONS[row["reason"]], lang)
            rule = row["validity_edition"].upper().replace("HJ", "HJ ")
            reason = (
                f"全年无效：{why}（n = {row['n']} 天；{rule}）" if zh
                else f"not a valid year: {why} (n = {row['n']} days; {rule})"
            )  # fmt: skip
        return no_number(label, lang, reason)
    unit = vocabulary.column(state.pollutant).unit
    text, shown = numbers.quantity(row["value"], unit, lang)
    limit = numbers.quantity(row["limit"], unit, lang)[0]
    times = numbers.figures(row["value"] / row["limit"], digits=2)
    met = ("达标" if zh else "met") if row["is_met"] else ("未达标" if zh else "not met")
    share = numbers.percent(row["compliance_share"])
    detail = (
        f"限值 {limit}：{met}（{times} 倍）；{share} 的日子达到日限值；n = {row['n']} 天"
        if zh
        else f"limit {limit}: {met} ({times} times it); {share} of days meet the daily limit; n = {row['n']} days"
    )
    return Number(label, text, shown, detail)


def _trend_number(state: State, lang: Language) -> Number:
    zh = lang == "zh"
    line, name = state.trend().row(0, named=True), _name(state.pollutant)
    label = (
        f"{name} 每年变化，{FIRST:%Y-%m} 至 {LAST:%Y-%m}"
        if zh
        else f"{name}, change a year, {FIRST:%b %Y} – {LAST:%b %Y}"
    )
    if line["slope_per_year"] is None:
        return no_number(label, lang, line["reason"] or "")
    unit = vocabulary.column(state.pollutant).unit
    text, shown = numbers.quantity(line["slope_per_year"], unit, lang, sign=True)
    between = numbers.span(line["slope_low"], line["slope_high"], unit, lang, sign=True)
    sure = line["slope_low"] > 0 or line["slope_high"] < 0
    verdict = (
        ("区间不含零" if zh else "zero lies outside")
        if sure
        else ("区间含零：看不出趋势" if zh else "zero lies inside: no trend can be told")
    )
    n = line["n_months"]
    detail = (
        f"{LEVEL:.0%} 区间 {between}；{verdict}；n = {n} 个月；未去除天气影响"
        if zh
        else f"{LEVEL:.0%} interval {between}; {verdict}; n = {n} months; weather not removed"
    )
    return Number(label, text, f"{shown}/年" if zh else f"{shown} a year", detail)


def _alert_number(state: State, lang: Language) -> Number:
    zh = lang == "zh"
    newest, oldest = PLANS[-1], PLANS[0]
    label = (
        f"按{_label(newest, lang)}应预警的天数（全市）" if zh else f"Alert days by the {_label(newest, lang)} (city)"
    )
    found = state.alerts()
    if not found.height:
        return no_number(label, lang)
    counts = dict(
        found.group_by("alert_edition").agg(pl.col("alert_level").is_not_null().sum().cast(pl.Int64)).iter_rows()
    )
    red = found.filter(pl.col("alert_edition") == newest, pl.col("alert_level") == "red").height
    detail = (
        f"其中红色 {red} 天；{_label(oldest, lang)}为 {counts[oldest]} 天。假设预报完全准确；没有实际发布预警的清单"
        if zh
        else f"{red} of them red; {_label(oldest, lang)}: {counts[oldest]}. Had forecasts been perfect; no list of "
        "alerts really called is at hand"
    )
    return Number(label, numbers.count(counts[newest]), "天" if zh else "days", detail)


def cannot_show(state: State, lang: Language) -> str:
    """Return what a reader could wrongly take from the page."""
    left = LEFT_OUT.get(state.edition, ())
    names = "、".join(x.upper() for x in left) if lang == "zh" else ", ".join(x.upper() for x in left)
    if lang == "zh":
        text = (
            "变化中有多少来自政策、多少来自天气：这里没有去除天气影响。数据止于 2017 年 2 月，不是现在的空气。"
            "2026 年版标准当时并不存在，这里只问同样的日子按它会怎样。预警由实测指数反推，好像预报完全准确；"
            "没有实际发布预警的清单，预案条文来自报道，2016 年版只找到橙色一条。"
            "全市值不含清洁对照点定陵。数据来源未说明时间标记是小时的开始还是结束，臭氧 8 小时值可能错开一小时。"
        )
        return text + (f"该指数按 15 分钟平均计 {names}，而数据只有小时值，故未计入。" if left else "")
    text = (
        "How much of the change is policy and how much is weather: weather is not removed. The data end in February "
        "2017; this is not the air of today. The standards of 2026 did not exist then: the page asks what they would "
        "have said of the same days. Alerts are derived from measured indices as if forecasts had been perfect; no "
        "list of alerts really called is at hand, the plans' rules are known from the press, and of the plan of 2016 "
        "only the orange rule. The city's value leaves out Dingling, the clean reference point. The source does not "
        "say whether a stamp marks the start or the end of its hour, so 8-hour ozone may lie one hour off."
    )
    return text + (
        f" This index counts {names} by 15-minute means; the data are hourly, so it is not counted." if left else ""
    )


def code(state: State) -> str:
    """Return the lines that compute the numbers of the present choices."""
    left, standard, stem = LEFT_OUT.get(state.edition, ()), STANDARD[state.edition], _stem(state.pollutant)
    alert_edition = _rule_for_alerts(state.edition)
    where = "city" if state.place == CITY else f'stations.filter(station_id="{state.place}")'
    return f"""import datetime as dt

import polars as pl

import citylab as cl
from citylab.air import alerts, indices, limits, summary, trends

key = ["station_id", "date_local"]
daily = cl.load("{AIR}").collect()
ozone = cl.load("{OZONE}").drop("o3_capture_share").collect()
maxima = cl.load("{MAXIMA}").drop("so2_capture_share", "no2_capture_share").collect()
valid = {[*MEANS, *HIGHEST_HOURS]}
stations = daily.join(ozone, on=key).join(maxima, on=key).sort(key).select(
    *key, *(summary.valid_value(p, p.split("_")[0] + "_capture_share") for p in valid), "o3_mda8_ugm3", "co_max8h_mgm3"
)
inside = stations.filter(~pl.col("station_id").is_in({list(BACKGROUND)}))
city = indices.city_concentrations(inside, min_stations={MIN_STATIONS})
place = {where}
days = indices.aqi(place, edition="{state.edition}", not_monitored={list(left)}, reference="{REFERENCE}")
period = days.filter(pl.col("date_local").is_between({date_code(state.start)}, {date_code(state.end)}))
polluted = (period["aqi_level"] >= {POLLUTED_LEVEL[state.edition]}).sum() / period["aqi_level"].count()
years = limits.annual_assessment(place, standard="{standard}", by=None, pollutants=["{stem}"])
trend = trends.trend(place, "{state.pollutant}", by=None, autocor=True, level={LEVEL})
index = indices.aqi(city, edition="{alert_edition}")
called = alerts.replay(index, editions={list(PLANS)})
"""


def message(state: State, lang: Language) -> str:
    """Return why there is nothing to show and what to change, or nothing."""
    if ends := period_message(state.start, state.end, lang):
        return ends
    if not state.has_days():
        return (
            f"{state.period} 内没有可计算指数的日子：请换时段或地点。数据范围 {FIRST} 至 {LAST}。" if lang == "zh"
            else f"No day of {state.period} has an index here: choose another period or place. Data run from "
            f"{FIRST} to {LAST}."
        )  # fmt: skip
    return ""


def _tip(row: dict[str, Any], state: State, lang: Language) -> str:
    unit = vocabulary.column(state.pollutant).unit
    name = html.escape(str(row[f"station_name_{lang}"]))
    none = vocabulary.say("no_data", lang)
    index = none if row["aqi"] is None else f"AQI {row['aqi']} · {html.escape(row[f'aqi_level_name_{lang}'])}"
    value, shown = numbers.quantity(row[state.pollutant], unit, lang)
    mean = f"{_name(state.pollutant)} {value} {shown}, n = {row['day_count']}"
    disputed = f"<br>{vocabulary.say('position_disputed', lang)}" if row["is_position_disputed"] else ""
    return f"<b>{name}</b><br>{state.day}: {index}<br>{html.escape(state.period)}: {mean}{disputed}"


def map_rows(state: State, lang: Language) -> pl.DataFrame:
    """Return the stations with the colour, the number and the hover text that the map shows."""
    rows = state.stations()
    if state.shown == "index":
        colour, text = rows["aqi_color"], rows["aqi"].cast(pl.String)
    else:
        low, high = maps.limits(rows, state.pollutant)
        values = rows[state.pollutant].to_list()
        colour = pl.Series([None if v is None else theme.step(v, low, high) for v in values], dtype=pl.String)
        text = pl.Series([None if v is None else numbers.figures(v, digits=2) for v in values], dtype=pl.String)
    tips = [_tip(r, state, lang) for r in rows.iter_rows(named=True)]
    return rows.with_columns(
        colour.alias("__colour"), text.fill_null(numbers.MISSING).alias("__text"), pl.Series("__tip", tips)
    )


def pictures(state: State) -> list[Picture]:
    """Return the page's pictures, each with the table behind it."""
    new_days = Changed(state, "edition", "place", "start", "end", "day", "lang")
    new_levels = Changed(state, "place", "start", "end", "lang")
    new_alerts = Changed(state, "edition", "start", "end", "lang")

    def choose_station(longitude_deg: float, latitude_deg: float) -> None:
        far = (pl.col("longitude_deg") - longitude_deg) ** 2 + (pl.col("latitude_deg") - latitude_deg) ** 2
        nearest = _PLACES.with_columns(far=far.sqrt()).sort("far").row(0, named=True)
        if nearest["far"] <= CLICK_DEG:
            state.place = CITY if state.place == nearest["station_id"] else nearest["station_id"]

    def choose_named(name: str) -> None:
        either = (pl.col("station_name_zh") == name) | (pl.col("station_name_en") == name)
        state.place = _PLACES.filter(either)["station_id"].item()

    def choose_row(row: dict[str, Any]) -> None:
        choose_named(row["station_name_zh"])

    def station_map() -> Any:
        lang = state.lang
        return maps.station_map(
            map_rows(state, lang), city.shapes(), colour="__colour", text="__text", tip="__tip", selected=state.place,
            lang=lang, large=state.is_large,
        )  # fmt: skip

    def map_title(lang: Language) -> str:
        if state.shown == "index":
            return f"各站 AQI，{state.day}" if lang == "zh" else f"AQI of the stations, {state.day}"
        return (
            f"{_name(state.pollutant)} 各站均值"
            if lang == "zh"
            else f"{_name(state.pollutant)}, mean of the period by station"
        )

    def map_note(lang: Language) -> str:
        if state.shown == "index":
            shown = key(lang)
        else:
            rows = state.stations()
            shown = maps.legend(rows, state.pollutant, no_value=vocabulary.say("no_data", lang), lang=lang)
        zh = lang == "zh"
        more = (
            "点击站点以选择；移动“地图日期”或点击日历换日。"
            if zh
            else "Click a station to choose it; the calendar or the slider sets the day."
        )
        return shown + more + " " + city.map_caution(lang)

    def key(lang: Language) -> str:
        rows = _merged_levels(state.edition).rename(
            {"aqi_level_name_zh": "name_zh", "aqi_level_name_en": "name_en", "aqi_color": "color"}
        )
        none = "无指数" if lang == "zh" else "no index"
        return levels.level_key(rows, no_data=none, lang=lang)

    def calendar() -> Any:
        lang = state.lang
        new_days()
        plot = levels.day_calendar(
            state.days(), "aqi", colour="aqi_color", label=f"aqi_level_name_{lang}", selected=state.day, lang=lang,
            alt=calendar_title(lang), large=state.is_large, height=400,
        )  # fmt: skip

        def tapped(event: Any) -> None:
            day = levels.day_at(plot, event.x, event.y)
            if day is not None and FIRST <= day <= LAST:
                state.day = day

        plot.on_event("tap", tapped)
        return plot

    def calendar_title(lang: Language) -> str:
        return f"AQI 日历（{_label(state.edition, lang)}），{_place(state, lang)}" if lang == "zh" else (
            f"Calendar of the AQI ({_label(state.edition, lang)}), {_place(state, lang)}"
        )  # fmt: skip

    def refresh_calendar(plot: Any) -> None:
        if new_days():
            levels.update(plot, state.days(), selected=state.day)

    def rule_rows() -> pl.DataFrame:
        lang = state.lang
        return state.levels().with_columns(
            pl.col("aqi_edition").replace_strict({e: _label(e, lang) for e in EDITIONS}).alias("rule"),
            pl.col(f"aqi_level_name_{lang}").fill_null("无指数" if lang == "zh" else "no index"),
        )

    def bars() -> Any:
        lang = state.lang
        new_levels()
        return levels.level_bars(
            rule_rows(), "rule", "day_count", colour="aqi_color", label=f"aqi_level_name_{lang}",
            order=[_label(e, lang) for e in EDITIONS], axis="天数" if lang == "zh" else "Days", alt=bars_title(lang),
            lang=lang, large=state.is_large, height=240,
        )  # fmt: skip

    def bars_title(lang: Language) -> str:
        where = _place(state, lang)
        return f"同样的日子，四种标准：{where}" if lang == "zh" else f"The same days by four rules: {where}"

    def bars_note(lang: Language) -> str:
        if lang == "zh":
            return (
                "颜色是各标准自己的，鼠标悬停显示级别名称；灰色为无指数的日子。"
                "HJ 633—2026 在缺测且其余分指数不超过 100 时不发布指数。"
                "美国指数计六项污染物；英国指数不计 SO₂：它按 15 分钟平均计，而数据只有小时值。"
            )
        return (
            "Each rule in its own colours, hover for the names of the levels; grey: no index. HJ 633-2026 publishes "
            "none when a pollutant is missing and the others stay at 100 or below. The US index counts all six "
            "pollutants; the UK index goes without SO₂, of which it asks 15-minute means, and the data are hourly."
        )

    def refresh_bars(plot: Any) -> None:
        if new_levels():
            levels.update(plot, rule_rows())

    def ranked_title(lang: Language) -> str:
        name = _name(state.pollutant)
        return f"{name}：各站，时段均值" if lang == "zh" else f"{name} by station, mean of the period"

    def ranked_rows() -> pl.DataFrame:
        return state.stations().with_columns(is_selected=pl.col("station_id") == state.place)

    def ranked() -> Any:
        from bokeh.models import Span

        plot = charts.ranked(
            ranked_rows(), f"station_name_{state.lang}", state.pollutant, highlight="is_selected",
            names={"axis": _name(state.pollutant)}, colour=_colour(state.pollutant), alt=ranked_title(state.lang),
            lang=state.lang, large=state.is_large, height=440,
        )  # fmt: skip
        charts.on_choose(plot, choose_named)
        if (limit := state.annual_limit()) is not None:
            plot.add_layout(
                Span(location=limit, dimension="height", line_color=theme.INK, line_width=2, line_dash="dashed")
            )
        return plot

    def ranked_note(lang: Language) -> str:
        zh, limit = lang == "zh", state.annual_limit()
        share = f"{summary.MIN_DAY_SHARE:.0%}"
        text = (
            f"时段内有效日占 {share} 以上的站点；定陵是清洁对照点。"
            if zh
            else f"Stations with ≥ {share} valid days in the period; Dingling is the clean reference point."
        )
        if limit is None:
            return text + (" 该污染物没有年均限值。" if zh else " The limits name no annual mean of this pollutant.")
        unit = vocabulary.column(state.pollutant).unit
        standard = _label(STANDARD[state.edition], lang)
        marks = [("level", theme.INK, f"{standard} 年均限值 {limit:g} {unit}" if zh
                  else f"annual limit {limit:g} {unit}, {standard}")]  # fmt: skip
        return charts.key(marks) + text

    def grid_title(lang: Language) -> str:
        name, when = _name(state.pollutant), str(state.day) if state.shown == "index" else state.period
        return f"{name} 插值图，{when}" if lang == "zh" else f"{name} between the stations, {when}"

    def grid_picture() -> Any:
        lang = state.lang
        called = dict(_PLACES.select("station_id", f"station_name_{lang}").iter_rows())
        return pictures_of_air.grid_plot(
            state.grid(), city.shapes(), names=called, margin_deg=MARGIN_DEG, lang=lang, large=state.is_large,
            height=440,
        )  # fmt: skip

    def grid_note(lang: Language) -> str:
        if lang == "zh":
            text = "只按距离插值，不知地形、道路与风；站点以外的值是猜测。选“时段均值”则画整个时段。"
        else:
            text = "By distance alone: it knows no terrain, road or wind. Choose “Mean” for the whole period. "
        return text + city.map_caution(lang)

    def trend_title(lang: Language) -> str:
        where, name = _place(state, lang), _name(state.pollutant)
        return f"{name} 的趋势：{where}" if lang == "zh" else f"Trend of {name}: {where}"

    def trend_picture() -> Any:
        months, line = state.months(), state.trend()
        return pictures_of_air.trend_plot(
            months, line, alt=trend_title(state.lang), lang=state.lang, large=state.is_large, height=380, legend=False
        )

    def trend_note(lang: Language) -> str:
        zh, held = lang == "zh", numbers.percent(MEASURED_COVERAGE)
        marks = [
            ("area", _colour(state.pollutant), "去除季节后的月均值" if zh else "Month without its season"),
            ("line", theme.INK, "Theil–Sen 斜率及区间" if zh else "Theil-Sen slope and interval"),
        ]
        text = (
            f"整个记录，不随时段变化；块自助法。在有季节、月间相关（φ = 0.3）的合成数据上，这样的“{LEVEL:.0%} 区间”"
            f"只有 {held} 包含真斜率：它偏窄。不合季节的月份可低于零。"
            if zh
            else f"Whole record, whatever the period; block bootstrap. On synthetic months with a season and "
            f"autocorrelation (φ = 0.3) such a {LEVEL:.0%} interval held the true slope in {held} of runs: it is "
            "narrower than it says. Months far off their season can fall below zero."
        )
        if state.pollutant == "o3_mda8_ugm3":
            text += " 臭氧为日最大 8 小时平均。" if zh else " Ozone: highest 8-hour mean of the day."
        return charts.key(marks) + text

    def polar_title(lang: Language) -> str:
        where, name = _place(state, lang), _name(state.pollutant)
        return f"{name} 与风向、风速：{where}" if lang == "zh" else f"{name} by wind: {where}"

    def polar_picture() -> Any:
        return pictures_of_air.polar(
            state.wind(),
            state.pollutant,
            alt=polar_title(state.lang),
            lang=state.lang,
            large=state.is_large,
            height=380,
        )

    def polar_note(lang: Language) -> str:
        if lang == "zh":
            return (
                f"整个记录的日均值与日均风（风向为矢量平均），核回归；有效样本少于 {roses.MIN_N} 天处留空。"
                "气象并非逐站观测，日均风不及逐小时风清楚。"
            )
        return (
            "Daily means of the whole record by the day's wind (vector mean of the direction), kernel regression; "
            f"blank below {roses.MIN_N} effective days. Neighbouring stations share a weather station, and a day's "
            "mean wind says less than the hours would."
        )

    def plans(lang: Language) -> list[str]:
        return [_label(p, lang) for p in PLANS]

    def alert_rows() -> pl.DataFrame:
        return state.alerts().with_columns(
            pl.col("alert_edition").replace_strict({p: _label(p, state.lang) for p in PLANS}).alias("plan")
        )

    def axis_days() -> tuple[dt.date, dt.date]:
        return min(state.start, state.end), max(state.start, state.end)

    def strip() -> Any:
        lang, (first, last) = state.lang, axis_days()
        new_alerts()
        return levels.alert_strip(
            alert_rows(), "plan", order=plans(lang), start=first, end=last, alt=strip_title(lang), lang=lang,
            large=state.is_large, height=210,
        )  # fmt: skip

    strip_title = text(
        "预警回放：各版预案在哪些天应当预警（全市）",
        "Alerts replayed: the days each plan would have called (city)",
    )

    def strip_note(lang: Language) -> str:
        zh = lang == "zh"
        marks = [("area", c, vocabulary.say(f"alert_{name}", lang)) for name, c in levels.ALERT_COLOURS.items()]
        rule = _label(_rule_for_alerts(state.edition), lang)
        text = (
            f"由 {rule} 的实测日指数推出，好像预报完全准确。没有实际发布预警的清单，不能说明当时是否预警。"
            if zh
            else f"From the measured daily index by {rule}, as if forecasts had been perfect. No list of alerts really "
            "called is at hand: the picture does not say whether one was."
        )
        return charts.key(marks) + text

    def refresh_strip(plot: Any) -> None:
        if new_alerts():
            first, last = axis_days()
            levels.update(plot, alert_rows(), start=first, end=last)

    return [
        Picture("calendar", title=calendar_title, draw=calendar, table=state.days, note=key, refresh=refresh_calendar,
                height=400, on_row=lambda row: state.param.update(day=row["date_local"])),
        Picture("stations", title=map_title, draw=station_map, table=state.station_table, note=map_note, height=400,
                on_click=choose_station, on_row=choose_row),
        Picture("rules", title=bars_title, draw=bars, table=state.levels, note=bars_note, refresh=refresh_bars,
                height=240, wide=True),
        Picture("trend", title=trend_title, draw=trend_picture, table=lambda: _trend_table(state), note=trend_note,
                redraw_on=("pollutant", "place"), height=380),
        Picture("wind", title=polar_title, draw=polar_picture, table=lambda: _wind_table(state), note=polar_note,
                redraw_on=("pollutant", "place"), height=380, simple=False),
        Picture("ranked", title=ranked_title, draw=ranked, table=state.station_table, note=ranked_note,
                refresh=lambda plot: charts.update(plot, ranked_rows()), redraw_on=("pollutant", "edition"),
                height=440, on_row=choose_row),
        Picture("grid", title=grid_title, draw=grid_picture, note=grid_note, height=440,
                table=lambda: pictures_of_air.grid_table(state.grid()),
                redraw_on=("pollutant", "shown", "day", "start", "end"), simple=False),
        Picture("alerts", title=strip_title, draw=strip, table=state.alert_days,
                note=strip_note, refresh=refresh_strip, height=210, wide=True),
    ]  # fmt: skip


def _trend_table(state: State) -> pl.DataFrame:
    return state.months().select(
        "month_start", pl.col("mean").alias(state.pollutant), "deseasonalised", "capture_share"
    )


def _wind_table(state: State) -> pl.DataFrame:
    return (
        state.wind()
        .select("wind_direction_deg", "wind_speed_ms", state.pollutant, "low", "high", "n")
        .drop_nulls(state.pollutant)
        .sort("wind_direction_deg", "wind_speed_ms")
    )


def controls(state: State, lang: Language) -> pn.Column:
    """Return the widgets: what, where, when; bound to the state in both directions."""
    from citylab.app import controls as widgets

    places = {str(r[f"station_name_{lang}"]): r["station_id"] for r in _PLACES.iter_rows(named=True)}
    zh = lang == "zh"
    return widgets.column(
        state, lang,
        widgets.choice(state, "edition", "指数标准" if zh else "Rule (index)",
                       {_label(e, lang): e for e in EDITIONS}),
        widgets.choice(state, "pollutant", "污染物" if zh else "Pollutant",
                       {f"{_name(p)} ({vocabulary.column(p).unit})": p for p in POLLUTANTS}),
        widgets.choice(state, "place", "地点" if zh else "Place", {vocabulary.say("everywhere", lang): CITY} | places),
        *widgets.period(state, lang, years=FULL_YEARS),
        detail=[
            widgets.buttons(state, "shown", {"地图：当日 AQI" if zh else "Map: AQI": "index",
                                             "时段均值" if zh else "Mean": "mean"}),
            widgets.day(state, "day", "地图日期" if zh else "Day on the map"),
        ],
    )  # fmt: skip


def build() -> pn.Template:
    """Return the page for one reader."""
    from citylab.app import shell

    return shell.dashboard(State(), globals())


if __name__.startswith("bokeh_app"):
    build().servable()
