from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citylab import tables
from citylab.air import health
from citylab.errors import DataError, RangeError, SchemaError, UnknownNameError

AGES = ["25-29", "30-34", "35-39", "40-44", "45-49", "50-54", "55-59", "60-64", "65-69", "70-74", "75-79", "80+"]


def by_hand(pm25: float, theta: float) -> float:
    """The formula of Burnett et al. (2018) with plain arithmetic and the constants of NCD+LRI."""
    z = max(0.0, pm25 - 2.4)
    return math.exp(theta * math.log(1 + z / 1.6) / (1 + math.exp(-(z - 15.5) / 36.8)))


def ratios(pm25, **options) -> tuple[float, float, float]:
    found = health.hazard_ratio(pm25, **options).row(0, named=True)
    return found["hazard_ratio"], found["hazard_ratio_lower"], found["hazard_ratio_upper"]


def burden(pm25: float = 60.0, deaths: float = 1000.0, **options) -> health.Burden:
    exposed = pl.DataFrame({"adcode": ["110101"], "pm25_ugm3": [pm25]})
    baseline = pl.DataFrame({"adcode": ["110101"], "age_group": ["25+"], "baseline_deaths": [deaths]})
    return health.attributable_deaths(exposed, baseline, baseline_source="synthetic", **options)


# --- the curve --------------------------------------------------------------------------------------------------------


# Values worked out from the formula with theta 0.1430, of two public implementations that quote the supporting table.
@pytest.mark.parametrize(("pm25", "ratio"), [(5.0, 1.0587), (30.0, 1.2731), (60.0, 1.4794)])
def test_the_curve_of_all_adults_meets_worked_values(pm25, ratio):
    assert ratios(pm25)[0] == pytest.approx(ratio, abs=5e-5)


@pytest.mark.parametrize("age", ["25+", *AGES])
def test_every_age_follows_the_formula_with_its_own_theta(age):
    theta, se = tables.read("air_gemm").filter(age_group=age).select("theta", "theta_se").row(0)
    expected = [by_hand(40.0, t) for t in (theta, theta - 1.959964 * se, theta + 1.959964 * se)]
    assert ratios(40.0, age=age) == pytest.approx(expected, rel=1e-6)


def test_the_hazard_falls_with_age_as_in_the_published_table_and_all_adults_lie_within():
    table = tables.read("air_gemm")
    thetas = [table.filter(age_group=a)["theta"].item() for a in AGES]
    assert thetas == sorted(thetas, reverse=True)
    # All adults in one curve is a mean over ages, not the value of the youngest.
    assert thetas[-1] < table.filter(age_group="25+")["theta"].item() < thetas[0]


@given(st.floats(0, 2.4))
def test_at_and_below_the_counterfactual_nobody_dies_of_it(pm25):
    assert ratios(pm25) == (1.0, 1.0, 1.0)


@given(st.lists(st.floats(0, 300), min_size=2, max_size=20), st.sampled_from(["25+", *AGES]))
def test_dirtier_air_is_never_safer_and_bounds_enclose_the_estimate(values, age):
    found = health.hazard_ratio(sorted(values), age=age)
    assert found["hazard_ratio"].is_sorted()
    assert (found["hazard_ratio_lower"] <= found["hazard_ratio"]).all()
    assert (found["hazard_ratio"] <= found["hazard_ratio_upper"]).all()
    assert found["attributable_fraction"].is_between(0, 1).all()


def test_concentrations_outside_the_cohorts_are_flagged_and_unknown_ones_stay_unknown():
    found = health.hazard_ratio([1.0, 2.4, 83.7, 90.0, None, float("nan")])
    assert found["is_in_range"].to_list() == [False, True, True, False, None, None]
    assert found["reason"].to_list() == ["below_counterfactual", None, None, "above_range", "no_value", "no_value"]
    assert found["hazard_ratio"].null_count() == 2


def test_a_table_of_one_s_own_is_used():
    own = tables.read("air_gemm").with_columns(theta=pl.lit(0.0))
    assert ratios(60.0, table=own)[0] == 1.0


def test_every_coefficient_names_source_and_certainty():
    table = tables.read("air_gemm")
    assert table["mark"].is_in(["verified", "secondary", "from memory"]).all()
    assert table["source"].str.contains("doi:10.1073/pnas.1803222115").all()


# --- deaths -----------------------------------------------------------------------------------------------------------


def test_deaths_are_the_baseline_times_the_attributable_fraction():
    found = burden()
    assert found.deaths == pytest.approx(1000 * (1 - 1 / by_hand(60, 0.1430)))
    assert found.lower == pytest.approx(1000 * (1 - 1 / by_hand(60, 0.1430 - 1.959964 * 0.01807)), rel=1e-6)
    assert found.lower < found.deaths < found.upper and found.n == 1


def test_a_reference_is_compared_on_the_curve_and_cleaner_air_gains_nothing():
    found = burden(60, reference_ugm3=30)
    assert found.deaths == pytest.approx(1000 * (1 / by_hand(30, 0.1430) - 1 / by_hand(60, 0.1430)))
    assert burden(60, reference_ugm3=60).deaths == 0
    assert burden(20, reference_ugm3=35).deaths == 0
    # Concave: the first half of the way saves less than the second.
    assert found.deaths < burden(30).deaths


@settings(max_examples=40)
@given(st.floats(0, 200), st.floats(0, 1e5), st.floats(0.1, 10))
def test_deaths_grow_with_the_baseline_and_never_exceed_it(pm25, deaths, factor):
    one, more = burden(pm25, deaths), burden(pm25, deaths * factor)
    assert 0 <= one.lower <= one.deaths <= one.upper <= deaths
    assert more.deaths == pytest.approx(one.deaths * factor)


def test_the_total_is_the_sum_over_places_and_ages_with_bounds_that_add_up():
    exposed = pl.DataFrame({"adcode": ["a", "b"], "pm25_ugm3": [40.0, 70.0]})
    baseline = pl.DataFrame(
        {"adcode": ["a", "a", "b"], "age_group": ["60-64", "80+", "60-64"], "baseline_deaths": [10.0, 20, 30]}
    )
    found = health.attributable_deaths(exposed, baseline, baseline_source="synthetic")
    parts = [(10, 40, 0.1421), (20, 40, 0.1141), (30, 70, 0.1421)]
    assert found.deaths == pytest.approx(sum(d * (1 - 1 / by_hand(c, t)) for d, c, t in parts))
    assert found.upper == pytest.approx(found.by_group["attributable_deaths_upper"].sum())
    assert found.baseline_deaths == 60 and found.n == 3


def test_rates_and_people_give_the_deaths_that_counts_give():
    exposed = pl.DataFrame({"adcode": ["a", "b"], "pm25_ugm3": [40.0, 70.0]})
    rates = pl.DataFrame({"age_group": ["25+"], "death_rate_per_100k": [700.0]})
    people = pl.DataFrame({"adcode": ["a", "b"], "age_group": ["25+"] * 2, "population_persons": [1e6, 2e6]})
    counts = pl.DataFrame({"adcode": ["a", "b"], "age_group": ["25+"] * 2, "baseline_deaths": [7000.0, 14000.0]})
    one = health.attributable_deaths(exposed, rates, population=people, baseline_source="synthetic")
    other = health.attributable_deaths(exposed, counts, baseline_source="synthetic")
    assert one.deaths == pytest.approx(other.deaths)


def test_the_exposure_s_interval_is_told_apart_from_the_curve_s():
    exposed = pl.DataFrame({"adcode": ["a"], "pm25_ugm3": [60.0], "pm25_lower_ugm3": [50.0], "pm25_upper_ugm3": [70.0]})
    baseline = pl.DataFrame({"age_group": ["25+"], "baseline_deaths": [1000.0]})
    found = health.attributable_deaths(exposed, baseline, baseline_source="synthetic")
    assert found.exposure_lower == pytest.approx(1000 * (1 - 1 / by_hand(50, 0.1430)))
    assert found.exposure_upper == pytest.approx(1000 * (1 - 1 / by_hand(70, 0.1430)))
    assert found.lower == pytest.approx(burden().lower)
    assert burden().exposure_lower is None


def test_places_out_of_range_or_without_exposure_are_counted_and_can_be_left_out():
    exposed = pl.DataFrame({"adcode": ["a", "b", "c"], "pm25_ugm3": [60.0, 95.0, None]})
    baseline = pl.DataFrame({"adcode": ["a", "b", "c"], "age_group": ["25+"] * 3, "baseline_deaths": [1000.0] * 3})
    flagged = health.attributable_deaths(exposed, baseline, baseline_source="synthetic")
    assert (flagged.n, flagged.n_out_of_range, flagged.n_missing) == (2, 1, 1)
    left = health.attributable_deaths(exposed, baseline, baseline_source="synthetic", out_of_range="null")
    assert (left.n, left.n_out_of_range, left.n_missing) == (1, 0, 2)
    assert left.deaths == pytest.approx(burden().deaths) and left.baseline_deaths == 1000


def test_a_result_says_label_assumptions_and_what_its_interval_leaves_out():
    found = burden()
    assert found.baseline_source == "synthetic" and found.edition == "burnett-2018"
    assert any("long-term" in a for a in found.assumptions)
    assert any("baseline deaths" in a for a in found.not_included)
    tidy = found.tidy()
    assert tidy.height == 1 and tidy["attributable_deaths"].item() == found.deaths
    assert {"baseline_source", "level", "n", "n_out_of_range", "edition"} <= set(tidy.columns)


# --- bad input --------------------------------------------------------------------------------------------------------


def test_a_baseline_without_a_label_is_refused():
    exposed = pl.DataFrame({"adcode": ["a"], "pm25_ugm3": [60.0]})
    baseline = pl.DataFrame({"adcode": ["a"], "age_group": ["25+"], "baseline_deaths": [1.0]})
    with pytest.raises(DataError, match="baseline_source"):
        health.attributable_deaths(exposed, baseline, baseline_source=" ")


@pytest.mark.parametrize(
    ("ages", "deaths", "error", "message"),
    [
        (["0-4"], [1.0], UnknownNameError, "age group of GEMM"),
        (["25+", "60-64"], [1.0, 1.0], DataError, "counted twice"),
        (["25+", "25+"], [1.0, 1.0], DataError, "twice"),
        (["25+"], [-1.0], DataError, "0 or more"),
        (["25+"], [None], DataError, "0 or more"),
    ],
)
def test_a_baseline_that_cannot_be_is_refused(ages, deaths, error, message):
    exposed = pl.DataFrame({"adcode": ["a"], "pm25_ugm3": [60.0]})
    baseline = pl.DataFrame(
        {"adcode": ["a"] * len(ages), "age_group": ages, "baseline_deaths": deaths},
        schema_overrides={"baseline_deaths": pl.Float64},
    )
    with pytest.raises(error, match=message):
        health.attributable_deaths(exposed, baseline, baseline_source="synthetic")


def test_other_bad_input_is_refused_by_name():
    baseline = pl.DataFrame({"adcode": ["a"], "age_group": ["25+"], "baseline_deaths": [1.0]})
    days = pl.DataFrame({"adcode": ["a", "a"], "pm25_ugm3": [60.0, 70.0]})
    with pytest.raises(DataError, match="several exposures"):
        health.attributable_deaths(days, baseline, baseline_source="synthetic")
    with pytest.raises(DataError, match="no exposure"):
        health.attributable_deaths(days.head(1), baseline.with_columns(adcode=pl.lit("z")), baseline_source="synthetic")
    with pytest.raises(SchemaError, match="pm25_ugm3"):
        health.attributable_deaths(days.head(1).rename({"pm25_ugm3": "PM2.5"}), baseline, baseline_source="synthetic")
    with pytest.raises(SchemaError, match="population="):
        rates = baseline.rename({"baseline_deaths": "death_rate_per_100k"})
        health.attributable_deaths(days.head(1), rates, baseline_source="synthetic")
    with pytest.raises(SchemaError, match="baseline_deaths"):
        health.attributable_deaths(days.head(1), baseline.drop("baseline_deaths"), baseline_source="synthetic")
    with pytest.raises(DataError, match="each would get all of them"):
        two = pl.DataFrame({"adcode": ["a", "b"], "pm25_ugm3": [60.0, 70.0]})
        health.attributable_deaths(two, baseline.drop("adcode"), baseline_source="synthetic")
    with pytest.raises(DataError, match="0 or more"):
        health.hazard_ratio(-1.0)
    with pytest.raises(RangeError, match="level"):
        health.hazard_ratio(1.0, level=95)
    with pytest.raises(RangeError, match="reference"):
        burden(reference_ugm3=-1)
    with pytest.raises(UnknownNameError, match="flag"):
        burden(out_of_range="drop")
