from __future__ import annotations

import csv
import datetime as dt
import random
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citylab import tables
from citylab.air import indices
from citylab.errors import DataError, EditionError, RangeError, SchemaError, UnitError, UnknownNameError

CHINA = ("hj633-2012", "hj633-2026")
DAY = {
    "pm25_ugm3": 20.0, "pm10_ugm3": 40.0, "so2_ugm3": 8.0, "no2_ugm3": 30.0, "co_mgm3": 0.8, "o3_mda8_ugm3": 70.0,
    "o3_max1h_ugm3": 90.0,
}  # fmt: skip


# --- an independent implementation in decimal arithmetic, checked against published values before it is used ----------


def standard(mirror: Path, edition: str) -> dict[str, list[tuple[Decimal, Decimal]]]:
    """Breakpoints as transcribed from the standards' own pages, apart from citylab's table."""
    name = {"hj633-2012": "hj633_2012_table1.csv", "hj633-2026": "hj633_2026_table3.csv"}[edition]
    with (mirror / "reference" / "aqi" / name).open() as file:
        rows = list(csv.DictReader(file))
    columns = [c for c in rows[0] if c != "IAQI"]
    return {c.lower(): [(Decimal(r[c]), Decimal(r["IAQI"])) for r in rows if r[c]] for c in columns}


def by_hand(points: list[tuple[Decimal, Decimal]], text: str, edition: str, indicator: str) -> int | None:
    c = Decimal(text)
    if edition == "hj633-2026":
        c = c.quantize(Decimal("0.1") if indicator.startswith("co") else Decimal(1), rounding=ROUND_HALF_EVEN)
    elif c > points[-1][0] and indicator in ("so2_1h", "o3_8h"):
        return None
    for (c1, i1), (c2, i2) in pairwise(points):
        if c <= c2:
            return int(((i2 - i1) * (c - c1) / (c2 - c1) + i1).to_integral_value(rounding=ROUND_CEILING))
    return int(points[-1][1])


PUBLISHED = [  # indicator, concentration, 2026, 2012
    ("pm25_24h", "35", 50, 50), ("pm25_24h", "36", 52, 52), ("pm25_24h", "48", 76, 67), ("pm25_24h", "75", 114, 100),
    ("pm25_24h", "50", 80, 69), ("pm25_24h", "60", 100, 82), ("pm25_24h", "61", 101, 83), ("so2_1h", "801", 200, None),
    ("pm25_24h", "201", 251, 251), ("pm10_24h", "51", 51, 51), ("pm10_24h", "120", 100, 85),
    ("pm10_24h", "150", 112, 100), ("so2_24h", "150", 100, 100), ("so2_24h", "62", 56, 56),
    ("no2_24h", "150", 135, 135),
    ("no2_24h", "85", 103, 103), ("co_24h", "8", 120, 120), ("co_24h", "2.1", 53, 53), ("o3_8h", "160", 100, 100),
    ("o3_8h", "161", 101, 101), ("o3_8h", "1000", 300, None), ("no2_1h", "85", 43, 43), ("co_1h", "2.1", 21, 21),
    ("so2_1h", "62", 21, 21), ("pm25_24h", "115", 150, 150),
]  # fmt: skip


@pytest.mark.parametrize(("indicator", "text", "new", "old"), PUBLISHED)
def test_published_sub_indices_are_met_by_the_code_and_by_the_test_s_own_arithmetic(mirror, indicator, text, new, old):
    for edition, expected in (("hj633-2026", new), ("hj633-2012", old)):
        assert by_hand(standard(mirror, edition)[indicator], text, edition, indicator) == expected
        frame = pl.DataFrame({"c": [float(text)]})
        assert frame.select(indices.iaqi_expr(indicator, "c", edition=edition)).item() == expected


@pytest.mark.parametrize("edition", CHINA)
def test_the_declared_breakpoints_are_those_of_the_standard_s_page(mirror, edition):
    declared = tables.read("air_aqi_breakpoints").filter(edition=edition)
    for indicator, points in standard(mirror, edition).items():
        own = declared.filter(indicator=indicator).sort("concentration")
        assert own.select("concentration", "index").rows() == [(float(c), int(i)) for c, i in points]


@pytest.mark.parametrize("edition", CHINA)
def test_every_breakpoint_and_its_neighbours_give_the_sub_index_of_decimal_arithmetic(mirror, edition):
    for indicator, points in standard(mirror, edition).items():
        unit = Decimal("0.1") if indicator.startswith("co") else Decimal(1)
        texts = {str(c + k * unit / 2) for c, _ in points for k in range(-4, 5) if c + k * unit / 2 >= 0}
        expected = [by_hand(points, t, edition, indicator) for t in texts]
        frame = pl.DataFrame({"c": [float(t) for t in texts]})
        assert frame.select(indices.iaqi_expr(indicator, "c", edition=edition)).to_series().to_list() == expected


@pytest.mark.parametrize("edition", CHINA)
def test_every_concentration_of_the_scale_gives_the_sub_index_of_decimal_arithmetic(mirror, edition):
    for indicator, points in standard(mirror, edition).items():
        tenths = [Decimal(k) / 10 for k in range(0, int(points[-1][0]) * 10 + 31, 1 if indicator[0] == "c" else 5)]
        texts = [str(t) for t in tenths]
        frame = pl.DataFrame({"c": [float(t) for t in texts]})
        got = frame.select(indices.iaqi_expr(indicator, "c", edition=edition)).to_series().to_list()
        assert got == [by_hand(points, t, edition, indicator) for t in texts]


@given(st.decimals(0, 999, places=4), st.sampled_from(["pm25_24h", "pm10_24h", "no2_24h", "co_24h", "o3_8h"]))
def test_any_decimal_is_rounded_and_interpolated_as_on_paper(value, indicator):
    rows = tables.read("air_aqi_breakpoints").filter(edition="hj633-2026", indicator=indicator).sort("index")
    points = [(Decimal(str(c)), Decimal(i)) for c, i in rows.select("concentration", "index").rows()]
    frame = pl.DataFrame({"c": [float(value)]})
    got = frame.select(indices.iaqi_expr(indicator, "c", edition="hj633-2026")).item()
    assert got == by_hand(points, str(value), "hj633-2026", indicator)


@given(st.integers(0, 10**7), st.integers(0, 3))
def test_rounding_is_half_to_even_on_the_written_decimals(number, decimals):
    text = Decimal(number) / Decimal(10 ** (decimals + 1))
    expected = text.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_EVEN)
    got = pl.DataFrame({"x": [float(text)]}).select(indices.round_half_even(pl.col("x"), decimals)).item()
    assert got == pytest.approx(float(expected), abs=1e-12)


@given(st.lists(st.floats(0, 1500), min_size=2, max_size=50), st.sampled_from(CHINA))
def test_a_higher_concentration_never_has_a_lower_sub_index(values, edition):
    frame = pl.DataFrame({"c": sorted(values)})
    assert frame.select(indices.iaqi_expr("pm25_24h", "c", edition=edition)).to_series().is_sorted()


@given(st.floats(0, 2000, exclude_max=True))
def test_the_2026_edition_is_never_milder_than_that_of_2012_for_whole_concentrations(value):
    frame = pl.DataFrame({"c": [float(int(value))]})
    for indicator in ("pm25_24h", "pm10_24h"):
        old, new = frame.select(indices.iaqi_expr(indicator, "c", edition=e).alias(e) for e in CHINA).row(0)
        assert new >= old


# --- levels -----------------------------------------------------------------------------------------------------------


def test_levels_change_one_above_their_upper_ends():
    ends = {50: 1, 51: 2, 100: 2, 101: 3, 150: 3, 151: 4, 200: 4, 201: 5, 300: 5, 301: 6, 500: 6}
    for index, level in ends.items():
        c = indices.concentration_at("pm25", index, edition="hj633-2012")
        found = indices.aqi_of(pm25_ugm3=c, edition="hj633-2012")
        assert (found.value, found.level) == (index, level)


def test_heavy_pollution_is_china_s_purple_and_not_the_american_one():
    assert indices.aqi_of(pm25_ugm3=200, edition="hj633-2026").color == "#99004C"
    assert indices.aqi_of(pm25_ugm3=200, edition="us-epa-2024").color == "#8F3F97"
    names = indices.levels("hj633-2026")["name_zh"].to_list()
    assert names == ["优", "良", "轻度污染", "中度污染", "重度污染", "严重污染"]


@pytest.mark.parametrize("edition", indices.editions()["edition"].to_list())
def test_the_levels_of_an_edition_leave_no_gap(edition):
    rows = indices.levels(edition).select("index_low", "index_high").rows()
    assert all(high + 1 == low for (_, high), (low, _) in pairwise(rows))


# --- frames -----------------------------------------------------------------------------------------------------------


def days(n: int = 1, **changes: object) -> pl.DataFrame:
    rows = {"date_local": [dt.date(2026, 3, 1)] * n, **{k: [v] * n for k, v in DAY.items()}, **changes}
    return pl.DataFrame(rows, strict=False)


def one(frame: pl.DataFrame, **options: object) -> dict[str, object]:
    return indices.aqi(frame, **options).row(0, named=True)


def test_the_index_is_the_largest_sub_index_and_names_its_pollutant():
    row = one(days(pm25_ugm3=[75.0]))
    assert (row["aqi"], row["aqi_primary"], row["aqi_level"], row["aqi_level_name_zh"]) == (114, "pm25", 3, "轻度污染")
    assert row["aqi"] == max(v for k, v in row.items() if k.endswith("_iaqi"))


def test_ties_are_all_primary():
    row = one(days(pm25_ugm3=[115.0], pm10_ugm3=[250.0]))
    assert (row["aqi"], row["aqi_primary"]) == (150, "pm25+pm10")


def test_there_is_no_primary_pollutant_up_to_50_and_one_from_51():
    assert one(days(pm25_ugm3=[35.0]))["aqi_primary"] is None
    assert one(days(pm25_ugm3=[35.0]))["aqi"] == 50
    assert one(days(pm10_ugm3=[51.0]))["aqi_primary"] == "pm10"


def test_clean_air_is_1_in_2026_and_0_in_2012():
    clean = days(**{k: [0.0] for k in DAY})
    assert one(clean, edition="hj633-2026")["aqi"] == 1
    assert one(clean, edition="hj633-2026")["pm25_iaqi"] == 0
    assert one(clean, edition="hj633-2012")["aqi"] == 0


def test_the_index_ends_at_500():
    assert one(days(pm25_ugm3=[1500.0]))["aqi"] == 500


def test_by_date_changes_the_edition_at_the_first_of_march_2026_and_records_it():
    frame = days(2, date_local=[dt.date(2026, 2, 28), dt.date(2026, 3, 1)], pm25_ugm3=[75.0, 75.0])
    table = indices.aqi(frame)
    assert table["aqi"].to_list() == [100, 114]
    assert table["aqi_edition"].to_list() == list(CHINA)


def test_by_date_gives_each_row_what_its_edition_alone_would_give():
    random.seed(5)
    n = 300
    frame = pl.DataFrame(
        {
            "date_local": [dt.date(2026, 1, 1) + dt.timedelta(days=random.randrange(120)) for _ in range(n)],
            **{
                k: [None if random.random() < 0.1 else random.uniform(0, 3 * v) for _ in range(n)]
                for k, v in DAY.items()
            },
        }
    )
    mixed = indices.aqi(frame)
    for edition in CHINA:
        alone = indices.aqi(frame, edition=edition).filter(mixed["aqi_edition"] == edition)
        assert alone.equals(mixed.filter(pl.col("aqi_edition") == edition))


def test_a_day_before_any_edition_has_no_index_and_says_so():
    row = one(days(date_local=[dt.date(2008, 8, 8)]))
    assert (row["aqi"], row["aqi_edition"], row["aqi_reason"], row["aqi_level_name_en"]) == (
        None,
        None,
        "no_edition",
        None,
    )
    with pytest.raises(RangeError, match="2008-08-08"):
        indices.aqi_of(pm25_ugm3=60, date="2008-08-08")


def test_one_edition_can_be_asked_for_over_the_whole_span():
    frame = days(2, date_local=[dt.date(2008, 8, 8), dt.date(2026, 3, 1)], pm25_ugm3=[75.0, 75.0])
    assert indices.aqi(frame, edition="hj633-2026")["aqi"].to_list() == [114, 114]


def test_a_lazy_frame_stays_lazy_and_streams_to_the_same_rows():
    frame = days(3, pm25_ugm3=[10.0, 75.0, 300.0])
    lazy = indices.aqi(frame.lazy())
    assert isinstance(lazy, pl.LazyFrame)
    eager = indices.aqi(frame)
    assert lazy.collect(engine="streaming").equals(eager)


@settings(max_examples=40)
@given(st.permutations(range(6)))
def test_the_order_of_rows_does_not_matter(order):
    frame = days(6, pm25_ugm3=[10.0, 75.0, 300.0, None, 35.5, 61.0])
    assert indices.aqi(frame[list(order)]).equals(indices.aqi(frame)[list(order)])


# --- missing, invalid, wrong ------------------------------------------------------------------------------------------


def test_in_2026_a_missing_pollutant_silences_an_index_up_to_100_and_not_one_above():
    row = one(days(pm25_ugm3=[60.0], so2_ugm3=[None]))
    assert (row["aqi"], row["aqi_reason"], row["aqi_missing"], row["aqi_level"]) == (
        None,
        "missing_pollutant",
        "so2",
        None,
    )
    assert (row["pm25_iaqi"], row["aqi_primary"]) == (100, None)
    row = one(days(pm25_ugm3=[61.0], so2_ugm3=[None]))
    assert (row["aqi"], row["aqi_reason"], row["aqi_missing"], row["aqi_primary"]) == (101, None, "so2", "pm25")


def test_in_2012_the_rest_give_the_index_and_the_missing_one_is_named():
    row = one(days(pm25_ugm3=[60.0], so2_ugm3=[None]), edition="hj633-2012")
    assert (row["aqi"], row["aqi_missing"]) == (82, "so2")


def test_a_pollutant_outside_the_monitoring_plan_is_not_missing():
    row = one(days().drop("so2_ugm3"), not_monitored=["so2"])
    assert (row["aqi"], row["aqi_missing"]) == (40, None)  # PM10
    assert "so2_iaqi" not in row


def test_a_row_without_any_value_has_no_index():
    row = one(days(**{k: [None] for k in DAY}))
    assert (row["aqi"], row["aqi_reason"], row["aqi_primary"]) == (None, "no_data", None)
    assert row["aqi_missing"] == "pm25+pm10+so2+no2+co+o3"


@pytest.mark.parametrize("bad", [-1.0, -999.0, 9999.0])
def test_a_negative_or_impossible_value_is_left_out_and_named(bad):
    row = one(days(pm25_ugm3=[bad], pm10_ugm3=[180.0]))
    assert (row["pm25_iaqi"], row["aqi_invalid"], row["aqi_missing"], row["aqi"]) == (None, "pm25", "pm25", 124)


def test_nan_is_missing_and_not_invalid():
    row = one(days(pm25_ugm3=[float("nan")], pm10_ugm3=[180.0]))
    assert (row["pm25_iaqi"], row["aqi_invalid"], row["aqi_missing"]) == (None, None, "pm25")


@pytest.mark.parametrize("lazy", [False, True])
def test_co_in_micrograms_is_refused_and_not_called_500(lazy):
    frame = days(co_mgm3=[800.0])
    with pytest.raises(UnitError, match="look like µg/m³"):
        indices.aqi(frame.lazy()).collect() if lazy else indices.aqi(frame)


def test_a_missing_column_is_named_at_the_call_with_what_it_must_hold():
    with pytest.raises(SchemaError, match=r"'o3_mda8_ugm3' \(highest 8-hour mean of the day, µg/m³\)"):
        indices.aqi(days().drop("o3_mda8_ugm3").lazy())


def test_the_daily_mean_of_ozone_is_not_taken_for_its_8_hour_maximum():
    with pytest.raises(SchemaError, match="o3_mda8_ugm3"):
        indices.aqi(days().rename({"o3_mda8_ugm3": "o3_ugm3"}))


def test_an_unknown_edition_offers_near_ones():
    with pytest.raises(UnknownNameError, match="hj633-2026"):
        indices.aqi(days(), edition="hj633-2025")


def test_by_date_without_a_date_names_the_way_to_make_one():
    with pytest.raises(SchemaError, match="date_of_hour"):
        indices.aqi(days().drop("date_local"))


def test_a_clock_with_a_zone_names_the_way_to_the_wall_clock():
    frame = days().with_columns(pl.col("date_local").cast(pl.Datetime("ms", "UTC")))
    with pytest.raises(SchemaError, match="to_local"):
        indices.aqi(frame)


def test_text_in_place_of_numbers_is_refused():
    with pytest.raises(SchemaError, match="numbers"):
        indices.aqi(days().with_columns(pl.col("pm25_ugm3").cast(pl.String)))


def test_an_index_that_knows_no_days_says_so():
    with pytest.raises(EditionError, match="hour only"):
        indices.aqi(days(), edition="eea-2025", period="day")


# --- the two hourly sets ----------------------------------------------------------------------------------------------


def hours(**changes: object) -> pl.DataFrame:
    base = {
        "date_local": dt.date(2026, 3, 1), "pm25_ugm3": 20.0, "pm10_ugm3": 30.0, "so2_ugm3": 8.0, "no2_ugm3": 30.0,
        "co_mgm3": 0.8, "o3_ugm3": 70.0, "pm25_24h_ugm3": 30.0, "pm10_24h_ugm3": 45.0, "o3_8h_ugm3": 60.0,
    }  # fmt: skip
    return pl.DataFrame({k: [v] for k, v in {**base, **changes}.items()})


def test_hours_of_2012_take_the_running_day_of_particles_and_those_of_2026_the_hour():
    frame = hours(pm25_ugm3=115.0, pm25_24h_ugm3=75.0)
    assert one(frame, period="hour", edition="hj633-2012")["pm25_iaqi"] == 100
    assert one(frame, period="hour", edition="hj633-2026")["pm25_iaqi"] == 150


def test_hours_of_2012_can_follow_the_portals_and_are_labelled_then():
    row = one(hours(pm25_ugm3=115.0, pm25_24h_ugm3=75.0), period="hour", edition="hj633-2012", hourly_pm="1h")
    assert (row["pm25_iaqi"], row["aqi_edition"]) == (150, "hj633-2012+pm-1h")


def test_hourly_so2_above_800_is_200_in_2026_and_the_day_s_sub_index_in_2012():
    assert one(hours(so2_ugm3=900.0), period="hour", edition="hj633-2026")["so2_iaqi"] == 200
    assert one(hours(so2_ugm3=900.0), period="hour", edition="hj633-2012")["so2_iaqi"] is None
    with_day = hours(so2_ugm3=900.0, so2_24h_ugm3=475.0)
    assert one(with_day, period="hour", edition="hj633-2012")["so2_iaqi"] == 150
    assert one(hours(so2_ugm3=500.0, so2_24h_ugm3=475.0), period="hour", edition="hj633-2012")["so2_iaqi"] == 100


def test_ozone_over_8_hours_above_800_is_300_in_2026_and_that_of_the_hour_in_2012():
    assert one(days(o3_mda8_ugm3=[900.0]), edition="hj633-2026")["o3_iaqi"] == 300
    assert one(days(o3_mda8_ugm3=[900.0], o3_max1h_ugm3=[1000.0]), edition="hj633-2012")["o3_iaqi"] == 400


def test_the_day_of_2012_counts_the_highest_hour_of_ozone_and_that_of_2026_does_not():
    frame = days(o3_max1h_ugm3=[300.0])
    assert one(frame, edition="hj633-2012")["o3_iaqi"] == 150
    assert one(frame, edition="hj633-2026")["o3_iaqi"] == 35


def test_the_needed_columns_follow_the_indicator_sets_of_the_standards():
    assert len(indices.needed_columns("hj633-2012")) == 7
    assert len(indices.needed_columns("hj633-2026")) == 6
    assert len(indices.needed_columns("hj633-2012", period="hour")) == 7
    assert len(indices.needed_columns("hj633-2026", period="hour")) == 6


# --- United States ----------------------------------------------------------------------------------------------------


def epa(indicator: str, value: float, **options: object) -> int | None:
    frame = pl.DataFrame({"c": [value]})
    return frame.select(indices.iaqi_expr(indicator, "c", edition="us-epa-2024", **options)).item()


@pytest.mark.parametrize(
    ("indicator", "value", "expected"),
    [("o3_8h", 0.07853333, 126), ("pm25_24h", 35.9, 102), ("co_8h", 8.4, 90), ("o3_1h", 0.104, None),
     ("o3_1h", 0.162, 147), ("pm25_24h", 9.0, 50), ("pm25_24h", 9.1, 51), ("pm25_24h", 9.09, 50),
     ("pm25_24h", 55.5, 151), ("pm25_24h", 125.4, 200),
     ("pm25_24h", 225.4, 300), ("pm25_24h", 300.0, 449), ("pm25_24h", 325.4, 500), ("pm25_24h", 900.0, 500)],
)  # fmt: skip
def test_epa_s_printed_examples_are_met(indicator, value, expected):
    assert epa(indicator, value) == expected


def test_epa_s_printed_day_has_126_for_ozone():
    found = indices.aqi_of(
        o3_mda8_ppm=0.07853333, o3_max1h_ppm=0.104, pm25_ugm3=35.9, co_max8h_ppm=8.4, edition="us-epa-2024"
    )
    assert (found.value, found.primary, found.sub_indices["pm25"], found.sub_indices["co"]) == (126, ("o3",), 102, 90)


def test_every_epa_breakpoint_and_its_neighbours_follow_truncation_and_equation_1(mirror):
    with (mirror / "reference" / "aqi" / "epa_2024_table6.csv").open() as file:
        rows = list(csv.DictReader(file))
    places = {"O3_8h": 3, "O3_1h": 3, "PM25": 1, "PM10": 0, "CO": 1, "NO2_1h": 0}
    names = {"PM25": "pm25_24h", "PM10": "pm10_24h", "CO": "co_8h"}
    for head, decimals in places.items():
        segments = [
            (Decimal(r[f"{head}_lo"]), Decimal(r[f"{head}_hi"]), Decimal(r["AQI_lo"]), Decimal(r["AQI_hi"]))
            for r in rows
            if r[f"{head}_lo"]
        ]
        step = Decimal(1).scaleb(-decimals)
        for lo, hi, *_ in segments:
            for c in {b + k * step / 4 for b in (lo, hi) for k in range(-6, 7)}:
                cut = c.quantize(step, rounding=ROUND_FLOOR)
                inside = [s for s in segments if s[0] <= cut <= s[1]]
                if c < 0 or not inside:
                    continue
                low, high, il, ih = inside[0]
                want = ((ih - il) / (high - low) * (cut - low) + il).quantize(Decimal(1), rounding=ROUND_HALF_UP)
                assert epa(names.get(head, head.lower()), float(c)) == int(want), (head, c)


def test_so2_of_the_hour_is_200_at_most_and_the_day_takes_over_from_305():
    def so2(**c: float) -> int | None:
        return indices.aqi_of(edition="us-epa-2024", **c).sub_indices["so2"]

    assert so2(so2_max1h_ppb=304.0, so2_ppb=10.0) == 200
    assert so2(so2_max1h_ppb=700.0, so2_ppb=304.0) == 200
    assert so2(so2_max1h_ppb=700.0, so2_ppb=305.0) == 201
    assert so2(so2_max1h_ppb=75.0, so2_ppb=10.0) == 100


def test_ozone_over_8_hours_never_gives_more_than_300():
    assert epa("o3_8h", 0.200) == 300
    assert epa("o3_8h", 0.201) is None
    found = indices.aqi_of(o3_mda8_ppm=0.25, o3_max1h_ppm=0.405, edition="us-epa-2024")
    assert found.value == 301


def test_above_500_the_last_line_goes_on_only_when_asked():
    # slope (500-301)/(325.4-225.5) = 1.991992; 400.0 -> 301 + 1.991992 * 174.5 = 648.6
    assert epa("pm25_24h", 400.0) == 500
    assert epa("pm25_24h", 400.0, beyond="extrapolate") == 649
    with pytest.raises(EditionError, match="ends at 500"):
        indices.iaqi_expr("pm25_24h", "c", edition="hj633-2026", beyond="extrapolate")


def test_gases_in_mass_units_need_their_reference_state_and_differ_by_it():
    mass = {"o3_mda8_ugm3": 137.0, "edition": "us-epa-2024"}
    with pytest.raises(SchemaError, match="CN-2012"):
        indices.aqi_of(**mass)
    # 137 / 1.9619 = 69.83 ppb -> 0.069 -> 51 + 49/15 * 14 = 96.7 -> 97; at 273.15 K 137 / 2.1414 = 63.98 -> 0.063 -> 77
    assert indices.aqi_of(**mass, reference="US").value == 97
    assert indices.aqi_of(**mass, reference="CN-2012").value == 77


def nowcast_by_hand(newest_first: list[float | None]) -> float | None:
    have = [(i, c) for i, c in enumerate(newest_first) if c is not None]
    if sum(i < 3 for i, _ in have) < 2:
        return None
    top, low = max(c for _, c in have), min(c for _, c in have)
    w = max(low / top, 0.5) if top else 1.0
    return sum(w**i * c for i, c in have) / sum(w**i for i, _ in have)


HOUR = dt.datetime(2024, 6, 1)


@given(st.lists(st.one_of(st.none(), st.floats(0, 500)), min_size=12, max_size=12), st.booleans(), st.randoms())
def test_nowcast_is_its_formula_whether_an_hour_is_null_or_its_row_absent(newest_first, drop, rnd):
    rows = [(HOUR - dt.timedelta(hours=i), c) for i, c in enumerate(newest_first)]
    rows += [(HOUR - dt.timedelta(hours=20), 444.0)]
    if drop:
        rows = [r for r in rows if r[1] is not None or r[0] == HOUR]
    rnd.shuffle(rows)
    frame = pl.DataFrame(rows, schema={"datetime_local": pl.Datetime("ms"), "pm25_ugm3": pl.Float64}, orient="row")
    got = frame.with_columns(n=indices.nowcast_expr("pm25_ugm3", by=None)).filter(datetime_local=HOUR)["n"].item()
    want = nowcast_by_hand(newest_first)
    assert got is None if want is None else got == pytest.approx(want, rel=1e-9, abs=1e-12)


def test_nowcast_does_not_reach_into_another_station():
    one_station = pl.DataFrame(
        {"station_id": "a", "datetime_local": [HOUR + dt.timedelta(hours=i) for i in range(12)], "pm25_ugm3": 10.0}
    )
    other = one_station.with_columns(station_id=pl.lit("b"), pm25_ugm3=pl.lit(500.0))
    both = pl.concat([one_station, other]).with_columns(n=indices.nowcast_expr("pm25_ugm3"))
    assert both.filter(station_id="a")["n"].drop_nulls().unique().to_list() == [10.0]


def us_hours() -> pl.DataFrame:
    n = 12
    return pl.DataFrame(
        {
            "station_id": ["a"] * n,
            "datetime_local": [HOUR + dt.timedelta(hours=i) for i in range(n)],
            "pm25_ugm3": [10.0, 12.0, 15.0, 15.0, 18.0, 20.0, 20.0, 25.0, 30.0, 40.0, 45.0, 50.0],
        }
    )


REST = ["pm10", "so2", "no2", "co", "o3"]


def test_the_american_hour_uses_nowcast():
    # 44.508 -> 44.5 -> 101 + 49/19.9 * 9.0 = 123.16
    table = indices.aqi(us_hours(), edition="us-epa-2024", period="hour", not_monitored=REST)
    assert table["aqi"][-1] == 123
    assert table["aqi"][0] is None


def test_nowcast_refuses_an_hour_that_is_there_twice():
    frame = pl.concat([us_hours(), us_hours().tail(1)])
    with pytest.raises(DataError, match="twice"):
        indices.aqi(frame, edition="us-epa-2024", period="hour", not_monitored=REST)


# --- Europe, United Kingdom -------------------------------------------------------------------------------------------


def europe(edition: str = "eea-2025", **changes: object) -> dict[str, object]:
    base = {
        "pm25_ugm3": 4.0,
        "pm10_ugm3": 10.0,
        "no2_ugm3": 8.0,
        "o3_ugm3": 50.0,
        "pm25_24h_ugm3": 4.0,
        "pm10_24h_ugm3": 10.0,
    }
    return one(
        pl.DataFrame({k: [v] for k, v in {**base, **changes}.items()}, strict=False), edition=edition, period="hour"
    )


def test_the_upper_bound_of_a_european_band_belongs_to_it():
    assert [europe(pm25_ugm3=v)["aqi"] for v in (5.0, 5.1, 15.0, 50.0, 90.0, 140.0, 140.1)] == [1, 2, 2, 3, 4, 5, 6]
    assert europe(pm25_ugm3=140.1)["aqi_color"] == "#7D2181"
    assert [europe("eea-2017", pm25_24h_ugm3=v)["aqi"] for v in (10.0, 10.1, 25.0, 50.0, 50.1)] == [1, 2, 3, 4, 5]


def test_a_european_station_with_too_few_pollutants_is_shown_only_when_poor():
    row = europe(o3_ugm3=None)
    assert (row["aqi"], row["aqi_reason"]) == (None, "not_qualified")
    assert europe(o3_ugm3=None, station_type="traffic")["aqi"] == 1
    assert europe(o3_ugm3=None, pm25_ugm3=51.0)["aqi"] == 4


def test_the_british_index_rounds_once_and_has_ten_steps_in_four_bands():
    def uk(v: float) -> indices.Aqi:
        return indices.aqi_of(pm25_ugm3=v, edition="uk-daqi")

    assert [uk(v).value for v in (11.0, 11.4, 11.5, 23.0, 35.0, 36.0, 53.4, 70.4, 70.5)] == [1, 1, 2, 2, 3, 4, 6, 9, 10]
    assert [uk(v).level_name_en for v in (35, 36, 54, 71)] == ["Low", "Moderate", "High", "Very high"]
    assert [uk(v).level for v in (35, 36, 54, 71)] == [1, 2, 3, 4]
    assert uk(1).color == "#9CFF9C"


# --- scalars, inverse, editions together ------------------------------------------------------------------------------


def test_a_scalar_and_a_frame_agree():
    found = indices.aqi_of(**DAY, edition="hj633-2012")
    row = one(days(), edition="hj633-2012")
    assert (found.value, found.level_name_en, found.color) == (row["aqi"], row["aqi_level_name_en"], row["aqi_color"])
    assert found.tidy().height == 6


def test_a_scalar_not_passed_is_not_monitored_and_none_is_missing():
    assert indices.aqi_of(pm25_ugm3=35, edition="hj633-2026").value == 50
    silent = indices.aqi_of(pm25_ugm3=35, so2_ugm3=None, edition="hj633-2026")
    assert (silent.value, silent.reason, silent.missing) == (None, "missing_pollutant", ("so2",))


def test_a_scalar_of_an_unknown_name_offers_near_ones():
    with pytest.raises(UnknownNameError, match="pm25_ugm3"):
        indices.aqi_of(pm25=35, edition="hj633-2026")
    with pytest.raises(SchemaError, match="at least one"):
        indices.aqi_of(edition="hj633-2026")


@pytest.mark.parametrize("edition", CHINA)
@pytest.mark.parametrize("pollutant", ["pm25", "pm10", "so2", "no2", "co", "o3"])
def test_the_inverse_leads_back_to_the_index(edition, pollutant):
    for index in (1, 50, 51, 100, 149, 150, 200, 273, 300):
        c = indices.concentration_at(pollutant, index, edition=edition)
        rule = {"co": "co_24h", "o3": "o3_8h"}.get(pollutant, f"{pollutant}_24h")
        frame = pl.DataFrame({"c": [c]})
        points = tables.read("air_aqi_breakpoints").filter(edition=edition, indicator=rule)
        assert points["concentration"].min() <= c <= points["concentration"].max()
        if edition == "hj633-2012":
            assert frame.select(indices.iaqi_expr(rule, "c", edition=edition)).item() == index


def test_the_inverse_refuses_what_the_scale_does_not_have():
    with pytest.raises(RangeError, match="no sub-index 600"):
        indices.concentration_at("pm25", 600, edition="hj633-2026")
    with pytest.raises(RangeError, match="no sub-index 400"):
        indices.concentration_at("o3", 400, edition="hj633-2026")


def test_editions_are_not_averaged_without_being_told():
    frame = days(2, date_local=[dt.date(2026, 2, 28), dt.date(2026, 3, 1)], pm25_ugm3=[75.0, 75.0])
    table = indices.aqi(frame)
    with pytest.raises(EditionError, match="2 editions"):
        indices.mean_aqi(table)
    with pytest.raises(EditionError, match="2 editions"):
        indices.mean_aqi(table.lazy(), by="date_local").collect()
    assert indices.mean_aqi(table, allow_mixed=True).row(0) == (107.0, 2, "hj633-2012+hj633-2026")
    assert indices.mean_aqi(indices.aqi(frame, edition="hj633-2026")).row(0) == (114.0, 2, "hj633-2026")
    assert indices.check_one_edition(table.head(1)).equals(table.head(1))


def test_a_city_is_its_mean_concentration_and_not_the_mean_of_its_indices():
    stations = pl.concat([days(pm25_ugm3=[10.0]), days(pm25_ugm3=[140.0])]).with_columns(
        station_id=pl.Series(["a", "b"])
    )
    city = indices.city_concentrations(stations, min_stations=2)
    # mean 75 -> 114; mean of the indices (15 + 186)/2 = 100.5
    assert indices.aqi(city)["aqi"].item() == 114
    assert city["pm25_station_count"].item() == 2


def test_a_city_with_too_few_stations_has_no_value():
    stations = days(2, pm25_ugm3=[10.0, None]).with_columns(station_id=pl.Series(["a", "b"]))
    city = indices.city_concentrations(stations, min_stations=2)
    assert (city["pm25_ugm3"].item(), city["pm25_station_count"].item(), city["pm10_ugm3"].item()) == (None, 1, 40.0)
    with pytest.raises(RangeError, match="at least 1"):
        indices.city_concentrations(stations, min_stations=0)


# --- from hourly means ------------------------------------------------------------------------------------------------

HOURLY = {"pm25_ugm3": 20.0, "pm10_ugm3": 40.0, "so2_ppb": 5.0, "no2_ppb": 20.0, "co_ppm": 1.0, "o3_ppm": 0.03}


def hourly(**columns: list[float | None]) -> pl.DataFrame:
    start = dt.datetime(2024, 6, 1)
    times = [start + dt.timedelta(hours=h) for h in range(24)]
    return pl.DataFrame({"station_id": ["a"] * 24, "datetime_local": times, **columns})


def test_the_us_index_of_hours_is_that_of_their_highest_hour_and_eight_hours():
    # NO2: one hour of 150 ppb; CO: 9.5 ppm from 16:00 on; both by EPA's table 5: 101-360 ppb are 101-150,
    # 9.5-12.4 ppm are 101-150. NO2: 101 + 49 / 259 · 49 = 110.3; CO: 101. Means of the day would give 25 and 43.
    no2, co = [20.0] * 23 + [150.0], [1.0] * 16 + [9.5] * 8
    frame = hourly(**{c: [v] * 24 for c, v in HOURLY.items()} | {"no2_ppb": no2, "co_ppm": co})
    days = indices.index_concentrations(frame, edition="us-epa-2024", stamp="starting")
    assert days.select("no2_max1h_ppb", "co_max8h_ppm", "so2_max1h_ppb").row(0) == (150.0, 9.5, 5.0)
    # Of ozone's windows, which begin at 07:00 to 23:00, 13 need 6 hours: of one day alone 12 have them.
    assert days["o3_mda8_ppm"].item() is None
    found = indices.aqi(days, edition="us-epa-2024").row(0, named=True)
    assert (found["no2_iaqi"], found["co_iaqi"]) == (110, 101)
    assert (found["aqi"], found["aqi_primary"], found["aqi_missing"]) == (110, "no2", "o3")


def test_the_uk_index_of_hours_needs_fifteen_minutes_of_so2_or_none():
    frame = hourly(**{c: [30.0] * 24 for c in ("pm25_ugm3", "pm10_ugm3", "so2_ugm3", "no2_ugm3", "o3_ugm3")})
    with pytest.raises(SchemaError, match=r"15-minute mean.*not_monitored"):
        indices.index_concentrations(frame, edition="uk-daqi", stamp="starting")
    days = indices.index_concentrations(frame, edition="uk-daqi", stamp="starting", not_monitored=["so2"])
    # Defra's bands: PM2.5 of 24 to 35 is 3, PM10 of 17 to 33 is 2, NO2 to 67 and O3 to 33 are 1.
    found = indices.aqi(days, edition="uk-daqi", not_monitored=["so2"]).row(0, named=True)
    assert [found[f"{p}_iaqi"] for p in ("pm25", "pm10", "no2", "o3")] == [3, 2, 1, 1]


@pytest.mark.parametrize("edition", ["by-date", "hj633-2012", "hj633-2026", "us-epa-2024"])
def test_what_is_made_of_hours_is_what_an_edition_asks_for(edition: str) -> None:
    columns = ["pm25_ugm3", "pm10_ugm3", "so2_ugm3", "no2_ugm3", "co_mgm3", "o3_ugm3"]
    frame = hourly(**{c: [3.0] * 24 for c in columns})
    asked = ("hj633-2012", "hj633-2026") if edition == "by-date" else (edition,)
    for period in ("day", "hour"):
        made = indices.index_concentrations(frame, edition=edition, period=period, stamp="starting")
        for one in asked:
            assert set(indices.needed_columns(one, period=period)) <= set(made.columns)
    assert made.height == 24


def test_running_means_of_hours_count_hours_without_a_row_as_missing():
    frame = hourly(o3_ugm3=[float(h) for h in range(24)]).filter(pl.col("datetime_local").dt.hour() != 5)
    made = indices.index_concentrations(
        frame, edition="uk-daqi", period="hour", stamp="starting", not_monitored=["pm25", "pm10", "so2", "no2"]
    )
    # Hours 0 to 7 without 5: (0 + 1 + 2 + 3 + 4 + 6 + 7) / 7.
    assert made.filter(pl.col("datetime_local").dt.hour() == 7)["o3_8h_ugm3"].item() == pytest.approx(23 / 7)


def test_a_pollutant_that_is_asked_for_and_missing_is_named():
    with pytest.raises(SchemaError, match="co_mgm3"):
        indices.index_concentrations(hourly(pm25_ugm3=[1.0] * 24), edition="hj633-2026", stamp="starting")
