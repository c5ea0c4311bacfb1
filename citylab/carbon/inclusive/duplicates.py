"""Trips claimed twice: found within and across platforms, without an exchange of raw identifiers.

Platforms that share a secret key replace phone or card numbers by keyed tokens (:mod:`.exchange`). Who puts their
tables together finds claims of one trip by token, time and place (:func:`duplicates`) and tells what was merged and
why (:func:`merged_report`); each platform strikes the further claims from its credits (:func:`drop_double_claims`). How
well that works is measured on planted copies (:mod:`.planted`).

Thresholds, compatible modes and other constants stand in the tables ``inclusive_duplicate_thresholds``,
``inclusive_duplicate_modes`` and ``inclusive_duplicate_rules``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from citylab import places, tables, vocabulary
from citylab.carbon.inclusive.crediting import CREDIT_COLUMNS
from citylab.errors import CoordinateError, DataError, RangeError, RefusalError, suggest
from citylab.frames import Frame, lazily, need_columns, need_numbers, need_wall_clock, refuse
from citylab.settings import Language

CLAIM_COLUMNS = {
    "platform": "who registered the claim",
    "activity_id": "name of the claim at the platform, or its token",
    "act": "mode, as the methodology names it",
    "start_local": "when the trip began, wall clock",
    "end_local": "when it ended, wall clock",
    "distance_km": "length of the trip",
    "start_longitude_deg": "where it began, WGS-84",
    "start_latitude_deg": "where it began, WGS-84",
    "end_longitude_deg": "where it ended, WGS-84",
    "end_latitude_deg": "where it ended, WGS-84",
}
GAP_COLUMNS = ("start_gap_s", "end_gap_s", "start_gap_m", "end_gap_m", "distance_gap_share")
"""What parts two claims of one trip, each with a threshold of the same name."""

PLACE_COLUMNS = ("start_longitude_deg", "start_latitude_deg", "end_longitude_deg", "end_latitude_deg")
_LAT_MAX_DEG = 89.0  # a cell of longitude has no width at a pole
_HALF_TURN_DEG = 180.0
_CHUNK_PAIRS = 2_000_000  # pairs looked at in one go: bounds the memory of a crowd
_INT64_MAX = 2**63 - 1
_MS_PER_S = 1000
_WIDER = 1 + 1e-9  # against rounding at the edge of a cell
_LEAST_CELL_M = 1.0
_TWO = 2  # claims of the smallest cluster
_Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]
_Bools = npt.NDArray[np.bool_]


def rule(name: str) -> float:
    """Return a constant of the table ``inclusive_duplicate_rules``.

    Examples
    --------
    >>> rule("token_bytes")
    16.0
    """
    return float(tables.read("inclusive_duplicate_rules").filter(rule=name)["value"].item())


# what is compared


class _Claims(NamedTuple):
    """The claims in one order that does not hang on that of the rows, as arrays."""

    frame: pl.DataFrame
    start_ms: _Ints
    end_ms: _Ints
    km: _Floats
    start: tuple[_Floats, _Floats]
    end: tuple[_Floats, _Floats]
    act: _Ints
    platform: _Ints
    slack_m: float


class _Pairs(NamedTuple):
    """Claims that may be of one trip, by their numbers, first the smaller one."""

    first: _Ints
    second: _Ints
    gaps: dict[str, _Floats]
    score: _Floats
    is_same_act: _Bools


def _limits(thresholds: pl.DataFrame | Mapping[str, float] | None) -> dict[str, float]:
    declared = tables.read("inclusive_duplicate_thresholds")
    highest = dict(declared.select("rule", "highest").iter_rows())
    limits = dict(declared.select("rule", pl.col("value").cast(pl.Float64)).iter_rows())
    if isinstance(thresholds, pl.DataFrame):
        need_columns(thresholds.lazy(), {"rule": "name of a threshold", "value": "its value"}, what="duplicates")
        thresholds = dict(thresholds.select("rule", "value").iter_rows())
    for name, value in (thresholds or {}).items():
        if name not in limits:
            raise suggest(name, limits, what="threshold", see="the table inclusive_duplicate_thresholds")
        if not isinstance(value, int | float) or not 0 <= value <= highest[name]:
            raise RangeError(
                f"The threshold {name} is {value}; expected 0 to {highest[name]:g}. Beyond that two claims are two "
                "trips by any reading (table inclusive_duplicate_thresholds)."
            )
        limits[name] = float(value)
    return limits


def _compatible(acts: Sequence[str], modes: pl.DataFrame | None) -> _Bools:
    """Return which of the modes, by their numbers, may be one."""
    told = tables.read("inclusive_duplicate_modes") if modes is None else modes
    need_columns(told.lazy(), {"act": "mode", "other_act": "mode compatible with it"}, what="duplicates")
    pairs = set(told.select("act", "other_act").iter_rows())
    known = {act for pair in pairs for act in pair}
    for act in acts:
        if act not in known:
            error = suggest(act, known, what="mode", see="the table inclusive_duplicate_modes")
            raise DataError(f"{error} Another spelling would hide a double claim: rename it, or give modes=.")
    return np.array([[a == b or (a, b) in pairs or (b, a) in pairs for b in acts] for a in acts], dtype=bool)


def _refuse_bad(frame: pl.DataFrame, what: str) -> None:
    """Raise with the first fault that no search can pass over."""
    numbers = ["distance_km", *PLACE_COLUMNS]
    empty = {c: n for c in CLAIM_COLUMNS if (n := frame[c].null_count())}
    empty |= {c: n for c in numbers if (n := int((~frame[c].is_finite()).sum()))}
    if empty:
        told = ", ".join(f"{column!r} in {n} rows" for column, n in empty.items())
        raise DataError(
            f"{what} found no value or no finite number in {told}. A claim without time, place or distance can be "
            "compared with none: leave these rows out, and say so."
        )
    for end in ("start", "end"):
        lon, lat = frame[f"{end}_longitude_deg"], frame[f"{end}_latitude_deg"]
        if (beyond := lat.abs() > _LAT_MAX_DEG).any() or (beyond := lon.abs() > _HALF_TURN_DEG).any():
            raise CoordinateError(
                f"A claim {'begins' if end == 'start' else 'ends'} at longitude {lon.filter(beyond)[0]}°, latitude "
                f"{lat.filter(beyond)[0]}°; expected ±{_HALF_TURN_DEG:g} and ±{_LAT_MAX_DEG:g}. Are the two swapped?"
            )
        if lon.len() and lon.max() - lon.min() > _HALF_TURN_DEG:  # type: ignore[operator]
            raise CoordinateError("The claims lie on both sides of longitude 180°. Search each side by itself.")
    for wrong, said in (
        (pl.col("end_local") < pl.col("start_local"), "end before they begin"),
        (pl.col("distance_km") <= 0, "have no distance above 0"),
    ):
        bad = frame.filter(wrong)
        if bad.height:
            raise DataError(
                f"{bad.height} claims {said}, the first is {bad['activity_id'][0]!r} of {bad['platform'][0]!r}. Credit "
                "the trips first (citylab.carbon.inclusive.crediting.credit) and search among those that are eligible."
            )
    twice = frame.filter(pl.struct("platform", "activity_id").is_duplicated())
    if twice.height:
        raise DataError(
            f"{twice.height} rows share platform and activity_id with another, the first is "
            f"{twice['activity_id'][0]!r} of {twice['platform'][0]!r}. credit() tells a request sent twice: "
            "search among the eligible trips, or make the ids unique within the platform."
        )


def _claims(lf: pl.LazyFrame, *more: str, what: str) -> _Claims:
    schema = need_columns(lf, CLAIM_COLUMNS | dict.fromkeys(more, ""), what=what)
    need_numbers(schema, ["distance_km", *PLACE_COLUMNS], what=what)
    for time in ("start_local", "end_local"):
        need_wall_clock(schema, time, what=what)
    stepped = "place_step_deg" in schema
    floats = [pl.col(c).cast(pl.Float64) for c in ("distance_km", *PLACE_COLUMNS)]
    texts = [pl.col(c).cast(pl.String) for c in ("platform", "activity_id", "act")]
    others = [c for c in dict.fromkeys([*more, *(["place_step_deg"] if stepped else [])]) if c not in CLAIM_COLUMNS]
    frame = lf.select(*texts, "start_local", "end_local", *floats, *others).collect()
    _refuse_bad(frame, what)
    frame = frame.sort("start_local", "platform", "activity_id")
    slack_m = 0.0
    if stepped and frame.height:
        # Each of two rounded places lies off by up to half a step each way.
        steps = frame["place_step_deg"].cast(pl.Float64)
        if steps.null_count() or not steps.is_finite().all() or (steps < 0).any():
            raise DataError(
                "'place_step_deg' is empty, negative or no number in some rows. It says how coarse the places are: "
                "take it as exchange_table() gives it, 0 for exact places."
            )
        coarsest: Any = steps.max()
        slack_m = float(np.sqrt(2) * places.distance_m(0.0, 0.0, 0.0, float(coarsest)))
        frame = frame.drop("place_step_deg")
    arrays = {c: frame[c].to_numpy() for c in ("distance_km", *PLACE_COLUMNS)}
    return _Claims(
        frame,
        frame["start_local"].dt.epoch("ms").to_numpy(),
        frame["end_local"].dt.epoch("ms").to_numpy(),
        arrays["distance_km"],
        (arrays["start_longitude_deg"], arrays["start_latitude_deg"]),
        (arrays["end_longitude_deg"], arrays["end_latitude_deg"]),
        frame["act"].cast(pl.Enum(_acts(frame))).to_physical().cast(pl.Int64).to_numpy(),
        _codes(frame["platform"]),
        slack_m,
    )


def _acts(frame: pl.DataFrame) -> list[str]:
    return frame["act"].unique().sort().to_list()


def _codes(values: pl.Series) -> _Ints:
    """Return one number for each distinct value, in no order; -1 for null."""
    return values.cast(pl.String).cast(pl.Categorical).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()


# pairs within the thresholds


def _same_token(code: _Ints, start_ms: _Ints, limit_ms: float) -> Iterator[tuple[_Ints, _Ints]]:
    """Yield all pairs of one token whose starts lie within the limit.

    Sorted by token and time: once a claim is too far from its k-th follower it is too far from all after it.
    """
    order = np.lexsort((np.arange(code.size), start_ms, code))
    order = order[code[order] >= 0]
    code, start_ms = code[order], start_ms[order]
    alive = np.arange(order.size, dtype=np.int64)
    most, lag = int(rule("most_claims_of_a_token")), 0
    while alive.size:
        lag += 1
        if lag > most:
            raise DataError(
                f"One token has more than {most} claims that begin within {limit_ms / _MS_PER_S:g} s. It is a "
                "placeholder or a shared device, not a person: leave its token empty (null)."
            )
        alive = alive[alive + lag < order.size]
        alive = alive[(code[alive + lag] == code[alive]) & (start_ms[alive + lag] - start_ms[alive] <= limit_ms)]
        yield order[alive], order[alive + lag]


def _nearby(claims: _Claims, limits: Mapping[str, float]) -> Iterator[tuple[_Ints, _Ints]]:
    """Yield all pairs that begin in one cell or in neighbouring ones within the time, in bounded portions.

    A cell is at least as wide as the place threshold at the highest latitude of the claims, so that two places within
    the threshold lie in one cell or in two that touch.
    """
    lon, lat = claims.start
    radius_m = limits["start_gap_m"] + claims.slack_m
    one_degree_m = float(places.distance_m(0.0, 0.0, 0.0, 1.0))
    # A circle of the radius δ around latitude φ reaches arcsin(sin δ / cos φ) to either side.
    height = max(radius_m, _LEAST_CELL_M) / one_degree_m * _WIDER
    ratio = np.sin(np.radians(height)) / np.cos(np.radians(np.abs(lat).max()))
    width = np.degrees(np.arcsin(ratio)) * _WIDER if ratio < 1 else 2 * _HALF_TURN_DEG
    x = np.floor((lon - lon.min()) / width).astype(np.int64) + 1
    y = np.floor((lat - lat.min()) / height).astype(np.int64)
    row = int(x.max()) + 2  # an empty column on either side: no neighbour is that of another row
    cell = y * row + x
    known, rank = np.unique(cell, return_inverse=True)
    limit_ms = int(limits["start_gap_s"] * _MS_PER_S)
    since = claims.start_ms - claims.start_ms.min()
    span = int(since.max()) + 1
    if known.size * span > _INT64_MAX:
        raise DataError(f"The claims span {span / _MS_PER_S:g} s, too long for one search. Search month by month.")
    order = np.lexsort((np.arange(cell.size), since, rank))
    rank, since = rank[order].astype(np.int64), since[order]
    when = rank * span + since
    for dx, dy in ((0, 0), (1, 0), (-1, 1), (0, 1), (1, 1)):
        wanted = known + dy * row + dx
        at = np.minimum(np.searchsorted(known, wanted), known.size - 1)
        here = np.where(known[at] == wanted, at, -1)[rank]
        base = here * span
        low = np.searchsorted(when, base + np.maximum(since - limit_ms, 0))
        high = np.searchsorted(when, base + np.minimum(since + limit_ms, span - 1), side="right")
        if (dx, dy) == (0, 0):
            low = np.arange(order.size, dtype=np.int64) + 1
        count = np.where(here >= 0, np.maximum(high - low, 0), 0)
        ends = np.cumsum(count)
        begin = 0
        while begin < order.size:
            done = int(ends[begin - 1]) if begin else 0
            stop = max(int(np.searchsorted(ends, done + _CHUNK_PAIRS, side="right")), begin + 1)
            n = count[begin:stop]
            total = int(n.sum())
            if total:
                left = np.repeat(np.arange(begin, stop, dtype=np.int64), n)
                right = (
                    np.arange(total, dtype=np.int64) - np.repeat(np.cumsum(n) - n, n) + np.repeat(low[begin:stop], n)
                )
                yield order[left], order[right]
            begin = stop


def _kept(
    claims: _Claims, one: _Ints, other: _Ints, limits: Mapping[str, float], compatible: _Bools, within: bool
) -> tuple[_Ints, _Ints, dict[str, _Floats]]:
    """Return the pairs within all thresholds, and what parts them; the cheapest test comes first."""
    i, j = np.minimum(one, other), np.maximum(one, other)
    gaps: dict[str, _Floats] = {}

    def keep(name: str, values: _Floats, limit: float) -> None:
        nonlocal i, j
        near = values <= limit
        i, j = i[near], j[near]
        for earlier in gaps:
            gaps[earlier] = gaps[earlier][near]
        gaps[name] = values[near]

    fit = compatible[claims.act[i], claims.act[j]]
    if not within:
        fit &= claims.platform[i] != claims.platform[j]
    i, j = i[fit], j[fit]
    for end, times in (("start", claims.start_ms), ("end", claims.end_ms)):
        keep(f"{end}_gap_s", np.abs(times[i] - times[j]) / _MS_PER_S, limits[f"{end}_gap_s"])
    a, b = claims.km[i], claims.km[j]
    keep("distance_gap_share", np.abs(a - b) / np.maximum(a, b), limits["distance_gap_share"])
    for end, (lon, lat) in (("start", claims.start), ("end", claims.end)):
        apart = np.asarray(places.distance_m(lon[i], lat[i], lon[j], lat[j]), dtype=np.float64)
        keep(f"{end}_gap_m", apart, limits[f"{end}_gap_m"] + claims.slack_m)
    return i, j, gaps


def _score(gaps: Mapping[str, _Floats], limits: Mapping[str, float], is_same_act: _Bools) -> _Floats:
    """Return the mean closeness of a pair: 1 where nothing parts the claims, 0 where all stands at its limit."""
    parts = [
        1 - np.minimum(gaps[name] / limits[name], 1) if limits[name] else np.ones(is_same_act.size)
        for name in GAP_COLUMNS
    ]
    return np.mean([*parts, np.where(is_same_act, 1.0, rule("compatible_closeness"))], axis=0)


def _matched(
    claims: _Claims, token: _Ints | None, limits: Mapping[str, float], modes: pl.DataFrame | None, within: bool
) -> _Pairs:
    compatible = _compatible(_acts(claims.frame), modes)
    found: list[tuple[_Ints, _Ints, dict[str, _Floats]]] = []
    most, count = rule("most_pairs"), 0
    if claims.frame.height:
        limit_ms = limits["start_gap_s"] * _MS_PER_S
        blocks = _nearby(claims, limits) if token is None else _same_token(token, claims.start_ms, limit_ms)
        for one, other in blocks:
            found.append(_kept(claims, one, other, limits, compatible, within))
            count += found[-1][0].size
            if count > most:
                raise DataError(
                    f"More than {most:,.0f} pairs lie within the thresholds: these are crowds, not double claims. "
                    "Give tokens of persons, narrow the thresholds, or search day by day."
                )
    none = np.empty(0, dtype=np.int64)
    first, second = (np.concatenate([none, *(f[k] for f in found)]).astype(np.int64) for k in (0, 1))
    gaps = {g: np.concatenate([np.empty(0), *(f[2][g] for f in found)]) for g in GAP_COLUMNS}
    order = np.lexsort((second, first))
    first, second, gaps = first[order], second[order], {g: v[order] for g, v in gaps.items()}
    is_same_act = claims.act[first] == claims.act[second]
    return _Pairs(first, second, gaps, _score(gaps, limits, is_same_act), is_same_act)


def _searched(
    lf: pl.LazyFrame, *, token: str | None, within_platforms: bool | None, what: str, more: Sequence[str] = (),
    thresholds: pl.DataFrame | Mapping[str, float] | None, modes: pl.DataFrame | None,
) -> tuple[_Claims, _Pairs, dict[str, float]]:  # fmt: skip
    limits = _limits(thresholds)
    claims = _claims(lf, *more, *([] if token is None else [token]), what=what)
    highest = dict(tables.read("inclusive_duplicate_thresholds").select("rule", "highest").iter_rows())
    for name in ("start_gap_m", "end_gap_m"):
        if limits[name] + claims.slack_m > highest[name]:
            raise RangeError(
                f"The places are so coarse (place_step_deg) that {name} would become "
                f"{limits[name] + claims.slack_m:.0f} m; expected up to {highest[name]:g} m. "
                "Exchange finer places, or lower the threshold."
            )
    within = token is not None if within_platforms is None else within_platforms
    if not within and claims.frame["platform"].n_unique() == 1:
        name = claims.frame["platform"][0]
        raise DataError(
            f"All claims are of the platform {name!r}, and only claims of two platforms were to be compared. "
            "Put the tables of the platforms together, or pass within_platforms=True."
        )
    codes = None
    if token is not None:
        if claims.frame.height and claims.frame[token].null_count() == claims.frame.height:
            raise DataError(f"Column {token!r} is empty. Fill it (pseudonyms), or search without: token=None.")
        codes = _codes(claims.frame[token])
    return claims, _matched(claims, codes, limits, modes, within), limits


def claim_pairs(
    trips: Frame, *, token: str | None = "person_token", within_platforms: bool | None = None,
    thresholds: pl.DataFrame | Mapping[str, float] | None = None, modes: pl.DataFrame | None = None,
) -> Frame:  # fmt: skip
    """Return all pairs of claims that may be of one trip, with what parts them.

    Parameters
    ----------
    trips, token, within_platforms, thresholds, modes
        As in :func:`duplicates`.

    Returns
    -------
    polars.DataFrame or polars.LazyFrame
        One row per pair, no pair within the thresholds is missing: ``platform``, ``activity_id``, ``other_platform``,
        ``other_activity_id``, ``start_gap_s``, ``end_gap_s``, ``start_gap_m``, ``end_gap_m``, ``distance_gap_share``
        (difference over the longer distance), ``is_same_act`` and ``match_score`` (0 to 1, see :func:`duplicates`).

    Raises
    ------
    SchemaError, DataError, CoordinateError, RangeError, UnknownNameError
        As in :func:`duplicates`.

    Examples
    --------
    >>> from citylab.carbon.inclusive.planted import synthetic_claims
    >>> claims = synthetic_claims(2_000, seed=1)
    >>> claim_pairs(claims, token="person_id").height >= 60  # 3 % are copies
    True
    """
    lf, back = lazily(trips)
    claims, pairs, _ = _searched(
        lf, token=token, within_platforms=within_platforms, thresholds=thresholds, modes=modes, what="claim_pairs"
    )
    names = claims.frame.select("platform", "activity_id")
    other = names[pairs.second].rename(lambda c: f"other_{c}")
    made = pl.concat([names[pairs.first], other, pl.DataFrame(pairs.gaps)], how="horizontal")
    return back(made.with_columns(is_same_act=pl.Series(pairs.is_same_act), match_score=pl.Series(pairs.score)).lazy())


# clusters


def _clusters(pairs: _Pairs, n: int) -> _Ints:
    """Return the cluster of each claim, -1 for none: groups in which every two claims are a pair.

    The closest pair joins first. Two groups join only if each claim of one is a pair with each of the other, so that no
    chain of near trips becomes one.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    cluster = np.full(n, -1, dtype=np.int64)
    if not pairs.first.size:
        return cluster
    graph = coo_matrix((np.ones(pairs.first.size, dtype=np.int8), (pairs.first, pairs.second)), shape=(n, n))
    _, component = connected_components(graph, directed=False)
    size = np.bincount(component)[component[pairs.first]]
    alone = size == _TWO
    cluster[pairs.first[alone]] = cluster[pairs.second[alone]] = pairs.first[alone]

    crowd = np.flatnonzero(~alone)
    crowd = crowd[np.lexsort((pairs.second[crowd], pairs.first[crowd], -pairs.score[crowd]))]
    edges = list(zip(pairs.first[crowd].tolist(), pairs.second[crowd].tolist(), strict=True))
    known = set(edges)
    group: dict[int, list[int]] = {}
    for i, j in edges:
        mine, theirs = group.setdefault(i, [i]), group.setdefault(j, [j])
        if mine is theirs:
            continue
        if all((min(a, b), max(a, b)) in known for a in mine for b in theirs):
            mine.extend(theirs)
            for claim in theirs:
                group[claim] = mine
    for claim, members in group.items():
        if len(members) > 1:
            cluster[claim] = min(members)
    return cluster


def _to_kept(claims: _Claims, kept: _Ints, claim: _Ints, limits: Mapping[str, float]) -> pl.DataFrame:
    """Return what parts claims from the kept one of their cluster."""
    gaps: dict[str, _Floats] = {}
    for end, times in (("start", claims.start_ms), ("end", claims.end_ms)):
        gaps[f"{end}_gap_s"] = np.abs(times[kept] - times[claim]) / _MS_PER_S
    for end, (lon, lat) in (("start", claims.start), ("end", claims.end)):
        apart = places.distance_m(lon[kept], lat[kept], lon[claim], lat[claim])
        gaps[f"{end}_gap_m"] = np.asarray(apart, dtype=np.float64)
    a, b = claims.km[kept], claims.km[claim]
    gaps["distance_gap_share"] = np.abs(a - b) / np.maximum(a, b)
    is_same_act = claims.act[kept] == claims.act[claim]
    score = _score(gaps, limits, is_same_act)
    further = pl.Series(kept != claim)
    made = pl.DataFrame({**gaps, "is_same_act": is_same_act, "match_score": score})
    return made.select(pl.when(further).then(pl.all()))


def duplicates(
    trips: Frame, *, token: str | None = "person_token", within_platforms: bool | None = None,
    priority: Sequence[str] = (), registered: str | None = None,
    thresholds: pl.DataFrame | Mapping[str, float] | None = None, modes: pl.DataFrame | None = None,
) -> Frame:  # fmt: skip
    """Return the claims that are of one trip, cluster by cluster, the one that stands first.

    Parameters
    ----------
    trips
        One row per claim, from :func:`~.exchange.exchange_table` of each platform, or with the columns of
        :data:`CLAIM_COLUMNS`; best those that are eligible. Coordinates in WGS-84.
    token
        Column that names the person in the same way on every platform; claims without one are compared with none.
        ``None``: persons cannot be told apart, and claims are compared by time, place and mode alone. **Such
        a finding is a coincidence, no proof**: two neighbours on one train look the same. Use it to look closer, not to
        strike.
    within_platforms
        Compare claims of one platform too (another account, the same trip). Default: with a token yes, without no.
    priority
        Platforms whose claim stands before the others', first the first; the rest follows.
    registered
        Column of the time of registration: among equals the earliest stands. Without it the earliest start does.
    thresholds
        Thresholds in place of the declared ones: a table with ``rule`` and ``value``, or ``{"start_gap_s": 600}``.
    modes
        Pairs of compatible modes (``act``, ``other_act``) in place of the table ``inclusive_duplicate_modes``.

    Returns
    -------
    polars.DataFrame or polars.LazyFrame
        One row per claim of a cluster: ``cluster_id``, ``claim_rank`` (1 stands), ``is_kept``, ``platform``,
        ``activity_id``, ``act``, ``start_local``, ``end_local``, ``distance_km``; beside the claim that stands
        (empty in its own row) ``start_gap_s``, ``end_gap_s``, ``start_gap_m``, ``end_gap_m``, ``distance_gap_share``,
        ``is_same_act``, ``match_score``; ``rival_count`` (claims outside the cluster that would fit the claim as well),
        ``basis`` (``person_token`` or ``coincidence``) and ``kept_by`` (what decided which claim stands: ``priority``,
        ``registered`` or ``start``). The same rows in another order give the same clusters.

    Raises
    ------
    SchemaError
        A column is missing, of another type, or its times are not wall clock.
    DataError
        A value is empty or not finite, an id is there twice, a mode is not in the table, a token has too many claims
        at once, or there is one platform where two were to be compared.
    CoordinateError, RangeError, UnknownNameError
        Coordinates that cannot be; a threshold that is negative or beyond the highest declared; an unknown threshold.

    Notes
    -----
    Two claims are a pair if start and end differ by no more than the thresholds in time and place, the distances by no
    more than their share of the longer one, and the modes are compatible. Candidates come from sorting by token and
    time, or from cells of the width of the place threshold with their neighbours, so none is missed; what the rounding
    of an exchange adds is added to the thresholds of place. The score is the mean over the five gaps of
    1 - gap / threshold, and of 1 for the same and 0.5 for a compatible mode: a declared order of closeness, not a
    probability. Clusters are cliques, closest pair first.

    Examples
    --------
    A trip that one person claims on two platforms, four minutes and some metres apart.

    >>> from datetime import datetime
    >>> claims = pl.DataFrame({"platform": ["A", "B"], "activity_id": ["a1", "b7"], "person_token": ["p", "p"],
    ...     "act": ["metro", "metro"], "start_local": [datetime(2024, 10, 8, 8), datetime(2024, 10, 8, 8, 4)],
    ...     "end_local": [datetime(2024, 10, 8, 8, 20)] * 2, "distance_km": [6.5, 6.2],
    ...     "start_longitude_deg": [116.310, 116.312], "start_latitude_deg": [39.985, 39.985],
    ...     "end_longitude_deg": [116.374, 116.374], "end_latitude_deg": [39.907, 39.907]})
    >>> found = duplicates(claims)
    >>> found.select("cluster_id", "claim_rank", "platform", "start_gap_s").rows()
    [(0, 1, 'A', None), (0, 2, 'B', 240.0)]
    """
    lf, back = lazily(trips)
    more = [] if registered is None else [registered]
    if registered is not None:
        need_wall_clock(need_columns(lf, more, what="duplicates"), registered, what="duplicates")
    claims, pairs, limits = _searched(
        lf, token=token, within_platforms=within_platforms, thresholds=thresholds, modes=modes, what="duplicates",
        more=more,
    )  # fmt: skip
    unknown = set(priority) - set(claims.frame["platform"])
    if unknown and claims.frame.height:
        raise suggest(sorted(unknown)[0], claims.frame["platform"].unique(), what="platform", see="priority=")
    cluster = _clusters(pairs, claims.frame.height)
    together = cluster[pairs.first] == cluster[pairs.second]
    outside = np.concatenate([pairs.first[~together], pairs.second[~together]])
    rivals = np.bincount(outside, minlength=claims.frame.height)

    place = pl.col("platform").replace_strict({p: i for i, p in enumerate(priority)}, default=len(priority))
    # An unknown time of registration is no early one.
    when = pl.col("_registered").is_null(), pl.col("_registered")
    rows = np.flatnonzero(cluster >= 0)
    at = pl.Series("_at", rows)
    frame = claims.frame[rows].with_columns(
        at,
        _cluster=pl.Series(cluster[rows]),
        rival_count=pl.Series(rivals[rows]).cast(pl.Int64),
        _place=place.cast(pl.Int64) if priority else pl.lit(0),
        _registered=pl.col(registered) if registered else pl.lit(None, dtype=pl.Datetime("ms")),
    )
    frame = frame.sort("_cluster", "_place", *when, "start_local", "platform", "activity_id")
    one = pl.col("_cluster")
    frame = frame.with_columns(
        cluster_id=one.rank("dense").cast(pl.Int64) - 1,
        claim_rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over(one),
        _kept=pl.col("_at").first().over(one),
        kept_by=pl.when(pl.col("_place").n_unique().over(one) > 1).then(pl.lit("priority"))
        .when(pl.col("_registered").n_unique().over(one) > 1).then(pl.lit("registered"))
        .otherwise(pl.lit("start")),
        basis=pl.lit("coincidence" if token is None else "person_token"),
    )  # fmt: skip
    parted = _to_kept(claims, frame["_kept"].to_numpy(), frame["_at"].to_numpy(), limits)
    made = pl.concat([frame, parted], how="horizontal").with_columns(is_kept=pl.col("claim_rank") == 1)
    return back(
        made.select(
            "cluster_id", "claim_rank", "is_kept", "platform", "activity_id", "act", "start_local", "end_local",
            "distance_km", *GAP_COLUMNS, "is_same_act", "match_score", "rival_count", "basis", "kept_by",
        ).lazy()
    )  # fmt: skip


# what follows from it

_CLUSTER_COLUMNS = {
    "cluster_id": "number of the cluster",
    "claim_rank": "1 for the claim that stands",
    "platform": "who registered the claim",
    "activity_id": "name of the claim at the platform",
    "basis": "person_token or coincidence",
}


def merged_report(clusters: Frame) -> Frame:
    """Return what was merged and why, one row per trip claimed more than once.

    Parameters
    ----------
    clusters
        Result of :func:`duplicates`.

    Returns
    -------
    polars.DataFrame or polars.LazyFrame
        ``cluster_id``, ``kept_platform``, ``kept_activity_id``, ``start_local`` of the claim that stands,
        ``dropped_claims`` (platform and id of the others, parted by ``; ``), ``dropped_count``, ``dropped_km``, the
        largest ``start_gap_s``, ``end_gap_s``, ``start_gap_m``, ``end_gap_m``, ``distance_gap_share`` beside it, the
        smallest ``match_score``, ``is_same_act`` (all claims name one mode), ``rival_count`` (largest), ``basis``,
        ``kept_by``, and the reason in words, ``why_zh`` and ``why_en``.

    Raises
    ------
    SchemaError
        The frame is no result of :func:`duplicates`.

    Examples
    --------
    >>> from citylab.carbon.inclusive.planted import synthetic_claims
    >>> report = merged_report(duplicates(synthetic_claims(2_000, seed=1), token="person_id"))
    >>> report["why_en"][0]
    'the same person token; starts ... s and ... m apart, ends ... s and ... m apart, distances ... % apart; ...'
    """
    lf, back = lazily(clusters)
    needed = (*_CLUSTER_COLUMNS, *GAP_COLUMNS, "is_same_act", "match_score", "rival_count", "kept_by", "start_local")
    need_columns(lf, needed, what="merged_report")
    kept, further = pl.col("claim_rank") == 1, pl.col("claim_rank") > 1
    named = pl.format("{} {}", "platform", "activity_id")
    report = lf.sort("cluster_id", "claim_rank").group_by("cluster_id", maintain_order=True).agg(
        pl.col("platform").filter(kept).first().alias("kept_platform"),
        pl.col("activity_id").filter(kept).first().alias("kept_activity_id"),
        pl.col("start_local").filter(kept).first(),
        named.filter(further).str.join("; ").alias("dropped_claims"),
        further.sum().cast(pl.Int64).alias("dropped_count"),
        pl.col("distance_km").filter(further).sum().alias("dropped_km"),
        *(pl.col(g).max() for g in GAP_COLUMNS),
        pl.col("match_score").min(),
        pl.col("is_same_act").all(),
        pl.col("rival_count").max(),
        pl.col("basis", "kept_by").first(),
    )  # fmt: skip
    gaps = [pl.col(g).round(0).cast(pl.Int64) for g in ("start_gap_s", "start_gap_m", "end_gap_s", "end_gap_m")]
    share = (pl.col("distance_gap_share") * 100).round(1)
    languages: tuple[Language, ...] = ("zh", "en")
    for lang in languages:
        parts = [
            _said("basis", ("person_token", "coincidence"), lang),
            pl.format(vocabulary.say("double_gaps", lang), *gaps, share),
            pl.when(~pl.col("is_same_act")).then(pl.lit(vocabulary.say("double_other_act", lang))),
            _said("kept_by", ("priority", "registered", "start"), lang),
        ]
        mark = "；" if lang == "zh" else "; "
        report = report.with_columns(pl.concat_str(parts, separator=mark, ignore_nulls=True).alias(f"why_{lang}"))
    return back(report)


def _said(column: str, codes: Sequence[str], lang: Language) -> pl.Expr:
    """Return a code in words."""
    words = {code: vocabulary.say(f"double_{column}_{code}", lang) for code in codes}
    return pl.col(column).replace_strict(words, return_dtype=pl.String)


def drop_double_claims(credited: Frame, clusters: Frame, *, accept_coincidence: bool = False) -> Frame:
    """Return credits without those of trips that were claimed before: of each cluster one claim earns.

    Parameters
    ----------
    credited
        Result of :func:`~citylab.carbon.inclusive.crediting.credit` with a column ``platform``; of all platforms or of
        one. ``activity_id`` must be what the search was given: with an exchange by tokens, put tokens in its place
        first (:func:`~.exchange.pseudonyms`, kind ``verbatim``).
    clusters
        Result of :func:`duplicates`.
    accept_coincidence
        Strike also what was found without a token of the person. It takes credits from people who did nothing wrong.

    Returns
    -------
    polars.DataFrame or polars.LazyFrame
        The same rows. In those that lose, ``is_eligible`` is false, ``credit_co2_kg`` 0 and ``reason``
        ``double_claim``. The claim of the best rank that is eligible stands; a claim that is not in ``credited`` is
        another platform's and is taken to stand there. Rows that were not eligible keep their reason.

    Raises
    ------
    SchemaError
        A column is missing.
    RefusalError
        Clusters without a token, and ``accept_coincidence`` is false.
    DataError
        No claim of the clusters is among the credits, so the ids are not the same ones.

    Examples
    --------
    >>> from datetime import date
    >>> from citylab.carbon.inclusive.crediting import credit
    >>> from citylab.carbon.inclusive.planted import synthetic_claims
    >>> claims = synthetic_claims(2_000, seed=1)
    >>> earned = credit(claims, methodology="beijing-travel-2024", asof=date(2024, 12, 31))
    >>> eligible = earned.filter("is_eligible")
    >>> done = drop_double_claims(earned, duplicates(eligible, token="person_id"))
    >>> done.filter(reason="double_claim")["credit_co2_kg"].sum(), done.height
    (0.0, 2000)
    """
    lf, back = lazily(credited)
    need_columns(lf, ["platform", "activity_id", *CREDIT_COLUMNS], what="drop_double_claims")
    groups, _ = lazily(clusters)
    need_columns(groups, _CLUSTER_COLUMNS, what="drop_double_claims")
    told = groups.select(*_CLUSTER_COLUMNS).collect()
    weak = told.filter(basis="coincidence")["cluster_id"].n_unique()
    if weak and not accept_coincidence:
        raise RefusalError(
            f"{weak} clusters rest on time and place alone: neighbours on one train look the same, and would lose what "
            "they earned. Search with a token of the person, or look at each and pass accept_coincidence=True."
        )
    key: list[str] = ["platform", "activity_id"]
    names = told.select(*key).lazy()
    mine = (
        lf.select(pl.col(key).cast(pl.String), "is_eligible")
        .join(names, on=key, how="semi")
        .group_by(key)
        .agg(pl.col("is_eligible").any())
    )
    status = told.lazy().join(mine, on=key, how="left")
    absent = refuse(
        pl.col("is_eligible").is_null().all() & (pl.len() > 0), "cluster_id",
        message=lambda rows: (
            f"None of the claims in {rows['cluster_id'].n_unique()} clusters is among the credits. If the search was "
            "given tokens (exchange_table), put the tokens in the place of activity_id first."
        ),
    )  # fmt: skip
    stands = pl.col("is_eligible").fill_null(True)
    best = pl.when(stands).then("claim_rank").min().over("cluster_id")
    losing = status.filter(absent).filter(stands, pl.col("claim_rank") > best).select(*key, _twice=pl.lit(True))
    texts = {f"_{c}": pl.col(c).cast(pl.String) for c in key}
    lf = lf.with_columns(**texts).join(
        losing, left_on=list(texts), right_on=key, how="left", maintain_order="left", coalesce=True
    )
    twice = pl.col("is_eligible") & pl.col("_twice").fill_null(False)
    return back(
        lf.with_columns(
            credit_co2_kg=pl.when(twice).then(0.0).otherwise("credit_co2_kg"),
            reason=pl.when(twice).then(pl.lit("double_claim")).otherwise("reason"),
            is_eligible=pl.col("is_eligible") & ~twice,
        ).drop("_twice", *texts)
    )
