"""Synthetic claims with planted copies, and how well a search finds them.

Nothing here is a picture of Beijing's travel: only what makes a search easy or hard is imitated, under the assumptions
of the table ``inclusive_duplicate_synthetic``. Every row says that it is synthetic.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from citylab import places, tables
from citylab.carbon.inclusive.duplicates import PLACE_COLUMNS, rule
from citylab.errors import RangeError, suggest
from citylab.frames import Frame, lazily, need_columns

_Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]
_Bools = npt.NDArray[np.bool_]
_MS_PER_S = 1000
_M_PER_KM = 1000
_FIRST_DAY = "2024-10-14"  # a Monday under the standard of 2024; the two weeks after it have no holiday
_WEEK, _WORKING_WEEK = 7, 5
_S_PER_MIN, _S_PER_H, _S_PER_DAY = 60, 3600, 86_400.0
_SPARE = 1.1  # few persons may draw fewer trips than they would on average
_LEAST_PERSONS = 10
_LEAST_CLAIMS = 2
_LEAST_LEFT = 0.1  # of the distance of a copy, however far it is altered
_PLATFORMS = ("A", "B", "C")
_MODES = ("walk", "cycle", "bus", "metro")
_CITY = "110000"


class _Town:
    """Estates, office parks, stations and stops of the synthetic town, and ways from degrees to metres and back."""

    def __init__(self, rng: np.random.Generator, told: Mapping[str, float], persons: int) -> None:
        self.rng, self.told = rng, told
        self.lat0, self.lon0 = told["centre_latitude_deg"], told["centre_longitude_deg"]
        self.km_per_deg = float(places.distance_m(0.0, 0.0, 0.0, 1.0)) / _M_PER_KM
        parts = max(2, round(persons / told["persons_per_estate"]))
        self.estates = rng.normal(0, told["home_spread_km"], (parts, 2))
        self.parks = rng.normal(0, told["work_spread_km"], (parts, 2))
        self.stations = rng.normal(0, told["home_spread_km"], (int(told["stations"]), 2))

    def near(self, middles: _Floats, n: int) -> _Floats:
        """Return places [km east, km north] around randomly chosen middles."""
        chosen = middles[self.rng.integers(0, len(middles), n)]
        return chosen + self.rng.normal(0, self.told["estate_spread_m"] / _M_PER_KM, (n, 2))

    def at_station(self, xy: _Floats) -> _Floats:
        from scipy.spatial import KDTree

        return self.stations[KDTree(self.stations).query(xy)[1]]

    def at_stop(self, xy: _Floats) -> _Floats:
        step = self.told["stop_step_deg"] * self.km_per_deg
        return np.round(xy / step) * step

    def degrees(self, xy: _Floats) -> tuple[_Floats, _Floats]:
        lat = self.lat0 + xy[:, 1] / self.km_per_deg
        return self.lon0 + xy[:, 0] / (self.km_per_deg * np.cos(np.radians(self.lat0))), lat


def _travelled(town: _Town, start_s: _Floats, a: _Floats, b: _Floats, walk: _Bools) -> dict[str, npt.NDArray[Any]]:
    """Return mode, places, times and distance of trips between places; those who wait together ride together."""
    rng, told = town.rng, town.told
    n = start_s.size
    straight = np.hypot(*(a - b).T)
    luck = rng.random(n)
    act = np.select(
        [walk | (straight < told["walk_below_km"]), (straight < told["cycle_below_km"]) & (luck < told["cycle_share"])],
        [0, 1],
        np.where((straight >= told["cycle_below_km"]) & (luck < told["metro_share"]), 3, 2),
    )
    for mode, snap in ((3, town.at_station), (2, town.at_stop)):
        rows = np.flatnonzero(act == mode)
        from_, to = snap(a[rows]), snap(b[rows])
        moved = np.hypot(*(from_ - to).T) > 0  # the rest has one stop at both ends, and cycles
        act[rows[~moved]] = 1
        a[rows[moved]], b[rows[moved]] = from_[moved], to[moved]
    km = np.maximum(np.hypot(*(a - b).T), told["errand_shortest_km"]) * told["detour_ratio"]
    speed = np.choose(act, [told[f"{mode}_speed_kmh"] for mode in _MODES])
    own = act < _MODES.index("bus")
    speed = np.where(own, speed * rng.lognormal(0, told["pace_spread"], n), speed)
    headway = np.where(act == _MODES.index("metro"), told["metro_headway_min"], told["bus_headway_min"]) * _S_PER_MIN
    leaves = np.where(own, start_s, np.ceil(start_s / headway) * headway)
    end_s = leaves + km / speed * _S_PER_H + np.where(own, 0, rng.exponential(told["exit_spread_s"], n))
    return {"act": act, "a": a, "b": b, "km": km, "start_s": start_s, "end_s": end_s}


def _trips(rng: np.random.Generator, told: Mapping[str, float], n: int) -> dict[str, npt.NDArray[Any]]:
    """Return ``n`` trips, person by person."""
    a_day = 2 * told["commute_share"] + told["other_trip_share"] + 2 * told["errand_share"]
    if told["working_days"] < 1 or not a_day > 0:
        raise RangeError(
            f"On {told['working_days']:g} days with {a_day:g} trips a day there are no claims; expected one day or "
            "more, and a share of days with trips above 0."
        )
    persons = int(np.ceil(n / (int(told["working_days"]) * a_day) * _SPARE)) + _LEAST_PERSONS
    # Where trips are rare, chance may leave too few.
    while (made := _of_persons(rng, told, persons))["who"].size < n:
        persons *= 2
    return {k: v[:n] for k, v in made.items()}


def _of_persons(rng: np.random.Generator, told: Mapping[str, float], persons: int) -> dict[str, npt.NDArray[Any]]:
    """Return the trips of all persons on all days, person by person in the order of time."""
    days = int(told["working_days"])
    town = _Town(rng, told, persons)
    home, work = town.near(town.estates, persons), town.near(town.parks, persons)
    usual = [
        rng.normal(told[f"{when}_h"], told[f"{when}_spread_h"], persons) * _S_PER_H for when in ("morning", "evening")
    ]
    who, day = (grid.ravel() for grid in np.meshgrid(np.arange(persons), np.arange(days), indexing="ij"))
    weekends = day // _WORKING_WEEK * (_WEEK - _WORKING_WEEK)
    midnight = (day + weekends) * _S_PER_DAY
    habit = told["habit_spread_min"] * _S_PER_MIN
    legs: list[tuple[_Ints, dict[str, npt.NDArray[Any]]]] = []

    def add(rows: _Ints, start_s: _Floats, a: _Floats, b: _Floats, *, walk: bool = False) -> _Floats:
        made = _travelled(town, start_s, a.copy(), b.copy(), np.full(rows.size, walk))
        legs.append((who[rows], made))
        return made["end_s"]

    def hours(kind: str, size: int) -> _Floats:
        return rng.uniform(told[f"{kind}_first_h"], told[f"{kind}_last_h"], size) * _S_PER_H

    commuting = np.flatnonzero(rng.random(who.size) < told["commute_share"])
    for towards_work, times in zip((True, False), usual, strict=True):
        p = who[commuting]
        ends = (home[p], work[p]) if towards_work else (work[p], home[p])
        add(commuting, midnight[commuting] + times[p] + rng.normal(0, habit, p.size), *ends)
    other = np.flatnonzero(rng.random(who.size) < told["other_trip_share"])
    there = home[who[other]] + rng.normal(0, told["other_spread_km"], (other.size, 2))
    add(other, midnight[other] + hours("other", other.size), home[who[other]], there)
    errand = np.flatnonzero(rng.random(who.size) < told["errand_share"])
    turn = rng.uniform(0, 2 * np.pi, errand.size)
    far = rng.uniform(told["errand_shortest_km"], told["errand_longest_km"], errand.size)
    shop = home[who[errand]] + far[:, None] * np.column_stack([np.cos(turn), np.sin(turn)])
    back = add(errand, midnight[errand] + hours("errand", errand.size), home[who[errand]], shop, walk=True)
    stay = rng.uniform(told["errand_shortest_stay_min"], told["errand_longest_stay_min"], errand.size) * _S_PER_MIN
    add(errand, back + stay, shop, home[who[errand]], walk=True)

    whose = np.concatenate([w for w, _ in legs])
    made = {k: np.concatenate([leg[k] for _, leg in legs]) for k in legs[0][1]}
    for end, xy in (("start", made.pop("a")), ("end", made.pop("b"))):
        made[f"{end}_lon"], made[f"{end}_lat"] = town.degrees(xy)
    order = np.lexsort((made["start_s"], whose))
    return {"who": whose[order], **{k: v[order] for k, v in made.items()}}


def synthetic_claims(
    n: int, *, seed: int, alteration: float = 1.0, companions_share: float = 0.0,
    assumptions: pl.DataFrame | Mapping[str, float] | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Return synthetic claims, some of them altered copies of others, with the truth beside them.

    Persons commute on working days at about the same time, so that the same trip comes back day after day; many wait
    for the same train at the same station; some walk a few hundred metres and back. That is what a search must not
    take for a double claim. The town grows with ``n``: what is found without a token depends on how crowded it is, so
    such figures hold for their ``n`` alone and say little about a city of millions.

    Parameters
    ----------
    n
        Claims in all.
    seed
        Same seed, same claims.
    alteration
        How far copies are altered, as a multiple of the assumptions: at 1 up to 5 minutes at either end, 300 m at
        either end, 10 % of the distance (all uniform; places on a disc).
    companions_share
        Share of persons who always travel with a companion on the same phone number: two claims of two people, one
        token. No search by token can tell them from a double claim.
    assumptions
        In place of values of the table ``inclusive_duplicate_synthetic``: a table with ``parameter`` and ``value``,
        or ``{"copies_share": 0.1}``.

    Returns
    -------
    polars.DataFrame
        One row per claim, all synthetic: the columns of :data:`~.duplicates.CLAIM_COLUMNS`, ``account``,
        ``person_id`` (names of nobody), ``registered_local``, what crediting needs besides, and ``true_trip_id`` (equal
        for the claims of one trip), ``is_copy``, ``is_synthetic``.

    Raises
    ------
    RangeError
        Fewer than 2 claims, a negative alteration, a share outside 0 to 1, or assumptions under which nobody travels.
    UnknownNameError
        An unknown assumption.

    Examples
    --------
    >>> claims = synthetic_claims(2_000, seed=1)
    >>> claims.height, claims["is_copy"].sum(), claims["is_synthetic"].all()
    (2000, 60, True)
    """
    told = dict(
        tables.read("inclusive_duplicate_synthetic").select("parameter", pl.col("value").cast(pl.Float64)).iter_rows()
    )
    own = dict(assumptions.select("parameter", "value").iter_rows()) if isinstance(assumptions, pl.DataFrame) else (
        assumptions or {}
    )  # fmt: skip
    for parameter, value in own.items():
        if parameter not in told:
            raise suggest(parameter, told, what="assumption", see="the table inclusive_duplicate_synthetic")
        told[parameter] = float(value)
    if n < _LEAST_CLAIMS:
        raise RangeError(f"{n} claims were asked for; expected {_LEAST_CLAIMS} or more.")
    if alteration < 0:
        raise RangeError(f"The alteration is {alteration}; expected 0 (exact copies) or more.")
    for name, share in (("copies_share", told["copies_share"]), ("companions_share", companions_share)):
        if not 0 <= share <= 1:
            raise RangeError(f"{name} is {share}; expected 0 to 1.")
    rng = np.random.default_rng(seed)
    copies = min(round(n * told["copies_share"]), n // 2)
    trips = _trips(rng, told, n - copies)
    truth = np.arange(n - copies)
    if companions_share:
        # The companion's trips take the place of other persons', so that n stays.
        persons = np.unique(trips["who"])
        led = rng.random(persons.size) < companions_share
        mine = np.flatnonzero(led[np.searchsorted(persons, trips["who"])])[: (n - copies) // 2]
        others = np.setdiff1d(np.arange(n - copies), mine)[: n - copies - 2 * mine.size]
        rows = np.concatenate([others, mine, mine])
        trips = {k: v[rows] for k, v in trips.items()}
    chosen = rng.choice(n - copies, copies, replace=False)
    copy = _altered(rng, told, {k: v[chosen] for k, v in trips.items()}, alteration)
    every = {k: np.concatenate([v, copy[k]]) for k, v in trips.items()}

    shares = np.cumsum([told["platform_a_share"], told["platform_b_share"]])
    persons = rng.random(int(trips["who"].max()) + 1)
    home = np.searchsorted(shares, persons)[trips["who"]]
    away = rng.random(copies) < told["other_platform_share"]
    other = (home[chosen] + np.where(away, rng.integers(1, len(_PLATFORMS), copies), 0)) % len(_PLATFORMS)
    is_copy = np.arange(n) >= n - copies
    epoch = np.datetime64(_FIRST_DAY, "ms")
    delay = rng.exponential(np.where(is_copy, told["copy_delay_h"], told["registration_delay_h"])) * _S_PER_H

    def time(seconds: _Floats) -> npt.NDArray[np.datetime64]:
        return epoch + (seconds * _MS_PER_S).astype("timedelta64[ms]")

    frame = pl.DataFrame(
        {
            "platform": np.array(_PLATFORMS)[np.concatenate([home, other])],
            "act": np.array(_MODES)[every["act"]],
            "start_local": time(every["start_s"]),
            "end_local": time(every["end_s"]),
            "distance_km": every["km"],
            "start_longitude_deg": every["start_lon"],
            "start_latitude_deg": every["start_lat"],
            "end_longitude_deg": every["end_lon"],
            "end_latitude_deg": every["end_lat"],
            "registered_local": time(every["end_s"] + delay),
            "true_trip_id": np.concatenate([truth, truth[chosen]]),
            "is_copy": is_copy,
            "_who": every["who"],
            "_id": rng.permutation(n),
        }
    )
    return frame.sort("_id").select(
        "platform",
        pl.format("s{}", "_id").alias("activity_id"),
        # A copy comes from another account of the same person.
        pl.format("account-{}{}", "_who", pl.when("is_copy").then(pl.lit("-2")).otherwise(pl.lit(""))).alias("account"),
        pl.format("synthetic-person-{}", "_who").alias("person_id"),
        "act", "start_local", "end_local", "distance_km", *PLACE_COLUMNS, "registered_local",
        pl.lit("nav_trace").alias("proof"),
        pl.lit(_CITY).alias("start_adcode"), pl.lit(_CITY).alias("end_adcode"),
        "true_trip_id", "is_copy", pl.lit(True).alias("is_synthetic"),
    )  # fmt: skip


def _altered(
    rng: np.random.Generator, told: Mapping[str, float], trips: dict[str, npt.NDArray[Any]], alteration: float
) -> dict[str, npt.NDArray[Any]]:
    """Return copies of trips with other times, places, distances and here and there another mode."""
    n = trips["km"].size
    copy = dict(trips)
    most_s, most_m = told["altered_time_s"] * alteration, told["altered_place_m"] * alteration
    copy["start_s"] = trips["start_s"] + rng.uniform(-most_s, most_s, n)
    end_s = trips["end_s"] + rng.uniform(-most_s, most_s, n)
    # A copy that would end before it begins is moved as a whole, which stays within what is altered.
    copy["end_s"] = np.where(end_s > copy["start_s"], end_s, copy["start_s"] + trips["end_s"] - trips["start_s"])
    most = told["altered_distance_share"] * alteration
    copy["km"] = trips["km"] * (1 + np.maximum(rng.uniform(-most, most, n), _LEAST_LEFT - 1))
    m_per_deg = float(places.distance_m(0.0, 0.0, 0.0, 1.0))
    for end in ("start", "end"):
        r, turn = most_m * np.sqrt(rng.random(n)), rng.uniform(0, 2 * np.pi, n)
        lat = trips[f"{end}_lat"] + r * np.cos(turn) / m_per_deg
        east = r * np.sin(turn) / (m_per_deg * np.cos(np.radians(np.maximum(lat, trips[f"{end}_lat"]))))
        copy[f"{end}_lon"], copy[f"{end}_lat"] = trips[f"{end}_lon"] + east, lat
    listed = tables.read("inclusive_duplicate_modes").filter(pl.col("act") != pl.col("other_act"))
    other = {a: b for a, b in listed.select("act", "other_act").iter_rows() if {a, b} <= set(_MODES)}
    other |= {b: a for a, b in other.items()}
    turned = np.array([_MODES.index(other.get(mode, mode)) for mode in _MODES])
    copy["act"] = np.where(rng.random(n) < told["other_mode_share"], turned[trips["act"]], trips["act"])
    return copy


def _pairs_among(sizes: pl.Expr) -> pl.Expr:
    return (sizes.cast(pl.Int64) * (sizes.cast(pl.Int64) - 1) // 2).sum()


def search_quality(clusters: Frame, trips: Frame, *, truth: str = "true_trip_id") -> pl.DataFrame:
    """Return precision and recall of a search, counted in pairs of claims, where the truth is known.

    Parameters
    ----------
    clusters
        Result of :func:`~.duplicates.duplicates`, or a part of it.
    trips
        The claims that were searched, with ``platform``, ``activity_id`` and ``truth``.
    truth
        Column that names the trip behind each claim.

    Returns
    -------
    polars.DataFrame
        One row: ``true_count`` (pairs of claims of one trip), ``found_count`` (pairs in one cluster), ``hit_count``
        (both), ``precision_share`` (hits over found) and ``recall_share`` (hits over true) with 95 % intervals
        ``_low`` and ``_high`` (Wilson), empty where nothing was found or planted.

    Raises
    ------
    SchemaError
        A column is missing.

    Examples
    --------
    >>> from citylab.carbon.inclusive.duplicates import duplicates
    >>> claims = synthetic_claims(2_000, seed=1)
    >>> search_quality(duplicates(claims, token="person_id"), claims)["true_count"].item()  # 3 % of 2,000
    60

    References
    ----------
    Wilson, E. B. (1927). Probable inference. J. Am. Stat. Assoc. 22, 209-212. DOI 10.1080/01621459.1927.10502953
    """
    from statsmodels.stats.proportion import proportion_confint

    all_claims, _ = lazily(trips)
    groups, _ = lazily(clusters)
    key: list[str] = ["platform", "activity_id"]
    need_columns(all_claims, [*key, truth], what="search_quality")
    need_columns(groups, [*key, "cluster_id"], what="search_quality")
    # Counting is over groups; the pairs are never written down.
    true = int(all_claims.group_by(truth).len().select(_pairs_among(pl.col("len"))).collect().item())
    found = int(groups.group_by("cluster_id").len().select(_pairs_among(pl.col("len"))).collect().item())
    joined = groups.select(*key, "cluster_id").join(all_claims.select(*key, truth), on=key)
    hits = int(joined.group_by("cluster_id", truth).len().select(_pairs_among(pl.col("len"))).collect().item())
    row: dict[str, float | int | None] = {"true_count": true, "found_count": found, "hit_count": hits}
    for name, n in (("precision", found), ("recall", true)):
        low, high = proportion_confint(hits, n, alpha=1 - rule("level"), method="wilson") if n else (None, None)
        row |= {f"{name}_share": hits / n if n else None, f"{name}_share_low": low, f"{name}_share_high": high}
    shares = [f"{name}_share{end}" for name in ("precision", "recall") for end in ("", "_low", "_high")]
    counts = ("true_count", "found_count", "hit_count")
    return pl.DataFrame([row], schema=dict.fromkeys(counts, pl.Int64) | dict.fromkeys(shares, pl.Float64))
