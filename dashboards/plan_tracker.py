"""Plan tracker: which promises of the smart-city plans have fallen due, and what became of them?

Serve it with ``citylab serve``, or alone with ``panel serve dashboards/plan_tracker.py``.
"""

from __future__ import annotations

import datetime as dt
import html
from typing import TYPE_CHECKING, Any, ClassVar

import param
import polars as pl

from citylab import catalog, tables, vocabulary
from citylab.app.parts import Number, Picture, cautions_on_page, date_code, pick, text
from citylab.app.state import PageState
from citylab.studies import claims as register
from citylab.viz import claims as pictures_of_claims

if TYPE_CHECKING:
    import panel as pn

    from citylab.settings import Language

TITLE = ("规划追踪", "Plan tracker")
QUESTION = (
    "智慧城市规划的承诺，到期了多少，兑现了多少？",
    "Of what the smart-city plans promised, how much has fallen due, and how much was kept?",
)
SOURCES = (register.REGISTER, *dict.fromkeys(
    i for c in register.recomputable() for i, *_ in register.recompute(c).sources
    if i != register.REGISTER and not i.startswith("codes/")
))  # fmt: skip

EVIDENCE_READ = catalog.declaration(register.REGISTER).accessed
"""Day on which the register's evidence was read; the page begins on it."""
FIRST, LAST = dt.date(2020, 1, 1), dt.date(2036, 12, 31)
YEAR_ENDS = (2022, 2025, 2030)
KINDS = ("target", "observation", "advert", "document_fact", "self_claim")
AGAINST = register.AGAINST
BEGIN_WITH = "c61"

with cautions_on_page():
    _ALL = register.claims(EVIDENCE_READ)
_PLANS = {r["plan_code"]: (r["title_zh"], r["title_en"]) for r in tables.read("claims_plans").iter_rows(named=True)}
_DUE_YEARS = _ALL["due_date"].drop_nulls().dt.year()
YEARS = (int(_DUE_YEARS.min()), int(_DUE_YEARS.max()))


def _plan(code: str, lang: Language) -> str:
    return f"{code} {pick(_PLANS[code], lang)}"


def _with_titles(frame: pl.DataFrame, lang: Language) -> pl.DataFrame:
    return frame.with_columns(pl.col("plan").replace({p: _plan(p, lang) for p in _PLANS}))


def _said(word: str, lang: Language) -> str:
    return vocabulary.say(f"claim_{word}", lang)


class State(PageState):
    """Choices of the page, and the tables that follow from them."""

    asof = param.CalendarDate(default=EVIDENCE_READ, bounds=(FIRST, LAST), doc="Day as of which claims are scored.")
    plan = param.Selector(default="", objects=["", *_PLANS], doc="Text, or all.")
    kind = param.Selector(default="", objects=["", *KINDS], doc="Kind of claim, or all.")
    status = param.Selector(default="", objects=["", *register.STATUSES], doc="Status on that day, or all.")
    claim = param.Selector(default=BEGIN_WITH, objects=_ALL["claim_id"].to_list(), doc="Claim whose evidence is shown.")

    in_url: ClassVar[tuple[str, ...]] = ("asof", "plan", "kind", "status", "claim")

    def _of_plan_and_kind(self) -> pl.DataFrame:
        wanted = {"plan": self.plan, "kind": self.kind}
        return register.claims(self.asof).filter(**{k: v for k, v in wanted.items() if v})

    def shown(self) -> pl.DataFrame:
        """Return the claims of the chosen text, kind and status, scored as of the day."""
        rows = self._of_plan_and_kind()
        return rows.filter(status=self.status) if self.status else rows

    def counts(self) -> dict[str, int]:
        """Return how the claims of the chosen text and kind stand; the choice of a status does not change it."""
        return register.summary(self.asof, frame=self._of_plan_and_kind())

    def listed(self) -> pl.DataFrame:
        """Return :meth:`shown` as a reader wants it, in the page's language."""
        names = ("claim_id", "status", "due_date", "claim", "evidence", "needs", "plan", "kind", "source")
        rows = register.in_words(self.shown(), self.lang)
        ends = {f"{n}_{self.lang}": n for n in ("claim", "evidence", "needs")}
        return (
            rows.rename(ends)
            .select(names)
            .with_columns(pl.col("plan").map_elements(lambda p: _plan(p, self.lang), return_dtype=pl.String))
        )

    def by_plan(self) -> pl.DataFrame:
        """Return the number of claims by text and status."""
        order = pl.Enum(register.STATUSES)
        return (
            self.shown()
            .group_by("plan", pl.col("status").cast(order))
            .agg(pl.len().cast(pl.Int64).alias("claim_count"))
            .sort("plan", "status")
            .with_columns(pl.col("status").cast(pl.String))
        )

    def chosen(self) -> dict[str, Any]:
        """Return the chosen claim, scored as of the day."""
        return register.claims(self.asof).row(by_predicate=pl.col("claim_id") == self.claim, named=True)

    def recomputed(self) -> register.Recomputation | None:
        """Return the chosen claim held against data, or nothing where none bear on it."""
        if self.claim not in register.recomputable():
            return None
        return register.recompute(self.claim)

    def compared(self) -> pl.DataFrame:
        """Return the chosen claim and the figures beside it: compared, value, lowest, highest, unit."""
        found = self.recomputed()
        label, unit = f"label_{self.lang}", f"unit_{self.lang}"
        if found is None:
            kinds = {"compared": pl.String, "value": pl.Float64, "value_low": pl.Float64, "value_high": pl.Float64}
            return pl.DataFrame(schema={**kinds, "unit": pl.String})
        return found.compared.select(
            pl.col(label).alias("compared"), "value", value_low="low", value_high="high", unit=pl.col(unit)
        )


def big_numbers(state: State, lang: Language) -> list[Number]:
    """Return the four numbers that answer the question: due, met, spoken against, no data."""
    c = state.counts()
    zh = lang == "zh"
    undated = c["targets"] - c["dated_targets"]
    against = sum(c[s] for s in AGAINST)
    named = "、".join(_said(s, lang) for s in AGAINST) if zh else ", ".join(_said(s, lang) for s in AGAINST)
    parts = "；".join(f"{_said(s, lang)} {c[s]}" for s in AGAINST) if zh else "; ".join(
        f"{_said(s, lang)} {c[s]}" for s in AGAINST
    )  # fmt: skip
    per = "项" if zh else ""
    return [
        Number(
            f"已到期的目标，截至 {state.asof}" if zh else f"Targets due as of {state.asof}",
            str(c["due_targets"]), per,
            f"共 {c['targets']} 项目标：{c['dated_targets']} 项写明时间，{undated} 项没有，永远不会到期" if zh
            else f"of {c['targets']} targets: {c['dated_targets']} state a time, {undated} none and can never fall due",
        ),
        Number(
            _said("met", lang) if zh else "Met", str(c["met"]), per,
            f"到期目标中有数据证明已实现；另有 {c['verified']} 项非目标声明已核实" if zh
            else f"due targets that data show as reached; {c['verified']} claims of other kinds are verified",
        ),
        Number(
            named if zh else named.capitalize(), str(against), per,
            f"{parts}；n = {c['claims']} 项声明" if zh else f"{parts}; n = {c['claims']} claims",
        ),
        Number(
            _said("due_no_data", lang) if zh else "Due, no data", str(c["due_no_data"]), per,
            f"到期目标中没有公开数据可以评判；另有 {c['undefined']} 项没有衡量尺度、{c['open']} 项未决" if zh
            else f"due targets that no open data can score; besides, {c['undefined']} claims have no measure and "
            f"{c['open']} are open",
        ),
    ]  # fmt: skip


def cannot_show(state: State, lang: Language) -> str:
    """Return what a reader could wrongly take from the page."""
    return pick(
        (
            "本页不是政府的完成情况报告：它只对五篇文本的说法评分，其中四篇不是官方文件。“到期，"
            "无数据”不等于没有完成，只是没有公开数据可以评判；“已实现”和“与数据矛盾”有的只在全国范围成立，见依据。"
            f"日期只移动日历，不移动证据：依据读到 {EVIDENCE_READ} 为止，之后的事实不在内。文本所说的数是声明，"
            "不是观测值，不可用作数据。",
            "This is no report on what the city did: it scores what five texts say, four of which are not official. "
            "Due without data does not mean undone, only that no open data can tell; some of met and contradicted "
            "hold for the nation only, see the evidence. The date moves the calendar and not the evidence, which was "
            f"read up to {EVIDENCE_READ}; later facts are not in it. The numbers of the texts are claims and never "
            "data.",
        ),
        lang,
    )


def code(state: State) -> str:
    """Return the lines that compute the numbers of the present choices."""
    wanted = {k: getattr(state, k) for k in ("plan", "kind") if getattr(state, k)}
    named = ", ".join(f"{k}='{v}'" for k, v in wanted.items())
    narrowed = f".filter({named})" if named else ""
    again = ""
    if state.recomputed() is not None:
        again = f'found = claims.recompute("{state.claim}")\n'
    return f"""import datetime as dt

from citylab.studies import claims

asof = {date_code(state.asof)}
rows = claims.claims(asof){narrowed}
counts = claims.summary(asof, frame=rows)
against = sum(counts[s] for s in claims.AGAINST)
{again}"""


def message(state: State, lang: Language) -> str:
    """Return why there is nothing to show and what to change, or nothing."""
    if state.shown().height:
        return ""
    return pick(
        ("没有这样的声明：请放宽文本、类型或状态，或换一个日期。",
         "No such claim: choose all texts, kinds or statuses, or another day."), lang,
    )  # fmt: skip


def _evidence(state: State, lang: Language) -> str:
    """Return what is known of the chosen claim as HTML."""
    row, found = state.chosen(), state.recomputed()
    esc, zh = html.escape, lang == "zh"
    colon = "：" if zh else ": "
    label = vocabulary.column
    status = f"{_said(row['status'], lang)}"
    if row["due_date"]:
        status += f" · {label('due_date').label(lang)} {row['due_date']}"
    lines = [
        f"<b>{esc(row['claim_id'])} · {esc(row[f'claim_{lang}'])}</b>",
        f"{label('status').label(lang)}{colon}<b>{esc(status)}</b> · {esc(_plan(row['plan'], lang))} · "
        f"{esc(_said(row['kind'], lang))}",
    ]
    if found is not None:
        n = f"n = {found.n}"
        lines.append(f"{label('is_recomputable').label(lang)}{colon}{esc(found.verdict(lang))} ({n})")
    for name in ("evidence", "needs"):
        if row[f"{name}_{lang}"]:
            lines.append(f"{label(name).label(lang)}{colon}{esc(row[f'{name}_{lang}'])}")
    lines.append(f"{label('source').label(lang)}{colon}{esc(row['source'])}")
    if found is not None:
        kept = " · ".join(f"{i} {v} sha256 {h[:12]}".replace("  ", " ") for i, v, h in found.sources)
        lines.append(f"<span class='cite'>{esc(kept)}</span>")
    return "".join(f"<p>{line}</p>" for line in lines)


def pictures(state: State) -> list[Picture]:
    """Return the page's pictures, each with the table behind it."""

    def choose(row: dict[str, Any]) -> None:
        state.claim = row["claim_id"]

    def when() -> Any:
        plot = pictures_of_claims.timeline(
            state.shown(), state.asof, claim=f"claim_{state.lang}", selected=state.claim, years=YEARS, lang=state.lang,
            alt=when_title(state.lang), large=state.is_large, height=340,
        )  # fmt: skip

        def tapped(event: Any) -> None:
            found = pictures_of_claims.claim_at(plot, event.x, event.y)
            if found is not None:
                state.claim = found

        plot.on_event("tap", tapped)
        return plot

    def when_title(lang: Language) -> str:
        zh, en = f"何时到期，截至 {state.asof} 如何", f"When claims fall due, and how they stand on {state.asof}"
        return pick((zh, en), lang)

    def counted() -> dict[str, int]:
        return dict(state.shown().group_by("status").len().iter_rows())

    def when_note(lang: Language) -> str:
        rows = state.shown()
        dated = rows.filter(pl.col("due_date").is_not_null())
        bare = rows.height - dated.height
        marks = dict(dated.group_by("status").len().iter_rows())
        return pictures_of_claims.key(marks, lang) + pick(
            (f"另有 {bare} 项没有写明时间，不在图中，见表。点选图中的记号可看依据。",
             f"{bare} more state no time: they are in the table and not in the picture. Tap a mark for its evidence."),
            lang,
        )  # fmt: skip

    def bars() -> Any:
        return pictures_of_claims.by_text(
            _with_titles(state.by_plan(), state.lang), "plan", lang=state.lang, large=state.is_large, height=300,
            alt=pick(("各文本声明的状态", "Status of claims by text"), state.lang),
        )  # fmt: skip

    def plan_table() -> pl.DataFrame:
        return _with_titles(register.in_words(state.by_plan(), state.lang), state.lang)

    def beside() -> Any:
        found = state.recomputed()
        lang = state.lang
        frame = found.compared if found is not None else pl.DataFrame(
            schema={n: pl.String for n in ("role", f"label_{lang}", f"unit_{lang}")}
            | {n: pl.Float64 for n in ("value", "low", "high")}
        )  # fmt: skip
        return pictures_of_claims.compared(
            frame, label=f"label_{lang}", unit=f"unit_{lang}", lang=lang, large=state.is_large, height=240,
            alt=found.verdict(lang) if found is not None else vocabulary.say("claim_not_recomputed", lang),
        )  # fmt: skip

    def evidence(lang: Language) -> str:
        found = state.recomputed()
        return (pictures_of_claims.compared_key(lang) if found is not None else "") + _evidence(state, lang)

    return [
        Picture(
            "claims", title=when_title, draw=when, table=state.listed, note=when_note, height=340, wide=True,
            on_row=choose,
            refresh=lambda plot: pictures_of_claims.update(plot, state.shown(), state.asof, selected=state.claim),
        ),
        Picture(
            "evidence", title=lambda lang: pick((f"依据：{state.claim}", f"Evidence: {state.claim}"), lang),
            draw=beside, table=state.compared, note=evidence, height=240, redraw_on=("claim",),
        ),
        Picture(
            "texts", title=text("哪篇文本说了什么", "Which text claims what"), draw=bars, table=plan_table,
            note=lambda lang: pictures_of_claims.key(counted(), lang, bars=True), height=300,
            redraw_on=("asof", "plan", "kind", "status"), simple=False,
        ),
    ]  # fmt: skip


def controls(state: State, lang: Language) -> pn.Column:
    """Return the widgets: as of when, which text, kind and status, and which claim's evidence."""
    import panel as pn

    from citylab.app import controls as widgets
    from citylab.app.styles import css

    everything = pick(("全部", "All"), lang)
    today = min(max(dt.date.today(), FIRST), LAST)
    jumps = {pick(("今天", "Today"), lang): today} | {str(y): dt.date(y, 12, 31) for y in YEAR_ENDS}
    quick = pn.widgets.RadioButtonGroup(options=jumps, value=None, button_style="outline", stylesheets=[css("inside")],
                                        sizing_mode="stretch_width", margin=(0, 0, 12, 0))  # fmt: skip
    quick.param.watch(lambda e: state.param.update(asof=e.new) if e.new else None, "value")

    def follow(*_: object) -> None:
        quick.value = next((v for v in jumps.values() if v == state.asof), None)

    follow()
    state.param.watch(follow, ["asof"])
    rows = _ALL.select("claim_id", f"claim_{lang}")
    return widgets.column(
        state, lang,
        widgets.day(state, "asof", pick(("截至", "As of"), lang)), quick,
        widgets.choice(state, "plan", vocabulary.column("plan").label(lang),
                       {everything: ""} | {_plan(p, lang): p for p in _PLANS}),
        widgets.choice(state, "kind", vocabulary.column("kind").label(lang),
                       {everything: ""} | {_said(k, lang): k for k in KINDS}),
        widgets.choice(state, "status", vocabulary.column("status").label(lang),
                       {everything: ""} | {_said(s, lang): s for s in register.STATUSES}),
        widgets.choice(state, "claim", pick(("看哪一项的依据", "Claim to look into"), lang),
                       {f"{i} {said}": i for i, said in rows.iter_rows()}),
    )  # fmt: skip


def build() -> pn.Template:
    """Return the page for one reader."""
    from citylab.app import shell

    return shell.dashboard(State(), globals())


if __name__.startswith("bokeh_app"):
    build().servable()
