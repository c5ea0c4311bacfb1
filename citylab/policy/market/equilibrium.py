"""The price at which a market in allowances clears, who then abates, trades and pays, and what the market saves.

The market is competitive, covers one period, and every allowance is used or left over. The price is exact for any mix
of smooth and stepwise cost curves: :class:`citylab.policy.market.firms.Supply` sorts the kinks and reads the crossing.
Intervals hold the uncertainty of the cost curves alone; that of baselines, of rules and of behaviour is not in them.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import polars as pl

from citylab.errors import RangeError, RefusalError, suggest
from citylab.policy.market.allocation import rule
from citylab.policy.market.firms import (
    ROUNDING,
    Floats,
    Maccs,
    Supply,
    Table,
    checked,
    cost_cny,
    drawn,
    gifts,
    kinks,
    ladder,
    maccs,
    who,
)
from citylab.settings import Language
from citylab.stats import bootstrap
from citylab.vocabulary import say

Basis = Literal["output", "lump_sum"]
Tail = tuple[Floats, Floats]
"""Price [CNY/t] and tonnes of what may be had at that price beside abatement, shapes (cases or 1, 1)."""

_DRAWS = 400
_LEVEL = 0.9


# offsets


@dataclass(frozen=True)
class Offsets:
    """Reductions outside the market that may be surrendered in place of allowances.

    Attributes
    ----------
    local_t, outside_t
        What is on offer from projects in the city, and from outside [t CO2].
    local_price_cny_t, outside_price_cny_t
        Their prices [CNY/t].
    limit_share
        Offsets that a firm may surrender over what it was given [0..1].
    outside_share
        Offsets from outside that a firm may surrender over what it was given [0..1], ``limit_share`` at most.

    Raises
    ------
    RangeError
        A number below 0, or shares beyond their limits.
    """

    local_t: float
    local_price_cny_t: float
    outside_t: float
    outside_price_cny_t: float
    limit_share: float
    outside_share: float

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0:
                raise RangeError(f"{name} of offsets is {value}; expected 0 or more.")
        if not self.outside_share <= self.limit_share <= 1:
            raise RangeError(
                f"Offsets up to {self.limit_share:g} of what is given, of which {self.outside_share:g} from outside; "
                "expected outside_share ≤ limit_share ≤ 1."
            )

    def tails(self, allocated_t: float) -> list[Tail]:
        """Return local and outside offsets as steps, cut to the limits.

        The cheaper kind fills the common limit first, as it is used up before the dearer one is touched.

        Parameters
        ----------
        allocated_t
            What all firms were given together [t CO2].
        """
        room = {
            "local": min(self.local_t, self.limit_share * allocated_t),
            "outside": min(self.outside_t, self.outside_share * allocated_t),
        }
        price = {"local": self.local_price_cny_t, "outside": self.outside_price_cny_t}
        cheap, dear = sorted(room, key=lambda kind: price[kind])
        room[dear] = min(room[dear], self.limit_share * allocated_t - room[cheap])
        return [(np.array([[price[kind]]]), np.array([[room[kind]]])) for kind in ("local", "outside")]


def beijing_offsets(
    *, local_t: float, local_price_cny_t: float, outside_t: float, outside_price_cny_t: float, on: dt.date
) -> Offsets:
    """Return offsets on offer under the limits of Beijing's pilot on a date.

    Examples
    --------
    >>> offer = dict(local_t=1e5, local_price_cny_t=60.0, outside_t=1e5, outside_price_cny_t=40.0)
    >>> beijing_offsets(**offer, on=dt.date(2024, 12, 31)).outside_share
    0.025
    """
    return Offsets(
        local_t,
        local_price_cny_t,
        outside_t,
        outside_price_cny_t,
        rule("beijing", "offset_limit_share", on),
        rule("beijing", "offset_outside_share", on),
    )


# arrays


@dataclass(frozen=True)
class Clearing:
    """What clears a market, as arrays with one row a case.

    Attributes
    ----------
    price
        Price of an allowance [CNY/t], shape (cases,).
    abated_t
        Abatement [t CO2], shape (cases, firms).
    tails_t
        Tonnes had from each tail (offsets, the government), shape (cases, tails).
    """

    price: Floats
    abated_t: Floats
    tails_t: Floats


def amounts(cap_t: npt.ArrayLike, *, what: str = "cap") -> Floats:
    """Return caps as an array after making sure that each is a number of 0 t or more."""
    caps = np.atleast_1d(np.asarray(cap_t, dtype=np.float64))
    wrong = caps[~(np.isfinite(caps) & (caps >= 0))]
    if wrong.size:
        raise RangeError(f"The {what} is {wrong[0]} t CO2; expected 0 or more.")
    return caps


def collar(floor_cny_t: float | None, ceiling_cny_t: float | None) -> tuple[float, float]:
    """Return floor and ceiling [CNY/t], 0 and infinity where there are none, after making sure that they can be."""
    floor = 0.0 if floor_cny_t is None else float(floor_cny_t)
    ceiling = math.inf if ceiling_cny_t is None else float(ceiling_cny_t)
    if not (math.isfinite(floor) and floor >= 0) or math.isnan(ceiling) or ceiling < 0:
        raise RangeError(f"The price collar is {floor} to {ceiling} CNY/t; expected 0 or more, or None for no limit.")
    if floor > ceiling:
        raise RangeError(f"The price floor, {floor:g} CNY/t, lies above the ceiling, {ceiling:g}. Swap them.")
    return floor, ceiling


def government(floor: float, ceiling: float, cap: Floats, baseline: Floats) -> list[Tail]:
    """Return what the government gives back at the floor and sells at the ceiling, as tails.

    Below the floor it would hold back more than firms could ever ask for; at the floor it gives back what they do ask
    for, so that what stays held back is the cap at most. At the ceiling it sells without limit. A side that does not
    bind has 0 t.

    Parameters
    ----------
    floor, ceiling
        Prices [CNY/t].
    cap, baseline
        Cap and baseline emissions of all firms [t CO2], shape (cases,).
    """
    ample = (cap + baseline)[:, None]
    held, sold = (ample if binds else np.zeros((1, 1)) for binds in (floor > 0, math.isfinite(ceiling)))
    top = ceiling if math.isfinite(ceiling) else 0.0
    return [(np.atleast_2d(floor), held), (np.atleast_2d(top), sold)]


def fitted(supply: Sequence[Floats], tails: Sequence[Tail], cases: int) -> Supply:
    """Return the supply of firms and tails together."""
    price, jump, bend = supply
    zero = np.zeros((cases, 1))
    return Supply.of(
        np.concatenate([price + zero, *(p + zero for p, _ in tails)], axis=-1),
        np.concatenate([jump + zero, *(w + zero for _, w in tails)], axis=-1),
        np.concatenate([bend + zero, *(zero for _ in tails)], axis=-1),
    )


def responses(curves: Maccs, price: Floats, needed: Floats, tails: Sequence[Tail]) -> Clearing:
    """Return what firms abate at a price and what comes from the tails, so that the need is just met.

    Steps at the very price are used for the share that is needed, all alike; then tails at that price, in their order.

    Parameters
    ----------
    curves
        Curves of the firms.
    price
        The clearing price [CNY/t], shape (cases,).
    needed
        What must be abated or had from tails [t CO2], shape (cases,).
    tails
        Prices and tonnes.
    """
    smooth = np.where(curves.is_stepwise, 0.0, np.minimum(price[:, None] * curves.conductance, curves.baseline_t))
    (steps,), had = _jumped(price, needed - smooth.sum(-1), [(curves.step_price, curves.step_t)], tails)
    return Clearing(price, smooth + curves.by_owner(steps), had)


def _jumped(
    price: Floats, needed: Floats, groups: Sequence[Tail], tails: Sequence[Tail]
) -> tuple[list[Floats], Floats]:
    """Return what comes from things that jump at a price: all of the cheaper ones, at the very price what is needed.

    Groups share alike what is needed at the price; then the tails give, in their order.
    """
    p = price[:, None]
    used = [np.where(q < p, w, 0.0) for q, w in groups]
    had = [np.where(q < p, w, 0.0)[:, 0] for q, w in tails]
    margin = [np.where(q == p, w, 0.0) for q, w in groups]
    total = np.sum([m.sum(-1) for m in margin], axis=0) + np.zeros_like(price)
    missing = np.maximum(needed - np.sum([u.sum(-1) for u in used], axis=0) - np.sum(had, axis=0), 0.0)
    share = np.divide(np.minimum(missing, total), total, out=np.zeros_like(price), where=total > 0)
    missing = missing - share * total
    for i, (q, w) in enumerate(tails):
        more = np.where(q == p, np.minimum(missing[:, None], w), 0.0)[:, 0]
        had[i], missing = had[i] + more, missing - more
    used = [u + share[:, None] * m for u, m in zip(used, margin, strict=True)]
    return used, np.stack(had, axis=-1) if had else np.empty((len(price), 0))


def cleared(curves: Maccs, cap: Floats, tails: Sequence[Tail], held_t: Floats | float = 0.0) -> Clearing:
    """Return what clears the market of each case.

    Parameters
    ----------
    curves
        Curves of the firms.
    cap
        Caps [t CO2], shape (1,) or (cases,).
    tails
        What may be had beside abatement.
    held_t
        What the government holds back below its floor [t CO2].

    Raises
    ------
    RangeError
        A cap that cannot be met.
    """
    cases = max(curves.n_cases, len(cap))
    baseline = curves.baseline_t.sum(-1)
    needed = np.broadcast_to(baseline - cap + held_t, (cases,))
    most = curves.most_t.sum(-1) + sum(w[:, 0] for _, w in tails)
    short = needed - most
    if (short > ROUNDING * np.maximum(baseline, 1.0)).any():
        worst = int(np.argmax(np.broadcast_to(short, (cases,))))
        base, least = (np.broadcast_to(a, (cases,))[worst] for a in (baseline, baseline - most + held_t))
        raise RangeError(
            f"A cap of {np.broadcast_to(cap, (cases,))[worst]:,.6g} t CO2 cannot be met: of {base:,.6g} t at least "
            f"{least:,.6g} t stay, whatever the price. Raise the cap, give firms further measures, or set a ceiling at "
            "which the government sells."
        )
    price = fitted(kinks(curves), tails, cases).crossing(needed)
    return responses(curves, price, needed, tails)


def price(
    cap_t: npt.ArrayLike, firms: Maccs, *, floor_cny_t: float | None = None, ceiling_cny_t: float | None = None
) -> Floats:
    """Return the price that clears the market, for many draws at once.

    Parameters
    ----------
    cap_t
        Cap [t CO2 a year], a number or shape (draws,).
    firms
        Cost curves as arrays (draws × firms): ``Maccs.quadratic(baseline_t, slope)``.
    floor_cny_t, ceiling_cny_t
        Prices at which the government holds back and sells [CNY/t].

    Returns
    -------
    numpy.ndarray
        Price [CNY/t], shape (draws,); 0 where the cap does not bind.

    Raises
    ------
    RangeError
        A negative cap, one that cannot be met without a ceiling, or a floor above the ceiling.

    Notes
    -----
    Where no firm abates all it emits, p = (Σe - K) / Σ(1/c).

    Examples
    --------
    >>> price(2000.0, Maccs.quadratic([1000.0, 800.0, 600.0], [0.02, 0.05, 0.10])).tolist()
    [5.0]
    """
    floor, ceiling = collar(floor_cny_t, ceiling_cny_t)
    cap = amounts(cap_t)
    tails = government(floor, ceiling, cap, firms.baseline_t.sum(-1))
    return cleared(firms, cap, tails, tails[0][1][:, 0]).price


def need_emissions(offsets_t: Floats, emitted_t: Floats) -> None:
    """Refuse offsets [t CO2] of a firm beyond what it emits: an offset cannot be turned into an allowance."""
    if (offsets_t > emitted_t * (1 + ROUNDING) + ROUNDING).any():
        raise RefusalError(
            "A firm would surrender more offsets than it emits; how others would share the rest was not worked out. "
            "Offer fewer offsets, or lower limit_share."
        )


# trading at a cost


def _costly(
    curves: Maccs, allocated: Floats, auctioned: float, fee: float, tails: Sequence[Tail], held: Floats
) -> tuple[Clearing, Floats]:
    """Return what clears the market where buyer and seller each pay a fee for a tonne, and what sellers release.

    A buyer abates up to p + fee, a seller up to p - fee; between the two a firm emits what it was given.
    """
    gap = curves.baseline_t - allocated
    short, spare = np.maximum(gap, 0.0), np.maximum(-gap, 0.0)
    per, slope = curves.conductance, np.where(curves.is_stepwise, 0.0, curves.slope)
    ends = np.where(curves.is_stepwise, 0.0, curves.slope * curves.baseline_t)
    smooth = np.where(curves.is_stepwise, 0.0, 1.0)
    own = slope * short  # marginal cost where a firm neither buys nor sells
    zero = np.zeros_like(own + per)
    owner, cost, width, before = ladder(curves)
    short_of = np.take_along_axis(np.broadcast_to(short, (owner.shape[0], curves.n_firms)), owner, -1)
    inside = np.clip(short_of - before, 0.0, width)
    # (price, jump, bend): a buyer's first tonnes, where it needs none, where it sells, where all is abated, its spare
    parts = [
        (zero, smooth * np.minimum(fee * per, short), per + zero),
        (np.maximum(own - fee, 0.0) + zero, zero, -per + zero),
        (own + fee + zero, zero, per + zero),
        (ends + fee + zero, zero, -per + zero),
        (zero + fee, spare + zero, zero),
        (np.maximum(cost - fee, 0.0), inside, np.zeros_like(inside)),
        (cost + fee, width - inside, np.zeros_like(inside)),
    ]
    cases = max(zero.shape[0], owner.shape[0])
    stacked = [
        np.concatenate([np.broadcast_to(p[i], (cases, p[i].shape[1])) for p in parts], axis=-1) for i in range(3)
    ]
    needed = np.broadcast_to(short.sum(-1) - auctioned + held, (cases,))
    found = fitted(stacked, tails, cases).crossing(needed)
    if np.isinf(found).any():
        raise RangeError(
            "The cap cannot be met, whatever the price. Raise it, or set a ceiling at which the government sells."
        )
    p = found[:, None]
    abated = smooth * np.minimum(np.clip(short, np.maximum(p - fee, 0.0) * per, (p + fee) * per), curves.baseline_t)
    # What jumps: spare allowances, and each firm's steps as it buys less and as it sells. A step cheaper than the fee
    # pays even at a price of 0, whether it is needed or not
    groups = [(zero + fee, spare + zero), (cost - fee, inside), (cost + fee, width - inside)]
    (released, *of_steps), had = _jumped(found, needed - abated.sum(-1), groups, tails)
    for amount in of_steps:
        np.add.at(abated, (np.arange(cases)[:, None], np.broadcast_to(owner, amount.shape)), amount)
    return Clearing(found, abated, had), released


# the market of a table of firms


@dataclass(frozen=True)
class Equilibrium:
    """A market that cleared: price, emissions, money, and who pays, each with the interval of the cost curves.

    Attributes
    ----------
    firms
        One row a firm: what it was given, emits, abates, trades and pays. ``traded_co2_t`` is what it bought less what
        it sold; ``net_cost_cny`` is what abating, allowances, offsets and fees cost it; a gain is negative.
    totals
        One row a quantity of the market: ``measure``, ``unit``, ``value``, ``value_low``, ``value_high``.
    level
        Level of the intervals.
    n_draws
        Draws behind them.
    is_synthetic
        True where a firm is.
    assumptions
        What the numbers rest on: words of the vocabulary; :meth:`assumed` says them.
    """

    firms: pl.DataFrame
    totals: pl.DataFrame
    level: float
    n_draws: int
    is_synthetic: bool
    assumptions: tuple[str, ...]
    net_cost_draws: Floats = field(repr=False)

    def value(self, measure: str) -> float | None:
        """Return one quantity of ``totals``; ``None`` where it does not exist.

        Examples
        --------
        >>> from citylab.policy.market.firms import synthetic
        >>> firms, steps = synthetic()
        >>> clear(firms.with_columns(allocation_co2_t=0.0), steps=steps, cap_t=3.2e6).value("cap")
        3200000.0
        """
        found = self.totals.filter(pl.col("measure") == measure)
        if found.is_empty():
            raise suggest(measure, self.totals["measure"], what="quantity of a market", see="Equilibrium.totals")
        return found["value"].item()

    def tidy(self) -> pl.DataFrame:
        """Return the totals with level, number of draws and whether they are synthetic beside each."""
        return self.totals.with_columns(
            level=pl.lit(self.level), n_draws=pl.lit(self.n_draws), is_synthetic=pl.lit(self.is_synthetic)
        )

    def assumed(self, lang: Language | None = None) -> list[str]:
        """Return what the numbers rest on, in sentences of a language."""
        return [say(word, lang) for word in self.assumptions]

    def who_pays(self, by: str = "sector") -> pl.DataFrame:
        """Return what groups of firms pay.

        Parameters
        ----------
        by
            A column of ``firms``.

        Returns
        -------
        polars.DataFrame
            One row a group, in order of first appearance: sums of ``firms``, and ``net_cost_cny`` with its interval.
        """
        if by not in self.firms.columns:
            raise suggest(by, self.firms.columns, what="column", see="Equilibrium.firms")
        keys = self.firms[by].unique(maintain_order=True)
        sums = [c for c in _SUMMED if c in self.firms.columns]
        table = self.firms.group_by(by, maintain_order=True).agg(pl.len().alias("firm_count"), pl.col(sums).sum())
        member = np.array([self.firms[by].eq_missing(k).to_numpy() for k in keys], dtype=np.float64)
        low, high = bootstrap.interval(self.net_cost_draws @ member.T, level=self.level)
        return table.with_columns(net_cost_cny_low=low, net_cost_cny_high=high, is_synthetic=pl.lit(self.is_synthetic))


_SUMMED = (
    "baseline_co2_t", "allocation_co2_t", "co2_t", "abatement_co2_t", "offset_co2_t", "traded_co2_t",
    "abatement_cost_cny", "offset_cost_cny", "allowance_cost_cny", "transaction_cost_cny", "net_cost_cny",
)  # fmt: skip


def clear(
    firms: Table,
    *,
    cap_t: float,
    steps: Table | None = None,
    floor_cny_t: float | None = None,
    ceiling_cny_t: float | None = None,
    offsets: Offsets | None = None,
    transaction_cost_cny_t: float = 0.0,
    draws: int = _DRAWS,
    level: float = _LEVEL,
    seed: int = 0,
    rules: pl.DataFrame | None = None,
) -> Equilibrium:
    """Return the competitive equilibrium of one period.

    Parameters
    ----------
    firms
        One row a firm: ``firm_id``, ``baseline_co2_t`` and ``allocation_co2_t`` [t CO2], ``macc_slope_cny_t2``
        [CNY/t²] (null for firms with steps); ``sector`` and ``is_synthetic`` if there are.
    cap_t
        Allowances in all [t CO2]; what firms are not given is auctioned at the market's price.
    steps
        Measures of the other firms (:func:`citylab.policy.market.firms.maccs`).
    floor_cny_t, ceiling_cny_t
        Price collar [CNY/t]: at the floor the government holds back or buys, at the ceiling it sells.
    offsets
        Offsets on offer. Firms use them where they are cheaper than an allowance, in proportion to what each was given.
    transaction_cost_cny_t
        What buyer and seller each pay for a tonne traded between them or bought from the government [CNY/t]. A firm
        trades only if that gains it more than the fee.
    draws
        Draws of the cost curves (:func:`citylab.policy.market.firms.drawn`), for the intervals.
    level
        Level of the intervals.
    seed
        Seed of the draws.
    rules
        Another table with the columns of ``ets_rules``.

    Returns
    -------
    Equilibrium
        The market with central cost curves, and intervals. ``saving`` compares with a uniform standard: every firm
        cuts the same share of its baseline, all together as much as the market does; empty where a firm cannot.

    Raises
    ------
    SchemaError, DataError
        The table of firms cannot be one, or more is given than the cap.
    RangeError
        A negative cap, one that cannot be met, a floor above the ceiling, a negative fee.
    RefusalError
        Offsets with a fee; offsets that a firm could not use up.

    Notes
    -----
    Without a fee the price does not hang on who was given what; with one it does (Stavins 1995).

    Examples
    --------
    >>> firms = pl.DataFrame(
    ...     {
    ...         "firm_id": ["a", "b", "c"],
    ...         "baseline_co2_t": [1000.0, 800.0, 600.0],
    ...         "macc_slope_cny_t2": [0.02, 0.05, 0.10],
    ...         "allocation_co2_t": [900.0, 600.0, 500.0],
    ...     }
    ... )
    >>> market = clear(firms, cap_t=2000)
    >>> market.value("price"), market.firms["abatement_co2_t"].to_list(), market.firms["traded_co2_t"].to_list()
    (5.0, [250.0, 100.0, 50.0], [-150.0, 100.0, 50.0])

    References
    ----------
    Montgomery (1972), Markets in licenses and efficient pollution control programs, Journal of Economic Theory 5,
    doi:10.1016/0022-0531(72)90049-X; Stavins (1995), Transaction costs and tradeable permits, Journal of Environmental
    Economics and Management 29, doi:10.1006/jeem.1995.1036 (both from memory).
    """
    table = checked(firms, what="clear", needed={"allocation_co2_t": "allowances given, from allocation.allocated"})
    given = gifts(table)
    cap = amounts(cap_t)
    free = float(given.sum())
    if free > cap[0] * (1 + ROUNDING):
        raise RangeError(
            f"Firms are given {free:,.6g} t CO2, more than the cap of {cap[0]:,.6g} t. Use "
            "allocated(..., within_cap_t=cap), or raise the cap."
        )
    floor, ceiling = collar(floor_cny_t, ceiling_cny_t)
    fee = float(transaction_cost_cny_t)
    if not math.isfinite(fee) or fee < 0:
        raise RangeError(f"transaction_cost_cny_t is {fee}; expected 0 CNY/t or more.")
    if fee and offsets is not None:
        raise RefusalError(
            "Offsets with a transaction cost were not worked out: which firm buys which is open. Drop one."
        )
    bootstrap.need_draws(draws, level)

    central = maccs(table, steps)
    # Case 0 holds the central curves, the others the draws
    factors = drawn(central, [str(n) for n in table["firm_id"]], draws, seed=seed, rules=rules)
    curves = _stacked(central, factors)
    baseline = central.baseline_t
    auctioned = max(cap[0] - free, 0.0)
    tails = government(floor, ceiling, cap, baseline.sum(-1))
    held = tails[0][1][:, 0]
    offered = [] if offsets is None else offsets.tails(free)
    if fee:
        done, released = _costly(curves, given[None, :], auctioned, fee, tails, held)
    else:
        done, released = cleared(curves, cap, [*offered, *tails], held), np.maximum(given - baseline, 0.0)
    return _told(table, curves, done, released, given, auctioned, offered, fee, held, cap, draws, level)


def _stacked(central: Maccs, drawn_curves: Maccs) -> Maccs:
    return Maccs(
        central.baseline_t,
        np.concatenate([central.slope, drawn_curves.slope]),
        central.step_owner,
        np.concatenate([central.step_price, drawn_curves.step_price]),
        central.step_t,
    )


def _told(
    table: pl.DataFrame, curves: Maccs, done: Clearing, released: Floats, given: Floats, auctioned: float,
    offered: Sequence[Tail], fee: float, held: Floats, cap: Floats, draws: int, level: float,
) -> Equilibrium:  # fmt: skip
    """Return the books of a market that cleared, and check that they close."""
    p = done.price[:, None]
    emitted = curves.baseline_t - done.abated_t
    of_offsets, (given_back, sold) = done.tails_t[:, : len(offered)], done.tails_t[:, -2:].T
    withheld = held - given_back
    in_proportion = given / given.sum() if given.sum() > 0 else np.zeros_like(given)
    used = of_offsets.sum(-1)[:, None] * in_proportion
    need_emissions(used, emitted)
    offset_cost = sum((q * u[:, None] for (q, _), u in zip(offered, of_offsets.T, strict=True)), np.zeros((1, 1)))
    offset_cost = offset_cost * in_proportion
    open_t = emitted - used - given
    bought = np.maximum(open_t, 0.0)
    kept_back = np.maximum(given - curves.baseline_t, 0.0) - released
    supply = np.maximum(-open_t - kept_back, 0.0)
    state = auctioned - withheld + sold
    # At a price above 0 the government sells all it offers; at 0 nobody minds who keeps what is left over
    asked = bought.sum(-1) + np.maximum(-state, 0.0)
    from_firms = np.where(done.price > 0, asked - np.maximum(state, 0.0), np.inf)
    all_supply = supply.sum(-1) + np.maximum(state, 0.0)
    of_all = np.divide(asked, all_supply, out=np.zeros_like(asked), where=all_supply > 0)
    of_firms = np.divide(from_firms, supply.sum(-1), out=np.zeros_like(asked), where=supply.sum(-1) > 0)
    share = np.clip(np.where(done.price > 0, of_firms, of_all), 0.0, 1.0)
    traded = bought - share[:, None] * supply
    state_sold = np.where(done.price > 0, state, np.where(state > 0, of_all * state, state))
    abating = cost_cny(curves, done.abated_t)
    paid, fees = p * traded, fee * np.abs(traded)
    net = abating + offset_cost + paid + fees

    total = done.abated_t.sum(-1) + used.sum(-1)
    alike = (
        (total / curves.baseline_t.sum(-1))[:, None] * curves.baseline_t
        if curves.baseline_t.sum() > 0
        else 0.0 * emitted
    )
    standard = cost_cny(curves, np.broadcast_to(alike, emitted.shape)).sum(-1)
    market = (abating + offset_cost + fees).sum(-1)
    saving = standard - market
    surrendered = emitted.sum(-1) - used.sum(-1)
    nothing = np.where(np.isnan(saving), saving, 0.0)
    quantities: list[tuple[str, str, Floats]] = [
        ("price", "CNY/t", done.price),
        ("cap", "t CO2", np.broadcast_to(cap, done.price.shape)),
        ("emissions", "t CO2", emitted.sum(-1)),
        ("surrendered", "t CO2", surrendered),
        ("offsets", "t CO2", used.sum(-1)),
        ("abatement", "t CO2", done.abated_t.sum(-1)),
        ("withheld", "t CO2", withheld),
        ("sold_at_ceiling", "t CO2", sold),
        ("left_over", "t CO2", np.maximum(cap - withheld + sold - surrendered, 0.0)),
        ("traded", "t CO2", bought.sum(-1) + np.maximum(-state, 0.0)),
        ("government_sales", "t CO2", state_sold),
        ("revenue", "CNY", state_sold * done.price),
        ("market_cost", "CNY", market),
        ("standard_cost", "CNY", standard),
        ("saving", "CNY", saving),
        ("saving_share", "1", np.divide(saving, standard, out=nothing, where=standard > 0)),
        ("net_cost", "CNY", net.sum(-1)),
    ]
    rows = []
    for name, unit, values in quantities:
        known = np.isfinite(values).all()
        low, high = bootstrap.interval(values[1:], level=level) if known else (None, None)
        rows.append((name, unit, *(None if v is None else float(v) for v in (values[0] if known else None, low, high))))
    totals = pl.DataFrame(rows, ["measure", "unit", "value", "value_low", "value_high"], orient="row")

    def with_interval(name: str, values: Floats) -> dict[str, Floats]:
        low, high = bootstrap.interval(values[1:], level=level)
        return {name: values[0], f"{name}_low": low, f"{name}_high": high}

    names, synthetic = who(table)
    by_firm = names.with_columns(
        baseline_co2_t=curves.baseline_t[0],
        allocation_co2_t=given,
        co2_t=emitted[0],
        **with_interval("abatement_co2_t", done.abated_t),
        offset_co2_t=used[0] + np.zeros_like(given),
        traded_co2_t=traded[0],
        abatement_cost_cny=abating[0],
        offset_cost_cny=np.broadcast_to(offset_cost, emitted.shape)[0],
        allowance_cost_cny=paid[0],
        transaction_cost_cny=fees[0],
        **with_interval("net_cost_cny", net),
        is_synthetic=pl.lit(synthetic),
    )
    assumptions: tuple[str, ...] = ("assume_price_takers", "assume_macc_prior", "assume_uniform_standard")
    if synthetic:
        assumptions += ("assume_synthetic_firms",)
    return Equilibrium(by_firm, totals, level, draws, synthetic, assumptions, net[1:])


# allocation that follows output


def output_based(firms: Table, *, cap_t: float | None = None, basis: Basis = "output") -> pl.DataFrame:
    """Return the equilibrium where firms also choose how much they make, under allowances that follow output or not.

    An allowance for each unit made is a subsidy of output: its marginal cost is mc(Q) + p·(I - B) rather than
    mc(Q) + p·I, with emissions I and allowances B a unit. The price of goods is given, mc rises in a straight line
    through today's output, and abating a tonnes costs ½·c·a².

    Parameters
    ----------
    firms
        One row a firm with a smooth curve: ``firm_id``, ``baseline_co2_t`` [t CO2], ``macc_slope_cny_t2`` [CNY/t²],
        ``output`` [units], ``benchmark_t_unit`` B [t CO2 a unit] and ``marginal_cost_slope_cny_unit2`` [CNY/unit²], how
        fast marginal cost rises with output; null where output is fixed.
    cap_t
        Cap [t CO2]. ``None``: as many allowances as firms earn, ΣB·Q, with output (a tradable performance standard,
        as in China's national market) or fixed at today's output.
    basis
        ``"output"``: allowances follow output. ``"lump_sum"``: B·Q of today whatever is made.

    Returns
    -------
    polars.DataFrame
        One row a firm: ``price_cny_t``, ``output``, ``output_change``, ``output_change_share``, ``allocation_co2_t``,
        ``co2_t``, ``abatement_co2_t``. Central values: the priors of the cost curves are not run through this model.

    Raises
    ------
    SchemaError, DataError, RangeError
        The table cannot be one; a cap that cannot be met.
    RefusalError
        Under a fixed cap, a firm with B above I would make and emit more as the price rises, so that several prices may
        clear the market.

    Notes
    -----
    A firm that abates all it emits has I·Q = a, and chooses Q by mc(Q) + c·I²·Q = price + p·B.

    Examples
    --------
    >>> firm = pl.DataFrame(
    ...     {
    ...         "firm_id": ["a"], "baseline_co2_t": [1000.0], "macc_slope_cny_t2": [0.1], "output": [1000.0],
    ...         "benchmark_t_unit": [0.9], "marginal_cost_slope_cny_unit2": [0.1],
    ...     }
    ... )
    >>> [round(output_based(firm, cap_t=900, basis=b)["price_cny_t"].item(), 3) for b in ("output", "lump_sum")]
    [9.091, 5.0]

    References
    ----------
    Fischer (2001), Rebating environmental policy revenues: output-based allocations and tradable performance standards,
    Resources for the Future Discussion Paper 01-22 (from memory).
    """
    table, firm = makers(firms, basis, what="output_based")
    fixed = float((firm.given * firm.made).sum()) if basis == "lump_sum" else None
    cap = fixed if cap_t is None else float(amounts(cap_t)[0])
    earned = firm.rebate if cap is None else np.zeros_like(firm.rebate)
    need_one_price(firm, earned, table)
    found = float(firm.supply(earned).crossing(np.array([firm.needed_t(earned, cap or 0.0)]))[0])
    if math.isinf(found):
        raise RangeError("The cap cannot be met, whatever the price. Raise it.")
    return made_at(table, firm, found)


@dataclass(frozen=True)
class Makers:
    """Firms that choose how much they make at a price of allowances, as arrays with one entry a firm.

    Attributes
    ----------
    made
        Today's output [units].
    intensity
        Emissions of a unit without abatement, I [t CO2/unit].
    slope
        c of the cost of abating ½·c·a² [CNY/t²].
    give
        Units made less for each CNY that a unit costs more [unit²/CNY]; 0 where output is fixed.
    given
        Allowances for a unit, B [t CO2/unit].
    rebate
        B where allowances follow output, else 0.
    """

    made: Floats
    intensity: Floats
    slope: Floats
    give: Floats
    given: Floats
    rebate: Floats

    @property
    def end(self) -> Floats:
        """Price from which on a firm abates all it emits [CNY/t]; infinite where it never does."""
        per_price = 1 / self.slope + self.intensity * (self.intensity - self.rebate) * self.give
        last = np.full_like(per_price, np.inf)
        return np.divide(self.intensity * self.made, per_price, out=last, where=per_price > 0)

    def per_price(self, earned: Floats) -> tuple[Floats, Floats]:
        """Return by how much net demand for allowances falls with the price, before a firm's end and after [t²/CNY].

        Net demand is what is emitted less what is earned with output, ``earned`` [t CO2/unit].
        """
        before = (self.intensity - earned) * (self.intensity - self.rebate) * self.give + 1 / self.slope
        return before, earned * self.rebate * self.give / (1 + self.slope * self.intensity**2 * self.give)

    def needed_t(self, earned: Floats, cap_t: float) -> float:
        """Return the net demand at a price of 0 beyond the cap [t CO2]."""
        return float(((self.intensity - earned) * self.made).sum() - cap_t)

    def supply(self, earned: Floats) -> Supply:
        """Return by how much net demand falls up to a price."""
        before, after = self.per_price(earned)
        corner = np.isfinite(self.end)
        return Supply.of(
            np.concatenate([[0.0], np.where(corner, self.end, 0.0)])[None, :],
            np.zeros((1, len(self.made) + 1)),
            np.concatenate([[before.sum()], np.where(corner, after - before, 0.0)])[None, :],
            last=float(np.where(corner, after, before).sum()),
        )

    def chosen(self, price: float) -> tuple[Floats, Floats]:
        """Return output [units] and abatement [t CO2] at a price."""
        inner = self.made - price * (self.intensity - self.rebate) * self.give
        outer = (self.made + self.rebate * price * self.give) / (1 + self.slope * self.intensity**2 * self.give)
        output = np.where(price < self.end, inner, outer)
        return output, np.where(price < self.end, price / self.slope, self.intensity * output)


def makers(firms: Table, basis: Basis, *, what: str) -> tuple[pl.DataFrame, Makers]:
    """Return a table of firms that choose their output, after making sure that it can be one, and its arrays."""
    if basis not in get_args(Basis):
        raise suggest(str(basis), get_args(Basis), what="basis of allocation", see="'output' and 'lump_sum'")
    needed = {
        "output": "units made",
        "benchmark_t_unit": "allowances for a unit",
        "marginal_cost_slope_cny_unit2": "how fast marginal cost rises with output",
    }
    table = checked(firms, what=what, needed=needed)
    curves = maccs(table)
    made, given = (table[c].cast(pl.Float64).fill_null(np.nan).to_numpy() for c in ("output", "benchmark_t_unit"))
    rise = table["marginal_cost_slope_cny_unit2"].cast(pl.Float64)
    for name, values, least in (("output", made, "above 0"), ("benchmark_t_unit", given, "0 or more")):
        good = np.isfinite(values) & ((values > 0) if least == "above 0" else (values >= 0))
        if not good.all():
            raise RangeError(f"{name} of a firm is {values[~good][0]}; expected {least}.")
    if (~(rise.is_finite() & (rise > 0))).any():
        raise RangeError(
            "marginal_cost_slope_cny_unit2 of a firm is not above 0; expected a slope, or null for fixed output."
        )
    slope = np.broadcast_to(curves.slope, curves.baseline_t.shape)[0]
    give = (1.0 / rise).fill_null(0.0).to_numpy()
    rebate = given if basis == "output" else np.zeros_like(given)
    return table, Makers(made, curves.baseline_t[0] / made, slope, give, given, rebate)


def need_one_price(firm: Makers, earned: Floats, table: pl.DataFrame) -> None:
    """Refuse a firm whose net demand for allowances rises with their price."""
    before, _ = firm.per_price(earned)
    if (before < 0).any():
        name = table["firm_id"][int(np.argmin(before))]
        raise RefusalError(
            f"Firm {name!r} is given more a unit than it emits and makes so much more as the price rises that it emits "
            "more: several prices may clear a fixed cap. Use cap_t=None, or a steeper marginal cost."
        )


def made_at(table: pl.DataFrame, firm: Makers, price: float) -> pl.DataFrame:
    """Return what firms make, are given, emit and abate at a price, one row a firm."""
    output, abated = firm.chosen(price)
    return table.select(
        pl.col("firm_id"), *(pl.col(k) for k in ("sector", "is_synthetic") if k in table.columns)
    ).with_columns(
        price_cny_t=pl.lit(price),
        output=output,
        output_change=output - firm.made,
        output_change_share=output / firm.made - 1,
        allocation_co2_t=firm.given * (output if firm.rebate.any() else firm.made),
        co2_t=firm.intensity * output - abated,
        abatement_co2_t=abated,
    )
