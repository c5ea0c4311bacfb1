"""Policy sandbox (数字沙盘): move a lever and see tonnes, air, money and access change, how sure that is, for whom.

The people are synthetic; the effects are declared beliefs. Serve it with ``citylab serve``, or alone with
``panel serve dashboards/policy_sandbox.py``.
"""

from __future__ import annotations

import datetime as dt
import html
import io
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import param
import polars as pl

from citylab import catalog, settings, vocabulary
from citylab.app import city
from citylab.app.parts import Number, Picture, cautions_on_page, no_number, pick
from citylab.app.state import PageState
from citylab.errors import CitylabError
from citylab.policy.levers import STAGES, lever, levers
from citylab.policy.scenario import Change, Scenario, diff
from citylab.policy.simulate import TOTAL, Result, simulate
from citylab.policy.state import SECTORS
from citylab.policy.world import GROUPS, World
from citylab.viz import numbers
from citylab.viz import policy as drawn

if TYPE_CHECKING:
    import panel as pn

    from citylab.app.parts import Both, Said
    from citylab.policy.levers import Lever
    from citylab.settings import Language

TITLE = ("数字沙盘（合成数据）", "Policy sandbox (synthetic data)")
QUESTION = (
    "一项政策减多少、花多少、谁受益、谁受损，有多确定？",
    "What does a policy save and cost, who gains, who loses, and how sure is that?",
)
CELLS = "citylab__synthetic_personcell_state"
SOURCES = (CELLS, city.DISTRICTS)

DRAWS = ("64", "200", "1000")
"""Numbers of draws that can be chosen; the first answers a slider."""
SIDES = ("a", "b")
OUTCOMES = ("household_cny_person", "online_share", "covered_share", "service_share")
QUANTITIES = (*(q for q, _ in drawn.OUTPUTS), *(f"co2_t:{s}" for s in SECTORS))
COMPARED = tuple(o for o in drawn.OUTPUTS if o[0] not in ("firm_cny", "comfort_cny", "covered_persons"))
"""Outputs that are shown of two scenarios: a phone would have to scroll through all."""
BEGIN_A, BEGIN_B = "plan_in_phases", "connect_everyone"
LATER = dt.date(2031, 1, 1)
"""First day of the last phase of the plans, from which a lever can take another value."""
NO_END = dt.date.max
"""What a list of dates holds for a change without an end; an empty value would show as a blank."""
MAX_RAMP_YEARS = 10
MAX_FILE_BYTES = 200_000
MOST_SLIDERS = 2
"""Changes of one lever that have sliders; a file may hold more."""
_GAP = (0, 0, 8, 0)
_HIGH, _WIDE_HIGH = 380, 300
_LONG_TITLES = ".bk-slider-title { white-space: normal; }"

_STAGE_WORDS: dict[str, Both] = {
    "demand": ("需求", "Demand"), "switch": ("替代", "Switching"), "efficiency": ("能效", "Efficiency"),
    "supply": ("供给", "Supply"), "price": ("价格", "Prices"), "cap": ("总量", "Caps"),
    "digital": ("数字普惠", "Digital inclusion"),
}  # fmt: skip
_DISTRIBUTION_WORDS: dict[str, Both] = {
    "triangular": ("三角分布", "triangular"), "uniform": ("均匀分布", "uniform"), "fixed": ("固定", "fixed"),
    "choice": ("等概率取值", "equal chances"),
}  # fmt: skip

# data, once for all readers

with cautions_on_page():
    WORLD = World.from_cells(catalog.load(CELLS))
EXAMPLES = {p.stem: Scenario.read(p) for p in sorted((settings.datasets_dir() / "scenarios").glob("*.yml"))}
PHASES = EXAMPLES[BEGIN_A].phases
"""Phases of the plan, for a scenario that names none."""
REFERENCE = Scenario("参考情景", "the reference")
EMPTY = Scenario("我的方案", "My scenario")
YEARS = WORLD.reference.years
FIRST_DAY = dt.date(YEARS[0], 1, 1)


def split(quantity: str) -> tuple[str, str]:
    """Return quantity and sector of one of the quantities that can be chosen."""
    name, _, sector = quantity.partition(":")
    return name, sector or TOTAL


class Run:
    """A run with its tables, each worked out once."""

    def __init__(self, result: Result) -> None:
        self.result = result
        self._groups: dict[str, pl.DataFrame] = {}

    @cached_property
    def totals(self) -> pl.DataFrame:
        return self.result.totals()

    @cached_property
    def yearly(self) -> pl.DataFrame:
        return self.result.yearly()

    @cached_property
    def per_tonne(self) -> pl.DataFrame:
        return self.result.per_tonne()

    def by_group(self, group: str) -> pl.DataFrame:
        if group not in self._groups:
            self._groups[group] = self.result.by_group(group)
        return self._groups[group]


@lru_cache(maxsize=32)
def run(changes: tuple[Change, ...], draws: int) -> Run:
    """Return the run of some changes; names of scenarios change no number."""
    return Run(simulate(WORLD, Scenario("", "", changes), draws=draws))


@lru_cache(maxsize=256)
def parsed(token: str) -> tuple[Scenario, str]:
    """Return the scenario of an address, or the one to begin with and what is wrong."""
    try:
        return Scenario.from_token(token), ""
    except (CitylabError, ValueError, TypeError) as error:
        return EXAMPLES[BEGIN_A], str(error)


class State(PageState):
    """Choices of the page: two scenarios, which of them is edited, and what is looked at."""

    a = param.String(default=EXAMPLES[BEGIN_A].to_token(), doc="Scenario A.")
    b = param.String(default=EXAMPLES[BEGIN_B].to_token(), doc="Scenario B.")
    compare = param.Boolean(default=False, doc="Show A and B.")
    editing = param.Selector(default=SIDES[0], objects=list(SIDES), doc="Which scenario the levers move.")
    quantity = param.Selector(default=QUANTITIES[0], objects=list(QUANTITIES), doc="What is shown by year.")
    group = param.Selector(default=GROUPS[0], objects=list(GROUPS), doc="Groups of people.")
    outcome = param.Selector(default=OUTCOMES[0], objects=list(OUTCOMES), doc="Outcome of people.")
    draws = param.Selector(default=DRAWS[0], objects=list(DRAWS), doc="Number of draws.")
    lever = param.Selector(
        default=EXAMPLES[BEGIN_A].levers()[0], objects=list(levers()), doc="Lever that is explained."
    )
    follower: Any = None
    """What lets the controls follow the state; one at a time."""

    in_url: ClassVar[tuple[str, ...]] = (
        "a", "b", "compare", "editing", "quantity", "group", "outcome", "draws",
    )  # fmt: skip

    @property
    def side(self) -> str:
        """The scenario that is edited: A where there is but one."""
        return self.editing if self.compare else SIDES[0]

    def scenario(self, side: str | None = None) -> Scenario:
        """Return a scenario, default: the edited one."""
        return parsed(getattr(self, side or self.side))[0]

    def problem(self) -> str:
        """Return what is wrong with a scenario of the address, or nothing."""
        return next((e for s in self.sides() if (e := parsed(getattr(self, s))[1])), "")

    def sides(self) -> tuple[str, ...]:
        """Return the scenarios that are shown."""
        return SIDES if self.compare else SIDES[:1]

    def run(self, side: str | None = None) -> Run:
        """Return the run of a scenario, default: the edited one."""
        return run(self.scenario(side).changes, int(self.draws))

    def put(self, scenario: Scenario) -> None:
        """Put another scenario in place of the edited one."""
        self.param.update(**{self.side: scenario.to_token()})

    def _edit(self, own: list[Change], name: str) -> None:
        """Put other changes of a lever into the edited scenario, and say in its name that it was edited."""
        plan = self.scenario()
        changes = (*(c for c in plan.changes if c.lever != name), *own)
        edited = replace(plan, changes=changes)
        if plan in EXAMPLES.values():
            edited = replace(edited, name_zh=f"{plan.name_zh}（已改）", name_en=f"{plan.name_en} (edited)")
        self.param.update(**{"lever": name, self.side: edited.to_token()})

    def changes_of(self, name: str) -> list[Change]:
        """Return the changes of a lever in the edited scenario, by their start."""
        return [c for c in self.scenario().changes if c.lever == name]

    def move(self, name: str, value: float, k: int = 0) -> None:
        """Put the k-th change of a lever at a value; a lever back at the reference's value is no change."""
        own = self.changes_of(name)
        one = lever(name)
        if not own:
            own = [Change(name, value, max(FIRST_DAY, one.first_date))]
        else:
            own[k] = replace(own[k], value=value)
        if all(c.value == one.default for c in own):
            own = []
        self._edit(own, name)

    def date(self, name: str, k: int, **dates: Any) -> None:
        """Change start, end or ramp of the k-th change of a lever."""
        own = self.changes_of(name)
        own[k] = replace(own[k], **dates)
        self._edit(own, name)

    def split(self, name: str) -> None:
        """Let a lever's last change end before the last phase, and begin another with the same value there."""
        *before, last = self.changes_of(name)
        ended = replace(last, end=LATER - dt.timedelta(days=1))
        self._edit([*before, ended, Change(name, last.value, LATER, last.end)], name)

    # tables

    def frames(self, of: Callable[[Run], pl.DataFrame]) -> dict[str, pl.DataFrame]:
        """Return a table of each scenario that is shown, by its letter where there are two."""
        return {s.upper() if self.compare else "": of(self.run(s)) for s in self.sides()}

    def totals(self) -> dict[str, pl.DataFrame]:
        """Return the totals of each scenario, and of B less A on the same draws."""
        found = self.frames(lambda r: r.totals)
        if self.compare:
            found["B − A"] = self.run("b").result.minus(self.run("a").result)
        return found

    def stacked(self, frames: dict[str, pl.DataFrame]) -> pl.DataFrame:
        """Return tables of scenarios as one, for people to read."""
        rows = pl.concat([f.with_columns(scenario_name=pl.lit(n)) for n, f in frames.items()])
        first = ["scenario_name"] if self.compare else []
        rest = [c for c in rows.columns if c != "scenario_name"]
        return drawn.in_words(rows.select(*first, *rest), self.lang, district_names(self.lang))

    @property
    def chosen(self) -> tuple[str, str]:
        """Quantity and sector that are shown by year."""
        return split(self.quantity)


@lru_cache(maxsize=4)
def district_names(lang: Language) -> dict[str, str]:
    return dict(city.boundaries().select("adcode", f"district_name_{lang}").iter_rows())


def _bounds(row: dict[str, Any], lang: Language, unit: str) -> str:
    ends = drawn.told(row["difference"], row["lower"], row["upper"], unit, lang)
    return ends[ends.find("（" if lang == "zh" else "(") :] if row["lower"] != row["upper"] else ""


def how(state: State, lang: Language) -> str:
    """Return what stands behind every interval: its level, draws, persons."""
    result = state.run().result
    level, n = numbers.percent(result.interval), numbers.count(result.sample_persons)
    level = level.replace(".0%", "%")
    return pick(
        (f"{level} 区间，{result.draws} 次抽样，{n} 名合成居民",
         f"{level} interval, {result.draws} draws, {n} synthetic residents"), lang,
    )  # fmt: skip


def big_numbers(state: State, lang: Language) -> list[Number]:
    """Return tonnes, cost of a tonne, public money and household money of the edited scenario."""
    r = state.run()
    rows = {(q["quantity"], q["sector"]): q for q in r.totals.iter_rows(named=True)}
    whose = f"{state.side.upper()}{pick(('：', ': '), lang)}" if state.compare else ""
    span = f"{YEARS[0]}–{YEARS[-1]}"
    synthetic = vocabulary.say("synthetic", lang)
    sure = how(state, lang)

    def city_number(quantity: str, unit: str, label: Both, more: str = "") -> Number:
        row = rows[quantity, "total"]
        value, shown = numbers.quantity(row["difference"], unit, lang, sign=True)
        ends = numbers.span(row["lower"], row["upper"], unit, lang, sign=True)
        parts = [ends, more, sure, synthetic]
        return Number(f"{whose}{pick(label, lang)}", value, shown, pick(("；", "; "), lang).join(p for p in parts if p))

    costs = {c["cost_kind"]: c for c in r.per_tonne.iter_rows(named=True)}
    per_tonne = ("每吨减排的社会成本（含放弃的舒适）", "Cost to society per tonne, comfort given up included")
    label = f"{whose}{pick(per_tonne, lang)}"
    cost = costs["society"]
    if cost["cny_t"] is None:
        why = vocabulary.say(f"policy_{cost['why_not_told']}", lang)
        tonne = no_number(label, lang, f"{why}{pick(('；', '; '), lang)}{synthetic}")
    else:
        public = costs["budget"]
        spent = pick((f"公共资金 {numbers.figures(public['cny_t'])} 元/吨",
                      f"public money {numbers.figures(public['cny_t'])} CNY/t"), lang)  # fmt: skip
        parts = [numbers.span(cost["lower"], cost["upper"], "CNY/t", lang), spent, sure, synthetic]
        tonne = Number(label, numbers.figures(cost["cny_t"]), pick(("元/吨", "CNY/t"), lang),
                       pick(("；", "; "), lang).join(parts))  # fmt: skip
    budget = state.scenario().budget_cny
    within = ""
    if budget is not None:
        named = " ".join(numbers.quantity(budget, "CNY", lang))
        share = numbers.percent(r.result.budget_share(budget))
        within = pick((f"在 {named}以内的可能：{share}", f"chance to stay within {named}: {share}"), lang)
    people = {o["outcome"]: o for o in r.by_group("all").iter_rows(named=True)}
    money = people["household_cny_person"]
    gains, loses = (numbers.percent(people[f"{s}_share"]["difference"]) for s in ("gaining", "losing"))
    welfare = {o["outcome"]: o for o in r.result.by_group("all", measure="welfare").iter_rows(named=True)}
    better, worse = (numbers.percent(welfare[f"{s}_share"]["difference"]) for s in ("gaining", "losing"))
    home = Number(
        f"{whose}{pick(('家庭收支，人均每年', 'Household money, a person and year'), lang)}",
        numbers.figures(money["difference"], sign=True), pick(("元", "CNY"), lang),
        pick(("；", "; "), lang).join([
            numbers.span(money["lower"], money["upper"], "CNY/person/year", lang, sign=True),
            pick((f"按收支 {gains} 受益、{loses} 受损；计入舒适 {better} 受益、{worse} 受损",
                  f"by the purse {gains} gain, {loses} lose; with comfort {better} and {worse}"), lang),
            sure, synthetic,
        ]),
    )  # fmt: skip
    return [
        city_number("co2_t", "t", (f"二氧化碳，{span} 年合计", f"CO2, sum of {span}")),
        tonne,
        city_number("budget_cny", "CNY", (f"公共财政，{span} 年合计", f"Public budget, sum of {span}"), within),
        home,
    ]  # fmt: skip


def cannot_show(state: State, lang: Language) -> str:
    """Return what a reader could wrongly take from the page."""
    return pick(
        (
            "居民是合成的，没有任何人被观测；里程、用电、收入和上网按假设分给各组，所以某个区或某个收入组的数字是假设的结果，"
            "不是测量。效果参数多数没有核对过来源，见每个杠杆的“我们相信什么”。区间只含列出的不确定性，不含没有想到的。"
            "一组人按平均计得失，组内有人相反；公共资金最终由谁负担（税、债）没有分摊到人。PM2.5 是按部门燃料量的"
            "粗略筛算，各区同一水平。政策在别处引起的变化（例如企业搬迁、房价）没有计入。金额按 2025 年不变价，"
            "未折现。文本说的 50 亿元是声明，这里只作参数。",
            "The residents are synthetic and nobody was observed: kilometres, electricity, income and access are "
            "shared among groups by assumption, so that a district's or a decile's number follows from assumptions "
            "and measures nothing. Most parameters of effects are not checked against their source; see what we "
            "believe of each lever. Intervals hold the uncertainty that is listed, not what nobody thought of. A cell "
            "gains or loses by its mean, and some of its people do the opposite; who bears in the end what the public "
            "purse spends, as tax or debt, is not shared out. PM2.5 is a coarse screening by the fuel of sectors, at "
            "one level for all districts. What a policy moves elsewhere (firms that leave, rents) is left out. Money "
            "is at prices of 2025 and undiscounted. The fund of 5 bn CNY is a plan text's claim and here a parameter.",
        ),
        lang,
    )  # fmt: skip


def message(state: State, lang: Language) -> str:
    """Return what is wrong with the address, or that there is nothing to compare with the reference."""
    if problem := state.problem():
        return pick(("链接中的方案读不出来，显示的是示例方案。", "The link's scenario cannot be read; the example is "
                     "shown. "), lang) + problem  # fmt: skip
    if not state.scenario().changes:
        return pick(("这个方案与参考情景相同：移动一个滑块，或从示例开始。",
                     "This scenario is the reference: move a slider, or begin from an example."), lang)  # fmt: skip
    return ""


def code(state: State) -> str:
    """Return the lines that compute the numbers of the edited scenario."""
    return f'''from citylab import catalog
from citylab.policy.scenario import Scenario
from citylab.policy.simulate import simulate
from citylab.policy.world import World

plan = Scenario.from_yaml("""
{state.scenario().to_yaml()}""")
world = World.from_cells(catalog.load("{CELLS}"))
result = simulate(world, plan, draws={state.draws})
totals, years, cost = result.totals(), result.yearly(), result.per_tonne()
groups = result.by_group("{state.group}")
'''


def prepare(state: State) -> None:
    """Run the scenarios that are shown; runs are kept, so that only what changed is run again."""
    for side in state.sides():
        state.step()
        state.run(side)


# pictures


def pictures(state: State) -> list[Picture]:
    """Return the page's pictures, each with the table behind it."""

    def titled(zh: Callable[[], str], en: Callable[[], str]) -> Said:
        def said(lang: Language) -> str:
            synthetic = vocabulary.say("synthetic", lang)
            return pick((f"{zh()}（{synthetic}）", f"{en()} ({synthetic})"), lang)

        return said

    def named(side: str, lang: Language) -> str:
        title = state.scenario(side).title(lang)
        return f"{side.upper()}{pick(('：', ': '), lang)}{title}" if state.compare else title

    def names(lang: Language) -> str:
        return " / ".join(named(s, lang) for s in state.sides())

    def key(lang: Language, *, reference: bool = False, difference: bool = False) -> str:
        shown = [named(s, lang) for s in state.sides()]
        return drawn.key([*shown, *(["B − A"] if difference and state.compare else [])], lang, reference=reference)

    def hollow(lang: Language) -> str:
        return pick(
            ("空心：区间含零，连方向也不确定。", "Hollow: the interval holds 0, so that not even the sign is sure. "),
            lang,
        )

    def of_year(lang: Language) -> str:
        return drawn.quantity_label(*state.chosen, lang)

    def common(title: Said) -> dict[str, Any]:
        return {"alt": title(state.lang), "lang": state.lang, "large": state.is_large}

    def people(lang: Language) -> str:
        return vocabulary.say(f"policy_group_{state.group}", lang)

    def outcome(lang: Language) -> str:
        return vocabulary.say(f"policy_{state.outcome}", lang)

    def groups_of(group: str) -> dict[str, pl.DataFrame]:
        return state.frames(lambda r: r.by_group(group))

    def edited(lang: Language) -> str:
        return named(state.side, lang)

    all_title = titled(lambda: f"会改变什么：{names('zh')}", lambda: f"What changes: {names('en')}")
    fan_title = titled(lambda: f"{of_year('zh')}：逐年与参考之差", lambda: f"{of_year('en')}: difference by year")
    course_title = titled(lambda: f"{of_year('zh')}：参考与方案", lambda: f"{of_year('en')}: reference and scenario")
    sector_title = titled(
        lambda: f"{YEARS[0]}–{YEARS[-1]} 年各部门二氧化碳", lambda: f"CO2 by sector, {YEARS[0]}–{YEARS[-1]}"
    )
    when_title = titled(lambda: f"何时开始，何时结束：{names('zh')}", lambda: f"When it starts and ends: {names('en')}")
    map_title = titled(
        lambda: f"各区：{outcome('zh')}，{edited('zh')}", lambda: f"Districts: {outcome('en')}, {edited('en')}"
    )
    who_title = titled(
        lambda: f"按{people('zh')}：{outcome('zh')}", lambda: f"By {people('en').lower()}: {outcome('en')}"
    )
    sides_title = titled(lambda: f"谁受益、谁受损，按{people('zh')}：{edited('zh')}",
                         lambda: f"Who gains and who loses by {people('en').lower()}: {edited('en')}")  # fmt: skip
    sure_title = titled(
        lambda: f"不确定来自哪里：{edited('zh')}", lambda: f"Where the uncertainty is from: {edited('en')}"
    )

    def outputs() -> tuple[tuple[str, str], ...]:
        return COMPARED if state.compare else drawn.OUTPUTS

    def all_note(lang: Language) -> str:
        more = pick((f"每行各有自己的尺度；虚线为零，即参考情景。{hollow(lang)}{how(state, lang)}。",
                     f"Each row has its own scale; the dashed line is 0, the reference. {hollow(lang)}"
                     f"{how(state, lang)}."), lang)  # fmt: skip
        return key(lang, difference=True) + more

    def fan_note(lang: Language) -> str:
        said = pick((f"带：{how(state, lang)}；同一批抽样下方案减参考。",
                     f"Band: {how(state, lang)}; scenario less reference on the same draws."), lang)  # fmt: skip
        return key(lang) + said

    def course_note(lang: Language) -> str:
        said = pick(
            (f"灰带是参考情景本身的区间（{how(state, lang)}），比差额的区间宽得多：两者同时上下。"
             "金额没有参考水平，以零为准。",
             f"The grey band is the interval of the reference itself ({how(state, lang)}), much wider than that of the "
             "difference: both move together. Money has no level of reference and starts from 0."), lang,
        )  # fmt: skip
        return key(lang, reference=True) + said

    def sector_note(lang: Language) -> str:
        return key(lang, reference=True) + pick(
            (f"范围一和二；一吨只计一次。数字是与参考之差（{how(state, lang)}）。",
             "Scopes 1 and 2; each tonne is counted once. The numbers are differences from the reference "
             f"({how(state, lang)}). "), lang,
        ) + html.escape(state.run().result.level_note(lang) or "")  # fmt: skip

    def when_note(lang: Language) -> str:
        if state.compare:
            said, head = (
                diff(state.scenario("a"), state.scenario("b"), lang),
                pick(("B 与 A 之差", "B against A"), lang),
            )
        else:
            said = diff(REFERENCE, state.scenario(), lang)
            head = pick(("与参考情景之差", "Against the reference"), lang)
        past = pick(
            ("虚线之前已经过去：其效果在参考情景里，不再计一次。",
             "What lies before the dashed line is past: its effect is part of the reference and not counted again."),
            lang,
        )  # fmt: skip
        notes = [
            (p.name_zh, p.note_zh) if lang == "zh" else (p.name_en, p.note_en)
            for p in state.scenario().phases or PHASES
        ]
        phases = " ".join(html.escape(f"{n}{pick(('：', ': '), lang)}{note}") for n, note in notes if note)
        return f"{key(lang)}<b>{head}</b>{drawn.sentences(said, lang)}{past} {phases}"

    def map_note(lang: Language) -> str:
        said = pick(
            (f"棕色减少，灰色不变，蓝色增加；各区的差别来自假设的分摊。区间见悬停和表（{how(state, lang)}）。",
             "Brown is a fall, grey none, blue a rise; districts differ by assumed shares. Intervals: hover or table "
             f"({how(state, lang)}). "), lang,
        )  # fmt: skip
        return said + city.map_caution(lang)

    def who_note(lang: Language) -> str:
        return f"{key(lang)}{hollow(lang)}{how(state, lang)}。" if lang == "zh" else (
            f"{key(lang)}{hollow(lang)}{how(state, lang)}.")  # fmt: skip

    def sides_note(lang: Language) -> str:
        floor = f"{WORLD.reference.rule('min_change_cny'):g}"
        return drawn.sides_key(lang) + pick(
            (f"按所在小组的平均变化，每年超过 {floor} 元才算；其余没有变化。细线是区间（{how(state, lang)}）。"
             "公共资金由谁负担没有计入。",
             f"By the mean of each small cell, beyond {floor} CNY a year; the rest sees no change. Thin lines are "
             f"intervals ({how(state, lang)}). Who bears what the public purse spends is left out."), lang,
        )  # fmt: skip

    def sure_note(lang: Language) -> str:
        return drawn.parts_key(lang) + pick(
            ("抽样：合成家庭换一批；参数：对效果的信念和参考路径；模型：互相竞争的模型，例如电网平均或边际因子、"
             "短期或长期弹性。三者相加等于总方差。",
             "Sampling: other synthetic households. Parameters: beliefs on effects and on the reference's path. Rival "
             "models: the grid's average or margin, elasticities of the short or long run. They sum to the variance."),
            lang,
        )  # fmt: skip

    def year_table() -> pl.DataFrame:
        quantity, sector = state.chosen
        wanted = (pl.col("quantity") == quantity) & (pl.col("sector") == sector)
        return state.stacked(state.frames(lambda r: r.yearly.filter(wanted)))

    def sector_table() -> pl.DataFrame:
        return state.stacked(state.frames(lambda r: r.totals.filter(pl.col("quantity") == "co2_t")))

    def when_table() -> pl.DataFrame:
        rows = [
            {"scenario_name": s.upper(), "lever": lever(c.lever).title(state.lang), "value": c.value,
             "unit": vocabulary.say_unit(lever(c.lever).unit, state.lang), "start": c.start, "end": c.end,
             "ramp_years": c.ramp_years}
            for s in state.sides() for c in state.scenario(s).changes
        ]  # fmt: skip
        kinds = {"scenario_name": pl.String, "lever": pl.String, "value": pl.Float64, "unit": pl.String,
                 "start": pl.Date, "end": pl.Date, "ramp_years": pl.Float64}  # fmt: skip
        return pl.DataFrame(rows, schema=kinds)

    def plans() -> list[Scenario]:
        return [replace(p, name_zh=s.upper(), name_en=s.upper(), phases=p.phases or PHASES)
                for s, p in ((s, state.scenario(s)) for s in state.sides())]  # fmt: skip

    def one_group(group: str) -> pl.DataFrame:
        return state.run().by_group(group)

    def group_table(frames: dict[str, pl.DataFrame], *outcomes: str) -> pl.DataFrame:
        return state.stacked({n: f.filter(pl.col("outcome").is_in(outcomes)) for n, f in frames.items()})

    def put(frames: Callable[[], Any]) -> Callable[[Any], None]:
        return lambda plot: drawn.update(plot, frames())

    yearly = lambda: state.frames(lambda r: r.yearly)  # noqa: E731
    totals = lambda: state.frames(lambda r: r.totals)  # noqa: E731
    return [
        Picture("outcomes", title=all_title, table=lambda: state.stacked(state.totals()), note=all_note, height=_HIGH,
                draw=lambda: drawn.outcomes(state.totals(), outputs(), **common(all_title)),
                refresh=put(state.totals), redraw_on=("compare",)),
        Picture("difference", title=fan_title, table=year_table, note=fan_note, height=_HIGH,
                draw=lambda: drawn.fan(yearly(), *state.chosen, height=_HIGH, **common(fan_title)),
                refresh=put(yearly), redraw_on=("quantity",)),
        Picture("timeline", title=when_title, table=when_table, note=when_note, height=_WIDE_HIGH, wide=True,
                draw=lambda: drawn.timeline(plans(), **common(when_title)), refresh=put(plans)),
        Picture("groups", title=who_title, note=who_note, height=_HIGH,
                table=lambda: group_table(groups_of(state.group), state.outcome),
                draw=lambda: drawn.winners(groups_of(state.group), state.outcome, names=district_names(state.lang),
                                           **common(who_title)),
                refresh=put(lambda: groups_of(state.group)), redraw_on=("group", "outcome")),
        Picture("map", title=map_title, note=map_note, height=_HIGH,
                table=lambda: group_table({state.side.upper(): one_group("adcode")}, state.outcome),
                draw=lambda: drawn.change_map(one_group("adcode"), city.shapes(), state.outcome, **common(map_title)),
                refresh=put(lambda: one_group("adcode")), redraw_on=("outcome",)),
        Picture("sides", title=sides_title, note=sides_note, height=_HIGH, simple=False,
                table=lambda: group_table({state.side.upper(): one_group(state.group)}, *drawn.SIDES),
                draw=lambda: drawn.gain_and_lose(one_group(state.group), names=district_names(state.lang),
                                                 **common(sides_title)),
                refresh=put(lambda: one_group(state.group)), redraw_on=("group",)),
        Picture("uncertainty", title=sure_title, note=sure_note, height=_HIGH, simple=False,
                table=lambda: state.stacked({state.side.upper(): state.run().totals}),
                draw=lambda: drawn.uncertainty(state.run().totals, **common(sure_title)),
                refresh=put(lambda: state.run().totals)),
        Picture("course", title=course_title, table=year_table, note=course_note, height=_HIGH, simple=False,
                draw=lambda: drawn.fan(yearly(), *state.chosen, levels=True, height=_HIGH, **common(course_title)),
                refresh=put(yearly), redraw_on=("quantity",)),
        Picture("sectors", title=sector_title, table=sector_table, note=sector_note, height=_HIGH, simple=False,
                draw=lambda: drawn.sectors(totals(), **common(sector_title)), refresh=put(totals),
                redraw_on=("compare",)),
    ]  # fmt: skip


# controls


def about(one: Lever, lang: Language) -> str:
    """Return what a lever means, its bounds, what was put in force where, and what acts with it, as HTML."""
    esc = html.escape
    unit = f" {vocabulary.say_unit(one.unit, lang)}".rstrip()
    note = one.note_zh if lang == "zh" else one.note_en
    bounds = pick(
        (f"{one.low:g} 至 {one.high:g}{unit}；参考情景 {one.default:g}；最早 {one.first_date}",
         f"{one.low:g} to {one.high:g}{unit}; reference {one.default:g}; not before {one.first_date}"), lang,
    )  # fmt: skip
    lines = [f"<p>{esc(note)}</p><p class='note'>{esc(bounds)}</p>"]
    if one.enacted:
        rows = []
        for e in one.enacted:
            until = pick(("起", "on"), lang) if e.to_date is None else f"– {e.to_date}"
            mark = vocabulary.say(f"mark_{e.mark}", lang)
            value = f"{e.value:g} {vocabulary.say_unit(e.unit, lang)}".strip()
            rows.append(f"<li><b>{esc(e.place)}</b> {e.from_date} {until}: {esc(value)}. {esc(e.source)} "
                        f"({esc(mark)})</li>")  # fmt: skip
        head = pick(("曾经或正在实行的数值", "What was put in force"), lang)
        lines.append(f"<details><summary>{head} ({len(rows)})</summary><ul class='note'>{''.join(rows)}</ul></details>")
    for other, rule in one.joint.items():
        with_ = pick((f"与“{lever(other).title_zh}”同用", f"With “{lever(other).title_en}”"), lang)
        lines.append(f"<p class='note'>{esc(with_)}{pick(('：', ': '), lang)}{esc(pick(rule, lang))}</p>")
    return "".join(lines)


def beliefs(one: Lever, lang: Language) -> str:
    """Return the priors of a lever with their marks, folded, as HTML."""
    esc = html.escape
    rows = []
    for p in one.priors:
        spread = f"{p.central:g}" if p.distribution == "fixed" else f"{p.central:g} ({p.low:g} – {p.high:g})"
        kind = pick(_DISTRIBUTION_WORDS[p.distribution], lang)
        model = f" [{esc(p.variant)}]" if p.variant else ""
        mark = vocabulary.say(f"mark_{p.mark}", lang)
        spread = f"{spread} {vocabulary.say_unit(p.unit, lang)}".rstrip()
        rows.append(f"<li><b>{esc(p.parameter)}</b>{model}: {esc(spread)}, {esc(kind)}. {esc(p.source)} "
                    f"(<b>{esc(mark)}</b>)</li>")  # fmt: skip
    head = pick((f"我们相信什么（{len(rows)} 个参数）", f"What do we believe? ({len(rows)} parameters)"), lang)
    return f"<details><summary>{head}</summary><ul class='note'>{''.join(rows)}</ul></details>"


def _years_of(day: dt.date, lang: Language, *, last: bool) -> dict[str, dt.date]:
    """Return the years to choose a start or an end from, with the present day if it is another."""
    days = {str(y): dt.date(y, 12, 31) if last else dt.date(y, 1, 1) for y in YEARS}
    options: dict[str, dt.date] = {pick(("不结束", "no end"), lang): NO_END} if last else {}
    options |= days
    if day not in options.values():
        options[str(day)] = day
    return options


class _Levers:
    """The sliders of the levers, and the panel that explains one of them; they follow the state."""

    def __init__(self, state: State, lang: Language) -> None:
        import panel as pn

        from citylab.app.styles import css

        self.state, self.lang, self.pn = state, lang, pn
        self.look: dict[str, Any] = {
            "stylesheets": [css("inside"), _LONG_TITLES], "sizing_mode": "stretch_width", "margin": _GAP,
        }  # fmt: skip
        self.problem = pn.pane.HTML("", **self.look)
        self.boxes = {name: pn.Column(sizing_mode="stretch_width", margin=0) for name in levers()}
        self.sliders: dict[tuple[str, int], Any] = {}
        self.detail = pn.Column(sizing_mode="stretch_width", margin=0)
        self.shown: tuple[Any, ...] = ()
        self.dates: list[tuple[Any, Any, Any]] = []
        self.is_following = False

    def attempt(self, work: Callable[[], None]) -> None:
        """Work; if that cannot be, say why beside the controls, and let them show what holds."""
        if self.is_following:
            return
        said = ""
        try:
            work()
        except (CitylabError, ValueError, TypeError) as error:
            refused = pick(("没有采用，方案不变。原因：", "Not taken, the scenario is as before. "), self.lang)
            said = f"<p class='message' role='alert'>{html.escape(refused + str(error))}</p>"
        self.problem.object = said
        if said:
            self.follow()

    def column(self) -> list[Any]:
        """Return the levers, grouped by when they act."""
        found: list[Any] = []
        for stage in STAGES:
            own = [name for name, one in levers().items() if one.stage == stage]
            if own:
                head = f"<h2>{html.escape(pick(_STAGE_WORDS[stage], self.lang))}</h2>"
                found += [self.pn.pane.HTML(head, **self.look), *(self.boxes[name] for name in own)]
        return found

    def slider(self, name: str, k: int) -> Any:
        """Return the slider of the k-th change of a lever."""
        if (name, k) not in self.sliders:
            one = lever(name)
            widget = self.pn.widgets.FloatSlider(
                start=one.low, end=one.high, step=one.step, value=one.default, format="0[.]00", **self.look
            )
            widget.param.watch(
                lambda e: self.attempt(lambda: self.state.move(name, float(e.new), k)), "value_throttled"
            )
            self.sliders[name, k] = widget
        return self.sliders[name, k]

    def follow(self, *_: object) -> None:
        """Show what the state says."""
        self.is_following = True
        try:
            for name, box in self.boxes.items():
                self._follow_lever(name, box)
            self._follow_detail()
        finally:
            self.is_following = False

    def _follow_lever(self, name: str, box: Any) -> None:
        one, own = lever(name), self.state.changes_of(name)
        n = min(max(len(own), 1), MOST_SLIDERS)
        for k in range(n):
            widget = self.slider(name, k)
            unit = vocabulary.say_unit(one.unit, self.lang)
            unit = f" ({unit})" if unit else ""
            since = f", {pick(('自', 'from'), self.lang)} {own[k].start.year}" if len(own) > 1 else ""
            label = f"{'● ' if own else ''}{one.title(self.lang)}{unit}{since}"
            value = own[k].value if own else one.default
            if (widget.name, widget.value) != (label, value):
                widget.param.update(name=label, value=value)
        wanted = [self.slider(name, k) for k in range(n)]
        if list(box) != wanted:
            box[:] = wanted

    def _follow_detail(self) -> None:
        name = self.state.lever
        own = self.state.changes_of(name)
        shown = (name, self.state.side, *((c.start.month, c.end) for c in own))
        if (self.shown[:2], len(self.shown)) == (shown[:2], len(shown)):
            for (start, end, ramp), c in zip(self.dates, own, strict=False):
                start.param.update(options=_years_of(c.start, self.lang, last=False), value=c.start)
                end.param.update(options=_years_of(c.end or NO_END, self.lang, last=True), value=c.end or NO_END)
                ramp.value = min(round(c.ramp_years), MAX_RAMP_YEARS)
            return
        self.shown = shown
        self.dates = [self._dates(name, k, c) for k, c in enumerate(own[:MOST_SLIDERS])]
        parts: list[Any] = [self.pn.pane.HTML(about(lever(name), self.lang), **self.look)]
        for row in self.dates:
            parts += row
        if len(own) == 1 and own[0].start < LATER and (own[0].end is None or own[0].end >= LATER):
            again = self.pn.widgets.Button(
                name=pick((f"{LATER.year} 年起另设一个值", f"Another value from {LATER.year}"), self.lang),
                button_style="outline", **self.look,
            )  # fmt: skip
            again.on_click(lambda _: self.attempt(lambda: self.state.split(name)))
            parts.append(again)
        if len(own) > MOST_SLIDERS:
            n = len(own) - MOST_SLIDERS
            more = pick((f"另有 {n} 次改变，见时间轴；用文件修改。",
                         f"{n} further changes: see the timeline; edit them in the file."), self.lang)  # fmt: skip
            parts.append(self.pn.pane.HTML(f"<p class='note'>{more}</p>", **self.look))
        parts.append(self.pn.pane.HTML(beliefs(lever(name), self.lang), **self.look))
        self.detail[:] = parts

    def _dates(self, name: str, k: int, c: Change) -> tuple[Any, Any, Any]:
        w, lang = self.pn.widgets, self.lang
        start = w.Select(name=pick(("开始", "Starts"), lang), options=_years_of(c.start, lang, last=False),
                         value=c.start, **self.look)  # fmt: skip
        last = c.end or NO_END
        end = w.Select(name=pick(("结束（年末）", "Ends (with the year)"), lang),
                       options=_years_of(last, lang, last=True), value=last, **self.look)  # fmt: skip
        ramp = w.IntSlider(name=pick(("逐步达到所需年数", "Years to reach it"), lang), start=0, end=MAX_RAMP_YEARS,
                           value=min(round(c.ramp_years), MAX_RAMP_YEARS), **self.look)  # fmt: skip
        start.param.watch(lambda e: self.attempt(lambda: self.state.date(name, k, start=e.new)), "value")
        end.param.watch(
            lambda e: self.attempt(lambda: self.state.date(name, k, end=None if e.new == NO_END else e.new)), "value"
        )
        ramp.param.watch(
            lambda e: self.attempt(lambda: self.state.date(name, k, ramp_years=float(e.new))), "value_throttled"
        )
        return start, end, ramp


def read_file(data: bytes) -> Scenario:
    """Return the scenario of a file that a reader gave.

    Raises
    ------
    CitylabError
        It is no scenario; the message says what is wrong.
    """
    if len(data) > MAX_FILE_BYTES:
        raise CitylabError(
            f"The file has {len(data):,} bytes; a scenario has at most {MAX_FILE_BYTES:,}. Choose a YAML file of one."
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        raise CitylabError("The file is no text in UTF-8. Save the scenario as YAML in UTF-8 and try again.") from cause
    return Scenario.from_yaml(text)


def controls(state: State, lang: Language) -> pn.Column:
    """Return the widgets: which scenario, the levers, what is looked at, and the lever that is explained."""
    import panel as pn

    from citylab.app import controls as widgets

    def both(zh: str, en: str) -> str:
        return pick((zh, en), lang)

    made = _Levers(state, lang)
    own = both("（自定）", "(own)")
    named = {own: ""} | {EMPTY.title(lang): "empty"} | {s.title(lang): key for key, s in EXAMPLES.items()}
    known = {"empty": EMPTY, **EXAMPLES}
    begin = pn.widgets.Select(name=both("从哪个方案开始", "Begin from"), options=named, value="", **made.look)
    side = widgets.buttons(state, "editing", {s.upper(): s for s in SIDES}, both("修改哪个", "Which one to edit"))
    save = pn.widgets.FileDownload(
        callback=lambda: io.BytesIO(state.scenario().to_yaml().encode()), filename="citylab_scenario.yml",
        label=both("存为文件（YAML）", "Save to a file (YAML)"), button_style="outline", **made.look,
    )  # fmt: skip
    load = pn.widgets.FileInput(
        name=both("从文件读取（YAML）", "Load from a file (YAML)"), accept=".yml,.yaml", **made.look
    )
    chosen = widgets.choice(state, "lever", both("说明和日期：哪个杠杆", "Dates and beliefs of"),
                            {one.title(lang): name for name, one in levers().items()})  # fmt: skip

    def start_from(event: Any) -> None:
        if event.new and not made.is_following and known[event.new] != state.scenario():
            made.attempt(lambda: state.put(known[event.new]))

    def loaded(event: Any) -> None:
        if event.new:
            made.attempt(lambda: state.put(read_file(event.new)))

    def follow(*_: object) -> None:
        made.follow()
        made.is_following = True
        begin.value = next((key for key, s in known.items() if s == state.scenario()), "")
        side.visible = state.compare
        made.is_following = False

    begin.param.watch(start_from, "value")
    load.param.watch(loaded, "value")
    if state.follower is not None:  # of the page in its other language
        state.param.unwatch(state.follower)
    state.follower = state.param.watch(follow, ["a", "b", "compare", "editing", "lever"])
    follow()
    quantities = {drawn.quantity_label(*split(q), lang): q for q in QUANTITIES}
    return widgets.column(
        state, lang, begin, widgets.yes_no(state, "compare", both("与方案 B 比较", "Compare with a scenario B")), side,
        made.problem, *made.column(),
        widgets.choice(state, "quantity", both("逐年看什么", "By year"), quantities),
        widgets.choice(state, "group", both("人群分组", "Groups of people"),
                       {vocabulary.say(f"policy_group_{g}", lang): g for g in GROUPS}),
        widgets.choice(state, "outcome", both("各区各组看什么", "Of districts and groups"),
                       {vocabulary.say(f"policy_{o}", lang): o for o in OUTCOMES}),
        chosen, made.detail, save, load,
        more=[widgets.buttons(state, "draws", {d: d for d in DRAWS}, both("抽样次数", "Draws"))],
    )  # fmt: skip


def build() -> pn.Template:
    """Return the page for one reader."""
    from citylab.app import shell

    return shell.dashboard(State(), globals())


State().run()  # before the first reader comes

if __name__.startswith("bokeh_app"):
    build().servable()
