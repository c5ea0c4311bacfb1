from __future__ import annotations

import hashlib
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as peer

from citylab.errors import RangeError, SchemaError, UnknownNameError
from citylab.stats.draws import draws, quantiles, uniforms

NAMES = st.text(min_size=1).filter(str.strip)
PRIORS = {
    "uniform": {"low": -1, "high": 3},
    "triangular": {"low": 0, "central": 1, "high": 4},
    "normal": {"central": 2, "sd": 3},
    "lognormal": {"central": 2, "gsd": 1.5},
    "choice": {"values": ["short", "long"], "weights": [1, 3]},
    "fixed": {"central": 7},
}


@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 2**70), NAMES, st.lists(st.integers(0, 90), min_size=1, max_size=6), st.sampled_from([None, 1, 3, 5])
)
def test_draw_k_of_a_parameter_is_the_same_however_draws_are_cut(seed, name, cuts, width):
    edges = sorted({0, *cuts, 91})
    whole = uniforms(seed, name, 0, 91, width=width)
    parts = [uniforms(seed, name, a, b, width=width) for a, b in itertools.pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("distribution", PRIORS)
def test_draws_of_every_distribution_are_the_same_however_they_are_cut(distribution):
    prior = PRIORS[distribution]
    whole = draws(3, "p", 0, 50, distribution=distribution, **prior)
    parts = [draws(3, "p", a, b, distribution=distribution, **prior) for a, b in ((0, 1), (1, 17), (17, 50))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def philox(counter: int, key: tuple[int, int]) -> list[int]:
    """Philox4x64-10 as Salmon et al. (2011) give it: ten rounds of two wide multiplications, keys bumped between."""
    mask = 2**64 - 1
    c = [counter & mask, counter >> 64, 0, 0]
    k0, k1 = key
    for _ in range(10):
        a, b = 0xD2E7470EE14C6C93 * c[0], 0xCA5A826395121157 * c[2]
        c = [(b >> 64) ^ c[1] ^ k0, b & mask, (a >> 64) ^ c[3] ^ k1, a & mask]
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & mask, (k1 + 0xBB67AE8584CAA73B) & mask
    return c


@pytest.mark.parametrize("k", [0, 3, 4, 1001, 4 * 10**12 + 2])
def test_a_draw_is_philox_of_its_number_under_the_hash_of_seed_and_name(k):
    digest = hashlib.sha256("7\0能源价格".encode()).digest()
    key = (int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:16], "little"))
    # NumPy raises the counter before it makes four words of it, so that the first four come from 1
    word = philox(k // 4 + 1, key)[k % 4]
    assert uniforms(7, "能源价格", k, k + 1)[0] == ((word >> 12) + 0.5) / 2**52


def test_streams_are_uniform_and_streams_of_two_names_or_seeds_are_unrelated():
    one, other, later = uniforms(1, "a", 0, 20_000), uniforms(1, "b", 0, 20_000), uniforms(2, "a", 0, 20_000)
    for stream in (one, other, later):
        assert peer.kstest(stream, "uniform").pvalue > 1e-3
        assert stream.min() > 0 and stream.max() < 1
    # Two unrelated streams of n correlate by less than 4 / sqrt(n), but for one time in sixteen thousand
    for a, b in itertools.combinations((one, other, later, np.roll(one, 1)), 2):
        assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(20_000)


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-9, 1 - 1e-9))
def test_quantiles_are_those_of_scipy(u):
    # SciPy's triangle: mode as a share of the width; its lognormal: shape ln(gsd), scale the median
    expected = {
        "uniform": peer.uniform(-1, 4).ppf(u),
        "triangular": peer.triang(0.25, 0, 4).ppf(u),
        "normal": peer.norm(2, 3).ppf(u),
        "lognormal": peer.lognorm(np.log(1.5), scale=2).ppf(u),
    }
    for distribution, value in expected.items():
        assert quantiles(u, distribution, **PRIORS[distribution]) == pytest.approx(value, rel=1e-9, abs=1e-9)
    cut = quantiles(u, "normal", central=2, sd=3, low=0, high=4)
    assert cut == pytest.approx(peer.truncnorm(-2 / 3, 2 / 3, 2, 3).ppf(u), rel=1e-7, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 10), min_size=1, max_size=6).filter(lambda w: sum(w) > 1e-3))
def test_choices_come_as_often_as_their_weights_say_and_never_without_weight(weights):
    u = (np.arange(10_000) + 0.5) / 10_000
    chosen = quantiles(u, "choice", values=range(len(weights)), weights=weights)
    share = np.bincount(chosen, minlength=len(weights)) / len(u)
    # Edges fall between the even steps of u: each share is right to one step at each end
    np.testing.assert_allclose(share, np.array(weights) / sum(weights), atol=2e-4)
    ends = quantiles([0.0, 1 - 2.0**-53], "choice", values=range(len(weights)), weights=weights)
    assert all(weights[i] > 0 for i in ends)


def test_a_lognormal_that_is_cut_stays_between_its_cuts():
    drawn = draws(1, "p", 0, 5000, distribution="lognormal", central=1, gsd=3, low=0.5, high=4)
    assert 0.5 <= drawn.min() < 0.52 and 3.9 < drawn.max() <= 4


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ((1, "", 0, 5), SchemaError, "A parameter has no name.*Give it a name"),
        ((1, None, 0, 5), SchemaError, "has no name"),
        ((1, "p", 5, 5), RangeError, "Zero draws of 'p'.*at least one"),
        ((1, "p", 5, 3), RangeError, "Draws 5 to 3 cannot be"),
        ((1, "p", -1, 3), RangeError, "from 0 upwards"),
        ((-1, "p", 0, 3), RangeError, "seed is -1"),
        ((1.5, "p", 0, 3), RangeError, "seed is 1.5; give a whole number"),
        ((True, "p", 0, 3), RangeError, "seed is True"),
        (("1", "p", 0, 3), RangeError, "seed is '1'"),
        ((1, "p", 0.5, 3), RangeError, "start is 0.5"),
    ],
)
def test_a_stream_without_name_draws_or_seed_is_an_error(arguments, error, says):
    with pytest.raises(error, match=says):
        uniforms(*arguments)


@pytest.mark.parametrize("share", [1.5, -0.1, [0.5, float("nan")]])
def test_a_quantile_of_what_is_no_share_is_an_error(share):
    with pytest.raises(RangeError, match=r"saving: shares run from .*; a quantile is asked for between 0 and 1"):
        quantiles(share, "uniform", low=0, high=1, name="saving")


def test_a_draw_of_no_numbers_is_an_error():
    with pytest.raises(RangeError, match="width is 0"):
        uniforms(1, "p", 0, 1, width=0)


@pytest.mark.parametrize(
    ("distribution", "given", "error", "says"),
    [
        ("uniform", {"low": 2, "high": 2}, RangeError, "low 2 is not below high 2.*distribution='fixed'"),
        ("uniform", {"low": 3, "high": 2}, RangeError, "rising order"),
        ("uniform", {"low": 3}, SchemaError, "is uniform and lacks high"),
        ("uniform", {"low": 0, "high": 1, "central": 0.5}, SchemaError, "no use for central"),
        ("uniform", {"low": 0, "high": float("inf")}, RangeError, "high = inf is no finite number"),
        ("triangular", {"low": 0, "central": 5, "high": 4}, RangeError, "mode.* is 5 and lies outside 0 to 4"),
        ("normal", {"central": 0, "sd": 0}, RangeError, "sd is 0"),
        ("normal", {"central": 0, "sd": 1, "low": 2, "high": 1}, RangeError, "low is not below high"),
        (
            "normal",
            {"central": 0, "sd": 1, "low": 50, "high": 60},
            RangeError,
            "nothing of the normal.*between its cuts",
        ),
        ("lognormal", {"central": 0, "gsd": 2}, RangeError, "above 0 and gsd above 1"),
        ("lognormal", {"central": 1, "gsd": 2, "low": -1}, RangeError, "lies above 0"),
        ("choice", {"values": []}, RangeError, "nothing to choose from"),
        ("choice", {"values": [1, 2], "weights": [1]}, RangeError, "2 values and 1 weights"),
        ("choice", {"values": [1, 2], "weights": [0, 0]}, RangeError, "not all 0"),
        ("triangle", {}, UnknownNameError, "Nearest: 'triangular'"),
    ],
)
def test_a_prior_that_cannot_be_is_an_error_that_names_the_parameter(distribution, given, error, says):
    with pytest.raises(error, match=says) as caught:
        draws(1, "grid_factor", 0, 3, distribution=distribution, **given)
    assert error is UnknownNameError or "grid_factor" in str(caught.value)
