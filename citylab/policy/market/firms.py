"""Firms under a cap, their marginal abatement cost curves (MACC), and what they abate together at a price.

A firm's curve is smooth, with a cost of ½·c·a² for abating a tonnes, or made of steps, each so many tonnes at so much a
tonne. Whatever the mix, abatement against price is made of straight pieces and jumps, so that the price at which a
given amount is abated is found exactly: by sorting the kinks, with no iteration and no tolerance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from citylab import tables
from citylab.errors import DataError, RangeError, SchemaError
from citylab.frames import lazily, need_columns, need_numbers
from citylab.stats import draws as streams

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Table = pl.DataFrame | pl.LazyFrame

ROUNDING = 1e-9
"""Relative difference that sums of many floating-point numbers may have."""
_HALF = 0.5

FIRM_COLUMNS = {"firm_id": "who", "baseline_co2_t": "emissions without a price, a year"}
STEP_COLUMNS = {
    "firm_id": "whose measure",
    "step_price_cny_t": "cost of a tonne by the measure",
    "step_co2_t": "tonnes that the measure can abate",
}


# curves as arrays


@dataclass(frozen=True)
class Maccs:
    """Marginal abatement cost curves of firms, as arrays with one row a case (a draw, or a period).

    Attributes
    ----------
    baseline_t
        Emissions without a price [t CO2 a year], shape (cases or 1, firms).
    slope
        c of the cost ½·c·a² [CNY/t²], shape (cases or 1, firms); NaN for the firms with steps, and for no other.
    step_owner
        Position of the firm that a step belongs to, shape (steps,).
    step_price
        Cost of a tonne by a step [CNY/t], 0 or more, shape (cases or 1, steps).
    step_t
        Tonnes that a step can abate [t CO2], shape (cases or 1, steps).

    Raises
    ------
    SchemaError
        No firm, or arrays that don't fit.
    RangeError
        A baseline that is negative or no number; a slope that is not above 0; a step below 0.
    DataError
        A firm whose steps abate more than it emits.

    Examples
    --------
    >>> three = Maccs.quadratic([1000.0, 800.0, 600.0], [0.02, 0.05, 0.10])
    >>> three.n_firms, three.n_cases
    (3, 1)
    """

    baseline_t: Floats
    slope: Floats
    step_owner: Ints
    step_price: Floats
    step_t: Floats

    def __post_init__(self) -> None:
        baseline, slope, price, width = (
            np.atleast_2d(np.asarray(a, dtype=np.float64))
            for a in (self.baseline_t, self.slope, self.step_price, self.step_t)
        )
        owner = np.asarray(self.step_owner, dtype=np.int64).reshape(-1)
        firms = baseline.shape[1]
        if not firms:
            raise SchemaError("There is no firm: a market needs at least one row in the table of firms.")
        try:
            np.broadcast_shapes(baseline.shape, slope.shape)
            np.broadcast_shapes(price.shape, width.shape, (1, owner.size))
            np.broadcast_shapes(*((a.shape[0],) for a in (baseline, slope, price, width)))
        except ValueError:
            raise SchemaError(
                f"Curves don't fit: baselines {baseline.shape}, slopes {slope.shape}, steps {price.shape} at "
                f"{width.shape} of {owner.size} owners. Expected (cases or 1, firms) and (cases or 1, steps)."
            ) from None
        if owner.size and not (owner.min() >= 0 and owner.max() < firms):
            raise SchemaError(f"A step belongs to firm number {owner.max()}; there are {firms}, counted from 0.")
        stepwise = np.isin(np.arange(firms), owner)
        _need(baseline, np.isfinite(baseline) & (baseline >= 0), "baseline emissions", "0 t CO2 or more")
        smooth = slope[:, ~stepwise] if slope.shape[1] == firms else slope
        _need(smooth, np.isfinite(smooth) & (smooth > 0), "slope of a MACC", "a number above 0 CNY/t²")
        if slope.shape[1] == firms and np.isfinite(slope[:, stepwise]).any():
            raise DataError("A firm has a slope and steps; a curve is one or the other. Leave its slope empty (NaN).")
        _need(price, np.isfinite(price) & (price >= 0), "cost of a step", "0 CNY/t or more")
        _need(width, np.isfinite(width) & (width >= 0), "tonnes of a step", "0 t CO2 or more")
        for name, value in zip(
            ("baseline_t", "slope", "step_owner", "step_price", "step_t"),
            (baseline, slope, owner, price, width),
            strict=True,
        ):
            object.__setattr__(self, name, value)
        if owner.size:
            most = self.by_owner(width)
            over = most > baseline * (1 + ROUNDING)
            if over.any():
                row, firm = np.argwhere(over)[0]
                emitted = np.broadcast_to(baseline, over.shape)[row, firm]
                raise DataError(
                    f"The steps of firm number {firm} abate {most[row, firm]:,.6g} t CO2, more than it emits: "
                    f"{emitted:,.6g} t. Lower step_co2_t, or correct baseline_co2_t."
                )

    @classmethod
    def quadratic(cls, baseline_t: npt.ArrayLike, slope: npt.ArrayLike) -> Maccs:
        """Return curves of firms that all have a smooth one.

        Parameters
        ----------
        baseline_t
            Emissions without a price [t CO2 a year], shape (firms,) or (cases or 1, firms).
        slope
            c of ½·c·a² [CNY/t²], of the same kind of shape.
        """
        none = np.empty((1, 0))
        return cls(np.asarray(baseline_t, float), np.asarray(slope, float), np.empty(0, np.int64), none, none)

    @property
    def n_firms(self) -> int:
        """Number of firms."""
        return self.baseline_t.shape[1]

    @property
    def n_cases(self) -> int:
        """Number of cases: draws or periods."""
        return max(a.shape[0] for a in (self.baseline_t, self.slope, self.step_price, self.step_t))

    @property
    def is_stepwise(self) -> npt.NDArray[np.bool_]:
        """True for firms whose curve is made of steps, shape (firms,)."""
        return np.isin(np.arange(self.n_firms), self.step_owner)

    @property
    def conductance(self) -> Floats:
        """Tonnes abated for each CNY/t of price, 1/c [t²/CNY]; 0 for firms with steps. Shape (cases or 1, firms)."""
        return np.where(self.is_stepwise, 0.0, 1.0 / self.slope)

    @property
    def most_t(self) -> Floats:
        """What each firm can abate at most [t CO2], shape (cases or 1, firms)."""
        return np.where(self.is_stepwise, self.by_owner(self.step_t), self.baseline_t)

    def by_owner(self, of_steps: Floats) -> Floats:
        """Return amounts of steps summed by the firm they belong to, shape (cases or 1, firms)."""
        summed = np.zeros((of_steps.shape[0], self.n_firms))
        np.add.at(summed, (np.arange(len(summed))[:, None], self.step_owner[None, :]), of_steps)
        return summed

    def times(self, factor: npt.ArrayLike) -> Maccs:
        """Return curves with all costs multiplied by a factor, a number or one for each case and firm.

        Parameters
        ----------
        factor
            Above 0; shape () or (cases or 1, firms or 1).
        """
        by = np.atleast_2d(np.asarray(factor, dtype=np.float64))
        of_steps = by if by.shape[1] == 1 else by[:, self.step_owner]
        return replace(self, slope=self.slope * by, step_price=self.step_price * of_steps)


def _need(values: Floats, good: npt.NDArray[np.bool_], what: str, expected: str) -> None:
    if not good.all():
        row, at = np.argwhere(~good)[0]
        raise RangeError(
            f"The {what} is {values[row, at]} at position {at} (counted from 0); expected {expected}. Correct the "
            "table, or leave the row out and say so."
        )


# from and to tables


def synthetic() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return twelve synthetic firms and the measures of those that have steps.

    Returns
    -------
    tuple of polars.DataFrame
        Tables ``macc_synthetic_firms`` (one row a firm) and ``macc_synthetic_steps`` (one row a measure). All of it is
        made up: for examples and tests, never for a statement about Beijing.

    Examples
    --------
    >>> firms, steps = synthetic()
    >>> firms.height, bool(firms["is_synthetic"].all()), steps["firm_id"].n_unique()
    (12, True, 3)
    """
    return tables.read("macc_synthetic_firms"), tables.read("macc_synthetic_steps")


def lazy(table: Table) -> pl.LazyFrame:
    """Return a table as a LazyFrame; whatever is none of Polars' frames is an error that says so."""
    return table if isinstance(table, pl.LazyFrame) else lazily(table)[0]


def checked(firms: Table, *, what: str, needed: dict[str, str] | None = None) -> pl.DataFrame:
    """Return a table of firms after making sure that it can be one.

    Parameters
    ----------
    firms
        One row a firm.
    what
        Name of the function that needs it, for messages.
    needed
        Columns beyond ``firm_id`` and ``baseline_co2_t``, with what they hold; all are numbers.

    Raises
    ------
    SchemaError
        A column is missing or holds text, or there is no firm.
    DataError
        A firm stands twice, or has no name.
    """
    lf = lazy(firms)
    wanted = FIRM_COLUMNS | (needed or {})
    schema = need_columns(lf, wanted, what=what)
    need_numbers(schema, [c for c in wanted if c != "firm_id"], what=what)
    table = lf.collect()
    if table.is_empty():
        raise SchemaError(f"{what} was given no firm: a market needs at least one row in the table of firms.")
    twice = table.filter(pl.col("firm_id").is_duplicated() | pl.col("firm_id").is_null())["firm_id"]
    if len(twice):
        raise DataError(
            f"Firm {twice[0]!r} stands more than once, or has no name; one row is one firm. Name each once."
        )
    return table


def gifts(table: pl.DataFrame) -> Floats:
    """Return ``allocation_co2_t`` of a table of firms [t CO2], after making sure that each is 0 or more."""
    given = table["allocation_co2_t"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    if not (np.isfinite(given) & (given >= 0)).all():
        raise RangeError("allocation_co2_t of a firm is missing or negative; expected 0 t CO2 or more, for each firm.")
    return np.asarray(given)


def who(table: pl.DataFrame) -> tuple[pl.DataFrame, bool]:
    """Return the columns that say who a firm is, and whether any firm is synthetic."""
    kept = [c for c in ("firm_id", "label_zh", "label_en", "sector") if c in table.columns]
    return table.select(kept), "is_synthetic" in table.columns and bool(table["is_synthetic"].any())


def maccs(firms: Table, steps: Table | None = None) -> Maccs:
    """Return the abatement cost curves of a table of firms.

    Parameters
    ----------
    firms
        One row a firm: ``firm_id``, ``baseline_co2_t`` [t CO2], ``macc_slope_cny_t2`` [CNY/t²], null for firms that
        have steps.
    steps
        One row a measure: ``firm_id``, ``step_price_cny_t`` [CNY/t], ``step_co2_t`` [t CO2].

    Returns
    -------
    Maccs
        One case, firms in the order of the table.

    Raises
    ------
    SchemaError
        Columns are missing, or there is no firm.
    DataError
        A firm stands twice; has neither slope nor steps, or both; steps of an unknown firm; steps beyond a baseline.
    RangeError
        Numbers that cannot be.

    Examples
    --------
    >>> curves = maccs(*synthetic())
    >>> curves.n_firms, int(curves.is_stepwise.sum())
    (12, 3)
    """
    table = checked(firms, what="maccs", needed={"macc_slope_cny_t2": "slope of the marginal abatement cost"})
    names = table["firm_id"].to_list()
    position = {name: i for i, name in enumerate(names)}
    owner, price, width = np.empty(0, np.int64), np.empty((1, 0)), np.empty((1, 0))
    if steps is not None:
        lf = lazy(steps)
        need_numbers(need_columns(lf, STEP_COLUMNS, what="maccs"), list(STEP_COLUMNS)[1:], what="maccs")
        measures = lf.select(list(STEP_COLUMNS)).collect().sort("firm_id", "step_price_cny_t", maintain_order=True)
        stray = sorted({str(n) for n in measures["firm_id"]} - {str(n) for n in names})
        if stray:
            raise DataError(
                f"Steps of {', '.join(stray[:3])} belong to no firm of the table. Add the firm, or drop them."
            )
        owner = np.array([position[n] for n in measures["firm_id"]], np.int64)
        price, width = (measures[c].cast(pl.Float64).to_numpy()[None, :] for c in list(STEP_COLUMNS)[1:])
    slope = table["macc_slope_cny_t2"].cast(pl.Float64)
    bare = [n for i, (n, c) in enumerate(zip(names, slope, strict=True)) if c is None and i not in set(owner.tolist())]
    if bare:
        raise DataError(
            f"Firm {bare[0]!r} has neither a slope (macc_slope_cny_t2) nor steps. Give it one, or a step of 0 t if it "
            "cannot abate."
        )
    broken = table.filter(pl.col("macc_slope_cny_t2").cast(pl.Float64).is_nan())["firm_id"]
    if len(broken):
        raise RangeError(
            f"The slope of firm {broken[0]!r} is NaN; expected a number above 0 CNY/t², or null for a firm with steps."
        )
    baseline = table["baseline_co2_t"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    return Maccs(baseline[None, :], slope.fill_null(np.nan).to_numpy()[None, :], owner, price, width)


def drawn(curves: Maccs, names: Sequence[str], n: int, *, seed: int = 0, rules: pl.DataFrame | None = None) -> Maccs:
    """Return curves with one case for each draw of how wrong the costs may be.

    All costs are multiplied by a factor that is common to all firms, and by one of each firm's own: triangular, by the
    rules ``macc_common_*`` and ``macc_firm_*`` of scheme ``simulator`` in ``ets_rules``. Baselines are not drawn.

    Parameters
    ----------
    curves
        Central curves, one case.
    names
        Names of the firms. A firm's draws hang on its name and the seed, not on who else is there.
    n
        Number of draws, at least 1.
    seed
        Seed of the run; draw k is the same for any ``n`` (:mod:`citylab.stats.draws`).
    rules
        Another table of rules with the columns of ``ets_rules``.

    Returns
    -------
    Maccs
        ``n`` cases.

    Examples
    --------
    >>> firms, steps = synthetic()
    >>> drawn(maccs(firms, steps), firms["firm_id"].to_list(), 5).n_cases
    5
    """
    told = (tables.read("ets_rules") if rules is None else rules).filter(pl.col("scheme") == "simulator")
    value = dict(told.select("rule", pl.col("value").cast(pl.Float64)).iter_rows())

    def factor(kind: str, stream: str) -> Floats:
        prior = {end: value.get(f"macc_{kind}_{end}") for end in ("low", "central", "high")}
        return np.asarray(streams.draws(seed, stream, 0, n, distribution="triangular", **prior))

    own = np.column_stack([factor("firm", f"market.macc_firm.{name}") for name in names])
    return curves.times(factor("common", "market.macc_common")[:, None] * own)


# what is abated at a price


@dataclass(frozen=True)
class Supply:
    """An amount that rises with the price in straight pieces and jumps: one curve for each case.

    Attributes
    ----------
    price
        Prices of the kinks, rising, the first 0 [CNY/t], shape (cases, kinks).
    below, above
        Amount just below and just above each kink [t CO2].
    slope
        Tonnes for each CNY/t after each kink, until the next.
    """

    price: Floats
    below: Floats
    above: Floats
    slope: Floats

    @classmethod
    def of(cls, price: Floats, jump: Floats, bend: Floats, *, last: Floats | float = 0.0) -> Supply:
        """Return the curve of kinks in any order, each with a jump [t] and a change of slope [t²/CNY].

        Parameters
        ----------
        price, jump, bend
            Shape (cases or 1, kinks), prices at 0 or above.
        last
            Slope after the last kink [t²/CNY], a number or shape (cases, 1): what all changes of slope add up to.
        """
        price, jump, bend = np.broadcast_arrays(price, jump, bend)
        start = np.zeros((price.shape[0], 1))
        order = np.argsort(price, axis=-1, kind="stable")
        price, jump, bend = (
            np.concatenate([start, np.take_along_axis(a, order, axis=-1)], axis=-1) for a in (price, jump, bend)
        )
        # From the right: what firms still have to give are sums of one sign, so that no difference is lost to rounding
        after = np.cumsum(bend[:, ::-1], axis=-1)[:, ::-1] - bend
        noise = bend.shape[1] * np.finfo(np.float64).eps * np.abs(bend).sum(axis=-1, keepdims=True)
        slope = np.where(last - after <= noise, 0.0, last - after)
        pieces = np.concatenate([start, slope[:, :-1] * np.diff(price, axis=-1)], axis=-1)
        above = np.cumsum(pieces + jump, axis=-1)
        return cls(price, above - jump, above, slope)

    def at(self, price: Floats) -> Floats:
        """Return the amount just above a price, shape (cases,)."""
        last = (self.price <= price[:, None]).sum(axis=-1) - 1
        return self._from(last, price)

    def _from(self, kink: Ints, price: Floats) -> Floats:
        start, above, slope = self._take(kink, self.price, self.above, self.slope)
        return above + slope * (price - start)

    @staticmethod
    def _take(kink: Ints, *arrays: Floats) -> tuple[Floats, ...]:
        return tuple(np.take_along_axis(a, kink[:, None], axis=-1)[:, 0] for a in arrays)

    def crossing(self, amount: Floats) -> Floats:
        """Return the lowest price, 0 or more, at which the amount is reached; infinite where it never is.

        Parameters
        ----------
        amount
            What must be reached [t CO2], shape (cases,).

        Returns
        -------
        numpy.ndarray
            Prices [CNY/t], shape (cases,).
        """
        kink = np.maximum((self.below < amount[:, None]).sum(axis=-1) - 1, 0)
        start, above, slope = self._take(kink, self.price, self.above, self.slope)
        missing = amount - above
        small = ROUNDING * np.maximum(np.abs(amount), 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            further = np.where(slope > 0, missing / slope, np.where(missing <= small, 0.0, np.inf))
        return start + np.where(missing > 0, further, 0.0)


def kinks(curves: Maccs) -> tuple[Floats, Floats, Floats]:
    """Return the kinks of what firms abate: prices [CNY/t], jumps [t] and changes of slope [t²/CNY].

    A smooth curve begins to abate at 0 and has nothing left to abate at c·e; a step jumps at its price.
    """
    per_price = curves.conductance
    end = np.where(curves.is_stepwise, 0.0, curves.slope * curves.baseline_t)
    cases = max(end.shape[0], curves.n_cases)
    zero = np.zeros((cases, curves.n_firms))
    start = per_price.sum(axis=-1, keepdims=True) + zero[:, :1]
    steps = np.zeros((cases, curves.step_owner.size))
    return (
        np.concatenate([zero[:, :1], end + zero, curves.step_price + steps], axis=-1),
        np.concatenate([zero[:, :1], zero, curves.step_t + steps], axis=-1),
        np.concatenate([start, zero - per_price, steps], axis=-1),
    )


def ladder(curves: Maccs) -> tuple[Ints, Floats, Floats, Floats]:
    """Return the steps with each firm's in rising order of price, and what the firm's cheaper ones abate.

    Returns
    -------
    tuple of numpy.ndarray
        Owner, price [CNY/t], tonnes, and tonnes of the firm's steps before; each of shape (cases or 1, steps).
    """
    price, width = np.broadcast_arrays(curves.step_price, curves.step_t)
    order = np.lexsort((price, np.broadcast_to(curves.step_owner, price.shape)), axis=-1)
    owner = curves.step_owner[order]
    price, width = np.take_along_axis(price, order, -1), np.take_along_axis(width, order, -1)
    # The running sum starts anew with each firm
    before = np.cumsum(width, axis=-1) - width
    first = np.concatenate([np.ones((owner.shape[0], 1), bool), np.diff(owner, axis=-1) != 0], axis=-1)
    at_first = np.maximum.accumulate(np.where(first, np.arange(owner.shape[1]), 0), axis=-1)
    return owner, price, width, before - np.take_along_axis(before, at_first, -1)


def cost_cny(curves: Maccs, abated_t: Floats) -> Floats:
    """Return what abating costs each firm, its cheapest measures first.

    Parameters
    ----------
    curves
        Curves of the firms.
    abated_t
        Abatement [t CO2], shape (cases, firms).

    Returns
    -------
    numpy.ndarray
        Cost [CNY], shape (cases, firms): ½·c·a² of a smooth curve; NaN where steps cannot abate that much.

    Examples
    --------
    >>> cost_cny(Maccs.quadratic([1000.0], [0.02]), np.array([[250.0]])).item()
    625.0
    """
    smooth = _HALF * np.where(curves.is_stepwise, 0.0, curves.slope) * abated_t**2
    if not curves.step_owner.size:
        return smooth
    owner, price, width, before = ladder(curves)
    cases = max(abated_t.shape[0], owner.shape[0])
    a = np.broadcast_to(abated_t, (cases, curves.n_firms))
    used = np.clip(np.take_along_axis(a, np.broadcast_to(owner, (cases, owner.shape[1])), -1) - before, 0.0, width)
    stepwise = np.zeros((cases, curves.n_firms))
    np.add.at(stepwise, (np.arange(cases)[:, None], np.broadcast_to(owner, used.shape)), used * price)
    beyond = a > curves.most_t * (1 + ROUNDING) + ROUNDING
    return np.where(curves.is_stepwise, np.where(beyond, np.nan, stepwise), smooth)
