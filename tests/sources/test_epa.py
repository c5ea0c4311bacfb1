from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from citylab.errors import DataError
from citylab.sources import epa
from citylab.sources.measurements import wide

FOLDER = "air-format-samples/epa_aqs"


def test_ozone_is_in_ppm_and_stamped_at_the_end_of_its_hour_in_utc(mirror: Path) -> None:
    table = epa.parse_samples([mirror / f"{FOLDER}/sampleData_byBox.json"]).collect()
    assert table.height == 240
    first = table.row(0, named=True)  # the hour that begins at 00:00 standard time, 06:00 GMT
    assert first["station_id"] == "01-073-1003"
    assert (first["datetime_utc"], first["utc_offset_h"]) == (dt.datetime(2015, 5, 1, 7), -6.0)
    assert (first["indicator"], first["value"]) == ("o3_ppm", 0.039)


def test_local_time_is_standard_time_in_may(mirror: Path) -> None:
    offsets = epa.parse_samples([mirror / f"{FOLDER}/sampleData_byBox.json"]).collect()["utc_offset_h"]
    assert offsets.unique().to_list() == [-6.0]  # Alabama in summer time would be -5


def test_a_sample_without_a_value_is_void_and_says_why(mirror: Path) -> None:
    table = epa.parse_samples([mirror / f"{FOLDER}/sampleData_byBox.json"]).collect()
    void = table.filter(~table["is_valid"])
    assert void["station_id"].to_list() == ["01-117-0004"] * 2
    assert void["flag"].unique().to_list() == ["BF - Precision/Zero/Span."]
    assert wide(table)["o3_ppm"].count() == 238


def test_a_24_hour_filter_does_not_mix_with_the_hours_of_its_site(mirror: Path) -> None:
    table = epa.parse_samples([mirror / f"{FOLDER}/sampleData_byCounty.json"]).collect()
    assert table.height == 25
    assert table["indicator"].unique().to_list() == ["pm25_ugm3"]
    hours = wide(table)
    assert hours.height == 24
    assert hours["datetime_utc"].to_list() == [dt.datetime(2016, 1, 1, 6) + dt.timedelta(hours=h) for h in range(24)]
    day = wide(table, duration_h=24.0)
    assert day.rows() == [("37-183-0014", dt.datetime(2016, 1, 2, 5), 4.3)]


def test_a_remark_beside_a_value_does_not_void_it(mirror: Path) -> None:
    table = epa.parse_samples([mirror / f"{FOLDER}/sampleData_byCounty.json"]).collect()
    remark = table.filter(flag="2 - Operational Deviation.")
    assert remark["is_valid"].to_list() == [True]


def test_a_day_stands_once_per_standard_in_the_daily_service(mirror: Path) -> None:
    days = epa.parse_daily([mirror / f"{FOLDER}/dailyData_byCBSA.json"]).collect()
    assert days.height == 4
    one = days.filter(station_id="37-119-0041")
    assert one["note"].to_list() == ["NO2 1-hour 2010; 1 HOUR", "NO2 Annual 1971; 1 HOUR"]
    assert one.select("indicator", "value", "hour_count", "aqi").unique().rows() == [("no2_ppb", 4.1, 23, 7)]
    assert one["date_standard"].unique().to_list() == [dt.date(2017, 1, 1)]


def test_monitors_give_one_row_per_site_with_its_datum(mirror: Path) -> None:
    sites = epa.parse_monitors([mirror / f"{FOLDER}/monitors_byCounty.json"]).collect()
    assert sites.height == 8
    assert set(sites["note"]) == {"datum WGS84", "datum NAD83"}


BAD = [
    ({"Header": [{"status": "Failed", "error": ["key not found"]}], "Data": []}, "Failed.*key not found"),
    (
        {"Header": [{"status": "Success", "rows": 3}], "Data": [{"state_code": "01"}]},
        "announced 3 rows and the file has 1",
    ),
    ({"Header": [{"status": "Success", "rows": 1}], "Data": [{"code": "01"}]}, "has no field"),
]


@pytest.mark.parametrize(("body", "said"), BAD)
def test_a_body_that_is_no_answer_is_refused(tmp_path: Path, body: dict[str, object], said: str) -> None:
    path = tmp_path / "body.json"
    path.write_text(json.dumps(body), encoding="utf-8")
    with pytest.raises(DataError, match=said):
        epa.parse_samples([path])
