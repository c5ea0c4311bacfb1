"""The reference of Beijing from 2026 to 2035: what goes on without new policies, and how unsure that is.

Levels, trends and the share of each group stand in declared tables (``reference_path``, ``reference_people``,
``reference_rules``, ``source_receptor``); most of them are marked assumptions. Give your own tables to replace them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import numpy as np
import polars as pl

from citylab import tables
from citylab.errors import RangeError, SchemaError, suggest
from citylab.frames import need_columns
from citylab.policy.state import NAMES, SECTORS, Array
from citylab.stats.draws import draws, quantiles, uniforms

GRID_VARIANTS = ("average", "marginal")
"""Rival models of what a changed kWh emits: the average of the grid, or a fossil plant at its margin."""

RATES = {
    "online_persons": "online_share",
    "smartphone_persons": "smartphone_share",
    "covered_persons": "covered_share",
    "service_persons": "service_share",
}
"""Counts of persons whose remainder shrinks by a yearly rate of the path."""

PATHS = ("ratio", "add", "complement")
"""How a level goes on: see the head of ``reference_path``."""

SHARED = ("car_km", "metro_trips", "bus_trips", "active_trips", "covered_share", "service_share")
"""Amounts and shares that ``reference_people`` shares out among persons."""
MIN_REPLICATES = 2
"""Fewest replicates of which a spread can be told."""

PM25 = "pm25_ugm3"
GRID_STREAM = "reference.grid_variant"


@dataclass(frozen=True)
class Reference:
    """The reference path, its uncertainty and the constants of a run.

    Attributes
    ----------
    path
        One row a quantity: ``name, value, low, high, growth, growth_sd, walk_sd, rule, unit, source, edition, mark``;
        see ``datasets/codes/reference_path.csv``.
    people
        How amounts are shared among persons: ``amount, attribute, level, weight, source, mark``.
    rules
        ``rule, value, ...``.
    receptor
        Screening coefficients of PM2.5: ``part, low, central, high, ...``.

    Examples
    --------
    >>> reference = Reference.load()
    >>> reference.years[0], reference.years[-1]
    (2026, 2035)
    """

    path: pl.DataFrame = field(repr=False)
    people: pl.DataFrame = field(repr=False)
    rules: pl.DataFrame = field(repr=False)
    receptor: pl.DataFrame = field(repr=False)

    @classmethod
    def load(
        cls,
        *,
        path: pl.DataFrame | None = None,
        people: pl.DataFrame | None = None,
        rules: pl.DataFrame | None = None,
        receptor: pl.DataFrame | None = None,
    ) -> Reference:
        """Return the declared reference, with a user's own tables in place of any of its four.

        Raises
        ------
        SchemaError
            A table lacks a column or a row, or has one twice.
        UnknownNameError
            A row of a quantity, amount, part or rule that nothing reads.
        RangeError
            A gap, a level that is not within its bounds or leaves 0 to 1 as a share, an uncertainty that could not
            work, years or an interval that cannot be.
        """
        if path is None and people is None and rules is None and receptor is None:
            return _declared()
        return cls(
            tables.read("reference_path") if path is None else path,
            tables.read("reference_people") if people is None else people,
            tables.read("reference_rules") if rules is None else rules,
            tables.read("source_receptor") if receptor is None else receptor,
        )

    def __post_init__(self) -> None:
        numbers = ("value", "low", "high", "growth", "growth_sd", "walk_sd")
        need_columns(self.path.lazy(), ("name", *numbers, "rule"), what="Reference.path")
        need_columns(self.people.lazy(), ("amount", "attribute", "level", "weight"), what="Reference.people")
        need_columns(self.rules.lazy(), ("rule", "value"), what="Reference.rules")
        need_columns(self.receptor.lazy(), ("part", "low", "central", "high"), what="Reference.receptor")
        self._check_rules()
        self._check_path(numbers)
        self._check_people()
        self._check_receptor()

    def _check_rules(self) -> None:
        """Refuse constants that are missing, twice there or cannot be."""
        _once(self.rules, "rule", "value", what="reference_rules")
        first, last, base = (int(self.rule(name)) for name in ("first_year", "last_year", "base_year"))
        if not base < first <= last:
            raise RangeError(
                f"reference_rules has base_year {base}, first_year {first}, last_year {last}; a run begins after its "
                "base year and does not end before it begins."
            )
        if not 0 < self.rule("interval") < 1:
            raise RangeError(
                f"interval of reference_rules is {self.rule('interval'):g}; expected a share, 0.9 for 90 %."
            )
        if (replicates := self.rule("replicates")) < MIN_REPLICATES:
            raise RangeError(
                f"replicates of reference_rules is {replicates:g}; a spread needs at least {MIN_REPLICATES}."
            )

    def _check_path(self, numbers: Sequence[str]) -> None:
        """Refuse levels that are missing, twice there or cannot be in a year of the run."""
        _once(self.path, "name", *numbers, what="reference_path")
        known = {*NAMES, *RATES.values(), PM25}
        for name, row in self.rows.items():
            if name not in known:
                raise suggest(name, known, what="quantity of reference_path", see="policy_state.csv")
            if row["rule"] not in PATHS:
                raise suggest(row["rule"], PATHS, what="rule of reference_path", see="the head of the table")
            if not row["low"] <= row["value"] <= row["high"] or row["growth_sd"] < 0 or row["walk_sd"] < 0:
                raise RangeError(
                    f"{name!r} of reference_path has level {row['value']} outside {row['low']} to {row['high']}, or a "
                    "standard deviation below 0. Mend the row."
                )
            unsure = row["low"] < row["high"] or row["growth_sd"] > 0 or row["walk_sd"] > 0
            if unsure and (name in RATES.values() or not row["value"]):
                raise RangeError(
                    f"{name!r} of reference_path is unsure, but "
                    + (
                        "only its growth is used"
                        if name in RATES.values()
                        else "a level of 0 has nothing to vary about"
                    )
                    + ": no draw would differ. Let low and high be the value, and both standard deviations 0."
                )
            for year in self.years:
                level = self.level(name, year)
                if not 0 <= level <= (1 if name.endswith("_share") else np.inf):
                    raise RangeError(
                        f"{name!r} of reference_path comes to {level:g} in {year}; expected "
                        + ("a share from 0 to 1" if name.endswith("_share") else "0 or more")
                        + f". Mend its growth of {row['growth']:g}."
                    )
        needed = [n for n, side in NAMES.items() if side in ("city", "factor", "people") and n not in RATES]
        missing = [n for n in [*needed, *RATES.values(), PM25] if n not in self.rows]
        if missing:
            raise SchemaError(f"reference_path lacks rows for {', '.join(missing)}. Take them from the declared table.")
        for name in needed:
            if NAMES[name] == "people" and not name.endswith("_share") and not self.rows[name]["value"]:
                raise RangeError(
                    f"{name!r} of reference_path is 0; amounts of people are shared out in proportion and need a total "
                    "above 0. Give a small one."
                )

    def _check_people(self) -> None:
        """Refuse weights of amounts that nobody shares, and amounts without weights."""
        given = self.people["amount"].unique().to_list()
        for amount in given:
            if amount not in SHARED:
                raise suggest(str(amount), SHARED, what="amount of reference_people", see="the head of the table")
        if missing := [amount for amount in SHARED if amount not in given]:
            raise SchemaError(
                f"reference_people lacks rows for {', '.join(missing)}. Take them from the declared table."
            )
        weight = self.people["weight"].cast(pl.Float64)
        if not (weight.is_finite() & (weight >= 0)).fill_null(False).all():
            raise RangeError("reference_people has a weight that is no finite number of 0 or more. Mend the row.")

    def _check_receptor(self) -> None:
        """Refuse parts of the screening that are missing, not known or not ordered."""
        _once(self.receptor, "part", "low", "central", "high", what="source_receptor")
        parts, own = self.receptor["part"].to_list(), ("local", "slope")
        for part in parts:
            if part not in (*own, *SECTORS):
                raise suggest(str(part), (*own, *SECTORS), what="part of source_receptor", see="citylab.policy.state")
        if missing := [part for part in own if part not in parts]:
            raise SchemaError(f"source_receptor lacks {', '.join(missing)}. Take the rows from the declared table.")
        for row in self.receptor.iter_rows(named=True):
            if not 0 <= row["low"] <= row["central"] <= row["high"]:
                raise RangeError(f"{row['part']!r} of source_receptor is not ordered, or below 0. Swap the numbers.")

    @cached_property
    def rows(self) -> Mapping[str, Mapping[str, Any]]:
        """Rows of :attr:`path` by name."""
        return {row["name"]: row for row in self.path.iter_rows(named=True)}

    @cached_property
    def constants(self) -> Mapping[str, float]:
        """Values of :attr:`rules` by name."""
        return dict(zip(self.rules["rule"], self.rules["value"].cast(pl.Float64), strict=True))

    def rule(self, name: str) -> float:
        """Return a constant of :attr:`rules`."""
        if name not in self.constants:
            raise suggest(name, self.constants, what="rule", see="datasets/codes/reference_rules.csv")
        return self.constants[name]

    @cached_property
    def years(self) -> tuple[int, ...]:
        """Years of a run."""
        return tuple(range(int(self.rule("first_year")), int(self.rule("last_year")) + 1))

    def level(self, name: str, year: int) -> float:
        """Return the central value of a quantity in a year, in its unit.

        Examples
        --------
        >>> Reference.load().level("grid_kgco2_kwh", 2025)
        0.52
        """
        row = self.rows[name]
        t = year - int(self.rule("base_year"))
        if row["rule"] == "add":
            return float(row["value"] + row["growth"] * t)
        if row["rule"] == "complement":
            return float(1 - (1 - row["value"]) * (1 - row["growth"]) ** t)
        return float(row["value"] * (1 + row["growth"]) ** t)

    def left(self, rate: str, year: int) -> float:
        """Return which part of those without something in the base year is still without it, by one of :data:`RATES`.

        Examples
        --------
        >>> round(Reference.load().left("covered_share", 2027), 4)
        0.9025
        """
        base = int(self.rule("base_year"))
        if self.rows[rate]["rule"] == "complement":
            return float((1 - self.rows[rate]["growth"]) ** (year - base))
        without = 1 - self.level(rate, base)
        return float((1 - self.level(rate, year)) / without) if without else 1.0

    def factors(self, seed: int, start: int, stop: int) -> Mapping[str, Array]:
        """Return by how much draws differ from the central path.

        Parameters
        ----------
        seed, start, stop
            See :func:`citylab.stats.draws.uniforms`.

        Returns
        -------
        Mapping
            Name to array of shape (draws, years): value of the draw over the central value. The level is triangular,
            the true growth normal about the central one, and a random walk adds up yearly; all three are relative.
            Shares stay at or below 1. Names without uncertainty are left out.
        """
        base = int(self.rule("base_year"))
        t = np.array([year - base for year in self.years], dtype=float)
        found: dict[str, Array] = {}
        for name, row in self.rows.items():
            if not (row["low"] < row["high"] or row["growth_sd"] or row["walk_sd"]):
                continue
            stream = f"reference.{name}"
            ratio = np.ones((stop - start, t.size))
            if row["low"] < row["high"] and row["value"]:
                u = uniforms(seed, f"{stream}.level", start, stop)
                drawn = quantiles(u, "triangular", low=row["low"], central=row["value"], high=row["high"], name=name)
                ratio *= drawn[:, None] / row["value"]
            log = np.zeros_like(ratio)
            if row["growth_sd"]:
                z = draws(
                    seed, f"{stream}.growth", start, stop, distribution="normal", central=0.0, sd=row["growth_sd"]
                )
                log += z[:, None] * t
            if row["walk_sd"]:
                steps = draws(
                    seed, f"{stream}.walk", start, stop, distribution="normal", central=0.0, sd=row["walk_sd"],
                    width=int(t[-1]),
                )  # fmt: skip
                log += np.cumsum(steps, axis=1)[:, -t.size :]
            ratio *= np.exp(log)
            if name.endswith("_share"):
                ceiling = np.array([1 / self.level(name, year) for year in self.years])
                ratio = np.minimum(ratio, ceiling)
            found[name] = ratio
        return found

    def screening(self, seed: int, start: int, stop: int) -> tuple[Array, Array]:
        """Return draws of the PM2.5 coefficients.

        Returns
        -------
        tuple
            local x slope, shape (draws, 1); and the share of each sector of
            :data:`citylab.policy.state.SECTORS`, shape (draws, sectors), scaled down where they sum to more than 1.
        """
        return self.coefficients(self.receptor_draws(seed, start, stop), stop - start)

    def receptor_draws(self, seed: int, start: int, stop: int) -> dict[str, Array]:
        """Return draws of the parts of :attr:`receptor`, each of shape (draws,)."""
        drawn = {}
        for row in self.receptor.iter_rows(named=True):
            u = uniforms(seed, f"source_receptor.{row['part']}", start, stop)
            drawn[row["part"]] = quantiles(
                u, "triangular", low=row["low"], central=row["central"], high=row["high"], name=row["part"]
            )
        return drawn

    def screening_central(self) -> tuple[Array, Array]:
        """Return the central PM2.5 coefficients, shapes (1, 1) and (1, sectors)."""
        rows = self.receptor.iter_rows(named=True)
        return self.coefficients({row["part"]: np.array([row["central"]]) for row in rows}, 1)

    @staticmethod
    def coefficients(drawn: Mapping[str, Array], n: int) -> tuple[Array, Array]:
        """Return the coefficients of :meth:`screening` from ``n`` values of each part."""
        shares = np.stack([drawn.get(sector, np.zeros(n)) for sector in SECTORS], axis=1)
        shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1.0)
        return (drawn["local"] * drawn["slope"])[:, None], shares


def _once(table: pl.DataFrame, key: str, *numbers: str, what: str) -> None:
    """Refuse a table with a key twice, or with gaps or text in place of numbers."""
    if (twice := table.filter(pl.col(key).is_duplicated())).height:
        raise SchemaError(f"{what} has {twice[key][0]!r} {twice[key].eq(twice[key][0]).sum()} times. Keep one row.")
    for name in numbers:
        column = table[name].cast(pl.Float64, strict=False)
        bad = table.filter(~column.is_finite().fill_null(False))
        if bad.height:
            raise RangeError(f"{what} has {name} {bad[name][0]!r} for {bad[key][0]!r}; expected a finite number.")


@cache
def _declared() -> Reference:
    return Reference(
        tables.read("reference_path"),
        tables.read("reference_people"),
        tables.read("reference_rules"),
        tables.read("source_receptor"),
    )
