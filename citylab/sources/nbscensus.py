"""Census tables of the National Bureau of Statistics, as Dong, Du and Liu compiled them: counties, cities, provinces.

The sheets hold provinces, cities and counties one below the other, with sums in between that have no code or a code of
their own. Each recipe returns one level as a partition: its rows add up to the country, nobody stands in two of them.
Beijing's districts have a table of their own, and another of all cells from which a synthetic population is made.

References
----------
Dong, L., Du, R. & Liu, Y. (2022). Mapping evolving population geography in China, https://github.com/leiii/census.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from citylab import tables
from citylab.errors import DataError
from citylab.population.margins import SCHOOLING
from citylab.population.margins import SEXES as SEX_NAMES
from citylab.sources.measurements import must_touch

YEAR = 2020
DISTRICTS = 16
RENAMED = {
    "code": "adcode",
    "name": "district_name_zh",
    "persons": "population_persons",
    "urban": "urban_persons",
    "age_0_14_pct": "age_0_14_pct",
    "age_15_64_pct": "age_15_64_pct",
    "age_65_pct": "age_65plus_pct",
    "age_60_plus": "age_60plus_persons",
    "age_65_plus": "age_65plus_persons",
    "age_80_plus": "age_80plus_persons",
    "household_size": "household_size_persons",
    "long_form_households": "long_form_household_count",
}


def _all_districts(rows: pl.DataFrame, path: Path) -> None:
    if rows.height != DISTRICTS:
        raise DataError(
            f"{path.name}: {rows.height} districts at the census of {YEAR}; expected {DISTRICTS}. Was a merged or an "
            "aggregate row added?"
        )


def parse_districts(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read the age structure, household size and car ownership of Beijing's districts at the census of 2020.

    The census of 2010 in the same file stands on eighteen districts and has no cars: it is left out. Cars come from the
    long form, which about a tenth of the households filled in, so that only their share is kept.

    Returns
    -------
    polars.LazyFrame
        One row per district.

    Raises
    ------
    DataError
        The census of 2020 has other than sixteen districts.
    """
    (path,) = paths
    raw = pl.read_csv(path, schema_overrides={"code": pl.String}).filter(pl.col("year") == YEAR)
    _all_districts(raw, path)
    return raw.lazy().select(
        *(pl.col(theirs).alias(ours) for theirs, ours in RENAMED.items()),
        "year",
        (pl.col("households_with_car") / pl.col("long_form_households")).round(4).alias("household_car_share"),
    )


# Counties, cities and provinces -----------------------------------------------------------------------------------

AGES = ("0", "1-4", *(f"{first}-{first + 4}" for first in range(5, 85, 5)), "85+")
"""Age groups of both sheets, in their order."""
FIRST_15, FIRST_60, FIRST_65, FIRST_80 = (AGES.index(group) for group in ("15-19", "60-64", "65-69", "80-84"))
SEXES = ("男", "女")
SUMS = ("市辖区", "县", "省直辖县级行政区划", "自治区直辖县级行政区划", "全国")
"""Names of rows that are sums of others, where they have no code."""
MUNICIPALITIES = ("11", "12", "31", "50")
"""First digits of the codes of Beijing, Tianjin, Shanghai and Chongqing, which are province and city in one."""
STRAY_NAME = "首发论坛：经济学家bbs.jjxj.org"
"""A forum's advertisement at the end of the sheet of 2010."""
WRONG_CODE, RIGHT_CODE = "170971", "140971"
"""五台山风景名胜区 in 2020: it stands among the counties of 忻州, and only with it do they add up to 忻州."""
NO_PEOPLE = ("南沙群岛", "中沙群岛的岛礁及其海域")
"""Named without any figure in 2010."""

_SCHOOLING = {
    "no_schooling_persons": ("未上过学", "未上过学"),
    "preschool_persons": (None, "学前教育"),
    "primary_school_persons": ("小学", "小学"),
    "junior_secondary_persons": ("初中", "初中"),
    "senior_secondary_persons": ("高中", "高中"),
    "college_persons": ("大学专科", "大学专科"),
    "university_persons": ("大学本科及以上", "本科及以上"),
}
_PLAIN = {
    2010: {
        "合计": "population_persons",
        "男": "male_persons",
        "女": "female_persons",
        "城镇人口": "urban_persons",
        "户规模（人/户）": "household_size_persons",
        "平均受教育年限（年）-合计": "schooling_6plus_years",
        "15岁及以上文盲人口-合计": "illiterate_15plus_persons",
        "迁入人口（人）-本省其他县（市）、市区": "migrants_same_province_persons",
        "迁入人口（人）-外省": "migrants_other_province_persons",
    },
    2020: {
        "人口数_合计": "population_persons",
        "人口数_男": "male_persons",
        "人口数_女": "female_persons",
        "城镇人口": "urban_persons",
        "户规模": "household_size_persons",
        "平均受教育年限_合计": "schooling_6plus_years",
        "15岁及以上文盲人口": "illiterate_15plus_persons",
        "户口登记地在外乡镇街道人口_本省其他县": "migrants_same_province_persons",
        "户口登记地在外乡镇街道人口_省外": "migrants_other_province_persons",
    },
}
_NAME = {2010: "地区", 2020: "区县"}
_AGE_HEADS = {
    2010: [[f"{_g}（{sex}）" for sex in SEXES] for _g in ("0岁", *(f"{a}岁" for a in AGES[1:-1]), "85岁及以上")],
    2020: [
        [f"{sex}_{_g}" for sex in SEXES]
        for _g in ("0岁", *(f"{a.replace('-', '到')}岁" for a in AGES[1:-1]), "85岁以上")
    ],
}


def _head(text: str) -> str:
    """Return a head of a column without line breaks and with full-width brackets throughout."""
    return text.replace("\n", "").replace("(", "（").replace(")", "）")


def _text(path: Path) -> pl.DataFrame:
    """Return one census sheet as text, with null where the compilers wrote NA."""
    raw = pl.read_excel(path, engine="calamine", infer_schema_length=0)
    raw = raw.rename(_head)
    raw = raw.with_columns(pl.all().cast(pl.String).str.strip_chars())
    return raw.with_columns(pl.when(pl.all() != "NA").then(pl.all()))


def _sheet(path: Path, year: int) -> pl.DataFrame:
    """Return one census sheet: code or null, name, and every figure that we keep; sums without a code are gone."""
    raw = _text(path)

    def number(head: str) -> pl.Expr:
        return pl.col(head).cast(pl.Float64)

    def both(heads: Sequence[str]) -> pl.Expr:
        one, other = heads
        return number(one) + number(other)

    groups = [both(heads) for heads in _AGE_HEADS[year]]

    def people(first: int, last: int | None = None) -> pl.Expr:
        return pl.sum_horizontal(groups[first:last], ignore_nulls=False)

    heads = {ours: old if year != YEAR else new for ours, (old, new) in _SCHOOLING.items()}
    mark = "_" if year == YEAR else "-"
    schooling = [
        (both([f"{head}{mark}{sex}" for sex in SEXES]) if head else pl.lit(None, pl.Float64)).alias(ours)
        for ours, head in heads.items()
    ]
    return raw.select(
        pl.col("区划代码").alias("adcode"),
        pl.col(_NAME[year]).alias("area_name_zh"),
        pl.lit(year, pl.Int64).alias("year"),
        *(number(theirs).alias(ours) for theirs, ours in _PLAIN[year].items()),
        people(0, FIRST_15).alias("age_0_14_persons"),
        people(FIRST_15).alias("age_15plus_persons"),
        people(FIRST_60).alias("age_60plus_persons"),
        people(FIRST_65).alias("age_65plus_persons"),
        people(FIRST_80).alias("age_80plus_persons"),
        *schooling,
    )


def repair_code(frame: pl.DataFrame) -> pl.DataFrame:
    """Correct the code of 五台山风景名胜区 in the sheet of 2020, which begins with 17 instead of 14.

    Evidence: no province has a code of 17; the row stands among the counties of 忻州 (140900), whose published sum it
    completes.

    Raises
    ------
    DataError
        The wrong code is not there exactly once.
    """
    must_touch(frame.filter(adcode=WRONG_CODE).height, 1, repair="repair_code", what=f"code {WRONG_CODE}")
    return frame.with_columns(pl.col("adcode").replace(WRONG_CODE, RIGHT_CODE))


def repair_cells(frame: pl.DataFrame, *, table: pl.DataFrame | None = None) -> pl.DataFrame:
    """Correct the slips of the pen that the sheets themselves prove, by the declared table ``census_repairs``.

    Evidence stands with each row of the table: ages that do not add up to the residents, counties that do not add up to
    their city by exactly the slip of one digit, a time of day for a number.

    Parameters
    ----------
    frame
        One census sheet in our columns.
    table
        Repairs to use in place of the declared table.

    Raises
    ------
    DataError
        A cell does not hold what the table says: the sheet is another edition.
    """
    table = tables.read("census_repairs") if table is None else table
    (year,) = frame["year"].unique()
    for row in table.filter(year=year).iter_rows(named=True):
        cell, column = pl.col("adcode") == row["adcode"], pl.col(row["column"])
        here = cell & column.eq_missing(pl.lit(row["found"], pl.Float64))
        what = f"{row['found']} for {row['column']} of {row['area_name_zh']}"
        must_touch(frame.filter(here).height, 1, repair="repair_cells", what=what)
        frame = frame.with_columns(pl.when(here).then(pl.lit(row["value"])).otherwise(column).alias(row["column"]))
    return frame


def _units(path: Path, year: int) -> pl.DataFrame:
    """Return all provinces, cities and counties of one census with ``level``, ``city`` and ``area_id``.

    A unit without a code (a development zone, a forest district) belongs to the city of the last coded row above it and
    is named by it.
    """
    rows = repair_cells(_sheet(path, year))
    if year == YEAR:
        rows = repair_code(rows)
    no_code = pl.col("adcode").is_null()
    empty = no_code & pl.col("area_name_zh").is_in([STRAY_NAME, *NO_PEOPLE]) & pl.col("population_persons").is_null()
    rows = rows.filter(~empty & ~(no_code & pl.col("area_name_zh").is_in(SUMS)))
    if (lost := rows.filter(pl.col("population_persons").is_null())).height:
        names = lost["area_name_zh"].to_list()
        raise DataError(
            f"{path.name}: no residents for {names[:5]}; expected a figure. Is the row a heading or a remark?"
        )
    above = pl.col("adcode").forward_fill()
    level = (
        pl.when(pl.col("adcode").str.ends_with("0000")).then(pl.lit("province"))
        .when(pl.col("adcode").str.ends_with("00")).then(pl.lit("city"))
        .otherwise(pl.lit("county"))
    )  # fmt: skip
    return rows.with_columns(
        level.alias("level"),
        (above.str.slice(0, 2) + "0000").alias("province_adcode"),
        (above.str.slice(0, 4) + "00").alias("city"),
        pl.coalesce("adcode", above.str.slice(0, 4) + "00-" + pl.col("area_name_zh")).alias("area_id"),
    )


def _named(units: pl.DataFrame, chosen: pl.DataFrame) -> pl.DataFrame:
    """Return the chosen units with the name of their province, without the columns that only served to choose."""
    names = units.filter(level="province").select("province_adcode", pl.col("area_name_zh").alias("province_name_zh"))
    return chosen.join(names, on="province_adcode", how="left", validate="m:1").drop("level", "city")


def _both_years(paths: Sequence[Path], choose: Callable[[pl.DataFrame], pl.DataFrame]) -> pl.LazyFrame:
    old, new = paths
    frames = []
    for path, year in ((old, min(_PLAIN)), (new, max(_PLAIN))):
        units = _units(path, year)
        frames.append(_named(units, choose(units)))
    return pl.concat(frames).lazy()


def parse_counties(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read the censuses of 2010 and 2020 by county, district and county-level city.

    Cities without counties (东莞, 中山, 嘉峪关 and others) stand as they are, and so do the development zones that the
    census of 2020 lists beside the districts without a code of GB/T 2260: only with both is the country complete.
    Borders are those of each census.

    Parameters
    ----------
    paths
        The sheet of 2010, then that of 2020.

    Returns
    -------
    polars.LazyFrame
        One row per unit and census; the rows of a census add up to the country. ``adcode`` is null for a unit without
        one, ``area_id`` then names the city that it belongs to.

    Raises
    ------
    DataError
        A row without residents is not one of those known.
    """

    def choose(units: pl.DataFrame) -> pl.DataFrame:
        counties = units.filter(level="county")
        whole = units.filter(level="city").join(counties, on="city", how="anti")
        return pl.concat([counties, whole])

    return _both_years(paths, choose)


def parse_cities(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read the censuses of 2010 and 2020 by city.

    The four municipalities are one row each under the code of their urban districts (110100). Counties that no city
    governs stand beside the cities. Borders are those of each census: :func:`parse_matched_cities` has 2010 within the
    borders of 2020.

    Parameters
    ----------
    paths
        The sheet of 2010, then that of 2020.

    Returns
    -------
    polars.LazyFrame
        One row per city, prefecture or directly governed county and census; the rows of a census add up to the country.

    Raises
    ------
    DataError
        A row without residents is not one of those known.
    """

    def choose(units: pl.DataFrame) -> pl.DataFrame:
        single = pl.col("province_adcode").str.slice(0, 2).is_in(MUNICIPALITIES)
        city = pl.col("province_adcode").str.slice(0, 2) + "0100"
        whole = units.filter(single & (pl.col("level") == "province")).with_columns(
            city.alias("adcode"), city.alias("area_id")
        )
        cities = units.filter(~single & (pl.col("level") == "city"))
        direct = units.filter(~single & (pl.col("level") == "county")).join(cities, on="city", how="anti")
        return pl.concat([whole, cities, direct])

    return _both_years(paths, choose)


def parse_provinces(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read the censuses of 2010 and 2020 by province.

    Parameters
    ----------
    paths
        The sheet of 2010, then that of 2020.

    Returns
    -------
    polars.LazyFrame
        One row per province of the mainland and census; servicemen belong to no province.

    Raises
    ------
    DataError
        A row without residents is not one of those known.
    """
    provinces = _both_years(paths, lambda units: units.filter(level="province"))
    return provinces.drop("area_id", "area_name_zh", "province_adcode")


# Cells of Beijing's districts -------------------------------------------------------------------------------------

COUNTS = {
    "family_households": "家庭户数",
    "one_person_households": "一人户数",
    "one_generation_households": "一代户数",
    "two_generation_households": "二代户数",
    "three_generation_households": "三代户数",
    "four_generation_households": "四代以上户数",
    "households_one_65plus": "有一个老人",
    "households_two_65plus": "有二个老人",
    "households_three_65plus": "有三个及以上老人",
    "family_household_persons": "家庭户人口数",
    "registered_other_province": "户口登记地在外乡镇街道人口_省外",
    "long_form_households": "家庭户户数_长表",
    "long_form_households_with_car": "拥有家用汽车",
}
"""Counts of a district that are not broken down, and their heads in the sheet of 2020."""
OF_PERSONS = ("family_household_persons", "registered_other_province")
"""Those of them that count persons; the others count households."""
ASKED = "6+"
"""Ages of which the census asks the schooling."""
_DISTRICT_CODE = "^1101(0[1-9]|[1-9][0-9])$"


def parse_district_margins(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read counts of 2020 for Beijing's districts: ages and schooling by sex, households, registration, cars.

    Parameters
    ----------
    paths
        The sheet of 2020.

    Returns
    -------
    polars.LazyFrame
        One row per district and cell of a published table (``indicator``). ``sex``, ``age_group`` and ``schooling`` are
        null where the table is not broken down by them.

    Raises
    ------
    DataError
        Other than sixteen districts have figures, or a cell of theirs is empty.
    """
    (path,) = paths
    raw = _text(path).filter(pl.col("区划代码").str.contains(_DISTRICT_CODE))
    _all_districts(raw, path)
    cells: list[tuple[str, str | None, str | None, str | None, str, str]] = []
    for place, sex in enumerate(SEX_NAMES):
        cells += [
            ("age", sex, group, None, "persons", heads[place])
            for group, heads in zip(AGES, _AGE_HEADS[YEAR], strict=True)
        ]
        cells += [
            ("schooling", sex, ASKED, level, "persons", f"{head}_{SEXES[place]}")
            for level, (_, head) in zip(SCHOOLING[1:], _SCHOOLING.values(), strict=True)
        ]
    cells += [
        (name, None, None, None, "persons" if name in OF_PERSONS else "households", head)
        for name, head in COUNTS.items()
    ]
    names = {n: pl.String for n in ("indicator", "sex", "age_group", "schooling", "unit", "head")}
    told = pl.DataFrame(cells, schema=names, orient="row")
    own = raw.select(
        pl.col("区划代码").alias("adcode"), pl.col(_NAME[YEAR]).alias("district_name_zh"), *told["head"]
    ).unpivot(index=["adcode", "district_name_zh"], variable_name="head")
    rows = own.join(told, on="head", validate="m:1").with_columns(pl.col("value").cast(pl.Float64), year=pl.lit(YEAR))
    if (lost := rows.filter(pl.col("value").is_null())).height:
        at = lost.select("district_name_zh", "head").row(0)
        raise DataError(f"{path.name}: no figure for {at[1]} of {at[0]}; expected a count. Is it another edition?")
    return rows.lazy().drop("head")


MATCHED = {
    "popu": "population_persons",
    "popu_urban": "urban_persons",
    "household": "household_size_persons",
    "age_0_14": "age_0_14_pct",
    "age_15_59": "age_15_59_pct",
    "age_60": "age_60plus_pct",
    "age_65": "age_65plus_pct",
}
NOT_IN_CENSUS = ("810000", "820000")
"""Hong Kong and Macao: in the compilers' list, but counted by censuses of their own."""


def parse_matched_cities(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read cities at both censuses within the borders of 2020, as the compilers matched them from bulletins.

    Hong Kong and Macao are left out. Cells that the compilers left empty are null, as are the rows of places that did
    not exist in 2010.

    Returns
    -------
    polars.LazyFrame
        One row per city and census.

    Raises
    ------
    DataError
        Hong Kong or Macao is not in the file: it is another edition.
    """
    (path,) = paths
    raw = pl.read_csv(path, infer_schema=False).drop("coord")
    away = pl.col("city_code").is_in(NOT_IN_CENSUS)
    must_touch(raw.filter(away).height, len(NOT_IN_CENSUS), repair="parse_matched_cities", what="Hong Kong and Macao")
    raw = raw.filter(~away)

    def of_year(year: int) -> pl.DataFrame:
        figures = [
            pl.when(pl.col(f"{theirs}_{year}") != "").then(f"{theirs}_{year}").cast(pl.Float64).alias(ours)
            for theirs, ours in MATCHED.items()
        ]
        return raw.select(
            pl.col("city_code").alias("adcode"),
            pl.col("city").alias("city_name_zh"),
            pl.col("province_code").alias("province_adcode"),
            pl.lit(year, pl.Int64).alias("year"),
            *figures,
        )

    return pl.concat([of_year(year) for year in _PLAIN]).lazy()
