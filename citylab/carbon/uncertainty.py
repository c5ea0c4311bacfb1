"""How sure an inventory's totals are: IPCC approach 1 (error propagation) and approach 2 (Monte Carlo).

The inputs are amounts, factors and heat values, each with a 95 % interval. One factor used in thirty rows is one number
with one error: it is shared by them, and so are the errors of heat values and of an amount from which three gases are
reckoned. Warming potentials carry no error here, by the custom of inventories.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from citylab.carbon.inventory import Inventory, selection, with_sectors
from citylab.errors import DataError, RangeError, SchemaError, suggest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

    _Array = npt.NDArray[np.float64]

Shared = Literal["factor", "link", "activity"]
SHARED: tuple[Shared, ...] = ("factor", "link")

# IPCC 2006 Guidelines Vol 1 Ch 3: intervals are at 95 %; approach 1 holds for half-widths of up to 30 %.
INPUT_LEVEL = 0.95
APPROACH_1_LIMIT = 0.30
# Half-widths down and up that differ by less than this share of their sum count as symmetric (citylab's choice).
_SYMMETRIC = 0.10
# Numbers held at once; bounds the memory of a simulation.
_BLOCK_CELLS = 4_000_000
_OUT_CELLS = 50_000_000
_GROUPS_AT_ONCE = 64
_MIN_DRAWS = 100


@dataclass(frozen=True, slots=True)
class _Input:
    """One uncertain number, as a multiplier whose mean is 1."""

    key: str
    kind: str
    label: str
    cv: float
    sigma: float
    half_width: float
    is_lognormal: bool


def _z(level: float) -> float:
    from statistics import NormalDist

    if not 0 < level < 1:
        raise RangeError(f"level is {level}; a level lies between 0 and 1, for example 0.95.")
    return NormalDist().inv_cdf((1 + level) / 2)


def _input(key: str, kind: str, label: str, down: float, up: float) -> _Input:
    """Return a multiplier from the half-widths of its 95 % interval as shares of the value."""
    from math import exp, log, sqrt

    half = (down + up) / 2
    z = _z(INPUT_LEVEL)
    is_even = abs(up - down) <= _SYMMETRIC * (up + down)
    if half <= APPROACH_1_LIMIT and is_even:
        return _Input(key, kind, label, half / z, 0.0, half, False)
    # Of a skewed interval the ratio of the bounds gives the spread; one given as plus or minus gives its standard
    # deviation.
    sigma = sqrt(log(1 + (half / z) ** 2)) if is_even or down >= 1 else log((1 + up) / (1 - down)) / (2 * z)
    return _Input(key, kind, label, sqrt(exp(sigma**2) - 1), sigma, half, True)


@dataclass(frozen=True, slots=True)
class _Model:
    """Rows as products: value of the row, and the positions of its inputs."""

    rows: pl.DataFrame
    value: _Array
    inputs: list[_Input]
    of_row: npt.NDArray[np.int64]


def _model(
    rows: pl.DataFrame, *, activity_pct: float | None, factor_pct: float | None, correlated: Collection[str]
) -> _Model:
    import numpy as np

    strange = set(correlated) - set(get_args(Shared))
    if strange:
        raise suggest(sorted(strange)[0], get_args(Shared), what="shared error", see="factor, link, activity")
    if not rows.height:
        raise DataError("No row with a value: there is nothing to be uncertain about.")
    if rows["factor_value"].null_count():
        raise SchemaError(
            "These rows hold published emissions, not activity and factors, so approach 1 and 2 have no inputs. Give "
            "an inventory made by citylab.carbon.inventory.inventory."
        )
    for name, pct in (("activity_pct", activity_pct), ("factor_pct", factor_pct)):
        if pct is not None and not 0 <= pct < 1000:
            raise RangeError(f"{name} is {pct}; give the half-width of the 95 % interval in percent, for example 5.")
    no_activity = rows.filter(rows["uncertainty_pct"].is_null())["activity_row"].unique().sort().to_list()
    if no_activity and activity_pct is None:
        raise DataError(
            f"{len(no_activity)} amounts (rows {_few(no_activity)} of the activity table) have no uncertainty_pct. "
            "Fill it in, or pass activity_pct= for all of them (the IPCC names 2-5 for statistics, 10-20 for surveys)."
        )
    no_factor = rows.filter(rows["factor_low"].is_null())["factor_id"].unique().sort().to_list()
    no_link = rows.filter(rows["links"].is_not_null() & rows["link_low"].is_null())["links"].unique().sort().to_list()
    if (no_factor or no_link) and factor_pct is None:
        raise DataError(
            f"{len(no_factor) + len(no_link)} factors or heat values have no interval "
            f"({_few([*no_factor, *no_link])}). Give low and high, or pass "
            "factor_pct= for all of them (the IPCC names 2-7 for CO2)."
        )
    inputs: dict[str, _Input] = {}
    place: dict[str, int] = {}
    of_row: list[tuple[int, int, int]] = []

    def put(key: str, kind: str, label: str, down: float, up: float) -> int:
        if key not in place:
            place[key] = len(place)
            inputs[key] = _input(key, kind, label, down, up)
        elif abs(inputs[key].half_width - (down + up) / 2) > 1e-9:
            raise DataError(
                f"{label} is shared by rows that give it different intervals ({inputs[key].half_width:.1%} and "
                f"{(down + up) / 2:.1%}). Give one interval, or leave {kind!r} out of correlated."
            )
        return place[key]

    fallback = (factor_pct or 0.0) / 100
    # An amount is named by what it is, not by its line, so that its draws do not depend on the order of lines; a second
    # amount of the same name is told apart by its turn.
    turns: dict[str, list[int]] = {}
    for r in rows.iter_rows(named=True):
        own = f"{r['place']}|{r['year']}|{r['gpc_ref']}|{r['scope']}|{r['fuel']}|{r['source']}"
        lines = turns.setdefault(own, [])
        if r["activity_row"] not in lines:
            lines.append(r["activity_row"])
        own += f"|{lines.index(r['activity_row'])}"
        label = f"{r['place']} {r['year']} {r['gpc_ref']} {r['fuel']}"
        pct = (activity_pct or 0.0) if r["uncertainty_pct"] is None else r["uncertainty_pct"]
        shared = f"{r['place']}|{r['gpc_ref']}|{r['scope']}|{r['fuel']}"
        a = put(f"activity|{shared if 'activity' in correlated else own}", "activity", label, pct / 100, pct / 100)
        tail = "" if "factor" in correlated else f"|{own}"
        f = put(
            f"factor|{r['factor_id']}{tail}", "factor", f"{r['fuel']} {r['gas']} ({r['factor_edition']})",
            *_shares(r["factor_value"], r["factor_low"], r["factor_high"], fallback),
        )  # fmt: skip
        link = -1
        if r["links"] is not None:
            tail = "" if "link" in correlated else f"|{own}"
            link = put(
                f"link|{r['links']}{tail}", "link", r["links"],
                *_shares(r["link_value"], r["link_low"], r["link_high"], fallback),
            )  # fmt: skip
        of_row.append((a, f, link))
    return _Model(rows, rows["co2e_t"].to_numpy().astype(np.float64), list(inputs.values()), np.array(of_row))


def _shares(value: float, low: float | None, high: float | None, fallback: float) -> tuple[float, float]:
    if low is None or high is None:
        return fallback, fallback
    return ((value - low) / value, (high - value) / value) if value else (0.0, 0.0)


def _few(names: Sequence[Any], most: int = 5) -> str:
    return ", ".join(map(str, names[:most])) + (", ..." if len(names) > most else "")


def _selected(result: Inventory, total: str | Mapping[str, Any] | None) -> pl.DataFrame:
    import polars as pl

    if total is not None:
        return selection(result, total)
    return with_sectors(result.rows).filter("in_total", pl.col("co2e_t").is_not_null())


def _groups(model: _Model, by: str | Sequence[str]) -> tuple[pl.DataFrame, npt.NDArray[np.int64]]:
    """Return the groups, sorted, and the group of each row."""
    import polars as pl

    keys = list(dict.fromkeys(["place", "year", *([by] if isinstance(by, str) else by)]))
    unknown = [k for k in keys if k not in model.rows.columns]
    if unknown:
        raise suggest(unknown[0], model.rows.columns, what="grouping column", see="Inventory.rows")
    groups = model.rows.group_by(keys).agg(co2e_t=pl.col("co2e_t").sum(), n=pl.len().cast(pl.Int64)).sort(keys)
    numbered = groups.select(keys).with_row_index("_group")
    of_row = model.rows.select(keys).join(numbered, on=keys, how="left", maintain_order="left")["_group"]
    return groups, of_row.to_numpy().astype("int64")


def _labels(frame: pl.DataFrame, result: Inventory, method: str, level: float) -> pl.DataFrame:
    import polars as pl

    return frame.with_columns(
        method=pl.lit(method), level=pl.lit(level), boundary=pl.lit(result.boundary), gwp_set=pl.lit(result.gwp),
        basis=pl.lit(result.basis), edition=pl.lit(result.edition),
    )  # fmt: skip


# -------------------------------------------------------------------------------------------------- approach 1


def propagate(
    inventory: Inventory, *, by: str | Sequence[str] = (), activity_pct: float | None = None,
    factor_pct: float | None = None, correlated: Collection[Shared] = SHARED, level: float = 0.95,
) -> pl.DataFrame:  # fmt: skip
    """Return totals with intervals by error propagation (IPCC approach 1).

    Parameters
    ----------
    inventory
        An inventory made from activity; the rows of its boundary's total are used.
    by
        Columns that part the totals of each place and year (``"sector"``, ``"scope"``, ``"gas"``, ``"fuel"``).
    activity_pct, factor_pct
        Half-width of the 95 % interval [%] for amounts and for factors that have none. Without them, a missing interval
        is an error: no number counts as exact by silence.
    correlated
        Which errors rows share: ``"factor"`` and ``"link"`` (heat values) by default, also ``"activity"`` (the same
        series in several years). An empty collection makes all rows independent, as in the IPCC's worksheet.
    level
        Level of the interval.

    Returns
    -------
    polars.DataFrame
        One row per place, year and group: ``co2e_t``, ``co2e_lower_t``, ``co2e_upper_t``, ``uncertainty_pct``
        (half-width), ``is_within_range`` (False where an input's half-width passes 30 % or is skewed: take approach 2),
        ``n`` (rows), ``input_count``, ``method``, ``level``, ``boundary``, ``gwp_set``, ``basis``, ``edition``.

    Raises
    ------
    DataError
        Inputs without an interval, or no rows.
    SchemaError
        A published inventory, which has no inputs.

    Notes
    -----
    U² = Σ over inputs of (Σ over rows with the input of x · u)², which is √ΣU² for a product and √Σ(Ux)²/Σx for a sum
    of independent rows. The lower bound is not below 0.

    Examples
    --------
    >>> import polars as pl
    >>> from citylab.carbon.inventory import inventory
    >>> own = pl.DataFrame({"fuel": ["x"], "gas": ["CO2"], "value": [2.0], "low": [1.8], "high": [2.2], "unit": ["t/t"],
    ...                     "year": [2020], "source": ["made up"]})
    >>> sheet = pl.DataFrame({"place": ["A"], "year": [2020], "gpc_ref": ["IV.1"], "fuel": ["x"], "activity": [50.0],
    ...                       "unit": ["t"], "source": ["made up"], "uncertainty_pct": [5.0]})
    >>> made = inventory(sheet, factors=own, boundary="BASIC+")
    >>> propagate(made).select("co2e_t", pl.col("uncertainty_pct").round(4)).row(0)  # √(5² + 10²)
    (100.0, 11.1803)

    References
    ----------
    IPCC 2006 Guidelines, Vol 1 Ch 3, equations 3.1 and 3.2 (from memory).
    """
    import numpy as np
    import polars as pl

    model = _model(
        _selected(inventory, None), activity_pct=activity_pct, factor_pct=factor_pct, correlated=correlated
    )  # fmt: skip
    groups, of_row = _groups(model, by)
    half = np.array([x.half_width for x in model.inputs])
    is_far = np.array([x.is_lognormal for x in model.inputs])
    variance, far, count = np.zeros(groups.height), np.zeros(groups.height, bool), np.zeros(groups.height, int)
    # Sensitivity of each group to each input: the sum of its rows that hold the input.
    cells: dict[tuple[int, int], float] = {}
    for g, value, inputs in zip(of_row.tolist(), model.value.tolist(), model.of_row.tolist(), strict=True):
        for i in inputs:
            if i >= 0:
                cells[g, i] = cells.get((g, i), 0.0) + value
    for (g, i), value in cells.items():
        variance[g] += (value * half[i]) ** 2
        far[g] |= is_far[i]
        count[g] += 1
    width = np.sqrt(variance) * _z(level) / _z(INPUT_LEVEL)
    whole = groups["co2e_t"].to_numpy()
    frame = groups.with_columns(
        co2e_lower_t=pl.Series(np.maximum(whole - width, 0.0)),
        co2e_upper_t=pl.Series(whole + width),
        uncertainty_pct=pl.Series(100 * np.divide(width, whole, out=np.zeros_like(width), where=whole != 0)),
        is_within_range=pl.Series(~far),
        input_count=pl.Series(count, dtype=pl.Int64),
    )
    return _labels(frame, inventory, "IPCC approach 1", level)


# -------------------------------------------------------------------------------------------------- approach 2


def _stream(seed: int, key: str) -> np.random.Generator:
    """Return the random numbers of one input: they depend on the seed and its name, not on what else is drawn."""
    import numpy as np

    digest = hashlib.sha256(key.encode()).digest()
    words = [int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4)]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *words])))


def _multipliers(inputs: Sequence[_Input], streams: Sequence[np.random.Generator], size: int) -> _Array:
    """Return draws of the multipliers, one row per input: mean 1, none below 0."""
    import numpy as np

    out = np.empty((len(inputs), size))
    for line, one, stream in zip(out, inputs, streams, strict=True):
        stream.standard_normal(out=line)
        if one.is_lognormal:
            line *= one.sigma
            line -= one.sigma**2 / 2
            np.exp(line, out=line)
        else:
            line *= one.cv
            line += 1.0
            np.maximum(line, 0.0, out=line)
    return out


def draw_numbers(
    value: npt.ArrayLike, low: npt.ArrayLike, high: npt.ArrayLike, *, keys: Sequence[str], n: int, seed: int,
    can_be_negative: bool = False,
) -> _Array:  # fmt: skip
    """Return draws of uncertain numbers, by the rule of :func:`monte_carlo`.

    Parameters
    ----------
    value, low, high
        Numbers with the bounds of their 95 % intervals.
    keys
        What each number is. Equal keys err together: they have the same draws, apart from their own value and width.
    n, seed
        Draws and seed; a number's draws depend on the seed and its key only.
    can_be_negative
        Normal and not cut at 0, for numbers whose interval may cross 0 (a soil that may take up or lose carbon).

    Returns
    -------
    numpy.ndarray
        One row per number, one column per draw, in the unit of ``value``; each row has the value as its mean (bar the
        cut at 0, and the noise of the draws).

    Raises
    ------
    DataError
        A number is not finite, lies outside its own interval, or is 0 with an interval around it that has no share.
    RangeError
        Too few draws, or a negative seed.

    Examples
    --------
    >>> drawn = draw_numbers([10.0], [8.0], [12.0], keys=["power"], n=10_000, seed=1)
    >>> drawn.shape, round(float(drawn.mean()), 1)
    ((1, 10000), 10.0)
    """
    import numpy as np

    _need_draws(n, seed)
    v, lo, hi = (np.atleast_1d(np.asarray(x, dtype=np.float64)) for x in (value, low, high))
    out = np.empty((len(v), n))
    for i, (key, one, down, up) in enumerate(zip(keys, v.tolist(), lo.tolist(), hi.tolist(), strict=True)):
        if not np.isfinite([one, down, up]).all() or not down <= one <= up:
            raise DataError(
                f"{key} is {one} with a 95 % interval of {down} to {up}. Give finite bounds around the value."
            )
        if can_be_negative:
            half = (up - down) / 2
            out[i] = one + half / _z(INPUT_LEVEL) * _stream(seed, key).standard_normal(n)
        elif one == 0:
            if up > 0:
                raise DataError(
                    f"{key} is 0 with an upper bound of {up}: a share of 0 is no interval. Give the middle."
                )
            out[i] = 0.0
        else:
            if down < 0:
                raise DataError(f"{key} has a lower bound of {down}, but cannot be negative.")
            made = _input(key, "number", key, (one - down) / one, (up - one) / one)
            out[i] = one * _multipliers([made], [_stream(seed, key)], n)[0]
    return out


def bounds(draws: _Array, *, level: float = 0.95) -> tuple[_Array, _Array]:
    """Return the bounds of the percentile interval of each row of draws.

    Parameters
    ----------
    draws
        One row per number, one column per draw.
    level
        Level of the interval.

    Returns
    -------
    tuple of numpy.ndarray
        Lower and upper bounds, one per row.

    Raises
    ------
    RangeError
        No level.

    Examples
    --------
    >>> import numpy as np
    >>> low, high = bounds(np.arange(1.0, 600.0)[None, :])
    >>> float(low[0]), float(high[0])
    (16.0, 584.0)
    """
    from citylab.stats.bootstrap import interval

    _z(level)
    return interval(draws.T, level=level)


def _need_draws(n: int, seed: int) -> None:
    if n < _MIN_DRAWS:
        raise RangeError(f"n is {n}; an interval needs at least {_MIN_DRAWS} draws, the IPCC names 10,000.")
    if seed < 0:
        raise RangeError(f"seed is {seed}; a seed is a whole number, 0 or more.")


def simulate(
    inventory: Inventory, *, n: int = 10_000, seed: int, by: str | Sequence[str] = (),
    activity_pct: float | None = None, factor_pct: float | None = None, correlated: Collection[Shared] = SHARED,
    block: int | None = None,
) -> tuple[pl.DataFrame, _Array]:  # fmt: skip
    """Return the draws of totals behind :func:`monte_carlo`, for trends and for what is built on an inventory.

    Returns
    -------
    tuple
        Groups (``place``, ``year``, the columns of ``by``, ``co2e_t``, ``n``), and an array with one row per group and
        one column per draw [t CO2e]. Column i of every group comes from the same world: differences between years or
        places may be taken draw by draw.
    """
    import numpy as np

    _need_draws(n, seed)
    if block is not None and block < 1:
        raise RangeError(f"block is {block}; it is the number of draws made at once, 1 or more.")
    model = _model(
        _selected(inventory, None), activity_pct=activity_pct, factor_pct=factor_pct, correlated=correlated
    )  # fmt: skip
    groups, of_row = _groups(model, by)
    if groups.height * n > _OUT_CELLS:
        raise RangeError(
            f"{groups.height} groups x {n} draws are {groups.height * n:.2g} numbers. Part the totals less finely "
            "(by=), or work place by place: the same seed gives the same worlds."
        )
    out = np.zeros((groups.height, n))
    streams = [_stream(seed, x.key) for x in model.inputs]
    step = min(n, block or max(1, _BLOCK_CELLS // len(model.inputs)))
    for start in range(0, n, step):
        size = min(step, n - start)
        drawn = _multipliers(model.inputs, streams, size)
        product = np.empty(size)
        for g, value, (a, f, link) in zip(of_row.tolist(), model.value.tolist(), model.of_row.tolist(), strict=True):
            np.multiply(drawn[a], drawn[f], out=product)
            if link >= 0:
                product *= drawn[link]
            product *= value
            out[g, start : start + size] += product
    return groups, out


def monte_carlo(
    inventory: Inventory, *, n: int = 10_000, seed: int, by: str | Sequence[str] = (),
    activity_pct: float | None = None, factor_pct: float | None = None, correlated: Collection[Shared] = SHARED,
    level: float = 0.95, block: int | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Return totals with intervals by simulation (IPCC approach 2).

    Parameters
    ----------
    inventory
        An inventory made from activity.
    n
        Number of draws.
    seed
        Seed. The same seed gives the same answer whatever the block size and the order of rows; an input has the same
        draws in every inventory in which it stands.
    by, activity_pct, factor_pct, correlated, level
        As in :func:`propagate`.
    block
        Draws made at once; by default as many as keep the memory small.

    Returns
    -------
    polars.DataFrame
        As :func:`propagate`, with ``co2e_mean_t`` and ``co2e_median_t`` of the draws, ``draw_count`` and ``seed``;
        bounds are percentiles of the draws.

    Raises
    ------
    DataError, SchemaError, RangeError
        As in :func:`propagate`; too few draws.

    Notes
    -----
    An input is normal where its 95 % half-width is at most 30 % and its interval even, else lognormal; both have the
    input's value as their mean, and no draw lies below 0. A lognormal takes its spread from the ratio of its bounds
    where they are skewed, and from the half-width where they are even. Heat value and density of one fuel together
    count as one input, apart from the heat value alone in other rows.

    Examples
    --------
    >>> import polars as pl
    >>> from citylab.carbon.inventory import inventory
    >>> sheet = pl.DataFrame({"place": ["北京"], "year": [2022], "gpc_ref": ["I.1.1"], "fuel": ["天然气"],
    ...                       "activity": [100.0], "unit": ["kt"], "source": ["made up"], "uncertainty_pct": [5.0]})
    >>> done = monte_carlo(inventory(sheet), n=2000, seed=1)
    >>> done["co2e_lower_t"].item() < done["co2e_t"].item() < done["co2e_upper_t"].item()
    True

    References
    ----------
    IPCC 2006 Guidelines, Vol 1 Ch 3, section 3.2.3.2 (from memory).
    """
    import numpy as np
    import polars as pl

    from citylab.stats.bootstrap import interval

    _z(level)
    groups, draws = simulate(
        inventory, n=n, seed=seed, by=by, activity_pct=activity_pct, factor_pct=factor_pct, correlated=correlated,
        block=block,
    )  # fmt: skip
    # Sorting copies what it sorts: a few groups at a time keep the copy small.
    parts = [draws[i : i + _GROUPS_AT_ONCE] for i in range(0, len(draws), _GROUPS_AT_ONCE)]
    bounds = [interval(part.T, level=level) for part in parts]
    low, high = (np.concatenate([b[side] for b in bounds]) for side in (0, 1))
    whole = groups["co2e_t"].to_numpy()
    half = (high - low) / 2
    frame = groups.with_columns(
        co2e_mean_t=pl.Series(draws.mean(axis=1)),
        co2e_median_t=pl.Series(np.concatenate([np.median(part, axis=1) for part in parts])),
        co2e_lower_t=pl.Series(low),
        co2e_upper_t=pl.Series(high),
        uncertainty_pct=pl.Series(100 * np.divide(half, whole, out=np.zeros_like(half), where=whole != 0)),
        draw_count=pl.lit(n, dtype=pl.Int64),
        seed=pl.lit(seed, dtype=pl.Int64),
    )
    return _labels(frame, inventory, "IPCC approach 2", level)


# ------------------------------------------------------------------------------------------------ contributions


def contributions(
    inventory: Inventory, total: str | Mapping[str, Any] | None = None, *, activity_pct: float | None = None,
    factor_pct: float | None = None, correlated: Collection[Shared] = SHARED,
) -> pl.DataFrame:  # fmt: skip
    """Return what share of the variance of a total each amount, factor and heat value brings.

    Parameters
    ----------
    inventory
        An inventory made from activity.
    total
        Which total (:func:`citylab.carbon.inventory.selection`); the inventory's boundary by default.
    activity_pct, factor_pct, correlated
        As in :func:`propagate`.

    Returns
    -------
    polars.DataFrame
        One row per input, largest first: ``input``, ``input_kind`` (activity, factor, link), ``co2e_t`` that rests on
        it, ``input_uncertainty_pct`` (half-width), ``is_lognormal``, ``variance_share``. The last row holds what comes
        of inputs together (interaction). The shares add up to 1.

    Notes
    -----
    The model is a sum of products of independent inputs of mean 1, so the variance and each input's first-order share
    (Sobol) are exact, for normal and lognormal inputs alike; cutting normals at 0 (beyond 6 standard deviations) is
    left out.
    """
    import polars as pl

    where = inventory.boundary if total is None else total
    model = _model(
        selection(inventory, where), activity_pct=activity_pct, factor_pct=factor_pct, correlated=correlated
    )  # fmt: skip
    held = [0.0] * len(model.inputs)
    for value, inputs in zip(model.value.tolist(), model.of_row.tolist(), strict=True):
        for i in inputs:
            if i >= 0:
                held[i] += value
    first = [(x * i.cv) ** 2 for x, i in zip(held, model.inputs, strict=True)]
    whole = _variance(model)
    rows = [
        {"input": i.label, "input_kind": i.kind, "co2e_t": x, "input_uncertainty_pct": 100 * i.half_width,
         "is_lognormal": i.is_lognormal, "variance_share": v / whole if whole else 0.0}
        for i, x, v in zip(model.inputs, held, first, strict=True)
    ]  # fmt: skip
    frame = pl.DataFrame(rows).sort("variance_share", descending=True, maintain_order=True)
    rest = {"input": "interaction", "input_kind": "interaction", "co2e_t": float(model.value.sum())}
    rest_share = 1 - sum(first) / whole if whole else 0.0
    last = pl.DataFrame([rest | {"variance_share": max(rest_share, 0.0)}])
    return pl.concat([frame, last], how="diagonal")


def _variance(model: _Model) -> float:
    """Return the exact variance of the sum: the covariance of two products is what their shared inputs make.

    E[P Q] = E[P] E[Q] x product over shared inputs of (1 + cv²), as every multiplier has mean 1.
    """
    import numpy as np

    # A last input without error stands for "no heat value".
    growth = np.append(1 + np.array([x.cv for x in model.inputs]) ** 2, 1.0)
    index = np.where(model.of_row < 0, len(model.inputs), model.of_row)
    whole = 0.0
    for value, row in zip(model.value, index, strict=True):
        common = np.where(index == row, growth[row], 1.0).prod(axis=1)
        whole += value * float(model.value @ (common - 1.0))
    return whole
