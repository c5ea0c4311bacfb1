"""Auctions of allowances: a call market, the government's sale, and a continuous double auction of random traders.

An order is a price and an amount. In a call, all orders are collected and one price clears them; in a sale, one seller
offers an amount; in a continuous market, each order meets those that stand. Where every order is honest, all three come
near the competitive price.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from citylab.errors import DataError, RangeError, SchemaError
from citylab.frames import need_columns, need_numbers
from citylab.policy.market.equilibrium import amounts
from citylab.policy.market.firms import ROUNDING, Floats, Table, checked, gifts, ladder, lazy, maccs

ORDER_COLUMNS = {
    "trader_id": "who",
    "price_cny_t": "least or most that the trader accepts",
    "order_co2_t": "amount",
}
Side = tuple[npt.NDArray[np.str_], Floats, Floats]
"""Names, prices and amounts of orders."""
_HALF = 0.5


def _orders(orders: Table, *, what: str) -> pl.DataFrame:
    lf = lazy(orders)
    schema = need_columns(lf, ORDER_COLUMNS, what=what)
    need_numbers(schema, list(ORDER_COLUMNS)[1:], what=what)
    table = lf.collect().with_columns(pl.col(c).cast(pl.Float64) for c in list(ORDER_COLUMNS)[1:])
    for name, least in (("price_cny_t", "0 CNY/t or more"), ("order_co2_t", "above 0 t CO2")):
        number = pl.col(name)
        good = number.is_finite() & ((number >= 0) if name == "price_cny_t" else (number > 0))
        wrong = table.filter(~good.fill_null(False))
        if wrong.height:
            raise RangeError(
                f"{what}: {name} of {wrong['trader_id'][0]!r} is {wrong[name][0]}; expected {least}. Leave the order "
                "out."
            )
    return table


# the call market


@dataclass(frozen=True)
class Call:
    """One price for all orders of a call.

    Attributes
    ----------
    price_cny_t
        Price [CNY/t]; ``None`` where no bid reaches an ask.
    volume_co2_t
        What was traded [t CO2].
    surplus_cny
        What buyers would have paid more and sellers taken less, by their orders [CNY].
    bids, asks
        The orders with ``filled_co2_t``.
    """

    price_cny_t: float | None
    volume_co2_t: float
    surplus_cny: float
    bids: pl.DataFrame
    asks: pl.DataFrame


def call(bids: Table, asks: Table) -> Call:
    """Return the uniform price of a call auction, and who is filled.

    Bids are taken from the highest and asks from the lowest, for as long as the bid is at least the ask. The price is
    the middle of the last pair; orders at the price of the last bid, or of the last ask, are filled in proportion.

    Parameters
    ----------
    bids, asks
        One row an order: ``trader_id``, ``price_cny_t`` [CNY/t], ``order_co2_t`` [t CO2].

    Raises
    ------
    SchemaError
        A column is missing.
    RangeError
        A price below 0, an amount that is not above 0.

    Notes
    -----
    Where the last pair's prices differ, its longer side would gladly trade more at the middle; it is rationed.

    Examples
    --------
    >>> bids = pl.DataFrame({"trader_id": ["a", "b"], "price_cny_t": [100.0, 90.0], "order_co2_t": [10.0, 10.0]})
    >>> asks = pl.DataFrame({"trader_id": ["c", "d"], "price_cny_t": [80.0, 95.0], "order_co2_t": [15.0, 10.0]})
    >>> done = call(bids, asks)
    >>> done.price_cny_t, done.volume_co2_t, done.bids["filled_co2_t"].to_list()
    (85.0, 15.0, [10.0, 5.0])
    """
    buyers, sellers = _orders(bids, what="call (bids)"), _orders(asks, what="call (asks)")
    bid, wanted = (_of(buyers, c) for c in ("price_cny_t", "order_co2_t"))
    ask, offered = (_of(sellers, c) for c in ("price_cny_t", "order_co2_t"))
    high, low = np.argsort(-bid, kind="stable"), np.argsort(ask, kind="stable")
    demand, supply = np.cumsum(wanted[high]), np.cumsum(offered[low])
    volume, last_bid, last_ask = 0.0, math.nan, math.nan
    if len(bid) and len(ask):
        # The end of every piece on which one bid meets one ask; a sliver left by rounding is none
        ends = np.unique(np.concatenate([demand, supply]))
        ends = ends[np.diff(ends, prepend=0.0) > ROUNDING * ends[-1]]
        ends = ends[ends <= min(demand[-1], supply[-1]) * (1 + ROUNDING)]
        at_bid, at_ask = bid[high][_position(demand, ends)], ask[low][_position(supply, ends)]
        met = np.flatnonzero(at_bid >= at_ask)
        if met.size:
            volume, last_bid, last_ask = (float(a[met[-1]]) for a in (ends, at_bid, at_ask))
    filled = _filled(-bid, wanted, -last_bid, volume), _filled(ask, offered, last_ask, volume)
    return Call(
        None if volume == 0 else _HALF * (last_bid + last_ask),
        volume,
        float(bid @ filled[0] - ask @ filled[1]),
        buyers.with_columns(filled_co2_t=filled[0]),
        sellers.with_columns(filled_co2_t=filled[1]),
    )


def _of(orders: pl.DataFrame, column: str) -> Floats:
    return orders[column].to_numpy()


def _filled(rank: Floats, amount: Floats, last: float, volume: float) -> Floats:
    """Return what is filled: all orders ranked before the last price, and a like share of those at it."""
    if volume == 0:
        return np.zeros_like(amount)
    before = np.where(rank < last, amount, 0.0)
    at = np.where(rank == last, amount, 0.0)
    return np.asarray(before + at * min((volume - before.sum()) / at.sum(), 1.0))


def _position(cumulated: Floats, amount: Floats | float) -> npt.NDArray[np.intp]:
    """Return which order, in a running sum of amounts, the last of an amount falls into, whatever rounding says."""
    return np.searchsorted(cumulated, np.asarray(amount) * (1 - ROUNDING))


# the government's sale


@dataclass(frozen=True)
class Sale:
    """A government's auction at one price.

    Attributes
    ----------
    price_cny_t
        The lowest price that won [CNY/t]; ``None`` where no bid reached the reserve.
    sold_co2_t, unsold_co2_t
        Of what was offered [t CO2].
    revenue_cny
        Price times sold [CNY].
    bidder_count, winner_count
        Traders who bid, and who got something.
    bids
        The orders with ``filled_co2_t``.
    """

    price_cny_t: float | None
    sold_co2_t: float
    unsold_co2_t: float
    revenue_cny: float
    bidder_count: int
    winner_count: int
    bids: pl.DataFrame

    def tidy(self) -> pl.DataFrame:
        """Return the sale as one row."""
        return pl.DataFrame(
            {
                "price_cny_t": [self.price_cny_t],
                "sold_co2_t": [self.sold_co2_t],
                "unsold_co2_t": [self.unsold_co2_t],
                "revenue_cny": [self.revenue_cny],
                "bidder_count": [self.bidder_count],
                "winner_count": [self.winner_count],
            },
            schema_overrides={"price_cny_t": pl.Float64},
        )


def sale(bids: Table, *, offered_t: float, reserve_cny_t: float = 0.0) -> Sale:
    """Return the outcome of a government's sale at one price, as in Beijing's paid allocation of September 2024.

    Bids at the reserve or above are taken from the highest until the offer is used up. All winners pay the lowest price
    that won; bids at that price are filled in proportion. If less is bid for than offered, the rest stays unsold.

    Parameters
    ----------
    bids
        One row an order: ``trader_id``, ``price_cny_t`` [CNY/t], ``order_co2_t`` [t CO2]; a trader may send several.
    offered_t
        What is offered [t CO2], above 0.
    reserve_cny_t
        Lowest price that counts [CNY/t].

    Raises
    ------
    SchemaError
        A column is missing, or there is no bid.
    RangeError
        An offer, reserve, price or amount that cannot be.

    Notes
    -----
    What was published of that sale (348,304 t at 104.89 CNY/t, 68 bidders, 63 winners) stands in ``ets_prices``. Its
    bids were not published; the rule here is that of a uniform-price sale, from memory.

    Examples
    --------
    >>> bids = pl.DataFrame(
    ...     {"trader_id": ["a", "b", "c"], "price_cny_t": [110.0, 105.0, 100.0], "order_co2_t": [60.0, 60.0, 60.0]}
    ... )
    >>> done = sale(bids, offered_t=100, reserve_cny_t=80)
    >>> done.price_cny_t, done.bids["filled_co2_t"].to_list(), done.winner_count
    (105.0, [60.0, 40.0, 0.0], 2)
    """
    table = _orders(bids, what="sale")
    if table.is_empty():
        raise SchemaError("sale was given no bid: one row is one order. Without bids there is no price.")
    offered = float(amounts(offered_t, what="offer")[0])
    if offered == 0:
        raise RangeError("0 t CO2 are offered; expected more.")
    reserve = float(reserve_cny_t)
    if not math.isfinite(reserve) or reserve < 0:
        raise RangeError(f"reserve_cny_t is {reserve}; expected 0 CNY/t or more.")
    price, amount = _of(table, "price_cny_t"), _of(table, "order_co2_t")
    valid = np.where(price >= reserve, amount, 0.0)
    order = np.argsort(-price, kind="stable")
    cumulated = np.cumsum(valid[order])
    volume = min(offered, float(cumulated[-1]))
    last = float(price[order][_position(cumulated, volume)]) if volume else math.nan
    filled = _filled(-price, valid, -last, volume)
    done = table.with_columns(filled_co2_t=filled)
    return Sale(
        last if volume else None,
        volume,
        offered - volume,
        volume * last if volume else 0.0,
        table["trader_id"].n_unique(),
        done.filter(pl.col("filled_co2_t") > 0)["trader_id"].n_unique(),
        done,
    )


# orders of firms


def honest_orders(firms: Table, *, steps: Table | None = None, lots: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the bids and asks of firms that say what abating costs them.

    A firm bids for what it emits beyond its allowances at the cost of abating that, and asks for what it could free by
    abating more. Smooth curves are cut into lots; each lot is priced at its middle.

    Parameters
    ----------
    firms
        As for :func:`citylab.policy.market.equilibrium.clear`.
    steps
        Measures of firms without a slope.
    lots
        Lots into which each side of a smooth curve is cut, at least 1.

    Returns
    -------
    tuple of polars.DataFrame
        Bids and asks for :func:`call`, with ``trader_id``, ``price_cny_t``, ``order_co2_t``.

    Raises
    ------
    DataError
        A firm cannot abate what it lacks, so that its bid has no limit.

    Examples
    --------
    >>> firm = {"firm_id": ["a"], "baseline_co2_t": [100.0], "macc_slope_cny_t2": [1.0], "allocation_co2_t": [80.0]}
    >>> bids, asks = honest_orders(pl.DataFrame(firm), lots=2)
    >>> bids["price_cny_t"].to_list(), asks["price_cny_t"].to_list()
    ([15.0, 5.0], [40.0, 80.0])
    """
    table = checked(firms, what="honest_orders", needed={"allocation_co2_t": "allowances given"})
    if isinstance(lots, bool) or lots < 1:
        raise RangeError(f"lots is {lots}; expected a whole number of at least 1.")
    curves = maccs(table, steps)
    given = gifts(table)
    base = curves.baseline_t[0]
    lacks, spare = np.maximum(base - given, 0.0), np.maximum(given - base, 0.0)
    over = lacks > curves.most_t[0] * (1 + ROUNDING)
    if over.any():
        firm = table["firm_id"][int(np.argmax(over))]
        raise DataError(
            f"Firm {firm!r} lacks more than it can abate, so its bid has no limit. Give it "
            "more allowances, or measures, or say what it would pay at most in orders of your own."
        )
    names = np.array([str(n) for n in table["firm_id"]])
    bids: list[Side] = []
    asks: list[Side] = [(names[spare > 0], np.zeros(int((spare > 0).sum())), spare[spare > 0])]
    smooth = np.flatnonzero(~curves.is_stepwise)
    middle = (np.arange(lots) + _HALF) / lots
    slope = np.broadcast_to(curves.slope, curves.baseline_t.shape)[0]
    for i in smooth:
        for side, start, end in ((bids, 0.0, lacks[i]), (asks, lacks[i], base[i])):
            if end > start:
                at = start + (end - start) * middle
                order = np.argsort(-at) if side is bids else np.arange(lots)
                side.append((np.repeat(names[i], lots), slope[i] * at[order], np.full(lots, (end - start) / lots)))
    if curves.step_owner.size:
        owner, price, width, before = (a[0] for a in ladder(curves))
        inside = np.clip(lacks[owner] - before, 0.0, width)
        for side, amount in ((bids, inside), (asks, width - inside)):
            some = amount > 0
            side.append((names[owner[some]], price[some], amount[some]))
    return _frame(bids), _frame(asks)


def _frame(orders: list[Side]) -> pl.DataFrame:
    kinds = {"trader_id": pl.String, "price_cny_t": pl.Float64, "order_co2_t": pl.Float64}
    parts = [pl.DataFrame(dict(zip(kinds, part, strict=True)), schema_overrides=kinds) for part in orders]
    return pl.concat([pl.DataFrame(schema=kinds), *parts])


# the continuous market


@dataclass(frozen=True)
class Session:
    """A continuous double auction.

    Attributes
    ----------
    trades
        One row a trade: ``buyer_id``, ``seller_id``, ``price_cny_t``, in the order in which they were struck.
    efficiency
        Gains from trade that were had over all there were [0..1]; ``None`` where there were none to be had.
    """

    trades: pl.DataFrame
    efficiency: float | None


def continuous(bids: Table, asks: Table, *, seed: int = 0, highest_cny_t: float, patience: int) -> Session:
    """Return a continuous double auction of traders with zero intelligence who never trade at a loss.

    In each turn one unit whose owner still wants to trade is chosen; its owner names any price between its limit and
    the end of the scale. A quote that improves on the standing one replaces it; one that crosses it trades at the
    standing price, and both quotes are cleared away. There is no strategy, only the limit.

    Parameters
    ----------
    bids, asks
        One row a unit: ``trader_id``, ``price_cny_t`` (what it is worth to the buyer, or costs the seller [CNY/t]),
        ``order_co2_t``, the same in all rows.
    seed
        Seed of the turns and of the quotes.
    highest_cny_t
        End of the scale of prices [CNY/t].
    patience
        Turns for each unit on average, at least 1; then the session closes.

    Raises
    ------
    SchemaError, RangeError
        Orders that cannot be, or that lie beyond the scale.
    DataError
        Amounts that differ.

    Examples
    --------
    >>> bids = pl.DataFrame({"trader_id": ["a"], "price_cny_t": [100.0], "order_co2_t": [1.0]})
    >>> asks = pl.DataFrame({"trader_id": ["b"], "price_cny_t": [20.0], "order_co2_t": [1.0]})
    >>> continuous(bids, asks, highest_cny_t=120.0, patience=50).efficiency
    1.0

    References
    ----------
    Gode and Sunder (1993), Allocative efficiency of markets with zero-intelligence traders: market as a partial
    substitute for individual rationality, Journal of Political Economy 101, doi:10.1086/261868.
    """
    buyers, sellers = _orders(bids, what="continuous (bids)"), _orders(asks, what="continuous (asks)")
    sizes = np.unique(np.concatenate([_of(buyers, "order_co2_t"), _of(sellers, "order_co2_t")]))
    if len(sizes) > 1:
        least, largest = sizes[[0, -1]].tolist()
        raise DataError(f"Units of {least:g} to {largest:g} t CO2; expected equal ones. Cut orders into lots.")
    worth, cost = _of(buyers, "price_cny_t"), _of(sellers, "price_cny_t")
    top = float(highest_cny_t)
    most = max([*worth, *cost], default=0.0)
    if not math.isfinite(top) or top < most:
        raise RangeError(f"highest_cny_t is {top}; expected at least the highest limit, {most:g} CNY/t.")
    if isinstance(patience, bool) or patience < 1:
        raise RangeError(f"patience is {patience}; expected at least 1 turn a unit.")
    rng = np.random.default_rng(seed)
    n_bids, n = len(worth), len(worth) + len(cost)
    waiting = list(range(n))
    best: tuple[float, int] | None = None
    lowest: tuple[float, int] | None = None
    trades: list[tuple[int, int, float]] = []
    for _ in range(patience * n):
        if not waiting:
            break
        unit = waiting[int(rng.integers(len(waiting)))]
        pair: tuple[int, int, float] | None = None
        if unit < n_bids:
            quote = rng.uniform(0.0, worth[unit])
            if lowest is not None and quote >= lowest[0]:
                pair = (unit, lowest[1], lowest[0])
            elif best is None or quote > best[0]:
                best = (quote, unit)
        else:
            quote = rng.uniform(cost[unit - n_bids], top)
            if best is not None and quote <= best[0]:
                pair = (best[1], unit, best[0])
            elif lowest is None or quote < lowest[0]:
                lowest = (quote, unit)
        if pair is not None:
            trades.append(pair)
            waiting = [u for u in waiting if u not in pair[:2]]
            best = lowest = None
    had = sum(float(worth[b] - cost[s - n_bids]) for b, s, _ in trades)
    paired = min(len(worth), len(cost))
    gains = np.sort(worth)[::-1][:paired] - np.sort(cost)[:paired]
    possible = float(np.maximum(gains, 0.0).sum())
    table = pl.DataFrame(
        {
            "buyer_id": [buyers["trader_id"][b] for b, _, _ in trades],
            "seller_id": [sellers["trader_id"][s - n_bids] for _, s, _ in trades],
            "price_cny_t": [p for _, _, p in trades],
        },
        schema={
            "buyer_id": buyers.schema["trader_id"],
            "seller_id": sellers.schema["trader_id"],
            "price_cny_t": pl.Float64,
        },
    )
    return Session(table, had / possible if possible else None)
