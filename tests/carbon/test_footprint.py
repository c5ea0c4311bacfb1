from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from citylab.carbon import footprint as fp
from citylab.errors import DataError, SchemaError, UnitError, UnknownNameError, UsageWarning


def flow(kind: str, frm: Any, value: float, to: Any = (None, None), **more: Any) -> dict[str, Any]:
    base = {"year": 2020, "flow": kind, "from_region": frm[0], "from_sector": frm[1], "to_region": to[0],
            "to_sector": to[1], "value": float(value), "unit": "万元", "source": "made up"}  # fmt: skip
    return base | more


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema_overrides={"to_region": pl.String, "to_sector": pl.String})


def emitted(values: dict[tuple[str, str], float], half: float = 0.1, **more: Any) -> pl.DataFrame:
    return pl.DataFrame(
        {"year": 2020, "region": r, "sector": s, "co2e_t": float(v), "co2e_lower_t": v * (1 - half),
         "co2e_upper_t": v * (1 + half), "source": "made up"} | more for (r, s), v in values.items()
    )  # fmt: skip


A, M = ("C", "farm"), ("C", "plant")
USE = [flow("intermediate", A, 150, A), flow("intermediate", A, 500, M), flow("intermediate", M, 200, A),
       flow("intermediate", M, 100, M), flow("output", A, 1000), flow("output", M, 2000)]  # fmt: skip
CLOSED = [*USE, flow("final_demand", A, 350, ("C", "households")), flow("final_demand", M, 1700, ("C", "households"))]
# 650 + 300 + 100 - 50 = 1000 and 300 + 1500 + 300 - 100 = 2000
OPEN = [*USE, flow("final_demand", A, 300, ("C", "households")), flow("final_demand", M, 1500, ("C", "households")),
        flow("export", A, 100), flow("export", M, 300), flow("import", A, 50), flow("import", M, 100)]  # fmt: skip
EMITTED = {A: 500.0, M: 200.0}
DET = 0.85 * 0.95 - 0.25 * 0.20  # of I - A, 0.7575


def values(done: fp.Footprint) -> dict[str, float]:
    return dict(done.summary.select("line", "co2e_t").iter_rows())


# -- the worked example of two sectors


def test_the_leontief_inverse_of_two_sectors_is_the_textbooks():
    # A = [[.15, .25], [.20, .05]]; (I - A)⁻¹ = [[.95, .25], [.20, .85]] / .7575, in Miller and Blair 1.254, .330, .264,
    # 1.122; a demand of 600 and 1500 asks for outputs of 1247.5 and 1841.6 there
    made = fp.table(frame(*CLOSED))
    assert made.leontief == pytest.approx(np.array([[0.95, 0.25], [0.20, 0.85]]) / DET)
    assert made.leontief.round(3).tolist() == [[1.254, 0.33], [0.264, 1.122]]
    assert (made.leontief @ [600, 1500]) == pytest.approx([1247.5, 1841.6], abs=0.06)


def test_in_a_closed_economy_all_that_is_emitted_is_consumed():
    # multipliers (.5 x .95 + .1 x .20, .5 x .25 + .1 x .85) / .7575 = (.495, .21) / .7575; x (350, 1700) = 530.25/.7575
    done = fp.footprint(fp.table(frame(*CLOSED)), emitted(EMITTED), seed=1)
    assert values(done) == pytest.approx(
        {"production": 700, "embodied_in_exports": 0, "embodied_in_imports": 0, "consumption": 700}
    )
    assert done.by_product["co2e_t"].to_list() == pytest.approx([0.495 * 350 / DET, 0.21 * 1700 / DET])
    assert done.by_origin["co2e_t"].to_list() == pytest.approx([500, 200])


def test_trade_moves_emissions_between_the_cuts_by_hand():
    done = fp.footprint(fp.table(frame(*OPEN)), emitted(EMITTED), seed=1)
    assert values(done) == pytest.approx(
        {
            "production": 700,
            "embodied_in_exports": (0.495 * 100 + 0.21 * 300) / DET,
            "embodied_in_imports": (0.495 * 50 + 0.21 * 100) / DET,
            "consumption": (0.495 * 300 + 0.21 * 1500) / DET,
        }
    )
    assert done.imports == "same_technology"
    assert any("own technology" in w for w in done.warnings)


C, R = ("city", "all"), ("rest", "all")
TWO = [flow("intermediate", C, 10, C), flow("intermediate", C, 20, R), flow("intermediate", R, 30, C),
       flow("intermediate", R, 40, R), flow("output", C, 100), flow("output", R, 200),
       flow("final_demand", C, 50, ("city", "households")), flow("final_demand", C, 20, ("rest", "households")),
       flow("final_demand", R, 20, ("city", "households")),
       flow("final_demand", R, 110, ("rest", "households"))]  # fmt: skip


def test_two_regions_keep_their_own_technologies_and_lose_nothing():
    # A = [[.1, .1], [.3, .2]], det .69, inverse [[.8, .1], [.3, .9]] / .69; f = 1 and 3 t
    made, air = fp.table(frame(*TWO)), emitted({C: 100.0, R: 600.0})
    city, rest = (fp.footprint(made, air, region=r, seed=1) for r in ("city", "rest"))
    home = (0.8 * 50 + 0.1 * 20) / 0.69
    abroad = 3 * (0.3 * 50 + 0.9 * 20) / 0.69
    assert values(city) == pytest.approx(
        {
            "production": 100,
            "embodied_in_exports": 100 - home,
            "embodied_in_imports": abroad,
            "consumption": home + abroad,
        }
    )
    assert values(city)["consumption"] + values(rest)["consumption"] == pytest.approx(700)
    # What the city imports is a part of what the rest exports; with two regions it is all of it.
    assert values(city)["embodied_in_imports"] == pytest.approx(values(rest)["embodied_in_exports"])
    assert city.imports == "table"


@given(st.data())
@hypothesis_settings(max_examples=30, deadline=None)
def test_consumption_is_production_less_exports_plus_imports_in_any_table(data: st.DataObject):
    n = data.draw(st.integers(1, 4))
    amounts = st.floats(0, 100, allow_nan=False)
    draw = lambda *shape: np.array(data.draw(st.lists(amounts, min_size=math.prod(shape), max_size=math.prod(shape)))  # noqa: E731
                                   ).reshape(shape)  # fmt: skip
    flows, final, export = draw(n, n), draw(n), draw(n)
    uses = flows.sum(axis=1) + final + export
    # Output above every column's inputs, so that value is added; what is short comes as imports.
    output = np.maximum(uses, flows.sum(axis=0) * 1.1 + 1)
    export = export + (output - uses)
    imports = draw(n)
    export = export + imports
    keys = [("C", f"s{i}") for i in range(n)]
    rows = [flow("output", k, output[i]) for i, k in enumerate(keys)]
    rows += [flow("intermediate", keys[i], flows[i, j], keys[j]) for i in range(n) for j in range(n)]
    rows += [flow("final_demand", k, final[i], ("C", "all")) for i, k in enumerate(keys)]
    rows += [flow("export", k, export[i]) for i, k in enumerate(keys)]
    rows += [flow("import", k, imports[i]) for i, k in enumerate(keys)]
    made = fp.table(frame(*rows))
    assert (made.leontief >= np.eye(n) - 1e-12).all()
    done = fp.footprint(made, emitted({k: 10.0 + i for i, k in enumerate(keys)}), seed=1, n=200)
    told = values(done)
    assert told["consumption"] == pytest.approx(
        told["production"] - told["embodied_in_exports"] + told["embodied_in_imports"], rel=1e-9, abs=1e-6
    )
    assert done.rows["co2e_t"].sum() == pytest.approx(told["consumption"], rel=1e-9, abs=1e-9)
    assert done.by_product["co2e_t"].sum() == pytest.approx(done.by_origin["co2e_t"].sum(), rel=1e-9, abs=1e-9)


# -- intervals


def test_the_interval_is_that_of_independent_sectors():
    done = fp.footprint(fp.table(frame(*CLOSED)), emitted(EMITTED, half=0.2), seed=3, n=50_000)
    row = done.summary.filter(line="production").row(0, named=True)
    half = math.hypot(0.2 * 500, 0.2 * 200)  # IPCC equation 3.2
    assert (row["co2e_upper_t"] - row["co2e_lower_t"]) / 2 == pytest.approx(half, rel=0.02)
    assert row["co2e_lower_t"] < row["co2e_t"] < row["co2e_upper_t"]
    assert (row["draw_count"], row["level"], row["n"]) == (50_000, 0.95, 2)


def test_the_same_seed_gives_the_same_interval_whatever_the_order_of_rows():
    made = [fp.table(frame(*rows)) for rows in (CLOSED, CLOSED[::-1])]
    one, other = (fp.footprint(t, emitted(EMITTED), seed=4).summary for t in made)
    assert one.filter(line="consumption").select("co2e_lower_t", "co2e_upper_t").row(0) == pytest.approx(
        other.filter(line="consumption").select("co2e_lower_t", "co2e_upper_t").row(0), rel=1e-12
    )


def test_what_households_burn_themselves_is_shown_apart_and_held_in_consumption():
    done = fp.footprint(fp.table(frame(*CLOSED)), emitted(EMITTED), seed=1, households_direct=(80.0, 60.0, 100.0))
    assert values(done)["consumption"] == pytest.approx(780)
    assert values(done)["production"] == pytest.approx(700)
    assert values(done)["households_direct"] == 80


# -- checks


def changed(at: int, **change: Any) -> list[dict[str, Any]]:
    return [r | change if i == at else r for i, r in enumerate(CLOSED)]


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (
            changed(0, value=-150.0),
            DataError,
            r"row 1 \(intermediate of C farm\) is -150.0, but a flow is not negative",
        ),
        (changed(0, value=float("nan")), DataError, "row 1: value is nan"),
        (changed(0, value=350.0), DataError, r"uses of C farm add up to 1200 万元, its output is 1000 .*20\.00% apart"),
        (changed(0, flow="use"), UnknownNameError, r"flow \(row 1\) 'use'"),
        (changed(0, from_sector="frm"), UnknownNameError, "Nearest: 'C farm'"),
        (changed(0, to_sector="frm"), UnknownNameError, "Nearest: 'farm'"),
        (changed(0, to_sector=None), DataError, "names no user"),
        (changed(6, to_region="D"), UnknownNameError, "region that uses it"),
        (changed(4, value=0.0), DataError, "output of C farm is 0"),
        ([*CLOSED, CLOSED[0]], DataError, "row 9 .* stands twice"),
        (changed(0, year=2019), DataError, r"flows of \[2019, 2020\]"),
        (changed(0, unit="t"), UnitError, "must all be of money"),
        (changed(0, unit="万万"), UnknownNameError, "unit '万万'"),
        (CLOSED[:4], DataError, "no row of flow 'output'"),
        ([*TWO, flow("import", C, 5)], SchemaError, "rest of the world as a region"),
    ],
)
def test_a_table_that_cannot_be_is_told(rows: list[dict[str, Any]], error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        fp.table(frame(*rows))


def test_inputs_that_reach_the_output_are_refused():
    # farm buys 900 + 200 for an output of 1000
    rows = [flow("intermediate", A, 900, A), flow("intermediate", M, 200, A), flow("output", A, 1000),
            flow("output", M, 2000), flow("final_demand", A, 100, ("C", "h")),
            flow("final_demand", M, 1800, ("C", "h"))]  # fmt: skip
    with pytest.raises(DataError, match=r"inputs of C farm are 1\.100 of its output"):
        fp.table(frame(*rows))


def test_stock_changes_alone_may_be_negative_and_units_of_money_join():
    rows = [*CLOSED[:6], flow("final_demand", A, 400, ("C", "households")), CLOSED[7],
            flow("final_demand", A, -50, ("C", fp.STOCK_CHANGES))]  # fmt: skip
    assert fp.footprint(fp.table(frame(*rows)), emitted(EMITTED), seed=1).value("consumption") == pytest.approx(700)
    in_yuan = [r | {"value": r["value"] * 1e4, "unit": "元"} if i == 1 else r for i, r in enumerate(CLOSED)]
    assert fp.table(frame(*in_yuan)).coefficients == pytest.approx(fp.table(frame(*CLOSED)).coefficients)


def test_emissions_must_be_of_every_sector_once_and_of_the_year():
    made = fp.table(frame(*CLOSED))
    with pytest.raises(DataError, match="1 sectors have no emissions, the first is C plant"):
        fp.footprint(made, emitted({A: 500.0}), seed=1)
    with pytest.raises(DataError, match="stand twice"):
        fp.footprint(made, pl.concat([emitted(EMITTED)] * 2), seed=1)
    with pytest.raises(DataError, match=r"citylab\.carbon\.sinks"):
        fp.footprint(made, emitted({A: -5.0, M: 1.0}), seed=1)
    with pytest.raises(UnknownNameError, match="C mine"):
        fp.footprint(made, emitted(EMITTED | {("C", "mine"): 1.0}), seed=1)
    with pytest.raises(DataError, match="emissions of 2019 with a table of 2020"):
        fp.footprint(made, emitted(EMITTED, year=2019), seed=1)
    with pytest.warns(UsageWarning, match="Emissions of 2019"):
        done = fp.footprint(made, emitted(EMITTED, year=2019), seed=1, allow_other_year=True)
    assert "emissions of 2019 with a table of 2020" in done.warnings


def test_a_region_must_be_named_where_there_are_several():
    with pytest.raises(UnknownNameError, match="city, rest"):
        fp.footprint(fp.table(frame(*TWO)), emitted({C: 1.0, R: 1.0}), seed=1)
    with pytest.raises(UnknownNameError, match="Nearest: 'city'"):
        fp.footprint(fp.table(frame(*TWO)), emitted({C: 1.0, R: 1.0}), region="citty", seed=1)


def test_the_shipped_example_says_everywhere_that_it_is_synthetic():
    made, air = fp.example()
    assert made.is_synthetic and air["source"].str.contains("synthetic").all()
    assert fp.footprint(made, air, seed=1).source.startswith("synthetic")


def test_a_table_is_read_from_a_workbook_too(tmp_path: Path):
    from citylab import settings, sheets

    shipped = settings.datasets_dir() / "templates" / "example_io_table_synthetic.csv"
    book = sheets.write(
        "io_table", tmp_path / "投入产出表.xlsx", rows=sheets.raw(shipped, "io_table").drop(sheets.LINE)
    )
    assert fp.read_table(book).leontief == pytest.approx(fp.example()[0].leontief)
