from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citylab import vocabulary
from citylab.errors import DataError, UnitError
from citylab.sources import measurements as m

HOUR = dt.datetime(2024, 7, 1, 8)


def raw(*rows: dict[str, object]) -> pl.LazyFrame:
    plain = {
        "station_id": "a", "datetime_utc": HOUR, "utc_offset_h": None, "duration_h": 1.0, "pollutant": "pm25",
        "unit": "µg/m³", "value": 9.0, "is_valid": True, "flag": None, "instrument_id": "1",
    }  # fmt: skip
    kinds = {n: t for n, t in m.LONG.items() if n != "indicator"}
    return pl.LazyFrame([{**plain, **r} for r in rows], schema={**kinds, "pollutant": pl.String(), "unit": pl.String()})


def test_every_column_that_a_measurement_can_get_is_in_the_vocabulary_with_its_unit() -> None:
    for stem in m.POLLUTANTS:
        for unit in ("µg/m³", "mg/m³", *(() if stem.startswith("pm") else ("ppm", "ppb"))):
            found = m.column_of(stem, unit)
            assert found is not None
            assert vocabulary.column(found[0]).unit in {"µg/m³", "mg/m³", "ppm", "ppb"}


@given(st.sampled_from(sorted(m.POLLUTANTS)), st.floats(0.001, 1e4))
def test_a_mass_in_milligrams_and_in_micrograms_is_one_value(stem: str, milligrams: float) -> None:
    large, small = m.column_of(stem, "mg/m³"), m.column_of(stem, "µg/m³")
    assert large is not None
    assert small is not None
    assert large[0] == small[0]
    assert milligrams * large[1] == pytest.approx(milligrams * 1000.0 * small[1])


@pytest.mark.parametrize("spelling", ["µg/m³", "μg/m³", "µg/m3", "ug/m3", "Micrograms/cubic meter (LC)"])
def test_all_spellings_of_a_microgram_are_one_unit(spelling: str) -> None:
    assert m.column_of("PM2.5", spelling) == ("pm25_ugm3", 1.0)


@given(st.floats(1e-4, 1.0))
def test_a_mixing_ratio_stays_a_mixing_ratio(ppm: float) -> None:
    no2, ozone = m.column_of("no2", "ppm"), m.column_of("o3", "ppb")
    assert no2 == ("no2_ppb", 1000.0)
    assert ozone is not None
    assert ozone[0] == "o3_ppm"
    assert 1000.0 * ppm * ozone[1] == pytest.approx(ppm)


def test_a_particle_in_ppm_is_refused() -> None:
    with pytest.raises(UnitError, match="particles have no mixing ratio"):
        m.column_of("pm25", "ppm")


def test_an_unknown_unit_of_a_known_pollutant_is_refused() -> None:
    with pytest.raises(UnitError, match=r"'no2' is in 'grains'; expected a mass concentration"):
        m.column_of("no2", "grains")


@pytest.mark.parametrize("sentinel", m.SENTINELS)
def test_a_sentinel_is_no_value_and_says_what_it_was(sentinel: float) -> None:
    row = m.long_table(raw({"value": sentinel})).collect().row(0, named=True)
    assert (row["value"], row["is_valid"]) == (None, False)
    assert row["flag"] == f"sentinel {sentinel}"


def test_a_quantity_without_a_column_keeps_its_value_and_says_what_it_is() -> None:
    row = m.long_table(raw({"pollutant": "um003", "unit": "particles/cm³"})).collect().row(0, named=True)
    assert (row["indicator"], row["value"]) == (None, 9.0)
    assert row["flag"] == "no column for um003 [particles/cm³]"


def test_wide_gives_one_row_per_hour_with_a_column_per_quantity() -> None:
    table = m.wide(m.long_table(raw({}, {"pollutant": "no2", "unit": "ppm", "value": 0.02})))
    assert table.collect().rows(named=True) == [
        {"station_id": "a", "datetime_utc": HOUR, "pm25_ugm3": 9.0, "no2_ppb": 20.0}
    ]


def test_wide_leaves_out_what_is_void_or_of_another_averaging_time() -> None:
    rows = m.long_table(raw({}, {"is_valid": False, "value": 1.0}, {"duration_h": 24.0, "value": 4.0})).collect()
    assert m.wide(rows)["pm25_ugm3"].to_list() == [9.0]
    assert m.wide(rows, duration_h=24.0)["pm25_ugm3"].to_list() == [4.0]


def test_wide_refuses_two_instruments_in_one_hour() -> None:
    with pytest.raises(DataError, match=r"2 of 2 .*pm25_ugm3 of a at 2024-07-01 08:00:00 UTC, by the instruments"):
        m.wide(m.long_table(raw({}, {"instrument_id": "2"})))


# Clocks of Denver on 2023-11-05: 01:00 comes twice, first at -06:00, then at -07:00.
def test_the_hour_that_summer_time_repeats_is_two_hours_in_utc() -> None:
    stamps = ["2023-11-05T01:00:00-06:00", "2023-11-05T01:00:00-07:00", "2023-11-05T08:00:00Z"]
    assert pl.DataFrame({"text": stamps}).select(m.moment_utc(pl.col("text"))).to_series().to_list() == [
        dt.datetime(2023, 11, 5, 7), dt.datetime(2023, 11, 5, 8), dt.datetime(2023, 11, 5, 8)
    ]  # fmt: skip


@given(st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2030, 1, 1)), st.integers(-12 * 60, 14 * 60))
def test_a_moment_with_its_offset_is_the_moment_that_python_reads(local: dt.datetime, minutes: int) -> None:
    stamp = local.replace(microsecond=0, tzinfo=dt.timezone(dt.timedelta(minutes=minutes)))
    read = pl.DataFrame({"text": [stamp.isoformat()]}).select(m.moment_utc(pl.col("text"))).item()
    assert read == stamp.astimezone(dt.UTC).replace(tzinfo=None)
