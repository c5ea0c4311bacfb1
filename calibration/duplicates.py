"""The search for double claims on synthetic claims with 3 % planted copies: 500 claims a run asked for.

The nominal value 0.990 is the goal at alterations of up to 5 minutes, 300 m and 10 % of distance (1 x): "above" meets
it. Precision is the share of found pairs that are of one trip, recall the share of pairs of one trip that are found;
runs are those pairs. At up to 1 x recall is high by construction, as the thresholds are what copies are altered by;
beyond, a copy is found only if all of its five alterations fall within them, and the nominal recall is that probability
for uniform ones ("by geometry"). Rows without a token, with doubled thresholds and with companions on one phone (one
person in a hundred) have no goal: 0.990 is there to read them against.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from calibration import Row, binomial_band
from citylab import tables
from citylab.carbon.inclusive.duplicates import duplicates
from citylab.carbon.inclusive.exchange import exchange_table, pseudonyms
from citylab.carbon.inclusive.planted import search_quality, synthetic_claims

GOAL = 0.99
CLAIMS_A_RUN = 500
ALTERATIONS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
COMPANIONS = 0.01
TOKEN = "person_id"


def by_geometry(alteration: float) -> float:
    """Return the probability that a copy altered uniformly lies within all thresholds, where nothing is cut off.

    Times: 1/a at either end; places on a disc: 1/a² at either end; distance: u within ± s a, and |u| over the longer
    distance at most s holds from -s to s / (1 - s).
    """
    s = float(tables.read("inclusive_duplicate_thresholds").filter(rule="distance_gap_share")["value"].item())
    if alteration <= 1:
        return 1.0
    distance = min(1.0, (s + min(s / (1 - s), s * alteration)) / (2 * s * alteration))
    return alteration**-2 * alteration**-4 * distance


def _rows(what: str, quality: Mapping[str, Any], *, recall: float = GOAL) -> list[Row]:
    made = []
    for name, nominal, n in (("precision", GOAL, quality["found_count"]), ("recall", recall, quality["true_count"])):
        if n:
            made.append(Row(f"{what}: {name}", nominal, quality[f"{name}_share"], n, binomial_band(nominal, n)))
    return made


def run(n: int, seed: int) -> list[Row]:
    """Return precision and recall; ``n`` scales the claims."""
    count = CLAIMS_A_RUN * n
    rows: list[Row] = []
    wide = {
        name: 2 * value for name, value in tables.read("inclusive_duplicate_thresholds").select("rule", "value").rows()
    }
    for alteration in ALTERATIONS:
        claims = synthetic_claims(count, seed=seed, alteration=alteration)
        told = f"token, alterations {alteration:g} x"
        quality = search_quality(duplicates(claims, token=TOKEN), claims).row(0, named=True)
        goal = GOAL if alteration <= 1 else by_geometry(alteration)
        rows += _rows(told + (" (recall by geometry)" if alteration > 1 else ""), quality, recall=goal)
        if alteration in (1.0, 2.0):
            found = duplicates(claims, token=TOKEN, thresholds=wide)
            rows += _rows(f"{told}, thresholds doubled", search_quality(found, claims).row(0, named=True))
        if alteration == 1.0:
            handed = exchange_table(
                claims, key=bytes(range(32)), datum="wgs84", person=TOKEN, kind="text"
            )  # fmt: skip
            names = pseudonyms(claims, key=bytes(range(32)), columns={"activity_id": "verbatim"})
            truth = names.rename({"activity_token": "activity_id"})
            quality = search_quality(duplicates(handed), truth).row(0, named=True)
            rows += _rows(f"{told}, places rounded to 0.001°", quality)
            blind = duplicates(claims, token=None)
            rows += _rows(
                f"no token, alterations {alteration:g} x, across platforms",
                search_quality(blind, claims).row(0, named=True),
            )
            alone = blind.filter((pl.col("rival_count") == 0).all().over("cluster_id"))
            rows += _rows(
                f"no token, alterations {alteration:g} x, without a rival",
                search_quality(alone, claims).row(0, named=True),
            )
            blind = duplicates(claims, token=None, within_platforms=True)
            rows += _rows(
                f"no token, alterations {alteration:g} x, within platforms too",
                search_quality(blind, claims).row(0, named=True),
            )
    claims = synthetic_claims(count, seed=seed, companions_share=COMPANIONS)
    quality = search_quality(duplicates(claims, token=TOKEN), claims).row(0, named=True)
    return rows + _rows("token, alterations 1 x, companions on one phone", quality)
