from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

import benchmarks.trends
import calibration.__main__ as runner
import calibration.exposure
import calibration.regional
import calibration.trends
import calibration.trends_ar1
from benchmarks.measure import Disagreement, agree
from calibration import Row, binomial_band, share


@pytest.fixture(scope="module")
def rows() -> dict[str, Row]:
    return {row.what: row for row in calibration.trends.run(60, 1)}


def test_the_interval_covers_where_months_are_independent_and_blocks_help_where_they_are_not(rows):
    assert rows["Theil-Sen coverage, 48 months, φ 0.0"].verdict == "within"
    plain, blocks = (rows[f"Theil-Sen coverage, 120 months, φ 0.6{b}"].measured for b in ("", ", blocks"))
    assert plain < 0.85 < blocks


def test_the_interval_that_allows_for_ar1_covers_where_the_others_do_not(rows):
    found = calibration.trends_ar1.seasonal(np.random.default_rng(2), 48, 60, 0.3, 1)
    assert found.verdict == "within"
    assert found == calibration.trends_ar1.seasonal(np.random.default_rng(2), 48, 60, 0.3, 1)
    assert rows["Theil-Sen coverage, 48 months with a season, φ 0.3"].verdict == "below"


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


def test_without_r_the_line_of_openair_says_so(monkeypatch):
    monkeypatch.setattr(benchmarks.trends.shutil, "which", lambda name: None)
    row = benchmarks.trends.openair_row("work", *benchmarks.trends.series(2))
    assert row.value == "not present: no Rscript on this machine"


def test_slopes_of_openair_that_are_not_ours_are_a_disagreement(monkeypatch):
    days, values = benchmarks.trends.series(2)
    right = [float(s) * 365 for s in benchmarks.trends.ours(days, values)["slope"]]
    told = {"text": f"[0.5, {right}]"}
    monkeypatch.setattr(benchmarks.trends.shutil, "which", lambda name: "Rscript")
    done = lambda *a, **k: benchmarks.trends.subprocess.CompletedProcess(a, 0, told["text"], "")  # noqa: E731
    monkeypatch.setattr(benchmarks.trends.subprocess, "run", done)
    assert benchmarks.trends.openair_row("work", days, values).value == "0.5000 s"
    told["text"] = f"[0.5, {[s * 1.01 for s in right]}]"
    with pytest.raises(Disagreement):
        benchmarks.trends.openair_row("work", days, values)


def test_exposure_intervals_and_planted_episodes_are_measured_the_same_with_the_same_seed():
    rows = {row.what: row for row in calibration.exposure.run(8, 1)}
    assert {row.n for row in rows.values()} == {8}
    assert rows["exposure coverage, the city"].measured >= 7 / 8
    assert list(rows.values()) == calibration.exposure.run(8, 1)


def test_planted_episodes_are_recovered_with_named_stations_and_not_always_with_all():
    rows = {row.what: row.measured for row in calibration.regional.run(12, 1)}
    named = [share for what, share in rows.items() if "named stations" in what]
    assert min(named) >= 0.97
    assert rows["planted episodes within ± 10 %, upwind, all stations"] < min(named)
