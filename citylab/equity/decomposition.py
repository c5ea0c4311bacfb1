"""What inequality is made of: groups and sources.

:func:`between_within` parts an index into what lies between groups and what lies within them; :func:`sources` parts the
Gini coefficient of a sum into its sources; the Shapley functions share out any index among what can be equalised, each
at its average effect over all orders. Every table adds up to the index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import polars as pl

from citylab.equity import measures as formulas
from citylab.equity import sampling
from citylab.equity.measures import Estimate, Measure, Ordered
from citylab.equity.sampling import DEFAULT, Errors, Group, Sample
from citylab.errors import DataError, RangeError, RefusalError, SchemaError, suggest
from citylab.frames import Frame, keys_of, lazily
from citylab.stats.survey import sums

if TYPE_CHECKING:
    import numpy.typing as npt

    from citylab.equity.measures import Influence

    Floats = npt.NDArray[np.float64]

GROUP, WITHIN, BETWEEN, OVERLAP, TOTAL = "group", "within", "between", "overlap", "total"
Elimination = Literal["equalise", "remove"]

_PARTS = {
    "component": pl.String(), "population_share": pl.Float64(), "value_share": pl.Float64(), "mean": pl.Float64(),
    "index": pl.Float64(), "contribution": pl.Float64(), "contribution_share": pl.Float64(), "se": pl.Float64(),
    "lower": pl.Float64(), "upper": pl.Float64(), "level": pl.Float64(), "n": pl.Int64(), "n_missing": pl.Int64(),
    "method": pl.String(), "measure": pl.String(),
}  # fmt: skip


def between_within(
    frame: Frame,
    value: str,
    *,
    by: str | Sequence[str],
    weight: str | None = None,
    measure: str | Sequence[str] = "theil_t",
    errors: Errors | None = DEFAULT,
) -> Frame:
    """Return an index parted into what lies within groups and what lies between them.

    For generalised entropies the two add up exactly: *between* is the index if everyone had the mean of their group.
    For the Gini coefficient a third part is left, *overlap*: 0 where the groups lie apart, more where the rich of a
    poor group have more than the poor of a rich one. It is neither within nor between, and is not shared out here
    (:func:`shapley_groups` does).

    Parameters
    ----------
    frame, value, weight
        As in :func:`citylab.equity.inequality.inequality`.
    by
        Columns of groups.
    measure
        One or several of ``"theil_t"``, ``"mld"``, ``"ge(a)"``, ``"gini"``.
    errors
        How errors are made. Linearised ones stand beside the parts of generalised entropies and the total of Gini;
        resampling gives them for all parts.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per measure and group (``component`` *group*), then *within* (their sum), *between*, for Gini *overlap*,
        and *total*; the columns of ``by`` are null there. Columns: ``population_share`` (of weight) and ``value_share``
        [0..1], ``mean`` [unit of the value], ``index`` (the measure within that group, or of the whole),
        ``contribution`` and ``contribution_share`` of the total, ``se``, ``lower``, ``upper``, ``level``, ``n``,
        ``n_missing``, ``method``, ``measure``. Groups without a row that counts are left out. A group in which all
        have 0 has no ``index``, and adds nothing where zeros are allowed at all.

    Raises
    ------
    SchemaError, UnknownNameError
        A column is missing; no grouping column; a measure that is neither a generalised entropy nor Gini.
    DataError
        On collecting: values for which the measure is not defined, in all or in one group; or what
        :func:`citylab.equity.inequality.inequality` refuses.

    Examples
    --------
    >>> five = pl.DataFrame({"income_cny": [10.0, 20.0, 30.0, 40.0, 50.0], "place": ["a", "a", "a", "b", "b"]})
    >>> told = between_within(five, "income_cny", by="place", errors=None)
    >>> told.filter(pl.col("component") != "group").select("component", pl.col("contribution").round(6)).rows()
    [('within', 0.038595), ('between', 0.081093), ('total', 0.119688)]

    References
    ----------
    Shorrocks (1984), Inequality decomposition by population subgroups, Econometrica 52, 1369-1385.
    doi:10.2307/1913511. Lambert and Aronson (1993), Inequality decomposition analysis and the Gini coefficient
    revisited, Economic Journal 103, 1221-1227. doi:10.2307/2234247
    """
    lf, back = lazily(frame)
    keys, what = keys_of(by), "between_within"
    if not keys:
        raise SchemaError(f"{what} needs by=, at least one column of groups.")
    asked = formulas.parsed([measure] if isinstance(measure, str) else measure)
    for m in asked:
        if m.kind not in {"ge", "gini"}:
            raise suggest(m.name, ["theil_t", "mld", "ge(2)", "gini"], what="measure that falls into parts",
                          see="between_within; shapley_groups parts any measure")  # fmt: skip
    schema = sampling.check(
        lf,
        [value],
        by=by,
        weight=weight,
        errors=errors,
        what=what,
    )
    out = pl.Schema({**{c: schema[c] for c in keys}, **_PARTS})

    def work(rows: pl.DataFrame) -> pl.DataFrame:
        # Without errors, generalised entropies need the groups' own sums only, in any order.
        needs_order = errors is not None or any(m.kind == "gini" for m in asked)
        sample = sampling.read(rows, value, weight=weight, by=by, errors=errors, what=what, is_ordered=needs_order)
        pool = pooled(sample) if needs_order else None
        told = pl.concat([_parted(sample, pool, m, errors, keys, out) for m in asked])
        return told.select(out.names())

    columns = sampling.needed([value], by=by, weight=weight, errors=errors)
    return back(lf.select(columns).map_batches(work, schema=out))


def pooled(sample: Sample) -> tuple[Group, npt.NDArray[np.int64]]:
    """Return all groups as one, ordered anew, and each row's group."""
    parts = sample.groups
    key = np.concatenate([g.rows.key for g in parts])
    weight = np.concatenate([g.rows.weight for g in parts])
    # The groups are sorted runs already: a merging sort has little left to do.
    order = np.argsort(key, kind="stable")
    code = np.repeat(np.arange(len(parts)), [g.n for g in parts])[order]
    first = parts[0]
    cell = None if first.cell is None else np.concatenate([g.cell for g in parts if g.cell is not None])[order]
    again = None
    if first.replicates is not None:
        again = np.concatenate([g.replicates for g in parts if g.replicates is not None])[order]
    rows = Ordered(key[order], weight[order], is_sorted=True)
    return Group((), rows, sum(g.n_missing for g in parts), first.design, cell, again), code


def _parted(
    sample: Sample, pool: tuple[Group, npt.NDArray[np.int64]] | None, m: Measure, errors: Errors | None,
    keys: list[str], out: pl.Schema,
) -> pl.DataFrame:  # fmt: skip
    within = [Estimate(0.0) if _adds_nothing(m, g.rows) else m.estimate(g.rows) for g in sample.groups]
    lacking = [(g.name, e.note) for g, e in zip(sample.groups, within, strict=True) if e.value is None]
    if lacking:
        raise DataError(
            f"between_within: {m.name} has no value in group {lacking[0][0]!r}: {lacking[0][1]}. Take a measure that "
            "is defined there, or treat these values first."
        )

    weights = np.array([g.rows.total for g in sample.groups])
    people = weights / weights.sum()
    means = np.array([g.rows.mean for g in sample.groups])
    mean = float(people @ means)
    if mean == 0:
        raise DataError(f"between_within: {m.name} has no value where the mean of all is 0: nobody has anything.")
    shares = [_weight_within(m, p, r) for p, r in zip(people, means / mean, strict=True)]
    own = sum(s * float(e.value or 0.0) for s, e in zip(shares, within, strict=True))
    if m.kind != "gini" and errors is None:
        between = float(m.estimate(Ordered(means, people)).value or 0.0)
        summary = [{"component": c, "value": v} for c, v in ((WITHIN, own), (BETWEEN, between), (TOTAL, own + between))]
    else:
        assert pool is not None
        whole, code = pool
        members = [np.flatnonzero(code == i) for i in range(len(sample.groups))]

        def functional(d: Ordered) -> list[Estimate]:
            return _components(d, code, members, m)

        single = Sample([whole], [], [], pl.Schema())
        names = [WITHIN, BETWEEN, *([OVERLAP] if m.kind == "gini" else []), TOTAL]
        summary = sampling.estimated(single, functional, names, errors, column="component").to_dicts()
    total = summary[-1]["value"]
    rows: list[dict[str, Any]] = []
    for g, e, p, s in zip(sample.groups, within, people, shares, strict=True):
        rows.append({
            **dict(zip(keys, g.name, strict=True)), "component": GROUP, "population_share": float(p),
            "value_share": float(p * g.rows.mean / mean), "mean": g.rows.mean,
            "index": None if _adds_nothing(m, g.rows) else e.value,
            "contribution": s * float(e.value or 0.0), "n": g.n, "n_missing": g.n_missing,
        })  # fmt: skip
    n = sum(g.n for g in sample.groups)
    n_missing = sum(g.n_missing for g in sample.groups) + sum(lost for _, lost in sample.empty)
    for r in summary:
        row = {k: r.get(k) for k in ("component", "se", "lower", "upper", "level", "method")}
        row |= {"contribution": r["value"], "n": n, "n_missing": n_missing}
        if r["component"] == TOTAL:
            row |= {"population_share": 1.0, "value_share": 1.0, "mean": mean, "index": total}
        rows.append(row)
    table = pl.DataFrame([{**r, "measure": m.name} for r in rows], schema=out)
    return table.with_columns(
        pl.when(pl.lit(total != 0)).then(pl.col("contribution") / total).alias("contribution_share")
    )


def _adds_nothing(m: Measure, d: Ordered) -> bool:
    """Return whether a group has no index of its own, because nobody has anything, but a weight of 0 with it."""
    return d.smallest == d.largest == 0 and (m.kind == "gini" or m.parameters[0] > 0)


def _weight_within(m: Measure, people: float, ratio: float) -> float:
    """Weight of a group's own index in the part within: shares of population and of the value."""
    return people * (people * ratio if m.kind == "gini" else ratio ** m.parameters[0])


def _components(
    d: Ordered, code: npt.NDArray[np.int64], members: list[npt.NDArray[np.intp]], m: Measure
) -> list[Estimate]:
    total = m.estimate(d)
    if total.value is None:
        return [Estimate(None, None, total.note)] * (4 if m.kind == "gini" else 3)
    people = sums(code, d.share, len(members))
    amounts = sums(code, d.part, len(members))
    # A draw can leave a group empty: it has no mean then, and no weight either.
    means = np.divide(amounts, people, out=np.full(len(members), d.mean), where=people > 0)
    between = m.estimate(Ordered(means, people)).value
    assert between is not None
    if m.kind == "gini":
        within = 0.0
        for at, p, a in zip(members, people, amounts, strict=True):
            if p > 0 and a > 0:
                own = m.estimate(Ordered(d.key[at], d.weight[at], is_sorted=True)).value
                within += p * a / d.mean * (own or 0.0)
        rest = total.value - within - between
        return [Estimate(within), Estimate(between), Estimate(rest), total]
    alpha = m.parameters[0]
    assert total.influence is not None
    of_total = total.influence

    def of_between(s: slice) -> Floats:
        spread = means[code[s]]
        ratio, off, own = spread / d.mean, (d.value[s] - spread) / d.mean, d.ratio(s)
        log = np.log(ratio, out=np.zeros_like(ratio), where=ratio > 0)
        if alpha == 0:
            return own - 1 - log - off / ratio - between
        if alpha == 1:
            return ratio * log + (log + 1) * off - between - (between + 1) * (own - 1)
        # A group of nothing but zeros has no distance from its mean.
        powers = ratio**alpha + alpha * np.power(ratio, alpha - 1, out=np.zeros_like(ratio), where=ratio > 0) * off
        average = 1 + alpha * (alpha - 1) * between
        return (powers - average - alpha * average * (own - 1)) / (alpha * (alpha - 1))

    return [
        Estimate(total.value - between, lambda s: of_total(s) - of_between(s)),
        Estimate(between, of_between),
        total,
    ]


_SOURCE = {
    "source": pl.String(), "mean": pl.Float64(), "value_share": pl.Float64(), "gini": pl.Float64(),
    "correlation": pl.Float64(), "index": pl.Float64(), "contribution": pl.Float64(),
    "contribution_share": pl.Float64(), "marginal_share": pl.Float64(), "se": pl.Float64(), "lower": pl.Float64(),
    "upper": pl.Float64(), "level": pl.Float64(), "n": pl.Int64(), "n_missing": pl.Int64(), "method": pl.String(),
}  # fmt: skip


def sources(
    frame: Frame,
    columns: Sequence[str],
    *,
    weight: str | None = None,
    by: str | Sequence[str] | None = None,
    errors: Errors | None = DEFAULT,
) -> Frame:
    """Return the Gini coefficient of a sum parted by its sources, after Lerman and Yitzhaki.

    A source adds its share of the total × its own Gini coefficient × its Gini correlation with the rank of the total.

    Parameters
    ----------
    frame
        One row per person or household.
    columns
        Sources of the sum, in one unit; they may be negative (a tax).
    weight, by
        As in :func:`citylab.equity.inequality.inequality`; rows with a gap in any source are left out.
    errors
        How errors of the contributions are made; ``None`` makes none.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group and source: the columns of ``by``, ``source``, ``mean`` [unit of the sources],
        ``value_share`` of the total, ``gini`` and ``correlation`` (null where the mean of the source is not above 0,
        the latter also where all have the same), ``index`` (concentration index along the total; null for a mean of 0),
        ``contribution``, ``contribution_share``, ``marginal_share`` (change of the Gini coefficient, as a share of it,
        per unit of relative growth of the source), ``se``, ``lower``, ``upper`` and ``level`` of the contribution,
        ``n``, ``n_missing``, ``method``. A row *total* closes each group; contributions add up to it.

    Raises
    ------
    SchemaError
        A column is missing or holds no numbers; fewer than two sources.
    DataError
        On collecting: the mean of the total is not above 0.

    Examples
    --------
    >>> two = pl.DataFrame({"wage_cny": [10.0, 20.0, 60.0], "pension_cny": [10.0, 10.0, 10.0]})
    >>> told = sources(two, ["wage_cny", "pension_cny"])
    >>> told["source"].to_list(), told["contribution"].round(6).to_list()
    (['wage_cny', 'pension_cny', 'total'], [0.277778, 0.0, 0.277778])

    References
    ----------
    Lerman and Yitzhaki (1985), Income inequality effects by income source, Review of Economics and Statistics 67,
    151-156. doi:10.2307/1928447
    """
    lf, back = lazily(frame)
    named: list[str] = _sources(columns, "sources")
    schema = sampling.check(lf, named, by=by, weight=weight, errors=errors, what="sources")
    keys = keys_of(by)
    out = pl.Schema({**{c: schema[c] for c in keys}, **_SOURCE})

    def work(rows: pl.DataFrame) -> pl.DataFrame:
        sample = _summed(rows, named, weight, by, "sources", errors)
        told = []
        for at, g in enumerate(sample.groups):
            bounds = sampling.estimated(
                Sample([replace(g, name=())], [], [], pl.Schema()),
                partial(_contributions, g, named),
                [*named, TOTAL],
                errors,
                stream=at,
            )
            found = bounds.select("se", "lower", "upper", "level", "method").to_dicts()
            head = dict(zip(keys, g.name, strict=True))
            told += [head | r | b for r, b in zip(_by_source(g, named), found, strict=True)]
        return pl.DataFrame(told, schema=out)

    return back(lf.select(sampling.needed(named, by=by, weight=weight, errors=errors)).map_batches(work, schema=out))


_SUM = "_sum"


def _sources(columns: Sequence[str], what: str) -> list[str]:
    named = [columns] if isinstance(columns, str) else list(columns)
    if len(named) < 2 or len(set(named)) != len(named) or TOTAL in named:
        raise SchemaError(f"{what} needs at least two columns, each once, none named 'total'; got {named}.")
    return named


def _summed(
    rows: pl.DataFrame, named: list[str], weight: str | None, by: str | Sequence[str] | None, what: str,
    errors: Errors | None = None,
) -> Sample:  # fmt: skip
    both = pl.sum_horizontal((pl.col(c).cast(pl.Float64) for c in named), ignore_nulls=False)
    sample = sampling.read(rows.with_columns(both.alias(_SUM)), _SUM, weight=weight, by=by, errors=errors,
                           others=named, what=what)  # fmt: skip
    for g in sample.groups:
        if g.rows.mean <= 0:
            raise DataError(
                f"{what}: the mean of the total is {g.rows.mean:g} in group {g.name!r}; expected one above 0."
            )
    return sample


def _contributions(group: Group, named: list[str], d: Ordered) -> list[Estimate]:
    """Return what each source adds to the Gini coefficient of the total, and that, with the influence of the rows."""
    from citylab.equity.concentration import index

    told = []
    for c in named:
        absolute = index(Ordered(d.key, d.weight, group.others[c], is_sorted=True), "generalised", None)
        assert absolute.value is not None and absolute.influence is not None
        told.append(_over_the_mean(d, absolute.value, absolute.influence))
    return [*told, formulas.measure("gini").estimate(d)]


def _over_the_mean(d: Ordered, value: float, influence: Influence) -> Estimate:
    share = value / d.mean
    return Estimate(share, lambda s: (influence(s) - share * (d.value[s] - d.mean)) / d.mean)


def _by_source(group: Group, named: list[str]) -> list[dict[str, Any]]:
    from citylab.equity.concentration import index

    d = group.rows
    total = float(formulas.gini(d).value or 0.0)
    told: list[dict[str, Any]] = []
    for c in named:
        along = Ordered(d.key, d.weight, group.others[c], is_sorted=True)
        # What all have alike has no rank; sums of it would leave rounding to divide by.
        is_flat = along.smallest == along.largest
        absolute = 0.0 if is_flat else float(index(along, "generalised", None).value or 0.0)
        own = formulas.gini(Ordered(group.others[c], d.weight)).value if along.mean > 0 else None
        share, part = along.mean / d.mean, absolute / d.mean
        told.append({
            "source": c, "mean": along.mean, "value_share": share, "gini": own,
            "correlation": absolute / (along.mean * own) if own and not is_flat else None,
            "index": absolute / along.mean if along.mean else None, "contribution": part,
            "contribution_share": part / total if total else None,
            "marginal_share": part / total - share if total else None,
        })  # fmt: skip
    told.append({"source": TOTAL, "mean": d.mean, "value_share": 1.0, "gini": total, "index": total,
                 "contribution": total, "contribution_share": 1.0 if total else None})  # fmt: skip
    return [{**r, "n": group.n, "n_missing": group.n_missing} for r in told]


_SHAPLEY = {
    "component": pl.String(), "contribution": pl.Float64(), "contribution_share": pl.Float64(),
    "first": pl.Float64(), "last": pl.Float64(), "measure": pl.String(), "n": pl.Int64(), "n_missing": pl.Int64(),
}  # fmt: skip


def shapley_sources(
    frame: Frame,
    columns: Sequence[str],
    *,
    measure: str = "gini",
    elimination: Elimination = "equalise",
    weight: str | None = None,
    by: str | Sequence[str] | None = None,
) -> Frame:
    """Return any measure of inequality of a sum shared out among its sources by their Shapley values.

    All combinations of sources are made; a source gets the mean, over all orders, of what the measure gains when the
    source joins those before it. Exact, at the cost of 2 to the power of their number distributions.

    Parameters
    ----------
    frame, columns, weight, by
        As in :func:`sources`.
    measure
        Name of a measure, see :func:`citylab.equity.measures.measure`.
    elimination
        What a source is that has not joined: ``equalise`` gives everyone its mean, so that nothing is unequal at the
        start and the mean never changes; ``remove`` takes it away.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per group and source: the columns of ``by``, ``component``, ``contribution``, ``contribution_share``,
        ``first`` (the measure of that source alone), ``last`` (what it adds when it comes last), ``measure``, ``n``,
        ``n_missing``; then a row *total*. Contributions add up to it.

    Raises
    ------
    SchemaError, UnknownNameError
        As in :func:`sources`; a measure or an elimination that there is not.
    RefusalError
        More sources than ``shapley_factors`` in the declared table ``equity_rules``.
    DataError
        On collecting: the measure has no value for some combination, such as a sum with zeros under ``remove``.

    Examples
    --------
    >>> two = pl.DataFrame({"wage_cny": [10.0, 20.0, 60.0], "rent_cny": [0.0, 0.0, 30.0]})
    >>> told = shapley_sources(two, ["wage_cny", "rent_cny"])
    >>> told["contribution"].round(6).to_list()
    [0.277778, 0.166667, 0.444444]

    References
    ----------
    Shorrocks (2013), Decomposition procedures for distributional analysis: a unified framework based on the Shapley
    value, Journal of Economic Inequality 11, 99-126. doi:10.1007/s10888-011-9214-z
    """
    lf, back = lazily(frame)
    what = "shapley_sources"
    named = _sources(columns, what)
    asked = formulas.measure(measure)
    if elimination not in get_args(Elimination):
        raise suggest(str(elimination), get_args(Elimination), what="elimination", see="citylab.equity.decomposition")
    most = int(formulas.rule("shapley_factors"))
    if len(named) > most:
        raise RefusalError(f"{what} makes every combination of sources; {len(named)} are too many, {most} the most. "
                           "Add up those that belong together.")  # fmt: skip
    schema = sampling.check(lf, named, by=by, weight=weight, errors=None, what=what)
    keys = keys_of(by)
    out = pl.Schema({**{c: schema[c] for c in keys}, **_SHAPLEY})

    def work(rows: pl.DataFrame) -> pl.DataFrame:
        sample = _summed(rows, named, weight, by, what)
        told = []
        for g in sample.groups:
            head = dict(zip(keys, g.name, strict=True)) | {"measure": asked.name, "n": g.n, "n_missing": g.n_missing}
            worth = _worths(g, named, asked, elimination)
            told += [head | r for r in shapley(named, worth)]
        return pl.DataFrame(told, schema=out)

    return back(lf.select(sampling.needed(named, by=by, weight=weight, errors=None)).map_batches(work, schema=out))


def _worths(group: Group, named: list[str], m: Measure, elimination: str) -> dict[frozenset[str], float]:
    d = group.rows
    means = {c: float(d.share @ group.others[c]) for c in named}
    worth: dict[frozenset[str], float] = {}
    for size in range(len(named) + 1):
        for chosen in combinations(named, size):
            joined = frozenset(chosen)
            if not chosen:
                worth[joined] = float(m.estimate(Ordered(np.ones(1))).value or 0.0)
                continue
            sums = np.zeros(len(d.key))
            for c in named:
                if c in joined:
                    sums = sums + group.others[c]
                elif elimination == "equalise":
                    sums = sums + means[c]
            told = m.estimate(Ordered(sums, d.weight))
            if told.value is None:
                raise DataError(
                    f"shapley_sources: {m.name} has no value for {' + '.join(chosen)} ({elimination} the rest): "
                    f"{told.note}. Take elimination='equalise' or a measure that is defined there."
                )
            worth[joined] = told.value
    return worth


def shapley(players: Sequence[str], worth: dict[frozenset[str], float]) -> list[dict[str, Any]]:
    """Return exact Shapley values from the worth of every combination.

    Parameters
    ----------
    players
        Names.
    worth
        The worth of each combination, the empty one included.

    Returns
    -------
    list of dict
        One per player with ``component``, ``contribution``, ``contribution_share``, ``first``, ``last``; then the
        total, which is the worth of all less that of none.

    Examples
    --------
    >>> worth = {frozenset(): 0.0, frozenset("a"): 1.0, frozenset("b"): 2.0, frozenset("ab"): 5.0}
    >>> [r["contribution"] for r in shapley("ab", worth)]
    [2.0, 3.0, 5.0]
    """
    names = list(players)
    n, everyone = len(names), frozenset(names)
    if set(worth) != {frozenset(c) for k in range(n + 1) for c in combinations(names, k)}:
        raise RangeError(f"shapley needs the worth of all {2**n} combinations of {names}; got {len(worth)}.")
    total = worth[everyone] - worth[frozenset()]
    rows = []
    for name in names:
        others = [p for p in names if p != name]
        value = sum(
            (worth[frozenset((*before, name))] - worth[frozenset(before)]) / (n * comb(n - 1, size))
            for size in range(n)
            for before in combinations(others, size)
        )
        first = worth[frozenset([name])] - worth[frozenset()]
        rows.append({"component": name, "contribution": value, "contribution_share": value / total if total else None,
                     "first": first, "last": worth[everyone] - worth[everyone - {name}]})  # fmt: skip
    end = {"component": TOTAL, "contribution": total, "contribution_share": 1.0 if total else None}
    return [*rows, {**end, "first": None, "last": None}]


def shapley_groups(
    frame: Frame, value: str, *, by: str | Sequence[str], measure: str = "gini", weight: str | None = None
) -> Frame:
    """Return any measure of inequality shared out between *between* and *within* groups by Shapley values.

    *Within* is taken away by giving everyone the mean of their group, *between* by scaling all groups to one mean.
    Where the two do not add up, as for the Gini coefficient, each gets half of what they leave; nothing remains.

    Parameters
    ----------
    frame, value, by, weight
        As in :func:`between_within`; the mean of every group must be above 0.
    measure
        Name of a measure, see :func:`citylab.equity.measures.measure`.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        Three rows: *within*, *between*, *total*; columns as in :func:`shapley_sources`.

    Examples
    --------
    >>> five = pl.DataFrame({"income_cny": [10.0, 20.0, 30.0, 40.0, 50.0], "place": ["a", "a", "a", "b", "b"]})
    >>> told = shapley_groups(five, "income_cny", by="place", measure="mld")
    >>> told.select("component", pl.col("contribution").round(6)).rows()
    [('within', 0.060021), ('between', 0.081093), ('total', 0.141114)]

    References
    ----------
    Shorrocks (2013), doi:10.1007/s10888-011-9214-z
    """
    lf, back = lazily(frame)
    what = "shapley_groups"
    if not keys_of(by):
        raise SchemaError(f"{what} needs by=, at least one column of groups.")
    asked = formulas.measure(measure)
    sampling.check(lf, [value], by=by, weight=weight, errors=None, what=what)

    def work(rows: pl.DataFrame) -> pl.DataFrame:
        sample = sampling.read(rows, value, weight=weight, by=by, what=what)
        low = [g.name for g in sample.groups if g.rows.mean <= 0]
        if low:
            raise DataError(
                f"{what}: the mean of group {low[0]!r} is not above 0, so it cannot be scaled to the others'."
            )
        parts = [g.rows for g in sample.groups]
        weights = np.concatenate([p.weight for p in parts])
        worlds = {
            frozenset([WITHIN, BETWEEN]): Ordered(np.concatenate([p.key for p in parts]), weights),
            frozenset([WITHIN]): Ordered(np.concatenate([p.key / p.mean for p in parts]), weights),
            frozenset([BETWEEN]): Ordered(np.array([p.mean for p in parts]), np.array([p.total for p in parts])),
            frozenset[str](): Ordered(np.ones(1)),
        }
        worth = {}
        for joined, d in worlds.items():
            told = asked.estimate(d)
            if told.value is None:
                raise DataError(f"{what}: {asked.name} has no value here: {told.note}. Take a measure that is defined.")
            worth[joined] = told.value
        end = {"measure": asked.name, "n": sum(g.n for g in sample.groups),
               "n_missing": sum(g.n_missing for g in sample.groups) + sum(n for _, n in sample.empty)}  # fmt: skip
        return pl.DataFrame([r | end for r in shapley([WITHIN, BETWEEN], worth)], schema=_SHAPLEY)

    columns = sampling.needed([value], by=by, weight=weight, errors=None)
    return back(lf.select(columns).map_batches(work, schema=pl.Schema(_SHAPLEY)))
