"""Who gains: credits and money by group of people, how concentrated they are, and what a card instead of a phone does.

Everything begins with a table of *people*, not of accounts: who claims nothing counts, with a credit of 0. What a head
of a group is credited is then the product of two parts that call for different remedies, *participation* (the share
of people with a credit) and *intensity* (the credit of one who takes part). Results stand under the mean and the
replacement baseline side by side, because the two reward different trips.

Intervals are of the sampling of people. The factors behind the credits are shared by all people: their error
(:func:`citylab.carbon.inclusive.crediting.totals`) moves all amounts together, and indices and shares little.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import polars as pl

from citylab import tables
from citylab.carbon.inclusive import crediting, worth
from citylab.carbon.inclusive.methodologies import MARKS, Baseline, Methodology
from citylab.equity import concentration as along
from citylab.equity import inequality as front
from citylab.equity import sampling
from citylab.equity.measures import Estimate, Ordered
from citylab.equity.sampling import DEFAULT, Errors
from citylab.errors import DataError, RangeError, SchemaError, suggest
from citylab.frames import Frame, lazily, need_columns, need_numbers

Grouping = Literal["district", "age_group", "income_decile", "has_smartphone", "metro_band"]
GROUPINGS: dict[str, str] = {
    "district": "residence_adcode", "age_group": "age_group", "income_decile": "income_decile",
    "has_smartphone": "has_smartphone", "metro_band": "metro_distance_km",
}  # fmt: skip
"""Declared groupings, and the column of the people that each is made of."""
BASELINES: tuple[Baseline, ...] = get_args(Baseline)
WHOLE = "all"
"""Group of all people, the first row of a result."""
NO_DATA, FEW_PERSONS, FEW_PARTICIPANTS, NO_PARTICIPANTS = (
    "no_data", "few_persons", "few_participants", "no_participants",
)  # fmt: skip
PERSON_COLUMNS = (
    "account", "residence_adcode", "age_group", "is_60_plus", "income_decile", "has_car", "has_smartphone",
    "is_registered", "metro_distance_km", "is_synthetic",
)  # fmt: skip
"""What a trip of a travel table says of its traveller; :func:`people_of` takes those that are there."""
CARD, CARD_ACTS = "transit_card", ("bus", "metro")
"""Proof that needs no phone, and the modes that it proves."""

_CREDITED = {
    "account": "who earns it",
    "credit_co2_kg": "credit, 0 or more, kg CO2",
    "baseline_kind": "mean or replacement",
}
_PARTS = ("participation_share", "intensity_co2_kg", "credit_per_head_co2_kg", "value_per_head_cny")
_NUMBERS = {
    "person_count": pl.Int64(), "participant_count": pl.Int64(), "population_share": pl.Float64(),
    "credit_share": pl.Float64(), "credit_co2_kg": pl.Float64(), "value_cny": pl.Float64(),
    **{f"{p}{end}": pl.Float64() for p in _PARTS for end in ("", "_low", "_high")},
}  # fmt: skip
_ON, _HAS, _AMOUNT, _UNIT = "_on", "_has", "_amount", "_unit"


def rule(name: str) -> float:
    """Return a limit of the declared table ``inclusive_gains_rules``.

    Examples
    --------
    >>> rule("least_persons")
    30.0
    """
    return float(tables.read("inclusive_gains_rules").filter(rule=name)["value"].item())


# people and what each was credited


def people_of(trips: Frame) -> Frame:
    """Return the people of a travel table, one row each.

    Parameters
    ----------
    trips
        One row per trip with ``account`` and what it says of the traveller (:data:`PERSON_COLUMNS`).

    Returns
    -------
    polars.DataFrame or polars.LazyFrame
        One row per account, in the order of the table. Who made no trip is not in a table of trips: add these people
        where a survey knows of them, or participation is that among travellers.

    Raises
    ------
    DataError
        An account whose trips disagree about the traveller (on collecting).

    Examples
    --------
    >>> people_of(pl.DataFrame({"account": ["a", "a", "b"], "is_60_plus": [True, True, False]})).rows()
    [('a', True), ('b', False)]
    """
    lf, back = lazily(trips)
    schema = need_columns(lf, {"account": "who travels"}, what="people_of")
    told = lf.select(c for c in PERSON_COLUMNS if c in schema).unique(maintain_order=True)

    def once(rows: pl.DataFrame) -> pl.DataFrame:
        if twice := _repeated(rows):
            raise DataError(
                f"people_of: the trips of account {twice!r} tell two things of their traveller. Give people as a table "
                "of their own, one row each."
            )
        return rows

    return back(told.map_batches(once))


def _repeated(people: pl.DataFrame) -> str | None:
    twice = people.filter(pl.col("account").is_duplicated())["account"]
    return None if twice.is_empty() else str(twice[0])


def per_person(credited: Frame, people: Frame, *, price_cny_t: float | None = None) -> Frame:
    """Return the people with what each was credited.

    Parameters
    ----------
    credited
        Result of :func:`citylab.carbon.inclusive.crediting.credit`, one row per activity: ``account``,
        ``credit_co2_kg``, ``baseline_kind``; ``factor_mark`` and ``is_synthetic`` are handed on.
    people
        One row per person: ``account`` and whatever groups are made of. Who is not among the credited has a credit
        of 0; nobody is left out.
    price_cny_t
        Price of a tonne [CNY/t], for ``value_cny``; without one there is no such column.

    Returns
    -------
    polars.DataFrame or polars.LazyFrame
        The people in their order with ``activity_count``, ``credit_co2_kg``, ``is_participant`` (has a credit),
        ``value_cny``, ``baseline_kind``, ``factor_mark`` (the least sure), ``is_synthetic`` (true if the credits or
        any person are).

    Raises
    ------
    SchemaError
        A column is missing or holds no numbers.
    UnknownNameError
        A baseline that there is not.
    DataError
        A credit that is negative, missing or no number, credits of two baselines, an account twice
        among the people, or a credited account that is not among them.

    Examples
    --------
    >>> credited = pl.DataFrame({"account": ["a", "a"], "credit_co2_kg": [0.5, 0.25], "baseline_kind": ["mean"] * 2})
    >>> people = pl.DataFrame({"account": ["a", "b"], "is_60_plus": [False, True]})
    >>> per_person(credited, people).select("account", "credit_co2_kg", "is_participant").rows()
    [('a', 0.75, True), ('b', 0.0, False)]
    """
    lf, back = lazily(people)
    need_columns(lf, {"account": "one row per person"}, what="per_person")
    given, _ = lazily(credited)
    schema = need_columns(given, _CREDITED, what="per_person")
    need_numbers(schema, ["credit_co2_kg"], what="per_person")
    clash = [c for c in ("credit_co2_kg", "is_participant", "baseline_kind") if c in lf.collect_schema()]
    if clash:
        raise SchemaError(f"per_person: the people have the column {clash[0]!r} already. Drop it; it is made here.")
    wanted = [c for c in (*_CREDITED, "factor_mark", "is_synthetic") if c in schema]
    told, persons = given.select(wanted).collect(), lf.collect()
    of_credits, of_people = told.schema["account"], persons.schema["account"]
    if pl.Null not in (of_credits, of_people) and of_credits != of_people:
        raise SchemaError(f"per_person: 'account' is {of_credits} in the credits and {of_people} among the people.")
    told = told.with_columns(pl.col("account").cast(of_people))
    return back(_held(told, persons, price_cny_t).lazy())


def _held(told: pl.DataFrame, persons: pl.DataFrame, price_cny_t: float | None) -> pl.DataFrame:
    kind, mark = _checked(told, persons)
    synthetic = any(f["is_synthetic"].fill_null(False).any() for f in (told, persons) if "is_synthetic" in f.columns)
    sums = told.group_by("account").agg(
        pl.len().cast(pl.Int64).alias("activity_count"), pl.col("credit_co2_kg").cast(pl.Float64).sum()
    )
    held = persons.join(sums, on="account", how="left", maintain_order="left").with_columns(
        pl.col("activity_count").fill_null(0), pl.col("credit_co2_kg").fill_null(0.0)
    )
    held = held.with_columns(is_participant=pl.col("credit_co2_kg") > 0)
    if price_cny_t is not None:
        held = worth.value(held, price_cny_t=price_cny_t)
    return held.with_columns(
        baseline_kind=pl.lit(kind, pl.String), factor_mark=pl.lit(mark, pl.String), is_synthetic=pl.lit(synthetic)
    )


def _checked(told: pl.DataFrame, persons: pl.DataFrame) -> tuple[str | None, str | None]:
    """Return the baseline and the least sure mark of credits that can be used."""
    amount = pl.col("credit_co2_kg").cast(pl.Float64)
    bad = told.filter(amount.is_null() | ~amount.is_finite() | (amount < 0))
    if bad.height:
        raise DataError(
            f"{bad.height} credits cannot be, the first is {bad['credit_co2_kg'][0]} kg of {bad['account'][0]!r}; "
            "expected 0 or more. Take them from credit(): what is not eligible earns 0."
        )
    kinds = told["baseline_kind"].unique().sort().to_list()
    for kind in kinds:
        if kind not in BASELINES:
            raise suggest(str(kind), BASELINES, what="kind of baseline", see="citylab.policy.inclusive.gains.BASELINES")
    if len(kinds) > 1:
        raise DataError(
            f"The credits are under {' and '.join(kinds)} baselines. Take one at a time, or side_by_side()."
        )
    if persons.is_empty():
        raise DataError("There are no people: the table has no rows. Check the filter before it.")
    if persons["account"].null_count():
        raise DataError(f"{persons['account'].null_count()} people have no account. Give each a pseudonym.")
    if (twice := _repeated(persons)) is not None:
        raise DataError(f"The account {twice!r} stands twice among the people; expected one row per person.")
    strangers = told.filter(pl.col("credit_co2_kg") > 0).join(persons, on="account", how="anti")
    if strangers.height:
        raise DataError(
            f"{strangers['account'].n_unique()} credited accounts are not among the people, the first is "
            f"{strangers['account'][0]!r}: their credits would vanish. Add them, or leave their activities out."
        )
    marks: list[str] = []
    if "factor_mark" in told.columns:  # of what was credited; a refused act may have a factor nobody knows
        marks = [m for m in told.filter(pl.col("credit_co2_kg") > 0)["factor_mark"].unique() if m in MARKS]
    return (kinds[0] if kinds else None), (max(marks, key=MARKS.index) if marks else None)


# groups


def groups(grouping: Grouping, *, table: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return the groups of a declared grouping in their order, those that may be empty included.

    Parameters
    ----------
    grouping
        ``district``, ``age_group``, ``income_decile``, ``has_smartphone`` or ``metro_band`` (bands of 800 m).
    table
        Groups of your own, as in the declared table ``inclusive_groups``. Districts are those in force.

    Returns
    -------
    polars.DataFrame
        One row per group: ``group``, ``label_zh``, ``label_en``, ``lower``, ``upper`` (ends of a band),
        ``is_overlapping``.

    Examples
    --------
    >>> groups("age_group")["group"].to_list()
    ['0-14', '15-59', '60-64', '65-79', '80+', '60+']
    """
    if grouping not in GROUPINGS:
        raise suggest(grouping, GROUPINGS, what="grouping", see="citylab.policy.inclusive.gains.GROUPINGS")
    columns = ("group", "label_zh", "label_en", "lower", "upper", "is_overlapping")
    if grouping == "district":
        none = pl.lit(None, pl.Float64)
        return tables.read("districts").filter(pl.col("valid_to").is_null()).sort("adcode").select(
            pl.col("adcode").alias("group"), pl.col("district_name_zh").alias("label_zh"),
            pl.col("district_name_en").alias("label_en"), none.alias("lower"), none.alias("upper"),
            is_overlapping=pl.lit(False),
        )  # fmt: skip
    known = tables.read("inclusive_groups") if table is None else table
    rows = known.filter(pl.col("grouping") == grouping).sort("rank")
    return rows.select(*(pl.col(c).cast(pl.Float64) if c in {"lower", "upper"} else c for c in columns))


def _group_of(grouping: str, known: pl.DataFrame) -> pl.Expr:
    """Return the group of a person as text; null where it is not known."""
    column = pl.col(GROUPINGS[grouping])
    if grouping != "metro_band":
        return column.cast(pl.String)
    column = column.cast(pl.Float64).fill_nan(None)  # NaN would count as farther than all
    found = pl.lit(None, pl.String)
    for name, low, high in known.select("group", "lower", "upper").iter_rows():
        inside = column >= low if high is None else (column >= low) & (column < high)
        found = pl.when(inside).then(pl.lit(name)).otherwise(found)
    return found


def _prepared(
    held: pl.DataFrame, by: str | None, table: pl.DataFrame | None
) -> tuple[pl.DataFrame, pl.DataFrame]:  # fmt: skip
    """Return the people with their group, and the groups that a result has."""
    if by is None:
        return held.with_columns(pl.lit(None, pl.String).alias(_ON)), groups("district").clear()
    if by in GROUPINGS:
        column = GROUPINGS[by]
        if column not in held.columns:
            raise SchemaError(f"Groups by {by!r} need the column {column!r}; the people have {held.columns}.")
        known = groups(by, table=table)  # type: ignore[arg-type]
        rows = held.with_columns(_group_of(by, known).alias(_ON))
        lost = pl.col(column).is_not_null() & ~pl.col(_ON).is_in(known["group"].to_list()).fill_null(False)
        strange = rows.filter(lost)
        if strange.height:
            raise DataError(
                f"{strange.height} people have the {column} {strange[column][0]!r}, which is no group of {by!r} "
                f"({', '.join(known['group'].to_list())}). Correct it, give groups of your own by table=, or group by "
                "another column."
            )
        return rows, known
    if by not in held.columns:
        raise suggest(by, [*GROUPINGS, *held.columns], what="grouping or column", see="the columns of the people")
    rows = held.with_columns(pl.col(by).cast(pl.String).alias(_ON))
    names = rows[_ON].drop_nulls().unique().sort()
    none = pl.lit(None, pl.Float64)
    return rows, pl.DataFrame({"group": names, "label_zh": names, "label_en": names}).with_columns(
        none.alias("lower"), none.alias("upper"), is_overlapping=pl.lit(False)
    )


def _over_groups(
    rows: pl.DataFrame, known: pl.DataFrame, by: str | None, estimate: Callable[[pl.DataFrame], pl.DataFrame]
) -> pl.DataFrame:  # fmt: skip
    """Return one row for all people, then one per group with its labels, and one for people of no known group."""
    parts = [estimate(rows.with_columns(pl.lit(WHOLE).alias(_ON)))]
    if by is not None:
        parts.append(estimate(rows))
    for name, low in known.filter("is_overlapping").select("group", "lower").iter_rows():
        inside = known.filter(~pl.col("is_overlapping") & (pl.col("lower") >= low))["group"].to_list()
        # All rows go in, so that a design keeps its sampling units.
        own = rows.with_columns(pl.when(pl.col(_ON).is_in(inside)).then(pl.lit(name)).alias(_ON))
        parts.append(estimate(own).filter(pl.col(_ON) == name))
    found = pl.concat(parts)
    labels = [known.select("group", "label_zh", "label_en", "is_overlapping")]
    labels.insert(0, _label(WHOLE, "全部", "All", True))
    if by is not None and found[_ON].null_count():
        labels.append(_label(None, "未知", "not known", False))
    return pl.concat(labels).join(
        found, left_on="group", right_on=_ON, how="left", nulls_equal=True, maintain_order="left"
    )


def _label(group: str | None, zh: str, en: str, is_overlapping: bool) -> pl.DataFrame:
    return pl.DataFrame(
        {"group": [group], "label_zh": [zh], "label_en": [en], "is_overlapping": [is_overlapping]},
        schema_overrides={"group": pl.String},
    )


def _price(price_cny_t: float) -> float:
    """Return the price of a kilogram, refusing one that cannot be."""
    one = pl.DataFrame({"credit_co2_kg": [1.0]})
    return float(worth.value(one, price_cny_t=price_cny_t)["value_cny"].item())


# two parts: participation and intensity


def by_group(
    credited: Frame, people: Frame, *, by: Grouping | str | None, price_cny_t: float, weight: str | None = None,
    errors: Errors = DEFAULT, table: pl.DataFrame | None = None,
) -> Frame:  # fmt: skip
    """Return credits and money by group, parted into participation and intensity.

    Parameters
    ----------
    credited, people
        As in :func:`per_person`.
    by
        A declared grouping (:data:`GROUPINGS`), each of whose groups has a row even where nobody is in it, or any
        column of the people. ``None``: all people only.
    price_cny_t
        Price of a tonne [CNY/t]; no price of carbon-inclusive credits was found, see
        :func:`citylab.carbon.inclusive.worth.prices`.
    weight
        Column of survey weights of the people.
    errors
        How intervals are made: linearised, by a design (strata, sampling units) or by bootstrap over people.
    table
        Groups of your own, as in ``inclusive_groups``.

    Returns
    -------
    polars.DataFrame or polars.LazyFrame
        One row for all people (``group`` ``all``), then one per group. ``grouping``, ``group``, labels,
        ``is_overlapping`` (``60+`` holds other groups), ``person_count``, ``participant_count``,
        ``population_share``, ``credit_share``, ``credit_co2_kg`` and ``value_cny`` (sums), ``participation_share``,
        ``intensity_co2_kg`` (credit of a participant), ``credit_per_head_co2_kg``, ``value_per_head_cny``, each of
        these four with ``_low`` and ``_high``; ``level``, ``price_cny_t``, ``baseline_kind``, ``factor_mark``,
        ``is_synthetic`` and ``note``: ``no_data`` (nobody of the group is among the people), ``few_persons``,
        ``no_participants``, ``few_participants``. People whose group is not known are in the group null.

    Raises
    ------
    SchemaError, UnknownNameError, DataError
        As in :func:`per_person`; a column of the grouping is missing; a value that is no group.
    RangeError
        A price that is negative or no number.

    Notes
    -----
    ``credit per head = participation x intensity`` holds in each row, with weights too. The interval of participation
    is Korn and Graubard's (Clopper and Pearson's with the effective number of people), so that nobody among twenty is
    not zero with certainty. The other intervals are made on a log scale, with as many degrees of freedom as there are
    participants (sampling units with participants) less one: amounts that most people have none of and few have much
    of are too skewed for symmetric ones. Where fewer than three take part there is none. The bootstrap's are
    percentiles.

    Examples
    --------
    >>> credited = pl.DataFrame({"account": ["a", "b"], "credit_co2_kg": [2.0, 1.0], "baseline_kind": ["mean"] * 2})
    >>> people = pl.DataFrame({"account": list("abcd"), "is_60_plus": [False, False, False, True]})
    >>> told = by_group(credited, people, by="is_60_plus", price_cny_t=100)
    >>> told.select("group", "participant_count", "intensity_co2_kg", "credit_per_head_co2_kg", "note").rows()
    [('all', 2, 1.5, 0.75, 'few_persons'), ('false', 2, 1.5, 1.0, 'few_persons'), ('true', 0, None, 0.0, 'few_persons')]

    References
    ----------
    Korn and Graubard (1998), Confidence intervals for proportions with small expected number of positive counts,
    Survey Methodology 24, 193-201. Two parts: Duan, Manning, Morris and Newhouse (1983), doi:10.2307/1391852
    """
    held = _collected(per_person(credited, people, price_cny_t=price_cny_t))
    return lazily(people)[1](_by_group(held, by, price_cny_t, weight, errors, table).lazy())


def _collected(frame: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    return frame.collect() if isinstance(frame, pl.LazyFrame) else frame


def _by_group(
    held: pl.DataFrame, by: str | None, price_cny_t: float, weight: str | None, errors: Errors,
    table: pl.DataFrame | None,
) -> pl.DataFrame:  # fmt: skip
    rows, known = _prepared(held, by, table)
    rows = rows.with_columns(
        pl.col("is_participant").cast(pl.Float64).alias(_HAS),
        pl.col("credit_co2_kg").alias(_AMOUNT),
        (pl.col(weight).cast(pl.Float64).fill_nan(None).fill_null(0.0) if weight else pl.lit(1.0)).alias(_UNIT),
    )
    done = _over_groups(rows, known, by, lambda frame: _two_parts(frame, weight, errors))
    total = done.row(0, named=True)
    price = _price(price_cny_t)
    of_all = pl.col("credit_co2_kg") / total["credit_co2_kg"] if total["credit_co2_kg"] > 0 else pl.lit(None)
    done = done.with_columns(
        pl.col("person_count", "participant_count").fill_null(0),
        (pl.col("_weight") / total["_weight"]).alias("population_share"),
        of_all.alias("credit_share"),
        (pl.col("credit_co2_kg") * price).alias("value_cny"),
        *((pl.col(f"{_PARTS[2]}{end}") * price).alias(f"{_PARTS[3]}{end}") for end in ("", "_low", "_high")),
    ).with_columns(note=_note())
    labelled = _labelled(done, held).with_columns(
        pl.lit(by or WHOLE).alias("grouping"), pl.lit(errors.level).alias("level"),
        pl.lit(float(price_cny_t)).alias("price_cny_t"),
    )  # fmt: skip
    return labelled.select(
        "grouping", "group", "label_zh", "label_en", "is_overlapping",
        *(pl.col(c).cast(t) for c, t in _NUMBERS.items()), "level", "price_cny_t", "baseline_kind", "factor_mark",
        "note", "is_synthetic",
    )  # fmt: skip


def _note() -> pl.Expr:
    n, k = pl.col("person_count"), pl.col("participant_count")
    return (
        pl.when(n == 0).then(pl.lit(NO_DATA))
        .when(n < rule("least_persons")).then(pl.lit(FEW_PERSONS))
        .when(k == 0).then(pl.lit(NO_PARTICIPANTS))
        .when(k < rule("least_participants")).then(pl.lit(FEW_PARTICIPANTS))
    )  # fmt: skip


def _two_parts(rows: pl.DataFrame, weight: str | None, errors: Errors) -> pl.DataFrame:
    """Return counts, participation, intensity and credit per head, one row per value of the group column."""
    counted = rows.filter(pl.col(_UNIT) > 0)
    sums = counted.group_by(_ON).agg(
        pl.len().cast(pl.Int64).alias("person_count"),
        pl.col("is_participant").sum().cast(pl.Int64).alias("participant_count"),
        pl.col(_UNIT).sum().alias("_weight"), (pl.col(_AMOUNT) * pl.col(_UNIT)).sum().alias("credit_co2_kg"),
    )  # fmt: skip

    def means(value: str, by: list[str]) -> pl.DataFrame:
        return front.inequality(rows, value, by=by, measures=["mean"], weight=weight, errors=errors)

    part = means(_HAS, [_ON])
    low, high = _proportion(part, errors.level)
    part = part.select(
        _ON, pl.col("value").alias(_PARTS[0]), low.alias(f"{_PARTS[0]}_low"), high.alias(f"{_PARTS[0]}_high")
    )
    # Participants are a domain of the people, so that a design counts units without any.
    intensity = means(_AMOUNT, [_ON, "is_participant"]).filter("is_participant").drop("is_participant")
    units = _units(counted.filter("is_participant"), errors)
    done = sums.join(part, on=_ON, how="left", nulls_equal=True)
    for name, told in ((_PARTS[1], intensity), (_PARTS[2], means(_AMOUNT, [_ON]))):
        done = done.join(_skewed(told, units, name, errors), on=_ON, how="left", nulls_equal=True)
    return done


def _units(rows: pl.DataFrame, errors: Errors) -> pl.DataFrame:
    """Return how many independent rows, or sampling units, of each group stand behind a mean."""
    of = pl.len() if errors.psu is None else pl.struct(errors.columns).n_unique()
    return rows.group_by(_ON).agg(of.cast(pl.Int64).alias("_units"))


def _skewed(told: pl.DataFrame, units: pl.DataFrame, name: str, errors: Errors) -> pl.DataFrame:
    """Return means of amounts of 0 or more with ends on a log scale; none where too few have any."""
    from scipy.special import stdtrit

    rows = told.join(units, on=_ON, how="left", nulls_equal=True, maintain_order="left")
    least = rule("least_for_interval")
    ends: list[tuple[float | None, float | None]] = []
    for value, se, low, high, n in rows.select("value", "se", "lower", "upper", "_units").iter_rows():
        if value is None or se is None or value <= 0 or n is None or n < least:
            ends.append((None, None))
        elif errors.method == "bootstrap":
            ends.append((low, high))
        else:
            wide = math.exp(float(stdtrit(n - 1, (1 + errors.level) / 2)) * se / value)
            ends.append((value / wide, value * wide))
    low_high = pl.DataFrame(ends, schema={f"{name}_low": pl.Float64(), f"{name}_high": pl.Float64()}, orient="row")
    return pl.concat([rows.select(_ON, pl.col("value").alias(name)), low_high], how="horizontal")


def _proportion(part: pl.DataFrame, level: float) -> tuple[pl.Series, pl.Series]:
    """Return Korn and Graubard's ends of shares: exact ones of a binomial of the effective size."""
    from statsmodels.stats.proportion import proportion_confint

    ends: list[tuple[float | None, float | None]] = []
    for share, se, kish in part.select("value", "se", "n_effective").iter_rows():
        if share is None:
            ends.append((None, None))
            continue
        size = kish
        plain = share * (1 - share) / (kish - 1) if kish > 1 else 0.0
        if se is not None and se > 0 and plain > 0:
            # A design that does better than drawing people is not counted on.
            size = 1 + (kish - 1) / max(se**2 / plain, 1.0)
        low, high = proportion_confint(share * size, size, alpha=1 - level, method="beta")
        ends.append((0.0 if share == 0 else float(low), 1.0 if share == 1 else float(high)))
    schema = {"low": pl.Float64(), "high": pl.Float64()}
    told = pl.DataFrame([e for e in ends], schema=schema, orient="row")
    return told["low"], told["high"]


def side_by_side(
    trips: Frame, people: Frame, *, by: Grouping | str | None, methodology: str | Path | Methodology, asof: dt.date,
    price_cny_t: float, baselines: Sequence[Baseline] = BASELINES, weight: str | None = None, errors: Errors = DEFAULT,
    table: pl.DataFrame | None = None, **options: Any,
) -> Frame:  # fmt: skip
    """Return :func:`by_group` under the mean and the replacement baseline, one below the other.

    Parameters
    ----------
    trips
        Activities that are claimed, as :func:`citylab.carbon.inclusive.crediting.credit` takes them.
    people, by, price_cny_t, weight, errors, table
        As in :func:`by_group`.
    methodology, asof, options
        As in :func:`citylab.carbon.inclusive.crediting.credit`.
    baselines
        Which, in their order.

    Returns
    -------
    polars.DataFrame or polars.LazyFrame
        As :func:`by_group`, with ``baseline_kind``. A trip that replaced walking earns under the mean baseline and
        nothing under the replacement baseline.
    """
    given, _ = lazily(trips)
    told = given.collect()
    parts = [
        by_group(
            crediting.credit(told, methodology=methodology, asof=asof, baseline=kind, **options), _collected(people),
            by=by, price_cny_t=price_cny_t, weight=weight, errors=errors, table=table,
        )
        for kind in baselines
    ]  # fmt: skip
    return lazily(people)[1](pl.concat(parts).lazy())


# concentration


def concentration(
    credited: Frame, people: Frame, *, rank: str = "income_decile", income: str | None = None,
    weight: str | None = None, errors: Errors = DEFAULT,
) -> Frame:  # fmt: skip
    """Return how credits are concentrated along a rank, and how unequal they are.

    Parameters
    ----------
    credited, people
        As in :func:`per_person`.
    rank
        Column of the people that orders them from the worst-off; only its order counts, ties share a place.
    income
        Column of income [any unit of money], for Kakwani's index. Tenths of a population are no income: without a
        column of income there is no such index.
    weight, errors
        As in :func:`by_group`.

    Returns
    -------
    polars.DataFrame or polars.LazyFrame
        One row per measure: ``concentration`` (standard index of the credits, above 0 where the better-off hold more
        than their part), ``participation`` (Erreygers' index of having a credit, bounds 0 and 1), ``gini`` (of the
        credits of all people, those without included), and with ``income`` ``kakwani`` (concentration along income
        less the Gini coefficient of income) and ``gini_income``; ``value``, ``se``, ``lower``, ``upper``, ``level``,
        ``n``, ``n_missing``, ``n_effective``, ``method``, ``note``, then ``rank``, ``baseline_kind``,
        ``factor_mark``, ``is_synthetic``.

    Raises
    ------
    SchemaError, UnknownNameError, DataError
        As in :func:`per_person`.

    Examples
    --------
    >>> credited = pl.DataFrame({"account": ["a"], "credit_co2_kg": [2.0], "baseline_kind": ["mean"]})
    >>> people = pl.DataFrame({"account": list("abcd"), "income_decile": [10, 1, 4, 7]})
    >>> concentration(credited, people)["measure", "value"].head(1).rows()
    [('concentration', 0.75)]

    References
    ----------
    As :mod:`citylab.equity.concentration`: Kakwani (1977), doi:10.2307/2231833; Erreygers (2009),
    doi:10.1016/j.jhealeco.2008.02.003
    """
    held = _collected(per_person(credited, people))
    _need_rank(held, rank, *([] if income is None else [income]))
    rows = held.with_columns(pl.col("is_participant").cast(pl.Float64).alias(_HAS))
    how: dict[str, Any] = {"weight": weight, "errors": errors}
    share = along.concentration(rows, _HAS, rank=rank, kind="erreygers", bounds=(0, 1), **how)
    parts = [
        along.concentration(rows, "credit_co2_kg", rank=rank, **how).with_columns(measure=pl.lit("concentration")),
        share.with_columns(measure=pl.lit("participation")),
        front.inequality(rows, "credit_co2_kg", measures=["gini"], **how),
    ]
    if income is not None:
        told = along.kakwani(rows, "credit_co2_kg", income=income, **how)
        parts.append(
            told.filter(pl.col("measure") != "concentration").with_columns(
                pl.col("measure").replace("gini", "gini_income")
            )
        )
    return lazily(people)[1](_labelled(pl.concat(parts), held, rank=rank).lazy())


def _need_rank(held: pl.DataFrame, *columns: str) -> None:
    for c in columns:
        if c not in held.columns:
            raise suggest(c, held.columns, what="column of the people", see="the columns of the people")
    need_numbers(held.schema, columns, what="concentration")


def _labelled(frame: pl.DataFrame, held: pl.DataFrame, **more: str) -> pl.DataFrame:
    first = held.row(0, named=True)
    return frame.with_columns(
        *(pl.lit(v).alias(k) for k, v in more.items()),
        *(pl.lit(first[c], pl.String).alias(c) for c in ("baseline_kind", "factor_mark")),
        pl.lit(first["is_synthetic"]).alias("is_synthetic"),
    )


def curve(
    credited: Frame, people: Frame, *, rank: str | None = "income_decile", weight: str | None = None,
    points: int | Sequence[float] = front.POINTS, errors: Errors | None = None,
) -> Frame:  # fmt: skip
    """Return the concentration curve of credits along a rank, or their Lorenz curve.

    Parameters
    ----------
    credited, people, weight
        As in :func:`by_group`.
    rank
        As in :func:`concentration`; ``None`` orders people by their credit (Lorenz curve).
    points, errors
        As in :func:`citylab.equity.inequality.lorenz`.

    Returns
    -------
    polars.DataFrame or polars.LazyFrame
        One row per point: ``population_share``, ``value_share``, ``generalised`` [kg a head], errors, then
        ``baseline_kind``, ``factor_mark``, ``is_synthetic``. Below the diagonal the better-off (of a Lorenz curve:
        few) hold more.

    Examples
    --------
    >>> credited = pl.DataFrame({"account": ["a"], "credit_co2_kg": [2.0], "baseline_kind": ["mean"]})
    >>> people = pl.DataFrame({"account": ["a", "b"], "income_decile": [10, 1]})
    >>> curve(credited, people, points=[0, 0.5, 1])["value_share"].to_list()
    [0.0, 0.0, 1.0]
    """
    held = _collected(per_person(credited, people))
    if rank is None:
        told = front.lorenz(held, "credit_co2_kg", weight=weight, points=points, errors=errors)
    else:
        _need_rank(held, rank)
        told = along.concentration_curve(held, "credit_co2_kg", rank=rank, weight=weight, points=points, errors=errors)
    return lazily(people)[1](_labelled(told, held).lazy())


# a way in without a phone


def with_card_channel(
    trips: Frame, people: Frame, *, methodology: str | Path | Methodology, asof: dt.date, baseline: Baseline = "mean",
    take_up_share: float | None = None, **options: Any,
) -> Frame:  # fmt: skip
    """Return what each person is credited before and after a transit card becomes a way in that needs no phone.

    Parameters
    ----------
    trips
        All trips, as :func:`citylab.carbon.inclusive.crediting.credit` takes them, with ``is_claimed`` and ``ticket``
        (how a trip by bus or metro was paid).
    people
        One row per person with ``account`` and ``has_smartphone``.
    methodology, asof, baseline, options
        As in :func:`citylab.carbon.inclusive.crediting.credit`.
    take_up_share
        Share of the people without a phone who would enter by their card (0 to 1). Default: as many as take part
        among the people with one. 1 is the upper bound, in which the card credits everybody.

    Returns
    -------
    polars.DataFrame or polars.LazyFrame
        The people with ``credit_before_co2_kg``, ``credit_after_co2_kg``, ``change_co2_kg`` (expected, at the
        take-up), ``participation_before``, ``participation_after`` (chance of having a credit), ``take_up_share``,
        ``baseline_kind``, ``factor_mark``, ``is_synthetic``.

    Raises
    ------
    SchemaError
        A column is missing.
    RangeError
        A take-up outside 0 to 1.
    DataError
        As in :func:`per_person`.

    Notes
    -----
    Before: claimed trips. After: besides, each trip by bus or metro of a person without a smartphone that a card paid,
    with the card as its proof and consent taken as given on entry. Walks and bicycle trips stay out, for which a card
    proves nothing. People travel as they did: nobody takes the bus because it is now credited. All else is credited
    by the same rules, daily caps included.

    Examples
    --------
    >>> morning = dt.datetime(2025, 3, 3, 8)
    >>> trips = pl.DataFrame({
    ...     "activity_id": ["t1", "t2"], "account": ["a", "b"], "act": ["metro", "bus"], "start_local": [morning] * 2,
    ...     "end_local": [morning + dt.timedelta(minutes=40)] * 2, "distance_km": [10.0, 10.0],
    ...     "proof": ["qr_code", "transit_card"], "ticket": ["qr_code", "transit_card"],
    ...     "start_adcode": ["110105"] * 2, "end_adcode": ["110101"] * 2, "is_claimed": [True, False]})
    >>> people = pl.DataFrame({"account": ["a", "b"], "has_smartphone": [True, False]})
    >>> told = with_card_channel(trips, people, methodology="beijing-travel-2024", asof=dt.date(2025, 3, 31),
    ...                          take_up_share=1)
    >>> told["change_co2_kg"].round(6).to_list()
    [0.0, 0.52]
    """
    given, _ = lazily(trips)
    lf, back = lazily(people)
    need_columns(
        given,
        {**crediting.TRIP_COLUMNS, "is_claimed": "true where it is claimed now", "ticket": "how a ride was paid"},
        what="with_card_channel",
    )
    need_columns(lf, {"account": "one row per person", "has_smartphone": "true or false"}, what="with_card_channel")
    if take_up_share is not None and not (math.isfinite(take_up_share) and 0 <= take_up_share <= 1):
        raise RangeError(f"take_up_share is {take_up_share}; expected a share from 0 to 1.")
    persons, rows = lf.collect(), given.collect()
    claimed = rows.filter(pl.col("is_claimed").fill_null(False))
    without = persons.filter(~pl.col("has_smartphone").fill_null(True))["account"]
    admitted = rows.filter(
        ~pl.col("is_claimed").fill_null(False), pl.col("account").is_in(without.to_list()), pl.col("ticket") == CARD,
        pl.col("act").is_in(CARD_ACTS),
    ).with_columns(proof=pl.lit(CARD))  # fmt: skip
    if "is_consenting" in rows.columns:
        admitted = admitted.with_columns(is_consenting=pl.lit(True))
    how: dict[str, Any] = {"methodology": methodology, "asof": asof, "baseline": baseline, **options}
    before = _held(crediting.credit(claimed, **how), persons, None)
    after = _held(crediting.credit(pl.concat([claimed, admitted], how="diagonal_relaxed"), **how), persons, None)
    if take_up_share is None:
        phones = before.filter(pl.col("has_smartphone").fill_null(False))
        take_up_share = float(phones["is_participant"].cast(pl.Float64).mean() or 0.0) if phones.height else 0.0  # type: ignore[arg-type]
    first = (before if claimed.height else after).row(0, named=True)
    took, has = pl.col("credit_before_co2_kg"), pl.col("participation_before")
    told = persons.with_columns(
        before["credit_co2_kg"].alias("credit_before_co2_kg"), after["credit_co2_kg"].alias("_all"),
        before["is_participant"].cast(pl.Float64).alias("participation_before"),
        after["is_participant"].cast(pl.Float64).alias("_any"),
    ).with_columns(
        credit_after_co2_kg=took + take_up_share * (pl.col("_all") - took),
        participation_after=has + take_up_share * (pl.col("_any") - has),
    ).with_columns(
        change_co2_kg=pl.col("credit_after_co2_kg") - took, take_up_share=pl.lit(take_up_share),
        baseline_kind=pl.lit(baseline), factor_mark=pl.lit(first["factor_mark"], pl.String),
        is_synthetic=pl.lit(bool(before["is_synthetic"][0] or after["is_synthetic"][0])),
    )  # fmt: skip
    return back(told.drop("_all", "_any").lazy())


_CHANNEL = (
    "change_co2_kg", "credit_before_co2_kg", "credit_after_co2_kg", "participation_before", "participation_after",
)  # fmt: skip
_BEFORE_AFTER = ("before", "after", "difference")


def no_smartphone_channel(
    trips: Frame, people: Frame, *, by: Grouping | str | None, methodology: str | Path | Methodology, asof: dt.date,
    price_cny_t: float, baseline: Baseline = "mean", take_up_share: float | None = None, weight: str | None = None,
    errors: Errors = DEFAULT, table: pl.DataFrame | None = None, **options: Any,
) -> Frame:  # fmt: skip
    """Return what a transit card as a way in without a phone changes, by group, on the same people before and after.

    Parameters
    ----------
    trips, people, methodology, asof, baseline, take_up_share, options
        As in :func:`with_card_channel`.
    by, price_cny_t, weight, errors, table
        As in :func:`by_group`.

    Returns
    -------
    polars.DataFrame or polars.LazyFrame
        One row for all people, then one per group: ``grouping``, ``group``, labels, ``is_overlapping``,
        ``person_count``, ``participation_before``, ``participation_after``, ``credit_before_co2_kg`` and
        ``credit_after_co2_kg`` (a head), ``change_co2_kg`` (a head) with ``_low`` and ``_high``, ``change_value_cny``
        (a head), ``take_up_share``, ``level``, ``baseline_kind``, ``factor_mark``, ``note``, ``is_synthetic``.

    Notes
    -----
    The interval is that of the mean difference within persons, much narrower than that of two separate samples, made
    as in :func:`by_group`. It takes the take-up as given and the people as they travel.
    """
    held = _collected(
        with_card_channel(
            trips, people, methodology=methodology, asof=asof, baseline=baseline, take_up_share=take_up_share, **options
        )
    )
    return lazily(people)[1](
        channel_by_group(held, by=by, price_cny_t=price_cny_t, weight=weight, errors=errors, table=table).lazy()
    )


def channel_by_group(
    held: pl.DataFrame, *, by: Grouping | str | None, price_cny_t: float, weight: str | None = None,
    errors: Errors = DEFAULT, table: pl.DataFrame | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Return :func:`no_smartphone_channel` from a result of :func:`with_card_channel`, to ask for several groupings."""
    need_columns(held.lazy(), (*_CHANNEL, "take_up_share", "baseline_kind"), what="channel_by_group")
    rows, known = _prepared(held, by, table)

    def estimate(frame: pl.DataFrame) -> pl.DataFrame:
        told = {
            c: front.inequality(frame, c, by=[_ON], measures=["mean"], weight=weight, errors=errors) for c in _CHANNEL
        }
        change = told[_CHANNEL[0]]
        name = _CHANNEL[0]
        if (held[name] < 0).any():  # a card's ride can push aside a claim at the same time
            ends = (pl.col(a).alias(f"{name}_{b}") for a, b in (("lower", "low"), ("upper", "high")))
            grown = change.select(_ON, pl.col("value").alias(name), *ends)
        else:
            grown = _skewed(change, _units(frame.filter(pl.col(name) > 0), errors), name, errors)
        others = (told[c].select(pl.col("value").alias(c)) for c in _CHANNEL[1:])
        return pl.concat([grown, change.select("n"), *others], how="horizontal")

    done = _over_groups(rows, known, by, estimate).with_columns(person_count=pl.col("n").fill_null(0))
    n = pl.col("person_count")
    done = _labelled(done, held).with_columns(
        pl.lit(by or WHOLE).alias("grouping"), pl.lit(errors.level).alias("level"),
        pl.lit(held["take_up_share"][0]).alias("take_up_share"),
        (pl.col("change_co2_kg") * _price(price_cny_t)).alias("change_value_cny"),
        pl.when(n == 0).then(pl.lit(NO_DATA)).when(n < rule("least_persons")).then(pl.lit(FEW_PERSONS)).alias("note"),
    )  # fmt: skip
    return done.select(
        "grouping", "group", "label_zh", "label_en", "is_overlapping", "person_count", *_CHANNEL[1:], _CHANNEL[0],
        "change_co2_kg_low", "change_co2_kg_high", "change_value_cny",
        "take_up_share", "level", "baseline_kind", "factor_mark", "note", "is_synthetic",
    )  # fmt: skip


def channel_concentration(
    held: pl.DataFrame, *, rank: str = "income_decile", weight: str | None = None, errors: Errors = DEFAULT
) -> pl.DataFrame:  # fmt: skip
    """Return the concentration index before and after a card channel, and their difference on the same people.

    Parameters
    ----------
    held
        Result of :func:`with_card_channel`.
    rank, weight, errors
        As in :func:`concentration`.

    Returns
    -------
    polars.DataFrame
        Three rows, ``measure`` ``before``, ``after`` and ``difference``, with the columns of :func:`concentration`.
        The error of the difference is made of the differences of each person's influence, so that what both share
        cancels.

    Examples
    --------
    >>> held = pl.DataFrame({
    ...     "income_decile": [1, 10], "credit_before_co2_kg": [0.0, 1.0], "credit_after_co2_kg": [1.0, 1.0],
    ...     "baseline_kind": ["mean"] * 2, "factor_mark": ["secondary"] * 2, "is_synthetic": [True] * 2})
    >>> channel_concentration(held)["value"].to_list()
    [0.5, 0.0, -0.5]
    """
    _need_rank(held, rank, "credit_before_co2_kg", "credit_after_co2_kg")
    sample = sampling.read(
        held, rank, value="credit_before_co2_kg", weight=weight, errors=errors, others=["credit_after_co2_kg"],
        what="channel_concentration",
    )  # fmt: skip
    (group,) = sample.groups

    def functional(d: Ordered) -> list[Estimate]:
        later = Ordered(d.key, d.weight, group.others["credit_after_co2_kg"], is_sorted=True)
        one, two = (along.index(x, "standard", None) for x in (d, later))
        if one.value is None or two.value is None:
            return [one, two, Estimate(None, None, one.note or two.note)]
        assert one.influence is not None and two.influence is not None
        first, second = one.influence, two.influence
        return [one, two, Estimate(two.value - one.value, lambda s: second(s) - first(s))]

    return _labelled(sampling.estimated(sample, functional, _BEFORE_AFTER, errors), held, rank=rank)
