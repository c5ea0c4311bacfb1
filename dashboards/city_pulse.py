"""City pulse: is Beijing's air getting cleaner, where and when, and its carbon?

Serve it with ``citylab serve``, or alone with ``panel serve dashboards/city_pulse.py``.
"""

from __future__ import annotations

import datetime as dt
import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import param
import polars as pl

from citylab import catalog, vocabulary
from citylab.air import summary
from citylab.app import city
from citylab.app.parts import (
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
from citylab.errors import DataError
from citylab.viz import charts, maps, numbers, theme

if TYPE_CHECKING:
    import panel as pn

    from citylab.settings import Language

TITLE = ("城市脉搏", "City pulse")
QUESTION = (
    "北京的空气变干净了吗？哪里、什么时候？碳排放呢？",
    "Is Beijing's air getting cleaner, where and when — and its carbon?",
)
AIR = "uci__daily_station_air"
CARBON = "carbonmonitor__monthly_province_co2"
SOURCES = (AIR, CARBON, city.STATIONS, city.DISTRICTS)

POLLUTANTS = ("pm25_ugm3", "pm10_ugm3", "so2_ugm3", "no2_ugm3", "co_mgm3", "o3_ugm3")
SECTORS = ("power", "industry", "ground_transport")
LEVEL = 0.95

with cautions_on_page():
    _AIR = catalog.load(AIR).collect()
    _CARBON = (
        catalog.load(CARBON, where={"province_name_en": "Beijing", "sector": list(SECTORS)})
        .select("month_start", "sector", "co2_t")
        .sort("month_start", "sector")
        .collect()
    )
_PLACES = city.stations(_AIR["station_id"].unique().to_list())
FIRST, LAST = _AIR["date_local"].min(), _AIR["date_local"].max()
STATION_COUNT = _AIR["station_id"].n_unique()
MIN_STATIONS = math.ceil(summary.MIN_STATION_SHARE * STATION_COUNT)
FULL_YEARS = whole_years(FIRST, LAST)


def _capture(pollutant: str) -> str:
    return pollutant.rsplit("_", 1)[0] + "_capture_share"


@lru_cache(maxsize=len(POLLUTANTS))
def _whole_record(pollutant: str) -> pl.DataFrame:
    return summary.city_daily(_AIR, pollutant, _capture(pollutant), min_stations=MIN_STATIONS)


@lru_cache(maxsize=256)
def _means(pollutant: str, start: dt.date, end: dt.date, min_days: int | None = None) -> pl.DataFrame:
    table = summary.station_means(
        _AIR.select("station_id", "date_local", pollutant, _capture(pollutant)), pollutant, _capture(pollutant),
        start=start, end=end, min_days=min_days,
    )  # fmt: skip
    return table.join(_PLACES, on="station_id", how="left", maintain_order="left").join(
        city.boundaries().select("adcode", "district_name_zh", "district_name_en"), on="adcode", how="left",
        maintain_order="left",
    )  # fmt: skip


def _year(pollutant: str, year: int) -> pl.DataFrame:
    return _means(pollutant, dt.date(year, 1, 1), dt.date(year, 12, 31), summary.MIN_DAYS_OF_YEAR)


@lru_cache(maxsize=len(POLLUTANTS))
def _change(pollutant: str) -> summary.PairedChange:
    first, last = (_year(pollutant, y)[pollutant] for y in (FULL_YEARS[0], FULL_YEARS[-1]))
    return summary.paired_change(first, last, level=LEVEL)


class State(PeriodState):
    """Choices of the page, and the tables that follow from them."""

    pollutant = param.Selector(default="pm25_ugm3", objects=list(POLLUTANTS), doc="Column of the pollutant.")
    start = param.CalendarDate(default=FIRST, bounds=(FIRST, LAST), doc="First day of the period.")
    end = param.CalendarDate(default=LAST, bounds=(FIRST, LAST), doc="Last day of the period.")
    district = param.Selector(
        default="", objects=["", *city.boundaries()["adcode"]], doc="adcode to point out, or none."
    )

    in_url: ClassVar[tuple[str, ...]] = ("pollutant", "start", "end", "district")

    def daily(self) -> pl.DataFrame:
        """Return one row per day of the period: mean over stations, lowest, highest, valid stations."""
        return self.inside(_whole_record(self.pollutant))

    def stations(self) -> pl.DataFrame:
        """Return one row per station that has a mean over the period, with its place; none if the period is empty."""
        empty = self.start > self.end
        means = _means(self.pollutant, FIRST, LAST).clear() if empty else _means(self.pollutant, self.start, self.end)
        return means.filter(pl.col(self.pollutant).is_not_null()).with_columns(
            is_selected=(pl.col("adcode") == self.district).fill_null(False)
        )

    def station_table(self) -> pl.DataFrame:
        """Return :meth:`stations` as a reader wants it: names, district, mean, valid days."""
        names = ("station_name_zh", "station_name_en", "district_name_zh", "district_name_en")
        return self.stations().select(*names, self.pollutant, "day_count", "is_position_disputed")

    def districts(self) -> pl.DataFrame:
        """Return one row per district with stations: mean of its stations' means, stations, station-days."""
        return (
            self.stations()
            .group_by("adcode", "district_name_zh", "district_name_en")
            .agg(
                pl.col(self.pollutant).mean(),
                pl.len().cast(pl.Int64).alias("station_count"),
                pl.col("day_count").sum().alias("station_days"),
            )
            .sort("adcode")
        )

    def years(self) -> pl.DataFrame:
        """Return the means of the calendar years that lie wholly in the period: start, end, value, label."""
        rows = []
        for year in self.whole_years(FULL_YEARS):
            mean = _year(self.pollutant, year)[self.pollutant].mean()
            rows.append((dt.date(year, 1, 1), dt.date(year, 12, 31), mean, numbers.figures(mean)))
        schema = {"start": pl.Date, "end": pl.Date, "value": pl.Float64, "label": pl.String}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def change(self) -> summary.PairedChange:
        """Return the change from the first to the last full calendar year, over the stations valid in both."""
        return _change(self.pollutant)

    def carbon(self) -> pl.DataFrame:
        """Return CO2 of Beijing by month and sector; it follows no choice of the page."""
        return _CARBON

    def carbon_by_year(self) -> dict[int, float]:
        """Return the sum of the sectors [t] of each year that has all twelve months of each."""
        years = (
            _CARBON.group_by(pl.col("month_start").dt.year().alias("year"))
            .agg(pl.col("co2_t").sum(), pl.len().alias("rows"))
            .filter(pl.col("rows") == 12 * len(SECTORS))
            .sort("year")
        )
        return dict(years.select("year", "co2_t").iter_rows())

    def has_air(self) -> bool:
        """Return whether any station has a mean over the period."""
        return self.stations().height > 0


def _name(row: dict[str, Any], what: str, lang: Language) -> str:
    return str(row[f"{what}_name_{lang}"])


def big_numbers(state: State, lang: Language) -> list[Number]:
    """Return the four numbers that answer the question."""
    return [
        _change_number(state, lang),
        _mean_number(state, lang),
        _where_number(state, lang),
        _carbon_number(state, lang),
    ]


def _short_name(pollutant: str) -> str:
    return vocabulary.column(pollutant).label_en


def _mean_number(state: State, lang: Language) -> Number:
    zh = lang == "zh"
    name = _short_name(state.pollutant)
    unit = vocabulary.column(state.pollutant).unit
    table = state.stations()
    label = (
        f"{name}，{table.height} 站均值，{state.period}"
        if zh
        else f"{name}, mean of {table.height} stations, {state.period}"
    )
    if not table.height:
        return no_number(label, lang)
    values = table[state.pollutant]
    text, shown = numbers.quantity(values.mean(), unit, lang)
    between = numbers.span(values.min(), values.max(), unit, lang)
    n = numbers.count(table["day_count"].sum())
    detail = f"各站 {between}；n = {n} 个有效站日" if zh else f"stations {between}; n = {n} valid station-days"
    return Number(label, text, shown, detail)


def _change_number(state: State, lang: Language) -> Number:
    zh = lang == "zh"
    unit = vocabulary.column(state.pollutant).unit
    years = f"{FULL_YEARS[0]} → {FULL_YEARS[-1]}"
    name = _short_name(state.pollutant)
    label = f"{name}：{years} 变化（首末两个完整年）" if zh else f"{name}, change {years} (first and last full year)"
    try:
        change = state.change()
    except DataError:
        return no_number(label, lang)
    text, shown = numbers.quantity(change.change, unit, lang, sign=True)
    between = numbers.span(change.low, change.high, unit, lang, sign=True)
    level = f"{change.level:.0%}"
    relative = numbers.percent(change.change_share, sign=True)
    detail = (
        f"{relative}；{level} 站间 t 区间 {between}；n = {change.n} 站；未去除天气影响"
        if zh
        else f"{relative}; {level} t interval over stations {between}; n = {change.n} stations; weather not removed"
    )
    return Number(label, text, shown, detail)


def _where_number(state: State, lang: Language) -> Number:
    zh = lang == "zh"
    unit = vocabulary.column(state.pollutant).unit
    table = state.districts()
    if state.district:
        name = city.district_name(state.district, lang)
        label = f"{name}，站点均值" if zh else f"{name}, mean of its stations"
        row = table.filter(pl.col("adcode") == state.district)
        if not row.height:
            why = (
                "本数据集在该区没有站点，或有效日不足"
                if zh
                else "no station of this data set there, or too few valid days"
            )
            return no_number(label, lang, why)
        text, shown = numbers.quantity(row[state.pollutant].item(), unit, lang)
        n, days = row["station_count"].item(), numbers.count(row["station_days"].item())
        return Number(
            label, text, shown, f"{n} 站，{days} 个有效站日" if zh else f"{n} station(s), {days} valid station-days"
        )
    label = "最高的区" if zh else "Highest district"
    if not table.height:
        return no_number(label, lang)
    ranked = table.sort(state.pollutant, descending=True)
    top, bottom = ranked.row(0, named=True), ranked.row(-1, named=True)
    high, shown = numbers.quantity(top[state.pollutant], unit, lang)
    low = numbers.quantity(bottom[state.pollutant], unit, lang)[0]
    last = _name(bottom, "district", lang)
    detail = (
        f"{high} {shown}；最低：{last} {low}；共 {table.height} 个有站点的区"
        if zh
        else f"{high} {shown}; lowest: {last} {low}; {table.height} districts have stations"
    )
    return Number(label, _name(top, "district", lang), "", detail)


def _carbon_number(state: State, lang: Language) -> Number:
    zh = lang == "zh"
    by_year = state.carbon_by_year()
    first, last = min(by_year), max(by_year)
    change = by_year[last] - by_year[first]
    text, unit = numbers.quantity(change, "t", lang, sign=True)
    start, end = (numbers.quantity(by_year[y], "t", lang)[0] for y in (first, last))
    share = numbers.percent(change / by_year[first], sign=True)
    detail = (
        f"{share}；{start} → {end}；电力、工业、地面交通；发布者未给出区间"
        if zh
        else f"{share}; {start} → {end}; power, industry, ground transport; publisher gives no interval"
    )
    return Number(f"CO₂ {first} → {last}", text, unit, detail)


def cannot_show(state: State, lang: Language) -> str:
    """Return what a reader could wrongly take from the page."""
    ozone = state.pollutant == "o3_ugm3"
    if lang == "zh":
        text = (
            "浓度变化中有多少来自政策、多少来自天气：这里没有去除天气影响，站间区间只反映站点之间的差异。"
            "12 个站点只覆盖部分区，一个区的数值是区内站点的均值，不是全区居民的暴露。"
            "空气数据止于 2017 年 2 月，碳数据始于 2019 年 1 月，二者不重叠，不能比较；"
            "碳数据是模型估算的省级月总量，缺居民与航空部门，2020 年受疫情影响。"
        )
        return text + ("臭氧为日均值，不是标准中的日最大 8 小时均值。" if ozone else "")
    text = (
        "How much of the change is policy and how much is weather: weather is not removed, and the interval over "
        "stations speaks only of how stations differ. The 12 stations stand in some districts only; a district's value "
        "is the mean of its stations, not what its residents breathe. Air data end in February 2017 and carbon data "
        "begin in January 2019: they never meet and cannot be compared. Carbon is a modelled monthly total for the "
        "province, without homes and aviation; 2020 is the year of the pandemic."
    )
    return text + (" Ozone is the mean of the day, not the daily 8-hour maximum of the standard." if ozone else "")


def code(state: State) -> str:
    """Return the lines that compute the numbers of the present choices."""
    p, capture = state.pollutant, _capture(state.pollutant)
    first, last = FULL_YEARS[0], FULL_YEARS[-1]
    return f"""import datetime as dt

import citylab as cl
from citylab.air import summary

air = cl.load("{AIR}").collect()
means = summary.station_means(air, "{p}", "{capture}", start={date_code(state.start)}, end={date_code(state.end)})
mean = means["{p}"].mean()
first, last = (
    summary.station_means(
        air, "{p}", "{capture}", start=dt.date(year, 1, 1), end=dt.date(year, 12, 31),
        min_days=summary.MIN_DAYS_OF_YEAR,
    )
    for year in ({first}, {last})
)
change = summary.paired_change(first["{p}"], last["{p}"], level={LEVEL})
days = summary.city_daily(air, "{p}", "{capture}", min_stations={MIN_STATIONS})
stations = cl.load("{city.STATIONS}")
districts = cl.load("{city.DISTRICTS}")
carbon = cl.load("{CARBON}", where={{"province_name_en": "Beijing", "sector": ["{'", "'.join(SECTORS)}"]}})
"""


def message(state: State, lang: Language) -> str:
    """Return why there is nothing to show and what to change, or nothing."""
    if ends := period_message(state.start, state.end, lang):
        return ends
    if not state.has_air():
        return (
            f"{state.period} 内没有站点达到有效日数要求：请拉长时段。数据范围 {FIRST} 至 {LAST}。" if lang == "zh"
            else f"No station has enough valid days in {state.period}: choose a longer period. "
            f"Data run from {FIRST} to {LAST}."
        )  # fmt: skip
    return ""


def pictures(state: State) -> list[Picture]:
    """Return the page's pictures, each with the table behind it."""

    def stem(lang: Language) -> str:
        return vocabulary.column(state.pollutant).label(lang)

    def choose(longitude_deg: float, latitude_deg: float) -> None:
        state.district = city.chosen_at(longitude_deg, latitude_deg, state.district)

    def choose_row(row: dict[str, Any]) -> None:
        state.district = city.boundaries().filter(district_name_zh=row["district_name_zh"])["adcode"].item()

    def choose_station(name: str) -> None:
        either = (pl.col("station_name_zh") == name) | (pl.col("station_name_en") == name)
        state.district = _PLACES.filter(either)["adcode"].item()

    def series_names() -> dict[str, str]:
        zh = state.lang == "zh"
        return {
            "line": "日均值（站点平均）" if zh else "Daily mean over stations",
            "band": "站点最低–最高" if zh else "Lowest to highest station",
            "levels": "年均值" if zh else "Mean of the calendar year",
            "n": vocabulary.say("station_count", state.lang),
        }

    def series() -> Any:
        p = state.pollutant
        return charts.line(
            state.daily(), "date_local", p, low=f"{p}_min", high=f"{p}_max", n="station_count", levels=state.years(),
            names=series_names(), alt=f"{stem(state.lang)}, {state.period}", lang=state.lang, large=state.is_large,
            legend=False, height=250,
        )  # fmt: skip

    def series_note(lang: Language) -> str:
        names, colour = series_names(), theme.colour(state.pollutant)
        marks = [("line", colour, names["line"]), ("area", colour + "38", names["band"])]
        if state.years().height:
            marks.append(("level", theme.INK, names["levels"]))
        return charts.key(marks) + rule(lang)

    def bars() -> Any:
        plot = charts.ranked(
            state.stations(), f"station_name_{state.lang}", state.pollutant, highlight="is_selected",
            alt=f"{stem(state.lang)}, {state.period}", lang=state.lang, large=state.is_large, height=350,
        )  # fmt: skip
        charts.on_choose(plot, choose_station)
        return plot

    def district_map() -> Any:
        table = state.stations()
        return maps.district_map(
            state.districts().rename({"station_days": "n"}), state.pollutant, city.shapes(),
            stations=table.rename({"day_count": "n"}), n="n", n_name=vocabulary.say("station_days", state.lang),
            period=state.period, selected=state.district or None, no_value=vocabulary.say("no_station", state.lang),
            lang=state.lang, large=state.is_large,
        )  # fmt: skip

    def map_note(lang: Language) -> str:
        no_value = vocabulary.say("no_station", lang)
        shown = maps.legend(state.districts(), state.pollutant, no_value=no_value, lang=lang, stations=True)
        return shown + city.map_caution(lang)

    def carbon_bars() -> Any:
        return charts.stacked(
            state.carbon(), "month_start", "sector", "co2_t", order=SECTORS, lang=state.lang, large=state.is_large,
            height=240, legend=False,
            alt="北京各月二氧化碳排放" if state.lang == "zh" else "CO2 of Beijing by month and sector",
        )  # fmt: skip

    rule = text(
        f"有效日：≥ {summary.MIN_HOURS_OF_DAY} 小时；城市日：≥ {MIN_STATIONS} 个有效站点，否则留空；"
        f"年均值：≥ {summary.MIN_DAYS_OF_YEAR} 个有效日（GB 3095-2012）。色带是站点之间的范围，不是不确定性。",
        f"A valid day has ≥ {summary.MIN_HOURS_OF_DAY} hours; a city day ≥ {MIN_STATIONS} valid stations, else a gap; "
        f"a yearly mean ≥ {summary.MIN_DAYS_OF_YEAR} valid days (GB 3095-2012). The band is the range across stations, "
        "not an uncertainty.",
    )
    apart = text(
        "时间轴与上图不同：碳数据为 2019 年 1 月至 2020 年 12 月。选项不影响此图。",
        "Another time axis than above: carbon covers January 2019 to December 2020. The controls do not change it.",
    )
    share = f"{summary.MIN_DAY_SHARE:.0%}"
    means = text(
        f"时段内有效日占 {share} 以上的站点。突出显示所选区的站点；点击一条以选择其所在的区。",
        f"Stations with ≥ {share} valid days in the period. Stations of the chosen district stand out; "
        "click a bar to choose its district.",
    )

    def carbon_note(lang: Language) -> str:
        marks = [("area", theme.colour(sector), vocabulary.say(sector, lang)) for sector in SECTORS]
        return charts.key(marks) + apart(lang)

    return [
        Picture(
            "daily", title=lambda lang: f"{stem(lang)}：逐日，全市" if lang == "zh" else f"{stem(lang)} by day, city",
            draw=series, table=state.daily, note=series_note, height=250, wide=True,
            refresh=lambda plot: charts.update(plot, state.daily(), levels=state.years()), redraw_on=("pollutant",),
        ),
        Picture(
            "districts",
            title=lambda lang: stem(lang) + ("：各区站点均值" if lang == "zh" else " by district"),
            draw=district_map, table=state.districts, note=map_note, height=350, on_click=choose,
            on_row=choose_row,
        ),
        Picture(
            "stations", title=lambda lang: f"{stem(lang)}：各站" if lang == "zh" else f"{stem(lang)} by station",
            draw=bars, table=state.station_table, note=means, height=350,
            on_row=choose_row,
            refresh=lambda plot: charts.update(plot, state.stations()), redraw_on=("pollutant",),
        ),
        Picture(
            "carbon", title=text("二氧化碳：按月、按部门", "CO₂ by month and sector"), draw=carbon_bars,
            table=state.carbon, note=carbon_note, height=240, wide=True,
        ),
    ]  # fmt: skip


def controls(state: State, lang: Language) -> pn.Column:
    """Return the widgets: what, where, when; bound to the state in both directions."""
    from citylab.app import controls as widgets

    lacking = set(city.boundaries()["adcode"]) - set(_PLACES["adcode"])
    return widgets.column(
        state, lang,
        widgets.choice(state, "pollutant", pick(("污染物", "Pollutant"), lang),
                       {vocabulary.column(p).axis_title(lang): p for p in POLLUTANTS}),
        widgets.choice(state, "district", pick(("突出显示的区", "District to point out"), lang),
                       city.district_options(lang, lacking=lacking, why=vocabulary.say("no_station", lang))),
        *widgets.period(state, lang, years=FULL_YEARS),
    )  # fmt: skip


def build() -> pn.Template:
    """Return the page for one reader."""
    from citylab.app import shell

    return shell.dashboard(State(), globals())


if __name__.startswith("bokeh_app"):
    build().servable()
