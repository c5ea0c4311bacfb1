"""How well modelled values meet observed ones: statistics of model evaluation, and the numbers of a Taylor diagram."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from citylab.errors import SchemaError
from citylab.frames import Frame, columns_of, keys_of, lazily, need_columns, need_numbers

FACTOR = 2.0
"""Factor of FAC2: half to twice the observation."""
IOA_SCALE = 2.0
"""Weight c of the refined index of agreement: Willmott, Robeson and Matsuura (2012), equation 5."""

_O, _M = pl.col("__o"), pl.col("__m")


def _over(above: pl.Expr, below: pl.Expr) -> pl.Expr:
    """Return a ratio, null where there is nothing to divide by."""
    return pl.when(below != 0).then(above / below)


def _constant(values: pl.Expr) -> pl.Expr:
    """Return whether values do not vary; their computed deviation would be noise of the last digit, not zero."""
    return values.max() == values.min()


def _pairs(
    frame: Frame, observed: str, modelled: str | Sequence[str], by: str | Sequence[str] | None, what: str
) -> pl.LazyFrame:
    """Return one row per group, model and pair, with what is missing null on both sides."""
    lf, _ = lazily(frame)
    keys: list[str] = keys_of(by)
    models: list[str] = columns_of(modelled)
    notes = {observed: "observed", **dict.fromkeys(models, "modelled"), **dict.fromkeys(keys, "group")}
    schema = need_columns(lf, notes, what=what)
    need_numbers(schema, [observed, *models], what=what)
    if "model" in keys:
        raise SchemaError(f"{what} gives a column 'model' itself. Rename yours.")

    def finite(column: str) -> pl.Expr:
        value = pl.col(column).cast(pl.Float64)
        return pl.when(value.is_finite()).then(value)

    both = pl.col("__o").is_not_null() & pl.col("__m").is_not_null()
    parts = [
        lf.select(*keys, pl.lit(m).alias("model"), finite(observed).alias("__o"), finite(m).alias("__m"))
        for m in models
    ]
    return pl.concat(parts).with_columns(pl.when(both).then(c).alias(c.meta.output_name()) for c in (_O, _M))


def model_statistics(
    frame: Frame,
    observed: str,
    modelled: str | Sequence[str],
    *,
    by: str | Sequence[str] | None = None,
) -> Frame:
    """Return the usual statistics of model evaluation over complete pairs.

    Parameters
    ----------
    frame
        One row per pair.
    observed, modelled
        Column of the observation and column or columns of what models say, in one unit.
    by
        Columns that name groups; ``None`` takes the frame as one.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group and model: the columns of ``by``; ``model`` (name of the column); ``n`` complete pairs and
        ``n_missing``; ``fac2``, the share of modelled values within half and twice the observed (pairs of zeros are
        left out); ``mb`` mean bias, ``mge`` mean gross error, ``rmse`` [unit of the value]; ``nmb`` and ``nmge``,
        their sums over the sum of observations; ``r`` (Pearson); ``coe`` coefficient of efficiency (1 perfect, 0 as
        good as the observed mean); ``ioa`` index of agreement (-1..1). What cannot be computed is null: ratios to
        observations that sum to zero, ``r``, ``coe`` and ``ioa`` of constant ones.

    Raises
    ------
    SchemaError
        A column is missing or holds no numbers.

    Notes
    -----
    Definitions are those of openair's ``modStats``; bias is modelled minus observed. With a = Σ|M - O| and
    b = 2 Σ|O - Ō|, IOA = 1 - a/b if a ≤ b, else b/a - 1, and COE = 1 - 2a/b. Intervals are not given: pairs of
    successive hours are not independent.

    Examples
    --------
    >>> pairs = pl.DataFrame({"observed": [1.0, 2.0, 3.0], "modelled": [1.0, 2.0, 6.0]})
    >>> s = model_statistics(pairs, "observed", "modelled").row(0, named=True)
    >>> s["n"], s["mb"], s["fac2"], s["ioa"], s["coe"]
    (3, 1.0, 1.0, 0.25, -0.5)

    References
    ----------
    Willmott, Robeson, Matsuura (2012), A refined index of model performance, International Journal of Climatology
    32(13), 2088-2094. doi:10.1002/joc.2419. Legates, McCabe (1999), Water Resources Research 35(1), 233-241 (COE).
    doi:10.1029/1998WR900018. Carslaw, Ropkins (2012). doi:10.1016/j.envsoft.2011.09.008
    """
    _, back = lazily(frame)
    pairs = _pairs(frame, observed, modelled, by, "model_statistics")
    error = _M - _O
    gross, spread = error.abs().sum(), IOA_SCALE * (_O - _O.mean()).abs().sum()
    ratio = pl.when((_O != 0) | (_M != 0)).then(_M / _O)
    agreement = pl.when(gross <= spread).then(1 - gross / spread).otherwise(spread / gross - 1)
    return back(
        pairs.group_by([*keys_of(by), "model"], maintain_order=True).agg(
            _O.count().cast(pl.Int64).alias("n"),
            _O.null_count().cast(pl.Int64).alias("n_missing"),
            ratio.is_between(1 / FACTOR, FACTOR).mean().alias("fac2"),
            error.mean().alias("mb"),
            error.abs().mean().alias("mge"),
            _over(error.sum(), _O.sum()).alias("nmb"),
            _over(gross, _O.sum()).alias("nmge"),
            (error**2).mean().sqrt().alias("rmse"),
            _correlation().alias("r"),
            pl.when(~_constant(_O)).then(1 - IOA_SCALE * gross / spread).alias("coe"),
            pl.when(~_constant(_O)).then(agreement).alias("ioa"),
        )
    )


def _correlation() -> pl.Expr:
    return pl.when(~_constant(_O) & ~_constant(_M)).then(pl.corr(_O, _M))


def taylor(
    frame: Frame,
    observed: str,
    modelled: str | Sequence[str],
    *,
    by: str | Sequence[str] | None = None,
) -> Frame:
    """Return what a Taylor diagram shows: spread, correlation and centred error, which obey one law of cosines.

    Parameters
    ----------
    frame, observed, modelled, by
        As in :func:`model_statistics`.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group and model: the columns of ``by``, ``model``, ``n``, ``sd_observed``, ``sd_modelled``,
        ``centred_rmse`` [unit of the value, sums divided by n], ``r``, and relative to the observed spread
        ``sd_ratio`` and ``centred_rmse_ratio``. The mean bias is not in it; :func:`model_statistics` has it.

    Raises
    ------
    SchemaError
        A column is missing or holds no numbers.

    Notes
    -----
    With E' the centred error, s the standard deviations: E'² = s_o² + s_m² - 2 s_o s_m r.

    Examples
    --------
    >>> pairs = pl.DataFrame({"observed": [1.0, 2.0, 3.0], "modelled": [2.0, 4.0, 6.0]})
    >>> taylor(pairs, "observed", "modelled").select(pl.col("sd_ratio", "r", "centred_rmse_ratio").round(9)).row(0)
    (2.0, 1.0, 1.0)

    References
    ----------
    Taylor (2001), Summarizing multiple aspects of model performance in a single diagram, JGR 106(D7), 7183-7192.
    doi:10.1029/2000JD900719
    """
    _, back = lazily(frame)
    pairs = _pairs(frame, observed, modelled, by, "taylor")
    spread_o, spread_m = _O.std(ddof=0), _M.std(ddof=0)
    centred = (((_M - _M.mean()) - (_O - _O.mean())) ** 2).mean().sqrt()
    return back(
        pairs.group_by([*keys_of(by), "model"], maintain_order=True).agg(
            _O.count().cast(pl.Int64).alias("n"),
            spread_o.alias("sd_observed"),
            spread_m.alias("sd_modelled"),
            centred.alias("centred_rmse"),
            _correlation().alias("r"),
            pl.when(~_constant(_O)).then(spread_m / spread_o).alias("sd_ratio"),
            pl.when(~_constant(_O)).then(centred / spread_o).alias("centred_rmse_ratio"),
        )
    )
