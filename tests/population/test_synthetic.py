from __future__ import annotations

import itertools
import warnings

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import citylab as cl
from citylab.errors import DataError, RangeError, SchemaError, UnknownNameError
from citylab.population import margins, synthetic, travel

N = 150_000
RESIDENTS = 21_893_095


@pytest.fixture(scope="module")
def persons():
    return synthetic.synthesise(N, seed=3).collect()


@pytest.fixture(scope="module")
def persons_of_20k():
    return synthetic.synthesise(20_000, seed=6).collect()


@pytest.fixture(scope="module")
def report(persons):
    return synthetic.calibration(persons)


@pytest.fixture(scope="module")
def census():
    return margins.read()


@pytest.fixture(scope="module")
def places():
    with warnings.catch_warnings(action="ignore"):  # the outlines are unofficial, for analysis only
        outlines = cl.load("echarts__static_district_boundary").collect()
    return {"boundaries": outlines, "stations": cl.load("osm__static_station_subway").collect()}


def test_at_full_size_every_published_cell_is_met_exactly_and_blocks_share_out_all_of_it(census):
    told = synthetic._told(None, census)
    model = synthetic._model(RESIDENTS, 5, census, told, None)
    shape = (16, 2, len(census.age_low), len(margins.SCHOOLING), 2)
    cells = model.cells.reshape(shape)
    np.testing.assert_array_equal(cells.sum(axis=(3, 4)), census.ages)
    np.testing.assert_array_equal(cells.sum(axis=(2, 4)), census.schooling)
    np.testing.assert_array_equal(cells.sum(axis=(1, 2, 3)), census.migrants)
    size = np.arange(1, model.families.shape[1] + 1)
    np.testing.assert_array_equal(model.families.sum(axis=1), census.households)
    np.testing.assert_array_equal(model.families @ size, census.members)
    np.testing.assert_array_equal(model.families[:, 0], census.alone)
    np.testing.assert_array_equal(model.elders, census.elders)
    d = 2
    parts = [synthetic._parts(model, 5, d, b) for b in range(int(model.blocks[d]))]
    assert len(parts) == -(-int(census.residents[d]) // (1 << 16))
    np.testing.assert_array_equal(sum(p[0] for p in parts), model.cells[d])
    np.testing.assert_array_equal(sum(p[1] for p in parts), model.families[d])
    assert sum(p[2] for p in parts) == model.cars[d]
    np.testing.assert_array_equal(sum(p[3] for p in parts)[1:], model.elders[d])
    for _, families, _, elders in parts:
        assert elders.sum() == families.sum()


def test_a_sample_misses_no_published_cell_by_more_than_a_person(persons, report):
    fitted = report.filter(pl.col("use") != "held_out")
    assert fitted["is_met"].all(), fitted.filter(~pl.col("is_met"))
    cells = synthetic.calibration_cells(persons).filter(use="fitted").with_columns(
        off=pl.col("difference").abs() * N / RESIDENTS
    )  # fmt: skip
    largest = dict(cells.group_by("margin").agg(pl.col("off").max()).iter_rows())
    # Residents and households of a district, and cells, become a neighbouring whole number: off by less than 1.
    assert max(largest[m] for m in ("district_sex_age", "district_sex_schooling", "district_registration")) < 1
    # Members and households with a car the nearest: 0.5. Who is left of a district is off by less than 1 + 0.5.
    assert max(largest[m] for m in ("district_household_kind", "district_car")) < 1.5
    # One person, and more of them: the rest of two numbers. Households without old members: likewise.
    assert max(largest["district_alone"], largest["district_elders"]) < 2


def test_the_margin_that_nothing_is_fitted_to_is_missed_and_said_so(persons, report):
    held = report.filter(use="held_out").row(0, named=True)
    assert held["margin"] == margins.HELD_OUT
    assert not held["is_met"]
    # Three generations under one roof are fewer than the census counts: households of many are assumed, not known.
    assert 0.05 < held["standardised_error"] < 0.2
    cells = synthetic.calibration_cells(persons).filter(use="held_out")
    three = cells.filter(pl.col("cell").str.ends_with("generations=3"))
    assert three["result"].sum() < three["target"].sum()


def test_members_and_generations_are_counted_as_a_loop_over_households_counts_them(persons):
    some = persons.filter(adcode="110119")
    counted: dict[tuple[str, int], int] = {}
    for (_,), home in some.filter(~pl.col("is_collective")).group_by("household_id"):
        ages = sorted(home["age_years"].to_list())
        steps = sum(b - a >= synthetic.GENERATION_YEARS for a, b in itertools.pairwise(ages))
        for key in (("elders", min(sum(a >= 65 for a in ages), 3)), ("generations", min(steps + 1, 4))):
            counted[key] = counted.get(key, 0) + 1
    cells = synthetic.calibration_cells(some).filter(pl.col("cell").str.starts_with("adcode=110119"))
    weight = persons["weight_persons"][0]
    for (name, k), n in counted.items():
        found = cells.filter(pl.col("cell").str.ends_with(f"{name}={k}"))["result"]
        assert found.item() == pytest.approx(n * weight)


def test_old_people_outside_of_families_are_those_whom_the_count_of_old_members_leaves(persons, census):
    # One, two and three old members, three standing for more: what is left of 65 and over lives in collective ones.
    low = np.array(census.age_low)
    left = census.ages[:, :, low >= 65].sum(axis=(1, 2)) - census.elders @ [1, 2, 3]
    found = (
        persons.filter("is_collective", pl.col("age_years") >= 65).group_by("adcode").agg(pl.len())
        .join(pl.DataFrame({"adcode": census.adcodes}), on="adcode", how="right").sort("adcode")["len"].fill_null(0)
    )  # fmt: skip
    # A district's old people and its three counts are each rounded: off by less than 1 + 1 + 2 + 3, more by ages.
    assert np.abs(found.to_numpy() - left * N / RESIDENTS).max() < 12


def test_errors_of_the_report_are_those_of_its_cells(persons, report):
    cells = synthetic.calibration_cells(persons)
    for row in report.iter_rows(named=True):
        mine = cells.filter(margin=row["margin"])
        off = (mine["result"] - mine["target"]).abs()
        assert row["total_absolute_error"] == pytest.approx(off.sum())
        assert row["standardised_error"] == pytest.approx(off.sum() / mine["target"].sum())
        assert row["unmet_cells"] == (~mine["is_met"]).sum()


def test_a_population_of_other_margins_is_found_out(persons):
    older = persons.filter(~((pl.col("adcode") == "110101") & pl.col("is_head") & (pl.col("age_years") < 40)))
    unmet = synthetic.calibration_cells(older).filter(~pl.col("is_met"), use="fitted")
    assert unmet.filter(margin="district_sex_age")["cell"].str.contains("adcode=110101").all()
    assert unmet.filter(margin="district_sex_age").height > 5


def test_a_household_has_one_head_one_size_one_income_and_one_number_of_cars(persons):
    homes = persons.group_by("household_id").agg(
        pl.len().alias("n"), pl.col("is_head").sum(),
        pl.col("adcode", "household_size_persons", "household_income_cny", "income_decile", "household_car_count",
               "has_car", "is_collective").n_unique().name.suffix("_kinds"),
        pl.col("household_size_persons").first().alias("size"),
    )  # fmt: skip
    assert (homes["is_head"] == 1).all()
    assert (homes["n"] == homes["size"]).all()
    assert (homes.select(pl.selectors.ends_with("_kinds")) == 1).to_numpy().all()
    assert persons["person_id"].to_list() == list(range(N))
    ids = persons["household_id"]
    assert ids.is_sorted()
    assert ids.n_unique() == ids.max() + 1


def test_who_lives_in_a_collective_household_is_a_household_of_one_without_a_car(persons):
    alone = persons.filter("is_collective")
    assert alone["household_size_persons"].unique().to_list() == [1]
    assert not alone["has_car"].any()
    assert (persons["has_car"] == (persons["household_car_count"] > 0)).all()


def test_as_many_households_with_a_car_have_two_as_assumed(persons):
    cars = persons.filter("is_head", "has_car")["household_car_count"]
    assert sorted(cars.unique()) == [1, 2]
    # About 35,000 households with a car: the binomial error of 0.12 is 0.0017.
    assert (cars == 2).mean() == pytest.approx(0.12, abs=4 * 0.0017)


def test_nobody_under_6_is_online_and_most_with_a_smartphone_are(persons):
    small = pl.col("age_years") < 6
    assert persons.filter(small)["is_online"].sum() == persons.filter(small)["has_smartphone"].sum() == 0
    assert persons.filter("has_smartphone")["is_online"].mean() > 0.97


def test_a_child_may_be_online_without_a_phone_of_its_own(persons):
    # CNNIC's surveys of pupils: 97.2 % online in 2022, when far fewer of them have a phone of their own.
    pupils = persons.filter(pl.col("age_years").is_between(6, 17))
    assert pupils["is_online"].mean() == pytest.approx(0.972, abs=0.001)
    assert pupils["has_smartphone"].mean() < 0.6
    assert pupils.filter(~pl.col("has_smartphone"))["is_online"].mean() > 0.9


@pytest.mark.parametrize("phone_share", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("online_share", [0.0, 0.3, 0.999, 1.0])
def test_shares_online_are_met_whatever_the_shares_of_phones(phone_share, online_share):
    given = synthetic.assumptions()
    given = {"phones": given["phones"].with_columns(smartphone_share=pl.lit(phone_share)),
             "online": given["online"].with_columns(online_share=pl.lit(online_share))}  # fmt: skip
    found = synthetic.synthesise(20_000, seed=2, assumptions=given).collect()
    # 16 districts and 4 age groups are each rounded up or down by less than a person.
    assert abs(found["is_online"].sum() - online_share * 20_000) < 64
    cells = synthetic.calibration_cells(found, assumptions=given).filter(margin="age_online")
    assert cells["target"].sum() == pytest.approx(online_share * RESIDENTS) and cells.height == 4
    assert cells["result"].sum() == pytest.approx(found.filter("is_online")["weight_persons"].sum())


def test_ages_fit_their_groups_their_marks_and_the_age_of_school(persons, census):
    low = pl.col("age_group").cast(pl.String).replace_strict(dict(zip(census.age_groups, census.age_low, strict=True)))
    ends = dict(zip(census.age_groups, [*[a - 1 for a in census.age_low[1:]], 105], strict=True))
    high = pl.col("age_group").cast(pl.String).replace_strict(ends)
    assert persons.select(pl.col("age_years").is_between(low, high).all()).item()
    assert (persons["is_under_18"] == (persons["age_years"] < 18)).all()
    assert (persons["is_60_plus"] == (persons["age_years"] >= 60)).all()
    assert ((persons["schooling"] == "under_6") == (persons["age_years"] < 6)).all()
    assert persons.filter(schooling="university")["age_years"].min() >= 15


def test_children_are_about_the_assumed_gap_younger_than_the_head(persons):
    head = persons.filter("is_head").select("household_id", head=pl.col("age_years").cast(pl.Int32))
    gap = persons.filter("is_under_18", ~pl.col("is_collective")).join(head, on="household_id")
    gap = gap.select(pl.col("head") - pl.col("age_years").cast(pl.Int32)).to_series()
    assert gap.median() == pytest.approx(28, abs=2)
    assert (gap < 16).mean() < 0.005


def test_deciles_follow_equivalised_income_and_hold_a_tenth_each(persons):
    equivalised = persons["household_income_cny"] / persons["household_size_persons"].cast(pl.Float64).sqrt()
    by_decile = persons.select("income_decile", equivalised=equivalised).group_by("income_decile").agg(
        pl.col("equivalised").min().alias("low"), pl.col("equivalised").max().alias("high"), pl.len()
    ).sort("income_decile")  # fmt: skip
    # Incomes are whole yuan.
    assert (by_decile["low"][1:] >= by_decile["high"][:-1] - 1).all()
    assert (by_decile["len"] / N - 0.1).abs().max() < 0.001
    # A lognormal of standard deviation 0.6 has a Gini of 2 Φ(0.6 / √2) − 1 = 0.3286.
    x = np.sort(equivalised.to_numpy())
    gini = 2 * (np.arange(1, N + 1) * x).sum() / (N * x.sum()) - (N + 1) / N
    assert gini == pytest.approx(0.3286, abs=0.003)


def test_cars_and_phones_rise_with_income_as_far_as_the_assumptions_say(persons):
    rich, poor = (persons.filter(pl.col("income_decile").is_in(d)) for d in ([9, 10], [1, 2]))
    assert rich["has_car"].mean() > poor["has_car"].mean() + 0.2
    none = synthetic.assumptions()["correlations"].with_columns(value=pl.lit(0.0))
    flat = synthetic.assumptions()["scalars"].with_columns(
        value=pl.when(parameter="car_size_shift").then(0.0).otherwise("value")
    )
    even = synthetic.synthesise(N, seed=3, assumptions={"correlations": none, "scalars": flat}).collect()
    family = even.filter("is_head", ~pl.col("is_collective"))
    shares = family.group_by("income_decile").agg(pl.col("has_car").mean())["has_car"]
    assert shares.max() - shares.min() < 0.06


def test_the_same_seed_gives_the_same_rows_whatever_workers_batches_and_columns(persons):
    assert_frame_equal(synthetic.synthesise(N, seed=3, workers=3).collect(engine="streaming"), persons)
    assert_frame_equal(synthetic.synthesise(N, seed=3).head(1234).collect(), persons.head(1234))
    few = synthetic.synthesise(N, seed=3).filter(adcode="110119").select("person_id", "age_years")
    assert_frame_equal(few.collect(), persons.filter(adcode="110119").select("person_id", "age_years"))
    assert not synthetic.synthesise(N, seed=4).select("age_years").collect().equals(persons.select("age_years"))


@pytest.mark.parametrize(("size", "seed", "workers", "rows"), [(20_000, 0, 2, 1), (31_007, 1, 4, 977)])
def test_neither_workers_nor_batches_nor_a_cut_change_a_row_where_districts_have_many_blocks(
    monkeypatch, size, seed, workers, rows
):
    monkeypatch.setattr(synthetic, "_BLOCK", 2000)
    one = synthetic.synthesise(size, seed=seed).collect()
    other = synthetic.synthesise(size, seed=seed, workers=workers)
    assert_frame_equal(other.collect(engine="streaming"), one)
    assert_frame_equal(pl.concat(other.collect_batches(chunk_size=10 * rows, maintain_order=True)), one)
    assert_frame_equal(other.head(rows).collect(), one.head(rows))
    assert one["person_id"].to_list() == list(range(size))
    homes = one.group_by("household_id").agg(
        pl.len(), pl.col("is_head").sum(), pl.col("household_size_persons").first()
    )
    assert (homes["len"] == homes["household_size_persons"]).all() and (homes["is_head"] == 1).all()


CARS = {"has_car", "household_car_count"}
INCOME = {"household_income_cny", "income_decile"}
PHONES = {"has_smartphone", "is_online"}


@pytest.mark.parametrize(
    ("table", "row", "moves"),
    [
        ("phones", None, PHONES),
        ("online", None, {"is_online"}),
        ("correlations", "car_income_correlation", CARS),
        ("correlations", "phone_income_correlation", PHONES),
        ("incomes", None, INCOME | CARS | PHONES),
        ("districts", None, INCOME),
        ("scalars", "income_log_sd", {"household_income_cny"}),
        ("scalars", "equivalence_exponent", {"household_income_cny"}),
        ("scalars", "second_car_share", {"household_car_count"}),
        ("scalars", "car_size_shift", CARS),
        ("scalars", "online_with_phone_share", {"is_online"}),
    ],
)
def test_an_alternative_changes_what_it_speaks_of_and_nothing_else(persons_of_20k, table, row, moves):
    mine = synthetic.assumptions("alternative")[table]
    if row is not None:
        own = synthetic.assumptions()[table]
        mine = own.with_columns(pl.when(parameter=row).then(mine["value"]).otherwise(own["value"]).alias("value"))
    found = synthetic.synthesise(20_000, seed=6, assumptions={table: mine}).collect()
    changed = {c for c in found.columns if not found[c].equals(persons_of_20k[c])}
    assert changed == moves


@pytest.mark.parametrize("table", ["sizes", "ages", "schooling"])
def test_an_alternative_on_who_lives_with_whom_or_has_learned_what_moves_no_published_margin(persons_of_20k, table):
    found = synthetic.synthesise(
        20_000, seed=6, assumptions={table: synthetic.assumptions("alternative")[table]}
    ).collect()
    assert not found.equals(persons_of_20k)
    for keys in (["adcode", "sex", "age_group"], ["adcode", "is_collective"]):
        own, other = (t.group_by(keys).len().sort(keys) for t in (persons_of_20k, found))
        off = own.join(other, on=keys, how="full", coalesce=True).select(
            pl.col("len").fill_null(0).cast(pl.Int64) - pl.col("len_right").fill_null(0)
        )
        # A cell is one of the two whole numbers next to its share.
        assert off.to_series().abs().max() <= 1
    if table == "sizes":
        traits = ["adcode", "sex", "age_group", "schooling", "is_migrant"]
        assert_frame_equal(
            found.group_by(traits).len().sort(traits), persons_of_20k.group_by(traits).len().sort(traits)
        )


@pytest.mark.parametrize("size", [1, 7, 300])
def test_even_a_few_persons_come_in_whole_households(size):
    found = synthetic.synthesise(size, seed=1).collect()
    assert found.height == size
    assert found["weight_persons"].sum() == pytest.approx(RESIDENTS)
    assert (found.group_by("household_id").agg(pl.col("is_head").sum())["is_head"] == 1).all()


def test_a_minor_heads_a_household_only_where_no_adult_is_left_in_a_tiny_sample(persons):
    heads = pl.col("is_head") & ~pl.col("is_collective")
    assert not persons.filter(heads)["is_under_18"].any()
    few = synthetic.synthesise(300, seed=2).collect()
    headed = few.filter(heads & pl.col("is_under_18"))["adcode"].unique().to_list()
    assert headed
    adults = few.filter(pl.col("adcode").is_in(headed), ~pl.col("is_collective"), ~pl.col("is_under_18"))
    assert adults["is_head"].all()


def test_columns_are_those_declared_and_say_synthetic(persons):
    assert dict(persons.schema) == {c: t if isinstance(t, pl.Enum) else t() for c, t in synthetic.PERSON_SCHEMA.items()}
    assert persons["is_synthetic"].all()
    assert persons.drop("metro_distance_km").null_count().sum_horizontal().item() == 0
    assert persons["metro_distance_km"].null_count() == N


def test_households_share_a_distance_to_the_metro_that_is_short_in_the_core(places):
    found = synthetic.synthesise(40_000, seed=3, **places).collect()
    kinds = found.group_by("household_id").agg(pl.col("metro_distance_km").n_unique())["metro_distance_km"]
    assert (kinds == 1).all()
    zones = dict(travel.assumptions()["districts"].select("adcode", "zone").iter_rows())
    by_zone = dict(found.with_columns(zone=pl.col("adcode").replace_strict(zones)).group_by("zone").agg(
        pl.col("metro_distance_km").median()).iter_rows())  # fmt: skip
    assert by_zone["core"] < 1 < by_zone["outer"]
    assert_frame_equal(
        found.drop("metro_distance_km"), synthetic.synthesise(40_000, seed=3).collect().drop("metro_distance_km")
    )


def test_each_assumption_has_an_alternative_with_its_source_and_mark():
    central, other = (synthetic.assumptions(v) for v in ("central", "alternative"))
    for name, table in central.items():
        values = [c for c in table.columns if c not in {"source", "mark"}]
        assert other[name].columns == table.columns
        assert not other[name].select(values).equals(table.select(values)), name
        assert other[name].null_count().sum_horizontal().item() == 0
        assert {"source", "mark"} <= set(table.columns)
    with pytest.raises(UnknownNameError, match="Unknown variant of the assumptions 'other'"):
        synthetic.assumptions("other")


def test_under_the_alternative_published_margins_hold_and_assumed_ones_are_the_alternatives(persons):
    given = synthetic.assumptions("alternative")
    found = synthetic.synthesise(N, seed=3, assumptions=given).collect()
    report = synthetic.calibration(found, assumptions=given)
    assert report.filter(use="fitted")["is_met"].all()
    assumed = pl.col("margin").is_in(["age_smartphone", "age_online"])
    assert report.filter(assumed)["is_met"].to_list() == [True, True]
    assert synthetic.calibration(found).filter(assumed)["is_met"].to_list() == [False, False]
    # Schooling does not hang on age from 20 on, so that the old have as many graduates as the young.
    share = {k: v.filter(pl.col("age_years").is_between(65, 79))["schooling"].eq("university").mean()
             for k, v in {"central": persons, "alternative": found}.items()}  # fmt: skip
    assert share["alternative"] > share["central"] + 0.1


def test_leaving_a_margin_out_shows_what_it_is_worth():
    found = synthetic.held_out()
    assert found["margin"].to_list() == ["district_sex_age", "district_sex_schooling", "district_registration"]
    assert found["standardised_error"].is_between(0.05, 0.4).all()


def test_registration_left_out_is_predicted_where_districts_differ_only_in_size(census):
    # One district's structure, a hundredth more in each next: the margin left out follows from the others.
    base = cl.load(margins.PUBLISHED).collect()
    one = base.filter(adcode="110105").drop("adcode")
    same = pl.concat(
        one.with_columns(adcode=pl.lit(a), value=pl.col("value") * (1 + i / 100)) for i, a in enumerate(census.adcodes)
    ).select(base.columns)
    found = synthetic.held_out(census=same)
    assert found["standardised_error"].max() < 1e-6


def test_persons_are_written_whole_or_not_at_all(tmp_path, persons):
    path = synthetic.write(synthetic.synthesise(N, seed=3, workers=2), tmp_path / "persons.parquet")
    assert_frame_equal(pl.read_parquet(path), persons)
    before = path.read_bytes()
    broken = synthetic.synthesise(100, seed=1).with_columns(pl.col("adcode").cast(pl.UInt8))
    with pytest.raises(pl.exceptions.PolarsError):
        synthetic.write(broken, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["persons.parquet"]


def changed(name: str, column: str, value: object) -> dict[str, pl.DataFrame]:
    table = synthetic.assumptions()[name]
    first = pl.int_range(pl.len()) == 0
    return {name: table.with_columns(pl.when(first).then(pl.lit(value)).otherwise(column).alias(column))}


def of_scalar(parameter: str, value: float) -> dict[str, pl.DataFrame]:
    table = synthetic.assumptions()["scalars"]
    return {"scalars": table.with_columns(pl.when(parameter=parameter).then(value).otherwise("value").alias("value"))}


def of_one_district() -> pl.DataFrame:
    return cl.load(margins.PUBLISHED).filter(adcode="110101").collect()


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        ({"size": 0}, RangeError, "size is 0; expected a whole number of 1 or more"),
        ({"size": RESIDENTS + 1}, RangeError, "the census counts 21,893,095 residents"),
        ({"seed": -1}, RangeError, "The seed is -1"),
        ({"workers": 0}, RangeError, "workers is 0"),
        ({"assumptions": {"people": pl.DataFrame()}}, UnknownNameError, "Unknown table of assumptions 'people'"),
        ({"assumptions": {"sizes": pl.DataFrame({"share": [1.0]})}}, SchemaError, "need the columns"),
        ({"assumptions": changed("sizes", "share", 0.9)}, RangeError, "shares of 'sizes' add up to"),
        ({"assumptions": changed("ages", "migrant_odds", -1.0)}, RangeError, "'migrant_odds' of 'ages' holds"),
        ({"assumptions": changed("correlations", "value", 1.5)}, RangeError, "a correlation is 1 at most"),
        ({"assumptions": of_scalar("second_car_share", 12.0)}, RangeError, "'second_car_share' is 12; a share is 1 at"),
        ({"assumptions": of_scalar("income_mean_cny", 0.0)}, RangeError, "'income_mean_cny' is 0"),
        ({"census": of_one_district()}, DataError, "Give margins of all of these districts, under these codes"),
        ({"assumptions": changed("phones", "age_group", "0-9")}, DataError, "Change values, not rows"),
        ({"boundaries": pl.DataFrame({"adcode": ["110101"]})}, SchemaError, "need boundaries= and stations= together"),
    ],
)
def test_what_cannot_be_is_told_at_the_call(given, error, told):
    with pytest.raises(error, match=told):
        synthetic.synthesise(**{"size": 100, "seed": 1, **given})


def test_an_assumption_that_the_census_rules_out_is_told_with_the_cells():
    levels = synthetic.assumptions()["schooling"]
    # Nobody of any age has been to college, but the census counts people who have.
    without = levels.with_columns(primary_share=pl.col("primary_share") + pl.col("college_share"), college_share=0.0)
    with pytest.raises(DataError, match=r"district × sex × schooling cannot be reached.*schooling=college"):
        synthetic.synthesise(100, seed=1, assumptions={"schooling": without})


def test_persons_without_a_needed_column_and_an_empty_table_are_told(persons):
    with pytest.raises(SchemaError, match="calibration needs column 'is_migrant'"):
        synthetic.calibration(persons.drop("is_migrant"))
    with pytest.raises(DataError, match="holds no persons"):
        synthetic.calibration(persons.head(0))
