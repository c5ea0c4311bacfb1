"""A cap over several years where allowances may be kept for later, but not borrowed from it.

While firms keep allowances, the price rises with the rate of interest (Hotelling): else they would keep more, or none.
So the discounted price never rises, and stays level while the bank holds something. Finding it is an isotonic
regression: begin with each year alone, and where a later year's discounted price is above an earlier one's, pool them
(pool adjacent violators). That is exact, and needs no solver; :mod:`citylab.policy.market.programme` has the same
optimum from a linear programme, for checks. A collar and offsets are steps of the same curves and stay exact.

Firms foresee the whole path. With allowances for output (:func:`output_path`) net demand is what is pooled. Transaction
costs were not worked out together with banking: who keeps allowances then matters, as keeping one's own is no trade.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from citylab.errors import DataError, RangeError
from citylab.frames import need_columns, need_numbers
from citylab.policy.market.equilibrium import (
    Basis,
    Clearing,
    Makers,
    Offsets,
    Tail,
    amounts,
    cleared,
    collar,
    fitted,
    government,
    made_at,
    makers,
    need_emissions,
    need_one_price,
    responses,
)  # fmt: skip
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
    lazy,
    maccs,
    who,
)
from citylab.stats import bootstrap

_DRAWS = 200
_LEVEL = 0.9


@dataclass(frozen=True)
class Banked(Clearing):
    """What clears the markets of a path, each case a year, with prices in the year's own money.

    Attributes
    ----------
    bank_t
        Allowances kept at the end of each year [t CO2], shape (years,).
    """

    bank_t: Floats


def discounts(rate: float, years: int) -> Floats:
    """Return what a yuan of each year is worth in the first.

    Examples
    --------
    >>> discounts(0.25, 3).tolist()
    [1.0, 0.8, 0.64]
    """
    if not math.isfinite(rate) or rate <= -1:
        raise RangeError(f"The rate of interest is {rate}; expected a share a year above -1, such as 0.05.")
    return np.asarray((1.0 + rate) ** -np.arange(years, dtype=np.float64))


def pooled(
    curves: Maccs, cap_t: Sequence[float] | Floats, *, rate: float, bank_t: float = 0.0,
    tails: Sequence[Tail] = (), held_t: Floats | float = 0.0,
) -> Banked:  # fmt: skip
    """Return the banked path of prices by pooling adjacent violators.

    Parameters
    ----------
    curves
        Curves of the firms, one case, or one for each year [prices in money of the year].
    cap_t
        Allowances issued each year [t CO2], shape (years,).
    rate
        Rate of interest [1 a year].
    bank_t
        Allowances kept from before [t CO2].
    tails
        What may be had beside abatement, at prices in money of the year, shapes (years or 1, 1).
    held_t
        What the government holds back below its floor each year [t CO2].

    Raises
    ------
    RangeError
        Caps or a bank that cannot be, or that cannot be met even with all that earlier years could keep.

    Examples
    --------
    Two years, one firm, no interest. Alone, the years would cost 10 and 30 CNY/t; banking makes both 20.

    >>> path = pooled(Maccs.quadratic([100.0], [1.0]), [90.0, 70.0], rate=0.0)
    >>> path.price.tolist(), path.bank_t.tolist()
    ([20.0, 20.0], [10.0, 0.0])
    """
    cap = amounts(cap_t)
    years = len(cap)
    worth = discounts(rate, years)
    before = float(amounts(bank_t, what="bank")[0])
    if curves.n_cases not in (1, years):
        raise RangeError(
            f"There are {years} caps and curves of {curves.n_cases} years; give curves for one or for each."
        )
    # From here on all prices are those of the first year
    now = curves.times(worth[:, None])
    tails = [(q * worth[:, None], w + np.zeros((years, 1))) for q, w in tails]
    needed = now.baseline_t.sum(-1) - cap + held_t
    needed[0] -= before
    supply = fitted(kinks(now), tails, years)

    blocks = _blocks(supply, needed)
    level = np.concatenate([np.full(end - start, price) for start, end, _, price in blocks])
    done = responses(now, level, _spread(supply, blocks, level, needed), tails)
    spare = done.abated_t.sum(-1) + done.tails_t.sum(-1) - needed
    bank = np.cumsum(spare)
    small = ROUNDING * max(float(np.abs(needed).sum()), float(now.baseline_t.sum()), 1.0)
    bank = np.where(np.abs(bank) <= small, 0.0, bank)
    assert (bank >= 0).all()  # what pooling guarantees
    return Banked(level / worth, done.abated_t, done.tails_t, bank)


Block = tuple[int, int, float, float]
"""Years that share one discounted price: first, one past the last, what they need together, and the price."""


def _blocks(supply: Supply, needed: Floats) -> list[Block]:
    """Return the years pooled until no later price is above an earlier one, or say which caps cannot be met."""
    blocks: list[Block] = []
    for year, (need, price) in enumerate(zip(needed, supply.crossing(needed), strict=True)):
        blocks.append((year, year + 1, float(need), float(price)))
        while len(blocks) > 1 and blocks[-2][3] <= blocks[-1][3]:
            (start, _, first, low), (_, end, second, high) = blocks[-2:]
            both = low if low == high else _between(supply, start, end, first + second, low, high)
            blocks[-2:] = [(start, end, first + second, both)]
    if math.isinf(blocks[0][3]):
        start, end, need, _ = blocks[0]
        most = float(supply.above[start:end, -1].sum())
        raise RangeError(
            f"The caps of years {start + 1} to {end} cannot be met, even with all that could be kept: {need:,.6g} t "
            f"CO2 must be abated, and {most:,.6g} t can be. Raise the caps, give firms "
            "further measures, or set a ceiling at which the government sells."
        )
    return blocks


def _between(supply: Supply, start: int, end: int, need: float, low: float, high: float) -> float:
    """Return the price between two at which years meet their need together; only kinks between them are looked at."""
    parts, slope, level = [], 0.0, 0.0
    for t in range(start, end):
        row = supply.price[t]
        i, j = np.searchsorted(row, low, "left"), np.searchsorted(row, high, "right")
        if i:
            slope += supply.slope[t, i - 1]
            level += supply.above[t, i - 1] + supply.slope[t, i - 1] * (low - row[i - 1])
        bend = np.diff(supply.slope[t, max(i - 1, 0) : j], prepend=() if i else 0.0)
        parts.append((row[i:j], supply.above[t, i:j] - supply.below[t, i:j], bend))
    price, jump, bend = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(price, kind="stable")
    price = np.concatenate([[low], price[order]])
    jump, slopes = np.concatenate([[0.0], jump[order]]), np.cumsum(np.concatenate([[slope], bend[order]]))
    noise = slopes.size * np.finfo(np.float64).eps * (slope + np.abs(bend).sum())
    slopes[slopes <= noise] = 0.0
    above = level + np.cumsum(jump + np.concatenate([[0.0], slopes[:-1] * np.diff(price)]))
    local = Supply(price[None, :], (above - jump)[None, :], above[None, :], slopes[None, :])
    return float(local.crossing(np.array([need]))[0])


def _spread(supply: Supply, blocks: Sequence[Block], level: Floats, needed: Floats) -> Floats:
    """Return what each year abates; of what is to be had at the very price, earlier years use theirs first."""
    rows = np.arange(len(level))
    at = (supply.price < level[:, None]).sum(axis=-1) - 1
    inside = np.maximum(at, 0)
    below = supply.above[rows, inside] + supply.slope[rows, inside] * (level - supply.price[rows, inside])
    below = np.where(at < 0, 0.0, below)
    jump = np.where(supply.price == level[:, None], supply.above - supply.below, 0.0).sum(axis=-1)
    amount = below.copy()
    for start, end, need, _ in blocks:
        missing = need - below[start:end].sum()
        if level[start] == 0:
            # Nothing drives the bank to 0 here, but measures that cost nothing may be needed before later years' plenty
            missing = np.cumsum(needed[start:end]).max()
        for t in range(start, end):
            more = min(max(missing, 0.0), jump[t])
            amount[t] += more
            missing -= more
    return amount


# the path of a table of firms


@dataclass(frozen=True)
class Path:
    """A path of years with banking, with the intervals of the cost curves.

    Attributes
    ----------
    periods
        One row a year: cap, emissions, price and bank at the end, with ``_low`` and ``_high``.
    firms
        One row a firm: what the whole path costs it, worth in the first year.
    totals
        One row a quantity of the whole path, worth in the first year.
    level, n_draws
        Level of the intervals, and draws behind them.
    is_synthetic
        True where a firm is.
    assumptions
        What the numbers rest on, words of the vocabulary (:func:`citylab.vocabulary.say`).
    """

    periods: pl.DataFrame
    firms: pl.DataFrame
    totals: pl.DataFrame
    level: float
    n_draws: int
    is_synthetic: bool
    assumptions: tuple[str, ...]


def path(
    firms: Table,
    periods: Table,
    *,
    rate: float,
    steps: Table | None = None,
    bank_t: float = 0.0,
    floor_cny_t: float | None = None,
    ceiling_cny_t: float | None = None,
    offsets: Offsets | None = None,
    draws: int = _DRAWS,
    level: float = _LEVEL,
    seed: int = 0,
    rules: pl.DataFrame | None = None,
) -> Path:
    """Return prices, banks and costs of a cap over several years with banking and no borrowing.

    Parameters
    ----------
    firms
        One row a firm, as for :func:`citylab.policy.market.equilibrium.clear`; ``allocation_co2_t`` is that of the
        first year and moves with the cap.
    periods
        One row a year, in order and without gaps: ``year``, ``cap_co2_t`` [t CO2]; ``baseline_factor`` [1] if firms
        grow (baselines and measures together), ``cost_factor`` [1] if abating gets cheaper.
    rate
        Rate of interest at which firms weigh years [1 a year].
    steps, floor_cny_t, ceiling_cny_t, offsets, draws, level, seed, rules
        As for :func:`~citylab.policy.market.equilibrium.clear`. Collar and prices of offsets hold in each year's money,
        and the offsets are on offer each year anew.
    bank_t
        Allowances kept from before the first year [t CO2]. Who holds them is not asked: what is used of them counts as
        bought, and is no revenue of the government.

    Returns
    -------
    Path
        Central values and intervals. ``saving_by_banking`` compares with the same caps without keeping, what the
        government sells at its ceiling and does not hold back at its floor counted at that price, as emissions may then
        differ; empty where these caps could not be met.

    Raises
    ------
    SchemaError, DataError, RangeError
        Tables or numbers that cannot be, or caps that cannot be met.
    RefusalError
        Offsets that a firm could not use up.

    References
    ----------
    Rubin (1996), A model of intertemporal emission trading, banking, and borrowing, Journal of Environmental Economics
    and Management 31, doi:10.1006/jeem.1996.0044; Best and Chakravarti (1990), Active set algorithms for isotonic
    regression, Mathematical Programming 47, doi:10.1007/BF01580873 (both from memory).

    Examples
    --------
    >>> from citylab.policy.market.firms import synthetic
    >>> firms, steps = synthetic()
    >>> years = pl.DataFrame({"year": [2026, 2027, 2028], "cap_co2_t": [3.3e6, 3.1e6, 2.9e6]})
    >>> found = path(firms.with_columns(allocation_co2_t=0.0), years, rate=0.05, steps=steps, draws=20)
    >>> found.periods["is_banking"].to_list()
    [True, True, False]
    """
    table = checked(firms, what="path", needed={"allocation_co2_t": "allowances given in the first year"})
    when = _years(periods)
    central = maccs(table, steps)
    bootstrap.need_draws(draws, level)
    floor, ceiling = collar(floor_cny_t, ceiling_cny_t)
    cap = amounts(when["cap_co2_t"].to_numpy())
    given = gifts(table)
    if given.sum() > cap[0] * (1 + ROUNDING):
        raise RangeError(
            f"Firms are given {given.sum():,.6g} t CO2 in the first year, more than its cap of {cap[0]:,.6g} t. Use "
            "allocation.allocated(..., within_cap_t=cap), or raise the cap."
        )
    moves = cap / cap[0] if cap[0] > 0 else np.zeros_like(cap)
    grown = when["baseline_factor"].to_numpy()[:, None]
    cheaper = when["cost_factor"].to_numpy()[:, None]
    worth = discounts(rate, len(cap))
    factors = drawn(central, [str(n) for n in table["firm_id"]], draws, seed=seed, rules=rules)
    baseline = (central.baseline_t * grown).sum(-1)
    tails = government(floor, ceiling, cap, baseline)
    held = tails[0][1][:, 0]
    if offsets is not None:
        yearly = [offsets.tails(float(given.sum() * m)) for m in moves]
        tails = [(yearly[0][i][0], np.concatenate([y[i][1] for y in yearly])) for i in range(2)] + tails

    def case(k: int | None) -> tuple[Maccs, Banked]:
        at = central if k is None else replace(factors, slope=factors.slope[[k]], step_price=factors.step_price[[k]])
        curves = Maccs(
            at.baseline_t * grown, at.slope * cheaper / grown, at.step_owner, at.step_price * cheaper, at.step_t * grown
        )
        return curves, pooled(curves, cap, rate=rate, bank_t=bank_t, tails=tails, held_t=held)

    cases = [case(k) for k in (None, *range(draws))]
    # Discounting and back may leave a price at the ceiling above it in its last digit
    price = np.clip(np.stack([found.price for _, found in cases]), floor, ceiling)
    bank = np.stack([found.bank_t for _, found in cases])
    emitted = np.stack([(curves.baseline_t - found.abated_t) for curves, found in cases])
    abating = np.stack([cost_cny(curves, found.abated_t) for curves, found in cases])
    had = np.stack([found.tails_t for _, found in cases])
    of_offsets = had[:, :, :-2]
    offset_cost = (of_offsets * np.array([q[0, 0] for q, _ in tails[:-2]])).sum(-1)
    share = given / given.sum() if given.sum() > 0 else np.zeros_like(given)
    used = of_offsets.sum(-1)[:, :, None] * share
    need_emissions(used, emitted)
    bought = emitted - given * moves[:, None] - used
    net = abating + price[:, :, None] * bought + offset_cost[:, :, None] * share
    net_of_firm = (net * worth[:, None]).sum(1)
    cost = (abating.sum(-1) + offset_cost) @ worth
    state = cap - given.sum() * moves - (held - had[:, :, -2]) + had[:, :, -1]
    revenue = (state * price) @ worth
    alone = _alone(cases[0][0], cap, tails, held, bank_t, worth)
    together = float(cost[0] + (had[0, :, -2:] @ np.array([q[0, 0] for q, _ in tails[-2:]])) @ worth)

    def ends(values: Floats) -> tuple[Floats, Floats]:
        return bootstrap.interval(values[1:], level=level)

    lows, highs = zip(*(ends(v) for v in (price, bank, emitted.sum(-1))), strict=True)
    names, synthetic = who(table)
    by_year = pl.DataFrame(
        {
            "year": when["year"],
            "cap_co2_t": cap,
            "baseline_co2_t": baseline,
            "co2_t": emitted[0].sum(-1),
            "co2_t_low": lows[2],
            "co2_t_high": highs[2],
            "abatement_co2_t": cases[0][1].abated_t.sum(-1),
            "offset_co2_t": of_offsets[0].sum(-1),
            "withheld_co2_t": held + np.zeros_like(cap) - had[0, :, -2],
            "sold_at_ceiling_co2_t": had[0, :, -1],
            "price_cny_t": price[0],
            "price_cny_t_low": lows[0],
            "price_cny_t_high": highs[0],
            "bank_co2_t": bank[0],
            "bank_co2_t_low": lows[1],
            "bank_co2_t_high": highs[1],
            "is_banking": bank[0] > 0,
            "revenue_cny": (state * price)[0],
        }
    ).with_columns(is_synthetic=pl.lit(synthetic))
    low, high = ends(net_of_firm)
    by_firm = names.with_columns(
        abatement_cost_cny=(abating[0] * worth[:, None]).sum(0),
        net_cost_cny=net_of_firm[0],
        net_cost_cny_low=low,
        net_cost_cny_high=high,
        is_synthetic=pl.lit(synthetic),
    )
    rows: list[tuple[str, str, float | None, float | None, float | None]] = []
    for name, values in (("market_cost", cost), ("revenue", revenue), ("net_cost", net_of_firm.sum(-1))):
        bottom, top = ends(values)
        rows.append((name, "CNY", float(values[0]), float(bottom), float(top)))
    rows.append(("saving_by_banking", "CNY", None if alone is None else alone - together, None, None))
    totals = pl.DataFrame(
        rows,
        {"measure": pl.String, "unit": pl.String} | dict.fromkeys(("value", "value_low", "value_high"), pl.Float64),
        orient="row",
    )
    rests_on = ("assume_price_takers", "assume_macc_prior", "assume_foresight")
    return Path(by_year, by_firm, totals, level, draws, synthetic, rests_on + ("assume_synthetic_firms",) * synthetic)


def output_path(
    firms: Table, periods: Table, *, rate: float, basis: Basis = "output", bank_t: float = 0.0
) -> pl.DataFrame:
    """Return the path of a market with banking and no borrowing where firms also choose how much they make.

    Parameters
    ----------
    firms
        As for :func:`citylab.policy.market.equilibrium.output_based`.
    periods
        One row a year, in order and without gaps: ``year`` and, under a fixed cap, ``cap_co2_t`` [t CO2] in each year.
        Without that column as many allowances are issued as firms earn. ``benchmark_factor`` [1] if benchmarks are
        tightened, ``baseline_factor`` [1] if firms grow, ``cost_factor`` [1] if abating gets cheaper.
    rate
        Rate of interest at which firms weigh years [1 a year].
    basis
        As for :func:`~citylab.policy.market.equilibrium.output_based`.
    bank_t
        Allowances kept from before the first year [t CO2].

    Returns
    -------
    polars.DataFrame
        One row a firm and year: ``year``, the columns of
        :func:`~citylab.policy.market.equilibrium.output_based`, and ``bank_co2_t``, what all firms together keep at the
        end of the year. Central values: the priors of the cost curves are not run through this model.

    Raises
    ------
    SchemaError, DataError, RangeError, RefusalError
        As for :func:`~citylab.policy.market.equilibrium.output_based` and :func:`path`.

    Notes
    -----
    At a price, a firm chooses in each year as it would in that year alone. Net demand, what is emitted less what is
    earned with output, falls with the price in straight pieces, so that pooling finds the path as it does for fixed
    output.

    Examples
    --------
    One firm that emits 1,000 - 11·p under allowances for output: alone the years would cost 50/11 and 150/11 CNY/t.

    >>> firm = pl.DataFrame(
    ...     {
    ...         "firm_id": ["a"], "baseline_co2_t": [1000.0], "macc_slope_cny_t2": [0.1], "output": [1000.0],
    ...         "benchmark_t_unit": [0.9], "marginal_cost_slope_cny_unit2": [0.1],
    ...     }
    ... )
    >>> years = pl.DataFrame({"year": [2026, 2027], "cap_co2_t": [950.0, 850.0]})
    >>> found = output_path(firm, years, rate=0.0)
    >>> found.select(pl.col("price_cny_t", "co2_t", "bank_co2_t").round(6)).rows()
    [(9.090909, 900.0, 50.0), (9.090909, 900.0, 0.0)]
    """
    lf = lazy(periods)
    is_capped = "cap_co2_t" in lf.collect_schema()
    when = _years(lf if is_capped else lf.with_columns(cap_co2_t=pl.lit(0.0)), "benchmark_factor")
    table, today = makers(firms, basis, what="output_path")
    cap = amounts(when["cap_co2_t"].to_numpy())
    years: list[Makers] = []
    supplies: list[Supply] = []
    needed = np.empty(len(cap))
    worth = discounts(rate, len(cap))
    kept = float(amounts(bank_t, what="bank")[0])
    for k, (grown, cheaper, strict) in enumerate(
        when.select("baseline_factor", "cost_factor", "benchmark_factor").iter_rows()
    ):
        firm = replace(
            today, made=today.made * grown, slope=today.slope * cheaper / grown, give=today.give * grown,
            given=today.given * strict, rebate=today.rebate * strict,
        )  # fmt: skip
        earned = np.zeros_like(firm.rebate) if is_capped else firm.rebate
        need_one_price(firm, earned, table)
        issued = cap[k] if is_capped or basis == "output" else float((firm.given * firm.made).sum())
        needed[k] = firm.needed_t(earned, issued) - (kept if k == 0 else 0.0)
        years.append(firm)
        supplies.append(firm.supply(earned))
    # From here on all prices are those of the first year
    supply = Supply(
        np.concatenate([s.price * w for s, w in zip(supplies, worth, strict=True)]),
        np.concatenate([s.below for s in supplies]),
        np.concatenate([s.above for s in supplies]),
        np.concatenate([s.slope / w for s, w in zip(supplies, worth, strict=True)]),
    )
    blocks = _blocks(supply, needed)
    level = np.concatenate([np.full(end - start, price) for start, end, _, price in blocks])
    bank = np.cumsum(supply.at(level) - needed)
    small = ROUNDING * max(float(np.abs(needed).sum()), float((today.intensity * today.made).sum()), 1.0)
    bank = np.where(np.abs(bank) <= small, 0.0, bank)
    parts = [
        made_at(table, firm, float(price)).select(
            pl.lit(year).cast(when.schema["year"]).alias("year"), pl.all(), bank_co2_t=pl.lit(float(left))
        )
        for firm, price, left, year in zip(years, level / worth, bank, when["year"], strict=True)
    ]
    return pl.concat(parts)


def _alone(
    curves: Maccs, cap: Floats, tails: Sequence[Tail], held: Floats, bank_t: float, worth: Floats
) -> float | None:
    """Return what the same caps would cost if nothing could be kept; ``None`` where they could not be met.

    What the government sells at its ceiling and gives back at its floor counts at that price: emissions are no saving.
    """
    issued = cap.copy()
    issued[0] += bank_t
    try:
        done: Clearing = cleared(curves, issued, tails, held)
    except RangeError:
        return None
    of_tails = done.tails_t @ np.array([q[0, 0] for q, _ in tails])
    return float((cost_cny(curves, done.abated_t).sum(-1) + of_tails) @ worth)


def _years(periods: Table, *more: str) -> pl.DataFrame:
    """Return the years of a path with its factors, 1 where none is given."""
    lf = lazy(periods)
    schema = need_columns(lf, {"year": "calendar year", "cap_co2_t": "allowances issued in the year"}, what="path")
    factors = ("baseline_factor", "cost_factor", *more)
    extra = [c for c in factors if c in schema]
    need_numbers(schema, ["year", "cap_co2_t", *extra], what="path")
    table = lf.select("year", "cap_co2_t", *extra).collect()
    years = table["year"].to_list()
    if not years:
        raise DataError("There is no year: give one row a year with its cap.")
    if any(b is None or a is None or b != a + 1 for a, b in itertools.pairwise(years)):
        raise DataError(f"The years are {years}; expected each once, in order and without gaps.")
    table = table.with_columns(
        *(pl.lit(1.0).alias(c) for c in factors if c not in schema),
        pl.col("cap_co2_t").cast(pl.Float64).fill_null(float("nan")),
    )
    for c in extra:
        wrong = table.filter(~(pl.col(c).cast(pl.Float64).is_finite() & (pl.col(c) > 0)).fill_null(False))
        if wrong.height:
            raise RangeError(f"{c} of {wrong['year'][0]} is {wrong[c][0]}; expected a number above 0.")
    return table.with_columns(pl.col(c).cast(pl.Float64) for c in factors)
