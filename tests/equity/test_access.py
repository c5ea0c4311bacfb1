from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import space_access as bench
from benchmarks.measure import agree
from citylab import tables
from citylab.equity.access import (
    DECAYS,
    Decay,
    Method,
    access,
    group_access,
    methods,
    provider_ratio,
    with_people,
)
from citylab.equity.inequality import inequality
from citylab.errors import DataError, RangeError, SchemaError, UnitError, UnknownNameError

KEEPING: tuple[Method, ...] = ("2sfca", "3sfca", "balanced")
EVERY: tuple[Method, ...] = (*KEEPING, "bfca", "opportunities")


# ------------------------------------------------------------------------------------------------ published results

DOCTORS = pl.DataFrame({"place": ["1", "2", "3"], "supply": [15, 20, 100]})
TRACTS = pl.DataFrame({"place": ["1", "2", "3"], "demand": [100, 50, 10]})


def hospital(inbound: float, outbound: float, across: float) -> pl.DataFrame:
    """Costs of three tracts: 1 within each, to and from the third its own, between the first two `across`."""
    to = {("1", "3"): inbound, ("2", "3"): inbound, ("3", "1"): outbound, ("3", "2"): outbound,
          ("1", "2"): across, ("2", "1"): across}  # fmt: skip
    pairs = [(a, b, to.get((a, b), 1.0)) for a in "123" for b in "123"]
    return pl.DataFrame(pairs, schema=["from", "to", "cost"], orient="row")


BINARY, STEPS = Decay.steps({40: 1}), Decay.steps({10: 1, 30: 0.68, 61: 0.22})
GRAVITY, EVERYWHERE = Decay.power(1, upper=61), Decay.power(1)
# PySAL access 1.1.10 on its own test case test_hospital_example, and by plain NumPy to six digits.
PUBLISHED = {
    (40, 40, 80): [(0.761364, 0.958333, 1.094697), (0.658399, 0.894770, 2.442162), (0.331444, 0.579828, 7.286418),
                   (0.156257, 0.406216, 9.906352)],
    (20, 40, 80): [(0.761364, 0.958333, 1.094697), (0.753914, 0.990285, 1.009438), (0.435340, 0.683724, 5.727977),
                   (0.173814, 0.423772, 9.643002)],
    (40, 20, 80): [(0.761364, 0.958333, 1.094697), (0.652077, 0.863741, 2.660524), (0.331072, 0.577858, 7.299992),
                   (0.156526, 0.406373, 9.902877)],
    (20, 20, 40): [(0.843750, 0.843750, 0.843750), (0.790315, 0.888964, 1.152033), (0.442568, 0.666758, 5.740525),
                   (0.174802, 0.424036, 9.631801)],
}  # fmt: skip
COLUMNS: list[dict[str, Any]] = [
    {"decay": BINARY}, {"decay": STEPS}, {"decay": GRAVITY},
    {"method": "3sfca", "decay": GRAVITY, "selection": EVERYWHERE},
]  # fmt: skip


@pytest.mark.parametrize("costs", PUBLISHED)
@pytest.mark.parametrize("at", range(4), ids=["2sfca", "e2sfca", "gravity", "3sfca"])
def test_three_tracts_with_asymmetric_costs_have_the_published_access(
    costs: tuple[float, float, float], at: int
) -> None:
    found = access(TRACTS, DOCTORS, hospital(*costs), **COLUMNS[at])
    assert found["access"].to_list() == pytest.approx(PUBLISHED[costs][at], abs=1e-6)
    assert (found["access"] * TRACTS["demand"]).sum() == pytest.approx(135, rel=1e-12)


def test_the_way_there_counts_and_not_the_way_back() -> None:
    ways = pl.DataFrame({"from": ["a", "b"], "to": ["b", "a"], "cost": [5.0, 50.0]})
    people = pl.DataFrame({"place": ["a", "b"], "demand": [10, 10]})
    found = access(people, pl.DataFrame({"place": ["a", "b"], "supply": [1, 4]}), ways, decay="within_30")
    # From a to b 5 minutes: b's supply of 4 over a's demand of 10. From b to a 50: nothing.
    assert found["access"].to_list() == [0.4, 0.0]
    assert found["note"].to_list() == [None, "nothing_in_reach"]


# ------------------------------------------------------------------------------------------------------- invariants


@st.composite
def cities(draw: st.DrawFn) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    n, m = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    size = st.integers(0, 500)
    people = draw(st.lists(size, min_size=n, max_size=n).filter(any))
    supply = draw(st.lists(size, min_size=m, max_size=m))
    minutes = st.one_of(st.none(), st.floats(0.5, 60))
    costs = draw(st.lists(minutes, min_size=n * m, max_size=n * m).filter(lambda c: any(x is not None for x in c)))
    ways = [(f"p{k // m}", f"s{k % m}", c) for k, c in enumerate(costs) if c is not None]
    return (
        pl.DataFrame({"place": [f"p{i}" for i in range(n)], "demand": people}),
        pl.DataFrame({"place": [f"s{j}" for j in range(m)], "supply": supply}),
        pl.DataFrame(ways, schema={"from": pl.String, "to": pl.String, "cost": pl.Float64}, orient="row"),
    )


DECAY = st.sampled_from(["within_15", "luo_qi_30", "dai_60", "inverse_60"])


@given(cities(), DECAY, st.sampled_from(KEEPING))
@settings(max_examples=50, deadline=None)
def test_access_times_demand_is_the_supply_that_any_demand_reaches(
    city: tuple[pl.DataFrame, ...], decay: str, method: Method
) -> None:
    people, supply, ways = city
    found = access(*city, method=method, decay=decay)
    ratio = provider_ratio(*city, method=method, decay=decay)
    given_out = (found["access"] * people["demand"]).filter(people["demand"] > 0).sum()
    reached = ratio.filter(pl.col("note").is_null())["supply"].sum()
    assert given_out == pytest.approx(reached, rel=1e-9, abs=1e-9)
    # By another way: supplies to which a place with people has a way that counts.
    counts = ways.join(people.filter(pl.col("demand") > 0), left_on="from", right_on="place").filter(
        Decay.declared(decay).weight(ways.join(people.filter(pl.col("demand") > 0), left_on="from", right_on="place")
                                     ["cost"].to_numpy()) > 0)["to"]  # fmt: skip
    assert reached == pytest.approx(supply.filter(pl.col("place").is_in(counts.implode()))["supply"].sum())


@given(cities(), DECAY, st.sampled_from(["balanced", "bfca"]))
@settings(max_examples=30, deadline=None)
def test_balanced_demand_is_counted_once_and_not_once_per_supply(
    city: tuple[pl.DataFrame, ...], decay: str, method: Method
) -> None:
    found = access(*city, method=method, decay=decay).join(city[0], on="place")
    ratio = provider_ratio(*city, method=method, decay=decay)
    assert ratio["weighted_demand"].sum() == pytest.approx(found.filter(pl.col("n_in_reach") > 0)["demand"].sum())


@given(cities(), DECAY)
@settings(max_examples=30, deadline=None)
def test_access_of_the_balanced_one_of_paez_adds_up_to_the_ratios(city: tuple[pl.DataFrame, ...], decay: str) -> None:
    found = access(*city, method="bfca", decay=decay)
    if found["note"].eq("no_demand").any():
        return
    ratio = provider_ratio(*city, method="bfca", decay=decay)
    assert found["access"].sum() == pytest.approx(ratio["ratio"].sum(), rel=1e-9, abs=1e-12)


@given(cities(), DECAY, st.sampled_from(EVERY))
@settings(max_examples=40, deadline=None)
def test_access_is_twice_as_high_with_twice_the_supply_and_does_not_hang_on_the_order_of_rows(
    city: tuple[pl.DataFrame, ...], decay: str, method: Method
) -> None:
    people, supply, ways = city
    plain = access(*city, method=method, decay=decay)
    double = access(
        people.reverse(), supply.reverse().with_columns(pl.col("supply") * 2), ways.reverse(), method=method,
        decay=decay,
    ).reverse()  # fmt: skip
    assert double["place"].equals(plain["place"])
    assert double["note"].equals(plain["note"])
    assert double["access"].to_list() == pytest.approx([None if a is None else 2 * a for a in plain["access"]])


@given(cities(), DECAY)
@settings(max_examples=30, deadline=None)
def test_a_dense_matrix_gives_the_same_access(city: tuple[pl.DataFrame, ...], decay: str) -> None:
    people, supply, ways = city
    row = {p: i for i, p in enumerate(people["place"])}
    column = {p: i for i, p in enumerate(supply["place"])}
    w = np.zeros((len(row), len(column)))
    for (a, b, _), weight in zip(ways.rows(), Decay.declared(decay).weight(ways["cost"].to_numpy()), strict=True):
        w[row[a], column[b]] = weight
    p, s = people["demand"].to_numpy().astype(float), supply["supply"].to_numpy().astype(float)
    need = w.T @ p
    ratio = np.divide(s, need, out=np.zeros_like(need), where=need > 0)
    found = access(*city, decay=decay)
    known = found["access"].is_not_null().to_numpy()
    assert found["access"].to_numpy()[known] == pytest.approx((w @ ratio)[known])
    counted = access(*city, method="opportunities", decay=decay)
    assert counted["access"].fill_null(0).to_numpy() == pytest.approx(w @ s)
    assert counted["supply_in_reach"].to_numpy() == pytest.approx((w > 0) @ s)
    assert counted["n_in_reach"].to_list() == ((w > 0).astype(int) @ (s > 0)).tolist()


def test_a_lazy_frame_gives_a_lazy_frame_that_reads_nothing_before_it_is_collected() -> None:
    def boom(_: pl.DataFrame) -> pl.DataFrame:
        raise AssertionError("read too early")

    ways = hospital(40, 40, 80).lazy()
    unread = ways.map_batches(boom, schema=ways.collect_schema())
    lazy = access(TRACTS.lazy(), DOCTORS.lazy(), unread)
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect_schema() == access(TRACTS, DOCTORS, ways).schema
    with pytest.raises(AssertionError):
        lazy.collect()
    assert access(TRACTS.lazy(), DOCTORS, ways).collect().equals(access(TRACTS, DOCTORS, ways.collect()))
    assert provider_ratio(TRACTS, DOCTORS.lazy(), ways).collect().equals(provider_ratio(TRACTS, DOCTORS, ways))


# ------------------------------------------------------------------------------------------------------ the peer


def test_the_peer_gives_the_same_where_it_is_installed() -> None:
    held = bench.tables(60, 15)
    frames = bench.in_pandas(held)
    for gravity in (False, True):
        for is_three in (False, True) if gravity else (False,):
            decay = Decay.power(1, upper=61) if gravity else bench.STEPS
            method: Method = "3sfca" if is_three else "2sfca"
            mine = bench.ours(held, decay, method=method, selection=Decay.power(1) if is_three else None)
            assert 0 < mine.height <= 60
            try:
                peer = bench.pysal(
                    frames, (lambda c: 1 / c) if gravity else None, upper=decay.upper[-1], is_three=is_three
                )
            except ImportError:
                continue  # no dependency of citylab
            agree(peer, mine, key=["place"])


# ------------------------------------------------------------------------------------------- what is not in reach


def test_supply_out_of_reach_is_named_and_given_to_nobody() -> None:
    people = pl.DataFrame({"place": ["a", "empty"], "demand": [100, 0]})
    supply = pl.DataFrame({"place": ["near", "far", "lonely", "unknown"], "supply": [10, 5, 7, 3]})
    ways = pl.DataFrame(
        {"from": ["a", "a", "empty", "empty"], "to": ["near", "far", "far", "lonely"], "cost": [5, 90, 90, 5]}
    )
    ratio = provider_ratio(people, supply, ways)
    assert ratio.select("place", "n_places", "ratio", "note").rows() == [
        ("near", 1, 0.1, None), ("far", 0, None, "no_demand"), ("lonely", 0, None, "no_demand"),
        ("unknown", 0, None, "no_costs"),
    ]  # fmt: skip
    found = access(people, supply, ways)
    # The place without people sees 7 that nobody else reaches: 7 over 0 is no number.
    assert found["access"].to_list() == [0.1, None]
    assert found["note"].to_list() == [None, "no_demand"]


def test_a_place_that_is_not_in_the_costs_is_unknown_and_one_that_is_far_from_all_has_none() -> None:
    people = pl.DataFrame({"place": ["far", "cut off", "not asked"], "demand": [1, 2, 3]})
    ways = pl.DataFrame({"from": ["far", "cut off"], "to": ["s", "s"], "cost": [31.0, math.inf]})
    found = access(people, pl.DataFrame({"place": ["s"], "supply": [4]}), ways)
    assert found["access"].to_list() == [0.0, 0.0, None]
    assert found["note"].to_list() == ["nothing_in_reach", "nothing_in_reach", "no_costs"]
    assert found["nearest_cost"].to_list() == [31.0, None, None]


def test_a_place_without_supply_is_nobodys_choice() -> None:
    people = pl.DataFrame({"place": ["a"], "demand": [100]})
    ways = pl.DataFrame({"from": ["a", "a"], "to": ["closed", "open"], "cost": [5, 10]})
    supply = pl.DataFrame({"place": ["closed", "open"], "supply": [0, 10]})
    for method in KEEPING:
        found = access(people, supply, ways, method=method)
        assert found["access"].item() == pytest.approx(0.1)
        assert found.select("n_in_reach", "nearest_cost").row(0) == (1, 10.0)


# --------------------------------------------------------------------------------------------------------- decays


def test_weights_are_those_of_their_formulas() -> None:
    cost = np.array([0.0, 10.0, 10.5, 30.0, 30.5, math.inf])
    assert Decay.declared("luo_qi_30").weight(cost).tolist() == [1, 1, 0.68, 0.22, 0, 0]
    end = math.exp(-0.5)
    third = (math.exp(-((1 / 3) ** 2) / 2) - end) / (1 - end)
    dai = Decay.gaussian_to_zero(30).weight(cost)
    assert dai[[0, 1, 3, 4, 5]].tolist() == pytest.approx([1, third, 0, 0, 0])
    assert Decay.gaussian(10).weight(cost)[[0, 1, 5]].tolist() == pytest.approx([1, math.exp(-0.5), 0])
    assert Decay.exponential(0.1, upper=10).weight(cost)[:3].tolist() == pytest.approx([1, math.exp(-1), 0])
    assert Decay.power(2).weight(cost[1:])[[0, 4]].tolist() == pytest.approx([0.01, 0])


@pytest.mark.parametrize("name", sorted(set(tables.read(DECAYS)["decay"])))
def test_every_declared_decay_falls_from_1_and_ends_at_its_largest_cost(name: str) -> None:
    decay = Decay.declared(name)
    weights = decay.weight(np.linspace(1, decay.upper[-1], 200))
    assert (np.diff(weights) <= 0).all() and weights.max() <= 1 and weights[0] > 0.99
    assert decay.weight(np.array([decay.upper[-1] + 1e-6])).tolist() == [0]


def test_a_decay_of_a_table_of_ones_own_is_taken() -> None:
    own = tables.read(DECAYS).filter(pl.col("decay") == "within_15").with_columns(decay=pl.lit("mine"), upper=80)
    found = access(TRACTS, DOCTORS, hospital(40, 40, 80), decay="mine", table=own)
    # Everything reaches everything: 135 over 160 persons.
    assert found["access"].to_list() == pytest.approx([135 / 160] * 3)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Decay.steps({}),
        lambda: Decay.steps({10: -1}),
        lambda: Decay.steps({10: 0}),
        lambda: Decay.steps({10: math.nan}),
        lambda: Decay.steps({-1: 1}),
        lambda: Decay.power(0),
        lambda: Decay.gaussian(math.inf),
        lambda: Decay.exponential(-1),
        lambda: Decay.gaussian_to_zero(math.inf),
        lambda: Decay("steps", (20.0, 10.0), (1.0, 0.5)),
        lambda: Decay("power", (20.0, 30.0), parameter=1),
    ],
)
def test_a_decay_that_cannot_be_is_refused(make: Any) -> None:
    with pytest.raises(RangeError, match=r"expected|one largest cost"):
        make()


def test_a_cost_of_zero_under_a_power_is_refused_with_what_to_do() -> None:
    ways = pl.DataFrame({"from": ["1"], "to": ["1"], "cost": [0.0]})
    with pytest.raises(DataError, match="mean way within"):
        access(TRACTS, DOCTORS, ways, decay="inverse_60")


def test_costs_in_another_unit_than_the_decay_are_refused() -> None:
    ways = hospital(40, 40, 80).rename({"cost": "way_km"})
    with pytest.raises(UnitError, match="in km and the decay in min"):
        access(TRACTS, DOCTORS, ways, cost_value="way_km")
    assert access(TRACTS, DOCTORS, ways, cost_value="way_km", decay=BINARY).height == 3


# ------------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize("bad", [-1.0, None, math.nan, math.inf])
@pytest.mark.parametrize("of", ["demand", "supply"])
def test_amounts_that_cannot_be_are_refused(of: str, bad: float | None) -> None:
    told = {"demand": TRACTS, "supply": DOCTORS}
    told[of] = told[of].with_columns(pl.Series(of, [1.0, bad, 2.0]))
    with pytest.raises(DataError, match=f"1 rows have {of}"):
        access(told["demand"], told["supply"], hospital(40, 40, 80))


@pytest.mark.parametrize("bad", [-1.0, None, math.nan])
def test_costs_that_cannot_be_are_refused(bad: float | None) -> None:
    ways = pl.DataFrame({"from": ["1", "2"], "to": ["1", "2"], "cost": [1.0, bad]})
    with pytest.raises(DataError, match="1 costs are missing or negative, the first from '2' to '2'"):
        access(TRACTS, DOCTORS, ways)


def test_a_place_or_a_way_twice_is_refused() -> None:
    ways = hospital(40, 40, 80)
    with pytest.raises(DataError, match=r"table of demand has {'place': '1'} in more than one row"):
        access(pl.concat([TRACTS, TRACTS.head(1)]), DOCTORS, ways)
    with pytest.raises(DataError, match="table of supply"):
        access(TRACTS, pl.concat([DOCTORS, DOCTORS.head(1)]), ways)
    with pytest.raises(DataError, match=r"table of costs has {'from': '1', 'to': '1'}"):
        access(TRACTS, DOCTORS, pl.concat([ways, ways.head(1)]))
    with pytest.raises(DataError, match="place is missing"):
        access(TRACTS.with_columns(pl.Series("place", ["1", None, "3"])), DOCTORS, ways)


def test_tables_that_do_not_fit_together_are_refused() -> None:
    ways = hospital(40, 40, 80)
    with pytest.raises(DataError, match="codes of one kind"):
        access(TRACTS.with_columns(place="t" + pl.col("place")), DOCTORS, ways)
    with pytest.raises(SchemaError, match="one type"):
        access(TRACTS.with_columns(pl.col("place").cast(pl.Int64)), DOCTORS, ways)
    with pytest.raises(SchemaError, match=r"access \(cost\) needs column 'cost'"):
        access(TRACTS, DOCTORS, ways.rename({"cost": "minutes"}))
    with pytest.raises(SchemaError, match="needs numbers"):
        access(TRACTS.with_columns(pl.col("demand").cast(pl.String)), DOCTORS, ways)
    with pytest.raises(DataError, match="no rows"):
        access(TRACTS.clear(), DOCTORS, ways)
    with pytest.raises(DataError, match="demand of all places is 0"):
        access(TRACTS.with_columns(demand=pl.lit(0)), DOCTORS, ways)


def test_a_number_is_no_decay_and_the_answer_says_how_to_make_one() -> None:
    with pytest.raises(RangeError, match=r"A decay is 30; .*Decay\.steps"):
        Decay.declared(30)  # type: ignore[arg-type]


def test_methods_and_decays_that_there_are_not_are_answered_with_near_ones() -> None:
    ways = hospital(40, 40, 80)
    with pytest.raises(UnknownNameError, match="'2sfca'"):
        access(TRACTS, DOCTORS, ways, method="e2sfca")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="'luo_qi_30'"):
        access(TRACTS, DOCTORS, ways, decay="luo_qi")
    with pytest.raises(UnknownNameError, match="method"):
        provider_ratio(TRACTS, DOCTORS, ways, method="opportunities")
    with pytest.raises(RangeError, match="only 3sfca"):
        access(TRACTS, DOCTORS, ways, selection=BINARY)


def test_the_table_of_methods_names_all_of_them_and_says_truly_what_they_keep() -> None:
    held = methods()
    assert held["method"].to_list() == list(EVERY)
    assert held.filter(pl.col("keeps_supply"))["method"].to_list() == list(KEEPING)
    ways = hospital(40, 20, 80)
    for method, keeps in held.select("method", "keeps_supply").rows():
        total = (access(TRACTS, DOCTORS, ways, method=method, decay=STEPS)["access"] * TRACTS["demand"]).sum()
        assert (abs(total - 135) < 1e-9) is keeps


# -------------------------------------------------------------------------------------------------- who has access


@pytest.fixture(scope="module")
def lived() -> pl.DataFrame:
    found = access(TRACTS, DOCTORS, hospital(40, 40, 80), decay=BINARY)
    people = pl.DataFrame(
        {"place": ["1", "1", "2", "3"], "group": ["older", "other", "other", "older"], "persons": [40, 60, 50, 10]}
    )
    return with_people(found, people)


def test_means_of_groups_weighted_by_persons_give_the_supply_back(lived: pl.DataFrame) -> None:
    found = group_access(lived, group="group")
    assert (found["access"] * found["persons"]).sum() == pytest.approx(135)
    # (40 x .761364 + 10 x 1.094697) / 50 = .828030
    assert found.row(0, named=True)["access"] == pytest.approx(0.828030, abs=1e-6)
    assert found["nothing_in_reach_share"].to_list() == [0, 0]


def test_access_goes_into_the_measures_of_inequality_by_group(lived: pl.DataFrame) -> None:
    gini = inequality(lived, "access", weight="persons", by="group", measures=["gini"], errors=None)
    # Two values a < b with shares p and q of persons: p q (b - a) / mean.
    expected = 0.8 * 0.2 * (1.094697 - 0.761364) / 0.828030
    assert gini.filter(pl.col("group") == "older")["value"].item() == pytest.approx(expected, abs=1e-5)


def test_people_whose_access_is_unknown_are_counted_apart() -> None:
    rows = pl.DataFrame({"group": ["a", "a", "b"], "persons": [1, 3, 2], "access": [0.5, None, None],
                         "note": [None, "no_costs", "no_costs"]})  # fmt: skip
    assert group_access(rows, group="group").rows() == [("a", 4.0, 0.5, 0.0, 0.75, 2), ("b", 2.0, None, None, 1.0, 1)]


def test_access_that_is_nan_is_not_known() -> None:
    rows = pl.DataFrame({"group": ["older"] * 2, "persons": [10, 30], "access": [0.4, math.nan], "note": [None, None]})
    told = group_access(rows.cast({"note": pl.String}), group="group").row(0, named=True)
    # The mean of the ten whose access is known; 30 of 40 are unknown.
    assert (told["access"], told["unknown_share"]) == pytest.approx((0.4, 0.75))


def test_people_of_a_place_without_a_row_of_access_are_not_dropped_quietly(lived: pl.DataFrame) -> None:
    found = access(TRACTS, DOCTORS, hospital(40, 40, 80))
    with pytest.raises(DataError, match="1 rows are of places without a row of access, the first '9'"):
        with_people(found, pl.DataFrame({"place": ["1", "9"]}))
    with pytest.raises(SchemaError, match="both tables have a column 'access'"):
        with_people(found, pl.DataFrame({"place": ["1"], "access": [1.0]}))
    with pytest.raises(DataError, match="persons that is missing"):
        group_access(lived.with_columns(persons=pl.lit(-1)), group="group")
