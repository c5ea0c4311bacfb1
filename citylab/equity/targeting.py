"""Whom a programme misses and whom it reaches needlessly, by group and threshold; only aggregates leave.

A programme that takes everybody beyond a threshold of a score leaves out some who are in need (exclusion error) and
takes in some who are not (inclusion error). :func:`targeting_errors` reads rows of persons and returns rates; cells of
few persons are not shown, nor could they be had by subtracting what is shown. :func:`targeting_from_counts` does with
counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import polars as pl

from citylab.equity.levels import lazy, rule
from citylab.errors import DataError, RangeError, SchemaError, need_level, suggest
from citylab.frames import keys_of, need_columns, need_numbers
from citylab.stats import survey as surveys

if TYPE_CHECKING:
    import numpy.typing as npt

    from citylab.stats.survey import Design, Interval, Surveyed

    Ints = npt.NDArray[np.int64]

Side = Literal["above", "below"]

EXCLUSION, INCLUSION, FALSE_POSITIVE, REACHED = "exclusion_error", "inclusion_error", "false_positive", "reached"
MEASURES = (EXCLUSION, INCLUSION, FALSE_POSITIVE, REACHED)
"""Share of those in need who are missed; of those reached who are not in need; of those not in need who are reached; of
all who are reached."""
SUPPRESSED, EMPTY = "suppressed", "nobody"
_RATE = ("value", "se", "lower", "upper", "level", "n", "n_effective", "method", "note")
_SCORE, _NEED, _BIN = "_score", "_in_need", "_bin"
_CELLS = ("n_need_reached", "n_need_missed", "n_other_reached", "n_other_missed")


def targeting_errors(
    survey: Surveyed,
    score: str,
    need: str,
    thresholds: Sequence[float],
    *,
    by: str | Sequence[str] | None = None,
    reached: Side = "above",
    design: Design | str | None = None,
    level: float = 0.95,
    interval: Interval = "korn-graubard",
    smallest_cell: int | None = None,
) -> pl.DataFrame:
    """Return inclusion and exclusion errors of a rule "reach whoever is beyond a threshold", by group.

    Parameters
    ----------
    survey
        One row per person: :func:`citylab.stats.survey.designed`, or a frame together with ``design=``.
    score
        Column by which the programme chooses, any unit.
    need
        Column that says who is in need: true or false, 1 or 0.
    thresholds
        Values of the score.
    by
        Columns that part everybody into groups; each person is in one.
    reached
        ``above``: those with a score at the threshold or above are reached; ``below``: at it or below.
    design
        A :class:`citylab.stats.survey.Design`, or ``citylab.stats.survey.NO_DESIGN``, if the frame carries none.
    level, interval
        Level and kind of the intervals, see :func:`citylab.stats.survey.mean`.
    smallest_cell
        Fewest persons of a cell that is shown; default in ``equity_index_rules``.

    Returns
    -------
    polars.DataFrame
        One row per group, threshold and measure: the columns of ``by``, ``is_total`` (true for everybody),
        ``threshold``, ``measure`` (:data:`MEASURES`), ``value`` [0..1], ``se``, ``lower``, ``upper``, ``level``, ``n``
        (rows the rate is over), ``n_effective``, ``method``, ``note``: ``suppressed`` (no figures are given, ``n``
        neither), ``nobody`` (none the rate could be over), or the survey's own notes. No row is a person.

    Raises
    ------
    RefusalError
        No design was declared.
    RangeError
        No threshold, or one that is not finite; a smallest cell below 1.
    DataError
        Need that is neither 0 nor 1, infinite scores, nobody with both score and need.

    Notes
    -----
    Persons without score or need are left out. **What is shown**: let the thresholds shown cut the score into bins.
    Then persons in and out of need, in each bin, of each group shown, and of all groups not shown together, are 0 or at
    least ``smallest_cell``. Every figure is a sum of such cells, so that no subtraction of figures of one call leads to
    fewer persons. Two calls with other groups or thresholds are not protected against each other; zeros are shown.

    Examples
    --------
    >>> rows = pl.DataFrame({"score": [1, 2, 3, 4] * 20, "poor": [1, 1, 1, 0] * 20})
    >>> told = targeting_errors(rows, "score", "poor", [2], reached="below", design=surveys.NO_DESIGN)
    >>> told.select("measure", pl.col("value").round(3)).rows()[:2]
    [('exclusion_error', 0.333), ('inclusion_error', 0.0)]

    References
    ----------
    Cornia and Stewart (1993), Two errors of targeting, Journal of International Development 5, 459-496.
    doi:10.1002/jid.3380050502. Hundepool et al. (2012), Statistical Disclosure Control. doi:10.1002/9781118348239
    """
    cuts = _thresholds(thresholds, reached)
    least = _least(smallest_cell)
    keys = keys_of(by)
    s = surveys.surveyed(survey, design, what="targeting_errors")
    schema = need_columns(s.frame, [score, need, *keys], what="targeting_errors")
    need_numbers(schema, [c for c in (score, need) if schema[c] != pl.Boolean()], what="targeting_errors")
    clash = sorted({*_RATE, "is_total", "threshold", "measure"} & set(keys))
    if clash:
        raise SchemaError(
            f"targeting_errors: the column {clash[0]!r} has the name of a column of the result; rename it."
        )
    s = s.with_columns(pl.col(score).cast(pl.Float64).fill_nan(None).alias(_SCORE),
                       pl.col(need).cast(pl.Float64).fill_nan(None).alias(_NEED))  # fmt: skip
    s = s.where(pl.col(_SCORE).is_not_null(), pl.col(_NEED).is_not_null())
    _refuse_odd(s, score, need)
    cells = _cells(s, cuts, keys, reached)
    named, groups = _coded_groups(cells, keys)
    shown_groups, shown_cuts = _shown(_counts(cells, groups, named.height, len(cuts)), least)
    parts = []
    if shown_cuts:
        parts += _rates(s, [cuts[i] for i in shown_cuts], reached, keys, named[shown_groups], level, interval)
    return _whole(parts, named, keys, cuts)


def _least(smallest_cell: int | None) -> int:
    least = int(rule("smallest_cell")) if smallest_cell is None else smallest_cell
    if least < 1:
        raise RangeError(f"smallest_cell is {least}; expected 1 (shows every cell) or more.")
    return least


def _thresholds(thresholds: Sequence[float], reached: str) -> list[float]:
    if reached not in get_args(Side):
        raise suggest(str(reached), get_args(Side), what="side of a threshold", see="citylab.equity.targeting")
    if isinstance(thresholds, str | Real) or not all(isinstance(t, Real) for t in thresholds):
        raise RangeError(f"thresholds is {thresholds!r}; expected a list of numbers, such as [50].")
    told = sorted({float(t) for t in thresholds})
    if not told or not all(map(math.isfinite, told)):
        raise RangeError(f"Thresholds are {list(thresholds)}; expected at least one number, and finite ones.")
    return told


def _refuse_odd(s: surveys.Designed, score: str, need: str) -> None:
    counted = s.frame.select(
        (~pl.col(_NEED).is_in([0.0, 1.0])).sum().alias("odd"), pl.col(_SCORE).is_infinite().sum().alias("inf"),
        (pl.col(_SCORE).is_not_null() & pl.col(_NEED).is_not_null()).sum().alias("n"),
    ).collect().row(0, named=True)  # fmt: skip
    if counted["odd"]:
        raise DataError(f"targeting_errors: {counted['odd']} rows of {need!r} are neither 0 nor 1 (true or false).")
    if counted["inf"]:
        raise DataError(f"targeting_errors: {counted['inf']} rows of {score!r} are infinite.")
    if not counted["n"]:
        raise DataError(f"targeting_errors: no row has both {score!r} and {need!r}. Check the filter before it.")


def _is_reached(cut: float, reached: str) -> pl.Expr:
    return pl.col(_SCORE) >= cut if reached == "above" else pl.col(_SCORE) <= cut


def _cells(s: surveys.Designed, cuts: Sequence[float], keys: list[str], reached: str) -> pl.DataFrame:
    """Return persons by group, bin between thresholds and need: bin b lies above b of the thresholds."""
    binned = pl.sum_horizontal(pl.col(_SCORE) >= c if reached == "above" else pl.col(_SCORE) > c for c in cuts)
    # Those of the domain whom a rate counts: with score and need, and a weight above 0.
    held = s.frame.filter(pl.col(surveys.DOMAIN))
    if s.design is not None and s.design.weight is not None:
        held = held.filter(pl.col(s.design.weight) > 0)
    return held.group_by(*keys, binned.cast(pl.Int64).alias(_BIN), pl.col(_NEED).cast(pl.Int64)).len("n").collect()


def _coded_groups(cells: pl.DataFrame, keys: list[str]) -> tuple[pl.DataFrame, Ints]:
    if not keys:
        return pl.DataFrame({"_all": [0]}), np.zeros(cells.height, dtype=np.int64)
    named = cells.select(keys).unique().sort(keys, nulls_last=True)
    code = cells.select(keys).join(named.with_row_index("_g"), on=keys, how="left", nulls_equal=True,
                                   maintain_order="left")["_g"]  # fmt: skip
    return named, code.cast(pl.Int64).to_numpy()


def _counts(cells: pl.DataFrame, groups: Ints, n_groups: int, n_cuts: int) -> Ints:
    """Return persons as an array: group, bin, need."""
    out = np.zeros((n_groups, n_cuts + 1, 2), dtype=np.int64)
    np.add.at(out, (groups, cells[_BIN].to_numpy(), cells[_NEED].to_numpy()), cells["n"].to_numpy())
    return out


def _is_safe(cells: Ints, least: int) -> bool:
    return bool(((cells == 0) | (cells >= least)).all())


def _shown(counts: Ints, least: int) -> tuple[list[int], list[int]]:
    """Return the groups and thresholds that may be shown: every cell that they leave apart is 0 or large enough."""
    totals = counts.sum(axis=1)
    shown = [g for g in range(len(totals)) if _is_safe(totals[g], least)]
    # The rest can be had as everybody less the groups shown; the smallest of these join it until it is large enough.
    while shown and not _is_safe(totals.sum(axis=0) - totals[shown].sum(axis=0), least):
        shown.remove(min(shown, key=lambda g: int(totals[g].sum())))
    if not _is_safe(totals.sum(axis=0), least):
        return [], []
    rest = counts.sum(axis=0) - counts[shown].sum(axis=0)
    apart = np.concatenate([counts[shown], rest[None]])
    # From below: a threshold is shown if what lies between it and the last one shown is safe, and what is left too.
    cuts, begin = [], 0
    for cut in range(counts.shape[1] - 1):
        between, left = apart[:, begin : cut + 1].sum(axis=1), apart[:, cut + 1 :].sum(axis=1)
        if _is_safe(between, least) and _is_safe(left, least):
            cuts.append(cut)
            begin = cut + 1
    return shown, cuts


def _rates(
    s: surveys.Designed, cuts: Sequence[float], reached: str, keys: list[str], groups: pl.DataFrame, level: float,
    interval: Interval,
) -> list[pl.DataFrame]:  # fmt: skip
    """Return rates over all thresholds in one pass for groups and one for everybody."""
    is_needy = pl.col(_NEED) == 1
    columns: dict[str, pl.Expr] = {}
    for i, cut in enumerate(cuts):
        inside = _is_reached(cut, reached)
        columns[f"{EXCLUSION}:{i}"] = pl.when(is_needy).then((~inside).cast(pl.Float64))
        columns[f"{INCLUSION}:{i}"] = pl.when(inside).then((~is_needy).cast(pl.Float64))
        columns[f"{FALSE_POSITIVE}:{i}"] = pl.when(~is_needy).then(inside.cast(pl.Float64))
        columns[f"{REACHED}:{i}"] = inside.cast(pl.Float64)
    wide = s.with_columns(**columns)

    def told(by: list[str] | None) -> pl.DataFrame:
        table = surveys.mean(wide, list(columns), by=by, level=level, interval=interval)
        measure = pl.col("variable").str.split(":")
        at = measure.list.get(1).cast(pl.Int64).replace_strict(dict(enumerate(cuts)), return_dtype=pl.Float64)
        return table.with_columns(
            pl.lit(by is None).alias("is_total"), measure.list.get(0).alias("measure"), at.alias("threshold"),
            pl.when(pl.col("value").is_null()).then(pl.lit(EMPTY)).otherwise(pl.col("note")).alias("note"),
        ).select(*(by or []), "is_total", "threshold", "measure", *_RATE)  # fmt: skip

    parts = [told(None)]
    if keys and groups.height:
        parts.insert(0, told(keys).join(groups, on=keys, how="semi", nulls_equal=True))
    return parts


def _whole(parts: list[pl.DataFrame], named: pl.DataFrame, keys: list[str], cuts: Sequence[float]) -> pl.DataFrame:
    """Return every group, threshold and measure, those that are not shown marked."""
    shape = pl.DataFrame({"threshold": cuts}).join(pl.DataFrame({"measure": MEASURES}), how="cross")
    everybody = shape.with_columns(pl.lit(True).alias("is_total"))
    if keys:
        groups = named.with_columns(pl.lit(False).alias("is_total")).join(shape, how="cross")
        everybody = pl.concat([groups, everybody], how="diagonal")
    fields = {**surveys.RESULT}
    if not parts:
        held = everybody.with_columns(pl.lit(None, dtype=fields[c]).alias(c) for c in _RATE)
    else:
        held = everybody.join(
            pl.concat(parts, how="diagonal"), on=[*keys, "is_total", "threshold", "measure"], how="left",
            nulls_equal=True, maintain_order="left",
        )  # fmt: skip
    hidden = pl.col("value").is_null() & (pl.col("note").is_null() | (pl.col("note") != EMPTY))
    return held.with_columns(pl.when(hidden).then(pl.lit(SUPPRESSED)).otherwise(pl.col("note")).alias("note")).select(
        *keys, "is_total", "threshold", "measure", *_RATE
    )


def roc(table: pl.DataFrame, *, by: str | Sequence[str] | None = None) -> pl.DataFrame:
    """Return the curve of those in need who are reached against those not in need who are, from a table of errors.

    Parameters
    ----------
    table
        From :func:`targeting_errors` or :func:`targeting_from_counts`.
    by
        The columns of groups in it.

    Returns
    -------
    polars.DataFrame
        One row per group and point, from (0, 0) to (1, 1): the columns of ``by``, ``is_total``, ``threshold`` (null at
        the ends), ``false_positive_share``, ``sensitivity_share`` (1 - exclusion error), and ``area``, the area under
        the curve of its group, by straight lines between its points (0.5: the score tells nothing, 1: all).

    Raises
    ------
    SchemaError
        A column is missing.
    DataError
        Nothing of the table is shown.

    Examples
    --------
    >>> rows = pl.DataFrame({"score": [1, 2, 3, 4] * 20, "poor": [1, 1, 0, 0] * 20})
    >>> told = targeting_errors(rows, "score", "poor", [1, 2, 3], reached="below", design=surveys.NO_DESIGN)
    >>> roc(told)["area"][0]
    1.0

    References
    ----------
    Hanley and McNeil (1982), Radiology 143, 29-36. doi:10.1148/radiology.143.1.7063747
    """
    keys = [*keys_of(by), "is_total"]
    need_columns(table.lazy(), [*keys, "threshold", "measure", "value"], what="roc")
    wide = (
        table.filter(pl.col("measure").is_in([EXCLUSION, FALSE_POSITIVE]))
        .pivot("measure", index=[*keys, "threshold"], values="value", aggregate_function="first")
        .drop_nulls([c for c in (EXCLUSION, FALSE_POSITIVE) if c in set(table["measure"])])
    )
    if wide.is_empty() or EXCLUSION not in wide.columns or FALSE_POSITIVE not in wide.columns:
        raise DataError("roc: no threshold has both rates shown. Ask for fewer groups or thresholds farther apart.")
    points = wide.select(*keys, "threshold", pl.col(FALSE_POSITIVE).alias("false_positive_share"),
                         (1 - pl.col(EXCLUSION)).alias("sensitivity_share"))  # fmt: skip
    ends = [
        points.select(keys).unique(maintain_order=True).with_columns(
            pl.lit(None, dtype=pl.Float64).alias("threshold"), pl.lit(v).alias("false_positive_share"),
            pl.lit(v).alias("sensitivity_share"),
        )
        for v in (0.0, 1.0)
    ]  # fmt: skip
    curve = pl.concat([points, *ends]).sort([*keys, "false_positive_share", "sensitivity_share"], nulls_last=True)
    x, y = pl.col("false_positive_share"), pl.col("sensitivity_share")
    area = ((x - x.shift(1)) * (y + y.shift(1)) / 2).sum()
    return curve.with_columns(area.over(keys).alias("area"))


def targeting_from_counts(
    counts: pl.DataFrame | pl.LazyFrame,
    *,
    by: str | Sequence[str] | None = None,
    level: float = 0.95,
    smallest_cell: int | None = None,
) -> pl.DataFrame:
    """Return inclusion and exclusion errors from counts of persons, with Wilson intervals.

    Parameters
    ----------
    counts
        One row per group (and threshold, if one of ``by``): ``n_need_reached``, ``n_need_missed``, ``n_other_reached``,
        ``n_other_missed``, whole numbers of persons, 0 or more.
    by
        Columns that name the rows; default all others.
    level
        Level of the intervals.
    smallest_cell
        As in :func:`targeting_errors`. A row with a smaller cell is not shown, and rows are not protected against being
        subtracted from totals that were published elsewhere.

    Returns
    -------
    polars.DataFrame
        One row per row of counts and measure: the columns of ``by``, ``is_total`` (false), ``measure``, ``value``,
        ``se`` (null), ``lower``, ``upper``, ``level``, ``n``, ``n_effective`` (``n``), ``method`` (``wilson``),
        ``note``.

    Raises
    ------
    SchemaError, DataError
        A column is missing; counts that are missing, negative or not whole (weighted sums are no counts).

    Examples
    --------
    >>> counts = pl.DataFrame({"group": ["60+"], "n_need_reached": [60], "n_need_missed": [20], "n_other_reached": [30],
    ...                        "n_other_missed": [90]})
    >>> targeting_from_counts(counts).select("measure", "value").rows()[:2]
    [('exclusion_error', 0.25), ('inclusion_error', 0.3333333333333333)]

    References
    ----------
    Wilson (1927), Journal of the American Statistical Association 22, 209-212. doi:10.1080/01621459.1927.10502953
    """
    from statsmodels.stats.proportion import proportion_confint

    need_level(level)
    least = _least(smallest_cell)
    lf = lazy(counts)
    schema = need_columns(lf, _CELLS, what="targeting_from_counts")
    need_numbers(schema, _CELLS, what="targeting_from_counts")
    keys = [c for c in schema.names() if c not in _CELLS] if by is None else keys_of(by)
    table = lf.select(*keys, pl.col(_CELLS).cast(pl.Float64)).collect()
    whole = (pl.col(c).is_finite() & (pl.col(c) >= 0) & (pl.col(c) == pl.col(c).floor()) for c in _CELLS)
    odd = table.filter(~pl.all_horizontal(whole).fill_null(False))
    if odd.height:
        raise DataError(
            f"targeting_from_counts: {odd.height} rows have counts that are missing, negative or not whole, the first "
            f"{odd.row(0, named=True)}. Weighted sums are no counts: take targeting_errors with the survey's design."
        )
    if keys and table.select(keys).is_duplicated().any():
        raise DataError(f"targeting_from_counts: a row of {keys} stands twice; add the counts up first.")
    need_in, need_out, other_in, other_out = (pl.col(c) for c in _CELLS)
    over: dict[str, tuple[pl.Expr, pl.Expr]] = {
        EXCLUSION: (need_out, need_in + need_out), INCLUSION: (other_in, need_in + other_in),
        FALSE_POSITIVE: (other_in, other_in + other_out), REACHED: (need_in + other_in, pl.sum_horizontal(_CELLS)),
    }  # fmt: skip
    safe = pl.all_horizontal((pl.col(c) == 0) | (pl.col(c) >= least) for c in _CELLS)
    note = pl.when(~pl.col("_safe")).then(pl.lit(SUPPRESSED)).when(pl.col("_n") == 0).then(pl.lit(EMPTY))
    parts = []
    for name, (hits, n) in over.items():
        rows = table.with_row_index("_i").with_columns(hits.alias("_hits"), n.alias("_n"), safe.alias("_safe"))
        here, of = rows["_hits"].to_numpy(), rows["_n"].to_numpy()
        low, high = proportion_confint(here, np.where(of > 0, of, 1.0), alpha=1 - level, method="wilson")
        is_told = pl.col("_safe") & (pl.col("_n") > 0)
        parts.append(
            rows.with_columns(pl.Series("_low", low), pl.Series("_high", high)).select(
                "_i", *keys, pl.lit(False).alias("is_total"), pl.lit(name).alias("measure"),
                pl.when(is_told).then(pl.col("_hits") / pl.col("_n")).alias("value"),
                pl.lit(None, dtype=pl.Float64).alias("se"), pl.when(is_told).then(pl.col("_low")).alias("lower"),
                pl.when(is_told).then(pl.col("_high")).alias("upper"), pl.when(is_told).then(level).alias("level"),
                pl.when(pl.col("_safe")).then(pl.col("_n").cast(pl.Int64)).alias("n"),
                pl.when(is_told).then(pl.col("_n")).alias("n_effective"),
                pl.when(is_told).then(pl.lit("wilson")).alias("method"), note.alias("note"),
            )
        )  # fmt: skip
    order = {name: i for i, name in enumerate(MEASURES)}
    return pl.concat(parts).sort("_i", pl.col("measure").replace_strict(order, return_dtype=pl.Int64)).drop("_i")
