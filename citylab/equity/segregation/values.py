"""Values: of the whole, of its units or groups, between and within clusters, and who meets whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import polars as pl
from scipy.special import xlogy

from citylab import tables
from citylab.equity.segregation.counts import SIZES, Table, checked_columns, question, row_of, schema_of, tables_of
from citylab.equity.segregation.formulas import MEASURES, entropy_of, mutual_m_of, over, values_of
from citylab.errors import DataError, suggest
from citylab.frames import Frame, keys_of, lazily

if TYPE_CHECKING:
    import numpy.typing as npt

Of = Literal["unit", "group"]


def segregation(
    frame: Frame,
    *,
    unit: str,
    group: str,
    count: str = "persons",
    focal: Any = None,
    against: Any = None,
    measures: str | Sequence[str] | None = None,
    by: str | Sequence[str] | None = None,
) -> Frame:
    """Return how segregated groups are among units.

    Parameters
    ----------
    frame
        One row per unit and group: how many persons of the group are in the unit. Rows of one unit and group are added
        up, so that a table by school also gives the segregation among districts; a pair without a row counts 0.
    unit, group, count
        Columns of the unit (school, district), of the group, and of persons (0 or more; weighted counts may be broken).
    focal, against
        A group, and the one it is held against (default: all others), for measures of two groups. Without ``focal``
        the measures are of all groups at once.
    measures
        One or several names of the declared table (:func:`measures`); ``"atkinson(0.3)"`` gives its parameter. Default
        the usual ones.
    by
        Columns that part the frame: city, year.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per part and measure: the columns of ``by``, ``measure``, ``value`` (M in nats, others 0 to 1),
        ``persons``, ``n_units``, ``n_groups``, ``n_empty_units`` (left out), ``n_small_units``, ``n_singleton_units``
        (of a single person, alike whatever the segregation), ``note``:

        - ``one_group``, ``one_unit``: nothing to compare; the value is null
        - ``small_units``: many units would hold fewer than five of some group if all were spread evenly; chance alone
          then makes a high value. See :func:`segregation_test`

        Measures of a pair are of its persons only, ``isolation`` and ``interaction`` of everyone in the unit.

    Raises
    ------
    SchemaError
        A column is missing, holds no numbers, or has the name of a result.
    UnknownNameError, RangeError
        A measure or parameter that there is not, ``against`` without ``focal``.
    DataError
        On collecting: a missing, negative or infinite count, a missing name, all counts 0, a group nobody belongs to.

    Notes
    -----
    With counts n, of units t, of groups g, of all T: ``M = Σ n/T ln(n T/(t g))``, ``H = M / E``, E the entropy of the
    groups. Two groups x and y: ``D = ½ Σ |x/X - y/Y|``; the Gini index is twice the area between its segregation curve
    and the diagonal; ``xPy = Σ x/X · y/t``. The multigroup D and Gini index are the means of those of each group
    against all others, weighted with P(1 - P). Parting or joining units of equal composition changes none of them.

    Examples
    --------
    >>> schools = pl.DataFrame({"school": ["a", "a", "b", "b"], "group": ["local", "migrant"] * 2,
    ...                         "persons": [90, 10, 30, 70]})
    >>> segregation(schools, unit="school", group="group", focal="migrant", measures="dissimilarity")["value"].item()
    0.625

    References
    ----------
    Massey and Denton (1988), doi:10.2307/2579183. Reardon and Firebaugh (2002), doi:10.1111/1467-9531.00110. Mora and
    Ruiz-Castillo (2011), doi:10.1111/j.1467-9531.2011.01237.x
    """
    lf, back = lazily(frame)
    q, schema = question(lf, unit, group, count, focal, against, measures, by, "segregation")

    out = schema_of(schema, q.keys, {"measure": pl.String(), "value": pl.Float64(), **SIZES})

    def work(rows: pl.DataFrame) -> pl.DataFrame:
        found = q.tables(rows, "segregation")
        told = [row for t in found for row in q.rows(t, lambda m, c: [{"value": float(v)} for v in values_of(m, c)])]
        return pl.DataFrame(told, schema=out, orient="row")

    return back(lf.select(*q.keys, unit, group, count).map_batches(work, schema=out))


def measures(kind: Literal["multigroup", "two_group"] | None = None) -> pl.DataFrame:
    """Return the declared table of measures, with labels in both languages and sources.

    Examples
    --------
    >>> measures("two_group")["measure"].to_list()[:2]
    ['dissimilarity', 'gini']
    """
    held = tables.read(MEASURES)
    return held if kind is None else held.filter(kind=kind)


def exposure(
    frame: Frame, *, unit: str, group: str, count: str = "persons", by: str | Sequence[str] | None = None
) -> Frame:
    """Return who meets whom: the share of each group in the unit of the average person of a group.

    Parameters
    ----------
    frame, unit, group, count, by
        As in :func:`segregation`.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per part, group and other group: the columns of ``by``, the group, ``other``, ``exposure`` (xPy; a group
        with itself: isolation xPx), ``persons`` (of the group). The exposures of a group add up to 1.

    Raises
    ------
    SchemaError, DataError
        As :func:`segregation`.

    Examples
    --------
    >>> schools = pl.DataFrame({"school": ["a", "a", "b"], "group": ["local", "migrant", "migrant"],
    ...                         "persons": [60, 20, 20]})
    >>> exposure(schools, unit="school", group="group").rows()[2:]
    [('migrant', 'local', 0.375, 40.0), ('migrant', 'migrant', 0.625, 40.0)]

    References
    ----------
    Lieberson (1981), An asymmetrical approach to segregation; Massey and Denton (1988), doi:10.2307/2579183
    """
    lf, back = lazily(frame)
    schema, keys = checked_columns(lf, unit, group, count, by, "exposure"), keys_of(by)

    out = schema_of(schema, keys, {group: schema[group], "other": schema[group], "exposure": pl.Float64(),
                              "persons": pl.Float64()})  # fmt: skip

    def work(rows: pl.DataFrame) -> pl.DataFrame:
        told = []
        for t in tables_of(rows, unit, group, count, keys, "exposure"):
            held = over(t.counts, t.counts.sum(0)).T @ over(t.counts, t.counts.sum(1)[:, None])
            for i, one in enumerate(t.groups):
                persons = float(t.counts[:, i].sum())
                told += [
                    row_of(t, keys, **{group: one, "other": other, "exposure": float(held[i, j]), "persons": persons})
                    for j, other in enumerate(t.groups)
                ]
        return pl.DataFrame(told, schema=out, orient="row")

    return back(lf.select(*keys, unit, group, count).map_batches(work, schema=out))


def local_segregation(
    frame: Frame,
    *,
    unit: str,
    group: str,
    count: str = "persons",
    of: Of = "unit",
    by: str | Sequence[str] | None = None,
) -> Frame:
    """Return what each unit, or each group, adds to the segregation M.

    Parameters
    ----------
    frame, unit, group, count, by
        As in :func:`segregation`.
    of
        ``unit``: how unlike the whole the composition of a unit is. ``group``: how unlike all others a group is spread.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        One row per part and unit (or group): the columns of ``by``, the unit (or group), ``local`` (its local
        segregation, nats, 0 or more), ``share`` (of all persons), ``contribution`` (their product; the sum is M),
        ``contribution_share`` (of M; null if M is 0), ``persons``. Small units have high values by chance.

    Raises
    ------
    SchemaError, UnknownNameError, DataError
        As :func:`segregation`; an ``of`` that there is not.

    Notes
    -----
    Of a unit ``ls = Σ_g p(g|u) ln(p(g|u) / p(g))``; of a group the same with the two changed over.

    Examples
    --------
    >>> schools = pl.DataFrame({"school": ["a", "b", "b"], "group": ["local", "local", "migrant"],
    ...                         "persons": [50, 25, 25]})
    >>> local_segregation(schools, unit="school", group="group")["local"].round(4).to_list()
    [0.2877, 0.1438]

    References
    ----------
    Alonso-Villar and Del Río (2010), Local versus overall segregation measures, Mathematical Social Sciences 60, 30-38.
    Mora and Ruiz-Castillo (2011), doi:10.1111/j.1467-9531.2011.01237.x
    """
    if of not in get_args(Of):
        raise suggest(str(of), get_args(Of), what="thing to part by", see="citylab.equity.segregation.Of")
    lf, back = lazily(frame)
    schema, keys = checked_columns(lf, unit, group, count, by, "local_segregation"), keys_of(by)
    column = unit if of == "unit" else group

    out = schema_of(schema, keys, {column: schema[column], "local": pl.Float64(), "share": pl.Float64(),
                              "contribution": pl.Float64(), "contribution_share": pl.Float64(),
                              "persons": pl.Float64()})  # fmt: skip

    def work(rows: pl.DataFrame) -> pl.DataFrame:
        told = []
        for t in tables_of(rows, unit, group, count, keys, "local_segregation"):
            c, names = (t.counts, t.units) if of == "unit" else (t.counts.T, t.groups)
            inside, n = over(c, c.sum(1)[:, None]), c.sum()
            local = (xlogy(inside, inside) - xlogy(inside, c.sum(0) / n)).sum(1)
            share = c.sum(1) / n
            part = share * local
            whole = over(part, part.sum()) if part.sum() > 0 else np.full(len(part), np.nan)
            values = zip(names, local, share, part, whole, c.sum(1), strict=True)
            told += [
                row_of(t, keys, **{column: name, "local": a, "share": b, "contribution": d, "contribution_share": e,
                                  "persons": f})
                for name, a, b, d, e, f in values
            ]  # fmt: skip
        return pl.DataFrame(told, schema=out, orient="row").with_columns(pl.col("contribution_share").fill_nan(None))

    return back(lf.select(*keys, unit, group, count).map_batches(work, schema=out))


def between_within(
    frame: Frame,
    *,
    unit: str,
    group: str,
    cluster: str,
    count: str = "persons",
    by: str | Sequence[str] | None = None,
) -> Frame:
    """Return how much of M and H lies between clusters of units (cities, districts) and how much within each.

    Parameters
    ----------
    frame, unit, group, count, by
        As in :func:`segregation`.
    cluster
        Column of the cluster; a unit lies in one only.

    Returns
    -------
    polars.LazyFrame or polars.DataFrame
        Rows ``total``, ``between``, ``within``, then one ``cluster`` row per cluster: the columns of ``by``,
        ``component``, ``cluster`` (null in the first three), ``mutual_m``, ``theil_h`` (of the first three: M and H of
        the whole and its parts; of a cluster: its own), ``contribution`` (to M; of a cluster its M times its share of
        persons, which add up to within), ``contribution_share`` (of M; null if M is 0), ``persons``, ``n_units``. H of
        the whole is null if there is one group only, that of a cluster if it holds one group only.

    Raises
    ------
    SchemaError, DataError
        As :func:`segregation`; a unit in two clusters.

    Notes
    -----
    ``M = M_between + Σ_c p_c M_c`` exactly; H is M over the entropy of the whole, in its parts too.

    Examples
    --------
    >>> schools = pl.DataFrame({"town": ["x", "x", "y", "y"], "school": ["a", "b", "c", "d"],
    ...                         "group": ["local", "migrant"] * 2, "persons": [50, 50, 50, 50]})
    >>> parts = between_within(schools, unit="school", group="group", cluster="town")
    >>> parts["component"].to_list()[:3], parts["contribution_share"].round(6).to_list()[:3]
    (['total', 'between', 'within'], [1.0, 0.0, 1.0])

    References
    ----------
    Mora and Ruiz-Castillo (2011), doi:10.1111/j.1467-9531.2011.01237.x
    """
    lf, back = lazily(frame)
    schema, keys = checked_columns(lf, unit, group, count, by, "between_within", cluster), keys_of(by)

    out = schema_of(schema, keys, {"component": pl.String(), "cluster": schema[cluster], "mutual_m": pl.Float64(),
                              "theil_h": pl.Float64(), "contribution": pl.Float64(), "contribution_share": pl.Float64(),
                              "persons": pl.Float64(), "n_units": pl.Int64()})  # fmt: skip

    def work(rows: pl.DataFrame) -> pl.DataFrame:
        lost = rows.filter(pl.col(cluster).is_null())
        if lost.height:
            raise DataError(f"between_within: {lost.height} rows lack their {cluster!r}. Name it or leave them out.")
        at = rows.select(*keys, unit, cluster).unique()
        twice = at.filter(pl.struct(*keys, unit).is_duplicated()).sort(*keys, unit, cluster)
        if twice.height:
            raise DataError(
                f"between_within: unit {twice[unit][0]!r} lies in {twice[cluster][0]!r} and in {twice[cluster][1]!r}. "
                "If names of units repeat in each cluster, join both into one name first."
            )
        told = []
        for t in tables_of(rows, unit, group, count, keys, "between_within"):
            here = at.filter(*(pl.col(k) == v for k, v in zip(keys, t.key, strict=True)))
            home = t.units.to_frame().join(here.select(unit, cluster), on=unit, how="left", maintain_order="left")
            names = home[cluster].unique().sort()
            code = home[cluster].rank("dense").to_numpy() - 1
            told += _parted(t, keys, names, code.astype(np.int64))
        return pl.DataFrame(told, schema=out, orient="row")

    return back(lf.select(*keys, cluster, unit, group, count).map_batches(work, schema=out))


def _parted(t: Table, keys: list[str], names: pl.Series, code: npt.NDArray[np.int64]) -> list[dict[str, Any]]:
    n, entropy, whole = t.counts.sum(), float(entropy_of(t.counts)), float(mutual_m_of(t.counts))
    joined = np.zeros((len(names), t.counts.shape[1]))
    np.add.at(joined, code, t.counts)
    own = [t.counts[code == i] for i in range(len(names))]
    inside = [float(mutual_m_of(c)) for c in own]
    parts = [float(c.sum() / n) * m for c, m in zip(own, inside, strict=True)]

    def row(component: str, name: Any, m: float, e: float, part: float, persons: float, units: int) -> dict[str, Any]:
        return row_of(
            t, keys, component=component, cluster=name, mutual_m=m, theil_h=m / e if e > 0 else None, contribution=part,
            contribution_share=part / whole if whole > 0 else None, persons=persons, n_units=units,
        )  # fmt: skip

    three = {"total": whole, "between": float(mutual_m_of(joined)), "within": sum(parts)}
    told = [row(name, None, m, entropy, m, float(n), len(t.counts)) for name, m in three.items()]
    for name, c, m, part in zip(names, own, inside, parts, strict=True):
        told.append(row("cluster", name, m, float(entropy_of(c)), part, float(c.sum()), len(c)))
    return told
