"""What is carried from one division of the land to another adds up to what it was."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citylab import places
from citylab.errors import DataError, RangeError, SchemaError
from citylab.places import carry_over, crosswalk

# A hand-made reform: a is split 2 to 1, its smaller part joins b; c stays.
REFORM = pl.DataFrame(
    {"from_adcode": ["a", "a", "b", "c"], "to_adcode": ["n", "m", "m", "c"], "share": [2 / 3, 1 / 3, 1.0, 1.0]}
)


def test_a_split_and_a_merger_give_the_figures_reckoned_by_hand():
    people = pl.DataFrame({"adcode": ["a", "b", "c"], "population_persons": [900, 400, 50]})
    told = carry_over(people, REFORM, "population_persons")
    # a: 900 · 2/3 = 600 to n, 300 to m; with b 400: m 700.
    assert dict(told.iter_rows()) == pytest.approx({"c": 50, "m": 700, "n": 600})


@given(
    st.lists(
        st.tuples(st.floats(0, 1e9), st.lists(st.floats(0.01, 1), min_size=1, max_size=6)), min_size=1, max_size=12
    )
)
def test_any_split_and_merger_keeps_the_total(units: list[tuple[float, list[float]]]):
    rows = [
        (f"o{i}", f"n{(i + j) % 7}", part / sum(parts))
        for i, (_, parts) in enumerate(units)
        for j, part in enumerate(parts)
    ]
    walk = pl.DataFrame(rows, schema=["from_adcode", "to_adcode", "share"], orient="row")
    frame = pl.DataFrame({"adcode": [f"o{i}" for i in range(len(units))], "co2_t": [value for value, _ in units]})
    told = carry_over(frame, walk, "co2_t")["co2_t"].sum()
    assert told == pytest.approx(frame["co2_t"].sum(), rel=1e-9, abs=1e-9)


def test_keys_are_kept_apart_and_a_gap_stays_a_gap():
    frame = pl.DataFrame({"adcode": ["a", "b", "a", "b"], "year": [2010, 2010, 2020, 2020], "x": [3.0, 1.0, 6.0, None]})
    told = carry_over(frame.lazy(), REFORM, "x", keys=["year"]).collect()
    assert {r[:2]: r[2] for r in told.iter_rows()} == pytest.approx(
        {("m", 2010): 2.0, ("n", 2010): 2.0, ("m", 2020): None, ("n", 2020): 4.0}
    )


def test_a_value_that_is_nan_is_a_gap_and_a_year_may_be_named_alone():
    frame = pl.DataFrame({"adcode": ["a", "b", "c"], "year": [2020] * 3, "x": [3.0, float("nan"), 0.0]})
    told = carry_over(frame, REFORM, "x", keys="year")
    # m is a third of a and all of b, which is not known; n two thirds of a; c is empty of people, not of figures.
    assert told.rows() == [("c", 2020, 0.0), ("m", 2020, None), ("n", 2020, pytest.approx(2.0))]


@pytest.mark.parametrize("name", ["to_adcode", "from_adcode", "share"])
def test_names_of_the_crosswalk_in_the_frame_change_nothing(name: str):
    # A table that was carried over once before may well call its codes to_adcode.
    people = pl.DataFrame({"adcode": ["a", "b", "c"], "population_persons": [900, 400, 50]})
    plain = carry_over(people, REFORM, "population_persons")
    assert carry_over(people.rename({"adcode": name}), REFORM, "population_persons", place=name).rows() == plain.rows()
    keyed = carry_over(people.with_columns(pl.lit(7).alias(name)), REFORM, "population_persons", keys=name)
    assert keyed.drop(name).rows() == plain.rows()
    amounts = people.rename({"population_persons": name})
    assert carry_over(amounts, REFORM, name).rows() == plain.rows()


def test_a_reform_undone_gives_the_old_figures_back():
    # Of m, which holds 300 from a and 400 from b, three sevenths go back to a.
    people = pl.DataFrame({"adcode": ["a", "b", "c"], "population_persons": [900.0, 400.0, 50.0]})
    back = pl.DataFrame({"from_adcode": ["n", "m", "m", "c"], "to_adcode": ["a", "a", "b", "c"],
                         "share": [1.0, 3 / 7, 4 / 7, 1.0]})  # fmt: skip
    again = carry_over(carry_over(people, REFORM, "population_persons"), back, "population_persons")
    assert again["population_persons"].to_list() == pytest.approx([900, 400, 50], rel=1e-12)


def test_the_districts_of_2010_become_the_sixteen_of_today():
    walk = crosswalk(before="2010-06-27")
    assert walk.height == 18
    assert sorted(set(walk["to_adcode"])) == places.districts().collect()["adcode"].to_list()
    assert walk["to_adcode"].to_list() == [places.to_current(code) for code in walk["from_adcode"]]
    # The division before the mergers and renamings of the 1990s ends in the same sixteen.
    assert set(crosswalk(before="1990-01-01")["to_adcode"]) == set(walk["to_adcode"])


def test_a_crosswalk_of_one_day_moves_nothing_and_stops_at_its_day():
    same = crosswalk(before="2012-01-01", after="2012-01-01")
    assert (same["from_adcode"] == same["to_adcode"]).all()
    # 密云县 became 密云区 in November 2015: not yet in 2012.
    assert dict(crosswalk(before="2010-06-27", after="2012-01-01").drop("share").iter_rows())["110228"] == "110228"
    assert dict(crosswalk(before="2010-06-27", after="2016-01-01").drop("share").iter_rows())["110228"] == "110118"


@pytest.mark.parametrize(
    ("walk", "error", "said"),
    [
        (REFORM.with_columns(pl.col("share") * 100), DataError, "Shares of 3 old units do not add up to 1"),
        (REFORM.head(1), DataError, "do not add up to 1"),
        (pl.concat([REFORM, REFORM.tail(1)]), DataError, "more than once"),
        (REFORM.with_columns(share=pl.lit(None, dtype=pl.Float64)), DataError, "lack a code, or a share above 0"),
        (REFORM.drop("share"), SchemaError, r"needs the columns \['share'\]"),
        (REFORM.clear(), DataError, "has no rows"),
    ],
)
def test_a_crosswalk_that_would_not_keep_totals_is_refused(walk: pl.DataFrame, error: type[Exception], said: str):
    with pytest.raises(error, match=said):
        carry_over(pl.DataFrame({"adcode": ["a"], "x": [1.0]}), walk, "x")


@pytest.mark.parametrize(
    ("frame", "error", "said"),
    [
        (pl.DataFrame({"adcode": ["a", "z"], "x": [1.0, 2.0]}), DataError, "does not know 1 places, first 'z'"),
        (pl.DataFrame({"adcode": ["a", "a"], "x": [1.0, 2.0]}), DataError, "more than once"),
        (pl.DataFrame({"adcode": ["a"], "x": ["1"]}), SchemaError, "needs numbers"),
        (pl.DataFrame({"adcode": ["a", None], "x": [1.0, 2.0]}), DataError, "'adcode' is empty in 1 rows"),
        (pl.DataFrame({"adcode": ["a"], "x": [float("inf")]}), DataError, "infinite amount"),
    ],
)
def test_figures_that_would_be_lost_or_counted_twice_are_refused(
    frame: pl.DataFrame, error: type[Exception], said: str
):
    with pytest.raises(error, match=said):
        carry_over(frame, REFORM, "x")


def test_days_that_cannot_be_are_refused():
    with pytest.raises(RangeError, match="Swap the two days"):
        crosswalk(before="2016-01-01", after="2010-01-01")
    with pytest.raises(RangeError, match="'2010' is no day; expected year, month and day"):
        crosswalk(before="2010")
    with pytest.raises(RangeError, match="begins on 1987-01-01"):
        crosswalk(before="1980-01-01")
    # A moment of a day means the day.
    assert crosswalk(before=datetime(2010, 6, 27, 12)).equals(crosswalk(before=date(2010, 6, 27)))
