"""Statutory rules on persons and households: dated parameters, formulas, and who gains from a reform.

A rule says what a person or a household pays or gets: a tax, a contribution, an allowance, a bill. Its numbers stand
in a table with dates, so that the same rule answers for 2018 and for 2026; its formula is one NumPy function.
:func:`apply` gives the columns, :func:`compare` runs the law as it is and a reform in one pass, computes anew only what
the reform touches, and adds up by group in chunks of households, so that 20 million persons need little more memory
than their columns.

An input of a household's rule that belongs to persons is their sum (of true and false: how many). An input of a
person's rule that belongs to households is the value of their own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import polars as pl

from citylab.errors import DataError, SchemaError, suggest
from citylab.frames import Frame, columns_of, keys_of, lazily, need_columns

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Entity = Literal["person", "household"]
Formula = Callable[[Mapping[str, Array], "Parameters"], Array]

HOUSEHOLD = "household_id"
PARAMETER_COLUMNS = ("parameter", "threshold", "from_date", "to_date", "value")
_CHUNK = 1 << 16  # persons; a chunk's arrays fit the cache
_EPSILON = 1e-9  # of money: less is no change
_MOST_SPANNED = 4096  # whole numbers this close together need no look-up


@dataclass(frozen=True)
class Scale:
    """A marginal scale: each rate holds for what lies above its threshold and below the next.

    Examples
    --------
    >>> Scale(np.array([0.0, 100.0]), np.array([0.1, 0.2]))(np.array([50.0, 150.0])).tolist()
    [5.0, 20.0]
    """

    thresholds: Floats
    rates: Floats

    def __call__(self, amount: Array) -> Floats:
        """Return what is due on amounts."""
        steps = np.diff(self.rates, prepend=0.0)
        due, above = np.zeros(np.shape(amount)), np.empty(np.shape(amount))
        for threshold, step in zip(self.thresholds, steps, strict=True):
            np.subtract(amount, threshold, out=above)
            np.maximum(above, 0.0, out=above)
            above *= step
            due += above
        return due

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Scale)
            and np.array_equal(self.thresholds, other.thresholds)
            and np.array_equal(self.rates, other.rates)
        )

    __hash__ = None  # type: ignore[assignment]


class Parameters(dict[str, Any]):
    """Parameters in force on a day: a number, or a :class:`Scale`."""

    def __missing__(self, name: str) -> Any:
        raise DataError(
            f"The parameter {name!r} has no value on this day; in force are {sorted(self)}. Add a row to the table of "
            "parameters, or let the rule begin and end with its law (versions=, end=)."
        )


def in_force(table: pl.DataFrame, when: date) -> Parameters:
    """Return the parameters in force on a day.

    Parameters
    ----------
    table
        One row per value: ``parameter``, ``from_date``, ``to_date`` (last day; null: still in force), ``value``, and
        ``threshold`` (null for a number; for a scale the lower end of a bracket whose rate is ``value``).
    when
        The day.

    Raises
    ------
    SchemaError
        A column is missing, or ``when`` is no date.
    DataError
        Two values of one parameter hold on the day.

    Examples
    --------
    >>> table = pl.DataFrame({"parameter": ["rate", "rate"], "threshold": [None, None], "value": [0.10, 0.15],
    ...                       "from_date": [date(2014, 1, 1), date(2015, 1, 1)], "to_date": [date(2014, 12, 31), None]})
    >>> in_force(table, date(2016, 5, 1))["rate"]
    0.15
    """
    need_columns(table.lazy(), PARAMETER_COLUMNS, what="in_force")
    when = _day(when)
    rows = table.filter(
        (pl.col("from_date") <= when) & (pl.col("to_date").is_null() | (pl.col("to_date") >= when))
    ).select(pl.col("parameter"), pl.col("threshold").cast(pl.Float64), pl.col("value").cast(pl.Float64))
    out = Parameters()
    for (name,), part in rows.group_by("parameter", maintain_order=True):
        if part["value"].is_null().any():
            raise DataError(f"The parameter {name!r} has an empty value on {when}. Fill it, or end the row.")
        if part.height == 1 and part["threshold"].item() is None:
            out[str(name)] = float(part["value"].item())
            continue
        if part["threshold"].is_null().any() or part["threshold"].is_duplicated().any():
            raise DataError(
                f"The parameter {name!r} has {part.height} values on {when}, thresholds {part['threshold'].to_list()}. "
                "End the earlier rows (to_date), or give each bracket a threshold of its own."
            )
        ordered = part.sort("threshold")
        out[str(name)] = Scale(ordered["threshold"].to_numpy(), ordered["value"].to_numpy())
    return out


def _day(when: date) -> date:
    if isinstance(when, datetime):
        return when.date()
    if not isinstance(when, date):
        raise SchemaError(f"The day is {when!r}; expected a date such as date(2026, 1, 1).")
    return when


def amended(table: pl.DataFrame, parameter: str, value: float | Mapping[float, float], *, start: date) -> pl.DataFrame:
    """Return a table of parameters in which one has another value from a day on; the table given stays as it is.

    Parameters
    ----------
    value
        A number, or the rates of a scale by threshold.

    Raises
    ------
    UnknownNameError
        The table has no such parameter.

    Examples
    --------
    >>> table = pl.DataFrame({"parameter": ["rate"], "threshold": [None], "value": [0.1],
    ...                       "from_date": [date(2014, 1, 1)], "to_date": [None]})
    >>> reform = amended(table, "rate", 0.2, start=date(2026, 1, 1))
    >>> in_force(reform, date(2025, 12, 31))["rate"], in_force(reform, date(2026, 1, 1))["rate"]
    (0.1, 0.2)
    """
    known = table["parameter"].unique(maintain_order=True).to_list()
    if parameter not in known:
        raise suggest(parameter, known, what="parameter", see="the table of parameters")
    own = pl.col("parameter") == parameter
    kept = table.with_columns(pl.col("to_date").cast(pl.Date), pl.col("threshold").cast(pl.Float64))
    last = pl.lit(start).dt.offset_by("-1d")
    kept = kept.filter(~own | (pl.col("from_date") < start)).with_columns(
        pl.when(own & (pl.col("to_date").is_null() | (pl.col("to_date") >= start)))
        .then(last)
        .otherwise(pl.col("to_date"))
        .alias("to_date")
    )
    brackets = value.items() if isinstance(value, Mapping) else [(None, value)]
    rows = [{"parameter": parameter, "threshold": t, "from_date": start, "value": float(v)} for t, v in brackets]
    made = pl.DataFrame(rows, schema={c: kept.schema[c] for c in ("parameter", "threshold", "from_date", "value")})
    return pl.concat([kept, made], how="diagonal")


@dataclass(frozen=True)
class Rule:
    """One quantity that the law defines.

    Attributes
    ----------
    name
        Column that it makes, with its unit.
    entity
        Whose it is: ``person`` or ``household``.
    inputs
        Columns and rules that it needs.
    parameters
        Parameters that it reads.
    versions
        Formulas with the day each begins; before the first the value is 0.
    end
        Last day; after it the value is 0.
    label_zh, label_en, reference
        What it is called, and the law.
    """

    name: str
    entity: Entity
    inputs: tuple[str, ...]
    parameters: tuple[str, ...]
    versions: tuple[tuple[date, Formula], ...]
    end: date | None = None
    label_zh: str = ""
    label_en: str = ""
    reference: str = ""

    def formula(self, when: date) -> Formula | None:
        """Return the formula in force on a day, or ``None``."""
        if self.end is not None and when > self.end:
            return None
        return next((f for begins, f in sorted(self.versions, key=_first, reverse=True) if begins <= when), None)


def _first(version: tuple[date, Formula]) -> date:
    return version[0]


class RuleBook:
    """Rules that belong together.

    Raises
    ------
    SchemaError
        Two rules of one name, or rules that need each other in a circle.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        listed = list(rules)
        self.rules = {r.name: r for r in listed}
        if len(self.rules) < len(listed):
            raise SchemaError("Two rules of the book have one name. Rename one, or replace it with with_rule().")
        for rule in listed:
            if rule.entity not in get_args(Entity):
                raise suggest(rule.entity, get_args(Entity), what="entity", see="citylab.policy.rules.Rule")
        self.order(self.rules)

    def order(self, wanted: Iterable[str]) -> list[Rule]:
        """Return the rules that the wanted ones need, each after its inputs."""
        done: dict[str, Rule] = {}

        def visit(name: str, path: tuple[str, ...]) -> None:
            if name in path:
                raise SchemaError(f"The rules need each other in a circle: {' -> '.join([*path, name])}.")
            if name in self.rules and name not in done:
                for needed in self.rules[name].inputs:
                    visit(needed, (*path, name))
                done[name] = self.rules[name]

        for name in wanted:
            if name not in self.rules:
                raise suggest(name, self.rules, what="rule", see="RuleBook.rules")
            visit(name, ())
        return list(done.values())

    def with_rule(self, rule: Rule) -> RuleBook:
        """Return a book in which a rule is added or takes the place of the one of its name."""
        return RuleBook({**self.rules, rule.name: rule}.values())

    def ended(self, name: str, last: date) -> RuleBook:
        """Return a book in which a rule is repealed after a day."""
        if name not in self.rules:
            raise suggest(name, self.rules, what="rule", see="RuleBook.rules")
        return self.with_rule(replace(self.rules[name], end=last))


@dataclass(frozen=True)
class _People:
    """Columns of persons, households and where each household's persons begin."""

    columns: Mapping[str, tuple[Entity, Array]]
    starts: npt.NDArray[np.int64]  # one more than there are households
    persons: int

    def chunks(self) -> Iterator[tuple[int, int]]:
        """Yield spans of households of about the same number of persons, whole households only."""
        count = len(self.starts) - 1
        cuts = np.searchsorted(self.starts, np.arange(_CHUNK, self.persons, _CHUNK))
        edges = np.unique(np.concatenate([[0], cuts, [count]]))
        yield from zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)


def _people(persons: pl.DataFrame, households: pl.DataFrame, needed: Iterable[str], what: str) -> _People:
    need_columns(persons.lazy(), [HOUSEHOLD], what=f"{what} (persons)")
    need_columns(households.lazy(), [HOUSEHOLD], what=f"{what} (households)")
    if not persons.height or not households.height:
        raise DataError(f"{what}: there are {persons.height} persons and {households.height} households; none to rule.")
    keys = households[HOUSEHOLD]
    if keys.n_unique() < households.height:
        raise DataError(f"{what}: {keys.filter(keys.is_duplicated())[0]!r} stands twice among the households.")
    runs = persons.select(pl.col(HOUSEHOLD).rle().alias("run")).unnest("run")
    if runs.height != households.height or not (runs["value"].cast(keys.dtype) == keys).all():
        raise DataError(
            f"{what}: persons must stand household by household, in the order of the households, each household with "
            f"at least one; found {runs.height} runs of persons for {households.height} households. Sort both by "
            f"{HOUSEHOLD!r}, and join to see who is left over."
        )
    starts = np.concatenate([[0], np.cumsum(runs["len"].to_numpy())]).astype(np.int64)
    columns: dict[str, tuple[Entity, Array]] = {}
    for name in needed:
        both_frames: list[tuple[Entity, pl.DataFrame]] = [("person", persons), ("household", households)]
        owners = [(e, f) for e, f in both_frames if name in f.columns]
        if not owners:
            both = [*persons.columns, *households.columns]
            raise suggest(name, both, what=f"column that {what} needs", see="the tables of persons and households")
        if len(owners) > 1:
            raise SchemaError(f"{what}: {name!r} is a column of persons and of households. Rename one.")
        entity, frame = owners[0]
        column = frame[name]
        if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
            raise SchemaError(f"{what}: {name!r} is {column.dtype}; a rule needs numbers, or true and false.")
        if column.null_count():
            raise DataError(
                f"{what}: {column.null_count():,} rows have no {name!r}. Fill them, or leave those people out."
            )
        values = column.cast(pl.Float64).to_numpy() if column.dtype.is_decimal() else column.to_numpy()
        if column.dtype.is_float() and not np.isfinite(values).all():
            raise DataError(
                f"{what}: {int((~np.isfinite(values)).sum()):,} rows have a {name!r} that is no finite number. Correct "
                "them, or leave those people out."
            )
        columns[name] = (entity, values)
    return _People(columns, starts, persons.height)


def _run(
    people: _People,
    span: tuple[int, int],
    rules: Sequence[Rule],
    formulas: Mapping[str, Formula | None],
    told: Parameters,
    before: Mapping[str, Array] | None = None,
    again: frozenset[str] | None = None,
) -> dict[str, Array]:
    """Compute rules on a span of households; with ``before``, only those of ``again``."""
    low, high = span
    first, last = int(people.starts[low]), int(people.starts[high])
    owner = np.repeat(np.arange(high - low), np.diff(people.starts[low : high + 1]))
    entity = {**{n: e for n, (e, _) in people.columns.items()}, **{r.name: r.entity for r in rules}}
    out: dict[str, Array] = {}

    def value(name: str) -> Array:
        if name in out:
            return out[name]
        if before is not None and name in before:
            return before[name]
        whose, column = people.columns[name]
        return column[first:last] if whose == "person" else column[low:high]

    def seen_by(rule: Rule, name: str) -> Array:
        column = value(name)
        if entity[name] == rule.entity:
            return column
        return column.take(owner) if rule.entity == "person" else np.bincount(owner, column, minlength=high - low)

    for rule in rules:
        if again is not None and rule.name not in again:
            continue
        formula = formulas[rule.name]
        size = last - first if rule.entity == "person" else high - low
        if formula is None:
            out[rule.name] = np.zeros(size)
            continue
        made = np.asarray(formula({n: seen_by(rule, n) for n in rule.inputs}, told), dtype=np.float64)
        if made.shape != (size,):
            raise SchemaError(
                f"The rule {rule.name!r} gave an array of shape {made.shape} for {size} {rule.entity}s; a formula "
                "returns one value for each."
            )
        out[rule.name] = made
    return out


def _inputs(rules: Sequence[Rule], book: RuleBook) -> list[str]:
    return list(dict.fromkeys(n for r in rules for n in r.inputs if n not in book.rules))


def _finite(made: Mapping[str, Array]) -> None:
    for name, column in made.items():
        if not np.isfinite(column.sum()):
            raise DataError(f"The rule {name!r} gave values that are not finite. Look for gaps in its inputs.")


def apply(
    persons: Frame, households: Frame, book: RuleBook, *, parameters: pl.DataFrame, when: date,
    wanted: str | Sequence[str] | None = None,
) -> tuple[Frame, Frame]:  # fmt: skip
    """Return persons and households with what the rules give each on a day.

    Parameters
    ----------
    persons, households
        One row each; persons household by household, in the order of the households (``household_id``).
    book
        The rules.
    parameters
        As :func:`in_force` takes them.
    when
        The day whose law is taken.
    wanted
        Rules to compute, with those they need; default: all.

    Returns
    -------
    tuple of polars.DataFrame or polars.LazyFrame
        Persons and households, each with the columns of its own rules added.

    Raises
    ------
    DataError
        People without a household, gaps in an input, a parameter without value on the day.
    UnknownNameError, SchemaError
        A rule or a column is not known, or holds no numbers.

    Examples
    --------
    >>> tax = Rule("tax_cny", "person", ("wage_cny",), ("rate",),
    ...            ((date(2015, 1, 1), lambda x, p: p["rate"] * x["wage_cny"]),))
    >>> table = pl.DataFrame({"parameter": ["rate"], "threshold": [None], "value": [0.15],
    ...                       "from_date": [date(2015, 1, 1)], "to_date": [None]})
    >>> people = pl.DataFrame({"household_id": [1, 1], "wage_cny": [2400.0, 10000.0]})
    >>> told, _ = apply(people, pl.DataFrame({"household_id": [1]}), RuleBook([tax]), parameters=table,
    ...                 when=date(2017, 1, 1))
    >>> told["tax_cny"].to_list()
    [360.0, 1500.0]
    """
    (people_lazy, back), (homes_lazy, back_home) = lazily(persons), lazily(households)
    when = _day(when)
    rules = book.order(book.rules if wanted is None else columns_of(wanted))
    rows, homes = people_lazy.collect(), homes_lazy.collect()
    people = _people(rows, homes, _inputs(rules, book), "apply")
    told = in_force(parameters, when)
    formulas = {r.name: r.formula(when) for r in rules}
    parts = _mapped(people, lambda span: _run(people, span, rules, formulas, told))
    made = {r.name: np.concatenate([part[r.name] for part in parts]) for r in rules}
    _finite(made)
    own: dict[Entity, list[pl.Series]] = {"person": [], "household": []}
    for r in rules:
        own[r.entity].append(pl.Series(r.name, made[r.name]))
    return (
        back(rows.with_columns(own["person"]).lazy()),
        back_home(homes.with_columns(own["household"]).lazy()),
    )


def _mapped(people: _People, work: Callable[[tuple[int, int]], Any]) -> list[Any]:
    spans = list(people.chunks())
    if len(spans) == 1:
        return [work(spans[0])]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(work, spans))


def touched(
    book: RuleBook, reform: RuleBook, before: Parameters, after: Parameters, when: date, wanted: Iterable[str]
) -> frozenset[str]:
    """Return the rules whose result may differ: their law changed, or an input's did."""
    moved: set[str] = set()
    for rule in reform.order(wanted):
        old = book.rules.get(rule.name)
        is_same = old is not None and old.formula(when) is rule.formula(when) and old.inputs == rule.inputs
        is_same = is_same and all(before.get(n) == after.get(n) for n in rule.parameters)
        if not is_same or moved.intersection(rule.inputs):
            moved.add(rule.name)
    return frozenset(moved)


def compare(
    persons: Frame, households: Frame, book: RuleBook, *, parameters: pl.DataFrame, when: date,
    reform_parameters: pl.DataFrame | None = None, reform_book: RuleBook | None = None, wanted: str | Sequence[str],
    by: str | Sequence[str] | None = None, winners_of: str | None = None,
) -> Frame:  # fmt: skip
    """Return what a reform of the law changes, by group of persons.

    Parameters
    ----------
    persons, households, book, parameters, when
        As in :func:`apply`.
    reform_parameters, reform_book
        The law after the reform, for example from :func:`amended` and :meth:`RuleBook.ended`; default: as before.
    wanted
        Rules to report. A household's amount is told once, with the group of its first person.
    by
        Columns of persons (numbers, text or categories) to group by.
    winners_of
        One of ``wanted``, such as the disposable income: persons whose own value, or that of their household, rises and
        falls are counted.

    Returns
    -------
    polars.DataFrame or polars.LazyFrame
        One row per group and rule: ``by``, ``rule``, ``n_persons``, ``reference``, ``reform``, ``difference``; with
        ``winners_of`` also ``n_gaining``, ``n_losing`` (persons, in the rows of that rule, else null). Sums over
        persons or households of the group, in the rule's unit.

    Raises
    ------
    DataError, SchemaError, UnknownNameError
        As :func:`apply`.

    Examples
    --------
    >>> tax = Rule("tax_cny", "person", ("wage_cny",), ("rate",),
    ...            ((date(2015, 1, 1), lambda x, p: p["rate"] * x["wage_cny"]),))
    >>> table = pl.DataFrame({"parameter": ["rate"], "threshold": [None], "value": [0.15],
    ...                       "from_date": [date(2015, 1, 1)], "to_date": [None]})
    >>> people = pl.DataFrame({"household_id": [1, 1], "wage_cny": [2000.0, 10000.0], "decile": [1, 10]})
    >>> compare(people, pl.DataFrame({"household_id": [1]}), RuleBook([tax]), parameters=table, when=date(2026, 1, 1),
    ...         reform_parameters=amended(table, "rate", 0.2, start=date(2026, 1, 1)), wanted=["tax_cny"],
    ...         by="decile")["difference"].to_list()
    [100.0, 500.0]
    """
    (people_lazy, back), (homes_lazy, _) = lazily(persons), lazily(households)
    keys = keys_of(by)
    need_columns(people_lazy, keys, what="compare (persons)")
    known = in_force(parameters, when)
    laws = (
        (book, known),
        (reform_book or book, known if reform_parameters is None else in_force(reform_parameters, when)),
    )
    told = _compared(
        people_lazy.collect(), homes_lazy.collect(), laws, _day(when), columns_of(wanted), keys, winners_of
    )
    return back(told.lazy())


def _compared(
    persons: pl.DataFrame, households: pl.DataFrame, laws: tuple[tuple[RuleBook, Parameters], ...], when: date,
    wanted: list[str], keys: list[str], winners_of: str | None,
) -> pl.DataFrame:  # fmt: skip
    """Return sums by group and rule under the law as it is and as it would be; see :func:`compare`."""
    (book, known), (after_book, told) = laws
    if winners_of is not None and winners_of not in wanted:
        raise suggest(winners_of, wanted, what="rule among wanted", see="winners_of=")
    rules, new_rules = book.order(wanted), after_book.order(wanted)
    again = touched(book, after_book, known, told, when, wanted)
    inputs = dict.fromkeys([*_inputs(rules, book), *_inputs(new_rules, after_book)])
    people = _people(persons, households, inputs, "compare")
    codes, groups = _codes(persons, keys)
    old_formulas = {r.name: r.formula(when) for r in rules}
    new_formulas = {r.name: r.formula(when) for r in new_rules}
    count = groups.height
    entity = {r.name: r.entity for r in new_rules}

    def work(span: tuple[int, int]) -> Floats:
        before = _run(people, span, rules, old_formulas, known)
        after = _run(people, span, new_rules, new_formulas, told, before, again)
        _finite(before)
        _finite(after)
        low, high = span
        first, last = int(people.starts[low]), int(people.starts[high])
        code = codes[first:last]
        heads = code[people.starts[low:high] - first]
        out = np.zeros((2 * len(wanted) + 2, count))
        for i, name in enumerate(wanted):
            at = code if entity[name] == "person" else heads
            out[2 * i] = np.bincount(at, before[name], minlength=count)
            if name in again:
                out[2 * i + 1] = np.bincount(at, after[name], minlength=count)
            else:
                out[2 * i + 1] = out[2 * i]
        if winners_of is not None and winners_of in again:
            gain = after[winners_of] - before[winners_of]
            if entity[winners_of] == "household":
                gain = np.repeat(gain, np.diff(people.starts[low : high + 1]))
            out[-2] = np.bincount(code, gain > _EPSILON, minlength=count)
            out[-1] = np.bincount(code, gain < -_EPSILON, minlength=count)
        return out

    # Spans come back in their order, so that the sum does not depend on the number of threads.
    total = np.sum(_mapped(people, work), axis=0)
    size = np.bincount(codes, minlength=count)
    frames = []
    for i, name in enumerate(wanted):
        one = groups.with_columns(
            pl.lit(name).alias("rule"),
            pl.Series("n_persons", size),
            pl.Series("reference", total[2 * i]),
            pl.Series("reform", total[2 * i + 1]),
        ).with_columns((pl.col("reform") - pl.col("reference")).alias("difference"))
        if winners_of is not None:
            counts = (total[-2], total[-1]) if name == winners_of else (None, None)
            one = one.with_columns(
                pl.Series(c, np.rint(v).astype(np.int64)) if v is not None else pl.lit(None, dtype=pl.Int64).alias(c)
                for c, v in zip(("n_gaining", "n_losing"), counts, strict=True)
            )
        frames.append(one)
    stacked = pl.concat(frames)
    return stacked.drop("_one", strict=False)


def _codes(persons: pl.DataFrame, keys: list[str]) -> tuple[npt.NDArray[np.int64], pl.DataFrame]:
    """Return the group of each person and the groups, sorted."""
    if not keys:
        return np.zeros(persons.height, dtype=np.int64), pl.DataFrame({"_one": [0]})
    levels, code = [], np.zeros(persons.height, dtype=np.int64)
    for key in keys:
        column = persons[key]
        if column.null_count():
            raise DataError(f"compare: {column.null_count():,} persons have no {key!r}. Give them a group.")
        low, high = (column.min(), column.max()) if column.dtype.is_integer() else (None, None)
        if isinstance(low, int) and isinstance(high, int) and high - low < _MOST_SPANNED:
            levels.append(pl.Series(key, range(low, high + 1), dtype=column.dtype))
            place = column.to_numpy().astype(np.int64) - low
        else:
            levels.append(column.unique().sort())
            order = pl.Series(range(len(levels[-1])), dtype=pl.Int64)
            place = column.replace_strict(levels[-1], order).to_numpy()
        code = code * len(levels[-1]) + place if len(levels) > 1 else place
    grid = pl.DataFrame({keys[0]: levels[0]})
    for key, known in zip(keys[1:], levels[1:], strict=True):
        grid = grid.join(pl.DataFrame({key: known}), how="cross", maintain_order="left")
    # Groups that nobody is in are left out.
    held = np.flatnonzero(np.bincount(code, minlength=grid.height))
    renumbered = np.full(grid.height, -1, dtype=np.int64)
    renumbered[held] = np.arange(len(held))
    return renumbered[code], grid[held.tolist()]
