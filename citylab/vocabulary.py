"""The one place where a column, a sector, a pollutant or a word on a page is given its meaning.

A column name carries its unit (``pm25_ugm3``); comparable quantities share a name, others do not. Declarations,
validation, generated pages, axis titles and :func:`citylab.describe` read :data:`COLUMNS`; pages and charts
take their bilingual text from :data:`WORDS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from citylab import settings
from citylab.errors import suggest
from citylab.settings import Language

if TYPE_CHECKING:
    import polars as pl

Dtype = Literal["text", "integer", "number", "boolean", "date", "datetime", "binary"]
Sensitivity = Literal["open", "internal", "restricted", "personal"]


@dataclass(frozen=True, slots=True)
class Column:
    """What one column means, wherever it stands.

    Attributes
    ----------
    name
        Column name, with its unit as suffix.
    dtype
        Kind of value; :func:`polars_dtype` gives the Polars type.
    unit
        Unit as printed on an axis; ``""`` for codes, names and dates, ``"1"`` for shares.
    label_zh, label_en
        Short labels for axes, legends and table heads, without the unit.
    definition
        One sentence: what is measured, over what, with which convention.
    lower, upper
        Bounds that no true value can leave (not a judgement of what is usual).
    sensitivity
        Grade of the column by itself; a data set may be graded higher.
    """

    name: str
    dtype: Dtype
    unit: str
    label_zh: str
    label_en: str
    definition: str
    lower: float | None = None
    upper: float | None = None
    sensitivity: Sensitivity = "open"

    def label(self, lang: Language | None = None) -> str:
        """Return the label in a language.

        Examples
        --------
        >>> column("pm25_ugm3").label("zh")
        'PM2.5 浓度'
        """
        return self.label_zh if (lang or settings.language()) == "zh" else self.label_en

    def axis_title(self, lang: Language | None = None) -> str:
        """Return the label with its unit, as an axis shows it.

        Examples
        --------
        >>> column("pm25_ugm3").axis_title("en")
        'PM2.5 (µg/m³)'
        """
        return self.label(lang) + (f" ({self.unit})" if self.unit not in {"", "1"} else "")


def _air(stem: str, zh: str, en: str, unit: str, upper: float) -> tuple[Column, ...]:
    """Return a concentration and the share of hours behind it."""
    suffix = {"µg/m³": "ugm3", "mg/m³": "mgm3"}[unit]
    return (
        Column(
            f"{stem}_{suffix}", "number", unit, f"{zh} 浓度", en,
            f"Concentration of {en} over the row's period; gases at the publisher's reference state.", 0.0, upper,
        ),
        Column(
            f"{stem}_capture_share", "number", "1", f"{zh} 有效小时占比", f"{en} data capture",
            f"Hours with a valid {en} value as a share of the hours of the period.", 0.0, 1.0,
        ),
    )  # fmt: skip


_POLLUTANTS = (("pm25", "PM2.5"), ("pm10", "PM10"), ("so2", "SO₂"), ("no2", "NO₂"), ("co", "CO"), ("o3", "O₃"))
_AVERAGES = {
    "24h": ("24 小时滑动平均", "running 24-hour mean", "Mean of the 24 hours up to the row's hour"),
    "8h": ("8 小时滑动平均", "running 8-hour mean", "Mean of the 8 hours up to the row's hour"),
    "max8h": ("日最大 8 小时平均", "daily maximum 8-hour mean", "Highest 8-hour mean of the day"),
    "mda8": ("日最大 8 小时平均", "daily maximum 8-hour mean", "Highest 8-hour mean of the day (MDA8)"),
    "max1h": ("日最大 1 小时平均", "daily maximum 1-hour mean", "Highest 1-hour mean of the day"),
    "15min": ("15 分钟平均", "15-minute mean", "Highest 15-minute mean of the hour"),
    "max15min": ("日最大 15 分钟平均", "daily maximum 15-minute mean", "Highest 15-minute mean of the day"),
}

_BESIDE: tuple[tuple[str, Dtype, str, str, str], ...] = (
    ("n", "integer", "有效数据数", "values", "Number of valid values behind the average"),
    ("is_valid", "boolean", "是否有效", "is valid", "True where enough values lie behind the average"),
    ("reason", "text", "无效原因", "reason", "Why the average is not valid; empty where it is"),
    ("flag", "text", "质控标记", "flag", "Gravest remark of quality control on the value"),
    ("reasons", "text", "质控原因", "reasons", "All remarks of quality control, joined by +, on the value"),
)


_DECLARED: tuple[Column, ...] = (
    # keys and places
    Column("station_id", "text", "", "站点", "Station", "citylab's key of an air-quality station."),
    Column("station_name_zh", "text", "", "站点名称", "Station name (Chinese)", "Name of the station in Chinese."),
    Column("station_name_en", "text", "", "站点英文名", "Station name (English)", "Name of the station in Latin script."),
    Column("station_id_cnemc", "text", "", "国控点编码", "CNEMC station code",
           "Code of the national control station (China National Environmental Monitoring Centre); empty if municipal."),
    Column("station_id_kdd", "text", "", "KDD 站点编码", "KDD Cup 2018 station id",
           "Id of the station in the KDD Cup 2018 files, with their spelling."),
    Column("station_type", "text", "", "站点类型", "Station type",
           "urban, suburban, background_regional or traffic, as the municipal network sorts its stations."),
    Column("longitude_deg", "number", "°", "经度", "Longitude", "Longitude east of Greenwich; datum by declaration.",
           -180.0, 180.0),
    Column("latitude_deg", "number", "°", "纬度", "Latitude", "Latitude north of the equator; datum by declaration.",
           -90.0, 90.0),
    Column("position_spread_m", "number", "m", "坐标分歧", "Disagreement of position",
           "Distance between the positions that two sources give; empty where only one source was found.", 0.0),
    Column("is_position_disputed", "boolean", "", "坐标存疑", "Position disputed",
           "True where two sources differ by more than the declared tolerance."),
    Column("adcode", "text", "", "行政区划代码", "Administrative code", "Six-digit code of GB/T 2260."),
    Column("area_id", "text", "", "区域代码", "Area id",
           "adcode of a district or city, or citylab's id of a functional area (see citylab.places)."),
    Column("area_level", "text", "", "区域层级", "Level of the area", "city, district, town or functional."),
    Column("area_name_zh", "text", "", "区域名称", "Area (Chinese)", "Name of the area in Chinese."),
    Column("area_name_en", "text", "", "区域英文名", "Area (English)", "Name of the area in English."),
    Column("district_name_zh", "text", "", "区", "District (Chinese)", "Name of the district in Chinese."),
    Column("district_name_en", "text", "", "区英文名", "District", "Name of the district in Latin script."),
    Column("geometry_wkb", "binary", "", "边界", "Boundary", "Polygon as well-known binary; datum by declaration."),
    Column("area_km2", "number", "km²", "面积", "Area", "Area of the polygon on the WGS-84 ellipsoid.", 0.0),
    Column("country_name_en", "text", "", "国家", "Country", "Name of a country in English."),
    Column("country_code", "text", "", "国家代码", "Country code", "Three-letter code of ISO 3166-1."),
    Column("is_country", "boolean", "", "为国家或地区", "Is a country",
           "True for a country or territory; false for groups of countries, international transport and balancing rows."),
    Column("province_name_en", "text", "", "省级行政区", "Province", "Name of a province-level unit of China in English."),
    Column("province_name_zh", "text", "", "省级行政区", "Province (Chinese)", "Name of a province-level unit in Chinese."),
    Column("city_locode", "text", "", "城市代码", "UN/LOCODE", "UN/LOCODE of a city; unique in the source, names are not."),
    Column("city_name_zh", "text", "", "城市名称", "City (Chinese)", "Name of a city in Chinese, as the source writes it."),
    Column("city_name_en", "text", "", "城市", "City", "Name of a city in English."),
    Column("grid_name_zh", "text", "", "电网", "Grid (Chinese)", "Province or regional grid to which a factor applies."),
    Column("grid_name_en", "text", "", "电网", "Grid", "Province or regional grid to which a factor applies, in English."),
    Column("grid_level", "text", "", "电网层级", "Grid level", "province or region."),
    # time
    Column("datetime_local", "datetime", "", "时间", "Local time",
           "Wall-clock time in Asia/Shanghai (UTC+8 without daylight saving); the declaration says what the stamp marks."),
    Column("datetime_utc", "datetime", "", "世界时", "Time in UTC",
           "Time in UTC without a zone mark; citylab.periods.to_local makes Beijing's wall clock of it."),
    Column("datetime_gmt", "datetime", "", "格林尼治时间", "Time in GMT",
           "Greenwich Mean Time all the year round, the clock of British monitoring networks; no summer time."),
    Column("utc_offset_h", "number", "h", "与世界时之差", "Offset from UTC",
           "Hours that the publisher's clock is ahead of UTC; empty where the publisher gives UTC only.", -12.0, 14.0),
    Column("duration_h", "number", "h", "平均时段", "Averaging time", "Length of the measured period; empty where unknown.", 0.0),
    Column("date_standard", "date", "", "日期（当地标准时）", "Date (standard time)",
           "Calendar day in the local standard time of the station, without summer time."),
    Column("date_local", "date", "", "日期", "Date", "Calendar day in Asia/Shanghai."),
    Column("month_start", "date", "", "月份", "Month", "First day of a calendar month in Asia/Shanghai."),
    Column("year", "integer", "", "年份", "Year", "Calendar year.", 1750, 2100),
    Column("hour_count", "integer", "h", "小时数", "Hours", "Number of hours of the row's period in the source.", 0),
    # air
    *_air("pm25", "PM2.5", "PM2.5", "µg/m³", 2000.0),
    *_air("pm10", "PM10", "PM10", "µg/m³", 10000.0),
    *_air("so2", "SO₂", "SO₂", "µg/m³", 5000.0),
    *_air("no2", "NO₂", "NO₂", "µg/m³", 5000.0),
    *_air("co", "CO", "CO", "mg/m³", 200.0),
    *_air("o3", "O₃", "O₃", "µg/m³", 2000.0),
    # air: other averaging times, and mixing ratios where an index asks for them
    *(
        Column(f"{stem}_{when}_{suffix}", "number", unit, f"{zh} {label_zh}", f"{zh} {label_en}", f"{said} of {zh}.", 0.0, upper)
        for stem, zh, suffix, unit, upper, whens in (
            ("pm25", "PM2.5", "ugm3", "µg/m³", 2000.0, ("24h",)),
            ("pm10", "PM10", "ugm3", "µg/m³", 10000.0, ("24h",)),
            ("so2", "SO₂", "ugm3", "µg/m³", 5000.0, ("24h", "max1h", "15min", "max15min")),
            ("no2", "NO₂", "ugm3", "µg/m³", 5000.0, ("max1h",)),
            ("co", "CO", "mgm3", "mg/m³", 200.0, ("8h", "max8h")),
            ("o3", "O₃", "ugm3", "µg/m³", 2000.0, ("8h", "mda8", "max1h")),
            ("so2", "SO₂", "ppb", "ppb", 2000.0, ("24h", "max1h")),
            ("no2", "NO₂", "ppb", "ppb", 3000.0, ("max1h",)),
            ("co", "CO", "ppm", "ppm", 200.0, ("8h", "max8h")),
            ("o3", "O₃", "ppm", "ppm", 1.0, ("8h", "mda8", "max1h")),
        )
        for when in whens
        for label_zh, label_en, said in (_AVERAGES[when],)
    ),
    Column("so2_ppb", "number", "ppb", "SO₂ 混合比", "SO₂ mixing ratio", "Mixing ratio of SO₂ over the row's period.", 0.0, 2000.0),
    Column("no2_ppb", "number", "ppb", "NO₂ 混合比", "NO₂ mixing ratio", "Mixing ratio of NO₂ over the row's period.", 0.0, 3000.0),
    Column("o3_ppm", "number", "ppm", "O₃ 混合比", "O₃ mixing ratio", "Mixing ratio of O₃ over the row's period.", 0.0, 1.0),
    # air: what stands beside an average or a measurement
    *(
        Column(f"{stem}_{part}", kind, "", f"{en} {zh}", f"{en} {label}", f"{said} of {en}.")
        for stem, en in _POLLUTANTS
        for part, kind, zh, label, said in _BESIDE
    ),
    Column("o3_mda8_n", "integer", "", "O₃ 有效 8 小时窗口数", "O₃ 8-hour windows",
           "Number of valid 8-hour windows behind the day's highest 8-hour mean of O₃.", 0),
    Column("o3_mda8_is_valid", "boolean", "", "O₃ 日最大 8 小时平均是否有效", "O₃ daily maximum 8-hour mean is valid",
           "True where the validity rules of the day are met."),
    Column("o3_mda8_reason", "text", "", "O₃ 日最大 8 小时平均说明", "O₃ daily maximum 8-hour mean, reason",
           "no_values or few_windows where there is none; few_windows_above_limit where the exception for days above the "
           "limit made it valid."),
    Column("co_max8h_n", "integer", "", "CO 有效 8 小时窗口数", "CO 8-hour windows",
           "Number of valid running 8-hour means of CO that end in the day.", 0, 24),
    Column("row_flag", "text", "", "行质控标记", "Row flag", "duplicate or gap: a remark of quality control on the whole row."),
    Column("gap_hours", "integer", "h", "缺失小时数", "Hours missing before", "Hours without a row before this one.", 0),
    Column("validity_edition", "text", "", "有效性规定版本", "Edition of the validity rules",
           "Edition of the assessment rules by which an average was judged."),
    # air: indices, limits, alerts
    *(
        Column(f"{stem}_iaqi", "integer", "1", f"{en} 分指数", f"{en} sub-index",
               f"Sub-index of {en} in an air-quality index; the edition stands in aqi_edition.", 0.0)
        for stem, en in _POLLUTANTS
    ),
    *(
        Column(f"{stem}_station_count", "integer", "1", f"{en} 站点数", f"Stations with {en}",
               f"Number of stations behind the city's {en}.", 0.0)
        for stem, en in _POLLUTANTS
    ),
    *(
        column
        for stem, en in _POLLUTANTS
        for column in (
            Column(f"{stem}_limit", "number", "mg/m³" if stem == "co" else "µg/m³", f"{en} 限值", f"{en} limit",
                   f"Limit for {en} of the standard named in limit_standard.", 0.0),
            Column(f"is_{stem}_exceeded", "boolean", "", f"{en} 超标", f"{en} above the limit",
                   f"True where {en}, rounded as the standard says, is above its limit; empty where not measured."),
            Column(f"{stem}_over_limit_multiple", "number", "1", f"{en} 超标倍数", f"{en} over-limit multiple",
                   f"(C - S)/S of {en} where it exceeds its limit S, 0 where it does not.", 0.0),
        )
    ),
    Column("aqi", "integer", "1", "空气质量指数", "Air quality index", "Largest sub-index under the edition in aqi_edition.", 0.0),
    Column("aqi_primary", "text", "", "首要污染物", "Primary pollutants",
           "Pollutants with the largest sub-index, ties joined by +; empty where the edition names none."),
    Column("aqi_level", "integer", "1", "空气质量级别", "Level of the index", "Number of the index's level, 1 is the best.", 1.0, 6.0),
    Column("aqi_level_name_zh", "text", "", "空气质量类别", "Level (Chinese)", "Name of the level in Chinese."),
    Column("aqi_level_name_en", "text", "", "空气质量类别", "Level", "Name of the level in English."),
    Column("aqi_color", "text", "", "颜色", "Colour", "The edition's own colour of the level, #RRGGBB; palettes differ between editions."),
    Column("aqi_edition", "text", "", "指数版本", "Edition of the index", "Edition of the index under which the row was computed."),
    Column("aqi_missing", "text", "", "缺测污染物", "Missing pollutants", "Pollutants without a sub-index, joined by +."),
    Column("aqi_invalid", "text", "", "无效污染物", "Invalid pollutants",
           "Pollutants whose value was negative or impossible and was treated as missing, joined by +."),
    Column("aqi_reason", "text", "", "无指数原因", "Why there is no index",
           "no_edition, no_data, missing_pollutant or not_qualified; empty where there is an index."),
    Column("limit_standard", "text", "", "限值标准", "Standard of the limits", "Standard and edition whose limits were used."),
    Column("alert_level", "text", "", "预警级别", "Alert level", "blue, yellow, orange or red; empty without alert."),
    Column("alert_edition", "text", "", "预案版本", "Edition of the alert plan", "Edition of the rules of heavy-pollution alerts."),
    Column("alert_rule", "text", "", "触发条件", "Rule that triggered", "The condition that the run of days met."),
    Column("alert_run_start", "date", "", "过程开始", "First day of the run", "First day of the run of days that triggered."),
    Column("alert_run_days", "integer", "d", "过程天数", "Days of the run", "Length of the run of days that triggered.", 1.0),
    Column("lead_days", "integer", "d", "提前天数", "Lead", "Days between the issue of a forecast and the day foretold.", 0.0),
    Column("forecast_alert_level", "text", "", "预报的预警级别", "Forecast alert level",
           "Alert level that a forecast would have called; empty without alert."),
    Column("composite_index", "number", "1", "环境空气质量综合指数", "Composite air-quality index",
           "Weighted sum of concentrations over limits; comparable only under equal composite_weights.", 0.0),
    Column("composite_weights", "text", "", "综合指数权重", "Weights of the composite index",
           "Set of limits and weights behind composite_index."),
    # air: what single publishers give beside it
    Column("no2_24h_ugm3", "number", "µg/m³", "NO₂ 24 小时滑动平均", "NO₂ running 24-hour mean",
           "Mean of the 24 hours up to the row's hour of NO₂.", 0.0, 5000.0),
    Column("co_24h_mgm3", "number", "mg/m³", "CO 24 小时滑动平均", "CO running 24-hour mean",
           "Mean of the 24 hours up to the row's hour of CO.", 0.0, 200.0),
    Column("o3_24hmax1h_ugm3", "number", "µg/m³", "O₃ 24 小时最大 1 小时平均", "O₃ highest hour of 24",
           "Highest 1-hour mean of O₃ in the 24 hours up to the row's hour.", 0.0, 2000.0),
    Column("o3_daymax8h_ugm3", "number", "µg/m³", "O₃ 当日最大 8 小时平均（至当前）", "O₃ highest 8-hour mean of the day so far",
           "Highest running 8-hour mean of O₃ of the calendar day up to the row's hour; final in the row that ends the day.", 0.0, 2000.0),
    Column("no_ugm3", "number", "µg/m³", "NO 浓度", "NO", "Concentration of NO over the row's period.", 0.0, 10000.0),
    Column("nox_ugm3", "number", "µg/m³", "NOx 浓度（以 NO₂ 计）", "NOx (as NO₂)",
           "Concentration of NO and NO₂ together, counted as NO₂.", 0.0, 20000.0),
    Column("no_ppb", "number", "ppb", "NO 混合比", "NO mixing ratio", "Mixing ratio of NO over the row's period.", 0.0, 10000.0),
    Column("nox_ppb", "number", "ppb", "NOx 混合比", "NOx mixing ratio", "Mixing ratio of NO and NO₂ together.", 0.0, 10000.0),
    Column("o3_ppb", "number", "ppb", "O₃ 混合比", "O₃ mixing ratio", "Mixing ratio of O₃ over the row's period.", 0.0, 1000.0),
    Column("co_ppm", "number", "ppm", "CO 混合比", "CO mixing ratio", "Mixing ratio of CO over the row's period.", 0.0, 200.0),
    Column("api", "integer", "1", "空气污染指数（API）", "Air pollution index (API)",
           "China's air pollution index as used until 2012: PM10, SO₂ and NO₂ only, no PM2.5; not comparable with the AQI.",
           0.0, 500.0),
    Column("is_valid", "boolean", "", "有效", "Valid", "False where the publisher declares the measurement void, or gives none."),
    Column("flag", "text", "", "标记", "Flag", "The publisher's remark on the measurement, in its own words or codes."),
    Column("instrument_id", "text", "", "仪器", "Instrument",
           "The publisher's id of the instrument or sampling process; one station may run several for one pollutant."),
    # air: weather normalisation (the unit is that of the column that was normalised)
    Column("observed", "number", "by value", "观测值", "Observed", "The value as it was measured."),
    Column("predicted", "number", "by value", "模型预测值", "Predicted", "Prediction of the row by trees that had not seen it."),
    Column("normalised", "number", "by value", "气象归一化值", "Weather-normalised",
           "Mean prediction over the weather of all rows, with only the trend term held at the row's time."),
    Column("lower", "number", "by value", "区间下限", "Lower bound", "Lower bound of the interval; the level stands beside the result."),
    Column("upper", "number", "by value", "区间上限", "Upper bound", "Upper bound of the interval; the level stands beside the result."),
    # air: forecasts
    Column("issued_on", "date", "", "起报日期", "Day of issue", "Day on whose evening a forecast is issued."),
    Column("exog", "text", "", "气象输入", "Weather used",
           "Weather behind a forecast: persisted (of the day of issue), given (of the day foretold), empty for none."),
    Column("median", "number", "by value", "预报中位数", "Median forecast", "Value that the outcome exceeds with even chances."),
    Column("n_train", "integer", "d", "训练日数", "Days trained on", "Days with a value behind the parameters of a forecast.", 0.0),
    Column("n_errors", "integer", "d", "误差样本数", "Past errors", "Past errors behind the interval of a forecast.", 0.0),
    Column("vintage", "text", "", "数据版本", "Vintage", "Data behind a result, with the days that it was made from."),
    Column("pit", "number", "1", "概率积分变换", "Rank of the outcome",
           "Where an outcome stands among what was foretold: 0 lowest, 1 highest; even if the forecast is calibrated.", 0.0, 1.0),
    Column("crps", "number", "by value", "连续分级概率评分", "CRPS", "Continuous ranked probability score; 0 is perfect.", 0.0),
    # air: space, exposure, regional and local parts, health, responses
    *(
        Column(f"{stem}_{part}_{unit.replace('/m³', 'm3').replace('µ', 'u')}", "number", unit, f"{en} {zh}", f"{en}, {label}", said, lower)
        for stem, en in _POLLUTANTS
        for unit in ("mg/m³" if stem == "co" else "µg/m³",)
        for part, zh, label, said, lower in (
            ("lower", "区间下限", "lower bound", "Lower bound of the interval; the level stands beside the result.", 0.0),
            ("upper", "区间上限", "upper bound", "Upper bound of the interval; the level stands beside the result.", 0.0),
            ("regional", "区域背景", "regional background", "Regional background by the method in split_method.", 0.0),
            ("regional_lower", "区域背景最低", "lowest background", "Smallest value among the background stations.", 0.0),
            ("regional_upper", "区域背景最高", "highest background", "Largest value among the background stations.", 0.0),
            ("local", "本地增量", "local increment", "Value less regional background; may be negative.", None),
            ("urban_increment", "城市增量", "urban increment", "Urban level less regional background; may be negative.", None),
            ("street_increment", "道路增量", "street increment", "Street station less urban level; may be negative.", None),
        )
    ),
    Column("background_count", "integer", "1", "背景站数", "Background stations", "Stations behind the regional background.", 0.0),
    Column("split_method", "text", "", "拆分方法", "Method of the split", "How regional and local parts were told apart."),
    Column("split_reason", "text", "", "拆分说明", "Remark on the split", "no_background, calm, no_value or local_negative; empty if none."),
    Column("regional_ratio", "number", "1", "区域占比", "Regional ratio", "Regional background over the concentration; above 1 where the station is cleaner."),
    Column("episode_start", "date", "", "过程开始", "First day", "First day of a run of polluted days."),
    Column("episode_end", "date", "", "过程结束", "Last day", "Last day of a run of polluted days."),
    Column("station_count", "integer", "1", "站点数", "Stations", "Number of stations behind the value.", 0.0),
    Column("cell_count", "integer", "1", "格点数", "Cells", "Number of grid cells or positions behind the value.", 0.0),
    Column("is_interpolated", "boolean", "", "插值", "Interpolated", "True where no station stands in the place."),
    Column("hull_share", "number", "1", "站网内占比", "Share inside the network", "Share of the place inside the stations' convex hull.", 0.0, 1.0),
    Column("covered_share", "number", "1", "覆盖人口占比", "People covered", "Share of the people in places with a value.", 0.0, 1.0),
    Column("age_group", "text", "", "年龄组", "Age group", "First to last completed year of age, or first and +."),
    Column("hazard_ratio", "number", "1", "风险比", "Hazard ratio", "Hazard of death against that at the counterfactual.", 0.0),
    Column("attributable_fraction", "number", "1", "归因比例", "Attributable fraction", "1 - 1/hazard ratio.", None, 1.0),
    Column("baseline_deaths", "number", "deaths", "基线死亡数", "Baseline deaths",
           "Deaths in a year from non-communicable diseases and lower respiratory infections.", 0.0),
    Column("attributable_deaths", "number", "deaths", "归因死亡数", "Attributable deaths",
           "Deaths in a year that would not have happened then in air as clean as the reference."),
    Column("alert_id", "text", "", "预警编号", "Alert", "Id of an alert in a response log."),
    Column("measure", "text", "", "措施", "Measure", "What was ordered."),
    Column("ordered_at", "datetime", "", "发布时间", "Ordered", "When the measure was ordered, wall-clock time of Beijing."),
    Column("started_at", "datetime", "", "开始时间", "Started", "When the measure began; empty if it never did."),
    Column("ended_at", "datetime", "", "结束时间", "Ended", "When the measure ended; empty while in force."),
    Column("expected_effect", "text", "", "预期效果", "Expected effect", "On what the measure was expected to work."),
    Column("expected_change_ratio", "number", "1", "预期变幅", "Expected change", "Expected relative change, -0.2 for a fifth less.", -1.0),
    Column("in_force_h", "number", "h", "持续小时", "Hours in force", "Hours from start to end of a measure.", 0.0),
    Column("temperature_c", "number", "°C", "气温", "Air temperature", "Air temperature near the ground.", -60.0, 60.0),
    Column("temperature_max_c", "number", "°C", "最高气温", "Highest temperature", "Highest air temperature of the day.", -60.0, 60.0),
    Column("temperature_min_c", "number", "°C", "最低气温", "Lowest temperature", "Lowest air temperature of the day.", -80.0, 50.0),
    Column("relative_humidity_pct", "number", "%", "相对湿度", "Relative humidity", "Relative humidity of the air.", 0.0, 100.0),
    Column("pressure_hpa", "number", "hPa", "气压", "Air pressure", "Air pressure at the weather station.", 500.0, 1100.0),
    Column("dew_point_c", "number", "°C", "露点", "Dew point", "Dew point temperature.", -80.0, 40.0),
    Column("rain_mm", "number", "mm", "降水量", "Precipitation", "Precipitation in the row's period.", 0.0, 500.0),
    Column("rain_spell_mm", "number", "mm", "本次降水累计", "Precipitation of the spell",
           "Precipitation since the spell of rain or snow began.", 0.0, 2000.0),
    Column("rain_spell_h", "number", "h", "本次降雨时数", "Hours of rain", "Hours of rain since the spell began; 0 in the dry.", 0.0),
    Column("snow_spell_h", "number", "h", "本次降雪时数", "Hours of snow", "Hours of snow since the spell began; 0 without snow.", 0.0),
    Column("wind_direction_deg", "number", "°", "风向", "Wind direction",
           "Direction from which the wind blows, clockwise from north; 16-point names are put at their centres.",
           0.0, 360.0),
    Column("wind_speed_ms", "number", "m/s", "风速", "Wind speed", "Scalar mean wind speed.", 0.0, 100.0),
    Column("wind_sector", "text", "", "风向象限", "Wind sector",
           "Combined wind direction: NE, NW, SE, or cv for calm and variable; a sector of 90° and more, no angle."),
    Column("wind_speed_sum_ms", "number", "m/s", "累计风速", "Cumulated wind speed",
           "Sum of hourly wind speeds since the wind sector last changed; not a speed.", 0.0),
    # carbon
    Column("sector", "text", "", "部门", "Sector", "Emitting sector, a code of datasets/codes/sectors.csv."),
    Column("sector_at_source", "text", "", "部门（来源用语）", "Sector (at source)", "Sector in the publisher's own words."),
    Column("fuel_at_source", "text", "", "燃料（来源用语）", "Fuel (at source)",
           "Fuel in the publisher's own words; Process stands for emissions that no fuel causes."),
    Column("gpc_ref", "text", "", "GPC 编号", "GPC reference",
           "Reference number of the Global Protocol for Community-scale inventories to which the source maps the row."),
    Column("co2_t", "number", "t", "二氧化碳排放", "CO2 emissions",
           "Carbon dioxide emitted in the row's period; boundary and scope by declaration.", 0.0),
    Column("co2_per_capita_t", "number", "t/person", "人均二氧化碳", "CO2 per person",
           "Annual carbon dioxide per resident.", 0.0),
    Column("consumption_co2_t", "number", "t", "消费侧二氧化碳", "Consumption-based CO2",
           "Carbon dioxide embodied in what is consumed: territorial plus imports less exports.", 0.0),
    Column("coal_co2_t", "number", "t", "煤炭二氧化碳", "CO2 from coal", "Carbon dioxide from coal.", 0.0),
    Column("oil_co2_t", "number", "t", "石油二氧化碳", "CO2 from oil", "Carbon dioxide from oil.", 0.0),
    Column("gas_co2_t", "number", "t", "天然气二氧化碳", "CO2 from gas", "Carbon dioxide from natural gas.", 0.0),
    Column("cement_co2_t", "number", "t", "水泥二氧化碳", "CO2 from cement", "Carbon dioxide of cement making.", 0.0),
    # carbon: conversion factors and self-reported inventories, in their publishers' words
    Column("activity_group", "text", "", "活动大类（来源用语）", "Group of activities (at source)", "Widest heading of a factor in the publisher's own words."),
    Column("activity_type", "text", "", "活动类别（来源用语）", "Type of activity (at source)", "Second heading of a factor in the publisher's own words."),
    Column("activity_item", "text", "", "活动（来源用语）", "Activity (at source)", "Fuel, vehicle or service of a factor in the publisher's own words."),
    Column("activity_variant", "text", "", "活动细项（来源用语）", "Variant (at source)", "Engine, size or the like; empty where the publisher gives none."),
    Column("activity_unit", "text", "", "活动单位", "Unit of activity", "Unit of the amount that a factor multiplies; kWh of a fuel need heat_basis."),
    Column("heat_basis", "text", "", "热值口径", "Heat value", "gross (higher heat value) or net (lower); empty where the unit is no heat."),
    Column("co2e_kg_per_unit", "number", "kg CO2e/unit", "排放因子（当量）", "Factor, all gases",
           "CO2, CH4 and N2O per activity_unit as CO2 equivalents: the sum of the next three.", 0.0),
    Column("co2_kg_per_unit", "number", "kg CO2/unit", "二氧化碳因子", "Factor of CO2", "Carbon dioxide per activity_unit.", 0.0),
    Column("ch4_co2e_kg_per_unit", "number", "kg CO2e/unit", "甲烷因子（当量）", "Factor of CH4",
           "Methane per activity_unit, already multiplied by its warming potential.", 0.0),
    Column("n2o_co2e_kg_per_unit", "number", "kg CO2e/unit", "氧化亚氮因子（当量）", "Factor of N2O",
           "Nitrous oxide per activity_unit, already multiplied by its warming potential.", 0.0),
    Column("account_id", "text", "", "报告主体编号", "Account", "Number under which an organisation discloses."),
    Column("organisation_name", "text", "", "报告主体", "Organisation", "Name of the organisation that discloses, in its own spelling."),
    Column("report_year", "integer", "", "报告年份", "Year of the report", "Year in which a figure was reported, later than the year it is for.", 1990, 2100),
    Column("period_start", "date", "", "核算期起", "Period from", "First day that an inventory covers; empty where not stated."),
    Column("period_end", "date", "", "核算期止", "Period to", "Last day that an inventory covers; empty where not stated."),
    Column("protocol_at_source", "text", "", "核算方法（来源用语）", "Protocol (at source)", "Method of an inventory in the publisher's own words."),
    Column("boundary_at_source", "text", "", "地域边界（来源用语）", "Boundary (at source)", "Area of an inventory in the publisher's own words."),
    Column("gases_at_source", "text", "", "气体（来源用语）", "Gases (at source)", "Gases that an inventory says it holds, in the publisher's own words."),
    Column("reporting_level", "text", "", "报告级别", "Reporting level", "BASIC or BASIC+ of the GPC, as the city reports."),
    Column("stated_total_co2e_t", "number", "t CO2e", "自报总量", "Total as stated", "Total that a city states; what it adds up differs by city."),
    Column("scope1_co2e_t", "number", "t CO2e", "自报范围一", "Scope 1 as stated", "Emissions inside the boundary, as a city states them."),
    Column("scope2_co2e_t", "number", "t CO2e", "自报范围二", "Scope 2 as stated", "Emissions of bought grid energy, as a city states them."),
    Column("scope3_co2e_t", "number", "t CO2e", "自报范围三", "Scope 3 as stated", "Other emissions outside the boundary, as a city states them."),
    Column("scope1_grid_supply_co2e_t", "number", "t CO2e", "自报范围一（供入电网）", "Scope 1, supplied to the grid",
           "Direct emissions of energy that is supplied to the grid (GPC I.4.4), as a city states them.", 0.0),
    Column("scope1_without_supply_co2e_t", "number", "t CO2e", "自报范围一（不含供入电网）", "Scope 1 without grid supply",
           "Direct emissions without energy supplied to the grid, as a city states them."),
    Column("scope2_without_supply_co2e_t", "number", "t CO2e", "自报范围二（不含供入电网）", "Scope 2 without grid supply",
           "Emissions of grid energy used, as a city states them, without those of supplying the grid."),
    Column("scope3_without_supply_co2e_t", "number", "t CO2e", "自报范围三（不含供入电网）", "Scope 3 without grid supply",
           "Emissions outside the boundary, as a city states them, without those of supplying the grid."),
    Column("basic_co2e_t", "number", "t CO2e", "自报 BASIC 总量", "BASIC total as stated", "Total of the GPC's BASIC level, as a city states it."),
    Column("basic_plus_co2e_t", "number", "t CO2e", "自报 BASIC+ 总量", "BASIC+ total as stated", "Total of the GPC's BASIC+ level, as a city states it."),
    Column("place", "text", "", "地点", "Place", "City, district or other place of the row."),
    Column("scope", "integer", "", "范围", "Scope", "Scope of the GPC: 1 inside, 2 bought grid energy, 3 outside.", 1, 3),
    Column("sub_sector", "text", "", "子部门", "Sub-sector", "Sub-sector of the GPC, for example I.1."),
    Column("fuel", "text", "", "燃料或活动", "Fuel or activity", "Fuel, electricity, heat or another activity."),
    Column("gas", "text", "", "气体", "Gas", "Greenhouse gas; CO2_biogenic is reported apart and not added."),
    Column("activity", "number", "by row", "活动水平", "Activity", "Amount burnt, bought or done, in the unit of its row.", 0.0),
    Column("conversion", "number", "by row", "折算系数", "Conversion",
           "Units of converted_unit in one unit of the activity, by definition or by heat value.", 0.0),
    Column("converted_unit", "text", "", "折算单位", "Converted unit", "Unit of activity to which the factor refers."),
    Column("factor_value", "number", "by row", "排放因子", "Emission factor", "Mass of gas per activity, in factor_unit.", 0.0),
    Column("factor_unit", "text", "", "因子单位", "Unit of the factor", "Mass of gas per unit of activity."),
    Column("factor_low", "number", "by row", "因子下限", "Lower bound of the factor", "Lower bound of its 95 % interval.", 0.0),
    Column("factor_high", "number", "by row", "因子上限", "Upper bound of the factor", "Upper bound of its 95 % interval.", 0.0),
    Column("factor_year", "integer", "", "因子年份", "Year of the factor", "Year for which the factor was used or declared."),
    Column("factor_edition", "text", "", "因子版本", "Edition of the factor", "Edition of the guideline or publication."),
    Column("factor_series", "text", "", "因子系列", "Series of the factor", "Series of an electricity or heat factor."),
    Column("factor_place", "text", "", "因子地域", "Place of the factor", "Grid or country of the factor; empty: everywhere."),
    Column("factor_mark", "text", "", "因子可信度", "Mark of the factor", "verified, secondary or from memory."),
    Column("factor_source", "text", "", "因子来源", "Source of the factor", "Publisher, publication and year."),
    Column("emission_t", "number", "t", "气体排放量", "Emission of the gas", "Mass of the row's gas, before the GWP.", 0.0),
    Column("gwp", "number", "by row", "全球增温潜势", "GWP",
           "100-year global warming potential of the row's gas.", 0.0),
    Column("gwp_set", "text", "", "增温潜势版本", "Set of GWPs", "Assessment report of the warming potentials."),
    Column("co2e_t", "number", "t", "二氧化碳当量", "CO2 equivalents",
           "Greenhouse gases as CO2 equivalents, with the set of GWPs named beside it."),
    Column("co2e_lower_t", "number", "t", "当量区间下限", "CO2 equivalents, lower bound", "Lower bound of the interval at level."),
    Column("co2e_upper_t", "number", "t", "当量区间上限", "CO2 equivalents, upper bound", "Upper bound of the interval at level."),
    Column("co2e_mean_t", "number", "t", "当量均值", "CO2 equivalents, mean", "Mean of the simulated totals."),
    Column("co2e_median_t", "number", "t", "当量中位数", "CO2 equivalents, median", "Median of the simulated totals."),
    Column("uncertainty_pct", "number", "%", "不确定性", "Uncertainty", "Half-width of the interval, percent of the value.", 0.0),
    Column("variance_share", "number", "1", "方差贡献", "Share of the variance", "Part of the total's variance from one input.", 0.0, 1.0),
    Column("in_total", "boolean", "", "计入总量", "In the total", "True where the row counts in the boundary's total."),
    Column("boundary", "text", "", "核算边界", "Boundary", "BASIC, BASIC+ or territorial (GPC)."),
    Column("notation_key", "text", "", "标记", "Notation key",
           "NO not occurring, NE not estimated, IE included elsewhere, C confidential."),
    Column("included_in", "text", "", "列于", "Included in", "With IE: GPC reference that holds the emission."),
    Column("ne_count", "integer", "1", "未估算行数", "Rows not estimated", "Rows of the boundary without an estimate.", 0.0),
    Column("ghg_co2e_t", "number", "t CO2e", "温室气体排放", "Greenhouse gases",
           "Greenhouse gases as CO2 equivalents, 100-year GWP of the source's edition.", None),
    Column("grid_factor_kgco2_kwh", "number", "kg CO2/kWh", "电力排放因子", "Grid emission factor",
           "Average carbon dioxide per kilowatt-hour consumed; not a marginal factor.", 0.0, 2.0),
    # carbon: drivers, indicators, sources compared
    Column("from", "integer", "", "起始年", "From", "First period of an interval."),
    Column("to", "integer", "", "终止年", "To", "Last period of an interval."),
    Column("effect", "number", "by form", "贡献", "Effect",
           "What a factor adds to a change (additive, unit of the total) or multiplies it by (multiplicative)."),
    Column("cumulative", "number", "by form", "累计贡献", "Cumulative effect", "Effects added or multiplied since the first period."),
    Column("total_change", "number", "by form", "总变化", "Change of the total", "Difference or ratio of the total over the interval."),
    Column("form", "text", "", "分解形式", "Form", "additive or multiplicative."),
    Column("crosses_break", "boolean", "", "跨越口径断点", "Crosses a break",
           "True where a declared break of a series lies in the interval; empty where none was looked for."),
    Column("prices", "text", "", "价格口径", "Prices", "What the GDP of the row is in: current, or constant and the base year."),
    Column("emissions_change_pct", "number", "%", "排放变化率", "Change of emissions", "Change of emissions over the interval."),
    Column("gdp_change_pct", "number", "%", "地区生产总值变化率", "Change of GDP", "Change of GDP over the interval."),
    Column("elasticity", "number", "1", "脱钩弹性", "Decoupling elasticity", "Change of emissions over change of GDP, in per cent each."),
    Column("state", "text", "", "脱钩状态", "State of decoupling", "One of Tapio's eight states."),
    Column("is_unstable", "boolean", "", "弹性不稳定", "Unstable elasticity", "True where GDP moved so little that the elasticity says little."),
    Column("co2_per_gdp_t_10kcny", "number", "t/10⁴ CNY", "单位地区生产总值二氧化碳", "CO2 per GDP",
           "Carbon dioxide per 10,000 CNY of GDP; the prices of the GDP stand in prices.", 0.0),
    Column("energy_per_gdp_tce_10kcny", "number", "tce/10⁴ CNY", "单位地区生产总值能耗", "Energy per GDP",
           "Energy per 10,000 CNY of GDP; the prices of the GDP stand in prices.", 0.0),
    Column("energy_tce", "number", "tce", "能源消费总量", "Energy use", "Energy used, in tonnes of coal equivalent.", 0.0),
    Column("non_fossil_share", "number", "1", "非化石能源占比", "Non-fossil share", "Part of energy that is not fossil.", 0.0, 1.0),
    Column("path", "number", "by value", "路径值", "Path", "Value of a path to a target in the year."),
    Column("gap", "number", "by value", "与路径的差距", "Gap", "Observed value less the path."),
    Column("gap_pct", "number", "%", "与路径的相对差距", "Gap, relative", "Observed value less the path, relative to the path."),
    Column("is_on_path", "boolean", "", "是否达到路径", "On the path", "True where the value is on the good side of the path."),
    Column("needed_change_pct", "number", "%", "所需年变化率", "Change needed a year",
           "Even rate of change a year from this value to the last goal of the path."),
    Column("area_boundary", "text", "", "地域边界", "Area of the account",
           "administrative (the city by law) or functional_urban_area; another thing than the GPC's reporting level."),
    Column("common_sector", "text", "", "可比部门", "Common sector", "Sector by which sources are compared, of carbon_common_sectors."),
    Column("co2_low_t", "number", "t", "二氧化碳排放下限", "CO2 emissions, low", "Least value that the source's own statements allow."),
    Column("co2_high_t", "number", "t", "二氧化碳排放上限", "CO2 emissions, high", "Greatest value that the source's own statements allow."),
    Column("difference_co2_t", "number", "t", "排放差值", "Difference of CO2", "CO2 of one source less that of the other."),
    Column("step", "text", "", "对账步骤", "Step", "Step of a walk from one source's total to another's."),
    Column("fuel_group", "text", "", "燃料类别", "Group of fuels", "coal, oil, gas, other_energy, or process where no fuel is burnt."),
    Column("co2_kg_tj", "number", "kg/TJ", "单位热量二氧化碳", "CO2 per energy", "Carbon dioxide per net heat of a fuel.", 0.0),
    Column("energy_tj", "number", "TJ", "隐含能源量", "Implied energy", "Net heat that published emissions imply by a declared factor.", 0.0),
    # carbon: buildings
    Column("building_id", "text", "", "建筑编号", "Building", "Key of a building, or of a group of buildings, at its source."),
    Column("building_name", "text", "", "建筑名称", "Name of the building", "Name in the publisher's own words."),
    Column("building_type", "text", "", "建筑类型", "Type of building", "Peer group of a building, in its source's words."),
    Column("building_class", "text", "", "建筑大类", "Class of building", "Class by law or ownership, in its source's words."),
    Column("built_year", "integer", "", "建成年份", "Year built", "Year in which the building was finished.", 1000),
    Column("built_era", "text", "", "建成年代", "Era built", "Span of years in which the buildings were finished."),
    Column("building_count", "integer", "1", "建筑数", "Buildings", "Number of buildings of the row.", 0),
    Column("compliant_count", "integer", "1", "合规建筑数", "Buildings without a remark",
           "Buildings on whose submission the publisher made no remark.", 0),
    Column("floor_count", "integer", "1", "层数", "Floors", "Number of floors, as submitted.", 0),
    Column("neighbourhood", "text", "", "街区", "Neighbourhood", "Neighbourhood in the publisher's words."),
    Column("council_district", "text", "", "议会选区", "Council district", "Code of the district of the city council."),
    Column("floor_area_m2", "number", "m²", "建筑面积", "Floor area", "Gross floor area without parking.", 0.0),
    Column("parking_area_m2", "number", "m²", "停车面积", "Parking area", "Gross floor area of parking.", 0.0),
    Column("energy_star_score", "integer", "1", "能源之星评分", "ENERGY STAR score",
           "Percentile among like buildings of the United States, 100 the thriftiest.", 1, 100),
    Column("site_energy_kwh", "number", "kWh", "终端用能", "Site energy", "Energy delivered to the building in the year."),
    Column("site_energy_wn_kwh", "number", "kWh", "终端用能（气象修正）", "Site energy, weather-normalised",
           "Energy delivered in the year, brought to the weather of an average year by the publisher."),
    Column("electricity_kwh", "number", "kWh", "用电量", "Electricity", "Electricity bought, less what was fed into the grid."),
    Column("gas_kwh", "number", "kWh", "用气量", "Natural gas", "Natural gas by its heat value.", 0.0),
    Column("heat_kwh", "number", "kWh", "外购热量", "District heat", "Steam or hot water bought.", 0.0),
    Column("oil_kwh", "number", "kWh", "用油量", "Heating oil", "Heating oil by its heat value.", 0.0),
    Column("coal_kwh", "number", "kWh", "用煤量", "Coal", "Coal by its heat value.", 0.0),
    Column("site_eui_kwh_m2", "number", "kWh/m²", "单位面积能耗", "Energy use intensity", "Site energy of a year per floor area."),
    Column("site_eui_wn_kwh_m2", "number", "kWh/m²", "单位面积能耗（气象修正）", "Energy use intensity, weather-normalised",
           "Site energy of a year of average weather per floor area."),
    *(Column(f"site_eui_p{q}_kwh_m2", "number", "kWh/m²", f"单位面积能耗第 {q} 百分位", f"Energy use intensity, {q}th percentile",
             f"The {q}th percentile of the buildings' energy use intensities.", 0.0) for q in (5, 10, 25, 50, 75, 90, 95)),
    Column("flag_at_source", "text", "", "来源标记", "Remark at the source", "What the publisher holds against the submission; empty if nothing."),
    Column("is_default_data", "boolean", "", "含默认值", "Default data", "True where the submission rests on default values."),
    Column("expected_eui_kwh_m2", "number", "kWh/m²", "期望单位面积能耗", "Expected intensity", "Intensity of a building of this type and size, by the model.", 0.0),
    Column("expected_eui_lower_kwh_m2", "number", "kWh/m²", "期望区间下限", "Expected intensity, lower bound", "Lower bound for one building of this type and size.", 0.0),
    Column("expected_eui_upper_kwh_m2", "number", "kWh/m²", "期望区间上限", "Expected intensity, upper bound", "Upper bound for one building of this type and size.", 0.0),
    Column("eui_ratio", "number", "1", "能耗比", "Actual to expected", "Energy used over energy expected.", 0.0),
    Column("peer_rank_pct", "number", "%", "同类百分位", "Percentile among peers", "Peers that use less for their size, 100 for the thirstiest.", 0.0, 100.0),
    Column("peer_rank_lower_pct", "number", "%", "百分位下限", "Percentile, lower bound", "Lower bound of the percentile.", 0.0, 100.0),
    Column("peer_rank_upper_pct", "number", "%", "百分位上限", "Percentile, upper bound", "Upper bound of the percentile.", 0.0, 100.0),
    Column("excess_kwh", "number", "kWh", "超出能耗", "Excess energy", "Energy beyond what is expected; 0 where there is none.", 0.0),
    Column("measure", "text", "", "改造措施", "Measure", "Code of a retrofit measure."),
    Column("currency", "text", "", "币种", "Currency", "ISO 4217 code of the money of the row."),
    Column("cost", "number", "by currency", "投资", "Cost", "Money to be spent once, in the row's currency.", 0.0),
    Column("cost_lower", "number", "by currency", "投资下限", "Cost, lower bound", "Lower bound of the cost.", 0.0),
    Column("cost_upper", "number", "by currency", "投资上限", "Cost, upper bound", "Upper bound of the cost.", 0.0),
    Column("energy_saved_kwh_yr", "number", "kWh/year", "年节能量", "Energy saved a year", "Energy saved less energy added, a year."),
    Column("co2e_saved_t_yr", "number", "t/year", "年减排量", "CO2e saved a year", "Emissions avoided a year; negative where the measure adds some."),
    Column("co2e_saved_lower_t_yr", "number", "t/year", "年减排下限", "CO2e saved a year, lower bound", "Lower bound of the emissions avoided."),
    Column("co2e_saved_upper_t_yr", "number", "t/year", "年减排上限", "CO2e saved a year, upper bound", "Upper bound of the emissions avoided."),
    Column("abatement_cost", "number", "by currency, per t", "吨减排成本", "Cost per tonne", "Cost spread over its life, per tonne saved; savings of bills not deducted."),
    Column("abatement_cost_lower", "number", "by currency, per t", "吨成本下限", "Cost per tonne, lower bound", "Lower bound of the cost per tonne."),
    Column("abatement_cost_upper", "number", "by currency, per t", "吨成本上限", "Cost per tonne, upper bound", "Upper bound of the cost per tonne; empty where it has none."),
    Column("life_years", "number", "years", "寿命", "Life", "Years for which a measure works.", 0.0),
    Column("budget", "number", "by currency", "预算", "Budget", "Money that may be spent.", 0.0),
    Column("ranking_t_yr", "number", "t/year", "按单价排序的减排", "CO2e saved by the ranking", "Emissions avoided where money follows the cost per tonne.", 0.0),
    # carbon: grids
    Column("allocated_co2_t", "number", "t", "分摊排放", "Allocated CO2", "Part of a total that a proxy gives to the place; modelled, not measured.", 0.0),
    Column("allocated_lower_co2_t", "number", "t", "分摊下限", "Allocated CO2, lower bound", "Lower bound by the errors of held-out places.", 0.0),
    Column("allocated_upper_co2_t", "number", "t", "分摊上限", "Allocated CO2, upper bound", "Upper bound by the errors of held-out places.", 0.0),
    Column("proxy", "text", "", "代理变量", "Proxy", "What a total was allocated by."),
    # economy, energy
    Column("gdp_cny", "number", "CNY", "地区生产总值", "GDP", "Gross domestic product at current prices.", 0.0),
    Column("gdp_usd2011", "number", "int-$ 2011", "国内生产总值", "GDP (international-$ 2011)",
           "Gross domestic product in international dollars at 2011 prices (Maddison).", 0.0),
    Column("gdp_usd", "number", "US$", "国内生产总值（现价美元）", "GDP at current prices",
           "Gross domestic product in US dollars at current prices and exchange rates: no measure of growth.", 0.0),
    Column("gdp_usd2015", "number", "US$ 2015", "国内生产总值（2015 年不变价）", "GDP at prices of 2015",
           "Gross domestic product in US dollars at 2015 prices and exchange rates.", 0.0),
    Column("primary_energy_twh", "number", "TWh", "一次能源消费", "Primary energy", "Primary energy consumption.", 0.0),
    Column("coal_energy_twh", "number", "TWh", "煤炭一次能源", "Coal", "Primary energy from coal.", 0.0),
    Column("oil_energy_twh", "number", "TWh", "石油一次能源", "Oil", "Primary energy from oil.", 0.0),
    Column("gas_energy_twh", "number", "TWh", "天然气一次能源", "Natural gas", "Primary energy from natural gas.", 0.0),
    Column("nuclear_energy_twh", "number", "TWh", "核能一次能源", "Nuclear", "Primary energy from nuclear power, by substitution: the fuel it stands for.", 0.0),
    Column("hydro_energy_twh", "number", "TWh", "水电一次能源", "Hydropower", "Primary energy from hydropower, by substitution: the fuel it stands for.", 0.0),
    Column("solar_energy_twh", "number", "TWh", "太阳能一次能源", "Solar", "Primary energy from solar power, by substitution: the fuel it stands for.", 0.0),
    Column("wind_energy_twh", "number", "TWh", "风能一次能源", "Wind", "Primary energy from wind power, by substitution: the fuel it stands for.", 0.0),
    Column("electricity_twh", "number", "TWh", "发电量", "Electricity generated", "Electricity generated in the place.", 0.0),
    Column("fossil_energy_share", "number", "1", "化石能源占比", "Fossil share of primary energy", "Coal, oil and gas over primary energy.", 0.0, 1.0),
    Column("renewables_energy_share", "number", "1", "可再生能源占比", "Renewable share of primary energy", "Renewables over primary energy, by substitution.", 0.0, 1.0),
    # population and digital access
    Column("population_persons", "number", "persons", "常住人口", "Residents",
           "People who usually live in the place (常住人口), not the registered population.", 0.0),
    Column("registered_population_persons", "number", "persons", "户籍人口", "Registered population",
           "People registered in the place (户籍人口).", 0.0),
    Column("is_rounded", "boolean", "", "已取整", "Rounded at source",
           "True where the publisher printed the value in ten-thousands."),
    Column("zone", "text", "", "功能区", "Zone", "core, central (with the core: the six central districts) or outer."),
    Column("internet_users_persons", "number", "persons", "网民规模", "Internet users",
           "People who used the internet in the last half year (CNNIC: aged 6 and over).", 0.0),
    Column("internet_use_pct", "number", "%", "互联网普及率", "Internet use", "Internet users per 100 people.", 0.0, 100.0),
    Column("internet_use_urban_pct", "number", "%", "城镇互联网普及率", "Internet use, urban",
           "Internet users per 100 urban people.", 0.0, 100.0),
    Column("internet_use_rural_pct", "number", "%", "农村互联网普及率", "Internet use, rural",
           "Internet users per 100 rural people.", 0.0, 100.0),
    Column("internet_use_60plus_pct", "number", "%", "60 岁及以上互联网普及率", "Internet use, 60 and over",
           "Internet users per 100 people aged 60 and over.", 0.0, 100.0),
    # long tables of indicators
    Column("indicator", "text", "", "指标", "Indicator", "Code of an indicator in a long table."),
    Column("indicator_label_zh", "text", "", "指标名称", "Indicator (Chinese)", "Name of the indicator in Chinese."),
    Column("indicator_label_en", "text", "", "指标英文名", "Indicator (English)", "Name of the indicator in English."),
    Column("value", "number", "by row", "数值", "Value", "Value of the indicator in the unit of its row."),
    Column("unit", "text", "", "单位", "Unit", "Unit of the value of this row."),
    Column("month", "integer", "", "月", "Month", "Month of the year, where the row is a point within the year.", 1, 12),
    Column("note", "text", "", "说明", "Note", "What a reader must know about this row."),
    Column("source", "text", "", "来源", "Source", "Publisher or report behind this row."),
    # claims register
    Column("claim_id", "text", "", "声明编号", "Claim", "Number of a checkable claim, c01 to c83."),
    Column("plan", "text", "", "文本编号", "Plan text", "Number of the plan text that makes the claim."),
    Column("claim_zh", "text", "", "声明", "Claim (Chinese)", "The claim in citylab's words, in Chinese."),
    Column("claim_en", "text", "", "声明（英文）", "Claim (English)", "The claim in citylab's words, in English."),
    Column("value_text", "text", "", "数值（文字）", "Value in words", "The claimed value where it is not a number."),
    Column("date_text", "text", "", "所述时间", "Date as stated", "Date or period to which the claim refers."),
    Column("due_date", "date", "", "可判定日期", "Due", "First day on which the claim can be judged; empty if none."),
    Column("kind", "text", "", "类型", "Kind", "target, observation, advert, document_fact or self_claim."),
    Column("claim_class", "text", "", "类别", "Class", "quantity, date or universal (an implied 100 %)."),
    Column("status", "text", "", "状态", "Status", "What is known of the claim at the register's date."),
    Column("note_zh", "text", "", "说明", "Note (Chinese)", "Evidence and caveats in Chinese."),
    Column("note_en", "text", "", "说明（英文）", "Note (English)", "Evidence and caveats in English."),
    Column("needs_zh", "text", "", "判定所需", "Needed (Chinese)", "What would settle an open claim, in Chinese."),
    Column("needs_en", "text", "", "判定所需（英文）", "Needed (English)", "What would settle an open claim, in English."),
    Column("claim", "text", "", "声明内容", "What is claimed", "The claim in citylab's words."),
    Column("evidence", "text", "", "依据", "Evidence", "What is known of a claim, with its caveats."),
    Column("needs", "text", "", "尚需", "Needed", "Definition or data that would settle an open claim."),
    Column("register_status", "text", "", "登记状态", "Status in the register", "Finer word of the register for a status."),
    Column("is_recomputable", "boolean", "", "可复算", "Recomputed", "Whether embedded data or arithmetic bear on it."),
    Column("is_decided_by_data", "boolean", "", "由数据判定", "Decided by data", "Whether a recomputation alone decides it."),
    Column("is_due", "boolean", "", "已到期", "Due by then", "Whether the day of a claim has come; false if it has none."),
    Column("direction_id", "text", "", "方向编号", "Claim without number", "Claim that states no number, d01 to d20."),
    Column("direction", "text", "", "方向", "Direction", "What a claim without number says: up, down, level, rank."),
    Column("compared", "text", "", "比较项", "Compared", "The claim, or a figure that stands beside it."),
    Column("value_low", "number", "by row", "下限", "Lowest", "Least value that the source of the figure allows."),
    Column("value_high", "number", "by row", "上限", "Highest", "Most that the source of the figure allows."),
    # grids
    Column("level_hpa", "number", "hPa", "气压层", "Pressure level", "Pressure of the level.", 0.0, 1100.0),
    Column("geopotential_m2s2", "number", "m² s⁻²", "位势", "Geopotential", "Geopotential of a pressure level."),
    Column("wind_u_ms", "number", "m/s", "纬向风", "Eastward wind", "Eastward component of the wind.", -200.0, 200.0),
    Column("wind_v_ms", "number", "m/s", "经向风", "Northward wind", "Northward component of the wind.", -200.0, 200.0),
    # trips claimed twice
    Column("platform", "text", "", "平台", "Platform", "Platform that registered a claim."),
    Column("person_token", "text", "", "人员标识", "Person token", "Keyed pseudonym of a person's phone or card.", sensitivity="personal"),
    Column("registered_local", "datetime", "", "登记时间", "Registered", "When a platform registered a claim, wall clock.", sensitivity="personal"),
    Column("start_longitude_deg", "number", "°", "起点经度", "Longitude of origin", "Where a trip began; datum by declaration.", -180.0, 180.0, sensitivity="personal"),
    Column("start_latitude_deg", "number", "°", "起点纬度", "Latitude of origin", "Where a trip began; datum by declaration.", -90.0, 90.0, sensitivity="personal"),
    Column("end_longitude_deg", "number", "°", "终点经度", "Longitude of destination", "Where a trip ended; datum by declaration.", -180.0, 180.0, sensitivity="personal"),
    Column("end_latitude_deg", "number", "°", "终点纬度", "Latitude of destination", "Where a trip ended; datum by declaration.", -90.0, 90.0, sensitivity="personal"),
    Column("cluster_id", "integer", "", "重复组编号", "Cluster", "Number of a group of claims that are of one trip.", 0),
    Column("claim_rank", "integer", "", "组内次序", "Rank in the cluster", "Order of a claim in its cluster; 1 stands.", 1),
    Column("is_kept", "boolean", "", "是否保留", "Stands", "True for the claim of a cluster that stands."),
    Column("start_gap_s", "number", "s", "开始时间差", "Gap of the starts in time", "Difference between the starts of two claims.", 0.0),
    Column("end_gap_s", "number", "s", "结束时间差", "Gap of the ends in time", "Difference between the ends of two claims.", 0.0),
    Column("start_gap_m", "number", "m", "起点距离差", "Gap of the starts in space", "Distance between the starts of two claims.", 0.0),
    Column("end_gap_m", "number", "m", "终点距离差", "Gap of the ends in space", "Distance between the ends of two claims.", 0.0),
    Column("distance_gap_share", "number", "1", "里程差占比", "Gap of the distances", "Difference of the distances of two claims over the longer one.", 0.0, 1.0),
    Column("is_same_act", "boolean", "", "方式相同", "Same mode", "True where the claims compared name one mode."),
    Column("match_score", "number", "1", "吻合度", "Closeness", "Mean closeness of two claims: 1 where nothing parts them, 0 where all is at its threshold.", 0.0, 1.0),
    Column("rival_count", "integer", "", "其他吻合记录数", "Rivals", "Claims outside the cluster that fit a claim as well.", 0),
    Column("kept_platform", "text", "", "保留记录的平台", "Platform that keeps", "Platform of the claim that stands."),
    Column("kept_activity_id", "text", "", "保留的记录", "Claim that stands", "Name of the claim of a cluster that stands."),
    Column("dropped_claims", "text", "", "剔除的记录", "Claims that lose", "Platform and name of the other claims of a cluster."),
    Column("dropped_count", "integer", "", "剔除记录数", "Claims dropped", "Number of the other claims of a cluster.", 0),
    Column("dropped_km", "number", "km", "剔除里程", "Distance dropped", "Distance of the other claims of a cluster.", 0.0),
    Column("why_zh", "text", "", "合并理由", "Why (Chinese)", "Why claims were merged, in words."),
    Column("why_en", "text", "", "合并理由（英文）", "Why (English)", "Why claims were merged, in words."),
    # carbon-inclusive credits
    Column("activity_id", "text", "", "行为编号", "Activity", "Name of a trip or record at the platform that registered it.", sensitivity="internal"),
    Column("account", "text", "", "账户", "Account", "Pseudonym of who claims a credit.", sensitivity="personal"),
    Column("act", "text", "", "低碳行为", "Act", "Kind of low-carbon act, as the methodology names it: metro, bus, cycle, walk and others."),
    Column("start_local", "datetime", "", "开始时间", "Begin", "When a trip began, wall clock of the place.", sensitivity="personal"),
    Column("end_local", "datetime", "", "结束时间", "End", "When a trip ended, wall clock of the place.", sensitivity="personal"),
    Column("distance_km", "number", "km", "里程", "Distance", "Length of a trip along its way.", 0.0),
    Column("proof", "text", "", "方式证明", "Proof", "What proves the mode of an act: transit_card, qr_code, nav_trace, bike_order, meter and others."),
    Column("start_adcode", "text", "", "起点区县代码", "District of origin", "Administrative code of the district where a trip began."),
    Column("end_adcode", "text", "", "终点区县代码", "District of destination", "Administrative code of the district where a trip ended."),
    Column("replaced_mode", "text", "", "被替代方式", "Replaced mode", "Mode that a trip replaced; none if it would not have been made."),
    Column("baseline_co2_kg", "number", "kg", "基准线排放", "Baseline emissions", "CO2 of an act's baseline.", 0.0),
    Column("project_co2_kg", "number", "kg", "项目排放", "Project emissions", "CO2 of the act itself.", 0.0),
    Column("reduction_co2_kg", "number", "kg", "减排量", "Reduction", "Baseline less project emissions after leakage and discount; negative where the act emits more."),
    Column("credit_co2_kg", "number", "kg", "签发量", "Credit", "Reduction that is credited: 0 where the act is not eligible.", 0.0),
    Column("is_eligible", "boolean", "", "是否签发", "Is eligible", "True where the act earns a credit."),
    Column("credit_reason", "text", "", "不予签发原因", "Reason of refusal", "Why an act earns nothing, by the codes of inclusive_reasons."),
    Column("methodology_id", "text", "", "方法学", "Methodology", "Id of the methodology that credits an act."),
    Column("methodology_edition", "text", "", "方法学版本", "Edition of the methodology", "Standard and edition of the methodology."),
    Column("baseline_kind", "text", "", "基准线类型", "Kind of baseline", "mean (residents' average of modes) or replacement (the mode that was replaced)."),
    Column("trip_share", "number", "1", "出行占比", "Share of trips", "Share of the trips that use a mode.", 0.0, 1.0),
    Column("value_cny", "number", "CNY", "价值", "Value", "What credits are worth at a price of carbon.", 0.0),
    Column("price_cny_t", "number", "CNY/t", "碳价", "Price of carbon", "Price of a tonne of CO2.", 0.0),
    # travel surveys
    Column("trip_id", "integer", "", "出行编号", "Trip", "Number of a trip within its table.", 0),
    Column("household_id", "text", "", "家庭编号", "Household", "Household of the survey; trips of one household are not independent.", sensitivity="internal"),
    Column("mode", "text", "", "出行方式", "Mode", "Main mode of a trip: walk, cycle, bus, metro, transit (bus or rail), taxi, car and others."),
    Column("purpose", "text", "", "出行目的", "Purpose", "Why a trip was made: work, education, business, recreation, other and others."),
    Column("car_ownership", "text", "", "家庭小汽车", "Cars of the household", "Cars of the household: none, less than one per adult, one or more per adult."),
    Column("car_fuel", "text", "", "车辆燃料", "Fuel of the car", "Fuel of the household's car: petrol, diesel, hybrid, or average where none is known."),
    Column("straight_distance_km", "number", "km", "直线距离", "Straight distance", "Distance from origin to destination as the crow flies; a way is longer.", 0.0),
    Column("distance_band", "text", "", "距离段", "Distance band", "Band of the straight distance [km]; it holds its lower end."),
    Column("weekday", "integer", "", "星期", "Day of the week", "1 Monday to 7 Sunday.", 1, 7),
    Column("start_hour", "number", "h", "出发时刻", "Hour of departure", "Hours since midnight when a trip began, with fractions.", 0.0, 24.0),
    Column("age_years", "number", "a", "年龄", "Age", "Age, or mean age of the row's travellers.", 0.0, 130.0),
    Column("is_female", "boolean", "", "是否女性", "Is female", "True for a woman or girl."),
    Column("has_licence", "boolean", "", "是否有驾照", "Has a licence", "True where the traveller holds a driving licence."),
    Column("interchange_count", "integer", "1", "换乘次数", "Interchanges", "Changes of vehicle on the way by public transport.", 0),
    Column("dur_walk_h", "number", "h", "步行时间", "Time on foot", "Time that a trip would take on foot.", 0.0),
    Column("dur_cycle_h", "number", "h", "骑行时间", "Time by bicycle", "Time that a trip would take by bicycle.", 0.0),
    Column("dur_car_h", "number", "h", "驾车时间", "Time by car", "Time that a trip would take by car in the traffic of its hour.", 0.0),
    Column("dur_transit_h", "number", "h", "公交时间", "Time by public transport", "Time that a trip would take by bus or rail, access and interchanges included.", 0.0),
    Column("dur_transit_access_h", "number", "h", "公交接驳时间", "Access time", "Walk to the first stop and from the last.", 0.0),
    Column("dur_transit_rail_h", "number", "h", "轨道乘车时间", "Time in trains", "Time in trains on the way by public transport.", 0.0),
    Column("dur_transit_bus_h", "number", "h", "公交乘车时间", "Time in buses", "Time in buses on the way by public transport.", 0.0),
    Column("dur_transit_wait_h", "number", "h", "换乘候车时间", "Waiting at interchanges", "Waiting at interchanges on the way by public transport.", 0.0),
    Column("dur_transit_interchange_h", "number", "h", "换乘步行时间", "Walking at interchanges", "Walking at interchanges on the way by public transport.", 0.0),
    Column("dur_bus_h", "number", "h", "公交时间", "Time by bus", "Time that a trip would take by bus, door to door.", 0.0),
    Column("dur_metro_h", "number", "h", "地铁时间", "Time by metro", "Time that a trip would take by metro, door to door.", 0.0),
    Column("dur_taxi_h", "number", "h", "出租车时间", "Time by taxi", "Time that a trip would take by taxi, door to door.", 0.0),
    Column("cost_walk_cny", "number", "CNY", "步行费用", "Cost on foot", "What a trip would cost on foot.", 0.0),
    Column("cost_cycle_cny", "number", "CNY", "骑行费用", "Cost by bicycle", "What a trip would cost by bicycle.", 0.0),
    Column("cost_bus_cny", "number", "CNY", "公交费用", "Cost by bus", "What a trip would cost by bus.", 0.0),
    Column("cost_metro_cny", "number", "CNY", "地铁费用", "Cost by metro", "What a trip would cost by metro.", 0.0),
    Column("cost_car_cny", "number", "CNY", "驾车费用", "Cost by car", "What a trip would cost by car.", 0.0),
    Column("cost_taxi_cny", "number", "CNY", "出租车费用", "Cost by taxi", "What a trip would cost by taxi.", 0.0),
    Column("cost_transit_gbp", "number", "GBP", "公交费用", "Fare", "Fare of a trip by public transport.", 0.0),
    Column("cost_car_gbp", "number", "GBP", "驾车费用", "Cost of driving", "Fuel of a trip by car and the congestion charge where it is due.", 0.0),
    Column("trip_count", "integer", "1", "出行次数", "Trips", "Number of trips behind the row.", 0),
    Column("household_count", "integer", "1", "家庭数", "Households", "Number of households behind the row.", 0),
    Column("basis", "text", "", "口径", "Basis", "Place, day and population to which a figure refers."),
    Column("is_derived", "boolean", "", "推算值", "Derived", "True where a figure follows by arithmetic from stated ones."),
    Column("source_grade", "text", "", "来源等级", "Grade of the source", "Grade A to D of the source of the row."),
    Column("is_consenting", "boolean", "", "是否授权", "Has consented", "True where the account has agreed to the use of its data."),
    Column("is_claimed", "boolean", "", "是否登记", "Is claimed", "True where a platform registered the trip for a credit."),
    Column("ticket", "text", "", "票种", "Ticket", "How a trip by bus or metro was paid: transit_card or qr_code."),
    Column("residence_adcode", "text", "", "居住区代码", "District of residence", "Administrative code of the district where the traveller lives."),
    Column("is_60_plus", "boolean", "", "是否 60 岁及以上", "Is 60 or over", "True for a traveller aged 60 or over."),
    Column("income_decile", "integer", "", "收入十分位", "Income decile", "Tenth of the residents by income: 1 the poorest, 10 the richest.", 1, 10),
    Column("has_car", "boolean", "", "家庭有车", "Has a car", "True where the traveller's household has a car."),
    Column("has_smartphone", "boolean", "", "有智能手机", "Has a smartphone", "True where the traveller has a smartphone of their own."),
    Column("is_registered", "boolean", "", "是否注册", "Is registered", "True where the traveller has an account of a carbon-inclusive platform."),
    Column("metro_distance_km", "number", "km", "距地铁站", "Distance to the metro", "Straight distance from home to the nearest metro station.", 0.0),
    Column("is_working_day", "boolean", "", "是否工作日", "Is a working day", "True on a working day of China's calendar."),
    Column("planted_fault", "text", "", "预设差错", "Planted fault", "Reason for which a credit must be refused, planted on purpose; empty elsewhere."),
    Column("is_synthetic", "boolean", "", "是否合成", "Is synthetic", "True where the row was made by a generator and observed by nobody."),
    # rail transit
    Column("stop_id", "text", "", "车站编号", "Stop", "Id of a station on one line."),
    Column("line_name_zh", "text", "", "线路", "Line (Chinese)", "Name of a line in Chinese."),
    Column("line_name_en", "text", "", "线路英文名", "Line", "Name of a line in Latin script."),
    Column("segment_rank", "integer", "", "区间序号", "Order of the segment", "Order of a segment along its line, from 1.", 1),
    Column("from_station_zh", "text", "", "起站", "From", "Station at which a segment begins, in Chinese."),
    Column("to_station_zh", "text", "", "止站", "To", "Station at which a segment ends, in Chinese."),
    Column("length_m", "number", "m", "长度", "Length", "Length of a segment of a line.", 0.0),
    Column("known_date", "date", "", "信息日期", "As of", "Day as of which the source holds the row to be right."),
    Column("ridership_trips", "number", "trips", "客运量", "Ridership", "Passengers carried in the row's period, as the operator counts them.", 0.0),
    # district structure at a census
    Column("urban_persons", "number", "persons", "城镇人口", "Urban residents", "Residents of urban places.", 0.0),
    Column("age_0_14_pct", "number", "%", "0–14 岁占比", "Aged 0-14", "Residents aged 0 to 14 per 100.", 0.0, 100.0),
    Column("age_15_64_pct", "number", "%", "15–64 岁占比", "Aged 15-64", "Residents aged 15 to 64 per 100.", 0.0, 100.0),
    Column("age_65plus_pct", "number", "%", "65 岁及以上占比", "Aged 65 and over", "Residents aged 65 and over per 100.", 0.0, 100.0),
    Column("age_60plus_persons", "number", "persons", "60 岁及以上人口", "Aged 60 and over", "Residents aged 60 and over.", 0.0),
    Column("age_65plus_persons", "number", "persons", "65 岁及以上人口", "Aged 65 and over", "Residents aged 65 and over.", 0.0),
    Column("age_80plus_persons", "number", "persons", "80 岁及以上人口", "Aged 80 and over", "Residents aged 80 and over.", 0.0),
    Column("household_size_persons", "number", "persons", "户均人口", "Household size", "Persons per family household.", 0.0),
    Column("long_form_household_count", "integer", "1", "长表户数", "Households of the long form", "Households of the census's sample: use for ratios only.", 0),
    Column("household_car_share", "number", "1", "有车家庭占比", "Households with a car", "Households with a car as a share of those of the long form.", 0.0, 1.0),
)  # fmt: skip

COLUMNS: dict[str, Column] = {c.name: c for c in _DECLARED}


def column(name: str) -> Column:
    """Return what a column means.

    Parameters
    ----------
    name
        Name of a column in :data:`COLUMNS`.

    Raises
    ------
    UnknownNameError
        The vocabulary has no such column; near names are offered.

    Examples
    --------
    >>> column("co2_t").unit
    't'
    """
    try:
        return COLUMNS[name]
    except KeyError:
        raise suggest(name, COLUMNS, what="column", see="citylab.vocabulary.COLUMNS") from None


def polars_dtype(dtype: Dtype) -> pl.DataType:
    """Return the Polars type of a kind of value.

    Examples
    --------
    >>> polars_dtype("number")
    Float64
    """
    import polars as pl

    kinds: dict[str, pl.DataType] = {
        "text": pl.String(),
        "integer": pl.Int64(),
        "number": pl.Float64(),
        "boolean": pl.Boolean(),
        "date": pl.Date(),
        "datetime": pl.Datetime("ms"),
        "binary": pl.Binary(),
    }
    return kinds[dtype]


WORDS: dict[str, tuple[str, str]] = {
    # subjects
    "air": ("空气质量", "Air quality"),
    "carbon": ("碳排放", "Carbon"),
    "population": ("人口", "Population"),
    "economy": ("经济活动", "Economic activity"),
    "equity": ("数字接入", "Digital access"),
    "geography": ("地理", "Geography"),
    "policy": ("政策", "Policy"),
    # storage and grade
    "embedded": ("内置", "embedded"),
    "remote": ("远程", "remote"),
    "grade_a": (
        "与发布者自己的合计或两份独立出版物一致",
        "agrees with the publisher's own totals or with two independent publications",
    ),
    "grade_b": (
        "已发表或经同行评议的来源，缺陷已知并写明",
        "published or peer-reviewed source with known, documented faults",
    ),
    "grade_c": ("单一二手来源、推导的几何或模型值", "single secondary source, derived geometry or modelled values"),
    "grade_d": ("存疑，只供测试", "doubtful, for tests only"),
    # sectors
    "power": ("电力", "Power"),
    "industry": ("工业", "Industry"),
    "ground_transport": ("地面交通", "Ground transport"),
    "residential": ("居民", "Residential"),
    "aviation": ("航空", "Aviation"),
    "buildings": ("建筑（居民与服务业）", "Buildings (homes and services)"),
    "agriculture": ("农业", "Agriculture"),
    "administrative": ("行政区", "administrative city"),
    "functional_urban_area": ("城市功能区", "functional urban area"),
    # fuels, scopes and drivers of carbon
    "coal": ("煤炭类", "Coal"),
    "oil": ("油品", "Oil"),
    "gas": ("天然气", "Gas"),
    "other_energy": ("其他能源", "Other energy"),
    "process": ("工业过程", "Processes"),
    "scope_word": ("范围", "scope"),
    "scope_1": ("范围一：辖区内", "Scope 1: inside"),
    "scope_2": ("范围二：外购电力", "Scope 2: purchased electricity"),
    "all_sectors": ("全部部门", "all sectors"),
    "modelled": ("模型分配", "modelled"),
    "residual": ("残差", "Residual"),
    "energy": ("能源总量", "Energy used"),
    "sector_share": ("部门结构", "Shift between sectors"),
    "fuel_share": ("燃料结构", "Shift between fuels"),
    "co2_per_energy": ("单位能源碳排放", "CO2 per energy"),
    "energy_per_gdp": ("单位GDP能耗", "Energy per GDP"),
    "gdp_per_head": ("人均GDP", "GDP per head"),
    "co2_per_gdp": ("单位GDP碳排放", "CO2 per GDP"),
    "from_source": ("从来源", "From source"),
    "to_source": ("到来源", "To source"),
    "is_quantified": ("可量化", "Quantified"),
    "basis_zh": ("依据", "Basis (zh)"),
    "basis_en": ("依据（英文）", "Basis"),
    "year_from": ("适用起始年", "Holds from"),
    "year_to": ("适用终止年", "Holds to"),
    "is_of_that_year": ("适用于用电年份", "Of the year of use"),
    # page furniture
    "sources": ("来源", "Sources"),
    "licence": ("许可", "Licence"),
    "coverage": ("范围", "Coverage"),
    "vintage": ("数据版本", "Vintage"),
    "synthetic": ("合成数据", "synthetic"),
    "no_data": ("无数据", "no data"),
    # carbon: cuts, sinks, actors
    "cut_production": ("生产视角（边界内直接排放）", "production (emitted inside the boundary)"),
    "cut_transport": ("交通视角（边界内）", "transport (inside the boundary)"),
    "cut_consumption": ("消费视角（隐含排放）", "consumption (embodied emissions)"),
    "never_added": ("三种视角相互重叠，不可相加", "the cuts overlap and are never added"),
    "embodied_in_exports": ("隐含流出", "embodied in exports"),
    "embodied_in_imports": ("隐含流入", "embodied in imports"),
    "households_direct": ("居民直接排放", "emitted by households themselves"),
    "gross": ("总排放（未扣除碳汇）", "gross, no sink taken off"),
    "net_memo": ("净排放（备查，不作目标依据）", "net, a memo and no basis of targets"),
    "facility_residual": ("残差（设施未解释部分）", "residual, not explained by facilities"),
    "inventory_total": ("清单合计", "total of the inventory"),
    "facility_contradiction": ("矛盾：设施之和超过清单合计", "contradiction: facilities exceed the total"),
    "no_inventory_row": ("有设施上报，清单中却没有该项", "facilities report, the inventory has nothing here"),
    "not_estimated": ("未估算（NE）", "not estimated (NE)"),
    "gpc_scope": ("范围", "scope"),
    # pictures
    "chart": ("图", "Chart"),
    "map": ("地图", "Map"),
    "table": ("表", "Table"),
    "download": ("下载", "Download"),
    "yes": ("是", "yes"),
    "no": ("否", "no"),
    "range_min": ("站点最低", "lowest station"),
    "range_max": ("站点最高", "highest station"),
    "station": ("站点", "Station"),
    "no_station": ("无站点", "no station"),
    "position_disputed": ("坐标存疑", "position disputed"),
    "day_count": ("有效日数", "Valid days"),
    "station_count": ("有效站点数", "Valid stations"),
    "station_days": ("站日数", "Station-days"),
    "day_share": ("天数占比", "Share of days"),
    "deseasonalised": ("去除季节后", "Without the season"),
    "alert_blue": ("蓝色预警", "blue alert"),
    "alert_yellow": ("黄色预警", "yellow alert"),
    "alert_orange": ("橙色预警", "orange alert"),
    "alert_red": ("红色预警", "red alert"),
    # pictures of the air
    "wind_rose": ("风玫瑰图", "Wind rose"),
    "polar_plot": ("风向风速极坐标图", "Bivariate polar plot"),
    "percentile_rose": ("百分位玫瑰图", "Percentile rose"),
    "time_variation": ("时间变化", "Variation in time"),
    "calendar_of_days": ("日历图", "Calendar"),
    "taylor_diagram": ("泰勒图", "Taylor diagram"),
    "trend_of_months": ("趋势", "Trend"),
    "calm": ("静风", "calm"),
    "of_records": ("占记录数", "of records"),
    "record_count": ("条记录", "records"),
    "corrected_for_rounding": ("已按风向取整校正", "corrected for rounded directions"),
    "most_from": ("最多风向", "most often from"),
    "highest_at": ("最高值位于", "highest at"),
    "not_a_place": (
        "高值对应的风况，不是污染源位置",
        "the wind under which values are high, not the place of a source",
    ),
    "too_little_data": ("数据不足", "too little data"),
    "compass_n": ("北", "N"),
    "compass_e": ("东", "E"),
    "compass_s": ("南", "S"),
    "compass_w": ("西", "W"),
    "hour_of_day": ("时刻（小时起点）", "Hour (start)"),
    "day_of_week": ("星期", "Day of the week"),
    "month_of_year": ("月份（1–12）", "Month of the year"),
    "weekday_1": ("周一", "Mon"),
    "weekday_2": ("周二", "Tue"),
    "weekday_3": ("周三", "Wed"),
    "weekday_4": ("周四", "Thu"),
    "weekday_5": ("周五", "Fri"),
    "weekday_6": ("周六", "Sat"),
    "weekday_7": ("周日", "Sun"),
    "month_1": ("1 月", "Jan"),
    "month_2": ("2 月", "Feb"),
    "month_3": ("3 月", "Mar"),
    "month_4": ("4 月", "Apr"),
    "month_5": ("5 月", "May"),
    "month_6": ("6 月", "Jun"),
    "month_7": ("7 月", "Jul"),
    "month_8": ("8 月", "Aug"),
    "month_9": ("9 月", "Sep"),
    "month_10": ("10 月", "Oct"),
    "month_11": ("11 月", "Nov"),
    "month_12": ("12 月", "Dec"),
    "concentration": ("浓度", "Concentration"),
    "interval_of_level": ("区间", "interval"),
    "percentile_word": ("百分位", "percentile"),
    "missing_day": ("缺测", "missing"),
    "without_index": ("无指数", "no index"),
    "conditional_probability": ("条件概率", "Conditional probability"),
    "monthly_mean": ("月均值", "Monthly mean"),
    "deseasonalised_mean": ("去季节月均值", "Monthly mean without the season"),
    "filled_month": ("插补月份", "filled in"),
    "trend_line": ("Theil-Sen 趋势", "Theil-Sen trend"),
    "per_year": ("年", "year"),
    "observed": ("观测", "observed"),
    "spread_ratio": ("标准差之比（模型/观测）", "Standard deviation, model over observed"),
    "correlation": ("相关系数", "correlation"),
    "centred_error": ("中心化均方根误差（相对观测标准差）", "centred RMSE over observed standard deviation"),
    # claims of plan texts: status, kind, class
    "claim_met": ("已实现", "met"),
    "claim_missed": ("未实现", "missed"),
    "claim_due_no_data": ("到期，无数据", "due, no data"),
    "claim_not_due": ("未到期", "not due"),
    "claim_contradicted": ("与数据矛盾", "contradicted"),
    "claim_undefined": ("未定义", "undefined"),
    "claim_inconsistent": ("自相矛盾", "inconsistent"),
    "claim_verified": ("已核实", "verified"),
    "claim_open": ("未决", "open"),
    "claim_target": ("目标", "target"),
    "claim_observation": ("观察", "observation"),
    "claim_advert": ("宣传", "advert"),
    "claim_document_fact": ("文件内容", "document fact"),
    "claim_self_claim": ("文本自述", "claim about itself"),
    "claim_quantity": ("数量", "quantity"),
    "claim_date": ("时间", "date"),
    "claim_universal": ("隐含全部", "all, implied"),
    "claim_as_of": ("截至", "as of"),
    "claim_of_text": ("声明", "claim"),
    "claim_due_year": ("可判定的年份", "Year in which it can be judged"),
    "claim_not_recomputed": ("没有数据可以复算这项声明", "No data bear on this claim"),
    "claim_count": ("声明数", "Claims"),
    "claim_figure": ("公布或推算的数，色条为其区间", "published or derived figure, the bar is its interval"),
    # the daily pulse of carbon
    "total": ("合计", "Total"),
    "pulse": ("逐日二氧化碳", "CO2 by day"),
    "pulse_model": ("状态空间模型", "state-space model"),
    "pulse_estimate": ("模型估计", "modelled"),
    "pulse_last_day": ("与前一日相同", "as on the last day"),
    "pulse_same_weekday_last_week": ("与上周同日相同", "as a week before"),
    "pulse_same_weekday_last_year": ("与去年同周同日相同", "as 52 weeks before"),
    "pulse_share": ("近 12 月份额 × 参照月", "share of 12 months × reference"),
    "pulse_share_of_same_month": ("去年同月份额 × 参照月", "share of the same month × reference"),
    "pulse_last_month": ("与上月相同", "as in the last month"),
    "pulse_same_month_last_year": ("与去年同月相同", "as in the same month of last year"),
    "pulse_expected_model": ("模型（此前各日）", "model of the days before"),
    "pulse_expected_lunar": ("去年，按农历新年对齐", "year before, by lunar new year"),
    "pulse_expected_calendar": ("去年，按公历对齐", "year before, by calendar"),
    "pulse_backtest": ("回测误差", "Errors of the back-test"),
    "pulse_shape_of": ("逐日形状取自", "daily shape of"),
    "pulse_not_observed": ("全部为模型值，当地逐日排放未经观测", "all modelled: no day of the place was observed"),
    "pulse_constant_share": ("份额恒定，月值不含当地信息，未检验", "constant share, nothing of the place in it, not tested"),
    "public_holiday": ("法定节假日", "public holiday"),
    "days_ahead": ("天后", "d ahead"),
    "wape": ("误差 WAPE", "Error (WAPE)"),
    "bias_share": ("偏差", "Bias"),
    "covered": ("落入区间的占比 / 名义水平", "share inside the interval / its level"),
    "co2_t_low": ("二氧化碳排放下限 (t)", "CO2 emissions, lower bound (t)"),
    "co2_t_high": ("二氧化碳排放上限 (t)", "CO2 emissions, upper bound (t)"),
    "is_forecast": ("最后观测日之后", "after the last value"),
    "is_modelled": ("是否为模型值", "is modelled"),
    "shape_source": ("逐日形状来源", "Whose daily shape"),
    "expected_co2_t": ("预期排放 (t)", "Expected CO2 (t)"),
    "difference_t": ("与预期之差 (t)", "Difference from the expected (t)"),
    "difference_share": ("与预期之差", "Difference from the expected"),
    "no_difference": ("无差异", "no difference"),
    "spread_of_quiet_days": ("平常日子的波动范围", "spread of quiet days"),
    "range_of_shapes": ("三种分配的范围", "range of three spreads"),
    # interpolated maps
    "interpolated_map": ("插值图", "Interpolated map"),
    "nearest_station": ("最近站点", "nearest station"),
    "range_to": ("至", "to"),
    "and": ("和", "and"),
    "method_idw": ("反距离加权", "Inverse distance"),
    "method_kriging": ("普通克里金", "Ordinary kriging"),
    "stations_word": ("站", "stations"),
    "error_station_out": ("逐站留出 RMSE", "RMSE, one station left out"),
    "error_block_out": ("分块留出 RMSE", "RMSE, a block left out"),
    "of_plain_mean": ("若只用均值", "Plain mean instead"),
    "too_few_stations": ("站点太少，无法估计", "too few stations to tell"),
    "map_no_better": (
        "留出检验中，此图不比全市一个均值更准。", "No better than one mean for the city, by stations left out."
    ),
    "beyond_hull": ("褪色处在站点范围之外：只是猜测。", "Faded: beyond the stations, a guess."),
    # trips claimed twice
    "double_gaps": (
        "起点相差 {} 秒、{} 米，终点相差 {} 秒、{} 米，里程相差 {}%",
        "starts {} s and {} m apart, ends {} s and {} m apart, distances {} % apart",
    ),
    "double_other_act": ("登记的方式不同但相容", "modes differ but are compatible"),
    "double_basis_person_token": ("同一人员标识", "the same person token"),
    "double_basis_coincidence": (
        "仅时间、地点与方式吻合，不能证明是同一人", "time, place and mode agree, no proof of one person"
    ),
    "double_kept_by_priority": ("按平台次序保留", "kept by the order of platforms"),
    "double_kept_by_registered": ("保留最早登记的", "the earliest registered is kept"),
    "double_kept_by_start": ("保留最早开始的", "the earliest start is kept"),
    "double_precision": ("查准率", "Precision"),
    "double_recall": ("查全率", "Recall"),
    "double_alteration": ("改动幅度（1 = 5 分钟、300 米、10%）", "Alteration (1 = 5 minutes, 300 m, 10 %)"),
    "double_share": ("占全部配对的比例", "Share of pairs"),
    # what an incentive would do
    "incentive_paid_trips": ("获补贴出行", "Trips paid for"),
    "incentive_extra_trips": ("因补贴新增的低碳出行", "Extra trips by paid modes"),
    "incentive_anyway_trips": ("本来就会发生的出行", "Trips that would have happened anyway"),
    "incentive_budget": ("补贴总额", "Budget"),
    "incentive_budget_extra": ("付给新增出行", "Paid to extra trips"),
    "incentive_budget_anyway": ("付给本来就会发生的出行", "Paid to trips that would have happened anyway"),
    "incentive_credited_t": ("方案可登记减排量（均值法）", "Reduction a scheme would book (mean baseline)"),
    "incentive_extra_mean_t": ("新增减排量（均值法）", "Extra reduction (mean baseline)"),
    "incentive_extra_replacement_t": ("新增减排量（替代法）", "Extra reduction (replacement baseline)"),
    "incentive_extra_share": ("新增出行占获补贴出行", "Extra trips of those paid for"),
    "incentive_budget_anyway_share": ("补贴流向本来就会发生的出行", "Share of the budget for trips made anyway"),
    "incentive_cny_per_credited_t": ("每登记一吨的补贴", "Money per tonne booked"),
    "incentive_cny_per_extra_mean_t": ("每新增减排一吨的补贴（均值法）", "Money per extra tonne (mean baseline)"),
    "incentive_cny_per_extra_replacement_t": (
        "每新增减排一吨的补贴（替代法）", "Money per extra tonne (replacement baseline)"
    ),
    "incentive_amount_trip": ("每次出行补贴（元）", "Incentive a trip (CNY)"),
    "incentive_amount_kg": ("每千克减排补贴（元）", "Incentive a kg (CNY)"),
    "incentive_tonnes_kg": ("新增减排（千克）", "Extra reduction (kg)"),
    "incentive_interval": ("{} 区间", "{} interval"),
    "incentive_note_transfer": (
        "行为模型来自伦敦，移用到本地属假设", "behaviour is London's; that it holds here is an assumption"
    ),
    "incentive_note_no_control": (
        "没有对照组：其中含本来就会改变的人", "no control: those who would have changed anyway are in it"
    ),
    # pages
    "everywhere": ("全市", "Whole city"),
    "reset": ("重置", "Reset"),
    "limits": ("本页不能说明什么", "What this page cannot show"),
    "reproduce": ("如何复现", "How to reproduce"),
    "share": ("分享", "Share"),
    "copied": ("链接已复制", "Link copied"),
    "larger_type": ("放大字号", "Larger type"),
    "simple_mode": ("简洁", "Simple"),
    "simple_mode_hint": ("简洁模式：字号更大，选项更少", "Simple mode: larger type, fewer controls"),
    "undo": ("撤销", "Undo"),
    "more_choices": ("更多选项与假设", "More choices and assumptions"),
    "working": ("正在计算…", "Working…"),
    "stop": ("停止", "Stop"),
    "stopped": (
        "已停止：图中仍是先前的选择。更改任一选项即重新计算。",
        "Stopped: the pictures still show the earlier choices. Change any choice to compute again.",
    ),
    "not_drawn": (
        "未能更新，仍显示上一次的图。请更改选项或点“重置”；若再次出现，请把本页链接连同此提示报告给维护者",
        "not renewed; the last good picture stays. Change a choice or reset; if it comes again, report it with this "
        "page's link",
    ),
    "nothing_drawn": ("尚无可显示的图", "nothing to show yet"),
    "save_image": ("保存图片 PNG", "Save image PNG"),
    # heads and codes of tables
    "low": ("区间下限", "Lower end of the interval"),
    "high": ("区间上限", "Upper end of the interval"),
    "n": ("有效样本数", "n"),
    "capture_share": ("有效日占比", "Share of valid days"),
    "is_inside_hull": ("在站点范围之内", "Between the stations"),
    "nearest_station_km": ("最近站点距离 (km)", "Nearest station (km)"),
    "reason_no_edition": ("当时没有适用的版本", "no edition in force"),
    "reason_no_data": ("没有数据", "no data"),
    "reason_missing_pollutant": ("缺少污染物", "a pollutant is missing"),
    "reason_not_qualified": ("不满足发布条件", "not qualified"),
    "reason_no_values": ("没有数值", "no values"),
    "reason_few_days": ("有效日不足", "too few valid days"),
    "reason_few_days_in_month": ("有的月份有效日不足", "a month has too few valid days"),
    "reason_few_windows": ("有效 8 小时窗口不足", "too few 8-hour windows"),
    "reason_few_windows_above_limit": ("窗口不足但已超限值", "few windows, but above the limit"),
    "reason_low_capture": ("有效小时不足", "too few hours"),
    # measures of inequality: heads, parts and notes
    "se": ("标准误", "Standard error"),
    "n_effective": ("有效样本量", "Effective number of rows"),
    "n_missing": ("缺失行数", "Rows with a gap"),
    "population_share": ("人口占比", "Share of the population"),
    "value_share": ("总量占比", "Share of the total"),
    "contribution": ("贡献", "Contribution"),
    "contribution_share": ("贡献占比", "Share of the whole"),
    "component_within": ("组内", "within groups"),
    "component_between": ("组间", "between groups"),
    "component_overlap": ("重叠项", "overlap"),
    "component_total": ("合计", "total"),
    "lorenz_curve": ("洛伦兹曲线", "Lorenz curve"),
    "concentration_curve": ("集中曲线", "Concentration curve"),
    "equal_shares": ("完全平等线", "line of equality"),
    "concentration_standard": ("集中指数", "Concentration index"),
    "concentration_generalised": ("广义集中指数", "Generalised concentration index"),
    "concentration_erreygers": ("Erreygers 修正集中指数", "Erreygers index"),
    "concentration_wagstaff": ("Wagstaff 标准化集中指数", "Wagstaff index"),
    "kakwani": ("Kakwani 指数", "Kakwani index"),
    "note_zero_values": ("存在零值，此指标无定义", "not defined for values of 0"),
    "note_negative_values": ("存在负值，结果可能超出 0 到 1", "some values are negative: can leave 0 to 1"),
    "note_mean_not_positive": ("均值不大于 0", "the mean is not above 0"),
    "note_no_rows": ("没有可计入的行", "no row that counts"),
    "note_zero_denominator": ("分母为 0", "the denominator is 0"),
    "note_one_unit": ("只有一个抽样单元，无法估计误差", "a single unit: no error can be told"),
    "note_mean_at_bound": ("均值等于上下限，指标无定义", "the mean is at a bound"),
    "note_draw_without_value": ("有的重抽样无结果，无法估计误差", "a draw had no value: no error can be told"),
    # buildings
    "median_value": ("中位数", "median"),
    "middle_half": ("中间一半", "middle half"),
    "tenth_to_ninetieth": ("第 10–90 百分位", "10th to 90th percentile"),
    "this_building": ("本建筑", "this building"),
    "best_portfolio": ("最优组合", "best portfolio"),
    "by_cost_per_tonne": ("按吨成本排序", "by cost per tonne"),
    "tonnes_a_year": ("吨/年", "t/year"),
    "million_of": ("百万", "million"),
    "buildings_by_type": ("各类建筑的单位面积能耗", "Energy use intensity by type of building"),
    "saved_by_budget": ("预算与年减排量", "What a budget saves"),
    "choose_in_table": ("点击表中一行以选择。", "Click a row to choose it."),
}


def say(word: str, lang: Language | None = None) -> str:
    """Return a word of the vocabulary in a language.

    Examples
    --------
    >>> say("power", "zh"), say("power", "en")
    ('电力', 'Power')
    """
    try:
        zh, en = WORDS[word]
    except KeyError:
        raise suggest(word, WORDS, what="word", see="citylab.vocabulary.WORDS") from None
    return zh if (lang or settings.language()) == "zh" else en
