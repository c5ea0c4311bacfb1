"""Mode choice: the likelihood is statsmodels', planted coefficients come back, what cannot be estimated is refused."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.incentive import synthetic_trips
from citylab import tables
from citylab.catalog import loading
from citylab.errors import DataError, RangeError, RefusalError, SchemaError, UnknownNameError
from citylab.policy.inclusive import choice

HOUSEHOLDS = 300


@pytest.fixture(scope="module")
def trips() -> pl.DataFrame:
    return synthetic_trips(HOUSEHOLDS, seed=1)


@pytest.fixture(scope="module")
def model(trips: pl.DataFrame) -> choice.ModeChoice:
    return choice.mode_choice(trips, place="planted", vintage="synthetic")


TWO = pl.DataFrame(
    {
        "coefficient": ["constant_car", "time_car", "time_car"],
        "mode": ["car", "car", "walk"],
        "column": [None, "dur_car_h", "dur_walk_h"],
        "equals": [None, None, None],
        "role": ["constant", "time", "time"],
        "expected_sign": [None, -1, -1],
    }
)


# the likelihood


def test_coefficients_and_likelihood_are_those_of_statsmodels_conditional_logit(trips: pl.DataFrame) -> None:
    from statsmodels.discrete.conditional_models import ConditionalLogit

    sample = trips.head(400)
    ours = choice.mode_choice(sample, cluster=None, signs="report")
    built = choice.design_array(sample, ours.terms, ours.modes)
    picked = (sample["mode"].to_numpy()[:, None] == np.array(ours.modes)).astype(int)
    groups = np.repeat(np.arange(len(sample)), len(ours.modes))
    theirs = ConditionalLogit(picked.ravel(), built.reshape(-1, len(ours.names)), groups=groups)
    fitted = theirs.fit(method="BFGS", maxiter=500, gtol=1e-6, disp=False)
    # One likelihood, with its maximum at our coefficients; their search ends a little short of it.
    assert theirs.loglike(ours.values) == pytest.approx(ours.loglike, abs=1e-9)
    assert np.abs(theirs.score(ours.values)).max() < 1e-6
    assert 0 <= ours.loglike - fitted.llf < 1e-4
    np.testing.assert_allclose(ours.values, fitted.params, rtol=1e-3)
    np.testing.assert_allclose(ours.se_classical, fitted.bse, rtol=1e-3)


def test_gradient_and_hessian_are_the_derivatives_of_the_likelihood(trips: pl.DataFrame) -> None:
    from statsmodels.tools.numdiff import approx_fprime

    sample, london = trips.head(60), choice.london()
    built = choice.design_array(sample, london.terms, london.modes)
    picked = sample["mode"].replace_strict(london.modes, range(4), return_dtype=pl.Int64).to_numpy()
    problem = choice._likelihood()(picked, built, london.names)
    at = 0.5 * london.values
    slope, bend = (approx_fprime(at, f, centered=True) for f in (problem.loglike, problem.score))
    np.testing.assert_allclose(problem.score(at), slope, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(problem.hessian(at), bend, rtol=1e-5, atol=1e-4)


def test_with_constants_alone_the_probabilities_are_the_shares_of_the_sample(trips: pl.DataFrame) -> None:
    constants = tables.read("inclusive_behaviour_terms").filter(pl.col("role") == "constant")
    walking = constants.head(1).with_columns(coefficient=pl.lit("still"), mode=pl.lit("walk"), role=pl.lit("person"),
                                             column=pl.lit("zero"))  # fmt: skip
    # The reference mode needs a term to be known: a column that differs between trips but not by choice.
    noise = np.random.default_rng(0).normal(size=trips.height)
    terms = pl.concat([constants, walking])
    fitted = choice.mode_choice(trips.with_columns(zero=noise), terms=terms, cluster=None)
    shares = trips["mode"].value_counts(normalize=True)
    told = fitted.probabilities(trips.with_columns(zero=noise))
    for mode, share in shares.iter_rows():
        assert told[f"probability_{mode}"].mean() == pytest.approx(share, abs=1e-9)


def test_expected_shares_of_the_sample_are_the_observed_ones(trips: pl.DataFrame, model: choice.ModeChoice) -> None:
    # The gradient by a mode's constant is observed minus expected trips: 0 at the maximum.
    told = model.probabilities(trips)
    for mode in model.modes:
        assert told[f"probability_{mode}"].sum() == pytest.approx((trips["mode"] == mode).sum(), abs=1e-5)
    assert told.select(pl.sum_horizontal(pl.selectors.starts_with("probability_")) - 1).to_series().abs().max() < 1e-12


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-700, 700), min_size=2, max_size=6), st.floats(-700, 700))
def test_probabilities_add_up_to_one_and_ignore_what_all_modes_share(values: list[float], shift: float) -> None:
    p = choice.logit(np.array(values))
    assert p.sum() == pytest.approx(1)
    np.testing.assert_allclose(choice.logit(np.array(values) + shift), p, atol=1e-9)


def test_a_lazy_frame_gives_what_a_dataframe_gives(trips: pl.DataFrame, model: choice.ModeChoice) -> None:
    lazy = model.probabilities(trips.lazy())
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect().equals(model.probabilities(trips))
    np.testing.assert_array_equal(choice.mode_choice(trips.lazy()).values, model.values)


# what comes back


def test_planted_coefficients_lie_within_four_standard_errors(model: choice.ModeChoice) -> None:
    planted = choice.london()
    z = (model.values - planted.values) / np.sqrt(np.diag(model.covariance))
    assert np.abs(z).max() < 4


def test_errors_clustered_by_household_are_wider_where_members_decide_alike() -> None:
    # Each trip twice is no more knowledge: clustered errors stay, robust ones shrink by the root of 2. Only the usual
    # correction for few trips, (n - 1) / (n - k) with k = 10 coefficients, differs between n = 200 and n = 400.
    once = synthetic_trips(200, seed=3, each=1)
    twice = pl.concat([once, once])
    one, two = (choice.mode_choice(t, signs="report") for t in (once, twice))
    np.testing.assert_allclose(np.diag(two.covariance), np.diag(one.covariance) * (399 / 390) / (199 / 190), rtol=1e-5)
    np.testing.assert_allclose(two.se_robust, one.se_robust / math.sqrt(2), rtol=1e-4)


def test_the_value_of_time_is_the_ratio_of_the_coefficients_and_lies_in_its_interval(model: choice.ModeChoice) -> None:
    told = choice.value_of_time(model, seed=2)
    assert told["coefficient"].to_list() == ["time_walk", "time_cycle", "time_transit", "time_car"]
    row = told.filter(coefficient="time_car").row(0, named=True)
    assert row["value"] == pytest.approx(model.value("time_car") / model.value("cost"))
    assert told.filter((pl.col("low") >= pl.col("value")) | (pl.col("value") >= pl.col("high"))).is_empty()


def test_money_counted_in_pence_gives_the_same_value_of_time_and_the_same_likelihood(trips: pl.DataFrame) -> None:
    pence = trips.with_columns(pl.selectors.starts_with("cost_") * 100)
    a, b = choice.mode_choice(trips), choice.mode_choice(pence)
    assert b.loglike == pytest.approx(a.loglike, abs=1e-6)
    assert b.value("cost") * 100 == pytest.approx(a.value("cost"), rel=1e-6)


# elasticities


def test_a_point_elasticity_is_the_limit_of_the_arc_elasticity(trips: pl.DataFrame, model: choice.ModeChoice) -> None:
    point = choice.elasticities(model, trips, attributes=["dur_transit_h"], n_draws=40)
    arc = choice.elasticities(model, trips, attributes=["dur_transit_h"], kind="arc", change=1e-6, n_draws=40)
    np.testing.assert_allclose(point["elasticity"], arc["elasticity"], rtol=1e-4, atol=1e-6)


def test_an_own_elasticity_of_one_trip_is_coefficient_times_value_times_one_minus_probability() -> None:
    # Train (2009), section 3.6: E = β x (1 - P), cross: -β x P.
    london = choice.london()
    one = synthetic_trips(1, seed=5, each=1)
    p = london.probabilities(one)["probability_car"].item()
    told = choice.elasticities(london, one, attributes=["dur_car_h"], n_draws=40)
    effect = london.value("time_car") * one["dur_car_h"].item()
    assert told.filter(mode="car")["elasticity"].item() == pytest.approx(effect * (1 - p))
    assert told.filter(mode="walk")["elasticity"].item() == pytest.approx(-effect * p)
    assert told.filter("is_own")["mode"].to_list() == ["car"]


def test_what_one_mode_loses_the_others_gain(trips: pl.DataFrame, model: choice.ModeChoice) -> None:
    # Σ Q is fixed, so Σ Q·E = 0 for any attribute.
    told = choice.elasticities(model, trips, n_draws=40)
    p = model.probabilities(trips)
    for _, rows in told.group_by("attribute"):
        moved = sum(p[f"probability_{m}"].sum() * e for m, e in rows.select("mode", "elasticity").iter_rows())
        assert moved == pytest.approx(0, abs=1e-9 * trips.height)


def test_krinsky_robb_and_the_delta_method_agree_on_the_spread_of_an_elasticity(
    trips: pl.DataFrame, model: choice.ModeChoice
) -> None:
    from statsmodels.tools.numdiff import approx_fprime

    def own(values: np.ndarray) -> float:
        p = choice.logit(built @ values)
        x = trips["dur_transit_h"].to_numpy() * values[model.names.index("time_transit")]
        at = model.modes.index("transit")
        return float((p[:, at] * (1 - p[:, at]) * x).sum() / p[:, at].sum())

    built = choice.design_array(trips, model.terms, model.modes)
    gradient = approx_fprime(model.values, own, centered=True)
    se = math.sqrt(gradient @ model.covariance @ gradient)
    told = choice.elasticities(model, trips, attributes=["dur_transit_h"], n_draws=1000, seed=4).filter(mode="transit")
    # 1000 draws: the ends of a 95 % interval are known to some 6 % of the standard error.
    assert (told["high"] - told["low"]).item() / (2 * 1.96) == pytest.approx(se, rel=0.12)


# London


def test_the_shipped_fit_is_what_its_recipe_makes_of_the_trips(mirror: Path) -> None:
    trips = loading.load("lpmc__yearly_trip_modechoice")
    made, shipped = choice.london_table(trips), tables.read("inclusive_behaviour_london")
    assert made.columns == shipped.columns
    for name in made.columns:
        if made[name].dtype == pl.Float64:
            np.testing.assert_allclose(made[name], shipped[name], rtol=1e-6, atol=1e-9)
        else:
            assert made[name].to_list() == shipped[name].to_list()


def test_londons_table_goes_there_and_back() -> None:
    model = choice.london()
    again = choice.from_table(choice.to_table(model))
    np.testing.assert_array_equal(again.covariance, model.covariance)
    assert again.tidy().equals(model.tidy())
    assert model.tidy().filter(pl.col("value") * pl.col("expected_sign") < 0).is_empty()
    assert np.linalg.eigvalsh(model.covariance)[0] > 0


def test_the_model_foretells_more_trips_of_unseen_households_than_their_shares_do(trips: pl.DataFrame) -> None:
    told = choice.held_out(trips, seed=0)
    model, shares = told.row(by_predicate=pl.col("predictor") == "model", named=True), told.filter(predictor="shares")
    assert model["hit_share_low"] > shares["hit_share"].item()
    assert model["log_loss"] < shares["log_loss"].item()
    assert model["household_count"] == HOUSEHOLDS * 0.2


def test_the_embedded_groups_of_trips_give_no_model() -> None:
    groups = loading.load("lpmc__yearly_tripgroup_modechoice").collect()
    repeated = groups[np.repeat(np.arange(groups.height), groups["trip_count"].to_numpy())]
    london = choice.london()
    assert repeated.height == london.trip_count
    of_means = choice.mode_choice(repeated, cluster=None, signs="report")
    assert of_means.value("cost") < 10 * london.value("cost")


# refusals


def test_separated_trips_are_refused_and_called_so() -> None:
    # Whoever would drive less than an hour drives, all others walk: any larger coefficient fits better.
    hours = [0.1 * i for i in range(1, 21)]
    modes = ["car" if h < 1 else "walk" for h in hours]
    told = pl.DataFrame({"mode": modes, "dur_car_h": hours, "dur_walk_h": [1.0] * 20})
    with pytest.raises(RefusalError, match="separated"):
        choice.mode_choice(told, terms=TWO, cluster=None)


def test_a_mode_that_is_never_chosen_is_refused_by_name(trips: pl.DataFrame) -> None:
    with pytest.raises(RefusalError, match="'cycle' is never chosen"):
        choice.mode_choice(trips.filter(pl.col("mode") != "cycle"))


def test_a_mode_without_terms_is_named(trips: pl.DataFrame) -> None:
    first = pl.int_range(pl.len()) == 0
    with pytest.raises(UnknownNameError, match="'tram'"):
        choice.mode_choice(trips.with_columns(mode=pl.when(first).then(pl.lit("tram")).otherwise("mode")))


def test_a_wrong_sign_is_refused_and_can_be_looked_at(trips: pl.DataFrame) -> None:
    turned = trips.with_columns(dur_car_h=5 - pl.col("dur_car_h"))
    with pytest.raises(RefusalError, match="time_car is"):
        choice.mode_choice(turned)
    assert choice.mode_choice(turned, signs="report").value("time_car") > 0


def test_collinear_terms_are_refused(trips: pl.DataFrame) -> None:
    terms = tables.read("inclusive_behaviour_terms")
    again = terms.filter(coefficient="time_car").with_columns(coefficient=pl.lit("again"))
    with pytest.raises(RefusalError, match="collinear"):
        choice.mode_choice(trips, terms=pl.concat([terms, again]))


@pytest.mark.parametrize("bad", [None, math.nan, math.inf, -0.1])
def test_a_time_that_cannot_be_is_named_with_its_row(trips: pl.DataFrame, bad: float | None) -> None:
    spoilt = trips.with_columns(
        dur_car_h=pl.when(pl.int_range(pl.len()) == 7).then(pl.lit(bad, pl.Float64)).otherwise("dur_car_h")
    )
    with pytest.raises(DataError, match=r"'dur_car_h'.*row 7"):
        choice.mode_choice(spoilt)


def test_missing_columns_text_and_modes_that_are_empty_are_told(trips: pl.DataFrame) -> None:
    with pytest.raises(SchemaError, match="dur_car_h"):
        choice.mode_choice(trips.drop("dur_car_h"))
    with pytest.raises(SchemaError, match="needs numbers"):
        choice.mode_choice(trips.with_columns(pl.col("dur_car_h").cast(pl.String)))
    with pytest.raises(DataError, match="'mode' is missing"):
        choice.mode_choice(trips.with_columns(mode=pl.lit(None, pl.String)))
    with pytest.raises(SchemaError, match="probabilities needs column"):
        choice.london().probabilities(trips.lazy().drop("dur_car_h"))


def test_few_households_and_no_trips_are_refused(trips: pl.DataFrame) -> None:
    with pytest.raises(RefusalError, match="too few"):
        choice.mode_choice(trips.filter(pl.col("household_id").cast(pl.Int64) < 20))
    with pytest.raises(RefusalError, match="no trips"):
        choice.mode_choice(trips.clear())


def test_an_unknown_attribute_a_change_of_nothing_and_a_share_of_one_are_refused(
    trips: pl.DataFrame, model: choice.ModeChoice
) -> None:
    with pytest.raises(UnknownNameError, match="cost_bus"):
        choice.elasticities(model, trips, attributes=["cost_bus"])
    with pytest.raises(RangeError, match="change is 0"):
        choice.elasticities(model, trips, kind="arc", change=0)
    with pytest.raises(RangeError, match="share is 1"):
        choice.held_out(trips, share=1)
    with pytest.raises(RangeError, match="level is 2"):
        model.tidy(level=2)


def test_without_a_cost_nothing_is_said_in_money(trips: pl.DataFrame) -> None:
    terms = tables.read("inclusive_behaviour_terms").filter(pl.col("role") != "cost")
    plain = choice.mode_choice(trips, terms=terms)
    with pytest.raises(RefusalError, match="cost"):
        choice.value_of_time(plain)
