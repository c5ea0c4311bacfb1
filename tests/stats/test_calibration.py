from __future__ import annotations

import datetime as dt

import pytest

import benchmarks.trends
import calibration.__main__ as runner
import calibration.trends
from benchmarks.measure import agree
from calibration import Row, binomial_band, share


@pytest.fixture(scope="module")
def rows() -> dict[str, Row]:
    return {row.what: row for row in calibration.trends.run(60, 1)}


def test_the_interval_covers_where_months_are_independent_and_blocks_help_where_they_are_not(rows):
    assert rows["Theil-Sen coverage, 48 months, φ 0.0"].verdict == "within"
    plain, blocks = (rows[f"Theil-Sen coverage, 120 months, φ 0.6{b}"].measured for b in ("", ", blocks"))
    assert plain < 0.85 < blocks


def test_the_original_test_keeps_its_size_where_months_are_independent(rows):
    assert rows["Mann-Kendall size, original, 48 months, φ 0.0"].verdict == "within"


def test_the_same_seed_measures_the_same():
    assert calibration.trends.run(3, 1) == calibration.trends.run(3, 1)


def test_the_band_of_a_share_is_the_binomial_one():
    # 100 runs at 0.5: 95 % lie between 40 and 60 (Clopper's tables; ± 1.96 · 5 = 9.8).
    assert binomial_band(0.5, 100) == (0.4, 0.6)
    row = share("half", 0.5, [True] * 61 + [False] * 39)
    assert (row.measured, row.n, row.verdict) == (0.61, 100, "above")


def test_a_page_keeps_the_sections_of_modules_that_did_not_run():
    today = dt.date(2026, 11, 20)
    old = runner.merged("", {"trends": runner.section("trends", calibration.trends, [], 0, today)})
    new = runner.merged(old, {"weather": "## weather: another\n\ntext\n"})
    assert new.count("## trends: ") == new.count("## weather: ") == 1
    assert new.count("# Calibration") == 1
    assert runner.merged(new, {"weather": "## weather: another\n\ntext\n"}) == new


def test_the_benchmark_compares_equal_results():
    days, values = benchmarks.trends.series(2)
    agree(benchmarks.trends.scipy_loop(days, values), benchmarks.trends.ours(days, values), key=["series"])
