from __future__ import annotations

import datetime as dt
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from citylab.errors import DataError
from citylab.sources import openaq
from citylab.sources.measurements import wide

Raw = Callable[[str], Path]
FOLDER = "air-format-samples"


def test_version_1_reads_the_three_stations_in_utc(raw: Raw) -> None:
    table = openaq.parse_v1([raw(f"{FOLDER}/openaq_v1_air_quality_long.csv.gz")]).collect()
    assert table.height == 5_272
    assert sorted(table["station_id"].unique()) == ["BETR801", "FR04014", "London Westminster"]
    assert dict(table["indicator"].value_counts().rows()) == {"no2_ugm3": 3_447, "pm25_ugm3": 1_825}
    assert table["datetime_utc"].min() == dt.datetime(2019, 4, 9, 1)
    first = table.row(0, named=True)
    assert (first["datetime_utc"], first["value"]) == (dt.datetime(2019, 6, 18, 6), 18.0)


def test_version_1_becomes_wide_without_losing_a_measurement(raw: Raw) -> None:
    table = wide(openaq.parse_v1([raw(f"{FOLDER}/openaq_v1_air_quality_long.csv.gz")])).collect()
    assert table["no2_ugm3"].count() + table["pm25_ugm3"].count() == 5_272
    assert table.select("station_id", "datetime_utc").is_unique().all()


def test_the_archive_prints_local_time_and_is_read_as_utc(raw: Raw) -> None:
    table = openaq.parse_archive([raw(f"{FOLDER}/openaq_s3_archive_doc_example.csv")]).collect()
    assert table.height == 14
    assert table["datetime_utc"].to_list() == [dt.datetime(2023, 2, 22, 8 + h) for h in range(14)]
    assert table["utc_offset_h"].unique().to_list() == [-7.0]
    assert table["indicator"].unique().to_list() == ["pm10_ugm3"]
    assert table["value"].max() == 318.0


def test_the_archive_is_read_packed_as_it_lies_on_s3(mirror: Path, tmp_path: Path, raw: Raw) -> None:
    plain = raw(f"{FOLDER}/openaq_s3_archive_doc_example.csv")
    packed = tmp_path / "location-2178-20230222.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert openaq.parse_archive([packed]).collect().equals(openaq.parse_archive([plain]).collect())


def test_version_3_stamps_the_end_of_the_hour(mirror: Path) -> None:
    table = openaq.parse_measurements([mirror / f"{FOLDER}/openaq_v3/measurements.json"], station_id="2178").collect()
    assert table.select("datetime_utc", "utc_offset_h", "duration_h", "indicator", "value").rows() == [
        (dt.datetime(2023, 10, 16, 13), -6.0, 1.0, "pm25_ugm3", 6.0),
        (dt.datetime(2023, 10, 16, 14), -6.0, 1.0, "pm25_ugm3", 7.5),
    ]


def test_version_3_with_null_coordinates_and_no_rows_is_read(mirror: Path, tmp_path: Path) -> None:
    path = tmp_path / "empty.json"
    path.write_text(json.dumps({"meta": {}, "results": []}), encoding="utf-8")
    table = openaq.parse_measurements([path], station_id="1").collect()
    assert (table.height, table["value"].dtype.is_float()) == (0, True)


def test_an_error_of_the_service_is_told_with_its_words(tmp_path: Path) -> None:
    path = tmp_path / "body.json"
    path.write_text(json.dumps({"detail": "Too many requests"}), encoding="utf-8")
    with pytest.raises(DataError, match="Too many requests"):
        openaq.parse_measurements([path], station_id="1")


def test_a_location_of_two_files_is_listed_once(mirror: Path) -> None:
    files = [mirror / f"{FOLDER}/openaq_v3/{n}.json" for n in ("locations", "locations_variation")]
    assert openaq.parse_locations(files).collect().rows() == [
        ("2178", "Del Norte", -106.584702, 35.1353, "AirNow, America/Denver")
    ]
