"""What a scenario changes against the reference: quantities with intervals, who gains, and what a tonne costs."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from citylab.errors import RangeError, SchemaError, suggest
from citylab.policy.reference import PM25
from citylab.policy.runs import (
    ACCESS,
    MEASURES,
    MONEY,
    QUANTITIES,
    SOCIETY,
    TOTAL,
    YEARLY_OUTCOMES,
    columns_of,
)
from citylab.policy.state import Array
from citylab.vocabulary import say

if TYPE_CHECKING:
    from citylab.policy.scenario import Scenario
    from citylab.vocabulary import Language

ASSUMPTIONS = tuple(
    f"policy_assume_{what}" for what in ("persons", "shares", "cells", "air", "prices", "comfort", "society")
)
"""What every run takes for granted, as words of the vocabulary; :meth:`Result.assumed` says them."""


@dataclass(frozen=True)
class Result:
    """What a scenario changes against the reference.

    Attributes
    ----------
    scenario
        What was run.
    draws, seed
        Number of draws, and the seed.
    interval
        Nominal coverage of the intervals.
    sample_persons, is_synthetic
        Of the world.
    years, base_year
        Years of the run, and the year whose levels the reference starts from.
    assumptions
        What every run takes for granted: words of the vocabulary; :meth:`assumed` says them.
    official_co2_t
        Year and tonnes of CO2 that official figures imply, to be told beside the level of the reference; None if the
        reference names none.

    Notes
    -----
    Values are means over draws. An interval holds the middle ``interval`` of draws, each with the deviation of one
    replicate of the sample; where draws are so skewed that it would leave out the mean, it is widened to it. ``sd``
    squared is the sum of the squares of ``sd_sampling``, ``sd_parameter`` and
    ``sd_model``: variance over replicates at the central draw, and variance over draws split into what the rival models
    explain (least squares on their indicators, adjusted for degrees of freedom) and the rest. The interaction of sample
    and parameters is left out.
    """

    scenario: Scenario
    draws: int
    seed: int
    interval: float
    sample_persons: int
    is_synthetic: bool
    years: tuple[int, ...]
    base_year: int
    assumptions: tuple[str, ...] = field(repr=False)
    official_co2_t: tuple[int, float] | None
    _drawn: Mapping[str, Array] = field(repr=False)
    _replicates: Mapping[str, Array] = field(repr=False)
    _groups: pl.DataFrame = field(repr=False)

    @cached_property
    def _yearly(self) -> tuple[Array, Array, Array]:
        """Reference and difference over draws, and difference over replicates."""
        before, after = columns_of(self._drawn)
        first, second = columns_of(self._replicates)
        # A difference of two sums over cells has the rounding of the sums, even where nothing hangs on the sample
        size = np.maximum(np.abs(first), np.abs(second)).max(axis=0)
        change = second - first
        return before, after - before, change.mean(axis=0) + _off(change, size)

    def _spread(self, drawn: Array, replicates: Array, variants: Array | None = None) -> dict[str, Array]:
        """Return what is told of differences: (draws, n) and (replicates, n) give arrays of n."""
        mean = drawn.mean(axis=0)
        sampled = _off(replicates)
        picked = np.arange(self.draws) % replicates.shape[0]
        tail = (1 - self.interval) / 2
        lower, upper = np.quantile(drawn + sampled[picked], [tail, 1 - tail], axis=0)
        lower, upper = np.minimum(lower, mean), np.maximum(upper, mean)
        over = drawn.var(axis=0, ddof=1)
        model = np.minimum(_explained(drawn, self._drawn["variants"] if variants is None else variants), over)
        sampling = (sampled**2).sum(axis=0) / (replicates.shape[0] - 1)
        return {
            "difference": mean,
            "lower": lower,
            "upper": upper,
            "sd": np.sqrt(sampling + over),
            "sd_sampling": np.sqrt(sampling),
            "sd_parameter": np.sqrt(over - model),
            "sd_model": np.sqrt(model),
        }

    def _frame(
        self, keys: Mapping[str, Any], before: Array, drawn: Array, replicates: Array, *, variants: Array | None = None
    ) -> pl.DataFrame:
        told = self._spread(drawn, replicates, variants)
        tail = (1 - self.interval) / 2
        low, high = np.quantile(before, [tail, 1 - tail], axis=0)
        middle = before.mean(axis=0)
        return pl.DataFrame(
            {
                **keys,
                "reference": middle,
                "reference_lower": low,
                "reference_upper": high,
                "scenario": middle + told["difference"],
                **told,
            }
        )

    def yearly(self) -> pl.DataFrame:
        """Return every quantity in every year.

        Returns
        -------
        polars.DataFrame
            One row a year, quantity and sector: ``year, quantity, sector, unit, reference, reference_lower,
            reference_upper, scenario, difference, lower, upper, sd, sd_sampling, sd_parameter, sd_model,
            is_synthetic``.
            Quantities: ``co2_t`` by sector and in ``total`` (t/year), ``pm25_ugm3`` (mean of the residents),
            persons online, with a smartphone, covered, using services (persons), and money (CNY/year, + is a gain; of
            ``resource_cny`` + is used up). ``household_cny`` is what is in the purse; ``comfort_cny`` and
            ``firm_comfort_cny`` are what consumption and trips gained (+) or given up (-) are worth to households and
            firms; ``society_cny`` is household, budget and firm money with both kinds of comfort, which is comfort less
            resource cost. All are against the reference, whose own are not counted: its columns are 0.
        """
        before, drawn, replicates = self._yearly
        names = QUANTITIES
        keys = {
            "year": np.repeat(np.array(self.years), len(names)),
            "quantity": [q for _ in self.years for q, _, _ in names],
            "sector": [s for _ in self.years for _, s, _ in names],
            "unit": [u for _ in self.years for _, _, u in names],
        }
        return self._frame(keys, *(_flat(a) for a in (before, drawn, replicates))).with_columns(
            is_synthetic=pl.lit(self.is_synthetic)
        )

    @property
    def _keys(self) -> dict[str, list[str]]:
        """Columns that name the quantities over all years."""
        names = QUANTITIES
        return {
            "quantity": [q for q, _, _ in names],
            "sector": [s for _, s, _ in names],
            "unit": [u for _, _, u in names],
            "over": ["mean" if q == PM25 else "last" if q in ACCESS else "sum" for q, _, _ in names],
        }

    def _over_years(self, array: Array) -> Array:
        """Return sums of tonnes and money, the mean of PM2.5 and the last year's persons."""
        columns = []
        for i, (quantity, _, _) in enumerate(QUANTITIES):
            values = array[:, :, i]
            if quantity == PM25:
                columns.append(values.mean(axis=1))
            elif quantity in ACCESS:
                columns.append(values[:, -1])
            else:
                columns.append(values.sum(axis=1))
        return np.stack(columns, axis=1)

    def totals(self) -> pl.DataFrame:
        """Return every quantity over all years: tonnes and money summed, PM2.5 averaged, persons in the last year.

        Returns
        -------
        polars.DataFrame
            Columns of :meth:`yearly` without ``year``, and ``over`` (``sum``, ``mean`` or ``last``).
        """
        return self._frame(self._keys, *(self._over_years(a) for a in self._yearly)).with_columns(
            is_synthetic=pl.lit(self.is_synthetic)
        )

    def minus(self, other: Result) -> pl.DataFrame:
        """Return what this scenario has more than another, on the same draws.

        Parameters
        ----------
        other
            Result of another scenario of the same world, draws and seed.

        Returns
        -------
        polars.DataFrame
            Columns of :meth:`totals`; ``reference`` and ``scenario`` are those of the other and of this scenario, and
            ``sd_model`` is what the rival models of both explain.

        Raises
        ------
        RangeError
            The two were not run on the same draws, years or persons.
        """
        if not isinstance(other, Result):
            raise SchemaError(f"minus got {type(other).__name__}; expected the Result of another simulate.")
        for name in ("draws", "seed", "years", "sample_persons"):
            if getattr(self, name) != getattr(other, name):
                raise RangeError(
                    f"{name} is {getattr(self, name)} here and {getattr(other, name)} there; run both alike to compare "
                    "them."
                )
        (before, ours, sampled), (_, theirs, sampled_there) = self._yearly, other._yearly
        arrays = (before + theirs, ours - theirs, sampled - sampled_there)
        # A rival model that both are under counts once
        both = np.concatenate([self._drawn["variants"], other._drawn["variants"]], axis=1)
        variants = np.unique(both, axis=1)
        return self._frame(self._keys, *(self._over_years(a) for a in arrays), variants=variants).with_columns(
            is_synthetic=pl.lit(self.is_synthetic)
        )

    def draws_of(self, quantity: str, sector: str = TOTAL, year: int | None = None) -> pl.DataFrame:
        """Return one quantity draw by draw, without the scenario and with it.

        Parameters
        ----------
        quantity, sector
            As in :meth:`yearly`.
        year
            One of :attr:`years`; default: over all years, as in :meth:`totals`.

        Returns
        -------
        polars.DataFrame
            One row a draw and run: ``draw`` (from 0), ``run`` (``reference`` or ``scenario``), ``value``, ``unit``,
            ``is_synthetic``. Sampling is not in it: the intervals of :meth:`totals` are wider for that.

        Raises
        ------
        UnknownNameError
            No such quantity or sector.
        RangeError
            The year was not run.
        """
        names = list(dict.fromkeys(q for q, _, _ in QUANTITIES))
        if quantity not in names:
            raise suggest(quantity, names, what="quantity", see="Result.yearly()")
        sectors = {s: (i, unit) for i, (q, s, unit) in enumerate(QUANTITIES) if q == quantity}
        if sector not in sectors:
            raise suggest(sector, sectors, what=f"sector of {quantity!r}", see="Result.yearly()")
        i, unit = sectors[sector]
        before, drawn, _ = self._yearly
        pair = (before, before + drawn)
        told = [self._over_years(a)[:, i] if year is None else a[:, self._year(year), i] for a in pair]
        runs = pl.Series(["reference"] * self.draws + ["scenario"] * self.draws)
        number = pl.Series(np.tile(np.arange(self.draws), 2))
        return pl.DataFrame({"draw": number, "run": runs, "value": np.concatenate(told)}).with_columns(
            unit=pl.lit(unit), is_synthetic=pl.lit(self.is_synthetic)
        )

    def _year(self, year: int) -> int:
        """Return the place of a year among those of the run."""
        if year not in self.years:
            raise RangeError(f"The run is of {self.years[0]} to {self.years[-1]}; asked was {year}. Take one of them.")
        return self.years.index(year)

    def by_group(
        self, group: str = "income_decile", *, measure: str = "money", year: int | None = None
    ) -> pl.DataFrame:
        """Return winners and losers.

        Parameters
        ----------
        group
            ``income_decile``, ``age_band`` (0 under 18, 1 of 18-59, 2 of 60 and over), ``adcode`` (district),
            ``has_smartphone``, or ``all``.
        measure
            By what people gain or lose: ``"money"`` (the purse alone) or ``"welfare"`` (money and comfort together). A
            lever that makes people use less can fill the purse and still leave them worse off: tell both.
        year
            One of :attr:`years`: what is then, without ``gaining_share`` and ``losing_share``
            (:data:`YEARLY_OUTCOMES`). Default: money as the mean of all years, shares of persons in the last year.

        Returns
        -------
        polars.DataFrame
            One row a level and outcome: ``group, level, persons, outcome, unit, difference, lower, upper, sd,
            sd_sampling, sd_parameter, sd_model, gain_measure, is_synthetic``. Outcomes by money:
            ``household_cny_person`` (mean change of money a person and year), ``gaining_share`` and ``losing_share``
            (persons of cells whose mean change is beyond the rule ``min_change_cny``), and the change of the shares of
            persons online, covered and using services in the last year. By welfare: ``welfare_cny_person`` (money and
            comfort), ``comfort_cny_person``, ``gaining_share`` and ``losing_share``. ``gain_measure`` is ``measure``.

        Raises
        ------
        UnknownNameError
            No such grouping or measure.
        RangeError
            The year was not run.
        """
        if measure not in MEASURES:
            raise suggest(measure, MEASURES, what="measure", see="citylab.policy.simulate.MEASURES")
        known = self._groups["group"].unique(maintain_order=True).to_list()
        if group not in known:
            raise suggest(group, known, what="grouping", see="citylab.policy.world.GROUPS")
        at = np.flatnonzero((self._groups["group"] == group).to_numpy())
        levels, persons = self._groups["level"].to_list(), self._groups["persons"].to_list()
        if year is None:
            outcomes, held = MEASURES[measure], "group" if measure == "money" else "group_welfare"
            drawn, replicates = (_flat(o[held][:, at, :]) for o in (self._drawn, self._replicates))
        else:
            outcomes, every = YEARLY_OUTCOMES[measure], [o for row in YEARLY_OUTCOMES.values() for o in row]
            columns, k = [every.index(o) for o in outcomes], self._year(year)
            drawn, replicates = (
                _flat(o["group_year"][:, k][:, at][:, :, columns]) for o in (self._drawn, self._replicates)
            )
        keys = {
            "group": [group] * (len(at) * len(outcomes)),
            "level": [levels[i] for i in at for _ in outcomes],
            "persons": [persons[i] for i in at for _ in outcomes],
            "outcome": [o for _ in at for o in outcomes],
            "unit": ["CNY/person/year" if o.endswith("_cny_person") else "1" for _ in at for o in outcomes],
        }
        told = self._spread(drawn, replicates)
        # A share of persons is none below 0 or above 1, though a draw and a replicate together may be
        bounded = np.array([o in ("gaining_share", "losing_share") for _ in at for o in outcomes])
        for side in ("lower", "upper"):
            told[side] = np.where(bounded, np.clip(told[side], 0.0, 1.0), told[side])
        return pl.DataFrame({**keys, **told, "gain_measure": measure, "is_synthetic": self.is_synthetic})

    def per_tonne(self) -> pl.DataFrame:
        """Return what a tonne saved costs, over all years and undiscounted.

        Returns
        -------
        polars.DataFrame
            Three rows, ``cost_kind`` = ``resource`` (goods and labour used up beyond the reference, with capital spread
            over its life; energy not bought counts as saved), ``budget`` (public money) and ``society`` (resource cost
            and the comfort given up, which is what a tonne costs people): ``cny_t, lower, upper, tonnes,
            why_not_told``.
            Where the interval of the tonnes covers 0 the three numbers are null, and ``why_not_told`` says so: a ratio
            to what may be nothing means nothing. Single draws in which no tonne is saved are left out of the interval.

        Notes
        -----
        Compare ``society`` between levers. ``resource`` is negative for a price that makes people use less, because
        what they no longer have is not in it.
        """
        at = {(q, s): i for i, (q, s, _) in enumerate(QUANTITIES)}
        drawn, replicates = (self._over_years(a) for a in self._yearly[1:])
        saved = at["co2_t", TOTAL]
        told = self._spread(drawn[:, [saved]], replicates[:, [saved]])
        low, high = -told["upper"][0], -told["lower"][0]
        picked = np.arange(self.draws) % replicates.shape[0]
        joint = drawn + _off(replicates)[picked]
        # A cap that binds in nearly all draws saves nothing in the others: these have no cost of a tonne
        joint = joint[joint[:, saved] < 0]
        tail = (1 - self.interval) / 2
        rows = []
        for cost, name, sign in COSTS:
            row: dict[str, Any] = {"cost_kind": cost, "tonnes": -float(told["difference"][0]), "why_not_told": None}
            if low <= 0:
                row |= {"cny_t": None, "lower": None, "upper": None}
                none = "no_tonnes" if low == high == 0 else "covers_zero" if high >= 0 else "emissions_rise"
                row["why_not_told"] = none
            else:
                i = at[name, TOTAL]
                ratio = sign * joint[:, i] / -joint[:, saved]
                lower, upper = np.quantile(ratio, [tail, 1 - tail])
                row["cny_t"] = sign * float(drawn[:, i].mean()) / row["tonnes"]
                row |= {"lower": float(lower), "upper": float(upper)}
            rows.append(row)
        schema = {"cost_kind": pl.String, "cny_t": pl.Float64, "lower": pl.Float64, "upper": pl.Float64}
        return pl.DataFrame(rows, schema={**schema, "tonnes": pl.Float64, "why_not_told": pl.String})

    def budget_share(self, budget_cny: float) -> float:
        """Return the share of draws in which the public money spent over all years is within ``budget_cny`` [CNY]."""
        spent = -self._drawn["money"][:, :, MONEY.index("budget_cny")].sum(axis=1)
        return float((spent <= budget_cny).mean())

    def tidy(self) -> pl.DataFrame:
        """Return :meth:`totals`."""
        return self.totals()

    def level_note(self, lang: Language | None = None) -> str | None:
        """Return what to tell wherever tonnes are shown: the reference's level beside that of official figures.

        Parameters
        ----------
        lang
            ``"zh"`` or ``"en"``; default: the ``CITYLAB_LANG`` setting.

        Returns
        -------
        str or None
            A few sentences; None if the reference names no official level.
        """
        if self.official_co2_t is None:
            return None
        year, tonnes = self.official_co2_t
        reference = self._drawn["co2"][:, 0].sum(axis=1).mean()
        told = {"reference": reference * MT_PER_T, "official": tonnes * MT_PER_T}
        return say("policy_level", lang).format(
            year=self.years[0], official_year=year, **{name: f"{value:.0f}" for name, value in told.items()}
        )

    def assumed(self, lang: Language | None = None) -> list[str]:
        """Return what the numbers rest on, in sentences of a language; first of all :meth:`level_note`."""
        level = self.level_note(lang)
        return [*([] if level is None else [level]), *(say(word, lang) for word in self.assumptions)]

    def _repr_html_(self) -> str:
        head = f"{self.scenario.name_zh} / {self.scenario.name_en}: {self.draws} draws, seed {self.seed}, "
        head += f"{self.sample_persons:,} persons, reference of {self.base_year}"
        synthetic = f" · {say('synthetic')}" if self.is_synthetic else ""
        assumed = "".join(f"<li>{html.escape(sentence, quote=False)}</li>" for sentence in self.assumed())
        return f"<p>{html.escape(head)}{synthetic}</p>{self.totals()._repr_html_()}<ul>{assumed}</ul>"


MT_PER_T = 1e-6
"""Definition."""
COSTS = (("resource", "resource_cny", 1.0), ("budget", "budget_cny", -1.0), ("society", SOCIETY, -1.0))
"""Kinds of cost of a tonne, the quantity each is made of, and the sign of a cost in it."""


DUST = 1e-12
"""What a number may be off by rounding alone, relative to the sums that it is made of."""


def _off(replicates: Array, size: Array | None = None) -> Array:
    """Return by how much replicates differ from their mean, without the dust of rounding sums of a given size."""
    mean = replicates.mean(axis=0)
    off = replicates - mean
    return np.where(np.abs(off) <= DUST * (np.abs(mean) if size is None else size), 0.0, off)


def _flat(array: Array) -> Array:
    """Return (draws, a, b) as (draws, a x b)."""
    return array.reshape(array.shape[0], -1)


def _explained(drawn: Array, variants: Array) -> Array:
    """Return the variance over draws that indicators of rival models explain, adjusted for degrees of freedom."""
    n = drawn.shape[0]
    centred = drawn - drawn.mean(axis=0)
    inside = variants - variants.mean(axis=0)
    inside = inside[:, inside.any(axis=0)]
    if not inside.shape[1] or n <= inside.shape[1] + 1:
        return np.zeros(drawn.shape[1])
    fitted = inside @ np.linalg.lstsq(inside, centred, rcond=None)[0]
    left = ((centred - fitted) ** 2).sum(axis=0) / (n - 1 - inside.shape[1])
    return np.maximum((centred**2).sum(axis=0) / (n - 1) - left, 0.0)
