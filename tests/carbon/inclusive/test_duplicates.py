"""Double claims: no pair is missed, no crowd becomes one, no identifier leaves, and what is struck is one trip's."""

from __future__ import annotations

import datetime as dt
import hashlib
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy.stats import binom

from benchmarks import duplicates as benchmark
from benchmarks.measure import agree
from calibration import duplicates as calibration
from citylab import places, tables
from citylab.carbon.inclusive import duplicates as module
from citylab.carbon.inclusive.crediting import credit
from citylab.carbon.inclusive.duplicates import claim_pairs, drop_double_claims, duplicates, merged_report
from citylab.carbon.inclusive.exchange import exchange_table, pseudonyms
from citylab.carbon.inclusive.planted import search_quality, synthetic_claims
from citylab.errors import CoordinateError, DataError, RangeError, RefusalError, SchemaError, UnknownNameError

DAY = dt.datetime(2024, 10, 8, 8)
KEY = hashlib.sha256(b"a key for tests").digest()
ASOF = dt.date(2024, 12, 31)
M_PER_DEG = float(places.distance_m(0.0, 0.0, 0.0, 1.0))
CLAIM = {
    "platform": "A", "activity_id": "a1", "person_token": "p", "act": "metro", "start_local": DAY,
    "end_local": DAY + dt.timedelta(minutes=20), "distance_km": 6.5, "start_longitude_deg": 116.31,
    "start_latitude_deg": 39.98, "end_longitude_deg": 116.37, "end_latitude_deg": 39.9,
}  # fmt: skip
TYPES = {"start_local": pl.Datetime("ms"), "end_local": pl.Datetime("ms"), "distance_km": pl.Float64}
LIMITS = {"start_gap_s": 300.0, "end_gap_s": 300.0, "start_gap_m": 300.0, "end_gap_m": 300.0, "distance_gap_share": 0.1}


def frame(*changes: dict[str, Any]) -> pl.DataFrame:
    """Return one claim per change of a good one, on platforms A, B, C and so on."""
    rows = [
        {**CLAIM, "platform": chr(ord("A") + i), "activity_id": f"t{i}", **change} for i, change in enumerate(changes)
    ]
    return pl.DataFrame(rows, schema_overrides=TYPES, infer_schema_length=None)


def later(seconds: float, **more: Any) -> dict[str, Any]:
    shift = dt.timedelta(seconds=seconds)
    return {"start_local": DAY + shift, "end_local": DAY + dt.timedelta(minutes=20) + shift, **more}


def north(metres: float) -> dict[str, float]:
    """Return the latitudes of a trip that begins and ends so far to the north."""
    return {end: CLAIM[end] + metres / M_PER_DEG for end in ("start_latitude_deg", "end_latitude_deg")}  # type: ignore[operator]


def names(pairs: pl.DataFrame) -> set[frozenset[tuple[str, str]]]:
    key = ["platform", "activity_id"]
    return {frozenset([(a, b), (c, d)]) for a, b, c, d in pairs.select(*key, *(f"other_{k}" for k in key)).iter_rows()}


@pytest.fixture(scope="module")
def claims() -> pl.DataFrame:
    return synthetic_claims(30_000, seed=5)


@pytest.fixture(scope="module")
def found(claims: pl.DataFrame) -> pl.DataFrame:
    return duplicates(claims, token="person_id", registered="registered_local")


# ------------------------------------------------------------------------------------------------- no pair is missed


def by_brute_force(
    claims: pl.DataFrame, limits: dict[str, float], *, token: bool, within: bool, slack_m: float = 0.0
) -> set[frozenset[tuple[str, str]]]:
    """Look at all pairs, one after the other, by the rule in the documentation."""
    compatible = {frozenset(p) for p in tables.read("inclusive_duplicate_modes").select("act", "other_act").iter_rows()}
    hits = set()
    for a, b in combinations(claims.to_dicts(), 2):
        far = {
            "start_gap_s": abs((a["start_local"] - b["start_local"]).total_seconds()),
            "end_gap_s": abs((a["end_local"] - b["end_local"]).total_seconds()),
            "distance_gap_share": abs(a["distance_km"] - b["distance_km"]) / max(a["distance_km"], b["distance_km"]),
        }
        for end in ("start", "end"):
            ends = (row[f"{end}_{axis}_deg"] for row in (a, b) for axis in ("longitude", "latitude"))
            far[f"{end}_gap_m"] = places.distance_m(*ends) - slack_m
        if token and (a["person_token"] is None or a["person_token"] != b["person_token"]):
            continue
        if not within and a["platform"] == b["platform"]:
            continue
        if frozenset((a["act"], b["act"])) in compatible and all(far[k] <= limits[k] for k in limits):
            hits.add(frozenset([(a["platform"], a["activity_id"]), (b["platform"], b["activity_id"])]))
    return hits


@st.composite
def crowds(draw: st.DrawFn) -> tuple[pl.DataFrame, dict[str, float]]:
    """Draw claims whose differences lie about the thresholds, anywhere on Earth, and the thresholds."""
    n = draw(st.integers(2, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lat0, lon0 = draw(st.sampled_from([39.9, 0.0, -33.0, 69.6, 85.0])), draw(st.sampled_from([116.4, 0.0, -70.0]))
    limits = {
        "start_gap_s": draw(st.sampled_from([0.0, 60.0, 300.0, 3600.0])),
        "end_gap_s": 600.0,
        "start_gap_m": draw(st.sampled_from([0.0, 100.0, 300.0, 5000.0])),
        "end_gap_m": draw(st.sampled_from([300.0, 5000.0])),
        "distance_gap_share": draw(st.sampled_from([0.0, 0.1, 0.5])),
    }
    spread_s, spread_m = max(limits["start_gap_s"], 1) * 1.5, max(limits["start_gap_m"], 1) * 1.5
    # Multiples of a tenth of the threshold, so that some lie exactly on it.
    start_s = np.round(rng.uniform(0, spread_s, n) / spread_s * 15) * spread_s / 15
    at = {}
    for end, spread in (("start", spread_m), ("end", limits["end_gap_m"])):
        metres = np.round(rng.uniform(0, spread, (2, n)) / spread * 15) * spread / 15
        at[f"{end}_latitude_deg"] = lat0 + metres[0] / M_PER_DEG
        at[f"{end}_longitude_deg"] = lon0 + metres[1] / (M_PER_DEG * np.cos(np.radians(lat0)))
    start = np.datetime64(DAY, "ms") + (start_s * 1000).astype("timedelta64[ms]")
    tokens = rng.choice(np.array(["p", "q", None], dtype=object), n)
    made = pl.DataFrame(
        {
            "platform": rng.choice(["A", "B", "C"], n),
            "activity_id": [f"t{i}" for i in range(n)],
            "person_token": pl.Series(tokens.tolist(), dtype=pl.String),
            "act": rng.choice(["bus", "metro", "walk"], n),
            "start_local": start,
            "end_local": start + rng.integers(60_000, 1_200_000, n).astype("timedelta64[ms]"),
            "distance_km": np.round(rng.uniform(1, 1.3, n), 2),
            **at,
        }
    )
    return made, limits


@given(crowds(), st.booleans())
@settings(max_examples=100, deadline=None)
def test_without_a_token_all_pairs_within_the_thresholds_and_no_others_are_found(
    drawn: tuple[pl.DataFrame, dict[str, float]], within: bool
) -> None:
    claims, limits = drawn
    if not within and claims["platform"].n_unique() < 2:
        return
    pairs = claim_pairs(claims, token=None, within_platforms=within, thresholds=limits)
    assert names(pairs) == by_brute_force(claims, limits, token=False, within=within)
    assert pairs.height == len(names(pairs))


@given(crowds(), st.booleans())
@settings(max_examples=50, deadline=None)
def test_with_a_token_all_pairs_of_a_person_and_no_others_are_found(
    drawn: tuple[pl.DataFrame, dict[str, float]], within: bool
) -> None:
    claims, limits = drawn
    if claims["person_token"].null_count() == claims.height or (not within and claims["platform"].n_unique() < 2):
        return
    pairs = claim_pairs(claims, within_platforms=within, thresholds=limits)
    assert names(pairs) == by_brute_force(claims, limits, token=True, within=within)


def test_a_crowd_that_is_looked_at_in_portions_gives_the_same_pairs(
    claims: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = claims.head(3_000)
    whole = claim_pairs(few, token=None, thresholds={"start_gap_m": 5000, "start_gap_s": 3600})
    monkeypatch.setattr(module, "_CHUNK_PAIRS", 100)
    assert_frame_equal(claim_pairs(few, token=None, thresholds={"start_gap_m": 5000, "start_gap_s": 3600}), whole)


@given(crowds(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_the_rows_changes_nothing(drawn: tuple[pl.DataFrame, dict[str, float]], random: Any) -> None:
    claims, limits = drawn
    order = list(range(claims.height))
    random.shuffle(order)
    options: dict[str, Any] = {"token": None, "within_platforms": True, "thresholds": limits}
    assert_frame_equal(duplicates(claims[order], **options), duplicates(claims, **options))


@given(crowds())
@settings(max_examples=40, deadline=None)
def test_every_two_claims_of_a_cluster_are_a_pair_and_no_claim_is_in_two(
    drawn: tuple[pl.DataFrame, dict[str, float]],
) -> None:
    claims, limits = drawn
    options: dict[str, Any] = {"token": None, "within_platforms": True, "thresholds": limits}
    clusters, pairs = duplicates(claims, **options), names(claim_pairs(claims, **options))
    assert not clusters.select("platform", "activity_id").is_duplicated().any()
    for _, group in clusters.group_by("cluster_id"):
        members = list(group.select("platform", "activity_id").iter_rows())
        assert len(members) > 1
        assert {frozenset(two) for two in combinations(members, 2)} <= pairs
        assert sorted(group["claim_rank"]) == list(range(1, len(members) + 1))
    # Who is left over has no pair with anyone else who is.
    inside = set(clusters.select("platform", "activity_id").iter_rows())
    assert all(pair & inside for pair in pairs)


@pytest.mark.parametrize(
    ("change", "is_pair"),
    [
        (later(300), True),
        (later(301), False),
        (north(299), True),
        (north(301), False),
        ({"distance_km": 6.5 / 0.901}, True),
        ({"distance_km": 6.5 / 0.899}, False),
        ({"act": "bus"}, True),  # declared as compatible with metro
        ({"act": "cycle"}, False),
        ({"person_token": "q"}, False),
        ({"person_token": None}, False),
        ({"end_local": DAY + dt.timedelta(minutes=26)}, False),
        ({"end_latitude_deg": 39.91}, False),
    ],
)
def test_a_threshold_holds_up_to_its_value(change: dict[str, Any], is_pair: bool) -> None:
    assert claim_pairs(frame({}, change)).height == is_pair


def test_the_declared_thresholds_are_those_of_the_goal() -> None:
    declared = dict(tables.read("inclusive_duplicate_thresholds").select("rule", "value").iter_rows())
    assert declared == LIMITS


def test_the_gaps_are_those_that_were_made() -> None:
    pair = claim_pairs(frame({}, later(120, distance_km=6.0, **north(100)))).row(0, named=True)
    assert (pair["start_gap_s"], pair["end_gap_s"]) == (120, 120)
    assert pair["start_gap_m"] == pytest.approx(100, abs=1e-3) and pair["end_gap_m"] == pytest.approx(100, abs=1e-3)
    assert pair["distance_gap_share"] == pytest.approx(0.5 / 6.5)
    # Mean of 1 - 120/300 twice, 1 - 100/300 twice, 1 - (0.5/6.5)/0.1, and 1 for the same mode.
    assert pair["match_score"] == pytest.approx((0.6 * 2 + 2 / 3 * 2 + 3 / 13 + 1) / 6, abs=1e-5)


# ----------------------------------------------------------------------------------------------------------- clusters


def test_one_trip_on_three_platforms_is_one_cluster() -> None:
    clusters = duplicates(frame({}, later(60), later(120)))
    assert clusters["cluster_id"].unique().to_list() == [0] and clusters.height == 3


def test_a_chain_does_not_become_one_trip_and_the_closest_pair_joins() -> None:
    # The second is 250 s from the first and 200 s from the third; these two are 450 s apart.
    clusters = duplicates(frame({}, later(250), later(450)))
    assert clusters["activity_id"].to_list() == ["t1", "t2"]
    assert clusters["rival_count"].to_list() == [1, 0]


def test_without_a_token_a_cluster_holds_one_claim_of_a_platform() -> None:
    crowd = frame({"platform": "A"}, {"platform": "A"}, {"platform": "B"}, {"platform": "B"})
    clusters = duplicates(crowd, token=None)
    assert clusters.group_by("cluster_id").agg(pl.col("platform").sort())["platform"].to_list() == [["A", "B"]] * 2
    assert clusters["rival_count"].to_list() == [1] * 4
    assert duplicates(crowd, token=None, within_platforms=True)["cluster_id"].n_unique() == 1


def test_the_same_trip_on_each_working_day_is_no_double_claim() -> None:
    week = [{**later(86_400 * day), "platform": "A", "activity_id": f"d{day}"} for day in range(5)]
    assert duplicates(frame(*week)).is_empty()


@pytest.mark.parametrize(
    ("options", "kept", "by"),
    [
        ({}, "A", "start"),
        ({"registered": "registered_local"}, "B", "registered"),
        ({"priority": ["C", "B"]}, "C", "priority"),
        ({"priority": ["C", "B"], "registered": "registered_local"}, "C", "priority"),
    ],
)
def test_the_claim_that_stands_is_the_one_that_was_declared(options: dict[str, Any], kept: str, by: str) -> None:
    hours = [3, 1, 2]
    three = frame({}, later(60), later(120)).with_columns(
        registered_local=pl.Series([DAY + dt.timedelta(hours=h) for h in hours])
    )
    clusters = duplicates(three, **options)
    assert clusters.filter("is_kept")["platform"].to_list() == [kept]
    assert clusters["kept_by"].unique().to_list() == [by]
    assert clusters["is_kept"].to_list() == [True, False, False] and clusters["start_gap_s"][0] is None


def test_an_unknown_time_of_registration_is_no_early_one() -> None:
    two = frame({}, later(60)).with_columns(registered_local=pl.Series([None, DAY + dt.timedelta(hours=9)]))
    assert duplicates(two, registered="registered_local").filter("is_kept")["platform"].to_list() == ["B"]


# ------------------------------------------------------------------------------------------------ plant and measure


def test_planted_copies_are_found_with_the_token_at_99_percent(claims: pl.DataFrame, found: pl.DataFrame) -> None:
    quality = search_quality(found, claims).row(0, named=True)
    assert quality["true_count"] == 900  # 3 % of 30,000
    assert quality["precision_share"] >= 0.99 and quality["recall_share"] >= 0.99
    assert quality["precision_share_low"] <= quality["precision_share"] <= quality["precision_share_high"]


@pytest.mark.parametrize("alteration", [1.5, 2.0])
def test_beyond_the_thresholds_recall_falls_as_geometry_says(alteration: float) -> None:
    """With alterations uniform within a times the thresholds, each must by itself fall below one.

    Start and end time: 1/a each; a disc: 1/a² each; distance: u in (-0.1a, 0.1a), and |u| over the longer distance is
    at most 0.1 from -0.1 to 1/9, so (0.1 + 1/9) / (0.2 a).
    """
    expected = alteration**-2 * alteration**-4 * (0.1 + 1 / 9) / (0.2 * alteration)
    # Long trips only: of a short one an end before the start is drawn anew.
    options = {"copies_share": 0.3, "errand_share": 0.0, "walk_below_km": 0.0, "cycle_share": 0.0}
    far = synthetic_claims(30_000, seed=2, alteration=alteration, assumptions=options)
    quality = search_quality(duplicates(far, token="person_id"), far).row(0, named=True)
    low, high = binom.interval(0.999, quality["true_count"], expected)
    assert low <= quality["hit_count"] <= high


def test_wider_thresholds_find_wider_copies(claims: pl.DataFrame) -> None:
    far = synthetic_claims(10_000, seed=2, alteration=2.0)
    wide = {name: 2 * value for name, value in LIMITS.items()}
    narrow = search_quality(duplicates(far, token="person_id"), far)["recall_share"].item()
    assert narrow < 0.05
    assert search_quality(duplicates(far, token="person_id", thresholds=wide), far)["recall_share"].item() > 0.99


def test_where_nothing_was_planted_and_nobody_turns_back_at_once_nothing_is_found() -> None:
    honest = synthetic_claims(20_000, seed=3, assumptions={"copies_share": 0, "errand_share": 0})
    assert duplicates(honest, token="person_id").is_empty()
    empty = search_quality(duplicates(honest, token="person_id"), honest).row(0, named=True)
    assert empty["precision_share"] is None and empty["recall_share"] is None


def test_neighbours_on_one_train_look_the_same_without_a_token() -> None:
    honest = synthetic_claims(30_000, seed=3, assumptions={"copies_share": 0, "errand_share": 0})
    clusters = duplicates(honest, token=None)
    assert clusters["cluster_id"].n_unique() > 50
    assert clusters["basis"].unique().to_list() == ["coincidence"]


def test_companions_on_one_phone_cannot_be_told_from_a_double_claim() -> None:
    together = synthetic_claims(10_000, seed=4, companions_share=0.02, assumptions={"copies_share": 0})
    quality = search_quality(duplicates(together, token="person_id"), together)
    assert quality["found_count"].item() > 50 and quality["hit_count"].item() == 0


def test_synthetic_claims_are_the_same_for_a_seed_and_say_what_they_are(claims: pl.DataFrame) -> None:
    assert_frame_equal(synthetic_claims(30_000, seed=5), claims)
    assert not synthetic_claims(1_000, seed=5).equals(synthetic_claims(1_000, seed=6))
    assert claims["is_synthetic"].all() and claims["is_copy"].sum() == 900
    assert claims.height == 30_000 and not claims.select("platform", "activity_id").is_duplicated().any()


def test_copies_are_altered_by_no_more_than_is_said(claims: pl.DataFrame) -> None:
    copies = claims.filter("is_copy").join(claims.filter(~pl.col("is_copy")), on="true_trip_id", suffix="_o")
    assert copies.height == 900
    seconds = [
        (pl.col(f"{e}_local") - pl.col(f"{e}_local_o")).dt.total_milliseconds().abs().max() for e in ("start", "end")
    ]
    assert max(copies.select(s.alias(str(i)) for i, s in enumerate(seconds)).row(0)) <= 300_000
    ratio = copies["distance_km"] / copies["distance_km_o"] - 1
    assert 0.09 < ratio.abs().max() <= 0.1  # type: ignore[operator]
    apart = places.distance_m(*(copies[c].to_numpy() for c in (
        "start_longitude_deg", "start_latitude_deg", "start_longitude_deg_o", "start_latitude_deg_o")))  # fmt: skip
    assert 280 < apart.max() <= 300
    assert (copies["person_id"] == copies["person_id_o"]).all() and (copies["account"] != copies["account_o"]).all()


def test_the_quality_of_a_search_counts_pairs() -> None:
    # Trips 1 (three claims: 3 pairs) and 2 (two claims: 1 pair); found: {1, 1, 2}, 3 pairs of which one is right.
    trips = pl.DataFrame({"platform": ["A"] * 5, "activity_id": list("abcde"), "true_trip_id": [1, 1, 1, 2, 2]})
    clusters = pl.DataFrame({"platform": ["A"] * 3, "activity_id": list("abd"), "cluster_id": [0, 0, 0]})
    row = search_quality(clusters, trips).row(0, named=True)
    assert (row["true_count"], row["found_count"], row["hit_count"]) == (4, 3, 1)
    assert row["precision_share"] == pytest.approx(1 / 3) and row["recall_share"] == pytest.approx(1 / 4)


def test_the_rows_of_the_slow_proof_read_goal_and_geometry() -> None:
    assert calibration.by_geometry(1.0) == 1.0
    # 2^-2 x 2^-4 x (0.1 + 1/9) / 0.4
    assert calibration.by_geometry(2.0) == pytest.approx((0.1 + 1 / 9) / 0.4 / 64)
    rows = {row.what: row for row in calibration.run(10, 0)}
    for alteration in ("0.5", "1"):
        for what in ("precision", "recall"):
            assert rows[f"token, alterations {alteration} x: {what}"].measured >= 0.99
    assert rows["token, alterations 3 x (recall by geometry): recall"].measured < 0.02


@pytest.mark.parametrize("peer", [benchmark.pandas_merge, benchmark.ball_tree, benchmark.kd_tree])
def test_peers_of_the_benchmark_find_the_same_pairs_with_the_same_gaps(peer: Any) -> None:
    claims = synthetic_claims(3_000, seed=8)
    token = benchmark.TOKEN if peer is benchmark.pandas_merge else None
    mine = benchmark.ours(claims, token)
    agree(peer(claims), mine, key=benchmark.KEY)
    assert mine.height > 50


# --------------------------------------------------------------------------------------- exchange without identifiers


def hmac_by_hand(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA-256 by the steps of FIPS 198-1, section 4, for keys up to the block of 64 bytes."""
    block = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in block) + message).digest()
    return hashlib.sha256(bytes(b ^ 0x5C for b in block) + inner).digest()


def test_a_token_is_half_of_the_hmac_of_kind_and_number() -> None:
    done = pseudonyms(pl.DataFrame({"phone": ["13800138000"]}), key=KEY, columns={"phone": "phone"})
    assert done["phone_token"].item() == hmac_by_hand(KEY, b"phone\x0013800138000")[:16].hex()


@pytest.mark.parametrize(
    ("kind", "spellings"),
    [
        ("phone", ["13800138000", "138-0013-8000", "+86 138 0013 8000", "0086 13800138000", "１３８００１３８０００"]),
        ("card", ["ab12-3456", "AB12 3456", "ＡＢ１２３４５６", " ab123456 "]),
        ("text", ["Zhang San", " zhang san", "ＺＨＡＮＧ san"]),
    ],
)
def test_every_spelling_of_an_identifier_gives_one_token(kind: Any, spellings: list[str]) -> None:
    done = pseudonyms(pl.DataFrame({"x_id": spellings}), key=KEY, columns={"x_id": kind})
    assert done["x_token"].n_unique() == 1


def test_names_of_trips_are_taken_to_the_letter() -> None:
    done = pseudonyms(pl.DataFrame({"activity_id": ["T1", "t1", "t1 "]}), key=KEY, columns={"activity_id": "verbatim"})
    assert done["activity_token"].n_unique() == 3


@given(st.lists(st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True), min_size=1, max_size=30))
@settings(max_examples=40, deadline=None)
def test_tokens_are_equal_if_and_only_if_the_numbers_are(numbers: list[str]) -> None:
    done = pseudonyms(pl.DataFrame({"phone": numbers}), key=KEY, columns={"phone": "phone"})["phone_token"].to_list()
    for i, j in combinations(range(len(numbers)), 2):
        assert (done[i] == done[j]) == (numbers[i] == numbers[j])


def test_another_key_and_another_kind_give_another_token() -> None:
    number = pl.DataFrame({"x": ["13800138000"]})
    tokens = {
        pseudonyms(number, key=key, columns={"x": kind})["x_token"].item()
        for key in (KEY, KEY[::-1])
        for kind in ("phone", "card")
    }
    assert len(tokens) == 4


@pytest.mark.parametrize("value", [None, "", "  ", " - "])
def test_no_identifier_gives_no_token(value: str | None) -> None:
    raw = pl.DataFrame({"card": [value, "x1"]}, schema={"card": pl.String})
    assert pseudonyms(raw, key=KEY, columns={"card": "card"})["card_token"].is_null().to_list() == [True, False]


@pytest.mark.parametrize("placeholder", ["0", "00000000000", "110", "1" * 16, "unknown"])
def test_a_placeholder_does_not_make_one_person_of_many(placeholder: str) -> None:
    with pytest.raises(DataError, match="1 distinct phone numbers"):
        pseudonyms(pl.DataFrame({"phone": [placeholder]}), key=KEY, columns={"phone": "phone"})


@pytest.mark.parametrize(
    ("key", "error"),
    [(b"", RangeError), (b"short", RangeError), (b"\0" * 32, RangeError), ("a" * 32, SchemaError), (None, SchemaError)],
)
def test_an_empty_short_or_plain_key_is_refused_and_not_shown(key: Any, error: type[Exception]) -> None:
    with pytest.raises(error) as told:
        pseudonyms(pl.DataFrame({"phone": ["13800138000"]}), key=key, columns={"phone": "phone"})
    assert "secrets.token_bytes(32)" in str(told.value)
    assert not key or str(key) not in str(told.value)


@pytest.mark.parametrize(
    ("columns", "error"),
    [({}, SchemaError), ({"nobody": "phone"}, SchemaError), ({"phone": "mail"}, UnknownNameError),
     ({"number": "phone"}, SchemaError), ({"taken": "text"}, SchemaError)],
)  # fmt: skip
def test_a_wrong_column_or_kind_is_told_at_the_call(columns: Any, error: type[Exception]) -> None:
    raw = pl.LazyFrame({"phone": ["13800138000"], "number": [13800138000.0], "taken": ["x"], "taken_token": ["y"]})
    with pytest.raises(error):
        pseudonyms(raw, key=KEY, columns=columns)


def with_phones(claims: pl.DataFrame) -> pl.DataFrame:
    """Put numbers of an unused range in the place of the synthetic persons."""
    digits = pl.col("person_id").str.extract(r"(\d+)$").str.zfill(7)
    return claims.with_columns(person_id=pl.format("1990{}", digits))


def test_what_is_handed_over_holds_no_identifier_and_no_exact_place(claims: pl.DataFrame) -> None:
    raw = with_phones(claims.head(500)).with_columns(name=pl.lit("Zhang"))
    handed = exchange_table(raw, key=KEY, datum="wgs84")
    assert set(handed.columns) == {
        *module.CLAIM_COLUMNS, "person_token", "registered_local", "place_step_deg",
    }  # fmt: skip
    text = handed.write_csv()
    assert not any(secret in text for column in ("person_id", "account", "name") for secret in raw[column].unique())
    assert not set(raw["activity_id"]) & set(handed["activity_id"])
    steps = handed["start_longitude_deg"] / 0.001
    assert (steps - steps.round()).abs().max() < 1e-6  # type: ignore[operator]
    assert KEY.hex() not in text and str(KEY) not in exchange_table(raw.lazy(), key=KEY, datum="wgs84").explain()


def test_coarse_places_hide_no_pair(claims: pl.DataFrame) -> None:
    raw = with_phones(claims)
    exact = search_quality(duplicates(raw, token="person_id"), raw)["recall_share"].item()
    handed = exchange_table(raw, key=KEY, datum="wgs84")
    truth = pseudonyms(raw, key=KEY, columns={"activity_id": "verbatim"}).rename({"activity_token": "activity_id"})
    coarse = search_quality(duplicates(handed), truth).row(0, named=True)
    assert coarse["recall_share"] >= exact - 1e-9 and coarse["precision_share"] >= 0.99
    assert len(names(claim_pairs(handed))) >= len(names(claim_pairs(raw, token="person_id")))


def test_a_platform_on_another_datum_is_brought_to_the_same_place() -> None:
    one = frame({}).rename({"person_token": "person_id"}).with_columns(person_id=pl.lit("13800138000"))
    shifted = one.with_columns(platform=pl.lit("B"))
    for end in ("start", "end"):
        lon, lat = places.wgs84_to_gcj02(one[f"{end}_longitude_deg"].item(), one[f"{end}_latitude_deg"].item())
        shifted = shifted.with_columns(
            pl.lit(lon).alias(f"{end}_longitude_deg"), pl.lit(lat).alias(f"{end}_latitude_deg")
        )

    def search(datum: Any) -> int:
        handed = [exchange_table(t, key=KEY, datum=d, place_step_deg=0) for t, d in ((one, "wgs84"), (shifted, datum))]
        return duplicates(pl.concat(handed)).height

    assert search("gcj02") == 2
    assert search("wgs84") == 0  # some 500 m apart if nobody converts


@pytest.mark.parametrize(
    ("option", "error"),
    [
        ({"place_step_deg": -1}, RangeError),
        ({"place_step_deg": 2}, RangeError),
        ({"datum": "beijing54"}, UnknownNameError),
    ],
)
def test_a_wrong_option_of_the_exchange_is_refused(option: dict[str, Any], error: type[Exception]) -> None:
    raw = frame({}).with_columns(person_id=pl.lit("13800138000"))
    with pytest.raises(error):
        exchange_table(raw, key=KEY, **{"datum": "wgs84", **option})


# ------------------------------------------------------------------------------------------------ report and credits


def earned(claims: pl.DataFrame) -> pl.DataFrame:
    return credit(claims, methodology="beijing-travel-2024", asof=ASOF)


def test_the_report_has_one_row_a_trip_and_names_every_claim_once(found: pl.DataFrame) -> None:
    report = merged_report(found)
    assert report.height == found["cluster_id"].n_unique()
    assert report["dropped_count"].sum() == found.height - report.height
    assert report["dropped_km"].sum() == pytest.approx(found.filter(~pl.col("is_kept"))["distance_km"].sum())
    told = set(report["dropped_claims"].str.split("; ").explode())
    assert told == {f"{p} {a}" for p, a in found.filter(claim_rank=2).select("platform", "activity_id").iter_rows()} | {
        f"{p} {a}" for p, a in found.filter(pl.col("claim_rank") > 2).select("platform", "activity_id").iter_rows()
    }


def test_the_report_says_why_in_both_languages() -> None:
    other = later(120, act="bus", distance_km=6.0, **north(100))
    row = merged_report(duplicates(frame({}, other))).row(0, named=True)
    assert row["why_en"] == (
        "the same person token; starts 120 s and 100 m apart, ends 120 s and 100 m apart, distances 7.7 % apart; "
        "modes differ but are compatible; the earliest start is kept"
    )
    assert row["why_zh"].startswith("同一人员标识；起点相差 120 秒、100 米") and "里程相差 7.7%" in row["why_zh"]
    assert (row["kept_platform"], row["kept_activity_id"], row["dropped_claims"]) == ("A", "t0", "B t1")


def test_credits_fall_by_what_the_struck_claims_earned_and_nothing_else_moves(claims: pl.DataFrame) -> None:
    before = earned(claims)
    clusters = duplicates(before.filter("is_eligible"), token="person_id")
    after = drop_double_claims(before, clusters)
    assert after.columns == before.columns and after["activity_id"].equals(before["activity_id"])
    struck = after["reason"] == "double_claim"
    assert struck.sum() == clusters.filter(~pl.col("is_kept")).height > 0
    lost = before["credit_co2_kg"].filter(struck).sum()
    assert after["credit_co2_kg"].sum() == pytest.approx(before["credit_co2_kg"].sum() - lost)
    assert not after["is_eligible"].filter(struck).any() and after["credit_co2_kg"].filter(struck).sum() == 0
    assert_frame_equal(after.filter(~struck), before.filter(~struck))
    lazy = drop_double_claims(before.lazy(), clusters.lazy())
    assert isinstance(lazy, pl.LazyFrame)
    assert_frame_equal(lazy.collect(), after)
    # Struck once, there is nothing more to strike.
    assert_frame_equal(drop_double_claims(after, clusters), after)


def credits_of(*eligible: bool, platforms: str = "AB") -> pl.DataFrame:
    """Return credits of claims t0, t1, ... on platforms, of 1 kg each where eligible."""
    rows = [
        {**dict.fromkeys(module.CREDIT_COLUMNS, ""), "platform": p, "activity_id": f"t{ord(p) - ord('A')}",
         "credit_co2_kg": float(e), "is_eligible": e, "reason": None if e else "no_evidence"}
        for p, e in zip(platforms, eligible, strict=True)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema_overrides={"reason": pl.String})


@pytest.mark.parametrize(
    ("credits", "kg", "reasons"),
    [
        (credits_of(True, True), [1, 0], [None, "double_claim"]),
        # The first was refused for another reason: the second is the only one that earns.
        (credits_of(False, True), [0, 1], ["no_evidence", None]),
        (credits_of(True, False), [1, 0], [None, "no_evidence"]),
        # Platform B alone: the claim that stands is elsewhere.
        (credits_of(True, platforms="B"), [0], ["double_claim"]),
        (credits_of(True, platforms="A"), [1], [None]),
    ],
)
def test_of_one_trip_one_claim_earns(credits: pl.DataFrame, kg: list[float], reasons: list[str | None]) -> None:
    done = drop_double_claims(credits, duplicates(frame({}, later(60))))
    assert done["credit_co2_kg"].to_list() == kg and done["reason"].to_list() == reasons


def test_the_reason_is_declared() -> None:
    assert "double_claim" in tables.read("inclusive_reasons")["code"].to_list()


def test_nothing_found_strikes_nothing() -> None:
    credits = credits_of(True, True)
    assert_frame_equal(drop_double_claims(credits, duplicates(frame({}, later(900)))), credits)


def test_coincidences_strike_nobody_unless_someone_answers_for_it() -> None:
    clusters = duplicates(frame({}, later(60)), token=None)
    with pytest.raises(RefusalError, match="1 clusters rest on time and place alone"):
        drop_double_claims(credits_of(True, True), clusters)
    done = drop_double_claims(credits_of(True, True), clusters, accept_coincidence=True)
    assert done["credit_co2_kg"].to_list() == [1, 0]


def test_clusters_of_tokens_do_not_silently_miss_credits_of_names() -> None:
    clusters = duplicates(frame({}, later(60))).with_columns(activity_id=pl.lit("token") + pl.col("activity_id"))
    with pytest.raises(DataError, match="None of the claims in 1 clusters"):
        drop_double_claims(credits_of(True, True), clusters)


def test_two_platforms_that_exchange_tokens_credit_a_trip_once(claims: pl.DataFrame) -> None:
    """From raw claims on two platforms, over tokens, back to each platform's own credits."""
    raw = with_phones(claims.filter(pl.col("platform") != "C"))
    own = {name: earned(raw.filter(platform=name)) for name in ("A", "B")}
    handed = [exchange_table(rows.filter("is_eligible"), key=KEY, datum="wgs84") for rows in own.values()]
    clusters = duplicates(pl.concat(handed), registered="registered_local")
    done = []
    for rows in own.values():
        by_token = pseudonyms(rows, key=KEY, columns={"activity_id": "verbatim"})
        done.append(drop_double_claims(by_token.rename({"activity_token": "activity_id"}), clusters))
    together = pl.concat(done)
    assert together.filter(reason="double_claim").height == clusters.filter(~pl.col("is_kept")).height > 100
    twice = together.filter("is_eligible").group_by("true_trip_id").len().filter(pl.col("len") > 1)
    assert twice.height <= 0.01 * clusters.height


# ---------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("column", [*module.CLAIM_COLUMNS, "person_token"])
def test_a_missing_column_is_named_at_the_call(column: str) -> None:
    with pytest.raises(SchemaError, match=column):
        duplicates(frame({}, {}).lazy().drop(column))


@pytest.mark.parametrize("column", module.CLAIM_COLUMNS)
def test_an_empty_cell_is_told_with_its_column(column: str) -> None:
    with pytest.raises(DataError, match=f"'{column}' in 1 rows"):
        duplicates(frame({}, {column: None}))


@pytest.mark.parametrize("column", ["distance_km", *module.PLACE_COLUMNS])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_finite_number_is_told_with_its_column(column: str, value: float) -> None:
    with pytest.raises(DataError, match=f"'{column}' in 1 rows"):
        duplicates(frame({}, {column: value}))


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"start_latitude_deg": 116.3, "start_longitude_deg": 39.9}, CoordinateError, "swapped"),
        ({"end_longitude_deg": 190.0}, CoordinateError, "190"),
        ({"end_longitude_deg": -116.0}, CoordinateError, "both sides"),
        ({"end_local": DAY - dt.timedelta(minutes=1)}, DataError, "end before they begin"),
        ({"distance_km": 0.0}, DataError, "no distance above 0"),
        ({"platform": "A", "activity_id": "t0"}, DataError, "2 rows share platform and activity_id"),
        ({"act": "subway"}, DataError, "Unknown mode 'subway'"),
    ],
)
def test_a_claim_that_cannot_be_is_refused(change: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        duplicates(frame({}, change))


def test_times_that_are_not_wall_clock_are_refused() -> None:
    good = frame({}, {})
    with pytest.raises(SchemaError, match="carries the zone"):
        duplicates(good.with_columns(pl.col("start_local").dt.replace_time_zone("UTC")))
    with pytest.raises(SchemaError, match="needs datetimes"):
        duplicates(good.with_columns(pl.col("end_local").cast(pl.String)))
    with pytest.raises(SchemaError, match="is in UTC by its name"):
        duplicates(good.with_columns(registered_utc=pl.col("end_local")), registered="registered_utc")
    with pytest.raises(SchemaError, match="needs numbers"):
        duplicates(good.with_columns(pl.col("distance_km").cast(pl.String)))


@pytest.mark.parametrize(
    ("thresholds", "error"),
    [
        ({"start_gap_s": -1}, RangeError),
        ({"start_gap_s": 3601}, RangeError),
        ({"start_gap_m": 5001}, RangeError),
        ({"distance_gap_share": float("nan")}, RangeError),
        ({"end_gap_m": "wide"}, RangeError),
        ({"time": 300}, UnknownNameError),
        (pl.DataFrame({"name": ["start_gap_s"]}), SchemaError),
    ],
)
def test_a_threshold_that_cannot_be_is_refused(thresholds: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        duplicates(frame({}, {}), thresholds=thresholds)


def test_thresholds_and_modes_of_ones_own_are_used() -> None:
    two = frame({}, later(400, act="tram"))
    own = pl.DataFrame({"rule": ["start_gap_s", "end_gap_s"], "value": [400, 400]})
    modes = pl.DataFrame({"act": ["metro"], "other_act": ["tram"]})
    assert duplicates(two, thresholds=own, modes=modes).height == 2


@pytest.mark.parametrize(
    ("step", "error"), [(None, DataError), (-0.001, DataError), (float("nan"), DataError), (0.05, RangeError)]
)
def test_coarse_places_without_a_usable_step_are_refused(step: float | None, error: type[Exception]) -> None:
    with pytest.raises(error, match="place_step_deg"):
        duplicates(frame({}, {}).with_columns(place_step_deg=pl.Series([0.001, step], dtype=pl.Float64)))


def test_a_column_may_have_two_parts() -> None:
    two = frame({}, later(60))
    assert duplicates(two, registered="end_local")["kept_by"].unique().to_list() == ["registered"]
    # Everyone on a platform as one person: across platforms nothing is left to compare.
    assert duplicates(two, token="platform").is_empty()


def test_one_platform_is_searched_by_token_and_refused_without() -> None:
    two = frame({"platform": "A"}, later(60, platform="A"))
    assert duplicates(two).height == 2
    with pytest.raises(DataError, match="All claims are of the platform 'A'"):
        duplicates(two, token=None)
    assert duplicates(two, token=None, within_platforms=True).height == 2


def test_a_token_of_half_a_city_is_no_person() -> None:
    many = frame(*[{"platform": "A"}] * 60)
    with pytest.raises(DataError, match="more than 50 claims"):
        duplicates(many)
    with pytest.raises(DataError, match="'person_token' is empty"):
        duplicates(many.with_columns(person_token=pl.lit(None, dtype=pl.String)))


def test_a_crowd_beyond_memory_is_refused(claims: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    constant = module.rule
    monkeypatch.setattr(module, "rule", lambda name: 10 if name == "most_pairs" else constant(name))
    with pytest.raises(DataError, match="More than 10 pairs"):
        duplicates(claims, token=None)


def test_an_unknown_platform_cannot_come_first() -> None:
    with pytest.raises(UnknownNameError, match="Unknown platform 'Z'"):
        duplicates(frame({}, {}), priority=["Z"])


@pytest.mark.parametrize("token", ["person_token", None])
def test_no_claims_give_no_clusters_and_keep_the_columns(token: str | None) -> None:
    none = duplicates(frame({}, {}).clear(), token=token)
    assert none.is_empty() and none.schema == duplicates(frame({}, {}), token=token).schema
    assert merged_report(none).is_empty()


def test_a_lazy_frame_stays_lazy() -> None:
    two = frame({}, later(60))
    lazy = duplicates(two.lazy())
    assert isinstance(lazy, pl.LazyFrame) and isinstance(merged_report(lazy), pl.LazyFrame)
    assert_frame_equal(lazy.collect(), duplicates(two))


def test_where_people_hardly_travel_there_are_still_as_many_claims_as_asked_for() -> None:
    rare = {"commute_share": 0.001, "other_trip_share": 0.0, "errand_share": 0.0, "working_days": 2}
    assert [synthetic_claims(40, seed=s, assumptions=rare).height for s in range(20)] == [40] * 20


@pytest.mark.parametrize(
    ("n", "options", "error"),
    [
        (1, {}, RangeError),
        (100, {"alteration": -1}, RangeError),
        (100, {"companions_share": 2}, RangeError),
        (100, {"assumptions": {"copies_share": 1.5}}, RangeError),
        (100, {"assumptions": {"speed": 1}}, UnknownNameError),
        (100, {"assumptions": dict.fromkeys(("commute_share", "other_trip_share", "errand_share"), 0)}, RangeError),
        (100, {"assumptions": {"working_days": 0}}, RangeError),
    ],
)
def test_what_cannot_be_planted_is_refused(n: int, options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        synthetic_claims(n, seed=0, **options)
