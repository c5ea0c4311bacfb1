"""The checkable claims of plan texts, scored as of a date.

A claim is what a text says; it is never an observation. The register ``plans__undated_plan_claim`` holds each claim in
our own words with number, unit, date and evidence; here the calendar is laid over it: what has fallen due, what of that
was met or missed, and what no data can score. :func:`recompute` holds a claim against embedded data where they bear on
it.

The date moves the calendar and not the evidence: a claim is judged by what the register's version knows, whatever the
date. Nothing here looks at the clock; today's date is passed like any other.
"""

from __future__ import annotations

import datetime as dt
from functools import cache

import polars as pl

from citylab import catalog, settings, tables, vocabulary
from citylab.errors import SchemaError, suggest
from citylab.frames import need_columns
from citylab.settings import LANGUAGES, Language
from citylab.studies.recomputation import REGISTER, Recomputation, recomputable, recompute

__all__ = ["REGISTER", "STATUSES", "Recomputation", "claims", "directions", "in_words", "recomputable", "recompute",
           "summary"]  # fmt: skip

STATUSES = (
    "met", "verified", "missed", "contradicted", "inconsistent", "undefined", "due_no_data", "open", "not_due"
)  # fmt: skip
"""What can be said of a claim on a day; ``vocabulary.say("claim_" + status)`` gives the word.

``met`` and ``missed``: a target's day has come and data say so. ``verified`` and ``contradicted``: what was published
agrees, or does not. ``inconsistent``: the text contradicts itself. ``undefined``: it has no measure. ``due_no_data``: a
target's day has come and no data score it. ``open``: no evidence was found. ``not_due``: its day has not come.
"""
AGAINST = ("missed", "contradicted", "inconsistent")
"""Statuses that speak against a claim."""

_NEEDED = ("claim_id", "plan", "claim_zh", "claim_en", "value", "value_text", "unit", "date_text", "due_date", "kind",
           "claim_class", "status", "note_zh", "note_en", "needs_zh", "needs_en", "source")  # fmt: skip
_RULES = ("register_status", "status", "status_target", "meaning_zh", "meaning_en")


def claims(
    asof: dt.date, *, lang: Language | None = None, register: pl.DataFrame | pl.LazyFrame | None = None,
    rules: pl.DataFrame | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Return every claim with what can be said of it on a day.

    Parameters
    ----------
    asof
        The day. There is no default: for today pass ``datetime.date.today()``.
    lang
        ``"zh"`` or ``"en"``: the texts in one language, in columns ``claim``, ``evidence`` and ``needs``. Default: both
        languages, in columns that end in ``_zh`` and ``_en``.
    register
        Claims to score in place of the embedded ones, with the columns of ``plans__undated_plan_claim``.
    rules
        What a word of the register becomes, in place of the declared table ``claims_statuses``.

    Returns
    -------
    polars.DataFrame
        One row per claim, in the register's order: ``claim_id``, ``plan``, the claim, ``value``, ``value_text``,
        ``unit``, ``date_text``, ``kind``, ``claim_class``, ``due_date``, ``is_due`` (its day has come; false where it
        has none), ``status`` (of :data:`STATUSES`), ``register_status`` (the register's finer word), the evidence, what
        is still needed to judge it (null if settled), ``source`` (publishers), ``is_recomputable`` (data or arithmetic
        bear on it) and ``is_decided_by_data`` (they settle its status).

    Raises
    ------
    SchemaError
        ``asof`` is no date, or the register or the rules lack a column.
    UnknownNameError
        The register holds a status for which there is no rule.

    Notes
    -----
    A due date is the first day on which a claim can be judged, the last day of the period that it names. Before it a
    claim is ``not_due``, from it on never again. A target whose day has come and for which nothing was found is
    ``due_no_data``; a claim without a date cannot fall due.

    Examples
    --------
    >>> import datetime as dt
    >>> before, after = (claims(d).filter(claim_id="c33") for d in (dt.date(2025, 12, 30), dt.date(2025, 12, 31)))
    >>> before["status"].item(), after["status"].item()
    ('not_due', 'due_no_data')
    """
    _need_day(asof)
    if lang is not None and lang not in LANGUAGES:
        raise suggest(lang, LANGUAGES, what="language", see="citylab.settings.LANGUAGES")
    lf = catalog.scan(REGISTER) if register is None else register.lazy()
    need_columns(lf, _NEEDED, what="claims")
    rows = lf.collect()
    steps = tables.read("claims_statuses") if rules is None else rules
    need_columns(steps.lazy(), _RULES, what="claims (rules)")
    for word in rows["status"].unique().to_list():
        if word not in steps["register_status"]:
            raise suggest(word, steps["register_status"].to_list(), what="status", see="the table claims_statuses")
    scored = rows.rename({"status": "register_status"}).join(
        steps.select("register_status", "status", "status_target"), on="register_status", how="left",
        maintain_order="left",
    )  # fmt: skip
    has_day, has_come = pl.col("due_date").is_not_null(), pl.col("due_date") <= asof
    promised = (pl.col("kind") == "target") & has_day
    scored = scored.with_columns(
        is_due=has_come.fill_null(False),
        status=pl.when(has_day & ~has_come).then(pl.lit("not_due"))
        .when(promised).then("status_target").otherwise("status"),
        **_borne_on("claim_id"),
    )  # fmt: skip
    both = [f"{what}_{end}" for what in ("claim", "evidence", "needs") for end in LANGUAGES]
    told = scored.rename({"note_zh": "evidence_zh", "note_en": "evidence_en"}).select(
        "claim_id", "plan", *both[:2], "value", "value_text", "unit", "date_text", "kind", "claim_class", "due_date",
        "is_due", "status", "register_status", *both[2:], "source", "is_recomputable", "is_decided_by_data",
    )  # fmt: skip
    return told if lang is None else _in_one_language(told, lang)


@cache
def _decided() -> tuple[str, ...]:
    return tuple(i for i in recomputable() if recompute(i).finding is not None)


def _borne_on(column: str) -> dict[str, pl.Expr]:
    """Return whether data bear on a claim, and whether they settle it."""
    name = pl.col(column)
    return {"is_recomputable": name.is_in(recomputable()), "is_decided_by_data": name.is_in(_decided())}


def _in_one_language(frame: pl.DataFrame, lang: Language) -> pl.DataFrame:
    other = next(end for end in LANGUAGES if end != lang)
    return frame.drop(pl.selectors.ends_with(f"_{other}")).rename(
        {c: c.removesuffix(f"_{lang}") for c in frame.columns if c.endswith(f"_{lang}")}
    )


def summary(asof: dt.date, *, frame: pl.DataFrame | None = None) -> dict[str, int]:
    """Return how many claims stand how on a day.

    Parameters
    ----------
    asof
        The day.
    frame
        What :func:`claims` returned for that day, or some of its rows; default: all claims.

    Returns
    -------
    dict of str to int
        ``claims``; ``targets``, ``dated_targets`` and ``due_targets`` (their day has come); and every one of
        :data:`STATUSES`. The statuses add up to ``claims``.

    Examples
    --------
    >>> import datetime as dt
    >>> told = summary(dt.date(2024, 12, 31))
    >>> told["claims"], told["targets"], sum(told[s] for s in STATUSES)
    (83, 47, 83)
    """
    _need_day(asof)
    rows = claims(asof) if frame is None else frame
    need_columns(rows.lazy(), ["kind", "due_date", "is_due", "status"], what="summary")
    targets = rows.filter(kind="target")
    held = dict(rows.group_by("status").len().iter_rows())
    return {
        "claims": rows.height,
        "targets": targets.height,
        "dated_targets": targets["due_date"].count(),
        "due_targets": targets.filter("is_due").height,
        **{s: held.get(s, 0) for s in STATUSES},
    }


def directions(*, lang: Language | None = None) -> pl.DataFrame:
    """Return the claims of the texts that state no number and that data could decide all the same.

    Parameters
    ----------
    lang
        As in :func:`claims`.

    Returns
    -------
    polars.DataFrame
        One row per claim: ``direction_id`` (d01 to d20), ``plan``, the claim, ``direction`` (up, down, level, rank or
        comparison), ``status`` (of :data:`STATUSES`; they have no day), the evidence, what is needed, ``source``,
        ``is_recomputable``, ``is_decided_by_data``.

    Examples
    --------
    >>> directions(lang="en").filter(direction_id="d15")["status"].item()
    'contradicted'
    """
    rows = tables.read("claims_directions").rename(
        {"plan_code": "plan", "note_zh": "evidence_zh", "note_en": "evidence_en"}
    )
    told = rows.select(
        "direction_id", "plan", "claim_zh", "claim_en", "direction", "status", "evidence_zh", "evidence_en", "needs_zh",
        "needs_en", "source", **_borne_on("direction_id"),
    )  # fmt: skip
    return told if lang is None else _in_one_language(told, lang)


def in_words(frame: pl.DataFrame, lang: Language | None = None) -> pl.DataFrame:
    """Return claims as a person reads them: status, kind and class in words instead of codes.

    Parameters
    ----------
    frame
        Rows of :func:`claims` or :func:`directions`.
    lang
        Language; default: the ``CITYLAB_LANG`` setting.

    Examples
    --------
    >>> in_words(pl.DataFrame({"status": ["due_no_data"]}), "zh").item()
    '到期，无数据'
    """
    lang = lang or settings.language()
    kinds = ("target", "observation", "advert", "document_fact", "self_claim", "quantity", "date", "universal")
    words = {code: vocabulary.say(f"claim_{code}", lang) for code in (*STATUSES, *kinds)}
    coded = [c for c in ("status", "kind", "claim_class") if c in frame.columns]
    return frame.with_columns(pl.col(coded).replace(words)) if coded else frame


def _need_day(asof: object) -> None:
    if type(asof) is not dt.date:
        raise SchemaError(
            f"asof is {asof!r}; expected a datetime.date, such as datetime.date(2026, 1, 1). For today pass "
            "datetime.date.today()."
        )
