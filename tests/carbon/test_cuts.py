from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from citylab.carbon import cuts
from citylab.carbon import footprint as fp
from citylab.carbon.inventory import Inventory, from_published, inventory
from citylab.errors import DataError, OverlapError

OWN = pl.DataFrame({"fuel": ["thing"], "gas": ["CO2"], "value": [1.0], "low": [0.9], "high": [1.1], "unit": ["t/t"],
                    "valid_from": [1990], "source": ["made up"]})  # fmt: skip


def made(rows: dict[str, float], **more: Any) -> Inventory:
    sheet = pl.DataFrame(
        {"place": "示例市", "year": 2020, "gpc_ref": ref, "fuel": "thing", "activity": v, "unit": "t", "source": "s",
         "uncertainty_pct": 5.0} | more for ref, v in rows.items()
    )  # fmt: skip
    return inventory(sheet, factors=OWN, boundary="BASIC+")


CITY = {"I.1.1": 100.0, "I.1.2": 40.0, "I.4.4": 30.0, "II.1.1": 20.0, "II.2.2": 7.0, "II.4.3": 50.0, "III.1.2": 3.0}


def three() -> list[cuts.Cut]:
    city = made(CITY)
    return [
        cuts.production(city, seed=1, n=1000),
        cuts.transport(city, seed=1, n=1000),
        cuts.consumption(fp.footprint(*fp.example(), seed=1, n=1000)),
    ]


def test_each_cut_counts_its_own_rows_and_says_so():
    one, two, three_ = three()
    assert one.co2e_t == 100 + 30 + 20  # scope 1 by place, with what is made for the grid
    assert two.co2e_t == 20
    assert cuts.transport(made(CITY), seed=1, scopes=(1, 2)).co2e_t == 27
    assert three_.co2e_t == pytest.approx(700)
    assert [c.cut for c in (one, two, three_)] == ["production", "transport", "consumption"]
    assert "synthetic" in three_.source


def test_cuts_are_never_added():
    one, two, three_ = three()
    for add in (lambda: one + two, lambda: sum([one, two, three_]), lambda: 1.0 + one, lambda: one + 1.0):
        with pytest.raises(OverlapError, match="side by side"):
            add()
    with pytest.raises(OverlapError, match="示例市 2020 stands with the cuts consumption, production, transport"):
        cuts.check_additive(cuts.side_by_side(one, two, three_))
    assert cuts.check_additive(one.tidy()).height == 1


def test_side_by_side_is_one_row_per_cut_with_bounds_and_no_total():
    table = cuts.side_by_side(*three())
    assert table["cut"].to_list() == ["production", "transport", "consumption"]
    assert table.select(
        (pl.col("co2e_lower_t") < pl.col("co2e_t")).all() & (pl.col("co2e_t") < pl.col("co2e_upper_t")).all()
    ).item()
    assert table["note_zh"].null_count() == table["note_en"].null_count() == 0
    assert not any("total" in c for c in table.columns)


def test_other_places_and_the_same_cut_twice_do_not_stand_side_by_side():
    one, *_ = three()
    other = cuts.production(made(CITY, place="别处"), seed=1, n=1000)
    with pytest.raises(DataError, match="different places or years"):
        cuts.side_by_side(one, other)
    with pytest.raises(DataError, match="stands twice"):
        cuts.side_by_side(one, one)


def test_transport_is_a_part_of_production_whatever_the_inventory_was_made_for():
    for boundary in ("BASIC", "BASIC+", "territorial"):
        rows = made(CITY).rows
        sheet = rows.select("place", "year", "gpc_ref", "fuel", "activity", "unit", "source", "uncertainty_pct")
        city = inventory(sheet, factors=OWN, boundary=boundary)  # type: ignore[arg-type]
        whole, part = cuts.production(city, seed=1, n=200), cuts.transport(city, seed=1, n=200)
        assert (whole.co2e_t, part.co2e_t) == (150, 20)


def test_what_nobody_estimated_is_no_zero():
    with pytest.raises(DataError, match=r"transport: it is not estimated \(NE\)"):
        cuts.transport(made({"I.1.1": 1.0}), seed=1)
    # II has five sub-sectors; one is estimated
    assert cuts.transport(made(CITY), seed=1, n=200).ne_count == 4


def test_journeys_across_the_boundary_are_no_part_of_the_territorial_lens():
    with pytest.raises(DataError, match="Scope 3 lies outside"):
        cuts.transport(made(CITY), seed=1, scopes=(1, 2, 3))


def test_a_cut_is_of_one_place_and_year():
    both = pl.concat([made(CITY).rows, made(CITY, year=2021).rows])
    twice = Inventory(both, made(CITY).gaps, "BASIC+", "AR5", "location", "own")
    with pytest.raises(OverlapError, match="2 years"):
        cuts.production(twice, seed=1)


def test_a_published_inventory_has_a_cut_without_bounds_that_says_why():
    rows = pl.DataFrame({"year": [2019, 2019], "sector_at_source": ["s", "t"], "fuel_at_source": ["f", "f"],
                         "co2_t": [10.0, 5.0]})  # fmt: skip
    none = pl.Series([None, None], dtype=pl.String)
    to_gpc = pl.DataFrame({"sector": ["s", "t"], "gpc_ref_combustion": ["I.3.1", "II.1.1"], "gpc_ref_process": none,
                           "gpc_ref_scope2": none})  # fmt: skip
    kinds = pl.DataFrame({"fuel": ["f"], "column_kind": ["combustion"]})
    told = cuts.production(from_published(rows, to_gpc, columns=kinds, place="示例市"), seed=1)
    assert (told.co2e_t, told.co2e_lower_t, told.level) == (15, None, None)
    assert "no interval" in told.method
