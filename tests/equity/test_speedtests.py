from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from citylab.equity.speedtests import (
    centre_latitude,
    fitted,
    parent_tiles,
    shrunken_speeds,
    speeds_of_areas,
    tile_bounds,
)
from citylab.errors import DataError, EditionError, OverlapError, RangeError, SchemaError

Q = "2020-Q4"


BETWEEN, DEVICE = 0.3, 1.5


def tiles(n: int = 200, *, seed: int = 0, zoom: int = 8, between: float = BETWEEN) -> pl.DataFrame:
    """Synthetic tiles about 50 Mbit/s, of gamma distributed means, whose devices vary about theirs by sqrt(1.5)."""
    rng = np.random.default_rng(seed)
    devices = rng.integers(1, 30, n)
    true = rng.gamma(1 / between, 50e3 * between, n) if between else np.full(n, 50e3)
    return pl.DataFrame(
        {
            "network": "fixed",
            "quadkey": [np.base_repr(i, 4).zfill(zoom) for i in rng.choice(4**zoom, n, replace=False)],
            "true": true, "download_kbps": true * rng.gamma(devices / DEVICE, DEVICE / devices),
            "upload_kbps": rng.lognormal(8, 1, n), "latency_msec": rng.lognormal(3, 1, n),
            "speedtest_count": devices * 3, "device_count": devices,
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def sample(mirror) -> pl.DataFrame:
    from citylab.sources.ookla import parse_tiles

    return parse_tiles([mirror / "ookla-tiles-sample" / "ookla_pr_2020q4_tiles.csv.gz"]).collect()


# Shrinkage ------------------------------------------------------------------------------------------------------------


def test_spreads_are_found_again_and_intervals_hold_the_true_speeds():
    rows = tiles(4000)
    told = shrunken_speeds(rows, vintage=Q).join(rows.select("quadkey", "true", "device_count"), on="quadkey")
    assert told["mean"][0] == pytest.approx(50e3, rel=0.1)
    assert told["spread_between"][0] == pytest.approx(BETWEEN, rel=0.1)
    # Devices vary by 1.5 of the square of the tile's own mean, whose expectation is 1.3 of the common one's.
    assert told["spread_within"][0] == pytest.approx(DEVICE * (1 + BETWEEN), rel=0.15)
    inside = told.select(pl.col("true").is_between("lower", "upper").mean()).item()
    # Four binomial standard errors of 4,000 tiles, and half a point for the shape of the posterior.
    assert abs(inside - 0.95) < 4 * 0.0035 + 0.005
    # What stays unknown of a tile has 1 - own_share of the variance between tiles.
    k = told["device_count"].to_numpy()
    best = BETWEEN * (1 - BETWEEN / (BETWEEN + DEVICE * (1 + BETWEEN) / k)) * 50e3**2
    off = ((told["shrunken"] - told["true"]) ** 2).mean()
    assert off == pytest.approx(best.mean(), rel=0.1)
    assert off < 0.8 * ((told["value"] - told["true"]) ** 2).mean()


def test_the_fit_is_the_maximum_of_the_pseudo_likelihood_of_single_tiles():
    rows = tiles(300, seed=4)
    x, k = rows["download_kbps"].to_numpy(), rows["device_count"].to_numpy().astype(float)

    def surprise(p: np.ndarray) -> float:
        mean = np.exp(p[0]) * k ** p[1]
        variance = mean**2 * (np.exp(p[2]) + np.exp(p[3]) / k)
        return float((np.log(variance) + (x - mean) ** 2 / variance).sum())

    exactly = {"xatol": 1e-7, "fatol": 1e-10, "maxiter": 9000, "maxfev": 9000}
    best = minimize(surprise, [10.0, 0.0, -1.0, 0.0], method="Nelder-Mead", options=exactly)
    fit = fitted(x, k)
    ours = (np.log(fit.mean), fit.slope, np.log(fit.between), np.log(fit.within))
    assert surprise(np.array(ours)) == pytest.approx(best.fun, abs=1e-3)
    assert ours == pytest.approx(tuple(best.x), abs=2e-2)


def test_more_devices_leave_a_tile_more_of_its_own():
    told = shrunken_speeds(tiles(), vintage=Q).join(tiles().select("quadkey", "device_count"), on="quadkey")
    by_count = told.sort("device_count")
    assert by_count["own_share"].is_sorted()
    assert told["own_share"].is_between(0, 1).all()
    assert (
        told.select((pl.col("lower") < pl.col("shrunken")) & (pl.col("shrunken") < pl.col("upper"))).to_series().all()
    )


def test_tiles_of_few_devices_that_are_truly_slower_are_noted_and_drawn_to_the_mean_of_their_like():
    rows = tiles(4000).with_columns(pl.col("download_kbps", "true") * pl.col("device_count") ** 0.3)
    told = shrunken_speeds(rows, vintage=Q).join(rows.select("quadkey", "true", "device_count"), on="quadkey")
    assert set(told["note"]) == {"count_tells_speed"}
    for k in (1, 29):
        some = told.filter(device_count=k)
        assert some["mean"][0] == pytest.approx(50e3 * k**0.3, rel=0.1)
        assert some["shrunken"].mean() == pytest.approx(some["true"].mean(), rel=0.1)
    assert set(shrunken_speeds(tiles(4000), vintage=Q)["note"]) == {None}


def test_tiles_of_equally_many_devices_cannot_tell_chance_from_difference():
    told = shrunken_speeds(tiles().with_columns(device_count=pl.lit(4)), vintage=Q)
    assert set(told["note"]) == {"few_counts"}
    assert told["shrunken"].null_count() == told.height


def test_tiles_that_differ_by_chance_alone_are_drawn_to_the_mean():
    told = shrunken_speeds(tiles(2000, between=0), vintage=Q)
    assert told["spread_between"][0] < 0.02
    assert told["own_share"].max() < 0.3
    assert told["shrunken"].std() < 0.2 * told["value"].std()


def test_groups_are_those_of_each_alone_and_gaps_and_small_groups_say_why():
    fixed = tiles(60)
    mobile = tiles(9, seed=3).with_columns(network=pl.lit("mobile"))
    gap = fixed.head(1).with_columns(quadkey=pl.lit("33333333"), download_kbps=pl.lit(None, pl.Float64))
    told = shrunken_speeds(pl.concat([mobile, fixed, gap]), vintage=Q)
    assert told.filter(network="mobile")["note"].unique().to_list() == ["few_tiles"]
    assert told.filter(network="mobile")["shrunken"].null_count() == 9
    assert told.filter(quadkey="33333333").select("note", "n", "n_missing").row(0) == ("missing", 60, 1)
    alone = shrunken_speeds(fixed, vintage=Q)
    both = told.filter(pl.col("network") == "fixed", pl.col("note").ne_missing("missing"))
    assert both.drop("n_missing").equals(alone.drop("n_missing"))


def test_every_row_says_its_quarter_and_that_testers_chose_themselves():
    lazy = shrunken_speeds(tiles().lazy(), vintage=Q)
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect().schema == lazy.collect_schema()
    for told in (lazy.collect(), parent_tiles(tiles(), zoom=2, vintage=Q)):
        assert set(told["vintage"]) == {Q}
        assert set(told["caveat"]) == {"self_selected"}


def test_spread_of_puerto_ricos_tiles_falls_with_devices_as_the_rule_says(sample):
    counts = sample.select("network", "quadkey", "device_count")
    told = shrunken_speeds(sample, vintage=Q).join(counts, on=["network", "quadkey"])
    for network, tiles_of in (("fixed", 11364), ("mobile", 8188)):
        rows = told.filter(network=network)
        assert rows.height == tiles_of
        between, within = rows["spread_between"][0], rows["spread_within"][0]
        for least, most in ((1, 1), (2, 2), (3, 4), (5, 8), (9, 16), (17, 32)):
            some = rows.filter(pl.col("device_count").is_between(least, most))
            expected = between + within * (1 / some["device_count"]).mean()
            assert ((some["value"] / some["mean"] - 1) ** 2).mean() == pytest.approx(expected, rel=0.25)
            assert some["value"].mean() == pytest.approx(some["mean"].mean(), rel=0.1)
    # Tiles of few devices are slower than those of many: the table must say so.
    assert set(told["note"]) == {"count_tells_speed"}


# Joining --------------------------------------------------------------------------------------------------------------


@given(st.integers(0, 200), st.integers(1, 8), st.integers(1, 8))
@settings(max_examples=25, deadline=None)
def test_joining_in_steps_or_at_once_is_the_same_and_loses_no_test(seed, one, other):
    rows = tiles(80, seed=seed)
    low, high = sorted((one, other))
    at_once = parent_tiles(rows, zoom=low, vintage=Q)
    steps = parent_tiles(parent_tiles(rows, zoom=high, vintage=Q), zoom=low, vintage=Q)
    assert at_once["speedtest_count"].sum() == rows["speedtest_count"].sum()
    assert at_once["device_tile_count"].sum() == rows["device_count"].sum()
    assert at_once["n_tiles"].sum() == 80
    same = ["quadkey", "speedtest_count", "device_tile_count"]
    assert at_once.select(same).equals(steps.select(same))
    assert at_once["download_kbps"].to_list() == pytest.approx(steps["download_kbps"].to_list())


def test_a_mean_that_a_tile_lacks_takes_no_weight_and_its_tests_stay():
    rows = tiles(2).with_columns(
        quadkey=pl.Series(["00000000", "00000001"]), speedtest_count=pl.Series([3, 5]),
        download_kbps=pl.Series([100.0, 300.0]), upload_kbps=pl.Series([10.0, None]),
    )  # fmt: skip
    told = parent_tiles(rows, zoom=1, vintage=Q).row(0, named=True)
    assert told["download_kbps"] == pytest.approx((3 * 100 + 5 * 300) / 8)
    assert told["upload_kbps"] == 10
    assert told["speedtest_count"] == 8


def test_centres_of_tiles_are_the_publishers(sample):
    west, _, east, _ = tile_bounds(sample["quadkey"])
    assert (west + east) / 2 == pytest.approx(sample["longitude_deg"].to_numpy(), abs=1e-6)
    assert centre_latitude(sample["quadkey"]) == pytest.approx(sample["latitude_deg"].to_numpy(), abs=1e-6)


def squares(*cells: tuple[float, float, float, float]) -> pl.DataFrame:
    return pl.DataFrame({"area": [f"a{i}" for i in range(len(cells))],
                         "geometry_wkb": [shapely.to_wkb(shapely.box(*c)) for c in cells]})  # fmt: skip


@pytest.mark.parametrize("method", ["centre", "share"])
def test_puerto_ricos_tests_are_all_in_an_area_or_outside(sample, method):
    halves = squares((-67.0, 17.9, -66.4, 18.6), (-66.4, 17.9, -65.9, 18.6))
    told = speeds_of_areas(sample, halves, "area", vintage=Q, method=method)
    assert told.filter(pl.col("area").is_null())["note"].to_list() == ["outside", "outside"]
    for network, tests in (("fixed", 422609), ("mobile", 87946)):
        rows = told.filter(network=network)
        assert rows.height == 3
        assert rows["speedtest_count"].sum() == pytest.approx(tests, abs=1e-6 if method == "share" else 0)
        whole = (
            (sample.filter(network=network).select(pl.col("download_kbps") * pl.col("speedtest_count"))).sum().item()
        )
        assert (rows["download_kbps"] * rows["speedtest_count"]).sum() == pytest.approx(whole)


@given(st.lists(st.floats(-179, 179), min_size=1, max_size=5, unique=True), st.integers(0, 50))
@settings(max_examples=25, deadline=None)
def test_shares_and_centres_lose_no_test_whatever_the_areas(cuts, seed):
    ends = [-180.0, *sorted(cuts), 180.0]
    strips = squares(*[(a, -60.0, b, 70.0) for a, b in itertools.pairwise(ends)])
    rows = tiles(60, seed=seed)
    for method in ("centre", "share"):
        told = speeds_of_areas(rows, strips, "area", vintage=Q, method=method)
        assert told["speedtest_count"].sum() == pytest.approx(rows["speedtest_count"].sum(), abs=1e-9)
        assert told["device_tile_count"].sum() == pytest.approx(rows["device_count"].sum(), abs=1e-9)


def test_a_tile_that_a_border_halves_is_halved_by_share_and_goes_whole_by_its_centre():
    one = tiles(1).with_columns(quadkey=pl.lit("0"), speedtest_count=pl.lit(8), device_count=pl.lit(3))
    halves = squares((-180, -1, -135, 86), (-135, -1, 0, 86))
    share = speeds_of_areas(one, halves, "area", vintage=Q, method="share")
    assert dict(share.select("area", "speedtest_count").iter_rows()) == pytest.approx({"a0": 2.0, "a1": 6.0})
    assert set(share["download_kbps"]) == {one["download_kbps"].item()}
    centre = speeds_of_areas(one, halves, "area", vintage=Q)
    assert centre.select("area", "speedtest_count").rows() == [("a1", 8.0)]
    # A centre on a border between two goes to the first, once.
    on_border = speeds_of_areas(one, squares((-180, -1, -90, 86), (-90, -1, 0, 86)), "area", vintage=Q)
    assert on_border.select("area", "speedtest_count").rows() == [("a0", 8.0)]


# Bad input ------------------------------------------------------------------------------------------------------------


def test_areas_that_overlap_are_refused():
    with pytest.raises(OverlapError, match="'a0' and 'a1' overlap"):
        speeds_of_areas(tiles(), squares((0, 0, 2, 2), (1, 1, 3, 3)), "area", vintage=Q)


@pytest.mark.parametrize("work", [
    lambda t, **o: shrunken_speeds(t, **o), lambda t, **o: parent_tiles(t, zoom=2, **o),
    lambda t, **o: speeds_of_areas(t, squares((0, 0, 1, 1)), "area", **o),
], ids=["shrunken", "parents", "areas"])  # fmt: skip
def test_what_no_tile_can_be_is_refused(work):
    good = tiles()
    with pytest.raises(SchemaError, match="zeros lead"):
        work(good.with_columns(pl.col("quadkey").cast(pl.Int64)), vintage=Q)
    with pytest.raises(RangeError, match="expected a quarter"):
        work(good, vintage="2020")
    with pytest.raises(EditionError, match="'2021-Q1' were given as '2020-Q4'"):
        work(good.with_columns(vintage=pl.lit("2021-Q1")), vintage=Q)
    with pytest.raises(SchemaError, match="fixed and mobile would be mixed"):
        work(good, vintage=Q, by=None)
    with pytest.raises(DataError, match=r"stands (twice|2 times)"):
        work(pl.concat([good, good]), vintage=Q)


def test_speeds_and_counts_that_cannot_be_are_refused():
    good = tiles()
    with pytest.raises(DataError, match="not above 0"):
        shrunken_speeds(good.with_columns(download_kbps=pl.lit(0.0)), vintage=Q)
    with pytest.raises(DataError, match="device_count is below 1"):
        shrunken_speeds(good.with_columns(device_count=pl.lit(0)), vintage=Q)
    with pytest.raises(DataError, match="below 0"):
        parent_tiles(good.with_columns(speedtest_count=pl.lit(-1)), zoom=2, vintage=Q)
    for speed in (-5.0, float("inf")):
        for work in (lambda t: parent_tiles(t, zoom=2, vintage=Q),
                     lambda t: speeds_of_areas(t, squares((0, 0, 1, 1)), "area", vintage=Q)):  # fmt: skip
            with pytest.raises(DataError, match="speed or latency that is below 0 or infinite"):
                work(good.with_columns(upload_kbps=pl.lit(speed)))
    text = pl.DataFrame({"area": ["a"], "geometry_wkb": ["POLYGON"]})
    with pytest.raises(SchemaError, match="expected outlines as well-known binary"):
        speeds_of_areas(good, text, "area", vintage=Q)
    with pytest.raises(RangeError, match="vintage is None"):
        parent_tiles(good, zoom=2, vintage=None)  # type: ignore[arg-type]
    assert shrunken_speeds(good.clear(), vintage=Q).is_empty()
    with pytest.raises(DataError, match="no quadkey of zoom 9"):
        parent_tiles(good, zoom=9, vintage=Q)
    with pytest.raises(DataError, match="no quadkey"):
        parent_tiles(good.with_columns(quadkey=pl.lit("47")), zoom=2, vintage=Q)
    with pytest.raises(RangeError, match="zoom is 0"):
        parent_tiles(good, zoom=0, vintage=Q)
    with pytest.raises(RangeError, match="method"):
        speeds_of_areas(good, squares((0, 0, 1, 1)), "area", vintage=Q, method="middle")  # type: ignore[arg-type]
