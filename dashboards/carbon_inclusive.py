"""Carbon-inclusive scheme: who earns the credits, who is left out, what would a payment change, is the ledger sound?

Everything on the page is synthetic: trips of a generator, a ledger made for demonstration. Serve it with
``citylab serve``, or alone with ``panel serve dashboards/carbon_inclusive.py``.
"""

from __future__ import annotations

import datetime as dt
import html
import shutil
import sqlite3
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import param
import polars as pl

from citylab import catalog, tables, vocabulary
from citylab.app import city
from citylab.app.parts import Number, Picture, cautions_on_page, date_code, no_number, pick, text
from citylab.app.state import PageState
from citylab.carbon.inclusive import crediting, duplicates, methodologies, planted, worth
from citylab.ledger.credits import CreditLedger
from citylab.policy.inclusive import gains, incentive
from citylab.viz import charts, numbers, theme
from citylab.viz import incentive as pictures_of_incentives
from citylab.viz import inclusive as drawn

if TYPE_CHECKING:
    from collections.abc import Callable

    import panel as pn

    from citylab.app.parts import Both
    from citylab.settings import Language

TITLE = ("碳普惠（合成数据）", "Carbon-inclusive scheme (synthetic data)")
QUESTION = (
    "谁得到了碳普惠积分，谁被落下？补贴能改变什么？",
    "Who earns the carbon-inclusive credits, who is left out, and what would a payment change?",
)
TRIPS = "citylab__synthetic_trip_travel"
SOURCES = (TRIPS, city.DISTRICTS)
METHODOLOGY = "beijing-travel-2024"

BASELINES = gains.BASELINES
GROUPINGS = ("age_group", "income_decile", "has_smartphone", "metro_band", "district")
OLD, ADULT = "60+", "15-59"
WHOSE = ("registered", "phones")
CARDS = ("no", "same", "everyone")
MONITORS = ("act", "start_adcode")
LEDGERS = ("sound", "altered", "deleted")
PRICE = "beijing_secondary_2024"
PAID = {"ride": ("metro", "bus"), "cycle": ("cycle",), "all": ("metro", "bus", "cycle", "walk")}
RULES = ("everybody", "old", "off_peak")
OFF_PEAK = ((10.0, 16.0), (20.0, 24.0))
AMOUNTS = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Payments that can be chosen [CNY a trip]; each is worked out with its interval."""
AMOUNT = 0.5
INCENTIVE_TRIPS, INCENTIVE_DRAWS = 1500, 100
CLAIMS, CLAIMS_SEED = 2000, 1
LEDGER_ROWS = 8
_G_PER_KG, _FEN_PER_CNY, _KG_PER_T = 1000.0, 100.0, 1000.0
_BIG_KG = 10_000
_MONITOR_PX, _REFUSED_PX, _LEDGER_PX = 460, 260, 460

_GROUPING_WORDS: dict[str, Both] = {
    "age_group": ("年龄", "age"), "income_decile": ("收入十分位", "income decile"),
    "has_smartphone": ("有无智能手机", "smartphone"), "metro_band": ("距地铁距离", "distance to the metro"),
    "district": ("居住区", "district of residence"),
}  # fmt: skip
_WHOSE_WORDS: dict[str, Both] = {
    "registered": ("注册用户已登记的出行", "trips that registered users claimed"),
    "phones": ("假设：有手机者登记全部可证明的出行", "what if all with a phone claimed every trip they can prove"),
}
_PAID_WORDS: dict[str, Both] = {
    "ride": ("地铁和公交", "metro and bus"), "cycle": ("骑行", "cycling"), "all": ("所有绿色方式", "all green modes"),
}  # fmt: skip
_RULE_WORDS: dict[str, Both] = {
    "everybody": ("所有人", "everybody"), "old": ("60 岁及以上", "aged 60 and over"),
    "off_peak": ("仅平峰", "off-peak only"),
}  # fmt: skip


# data, once for all readers

with cautions_on_page():
    _TRIPS = catalog.load(TRIPS).collect()
_PEOPLE = gains.people_of(_TRIPS)
_WEEK = catalog.declaration(TRIPS).coverage
ASOF = _TRIPS["start_local"].max().date() + dt.timedelta(1)
"""Day as of which credits are issued: the last tours of the week end after midnight."""
_M = methodologies.methodology(METHODOLOGY)
_PRICES = worth.prices()
PRICE_CNY_T = float(_PRICES.filter(price_id=PRICE)["price_cny_t"].item())
PRICE_BOUNDS = (float(_PRICES["price_cny_t"].min()), float(_PRICES["price_cny_t"].max()))
_GREEN = list(_M.acts)


@lru_cache(maxsize=len(WHOSE))
def _claimed(whose: str) -> pl.DataFrame:
    """Return all trips, with who claims what."""
    if whose == "registered":
        return _TRIPS
    can = pl.col("has_smartphone") & pl.col("proof").is_not_null() & pl.col("act").is_in(_GREEN)
    return _TRIPS.with_columns(is_claimed=can, is_consenting=pl.col("is_consenting") | can)


@lru_cache(maxsize=len(WHOSE) * len(BASELINES))
def _credited(whose: str, baseline: str) -> pl.DataFrame:
    claims = _claimed(whose).filter("is_claimed")
    return crediting.credit(claims, methodology=_M, asof=ASOF, baseline=baseline)  # type: ignore[arg-type]


@lru_cache(maxsize=len(WHOSE) * len(BASELINES) * len(CARDS))
def _with_card(whose: str, baseline: str, card: str) -> pl.DataFrame:
    """Return people before and after a card channel."""
    share = {"no": 0.0, "same": None, "everyone": 1.0}[card]
    return gains.with_card_channel(
        _claimed(whose),
        _PEOPLE,
        methodology=_M,
        asof=ASOF,
        baseline=baseline,
        take_up_share=share,  # type: ignore[arg-type]
    )


@lru_cache(maxsize=64)
def _gains(whose: str, baseline: str, by: str) -> pl.DataFrame:
    return gains.by_group(_credited(whose, baseline), _PEOPLE, by=by, price_cny_t=PRICE_CNY_T)


@lru_cache(maxsize=64)
def _channel(whose: str, baseline: str, card: str, by: str) -> pl.DataFrame:
    return gains.channel_by_group(_with_card(whose, baseline, card), by=by, price_cny_t=PRICE_CNY_T)  # type: ignore[arg-type]


@lru_cache(maxsize=16)
def _index(whose: str, baseline: str, card: str) -> dict[str, dict[str, Any]]:
    """Return the concentration index before and after a card channel, and the difference."""
    rows = gains.channel_concentration(_with_card(whose, baseline, card))
    return {r["measure"]: r for r in rows.iter_rows(named=True)}


@lru_cache(maxsize=16)
def _curve(whose: str, baseline: str) -> pl.DataFrame:
    return gains.curve(_credited(whose, baseline), _PEOPLE, errors=None, points=51)


@lru_cache(maxsize=16)
def _monitor(whose: str, baseline: str, by: str) -> pl.DataFrame:
    return crediting.totals(_credited(whose, baseline), by=by)


@lru_cache(maxsize=4)
def _total(whose: str, baseline: str) -> dict[str, Any]:
    return crediting.totals(_credited(whose, baseline)).row(0, named=True)


@lru_cache(maxsize=1)
def _double() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return how well planted double claims are found, and what was merged."""
    claims = planted.synthetic_claims(CLAIMS, seed=CLAIMS_SEED)
    clusters = duplicates.duplicates(claims, token="person_id")
    return planted.search_quality(clusters, claims), duplicates.merged_report(clusters)


@lru_cache(maxsize=1)
def _incentive_trips() -> pl.DataFrame:
    known = tables.read("inclusive_behaviour_modes")["mode"].to_list()
    owns = pl.when("has_car").then(pl.lit("one or more per adult")).otherwise(pl.lit("none"))
    rows = _TRIPS.filter(pl.col("act").is_in(known)).with_columns(car_ownership=owns)
    rows = rows.sample(min(INCENTIVE_TRIPS, rows.height), seed=0).sort("start_local", "activity_id")
    return incentive.with_alternatives(rows)


def _incentive(paid: str, rule: str) -> incentive.Incentive:
    where = pl.col("is_60_plus") if rule == "old" else None
    return incentive.Incentive(
        AMOUNT, modes=PAID[paid], where=where, hours=OFF_PEAK if rule == "off_peak" else None
    )  # fmt: skip


_DESIGNS: dict[tuple[str, str], pl.DataFrame] = {}


def _designed(paid: str, rule: str, step: Callable[[float | None], None] = lambda _: None) -> pl.DataFrame:
    """Return the outcome of each amount; the first reader who asks waits for it."""
    if (paid, rule) not in _DESIGNS:
        told = []
        for i, amount in enumerate(AMOUNTS):
            step(i / len(AMOUNTS))
            told.append(incentive.curve(_incentive_trips(), _incentive(paid, rule), [amount], n_draws=INCENTIVE_DRAWS))
        _DESIGNS[paid, rule] = pl.concat(told)
    return _DESIGNS[paid, rule]


@lru_cache(maxsize=1)
def _ledgers() -> dict[str, tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]]]:
    """Return entries and faults of a demonstration ledger: as written, with an entry altered, with one deleted.

    The files are made in a temporary folder and removed; what a page shows was read from them.
    """
    earned = (
        _credited("registered", "mean").filter("is_eligible").group_by("account", maintain_order=True)
        .agg(pl.col("credit_co2_kg").sum()).sort("credit_co2_kg", "account", descending=[True, False]).head(LEDGER_ROWS)
        .with_columns(account=pl.col("account").str.replace(r"^syn\d+-\d+-p", "syn-"))
        .with_columns(request_id=pl.format("issue-{}", "account"))
    )  # fmt: skip
    found = {}
    with tempfile.TemporaryDirectory(prefix="citylab-demo-") as folder:
        path = Path(folder) / "sound.sqlite"
        with CreditLedger.create(path, unit="kg_co2", title="demonstration, synthetic") as ledger:
            batch = f"demo-{_WEEK.start}"
            ledger.open_batch(batch, {"methodology": _M.id, "edition": _M.edition, "synthetic": True})
            ledger.issue_many(earned, batch=batch, amount="credit_co2_kg", rounding="down")
            first, second, third = earned["account"][0], earned["account"][1], earned["account"][2]
            ledger.transfer(first, "fund", ledger.balance(first) / 2, batch=batch, request_id="gift")
            retired = ledger.retire("fund", ledger.balance("fund"), batch=batch, purpose="offset", request_id="retire")
            ledger.use_as_offset(retired.id, market="demo-market", obligation="demo, 2025", request_id="use")
            ledger.cancel(
                second, ledger.balance(second), batch=batch, reason="demo: claimed twice", request_id="cancel"
            )
            ledger.retire(third, ledger.balance(third), batch=batch, purpose="reward", request_id="reward")
        for name in LEDGERS:
            own = Path(folder) / f"{name}.sqlite"
            if name != "sound":
                shutil.copy(path, own)
                _tamper(own, name)
            with CreditLedger.open(own) as ledger:
                told = ledger.verify()
                entries = ledger.entries().with_columns(is_synthetic=pl.lit(True))
                totals = ledger.totals()
                sums = {k: float(getattr(totals, k)) for k in ("issued", "held", "retired", "cancelled")}
            found[name] = (drawn.checked(entries, told.tidy()), told.tidy(), sums)
    return found


def _tamper(path: Path, how: str) -> None:
    """Do to a copy what somebody with the file in hand could do: remove the guards and change an entry."""
    at = LEDGER_ROWS // 2
    with sqlite3.connect(path) as db:
        for name in ("entries_stay", "entries_are_kept"):
            db.execute(f"DROP TRIGGER {name}")
        if how == "altered":
            db.execute("UPDATE entry SET amount = amount * 10 WHERE seq = ?", (at,))
        else:
            db.execute("DELETE FROM entry WHERE seq = ?", (at,))
    db.close()


# the choices


class State(PageState):
    """Choices of the page, and the tables that follow from them."""

    by = param.Selector(default=GROUPINGS[0], objects=list(GROUPINGS), doc="Groups of people.")
    baseline = param.Selector(default=BASELINES[0], objects=list(BASELINES), doc="Baseline of numbers and parts.")
    whose = param.Selector(default=WHOSE[0], objects=list(WHOSE), doc="Whose trips are claimed.")
    card = param.Selector(default=CARDS[0], objects=list(CARDS), doc="A transit card admits people without a phone.")
    monitor = param.Selector(default=MONITORS[0], objects=list(MONITORS), doc="Credits by mode or by district.")
    price = param.Number(default=PRICE_CNY_T, bounds=PRICE_BOUNDS, doc="Price of a tonne [CNY].")
    paid = param.Selector(default="ride", objects=list(PAID), doc="Modes that are paid for.")
    rule = param.Selector(default=RULES[0], objects=list(RULES), doc="Who or when is paid.")
    amount = param.Selector(default=AMOUNT, objects=list(AMOUNTS), doc="Payment [CNY a trip].")
    ledger = param.Selector(default=LEDGERS[0], objects=list(LEDGERS), doc="Ledger as written, or tampered with.")

    in_url: ClassVar[tuple[str, ...]] = (
        "by", "baseline", "whose", "card", "monitor", "price", "paid", "rule", "amount", "ledger",
    )  # fmt: skip

    # who gains

    def gains(self) -> pl.DataFrame:
        """Return groups under both baselines, with what a card would make of them."""
        return pl.concat(self._gains_of(b) for b in BASELINES)

    def _gains_of(self, baseline: str) -> pl.DataFrame:
        rows = _gains(self.whose, baseline, self.by)
        changed = ("credit_after_co2_kg", "change_co2_kg", "change_co2_kg_low", "change_co2_kg_high", "take_up_share")
        if self.card == "no":
            rows = rows.with_columns(pl.lit(None, pl.Float64).alias(c) for c in changed)
        else:
            after = _channel(self.whose, baseline, self.card, self.by).select("group", *changed)
            rows = rows.join(after, on="group", how="left", nulls_equal=True, maintain_order="left")
        rows = rows.with_columns(
            price_cny_t=pl.lit(self.price),
            **{
                f"value_per_head_cny{e}": pl.col(f"credit_per_head_co2_kg{e}") * self.price / _KG_PER_T
                for e in ("", "_low", "_high")
            },
            value_cny=pl.col("credit_co2_kg") * self.price / _KG_PER_T,
        )
        if self.by == "district":
            first = _gains(self.whose, BASELINES[0], self.by).select("group", _first="credit_per_head_co2_kg")
            rows = rows.join(first, on="group", how="left", maintain_order="left").sort(
                pl.col("group") != gains.WHOLE, pl.col("_first").neg(), nulls_last=True, maintain_order=True
            )
            rows = rows.drop("_first")
        return rows

    def chosen_gains(self) -> pl.DataFrame:
        """Return groups under the chosen baseline."""
        return self._gains_of(self.baseline)

    def row_of(self, by: str, group: str) -> dict[str, Any]:
        """Return one group under the chosen baseline."""
        return _gains(self.whose, self.baseline, by).row(by_predicate=pl.col("group") == group, named=True)

    def indices(self) -> pl.DataFrame:
        """Return the concentration index along income, one row per baseline."""
        return pl.DataFrame([_index(self.whose, b, "no")["before"] for b in BASELINES])

    def index_change(self) -> dict[str, dict[str, Any]]:
        """Return the index before and after the chosen card channel under the chosen baseline."""
        return _index(self.whose, self.baseline, self.card)

    def curves(self) -> pl.DataFrame:
        """Return concentration curves under both baselines."""
        return pl.concat(_curve(self.whose, b) for b in BASELINES)

    # the scheme

    def total(self) -> dict[str, Any]:
        """Return trips and credits of the week."""
        return _total(self.whose, self.baseline)

    def monitored(self) -> pl.DataFrame:
        """Return credits by mode or district under the chosen baseline, most first."""
        rows = _monitor(self.whose, self.baseline, self.monitor)
        names = (
            {a: pick((x.title.zh, x.title.en), self.lang) for a, x in _M.acts.items()}
            if self.monitor == "act"
            else dict(city.boundaries().select("adcode", f"district_name_{self.lang}").iter_rows())
        )
        return rows.with_columns(
            label=pl.col(self.monitor).replace(names), baseline_kind=pl.lit(self.baseline),
            note=pl.lit(None, pl.String), is_synthetic=pl.lit(True),
        ).filter(pl.col("eligible_count") > 0).sort("credit_co2_kg", descending=True)  # fmt: skip

    def refused(self) -> pl.DataFrame:
        """Return claims that earn nothing, by reason."""
        rows = _credited(self.whose, self.baseline).filter(~pl.col("is_eligible"))
        return rows.group_by("reason").agg(pl.len().cast(pl.Int64).alias("activity_count")).sort(
            "activity_count", "reason", descending=True
        ).with_columns(is_synthetic=pl.lit(True))  # fmt: skip

    # the incentive

    def designed(self) -> pl.DataFrame:
        """Return the outcome of each amount for the chosen modes and rule."""
        return _designed(self.paid, self.rule, self.step)

    def outcome(self) -> dict[str, dict[str, Any]]:
        """Return the quantities of the chosen amount."""
        rows = self.designed().filter(pl.col("amount_cny") == self.amount)
        return {r["quantity"]: r for r in rows.iter_rows(named=True)}

    # the ledger

    def entries(self) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]]:
        """Return entries with their marks, faults, and what the ledger says of its totals."""
        return _ledgers()[self.ledger]


def prepare(state: State) -> None:
    """Work out an incentive nobody asked for yet; all else is at hand."""
    state.designed()


# words


def _colon(lang: Language) -> str:
    return pick(("：", ": "), lang)


def _synthetic(lang: Language) -> str:
    return vocabulary.say("synthetic", lang)


def _baseline(state: State, lang: Language) -> str:
    return drawn.say_series(state.baseline, lang)


def _mark(lang: Language) -> str:
    return pick((f"因子标记：{_M.mark}（二手来源）", f"factors: mark {_M.mark}"), lang)


def _between(low: float | None, high: float | None, lang: Language, say: Callable[[float], str]) -> str:
    if low is None or high is None:
        return pick(("区间未知", "interval unknown"), lang)
    return f"{say(low)}{pick((' 至 ', ' to '), lang)}{say(high)}"


def _kg(value: float, lang: Language) -> tuple[str, str]:
    if value >= _BIG_KG:
        return numbers.figures(value / _KG_PER_T), pick(("吨", "t"), lang)
    return numbers.figures(value), pick(("千克", "kg"), lang)


# big numbers


def big_numbers(state: State, lang: Language) -> list[Number]:
    """Return who is left out, along which incomes, what was credited, and what a payment costs."""
    return [_left_out(state, lang), _along_income(state, lang), _booked(state, lang), _extra_tonne(state, lang)]


def _left_out(state: State, lang: Language) -> Number:
    old, adult = state.row_of("age_group", OLD), state.row_of("age_group", ADULT)
    label = pick(("60 岁及以上有积分的比例", "People of 60 and over with a credit"), lang)
    if old["participation_share"] is None:
        return no_number(label, lang)

    def both(r: dict[str, Any]) -> str:
        ends = _between(r["participation_share_low"], r["participation_share_high"], lang, numbers.percent)
        return pick((f"{ends}，n = {r['person_count']}", f"{ends}, n = {r['person_count']}"), lang)

    share = numbers.percent(adult["participation_share"])
    card = ""
    if state.card != "no":
        rows = _channel(state.whose, state.baseline, state.card, "age_group")
        after = numbers.percent(rows.row(by_predicate=pl.col("group") == OLD, named=True)["participation_after"])
        card = pick((f"；加入交通卡后 {after}", f"; with the card {after}"), lang)
    detail = pick(
        (f"95% 区间 {both(old)}；15–59 岁 {share}（{both(adult)}）{card}；{_synthetic(lang)}",
         f"95% interval {both(old)}; aged 15–59 {share} ({both(adult)}){card}; {_synthetic(lang)}"), lang,
    )  # fmt: skip
    return Number(label, numbers.percent(old["participation_share"]), "", detail)


def _along_income(state: State, lang: Language) -> Number:
    found = state.index_change()
    now = found["before" if state.card == "no" else "after"]
    label = pick((f"积分沿收入的集中指数（{_baseline(state, lang)}）",
                  f"Concentration of credits along income ({_baseline(state, lang)})"), lang)  # fmt: skip
    if now["value"] is None:
        return no_number(label, lang)
    ends = _between(now["lower"], now["upper"], lang, drawn.hundredths)
    if now["lower"] <= 0 <= now["upper"]:
        verdict = pick(("区间含 0：看不出偏向", "the interval holds 0: no leaning can be told"), lang)
    elif now["value"] > 0:
        verdict = pick(("偏向高收入者", "leans to the better-off"), lang)
    else:
        verdict = pick(("偏向低收入者", "leans to the worse-off"), lang)
    card = ""
    if state.card != "no":
        d = found["difference"]
        was = drawn.hundredths(found["before"]["value"])
        by = "" if d["lower"] is None else _between(d["lower"], d["upper"], lang, drawn.hundredths)
        card = pick((f"；加入交通卡前 {was}，变化 {drawn.hundredths(d['value'])}（{by}）",
                     f"; {was} before the card, change {drawn.hundredths(d['value'])} ({by})"), lang)  # fmt: skip
    n = numbers.count(now["n"])
    detail = pick((f"95% 区间 {ends}；{verdict}{card}；n = {n}；{_synthetic(lang)}",
                   f"95% interval {ends}; {verdict}{card}; n = {n}; {_synthetic(lang)}"), lang)  # fmt: skip
    return Number(label, drawn.hundredths(now["value"]), "", detail)


def _booked(state: State, lang: Language) -> Number:
    t = state.total()
    value, unit = _kg(t["credit_co2_kg"], lang)
    worth_cny = t["credit_co2_kg"] * state.price / _KG_PER_T
    ends = _between(t["credit_co2_kg_low"], t["credit_co2_kg_high"], lang, lambda v: _kg(v, lang)[0])
    label = pick((f"一周签发，{_WEEK.start} 至 {_WEEK.end}（{_baseline(state, lang)}）",
                  f"Credited in a week, {_WEEK.start} to {_WEEK.end} ({_baseline(state, lang)})"), lang)  # fmt: skip
    detail = pick(
        (f"因子的 95% 区间 {ends}；{t['activity_count']} 次申报中签发 {t['eligible_count']} 次，{t['account_count']} "
         f"人有积分；按每吨 {state.price:g} 元共值 {numbers.figures(worth_cny)} 元；{_mark(lang)}；{_synthetic(lang)}",
         f"95% interval of the factors {ends}; {t['eligible_count']} of {t['activity_count']} claims credited, "
         f"{t['account_count']} people; worth {numbers.figures(worth_cny)} CNY at {state.price:g} CNY/t; "
         f"{_mark(lang)}; {_synthetic(lang)}"), lang,
    )  # fmt: skip
    return Number(label, value, unit, detail)


def _extra_tonne(state: State, lang: Language) -> Number:
    quantity = "cny_per_extra_replacement_t"
    found = state.outcome()
    r, anyway = found[quantity], found["budget_anyway_share"]
    label = pick((f"每次补贴 {state.amount:g} 元：每真正多减一吨的花费",
                  f"Paying {state.amount:g} CNY a trip: cost of a tonne that is really extra"), lang)  # fmt: skip
    if r["value"] is None:
        return no_number(label, lang, pick(("没有多减排", "nothing extra is saved"), lang))
    high = pick(("无上限", "no upper end"), lang) if r["high"] is None else numbers.figures(r["high"])
    low = numbers.MISSING if r["low"] is None else numbers.figures(r["low"])
    share, n = numbers.percent(anyway["value"]), numbers.count(r["trip_count"])
    detail = pick(
        (f"95% 区间 {low} 至 {high}；补贴的 {share} 付给本来就会发生的出行；市价每吨 {state.price:g} 元；"
         f"行为来自伦敦；n = {n} 次出行，{_synthetic(lang)}",
         f"95% interval {low} to {high}; {share} of the money goes to trips made anyway; the market's price is "
         f"{state.price:g} CNY/t; behaviour of London; n = {n} {_synthetic(lang)} trips"), lang,
    )  # fmt: skip
    return Number(label, numbers.figures(r["value"]), pick(("元/吨", "CNY/t"), lang), detail)


# text


def cannot_show(state: State, lang: Language) -> str:
    """Return what a reader could wrongly take from the page."""
    return pick(
        ("本页全部为合成数据：出行、人群和台账都由程序生成，没有任何人被观测，不能说明北京的情况；结论是对假设的结论。"
         f"样本只有 {_PEOPLE.height} 人，多数分组的区间很宽。没有出行的人不在样本中，参与率因此偏高。"
         "人均数的区间只含抽样误差，不含因子误差；因子为二手来源，标准附录未能核对。收入只有十分位，没有金额，"
         "因此没有 Kakwani 指数。补贴的行为模型来自伦敦，按声明的假设移植到北京；没有因补贴而新增的出行，没有运营成本。"
         "交通卡通道假设人们照旧出行、只是被计入。重复申报检验用另一组合成申报，人为植入重复。",
         "Everything here is synthetic: trips, people and ledger were made by a program, nobody was observed, and "
         "nothing is said about Beijing; a result is a result on the assumptions. "
         f"With {_PEOPLE.height} people most groups have wide intervals. Who made no trip is not in the sample, so "
         "that participation is too high. Intervals a head hold sampling error and no error of the factors, which are "
         "secondary: the standard's annex could not be checked. Income is known by tenths, not in money, so that there "
         "is no Kakwani index. How people respond to a payment is London's, carried over by declared assumptions; "
         "trips made only for the payment and the cost of running a scheme are not in it. The card channel takes "
         "people to travel as before and be counted. The search for double claims is tried on other synthetic claims, "
         "with copies planted in them."), lang,
    )  # fmt: skip


def message(state: State, lang: Language) -> str:
    """Return why there is little to show and what to change, or nothing."""
    people = state.total()["account_count"]
    if not people:
        return pick(("没有一次出行得到签发：请换基准线，或换“谁的出行”。",
                     "No trip is credited: choose the other baseline, or whose trips are claimed."), lang)  # fmt: skip
    return ""


def code(state: State) -> str:
    """Return the lines that compute the numbers of the present choices."""
    claims = "claimed = trips"
    if state.whose == "phones":
        claims = """can = pl.col("has_smartphone") & pl.col("proof").is_not_null() & pl.col("act").is_in(list(m.acts))
claimed = trips.with_columns(is_claimed=can, is_consenting=pl.col("is_consenting") | can)"""
    share = {"no": "0.0", "same": "None", "everyone": "1.0"}[state.card]
    more = {"old": ', where=pl.col("is_60_plus")', "off_peak": f", hours={OFF_PEAK}"}.get(state.rule, "")
    return f"""import datetime as dt

import polars as pl

import citylab as cl
from citylab.carbon.inclusive import crediting, methodologies
from citylab.policy.inclusive import gains, incentive

trips = cl.load("{TRIPS}").collect()  # synthetic
people, m = gains.people_of(trips), methodologies.methodology("{METHODOLOGY}")
{claims}
how = dict(methodology=m, asof={date_code(ASOF)}, baseline="{state.baseline}")
credited = crediting.credit(claimed.filter("is_claimed"), **how)
total = crediting.totals(credited)
ages = gains.by_group(credited, people, by="age_group", price_cny_t={state.price!r})
groups = gains.by_group(credited, people, by="{state.by}", price_cny_t={state.price!r})
card = gains.with_card_channel(claimed, people, take_up_share={share}, **how)
index = gains.channel_concentration(card)

known = cl.tables.read("inclusive_behaviour_modes")["mode"].to_list()
owns = pl.when("has_car").then(pl.lit("one or more per adult")).otherwise(pl.lit("none"))
rows = trips.filter(pl.col("act").is_in(known)).with_columns(car_ownership=owns)
rows = rows.sample({min(INCENTIVE_TRIPS, _TRIPS.height)}, seed=0).sort("start_local", "activity_id")
paid = incentive.Incentive({state.amount}, modes={PAID[state.paid]}{more})
outcome = incentive.design(incentive.with_alternatives(rows), paid, n_draws={INCENTIVE_DRAWS})
"""


# pictures


def _label(state: State) -> str:
    return f"label_{state.lang}"


def pictures(state: State) -> list[Picture]:
    """Return the page's pictures, each with the table behind it."""
    monitor, refused, double = _scheme_pictures(state)
    return [*_gain_pictures(state), *_incentive_pictures(state), monitor, _ledger_picture(state), refused, double]


_GAINS_ON = ("by", "whose", "card")


def _gain_pictures(state: State) -> list[Picture]:
    def gains_title(lang: Language) -> str:
        by = pick(_GROUPING_WORDS[state.by], lang)
        return pick((f"人均积分，按{by}：两种基准线（{_synthetic(lang)}）",
                     f"Credit a head by {by}, two baselines ({_synthetic(lang)})"), lang)  # fmt: skip

    def gains_picture() -> Any:
        return drawn.group_bars(
            state.gains(), label=_label(state), value="credit_per_head_co2_kg", unit=pick(("克", "g"), state.lang),
            after=None if state.card == "no" else "credit_after_co2_kg", scale=_G_PER_KG, lang=state.lang,
            axis=pick(("人均积分，一周", "Credit a head, one week"), state.lang), alt=gains_title(state.lang),
            height=_gains_height(state), large=state.is_large,
        )  # fmt: skip

    def gains_table() -> pl.DataFrame:
        rows = _said_notes(state.gains(), state.lang)
        return rows.select(
            pl.col(_label(state)).alias("group"),
            pl.col("baseline_kind").replace({b: drawn.say_series(b, state.lang) for b in BASELINES}),
            "person_count", "participant_count", "participation_share", "participation_share_low",
            "participation_share_high", "intensity_co2_kg", "intensity_co2_kg_low", "intensity_co2_kg_high",
            "credit_per_head_co2_kg", "credit_per_head_co2_kg_low", "credit_per_head_co2_kg_high",
            (pl.col("value_per_head_cny") * _FEN_PER_CNY).alias("value_per_head_fen"), "population_share",
            "credit_share", "credit_after_co2_kg", "change_co2_kg", "change_co2_kg_low", "change_co2_kg_high",
            "take_up_share", "factor_mark", "note", "is_synthetic",
        )  # fmt: skip

    def gains_note(lang: Language) -> str:
        told = drawn.key(BASELINES, lang)
        if state.card != "no":
            told += charts.key([("level", drawn.AFTER, vocabulary.say("gain_card", lang))])
            told += _card_said(state, lang) + " "
        return told + pick(
            (
                "* 人数或参与者太少。均值法：步行每公里最多，长途者总量最多；替代法：取代小汽车才多。"
                "细线为 95% 区间（抽样）。",
                "* Few people or participants. The mean baseline pays walking most a kilometre and long ways most in "
                "all; the replacement baseline pays for cars replaced. Thin lines: 95% interval (sampling).",
            ),
            lang,
        )

    def parts_title(lang: Language) -> str:
        of = f"{_baseline(state, lang)}{pick(('，', ', '), lang)}{_synthetic(lang)}"
        return pick((f"参与率 × 每位参与者的积分（{of}）", f"Participation × credit of a participant ({of})"), lang)

    def parts_picture() -> Any:
        return drawn.two_parts(state.chosen_gains(), label=_label(state), alt=parts_title(state.lang), lang=state.lang,
                               large=state.is_large, height=380)  # fmt: skip

    def parts_note(lang: Language) -> str:
        rows = state.chosen_gains().filter(pl.col("person_count") > 0, pl.col("participant_count") == 0)
        sep = pick(("、", ", "), lang)
        nobody = sep.join(html.escape(str(x)) for x in rows[f"label_{lang}"])
        more = pick((f"无人参与：{nobody}。", f"Nobody takes part: {nobody}. "), lang) if nobody else ""
        return more + pick(
            ("虚线：与全部人的人均积分相同。线下的组得到的少：偏左因为参与的人少，偏下因为每人得的少。",
             "Dashed: the same credit a head as all people. Groups below it have less: to the left because fewer take "
             "part, lower because each earns less."), lang,
        )  # fmt: skip

    def curve_title(lang: Language) -> str:
        return pick((f"积分沿收入的集中曲线（{_synthetic(lang)}）",
                     f"Concentration of credits along income ({_synthetic(lang)})"), lang)  # fmt: skip

    def curve_picture() -> Any:
        return drawn.concentration_curve(state.curves(), alt=f"{curve_title(state.lang)}; "
                                         + "; ".join(drawn.index_words(state.indices(), lang=state.lang)),
                                         lang=state.lang, large=state.is_large, height=380)  # fmt: skip

    def curve_note(lang: Language) -> str:
        lines = "<br>".join(html.escape(t) for t in drawn.index_words(state.indices(), lang=lang))
        return drawn.key(BASELINES, lang, lines=True) + f"{lines}<br>" + pick(
            ("灰虚线：完全平均。曲线在线上方：低收入者得到的多于其人数份额。",
             "Grey dashes: all alike. A curve above them: the worse-off hold more than their part."), lang,
        )  # fmt: skip

    return [
        Picture("gains", title=gains_title, draw=gains_picture, table=gains_table, note=gains_note, wide=True,
                height=_LEDGER_PX, redraw_on=_GAINS_ON),
        Picture("parts", title=parts_title, draw=parts_picture, table=gains_table, note=parts_note, height=380,
                redraw_on=("by", "whose", "baseline")),
        Picture("curve", title=curve_title, draw=curve_picture, table=state.curves, note=curve_note, height=380,
                redraw_on=("whose",), simple=False),
    ]  # fmt: skip


def _gains_height(state: State) -> int:
    rows = _gains(state.whose, BASELINES[0], state.by).height
    return max(260, 90 + 34 * rows)


def _card_said(state: State, lang: Language) -> str:
    rows = _channel(state.whose, state.baseline, state.card, "has_smartphone")
    r = rows.row(by_predicate=pl.col("group") == "false", named=True)
    took = numbers.percent(r["take_up_share"])
    g = numbers.figures(r["change_co2_kg"] * _G_PER_KG) if r["change_co2_kg"] is not None else numbers.MISSING
    low, high = r["change_co2_kg_low"], r["change_co2_kg_high"]
    ends = _between(low, high, lang, lambda v: numbers.figures(v * _G_PER_KG))
    return pick(
        (f"交通卡通道（假设 {took} 的无手机者加入）：无手机者人均多 {g} 克（{ends}，同一批人前后之差）。",
         f"Card channel (assumed take-up {took}): people without a phone gain {g} g a head ({ends}, on the same "
         "people)."), lang,
    )  # fmt: skip


def _said_notes(rows: pl.DataFrame, lang: Language) -> pl.DataFrame:
    codes = (gains.NO_DATA, gains.FEW_PERSONS, gains.FEW_PARTICIPANTS, gains.NO_PARTICIPANTS)
    return rows.with_columns(pl.col("note").replace({c: vocabulary.say(f"gain_{c}", lang) for c in codes}))


def _scheme_pictures(state: State) -> list[Picture]:
    def monitor_title(lang: Language) -> str:
        by = pick(("出行方式", "mode") if state.monitor == "act" else ("起点区", "district of origin"), lang)
        return pick((f"方案监测：签发量，按{by}（{_baseline(state, lang)}，{_synthetic(lang)}）",
                     f"The scheme: credits by {by} ({_baseline(state, lang)}, {_synthetic(lang)})"), lang)  # fmt: skip

    def monitor_picture() -> Any:
        rows = state.monitored()
        hues = None
        if state.monitor == "act":
            hues = {r["label"]: theme.COLOURS.get(r["act"], theme.colour("reference")) for r in rows.to_dicts()}
        return drawn.group_bars(
            rows, label="label", value="credit_co2_kg", unit=pick(("千克", "kg"), state.lang), colours=hues,
            axis=pick(("一周签发", "Credited in a week"), state.lang), alt=monitor_title(state.lang), lang=state.lang,
            large=state.is_large, height=_MONITOR_PX,
        )  # fmt: skip

    def monitor_table() -> pl.DataFrame:
        head = "act" if state.monitor == "act" else "start_adcode"
        return state.monitored().select(
            pl.col("label").alias(head), "activity_count", "eligible_count", "account_count", "credit_co2_kg",
            "credit_co2_kg_low", "credit_co2_kg_high", "factor_mark", "is_synthetic",
        )  # fmt: skip

    def monitor_note(lang: Language) -> str:
        said = ("细线：因子的 95% 区间（按标记假设）。", "Thin lines: 95% interval of the factors (assumed by mark). ")
        return pick(said, lang) + _mark(lang)

    def refused_title(lang: Language) -> str:
        t = state.total()
        n = t["activity_count"] - t["eligible_count"]
        word = _synthetic(lang)
        return pick((f"拒签 {n} 次，按理由（{word}）", f"{n} claims refused, by reason ({word})"), lang)

    def refused_picture() -> Any:
        return drawn.rejects(state.refused(), alt=refused_title(state.lang), lang=state.lang, large=state.is_large,
                             height=_REFUSED_PX)  # fmt: skip

    def refused_table() -> pl.DataFrame:
        words = dict(tables.read("inclusive_reasons").select("code", f"label_{state.lang}").iter_rows())
        return state.refused().select(pl.col("reason").replace(words).alias("credit_reason"), "activity_count",
                                      "is_synthetic")  # fmt: skip

    def refused_note(lang: Language) -> str:
        return pick(("约百分之一的登记出行带有预设差错，用来检验拒签。",
                     "About one claim in a hundred has a planted fault, to try the refusals."), lang)  # fmt: skip

    double_title = text(
        "同一次出行被申报两次：植入的重复找得到吗？（合成数据）",
        "Trips claimed twice: are planted copies found? (synthetic)",
    )

    def double_picture() -> Any:
        row = _double()[0].row(0, named=True)
        rows = pl.DataFrame([
            {"label": vocabulary.say(f"double_{m}", state.lang), "share": row[f"{m}_share"],
             "share_low": row[f"{m}_share_low"], "share_high": row[f"{m}_share_high"], "baseline_kind": "search",
             "note": None, "is_synthetic": True} for m in ("precision", "recall")
        ], schema_overrides={"note": pl.String})  # fmt: skip
        return drawn.group_bars(rows, label="label", value="share", scale=100.0, unit="%", lang=state.lang,
                                height=_REFUSED_PX,
                                axis=pick(("成对申报", "Pairs of claims"), state.lang), alt=double_title(state.lang),
                                large=state.is_large)  # fmt: skip

    def double_note(lang: Language) -> str:
        row = _double()[0].row(0, named=True)
        wrong = row["found_count"] - row["hit_count"]
        return pick(
            (f"{CLAIMS} 条合成申报中植入 {row['true_count']} 对改动过的重复，按人员代码找到 {row['hit_count']} 对，"
             f"误报 {wrong} 对。表：合并了什么、为什么。",
             f"{row['true_count']} altered copies planted in {CLAIMS} synthetic claims; by person token "
             f"{row['hit_count']} are found, {wrong} wrongly. Table: what was merged and why."), lang,
        )  # fmt: skip

    def double_table() -> pl.DataFrame:
        return _double()[1].select("kept_platform", "kept_activity_id", "dropped_claims", "dropped_km", "match_score",
                                   f"why_{state.lang}")  # fmt: skip

    return [
        Picture("monitor", title=monitor_title, draw=monitor_picture, table=monitor_table, note=monitor_note,
                height=_MONITOR_PX, redraw_on=("monitor", "whose", "baseline")),
        Picture("refused", title=refused_title, draw=refused_picture, table=refused_table, note=refused_note,
                height=_REFUSED_PX, redraw_on=("whose", "baseline")),
        Picture("double", title=double_title, draw=double_picture, table=double_table, note=double_note,
                height=_REFUSED_PX,
                simple=False),
    ]  # fmt: skip


def _incentive_pictures(state: State) -> list[Picture]:
    def whom(lang: Language) -> str:
        return f"{pick(_PAID_WORDS[state.paid], lang)}{pick(('，', ', '), lang)}{pick(_RULE_WORDS[state.rule], lang)}"

    def title(lang: Language) -> str:
        return pick((f"补贴设计：{whom(lang)}，多减排多少（{_synthetic(lang)}）",
                     f"Designing a payment: {whom(lang)}, extra reduction ({_synthetic(lang)})"), lang)  # fmt: skip

    def budget_title(lang: Language) -> str:
        return pick((f"钱付给了谁：{whom(lang)}（{_synthetic(lang)}）", f"Where the money goes: {whom(lang)} "
                     f"({_synthetic(lang)})"), lang)  # fmt: skip

    def source(lang: Language) -> str:
        n = _incentive_trips().height
        return pick((f"合成出行，n = {n:,}；行为取自伦敦", f"Synthetic trips, n = {n:,}; behaviour of London"), lang)

    def tonnes() -> Any:
        return pictures_of_incentives.tonnes_curve(
            state.designed(), alt=title(state.lang), source=source(state.lang), lang=state.lang, large=state.is_large,
            legend=False, height=320,
        )  # fmt: skip

    def budget() -> Any:
        return pictures_of_incentives.budget_split(state.designed(), alt=budget_title(state.lang), legend=False,
                                                   source=source(state.lang), lang=state.lang, large=state.is_large,
                                                   height=320)  # fmt: skip

    def table() -> pl.DataFrame:
        return state.designed().select(
            "amount_cny", pl.col(_label(state)).alias("quantity"), "value", "low", "high", "unit", "trip_count",
            "factor_mark", is_synthetic=pl.lit(True),
        )  # fmt: skip

    def tonnes_note(lang: Language) -> str:
        marks = [
            ("line", c, vocabulary.say(f"incentive_{q}", lang)) for q, (c, _) in pictures_of_incentives.LINES.items()
        ]
        return charts.key(marks) + vocabulary.say("incentive_note_transfer", lang)

    def budget_note(lang: Language) -> str:
        marks = [("area", c, vocabulary.say(f"incentive_{q}", lang)) for q, c in pictures_of_incentives.PARTS.items()]
        share = state.outcome()["extra_share"]
        ends = _between(share["low"], share["high"], lang, numbers.percent)
        part = numbers.percent(share["value"])
        return charts.key(marks) + pick(
            (f"每次 {state.amount:g} 元时，获补贴出行中 {part}（{ends}）是多出来的。",
             f"At {state.amount:g} CNY {part} ({ends}) of the trips paid for are extra."), lang,
        )  # fmt: skip

    on = ("paid", "rule")
    return [
        Picture("incentive", title=title, draw=tonnes, table=table, note=tonnes_note, height=320, redraw_on=on),
        Picture("budget", title=budget_title, draw=budget, table=table, note=budget_note, height=320, redraw_on=on,
                simple=False),
    ]  # fmt: skip


def _ledger_picture(state: State) -> Picture:
    def title(lang: Language) -> str:
        return pick(("台账与链校验（演示，合成数据）", "Ledger and chain check (demonstration, synthetic)"), lang)

    def draw() -> Any:
        return drawn.chain(state.entries()[0], unit="kg", alt=title(state.lang), lang=state.lang, large=state.is_large,
                           height=_LEDGER_PX)  # fmt: skip

    def table() -> pl.DataFrame:
        rows = state.entries()[0]
        say = vocabulary.say
        ops = {o: say(f"ledger_{o}", state.lang) for o in rows["op"].unique()}
        marks = {m: say(f"ledger_{m}", state.lang) for m in rows["ledger_mark"].unique()}
        return rows.select(
            "seq", pl.col("op").replace(ops), pl.col("ledger_mark").replace(marks), "source", "target",
            pl.col("amount").cast(pl.Float64).alias("amount_kg"), "batch", "request_id", "digest", "is_synthetic",
        )  # fmt: skip

    def note(lang: Language) -> str:
        _, faults, sums = state.entries()
        told = f"<b>{html.escape(_found(faults, lang))}</b>"
        balance = " ".join(f"{k} {v:,.3f}" for k, v in sums.items())
        zh = {"issued": "签发", "held": "持有", "retired": "注销", "cancelled": "撤销"}
        if lang == "zh":
            balance = "，".join(f"{zh[k]} {v:,.3f}" for k, v in sums.items())
        return drawn.chain_key(lang) + told + "<br>" + pick(
            (f"余额（千克）：{balance}。篡改作用于演示台账的副本。",
             f"Balances (kg): {balance}. Tampering is done to a copy of the demonstration ledger."), lang,
        )  # fmt: skip

    return Picture("ledger", title=title, draw=draw, table=table, note=note, height=_LEDGER_PX, redraw_on=("ledger",))


def _found(faults: pl.DataFrame, lang: Language) -> str:
    """Return what the check of a chain found, in words."""
    if faults.is_empty():
        return pick(
            ("链校验通过：每一条都与摘要相符。", "The chain is sound: every entry is what its digest was made of."),
            lang,
        )
    known = [k for k in drawn.MARKS if k != "verified"]
    at = [(r["seq"], r["kind"] if r["kind"] in known else "fault") for r in faults.to_dicts() if r["seq"] is not None]
    rest = faults.height - len(at)
    each = pick(("；", "; "), lang).join(
        pick(
            (
                f"第 {seq} 条{vocabulary.say(f'ledger_{kind}', lang)}",
                f"entry {seq}: {vocabulary.say(f'ledger_{kind}', lang)}",
            ),
            lang,
        )
        for seq, kind in at
    )
    return pick((f"链校验发现：{each}；另有 {rest} 处余额或防改装置不符。",
                 f"The check finds {each}; besides, {rest} balances or guards that do not fit."), lang)  # fmt: skip


def controls(state: State, lang: Language) -> pn.Column:
    """Return the widgets: what and by whom, the baseline, the card, the payment, the ledger."""
    from citylab.app import controls as widgets

    def both(zh: str, en: str) -> str:
        return pick((zh, en), lang)

    def named(words: dict[str, Both]) -> dict[str, str]:
        return {pick(v, lang): k for k, v in words.items()}

    baselines = {both("均值法", "mean"): "mean", both("替代法", "replacement"): "replacement"}
    cards = {
        both("没有", "none"): "no",
        both("同比例", "same share"): "same",
        both("全部", "all"): "everyone",
    }
    ledgers = {
        both("原样", "intact"): "sound",
        both("改一条", "alter one"): "altered",
        both("删一条", "delete one"): "deleted",
    }
    return widgets.column(
        state, lang,
        widgets.choice(state, "by", both("人群分组", "Groups of people"), named(_GROUPING_WORDS)),
        widgets.buttons(state, "baseline", baselines, both("基准线", "Baseline")),
        widgets.buttons(state, "card", cards, both("交通卡通道（无手机者）", "Card channel (no phone): who joins")),
        widgets.choice(state, "whose", both("谁的出行", "Whose trips"), named(_WHOSE_WORDS)),
        widgets.choice(state, "amount", both("补贴（元/次）", "Payment (CNY a trip)"), {f"{a:g}": a for a in AMOUNTS}),
        widgets.choice(state, "paid", both("补贴哪些方式", "Modes that are paid"), named(_PAID_WORDS)),
        widgets.choice(state, "rule", both("补贴给谁、何时", "Who or when is paid"), named(_RULE_WORDS)),
        widgets.buttons(state, "ledger", ledgers, both("演示台账：改动试试", "Demo ledger: tamper with it")),
        more=[
            widgets.slider(state, "price", both("碳价", "Price of carbon"), unit=both("元/吨", "CNY/t"), step=1),
            widgets.buttons(state, "monitor", {both("方式", "mode"): "act", both("起点区", "district"): "start_adcode"},
                            both("监测按", "The scheme by")),
        ],
    )  # fmt: skip


def build() -> pn.Template:
    """Return the page for one reader."""
    from citylab.app import shell

    return shell.dashboard(State(), globals())


def _warm() -> None:
    """Work out, before the first reader comes, what most readers ask for; the what-if and other payments wait."""
    for baseline in BASELINES:
        for by in GROUPINGS:
            _gains(WHOSE[0], baseline, by)
        for card in CARDS:
            _index(WHOSE[0], baseline, card)
        for card in CARDS[1:]:
            for by in GROUPINGS:
                _channel(WHOSE[0], baseline, card, by)
        for by in MONITORS:
            _monitor(WHOSE[0], baseline, by)
        _curve(WHOSE[0], baseline)
        _total(WHOSE[0], baseline)
    _double()
    _ledgers()
    _designed("ride", RULES[0])


_warm()

if __name__.startswith("bokeh_app"):
    build().servable()
