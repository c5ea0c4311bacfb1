"""Why sources of a city's CO2 differ: one table of what each counts, and a walk from one total to the other.

Totals of different boundary, scope, sectors, year or gases are never put together without saying so. The walk takes
apart what can be quantified from the sources' own rows, names what differs but cannot be quantified, and prints the
rest as unexplained. What known sources count stands in the declared tables ``carbon_sources`` and
``carbon_common_sectors``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import polars as pl

from citylab import settings, tables, vocabulary
from citylab.carbon.indicators import PER_CNY
from citylab.errors import DataError, SchemaError, suggest
from citylab.frames import need_columns, need_numbers
from citylab.settings import Language

ALL_SECTORS = "all"
STEPS = ("year", "sectors", "scope", "boundary", "gases", "vintage")
"""Differences that a walk takes apart, in this order."""

_T_PER_MT = 1e6
_MONTHS = 12


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """What one source counts, and its figures for one place.

    Attributes
    ----------
    source_id, label_zh, label_en, publisher
        Its names.
    boundary
        ``administrative``, ``functional_urban_area`` or another word; equal words mean equal boundaries.
    scopes
        Scopes in the total, of ``"1"``, ``"2"``, ``"3"``.
    sectors
        Common sectors in the total; ``("all",)`` means every one.
    gases, gwp
        Gases in the total, and the GWP set that converted them (``none`` for CO2 alone).
    vintage, note_zh, note_en, mark
        Edition of the figures, what a reader must know, how sure the description is.
    frame
        One row per ``year`` (and ``sector``) with ``co2_t``, and ``co2_low_t`` and ``co2_high_t`` where there are.
    """

    source_id: str
    label_zh: str
    label_en: str
    publisher: str
    boundary: str
    scopes: tuple[str, ...]
    sectors: tuple[str, ...]
    gases: tuple[str, ...]
    gwp: str
    vintage: str
    frame: pl.DataFrame = field(repr=False)
    note_zh: str = ""
    note_en: str = ""
    mark: str = "secondary"

    def __post_init__(self) -> None:
        what = f"Source {self.source_id!r}"
        numbers = ["year", "co2_t", *(c for c in ("co2_low_t", "co2_high_t") if c in self.frame.columns)]
        schema = need_columns(self.frame.lazy(), ["year", "co2_t"], what=what)
        need_numbers(schema, numbers, what=what)
        keys = ["year", *(["sector"] if "sector" in schema else [])]
        if self.frame.is_empty():
            raise DataError(f"{what} has no rows. Look at the filter of its place and years.")
        if self.frame.select(keys).is_duplicated().any():
            raise DataError(f"{what} has a row of {keys} twice. Give the rows of one place, added up by {keys}.")
        bad = self.frame.filter(~pl.col("co2_t").is_finite().fill_null(False))
        if bad.height:
            raise DataError(
                f"{what} has {bad.height} rows without a finite number; the first: {bad.row(0, named=True)}."
            )

    @property
    def years(self) -> list[int]:
        """Years with figures."""
        return sorted(self.frame["year"].unique().to_list())

    def total_t(self, year: int, *, column: str = "co2_t") -> float:
        """Return the total of a year [t CO2]."""
        return float(self.frame.filter(pl.col("year") == year)[column].sum())

    def by_sector(self, year: int) -> dict[str, float] | None:
        """Return the year's figures by common sector [t CO2], or ``None`` where only totals are known."""
        if "sector" not in self.frame.columns:
            return None
        return dict(self.frame.filter(pl.col("year") == year).select("sector", "co2_t").iter_rows())


def source(
    source_id: str,
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    table: pl.DataFrame | None = None,
    sectors: pl.DataFrame | None = None,
) -> Source:
    """Return a known source with its figures for one place, its sectors mapped to the common ones.

    Parameters
    ----------
    source_id
        ``"ceads_sector_fuel"``, ``"ceads_city"``, ``"carbonmonitor_city"``, ``"carbonmonitor_province"``,
        ``"official_intensity"``.
    frame
        Rows of one place: ``year`` (or ``month_start``, whose months are added up) and ``co2_t``; ``sector`` or
        ``sector_at_source`` (and ``fuel_at_source``) where the source has them.
    table, sectors
        Descriptions and map of sectors in place of the declared tables ``carbon_sources``, ``carbon_common_sectors``.

    Raises
    ------
    UnknownNameError
        No such source is declared; make a :class:`Source` of your own.
    DataError
        A sector has no common sector, or a year has not all of its months.
    SchemaError
        The frame lacks a column.

    Examples
    --------
    >>> months = pl.DataFrame({"year": [2019, 2019], "sector": ["power", "residential"], "co2_t": [2.0, 1.0]})
    >>> source("carbonmonitor_city", months).by_sector(2019)
    {'buildings': 1.0, 'power': 2.0}
    """
    declared = tables.read("carbon_sources") if table is None else table
    found = declared.filter(source_id=source_id)
    if found.is_empty():
        raise suggest(source_id, declared["source_id"], what="source", see="the table carbon_sources")
    r = found.row(0, named=True)
    rows = frame.lazy().collect()
    if "month_start" in rows.columns:
        rows = _years_of_months(rows, source_id)
    keys = ["year"]
    if r["family"]:
        rows, keys = _common(rows, r["family"], sectors), ["year", "sector"]
    need_columns(rows.lazy(), [*keys, "co2_t"], what=f"source({source_id!r})")
    values = [c for c in ("co2_t", "co2_low_t", "co2_high_t") if c in rows.columns]
    rows = rows.group_by(keys).agg(pl.col(values).sum()).sort(keys)
    return Source(
        source_id, r["label_zh"], r["label_en"], r["publisher"], r["boundary"], _parts(r["scopes"]),
        _parts(r["sectors"]), _parts(r["gases"]), r["gwp"], r["edition"], rows,
        r["note_zh"] or "", r["note_en"] or "", r["mark"],
    )  # fmt: skip


def _parts(joined: object) -> tuple[str, ...]:
    return tuple(str(joined).split("+"))


def _years_of_months(rows: pl.DataFrame, source_id: str) -> pl.DataFrame:
    months = rows.group_by(pl.col("month_start").dt.year().cast(pl.Int64).alias("year")).agg(
        pl.col("month_start").n_unique().alias("n")
    )
    if (short := months.filter(pl.col("n") != _MONTHS)).height:
        raise DataError(f"source({source_id!r}): {short['year'][0]} has {short['n'][0]} months. Keep whole years.")
    return rows.with_columns(pl.col("month_start").dt.year().cast(pl.Int64).alias("year"))


def _common(rows: pl.DataFrame, family: str, sectors: pl.DataFrame | None) -> pl.DataFrame:
    name = "sector_at_source" if "sector_at_source" in rows.columns else "sector"
    need_columns(rows.lazy(), ["year", name, "co2_t"], what=f"a source of {family}")
    known = (tables.read("carbon_common_sectors") if sectors is None else sectors).filter(family=family)
    plain = known.filter(pl.col("fuel_at_source").is_null()).select(
        pl.col("sector_at_source").alias(name), common="common_sector"
    )
    told = rows.join(plain, on=name, how="left")
    if "fuel_at_source" in rows.columns:
        finer = known.filter(pl.col("fuel_at_source").is_not_null()).select(
            pl.col("sector_at_source").alias(name), "fuel_at_source", finer="common_sector"
        )
        told = told.join(finer, on=[name, "fuel_at_source"], how="left").with_columns(
            pl.coalesce("finer", "common").alias("common")
        )
    if (lost := told.filter(pl.col("common").is_null())).height:
        raise DataError(
            f"{lost.height} rows of {family} have a sector without a common one, {lost[name][0]!r} first. Leave totals "
            "out, or give sectors= with a row for it."
        )
    return told.drop(name).rename({"common": "sector"})


def intensity_times_gdp(*, year: int, intensity: float, gdp_cny: float, low: float, high: float) -> pl.DataFrame:
    """Return the total that a published intensity implies, with the range of the published values.

    Parameters
    ----------
    year
        Year of both.
    intensity, low, high
        CO2 per 10,000 CNY [t] as published, and its least and greatest published value.
    gdp_cny
        GDP of the year [CNY]; of the prices that the intensity is in, which its publisher may not say.

    Raises
    ------
    DataError
        ``intensity`` is not from ``low`` to ``high``, or something is not above 0.

    Examples
    --------
    >>> intensity_times_gdp(year=2020, intensity=0.42, low=0.41, high=0.42, gdp_cny=36_102.6e8)["co2_t"].round().item()
    151630920.0
    """
    if not (0 < low <= intensity <= high and gdp_cny > 0):
        raise DataError(f"An intensity of {intensity} from {low} to {high} with a GDP of {gdp_cny} CNY cannot be.")
    values = {c: [v * gdp_cny / PER_CNY] for c, v in (("co2_t", intensity), ("co2_low_t", low), ("co2_high_t", high))}
    return pl.DataFrame({"year": [year], **values})


@dataclass(frozen=True, slots=True, eq=False)
class Reconciliation:
    """Sources side by side, and what lies between them.

    Attributes
    ----------
    sources
        One row per source: ``source_id``, labels, ``area_boundary``, ``scopes``, ``sectors``, ``gases``, ``gwp_set``,
        ``year``, ``co2_t``, ``co2_low_t``, ``co2_high_t``, ``publisher``, ``vintage``, notes and ``mark``. Not to be
        added, nor drawn without these labels.
    walk
        One row per step from the total of ``from_source`` to that of ``to_source``: ``order``, ``step`` (``start``,
        those of :data:`STEPS`, ``unexplained``, ``end``), ``co2_t`` (signed; null: differs, not quantifiable from
        these sources), ``is_quantified``, ``basis_zh``, ``basis_en``. Start, quantified steps and ``unexplained`` add
        up to the end.
    sectors
        One row per pair and common sector that both have: what each says, in one year, and the difference. Sectors
        may disagree more than their totals.
    year
        Year that was asked for.
    """

    sources: pl.DataFrame
    walk: pl.DataFrame
    sectors: pl.DataFrame
    year: int

    def tidy(self) -> pl.DataFrame:
        """Return the walk."""
        return self.walk

    def text(self, lang: Language | None = None) -> str:
        """Return the walk in words, one line a step, with what is unexplained printed as such.

        Parameters
        ----------
        lang
            ``"en"`` or ``"zh"``; by default the language of the settings.
        """
        lang = lang or settings.language()
        names = dict(self.sources.select("source_id", f"label_{lang}").iter_rows())
        words = _WORDS[lang]
        lines = []
        for (one, other), rows in self.walk.group_by("from_source", "to_source", maintain_order=True):
            lines.append(f"{names[one]} → {names[other]}")
            for r in rows.iter_rows(named=True):
                sign = "" if r["step"] in ("start", "end") else "+"
                amount = words["unknown"] if r["co2_t"] is None else f"{r['co2_t'] / _T_PER_MT:{sign}.2f} Mt"
                basis = f" ({r[f'basis_{lang}']})" if r[f"basis_{lang}"] else ""
                lines.append(f"  {words[r['step']]}: {amount}{basis}")
            apart = self.sectors.filter(from_source=one, to_source=other)["difference_co2_t"] / _T_PER_MT
            if (apart > 0).any() and (apart < 0).any():
                up, down = apart.filter(apart > 0).sum(), apart.filter(apart < 0).sum()
                lines.append(f"  {words['shared']}: {up:+.2f}, {down:+.2f} Mt")
        return "\n".join(lines)


_WORDS = {
    "en": {
        "start": "start", "year": "year", "sectors": "sectors covered", "scope": "scope", "boundary": "boundary",
        "gases": "gases and GWP", "vintage": "vintage", "unexplained": "unexplained", "end": "end",
        "unknown": "differs, not quantifiable from these sources",
        "shared": "differences in the sectors that both have, which cancel in the totals",
    },
    "zh": {
        "start": "起点", "year": "年份", "sectors": "覆盖部门", "scope": "范围",
        "boundary": "边界", "gases": "气体与 GWP", "vintage": "数据版本", "unexplained": "未能解释", "end": "终点",
        "unknown": "不同，但据这些来源无法量化", "shared": "共有部门之间的差异（在合计中相互抵消）",
    },
}  # fmt: skip


def reconcile(*sources: Source, year: int, adjustments: pl.DataFrame | None = None) -> Reconciliation:
    """Return sources of one place side by side, with a walk over the gap between each two.

    Parameters
    ----------
    *sources
        Two or more, as :func:`source` gives or of your own.
    year
        Year to compare. A source without it stands with its nearest year, labelled, and the walk says so.
    adjustments
        Figures from elsewhere for steps that the sources' own rows cannot give: ``from_source``, ``to_source``,
        ``step`` (scope, boundary, gases), ``co2_t`` (signed, what is added on the way), ``basis_zh``, ``basis_en``.

    Returns
    -------
    Reconciliation

    Raises
    ------
    SchemaError
        Fewer than two sources, one source twice, or a column of the adjustments is missing.
    DataError
        An adjustment names a step that does not differ, or sources that are not there.

    Notes
    -----
    Year: by the change within the source that has both years. Sectors: by the source's own rows of the sectors that
    the other leaves out. Vintage: only where nothing else differs and the publisher is the same, and then all that is
    left. Scope, boundary and gases: only by ``adjustments``. Whatever is not quantified is part of ``unexplained``,
    whose basis names it.

    Examples
    --------
    >>> one = source("carbonmonitor_city", pl.DataFrame({"year": [2019, 2019], "sector": ["power", "aviation"],
    ...                                                  "co2_t": [20e6, 2e6]}))
    >>> other = source("carbonmonitor_province", pl.DataFrame({"year": [2019], "sector": ["power"], "co2_t": [37e6]}))
    >>> reconcile(one, other, year=2019).walk.select("step", "co2_t").rows()
    [('start', 22000000.0), ('sectors', -2000000.0), ('boundary', None), ('unexplained', 17000000.0),
     ('end', 37000000.0)]
    """
    ids = [s.source_id for s in sources]
    if len(ids) < 2 or len(set(ids)) != len(ids):
        raise SchemaError(f"reconcile needs two or more different sources; it was given {ids}.")
    extra = _adjustments(adjustments, ids)
    chosen = {s.source_id: min(s.years, key=lambda y: (abs(y - year), y)) for s in sources}
    walks: list[dict[str, object]] = []
    details: list[dict[str, object]] = []
    for one, other in combinations(sources, 2):
        key = (one.source_id, other.source_id)
        walks += _walk(one, other, chosen[key[0]], chosen[key[1]], extra.pop(key, {}))
        details += _sectors(one, other, chosen[key[0]], chosen[key[1]])
    if extra:
        raise DataError(f"adjustments name pairs that are not walked: {sorted(extra)}. Name them in the order given.")
    return Reconciliation(
        pl.DataFrame([_row(s, chosen[s.source_id]) for s in sources], schema=_SOURCE_SCHEMA),
        pl.DataFrame(walks, schema=_WALK_SCHEMA),
        pl.DataFrame(details, schema=_SECTOR_SCHEMA),
        year,
    )


_SOURCE_SCHEMA = {
    "source_id": pl.String, "label_zh": pl.String, "label_en": pl.String, "area_boundary": pl.String,
    "scopes": pl.String, "sectors": pl.String, "gases": pl.String, "gwp_set": pl.String, "year": pl.Int64,
    "co2_t": pl.Float64, "co2_low_t": pl.Float64, "co2_high_t": pl.Float64, "publisher": pl.String,
    "vintage": pl.String, "note_zh": pl.String, "note_en": pl.String, "mark": pl.String,
}  # fmt: skip
_WALK_SCHEMA = {
    "from_source": pl.String, "to_source": pl.String, "order": pl.Int64, "step": pl.String, "co2_t": pl.Float64,
    "is_quantified": pl.Boolean, "basis_zh": pl.String, "basis_en": pl.String,
}  # fmt: skip
_SECTOR_SCHEMA = {
    "from_source": pl.String, "to_source": pl.String, "common_sector": pl.String, "from_year": pl.Int64,
    "to_year": pl.Int64, "from_co2_t": pl.Float64, "to_co2_t": pl.Float64, "difference_co2_t": pl.Float64,
}  # fmt: skip


def _row(s: Source, year: int) -> dict[str, object]:
    bounds = {c: s.total_t(year, column=c) if c in s.frame.columns else None for c in ("co2_low_t", "co2_high_t")}
    joined = {n: "+".join(getattr(s, n)) for n in ("scopes", "sectors", "gases")}
    same = ("source_id", "label_zh", "label_en", "publisher", "vintage", "note_zh", "note_en", "mark")
    boundary = {"area_boundary": s.boundary, "gwp_set": s.gwp}
    return {**{n: getattr(s, n) for n in same}, **joined, **boundary, "year": year, "co2_t": s.total_t(year), **bounds}


_Step = tuple[str, float | None, str, str]


def _walk(one: Source, other: Source, y0: int, y1: int, given: dict[str, _Step]) -> list[dict[str, object]]:
    start, end = one.total_t(y0), other.total_t(y1)
    steps = _differences(one, other, y0, y1)
    for name, step in given.items():
        at = next((i for i, s in enumerate(steps) if s[0] == name and s[1] is None), None)
        if at is None:
            raise DataError(
                f"An adjustment for {name!r} between {one.source_id!r} and {other.source_id!r} finds no such "
                f"difference that is open; open are {[s[0] for s in steps if s[1] is None]}."
            )
        steps[at] = step
    rest = end - start - sum(s[1] or 0.0 for s in steps)
    if not steps and one.publisher == other.publisher and one.vintage != other.vintage:
        zh, en = _say(one.vintage, other.vintage)
        steps, rest = (
            [("vintage", rest, "；".join([zh, *_notes(one, other, "zh")]), "; ".join([en, *_notes(one, other, "en")]))],
            0.0,
        )
    unknown = [s[0] for s in steps if s[1] is None]
    zh = "、".join(_WORDS["zh"][u] for u in unknown)
    en = ", ".join(_WORDS["en"][u] for u in unknown)
    rows: list[_Step] = [
        ("start", start, f"{y0} 年", str(y0)), *steps,
        ("unexplained", rest, *((f"含未量化的：{zh}", f"holds what is not quantified: {en}") if unknown else ("", ""))),
        ("end", end, f"{y1} 年", str(y1)),
    ]  # fmt: skip
    return [
        {"from_source": one.source_id, "to_source": other.source_id, "order": i, "step": name, "co2_t": amount,
         "is_quantified": amount is not None and name != "unexplained", "basis_zh": basis_zh, "basis_en": basis_en}
        for i, (name, amount, basis_zh, basis_en) in enumerate(rows)
    ]  # fmt: skip


_NOT_TOLD = "not_told_apart"
_NOT_TOLD_WORDS: dict[Language, str] = {
    "zh": "一方有而另一方没有的部门（来源未分部门）",
    "en": "sectors that only one of them has, which the source does not tell apart",
}


def _word(code: str, lang: Language) -> str:
    if code == _NOT_TOLD:
        return _NOT_TOLD_WORDS[lang]
    return vocabulary.say_code(code, lang)


def _notes(one: Source, other: Source, lang: Language) -> list[str]:
    return [f"{getattr(s, f'label_{lang}')}: {note}" for s in (one, other) if (note := getattr(s, f"note_{lang}"))]


def _say(one: str, other: str) -> tuple[str, str]:
    return f"{_word(one, 'zh')} → {_word(other, 'zh')}", f"{_word(one, 'en')} → {_word(other, 'en')}"


def _differences(one: Source, other: Source, y0: int, y1: int) -> list[_Step]:
    """Return how two sources differ, with the amount on the way from the first to the second where it is known."""
    steps: list[_Step] = []
    year_one, year_other = y0, y1
    if y0 != y1:
        amount, who = None, None
        if y1 in one.years:
            amount, who, year_one = one.total_t(y1) - one.total_t(y0), one, y1
        elif y0 in other.years:
            amount, who, year_other = other.total_t(y1) - other.total_t(y0), other, y0
        by = ("", "") if who is None else (f"，按{who.label_zh}自身变化", f", by the change within {who.label_en}")
        steps.append(("year", amount, f"{y0} → {y1}{by[0]}", f"{y0} → {y1}{by[1]}"))
    steps += _coverage(one, other, year_one, year_other)
    if set(one.scopes) != set(other.scopes):
        steps.append(("scope", None, *_say("+".join(one.scopes), "+".join(other.scopes))))
    if one.boundary != other.boundary:
        steps.append(("boundary", None, *_say(one.boundary, other.boundary)))
    if (set(one.gases), one.gwp) != (set(other.gases), other.gwp):
        with_gwp = [f"{'+'.join(s.gases)} ({s.gwp})" for s in (one, other)]
        steps.append(("gases", None, *_say(with_gwp[0], with_gwp[1])))
    return steps


def _coverage(one: Source, other: Source, year_one: int, year_other: int) -> list[_Step]:
    if set(one.sectors) == set(other.sectors):
        return []
    rows, theirs = one.by_sector(year_one), other.by_sector(year_other)
    amount, known = 0.0, True
    out: list[str] = []
    more: list[str] = []
    for have, lack, sign, names in ((rows, other, -1, out), (theirs, one, 1, more)):
        mine = one if sign < 0 else other
        if ALL_SECTORS in lack.sectors:
            continue
        if have is None:
            known = False
            names += [_NOT_TOLD if s == ALL_SECTORS else s for s in mine.sectors if s not in lack.sectors]
            continue
        left = {s: v for s, v in have.items() if s not in lack.sectors}
        names += sorted(left)
        amount += sign * sum(left.values())
    parts = [(names, zh, en) for names, zh, en in ((out, "去掉", "without"), (more, "加上", "with")) if names]
    told_zh = "；".join(f"{zh}{'、'.join(_word(n, 'zh') for n in names)}" for names, zh, _ in parts)
    told_en = "; ".join(f"{en} {', '.join(_word(n, 'en') for n in names)}" for names, _, en in parts)
    return [("sectors", amount if known else None, told_zh, told_en)]


def _sectors(one: Source, other: Source, y0: int, y1: int) -> list[dict[str, object]]:
    year_one, year_other = (y1, y1) if y1 in one.years else (y0, y0) if y0 in other.years else (y0, y1)
    rows, theirs = one.by_sector(year_one), other.by_sector(year_other)
    if rows is None or theirs is None:
        return []
    return [
        {"from_source": one.source_id, "to_source": other.source_id, "common_sector": s, "from_year": year_one,
         "to_year": year_other, "from_co2_t": rows[s], "to_co2_t": theirs[s], "difference_co2_t": theirs[s] - rows[s]}
        for s in rows if s in theirs
    ]  # fmt: skip


def _adjustments(frame: pl.DataFrame | None, ids: Sequence[str]) -> dict[tuple[str, str], dict[str, _Step]]:
    if frame is None:
        return {}
    columns = ["from_source", "to_source", "step", "co2_t", "basis_zh", "basis_en"]
    need_numbers(need_columns(frame.lazy(), columns, what="reconcile"), ["co2_t"], what="reconcile")
    found: dict[tuple[str, str], dict[str, _Step]] = {}
    for one, other, step, amount, zh, en in frame.select(columns).iter_rows():
        for name in (one, other):
            if name not in ids:
                raise suggest(str(name), ids, what="source in the adjustments", see="the sources given to reconcile")
        if step not in ("scope", "boundary", "gases"):
            raise suggest(str(step), ["scope", "boundary", "gases"], what="step of an adjustment",
                          see="citylab.carbon.reconcile.STEPS")  # fmt: skip
        if amount is None or not float("-inf") < amount < float("inf"):
            raise DataError(f"The adjustment for {step!r} has no finite number ({amount}).")
        found.setdefault((one, other), {})[step] = (step, float(amount), zh, en)
    return found
