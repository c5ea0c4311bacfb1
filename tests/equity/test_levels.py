from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citylab import settings as folders
from citylab import sheets, tables
from citylab.equity import levels
from citylab.equity.inequality import inequality
from citylab.equity.levels import (
    claims_beside_figures,
    indicators,
    level_scores,
    pooled,
    rank_ranges,
    same_concept,
    scores,
    service_quality,
)
from citylab.equity.sampling import Errors
from citylab.errors import DataError, RangeError, RefusalError, SchemaError, UnknownNameError

TABLE = tables.read("equity_index_indicators")
TIERS = tables.read("equity_index_levels")
NAMES = TABLE["indicator"].to_list()
GOOD = dict(zip(NAMES, TABLE["best"].to_list(), strict=True))
BAD = dict(zip(NAMES, TABLE["worst"].to_list(), strict=True))
KINDS = dict.fromkeys(NAMES, pl.Float64)
LEVELS = ["access", "use", "outcome"]
EVERY = [*LEVELS, "index"]
OBLIGED = ["under_18", "60+", "with_disability", "low_income"]


def persons(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema_overrides={k: v for k, v in KINDS.items()}, infer_schema_length=None)


def sample(n: int = 200, seed: int = 1) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {c: rng.uniform(min(BAD[c], GOOD[c]), max(BAD[c], GOOD[c]), n) for c in NAMES}
    return pl.DataFrame(
        {**columns, "age_band": rng.choice(["18-59", "60+"], n), "area_id": rng.choice(["a", "b"], n),
         "w": rng.uniform(1, 3, n), "psu": rng.integers(0, 20, n)}
    )  # fmt: skip


# -- scores of a row


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("aggregation", ["arithmetic", "geometric"])
def test_the_goalposts_score_0_and_100_whatever_the_weights(name: str, aggregation: Any):
    told = level_scores(persons(BAD, GOOD), aggregation=aggregation)
    assert told[f"{name}_score"].to_list() == pytest.approx([0, 100])


def test_a_level_is_the_weighted_mean_of_its_indicators():
    # Access by hand: internet 1 (weight 1), smartphone 1 (½), computer 0 (½), 11 % of income: half-way 20 to 2 (1).
    row = {**GOOD, "has_home_computer": 0, "internet_cost_income_pct": 11}
    told = level_scores(persons(row))
    access = (1 * 100 + 0.5 * 100 + 0.5 * 0 + 1 * 50) / 3
    assert told["access_score"].item() == pytest.approx(access)
    assert told["index_score"].item() == pytest.approx((access + 200) / 3)
    geometric = level_scores(persons(row), aggregation="geometric")["index_score"].item()
    assert geometric == pytest.approx((access * 100 * 100) ** (1 / 3))


def test_income_counts_by_its_logarithm():
    low, high = BAD["income_per_capita_cny"], GOOD["income_per_capita_cny"]
    told = level_scores(persons({**GOOD, "income_per_capita_cny": math.sqrt(low * high)}))
    assert told["income_per_capita_cny_score"].item() == pytest.approx(50)
    assert level_scores(persons({**GOOD, "income_per_capita_cny": 0}))["income_per_capita_cny_score"].item() == 0


@pytest.mark.parametrize(
    ("column", "value", "score"),
    [("internet_cost_income_pct", 35, 0), ("internet_cost_income_pct", 0.5, 100), ("income_per_capita_cny", 1e6, 100),
     ("income_per_capita_cny", -500, 0), ("digital_skills_share", 1 + 1e-13, 100)],
)  # fmt: skip
def test_what_lies_beyond_a_goalpost_is_held_there(column: str, value: float, score: float):
    assert level_scores(persons({**GOOD, column: value}))[f"{column}_score"].item() == score


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("self_rated_health", 9, "from 1 to 5"),  # "don't know" is not very good health
        ("internet_days_per_week", -9, "from 0 to 7"),
        ("has_home_internet", 73.0, "from 0 to 1"),  # percent of an area
        ("internet_cost_income_pct", -1, "from 0 to -"),
        ("digital_skills_share", 40, "from 0 to 1"),
    ],
)
def test_a_code_for_no_answer_or_a_percent_is_no_best_or_worst_answer(column: str, value: float, expected: str):
    with pytest.raises(DataError, match=f"1 rows of '{column}' cannot be, the first .*{expected}"):
        level_scores(persons({**GOOD, column: value}))


def test_bounds_that_leave_a_goalpost_out_are_told_and_may_be_left_away():
    table = tables.read("equity_index_indicators")
    far = pl.when(indicator="self_rated_health").then(4).otherwise("most").alias("most")
    with pytest.raises(DataError, match=r"'self_rated_health' goes from 1 to 5, beyond its 1 to 4"):
        indicators(table.with_columns(far))
    free = level_scores(persons({**GOOD, "self_rated_health": 9}), table=table.drop("least", "most"))
    assert free["self_rated_health_score"].item() == 100


unit = st.floats(0, 1)


@settings(max_examples=40, deadline=None)
@given(st.lists(unit, min_size=len(NAMES), max_size=len(NAMES)), st.sampled_from(NAMES), unit)
def test_no_score_falls_when_an_indicator_gets_better(at: list[float], name: str, step: float):
    def placed(shares: dict[str, float]) -> dict[str, float]:
        return {c: BAD[c] + s * (GOOD[c] - BAD[c]) for c, s in shares.items()}

    before = dict(zip(NAMES, at, strict=True))
    after = {**before, name: min(1.0, before[name] + step)}
    told = level_scores(persons(placed(before), placed(after)))
    for level in EVERY:
        low, high = told[f"{level}_score"].to_list()
        assert high >= low - 1e-9
        assert 0 <= low <= 100


def test_units_of_weights_do_not_matter():
    rows = sample()
    tripled = level_scores(rows, table=TABLE.with_columns(pl.col("weight") * 3), levels=TIERS.with_columns(weight=7))
    assert tripled["index_score"].to_list() == pytest.approx(level_scores(rows)["index_score"].to_list())


def test_a_gap_is_carried_by_the_rest_of_its_level_and_told():
    told = level_scores(persons({**GOOD, "has_smartphone": None})).row(0, named=True)
    assert told["access_score"] == pytest.approx(100)
    assert told["access_observed_share"] == pytest.approx(2.5 / 3)


def test_a_level_without_a_needed_indicator_has_no_score_and_neither_has_the_index():
    told = level_scores(persons({**GOOD, "has_home_internet": None})).row(0, named=True)
    assert (told["access_score"], told["index_score"]) == (None, None)
    assert told["use_score"] == pytest.approx(100)


def test_too_little_observed_is_no_score():
    told = level_scores(persons({**GOOD, "income_per_capita_cny": None, "self_rated_health": None})).row(0, named=True)
    assert told["outcome_score"] is None
    assert told["outcome_observed_share"] == pytest.approx(1 / 3)


def test_who_is_never_online_was_not_asked_and_scores_0_but_others_are_not_taken_for_offline():
    gap = {"online_activities_share": None, "digital_skills_share": None}
    told = level_scores(persons({**GOOD, **gap, "internet_days_per_week": 0}, {**GOOD, **gap}))
    assert told["use_score"].to_list() == [0, None]
    assert told["digital_skills_share_score"].to_list() == [0, None]


def test_truth_and_one_are_the_same():
    flags = ["has_home_internet", "has_smartphone", "has_home_computer"]
    rows = sample().with_columns((pl.col(f) > 0.5).alias(f) for f in flags)
    as_numbers = rows.with_columns(pl.col(flags).cast(pl.Int8))
    assert level_scores(rows)["access_score"].equals(level_scores(as_numbers)["access_score"])


def test_a_lazy_frame_stays_lazy_and_says_the_same():
    assert level_scores(sample().lazy()).collect().equals(level_scores(sample()))


@pytest.mark.parametrize("odd", [math.inf, 45.0, -0.1])
def test_a_share_in_percent_is_refused(odd: float):
    with pytest.raises(DataError, match="divide percent by 100"):
        level_scores(persons({**GOOD, "digital_skills_share": odd}))


def test_a_column_that_is_not_there_or_no_number_is_told():
    with pytest.raises(SchemaError, match="has_smartphone"):
        level_scores(sample().drop("has_smartphone"))
    with pytest.raises(SchemaError, match="numbers"):
        level_scores(sample().with_columns(has_smartphone=pl.lit("yes")))
    with pytest.raises(UnknownNameError, match="geometric"):
        level_scores(sample(), aggregation="geometrical")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (pl.lit(0.0).alias("weight"), DataError, "weight"),
        (pl.col("best").alias("worst"), DataError, "two different numbers"),
        (pl.lit("liner").alias("scale"), UnknownNameError, "linear"),
        (pl.lit("log").alias("scale"), DataError, "above 0"),
        (pl.lit("renormalize").alias("missing"), UnknownNameError, "renormalise"),
        (pl.lit("acces").alias("level"), UnknownNameError, "access"),
        (pl.lit("access").alias("level"), DataError, "has no indicator"),
        (pl.lit("shoes").alias("asked_of"), UnknownNameError, "explains a gap"),
        (pl.col("indicator").replace("has_home_computer", "has_smartphone"), DataError, "twice"),
        (pl.lit("internet_at_home").alias("concept"), RefusalError, "measures"),
    ],
)
def test_a_table_of_indicators_that_cannot_be_is_refused(change: pl.Expr, error: type, message: str):
    with pytest.raises(error, match=message):
        indicators(TABLE.with_columns(change))


def test_every_indicator_has_a_declared_concept_and_the_price_alone_falls():
    known = dict(tables.read("equity_index_concepts").select("column", "concept").iter_rows())
    assert {r["indicator"]: r["concept"] for r in TABLE.iter_rows(named=True)} == {c: known[c] for c in NAMES}
    assert TABLE.filter(pl.col("best") < pl.col("worst"))["indicator"].to_list() == ["internet_cost_income_pct"]


# -- by group and place


def test_a_mean_by_group_is_that_of_its_rows_with_the_errors_of_the_design():
    rows, errors = sample(), Errors(psu="psu")
    told = scores(rows, weight="w", errors=errors).filter(grouping="age_band", group="60+", level="use")
    peer = inequality(level_scores(rows), "use_score", weight="w", by="age_band", measures=["mean"], errors=errors)
    for c in ("value", "se", "n"):
        assert told[c].item() == peer.filter(age_band="60+")[c].item()
    old = level_scores(rows).filter(age_band="60+")
    assert told["value"].item() == pytest.approx((old["use_score"] * old["w"]).sum() / old["w"].sum())
    assert told["lower"].item() < told["value"].item() < told["upper"].item()


@pytest.mark.parametrize("place", [None, "area_id"])
def test_the_four_groups_always_have_their_rows(place: str | None):
    told = scores(sample(), place=place)
    n = 1 if place is None else 2
    for group in OBLIGED:
        assert told.filter(group=group).height == n * len(EVERY)
    absent = told.filter(pl.col("group").is_in(["under_18", "with_disability", "low_income"]))
    assert set(absent["note"]) == {"no_data"}
    assert absent["value"].null_count() == absent.height
    assert set(absent["n"]) == {0}
    assert told.filter(group="60+")["value"].null_count() == 0


def test_a_group_whose_answers_are_all_missing_has_no_data_rather_than_no_row():
    rows = sample().with_columns(
        internet_days_per_week=pl.when(pl.col("age_band") == "18-59").then("internet_days_per_week")
    )
    told = scores(rows).filter(grouping="age_band", group="60+")
    assert dict(told.select("level", "note").iter_rows())["use"] == "no_data"
    assert told.filter(level="use")["n_missing"].item() == rows.filter(age_band="60+").height
    assert told.filter(level="access")["value"].item() is not None
    nobody = scores(rows.with_columns(internet_days_per_week=pl.lit(None, dtype=pl.Float64))).filter(level="use")
    assert set(nobody["note"]) == {"no_data"}


def test_missing_answers_to_the_group_are_a_group():
    rows = sample().with_columns(age_band=pl.when(pl.col("w") > 1.5).then("age_band"))
    told = scores(rows).filter(grouping="age_band", level="access")
    assert told.filter(group="not_stated")["n"].item() == rows["age_band"].null_count()
    assert told["n"].sum() == rows.height


def test_bounds_stay_within_the_scale():
    told = scores(persons(GOOD, GOOD, {**GOOD, "internet_days_per_week": 6})).filter(group="all")
    assert told["upper"].max() <= 100
    assert told["value"].is_between(told["lower"], told["upper"]).all()


def test_a_place_named_like_a_column_of_the_result_is_refused():
    with pytest.raises(SchemaError, match="rename"):
        scores(sample().rename({"area_id": "group"}), place="group")
    with pytest.raises(DataError, match="no rows"):
        scores(sample().clear())


# -- robustness

UNITS = sample(8, seed=3).with_columns(unit=pl.Series([f"u{i}" for i in range(8)]))


def test_a_unit_that_is_best_in_all_is_first_and_the_worst_last_in_every_draw():
    rows = pl.concat([UNITS, persons(GOOD, BAD).with_columns(unit=pl.Series(["top", "bottom"]))], how="diagonal")
    told = {r["unit"]: r for r in rank_ranges(rows, "unit", draws=400).iter_rows(named=True)}
    assert [told["top"][c] for c in ("rank", "rank_lower", "rank_median", "rank_upper", "first_share")] == [1] * 5
    assert [told["bottom"][c] for c in ("rank", "rank_lower", "rank_upper", "first_share")] == [10, 10, 10, 0]


def test_without_spread_and_choice_the_rank_is_the_declared_one():
    told = rank_ranges(UNITS, "unit", normalisations=["goalposts"], aggregations=["arithmetic"], spread=0, draws=20)
    order = level_scores(UNITS).sort("index_score", descending=True)["unit"].to_list()
    assert told["unit"].to_list() == order
    for c in ("rank", "rank_lower", "rank_median", "rank_upper"):
        assert told[c].to_list() == list(range(1, 9))


def test_more_freedom_of_weights_moves_ranks_no_less():
    def width(spread: float) -> float:
        told = rank_ranges(UNITS, "unit", normalisations=["goalposts"], aggregations=["arithmetic"], spread=spread)
        return float((told["rank_upper"] - told["rank_lower"]).sum())

    assert 0 == width(0) <= width(0.25) <= width(1)
    assert width(1) > 0


def test_the_shares_of_being_first_add_up_to_one_and_draws_come_again_with_their_seed():
    one = rank_ranges(UNITS, "unit", draws=300, seed=5)
    assert one["first_share"].sum() == pytest.approx(1)
    assert one.equals(rank_ranges(UNITS, "unit", draws=300, seed=5))


@pytest.mark.parametrize("name", ["goalposts", "minmax", "zscore", "rank"])
def test_normalisations_agree_where_units_are_ordered_alike_everywhere(name: Any):
    steps = [{c: BAD[c] + k / 5 * (GOOD[c] - BAD[c]) for c in NAMES} for k in range(1, 5)]
    rows = persons(*steps).with_columns(unit=pl.Series(["d", "c", "b", "a"]))
    told = rank_ranges(rows, "unit", normalisations=[name], draws=50)
    assert told.select("unit", "rank_lower", "rank_upper").rows() == [(u, i, i) for i, u in enumerate("abcd", start=1)]


def test_a_unit_with_a_gap_has_no_rank_and_too_few_units_are_refused():
    rows = UNITS.with_columns(has_smartphone=pl.when(pl.col("unit") != "u0").then("has_smartphone"))
    told = rank_ranges(rows, "unit", draws=20).filter(unit="u0").row(0, named=True)
    assert (told["rank"], told["note"]) == (None, "no_data")
    with pytest.raises(DataError, match="2 of 2"):
        rank_ranges(UNITS.head(2), "unit")
    with pytest.raises(DataError, match="twice"):
        rank_ranges(UNITS.with_columns(unit=pl.lit("u")), "unit")
    with pytest.raises(RangeError, match="spread"):
        rank_ranges(UNITS, "unit", spread=25)
    with pytest.raises(UnknownNameError, match="zscore"):
        rank_ranges(UNITS, "unit", normalisations=["z-score"])  # type: ignore[list-item]


# -- concepts and claims


@pytest.mark.parametrize(
    "pair",
    [
        ["smart_device_use_60plus_pct", "internet_use_60plus_pct"],
        ["has_smartphone", "has_home_internet"],
        ["has_home_computer", "has_smartphone"],
        ["internet_use_pct", "internet_use_itu_pct"],
        ["rural_5g_coverage_pct", "villages_with_5g_pct"],
        ["broadband_available_share", "broadband_use_share"],
    ],
)
def test_devices_smartphones_access_and_use_are_never_pooled(pair: list[str]):
    with pytest.raises(RefusalError, match="different quantities"):
        same_concept(pair)
    with pytest.raises(RefusalError, match="different quantities"):
        pooled(pl.DataFrame({c: [1.0] for c in pair}), pair)


def test_columns_of_one_concept_keep_their_population():
    rows = pl.DataFrame({"t": [1, 2], "internet_use_rural_pct": [1.0, 2.0], "internet_use_urban_pct": [3.0, 4.0]})
    told = pooled(rows, ["internet_use_rural_pct", "internet_use_urban_pct"], keep="t")
    assert told.height == 4
    assert set(told["population"]) == {"rural residents", "urban residents"}
    with pytest.raises(UnknownNameError, match="internet_use_pct"):
        same_concept(["internet_use"])


def test_claims_and_figures_are_those_of_the_data_sets():
    told = claims_beside_figures()
    plans = pl.read_csv(folders.datasets_dir() / "plans__undated_plan_claim" / "claims.csv", infer_schema_length=None)
    printed = {r["claim_id"]: r["value"] for r in plans.iter_rows(named=True)}
    for row in told.iter_rows(named=True):
        assert row["claim_pct"] == float(printed[row["claim_id"]])
    cnnic = pl.read_csv(
        folders.datasets_dir() / "cnnic__halfyearly_country_internet" / "internet.csv", try_parse_dates=True
    )
    held = told.filter(dataset="cnnic__halfyearly_country_internet")
    assert held.height == 1
    for row in held.iter_rows(named=True):
        assert row["figure_pct"] == cnnic.filter(month_start=row["figure_date"])[row["figure_column"]].item()


def test_no_claim_is_subtracted_from_a_figure_of_another_concept():
    told = claims_beside_figures()
    assert not told["is_same_concept"].any()
    assert not [c for c in told.columns if c in {"gap", "difference", "gap_pct", "difference_pct"}]
    for c in ("difference_zh", "difference_en", "claim_definition_zh", "figure_definition_en"):
        assert told[c].null_count() == 0


# -- quality of service

SERVICE = pl.DataFrame(
    {"coverage_share": [0.9, None], "bandwidth_mbps": [50.0, 0.0], "latency_ms": [20.0, None],
     "continuity_share": [0.99, 1.0]}
)  # fmt: skip


def test_gaps_in_the_quality_of_a_service_are_named():
    assert service_quality(SERVICE)["service_missing"].to_list() == ["", "coverage_share,latency_ms"]


@pytest.mark.parametrize("column", SERVICE.columns)
def test_a_service_without_one_of_the_four_columns_is_not_described(column: str):
    with pytest.raises(SchemaError, match=column):
        service_quality(SERVICE.drop(column))


@pytest.mark.parametrize(
    ("column", "odd"),
    [("coverage_share", 90.0), ("continuity_share", 1.01), ("bandwidth_mbps", -1.0), ("latency_ms", 0.0),
     ("latency_ms", math.nan), ("bandwidth_mbps", math.inf)],
)  # fmt: skip
def test_a_quality_that_cannot_be_is_refused(column: str, odd: float):
    with pytest.raises(DataError, match=column):
        service_quality(SERVICE.with_columns(pl.lit(odd).alias(column)))


@pytest.mark.parametrize("name", ["divide_service", "divide_survey"])
def test_a_form_has_the_columns_that_its_function_needs(name: str):
    needed = NAMES if name == "divide_survey" else tables.read("equity_service_columns")["column"].to_list()
    assert set(needed) <= set(sheets.columns(name)["column"])


def test_a_form_that_was_filled_in_is_read_and_scored(tmp_path: Path):
    form = sheets.write("divide_service", tmp_path / "services.csv")
    with form.open("a", encoding="utf-8") as lines:
        lines.write("110118,5g,0.45,80,,0.999,,,survey of the county\n")
    told = service_quality(sheets.read(form, "divide_service"))
    assert told.select("coverage_share", "service_missing").row(0) == (0.45, "latency_ms")


def test_the_declared_groups_hold_the_four_that_are_obliged():
    assert tables.read(levels.GROUPS).filter("is_obliged")["group"].to_list() == OBLIGED
