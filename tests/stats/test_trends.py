from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from citylab.errors import DataError, RangeError, UnknownNameError
from citylab.stats import bootstrap, trends

METHODS = trends.get_args(trends.Method)
numbers = st.floats(-1e3, 1e3, allow_subnormal=False).map(lambda v: round(v, 3))


def ar1(n: int, phi: float, seed: int, series: int = 1) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(n, series))
    for t in range(1, n):
        noise[t] += phi * noise[t - 1]
    return noise


def line_of_resample(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Theil-Sen by its definition, from the values of a resample themselves."""
    slopes = [(b - a) / (t - s) for (s, a), (t, b) in combinations(sorted(zip(x, y, strict=True)), 2) if t > s]
    slope = float(np.median(slopes))
    return slope, float(np.median(y - slope * x))


# --- Theil-Sen


@pytest.mark.parametrize(("n", "block"), [(6, 1), (7, 2), (20, 1), (21, 3), (48, None)])
def test_the_bootstrap_equals_one_that_resamples_the_values_themselves(n: int, block: int | None):
    rng = np.random.default_rng(n)
    x = np.cumsum(rng.integers(28, 32, n)).astype(float)
    y = np.column_stack([rng.normal(size=n), np.round(rng.normal(size=n)), rng.normal(size=n).cumsum()])
    ours = trends.theil_sen(x, y, n_boot=80, block=block, seed=3)
    indices = bootstrap.block_indices(n, 80, block=block or bootstrap.block_length(n), seed=3)
    for i in range(3):
        drawn = np.array([line_of_resample(x[b], y[b, i]) for b in indices])
        slope, intercept = line_of_resample(x, y[:, i])
        (low, first), (high, last) = bootstrap.interval(drawn)
        wanted = (slope, low, high, intercept, first, last, bootstrap.two_sided_p(drawn[:, 0]))
        names = ("slope", "slope_low", "slope_high", "intercept", "intercept_low", "intercept_high", "p")
        got = [getattr(ours, name)[i] for name in names]
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12)


def test_large_series_are_worked_in_pieces_with_the_same_result(monkeypatch: pytest.MonkeyPatch):
    x, y = np.arange(40.0), ar1(40, 0.4, 1, 5)
    whole = trends.theil_sen(x, y, n_boot=99)
    for name in ("_WORKING_SIZE", "_WEIGHTS"):
        monkeypatch.setattr(trends, name, 2_000)
    monkeypatch.setattr(trends, "_EXACT_IN_FLOAT32", 0)
    assert trends.theil_sen(x, y, n_boot=99).tidy().equals(whole.tidy())


def test_a_series_has_the_same_line_alone_among_others_and_with_its_gaps_cut_out():
    x, y = np.arange(30.0), ar1(30, 0.3, 2, 4)
    y[3, 1] = y[17, 1] = y[0, 2] = np.nan
    together = trends.theil_sen(x, y)
    for i in range(4):
        there = ~np.isnan(y[:, i])
        alone = trends.theil_sen(x[there], y[there, i])
        assert together.tidy().row(i) == alone.tidy().row(0)
    assert together.n.tolist() == [30, 28, 29, 30]
    assert together.x_first.tolist() == [0, 0, 1, 0]


@given(y=hnp.arrays(float, st.integers(6, 15), elements=numbers), shift=numbers, scale=st.sampled_from([0.5, 2.0, 8.0]))
def test_a_line_added_to_a_series_is_added_to_its_slope_and_interval(y: np.ndarray, shift: float, scale: float):
    x = np.arange(len(y), dtype=float)
    before = trends.theil_sen(x, y, n_boot=40)
    after = trends.theil_sen(x, scale * y + shift * x + 7, n_boot=40)
    for name in ("slope", "slope_low", "slope_high"):
        np.testing.assert_allclose(getattr(after, name), scale * getattr(before, name) + shift, atol=1e-8)
    assert before.slope_low <= before.slope_high


@given(y=hnp.arrays(float, st.integers(6, 15), elements=numbers))
def test_turning_a_series_upside_down_turns_the_slope_and_keeps_the_p_value(y: np.ndarray):
    x = np.arange(len(y), dtype=float)
    up, down = trends.theil_sen(x, y, n_boot=40), trends.theil_sen(x, -y, n_boot=40)
    np.testing.assert_allclose(down.slope, -up.slope, atol=1e-12)
    np.testing.assert_allclose(down.p, up.p, atol=1e-12)


def test_a_gross_outlier_hardly_moves_the_slope():
    y = 2.0 * np.arange(30)
    y[10] = 1e6
    assert trends.theil_sen(np.arange(30.0), y).slope == 2.0


def test_percent_follows_the_fitted_line_from_its_start():
    # From 100 to 73 in 27 steps: -27 % in 27 steps, so -1 % a step; every resample lies on the same line.
    line = trends.theil_sen(np.arange(28.0), 100 - np.arange(28.0))
    assert [float(v) for v in line.percent(per=1)] == pytest.approx([-1, -1, -1])
    assert np.isnan(trends.theil_sen(np.arange(28.0), np.arange(28.0) - 5).percent(per=1)[0])


def test_five_values_have_no_slope_and_say_how_many_they_are():
    line = trends.theil_sen(np.arange(6.0), [1, 2, np.nan, 3, 4, 5])
    assert np.isnan(line.slope)
    assert np.isnan(line.p)
    assert line.n == 5


@pytest.mark.parametrize(
    ("x", "y", "options", "error", "says"),
    [
        ([0, 1, 1, 2, 3, 4], np.ones(6), {}, DataError, "does not increase"),
        ([0, 2, 1, 3, 4, 5], np.ones(6), {}, DataError, "does not increase"),
        ([0, 1], np.ones(6), {}, DataError, "one time for each value"),
        (range(6), [1, 2, np.inf, 4, 5, 6], {}, DataError, "1 infinite"),
        (range(6), np.ones((6, 1, 1)), {}, DataError, "3 axes"),
        (range(6), np.ones(6), {"n_boot": 39}, DataError, "take at least 40"),
        (range(6), np.ones(6), {"block": 7}, DataError, "block is 7"),
        (range(10_001), np.ones(10_001), {}, RangeError, "Average to days or months"),
    ],
)
def test_bad_input_of_theil_sen_is_an_error(x, y, options: dict, error: type, says: str):
    with pytest.raises(error, match=says):
        trends.theil_sen(x, y, **options)


# --- Mann-Kendall


@pytest.fixture(scope="module")
def reference(mirror: Path) -> dict[str, np.ndarray]:
    """The series on which the peer's own tests stand."""
    folder = mirror / "reference" / "mann_kendall"
    return {
        "arbitrary": pl.read_csv(folder / "mk_arbitrary_1d.csv", schema={"value": pl.Float64})["value"].to_numpy(),
        "shampoo": pl.read_csv(folder / "shampoo.csv")["Sales"].to_numpy(),
        "passengers": pl.read_csv(folder / "AirPassengers.csv")["#Passengers"].cast(pl.Float64).to_numpy(),
    }


# pymannkendall 1.4.3, run on these files; its own tests compare it with R.
PUBLISHED = [
    ("arbitrary", "original", {"s": -1959, "var_s": 14669401 / 3, "z": -0.8854562842589916, "p": 0.37591058740506833,
                               "tau": -0.03153167653875869, "slope": -1 / 157, "intercept": 96.15286624203821}),
    ("arbitrary", "hamed-rao", {"z": -3.8419950613710894, "p": 0.00012203829241275166, "var_s": 259723.81316716125}),
    ("arbitrary", "yue-wang", {"z": -2.6354977553857646, "p": 0.008401398144857852}),
    ("arbitrary", "pre-whitening", {"z": -0.09882867695903437, "p": 0.9212742990272651}),
    ("arbitrary", "trend-free-pre-whitening", {"z": -0.28512735834365455, "p": 0.7755465706913385}),
    ("arbitrary", "seasonal", {"s": -399, "var_s": 104107 / 3, "z": -2.136504114534638, "p": 0.03263834596177739,
                               "tau": -0.0794979079497908, "slope": -2 / 23}),
    ("arbitrary", "correlated-seasonal", {"s": -333, "z": -1.878400366918792, "p": 0.06032641537423844}),
    ("shampoo", "original", {"s": 440, "var_s": 5390, "z": 439 / 5390**0.5, "slope": 11.509375,
                             "intercept": 78.7359375}),
    ("passengers", "original", {"s": 8327, "tau": 0.8087606837606838, "slope": 2.4512162877}),
    ("passengers", "seasonal", {"s": 784, "var_s": 2550, "z": 783 / 2550**0.5, "slope": 30.2361111111}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "method", "figures"), PUBLISHED)
def test_mann_kendall_gives_the_published_figures(reference, name: str, method: str, figures: dict[str, float]):
    test = trends.mann_kendall(reference[name], method=method)
    for field, figure in figures.items():
        assert float(getattr(test, field)) == pytest.approx(figure, rel=1e-9), field
    assert test.reason == ""


def tied_series() -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(float, st.integers(4, 30), elements=st.integers(-5, 5).map(float))


@given(y=tied_series())
def test_score_and_variance_are_those_of_the_definition_with_ties(y: np.ndarray):
    n = len(y)
    score = sum(np.sign(b - a) for a, b in combinations(y, 2))
    ties = np.unique(y, return_counts=True)[1]
    variance = (n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in ties)) / 18
    test = trends.mann_kendall(y)
    assert test.s == score
    assert test.var_s == pytest.approx(variance, abs=1e-9)


@given(y=tied_series(), method=st.sampled_from(METHODS))
def test_turning_a_series_upside_down_turns_every_test(y: np.ndarray, method: str):
    up, down = (trends.mann_kendall(v, method=method, period=2) for v in (y, -y))
    assert down.s == -up.s
    np.testing.assert_allclose(down.p, up.p, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(down.slope, -up.slope, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_each_series_is_tested_as_if_alone(method: str):
    y = ar1(60, 0.5, 4, 6) + 0.05 * np.arange(60)[:, None]
    y[[5, 30], 1] = y[:12, 2] = y[:, 3] = np.nan
    y[:, 4] = np.round(y[:, 4])
    together = trends.mann_kendall(y, method=method).tidy()
    for i in range(6):
        alone = trends.mann_kendall(y[:, i], method=method).tidy()
        for name in alone.columns:
            one, many = alone.item(0, name), together.item(i, name)
            assert one == many or (isinstance(one, float) and one == pytest.approx(many, rel=1e-9, nan_ok=True))


@pytest.mark.parametrize("method", METHODS[:5])
def test_missing_values_are_left_out_and_lags_count_what_is_left(method: str):
    y = ar1(40, 0.5, 5)[:, 0]
    holed = np.insert(y, [0, 40], np.nan)  # missing before and after moves no pair
    assert trends.mann_kendall(holed, method=method).s == trends.mann_kendall(y, method=method).s


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_series_has_no_trend_whatever_the_method(method: str):
    test = trends.mann_kendall(np.full(36, 0.1), method=method)
    assert (float(test.s), float(test.p), str(test.direction)) == (0, 1, "no trend")


@pytest.mark.parametrize("method", METHODS)
def test_three_values_have_no_test_and_a_reason(method: str):
    test = trends.mann_kendall([1.0, 2.0, np.nan, 3.0], method=method)
    assert np.isnan(test.p)
    assert "fewer than 4" in str(test.reason)
    assert test.direction == ""


def test_a_corrected_variance_below_zero_gives_a_reason_instead_of_a_p_value():
    swing = np.tile([0.0, 10.0], 15) + np.arange(30) * 0.2 + np.random.default_rng(0).normal(size=30)
    test = trends.mann_kendall(swing, method="hamed-rao", max_lag=1)
    assert test.var_s < 0
    assert np.isnan(test.p)
    assert "not positive" in str(test.reason)


def test_sen_slope_keeps_the_place_of_a_missing_value():
    # 0, -, 2, 3: slopes 1 (0 to 2 over two steps), 1 (0 to 3 over three) and 1.
    slope, intercept = trends.sen_slope([0.0, np.nan, 2.0, 3.0])
    assert (float(slope), float(intercept)) == (1.0, 0.0)


def test_seasonal_tests_see_through_a_cycle_that_hides_the_trend():
    months = np.arange(120)
    y = 30 * np.sin(2 * np.pi * months / 12) + 0.05 * months
    assert trends.mann_kendall(y).direction == "no trend"
    seasonal = trends.mann_kendall(y, method="seasonal")
    assert seasonal.direction == "increasing"
    assert float(seasonal.slope) == pytest.approx(12 * 0.05)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"method": "hamed"}, UnknownNameError, "hamed-rao"),
        ({"level": 0}, DataError, "level is 0"),
        ({"period": 0}, DataError, "period is 0"),
        ({"max_lag": 0}, DataError, "max_lag 0"),
    ],
)
def test_bad_options_of_mann_kendall_are_errors(options: dict, error: type, says: str):
    with pytest.raises(error, match=says):
        trends.mann_kendall(np.arange(10.0), **options)


# --- STL


def test_stl_gives_the_output_of_the_original_fortran(mirror: Path):
    folder = mirror / "reference" / "stl_co2"
    y = np.loadtxt(folder / "stl_co2.csv")
    rows = [line.split(",") for line in (folder / "stl_test_results.csv").read_text().splitlines()[1:]]
    wanted = np.array([[float(v) for v in row[2:5]] for row in rows if row[0].strip() == "baseline"])
    parts = trends.stl(
        y, period=12, seasonal=35, trend=19, low_pass=13, seasonal_degree=1, low_pass_degree=1, inner=1, outer=2
    )
    np.testing.assert_allclose(parts.seasonal, wanted[:, 0], atol=1e-5)
    np.testing.assert_allclose(parts.trend, wanted[:, 1], atol=1e-5)
    np.testing.assert_allclose(parts.weights, wanted[:, 2], atol=1e-5)


def test_the_parts_of_stl_add_up_for_every_series():
    y = 50 + ar1(48, 0.3, 6, 3)
    parts = trends.stl(y, period=12, seasonal=11, seasonal_degree=1)
    np.testing.assert_allclose(parts.seasonal + parts.trend + parts.remainder, y)
    np.testing.assert_allclose(parts.trend[:, 1], trends.stl(y[:, 1], period=12, seasonal=11, seasonal_degree=1).trend)


@pytest.mark.parametrize(
    ("n", "options", "says"),
    [(24, {"seasonal": 35}, "at least 25"), (48, {"seasonal": 34}, "window seasonal is 34"),
     (48, {"seasonal": 5}, "window seasonal is 5"), (48, {"seasonal": 35, "trend": 20}, "window trend is 20")],
)  # fmt: skip
def test_bad_windows_and_short_series_of_stl_are_errors(n: int, options: dict, says: str):
    with pytest.raises(DataError, match=says):
        trends.stl(np.arange(float(n)), period=12, **options)


def test_stl_takes_no_missing_value():
    with pytest.raises(DataError, match="1 missing"):
        trends.stl([np.nan, *range(30)], period=12, seasonal=35)


# --- KZ


def kz_by_definition(y: np.ndarray, window: int, passes: int, min_share: float) -> np.ndarray:
    for _ in range(passes):
        smooth = np.full(len(y), np.nan)
        for i in range(len(y)):
            seen = y[max(0, i - window // 2) : i + window // 2 + 1]
            there = seen[~np.isnan(seen)]
            if len(there) and len(there) >= min_share * len(seen):
                smooth[i] = there.mean()
        y = smooth
    return y


@given(
    y=hnp.arrays(float, st.integers(1, 30), elements=st.one_of(numbers, st.just(float("nan")))),
    window=st.sampled_from([3, 5, 11]),
    passes=st.integers(1, 4),
    min_share=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
)
def test_kz_is_a_moving_mean_passed_over_again(y: np.ndarray, window: int, passes: int, min_share: float):
    ours = trends.kz(y, window=window, passes=passes, min_share=min_share)
    np.testing.assert_allclose(ours, kz_by_definition(y, window, passes, min_share), atol=1e-9)


def test_kz_keeps_a_straight_line_away_from_its_edges_and_only_there():
    y = 5 + 0.25 * np.arange(400)
    edge = trends.kz_edge(31, passes=3)
    smooth = trends.kz(y, window=31, passes=3)
    assert edge == 45
    np.testing.assert_allclose(smooth[edge:-edge], y[edge:-edge])
    assert (np.abs(smooth - y)[: edge - 15] > 1e-6).all()


def test_kz_keeps_its_digits_on_a_high_level():
    y = 1e9 + ar1(2000, 0.5, 7)[:, 0]
    np.testing.assert_allclose(trends.kz(y, window=101) - 1e9, trends.kz(y - 1e9, window=101), atol=1e-6)


@given(y=hnp.arrays(float, st.tuples(st.integers(5, 60), st.integers(1, 3)), elements=numbers))
def test_kz_components_add_up_to_the_series(y: np.ndarray):
    parts = trends.kz_components(y, windows=(3, 9, 21), names=("a", "b", "c", "d"))
    assert list(parts) == ["a", "b", "c", "d"]
    np.testing.assert_allclose(sum(parts.values()), y, atol=1e-9)


def test_a_kz_component_holds_the_cycle_of_its_time_scale():
    hours = np.arange(24 * 200)
    day = np.sin(2 * np.pi * hours / 24)
    parts = trends.kz_components(
        day + 3 * np.sin(2 * np.pi * hours / (24 * 80)), windows=(13, 107), names=("d", "w", "s")
    )
    inner = slice(600, -600)
    assert np.corrcoef(parts["d"][inner], day[inner])[0, 1] > 0.99


@pytest.mark.parametrize(
    ("options", "says"),
    [({"window": 4}, "odd"), ({"window": 1}, "odd"), ({"window": 3, "passes": 0}, "passes is 0"),
     ({"window": 3, "min_share": 2}, "share")],
)  # fmt: skip
def test_bad_windows_of_kz_are_errors(options: dict, says: str):
    with pytest.raises(DataError, match=says):
        trends.kz(np.arange(10.0), **options)


@pytest.mark.parametrize(
    ("windows", "names", "says"),
    [((9, 3), ("a", "b", "c"), "increasing"), ((3, 9), ("a", "b"), "one more"), ((3,), ("a", "a"), "all different")],
)
def test_windows_and_names_of_kz_must_fit(windows, names, says: str):
    with pytest.raises(DataError, match=says):
        trends.kz_components(np.arange(10.0), windows=windows, names=names)


# --- intervals that allow for autocorrelation of the first order ------------------------------------------------------


def test_an_ar1_interval_moves_with_the_line_and_scales_with_the_unit():
    x, noise = np.arange(48.0), ar1(48, 0.4, 5)[:, 0]
    base, other = trends.theil_sen_ar1(x, noise), trends.theil_sen_ar1(x, 3.0 * noise + 2.0 * x + 10.0)
    for end in ("slope", "slope_low", "slope_high"):
        assert getattr(other, end) == pytest.approx(3.0 * getattr(base, end) + 2.0, rel=1e-9)
    assert other.phi == pytest.approx(base.phi, abs=1e-9)


def test_an_ar1_interval_has_the_slope_of_theil_sen_in_its_middle_and_a_series_does_not_know_of_others():
    x = np.arange(60.0)
    y = np.stack([ar1(60, phi, s)[:, 0] - 0.1 * x for s, phi in enumerate((0.0, 0.6))], axis=1)
    y[7, 1] = np.nan
    both = trends.theil_sen_ar1(x, y, seed=4)
    assert both.slope == pytest.approx(trends.theil_sen(x, y).slope)
    assert (both.slope_low + both.slope_high) / 2 == pytest.approx(both.slope)
    for i in range(2):
        alone = trends.theil_sen_ar1(x, y[:, i], seed=4)
        assert (alone.slope_low, alone.p, alone.phi) == (both.slope_low[i], both.p[i], both.phi[i])


def test_the_coefficient_is_corrected_for_what_the_line_takes():
    # A line through white noise leaves residuals of mean lag-one autocorrelation of about -2/n (Kendall 1954), and
    # through φ = 0.5 about 0.5 - (2 + 4 · 0.5) / n: corrected, the means over many series are 0 and 0.5.
    x = np.arange(40.0)
    for phi in (0.0, 0.5):
        y = ar1(120, phi, 0, series=200)[80:]
        found = trends.theil_sen_ar1(x, y, n_boot=40).phi
        assert found.mean() == pytest.approx(phi, abs=4 * found.std() / 200**0.5)


def test_a_perfect_line_has_an_interval_of_no_width():
    line = trends.theil_sen_ar1(np.arange(10.0), 5.0 - 2.0 * np.arange(10.0))
    assert (line.slope, line.slope_low, line.slope_high) == pytest.approx((-2.0, -2.0, -2.0))


def test_an_operator_of_another_shape_or_beside_gaps_is_refused():
    x, y = np.arange(10.0), ar1(10, 0.0, 1)[:, 0]
    with pytest.raises(DataError, match="operator has the shape"):
        trends.theil_sen_ar1(x, y, operator=np.eye(9))
    y[3] = np.nan
    with pytest.raises(DataError, match="1 of them missing"):
        trends.theil_sen_ar1(x, y, operator=np.eye(10))


def test_a_cycle_is_taken_out_by_the_deseasonalising_matrix_and_a_level_is_not():
    left = trends.deseasonalising(48, period=12, seasonal=35)
    cycle = np.cos(2 * np.pi * np.arange(48) / 12)
    assert np.abs(left @ cycle).max() < 0.02
    assert left @ np.ones(48) == pytest.approx(np.ones(48), abs=1e-6)
