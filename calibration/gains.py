"""Coverage of who-gains intervals: participation, credit a head, and what a channel without a smartphone changes.

Synthetic people: 400 of them, 5 % of whom earn a lognormal credit (standard deviation of logarithms 1), everybody else
nothing. A card channel adds 40 % of the 15 % without a smartphone, with credits of the same kind, on the same people.
Coverage counts how often the 95 % interval holds the planted value; a run without claimants counts 0 for its interval.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from calibration import Row, share
from citylab.policy.inclusive import gains

LEVEL = 0.95
PEOPLE = 400
PARTICIPATION = 0.05
WITHOUT_PHONE, BY_CARD = 0.15, 0.4
SPREAD = 1.0


def run(n: int, seed: int) -> list[Row]:
    """Return coverage over ``n`` runs."""
    rng = np.random.default_rng(seed)
    mean = float(np.exp(SPREAD**2 / 2))
    account = [f"p{i}" for i in range(PEOPLE)]
    people = pl.DataFrame({"account": account})
    hits: dict[str, list[bool]] = {"participation": [], "credit a head": [], "change by the card channel": []}
    for _ in range(n):
        has = rng.random(PEOPLE) < PARTICIPATION
        credit = np.where(has, rng.lognormal(0, SPREAD, PEOPLE), 0.0)
        credited = pl.DataFrame({"account": account, "credit_co2_kg": credit}).with_columns(
            baseline_kind=pl.lit("mean")
        )
        told = gains.by_group(credited, people, by=None, price_cny_t=1).row(0, named=True)
        hits["participation"].append(
            told["participation_share_low"] <= PARTICIPATION <= told["participation_share_high"]
        )
        low, high = (told[f"credit_per_head_co2_kg_{end}"] or 0.0 for end in ("low", "high"))
        hits["credit a head"].append(low <= PARTICIPATION * mean <= high)
        joins = (rng.random(PEOPLE) < WITHOUT_PHONE) & (rng.random(PEOPLE) < BY_CARD)
        more = np.where(joins, rng.lognormal(0, SPREAD, PEOPLE), 0.0)
        held = pl.DataFrame(
            {
                "account": account,
                "credit_before_co2_kg": credit,
                "credit_after_co2_kg": credit + more,
                "change_co2_kg": more,
                "participation_before": has.astype(float),
                "participation_after": (credit + more > 0).astype(float),
            }
        ).with_columns(
            take_up_share=pl.lit(1.0), baseline_kind=pl.lit("mean"), factor_mark=pl.lit("secondary"),
            is_synthetic=pl.lit(True),
        )  # fmt: skip
        change = gains.channel_by_group(held, by=None, price_cny_t=1).row(0, named=True)
        truth = WITHOUT_PHONE * BY_CARD * mean
        hits["change by the card channel"].append(change["change_co2_kg_low"] <= truth <= change["change_co2_kg_high"])
    return [share(f"{what}, {PEOPLE} people", LEVEL, found) for what, found in hits.items()]
