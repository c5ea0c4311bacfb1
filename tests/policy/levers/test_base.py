from __future__ import annotations

import datetime as dt
import pickle
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from citylab import tables
from citylab.errors import DeclarationError, RangeError, SchemaError, UnknownNameError
from citylab.policy.levers import lever, levers
from citylab.policy.levers.base import STAGES, Lever, Prior, central_of, draw_of, priors_from, variants_of, vintages

PRIOR = Prior("demo", "share", "triangular", 0.1, 0.2, 0.4, "1", "an example", "2026", "from memory")


def declared(**values) -> Lever:
    given = {
        "id": "demo", "title_zh": "示例", "title_en": "Demo", "unit": "1", "low": 0.0, "high": 1.0, "step": 0.1,
        "default": 0.0, "stage": "demand", "touches": ("car_km",), "first_date": dt.date(2026, 1, 1),
        "apply": lambda *_: None, **values,
    }  # fmt: skip
    return Lever(**given)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 9), st.integers(0, 40), st.integers(1, 40))
def test_a_draw_is_the_same_however_draws_are_cut(seed, start, n):
    priors = lever("transit_fare").priors
    whole, variants = draw_of(priors, seed, 0, 80)
    part, its = draw_of(priors, seed, start, start + n)
    assert (its == variants[start : start + n]).all()
    for name, values in part.items():
        assert values.shape == (n, 1) and (values == whole[name][start : start + n]).all()


def test_what_is_one_quantity_of_the_city_is_drawn_alike_for_all_levers_and_nothing_else_is():
    drawn = {name: draw_of(lever(name).priors, 3, 0, 200)[0] for name in ("building_pv", "heat_pump", "storage")}
    panels, pumps, batteries = drawn.values()
    assert np.array_equal(panels["discount_rate"], pumps["discount_rate"])
    assert np.array_equal(panels["avoided_cny_kwh"], batteries["avoided_cny_kwh"])
    assert abs(np.corrcoef(pumps["life_years"][:, 0], batteries["life_years"][:, 0])[0, 1]) < 0.3


def test_each_draw_has_the_parameters_of_its_rival_model():
    values, variant = draw_of(lever("transit_fare").priors, 0, 0, 500)
    elasticity = values["elasticity"][:, 0]
    assert variants_of(lever("transit_fare").priors) == ["short run", "long run"]
    assert ((elasticity[variant == 0] >= -0.4) & (elasticity[variant == 0] <= -0.2)).all()
    assert ((elasticity[variant == 1] >= -0.9) & (elasticity[variant == 1] <= -0.6)).all()
    assert abs(variant.mean() - 0.5) < 4 * 0.5 / np.sqrt(500)
    assert central_of(lever("transit_fare").priors)["elasticity"].item() == -0.3


def test_a_prior_has_its_bounds_and_its_mean():
    u = (np.arange(10_000) + 0.5) / 10_000
    drawn = PRIOR.quantile(u)
    assert drawn.min() >= 0.1 and drawn.max() <= 0.4
    assert drawn.mean() == pytest.approx((0.1 + 0.2 + 0.4) / 3, rel=1e-4)  # mean of a triangular distribution
    choice = replace(PRIOR, distribution="choice").quantile(u)
    assert [round(float((choice == x).mean()), 2) for x in (0.1, 0.2, 0.4)] == [0.33, 0.33, 0.33]
    assert (replace(PRIOR, distribution="fixed").quantile(u) == 0.2).all()


def test_a_prior_that_cannot_be_is_refused():
    with pytest.raises(DeclarationError, match="not ordered"):
        replace(PRIOR, central=0.5)
    with pytest.raises(DeclarationError, match="'normal'"):
        replace(PRIOR, distribution="normal")
    odd = [replace(PRIOR, variant="a"), replace(PRIOR, parameter="other", variant="b")]
    with pytest.raises(DeclarationError, match="none for variant 'b'"):
        draw_of(odd, 0, 0, 2)


def test_a_bound_that_is_no_number_and_a_row_that_stands_twice_are_refused():
    with pytest.raises(DeclarationError, match="high inf; expected a finite number"):
        replace(PRIOR, high=float("inf"))
    with pytest.raises(DeclarationError, match="low 'a'"):
        replace(PRIOR, low="a")
    with pytest.raises(DeclarationError, match="stands 2 times"):
        draw_of([PRIOR, replace(PRIOR, low=0.15)], 0, 0, 2)
    twice = [replace(PRIOR, variant="a"), replace(PRIOR, variant="a"), replace(PRIOR, variant="b")]
    with pytest.raises(DeclarationError, match="2 times for variant 'a'"):
        draw_of(twice, 0, 0, 2)


def test_a_table_of_priors_is_read_back_and_a_broken_one_named():
    table = tables.read("lever_priors")
    own = table.filter(pl.col("lever") == "building_pv")
    assert priors_from(own.lazy()) == priors_from(own) == lever("building_pv").priors
    with pytest.raises(SchemaError, match="priors_from needs column 'low'"):
        priors_from(own.drop("low"))
    with pytest.raises(SchemaError, match="'low' is String"):
        priors_from(own.with_columns(low=pl.lit("x")))
    with pytest.raises(DeclarationError, match="yield_kwh_kwp of lever_priors has low None"):
        priors_from(own.with_columns(low=pl.lit(None, pl.Float64)))


def test_a_value_may_be_any_kind_of_number_within_bounds():
    for value in (1, 0.5, np.float32(0.5), np.int64(1)):
        assert declared().check(value) == float(value)


def test_a_lever_that_cannot_be_is_refused():
    with pytest.raises(DeclarationError, match="stage 'soon'"):
        declared(stage="soon")
    with pytest.raises(DeclarationError, match="low <= default <= high"):
        declared(default=2.0)
    with pytest.raises(UnknownNameError, match="'car_km'"):
        declared(touches=("car_kms",))
    for value in (2, -0.1, float("nan"), True, "1"):
        with pytest.raises(RangeError, match="from 0 to 1"):
            declared().check(value)


def test_every_lever_travels_to_a_worker():
    for one in levers().values():
        again = pickle.loads(pickle.dumps(one))
        assert again.id == one.id and again.apply is one.apply and dict(again.joint) == dict(one.joint)


def test_levers_come_in_the_order_in_which_they_act():
    stages = [STAGES.index(one.stage) for one in levers().values()]
    assert stages == sorted(stages) and len(stages) >= 12
    with pytest.raises(UnknownNameError, match="'building_pv'"):
        lever("building_p")


@given(st.lists(st.floats(0, 10), min_size=1, max_size=12), st.sampled_from([0.0, 1.0, 2.0]))
@example([5.9e-298, 4.3e-306], 0.0)
def test_vintages_sum_to_what_stands_beyond_the_default(path, default):
    standing = vintages(path, default)
    assert sum(amount for amount, _ in standing) == pytest.approx(path[-1] - default, abs=1e-12)
    ages = [age for _, age in standing]
    assert ages == sorted(set(ages), reverse=True) and all(0 <= age < len(path) for age in ages)
    assert len({amount > 0 for amount, _ in standing}) <= 1, "above or below the default, never both"


def test_what_has_come_and_gone_leaves_nothing_and_the_other_side_begins_anew():
    assert vintages([0.3, 0.1, 0.0], 0.0) == []
    assert vintages([2.0, 0.5], 1.0) == [(-0.5, 0)]
