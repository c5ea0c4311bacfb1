"""The small seeded version of calibration/simulate.py."""

from __future__ import annotations

from calibration import binomial_band
from calibration import simulate as coverage


def test_intervals_cover_planted_truths_about_as_often_as_they_say(monkeypatch):
    monkeypatch.setattr(coverage, "HOUSEHOLDS", 2_000)
    monkeypatch.setattr(coverage, "SAMPLE", 200)
    monkeypatch.setattr(coverage, "DRAWS", 64)
    rows = {row.what: row for row in coverage.run(24, 5)}
    assert len(rows) > 8
    low, _ = binomial_band(coverage.LEVEL, 24, level=0.999)
    assert {what: row.measured for what, row in rows.items() if row.measured < low} == {}
