"""The three levels of the digital divide: who is connected, who uses it and can, who gains.

The index is declared, not built in: indicators, goalposts, directions, weights and what a gap in the answers means
stand in ``equity_index_indicators`` and ``equity_index_levels``, and each function takes tables of your own instead. An
index is a summary of choices; :func:`rank_ranges` shows how far its ranking hangs on them.

Having the internet at home, using it, owning a smartphone and owning a device are different quantities.
:func:`same_concept` refuses to take one for another, and :func:`claims_beside_figures` shows the two claims of the plan
texts beside the nearest published figures, each with what it really measures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import polars as pl

from citylab import tables
from citylab.equity import measures, sampling
from citylab.equity.inequality import inequality
from citylab.equity.sampling import DEFAULT, Errors
from citylab.errors import DataError, RangeError, RefusalError, SchemaError, suggest
from citylab.frames import Frame, columns_of, keys_of, lazily, need_columns, need_numbers, refuse

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

Aggregation = Literal["arithmetic", "geometric"]
Normalisation = Literal["goalposts", "minmax", "zscore", "rank"]

INDICATORS, LEVEL_TABLE, GROUPS = "equity_index_indicators", "equity_index_levels", "equity_index_groups"
CONCEPTS, CLAIMS, SERVICE, RULES = (
    "equity_index_concepts", "equity_index_claims", "equity_service_columns", "equity_index_rules",
)  # fmt: skip
INDEX, NO_DATA, NOT_STATED = "index", "no_data", "not_stated"
MISSING = ("renormalise", "needed")
_NEEDED = ["indicator", "level", "worst", "best", "scale", "weight", "missing", "asked_of", "concept"]


@cache
def rule(name: str) -> float:
    """Return a setting from the declared table ``equity_index_rules``.

    Examples
    --------
    >>> rule("top_score")
    100.0
    """
    return float(tables.read(RULES).row(by_predicate=pl.col("rule") == name, named=True)["value"])


def lazy(frame: pl.DataFrame | pl.LazyFrame) -> pl.LazyFrame:
    """Return a frame as a LazyFrame, where what comes back is no frame of its kind.

    Examples
    --------
    >>> lazy(pl.DataFrame({"days": [7]})).collect_schema().names()
    ['days']
    """
    return frame if isinstance(frame, pl.LazyFrame) else lazily(frame)[0]


# ------------------------------------------------------------------------------------------------- the declared index


def indicators(table: pl.DataFrame | None = None, *, levels: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return the declared indicators of the index, checked.

    Parameters
    ----------
    table
        Indicators of your own with the columns of ``equity_index_indicators`` (``least`` and ``most`` may be left out);
        default the declared ones.
    levels
        Levels of your own with the columns of ``equity_index_levels``; default the declared ones.

    Returns
    -------
    polars.DataFrame
        One row per indicator; see the head of the table.

    Raises
    ------
    DataError
        Goalposts that are equal or cannot be on their scale, weights that are not above 0, an indicator twice, a rule
        for gaps or a level that there is not, a level without an indicator.
    RefusalError
        A column that stands for a concept other than its declared one.

    Examples
    --------
    >>> indicators().group_by("level", maintain_order=True).len().rows()
    [('access', 4), ('use', 3), ('outcome', 3)]
    """
    held = tables.read(INDICATORS) if table is None else table
    schema = need_columns(held.lazy(), _NEEDED, what="indicators")
    need_numbers(schema, ["worst", "best", "weight", *(c for c in ("least", "most") if c in schema)], what="indicators")
    if held.is_empty():
        raise DataError("indicators: the table has no rows. An index needs at least one indicator in each level.")
    known = _levels(levels)["level"].to_list()
    names = held["indicator"].to_list()
    for r in held.iter_rows(named=True):
        name = r["indicator"]
        ends = (r["worst"], r["best"])
        if any(e is None or not math.isfinite(e) for e in ends) or ends[0] == ends[1]:
            raise DataError(f"indicators: {name!r} goes from {ends[0]} to {ends[1]}; expected two different numbers.")
        least, most = _bounds(r)
        if any(e is not None and not (least is None or e >= least) for e in ends) or any(
            e is not None and not (most is None or e <= most) for e in ends
        ):
            raise DataError(f"indicators: {name!r} goes from {ends[0]} to {ends[1]}, beyond its {least} to {most}.")
        if r["scale"] not in {"linear", "log"}:
            raise suggest(str(r["scale"]), ["linear", "log"], what="scale", see=f"datasets/codes/{INDICATORS}.csv")
        if r["scale"] == "log" and min(ends) <= 0:
            raise DataError(f"indicators: {name!r} is on a log scale, but its goalposts are {ends}; expected above 0.")
        if r["weight"] is None or not (math.isfinite(r["weight"]) and r["weight"] > 0):
            raise DataError(f"indicators: the weight of {name!r} is {r['weight']}; expected above 0, or drop the row.")
        if r["missing"] not in MISSING:
            raise suggest(str(r["missing"]), MISSING, what="rule for gaps", see=f"datasets/codes/{INDICATORS}.csv")
        if r["level"] not in known:
            raise suggest(str(r["level"]), known, what="level", see=f"datasets/codes/{LEVEL_TABLE}.csv")
        if r["asked_of"] is not None and (r["asked_of"] not in names or r["asked_of"] == name):
            raise suggest(str(r["asked_of"]), names, what="indicator that explains a gap", see="the table's indicators")
    if held["indicator"].is_duplicated().any():
        raise DataError("indicators: an indicator stands twice; give each one row.")
    without = [level for level in known if level not in held["level"].to_list()]
    if without:
        raise DataError(f"indicators: level {without[0]!r} has no indicator. Add one, or drop the level from levels=.")
    declared = dict(tables.read(CONCEPTS).select("column", "concept").iter_rows())
    for r in held.iter_rows(named=True):
        if declared.get(r["indicator"], r["concept"]) != r["concept"]:
            raise RefusalError(
                f"indicators: {r['indicator']!r} measures {declared[r['indicator']]!r}, not {r['concept']!r}. Take a "
                "column that measures what the indicator stands for, or name the indicator after what it is."
            )
    return held


def _levels(table: pl.DataFrame | None) -> pl.DataFrame:
    held = tables.read(LEVEL_TABLE) if table is None else table
    needed = ["level", "weight", "least_observed_share"]
    need_numbers(need_columns(held.lazy(), needed, what="levels"), needed[1:], what="levels")
    for r in held.iter_rows(named=True):
        if r["weight"] is None or not (math.isfinite(r["weight"]) and r["weight"] > 0):
            raise DataError(f"levels: the weight of {r['level']!r} is {r['weight']}; expected above 0.")
        if r["least_observed_share"] is None or not 0 <= r["least_observed_share"] <= 1:
            raise DataError(
                f"levels: least_observed_share of {r['level']!r} is {r['least_observed_share']}; expected 0 to 1."
            )
        if r["level"] in {INDEX, None}:
            raise DataError(f"levels: a level is called {r['level']!r}, which is the name of the whole; rename it.")
    if held.is_empty() or held["level"].is_duplicated().any():
        raise DataError("levels: there is none, or one stands twice.")
    return held


def _normalised(row: Mapping[str, Any]) -> pl.Expr:
    """Return the score of an indicator, 0 to 100, null where it was not observed."""
    x = pl.col(row["indicator"]).cast(pl.Float64).fill_nan(None)
    worst, best = float(row["worst"]), float(row["best"])
    if row["scale"] == "log":
        # 0 or less has no logarithm: it lies beyond the lower goalpost, whichever that is.
        x = x.clip(lower_bound=min(worst, best)).log()
        worst, best = math.log(worst), math.log(best)
    return ((x - worst) / (best - worst)).clip(0, 1) * rule("top_score")


def level_scores(
    frame: Frame,
    *,
    aggregation: Aggregation = "arithmetic",
    table: pl.DataFrame | None = None,
    levels: pl.DataFrame | None = None,
) -> Frame:
    """Return a frame with its scores on the three levels and the index, row by row.

    Parameters
    ----------
    frame
        One row per person, household or area, with a column for each indicator.
    aggregation
        How levels make the index: ``arithmetic`` lets one level make up for another, ``geometric`` only in part (a
        level of 0 makes the index 0). Indicators within a level are averaged.
    table, levels
        Indicators and levels; default the declared ones.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        The frame with ``<indicator>_score`` for each indicator, ``<level>_score`` and ``<level>_observed_share`` (part
        of the level's weight that was observed, 0 to 1) for each level, and ``index_score``; scores run from 0 (worst
        goalpost) to 100 (best). A level is null where less was observed than declared or a needed indicator is missing;
        the index where a level is null.

    Raises
    ------
    SchemaError
        A column is missing or holds no numbers. An indicator that was not asked has a column of nulls, or no row in
        the table.
    DataError
        On collecting: infinite values, or values that no true one can be (``least``, ``most`` of the table; a share
        lies between 0 and 1): percent, or a code for no answer.

    Examples
    --------
    >>> two = pl.DataFrame({"skill_pct": [40.0, None], "days": [7, 0]})
    >>> own = pl.DataFrame({"indicator": ["skill_pct", "days"], "level": "use", "worst": [0, 0], "best": [100, 7],
    ...     "scale": "linear", "weight": [1, 1], "missing": "renormalise", "asked_of": ["days", None],
    ...     "concept": ["skills", "internet_use"]})
    >>> one = pl.DataFrame({"level": ["use"], "weight": [1], "least_observed_share": [0.6]})
    >>> level_scores(two, table=own, levels=one)["use_score"].to_list()
    [70.0, 0.0]

    References
    ----------
    OECD and JRC (2008), Handbook on Constructing Composite Indicators, steps 5 and 6. doi:10.1787/9789264043466-en
    """
    _known(aggregation, Aggregation, "aggregation")
    held, tiers = indicators(table, levels=levels), _levels(levels)
    lf, back = lazily(frame)
    names = held["indicator"].to_list()
    schema = need_columns(lf, names, what="level_scores")
    numeric = [c for c in names if schema[c] != pl.Boolean()]
    need_numbers(schema, numeric, what="level_scores")
    lf = _sound(lf, held.filter(pl.col("indicator").is_in(numeric)))
    lf = lf.with_columns(_normalised(r).alias(f"_n_{r['indicator']}") for r in held.iter_rows(named=True))
    top = rule("top_score")
    lf = lf.with_columns(
        (pl.col(f"_n_{r['indicator']}") if r["asked_of"] is None else
         pl.when(pl.col(f"_n_{r['indicator']}").is_null() & (pl.col(f"_n_{r['asked_of']}") == 0)).then(0.0)
         .otherwise(pl.col(f"_n_{r['indicator']}"))).alias(f"{r['indicator']}_score")
        for r in held.iter_rows(named=True)
    ).drop([f"_n_{c}" for c in names])  # fmt: skip
    for tier in tiers.iter_rows(named=True):
        rows = held.filter(level=tier["level"])
        scores = [pl.col(f"{c}_score") for c in rows["indicator"]]
        weights = [float(w) / float(rows["weight"].sum()) for w in rows["weight"]]
        seen = pl.sum_horizontal(s.is_not_null() * w for s, w in zip(scores, weights, strict=True))
        total = pl.sum_horizontal(s.fill_null(0.0) * w for s, w in zip(scores, weights, strict=True))
        needed = [pl.col(f"{c}_score").is_not_null() for c in rows.filter(missing="needed")["indicator"]]
        # Weights that add up to the least share by rounding only are enough.
        enough = (seen + measures.rule("bounds_tolerance") >= tier["least_observed_share"]) & (seen > 0)
        enough = pl.all_horizontal(enough, *needed)
        lf = lf.with_columns(
            pl.when(enough).then((total / seen).clip(0, top)).alias(f"{tier['level']}_score"),
            seen.clip(0, 1).alias(f"{tier['level']}_observed_share"),
        )
    return back(lf.with_columns(_index(tiers, aggregation).alias("index_score")))


def _known(given: str, kind: Any, what: str) -> None:
    if given not in get_args(kind):
        raise suggest(str(given), get_args(kind), what=what, see="citylab.equity.levels")


def _bounds(row: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Return what no true value of an indicator can leave: declared, or that of a share by its name."""
    ends = row.get("least"), row.get("most")
    return (0.0, 1.0) if ends == (None, None) and row["indicator"].endswith("_share") else ends


def _sound(lf: pl.LazyFrame, held: pl.DataFrame) -> pl.LazyFrame:
    for r in held.iter_rows(named=True):
        c, (least, most) = r["indicator"], _bounds(r)
        bad = pl.col(c).cast(pl.Float64).is_infinite()
        # A mean of ones may pass 1 by rounding.
        near = measures.rule("bounds_tolerance")
        bad = bad if least is None else bad | (pl.col(c) < least - near)
        bad = bad if most is None else bad | (pl.col(c) > most + near)

        def say(rows: pl.DataFrame, c: str = c, ends: tuple[float | None, float | None] = (least, most)) -> str:
            within = "-" if ends[0] is None else f"{ends[0]:g}", "-" if ends[1] is None else f"{ends[1]:g}"
            return (
                f"level_scores: {rows.height} rows of {c!r} cannot be, the first {rows[c][0]}; expected finite numbers "
                f"from {within[0]} to {within[1]}. A share runs from 0 to 1 (divide percent by 100), and a code for no "
                "answer is a null."
            )

        lf = lf.filter(refuse(bad, c, message=say))
    return lf


def _index(tiers: pl.DataFrame, aggregation: Aggregation) -> pl.Expr:
    total = float(tiers["weight"].sum())
    parts = [(pl.col(f"{r['level']}_score"), float(r["weight"]) / total) for r in tiers.iter_rows(named=True)]
    top = rule("top_score")
    if aggregation == "arithmetic":
        value = pl.sum_horizontal(s.fill_null(0.0) * w for s, w in parts)
    else:
        value = (pl.sum_horizontal((s / top).fill_null(0.0).log() * w for s, w in parts)).exp() * top
    return pl.when(pl.all_horizontal(s.is_not_null() for s, _ in parts)).then(value)


# ------------------------------------------------------------------------------------------------- by group and place


def scores(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    by: str | Sequence[str] | None = None,
    place: str | None = None,
    weight: str | None = None,
    errors: Errors | None = DEFAULT,
    aggregation: Aggregation = "arithmetic",
    table: pl.DataFrame | None = None,
    levels: pl.DataFrame | None = None,
    groups: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return mean scores on each level by group and place, with intervals; nobody is left out quietly.

    Under 18, 60 and over, people with a disability and people of low income always have their rows, ``no_data`` where
    the frame has none of them.

    Parameters
    ----------
    frame
        One row per person, with the columns of the indicators.
    by
        Further columns of groups, each taken by itself, not crossed. The groupings of ``groups`` (``age_band``,
        ``disability``, ``income_band``) are always taken.
    place
        Column of places; every group then has a row in each place.
    weight
        Column of survey weights, 0 or more.
    errors
        How errors are made: strata, PSUs, replicate weights, bootstrap. ``None`` makes none, for a full count.
    aggregation, table, levels
        As in :func:`level_scores`.
    groups
        Groups that always have a row, with the columns of ``equity_index_groups``; default the declared ones.

    Returns
    -------
    polars.DataFrame
        One row per place, group and level: the column of ``place``, ``grouping`` (``all`` for everybody), ``group``
        (``not_stated`` where the answer is missing), ``level`` (a level or ``index``), ``value``, ``se``, ``lower``,
        ``upper`` [points of 0 to 100], ``confidence_level``, ``n``, ``n_missing`` (rows without that score),
        ``n_effective``, ``method``, ``note`` (``no_data``, ``one_unit``, ...). Bounds are held within 0 to 100.

    Raises
    ------
    SchemaError, DataError
        As in :func:`level_scores` and :func:`citylab.equity.inequality.inequality`.

    Notes
    -----
    A score is compared between groups only as well as its answers are complete: ``n_missing`` says how many had none.

    Examples
    --------
    >>> rows = pl.DataFrame({"days": [7, 0, 7, 7], "age_band": ["60+", "60+", "18-59", "18-59"]})
    >>> own = pl.DataFrame({"indicator": ["days"], "level": "use", "worst": [0], "best": [7], "scale": "linear",
    ...     "weight": [1], "missing": "needed", "asked_of": [None], "concept": ["internet_use"]})
    >>> one = pl.DataFrame({"level": ["use"], "weight": [1], "least_observed_share": [1.0]})
    >>> told = scores(rows, table=own, levels=one).filter(level="use")
    >>> told.filter(pl.col("grouping") != "all").select("group", "value", "note").rows()[:4]
    [('under_18', None, 'no_data'), ('18-59', 100.0, None), ('60+', 50.0, None), ('with_disability', None, 'no_data')]
    """
    obliged = tables.read(GROUPS) if groups is None else groups
    need_columns(obliged.lazy(), ["grouping", "group", "rank", "is_obliged"], what="scores")
    lf = lazy(frame)
    schema = lf.collect_schema()
    further = keys_of(by)
    places = keys_of(place)
    need_columns(lf, [*further, *places], what="scores")
    taken = sorted({"grouping", "group", "level"} & {*places, *further})
    if taken:
        raise SchemaError(f"scores: the column {taken[0]!r} has the name of a column of the result; rename it.")
    told = _levels(levels)
    names = [*told["level"].to_list(), INDEX]
    scored = [f"{n}_score" for n in names]
    held = level_scores(lf, aggregation=aggregation, table=table, levels=levels)
    groupings = list(dict.fromkeys([*obliged["grouping"].to_list(), *further]))
    here = [g for g in groupings if g in schema]
    columns = sampling.needed(scored, by=[*places, *here], weight=weight, errors=errors)
    need_columns(held, columns, what="scores")
    rows = held.select(columns).collect()
    if rows.is_empty():
        raise DataError("scores: the frame has no rows. Check the filter before it.")
    parts = [_grouped(rows, names, None, places, weight, errors)]
    parts += [_grouped(rows, names, g, places, weight, errors) for g in here]
    told_rows = pl.concat(parts)
    stand = rows.select(places).unique().sort(places) if places else pl.DataFrame({"_one": [0]})
    return _with_obliged(told_rows, obliged, stand, groupings, here, names, places)


def _grouped(
    rows: pl.DataFrame, names: Sequence[str], grouping: str | None, places: list[str], weight: str | None,
    errors: Errors | None,
) -> pl.DataFrame:  # fmt: skip
    keys = [*places, *([] if grouping is None else [grouping])]
    parts = []
    for name in names:
        column = f"{name}_score"
        weighs = pl.lit(True) if weight is None else pl.col(weight) > 0
        if rows.select((pl.col(column).is_not_null() & weighs).any()).item():
            told = inequality(rows, column, weight=weight, by=keys or None, measures=["mean"], errors=errors)
            told = told.drop("measure")
        else:
            counted = rows.group_by(keys).len("n_missing") if keys else rows.select(pl.len().alias("n_missing"))
            told = counted.with_columns(
                pl.col("n_missing").cast(pl.Int64), pl.lit(0, dtype=pl.Int64).alias("n"),
                *(pl.lit(None, dtype=t).alias(c) for c, t in sampling.RESULT.items() if c not in {"n", "n_missing"}),
            ).select(*keys, *sampling.RESULT)  # fmt: skip
        parts.append(told.with_columns(pl.lit(name).alias("level_name")))
    top = rule("top_score")
    group = pl.lit("all") if grouping is None else pl.col(grouping).cast(pl.String).fill_null(NOT_STATED)
    note = pl.when(pl.col("value").is_null()).then(pl.lit(NO_DATA)).otherwise(pl.col("note"))
    return pl.concat(parts).select(
        *places, pl.lit("all" if grouping is None else grouping).alias("grouping"), group.alias("group"),
        pl.col("level_name").alias("level"), "value", "se", pl.col("lower", "upper").clip(0, top),
        pl.col("level").alias("confidence_level"), "n", "n_missing", "n_effective", "method", note.alias("note"),
    )  # fmt: skip


def _with_obliged(
    told: pl.DataFrame, obliged: pl.DataFrame, stand: pl.DataFrame, groupings: Sequence[str], here: Sequence[str],
    names: Sequence[str], places: list[str],
) -> pl.DataFrame:  # fmt: skip
    """Add rows of declared groups that are not there, and order all."""
    must = obliged.filter(pl.col("is_obliged") | pl.col("grouping").is_in(list(here))).select("grouping", "group")
    tier = pl.DataFrame({"level": names})
    every = stand.select(places).join(must, how="cross") if places else must
    every = every.join(tier, how="cross")
    keys = [*places, "grouping", "group", "level"]
    absent = every.join(told, on=keys, how="anti", nulls_equal=True).with_columns(
        pl.lit(NO_DATA).alias("note"),
        pl.lit(0, dtype=pl.Int64).alias("n"),
        pl.lit(0, dtype=pl.Int64).alias("n_missing"),
    )
    whole = pl.concat([told, absent], how="diagonal").select(told.columns)
    order = pl.DataFrame({"grouping": ["all", *groupings], "_g": range(len(groupings) + 1)})
    return (
        whole.join(order, on="grouping", how="left")
        .join(obliged.select("grouping", "group", pl.col("rank").alias("_r")), on=["grouping", "group"], how="left")
        .join(pl.DataFrame({"level": names, "_l": range(len(names))}), on="level", how="left")
        .sort([*places, "_g", "_r", "group", "_l"], nulls_last=True)
        .drop("_g", "_r", "_l")
    )


# ------------------------------------------------------------------------------------------------- robustness


def rank_ranges(
    frame: pl.DataFrame | pl.LazyFrame,
    unit: str,
    *,
    normalisations: Sequence[Normalisation] = ("goalposts", "minmax", "zscore", "rank"),
    aggregations: Sequence[Aggregation] = ("arithmetic", "geometric"),
    spread: float | None = None,
    draws: int | None = None,
    seed: int = 0,
    table: pl.DataFrame | None = None,
    levels: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return how far the rank of each unit hangs on weights, normalisation and aggregation.

    Each draw takes weights within ``spread`` around the declared ones (of indicators and of levels, uniform, then
    scaled to add up to 1), one of the normalisations and one of the aggregations, all with equal chance.

    Parameters
    ----------
    frame
        One row per unit (place or group), with a column for each indicator: its mean or share there.
    unit
        Column that names the units.
    normalisations
        ``goalposts``: the declared ones. ``minmax``: from the least to the greatest unit. ``zscore``: 50 plus 10 per
        standard deviation, held within 0 to 100. ``rank``: 0 the worst unit, 100 the best.
    aggregations
        How levels make the index, see :func:`level_scores`.
    spread
        Width of the draws as a share of a weight, 0 to 1; default in ``equity_index_rules``. 0 keeps the weights.
    draws, seed
        Number of draws, and what makes them; the same seed gives the same draws.
    table, levels
        Indicators and levels; default the declared ones.

    Returns
    -------
    polars.DataFrame
        One row per unit, best first: ``unit``, ``index_score`` and ``rank`` as declared (goalposts, declared weights,
        first aggregation; 1 is best, equal scores share the lower number), ``rank_median``, ``rank_lower``,
        ``rank_upper`` (interval of ``confidence_level`` over the draws), ``first_share`` (draws in which it is first),
        ``n_draws``, ``note`` (``no_data``: an indicator is missing, so the unit has no rank).

    Raises
    ------
    DataError
        Fewer complete units than can be ranked, or a unit twice.
    RangeError
        A spread or a number of draws that cannot be.

    Notes
    -----
    The interval is of choices, not of sampling: :func:`scores` has the sampling errors.

    Examples
    --------
    >>> rows = pl.DataFrame({"place": ["a", "b", "c"], "days": [7, 3, 1], "skill_pct": [90, 20, 40]})
    >>> own = pl.DataFrame({"indicator": ["skill_pct", "days"], "level": "use", "worst": [0, 0], "best": [100, 7],
    ...     "scale": "linear", "weight": [1, 1], "missing": "needed", "asked_of": [None, None],
    ...     "concept": ["skills", "internet_use"]}, schema_overrides={"asked_of": pl.String})
    >>> one = pl.DataFrame({"level": ["use"], "weight": [1], "least_observed_share": [1.0]})
    >>> rank_ranges(rows, "place", table=own, levels=one, draws=200).select("place", "rank_lower", "rank_upper").row(0)
    ('a', 1.0, 1.0)

    References
    ----------
    Saisana, Saltelli and Tarantola (2005), Uncertainty and sensitivity analysis techniques as tools for the quality
    assessment of composite indicators, Journal of the Royal Statistical Society A 168, 307-323.
    doi:10.1111/j.1467-985X.2005.00350.x
    """
    wide = rule("weight_spread") if spread is None else float(spread)
    count = int(rule("rank_draws")) if draws is None else int(draws)
    if not 0 <= wide <= 1:
        raise RangeError(f"spread is {spread}; expected a share of a weight, 0 to 1.")
    if count < 1:
        raise RangeError(f"{count} draws are none; expected 1 or more.")
    for names, kind, what in (
        (normalisations, Normalisation, "normalisation"),
        (aggregations, Aggregation, "aggregation"),
    ):
        if isinstance(names, str) or not names:
            raise RangeError(f"Name at least one {what} in a list; got {names!r}.")
        for name in names:
            _known(name, kind, what)
    held, tiers = indicators(table, levels=levels), _levels(levels)
    lf = lazy(frame)
    need_columns(lf, [unit], what="rank_ranges")
    rows = level_scores(lf, aggregation=aggregations[0], table=table, levels=levels).collect()
    if rows[unit].is_duplicated().any() or rows[unit].null_count():
        raise DataError(f"rank_ranges: a unit in {unit!r} is missing or stands twice; expected one row each.")
    scored = [f"{c}_score" for c in held["indicator"]]
    complete = rows.select(pl.all_horizontal(pl.col(scored).is_not_null())).to_series()
    usable = rows.filter(complete)
    if usable.height < rule("least_units"):
        raise DataError(
            f"rank_ranges: {usable.height} of {rows.height} units have all indicators; a ranking needs "
            f"{rule('least_units'):.0f}. Take a table with the indicators that were observed."
        )
    goalposts = usable.select(scored).to_numpy()
    raw = _raw(usable, held)
    forms = [_form(n, goalposts, raw) for n in normalisations]
    level_of = np.array([tiers["level"].to_list().index(x) for x in held["level"]])
    drawn = _ranks_drawn(forms, level_of, held, tiers, aggregations, wide, count, seed)
    nominal = usable["index_score"].to_numpy()
    tail = (1 - rule("rank_level")) / 2
    low = np.quantile(drawn, tail, axis=0, method="inverted_cdf")
    middle = np.quantile(drawn, 0.5, axis=0)
    high = np.quantile(drawn, 1 - tail, axis=0, method="inverted_cdf")
    told = usable.select(unit, "index_score").with_columns(
        pl.Series("rank", _ranks(nominal[None, :])[0]), pl.Series("rank_median", middle),
        pl.Series("rank_lower", low.astype(np.float64)), pl.Series("rank_upper", high.astype(np.float64)),
        pl.lit(rule("rank_level")).alias("confidence_level"), pl.Series("first_share", (drawn == 1).mean(axis=0)),
        pl.lit(count, dtype=pl.Int64).alias("n_draws"), pl.lit(None, dtype=pl.String).alias("note"),
    )  # fmt: skip
    lost = rows.filter(~complete).select(unit, pl.lit(NO_DATA).alias("note"))
    return pl.concat([told.sort("rank", unit), lost], how="diagonal")


def _raw(rows: pl.DataFrame, held: pl.DataFrame) -> Floats:
    """Return indicators so that more is better, a log scale in logarithms; gaps that were explained as the worst."""
    out = []
    for r in held.iter_rows(named=True):
        x = rows[r["indicator"]].cast(pl.Float64).fill_nan(None)
        x = x.fill_null(float(r["worst"])).to_numpy()
        if r["scale"] == "log":
            x = np.log(np.maximum(x, min(r["worst"], r["best"])))
        out.append(x if r["best"] > r["worst"] else -x)
    return np.column_stack(out)


def _form(name: Normalisation, goalposts: Floats, raw: Floats) -> Floats:
    top = rule("top_score")
    if name == "goalposts":
        return goalposts
    if name == "minmax":
        span = np.ptp(raw, axis=0)
        return np.where(span > 0, (raw - raw.min(axis=0)) / np.where(span > 0, span, 1.0), 0.5) * top
    if name == "zscore":
        sd = raw.std(axis=0, ddof=1)
        z = np.where(sd > 0, (raw - raw.mean(axis=0)) / np.where(sd > 0, sd, 1.0), 0.0)
        return np.clip(rule("zscore_middle") + rule("zscore_step") * z, 0, top)
    from scipy.stats import rankdata

    return np.asarray((rankdata(raw, axis=0) - 1) / (len(raw) - 1) * top, dtype=np.float64)


def _ranks(values: Floats) -> Floats:
    """Return ranks along the rows, 1 the greatest; equal values (to rounding) share the lower number."""
    from scipy.stats import rankdata

    digits = -math.floor(math.log10(measures.rule("bounds_tolerance")))
    return np.asarray(rankdata(-np.round(values, digits), axis=1, method="min"), dtype=np.float64)


def _ranks_drawn(
    forms: Sequence[Floats], level_of: npt.NDArray[np.int64], held: pl.DataFrame, tiers: pl.DataFrame,
    aggregations: Sequence[str], spread: float, count: int, seed: int,
) -> Floats:  # fmt: skip
    rng = np.random.default_rng(seed)
    weights = held["weight"].cast(pl.Float64).to_numpy() * rng.uniform(1 - spread, 1 + spread, (count, held.height))
    between = tiers["weight"].cast(pl.Float64).to_numpy() * rng.uniform(1 - spread, 1 + spread, (count, tiers.height))
    between /= between.sum(axis=1, keepdims=True)
    form, way = rng.integers(len(forms), size=count), rng.integers(len(aggregations), size=count)
    values = np.stack(forms)[form]  # draw, unit, indicator
    by_level = []
    for at in range(tiers.height):
        w = weights[:, level_of == at]
        by_level.append(np.einsum("dui,di->du", values[:, :, level_of == at], w / w.sum(axis=1, keepdims=True)))
    scored = np.stack(by_level, axis=2)  # draw, unit, level
    plain = np.einsum("dul,dl->du", scored, between)
    with np.errstate(divide="ignore"):
        bent = np.exp(np.einsum("dul,dl->du", np.log(scored / rule("top_score")), between)) * rule("top_score")
    is_bent = np.array([a == "geometric" for a in aggregations])[way]
    return _ranks(np.where(is_bent[:, None], bent, plain))


# ------------------------------------------------------------------------------------------------- concepts and claims


def same_concept(columns: str | Sequence[str], *, table: pl.DataFrame | None = None) -> str:
    """Return what columns measure, or refuse to take them for one quantity.

    Parameters
    ----------
    columns
        Names of columns on digital access.
    table
        What columns measure, with the columns of ``equity_index_concepts``; default the declared one.

    Raises
    ------
    RefusalError
        They measure different things: having the internet, using it, owning a smartphone, owning a device.
    UnknownNameError
        A column of which it is not declared what it measures.

    Examples
    --------
    >>> same_concept(["internet_use_rural_pct", "internet_use_60plus_pct"])
    'internet_use_cnnic'
    >>> same_concept(["smart_device_use_60plus_pct", "internet_use_60plus_pct"])
    Traceback (most recent call last):
    ...
    citylab.errors.RefusalError: 'smart_device_use_60plus_pct' measures smart_device (use of smart devices; ...
    """
    held = tables.read(CONCEPTS) if table is None else table
    known = {r["column"]: r for r in held.iter_rows(named=True)}
    names = columns_of(columns)
    for name in names:
        if name not in known:
            raise suggest(name, known, what="column on digital access", see=f"datasets/codes/{CONCEPTS}.csv")
    first = known[names[0]]
    for name in names[1:]:
        other = known[name]
        if other["concept"] != first["concept"]:
            raise RefusalError(
                f"{names[0]!r} measures {first['concept']} ({first['definition_en']}), {name!r} measures "
                f"{other['concept']} ({other['definition_en']}). They are different quantities: show them side by "
                "side, do not pool or subtract them."
            )
    return str(first["concept"])


def pooled(
    frame: Frame, columns: Sequence[str], *, keep: str | Sequence[str] | None = None, table: pl.DataFrame | None = None
) -> Frame:
    """Return columns of one concept below each other; columns of different concepts are refused.

    Parameters
    ----------
    frame
        Any frame with the columns.
    columns, table
        As in :func:`same_concept`.
    keep
        Columns that stay beside each value.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per row and column: those of ``keep``, ``column``, ``concept``, ``population``, ``value`` [unit of the
        columns].

    Raises
    ------
    RefusalError, UnknownNameError
        As in :func:`same_concept`; RefusalError also for columns of different units.

    Examples
    --------
    >>> rows = pl.DataFrame({"internet_use_rural_pct": [57.6], "internet_use_60plus_pct": [43.2]})
    >>> pooled(rows, list(rows.columns)).select("population", "value").rows()
    [('rural residents', 57.6), ('persons aged 60 and over', 43.2)]
    """
    concept = same_concept(columns, table=table)
    units = {c.rpartition("_")[2] for c in columns if c.endswith(("_pct", "_share"))}
    if len(units) > 1:
        raise RefusalError(f"pooled: {list(columns)} are in percent and in shares; bring them to one unit first.")
    lf, back = lazily(frame)
    fixed: list[str] = keys_of(keep)
    need_columns(lf, [*fixed, *columns], what="pooled")
    of = (tables.read(CONCEPTS) if table is None else table).select("column", "population").lazy()
    long = lf.select(*fixed, *columns).unpivot(on=list(columns), index=fixed, variable_name="column")
    joined = long.join(of, on="column", how="left", maintain_order="left")
    return back(joined.select(*fixed, "column", pl.lit(concept).alias("concept"), "population", "value"))


def claims_beside_figures(*, table: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return the claims of the plan texts on the digital divide beside the nearest published figures.

    A claim has no source, date or place of its own and is no observation: it may be a scenario's parameter, never data.

    Parameters
    ----------
    table
        Claims with the columns of ``equity_index_claims``; default the declared ones.

    Returns
    -------
    polars.DataFrame
        One row per claim and figure: ``claim_id``, ``claim_column``, ``claim_pct``, ``claim_date`` (null: undated),
        ``claim_concept``, ``claim_definition_en`` and ``_zh``, ``figure_column``, ``figure_pct``, ``relation`` (``is``,
        or ``above``: the source gives a lower bound), ``figure_date``, ``place_en`` and ``_zh``, ``figure_concept``,
        ``figure_definition_en`` and ``_zh``, ``is_same_concept``, ``difference_en`` and ``_zh``, ``dataset`` (that
        holds the figure, if one does), ``source``, ``mark``. There is no column of differences: unlike quantities are
        not subtracted.

    Raises
    ------
    UnknownNameError
        A column of which it is not declared what it measures.

    Examples
    --------
    >>> told = claims_beside_figures()
    >>> told["is_same_concept"].any(), sorted(set(told["claim_pct"]))
    (False, [38, 45])
    """
    held = tables.read(CLAIMS) if table is None else table
    sides = ["claim", "figure"]
    need_columns(held.lazy(), [f"{s}_{c}" for s in sides for c in ("column", "pct")], what="claims_beside_figures")
    known = tables.read(CONCEPTS).select("column", "concept", "definition_en", "definition_zh")
    for side in sides:
        for name in held[f"{side}_column"]:
            if name not in known["column"].to_list():
                raise suggest(str(name), known["column"].to_list(), what="column on digital access", see=CONCEPTS)
        of = known.rename({c: f"{side}_{c}" for c in known.columns})
        held = held.join(of, on=f"{side}_column", how="left", maintain_order="left")
    return held.with_columns((pl.col("claim_concept") == pl.col("figure_concept")).alias("is_same_concept"))


# ------------------------------------------------------------------------------------------------- quality of service


def service_quality(frame: Frame, *, table: pl.DataFrame | None = None) -> Frame:
    """Return a table of service quality after checking its four columns: coverage, bandwidth, latency, continuity.

    Parameters
    ----------
    frame
        One row per area and service; ``coverage_share`` [0..1 of the persons], ``bandwidth_mbps`` [Mbit/s],
        ``latency_ms`` [ms], ``continuity_share`` [0..1 of the time]. A column that was not measured holds nulls.
    table
        The columns and their bounds, as in ``equity_service_columns``; default the declared ones.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        The frame with ``service_missing``: the columns without a value, parted by commas, "" where all four are there.

    Raises
    ------
    SchemaError
        One of the four is not there, or holds no numbers: a service that is only covered is not described.
    DataError
        On collecting: a value outside its bounds, such as a share in percent, or a latency of 0.

    Examples
    --------
    >>> rows = pl.DataFrame({"coverage_share": [0.9], "bandwidth_mbps": [80.0], "latency_ms": [None],
    ...                      "continuity_share": [0.999]}, schema_overrides={"latency_ms": pl.Float64})
    >>> service_quality(rows)["service_missing"].item()
    'latency_ms'
    """
    held = tables.read(SERVICE) if table is None else table
    names = held["column"].to_list()
    lf, back = lazily(frame)
    schema = need_columns(lf, dict(held.select("column", "definition_en").iter_rows()), what="service_quality")
    need_numbers(schema, names, what="service_quality")
    every: list[dict[str, Any]] = held.rows(named=True)
    for r in every:
        x = pl.col(r["column"]).cast(pl.Float64)
        bad = ~x.is_finite()
        if r["lower"] is not None:
            # A time of 0 is a gap that was written as a number.
            bad = bad | (x < r["lower"]) | ((x == 0) if r["unit"] == "ms" else pl.lit(False))
        if r["upper"] is not None:
            bad = bad | (x > r["upper"])

        lf = lf.filter(refuse(bad, r["column"], message=partial(_beyond, r)))
    gaps = pl.concat_list(pl.when(pl.col(c).is_null()).then(pl.lit(c)) for c in names).list.drop_nulls().list.join(",")
    return back(lf.with_columns(gaps.alias("service_missing")))


def _beyond(r: Mapping[str, Any], rows: pl.DataFrame) -> str:
    bounds = f"{r['lower']} to {r['upper']}" if r["upper"] is not None else f"{r['lower']} or more"
    above = ", above 0" if r["unit"] == "ms" else ""
    return (
        f"service_quality: {rows.height} values of {r['column']!r} cannot be, the first {rows[r['column']][0]}; "
        f"expected {bounds} [{r['unit']}]{above}. Percent is divided by 100; what was not measured is null."
    )
