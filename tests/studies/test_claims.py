from __future__ import annotations

import datetime as dt
import math
import re
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citylab import catalog, files, settings, tables
from citylab.errors import DataError, SchemaError, UnknownNameError
from citylab.studies import claims as register
from citylab.studies import recomputation
from citylab.studies.recomputation import Span

NOW = dt.date(2026, 11, 28)
FAR = dt.date(2100, 1, 1)
DAYS = st.dates(dt.date(2000, 1, 1), dt.date(2060, 12, 31))
HAN = re.compile(r"[\u4e00-\u9fff]")


def changed(figure: str, **values: float | dt.date) -> pl.DataFrame:
    """Return the declared figures with one of them changed."""
    return tables.read("claims_figures").with_columns(
        pl.when(pl.col("figure") == figure).then(pl.lit(v)).otherwise(c).alias(c) for c, v in values.items()
    )


# the calendar


@given(DAYS)
def test_nothing_whose_day_has_come_is_not_due_and_nothing_before_its_day_is_judged(asof: dt.date) -> None:
    rows = register.claims(asof)
    come = rows.filter(pl.col("due_date") <= asof)
    assert "not_due" not in come["status"]
    assert come["is_due"].all()
    ahead = rows.filter(pl.col("due_date") > asof)
    assert set(ahead["status"]) <= {"not_due"}
    assert not ahead["is_due"].any()


@given(DAYS)
def test_a_target_whose_day_has_come_is_scored_or_said_to_lack_data(asof: dt.date) -> None:
    due = register.claims(asof).filter("is_due", kind="target")
    assert not {"not_due", "open"} & set(due["status"])


@given(DAYS, DAYS)
def test_once_due_a_claim_is_due_for_ever_and_its_status_stays(one: dt.date, other: dt.date) -> None:
    before, after = (register.claims(d) for d in sorted((one, other)))
    judged = before["status"] != "not_due"
    assert (before.filter(judged)["status"] == after.filter(judged)["status"]).all()
    assert (after["is_due"] >= before["is_due"]).all()


@given(DAYS)
def test_a_claim_without_a_day_never_falls_due_and_never_changes(asof: dt.date) -> None:
    rows, ever = (register.claims(d).filter(pl.col("due_date").is_null()) for d in (asof, FAR))
    assert rows.equals(ever)
    assert not rows["is_due"].any()
    assert "not_due" not in rows["status"]


@given(DAYS)
def test_the_statuses_add_up_to_the_claims(asof: dt.date) -> None:
    told = register.summary(asof)
    assert told["claims"] == sum(told[s] for s in register.STATUSES) == 83
    assert told["due_targets"] <= told["dated_targets"] <= told["targets"] == 47


def test_what_is_due_without_data_now_is_what_was_found_by_hand() -> None:
    # by reading the texts: targets whose day has passed, less the two that were met (c40, c71). c83 is a rhythm of
    # reports; it is past its day too, and nothing scores it
    by_hand = "c07 c08 c09 c11 c12 c16 c33 c43 c58 c62 c66 c77 c78 c79 c80 c81 c82 c83"
    rows = register.claims(NOW)
    assert rows.filter(status="due_no_data")["claim_id"].to_list() == by_hand.split()
    assert rows.filter(status="met")["claim_id"].to_list() == ["c40", "c71"]
    assert rows.filter(status="not_due")["claim_id"].to_list() == ["c34", "c35", "c63", "c64", "c73", "c74"]


def test_what_was_not_due_when_registered_lacks_data_once_its_day_has_come() -> None:
    assert register.claims(dt.date(2035, 12, 31)).filter(claim_id="c74")["status"].item() == "due_no_data"


def test_the_clock_is_never_asked() -> None:
    with pytest.raises(TypeError):
        register.claims()  # type: ignore[call-arg]
    source = Path(register.__file__).read_text(encoding="utf-8") + Path(recomputation.__file__).read_text(
        encoding="utf-8"
    )
    code = re.sub(r'"""[\s\S]*?"""|"[^"\n]*"', "", source)
    assert not re.search(r"\.(today|now|utcnow)\(|time\.time", code)


@pytest.mark.parametrize("asof", ["2026-01-01", dt.datetime(2026, 1, 1), None, 2026])
def test_anything_but_a_date_is_refused_with_what_to_pass(asof: object) -> None:
    with pytest.raises(SchemaError, match=r"datetime\.date"):
        register.claims(asof)  # type: ignore[arg-type]
    with pytest.raises(SchemaError, match=r"datetime\.date"):
        register.summary(asof)  # type: ignore[arg-type]


# the frame


def test_both_languages_stand_by_default_and_one_where_one_is_asked_for() -> None:
    both, zh = register.claims(NOW), register.claims(NOW, lang="zh")
    assert {"claim_zh", "claim_en", "evidence_zh", "evidence_en", "needs_zh", "needs_en"} <= set(both.columns)
    assert not [c for c in zh.columns if c.endswith(("_zh", "_en"))]
    assert zh["claim"].to_list() == both["claim_zh"].to_list()
    with pytest.raises(UnknownNameError):
        register.claims(NOW, lang="fr")  # type: ignore[arg-type]


def test_every_claim_that_is_not_settled_says_what_would_settle_it() -> None:
    settled = {"met", "missed", "verified", "contradicted", "inconsistent"}
    for row in register.claims(FAR).iter_rows(named=True):
        assert bool(row["needs_zh"]) == bool(row["needs_en"]) == (row["status"] not in settled), row["claim_id"]


def test_a_register_of_ones_own_is_scored_and_a_status_without_a_rule_is_refused() -> None:
    own = catalog.scan(register.REGISTER).filter(claim_id="c33").collect()
    assert register.claims(FAR, register=own)["status"].to_list() == ["due_no_data"]
    missed = own.with_columns(status=pl.lit("missed"))
    assert register.claims(FAR, register=missed.lazy())["status"].to_list() == ["missed"]
    assert register.claims(FAR, register=own.clear()).height == 0
    with pytest.raises(UnknownNameError, match="claims_statuses"):
        register.claims(FAR, register=own.with_columns(status=pl.lit("perhaps")))
    with pytest.raises(SchemaError, match="due_date"):
        register.claims(FAR, register=own.drop("due_date"))


def test_words_stand_for_every_status_kind_and_class_in_both_languages() -> None:
    rows = register.claims(NOW)
    for lang in ("zh", "en"):
        said = register.in_words(rows, lang)  # type: ignore[arg-type]
        for column in ("status", "kind", "claim_class"):
            assert all(bool(HAN.search(w)) == (lang == "zh") for w in said[column])


def test_directions_are_the_twenty_claims_without_a_number() -> None:
    rows = register.directions()
    assert rows["direction_id"].to_list() == [f"d{n:02d}" for n in range(1, 21)]
    assert Counter(rows["plan"]) == {"000": 1, "001": 2, "002": 11, "003": 4, "004": 2}
    assert set(rows["status"]) <= set(register.STATUSES) - {"not_due", "due_no_data"}
    assert not register.directions(lang="en")["claim"].str.contains(r"[\u4e00-\u9fff]").any()


# recomputation against the register


@pytest.mark.parametrize("claim_id", register.recomputable())
def test_a_recomputation_that_decides_agrees_with_the_status_and_names_its_sources(claim_id: str) -> None:
    found = register.recompute(claim_id)
    if claim_id.startswith("c"):
        row = register.claims(FAR).row(by_predicate=pl.col("claim_id") == claim_id, named=True)
    else:
        row = register.directions().row(by_predicate=pl.col("direction_id") == claim_id, named=True)
    assert row["is_recomputable"]
    assert row["is_decided_by_data"] == (found.finding is not None)
    if found.finding is not None:
        assert found.finding == row["status"]
    assert found.n >= 1
    assert found.interval in recomputation.INTERVALS
    assert math.isfinite(found.value)
    if found.interval == "none":
        assert found.low is None
        assert found.high is None
    else:
        assert found.low <= found.value <= found.high
    assert HAN.search(found.verdict("zh"))
    assert "{" not in found.verdict_zh + found.verdict_en
    assert found.sources
    for name, vintage, digest in found.sources:
        path = settings.datasets_dir() / f"{name}.csv" if name.startswith("codes/") else catalog.fetch(name)
        assert digest == files.sha256(path)
        assert bool(vintage) != name.startswith("codes/")
    assert found.compared["unit_en"].n_unique() == 1
    assert set(found.compared["role"]) <= set(recomputation.ROLES)
    assert found.tidy().height == 1


def test_no_claim_is_met_or_missed_or_contradicted_by_data_that_no_recomputation_shows() -> None:
    # c18, c03, c04 and the like rest on documents; a verdict against a number rests on a recomputation
    against = register.claims(FAR).filter(pl.col("status").is_in(["met", "missed", "contradicted", "inconsistent"]))
    assert against["is_decided_by_data"].all()


@pytest.mark.parametrize(
    ("claim_id", "value", "digits"),
    [
        ("c05", 7 + 10, 0),
        ("c22", 2000 - 1000, 0),
        ("c23", 55 - 42, 0),
        ("c24", 10 / 16 * 100, 1),
        ("c25", 14, 0),  # 18 December to 1 January: 13 + 1 days
        ("c28", 7, 0),
        ("c31", 40_269.6 * 0.404 / 1e4, 3),  # share of 2021 of the GDP of 2021 as first published
        ("c32", 41.6, 1),  # 2022, the year nearest to 41.8
        ("c37", 75, 1),  # four times as fast takes a quarter of the time
        ("c39", 16, 0),
        ("c40", 12_000, 0),
        ("c44", 20, 1),  # 1 - 1/1.25
        ("c50", 0.92 * 0.05 / (0.92 * 0.05 + 0.08 * 0.95) * 100, 3),
        ("c51", 2_591_507, 0),
        ("c53", 650_000 / 4_298_590 * 100, 2),
        ("c55", 2_000_000 / 650_000, 3),
        ("c57", 23 / 114 * 100, 2),
        ("c59", 28.6, 1),  # 1 - 1/1.4
        ("c60", 4 * 365 + 1 + 332, 0),  # 31 December 2021 to 2025, a leap year among them, and to 28 November
        ("c61", 500_000_000 / 0.6168 / 1250 / 1000, 1),  # kg, kg/kWh, kWh/kWp, kW
        ("c62", 2, 0),
        ("c70", 43.2, 1),
        ("c74", (35 - 11_061.5 / 43_760.7 * 100) / 12, 3),
        ("c83", 5 * 12 + 5 * 4, 0),
        ("d13", 42.9 - 35.2, 1),
        ("d15", (77.5 - 66.5) / 0.66, 2),
    ],
)
def test_a_recomputed_value_is_the_one_worked_out_by_hand(claim_id: str, value: float, digits: int) -> None:
    assert round(register.recompute(claim_id).value, digits) == round(value, digits)


def test_the_pair_of_the_digital_economy_implies_a_gdp_that_two_years_had() -> None:
    # 1.5/0.418; rounding allows 1.45/0.4185 to 1.55/0.4175, between which the GDP of 2019 (3.537) and 2020 (3.610) lie
    implied = recomputation.implied_gdp(1.5, 41.8)
    assert implied == pytest.approx((1.5 / 0.418, 1.45 / 0.4185, 1.55 / 0.4175))
    assert implied.low < 3.53713 < 3.61026 < implied.high < 4.02696
    assert "2019 or 2020" in register.recompute("c32").verdict("en")
    assert "2019、2020" in register.recompute("c32").verdict("zh")


def test_the_subcentre_is_given_in_three_readings_that_agree_with_the_register() -> None:
    found = register.recompute("c61")
    assert found.low == pytest.approx(500e6 / 0.6776 / 1400 / 1000)
    assert found.high == pytest.approx(500e6 / 0.5580 / 1150 / 1000)
    for said in ("photovoltaics alone need 527-779 MW", "3.2-4.7 km²", "with the optimiser", "optimiser alone"):
        assert said in found.verdict("en")


def test_the_divide_narrowed_whatever_share_of_the_nation_is_urban_within_the_range() -> None:
    found = register.recompute("d15")
    before = found.compared.row(0, named=True)
    assert before["value"] == pytest.approx(79.8 - 55.9)
    assert found.low == pytest.approx((77.45 - 66.55) / 0.70)
    assert found.high == pytest.approx((77.55 - 66.45) / 0.60)
    assert found.high < before["low"]


def test_a_finding_follows_the_figures_and_is_not_written_down() -> None:
    assert (
        register.recompute("c51", figures=changed("residents_aged_0_14", value=6e6, low=6e6, high=6e6)).finding is None
    )
    assert register.recompute("c69", figures=changed("villages_with_5g_2023", low=40.0)).finding is None
    assert register.recompute("c71", figures=changed("villages_with_broadband", low=98.0)).finding is None
    assert register.recompute("c40", figures=changed("compute_supply", low=9.0)).finding is None
    late = changed("villages_with_broadband", date=dt.date(2026, 1, 1))
    assert register.recompute("c71", figures=late).finding is None
    assert register.recompute("c75", figures=changed("characters_of_text", value=1268.0)).finding == "verified"
    assert register.recompute("c28", figures=changed("fields_of_draft_standard", value=9.0)).finding == "contradicted"
    assert register.recompute("c25", figures=changed("rule_issued", date=dt.date(2021, 1, 1))).finding == "verified"
    one_number = changed("summary_infrastructure_fields", value=0.0)
    assert register.recompute("c05", figures=one_number).finding is None
    wide = changed("urban_share_china", low=0.2)
    assert register.recompute("d15", figures=wide).finding is None


def test_the_lag_of_carbon_data_grows_by_a_day_a_day() -> None:
    one, other = (register.recompute("c60", asof=dt.date(2027, 1, n)).value for n in (1, 2))
    assert other - one == 1
    with pytest.raises(DataError, match="before the last day"):
        register.recompute("c60", asof=dt.date(2020, 1, 1))


def test_what_cannot_be_recomputed_is_refused_in_words() -> None:
    with pytest.raises(UnknownNameError, match="data bear on"):
        register.recompute("c20")
    with pytest.raises(SchemaError, match="low"):
        register.recompute("c51", figures=tables.read("claims_figures").drop("low"))
    with pytest.raises(UnknownNameError, match="residents_aged_0_14"):
        register.recompute(
            "c51", figures=tables.read("claims_figures").filter(pl.col("figure") != "residents_aged_0_14")
        )
    with pytest.raises(SchemaError, match="asof"):
        register.recompute("c60", asof="2026-01-01")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="No official figure from 2030"):
        register.recompute("c31", figures=changed("digital_economy_first_year", value=2030.0))


def test_no_claimed_number_is_kept_among_the_published_figures() -> None:
    # a claim is never data: the figures hold no row for it, but for counts of a text's own parts
    own_parts = {"headings_of_fields", "summary_application_fields", "summary_infrastructure_fields",
                 "fields_of_draft_standard"}  # fmt: skip
    claimed = {(r["value"], r["unit"]) for r in register.claims(NOW).iter_rows(named=True) if r["value"] is not None}
    for row in tables.read("claims_figures").iter_rows(named=True):
        if row["figure"] not in own_parts | {"villages_with_broadband"}:  # 100 % is reached, as was claimed
            assert (row["value"], row["unit"]) not in claimed, row["figure"]


# arithmetic


@given(st.decimals(0, 10_000, places=1, allow_nan=False))
def test_rounding_allows_what_would_be_printed_so_and_nothing_else(printed) -> None:
    span = recomputation.rounding(float(printed))
    assert span.low <= span.value <= span.high
    assert span.high - span.low == pytest.approx(10 ** -(len(str(float(printed)).partition(".")[2])))


POSITIVE = st.floats(0.1, 1e6)


@given(POSITIVE, POSITIVE, st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0, 1), st.floats(0, 1))
def test_a_quotient_of_spans_holds_every_quotient_of_their_values(a, b, wide_a, wide_b, at_a, at_b) -> None:
    one, other = (Span(v, v * (1 - w), v * (1 + w)) for v, w in ((a, wide_a), (b, wide_b)))
    inside = (one.low + at_a * (one.high - one.low)) / (other.low + at_b * (other.high - other.low))
    found = recomputation.ratio(one, other)
    assert found.low * (1 - 1e-9) <= inside <= found.high * (1 + 1e-9)


@given(st.floats(1e-6, 100))
def test_time_saved_is_less_than_what_is_gained_and_never_the_whole(more: float) -> None:
    saved = recomputation.time_saved(more)
    assert 0 < saved < min(1, more)
    assert 1 / (1 - saved) == pytest.approx(1 + more)


@given(st.floats(0.5, 0.999), st.floats(0.5, 0.999), st.floats(0.01, 0.98))
def test_more_illness_makes_positives_more_often_right(
    sensitivity: float, specificity: float, prevalence: float
) -> None:
    less, more = (recomputation.predictive_value(sensitivity, specificity, p) for p in (prevalence, prevalence + 0.01))
    assert 0 < less < more < 1


# against the texts


def test_the_counts_of_the_texts_own_parts_are_those_of_the_texts(mirror: Path) -> None:
    def text(name: str) -> str:
        return (mirror.parent / "plans" / f"{name}.txt").read_text(encoding="utf-8")

    figures = dict(tables.read("claims_figures").select("figure", "value").iter_rows())
    body = text("003").partition("(全文共")[0]
    assert len(re.sub(r"\s", "", body)) == figures["characters_of_text"]
    assert len(HAN.findall(body)) == figures["chinese_characters_of_text"]
    study = text("000")
    assert (
        len(re.findall(r"^[一二三四五六七八九十]是.{2,5}领域的融合需求$", study, re.M)) == figures["headings_of_fields"]
    )
    first, second = re.findall(r"领域(?:方面)?的融合点主要在于(.+?)等领域", study)
    assert len(first.split("、")) == figures["summary_infrastructure_fields"]
    assert len(second.split("、")) == figures["summary_application_fields"]
