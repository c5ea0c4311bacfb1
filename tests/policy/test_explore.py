from __future__ import annotations

import functools
import itertools

import numpy as np
import polars as pl
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from SALib.analyze import morris as salib_morris
from SALib.analyze import sobol as salib_sobol
from scipy import stats as peer

from citylab import scale
from citylab.errors import CitylabError, DataError, RangeError, RefusalError, SchemaError
from citylab.policy import explore
from citylab.stats.draws import draws

ISHIGAMI = dict.fromkeys("abc", (-np.pi, np.pi))
# Ishigami with a = 7, b = 0.1, in closed form: V1 = (1 + b pi^4 / 5)^2 / 2, V2 = a^2 / 8, V13 = 8 b^2 pi^8 / 225
V1, V2, V13 = (1 + np.pi**4 / 50) ** 2 / 2, 49 / 8, 8 * np.pi**8 / 22500
VARIANCE = V1 + V2 + V13
S1 = np.array([V1, V2, 0]) / VARIANCE
ST = np.array([V1 + V13, V2, V13]) / VARIANCE


def ishigami(p: dict[str, np.ndarray]) -> np.ndarray:
    return np.sin(p["a"]) + 7 * np.sin(p["b"]) ** 2 + 0.1 * p["c"] ** 4 * np.sin(p["a"])


def many(p: dict[str, np.ndarray]) -> np.ndarray:
    """Outputs by year and sector, one of them constant."""
    y = ishigami(p)
    return np.stack([np.stack([y, 1000 * p["a"] + 7], 1), np.stack([y**2, 0 * y + 5], 1)], 1)


MANY = {"year": [2030, 2035], "sector": ["industry", "road"]}
WALKS = {"a": (0, 1), "b": (0, 1), "c": (0, 1)}


# Sobol ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "tolerance"), [(1024, 0.05), (16384, 0.02)])
def test_indices_of_ishigami_are_those_of_its_closed_form(n: int, tolerance: float):
    assert [*S1, *ST] == pytest.approx(
        [0.3139051911, 0.4424111448, 0, 0.5575888552, 0.4424111448, 0.2436836641], abs=1e-9
    )
    found = explore.sobol(ishigami, ISHIGAMI, n, n_boot=40, seed=1)
    np.testing.assert_allclose(found["s1"], S1, atol=tolerance)
    np.testing.assert_allclose(found["st"], ST, atol=tolerance)
    pair = found["s2"].sel(parameter=["a", "a", "b"], other=["c", "b", "c"]).values.diagonal()
    np.testing.assert_allclose(pair, [V13 / VARIANCE, 0, 0], atol=tolerance)
    assert float(found["mean"]) == pytest.approx(3.5, abs=tolerance)
    assert float(found["variance"]) == pytest.approx(VARIANCE, rel=tolerance)


def test_indices_of_an_array_of_outputs_are_those_of_the_closed_form_in_every_cell():
    # As above for any a and b: V1 = (1 + b pi^4 / 5)^2 / 2, V2 = a^2 / 8, V13 = 8 b^2 pi^8 / 225, mean a / 2
    a, b = np.array([7.0, 5.0, 0.5]), np.array([0.1, 0.02])

    def grid(p: dict[str, np.ndarray]) -> np.ndarray:
        x, y, z = (p[name][:, None, None] for name in "abc")
        return np.sin(x) + a[:, None] * np.sin(y) ** 2 + b * z**4 * np.sin(x)

    found = explore.sobol(grid, ISHIGAMI, 16384, outputs={"a": a, "b": b}, n_boot=40, seed=1)
    first, second, pair = (1 + b * np.pi**4 / 5) ** 2 / 2, a[:, None] ** 2 / 8, 8 * b**2 * np.pi**8 / 225
    variance = first + second + pair
    parts = np.stack(np.broadcast_arrays(first, second, 0 * variance)) / variance
    np.testing.assert_allclose(found["s1"], parts, atol=0.02)
    total = np.stack(np.broadcast_arrays(first + pair, second + 0 * pair, pair)) / variance
    np.testing.assert_allclose(found["st"], total, atol=0.02)
    np.testing.assert_allclose(found["s2"].sel(parameter="a", other="c"), pair / variance, atol=0.02)
    np.testing.assert_allclose(found["mean"], a[:, None] / 2 + 0 * b, atol=0.02)


@pytest.fixture(scope="module")
def found() -> xr.Dataset:
    return explore.sobol(many, ISHIGAMI, 256, outputs=MANY, n_boot=100, seed=3)


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    cases = explore.sobol_cases(ISHIGAMI, 256, seed=3)
    return many({name: cases[name].to_numpy() for name in "abc"})


def test_all_outputs_at_once_have_the_values_of_salib_one_by_one(found: xr.Dataset, values: np.ndarray):
    problem = {"num_vars": 3, "names": list("abc"), "bounds": [[-np.pi, np.pi]] * 3}
    z = peer.norm.ppf(0.975)
    for year, sector in ((2030, "industry"), (2030, "road"), (2035, "industry")):
        i, j = MANY["year"].index(year), MANY["sector"].index(sector)
        one = salib_sobol.analyze(problem, values[:, i, j], num_resamples=100, seed=3)
        ours = found.sel(year=year, sector=sector)
        np.testing.assert_allclose(ours["s1"], one["S1"], atol=1e-12)
        np.testing.assert_allclose(ours["st"], one["ST"], atol=1e-12)
        upper = np.triu_indices(3, 1)
        np.testing.assert_allclose(ours["s2"].values[upper], one["S2"][upper], atol=1e-12)
        # The same resamples, so that spreads agree too; SALib prints them times the quantile of the normal
        np.testing.assert_allclose(ours["s1_se"] * z, one["S1_conf"], atol=1e-9)
        np.testing.assert_allclose(ours["st_se"] * z, one["ST_conf"], atol=1e-9)
        np.testing.assert_allclose(ours["s2_se"].values[upper] * z, one["S2_conf"][upper], atol=1e-9)


def test_indices_carry_names_coordinates_interval_and_size(found: xr.Dataset):
    assert found["s1"].dims == ("parameter", "year", "sector") and found["s2"].dims[:2] == ("parameter", "other")
    assert found["year"].values.tolist() == [2030, 2035] and found["parameter"].values.tolist() == ["a", "b", "c"]
    assert {"n": 256, "runs": 256 * 8, "n_boot": 100, "level": 0.95, "seed": 3}.items() <= found.attrs.items()
    one = found.sel(year=2030, sector="industry")
    for name in ("s1", "st"):
        assert (one[name + "_low"] < one[name]).all() and (one[name] < one[name + "_high"]).all()
    np.testing.assert_array_equal(one["s2"], one["s2"].T)


def test_an_output_that_does_not_vary_is_flagged_and_has_no_indices(found: xr.Dataset):
    assert found["is_constant"].values.tolist() == [[False, False], [False, True]]
    assert found["s1"].sel(year=2035, sector="road").isnull().all()
    assert not found["s1"].sel(year=2030).isnull().any()


def test_indices_do_not_change_with_the_unit_or_the_zero_of_an_output(values: np.ndarray):
    y = values[:, 0, 0]
    plain, other = (explore.sobol_indices(v, list("abc"), n_boot=40, seed=1) for v in (y, -1e6 * y + 3e8))
    for name in ("s1", "st", "s2", "s1_low", "st_high"):
        np.testing.assert_allclose(plain[name], other[name], atol=1e-9)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(0.1, 10), min_size=2, max_size=4))
def test_a_sum_of_parameters_has_shares_of_its_parts_variances_and_nothing_shared(weights):
    names = [f"p{i}" for i in range(len(weights))]
    model = lambda p: sum(w * p[n] for w, n in zip(weights, names, strict=True))  # noqa: E731
    found = explore.sobol(model, dict.fromkeys(names, (0, 1)), 1024, n_boot=40, seed=2)
    share = np.square(weights) / np.square(weights).sum()
    np.testing.assert_allclose(found["s1"], share, atol=0.05)
    np.testing.assert_allclose(found["st"], share, atol=0.05)
    assert np.nanmax(np.abs(found["s2"])) < 0.05


def test_first_and_total_indices_need_no_runs_of_second_order():
    found = explore.sobol(ishigami, ISHIGAMI, 1024, second_order=False, n_boot=40, seed=1)
    assert "s2" not in found and found.attrs["runs"] == 1024 * 5
    np.testing.assert_allclose(found["st"], ST, atol=0.05)


def test_parameters_follow_their_distributions():
    parameters = {
        "low_to_high": (2, 4),
        "skewed": {"distribution": "triangular", "low": 0, "central": 1, "high": 4},
        "bell": {"distribution": "normal", "central": 5, "sd": 2},
        "variant": {"distribution": "choice", "values": ["short", "long"], "weights": [1, 3]},
    }
    cases = explore.sobol_cases(parameters, 512, second_order=False, seed=1)
    assert cases.columns == list(parameters) and cases.height == 512 * 6
    assert peer.kstest(cases["skewed"], peer.triang(0.25, 0, 4).cdf).statistic < 0.02
    assert peer.kstest(cases["bell"], peer.norm(5, 2).cdf).statistic < 0.02
    assert (cases["variant"] == "long").mean() == pytest.approx(0.75, abs=0.02)


def test_indices_are_the_same_on_a_cluster(found: xr.Dataset):
    with scale.connect(workers=2, processes=False) as client:
        xr.testing.assert_identical(
            explore.sobol(many, ISHIGAMI, 256, outputs=MANY, n_boot=100, seed=3, client=client), found
        )


def test_runs_kept_on_disk_give_the_indices_of_the_one_call(tmp_path, found: xr.Dataset):
    cases = explore.sobol_cases(ISHIGAMI, 256, seed=3)
    kept = scale.run_cases(table_of_ishigami, cases, tmp_path, chunk=300).collect()
    later = explore.sobol_indices(kept["y"].to_numpy(), list("abc"), n_boot=100, seed=3)
    # Alone and among others an output is added up in another order
    np.testing.assert_allclose(later["s1"], found["s1"].sel(year=2030, sector="industry"), atol=1e-13)


def table_of_ishigami(cases: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame({"y": ishigami({name: cases[name].to_numpy() for name in "abc"})})


# Morris --------------------------------------------------------------------------------------------------------------


def test_effects_of_all_outputs_are_those_of_salib_one_by_one():
    cases = explore.morris_cases(WALKS, 30, seed=5)
    x = cases.select("a", "b", "c").to_numpy()
    y = np.stack([np.exp(x[:, 0]) * x[:, 1] - x[:, 2] ** 2, x @ [1.0, 2.0, 3.0]], axis=1)
    found = explore.morris_effects(y, cases, outputs={"output": ["bent", "straight"]}, seed=5)
    problem = {"num_vars": 3, "names": list("abc"), "bounds": [[0, 1]] * 3}
    for i, name in enumerate(("bent", "straight")):
        one = salib_morris.analyze(problem, x, y[:, i], num_levels=4, seed=5)
        for ours, theirs in (("mu", "mu"), ("mu_star", "mu_star"), ("sigma", "sigma")):
            np.testing.assert_allclose(found[ours].sel(output=name), np.asarray(one[theirs]), atol=1e-12)
    # Of a straight line each effect is its slope, whatever the walk
    straight = found.sel(output="straight")
    np.testing.assert_allclose(straight["mu"], [1, 2, 3], atol=1e-12)
    np.testing.assert_allclose(straight["mu_star_high"] - straight["mu_star_low"], 0, atol=1e-12)
    assert (found["mu_star_low"].sel(output="bent") < found["mu_star_high"].sel(output="bent")).all()


def test_the_bootstrap_of_a_mean_effect_has_the_error_of_a_mean():
    found = explore.morris(lambda p: p["a"] * p["b"] + p["c"] ** 3, WALKS, 50, n_boot=4000, seed=1)
    # The bootstrap's variance of a mean is that of the sample (with n, not n - 1, below) over n; 4,000 resamples give
    # it to 1 / sqrt(8000) = 1.1 %, here four times that
    expected = found["sigma"] * np.sqrt(49 / 50) / np.sqrt(50)
    np.testing.assert_allclose(found["mu_se"], expected, rtol=0.045)


def test_an_effect_is_per_whole_range_of_a_parameter_whatever_its_unit():
    slope = {"a": {"distribution": "uniform", "low": 100, "high": 300}, "b": (0, 1), "c": (0, 1)}
    found = explore.morris(lambda p: 2 * p["a"] + 0 * p["b"], slope, 5, n_boot=40, seed=1)
    assert found["mu"].values == pytest.approx([400, 0, 0], abs=1e-9)


# Bad input to both ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "n", "error", "says"),
    [
        (ISHIGAMI, 1000, RangeError, "n is 1000.*powers of 2 only. Take 512 or 1024"),
        (ISHIGAMI, 0, RangeError, "n is 0.*for example 1024"),
        (ISHIGAMI, 1024.0, RangeError, "n is 1024.0; expected a whole number"),
        ({}, 64, SchemaError, "No parameters"),
        ({"": (0, 1)}, 64, SchemaError, "A parameter has no name"),
        ({"a": (2, 1)}, 64, RangeError, "a: low 2 is not below high 1"),
        ({"a": (1, 1)}, 64, RangeError, "a: low 1 is not below high 1"),
        ({"a": 3}, 64, SchemaError, r"a is given as 3; expected a pair"),
        ({"a": {"low": 1, "high": 2}}, 64, SchemaError, "a has no distribution"),
        ({"a": {"distribution": "fixed", "central": 2}}, 64, RangeError, "a is fixed.*Leave it out"),
    ],
)
def test_parameters_or_a_size_that_cannot_be_are_errors_that_name_the_fix(parameters, n, error, says):
    with pytest.raises(error, match=says):
        explore.sobol(ishigami, parameters, n, seed=1)


@pytest.mark.parametrize(
    ("model", "outputs", "error", "says"),
    [
        (lambda p: np.zeros(3), None, DataError, "expected 320 entries"),
        (lambda p: {"x": p["a"]}, None, SchemaError, r"several arrays \(x\).*outputs="),
        (lambda p: np.log(p["a"]), None, DataError, "no finite numbers.*narrow their bounds"),
        (lambda p: p["a"].astype(str), None, SchemaError, "expected numbers"),
        (many, {"year": [2030]}, SchemaError, r"axes of \(1,\) entries.*has shape \(2, 2\)"),
        (many, {"parameter": [1, 2], "sector": [1, 2]}, SchemaError, "cannot be called 'parameter'"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_model_whose_outputs_cannot_be_used_is_an_error(model, outputs, error, says):
    with pytest.raises(error, match=says):
        explore.sobol(model, ISHIGAMI, 64, outputs=outputs, second_order=False, seed=1)


def test_runs_that_do_not_fit_the_parameters_are_errors(values: np.ndarray):
    with pytest.raises(SchemaError, match=r"2048 runs do not fit 2 parameters with second order.*multiple of 6"):
        explore.sobol_indices(values, ["a", "b"], seed=1)
    cases = explore.morris_cases(WALKS, 4, seed=1)
    y = np.arange(16.0)
    for table, some in ((cases.head(15), y[:15]), (cases, y[:12]), (cases.reverse(), y), (cases.head(4), y[:4])):
        with pytest.raises(SchemaError, match="are not whole walks"):
            explore.morris_effects(some, table, seed=1)
    with pytest.raises(SchemaError, match="needs columns 'trajectory'"):
        explore.morris_effects(y, cases.select("a", "b", "c"), seed=1)


def test_too_few_resamples_are_told_before_the_model_runs():
    def never(p):
        raise AssertionError("ran")

    for study in (explore.sobol, explore.morris):
        with pytest.raises(DataError, match="10 resamples are too few"):
            study(never, WALKS, 64, n_boot=10, seed=1)


@pytest.mark.parametrize(
    ("parameters", "n", "levels", "error", "says"),
    [
        (WALKS, 1, 4, RangeError, "at least 2 walks"),
        (WALKS, 9, 3, RangeError, "even number of levels"),
        ({"changed": (0, 1)}, 9, 4, SchemaError, "cannot be called 'changed'"),
        (
            {"a": {"distribution": "normal", "central": 0, "sd": 1}},
            9,
            4,
            RangeError,
            "a reaches infinity.*low= and high=",
        ),
    ],
)
def test_walks_that_cannot_be_are_errors_that_name_the_fix(parameters, n, levels, error, says):
    with pytest.raises(error, match=says):
        explore.morris_cases(parameters, n, levels=levels, seed=1)


# Options over futures ------------------------------------------------------------------------------------------------

# Rows are options, columns futures. Best (lowest) by future: 1, 2, 3, 4, so that regret is
#   a: 0 0 3 6   b: 4 1 0 2   c: 2 2 2 0
COST = {"a": [1, 2, 6, 10], "b": [5, 3, 3, 6], "c": [3, 4, 5, 4]}


def long(wide: dict[str, list[float]], value: str = "cny_t") -> pl.DataFrame:
    rows = [(o, f"f{i}", v) for o, vs in wide.items() for i, v in enumerate(vs)]
    return pl.DataFrame(rows, schema=["option_id", "future_id", value], orient="row").sample(
        fraction=1, shuffle=True, seed=1
    )


def test_regret_is_what_an_option_falls_short_of_the_best_of_its_future():
    found = explore.regret(long(COST), value="cny_t", better="lower", quantile=0.5)
    assert found.select("option_id", "regret_max", "regret_mean", "best_share").rows() == [
        ("c", 2, 1.5, 0.25), ("b", 4, 1.75, 0.25), ("a", 6, 2.25, 0.5),
    ]  # fmt: skip
    # The least value that at least half of 0 0 2 2 2 ... do not exceed: second of four
    assert found["regret_quantile"].to_list() == [2, 1, 0]
    mirrored = explore.regret(
        long({o: [-v for v in vs] for o, vs in COST.items()}), value="cny_t", better="higher", quantile=0.5
    )
    assert mirrored.equals(found)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 50), min_size=3, max_size=3), min_size=1, max_size=12), st.integers(-5, 5))
def test_regret_is_never_negative_some_option_has_none_and_a_dear_future_is_nobodys_fault(futures, extra):
    wide = {o: [float(f[i]) for f in futures] for i, o in enumerate("abc")}
    found = explore.regret(long(wide), value="cny_t", better="lower")
    assert (found["regret_mean"] >= 0).all() and (found["regret_max"] >= found["regret_quantile"]).all()
    assert found["best_share"].sum() >= 1 - 1e-9
    shifted = {o: [v + extra * i for i, v in enumerate(vs)] for o, vs in wide.items()}
    again = explore.regret(long(shifted), value="cny_t", better="lower")
    np.testing.assert_allclose(again["regret_max"], found["regret_max"], atol=1e-9)


def test_the_interval_of_a_quantile_covers_it_as_often_as_it_says():
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(200):
        wide = {"a": rng.exponential(size=60).tolist(), "b": [0.0] * 60}
        one = explore.regret(long(wide), value="cny_t", better="lower", quantile=0.8).filter(option_id="a")
        hits += one["regret_quantile_low"][0] <= -np.log(0.2) <= one["regret_quantile_high"][0]
    # At least 95 % by construction: fewer than 180 of 200 would come once in two thousand times
    assert hits >= 180


def test_too_few_futures_bound_no_high_quantile_from_above():
    # The largest of n exceeds the 0.9 quantile with 97.5 % from n = ln 0.025 / ln 0.9 = 35.01 on: 36 futures
    for n, has_bound in ((35, False), (36, True)):
        wide = {"a": [float(i) for i in range(n)], "b": [0.0] * n}
        found = explore.regret(long(wide), value="cny_t", better="lower").filter(option_id="a")
        assert (found["regret_quantile_high"][0] is not None) == has_bound
        # Wilks: 0.05^(1/n) of all futures lie below the largest of n, with 95 %
        assert found["max_covers_share"][0] == pytest.approx(0.05 ** (1 / n))


def test_an_option_satisfies_in_the_futures_that_meet_all_thresholds():
    table = long(COST).join(long({o: [9.0, 1, 9, 9] for o in COST}, "co2_t"), on=["option_id", "future_id"])
    found = explore.satisficing(table.lazy(), {"cny_t": ("<=", 5), "co2_t": (">=", 5)})
    assert isinstance(found, pl.LazyFrame)
    rows = found.collect()
    # cny_t <= 5: a in f0 f1, b in f0 f1 f2, c in all; co2_t fails in f1
    assert rows.select("option_id", "met_count", "met_share", "cny_t_met_share", "co2_t_met_share").rows() == [
        ("c", 3, 0.75, 1.0, 0.75), ("b", 2, 0.5, 0.75, 0.75), ("a", 1, 0.25, 0.5, 0.75),
    ]  # fmt: skip
    # Wilson's interval of 2 of 4 (p = 1/2): centre 1/2, half-width z sqrt(p q / n + z^2 / 4 n^2) / (1 + z^2 / n)
    z = peer.norm.ppf(0.975)
    half = z * np.sqrt(1 / 16 + z**2 / 64) / (1 + z**2 / 4)
    assert rows.row(1, named=True)["met_share_low"] == pytest.approx(0.5 - half)
    assert rows.row(1, named=True)["met_share_high"] == pytest.approx(0.5 + half)


@pytest.mark.parametrize(
    ("table", "error", "says"),
    [
        (long(COST).filter(~((pl.col("option_id") == "b") & (pl.col("future_id") == "f2"))), DataError,
         "1 of 12 rows are missing .first: option 'b' in future 'f2'"),
        (pl.concat([long(COST), long(COST).head(1)]), DataError, "stands 2 times"),
        (long(COST).with_columns(cny_t=pl.lit(None, pl.Float64)), DataError, "cny_t is None for option 'a'"),
        (long(COST).with_columns(pl.col("cny_t") / 0), DataError, "cny_t is inf"),
        (long(COST).clear(), DataError, "no rows"),
        (long(COST).with_columns(pl.col("future_id").replace("f2", None)), DataError, "3 rows have no 'future_id'"),
        (long(COST).with_columns(pl.col("option_id").replace("b", None)), DataError, "4 rows have no 'option_id'"),
        (long(COST).drop("future_id"), SchemaError, "needs column 'future_id'"),
        (long(COST).with_columns(pl.col("cny_t").cast(pl.String)), SchemaError, "cny_t"),
    ],
)  # fmt: skip
def test_a_table_in_which_options_cannot_be_compared_is_an_error(table, error, says):
    with pytest.raises(error, match=says):
        explore.regret(table, value="cny_t", better="lower")
    with pytest.raises(error, match=says):
        explore.satisficing(table, {"cny_t": ("<=", 5)})


def test_the_number_of_a_threshold_may_come_from_numpy():
    one, two = (explore.satisficing(long(COST), {"cny_t": ("<=", bound)}) for bound in (5, np.int64(5)))
    assert one.equals(two)


@pytest.mark.parametrize("told", [("<", 5), ("<=", None), ("<=", float("nan")), 5])
def test_a_threshold_that_is_none_is_an_error(told):
    with pytest.raises(SchemaError, match=r"The threshold of cny_t is.*expected"):
        explore.satisficing(long(COST), {"cny_t": told})


def test_directions_levels_and_thresholds_that_cannot_be_are_errors():
    with pytest.raises(CitylabError, match=r"Unknown direction 'low'\. Nearest: 'lower'"):
        explore.regret(long(COST), value="cny_t", better="low")
    with pytest.raises(RangeError, match="quantile is 1"):
        explore.regret(long(COST), value="cny_t", better="lower", quantile=1)
    with pytest.raises(RangeError, match="level is 95"):
        explore.satisficing(long(COST), {"cny_t": ("<=", 5)}, level=95)
    with pytest.raises(SchemaError, match="No thresholds"):
        explore.satisficing(long(COST), {})


# How much is enough --------------------------------------------------------------------------------------------------


def saved(value: float, start: int, stop: int, *, sign: int = 1) -> np.ndarray:
    """A straight line whose slope is uniform between 900 and 1,300."""
    return sign * value * draws(7, "slope", start, stop, low=900, high=1300)


def test_the_value_interval_and_error_are_those_of_a_straight_line():
    n, target = 2000, 1000.0
    slope = saved(1.0, 0, n)
    found = explore.threshold(saved, target, low=0, high=4, n_draws=n, tolerance=1e-5)
    assert found.holds == "from"
    assert found.value == pytest.approx(target / slope.mean(), rel=1e-9)
    # Draw k needs target / slope k; 2.5 % of the draws need less than the low end, 2.5 % more than the high end
    needs = np.sort(target / slope)
    assert found.low == pytest.approx(needs[49], abs=4e-5) and found.high == pytest.approx(needs[1949], abs=4e-5)
    # d value = value / slope * d slope
    assert found.error == pytest.approx(target / slope.mean() ** 2 * slope.std(ddof=1) / np.sqrt(n), rel=1e-6)
    assert found.met_share == pytest.approx((slope * found.value >= target).mean())


@pytest.mark.parametrize(
    ("sign", "reach", "holds"), [(1, "at most", "up to"), (-1, "at least", "up to"), (-1, "at most", "from")]
)
def test_the_side_on_which_the_target_is_met_is_told(sign, reach, holds):
    model = functools.partial(saved, sign=sign)
    found = explore.threshold(model, sign * 1000, low=0, high=4, n_draws=500, reach=reach)
    up = explore.threshold(saved, 1000, low=0, high=4, n_draws=500)
    assert found.holds == holds
    assert found.value == pytest.approx(up.value, rel=1e-9)
    # Ends are narrowed down to a thousandth of the range, from either side
    assert found.low == pytest.approx(up.low, abs=0.0081) and found.high == pytest.approx(up.high, abs=0.0081)
    assert found.low < found.value < found.high


def test_a_target_that_is_not_reached_within_the_bounds_is_said_so():
    found = explore.threshold(saved, 1e6, low=0, high=4, n_draws=100)
    assert (found.holds, found.value, found.low, found.high, found.error) == ("never", None, None, None, None)
    assert found.met_share == 0
    # 4 x 1,300 > 4,800 > 4 x 1,100: some draws get there, the mean does not
    some = explore.threshold(saved, 4800, low=0, high=4, n_draws=400)
    assert some.holds == "never" and some.value is None and some.low == pytest.approx(4800 / 1290, abs=0.01)
    assert some.high is None and some.met_share == pytest.approx((saved(4, 0, 400) >= 4800).mean())
    always = explore.threshold(saved, -1, low=0, high=4, n_draws=100)
    assert (always.holds, always.value, always.low, always.high) == ("always", 0, 0, 0)


@pytest.mark.parametrize(
    ("target", "reach", "holds", "value"),
    [
        (4, "at least", "from", 4), (4, "at most", "always", 4), (0, "at least", "always", 0),
        (0, "at most", "up to", 0), (4.1, "at least", "never", None), (-0.1, "at most", "never", None),
    ],
)  # fmt: skip
def test_a_target_met_at_a_bound_only_or_just_beyond_it_has_a_plain_answer(target, reach, holds, value):
    found = explore.threshold(lambda v, a, b: np.full(b - a, v), target, low=0, high=4, n_draws=40, reach=reach)
    assert (found.holds, found.value, found.low, found.high) == (holds, value, value, value)
    assert found.met_share == (value is not None)


@pytest.mark.parametrize(("target", "holds"), [(3, "always"), (5, "never")])
def test_a_lever_that_does_nothing_meets_a_target_everywhere_or_nowhere(target, holds):
    found = explore.threshold(lambda v, a, b: np.full(b - a, 3.0), target, low=0, high=4, n_draws=40)
    assert found.holds == holds


@settings(max_examples=20, deadline=None)
@given(st.floats(0.3, 4), st.floats(0.05, 0.95), st.integers(0, 1000))
def test_the_threshold_of_a_rising_curve_is_where_its_mean_meets_the_target(power, share, seed):
    def curve(value, start, stop):
        return value**power * (1 + 0.2 * draws(seed, "x", start, stop))

    found = explore.threshold(curve, share, low=0, high=1, n_draws=64, tolerance=1e-4)
    mean = lambda value: curve(min(max(value, 0), 1), 0, 64).mean()  # noqa: E731
    assert found.holds == ("from" if mean(1) >= share else "never")
    if found.value is not None:
        assert mean(found.value - 1e-4) <= share <= mean(found.value + 1e-4)
        assert found.low - 1e-4 <= found.value <= (found.high or 1) + 1e-4


def test_a_mean_that_turns_has_no_single_threshold():
    with pytest.raises(
        RefusalError, match=r"The mean rises from 0 to 0.5 and falls from 2 to 2.5.*one side of the turn"
    ):
        explore.threshold(lambda v, a, b: np.full(b - a, v * (4 - v)), 3, low=0, high=4, n_draws=40)


@pytest.mark.parametrize(
    ("start_of_most", "says"),
    [
        (0, "The share of draws that meet the target rises.*and falls.*no single"),
        (1, "met where it should not be.*no single"),
    ],
)
def test_draws_that_turn_while_the_mean_does_not_are_refused(start_of_most, says):
    def split(value, start, stop):  # one draw in ten gains much, the others gain little or lose
        few = np.arange(start, stop) % 10 == 0
        most = start_of_most - value if start_of_most else np.where(value < 0.3, 2 * value, 0.6 - value)
        return np.where(few, 1 + 100 * value, most)

    with pytest.raises(RefusalError, match=says):
        explore.threshold(split, 0.4, low=0, high=1, n_draws=200)


def test_noise_of_other_draws_at_every_value_does_not_count_as_a_turn():
    def noisy(value, start, stop):
        return value + 0.05 * draws(1, f"noise at {value}", start, stop, distribution="normal", central=0, sd=1)

    found = explore.threshold(noisy, 0.5, low=0, high=1, n_draws=400)
    assert abs(found.value - 0.5) < 5 * found.error + 0.002


def test_the_curve_that_was_run_is_kept_and_the_answer_is_the_same_on_a_cluster():
    here = explore.threshold(saved, 1000, low=0, high=4, n_draws=200)
    assert here.curve["value"].is_sorted() and here.curve.height >= 9
    assert here.curve["met_share"].is_sorted() and here.curve["mean"].is_sorted()
    with scale.connect(workers=2, processes=False) as client:
        there = explore.threshold(saved, 1000, low=0, high=4, n_draws=200, client=client)
    assert (there.value, there.low, there.high) == (here.value, here.low, here.high)
    assert there.curve.equals(here.curve)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"low": 4, "high": 0}, RangeError, "low below high"),
        ({"target": float("nan")}, RangeError, "finite numbers"),
        ({"n_draws": 10}, RangeError, "10 draws are too few for an interval of 95%; take at least 40"),
        ({"tolerance": 0}, RangeError, "tolerance is 0"),
        ({"reach": "exactly"}, CitylabError, "Unknown reach"),
        ({"function": lambda v, a, b: np.zeros((b - a, 2))}, DataError, "one finite number a draw"),
        ({"function": lambda v, a, b: {"x": np.zeros(b - a)}}, DataError, "several arrays"),
        ({"function": lambda v, a, b: np.full(b - a, np.nan)}, DataError, "one finite number a draw"),
    ],
)
def test_a_search_that_cannot_be_is_an_error_that_names_the_fix(change, error, says):
    with pytest.raises(error, match=says):
        explore.threshold(**{"function": saved, "target": 1000, "low": 0, "high": 4, "n_draws": 100, **change})


def test_names_of_walks_pair_up():
    walks = explore.morris_cases(WALKS, 8, seed=2)
    x = walks.select("a", "b", "c").to_numpy()
    for (i, before), (j, after) in itertools.pairwise(enumerate(x)):
        if walks["trajectory"][i] == walks["trajectory"][j]:
            moved = np.flatnonzero(before != after)
            assert [list("abc")[m] for m in moved] == [walks["changed"][j]]
            assert after[moved[0]] - before[moved[0]] == pytest.approx(walks["step_share"][j])
