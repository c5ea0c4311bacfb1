"""Credit activities under a methodology: one row each, with what it earns or the reason why it earns nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from citylab import files, tables
from citylab.carbon import factors as carbon_factors
from citylab.carbon.inclusive.methodologies import MARKS, Baseline, Methodology
from citylab.carbon.inclusive.methodologies import methodology as named
from citylab.errors import FactorYearError, RangeError, SchemaError, suggest
from citylab.frames import Frame, keys_of, lazily, need_columns, need_numbers, need_wall_clock, refuse

TRIP_COLUMNS = {
    "activity_id": "name of the trip at the platform",
    "account": "who claims it",
    "act": "mode, as the methodology names it",
    "start_local": "when it began, wall clock",
    "end_local": "when it ended, wall clock",
    "distance_km": "length of the trip",
    "proof": "what proves the mode",
    "start_adcode": "district where it began",
    "end_adcode": "district where it ended",
}
METERED_COLUMNS = {
    "activity_id": "name of the record",
    "account": "who claims it",
    "act": "kind of act, as the methodology names it",
    "date_local": "day, or last day of the bill",
    "adcode": "district",
    "proof": "what proves it",
}
OPTIONAL_COLUMNS = {
    "is_consenting": "false where the account has not agreed to the use of its data",
    "claimed_under": "another mechanism that has claimed the activity",
    "purpose": "purpose of the trip",
    "replaced_mode": "mode that the trip replaced; needed for a replacement baseline",
}
CREDIT_COLUMNS = (
    "baseline_co2_kg",
    "project_co2_kg",
    "reduction_co2_kg",
    "credit_co2_kg",
    "is_eligible",
    "reason",
    "methodology_id",
    "methodology_edition",
    "baseline_kind",
    "factor_mark",
)
"""What :func:`credit` adds to each activity."""

_M_PER_KM = 1000
_MS_PER_H = 3_600_000
_LEVEL = 0.95
_BITS = 40  # seconds since 1970 need 31 bits; the account's number stands above them
_PARTS = 8


def _worst(marks: Sequence[str]) -> str:
    return max(marks, key=lambda m: MARKS.index(m))


def _with_own(m: Methodology, own: pl.DataFrame | None) -> pl.DataFrame:
    """Return the methodology's factors, each replaced by the user's where there is one."""
    declared = m.factors().with_columns(factor_note=pl.lit("declared"))
    if own is None:
        return declared
    needed = ("act", "side", "factor", "mark", "source")
    missing = [c for c in needed if c not in own.columns]
    if missing:
        raise SchemaError(
            f"Own factors need the columns {', '.join(map(repr, needed))}; {', '.join(map(repr, missing))} missing. "
            "One row per act and side (baseline, project, alternative), factors in the methodology's units."
        )
    for act, side, mark in own.select("act", "side", "mark").iter_rows():
        if declared.filter(act=act, side=side).is_empty():
            known = [f"{a}/{s}" for a, s in declared.select("act", "side").iter_rows()]
            raise suggest(f"{act}/{side}", known, what="act and side", see=f"methodology({m.id!r}).factors()")
        if mark not in MARKS:
            raise suggest(str(mark), MARKS, what="mark", see="citylab.carbon.inclusive.methodologies.MARKS")
    if own.select("act", "side").is_duplicated().any():
        raise SchemaError("Own factors name an act and side twice. Keep one row for each.")
    bad = own.filter(
        pl.col("factor").is_null() | ~pl.col("factor").cast(pl.Float64).is_finite() | (pl.col("factor") < 0)
    )
    if bad.height:
        raise RangeError(f"Own factor {bad['factor'][0]} of {bad['act'][0]!r} cannot be: give a number of 0 or more.")
    theirs = own.select("act", "side", pl.col("factor").cast(pl.Float64), "mark", "source")
    joined = declared.join(theirs, on=["act", "side"], how="left", suffix="_own")
    return joined.with_columns(
        factor_note=pl.when(pl.col("factor_own").is_not_null()).then(pl.lit("own")).otherwise("factor_note"),
        **{c: pl.coalesce(f"{c}_own", c) for c in ("factor", "mark", "source")},
    ).drop("factor_own", "mark_own", "source_own")


def _acts(m: Methodology, told: pl.DataFrame) -> pl.DataFrame:
    """Return one row per act: both factors and carriers, limits, the least sure mark."""
    rows: list[dict[str, Any]] = []
    for name, act in m.acts.items():
        pair = {side: told.filter(act=name, side=side).row(0, named=True) for side in ("baseline", "project")}
        limits = {
            limit: getattr(act, limit).value if getattr(act, limit) is not None else None
            for limit in ("min_distance_km", "max_distance_km", "max_speed_kmh", "max_quantity")
        }
        rows.append(
            {
                "act": name,
                "_base": pair["baseline"]["factor"],
                "_base_grid": pair["baseline"]["carrier"] == "electricity",
                "_base_mark": pair["baseline"]["mark"],
                "_project": pair["project"]["factor"],
                "_project_grid": pair["project"]["carrier"] == "electricity",
                "_project_mark": pair["project"]["mark"],
                "_mark": _worst([pair["baseline"]["mark"], pair["project"]["mark"]]),
                **{f"_{limit}": value for limit, value in limits.items()},
            }
        )
    schema = {
        "act": pl.String,
        "_base": pl.Float64,
        "_base_grid": pl.Boolean,
        "_base_mark": pl.String,
        "_project": pl.Float64,
        "_project_grid": pl.Boolean,
        "_project_mark": pl.String,
        "_mark": pl.String,
        **dict.fromkeys(("_min_distance_km", "_max_distance_km", "_max_speed_kmh", "_max_quantity"), pl.Float64),
    }
    return pl.DataFrame(rows, schema=schema)


def _quantity(m: Methodology, side: str) -> pl.Expr:
    """Return the amount of a side: each act may measure another column."""
    chosen = pl.lit(None, dtype=pl.Float64)
    for name, act in m.acts.items():
        column = getattr(act, side).quantity
        chosen = pl.when(pl.col("act") == name).then(pl.col(column).cast(pl.Float64)).otherwise(chosen)
    return chosen


def _grid_table(years: range, grid: pl.DataFrame | pl.LazyFrame | None) -> pl.DataFrame:
    """Return kg CO2 a kWh by year and province, as far as declared; a year that is not declared has no row."""
    rows = []
    provinces = tables.read("provinces").filter(pl.col("grid_name_zh").is_not_null())
    for adcode, name in provinces.select("adcode", "grid_name_zh").iter_rows():
        for year in years:
            try:
                one = carbon_factors.factor("electricity", year=year, place=name, unit="kWh", grid=grid)
            except FactorYearError:
                continue
            mass, _ = carbon_factors.parts_of(one.unit)
            rows.append((year, adcode[:2], one.value * carbon_factors.unit_factor(mass, "kg"), one.mark))
    schema = {"_year": pl.Int32, "_province": pl.String, "_kg_per_kwh": pl.Float64, "_grid_mark": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _first(reasons: Sequence[tuple[str, pl.Expr]]) -> pl.Expr:
    """Return the first reason that holds, or null."""
    found = pl.lit(None, dtype=pl.String)
    for code, holds in reversed(reasons):
        found = pl.when(holds).then(pl.lit(code)).otherwise(found)
    return found


def _outside(m: Methodology, *columns: str) -> pl.Expr:
    prefixes = m.geography.adcode_prefixes
    if not prefixes:
        return pl.lit(False)
    here = [pl.any_horizontal(pl.col(c).str.starts_with(p) for p in prefixes) for c in columns]
    return ~pl.all_horizontal(here).fill_null(False)


def _no_proof(m: Methodology) -> pl.Expr:
    accepted = pl.any_horizontal(
        (pl.col("act") == name) & pl.col("proof").is_in(list(act.proof)) for name, act in m.acts.items()
    )
    return ~accepted.fill_null(False)


def _not_a_number(*columns: str) -> pl.Expr:
    return pl.any_horizontal(~pl.col(c).cast(pl.Float64).is_finite() for c in columns)


def _row_reasons(m: Methodology, day: pl.Expr, asof: dt.date, schema: pl.Schema) -> list[tuple[str, pl.Expr]]:
    """Return the reasons that an activity shows by itself, in their order."""
    travel = m.kind == "travel"
    needed = TRIP_COLUMNS if travel else METERED_COLUMNS
    amounts = sorted({getattr(a, side).quantity for a in m.acts.values() for side in ("baseline", "project")})
    # An empty place or proof has a reason of its own.
    always = [c for c in needed if c not in {"proof", "adcode", "start_adcode", "end_adcode"}]
    missing = pl.any_horizontal(pl.col(c).is_null() for c in always)
    given = [pl.col(c).is_null() | _not_a_number(c) for c in (["distance_km"] if travel else amounts) if c in schema]
    base, project = pl.col("_q_base"), pl.col("_q_project")
    last = dt.date.max if m.valid_to is None else m.valid_to
    ends = ("start_adcode", "end_adcode") if travel else ("adcode",)
    reasons = [
        ("missing_value", missing | (pl.any_horizontal(given) if travel else base.is_null() | project.is_null()
                                     | ~base.is_finite() | ~project.is_finite()) & pl.col("_mark").is_not_null()),
        ("unknown_act", pl.col("_mark").is_null()),
        ("no_factor", pl.col("_base").is_null() | pl.col("_project").is_null()),
        ("future", day > asof),
        ("outside_validity", ~day.is_between(m.valid_from, last)),
        ("outside_geography", _outside(m, *ends)),
    ]  # fmt: skip
    if travel:
        km, hours = (
            pl.col("distance_km"),
            (pl.col("end_local") - pl.col("start_local")).dt.total_milliseconds() / _MS_PER_H,
        )
        reasons += [
            ("bad_times", pl.col("end_local") <= pl.col("start_local")),
            ("negative_quantity", km <= 0),
            ("absurd_quantity", km > pl.col("_max_distance_km")),
            ("too_short", km < pl.col("_min_distance_km")),
            ("too_fast", km > pl.col("_max_speed_kmh") * hours),
        ]
    else:
        reasons += [
            ("negative_quantity", (base < 0) | (project < 0) | ((base == 0) & (project == 0))),
            ("absurd_quantity", pl.max_horizontal(base, project) > pl.col("_max_quantity")),
        ]
    reasons.append(("no_proof", _no_proof(m)))
    if "is_consenting" in schema:
        reasons.append(("no_consent", ~pl.col("is_consenting").fill_null(False)))
    if "purpose" in schema and m.induced_purposes:
        reasons.append(("induced", pl.col("purpose").is_in(list(m.induced_purposes))))
    if "claimed_under" in schema:
        reasons.append(("claimed_elsewhere", pl.col("claimed_under").is_not_null()))
    return reasons


def _sequence(lf: pl.LazyFrame, m: Methodology) -> pl.LazyFrame:
    """Tell what is wrong with a trip beside the other trips of its account, which must be sorted by account and start.

    Running maxima and sums go over the whole column at once: an account's number in the high bits makes each value of
    an account larger than all of the accounts before it.
    """
    start = pl.col("start_local").dt.epoch("s")
    end = pl.col("end_local").dt.epoch("s")
    plausible = pl.col("_reason").is_null()
    high = pl.col("_account") * 2**_BITS
    lf = lf.with_columns(
        _account=(pl.col("account") != pl.col("account").shift(1)).fill_null(True).cum_sum().cast(pl.Int64)
    ).with_columns(_busy_until=pl.when(plausible).then(high + end).otherwise(high).cum_max().shift(1) - high)
    lf = lf.with_columns(
        _reason=pl.when(plausible, pl.col("_busy_until") > start).then(pl.lit("overlap")).otherwise("_reason")
    )
    caps = m.caps
    if caps.distance_km_per_day is None and caps.trips_per_day is None:
        return lf
    first = (
        (pl.col("_account") != pl.col("_account").shift(1)) | (pl.col("_day") != pl.col("_day").shift(1))
    ).fill_null(True)  # fmt: skip

    def of_the_day(amount: pl.Expr) -> pl.Expr:
        """Return the running sum within an account's day."""
        mine = pl.when(plausible).then(amount).otherwise(0)
        running = mine.cum_sum()
        return running - pl.when(first).then(running - mine).forward_fill()

    over = pl.lit(False)
    if caps.distance_km_per_day is not None:
        metres = (pl.col("distance_km").fill_nan(None).fill_null(0) * _M_PER_KM).round().cast(pl.Int64)
        over |= of_the_day(metres) > round(caps.distance_km_per_day.value * _M_PER_KM)
    if caps.trips_per_day is not None:
        over |= of_the_day(pl.lit(1, dtype=pl.Int64)) > int(caps.trips_per_day.value)
    return lf.with_columns(_reason=pl.when(plausible, over).then(pl.lit("daily_cap")).otherwise("_reason"))


def _replays(lf: pl.LazyFrame) -> pl.LazyFrame:
    """Tell activities that an account sent before, among those that nothing else speaks against."""
    plausible = pl.col("_reason").is_null()
    again = ~pl.struct("account", "activity_id", plausible.alias("_plausible")).is_first_distinct()
    return lf.with_columns(_reason=pl.when(plausible, again).then(pl.lit("replay")).otherwise("_reason"))


def credit(
    activities: Frame, *, methodology: str | Path | Methodology, asof: dt.date, baseline: Baseline | None = None,
    factors: pl.DataFrame | None = None, grid: pl.DataFrame | pl.LazyFrame | None = None,
) -> Frame:  # fmt: skip
    """Return what each activity earns under a methodology, or the reason why it earns nothing.

    Parameters
    ----------
    activities
        One row per activity. Trips (``kind: travel``): ``activity_id``, ``account``, ``act`` (mode), ``start_local``,
        ``end_local`` (wall clock), ``distance_km``, ``proof``, ``start_adcode``, ``end_adcode``. Metered acts:
        ``activity_id``, ``account``, ``act``, ``date_local``, ``adcode``, ``proof`` and the amounts that the
        methodology measures. Optional: ``is_consenting``, ``claimed_under``, ``purpose``, ``replaced_mode``.
    methodology
        Id of a methodology, or one of your own (a file or :class:`~.methodologies.Methodology`).
    asof
        Day as of which credits are issued; what begins later is refused. There is no clock inside.
    baseline
        ``"mean"``: the average of residents' modes. ``"replacement"``: the mode that each trip replaced
        (``replaced_mode``). Default: the methodology's.
    factors
        Factors of your own in place of declared ones: ``act``, ``side`` (``baseline``, ``project``, ``alternative``),
        ``factor`` in the methodology's unit, ``mark``, ``source``.
    grid
        Electricity factors of provinces by year, the data set ``mee__yearly_grid_co2factor`` or its like, where a
        methodology counts electricity.

    Returns
    -------
    polars.DataFrame or polars.LazyFrame
        The activities in their order with ``baseline_co2_kg``, ``project_co2_kg``, ``reduction_co2_kg`` (after leakage
        and discount, negative where the activity emits more), ``credit_co2_kg`` (0 unless eligible), ``is_eligible``,
        ``reason`` (a code of the table ``inclusive_reasons``, null if eligible), ``methodology_id``,
        ``methodology_edition``, ``baseline_kind`` and ``factor_mark`` (how sure we are of the factors used).

    Raises
    ------
    UnknownNameError
        Unknown methodology, baseline, or act of ``factors``.
    SchemaError
        A needed column is missing or has another type; the methodology knows no alternatives.

    Notes
    -----
    reduction = (baseline factor x amount - project factor x amount) x (1 - leakage) x (1 - discount), activity by
    activity. The first reason in the order of the table is told. A trip that overlaps one that its account began
    before, and a trip that takes its account beyond a day's cap, earn nothing; the earlier ones stand. An account's
    trips must be in one frame (:func:`parts_by_account` keeps them together). Double claims across accounts and
    platforms are found by :mod:`citylab.carbon.inclusive.duplicates`.

    Examples
    --------
    A metro trip of 6.5 km: (0.104 - 0.032) x 6.5 = 0.468 kg.

    >>> from datetime import date, datetime
    >>> trip = pl.DataFrame({
    ...     "activity_id": ["t1"], "account": ["a"], "act": ["metro"], "start_local": [datetime(2024, 10, 8, 8)],
    ...     "end_local": [datetime(2024, 10, 8, 8, 20)], "distance_km": [6.5], "proof": ["transit_card"],
    ...     "start_adcode": ["110108"], "end_adcode": ["110102"]})
    >>> done = credit(trip, methodology="beijing-travel-2024", asof=date(2024, 12, 31))
    >>> round(done["credit_co2_kg"].item(), 6), done["factor_mark"].item()
    (0.468, 'secondary')
    """
    m = named(methodology)
    given, back = lazily(activities)
    done = _credited(given, m, asof=asof, baseline=baseline, factors=factors, grid=grid)
    kept: list[str] = given.collect_schema().names() + list(CREDIT_COLUMNS)
    return back((done.sort("_row") if m.kind == "travel" else done).select(kept))


def _credited(
    lf: pl.LazyFrame, m: Methodology, *, asof: dt.date, baseline: Baseline | None = None,
    factors: pl.DataFrame | None = None, grid: pl.DataFrame | pl.LazyFrame | None = None,
) -> pl.LazyFrame:  # fmt: skip
    """Return the credited activities with their place ``_row``; trips come account by account."""
    if not isinstance(asof, dt.date) or isinstance(asof, dt.datetime):
        raise SchemaError(f"asof is {asof!r}; expected a day, for example datetime.date(2025, 12, 31).")
    kind = baseline or m.baseline
    if kind not in ("mean", "replacement"):
        raise suggest(str(kind), ("mean", "replacement"), what="kind of baseline", see="citylab.carbon.inclusive")
    travel = m.kind == "travel"
    amounts = {getattr(a, side).quantity for a in m.acts.values() for side in ("baseline", "project")}
    needed = (TRIP_COLUMNS if travel else METERED_COLUMNS) | dict.fromkeys(sorted(amounts), "amount of the act")
    if kind == "replacement":
        if not m.alternatives:
            raise SchemaError(f"{m.id} declares no factors of replaced modes; credit it with baseline='mean'.")
        needed |= {"replaced_mode": OPTIONAL_COLUMNS["replaced_mode"]}
    schema = need_columns(lf, needed, what="credit")
    need_numbers(schema, amounts, what="credit")
    for time in ("start_local", "end_local") if travel else ("date_local",):
        need_wall_clock(schema, time, what="credit", dates=not travel)
    told = _with_own(m, factors)
    lf = _as_text(lf, schema, travel=travel)
    own = [c for c in CREDIT_COLUMNS if c in schema]
    if own:
        raise SchemaError(f"The activities have the column {own[0]!r} already; credit them once, or drop it first.")

    day = pl.col("start_local" if travel else "date_local").cast(pl.Date)
    lf = lf.with_row_index("_row").join(_acts(m, told).lazy(), on="act", how="left", maintain_order="left")
    lf = lf.with_columns(_q_base=_quantity(m, "baseline"), _q_project=_quantity(m, "project"), _day=day)
    lf = lf.with_columns(_reason=_first(_row_reasons(m, pl.col("_day"), asof, schema)))
    lf = _sequence(_replays(lf.sort("account", "start_local", "_row")), m) if travel else _replays(lf)
    return _amounts(lf, m, told, kind=kind, asof=asof, grid=grid)


def _as_text(lf: pl.LazyFrame, schema: pl.Schema, *, travel: bool) -> pl.LazyFrame:
    """Make text of columns that hold codes; a column of numbers is refused, because 010 and 10 are two codes."""
    places = ("start_adcode", "end_adcode") if travel else ("adcode",)
    texts = [c for c in ("act", "proof", "purpose", "claimed_under", "replaced_mode", *places) if c in schema]
    wrong = {c: schema[c] for c in texts if schema[c].is_numeric() or schema[c].is_temporal()}
    if wrong:
        told = ", ".join(f"{c!r} is {dtype}" for c, dtype in wrong.items())
        raise SchemaError(f"credit needs text, but {told}. Read codes as text: a number loses leading zeros.")
    return lf.with_columns(pl.col(c).cast(pl.String) for c in texts if schema[c] != pl.String)


def _amounts(
    lf: pl.LazyFrame, m: Methodology, told: pl.DataFrame, *, kind: Baseline, asof: dt.date,
    grid: pl.DataFrame | pl.LazyFrame | None,
) -> pl.LazyFrame:  # fmt: skip
    """Calculate, and tell the reasons that only the calculation shows."""
    base_factor, base_mark, unknown = pl.col("_base"), pl.col("_base_mark"), pl.lit(False)
    if kind == "replacement":
        others = told.filter(side="alternative").select(replaced_mode="act", _other="factor", _other_mark="mark")
        lf = lf.join(others.lazy(), on="replaced_mode", how="left", maintain_order="left")
        base_factor, base_mark, unknown = pl.col("_other"), pl.col("_other_mark"), pl.col("_other").is_null()
    base, project = base_factor * pl.col("_q_base"), pl.col("_project") * pl.col("_q_project")
    marks = [base_mark, pl.col("_project_mark")]
    no_grid = pl.lit(False)
    if told["carrier"].eq("electricity").any():
        years = range(m.valid_from.year, asof.year + 1)
        lf = lf.with_columns(_year=pl.col("_day").dt.year(), _province=pl.col("adcode").str.slice(0, 2)).join(
            _grid_table(years, grid).lazy(), on=["_year", "_province"], how="left", maintain_order="left"
        )
        rate, on_grid = pl.col("_kg_per_kwh"), pl.col("_base_grid") | pl.col("_project_grid")
        base = pl.when("_base_grid").then(base * rate).otherwise(base)
        project = pl.when("_project_grid").then(project * rate).otherwise(project)
        marks.append(pl.when(on_grid).then("_grid_mark"))
        no_grid = on_grid & rate.is_null()
    lf = lf.with_columns(baseline_co2_kg=base, project_co2_kg=project)
    kept = (1 - m.leakage_share) * (1 - m.discount.share)
    reduction = (pl.col("baseline_co2_kg") - pl.col("project_co2_kg")) * kept
    result = [("no_grid_factor", no_grid), ("unknown_alternative", unknown), ("no_reduction", reduction <= 0)]
    lf = lf.with_columns(reduction_co2_kg=reduction, reason=pl.coalesce("_reason", _first(result)))
    eligible = pl.col("reason").is_null()
    return lf.with_columns(
        credit_co2_kg=pl.when(eligible).then("reduction_co2_kg").otherwise(0.0),
        is_eligible=eligible,
        methodology_id=pl.lit(m.id),
        methodology_edition=pl.lit(m.edition),
        baseline_kind=pl.lit(kind),
        factor_mark=_worst_of(marks),
    )


def _worst_of(marks: Sequence[pl.Expr]) -> pl.Expr:
    """Return the least sure of several marks in a row; null only if all are."""
    found = pl.lit(None, dtype=pl.String)
    for mark in MARKS:
        found = (
            pl.when(pl.any_horizontal((m == mark).fill_null(False) for m in marks)).then(pl.lit(mark)).otherwise(found)
        )
    return found


def parts_by_account(activities: pl.DataFrame | pl.LazyFrame, *, parts: int = _PARTS) -> list[pl.LazyFrame]:
    """Return the activities in parts that each hold whole accounts, for a cluster or for less memory.

    Parameters
    ----------
    activities
        As in :func:`credit`; a scan of a Parquet file travels as a plan.
    parts
        How many.

    Examples
    --------
    >>> trips = pl.DataFrame({"account": ["a", "b", "a", "c"]})
    >>> sum(part.collect().height for part in parts_by_account(trips, parts=3))
    4
    """
    if parts < 1:
        raise RangeError(f"parts is {parts}; give 1 or more.")
    lf = activities.lazy()
    need_columns(lf, {"account": TRIP_COLUMNS["account"]}, what="parts_by_account")
    return [lf.filter(pl.col("account").hash() % parts == i) for i in range(parts)]


def credit_to(
    activities: pl.LazyFrame, target: str | Path, *, methodology: str | Path | Methodology, asof: dt.date,
    parts: int = _PARTS, **options: Any,
) -> Path:  # fmt: skip
    """Credit more activities than fit into memory, and write the result as one Parquet file, whole or not at all.

    Parameters
    ----------
    activities
        A scan of a file, as in :func:`credit`.
    target
        File to write; rows come account by account, not in the order of the input.
    methodology, asof, options
        As in :func:`credit`.
    parts
        Parts to work on one after the other; memory goes down with their number.

    Returns
    -------
    pathlib.Path
        The file.
    """
    import pyarrow.parquet as pq

    target = Path(target)
    m = named(methodology)
    kept = [*activities.collect_schema().names(), *CREDIT_COLUMNS]
    repeated = {"act", "proof", "start_adcode", "end_adcode", "adcode", *CREDIT_COLUMNS[-5:]}
    with files.written_whole(target) as whole:
        writer = None
        try:
            for part in parts_by_account(activities, parts=parts):
                done = _credited(part, m, asof=asof, **options).select(kept).collect(engine="streaming").to_arrow()
                if writer is None:
                    # Codes repeat and are worth a dictionary; names do not.
                    codes = [c for c in kept if c in repeated]
                    writer = pq.ParquetWriter(whole, done.schema, compression="lz4", use_dictionary=codes)
                writer.write_table(done)
        finally:
            if writer is not None:
                writer.close()
    return target


def reissue(before: Frame, after: Frame) -> Frame:
    """Return what changes where activities are credited anew, under another edition or other factors.

    Parameters
    ----------
    before, after
        Results of :func:`credit` for the same activities.

    Returns
    -------
    polars.DataFrame or polars.LazyFrame
        One row per activity of either: ``activity_id``, ``account``, ``credit_co2_kg_before``, ``credit_co2_kg_after``,
        ``change_co2_kg``, both reasons, methodologies and editions, and ``action``: ``keep``, ``issue`` (more is due)
        or ``cancel`` (too much was issued).

    Raises
    ------
    SchemaError
        One of the frames is no result of :func:`credit`.
    DataError
        An account has an activity twice in one of the frames (on collecting); drop replays first.

    Examples
    --------
    >>> one = pl.DataFrame({"activity_id": ["t"], "account": ["a"], "credit_co2_kg": [0.468], "reason": [None],
    ...                     "methodology_id": ["m"], "methodology_edition": ["1"]},
    ...                    schema_overrides={"reason": pl.String})
    >>> reissue(one, one.with_columns(credit_co2_kg=0.4, methodology_edition=pl.lit("2")))["action"].item()
    'cancel'
    """
    told: tuple[str, ...] = ("credit_co2_kg", "reason", "methodology_id", "methodology_edition")
    key: list[str] = ["account", "activity_id"]
    first, back = lazily(before)
    second, _ = lazily(after)
    sides = []
    for lf in (first, second):
        need_columns(lf, [*key, *told], what="reissue")
        # Only the first of a request sent twice was ever credited.
        once = lf.filter(pl.col("reason").ne_missing("replay")).select(*key, *told)
        sides.append(once.filter(refuse(pl.struct(key).is_duplicated(), *key, message=_twice)))
    joined = sides[0].join(
        sides[1], on=key, how="full", coalesce=True, suffix="_after", validate="1:1", maintain_order="left_right"
    )
    was, now = pl.col("credit_co2_kg").fill_null(0.0), pl.col("credit_co2_kg_after").fill_null(0.0)
    change = now - was
    action = pl.when(change > 0).then(pl.lit("issue")).when(change < 0).then(pl.lit("cancel")).otherwise(pl.lit("keep"))
    return back(
        joined.select(
            "activity_id", "account", was.alias("credit_co2_kg_before"), now.alias("credit_co2_kg_after"),
            change.alias("change_co2_kg"), pl.col("reason").alias("reason_before"), "reason_after",
            pl.col("methodology_id").alias("methodology_id_before"), "methodology_id_after",
            pl.col("methodology_edition").alias("methodology_edition_before"), "methodology_edition_after",
            action.alias("action"),
        )
    )  # fmt: skip


def _twice(rows: pl.DataFrame) -> str:
    return (
        f"Activity {rows['activity_id'][0]!r} of {rows['account'][0]!r} stands twice. Credit activities in one frame, "
        "so that requests sent twice are told as 'replay'."
    )


def under_one(*credited: Frame) -> Frame:
    """Join credits of several methodologies so that no activity is credited by two of them.

    Parameters
    ----------
    credited
        Results of :func:`credit`, the one that stands first first.

    Returns
    -------
    polars.DataFrame or polars.LazyFrame
        All rows, one frame after the other. Where an account's activity was credited before, ``is_eligible`` is false,
        ``credit_co2_kg`` 0 and ``reason`` ``claimed_twice``.

    Raises
    ------
    SchemaError
        No frame, or one that is no result of :func:`credit`.
    """
    if not credited:
        raise SchemaError("under_one needs at least one frame that credit() returned.")
    lazy = [lazily(frame) for frame in credited]
    for lf, _ in lazy:
        need_columns(lf, ["account", "activity_id", *CREDIT_COLUMNS], what="under_one")
    lf = pl.concat([lf for lf, _ in lazy], how="diagonal_relaxed")
    eligible = pl.col("is_eligible")
    twice = eligible & ~pl.struct("account", "activity_id", "is_eligible").is_first_distinct()
    return lazy[0][1](
        lf.with_columns(_twice=twice)
        .with_columns(
            credit_co2_kg=pl.when("_twice").then(0.0).otherwise("credit_co2_kg"),
            reason=pl.when("_twice").then(pl.lit("claimed_twice")).otherwise("reason"),
            is_eligible=eligible & ~pl.col("_twice"),
        )
        .drop("_twice")
    )


def totals(credited: Frame, *, by: str | Sequence[str] | None = None, uncertainty: pl.DataFrame | None = None) -> Frame:
    """Return trips, credits and an interval by group.

    Parameters
    ----------
    credited
        Result of :func:`credit`.
    by
        Grouping columns, such as ``"act"``.
    uncertainty
        Half-width of a factor's 95 % interval by mark (``mark``, ``half_width_pct``); default: the declared assumptions
        in the table ``inclusive_mark_uncertainty``.

    Returns
    -------
    polars.DataFrame or polars.LazyFrame
        One row per group: ``activity_count``, ``eligible_count``, ``account_count`` (with a credit), ``credit_co2_kg``,
        ``credit_co2_kg_low``, ``credit_co2_kg_high``, ``factor_mark`` (the least sure), ``level``.

    Notes
    -----
    The interval is that of the factors alone: all trips of an act share one baseline and one project factor, whose
    errors are taken as independent of each other, so a half-width is the root of the sum of (u x baseline)² and, act by
    act, (u x project)². Without published uncertainties of the factors, u is an assumption by mark and the interval is
    as good as that. What distances and modes are worth is not in it.
    """
    told = tables.read("inclusive_mark_uncertainty") if uncertainty is None else uncertainty
    widths = told.select(factor_mark="mark", _u=pl.col("half_width_pct") / 100).lazy()
    lf, back = lazily(credited)
    keys: list[str] = keys_of(by)
    need_columns(lf, ["account", "act", *keys, *CREDIT_COLUMNS], what="totals")
    eligible = pl.col("is_eligible")
    # Baseline minus project, before leakage and discount; the same share is taken off both.
    kept = pl.col("credit_co2_kg").sum() / (pl.col("baseline_co2_kg") - pl.col("project_co2_kg")).filter(eligible).sum()
    cells = lf.group_by(*dict.fromkeys([*keys, "act", "factor_mark"]), maintain_order=True).agg(
        pl.len().alias("activity_count"),
        eligible.sum().alias("eligible_count"),
        pl.col("account").filter(eligible).unique().alias("_accounts"),
        pl.col("credit_co2_kg").sum(),
        (pl.col("baseline_co2_kg").filter(eligible).sum() * kept.fill_nan(0.0)).alias("_base"),
        (pl.col("project_co2_kg").filter(eligible).sum() * kept.fill_nan(0.0)).alias("_project"),
    )
    cells = cells.join(widths, on="factor_mark", how="left").with_columns(pl.col("_u").fill_null(0.0))
    rank = pl.col("factor_mark").replace_strict({m: i for i, m in enumerate(MARKS)}, return_dtype=pl.Int8, default=None)
    half = ((pl.col("_u") * pl.col("_base")).sum() ** 2 + ((pl.col("_u") * pl.col("_project")) ** 2).sum()).sqrt()
    spread = [
        pl.col("activity_count").sum(),
        pl.col("eligible_count").sum(),
        pl.col("_accounts").explode().n_unique().alias("account_count"),
        pl.col("credit_co2_kg").sum(),
        half.alias("_half"),
        pl.col("factor_mark").get(rank.arg_max()).alias("factor_mark"),
    ]
    grouped = cells.group_by(keys, maintain_order=True).agg(spread) if keys else cells.select(spread)
    credits = pl.col("credit_co2_kg")
    return back(
        grouped.select(
            *keys, "activity_count", "eligible_count", "account_count", credits,
            (credits - pl.col("_half")).clip(lower_bound=0.0).alias("credit_co2_kg_low"),
            (credits + pl.col("_half")).alias("credit_co2_kg_high"), "factor_mark", pl.lit(_LEVEL).alias("level"),
        )
    )  # fmt: skip
